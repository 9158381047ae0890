#include "surgery/compare.h"
#include "base/ctx.h"
#include "text/document.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_ROWS = 64 };        /* rows whose logits are held at a time */

int lt_compare_tokens(const struct lt_tokenizer *t, const struct lt_list *input, int64_t limit, struct lt_ctx *c,
                      int32_t **ids, int64_t *count)
{
    struct lt_docs *docs;
    struct lt_doc d;
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    int rc = 0;
    if (lt_docs_open(input, &(struct lt_docs_how){ 0 }, &docs)) return -1;
    while (!rc && (!limit || (int64_t)n < limit) && (rc = lt_docs_next(docs, &d)) > 0)
        rc = lt_ctx_interrupted(c) ? lt_fail("interrupted")
                                   : lt_tokenizer_encode(t, d.text, LT_SPECIAL, &token, &n, &cap);
    lt_docs_close(docs);
    *count = limit ? LT_MIN((int64_t)n, limit) : (int64_t)n;
    *ids = lt_alloc((size_t)(*count + 1) * sizeof **ids);
    for (int64_t i = 0; i < *count; i++) (*ids)[i] = token[i].id;
    free(token);
    return rc < 0 ? -1 : 0;
}

/* ---- one window through one model ---- */

struct run { struct lt_model *m; const struct lt_adapter *adapter; struct lt_graph *g; float *hidden; };

static void run_begin(struct run *r, struct lt_model *m, struct lt_ctx *c, int64_t context)
{
    *r = (struct run){ .m = m, .g = lt_graph_new(c, LT_COMPUTE_F32) };
    r->hidden = lt_alloc((size_t)(context * m->width) * sizeof(float));
}

static void run_end(struct run *r)
{
    lt_graph_free(r->g);
    free(r->hidden);
}

/* Hidden states of n tokens, kept. */
static int forward(struct run *r, const int32_t *id, int64_t n)
{
    int32_t *pos = lt_alloc((size_t)n * sizeof *pos);
    for (int64_t i = 0; i < n; i++) pos[i] = (int32_t)i;
    const int64_t seq_row[2] = { 0, n };
    const struct lt_batch b = { .rows = n, .token = id, .pos = pos, .seq_count = 1, .seq_row = seq_row,
                                .adapter = &r->adapter };
    lt_graph_reset(r->g);
    const struct lt_tensor *x = r->m->arch->forward(r->m->o, r->m, r->g, &b);
    if (x) memcpy(r->hidden, x->data, (size_t)(n * r->m->width) * sizeof(float));
    free(pos);
    return x ? 0 : -1;
}

/* Logits of some rows; they live until the next call. */
static const float *logits(struct run *r, int64_t first, int64_t count)
{
    lt_graph_reset(r->g);
    struct lt_tensor *x = lt_leaf(r->g, "hidden", LT_F32, 2, (int64_t[]){ count, r->m->width },
                                  r->hidden + first * r->m->width, NULL);
    return lt_model_logits(r->g, r->m, x)->data;
}

static int check_pair(const struct lt_model *a, const struct lt_model *b)
{
    if (a->vocab == b->vocab) return 0;
    return lt_fail("the models have %" PRId64 " and %" PRId64 " tokens and cannot be compared", a->vocab, b->vocab);
}

int lt_compare_logits(struct lt_model *a, const struct lt_adapter *adapter, struct lt_model *b, struct lt_ctx *c,
                      const int32_t *id, int64_t n, double *largest)
{
    struct run x, y;
    if (check_pair(a, b)) return -1;
    run_begin(&x, a, c, n);
    run_begin(&y, b, c, n);
    x.adapter = adapter;
    int rc = forward(&x, id, n) || forward(&y, id, n) ? -1 : 0;
    *largest = 0;
    for (int64_t i = 0; i < n && !rc; i += HEAD_ROWS) {
        int64_t rows = LT_MIN(HEAD_ROWS, n - i);
        const float *p = logits(&x, i, rows), *q = logits(&y, i, rows);
        for (int64_t k = 0; k < rows * a->vocab; k++) {
            double d = p[k] == q[k] ? 0 : fabs((double)p[k] - (double)q[k]);
            if (!(d <= *largest)) *largest = isnan(d) ? INFINITY : d;
        }
    }
    run_end(&x);
    run_end(&y);
    return rc;
}

/* ---- perplexity and divergence ---- */

/* log of the sum of exponentials, and the place of the largest. */
static double log_sum(const float *x, int64_t n, int64_t *top)
{
    double sum = 0;
    *top = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[*top]) *top = i;
    for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - (double)x[*top]);
    return (double)x[*top] + log(sum);
}

struct row { const float *p, *q; int32_t target; double nll_a, nll_b, kl; bool same; };
struct rows { struct row *row; int64_t vocab; };

static void compare_row(void *arg, int64_t i)
{
    const struct rows *all = arg;
    struct row *r = &all->row[i];
    int64_t top_p, top_q;
    double zp = log_sum(r->p, all->vocab, &top_p), zq = log_sum(r->q, all->vocab, &top_q), kl = 0;
    for (int64_t k = 0; k < all->vocab; k++) {
        double a = (double)r->p[k] - zp, b = (double)r->q[k] - zq;
        kl += exp(a) * (a - b);
    }
    r->nll_a = zp - (double)r->p[r->target];
    r->nll_b = zq - (double)r->q[r->target];
    r->kl = kl;
    r->same = top_p == top_q;
}

static void compare_rows(struct run *x, struct run *y, struct lt_ctx *c, const int32_t *next, int64_t first,
                         int64_t count, struct lt_divergence *out)
{
    struct row row[HEAD_ROWS];
    const struct rows all = { row, x->m->vocab };
    const float *p = logits(x, first, count), *q = logits(y, first, count);
    for (int64_t i = 0; i < count; i++)
        row[i] = (struct row){ .p = p + i * all.vocab, .q = q + i * all.vocab, .target = next[first + i] };
    lt_pool_run(lt_ctx_pool(c), count, compare_row, (void *)&all);
    for (int64_t i = 0; i < count; i++) {
        out->nll_a += row[i].nll_a;
        out->nll_b += row[i].nll_b;
        out->kl += row[i].kl;
        out->same_top += row[i].same;
        out->tokens++;
    }
}

int lt_compare_models(struct lt_model *a, struct lt_model *b, struct lt_ctx *c, const int32_t *id, int64_t n,
                      int64_t context, struct lt_divergence *out)
{
    struct run x, y;
    struct lt_progress progress;
    int rc = 0;
    *out = (struct lt_divergence){ 0 };
    if (check_pair(a, b)) return -1;
    if (n < 2) return lt_fail("the text has %" PRId64 " tokens; at least 2 are needed to compare models", n);
    run_begin(&x, a, c, context);
    run_begin(&y, b, c, context);
    lt_progress_begin(c, &progress, "compare", "tokens", (double)n);
    for (int64_t at = 0; at + 1 < n && !rc; at += context) {
        int64_t held = LT_MIN(context, n - at);
        if (lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
        if (!rc && (forward(&x, id + at, held) || forward(&y, id + at, held))) rc = -1;
        for (int64_t i = 0; i + 1 < held && !rc; i += HEAD_ROWS)
            compare_rows(&x, &y, c, id + at + 1, i, LT_MIN(HEAD_ROWS, held - 1 - i), out);
        lt_progress_at(&progress, (double)(at + held), NULL);
    }
    lt_progress_end(&progress);
    run_end(&x);
    run_end(&y);
    return rc;
}
