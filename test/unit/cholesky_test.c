/* Cholesky's factor and its inverse against the matrix they came from, and the same bits for any pool. */
#include "test.h"
#include "math/cholesky.h"

#include <math.h>

static double *positive(int64_t n)
{
    struct lt_rng r = lt_rng_make(7, "matrix");
    double *x = lt_alloc((size_t)(n * n) * sizeof *x), *a = lt_calloc((size_t)(n * n), sizeof *a);
    for (int64_t i = 0; i < n * n; i++) x[i] = lt_rng_normal(&r);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t k = 0; k < n; k++) a[i * n + j] += x[i * n + k] * x[j * n + k] + (i == j) * 0.1;
    free(x);
    return a;
}

static void check(int64_t n)
{
    struct lt_pool *pool = lt_pool_new(2);
    size_t size = (size_t)(n * n) * sizeof(double);
    double *a = positive(n), *l = lt_alloc(size), *same = lt_alloc(size), *v = lt_alloc(size);
    memcpy(l, a, size);
    memcpy(same, a, size);
    assert_ok(lt_cholesky(NULL, n, l));
    assert_ok(lt_cholesky(pool, n, same));
    assert_memory_equal(l, same, size);
    memcpy(v, l, size);
    lt_lower_inverse(NULL, n, v);
    lt_lower_inverse(pool, n, same);
    assert_memory_equal(v, same, size);
    double worst = 0, off = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0, one = 0;
            for (int64_t k = 0; k <= j; k++) sum += l[i * n + k] * l[j * n + k];
            for (int64_t k = j; k <= i; k++) one += l[i * n + k] * v[k * n + j];
            worst = fmax(worst, fabs(sum - a[i * n + j]));
            off = fmax(off, fabs(one - (i == j)));
        }
    if (!(worst < 1e-9 * (double)n && off < 1e-7)) fail_msg("n = %d: off by %g and %g", (int)n, worst, off);
    free(a);
    free(l);
    free(same);
    free(v);
    lt_pool_free(pool);
}

static void test_cholesky__factor_and_inverse(void **state)
{
    (void)state;
    const int64_t size[] = { 1, 2, 7, 31, 32, 33, 64, 101 };
    for (int i = 0; i < LT_COUNT(size); i++) check(size[i]);
}

static void test_cholesky__refuses_what_is_not_positive_definite(void **state)
{
    (void)state;
    double zero[1] = { 0 }, indefinite[4] = { 1, 2, 2, 1 }, nothing[4] = { 1, 0, NAN, 1 };
    assert_fails(lt_cholesky(NULL, 1, zero), "not positive definite at row 0");
    assert_fails(lt_cholesky(NULL, 2, indefinite), "not positive definite at row 1");
    assert_fails(lt_cholesky(NULL, 2, nothing), "not positive definite at row 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cholesky__factor_and_inverse),
        cmocka_unit_test(test_cholesky__refuses_what_is_not_positive_definite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
