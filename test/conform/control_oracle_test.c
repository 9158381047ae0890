/* Controls against the figures of test/oracle/make_controls.py: what transformers makes of the same logits. */
#include "test.h"
#include <math.h>

enum { VOCAB = 256 };
static const int32_t seen[] = { 3, 17, 17, 200, 3, 3 };

static void fill(float *x, int64_t seed, float shift)
{
    for (int i = 0; i < VOCAB; i++) x[i] = (float)((i * 7919 + seed * 104729) % 1009) / 64 - shift;
}

static void apply(struct lt_str name, struct lt_str key, struct lt_str value, float *x)
{
    char z[3][64];
    struct lt_str part[] = { name, key, value };
    for (int i = 0; i < 3; i++) snprintf(z[i], sizeof z[i], "%.*s", (int)part[i].n, part[i].p);
    const struct lt_control *c = (const struct lt_control *)lt_method_find("control", z[0]);
    assert_non_null(c);
    struct lt_options *s = lt_options_new(&c->m);
    assert_ok(lt_options_set(s, z[1], z[2]));
    const void *o = lt_options_done(s);
    assert_non_null(o);
    c->apply(o, NULL, (struct lt_seq){ seen, LT_COUNT(seen), 2 }, x, VOCAB);
    lt_options_free(s);
}

static void compare(struct lt_str line, struct lt_str want, const float *x)
{
    bool kept[VOCAB] = { false }, values = memchr(want.p, ':', want.n);
    struct lt_str item, id;
    while (want.n && lt_str_split(&want, ',', &item)) {
        int64_t i;
        double v;
        lt_str_split(&item, ':', &id);
        assert_int_equal(lt_str_int(id, &i), 0);
        kept[i] = true;
        if (!values) continue;
        assert_int_equal(lt_str_real(item, &v), 0);
        if (fabs(v - (double)x[i]) > 1e-6 * fabs(v))
            fail_msg("%.40s...: token %d has %.9g", line.p, (int)i, (double)x[i]);
    }
    for (int i = 0; i < VOCAB && !values; i++)
        if (kept[i] != (x[i] > -INFINITY)) fail_msg("%.40s...: token %d is %s", line.p, i, kept[i] ? "banned" : "kept");
}

static void test_control_oracle__agrees_with_transformers(void **unused)
{
    (void)unused;
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read("test/oracle/controls.tsv", &text));
    struct lt_str rest = lt_buf_view(&text), line, field[5];
    int lines = 0;
    lt_str_split(&rest, '\n', &line);
    while (rest.n && lt_str_split(&rest, '\n', &line)) {
        struct lt_str left = line;
        float x[VOCAB];
        int64_t seed;
        for (int i = 0; i < 5; i++) assert_true(lt_str_split(&left, '\t', &field[i]));
        assert_int_equal(lt_str_int(field[3], &seed), 0);
        fill(x, seed, lt_str_is(field[0], "repetition_penalty") ? 8 : 0);
        apply(field[0], field[1], field[2], x);
        compare(line, field[4], x);
        lines++;
    }
    assert_int_equal(lines, 60);
    lt_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_control_oracle__agrees_with_transformers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
