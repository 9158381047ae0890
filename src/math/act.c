#include "math/kernel.h"

#include "math/split.h"
#include <math.h>

static const float root_half = 0.70710678118654752f, root_2_over_pi = 0.79788456080286536f,
                   one_over_root_2pi = 0.39894228040143268f, cubic = 0.044715f;

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

static float value(enum lt_act a, float x)
{
    switch (a) {
    case LT_ACT_GELU: return 0.5f * x * (1.0f + erff(x * root_half));
    case LT_ACT_GELU_TANH: return 0.5f * x * (1.0f + tanhf(root_2_over_pi * (x + cubic * x * x * x)));
    case LT_ACT_SILU: return x * sigmoid(x);
    case LT_ACT_RELU: return x > 0 ? x : 0;
    case LT_ACT_RELU2: return x > 0 ? x * x : 0;
    }
    return 0;
}

static float slope(enum lt_act a, float x)
{
    switch (a) {
    case LT_ACT_GELU: return 0.5f * (1.0f + erff(x * root_half)) + x * one_over_root_2pi * expf(-0.5f * x * x);
    case LT_ACT_GELU_TANH: {
        float t = tanhf(root_2_over_pi * (x + cubic * x * x * x));
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * root_2_over_pi * (1.0f + 3.0f * cubic * x * x);
    }
    case LT_ACT_SILU: { float s = sigmoid(x); return s * (1.0f + x * (1.0f - s)); }
    case LT_ACT_RELU: return x > 0;
    case LT_ACT_RELU2: return x > 0 ? 2.0f * x : 0;
    }
    return 0;
}

struct job {
    const struct lt_rows *s;
    enum lt_act act;
    const float *x, *up, *dy;
    float *y, *dx, *dup;
    int64_t step;
    void (*row)(const struct job *j, int64_t i);
};

static void act_row(const struct job *j, int64_t i)
{
    const float *x = j->x + i * j->s->ldx;
    float *y = j->y + i * j->s->ldy;
    for (int64_t k = 0; k < j->s->cols; k++) y[k] = value(j->act, x[k]);
}

static void act_back_row(const struct job *j, int64_t i)
{
    const float *x = j->x + i * j->s->ldx, *dy = j->dy + i * j->s->ldy;
    float *dx = j->dx + i * j->s->ldx;
    for (int64_t k = 0; k < j->s->cols; k++) dx[k] += dy[k] * slope(j->act, x[k]);
}

static void glu_row(const struct job *j, int64_t i)
{
    const float *x = j->x + i * j->s->ldx, *up = j->up + i * j->s->ldx;
    float *y = j->y + i * j->s->ldy;
    for (int64_t k = 0; k < j->s->cols; k++) y[k] = value(j->act, x[k]) * up[k];
}

static void glu_back_row(const struct job *j, int64_t i)
{
    int64_t at = i * j->s->ldx;
    const float *x = j->x + at, *up = j->up + at, *dy = j->dy + i * j->s->ldy;
    if (j->dx) for (int64_t k = 0; k < j->s->cols; k++) j->dx[at + k] += dy[k] * up[k] * slope(j->act, x[k]);
    if (j->dup) for (int64_t k = 0; k < j->s->cols; k++) j->dup[at + k] += dy[k] * value(j->act, x[k]);
}

static void chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->s->rows, (c + 1) * j->step);
    for (int64_t i = c * j->step; i < end; i++) j->row(j, i);
}

static void run(struct lt_pool *p, struct job *j)
{
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
    run(p, &(struct job){ .s = s, .act = a, .x = gate, .up = up, .dy = dy, .dx = dgate, .dup = dup,
                          .row = glu_back_row });
}
