/* The product of one row with Q4_0 where it lies, k along the vectors: nothing is turned, the sums of eight columns
 * come together in one tree.  They are integers, so the bits are those of any other order.  Included by
 * quant_gemm_avx2.c after quant_body.h. */

INLINE __m128i load_16(const void *p)
{
    return _mm_loadu_si128(p);
}

INLINE __m256i twice(const void *p)
{
    return _mm256_broadcastsi128_si256(load_16(p));
}

/* 16 bytes of each of two columns; the second is not the first of its matrix. */
INLINE __m256i pair(const uint8_t *a, const uint8_t *b)
{
    return _mm256_blend_epi32(twice(a), _mm256_loadu_si256((const __m256i *)(const void *)(b - 16)), 0xf0);
}

/* Eight columns against 32 bytes of a row of A, of which low and high have the first and the second 16 twice; p is the
 * block of the first.  A column and the fourth after it share a vector.  Its words are at most 4 * 15 * 127, of which
 * four come together before there are 32 bits. */
INLINE __m256i dots_q4_0(const uint8_t *p, int64_t row, __m256i low, __m256i high)
{
    __m256i v[4];
    LT_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m256i w = pair(p + 2 + i * row, p + 2 + (i + 4) * row);
        v[i] = _mm256_add_epi16(_mm256_maddubs_epi16(low_nibbles(w), low), _mm256_maddubs_epi16(high_nibbles(w), high));
    }
    const __m256 a = _mm256_castsi256_ps(_mm256_add_epi16(LOW64(v[0], v[1]), HIGH64(v[0], v[1])));
    const __m256 b = _mm256_castsi256_ps(_mm256_add_epi16(LOW64(v[2], v[3]), HIGH64(v[2], v[3])));
    const __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    const __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
    return _mm256_madd_epi16(_mm256_add_epi16(even, odd), _mm256_set1_epi16(1));
}

/* The halves at p of eight columns, as floats: each is read from where it is in its place among 16 bytes, all of which
 * lie in the eight columns.  Those of even columns are put together, and those of odd ones. */
INLINE __m256 halves_of(const uint8_t *p, int64_t row)
{
    __m128i even = load_16(p), odd = load_16(p + row - 2);
    even = _mm_blend_epi32(even, load_16(p + 2 * row - 4), 2);
    odd = _mm_blend_epi32(odd, load_16(p + 3 * row - 6), 2);
    even = _mm_blend_epi32(even, load_16(p + 4 * row - 8), 4);
    odd = _mm_blend_epi32(odd, load_16(p + 5 * row - 10), 4);
    even = _mm_blend_epi32(even, load_16(p + 6 * row - 12), 8);
    odd = _mm_blend_epi32(odd, load_16(p + 7 * row - 14), 8);
    return _mm256_cvtph_ps(_mm_blend_epi16(even, odd, 0xaa));
}

static void one_row_q4_0(int64_t blocks, const struct lt_quant_a *a, const uint8_t *w, int64_t row, int64_t next,
                         float *sum)
{
    for (int h = 0; h < VECTORS; h++, w += next, sum += W) {
        const uint8_t *p = w;
        __m256 s = floats(sum);
        for (int64_t i = 0; i < blocks; i++, p += 18) {
            const int8_t *x = row_at(a, 0, 32 * i);
            const __m256i dot = ADD(spread(a->carry + 4 * i), dots_q4_0(p, row, twice(x), twice(x + 16)));
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
