#include "mixture/ensemble.h"
#include "base/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct judge {
    struct lt_ctx *c;
    const struct lt_aligned *dev, *on;      /* weights are found on dev, perplexities are of `on` */
    struct lt_ensemble *e;
    struct lt_progress progress; double fits;
};
struct subset { int column[LT_MIXING_MEMBERS], count; double weight[LT_MIXING_MEMBERS]; };

static struct lt_mixing_table table_of(const struct lt_aligned *a, const struct subset *s)
{
    return (struct lt_mixing_table){ .logp = a->logp, .count = a->count, .stride = a->members, .members = s->count,
                                     .column = s->column };
}

static struct subset all_of(int members)
{
    struct subset s = { .count = members };
    for (int m = 0; m < members; m++) {
        s.column[m] = m;
        s.weight[m] = 1.0 / members;
    }
    return s;
}

/* Units to which some member gives a probability count; to give one of them none costs everything. */
static double perplexity(struct lt_ctx *c, const struct lt_aligned *a, const struct subset *s)
{
    struct subset all = all_of(a->members);
    struct lt_mixing_table some = table_of(a, s), whole = table_of(a, &all);
    int64_t places, of;
    lt_mixing_sum(c, &whole, all.weight, &of);
    double sum = lt_mixing_sum(c, &some, s->weight, &places);
    if (!of) return NAN;
    return places < of ? INFINITY : exp(-sum / (double)of);
}

static double fit(struct judge *j, struct subset *s)
{
    struct lt_mixing_table t = table_of(j->dev, s);
    double sum = lt_mixing_em(j->c, &t, s->weight);
    lt_progress_at(&j->progress, ++j->fits, NULL);
    return sum;
}

static void judge_without(struct judge *j)
{
    struct lt_ensemble *e = j->e;
    for (int m = 0; m < e->members; m++) {
        struct subset s = { 0 };
        e->member[m].without = NAN;
        for (int k = 0; k < e->members; k++)
            if (k != m) s.column[s.count++] = k;
        if (!s.count) continue;
        fit(j, &s);
        e->member[m].without = perplexity(j->c, j->on, &s);
    }
}

/* From nothing, always the member that makes the development text likeliest; the first of equals. */
static void judge_order(struct judge *j)
{
    struct lt_ensemble *e = j->e;
    struct subset taken = { 0 };
    for (int m = 0; m < e->members; m++) e->member[m].place = 0;
    for (int place = 1; place <= e->members; place++) {
        struct subset best = { 0 };
        double most = -INFINITY;
        int who = -1;
        for (int m = 0; m < e->members; m++) {
            if (e->member[m].place) continue;
            struct subset s = taken;
            s.column[s.count++] = m;
            double sum = fit(j, &s);
            if (s.count == 1 && !(perplexity(j->c, j->dev, &s) < INFINITY)) sum = -1e300;
            if (who >= 0 && !(sum > most)) continue;
            most = sum;
            best = s;
            who = m;
        }
        taken = best;
        e->member[who].place = place;
        e->member[who].together = perplexity(j->c, j->on, &taken);
    }
}

void lt_ensemble_judge(struct lt_ctx *c, const struct lt_aligned *dev, const struct lt_aligned *test,
                       struct lt_ensemble *e)
{
    struct subset s = all_of(dev->members);
    struct judge j = { .c = c, .dev = dev, .on = test ? test : dev, .e = e };
    double n = dev->members;
    lt_progress_begin(c, &j.progress, "weights", "mixtures", 1 + n + n * (n + 1) / 2);
    e->members = dev->members;
    e->tested = test != NULL;
    e->tokens = dev->count;
    e->test_tokens = test ? test->count : 0;
    e->left_out = dev->left_out + (test ? test->left_out : 0);
    e->uniform_dev = perplexity(c, dev, &s);
    e->uniform_test = test ? perplexity(c, test, &s) : NAN;
    fit(&j, &s);
    e->dev = perplexity(c, dev, &s);
    e->test = test ? perplexity(c, test, &s) : NAN;
    for (int m = 0; m < e->members; m++) {
        struct subset one = { .column = { m }, .count = 1, .weight = { 1 } };
        e->member[m].weight = s.weight[m];
        e->member[m].dev = perplexity(c, dev, &one);
        e->member[m].test = test ? perplexity(c, test, &one) : NAN;
    }
    judge_without(&j);
    judge_order(&j);
    lt_progress_end(&j.progress);
    e->method = NULL;
    e->method_dev = e->method_test = NAN;
}

int lt_ensemble_best(const struct lt_ensemble *e, bool weakest)
{
    int best = 0;
    for (int m = 1; m < e->members; m++) {
        double a = e->tested ? e->member[m].test : e->member[m].dev;
        double b = e->tested ? e->member[best].test : e->member[best].dev;
        if (weakest ? a > b : a < b) best = m;
    }
    return best;
}
