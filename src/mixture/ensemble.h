/* What models are worth together: weights on one text, perplexities on another. */
#ifndef LT_ENSEMBLE_H
#define LT_ENSEMBLE_H

#include "mixture/mixture.h"
#include "mixture/track.h"

struct lt_ensemble_options {
    struct lt_list members, dev, test;
    const char *align, *output, *figures, *report;
    struct lt_choice method;
    int64_t memory, seed;
    bool json;
    struct lt_docs_how docs;
};
int lt_ensemble_run(const struct lt_ensemble_options *o, struct lt_ctx *c);

/* Perplexities are of units (tokens, or words with --align word); NAN: not asked for, or of nothing. */
struct lt_ensemble_member {
    const char *name;
    double weight;              /* by EM on the development text */
    double dev, test;           /* of the member alone */
    double without;             /* of the others' EM mixture: on the test text, or on the development text */
    int place;                  /* when greedy addition takes it, from 1 */
    double together;            /* of the EM mixture of the members taken so far, on the same text as `without` */
};
struct lt_ensemble {
    int members;
    struct lt_ensemble_member member[LT_MIXING_MEMBERS];
    int64_t tokens, test_tokens, left_out;      /* units with a figure; those passed over */
    bool tested, words;
    double dev, test;                           /* of the EM mixture */
    double uniform_dev, uniform_test;           /* of equal weights */
    const char *method;                         /* other than linear: its name; else NULL */
    double method_dev, method_test;
};
/* Weights on dev, figures on dev and test (NULL: none).  Names are the caller's to fill in. */
void lt_ensemble_judge(struct lt_ctx *c, const struct lt_aligned *dev, const struct lt_aligned *test,
                       struct lt_ensemble *e);
int lt_ensemble_best(const struct lt_ensemble *e, bool weakest);        /* the best member, or the weakest */
void lt_ensemble_table(const struct lt_ensemble *e, struct lt_buf *out);        /* TSV */
void lt_ensemble_json(const struct lt_ensemble *e, struct lt_buf *out);
void lt_ensemble_page(const struct lt_ensemble *e, struct lt_buf *out);         /* HTML */

#endif
