/* Muon: momentum made orthogonal (https://kellerjordan.github.io/posts/muon; arXiv:2502.16982).
 *
 * The update of a matrix is the nearest semi-orthogonal matrix to its momentum, reached with five Newton-Schulz steps
 * X <- a X + (b A + c A^2) X, A = X X^T, whose coefficients trade the last digits for speed.  The products run with
 * bf16 operands, which the iteration was made for; X itself stays f32.  Of the two ways to scale the update, "rms"
 * (equation 4 of the second paper) gives every matrix AdamW's size of step, so that both share one rate and one decay.
 *     lathe train ... --optim muon --learning_rate 0.002 --weight_decay 0.1 */
#include "base/ctx.h"
#include "math/gemm.h"
#include "math/kernel.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct muon { double momentum; bool nesterov; int64_t ns_steps; const char *scale; };

/* y = alpha x + beta z, element by element; z may be NULL. */
struct combine { int64_t n; float alpha, beta; const float *x, *z; float *y; };

static void combine_chunk(void *arg, int64_t chunk)
{
    const struct combine *j = arg;
    int64_t end = LT_MIN(j->n, (chunk + 1) * LT_CHUNK_ELEMENTS);
    for (int64_t i = chunk * LT_CHUNK_ELEMENTS; i < end; i++)
        j->y[i] = j->z ? j->alpha * j->x[i] + j->beta * j->z[i] : j->alpha * j->x[i];
}

static void combine(struct lt_pool *p, struct combine j)
{
    lt_pool_run(p, lt_chunks(j.n, LT_CHUNK_ELEMENTS), combine_chunk, &j);
}

/* One Newton-Schulz step from x to y (rows, cols); a, a2: (k, k) with k the smaller side.  A tall matrix is multiplied
 * from the right, which is the same as turning it. */
static void newton_schulz(struct lt_pool *p, int64_t rows, int64_t cols, const float *x, float *y, float *a, float *a2)
{
    const float c0 = 3.4445f, c1 = -4.7750f, c2 = 2.0315f;
    bool tall = rows > cols;
    int64_t k = LT_MIN(rows, cols), inner = LT_MAX(rows, cols);
    lt_gemm(p, &(struct lt_gemm){ .m = k, .n = k, .k = inner, .a = x, .b = x, .c = a, .lda = cols, .ldb = cols,
                                  .a_trans = tall, .b_trans = !tall, .compute = LT_COMPUTE_BF16 });
    lt_gemm(p, &(struct lt_gemm){ .m = k, .n = k, .k = k, .a = a, .b = a, .c = a2, .compute = LT_COMPUTE_BF16 });
    combine(p, (struct combine){ .n = k * k, .alpha = c1, .x = a, .beta = c2, .z = a2, .y = a2 });
    combine(p, (struct combine){ .n = rows * cols, .alpha = c0, .x = x, .y = y });
    lt_gemm(p, &(struct lt_gemm){ .m = rows, .n = cols, .k = k, .a = tall ? x : a2, .b = tall ? a2 : x, .c = y,
                                  .add = true, .compute = LT_COMPUTE_BF16 });
}

static size_t state(const void *o, int64_t rows, int64_t cols)
{
    (void)o;
    return (size_t)(rows * cols) * sizeof(float);
}

static void step(const void *v, struct lt_ctx *ctx, const struct lt_update *u)
{
    const struct muon *o = v;
    struct lt_pool *p = lt_ctx_pool(ctx);
    int64_t n = u->rows * u->cols, k = LT_MIN(u->rows, u->cols);
    float mu = (float)o->momentum, s = (float)u->scale, *m = u->state;
    float *x = lt_aligned((size_t)n * sizeof *x), *y = lt_aligned((size_t)n * sizeof *y);
    float *a = lt_aligned((size_t)(k * k) * 2 * sizeof *a);
    combine(p, (struct combine){ .n = n, .alpha = mu, .x = m, .beta = s, .z = u->g, .y = m });
    if (o->nesterov) combine(p, (struct combine){ .n = n, .alpha = mu, .x = m, .beta = s, .z = u->g, .y = x });
    else memcpy(x, m, (size_t)n * sizeof *x);

    double norm = sqrt(lt_sum_squares(p, n, x));
    lt_scale(p, n, norm > 0 ? (float)(1 / norm) : 0, x, x);
    for (int64_t i = 0; i < o->ns_steps; i++) {
        newton_schulz(p, u->rows, u->cols, x, y, a, a + k * k);
        float *t = x;
        x = y;
        y = t;
    }
    double rows = (double)u->rows, cols = (double)u->cols;
    double size = strcmp(o->scale, "rms") ? sqrt(fmax(1, rows / cols)) : 0.2 * sqrt(fmax(rows, cols));
    combine(p, (struct combine){ .n = n, .alpha = (float)(1 - u->lr * u->decay), .x = u->w,
                                 .beta = (float)(-u->lr * size), .z = x, .y = u->w });
    free(x);
    free(y);
    free(a);
}

#define AT(field) offsetof(struct muon, field)
static const struct lt_opt rows_of_options[] = {
    { .key = "momentum", .help = "decay of the running sum of gradients", .type = LT_REAL, .at = AT(momentum),
      .dflt = 0.95, .min = 0, .max = 0.9999999 },
    { .key = "nesterov", .help = "look ahead along the momentum", .type = LT_BOOL, .at = AT(nesterov), .dflt = 1 },
    { .key = "ns_steps", .help = "Newton-Schulz steps", .type = LT_INT, .at = AT(ns_steps), .dflt = 5, .min = 1,
      .max = 100 },
    { .key = "scale",
      .help = "size of the update: rms = 0.2 sqrt(max(rows, cols)), spectral = sqrt(max(1, rows / cols))",
      .type = LT_STR, .at = AT(scale), .text = "rms|spectral", .flags = LT_ENUM },
    { 0 },
};

const struct lt_optim lt_optim_muon = {
    .m = { .name = "muon", .brief = "momentum made orthogonal, for the matrices of the layers; AdamW for the rest",
           .paper = "arXiv:2502.16982", .size = sizeof(struct muon), .opts = rows_of_options,
           .doc = "m = mu m + g;  x = (g + mu m) / |g + mu m|\n"
                  "five times: A = x x^T, x = 3.4445 x + (-4.7750 A + 2.0315 A^2) x\n"
                  "w = (1 - lr decay) w - lr 0.2 sqrt(max(rows, cols)) x" },
    .state = state, .step = step, .matrices_only = true,
};
