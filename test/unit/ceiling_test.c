/* The measured peak is a figure other figures are divided by: positive, the same twice, growing with threads. */
#include "test.h"

#include "math/ceiling.h"

static void test_ceiling__repeats(void **state)
{
    (void)state;
    double one = lt_peak_flops(NULL, LT_COMPUTE_F32), again = lt_peak_flops(NULL, LT_COMPUTE_F32);
    assert_true(one > 1e6);
    assert_true(again > one / 3 && again < one * 3);
}

static void test_ceiling__threads_and_types(void **state)
{
    (void)state;
    struct lt_pool *pool = lt_pool_new(3);
    double one = lt_peak_flops(NULL, LT_COMPUTE_BF16), three = lt_peak_flops(pool, LT_COMPUTE_BF16);
    assert_true(three > one);
    assert_true(one > lt_peak_flops(NULL, LT_COMPUTE_F32) / 3);
    lt_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ceiling__repeats),
        cmocka_unit_test(test_ceiling__threads_and_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
