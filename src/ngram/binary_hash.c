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
/* All bigrams, then the trigrams of those that were found, and so on: what one round finds tells which lines the next
 * needs, and they are on their way while the others of the round are looked at. */
enum { TOGETHER = 32, TEXT = LT_NGRAM_ORDER_MAX * (TOGETHER + 2) };
struct place {                                      /* a word, or the state before the first, or a beginning */
    uint64_t key;                                   /* of the n-gram looked at, less its last mixing */
    const uint32_t *text;                           /* the word in its text */
    float prob;                                     /* of the longest match */
    uint8_t length, longest, contexts;              /* contexts: words before it in the text */
    float backoff[LT_NGRAM_ORDER_MAX + 1];          /* [k]: of the last k words, 1 <= k <= length */
};
struct batch {
    const struct lt_ngram_file *f;
    int order, count;
    struct place place[TOGETHER + 1];
    uint32_t text[TEXT];
    int alive[TOGETHER], alive_count;               /* places whose n-gram of this round is to be looked up */
};

static void put_state(struct place *p, const struct lt_ngram_state *s)
{
    p->length = p->longest = (uint8_t)s->n;
    memcpy(p->backoff, s->backoff, sizeof s->backoff);
}

static int put_context(uint32_t *text, int at, const struct lt_ngram_state *s)
{
    for (int k = s->n - 1; k >= 0; k--) text[at++] = s->word[k];
    return at;
}

static inline void ask(const struct batch *b, struct place *p, int k)
{
    p->key = lt_ngram_key(p->key, p->text[-k]);
    uint64_t bucket = bucket_of(lt_ngram_key_end(p->key), b->f->head.buckets[k]);
    __builtin_prefetch((const char *)b->f->table[k] + bucket * LT_NGRAM_LINE);
}

/* The round of the unigrams, none of which is missing. */
static void begin_batch(struct batch *b, const struct lt_ngram_state *begin, const struct lt_ngram_state *s,
                        const uint32_t *word, int n)
{
    int start = 0, at = put_context(b->text, 0, s);
    put_state(&b->place[0], s);
    b->count = n;
    b->alive_count = 0;
    for (int i = 0; i < n; i++) {
        struct place *p = &b->place[i + 1];
        if (word[i] == LT_NGRAM_NONE) {
            start = at;
            at = put_context(b->text, at, begin);
            put_state(p, begin);
            continue;
        }
        __builtin_prefetch(&b->f->unigram[word[i]]);
        b->text[at] = word[i];
        p->text = &b->text[at];
        p->contexts = (uint8_t)LT_MIN(at - start, b->order - 1);
        p->length = p->longest = 1;
        p->key = lt_ngram_key(b->f->head.seed, word[i]);
        at++;
        if (!p->contexts) continue;
        ask(b, p, 1);
        b->alive[b->alive_count++] = i + 1;
    }
}

/* Looks up the n-grams of k + 1 words that have been asked for, and asks for those that are longer by a word: where the
 * word before has a match as long. */
static void round_of(struct batch *b, int k)
{
    const struct lt_ngram_bucket *table = b->f->table[k];
    uint64_t buckets = b->f->head.buckets[k];
    int kept = 0;
    for (int i = 0; i < b->alive_count; i++) {
        int at = b->alive[i];
        struct place *p = &b->place[at];
        const struct lt_ngram_slot *slot = find(table, buckets, lt_ngram_key_end(p->key));
        if (!slot) continue;
        p->length = (uint8_t)(k + 1);
        p->backoff[k + 1] = slot->backoff;
        if (slot->prob <= 0) {                      /* not a blank */
            p->prob = slot->prob;
            p->longest = (uint8_t)(k + 1);
        }
        if (k >= p->contexts || p[-1].length <= k) continue;
        ask(b, p, k + 1);
        b->alive[kept++] = at;
    }
    b->alive_count = kept;
}

static void top_round(struct batch *b, int k)
{
    for (int i = 0; i < b->alive_count; i++) {
        struct place *p = &b->place[b->alive[i]];
        const float *prob = find_top(b->f->table[k], b->f->head.buckets[k], lt_ngram_key_end(p->key));
        if (!prob) continue;
        p->prob = *prob;
        p->length = p->longest = (uint8_t)(k + 1);
    }
}

static void end_batch(struct batch *b, const uint32_t *word, double *logp, uint8_t *length)
{
    for (int i = 0; i < b->count; i++) {
        struct place *p = &b->place[i + 1];
        if (word[i] == LT_NGRAM_NONE) continue;
        const struct lt_ngram_pair *unigram = &b->f->unigram[word[i]];
        int known = LT_MIN(p[-1].length, b->order - 1);
        double sum = (double)(p->longest == 1 ? unigram->prob : p->prob);
        p->backoff[1] = unigram->backoff;
        for (int k = p->longest; k <= known; k++) sum += (double)p[-1].backoff[k];
        logp[i] = sum;
        length[i] = p->length;
    }
}

static void hash_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                       const struct lt_ngram_run *run)
{
    struct batch b;
    b.f = m->file;
    b.order = m->order;
    for (int from = 0; from < run->n; from += TOGETHER) {
        int n = LT_MIN(run->n - from, TOGETHER);
        const uint32_t *word = run->word + from;
        begin_batch(&b, begin, s, word, n);
        for (int k = 1; k < b.order - 1; k++) round_of(&b, k);
        if (b.order > 1) top_round(&b, b.order - 1);
        end_batch(&b, word, run->logp + from, run->length + from);
        if (word[n - 1] == LT_NGRAM_NONE) {
            *s = *begin;
            continue;
        }
        const struct place *last = &b.place[n];
        s->n = LT_MIN(last->length, b.order - 1);
        memcpy(s->backoff, last->backoff, sizeof s->backoff);
        for (int k = 0; k < s->n; k++) s->word[k] = last->text[-k];
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
