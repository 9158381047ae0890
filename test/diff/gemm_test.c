/* Matrix products against double, and against themselves: the bits of a row must not depend on what stands around it.
 * Every test runs on every instruction set that the machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "math/gemm_kernel.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const compute_name[LT_COMPUTES] = { "f32", "bf16", "int16", "int8" };

struct shape { int64_t m, n, k; };

struct operands {                       /* a product with its own memory; rows in memory are `pad` elements apart */
    struct lt_gemm g;
    void *a, *b;
    float *c, *start, *bias;            /* start: what C held before */
    int64_t a_rows, b_rows;
};

static float *random_floats(struct lt_rng *r, int64_t n)
{
    float *x = lt_alloc((size_t)LT_MAX(n, 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(lt_rng_unit(r) * 2 - 1);
    return x;
}

static void *random_matrix(struct lt_rng *r, enum lt_dtype type, int64_t n)
{
    float *x = random_floats(r, n);
    void *y = lt_alloc((size_t)LT_MAX(n, 1) * lt_dtype_size(type));
    lt_convert(type, y, LT_F32, x, n);
    free(x);
    return y;
}

static struct operands make(struct lt_gemm g, int64_t pad)
{
    struct lt_rng r = lt_rng_make((uint64_t)(g.m * 1000003 + g.n * 1009 + g.k), "gemm");
    struct operands o = { .g = g };
    o.a_rows = g.a_trans ? g.k : g.m;
    o.b_rows = g.b_trans ? g.n : g.k;
    o.g.lda = (g.a_trans ? g.m : g.k) + pad;
    o.g.ldb = (g.b_trans ? g.k : g.n) + pad;
    o.g.ldc = g.n + pad;
    o.g.a = o.a = random_matrix(&r, g.a_type, o.a_rows * o.g.lda);
    o.g.b = o.b = random_matrix(&r, g.b_type, o.b_rows * o.g.ldb);
    o.start = random_floats(&r, g.m * o.g.ldc);
    o.g.c = o.c = lt_alloc((size_t)LT_MAX(g.m * o.g.ldc, 1) * sizeof(float));
    memcpy(o.c, o.start, (size_t)(g.m * o.g.ldc) * sizeof(float));
    o.bias = random_floats(&r, g.n);
    if (g.bias) o.g.bias = o.bias;
    return o;
}

static void release(struct operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
    free(o->start);
    free(o->bias);
}

static double value(const void *p, enum lt_dtype type, int64_t i, enum lt_compute compute)
{
    float f = type == LT_F32 ? ((const float *)p)[i]
            : type == LT_BF16 ? lt_from_bf16(((const uint16_t *)p)[i]) : lt_from_f16(((const uint16_t *)p)[i]);
    return compute == LT_COMPUTE_BF16 ? lt_from_bf16(lt_to_bf16(f)) : f;
}

/* Rows of A or columns of B as lt_gemm defines its whole numbers: element k of line i lies at i * line + k * step. */
struct whole { int32_t *q; float *scale; int64_t blocks, length, k; };

/* Product j of its block, rounded at random as math/gemm_kernel.h has it. */
static int32_t by_chance(float x, float inverse, int64_t j)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t mantissa = (bits % 4096 * 2048) ^ ((uint32_t)j * 0x9e3779b1u / 512);
    float r = x * inverse, chance = 1 + (float)mantissa / 8388608;
    return (int32_t)fminf(floorf(r + chance) - 1, 127);
}

static struct whole whole_numbers(const void *p, enum lt_dtype type, int64_t lines, int64_t line, int64_t step,
                                  int64_t k, int most, bool stochastic)
{
    struct whole w = { .k = k, .blocks = LT_MAX((k + 511) / 512, 1) };
    w.length = LT_MAX(((k + w.blocks - 1) / w.blocks + 7) / 8 * 8, 1);
    w.q = lt_calloc((size_t)(lines * k) + 1, sizeof *w.q);
    w.scale = lt_calloc((size_t)(lines * w.blocks) + 1, sizeof *w.scale);
    for (int64_t i = 0; i < lines; i++) {
        for (int64_t from = 0; from < k; from += w.length) {
            int64_t end = LT_MIN(from + w.length, k);
            float top = 0x1p-100f;
            for (int64_t j = from; j < end; j++)
                top = fmaxf(top, fabsf((float)value(p, type, i * line + j * step, LT_COMPUTE_F32)));
            float scale = w.scale[i * w.blocks + from / w.length] = top / (float)most, inverse = 1 / scale;
            for (int64_t j = from; j < end; j++) {
                float x = (float)value(p, type, i * line + j * step, LT_COMPUTE_F32);
                w.q[i * k + j] = stochastic ? by_chance(x, inverse, j - from) : (int32_t)nearbyintf(x * inverse);
            }
        }
    }
    return w;
}

/* One element of a product of whole numbers. */
static float whole_element(const struct operands *o, const struct whole *a, const struct whole *b, int64_t i, int64_t j)
{
    const struct lt_gemm *g = &o->g;
    float c = o->start[i * g->ldc + j];
    for (int64_t from = 0; from == 0 || from < g->k; from += a->length) {
        int64_t sum = 0, block = from / a->length;
        for (int64_t k = from; k < LT_MIN(from + a->length, g->k); k++)
            sum += (int64_t)a->q[i * g->k + k] * b->q[j * g->k + k];
        assert_true(sum == (int32_t)sum);
        float v = (float)sum * a->scale[i * a->blocks + block] * b->scale[j * b->blocks + block];
        if (g->bias && from == 0) v += g->bias[j];
        c = g->add || from ? c + v : v;
    }
    return c;
}

/* Bit by bit. */
static void compare_whole(const struct operands *o)
{
    const struct lt_gemm *g = &o->g;
    const bool narrow = g->compute == LT_COMPUTE_INT8;
    const int most = narrow ? 127 : 2047;
    struct whole a = whole_numbers(o->a, g->a_type, g->m, g->a_trans ? 1 : g->lda, g->a_trans ? g->lda : 1, g->k, most,
                                   narrow && g->a_stochastic);
    struct whole b = whole_numbers(o->b, g->b_type, g->n, g->b_trans ? g->ldb : 1, g->b_trans ? 1 : g->ldb, g->k, most,
                                   narrow && g->b_stochastic);
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->ldc; j++) {
            float want = j < g->n ? whole_element(o, &a, &b, i, j) : o->start[i * g->ldc + j];
            float got = o->c[i * g->ldc + j];
            if (memcmp(&want, &got, sizeof got))
                fail_msg("%s %s m %d n %d k %d: C[%d, %d] is %.9g, expected %.9g", lt_isa_name(g->isa),
                         compute_name[g->compute], (int)g->m, (int)g->n, (int)g->k, (int)i, (int)j, (double)got,
                         (double)want);
        }
    free(a.q), free(a.scale), free(b.q), free(b.scale);
}

/* One element as math/gemm.h defines its sum with AVX2: blocks of at most 256 products, each with four chains. */
static float chained_element(const struct operands *o, int64_t i, int64_t j)
{
    const struct lt_gemm *g = &o->g;
    int64_t blocks = LT_MAX((g->k + 255) / 256, 1), length = LT_MAX(((g->k + blocks - 1) / blocks + 7) / 8 * 8, 8);
    float c = o->start[i * g->ldc + j];
    for (int64_t from = 0; from == 0 || from < g->k; from += length) {
        float chain[4] = { 0 };
        for (int64_t k = from; k < LT_MIN(from + length, g->k); k++) {
            double a = value(o->a, g->a_type, g->a_trans ? k * g->lda + i : i * g->lda + k, g->compute);
            double b = value(o->b, g->b_type, g->b_trans ? j * g->ldb + k : k * g->ldb + j, g->compute);
            chain[(k - from) % 4] = fmaf((float)a, (float)b, chain[(k - from) % 4]);
        }
        float v = (chain[0] + chain[1]) + (chain[2] + chain[3]);
        if (g->bias && from == 0) v += g->bias[j];
        c = g->add || from ? c + v : v;
    }
    return c;
}

/* Few rows, which meet B where it lies, and many, which meet it packed, give the defined sums bit by bit. */
static void test_gemm__chains_of_avx2(void **state)
{
    (void)state;
    static const int64_t ms[] = { 1, 2, 3, 4, 5, 6, 7, 40 }, ns[] = { 1, 3, 8, 16, 37 }, ks[] = { 1, 7, 64, 257, 576 };
    static const enum lt_dtype types[] = { LT_F32, LT_BF16, LT_F16 };
    const float some = 0;
    if (lt_cpu_choose(LT_ISA_AVX2) != LT_ISA_AVX2) return;
    for (int t = 0; t < LT_COUNT(ms) * LT_COUNT(ns) * LT_COUNT(ks); t++) {
        for (int way = 0; way < 6; way++) {
            struct lt_gemm g = { .m = ms[t % 8], .n = ns[t / 8 % 5], .k = ks[t / 40], .b_trans = way || t % 3,
                                 .add = t & 1, .bias = t & 2 ? &some : NULL, .isa = LT_ISA_AVX2,
                                 .b_type = types[way % 3], .compute = way / 3 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32 };
            struct operands o = make(g, t % 5);
            lt_gemm(NULL, &o.g);
            for (int64_t i = 0; i < g.m; i++)
                for (int64_t j = 0; j < g.n; j++) {
                    const float want = chained_element(&o, i, j), got = o.c[i * o.g.ldc + j];
                    if (memcmp(&want, &got, sizeof got))
                        fail_msg("%s weights %s m %d n %d k %d: C[%d, %d] is %.9g, expected %.9g",
                                 compute_name[g.compute], lt_dtype_name(g.b_type), (int)g.m, (int)g.n, (int)g.k,
                                 (int)i, (int)j, (double)got, (double)want);
                }
            release(&o);
        }
    }
}

/* Rounded operands are exact in double, so only the sums differ.  A sum of k products in blocks of 129 to 1024 takes at
 * most 1024 + k / 129 + 3 additions, each within half a unit of the sum of magnitudes, and as many multiplications
 * rounded apart in plain C. */
static void compare_with_double(const struct operands *o)
{
    const struct lt_gemm *g = &o->g;
    if (g->compute >= LT_COMPUTE_INT16) {
        compare_whole(o);
        return;
    }
    for (int64_t i = 0; i < g->m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < g->k; k++) {
                double a = value(o->a, g->a_type, g->a_trans ? k * g->lda + i : i * g->lda + k, g->compute);
                double b = value(o->b, g->b_type, g->b_trans ? j * g->ldb + k : k * g->ldb + j, g->compute);
                sum += a * b;
                size += fabs(a * b);
            }
            if (g->bias) sum += g->bias[j], size += fabs((double)g->bias[j]);
            if (g->add) sum += o->start[i * g->ldc + j], size += fabs((double)o->start[i * g->ldc + j]);
            double steps = (double)LT_MIN(g->k, 1024) + (double)g->k / 129 + 4, got = o->c[i * g->ldc + j];
            if (!(fabs(got - sum) <= steps * 0x1p-24 * size))
                fail_msg("%s %s m %d n %d k %d: C[%d, %d] is %.9g, expected %.9g", lt_isa_name(g->isa),
                         compute_name[g->compute], (int)g->m, (int)g->n, (int)g->k, (int)i, (int)j, got, sum);
        }
        for (int64_t j = g->n; j < g->ldc; j++)
            if (o->c[i * g->ldc + j] != o->start[i * g->ldc + j]) fail_msg("wrote past column %d", (int)g->n);
    }
}

enum { CASES = (LT_ISAS - LT_ISA_C) * LT_COMPUTES };
/* isa and compute of a test: case 0 .. CASES-1 */
static bool choose(struct lt_gemm *g, int i)
{
    g->isa = (enum lt_isa)(LT_ISA_C + i / LT_COMPUTES);
    g->compute = (enum lt_compute)(i % LT_COMPUTES);
    return lt_cpu_choose(g->isa) == g->isa;
}

static void test_gemm__forms(void **state)
{
    (void)state;
    static const struct shape shapes[] = {
        { 1, 1, 1 }, { 1, 7, 17 }, { 7, 1, 2 }, { 17, 31, 33 }, { 6, 16, 256 }, { 14, 32, 511 }, { 33, 47, 513 },
        { 13, 100, 257 }, { 65, 33, 1025 }, { 3, 5, 0 }, { 300, 40, 65 }, { 31, 8, 1537 },
    };
    struct lt_pool *pool = lt_pool_new(2);
    const float some = 0;
    for (int i = 0; i < CASES; i++) {
        for (int form = 0; form < 4 * 4; form++) {
            struct lt_gemm g = { .a_trans = form & 1, .b_trans = form & 2, .add = form & 4,
                                 .bias = form & 8 ? &some : NULL };
            if (!choose(&g, i)) continue;
            for (int s = 0; s < LT_COUNT(shapes); s++) {
                g.m = shapes[s].m, g.n = shapes[s].n, g.k = shapes[s].k;
                g.a_stochastic = s & 1, g.b_stochastic = s & 2;
                struct operands o = make(g, s % 3 * 5);
                lt_gemm(pool, &o.g);
                compare_with_double(&o);
                release(&o);
            }
        }
    }
    lt_pool_free(pool);
}

static void test_gemm__types(void **state)
{
    (void)state;
    static const enum lt_dtype types[] = { LT_F32, LT_BF16, LT_F16 };
    for (int i = 0; i < CASES; i++) {
        for (int t = 0; t < 9 * 4; t++) {
            struct lt_gemm g = { .m = 21, .n = 37, .k = 75, .a_type = types[t % 3], .b_type = types[t / 3 % 3],
                                 .a_trans = t / 9 & 1, .b_trans = t / 18 };
            if (!choose(&g, i)) continue;
            struct operands o = make(g, 3);
            lt_gemm(NULL, &o.g);
            compare_with_double(&o);
            release(&o);
        }
    }
}

/* Sizes around those of tiles, panels and blocks, drawn with forms, types and distances between rows. */
static void test_gemm__awkward_sizes(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 0, 1, 2, 3, 13, 14, 15, 16, 17, 31, 32, 33, 64, 127, 511, 512, 513, 1023, 1025 };
    static const enum lt_dtype types[] = { LT_F32, LT_BF16, LT_F16 };
    enum { DRAWS = 150, PRODUCTS = 400000 };
    struct lt_pool *pool = lt_pool_new(3);
    struct lt_rng r = lt_rng_make(7, "awkward");
    const float some = 0;
    for (int i = 0; i < CASES; i++) {
        for (int draw = 0; draw < DRAWS; draw++) {
            struct lt_gemm g = { 0 };
            do {
                g.m = sizes[lt_rng_below(&r, LT_COUNT(sizes))];
                g.n = sizes[lt_rng_below(&r, LT_COUNT(sizes))];
                g.k = sizes[lt_rng_below(&r, LT_COUNT(sizes))];
            } while (g.m * g.n * g.k > PRODUCTS);
            g.a_type = types[lt_rng_below(&r, 3)];
            g.b_type = types[lt_rng_below(&r, 3)];
            uint64_t form = lt_rng_below(&r, 16), pad = lt_rng_below(&r, 20);
            g.a_trans = form & 1;
            g.b_trans = form & 2;
            g.add = form & 4;
            g.bias = form & 8 ? &some : NULL;
            g.a_stochastic = pad & 1, g.b_stochastic = pad & 2;
            if (!choose(&g, i)) continue;
            struct operands o = make(g, (int64_t)pad);
            lt_gemm(draw & 1 ? pool : NULL, &o.g);
            compare_with_double(&o);
            release(&o);
        }
    }
    lt_pool_free(pool);
}

/* Each row of a product of 512, alone and among 8 and 33, with 1, 2 and 4 threads, B packed and not, serial. */
static void rows_alone(const struct operands *o, struct lt_pool *const *pool, int pools)
{
    static const int64_t counts[] = { 1, 2, 3, 8, 33, 100, 512 };
    float *out = lt_alloc((size_t)(o->g.m * o->g.ldc) * sizeof *out);
    struct lt_packed *packed = lt_pack_b(pool[1], &o->g);
    for (int c = 0; c < LT_COUNT(counts); c++) {
        for (int way = 0; way < 2 * (pools + 1); way++) {
            struct lt_gemm g = o->g;
            int64_t first = counts[c] == 512 ? 0 : 77 + 13 * c + way;
            g.m = LT_MIN(counts[c], o->g.m - first);
            g.a = (const char *)o->a + (g.a_trans ? first : first * g.lda) * (int64_t)lt_dtype_size(g.a_type);
            g.c = out;
            memcpy(out, o->start + first * g.ldc, (size_t)(g.m * g.ldc) * sizeof *out);
            if (way & 1) g.packed = packed;
            void *scratch = lt_aligned(lt_gemm_scratch(&g));
            if (way / 2 == pools) lt_gemm_serial(&g, scratch);
            else lt_gemm(pool[way / 2], &g);
            free(scratch);
            if (memcmp(out, o->c + first * g.ldc, (size_t)(g.m * g.ldc) * sizeof *out) != 0)
                fail_msg("%s %s n %d k %d: %d rows from %d differ from the whole, way %d", lt_isa_name(g.isa),
                         compute_name[g.compute], (int)g.n, (int)g.k, (int)g.m, (int)first, way);
        }
    }
    lt_packed_free(packed);
    free(out);
}

static void test_gemm__rows_have_the_same_bits_anywhere(void **state)
{
    (void)state;
    static const struct { int64_t n, k; enum lt_dtype a_type, b_type; bool a_trans, b_trans, add; } row[] = {
        { 96, 600, LT_F32, LT_F32, false, true, false },    { 131, 300, LT_F32, LT_BF16, false, true, true },
        { 90, 544, LT_F32, LT_BF16, false, true, true },    { 50, 800, LT_F32, LT_F16, false, true, false },
        { 70, 1100, LT_BF16, LT_F32, false, false, true },  { 333, 65, LT_F32, LT_F32, true, false, true },
        { 200, 129, LT_F32, LT_F16, false, false, false },
    };
    struct lt_pool *pool[3] = { lt_pool_new(1), lt_pool_new(2), lt_pool_new(4) };
    const float some = 0;
    for (int i = 0; i < CASES; i++) {
        for (int t = 0; t < LT_COUNT(row); t++) {
            struct lt_gemm g = { .m = 512, .n = row[t].n, .k = row[t].k, .a_type = row[t].a_type,
                                 .b_type = row[t].b_type, .a_trans = row[t].a_trans, .b_trans = row[t].b_trans,
                                 .add = row[t].add, .bias = t & 1 ? &some : NULL, .a_stochastic = t & 1,
                                 .b_stochastic = t & 2 };
            if (!choose(&g, i)) continue;
            struct operands o = make(g, t & 1);
            lt_gemm(pool[1], &o.g);
            rows_alone(&o, pool, 3);
            release(&o);
        }
    }
    for (int p = 0; p < 3; p++) lt_pool_free(pool[p]);
}

/* Rows of B where they lie, in pieces, against the tile that reads them packed: the same bits, and nothing beyond. */
static void add_in_pieces(const struct lt_gemm_kernel *kn, enum lt_dtype type, int64_t m, int64_t n, int64_t from,
                          int64_t end)
{
    enum { K = 100, EACH = 32, PIECES = 4, ROOM = 7 * 80 };
    struct lt_rng r = lt_rng_make((uint64_t)(m * 1000 + n * 10 + from + end), "pieces");
    void *part[PIECES];
    struct lt_gemm_source piece[PIECES];
    float *a = random_floats(&r, m * K), *rows = lt_aligned((size_t)(m * K) * 4 + LT_GEMM_SLACK), got[ROOM], want[ROOM];
    char *b = lt_aligned((size_t)(K * 80) * 4 + LT_GEMM_SLACK);
    for (int i = 0; i < PIECES; i++) {
        part[i] = random_matrix(&r, type, EACH * (n + 3));
        piece[i] = (struct lt_gemm_source){ .p = part[i], .ld = n + 3, .type = type };
    }
    for (int i = 0; i < ROOM; i++) got[i] = want[i] = (float)lt_rng_normal(&r);
    kn->pack_rows(rows, K * 4, m, K, &(struct lt_gemm_source){ .p = a, .ld = K, .type = LT_F32, .k_fast = true });
    const struct lt_gemm_rows packed = { .p = rows, .row = K * 4, .unit = 4 };
    kn->direct_add(&(struct lt_gemm_addition){ .m = m, .n = n, .from = from, .end = end, .a = packed, .piece = piece,
                                               .each = EACH, .c = got, .ldc = 80 });
    const size_t size = lt_dtype_size(type);
    for (int64_t j = 0; j < n; j += kn->nr) {
        for (int64_t k = 0; k < K; k++) {       /* a row of the panel at a time: it lies in its piece */
            struct lt_gemm_source one = piece[k / EACH];
            one.p = (const char *)one.p + (size_t)(k % EACH * one.ld + j) * size;
            kn->pack(b + k * kn->nr * 4, kn->nr, LT_MIN(kn->nr, n - j), 1, &one);
        }
        for (int64_t i = 0; i < m; i += kn->mr) {
            const struct lt_gemm_rows some = { .p = rows + i * K + from, .row = K * 4, .unit = 4 };
            kn->tile(LT_MIN(kn->mr, m - i), LT_MIN(kn->nr, n - j), end - from, &some, b + from * kn->nr * 4,
                     want + i * 80 + j, 80, NULL, true);
        }
    }
    if (memcmp(got, want, sizeof got) != 0)
        fail_msg("%s m %d n %d products %d to %d: other bits in pieces", lt_dtype_name(type), (int)m, (int)n, (int)from,
                 (int)end);
    for (int i = 0; i < PIECES; i++) free(part[i]);
    free(a), free(rows), free(b);
}

static void test_gemm__additions_in_pieces(void **state)
{
    (void)state;
    static const enum lt_dtype types[] = { LT_F32, LT_BF16, LT_F16 };
    static const int64_t ms[] = { 1, 2, 3, 5, 7 }, ns[] = { 1, 8, 20, 64 };
    static const int64_t froms[] = { 0, 4, 36 }, ends[] = { 38, 64, 99 };
    for (int compute = 0; compute <= LT_COMPUTE_BF16; compute++) {
        const struct lt_gemm_kernel *kn = lt_gemm_kernel(LT_ISA_AVX2, (enum lt_compute)compute);
        if (!kn->direct_add) skip();            /* no AVX2 here */
        for (int i = 0; i < LT_COUNT(types) * LT_COUNT(ms) * LT_COUNT(ns); i++)
            for (int k = 0; k < LT_COUNT(froms) * LT_COUNT(ends); k++)
                add_in_pieces(kn, types[i % 3], ms[i / 3 % 5], ns[i / 15], froms[k % 3], ends[k / 3]);
    }
}

/* One NaN in A reaches its row and no other; one infinity in B its column; in the tail of k too. */
static void test_gemm__nan_and_infinity(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        for (int64_t k = 1; k < 40; k += 6) {
            struct lt_gemm g = { .m = 19, .n = 45, .k = k, .b_trans = k & 1 };
            if (!choose(&g, i)) continue;
            struct operands o = make(g, 0);
            ((float *)o.a)[5 * o.g.lda + k - 1] = NAN;
            ((float *)o.b)[o.g.b_trans ? 44 * o.g.ldb + k - 1 : (k - 1) * o.g.ldb + 44] = INFINITY;
            lt_gemm(NULL, &o.g);
            for (int64_t r = 0; r < g.m; r++) {
                for (int64_t c = 0; c < g.n; c++) {
                    float x = o.c[r * o.g.ldc + c];
                    if (r == 5) assert_true(isnan(x));
                    else if (c == 44) assert_true(g.compute >= LT_COMPUTE_INT16 ? isnan(x) : isinf(x));
                    else assert_true(isfinite(x));
                }
            }
            release(&o);
        }
    }
}

/* Whole numbers of largest size in every place: the sums of a block use all of their bits; and columns of very
 * different sizes, which share no scale. */
static void test_gemm__whole_numbers_at_their_limits(void **state)
{
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct lt_gemm g = { .m = 13, .n = 35, .k = 512, .b_trans = true };
        if (!choose(&g, i) || g.compute < LT_COMPUTE_INT16) continue;
        struct operands o = make(g, 1);
        for (int64_t r = 0; r < g.m; r++)
            for (int64_t k = 0; k < g.k; k++) ((float *)o.a)[r * o.g.lda + k] = r & 1 ? -3.0f : 3.0f;
        for (int64_t c = 0; c < g.n; c++)
            for (int64_t k = 0; k < g.k; k++) ((float *)o.b)[c * o.g.ldb + k] = ldexpf(1, (int)(4 * c) - 120);
        lt_gemm(NULL, &o.g);
        compare_whole(&o);
        release(&o);
    }
}

/* A step is 1 / 127 here, and the others are 0.3 of it: to the nearest they are all lost, and chance keeps their sum to
 * its standard deviation, of which five are allowed.  Both for elements whose last bits are all 0 and for others. */
static void test_gemm__stochastic_rounding_keeps_what_is_small(void **state)
{
    (void)state;
    enum { K = 512 };
    for (int i = 0; i < 2 * CASES; i++) {
        float a[K], b[K], c;
        struct lt_gemm g = { .m = 1, .n = 1, .k = K, .a = a, .b = b, .c = &c, .b_trans = true };
        if (!choose(&g, i / 2) || g.compute != LT_COMPUTE_INT8) continue;
        struct lt_rng r = lt_rng_make(9, "small");
        for (int k = 0; k < K; k++) {
            b[k] = k ? 1 : 0;
            a[k] = !k ? 1 : i % 2 ? 0x1p-9f : (float)(0.6 * lt_rng_unit(&r)) / 127;
        }
        double sum = 0;
        for (int k = 1; k < K; k++) sum += (double)a[k];
        lt_gemm(NULL, &g);
        assert_true(i % 2 == 0 || c == 0);
        g.a_stochastic = true;
        lt_gemm(NULL, &g);
        assert_true(fabs((double)c - sum) < 5 * sqrt(K * 0.25) / 127);
    }
}

static void test_gemm__empty(void **state)
{
    (void)state;
    float c[4] = { 1, 2, 3, 4 }, bias[2] = { 5, 6 };
    lt_gemm(NULL, &(struct lt_gemm){ .m = 0, .n = 2, .k = 2, .c = c });
    lt_gemm(NULL, &(struct lt_gemm){ .m = 2, .n = 0, .k = 2, .c = c });
    lt_gemm(NULL, &(struct lt_gemm){ .m = 2, .n = 2, .k = 0, .c = c, .add = true });
    assert_true(c[0] == 1 && c[3] == 4);
    lt_gemm(NULL, &(struct lt_gemm){ .m = 2, .n = 2, .k = 0, .c = c, .bias = bias });
    assert_true(c[0] == 5 && c[1] == 6 && c[2] == 5 && c[3] == 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm__forms),
        cmocka_unit_test(test_gemm__types),
        cmocka_unit_test(test_gemm__awkward_sizes),
        cmocka_unit_test(test_gemm__rows_have_the_same_bits_anywhere),
        cmocka_unit_test(test_gemm__chains_of_avx2),
        cmocka_unit_test(test_gemm__additions_in_pieces),
        cmocka_unit_test(test_gemm__nan_and_infinity),
        cmocka_unit_test(test_gemm__whole_numbers_at_their_limits),
        cmocka_unit_test(test_gemm__stochastic_rounding_keeps_what_is_small),
        cmocka_unit_test(test_gemm__empty),
    };
    for (int i = LT_ISA_C; i < LT_ISAS; i++)
        if (lt_cpu_choose((enum lt_isa)i) != (enum lt_isa)i)
            fprintf(stderr, "SKIP gemm on %s: this machine has no such instructions\n", lt_isa_name((enum lt_isa)i));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
