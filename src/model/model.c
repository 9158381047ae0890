#include "model/model.h"
#include "base/ctx.h"
#include "base/gguf.h"
#include "math/gemm.h"
#include "model/adapter.h"
#include "model/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t lt_weight_count(const struct lt_weight *w)
{
    int64_t n = 1;
    for (int i = 0; i < w->rank; i++) n *= w->dim[i];
    return n;
}

void lt_weight_turn(const struct lt_weight *w, float *out)
{
    int64_t rows = w->dim[0], cols = w->dim[1];
    float *row = lt_alloc((size_t)cols * sizeof *row);
    for (int64_t r = 0; r < rows; r++) {
        lt_convert(LT_F32, row, w->type, (const char *)w->data + lt_dtype_bytes(w->type, r * cols), cols);
        for (int64_t c = 0; c < cols; c++) out[c * rows + r] = row[c];
    }
    free(row);
}

/* ---- by name ---- */

/* A folder saved from the part below the head spells the same names without their first component. */
static const struct lt_safetensor *find_stored(const struct lt_safetensors *s, const char *name)
{
    const struct lt_safetensor *t = lt_safetensors_find(s, name);
    const char *dot = strchr(name, '.');
    return t || !dot ? t : lt_safetensors_find(s, dot + 1);
}

static void shape_text(char out[96], int rank, const int64_t *dim)
{
    int n = snprintf(out, 96, "(");
    for (int i = 0; i < rank && n < 80; i++)
        n += snprintf(out + n, 96 - (size_t)n, "%s%" PRId64, i ? ", " : "", dim[i]);
    snprintf(out + n, 96 - (size_t)n, ")");
}

static bool is_float(enum lt_dtype t) { return t == LT_F32 || t == LT_BF16 || t == LT_F16 || t == LT_F64; }

/* Points w at its data in the file.  Kernels take vectors as f32 and matrices as f32, bf16 or f16; what is stored
 * otherwise is converted once. */
static int bind(struct lt_model *m, struct lt_weight *w)
{
    const struct lt_safetensor *t = find_stored(m->files, w->name);
    if (!t)
        return lt_fail("the weight \"%s\" of %s is missing from the file, which has %d tensors", w->name,
                       m->arch->m.name, m->files->count);
    bool same = t->rank == w->rank;
    for (int i = 0; same && i < w->rank; i++) same = t->dim[i] == w->dim[i];
    if (!same) {
        char want[96], have[96];
        shape_text(want, w->rank, w->dim);
        shape_text(have, t->rank, t->dim);
        return lt_fail("the weight \"%s\" has the shape %s where config.json implies %s", w->name, have, want);
    }
    if (!is_float(t->type))
        return lt_fail(
            "the weight \"%s\" is stored as %s; expected F32, BF16, F16 or F64 (quantised weights are not read)",
            w->name, lt_dtype_name(t->type));
    w->type = t->type;
    w->data = t->data;
    if (t->type == LT_F32 || (t->type != LT_F64 && w->rank > 1)) return 0;
    void *copy = lt_arena_take(&m->arena, (size_t)t->count * sizeof(float));
    lt_convert(LT_F32, copy, t->type, t->data, t->count);
    w->type = LT_F32;
    w->data = copy;
    return 0;
}

int lt_model_declare(struct lt_model *m, const char *name, int rank, const int64_t *dim, enum lt_init init, int layer,
                     bool transposed)
{
    if ((m->weight_count & (m->weight_count - 1)) == 0)
        m->weight = lt_realloc(m->weight, (size_t)LT_MAX(16, 2 * m->weight_count) * sizeof *m->weight);
    struct lt_weight *w = &m->weight[m->weight_count];
    *w = (struct lt_weight){ .name = lt_arena_str(&m->arena, lt_str(name)), .rank = rank, .init = init, .layer = layer,
                             .transposed = transposed };
    for (int i = 0; i < rank; i++) w->dim[i] = dim[i];
    if (m->files && bind(m, w)) return -1;
    bool fresh;
    *lt_map_put(&m->by_name, lt_str(name), &fresh) = (uint64_t)m->weight_count;
    if (!fresh) return lt_fail("the weight \"%s\" is declared twice", name);
    return m->weight_count++;
}

struct lt_weight *lt_model_weight(const struct lt_model *m, const char *name)
{
    const uint64_t *at = lt_map_get(&m->by_name, lt_str(name));
    if (at) return &m->weight[*at];
    const char *near = NULL;
    int best = (int)strlen(name) / 3 + 2;
    for (int i = 0; i < m->weight_count; i++) {
        int d = lt_edit_distance(name, m->weight[i].name);
        if (d >= best) continue;
        best = d;
        near = m->weight[i].name;
    }
    if (near) lt_fail("%s has no weight \"%s\"; did you mean \"%s\"?", m->arch->m.name, name, near);
    else lt_fail("%s has no weight \"%s\"", m->arch->m.name, name);
    return NULL;
}

void lt_model_stack(struct lt_model *m, int first, int count)
{
    m->weight[first].stack = count;
    for (int i = 1; i < count; i++) m->weight[first + i].stack = -1;
}

/* ---- memory of weights that are trained ---- */

static int64_t stack_count(const struct lt_weight *w)
{
    int64_t n = lt_weight_count(w);
    for (int i = 1; i < w->stack; i++) n += lt_weight_count(w + i);
    return n;
}

static void give_master(struct lt_weight *w)
{
    if (w->stack < 0) w->master = w[-1].master + lt_weight_count(w - 1);
    else w->master = lt_aligned((size_t)stack_count(w) * sizeof(float));
}

static void give_grad(struct lt_weight *w)
{
    if (w->stack < 0) {
        w->grad = w[-1].grad + lt_weight_count(w - 1);
        return;
    }
    size_t size = (size_t)stack_count(w) * sizeof(float);
    w->grad = w->grad_memory = lt_aligned(size);
    memset(w->grad, 0, size);
}

void lt_weight_freeze(struct lt_weight *w)
{
    w->grad = NULL;
    if (w->stack) return;           /* the memory of a stack is of one piece */
    free(w->grad_memory);
    w->grad_memory = NULL;
}

/* ---- new weights ---- */

enum { CHUNK = 1 << 16 };           /* elements drawn by one chunk; even, and the values do not depend on it */

struct draw { float *to; int64_t n; double std; struct lt_rng stream; };

/* Box-Muller by pairs: numbers 2i and 2i + 1 come from the halves of draw i of the stream. */
static void draw_chunk(void *arg, int64_t chunk)
{
    const struct draw *d = arg;
    int64_t first = chunk * CHUNK, last = LT_MIN(first + CHUNK, d->n);
    float std = (float)d->std, turn = 2 * 3.14159265358979323846f * 0x1p-32f;
    for (int64_t i = first; i < last; i += 2) {
        uint64_t u = lt_rng_at(d->stream.seed, d->stream.stream, (uint64_t)i / 2);
        float radius = std * sqrtf(-2 * logf(((float)(u >> 32) + 1) * 0x1p-32f)), angle = turn * (float)(uint32_t)u;
        d->to[i] = radius * cosf(angle);
        if (i + 1 < last) d->to[i + 1] = radius * sinf(angle);
    }
}

static void draw_weight(const struct lt_model *m, struct lt_weight *w, uint64_t seed, struct lt_pool *pool)
{
    struct draw d = {
        .to = w->master, .n = lt_weight_count(w), .std = m->init_std, .stream = lt_rng_make(seed, w->name)
    };
    if (w->init == LT_INIT_NORMAL_RESIDUAL) d.std /= sqrt(2 * (double)m->layers);
    switch (w->init) {
    case LT_INIT_ZERO: memset(d.to, 0, (size_t)d.n * sizeof(float)); break;
    case LT_INIT_ONE: for (int64_t i = 0; i < d.n; i++) d.to[i] = 1; break;
    default: lt_pool_run(pool, (d.n + CHUNK - 1) / CHUNK, draw_chunk, &d);
    }
}

static int make(struct lt_model *m, uint64_t seed, struct lt_pool *pool)
{
    m->o = (void *)lt_options_done(m->options);
    if (!m->o) return -1;
    if (m->arch->params(m->o, m)) return lt_misuse("%s", lt_error());   /* sizes that do not go together */
    double total = 0;
    for (int i = 0; i < m->weight_count; i++) total += (double)lt_weight_count(&m->weight[i]);
    if (total > 1e11)
        return lt_misuse("a new %s of these sizes would have %.3g parameters; the most is 1e11", m->arch->m.name,
                         total);
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        give_master(w);
        w->data = w->master;
        w->type = LT_F32;
        draw_weight(m, w, seed, pool);
    }
    return 0;
}

int lt_model_new(const struct lt_arch *a, struct lt_options *options, uint64_t seed, struct lt_ctx *c,
                 struct lt_model **out)
{
    struct lt_model *m = lt_calloc(1, sizeof *m);
    m->arch = a;
    m->options = options;
    lt_generation_init(&m->generation);
    if (make(m, seed, lt_ctx_pool(c))) {
        lt_model_free(m);
        return -1;
    }
    *out = m;
    return 0;
}

void lt_weight_unpack(struct lt_weight *w)
{
    lt_packed_free(w->packs.forward);
    lt_packed_free(w->packs.input);
    w->packs = (struct lt_packs){ 0 };
}

void lt_model_unpack_step(struct lt_model *m)
{
    for (int i = 0; i < m->weight_count; i++)
        if (m->weight[i].packs.input) lt_weight_unpack(&m->weight[i]);
}

/* A matrix of `rows` rows that begins with w, for the forward product or for its input's gradient. */
static struct lt_packed *pack(const struct lt_weight *w, int64_t rows, bool forward, enum lt_compute compute,
                              struct lt_ctx *c)
{
    const bool along = forward != w->transposed;        /* what is summed over runs along rows */
    return lt_pack_b(lt_ctx_pool(c), &(struct lt_gemm){
        .n = along ? rows : w->dim[1], .k = along ? w->dim[1] : rows, .b = w->data, .ldb = w->dim[1],
        .b_type = w->type, .b_trans = along, .compute = compute });
}

void lt_weight_pack(struct lt_weight *w, enum lt_compute compute, struct lt_ctx *c)
{
    if (lt_dtype_quantised(w->type) || (w->packs.forward && w->packed_for == compute)) return;
    lt_weight_unpack(w);
    w->packs.forward = pack(w, w->dim[0], true, compute, c);
    w->packed_for = compute;
}

static bool multiplied(const struct lt_model *m, const struct lt_weight *w)
{
    return w->rank == 2 && (w->layer >= 0 || !strcmp(w->name, m->head_name));
}

void lt_model_pack(struct lt_model *m, enum lt_compute compute, struct lt_ctx *c)
{
    for (int i = 0; i < m->weight_count; i++)
        if (multiplied(m, &m->weight[i])) lt_weight_pack(&m->weight[i], compute, c);
}

/* All gradients one behind the other, or none. */
static bool lie_stacked(const struct lt_weight *w)
{
    int64_t at = 0;
    for (int i = 0; i < w->stack; i++) {
        const bool alone = w[i].packs.forward && !w[i].packs.input;
        if (!w[i].master || w[i].data != w->master + at || alone || !w[i].grad != !w->grad ||
            (w->grad && w[i].grad != w->grad + at)) return false;
        at += lt_weight_count(&w[i]);
    }
    return w->stack > 0;
}

void lt_model_pack_step(struct lt_model *m, enum lt_compute compute, struct lt_ctx *c)
{
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        if (!multiplied(m, w) || !w->grad || w->stack < 0 || (w->stack && !lie_stacked(w))) continue;
        const int64_t rows = w->stack ? stack_count(w) / w->dim[1] : w->dim[0];
        lt_weight_unpack(w);
        w->packs = (struct lt_packs){ pack(w, rows, true, compute, c), pack(w, rows, false, compute, c) };
        w->packed_for = compute;
    }
}

/* The order of a folder, so that a run goes on from its checkpoints with the optimiser's state in the same order. */
static void unflip(struct lt_weight *w)
{
    int64_t out = w->dim[0], in = w->dim[1];
    float *turned = lt_aligned((size_t)(in * out) * sizeof *turned);
    lt_weight_turn(w, turned);
    free(w->master);
    w->data = w->master = turned;
    w->dim[0] = in;
    w->dim[1] = out;
    w->flipped = false;
    w->transposed = true;
}

int lt_model_train(struct lt_model *m)
{
    for (int i = 0; i < m->weight_count; i++) {
        struct lt_weight *w = &m->weight[i];
        size_t n = (size_t)lt_weight_count(w);
        lt_weight_unpack(w);
        if (!w->master) {
            give_master(w);
            lt_convert(LT_F32, w->master, w->type, w->data, (int64_t)n);
            w->data = w->master;
            w->type = LT_F32;
        }
        if (w->flipped) unflip(w);
        if (!w->grad) give_grad(w);
    }
    return 0;
}

void lt_model_free(struct lt_model *m)
{
    if (!m) return;
    for (int i = 0; i < m->weight_count; i++) {
        lt_weight_unpack(&m->weight[i]);
        if (m->weight[i].stack >= 0) free(m->weight[i].master);
        free(m->weight[i].grad_memory);
    }
    free(m->weight);
    lt_map_free(&m->by_name);
    lt_arena_free(&m->arena);
    lt_options_free(m->options);
    lt_safetensors_free(m->files);
    lt_gguf_free(m->gguf);
    if (m->mapped.p) lt_file_close(&m->mapped);
    free(m);
}

/* ---- seams ---- */

struct lt_tensor *lt_weight_leaf(struct lt_graph *g, struct lt_weight *w)
{
    struct lt_tensor *t = lt_leaf(g, w->name, w->type, w->rank, w->dim, (void *)w->data, w->grad);
    const bool valid = w->packs.input ? !w->stack : w->packs.forward && !lt_graph_recording(g);
    if (valid && w->packed_for == lt_graph_compute(g)) t->arg = &w->packs;
    return t;
}

struct lt_pass lt_pass_of(struct lt_graph *g, struct lt_model *m, const struct lt_batch *b)
{
    struct lt_pass p = { .m = m };
    int64_t some = 0;
    for (int64_t i = 0; b->adapter && i < b->seq_count; i++) some += b->adapter[i] != NULL;
    if (!some) return p;
    struct lt_adapted *stretch = lt_graph_take(g, (size_t)some * sizeof *stretch), *last = NULL;
    for (int64_t i = 0; i < b->seq_count; i++) {
        int64_t row = b->seq_row[i], rows = b->seq_row[i + 1] - row;
        if (!b->adapter[i] || !rows) continue;
        if (last && last->adapter == b->adapter[i] && last->row + last->rows == row) {
            last->rows += rows;
            continue;
        }
        last = &stretch[p.stretches++];
        *last = (struct lt_adapted){ b->adapter[i], row, rows };
    }
    p.stretch = stretch;
    return p;
}

/* y = W x with what adapters add to W x in their rows; W's part of y begins at `col`. */
static struct lt_tensor *adapt(struct lt_graph *g, const struct lt_pass *p, const struct lt_weight *w,
                               struct lt_tensor *x, struct lt_tensor *y, int64_t col)
{
    int64_t width = w->dim[w->transposed ? 1 : 0];
    for (int i = 0; i < p->stretches; i++) {
        const struct lt_adapted *s = &p->stretch[i];
        const struct lt_adapter_part *part = lt_adapter_part_of(s->adapter, p->m, w);
        if (!part) continue;
        struct lt_tensor *mine = s->rows == lt_rows(x) ? x : lt_op_block(g, x, s->row, s->rows, 0, lt_cols(x));
        struct lt_tensor *so_far = lt_op_block(g, y, s->row, s->rows, col, width);
        y = lt_op_add_block(g, y, s->adapter->type->apply(part, g, mine, so_far), s->row, col);
    }
    return y;
}

struct lt_tensor *lt_linear(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *w, struct lt_weight *bias,
                            struct lt_tensor *x)
{
    struct lt_tensor *y = lt_op_linear(g, x, lt_weight_leaf(g, w), bias ? lt_weight_leaf(g, bias) : NULL,
                                       w->transposed);
    return p->stretches ? adapt(g, p, w, x, y, 0) : y;
}

static struct lt_tensor *multiply_all(struct lt_graph *g, struct lt_weight *const *w, struct lt_weight *const *bias,
                                      int count, struct lt_tensor *x)
{
    struct lt_tensor *leaf[LT_LINEAR_MOST], *b[LT_LINEAR_MOST];
    bool plain = w[0]->stack == count;
    assert(count >= 1 && count <= LT_LINEAR_MOST);
    for (int i = 0; i < count; i++) plain &= !bias[i] && w[i] == w[0] + i;
    if (plain && lie_stacked(w[0])) {
        int64_t dim[2] = { stack_count(w[0]) / w[0]->dim[1], w[0]->dim[1] };
        leaf[0] = lt_leaf(g, w[0]->name, LT_F32, 2, dim, w[0]->master, w[0]->grad);
        if (w[0]->packs.input && w[0]->packed_for == lt_graph_compute(g)) leaf[0]->arg = &w[0]->packs;
        return lt_op_linear(g, x, leaf[0], NULL, false);
    }
    if (lt_graph_recording(g)) return NULL;
    for (int i = 0; i < count; i++) {
        leaf[i] = lt_weight_leaf(g, w[i]);
        b[i] = bias[i] ? lt_weight_leaf(g, bias[i]) : NULL;
    }
    return lt_op_linear_all(g, x, leaf, b, count, w[0]->transposed);
}

struct lt_tensor *lt_linear_all(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *const *w,
                                struct lt_weight *const *bias, int count, struct lt_tensor *x)
{
    struct lt_tensor *y = multiply_all(g, w, bias, count, x);
    int64_t col = 0;
    for (int i = 0; y && p->stretches && i < count; i++) {
        y = adapt(g, p, w[i], x, y, col);
        col += w[i]->dim[w[i]->transposed ? 1 : 0];
    }
    return y;
}

struct lt_tensor *lt_embed(struct lt_graph *g, const struct lt_pass *p, struct lt_weight *w, const int32_t *id,
                           int64_t rows)
{
    (void)p;
    return lt_op_embed(g, lt_weight_leaf(g, w), id, rows);
}

struct lt_tensor *lt_tap(struct lt_graph *g, struct lt_model *m, const char *site, int layer, struct lt_tensor *x)
{
    return m->tap ? m->tap(m->tap_self, g, site, layer, x) : x;
}

static struct lt_weight *head_of(const struct lt_model *m, struct lt_weight **bias)
{
    *bias = m->head_bias_name ? lt_model_weight(m, m->head_bias_name) : NULL;
    return lt_model_weight(m, m->head_name);
}

struct lt_tensor *lt_model_loss(struct lt_graph *g, struct lt_model *m, struct lt_tensor *x, const struct lt_head *spec)
{
    struct lt_weight *bias, *w = head_of(m, &bias);
    return lt_op_head_xent(g, x, lt_weight_leaf(g, w), bias ? lt_weight_leaf(g, bias) : NULL, w->transposed, spec);
}

struct lt_tensor *lt_model_logits(struct lt_graph *g, struct lt_model *m, struct lt_tensor *x)
{
    struct lt_weight *bias, *w = head_of(m, &bias);
    return lt_op_linear(g, x, lt_weight_leaf(g, w), bias ? lt_weight_leaf(g, bias) : NULL, w->transposed);
}
