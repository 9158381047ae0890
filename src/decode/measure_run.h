/* The verb `measure`: what texts hold of what was asked for. */
#ifndef LT_MEASURE_RUN_H
#define LT_MEASURE_RUN_H

#include "base/base.h"

struct lt_measure_options {
    struct lt_list input, keywords;
    const char *field, *unit, *filter, *diacritics, *dictionary, *output;
    int64_t length;
};
int lt_measure_run(const struct lt_measure_options *o, struct lt_ctx *c);

#endif
