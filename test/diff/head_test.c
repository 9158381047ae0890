/* The fused head against a double-precision twin that holds all logits, on every instruction set and in both
 * precisions; the same bits on any number of threads, for a row alone, and whatever else is asked for. */
#include "levels.h"
#include "math/kernel.h"
#include <math.h>

struct shape {
    int64_t rows, width, vocab;
    bool trans, bias, weights;
    float smoothing, z_loss;
    enum lt_dtype type;
};

static const struct shape shapes[] = {
    { .rows = 1, .width = 1, .vocab = 1 },
    { .rows = 0, .width = 8, .vocab = 5 },
    { .rows = 3, .width = 5, .vocab = 2, .bias = true },
    { .rows = 37, .width = 16, .vocab = 33, .weights = true, .smoothing = 0.1f },
    { .rows = 37, .width = 33, .vocab = 100, .trans = true, .z_loss = 1e-2f, .bias = true },
    { .rows = 600, .width = 24, .vocab = 257, .weights = true, .bias = true, .smoothing = 0.2f, .z_loss = 1e-3f },
    { .rows = 1100, .width = 8, .vocab = 31, .trans = true, .weights = true },
    { .rows = 20, .width = 40, .vocab = 5000, .type = LT_BF16 },
    { .rows = 20, .width = 17, .vocab = 70, .type = LT_F16, .smoothing = 1 },
};

struct setup {
    struct lt_head s;
    float *x, *w, *bias, *weight, *loss, *logp, *dx, *dw, *dbias;
    void *narrow;
    int32_t *target;
    uint8_t *hit;
};

static float *normals(struct lt_rng *r, int64_t n, float scale)
{
    float *x = lt_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = scale * (float)lt_rng_normal(r);
    return x;
}

static float *ones(int64_t n)
{
    float *x = lt_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = 1;
    return x;
}

static void round_bf16(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = lt_from_bf16(lt_to_bf16(x[i]));
}

static float most_of(enum lt_compute compute)
{
    return compute == LT_COMPUTE_INT8 ? 127 : 2047;
}

/* n elements, `step` apart, become multiples of what a row's largest makes of `most`. */
static void round_whole(float *x, int64_t step, int64_t n, float most)
{
    float top = 0;
    for (int64_t i = 0; i < n; i++) top = fmaxf(top, fabsf(x[i * step]));
    for (int64_t i = 0; i < n; i++) x[i * step] = nearbyintf(x[i * step] * (most / top)) * (top / most);
}

static struct setup make(const struct shape *h, enum lt_compute compute, float scale)
{
    struct lt_rng r = lt_rng_make(3, "head");
    struct setup t = { .s = { .rows = h->rows, .width = h->width, .vocab = h->vocab, .ldx = h->width + 3,
                              .w_type = h->type,
                              .w_trans = h->trans, .smoothing = h->smoothing, .z_loss = h->z_loss, .scale = 0.5f,
                              .compute = compute, .lddx = h->width + 1 } };
    int64_t ldw = h->trans ? h->vocab : h->width, lines = h->trans ? h->width : h->vocab;
    t.s.ldw = t.s.lddw = ldw;
    t.x = normals(&r, h->rows * t.s.ldx, 1);
    t.w = normals(&r, lines * ldw, scale);
    t.bias = normals(&r, h->vocab, 1);
    t.narrow = lt_alloc((size_t)(lines * ldw) * 4);
    lt_convert(h->type, t.narrow, LT_F32, t.w, lines * ldw);
    lt_convert(LT_F32, t.w, h->type, t.narrow, lines * ldw);
    if (compute == LT_COMPUTE_BF16) {                   /* what the products see */
        round_bf16(t.x, h->rows * t.s.ldx);
        round_bf16(t.w, lines * ldw);
    }
    if (compute >= LT_COMPUTE_INT16) {
        for (int64_t i = 0; i < h->rows; i++) round_whole(t.x + i * t.s.ldx, 1, h->width, most_of(compute));
        for (int64_t v = 0; v < h->vocab; v++)
            round_whole(t.w + (h->trans ? v : v * ldw), h->trans ? ldw : 1, h->width, most_of(compute));
    }
    t.weight = ones(h->rows);
    t.target = lt_alloc((size_t)h->rows * sizeof *t.target);
    t.hit = lt_calloc((size_t)h->rows, 1);
    for (int64_t i = 0; i < h->rows; i++) {
        t.target[i] = (int32_t)lt_rng_below(&r, (uint64_t)h->vocab);
        if (h->weights) t.weight[i] = i % 3 ? 0.25f * (float)(i % 5) : 0;
    }
    t.loss = ones(h->rows);
    t.logp = ones(h->rows);
    t.dx = ones(h->rows * t.s.lddx);
    t.dw = ones(lines * ldw);
    t.dbias = ones(h->vocab);
    t.s.x = t.x;
    t.s.w = h->type == LT_F32 ? t.w : t.narrow;
    t.s.bias = h->bias ? t.bias : NULL;
    t.s.target = t.target;
    t.s.weight = h->weights ? t.weight : NULL;
    t.s.loss = t.loss;
    t.s.logp = t.logp;
    t.s.dx = t.dx;
    t.s.dw = t.dw;
    t.s.dbias = h->bias ? t.dbias : NULL;
    t.s.hit = t.hit;
    return t;
}

static void drop(struct setup *t)
{
    void *all[] = { t->x, t->w, t->bias, t->weight, t->loss, t->logp, t->dx, t->dw, t->dbias, t->narrow, t->target,
                    t->hit };
    for (int i = 0; i < LT_COUNT(all); i++) free(all[i]);
}

static int64_t weight_at(const struct lt_head *s, int64_t v, int64_t k)
{
    return s->w_trans ? k * s->ldw + v : v * s->ldw + k;
}

struct twin { double loss, logp; int64_t best; double *slope; };    /* slope (vocab) of scale * loss */

static void twin_row(const struct setup *t, int64_t row, struct twin *out)
{
    const struct lt_head *s = &t->s;
    double top = -INFINITY, sum = 0, mean = 0, eps = (double)s->smoothing, n = (double)s->vocab;
    double weight = s->weight ? (double)s->weight[row] : 1, *l = out->slope;
    for (int64_t v = 0; v < s->vocab; v++) {
        l[v] = s->bias ? (double)s->bias[v] : 0;
        for (int64_t k = 0; k < s->width; k++)
            l[v] += (double)t->x[row * s->ldx + k] * (double)t->w[weight_at(s, v, k)];
        mean += l[v] / n;
        if (l[v] > top) { top = l[v]; out->best = v; }
    }
    for (int64_t v = 0; v < s->vocab; v++) sum += exp(l[v] - top);
    double z = top + log(sum);
    int64_t target = s->target[row];
    out->logp = l[target] - z;
    out->loss = weight * ((1 - eps) * -out->logp + eps * (z - mean) + (double)s->z_loss * z * z);
    for (int64_t v = 0; v < s->vocab; v++) {
        double p = exp(l[v] - z);
        l[v] = (1 - eps) * (p - (v == target)) + eps * (p - 1 / n) + 2 * (double)s->z_loss * z * p;
        l[v] *= weight * (double)s->scale;
    }
}

static void close_to(float got, double want, double bound, const char *what)
{
    if (fabs((double)got - want) > bound) fail_msg("%s: %.9g, want %.9g within %.3g", what, (double)got, want, bound);
}

/* What sums of gradients times numbers are off with whole numbers: numbers by half a step of the largest among them,
 * and gradients too, or by a step with 8 bits, where they are rounded stochastically. */
struct extent { double top, sum; };

static void extend(struct extent *e, double x)
{
    e->top = fmax(e->top, fabs(x));
    e->sum += fabs(x);
}

static double whole_bound(enum lt_compute compute, struct extent slopes, struct extent numbers)
{
    const double half = compute >= LT_COMPUTE_INT16 ? 0.5 / ((double)most_of(compute) - 2) : 0;
    return half * (slopes.sum * numbers.top + slopes.top * numbers.sum * (compute == LT_COMPUTE_INT8 ? 2 : 1));
}

/* Every result of t.s against sums of the twin; bounds in units of what one product of this precision may be off. */
static void check(const struct setup *t)
{
    const struct lt_head *s = &t->s;
    const bool whole = s->compute >= LT_COMPUTE_INT16;
    double unit = s->compute == LT_COMPUTE_F32 || whole ? 1e-6 : 4e-3;
    struct extent *slope = lt_calloc((size_t)s->vocab + 1, sizeof *slope), *x = lt_calloc((size_t)s->width, sizeof *x);
    double *dw = lt_calloc((size_t)(s->vocab * s->width) + 1, 8), *db = lt_calloc((size_t)s->vocab + 1, 8);
    struct twin w = { .slope = lt_calloc((size_t)s->vocab + 1, 8) };
    for (int64_t i = 0; i < s->rows; i++) {
        if (s->weight && s->weight[i] == 0) {
            assert_true(t->loss[i] == 0 && t->logp[i] == 0 && t->hit[i] == 0 && t->dx[i * s->lddx] == 1);
            continue;
        }
        twin_row(t, i, &w);
        close_to(t->loss[i], w.loss, 4e-6 * (1 + fabs(w.loss)), "loss");
        close_to(t->logp[i], w.logp, 4e-6 * (1 + fabs(w.logp)), "logp");
        assert_int_equal(t->hit[i], w.best == s->target[i]);
        for (int64_t k = 0; k < s->width; k++) {
            double dx = 0, size = 0;
            struct extent ws = { 0 }, slopes = { 0 };
            for (int64_t v = 0; v < s->vocab; v++) {
                double one = (double)t->w[weight_at(s, v, k)], term = w.slope[v] * one;
                dx += term;
                size += fabs(term);
                extend(&ws, one);
                if (v != s->target[i]) extend(&slopes, w.slope[v]);
                dw[v * s->width + k] += w.slope[v] * (double)t->x[i * s->ldx + k];
            }
            extend(&x[k], (double)t->x[i * s->ldx + k]);
            close_to(t->dx[i * s->lddx + k], 1 + dx, whole_bound(s->compute, slopes, ws) + unit * (1e-3 + size) + 1e-6,
                     "dx");
        }
        for (int64_t v = 0; v < s->vocab; v++) {
            db[v] += w.slope[v];
            if (v != s->target[i]) extend(&slope[v], w.slope[v]);
        }
        assert_true(t->dx[i * s->lddx + s->width] == 1);
    }
    for (int64_t v = 0; v < s->vocab; v++) {
        if (s->bias) close_to(t->dbias[v], 1 + db[v], 1e-5 * (1 + fabs(db[v])), "dbias");
        for (int64_t k = 0; k < s->width; k++)
            close_to(t->dw[weight_at(s, v, k)], 1 + dw[v * s->width + k],
                     whole_bound(s->compute, slope[v], x[k]) + unit * 5 * (1 + fabs(dw[v * s->width + k])), "dw");
    }
    free(dw); free(db); free(w.slope); free(slope); free(x);
}

static void test_head__values_and_gradients(void **state)
{
    (void)state;
    for (int n = 0; n < LT_COMPUTES * LT_COUNT(shapes); n++) {
        enum lt_compute compute = (enum lt_compute)(n % LT_COMPUTES);
        if (compute >= LT_COMPUTE_INT16 && shapes[n / LT_COMPUTES].type != LT_F32) continue;    /* seen as rounded */
        struct setup t = make(&shapes[n / LT_COMPUTES], compute, 0.3f);
        lt_head_xent(NULL, &t.s);
        check(&t);
        drop(&t);
    }
}

/* Logits of thousands: nothing overflows, and a sure row has loss 0 and no gradient to speak of. */
static void test_head__extreme_logits(void **state)
{
    (void)state;
    struct setup t = make(&shapes[3], LT_COMPUTE_F32, 1e4f);
    lt_head_xent(NULL, &t.s);
    for (int64_t i = 0; i < t.s.rows; i++) assert_true(isfinite(t.loss[i]) && isfinite(t.logp[i]));
    for (int64_t k = 0; k < t.s.rows * t.s.lddx; k++) assert_true(isfinite(t.dx[k]));
    drop(&t);
    t = make(&shapes[0], LT_COMPUTE_F32, 1e4f);         /* a vocabulary of one word */
    lt_head_xent(NULL, &t.s);
    assert_true(t.loss[0] == 0 && t.logp[0] == 0 && t.dx[0] == 1 && t.dw[0] == 1 && t.hit[0]);
    drop(&t);
}

static void test_head__same_bits_on_threads_and_without_gradients(void **state)
{
    (void)state;
    for (int n = LT_COMPUTES + 1; n < LT_COMPUTES * LT_COUNT(shapes); n++) {
        const struct shape *h = &shapes[n / LT_COMPUTES];
        struct setup t = make(h, (enum lt_compute)(n % LT_COMPUTES), 0.3f);
        size_t dx = (size_t)(h->rows * t.s.lddx) * 4, dw = (size_t)(h->vocab * h->width) * 4,
            loss = (size_t)h->rows * 4;
        lt_head_xent(NULL, &t.s);
        for (int threads = 2; threads <= 4; threads += 2) {
            struct setup u = make(h, (enum lt_compute)(n % LT_COMPUTES), 0.3f);
            struct lt_pool *p = lt_pool_new(threads);
            lt_head_xent(p, &u.s);
            assert_memory_equal(u.dx, t.dx, dx);
            assert_memory_equal(u.dw, t.dw, dw);
            assert_memory_equal(u.dbias, t.dbias, (size_t)h->vocab * 4);
            u.s.dx = u.s.dw = u.s.dbias = NULL;
            memset(u.loss, 1, loss);
            lt_head_xent(p, &u.s);
            assert_memory_equal(u.loss, t.loss, loss);
            assert_memory_equal(u.logp, t.logp, loss);
            lt_pool_free(p);
            drop(&u);
        }
        drop(&t);
    }
}

static void test_head__row_alone(void **state)
{
    (void)state;
    for (int n = 3 * LT_COMPUTES; n < LT_COMPUTES * LT_COUNT(shapes); n++) {
        const struct shape *h = &shapes[n / LT_COMPUTES];
        struct setup t = make(h, (enum lt_compute)(n % LT_COMPUTES), 0.3f);
        lt_head_xent(NULL, &t.s);
        for (int64_t i = 0; i < h->rows; i += 1 + h->rows / 20) {
            float loss, logp, *dx = ones(t.s.lddx);
            uint8_t hit;
            struct lt_head one = t.s;
            one.rows = 1;
            one.x += i * t.s.ldx;
            one.target += i;
            if (one.weight) one.weight += i;
            one.loss = &loss;
            one.logp = &logp;
            one.hit = &hit;
            one.dx = dx;
            one.dw = one.dbias = NULL;
            lt_head_xent(NULL, &one);
            assert_true(loss == t.loss[i] && logp == t.logp[i] && hit == t.hit[i]);
            assert_memory_equal(dx, t.dx + i * t.s.lddx, (size_t)t.s.lddx * sizeof *dx);
            free(dx);
        }
        drop(&t);
    }
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head__values_and_gradients),
        cmocka_unit_test(test_head__extreme_logits),
        cmocka_unit_test(test_head__same_bits_on_threads_and_without_gradients),
        cmocka_unit_test(test_head__row_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return lt_test_levels(all);
}
