/* Splitting of products with quantised weights over threads, around the kernels of quant_gemm.h.
 *
 * Rows of A are rounded once.  Columns are then taken by panels, each unpacked from the weights where they lie, a
 * stretch of k at a time, and met by all rows.  With few rows nothing is unpacked to memory: weights go from where they
 * lie through registers. */
#include "math/quant_gemm.h"
#include "math/split.h"

#include <assert.h>
#include <stdlib.h>

enum {
    FEW = LT_QUANT_FEW,
    LINE = 64,
    WIDEST = 32, TALLEST = 16,          /* nr and mr of any kernel */
    TILES = 8,                          /* that meet a stretch of a panel before the next one comes */
    STRETCH = 16 << 10,                  /* bytes of it, about */
    SERIAL = 4,                         /* rows of A that are rounded without waking other threads */
};

struct plan {
    const struct lt_gemm *g;
    const struct lt_quant_kernels *kernels;
    const struct lt_quant_kernel *kernel;
    int64_t block, blocks;              /* elements in one; in a row */
    int64_t row;                        /* bytes of a row of weights */
    int64_t lda, ldc;
    int64_t carry;                      /* bytes of carry of a block */
    bool thin, words;
    int64_t first, panels;              /* of all plans of a job: where these begin, how many */
    struct lt_quant_a a;
    uint8_t *few_columns;               /* a copy of B if it has fewer columns than a panel */
};

struct job {
    const struct plan *plan;
    int count;
    int64_t panels, threads;            /* of all plans */
    char *scratch; size_t slot;         /* of a thread: one panel */
    _Alignas(64) _Atomic int64_t next;  /* panel */
};

static const struct lt_quant_kernels *choose(enum lt_isa isa)
{
#if defined(__x86_64__)
    const enum lt_isa level = lt_cpu_choose(isa);
    if (level == LT_ISA_AVX512) return &lt_quant_kernels_avx512;
    if (level == LT_ISA_AVX2) return &lt_quant_kernels_avx2;
#else
    (void)isa;
#endif
    return &lt_quant_kernels_ref;
}

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static int64_t ceil_div(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

/* ---- A ---- */

static void carry_of(const struct plan *p, const int8_t *q, char *out)
{
    const bool small = p->block == 32;
    const int64_t part = p->g->b_type == LT_Q6_K ? 16 : 32;
    static const int32_t factor[LT_DTYPE_COUNT] = { [LT_Q8_0] = -128, [LT_Q4_0] = -8, [LT_Q5_0] = -16, [LT_Q5_1] = 1 };
    for (int64_t i = 0; i < p->g->k; i += part, q += part) {
        int32_t sum = 0;
        for (int64_t j = 0; j < part; j++) sum += q[j];
        if (small) ((int32_t *)(void *)out)[i / part] = factor[p->g->b_type] * sum;
        else ((int16_t *)(void *)out)[i / part] = (int16_t)sum;
    }
}

/* In the order of lt_quant_kernel.words. */
static void widen(const int8_t *q, int64_t n, int16_t *out)
{
    for (int64_t i = 0; i < n; i += 4) {
        out[i] = q[i];
        out[i + 1] = q[i + 2];
        out[i + 2] = q[i + 1];
        out[i + 3] = q[i + 3];
    }
}

static void round_row(void *arg, int64_t r)
{
    const struct plan *p = arg;
    const struct lt_gemm *g = p->g;
    const char *from = (const char *)g->a + (size_t)(r * p->lda) * lt_dtype_size(g->a_type);
    int8_t *q = p->a.q + r * p->a.q_row;
    float *scale = (float *)(void *)((char *)p->a.scale + r * p->a.scale_row);
    for (int64_t i = 0; i < p->blocks; i++) {
        float wide[LT_QUANT_BLOCK_MAX];
        const float *x = (const float *)(const void *)from + i * p->block;
        if (g->a_type != LT_F32) {
            lt_convert(LT_F32, wide, g->a_type, from + (size_t)(i * p->block) * lt_dtype_size(g->a_type), p->block);
            x = wide;
        }
        if (p->words) {
            int8_t bytes[LT_QUANT_BLOCK_MAX];
            p->kernels->round(x, p->block, bytes, &scale[i]);
            widen(bytes, p->block, (int16_t *)(void *)q + i * p->block);
        } else {
            p->kernels->round(x, p->block, q + i * p->block, &scale[i]);
        }
    }
    if (!p->words) carry_of(p, q, p->a.carry + r * p->a.carry_row);
}

/* ---- a cell ---- */

/* A sum of column j goes to *c. */
static inline void settle(const struct lt_gemm *g, float sum, int64_t j, float *c)
{
    const float v = g->bias ? sum + g->bias[j] : sum;
    *c = g->add ? *c + v : v;
}

static void finish(const struct plan *p, const float *sum, int64_t r, int64_t m, int64_t j, int64_t n)
{
    const struct lt_gemm *g = p->g;
    for (int64_t i = 0; i < m; i++, sum += p->kernels->nr) {
        float *c = g->c + (r + i) * p->ldc + j;
        if (g->bias || g->add)
            for (int64_t k = 0; k < n; k++) settle(g, sum[k], j + k, &c[k]);
        else if (n == 16) memcpy(c, sum, 16 * sizeof *c);       /* no call where the length is known */
        else memcpy(c, sum, (size_t)n * sizeof *c);
    }
}

/* The nr columns of the panel at j, and the first of them that counts.  The last panel begins earlier, so that all of
 * its columns are there; if there are fewer in all, they are copied beside each other with room for the rest. */
static const uint8_t *columns(const struct plan *p, int64_t j, int64_t *from)
{
    const int64_t first = LT_MIN(j, LT_MAX(p->g->n - p->kernels->nr, 0));
    *from = j - first;
    return (const uint8_t *)(p->few_columns ? p->few_columns : p->g->b) + first * p->row;
}

/* The panel at j, its columns beside each other. */
static void thin_panel(const struct plan *p, int64_t j)
{
    float sum[FEW * WIDEST] __attribute__((aligned(64)));
    const int64_t nr = p->kernels->nr;
    int64_t from;
    const uint8_t *w = columns(p, j, &from);
    memset(sum, 0, (size_t)(p->g->m * nr) * sizeof *sum);
    p->kernel->thin(p->g->m, p->blocks, &p->a, w, p->row, nr / p->kernels->vectors * p->row, sum);
    finish(p, sum + from, 0, p->g->m, j, LT_MIN(nr, p->g->n - j));
}

/* Whole panels from column j on.  Columns of a vector lie an equal part of all apart, and the vectors that are met
 * together follow each other: each place in a vector then goes on where it ended, and the machine sees a few long runs
 * of memory instead of many short ones. */
static void thin_panels(const struct plan *p, int64_t j, int64_t panels)
{
    float sum[FEW * WIDEST] __attribute__((aligned(64)));
    const int64_t nr = p->kernels->nr, vectors = p->kernels->vectors, lanes = nr / vectors, apart = panels * vectors;
    const uint8_t *w = (const uint8_t *)p->g->b + j * p->row;
    for (int64_t i = 0; i < apart; i += vectors) {
        memset(sum, 0, (size_t)(p->g->m * nr) * sizeof *sum);
        p->kernel->thin(p->g->m, p->blocks, &p->a, w + i * p->row, apart * p->row, p->row, sum);
        for (int64_t r = 0; r < p->g->m; r++) {
            const float *s = sum + r * nr;
            for (int64_t v = 0; v < vectors; v++)
                for (int64_t k = 0, column = j + i + v; k < lanes; k++, column += apart)
                    settle(p->g, *s++, column, &p->g->c[r * p->ldc + column]);
        }
    }
}

static void thin_share(const struct plan *p, int64_t from, int64_t end)
{
    const int64_t nr = p->kernels->nr, whole = LT_MIN(end, p->g->n / nr) - from;
    if (whole > 0) thin_panels(p, from * nr, whole);
    if (end * nr > p->g->n) thin_panel(p, (end - 1) * nr);
}

/* Asks for part `part` of `parts` of so many bytes. */
static void ask_for(const uint8_t *p, int64_t bytes, int64_t part, int64_t parts)
{
    const int64_t end = (part + 1) * bytes / parts;
    for (int64_t i = part * bytes / parts; i < end; i += LINE) __builtin_prefetch(p + i, 0, 2);
}

/* Rows from r on, `tiles` of `height`, against a panel, a stretch of k at a time that stays in the first cache: it is
 * unpacked, then met by all of these rows, while what the next panel needs there comes up. */
static void wide_rows(const struct plan *p, const uint8_t *w, uint8_t *panel, int64_t r, int64_t tiles, int64_t height,
                      float *sum)
{
    const struct lt_quant_kernel *kernel = p->kernel;
    const int64_t nr = p->kernels->nr, size = (int64_t)lt_dtype_block_size(p->g->b_type);
    const int64_t element = p->words ? 2 : 1;
    const int64_t stretch = LT_MAX(1, STRETCH / (int64_t)kernel->panel);
    for (int64_t b = 0; b < p->blocks; b += stretch) {
        const int64_t blocks = LT_MIN(stretch, p->blocks - b);
        uint8_t *part = panel + b * (int64_t)kernel->panel;
        if (r == 0) kernel->unpack(w + b * size, p->row, blocks, part);
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t at = r + i * height;
            struct lt_quant_a a = p->a;
            a.q += at * a.q_row + b * p->block * element;
            a.scale = (float *)(void *)((char *)a.scale + at * a.scale_row + 4 * b);
            a.carry += at * a.carry_row + b * p->carry;
            if (r == 0) ask_for(w + nr * (p->row + b * size), nr * blocks * size, i, tiles);
            kernel->tile(LT_MIN(height, p->g->m - at), blocks, &a, part, sum + i * height * nr);
        }
    }
}

static void wide_panel(const struct plan *p, uint8_t *panel, int64_t j)
{
    const int64_t nr = p->kernels->nr, m = p->g->m;
    const int64_t all = ceil_div(m, p->kernels->mr), height = ceil_div(m, all);     /* tiles of equal height */
    const int64_t group = height * TILES;
    int64_t from;
    const uint8_t *w = columns(p, j, &from);
    for (int64_t r = 0; r < m; r += group) {
        float sum[TILES * TALLEST * WIDEST] __attribute__((aligned(64)));
        const int64_t rows = LT_MIN(group, m - r);
        memset(sum, 0, (size_t)(rows * nr) * sizeof *sum);
        for (int64_t i = 0; i < rows; i++) __builtin_prefetch(p->g->c + (r + i) * p->ldc + j, 1);      /* for finish */
        wide_rows(p, w, panel, r, ceil_div(rows, height), height, sum);
        finish(p, sum + from, r, rows, j, LT_MIN(nr, p->g->n - j));
    }
}

static void run_slot(void *arg, int64_t slot)
{
    struct job *job = arg;
    uint8_t *panel = (uint8_t *)job->scratch + (size_t)slot * job->slot;
    int64_t from, to;
    while (lt_take_share(&job->next, job->panels, job->threads, &from, &to))
        for (int i = 0; i < job->count; i++) {
            const struct plan *p = &job->plan[i];
            const int64_t first = LT_MAX(from - p->first, 0), end = LT_MIN(to - p->first, p->panels);
            if (p->thin && first < end) thin_share(p, first, end);
            for (int64_t j = first; j < end && !p->thin; j++) wide_panel(p, panel, j * p->kernels->nr);
        }
}

/* ---- the way in ---- */

static void make_plan(struct plan *p, const struct lt_gemm *g)
{
    *p = (struct plan){ .g = g, .kernels = choose(g->isa), .block = lt_dtype_block(g->b_type) };
    assert(g->b_trans && !g->a_trans && g->k % p->block == 0 && (g->ldb == 0 || g->ldb == g->k));
    p->kernel = &p->kernels->type[g->b_type];
    p->blocks = g->k / p->block;
    p->thin = g->m <= p->kernel->few;
    p->words = p->kernel->words && !p->thin;
    p->carry = g->b_type == LT_Q6_K ? 32 : p->block == 32 ? 4 : 16;
    p->row = (int64_t)lt_dtype_bytes(g->b_type, g->k);
    p->lda = g->lda ? g->lda : g->k;
    p->ldc = g->ldc ? g->ldc : g->n;
    p->panels = ceil_div(g->n, p->kernels->nr);
    /* Rows a power of 2 apart would share cache sets. */
    p->a.q_row = round_up(p->words ? 2 * g->k : g->k, LINE) + LINE;
    p->a.scale_row = round_up(p->blocks * 4, LINE);
    p->a.carry_row = round_up(g->k / 8, LINE);
}

static void round_rows(struct lt_pool *pool, struct plan *p, struct lt_arena *arena)
{
    const struct lt_gemm *g = p->g;
    p->a.q = lt_arena_take(arena, (size_t)(g->m * p->a.q_row));
    p->a.scale = lt_arena_take(arena, (size_t)LT_MAX(g->m * p->a.scale_row, 1));
    p->a.carry = lt_arena_take(arena, (size_t)LT_MAX(g->m * p->a.carry_row, 1));
    lt_pool_run(g->m > SERIAL ? pool : NULL, g->m, round_row, p);
}

static void copy_few_columns(struct plan *p, struct lt_arena *arena)
{
    const size_t have = (size_t)(p->g->n * p->row), all = (size_t)(p->kernels->nr * p->row);
    if (p->g->n >= p->kernels->nr) return;
    p->few_columns = lt_arena_take(arena, LT_MAX(all, 1));
    if (have) memcpy(p->few_columns, p->g->b, have);
    memset(p->few_columns + have, 0, all - have);
}

void lt_quant_gemm(struct lt_pool *pool, const struct lt_gemm *g, int count)
{
    struct plan plan[LT_GEMM_TOGETHER];
    struct job job = { .plan = plan, .count = count, .threads = lt_pool_threads(pool) };
    struct lt_arena own = { 0 }, *arena = pool ? lt_pool_arena(pool) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    for (int i = 0; i < count; i++) {
        struct plan *p = &plan[i];
        make_plan(p, &g[i]);
        p->first = job.panels;
        job.panels += p->panels;
        if (!p->thin) job.slot = LT_MAX(job.slot, p->kernel->panel * (size_t)p->blocks);
        if (i && g[i].b_type == g[i - 1].b_type) p->a = p[-1].a;
        else round_rows(pool, p, arena);
        copy_few_columns(p, arena);
    }
    const int64_t slots = LT_MIN(job.threads, job.panels);
    job.scratch = lt_arena_take(arena, LT_MAX((size_t)slots * job.slot, 1));
    lt_pool_run(slots > 1 ? pool : NULL, slots, run_slot, &job);
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
}
