/* Context mixing as SRILM's ngram -bayes does it: what a member weighs is its prior times what it gave the last tokens.
 *     lathe ensemble A B --dev dev.txt --method bayes --method.context 8 --output mix.json */
#include "base/ctx.h"
#include "mixture/mixture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096, STEPS = 200, TRIES = 40 };
#define STILL 1e-9              /* gain a token below which the priors are left alone */

struct options { int64_t context; double scale; };

/* Posteriors from priors and the log-likelihoods of the last tokens. */
static void posterior(const struct options *o, int members, const double *prior, const float *past, int64_t count,
                      double *w)
{
    int64_t from = o->context ? LT_MAX(0, count - o->context) : count;
    double top = -INFINITY, sum = 0;
    for (int m = 0; m < members; m++) {
        double s = 0;
        for (int64_t i = from; i < count; i++) s += fmax((double)past[i * members + m], LT_MIXING_FLOOR);
        w[m] = prior[m] > 0 ? log(prior[m]) + o->scale * s : -INFINITY;
        top = fmax(top, w[m]);
    }
    for (int m = 0; m < members; m++) sum += w[m] = exp(w[m] - top);
    for (int m = 0; m < members; m++) w[m] /= sum;
}

static void bayes_weigh(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, double *w)
{
    posterior(f->o, f->members, f->weight, p->past, p->past_count, w);
}

/* Of a text under given priors: log-likelihood and its gradient in the logarithms of the priors, which is, a place, the
 * posterior after the token less the posterior before it. */
struct job { const struct options *o; const struct lt_mixture_lesson *l; const double *prior; double *sum; };

static void bayes_piece(void *self, int64_t k)
{
    struct job *j = self;
    const struct lt_mixture_lesson *l = j->l;
    int n = l->members;
    double *sum = j->sum + k * (n + 1), w[LT_MIXING_MEMBERS], part[LT_MIXING_MEMBERS];
    memset(sum, 0, (size_t)(n + 1) * sizeof *sum);
    for (int64_t i = k * PIECE; i < LT_MIN((k + 1) * PIECE, l->count); i++) {
        const float *past = l->logp + l->first[i] * n, *now = l->logp + i * n;
        double p = 0;
        float top = -INFINITY;
        for (int m = 0; m < n; m++) top = fmaxf(top, now[m]);
        if (top == -INFINITY) continue;
        posterior(j->o, n, j->prior, past, i - l->first[i], w);
        for (int m = 0; m < n; m++) p += part[m] = w[m] * exp((double)now[m] - (double)top);
        if (!(p > 0)) continue;
        sum[n] += log(p) + (double)top;
        for (int m = 0; m < n; m++) sum[m] += part[m] / p - w[m];
    }
}

static double evaluate(struct job *j, const double *prior, double *gradient)
{
    int n = j->l->members;
    int64_t pieces = (j->l->count + PIECE - 1) / PIECE;
    double total = 0;
    j->prior = prior;
    lt_pool_run(lt_ctx_pool(j->l->ctx), pieces, bayes_piece, j);
    memset(gradient, 0, (size_t)n * sizeof *gradient);
    for (int64_t k = 0; k < pieces; k++) {
        for (int m = 0; m < n; m++) gradient[m] += j->sum[k * (n + 1) + m];
        total += j->sum[k * (n + 1) + n];
    }
    return total;
}

static void step(int n, const double *from, const double *gradient, double rate, double *to)
{
    double sum = 0;
    for (int m = 0; m < n; m++) sum += to[m] = from[m] * exp(fmin(fmax(rate * gradient[m], -20), 20));
    for (int m = 0; m < n; m++) to[m] /= sum;
}

/* Gradient ascent in the logarithms of the priors from equal ones; the rate doubles after a step that was an
 * improvement and halves until one is. */
static int bayes_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l)
{
    int n = l->members;
    double gradient[LT_MIXING_MEMBERS], next[LT_MIXING_MEMBERS], to[LT_MIXING_MEMBERS];
    double rate = 4 / fmax((double)l->count, 1);
    struct job j = { .o = f->o, .l = l };
    j.sum = lt_alloc((size_t)LT_MAX(1, (l->count + PIECE - 1) / PIECE) * (size_t)(n + 1) * sizeof *j.sum);
    double now = evaluate(&j, f->weight, gradient), gain = 1;
    for (int k = 0; k < STEPS && gain > STILL * (double)l->count && !lt_ctx_interrupted(l->ctx); k++) {
        gain = 0;
        for (int t = 0; t < TRIES && !(gain > 0); t++, rate /= 2) {
            step(n, f->weight, gradient, rate, to);
            gain = evaluate(&j, to, next) - now;
        }
        if (!(gain > 0)) break;
        memcpy(f->weight, to, (size_t)n * sizeof *to);
        memcpy(gradient, next, (size_t)n * sizeof *next);
        now += gain;
        rate *= 4;
    }
    free(j.sum);
    return 0;
}

static const struct lt_opt rows[] = {
    { .key = "context", .help = "tokens before a place that the members are judged by; 0: none, constant weights",
      .type = LT_INT, .at = offsetof(struct options, context), .dflt = 8, .min = 0, .max = 1e6 },
    { .key = "scale", .help = "power to which the likelihoods of those tokens are raised", .type = LT_REAL,
      .at = offsetof(struct options, scale), .dflt = 1, .min = 0, .max = 100 },
    { 0 },
};
const struct lt_mixture lt_mixture_bayes = {
    .m = { .name = "bayes", .brief = "weights go by how well each member foretold the last tokens",
           .size = sizeof(struct options), .opts = rows,
           .doc = "w[m] = prior[m] p_m(last tokens)^scale, divided by the sum over the members; p(v) = sum of w[m]\n"
                  "p_m(v).  The priors are learnt on held-out text.  SRILM: ngram -bayes N -bayes-scale S.\n"
                  "example: lathe ensemble a b --dev dev.txt --method bayes --method.context 8 --output mix.json" },
    .flags = LT_MIXTURE_WEIGHTS | LT_MIXTURE_PAST, .learn = bayes_learn, .weigh = bayes_weigh,
};
