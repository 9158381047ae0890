/* The backward pass of attention.  One chunk is one key head of one sequence, so its dk and dv have a single writer and
 * every sum a single order.  Probabilities are made again from the kept log-sum-exp. */
#include "math/kernel.h"

#include "math/attention_tile.h"
#include "math/split.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 8 };                     /* rows asked for before they are gathered */
enum { ROWS = LT_ATTN_ROWS / 2 };       /* of a block: two matrices of scores at once, that a near cache holds */

struct job {
    const struct lt_attn *s;
    const struct lt_gemm_kernel *kernel;
    const struct lt_row_kernel *rows;
    const float *q, *o, *lse, *dout;
    float *dq;
    _Atomic int64_t next;           /* sequence and key head */
    char *scratch;                  /* one piece for every slot */
    size_t scratch_size;
};

/* Scratch of one thread; rows are all query rows of the key head. */
struct head {
    const struct job *job;
    const struct lt_attn_seq *seq;
    int64_t rows, kv_head;
    float *q, *dout;                /* (ROWS, dim); NULL if the kernel is plain */
    float *dq;                      /* (rows, dim) */
    float *dk, *dv;                 /* (KEYS, dim) of the key tile */
    float *lse, *delta;             /* (rows): delta = dout . o */
    float *p, *ds;                  /* (ROWS, KEYS) */
    char *q_left, *d_left, *qb, *db;        /* q and dout of every block, as left and as right operands */
    struct lt_gemm_rows *qa, *da;   /* where the left ones lie */
    size_t left_size, qb_size;      /* bytes of one block */
    void *kt, *kb, *vt, *pa;        /* key tile: K^T and K, V^T; left operand made from p or ds, NULL if plain */
};

/* Called twice: with memory NULL it returns the bytes needed. */
static size_t lay_out(const struct lt_gemm_kernel *kn, int64_t rows, int64_t dim, struct head *h, char *memory)
{
    size_t wide = (size_t)(ROWS * dim) * 4;
    size_t square = ROWS * LT_ATTN_KEYS * 4, blocks = (size_t)lt_chunks(rows, ROWS);
    struct lt_attn_room at = { .memory = memory };
    h->left_size = lt_tile_bytes(kn, ROWS, dim);
    h->qb_size = lt_tile_bytes(kn, dim, ROWS);
    h->q = kn->plain ? NULL : lt_attn_cut(&at, wide);
    h->dout = kn->plain ? NULL : lt_attn_cut(&at, wide);
    h->dq = lt_attn_cut(&at, (size_t)(rows * dim) * 4);
    h->lse = lt_attn_cut(&at, (size_t)rows * 4);
    h->delta = lt_attn_cut(&at, (size_t)rows * 4);
    h->p = lt_attn_cut(&at, square);
    h->ds = lt_attn_cut(&at, square);
    h->q_left = lt_attn_cut(&at, blocks * h->left_size);
    h->d_left = lt_attn_cut(&at, blocks * h->left_size);
    h->qa = lt_attn_cut(&at, blocks * sizeof *h->qa);
    h->da = lt_attn_cut(&at, blocks * sizeof *h->da);
    h->qb = lt_attn_cut(&at, blocks * h->qb_size);
    h->db = lt_attn_cut(&at, blocks * h->qb_size);
    h->kt = lt_attn_cut(&at, lt_tile_bytes(kn, LT_ATTN_KEYS, dim));
    h->vt = lt_attn_cut(&at, lt_tile_bytes(kn, LT_ATTN_KEYS, dim));
    h->kb = lt_attn_cut(&at, lt_tile_bytes(kn, dim, LT_ATTN_KEYS));
    h->dk = lt_attn_cut(&at, (size_t)(LT_ATTN_KEYS * dim) * 4);
    h->dv = lt_attn_cut(&at, (size_t)(LT_ATTN_KEYS * dim) * 4);
    size_t across = lt_tile_bytes(kn, ROWS, LT_ATTN_KEYS), down = lt_tile_bytes(kn, LT_ATTN_KEYS, ROWS);
    h->pa = kn->plain ? NULL : lt_attn_cut(&at, LT_MAX(across, down));
    return at.used;
}

/* Asks for rows that are read soon: pieces of rows are no stream that the machine foresees. */
static void ask_ahead(const struct job *j, const struct lt_attn_place *at)
{
    const struct lt_attn *s = j->s;
    const float *q = j->q + (at->row + AHEAD) * s->ldq + at->head * s->dim;
    const int64_t to = (at->row + AHEAD) * s->ldo + at->head * s->dim;
    for (int64_t i = 0; i < s->dim; i += 16) {
        __builtin_prefetch(q + i);
        __builtin_prefetch(j->dout + to + i);
        __builtin_prefetch(j->o + to + i);
    }
}

/* The rows of a block of q and dout, one behind the other: where they are, if they lie equally far apart and are packed
 * anyhow, or copied to q_rows and d_rows. */
static void find_rows(const struct head *h, int64_t row, int64_t n, float *q_rows, float *d_rows,
                      struct lt_gemm_source *q, struct lt_gemm_source *d)
{
    const struct job *j = h->job;
    const struct lt_attn *s = j->s;
    const int64_t dim = s->dim;
    *q = (struct lt_gemm_source){ .p = q_rows, .ld = dim, .type = LT_F32, .k_fast = true };
    *d = (struct lt_gemm_source){ .p = d_rows, .ld = dim, .type = LT_F32, .k_fast = true };
    if (!j->kernel->plain && s->heads == s->kv_heads) {
        const struct lt_attn_place at = lt_attn_place(s, h->seq, h->kv_head, row);
        q->p = j->q + at.row * s->ldq + at.head * dim, q->ld = s->ldq;
        d->p = j->dout + at.row * s->ldo + at.head * dim, d->ld = s->ldo;
        return;
    }
    for (int64_t r = 0; r < n; r++) {
        const struct lt_attn_place at = lt_attn_place(s, h->seq, h->kv_head, row + r);
        memcpy(q_rows + r * dim, j->q + at.row * s->ldq + at.head * dim, (size_t)dim * 4);
        memcpy(d_rows + r * dim, j->dout + at.row * s->ldo + at.head * dim, (size_t)dim * 4);
    }
}

static void gather_block(struct head *h, int64_t row)
{
    const struct job *j = h->job;
    const struct lt_attn *s = j->s;
    int64_t dim = s->dim, n = LT_MIN(ROWS, h->rows - row);
    size_t b = (size_t)(row / ROWS);
    char *q_left = h->q_left + b * h->left_size, *d_left = h->d_left + b * h->left_size;
    struct lt_gemm_source q, d;
    for (int64_t r = 0; r < n; r++) {
        const struct lt_attn_place at = lt_attn_place(s, h->seq, h->kv_head, row + r);
        const int64_t o = at.row * s->ldo + at.head * dim;
        ask_ahead(j, &at);
        h->lse[row + r] = j->lse[at.row * s->heads + at.head];
        h->delta[row + r] = j->rows->dot(dim, j->dout + o, j->o + o);
    }
    find_rows(h, row, n, lt_tile_gather(j->kernel, q_left, h->q), lt_tile_gather(j->kernel, d_left, h->dout), &q, &d);
    h->qa[b] = lt_tile_pack_a(j->kernel, q_left, n, dim, &q);
    h->da[b] = lt_tile_pack_a(j->kernel, d_left, n, dim, &d);
    q.k_fast = d.k_fast = false;
    lt_tile_pack_b(j->kernel, h->qb + b * h->qb_size, dim, n, &q);
    lt_tile_pack_b(j->kernel, h->db + b * h->qb_size, dim, n, &d);
}

static void row_block(struct head *h, int64_t row, int64_t first, int64_t keys)
{
    const struct lt_attn *s = h->job->s;
    const struct lt_gemm_kernel *kn = h->job->kernel;
    int64_t n = LT_MIN(ROWS, h->rows - row), dim = s->dim;
    size_t b = (size_t)(row / ROWS);
    struct lt_tile_mask mask;
    lt_attn_seen(s, h->seq, row, n, first, &mask);
    lt_tile_scores(kn, n, keys, dim, &h->qa[b], h->kt, h->p, LT_ATTN_KEYS, &mask);
    lt_tile_scores(kn, n, keys, dim, &h->da[b], h->vt, h->ds, LT_ATTN_KEYS, &mask);
    h->job->rows->soft_slope(n, h->p, h->ds, mask.from, mask.end, s->scale, h->lse + row, h->delta + row);
    struct lt_gemm_source p = { .p = h->p, .ld = LT_ATTN_KEYS, .type = LT_F32 };
    struct lt_gemm_source ds = { .p = h->ds, .ld = LT_ATTN_KEYS, .type = LT_F32 };
    struct lt_gemm_rows left;
    if (h->seq->dv) {
        left = lt_tile_pack_a(kn, h->pa, keys, n, &p);
        lt_tile_add(kn, keys, dim, n, &left, h->db + b * h->qb_size, h->dv, dim, &mask, true);
    }
    if (h->seq->dk) {
        left = lt_tile_pack_a(kn, h->pa, keys, n, &ds);
        lt_tile_add(kn, keys, dim, n, &left, h->qb + b * h->qb_size, h->dk, dim, &mask, true);
    }
    if (!h->job->dq) return;
    ds.k_fast = true;
    left = lt_tile_pack_a(kn, h->pa, n, keys, &ds);
    lt_tile_add(kn, n, dim, keys, &left, h->kb, h->dq + row * dim, dim, &mask, false);
}

/* Rows that were summed up side by side, since far apart they would share cache sets, go to their place. */
static void put_rows(const struct job *j, int64_t rows, const float *from, float *to, int64_t ld)
{
    const int64_t dim = j->s->dim;
    for (int64_t r = 0; r < rows; r++, from += dim, to += ld) {
        if (j->s->set) memcpy(to, from, (size_t)dim * 4);
        else j->rows->axpy(dim, 1, from, to);
    }
}

static void key_tile(struct head *h, int64_t first)
{
    const struct job *j = h->job;
    const struct lt_attn *s = j->s;
    int64_t dim = s->dim, keys = LT_MIN(LT_ATTN_KEYS, h->seq->k_len - first), at = first * s->ldk + h->kv_head * dim;
    size_t bytes = (size_t)at * lt_dtype_size(s->kv_type);
    struct lt_gemm_source k = { .p = (const char *)h->seq->k + bytes, .ld = s->ldk, .type = s->kv_type,
                                .k_fast = true };
    struct lt_gemm_source v = { .p = (const char *)h->seq->v + bytes, .ld = s->ldk, .type = s->kv_type,
                                .k_fast = true };
    lt_tile_pack_b(j->kernel, h->kt, keys, dim, &k);
    lt_tile_pack_b(j->kernel, h->vt, keys, dim, &v);
    k.k_fast = false;
    lt_tile_pack_b(j->kernel, h->kb, dim, keys, &k);
    memset(h->dk, 0, (size_t)(keys * dim) * 4);
    memset(h->dv, 0, (size_t)(keys * dim) * 4);
    for (int64_t row = 0; row < h->rows; row += ROWS) {
        struct lt_span seen = lt_attn_block_span(s, h->seq, row, LT_MIN(ROWS, h->rows - row));
        if (first >= seen.from && first < seen.end) row_block(h, row, first, keys);
    }
    if (h->seq->dk) put_rows(j, keys, h->dk, h->seq->dk + at, s->ldk);
    if (h->seq->dv) put_rows(j, keys, h->dv, h->seq->dv + at, s->ldk);
}

static void run_head(struct head *h)
{
    const struct job *j = h->job;
    const struct lt_attn *s = j->s;
    for (int64_t row = 0; row < h->rows; row += ROWS) gather_block(h, row);
    memset(h->dq, 0, (size_t)(h->rows * s->dim) * 4);
    for (int64_t first = 0; first < h->seq->k_len; first += LT_ATTN_KEYS) key_tile(h, first);
    for (int64_t r = 0; r < h->rows && j->dq; r++) {
        struct lt_attn_place at = lt_attn_place(s, h->seq, h->kv_head, r);
        float *dq = j->dq + at.row * s->ldq + at.head * s->dim;
        if (s->set) memcpy(dq, h->dq + r * s->dim, (size_t)s->dim * 4);
        else j->rows->axpy(s->dim, 1, h->dq + r * s->dim, dq);
    }
}

static void run_slot(void *arg, int64_t slot)
{
    struct job *j = arg;
    const struct lt_attn *s = j->s;
    struct head h = { .job = j };
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
        if (i >= s->seq_count * s->kv_heads) return;
        h.seq = &s->seq[i / s->kv_heads];
        h.kv_head = i % s->kv_heads;
        h.rows = (int64_t)h.seq->q_len * (s->heads / s->kv_heads);
        lay_out(j->kernel, h.rows, s->dim, &h, j->scratch + (size_t)slot * j->scratch_size);
        run_head(&h);
    }
}

void lt_attention_back(struct lt_pool *p, const struct lt_attn *s, const float *q, const float *o, const float *lse,
                       const float *dout, float *dq)
{
    struct job j = { .s = s, .kernel = lt_tile_kernel(s->compute), .rows = lt_row_kernel(), .q = q, .o = o,
                     .lse = lse, .dout = dout, .dq = dq };
    int64_t slots = LT_MIN(lt_pool_threads(p), s->seq_count * s->kv_heads), rows = 0;
    for (int64_t i = 0; i < s->seq_count; i++) rows = LT_MAX(rows, s->seq[i].q_len);
    j.scratch_size = lay_out(j.kernel, rows * (s->heads / s->kv_heads), s->dim, &(struct head){ 0 }, NULL);
    struct lt_arena own = { 0 }, *arena = p ? lt_pool_arena(p) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    j.scratch = lt_arena_take(arena, (size_t)slots * j.scratch_size);
    lt_pool_run(p, slots, run_slot, &j);
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
}
