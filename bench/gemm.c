/* Matrix products against oneDNN and OpenBLAS, two threads.
 *
 * The peak is a side of each race, as many operations in registers: a shared machine has slow seconds, and the share of
 * what it reached before or after them would say nothing.  Ratios and shares are medians of those of the rounds.
 *
 * Ours reads f32 (weights in bf16 where a row says so) and rounds to bf16 on the way; oneDNN's bf16 products are given
 * operands that were rounded before, in plain row-major layout.  Shapes are those of a linear layer, tokens x in x out;
 * forms as in math/gemm.h. */
#include "bench.h"

#include "math/ceiling.h"
#include "math/gemm.h"
#include <cblas.h>
#include <dnnl.h>
#include <math.h>
#include <string.h>

enum { ROUNDS = 15 };
enum { PEAK, OURS, OURS_BF16, PEAK_BF16, OPENBLAS, ONEDNN, ONEDNN_BF16, SIDES };     /* in a round, in this order */

enum form { FORWARD, INPUT, WEIGHT };
static const char *const form_name[] = { "fwd", "dx", "dw" };

struct shape { int64_t tokens, in, out; enum form form; enum lt_dtype weights; };
static const struct shape shapes[] = {
    { 64, 768, 768, FORWARD, LT_F32 },
    { 1024, 768, 3072, FORWARD, LT_F32 },
    { 1024, 768, 3072, INPUT, LT_F32 },
    { 1024, 768, 3072, WEIGHT, LT_F32 },
    { 1024, 3072, 768, FORWARD, LT_F32 },
    { 1024, 768, 50304, FORWARD, LT_F32 },
    { 2048, 256, 256, FORWARD, LT_F32 },
    { 2048, 256, 256, INPUT, LT_F32 },
    { 2048, 256, 256, WEIGHT, LT_F32 },
    { 2048, 256, 768, FORWARD, LT_F32 },
    { 2048, 256, 768, INPUT, LT_F32 },
    { 2048, 256, 768, WEIGHT, LT_F32 },
    { 2048, 256, 1024, FORWARD, LT_F32 },
    { 2048, 1024, 256, FORWARD, LT_F32 },
    { 2048, 256, 8192, FORWARD, LT_F32 },
    { 2048, 256, 8192, INPUT, LT_F32 },
    { 2048, 256, 8192, WEIGHT, LT_F32 },
    { 16, 4096, 4096, FORWARD, LT_F32 },
    { 8, 4096, 4096, FORWARD, LT_F32 },
    { 8, 4096, 4096, FORWARD, LT_BF16 },
    { 1, 4096, 4096, FORWARD, LT_F32 },
    { 1, 4096, 4096, FORWARD, LT_BF16 },
    { 1, 256, 768, FORWARD, LT_F32 },
};

struct peer {                           /* one oneDNN product */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[3];
    dnnl_stream_t stream;
};

struct race {
    struct lt_pool *pool;
    struct lt_gemm g;
    struct peer f32, bf16;
    const float *a, *b;
    float *c;
};

static void ours(void *arg)
{
    const struct race *r = arg;
    lt_gemm(r->pool, &r->g);
}

/* As many operations as a product has, in registers. */
struct peak { struct lt_pool *pool; enum lt_compute compute; int64_t rounds; };

static void spin(void *arg, int64_t i)
{
    const struct peak *p = arg;
    (void)i;
    lt_spin(p->compute, p->rounds);
}

static void peak(void *arg)
{
    const struct peak *p = arg;
    lt_pool_run(p->pool, lt_pool_threads(p->pool), spin, arg);
}

static struct peak make_peak(struct lt_pool *pool, enum lt_compute compute, double operations)
{
    const double round = (double)lt_spin(compute, 1) * lt_pool_threads(pool);
    return (struct peak){ pool, compute, LT_MAX((int64_t)(operations / round + 0.5), 1) };
}

static double peak_operations(const struct peak *p)
{
    return (double)(lt_spin(p->compute, 1) * p->rounds * lt_pool_threads(p->pool));
}

static void openblas(void *arg)
{
    const struct race *r = arg;
    const struct lt_gemm *g = &r->g;
    cblas_sgemm(CblasRowMajor, g->a_trans ? CblasTrans : CblasNoTrans, g->b_trans ? CblasTrans : CblasNoTrans,
                (int)g->m, (int)g->n, (int)g->k, 1, r->a, (int)(g->a_trans ? g->m : g->k), r->b,
                (int)(g->b_trans ? g->k : g->n), g->add ? 1 : 0, r->c, (int)g->n);
}

static void must(dnnl_status_t status)
{
    if (status == dnnl_success) return;
    fprintf(stderr, "bench: oneDNN failed with status %d\n", (int)status);
    exit(1);
}

static void onednn(void *arg)
{
    const struct peer *p = arg;
    must(dnnl_primitive_execute(p->primitive, p->stream, 3, p->args));
    must(dnnl_stream_wait(p->stream));
}

static dnnl_memory_desc_t plain(int64_t rows, int64_t cols, bool trans, dnnl_data_type_t type)
{
    dnnl_memory_desc_t d;
    must(dnnl_memory_desc_init_by_strides(&d, 2, (dnnl_dims_t){ rows, cols }, type,
                                          (dnnl_dims_t){ trans ? 1 : cols, trans ? rows : 1 }));
    return d;
}

static struct peer make_peer(dnnl_engine_t engine, const struct lt_gemm *g, dnnl_data_type_t type, void *a, void *b,
                             float *c)
{
    dnnl_memory_desc_t da = plain(g->m, g->k, g->a_trans, type), db = plain(g->k, g->n, g->b_trans, type),
                       dc = plain(g->m, g->n, false, dnnl_f32);
    dnnl_matmul_desc_t d;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t after;
    struct peer p;
    must(dnnl_primitive_attr_create(&attr));
    must(dnnl_post_ops_create(&after));
    if (g->add) must(dnnl_post_ops_append_sum(after, 1));
    must(dnnl_primitive_attr_set_post_ops(attr, after));
    must(dnnl_matmul_desc_init(&d, &da, &db, NULL, &dc));
    dnnl_status_t status = dnnl_primitive_desc_create(&pd, &d, attr, engine, NULL);
    if (status == dnnl_unimplemented) {     /* bf16 without AVX-512: the peer has nothing to offer */
        dnnl_post_ops_destroy(after);
        dnnl_primitive_attr_destroy(attr);
        return (struct peer){ 0 };
    }
    must(status);
    must(dnnl_primitive_create(&p.primitive, pd));
    must(dnnl_stream_create(&p.stream, engine, dnnl_stream_default_flags));
    p.args[0].arg = DNNL_ARG_SRC;
    p.args[1].arg = DNNL_ARG_WEIGHTS;
    p.args[2].arg = DNNL_ARG_DST;
    must(dnnl_memory_create(&p.args[0].memory, &da, engine, a));
    must(dnnl_memory_create(&p.args[1].memory, &db, engine, b));
    must(dnnl_memory_create(&p.args[2].memory, &dc, engine, c));
    dnnl_post_ops_destroy(after);
    dnnl_primitive_attr_destroy(attr);
    dnnl_primitive_desc_destroy(pd);
    return p;
}

static void free_peer(struct peer *p)
{
    if (!p->primitive) return;
    for (int i = 0; i < 3; i++) dnnl_memory_destroy(p->args[i].memory);
    dnnl_primitive_destroy(p->primitive);
    dnnl_stream_destroy(p->stream);
}

static struct lt_gemm product(const struct shape *s)
{
    switch (s->form) {
    case FORWARD: return (struct lt_gemm){ .m = s->tokens, .n = s->out, .k = s->in, .b_trans = true };
    case INPUT: return (struct lt_gemm){ .m = s->tokens, .n = s->in, .k = s->out };
    default: return (struct lt_gemm){ .m = s->out, .n = s->in, .k = s->tokens, .a_trans = true, .add = true };
    }
}

static double operations_of(const struct lt_gemm *g)
{
    return 2.0 * (double)g->m * (double)g->n * (double)g->k;
}

/* What bounds a product: operations, or the bytes of operands and result, once each; and the share of it reached.
 * `peak` is the share of the peak of operations. */
static void print(const struct shape *s, const struct lt_gemm *g, double read, double seconds, double peak,
                  double peer, const char *peer_name, double times)
{
    const bool bf16 = g->compute == LT_COMPUTE_BF16;
    const double operations = operations_of(g);
    double bytes = 4.0 * (double)(g->m * g->k + g->m * g->n * (g->add ? 2 : 1))
                 + (double)lt_dtype_size(g->b_type) * (double)(g->n * g->k);
    const double by_bytes = bytes / read / seconds;
    const bool memory = by_bytes > peak && bytes > 32e6;   /* less than that stays in a cache */
    char name[96];
    snprintf(name, sizeof name, "gemm/%s %s %dx%dx%d%s", bf16 ? "bf16" : "f32", form_name[s->form], (int)s->tokens,
             (int)s->in, (int)s->out, g->b_type == LT_BF16 ? " bf16 weights" : "");
    bench_row_as(name, "GFLOP/s", operations / seconds * 1e-9, operations / peer * 1e-9, peer_name, times,
                 memory ? "memory read" : bf16 ? "bf16 peak" : "f32 peak", memory ? by_bytes : peak);
}

/* A side's share of a peak's operations a second. */
static double share(const struct bench_side *s, const struct lt_gemm *g, const struct bench_side *top)
{
    return operations_of(g) / peak_operations(top->arg) * bench_times(s, top, ROUNDS);
}

static void race(struct lt_pool *pool, dnnl_engine_t engine, const struct shape *s, double read)
{
    struct lt_gemm g = product(s);
    struct lt_rng rng = lt_rng_make(1, "bench");
    const size_t c_bytes = (size_t)(g.m * g.n) * 4;
    float *a = lt_aligned((size_t)(g.m * g.k) * 4), *b = lt_aligned((size_t)(g.k * g.n) * 4), *c = lt_aligned(c_bytes);
    uint16_t *ah = lt_aligned((size_t)(g.m * g.k) * 2), *bh = lt_aligned((size_t)(g.k * g.n) * 2);
    for (int64_t i = 0; i < g.m * g.k; i++) a[i] = (float)lt_rng_unit(&rng) - 0.5f;
    for (int64_t i = 0; i < g.k * g.n; i++) b[i] = (float)lt_rng_unit(&rng) - 0.5f;
    memset(c, 0, c_bytes);
    lt_convert(LT_BF16, ah, LT_F32, a, g.m * g.k);
    lt_convert(LT_BF16, bh, LT_F32, b, g.k * g.n);
    g.a = a;
    g.b_type = s->weights;
    g.b = s->weights == LT_BF16 ? (void *)bh : b;
    g.c = c;
    struct race f32 = { .pool = pool, .g = g, .a = a, .b = b, .c = c }, bf16 = f32;
    bf16.g.compute = LT_COMPUTE_BF16;
    struct peer peer_f32 = make_peer(engine, &g, dnnl_f32, a, b, c);
    struct peer peer_bf16 = make_peer(engine, &g, dnnl_bf16, ah, bh, c);
    struct peak peak_f32 = make_peak(pool, LT_COMPUTE_F32, operations_of(&g)),
                peak_bf16 = make_peak(pool, LT_COMPUTE_BF16, operations_of(&g));
    struct bench_side side[] = {
        [PEAK] = { .name = "f32 peak", .run = peak, .arg = &peak_f32 },
        [OURS] = { .name = "ours", .run = ours, .arg = &f32 },
        [OURS_BF16] = { .name = "ours bf16", .run = ours, .arg = &bf16 },
        [PEAK_BF16] = { .name = "bf16 peak", .run = peak, .arg = &peak_bf16 },
        [OPENBLAS] = { .name = "openblas", .run = openblas, .arg = &f32 },
        [ONEDNN] = { .name = "onednn", .run = onednn, .arg = &peer_f32 },
        [ONEDNN_BF16] = { .name = "onednn", .run = onednn, .arg = &peer_bf16 },
    };
    const bool has_bf16 = peer_bf16.primitive;
    bench_race(side, has_bf16 ? SIDES : ONEDNN_BF16, ROUNDS, 0.02);
    const struct bench_side *best = &side[side[OPENBLAS].median < side[ONEDNN].median ? OPENBLAS : ONEDNN];
    print(s, &f32.g, read, side[OURS].median, share(&side[OURS], &g, &side[PEAK]), best->median, best->name,
          bench_times(&side[OURS], best, ROUNDS));
    if (has_bf16) best = &side[ONEDNN_BF16];
    print(s, &bf16.g, read, side[OURS_BF16].median, share(&side[OURS_BF16], &g, &side[PEAK_BF16]), best->median,
          has_bf16 ? best->name : "f32 of the best", bench_times(&side[OURS_BF16], best, ROUNDS));
    free_peer(&peer_f32);
    free_peer(&peer_bf16);
    free(a), free(b), free(c), free(ah), free(bh);
}

/* Optional arguments: parts of form or shape to keep, as "dw" or "768x3072". */
int main(int argc, char **argv)
{
    (void)argc;
    const int threads = 2;
    struct lt_pool *pool = lt_pool_new(threads);
    dnnl_engine_t engine;
    must(dnnl_engine_create(&engine, dnnl_cpu, 0));
    openblas_set_num_threads(threads);
    const double read = bench_read(pool);
    for (int i = 0; i < LT_COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        char name[64];
        snprintf(name, sizeof name, "%s %dx%dx%d", form_name[s->form], (int)s->tokens, (int)s->in, (int)s->out);
        if (bench_wanted(name, argv + 1)) race(pool, engine, s, read);
    }
    dnnl_engine_destroy(engine);
    lt_pool_free(pool);
    return 0;
}
