/* Formulas over language models: "M + 0.6*(A - B)" is a language model like any other.
 *
 *     log p(v) = sum of f_i log q_i(v) / sum of f_i w_i,  normalised over the tokens v
 *
 * with w_i the weight of a term, 1 for a model: the p that is nearest to all q_i, sum of f_i KL(p || q_i) at its least
 * (arXiv:2311.14479, theorem 1).  doc/formats/formula.md describes the text of a formula. */
#ifndef LT_FORMULA_H
#define LT_FORMULA_H

#include "formula/term.h"

enum {
    LT_FORMULA_MODELS = 16, LT_FORMULA_VIEWS = 16, LT_FORMULA_PARTS = 16, LT_FORMULA_SUMS = 32, LT_FORMULA_ATOMS = 64,
    LT_FORMULA_NESTED = 16,             /* brackets and calls within one another */
};
#define LT_FORMULA_FLOOR (-100.0)       /* what is subtracted counts as at least this */

/* ---- a formula that was read; indices go into its arrays ---- */
struct lt_formula_view {                /* a model, perhaps after a text that is put before every other */
    int model;
    const char *prefix;                 /* text, or */
    const int32_t *id; int id_count;    /* ids; both NULL: the model as it is */
};
struct lt_formula_atom {                /* a view, or a term of sums */
    const struct lt_term *term;         /* NULL: a view */
    int view;
    struct lt_options *options; const void *o;
    int arg[LT_TERM_ARGS], arg_count;   /* sums */
};
struct lt_formula_part { double factor; int atom; bool late; };
struct lt_formula_sum { struct lt_formula_part part[LT_FORMULA_PARTS]; int count; double weight; };
struct lt_formula {
    const char *model[LT_FORMULA_MODELS]; int model_count;      /* as lt_lm_open takes them */
    struct lt_formula_view view[LT_FORMULA_VIEWS]; int view_count;
    struct lt_formula_atom atom[LT_FORMULA_ATOMS]; int atom_count;
    struct lt_formula_sum sum[LT_FORMULA_SUMS]; int sum_count;
    int top;                            /* the formula */
    int guess, guess_tokens;            /* the formula without what may come late, or -1; every so many tokens */
    struct lt_arena arena;
};
/* Messages name the column, from 1.  Nothing is opened. */
int lt_formula_parse(struct lt_str text, struct lt_formula **out);
void lt_formula_free(struct lt_formula *f);
/* The views on which a sum depends, and those whose past some term of it asks for; (LT_FORMULA_VIEWS), added to. */
void lt_formula_uses(const struct lt_formula *f, int sum, bool *view, bool *past);

/* ---- its value (formula_value.c) ---- */
struct lt_formula_place {
    int vocab;
    const float *row[LT_FORMULA_VIEWS]; /* (vocab) of views that are used: log p of every token */
    double past[LT_FORMULA_VIEWS];      /* log p of the tokens so far, of views whose past is asked for */
};
/* log p of every token by a sum, into out (vocab); scratch is left as it was.  -1: no token is left. */
int lt_formula_row(const struct lt_formula *f, int sum, const struct lt_formula_place *p, struct lt_arena *scratch,
                   float *out);

/* ---- with its models (formula_lm.c, formula_session.c) ---- */
struct lt_formula_models {
    struct lt_lm lm[LT_FORMULA_MODELS];
    int vocab[LT_FORMULA_MODELS];       /* logits in a row */
    const struct lt_tokenizer *tokenizer;       /* the first there is; NULL: none has one */
    int32_t start;                      /* the token texts begin with, which stays before prefixes; -1: none */
};
struct lt_formula_lm {
    struct lt_formula *f;
    struct lt_formula_models *models;
    int sum, vocab;
    bool used[LT_FORMULA_VIEWS], past[LT_FORMULA_VIEWS];
    bool guest;                         /* f and models are another's */
};
int lt_formula_session(const struct lt_formula_lm *m, struct lt_session *out);

#endif
