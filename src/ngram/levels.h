/* The n-grams of a text as a trie that lies in spools.  Level k holds the n-grams of k + 1 words, sorted by their
 * words, so that those that go on from one context lie together, in the order of the contexts.  Level 0 has every word
 * of the vocabulary, whether it occurs or not. */
#ifndef LT_LEVELS_H
#define LT_LEVELS_H

#include "ngram/count.h"

#define LT_LEFT_OUT UINT32_C(0x80000000)        /* in a word of a level: the n-gram is counted but not kept */
#define LT_LEVEL_MAX ((uint64_t)4290000000)     /* n-grams of one level, and room to notice it late */

struct lt_level {
    struct lt_spool word;           /* u32: the last word, and LT_LEFT_OUT */
    struct lt_spool raw;            /* counts: how often it occurs */
    struct lt_spool children;       /* counts: n-grams of the next level that go on from it; none at the highest */
    uint64_t n, kept;
    uint64_t bos, bos_end;          /* those that begin with <s> */
};
struct lt_levels {
    int order;
    uint32_t words;
    struct lt_level level[LT_NGRAM_ORDER_MAX];
    struct lt_spill *spill;
};
/* What is kept: n-grams that occur more than above[k] times (not falling from level to level) and whose words are not
 * left out.  The marks stay. */
struct lt_keeping { uint64_t above[LT_NGRAM_ORDER_MAX]; const uint8_t *left_out; };   /* left_out: [words], or NULL */

/* Takes all windows of the counter. */
int lt_levels_build(struct lt_levels *l, struct lt_counter *t, uint32_t words, const struct lt_keeping *keep);
void lt_levels_release(struct lt_levels *l);

/* The n-grams of one level, one after the other, with all their words. */
struct lt_path {
    int level;
    uint32_t word[LT_NGRAM_ORDER_MAX];          /* without LT_LEFT_OUT */
    bool kept;
    uint64_t left[LT_NGRAM_ORDER_MAX];          /* n-grams of the next level still to come from here */
    struct lt_spool_reader words[LT_NGRAM_ORDER_MAX], children[LT_NGRAM_ORDER_MAX];
};
void lt_path_begin(struct lt_path *p, const struct lt_levels *l, int level);
void lt_path_next(struct lt_path *p);
void lt_path_end(struct lt_path *p);

#endif
