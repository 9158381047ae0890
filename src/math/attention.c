#include "math/kernel.h"

#include "math/attention_tile.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct item { int32_t seq, kv_head; int64_t row; };         /* a block of query rows */

struct job {
    const struct lt_attn *s;
    const struct lt_gemm_kernel *kernel;
    const struct item *item;
    const float *q;
    float *o, *lse;
};

/* Scratch of one chunk. */
struct block {
    int64_t n;                      /* rows */
    float *q, *score, *out;         /* (n, dim), (n, KEYS), (n, dim) */
    float *top, *sum;               /* (n) running maximum, and sum of exp(score - top) */
    void *qp, *kp, *pp, *vp;        /* packed operands */
};

/* Online softmax over one more tile: scores become exp(score - top), what was summed before shrinks to the new top.
 * Masked keys come out as +0 and a row that sees nothing of the tile stays as it was, bit for bit. */
static void soften_row(float *score, int64_t dim, float *out, float *top, float *sum)
{
    float high = *top;
    for (int64_t i = 0; i < LT_ATTN_KEYS; i++) high = score[i] > high ? score[i] : high;
    float base = high == -INFINITY ? 0 : high, shrink = expf(*top - base), part[16] = { 0 };
    for (int64_t i = 0; i < LT_ATTN_KEYS; i++) score[i] = expf(score[i] - base);
    for (int64_t i = 0; i < LT_ATTN_KEYS; i++) part[i % 16] += score[i];
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    *sum = *sum * shrink + part[0];
    *top = high;
    if (shrink == 1) return;
    for (int64_t i = 0; i < dim; i++) out[i] *= shrink;
}

static void key_tile(const struct job *j, const struct item *it, struct block *b, int64_t first)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[it->seq];
    const struct lt_gemm_kernel *kn = j->kernel;
    int64_t dim = s->dim, group = s->heads / s->kv_heads, keys = LT_MIN(LT_ATTN_KEYS, seq->k_len - first);
    size_t at = (size_t)(first * s->ldk + it->kv_head * dim) * lt_dtype_size(s->kv_type);
    struct lt_gemm_source k = { .p = (const char *)seq->k + at, .ld = s->ldk, .type = s->kv_type, .k_fast = true };
    struct lt_gemm_source v = { .p = (const char *)seq->v + at, .ld = s->ldk, .type = s->kv_type };
    struct lt_gemm_source p = { .p = b->score, .ld = LT_ATTN_KEYS, .type = LT_F32, .k_fast = true };
    lt_tile_pack_b(kn, b->kp, keys, dim, &k);
    lt_tile_product(kn, b->n, keys, dim, b->qp, b->kp, b->score, LT_ATTN_KEYS, false);
    for (int64_t r = 0; r < b->n; r++) {
        float *score = b->score + r * LT_ATTN_KEYS;
        lt_attn_mask_row(score, s->scale, lt_attn_span(s, seq, (it->row + r) / group), first);
        soften_row(score, dim, b->out + r * dim, &b->top[r], &b->sum[r]);
    }
    lt_tile_pack_a(kn, b->pp, b->n, keys, &p);
    lt_tile_pack_b(kn, b->vp, dim, keys, &v);
    lt_tile_product(kn, b->n, dim, keys, b->pp, b->vp, b->out, dim, true);
}

static void *cut(char **at, size_t bytes)
{
    void *p = *at;
    *at += (bytes + 63) / 64 * 64;
    return p;
}

static void *block_new(struct block *b, const struct lt_gemm_kernel *kn, int64_t dim)
{
    size_t wide = (size_t)(b->n * dim) * 4, row = (size_t)b->n * 4, square = row * LT_ATTN_KEYS;
    size_t qp = lt_tile_bytes(kn, b->n, dim), kp = lt_tile_bytes(kn, LT_ATTN_KEYS, dim);
    size_t pp = lt_tile_bytes(kn, b->n, LT_ATTN_KEYS), vp = lt_tile_bytes(kn, dim, LT_ATTN_KEYS);
    char *memory = lt_aligned(2 * wide + square + 2 * row + qp + kp + pp + vp + 9 * 64), *at = memory;
    b->q = cut(&at, wide);
    b->out = cut(&at, wide);
    b->score = cut(&at, square);
    b->top = cut(&at, row);
    b->sum = cut(&at, row);
    b->qp = cut(&at, qp);
    b->kp = cut(&at, kp);
    b->pp = cut(&at, pp);
    b->vp = cut(&at, vp);
    return memory;
}

/* Adding +0 turns a -0 into +0: whether masked keys were added as zeros or left out can then not be seen. */
static void finish_row(const struct block *b, int64_t r, int64_t dim, float *o, float *lse)
{
    float scale = b->sum[r] == 0 ? 0 : 1.0f / b->sum[r];
    for (int64_t i = 0; i < dim; i++) o[i] = b->out[r * dim + i] * scale + 0.0f;
    if (lse) *lse = b->top[r] + logf(b->sum[r]);
}

static void chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    const struct lt_attn *s = j->s;
    const struct item *it = &j->item[c];
    const struct lt_attn_seq *seq = &s->seq[it->seq];
    int64_t dim = s->dim, group = s->heads / s->kv_heads;
    struct block b = { .n = LT_MIN(LT_ATTN_ROWS, seq->q_len * group - it->row) };
    void *memory = block_new(&b, j->kernel, dim);
    for (int64_t r = 0; r < b.n; r++) {
        int64_t i = seq->row + (it->row + r) / group, head = it->kv_head * group + (it->row + r) % group;
        memcpy(b.q + r * dim, j->q + i * s->ldq + head * dim, (size_t)dim * sizeof *b.q);
        b.top[r] = -INFINITY;
        b.sum[r] = 0;
    }
    memset(b.out, 0, (size_t)(b.n * dim) * sizeof *b.out);
    struct lt_gemm_source q = { .p = b.q, .ld = dim, .type = LT_F32, .k_fast = true };
    lt_tile_pack_a(j->kernel, b.qp, b.n, dim, &q);
    struct lt_span span = lt_attn_block_span(s, seq, it->row, b.n);
    for (int64_t first = span.from; first < span.end; first += LT_ATTN_KEYS) key_tile(j, it, &b, first);
    for (int64_t r = 0; r < b.n; r++) {
        int64_t i = seq->row + (it->row + r) / group, head = it->kv_head * group + (it->row + r) % group;
        finish_row(&b, r, dim, j->o + i * s->ldo + head * dim, j->lse ? j->lse + i * s->heads + head : NULL);
    }
    free(memory);
}

void lt_attention(struct lt_pool *p, const struct lt_attn *s, const float *q, float *o, float *lse)
{
    int64_t count = 0, n = 0, group = s->heads / s->kv_heads;
    for (int64_t i = 0; i < s->seq_count; i++)
        count += lt_chunks(s->seq[i].q_len * group, LT_ATTN_ROWS) * s->kv_heads;
    struct item *item = lt_alloc((size_t)(count + 1) * sizeof *item);
    for (int32_t i = 0; i < s->seq_count; i++)
        for (int32_t h = 0; h < s->kv_heads; h++)
            for (int64_t row = 0; row < s->seq[i].q_len * group; row += LT_ATTN_ROWS)
                item[n++] = (struct item){ .seq = i, .kv_head = h, .row = row };
    struct job j = { .s = s, .kernel = lt_gemm_kernel(LT_ISA_BEST, s->compute), .item = item, .q = q, .o = o,
                     .lse = lse };
    lt_pool_run(p, count, chunk, &j);
    free(item);
}
