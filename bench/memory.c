/* Ceilings that only benches need: memory and int8 products.  Built for the machine it runs on. */
#include "bench.h"

#include <string.h>
#include <sys/mman.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { ROUNDS = 7 };

struct stream {
    uint64_t *a, *b, *c;
    int64_t n;                          /* elements of one slice, a thread's share */
    int64_t repeat;
    uint64_t sums[64];                  /* where reads end up, so that they happen */
};

/* Pages must be there, and large, before anything is timed. */
static uint64_t *pages(size_t bytes)
{
    uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit((perror("mmap"), 1));
    madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 1, bytes);
    return p;
}

static void read_slice(void *arg, int64_t i)
{
    struct stream *s = arg;
    const uint64_t *a = s->a + i * s->n;
    uint64_t sum = 0;
    for (int64_t r = 0; r < s->repeat; r++) {
        for (int64_t j = 0; j < s->n; j++) sum += a[j];
        __asm__ volatile("" : "+r"(sum) : : "memory");
    }
    s->sums[i % 64] = sum;
}

static void write_slice(void *arg, int64_t i)
{
    struct stream *s = arg;
    for (int64_t r = 0; r < s->repeat; r++)
        memset(s->a + i * s->n, (int)(r & 0x7f), (size_t)s->n * sizeof *s->a);
}

/* What an optimiser does to memory: two streams in, one of them also out, with plain stores. */
static void triad_slice(void *arg, int64_t i)
{
    struct stream *s = arg;
    float *a = (float *)(s->a + i * s->n);
    const float *b = (const float *)(s->b + i * s->n);
    for (int64_t r = 0; r < s->repeat; r++)
        for (int64_t j = 0; j < s->n * 2; j++) a[j] = a[j] + 3 * b[j];
}

/* Seconds of each round of `fn` over slices of `bytes`; the bytes of a round. */
static double rounds(struct lt_pool *pool, lt_chunk_fn *fn, struct stream *s, size_t bytes, double took[ROUNDS])
{
    const int threads = lt_pool_threads(pool);
    s->n = (int64_t)(bytes / sizeof *s->a);
    s->repeat = LT_MAX((int64_t)((64 << 20) / bytes), 1);
    for (int r = 0; r < ROUNDS; r++) {
        const double start = lt_clock();
        lt_pool_run(pool, threads, fn, s);
        took[r] = lt_clock() - start;
    }
    return (double)bytes * (double)s->repeat * threads;
}

/* Best bandwidth of `fn`, counting `streams` times the bytes of its slices. */
static double bandwidth(struct lt_pool *pool, lt_chunk_fn *fn, struct stream *s, size_t bytes, int streams)
{
    double took[ROUNDS], best;
    const double all = rounds(pool, fn, s, bytes, took);
    best = took[0];
    for (int r = 1; r < ROUNDS; r++) best = LT_MIN(best, took[r]);
    return all * streams / best;
}

double bench_read(struct lt_pool *pool)
{
    static uint64_t *kept;              /* given back, they would slow down whoever is timed seconds later */
    const size_t slice = 256 << 20;
    if (!kept) kept = pages(slice * (size_t)lt_pool_threads(pool));
    struct stream s = { .a = kept };
    double took[ROUNDS], total = 0;
    const double all = rounds(pool, read_slice, &s, slice, took);
    for (int r = 0; r < ROUNDS; r++) total += took[r];
    return all * ROUNDS / total;
}

struct bench_memory bench_memory(struct lt_pool *pool)
{
    const size_t slice = 256 << 20, threads = (size_t)lt_pool_threads(pool);
    struct stream s = { .a = pages(slice * threads), .b = pages(slice * threads) };
    struct bench_memory m = {
        .read = bandwidth(pool, read_slice, &s, slice, 1),
        .write = bandwidth(pool, write_slice, &s, slice, 1),
        .triad = bandwidth(pool, triad_slice, &s, slice, 3),
        .l3 = bandwidth(pool, read_slice, &s, 4 << 20, 1),
        .l2 = bandwidth(pool, read_slice, &s, 512 << 10, 1),
    };
    munmap(s.a, slice * threads);
    munmap(s.b, slice * threads);
    return m;
}

#if defined(__AVX512VNNI__)
#define VECTOR __m512i
#define SET8 _mm512_set1_epi8
#define STEP(sum, x, y) sum = _mm512_dpbusd_epi32(sum, x, y)
enum { SUMS = 24, SPINS = 100000, OPERATIONS = 128 };
#elif defined(__AVX2__)
#define VECTOR __m256i
#define SET8 _mm256_set1_epi8
#define STEP(sum, x, y) sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, y))
enum { SUMS = 12, SPINS = 100000, OPERATIONS = 64 };
#endif

#if defined(__AVX2__)
static void spin_int8(void *arg, int64_t i)
{
    VECTOR sum[SUMS], x = SET8(3), y = SET8(5);
    (void)arg;
    (void)i;
#pragma GCC unroll 24
    for (int j = 0; j < SUMS; j++) sum[j] = SET8((char)j);
    for (int r = 0; r < SPINS; r++)
#pragma GCC unroll 24
        for (int j = 0; j < SUMS; j++) {
            __asm__ volatile("" : "+v"(x));     /* or the product would be taken out of the loop */
            STEP(sum[j], x, y);
            __asm__ volatile("" : "+v"(sum[j]));
        }
}

double bench_peak_int8(struct lt_pool *pool)
{
    const int64_t chunks = lt_pool_threads(pool) * 4;
    double best = 0;
    for (int r = 0; r < 12; r++) {
        double start = lt_clock();
        lt_pool_run(pool, chunks, spin_int8, NULL);
        best = LT_MAX(best, (double)chunks * SPINS * SUMS * OPERATIONS / (lt_clock() - start));
    }
    return best;
}
#else
double bench_peak_int8(struct lt_pool *pool)
{
    (void)pool;
    return 0;
}
#endif
