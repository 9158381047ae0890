/* Byte-pair encoding (Sennrich et al., arXiv:1508.07909): of all neighbouring symbols the pair with the lowest rank
 * is joined, the leftmost first at equal rank, until no pair is in the table.
 *
 * Short words look at every pair each time; long ones keep the pairs in a heap, so that a word of a megabyte takes
 * n log n steps.  Dropout (arXiv:1910.13267) leaves each merge out with a probability, asked anew every step. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum { SHORT = 64 };                            /* symbols; above it the heap wins */
#define NO_RANK UINT32_MAX

struct pair { uint64_t key; uint32_t rank; int32_t into; };
struct bpe {
    struct pair *pair;
    uint64_t mask;
    int32_t ascii[128];                         /* pieces of one such character; -1: none */
};
struct symbol { int32_t id; uint32_t begin, end; };

static inline uint64_t pair_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static inline uint64_t pair_slot(const struct bpe *b, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
    return (h ^ h >> 29) & b->mask;
}

/* Empty slots hold a key no pair has: both halves -1. */
static inline const struct pair *pair_find(const struct bpe *b, int32_t left, int32_t right)
{
    uint64_t key = pair_key(left, right);
    for (uint64_t i = pair_slot(b, key);; i = (i + 1) & b->mask) {
        if (b->pair[i].key == key)
            return &b->pair[i];
        if (b->pair[i].key == UINT64_MAX)
            return NULL;
    }
}

static inline uint32_t rank_of(const struct bpe *b, int32_t left, int32_t right)
{
    if (left < 0 || right < 0)
        return NO_RANK;
    const struct pair *p = pair_find(b, left, right);
    return p ? p->rank : NO_RANK;
}

static int bpe_build(struct lt_tokenizer *t)
{
    struct bpe *b = lt_calloc(1, sizeof *b);
    t->state = b;
    uint64_t slots = 64;
    while (slots < 2 * t->s.merge_count)
        slots *= 2;
    b->pair = lt_alloc(slots * sizeof *b->pair);
    b->mask = slots - 1;
    for (uint64_t i = 0; i < slots; i++)
        b->pair[i].key = UINT64_MAX;
    for (int c = 0; c < 128; c++)
        b->ascii[c] = lt_tok_index_find(&t->by_raw, &(char){ (char)c }, 1);
    for (size_t i = 0; i < t->s.merge_count; i++) {
        const struct lt_tok_merge *m = &t->s.merge[i];
        uint64_t key = pair_key(m->left, m->right), at = pair_slot(b, key);
        while (b->pair[at].key != UINT64_MAX && b->pair[at].key != key)
            at = (at + 1) & b->mask;
        if (b->pair[at].key == key && b->pair[at].rank <= m->rank)
            continue;
        b->pair[at] = (struct pair){ key, m->rank, m->into };
    }
    return 0;
}

static void bpe_free(void *state)
{
    struct bpe *b = state;
    free(b->pair);
    free(b);
}

/* ---- symbols a word begins as ---- */
/* A character that is no piece: its bytes, the unknown piece, or nothing.  The number of symbols written. */
static size_t spell_unknown(const struct lt_tokenizer *t, const char *p, uint32_t begin, uint32_t end,
                            struct symbol *out, bool *unk_before)
{
    if (t->s.byte_fallback) {
        bool all = true;
        for (uint32_t i = begin; i < end && all; i++)
            all = t->byte[(uint8_t)p[i]] >= 0;
        for (uint32_t i = begin; i < end && all; i++)
            out[i - begin] = (struct symbol){ t->byte[(uint8_t)p[i]], i, i + 1 };
        if (all) {
            *unk_before = false;
            return end - begin;
        }
    }
    if (t->unk < 0)
        return 0;
    if (t->s.fuse_unk && *unk_before) {
        out[-1].end = end;
        return 0;
    }
    *unk_before = true;
    out[0] = (struct symbol){ t->unk, begin, end };
    return 1;
}

/* The piece of a character with the prefix of later ones and the suffix of the last one. */
static int32_t char_piece(const struct lt_tokenizer *t, const char *p, size_t n, bool first, bool last)
{
    bool prefix = !first && t->s.prefix, suffix = last && t->s.suffix;
    if (!prefix && !suffix)
        return n == 1 && (uint8_t)*p < 128 ? ((const struct bpe *)t->state)->ascii[(uint8_t)*p]
                                           : lt_tok_index_find(&t->by_raw, p, n);
    struct lt_buf b = { 0 };
    if (prefix)
        lt_buf_str(&b, t->s.prefix);
    lt_buf_put(&b, p, n);
    if (suffix)
        lt_buf_str(&b, t->s.suffix);
    int32_t id = lt_tok_index_find(&t->by_raw, b.p, b.n);
    lt_buf_free(&b);
    return id;
}

static size_t begin_symbols(const struct lt_tokenizer *t, struct lt_str w, struct symbol *out)
{
    size_t n = 0;
    bool unk_before = false, plain = !t->s.prefix && !t->s.suffix;
    for (size_t i = 0; i < w.n;) {
        size_t size = t->byte_level ? 1 : (size_t)lt_utf8_size(w.p[i]);
        int32_t id = t->byte_level && plain ? t->byte[(uint8_t)w.p[i]]
                                            : char_piece(t, w.p + i, size, i == 0, i + size == w.n);
        if (id >= 0) {
            out[n++] = (struct symbol){ id, (uint32_t)i, (uint32_t)(i + size) };
            unk_before = false;
        } else {
            n += spell_unknown(t, w.p, (uint32_t)i, (uint32_t)(i + size), out + n, &unk_before);
        }
        i += size;
    }
    return n;
}

/* ---- joining ---- */
static size_t join_short(const struct bpe *b, struct symbol *s, size_t n)
{
    uint32_t rank[SHORT];                       /* of the pair (i, i + 1) */
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = rank_of(b, s[i].id, s[i + 1].id);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rank[i] < rank[best])
                best = i;
        if (rank[best] == NO_RANK)
            break;
        s[best].id = pair_find(b, s[best].id, s[best + 1].id)->into;
        s[best].end = s[best + 1].end;
        n--;
        memmove(s + best + 1, s + best + 2, (n - best - 1) * sizeof *s);
        if (best + 1 < n) {
            memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
            rank[best] = rank_of(b, s[best].id, s[best + 1].id);
        }
        if (best)
            rank[best - 1] = rank_of(b, s[best - 1].id, s[best].id);
    }
    return n;
}

/* A heap of rank << 32 | place, lowest first; what no longer holds is noticed when it comes up. */
struct heap { uint64_t *at; size_t n; };

static void heap_push(struct heap *h, uint64_t x)
{
    size_t i = h->n++;
    for (; i && h->at[(i - 1) / 2] > x; i = (i - 1) / 2)
        h->at[i] = h->at[(i - 1) / 2];
    h->at[i] = x;
}

static uint64_t heap_pop(struct heap *h)
{
    uint64_t top = h->at[0], x = h->at[--h->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->at[child + 1] < h->at[child])
            child++;
        if (h->at[child] >= x)
            break;
        h->at[i] = h->at[child];
    }
    h->at[i] = x;
    return top;
}

struct links { uint32_t before, after; };       /* neighbours that are still there; n: none */

static void push_pair(const struct bpe *b, struct heap *h, const struct symbol *s, uint32_t left, uint32_t right)
{
    uint32_t rank = rank_of(b, s[left].id, s[right].id);
    if (rank != NO_RANK)
        heap_push(h, (uint64_t)rank << 32 | left);
}

/* Joins s[left] with its right neighbour, which becomes id -2. */
static void join_at(const struct bpe *b, struct heap *h, struct symbol *s, struct links *l, uint32_t n, uint32_t left)
{
    uint32_t right = l[left].after, after = l[right].after;
    s[left].id = pair_find(b, s[left].id, s[right].id)->into;
    s[left].end = s[right].end;
    s[right].id = -2;
    l[left].after = after;
    if (after < n) {
        l[after].before = left;
        push_pair(b, h, s, left, after);
    }
    if (l[left].before < n)
        push_pair(b, h, s, l[left].before, left);
}

/* Each symbol adds one pair at first and each join two, so 3 n places are enough; skipped pairs come from there. */
static size_t join_long(const struct bpe *b, struct lt_tok_model_scratch *scratch, struct symbol *s, size_t count,
                        struct lt_rng *rng, double dropout)
{
    uint32_t n = (uint32_t)count;
    struct links *l = lt_tok_room(scratch, 1, count * sizeof *l);
    struct heap h = { lt_tok_room(scratch, 2, 3 * count * sizeof(uint64_t)), 0 };
    uint64_t *skipped = rng ? lt_tok_room(scratch, 3, 3 * count * sizeof(uint64_t)) : NULL;
    size_t skipped_count = 0;
    for (uint32_t i = 0; i < n; i++)
        l[i] = (struct links){ i ? i - 1 : n, i + 1 };
    for (uint32_t i = 0; i + 1 < n; i++)
        push_pair(b, &h, s, i, i + 1);
    while (h.n) {
        uint64_t top = heap_pop(&h);
        uint32_t left = (uint32_t)top, right = l[left].after;
        if (s[left].id < 0 || right >= n || rank_of(b, s[left].id, s[right].id) != top >> 32)
            continue;
        if (rng && lt_rng_unit(rng) < dropout) {
            skipped[skipped_count++] = top;
            continue;
        }
        join_at(b, &h, s, l, n, left);
        while (skipped_count)
            heap_push(&h, skipped[--skipped_count]);
    }
    size_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (s[i].id >= 0)
            s[kept++] = s[i];
    return kept;
}

static int bpe_word(const struct lt_tokenizer *t, struct lt_tok_model_scratch *scratch, struct lt_rng *rng,
                    struct lt_str w, struct lt_tok_out *out)
{
    const struct bpe *b = t->state;
    bool drop = rng && t->s.dropout > 0;
    if (t->s.ignore_merges && !drop) {
        int32_t id = lt_tok_index_find(&t->by_raw, w.p, w.n);
        if (id >= 0) {
            lt_tok_out_put(out, id, 0, w.n);
            return 0;
        }
    }
    struct symbol few[SHORT], *s = few;
    if (w.n > SHORT)
        s = lt_tok_room(scratch, 0, w.n * sizeof *s);
    size_t n = begin_symbols(t, w, s);
    if (n <= SHORT && !drop)
        n = join_short(b, s, n);
    else
        n = join_long(b, scratch, s, n, drop ? rng : NULL, t->s.dropout);
    for (size_t i = 0; i < n; i++)
        lt_tok_out_put(out, s[i].id, s[i].begin, s[i].end);
    return 0;
}

const struct lt_tok_model lt_tok_model_bpe = { .build = bpe_build, .word = bpe_word, .free = bpe_free };
