/* Attention against a double-precision twin that holds the whole matrix, gradients against differences of that twin,
 * and the bits of a row with a cache, in a batch and on several threads; all on every instruction set. */
#include "levels.h"
#include "math/kernel.h"
#include "math/row_kernel.h"
#include <math.h>

struct shape {
    int32_t heads, kv_heads, dim, window, prefix;
    enum lt_mask mask;
    int32_t q_len, k_len;
};

static const struct shape shapes[] = {
    { .heads = 1, .kv_heads = 1, .dim = 4, .q_len = 1, .k_len = 1 },
    { .heads = 2, .kv_heads = 2, .dim = 16, .q_len = 70, .k_len = 70 },
    { .heads = 4, .kv_heads = 2, .dim = 8, .q_len = 67, .k_len = 67 },
    { .heads = 6, .kv_heads = 2, .dim = 20, .q_len = 30, .k_len = 150 },
    { .heads = 2, .kv_heads = 1, .dim = 64, .q_len = 129, .k_len = 129, .window = 65 },
    { .heads = 2, .kv_heads = 2, .dim = 7, .q_len = 90, .k_len = 90, .mask = LT_MASK_NONE },
    { .heads = 2, .kv_heads = 1, .dim = 8, .q_len = 80, .k_len = 80, .mask = LT_MASK_NONE, .window = 3 },
    { .heads = 4, .kv_heads = 2, .dim = 8, .q_len = 20, .k_len = 300 },
    { .heads = 1, .kv_heads = 1, .dim = 8, .q_len = 140, .k_len = 290, .window = 131 },
    { .heads = 2, .kv_heads = 2, .dim = 8, .q_len = 100, .k_len = 100, .mask = LT_MASK_PREFIX, .prefix = 71 },
};

struct setup {                          /* one sequence; rows are 3 elements longer than they need to be */
    struct lt_attn s;
    struct lt_attn_seq seq;
    float *q, *k, *v, *dout, *o, *lse;
};

static float *normals(struct lt_rng *r, int64_t n)
{
    float *x = lt_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)lt_rng_normal(r);
    return x;
}

static struct setup make(const struct shape *h, enum lt_compute compute)
{
    struct lt_rng r = lt_rng_make(11, "attention");
    struct setup t = { .s = { .heads = h->heads, .kv_heads = h->kv_heads, .dim = h->dim, .window = h->window,
                              .scale = 1.0f / sqrtf((float)h->dim), .mask = h->mask, .compute = compute,
                              .seq_count = 1 } };
    t.s.ldq = h->heads * h->dim + 3;
    t.s.ldo = h->heads * h->dim + 3;
    t.s.ldk = h->kv_heads * h->dim + 3;
    t.q = normals(&r, h->q_len * t.s.ldq);
    t.k = normals(&r, h->k_len * t.s.ldk);
    t.v = normals(&r, h->k_len * t.s.ldk);
    t.dout = normals(&r, h->q_len * t.s.ldo);
    t.o = normals(&r, h->q_len * t.s.ldo);
    t.lse = normals(&r, h->q_len * h->heads);
    t.seq = (struct lt_attn_seq){ .q_len = h->q_len, .k_len = h->k_len, .prefix = h->prefix, .k = t.k, .v = t.v };
    return t;
}

static void drop(struct setup *t)
{
    float *all[] = { t->q, t->k, t->v, t->dout, t->o, t->lse };
    for (int i = 0; i < LT_COUNT(all); i++) free(all[i]);
}

static bool sees(const struct setup *t, int64_t i, int64_t j)
{
    int64_t at = t->seq.k_len - t->seq.q_len + i;
    if (t->s.window && (at - j >= t->s.window || j - at >= t->s.window)) return false;
    if (t->s.mask == LT_MASK_NONE || j <= at) return true;
    return t->s.mask == LT_MASK_PREFIX && j < t->seq.prefix;
}

/* Output of one query and head; returns log-sum-exp. */
static double twin_row(const struct setup *t, const double *q, const double *k, const double *v, int64_t i, int h,
                       double *o)
{
    const struct lt_attn *s = &t->s;
    int64_t kv = h / (s->heads / s->kv_heads) * s->dim, n = t->seq.k_len;
    double *p = lt_calloc((size_t)n, sizeof *p), sum = 0;
    for (int64_t j = 0; j < n; j++) {
        if (!sees(t, i, j)) continue;
        double dot = 0;
        for (int64_t d = 0; d < s->dim; d++) dot += q[i * s->ldq + h * s->dim + d] * k[j * s->ldk + kv + d];
        sum += p[j] = exp(dot * (double)s->scale);
    }
    for (int64_t d = 0; d < s->dim; d++) {
        o[d] = 0;
        for (int64_t j = 0; j < n; j++) o[d] += p[j] / sum * v[j * s->ldk + kv + d];
    }
    free(p);
    return log(sum);
}

static double *widen(const float *x, int64_t n)
{
    double *y = lt_alloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++) y[i] = (double)x[i];
    return y;
}

struct wide { double *q, *k, *v, *o; };

static struct wide widen_all(const struct setup *t)
{
    return (struct wide){ widen(t->q, t->seq.q_len * t->s.ldq), widen(t->k, t->seq.k_len * t->s.ldk),
                          widen(t->v, t->seq.k_len * t->s.ldk), lt_calloc((size_t)t->s.dim, sizeof(double)) };
}

static void drop_wide(struct wide *w)
{
    free(w->q); free(w->k); free(w->v); free(w->o);
}

static void test_attention__forward(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 2], (enum lt_compute)(n % 2));
        t.s.seq = &t.seq;
        double bound = n % 2 ? 4e-2 : 2e-5;
        lt_attention(NULL, &t.s, t.q, t.o, t.lse);
        struct wide w = widen_all(&t);
        for (int64_t i = 0; i < t.seq.q_len; i++)
            for (int h = 0; h < t.s.heads; h++) {
                double lse = twin_row(&t, w.q, w.k, w.v, i, h, w.o);
                assert_true(fabs(lse - (double)t.lse[i * t.s.heads + h]) < bound);
                for (int64_t d = 0; d < t.s.dim; d++)
                    assert_true(fabs(w.o[d] - (double)t.o[i * t.s.ldo + h * t.s.dim + d]) < bound);
            }
        drop_wide(&w);
        drop(&t);
    }
}

/* sum of dout . o over everything */
static double twin_loss(const struct setup *t, const struct wide *w)
{
    double sum = 0;
    for (int64_t i = 0; i < t->seq.q_len; i++)
        for (int h = 0; h < t->s.heads; h++) {
            twin_row(t, w->q, w->k, w->v, i, h, w->o);
            for (int64_t d = 0; d < t->s.dim; d++) sum += w->o[d] * (double)t->dout[i * t->s.ldo + h * t->s.dim + d];
        }
    return sum;
}

/* A few elements of `gradient`, which began as 1, against central differences. */
static void compare_slopes(const struct setup *t, const struct wide *w, double *x, const float *gradient, int64_t rows,
                           int64_t cols, int64_t ld, double bound)
{
    struct lt_rng r = lt_rng_make(5, "where");
    for (int n = 0; n < 12; n++) {
        int64_t at = (int64_t)lt_rng_below(&r, (uint64_t)rows) * ld + (int64_t)lt_rng_below(&r, (uint64_t)cols);
        double keep = x[at], step = 1e-5;
        x[at] = keep + step;
        double up = twin_loss(t, w);
        x[at] = keep - step;
        double slope = (up - twin_loss(t, w)) / (2 * step);
        x[at] = keep;
        if (fabs(slope + 1 - (double)gradient[at]) > bound * (1 + fabs(slope)))
            fail_msg("element %lld: %g, want %g", (long long)at, (double)gradient[at] - 1, slope);
    }
}

static float *ones(int64_t n)
{
    float *x = lt_alloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = 1;
    return x;
}

static void test_attention__backward(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 2], (enum lt_compute)(n % 2));
        t.s.seq = &t.seq;
        double bound = n % 2 ? 8e-2 : 1e-4;
        int64_t qn = t.seq.q_len * t.s.ldq, kn = t.seq.k_len * t.s.ldk;
        float *dq = ones(qn), *dk = ones(kn), *dv = ones(kn);
        t.seq.dk = dk;
        t.seq.dv = dv;
        lt_attention(NULL, &t.s, t.q, t.o, t.lse);
        lt_attention_back(NULL, &t.s, t.q, t.o, t.lse, t.dout, dq);
        struct wide w = widen_all(&t);
        compare_slopes(&t, &w, w.q, dq, t.seq.q_len, t.s.heads * t.s.dim, t.s.ldq, bound);
        compare_slopes(&t, &w, w.k, dk, t.seq.k_len, t.s.kv_heads * t.s.dim, t.s.ldk, bound);
        compare_slopes(&t, &w, w.v, dv, t.seq.k_len, t.s.kv_heads * t.s.dim, t.s.ldk, bound);
        assert_true(dq[t.s.heads * t.s.dim] == 1 && dk[t.s.kv_heads * t.s.dim] == 1);   /* between the rows */
        drop_wide(&w);
        drop(&t);
        free(dq); free(dk); free(dv);
    }
}

/* Every query alone, with the keys before it as its cache, has the bits it has in the full pass. */
static void test_attention__cache_has_the_bits_of_a_full_pass(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 2], (enum lt_compute)(n % 2));
        int64_t wide = t.s.heads * t.s.dim;
        t.s.seq = &t.seq;
        lt_attention(NULL, &t.s, t.q, t.o, t.lse);
        float *one = lt_alloc((size_t)t.s.ldo * sizeof *one);
        for (int64_t i = 0; i < t.seq.q_len && t.s.mask == LT_MASK_CAUSAL; i++) {
            struct lt_attn_seq seq = { .q_len = 1, .k_len = (int32_t)(t.seq.k_len - t.seq.q_len + i + 1), .k = t.k,
                                       .v = t.v };
            struct lt_attn s = t.s;
            s.seq = &seq;
            lt_attention(NULL, &s, t.q + i * t.s.ldq, one, NULL);
            assert_memory_equal(one, t.o + i * t.s.ldo, (size_t)wide * sizeof *one);
        }
        free(one);
        drop(&t);
    }
}

/* Keys and values kept in bf16 give the bits that the same numbers give in f32. */
static void test_attention__narrow_cache(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 2], (enum lt_compute)(n % 2));
        int64_t kn = t.seq.k_len * t.s.ldk, on = t.seq.q_len * t.s.ldo;
        uint16_t *k = lt_alloc((size_t)kn * 2), *v = lt_alloc((size_t)kn * 2);
        float *kept = lt_alloc((size_t)on * sizeof *kept);
        lt_convert(LT_BF16, k, LT_F32, t.k, kn);
        lt_convert(LT_BF16, v, LT_F32, t.v, kn);
        lt_convert(LT_F32, t.k, LT_BF16, k, kn);
        lt_convert(LT_F32, t.v, LT_BF16, v, kn);
        t.s.seq = &t.seq;
        memcpy(kept, t.o, (size_t)on * sizeof *kept);
        lt_attention(NULL, &t.s, t.q, kept, NULL);
        t.s.kv_type = LT_BF16;
        t.seq.k = k;
        t.seq.v = v;
        lt_attention(NULL, &t.s, t.q, t.o, t.lse);
        assert_memory_equal(t.o, kept, (size_t)on * sizeof *kept);
        free(k); free(v); free(kept);
        drop(&t);
    }
}

/* The keys or values x of t in pages of `type`, all of them at `at`; with I8, x becomes what the bytes say. */
static void to_pages(const struct setup *t, enum lt_dtype type, float *x, char **page, size_t at)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    for (int64_t i = 0; i < t->seq.k_len; i++)
        for (int64_t h = 0; h < t->s.kv_heads; h++) {
            int64_t row = h * LT_PAGE_KEYS + i % LT_PAGE_KEYS, dim = t->s.dim;
            float *from = x + i * t->s.ldk + h * dim;
            char *data = page[i / LT_PAGE_KEYS] + at, *to = data + (size_t)(row * dim) * lt_dtype_size(type);
            float *scale = (float *)(void *)(data + t->s.kv_heads * LT_PAGE_KEYS * dim) + row;
            if (type != LT_I8) {
                lt_convert(type, to, LT_F32, from, dim);
                lt_convert(LT_F32, from, type, to, dim);
            } else {
                *scale = rows->narrow_i8(dim, from, (int8_t *)to);
                rows->widen_i8(dim, *scale, (const int8_t *)to, from);
            }
        }
}

/* Pages change no bit, whatever type keys and values are kept in. */
static void test_attention__pages(void **state)
{
    (void)state;
    static const enum lt_dtype type[] = { LT_F32, LT_BF16, LT_I8 };
    for (int n = 0; n < 6 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 6], (enum lt_compute)(n % 2));
        int64_t on = t.seq.q_len * t.s.ldo, pages = (t.seq.k_len + LT_PAGE_KEYS - 1) / LT_PAGE_KEYS;
        size_t half = (size_t)(t.s.kv_heads * LT_PAGE_KEYS * (t.s.dim + 1)) * 4 + 64;
        char **page = lt_calloc((size_t)pages, sizeof *page);
        for (int64_t i = 0; i < pages; i++) page[i] = memset(lt_aligned(2 * half), 0x7f, 2 * half);
        to_pages(&t, type[n / 2 % 3], t.k, page, 64);
        to_pages(&t, type[n / 2 % 3], t.v, page, half);
        float *kept = lt_alloc((size_t)on * sizeof *kept);
        memcpy(kept, t.o, (size_t)on * sizeof *kept);
        t.s.seq = &t.seq;
        lt_attention(NULL, &t.s, t.q, kept, NULL);
        t.s.kv_type = type[n / 2 % 3];
        t.seq.k = t.seq.v = NULL;
        t.seq.page = (const void *const *)page;
        t.seq.k_at = 64;
        t.seq.v_at = half;
        lt_attention(NULL, &t.s, t.q, t.o, NULL);
        assert_memory_equal(t.o, kept, (size_t)on * sizeof *kept);
        for (int64_t i = 0; i < pages; i++) free(page[i]);
        free(page);
        free(kept);
        drop(&t);
    }
}

/* Told to overwrite, the backward pass gives what it adds to zeros, and touches nothing between the rows. */
static void test_attention__backward_overwrites(void **state)
{
    (void)state;
    for (int n = 0; n < 2 * LT_COUNT(shapes); n++) {
        struct setup t = make(&shapes[n / 2], (enum lt_compute)(n % 2));
        int64_t qn = t.seq.q_len * t.s.ldq, kn = t.seq.k_len * t.s.ldk, q_wide = t.s.heads * t.s.dim;
        float *all[2];
        t.s.seq = &t.seq;
        lt_attention(NULL, &t.s, t.q, t.o, t.lse);
        for (int set = 0; set < 2; set++) {
            float *d = all[set] = ones(qn + 2 * kn);
            if (!set) memset(d, 0, (size_t)(qn + 2 * kn) * sizeof *d);
            t.s.set = set;
            t.seq.dk = d + qn;
            t.seq.dv = d + qn + kn;
            lt_attention_back(NULL, &t.s, t.q, t.o, t.lse, t.dout, d);
            if (set) assert_true(d[q_wide] == 1 && d[qn + t.s.kv_heads * t.s.dim] == 1);
        }
        for (int64_t i = 0; i < qn + 2 * kn; i++) {
            int64_t ld = i < qn ? t.s.ldq : t.s.ldk, column = (i < qn ? i : (i - qn) % kn) % ld;
            if (column < ld - 3) assert_true(all[0][i] == all[1][i]);
        }
        free(all[0]);
        free(all[1]);
        drop(&t);
    }
}

/* Two sequences in one batch, on 1, 2 and 4 threads, against each of them alone. */
static void test_attention__same_bits_in_a_batch_and_on_threads(void **state)
{
    (void)state;
    const struct shape *h = &shapes[2];
    struct setup t = make(h, LT_COMPUTE_F32);
    int64_t qn = h->q_len * t.s.ldq, kn = h->k_len * t.s.ldk, first = 20;
    float *kept = NULL, *got = NULL;
    for (int threads = 1; threads <= 8; threads *= 2) {
        struct lt_pool *p = threads == 8 ? NULL : lt_pool_new(threads);
        float *dq = ones(qn), *dk = ones(kn), *dv = ones(kn);
        struct lt_attn_seq seq[2] = {
            { .row = 0, .q_len = (int32_t)first, .k_len = (int32_t)first, .k = t.k, .v = t.v, .dk = dk, .dv = dv },
            { .row = first, .q_len = h->q_len - (int32_t)first, .k_len = h->k_len - (int32_t)first,
              .k = t.k + first * t.s.ldk, .v = t.v + first * t.s.ldk, .dk = dk + first * t.s.ldk,
              .dv = dv + first * t.s.ldk },
        };
        for (int i = 0; i < 2; i++) {                   /* on no pool: one sequence at a time */
            t.s.seq = p ? seq : &seq[i];
            t.s.seq_count = p ? 2 : 1;
            lt_attention(p, &t.s, t.q, t.o, t.lse);
            if (!p || i == 0) lt_attention_back(p, &t.s, t.q, t.o, t.lse, t.dout, dq);
        }
        got = lt_alloc((size_t)(qn + qn + 2 * kn) * sizeof *got);
        memcpy(got, t.o, (size_t)qn * 4);
        memcpy(got + qn, dq, (size_t)qn * 4);
        memcpy(got + 2 * qn, dk, (size_t)kn * 4);
        memcpy(got + 2 * qn + kn, dv, (size_t)kn * 4);
        if (kept) assert_memory_equal(kept, got, (size_t)(2 * qn + 2 * kn) * 4);
        free(kept);
        kept = got;
        free(dq); free(dk); free(dv);
        lt_pool_free(p);
    }
    free(kept);
    drop(&t);
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention__forward),
        cmocka_unit_test(test_attention__backward),
        cmocka_unit_test(test_attention__cache_has_the_bits_of_a_full_pass),
        cmocka_unit_test(test_attention__narrow_cache),
        cmocka_unit_test(test_attention__pages),
        cmocka_unit_test(test_attention__backward_overwrites),
        cmocka_unit_test(test_attention__same_bits_in_a_batch_and_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return lt_test_levels(all);
}
