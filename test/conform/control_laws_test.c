/* Laws of every logit control, because it is in the list, and the cuts against a brute-force twin. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/base.h"

enum { VOCAB = 257 };

static const struct lt_method *const *controls(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "control")) k++;
    return k->member;
}

static void fill(float *x, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, "logits");
    for (int i = 0; i < VOCAB; i++) x[i] = (float)(3 * lt_rng_normal(&r));
    x[3] = x[7] = x[9];                             /* ties */
    x[11] = -INFINITY;
    x[12] = seed % 2 ? 1e4f : -1e4f;
}

static void test_control_laws__every_member(void **unused)
{
    (void)unused;
    int32_t token[] = { 1, 2, 2, 5, 256, 5 };
    struct lt_seq seq = { token, 6, 2 };
    for (const struct lt_method *const *m = controls(); *m; m++) {
        const struct lt_control *c = (const struct lt_control *)*m;
        if (c->open) continue;              /* those that need a model: grammar_laws_test.c */
        struct lt_options *s = lt_options_new(*m);
        const void *o = lt_options_done(s);
        assert_non_null(o);
        for (uint64_t seed = 0; seed < 20; seed++) {
            float x[VOCAB], y[VOCAB];
            fill(x, seed);
            memcpy(y, x, sizeof(x));
            c->apply(o, NULL, seq, y, VOCAB);
            int left = 0;
            for (int i = 0; i < VOCAB; i++) {
                if (y[i] != y[i]) fail_msg("%s makes a NaN", (*m)->name);
                left += y[i] > -INFINITY;
            }
            if (!left) fail_msg("%s bans every token", (*m)->name);
            if (y[11] > -INFINITY) fail_msg("%s frees a banned token", (*m)->name);
            if (!memcmp(x, y, sizeof(x)) && strcmp((*m)->name, "temperature")) fail_msg("%s does nothing", (*m)->name);
        }
        lt_options_free(s);
    }
}

static void apply(const char *name, const char *key, const char *value, float *x)
{
    const struct lt_method *m = lt_method_find("control", name);
    struct lt_options *s = lt_options_new(m);
    assert_int_equal(lt_options_set(s, key, value), 0);
    ((const struct lt_control *)m)->apply(lt_options_done(s), NULL, (struct lt_seq){ 0 }, x, VOCAB);
    lt_options_free(s);
}

/* Rank of i among x: how many are more likely, or as likely with a lower id. */
static int rank_of(const float *x, int i)
{
    int r = 0;
    for (int j = 0; j < VOCAB; j++) r += x[j] > x[i] || (x[j] == x[i] && j < i);
    return r;
}

static void test_control_laws__top_k_and_top_p_by_brute_force(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 40; seed++) {
        float x[VOCAB], k[VOCAB], p[VOCAB];
        fill(x, seed);
        memcpy(k, x, sizeof(x));
        memcpy(p, x, sizeof(x));
        apply("top_k", "k", "9", k);
        apply("top_p", "value", "0.8", p);
        double top = -INFINITY, z = 0;
        for (int i = 0; i < VOCAB; i++) top = fmax(top, x[i]);
        for (int i = 0; i < VOCAB; i++) z += exp(x[i] - top);
        for (int i = 0; i < VOCAB; i++) {
            double before = 0;                      /* mass of what is more likely */
            for (int j = 0; j < VOCAB; j++) before += rank_of(x, j) < rank_of(x, i) ? exp(x[j] - top) / z : 0;
            assert_int_equal(k[i] > -INFINITY, rank_of(x, i) < 9);
            if (fabs(before - 0.8) > 1e-9 && x[i] > -INFINITY) assert_int_equal(p[i] > -INFINITY, before < 0.8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_laws__every_member),
        cmocka_unit_test(test_control_laws__top_k_and_top_p_by_brute_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
