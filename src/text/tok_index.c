/* Pieces by their bytes: a hash table and a prefix tree. */
#include "text/tok.h"
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

bool lt_tok_index_build(struct lt_tok_index *x, const struct lt_str *piece, int32_t count)
{
    uint32_t slots = 16;
    while (slots < 2 * (uint32_t)count)
        slots *= 2;
    *x = (struct lt_tok_index){ .piece = piece, .slot = lt_calloc(slots, sizeof *x->slot), .mask = slots - 1 };
    bool differ = true;
    for (int32_t i = 0; i < count; i++) {
        if (!piece[i].p)
            continue;
        uint32_t *slot = probe(x, piece[i].p, piece[i].n);
        differ &= !*slot;
        if (!*slot)
            *slot = (uint32_t)i + 1;
    }
    return differ;
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
 * Node s has a child along byte c at t = base[s] ^ (c + 1) when check[t] == s; free cells have check -1.  The children
 * of a node lie in one block of 512 cells.  The first block holds the root alone, so a base of 0 leads nowhere. */
enum { BLOCK = 512, TRIES = 128 };
struct builder {
    struct lt_tok_trie *t;
    const struct lt_str *key;
    int32_t *order;                             /* keys sorted bytewise */
    uint32_t *next, *before;                    /* the ring of free cells; 0 is its knot */
    uint32_t start;                             /* where to look for room: what lies before is crowded */
};

static void more(struct builder *b)
{
    struct lt_tok_trie *t = b->t;
    uint32_t old = t->size, size = LT_MAX(2 * BLOCK, (old + old / 4) / BLOCK * BLOCK + BLOCK);
    t->base = lt_realloc(t->base, size * sizeof *t->base);
    t->check = lt_realloc(t->check, size * sizeof *t->check);
    t->value = lt_realloc(t->value, size * sizeof *t->value);
    b->next = lt_realloc(b->next, size * sizeof *b->next);
    b->before = lt_realloc(b->before, size * sizeof *b->before);
    if (!old)
        b->next[0] = b->before[0] = 0;
    for (uint32_t i = old; i < size; i++) {
        t->base[i] = 0;
        t->check[i] = t->value[i] = -1;
        if (i < BLOCK)
            continue;
        b->before[i] = b->before[0];
        b->next[i] = 0;
        b->next[b->before[0]] = i;
        b->before[0] = i;
    }
    t->size = size;
}

/* A base where all labels fall on free cells; fresh cells when the rest of the ring has none. */
static uint32_t place(struct builder *b, const uint16_t *label, int count)
{
    int tries = 0;
    for (uint32_t cell = b->start; cell; cell = b->next[cell]) {
        uint32_t base = cell ^ label[0];
        bool fits = true;
        for (int i = 1; i < count && fits; i++)
            fits = b->t->check[base ^ label[i]] == -1;
        if (fits)
            return base;
        if (++tries > TRIES)
            b->start = b->next[cell];
    }
    b->start = b->t->size;
    more(b);
    return b->start;
}

static void occupy(struct builder *b, uint32_t cell, uint32_t parent)
{
    b->t->check[cell] = (int32_t)parent;
    if (b->start == cell)
        b->start = b->next[cell];
    b->next[b->before[cell]] = b->next[cell];
    b->before[b->next[cell]] = b->before[cell];
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
        occupy(b, next[i].node, at.node);
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
    struct builder b = { .t = t, .key = key, .order = lt_alloc((size_t)count * sizeof(int32_t)) };
    more(&b);
    b.start = b.next[0];
    t->check[0] = 0;                            /* the root is taken */
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
    free(b.next);
    free(b.before);
}

void lt_tok_trie_free(struct lt_tok_trie *t)
{
    free(t->base);
    free(t->check);
    free(t->value);
    *t = (struct lt_tok_trie){ 0 };
}
