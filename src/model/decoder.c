#include "model/decoder.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- declaring ---- */

static const struct lt_pair nothing = { -1, -1 };

struct shape { int rank; int64_t dim[2]; enum lt_init init; bool transposed, bias, plain; };

/* One weight and its bias, "PREFIX<layer>.NAME.weight" or, outside the layers, "NAME.weight". */
static int declare(struct lt_model *m, const struct lt_decoder *d, const char *name, int layer, const struct shape *s,
                   struct lt_pair *out)
{
    *out = nothing;
    if (!name || s->plain) return 0;
    const char *full = layer < 0 ? name : lt_arena_fmt(&m->arena, "%s%d.%s", d->layer_prefix, layer, name);
    int64_t dim[2] = { s->dim[0], s->dim[1] }, out_dim = s->dim[0];
    if (s->transposed) {
        dim[0] = s->dim[1];
        dim[1] = out_dim;
    }
    out->w =
        lt_model_declare(m, lt_arena_fmt(&m->arena, "%s.weight", full), s->rank, dim, s->init, layer, s->transposed);
    if (out->w < 0) return -1;
    if (!s->bias) return 0;
    out->b = lt_model_declare(m, lt_arena_fmt(&m->arena, "%s.bias", full), 1, &out_dim, LT_INIT_ZERO, layer, false);
    return out->b < 0 ? -1 : 0;
}

static struct shape linear(const struct lt_decoder *d, int64_t out, int64_t in, bool bias)
{
    return (struct shape){
        .rank = 2, .dim = { out, in }, .init = LT_INIT_NORMAL, .transposed = d->transposed, .bias = bias
    };
}

static struct shape residual(const struct lt_decoder *d, int64_t out, int64_t in, bool bias)
{
    struct shape s = linear(d, out, in, bias);
    s.init = LT_INIT_NORMAL_RESIDUAL;
    return s;
}

static struct shape norm(const struct lt_decoder *d, int64_t n)
{
    return (struct shape){ .rank = 1, .dim = { n }, .init = LT_INIT_ONE, .bias = d->norm_bias, .plain = d->norm_plain };
}

static int declare_layer(struct lt_model *m, const struct lt_decoder *d, int i, struct lt_decoder_layer *l)
{
    int64_t q = d->heads * d->head_dim, kv = d->kv_heads * d->head_dim;
    struct shape width = norm(d, d->width), q_norm = norm(d, q), k_norm = norm(d, kv);
    struct shape to_q = linear(d, d->k ? q : q + 2 * kv, d->width, d->qkv_bias),
                 to_kv = linear(d, kv, d->width, d->qkv_bias);
    struct shape from = residual(d, d->width, q, d->o_bias);
    struct shape wide = linear(d, d->inner, d->width, d->mlp_bias),
                 narrow = residual(d, d->width, d->inner, d->mlp_bias);
    struct { const char *name; const struct shape *shape; struct lt_pair *out;
    } row[] = {
        { d->norm1, &width, &l->norm1 },
        { d->q, &to_q, &l->q },
        { d->k, &to_kv, &l->k },
        { d->v, &to_kv, &l->v },
        { d->q_norm, &q_norm, &l->q_norm },
        { d->k_norm, &k_norm, &l->k_norm },
        { d->o, &from, &l->o },
        { d->norm2, &width, &l->norm2 },
        { d->gate, &wide, &l->gate },
        { d->up, &wide, &l->up },
        { d->down, &narrow, &l->down },
    };
    for (int j = 0; j < LT_COUNT(row); j++)
        if (declare(m, d, row[j].name, i, row[j].shape, row[j].out)) return -1;
    if (d->k && !d->transposed && !d->qkv_bias) lt_model_stack(m, l->q.w, 3);
    if (d->gate && !d->transposed && !d->mlp_bias) lt_model_stack(m, l->gate.w, 2);
    return 0;
}

/* What the options' ranges cannot say: how sizes must fit together. */
static int check_sizes(const struct lt_model *m, const struct lt_decoder *d)
{
    const char *name = m->arch->m.name;
    if (d->heads % d->kv_heads)
        return lt_fail("%s: %" PRId64 " attention heads cannot share %" PRId64 " key-value heads evenly", name,
                       d->heads, d->kv_heads);
    if (d->rot % 2 || d->rot > d->head_dim)
        return lt_fail("%s: %" PRId64 " of %" PRId64 " components of a head cannot be rotated in pairs", name, d->rot,
                       d->head_dim);
    if (d->layers * d->width > (int64_t)1 << 40 || d->heads * d->head_dim > (int64_t)1 << 24)
        return lt_fail("%s: %" PRId64 " layers of width %" PRId64 " with %" PRId64 " heads of %" PRId64
                       " are too many",
                       name, d->layers, d->width, d->heads, d->head_dim);
    return 0;
}

static void publish(struct lt_model *m, const struct lt_decoder *d)
{
    m->class_name = d->class_name;
    m->tied = !d->head;
    m->vocab = d->vocab;
    m->width = d->width;
    m->inner = d->inner;
    m->layers = d->layers;
    m->heads = d->heads;
    m->kv_heads = d->kv_heads;
    m->head_dim = d->head_dim;
    m->context = d->context;
    m->init_std = d->init_std;
    m->head_name = m->weight[d->out.w].name;
    m->head_bias_name = d->out.b < 0 ? NULL : m->weight[d->out.b].name;
}

int lt_decoder_params(struct lt_model *m, const struct lt_decoder *spec)
{
    struct lt_decoder *d = lt_arena_zero(&m->arena, 1, sizeof *d);
    *d = *spec;
    if (check_sizes(m, d)) return -1;
    struct shape table = { .rank = 2, .dim = { d->vocab, d->width }, .init = LT_INIT_NORMAL };
    struct shape place = { .rank = 2, .dim = { d->context, d->width }, .init = LT_INIT_NORMAL };
    struct shape head = table, last = norm(d, d->width);
    head.bias = d->head_bias;
    if (declare(m, d, d->embed, -1, &table, &d->table) || declare(m, d, d->positions, -1, &place, &d->place)) return -1;
    d->layer = lt_arena_zero(&m->arena, (size_t)d->layers, sizeof *d->layer);
    for (int i = 0; i < d->layers; i++)
        if (declare_layer(m, d, i, &d->layer[i])) return -1;
    if (declare(m, d, d->final_norm, -1, &last, &d->last) || declare(m, d, d->head, -1, &head, &d->out)) return -1;
    if (!d->head) d->out = d->table;
    publish(m, d);
    m->plan = d;
    return 0;
}

/* ---- running ---- */

/* One forward pass.  Lives in the graph's memory, since checkpointed layers come back to it in backward. */
struct pass {
    struct lt_model *m;
    struct lt_pass seam;
    const struct lt_decoder *d;
    struct lt_cache *const *cache;
    const float *angle;         /* (distinct positions, rot/2, 2) */
    const int32_t *turn;        /* which of them a row has; by head: rows * heads of them */
    struct lt_attn_seq *seq;
    int64_t seq_count;
};
struct layer { const struct pass *p; int i; };

static struct lt_weight *at(const struct pass *p, int i) { return i < 0 ? NULL : &p->m->weight[i]; }

static struct lt_tensor *leaf(struct lt_graph *g, const struct pass *p, int i)
{
    return i < 0 ? NULL : lt_weight_leaf(g, &p->m->weight[i]);
}

static struct lt_tensor *apply(struct lt_graph *g, const struct pass *p, struct lt_pair w, struct lt_tensor *x)
{
    return lt_linear(g, &p->seam, at(p, w.w), at(p, w.b), x);
}

/* Side by side; NULL where they must be applied one by one. */
static struct lt_tensor *apply_all(struct lt_graph *g, const struct pass *p, const struct lt_pair *pair, int count,
                                   struct lt_tensor *x)
{
    struct lt_weight *w[LT_LINEAR_MOST], *b[LT_LINEAR_MOST];
    for (int i = 0; i < count; i++) {
        w[i] = at(p, pair[i].w);
        b[i] = at(p, pair[i].b);
    }
    return lt_linear_all(g, &p->seam, w, b, count, x);
}

static struct lt_tensor *normalise(struct lt_graph *g, const struct pass *p, struct lt_pair w, struct lt_tensor *x)
{
    float eps = (float)p->d->eps;
    if (p->d->norm_none) return x;
    if (p->d->layernorm) return lt_op_layernorm(g, x, leaf(g, p, w.w), leaf(g, p, w.b), eps);
    return lt_op_rmsnorm(g, x, leaf(g, p, w.w), eps);
}

static struct lt_tensor *drop(struct lt_graph *g, struct lt_tensor *x, double rate)
{
    return rate > 0 ? lt_op_dropout(g, x, (float)rate) : x;
}

/* A tensor whose rows lie close together. */
static struct lt_tensor *dense(struct lt_graph *g, struct lt_tensor *x)
{
    return x->ld == lt_cols(x) ? x : lt_op_scale(g, x, 1);
}

static struct lt_tensor *rotate(struct lt_graph *g, const struct pass *p, struct lt_tensor *x, int64_t heads)
{
    return p->d->rot ? lt_op_rope_in_place(g, x, heads, p->d->rot, false, p->angle, p->turn) : x;
}

struct qkv { struct lt_tensor *q, *k, *v; };

/* Rows of (heads, 3, dim): seen as rows * heads rows of (3, dim), the three parts are columns. */
static struct qkv split_by_head(struct lt_graph *g, const struct pass *p, struct lt_tensor *all)
{
    const struct lt_decoder *d = p->d;
    int64_t rows = lt_rows(all), dim = d->head_dim, flat[] = { rows, d->heads * dim };
    struct lt_tensor *x = lt_op_view(g, all, 2, (int64_t[]){ rows * d->heads, 3 * dim });
    struct lt_tensor *q = dense(g, rotate(g, p, lt_op_slice(g, x, 0, dim), 1));
    struct lt_tensor *k = dense(g, rotate(g, p, lt_op_slice(g, x, dim, dim), 1));
    struct lt_tensor *v = dense(g, lt_op_slice(g, x, 2 * dim, dim));
    return (struct qkv){ lt_op_view(g, q, 2, flat), lt_op_view(g, k, 2, flat), lt_op_view(g, v, 2, flat) };
}

static struct qkv project(struct lt_graph *g, const struct pass *p, const struct lt_decoder_layer *l,
                          struct lt_tensor *x)
{
    const struct lt_decoder *d = p->d;
    int64_t q = d->heads * d->head_dim, kv = d->kv_heads * d->head_dim;
    const struct lt_pair three[] = { l->q, l->k, l->v };
    struct lt_tensor *all = d->k ? apply_all(g, p, three, 3, x) : apply(g, p, l->q, x);
    struct qkv t = { .q = all };
    if (d->qkv_by_head) return split_by_head(g, p, all);
    if (!all) {
        t.q = apply(g, p, l->q, x);
        t.k = apply(g, p, l->k, x);
        t.v = apply(g, p, l->v, x);
    } else {
        t.q = lt_op_slice(g, all, 0, q);
        t.k = lt_op_slice(g, all, q, kv);
        t.v = lt_op_slice(g, all, q + kv, kv);
    }
    if (d->clip > 0) {
        t.q = lt_op_clip(g, t.q, (float)d->clip);
        t.k = lt_op_clip(g, t.k, (float)d->clip);
        t.v = lt_op_clip(g, t.v, (float)d->clip);
    }
    if (d->q_norm) t.q = normalise(g, p, l->q_norm, t.q);
    if (d->k_norm) t.k = normalise(g, p, l->k_norm, t.k);
    t.q = rotate(g, p, t.q, d->heads);
    t.k = rotate(g, p, t.k, d->kv_heads);
    return t;
}

static struct lt_tensor *attend_as(struct lt_graph *g, enum lt_attend kind, struct qkv t, const struct lt_attn *spec)
{
    if (kind == LT_ATTEND_SOFTMAX) return lt_op_attention(g, t.q, t.k, t.v, spec);
    return lt_op_sparse_attention(g, kind, t.q, t.k, t.v, spec);
}

static struct lt_tensor *attend(struct lt_graph *g, const struct pass *p, int i, struct qkv t)
{
    const struct lt_decoder *d = p->d;
    double scale = d->scale > 0 ? d->scale : 1 / sqrt((double)d->head_dim);
    if (d->scale_by_layer) scale /= i + 1;
    struct lt_attn spec = { .heads = (int32_t)d->heads, .kv_heads = (int32_t)d->kv_heads, .dim = (int32_t)d->head_dim,
                            .window = i >= d->window_from ? (int32_t)d->window : 0, .scale = (float)scale,
                            .mask = LT_MASK_CAUSAL, .seq = p->seq, .seq_count = p->seq_count };
    if (!p->cache) {
        if (t.k->ld != t.v->ld) {
            t.k = dense(g, t.k);
            t.v = dense(g, t.v);
        }
        return attend_as(g, d->attend, t, &spec);
    }
    struct lt_attn_seq *seq = lt_graph_take(g, (size_t)p->seq_count * sizeof *seq);
    spec.seq = seq;
    for (int64_t s = 0; s < p->seq_count; s++) {
        seq[s] = p->seq[s];
        lt_cache_put(p->cache[s], i, t.k, t.v, seq[s].row, seq[s].q_len);
        lt_cache_seq(p->cache[s], i, seq[s].q_len, &seq[s]);
        spec.kv_type = lt_cache_type(p->cache[s]);
    }
    return attend_as(g, d->attend, (struct qkv){ .q = t.q }, &spec);
}

static struct lt_tensor *attention(struct lt_graph *g, const struct pass *p, int i, struct lt_tensor *x)
{
    const struct lt_decoder_layer *l = &p->d->layer[i];
    struct lt_model *m = p->m;
    x = lt_tap(g, m, "attn_in", i, x);
    struct qkv t = project(g, p, l, x);
    t.q = lt_tap(g, m, "q", i, t.q);
    t.k = lt_tap(g, m, "k", i, t.k);
    t.v = lt_tap(g, m, "v", i, t.v);
    x = lt_tap(g, m, "attn_mix", i, attend(g, p, i, t));
    return apply(g, p, l->o, x);
}

static struct lt_tensor *mlp(struct lt_graph *g, const struct pass *p, int i, struct lt_tensor *x)
{
    const struct lt_decoder *d = p->d;
    const struct lt_decoder_layer *l = &d->layer[i];
    x = lt_tap(g, p->m, "mlp_in", i, x);
    if (d->gate) {
        const struct lt_pair two[] = { l->gate, l->up };
        struct lt_tensor *both = apply_all(g, p, two, 2, x);
        struct lt_tensor *gate = both ? lt_op_slice(g, both, 0, d->inner) : apply(g, p, l->gate, x);
        struct lt_tensor *up = both ? lt_op_slice(g, both, d->inner, d->inner) : apply(g, p, l->up, x);
        x = lt_op_glu(g, gate, up, d->act);
    } else {
        x = lt_op_act(g, apply(g, p, l->up, x), d->act);
    }
    return apply(g, p, l->down, lt_tap(g, p->m, "mlp_mid", i, x));
}

/* What a branch adds to the residual stream. */
static struct lt_tensor *branch(struct lt_graph *g, const struct pass *p, const char *site, int i, struct lt_tensor *y)
{
    return drop(g, lt_tap(g, p->m, site, i, y), p->d->dropout);
}

static struct lt_tensor *run_layer(void *self, struct lt_graph *g, struct lt_tensor *x)
{
    const struct layer *run = self;
    const struct pass *p = run->p;
    const struct lt_decoder *d = p->d;
    const struct lt_decoder_layer *l = &d->layer[run->i];
    int i = run->i;
    struct lt_tensor *y;
    if (d->order == LT_ORDER_POST) {
        y = normalise(g, p, l->norm1, attention(g, p, i, x));
        x = lt_op_add(g, x, branch(g, p, "attn_out", i, y));
        y = normalise(g, p, l->norm2, mlp(g, p, i, x));
        return lt_tap(g, p->m, "resid", i, lt_op_add(g, x, branch(g, p, "mlp_out", i, y)));
    }
    struct lt_tensor *in = normalise(g, p, l->norm1, x);
    y = branch(g, p, "attn_out", i, attention(g, p, i, in));
    if (d->order == LT_ORDER_PRE) {
        x = lt_op_add(g, x, y);
        in = normalise(g, p, l->norm2, x);
    } else {
        if (d->order == LT_ORDER_PARALLEL) in = normalise(g, p, l->norm2, x);
        x = lt_op_add(g, x, y);
    }
    y = branch(g, p, "mlp_out", i, mlp(g, p, i, in));
    return lt_tap(g, p->m, "resid", i, lt_op_add(g, x, y));
}

/* ---- what a pass is given ---- */

/* Tokens and lengths come from files and users. */
static int check(const struct lt_model *m, const struct lt_batch *b)
{
    for (int64_t i = 0; i < b->rows; i++) {
        if (b->token[i] < 0 || b->token[i] >= m->vocab)
            return lt_fail("token %" PRId32 " is not in the model's vocabulary of %" PRId64
                           "; is this the tokenizer the model "
                           "was made with?",
                           b->token[i], m->vocab);
        if (b->pos[i] < 0 || b->pos[i] >= m->context)
            return lt_fail("position %" PRId32 " is beyond the model's context of %" PRId64 " tokens", b->pos[i],
                           m->context);
    }
    return 0;
}

/* Angles of the positions that occur: of the range they span, or of every row when that is less. */
static void place_rows(struct lt_graph *g, struct pass *p, const struct lt_batch *b)
{
    const struct lt_decoder *d = p->d;
    if (!d->rot || !b->rows) return;
    int32_t low = b->pos[0], high = low;
    for (int64_t i = 1; i < b->rows; i++) {
        low = LT_MIN(low, b->pos[i]);
        high = LT_MAX(high, b->pos[i]);
    }
    bool by_row = high - low >= b->rows;
    int64_t count = by_row ? b->rows : high - low + 1, half = d->rot / 2, copies = d->qkv_by_head ? d->heads : 1;
    float *angle = lt_graph_take(g, (size_t)(count * d->rot) * sizeof *angle);
    int32_t *turn = lt_graph_take(g, (size_t)(b->rows * copies) * sizeof *turn);
    for (int64_t t = 0; t < count; t++)
        for (int64_t i = 0; i < half; i++) {
            double a = (double)(by_row ? b->pos[t] : low + t) * d->turn[i];
            angle[t * d->rot + 2 * i] = (float)cos(a);
            angle[t * d->rot + 2 * i + 1] = (float)sin(a);
        }
    for (int64_t i = 0; i < b->rows; i++)
        for (int64_t h = 0; h < copies; h++) turn[i * copies + h] = by_row ? (int32_t)i : b->pos[i] - low;
    p->angle = angle;
    p->turn = turn;
}

static struct pass *begin(struct lt_model *m, struct lt_graph *g, const struct lt_batch *b)
{
    struct pass *p = lt_graph_take(g, sizeof *p);
    *p = (struct pass){ .m = m, .seam = lt_pass_of(g, m, b), .d = m->plan, .cache = b->cache,
                        .seq_count = b->seq_count };
    p->seq = lt_graph_take(g, (size_t)b->seq_count * sizeof *p->seq);
    for (int64_t s = 0; s < b->seq_count; s++) {
        int32_t n = (int32_t)(b->seq_row[s + 1] - b->seq_row[s]);
        p->seq[s] = (struct lt_attn_seq){ .row = b->seq_row[s], .q_len = n, .k_len = n };
        if (b->cache && n) assert(b->pos[b->seq_row[s]] == lt_cache_count(b->cache[s]));
    }
    place_rows(g, p, b);
    return p;
}

struct lt_tensor *lt_decoder_forward(const void *o, struct lt_model *m, struct lt_graph *g, const struct lt_batch *b)
{
    (void)o;
    if (check(m, b)) return NULL;
    for (int64_t s = 0; b->cache && s < b->seq_count; s++)
        if (lt_cache_reserve(b->cache[s], b->seq_row[s + 1] - b->seq_row[s])) return NULL;
    const struct pass *p = begin(m, g, b);
    const struct lt_decoder *d = p->d;
    struct lt_tensor *x = lt_embed(g, &p->seam, at(p, d->table.w), b->token, b->rows);
    if (d->place.w >= 0) x = lt_op_add(g, x, lt_embed(g, &p->seam, at(p, d->place.w), b->pos, b->rows));
    x = drop(g, lt_tap(g, m, "embed", -1, x), d->embed_dropout);
    struct layer *run = lt_graph_take(g, (size_t)d->layers * sizeof *run);
    bool segment = m->checkpoint || !lt_graph_recording(g);
    for (int i = 0; i < d->layers; i++) {
        run[i] = (struct layer){ p, i };
        x = segment ? lt_checkpoint(g, run_layer, &run[i], x) : run_layer(&run[i], g, x);
    }
    for (int64_t s = 0; b->cache && s < b->seq_count; s++)
        lt_cache_advance(b->cache[s], b->token + b->seq_row[s], p->seq[s].q_len);
    return lt_tap(g, m, "final", -1, normalise(g, p, d->last, x));
}
