#include "math/kernel.h"

#include "math/row_kernel.h"
#include "math/split.h"
#include <string.h>

struct job {
    const struct lt_rows *s;
    const struct lt_row_kernel *rows;
    enum lt_act act;
    const float *x, *up, *dy;
    float *y, *dx, *dup;
    int64_t step;
    void (*row)(const struct job *j, int64_t i);
};

static void act_row(const struct job *j, int64_t i)
{
    j->rows->act(j->act, j->s->cols, j->x + i * j->s->ldx, j->y + i * j->s->ldy);
}

static void act_back_row(const struct job *j, int64_t i)
{
    int64_t at = i * j->s->ldx;
    j->rows->act_back(j->act, j->s->cols, j->x + at, j->dy + i * j->s->ldy, j->dx + at, j->s->set);
}

static void glu_row(const struct job *j, int64_t i)
{
    int64_t at = i * j->s->ldx;
    j->rows->glu(j->act, j->s->cols, j->x + at, j->up + at, j->y + i * j->s->ldy);
}

/* A gradient that nobody wants goes into a piece of memory that stays in the cache. */
static void glu_back_row(const struct job *j, int64_t i)
{
    enum { PIECE = 1024 };
    float unwanted[PIECE];
    int64_t at = i * j->s->ldx;
    if (!j->s->set && !(j->dx && j->dup)) memset(unwanted, 0, sizeof unwanted);
    for (int64_t k = 0; k < j->s->cols; k += PIECE, at += PIECE) {
        int64_t n = LT_MIN(PIECE, j->s->cols - k);
        float *dgate = j->dx ? j->dx + at : unwanted, *dup = j->dup ? j->dup + at : unwanted;
        j->rows->glu_back(j->act, n, j->x + at, j->up + at, j->dy + i * j->s->ldy + k, dgate, dup, j->s->set);
    }
}

static void chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->s->rows, (c + 1) * j->step);
    for (int64_t i = c * j->step; i < end; i++) j->row(j, i);
}

static void run(struct lt_pool *p, struct job *j)
{
    j->rows = lt_row_kernel();
    j->step = lt_rows_per_chunk(j->s->cols);
    lt_pool_run(p, lt_chunks(j->s->rows, j->step), chunk, j);
}

void lt_act(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *x, float *y)
{
    run(p, &(struct job){ .s = s, .act = a, .x = x, .y = y, .row = act_row });
}

void lt_act_back(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *x, const float *dy, float *dx)
{
    if (dx) run(p, &(struct job){ .s = s, .act = a, .x = x, .dy = dy, .dx = dx, .row = act_back_row });
}

void lt_glu(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *gate, const float *up, float *y)
{
    run(p, &(struct job){ .s = s, .act = a, .x = gate, .up = up, .y = y, .row = glu_row });
}

void lt_glu_back(struct lt_pool *p, enum lt_act a, const struct lt_rows *s, const float *gate, const float *up,
                 const float *dy, float *dgate, float *dup)
{
    if (!dgate && !dup) return;
    run(p, &(struct job){ .s = s, .act = a, .x = gate, .up = up, .dy = dy, .dx = dgate, .dup = dup,
                          .row = glu_back_row });
}
