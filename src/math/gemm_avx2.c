/* The matrix product for AVX2 with FMA: a tile of 6 x 16 sums.  bf16 operands are rounded while packing and multiplied
 * as floats, so both kinds of product share one tile.
 *
 * A sum has four chains (gemm.h), so that with few rows k can run along the vectors (gemm_direct_avx2.c).  The tile,
 * whose vectors run along columns, takes two chains of three rows at a time, in twelve registers. */
#include "math/gemm_kernel.h"

#if defined(__AVX2__)
#include "math/lanes_avx2.h"

enum { MR = 6, NR = 16, CHAINS = 4 };
enum { AT_ONCE = 3 };                   /* rows whose two chains fit the registers */
enum { AHEAD = 4 };                     /* rows of a matrix asked for before they are packed */

/* ---- packing ---- */

/* Eight columns of a panel from rows along which k runs.  Every store writes eight lanes: those past the stride are
 * overwritten by the next k, those of the last k fall into the slack. */
INLINE void pack_k_fast(float *out, int64_t stride, int64_t width, int64_t k, const char *p, int64_t row_bytes,
                        enum lt_dtype type, bool bf16)
{
    for (int64_t j = 0; j < k; j += 8) {
        __m256 r[8];
        int64_t rest = k - j;
        if (width >= 8 && rest >= 8)
            for (int i = 0; i < 8; i++) r[i] = load(p + i * row_bytes, j, 8, type);
        else
            for (int i = 0; i < 8; i++) r[i] = i < width ? load(p + i * row_bytes, j, rest, type) : _mm256_setzero_ps();
        transpose8(r);
        for (int i = 0; i < 8 && i < rest; i++)
            _mm256_storeu_ps(out + (j + i) * stride, bf16 ? round_bf16(r[i]) : r[i]);
    }
}

/* Panels side by side, row by row in memory; rows are asked for ahead, since their pieces are far apart, no stream that
 * the machine foresees.  A panel lower than its stride gets columns of the next beside its own, where nobody looks;
 * what is stored past the stride is overwritten or falls into the slack, as above. */
INLINE void across_of(char *out, size_t distance, int64_t height, const int64_t stride, int64_t width, int64_t k,
                      const struct lt_gemm_source *s, enum lt_dtype type, bool bf16)
{
    const int64_t size = type == LT_F32 ? 4 : 2, row_bytes = s->ld * size;
    const char *row = s->p;
    for (int64_t j = 0; j < k; j++, row += row_bytes, out += stride * 4) {
        for (int64_t i = 0; i < width * size; i += 64) __builtin_prefetch(row + AHEAD * row_bytes + i);
        float *to = (float *)out;
        for (int64_t i = 0; i < width; i += height, to += distance / 4) {
            for (int64_t h = 0; h < stride; h += 8) {
                const int64_t left = width - i - h;
                const __m256 x = left >= 8 ? load(row, i + h, 8, type)
                               : left > 0 ? load(row, i + h, left, type) : _mm256_setzero_ps();
                _mm256_storeu_ps(to + h, bf16 ? round_bf16(x) : x);
            }
        }
    }
}

INLINE void across(char *out, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                   const struct lt_gemm_source *s, enum lt_dtype type, bool bf16)
{
    if (stride == NR) across_of(out, distance, height, NR, width, k, s, type, bf16);
    else if (stride == MR) across_of(out, distance, height, MR, width, k, s, type, bf16);
    else across_of(out, distance, height, stride, width, k, s, type, bf16);
}

static void across_f32(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                       const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16, false); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16, false); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32, false); return;
    }
}

static void across_bf16(void *dst, size_t distance, int64_t height, int64_t stride, int64_t width, int64_t k,
                        const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: across(dst, distance, height, stride, width, k, s, LT_BF16, false); return;
    case LT_F16: across(dst, distance, height, stride, width, k, s, LT_F16, true); return;
    default: across(dst, distance, height, stride, width, k, s, LT_F32, true); return;
    }
}

INLINE void pack(float *out, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s,
                 enum lt_dtype type, bool bf16)
{
    const int64_t row_bytes = s->ld * (type == LT_F32 ? 4 : 2);
    for (int64_t i = 0; i < stride; i += 8)
        pack_k_fast(out + i, stride, LT_MAX(LT_MIN(width - i, 8), 0), k, (const char *)s->p + i * row_bytes, row_bytes,
                    type, bf16);
}

static void pack_f32(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) across_f32(dst, 0, width, stride, width, k, s);
    else if (s->type == LT_BF16) pack(dst, stride, width, k, s, LT_BF16, false);
    else if (s->type == LT_F16) pack(dst, stride, width, k, s, LT_F16, false);
    else pack(dst, stride, width, k, s, LT_F32, false);
}

static void pack_bf16(void *dst, int64_t stride, int64_t width, int64_t k, const struct lt_gemm_source *s)
{
    if (!s->k_fast) across_bf16(dst, 0, width, stride, width, k, s);
    else if (s->type == LT_BF16) pack(dst, stride, width, k, s, LT_BF16, false);
    else if (s->type == LT_F16) pack(dst, stride, width, k, s, LT_F16, true);
    else pack(dst, stride, width, k, s, LT_F32, true);
}

INLINE void pack_rows(char *out, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s,
                      enum lt_dtype type, bool bf16)
{
    const int64_t size = type == LT_F32 ? 4 : 2;
    for (int64_t i = 0; i < rows; i++, out += row) {
        const char *from = (const char *)s->p + i * s->ld * size;
        for (int64_t j = 0; j < k; j += 8) {
            __builtin_prefetch(from + AHEAD * s->ld * size + j * size);
            __m256 x = load(from, j, k - j, type);
            if (bf16) x = round_bf16(x);
            if (j + 8 <= k) _mm256_storeu_ps((float *)out + j, x);
            else _mm256_maskstore_ps((float *)out + j, lanes(k - j), x);
        }
    }
}

static void rows_f32(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: pack_rows(dst, row, rows, k, s, LT_BF16, false); return;
    case LT_F16: pack_rows(dst, row, rows, k, s, LT_F16, false); return;
    default: pack_rows(dst, row, rows, k, s, LT_F32, false); return;
    }
}

static void rows_bf16(void *dst, int64_t row, int64_t rows, int64_t k, const struct lt_gemm_source *s)
{
    switch (s->type) {
    case LT_BF16: pack_rows(dst, row, rows, k, s, LT_BF16, false); return;
    case LT_F16: pack_rows(dst, row, rows, k, s, LT_F16, true); return;
    default: pack_rows(dst, row, rows, k, s, LT_F32, true); return;
    }
}

/* ---- the tile ---- */

INLINE void finish(float *c, __m256 sum, const float *bias, bool add)
{
    if (bias) sum = _mm256_add_ps(sum, _mm256_loadu_ps(bias));
    if (add) sum = _mm256_add_ps(_mm256_loadu_ps(c), sum);
    _mm256_storeu_ps(c, sum);
}

/* A narrow tile goes through memory, with the same sums. */
static __attribute__((noinline)) void finish_narrow(int64_t m, int64_t n, const float *sum, float *c, int64_t ldc,
                                                    const float *bias, bool add)
{
    for (int64_t r = 0; r < m; r++) {
        for (int64_t i = 0; i < n; i++) {
            float v = sum[r * NR + i];
            if (bias) v += bias[i];
            c[r * ldc + i] = add ? c[r * ldc + i] + v : v;
        }
    }
}

/* Two chains of m <= AT_ONCE rows and NR columns: products first, first + CHAINS ..., and those behind them. */
INLINE void two_chains_of(const int m, int64_t first, int64_t k, const char *rows, int64_t row, int64_t unit,
                          const float *b, __m256 sum[AT_ONCE][2])
{
    __m256 next[AT_ONCE][2];
    const char *a = rows + first * unit;
    b += first * NR;
    LT_UNROLL
    for (int r = 0; r < m; r++) sum[r][0] = sum[r][1] = next[r][0] = next[r][1] = _mm256_setzero_ps();
    int64_t j = first;
    LT_TWICE
    for (; j + 1 < k; j += CHAINS, a += CHAINS * unit, b += CHAINS * NR) {
        __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m256 x = _mm256_broadcast_ss((const float *)(const void *)(a + r * row));
            sum[r][0] = _mm256_fmadd_ps(x, b0, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(x, b1, sum[r][1]);
        }
        b0 = _mm256_loadu_ps(b + NR), b1 = _mm256_loadu_ps(b + NR + 8);
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            const __m256 x = _mm256_broadcast_ss((const float *)(const void *)(a + unit + r * row));
            next[r][0] = _mm256_fmadd_ps(x, b0, next[r][0]);
            next[r][1] = _mm256_fmadd_ps(x, b1, next[r][1]);
        }
    }
    LT_UNROLL
    for (int r = 0; j < k && r < m; r++) {
        const __m256 x = _mm256_broadcast_ss((const float *)(const void *)(a + r * row));
        sum[r][0] = _mm256_fmadd_ps(x, _mm256_loadu_ps(b), sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(x, _mm256_loadu_ps(b + 8), sum[r][1]);
    }
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = _mm256_add_ps(sum[r][h], next[r][h]);
}

/* (chain 0 + chain 1) + (chain 2 + chain 3) of a block. */
INLINE void sums_of(const int m, int64_t k, const char *a, int64_t row, int64_t unit, const float *b,
                    __m256 sum[AT_ONCE][2])
{
    float before[AT_ONCE * NR] __attribute__((aligned(32)));
    two_chains_of(m, 0, k, a, row, unit, b, sum);
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) _mm256_store_ps(before + r * NR + 8 * h, sum[r][h]);
    two_chains_of(m, 2, k, a, row, unit, b, sum);
    LT_UNROLL
    for (int r = 0; r < m; r++)
        for (int h = 0; h < 2; h++) sum[r][h] = _mm256_add_ps(_mm256_load_ps(before + r * NR + 8 * h), sum[r][h]);
}

INLINE void rows_of(const int m, int64_t n, int64_t k, const char *a, int64_t row, int64_t unit, const float *b,
                    float *c, int64_t ldc, const float *bias, bool add)
{
    __m256 sum[AT_ONCE][2];
    sums_of(m, k, a, row, unit, b, sum);
    if (n == NR) {
        LT_UNROLL
        for (int r = 0; r < m; r++) {
            finish(c + r * ldc, sum[r][0], bias, add);
            finish(c + r * ldc + 8, sum[r][1], bias ? bias + 8 : NULL, add);
        }
        return;
    }
    float wide[AT_ONCE * NR];
    LT_UNROLL
    for (int r = 0; r < m; r++) {
        _mm256_storeu_ps(wide + r * NR, sum[r][0]);
        _mm256_storeu_ps(wide + r * NR + 8, sum[r][1]);
    }
    finish_narrow(m, n, wide, c, ldc, bias, add);
}

static void tile(int64_t m, int64_t n, int64_t k, const struct lt_gemm_rows *rows, const void *b, float *c, int64_t ldc,
                 const float *bias, bool add)
{
    const char *a = rows->p;
    for (int r = 0; r < m; r++) {
        _mm_prefetch((const char *)(c + r * ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(c + r * ldc + NR - 1), _MM_HINT_T0);
    }
    for (; m >= AT_ONCE; m -= AT_ONCE, a += AT_ONCE * rows->row, c += AT_ONCE * ldc)
        rows_of(AT_ONCE, n, k, a, rows->row, rows->unit, b, c, ldc, bias, add);
    if (m == 2) rows_of(2, n, k, a, rows->row, rows->unit, b, c, ldc, bias, add);
    if (m == 1) rows_of(1, n, k, a, rows->row, rows->unit, b, c, ldc, bias, add);
}

const struct lt_gemm_kernel lt_gemm_kernel_avx2[2] = {
    [LT_COMPUTE_F32] = { .mr = MR, .nr = NR, .kc = 256, .near = 192 << 10, .step = 1, .plain = true, .lanes = 2,
                         .pack = pack_f32, .pack_across = across_f32, .pack_rows = rows_f32, .tile = tile,
                         .chains = CHAINS, .direct = lt_gemm_direct_f32_avx2,
                         .direct_add = lt_gemm_direct_add_f32_avx2 },
    [LT_COMPUTE_BF16] = { .mr = MR, .nr = NR, .kc = 256, .near = 192 << 10, .step = 1, .lanes = 2, .pack = pack_bf16,
                          .pack_across = across_bf16, .pack_rows = rows_bf16, .tile = tile, .chains = CHAINS,
                          .direct = lt_gemm_direct_bf16_avx2, .direct_add = lt_gemm_direct_add_bf16_avx2 },
};
#else
typedef int lt_no_avx2_here;
#endif
