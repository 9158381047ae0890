/* Embeddings of prompts: what a plain forward pass says, whatever is read before, beside, and in which parts. */
#include "test.h"
#include "decode/prompt_score.h"
#include "model/cache.h"
#include "model/session.h"
#include <math.h>

enum { VOCAB = 30, WIDTH = 16, MOST = 600 };
struct small { struct lt_model *m; struct lt_runner *run; };

static int small_session(void *self, struct lt_session *out)
{
    lt_runner_session(((struct small *)self)->run, out);
    return 0;
}
static const struct lt_lm_type small_type = { .m = { .name = "small" }, .session = small_session };

static struct lt_lm make_small(struct small *s)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", "llama");
    struct lt_options *o = lt_options_new(&a->m);
    assert_ok(lt_options_json(o, "{\"vocab_size\": 30, \"hidden_size\": 16, \"intermediate_size\": 24, "
                                 "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"initializer_range\": 0.3, "
                                 "\"max_position_embeddings\": 700}"));
    assert_ok(lt_model_new(a, o, 4, NULL, &s->m));
    assert_ok(lt_runner_new(s->m, NULL, (struct lt_session_spec){ 0 }, &s->run));
    return (struct lt_lm){ &small_type, s };
}

static void drop_small(struct small *s)
{
    lt_runner_free(s->run);
    lt_model_free(s->m);
}

static void prompt_of(int seed, int n, int32_t *token)
{
    struct lt_rng r = lt_rng_make((uint64_t)seed, "prompt");
    for (int i = 0; i < n; i++) token[i] = (int32_t)lt_rng_below(&r, VOCAB);
}

/* The whole text in one pass without keys and values kept, and sums in double. */
static void plain(struct lt_model *m, const int32_t *token, int n, enum lt_pooling pooling, double *out)
{
    int32_t *pos = lt_alloc((size_t)n * sizeof *pos);
    int64_t seq_row[] = { 0, n };
    for (int i = 0; i < n; i++) pos[i] = i;
    struct lt_batch b = { .rows = n, .token = token, .pos = pos, .seq_count = 1, .seq_row = seq_row };
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    struct lt_tensor *x = m->arch->forward(m->o, m, g, &b);
    double squares = 0;
    for (int k = 0; k < WIDTH; k++) {
        out[k] = 0;
        for (int i = pooling == LT_POOL_MEAN ? 0 : n - 1; i < n; i++) out[k] += (double)lt_f32(x)[i * x->ld + k];
        squares += out[k] * out[k];
    }
    for (int k = 0; k < WIDTH; k++) out[k] /= sqrt(squares);
    lt_graph_free(g);
    free(pos);
}

static void embed(struct lt_lm *lm, const int32_t *token, int n, enum lt_pooling pooling, float *out)
{
    struct lt_prompt_score p;
    int rc;
    assert_ok(lt_prompt_embed_begin(&p, lm, NULL, token, n, pooling));
    while ((rc = lt_prompt_score_step(&p)) == LT_SCORE_MORE) { }
    assert_int_equal(rc, LT_SCORE_DONE);
    lt_prompt_score_rest(&p);
    memcpy(out, p.vector, WIDTH * sizeof *out);
    lt_prompt_score_release(&p);
}

static void test_embed__is_what_a_plain_pass_says(void **state)
{
    static const int length[] = { 1, 2, 63, 64, 255, 256, 257, MOST };
    struct small s;
    struct lt_lm lm = make_small(&s);
    int32_t token[MOST];
    (void)state;
    for (int i = 0; i < LT_COUNT(length) * 2; i++) {
        enum lt_pooling pooling = i % 2 ? LT_POOL_LAST : LT_POOL_MEAN;
        int n = length[i / 2];
        double want[WIDTH];
        float have[WIDTH];
        prompt_of(i, n, token);
        plain(s.m, token, n, pooling, want);
        embed(&lm, token, n, pooling, have);
        for (int k = 0; k < WIDTH; k++)
            if (fabs(want[k] - (double)have[k]) > 1e-6) fail_msg("%d tokens: %g, not %g", n, (double)have[k], want[k]);
    }
    drop_small(&s);
}

/* A text whose beginning was read before, by others and for itself, has the same bits; so has one that began again. */
static void test_embed__the_same_bits_whatever_came_before(void **state)
{
    struct small s;
    struct lt_lm lm = make_small(&s);
    int32_t token[MOST];
    float first[WIDTH], again[WIDTH];
    struct lt_prompt_score p;
    struct lt_session other;
    (void)state;
    prompt_of(1, MOST, token);
    embed(&lm, token, MOST, LT_POOL_MEAN, first);
    lt_runner_session(s.run, &other);
    assert_ok(other.type->feed(other.self, token, 300));
    embed(&lm, token, MOST, LT_POOL_MEAN, again);
    assert_memory_equal(first, again, sizeof first);
    assert_ok(lt_prompt_embed_begin(&p, &lm, NULL, token, MOST, LT_POOL_MEAN));
    assert_int_equal(lt_prompt_score_step(&p), LT_SCORE_MORE);
    assert_true(lt_prompt_score_again(&p));
    while (lt_prompt_score_step(&p) == LT_SCORE_MORE) { }
    assert_memory_equal(first, p.vector, sizeof first);
    lt_prompt_score_release(&p);
    other.type->close(other.self);
    drop_small(&s);
}

/* Prompts of all lengths beside each other have the bits they have alone, embeddings and log-probabilities. */
static void test_embed__the_same_bits_beside_others(void **state)
{
    enum { MANY = 90 };
    static int32_t token[MANY][MOST];
    static struct lt_prompt_score all[MANY];
    (void)state;
    for (int pooling = LT_POOL_NONE; pooling <= LT_POOL_LAST; pooling++) {
        struct small s;
        struct lt_lm lm = make_small(&s);
        struct lt_prompt_score *left[MANY], alone;
        int passes = 0, took;
        for (int i = 0; i < MANY; i++) {
            int n = i % 30 == 9 ? MOST : 1 + i % 13;
            prompt_of(i, n, token[i]);
            if (pooling) assert_ok(lt_prompt_embed_begin(&all[i], &lm, NULL, token[i], n, (enum lt_pooling)pooling));
            else assert_ok(lt_prompt_score_begin(&all[i], &lm, NULL, token[i], n, 2));
        }
        for (int count;; passes++) {
            count = 0;
            for (int i = 0; i < MANY; i++)
                if (!lt_prompt_score_done(&all[i])) left[count++] = &all[i];
            if (!count) break;
            assert_ok(lt_prompt_score_steps(left, count, &took));
            assert_in_range(took, 1, count);
        }
        assert_in_range(passes, 3, pooling ? 20 : 60);
        for (int i = 0; i < MANY; i++) {
            int n = all[i].count;
            if (pooling) assert_ok(lt_prompt_embed_begin(&alone, &lm, NULL, token[i], n, (enum lt_pooling)pooling));
            else assert_ok(lt_prompt_score_begin(&alone, &lm, NULL, token[i], n, 2));
            while (lt_prompt_score_step(&alone) == LT_SCORE_MORE) { }
            if (pooling) assert_memory_equal(alone.vector, all[i].vector, WIDTH * sizeof(float));
            else {
                assert_memory_equal(alone.logp, all[i].logp, (size_t)n * sizeof(float));
                assert_memory_equal(alone.top_logp, all[i].top_logp, 2 * (size_t)n * sizeof(float));
            }
            lt_prompt_score_release(&alone);
            lt_prompt_score_release(&all[i]);
        }
        drop_small(&s);
    }
}

static void test_embed__a_shorter_vector_has_length_one(void **state)
{
    float v[] = { 3, 4, 12 }, zero[] = { 0, 0 };
    (void)state;
    lt_unit_length(v, 2);
    assert_true(fabsf(v[0] - 0.6f) < 1e-6f && fabsf(v[1] - 0.8f) < 1e-6f);
    lt_unit_length(zero, 2);
    assert_true(!(zero[0] > 0) && !(zero[1] > 0));
}

static void test_embed__models_without_hidden_states_are_refused(void **state)
{
    struct lt_prompt_score p;
    struct lt_lm lm;
    (void)state;
    assert_ok(lt_lm_open("fake:vocab=9", NULL, &lm));
    assert_fails(lt_prompt_embed_begin(&p, &lm, NULL, (int32_t[]){ 1 }, 1, LT_POOL_MEAN), "no hidden states");
    lt_prompt_score_release(&p);
    lt_lm_close(&lm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed__is_what_a_plain_pass_says),
        cmocka_unit_test(test_embed__the_same_bits_whatever_came_before),
        cmocka_unit_test(test_embed__the_same_bits_beside_others),
        cmocka_unit_test(test_embed__a_shorter_vector_has_length_one),
        cmocka_unit_test(test_embed__models_without_hidden_states_are_refused),
    };
    return cmocka_run_group_tests_name("embed", tests, NULL, NULL);
}
