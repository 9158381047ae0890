/* Counting: a text as ids in, its n-grams in order with their counts out.
 *
 * A window is what stands at a place of the text: as many words as the order says, or fewer where the sentence ends
 * (</s> is then the last).  Windows come out sorted by their words, the first word the most significant, each once with
 * the number of its places; the n-grams of every lower order are their beginnings.
 *
 * Places are sorted in memory.  When a text is longer than memory allows, the windows of what is there are written down
 * as a run and merged with those of the rest at the end. */
#ifndef LT_NGRAM_COUNT_H
#define LT_NGRAM_COUNT_H

#include "base/ctx.h"
#include "base/spill.h"
#include "ngram/ngram.h"

/* Sentences one after the other, each as <s> words </s>. */
enum { LT_TEXT_UNK, LT_TEXT_BOS, LT_TEXT_EOS };

struct lt_window {
    uint32_t word[LT_NGRAM_ORDER_MAX];
    int n;                  /* words */
    int shared;             /* first words it has in common with the window before; below n */
    uint64_t count;
};

struct lt_counter {
    int order;
    struct lt_ctx *ctx;
    struct lt_spill *spill;
    size_t budget;          /* bytes that tokens may take with what sorting needs; may be changed between sentences */
    uint32_t *token;        /* [cap], with room for `order` zeros more */
    size_t n, cap;
    uint64_t tokens;        /* of the whole text */
    uint32_t *place;        /* sorted: where in token[] windows begin */
    size_t places, at;
    struct lt_spool *run;
    size_t runs, runs_cap, merged;
    struct lt_merge *merge;
    struct lt_window last;  /* what lt_counter_next gave */
};
void lt_counter_init(struct lt_counter *t, int order, struct lt_ctx *c, struct lt_spill *spill, size_t budget);
void lt_counter_release(struct lt_counter *t);
/* words: how many there are in the vocabulary, the marks included; all ids are below. */
int lt_counter_more(struct lt_counter *t, uint32_t words);
static inline int lt_counter_add(struct lt_counter *t, uint32_t id, uint32_t words)
{
    if (t->n == t->cap && lt_counter_more(t, words)) return -1;
    t->token[t->n++] = id;
    return 0;
}
/* After the last token, which is </s>: sorts, and merges runs until what is left can be read at once. */
int lt_counter_finish(struct lt_counter *t, uint32_t words);
size_t lt_counter_bytes(const struct lt_counter *t);        /* that tokens and places take now */
/* The next window; false at the end, or when lt_spill_check has something to tell. */
bool lt_counter_next(struct lt_counter *t, struct lt_window *w);

/* ---- inside: sorting places, and runs ---- */
/* place[0 .. n-1], all the places of token[], by their windows; equal ones stand together. */
void lt_sort_places(const uint32_t *token, size_t n, int order, uint32_t words, uint32_t *place, struct lt_ctx *c);
void lt_run_put(struct lt_spool *s, const struct lt_window *w);     /* w->shared as lt_counter_next gives it */
struct lt_merge;
struct lt_merge *lt_merge_new(const struct lt_spool *run, size_t count);    /* borrowed until freed */
bool lt_merge_next(struct lt_merge *m, struct lt_window *w);
void lt_merge_free(struct lt_merge *m);

#endif
