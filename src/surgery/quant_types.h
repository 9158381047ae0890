/* Which type each tensor of a file becomes. */
#ifndef LT_QUANT_TYPES_H
#define LT_QUANT_TYPES_H

#include "surgery/export.h"

struct lt_type_rules {
    const char *type;                   /* "q4_k_m" and the like, upper or lower case */
    bool pure;                          /* every matrix of the one type */
    const struct lt_list *rules;        /* "PATTERN=TYPE"; a later one wins */
    const char *fallback;               /* for widths that the block does not divide; "refuse"; "llama.cpp" */
};
/* How many tensors have their type from a rule, and how many from the fallback. */
struct lt_type_counts { int rules, fallen; };
/* Sets the types of an export.  -1: an unknown name, a rule that no tensor answers to, a width that does not divide. */
int lt_choose_types(const struct lt_type_rules *r, struct lt_export *e, struct lt_type_counts *out);

#endif
