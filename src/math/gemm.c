/* Blocking, splitting and packing around the tiles of gemm_kernel.h.
 *
 * C is cut into a grid of cells that threads take one by one; a sum along k is never split, so neither the grid nor the
 * thread changes a bit.  A cell is worked on in one of two orders.  A narrow one (few rows of A: generation and small
 * batches) packs all of A once, then takes each panel of B through all of k while it lies in a near cache: weights
 * stream through once.  A wide one goes by strips of columns and blocks of k: the strip is packed while the first block
 * of A, which stays in the second-level cache, meets it, and used again for the other blocks of A. */
#include "math/gemm.h"
#include "math/gemm_kernel.h"
#include "math/quant_gemm.h"
#include "math/split.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    THIN = 8,                           /* rows of A at most that read B piece by piece, packed in the first cache */
    PIECE = 64,                         /* units of k in one */
    NARROW_BYTES = 256 << 10,           /* A of a narrow cell at most: a part of a second-level cache */
    STRIP = 2048,                       /* columns of B packed at a time at most */
    GROUP = 4,                          /* panels of B packed at a time where they lie side by side in memory */
    PACKING = 12,                       /* products that take as long as packing an element */
    LINE = 64,
    WIDEST = 32,                        /* nr of any kernel */
};

struct lt_packed {
    int64_t n, k;
    enum lt_compute compute;
    const struct lt_gemm_kernel *kernel;
    enum lt_dtype type;                 /* F32: panels are read in place; else they are widened first */
    size_t panel;                       /* bytes of one panel, nr columns by all of k */
    size_t block;                       /* of whole numbers: bytes of one block of k of a panel */
    size_t size;
    char *data;
};

struct plan {
    const struct lt_gemm *g;
    const struct lt_gemm_kernel *kernel;
    int64_t lda, ldb, ldc;
    int64_t blocks, kc;                 /* of k */
    int64_t rows, columns;              /* of a cell */
    int64_t cells_m, cells_n;
    int64_t mc;                         /* rows of A packed at a time */
    int64_t a_row, a_unit;              /* bytes between packed rows of A, and between units of a row */
    int64_t strip, group;               /* columns of B packed for all of a cell's rows, and packed at a time */
    int64_t first, units;               /* groups of columns, of all plans of a job: where these begin, how many */
    bool narrow, thin;
    size_t a_panel, a_size, b_panel, b_size;    /* bytes; a_size + b_size is one thread's scratch */
    size_t a_scale, b_scale;            /* of whole numbers: where in a panel its scales lie */
};

struct job {
    const struct plan *plan;            /* one, or `count` narrow ones */
    int count;
    int64_t units, threads;             /* of all plans */
    char *scratch; size_t slot;         /* of a thread */
    _Alignas(64) _Atomic int64_t next;  /* cell, or unit */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t round_up(int64_t a, int64_t to)
{
    return ceil_div(a, to) * to;
}

const struct lt_gemm_kernel *lt_gemm_kernel(enum lt_isa isa, enum lt_compute compute)
{
#if defined(__x86_64__)
    enum lt_isa level = lt_cpu_choose(isa);
    if (level >= LT_ISA_AVX2 && compute == LT_COMPUTE_INT16) return &lt_gemm_kernel_int16_avx2;
    if (level == LT_ISA_AVX2 && compute == LT_COMPUTE_INT8) return &lt_gemm_kernel_int8_avx2;
    if (level == LT_ISA_AVX512 && compute == LT_COMPUTE_INT8) return &lt_gemm_kernel_int8_avx512;
    if (level == LT_ISA_AVX512) return &lt_gemm_kernel_avx512[compute];
    if (level == LT_ISA_AVX2) return &lt_gemm_kernel_avx2[compute];
#else
    (void)isa;
#endif
    return &lt_gemm_kernel_ref[compute];
}

/* ---- shapes ---- */

/* Blocks of k as equal as they can be; part of the definition of the result, so of k alone. */
static void split_k(struct plan *p, int64_t k)
{
    p->blocks = LT_MAX(ceil_div(k, p->kernel->kc), 1);
    p->kc = round_up(ceil_div(k, p->blocks), 8);
    p->blocks = p->kc ? ceil_div(k, p->kc) : 1;
}

static size_t panel_bytes(const struct lt_gemm_kernel *kernel, int64_t width, int64_t k)
{
    return (size_t)round_up(width * ceil_div(k, kernel->step) * 4, LINE);
}

/* Panels of equal height: 64 rows in tiles of at most 14 are 13 13 13 13 12, not 14 14 14 14 8. */
static int64_t panel_height(int64_t rows, int mr)
{
    return rows ? ceil_div(rows, ceil_div(rows, mr)) : 1;
}

/* A narrow product is cut along n as threads ask for more.  A wide one into one cell a thread, in the way that keeps
 * the largest cell's products and packing small: cells side by side pack the same rows of A. */
static void choose_grid(struct plan *p, int threads)
{
    const struct lt_gemm *g = p->g;
    const int nr = p->kernel->nr, mr = p->kernel->mr;
    if (p->narrow) {
        p->rows = g->m;
        p->columns = g->n;
    } else {
        int64_t best = INT64_MAX;
        for (int down = 1; down <= threads; down++) {
            int64_t rows = LT_MIN(round_up(ceil_div(g->m, down), mr), g->m);
            int64_t columns = round_up(ceil_div(g->n, threads / down), nr);
            int64_t cost = rows * columns + PACKING * (rows + (g->packed ? 0 : columns));
            if (cost >= best) continue;
            best = cost, p->rows = rows, p->columns = columns;
        }
    }
    p->cells_n = ceil_div(g->n, p->columns);
    p->cells_m = ceil_div(g->m, p->rows);
}

static struct plan make_plan(const struct lt_gemm *g, int threads)
{
    struct plan p = { .g = g, .kernel = lt_gemm_kernel(g->isa, g->compute) };
    p.lda = g->lda ? g->lda : g->a_trans ? g->m : g->k;
    p.ldb = g->ldb ? g->ldb : g->b_trans ? g->k : g->n;
    p.ldc = g->ldc ? g->ldc : g->n;
    assert(!g->packed || (g->packed->n == g->n && g->packed->k == g->k && g->packed->kernel == p.kernel));
    split_k(&p, g->k);
    const int mr = p.kernel->mr, nr = p.kernel->nr;
    const int64_t units = ceil_div(p.kc, p.kernel->step);
    p.a_row = g->a_trans ? 4 : round_up(units * 4, LINE) + LINE;    /* rows a power of 2 apart would share cache sets */
    p.a_unit = g->a_trans ? round_up(mr, p.kernel->lanes) * 4 : 4;
    p.a_panel = (size_t)(g->a_trans ? round_up(units * p.a_unit, LINE) + LINE : mr * p.a_row);
    p.b_panel = panel_bytes(p.kernel, nr, p.kc);
    if (p.kernel->most) {
        p.a_scale = p.a_panel;
        p.b_scale = p.b_panel;
        p.a_panel += LT_GEMM_SCALES;
        p.b_panel += LT_GEMM_SCALES;
    }
    const int64_t most = LT_MAX(p.kernel->near / (int64_t)p.a_panel, 1) * mr;     /* rows of A that stay near */
    p.narrow = g->m <= most && g->m * g->k * 4 / p.kernel->step <= NARROW_BYTES;
    choose_grid(&p, threads);
    p.mc = round_up(panel_height(p.rows, (int)most), mr);
    p.thin = p.narrow && g->m <= THIN && g->m <= mr && g->b_trans && !g->packed;
    p.thin &= p.kernel->direct ? !g->a_trans : p.kernel->part != NULL;
    p.strip = round_up(ceil_div(p.columns, ceil_div(p.columns, STRIP)), nr);
    p.group = LT_MIN(g->b_trans || g->packed ? nr : GROUP * nr, p.strip);
    p.units = ceil_div(g->n, p.group);
    int64_t a_panels = ceil_div(LT_MIN(p.mc, p.rows), mr) * (p.narrow ? p.blocks : 1);
    p.a_size = (size_t)a_panels * p.a_panel;
    p.b_size = (size_t)((p.mc < p.rows ? p.strip : p.group) / nr) * p.b_panel;
    return p;
}

/* ---- packing ---- */

static const char *at(const void *p, enum lt_dtype type, int64_t index)
{
    return p ? (const char *)p + index * (int64_t)lt_dtype_size(type) : NULL;      /* nothing there: an empty matrix */
}

/* Rows m0 .. m0 + m of A, products k0 .. k0 + k: rows if k runs along them, else panels; each a_panel apart. */
static void pack_a(const struct plan *p, char *out, int64_t m0, int64_t m, int64_t k0, int64_t k)
{
    const struct lt_gemm *g = p->g;
    const int64_t height = panel_height(m, p->kernel->mr);
    if (k == 0) return;
    int64_t from = g->a_trans ? k0 * p->lda + m0 : m0 * p->lda + k0;
    struct lt_gemm_source s = { .p = at(g->a, g->a_type, from), .ld = p->lda, .type = g->a_type };
    s.k_fast = !g->a_trans;
    s.most = p->kernel->most;
    s.stochastic = g->a_stochastic && g->compute == LT_COMPUTE_INT8;
    s.scale = (float *)(out + p->a_scale);
    if (g->a_trans) {
        p->kernel->pack_across(out, p->a_panel, height, p->a_unit / 4, m, k, &s);
        return;
    }
    for (int64_t i = 0; i < m; i += height, out += p->a_panel) {
        s.scale = (float *)(out + p->a_scale);
        p->kernel->pack_rows(out, p->a_row, LT_MIN(height, m - i), k, &s);
        s.p = at(s.p, s.type, height * s.ld);
    }
}

/* Columns n0 .. n1 of B, products k0 .. k0 + k, in panels b_panel apart. */
static void pack_b(const struct plan *p, char *out, int64_t n0, int64_t n1, int64_t k0, int64_t k)
{
    const struct lt_gemm *g = p->g;
    const int nr = p->kernel->nr;
    if (k == 0) return;
    int64_t from = g->b_trans ? n0 * p->ldb + k0 : k0 * p->ldb + n0;
    struct lt_gemm_source s = { .p = at(g->b, g->b_type, from), .ld = p->ldb, .type = g->b_type };
    s.k_fast = g->b_trans;
    s.most = p->kernel->most;
    s.stochastic = g->b_stochastic && g->compute == LT_COMPUTE_INT8;
    s.scale = (float *)(out + p->b_scale);
    if (!g->b_trans) {
        p->kernel->pack_across(out, p->b_panel, nr, nr, n1 - n0, k, &s);
        return;
    }
    for (int64_t j = n0; j < n1; j += nr, out += p->b_panel) {
        /* With many rows, work on a panel hides the wait for memory; with few, packing the panel before must. */
        if (p->narrow) s.next = at(g->b, g->b_type, (j + nr) * p->ldb + k0 * nr);
        s.scale = (float *)(out + p->b_scale);
        p->kernel->pack(out, nr, LT_MIN(nr, n1 - j), k, &s);
        s.p = at(s.p, s.type, nr * s.ld);
    }
}

/* The panel from column n0 of B packed before; `out` is where it is widened if it is not in the kernel's form. */
static const char *packed_panel(const struct plan *p, char *out, int64_t n0, int64_t k0, int64_t k)
{
    const struct lt_packed *b = p->g->packed;
    const int nr = p->kernel->nr;
    const char *panel = b->data + (size_t)(n0 / nr) * b->panel;
    if (b->kernel->most) return panel + (size_t)(k0 / p->kc) * b->block;
    if (b->type == LT_F32) return panel + k0 / p->kernel->step * nr * 4;
    lt_convert(LT_F32, out, b->type, at(panel, b->type, k0 * nr), k * nr);
    return out;
}

/* ---- one cell ---- */

/* Rows of a matrix that are read soon: products ask for them line by line, and so hide the wait for memory. */
struct ahead {
    const char *row;
    int64_t stride, width, rows;        /* bytes, bytes; rows that are left */
    int64_t line, lines;                /* where in the row; how many to ask for with each tile */
};

/* Rows m0 .. m0 + m of A, products k0 .. k0 + k, packed. */
struct block {
    const char *a;
    int64_t m0, m, k0, k;
    struct ahead next;
};

static void ask(struct ahead *s)
{
    for (int64_t i = 0; i < s->lines && s->rows; i++) {
        __builtin_prefetch(s->row + s->line, 0, 2);
        s->line += LINE;
        if (s->line < s->width) continue;
        s->line = 0;
        s->row += s->stride;
        s->rows--;
    }
}

/* All panels of a block of A against one panel of B. */
static void column(const struct plan *p, struct block *block, const char *b, int64_t n0)
{
    const struct lt_gemm *g = p->g;
    const int64_t height = panel_height(block->m, p->kernel->mr), n = LT_MIN(p->kernel->nr, g->n - n0);
    const float *bias = g->bias && block->k0 == 0 ? g->bias + n0 : NULL;
    const char *a = block->a;
    for (int64_t i = 0; i < block->m; i += height, a += p->a_panel) {
        struct lt_gemm_rows rows = { .p = a, .row = p->a_row, .unit = p->a_unit };
        rows.scale = (const float *)(a + p->a_scale);
        rows.columns = (const float *)(b + p->b_scale);
        ask(&block->next);
        p->kernel->tile(LT_MIN(height, block->m - i), n, block->k, &rows, b, g->c + (block->m0 + i) * p->ldc + n0,
                        p->ldc, bias, g->add || block->k0 > 0);
    }
}

/* A block of A against columns n0 .. n1 of B, which lie packed in b if `ready` and come to lie there if not. */
static void columns(const struct plan *p, struct block *block, char *b, bool ready, int64_t n0, int64_t n1)
{
    if (!p->g->packed && !ready) pack_b(p, b, n0, n1, block->k0, block->k);
    for (int64_t j = n0; j < n1; j += p->kernel->nr, b += p->b_panel)
        column(p, block, p->g->packed ? packed_panel(p, b, j, block->k0, block->k) : b, j);
}

/* What tile does at the end of a block. */
static void finish(const struct plan *p, const float *sum, int64_t n0, int64_t n, int64_t k0)
{
    const float *bias = p->g->bias && k0 == 0 ? p->g->bias + n0 : NULL;
    const bool add = p->g->add || k0 > 0;
    for (int64_t r = 0; r < p->g->m; r++, sum += p->kernel->nr) {
        float *c = p->g->c + r * p->ldc + n0;
        for (int64_t j = 0; j < n; j++) {
            float v = bias ? sum[j] + bias[j] : sum[j];
            c[j] = add ? c[j] + v : v;
        }
    }
}

/* One panel's columns, a block of k, for few rows: B is not kept, so a piece of it is packed and met at once. */
static void thin_panel(const struct plan *p, const char *a, char *b, int64_t n0, int64_t n1, int64_t k0, int64_t k)
{
    const struct lt_gemm *g = p->g;
    const int64_t piece = PIECE * p->kernel->step;
    float sum[THIN * WIDEST];
    struct lt_gemm_rows rows = { .p = a, .row = p->a_row, .unit = p->a_unit };
    memset(sum, 0, (size_t)(g->m * p->kernel->nr) * sizeof *sum);
    for (int64_t j = 0; j < k; j += piece) {
        pack_b(p, b, n0, n1, k0 + j, LT_MIN(piece, k - j));
        p->kernel->part(g->m, LT_MIN(piece, k - j), &rows, b, sum);
        rows.p = (const char *)rows.p + PIECE * p->a_unit;
    }
    finish(p, sum, n0, n1 - n0, k0);
}

static void direct_cell(const struct plan *p, const char *a, int64_t n0, int64_t n1)
{
    const struct lt_gemm *g = p->g;
    p->kernel->direct(&(struct lt_gemm_direct){
        .m = g->m, .n = n1 - n0, .k = g->k, .kc = p->kc, .a = { .p = a, .row = p->a_row, .unit = p->a_unit },
        .a_block = (size_t)ceil_div(g->m, p->kernel->mr) * p->a_panel,
        .b = { .p = at(g->b, g->b_type, n0 * p->ldb), .ld = p->ldb, .type = g->b_type },
        .c = g->c + n0, .ldc = p->ldc, .bias = g->bias ? g->bias + n0 : NULL, .add = g->add,
    });
}

static void narrow_cell(const struct plan *p, const char *a, char *b, int64_t n0, int64_t n1)
{
    const int64_t m = p->g->m, k_all = p->g->k;
    const size_t a_block = (size_t)ceil_div(m, p->kernel->mr) * p->a_panel;
    if (p->thin && p->kernel->direct) {
        direct_cell(p, a, n0, n1);
        return;
    }
    for (int64_t j = n0; j < n1; j += p->group) {
        for (int64_t i = 0; i < p->blocks; i++) {
            const int64_t to = LT_MIN(j + p->group, n1), k0 = i * p->kc, k = LT_MIN(p->kc, k_all - k0);
            struct block block = { .a = a + (size_t)i * a_block, .m = m, .k0 = k0, .k = k };
            if (p->thin) thin_panel(p, block.a, b, j, to, k0, k);
            else columns(p, &block, b, false, j, to);
        }
    }
}

static void pack_narrow_a(const struct plan *p, char *a)
{
    const size_t a_block = (size_t)ceil_div(p->g->m, p->kernel->mr) * p->a_panel;
    for (int64_t i = 0; i < p->blocks; i++)
        pack_a(p, a + (size_t)i * a_block, 0, p->g->m, i * p->kc, LT_MIN(p->kc, p->g->k - i * p->kc));
}

/* What pack_a reads next, once a block of A has met `panels` of B: rows below, or the first of the next products. */
static struct ahead after(const struct plan *p, const struct block *block, int64_t m0, int64_t m1, int64_t panels)
{
    const struct lt_gemm *g = p->g;
    const bool below = block->m0 + p->mc < m1;
    const int64_t i = below ? block->m0 + p->mc : m0, m = LT_MIN(p->mc, m1 - i);
    const int64_t k0 = below ? block->k0 : block->k0 + p->kc, k = LT_MIN(p->kc, g->k - k0);
    if (k <= 0) return (struct ahead){ 0 };
    const int64_t size = (int64_t)lt_dtype_size(g->a_type);
    struct ahead s = { .stride = p->lda * size, .width = (g->a_trans ? m : k) * size, .rows = g->a_trans ? k : m };
    s.row = at(g->a, g->a_type, g->a_trans ? k0 * p->lda + i : i * p->lda + k0);
    s.lines = ceil_div(s.rows * ceil_div(s.width, LINE), panels * ceil_div(block->m, p->kernel->mr));
    return s;
}

static void wide_block(const struct plan *p, char *a, char *b, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                       int64_t k0)
{
    const int64_t panels = ceil_div(n1 - n0, p->kernel->nr), k = LT_MIN(p->kc, p->g->k - k0);
    const bool keep = p->mc < p->rows;
    for (int64_t i = m0; i < m1; i += p->mc) {
        struct block block = { .a = a, .m0 = i, .m = LT_MIN(p->mc, m1 - i), .k0 = k0, .k = k };
        pack_a(p, a, i, block.m, k0, k);
        block.next = after(p, &block, m0, m1, panels);
        char *strip = b;
        for (int64_t j = n0; j < n1; j += p->group) {
            columns(p, &block, strip, i > m0, j, LT_MIN(j + p->group, n1));
            if (keep) strip += p->group / p->kernel->nr * (int64_t)p->b_panel;
        }
    }
}

static void wide_cell(const struct plan *p, char *a, char *b, int64_t m0, int64_t m1, int64_t n0, int64_t n1)
{
    for (int64_t j = n0; j < n1; j += p->strip)
        for (int64_t i = 0; i < p->blocks; i++) wide_block(p, a, b, m0, m1, j, LT_MIN(j + p->strip, n1), i * p->kc);
}

/* Units from .. to of all plans; A lies packed for *packed. */
static void narrow_units(const struct job *job, char *scratch, int64_t from, int64_t to, const struct plan **packed)
{
    for (int i = 0; i < job->count; i++) {
        const struct plan *p = &job->plan[i];
        const int64_t first = LT_MAX(from - p->first, 0), end = LT_MIN(to - p->first, p->units);
        if (first >= end) continue;
        if (*packed != p) pack_narrow_a(p, scratch);
        *packed = p;
        narrow_cell(p, scratch, scratch + p->a_size, first * p->group, LT_MIN(end * p->group, p->g->n));
    }
}

static void run_slot(void *arg, int64_t slot)
{
    struct job *job = arg;
    const struct plan *p = job->plan, *packed = NULL;
    char *a = job->scratch + (size_t)slot * job->slot, *b = a + p->a_size;
    int64_t from, to;
    if (p->narrow) {
        while (lt_take_share(&job->next, job->units, job->threads, &from, &to))
            narrow_units(job, a, from, to, &packed);
        return;
    }
    for (;;) {
        int64_t cell = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (cell >= p->cells_m * p->cells_n) return;
        int64_t m0 = cell / p->cells_n * p->rows, m1 = LT_MIN(m0 + p->rows, p->g->m);
        int64_t n0 = cell % p->cells_n * p->columns, n1 = LT_MIN(n0 + p->columns, p->g->n);
        wide_cell(p, a, b, m0, m1, n0, n1);
    }
}

/* ---- the way in ---- */

static void run_job(struct lt_pool *pool, struct job *job)
{
    const struct plan *p = job->plan;
    job->threads = lt_pool_threads(pool);
    const int64_t slots = LT_MIN(job->threads, p->narrow ? job->units : p->cells_m * p->cells_n);
    struct lt_arena own = { 0 }, *arena = pool ? lt_pool_arena(pool) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    job->scratch = lt_arena_take(arena, (size_t)slots * job->slot);
    lt_pool_run(slots > 1 ? pool : NULL, slots, run_slot, job);
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
}

void lt_gemm(struct lt_pool *pool, const struct lt_gemm *g)
{
    if (g->m <= 0 || g->n <= 0) return;
    if (lt_dtype_quantised(g->b_type)) {
        lt_quant_gemm(pool, g, 1);
        return;
    }
    const struct plan p = make_plan(g, lt_pool_threads(pool));
    run_job(pool, &(struct job){ .plan = &p, .count = 1, .units = p.units, .slot = p.a_size + p.b_size });
}

/* `count` of them that are narrow, in one run. */
static bool run_narrow(struct lt_pool *pool, const struct lt_gemm *g, int count)
{
    struct plan plan[LT_GEMM_TOGETHER];
    struct job job = { .plan = plan, .count = count };
    for (int i = 0; i < count; i++) {
        plan[i] = make_plan(&g[i], lt_pool_threads(pool));
        if (!plan[i].narrow) return false;
        plan[i].first = job.units;
        job.units += plan[i].units;
        job.slot = LT_MAX(job.slot, plan[i].a_size + plan[i].b_size);
    }
    run_job(pool, &job);
    return true;
}

void lt_gemm_all(struct lt_pool *pool, const struct lt_gemm *g, int count)
{
    int quantised = 0, empty = 0;
    for (int i = 0; i < count; i++) {
        quantised += lt_dtype_quantised(g[i].b_type);
        empty += g[i].m <= 0 || g[i].n <= 0;
    }
    if (!empty && quantised == count && count <= LT_GEMM_TOGETHER) lt_quant_gemm(pool, g, count);
    else if (empty || quantised || count > LT_GEMM_TOGETHER || !run_narrow(pool, g, count))
        for (int i = 0; i < count; i++) lt_gemm(pool, &g[i]);
}

size_t lt_gemm_scratch(const struct lt_gemm *g)
{
    const struct plan p = make_plan(g, 1);
    return p.a_size + p.b_size;
}

void lt_gemm_serial(const struct lt_gemm *g, void *scratch)
{
    if (g->m <= 0 || g->n <= 0) return;
    const struct plan p = make_plan(g, 1);
    struct job job = { .plan = &p, .count = 1, .units = p.units, .threads = 1, .scratch = scratch };
    run_slot(&job, 0);
}

/* ---- B packed once ---- */

struct pack_job { const struct plan *plan; struct lt_packed *to; };

static void pack_panel(void *arg, int64_t panel)
{
    const struct pack_job *job = arg;
    const struct plan *p = job->plan;
    struct lt_packed *to = job->to;
    const int nr = p->kernel->nr;
    char *out = to->data + (size_t)panel * to->panel;
    for (int64_t k0 = 0; p->kernel->most && k0 < to->k; k0 += p->kc, out += to->block)
        pack_b(p, out, panel * nr, LT_MIN(to->n, (panel + 1) * nr), k0, LT_MIN(p->kc, to->k - k0));
    if (p->kernel->most) return;
    if (to->type == LT_F32) {
        pack_b(p, out, panel * nr, LT_MIN(to->n, (panel + 1) * nr), 0, to->k);
        return;
    }
    /* Some products at a time, through floats that the narrow type holds exactly. */
    float wide[PIECE * WIDEST] __attribute__((aligned(64)));
    for (int64_t k0 = 0; k0 < to->k; k0 += PIECE) {
        int64_t k = LT_MIN(PIECE, to->k - k0);
        pack_b(p, (char *)wide, panel * nr, LT_MIN(to->n, (panel + 1) * nr), k0, k);
        lt_convert(to->type, out + k0 * nr * 2, LT_F32, wide, k * nr);
    }
}

struct lt_packed *lt_pack_b(struct lt_pool *pool, const struct lt_gemm *g)
{
    struct lt_gemm plain = *g;
    plain.packed = NULL;
    plain.m = 1;
    const struct plan p = make_plan(&plain, 1);
    struct lt_packed *to = lt_calloc(1, sizeof *to);
    *to = (struct lt_packed){ .n = g->n, .k = g->k, .compute = g->compute, .kernel = p.kernel };
    bool rounded = g->compute == LT_COMPUTE_BF16;
    to->type = p.kernel->step == 2 ? LT_F32 : rounded ? LT_BF16 : g->b_type;    /* pairs are units of four bytes */
    to->panel = panel_bytes(p.kernel, p.kernel->nr, g->k);
    if (to->type != LT_F32) to->panel /= 2;
    if (p.kernel->most) {
        to->type = LT_F32;
        to->block = p.b_panel;
        to->panel = p.b_panel * (size_t)p.blocks;
    }
    const int64_t panels = ceil_div(g->n, p.kernel->nr);
    to->size = LT_MAX((size_t)panels * to->panel, LINE);
    to->data = lt_aligned(to->size);
    struct pack_job job = { .plan = &p, .to = to };
    lt_pool_run(pool, panels, pack_panel, &job);
    return to;
}

size_t lt_packed_size(const struct lt_packed *p)
{
    return sizeof *p + p->size;
}

void lt_packed_free(struct lt_packed *p)
{
    if (!p) return;
    free(p->data);
    free(p);
}
