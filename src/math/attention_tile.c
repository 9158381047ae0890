#include "math/attention_tile.h"

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* An operand may come to lie in panels of B, or in rows, or across rows, of A. */
size_t lt_tile_bytes(const struct lt_gemm_kernel *k, int64_t width, int64_t depth)
{
    int64_t padded = LT_MAX(round_up(width, k->nr), round_up(width, k->lanes));
    return (size_t)round_up(padded * lt_tile_units(k, depth) * 4 + LT_GEMM_SLACK, 64);
}

struct lt_gemm_rows lt_tile_pack_a(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth,
                                   const struct lt_gemm_source *s)
{
    if (k->plain && s->type == LT_F32) {
        const int64_t apart = s->ld * 4;
        return (struct lt_gemm_rows){ .p = s->p, .row = s->k_fast ? apart : 4, .unit = s->k_fast ? 4 : apart };
    }
    if (s->k_fast) {
        int64_t row = lt_tile_units(k, depth) * 4;
        k->pack_rows(dst, row, width, depth, s);
        return (struct lt_gemm_rows){ .p = dst, .row = row, .unit = 4 };
    }
    int64_t stride = round_up(width, k->lanes);
    k->pack(dst, stride, width, depth, s);
    return (struct lt_gemm_rows){ .p = dst, .row = 4, .unit = stride * 4 };
}

void lt_tile_pack_b(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth,
                    const struct lt_gemm_source *s)
{
    size_t panel = (size_t)(k->nr * lt_tile_units(k, depth)) * 4, size = lt_dtype_size(s->type);
    for (int64_t i = 0; i < width; i += k->nr, dst = (char *)dst + panel) {
        struct lt_gemm_source part = *s;
        part.p = (const char *)s->p + (size_t)(s->k_fast ? i * s->ld : i) * size;
        k->pack(dst, k->nr, LT_MIN(k->nr, width - i), depth, &part);
    }
}

/* Rows of C from one panel of A: columns j .. n-1 (j a multiple of nr), products from .. end-1 of `depth`. */
static void panel(const struct lt_gemm_kernel *k, int64_t rows, int64_t j, int64_t n, int64_t depth,
                  struct lt_span part, struct lt_gemm_rows a, const void *b, float *c, int64_t ldc, bool add)
{
    int64_t units = lt_tile_units(k, depth), skip = part.from / k->chains * k->chains / k->step;
    int64_t left = part.end - skip * k->step;
    a.p = (const char *)a.p + skip * a.unit;
    for (; j < n; j += k->nr)
        k->tile(rows, LT_MIN(k->nr, n - j), left, &a, (const char *)b + (size_t)(j * units + skip * k->nr) * 4, c + j,
                ldc, NULL, add);
}

static int64_t panel_height(const struct lt_gemm_kernel *k, int64_t m)
{
    int64_t panels = (m + k->mr - 1) / k->mr;
    return (m + panels - 1) / panels;
}

void lt_tile_scores(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const struct lt_gemm_rows *a,
                    const void *b, float *c, int64_t ldc, const struct lt_tile_mask *mask)
{
    int64_t height = panel_height(k, m);
    for (int64_t i = 0; i < m; i += height) {
        int64_t rows = LT_MIN(height, m - i), from = mask->from[i], end = LT_MIN(mask->end[i + rows - 1], n);
        struct lt_gemm_rows part = { .p = (const char *)a->p + i * a->row, .row = a->row, .unit = a->unit };
        panel(k, rows, from / k->nr * k->nr, end, depth, (struct lt_span){ 0, depth }, part, b, c + i * ldc, ldc,
              false);
    }
}

void lt_tile_add(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const struct lt_gemm_rows *a,
                 const void *b, float *c, int64_t ldc, const struct lt_tile_mask *mask, bool keys)
{
    int64_t height = panel_height(k, m);
    for (int64_t i = 0; i < m; i += height) {
        int64_t rows = LT_MIN(height, m - i);
        struct lt_span some = { 0, depth };
        if (keys) {
            while (some.from < some.end && mask->end[some.from] <= i) some.from++;
            while (some.end > some.from && mask->from[some.end - 1] >= i + rows) some.end--;
        } else {
            some = (struct lt_span){ mask->from[i], LT_MIN(mask->end[i + rows - 1], depth) };
        }
        if (some.from >= some.end) continue;
        struct lt_gemm_rows part = { .p = (const char *)a->p + i * a->row, .row = a->row, .unit = a->unit };
        panel(k, rows, 0, n, depth, some, part, b, c + i * ldc, ldc, true);
    }
}

void lt_attn_seen(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t row, int64_t n, int64_t first,
                  struct lt_tile_mask *mask)
{
    int64_t group = s->heads / s->kv_heads;
    for (int64_t r = 0; r < n; r++) {
        struct lt_span span = lt_attn_span(s, q, (row + r) / group);
        mask->from[r] = (int32_t)LT_MIN(LT_MAX(span.from - first, 0), LT_ATTN_KEYS);
        mask->end[r] = (int32_t)LT_MIN(LT_MAX(span.end - first, 0), LT_ATTN_KEYS);
    }
}
