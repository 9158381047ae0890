/* A model in the levels becomes a binary file.  The header is written last, over a place kept for it: only then are the
 * seed and the checksum known. */
#include "ngram/binary.h"
#include "base/ctx.h"
#include <stdlib.h>

enum { FILLED = 70, SEEDS = 8 };        /* FILLED: slots of a table that are used, in percent */

struct out {
    struct lt_writer w;
    uint8_t *block;
    size_t n;                           /* bytes in the block */
    uint64_t at, sum;                   /* at: bytes since the header */
};
struct writing {
    const struct lt_ngram *m;
    struct lt_ngram_header h;
    struct out out;
    struct lt_progress progress;
    struct lt_ctx *c;
    const char *path;
    bool clash;                         /* two n-grams with one hash: another seed is needed */
};

/* ---- bytes ---- */
static void flush(struct out *o)
{
    if (!o->n) return;
    o->sum = lt_ngram_checksum(o->sum, o->block, o->n);
    lt_writer_put(&o->w, o->block, o->n);
    o->n = 0;
}

static void put(struct out *o, const void *p, size_t n)
{
    const uint8_t *from = p;
    o->at += n;
    while (n) {
        size_t part = LT_MIN(n, LT_NGRAM_BLOCK - o->n);
        memcpy(o->block + o->n, from, part);
        o->n += part;
        from += part;
        n -= part;
        if (o->n == LT_NGRAM_BLOCK) flush(o);
    }
}

static void pad(struct out *o)
{
    static const uint8_t zero[LT_NGRAM_LINE];
    put(o, zero, (LT_NGRAM_LINE - o->at % LT_NGRAM_LINE) % LT_NGRAM_LINE);
}

struct bits { struct out *out; uint64_t held; unsigned n; };

static void put_bits(struct bits *b, uint64_t v, unsigned n)        /* n <= 32 */
{
    b->held |= v << b->n;
    b->n += n;
    while (b->n >= 8) {
        uint8_t byte = (uint8_t)b->held;
        put(b->out, &byte, 1);
        b->held >>= 8;
        b->n -= 8;
    }
}

static void end_bits(struct bits *b)
{
    if (b->n) put_bits(b, 0, 8 - b->n);
    put(b->out, &(uint64_t){ 0 }, sizeof(uint64_t));
    pad(b->out);
}

/* ---- words ---- */
static void put_words(struct writing *w)
{
    const struct lt_map *v = &w->m->vocabulary;
    uint64_t *slot = lt_calloc(w->h.word_slots, sizeof *slot), mask = w->h.word_slots - 1;
    uint32_t at = 0;
    for (uint32_t i = 0; i <= v->count; i++) {
        put(&w->out, &at, sizeof at);
        if (i < v->count) at += (uint32_t)v->entry[i].key.n;
    }
    pad(&w->out);
    for (uint32_t i = 0; i < v->count; i++) {
        struct lt_str word = v->entry[i].key;
        uint64_t hash = lt_hash(word.p, word.n, 0), s = hash & mask;
        put(&w->out, word.p, word.n);
        while (slot[s]) s = (s + 1) & mask;
        slot[s] = hash >> 32 << 32 | (i + 1);
    }
    pad(&w->out);
    put(&w->out, slot, w->h.word_slots * sizeof *slot);
    pad(&w->out);
    free(slot);
}

static void put_unigrams(struct writing *w)
{
    const struct lt_ngram_level *l = &w->m->level[0];
    for (uint32_t i = 0; i < l->count; i++) {
        struct lt_ngram_pair p = { l->prob[i], l->backoff ? l->backoff[i] : 0 };
        put(&w->out, &p, sizeof p);
    }
    pad(&w->out);
    if (w->m->order == 1) return;
    put(&w->out, l->child, ((size_t)l->count + 1) * sizeof *l->child);
    pad(&w->out);
}

/* ---- the trie ---- */
static void set_one(struct lt_ngram_fan_line *line, uint64_t at)
{
    unsigned bit = (unsigned)(at % LT_NGRAM_FAN_BITS);
    line[at / LT_NGRAM_FAN_BITS].word[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void put_fan(struct writing *w, int k)
{
    const struct lt_ngram_level *l = &w->m->level[k];
    uint64_t lines = lt_ngram_fan_lines(l->count, w->m->level[k + 1].count), hints = lt_ngram_hints(l->count);
    struct lt_ngram_fan_line *line = lt_calloc(lines, sizeof *line);
    uint32_t *hint = lt_alloc(hints * sizeof *hint), given = 0, ones = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t at = (uint64_t)l->child[i + 1] + i;
        set_one(line, at);
        if (i % LT_NGRAM_FAN_HINT == 0) hint[given++] = (uint32_t)(at / LT_NGRAM_FAN_BITS);
    }
    while (given < hints) hint[given++] = (uint32_t)(lines - 1);
    for (uint64_t i = 0; i < lines; i++) {
        unsigned here = 0;
        line[i].before = ones;
        for (unsigned word = 0; word < 7; word++) {
            here += (unsigned)__builtin_popcountll(line[i].word[word]);
            if (word % 2) line[i].ahead |= here << 9 * (word / 2);
        }
        ones += here;
    }
    put(&w->out, line, lines * sizeof *line);
    put(&w->out, hint, hints * sizeof *hint);
    pad(&w->out);
    free(line);
    free(hint);
}

static uint32_t float_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Centres for the figures of a level, or NULL where they stay floats. */
static float *centres(const float *value, uint32_t n, uint32_t bits, bool exact_zero)
{
    if (!bits || !value) return NULL;
    float *centre = lt_alloc(sizeof *centre << bits);
    lt_ngram_quantise(value, n, (int)bits, exact_zero, centre);
    return centre;
}

static int put_level(struct writing *w, int k)
{
    const struct lt_ngram_level *l = &w->m->level[k];
    const struct lt_ngram_header *h = &w->h;
    unsigned prob_width = lt_ngram_prob_width(h), backoff_width = lt_ngram_backoff_width(h, k);
    float *prob = centres(l->prob, l->count, prob_width ? h->prob_bits : 0, false);
    float *backoff = centres(l->backoff, l->count, backoff_width ? h->backoff_bits : 0, true);
    struct bits b = { .out = &w->out };
    for (uint32_t i = 0; i < l->count; i++) {
        put_bits(&b, l->word[i], h->word_bits);
        if (prob) put_bits(&b, lt_ngram_nearest(prob, 1u << h->prob_bits, l->prob[i]), prob_width);
        else if (prob_width) put_bits(&b, float_bits(l->prob[i]) & 0x7FFFFFFFu, prob_width);
        if (backoff) put_bits(&b, lt_ngram_nearest(backoff, 1u << h->backoff_bits, l->backoff[i]), backoff_width);
        else if (backoff_width) put_bits(&b, float_bits(l->backoff[i]), backoff_width);
        if (i % 65536 == 0) {
            lt_progress_at(&w->progress, (double)w->out.at, NULL);
            if (lt_ctx_interrupted(w->c)) break;
        }
    }
    end_bits(&b);
    if (k < w->m->order - 1) put_fan(w, k);
    if (prob) put(&w->out, prob, sizeof *prob << h->prob_bits);
    pad(&w->out);
    if (backoff) put(&w->out, backoff, sizeof *backoff << h->backoff_bits);
    pad(&w->out);
    free(prob);
    free(backoff);
    return lt_ctx_interrupted(w->c) ? lt_fail("%s: interrupted", w->path) : 0;
}

/* ---- tables ---- */
static uint64_t bucket_of(uint64_t key, uint64_t buckets)
{
    return (uint64_t)((unsigned __int128)key * buckets >> 64);
}

int lt_ngram_table_put(struct lt_ngram_bucket *t, uint64_t buckets, uint64_t key, struct lt_ngram_pair value)
{
    uint64_t at = bucket_of(key, buckets);
    for (int step = 0; step < LT_NGRAM_REACH; step++, at = at + 1 == buckets ? 0 : at + 1)
        for (int i = 0; i < LT_NGRAM_BUCKET; i++) {
            struct lt_ngram_slot *s = &t[at].slot[i];
            if (s->key == key) return -1;
            if (s->key) continue;
            *s = (struct lt_ngram_slot){ key, value.prob, value.backoff };
            return 0;
        }
    return -1;
}

int lt_ngram_table_put_top(struct lt_ngram_bucket_top *t, uint64_t buckets, uint64_t key, float prob)
{
    uint64_t at = bucket_of(key, buckets);
    for (int step = 0; step < LT_NGRAM_REACH; step++, at = at + 1 == buckets ? 0 : at + 1)
        for (int i = 0; i < LT_NGRAM_BUCKET_TOP; i++) {
            if (t[at].key[i] == key) return -1;
            if (t[at].key[i]) continue;
            t[at].key[i] = key;
            t[at].prob[i] = prob;
            return 0;
        }
    return -1;
}

static uint64_t key_of(uint64_t seed, struct lt_str words)      /* as the map of blanks has them */
{
    uint32_t word[LT_NGRAM_ORDER_MAX];
    uint64_t key = seed;
    memcpy(word, words.p, words.n);
    for (size_t n = words.n / sizeof *word; n--;) key = lt_ngram_key(key, word[n]);
    return lt_ngram_key_end(key);
}

/* The keys of a level's n-grams, `count` of them from number `from`: node[] is where the walk stands. */
struct walk { uint32_t node[LT_NGRAM_ORDER_MAX]; };

static uint64_t next_key(const struct writing *w, struct walk *at, int k, uint32_t i)
{
    const struct lt_ngram_level *l = w->m->level;
    uint64_t key = w->h.seed;
    at->node[k] = i;
    for (int j = k; j >= 0; j--) {
        key = lt_ngram_key(key, j ? l[j].word[at->node[j]] : at->node[0]);
        if (j)
            while (l[j - 1].child[at->node[j - 1] + 1] <= at->node[j]) at->node[j - 1]++;
    }
    return lt_ngram_key_end(key);
}

static int put_table(struct writing *w, int k)
{
    enum { TOGETHER = 32 };
    const struct lt_ngram_level *l = &w->m->level[k];
    const struct lt_map *blank = &w->m->blank;
    uint64_t buckets = w->h.buckets[k], key[TOGETHER];
    void *table = lt_aligned(buckets * LT_NGRAM_LINE);
    struct walk at = { { 0 } };
    bool top = k == w->m->order - 1, clash = false;
    memset(table, 0, buckets * LT_NGRAM_LINE);
    for (uint32_t from = 0; from < l->count && !clash; from += TOGETHER) {
        uint32_t n = LT_MIN(l->count - from, (uint32_t)TOGETHER);
        for (uint32_t i = 0; i < n; i++) {
            key[i] = next_key(w, &at, k, from + i);
            __builtin_prefetch((const char *)table + bucket_of(key[i], buckets) * LT_NGRAM_LINE, 1);
        }
        for (uint32_t i = 0; i < n && !clash; i++)
            clash = top ? lt_ngram_table_put_top(table, buckets, key[i], l->prob[from + i])
                        : lt_ngram_table_put(table, buckets, key[i],
                                             (struct lt_ngram_pair){ l->prob[from + i], l->backoff[from + i] });
        lt_progress_at(&w->progress, (double)w->out.at, NULL);
    }
    for (uint32_t i = 0; i < blank->count && !clash; i++) {
        struct lt_str words = blank->entry[i].key;
        if (words.n != ((size_t)k + 1) * sizeof(uint32_t)) continue;
        uint64_t blank_key = key_of(w->h.seed, words);
        clash = lt_ngram_table_put(table, buckets, blank_key, (struct lt_ngram_pair){ LT_NGRAM_BLANK, 0 });
    }
    w->clash = clash;
    if (!clash) put(&w->out, table, buckets * LT_NGRAM_LINE);
    free(table);
    return clash ? -1 : 0;
}

/* Ends of n-grams that are none, for the lengths of matches: a set of their hashes. */
static void put_blanks(struct writing *w)
{
    const struct lt_map *blank = &w->m->blank;
    if (!w->h.blank_slots) return;
    uint64_t *slot = lt_calloc(w->h.blank_slots, sizeof *slot), mask = w->h.blank_slots - 1;
    for (uint32_t i = 0; i < blank->count; i++) {
        uint64_t key = key_of(w->h.seed, blank->entry[i].key), at = key & mask;
        while (slot[at] && slot[at] != key) at = (at + 1) & mask;
        slot[at] = key;
    }
    put(&w->out, slot, w->h.blank_slots * sizeof *slot);
    pad(&w->out);
    free(slot);
}

/* ---- the file ---- */
static uint64_t slots_for(uint64_t n)           /* a power of two, at most three quarters of it used */
{
    uint64_t slots = 4;
    while (slots * 3 < n * 4) slots *= 2;
    return slots;
}

static int make_header(struct writing *w, const struct lt_ngram_binary_how *how)
{
    const struct lt_ngram *m = w->m;
    struct lt_ngram_header *h = &w->h;
    struct lt_ngram_places places;
    *h = (struct lt_ngram_header){
        .version = LT_NGRAM_VERSION, .layout = (uint32_t)how->layout, .order = (uint32_t)m->order,
        .flags = m->unk_given ? LT_NGRAM_UNK_GIVEN : 0, .unk = m->unk, .bos = m->bos, .eos = m->eos,
        .prob_bits = (uint32_t)how->prob_bits, .backoff_bits = (uint32_t)how->backoff_bits,
        .word_slots = slots_for(m->vocabulary.count), .word_bits = 1,
    };
    memcpy(h->magic, LT_NGRAM_MAGIC, sizeof h->magic);
    while (m->vocabulary.count > UINT64_C(1) << h->word_bits) h->word_bits++;
    for (uint32_t i = 0; i < m->vocabulary.count; i++) h->spelling += m->vocabulary.entry[i].key.n;
    uint64_t blanks[LT_NGRAM_ORDER_MAX + 1] = { 0 };
    for (uint32_t i = 0; i < m->blank.count; i++) blanks[m->blank.entry[i].key.n / sizeof(uint32_t)]++;
    for (int k = 0; k < m->order; k++) {
        uint64_t slots = k == m->order - 1 ? LT_NGRAM_BUCKET_TOP : LT_NGRAM_BUCKET;
        h->count[k] = m->level[k].count;
        if (k && how->layout == LT_NGRAM_HASH)
            h->buckets[k] = (h->count[k] + blanks[k + 1]) * 100 / FILLED / slots + 1;
    }
    if (how->layout == LT_NGRAM_TRIE && m->blank.count) h->blank_slots = slots_for(m->blank.count);
    if (!lt_ngram_places(h, &places))
        return lt_fail("%s: the words are too long: a binary file holds less than 4 GiB of them", w->path);
    h->size = places.size;
    return 0;
}

static int put_content(struct writing *w)
{
    static const struct lt_ngram_header none;
    struct out *o = &w->out;
    o->at = o->sum = o->n = 0;
    lt_writer_put(&o->w, &none, sizeof none);
    put_words(w);
    put_unigrams(w);
    for (int k = 1; k < w->m->order; k++) {
        if (put_level(w, k)) return -1;
        if (w->h.layout == LT_NGRAM_HASH && put_table(w, k)) return -1;
    }
    put_blanks(w);
    flush(o);
    return 0;
}

static int put_file(struct writing *w)
{
    struct out *o = &w->out;
    int rc;
    if (!o->w.temp) return lt_fail("%s: a binary file is written to a file, not to a pipe or device", w->path);
    do {
        rewind(o->w.f);
        w->clash = false;
        rc = put_content(w);
    } while (rc && w->clash && ++w->h.seed < SEEDS);
    if (rc) return w->clash ? lt_fail("%s: the n-grams cannot be told apart by their hashes", w->path) : rc;
    w->h.content = o->sum;
    w->h.check = lt_hash(&w->h, offsetof(struct lt_ngram_header, check), 0);
    rewind(o->w.f);
    lt_writer_put(&o->w, &w->h, sizeof w->h);
    return 0;
}

int lt_ngram_binary_save(const struct lt_ngram *m, const struct lt_ngram_binary_how *how, const char *path,
                         struct lt_ctx *c)
{
    struct writing w = { .m = m, .path = path, .c = c };
    if (make_header(&w, how) || lt_writer_open(&w.out.w, path)) return -1;
    w.out.block = lt_alloc(LT_NGRAM_BLOCK);
    lt_progress_begin(c, &w.progress, "writing", "bytes", (double)w.h.size);
    int rc = put_file(&w);
    lt_progress_end(&w.progress);
    free(w.out.block);
    if (!rc) return lt_writer_commit(&w.out.w);
    lt_writer_abort(&w.out.w);
    return rc;
}
