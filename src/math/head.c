#include "math/kernel.h"

#include "math/gemm.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

struct job {
    const struct lt_head *s;
    int64_t n;                      /* rows of the block */
    const int64_t *row;             /* (n) which rows of the batch they are */
    float *x, *dx;                  /* (BLOCK, width) gathered */
    float *logit;                   /* (BLOCK, vocab): logits, then their gradients */
};

static float weight_of(const struct lt_head *s, int64_t row)
{
    return s->weight ? s->weight[row] : 1;
}

/* One row of logits to its loss; the row then holds scale * dloss / dlogit.
 * d nll = p - [target];  d mean(-log p) = p - 1/vocab;  d (log Z)^2 = 2 log Z p. */
static void loss_row(const struct lt_head *s, int64_t row, float *l)
{
    int64_t n = s->vocab, target = s->target[row];
    float weight = weight_of(s, row), top = l[0];
    for (int64_t v = 1; v < n; v++) top = l[v] > top ? l[v] : top;
    double sum = 0, mean = 0;
    for (int64_t v = 0; v < n; v++) { sum += exp((double)(l[v] - top)); mean += l[v]; }
    double z = (double)top + log(sum), nll = z - (double)l[target];
    double eps = (double)s->smoothing, smooth = z - mean / (double)n;
    if (s->loss) s->loss[row] = (float)((double)weight * ((1 - eps) * nll + eps * smooth + (double)s->z_loss * z * z));
    if (s->logp) s->logp[row] = (float)-nll;
    if (s->hit) {
        int64_t best = 0;
        while (l[best] < top) best++;
        s->hit[row] = best == target;
    }
    if (!s->dx && !s->dw && !s->dbias) return;
    float g = weight * s->scale, even = (float)(eps / (double)n) * g, pull = (float)(1 - eps) * g;
    float push = (float)(1 + 2 * (double)s->z_loss * z) * g, shift = (float)z;
    for (int64_t v = 0; v < n; v++) l[v] = push * expf(l[v] - shift) - even;
    l[target] -= pull;
}

static void loss_chunk(void *arg, int64_t i)
{
    const struct job *j = arg;
    loss_row(j->s, j->row[i], j->logit + i * j->s->vocab);
}

static void logits(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    lt_gemm(p, &(struct lt_gemm){ .m = j->n, .n = s->vocab, .k = s->width, .a = j->x, .a_type = LT_F32, .b = s->w,
                                  .b_type = s->w_type, .ldb = s->ldw, .b_trans = !s->w_trans, .c = j->logit,
                                  .bias = s->bias, .compute = s->compute });
}

static void input_gradient(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    lt_gemm(p, &(struct lt_gemm){ .m = j->n, .n = s->width, .k = s->vocab, .a = j->logit, .a_type = LT_F32, .b = s->w,
                                  .b_type = s->w_type, .ldb = s->ldw, .b_trans = s->w_trans, .c = j->dx,
                                  .compute = s->compute });
    for (int64_t i = 0; i < j->n; i++) {
        float *dx = s->dx + j->row[i] * s->lddx;
        for (int64_t k = 0; k < s->width; k++) dx[k] += j->dx[i * s->width + k];
    }
}

/* dw (vocab, width) = dlogit^T x, or (width, vocab) = x^T dlogit. */
static void weight_gradient(struct lt_pool *p, const struct job *j)
{
    const struct lt_head *s = j->s;
    bool t = s->w_trans;
    lt_gemm(p, &(struct lt_gemm){ .m = t ? s->width : s->vocab, .n = t ? s->vocab : s->width, .k = j->n,
                                  .a = t ? j->x : j->logit, .b = t ? j->logit : j->x, .a_type = LT_F32,
                                  .b_type = LT_F32, .a_trans = true, .c = s->dw, .ldc = s->lddw, .add = true,
                                  .compute = s->compute });
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
}

void lt_head_xent(struct lt_pool *p, const struct lt_head *s)
{
    size_t block_rows = (size_t)LT_MIN(s->rows, BLOCK), wide = block_rows * (size_t)s->width;
    float *x = lt_aligned((2 * wide + block_rows * (size_t)s->vocab) * sizeof *x + 64);
    int64_t *row = lt_alloc((block_rows + 1) * sizeof *row);
    struct job j = { .s = s, .row = row, .x = x, .dx = x + wide, .logit = x + 2 * wide };
    for (int64_t i = 0; i < s->rows; i++) {
        if (weight_of(s, i) != 0) row[j.n++] = i;
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
    free(row);
    free(x);
}
