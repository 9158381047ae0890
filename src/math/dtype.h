/* Element types, named as safetensors names them; quantised ones (math/quant.h) as ggml does. */
#ifndef LT_DTYPE_H
#define LT_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum lt_dtype {
    LT_F32, LT_BF16, LT_F16, LT_F64, LT_I8, LT_U8, LT_I16, LT_I32, LT_I64, LT_TYPE_BOOL,
    LT_Q8_0, LT_Q4_0, LT_Q5_0, LT_Q5_1, LT_Q4_K, LT_Q5_K, LT_Q6_K,      /* blocks of several elements */
    LT_DTYPE_COUNT
};
/* Of products; results are always f32.  INT16 and INT8: operands are whole numbers of 12 or 8 bits times a scale
 * (math/gemm.h). */
enum lt_compute { LT_COMPUTE_F32, LT_COMPUTE_BF16, LT_COMPUTE_INT16, LT_COMPUTE_INT8, LT_COMPUTES };

static inline bool lt_dtype_quantised(enum lt_dtype t) { return t >= LT_Q8_0 && t < LT_DTYPE_COUNT; }
size_t lt_dtype_size(enum lt_dtype t);                  /* bytes of one element, not quantised */
int64_t lt_dtype_block(enum lt_dtype t);                /* elements of a block; 1 when not quantised */
size_t lt_dtype_block_size(enum lt_dtype t);            /* bytes of a block, or of an element */
size_t lt_dtype_bytes(enum lt_dtype t, int64_t n);      /* bytes of n elements, a multiple of the block */
const char *lt_dtype_name(enum lt_dtype t);             /* "F32", "BF16", "Q4_K" ... */
/* "BF16", "bf16" or "bfloat16", a type that is not quantised (lt_quant_find knows those); -1: lt_error */
int lt_dtype_find(const char *name, enum lt_dtype *t);

static inline float lt_from_bf16(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}
/* Round to nearest even; NaN stays NaN. */
static inline uint16_t lt_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}
float lt_from_f16(uint16_t h);
uint16_t lt_to_f16(float f);
/* n elements of another type, among F32, BF16, F16 and F64, or from whole blocks of a quantised type; in and out must
 * not overlap unless they are the same type.
 * Rounds to nearest, ties to even; too large becomes infinite; the same bits on every instruction set. */
void lt_convert(enum lt_dtype to, void *out, enum lt_dtype from, const void *in, int64_t n);

#endif
