/* `lathe filter`: documents through a chain of operators (kind "dataop"). */
#ifndef LT_FILTER_H
#define LT_FILTER_H

#include "text/document.h"

struct lt_filter_options {
    struct lt_list input;
    const char *output;
    struct lt_choices filters;
    bool json;
    struct lt_docs_how docs;
};
/* Writes what stays to o->output as JSON lines and what every operator dropped, and why, to standard output
 * (to the notes of c when the documents go there). */
int lt_filter_run(const struct lt_filter_options *o, struct lt_ctx *c);

#endif
