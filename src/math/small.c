#include "math/kernel.h"

#include "math/split.h"
#include <math.h>
#include <stdlib.h>

struct job {
    int64_t n, rows, ld;
    const float *a, *b;
    float *y;
    float alpha;
    uint64_t seed, stream;
    bool add;
    double *part;
    int64_t *first;
};

static int64_t chunk_end(const struct job *j, int64_t chunk)
{
    return LT_MIN(j->n, (chunk + 1) * LT_CHUNK_ELEMENTS);
}

static void run(struct lt_pool *p, lt_chunk_fn *fn, struct job *j)
{
    lt_pool_run(p, lt_chunks(j->n, LT_CHUNK_ELEMENTS), fn, j);
}

static void add_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = chunk_end(j, c);
    for (int64_t i = c * LT_CHUNK_ELEMENTS; i < end; i++) j->y[i] = j->a[i] + j->b[i];
}

void lt_add(struct lt_pool *p, int64_t n, const float *a, const float *b, float *y)
{
    run(p, add_chunk, &(struct job){ .n = n, .a = a, .b = b, .y = y });
}

static void axpy_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = chunk_end(j, c);
    for (int64_t i = c * LT_CHUNK_ELEMENTS; i < end; i++) j->y[i] += j->alpha * j->a[i];
}

void lt_axpy(struct lt_pool *p, int64_t n, float alpha, const float *x, float *y)
{
    run(p, axpy_chunk, &(struct job){ .n = n, .alpha = alpha, .a = x, .y = y });
}

static void scale_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = chunk_end(j, c);
    for (int64_t i = c * LT_CHUNK_ELEMENTS; i < end; i++) j->y[i] *= j->alpha;
}

void lt_scale(struct lt_pool *p, int64_t n, float alpha, float *x)
{
    run(p, scale_chunk, &(struct job){ .n = n, .alpha = alpha, .y = x });
}

static void dot_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t i = c * LT_CHUNK_ELEMENTS, end = chunk_end(j, c);
    double s[LT_LANES] = { 0 };
    for (; i + LT_LANES <= end; i += LT_LANES)
        for (int l = 0; l < LT_LANES; l++) s[l] += (double)j->a[i + l] * (double)j->b[i + l];
    for (int l = 0; i < end; i++, l++) s[l] += (double)j->a[i] * (double)j->b[i];
    double total = 0;
    for (int l = 0; l < LT_LANES; l++) total += s[l];
    j->part[c] = total;
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

enum { COLUMNS = 64 };              /* of one chunk of lt_colsum */

static void colsum_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t from = c * COLUMNS, n = LT_MIN(COLUMNS, j->n - from);
    float s[COLUMNS] = { 0 };
    for (int64_t i = 0; i < j->rows; i++)
        for (int64_t k = 0; k < n; k++) s[k] += j->a[i * j->ld + from + k];
    for (int64_t k = 0; k < n; k++) j->y[from + k] = j->add ? j->y[from + k] + s[k] : s[k];
}

void lt_colsum(struct lt_pool *p, int64_t rows, int64_t cols, int64_t ldx, const float *x, float *y, bool add)
{
    struct job j = { .n = cols, .rows = rows, .ld = ldx, .a = x, .y = y, .add = add };
    lt_pool_run(p, lt_chunks(cols, COLUMNS), colsum_chunk, &j);
}

static void nonfinite_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = chunk_end(j, c);
    for (int64_t i = c * LT_CHUNK_ELEMENTS; i < end; i++) {
        if (isfinite(j->a[i])) continue;
        j->first[c] = i + 1;
        return;
    }
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

/* One draw keeps an element when its top 24 bits are at least rate. */
static void dropout_chunk(void *arg, int64_t c)
{
    const struct job *j = arg;
    int64_t end = chunk_end(j, c);
    uint64_t bar = (uint64_t)((double)j->alpha * (1 << 24));
    float scale = j->alpha < 1 ? 1.0f / (1.0f - j->alpha) : 0;
    for (int64_t i = c * LT_CHUNK_ELEMENTS; i < end; i++) {
        bool keep = lt_rng_at(j->seed, j->stream, (uint64_t)i) >> 40 >= bar;
        float v = keep ? j->a[i] * scale : 0;
        j->y[i] = j->add ? j->y[i] + v : v;
    }
}

void lt_dropout(struct lt_pool *p, int64_t n, float rate, uint64_t seed, uint64_t stream, const float *x, float *y, bool add)
{
    run(p, dropout_chunk, &(struct job){ .n = n, .alpha = rate, .seed = seed, .stream = stream, .a = x, .y = y,
                                         .add = add });
}

void lt_log_softmax(const float *x, int64_t n, float *y)
{
    float top = -INFINITY;
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - (double)top);
    double z = (double)top + log(sum);
    for (int64_t i = 0; i < n; i++) y[i] = (float)((double)x[i] - z);
}
