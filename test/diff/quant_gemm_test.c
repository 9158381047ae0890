/* Products with quantised weights against double, against plain C bit for bit on every instruction set, and against
 * themselves: the bits of a row must not depend on what stands around it. */
#include "test.h"
#include "math/quant_gemm.h"
#include <math.h>

static const enum lt_dtype types[] = { LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K };

struct operands { struct lt_gemm g; float *a, *c, *start, *bias, *w; uint8_t *b; };

/* Blocks of any bytes: every nibble and scale occurs, also those that no quantiser writes.  Halves stay finite. */
static uint8_t *random_blocks(struct lt_rng *r, enum lt_dtype t, int64_t n)
{
    const size_t size = lt_dtype_block_size(t), bytes = lt_dtype_bytes(t, n);
    uint8_t *b = lt_alloc(LT_MAX(bytes, 1));
    for (size_t i = 0; i < bytes; i++) b[i] = (uint8_t)lt_rng_u64(r);
    for (uint8_t *p = b; p < b + bytes; p += size) {
        const uint16_t d = lt_to_f16((float)lt_rng_normal(r) * 0.01f), dmin = lt_to_f16((float)lt_rng_unit(r) * 0.05f);
        memcpy(p + (t == LT_Q6_K ? 208 : 0), &d, 2);
        if (t == LT_Q4_K || t == LT_Q5_K || t == LT_Q5_1) memcpy(p + 2, &dmin, 2);
    }
    return b;
}

static struct operands make(enum lt_dtype t, int64_t m, int64_t n, int64_t k, int64_t pad)
{
    struct lt_rng r = lt_rng_make((uint64_t)(m * 1000003 + n * 1009 + k), lt_dtype_name(t));
    struct operands o = { .g = { .m = m, .n = n, .k = k, .lda = k + pad, .ldc = n + pad, .b_type = t,
                                 .b_trans = true } };
    o.a = lt_alloc((size_t)(m * (k + pad) + 1) * sizeof(float));
    for (int64_t i = 0; i < m * (k + pad); i++) o.a[i] = (float)lt_rng_normal(&r) * (lt_rng_below(&r, 50) ? 1 : 20);
    o.b = random_blocks(&r, t, n * k);
    o.w = lt_alloc((size_t)(n * k + 1) * sizeof(float));
    struct lt_quant q = { .type = t, .rows = n, .width = k };
    lt_dequant_rows(NULL, &q, o.b, o.w);
    o.start = lt_alloc((size_t)(m * (n + pad) + 1) * sizeof(float));
    for (int64_t i = 0; i < m * (n + pad); i++) o.start[i] = (float)lt_rng_normal(&r);
    o.c = lt_alloc((size_t)(m * (n + pad) + 1) * sizeof(float));
    memcpy(o.c, o.start, (size_t)(m * (n + pad)) * sizeof(float));
    o.bias = lt_alloc((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) o.bias[i] = (float)lt_rng_normal(&r);
    o.g.a = o.a, o.g.b = o.b, o.g.c = o.c;
    return o;
}

static void release(struct operands *o)
{
    free(o->a), free(o->b), free(o->c), free(o->start), free(o->bias), free(o->w);
}

/* A byte of A is off by at most half a scale (and what its rounding to float adds), times the magnitude of the weight.
 * Then come the sum's roundings: at most three a block and two at the end. */
static void compare_with_double(const struct operands *o)
{
    const struct lt_gemm *g = &o->g;
    const int64_t block = lt_dtype_block(g->b_type);
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0, size = 0, off = 0;
            for (int64_t b = 0; b < g->k; b += block) {
                const float *x = o->a + i * g->lda + b, *w = o->w + j * g->k + b;
                double most = 0, weight = 0;
                for (int64_t k = 0; k < block; k++) {
                    sum += (double)x[k] * w[k];
                    size += fabs((double)x[k] * w[k]);
                    most = fmax(most, fabs((double)x[k]));
                    weight += fabs((double)w[k]);
                }
                off += weight * most / 127 * 0.5001;
            }
            if (g->bias) sum += g->bias[j], size += fabs((double)g->bias[j]);
            if (g->add) sum += o->start[i * g->ldc + j], size += fabs((double)o->start[i * g->ldc + j]);
            /* What minima take away counts as well; weights of random bytes are about as large as the two parts. */
            const double steps = 3 * (double)(g->k / block) + 6;
            const double got = o->c[i * g->ldc + j];
            if (!(fabs(got - sum) <= off + steps * 0x1p-22 * (size + off)))
                fail_msg("%s %s m %d n %d k %d: C[%d, %d] is %.9g, expected %.9g within %.3g", lt_isa_name(g->isa),
                         lt_dtype_name(g->b_type), (int)g->m, (int)g->n, (int)g->k, (int)i, (int)j, got, sum, off);
        }
        for (int64_t j = g->n; j < g->ldc; j++)
            if (o->c[i * g->ldc + j] != o->start[i * g->ldc + j]) fail_msg("wrote past column %d", (int)g->n);
    }
}

struct shape { int64_t m, n, blocks; };

static void test_quant_gemm__shapes(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 1, 1, 1 }, { 1, 16, 2 }, { 2, 7, 1 }, { 3, 33, 3 }, { 4, 15, 1 },  { 5, 48, 2 }, { 6, 17, 3 },
        { 7, 31, 1 }, { 8, 65, 9 }, { 9, 32, 1 }, { 13, 50, 2 }, { 15, 5, 17 }, { 31, 20, 5 },
        { 2, 3, 0 }, { 70, 200, 1 }, { 16, 33, 9 }, { 17, 18, 10 }, { 61, 37, 19 },
    };
    struct lt_pool *pool = lt_pool_new(2);
    for (int t = 0; t < LT_COUNT(types); t++) {
        for (int s = 0; s < LT_COUNT(shapes); s++) {
            const struct shape *z = &shapes[s];
            struct operands o = make(types[t], z->m, z->n, z->blocks * lt_dtype_block(types[t]), s % 3);
            const size_t size = (size_t)(z->m * o.g.ldc) * sizeof(float);
            float *plain = lt_alloc(size + 1);
            for (int isa = LT_ISA_C; isa < LT_ISAS; isa++) {
                o.g.isa = (enum lt_isa)isa;
                o.g.add = s & 1;
                o.g.bias = s & 2 ? o.bias : NULL;
                memcpy(o.c, o.start, size);
                lt_gemm(isa == LT_ISA_C ? NULL : pool, &o.g);
                if (isa == LT_ISA_C) memcpy(plain, o.c, size);
                compare_with_double(&o);
                if (memcmp(plain, o.c, size) != 0)
                    fail_msg("%s %s m %d n %d k %d: other bits than plain C", lt_isa_name(o.g.isa),
                             lt_dtype_name(types[t]), (int)z->m, (int)z->n, (int)o.g.k);
            }
            free(plain);
            release(&o);
        }
    }
    lt_pool_free(pool);
}

/* A row alone, in any batch, at any number of threads. */
static void test_quant_gemm__rows_alone(void **state)
{
    (void)state;
    struct lt_pool *pool[] = { NULL, lt_pool_new(2), lt_pool_new(4) };
    for (int t = 0; t < LT_COUNT(types); t++) {
        for (int isa = LT_ISA_C; isa < LT_ISAS; isa++) {
            struct operands o = make(types[t], 40, 150, 512, 0);
            o.g.isa = (enum lt_isa)isa;
            float *all = lt_alloc(sizeof(float) * 40 * 150);
            o.g.c = all;
            lt_gemm(NULL, &o.g);
            static const int64_t batch[] = { 1, 2, 5, 8, 9, 12, 40 };
            for (int i = 0; i < LT_COUNT(batch); i++) {
                const int64_t first = (7 * i) % (41 - batch[i]);
                o.g.m = batch[i];
                o.g.a = o.a + first * o.g.lda;
                o.g.c = o.c;
                lt_gemm(pool[i % LT_COUNT(pool)], &o.g);
                if (memcmp(o.c, all + first * 150, sizeof(float) * 150 * (size_t)batch[i]) != 0)
                    fail_msg("%s %s: other bits in a batch of %d", lt_isa_name(o.g.isa), lt_dtype_name(types[t]),
                             (int)batch[i]);
            }
            free(all);
            release(&o);
        }
    }
    for (int i = 1; i < LT_COUNT(pool); i++) lt_pool_free(pool[i]);
}

/* Products of one A together have the bits they have one by one, whatever their types. */
static void together(const enum lt_dtype *type, int count, int64_t m, enum lt_isa isa, struct lt_pool *pool)
{
    static const int64_t widths[] = { 48, 7, 0, 150, 33 };
    enum { MOST = 5, K = 512 };
    struct operands o[MOST];
    struct lt_gemm g[MOST];
    int64_t columns = 0, at = 0;
    for (int i = 0; i < count; i++) columns += widths[(i + m) % MOST];
    float *one = lt_calloc((size_t)(m * columns) + 1, sizeof *one);
    float *all = lt_calloc((size_t)(m * columns) + 1, sizeof *all);
    for (int i = 0; i < count; i++) {
        const int64_t n = widths[(i + m) % MOST];
        o[i] = make(lt_dtype_quantised(type[i]) ? type[i] : LT_Q8_0, m, n, K, 0);
        g[i] = o[i].g;
        g[i].a = o[0].a;
        g[i].isa = isa;
        g[i].ldc = columns;
        g[i].b_type = type[i];
        if (type[i] == LT_F32) g[i].b = o[i].w;
        g[i].bias = i & 1 ? o[i].bias : NULL;
        g[i].c = one + at;
        lt_gemm(pool, &g[i]);
        g[i].c = all + at;
        at += n;
    }
    lt_gemm_all(pool, g, count);
    if (memcmp(one, all, (size_t)(m * columns) * sizeof *one) != 0)
        fail_msg("%s %s and %d more, m %d: other bits together", lt_isa_name(isa), lt_dtype_name(type[0]), count - 1,
                 (int)m);
    for (int i = 0; i < count; i++) release(&o[i]);
    free(one);
    free(all);
}

static void test_quant_gemm__together(void **state)
{
    (void)state;
    static const enum lt_dtype mixed[][5] = {
        { LT_Q4_K, LT_Q4_K, LT_Q6_K, LT_Q8_0, LT_Q4_0 }, { LT_F32, LT_F32, LT_F32, LT_F32, LT_F32 },
        { LT_Q8_0, LT_Q8_0, LT_F32, LT_Q8_0, LT_F32 }, { LT_Q5_0, LT_Q5_1, LT_Q5_1, LT_Q5_0, LT_Q4_0 },
    };
    static const int64_t ms[] = { 1, 2, 3, 4, 20, 300 };
    struct lt_pool *pool[] = { NULL, lt_pool_new(2), lt_pool_new(4) };
    for (int t = 0; t < LT_COUNT(mixed); t++)
        for (int count = 1; count <= 5; count++)
            for (int i = 0; i < LT_COUNT(ms); i++)
                for (int isa = LT_ISA_C; isa < LT_ISAS; isa++)
                    together(mixed[t], count, isa == LT_ISA_C ? LT_MIN(ms[i], 20) : ms[i], (enum lt_isa)isa,
                             pool[(count + i) % LT_COUNT(pool)]);
    for (int i = 1; i < LT_COUNT(pool); i++) lt_pool_free(pool[i]);
}

/* Extremes: bytes of A and of the weights that make every sum as large as it can be; rows of zeros, of numbers too
 * small for a scale, with an infinity or a NaN. */
static void test_quant_gemm__extremes(void **state)
{
    (void)state;
    enum { M = 9, N = 20, K = 512 };
    static const float value[M] = { 1, -1, 0, 1e-40f, 0x1p-101f, 3e38f, INFINITY, NAN, 0x1p-100f };
    for (int t = 0; t < LT_COUNT(types); t++) {
        struct operands o = make(types[t], M, N, K, 0);
        for (int i = 0; i < M * K; i++) o.a[i] = i / K < 6 || i % K == 300 ? value[i / K] : (float)(i % 7);
        for (size_t at = 0; at < lt_dtype_bytes(types[t], N / 2 * K); at += lt_dtype_block_size(types[t])) {
            const bool minimum = types[t] == LT_Q4_K || types[t] == LT_Q5_K || types[t] == LT_Q5_1;
            const size_t head = minimum ? 4 : types[t] == LT_Q6_K ? 0 : 2;
            const size_t end = lt_dtype_block_size(types[t]) - (types[t] == LT_Q6_K ? 2 : 0);
            memset(o.b + at + head, at % 4 ? 0xff : types[t] == LT_Q8_0 ? 0x80 : 0, end - head);
            if (types[t] == LT_Q6_K) memset(o.b + at + 192, at % 4 ? 0x80 : 0x7f, 16);
        }
        float *plain = lt_alloc(sizeof(float) * M * N);
        for (int isa = LT_ISA_C; isa < LT_ISAS; isa++) {
            o.g.isa = (enum lt_isa)isa;
            lt_gemm(NULL, &o.g);
            if (isa == LT_ISA_C) memcpy(plain, o.c, sizeof(float) * M * N);
            for (int j = 0; j < M * N; j++) {
                const bool nan = j / N == 6 || j / N == 7, zero = j / N >= 2 && j / N <= 4;
                if (nan ? !isnan(o.c[j]) : zero ? o.c[j] != 0 : memcmp(&o.c[j], &plain[j], 4) != 0)
                    fail_msg("%s %s: C[%d, %d] is %g, plain C has %g", lt_isa_name(o.g.isa), lt_dtype_name(types[t]),
                             j / N, j % N, (double)o.c[j], (double)plain[j]);
            }
        }
        free(plain);
        release(&o);
    }
}

/* Rows of A in other types are those floats. */
static void test_quant_gemm__narrow_rows(void **state)
{
    (void)state;
    static const enum lt_dtype narrow[] = { LT_BF16, LT_F16 };
    for (int i = 0; i < LT_COUNT(narrow); i++) {
        struct operands o = make(LT_Q4_K, 3, 18, 512, 2);
        uint16_t *h = lt_alloc(sizeof *h * 3 * 514);
        lt_convert(narrow[i], h, LT_F32, o.a, 3 * 514);
        lt_convert(LT_F32, o.a, narrow[i], h, 3 * 514);
        lt_gemm(NULL, &o.g);
        memcpy(o.start, o.c, sizeof(float) * 3 * 20);
        o.g.a = h;
        o.g.a_type = narrow[i];
        lt_gemm(NULL, &o.g);
        assert_memory_equal(o.start, o.c, sizeof(float) * 3 * 20);
        free(h);
        release(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quant_gemm__shapes),
        cmocka_unit_test(test_quant_gemm__rows_alone),
        cmocka_unit_test(test_quant_gemm__together),
        cmocka_unit_test(test_quant_gemm__extremes),
        cmocka_unit_test(test_quant_gemm__narrow_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
