/* Cases of the operations' conformance test: what to build, and the same thing in plain double arithmetic.
 * Included by ops_test.c alone: a test is one translation unit. */
#ifndef LT_TEST_OP_CASES_H
#define LT_TEST_OP_CASES_H

#include <math.h>

#include "graph/graph.h"
#include "test.h"

enum fill { FILL_NORMAL, FILL_TIES, FILL_ZERO, FILL_BIG };     /* TIES: -1, 0 or 1; BIG: some of +-1e4 among normals */
enum { INPUTS = 4, DROP_SEED = 7 };

struct op_input { int rank; int64_t dim[4]; enum fill fill; };
struct op_case {
    const char *op, *what;
    struct op_input in[INPUTS];         /* rank 0 ends the list */
    struct lt_tensor *(*build)(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in);
    void (*twin)(const struct op_case *c, double *const *in, double *out);
    const void *config;
    double slack;                       /* absolute, of gradients: where f32 takes a difference of terms far larger */
};

static int64_t rows_of(const struct op_case *c) { return c->in[0].dim[0]; }
static int64_t cols_of(const struct op_case *c) { return c->in[0].dim[1]; }

/* ---- sums, products, views ---- */

static struct lt_tensor *build_add(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_add(g, in[0], in[1]);
}
static void twin_add(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = in[0][i] + in[1][i];
}
static struct lt_tensor *build_double(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    struct lt_tensor *x = lt_op_scale(g, in[0], 1);
    return lt_op_add(g, x, x);
}
static void twin_double(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = 2 * in[0][i];
}
static struct lt_tensor *build_mul(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_mul(g, in[0], in[1]);
}
static void twin_mul(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = in[0][i] * in[1][i];
}
static struct lt_tensor *build_scale(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_scale(g, in[0], -1.5f);
}
static void twin_scale(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = -1.5 * in[0][i];
}
static struct lt_tensor *build_sum(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_sum(g, in[0]);
}
static void twin_sum(const struct op_case *c, double *const *in, double *out)
{
    out[0] = 0;
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[0] += in[0][i];
}
static struct lt_tensor *build_view(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    int64_t dim[3] = { 1, cols_of(c), rows_of(c) };
    return lt_op_view(g, lt_op_scale(g, in[0], 1), 3, dim);
}
static void twin_view(const struct op_case *c, double *const *in, double *out)
{
    memcpy(out, in[0], (size_t)(rows_of(c) * cols_of(c)) * sizeof *out);
}
/* Two slices that overlap in a column, added: strided operands on both sides. */
static struct lt_tensor *build_slice(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    int64_t n = cols_of(c) / 2 + 1;
    struct lt_tensor *x = lt_op_scale(g, in[0], 2);
    return lt_op_add(g, lt_op_slice(g, x, 0, n), lt_op_slice(g, x, cols_of(c) - n, n));
}
static void twin_slice(const struct op_case *c, double *const *in, double *out)
{
    int64_t cols = cols_of(c), n = cols / 2 + 1;
    for (int64_t i = 0; i < rows_of(c); i++)
        for (int64_t j = 0; j < n; j++) out[i * n + j] = 2 * (in[0][i * cols + j] + in[0][i * cols + cols - n + j]);
}

/* A block of the second input added into a block of the first, twice over; with a config they go into
 * a constant, which wants no gradient, and the first input is added after. */
static struct lt_tensor *build_add_block(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    int64_t rows = rows_of(c), cols = cols_of(c);
    struct lt_tensor *x = lt_op_scale(g, in[0], 2), *d = lt_op_scale(g, in[1], 3);
    if (c->config) {
        x = lt_empty(g, 2, in[0]->dim);
        memset(x->data, 0, (size_t)(rows * cols) * sizeof(float));
    }
    x = lt_op_add_block(g, x, lt_op_block(g, d, 1, rows - 1, 1, cols - 2), 0, 2);
    x = lt_op_add_block(g, x, lt_op_block(g, d, 0, 1, 0, 2), rows - 1, 1);
    x = lt_op_slice(g, x, 0, cols);             /* a view of a view */
    return c->config ? lt_op_add(g, x, lt_op_scale(g, in[0], 2)) : x;
}
static void twin_add_block(const struct op_case *c, double *const *in, double *out)
{
    int64_t rows = rows_of(c), cols = cols_of(c);
    for (int64_t i = 0; i < rows * cols; i++) out[i] = 2 * in[0][i];
    for (int64_t i = 0; i < rows - 1; i++)
        for (int64_t j = 0; j < cols - 2; j++) out[i * cols + 2 + j] += 3 * in[1][(i + 1) * cols + 1 + j];
    for (int64_t j = 0; j < 2; j++) out[(rows - 1) * cols + 1 + j] += 3 * in[1][j];
}

/* ---- weights ---- */

static struct lt_tensor *build_linear(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    return lt_op_linear(g, in[0], in[1], in[2], c->config != NULL);
}
static void twin_linear(const struct op_case *c, double *const *in, double *out)
{
    bool transposed = c->config != NULL;
    int64_t width = c->in[1].dim[transposed ? 1 : 0], k = cols_of(c);
    for (int64_t i = 0; i < rows_of(c); i++)
        for (int64_t o = 0; o < width; o++) {
            double sum = c->in[2].rank ? in[2][o] : 0;
            for (int64_t j = 0; j < k; j++) sum += in[0][i * k + j] * in[1][transposed ? j * width + o : o * k + j];
            out[i * width + o] = sum;
        }
}
static const int32_t EMBED_ID[] = { 2, 0, 2, 4, 2 };
static struct lt_tensor *build_embed(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_embed(g, in[0], EMBED_ID, LT_COUNT(EMBED_ID));
}
static void twin_embed(const struct op_case *c, double *const *in, double *out)
{
    int64_t cols = cols_of(c);
    for (int i = 0; i < LT_COUNT(EMBED_ID); i++)
        memcpy(out + i * cols, in[0] + EMBED_ID[i] * cols, (size_t)cols * sizeof *out);
}

/* ---- norms ---- */

static const double EPS = 1e-5;
static struct lt_tensor *build_rmsnorm(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_rmsnorm(g, in[0], in[1], (float)EPS);
}
static void twin_rmsnorm(const struct op_case *c, double *const *in, double *out)
{
    int64_t cols = cols_of(c);
    for (int64_t i = 0; i < rows_of(c); i++) {
        const double *x = in[0] + i * cols;
        double sum = 0;
        for (int64_t j = 0; j < cols; j++) sum += x[j] * x[j];
        double r = 1 / sqrt(sum / (double)cols + EPS);
        for (int64_t j = 0; j < cols; j++) out[i * cols + j] = x[j] * r * (c->in[1].rank ? in[1][j] : 1);
    }
}
static struct lt_tensor *build_layernorm(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_layernorm(g, in[0], in[1], in[2], (float)EPS);
}
static void twin_layernorm(const struct op_case *c, double *const *in, double *out)
{
    int64_t cols = cols_of(c);
    for (int64_t i = 0; i < rows_of(c); i++) {
        const double *x = in[0] + i * cols;
        double mean = 0, var = 0;
        for (int64_t j = 0; j < cols; j++) mean += x[j] / (double)cols;
        for (int64_t j = 0; j < cols; j++) var += (x[j] - mean) * (x[j] - mean) / (double)cols;
        for (int64_t j = 0; j < cols; j++)
            out[i * cols + j] = (x[j] - mean) / sqrt(var + EPS) * (c->in[1].rank ? in[1][j] : 1) +
                                (c->in[2].rank ? in[2][j] : 0);
    }
}

/* ---- activations ---- */

static double act(enum lt_act a, double x)
{
    switch (a) {
    case LT_ACT_GELU: return x / 2 * (1 + erf(x / sqrt(2)));
    case LT_ACT_GELU_TANH: return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case LT_ACT_SILU: return x / (1 + exp(-x));
    case LT_ACT_RELU: return x > 0 ? x : 0;
    case LT_ACT_RELU2: return x > 0 ? x * x : 0;
    }
    return 0;
}
static struct lt_tensor *build_clip(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    return lt_op_clip(g, in[0], *(const float *)c->config);
}
static void twin_clip(const struct op_case *c, double *const *in, double *out)
{
    double bound = (double)*(const float *)c->config;
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = fmax(-bound, fmin(bound, in[0][i]));
}
static struct lt_tensor *build_act(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    return lt_op_act(g, in[0], *(const enum lt_act *)c->config);
}
static void twin_act(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++) out[i] = act(*(const enum lt_act *)c->config, in[0][i]);
}
static struct lt_tensor *build_glu(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    return lt_op_glu(g, in[0], in[1], *(const enum lt_act *)c->config);
}
static void twin_glu(const struct op_case *c, double *const *in, double *out)
{
    for (int64_t i = 0; i < rows_of(c) * cols_of(c); i++)
        out[i] = act(*(const enum lt_act *)c->config, in[0][i]) * in[1][i];
}
/* The mask of the dropout that `position` others come before. */
static void drop_mask(int64_t n, float rate, uint64_t position, double *mask)
{
    float one = 1, *ones = lt_alloc((size_t)n * sizeof one), *y = lt_alloc((size_t)n * sizeof one);
    for (int64_t i = 0; i < n; i++) ones[i] = one;
    lt_dropout(NULL, n, rate, DROP_SEED, position, ones, y, false);
    for (int64_t i = 0; i < n; i++) mask[i] = (double)y[i];
    free(ones);
    free(y);
}
static struct lt_tensor *build_dropout(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_op_dropout(g, in[0], 0.25f);
}
static void twin_dropout(const struct op_case *c, double *const *in, double *out)
{
    int64_t n = rows_of(c) * cols_of(c);
    drop_mask(n, 0.25f, 0, out);
    for (int64_t i = 0; i < n; i++) out[i] *= in[0][i];
}

/* ---- checkpoint: dropout of a linear layer after another one, with the weight outside the segment ---- */

static struct lt_tensor *segment(void *self, struct lt_graph *g, struct lt_tensor *x)
{
    return lt_op_act(g, lt_op_dropout(g, lt_op_linear(g, x, self, NULL, false), 0.5f), LT_ACT_SILU);
}
static struct lt_tensor *build_checkpoint(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    (void)c;
    return lt_checkpoint(g, segment, in[1], lt_op_dropout(g, in[0], 0.25f));
}
static void twin_checkpoint(const struct op_case *c, double *const *in, double *out)
{
    int64_t width = c->in[1].dim[0], k = cols_of(c);
    double *before = lt_alloc((size_t)(rows_of(c) * k) * sizeof *before);
    drop_mask(rows_of(c) * k, 0.25f, 0, before);
    drop_mask(rows_of(c) * width, 0.5f, 1, out);
    for (int64_t i = 0; i < rows_of(c); i++)
        for (int64_t o = 0; o < width; o++) {
            double sum = 0;
            for (int64_t j = 0; j < k; j++) sum += before[i * k + j] * in[0][i * k + j] * in[1][o * k + j];
            out[i * width + o] = act(LT_ACT_SILU, sum * out[i * width + o]);
        }
    free(before);
}

/* ---- rope ---- */

struct turn_config { int64_t heads, rot; bool interleaved; };
enum { POSITIONS = 6, ROT_MAX = 8 };
static void angles(float *angle, int64_t rot)
{
    for (int p = 0; p < POSITIONS; p++)
        for (int64_t i = 0; i < rot / 2; i++) {
            double a = p * pow(10, -(double)i);
            angle[(p * rot / 2 + i) * 2] = (float)cos(a);
            angle[(p * rot / 2 + i) * 2 + 1] = (float)sin(a);
        }
}
static const int32_t TURN_POS[] = { 0, 3, 5, 1 };
static struct lt_tensor *build_rope(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    const struct turn_config *k = c->config;
    float *table = lt_empty(g, 1, (int64_t[]){ POSITIONS * ROT_MAX })->data;     /* lives as long as the graph */
    angles(table, k->rot);
    return lt_op_rope(g, lt_op_scale(g, in[0], 1), k->heads, k->rot, k->interleaved, table, TURN_POS);
}
static struct lt_tensor *build_rope_in_place(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    const struct turn_config *k = c->config;
    float *table = lt_empty(g, 1, (int64_t[]){ POSITIONS * ROT_MAX })->data;
    angles(table, k->rot);
    return lt_op_rope_in_place(g, lt_op_scale(g, in[0], 1), k->heads, k->rot, k->interleaved, table, TURN_POS);
}
static void twin_rope(const struct op_case *c, double *const *in, double *out)
{
    const struct turn_config *k = c->config;
    float angle[POSITIONS * ROT_MAX];
    angles(angle, k->rot);
    int64_t cols = cols_of(c), dim = cols / k->heads;
    memcpy(out, in[0], (size_t)(rows_of(c) * cols) * sizeof *out);
    for (int64_t r = 0; r < rows_of(c); r++)
        for (int64_t h = 0; h < k->heads; h++)
            for (int64_t i = 0; i < k->rot / 2; i++) {
                int64_t at = r * cols + h * dim;
                int64_t a = at + (k->interleaved ? 2 * i : i), b = at + (k->interleaved ? 2 * i + 1 : i + k->rot / 2);
                const float *t = angle + (TURN_POS[r] * k->rot / 2 + i) * 2;
                out[a] = in[0][a] * (double)t[0] - in[0][b] * (double)t[1];
                out[b] = in[0][a] * (double)t[1] + in[0][b] * (double)t[0];
            }
}

/* ---- attention over slices of one tensor (rows, (heads + 2 kv_heads) dim) ---- */

static struct lt_tensor *build_attention(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    const struct lt_attn *s = c->config;
    int64_t q = (int64_t)s->heads * s->dim, kv = (int64_t)s->kv_heads * s->dim;
    struct lt_tensor *x = lt_op_scale(g, in[0], 1);
    return lt_op_attention(g, lt_op_slice(g, x, 0, q), lt_op_slice(g, x, q, kv), lt_op_slice(g, x, q + kv, kv), s);
}
static bool sees(const struct lt_attn *s, const struct lt_attn_seq *seq, int i, int j)
{
    if (s->window && i - j >= s->window) return false;
    if (s->mask == LT_MASK_NONE) return true;
    return j <= i || (s->mask == LT_MASK_PREFIX && i < seq->prefix && j < seq->prefix);
}
static void attend_row(const struct op_case *c, const double *x, const struct lt_attn_seq *seq, int i, int h,
                       double *out)
{
    const struct lt_attn *s = c->config;
    int64_t cols = cols_of(c), kv = h / (s->heads / s->kv_heads), dim = s->dim;
    const double *q = x + (seq->row + i) * cols + h * dim;
    double p[64], top = -INFINITY, sum = 0;
    for (int j = 0; j < seq->k_len; j++) {
        const double *k = x + (seq->row + j) * cols + (s->heads + kv) * dim;
        p[j] = 0;
        for (int64_t d = 0; d < dim; d++) p[j] += q[d] * k[d] * (double)s->scale;
        if (!sees(s, seq, i, j)) p[j] = -INFINITY;
        top = fmax(top, p[j]);
    }
    for (int j = 0; j < seq->k_len; j++) sum += p[j] = exp(p[j] - top);
    for (int64_t d = 0; d < dim; d++) out[d] = 0;
    for (int j = 0; j < seq->k_len; j++) {
        const double *v = x + (seq->row + j) * cols + (s->heads + s->kv_heads + kv) * dim;
        for (int64_t d = 0; d < dim; d++) out[d] += p[j] / sum * v[d];
    }
}
static void twin_attention(const struct op_case *c, double *const *in, double *out)
{
    const struct lt_attn *s = c->config;
    for (int64_t n = 0; n < s->seq_count; n++)
        for (int i = 0; i < s->seq[n].q_len; i++)
            for (int h = 0; h < s->heads; h++)
                attend_row(c, in[0], &s->seq[n], i, h, out + ((s->seq[n].row + i) * s->heads + h) * s->dim);
}

/* Attention with weights that are exactly 0 for most keys: scores as above, then the definitions over sorted scores. */
struct sparse_config { enum lt_attend kind; struct lt_attn attn; };

static struct lt_tensor *build_sparse_attention(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    const struct sparse_config *s = c->config;
    int64_t q = (int64_t)s->attn.heads * s->attn.dim, kv = (int64_t)s->attn.kv_heads * s->attn.dim;
    struct lt_tensor *x = lt_op_scale(g, in[0], 1);
    return lt_op_sparse_attention(g, s->kind, lt_op_slice(g, x, 0, q), lt_op_slice(g, x, q, kv),
                                  lt_op_slice(g, x, q + kv, kv), &s->attn);
}
static void sparse_weights(enum lt_attend kind, double *p, int n)
{
    double sorted[64], top = -INFINITY, sum = 0, tau = 0, equal = 0;
    for (int j = 0; j < n; j++) {
        int at = j;
        for (; at && sorted[at - 1] < p[j]; at--) sorted[at] = sorted[at - 1];
        sorted[at] = p[j];
        top = fmax(top, p[j]);
    }
    for (int j = 0; j < n; j++) equal += p[j] == top;
    for (int j = 0; j < n && sorted[j] > -INFINITY; j++) {
        sum += sorted[j];
        if (1 + (j + 1) * sorted[j] > sum) tau = (sum - 1) / (j + 1);
    }
    for (int j = 0; j < n; j++) p[j] = kind == LT_ATTEND_HARD ? (p[j] == top) / equal : fmax(p[j] - tau, 0);
}
static void sparse_row(const struct op_case *c, const double *x, const struct lt_attn_seq *seq, int i, int h,
                       double *out)
{
    const struct lt_attn *s = &((const struct sparse_config *)c->config)->attn;
    int64_t cols = cols_of(c), kv = h / (s->heads / s->kv_heads), dim = s->dim;
    double p[64];
    for (int j = 0; j < seq->k_len; j++) {
        p[j] = 0;
        for (int64_t d = 0; d < dim; d++)
            p[j] += x[(seq->row + i) * cols + h * dim + d] * x[(seq->row + j) * cols + (s->heads + kv) * dim + d];
        p[j] = sees(s, seq, i, j) ? p[j] * (double)s->scale : -INFINITY;
    }
    sparse_weights(((const struct sparse_config *)c->config)->kind, p, seq->k_len);
    for (int64_t d = 0; d < dim; d++) out[d] = 0;
    for (int j = 0; j < seq->k_len; j++)
        for (int64_t d = 0; d < dim; d++)
            out[d] += p[j] * x[(seq->row + j) * cols + (s->heads + s->kv_heads + kv) * dim + d];
}
static void twin_sparse_attention(const struct op_case *c, double *const *in, double *out)
{
    const struct lt_attn *s = &((const struct sparse_config *)c->config)->attn;
    for (int64_t n = 0; n < s->seq_count; n++)
        for (int i = 0; i < s->seq[n].q_len; i++)
            for (int h = 0; h < s->heads; h++)
                sparse_row(c, in[0], &s->seq[n], i, h, out + ((s->seq[n].row + i) * s->heads + h) * s->dim);
}

/* ---- head ---- */

struct head_config { bool transposed; float smoothing, z_loss; };
static const int32_t HEAD_TARGET[] = { 1, 0, 6, 3 };
static const float HEAD_WEIGHT[] = { 1, 0, 0.5f, 2 };
static struct lt_tensor *build_head(struct lt_graph *g, const struct op_case *c, struct lt_tensor **in)
{
    const struct head_config *k = c->config;
    struct lt_head s = { .target = HEAD_TARGET, .weight = HEAD_WEIGHT, .smoothing = k->smoothing, .z_loss = k->z_loss };
    return lt_op_head_xent(g, lt_op_scale(g, in[0], 1), in[1], in[2], k->transposed, &s);
}
static void twin_head(const struct op_case *c, double *const *in, double *out)
{
    const struct head_config *k = c->config;
    int64_t width = cols_of(c), vocab = c->in[1].dim[k->transposed ? 1 : 0];
    out[0] = 0;
    for (int64_t i = 0; i < rows_of(c); i++) {
        double logit[64], top = -INFINITY, sum = 0, mean = 0, eps = (double)k->smoothing;
        for (int64_t v = 0; v < vocab; v++) {
            logit[v] = c->in[2].rank ? in[2][v] : 0;
            for (int64_t j = 0; j < width; j++)
                logit[v] += in[0][i * width + j] * in[1][k->transposed ? j * vocab + v : v * width + j];
            top = fmax(top, logit[v]);
        }
        for (int64_t v = 0; v < vocab; v++) sum += exp(logit[v] - top);
        double z = top + log(sum);
        for (int64_t v = 0; v < vocab; v++) mean += (z - logit[v]) / (double)vocab;
        out[0] += (double)HEAD_WEIGHT[i] * ((1 - eps) * (z - logit[HEAD_TARGET[i]]) + eps * mean +
                                            (double)k->z_loss * z * z);
    }
}

#define twin_rope_in_place twin_rope
#define CASE(name, text, stem, cfg, ...) \
    { .op = name, .what = text, .in = { __VA_ARGS__ }, .build = build_##stem, .twin = twin_##stem, .config = cfg }
#define TWO(r, c, f) { 2, { r, c }, f }
#define ONE(n, f) { 1, { n }, f }
#define ACT(name, f) CASE("act", #name " " #f, act, &(const enum lt_act){ name }, TWO(3, 19, f))
#define GLU(name, f) CASE("glu", #name " " #f, glu, &(const enum lt_act){ name }, TWO(3, 19, f), TWO(3, 19, f))
#define ATTENTION(text, f, slack_of, ...) \
    { .op = "attention", .what = text, .in = { TWO(9, 32, f) }, .build = build_attention, .twin = twin_attention, \
      .slack = slack_of, .config = &(const struct lt_attn){ \
          .heads = 4, .kv_heads = 2, .dim = 4, .scale = 0.5f, .seq_count = 3, .seq = \
          (const struct lt_attn_seq[]){ { .row = 0, .q_len = 5, .k_len = 5, .prefix = 3 }, \
                                        { .row = 5, .q_len = 1, .k_len = 1, .prefix = 1 }, \
                                        { .row = 6, .q_len = 3, .k_len = 3, .prefix = 0 } }, __VA_ARGS__ } }
#define SPARSE(text, k, f, ...) \
    { .op = "sparse_attention", .what = text, .in = { TWO(9, 32, f) }, .build = build_sparse_attention, \
      .twin = twin_sparse_attention, .config = &(const struct sparse_config){ k, { \
          .heads = 4, .kv_heads = 2, .dim = 4, .scale = 0.5f, .seq_count = 3, .seq = \
          (const struct lt_attn_seq[]){ { .row = 0, .q_len = 5, .k_len = 5, .prefix = 3 }, \
                                        { .row = 5, .q_len = 1, .k_len = 1, .prefix = 1 }, \
                                        { .row = 6, .q_len = 3, .k_len = 3, .prefix = 0 } }, __VA_ARGS__ } } }
#define IN_PLACE(text, f, ...) \
    CASE("rope_in_place", text, rope_in_place, (&(const struct turn_config){ 2, __VA_ARGS__ }), TWO(4, 16, f))
#define TURN(text, f, ...) CASE("rope", text, rope, (&(const struct turn_config){ 2, __VA_ARGS__ }), TWO(4, 16, f))
#define HEAD(text, f, ...) \
    CASE("head_xent", text, head, (&(const struct head_config){ __VA_ARGS__ }), TWO(4, 5, f), TWO(7, 5, FILL_NORMAL), \
         ONE(7, f))

static const struct op_case op_cases[] = {
    ACT(LT_ACT_GELU, FILL_NORMAL), ACT(LT_ACT_GELU, FILL_BIG), ACT(LT_ACT_GELU, FILL_TIES),
    ACT(LT_ACT_GELU_TANH, FILL_NORMAL), ACT(LT_ACT_GELU_TANH, FILL_BIG), ACT(LT_ACT_GELU_TANH, FILL_TIES),
    ACT(LT_ACT_SILU, FILL_NORMAL), ACT(LT_ACT_SILU, FILL_BIG), ACT(LT_ACT_SILU, FILL_TIES),
    ACT(LT_ACT_RELU, FILL_NORMAL), ACT(LT_ACT_RELU, FILL_BIG), ACT(LT_ACT_RELU, FILL_TIES),
    ACT(LT_ACT_RELU2, FILL_NORMAL), ACT(LT_ACT_RELU2, FILL_BIG), ACT(LT_ACT_RELU2, FILL_TIES),
    CASE("add", "normal", add, NULL, TWO(3, 5, FILL_NORMAL), TWO(3, 5, FILL_NORMAL)),
    CASE("add", "to itself", double, NULL, TWO(3, 5, FILL_NORMAL)),
    CASE("add_block", "normal", add_block, NULL, TWO(3, 5, FILL_NORMAL), TWO(3, 5, FILL_NORMAL)),
    CASE("add_block", "into a constant", add_block, "", TWO(3, 5, FILL_NORMAL), TWO(3, 5, FILL_NORMAL)),
    ATTENTION("causal", FILL_NORMAL, 0, .mask = LT_MASK_CAUSAL),
    ATTENTION("causal ties", FILL_TIES, 0, .mask = LT_MASK_CAUSAL),
    ATTENTION("causal zeros", FILL_ZERO, 0, .mask = LT_MASK_CAUSAL),
    /* p (dp - delta) with dp and delta near 1e4, then times keys of 1e4: 1e8 rounded to 24 bits. */
    ATTENTION("causal big", FILL_BIG, 20, .mask = LT_MASK_CAUSAL),
    ATTENTION("both ways", FILL_NORMAL, 0, .mask = LT_MASK_NONE),
    ATTENTION("prefix", FILL_NORMAL, 0, .mask = LT_MASK_PREFIX),
    ATTENTION("window", FILL_NORMAL, 0, .mask = LT_MASK_CAUSAL, .window = 2),
    SPARSE("hard", LT_ATTEND_HARD, FILL_NORMAL, .mask = LT_MASK_CAUSAL),
    SPARSE("hard, both ways", LT_ATTEND_HARD, FILL_NORMAL, .mask = LT_MASK_NONE),
    SPARSE("sparsemax", LT_ATTEND_SPARSEMAX, FILL_NORMAL, .mask = LT_MASK_CAUSAL),
    SPARSE("sparsemax, prefix", LT_ATTEND_SPARSEMAX, FILL_NORMAL, .mask = LT_MASK_PREFIX),
    SPARSE("sparsemax, window", LT_ATTEND_SPARSEMAX, FILL_NORMAL, .mask = LT_MASK_CAUSAL, .window = 2),
    SPARSE("sparsemax, zeros", LT_ATTEND_SPARSEMAX, FILL_ZERO, .mask = LT_MASK_CAUSAL),
    CASE("checkpoint", "dropout inside", checkpoint, NULL, TWO(4, 6, FILL_NORMAL), TWO(5, 6, FILL_NORMAL)),
    CASE("clip", "normal", clip, &(const float){ 0.7f }, TWO(4, 19, FILL_NORMAL)),
    CASE("clip", "big", clip, &(const float){ 1.5f }, TWO(3, 5, FILL_BIG)),
    CASE("clip", "zeros", clip, &(const float){ 1 }, TWO(3, 5, FILL_ZERO)),
    CASE("dropout", "normal", dropout, NULL, TWO(4, 50, FILL_NORMAL)),
    CASE("embed", "repeated rows", embed, NULL, TWO(5, 3, FILL_NORMAL)),
    GLU(LT_ACT_SILU, FILL_NORMAL), GLU(LT_ACT_SILU, FILL_BIG), GLU(LT_ACT_GELU, FILL_NORMAL),
    GLU(LT_ACT_GELU_TANH, FILL_NORMAL), GLU(LT_ACT_RELU, FILL_TIES), GLU(LT_ACT_RELU2, FILL_TIES),
    HEAD("normal", FILL_NORMAL, false, 0, 0), HEAD("zeros", FILL_ZERO, false, 0, 0), HEAD("big", FILL_BIG, false, 0, 0),
    HEAD("smoothed with z-loss", FILL_NORMAL, false, 0.1f, 0.01f), HEAD("ties", FILL_TIES, false, 0.1f, 0),
    CASE("head_xent", "transposed, no bias", head, (&(const struct head_config){ true, 0, 0 }),
         TWO(4, 5, FILL_NORMAL), TWO(5, 7, FILL_NORMAL)),
    CASE("layernorm", "normal", layernorm, NULL, TWO(3, 17, FILL_NORMAL), ONE(17, FILL_NORMAL), ONE(17, FILL_NORMAL)),
    CASE("layernorm", "big", layernorm, NULL, TWO(3, 17, FILL_BIG), ONE(17, FILL_NORMAL), ONE(17, FILL_NORMAL)),
    CASE("layernorm", "length 1", layernorm, NULL, TWO(3, 1, FILL_NORMAL), ONE(1, FILL_NORMAL), ONE(1, FILL_NORMAL)),
    CASE("layernorm", "bare", layernorm, NULL, TWO(3, 17, FILL_NORMAL)),
    CASE("linear", "with bias", linear, NULL, TWO(5, 9, FILL_NORMAL), TWO(4, 9, FILL_NORMAL), ONE(4, FILL_NORMAL)),
    CASE("linear", "one row", linear, NULL, TWO(1, 1, FILL_BIG), TWO(3, 1, FILL_NORMAL)),
    CASE("linear", "transposed", linear, "transposed", TWO(5, 9, FILL_NORMAL),
         TWO(9, 4, FILL_NORMAL), ONE(4, FILL_NORMAL)),
    CASE("mul", "normal", mul, NULL, TWO(3, 5, FILL_NORMAL), TWO(3, 5, FILL_NORMAL)),
    CASE("mul", "zeros", mul, NULL, TWO(3, 5, FILL_ZERO), TWO(3, 5, FILL_NORMAL)),
    CASE("rmsnorm", "normal", rmsnorm, NULL, TWO(3, 17, FILL_NORMAL), ONE(17, FILL_NORMAL)),
    CASE("rmsnorm", "big", rmsnorm, NULL, TWO(3, 17, FILL_BIG), ONE(17, FILL_NORMAL)),
    CASE("rmsnorm", "zeros", rmsnorm, NULL, TWO(3, 17, FILL_ZERO), ONE(17, FILL_NORMAL)),
    CASE("rmsnorm", "length 1", rmsnorm, NULL, TWO(3, 1, FILL_NORMAL), ONE(1, FILL_NORMAL)),
    CASE("rmsnorm", "bare", rmsnorm, NULL, TWO(3, 17, FILL_NORMAL)),
    TURN("halves", FILL_NORMAL, 8, false),
    TURN("partial", FILL_NORMAL, 4, false),
    TURN("interleaved", FILL_BIG, 8, true),
    IN_PLACE("halves", FILL_NORMAL, 8, false),
    IN_PLACE("partial", FILL_BIG, 4, true),
    CASE("scale", "normal", scale, NULL, TWO(3, 5, FILL_NORMAL)),
    CASE("slice", "overlapping", slice, NULL, TWO(3, 5, FILL_NORMAL)),
    CASE("sum", "normal", sum, NULL, TWO(3, 50, FILL_NORMAL)),
    CASE("view", "reshaped", view, NULL, TWO(3, 5, FILL_NORMAL)),
    { .op = NULL },
};

#endif
