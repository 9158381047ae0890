/* A new symbol's pairs all come to be in the step that makes it, so the list of a pair's words is written once and
 * only grows stale; counts, except in the rare step that makes a known spelling again, only fall.  The heap is
 * therefore lazy: an entry whose count is no longer right is put back with the right one when it comes to the top. */
#include "text/train/merging.h"

#include "base/ctx.h"

#include <stdlib.h>
#include <string.h>

struct pair { uint64_t key; int64_t count; uint32_t first, last, step; };      /* first, last: its list of words */
struct place { uint32_t word, next; };
struct entry { int64_t count; uint64_t key; uint32_t pair; };

struct state {
    const struct lt_merging *how;
    struct lt_symbols *words;
    struct lt_pieces *pieces;
    struct pair *pair;
    uint32_t pairs, pair_cap;
    uint32_t *slot, slots;                  /* pair number + 1 by key */
    struct place *place;                    /* [0] is unused: 0 ends a list */
    uint32_t places, place_cap, unused;     /* unused: list of places to use again */
    struct entry *heap;
    size_t heap_count, heap_cap;
    uint32_t step, *fresh;                  /* pairs that gained something in this step */
    size_t fresh_count, fresh_cap;
};

/* ---- pieces ---- */
int32_t lt_pieces_add(struct lt_pieces *p, struct lt_str text, uint32_t length)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 512;
        p->piece = lt_realloc(p->piece, (size_t)p->cap * sizeof *p->piece);
        p->length = lt_realloc(p->length, (size_t)p->cap * sizeof *p->length);
    }
    p->piece[p->count] = (struct lt_str){ lt_arena_str(&p->text, text), text.n };
    p->length[p->count] = length;
    return p->count++;
}

void lt_pieces_release(struct lt_pieces *p)
{
    free(p->piece);
    free(p->length);
    free(p->merge);
    lt_arena_free(&p->text);
    *p = (struct lt_pieces){ 0 };
}

void lt_symbols_release(struct lt_symbols *s)
{
    free(s->symbol);
    free(s->size);
    free(s->first);
    free(s->count);
    *s = (struct lt_symbols){ 0 };
}

/* ---- the heap ---- */
static uint32_t left_of(uint64_t key) { return (uint32_t)(key >> 32); }
static uint32_t right_of(uint64_t key) { return (uint32_t)key; }

static bool before(const struct state *s, const struct entry *a, const struct entry *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    if (s->how->ties == LT_TIES_IDS)
        return a->key < b->key;
    const struct lt_str *piece = s->pieces->piece;
    int c = lt_str_cmp(piece[left_of(a->key)], piece[left_of(b->key)]);
    return (c ? c : lt_str_cmp(piece[right_of(a->key)], piece[right_of(b->key)])) > 0;
}

static void push(struct state *s, struct entry e)
{
    if (s->heap_count == s->heap_cap) {
        s->heap_cap = s->heap_cap ? 2 * s->heap_cap : 1024;
        s->heap = lt_realloc(s->heap, s->heap_cap * sizeof *s->heap);
    }
    size_t i = s->heap_count++;
    for (; i && before(s, &e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
}

static struct entry pop(struct state *s)
{
    struct entry top = s->heap[0], e = s->heap[--s->heap_count];
    size_t i = 0, n = s->heap_count;
    for (size_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && before(s, &s->heap[k + 1], &s->heap[k]))
            k++;
        if (!before(s, &s->heap[k], &e))
            break;
        s->heap[i] = s->heap[k];
    }
    s->heap[i] = e;
    return top;
}

/* ---- pairs ---- */
static uint32_t spread(uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(key >> 32);
}

static void grow_slots(struct state *s)
{
    s->slots = s->slots ? 2 * s->slots : 1 << 16;
    free(s->slot);
    s->slot = lt_calloc(s->slots, sizeof *s->slot);
    for (uint32_t i = 0; i < s->pairs; i++) {
        uint32_t at = spread(s->pair[i].key) & (s->slots - 1);
        while (s->slot[at])
            at = (at + 1) & (s->slots - 1);
        s->slot[at] = i + 1;
    }
}

static uint32_t find_pair(struct state *s, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    if (2 * s->pairs >= s->slots)
        grow_slots(s);
    uint32_t at = spread(key) & (s->slots - 1);
    for (; s->slot[at]; at = (at + 1) & (s->slots - 1))
        if (s->pair[s->slot[at] - 1].key == key)
            return s->slot[at] - 1;
    if (s->pairs == s->pair_cap) {
        s->pair_cap = s->pair_cap ? 2 * s->pair_cap : 1 << 15;
        s->pair = lt_realloc(s->pair, s->pair_cap * sizeof *s->pair);
    }
    s->pair[s->pairs] = (struct pair){ .key = key, .step = UINT32_MAX };
    s->slot[at] = ++s->pairs;
    return s->pairs - 1;
}

static uint32_t take_place(struct state *s)
{
    uint32_t i = s->unused;
    if (i) {
        s->unused = s->place[i].next;
        return i;
    }
    if (s->places >= s->place_cap) {
        s->place_cap = s->place_cap ? 2 * s->place_cap : 1 << 16;
        s->place = lt_realloc(s->place, s->place_cap * sizeof *s->place);
        s->places = LT_MAX(s->places, 1);
    }
    return s->places++;
}

/* One more of the pair in word w, which is looked at in order: a word is listed once. */
static void gain(struct state *s, uint32_t left, uint32_t right, uint32_t w)
{
    uint32_t i = find_pair(s, left, right);
    struct pair *p = &s->pair[i];
    p->count += (int64_t)s->words->count[w];
    if (p->step != s->step) {
        p->step = s->step;
        if (s->fresh_count == s->fresh_cap) {
            s->fresh_cap = s->fresh_cap ? 2 * s->fresh_cap : 1024;
            s->fresh = lt_realloc(s->fresh, s->fresh_cap * sizeof *s->fresh);
        }
        s->fresh[s->fresh_count++] = i;
    }
    if (p->last && s->place[p->last].word == w)
        return;
    uint32_t at = take_place(s);
    s->place[at] = (struct place){ .word = w };
    if (p->last)
        s->place[p->last].next = at;
    else
        p->first = at;
    p->last = at;
}

static void lose(struct state *s, uint32_t left, uint32_t right, uint32_t w)
{
    s->pair[find_pair(s, left, right)].count -= (int64_t)s->words->count[w];
}

static void push_fresh(struct state *s)
{
    for (size_t i = 0; i < s->fresh_count; i++) {
        const struct pair *p = &s->pair[s->fresh[i]];
        const uint32_t *length = s->pieces->length;
        uint64_t joined = (uint64_t)length[left_of(p->key)] + length[right_of(p->key)];
        if (p->count > 0 && (!s->how->length_max || joined <= s->how->length_max))
            push(s, (struct entry){ .count = p->count, .key = p->key, .pair = s->fresh[i] });
    }
    s->fresh_count = 0;
    s->step++;
}

/* ---- steps ---- */
/* Replaces every `left right` of word w, from its beginning on, and keeps the counts of the neighbours' pairs. */
static void merge_in_word(struct state *s, uint32_t w, uint32_t left, uint32_t right, uint32_t into)
{
    uint32_t *symbol = s->words->symbol + s->words->first[w], n = s->words->size[w], out = 0;
    for (uint32_t i = 0; i < n;) {
        if (symbol[i] != left || i + 1 == n || symbol[i + 1] != right) {
            symbol[out++] = symbol[i++];
            continue;
        }
        if (out) {
            lose(s, symbol[out - 1], left, w);
            gain(s, symbol[out - 1], into, w);
        }
        if (i + 2 < n) {
            lose(s, right, symbol[i + 2], w);
            gain(s, into, symbol[i + 2], w);
        }
        symbol[out++] = into;
        i += 2;
    }
    s->words->size[w] = out;
}

static int32_t joined_piece(struct state *s, struct lt_map *known, uint64_t key)
{
    struct lt_pieces *p = s->pieces;
    struct lt_str left = p->piece[left_of(key)], right = p->piece[right_of(key)];
    struct lt_buf text = { 0 };
    lt_buf_put(&text, left.p, left.n);
    lt_buf_put(&text, right.p + s->how->prefix, right.n - s->how->prefix);
    bool fresh;
    uint64_t *id = lt_map_put(known, lt_buf_view(&text), &fresh);
    if (fresh)
        *id = (uint64_t)lt_pieces_add(p, lt_buf_view(&text), p->length[left_of(key)] + p->length[right_of(key)]);
    lt_buf_free(&text);
    return (int32_t)*id;
}

static void record(struct lt_pieces *p, uint64_t key, int32_t into)
{
    if (p->merges == p->merge_cap) {
        p->merge_cap = p->merge_cap ? 2 * p->merge_cap : 1024;
        p->merge = lt_realloc(p->merge, p->merge_cap * sizeof *p->merge);
    }
    p->merge[p->merges] = (struct lt_tok_merge){ .left = (int32_t)left_of(key), .right = (int32_t)right_of(key),
                                                 .into = into, .rank = (uint32_t)p->merges };
    p->merges++;
}

static void merge_pair(struct state *s, uint32_t number, int32_t into)
{
    uint64_t key = s->pair[number].key;
    uint32_t first = s->pair[number].first, last = s->pair[number].last;
    s->pair[number].first = s->pair[number].last = 0;
    for (uint32_t at = first; at; at = s->place[at].next)
        merge_in_word(s, s->place[at].word, left_of(key), right_of(key), (uint32_t)into);
    s->pair[number].count = 0;
    if (last) {
        s->place[last].next = s->unused;
        s->unused = first;
    }
}

static void count_pairs(struct state *s)
{
    for (size_t w = 0; w < s->words->words; w++) {
        const uint32_t *symbol = s->words->symbol + s->words->first[w];
        for (uint32_t i = 0; i + 1 < s->words->size[w]; i++)
            gain(s, symbol[i], symbol[i + 1], (uint32_t)w);
    }
    push_fresh(s);
}

static int run(struct state *s, struct lt_map *known, struct lt_ctx *c)
{
    struct lt_progress progress;
    int32_t from = s->pieces->count;
    lt_progress_begin(c, &progress, "merging pairs", "tokens", s->how->pieces_max - from);
    count_pairs(s);
    while (s->pieces->count < s->how->pieces_max && s->heap_count) {
        struct entry top = pop(s);
        const struct pair *p = &s->pair[top.pair];
        if (top.count != p->count) {
            if (p->count > 0)
                push(s, (struct entry){ .count = p->count, .key = p->key, .pair = top.pair });
            continue;
        }
        if (top.count < 1 || (uint64_t)top.count < s->how->least)
            break;
        int32_t into = joined_piece(s, known, top.key);
        record(s->pieces, top.key, into);
        merge_pair(s, top.pair, into);
        push_fresh(s);
        if (lt_ctx_interrupted(c))
            break;
        lt_progress_at(&progress, s->pieces->count - from, NULL);
    }
    lt_progress_end(&progress);
    return lt_ctx_interrupted(c) ? lt_fail("interrupted while merging pairs") : 0;
}

int lt_merge_pairs(const struct lt_merging *how, struct lt_symbols *words, struct lt_pieces *pieces, struct lt_ctx *c)
{
    struct state s = { .how = how, .words = words, .pieces = pieces };
    struct lt_map known = { 0 };
    for (int32_t i = 0; i < pieces->count; i++)
        *lt_map_put(&known, pieces->piece[i], NULL) = (uint64_t)i;
    int rc = run(&s, &known, c);
    lt_map_free(&known);
    free(s.pair);
    free(s.slot);
    free(s.place);
    free(s.heap);
    free(s.fresh);
    return rc;
}
