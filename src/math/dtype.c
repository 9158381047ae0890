#include "math/dtype.h"

#include "base/base.h"
#include "math/cpu.h"
#include "math/dtype_kernel.h"
#include "math/quant.h"

#include <assert.h>
#include <strings.h>

static const struct { const char *name, *torch; size_t size; int block; } row[LT_DTYPE_COUNT] = {
    [LT_F32] = { "F32", "float32", 4, 0 },  [LT_BF16] = { "BF16", "bfloat16", 2, 0 },
    [LT_F16] = { "F16", "float16", 2, 0 },  [LT_F64] = { "F64", "float64", 8, 0 },
    [LT_I8] = { "I8", "int8", 1, 0 },       [LT_U8] = { "U8", "uint8", 1, 0 },
    [LT_I16] = { "I16", "int16", 2, 0 },    [LT_I32] = { "I32", "int32", 4, 0 },
    [LT_I64] = { "I64", "int64", 8, 0 },    [LT_TYPE_BOOL] = { "BOOL", "bool", 1, 0 },
    [LT_Q8_0] = { .name = "Q8_0", .size = 34, .block = 32 },
    [LT_Q4_0] = { .name = "Q4_0", .size = 18, .block = 32 },
    [LT_Q5_0] = { .name = "Q5_0", .size = 22, .block = 32 },
    [LT_Q5_1] = { .name = "Q5_1", .size = 24, .block = 32 },
    [LT_Q4_K] = { .name = "Q4_K", .size = 144, .block = 256 },
    [LT_Q5_K] = { .name = "Q5_K", .size = 176, .block = 256 },
    [LT_Q6_K] = { .name = "Q6_K", .size = 210, .block = 256 },
};

size_t lt_dtype_size(enum lt_dtype t)
{
    assert(row[t].block == 0);
    return row[t].size;
}

int64_t lt_dtype_block(enum lt_dtype t)
{
    return row[t].block ? row[t].block : 1;
}

size_t lt_dtype_block_size(enum lt_dtype t)
{
    return row[t].size;
}

size_t lt_dtype_bytes(enum lt_dtype t, int64_t n)
{
    int64_t block = lt_dtype_block(t);
    assert(n >= 0 && n % block == 0);
    return (size_t)(n / block) * row[t].size;
}

const char *lt_dtype_name(enum lt_dtype t)
{
    return row[t].name;
}

int lt_dtype_find(const char *name, enum lt_dtype *t)
{
    for (int i = 0; i < LT_DTYPE_COUNT; i++) {
        if (row[i].block) continue;
        if (strcasecmp(name, row[i].name) != 0 && strcmp(name, row[i].torch) != 0) continue;
        *t = (enum lt_dtype)i;
        return 0;
    }
    return lt_fail("element type \"%.40s\" is unknown; known are F32, BF16, F16, F64, I8, U8, I16, I32, I64 and BOOL",
                   name);
}

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* A half has 5 exponent bits (bias 15) and 10 of mantissa; every half is a float, subnormal ones a normal float. */
float lt_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0));
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

uint16_t lt_to_f16(float f)
{
    uint32_t u = bits(f), sign = (u >> 16) & 0x8000;
    u &= 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((u >> 13) & 0x3ff));
    if (u >= 0x47800000) return (uint16_t)(sign | 0x7c00);      /* 65536 and above */
    if (u >= 0x38800000) {              /* normal halves; rounding may carry into the exponent, up to infinity */
        u += 0xfff + ((u >> 13) & 1);
        return (uint16_t)(sign | ((u >> 13) - (112 << 10)));
    }
    /* Subnormal: beside 0.5 the last bit of the mantissa weighs 2^-24, so the addition rounds as wanted. */
    return (uint16_t)(sign | (bits(from_bits(u) + 0.5f) - bits(0.5f)));
}

/* To and from float at full speed; other pairs go through float or double one by one. */
static bool fast(enum lt_dtype to, void *out, enum lt_dtype from, const void *in, int64_t n)
{
#if defined(__x86_64__)
    if (lt_cpu_level() >= LT_ISA_AVX2) {
        if (to == LT_F32 && from == LT_BF16) { lt_from_bf16_avx2(out, in, n); return true; }
        if (to == LT_F32 && from == LT_F16) { lt_from_f16_avx2(out, in, n); return true; }
        if (to == LT_BF16 && from == LT_F32) { lt_to_bf16_avx2(out, in, n); return true; }
        if (to == LT_F16 && from == LT_F32) { lt_to_f16_avx2(out, in, n); return true; }
    }
#endif
    if (to != from) return false;
    memcpy(out, in, (size_t)n * row[to].size);
    return true;
}

static double get(const void *in, enum lt_dtype type, int64_t i)
{
    switch (type) {
    case LT_F64: return ((const double *)in)[i];
    case LT_BF16: return lt_from_bf16(((const uint16_t *)in)[i]);
    case LT_F16: return lt_from_f16(((const uint16_t *)in)[i]);
    default: return ((const float *)in)[i];
    }
}

/* A double on its way to half a float is first rounded to odd, so that the second rounding sees what was cut off. */
static float to_odd(double x)
{
    float f = (float)x;
    if ((double)f == x || !(x - x == 0) || bits(f) & 1) return f;
    bool away = (x > 0) == ((double)f > x);
    return from_bits(away ? bits(f) - 1 : bits(f) + 1);
}

static void put(void *out, enum lt_dtype type, int64_t i, double x)
{
    switch (type) {
    case LT_F64: ((double *)out)[i] = x; return;
    case LT_BF16: ((uint16_t *)out)[i] = lt_to_bf16(to_odd(x)); return;
    case LT_F16: ((uint16_t *)out)[i] = lt_to_f16(to_odd(x)); return;
    default: ((float *)out)[i] = (float)x; return;
    }
}

static void from_blocks(enum lt_dtype to, void *out, enum lt_dtype from, const void *in, int64_t n)
{
    if (to == LT_F32) {
        lt_dequant(from, in, n, out);
        return;
    }
    float wide[LT_QUANT_BLOCK_MAX];
    const int64_t block = row[from].block;
    for (int64_t i = 0; i < n; i += block) {
        lt_dequant(from, (const char *)in + lt_dtype_bytes(from, i), block, wide);
        lt_convert(to, (char *)out + (size_t)i * row[to].size, LT_F32, wide, block);
    }
}

void lt_convert(enum lt_dtype to, void *out, enum lt_dtype from, const void *in, int64_t n)
{
    if (lt_dtype_quantised(from)) {
        from_blocks(to, out, from, in, n);
        return;
    }
    if (fast(to, out, from, in, n)) return;
    for (int64_t i = 0; i < n; i++) put(out, to, i, get(in, from, i));
}
