/* The backward pass of attention.  One chunk is one key head of one sequence, so its dk and dv have a single writer and
 * every sum a single order.  Probabilities are made again from the kept log-sum-exp. */
#include "math/kernel.h"

#include "math/attention_tile.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct lt_attn *s;
    const struct lt_gemm_kernel *kernel;
    const float *q, *o, *lse, *dout;
    float *dq;
};

/* Scratch of one chunk; rows are all query rows of the key head. */
struct head {
    const struct lt_attn *s;
    const struct lt_attn_seq *seq;
    const struct lt_gemm_kernel *kernel;
    int64_t rows, dim, group, kv_head;
    float *q, *dout, *dq, *dk, *dv; /* (rows, dim); dk and dv (KEYS, dim) */
    float *lse, *delta;             /* (rows): delta = dout . o */
    float *p, *ds;                  /* (ROWS, KEYS) */
    char *qa, *qb, *da, *db;        /* q and dout of every block, as left and as right operands */
    size_t qa_size, qb_size;        /* bytes of one block */
    void *kt, *kb, *vt, *pa;        /* key tile: K^T and K, V^T; left operand made from p or ds */
};

struct room { char *memory; size_t used; };     /* memory NULL: only counts */

static void *cut(struct room *r, size_t bytes)
{
    void *p = r->memory ? r->memory + r->used : NULL;
    r->used += (bytes + 63) / 64 * 64;
    return p;
}

/* Called twice: with memory NULL it returns the bytes needed. */
static size_t lay_out(struct head *h, char *memory)
{
    const struct lt_gemm_kernel *kn = h->kernel;
    size_t wide = (size_t)(h->rows * h->dim) * 4, tile = LT_ATTN_KEYS * (size_t)h->dim * 4;
    size_t square = LT_ATTN_ROWS * LT_ATTN_KEYS * 4, blocks = (size_t)lt_chunks(h->rows, LT_ATTN_ROWS);
    struct room at = { .memory = memory };
    h->qa_size = lt_tile_bytes(kn, LT_ATTN_ROWS, h->dim);
    h->qb_size = lt_tile_bytes(kn, h->dim, LT_ATTN_ROWS);
    h->q = cut(&at, wide);
    h->dout = cut(&at, wide);
    h->dq = cut(&at, wide);
    h->dk = cut(&at, tile);
    h->dv = cut(&at, tile);
    h->lse = cut(&at, (size_t)h->rows * 4);
    h->delta = cut(&at, (size_t)h->rows * 4);
    h->p = cut(&at, square);
    h->ds = cut(&at, square);
    h->qa = cut(&at, blocks * h->qa_size);
    h->da = cut(&at, blocks * h->qa_size);
    h->qb = cut(&at, blocks * h->qb_size);
    h->db = cut(&at, blocks * h->qb_size);
    h->kt = cut(&at, lt_tile_bytes(kn, LT_ATTN_KEYS, h->dim));
    h->vt = cut(&at, lt_tile_bytes(kn, LT_ATTN_KEYS, h->dim));
    h->kb = cut(&at, lt_tile_bytes(kn, h->dim, LT_ATTN_KEYS));
    h->pa = cut(&at, LT_MAX(lt_tile_bytes(kn, LT_ATTN_ROWS, LT_ATTN_KEYS), lt_tile_bytes(kn, LT_ATTN_KEYS, LT_ATTN_ROWS)));
    return at.used;
}

static void gather(const struct job *j, struct head *h)
{
    const struct lt_attn *s = j->s;
    for (int64_t r = 0; r < h->rows; r++) {
        int64_t i = h->seq->row + r / h->group, head = h->kv_head * h->group + r % h->group;
        const float *dout = j->dout + i * s->ldo + head * h->dim;
        memcpy(h->q + r * h->dim, j->q + i * s->ldq + head * h->dim, (size_t)h->dim * 4);
        memcpy(h->dout + r * h->dim, dout, (size_t)h->dim * 4);
        h->lse[r] = j->lse[i * s->heads + head];
        h->delta[r] = lt_lane_dot(h->dim, dout, j->o + i * s->ldo + head * h->dim);
    }
    memset(h->dq, 0, (size_t)(h->rows * h->dim) * 4);
    for (int64_t r = 0, b = 0; r < h->rows; r += LT_ATTN_ROWS, b++) {
        int64_t n = LT_MIN(LT_ATTN_ROWS, h->rows - r);
        struct lt_gemm_source q = { .p = h->q + r * h->dim, .ld = h->dim, .type = LT_F32, .k_fast = true };
        struct lt_gemm_source d = { .p = h->dout + r * h->dim, .ld = h->dim, .type = LT_F32, .k_fast = true };
        lt_tile_pack_a(h->kernel, h->qa + (size_t)b * h->qa_size, n, h->dim, &q);
        lt_tile_pack_a(h->kernel, h->da + (size_t)b * h->qa_size, n, h->dim, &d);
        q.k_fast = d.k_fast = false;
        lt_tile_pack_b(h->kernel, h->qb + (size_t)b * h->qb_size, h->dim, n, &q);
        lt_tile_pack_b(h->kernel, h->db + (size_t)b * h->qb_size, h->dim, n, &d);
    }
}

/* p holds scores and ds holds dout . v; afterwards p holds probabilities and ds the gradients of unscaled scores. */
static void slope_row(float *p, float *ds, float scale, float lse, float delta, struct lt_span span, int64_t first)
{
    for (int64_t i = 0; i < LT_ATTN_KEYS; i++) {
        bool seen = first + i >= span.from && first + i < span.end;
        p[i] = seen ? expf(p[i] * scale - lse) : 0;
        ds[i] = seen ? p[i] * (ds[i] - delta) * scale : 0;
    }
}

static void row_block(struct head *h, int64_t row, int64_t first, int64_t keys)
{
    const struct lt_gemm_kernel *kn = h->kernel;
    int64_t n = LT_MIN(LT_ATTN_ROWS, h->rows - row), dim = h->dim;
    size_t b = (size_t)(row / LT_ATTN_ROWS);
    lt_tile_product(kn, n, keys, dim, h->qa + b * h->qa_size, h->kt, h->p, LT_ATTN_KEYS, false);
    lt_tile_product(kn, n, keys, dim, h->da + b * h->qa_size, h->vt, h->ds, LT_ATTN_KEYS, false);
    for (int64_t r = 0; r < n; r++)
        slope_row(h->p + r * LT_ATTN_KEYS, h->ds + r * LT_ATTN_KEYS, h->s->scale, h->lse[row + r], h->delta[row + r],
                  lt_attn_span(h->s, h->seq, (row + r) / h->group), first);
    struct lt_gemm_source p = { .p = h->p, .ld = LT_ATTN_KEYS, .type = LT_F32 };
    struct lt_gemm_source ds = { .p = h->ds, .ld = LT_ATTN_KEYS, .type = LT_F32 };
    lt_tile_pack_a(kn, h->pa, keys, n, &p);
    lt_tile_product(kn, keys, dim, n, h->pa, h->db + b * h->qb_size, h->dv, dim, true);
    lt_tile_pack_a(kn, h->pa, keys, n, &ds);
    lt_tile_product(kn, keys, dim, n, h->pa, h->qb + b * h->qb_size, h->dk, dim, true);
    ds.k_fast = true;
    lt_tile_pack_a(kn, h->pa, n, keys, &ds);
    lt_tile_product(kn, n, dim, keys, h->pa, h->kb, h->dq + row * dim, dim, true);
}

static void add_rows(float *to, int64_t ld, const float *from, int64_t rows, int64_t dim)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < dim; i++) to[r * ld + i] += from[r * dim + i];
}

static void key_tile(struct head *h, int64_t first)
{
    const struct lt_attn *s = h->s;
    const struct lt_gemm_kernel *kn = h->kernel;
    int64_t keys = LT_MIN(LT_ATTN_KEYS, h->seq->k_len - first), at = first * s->ldk + h->kv_head * h->dim;
    size_t bytes = (size_t)at * lt_dtype_size(s->kv_type);
    struct lt_gemm_source k = { .p = (const char *)h->seq->k + bytes, .ld = s->ldk, .type = s->kv_type, .k_fast = true };
    struct lt_gemm_source v = { .p = (const char *)h->seq->v + bytes, .ld = s->ldk, .type = s->kv_type, .k_fast = true };
    lt_tile_pack_b(kn, h->kt, keys, h->dim, &k);
    lt_tile_pack_b(kn, h->vt, keys, h->dim, &v);
    k.k_fast = false;
    lt_tile_pack_b(kn, h->kb, h->dim, keys, &k);
    memset(h->dk, 0, (size_t)(keys * h->dim) * 4);
    memset(h->dv, 0, (size_t)(keys * h->dim) * 4);
    for (int64_t row = 0; row < h->rows; row += LT_ATTN_ROWS) {
        struct lt_span seen = lt_attn_block_span(s, h->seq, row, LT_MIN(LT_ATTN_ROWS, h->rows - row));
        if (first >= seen.from && first < seen.end) row_block(h, row, first, keys);
    }
    if (h->seq->dk) add_rows(h->seq->dk + at, s->ldk, h->dk, keys, h->dim);
    if (h->seq->dv) add_rows(h->seq->dv + at, s->ldk, h->dv, keys, h->dim);
}

static void chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    const struct lt_attn *s = j->s;
    struct head h = { .s = s, .seq = &s->seq[c / s->kv_heads], .kernel = j->kernel, .dim = s->dim,
                      .group = s->heads / s->kv_heads, .kv_head = c % s->kv_heads };
    h.rows = h.seq->q_len * h.group;
    char *memory = lt_aligned(lay_out(&h, NULL) + 64);
    lay_out(&h, memory);
    gather(j, &h);
    for (int64_t first = 0; first < h.seq->k_len; first += LT_ATTN_KEYS) key_tile(&h, first);
    for (int64_t r = 0; r < h.rows && j->dq; r++) {
        int64_t i = h.seq->row + r / h.group, head = h.kv_head * h.group + r % h.group;
        add_rows(j->dq + i * s->ldq + head * h.dim, 0, h.dq + r * h.dim, 1, h.dim);
    }
    free(memory);
}

void lt_attention_back(struct lt_pool *p, const struct lt_attn *s, const float *q, const float *o, const float *lse,
                       const float *dout, float *dq)
{
    struct job j = { .s = s, .kernel = lt_gemm_kernel(LT_ISA_BEST, s->compute), .q = q, .o = o, .lse = lse,
                     .dout = dout, .dq = dq };
    lt_pool_run(p, s->seq_count * s->kv_heads, chunk, &j);
}
