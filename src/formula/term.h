/* Kind "term": functions of distributions in a formula over language models (doc/formats/formula.md).
 *
 * An argument of a term is a distribution itself: a model, or a formula divided by its weights and normalised.  What a
 * term gives is a number for every token, which counts in the sum like the log-probabilities of a model. */
#ifndef LT_TERM_H
#define LT_TERM_H

#include "base/base.h"

enum { LT_TERM_ARGS = 8 };              /* arguments at most */
enum { LT_TERM_PAST = 1 };              /* lt_term.flags: asks for the past; arguments are models then, not sums */

struct lt_term_place {
    int vocab, count;                   /* tokens; arguments */
    const float *const *row;            /* [count], (vocab): log p of every token now; -INFINITY: never */
    const double *past;                 /* (count): log p of the tokens so far; NULL without LT_TERM_PAST */
};
struct lt_term {
    struct lt_method m;                 /* a row with LT_ARG may be given without its key, after the models */
    int least, most;                    /* arguments */
    double weight;                      /* in the sum by which a formula is divided: 1, or 0 for what only tilts */
    unsigned flags;
    void (*value)(const void *o, const struct lt_term_place *p, float *out);    /* out: (vocab) */
};

#endif
