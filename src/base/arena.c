/* Arena: a stack of blocks, each at least twice the one below up to a limit.  Releasing keeps the largest block
 * set free as a spare, so that a loop that marks and releases reaches a state without malloc. */
#include "base/base.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lt_arena_block {
    struct lt_arena_block *below, *spare;       /* spare: an empty block to stand on this one */
    size_t used, size;                          /* of the bytes after the header */
};
enum { HEADER = 64, FIRST = 4 << 10, LARGEST_STEP = 8 << 20 };
_Static_assert(sizeof(struct lt_arena_block) <= HEADER, "the header keeps data on a cache line");

static char *data(struct lt_arena_block *b)
{
    return (char *)b + HEADER;
}

static void drop(struct lt_arena_block *b)
{
    if (!b)
        return;
    free(b->spare);
    free(b);
}

static void push_block(struct lt_arena *a, size_t size)
{
    struct lt_arena_block *top = a->block, *b = top ? top->spare : NULL;
    if (b)
        top->spare = NULL;
    if (!b || b->size < size) {
        free(b);
        size_t step = top ? LT_MIN(2 * top->size, LARGEST_STEP) : FIRST - HEADER;
        assert(size < SIZE_MAX / 4);
        size = LT_MAX(size, step);
        b = lt_aligned(HEADER + size);
        b->size = size;
    }
    b->below = top;
    b->spare = NULL;
    b->used = 0;
    a->block = b;
}

static void *take(struct lt_arena *a, size_t size, size_t align)
{
    struct lt_arena_block *b = a->block;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || size > b->size - at) {
        push_block(a, size);
        b = a->block;
        at = 0;
    }
    a->used_total += at + size - b->used;
    a->peak_total = LT_MAX(a->peak_total, a->used_total);
    b->used = at + size;
    return data(b) + at;
}

void *lt_arena_take(struct lt_arena *a, size_t size)
{
    return take(a, size, 64);
}

void *lt_arena_zero(struct lt_arena *a, size_t count, size_t size)
{
    assert(size == 0 || count <= SIZE_MAX / 4 / size);
    return memset(take(a, count * size, 64), 0, count * size);
}

char *lt_arena_str(struct lt_arena *a, struct lt_str s)
{
    char *z = take(a, s.n + 1, 1);
    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = 0;
    return z;
}

char *lt_arena_fmt(struct lt_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    assert(n >= 0);
    char *z = take(a, (size_t)n + 1, 1);
    vsnprintf(z, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return z;
}

struct lt_arena_mark lt_arena_here(const struct lt_arena *a)
{
    return (struct lt_arena_mark){ a->block, a->block ? a->block->used : 0, a->used_total };
}

static struct lt_arena_block *larger(struct lt_arena_block *a, struct lt_arena_block *b)
{
    bool keep_a = a && (!b || a->size >= b->size);
    drop(keep_a ? b : a);
    return keep_a ? a : b;
}

void lt_arena_release(struct lt_arena *a, struct lt_arena_mark to)
{
    struct lt_arena_block *best = NULL;
    while (a->block != to.block) {
        struct lt_arena_block *b = a->block, *spare = b->spare;
        a->block = b->below;
        b->spare = NULL;
        best = larger(best, larger(b, spare));
    }
    if (a->block) {
        a->block->used = to.used;
        a->block->spare = larger(a->block->spare, best);
    } else if (best) {
        best->below = NULL;
        best->used = 0;
        a->block = best;
    }
    a->used_total = to.used_total;
}

void lt_arena_reset(struct lt_arena *a)
{
    lt_arena_release(a, (struct lt_arena_mark){ 0 });
}

void lt_arena_free(struct lt_arena *a)
{
    while (a->block) {
        struct lt_arena_block *b = a->block;
        a->block = b->below;
        drop(b);
    }
    *a = (struct lt_arena){ 0 };
}
