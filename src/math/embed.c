#include "math/kernel.h"

#include "math/split.h"

struct job { int64_t rows, cols, step; const int32_t *id; const void *w; enum lt_dtype type; const float *dy;
             float *out; };

enum { COLUMNS = 64 };              /* of one chunk of the backward pass */

static void gather_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->rows, (chunk + 1) * j->step);
    size_t row = lt_dtype_bytes(j->type, j->cols);
    for (int64_t i = chunk * j->step; i < end; i++)
        lt_convert(LT_F32, j->out + i * j->cols, j->type, (const char *)j->w + (size_t)j->id[i] * row, j->cols);
}

void lt_embed_rows(struct lt_pool *p, int64_t rows, int64_t cols, const int32_t *id, const void *w,
                   enum lt_dtype w_type, float *y)
{
    struct job j = { .rows = rows, .cols = cols, .id = id, .w = w, .type = w_type, .out = y,
                     .step = lt_rows_per_chunk(cols) };
    lt_pool_run(p, lt_chunks(rows, j.step), gather_chunk, &j);
}

static void scatter_chunk(void *arg, int64_t chunk)
{
    const struct job *j = arg;
    int64_t from = chunk * COLUMNS, n = LT_MIN(COLUMNS, j->cols - from);
    for (int64_t i = 0; i < j->rows; i++) {
        const float *dy = j->dy + i * j->cols + from;
        float *dw = j->out + (int64_t)j->id[i] * j->cols + from;
        for (int64_t k = 0; k < n; k++) dw[k] += dy[k];
    }
}

void lt_embed_rows_back(struct lt_pool *p, int64_t rows, int64_t cols, const int32_t *id, const float *dy, float *dw)
{
    struct job j = { .rows = rows, .cols = cols, .id = id, .dy = dy, .out = dw };
    if (dw) lt_pool_run(p, lt_chunks(cols, COLUMNS), scatter_chunk, &j);
}
