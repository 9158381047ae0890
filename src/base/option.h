/* Inside of option sets: what the parts of the implementation share.  Users call lt_options_... of lathe.h. */
#ifndef LT_OPTION_H
#define LT_OPTION_H

#include "base/base.h"
#include <stdio.h>

struct lt_option_entry {
    const char *key;                    /* canonical */
    const struct lt_opt *row;           /* row of the set's method */
    const struct lt_method *member;     /* METHODS: the member meant */
    const char *sub;                    /* key inside the chosen method; NULL: the row itself; "": presence alone */
    struct lt_list value;
    bool split;                         /* one text that may hold a list separated by commas */
};
/* The i-th spelling of a row: 0 its key, then its aliases; false past the last. */
bool lt_option_name(const struct lt_opt *r, int i, struct lt_str *name);
/* by key, then by alias; NULL: none */
const struct lt_opt *lt_option_row(const struct lt_method *m, struct lt_str key);
const struct lt_kind *lt_option_kind(const struct lt_opt *r);                       /* of a METHOD or METHODS row */
const struct lt_method *lt_options_method(const struct lt_options *s);
struct lt_arena *lt_options_arena(struct lt_options *s);
/* where the filled struct is kept */
void **lt_options_slot(struct lt_options *s);
bool lt_options_entry(struct lt_options *s, int i, struct lt_option_entry *e);      /* false past the last */
const char *lt_options_canonical(struct lt_options *s, const char *spelling);       /* of a key; NULL: no such option */

/* Canonical JSON of a filled struct, as lt_options_resolved gives it; free() it.  rows NULL: no options. */
char *lt_option_json(const struct lt_opt *rows, const void *o, bool all);

#endif
