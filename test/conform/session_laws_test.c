/* Laws of every session that needs no weights: what is taken back was never there, a fork is a session of its own,
 * scores are the logits' log-probabilities, and those sum to 1. */
#include "test.h"
#include <math.h>

static const char text[] = "the cat sat on the mat\nthe dog sat\na cat and a dog sat on the cat\nthe mat and the dog\n"
                           "a dog on a mat\nand the cat sat\n";

static void run_verb(const char *verb, const char *const (*set)[2], int count)
{
    const struct lt_verb *v = (const struct lt_verb *)lt_method_find("verb", verb);
    struct lt_options *s = lt_options_new(&v->m);
    for (int i = 0; i < count; i++) assert_ok(lt_options_set(s, set[i][0], set[i][1]));
    const void *o = lt_options_done(s);
    if (!o) fail_msg("%s", lt_error());
    assert_ok(v->run(o, NULL));
    lt_options_free(s);
}

static void make_models(const char *folder)
{
    const char *in = lt_test_path(folder, "text.txt");
    assert_ok(lt_file_save(in, text, sizeof text - 1));
    run_verb("ngram-build", (const char *const[][2]){ { "input", in }, { "output", lt_test_path(folder, "x.arpa") },
                                                      { "order", "3" } }, 3);
    run_verb("ngram-glm", (const char *const[][2]){ { "input", in }, { "output", lt_test_path(folder, "x.glm") },
                                                    { "order", "3" } }, 3);
    const char *mapped = lt_test_path(folder, "mapped.txt");
    run_verb("ngram-classes", (const char *const[][2]){ { "input", in }, { "classes", "4" }, { "mapped", mapped },
                                                        { "output", lt_test_path(folder, "x.classes") } }, 4);
    run_verb("ngram-build", (const char *const[][2]){ { "input", mapped }, { "order", "3" },
                                                      { "output", lt_test_path(folder, "c.arpa") } }, 3);
}

/* ---- one session ---- */
enum { TOKENS = 24 };

static float *row_of(struct lt_session *s, int *vocab)
{
    const float *x = s->type->logits(s->self, vocab);
    if (!x) fail_msg("%s", lt_error());
    float *copy = lt_alloc((size_t)*vocab * sizeof *copy);
    memcpy(copy, x, (size_t)*vocab * sizeof *copy);
    return copy;
}

static double log_sum(const float *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += exp((double)x[i]);
    return log(sum);
}

static void feed(struct lt_session *s, const int32_t *token, int n) { assert_ok(s->type->feed(s->self, token, n)); }

/* Scored at once, and one by one against the logits before each. */
static void scores_are_logits(struct lt_session *s, const int32_t *token, bool sums)
{
    float logp[TOKENS], plain[TOKENS];
    uint8_t hit[TOKENS];
    int vocab;
    assert_ok(s->type->score(s->self, token, TOKENS, logp, hit));
    assert_int_equal(s->type->count(s->self), TOKENS);
    assert_ok(s->type->rewind(s->self, TOKENS));
    assert_ok(s->type->score(s->self, token, TOKENS, plain, NULL));
    assert_ok(s->type->rewind(s->self, TOKENS));
    assert_true(logp[0] == 0 && !hit[0]);
    for (int i = 0; i < TOKENS; i++) {
        assert_true(logp[i] == plain[i]);
        if (i) {
            float *x = row_of(s, &vocab);
            double all = log_sum(x, vocab);
            int best = 0;
            if (sums) assert_float_equal(all, 0, 1e-5);
            assert_float_equal(logp[i], (double)x[token[i]] - all, 2e-5);
            for (int j = 0; j < vocab; j++) best = x[j] > x[best] ? j : best;
            assert_int_equal(hit[i], best == token[i]);
            free(x);
        }
        feed(s, token + i, 1);
    }
    assert_ok(s->type->rewind(s->self, TOKENS));
}

static void rewind_leaves_no_trace(struct lt_session *s, const int32_t *token)
{
    int vocab;
    feed(s, token, 9);
    float *before = row_of(s, &vocab);
    feed(s, token + 9, 7);
    assert_ok(s->type->rewind(s->self, 7));
    float *after = row_of(s, &vocab);
    assert_memory_equal(before, after, (size_t)vocab * sizeof *before);
    struct lt_session fork = { s->type, s->type->fork(s->self) };
    assert_non_null(fork.self);
    feed(s, token + 16, 8);
    float *forked = row_of(&fork, &vocab);
    assert_memory_equal(before, forked, (size_t)vocab * sizeof *before);
    feed(&fork, token + 9, 3);
    assert_int_equal(fork.type->count(fork.self), 12);
    assert_ok(fork.type->rewind(fork.self, 3));
    free(forked);
    forked = row_of(&fork, &vocab);
    assert_memory_equal(before, forked, (size_t)vocab * sizeof *before);
    assert_int_equal(s->type->count(s->self), 17);
    assert_int_equal(fork.type->rewind(fork.self, 10), -1);
    assert_int_equal(fork.type->feed(fork.self, &(int32_t){ 1 << 24 }, 1), -1);
    assert_int_equal(fork.type->count(fork.self), 9);
    fork.type->close(fork.self);
    assert_ok(s->type->rewind(s->self, 17));
    free(before);
    free(after);
    free(forked);
}

static void test_session_laws__hold(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), spec[2048];
    make_models(folder);
    const struct { const char *spec; bool sums; } model[] = {
        { "fake:vocab=9,seed=3", false },
        { "%s/x.arpa", true },
        { "%s/x.glm", true },
        { "class:path=%s/c.arpa,classes=%s/x.classes", true },
        { "cache:path=%s/x.arpa,weight=0.2,pair_weight=0.1,size=6,decay=0.9", true },
        { "cache:path=%s/x.glm", true },
        { "formula:\"%s/x.arpa\"", true },
        { "formula:M = \"%s/x.arpa\"; M + 0.6*(M|\"the cat\" - M) + classifier(M|\"a dog\", M)", true },
        { "formula:union(\"%s/x.glm\", debias(\"%s/x.glm\", \"%s/x.glm\"|[3,4], 5), uniform)", true },
    };
    for (int i = 0; i < LT_COUNT(model); i++) {
        struct lt_lm lm;
        struct lt_session s;
        int32_t token[TOKENS];
        struct lt_rng r = lt_rng_make(4, "tokens");
        snprintf(spec, sizeof spec, model[i].spec, folder, folder, folder);
        assert_ok(lt_lm_open(spec, NULL, &lm));
        assert_ok(lm.type->session(lm.self, &s));
        for (int k = 0; k < TOKENS; k++) token[k] = k ? 2 + (int32_t)lt_rng_below(&r, 7) : 1;
        scores_are_logits(&s, token, model[i].sums);
        rewind_leaves_no_trace(&s, token);
        s.type->close(s.self);
        lt_lm_close(&lm);
    }
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_session_laws__hold) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
