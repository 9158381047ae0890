/* Learnt gates: a network of one hidden layer that says what each member weighs.  It starts from the best constant
 * weights, so that whatever it learns is more than those. */
#include "base/ctx.h"
#include "math/gemm.h"
#include "mixture/mixture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 64 };              /* places in one pass */
#define SCALE_FLOOR 1e-5            /* added to the variance of a feature */
#define WEIGHT_FLOOR 1e-3           /* least weight at the start: a member may be of use somewhere */

struct gate {
    const struct lt_gate_options *o;
    int members, vocab;
    bool tokenwise, rows;           /* a weight for every token; features are whole distributions */
    int64_t F, H, O;                /* features (0: none), hidden units, outputs */
    float *mean, *scale, *w1, *b1, *w2, *b2;    /* (F) (F) (H, F) (H) (O, H) (O) */
};

static int64_t feature_count(const struct lt_mixture_fit *f)
{
    if (f->how->flags & LT_MIXTURE_ROWS) return (int64_t)f->members * f->vocab;
    return f->how->flags & LT_MIXTURE_ENTROPY ? f->members : 0;
}

static int64_t output_count(const struct lt_mixture_fit *f)
{
    return f->members * (f->how->flags & LT_MIXTURE_TOKENWISE ? (int64_t)f->vocab : 1);
}

void lt_gate_shape(struct lt_mixture_fit *f)
{
    const struct lt_gate_options *o = f->o;
    int64_t F = feature_count(f), H = o->hidden, O = output_count(f);
    struct lt_mixture_tensor *t = f->tensor;
    if (F) {
        *t++ = (struct lt_mixture_tensor){ .name = "feature.mean", .rows = 1, .cols = F };
        *t++ = (struct lt_mixture_tensor){ .name = "feature.scale", .rows = 1, .cols = F };
        *t++ = (struct lt_mixture_tensor){ .name = "hidden.weight", .rows = H, .cols = F };
        *t++ = (struct lt_mixture_tensor){ .name = "hidden.bias", .rows = 1, .cols = H };
        *t++ = (struct lt_mixture_tensor){ .name = "output.weight", .rows = O, .cols = H };
    }
    *t++ = (struct lt_mixture_tensor){ .name = "output.bias", .rows = 1, .cols = O };
    f->tensor_count = (int)(t - f->tensor);
}

static struct gate gate_of(const struct lt_mixture_fit *f)
{
    struct gate g = { .o = f->o, .members = f->members, .vocab = f->vocab, .F = feature_count(f), .O = output_count(f),
                      .tokenwise = f->how->flags & LT_MIXTURE_TOKENWISE, .rows = f->how->flags & LT_MIXTURE_ROWS };
    g.b2 = lt_mixture_value(f, "output.bias");
    if (!g.F) return g;
    g.H = g.o->hidden;
    g.mean = lt_mixture_value(f, "feature.mean");
    g.scale = lt_mixture_value(f, "feature.scale");
    g.w1 = lt_mixture_value(f, "hidden.weight");
    g.b1 = lt_mixture_value(f, "hidden.bias");
    g.w2 = lt_mixture_value(f, "output.weight");
    return g;
}

/* ---- forward ---- */
static void features(const struct gate *g, const struct lt_mixture_lesson *l, int64_t place, float *x)
{
    const float *from = g->rows ? l->row + place * g->F : l->entropy + place * g->F;
    for (int64_t k = 0; k < g->F; k++) x[k] = g->rows ? expf(from[k]) : from[k];
}

static void standardise(const struct gate *g, float *x)
{
    for (int64_t k = 0; k < g->F; k++) x[k] = (x[k] - g->mean[k]) * g->scale[k];
}

/* x (n, F) standardised, h (n, H), z (n, O) */
static void forward(const struct gate *g, struct lt_pool *pool, const float *x, int64_t n, float *h, float *z)
{
    if (!g->F) {
        for (int64_t i = 0; i < n; i++) memcpy(z + i * g->O, g->b2, (size_t)g->O * sizeof *z);
        return;
    }
    lt_gemm(pool, &(struct lt_gemm){ .m = n, .n = g->H, .k = g->F, .a = x, .b = g->w1, .b_trans = true, .c = h,
                                     .bias = g->b1 });
    for (int64_t i = 0; i < n * g->H; i++) h[i] = h[i] > 0 ? h[i] : 0;
    lt_gemm(pool, &(struct lt_gemm){ .m = n, .n = g->O, .k = g->H, .a = h, .b = g->w2, .b_trans = true, .c = z,
                                     .bias = g->b2 });
}

/* lambda of one output: softmax over the members of z[m * step]. */
static void soften(int members, const float *z, int64_t step, double *w)
{
    double top = -INFINITY, sum = 0;
    for (int m = 0; m < members; m++) top = fmax(top, (double)z[m * step]);
    for (int m = 0; m < members; m++) sum += w[m] = exp((double)z[m * step] - top);
    for (int m = 0; m < members; m++) w[m] /= sum;
}

void lt_gate_weigh(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, double *w)
{
    struct gate g = gate_of(f);
    float *x = lt_alloc((size_t)LT_MAX(g.F, 1) * sizeof *x), *h = lt_alloc((size_t)LT_MAX(g.H, 1) * sizeof *h);
    float *z = lt_alloc((size_t)g.O * sizeof *z);
    if (g.rows)
        for (int64_t k = 0; k < g.F; k++) x[k] = expf(p->row[k / g.vocab][k % g.vocab]);
    else if (g.F) memcpy(x, p->entropy, (size_t)g.F * sizeof *x);
    standardise(&g, x);
    forward(&g, NULL, x, 1, h, z);
    if (!g.tokenwise) {
        soften(g.members, z, 1, w);
    } else {
        double part[LT_MIXING_MEMBERS];
        for (int v = 0; v < g.vocab; v++) {
            soften(g.members, z + v, g.vocab, part);
            for (int m = 0; m < g.members; m++) w[(int64_t)m * g.vocab + v] = part[m];
        }
    }
    free(x);
    free(h);
    free(z);
}

/* ---- loss and its gradient in z; z becomes the gradient ---- */
static double scalar_loss(const struct gate *g, const float *logp, float *z)
{
    double w[LT_MIXING_MEMBERS], part[LT_MIXING_MEMBERS], p = 0;
    float top = -INFINITY;
    for (int m = 0; m < g->members; m++) top = fmaxf(top, logp[m]);
    soften(g->members, z, 1, w);
    if (top > -INFINITY)
        for (int m = 0; m < g->members; m++) p += part[m] = w[m] * exp((double)logp[m] - (double)top);
    for (int m = 0; m < g->members; m++) z[m] = p > 0 ? (float)(w[m] - part[m] / p) : 0;
    return p > 0 ? -log(p) - (double)top : 0;
}

/* p(v) = q(v) / Z with q(v) = sum of lambda[m][v] p_m(v): -log p(token) = -log q(token) + log Z. */
static double tokenwise_loss(const struct gate *g, const float *row, int32_t token, float *z)
{
    double w[LT_MIXING_MEMBERS], Z = 0, q_token = 0;
    int64_t V = g->vocab;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t v = 0; v < V; v++) {
            double q = 0, p[LT_MIXING_MEMBERS];
            soften(g->members, z + v, V, w);
            for (int m = 0; m < g->members; m++) q += w[m] * (p[m] = (double)expf(row[m * V + v]));
            if (!pass) {
                Z += q;
                if (v == token) q_token = q;
                continue;
            }
            double slope = 1 / Z - (v == token && q_token > 0 ? 1 / q_token : 0);
            for (int m = 0; m < g->members; m++) z[m * V + v] = (float)(slope * w[m] * (p[m] - q));
        }
        if (!(q_token > 0)) {
            memset(z, 0, (size_t)g->O * sizeof *z);
            return -LT_MIXING_FLOOR;
        }
    }
    return log(Z) - log(q_token);
}

/* ---- learning ---- */
struct pass {                       /* some places at once */
    const struct gate *g;
    const struct lt_mixture_lesson *l;
    struct lt_pool *pool;
    int64_t place[AT_ONCE]; int n;
    float *x, *h, *z, *dh;          /* (n, F) (n, H) (n, O) (n, H) */
    double loss[AT_ONCE];
};
struct learner {
    struct gate g;
    struct pass p;
    struct lt_mixture_fit *f;
    const struct lt_optim *optim;
    const void *optim_o;
    float *gradient[LT_MIXTURE_TENSORS], *best[LT_MIXTURE_TENSORS];
    void *state[LT_MIXTURE_TENSORS];
    int64_t train, count;           /* places learnt from; all of them */
};

/* The places in another order: learnt from the first `train`, held out the others, from all over the text. */
static int64_t shuffled(const struct learner *k, int64_t i)
{
    return (int64_t)lt_permute(k->p.l->seed, (uint64_t)k->count, (uint64_t)i);
}

static void feature_job(void *self, int64_t i)
{
    struct pass *p = self;
    features(p->g, p->l, p->place[i], p->x + i * p->g->F);
    standardise(p->g, p->x + i * p->g->F);
}

static void loss_job(void *self, int64_t i)
{
    struct pass *p = self;
    const struct gate *g = p->g;
    int64_t at = p->place[i];
    float *z = p->z + i * g->O;
    p->loss[i] = g->tokenwise ? tokenwise_loss(g, p->l->row + at * g->members * g->vocab, p->l->token[at], z)
                              : scalar_loss(g, p->l->logp + at * g->members, z);
}

/* Losses, and dz in p->z. */
static double run_pass(struct pass *p)
{
    double total = 0;
    if (p->g->F) lt_pool_run(p->pool, p->n, feature_job, p);
    forward(p->g, p->pool, p->x, p->n, p->h, p->z);
    lt_pool_run(p->pool, p->n, loss_job, p);
    for (int i = 0; i < p->n; i++) total += p->loss[i];
    return total;
}

static float *gradient_of(const struct learner *k, const char *name)
{
    for (int i = 0; i < k->f->tensor_count; i++)
        if (!strcmp(k->f->tensor[i].name, name)) return k->gradient[i];
    return NULL;
}

static void add_columns(const float *a, int64_t n, int64_t cols, float *sum)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < cols; k++) sum[k] += a[i * cols + k];
}

static void backward(struct learner *k)
{
    struct pass *p = &k->p;
    const struct gate *g = &k->g;
    add_columns(p->z, p->n, g->O, gradient_of(k, "output.bias"));
    if (!g->F) return;
    lt_gemm(p->pool, &(struct lt_gemm){ .m = g->O, .n = g->H, .k = p->n, .a = p->z, .a_trans = true, .b = p->h,
                                        .c = gradient_of(k, "output.weight"), .add = true });
    lt_gemm(p->pool, &(struct lt_gemm){ .m = p->n, .n = g->H, .k = g->O, .a = p->z, .b = g->w2, .c = p->dh });
    for (int64_t i = 0; i < p->n * g->H; i++) p->dh[i] = p->h[i] > 0 ? p->dh[i] : 0;
    add_columns(p->dh, p->n, g->H, gradient_of(k, "hidden.bias"));
    lt_gemm(p->pool, &(struct lt_gemm){ .m = g->H, .n = g->F, .k = p->n, .a = p->dh, .a_trans = true, .b = p->x,
                                        .c = gradient_of(k, "hidden.weight"), .add = true });
}

static bool is_fixed(const struct lt_mixture_tensor *t) { return !strncmp(t->name, "feature.", 8); }

static void update(struct learner *k, int64_t batch, double rate, int64_t t)
{
    for (int i = 0; i < k->f->tensor_count; i++) {
        struct lt_mixture_tensor *w = &k->f->tensor[i];
        if (is_fixed(w)) continue;
        k->optim->step(k->optim_o, k->p.l->ctx,
                       &(struct lt_update){ .w = w->value, .g = k->gradient[i], .state = k->state[i], .rows = w->rows,
                                            .cols = w->cols, .scale = 1 / (double)batch, .lr = rate, .t = t });
        memset(k->gradient[i], 0, (size_t)(w->rows * w->cols) * sizeof(float));
    }
}

/* Mean and spread of every feature over the places learnt from. */
static void measure_features(struct learner *k)
{
    struct gate *g = &k->g;
    double *sum = lt_calloc((size_t)(2 * g->F), sizeof *sum), n = (double)k->train;
    float *x = lt_alloc((size_t)g->F * sizeof *x);
    for (int64_t i = 0; i < k->train; i++) {
        features(g, k->p.l, shuffled(k, i), x);
        for (int64_t j = 0; j < g->F; j++) {
            sum[2 * j] += (double)x[j];
            sum[2 * j + 1] += (double)x[j] * (double)x[j];
        }
    }
    for (int64_t j = 0; j < g->F; j++) {
        double mean = sum[2 * j] / n, variance = fmax(sum[2 * j + 1] / n - mean * mean, 0);
        g->mean[j] = (float)mean;
        g->scale[j] = (float)(1 / sqrt(variance + SCALE_FLOOR));
    }
    free(sum);
    free(x);
}

static double held_out_loss(struct learner *k)
{
    double total = 0;
    for (int64_t i = k->train; i < k->count; i += AT_ONCE) {
        k->p.n = (int)LT_MIN(AT_ONCE, k->count - i);
        for (int j = 0; j < k->p.n; j++) k->p.place[j] = shuffled(k, i + j);
        total += run_pass(&k->p);
    }
    return total;
}

static void copy_all(struct learner *k, bool keep)
{
    for (int i = 0; i < k->f->tensor_count; i++) {
        struct lt_mixture_tensor *w = &k->f->tensor[i];
        size_t size = (size_t)(w->rows * w->cols) * sizeof(float);
        if (keep) memcpy(k->best[i], w->value, size);
        else memcpy(w->value, k->best[i], size);
    }
}

static int run_epochs(struct learner *k, uint64_t seed, struct lt_ctx *c)
{
    const struct lt_gate_options *o = k->g.o;
    int64_t batches = (k->train + o->batch - 1) / o->batch, total = batches * o->epochs, t = 0;
    double least = held_out_loss(k);
    struct lt_progress p;
    copy_all(k, true);
    lt_progress_begin(c, &p, "learning the mixture", "steps", (double)total);
    for (int64_t e = 0; e < o->epochs && !lt_ctx_interrupted(c); e++) {
        for (int64_t b = 0; b < batches && !lt_ctx_interrupted(c); b++) {
            int64_t from = b * o->batch, to = LT_MIN(from + o->batch, k->train);
            for (int64_t i = from; i < to; i += AT_ONCE) {
                k->p.n = (int)LT_MIN(AT_ONCE, to - i);
                for (int j = 0; j < k->p.n; j++)
                    k->p.place[j] = shuffled(k, (int64_t)lt_permute(seed + (uint64_t)e + 1, (uint64_t)k->train,
                                                                    (uint64_t)(i + j)));
                run_pass(&k->p);
                backward(k);
            }
            update(k, to - from, o->learning_rate * (1 - (double)t / (double)total), t + 1);
            lt_progress_at(&p, (double)++t, NULL);
        }
        double loss = held_out_loss(k);
        if (loss < least || k->train == k->count) {
            least = loss;
            copy_all(k, true);
        }
    }
    lt_progress_end(&p);
    copy_all(k, false);
    return lt_ctx_interrupted(c) ? lt_fail("interrupted while the mixture was learnt") : 0;
}

static void begin(struct learner *k)
{
    const struct lt_mixture_lesson *l = k->p.l;
    struct lt_mixing_table t = { .logp = l->logp, .count = l->count, .stride = l->members, .members = l->members };
    double w[LT_MIXING_MEMBERS];
    struct lt_rng r = lt_rng_make(l->seed, "mixture gate");
    if (k->g.F) measure_features(k);
    for (int64_t i = 0; i < k->g.H * k->g.F; i++)
        k->g.w1[i] = (float)(lt_rng_normal(&r) * sqrt(2 / (double)k->g.F));
    if (!k->g.F && !k->g.tokenwise) return;             /* constants themselves start from equal ones */
    lt_mixing_em(l->ctx, &t, w);
    for (int64_t i = 0; i < k->g.O; i++)
        k->g.b2[i] = (float)log(fmax(w[k->g.tokenwise ? i / k->g.vocab : i], WEIGHT_FLOOR));
}

static void take_memory(struct learner *k)
{
    const struct gate *g = &k->g;
    k->p.x = lt_alloc((size_t)(AT_ONCE * LT_MAX(g->F, 1)) * sizeof(float));
    k->p.h = lt_alloc((size_t)(AT_ONCE * LT_MAX(g->H, 1)) * sizeof(float));
    k->p.dh = lt_alloc((size_t)(AT_ONCE * LT_MAX(g->H, 1)) * sizeof(float));
    k->p.z = lt_alloc((size_t)(AT_ONCE * g->O) * sizeof(float));
    for (int i = 0; i < k->f->tensor_count; i++) {
        const struct lt_mixture_tensor *w = &k->f->tensor[i];
        k->gradient[i] = lt_calloc((size_t)(w->rows * w->cols), sizeof(float));
        k->best[i] = lt_calloc((size_t)(w->rows * w->cols), sizeof(float));
        k->state[i] = lt_calloc(1, k->optim->state(k->optim_o, w->rows, w->cols));
    }
}

static void release_memory(struct learner *k)
{
    free(k->p.x);
    free(k->p.h);
    free(k->p.dh);
    free(k->p.z);
    for (int i = 0; i < k->f->tensor_count; i++) {
        free(k->gradient[i]);
        free(k->best[i]);
        free(k->state[i]);
    }
}

int lt_gate_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l)
{
    struct learner k = { .g = gate_of(f), .f = f, .count = l->count };
    const struct lt_method *adam = lt_method_find("optim", "adamw");
    if (!adam) return -1;
    struct lt_options *s = lt_options_new(adam);
    k.optim = (const struct lt_optim *)adam;
    k.optim_o = lt_options_done(s);
    k.train = l->count - (int64_t)((double)l->count * k.g.o->holdout);
    k.p.g = &k.g;
    k.p.l = l;
    k.p.pool = lt_ctx_pool(l->ctx);
    int rc = k.optim_o ? 0 : -1;
    if (!rc && k.train < 1) rc = lt_fail("there is nothing to learn the mixture from");
    if (!rc) {
        take_memory(&k);
        begin(&k);
        rc = run_epochs(&k, l->seed, l->ctx);
        release_memory(&k);
    }
    lt_options_free(s);
    return rc;
}
