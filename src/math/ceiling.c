#include "math/ceiling.h"

#include "base/ctx.h"
#include "math/ceiling_kernel.h"
#include "math/cpu.h"
#include <stdlib.h>

enum { CHUNKS = 60 };                   /* of each thread */
static const double chunk_seconds = 0.001;

typedef int64_t spin_fn(int64_t rounds);

/* Plain C: as many sums as hide the latency of an addition.  The empty statement hides their values from the compiler,
 * which could otherwise leave the loop out. */
static int64_t spin_c(int64_t rounds)
{
    enum { SUMS = 40 };
    float sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = (float)i;
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * 0.5f + 1;
    __asm__ volatile("" : : "r"(sum) : "memory");
    return rounds * SUMS * 2;
}

static spin_fn *choose(enum lt_compute compute)
{
#if defined(__x86_64__)
    enum lt_isa level = lt_cpu_level();
    if (level == LT_ISA_AVX512 && compute == LT_COMPUTE_INT8) return lt_spin_int8_avx512;
    if (level >= LT_ISA_AVX2 && compute >= LT_COMPUTE_INT16) return lt_spin_int16_avx2;
    if (level == LT_ISA_AVX512) return compute == LT_COMPUTE_BF16 ? lt_spin_bf16_avx512 : lt_spin_f32_avx512;
    if (level == LT_ISA_AVX2) return lt_spin_f32_avx2;
#endif
    (void)compute;
    return spin_c;
}

int64_t lt_spin(enum lt_compute compute, int64_t rounds)
{
    return choose(compute)(rounds);
}

struct job { spin_fn *spin; int64_t rounds; double *seconds; };

static void chunk(void *arg, int64_t i)
{
    const struct job *job = arg;
    double start = lt_clock();
    job->spin(job->rounds);
    job->seconds[i] = lt_clock() - start;
}

static int shorter(const void *a, const void *b, void *ctx)
{
    double x = *(const double *)a, y = *(const double *)b;
    (void)ctx;
    return (x > y) - (x < y);
}

/* Every chunk gives a thread's rate.  The one that a quarter of them beat is what threads reach together when nothing
 * takes the processor away from them. */
double lt_peak_flops(struct lt_pool *pool, enum lt_compute compute)
{
    struct job job = { .spin = choose(compute), .rounds = 1000 };
    double seconds;
    for (;;) {                          /* rounds that fill a chunk; also wakes the core */
        double start = lt_clock();
        job.spin(job.rounds);
        seconds = lt_clock() - start;
        if (seconds >= chunk_seconds / 2) break;
        job.rounds *= 2;
    }
    job.rounds = (int64_t)((double)job.rounds * chunk_seconds / seconds) + 1;
    const int64_t threads = lt_pool_threads(pool), chunks = threads * CHUNKS;
    job.seconds = lt_alloc((size_t)chunks * sizeof *job.seconds);
    lt_pool_run(pool, chunks, chunk, &job);
    lt_sort(job.seconds, (size_t)chunks, sizeof *job.seconds, shorter, NULL);
    double rate = (double)job.spin(1) * (double)job.rounds / job.seconds[chunks / 4];
    free(job.seconds);
    return rate * (double)threads;
}
