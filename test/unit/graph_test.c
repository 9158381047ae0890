/* The tape: gradients of tensors used more than once, checkpoints, the expected seed, memory, and the same bits on any
 * number of threads; on a small Transformer block. */
#include "test.h"
#include "base/ctx.h"
#include "graph/graph.h"
#include <math.h>

enum { ROWS = 48, WIDTH = 32, HEADS = 4, HIDDEN = 40, VOCAB = 50, WEIGHTS = 8 };

static const int64_t shapes[WEIGHTS][2] = {
    { VOCAB, WIDTH }, { 3 * WIDTH, WIDTH }, { WIDTH, WIDTH }, { 2 * HIDDEN, WIDTH }, { WIDTH, HIDDEN }, { 1, WIDTH },
    { 1, WIDTH }, { WIDTH, WIDTH },
};

struct net {
    struct lt_ctx *ctx;
    struct lt_graph *g;
    float *w[WEIGHTS], *grad[WEIGHTS], angle[ROWS * WIDTH / HEADS];
    int32_t id[ROWS], target[ROWS], pos[ROWS];
    struct lt_tensor *leaf[WEIGHTS];
    bool checkpoint;
};

static void open_net(struct net *n, int threads, enum lt_compute compute)
{
    struct lt_rng r = lt_rng_make(5, "net");
    memset(n, 0, sizeof *n);
    n->ctx = lt_ctx_new(threads, NULL, NULL);
    n->g = lt_graph_new(n->ctx, compute);
    for (int i = 0; i < WEIGHTS; i++) {
        int64_t size = shapes[i][0] * shapes[i][1];
        n->w[i] = lt_calloc((size_t)size, sizeof(float));
        n->grad[i] = lt_calloc((size_t)size, sizeof(float));
        for (int64_t k = 0; k < size; k++) n->w[i][k] = 0.2f * (float)lt_rng_normal(&r);
    }
    for (int i = 0; i < ROWS; i++) {
        n->id[i] = (int32_t)lt_rng_below(&r, VOCAB);
        n->target[i] = (int32_t)lt_rng_below(&r, VOCAB);
        n->pos[i] = i % (ROWS / 2);
    }
    lt_rope_angles(n->angle, ROWS, WIDTH / HEADS, 1e4, NULL);
}

static void close_net(struct net *n)
{
    for (int i = 0; i < WEIGHTS; i++) { free(n->w[i]); free(n->grad[i]); }
    lt_graph_free(n->g);
    lt_ctx_free(n->ctx);
}

static struct lt_tensor *block(void *self, struct lt_graph *g, struct lt_tensor *x)
{
    struct net *n = self;
    struct lt_attn_seq seq[2] = { { .row = 0, .q_len = ROWS / 2, .k_len = ROWS / 2 },
                                  { .row = ROWS / 2, .q_len = ROWS / 2, .k_len = ROWS / 2 } };
    struct lt_attn spec = { .heads = HEADS, .kv_heads = HEADS, .dim = WIDTH / HEADS, .scale = 0.35f, .seq = seq,
                            .seq_count = 2 };
    struct lt_tensor *qkv = lt_op_linear(g, lt_op_rmsnorm(g, x, n->leaf[5], 1e-5f), n->leaf[1], NULL, false);
    struct lt_tensor *q = lt_op_rope(g, lt_op_slice(g, qkv, 0, WIDTH), HEADS, WIDTH / HEADS, false, n->angle, n->pos);
    struct lt_tensor *k = lt_op_slice(g, qkv, WIDTH, WIDTH), *v = lt_op_slice(g, qkv, 2 * WIDTH, WIDTH);
    struct lt_tensor *o = lt_op_dropout(g, lt_op_attention(g, q, k, v, &spec), 0.2f);
    x = lt_op_add(g, x, lt_op_linear(g, o, n->leaf[2], NULL, false));
    struct lt_tensor *h = lt_op_linear(g, lt_op_layernorm(g, x, n->leaf[6], NULL, 1e-5f), n->leaf[3], NULL, false);
    h = lt_op_glu(g, lt_op_slice(g, h, 0, HIDDEN), lt_op_slice(g, h, HIDDEN, HIDDEN), LT_ACT_SILU);
    return lt_op_add(g, x, lt_op_dropout(g, lt_op_linear(g, h, n->leaf[4], NULL, false), 0.1f));
}

/* One pass forward and back; the weights' gradients are added to. */
static float run(struct net *n, float expect, float seed)
{
    struct lt_graph *g = n->g;
    lt_graph_reset(g);
    lt_graph_record(g, true);
    lt_graph_train(g, true, 77);
    lt_graph_expect(g, expect);
    for (int i = 0; i < WEIGHTS; i++) {
        bool vector = shapes[i][0] == 1;
        n->leaf[i] = lt_leaf(g, "w", LT_F32, vector ? 1 : 2, vector ? shapes[i] + 1 : shapes[i], n->w[i], n->grad[i]);
    }
    struct lt_tensor *x = lt_op_embed(g, n->leaf[0], n->id, ROWS);
    for (int layer = 0; layer < 2; layer++) x = n->checkpoint ? lt_checkpoint(g, block, n, x) : block(n, g, x);
    struct lt_head spec = { .target = n->target };
    struct lt_tensor *loss = lt_op_head_xent(g, x, n->leaf[0], NULL, false, &spec);
    float value = *lt_f32(loss);
    assert_ok(lt_graph_backward(g, loss, seed));
    return value;
}

static void same_gradients(const struct net *a, const struct net *b)
{
    for (int i = 0; i < WEIGHTS; i++)
        assert_memory_equal(a->grad[i], b->grad[i], (size_t)(shapes[i][0] * shapes[i][1]) * sizeof(float));
}

static void test_graph__same_bits_on_threads(void **state)
{
    (void)state;
    for (int compute = 0; compute < 2; compute++) {
        struct net one, many;
        open_net(&one, 1, (enum lt_compute)compute);
        float loss = run(&one, 1, 1);
        for (int threads = 2; threads <= 4; threads += 2) {
            open_net(&many, threads, (enum lt_compute)compute);
            assert_true(run(&many, 1, 1) == loss);
            same_gradients(&one, &many);
            close_net(&many);
        }
        close_net(&one);
    }
}

static void test_graph__checkpoints_change_no_bit(void **state)
{
    (void)state;
    struct net plain, saved;
    open_net(&plain, 1, LT_COMPUTE_F32);
    open_net(&saved, 1, LT_COMPUTE_F32);
    saved.checkpoint = true;
    assert_true(run(&plain, 1, 1) == run(&saved, 1, 1));
    same_gradients(&plain, &saved);
    close_net(&plain);
    close_net(&saved);
}

/* A seed that was announced takes the head's gradients in the forward pass; another, or none, in a second one. */
static void test_graph__expected_seed(void **state)
{
    (void)state;
    const float announced[] = { 0.5f, 0, 1 };
    struct net n[3];
    for (int i = 0; i < 3; i++) {
        open_net(&n[i], 1, LT_COMPUTE_F32);
        run(&n[i], announced[i], 0.5f);
    }
    same_gradients(&n[0], &n[1]);
    for (int64_t k = 0; k < shapes[1][0] * shapes[1][1]; k++)
        assert_true(fabsf(n[0].grad[1][k] - n[2].grad[1][k]) <= 1e-5f * (1 + fabsf(n[0].grad[1][k])));
    for (int i = 0; i < 3; i++) close_net(&n[i]);
}

/* Four passes give four times the gradient, and once the arena is one block no more memory is taken. */
static void test_graph__passes_add_up_in_the_same_memory(void **state)
{
    (void)state;
    struct net once, often;
    open_net(&once, 1, LT_COMPUTE_F32);
    open_net(&often, 1, LT_COMPUTE_F32);
    run(&once, 1, 1);
    for (int i = 0; i < 3; i++) run(&often, 1, 1);
    size_t peak = lt_graph_peak(often.g);
    run(&often, 1, 1);
    assert_int_equal(lt_graph_peak(often.g), peak);
    for (int i = 0; i < WEIGHTS; i++)
        for (int64_t k = 0; k < shapes[i][0] * shapes[i][1]; k++)
            assert_true(fabsf(often.grad[i][k] - 4 * once.grad[i][k]) <= 1e-5f * (1 + fabsf(once.grad[i][k])));
    close_net(&once);
    close_net(&often);
}

typedef struct lt_tensor *use_fn(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w);
static struct lt_tensor *use_act(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return lt_op_act(g, x, LT_ACT_GELU);
}
static struct lt_tensor *use_glu(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return lt_op_glu(g, x, x, LT_ACT_SILU);
}
static struct lt_tensor *use_norm(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return lt_op_rmsnorm(g, x, NULL, 1e-5f);
}
static struct lt_tensor *use_layer(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return lt_op_layernorm(g, x, NULL, NULL, 1e-5f);
}
static struct lt_tensor *use_linear(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    return lt_op_linear(g, x, w, NULL, false);
}
static struct lt_tensor *use_add(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return lt_op_add(g, x, x);
}
static struct lt_tensor *use_part(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    return lt_op_linear(g, lt_op_slice(g, x, 0, WIDTH), w, NULL, false);
}

static struct lt_tensor *attend(struct lt_graph *g, struct lt_tensor *q, struct lt_tensor *k, struct lt_tensor *v)
{
    struct lt_attn_seq seq[2] = { { .row = 0, .q_len = 20, .k_len = 20 },
                                  { .row = 20, .q_len = VOCAB - 20, .k_len = VOCAB - 20 } };
    struct lt_attn spec = { .heads = HEADS, .kv_heads = HEADS, .dim = WIDTH / HEADS, .scale = 0.35f, .seq = seq,
                            .seq_count = 2 };
    return lt_op_attention(g, q, k, v, &spec);
}
static struct lt_tensor *use_thrice(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    (void)w;
    return attend(g, x, x, x);
}
static struct lt_tensor *use_key(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *w)
{
    return attend(g, lt_op_linear(g, x, w, NULL, false), x, lt_op_act(g, x, LT_ACT_SILU));
}

/* Gradient of sum(a(h)) or sum(a(h)) + sum(b(h)), h = x w^T, at x. */
static void slope_of(struct net *n, use_fn *a, use_fn *b, float *slope)
{
    struct lt_graph *g = n->g;
    int64_t dim[2] = { VOCAB, WIDTH };
    lt_graph_reset(g);
    lt_graph_record(g, true);
    memset(slope, 0, VOCAB * WIDTH * sizeof *slope);
    struct lt_tensor *x = lt_leaf(g, "x", LT_F32, 2, dim, n->w[0], slope);
    struct lt_tensor *w = lt_leaf(g, "w", LT_F32, 2, shapes[7], n->w[7], NULL);
    struct lt_tensor *h = lt_op_linear(g, x, w, NULL, false), *loss = lt_op_sum(g, a(g, h, w));
    if (b) loss = lt_op_add(g, loss, lt_op_sum(g, b(g, h, w)));
    assert_ok(lt_graph_backward(g, loss, 1));
}

/* Whichever consumer's gradient arrives first, and whether it writes over or adds, they sum up. */
static void test_graph__every_pair_of_consumers(void **state)
{
    (void)state;
    use_fn *const use[] = { use_act, use_glu, use_norm, use_layer, use_linear, use_add, use_part, use_thrice, use_key };
    enum { N = VOCAB * WIDTH };
    float a[N], b[N], both[N];
    struct net n;
    open_net(&n, 1, LT_COMPUTE_F32);
    for (int i = 0; i < LT_COUNT(use) * LT_COUNT(use); i++) {
        slope_of(&n, use[i / LT_COUNT(use)], NULL, a);
        slope_of(&n, use[i % LT_COUNT(use)], NULL, b);
        slope_of(&n, use[i / LT_COUNT(use)], use[i % LT_COUNT(use)], both);
        for (int k = 0; k < N; k++) assert_true(fabsf(a[k] + b[k] - both[k]) <= 1e-4f * (1 + fabsf(both[k])));
    }
    close_net(&n);
}

static void test_graph__nothing_to_train(void **state)
{
    (void)state;
    struct net n;
    open_net(&n, 1, LT_COMPUTE_F32);
    lt_graph_record(n.g, true);
    struct lt_tensor *w = lt_leaf(n.g, "w", LT_F32, 2, shapes[7], n.w[7], NULL);
    assert_fails(lt_graph_backward(n.g, lt_op_sum(n.g, w), 1), "no trainable weight");
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_graph__same_bits_on_threads),
        cmocka_unit_test(test_graph__checkpoints_change_no_bit),
        cmocka_unit_test(test_graph__expected_seed),
        cmocka_unit_test(test_graph__passes_add_up_in_the_same_memory),
        cmocka_unit_test(test_graph__every_pair_of_consumers),
        cmocka_unit_test(test_graph__nothing_to_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
