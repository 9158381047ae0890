/* Laws of every optimiser and every schedule, because they are in the list. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/base.h"

enum { ROWS = 48, COLS = 40, N = ROWS * COLS };

static const struct lt_method *const *members(const char *kind)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, kind)) k++;
    return k->member;
}

/* Of full rank: an optimiser of matrices moves every singular direction alike. */
static float target(int i) { return (float)sin(i * 0.7 + i * (i % 89)) * 0.5f; }

/* Minimises sum (w - target)^2 / 2 from 0 with a falling rate; returns the mean square left. */
static double minimise(const struct lt_optim *op, const void *o, int threads, int steps, float *w)
{
    struct lt_ctx *c = lt_ctx_new(threads, NULL, NULL);
    float *g = lt_alloc(N * sizeof(*g));
    void *state = lt_calloc(1, op->state(o, ROWS, COLS));
    memset(w, 0, N * sizeof(*w));
    for (int t = 1; t <= steps; t++) {
        for (int i = 0; i < N; i++) g[i] = w[i] - target(i);
        op->step(o, c, &(struct lt_update){ .w = w, .g = g, .state = state, .rows = ROWS, .cols = COLS, .scale = 1,
                                            .lr = 0.05 * (1 - (t - 1.0) / steps), .t = t });
    }
    double left = 0;
    for (int i = 0; i < N; i++) left += (w[i] - target(i)) * (double)(w[i] - target(i)) / N;
    free(g);
    free(state);
    lt_ctx_free(c);
    return left;
}

static void test_optim_laws__descends_and_same_bits(void **unused)
{
    (void)unused;
    float *one = lt_alloc(N * sizeof(*one)), *four = lt_alloc(N * sizeof(*four));
    for (const struct lt_method *const *m = members("optim"); *m; m++) {
        const struct lt_optim *op = (const struct lt_optim *)*m;
        struct lt_options *s = lt_options_new(*m);
        const void *o = lt_options_done(s);
        assert_non_null(o);
        double left = minimise(op, o, 1, 200, one);
        if (!(left < 0.125 * 0.02)) fail_msg("%s leaves a mean square of %g of 0.125", (*m)->name, left);
        minimise(op, o, 4, 200, four);
        assert_memory_equal(one, four, N * sizeof(*one));
        lt_options_free(s);
    }
    free(one);
    free(four);
}

static void test_optim_laws__decay_shrinks(void **unused)
{
    (void)unused;
    for (const struct lt_method *const *m = members("optim"); *m; m++) {
        const struct lt_optim *op = (const struct lt_optim *)*m;
        struct lt_options *s = lt_options_new(*m);
        const void *o = lt_options_done(s);
        float w[4] = { 1, -1, 2, -2 }, g[4] = { 0 };
        void *state = lt_calloc(1, op->state(o, 2, 2));
        op->step(o, NULL, &(struct lt_update){ .w = w, .g = g, .state = state, .rows = 2, .cols = 2, .scale = 1,
                                               .lr = 0.1,
                                               .decay = 0.5, .t = 1 });
        if (fabs(w[0] - 0.95) > 1e-6 || fabs(w[3] + 1.9) > 1e-6)
            fail_msg("%s: with no gradient, lr 0.1 and decay 0.5 a weight of 1 becomes %g, not 0.95", (*m)->name, w[0]);
        free(state);
        lt_options_free(s);
    }
}

/* scale * g is all an optimiser sees of the gradient: 4 * g with scale 1/4 is g, bit for bit (powers of two). */
static void test_optim_laws__scale_multiplies_the_gradient(void **unused)
{
    (void)unused;
    for (const struct lt_method *const *m = members("optim"); *m; m++) {
        const struct lt_optim *op = (const struct lt_optim *)*m;
        struct lt_options *s = lt_options_new(*m);
        const void *o = lt_options_done(s);
        float w[2][N], g[2][N];
        void *state[2];
        for (int k = 0; k < 2; k++) state[k] = lt_calloc(1, op->state(o, ROWS, COLS));
        memset(w, 0, sizeof w);
        for (int t = 1; t <= 3; t++)
            for (int k = 0; k < 2; k++) {
                for (int i = 0; i < N; i++) g[k][i] = target(i + t) * (k ? 4 : 1);
                op->step(o, NULL, &(struct lt_update){ .w = w[k], .g = g[k], .state = state[k], .rows = ROWS,
                                                       .cols = COLS, .scale = k ? 0.25 : 1, .lr = 0.01, .t = t });
            }
        if (memcmp(w[0], w[1], sizeof w[0])) fail_msg("%s: scale does not stand for a factor of g", (*m)->name);
        for (int k = 0; k < 2; k++) free(state[k]);
        lt_options_free(s);
    }
}

static void test_optim_laws__schedules(void **unused)
{
    (void)unused;
    for (const struct lt_method *const *m = members("schedule"); *m; m++) {
        const struct lt_schedule *f = (const struct lt_schedule *)*m;
        struct lt_options *s = lt_options_new(*m);
        assert_int_equal(lt_options_set(s, "warmup_steps", "10"), 0);
        const void *o = lt_options_done(s);
        assert_non_null(o);
        double peak = 0;
        for (int t = 0; t < 100; t++) {
            double v = f->factor(o, t, 100);
            if (!(v > 0 && v <= 1)) fail_msg("%s: factor %g at step %d of 100", (*m)->name, v, t);
            if (t && t < 10 && v <= f->factor(o, t - 1, 100))
                fail_msg("%s: warm-up does not rise at %d", (*m)->name, t);
            if (t > 11 && v > f->factor(o, t - 1, 100) + 1e-12) fail_msg("%s: rises again at %d", (*m)->name, t);
            peak = fmax(peak, v);
        }
        if (peak < 0.99) fail_msg("%s never reaches its peak: %g", (*m)->name, peak);
        lt_options_free(s);
    }
}

/* Every body combines with a cool-down: it comes down to nearly nothing; before it stands the body of a shorter run. */
static void test_optim_laws__cool_down_follows_any_body(void **unused)
{
    (void)unused;
    for (const struct lt_method *const *m = members("schedule"); *m; m++) {
        const struct lt_schedule *f = (const struct lt_schedule *)*m;
        struct lt_options *s = lt_options_new(*m), *plain = lt_options_new(*m);
        if (lt_options_set(s, "cooldown_steps", "20")) {
            assert_string_equal((*m)->name, "constant");        /* with a cool-down it is warmup_stable_decay */
        } else {
            assert_int_equal(lt_options_set(s, "warmup_steps", "5"), 0);
            assert_int_equal(lt_options_set(plain, "warmup_steps", "5"), 0);
            if (!strcmp((*m)->name, "warmup_stable_decay"))
                assert_int_equal(lt_options_set(plain, "cooldown_ratio", "0"), 0);
            const void *o = lt_options_done(s), *p = lt_options_done(plain);
            for (int t = 0; t < 80; t++) assert_true(fabs(f->factor(o, t, 100) - f->factor(p, t, 80)) < 1e-12);
            for (int t = 81; t < 100; t++) assert_true(f->factor(o, t, 100) <= f->factor(o, t - 1, 100));
            assert_true(f->factor(o, 99, 100) < 0.06);
        }
        lt_options_free(s);
        lt_options_free(plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optim_laws__descends_and_same_bits),
        cmocka_unit_test(test_optim_laws__decay_shrinks),
        cmocka_unit_test(test_optim_laws__scale_multiplies_the_gradient),
        cmocka_unit_test(test_optim_laws__schedules),
        cmocka_unit_test(test_optim_laws__cool_down_follows_any_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
