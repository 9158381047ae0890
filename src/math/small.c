#include "math/kernel.h"

#include "math/row_kernel.h"
#include "math/split.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct lt_row_kernel *rows;
    int64_t n, rows_all, ld;
    const float *a, *b;
    float *y;
    float alpha;
    uint64_t seed, stream;
    bool add;
    double *part;
    int64_t *first;
};

static int64_t chunk_begin(int64_t chunk) { return chunk * LT_CHUNK_ELEMENTS; }
static int64_t chunk_size(const struct job *j, int64_t chunk)
{
    return LT_MIN(LT_CHUNK_ELEMENTS, j->n - chunk_begin(chunk));
}

static void run(struct lt_pool *p, lt_chunk_fn *fn, struct job *j)
{
    j->rows = lt_row_kernel();
    lt_pool_run(p, lt_chunks(j->n, LT_CHUNK_ELEMENTS), fn, j);
}

static void add_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t at = chunk_begin(c);
    j->rows->add(chunk_size(j, c), j->a + at, j->b + at, j->y + at);
}

void lt_add(struct lt_pool *p, int64_t n, const float *a, const float *b, float *y)
{
    run(p, add_chunk, &(struct job){ .n = n, .a = a, .b = b, .y = y });
}

static void axpy_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t at = chunk_begin(c);
    j->rows->axpy(chunk_size(j, c), j->alpha, j->a + at, j->y + at);
}

void lt_axpy(struct lt_pool *p, int64_t n, float alpha, const float *x, float *y)
{
    run(p, axpy_chunk, &(struct job){ .n = n, .alpha = alpha, .a = x, .y = y });
}

static void scale_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    const int64_t at = chunk_begin(c), size = chunk_size(j, c);
    if (j->a != j->y) memcpy(j->y + at, j->a + at, (size_t)size * sizeof *j->y);
    if (j->alpha != 1) j->rows->scale(size, j->alpha, j->y + at);
}

void lt_scale(struct lt_pool *p, int64_t n, float alpha, const float *x, float *y)
{
    run(p, scale_chunk, &(struct job){ .n = n, .alpha = alpha, .a = x, .y = y });
}

static void dot_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t at = chunk_begin(c);
    j->part[c] = j->rows->wide_dot(chunk_size(j, c), j->a + at, j->b + at);
}

double lt_dot(struct lt_pool *p, int64_t n, const float *a, const float *b)
{
    int64_t chunks = lt_chunks(n, LT_CHUNK_ELEMENTS);
    double *part = lt_calloc((size_t)chunks + 1, sizeof *part), total = 0;
    run(p, dot_chunk, &(struct job){ .n = n, .a = a, .b = b, .part = part });
    for (int64_t c = 0; c < chunks; c++) total += part[c];
    free(part);
    return total;
}

double lt_sum_squares(struct lt_pool *p, int64_t n, const float *x)
{
    return lt_dot(p, n, x, x);
}

enum { ROWS = 64 };                 /* of one chunk of lt_colsum, which sums them into a row of its own */

static void colsum_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = LT_MIN(j->rows_all, (c + 1) * ROWS);
    float *sum = j->y + c * j->n;
    memset(sum, 0, (size_t)j->n * sizeof *sum);
    for (int64_t i = c * ROWS; i < end; i++) j->rows->axpy(j->n, 1, j->a + i * j->ld, sum);
}

void lt_colsum(struct lt_pool *p, int64_t rows, int64_t cols, int64_t ldx, const float *x, float *y, bool add)
{
    int64_t chunks = lt_chunks(rows, ROWS);
    struct lt_arena own = { 0 }, *arena = p ? lt_pool_arena(p) : &own;
    struct lt_arena_mark mark = lt_arena_here(arena);
    float *part = lt_arena_take(arena, (size_t)(chunks * cols) * sizeof *part);
    struct job j = { .rows = lt_row_kernel(), .n = cols, .rows_all = rows, .ld = ldx, .a = x, .y = part };
    lt_pool_run(p, chunks, colsum_chunk, &j);
    if (!add) memset(y, 0, (size_t)cols * sizeof *y);
    for (int64_t c = 0; c < chunks; c++) j.rows->axpy(cols, 1, part + c * cols, y);
    lt_arena_release(arena, mark);
    lt_arena_free(&own);
}

static void nonfinite_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t at = chunk_begin(c);
    if (j->rows->finite(chunk_size(j, c), j->a + at)) return;
    while (isfinite(j->a[at])) at++;
    j->first[c] = at + 1;
}

int64_t lt_find_nonfinite(struct lt_pool *p, int64_t n, const float *x)
{
    int64_t chunks = lt_chunks(n, LT_CHUNK_ELEMENTS), at = -1;
    int64_t *first = lt_calloc((size_t)chunks + 1, sizeof *first);       /* index + 1, or 0 */
    run(p, nonfinite_chunk, &(struct job){ .n = n, .a = x, .first = first });
    for (int64_t c = 0; c < chunks && at < 0; c++) at = first[c] - 1;
    free(first);
    return at;
}

/* Every chunk has a key of its own from the generator; within it a hash of key and place draws 24 bits. */
static void dropout_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t at = chunk_begin(c);
    uint32_t bar = (uint32_t)((double)j->alpha * (1 << 24));
    float factor = j->alpha < 1 ? 1.0f / (1.0f - j->alpha) : 0;
    uint64_t key = lt_rng_at(j->seed, j->stream, (uint64_t)c);
    j->rows->drop(chunk_size(j, c), key, bar, factor, j->a + at, j->y + at, j->add);
}

void lt_dropout(struct lt_pool *p, int64_t n, float rate, uint64_t seed, uint64_t stream, const float *x, float *y,
                bool add)
{
    run(p, dropout_chunk, &(struct job){ .n = n, .alpha = rate, .seed = seed, .stream = stream, .a = x, .y = y,
                                         .add = add });
}

void lt_log_softmax(const float *x, int64_t n, float *y)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    float top = rows->peak(n, x);
    double z = (double)top + log(rows->exp_sum(n, top, x, NULL));
    for (int64_t i = 0; i < n; i++) y[i] = (float)((double)x[i] - z);
}
