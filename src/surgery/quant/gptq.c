/* GPTQ (Frantar, Ashkboos, Hoefler, Alistarh 2022): columns are rounded one after the other, and each error is made up
 * for by those that follow, as the second moments H of the inputs say (algorithm 1, equations 2 and 3).
 *
 * U is the upper triangle with H^-1 = U^T U.  We take it from one Cholesky factorisation of H itself, read from the
 * last row to the first.  A block's scales are searched for when its first column is reached, over what its numbers
 * have become; with act_order the columns go by falling H_jj, and all scales are those of the given numbers.  H comes
 * from the inputs of the model as it was given, not of one whose earlier layers are rounded already.
 *     lathe quantize out/model --output small.gguf --method gptq --calibration text.txt */
#include "surgery/quant/quantizer.h"
#include "base/ctx.h"
#include "math/cholesky.h"
#include "surgery/quant/grid.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 8 };                  /* that share one reading of U */

struct gptq { double damping; bool act_order; };

struct pass {
    const struct lt_quant_job *job;
    const int64_t *order;           /* (width): the column at each place */
    const float *u;                 /* (width, width), upper, in that order */
    const float *weight;            /* (width): diagonal of H, for the scales */
    bool act_order;
    int block;
    size_t block_bytes, row_bytes;
    atomic_bool failed;
};

/* ---- U ---- */

static int by_falling(const void *a, const void *b, void *ctx)
{
    const float *d = ctx;
    float x = d[*(const int64_t *)a], y = d[*(const int64_t *)b];
    return (x < y) - (x > y);
}

static int64_t *make_order(const struct lt_quant_job *j, const float *diagonal, bool act_order)
{
    int64_t *order = lt_alloc((size_t)j->width * sizeof *order);
    for (int64_t i = 0; i < j->width; i++) order[i] = i;
    if (act_order) lt_sort(order, (size_t)j->width, sizeof *order, by_falling, (void *)diagonal);
    return order;
}

/* A column whose input was always zero may hold anything: its H_jj is set to the damping alone. */
static float *make_u(const struct gptq *o, struct lt_pool *pool, const struct lt_quant_job *j, const int64_t *order)
{
    int64_t n = j->width;
    double mean = 0, *h = lt_alloc((size_t)(n * n) * sizeof *h);
    for (int64_t i = 0; i < n; i++) mean += (double)j->hessian[i * n + i] / (double)n;
    if (!(mean > 0)) mean = 1;
    for (int64_t i = 0; i < n; i++) {
        const float *row = j->hessian + order[n - 1 - i] * n;
        for (int64_t k = 0; k <= i; k++) h[i * n + k] = (double)row[order[n - 1 - k]];
        h[i * n + i] += o->damping * mean;
    }
    if (lt_cholesky(pool, n, h)) {
        free(h);
        lt_fail("%s; give more text or more damping", lt_error());
        return NULL;
    }
    lt_lower_inverse(pool, n, h);
    float *u = lt_alloc((size_t)(n * n) * sizeof *u);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < n; k++) u[i * n + k] = k < i ? 0 : (float)h[(n - 1 - i) * n + n - 1 - k];
    free(h);
    return u;
}

/* ---- some rows ---- */

struct row {
    const float *w;                 /* (width), in the order of columns */
    float *placed;                  /* the same in the order of work */
    uint8_t *out;
    struct lt_grid *grid;           /* of every block with act_order, else of the current one */
};

static bool fit(const struct pass *p, const struct row *r, int64_t block, const float *w)
{
    const struct lt_quant q = { .type = p->job->type, .rows = 1, .width = p->block,
                                .importance = p->weight + block * p->block };
    uint8_t *at = r->out + (size_t)block * p->block_bytes;
    if (lt_quant_rows(NULL, &q, w, at)) return false;
    lt_grid_of(p->job->type, at, &r->grid[p->act_order ? block : 0]);
    return true;
}

static bool begin_row(const struct pass *p, struct row *r)
{
    for (int64_t i = 0; i < p->job->width; i++) r->placed[i] = r->w[p->order[i]];
    bool ok = true;
    for (int64_t b = 0; p->act_order && ok && b < p->job->width / p->block; b++) ok = fit(p, r, b, r->w + b * p->block);
    return ok;
}

/* Rounds the number at place t and returns its error, scaled. */
static float take(const struct pass *p, const struct row *r, int64_t t)
{
    int64_t column = p->order[t], block = column / p->block;
    int i = (int)(column % p->block);
    const struct lt_grid *g = &r->grid[p->act_order ? block : 0];
    int q = lt_grid_nearest(g, i, r->placed[t]);
    lt_grid_put(p->job->type, r->out + (size_t)block * p->block_bytes, i, q);
    return (r->placed[t] - lt_grid_value(g, i, q)) / p->u[t * p->job->width + t];
}

static bool run_rows(const struct pass *p, struct row *row, int count)
{
    int64_t n = p->job->width;
    for (int r = 0; r < count; r++)
        if (!begin_row(p, &row[r])) return false;
    for (int64_t t = 0; t < n; t++) {
        const float *u = p->u + t * n;
        for (int r = 0; r < count; r++) {
            if (!p->act_order && t % p->block == 0 && !fit(p, &row[r], t / p->block, row[r].placed + t)) return false;
            float error = take(p, &row[r], t), *w = row[r].placed;
            for (int64_t k = t + 1; k < n; k++) w[k] -= error * u[k];
        }
    }
    return true;
}

static void run_chunk(void *arg, int64_t chunk)
{
    struct pass *p = arg;
    const struct lt_quant_job *j = p->job;
    struct row row[ROWS];
    int64_t first = chunk * ROWS;
    int count = (int)LT_MIN(ROWS, j->rows - first);
    size_t grids = p->act_order ? (size_t)(j->width / p->block) : 1;
    float *placed = lt_alloc((size_t)(count * j->width) * sizeof *placed);
    struct lt_grid *grid = lt_alloc((size_t)count * grids * sizeof *grid);
    for (int r = 0; r < count; r++)
        row[r] = (struct row){ .w = j->w + (first + r) * j->width, .placed = placed + r * j->width,
                               .out = (uint8_t *)j->out + (size_t)(first + r) * p->row_bytes,
                               .grid = grid + (size_t)r * grids };
    if (!run_rows(p, row, count)) atomic_store(&p->failed, true);
    free(placed);
    free(grid);
}

/* ---- the whole ---- */

static int nearest(struct lt_ctx *c, const struct lt_quant_job *j)
{
    const struct lt_quant q = { .type = j->type, .rows = j->rows, .width = j->width, .importance = j->square };
    return lt_quant_rows(lt_ctx_pool(c), &q, j->w, j->out);
}

static int quantize(const void *options, struct lt_ctx *c, const struct lt_quant_job *j)
{
    const struct gptq *o = options;
    if (!j->hessian) return nearest(c, j);
    float *diagonal = lt_alloc((size_t)j->width * sizeof *diagonal);
    for (int64_t i = 0; i < j->width; i++) diagonal[i] = j->hessian[i * j->width + i];
    int64_t *order = make_order(j, diagonal, o->act_order);
    float *u = make_u(o, lt_ctx_pool(c), j, order);
    int rc = u ? 0 : -1;
    if (u) {
        struct pass p = { .job = j, .order = order, .u = u, .weight = diagonal, .act_order = o->act_order,
                          .block = (int)lt_dtype_block(j->type), .block_bytes = lt_dtype_block_size(j->type),
                          .row_bytes = lt_dtype_bytes(j->type, j->width) };
        lt_pool_run(lt_ctx_pool(c), (j->rows + ROWS - 1) / ROWS, run_chunk, &p);
        if (atomic_load(&p.failed))
            rc = lt_fail("a number is not finite, or became too large for the scale of a block, on the way; give more "
                         "text or more damping");
    }
    free(u);
    free(order);
    free(diagonal);
    return rc;
}

#define AT(f) offsetof(struct gptq, f)
static const struct lt_opt rows[] = {
    { .key = "damping", .help = "added to the diagonal of H, as a share of its mean", .type = LT_REAL,
      .at = AT(damping), .dflt = 0.01, .min = 0, .max = 100, .alias = "percdamp,damp_percent" },
    { .key = "act_order", .help = "columns with the largest inputs first", .type = LT_BOOL, .at = AT(act_order),
      .alias = "desc_act" },
    { 0 },
};

const struct lt_quantizer lt_quantizer_gptq = {
    .m = { .name = "gptq", .brief = "column by column, later columns making up for the errors of earlier ones",
           .paper = "arXiv:2210.17323", .size = sizeof(struct gptq), .opts = rows,
           .doc = "minimises tr((W - W') H (W - W')^T),  H = mean of x x^T over the inputs x;\n"
                  "e = (w_j - w'_j) / U_jj;  w_k -= e U_jk for k > j;  H^-1 = U^T U" },
    .needs = LT_QUANT_SQUARES | LT_QUANT_HESSIAN,
    .quantize = quantize,
};
