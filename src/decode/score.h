/* How well a language model foretells text. */
#ifndef LT_SCORE_H
#define LT_SCORE_H

#include "base/base.h"
#include "decode/prompt.h"

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
/* Per token of the text: its place in the document, its bytes, log p (NaN: unscored). */
struct lt_ppl_token { int64_t position; struct lt_token token; float logp; bool hit; };
typedef int lt_ppl_fn(void *to, const struct lt_ppl_token *t);

/* Scores one document with the session, which is emptied first; adds to total.  fn may be NULL. */
int lt_ppl_document(struct lt_session *s, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                    struct lt_str text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to);
/* The same for models that score whole texts only (no session, no tokenizer): the model says how many tokens there are,
 * and which of them were the likeliest is not known. */
int lt_ppl_text(struct lt_lm *lm, struct lt_str text, struct lt_ppl_total *total);

struct lt_perplexity_options {
    const char *model, *field, *format, *start, *tokens, *baseline, *output;
    struct lt_list input;
    int64_t context, stride;
    bool paragraphs, json;
};
int lt_perplexity_run(const struct lt_perplexity_options *o, struct lt_ctx *c);

#endif
