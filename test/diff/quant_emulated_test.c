/* The AVX-512 kernels of quantised products, compiled against emulated instructions and compared with plain C bit for
 * bit: on machines without them their source is tested all the same. */
#include "test.h"
#if defined(__x86_64__)
#define LT_EMULATE_AVX512
#include "emulate_avx512.h"
#define lt_quant_kernels_avx512 emulated
#include "../../src/math/quant_gemm_avx512.c"

static const enum lt_dtype types[] = { LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K };
enum { K = 512, ROWS = 8 };

struct operands {
    const struct lt_quant_kernel *kernel;
    struct lt_quant_a a;
    uint8_t *w;
    int64_t row, blocks;
    float *want;                        /* (ROWS, NR) from plain C */
};

static void fill_a(struct operands *o, enum lt_dtype t, struct lt_rng *r)
{
    static const int32_t factor[] = { [LT_Q8_0] = -128, [LT_Q4_0] = -8, [LT_Q5_0] = -16, [LT_Q5_1] = 1 };
    const int64_t block = lt_dtype_block(t), part = t == LT_Q6_K ? 16 : 32;
    o->a = (struct lt_quant_a){ .q_row = K, .scale_row = K, .carry_row = K };
    o->a.q = lt_alloc(ROWS * K);
    o->a.scale = lt_alloc(ROWS * K);
    o->a.carry = lt_alloc(ROWS * K);
    for (int64_t i = 0; i < ROWS * K; i++) o->a.q[i] = (int8_t)((int64_t)lt_rng_below(r, 255) - 127);
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < K / block; j++) o->a.scale[i * K / 4 + j] = (float)lt_rng_unit(r);
        for (int64_t j = 0; j < K / part; j++) {
            int32_t sum = 0;
            for (int64_t k = 0; k < part; k++) sum += o->a.q[i * K + j * part + k];
            if (block == 32) ((int32_t *)(void *)(o->a.carry + i * K))[j] = sum * factor[t];
            else ((int16_t *)(void *)(o->a.carry + i * K))[j] = (int16_t)sum;
        }
    }
}

static struct operands make(enum lt_dtype t)
{
    struct lt_rng r = lt_rng_make(5, lt_dtype_name(t));
    struct operands o = { .kernel = &emulated.type[t], .row = (int64_t)lt_dtype_bytes(t, K),
                          .blocks = K / lt_dtype_block(t) };
    const size_t size = lt_dtype_block_size(t), bytes = (size_t)(NR * o.row);
    o.w = lt_alloc(bytes);
    for (size_t i = 0; i < bytes; i++) o.w[i] = (uint8_t)lt_rng_u64(&r);
    for (size_t i = 0; i < bytes; i += size) {
        const uint16_t d = lt_to_f16((float)lt_rng_normal(&r)), dmin = lt_to_f16((float)lt_rng_normal(&r));
        memcpy(o.w + i + (t == LT_Q6_K ? 208 : 0), &d, 2);
        if (t == LT_Q4_K || t == LT_Q5_K || t == LT_Q5_1) memcpy(o.w + i + 2, &dmin, 2);
    }
    fill_a(&o, t, &r);
    o.want = lt_calloc(ROWS * NR, sizeof(float));
    const struct lt_quant_kernels *plain = &lt_quant_kernels_ref;
    uint8_t *panel = lt_aligned(plain->type[t].panel * (size_t)o.blocks);
    for (int c = 0; c < NR; c += plain->nr) {
        float sum[ROWS * 16] = { 0 };
        assert_true(plain->nr <= 16);
        plain->type[t].unpack(o.w + c * o.row, o.row, o.blocks, panel);
        plain->type[t].tile(ROWS, o.blocks, &o.a, panel, sum);
        for (int i = 0; i < ROWS * plain->nr; i++) o.want[i / plain->nr * NR + c + i % plain->nr] = sum[i];
    }
    free(panel);
    return o;
}

static void release(struct operands *o)
{
    free(o->a.q), free(o->a.scale), free(o->a.carry), free(o->w), free(o->want);
}

static void same(const struct operands *o, const float *got, int64_t m, const char *what, enum lt_dtype t)
{
    for (int64_t i = 0; i < m * NR; i++)
        if (memcmp(&got[i], &o->want[i], 4) != 0)
            fail_msg("%s of %s, %d rows: column %d of row %d is %.9g, plain C has %.9g", what, lt_dtype_name(t), (int)m,
                     (int)(i % NR), (int)(i / NR), (double)got[i], (double)o->want[i]);
}

static void test_quant_emulated__products(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(types); i++) {
        struct operands o = make(types[i]);
        uint8_t *panel = lt_aligned(o.kernel->panel * (size_t)o.blocks);
        assert_int_equal(o.kernel->panel % 64, 0);
        o.kernel->unpack(o.w, o.row, o.blocks, panel);
        for (int64_t m = 1; m <= ROWS; m++) {
            float sum[ROWS * NR] __attribute__((aligned(64))) = { 0 };
            if (m <= emulated.mr) {
                o.kernel->tile(m, o.blocks, &o.a, panel, sum);
                same(&o, sum, m, "tile", types[i]);
            }
            memset(sum, 0, sizeof sum);
            o.kernel->thin(m, o.blocks, &o.a, o.w, o.row, NR / emulated.vectors * o.row, sum);
            same(&o, sum, m, "thin", types[i]);
        }
        free(panel);
        release(&o);
    }
}

static void test_quant_emulated__rounding(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(6, "rounding");
    for (int i = 0; i < 400; i++) {
        const int64_t n = i & 1 ? 32 : 256;
        static const float special[] = { INFINITY, NAN, 0x1p-101f, 3e38f, 0x1p-100f };
        float x[256], scale[2];
        int8_t q[2][256];
        for (int64_t j = 0; j < n; j++) x[j] = i % 20 == 0 ? 0 : (float)lt_rng_normal(&r);
        if (i % 10 == 0) x[lt_rng_below(&r, (uint64_t)n)] = special[i / 10 % LT_COUNT(special)];
        lt_quant_kernels_ref.round(x, n, q[0], &scale[0]);
        emulated.round(x, n, q[1], &scale[1]);
        assert_memory_equal(q[0], q[1], (size_t)n);
        if (!(isnan(scale[0]) && isnan(scale[1]))) assert_memory_equal(&scale[0], &scale[1], 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quant_emulated__products),
        cmocka_unit_test(test_quant_emulated__rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    return 0;                           /* nothing is compiled for AVX-512 here */
}
#endif
