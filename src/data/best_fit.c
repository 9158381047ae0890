#include "data/best_fit.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* Bins by the room they have left: a stack for every amount, and one bit for each stack that is not empty. */
struct rooms { uint32_t *top, *below, words; uint64_t *bit; };

static void push(struct rooms *r, uint32_t bin, uint32_t room)
{
    r->below[bin] = r->top[room];
    r->top[room] = bin;
    r->bit[room / 64] |= UINT64_C(1) << room % 64;
}

/* Takes a bin with the least room that is at least `size`; NONE when there is none. */
static uint32_t pop(struct rooms *r, uint32_t size, uint32_t *room)
{
    uint32_t w = size / 64;
    uint64_t bits = r->bit[w] & (UINT64_MAX << size % 64);
    while (!bits) {
        if (++w == r->words)
            return NONE;
        bits = r->bit[w];
    }
    *room = w * 64 + (uint32_t)__builtin_ctzll(bits);
    uint32_t bin = r->top[*room];
    r->top[*room] = r->below[bin];
    if (r->top[*room] == NONE)
        r->bit[w] &= ~(UINT64_C(1) << *room % 64);
    return bin;
}

/* Items by falling size, stable. */
static uint32_t *by_size(const uint32_t *size, uint32_t n, uint32_t capacity)
{
    uint32_t *at = lt_calloc((size_t)capacity + 2, sizeof *at), *order = lt_alloc((size_t)n * sizeof *order);
    for (uint32_t i = 0; i < n; i++)
        at[capacity - size[i] + 1]++;
    for (uint32_t s = 0; s < capacity; s++)
        at[s + 1] += at[s];
    for (uint32_t i = 0; i < n; i++)
        order[at[capacity - size[i]]++] = i;
    free(at);
    return order;
}

void lt_best_fit(const uint32_t *size, uint32_t n, uint32_t capacity, struct lt_bins *out)
{
    uint32_t *order = by_size(size, n, capacity), *bin_of = lt_alloc((size_t)n * sizeof *bin_of), bins = 0;
    struct rooms r = { .words = capacity / 64 + 1 };
    r.top = lt_alloc(((size_t)capacity + 1) * sizeof *r.top);
    r.below = lt_alloc((size_t)n * sizeof *r.below);
    r.bit = lt_calloc(r.words, sizeof *r.bit);
    memset(r.top, 0xFF, ((size_t)capacity + 1) * sizeof *r.top);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t item = order[k], room = capacity, bin = pop(&r, size[item], &room);
        if (bin == NONE)
            bin = bins++;
        bin_of[item] = bin;
        if (room > size[item])
            push(&r, bin, room - size[item]);
    }
    *out = (struct lt_bins){ .count = bins };
    out->first = lt_calloc((size_t)bins + 2, sizeof *out->first);
    out->item = lt_alloc((size_t)n * sizeof *out->item);
    for (uint32_t i = 0; i < n; i++)
        out->first[bin_of[i] + 2]++;
    for (uint32_t b = 0; b < bins; b++)
        out->first[b + 2] += out->first[b + 1];
    for (uint32_t k = 0; k < n; k++)
        out->item[out->first[bin_of[order[k]] + 1]++] = order[k];
    free(order);
    free(bin_of);
    free(r.top);
    free(r.below);
    free(r.bit);
}

void lt_bins_release(struct lt_bins *b)
{
    free(b->first);
    free(b->item);
    *b = (struct lt_bins){ 0 };
}
