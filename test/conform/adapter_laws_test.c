/* Laws of adapters: each member because it is registered, and batches in which rows have different ones. */
#include "adapter_folder.h"
#include "base/ctx.h"
#include "math/quant.h"
#include "model/session.h"
#include "surgery/surgery.h"

#include <math.h>

/* ---- every member of the kind ---- */

enum { IN = 19, OUT = 23, ROWS = 7 };
struct member {
    const struct lt_adapter_type *type;
    struct lt_options *options;
    struct lt_adapter_part part;
    float *x;                       /* (ROWS, IN) */
};

static void draw(float *x, int64_t n, const char *stream)
{
    struct lt_rng r = lt_rng_make(11, stream);
    for (int64_t i = 0; i < n; i++) x[i] = (float)lt_rng_normal(&r);
}

/* fresh: as training would begin. */
static void make_member(struct member *t, const struct lt_adapter_type *type, bool fresh)
{
    *t = (struct member){ .type = type, .options = lt_options_new(&type->m),
                          .part = { .module = "model.layers.0.q_proj", .weight = 0, .in = IN, .out = OUT } };
    assert_ok(type->attach(lt_options_done(t->options), &t->part));
    for (int k = 0; type->tensor[k]; k++) {
        struct lt_weight *w = &t->part.w[k];
        int64_t n = lt_weight_count(w);
        w->master = lt_aligned((size_t)n * sizeof(float));
        w->grad = lt_calloc((size_t)n, sizeof(float));
        w->data = w->master;
        w->name = type->tensor[k];
        draw(w->master, n, w->name);
        if (fresh && w->init == LT_INIT_ZERO) memset(w->master, 0, (size_t)n * sizeof(float));
    }
    t->x = lt_alloc(ROWS * IN * sizeof(float));
    draw(t->x, ROWS * IN, "x");
}

static void end_member(struct member *t)
{
    for (int k = 0; t->type->tensor[k]; k++) {
        free(t->part.w[k].master);
        free(t->part.w[k].grad);
    }
    free(t->x);
    lt_options_free(t->options);
}

static struct lt_tensor *apply(struct member *t, struct lt_graph *g, int first, int rows)
{
    struct lt_tensor *x = lt_leaf(g, "x", LT_F32, 2, (int64_t[]){ rows, IN }, t->x + first * IN, NULL);
    struct lt_tensor *y = lt_empty(g, 2, (int64_t[]){ rows, OUT });
    memset(y->data, 0, (size_t)rows * OUT * sizeof(float));
    return t->type->apply(&t->part, g, x, y);
}

static void each_member(void (*check)(struct member *t), bool fresh)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "adapter")) k++;
    assert_non_null(k->member[0]);
    for (const struct lt_method *const *m = k->member; *m; m++) {
        struct member t;
        make_member(&t, (const struct lt_adapter_type *)*m, fresh);
        check(&t);
        end_member(&t);
    }
}

static void starts(struct member *t)
{
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    const float *d = lt_f32(apply(t, g, 0, ROWS));
    for (int i = 0; i < ROWS * OUT; i++) assert_true(d[i] == 0);
    assert_true(t->type->norm(&t->part) == 0);
    lt_graph_free(g);
}

static void test_adapter_laws__members_start_as_identity(void **state)
{
    (void)state;
    each_member(starts, true);
}

static void merged(struct member *t)
{
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    const float *d = lt_f32(apply(t, g, 0, ROWS));
    float delta[OUT * IN];
    double squares = 0;
    if (!t->type->merge) return;
    t->type->merge(&t->part, 0, 10, delta);
    t->type->merge(&t->part, 10, OUT - 10, delta + 10 * IN);
    for (int i = 0; i < OUT * IN; i++) squares += (double)delta[i] * (double)delta[i];
    assert_true(fabs(t->type->norm(&t->part) - sqrt(squares)) < 1e-5 * sqrt(squares));
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double sum = 0;
            for (int i = 0; i < IN; i++) sum += (double)delta[o * IN + i] * (double)t->x[r * IN + i];
            if (!(fabs(sum - (double)d[r * OUT + o]) < 1e-4 * (1 + fabs(sum))))
                fail_msg("%s: row %d column %d: applied %g, merged %g", t->type->m.name, r, o, (double)d[r * OUT + o],
                         sum);
        }
    lt_graph_free(g);
}

static void test_adapter_laws__merged_is_applied(void **state)
{
    (void)state;
    each_member(merged, false);
}

static void alone(struct member *t)
{
    for (int compute = LT_COMPUTE_F32; compute <= LT_COMPUTE_BF16; compute++) {
        struct lt_graph *g = lt_graph_new(NULL, (enum lt_compute)compute);
        const float *all = lt_f32(apply(t, g, 0, ROWS));
        for (int first = 0; first < ROWS; first++)
            for (int rows = 1; first + rows <= ROWS; rows++)
                assert_memory_equal(lt_f32(apply(t, g, first, rows)), all + first * OUT,
                                    (size_t)rows * OUT * sizeof(float));
        lt_graph_free(g);
    }
}

static void test_adapter_laws__a_row_does_not_depend_on_others(void **state)
{
    (void)state;
    each_member(alone, false);
}

/* The sum of what is added, weighted: its gradient against differences. */
static double weighed(struct member *t, bool back)
{
    struct lt_graph *g = lt_graph_new(NULL, LT_COMPUTE_F32);
    float weight[ROWS * OUT];
    draw(weight, ROWS * OUT, "weight");
    lt_graph_record(g, back);
    struct lt_tensor *w = lt_leaf(g, "weight", LT_F32, 2, (int64_t[]){ ROWS, OUT }, weight, NULL);
    struct lt_tensor *sum = lt_op_sum(g, lt_op_mul(g, apply(t, g, 0, ROWS), w));
    double v = (double)*lt_f32(sum);
    if (back) assert_ok(lt_graph_backward(g, sum, 1));
    lt_graph_free(g);
    return v;
}

static void slopes(struct member *t)
{
    weighed(t, true);
    for (int k = 0; t->type->tensor[k]; k++)
        for (int64_t i = 0; i < lt_weight_count(&t->part.w[k]); i += 5) {
            struct lt_weight *w = &t->part.w[k];
            float was = w->master[i], step = 0.25f;         /* the function is linear in each number */
            w->master[i] = was + step;
            double up = weighed(t, false);
            w->master[i] = was - step;
            double slope = (up - weighed(t, false)) / (2 * (double)step);
            w->master[i] = was;
            if (!(fabs(slope - (double)w->grad[i]) < 1e-3 * (1 + fabs(slope))))
                fail_msg("%s: the gradient of number %d of %s is %g, differences say %g", t->type->m.name, (int)i,
                         w->name, (double)w->grad[i], slope);
        }
}

static void test_adapter_laws__gradients(void **state)
{
    (void)state;
    each_member(slopes, false);
}

/* ---- batches ---- */

enum { VOCAB = 61, LONG = 150, SEQS = 6, FED = 9 };
static const char *const llama = "{\"vocab_size\": 61, \"hidden_size\": 64, \"intermediate_size\": 96, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"initializer_range\": 0.2, "
    "\"max_position_embeddings\": 256}";
static const char *const gpt2 = "{\"vocab_size\": 61, \"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4, "
    "\"initializer_range\": 0.2, \"n_positions\": 256}";
static const char *const gpt_neox = "{\"vocab_size\": 61, \"hidden_size\": 64, \"intermediate_size\": 96, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"initializer_range\": 0.2, "
    "\"max_position_embeddings\": 256}";

struct bench {
    struct lt_model *m;
    struct lt_adapter_named named[2];
    struct lt_adapters all;
    struct lt_ctx *c;
    struct lt_session_spec spec;
    char *temp;
};

static struct lt_model *make_model(const char *arch, const char *config)
{
    const struct lt_arch *a = (const struct lt_arch *)lt_method_find("arch", arch);
    struct lt_options *o = lt_options_new(&a->m);
    struct lt_model *m;
    assert_ok(lt_options_json(o, config));
    assert_ok(lt_model_new(a, o, 3, NULL, &m));
    return m;
}

/* Takes over m.  The second adapter changes every layer. */
static void begin(struct bench *b, struct lt_model *m)
{
    static const char *const pattern[] = { "*q*", "*" };
    *b = (struct bench){ .m = m, .temp = lt_test_temp(), .all = { b->named, 2, -1 } };
    for (int i = 0; i < 2; i++) {
        const char *folder = lt_test_path(b->temp, i ? "two" : "one");
        b->named[i].name = i ? "two" : "one";
        adapter_folder(folder, m, m->arch->m.name[0] == 'g' ? "*" : pattern[i], 3 + 2 * i, 0.2, i ? LT_BF16 : LT_F32);
        assert_ok(lt_adapter_open(folder, m, &b->named[i].adapter));
    }
    b->spec.adapters = &b->all;
}

static void end(struct bench *b)
{
    for (int i = 0; i < 2; i++) lt_adapter_free(b->named[i].adapter);
    lt_model_free(b->m);
    lt_test_temp_end(b->temp);
}

static const char *name_of(int i) { return i % 3 == 0 ? "" : i % 3 == 1 ? "one" : "two"; }
static int32_t token_of(int i, int k) { return (i * 7 + k * 5 + k * k) % VOCAB; }

/* Logits of each sequence, (SEQS, VOCAB): sequences of all kinds fed together by `step` tokens, or one by one. */
static void feed(struct bench *b, bool together, int step, float *out)
{
    struct lt_runner *r;
    struct lt_session s[SEQS];
    int32_t token[SEQS][FED];
    assert_ok(lt_runner_new(b->m, b->c, b->spec, &r));
    for (int i = 0; i < SEQS; i++) {
        lt_runner_session(r, &s[i]);
        if (b->spec.adapters) assert_ok(s[i].type->adapt(s[i].self, name_of(i)));
        for (int k = 0; k < FED; k++) token[i][k] = token_of(i, k);
    }
    for (int at = 0; at < FED; at += step) {
        struct lt_feed f[SEQS];
        int n = LT_MIN(step, FED - at);
        for (int i = 0; i < SEQS; i++)
            f[i] = (struct lt_feed){ .s = s[i].self, .token = token[i] + at, .n = n, .row = out + i * VOCAB,
                                     .rows = 1 };
        if (together) assert_int_equal(s[0].type->feed_many(f, SEQS), 0);
        for (int i = 0; i < SEQS && !together; i++) assert_int_equal(s[0].type->feed_many(&f[i], 1), 0);
    }
    for (int i = 0; i < SEQS; i++) s[i].type->close(s[i].self);
    lt_runner_free(r);
}

static void same(const float *a, const float *b, const char *what, int thread, int step)
{
    for (int i = 0; i < SEQS; i++)
        if (memcmp(a + i * VOCAB, b + i * VOCAB, VOCAB * sizeof *a))
            fail_msg("%s: sequence %d (\"%s\") differs, %d threads, %d tokens at a time", what, i, name_of(i), thread,
                     step);
}

static void check_batches(struct lt_model *m)
{
    struct bench b;
    float want[SEQS * VOCAB], plain[SEQS * VOCAB], have[SEQS * VOCAB];
    begin(&b, m);
    for (int compute = LT_COMPUTE_F32; compute <= LT_COMPUTE_BF16; compute++)
        for (int packed = 0; packed < 2; packed++) {
            b.spec.compute = (enum lt_compute)compute;
            if (packed) lt_model_pack(m, b.spec.compute, NULL);
            for (int i = 0; i < 2 && packed; i++) lt_adapter_pack(b.named[i].adapter, b.spec.compute, NULL);
            b.c = NULL;
            if (!packed) feed(&b, false, FED, want);
            b.spec.adapters = NULL;
            feed(&b, false, FED, plain);
            b.spec.adapters = &b.all;
            for (int i = 0; i < SEQS; i++)      /* base rows as without adapters, others different */
                assert_int_equal(!memcmp(plain + i * VOCAB, want + i * VOCAB, VOCAB * sizeof *plain), i % 3 == 0);
            for (int threads = 1; threads <= 2; threads++) {
                b.c = lt_ctx_new(threads, NULL, NULL);
                for (int step = 1; step <= FED; step += 4) {
                    feed(&b, true, step, have);
                    same(have, want, m->arch->m.name, threads, step);
                }
                lt_ctx_free(b.c);
            }
        }
    end(&b);
}

static void test_adapter_laws__a_batch_of_many_has_the_bits_of_each_alone(void **state)
{
    (void)state;
    check_batches(make_model("llama", llama));
    check_batches(make_model("gpt2", gpt2));
    check_batches(make_model("gpt_neox", gpt_neox));
}

/* Over a base whose weights are blocks. */
static void test_adapter_laws__a_quantised_base(void **state)
{
    (void)state;
    char *temp = lt_test_temp();
    struct lt_model *m = make_model("llama", llama), *q;
    const char *folder = lt_test_path(temp, "model"), *file = lt_test_path(temp, "model.gguf");
    struct lt_convert_options o = { .input = folder, .output = file, .outtype = "q8_0", .tokenizer_form = "none",
                                    .max_shard_size = "5GB", .check = "never", .json = true };
    assert_ok(lt_model_save(m, folder, LT_F32));
    int out = dup(1);
    assert_non_null(freopen("/dev/null", "w", stdout));
    assert_ok(lt_convert_run(&o, NULL));
    fflush(stdout);
    dup2(out, 1);
    close(out);
    lt_model_free(m);
    assert_ok(lt_model_open(file, &q));
    assert_int_equal(lt_model_weight(q, "model.layers.0.self_attn.q_proj.weight")->type, LT_Q8_0);
    struct bench b;
    begin(&b, q);
    assert_fails(lt_adapter_fold(b.named[0].adapter, q, LT_F32, true, NULL), "quantised");
    end(&b);
    assert_ok(lt_model_open(file, &q));
    check_batches(q);
    lt_test_temp_end(temp);
}

/* Texts that begin alike share pages, unless their adapters differ. */
static void test_adapter_laws__pages_are_shared_within_an_adapter_alone(void **state)
{
    (void)state;
    struct bench b;
    struct lt_runner *r;
    float *want[3], have[VOCAB];
    int32_t token[LONG];
    begin(&b, make_model("llama", llama));
    for (int k = 0; k < LONG; k++) token[k] = token_of(1, k);
    for (int round = 0; round < 3; round++) {       /* each alone; then in one memory; then again, with pages to take */
        if (round < 2) assert_ok(lt_runner_new(b.m, NULL, b.spec, &r));
        for (int i = 0; i < 3; i++) {
            struct lt_session s;
            struct lt_runner *mine = r;
            if (!round) assert_ok(lt_runner_new(b.m, NULL, b.spec, &mine));
            lt_runner_session(mine, &s);
            assert_ok(s.type->adapt(s.self, name_of(i)));
            struct lt_feed f = { .s = s.self, .token = token, .n = LONG, .row = have, .rows = 1 };
            assert_int_equal(s.type->feed_many(&f, 1), 0);
            if (!round) {
                want[i] = lt_alloc(sizeof have);
                memcpy(want[i], have, sizeof have);
            } else assert_memory_equal(have, want[i], sizeof have);
            assert_fails(s.type->adapt(s.self, "one"), "holds 150 tokens");
            void *fork = s.type->fork(s.self);          /* which goes on with the same adapter, after a rewind too */
            assert_ok(s.type->rewind(fork, 1));
            assert_ok(s.type->feed(fork, &token[LONG - 1], 1));
            int vocab;
            assert_memory_equal(s.type->logits(fork, &vocab), want[i], sizeof have);
            s.type->close(fork);
            s.type->close(s.self);
            if (!round) lt_runner_free(mine);
        }
        if (round != 1) lt_runner_free(r);
    }
    for (int i = 0; i < 3; i++) free(want[i]);
    end(&b);
}

static void test_adapter_laws__saved_sessions_belong_to_their_adapter(void **state)
{
    (void)state;
    struct bench b;
    struct lt_session s, other;
    struct lt_buf bytes = { 0 };
    begin(&b, make_model("llama", llama));
    assert_ok(lt_model_session(b.m, NULL, b.spec, &s));
    assert_ok(s.type->adapt(s.self, "one"));
    assert_ok(s.type->feed(s.self, (int32_t[]){ 1, 2, 3 }, 3));
    lt_session_write(&s, &bytes);
    for (int i = 0; i < 3; i++) {
        assert_ok(lt_model_session(b.m, NULL, b.spec, &other));
        assert_ok(other.type->adapt(other.self, name_of(i)));
        int rc = lt_session_parse(&other, "saved", (const uint8_t *)bytes.p, bytes.n);
        assert_int_equal(rc == 0, i == 1);
        if (rc) assert_non_null(strstr(lt_error(), "another model or adapter"));
        other.type->close(other.self);
    }
    assert_ok(lt_model_session(b.m, NULL, b.spec, &other));
    assert_fails(other.type->adapt(other.self, "three"), "opened with \"one\", \"two\"");
    other.type->close(other.self);
    s.type->close(s.self);
    lt_buf_free(&bytes);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapter_laws__members_start_as_identity),
        cmocka_unit_test(test_adapter_laws__merged_is_applied),
        cmocka_unit_test(test_adapter_laws__a_row_does_not_depend_on_others),
        cmocka_unit_test(test_adapter_laws__gradients),
        cmocka_unit_test(test_adapter_laws__a_batch_of_many_has_the_bits_of_each_alone),
        cmocka_unit_test(test_adapter_laws__a_quantised_base),
        cmocka_unit_test(test_adapter_laws__pages_are_shared_within_an_adapter_alone),
        cmocka_unit_test(test_adapter_laws__saved_sessions_belong_to_their_adapter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
