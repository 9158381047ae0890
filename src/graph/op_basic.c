/* Sums, products and views. */
#include "graph/tape.h"

#include <assert.h>
#include <string.h>

enum { CHUNK = 16384 };         /* elements; fixed, so results do not depend on the threads */

struct product {
    int64_t rows, cols, lda, ldb, ldy;
    const float *a, *b;
    float *y;
    bool add;
};

static int64_t rows_in_chunk(int64_t cols) { return LT_MAX(1, CHUNK / LT_MAX(1, cols)); }

static void multiply(const float *a, const float *b, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void multiply_add(const float *a, const float *b, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += a[i] * b[i];
}

static void product_chunk(void *arg, int64_t chunk)
{
    const struct product *p = arg;
    int64_t step = rows_in_chunk(p->cols), first = chunk * step, last = LT_MIN(first + step, p->rows);
    for (int64_t i = first; i < last; i++)
        (p->add ? multiply_add : multiply)(p->a + i * p->lda, p->b + i * p->ldb, p->y + i * p->ldy, p->cols);
}

static void product(struct lt_pool *pool, struct product *p)
{
    int64_t step = rows_in_chunk(p->cols);
    lt_pool_run(pool, (p->rows + step - 1) / step, product_chunk, p);
}

static void add_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *a = out->src[0], *b = out->src[1];
    int64_t rows = lt_rows(a), cols = lt_cols(a);
    if (lt_dense(a) && lt_dense(b)) {
        lt_add(lt_graph_pool(g), rows * cols, a->data, b->data, out->data);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        lt_add(NULL, cols, lt_f32(a) + i * a->ld, lt_f32(b) + i * b->ld, lt_f32(out) + i * cols);
}

static void add_backward(struct lt_graph *g, struct lt_tensor *out)
{
    lt_grad_add(g, out->src[1], out, 1);
    lt_grad_give(g, out->src[0], out);
}

struct lt_tensor *lt_op_add(struct lt_graph *g, struct lt_tensor *a, struct lt_tensor *b)
{
    assert(lt_same_shape(a, b));
    return lt_node(g, &lt_row_add, a->rank, a->dim, NULL, a, b, NULL);
}

static void mul_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *a = out->src[0], *b = out->src[1];
    product(lt_graph_pool(g), &(struct product){ .rows = lt_rows(a), .cols = lt_cols(a), .lda = a->ld, .ldb = b->ld,
                                                 .ldy = out->ld, .a = a->data, .b = b->data, .y = out->data });
}

static void mul_backward(struct lt_graph *g, struct lt_tensor *out)
{
    for (int i = 0; i < 2; i++) {
        struct lt_tensor *t = out->src[i];
        const struct lt_tensor *other = out->src[1 - i];
        float *to = lt_grad(g, t);
        if (!to) continue;
        product(lt_graph_pool(g), &(struct product){ .rows = lt_rows(t), .cols = lt_cols(t), .lda = out->ld,
                                                     .ldb = other->ld, .ldy = t->ld, .a = out->grad,
                                                     .b = other->data, .y = to, .add = true });
    }
}

struct lt_tensor *lt_op_mul(struct lt_graph *g, struct lt_tensor *a, struct lt_tensor *b)
{
    assert(lt_same_shape(a, b));
    return lt_node(g, &lt_row_mul, a->rank, a->dim, NULL, a, b, NULL);
}

static void scale_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0];
    int64_t rows = lt_rows(x), cols = lt_cols(x);
    const float *from = lt_f32(x), alpha = *(const float *)out->arg;
    if (!lt_dense(x)) {
        for (int64_t i = 0; i < rows; i++)
            memcpy(lt_f32(out) + i * cols, lt_f32(x) + i * x->ld, (size_t)cols * sizeof(float));
        from = lt_f32(out);
    }
    lt_scale(lt_graph_pool(g), rows * cols, alpha, from, lt_f32(out));
}

static void scale_backward(struct lt_graph *g, struct lt_tensor *out)
{
    lt_grad_add(g, out->src[0], out, *(const float *)out->arg);
}

struct lt_tensor *lt_op_scale(struct lt_graph *g, struct lt_tensor *x, float alpha)
{
    float *arg = lt_graph_take(g, sizeof *arg);
    *arg = alpha;
    return lt_node(g, &lt_row_scale, x->rank, x->dim, arg, x, NULL, NULL);
}

struct total { int64_t rows, cols, ld; const float *x; double *part; };

static void total_chunk(void *arg, int64_t chunk)
{
    const struct total *s = arg;
    int64_t step = rows_in_chunk(s->cols), first = chunk * step, last = LT_MIN(first + step, s->rows);
    double sum = 0;
    for (int64_t i = first; i < last; i++)
        for (int64_t j = 0; j < s->cols; j++) sum += (double)s->x[i * s->ld + j];
    s->part[chunk] = sum;
}

static void sum_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0];
    struct total s = { .rows = lt_rows(x), .cols = lt_cols(x), .ld = x->ld, .x = x->data };
    int64_t step = rows_in_chunk(s.cols), chunks = (s.rows + step - 1) / step;
    s.part = lt_graph_take(g, (size_t)LT_MAX(1, chunks) * sizeof *s.part);
    lt_pool_run(lt_graph_pool(g), chunks, total_chunk, &s);
    double sum = 0;
    for (int64_t i = 0; i < chunks; i++) sum += s.part[i];
    *lt_f32(out) = (float)sum;
}

static void sum_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_tensor *x = out->src[0];
    float *to = lt_grad(g, x);
    if (!to) return;
    int64_t rows = lt_rows(x), cols = lt_cols(x);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) to[i * x->ld + j] += *out->grad;
}

struct lt_tensor *lt_op_sum(struct lt_graph *g, struct lt_tensor *x)
{
    return lt_node(g, &lt_row_sum, 0, NULL, NULL, x, NULL, NULL);
}

/* A view's gradient is a part of its base's, so nothing is left to do in backward. */
struct lt_tensor *lt_op_view(struct lt_graph *g, struct lt_tensor *x, int rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dim[i];
    assert(lt_dense(x) && n == lt_elements(x));
    return lt_node_view(g, &lt_row_view, rank, dim, rank ? dim[rank - 1] : 1, x, 0);
}

struct lt_tensor *lt_op_slice(struct lt_graph *g, struct lt_tensor *x, int64_t first, int64_t count)
{
    assert(x->rank > 0 && first >= 0 && count > 0 && first + count <= lt_cols(x));
    int64_t dim[4];
    for (int i = 0; i < x->rank; i++) dim[i] = x->dim[i];
    dim[x->rank - 1] = count;
    return lt_node_view(g, &lt_row_slice, x->rank, dim, x->ld, x, first);
}

struct lt_tensor *lt_op_block(struct lt_graph *g, struct lt_tensor *x, int64_t row, int64_t rows, int64_t col,
                              int64_t cols)
{
    assert(x->rank == 2 && row >= 0 && rows > 0 && row + rows <= x->dim[0]);
    assert(col >= 0 && cols > 0 && col + cols <= x->dim[1]);
    return lt_node_view(g, &lt_row_slice, 2, (int64_t[]){ rows, cols }, x->ld, x, row * x->ld + col);
}

/* A block of rows and columns, and what is added to each of its rows. */
struct place { int64_t row, col; };
struct rows_added { int64_t rows, cols, ld, ldd; float *to; const float *d; };

static void add_rows_chunk(void *arg, int64_t chunk)
{
    const struct rows_added *a = arg;
    int64_t step = rows_in_chunk(a->cols), last = LT_MIN((chunk + 1) * step, a->rows);
    for (int64_t i = chunk * step; i < last; i++) lt_axpy(NULL, a->cols, 1, a->d + i * a->ldd, a->to + i * a->ld);
}

static void add_rows(struct lt_pool *pool, struct rows_added a)
{
    int64_t step = rows_in_chunk(a.cols);
    lt_pool_run(pool, (a.rows + step - 1) / step, add_rows_chunk, &a);
}

static void add_block_forward(struct lt_graph *g, struct lt_tensor *out)
{
    const struct lt_tensor *x = out->src[0], *d = out->src[1];
    const struct place *at = out->arg;
    size_t size = (size_t)lt_cols(out) * sizeof(float);
    for (int64_t i = 0; !out->base && i < lt_rows(out); i++)
        memcpy(lt_f32(out) + i * out->ld, lt_f32(x) + i * x->ld, size);
    add_rows(lt_graph_pool(g), (struct rows_added){ .rows = lt_rows(d), .cols = lt_cols(d), .ld = out->ld, .ldd = d->ld,
                                                    .to = lt_f32(out) + at->row * out->ld + at->col,
                                                    .d = d->data });
}

/* x's gradient is out's, or it wants none. */
static void add_block_backward(struct lt_graph *g, struct lt_tensor *out)
{
    struct lt_tensor *d = out->src[1];
    const struct place *at = out->arg;
    float *to = lt_grad(g, d);
    if (!to) return;
    add_rows(lt_graph_pool(g), (struct rows_added){ .rows = lt_rows(d), .cols = lt_cols(d), .ld = d->ld, .ldd = out->ld,
                                                    .to = to, .d = out->grad + at->row * out->ld + at->col });
}

/* Where d alone wants a gradient there is none of x to share: then the result has memory of its own. */
struct lt_tensor *lt_op_add_block(struct lt_graph *g, struct lt_tensor *x, struct lt_tensor *d, int64_t row,
                                  int64_t col)
{
    struct place *at = lt_graph_take(g, sizeof *at);
    assert(x->rank == 2 && d->rank == 2 && row >= 0 && row + d->dim[0] <= x->dim[0]);
    assert(col >= 0 && col + d->dim[1] <= x->dim[1]);
    *at = (struct place){ row, col };
    if (lt_graph_recording(g) && d->need && !x->need)
        return lt_node(g, &lt_row_add_block, 2, x->dim, at, x, d, NULL);
    struct lt_tensor *t = lt_node_view(g, &lt_row_add_block, 2, x->dim, x->ld, x, 0);
    t->src[1] = d;
    t->arg = at;
    add_block_forward(g, t);
    return t;
}

const struct lt_op lt_row_add = { .name = "add", .forward = add_forward, .backward = add_backward };
const struct lt_op lt_row_add_block = {
    .name = "add_block", .forward = add_block_forward, .backward = add_block_backward,
};
const struct lt_op lt_row_mul = { .name = "mul", .forward = mul_forward, .backward = mul_backward };
const struct lt_op lt_row_scale = { .name = "scale", .forward = scale_forward, .backward = scale_backward };
const struct lt_op lt_row_sum = { .name = "sum", .forward = sum_forward, .backward = sum_backward };
const struct lt_op lt_row_view = { .name = "view" };
const struct lt_op lt_row_slice = { .name = "slice" };
