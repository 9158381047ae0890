/* How well a language model foretells text. */
#ifndef LT_SCORE_H
#define LT_SCORE_H

#include "decode/prompt.h"
#include "lm/how.h"
#include "text/document.h"

struct lt_ppl_total {
    int64_t documents, tokens, bytes, words;    /* scored tokens, and the bytes and words of text they stand for */
    int64_t hits;                               /* tokens that were the most likely ones */
    int64_t unscored;                           /* first tokens of documents with nothing before them */
    double nll;                                 /* sum of -log p, natural */
};
struct lt_ppl_how {
    int context;            /* tokens the model sees at most; 0: all it can hold */
    int stride;             /* tokens scored at a time once the context is full; 0: half of it */
    enum lt_start start;
    bool no_hits;           /* whether a token was the most likely one is not asked, which some models answer slowly */
};
/* Per token of the text: its document of those given, its place in it, its bytes, log p (NaN: unscored). */
struct lt_ppl_token { int document; int64_t position; struct lt_token token; float logp; bool hit; };
typedef int lt_ppl_fn(void *to, const struct lt_ppl_token *t);

/* Scores n documents together with n sessions of one model, which are emptied first; adds to total.  fn may be NULL.
 * The figures do not depend on which documents are scored together.  failed: the document a failure is about, or -1. */
int lt_ppl_documents(const struct lt_session *s, int n, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                     const struct lt_str *text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to, int *failed);
/* One of them. */
int lt_ppl_document(struct lt_session *s, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                    struct lt_str text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to);
/* The same for models that score whole texts only (no session, no tokenizer): the model says how many tokens there are,
 * and which of them were the likeliest is not known. */
int lt_ppl_text(struct lt_lm *lm, struct lt_str text, struct lt_ppl_total *total);

/* log p(text | context) of n pairs, in any order; fills in logp, tokens and greedy.  White space at the end of a
 * context belongs to the text, which is cut into tokens together with its context (as the Language Model Evaluation
 * Harness does).  An empty context is the begin or end token, where the tokenizer has one; else the first token is not
 * scored. What contexts have in common is fed once.  A pair that does not fit the model is an error; nothing is cut
 * off. */
int lt_score(struct lt_lm *lm, struct lt_ctx *c, struct lt_score *q, int n);

/* `lathe score`: pairs from JSON lines. */
struct lt_score_options {
    const char *model, *context_field, *field, *format, *output;
    struct lt_list input;
    struct lt_how how;
};
int lt_score_run(const struct lt_score_options *o, struct lt_ctx *c);

struct lt_perplexity_options {
    const char *model, *start, *tokens, *baseline, *output;
    struct lt_list input;
    int64_t context, stride, batch_size;
    bool json;
    struct lt_how how;
    struct lt_docs_how docs;
};
int lt_perplexity_run(const struct lt_perplexity_options *o, struct lt_ctx *c);

#endif
