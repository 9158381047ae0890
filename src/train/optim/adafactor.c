/* Adafactor (arXiv:1804.04235): the second moment of a matrix kept as one number a row and one a column.
 *
 * Algorithms 4 and 5 with the increasing decay of section 7.2, beta2(t) = 1 - t^-decay_rate, and clipping of the
 * update's root mean square.  We differ in what surrounds it: the rate comes from the schedule (relative steps are not
 * used), and weight decay is decoupled as in AdamW.
 *     lathe train ... --optim adafactor --optim.scale_parameter */
#include "base/ctx.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>

enum { STRIP = 64 };                /* columns of one chunk of the column pass */

struct adafactor { double decay_rate, clip_threshold, epsilon1, epsilon2, beta1; bool scale_parameter; };
struct job {
    const struct adafactor *o;
    const struct lt_update *u;
    int64_t n, rows_per_chunk;
    bool factored;
    float *r, *c, *v, *m;           /* r (rows), c (cols) means of squares, or v (n); m (n) or NULL */
    double keep, mean_r, rate;      /* of the moments; of r; of the clipped update */
    double *part;
};

static bool factored(int64_t rows, int64_t cols) { return rows > 1 && cols > 1; }

static size_t state(const void *v, int64_t rows, int64_t cols)
{
    const struct adafactor *o = v;
    int64_t n = rows * cols, second = factored(rows, cols) ? rows + cols : n;
    return (size_t)(second + (o->beta1 > 0 ? n : 0)) * sizeof(float);
}

static void blend(const struct job *j, float *at, double mean)
{
    *at = (float)(j->keep * (double)*at + (1 - j->keep) * (mean + j->o->epsilon1));
}

static void row_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t cols = j->u->cols, end = LT_MIN(j->u->rows, (chunk + 1) * j->rows_per_chunk);
    double s2 = j->u->scale * j->u->scale;
    for (int64_t i = chunk * j->rows_per_chunk; i < end; i++) {
        const float *g = j->u->g + i * cols;
        double sum = 0;
        for (int64_t k = 0; k < cols; k++) sum += (double)g[k] * (double)g[k];
        blend(j, &j->r[i], s2 * sum / (double)cols);
    }
}

static void column_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t cols = j->u->cols, from = chunk * STRIP, n = LT_MIN((int64_t)STRIP, cols - from);
    double s2 = j->u->scale * j->u->scale, sum[STRIP] = { 0 };
    for (int64_t i = 0; i < j->u->rows; i++)
        for (int64_t k = 0; k < n; k++)
            sum[k] += (double)j->u->g[i * cols + from + k] * (double)j->u->g[i * cols + from + k];
    for (int64_t k = 0; k < n; k++) blend(j, &j->c[from + k], s2 * sum[k] / (double)j->u->rows);
}

static void whole_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->n, (chunk + 1) * LT_CHUNK_ELEMENTS);
    double s2 = j->u->scale * j->u->scale;
    for (int64_t i = chunk * LT_CHUNK_ELEMENTS; i < end; i++)
        blend(j, &j->v[i], s2 * (double)j->u->g[i] * (double)j->u->g[i]);
}

/* The update before clipping, of elements [from, from + n) of row i. */
static void update_row(const struct job *j, int64_t i, int64_t from, int64_t n, float *out)
{
    const float *g = j->u->g + i * j->u->cols + from;
    float s = (float)j->u->scale;
    if (!j->factored) {
        const float *v = j->v + i * j->u->cols + from;
        for (int64_t k = 0; k < n; k++) out[k] = s * g[k] / sqrtf(v[k]);
        return;
    }
    float across = s / sqrtf((float)((double)j->r[i] / j->mean_r));
    for (int64_t k = 0; k < n; k++) out[k] = across * g[k] / sqrtf(j->c[from + k]);
}

enum { SPAN = 1024 };               /* elements worked on at a time, on the stack */

static void square_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->u->rows, (chunk + 1) * j->rows_per_chunk);
    double sum = 0;
    float out[SPAN];
    for (int64_t i = chunk * j->rows_per_chunk; i < end; i++)
        for (int64_t from = 0; from < j->u->cols; from += SPAN) {
            int64_t n = LT_MIN((int64_t)SPAN, j->u->cols - from);
            update_row(j, i, from, n, out);
            for (int64_t k = 0; k < n; k++) sum += (double)out[k] * (double)out[k];
        }
    j->part[chunk] = sum;
}

static void apply_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->u->rows, (chunk + 1) * j->rows_per_chunk);
    float keep = (float)(1 - j->u->lr * j->u->decay), rate = (float)j->rate, b1 = (float)j->o->beta1;
    float out[SPAN];
    for (int64_t i = chunk * j->rows_per_chunk; i < end; i++)
        for (int64_t from = 0; from < j->u->cols; from += SPAN) {
            int64_t n = LT_MIN((int64_t)SPAN, j->u->cols - from), at = i * j->u->cols + from;
            float *w = j->u->w + at, *m = j->m ? j->m + at : NULL;
            update_row(j, i, from, n, out);
            for (int64_t k = 0; m && k < n; k++) out[k] = m[k] = b1 * m[k] + (1 - b1) * out[k];
            for (int64_t k = 0; k < n; k++) w[k] = keep * w[k] - rate * out[k];
        }
}

static double total(struct lt_pool *p, struct job *j, int64_t chunks, lt_chunk_fn *fn)
{
    double sum = 0;
    lt_pool_run(p, chunks, fn, j);
    for (int64_t i = 0; i < chunks; i++) sum += j->part[i];
    return sum;
}

static void weight_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t cols = j->u->cols, begin = chunk * j->rows_per_chunk * cols;
    int64_t end = LT_MIN(j->n, begin + j->rows_per_chunk * cols);
    double sum = 0;
    for (int64_t i = begin; i < end; i++) sum += (double)j->u->w[i] * (double)j->u->w[i];
    j->part[chunk] = sum;
}

static void step(const void *v, struct lt_ctx *ctx, const struct lt_update *u)
{
    const struct adafactor *o = v;
    struct lt_pool *p = lt_ctx_pool(ctx);
    int64_t n = u->rows * u->cols;
    struct job j = { .o = o, .u = u, .n = n, .factored = factored(u->rows, u->cols), .rate = u->lr,
                     .rows_per_chunk = lt_rows_per_chunk(u->cols), .keep = 1 - pow((double)u->t, -o->decay_rate) };
    int64_t chunks = lt_chunks(u->rows, j.rows_per_chunk);
    float *s = u->state;
    j.part = lt_calloc((size_t)chunks, sizeof *j.part);
    if (j.factored) {
        j.r = s;
        j.c = s + u->rows;
        lt_pool_run(p, chunks, row_chunk, &j);
        lt_pool_run(p, lt_chunks(u->cols, STRIP), column_chunk, &j);
        for (int64_t i = 0; i < u->rows; i++) j.mean_r += (double)j.r[i] / (double)u->rows;
    } else {
        j.v = s;
        lt_pool_run(p, lt_chunks(n, LT_CHUNK_ELEMENTS), whole_chunk, &j);
    }
    if (o->beta1 > 0) j.m = s + (j.factored ? u->rows + u->cols : n);
    double rms = sqrt(total(p, &j, chunks, square_chunk) / (double)n);
    if (o->scale_parameter) j.rate *= fmax(o->epsilon2, sqrt(total(p, &j, chunks, weight_chunk) / (double)n));
    j.rate /= fmax(1, rms / o->clip_threshold);
    lt_pool_run(p, chunks, apply_chunk, &j);
    free(j.part);
}

#define AT(field) offsetof(struct adafactor, field)
static const struct lt_opt rows_of_options[] = {
    { .key = "decay_rate", .help = "beta2 at step t is 1 - t^-decay_rate", .type = LT_REAL, .at = AT(decay_rate),
      .dflt = 0.8, .min = 0, .max = 10 },
    { .key = "clip_threshold", .help = "most root mean square of an update", .type = LT_REAL, .at = AT(clip_threshold),
      .dflt = 1, .min = 1e-6, .max = 1e6 },
    { .key = "beta1", .help = "decay of the running mean of updates; 0: none, and no memory for it", .type = LT_REAL,
      .at = AT(beta1), .min = 0, .max = 0.9999999 },
    { .key = "epsilon1", .help = "added to squared gradients", .type = LT_REAL, .at = AT(epsilon1), .dflt = 1e-30,
      .min = 1e-38, .max = 1, .alias = "eps" },
    { .key = "scale_parameter", .help = "multiply the rate by the weight's root mean square", .type = LT_BOOL,
      .at = AT(scale_parameter) },
    { .key = "epsilon2", .help = "least root mean square taken for a weight", .type = LT_REAL, .at = AT(epsilon2),
      .dflt = 1e-3, .min = 0, .max = 1 },
    { 0 },
};

const struct lt_optim lt_optim_adafactor = {
    .m = { .name = "adafactor", .brief = "Adam's second moment as one number a row and one a column",
           .paper = "arXiv:1804.04235", .size = sizeof(struct adafactor), .opts = rows_of_options,
           .doc = "r = b r + (1 - b) mean_col(g^2);  c = b c + (1 - b) mean_row(g^2);  b = 1 - t^-decay_rate\n"
                  "u = g / sqrt(r c^T / mean(r));  w = (1 - lr decay) w - lr u / max(1, rms(u) / clip_threshold)" },
    .state = state, .step = step,
};
