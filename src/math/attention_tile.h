/* What both passes of attention share: the shape of a block of query rows, its masks, and small products of tiles.
 *
 * Query heads that share a key head are rows of one block: row r of a sequence and key head is query r / group, head
 * kv_head * group + r % group. */
#ifndef LT_ATTENTION_TILE_H
#define LT_ATTENTION_TILE_H

#include "math/gemm_kernel.h"
#include "math/kernel.h"

enum { LT_ATTN_ROWS = 64, LT_ATTN_KEYS = 64 };

struct lt_span { int64_t from, end; };      /* keys that a query sees */

/* Keys from .. end-1 are seen by query i of the sequence. */
static inline struct lt_span lt_attn_span(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t i)
{
    int64_t at = q->k_len - q->q_len + i, end = q->k_len, from = 0;
    if (s->mask != LT_MASK_NONE) end = at + 1;
    if (s->mask == LT_MASK_PREFIX) end = LT_MIN(LT_MAX(end, (int64_t)q->prefix), (int64_t)q->k_len);
    if (s->window > 0) {
        from = LT_MAX(0, at - s->window + 1);
        end = LT_MIN(end, at + s->window);
    }
    return (struct lt_span){ from, LT_MAX(from, end) };
}

/* The keys that some row of rows .. rows+n-1 sees, widened to whole tiles at the front. */
static inline struct lt_span lt_attn_block_span(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t row, int64_t n)
{
    int64_t group = s->heads / s->kv_heads;
    struct lt_span a = lt_attn_span(s, q, row / group), b = lt_attn_span(s, q, (row + n - 1) / group);
    return (struct lt_span){ a.from / LT_ATTN_KEYS * LT_ATTN_KEYS, LT_MAX(a.end, b.end) };
}

/* Scores of a row over a tile of keys that begins at key `first`: scaled, and -inf where the row does not see. */
void lt_attn_mask_row(float *score, float scale, struct lt_span span, int64_t first);

/* ---- products of tiles with the kernels of lt_gemm ---- */

static inline int64_t lt_tile_units(const struct lt_gemm_kernel *k, int64_t depth) { return (depth + k->step - 1) / k->step; }
/* Bytes of an operand of `width` rows (or columns) and `depth` products, packed; a multiple of 64. */
size_t lt_tile_bytes(const struct lt_gemm_kernel *k, int64_t width, int64_t depth);
void lt_tile_pack_a(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth, const struct lt_gemm_source *s);
void lt_tile_pack_b(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth, const struct lt_gemm_source *s);
/* C (m, n) = or += A B from operands packed as above. */
void lt_tile_product(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const void *a, const void *b,
                     float *c, int64_t ldc, bool add);

#endif
