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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_texts__logit_bias),
        cmocka_unit_test(test_control_texts__logit_bias_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
