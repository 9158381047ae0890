/* Controls that know the texts of tokens: biases of tokens, texts that must not appear, lengths. */
#include "byte_tokenizer.h"
#include "decode/chain.h"
#include <math.h>

static const char *const pieces[] = { "</s>", "a", "b", "ab", " ", "12", "c", "ba", " a" };
enum { PIECES = LT_COUNT(pieces), VOCAB = PIECES + 2 };

/* The chain of one control set to a value, applied to zeros; -1: refused. */
static int shape(const char *name, const char *key, const char *value, float x[VOCAB])
{
    struct lt_tokenizer *t = byte_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &byte_tokenizer_lm, t };
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
    struct lt_tokenizer *t = byte_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &byte_tokenizer_lm, t };
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
    struct lt_tokenizer *mixed = byte_tokenizer(spelt, LT_COUNT(spelt));
    struct lt_lm lm = { &byte_tokenizer_lm, mixed };
    struct lt_chain *chain = banned_chain(0, true, &lm, &o, &controls);
    memset(x, 0, sizeof x);
    lt_chain_accept(chain, 3);
    assert_ok(lt_chain_apply(chain, (struct lt_seq){ 0 }, x, LT_COUNT(spelt)));
    assert_true(x[1] == -INFINITY && x[2] == -INFINITY && x[3] == 0 && x[4] == -INFINITY && x[5] == 0);
    lt_chain_free(chain);
    lt_options_free(o);
    lt_tokenizer_free(mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_texts__logit_bias),
        cmocka_unit_test(test_control_texts__logit_bias_refused),
        cmocka_unit_test(test_control_texts__banned_strings_twin),
        cmocka_unit_test(test_control_texts__banned_strings_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
