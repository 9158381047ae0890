/* The fast layout: a table of hashes for each order, buckets as large as a line of the cache.  Where an n-gram lies
 * follows from its words alone, so the lines for many words to come are asked for before the first is needed. */
#include "ngram/binary.h"

static uint64_t bucket_of(uint64_t key, uint64_t buckets)
{
    return (uint64_t)((unsigned __int128)key * buckets >> 64);
}

static inline const struct lt_ngram_slot *find(const struct lt_ngram_bucket *t, uint64_t buckets, uint64_t key)
{
    uint64_t at = bucket_of(key, buckets);
    for (int step = 0; step < LT_NGRAM_REACH; step++, at = at + 1 == buckets ? 0 : at + 1) {
        const struct lt_ngram_slot *s = t[at].slot;
        for (int i = 0; i < LT_NGRAM_BUCKET; i++)
            if (s[i].key == key) return &s[i];
        if (!s[LT_NGRAM_BUCKET - 1].key) break;
    }
    return NULL;
}

static inline const float *find_top(const struct lt_ngram_bucket_top *t, uint64_t buckets, uint64_t key)
{
    uint64_t at = bucket_of(key, buckets);
    for (int step = 0; step < LT_NGRAM_REACH; step++, at = at + 1 == buckets ? 0 : at + 1) {
        for (int i = 0; i < LT_NGRAM_BUCKET_TOP; i++)
            if (t[at].key[i] == key) return &t[at].prob[i];
        if (!t[at].key[LT_NGRAM_BUCKET_TOP - 1]) break;
    }
    return NULL;
}

/* ---- some words at a time ---- */
enum { TOGETHER = 32, TEXT = LT_NGRAM_ORDER_MAX * (TOGETHER + 2) };
struct ahead {
    uint32_t text[TEXT];                            /* words in a row, those before the first included */
    int at[TOGETHER];                               /* where in it a word stands */
    uint64_t key[TOGETHER][LT_NGRAM_ORDER_MAX];     /* [k]: of the n-gram that ends there after k words */
};

static int put_context(uint32_t *text, int at, const struct lt_ngram_state *s)
{
    for (int k = s->n - 1; k >= 0; k--) text[at++] = s->word[k];
    return at;
}

/* All keys, and the lines they lead to on their way. */
static void look_ahead(const struct lt_ngram_file *f, const struct lt_ngram_state *begin,
                       const struct lt_ngram_state *s, const uint32_t *word, int n, struct ahead *a)
{
    int start = 0, at = put_context(a->text, 0, s), highest = (int)f->head.order - 1;
    for (int i = 0; i < n; i++) {
        if (word[i] == LT_NGRAM_NONE) {
            start = at;
            at = put_context(a->text, at, begin);
            continue;
        }
        uint64_t key = lt_ngram_key(f->head.seed, word[i]);
        int contexts = LT_MIN(at - start, highest);
        __builtin_prefetch(&f->unigram[word[i]]);
        a->at[i] = at;
        a->text[at] = word[i];
        for (int k = 1; k <= contexts; k++) {
            key = lt_ngram_key(key, a->text[at - k]);
            a->key[i][k] = lt_ngram_key_end(key);
            __builtin_prefetch((const char *)f->table[k] + bucket_of(a->key[i][k], f->head.buckets[k]) * LT_NGRAM_LINE);
        }
        at++;
    }
}

struct standing { int n; float backoff[LT_NGRAM_ORDER_MAX + 1]; };      /* of a state, without its words */

/* One word, all of whose lines have been asked for. */
static inline double step(const struct lt_ngram_file *f, struct standing *s, uint32_t word, const uint64_t *key,
                          int order, int *length)
{
    struct standing next;
    float prob = f->unigram[word].prob;
    int longest = 1, k = 1;
    next.backoff[1] = f->unigram[word].backoff;
    for (; k <= s->n && k < order - 1; k++) {
        const struct lt_ngram_slot *slot = find(f->table[k], f->head.buckets[k], key[k]);
        if (!slot) break;
        next.backoff[k + 1] = slot->backoff;
        if (slot->prob > 0) continue;                   /* a blank: longer ones may be there */
        prob = slot->prob;
        longest = k + 1;
    }
    if (k == order - 1 && k <= s->n) {
        const float *top = find_top(f->table[k], f->head.buckets[k], key[k]);
        if (top) {
            prob = *top;
            longest = ++k;
        }
    }
    double p = (double)prob;
    for (int c = longest; c <= s->n; c++) p += (double)s->backoff[c];
    *length = k;
    next.n = LT_MIN(k, order - 1);
    *s = next;
    return p;
}

static void hash_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                       const struct lt_ngram_run *run)
{
    const struct lt_ngram_file *f = m->file;
    struct ahead a;
    for (int from = 0; from < run->n; from += TOGETHER) {
        int n = LT_MIN(run->n - from, TOGETHER), last = -1;
        const uint32_t *word = run->word + from;
        struct standing now = { .n = s->n };
        memcpy(now.backoff, s->backoff, sizeof s->backoff);
        look_ahead(f, begin, s, word, n, &a);
        for (int i = 0; i < n; i++) {
            int length;
            if (word[i] == LT_NGRAM_NONE) {
                *s = *begin;
                now.n = s->n;
                memcpy(now.backoff, s->backoff, sizeof s->backoff);
                last = -1;
                continue;
            }
            run->logp[from + i] = step(f, &now, word[i], a.key[i], m->order, &length);
            run->length[from + i] = (uint8_t)length;
            last = i;
        }
        if (last < 0) continue;
        s->n = now.n;
        memcpy(s->backoff, now.backoff, sizeof s->backoff);
        for (int k = 0; k < s->n; k++) s->word[k] = a.text[a.at[last] - k];
    }
}

/* ---- all words ---- */
static uint64_t key_after(uint64_t seed, uint32_t word, const struct lt_ngram_state *s, int n)
{
    uint64_t key = lt_ngram_key(seed, word);
    for (int k = 0; k < n; k++) key = lt_ngram_key(key, s->word[k]);
    return lt_ngram_key_end(key);
}

/* The n-gram of the last n words of a state, by the trie. */
static uint64_t node_of(const struct lt_ngram_file *f, const struct lt_ngram_state *s, int n)
{
    uint64_t node = s->word[n - 1];
    for (int k = 1; k < n && node != LT_NGRAM_NONE; k++)
        node = lt_ngram_find(&f->level[k], lt_ngram_file_range(f, k - 1, node), s->word[n - 1 - k]);
    return node;
}

static void hash_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out)
{
    const struct lt_ngram_file *f = m->file;
    double charge[LT_NGRAM_ORDER_MAX + 1];
    lt_ngram_charges(s, charge);
    for (uint64_t w = 0; w < f->head.count[0]; w++)
        out[w] = (float)(((double)f->unigram[w].prob + charge[0]) * scale);
    for (int k = 1; k <= s->n; k++) {
        uint64_t node = node_of(f, s, k);
        if (node == LT_NGRAM_NONE) continue;
        struct lt_ngram_range r = lt_ngram_file_range(f, k - 1, node);
        for (uint64_t i = r.from; i < r.end; i++) {
            uint32_t w = lt_ngram_entry_word(&f->level[k], i, f->head.count[0]);
            uint64_t key = key_after(f->head.seed, w, s, k);
            const struct lt_ngram_slot *slot = NULL;
            const float *prob = NULL;
            if (k == m->order - 1) prob = find_top(f->table[k], f->head.buckets[k], key);
            else if ((slot = find(f->table[k], f->head.buckets[k], key))) prob = &slot->prob;
            if (prob) out[w] = (float)(((double)*prob + charge[k]) * scale);
        }
    }
}

static struct lt_ngram_pair hash_figures(const struct lt_ngram *m, int level, uint64_t index, const uint32_t *word)
{
    const struct lt_ngram_file *f = m->file;
    struct lt_ngram_pair none = { 0 };
    uint64_t key = f->head.seed;
    if (!level) return f->unigram[index];
    for (int k = level; k >= 0; k--) key = lt_ngram_key(key, word[k]);
    key = lt_ngram_key_end(key);
    if (level == m->order - 1) {
        const float *prob = find_top(f->table[level], f->head.buckets[level], key);
        return prob ? (struct lt_ngram_pair){ *prob, 0 } : none;
    }
    const struct lt_ngram_slot *slot = find(f->table[level], f->head.buckets[level], key);
    return slot ? (struct lt_ngram_pair){ slot->prob, slot->backoff } : none;
}

const struct lt_ngram_layout lt_ngram_layout_hash = { .score = hash_score, .row = hash_row, .figures = hash_figures };
