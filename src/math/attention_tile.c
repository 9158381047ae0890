#include "math/attention_tile.h"

#include <math.h>

size_t lt_tile_bytes(const struct lt_gemm_kernel *k, int64_t width, int64_t depth)
{
    int64_t most = LT_MAX(k->mr, k->nr), padded = (width + most - 1) / most * most;
    return ((size_t)(padded * lt_tile_units(k, depth)) * 4 + LT_GEMM_SLACK + 63) / 64 * 64;
}

static void pack(const struct lt_gemm_kernel *k, char *dst, int64_t panel, bool full, int64_t width, int64_t depth,
                 const struct lt_gemm_source *s)
{
    size_t bytes = (size_t)(panel * lt_tile_units(k, depth)) * 4, size = lt_dtype_size(s->type);
    for (int64_t i = 0; i < width; i += panel, dst += bytes) {
        int64_t n = LT_MIN(panel, width - i);
        struct lt_gemm_source part = *s;
        part.p = (const char *)s->p + (size_t)(s->k_fast ? i * s->ld : i) * size;
        k->pack(dst, full ? panel : n, n, depth, &part);
    }
}

void lt_tile_pack_a(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth, const struct lt_gemm_source *s)
{
    pack(k, dst, k->mr, false, width, depth, s);
}

void lt_tile_pack_b(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth, const struct lt_gemm_source *s)
{
    pack(k, dst, k->nr, true, width, depth, s);
}

void lt_tile_product(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const void *a, const void *b,
                     float *c, int64_t ldc, bool add)
{
    int64_t units = lt_tile_units(k, depth);
    for (int64_t i = 0; i < m; i += k->mr) {
        int64_t rows = LT_MIN(k->mr, m - i);
        struct lt_gemm_rows panel = { .p = (const char *)a + (size_t)(i * units) * 4, .row = 4, .unit = rows * 4 };
        for (int64_t j = 0; j < n; j += k->nr)
            k->tile(rows, LT_MIN(k->nr, n - j), depth, &panel, (const char *)b + (size_t)(j * units) * 4, c + i * ldc + j,
                    ldc, NULL, add);
    }
}

void lt_attn_mask_row(float *score, float scale, struct lt_span span, int64_t first)
{
    for (int64_t i = 0; i < LT_ATTN_KEYS; i++)
        score[i] = first + i >= span.from && first + i < span.end ? score[i] * scale : -INFINITY;
}
