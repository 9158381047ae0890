/* What this machine can do at most: products a second with operands in registers, bytes a second from each memory. */
#include "bench.h"

#include "math/ceiling.h"

static void table(int threads)
{
    struct lt_pool *pool = lt_pool_new(threads);
    const double giga = 1e-9;
    char name[64];
#define ROW(label, unit, value) \
    (snprintf(name, sizeof name, "ceiling/%s t%d", label, threads), bench_row(name, unit, value, 0, "-", "-", 0))
    ROW("f32", "GFLOP/s", lt_peak_flops(pool, LT_COMPUTE_F32) * giga);
    ROW("bf16", "GFLOP/s", lt_peak_flops(pool, LT_COMPUTE_BF16) * giga);
    double int8 = bench_peak_int8(pool);
    if (int8 > 0) ROW("int8", "GOP/s", int8 * giga);
    struct bench_memory m = bench_memory(pool);
    ROW("memory-read", "GB/s", m.read * giga);
    ROW("memory-write", "GB/s", m.write * giga);
    ROW("memory-triad", "GB/s", m.triad * giga);
    ROW("l3-read-4MiB", "GB/s", m.l3 * giga);
    ROW("l2-read-512KiB", "GB/s", m.l2 * giga);
    lt_pool_free(pool);
}

int main(void)
{
    table(1);
    table(2);
    return 0;
}
