/* `lathe pairs`: scored samples into preference pairs, of each group the best against the worst. */
#ifndef LT_PREFERENCE_H
#define LT_PREFERENCE_H

#include "text/document.h"

struct lt_pairs_options {
    struct lt_list input;
    const char *output, *score, *over, *better, *field, *prompt_field;
    int64_t n;
    double min_margin;
    bool json;
};
/* Writes the pairs to o->output as JSON lines, and what became of the samples to standard output (to the notes of c
 * when the pairs go there). */
int lt_pairs_run(const struct lt_pairs_options *o, struct lt_ctx *c);

#endif
