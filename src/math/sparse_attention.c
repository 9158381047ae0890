#include "math/sparse_attention.h"

#include <math.h>
#include <stdlib.h>

/* ---- weights ---- */
static void hard(double *z, int32_t n, double top)
{
    int32_t equal = 0;
    for (int32_t j = 0; j < n; j++) equal += z[j] == top;
    for (int32_t j = 0; j < n; j++) z[j] = z[j] == top ? 1.0 / equal : 0;
}

/* Drops what lies at or below the threshold that the rest implies, until nothing does (Michelot 1986). */
static void sparsemax(double *z, int32_t n, double top)
{
    double tau = -INFINITY, next = -1;  /* below the largest, which is 0: a whole below it nothing can have weight */
    for (int32_t j = 0; j < n; j++) z[j] -= top;
    while (next > tau) {
        double sum = 0;
        int32_t kept = 0;
        tau = next;
        for (int32_t j = 0; j < n; j++)
            if (z[j] > tau) {
                sum += z[j];
                kept++;
            }
        next = (sum - 1) / kept;
    }
    for (int32_t j = 0; j < n; j++) z[j] = z[j] > tau ? z[j] - tau : 0;
}

void lt_sparse_weights(enum lt_attend kind, double *score, int32_t n)
{
    double top = -INFINITY;
    for (int32_t j = 0; j < n; j++) top = fmax(top, score[j]);
    if (kind == LT_ATTEND_HARD) hard(score, n, top);
    else sparsemax(score, n, top);
}

/* ---- one row ---- */
struct job { enum lt_attend kind; const struct lt_attn *s; const float *q, *dout; float *o, *dq; };

static bool sees(const struct lt_attn *s, const struct lt_attn_seq *seq, int64_t i, int64_t j)
{
    if (s->window && i - j >= s->window) return false;
    if (s->mask == LT_MASK_NONE) return true;
    return j <= i || (s->mask == LT_MASK_PREFIX && i < seq->prefix && j < seq->prefix);
}

enum part { KEY, VALUE };

/* Element d of key or value j of a key-value head, wherever it lies. */
static double element(const struct lt_attn *s, const struct lt_attn_seq *seq, enum part part, int64_t j, int64_t head,
                      int64_t d)
{
    const char *from = part == KEY ? seq->k : seq->v;
    int64_t at = j * s->ldk + head * s->dim + d, row = head * LT_PAGE_KEYS + j % LT_PAGE_KEYS;
    if (seq->page) {
        from = (const char *)seq->page[j / LT_PAGE_KEYS] + (part == KEY ? seq->k_at : seq->v_at);
        at = row * s->dim + d;
    }
    if (s->kv_type == LT_F32) return (double)((const float *)(const void *)from)[at];
    if (s->kv_type == LT_I8) {
        const float *scale = (const float *)(const void *)(from + s->kv_heads * LT_PAGE_KEYS * s->dim);
        return (double)(scale[row] * (float)((const int8_t *)from)[at]);
    }
    float x;
    lt_convert(LT_F32, &x, s->kv_type, from + 2 * at, 1);
    return (double)x;
}

static void weigh(const struct job *k, const struct lt_attn_seq *seq, int64_t row, int64_t head, double *weight)
{
    const struct lt_attn *s = k->s;
    const float *q = k->q + (seq->row + row) * s->ldq + head * s->dim;
    int64_t kv = head / (s->heads / s->kv_heads), place = seq->k_len - seq->q_len + row;
    for (int64_t j = 0; j < seq->k_len; j++) {
        double score = 0;
        weight[j] = -INFINITY;
        if (!sees(s, seq, place, j)) continue;
        for (int64_t d = 0; d < s->dim; d++)
            if (q[d] != 0) score += (double)q[d] * element(s, seq, KEY, j, kv, d);
        weight[j] = score * (double)s->scale;
    }
    lt_sparse_weights(k->kind, weight, seq->k_len);
}

/* ---- forward: a chunk is a sequence and a head ---- */
static void forward_chunk(void *arg, int64_t chunk)
{
    const struct job *k = arg;
    const struct lt_attn *s = k->s;
    const struct lt_attn_seq *seq = &s->seq[chunk / s->heads];
    int64_t head = chunk % s->heads, kv = head / (s->heads / s->kv_heads);
    double *weight = lt_alloc((size_t)LT_MAX(seq->k_len, 1) * sizeof *weight);
    double *sum = lt_alloc((size_t)s->dim * sizeof *sum);
    for (int64_t row = 0; row < seq->q_len; row++) {
        float *o = k->o + (seq->row + row) * s->ldo + head * s->dim;
        weigh(k, seq, row, head, weight);
        for (int64_t d = 0; d < s->dim; d++) sum[d] = 0;
        for (int64_t j = 0; j < seq->k_len; j++)
            for (int64_t d = 0; d < s->dim && weight[j] > 0; d++) sum[d] += weight[j] * element(s, seq, VALUE, j, kv,
                    d);
        for (int64_t d = 0; d < s->dim; d++) o[d] = (float)sum[d];
    }
    free(weight);
    free(sum);
}

void lt_sparse_attention(struct lt_pool *p, enum lt_attend kind, const struct lt_attn *s, const float *q, float *o)
{
    struct job k = { .kind = kind, .s = s, .q = q, .o = o };
    lt_pool_run(p, s->seq_count * s->heads, forward_chunk, &k);
}

/* ---- backward: a chunk is a sequence and a key-value head, whose gradients no other chunk touches ---- */
/* d score of the keys with weight: sparsemax takes the mean over them away; hard attention is flat. */
static void score_gradient(const struct job *k, const struct lt_attn_seq *seq, const float *dout, int64_t kv,
                           const double *weight, double *ds)
{
    const struct lt_attn *s = k->s;
    double mean = 0;
    int64_t kept = 0;
    for (int64_t j = 0; j < seq->k_len; j++) {
        ds[j] = 0;
        if (!(weight[j] > 0)) continue;
        for (int64_t d = 0; d < s->dim; d++) ds[j] += (double)dout[d] * element(s, seq, VALUE, j, kv, d);
        mean += ds[j];
        kept++;
    }
    for (int64_t j = 0; j < seq->k_len; j++)
        if (weight[j] > 0) ds[j] = (ds[j] - mean / (double)kept) * (double)s->scale;
}

static void back_row(const struct job *k, const struct lt_attn_seq *seq, int64_t row, int64_t head, double *weight,
                     double *ds)
{
    const struct lt_attn *s = k->s;
    int64_t kv = head / (s->heads / s->kv_heads), at = (seq->row + row) * s->ldq + head * s->dim;
    const float *dout = k->dout + (seq->row + row) * s->ldo + head * s->dim;
    weigh(k, seq, row, head, weight);
    for (int64_t j = 0; j < seq->k_len; j++)
        for (int64_t d = 0; d < s->dim && weight[j] > 0 && seq->dv; d++)
            seq->dv[j * s->ldk + kv * s->dim + d] += (float)(weight[j] * (double)dout[d]);
    if (k->kind == LT_ATTEND_HARD) return;
    score_gradient(k, seq, dout, kv, weight, ds);
    for (int64_t j = 0; j < seq->k_len; j++)
        for (int64_t d = 0; d < s->dim && weight[j] > 0; d++) {
            if (k->dq) k->dq[at + d] += (float)(ds[j] * element(s, seq, KEY, j, kv, d));
            if (seq->dk) seq->dk[j * s->ldk + kv * s->dim + d] += (float)(ds[j] * (double)k->q[at + d]);
        }
}

static void back_chunk(void *arg, int64_t chunk)
{
    const struct job *k = arg;
    const struct lt_attn *s = k->s;
    const struct lt_attn_seq *seq = &s->seq[chunk / s->kv_heads];
    int64_t group = s->heads / s->kv_heads, first = chunk % s->kv_heads * group;
    size_t size = (size_t)LT_MAX(seq->k_len, 1) * sizeof(double);
    double *weight = lt_alloc(size), *ds = lt_alloc(size);
    for (int64_t row = 0; row < seq->q_len; row++)
        for (int64_t head = first; head < first + group; head++) back_row(k, seq, row, head, weight, ds);
    free(weight);
    free(ds);
}

void lt_sparse_attention_back(struct lt_pool *p, enum lt_attend kind, const struct lt_attn *s, const float *q,
                              const float *dout, float *dq)
{
    struct job k = { .kind = kind, .s = s, .q = q, .dout = dout, .dq = dq };
    lt_pool_run(p, s->seq_count * s->kv_heads, back_chunk, &k);
}
