/* Laws of every registered architecture: a small model of each is made, trained, saved, opened and run in parts. */
#include "test.h"
#include "base/ctx.h"
#include "model/decoder.h"
#include "model/inspect_model.h"
#include "model/session.h"

#include <math.h>

enum { VOCAB = 61, ROWS = 24, CONTEXT = 32 };

struct text {
    int32_t token[ROWS], target[ROWS], pos[ROWS];
    float weight[ROWS];
    int64_t seq_row[3];
    struct lt_batch b;
};

/* Two sequences, of 15 and 9 tokens; each row is to predict the next token of a repeating pattern. */
static void fill(struct text *t)
{
    struct lt_rng r = lt_rng_make(5, "tokens");
    for (int i = 0; i < ROWS; i++) {
        t->token[i] = (int32_t)lt_rng_below(&r, VOCAB);
        t->target[i] = (int32_t)lt_rng_below(&r, VOCAB);
        t->pos[i] = i < 15 ? i : i - 15;
        t->weight[i] = 1;
    }
    memcpy(t->seq_row, (int64_t[]){ 0, 15, ROWS }, sizeof t->seq_row);
    t->b = (struct lt_batch){ .rows = ROWS, .token = t->token, .pos = t->pos, .target = t->target, .weight = t->weight,
                              .seq_count = 2, .seq_row = t->seq_row };
}

static const struct lt_kind *archs(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "arch")) k++;
    return k;
}

/* With `dropout` for every option of that kind which the architecture has. */
static struct lt_model *make_dropping(const struct lt_method *arch, uint64_t seed, struct lt_ctx *c,
                                      const char *dropout)
{
    static const char *const size[][2] = { { "vocab_size", "61" },
                                           { "hidden_size", "32" },
                                           { "num_hidden_layers", "2" },
                                           { "num_attention_heads", "4" },
                                           { "max_position_embeddings", "32" },
                                           { "intermediate_size", "48" } };
    struct lt_options *s = lt_options_new(arch);
    for (int i = 0; i < LT_COUNT(size); i++) assert_ok(lt_options_set(s, size[i][0], size[i][1]));
    for (const struct lt_opt *o = arch->opts; o->key; o++)
        if (strstr(o->key, "drop")) assert_ok(lt_options_set(s, o->key, dropout));
    struct lt_model *m;
    assert_ok(lt_model_new((const struct lt_arch *)arch, s, seed, c, &m));
    return m;
}

static struct lt_model *make(const struct lt_method *arch, uint64_t seed, struct lt_ctx *c)
{
    return make_dropping(arch, seed, c, "0");
}

static struct lt_tensor *hidden(struct lt_model *m, struct lt_graph *g, const struct lt_batch *b)
{
    struct lt_tensor *x = m->arch->forward(m->o, m, g, b);
    if (!x) fail_msg("%s: %s", m->arch->m.name, lt_error());
    return x;
}

static float *logits(struct lt_model *m, struct lt_ctx *c, const struct lt_batch *b)
{
    struct lt_graph *g = lt_graph_new(c, LT_COMPUTE_F32);
    struct lt_tensor *y = lt_model_logits(g, m, hidden(m, g, b));
    assert_int_equal(lt_rows(y), b->rows);
    assert_int_equal(lt_cols(y), VOCAB);
    size_t size = (size_t)(b->rows * VOCAB) * sizeof(float);
    float *out = lt_alloc(size);
    memcpy(out, y->data, size);
    lt_graph_free(g);
    return out;
}

static double step(struct lt_model *m, struct lt_graph *g, const struct lt_batch *b)
{
    lt_graph_reset(g);
    lt_graph_record(g, true);
    struct lt_head spec = { .target = b->target, .weight = b->weight };
    struct lt_tensor *loss = lt_model_loss(g, m, hidden(m, g, b), &spec);
    double value = (double)*lt_f32(loss) / (double)b->rows;
    assert_ok(lt_graph_backward(g, loss, 1.0f / (float)b->rows));
    return value;
}

static void test_archs__same_seed_same_bits(void **state)
{
    (void)state;
    struct lt_ctx *two = lt_ctx_new(2, NULL, NULL);
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL), *n = make(*a, 1, two), *other = make(*a, 2, two);
        bool differs = false;
        for (int i = 0; i < m->weight_count; i++) {
            size_t size = (size_t)lt_weight_count(&m->weight[i]) * sizeof(float);
            assert_string_equal(m->weight[i].name, n->weight[i].name);
            assert_memory_equal(m->weight[i].data, n->weight[i].data, size);
            differs |= memcmp(m->weight[i].data, other->weight[i].data, size) != 0;
        }
        assert_true(differs);
        lt_model_free(m);
        lt_model_free(n);
        lt_model_free(other);
    }
    lt_ctx_free(two);
}

static bool any(const float *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (p[i] != 0) return true;
    return false;
}

static void test_archs__learn(void **state)
{
    (void)state;
    struct lt_ctx *c = lt_ctx_new(2, NULL, NULL);
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, c);
        struct lt_graph *g = lt_graph_new(c, LT_COMPUTE_F32);
        struct text t;
        fill(&t);
        assert_ok(lt_model_train(m));
        double first = step(m, g, &t.b), last = 0;
        assert_true(fabs(first - log(VOCAB)) < 0.3);
        for (int i = 0; i < m->weight_count; i++)
            if (!any(m->weight[i].grad, lt_weight_count(&m->weight[i])))
                fail_msg("%s: no gradient reaches %s", (*a)->name, m->weight[i].name);
        for (int s = 0; s < 20; s++) {
            for (int i = 0; i < m->weight_count; i++) {
                int64_t n = lt_weight_count(&m->weight[i]);
                lt_axpy(NULL, n, -0.5f, m->weight[i].grad, m->weight[i].master);
                memset(m->weight[i].grad, 0, (size_t)n * sizeof(float));
            }
            last = step(m, g, &t.b);
        }
        if (!(last < first - 0.5)) fail_msg("%s: the loss went from %g to %g in 20 steps", (*a)->name, first, last);
        lt_graph_free(g);
        lt_model_free(m);
    }
    lt_ctx_free(c);
}

static void test_archs__checkpointing_changes_no_gradient(void **state)
{
    (void)state;
    int dropping = 0;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make_dropping(*a, 1, NULL, "0.3"), *n = make_dropping(*a, 1, NULL, "0.3");
        struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
        struct text t;
        fill(&t);
        assert_ok(lt_model_train(m));
        assert_ok(lt_model_train(n));
        lt_graph_train(g, true, 7);
        n->checkpoint = true;
        const double loss = step(m, g, &t.b);
        assert_true(loss == step(n, g, &t.b));
        for (int i = 0; i < m->weight_count; i++)
            if (memcmp(m->weight[i].grad, n->weight[i].grad, (size_t)lt_weight_count(&m->weight[i]) * sizeof(float)))
                fail_msg("%s: the gradient of %s differs", (*a)->name, m->weight[i].name);
        lt_graph_train(g, false, 0);
        dropping += step(m, g, &t.b) != loss;
        lt_graph_free(g);
        lt_model_free(m);
        lt_model_free(n);
    }
    assert_true(dropping >= 2);         /* architectures whose dropouts take part */
}

static void test_archs__threads_change_no_bit(void **state)
{
    (void)state;
    struct lt_ctx *c = lt_ctx_new(3, NULL, NULL);
    for (const struct lt_method *const *a = archs()->member; *a; a++)
        for (int half = 0; half < 2; half++) {
            struct lt_model *m = make(*a, 1, NULL), *n = make(*a, 1, NULL);
            enum lt_compute compute = half ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
            struct lt_graph *one = lt_graph_new(NULL, compute), *three = lt_graph_new(c, compute);
            struct text t;
            fill(&t);
            assert_ok(lt_model_train(m));
            assert_ok(lt_model_train(n));
            assert_true(step(m, one, &t.b) == step(n, three, &t.b));
            for (int i = 0; i < m->weight_count; i++) {
                size_t size = (size_t)lt_weight_count(&m->weight[i]) * sizeof(float);
                if (memcmp(m->weight[i].grad, n->weight[i].grad, size))
                    fail_msg("%s: threads change the gradient of %s", (*a)->name, m->weight[i].name);
            }
            lt_graph_free(one);
            lt_graph_free(three);
            lt_model_free(m);
            lt_model_free(n);
        }
    lt_ctx_free(c);
}

static void test_archs__sequences_do_not_see_each_other(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct text t;
        fill(&t);
        float *both = logits(m, NULL, &t.b);
        struct lt_batch second = t.b;
        second.rows = 9;
        second.token += 15;
        second.pos += 15;
        second.seq_count = 1;
        second.seq_row = (int64_t[]){ 0, 9 };
        float *alone = logits(m, NULL, &second);
        if (memcmp(both + 15 * VOCAB, alone, 9 * VOCAB * sizeof(float)))
            fail_msg("%s: packing changes bits", (*a)->name);
        free(both);
        free(alone);
        lt_model_free(m);
    }
}

static void test_archs__saved_and_opened(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 3, NULL), *n;
        struct text t;
        fill(&t);
        m->generation.bos = 1;
        m->generation.eos[m->generation.eos_count++] = 2;
        assert_ok(lt_model_save(m, folder, LT_F32));
        assert_ok(lt_model_open(folder, &n));
        assert_int_equal(n->generation.bos, 1);
        assert_true(lt_generation_ends(&n->generation, 2));
        float *x = logits(m, NULL, &t.b), *y = logits(n, NULL, &t.b);
        assert_memory_equal(x, y, ROWS * VOCAB * sizeof(float));
        struct lt_buf p = { 0 }, q = { 0 };
        lt_config_write(m, LT_F32, &p);
        lt_config_write(n, LT_F32, &q);
        assert_string_equal(p.p, q.p);
        lt_buf_free(&p);
        lt_buf_free(&q);
        free(x);
        free(y);
        lt_model_free(m);
        lt_model_free(n);
    }
    lt_test_temp_end(folder);
}

static void test_archs__half_precision_stays_near(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 3, NULL), *n;
        struct text t;
        fill(&t);
        float *x = logits(m, NULL, &t.b);
        for (int half = 0; half < 2; half++) {
            assert_ok(lt_model_save(m, folder, half ? LT_F16 : LT_BF16));
            assert_ok(lt_model_open(folder, &n));
            float *y = logits(n, NULL, &t.b);
            for (int i = 0; i < ROWS * VOCAB; i++) assert_true(fabsf(x[i] - y[i]) < 0.02f);
            free(y);
            lt_model_free(n);
        }
        free(x);
        lt_model_free(m);
    }
    lt_test_temp_end(folder);
}

struct watch { int calls; bool zero; };

static struct lt_tensor *look(void *self, struct lt_graph *g, const char *site, int layer, struct lt_tensor *x)
{
    struct watch *w = self;
    w->calls++;
    assert_true(layer >= -1 && layer < 2);
    return w->zero && !strcmp(site, "resid") && layer == 0 ? lt_op_scale(g, x, 0) : x;
}

static void test_archs__taps_see_and_steer(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct text t;
        fill(&t);
        float *plain = logits(m, NULL, &t.b);
        struct watch w = { 0 };
        m->tap = look;
        m->tap_self = &w;
        float *watched = logits(m, NULL, &t.b);
        assert_int_equal(w.calls, 2 + 2 * 10);
        assert_memory_equal(plain, watched, ROWS * VOCAB * sizeof(float));
        w.zero = true;
        float *steered = logits(m, NULL, &t.b);
        assert_memory_not_equal(plain, steered, ROWS * VOCAB * sizeof(float));
        free(plain);
        free(watched);
        free(steered);
        lt_model_free(m);
    }
}

static void test_archs__wrong_tokens_and_positions(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
        struct text t;
        fill(&t);
        t.token[3] = VOCAB;
        assert_null(m->arch->forward(m->o, m, g, &t.b));
        assert_non_null(strstr(lt_error(), "vocabulary"));
        t.token[3] = 0;
        t.pos[14] = CONTEXT;
        assert_null(m->arch->forward(m->o, m, g, &t.b));
        assert_non_null(strstr(lt_error(), "context"));
        lt_graph_free(g);
        lt_model_free(m);
    }
}

static void test_archs__packed_weights_give_the_same_bits(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++)
        for (int half = 0; half < 2; half++) {
            struct lt_model *m = make(*a, 1, NULL);
            enum lt_compute compute = half ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
            struct text t;
            float *out[2];
            fill(&t);
            for (int packed = 0; packed < 2; packed++) {
                struct lt_graph *g = lt_graph_new(NULL, compute);
                if (packed) lt_model_pack(m, compute, NULL);
                struct lt_tensor *y = lt_model_logits(g, m, hidden(m, g, &t.b));
                out[packed] = lt_alloc(ROWS * VOCAB * sizeof(float));
                memcpy(out[packed], y->data, ROWS * VOCAB * sizeof(float));
                lt_graph_free(g);
            }
            if (memcmp(out[0], out[1], ROWS * VOCAB * sizeof(float))) fail_msg("%s: packing changes bits", (*a)->name);
            assert_non_null(lt_model_weight(m, m->head_name)->packs.forward);
            assert_ok(lt_model_train(m));
            assert_null(lt_model_weight(m, m->head_name)->packs.forward);
            free(out[0]);
            free(out[1]);
            lt_model_free(m);
        }
}

/* Stacks are packed as one; taken away, they are not read again. */
static void test_archs__packs_of_a_step_change_no_gradient(void **state)
{
    (void)state;
    static const enum lt_compute computes[] = { LT_COMPUTE_F32, LT_COMPUTE_BF16, LT_COMPUTE_INT16, LT_COMPUTE_INT8 };
    struct lt_ctx *c = lt_ctx_new(2, NULL, NULL);
    for (const struct lt_method *const *a = archs()->member; *a; a++)
        for (int i = 0; i < LT_COUNT(computes); i++) {
            struct lt_model *m = make(*a, 1, NULL), *n = make(*a, 1, NULL);
            struct lt_graph *g = lt_graph_new(c, computes[i]);
            struct text t;
            int packed = 0;
            fill(&t);
            assert_ok(lt_model_train(m));
            assert_ok(lt_model_train(n));
            for (int round = 0; round < 2; round++) {
                lt_model_pack_step(n, computes[i], c);
                for (int k = 0; k < n->weight_count; k++) packed += n->weight[k].packs.input != NULL;
                const double loss = step(n, g, &t.b);
                lt_model_unpack_step(n);
                assert_true(step(m, g, &t.b) == loss);
                for (int k = 0; k < m->weight_count; k++) {
                    struct lt_weight *w = &m->weight[k], *v = &n->weight[k];
                    if (memcmp(w->grad, v->grad, (size_t)lt_weight_count(w) * sizeof(float)))
                        fail_msg("%s: packs change the gradient of %s", (*a)->name, w->name);
                    lt_axpy(NULL, lt_weight_count(w), -0.1f, w->grad, w->master);
                    lt_axpy(NULL, lt_weight_count(w), -0.1f, v->grad, v->master);
                }
            }
            assert_true(packed >= 2 * 2 * 3);       /* rounds, layers, matrices or stacks of them */
            lt_model_pack(n, computes[i], c);       /* a session's, which a step must not read: weights change */
            struct lt_weight *w = lt_model_weight(m, m->head_name), *v = lt_model_weight(n, n->head_name);
            lt_axpy(NULL, lt_weight_count(w), -0.1f, w->grad, w->master);
            lt_axpy(NULL, lt_weight_count(v), -0.1f, w->grad, v->master);
            assert_true(step(m, g, &t.b) == step(n, g, &t.b));
            lt_graph_free(g);
            lt_model_free(m);
            lt_model_free(n);
        }
    lt_ctx_free(c);
}

/* The text in calls of `part` tokens, fed or scored; the logits after it and every log probability. */
static void say(struct lt_model *m, struct lt_session_spec spec, const int32_t *token, int n, int part, bool score,
                float *logp, float *logits_out)
{
    struct lt_session s;
    int vocab;
    assert_ok(lt_model_session(m, NULL, spec, &s));
    assert_int_equal(s.type->limit(s.self), CONTEXT);
    for (int i = 0; i < n; i += part) {
        int some = LT_MIN(part, n - i);
        assert_ok(score ? s.type->score(s.self, token + i, some, logp + i, NULL)
                        : s.type->feed(s.self, token + i, some));
    }
    assert_int_equal(s.type->count(s.self), n);
    memcpy(logits_out, s.type->logits(s.self, &vocab), VOCAB * sizeof(float));
    s.type->close(s.self);
}

static void test_archs__sessions_give_the_same_bits_in_any_parts(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct text t;
        fill(&t);
        for (int way = 0; way < 3; way++) {
            struct lt_session_spec spec = { .compute = way == 1 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32,
                                            .cache = way == 2 ? LT_BF16 : LT_F32 };
            float logp[3][ROWS], last[VOCAB], first[VOCAB];
            say(m, spec, t.token, ROWS, ROWS, true, logp[0], first);
            for (int part = 1; part < 12; part += 3) {
                say(m, spec, t.token, ROWS, part, true, logp[1], last);
                assert_memory_equal(logp[0], logp[1], sizeof logp[0]);
                assert_memory_equal(first, last, sizeof first);
                say(m, spec, t.token, ROWS, part, false, NULL, last);
                assert_memory_equal(first, last, sizeof first);
            }
        }
        lt_model_free(m);
    }
}

static void test_archs__a_session_agrees_with_a_full_pass(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct text t;
        fill(&t);
        for (int i = 0; i < ROWS; i++) t.pos[i] = i;
        t.b.seq_count = 1;
        t.b.seq_row = (int64_t[]){ 0, ROWS };
        float *full = logits(m, NULL, &t.b), logp[ROWS], last[VOCAB];
        say(m, (struct lt_session_spec){ 0 }, t.token, ROWS, 1, true, logp, last);
        assert_memory_equal(full + (ROWS - 1) * VOCAB, last, sizeof last);
        assert_true(logp[0] == 0);
        for (int i = 1; i < ROWS; i++) {
            lt_log_softmax(full + (i - 1) * VOCAB, VOCAB, last);
            assert_true(fabsf(last[t.token[i]] - logp[i]) < 1e-6f);
        }
        free(full);
        lt_model_free(m);
    }
}

/* Logits of a batch of two sequences that go on from their caches: a tokens of the first, b of the second. */
static float *beside(struct lt_model *m, struct lt_cache *const *cache, const int32_t *token, int a, int b)
{
    int32_t id[ROWS], pos[ROWS];
    int64_t rows[] = { 0, a, a + b }, from[] = { lt_cache_count(cache[0]), lt_cache_count(cache[1]) };
    for (int i = 0; i < a + b; i++) {
        int which = i >= a;
        pos[i] = (int32_t)from[which] + i - which * a;
        id[i] = token[which * 12 + pos[i]];
    }
    struct lt_batch batch = { .rows = a + b, .token = id, .pos = pos, .seq_count = 2, .seq_row = rows, .cache = cache };
    return logits(m, NULL, &batch);
}

static void test_archs__caches_side_by_side(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct lt_pages *pages = lt_pages_new(m, LT_F32, 0);
        struct lt_cache *cache[] = { lt_cache_new(pages), lt_cache_new(pages) };
        struct text t;
        float one[2][VOCAB];
        fill(&t);
        say(m, (struct lt_session_spec){ 0 }, t.token, 10, 10, false, NULL, one[0]);
        say(m, (struct lt_session_spec){ 0 }, t.token + 12, 4, 4, false, NULL, one[1]);
        free(beside(m, cache, t.token, 7, 1));
        free(beside(m, cache, t.token, 0, 2));
        float *x = beside(m, cache, t.token, 3, 1);
        assert_memory_equal(x + 2 * VOCAB, one[0], sizeof one[0]);
        assert_memory_equal(x + 3 * VOCAB, one[1], sizeof one[1]);
        free(x);
        lt_cache_free(cache[0]);
        lt_cache_free(cache[1]);
        lt_pages_free(pages);
        lt_model_free(m);
    }
}

static void test_archs__rewind_and_fork(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct text t;
        struct lt_session s;
        float straight[VOCAB], logp[2][5];
        int vocab;
        fill(&t);
        say(m, (struct lt_session_spec){ 0 }, t.token, 10, 10, false, NULL, straight);
        assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
        assert_ok(s.type->feed(s.self, t.token, 10));
        assert_ok(s.type->score(s.self, t.token + 10, 5, logp[0], NULL));
        assert_ok(s.type->rewind(s.self, 5));
        struct lt_session f = { s.type, s.type->fork(s.self) };
        assert_memory_equal(s.type->logits(s.self, &vocab), straight, sizeof straight);
        assert_ok(s.type->feed(s.self, t.token + 3, 7));
        assert_ok(f.type->score(f.self, t.token + 10, 5, logp[1], NULL));
        assert_memory_equal(logp[0], logp[1], sizeof logp[0]);
        assert_int_equal(f.type->count(f.self), 15);
        assert_int_equal(s.type->count(s.self), 17);
        assert_fails(s.type->rewind(s.self, 18), "18");
        f.type->close(f.self);
        s.type->close(s.self);
        lt_model_free(m);
    }
}

static void test_archs__a_text_too_long_is_refused_whole(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++) {
        struct lt_model *m = make(*a, 1, NULL);
        struct lt_session s;
        int32_t token[CONTEXT + 1] = { 0 }, wrong[] = { 1, VOCAB };
        int vocab;
        float before[VOCAB];
        assert_ok(lt_model_session(m, NULL, (struct lt_session_spec){ 0 }, &s));
        assert_null(s.type->logits(s.self, &vocab));
        assert_fails(s.type->feed(s.self, token, CONTEXT + 1), "33 more do not fit");
        assert_int_equal(s.type->count(s.self), 0);
        assert_ok(s.type->feed(s.self, token, CONTEXT - 2));
        memcpy(before, s.type->logits(s.self, &vocab), sizeof before);
        assert_fails(s.type->feed(s.self, wrong, 2), "vocabulary");
        assert_fails(s.type->feed(s.self, token, 3), "30 are held");
        assert_memory_equal(before, s.type->logits(s.self, &vocab), sizeof before);
        assert_ok(s.type->feed(s.self, token, 2));
        assert_fails(s.type->feed(s.self, token, 1), "context");
        s.type->close(s.self);
        lt_model_free(m);
    }
}

/* The estimate leaves small tensors and alignment aside; ROWS * VOCAB logits are no part of the graph. */
static void test_archs__memory_is_estimated(void **state)
{
    (void)state;
    for (const struct lt_method *const *a = archs()->member; *a; a++)
        for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
            struct lt_model *m = make(*a, 1, NULL);
            struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
            struct text t;
            fill(&t);
            assert_ok(lt_model_train(m));
            m->checkpoint = checkpointed;
            step(m, g, &t.b);
            double want = (double)lt_graph_peak(g);
            double have = lt_model_activation_bytes(m, ROWS, checkpointed) - ROWS * VOCAB * sizeof(float);
            if (fabs(have - want) > 0.4 * want)
                fail_msg("%s%s: %g bytes where %g were taken", (*a)->name, checkpointed ? " checkpointed" : "", have,
                         want);
            lt_graph_free(g);
            lt_model_free(m);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_archs__same_seed_same_bits),
        cmocka_unit_test(test_archs__learn),
        cmocka_unit_test(test_archs__checkpointing_changes_no_gradient),
        cmocka_unit_test(test_archs__threads_change_no_bit),
        cmocka_unit_test(test_archs__sequences_do_not_see_each_other),
        cmocka_unit_test(test_archs__saved_and_opened),
        cmocka_unit_test(test_archs__half_precision_stays_near),
        cmocka_unit_test(test_archs__taps_see_and_steer),
        cmocka_unit_test(test_archs__wrong_tokens_and_positions),
        cmocka_unit_test(test_archs__packed_weights_give_the_same_bits),
        cmocka_unit_test(test_archs__packs_of_a_step_change_no_gradient),
        cmocka_unit_test(test_archs__sessions_give_the_same_bits_in_any_parts),
        cmocka_unit_test(test_archs__a_session_agrees_with_a_full_pass),
        cmocka_unit_test(test_archs__caches_side_by_side),
        cmocka_unit_test(test_archs__rewind_and_fork),
        cmocka_unit_test(test_archs__a_text_too_long_is_refused_whole),
        cmocka_unit_test(test_archs__memory_is_estimated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
