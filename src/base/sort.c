/* Stable merge sort with a context: insertion sort in short runs, then merges to and fro between two arrays. */
#include "base/base.h"
#include <stdlib.h>
#include <string.h>

enum { RUN = 12 };

static void insertion(char *base, size_t count, size_t size, char *hold, lt_cmp_fn *cmp, void *ctx)
{
    for (size_t i = 1; i < count; i++) {
        size_t j = i;
        while (j > 0 && cmp(base + (j - 1) * size, base + i * size, ctx) > 0)
            j--;
        if (j == i)
            continue;
        memcpy(hold, base + i * size, size);
        memmove(base + (j + 1) * size, base + j * size, (i - j) * size);
        memcpy(base + j * size, hold, size);
    }
}

/* a[0 .. na) and a[na .. na+nb) into `to`; equal elements come from the left. */
static void merge(char *to, const char *a, size_t na, size_t nb, size_t size, lt_cmp_fn *cmp, void *ctx)
{
    const char *b = a + na * size, *a_end = b, *b_end = b + nb * size;
    if (na == 0 || nb == 0 || cmp(b - size, b, ctx) <= 0) {
        memcpy(to, a, (na + nb) * size);
        return;
    }
    while (a < a_end && b < b_end) {
        const char **from = cmp(a, b, ctx) <= 0 ? &a : &b;
        memcpy(to, *from, size);
        *from += size;
        to += size;
    }
    memcpy(to, a, (size_t)(a_end - a));
    memcpy(to + (a_end - a), b, (size_t)(b_end - b));
}

void lt_sort(void *base, size_t count, size_t size, lt_cmp_fn *cmp, void *ctx)
{
    if (count < 2 || size == 0)
        return;
    char *from = base, *to = lt_alloc(count * size), *spare = to;
    for (size_t i = 0; i < count; i += RUN)
        insertion(from + i * size, LT_MIN(RUN, count - i), size, to, cmp, ctx);
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t na = LT_MIN(width, count - i), nb = LT_MIN(width, count - i - na);
            merge(to + i * size, from + i * size, na, nb, size, cmp, ctx);
        }
        char *swap = from;
        from = to;
        to = swap;
    }
    if (from != base)
        memcpy(base, from, count * size);
    free(spare);
}
