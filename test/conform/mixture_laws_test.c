/* Laws of every way to mix models, because it is in the list, and the learners against figures found the long way. */
#include "test.h"
#include "lm/mixing.h"
#include "mixture/mixture.h"
#include <math.h>

enum { VOCAB = 12, MEMBERS = 3, COUNT = 1500, DOCUMENT = 100 };

/* ---- a text of which models say this and that ---- */
struct world { struct lt_mixture_lesson l; int32_t token[COUNT]; float *logp, *entropy, *row; int64_t first[COUNT]; };

static void normalise(float *row)
{
    double z = lt_mixing_log_sum(row, VOCAB);
    for (int v = 0; v < VOCAB; v++) row[v] = (float)((double)row[v] - z);
}

static double entropy_of(const float *row)
{
    double h = 0;
    for (int v = 0; v < VOCAB; v++) h -= exp((double)row[v]) * (double)row[v];
    return h;
}

/* Member m of `of` (order: which member of the world stands where).  Tokens come from the first two, from the one that
 * is surer three times out of four, so that there is something to learn. */
static void make(struct world *w, const int *order, int members, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, "world");
    float row[MEMBERS][VOCAB];
    *w = (struct world){ .l = { .members = members, .vocab = VOCAB, .count = COUNT, .seed = 7 } };
    w->logp = lt_alloc(COUNT * (size_t)members * sizeof(float));
    w->entropy = lt_alloc(COUNT * (size_t)members * sizeof(float));
    w->row = lt_alloc(COUNT * (size_t)members * VOCAB * sizeof(float));
    for (int i = 0; i < COUNT; i++) {
        for (int m = 0; m < MEMBERS; m++) {
            double sharpness = 0.3 + 3 * lt_rng_unit(&r);
            for (int v = 0; v < VOCAB; v++) row[m][v] = (float)(sharpness * lt_rng_normal(&r));
            normalise(row[m]);
        }
        int surer = entropy_of(row[0]) < entropy_of(row[1]) ? 0 : 1, from = lt_rng_below(&r, 4) ? surer : 1 - surer;
        double u = lt_rng_unit(&r);
        int32_t token = 0;
        for (double p = exp((double)row[from][0]); p < u && token < VOCAB - 1; p += exp((double)row[from][token]))
            token++;
        w->token[i] = token;
        w->first[i] = i - i % DOCUMENT;
        for (int m = 0; m < members; m++) {
            memcpy(w->row + ((size_t)i * (size_t)members + (size_t)m) * VOCAB, row[order[m]], sizeof row[0]);
            w->logp[i * members + m] = row[order[m]][token];
            w->entropy[i * members + m] = (float)entropy_of(row[order[m]]);
        }
    }
    w->l.token = w->token;
    w->l.logp = w->logp;
    w->l.entropy = w->entropy;
    w->l.row = w->row;
    w->l.first = w->first;
}

static void drop(struct world *w)
{
    free(w->logp);
    free(w->entropy);
    free(w->row);
}

static struct lt_mixture_place place_at(const struct world *w, int i, const float **row)
{
    int n = w->l.members;
    for (int m = 0; m < n; m++) row[m] = w->row + ((size_t)i * (size_t)n + (size_t)m) * VOCAB;
    return (struct lt_mixture_place){ .row = row, .entropy = w->entropy + i * n, .past = w->logp + w->first[i] * n,
                                      .past_count = i - w->first[i] };
}

/* Log-likelihood a token by whole distributions. */
static double likelihood(const struct lt_mixture_fit *f, const struct world *w)
{
    double sum = 0;
    float out[VOCAB];
    const float *row[MEMBERS];
    for (int i = 0; i < COUNT; i++) {
        struct lt_mixture_place p = place_at(w, i, row);
        lt_mixture_row(f, &p, VOCAB, out);
        sum += (double)out[w->token[i]];
    }
    return sum / COUNT;
}

/* ---- every method ---- */
typedef void law_fn(const struct lt_mixture *how, const void *o);

static const struct lt_method *const *members(const char *kind)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, kind)) k++;
    return k->member;
}

static void each(law_fn *law)
{
    for (const struct lt_method *const *m = members("mixture"); *m; m++) {
        struct lt_options *s = lt_options_new(*m);
        const void *o = (*m)->opts ? lt_options_done(s) : NULL;
        law((const struct lt_mixture *)*m, o);
        lt_options_free(s);
    }
}

static void learn(struct lt_mixture_fit *f, const struct lt_mixture *how, const void *o, struct world *w)
{
    lt_mixture_init(f, how, o, w->l.members, VOCAB);
    if (how->learn) assert_ok(how->learn(f, &w->l));
}

static const int in_order[] = { 0, 1, 2 };

static void law_one_member(const struct lt_mixture *how, const void *o)
{
    struct world w;
    struct lt_mixture_fit f;
    float out[VOCAB];
    const float *row[MEMBERS];
    make(&w, in_order, 1, 1);
    for (int learnt = 0; learnt < 2; learnt++) {
        if (learnt && (how->flags & LT_MIXTURE_PRODUCT)) continue;      /* it learns a temperature */
        if (learnt) learn(&f, how, o, &w);
        else lt_mixture_init(&f, how, o, 1, VOCAB);
        for (int i = 0; i < 40; i++) {
            struct lt_mixture_place p = place_at(&w, i, row);
            lt_mixture_row(&f, &p, VOCAB, out);
            for (int v = 0; v < VOCAB; v++)
                if (fabsf(out[v] - row[0][v]) > 2e-6f)
                    fail_msg("%s of one model: %g, not %g", how->m.name, (double)out[v], (double)row[0][v]);
        }
        lt_mixture_release(&f);
    }
    drop(&w);
}

static void law_sums_to_one(const struct lt_mixture *how, const void *o)
{
    struct world w;
    struct lt_mixture_fit f;
    float out[VOCAB], sure[VOCAB];
    const float *row[MEMBERS];
    make(&w, in_order, MEMBERS, 2);
    learn(&f, how, o, &w);
    for (int v = 0; v < VOCAB; v++) sure[v] = v ? -INFINITY : 0;
    for (int i = 0; i < 60; i++) {
        double sum = 0;
        struct lt_mixture_place p = place_at(&w, i, row);
        if (i % 3 == 0) row[i % MEMBERS] = sure;
        lt_mixture_row(&f, &p, VOCAB, out);
        for (int v = 0; v < VOCAB; v++) sum += exp((double)out[v]);
        if (!(fabs(sum - 1) < 1e-5)) fail_msg("%s sums to %.8f", how->m.name, sum);
        if (lt_mixture_needs_rows(how)) continue;
        float now[MEMBERS];
        for (int m = 0; m < MEMBERS; m++) now[m] = row[m][3];
        assert_float_equal(lt_mixture_token(&f, &p, now), out[3], 1e-6);
    }
    lt_mixture_release(&f);
    drop(&w);
}

static void law_learning_helps(const struct lt_mixture *how, const void *o)
{
    struct world w;
    struct lt_mixture_fit f;
    make(&w, in_order, MEMBERS, 3);
    lt_mixture_init(&f, how, o, MEMBERS, VOCAB);
    double before = likelihood(&f, &w);
    lt_mixture_release(&f);
    learn(&f, how, o, &w);
    double after = likelihood(&f, &w);
    if (!(how->learn ? after > before + 0.001 : after == before))
        fail_msg("%s: log-likelihood %.6f before learning and %.6f after", how->m.name, before, after);
    lt_mixture_release(&f);
    drop(&w);
}

/* What random first values decide is left out. */
static bool finds_the_best(const struct lt_mixture *how)
{
    return how->learn && !(how->flags & (LT_MIXTURE_ENTROPY | LT_MIXTURE_ROWS));
}

static double after_learning(const struct lt_mixture *how, const void *o, const int *order, int n)
{
    struct world w;
    struct lt_mixture_fit f;
    make(&w, order, n, 4);
    learn(&f, how, o, &w);
    double found = likelihood(&f, &w);
    lt_mixture_release(&f);
    drop(&w);
    return found;
}

static void law_order_and_duplicates(const struct lt_mixture *how, const void *o)
{
    static const int swapped[] = { 2, 0, 1 }, twice[] = { 0, 1, 1 };
    bool by_gradient = how->learn && how->m.opts && how->m.paper;
    if (!finds_the_best(how)) return;
    double here = after_learning(how, o, in_order, 3), there = after_learning(how, o, swapped, 3);
    if (fabs(here - there) > (by_gradient ? 1e-4 : 1e-6))
        fail_msg("%s: %.8f in one order and %.8f in another", how->m.name, here, there);
    double two = after_learning(how, o, in_order, 2), three = after_learning(how, o, twice, 3);
    if (fabs(two - three) > (by_gradient ? 1e-2 : 1e-6))
        fail_msg("%s: %.8f with two members and %.8f when one stands there twice", how->m.name, two, three);
}

static void law_threads(const struct lt_mixture *how, const void *o)
{
    struct lt_mixture_fit f[2];
    struct world w;
    make(&w, in_order, MEMBERS, 5);
    for (int i = 0; i < 2; i++) {
        w.l.ctx = lt_ctx_new(i ? 4 : 1, NULL, NULL);
        learn(&f[i], how, o, &w);
        lt_ctx_free(w.l.ctx);
    }
    assert_memory_equal(f[0].weight, f[1].weight, sizeof f[0].weight);
    for (int t = 0; t < f[0].tensor_count; t++)
        assert_memory_equal(f[0].tensor[t].value, f[1].tensor[t].value,
                            (size_t)(f[0].tensor[t].rows * f[0].tensor[t].cols) * sizeof(float));
    for (int i = 0; i < 2; i++) lt_mixture_release(&f[i]);
    drop(&w);
}

static void test_mixture_laws__one_member(void **state) { (void)state; each(law_one_member); }
static void test_mixture_laws__sums_to_one(void **state) { (void)state; each(law_sums_to_one); }
static void test_mixture_laws__learning_helps(void **state) { (void)state; each(law_learning_helps); }
static void test_mixture_laws__order_and_duplicates(void **state) { (void)state; each(law_order_and_duplicates); }
static void test_mixture_laws__threads(void **state) { (void)state; each(law_threads); }

/* ---- learners against the long way ---- */
static const struct lt_mixture *named(const char *name)
{
    return (const struct lt_mixture *)lt_method_find("mixture", name);
}

/* EM finds the best of all weights on a fine grid, and a step of it never makes the text less likely. */
static void test_mixture_laws__em(void **state)
{
    (void)state;
    struct world w;
    make(&w, in_order, 2, 6);
    struct lt_mixing_table t = { .logp = w.logp, .count = COUNT, .stride = 2, .members = 2 };
    double best = -INFINITY, at = 0, found[2], step[2] = { 0.99, 0.01 }, last = -INFINITY;
    for (int k = 0; k <= 10000; k++) {
        double sum = 0, a = k / 10000.0;
        for (int i = 0; i < COUNT; i++)
            sum += log(a * exp((double)w.logp[2 * i]) + (1 - a) * exp((double)w.logp[2 * i + 1]));
        if (sum > best) at = a;
        best = fmax(best, sum);
    }
    double sum = lt_mixing_em(NULL, &t, found);
    assert_float_equal(found[0], at, 2e-4);
    assert_float_equal(found[0] + found[1], 1, 1e-12);
    assert_true(sum > best - 1e-4);
    assert_float_equal(sum, lt_mixing_sum(NULL, &t, found, NULL), 1e-9);
    for (int k = 0; k < 60; k++) {
        double next[2] = { 0, 0 }, now = lt_mixing_sum(NULL, &t, step, NULL);
        assert_true(now >= last - 1e-9);
        last = now;
        for (int i = 0; i < COUNT; i++) {
            double p = step[0] * exp((double)w.logp[2 * i]), q = step[1] * exp((double)w.logp[2 * i + 1]);
            next[0] += p / (p + q) / COUNT;
            next[1] += q / (p + q) / COUNT;
        }
        memcpy(step, next, sizeof step);
    }
    assert_float_equal(step[0], found[0], 1e-3);
    drop(&w);
}

/* Places without any probability do not count; a column of its own may be asked for. */
static void test_mixture_laws__em_edges(void **state)
{
    (void)state;
    const float logp[] = { -1, -INFINITY, -9, -INFINITY, -INFINITY, -9, -INFINITY, -2, -9 };
    int column[] = { 0, 1 };
    struct lt_mixing_table t = { .logp = logp, .count = 3, .stride = 3, .members = 2, .column = column };
    double w[2];
    int64_t places;
    lt_mixing_em(NULL, &t, w);
    assert_float_equal(w[0], 0.5, 1e-9);
    assert_float_equal(lt_mixing_sum(NULL, &t, w, &places), -3 + 2 * log(0.5), 1e-6);
    assert_int_equal(places, 2);
    column[0] = 2;
    t.members = 1;
    lt_mixing_em(NULL, &t, w);
    assert_float_equal(w[0], 1, 0);
}

static double product_likelihood(const struct world *w, double a, double b)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++) {
        const float *p = w->row + (size_t)i * 2 * VOCAB, *q = p + VOCAB;
        double z = 0;
        for (int v = 0; v < VOCAB; v++) z += exp(a * (double)p[v] + b * (double)q[v]);
        sum += a * (double)p[w->token[i]] + b * (double)q[w->token[i]] - log(z);
    }
    return sum / COUNT;
}

static void test_mixture_laws__log_linear(void **state)
{
    (void)state;
    struct world w;
    struct lt_mixture_fit f;
    make(&w, in_order, 2, 8);
    learn(&f, named("log_linear"), NULL, &w);
    double a = f.weight[0], b = f.weight[1], best = product_likelihood(&w, a, b);
    assert_float_equal(best, likelihood(&f, &w), 1e-6);
    for (int k = 0; k < 8; k++) {
        double angle = k * 0.785398;
        assert_true(product_likelihood(&w, a + 0.01 * cos(angle), b + 0.01 * sin(angle)) < best);
    }
    assert_true(best > product_likelihood(&w, 0.5, 0.5));
    lt_mixture_release(&f);
    drop(&w);
}

/* Weights at every place, by definition. */
static void test_mixture_laws__bayes(void **state)
{
    (void)state;
    struct world w;
    struct lt_mixture_fit f;
    struct lt_options *s = lt_options_new(&named("bayes")->m);
    const float *row[MEMBERS];
    double got[MEMBERS];
    assert_ok(lt_options_set(s, "context", "4"));
    assert_ok(lt_options_set(s, "scale", "0.5"));
    make(&w, in_order, MEMBERS, 9);
    learn(&f, named("bayes"), lt_options_done(s), &w);
    for (int i = 0; i < 300; i++) {
        double want[MEMBERS], sum = 0;
        for (int m = 0; m < MEMBERS; m++) {
            want[m] = f.weight[m];
            for (int k = LT_MAX(i - 4, (int)w.first[i]); k < i; k++)
                want[m] *= sqrt(exp((double)w.logp[k * MEMBERS + m]));
            sum += want[m];
        }
        struct lt_mixture_place p = place_at(&w, i, row);
        f.how->weigh(&f, &p, got);
        for (int m = 0; m < MEMBERS; m++) assert_float_equal(got[m], want[m] / sum, 1e-9);
    }
    lt_mixture_release(&f);
    lt_options_free(s);
    drop(&w);
}

static const void *patient(struct lt_options *s)
{
    assert_ok(lt_options_set(s, "holdout", "0"));
    assert_ok(lt_options_set(s, "epochs", "150"));
    assert_ok(lt_options_set(s, "learning_rate", "0.03"));
    return lt_options_done(s);
}

/* By gradient to where EM comes at once. */
static void test_mixture_laws__constant_scalar_is_linear(void **state)
{
    (void)state;
    struct world w;
    struct lt_mixture_fit em, slow;
    struct lt_options *s = lt_options_new(&named("constant_scalar")->m);
    make(&w, in_order, MEMBERS, 10);
    learn(&em, named("linear"), NULL, &w);
    learn(&slow, named("constant_scalar"), patient(s), &w);
    for (int m = 0; m < MEMBERS; m++) assert_float_equal(em.weight[m], slow.weight[m], 0.01);
    assert_float_equal(likelihood(&em, &w), likelihood(&slow, &w), 1e-4);
    lt_mixture_release(&em);
    lt_mixture_release(&slow);
    lt_options_free(s);
    drop(&w);
}

/* Of a weight for every token, against ascent in double by differences. */
static double vector_likelihood(const struct world *w, const double *b)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++) {
        const float *p = w->row + (size_t)i * 2 * VOCAB, *q = p + VOCAB;
        double z = 0, at = 0;
        for (int v = 0; v < VOCAB; v++) {
            double lambda = 1 / (1 + exp(-b[v])), x = lambda * exp((double)p[v]) + (1 - lambda) * exp((double)q[v]);
            z += x;
            if (v == w->token[i]) at = x;
        }
        sum += log(at / z);
    }
    return sum / COUNT;
}

static void test_mixture_laws__constant_vector(void **state)
{
    (void)state;
    struct world w;
    struct lt_mixture_fit f;
    struct lt_options *s = lt_options_new(&named("constant_vector")->m);
    double b[VOCAB] = { 0 }, best = -INFINITY;
    make(&w, in_order, 2, 11);
    learn(&f, named("constant_vector"), patient(s), &w);
    for (int step = 0; step < 40; step++) {
        double gradient[VOCAB];
        best = vector_likelihood(&w, b);
        for (int v = 0; v < VOCAB; v++) {
            double kept = b[v];
            b[v] = kept + 1e-5;
            gradient[v] = (vector_likelihood(&w, b) - best) / 1e-5;
            b[v] = kept;
        }
        for (int v = 0; v < VOCAB; v++) b[v] += 20 * gradient[v];
    }
    double found = likelihood(&f, &w);
    if (fabs(found - best) > 1e-3) fail_msg("%.6f, by differences %.6f", found, best);
    lt_mixture_release(&f);
    lt_options_free(s);
    drop(&w);
}

/* The text was made so that the surer of two is right more often: entropies beat any constant. */
static void test_mixture_laws__entropies_tell(void **state)
{
    (void)state;
    struct world w, other;
    make(&w, in_order, MEMBERS, 12);
    make(&other, in_order, MEMBERS, 13);
    double found[2];
    const char *const name[] = { "linear", "entropy_scalar" };
    for (int i = 0; i < 2; i++) {
        struct lt_options *s = lt_options_new(&named(name[i])->m);
        struct lt_mixture_fit f;
        learn(&f, named(name[i]), named(name[i])->m.opts ? lt_options_done(s) : NULL, &w);
        found[i] = likelihood(&f, &other);
        lt_mixture_release(&f);
        lt_options_free(s);
    }
    if (!(found[1] > found[0] + 0.003)) fail_msg("entropies %.5f, constants %.5f", found[1], found[0]);
    drop(&w);
    drop(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture_laws__one_member),
        cmocka_unit_test(test_mixture_laws__sums_to_one),
        cmocka_unit_test(test_mixture_laws__learning_helps),
        cmocka_unit_test(test_mixture_laws__order_and_duplicates),
        cmocka_unit_test(test_mixture_laws__threads),
        cmocka_unit_test(test_mixture_laws__em),
        cmocka_unit_test(test_mixture_laws__em_edges),
        cmocka_unit_test(test_mixture_laws__log_linear),
        cmocka_unit_test(test_mixture_laws__bayes),
        cmocka_unit_test(test_mixture_laws__constant_scalar_is_linear),
        cmocka_unit_test(test_mixture_laws__constant_vector),
        cmocka_unit_test(test_mixture_laws__entropies_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
