/* Blocks of weights into panels, and products of few rows with weights where they lie, written once for vectors of 32
 * and of 64 bytes.  Included by quant_gemm_avx2.c and quant_gemm_avx512.c, which define before:
 *
 *   V, W            a vector of W columns, four bytes each; vectors of a panel lie side by side, VECTORS of them
 *   AND OR XOR ADD SHL SHR (32-bit lanes) SUB SRA16 SRA32 SHUFFLE (bytes within 16)
 *   LOW32 HIGH32 LOW64 HIGH64 (interleaving within 16)  SET32 SET8 ZERO LOAD STORE
 *   LANE_BASE       0 4 8 12 in all bytes of the lanes of 16 bytes
 *   load_rows(p, row, r): r[i] has 16 bytes from p + i row, p + (i + 4) row, p + (i + 8) row ... in its 16-byte parts
 *   store_halves(out, v): the lower half of each lane, a half-precision number, as W floats
 *   store_floats(out, halves): W halves as floats
 *   WORDS           true: a scale is two int16 of a lane, and Q8_0 lies in panels as int16; false: one int32, and bytes
 *   dot8(w, x), dot8_signed(w, x, carry): sums of products of 8 quads of weights with 32 bytes of A
 *   dot8_5bit(w, x): the same as dot8, which takes 4 bits
 *   dot4(w, x, s), dot4_6bit(w, x, s): the same of 4 quads, times scales; 5 bits or fewer, and 6
 *   spread(p): four bytes in every lane
 *   minima(carry, p, step, pairs), scale_into(sum, dot, d, e), scale_from(sum, dot, dmin, e): see there
 *
 * A panel consists of blocks.  In each come the bytes, four of a column side by side (a quad), quads in the order of k;
 * then scales and pairs of minima (or, for Q6_K, of scales again); then d and dmin as floats. */

enum { VECTORS = 2, NR = VECTORS * W };
enum { STEP = VECTORS * (int)sizeof(V) };       /* bytes from quad to quad */
enum { AHEAD = 2 };                             /* blocks of 32 whose scales are gathered at a time */

/* Bytes of one block of a panel. */
enum {
    SIZE_Q4_0 = 8 * STEP + STEP,
    SIZE_Q5_0 = 8 * STEP + STEP,
    SIZE_Q5_1 = 8 * STEP + 2 * STEP,
    SIZE_Q8_0 = (WORDS ? 16 : 8) * STEP + STEP,
    SIZE_K = 64 * STEP + (8 + 4 + 2) * STEP,
    SIZE_Q6_K = 64 * STEP + (16 + 8 + 1) * STEP,
};

/* Quads 0 .. 3 of W columns from 16 bytes of each. */
INLINE void quads(const uint8_t *p, int64_t row, V q[4])
{
    V r[4];
    load_rows(p, row, r);
    const V a = LOW32(r[0], r[1]), b = HIGH32(r[0], r[1]), c = LOW32(r[2], r[3]), d = HIGH32(r[2], r[3]);
    q[0] = LOW64(a, c);
    q[1] = HIGH64(a, c);
    q[2] = LOW64(b, d);
    q[3] = HIGH64(b, d);
}

/* The halves at p of W columns. */
INLINE void gather_halves(const uint8_t *p, int64_t row, uint16_t out[W])
{
    for (int i = 0; i < W; i++) memcpy(&out[i], p + i * row, 2);
}

INLINE void gather_floats(const uint8_t *p, int64_t row, uint8_t *out)
{
    uint16_t h[W] __attribute__((aligned(64)));
    gather_halves(p, row, h);
    store_floats(out, h);
}

INLINE V low_nibbles(V x) { return AND(x, SET8(15)); }
INLINE V high_nibbles(V x) { return AND(SHR(x, 4), SET8(15)); }

/* Control for SHUFFLE that moves bytes of a lane: a to place 0 and so on; 128 makes a zero. */
INLINE V pick(int a, int b, int c, int d)
{
    const V base = LANE_BASE;           /* 0 4 8 12 in all bytes of the lanes of a part */
    return OR(base, SET32((int)((unsigned)a | (unsigned)b << 8 | (unsigned)c << 16 | (unsigned)d << 24)));
}

/* Byte j of each lane as a scale. */
INLINE V unsigned_scale(V x, int j)
{
    return SHUFFLE(x, WORDS ? pick(j, 128, j, 128) : pick(j, 128, 128, 128));
}

INLINE V signed_scale(V x, int j)
{
    return WORDS ? SRA16(SHUFFLE(x, pick(128, j, 128, j)), 8) : SRA32(SHUFFLE(x, pick(128, 128, 128, j)), 24);
}

static void unpack_q4_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q4_0) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row + i * 18;
            uint8_t *to = out + h * (int)sizeof(V);
            V q[4];
            quads(c + 2, row, q);
            for (int j = 0; j < 4; j++) {
                STORE(to + j * STEP, low_nibbles(q[j]));
                STORE(to + (j + 4) * STEP, high_nibbles(q[j]));
            }
            gather_floats(c, row, to + 8 * STEP);
        }
    }
}

/* What comes before the nibbles of Q5_0, or of Q5_1 with its minimum: scales (and minima, `step` bytes on) to `to`, and
 * the 32 fifth bits of each column. */
INLINE V unpack_five_head(const uint8_t *p, int64_t row, uint8_t *to, const int step, const bool minimum)
{
    V q[4];
    quads(p, row, q);
    store_halves(to, q[0]);
    if (!minimum) return OR(SHR(q[0], 16), SHL(q[1], 16));
    store_halves(to + step, SHR(q[0], 16));
    return q[1];
}

/* For SHUFFLE, by the byte looked up: a bit at one of the lower four places becomes one at the fifth. */
#define FIFTH 0, 16, 16, 0, 16, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0
static const uint8_t to_fifth[64] __attribute__((aligned(64))) = { FIFTH, FIFTH, FIFTH, FIFTH };

/* Eight quads of five bits.  Of quad j the fifth bits are four neighbours, the lower or upper half of a byte: all bytes
 * of a lane take a copy, keep a bit each, at different places, and look up what it stands for. */
INLINE void five_quads(const uint8_t *nibbles, int64_t row, V fifth, V w[8])
{
    const V half[2] = { fifth, SHR(fifth, 4) };
    quads(nibbles, row, w);
    for (int j = 0; j < 4; j++) w[j + 4] = high_nibbles(w[j]), w[j] = low_nibbles(w[j]);
    for (int j = 0; j < 8; j++) {
        const V own = AND(SHUFFLE(half[j % 2], pick(j / 2, j / 2, j / 2, j / 2)), SET32(0x08040201));
        w[j] = OR(w[j], SHUFFLE(LOAD(to_fifth), own));
    }
}

INLINE void unpack_fives(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out, const bool minimum)
{
    const int head = minimum ? 8 : 6;
    for (int64_t i = 0; i < blocks; i++, w += head + 16, out += minimum ? SIZE_Q5_1 : SIZE_Q5_0) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row;
            uint8_t *to = out + h * (int)sizeof(V);
            V q[8];
            five_quads(c + head, row, unpack_five_head(c, row, to + 8 * STEP, STEP, minimum), q);
            for (int j = 0; j < 8; j++) STORE(to + j * STEP, q[j]);
        }
    }
}

static void unpack_q5_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    unpack_fives(w, row, blocks, out, false);
}

static void unpack_q5_1(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    unpack_fives(w, row, blocks, out, true);
}

static void unpack_q8_0(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    uint16_t d[AHEAD][VECTORS][W] __attribute__((aligned(64)));
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q8_0) {
        for (int64_t j = 0; i % AHEAD == 0 && j < LT_MIN(AHEAD, blocks - i); j++)
            for (int h = 0; h < VECTORS; h++) gather_halves(w + h * W * row + (i + j) * 34, row, d[j][h]);
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row + i * 34;
            uint8_t *to = out + h * (int)sizeof(V);
            for (int j = 0; j < 8; j += 4) {
                V q[4];
                quads(c + 2 + 4 * j, row, q);
                for (int k = 0; k < 4; k++) {
                    if (WORDS) {
                        STORE(to + 2 * (j + k) * STEP, SRA16(SHL(q[k], 8), 8));
                        STORE(to + (2 * (j + k) + 1) * STEP, SRA16(q[k], 8));
                    } else {
                        STORE(to + (j + k) * STEP, XOR(q[k], SET8((char)128)));
                    }
                }
            }
            store_floats(to + (WORDS ? 16 : 8) * STEP, d[i % AHEAD][h]);
        }
    }
}

/* The first 16 bytes of a Q4_K or Q5_K block: lane by lane (d, dmin), then the twelve bytes of scales and minima, four
 * columns' scales decoded at once.  `step` bytes from one vector of what comes out to the next. */
INLINE void unpack_k_scales(const uint8_t *p, int64_t row, uint8_t *to, const int step)
{
    V q[4];
    quads(p, row, q);
    const V six = SET8(63), two = SET8(3);
    const V s[2] = { AND(q[1], six), OR(low_nibbles(q[3]), SHL(AND(SHR(q[1], 6), two), 4)) };
    const V m[2] = { AND(q[2], six), OR(high_nibbles(q[3]), SHL(AND(SHR(q[2], 6), two), 4)) };
    for (int j = 0; j < 8; j++) STORE(to + j * step, unsigned_scale(s[j / 4], j % 4));
    for (int j = 0; j < 4; j++)
        STORE(to + (8 + j) * step, SHUFFLE(m[j / 2], pick(j % 2 * 2, 128, j % 2 * 2 + 1, 128)));
    store_halves(to + 12 * step, q[0]);
    store_halves(to + 13 * step, SHR(q[0], 16));
}

static void unpack_q4_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_K) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row + i * 144;
            uint8_t *to = out + h * (int)sizeof(V);
            unpack_k_scales(c, row, to + 64 * STEP, STEP);
            for (int j = 0; j < 8; j++, to += (j % 2 ? 4 : 12) * STEP) {   /* 16 bytes: half of a low and a high part */
                V q[4];
                quads(c + 16 + 16 * j, row, q);
                for (int k = 0; k < 4; k++) {
                    STORE(to + k * STEP, low_nibbles(q[k]));
                    STORE(to + (8 + k) * STEP, high_nibbles(q[k]));
                }
            }
        }
    }
}

static void unpack_q5_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    const V one = SET8(16);
    for (int64_t i = 0; i < blocks; i++, out += SIZE_K) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row + i * 176;
            uint8_t *to = out + h * (int)sizeof(V);
            V fifth[8];
            quads(c + 16, row, fifth);
            quads(c + 32, row, fifth + 4);
            unpack_k_scales(c, row, to + 64 * STEP, STEP);
            for (int j = 0; j < 8; j++, to += (j % 2 ? 4 : 12) * STEP) {
                V q[4];
                quads(c + 48 + 16 * j, row, q);
                for (int k = 0; k < 4; k++) {
                    V *f = &fifth[j % 2 * 4 + k];      /* the bits of two parts are used, then two more come down */
                    STORE(to + k * STEP, OR(low_nibbles(q[k]), AND(SHL(*f, 4), one)));
                    STORE(to + (8 + k) * STEP, OR(high_nibbles(q[k]), AND(SHL(*f, 3), one)));
                    *f = SHR(*f, 2);
                }
            }
        }
    }
}

/* 128 elements: lower bits in 64 bytes of which the nibbles are 64 elements apart, upper ones in 32 bytes. */
INLINE void unpack_q6_part(const uint8_t *low, const uint8_t *high, int64_t row, uint8_t *to)
{
    const V upper = SET8(48);
    for (int j = 0; j < 2; j++, to += 4 * STEP) {       /* 16 columns of bytes each */
        V a[4], b[4], u[4];
        quads(low + 16 * j, row, a);
        quads(low + 32 + 16 * j, row, b);
        quads(high + 16 * j, row, u);
        for (int k = 0; k < 4; k++) {
            STORE(to + k * STEP, OR(low_nibbles(a[k]), AND(SHL(u[k], 4), upper)));
            STORE(to + (8 + k) * STEP, OR(low_nibbles(b[k]), AND(SHL(u[k], 2), upper)));
            STORE(to + (16 + k) * STEP, OR(high_nibbles(a[k]), AND(u[k], upper)));
            STORE(to + (24 + k) * STEP, OR(high_nibbles(b[k]), AND(SHR(u[k], 2), upper)));
        }
    }
}

INLINE void unpack_q6_scales(const uint8_t *p, int64_t row, uint8_t *to, const int step)
{
    V s[4];
    quads(p + 192, row, s);
    for (int j = 0; j < 16; j++) STORE(to + j * step, signed_scale(s[j / 4], j % 4));
    for (int j = 0; j < 8; j++) {
        const int b = j % 2 * 2;
        STORE(to + (16 + j) * step, SRA16(SHUFFLE(s[j / 2], pick(128, b, 128, b + 1)), 8));
    }
    gather_floats(p + 208, row, to + 24 * step);
}

static void unpack_q6_k(const uint8_t *w, int64_t row, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q6_K) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *c = w + h * W * row + i * 210;
            uint8_t *to = out + h * (int)sizeof(V);
            unpack_q6_part(c, c + 128, row, to);
            unpack_q6_part(c + 64, c + 160, row, to + 32 * STEP);
            unpack_q6_scales(c, row, to + 64 * STEP, STEP);
        }
    }
}

/* ---- few rows: weights go through registers, a vector of columns at a time ---- */

enum { WIDTH = sizeof(V), FEW = LT_QUANT_FEW };

INLINE const int8_t *row_at(const struct lt_quant_a *a, int64_t r, int64_t k)
{
    return a->q + r * a->q_row + k;
}

INLINE const char *scale_at(const struct lt_quant_a *a, int64_t r, int64_t block)
{
    return (const char *)a->scale + r * a->scale_row + block * 4;
}

/* One block of Q4_0 or Q8_0 against every row; d are the halves of its scales. */
INLINE void thin_small(const int64_t m, int64_t block, const struct lt_quant_a *a, const uint8_t *c, int64_t row,
                       const uint16_t *d, float *sum, const bool eight)
{
    uint8_t scale[WIDTH] __attribute__((aligned(64)));
    V w[8];
    quads(c, row, w);
    if (eight) quads(c + 16, row, w + 4);
    else for (int j = 0; j < 4; j++) w[j + 4] = high_nibbles(w[j]), w[j] = low_nibbles(w[j]);
    store_floats(scale, d);
    for (int64_t r = 0; r < m; r++) {
        const V carry = spread(a->carry + r * a->carry_row + block * 4);
        const int8_t *x = row_at(a, r, 32 * block);
        const V dot = eight ? dot8_signed(w, x, carry) : ADD(carry, dot8(w, x));
        scale_into(sum + r * NR, dot, scale, scale_at(a, r, block));
    }
}

INLINE void thin_blocks(const int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row,
                        float *sum, const bool eight)
{
    const int64_t size = eight ? 34 : 18;
    uint16_t d[AHEAD][W] __attribute__((aligned(64)));
    for (int64_t i = 0; i < blocks; i++, w += size) {
        for (int64_t j = 0; i % AHEAD == 0 && j < LT_MIN(AHEAD, blocks - i); j++)
            gather_halves(w + j * size, row, d[j]);
        thin_small(m, i, a, w + 2, row, d[i % AHEAD], sum, eight);
    }
}

static void thin_q4_0(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row,
                      int64_t next, float *sum)
{
    for (int h = 0; h < VECTORS; h++, w += next, sum += W)
        if (m == 1) thin_blocks(1, blocks, a, w, row, sum, false);
        else thin_blocks(m, blocks, a, w, row, sum, false);
}

static void thin_q8_0(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row,
                      int64_t next, float *sum)
{
    for (int h = 0; h < VECTORS; h++, w += next, sum += W)
        if (m == 1) thin_blocks(1, blocks, a, w, row, sum, true);
        else thin_blocks(m, blocks, a, w, row, sum, true);
}

INLINE void thin_five(const int64_t m, int64_t i, const struct lt_quant_a *a, const uint8_t *c, int64_t row, float *sum,
                      const bool minimum)
{
    uint8_t scale[2 * WIDTH] __attribute__((aligned(64)));
    V w[8];
    five_quads(c + (minimum ? 8 : 6), row, unpack_five_head(c, row, scale, WIDTH, minimum), w);
    for (int64_t r = 0; r < m; r++) {
        const V carry = spread(a->carry + r * a->carry_row + i * 4), dot = dot8_5bit(w, row_at(a, r, 32 * i));
        scale_into(sum + r * NR, minimum ? dot : ADD(carry, dot), scale, scale_at(a, r, i));
        if (minimum) scale_into(sum + r * NR, carry, scale + WIDTH, scale_at(a, r, i));
    }
}

/* What 256 elements of a vector of columns come to for each row. */
struct large { V dot[FEW]; uint8_t scale[25 * WIDTH] __attribute__((aligned(64))); };

INLINE void add_part(struct large *l, const int64_t m, const struct lt_quant_a *a, int64_t k, const V w[4], int part,
                     const bool six)
{
    const V s = LOAD(l->scale + part * WIDTH);
    for (int64_t r = 0; r < m; r++) {
        const int8_t *x = row_at(a, r, k);
        l->dot[r] = ADD(l->dot[r], six ? dot4_6bit(w, x, s) : dot4(w, x, s));
    }
}

/* Q4_K and Q5_K once the dots are known. */
INLINE void finish_k(struct large *l, const int64_t m, const struct lt_quant_a *a, int64_t block, float *sum)
{
    for (int64_t r = 0; r < m; r++) {
        const V low = minima(a->carry + r * a->carry_row + block * 16, l->scale + 8 * WIDTH, WIDTH, 4);
        scale_into(sum + r * NR, l->dot[r], l->scale + 12 * WIDTH, scale_at(a, r, block));
        scale_from(sum + r * NR, low, l->scale + 13 * WIDTH, scale_at(a, r, block));
    }
}

INLINE void thin_k(const int64_t m, int64_t i, const struct lt_quant_a *a, const uint8_t *c, int64_t row, float *sum,
                   const bool five)
{
    struct large l;
    V fifth[8];
    unpack_k_scales(c, row, l.scale, WIDTH);
    c += 16;
    if (five) {
        quads(c, row, fifth);
        quads(c + 16, row, fifth + 4);
        c += 32;
    }
    for (int64_t r = 0; r < m; r++) l.dot[r] = ZERO();
    for (int j = 0; j < 8; j++, c += 16) {
        V q[4], w[4], v[4];
        quads(c, row, q);
        for (int k = 0; k < 4; k++) {
            w[k] = low_nibbles(q[k]);
            v[k] = high_nibbles(q[k]);
            if (!five) continue;
            V *f = &fifth[j % 2 * 4 + k];
            w[k] = OR(w[k], AND(SHL(*f, 4), SET8(16)));
            v[k] = OR(v[k], AND(SHL(*f, 3), SET8(16)));
            *f = SHR(*f, 2);
        }
        const int64_t k = 256 * i + j / 2 * 64 + j % 2 * 16;
        add_part(&l, m, a, k, w, j / 2 * 2, false);
        add_part(&l, m, a, k + 32, v, j / 2 * 2 + 1, false);
    }
    finish_k(&l, m, a, i, sum);
}

INLINE void thin_q6_part(struct large *l, const int64_t m, const struct lt_quant_a *a, const uint8_t *c, int64_t row,
                         int64_t k, const int part, const int j)
{
    const V upper = SET8(48);
    V low[4], next[4], u[4], w[4];
    quads(c + 64 * part + 16 * j, row, low);
    quads(c + 64 * part + 32 + 16 * j, row, next);
    quads(c + 128 + 32 * part + 16 * j, row, u);
    k += 128 * part + 16 * j;
    const int s = 8 * part + j;
    for (int i = 0; i < 4; i++) w[i] = OR(low_nibbles(low[i]), AND(SHL(u[i], 4), upper));
    add_part(l, m, a, k, w, s, true);
    for (int i = 0; i < 4; i++) w[i] = OR(low_nibbles(next[i]), AND(SHL(u[i], 2), upper));
    add_part(l, m, a, k + 32, w, s + 2, true);
    for (int i = 0; i < 4; i++) w[i] = OR(high_nibbles(low[i]), AND(u[i], upper));
    add_part(l, m, a, k + 64, w, s + 4, true);
    for (int i = 0; i < 4; i++) w[i] = OR(high_nibbles(next[i]), AND(SHR(u[i], 2), upper));
    add_part(l, m, a, k + 96, w, s + 6, true);
}

INLINE void thin_q6(const int64_t m, int64_t i, const struct lt_quant_a *a, const uint8_t *c, int64_t row, float *sum)
{
    struct large l;
    unpack_q6_scales(c, row, l.scale, WIDTH);
    for (int64_t r = 0; r < m; r++) l.dot[r] = ZERO();
    for (int j = 0; j < 4; j++) thin_q6_part(&l, m, a, c, row, 256 * i, j / 2, j % 2);
    for (int64_t r = 0; r < m; r++) {
        const V low = minima(a->carry + r * a->carry_row + i * 32, l.scale + 16 * WIDTH, WIDTH, 8);
        scale_into(sum + r * NR, SUB(l.dot[r], SHL(low, 5)), l.scale + 24 * WIDTH, scale_at(a, r, i));
    }
}

/* `call` for every block and vector of columns, with m known for one row. */
#define THIN(name, size, call, ...) \
    static void name(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row, \
                     int64_t next, float *sum) \
    { \
        for (int h = 0; h < VECTORS; h++, w += next, sum += W) { \
            const uint8_t *c = w; \
            for (int64_t i = 0; i < blocks; i++, c += (size)) { \
                if (m == 1) call(1, i, a, c, row, sum __VA_ARGS__); \
                else call(m, i, a, c, row, sum __VA_ARGS__); \
            } \
        } \
    }
THIN(thin_q5_0, 22, thin_five, , false)
THIN(thin_q5_1, 24, thin_five, , true)
THIN(thin_q4_k, 144, thin_k, , false)
THIN(thin_q5_k, 176, thin_k, , true)
THIN(thin_q6_k, 210, thin_q6)
