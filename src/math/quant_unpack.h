/* Blocks of weights into panels, written once for vectors of 32 and of 64 bytes.  Included by quant_gemm_avx2.c and
 * quant_gemm_avx512.c, which define before:
 *
 *   V, W            a vector of W columns, four bytes each; vectors of a panel lie side by side, VECTORS of them
 *   AND OR XOR SHL SHR(32-bit lanes) SHUFFLE(bytes within 16) LOW32 HIGH32 LOW64 HIGH64 (interleaving within 16)
 *   SET32 SET8 STORE   and SRA16 when scales are doubled words, SRA32 when they are not
 *   load_rows(column, at, r): r[i] has bytes at .. at + 16 of columns i, i + 4, i + 8 ... in its 16-byte parts
 *   store_halves(out, v): the lower half of each lane, a half-precision number, as W floats
 *   gather_halves(column, at, out): the halves at `at` of W columns, as floats
 *   DOUBLED         true: a scale is two int16 of a lane, and Q8_0 has two planes of four bits; false: one int32
 *
 * A panel consists of blocks.  In each come the bytes, four of a column side by side (a quad), quads in the order of k;
 * then scales and pairs of minima (or, for Q6_K, of scales again); then d and dmin as floats. */

enum { VECTORS = 2, NR = VECTORS * W };
enum { STEP = VECTORS * (int)sizeof(V) };       /* bytes from quad to quad */

/* Bytes of one block of a panel. */
enum {
    SIZE_Q4_0 = 8 * STEP + STEP,
    SIZE_Q8_0 = (DOUBLED ? 16 : 8) * STEP + STEP,
    SIZE_K = 64 * STEP + (8 + 4 + 2) * STEP,
    SIZE_Q6_K = 64 * STEP + (16 + 8 + 1) * STEP,
};

/* Quads 0 .. 3 of W columns from 16 bytes of each. */
INLINE void quads(const uint8_t *const *column, size_t at, V q[4])
{
    V r[4];
    load_rows(column, at, r);
    const V a = LOW32(r[0], r[1]), b = HIGH32(r[0], r[1]), c = LOW32(r[2], r[3]), d = HIGH32(r[2], r[3]);
    q[0] = LOW64(a, c);
    q[1] = HIGH64(a, c);
    q[2] = LOW64(b, d);
    q[3] = HIGH64(b, d);
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
    return SHUFFLE(x, DOUBLED ? pick(j, 128, j, 128) : pick(j, 128, 128, 128));
}

INLINE V signed_scale(V x, int j)
{
    return DOUBLED ? SRA16(SHUFFLE(x, pick(128, j, 128, j)), 8) : SRA32(SHUFFLE(x, pick(128, 128, 128, j)), 24);
}

static void unpack_q4_0(const uint8_t *const *column, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q4_0) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *const *c = column + h * W;
            uint8_t *to = out + h * (int)sizeof(V);
            V q[4];
            quads(c, (size_t)i * 18 + 2, q);
            for (int j = 0; j < 4; j++) {
                STORE(to + j * STEP, low_nibbles(q[j]));
                STORE(to + (j + 4) * STEP, high_nibbles(q[j]));
            }
            gather_halves(c, (size_t)i * 18, to + 8 * STEP);
        }
    }
}

static void unpack_q8_0(const uint8_t *const *column, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q8_0) {
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *const *c = column + h * W;
            uint8_t *to = out + h * (int)sizeof(V);
            for (int j = 0; j < 8; j += 4) {
                V q[4];
                quads(c, (size_t)i * 34 + 2 + 4 * (size_t)j, q);
                for (int k = 0; k < 4; k++) {
                    const V x = XOR(q[k], SET8((char)128));
                    STORE(to + (j + k) * STEP, DOUBLED ? low_nibbles(x) : x);
                    if (DOUBLED) STORE(to + (8 + j + k) * STEP, high_nibbles(x));
                }
            }
            gather_halves(c, (size_t)i * 34, to + (DOUBLED ? 16 : 8) * STEP);
        }
    }
}

/* The first 16 bytes of a Q4_K or Q5_K block: lane by lane (d, dmin), then the twelve bytes of scales and minima, four
 * columns' scales decoded at once. */
INLINE void unpack_k_scales(const uint8_t *const *column, size_t at, uint8_t *to)
{
    V q[4];
    quads(column, at, q);
    const V six = SET8(63), two = SET8(3);
    const V s[2] = { AND(q[1], six), OR(low_nibbles(q[3]), SHL(AND(SHR(q[1], 6), two), 4)) };
    const V m[2] = { AND(q[2], six), OR(high_nibbles(q[3]), SHL(AND(SHR(q[2], 6), two), 4)) };
    for (int j = 0; j < 8; j++) STORE(to + j * STEP, unsigned_scale(s[j / 4], j % 4));
    for (int j = 0; j < 4; j++)
        STORE(to + (8 + j) * STEP, SHUFFLE(m[j / 2], pick(j % 2 * 2, 128, j % 2 * 2 + 1, 128)));
    store_halves(to + 12 * STEP, q[0]);
    store_halves(to + 13 * STEP, SHR(q[0], 16));
}

static void unpack_q4_k(const uint8_t *const *column, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_K) {
        const size_t at = (size_t)i * 144;
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *const *c = column + h * W;
            uint8_t *to = out + h * (int)sizeof(V);
            unpack_k_scales(c, at, to + 64 * STEP);
            for (int j = 0; j < 8; j++, to += (j % 2 ? 4 : 12) * STEP) {   /* 16 bytes: half of a low and a high part */
                V q[4];
                quads(c, at + 16 + 16 * (size_t)j, q);
                for (int k = 0; k < 4; k++) {
                    STORE(to + k * STEP, low_nibbles(q[k]));
                    STORE(to + (8 + k) * STEP, high_nibbles(q[k]));
                }
            }
        }
    }
}

static void unpack_q5_k(const uint8_t *const *column, int64_t blocks, uint8_t *out)
{
    const V one = SET8(16);
    for (int64_t i = 0; i < blocks; i++, out += SIZE_K) {
        const size_t at = (size_t)i * 176;
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *const *c = column + h * W;
            uint8_t *to = out + h * (int)sizeof(V);
            V fifth[8];
            quads(c, at + 16, fifth);
            quads(c, at + 32, fifth + 4);
            unpack_k_scales(c, at, to + 64 * STEP);
            for (int j = 0; j < 8; j++, to += (j % 2 ? 4 : 12) * STEP) {
                V q[4];
                quads(c, at + 48 + 16 * (size_t)j, q);
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
INLINE void unpack_q6_part(const uint8_t *const *column, size_t low, size_t high, uint8_t *to)
{
    const V upper = SET8(48);
    for (int j = 0; j < 2; j++, to += 4 * STEP) {       /* 16 columns of bytes each */
        V a[4], b[4], u[4];
        quads(column, low + 16 * (size_t)j, a);
        quads(column, low + 32 + 16 * (size_t)j, b);
        quads(column, high + 16 * (size_t)j, u);
        for (int k = 0; k < 4; k++) {
            STORE(to + k * STEP, OR(low_nibbles(a[k]), AND(SHL(u[k], 4), upper)));
            STORE(to + (8 + k) * STEP, OR(low_nibbles(b[k]), AND(SHL(u[k], 2), upper)));
            STORE(to + (16 + k) * STEP, OR(high_nibbles(a[k]), AND(u[k], upper)));
            STORE(to + (24 + k) * STEP, OR(high_nibbles(b[k]), AND(SHR(u[k], 2), upper)));
        }
    }
}

static void unpack_q6_k(const uint8_t *const *column, int64_t blocks, uint8_t *out)
{
    for (int64_t i = 0; i < blocks; i++, out += SIZE_Q6_K) {
        const size_t at = (size_t)i * 210;
        for (int h = 0; h < VECTORS; h++) {
            const uint8_t *const *c = column + h * W;
            uint8_t *to = out + h * (int)sizeof(V);
            V s[4];
            unpack_q6_part(c, at, at + 128, to);
            unpack_q6_part(c, at + 64, at + 160, to + 32 * STEP);
            quads(c, at + 192, s);
            to += 64 * STEP;
            for (int j = 0; j < 16; j++) STORE(to + j * STEP, signed_scale(s[j / 4], j % 4));
            for (int j = 0; j < 8; j++) {
                const int b = j % 2 * 2;
                STORE(to + (16 + j) * STEP, SRA16(SHUFFLE(s[j / 2], pick(128, b, 128, b + 1)), 8));
            }
            gather_halves(c, at + 208, to + 24 * STEP);
        }
    }
}
