/* The AVX-512 kernel of 8-bit numbers, compiled against emulated instructions and compared with plain C bit for bit: on
 * machines without them its source is tested all the same. */
#include "test.h"
#if defined(__x86_64__)
#define LT_EMULATE_AVX512
#include "emulate_avx512.h"
#define lt_gemm_kernel_int8_avx512 emulated
#include "../../src/math/gemm_int8_avx512.c"

enum { MOST_K = 512, PADDED = 7 };

static void *some(struct lt_rng *r, enum lt_dtype type, int64_t n)
{
    float *x = lt_alloc((size_t)n * sizeof *x);
    void *y = lt_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)lt_rng_normal(r);
    lt_convert(type, y, LT_F32, x, n);
    free(x);
    return y;
}

/* What gemm.c does for one tile, of a matrix that fits one. */
static void one_tile(const struct lt_gemm *g, float *c, int64_t ldc)
{
    const int64_t row = g->a_trans ? 4 : (g->k + 63) / 64 * 64 + 64, unit = g->a_trans ? 64 : 4;
    const int64_t a_size = 16 * (MOST_K + 128), b_size = NR * MOST_K;
    char *a = lt_aligned((size_t)a_size + LT_GEMM_SCALES + LT_GEMM_SLACK);
    char *b = lt_aligned((size_t)b_size + LT_GEMM_SCALES + LT_GEMM_SLACK);
    struct lt_gemm_source s = { .p = g->a, .ld = g->lda, .type = g->a_type, .k_fast = !g->a_trans,
                                .scale = (float *)(void *)(a + a_size), .most = emulated.most,
                                .stochastic = g->a_stochastic };
    struct lt_gemm_source t = { .p = g->b, .ld = g->ldb, .type = g->b_type, .k_fast = g->b_trans,
                                .scale = (float *)(void *)(b + b_size), .most = emulated.most,
                                .stochastic = g->b_stochastic };
    if (g->a_trans) emulated.pack_across(a, 0, g->m, 16, g->m, g->k, &s);
    else emulated.pack_rows(a, row, g->m, g->k, &s);
    emulated.pack(b, NR, g->n, g->k, &t);
    const struct lt_gemm_rows rows = { .p = a, .row = row, .unit = unit, .scale = s.scale, .columns = t.scale };
    emulated.tile(g->m, g->n, g->k, &rows, b, c, ldc, g->bias, g->add);
    free(a), free(b);
}

static void test_gemm_emulated__tiles(void **state)
{
    (void)state;
    static const int64_t ms[] = { 1, 2, 5, 13, 14 }, ns[] = { 1, 16, 17, 31, 32 }, ks[] = { 1, 3, 16, 66, 255, 512 };
    static const enum lt_dtype types[] = { LT_F32, LT_BF16, LT_F16 };
    struct lt_rng r = lt_rng_make(4, "tiles");
    for (int i = 0; i < LT_COUNT(ms) * LT_COUNT(ns) * LT_COUNT(ks) * 4; i++) {
        struct lt_gemm g = { .m = ms[i % 5], .n = ns[i / 5 % 5], .k = ks[i / 25 % 6], .a_trans = i / 150 & 1,
                             .b_trans = i / 300, .a_type = types[i % 3], .b_type = types[i / 3 % 3], .add = i / 7 & 1,
                             .a_stochastic = i / 2 & 1, .b_stochastic = i / 11 & 1, .compute = LT_COMPUTE_INT8,
                             .isa = LT_ISA_C };
        g.lda = (g.a_trans ? g.m : g.k) + PADDED;
        g.ldb = (g.b_trans ? g.k : g.n) + PADDED;
        g.ldc = g.n + PADDED;
        void *a = some(&r, g.a_type, (g.a_trans ? g.k : g.m) * g.lda);
        void *b = some(&r, g.b_type, (g.b_trans ? g.n : g.k) * g.ldb);
        float *bias = some(&r, LT_F32, g.n), *want = some(&r, LT_F32, g.m * g.ldc);
        float *got = lt_alloc((size_t)(g.m * g.ldc) * sizeof *got);
        memcpy(got, want, (size_t)(g.m * g.ldc) * sizeof *got);
        g.a = a, g.b = b, g.c = want, g.bias = i / 5 & 1 ? bias : NULL;
        lt_gemm(NULL, &g);
        one_tile(&g, got, g.ldc);
        for (int64_t j = 0; j < g.m * g.ldc; j++)
            if (memcmp(&got[j], &want[j], sizeof *got))
                fail_msg("m %d n %d k %d, product %d: element %d is %.9g, plain C has %.9g", (int)g.m, (int)g.n,
                         (int)g.k, i, (int)j, (double)got[j], (double)want[j]);
        free(a), free(b), free(bias), free(want), free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_gemm_emulated__tiles) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0;                           /* nothing is compiled for AVX-512 here */
}
#endif
