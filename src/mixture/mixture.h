/* Kind "mixture": ways to make one distribution of the next token out of those of several language models.
 *
 * A method says what each member weighs at a place of a text; from the weights follow, by its flags, the distributions
 *
 *     p(v) = sum of w[m] p_m(v)                          pool, weights that sum to 1
 *     p(v) = sum of w[m][v] p_m(v), divided by its sum   LT_MIXTURE_TOKENWISE: a weight for every token
 *     p(v) = product of p_m(v)^w[m], divided by its sum  LT_MIXTURE_PRODUCT
 *
 * Log-probabilities are natural.  Members are counted from 0 in the order of the mixture file. */
#ifndef LT_MIXTURE_H
#define LT_MIXTURE_H

#include "base/base.h"
#include "lm/mixing.h"

enum {                          /* lt_mixture.flags */
    LT_MIXTURE_PRODUCT = 1,
    LT_MIXTURE_TOKENWISE = 2,
    LT_MIXTURE_PAST = 4,        /* weighs by how well the members foretold the tokens before */
    LT_MIXTURE_ENTROPY = 8,     /* by how sure they are */
    LT_MIXTURE_ROWS = 16,       /* by all they say */
    LT_MIXTURE_WEIGHTS = 32,    /* one number a member is all it learns: "weights" of the mixture file */
};
enum { LT_MIXTURE_TENSORS = 6 };

/* What is known at a place of a text before the token there.  Members of the struct that the method's flags do not ask
 * for are NULL. */
struct lt_mixture_place {
    const float *const *row;    /* [members], each (vocab): log p of every token */
    const float *entropy;       /* (members), in nats */
    const float *past;          /* (past_count, members): log p of the tokens before, the latest last */
    int64_t past_count;
};
/* A text to learn from: places at which a token came.  NULL as above; logp and token are always there. */
struct lt_mixture_lesson {
    int members, vocab;
    int64_t count;
    const int32_t *token;       /* (count) */
    const float *logp;          /* (count, members), of the tokens that came */
    const float *entropy;       /* (count, members) */
    const float *row;           /* (count, members, vocab), also for PRODUCT and TOKENWISE */
    const int64_t *first;       /* (count): the place where the same document begins */
    uint64_t seed;
    struct lt_ctx *ctx;
};
struct lt_mixture_tensor { const char *name; int64_t rows, cols; float *value; };
/* What a mixture has learnt. */
struct lt_mixture;
struct lt_mixture_fit {
    const struct lt_mixture *how;
    const void *o;              /* options of `how`; borrowed */
    int members, vocab;         /* vocab: 0 when nothing learnt depends on it */
    double weight[LT_MIXING_MEMBERS];               /* with LT_MIXTURE_WEIGHTS; equal ones at first */
    struct lt_mixture_tensor tensor[LT_MIXTURE_TENSORS]; int tensor_count;
};
struct lt_mixture {
    struct lt_method m;
    unsigned flags;
    /* Names and shapes of the tensors of f->members over f->vocab tokens; values are given by the caller, zeroed.
     * NULL: none. */
    void (*shape)(struct lt_mixture_fit *f);
    int (*learn)(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l);     /* NULL: nothing is learnt */
    /* w: (members), or (members, vocab) with TOKENWISE; NULL: f->weight. */
    void (*weigh)(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, double *w);
};

/* ---- around the methods (mixture.c) ---- */
/* A fit that has learnt nothing: equal weights, tensors of zeros.  vocab is kept only when the method has tensors. */
void lt_mixture_init(struct lt_mixture_fit *f, const struct lt_mixture *how, const void *o, int members, int vocab);
void lt_mixture_release(struct lt_mixture_fit *f);
float *lt_mixture_value(const struct lt_mixture_fit *f, const char *name);      /* of a tensor that is there */
/* Does it take whole distributions to know the probability of one token? */
bool lt_mixture_needs_rows(const struct lt_mixture *how);
/* log p of every token, (vocab). */
void lt_mixture_row(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, int vocab, float *out);
/* log p of one token from those of the members, for methods without lt_mixture_needs_rows. */
float lt_mixture_token(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, const float *logp);

/* ---- learnt weights that are a function of what the members say (gate.c) ---- */
/* lambda = softmax over the members of z, z = W2 relu(W1 x + b1) + b2, x the standardised features; without features
 * z = b2.  Learnt by AdamW on -log p in mini-batches from the best constant weights on; of the epochs the one is kept
 * that does best on the share `holdout` of the places, drawn from all over the text. */
struct lt_gate_options { int64_t hidden, epochs, batch; double learning_rate, holdout; };
void lt_gate_shape(struct lt_mixture_fit *f);
int lt_gate_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l);
void lt_gate_weigh(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, double *w);

#endif
