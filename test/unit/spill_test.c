/* Spools give back what was put into them, wherever it lay. */
#include "test.h"
#include "base/spill.h"

enum { MANY = 100000 };

static void check_numbers(struct lt_spool *s, uint32_t from)
{
    struct lt_spool_reader r;
    uint32_t some[1000];
    lt_spool_read(&r, s);
    for (uint32_t i = 0; i < MANY; i++) assert_int_equal(lt_spool_get_u32(&r), from + i);
    assert_false(lt_spool_more(&r));
    assert_int_equal(lt_spool_get_u32(&r), 0);
    lt_spool_read_end(&r);
    lt_spool_read(&r, s);
    size_t at = 0;
    for (size_t n; (n = lt_spool_get_many(&r, some, LT_COUNT(some))); at += n)
        for (size_t i = 0; i < n; i++) assert_int_equal(some[i], from + at + i);
    assert_int_equal(at, MANY);
    lt_spool_read_end(&r);
}

static void test_spill__memory_or_file(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    static const size_t memory[] = { 0, 10000, 200000, 1 << 30 };
    for (int m = 0; m < LT_COUNT(memory); m++) {
        struct lt_spill *home = lt_spill_new(folder, memory[m]);
        struct lt_spool a, b, c;
        lt_spool_init(&a, home);
        lt_spool_init(&b, home);
        for (uint32_t i = 0; i < MANY; i++) {           /* side by side, so that blocks in the file take turns */
            lt_spool_put_u32(&a, i);
            lt_spool_put_u32(&b, 7 + i);
        }
        assert_int_equal(lt_spool_bytes(&a), 4 * MANY);
        check_numbers(&a, 0);
        check_numbers(&b, 7);
        lt_spool_free(&a);
        uint64_t written = lt_spill_written(home);
        lt_spool_init(&c, home);                        /* takes the blocks that a gave back */
        for (uint32_t i = 0; i < MANY; i++) lt_spool_put_u32(&c, 99 + i);
        check_numbers(&c, 99);
        check_numbers(&b, 7);
        assert_true(memory[m] > MANY * 8 ? !written : written > 0);
        assert_ok(lt_spill_check(home));
        lt_spool_free(&b);
        lt_spool_free(&c);
        lt_spill_free(home);
    }
    lt_test_temp_end(folder);                           /* and nothing lies in it */
}

static void test_spill__counts(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_spill *home = lt_spill_new(folder, 0);
    struct lt_spool s;
    struct lt_spool_reader r;
    lt_spool_init(&s, home);
    for (uint64_t i = 0; i < 64; i++)
        for (uint64_t k = 0; k < 30; k++) lt_spool_put_count(&s, (UINT64_C(1) << i) + k - 3);
    lt_spool_read(&r, &s);
    for (uint64_t i = 0; i < 64; i++)
        for (uint64_t k = 0; k < 30; k++) assert_true(lt_spool_get_count(&r) == (UINT64_C(1) << i) + k - 3);
    assert_int_equal(lt_spool_get_count(&r), 0);
    lt_spool_read_end(&r);
    lt_spool_free(&s);
    lt_spill_free(home);
    lt_test_temp_end(folder);
}

static void test_spill__no_folder(void **state)
{
    (void)state;
    struct lt_spill *home = lt_spill_new("no/such/folder", 0);
    struct lt_spool s;
    struct lt_spool_reader r;
    lt_spool_init(&s, home);
    for (uint32_t i = 0; i < MANY; i++) lt_spool_put_u32(&s, i);
    assert_fails(lt_spill_check(home), "no/such/folder: cannot make a temporary file: No such file");
    lt_spool_read(&r, &s);
    for (uint32_t i = 0; i < MANY; i++) lt_spool_get_u32(&r);
    lt_spool_read_end(&r);
    lt_spool_free(&s);
    lt_spill_free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spill__memory_or_file),
        cmocka_unit_test(test_spill__counts),
        cmocka_unit_test(test_spill__no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
