#include "math/kernel.h"

#include "math/row_kernel.h"
#include "math/split.h"
#include <string.h>

struct job {
    const struct lt_norm *s;
    const struct lt_row_kernel *rows;
    bool layer;
    const float *x, *w, *b, *dy, *kept;
    float *y, *stat, *dx, *dw, *db;
    int64_t step;                   /* rows of one chunk */
    float *part;                    /* (chunks, 2, cols): each chunk's share of dw and db */
};

enum { ROWS_MIN = 32 };             /* of a chunk of the backward pass: its share of dw is a row of its own */

static void forward_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++) {
        const float *x = j->x + i * s->ldx;
        float *y = j->y + i * s->ldy, stat[2];
        if (j->layer) j->rows->layer(s->cols, s->eps, x, j->w, j->b, y, stat);
        else stat[0] = j->rows->rms(s->cols, s->eps, x, j->w, y);
        if (j->stat) memcpy(j->stat + (j->layer ? 2 : 1) * i, stat, (j->layer ? 2 : 1) * sizeof *stat);
    }
}

static void forward(struct lt_pool *p, struct job *j)
{
    j->rows = lt_row_kernel();
    j->step = lt_rows_per_chunk(j->s->cols);
    lt_pool_run(p, lt_chunks(j->s->rows, j->step), forward_chunk, j);
}

void lt_rmsnorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, float *y, float *rstd)
{
    forward(p, &(struct job){ .s = s, .x = x, .w = w, .y = y, .stat = rstd });
}

void lt_layernorm(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *b, float *y,
                  float *stat)
{
    forward(p, &(struct job){ .s = s, .layer = true, .x = x, .w = w, .b = b, .y = y, .stat = stat });
}

/* Both gradients in one walk over the rows, while they are in the cache. */
static void back_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_norm *s = j->s;
    int64_t n = s->cols, end = LT_MIN(s->rows, (chunk + 1) * j->step);
    float *dw = j->dw ? j->part + chunk * 2 * n : NULL, *db = j->db ? j->part + (chunk * 2 + 1) * n : NULL;
    if (dw) memset(dw, 0, (size_t)n * sizeof *dw);
    if (db) memset(db, 0, (size_t)n * sizeof *db);
    for (int64_t i = chunk * j->step; i < end; i++) {
        const float *x = j->x + i * s->ldx, *dy = j->dy + i * s->ldy;
        const float rms[2] = { 0, j->kept[i] }, *stat = j->layer ? j->kept + 2 * i : rms;
        float *dx = j->dx ? j->dx + i * s->ldx : NULL;
        if (dw) j->rows->norm_sums(n, stat[0], stat[1], x, dy, dw);
        if (db) j->rows->axpy(n, 1, dy, db);
        if (dx && s->set) memset(dx, 0, (size_t)n * sizeof *dx);
        if (dx && j->layer) j->rows->layer_back(n, stat, x, j->w, dy, dx);
        else if (dx) j->rows->rms_back(n, stat[1], x, j->w, dy, dx);
    }
}

static void back(struct lt_pool *p, struct job *j)
{
    int64_t n = j->s->cols;
    j->rows = lt_row_kernel();
    j->step = LT_MAX(lt_rows_per_chunk(n), ROWS_MIN);
    int64_t chunks = lt_chunks(j->s->rows, j->step);
    struct lt_arena own = { 0 }, *arena = p ? lt_pool_arena(p) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    if (j->dw || j->db) j->part = lt_arena_take(arena, (size_t)(chunks * 2 * n) * sizeof(float));
    lt_pool_run(p, chunks, back_chunk, j);
    for (int64_t c = 0; c < chunks; c++) {
        if (j->dw) j->rows->axpy(n, 1, j->part + c * 2 * n, j->dw);
        if (j->db) j->rows->axpy(n, 1, j->part + (c * 2 + 1) * n, j->db);
    }
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
}

void lt_rmsnorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *rstd,
                     const float *dy, float *dx, float *dw)
{
    back(p, &(struct job){ .s = s, .x = x, .w = w, .kept = rstd, .dy = dy, .dx = dx, .dw = dw });
}

void lt_layernorm_back(struct lt_pool *p, const struct lt_norm *s, const float *x, const float *w, const float *stat,
                       const float *dy, float *dx, float *dw, float *db)
{
    back(p, &(struct job){ .s = s, .layer = true, .x = x, .w = w, .kept = stat, .dy = dy, .dx = dx, .dw = dw,
                           .db = db });
}
