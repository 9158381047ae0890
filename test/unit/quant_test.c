/* Blocks of quantised weights against the gguf package (test/oracle/make_quants.py), and what rounding promises. */
#include "test.h"
#include "math/quant.h"
#include <math.h>

static const enum lt_dtype types[] = { LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K };

static uint8_t *bytes_of(struct lt_str hex, size_t *n)
{
    uint8_t *out = lt_alloc(hex.n / 2 + 1);
    *n = hex.n / 2;
    for (size_t i = 0; i < *n; i++) {
        char two[3] = { hex.p[2 * i], hex.p[2 * i + 1], 0 };
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return out;
}

static void compare(struct lt_str verb, struct lt_str type, struct lt_str in, struct lt_str out)
{
    char name[16];
    enum lt_dtype t;
    snprintf(name, sizeof name, "%.*s", (int)type.n, type.p);
    assert_ok(lt_quant_find(name, &t));
    size_t n, m;
    uint8_t *from = bytes_of(in, &n), *want = bytes_of(out, &m), *got = lt_alloc(m);
    if (lt_str_is(verb, "quantise")) {
        struct lt_quant q = { .type = t, .rows = 1, .width = (int64_t)n / 4 };
        assert_int_equal(m, lt_dtype_bytes(t, q.width));
        assert_ok(lt_quant_rows(NULL, &q, (const float *)from, got));
    } else {
        assert_int_equal(n, lt_dtype_bytes(t, (int64_t)m / 4));
        lt_convert(LT_F32, got, t, from, (int64_t)m / 4);
    }
    for (size_t i = 0; i < m; i++)
        if (got[i] != want[i]) fail_msg("%s %s: byte %zu is %02x, expected %02x", verb.p, name, i, got[i], want[i]);
    free(from);
    free(want);
    free(got);
}

static void test_quant__gguf_package(void **state)
{
    (void)state;
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read("test/oracle/quants.tsv", &text));
    struct lt_str rest = lt_buf_view(&text), line, part[4];
    int cases = 0;
    while (lt_str_split(&rest, '\n', &line)) {
        if (line.n == 0) continue;
        for (int i = 0; i < 4; i++) assert_true(lt_str_split(&line, '\t', &part[i]));
        compare(part[0], part[1], part[2], part[3]);
        cases++;
    }
    assert_int_equal(cases, 27);
    lt_buf_free(&text);
}

static void test_quant__names(void **state)
{
    (void)state;
    enum lt_dtype t;
    assert_ok(lt_quant_find("q4_k", &t));
    assert_int_equal(t, LT_Q4_K);
    assert_int_equal(lt_quant_find("q3_k", &t), -1);
    assert_non_null(strstr(lt_error(), "Q4_K, Q5_K and Q6_K"));
    assert_int_equal(lt_dtype_find("q4_k", &t), -1);        /* no element type of a safetensors file */
    assert_ok(lt_quant_check(LT_Q4_0, 576, "blk.0.attn_q.weight"));
    assert_ok(lt_quant_check(LT_BF16, 7, "any"));
    assert_int_equal(lt_quant_check(LT_Q6_K, 576, "blk.0.attn_q.weight"), -1);
    assert_non_null(strstr(lt_error(), "blk.0.attn_q.weight has rows of 576 elements, which blocks of 256 (Q6_K)"));
}

static void test_quant__scales(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(1, "scales");
    for (int i = 0; i < 1000; i++) {
        uint8_t s[8], m[8], packed[12], s2[8], m2[8];
        for (int j = 0; j < 8; j++) s[j] = (uint8_t)lt_rng_below(&r, 64), m[j] = (uint8_t)lt_rng_below(&r, 64);
        lt_quant_k_pack_scales(s, m, packed);
        lt_quant_k_scales(packed, s2, m2);
        assert_memory_equal(s, s2, 8);
        assert_memory_equal(m, m2, 8);
    }
}

enum { ROWS = 24, WIDTH = 1024 };

/* The root of the weighted mean square error over that of the elements themselves, after a way through blocks. */
static double loss(enum lt_dtype t, const float *x, const float *importance, const float *judge, struct lt_pool *pool)
{
    struct lt_quant q = { .type = t, .rows = ROWS, .width = WIDTH, .importance = importance };
    uint8_t *blocks = lt_alloc(lt_dtype_bytes(t, ROWS * WIDTH));
    float *back = lt_alloc(sizeof(float) * ROWS * WIDTH);
    assert_ok(lt_quant_rows(pool, &q, x, blocks));
    lt_dequant_rows(pool, &q, blocks, back);
    double error = 0, size = 0;
    for (int i = 0; i < ROWS * WIDTH; i++) {
        const double w = judge ? judge[i % WIDTH] : 1, off = (double)back[i] - x[i];
        error += w * off * off;
        size += w * x[i] * x[i];
    }
    free(blocks);
    free(back);
    return sqrt(error / size);
}

/* A uniform step d leaves d / sqrt(12); of normal numbers the extremes of 32 lie at about 2.1 deviations, which gives
 * 4 bits (d about 4.2 / 15) 0.08 and every further bit half of that. */
static void test_quant__error(void **state)
{
    (void)state;
    static const double most[] = { 0.0055, 0.092, 0.046, 0.041, 0.078, 0.039, 0.020 };
    static const double least[] = { 0.0045, 0.08, 0.04, 0.036, 0.065, 0.03, 0.015 };
    struct lt_rng r = lt_rng_make(2, "error");
    static float x[ROWS * WIDTH], importance[WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = (float)lt_rng_normal(&r) * 0.02f;
    for (int i = 0; i < WIDTH; i++) importance[i] = (float)exp(2 * lt_rng_normal(&r));
    struct lt_pool *pool = lt_pool_new(3);
    for (int i = 0; i < LT_COUNT(types); i++) {
        const double plain = loss(types[i], x, NULL, NULL, NULL);
        if (!(plain < most[i] && plain > least[i]))
            fail_msg("%s leaves %.5f, expected %.4f to %.4f", lt_dtype_name(types[i]), plain, least[i], most[i]);
        assert_true(plain == loss(types[i], x, NULL, NULL, pool));
        const double judged = loss(types[i], x, NULL, importance, pool);
        const double weighted = loss(types[i], x, importance, importance, pool);
        if (types[i] == LT_Q8_0) assert_true(weighted == judged);
        else if (!(weighted < 0.95 * judged))
            fail_msg("%s: importance leaves %.5f of %.5f", lt_dtype_name(types[i]), weighted, judged);
    }
    lt_pool_free(pool);
}

/* Zeros stay zeros, huge and tiny numbers stay finite, importance of nothing counts as none. */
static void test_quant__awkward(void **state)
{
    (void)state;
    static const float value[] = { 0, 1e-40f, 1e-20f, 2.6e5f, -2.6e5f, 65504 };
    float x[256], y[256], nothing[256] = { 0 };
    uint8_t blocks[2 * LT_QUANT_BYTES_MAX * 8];
    for (int i = 0; i < LT_COUNT(types) * LT_COUNT(value) * 2; i++) {
        const float v = value[i / 2 / LT_COUNT(types)];
        struct lt_quant q = { .type = types[i / 2 % LT_COUNT(types)], .rows = 1, .width = 256 };
        if (q.type == LT_Q5_1 && fabsf(v) > 65519) continue;        /* refused */
        for (int j = 0; j < 256; j++) x[j] = j % 3 ? v : 0;
        if (i & 1) q.importance = nothing;
        assert_ok(lt_quant_rows(NULL, &q, x, blocks));
        lt_dequant_rows(NULL, &q, blocks, y);
        for (int j = 0; j < 256; j++)
            if (!(fabsf(y[j] - x[j]) <= 0.07f * fabsf(v) + 1e-8f))
                fail_msg("%s: %g became %g", lt_dtype_name(q.type), (double)x[j], (double)y[j]);
    }
}

/* The minimum of Q5_1 has any sign: far from zero a block has the steps of its own range. */
static void test_quant__minimum_of_any_sign(void **state)
{
    (void)state;
    float x[64], y[64], even[64];
    uint8_t blocks[2 * LT_QUANT_BYTES_MAX];
    for (int i = 0; i < 64; i++) x[i] = (i < 32 ? 8 : -9) + (float)(i * 11 % 32) / 32, even[i] = 1;
    for (int weighted = 0; weighted < 2; weighted++) {
        const struct lt_quant q = { .type = LT_Q5_1, .rows = 1, .width = 64, .importance = weighted ? even : NULL };
        assert_ok(lt_quant_rows(NULL, &q, x, blocks));
        lt_dequant_rows(NULL, &q, blocks, y);
        for (int i = 0; i < 64; i++)
            if (!(fabsf(y[i] - x[i]) < 0.02f)) fail_msg("%g became %g", (double)x[i], (double)y[i]);
    }
}

static void test_quant__refuses(void **state)
{
    (void)state;
    float x[3 * 256] = { 0 };
    uint8_t blocks[8192];
    for (int i = 0; i < LT_COUNT(types); i++) {
        struct lt_quant q = { .type = types[i], .rows = 3, .width = 256 };
        x[256 + 7] = NAN, x[512] = INFINITY;
        assert_int_equal(lt_quant_rows(NULL, &q, x, blocks), -1);
        assert_non_null(strstr(lt_error(), "row 1, column 7 is nan"));
        x[256 + 7] = 3e5f;
        assert_int_equal(lt_quant_rows(NULL, &q, x, blocks), -1);
        assert_non_null(strstr(lt_error(), "row 1, column 7 is 300000"));
    }
    struct lt_quant q = { .type = LT_Q5_1, .rows = 1, .width = 32 };
    x[3] = 65520;                       /* no finite half as a minimum */
    assert_int_equal(lt_quant_rows(NULL, &q, x, blocks), -1);
    assert_non_null(strstr(lt_error(), "row 0, column 3 is 65520; Q5_1 holds finite numbers below 65520"));
    x[3] = -65519;
    assert_ok(lt_quant_rows(NULL, &q, x, blocks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quant__gguf_package), cmocka_unit_test(test_quant__names),
        cmocka_unit_test(test_quant__scales),       cmocka_unit_test(test_quant__error),
        cmocka_unit_test(test_quant__awkward),      cmocka_unit_test(test_quant__refuses),
        cmocka_unit_test(test_quant__minimum_of_any_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
