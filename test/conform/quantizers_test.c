/* Laws of every registered quantizer, over every type: blocks stand for what a grid says, measuring the inputs makes
 * the error that counts smaller, and threads change no bit. */
#include "test.h"
#include "base/ctx.h"
#include "surgery/quant/grid.h"
#include "surgery/quant/quantizer.h"

#include <math.h>

enum { ROWS = 24, WIDTH = 256, SAMPLES = 600 };
static const enum lt_dtype types[] = { LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K };

static const struct lt_kind *quantizers(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "quantizer")) k++;
    return k;
}

/* Weights, and inputs that go together: a few directions carry most, some columns are louder, one is silent. */
struct layer { float w[ROWS * WIDTH], square[WIDTH], hessian[WIDTH * WIDTH]; };

static struct layer *make_layer(void)
{
    struct layer *l = lt_calloc(1, sizeof *l);
    struct lt_rng r = lt_rng_make(11, "layer");
    static float mix[8][WIDTH], x[WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++) l->w[i] = (float)(0.05 * lt_rng_normal(&r));
    for (int d = 0; d < 8; d++)
        for (int i = 0; i < WIDTH; i++) mix[d][i] = (float)lt_rng_normal(&r);
    for (int s = 0; s < SAMPLES; s++) {
        for (int i = 0; i < WIDTH; i++) x[i] = (float)(0.3 * lt_rng_normal(&r));
        for (int d = 0; d < 8; d++) {
            float a = (float)lt_rng_normal(&r);
            for (int i = 0; i < WIDTH; i++) x[i] += a * mix[d][i];
        }
        for (int i = 0; i < WIDTH; i++) x[i] *= i == 5 ? 0 : i % 17 ? 1 : 4;
        for (int i = 0; i < WIDTH; i++) {
            l->square[i] += x[i] * x[i] / SAMPLES;
            for (int k = 0; k < WIDTH; k++) l->hessian[i * WIDTH + k] += x[i] * x[k] / SAMPLES;
        }
    }
    return l;
}

static size_t bytes_of(enum lt_dtype t) { return lt_dtype_bytes(t, ROWS * WIDTH); }

static void *run(const struct lt_method *m, const char *option, struct lt_ctx *c, const struct layer *l,
                 enum lt_dtype t, bool measured)
{
    const struct lt_quantizer *q = (const struct lt_quantizer *)m;
    struct lt_options *s = lt_options_new(m);
    if (option) assert_ok(lt_options_set(s, option, "true"));
    const void *o = lt_options_done(s);
    void *out = lt_calloc(1, bytes_of(t));
    const struct lt_quant_job job = { .type = t, .rows = ROWS, .width = WIDTH, .w = l->w,
                                      .square = measured ? l->square : NULL, .hessian = measured ? l->hessian : NULL,
                                      .out = out };
    assert_ok(q->quantize(o, c, &job));
    lt_options_free(s);
    return out;
}

struct errors { double plain, squares, products; };

/* sum of e^2, of E[x^2] e^2, and tr(E H E^T), in double. */
static struct errors errors_of(const struct layer *l, enum lt_dtype t, const void *blocks)
{
    struct errors sum = { 0 };
    static float back[ROWS * WIDTH];
    lt_dequant(t, blocks, ROWS * WIDTH, back);
    for (int r = 0; r < ROWS; r++) {
        double e[WIDTH];
        for (int i = 0; i < WIDTH; i++) e[i] = (double)l->w[r * WIDTH + i] - (double)back[r * WIDTH + i];
        for (int i = 0; i < WIDTH; i++) {
            sum.plain += e[i] * e[i];
            sum.squares += e[i] * e[i] * (double)l->square[i];
            for (int k = 0; k < WIDTH; k++) sum.products += e[i] * e[k] * (double)l->hessian[i * WIDTH + k];
        }
    }
    return sum;
}

static void test_quantizers__measuring_makes_the_error_that_counts_smaller(void **state)
{
    (void)state;
    struct layer *l = make_layer();
    const struct lt_method *nearest = lt_method_find("quantizer", "round_to_nearest");
    for (int t = 0; t < LT_COUNT(types); t++) {
        void *base = run(nearest, NULL, NULL, l, types[t], false);
        struct errors plain = errors_of(l, types[t], base);
        for (const struct lt_method *const *m = quantizers()->member; *m; m++) {
            unsigned needs = ((const struct lt_quantizer *)*m)->needs;
            void *out = run(*m, NULL, NULL, l, types[t], true);
            struct errors e = errors_of(l, types[t], out);
            const char *type = lt_dtype_name(types[t]);
            /* One scale a block that the largest number sets leaves importance nothing to choose. */
            bool free_scale = types[t] != LT_Q8_0;
            if (needs == LT_QUANT_SQUARES && !(e.squares < plain.squares * (free_scale ? 0.999 : 1.0001)))
                fail_msg("%s, %s: %g, nearest %g", (*m)->name, type, e.squares, plain.squares);
            if (needs & LT_QUANT_HESSIAN && !(e.products < 0.6 * plain.products))
                fail_msg("%s, %s: %g, nearest %g", (*m)->name, type, e.products, plain.products);
            if (!needs) assert_memory_equal(out, base, bytes_of(types[t]));
            free(out);
        }
        free(base);
    }
    free(l);
}

static void test_quantizers__gptq_gains_in_any_order(void **state)
{
    (void)state;
    struct layer *l = make_layer();
    const struct lt_method *gptq = lt_method_find("quantizer", "gptq"),
                           *nearest = lt_method_find("quantizer", "round_to_nearest");
    for (int t = 0; t < LT_COUNT(types); t++) {
        void *base = run(nearest, NULL, NULL, l, types[t], false);
        void *out = run(gptq, "act_order", NULL, l, types[t], true);
        double have = errors_of(l, types[t], out).products, plain = errors_of(l, types[t], base).products;
        if (!(have < 0.6 * plain)) fail_msg("%s: %g, nearest %g", lt_dtype_name(types[t]), have, plain);
        free(base);
        free(out);
    }
    free(l);
}

static void test_quantizers__the_same_bits_for_any_pool(void **state)
{
    (void)state;
    struct layer *l = make_layer();
    struct lt_ctx *two = lt_ctx_new(2, NULL, NULL);
    for (const struct lt_method *const *m = quantizers()->member; *m; m++)
        for (int t = 0; t < LT_COUNT(types); t++) {
            void *a = run(*m, NULL, NULL, l, types[t], true), *b = run(*m, NULL, two, l, types[t], true);
            assert_memory_equal(a, b, bytes_of(types[t]));
            free(a);
            free(b);
        }
    lt_ctx_free(two);
    free(l);
}

/* What was not measured, an embedding, is rounded to nearest by all. */
static void test_quantizers__without_inputs_all_round_to_nearest(void **state)
{
    (void)state;
    struct layer *l = make_layer();
    for (int t = 0; t < LT_COUNT(types); t++) {
        void *base = run(lt_method_find("quantizer", "round_to_nearest"), NULL, NULL, l, types[t], false);
        for (const struct lt_method *const *m = quantizers()->member; *m; m++) {
            void *out = run(*m, NULL, NULL, l, types[t], false);
            assert_memory_equal(out, base, bytes_of(types[t]));
            free(out);
        }
        free(base);
    }
    free(l);
}

/* A block's grid says exactly what the block stands for, and a number put on it is found there. */
static void test_quantizers__grids_are_what_blocks_say(void **state)
{
    (void)state;
    struct layer *l = make_layer();
    struct lt_rng r = lt_rng_make(3, "grid");
    for (int t = 0; t < LT_COUNT(types); t++) {
        int n = (int)lt_dtype_block(types[t]);
        uint8_t block[LT_QUANT_BYTES_MAX];
        float back[LT_QUANT_BLOCK_MAX];
        struct lt_grid g;
        const struct lt_quant q = { .type = types[t], .rows = 1, .width = n };
        assert_ok(lt_quant_rows(NULL, &q, l->w, block));
        lt_grid_of(types[t], block, &g);
        int put[LT_QUANT_BLOCK_MAX];
        for (int i = 0; i < n; i++) {
            put[i] = g.low + (int)lt_rng_below(&r, (uint64_t)(g.high - g.low + 1));
            lt_grid_put(types[t], block, i, put[i]);
        }
        lt_dequant(types[t], block, n, back);
        for (int i = 0; i < n; i++) {
            if (back[i] != lt_grid_value(&g, i, put[i]))
                fail_msg("%s, element %d: %g, grid %g", lt_dtype_name(types[t]), i, (double)back[i],
                         (double)lt_grid_value(&g, i, put[i]));
            assert_true(lt_grid_value(&g, i, lt_grid_nearest(&g, i, back[i])) == back[i]);
        }
    }
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantizers__measuring_makes_the_error_that_counts_smaller),
        cmocka_unit_test(test_quantizers__gptq_gains_in_any_order),
        cmocka_unit_test(test_quantizers__the_same_bits_for_any_pool),
        cmocka_unit_test(test_quantizers__without_inputs_all_round_to_nearest),
        cmocka_unit_test(test_quantizers__grids_are_what_blocks_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
