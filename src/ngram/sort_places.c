/* Sorting the places of a text by the words that stand there.  Places are dealt out by their first word; those of each
 * word are sorted by as many of the next words as fit into 64 bits, and where these are equal, by those after them.
 * What stands beyond the end of a sentence decides nothing that anybody looks at, and is not told apart. */
#include "ngram/count.h"
#include <stdlib.h>

enum { FEW = 16, CHUNKS = 256 };

struct item { uint64_t key; uint32_t place; };
struct sorting {
    const uint32_t *token;
    int order, bits, packed;        /* of an id; ids in a key */
    uint32_t words;
    uint32_t *place;
    uint32_t *first;                /* [words + 1]: where the places of each word begin */
    uint32_t chunk[CHUNKS + 1];     /* words at which the chunks of work begin */
};

static void insertion_sort(struct item *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct item x = a[i];
        size_t j = i;
        for (; j && a[j - 1].key > x.key; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    return a < b ? (b < c ? b : a < c ? c : a) : a < c ? a : b < c ? c : b;
}

/* Quicksort around the median of three; of the parts the larger waits.  When parts are lopsided again and again (depth
 * is used up), merges take over. */
static int by_key(const void *a, const void *b, void *ctx)
{
    (void)ctx;
    uint64_t x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return (x > y) - (x < y);
}

static void sort_items(struct item *a, size_t n)
{
    struct { struct item *a; size_t n; int depth; } wait[64];
    int waiting = 0, depth = 0;
    for (size_t m = n; m; m /= 2) depth += 2;
    for (;;) {
        while (n > FEW && depth) {
            uint64_t pivot = median(a[0].key, a[n / 2].key, a[n - 1].key);
            size_t i = 0, j = n - 1;
            for (;; i++, j--) {
                while (a[i].key < pivot) i++;
                while (a[j].key > pivot) j--;
                if (i >= j) break;
                struct item x = a[i];
                a[i] = a[j];
                a[j] = x;
            }
            size_t left = j + 1;                    /* both parts have something: the pivot is no end alone */
            if (left == n) left = n - 1;
            bool big_left = left > n - left;
            depth--;
            wait[waiting].a = big_left ? a : a + left;
            wait[waiting].n = big_left ? left : n - left;
            wait[waiting++].depth = depth;
            if (!big_left) n = left;
            else {
                a += left;
                n -= left;
            }
        }
        if (n <= FEW) insertion_sort(a, n);
        else lt_sort(a, n, sizeof *a, by_key, NULL);
        if (!waiting) return;
        a = wait[--waiting].a;
        n = wait[waiting].n;
        depth = wait[waiting].depth;
    }
}

/* Sorts places whose first `known` words are equal.  The depth of the calls is at most the order. */
static void sort_group(const struct sorting *s, uint32_t *place, size_t n, int known, struct item *item)
{
    int take = LT_MIN(s->packed, s->order - known);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *x = s->token + place[i] + known;
        uint64_t key = 0;
        for (int k = 0; k < take; k++) key = key << s->bits | x[k];
        item[i] = (struct item){ key, place[i] };
    }
    sort_items(item, n);
    for (size_t i = 0; i < n; i++) place[i] = item[i].place;
    if (known + take >= s->order) return;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && item[j].key == item[i].key; j++);
        if (j - i > 1) sort_group(s, place + i, j - i, known + take, item + i);
    }
}

static void sort_chunk(void *arg, int64_t chunk)
{
    const struct sorting *s = arg;
    uint32_t most = 0;
    for (uint32_t w = s->chunk[chunk]; w < s->chunk[chunk + 1]; w++)
        if (w != LT_TEXT_EOS) most = LT_MAX(most, s->first[w + 1] - s->first[w]);
    if (most < 2) return;
    struct item *item = lt_alloc(most * sizeof *item);
    for (uint32_t w = s->chunk[chunk]; w < s->chunk[chunk + 1]; w++) {
        size_t n = s->first[w + 1] - s->first[w];
        if (n > 1 && w != LT_TEXT_EOS) sort_group(s, s->place + s->first[w], n, 1, item);
    }
    free(item);
}

void lt_sort_places(const uint32_t *token, size_t n, int order, uint32_t words, uint32_t *place, struct lt_ctx *c)
{
    struct sorting s = { .token = token, .order = order, .words = words, .place = place };
    s.first = lt_calloc((size_t)words + 2, sizeof *s.first);
    for (size_t i = 0; i < n; i++) s.first[token[i] + 2]++;
    for (uint32_t w = 0; w < words; w++) s.first[w + 2] += s.first[w + 1];
    for (size_t i = 0; i < n; i++) place[s.first[token[i] + 1]++] = (uint32_t)i;
    while ((uint64_t)words >> s.bits) s.bits++;
    s.packed = 64 / s.bits;
    uint32_t w = 0;
    for (int i = 0; i < CHUNKS; i++) {
        s.chunk[i] = w;
        while (w < words && s.first[w] < n / CHUNKS * (size_t)(i + 1)) w++;
    }
    s.chunk[CHUNKS] = words;
    if (order > 1) lt_pool_run(lt_ctx_pool(c), CHUNKS, sort_chunk, &s);
    free(s.first);
}
