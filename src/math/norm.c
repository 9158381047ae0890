#include "math/kernel.h"

#include "math/split.h"
#include <math.h>

struct job {
    const struct lt_norm *s;
    const float *x, *w, *b, *dy, *kept;
    float *y, *stat, *dx, *dw, *db;
    int64_t step;                   /* rows, or columns, of one chunk */
};

enum { COLUMNS = 64 };              /* of one chunk of weight gradients */

static void rms_row(int64_t n, float eps, const float *x, const float *w, float *y, float *rstd)
{
    float r = 1.0f / sqrtf(lt_lane_dot(n, x, x) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = w ? x[i] * r * w[i] : x[i] * r;
    if (rstd) *rstd = r;
}

static void rms_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++)
        rms_row(s->cols, s->eps, j->x + i * s->ldx, j->w, j->y + i * s->ldy, j->stat ? j->stat + i : NULL);
}

void lt_rmsnorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, float *y, float *rstd)
{
    struct job j = { .s = s, .x = x, .w = w, .y = y, .stat = rstd, .step = lt_rows_per_chunk(s->cols) };
    lt_pool_run(p, lt_chunks(s->rows, j.step), rms_chunk, &j);
}

/* With h = x rstd and g = dy w:  dx += rstd (g - h mean(g h)). */
static void rms_back_row(int64_t n, float r, const float *x, const float *w, const float *dy, float *dx)
{
    float mean = (w ? lt_lane_dot3(n, dy, w, x) : lt_lane_dot(n, dy, x)) * r / (float)n;
    for (int64_t i = 0; i < n; i++) dx[i] += r * ((w ? dy[i] * w[i] : dy[i]) - x[i] * r * mean);
}

static void rms_back_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++)
        rms_back_row(s->cols, j->kept[i], j->x + i * s->ldx, j->w, j->dy + i * s->ldy, j->dx + i * s->ldx);
}

static void rms_weight_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t from = chunk * COLUMNS, n = LT_MIN(COLUMNS, s->cols - from);
    float sum[COLUMNS] = { 0 };
    for (int64_t i = 0; i < s->rows; i++) {
        const float *x = j->x + i * s->ldx + from, *dy = j->dy + i * s->ldy + from;
        float r = j->kept[i];
        for (int64_t k = 0; k < n; k++) sum[k] += dy[k] * (x[k] * r);
    }
    for (int64_t k = 0; k < n; k++) j->dw[from + k] += sum[k];
}

void lt_rmsnorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *rstd,
                     const float *dy, float *dx, float *dw)
{
    struct job j = { .s = s, .x = x, .w = w, .kept = rstd, .dy = dy, .dx = dx, .dw = dw,
                     .step = lt_rows_per_chunk(s->cols) };
    if (dw) lt_pool_run(p, lt_chunks(s->cols, COLUMNS), rms_weight_chunk, &j);
    if (dx) lt_pool_run(p, lt_chunks(s->rows, j.step), rms_back_chunk, &j);
}

static void layer_row(int64_t n, float eps, const float *x, const float *w, const float *b, float *y, float *stat)
{
    float mean = lt_lane_sum(n, x) / (float)n;
    float r = 1.0f / sqrtf(lt_lane_square(n, x, mean) / (float)n + eps);
    for (int64_t i = 0; i < n; i++) {
        float h = (x[i] - mean) * r;
        if (w) h *= w[i];
        y[i] = b ? h + b[i] : h;
    }
    if (stat) { stat[0] = mean; stat[1] = r; }
}

static void layer_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++)
        layer_row(s->cols, s->eps, j->x + i * s->ldx, j->w, j->b, j->y + i * s->ldy, j->stat ? j->stat + 2 * i : NULL);
}

void lt_layernorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *b, float *y,
                  float *stat)
{
    struct job j = { .s = s, .x = x, .w = w, .b = b, .y = y, .stat = stat, .step = lt_rows_per_chunk(s->cols) };
    lt_pool_run(p, lt_chunks(s->rows, j.step), layer_chunk, &j);
}

/* With h = (x - mean) rstd and g = dy w:  dx += rstd (g - mean(g) - h mean(g h)). */
static void layer_back_row(int64_t n, float mean, float r, const float *x, const float *w, const float *dy, float *dx)
{
    float g = (w ? lt_lane_dot(n, dy, w) : lt_lane_sum(n, dy)) / (float)n;
    float gx = (w ? lt_lane_dot3(n, dy, w, x) : lt_lane_dot(n, dy, x)) / (float)n;
    float gh = (gx - g * mean) * r;
    for (int64_t i = 0; i < n; i++) dx[i] += r * ((w ? dy[i] * w[i] : dy[i]) - g - (x[i] - mean) * r * gh);
}

static void layer_back_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++)
        layer_back_row(s->cols, j->kept[2 * i], j->kept[2 * i + 1], j->x + i * s->ldx, j->w, j->dy + i * s->ldy,
                       j->dx + i * s->ldx);
}

static void layer_weight_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t from = chunk * COLUMNS, n = LT_MIN(COLUMNS, s->cols - from);
    float w[COLUMNS] = { 0 }, b[COLUMNS] = { 0 };
    for (int64_t i = 0; i < s->rows; i++) {
        const float *x = j->x + i * s->ldx + from, *dy = j->dy + i * s->ldy + from;
        float mean = j->kept[2 * i], r = j->kept[2 * i + 1];
        for (int64_t k = 0; k < n; k++) {
            w[k] += dy[k] * ((x[k] - mean) * r);
            b[k] += dy[k];
        }
    }
    if (j->dw) for (int64_t k = 0; k < n; k++) j->dw[from + k] += w[k];
    if (j->db) for (int64_t k = 0; k < n; k++) j->db[from + k] += b[k];
}

void lt_layernorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *stat,
                       const float *dy, float *dx, float *dw, float *db)
{
    struct job j = { .s = s, .x = x, .w = w, .kept = stat, .dy = dy, .dx = dx, .dw = dw, .db = db,
                     .step = lt_rows_per_chunk(s->cols) };
    if (dw || db) lt_pool_run(p, lt_chunks(s->cols, COLUMNS), layer_weight_chunk, &j);
    if (dx) lt_pool_run(p, lt_chunks(s->rows, j.step), layer_back_chunk, &j);
}
