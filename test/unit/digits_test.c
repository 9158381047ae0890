/* Floats as text, against printf; and files that compress themselves, against the reader. */
#include "test.h"
#include "base/digits.h"
#include "base/squeeze.h"

/* The slow way: the fewest digits, six or more, that read back. */
static void long_way(float v, char *text)
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, LT_FLOAT_TEXT, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) return;
    }
}

static void check(float v)
{
    char want[LT_FLOAT_TEXT], got[LT_FLOAT_TEXT + 1];
    long_way(v, want);
    got[lt_float_text(v, got)] = 0;
    assert_string_equal(got, want);
}

static float of_bits(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, 4);
    return v;
}

static void test_digits__as_printf(void **state)
{
    (void)state;
    static const float some[] = {
        0, -0.0f, 1, -1, 0.5f, -99, -0.30103f, 0.1f, 1e-4f, 9.99999e-5f, 99998.99f, 99999, 100000, 1e6f, 1e30f, 1e-30f,
        -0.99999994f, 9.999999f, 9.9999995f, 99.99999f, 0.00099999995f, 3.4028235e38f, 1e-45f,
    };
    for (int i = 0; i < LT_COUNT(some); i++) check(some[i]);
    struct lt_rng r = lt_rng_make(1, "floats");
    for (int i = 0; i < 300000; i++) {
        double size = lt_rng_unit(&r) * 12 - 5;
        check((float)-(lt_rng_unit(&r) * __builtin_pow(10, size)));
    }
    for (uint32_t e = 110; e < 145; e++)                    /* around the powers of two */
        for (uint32_t k = 0; k < 64; k++) check(of_bits((e << 23) + k - 32));
}

static void test_digits__squeeze(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_buf text = { 0 }, back = { 0 };
    for (int i = 0; i < 200000; i++) lt_buf_fmt(&text, "line %d of %d\n", i, i * 7919 % 1000);
    static const char *const name[] = { "x.txt", "x.gz", "x.zst" };
    for (int i = 0; i < LT_COUNT(name); i++) {
        const char *path = lt_test_path(folder, name[i]);
        struct lt_squeeze *s = lt_squeeze_open(path);
        assert_non_null(s);
        for (size_t at = 0, n; at < text.n; at += n) {
            n = LT_MIN(text.n - at, at % 7 ? (size_t)100 : (size_t)1 << 20);
            lt_squeeze_put(s, text.p + at, n);
        }
        assert_false(lt_path_exists(path));
        assert_ok(lt_squeeze_commit(s));
        lt_buf_clear(&back);
        struct lt_stream *r = lt_stream_open(path);
        assert_non_null(r);
        int64_t n;
        while ((n = lt_stream_read(r, lt_buf_room(&back, 1 << 16), 1 << 16)) > 0) back.n += (size_t)n;
        assert_int_equal(n, 0);
        lt_stream_close(r);
        assert_int_equal(back.n, text.n);
        assert_memory_equal(back.p, text.p, text.n);
        struct lt_buf raw = { 0 };
        assert_ok(lt_file_read(path, &raw));
        assert_true(i ? raw.n < text.n / 3 : raw.n == text.n);
        lt_buf_free(&raw);
    }
    struct lt_squeeze *s = lt_squeeze_open(lt_test_path(folder, "y.xz"));
    lt_squeeze_put(s, text.p, text.n);
    lt_squeeze_abort(s);
    assert_false(lt_path_exists(lt_test_path(folder, "y.xz")));
    lt_squeeze_abort(NULL);
    lt_buf_free(&text);
    lt_buf_free(&back);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits__as_printf),
        cmocka_unit_test(test_digits__squeeze),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
