#include "math/kernel.h"

#include "math/row_kernel.h"
#include "math/split.h"
#include <math.h>
#include <string.h>

void lt_rope_angles(float *angle, int64_t positions, int64_t rot, double theta, const double *factor)
{
    int64_t half = rot / 2;
    for (int64_t t = 0; t < positions; t++)
        for (int64_t i = 0; i < half; i++) {
            double turn = pow(theta, -2.0 * (double)i / (double)rot);
            if (factor) turn /= factor[i];
            angle[(t * half + i) * 2] = (float)cos((double)t * turn);
            angle[(t * half + i) * 2 + 1] = (float)sin((double)t * turn);
        }
}

struct job {
    const struct lt_rope *s;
    const struct lt_row_kernel *rows;
    const float *angle, *x;
    const int32_t *pos;
    float *y;
    int64_t step;
};

static void rope_row(const struct job *j, const float *angle, const float *x, float *y)
{
    const struct lt_rope *s = j->s;
    for (int64_t h = 0; h < s->heads; h++, x += s->dim, y += s->dim) {
        j->rows->rope(s->rot, s->interleaved, s->inverse ? -1 : 1, angle, x, y);
        if (x != y) memcpy(y + s->rot, x + s->rot, (size_t)(s->dim - s->rot) * sizeof *y);
    }
}

static void rope_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    const struct lt_rope *s = j->s;
    int64_t end = LT_MIN(s->rows, (chunk + 1) * j->step);
    for (int64_t i = chunk * j->step; i < end; i++)
        rope_row(j, j->angle + (int64_t)j->pos[i] * s->rot, j->x + i * s->ldx, j->y + i * s->ldy);
}

void lt_rope(struct lt_pool *p, const struct lt_rope *s, const float *angle, const int32_t *pos, const float *x,
             float *y)
{
    struct job j = { .s = s, .rows = lt_row_kernel(), .angle = angle, .x = x, .pos = pos, .y = y,
                     .step = lt_rows_per_chunk(s->heads * s->dim) };
    lt_pool_run(p, lt_chunks(s->rows, j.step), rope_chunk, &j);
}
