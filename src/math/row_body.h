/* The loops of row_kernel.h in plain C, for the compiler to turn into vectors.  row_ref.c, row_avx2.c and row_avx512.c
 * include this file once each, compiled with their flags, and name the table at its end through ROW_TABLE.
 *
 * Loops over elements are branch-free.  Sums go into sixteen lanes (element i into lane i mod 16) that are added
 * pairwise at the end: the order any vector unit can follow. */
#include "math/row_kernel.h"

#include <math.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, PIECE = 256 };       /* PIECE: elements that stay in the first cache between two loops */

/* Sixteen lanes in the registers that there are. */
#if defined(__AVX512F__)
enum { WIDTH = 16 };
#elif defined(__AVX__)
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif
enum { PARTS = LANES / WIDTH };
typedef float part __attribute__((vector_size(4 * WIDTH)));

/* Elements do not depend on one another, even where two arguments are the same array. */
#if defined(__clang__)
#define LANEWISE _Pragma("clang loop vectorize(assume_safety)")
#else
#define LANEWISE _Pragma("GCC ivdep")
#endif

INLINE part load(const float *x)
{
    part v;
    memcpy(&v, x, sizeof v);
    return v;
}

typedef float eight __attribute__((vector_size(32)));
typedef float four __attribute__((vector_size(16)));

INLINE void store(float *x, part v)
{
    memcpy(x, &v, sizeof v);
}

/* Sixteen lanes added pairwise: eight apart, then four, two, one. */
INLINE float total(const float *t)
{
    eight low, high;
    four a, b;
    memcpy(&low, t, sizeof low);
    memcpy(&high, t + 8, sizeof high);
    low += high;
    memcpy(&a, &low, sizeof a);
    memcpy(&b, (const char *)&low + sizeof a, sizeof b);
    a += b;
    return (a[0] + a[2]) + (a[1] + a[3]);
}

/* One loop for every kind of sum: `terms` of a part that begins at element e, `term` of the single element e. */
#define SUM(terms, term) \
    part s[PARTS] = { { 0 } }; \
    int64_t i = 0; \
    for (; i + LANES <= n; i += LANES) \
        for (int p = 0; p < PARTS; p++) { int64_t e = i + p * WIDTH; s[p] += (terms); } \
    float rest[LANES] = { 0 }; \
    for (int64_t e = i; e < n; e++) rest[e - i] = (term); \
    for (int p = 0; p < PARTS; p++) store(rest + p * WIDTH, s[p] + load(rest + p * WIDTH)); \
    return total(rest);

INLINE float sum_of(int64_t n, const float *x) { SUM(load(x + e), x[e]) }
INLINE float dot_of(int64_t n, const float *a, const float *b) { SUM(load(a + e) * load(b + e), a[e] * b[e]) }
INLINE float dot3_of(int64_t n, const float *a, const float *b, const float *c)
{
    SUM(load(a + e) * load(b + e) * load(c + e), a[e] * b[e] * c[e])
}
/* of (x - mean)^2 */
INLINE float spread_of(int64_t n, const float *x, float mean)
{
    SUM((load(x + e) - mean) * (load(x + e) - mean), (x[e] - mean) * (x[e] - mean))
}

/* ---- elementary functions ---- */

INLINE float bits_to_float(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

INLINE uint32_t float_to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* exp(x) within 2 units in the last place; 0 below 2^-125 (x < -86.99), infinite from 88.73 on, NaN stays NaN, exp(0)
 * is exactly 1.  x = n log 2 + r with |r| <= log(2) / 2; the polynomial gives 2 exp(r) (minimax in relative error,
 * 2e-9). */
INLINE float exp_of(float x)
{
    const float low = -87.25f, high = 89.25f, magic = 0x1.8p23f; /* adding magic rounds to an integer in the low bits */
    x = low > x ? low : x;
    x = high < x ? high : x;
    float t = x * 1.44269504f + magic, n = t - magic;
    float r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;      /* log 2 in two parts, the first exact times n */
    float p = 0x1.126d66p-6f + r * 0x1.6ab92p-9f;
    p = 0x1.55589cp-4f + r * p;
    p = 0x1.55540ap-2f + r * p;
    p = 0x1.fffffap-1f + r * p;
    p = 2 + r * p;
    p = 2 + r * p;
    return p * bits_to_float((float_to_bits(t) << 23) + (126u << 23));     /* 2^(n-1), 0 at n = -126, infinite at 129 */
}

INLINE float sigmoid(float x)
{
    return 1.0f / (1.0f + exp_of(-x));
}

/* Of the normal distribution, P(X < -z) / exp(-z^2 / 2) for z >= 0: a polynomial in 1 / (1 + 0.35 z), minimax in
 * relative error (3e-8) over z <= 13.5, beyond which the exponential is 0. */
INLINE float normal_tail(float z)
{
    float t = 1.0f / (1.0f + 0.35f * z);
    float p = 0.14387007f + t * -0.029125486f;
    p = -0.25549933f + t * p;
    p = 0.15892233f + t * p;
    p = -0.022931602f + t * p;
    p = 0.10543026f + t * p;
    p = 0.119853199f + t * p;
    p = 0.139858961f + t * p;
    p = 0.139621571f + t * p;
    return t * p;
}

/* exp(-x^2 / 2) */
INLINE float bell(float x)
{
    return exp_of(-0.5f * x * x);
}

/* P(X < x) */
INLINE float normal_below(float x)
{
    float tail = bell(x) * normal_tail(fabsf(x));
    return x < 0 ? tail : 1.0f - tail;
}

/* ---- whole arrays ---- */

static void add(int64_t n, const float *a, const float *b, float *y)
{
    LANEWISE
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void axpy(int64_t n, float alpha, const float *restrict x, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] += alpha * x[i];
}

static void scale(int64_t n, float alpha, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] *= alpha;
}

static float dot(int64_t n, const float *a, const float *b)
{
    return dot_of(n, a, b);
}

static double wide_dot(int64_t n, const float *restrict a, const float *restrict b)
{
    double s[LANES] = { 0 }, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) s[l] += (double)a[i + l] * (double)b[i + l];
    for (int l = 0; i < n; i++, l++) s[l] += (double)a[i] * (double)b[i];
    for (int l = 0; l < LANES; l++) sum += s[l];
    return sum;
}

static bool all_finite(int64_t n, const float *x)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (float_to_bits(x[i]) & 0x7f800000) == 0x7f800000;
    return !bad;
}

/* The finaliser of MurmurHash3 (Appleby, public domain): every bit of the place reaches every bit drawn. */
INLINE uint32_t mixed(uint32_t h)
{
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static void drop(int64_t n, uint64_t key, uint32_t bar, float factor, const float *x, float *y, bool add)
{
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    int count = (int)n;
    if (add) {
        LANEWISE
        for (int i = 0; i < count; i++) y[i] += mixed(mixed((uint32_t)i ^ low) + high) >> 8 >= bar ? x[i] * factor : 0;
    } else {
        LANEWISE
        for (int i = 0; i < count; i++) y[i] = mixed(mixed((uint32_t)i ^ low) + high) >> 8 >= bar ? x[i] * factor : 0;
    }
}

/* ---- norms ---- */

static float rms(int64_t n, float eps, const float *restrict x, const float *restrict w, float *restrict y)
{
    float r = 1.0f / sqrtf(dot_of(n, x, x) / (float)n + eps);
    if (w) for (int64_t i = 0; i < n; i++) y[i] = x[i] * r * w[i];
    else for (int64_t i = 0; i < n; i++) y[i] = x[i] * r;
    return r;
}

/* With h = x r and g = dy w:  dx += r (g - h mean(g h)). */
static void rms_back(int64_t n, float r, const float *restrict x, const float *restrict w, const float *restrict dy,
                     float *restrict dx)
{
    float pull = (w ? dot3_of(n, dy, w, x) : dot_of(n, dy, x)) * r / (float)n * r;
    if (w) for (int64_t i = 0; i < n; i++) dx[i] += r * (dy[i] * w[i] - x[i] * pull);
    else for (int64_t i = 0; i < n; i++) dx[i] += r * (dy[i] - x[i] * pull);
}

static void layer(int64_t n, float eps, const float *restrict x, const float *restrict w, const float *restrict b,
                  float *restrict y, float *restrict stat)
{
    float mean = sum_of(n, x) / (float)n, r = 1.0f / sqrtf(spread_of(n, x, mean) / (float)n + eps);
    if (w && b) for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * r * w[i] + b[i];
    else if (w) for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * r * w[i];
    else for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * r + (b ? b[i] : 0);
    stat[0] = mean;
    stat[1] = r;
}

/* With h = (x - mean) r and g = dy w:  dx += r (g - mean(g) - h mean(g h)). */
static void layer_back(int64_t n, const float *restrict stat, const float *restrict x, const float *restrict w,
                       const float *restrict dy, float *restrict dx)
{
    float mean = stat[0], r = stat[1];
    float g = (w ? dot_of(n, dy, w) : sum_of(n, dy)) / (float)n;
    float gx = (w ? dot3_of(n, dy, w, x) : dot_of(n, dy, x)) / (float)n, pull = (gx - g * mean) * r * r;
    if (w) for (int64_t i = 0; i < n; i++) dx[i] += r * (dy[i] * w[i] - g - (x[i] - mean) * pull);
    else for (int64_t i = 0; i < n; i++) dx[i] += r * (dy[i] - g - (x[i] - mean) * pull);
}

static void norm_sums(int64_t n, float mean, float r, const float *restrict x, const float *restrict dy,
                      float *restrict dw)
{
    for (int64_t i = 0; i < n; i++) dw[i] += dy[i] * ((x[i] - mean) * r);
}

/* ---- activations: `a` is a constant wherever these are inlined ---- */

static const float root_8_over_pi = 1.59576912f, gelu_cubic = 0.044715f, one_over_root_2pi = 0.398942280f;

/* The approximate GELU is x sigmoid(2 u), since (1 + tanh u) / 2 = sigmoid(2 u). */
INLINE float value(const enum lt_act a, float x)
{
    switch (a) {
    case LT_ACT_GELU: return x * normal_below(x);
    case LT_ACT_GELU_TANH: return x * sigmoid(root_8_over_pi * (x + gelu_cubic * x * x * x));
    case LT_ACT_SILU: return x * sigmoid(x);
    case LT_ACT_RELU: return x > 0 ? x : 0;
    case LT_ACT_RELU2: return x > 0 ? x * x : 0;
    }
    return 0;
}

INLINE float slope(const enum lt_act a, float x)
{
    switch (a) {
    case LT_ACT_GELU: return normal_below(x) + x * bell(x) * one_over_root_2pi;
    case LT_ACT_GELU_TANH: {
        float s = sigmoid(root_8_over_pi * (x + gelu_cubic * x * x * x));
        return s + x * s * (1.0f - s) * (root_8_over_pi * (1.0f + 3.0f * gelu_cubic * x * x));
    }
    case LT_ACT_SILU: { float s = sigmoid(x); return s * (1.0f + x * (1.0f - s)); }
    case LT_ACT_RELU: return x > 0 ? 1.0f : 0.0f;
    case LT_ACT_RELU2: return x > 0 ? 2.0f * x : 0;
    }
    return 0;
}

INLINE void act_row(const enum lt_act a, int64_t n, const float *restrict x, float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] = value(a, x[i]);
}

INLINE void act_back_row(const enum lt_act a, int64_t n, const float *restrict x, const float *restrict dy,
                         float *restrict dx, const bool set)
{
    for (int64_t i = 0; i < n; i++) dx[i] = (set ? 0 : dx[i]) + dy[i] * slope(a, x[i]);
}

INLINE void glu_row(const enum lt_act a, int64_t n, const float *restrict gate, const float *restrict up,
                    float *restrict y)
{
    for (int64_t i = 0; i < n; i++) y[i] = value(a, gate[i]) * up[i];
}

INLINE void glu_back_row(const enum lt_act a, int64_t n, const float *restrict gate, const float *restrict up,
                         const float *restrict dy, float *restrict dgate, float *restrict dup, const bool set)
{
    for (int64_t i = 0; i < n; i++) {
        dgate[i] = (set ? 0 : dgate[i]) + dy[i] * up[i] * slope(a, gate[i]);
        dup[i] = (set ? 0 : dup[i]) + dy[i] * value(a, gate[i]);
    }
}

#define ACTS(call) \
    switch (a) { \
    case LT_ACT_GELU: call(LT_ACT_GELU) break; \
    case LT_ACT_GELU_TANH: call(LT_ACT_GELU_TANH) break; \
    case LT_ACT_SILU: call(LT_ACT_SILU) break; \
    case LT_ACT_RELU: call(LT_ACT_RELU) break; \
    case LT_ACT_RELU2: call(LT_ACT_RELU2) break; \
    }

static void act(enum lt_act a, int64_t n, const float *x, float *y)
{
#define CALL(k) act_row(k, n, x, y);
    ACTS(CALL)
#undef CALL
}

static void act_back(enum lt_act a, int64_t n, const float *x, const float *dy, float *dx, bool set)
{
#define SET(k) act_back_row(k, n, x, dy, dx, true);
#define ADD(k) act_back_row(k, n, x, dy, dx, false);
    if (set) ACTS(SET)
    else ACTS(ADD)
#undef SET
#undef ADD
}

static void glu(enum lt_act a, int64_t n, const float *gate, const float *up, float *y)
{
#define CALL(k) glu_row(k, n, gate, up, y);
    ACTS(CALL)
#undef CALL
}

static void glu_back(enum lt_act a, int64_t n, const float *gate, const float *up, const float *dy, float *dgate,
                     float *dup, bool set)
{
#define SET(k) glu_back_row(k, n, gate, up, dy, dgate, dup, true);
#define ADD(k) glu_back_row(k, n, gate, up, dy, dgate, dup, false);
    if (set) ACTS(SET)
    else ACTS(ADD)
#undef SET
#undef ADD
}

/* ---- rotary positions ---- */

static void rope(int64_t rot, bool interleaved, float sign, const float *restrict angle, const float *x, float *y)
{
    int64_t half = rot / 2;
    if (interleaved) {
        LANEWISE
        for (int64_t i = 0; i < half; i++) {
            float c = angle[2 * i], s = sign * angle[2 * i + 1], minus_s = -s, a = x[2 * i], b = x[2 * i + 1];
            y[2 * i] = a * c + b * minus_s;           /* written with a minus, gcc 12 fuses it whatever the flags say */
            y[2 * i + 1] = b * c + a * s;
        }
        return;
    }
    LANEWISE
    for (int64_t i = 0; i < half; i++) {
        float c = angle[2 * i], s = sign * angle[2 * i + 1], a = x[i], b = x[half + i];
        y[i] = a * c - b * s;
        y[half + i] = b * c + a * s;
    }
}

/* ---- attention ---- */

/* a > b ? a : b in every lane; gcc makes three instructions of the general form where AVX-512 has one. */
INLINE part larger(part a, part b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#else
    typedef int32_t mask __attribute__((vector_size(4 * WIDTH)));
    mask m = a > b;
    return (part)((m & (mask)a) | (~m & (mask)b));
#endif
}

INLINE four larger_four(four a, four b)
{
    typedef int32_t mask __attribute__((vector_size(16)));
    mask m = a > b;
    return (four)((m & (mask)a) | (~m & (mask)b));
}

INLINE float peak_of(int64_t n, const float *x)
{
    part m[PARTS];
    four q[4];
    for (int p = 0; p < PARTS; p++) m[p] = (part){ 0 } - INFINITY;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int p = 0; p < PARTS; p++) m[p] = larger(load(x + i + p * WIDTH), m[p]);
    float t[LANES];
    for (int p = 0; p < PARTS; p++) store(t + p * WIDTH, m[p]);
    memcpy(q, t, sizeof q);
    q[0] = larger_four(larger_four(q[0], q[1]), larger_four(q[2], q[3]));
    float a = q[0][0] > q[0][1] ? q[0][0] : q[0][1], b = q[0][2] > q[0][3] ? q[0][2] : q[0][3], top = a > b ? a : b;
    for (int64_t l = 0, rest = n - i; l < rest; l++) top = x[i + l] > top ? x[i + l] : top;
    return top;
}

/* Keys of a row that are worked on: whole runs of lanes up to the last one seen. */
INLINE int reach(int32_t from, int32_t end)
{
    return end > from ? (end + LANES - 1) / LANES * LANES : 0;
}

INLINE void mask_row(float *restrict score, int n, int32_t from, int32_t end)
{
    if (from == 0 && end == n) return;
    for (int32_t i = 0; i < n; i++) score[i] = i >= from && i < end ? score[i] : -INFINITY;
}

/* Rounding is monotonic, so the largest score times factor is the largest of the products. */
static void soften(int64_t rows, float *restrict score, const int32_t *from, const int32_t *end, float factor,
                   float *restrict top, float *restrict sum, int64_t dim, float *restrict out)
{
    float shrink[PIECE], base[PIECE];
    for (int64_t at = 0; at < rows; at += PIECE) {
        int64_t n = LT_MIN(PIECE, rows - at);
        for (int64_t r = at; r < at + n; r++) {
            int keys = reach(from[r], end[r]);
            mask_row(score + r * LT_TILE_KEYS, keys, from[r], end[r]);
            float high = factor * peak_of(keys, score + r * LT_TILE_KEYS);
            base[r - at] = high > top[r] ? high : top[r];
        }
        for (int64_t r = 0; r < n; r++) {
            float high = base[r], low = top[at + r];
            top[at + r] = high;
            base[r] = high == -INFINITY ? 0 : high;
            shrink[r] = exp_of(low - base[r]);
        }
        for (int64_t r = at; r < at + n; r++) {
            float *restrict x = score + r * LT_TILE_KEYS, less = base[r - at];
            int keys = reach(from[r], end[r]);
            for (int i = 0; i < keys; i += LANES)
                for (int l = i; l < i + LANES; l++) x[l] = exp_of(x[l] * factor - less);
            memset(x + keys, 0, (size_t)(LT_TILE_KEYS - keys) * sizeof *x);
            sum[r] = sum[r] * shrink[r - at] + sum_of(keys, x);
        }
        for (int64_t r = at; r < at + n; r++)
            if (shrink[r - at] != 1)
                for (int64_t i = 0; i < dim; i++) out[r * dim + i] *= shrink[r - at];
    }
}

static void soft_slope(int64_t rows, float *restrict p, float *restrict ds, const int32_t *from, const int32_t *end,
                       float factor, const float *lse, const float *delta)
{
    for (int64_t r = 0; r < rows; r++, p += LT_TILE_KEYS, ds += LT_TILE_KEYS) {
        float less = lse[r], mean = delta[r];
        int keys = reach(from[r], end[r]);
        for (int i = 0; i < keys; i += LANES)
            for (int l = i; l < i + LANES; l++) {
                p[l] = exp_of(p[l] * factor - less);
                ds[l] = p[l] * (ds[l] - mean) * factor;
            }
        memset(p + keys, 0, (size_t)(LT_TILE_KEYS - keys) * sizeof *p);
        memset(ds + keys, 0, (size_t)(LT_TILE_KEYS - keys) * sizeof *ds);
        if (from[r] == 0 && end[r] == keys) continue;
        for (int i = 0; i < keys; i++) {
            bool seen = i >= from[r] && i < end[r];
            p[i] = seen ? p[i] : 0;
            ds[i] = seen ? ds[i] : 0;
        }
    }
}

/* ---- rows of logits ---- */

static float peak(int64_t n, const float *x)
{
    return peak_of(n, x);
}

static double sum(int64_t n, const float *x)
{
    double s = 0;
    for (int64_t i = 0; i < n; i += PIECE) s += (double)sum_of(LT_MIN(PIECE, n - i), x + i);
    return s;
}

static double exp_sum(int64_t n, float top, const float *x, float *e)
{
    double s = 0;
    float t[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t m = LT_MIN(PIECE, n - i);
        for (int64_t k = 0; k < m; k++) t[k] = exp_of(x[i + k] - top);
        s += (double)sum_of(m, t);
        if (e) memcpy(e + i, t, (size_t)m * sizeof *t);
    }
    return s;
}

static void affine(int64_t n, float mul, float sub, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] * mul - sub;
}

static void affine_bf16(int64_t n, float mul, float sub, float *x)
{
    uint16_t t[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t m = LT_MIN(PIECE, n - i);
        for (int64_t k = 0; k < m; k++) t[k] = lt_to_bf16(x[i + k] * mul - sub);
        memcpy((char *)x + 2 * i, t, (size_t)m * sizeof *t);
    }
}

/* ---- rows in bytes ---- */

/* Not a number becomes -127 of a scale that is no number either. */
static float narrow_i8(int64_t n, const float *x, int8_t *y)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++) top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    float scale = top / 127, back = scale > 0 ? 1 / scale : 0;
    for (int64_t i = 0; i < n; i++) {
        float v = rintf(x[i] * back);
        y[i] = (int8_t)(v > 127 ? 127 : v > -127 ? v : -127);
        if (x[i] != x[i]) scale = x[i];
    }
    return scale;
}

static void widen_i8(int64_t n, float scale, const int8_t *y, float *x)
{
    for (int64_t i = 0; i < n; i++) x[i] = (float)y[i] * scale;
}

const struct lt_row_kernel ROW_TABLE = {
    .add = add, .axpy = axpy, .scale = scale, .dot = dot, .wide_dot = wide_dot, .finite = all_finite, .drop = drop,
    .rms = rms, .rms_back = rms_back, .layer = layer, .layer_back = layer_back, .norm_sums = norm_sums,
    .act = act, .act_back = act_back, .glu = glu, .glu_back = glu_back, .rope = rope,
    .soften = soften, .soft_slope = soft_slope,
    .peak = peak, .sum = sum, .exp_sum = exp_sum, .affine = affine, .affine_bf16 = affine_bf16,
    .narrow_i8 = narrow_i8, .widen_i8 = widen_i8,
};
