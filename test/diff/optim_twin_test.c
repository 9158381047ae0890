/* Optimisers against their equations in plain double arithmetic, over several steps of arbitrary gradients. */
#include "base/ctx.h"
#include "test.h"

#include <math.h>

enum { ROWS = 7, COLS = 5, N = ROWS * COLS, STEPS = 6 };
static const double lr = 0.02, decay = 0.3, scale = 0.5;

/* State of a twin: three arrays are enough for all of them. */
struct twin { double w[N], a[N], b[N], c[N]; };
typedef void twin_fn(struct twin *s, const double *g, int rows, int cols, int t);

static void twin_adamw(struct twin *s, const double *g, int rows, int cols, int t)
{
    for (int i = 0; i < rows * cols; i++) {
        s->a[i] = 0.9 * s->a[i] + 0.1 * g[i];
        s->b[i] = 0.95 * s->b[i] + 0.05 * g[i] * g[i];
        double m = s->a[i] / (1 - pow(0.9, t)), v = s->b[i] / (1 - pow(0.95, t));
        s->w[i] -= lr * (m / (sqrt(v) + 1e-8) + decay * s->w[i]);
    }
}

static void twin_lion(struct twin *s, const double *g, int rows, int cols, int t)
{
    (void)t;
    for (int i = 0; i < rows * cols; i++) {
        double u = 0.9 * s->a[i] + 0.1 * g[i];
        s->a[i] = 0.99 * s->a[i] + 0.01 * g[i];
        s->w[i] -= lr * ((u > 0) - (u < 0) + decay * s->w[i]);
    }
}

static void twin_sgd(struct twin *s, const double *g, int rows, int cols, int t)
{
    (void)t;
    for (int i = 0; i < rows * cols; i++) {
        s->a[i] = 0.9 * s->a[i] + g[i];
        s->w[i] -= lr * (s->a[i] + decay * s->w[i]);
    }
}

static void twin_nesterov(struct twin *s, const double *g, int rows, int cols, int t)
{
    (void)t;
    for (int i = 0; i < rows * cols; i++) {
        s->a[i] = 0.9 * s->a[i] + g[i];
        s->w[i] -= lr * (g[i] + 0.9 * s->a[i] + decay * s->w[i]);
    }
}

/* Algorithm 4: sums of rows and columns; a vector keeps the whole second moment. */
static void twin_adafactor(struct twin *s, const double *g, int rows, int cols, int t)
{
    double keep = 1 - pow(t, -0.8), u[N], rms = 0;
    bool factored = rows > 1 && cols > 1;
    double r[ROWS * COLS] = { 0 }, c[COLS] = { 0 }, total = 0;
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < cols; k++) {
            double q = g[i * cols + k] * g[i * cols + k] + 1e-30;
            r[i] += q;
            c[k] += q;
            if (!factored) s->c[i * cols + k] = keep * s->c[i * cols + k] + (1 - keep) * q;
        }
    for (int i = 0; i < rows; i++) total += s->a[i] = keep * s->a[i] + (1 - keep) * r[i];
    for (int k = 0; k < cols; k++) s->b[k] = keep * s->b[k] + (1 - keep) * c[k];
    for (int i = 0; i < rows; i++)
        for (int k = 0; k < cols; k++) {
            double v = factored ? s->a[i] * s->b[k] / total : s->c[i * cols + k];
            u[i * cols + k] = g[i * cols + k] / sqrt(v);
            rms += u[i * cols + k] * u[i * cols + k] / (rows * cols);
        }
    for (int i = 0; i < rows * cols; i++) s->w[i] -= lr * (u[i] / fmax(1, sqrt(rms)) + decay * s->w[i]);
}

static const struct { const char *name, *key, *value; twin_fn *twin; } cases[] = {
    { "adamw", NULL, NULL, twin_adamw }, { "lion", NULL, NULL, twin_lion }, { "sgd", NULL, NULL, twin_sgd },
    { "sgd", "nesterov", "true", twin_nesterov }, { "adafactor", NULL, NULL, twin_adafactor },
};

static void compare(const char *name, const char *key, const char *value, twin_fn *twin, int rows, int cols)
{
    const struct lt_optim *op = (const struct lt_optim *)lt_method_find("optim", name);
    struct lt_options *set = lt_options_new(&op->m);
    if (key) assert_ok(lt_options_set(set, key, value));
    const void *o = lt_options_done(set);
    void *state = lt_calloc(1, op->state(o, rows, cols));
    struct lt_rng r = lt_rng_make(9, name);
    struct twin s = { 0 };
    float w[N], g[N];
    double exact[N];
    for (int i = 0; i < N; i++) s.w[i] = (double)(w[i] = (float)lt_rng_normal(&r));
    for (int t = 1; t <= STEPS; t++) {
        for (int i = 0; i < N; i++) {
            g[i] = (float)(lt_rng_normal(&r) * (i % 3 ? 1 : 100));
            exact[i] = scale * (double)g[i];
        }
        op->step(o, NULL, &(struct lt_update){ .w = w, .g = g, .state = state, .rows = rows, .cols = cols,
                                               .scale = scale, .lr = lr, .decay = decay, .t = t });
        twin(&s, exact, rows, cols, t);
        for (int i = 0; i < rows * cols; i++)
            if (fabs((double)w[i] - s.w[i]) > 1e-5 * (1 + fabs(s.w[i])))
                fail_msg("%s %dx%d, step %d: element %d is %g, expected %g", name, rows, cols, t, i, (double)w[i],
                         s.w[i]);
    }
    free(state);
    lt_options_free(set);
}

static void test_optim_twin__equations(void **unused)
{
    (void)unused;
    for (int i = 0; i < LT_COUNT(cases); i++) {
        compare(cases[i].name, cases[i].key, cases[i].value, cases[i].twin, ROWS, COLS);
        compare(cases[i].name, cases[i].key, cases[i].value, cases[i].twin, N, 1);
    }
}

/* What Muon subtracts, divided by its factor, is nearly orthogonal along the smaller side: X X^T has a diagonal near 1
 * and little beside it.  The five steps take singular values to between 0.68 and 1.13, not to 1. */
static void orthogonal(int rows, int cols, const char *how, double factor)
{
    enum { MOST = 32 * 24 };
    const struct lt_optim *op = (const struct lt_optim *)lt_method_find("optim", "muon");
    struct lt_options *set = lt_options_new(&op->m);
    assert_ok(lt_options_set(set, "scale", how));
    const void *o = lt_options_done(set);
    struct lt_rng r = lt_rng_make(4, "muon");
    float w[MOST] = { 0 }, g[MOST];
    void *state = lt_calloc(1, op->state(o, rows, cols));
    for (int i = 0; i < rows * cols; i++) g[i] = (float)lt_rng_normal(&r);
    op->step(o, NULL, &(struct lt_update){ .w = w, .g = g, .state = state, .rows = rows, .cols = cols, .scale = 1,
                                           .lr = 1, .t = 1 });
    int k = LT_MIN(rows, cols), inner = LT_MAX(rows, cols);
    int along = rows < cols ? 1 : cols, across = rows < cols ? cols : 1;
    double aligned = 0;
    for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++) {
            double sum = 0;
            for (int e = 0; e < inner; e++)
                sum += (double)w[i * across + e * along] * (double)w[j * across + e * along] / (factor * factor);
            if (i == j ? !(sum > 0.45 && sum < 1.3) : !(fabs(sum) < 0.3))
                fail_msg("%dx%d: (X X^T)[%d, %d] = %g", rows, cols, i, j, sum);
        }
    for (int i = 0; i < rows * cols; i++) aligned -= (double)w[i] * (double)g[i];
    assert_true(aligned > 0);                               /* downhill */
    free(state);
    lt_options_free(set);
}

static void test_optim_twin__muon_is_nearly_orthogonal(void **unused)
{
    (void)unused;
    orthogonal(16, 32, "spectral", 1);
    orthogonal(32, 16, "spectral", sqrt(2));
    orthogonal(32, 24, "rms", 0.2 * sqrt(32));
    orthogonal(24, 32, "rms", 0.2 * sqrt(32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optim_twin__equations),
        cmocka_unit_test(test_optim_twin__muon_is_nearly_orthogonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
