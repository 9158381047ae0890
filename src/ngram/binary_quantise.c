/* Figures as codes of a few bits.  Classes begin as dense as the cube root of the density of the values, the best there
 * is for many classes (Panter and Dite 1951), and are then moved by Lloyd's rounds (1982). */
#include "ngram/binary.h"
#include <math.h>
#include <stdlib.h>

enum { ROUNDS = 100, DIGIT = 11, CELLS_MIN = 256, CELLS_MAX = 8192, IN_A_CELL = 16 };

/* Bits whose order as numbers is that of the floats. */
static uint32_t ordered(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float from_ordered(uint32_t bits)
{
    float v;
    bits = bits & 0x80000000u ? bits & 0x7FFFFFFFu : ~bits;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Radix sort, three digits. */
static void sort(uint32_t *key, uint64_t n)
{
    uint32_t *other = lt_alloc(LT_MAX(n, 1) * sizeof *other), *from = key, *to = other;
    uint64_t *place = lt_alloc(((size_t)1 << DIGIT) * sizeof *place);
    for (unsigned shift = 0; shift < 32; shift += DIGIT) {
        const uint32_t mask = (1u << DIGIT) - 1;
        memset(place, 0, ((size_t)1 << DIGIT) * sizeof *place);
        for (uint64_t i = 0; i < n; i++) place[from[i] >> shift & mask]++;
        uint64_t sum = 0;
        for (uint32_t d = 0; d <= mask; d++) {
            uint64_t count = place[d];
            place[d] = sum;
            sum += count;
        }
        for (uint64_t i = 0; i < n; i++) to[place[from[i] >> shift & mask]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    memcpy(key, other, n * sizeof *key);                /* after an odd number of passes they lie there */
    free(place);
    free(other);
}

struct classes {
    const uint32_t *key;        /* sorted */
    double *sum;                /* [n + 1]: of the values before */
    uint64_t n, *from;          /* [count + 1] */
    uint32_t count;
};

static void find_centres(const struct classes *c, float *centre)
{
    for (uint32_t j = 0; j < c->count; j++) {
        uint64_t from = c->from[j], end = c->from[j + 1];
        centre[j] = end > from ? (float)((c->sum[end] - c->sum[from]) / (double)(end - from))
                               : from_ordered(c->key[LT_MIN(from, c->n - 1)]);
    }
}

/* A class ends halfway to the next centre.  True: something moved. */
static bool move_ends(struct classes *c, const float *centre)
{
    bool moved = false;
    for (uint32_t j = 1; j < c->count; j++) {
        uint32_t limit = ordered((float)(((double)centre[j - 1] + (double)centre[j]) / 2));
        uint64_t low = c->from[j - 1], high = c->n;
        while (low < high) {
            uint64_t mid = low + (high - low) / 2;
            if (c->key[mid] < limit) low = mid + 1;
            else high = mid;
        }
        moved = moved || low != c->from[j];
        c->from[j] = low;
    }
    return moved;
}

/* Cells of one width between the smallest value and the largest, few enough to hold some values each. */
static void begin_classes(struct classes *c)
{
    uint64_t wanted = c->n / IN_A_CELL;
    int cells = (int)LT_MIN(LT_MAX(wanted, (uint64_t)CELLS_MIN), (uint64_t)CELLS_MAX);
    double low = (double)from_ordered(c->key[0]), width = ((double)from_ordered(c->key[c->n - 1]) - low) / cells;
    double *share = lt_calloc((size_t)cells, sizeof *share), total = 0, before = 0;
    uint64_t *end = lt_calloc((size_t)cells, sizeof *end);      /* values up to the end of a cell */
    for (uint64_t i = 0; i < c->n; i++) {
        int cell = (int)(((double)from_ordered(c->key[i]) - low) / width);
        end[LT_MIN(cell, cells - 1)]++;
    }
    for (int i = 0; i < cells; i++) {
        total += share[i] = cbrt((double)end[i]);
        if (i) end[i] += end[i - 1];
    }
    uint32_t j = 0;
    c->from[j++] = 0;
    for (int i = 0; i < cells; i++) {
        before += share[i];
        while (j < c->count && before >= total * j / c->count) c->from[j++] = end[i];
    }
    while (j <= c->count) c->from[j++] = c->n;
    free(share);
    free(end);
}

static uint32_t distinct(uint32_t *key, uint64_t n, uint32_t limit)
{
    uint32_t found = 0;
    for (uint64_t i = 0; i < n && found <= limit; i++) found += !i || key[i] != key[i - 1];
    return found;
}

static void classify(uint32_t *key, uint64_t n, uint32_t count, float *centre)
{
    uint32_t found = distinct(key, n, count);
    if (found <= count) {                               /* nothing is lost */
        uint32_t at = 0;
        for (uint64_t i = 0; i < n; i++)
            if (!i || key[i] != key[i - 1]) centre[at++] = from_ordered(key[i]);
        for (; at < count; at++) centre[at] = at ? centre[at - 1] : 0;
        return;
    }
    struct classes c = { .key = key, .n = n, .count = count };
    c.sum = lt_alloc((n + 1) * sizeof *c.sum);
    c.from = lt_alloc(((size_t)count + 1) * sizeof *c.from);
    c.sum[0] = 0;
    for (uint64_t i = 0; i < n; i++) c.sum[i + 1] = c.sum[i] + (double)from_ordered(key[i]);
    begin_classes(&c);
    find_centres(&c, centre);
    for (int i = 0; i < ROUNDS && move_ends(&c, centre); i++) find_centres(&c, centre);
    free(c.sum);
    free(c.from);
}

void lt_ngram_quantise(const float *value, uint64_t n, int bits, bool exact_zero, float *centre)
{
    uint32_t *key = lt_alloc(LT_MAX(n, 1) * sizeof *key), count = UINT32_C(1) << bits;
    uint64_t used = 0;
    for (uint64_t i = 0; i < n; i++)
        if (!exact_zero || value[i] != 0) key[used++] = ordered(value[i]);
    sort(key, used);
    classify(key, used, count - exact_zero, centre);
    free(key);
    if (!exact_zero) return;
    uint32_t at = count - 1;                            /* 0 goes to its place among them */
    for (; at > 0 && centre[at - 1] > 0; at--) centre[at] = centre[at - 1];
    centre[at] = 0;
}

uint32_t lt_ngram_nearest(const float *centre, uint32_t n, float value)
{
    uint32_t low = 0, high = n - 1;
    while (low < high) {                                /* the first that is not below */
        uint32_t mid = (low + high) / 2;
        if (centre[mid] < value) low = mid + 1;
        else high = mid;
    }
    return low && value - centre[low - 1] < centre[low] - value ? low - 1 : low;
}
