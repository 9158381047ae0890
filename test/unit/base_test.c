/* Errors, memory, slices, buffers, arenas, maps, randomness, sorting. */
#include "test.h"
#include <math.h>

static void test_error__takes_itself_as_argument(void **state)
{
    (void)state;
    assert_int_equal(lt_fail("inner %d", 1), -1);
    lt_fail("outer: %s", lt_error());
    assert_string_equal(lt_error(), "outer: inner 1");
    assert_false(lt_error_is_misuse());
}

static void test_error__context_keeps_the_fault(void **state)
{
    (void)state;
    lt_misuse("no such key");
    assert_true(lt_error_is_misuse());
    lt_fail("recipe: %s", lt_error());
    assert_true(lt_error_is_misuse());
    lt_fail("disk full");
    assert_false(lt_error_is_misuse());
}

static void test_error__long_sentences_are_cut(void **state)
{
    (void)state;
    char *z = lt_alloc(5001);
    memset(z, 'x', 5000);
    z[5000] = 0;
    lt_fail("%s", z);
    assert_in_range(strlen(lt_error()), 1000, 4999);
    free(z);
}

static void test_str__split(void **state)
{
    (void)state;
    struct lt_str rest = lt_str("a,,b"), part;
    const char *want[] = { "a", "", "b" };
    int n = 0;
    while (lt_str_split(&rest, ',', &part))
        assert_true(n < 3 && lt_str_is(part, want[n++]));
    assert_int_equal(n, 3);
}

static void test_str__int(void **state)
{
    (void)state;
    int64_t v;
    assert_ok(lt_str_int(lt_str("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    assert_ok(lt_str_int(lt_str("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_ok(lt_str_int(lt_str("0"), &v));
    const char *bad[] = { "", "-", "9223372036854775808", "-9223372036854775809", "1 ", " 1", "1e3", "0x1",
                          "99999999999999999999" };
    for (int i = 0; i < LT_COUNT(bad); i++)
        assert_int_equal(lt_str_int(lt_str(bad[i]), &v), -1);
}

static void test_str__real(void **state)
{
    (void)state;
    double v;
    assert_ok(lt_str_real(lt_str("1e-4"), &v));
    assert_true(v == 1e-4);
    assert_ok(lt_str_real(lt_str("-.5"), &v));
    assert_true(v == -0.5);
    assert_ok(lt_str_real(lt_str("-inf"), &v));
    assert_true(v == -INFINITY);
    const char *bad[] = { "", ".", "e1", "1e", "1e+", "nan", "0x1p3", "1e999", " 1", "1 ", "1.2.3", "inf1" };
    for (int i = 0; i < LT_COUNT(bad); i++)
        assert_int_equal(lt_str_real(lt_str(bad[i]), &v), -1);
}

static void test_str__edit_distance_and_glob(void **state)
{
    (void)state;
    assert_int_equal(lt_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(lt_edit_distance("", "abc"), 3);
    assert_true(lt_glob("*.norm.*", "layers.0.norm.weight"));
    assert_true(lt_glob("a*b*c", "axxbxbxc"));
    assert_true(lt_glob("?", "x") && lt_glob("*", ""));
    assert_false(lt_glob("a*b", "abc") || lt_glob("?", "") || lt_glob("a", "ab"));
}

static void test_buf__formats_past_its_room(void **state)
{
    (void)state;
    struct lt_buf b = { 0 };
    for (int i = 0; i < 1000; i++)
        lt_buf_fmt(&b, "%d,", i);
    assert_int_equal(b.n, 10 + 10 + 90 * 2 + 90 + 900 * 4);
    assert_int_equal(strlen(b.p), b.n);
    char *wide = lt_alloc(10000);
    memset(wide, 'y', 9999);
    wide[9999] = 0;
    lt_buf_clear(&b);
    lt_buf_fmt(&b, "<%s>", wide);
    assert_int_equal(b.n, 10001);
    free(wide);
    lt_buf_free(&b);
}

static void test_arena__marks(void **state)
{
    (void)state;
    struct lt_arena a = { 0 };
    char *first = lt_arena_take(&a, 100);
    memset(first, 1, 100);
    struct lt_arena_mark m = lt_arena_here(&a);
    for (int round = 0; round < 100; round++) {
        for (int i = 1; i < 40; i++) {
            char *p = lt_arena_take(&a, (size_t)i * 1000);
            assert_true((uintptr_t)p % 64 == 0);
            memset(p, 2, (size_t)i * 1000);
        }
        lt_arena_release(&a, m);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(first[i], 1);
    assert_int_equal(a.used_total, 100);
    assert_true(a.peak_total > 780000);
    lt_arena_reset(&a);
    assert_int_equal(a.used_total, 0);
    assert_string_equal(lt_arena_fmt(&a, "%d-%s", 7, "x"), "7-x");
    lt_arena_free(&a);
}

static void test_map__keeps_insertion_order(void **state)
{
    (void)state;
    struct lt_map m = { 0 };
    enum { N = 20000 };
    for (int i = 0; i < 2 * N; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i % N);
        bool fresh;
        uint64_t *v = lt_map_put(&m, lt_str(key), &fresh);
        assert_int_equal(fresh, i < N);
        *v += (uint64_t)i;
    }
    assert_int_equal(m.count, N);
    for (int i = 0; i < N; i++)
        assert_int_equal(m.entry[i].value, 2 * i + N);
    assert_null(lt_map_get(&m, lt_str("absent")));
    assert_non_null(lt_map_get(&m, lt_str("key 77")));
    *lt_map_put(&m, (struct lt_str){ "a\0b", 3 }, NULL) = 9;
    assert_null(lt_map_get(&m, lt_str("a")));
    lt_map_free(&m);
}

/* Known answers of the reference implementation (Random123 kat_vectors, philox2x64 10 rounds). */
static void test_rng__known_answers(void **state)
{
    (void)state;
    assert_true(lt_rng_at(0, 0, 0) == 0xca00a0459843d731u);
    assert_true(lt_rng_at(UINT64_MAX, UINT64_MAX, UINT64_MAX) == 0x65b021d60cd8310fu);
}

static void test_rng__moments(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(1, "test");
    double sum = 0, squares = 0, units = 0;
    int counts[7] = { 0 };
    enum { N = 100000 };
    for (int i = 0; i < N; i++) {
        double x = lt_rng_normal(&r);
        sum += x;
        squares += x * x;
        units += lt_rng_unit(&r);
        counts[lt_rng_below(&r, 7)]++;
    }
    assert_true(fabs(sum / N) < 0.015 && fabs(squares / N - 1) < 0.02 && fabs(units / N - 0.5) < 0.005);
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], N / 7 - 500, N / 7 + 500);
}

static void test_rng__permutes(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 300; n += n < 20 ? 1 : 37) {
        bool seen[300] = { 0 };
        for (uint64_t i = 0; i < n; i++) {
            uint64_t at = lt_permute(5, n, i);
            assert_true(at < n && !seen[at]);
            seen[at] = true;
        }
    }
    assert_true(lt_permute(5, UINT64_MAX, UINT64_MAX - 1) < UINT64_MAX);
}

struct item { uint16_t key, place; };

static int compare_items(const void *a, const void *b, void *calls)
{
    ++*(int *)calls;
    return (int)((const struct item *)a)->key - (int)((const struct item *)b)->key;
}

static void test_sort__is_stable(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(3, "sort");
    for (int n = 0; n < 3000; n = n < 40 ? n + 1 : n * 2 + 1) {
        struct item *v = lt_alloc(((size_t)n + 1) * sizeof *v);
        for (int i = 0; i < n; i++)
            v[i] = (struct item){ (uint16_t)lt_rng_below(&r, 50), (uint16_t)i };
        int calls = 0;
        lt_sort(v, (size_t)n, sizeof *v, compare_items, &calls);
        for (int i = 1; i < n; i++)
            assert_true(v[i - 1].key < v[i].key || (v[i - 1].key == v[i].key && v[i - 1].place < v[i].place));
        free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__takes_itself_as_argument),
        cmocka_unit_test(test_error__context_keeps_the_fault),
        cmocka_unit_test(test_error__long_sentences_are_cut),
        cmocka_unit_test(test_str__split),
        cmocka_unit_test(test_str__int),
        cmocka_unit_test(test_str__real),
        cmocka_unit_test(test_str__edit_distance_and_glob),
        cmocka_unit_test(test_buf__formats_past_its_room),
        cmocka_unit_test(test_arena__marks),
        cmocka_unit_test(test_map__keeps_insertion_order),
        cmocka_unit_test(test_rng__known_answers),
        cmocka_unit_test(test_rng__moments),
        cmocka_unit_test(test_rng__permutes),
        cmocka_unit_test(test_sort__is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
