#include "math/kernel.h"

#include "math/attention_tile.h"
#include "math/split.h"
#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Rows of one item: blocks that share what was packed of the keys. */
enum { ITEM_BLOCKS = 4, ITEM_ROWS = ITEM_BLOCKS * LT_ATTN_ROWS };
enum { FEW = 6 };                   /* rows at most for which keys and values are not packed: with more, packing pays */

struct item { int32_t seq, kv_head; int64_t row; };

struct job {
    const struct lt_attn *s;
    const struct lt_gemm_kernel *kernel;
    const struct lt_row_kernel *rows;
    const struct item *item;
    int64_t item_count;
    _Atomic int64_t next;           /* item */
    char *scratch;                  /* one piece for every slot */
    size_t scratch_size;
    const float *q;
    float *o, *lse;
};

/* Scratch of one thread, for the rows of one item. */
struct block {
    const struct item *item;
    int64_t n;                      /* rows */
    float *q, *score, *out;         /* (ROWS, dim), NULL if plain; (ROWS, KEYS), (n, dim) */
    float *wide;                    /* (KEYS, dim), of keys and values kept in bytes; NULL: none are */
    float *top, *sum;               /* (n) running maximum, and sum of exp(score - top) */
    char *q_packed;                 /* the row blocks of q, q_size bytes each */
    size_t q_size;
    struct lt_gemm_rows qp[ITEM_BLOCKS];
    void *kp, *pp, *vp;             /* packed keys, probabilities (NULL if plain), values */
};

/* Called twice: with memory NULL it returns the bytes needed. */
static size_t lay_out(const struct lt_gemm_kernel *kn, const struct lt_attn *s, struct block *b, char *memory)
{
    struct lt_attn_room at = { .memory = memory };
    int64_t dim = s->dim;
    b->q_size = lt_tile_bytes(kn, LT_ATTN_ROWS, dim);
    b->q = kn->plain ? NULL : lt_attn_cut(&at, (size_t)(LT_ATTN_ROWS * dim) * 4);
    b->score = lt_attn_cut(&at, LT_ATTN_ROWS * LT_ATTN_KEYS * 4);
    b->out = lt_attn_cut(&at, (size_t)(ITEM_ROWS * dim) * 4);
    b->top = lt_attn_cut(&at, ITEM_ROWS * 4);
    b->sum = lt_attn_cut(&at, ITEM_ROWS * 4);
    b->q_packed = lt_attn_cut(&at, ITEM_BLOCKS * b->q_size);
    b->wide = s->kv_type == LT_I8 ? lt_attn_cut(&at, (size_t)(LT_ATTN_KEYS * dim) * 4) : NULL;
    b->kp = lt_attn_cut(&at, lt_tile_bytes(kn, LT_ATTN_KEYS, dim));
    b->pp = kn->plain ? NULL : lt_attn_cut(&at, lt_tile_bytes(kn, LT_ATTN_ROWS, LT_ATTN_KEYS));
    b->vp = lt_attn_cut(&at, lt_tile_bytes(kn, dim, LT_ATTN_KEYS));
    return at.used;
}

/* One block of rows against the keys that are packed. */
static void row_block(const struct job *j, struct block *b, int64_t row, int64_t first, int64_t keys)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    int64_t dim = s->dim, n = LT_MIN(LT_ATTN_ROWS, b->n - row);
    struct lt_tile_mask mask;
    struct lt_gemm_source p = { .p = b->score, .ld = LT_ATTN_KEYS, .type = LT_F32, .k_fast = true };
    lt_attn_seen(s, seq, b->item->row + row, n, first, &mask);
    lt_tile_scores(j->kernel, n, keys, dim, &b->qp[row / LT_ATTN_ROWS], b->kp, b->score, LT_ATTN_KEYS, &mask);
    j->rows->soften(n, b->score, mask.from, mask.end, s->scale, b->top + row, b->sum + row, dim, b->out + row * dim);
    struct lt_gemm_rows pp = lt_tile_pack_a(j->kernel, b->pp, n, keys, &p);
    lt_tile_add(j->kernel, n, dim, keys, &pp, b->vp, b->out + row * dim, dim, &mask, false);
}

/* Rows of one head lie far apart, which no hardware foresees. */
static void prefetch(const struct lt_attn *s, const void *kv, int64_t kv_head, int64_t first, int64_t end)
{
    int64_t size = (int64_t)lt_dtype_size(s->kv_type);
    for (int64_t i = first; i < end; i++)
        for (int64_t b = 0; b < s->dim * size; b += 64)
            __builtin_prefetch((const char *)kv + (i * s->ldk + kv_head * s->dim) * size + b, 0, 2);
}

/* Keys and values that lie in one piece. */
static void pack_whole(const struct job *j, struct block *b, int64_t first, int64_t keys)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    int64_t dim = s->dim;
    size_t at = (size_t)(first * s->ldk + b->item->kv_head * dim) * lt_dtype_size(s->kv_type);
    struct lt_gemm_source k = { .p = (const char *)seq->k + at, .ld = s->ldk, .type = s->kv_type, .k_fast = true };
    struct lt_gemm_source v = { .p = (const char *)seq->v + at, .ld = s->ldk, .type = s->kv_type };
    int64_t next = LT_MIN(first + 2 * LT_ATTN_KEYS, seq->k_len);
    lt_tile_pack_b(j->kernel, b->kp, keys, dim, &k);
    prefetch(s, seq->k, b->item->kv_head, first + keys, next);
    lt_tile_pack_b(j->kernel, b->vp, dim, keys, &v);
    prefetch(s, seq->v, b->item->kv_head, first + keys, next);
}

/* The rows of this head in the page of key `first`, at bytes into it: n of them; bytes are widened into `wide`. */
static struct lt_gemm_source page_rows(const struct job *j, const struct block *b, int64_t first, int64_t n, size_t at,
                                       float *wide)
{
    const struct lt_attn *s = j->s;
    int64_t row = b->item->kv_head * LT_PAGE_KEYS, dim = s->dim;
    const char *data = (const char *)s->seq[b->item->seq].page[first / LT_PAGE_KEYS] + at;
    struct lt_gemm_source from = { .p = data + (size_t)(row * dim) * lt_dtype_size(s->kv_type), .ld = dim,
                                   .type = s->kv_type };
    if (s->kv_type != LT_I8) return from;
    const float *scale = (const float *)(const void *)(data + s->kv_heads * LT_PAGE_KEYS * dim) + row;
    const int8_t *bytes = from.p;
    for (int64_t i = 0; i < n; i++) j->rows->widen_i8(dim, scale[i], bytes + i * dim, wide + i * dim);
    from.p = wide;
    from.type = LT_F32;
    return from;
}

/* What pack_whole makes, page by page: a page holds whole panels of keys, and whole units of sums over values. */
static void pack_pages(const struct job *j, struct block *b, int64_t first, int64_t keys)
{
    const struct lt_gemm_kernel *kn = j->kernel;
    const struct lt_attn_seq *seq = &j->s->seq[b->item->seq];
    int64_t dim = j->s->dim;
    assert(LT_PAGE_KEYS % kn->nr == 0 && LT_PAGE_KEYS % kn->step == 0);
    size_t unit = (size_t)kn->nr * 4, panel = unit * (size_t)lt_tile_units(kn, keys);
    for (int64_t i = 0; i < keys; i += LT_PAGE_KEYS) {
        int64_t n = LT_MIN(LT_PAGE_KEYS, keys - i);
        struct lt_gemm_source k = page_rows(j, b, first + i, n, seq->k_at, b->wide);
        k.k_fast = true;
        lt_tile_pack_b(kn, (char *)b->kp + (size_t)(i * lt_tile_units(kn, dim)) * 4, n, dim, &k);
        struct lt_gemm_source v = page_rows(j, b, first + i, n, seq->v_at, b->wide);
        char *to = (char *)b->vp + unit * (size_t)(i / kn->step);
        for (int64_t c = 0; c < dim; c += kn->nr, to += panel) {
            struct lt_gemm_source part = v;
            part.p = (const char *)v.p + (size_t)c * lt_dtype_size(v.type);
            kn->pack(to, kn->nr, LT_MIN(kn->nr, dim - c), n, &part);
        }
    }
}

/* Keys, or values, of this head from key `first` on where they lie, in pieces of LT_PAGE_KEYS. */
static void pieces(const struct job *j, const struct block *b, int64_t first, int64_t keys, bool values,
                   struct lt_gemm_source piece[LT_ATTN_KEYS / LT_PAGE_KEYS])
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    for (int64_t i = 0; i < keys; i += LT_PAGE_KEYS, piece++) {
        const int64_t n = LT_MIN(LT_PAGE_KEYS, keys - i);
        if (seq->page) {
            float *wide = b->wide ? b->wide + i * s->dim : NULL;
            *piece = page_rows(j, b, first + i, n, values ? seq->v_at : seq->k_at, wide);
            continue;
        }
        const size_t at = (size_t)((first + i) * s->ldk + b->item->kv_head * s->dim) * lt_dtype_size(s->kv_type);
        *piece = (struct lt_gemm_source){ .p = (const char *)(values ? seq->v : seq->k) + at, .ld = s->ldk,
                                          .type = s->kv_type };
    }
}

/* The scores of all rows with keys from .. end - 1 of the tile. */
static void few_scores(const struct job *j, struct block *b, const struct lt_gemm_source *piece, int32_t from,
                       int32_t end)
{
    const int64_t nr = j->kernel->nr, dim = j->s->dim;
    for (int64_t c = from / nr * nr; c < end; c += LT_PAGE_KEYS - c % LT_PAGE_KEYS) {
        struct lt_gemm_source keys = piece[c / LT_PAGE_KEYS];
        const int64_t n = LT_MIN(LT_PAGE_KEYS - c % LT_PAGE_KEYS, end - c);
        keys.p = (const char *)keys.p + (size_t)(c % LT_PAGE_KEYS * keys.ld) * lt_dtype_size(keys.type);
        j->kernel->direct(&(struct lt_gemm_direct){ .m = b->n, .n = n, .k = dim, .kc = dim, .a = b->qp[0], .b = keys,
                                                    .c = b->score + c, .ldc = LT_ATTN_KEYS });
    }
}

/* What packing and row_block make of few rows, from keys and values where they lie. */
static void few_rows(const struct job *j, struct block *b, int64_t first, int64_t keys)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    struct lt_gemm_source piece[LT_ATTN_KEYS / LT_PAGE_KEYS];
    struct lt_gemm_source p = { .p = b->score, .ld = LT_ATTN_KEYS, .type = LT_F32, .k_fast = true };
    struct lt_tile_mask mask;
    lt_attn_seen(s, seq, b->item->row, b->n, first, &mask);
    pieces(j, b, first, keys, false, piece);
    few_scores(j, b, piece, mask.from[0], mask.end[b->n - 1]);
    j->rows->soften(b->n, b->score, mask.from, mask.end, s->scale, b->top, b->sum, s->dim, b->out);
    pieces(j, b, first, keys, true, piece);
    struct lt_gemm_rows pp = lt_tile_pack_a(j->kernel, b->pp, b->n, keys, &p);
    j->kernel->direct_add(&(struct lt_gemm_addition){
        .m = b->n, .n = s->dim, .from = mask.from[0] / j->kernel->chains * j->kernel->chains,
        .end = LT_MIN(mask.end[b->n - 1], keys), .a = pp, .piece = piece, .each = LT_PAGE_KEYS, .c = b->out,
        .ldc = s->dim,
    });
}

static void key_tile(const struct job *j, struct block *b, int64_t first)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    int64_t keys = LT_MIN(LT_ATTN_KEYS, seq->k_len - first);
    if (b->n <= FEW && j->kernel->direct_add) {
        few_rows(j, b, first, keys);
        return;
    }
    if (seq->page) pack_pages(j, b, first, keys);
    else pack_whole(j, b, first, keys);
    for (int64_t row = 0; row < b->n; row += LT_ATTN_ROWS) {
        struct lt_span seen = lt_attn_block_span(s, seq, b->item->row + row, LT_MIN(LT_ATTN_ROWS, b->n - row));
        if (first >= seen.from && first < seen.end) row_block(j, b, row, first, keys);
    }
}

static void gather(const struct job *j, struct block *b)
{
    const struct lt_attn *s = j->s;
    const struct lt_attn_seq *seq = &s->seq[b->item->seq];
    for (int64_t row = 0; row < b->n; row += LT_ATTN_ROWS) {
        int64_t n = LT_MIN(LT_ATTN_ROWS, b->n - row);
        char *to = b->q_packed + (size_t)(row / LT_ATTN_ROWS) * b->q_size;
        float *rows = lt_tile_gather(j->kernel, to, b->q);
        struct lt_gemm_source q = { .p = rows, .ld = s->dim, .type = LT_F32, .k_fast = true };
        for (int64_t r = 0; r < n; r++) {
            struct lt_attn_place at = lt_attn_place(s, seq, b->item->kv_head, b->item->row + row + r);
            memcpy(rows + r * s->dim, j->q + at.row * s->ldq + at.head * s->dim, (size_t)s->dim * sizeof *rows);
            b->top[row + r] = -INFINITY;
            b->sum[row + r] = 0;
        }
        b->qp[row / LT_ATTN_ROWS] = lt_tile_pack_a(j->kernel, to, n, s->dim, &q);
    }
    memset(b->out, 0, (size_t)(b->n * s->dim) * sizeof *b->out);
}

/* Adding +0 turns a -0 into +0: whether masked keys were added as zeros or left out can then not be seen. */
static void finish(const struct job *j, const struct block *b)
{
    const struct lt_attn *s = j->s;
    for (int64_t r = 0; r < b->n; r++) {
        struct lt_attn_place at = lt_attn_place(s, &s->seq[b->item->seq], b->item->kv_head, b->item->row + r);
        float scale = b->sum[r] == 0 ? 0 : 1.0f / b->sum[r], *o = j->o + at.row * s->ldo + at.head * s->dim;
        for (int64_t i = 0; i < s->dim; i++) o[i] = b->out[r * s->dim + i] * scale + 0.0f;
        if (j->lse) j->lse[at.row * s->heads + at.head] = b->top[r] + logf(b->sum[r]);
    }
}

static void run_slot(void *arg, int64_t slot)
{
    struct job *j = arg;
    struct block b = { 0 };
    lay_out(j->kernel, j->s, &b, j->scratch + (size_t)slot * j->scratch_size);
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);
        if (i >= j->item_count) return;
        const struct lt_attn_seq *seq = &j->s->seq[j->item[i].seq];
        b.item = &j->item[i];
        b.n = LT_MIN(ITEM_ROWS, seq->q_len * (j->s->heads / j->s->kv_heads) - b.item->row);
        gather(j, &b);
        struct lt_span span = lt_attn_block_span(j->s, seq, b.item->row, b.n);
        for (int64_t first = span.from; first < span.end; first += LT_ATTN_KEYS) key_tile(j, &b, first);
        finish(j, &b);
    }
}

void lt_attention(struct lt_pool *p, const struct lt_attn *s, const float *q, float *o, float *lse)
{
    int64_t count = 0, n = 0, group = s->heads / s->kv_heads;
    for (int64_t i = 0; i < s->seq_count; i++) count += lt_chunks(s->seq[i].q_len * group, ITEM_ROWS) * s->kv_heads;
    struct item *item = lt_alloc((size_t)(count + 1) * sizeof *item);
    for (int32_t i = 0; i < s->seq_count; i++)
        for (int32_t h = 0; h < s->kv_heads; h++)
            for (int64_t row = 0; row < s->seq[i].q_len * group; row += ITEM_ROWS)
                item[n++] = (struct item){ .seq = i, .kv_head = h, .row = row };
    struct job j = { .s = s, .kernel = lt_tile_kernel(s->compute), .rows = lt_row_kernel(), .item = item,
                     .item_count = count, .q = q, .o = o, .lse = lse };
    int64_t slots = LT_MIN(lt_pool_threads(p), count);
    j.scratch_size = lay_out(j.kernel, s, &(struct block){ 0 }, NULL);
    struct lt_arena own = { 0 }, *arena = p ? lt_pool_arena(p) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    j.scratch = lt_arena_take(arena, (size_t)slots * j.scratch_size);
    lt_pool_run(p, slots, run_slot, &j);
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
    free(item);
}
