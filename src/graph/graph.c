#include "graph/graph.h"
#include "base/ctx.h"
#include "graph/tape.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Large buffers are blocks of their own.  Micro-batches repeat the same shapes, so a block given back is soon taken
 * again: gradients after their node's backward, activations at a reset or at the end of a checkpointed segment. */
struct block {
    struct block *next;
    size_t size;
    uint64_t round;             /* of its last use; a block idle for a whole round is freed */
};
enum {
    BLOCK_HEAD = 64,            /* keeps the data 64-byte aligned */
    BLOCK_MIN = 1 << 16,        /* smaller tensors share the arena: no list to search when decoding one token */
};
struct lt_graph {
    struct lt_ctx *ctx;
    enum lt_compute compute;
    bool record, train;
    float expected;
    uint64_t seed, position;    /* position counts dropouts, recorded or not, and names their streams */
    uint64_t round;
    struct lt_arena arena;      /* tensors, arguments, small data */
    struct block *live, *idle;  /* live: data of tensors, newest first */
    size_t held, peak;          /* bytes in blocks; most bytes in blocks and arena */
    struct lt_tensor **tape;
    size_t tape_count, tape_cap;
};

struct lt_graph *lt_graph_new(struct lt_ctx *c, enum lt_compute compute)
{
    struct lt_graph *g = lt_calloc(1, sizeof *g);
    g->ctx = c;
    g->compute = compute;
    return g;
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void lt_graph_free(struct lt_graph *g)
{
    if (!g) return;
    free_blocks(g->live);
    free_blocks(g->idle);
    lt_arena_free(&g->arena);
    free(g->tape);
    free(g);
}

void lt_graph_record(struct lt_graph *g, bool on) { g->record = on; }
bool lt_graph_recording(const struct lt_graph *g) { return g->record; }
void lt_graph_expect(struct lt_graph *g, float seed) { g->expected = seed; }
float lt_graph_expected(const struct lt_graph *g) { return g->expected; }
struct lt_pool *lt_graph_pool(struct lt_graph *g) { return lt_ctx_pool(g->ctx); }
enum lt_compute lt_graph_compute(const struct lt_graph *g) { return g->compute; }
size_t lt_graph_peak(const struct lt_graph *g) { return g->peak; }

void lt_graph_train(struct lt_graph *g, bool on, uint64_t seed)
{
    g->train = on;
    g->seed = seed;
}

bool lt_graph_dropout(struct lt_graph *g, uint64_t *seed, uint64_t *stream)
{
    if (!g->train) return false;
    *seed = g->seed;
    *stream = g->position++;
    return true;
}

/* ---- memory ---- */

static void note_peak(struct lt_graph *g)
{
    size_t now = g->held + g->arena.used_total;
    if (now > g->peak) g->peak = now;
}

static struct block *block_take(struct lt_graph *g, size_t size)
{
    struct block **best = NULL;
    for (struct block **p = &g->idle; *p; p = &(*p)->next)
        if ((*p)->size >= size && (*p)->size <= size + size / 4 && (!best || (*p)->size < (*best)->size)) best = p;
    struct block *b;
    if (best) {
        b = *best;
        *best = b->next;
    } else {
        b = lt_aligned(BLOCK_HEAD + size);
        b->size = size;
        g->held += size;
        note_peak(g);
    }
    b->next = NULL;
    b->round = g->round;
    return b;
}

static void block_give(struct lt_graph *g, struct block *b)
{
    b->next = g->idle;
    g->idle = b;
}

static void *block_data(struct block *b) { return (char *)b + BLOCK_HEAD; }
static struct block *block_of(void *data) { return (struct block *)((char *)data - BLOCK_HEAD); }

static void block_live(struct lt_graph *g, struct block *b)
{
    b->next = g->live;
    g->live = b;
}

float *lt_scratch_take(struct lt_graph *g, size_t size) { return block_data(block_take(g, size)); }
void lt_scratch_give(struct lt_graph *g, float *p) { block_give(g, block_of(p)); }

void *lt_graph_take(struct lt_graph *g, size_t size)
{
    if (size >= BLOCK_MIN) {
        struct block *b = block_take(g, size);
        block_live(g, b);
        return block_data(b);
    }
    void *p = lt_arena_take(&g->arena, size);
    note_peak(g);
    return p;
}

void lt_graph_reset(struct lt_graph *g)
{
    while (g->live) {
        struct block *b = g->live;
        g->live = b->next;
        block_give(g, b);
    }
    for (struct block **p = &g->idle; *p;) {
        struct block *b = *p;
        if (b->round == g->round) {
            p = &b->next;
            continue;
        }
        *p = b->next;
        g->held -= b->size;
        free(b);
    }
    lt_arena_reset(&g->arena);
    g->tape_count = 0;
    g->position = 0;
    g->round++;
}

/* ---- tensors ---- */

static struct lt_tensor *tensor(struct lt_graph *g, int rank, const int64_t *dim)
{
    assert(rank >= 0 && rank <= 4);
    struct lt_tensor *t = lt_arena_zero(&g->arena, 1, sizeof *t);
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dim[i] = dim[i];
    t->ld = lt_cols(t);
    return t;
}

struct lt_tensor *lt_leaf(struct lt_graph *g, const char *name, enum lt_dtype type, int rank, const int64_t *dim,
                          void *data, float *grad)
{
    struct lt_tensor *t = tensor(g, rank, dim);
    t->name = name;
    t->type = type;
    t->data = data;
    t->grad = grad;
    t->need = grad != NULL;
    return t;
}

struct lt_tensor *lt_empty(struct lt_graph *g, int rank, const int64_t *dim)
{
    struct lt_tensor *t = tensor(g, rank, dim);
    t->data = lt_graph_take(g, (size_t)lt_elements(t) * sizeof(float));
    return t;
}

static void tape_put(struct lt_graph *g, struct lt_tensor *t)
{
    if (g->tape_count == g->tape_cap) {
        g->tape_cap = g->tape_cap ? 2 * g->tape_cap : 256;
        g->tape = lt_realloc(g->tape, g->tape_cap * sizeof *g->tape);
    }
    g->tape[g->tape_count++] = t;
}

static bool wanted(const struct lt_tensor *t) { return t && t->need; }

struct lt_tensor *lt_node(struct lt_graph *g, const struct lt_op *op, int rank, const int64_t *dim, void *arg,
                          struct lt_tensor *a, struct lt_tensor *b, struct lt_tensor *c)
{
    struct lt_tensor *t = lt_empty(g, rank, dim);
    t->op = op;
    t->arg = arg;
    t->src[0] = a;
    t->src[1] = b;
    t->src[2] = c;
    t->need = g->record && (wanted(a) || wanted(b) || wanted(c));
    op->forward(g, t);
    if (t->need) tape_put(g, t);
    return t;
}

struct lt_tensor *lt_node_view(struct lt_graph *g, const struct lt_op *op, int rank, const int64_t *dim, int64_t ld,
                               struct lt_tensor *x, int64_t first)
{
    struct lt_tensor *t = tensor(g, rank, dim);
    t->op = op;
    t->ld = ld;
    t->src[0] = x;
    t->base = x->base ? x->base : x;
    t->data = lt_f32(x) + first;
    t->need = g->record && x->need;
    if (t->need) tape_put(g, t);
    return t;
}

bool lt_same_shape(const struct lt_tensor *a, const struct lt_tensor *b)
{
    return lt_rows(a) == lt_rows(b) && lt_cols(a) == lt_cols(b);
}

/* ---- gradients ---- */

float *lt_grad_whole(struct lt_graph *g, struct lt_tensor *t, bool *set)
{
    *set = false;
    if (!wanted(t)) return NULL;
    if (t->base) {
        *set = !t->base->grad && lt_elements(t) == lt_elements(t->base);
        float *root = *set ? lt_grad_whole(g, t->base, set) : lt_grad(g, t->base);
        t->grad = root + (lt_f32(t) - lt_f32(t->base));
    } else if (!t->grad) {
        *set = true;
        t->grad = lt_scratch_take(g, (size_t)lt_elements(t) * sizeof(float));
    }
    return t->grad;
}

float *lt_grad(struct lt_graph *g, struct lt_tensor *t)
{
    bool set;
    float *grad = lt_grad_whole(g, t, &set);
    if (set) memset(grad, 0, (size_t)lt_elements(t) * sizeof(float));
    return grad;
}

/* Neighbours that fill a tensor from its first column to its last. */
static bool make_up_one(struct lt_tensor *const *t, int count)
{
    const struct lt_tensor *base = t[0] ? t[0]->base : NULL;
    int64_t next = 0;
    if (!base || !base->op || base->grad) return false;
    for (int i = 0; i < count; i++) {
        if (!wanted(t[i]) || t[i]->base != base || t[i]->ld != lt_cols(base) || lt_rows(t[i]) != lt_rows(base) ||
            lt_f32(t[i]) != lt_f32(base) + next) return false;
        next += lt_cols(t[i]);
    }
    return next == lt_cols(base);
}

void lt_grad_whole_all(struct lt_graph *g, struct lt_tensor *const *t, int count, float **grad, bool *set)
{
    bool one = make_up_one(t, count);
    if (one) t[0]->base->grad = lt_scratch_take(g, (size_t)lt_elements(t[0]->base) * sizeof(float));
    for (int i = 0; i < count; i++) {
        grad[i] = lt_grad_whole(g, t[i], &set[i]);
        set[i] |= one;
    }
}

void lt_grad_add(struct lt_graph *g, struct lt_tensor *t, const struct lt_tensor *out, float alpha)
{
    const bool dense = lt_dense(t) && lt_dense(out);
    bool set = false;
    float *to = dense ? lt_grad_whole(g, t, &set) : lt_grad(g, t);
    int64_t rows = lt_rows(t), cols = lt_cols(t);
    if (!to) return;
    if (set) lt_scale(lt_graph_pool(g), rows * cols, alpha, out->grad, to);
    else if (dense) lt_axpy(lt_graph_pool(g), rows * cols, alpha, out->grad, to);
    else for (int64_t i = 0; i < rows; i++) lt_axpy(NULL, cols, alpha, out->grad + i * out->ld, to + i * t->ld);
}

void lt_grad_give(struct lt_graph *g, struct lt_tensor *t, struct lt_tensor *out)
{
    if (!wanted(t)) return;
    if (!t->op || t->base || out->base || t->grad) {
        lt_grad_add(g, t, out, 1);
        return;
    }
    t->grad = out->grad;
    out->grad = NULL;
}

/* A node's consumers stand after it, so its gradient is whole when the walk arrives and useless when it leaves.  What
 * flowed into a view of a view is in the base they share. */
static void walk_back(struct lt_graph *g, size_t from)
{
    for (size_t i = g->tape_count; i-- > from;) {
        struct lt_tensor *t = g->tape[i];
        const struct lt_tensor *base = t->base;
        if (!t->grad && base && base->op && base->grad) t->grad = base->grad + (lt_f32(t) - lt_f32(base));
        if (!t->grad) continue;
        if (t->op->backward) t->op->backward(g, t);
        if (t->grad && !t->base) lt_scratch_give(g, t->grad);
        t->grad = NULL;
    }
}

int lt_graph_backward(struct lt_graph *g, struct lt_tensor *loss, float seed)
{
    assert(lt_elements(loss) == 1);
    if (!loss->need)
        return lt_fail("no gradient to compute: the loss depends on no trainable weight, or nothing was recorded");
    *lt_grad(g, loss) += seed;
    walk_back(g, 0);
    return 0;
}

/* ---- checkpoints: what a segment took is given back when it ends ---- */

struct segment {
    lt_segment_fn *fn;
    void *self;
    uint64_t position, seed;
    bool train;
};
struct mark { struct lt_arena_mark arena; struct block *live; size_t tape_count; };

static struct mark mark_here(const struct lt_graph *g)
{
    return (struct mark){ lt_arena_here(&g->arena), g->live, g->tape_count };
}

static void mark_release(struct lt_graph *g, struct mark m)
{
    while (g->live != m.live) {
        struct block *b = g->live;
        g->live = b->next;
        block_give(g, b);
    }
    lt_arena_release(&g->arena, m.arena);
    g->tape_count = m.tape_count;
}

/* Copies t's rows, close together, into a block that outlives the segment. */
static struct block *rescue(struct lt_graph *g, const struct lt_tensor *t)
{
    int64_t rows = lt_rows(t), cols = lt_cols(t);
    struct block *b = block_take(g, (size_t)(rows * cols) * sizeof(float));
    float *to = block_data(b);
    for (int64_t i = 0; i < rows; i++) memcpy(to + i * cols, lt_f32(t) + i * t->ld, (size_t)cols * sizeof(float));
    return b;
}

static void checkpoint_back(struct lt_graph *g, struct lt_tensor *out)
{
    struct segment *s = out->arg;
    struct mark m = mark_here(g);
    uint64_t position = g->position, seed = g->seed;
    bool record = g->record, train = g->train;
    g->position = s->position;
    g->seed = s->seed;
    g->train = s->train;
    g->record = true;

    struct lt_tensor *x = out->src[0];
    struct lt_tensor *inner = lt_leaf(g, x->name, x->type, x->rank, x->dim, x->data, lt_grad(g, x));
    inner->ld = x->ld;
    struct lt_tensor *y = s->fn(s->self, g, inner);
    lt_grad_give(g, y, out);
    walk_back(g, m.tape_count);

    g->position = position;
    g->seed = seed;
    g->train = train;
    g->record = record;
    mark_release(g, m);
}

struct lt_tensor *lt_checkpoint(struct lt_graph *g, lt_segment_fn *fn, void *self, struct lt_tensor *x)
{
    struct segment *s = lt_graph_take(g, sizeof *s);
    *s = (struct segment){ .fn = fn, .self = self, .position = g->position, .seed = g->seed, .train = g->train };
    struct mark m = mark_here(g);
    bool record = g->record;
    g->record = false;
    struct lt_tensor shape = *fn(self, g, x);
    struct block *b = rescue(g, &shape);
    mark_release(g, m);
    g->record = record;

    struct lt_tensor *t = tensor(g, shape.rank, shape.dim);
    block_live(g, b);
    t->op = &lt_row_checkpoint;
    t->data = block_data(b);
    t->src[0] = x;
    t->arg = s;
    t->need = record;           /* weights inside may want a gradient even where x does not */
    if (t->need) tape_put(g, t);
    return t;
}

const struct lt_op lt_row_checkpoint = { .name = "checkpoint", .backward = checkpoint_back };
