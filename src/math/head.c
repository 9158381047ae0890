#include "math/kernel.h"

#include "math/gemm.h"
#include "math/row_kernel.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

struct job {
    const struct lt_head *s;
    const struct lt_row_kernel *rows;
    int64_t n;                      /* rows of the block */
    int64_t *row;                   /* (n) which rows of the batch they are */
    float *x, *dx;                  /* (BLOCK, width) gathered */
    float *logit;                   /* (BLOCK, vocab): logits, then their gradients */
    bool narrow;                    /* gradients are bf16, which the products would round them to anyhow */
    float *apart;                   /* (BLOCK) gradients of the targets' logits, left out of logit; NULL: none are */
};

static float weight_of(const struct lt_head *s, int64_t row)
{
    return s->weight ? s->weight[row] : 1;
}

static bool is_best(const float *l, float top, int64_t target)
{
    for (int64_t v = 0; v < target; v++)
        if (l[v] == top) return false;
    return l[target] == top;
}

/* Row i of e = exp(logit - top) becomes scale * dloss / dlogit = push e - even, less pull at the target.
 *
 * With whole numbers the target's is kept apart: on its scale those of other words would vanish, and always those of
 * rare ones.  It meets the weights, and the weights' gradients, as a float. */
static void slope_row(const struct job *j, int64_t i, float *e, int64_t target, float push, float even, float pull)
{
    float at = e[target] * push - even - pull;
    if (j->apart) {
        j->apart[i] = at;
        at = 0;
    }
    if (!j->narrow) {
        j->rows->affine(j->s->vocab, push, even, e);
        e[target] = at;
        return;
    }
    uint16_t half = lt_to_bf16(at);
    j->rows->affine_bf16(j->s->vocab, push, even, e);
    memcpy((char *)e + target * 2, &half, sizeof half);
}

/* One row of logits to its loss, and to gradients where they are wanted; one exp per logit serves both.
 * d nll = p - [target];  d mean(-log p) = p - 1/vocab;  d (log Z)^2 = 2 log Z p. */
static void loss_row(const struct job *j, int64_t i, float *l)
{
    const struct lt_head *s = j->s;
    int64_t row = j->row[i], n = s->vocab, target = s->target[row];
    bool slopes = s->dx || s->dw || s->dbias;
    float weight = weight_of(s, row), top = j->rows->peak(n, l), at = l[target];
    if (s->hit) s->hit[row] = is_best(l, top, target);
    double eps = (double)s->smoothing, mean = eps > 0 ? j->rows->sum(n, l) / (double)n : 0;
    double sum = j->rows->exp_sum(n, top, l, slopes ? l : NULL), z = (double)top + log(sum), nll = z - (double)at;
    double loss = (1 - eps) * nll + eps * (z - mean) + (double)s->z_loss * z * z;
    if (s->loss) s->loss[row] = (float)((double)weight * loss);
    if (s->logp) s->logp[row] = (float)-nll;
    if (!slopes) return;
    double g = (double)weight * (double)s->scale, push = (1 + 2 * (double)s->z_loss * z) * g / sum;
    slope_row(j, i, l, target, (float)push, (float)(eps / (double)n * g), (float)((1 - eps) * g));
}

static void loss_chunk(void *arg, int64_t i)
{
    const struct job *j = arg;
    loss_row(j, i, j->logit + i * j->s->vocab);
}

static void logits(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    lt_gemm(p, &(struct lt_gemm){ .m = j->n, .n = s->vocab, .k = s->width, .a = j->x, .a_type = LT_F32, .b = s->w,
                                  .b_type = s->w_type, .ldb = s->ldw, .b_trans = !s->w_trans, .c = j->logit,
                                  .bias = s->bias, .compute = s->compute,
                                  .packed = s->packs ? s->packs->forward : NULL });
}

/* Of a row of gradients: it begins where its logits did. */
static int64_t slope_ld(const struct job *j)
{
    return j->narrow ? 2 * j->s->vocab : j->s->vocab;
}

static void input_gradient(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    lt_gemm(p, &(struct lt_gemm){ .m = j->n, .n = s->width, .k = s->vocab, .a = j->logit, .lda = slope_ld(j),
                                  .a_type = j->narrow ? LT_BF16 : LT_F32, .a_stochastic = true, .b = s->w,
                                  .b_type = s->w_type, .ldb = s->ldw, .b_trans = s->w_trans, .c = j->dx,
                                  .compute = s->compute, .packed = s->packs ? s->packs->input : NULL });
    for (int64_t i = 0; i < j->n; i++) j->rows->axpy(s->width, 1, j->dx + i * s->width, s->dx + j->row[i] * s->lddx);
}

/* dw (vocab, width) = dlogit^T x, or (width, vocab) = x^T dlogit. */
static void weight_gradient(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    enum lt_dtype type = j->narrow ? LT_BF16 : LT_F32;
    struct lt_gemm g = { .m = s->vocab, .n = s->width, .k = j->n, .a = j->logit, .a_type = type, .lda = slope_ld(j),
                         .a_trans = true, .a_stochastic = true, .b = j->x, .b_type = LT_F32, .c = s->dw, .ldc = s->lddw,
                         .add = true,
                         .compute = s->compute };
    if (s->w_trans)
        g = (struct lt_gemm){ .m = s->width, .n = s->vocab, .k = j->n, .a = j->x, .a_type = LT_F32, .a_trans = true,
                              .b = j->logit, .b_type = type, .b_stochastic = true, .ldb = slope_ld(j), .c = s->dw,
                              .ldc = s->lddw, .add = true, .compute = s->compute };
    lt_gemm(p, &g);
}

/* ---- the targets' gradients, kept apart ---- */

enum { COLUMNS = 64 };              /* of one chunk of the weights' gradient */

static float weight_at(const struct lt_head *s, int64_t v, int64_t k)
{
    int64_t at = s->w_trans ? k * s->ldw + v : v * s->ldw + k;
    if (s->w_type == LT_F32) return ((const float *)s->w)[at];
    uint16_t half = ((const uint16_t *)s->w)[at];
    return s->w_type == LT_BF16 ? lt_from_bf16(half) : lt_from_f16(half);
}

static void apart_input(void *arg, int64_t i)
{
    const struct job *j = arg;
    const struct lt_head *s = j->s;
    int64_t target = s->target[j->row[i]];
    float *dx = s->dx + j->row[i] * s->lddx;
    if (s->w_type == LT_F32 && !s->w_trans)
        j->rows->axpy(s->width, j->apart[i], (const float *)s->w + target * s->ldw, dx);
    else
        for (int64_t k = 0; k < s->width; k++) dx[k] += j->apart[i] * weight_at(s, target, k);
}

/* Columns apart: each has one writer, in the order of the rows. */
static void apart_weight(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_head *s = j->s;
    int64_t from = chunk * COLUMNS, end = LT_MIN(from + COLUMNS, s->width);
    for (int64_t i = 0; i < j->n; i++) {
        const float *x = j->x + i * s->width;
        int64_t target = s->target[j->row[i]];
        if (!s->w_trans) j->rows->axpy(end - from, j->apart[i], x + from, s->dw + target * s->lddw + from);
        else for (int64_t k = from; k < end; k++) s->dw[k * s->lddw + target] += j->apart[i] * x[k];
    }
}

static void add_apart(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    if (s->dx) lt_pool_run(p, j->n, apart_input, (void *)j);
    if (s->dw) lt_pool_run(p, (s->width + COLUMNS - 1) / COLUMNS, apart_weight, (void *)j);
    for (int64_t i = 0; s->dbias && i < j->n; i++) s->dbias[s->target[j->row[i]]] += j->apart[i];
}

static void block(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    for (int64_t i = 0; i < j->n; i++)
        memcpy(j->x + i * s->width, s->x + j->row[i] * s->ldx, (size_t)s->width * sizeof *j->x);
    logits(p, j);
    lt_pool_run(p, j->n, loss_chunk, (void *)j);
    if (s->dx) input_gradient(p, j);
    if (s->dw) weight_gradient(p, j);
    if (s->dbias) lt_colsum(p, j->n, s->vocab, s->vocab, j->logit, s->dbias, true);
    if (j->apart && (s->dx || s->dw || s->dbias)) add_apart(p, j);
}

static size_t padded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

size_t lt_head_scratch(const struct lt_head *s)
{
    size_t rows = (size_t)LT_MIN(s->rows, BLOCK);
    return 2 * padded(rows * (size_t)s->width * 4) + padded(rows * (size_t)s->vocab * 4)
        + padded(rows * sizeof(int64_t)) + padded(rows * sizeof(float));
}

void lt_head_xent(struct lt_pool *p, const struct lt_head *s)
{
    size_t rows = (size_t)LT_MIN(s->rows, BLOCK), wide = padded(rows * (size_t)s->width * 4);
    char *own = s->scratch ? NULL : lt_aligned(lt_head_scratch(s)), *at = own ? own : s->scratch;
    struct job j = { .s = s, .rows = lt_row_kernel(), .x = (float *)at, .dx = (float *)(at + wide),
                     .logit = (float *)(at + 2 * wide), .narrow = s->compute == LT_COMPUTE_BF16 && !s->dbias };
    j.row = (int64_t *)(at + 2 * wide + padded(rows * (size_t)s->vocab * 4));
    if (s->compute >= LT_COMPUTE_INT16) j.apart = (float *)((char *)j.row + padded(rows * sizeof(int64_t)));
    for (int64_t i = 0; i < s->rows; i++) {
        if (weight_of(s, i) != 0) j.row[j.n++] = i;
        else {
            if (s->loss) s->loss[i] = 0;
            if (s->logp) s->logp[i] = 0;
            if (s->hit) s->hit[i] = 0;
        }
        if (j.n < BLOCK) continue;
        block(p, &j);
        j.n = 0;
    }
    if (j.n) block(p, &j);
    free(own);
}
