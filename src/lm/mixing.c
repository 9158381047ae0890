#include "lm/mixing.h"
#include "base/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8192, ROW_PIECE = 32, EM_STEPS = 2000, NEWTON_STEPS = 50, HALVINGS = 30 };
#define EM_STILL 1e-7           /* no weight moves further than this: EM has arrived */
#define NEWTON_STILL 1e-9       /* what a step promises, a token */

/* ---- linear ---- */
struct em {
    const struct lt_mixing_table *t;
    float *p;                   /* (count, members), each place divided by its greatest; all 0: passed over */
    const double *w;
    double *sum;                /* (pieces, members + 1): posterior weights, then places that count */
};

static float at(const struct lt_mixing_table *t, int64_t i, int m)
{
    return t->logp[i * t->stride + (t->column ? t->column[m] : m)];
}

static float greatest(const struct lt_mixing_table *t, int64_t i)
{
    float top = -INFINITY;
    for (int m = 0; m < t->members; m++) top = LT_MAX(top, at(t, i, m));
    return top;
}

static int64_t pieces(int64_t count, int64_t size) { return (count + size - 1) / size; }

static void scale_piece(void *self, int64_t k)
{
    struct em *e = self;
    int n = e->t->members;
    for (int64_t i = k * PIECE; i < LT_MIN((k + 1) * PIECE, e->t->count); i++) {
        float top = greatest(e->t, i);
        for (int m = 0; m < n; m++) e->p[i * n + m] = top > -INFINITY ? expf(at(e->t, i, m) - top) : 0;
    }
}

static void em_piece(void *self, int64_t k)
{
    struct em *e = self;
    int n = e->t->members;
    double *sum = e->sum + k * (n + 1), part[LT_MIXING_MEMBERS];
    memset(sum, 0, (size_t)(n + 1) * sizeof *sum);
    for (int64_t i = k * PIECE; i < LT_MIN((k + 1) * PIECE, e->t->count); i++) {
        double total = 0;
        for (int m = 0; m < n; m++) total += part[m] = e->w[m] * (double)e->p[i * n + m];
        if (!(total > 0)) continue;
        for (int m = 0; m < n; m++) sum[m] += part[m] / total;
        sum[n]++;
    }
}

double lt_mixing_em(struct lt_ctx *c, const struct lt_mixing_table *t, double *w)
{
    int n = t->members;
    int64_t count = pieces(t->count, PIECE);
    struct em e = { .t = t, .w = w };
    e.p = lt_alloc(LT_MAX((size_t)t->count * (size_t)n, 1) * sizeof *e.p);
    e.sum = lt_calloc((size_t)LT_MAX(count, 1) * (size_t)(n + 1), sizeof *e.sum);
    lt_pool_run(lt_ctx_pool(c), count, scale_piece, &e);
    for (int m = 0; m < n; m++) w[m] = 1.0 / n;
    for (int step = 0; step < EM_STEPS && n > 1 && !lt_ctx_interrupted(c); step++) {
        double all[LT_MIXING_MEMBERS + 1] = { 0 }, moved = 0;
        lt_pool_run(lt_ctx_pool(c), count, em_piece, &e);
        for (int64_t k = 0; k < count; k++)
            for (int m = 0; m <= n; m++) all[m] += e.sum[k * (n + 1) + m];
        if (!(all[n] > 0)) break;
        for (int m = 0; m < n; m++) {
            moved = fmax(moved, fabs(all[m] / all[n] - w[m]));
            w[m] = all[m] / all[n];
        }
        if (moved < EM_STILL) break;
    }
    free(e.p);
    free(e.sum);
    return lt_mixing_sum(c, t, w, NULL);
}

struct sum { const struct lt_mixing_table *t; const double *w; double *sum; int64_t *places; };

static void sum_piece(void *self, int64_t k)
{
    struct sum *s = self;
    for (int64_t i = k * PIECE; i < LT_MIN((k + 1) * PIECE, s->t->count); i++) {
        float top = greatest(s->t, i);
        double p = 0;
        if (top == -INFINITY) continue;
        for (int m = 0; m < s->t->members; m++) p += s->w[m] * exp((double)at(s->t, i, m) - (double)top);
        s->sum[k] += log(p) + (double)top;
        s->places[k]++;
    }
}

double lt_mixing_sum(struct lt_ctx *c, const struct lt_mixing_table *t, const double *w, int64_t *places)
{
    int64_t count = pieces(t->count, PIECE), all = 0;
    double total = 0;
    struct sum s = { .t = t, .w = w };
    s.sum = lt_calloc((size_t)LT_MAX(count, 1), sizeof *s.sum);
    s.places = lt_calloc((size_t)LT_MAX(count, 1), sizeof *s.places);
    lt_pool_run(lt_ctx_pool(c), count, sum_piece, &s);
    for (int64_t k = 0; k < count; k++) {
        total += s.sum[k];
        all += s.places[k];
    }
    free(s.sum);
    free(s.places);
    if (places) *places = all;
    return total;
}

/* ---- log-linear ---- */
/* The gradient of sum log p is, a place, log p_m(token) - E[log p_m], and its Hessian minus the covariance of the
 * members' log p, both under the mixture. */
struct newton { const struct lt_mixing_rows *r; const double *w; double *sum; };    /* (pieces, 1 + n + n n) */

double lt_mixing_log_sum(const float *z, int n)
{
    float top = -INFINITY;
    double total = 0;
    for (int v = 0; v < n; v++) top = LT_MAX(top, z[v]);
    if (top == -INFINITY) return -INFINITY;
    for (int v = 0; v < n; v++) total += exp((double)z[v] - (double)top);
    return (double)top + log(total);
}

static void add_place(struct newton *e, float *row, float *z, int32_t token, double *sum)
{
    int n = e->r->members, vocab = e->r->vocab;
    double mean[LT_MIXING_MEMBERS] = { 0 }, *hessian = sum + 1 + n;
    for (int64_t j = 0; j < (int64_t)n * vocab; j++) row[j] = LT_MAX(row[j], (float)LT_MIXING_FLOOR);
    for (int v = 0; v < vocab; v++) {
        double s = 0;
        for (int m = 0; m < n; m++) s += e->w[m] * (double)row[(int64_t)m * vocab + v];
        z[v] = (float)s;
    }
    double log_total = lt_mixing_log_sum(z, vocab), second[LT_MIXING_MEMBERS];
    for (int v = 0; v < vocab; v++) z[v] = (float)exp((double)z[v] - log_total);
    for (int m = 0; m < n; m++)
        for (int v = 0; v < vocab; v++) mean[m] += (double)z[v] * (double)row[(int64_t)m * vocab + v];
    for (int m = 0; m < n; m++) {
        const float *a = row + (int64_t)m * vocab;
        memset(second, 0, sizeof second);
        for (int k = 0; k <= m; k++) {
            const float *b = row + (int64_t)k * vocab;
            for (int v = 0; v < vocab; v++)
                second[k] += (double)z[v] * ((double)a[v] - mean[m]) * ((double)b[v] - mean[k]);
            hessian[m * n + k] += second[k];
        }
        sum[0] += e->w[m] * (double)a[token];
        sum[1 + m] += (double)a[token] - mean[m];
    }
    sum[0] -= log_total;
}

static void newton_piece(void *self, int64_t k)
{
    struct newton *e = self;
    int n = e->r->members, vocab = e->r->vocab;
    double *sum = e->sum + k * (1 + n + n * n);
    float *row = lt_alloc((size_t)n * (size_t)vocab * sizeof *row), *z = lt_alloc((size_t)vocab * sizeof *z);
    memset(sum, 0, (size_t)(1 + n + n * n) * sizeof *sum);
    for (int64_t i = k * ROW_PIECE; i < LT_MIN((k + 1) * ROW_PIECE, e->r->count); i++) {
        int32_t token = e->r->rows(e->r->self, i, row);
        add_place(e, row, z, token, sum);
    }
    free(row);
    free(z);
}

/* all: log-likelihood, gradient, negated Hessian (lower half). */
static void evaluate(struct lt_ctx *c, const struct lt_mixing_rows *r, const double *w, double *all)
{
    int width = 1 + r->members + r->members * r->members;
    int64_t count = pieces(r->count, ROW_PIECE);
    struct newton e = { .r = r, .w = w };
    e.sum = lt_alloc((size_t)LT_MAX(count, 1) * (size_t)width * sizeof *e.sum);
    lt_pool_run(lt_ctx_pool(c), count, newton_piece, &e);
    memset(all, 0, (size_t)width * sizeof *all);
    for (int64_t k = 0; k < count; k++)
        for (int j = 0; j < width; j++) all[j] += e.sum[k * width + j];
    free(e.sum);
}

/* Solves (H + ridge) x = g by Cholesky's decomposition; the ridge decides between members that say the same. */
static void solve(double *h, const double *g, int n, double *x)
{
    double trace = 0;
    for (int i = 0; i < n; i++) trace += h[i * n + i];
    for (int i = 0; i < n; i++) h[i * n + i] += 1e-9 * trace / n + 1e-300;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++) {
            double s = h[i * n + j];
            for (int k = 0; k < j; k++) s -= h[i * n + k] * h[j * n + k];
            h[i * n + j] = i == j ? sqrt(fmax(s, 1e-300)) : s / h[j * n + j];
        }
    for (int i = 0; i < n; i++) {
        double s = g[i];
        for (int k = 0; k < i; k++) s -= h[i * n + k] * x[k];
        x[i] = s / h[i * n + i];
    }
    for (int i = n - 1; i >= 0; i--) {
        double s = x[i];
        for (int k = i + 1; k < n; k++) s -= h[k * n + i] * x[k];
        x[i] = s / h[i * n + i];
    }
}

double lt_mixing_log_linear(struct lt_ctx *c, const struct lt_mixing_rows *r, double *w)
{
    int n = r->members;
    size_t width = (size_t)(1 + n + n * n);
    double *now = lt_alloc(width * sizeof *now), *next = lt_alloc(width * sizeof *next);
    double step[LT_MIXING_MEMBERS], to[LT_MIXING_MEMBERS], promised = 1;
    struct lt_progress p;
    for (int m = 0; m < n; m++) w[m] = 1.0 / n;
    lt_progress_begin(c, &p, "log-linear weights", "steps", 0);
    evaluate(c, r, w, now);
    for (int k = 0; k < NEWTON_STEPS && r->count && !lt_ctx_interrupted(c); k++) {
        solve(now + 1 + n, now + 1, n, step);
        promised = 0;
        for (int m = 0; m < n; m++) promised += step[m] * now[1 + m];
        if (!(promised / (double)r->count > NEWTON_STILL)) break;
        double share = 1;
        for (int half = 0; half < HALVINGS; half++, share /= 2) {
            for (int m = 0; m < n; m++) to[m] = w[m] + share * step[m];
            evaluate(c, r, to, next);
            if (next[0] > now[0]) break;
        }
        if (!(next[0] > now[0])) break;
        memcpy(w, to, (size_t)n * sizeof *w);
        memcpy(now, next, width * sizeof *now);
        lt_progress_at(&p, k + 1, NULL);
    }
    lt_progress_end(&p);
    double total = now[0];
    free(now);
    free(next);
    return total;
}
