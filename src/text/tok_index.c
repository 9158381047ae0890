/* Pieces by their bytes: a hash table and a prefix tree. */
#include "text/tok.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *probe(const struct lt_tok_index *x, const char *p, size_t n)
{
    uint32_t i = (uint32_t)lt_hash(p, n, 0) & x->mask;
    for (; x->slot[i]; i = (i + 1) & x->mask) {
        struct lt_str s = x->piece[x->slot[i] - 1];
        if (s.n == n && memcmp(s.p, p, n) == 0)
            break;
    }
    return &x->slot[i];
}

void lt_tok_index_build(struct lt_tok_index *x, const struct lt_str *piece, int32_t count)
{
    uint32_t slots = 16;
    while (slots < 2 * (uint32_t)count)
        slots *= 2;
    *x = (struct lt_tok_index){ .piece = piece, .slot = lt_calloc(slots, sizeof *x->slot), .mask = slots - 1 };
    for (int32_t i = 0; i < count; i++) {
        if (!piece[i].p)
            continue;
        uint32_t *slot = probe(x, piece[i].p, piece[i].n);
        if (!*slot)
            *slot = (uint32_t)i + 1;
    }
}

int32_t lt_tok_index_find(const struct lt_tok_index *x, const char *p, size_t n)
{
    return x->slot ? (int32_t)*probe(x, p, n) - 1 : -1;
}

void lt_tok_index_free(struct lt_tok_index *x)
{
    free(x->slot);
    x->slot = NULL;
}

/* ---- the double array ----
 * Node s has a child along byte c at t = base[s] ^ (c + 1) when check[t] == s; free cells have check -1.  A block of
 * 512 cells is taken whole by the children of one node only when it must be: `open` is the first block with room. */
enum { BLOCK = 512 };
struct builder {
    struct lt_tok_trie *t;
    const struct lt_str *key;
    int32_t *order;                             /* keys sorted bytewise */
    uint32_t open;                              /* blocks before this cell are full, or were tried too often */
    int tries;
};

static void more(struct lt_tok_trie *t, uint32_t size)
{
    if (size <= t->size)
        return;
    size = LT_MAX(size, t->size + t->size / 2);
    size = (size + BLOCK - 1) / BLOCK * BLOCK;
    t->base = lt_realloc(t->base, size * sizeof *t->base);
    t->check = lt_realloc(t->check, size * sizeof *t->check);
    t->value = lt_realloc(t->value, size * sizeof *t->value);
    for (uint32_t i = t->size; i < size; i++) {
        t->base[i] = 0;
        t->check[i] = t->value[i] = -1;
    }
    t->size = size;
}

/* A base where all labels fall on free cells. */
static uint32_t place(struct builder *b, const uint16_t *label, int count)
{
    for (uint32_t base = b->open;; base++) {
        more(b->t, (base | (BLOCK - 1)) + 1);
        bool fits = true;
        for (int i = 0; i < count && fits; i++)
            fits = b->t->check[base ^ label[i]] == -1;
        if (fits) {
            b->tries = 0;
            return base;
        }
        if (++b->tries > 4 * BLOCK) {           /* crowded: start looking further on */
            b->tries = 0;
            b->open = base;
        }
    }
}

/* A node whose children are still to be placed: its keys are order[begin .. end-1] and agree in `depth` bytes. */
struct todo { uint32_t node; int32_t begin, end; uint32_t depth; };

/* Places the children of a node and lists them in next; their number. */
static int children(struct builder *b, struct todo at, struct todo next[256])
{
    while (at.begin < at.end && b->key[b->order[at.begin]].n == at.depth) {
        if (b->t->value[at.node] == -1)
            b->t->value[at.node] = b->order[at.begin];
        at.begin++;
    }
    uint16_t label[256];
    int count = 0;
    for (int32_t i = at.begin; i < at.end; i++) {
        uint16_t c = (uint16_t)((uint8_t)b->key[b->order[i]].p[at.depth] + 1);
        if (!count || label[count - 1] != c) {
            label[count] = c;
            next[count++] = (struct todo){ .begin = i, .depth = at.depth + 1 };
        }
        next[count - 1].end = i + 1;
    }
    if (!count)
        return 0;
    uint32_t base = place(b, label, count);
    b->t->base[at.node] = (int32_t)base;
    for (int i = 0; i < count; i++) {
        next[i].node = base ^ label[i];
        b->t->check[next[i].node] = (int32_t)at.node;
    }
    return count;
}

static int by_bytes(const void *a, const void *b, void *ctx)
{
    const struct lt_str *key = ctx;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    int c = lt_str_cmp(key[x], key[y]);
    return c ? c : (x > y) - (x < y);
}

void lt_tok_trie_build(struct lt_tok_trie *t, const struct lt_str *key, int32_t count)
{
    *t = (struct lt_tok_trie){ 0 };
    more(t, BLOCK);
    t->check[0] = 0;                            /* the root is taken */
    struct builder b = { .t = t, .key = key, .order = lt_alloc((size_t)count * sizeof(int32_t)), .open = BLOCK };
    int32_t n = 0;
    for (int32_t i = 0; i < count; i++)
        if (key[i].p && key[i].n)
            b.order[n++] = i;
    lt_sort(b.order, (size_t)n, sizeof *b.order, by_bytes, (void *)(uintptr_t)key);
    struct todo *stack = lt_alloc(512 * sizeof *stack);         /* not recursion: keys may be long */
    size_t depth = 0, cap = 512;
    stack[depth++] = (struct todo){ .end = n };
    while (depth) {
        if (cap - depth < 256)
            stack = lt_realloc(stack, (cap *= 2) * sizeof *stack);
        struct todo at = stack[--depth];
        depth += (size_t)children(&b, at, stack + depth);
    }
    free(stack);
    free(b.order);
}

void lt_tok_trie_free(struct lt_tok_trie *t)
{
    free(t->base);
    free(t->check);
    free(t->value);
    *t = (struct lt_tok_trie){ 0 };
}
