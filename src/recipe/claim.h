/* Lab recipes: a paper's claim, checked again with small models (doc/formats/lab.md). */
#ifndef LT_CLAIM_H
#define LT_CLAIM_H

#include "recipe/recipe.h"

struct lt_lab_result {
    const char *paper, *claim, *figure;     /* borrowed from the recipe */
    const char *verdict;                    /* "confirmed", "not confirmed", "reversed" */
    double baseline, ours, seconds;
    int steps, skipped;                     /* skipped: not run, so the seconds are not those of the figures */
};
/* Runs what must run of the recipe and compares the two figures its `lab:` names.  A recipe without one is refused
 * before anything runs.  Forced, every step runs from its beginning: the output folders of
 * its steps are removed if they hold run records. */
int lt_lab_run(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_ctx *c, struct lt_lab_result *out);
/* Puts the result into a table (lab/results.tsv), in place of an older one of this name.  A result of which steps were
 * skipped is not put there: the table stays as it is where it has these figures already, and else it is a failure. */
int lt_lab_note(const char *table, const char *name, const struct lt_lab_result *x);

#endif
