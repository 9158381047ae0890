/* Models whose matrices are quantised: the same bits however a text is fed and at any number of threads, packed or
 * not, and close to the model whose weights are the floats that the blocks stand for. */
#include "test.h"
#include "base/ctx.h"
#include "math/quant.h"
#include "model/session.h"
#include <math.h>

static const enum lt_dtype types[] = { LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K };
enum { TOKENS = 40, VOCAB = 300 };

static struct lt_model *make(bool tied)
{
    const char *const size[][2] = {
        { "vocab_size", "300" },          { "hidden_size", "256" },         { "num_hidden_layers", "2" },
        { "num_attention_heads", "4" },   { "num_key_value_heads", "2" },   { "intermediate_size", "512" },
        { "max_position_embeddings", "64" }, { "tie_word_embeddings", tied ? "true" : "false" },
    };
    const struct lt_method *arch = lt_method_find("arch", "llama");
    struct lt_options *s = lt_options_new(arch);
    struct lt_model *m;
    for (int i = 0; i < LT_COUNT(size); i++) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    assert_ok(lt_model_new((const struct lt_arch *)arch, s, 1, NULL, &m));
    return m;
}

/* Every matrix through blocks; its floats become those that the blocks stand for.  The blocks take their place in
 * `blocks` and, when asked, in the model. */
static void quantise(struct lt_model *m, enum lt_dtype t, void **blocks, bool use)
{
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        blocks[i] = NULL;
        if (w->rank != 2) continue;
        struct lt_quant q = { .type = t, .rows = w->dim[0], .width = w->dim[1] };
        blocks[i] = lt_alloc(lt_dtype_bytes(t, lt_weight_count(w)));
        assert_ok(lt_quant_rows(NULL, &q, w->master, blocks[i]));
        lt_dequant_rows(NULL, &q, blocks[i], w->master);
        if (use) w->data = blocks[i], w->type = t;
    }
}

struct run { float logp[TOKENS], logits[VOCAB]; };

/* Scores a text in pieces of `step` tokens, then asks for the logits after it. */
static void run(struct lt_model *m, struct lt_ctx *c, int step, struct run *out)
{
    struct lt_session s;
    int32_t token[TOKENS];
    int vocab;
    for (int i = 0; i < TOKENS; i++) token[i] = (i * 37 + 11) % VOCAB;
    assert_ok(lt_model_session(m, c, (struct lt_session_spec){ 0 }, &s));
    for (int i = 0; i < TOKENS; i += step)
        assert_ok(s.type->score(s.self, token + i, LT_MIN(step, TOKENS - i), out->logp + i, NULL));
    memcpy(out->logits, s.type->logits(s.self, &vocab), sizeof out->logits);
    assert_int_equal(vocab, VOCAB);
    s.type->close(s.self);
}

static void check(enum lt_dtype t, bool tied, struct lt_ctx *c)
{
    struct lt_model *m = make(tied), *plain = make(tied);
    void *blocks[64];
    struct run whole, other, floats;
    assert_true(m->weight_count <= LT_COUNT(blocks));
    quantise(plain, t, blocks, false);
    run(plain, NULL, TOKENS, &floats);
    for (int i = 0; i < m->weight_count; i++) free(blocks[i]);
    quantise(m, t, blocks, true);
    run(m, NULL, TOKENS, &whole);
    static const int step[] = { 1, 3, 8, 9, 31 };
    for (int i = 0; i < LT_COUNT(step); i++) {
        if (i == 3) lt_model_pack(m, LT_COMPUTE_F32, c);
        run(m, i & 1 ? c : NULL, step[i], &other);
        if (memcmp(&other, &whole, sizeof whole) != 0)
            fail_msg("%s%s: other bits by %d tokens", lt_dtype_name(t), tied ? " tied" : "", step[i]);
    }
    double off = 0, size = 0;
    for (int i = 0; i < VOCAB; i++) {
        off += pow((double)whole.logits[i] - floats.logits[i], 2);
        size += pow((double)floats.logits[i], 2);
    }
    /* Bytes of activations leave about 1 / 127 / sqrt(12) of the largest of a block in each of a dozen products. */
    if (!(sqrt(off / size) < 0.03 && off > 0))
        fail_msg("%s: logits are off by %g of their size", lt_dtype_name(t), sqrt(off / size));
    for (int i = 0; i < m->weight_count; i++) free(blocks[i]);
    lt_model_free(m);
    lt_model_free(plain);
}

static void test_quant_model__same_bits(void **state)
{
    (void)state;
    struct lt_ctx *c = lt_ctx_new(3, NULL, NULL);
    for (int i = 0; i < LT_COUNT(types); i++) {
        check(types[i], true, c);
        check(types[i], false, c);
    }
    lt_ctx_free(c);
}

/* Training begins with the floats that the blocks stand for. */
static void test_quant_model__train(void **state)
{
    (void)state;
    struct lt_model *m = make(true);
    void *blocks[64];
    quantise(m, LT_Q4_K, blocks, true);
    struct lt_weight *w = lt_model_weight(m, "model.layers.1.mlp.down_proj.weight");
    assert_non_null(w);
    const int64_t n = lt_weight_count(w);
    float *want = lt_alloc((size_t)n * sizeof *want);
    memcpy(want, w->master, (size_t)n * sizeof *want);
    for (int i = 0; i < m->weight_count; i++) {     /* as a mapped file has them: no master */
        if (m->weight[i].stack >= 0) free(m->weight[i].master);     /* else it is part of the one before */
        m->weight[i].master = NULL;
        if (blocks[i]) continue;
        m->weight[i].data = m->weight[i].master = lt_aligned((size_t)lt_weight_count(&m->weight[i]) * sizeof(float));
        memset(m->weight[i].master, 0, (size_t)lt_weight_count(&m->weight[i]) * sizeof(float));
    }
    assert_ok(lt_model_train(m));
    assert_int_equal(w->type, LT_F32);
    assert_memory_equal(w->master, want, (size_t)n * sizeof *want);
    free(want);
    for (int i = 0; i < m->weight_count; i++) free(blocks[i]);
    lt_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quant_model__same_bits),
        cmocka_unit_test(test_quant_model__train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
