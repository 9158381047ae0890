#include "math/cholesky.h"

#include <math.h>
#include <stdlib.h>

enum { PANEL = 32, ROWS = 16, LANES = 8 };

/* Eight sums side by side, so that the compiler may use vectors without changing the result. */
static double dot(const double *a, const double *b, int64_t n)
{
    double s[LANES] = { 0 }, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) s[k] += a[i + k] * b[i + k];
    for (; i < n; i++) sum += a[i] * b[i];
    for (int k = 0; k < LANES; k++) sum += s[k];
    return sum;
}

struct panel { double *a; int64_t n, first, last; };

/* Rows below the panel: what stands to the left of it is complete. */
static void solve_rows(void *arg, int64_t chunk)
{
    const struct panel *p = arg;
    int64_t begin = p->last + chunk * ROWS, end = LT_MIN(begin + ROWS, p->n);
    for (int64_t i = begin; i < end; i++) {
        double *row = p->a + i * p->n;
        for (int64_t j = p->first; j < p->last; j++) {
            const double *l = p->a + j * p->n;
            row[j] = (row[j] - dot(row, l, j)) / l[j];
        }
    }
}

int lt_cholesky(struct lt_pool *pool, int64_t n, double *a)
{
    for (int64_t first = 0; first < n; first += PANEL) {
        struct panel p = { a, n, first, LT_MIN(first + PANEL, n) };
        for (int64_t i = first; i < p.last; i++) {
            double *row = a + i * n;
            for (int64_t j = first; j < i; j++) row[j] = (row[j] - dot(row, a + j * n, j)) / a[j * n + j];
            double square = row[i] - dot(row, row, i);
            if (!(square > 0) || !isfinite(square))
                return lt_fail("the matrix is not positive definite at row %lld", (long long)i);
            row[i] = sqrt(square);
        }
        lt_pool_run(pool, (n - p.last + ROWS - 1) / ROWS, solve_rows, &p);
    }
    return 0;
}

struct inverse { const double *l; double *out; int64_t n; };

/* Some columns of the inverse, from the top down: L X = 1. */
static void invert_columns(void *arg, int64_t chunk)
{
    const struct inverse *v = arg;
    int64_t n = v->n, begin = chunk * PANEL, end = LT_MIN(begin + PANEL, n);
    for (int64_t i = begin; i < n; i++) {
        const double *l = v->l + i * n;
        double x[PANEL] = { 0 };
        for (int64_t k = begin; k < i; k++)
            for (int64_t j = begin; j < end; j++) x[j - begin] += l[k] * v->out[k * n + j];
        for (int64_t j = begin; j < end; j++) v->out[i * n + j] = ((i == j) - x[j - begin]) / l[i];
    }
}

void lt_lower_inverse(struct lt_pool *pool, int64_t n, double *l)
{
    double *out = lt_calloc((size_t)(n * n), sizeof *out);
    struct inverse v = { l, out, n };
    lt_pool_run(pool, (n + PANEL - 1) / PANEL, invert_columns, &v);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) l[i * n + j] = out[i * n + j];
    free(out);
}
