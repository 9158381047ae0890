/* Controls that know the texts of tokens: biases of tokens, texts that must not appear, lengths. */
#include "pieces_tokenizer.h"
#include "decode/chain.h"
#include <math.h>

static const char *const pieces[] = { "</s>", "a", "b", "ab", " ", "12", "c", "ba", " a" };
enum { PIECES = LT_COUNT(pieces), VOCAB = PIECES + 2 };

/* The chain of one control set to a value, applied to zeros; -1: refused. */
static int shape(const char *name, const char *key, const char *value, float x[VOCAB])
{
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    struct lt_options *o;
    struct lt_choice choice;
    struct lt_choices controls;
    struct lt_chain *chain, *fork;
    int rc = one_control(name, key, value, &o, &choice, &controls);
    if (!rc) rc = lt_chain_open(&controls, &lm, &chain);
    if (!rc) {
        assert_ok(lt_chain_fork(chain, &fork));
        lt_chain_free(chain);                       /* a fork stands for itself */
        memset(x, 0, VOCAB * sizeof *x);
        rc = lt_chain_apply(fork, (struct lt_seq){ 0 }, x, VOCAB);
        lt_chain_free(fork);
    }
    lt_options_free(o);
    lt_tokenizer_free(t);
    return rc;
}

/* ---- logit_bias ---- */
static void bias(const char *value, const float *want)
{
    float x[VOCAB];
    assert_ok(shape("logit_bias", "value", value, x));
    for (int i = 0; i < VOCAB; i++)
        if (x[i] != want[i]) fail_msg("%s: token %d: expected %g, found %g", value, i, (double)want[i], (double)x[i]);
}

static void test_control_texts__logit_bias(void **state)
{
    (void)state;
    bias("3=1.5", (float[VOCAB]){ [3] = 1.5f });
    bias(" a=-100", (float[VOCAB]){ [8] = -100 });
    bias("\"12\"=2", (float[VOCAB]){ [5] = 2 });
    bias("</s>=ban", (float[VOCAB]){ [0] = -INFINITY });
    bias("{\"3\": -100, \"ba\": 2, \"</s>\": \"-inf\"}", (float[VOCAB]){ [0] = -INFINITY, [3] = -100, [7] = 2 });
}

static void test_control_texts__logit_bias_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "9=1", "token 9 is not among the 9 of the model" }, { "-1=1", "token -1 is not" },
        { "a=101", "expected a number from -100 to 100" }, { "a=inf", "from -100 to 100" },
        { "a=much", "found \"much\"" }, { "a", "expected TOKEN=BIAS" }, { "=1", "expected TOKEN=BIAS" },
        { "abc=1", "\"abc\" is not one token" }, { "{\"a\": true}", "expected a number" }, { "{", "not JSON" },
        { "{\"1\": 1, \"a\": 2}", "token 1 is given twice" }, { "{\"1\": 1e99}", "from -100 to 100" },
        { "{\"1\": \"nan\"}", "from -100 to 100" },
    };
    float x[VOCAB];
    for (int i = 0; i < LT_COUNT(bad); i++) {
        if (!shape("logit_bias", "value", bad[i][0], x)) fail_msg("%s: accepted", bad[i][0]);
        if (!strstr(lt_error(), bad[i][1])) fail_msg("%s: \"%s\"", bad[i][0], lt_error());
        assert_true(lt_error_is_misuse());
    }
}

/* ---- banned_strings ---- */
static const char *const banned[][4] = {
    { "ab" }, { "aba", "bb" }, { "a b", "cab" }, { " a" }, { "ba12", "abab", "b" }, { "aab", "aaa", "ab " },
};

static struct lt_chain *banned_chain(int set, bool ignore_case, struct lt_lm *lm, struct lt_options **o,
                                     struct lt_choices *controls)
{
    struct lt_chain *chain;
    *o = lt_options_new(controls->item->method);
    for (int i = 0; i < 4 && banned[set][i]; i++) assert_ok(lt_options_set(*o, "value", banned[set][i]));
    if (ignore_case) assert_ok(lt_options_set(*o, "ignore_case", "true"));
    controls->item->o = (void *)lt_options_done(*o);
    assert_non_null(controls->item->o);
    assert_ok(lt_chain_open(controls, lm, &chain));
    return chain;
}

/* After whatever was written, a token is banned exactly when one of the texts would then be in it. */
static void test_control_texts__banned_strings_twin(void **state)
{
    (void)state;
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    struct lt_choice choice = { .method = lt_method_find("control", "banned_strings") };
    struct lt_choices controls = { &choice, 1, true };
    struct lt_rng r = lt_rng_make(1, "tokens");
    for (int set = 0; set < LT_COUNT(banned); set++) {
        struct lt_options *o;
        struct lt_chain *chain = banned_chain(set, false, &lm, &o, &controls), *fork;
        struct lt_buf text = { 0 };
        lt_buf_str(&text, "");
        for (int step = 0; step < 300; step++) {
            float x[VOCAB] = { 0 };
            int allowed[VOCAB], n = 0;
            assert_ok(lt_chain_apply(chain, (struct lt_seq){ 0 }, x, VOCAB));
            assert_ok(lt_chain_fork(chain, &fork));
            lt_chain_accept(fork, 3);
            lt_chain_free(fork);
            lt_chain_accept(chain, 1);
            lt_chain_rewind(chain, 1);
            for (int id = 0; id < PIECES; id++) {
                size_t before = text.n;
                bool holds = false;
                if (id) lt_buf_str(&text, pieces[id]);
                for (int i = 0; i < 4 && banned[set][i]; i++) holds |= strstr(text.p, banned[set][i]) != NULL;
                text.n = before;
                text.p[before] = 0;
                if (holds != (x[id] == -INFINITY))
                    fail_msg("set %d after \"%s\": token %d: expected %d", set, text.p, id, holds);
                if (!holds && id) allowed[n++] = id;
            }
            if (!n) break;
            int id = allowed[lt_rng_below(&r, (uint64_t)n)];
            lt_buf_str(&text, pieces[id]);
            lt_chain_accept(chain, id);
        }
        lt_buf_free(&text);
        lt_chain_free(chain);
        lt_options_free(o);
    }
    lt_tokenizer_free(t);
}

static void test_control_texts__banned_strings_options(void **state)
{
    (void)state;
    float x[VOCAB];
    assert_int_equal(shape("banned_strings", "value", "", x), -1);
    assert_non_null(strstr(lt_error(), "every text would hold it"));
    assert_ok(shape("banned_strings", "value", "AB", x));
    assert_true(x[3] == 0);
    struct lt_choice choice = { .method = lt_method_find("control", "banned_strings") };
    struct lt_choices controls = { &choice, 1, true };
    struct lt_options *o;
    static const char *const spelt[] = { "</s>", "aB", "Ba", "A", "b", "c" };
    struct lt_tokenizer *mixed = pieces_tokenizer(spelt, LT_COUNT(spelt));
    struct lt_lm lm = { &pieces_tokenizer_lm, mixed };
    struct lt_chain *chain = banned_chain(0, true, &lm, &o, &controls);
    memset(x, 0, sizeof x);
    lt_chain_accept(chain, 3);
    assert_ok(lt_chain_apply(chain, (struct lt_seq){ 0 }, x, LT_COUNT(spelt)));
    assert_true(x[1] == -INFINITY && x[2] == -INFINITY && x[3] == 0 && x[4] == -INFINITY && x[5] == 0);
    lt_chain_free(chain);
    lt_options_free(o);
    lt_tokenizer_free(mixed);
}

/* ---- length ---- */
static const char *const said[] = { "</s>", "a", "b ", " c", ".", "! ", " a b", "\"", "d.e", "'", "\n", "\xC3",
                                    "\xA9" };
enum { SAID = LT_COUNT(said) };

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (uint8_t)c == 0xC3; }
static bool is_space(char c) { return c == ' ' || c == '\n'; }

/* By other means than src/text/meter.c: over the whole text. */
static int64_t count(const char *unit, const char *text)
{
    int64_t n = 0;
    for (const char *c = text; *c; c++) {
        bool inside = c > text && (is_letter(c[-1]) || (uint8_t)c[-1] == 0xA9 || (c[-1] == '\'' && c > text + 1
                                   && (is_letter(c[-2]) || (uint8_t)c[-2] == 0xA9)));
        if (!strcmp(unit, "words")) n += is_letter(*c) && !inside;
        else if (!strcmp(unit, "characters")) n += (*c & 0xC0) != 0x80;
        else if (*c == '.' || *c == '!') {
            size_t closing = strspn(c, ".!\"'");
            n += !c[closing] || is_space(c[closing]);
            c += closing - 1;
        }
    }
    return n;
}

static void write_length(const char *unit, const char *value, int want, uint64_t seed)
{
    struct lt_tokenizer *t = pieces_tokenizer(said, SAID);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    const struct lt_method *m = lt_method_find("control", "length");
    struct lt_options *o = lt_options_new(m);
    assert_ok(lt_options_set(o, "value", value));
    assert_ok(lt_options_set(o, "unit", unit));
    struct lt_choice choice = { m, (void *)lt_options_done(o) };
    struct lt_choices controls = { &choice, 1, true };
    struct lt_chain *chain, *fork;
    struct lt_rng r = lt_rng_make(seed, "logits");
    struct lt_buf text = { 0 };
    int n = 0;
    assert_ok(lt_chain_open(&controls, &lm, &chain));
    lt_buf_str(&text, "");
    for (; n < 200; n++) {
        float x[SAID + 1], y[SAID + 1];
        for (int i = 0; i <= SAID; i++) x[i] = y[i] = (float)lt_rng_normal(&r) + (i ? 0 : 1);
        x[11] = y[11] = x[12] = y[12] = -INFINITY;
        assert_ok(lt_chain_apply(chain, (struct lt_seq){ 0 }, x, SAID + 1));
        assert_ok(lt_chain_fork(chain, &fork));
        lt_chain_accept(fork, 3);
        lt_chain_free(fork);
        lt_chain_accept(chain, 6);
        lt_chain_rewind(chain, 1);
        assert_ok(lt_chain_apply(chain, (struct lt_seq){ 0 }, y, SAID + 1));
        assert_memory_equal(x, y, sizeof x);
        int best = 0;
        for (int i = 1; i <= SAID; i++) best = x[i] > x[best] ? i : best;
        if (!best) break;
        lt_chain_accept(chain, best);
        lt_buf_str(&text, said[best]);
    }
    int64_t found = !strcmp(unit, "tokens") ? n : count(unit, text.p);
    if (n == 200 || found != want) fail_msg("%s %s: found %lld in \"%s\"", unit, value, (long long)found, text.p);
    lt_buf_free(&text);
    lt_chain_free(chain);
    lt_options_free(o);
    lt_tokenizer_free(t);
}

static void test_control_texts__length_is_exact(void **state)
{
    (void)state;
    static const char *const units[] = { "words", "tokens", "sentences", "characters" };
    for (int i = 0; i < LT_COUNT(units); i++)
        for (uint64_t seed = 0; seed < 60; seed++) {
            write_length(units[i], "1", 1, seed);
            write_length(units[i], "7", 7, seed);
        }
}

static void test_control_texts__length_refused(void **state)
{
    (void)state;
    float x[VOCAB];
    assert_int_equal(shape("length", "value", "0", x), -1);
    assert_non_null(strstr(lt_error(), "expected a length"));
    assert_int_equal(shape("length", "value", "-1", x), -1);
    assert_ok(shape("length", "min", "2", x));
    assert_true(x[0] == -INFINITY && x[1] == 0);
    assert_ok(shape("length", "max", "1", x));
    assert_true(x[0] == 0 && x[1] == 0 && x[8] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_texts__logit_bias),
        cmocka_unit_test(test_control_texts__logit_bias_refused),
        cmocka_unit_test(test_control_texts__banned_strings_twin),
        cmocka_unit_test(test_control_texts__banned_strings_options),
        cmocka_unit_test(test_control_texts__length_is_exact),
        cmocka_unit_test(test_control_texts__length_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
