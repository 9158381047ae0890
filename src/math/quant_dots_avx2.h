/* The product of one row with Q4_0 where it lies, k along the vectors: nothing is turned, the sums of eight columns
 * come together in one tree.  They are integers, so the bits are those of any other order.  Included by
 * quant_gemm_avx2.c after quant_body.h. */

INLINE __m256i add_neighbours(__m256i a, __m256i b)
{
    return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(1));
}

/* The sums of eight vectors of sixteen, of which the sum of any eight fits into 16 bits. */
INLINE __m256i sums_of_16(const __m256i v[8])
{
    __m256i s[8];
    LT_UNROLL
    for (int i = 0; i < 8; i++) s[i] = _mm256_madd_epi16(v[i], _mm256_set1_epi16(1));
    const __m256i a = add_neighbours(add_neighbours(s[0], s[1]), add_neighbours(s[2], s[3]));
    const __m256i b = add_neighbours(add_neighbours(s[4], s[5]), add_neighbours(s[6], s[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

/* Eight columns against 32 bytes of a row of A; p is the block of the first. */
INLINE __m256i dots_q4_0(const uint8_t *p, int64_t row, const int8_t *x)
{
    const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)x), places = _mm256_setr_epi64x(0, 0, 4, 4);
    __m256i sum[8];
    LT_UNROLL
    for (int i = 0; i < 8; i++) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 + i * row));
        const __m256i w = _mm256_srlv_epi64(_mm256_broadcastsi128_si256(bytes), places);
        sum[i] = _mm256_maddubs_epi16(low_nibbles(w), v);
    }
    return sums_of_16(sum);
}

/* The halves at p of eight columns, as floats. */
INLINE __m256 halves_of(const uint8_t *p, int64_t row)
{
    uint16_t h[8];
    gather_halves(p, row, h);
    return _mm256_cvtph_ps(_mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4], (short)h[5],
                                          (short)h[6], (short)h[7]));
}

static void one_row_q4_0(int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row, int64_t next,
                         float *sum)
{
    for (int h = 0; h < VECTORS; h++, w += next, sum += W) {
        const uint8_t *p = w;
        __m256 s = floats(sum);
        for (int64_t i = 0; i < blocks; i++, p += 18) {
            const __m256i dot = ADD(spread(a->carry + 4 * i), dots_q4_0(p, row, row_at(a, 0, 32 * i)));
            const __m256 scale = _mm256_mul_ps(halves_of(p, row), _mm256_castsi256_ps(spread(scale_at(a, 0, i))));
            s = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), scale, s);
        }
        _mm256_store_ps(sum, s);
    }
}

/* With more rows, turning a block once pays. */
static void few_q4_0(int64_t m, int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row, int64_t next,
                     float *sum)
{
    if (m == 1) one_row_q4_0(blocks, a, w, row, next, sum);
    else thin_q4_0(m, blocks, a, w, row, next, sum);
}
