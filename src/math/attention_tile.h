/* What both passes of attention share: the shape of a block of query rows, its masks, and small products of tiles.
 *
 * Query heads that share a key head are rows of one block: row r of a sequence and key head is query r / group, head
 * kv_head * group + r % group. */
#ifndef LT_ATTENTION_TILE_H
#define LT_ATTENTION_TILE_H

#include "math/gemm_kernel.h"
#include "math/row_kernel.h"

enum { LT_ATTN_ROWS = 128, LT_ATTN_KEYS = LT_TILE_KEYS };

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
static inline struct lt_span lt_attn_block_span(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t row,
                                                int64_t n)
{
    int64_t group = s->heads / s->kv_heads;
    struct lt_span a = lt_attn_span(s, q, row / group), b = lt_attn_span(s, q, (row + n - 1) / group);
    return (struct lt_span){ a.from / LT_ATTN_KEYS * LT_ATTN_KEYS, LT_MAX(a.end, b.end) };
}

/* Which keys of a tile its rows see: from .. end-1, counted from the tile's first key.  Both ascend from row to row. */
struct lt_tile_mask { int32_t from[LT_ATTN_ROWS], end[LT_ATTN_ROWS]; };
/* Of rows row .. row+n-1 and the tile that begins at key `first`. */
void lt_attn_seen(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t row, int64_t n, int64_t first,
                  struct lt_tile_mask *mask);

struct lt_attn_place { int64_t row, head; };        /* of one row of a block in q and o */
static inline struct lt_attn_place lt_attn_place(const struct lt_attn *s, const struct lt_attn_seq *q, int64_t kv_head,
                                                 int64_t row)
{
    int64_t group = s->heads / s->kv_heads;
    return (struct lt_attn_place){ q->row + row / group, kv_head * group + row % group };
}

/* Takes a piece of scratch memory; what follows begins on a cache line.  memory NULL: only counts. */
struct lt_attn_room { char *memory; size_t used; };
static inline void *lt_attn_cut(struct lt_attn_room *r, size_t bytes)
{
    void *p = r->memory ? r->memory + r->used : NULL;
    r->used += (bytes + 63) / 64 * 64;
    return p;
}

/* ---- products of tiles with the kernels of lt_gemm ---- */

/* The kernel of a compute type.  Scores and probabilities stay out of whole numbers: one scale does not suit them.
 * Floats stand in for those of 12 bits, bf16 for those of 8. */
static inline const struct lt_gemm_kernel *lt_tile_kernel(enum lt_compute compute)
{
    return lt_gemm_kernel(LT_ISA_BEST, compute == LT_COMPUTE_INT16 ? LT_COMPUTE_F32
                                         : compute == LT_COMPUTE_INT8 ? LT_COMPUTE_BF16 : compute);
}
static inline int64_t lt_tile_units(const struct lt_gemm_kernel *k, int64_t depth)
{
    return (depth + k->step - 1) / k->step;
}
/* Bytes of an operand of `width` rows (or columns) and `depth` products, packed; a multiple of 64. */
size_t lt_tile_bytes(const struct lt_gemm_kernel *k, int64_t width, int64_t depth);
/* A as the kernel reads it: packed in dst, or, for floats and a plain kernel, where s has it, which must then stay. */
struct lt_gemm_rows lt_tile_pack_a(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth,
                                   const struct lt_gemm_source *s);
/* Where to gather floats that lt_tile_pack_a shall take to dst: there, if they stay as they are, or at `apart`. */
static inline float *lt_tile_gather(const struct lt_gemm_kernel *k, void *dst, float *apart)
{
    return k->plain ? dst : apart;
}
void lt_tile_pack_b(const struct lt_gemm_kernel *k, void *dst, int64_t width, int64_t depth,
                    const struct lt_gemm_source *s);
/* C (m rows, n keys) = A B, only where the panels of rows see keys. */
void lt_tile_scores(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const struct lt_gemm_rows *a,
                    const void *b, float *c, int64_t ldc, const struct lt_tile_mask *mask);
/* C (m, n) += A B, where A holds zeros outside the mask: it is (rows, keys), or (keys, rows) with `keys`.  Leaving out
 * products with zeros does not change a bit. */
void lt_tile_add(const struct lt_gemm_kernel *k, int64_t m, int64_t n, int64_t depth, const struct lt_gemm_rows *a,
                 const void *b, float *c, int64_t ldc, const struct lt_tile_mask *mask, bool keys);

#endif
