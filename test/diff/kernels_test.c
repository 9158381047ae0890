/* Every row kernel of kernel.h against a slow twin in double precision, at awkward sizes and values, on every
 * instruction set; the same bits on all of them, on any number of threads, and for a row alone. */
#include "levels.h"
#include "math/row_kernel.h"
#include "math/split.h"
#include <math.h>

static const int64_t sizes[] = { 0, 1, 2, 15, 16, 17, 31, 33, 64, 100, 257, 1024 };
static struct lt_pool *pools[3];            /* NULL, two and four threads */

/* ---- arrays ---- */

enum values { NORMAL, LARGE, TINY, EQUAL, EXTREME, VALUES };

static float draw(struct lt_rng *r, enum values how)
{
    static const float odd[] = { 0, -0.0f, 1e4f, -1e4f, 88, -88, 1e-30f, -1e-30f, 20, -20, 0.5f, -5.5f };
    float x = (float)lt_rng_normal(r);
    switch (how) {
    case LARGE: return x * 1e4f;
    case TINY: return x * 1e-6f;
    case EQUAL: return 3;
    case EXTREME: return odd[lt_rng_below(r, LT_COUNT(odd))];
    default: return x;
    }
}

static float *array(const char *stream, int64_t n, enum values how)
{
    struct lt_rng r = lt_rng_make(7, stream);
    float *x = lt_aligned((size_t)n * sizeof *x + 64);
    for (int64_t i = 0; i < n; i++) x[i] = draw(&r, how);
    return x;
}

static float *filled(int64_t n, float value)
{
    float *x = lt_aligned((size_t)n * sizeof *x + 64);
    for (int64_t i = 0; i < n; i++) x[i] = value;
    return x;
}

static void drop_all(float **x, int n)
{
    for (int i = 0; i < n; i++) free(x[i]);
}

/* A kernel with what it needs; `out` is what it writes (n floats, prepared by the caller as it must be before). */
typedef void kernel_fn(struct lt_pool *p, const void *self, float *out);

/* Runs on every pool and asserts equal bits; out keeps the result. */
static void run(kernel_fn *fn, const void *self, float *out, int64_t n)
{
    size_t size = (size_t)n * sizeof *out;
    float *start = lt_alloc(size), *kept = lt_alloc(size);
    memcpy(start, out, size);
    for (int i = 0; i < LT_COUNT(pools); i++) {
        memcpy(out, start, size);
        fn(pools[i], self, out);
        if (i) assert_memory_equal(out, kept, size);
        memcpy(kept, out, size);
    }
    lt_test_bits(out, size);
    free(start);
    free(kept);
}

static void close_to(float got, double want, double bound, const char *what, int64_t at)
{
    if (fabs((double)got - want) <= bound) return;
    fail_msg("%s: element %lld is %.9g, want %.9g within %.3g", what, (long long)at, (double)got, want, bound);
}

/* ---- norms ---- */

struct norm { struct lt_norm s; bool layer; const float *x, *w, *b, *dy, *stat; int64_t dx, dw, db; };

static void norm_forward(struct lt_pool *p, const void *self, float *out)
{
    const struct norm *t = self;
    float *stat = out + t->s.rows * t->s.ldy;
    if (t->layer) lt_layernorm(p, &t->s, t->x, t->w, t->b, out, stat);
    else lt_rmsnorm(p, &t->s, t->x, t->w, out, stat);
}

static void norm_back(struct lt_pool *p, const void *self, float *out)
{
    const struct norm *t = self;
    float *dw = t->w ? out + t->dw : NULL;
    if (t->layer) lt_layernorm_back(p, &t->s, t->x, t->w, t->stat, t->dy, out + t->dx, dw, t->b ? out + t->db : NULL);
    else lt_rmsnorm_back(p, &t->s, t->x, t->w, t->stat, t->dy, out + t->dx, dw);
}

struct moments { double mean, r; };

static struct moments moments(const struct norm *t, const float *x)
{
    double n = (double)t->s.cols, mean = 0, square = 0;
    for (int64_t i = 0; i < t->s.cols && t->layer; i++) mean += (double)x[i] / n;
    for (int64_t i = 0; i < t->s.cols; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
    return (struct moments){ mean, 1 / sqrt(square + (double)t->s.eps) };
}

static double weight(const struct norm *t, int64_t i) { return t->w ? (double)t->w[i] : 1; }

static void check_norm(const struct norm *t, const float *y)
{
    const struct lt_norm *s = &t->s;
    for (int64_t i = 0; i < s->rows; i++) {
        struct moments m = moments(t, t->x + i * s->ldx);
        double blur = t->layer ? fabs(m.mean) * m.r * 1e-6 : 0;     /* of a mean taken from large values */
        for (int64_t k = 0; k < s->cols; k++) {
            double want = ((double)t->x[i * s->ldx + k] - m.mean) * m.r * weight(t, k);
            if (t->b) want += (double)t->b[k];
            close_to(y[i * s->ldy + k], want, 2e-6 * (1 + fabs(want)) + blur * 3, "norm", k);
        }
        for (int64_t k = s->cols; k < s->ldy; k++) assert_true(y[i * s->ldy + k] == 1);
    }
}

static void check_norm_back(const struct norm *t, const float *got)
{
    const struct lt_norm *s = &t->s;
    double n = (double)s->cols;
    double *dw = lt_calloc((size_t)s->cols + 1, 8), *db = lt_calloc((size_t)s->cols + 1, 8);
    for (int64_t i = 0; i < s->rows; i++) {
        const float *x = t->x + i * s->ldx, *dy = t->dy + i * s->ldy;
        struct moments m = moments(t, x);
        double g = 0, gh = 0;
        for (int64_t k = 0; k < s->cols; k++) {
            double h = ((double)x[k] - m.mean) * m.r, d = (double)dy[k];
            if (t->layer) g += d * weight(t, k) / n;
            gh += d * weight(t, k) * h / n;
            dw[k] += d * h;
            db[k] += d;
        }
        for (int64_t k = 0; k < s->cols; k++) {
            double h = ((double)x[k] - m.mean) * m.r;
            double want = 1 + m.r * ((double)dy[k] * weight(t, k) - g - h * gh);
            close_to(got[t->dx + i * s->ldx + k], want, 2e-5 * (1 + m.r * (1 + fabs(m.mean) * m.r * 0.1)), "norm dx",
                     k);
        }
    }
    for (int64_t k = 0; k < s->cols; k++) {
        double bound = 1e-5 * (double)(1 + s->rows) * (1 + fabs(dw[k]) * 0.01);
        if (t->w) close_to(got[t->dw + k], 1 + dw[k], bound, "norm dw", k);
        if (t->b) close_to(got[t->db + k], 1 + db[k], bound, "norm db", k);
    }
    free(dw);
    free(db);
}

static void alone_norm(const struct norm *t, const float *y)
{
    struct norm one = *t;
    one.s.rows = 1;
    for (int64_t i = 0; i < t->s.rows; i++) {
        float *out = filled(t->s.ldy + 2, 1);
        one.x = t->x + i * t->s.ldx;
        norm_forward(NULL, &one, out);
        assert_memory_equal(out, y + i * t->s.ldy, (size_t)t->s.ldy * sizeof *out);
        free(out);
    }
}

static void norm_case(int64_t rows, int64_t cols, bool layer, bool plain, enum values how)
{
    struct norm t = { .layer = layer,
                      .s = { .rows = rows, .cols = cols, .ldx = cols + 3, .ldy = cols + 1, .eps = 1e-5f } };
    int64_t stat = rows * t.s.ldy, size = stat + 2 * rows;
    float *x = array("x", rows * t.s.ldx, how), *w = array("w", cols, NORMAL), *b = array("b", cols, NORMAL);
    float *dy = array("dy", rows * t.s.ldy, NORMAL), *y = filled(size, 1);
    t.x = x;
    t.dy = dy;
    t.w = plain ? NULL : w;
    t.b = plain || !layer ? NULL : b;
    run(norm_forward, &t, y, size);
    check_norm(&t, y);
    alone_norm(&t, y);
    t.stat = y + stat;
    t.dw = rows * t.s.ldx;
    t.db = t.dw + cols;
    float *back = filled(t.db + cols, 1);
    run(norm_back, &t, back, t.db + cols);
    if (how != EQUAL) check_norm_back(&t, back);
    drop_all((float *[]){ x, w, b, dy, y, back }, 6);
}

static void test_kernels__norms(void **state)
{
    (void)state;
    for (int c = 1; c < LT_COUNT(sizes); c++)
        for (int how = 0; how < VALUES; how++)
            for (int kind = 0; kind < 4; kind++)
                norm_case(c % 3 ? 5 : 67, sizes[c], kind & 1, kind & 2, (enum values)how);
    norm_case(0, 16, true, false, NORMAL);
    norm_case(40, 3000, true, false, NORMAL);
    norm_case(40, 3000, false, false, NORMAL);
}

/* ---- rotary positions ---- */

struct rope { struct lt_rope s; const float *angle, *x; const int32_t *pos; bool in_place; };

static void rope(struct lt_pool *p, const void *self, float *out)
{
    const struct rope *t = self;
    if (t->in_place) memcpy(out, t->x, (size_t)(t->s.rows * t->s.ldx) * sizeof *out);
    lt_rope(p, &t->s, t->angle, t->pos, t->in_place ? out : t->x, out);
}

static double turned(const struct rope *t, int64_t row, int64_t head, int64_t i)
{
    int64_t half = t->s.rot / 2, pair = t->s.interleaved ? i / 2 : i % LT_MAX(half, 1);
    const float *x = t->x + row * t->s.ldx + head * t->s.dim;
    if (i >= t->s.rot) return (double)x[i];
    double a = (double)t->pos[row] * pow(1e4, -2.0 * (double)pair / (double)t->s.rot), sign = t->s.inverse ? -1 : 1;
    bool second = t->s.interleaved ? i % 2 : i >= half;
    int64_t other = t->s.interleaved ? i ^ 1 : second ? i - half : i + half;
    return (double)x[i] * cos(a) + (second ? sign : -sign) * (double)x[other] * sin(a);
}

static void rope_case(int64_t rows, int64_t heads, int64_t dim, int64_t rot, int flags)
{
    struct rope t = { .s = { .rows = rows, .heads = heads, .dim = dim, .rot = rot, .ldx = heads * dim + 2,
                             .ldy = heads * dim + 2, .interleaved = flags & 1, .inverse = flags & 2 } };
    float *angle = filled(100 * rot + 1, 0), *x = array("x", rows * t.s.ldx, NORMAL), *y = filled(rows * t.s.ldy, 1);
    int32_t *pos = lt_alloc((size_t)rows * sizeof *pos);
    for (int64_t i = 0; i < rows; i++) pos[i] = (int32_t)(i * 37 % 100);
    lt_rope_angles(angle, 100, rot, 1e4, NULL);
    t.angle = angle;
    t.x = x;
    t.pos = pos;
    run(rope, &t, y, rows * t.s.ldy);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < dim; i++)
                close_to(y[r * t.s.ldy + h * dim + i], turned(&t, r, h, i), 1e-6 * 8, "rope", i);
    float *again = filled(rows * t.s.ldy, 1);
    t.in_place = true;
    rope(NULL, &t, again);
    for (int64_t r = 0; r < rows; r++)
        assert_memory_equal(again + r * t.s.ldy, y + r * t.s.ldy, (size_t)(heads * dim) * sizeof *y);
    free(pos);
    drop_all((float *[]){ angle, x, y, again }, 4);
}

static void test_kernels__rope(void **state)
{
    (void)state;
    for (int flags = 0; flags < 4; flags++) {
        rope_case(0, 1, 8, 8, flags);
        rope_case(3, 1, 2, 2, flags);
        rope_case(9, 3, 6, 4, flags);
        rope_case(33, 2, 64, 64, flags);
        rope_case(70, 4, 80, 20, flags);
        rope_case(300, 2, 96, 96, flags);
        rope_case(5, 2, 5, 0, flags);
    }
}

/* ---- activations ---- */

struct act { enum lt_act a; struct lt_rows s; const float *x, *up, *dy; int64_t dup; };

static void act(struct lt_pool *p, const void *self, float *out)
{
    const struct act *t = self;
    lt_act(p, t->a, &t->s, t->x, out);
}

static void act_back(struct lt_pool *p, const void *self, float *out)
{
    const struct act *t = self;
    lt_act_back(p, t->a, &t->s, t->x, t->dy, out);
}

static void glu(struct lt_pool *p, const void *self, float *out)
{
    const struct act *t = self;
    lt_glu(p, t->a, &t->s, t->x, t->up, out);
}

static void glu_back(struct lt_pool *p, const void *self, float *out)
{
    const struct act *t = self;
    lt_glu_back(p, t->a, &t->s, t->x, t->up, t->dy, out, out + t->dup);
}

static const double tanh_scale = 0.7978845608028654, cubic = 0.044715;

static double act_value(enum lt_act a, double x)
{
    switch (a) {
    case LT_ACT_GELU: return 0.5 * x * erfc(-x * sqrt(0.5));
    case LT_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(tanh_scale * (x + cubic * x * x * x)));
    case LT_ACT_SILU: return x / (1 + exp(-x));
    case LT_ACT_RELU: return x > 0 ? x : 0;
    case LT_ACT_RELU2: return x > 0 ? x * x : 0;
    }
    return 0;
}

static double act_slope(enum lt_act a, double x)
{
    if (a == LT_ACT_RELU) return x > 0;
    if (a == LT_ACT_RELU2) return x > 0 ? 2 * x : 0;
    double step = 1e-5 * fmax(1, fabs(x));
    return (act_value(a, x + step) - act_value(a, x - step)) / (2 * step);
}

/* An error of one part in a million of |x| in the value, of a few parts in a million in the slope. */
static void check_act(const struct act *t, const float *y, const float *dx, const float *z, const float *dglu)
{
    for (int64_t i = 0; i < t->s.rows; i++)
        for (int64_t k = 0; k < t->s.cols; k++) {
            int64_t in = i * t->s.ldx + k, out = i * t->s.ldy + k;
            double x = (double)t->x[in], up = (double)t->up[in], dy = (double)t->dy[out];
            double v = act_value(t->a, x), d = act_slope(t->a, x);
            double blur = 1e-6 * fmin(fabs(x), 1 + fabs(v)) + 3e-7 * fabs(v), steep = 3e-6 + 1e-6 * fabs(d);
            close_to(y[out], v, blur, "activation", k);
            close_to(z[out], v * up, blur * fabs(up), "gated activation", k);
            close_to(dx[in], 1 + dy * d, steep * (1 + fabs(dy)), "slope", k);
            close_to(dglu[in], 1 + dy * up * d, steep * (1 + fabs(dy * up)), "gate's slope", k);
            close_to(dglu[t->dup + in], 1 + dy * v, (blur + 1e-6) * (1 + fabs(dy)) * (1 + fabs(v)), "dup", k);
        }
}

static void act_case(enum lt_act a, int64_t rows, int64_t cols, enum values how)
{
    struct act t = { .a = a, .s = { .rows = rows, .cols = cols, .ldx = cols + 5, .ldy = cols + 2 } };
    int64_t in = rows * t.s.ldx, out = rows * t.s.ldy;
    float *x = array("x", in, how), *up = array("up", in, NORMAL), *dy = array("dy", out, NORMAL);
    float *y = filled(out, 1), *z = filled(out, 1), *dx = filled(in, 1), *dglu = filled(2 * in, 1);
    t.x = x;
    t.up = up;
    t.dy = dy;
    t.dup = in;
    run(act, &t, y, out);
    run(act_back, &t, dx, in);
    run(glu, &t, z, out);
    run(glu_back, &t, dglu, 2 * in);
    check_act(&t, y, dx, z, dglu);
    for (int64_t i = 0; i < rows; i++) {                /* a row alone; between the rows nothing is touched */
        struct act one = t;
        float *alone = filled(t.s.ldy, 1);
        one.s.rows = 1;
        one.x += i * t.s.ldx;
        act(NULL, &one, alone);
        assert_memory_equal(alone, y + i * t.s.ldy, (size_t)t.s.ldy * sizeof *alone);
        assert_true(alone[cols] == 1 && dx[i * t.s.ldx + cols] == 1);
        free(alone);
    }
    drop_all((float *[]){ x, up, dy, y, z, dx, dglu }, 7);
}

static void test_kernels__activations(void **state)
{
    (void)state;
    for (int a = LT_ACT_GELU; a <= LT_ACT_RELU2; a++) {
        for (int c = 1; c < LT_COUNT(sizes); c++)
            for (int how = 0; how < VALUES; how++) act_case((enum lt_act)a, 1 + c % 4, sizes[c], (enum values)how);
        act_case((enum lt_act)a, 0, 16, NORMAL);
        act_case((enum lt_act)a, 33, 1500, NORMAL);
    }
}

/* ---- embedding ---- */

struct embed { int64_t rows, cols; const int32_t *id; const void *w; enum lt_dtype type; const float *dy; };

static void embed(struct lt_pool *p, const void *self, float *out)
{
    const struct embed *t = self;
    lt_embed_rows(p, t->rows, t->cols, t->id, t->w, t->type, out);
}

static void embed_back(struct lt_pool *p, const void *self, float *out)
{
    const struct embed *t = self;
    lt_embed_rows_back(p, t->rows, t->cols, t->id, t->dy, out);
}

static void embed_case(int64_t rows, int64_t cols, enum lt_dtype type)
{
    enum { VOCAB = 11 };
    float *wide = array("w", VOCAB * cols, NORMAL), *dy = array("dy", rows * cols, NORMAL);
    float *y = filled(rows * cols, 1), *dw = filled(VOCAB * cols, 1);
    void *w = lt_alloc((size_t)(VOCAB * cols) * lt_dtype_size(type));
    int32_t *id = lt_alloc((size_t)rows * sizeof *id);
    for (int64_t i = 0; i < rows; i++) id[i] = (int32_t)(i * i % VOCAB);
    lt_convert(type, w, LT_F32, wide, VOCAB * cols);
    lt_convert(LT_F32, wide, type, w, VOCAB * cols);
    struct embed t = { rows, cols, id, w, type, dy };
    run(embed, &t, y, rows * cols);
    run(embed_back, &t, dw, VOCAB * cols);
    for (int64_t i = 0; i < rows; i++) assert_memory_equal(y + i * cols, wide + id[i] * cols, (size_t)cols * sizeof *y);
    for (int64_t v = 0; v < VOCAB; v++)
        for (int64_t k = 0; k < cols; k++) {
            double want = 1;
            for (int64_t i = 0; i < rows; i++) if (id[i] == v) want += (double)dy[i * cols + k];
            close_to(dw[v * cols + k], want, 1e-5 * (1 + fabs(want)), "embedding", k);
        }
    free(w);
    free(id);
    drop_all((float *[]){ wide, dy, y, dw }, 4);
}

static void test_kernels__embedding(void **state)
{
    (void)state;
    for (int c = 1; c < LT_COUNT(sizes); c++) {
        embed_case(40, sizes[c], LT_F32);
        embed_case(7, sizes[c], LT_BF16);
        embed_case(1, sizes[c], LT_F16);
    }
    embed_case(0, 16, LT_F32);
}

/* ---- whole arrays ---- */

static const int64_t lengths[] = { 0, 1, 15, 16, 17, 33, 100, LT_CHUNK_ELEMENTS, LT_CHUNK_ELEMENTS + 1, 50001 };

struct whole { int64_t n; const float *a, *b; float rate; };

static void add(struct lt_pool *p, const void *self, float *out)
{
    const struct whole *t = self;
    lt_add(p, t->n, t->a, t->b, out);
}

static void axpy_and_scale(struct lt_pool *p, const void *self, float *out)
{
    const struct whole *t = self;
    lt_axpy(p, t->n, 0.5f, t->a, out);
    lt_scale(p, t->n, -3, out, out);
}

static void sums(struct lt_pool *p, const void *self, float *out)
{
    const struct whole *t = self;
    double s[2] = { lt_dot(p, t->n, t->a, t->b), lt_sum_squares(p, t->n, t->a) };
    memcpy(out, s, sizeof s);
}

static void test_kernels__whole_arrays(void **state)
{
    (void)state;
    for (int c = 0; c < LT_COUNT(lengths); c++) {
        int64_t n = lengths[c];
        float *a = array("a", n, NORMAL), *b = array("b", n, NORMAL), *y = filled(n, 1), *z = filled(n, 1),
            *pair = filled(4, 0);
        struct whole t = { .n = n, .a = a, .b = b };
        run(add, &t, y, n);
        run(axpy_and_scale, &t, z, n);
        run(sums, &t, pair, 4);
        double dot = 0, square = 0, got[2];
        memcpy(got, pair, sizeof got);
        for (int64_t i = 0; i < n; i++) {
            assert_true(y[i] == a[i] + b[i] && z[i] == (1 + 0.5f * a[i]) * -3);
            dot += (double)a[i] * (double)b[i];
            square += (double)a[i] * (double)a[i];
        }
        assert_true(fabs(got[0] - dot) <= 1e-12 * (1 + square) && fabs(got[1] - square) <= 1e-12 * (1 + square));
        assert_int_equal(lt_find_nonfinite(pools[1], n, a), -1);
        for (int64_t i = n - 1; i >= 0; i = i / 3 - 1) {    /* each is before the last one found */
            a[i] = i % 2 ? NAN : -INFINITY;
            for (int p = 0; p < LT_COUNT(pools); p++) assert_int_equal(lt_find_nonfinite(pools[p], n, a), i);
        }
        drop_all((float *[]){ a, b, y, z, pair }, 5);
    }
}

struct columns { int64_t rows, cols, ldx; const float *x; bool add; };

static void colsum(struct lt_pool *p, const void *self, float *out)
{
    const struct columns *t = self;
    lt_colsum(p, t->rows, t->cols, t->ldx, t->x, out, t->add);
}

static void test_kernels__column_sums(void **state)
{
    (void)state;
    for (int c = 0; c < 2 * LT_COUNT(sizes); c++) {
        struct columns t = { .rows = c % 3 ? 37 : 0, .cols = sizes[c / 2], .ldx = sizes[c / 2] + 3, .add = c % 2 };
        float *x = array("x", t.rows * t.ldx, NORMAL), *y = filled(t.cols, 2);
        t.x = x;
        run(colsum, &t, y, t.cols);
        for (int64_t k = 0; k < t.cols; k++) {
            double want = t.add ? 2 : 0;
            for (int64_t i = 0; i < t.rows; i++) want += (double)x[i * t.ldx + k];
            close_to(y[k], want, 2e-5, "column sum", k);
        }
        drop_all((float *[]){ x, y }, 2);
    }
}

static void dropout(struct lt_pool *p, const void *self, float *out)
{
    const struct whole *t = self;
    lt_dropout(p, t->n, t->rate, 9, 4, t->a, out, t->b != NULL);
}

static void test_kernels__dropout(void **state)
{
    (void)state;
    const float rates[] = { 0, 0.1f, 0.5f, 0.9f, 1 };
    for (int c = 0; c < LT_COUNT(lengths) * LT_COUNT(rates); c++) {
        struct whole t = { .n = lengths[c / LT_COUNT(rates)], .rate = rates[c % LT_COUNT(rates)] };
        float *x = filled(t.n, 3), *y = filled(t.n, 1), *z = filled(t.n, 1);
        t.a = x;
        run(dropout, &t, y, t.n);
        t.b = x;                                        /* the same mask again, added */
        run(dropout, &t, z, t.n);
        int64_t kept = 0;
        for (int64_t i = 0; i < t.n; i++) {
            assert_true(y[i] == 0 || fabsf(y[i] - 3 / (1 - t.rate)) < 1e-5f);
            assert_true(z[i] == 1 + y[i]);
            kept += y[i] != 0;
        }
        double n = (double)t.n, want = n * (1 - (double)t.rate);
        assert_true(fabs((double)kept - want) <= 1 + 5 * sqrt(want * (double)t.rate));
        drop_all((float *[]){ x, y, z }, 3);
    }
}

/* Where one mask of n places agrees with another at rate 0.5: half of them, within five deviations. */
static void unrelated(const float *a, const float *b, int64_t n)
{
    int64_t same = 0;
    for (int64_t i = 0; i < n; i++) same += (a[i] == 0) == (b[i] == 0);
    assert_true(fabs((double)same - 0.5 * (double)n) < 2.5 * sqrt((double)n));
}

static void test_kernels__dropout_masks_are_unrelated(void **state)
{
    (void)state;
    enum { N = 50000 };
    float *x = filled(N, 1), *y = filled(N, 0), *other = filled(N, 0);
    lt_dropout(NULL, N, 0.5f, 9, 4, x, y, false);
    for (int shift = 1; shift <= 64; shift++) unrelated(y, y + shift, N - 64);
    unrelated(y, y + LT_CHUNK_ELEMENTS, N - LT_CHUNK_ELEMENTS);
    for (uint64_t i = 0; i < 20; i++) {
        lt_dropout(NULL, N, 0.5f, 10 + i, 4, x, other, false);
        unrelated(y, other, N);
        lt_dropout(NULL, N, 0.5f, 9, 5 + i, x, other, false);
        unrelated(y, other, N);
    }
    drop_all((float *[]){ x, y, other }, 3);
}

static void test_kernels__log_softmax(void **state)
{
    (void)state;
    for (int c = 1; c < LT_COUNT(sizes); c++)
        for (int how = 0; how <= VALUES; how++) {
            int64_t n = sizes[c];
            float *x = array("x", n, (enum values)(how % VALUES)), *y = filled(n, 1);
            for (int64_t i = 0; how == VALUES && i + 1 < n; i++) if (i % 3) x[i] = -INFINITY;
            double sum = 0, top = -INFINITY;
            for (int64_t i = 0; i < n; i++) top = fmax(top, (double)x[i]);
            for (int64_t i = 0; i < n; i++) sum += exp((double)x[i] - top);
            lt_log_softmax(x, n, y);
            lt_test_bits(y, (size_t)n * sizeof *y);
            for (int64_t i = 0; i < n; i++) {
                double want = (double)x[i] - top - log(sum);
                if (isinf(want)) assert_true(y[i] == -INFINITY);
                else close_to(y[i], want, 1e-6 + 1e-6 * fabs(want), "log softmax", i);
            }
            lt_log_softmax(x, n, x);
            assert_memory_equal(x, y, (size_t)n * sizeof *y);
            drop_all((float *[]){ x, y }, 2);
        }
}

/* Two units in the last place where results are normal, and the edges. */
static void test_kernels__exp(void **state)
{
    (void)state;
    const struct lt_row_kernel *rows = lt_row_kernel();
    const float edge[] = { 0, -0.0f, 88.72f, 88.73f, 100, 1e30f, INFINITY, -86.9f, -87.5f, -1000, -INFINITY };
    const float want[] = { 1, 1, -1, INFINITY, INFINITY, INFINITY, INFINITY, -1, 0, 0, 0 };       /* -1: of exp */
    float e[1000], x[1000], not_a_number = NAN;
    rows->exp_sum(LT_COUNT(edge), 0, edge, e);
    for (int i = 0; i < LT_COUNT(edge); i++) {
        if (want[i] < 0) close_to(e[i], exp((double)edge[i]), 3e-7 * exp((double)edge[i]), "exp", i);
        else assert_true(e[i] == want[i]);
    }
    assert_true(isnan(rows->exp_sum(1, 0, &not_a_number, e)));
    for (int block = 0; block < 165; block++) {
        double sum = 0;
        for (int i = 0; i < LT_COUNT(x); i++) x[i] = (float)(block - 85) + 0.001f * (float)i;
        double got = rows->exp_sum(LT_COUNT(x), 0.5f, x, e);
        lt_test_bits(e, sizeof e);
        for (int i = 0; i < LT_COUNT(x); i++) {
            double exact = exp((double)(x[i] - 0.5f));
            close_to(e[i], exact, 2 * 1.2e-7 * exact, "exp", i);
            sum += (double)e[i];
        }
        assert_true(fabs(got - sum) < 2e-6 * sum);
    }
}

static int all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels__norms),
        cmocka_unit_test(test_kernels__rope),
        cmocka_unit_test(test_kernels__activations),
        cmocka_unit_test(test_kernels__embedding),
        cmocka_unit_test(test_kernels__whole_arrays),
        cmocka_unit_test(test_kernels__column_sums),
        cmocka_unit_test(test_kernels__dropout),
        cmocka_unit_test(test_kernels__dropout_masks_are_unrelated),
        cmocka_unit_test(test_kernels__log_softmax),
        cmocka_unit_test(test_kernels__exp),
    };
    pools[1] = lt_pool_new(2);
    pools[2] = lt_pool_new(4);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lt_pool_free(pools[1]);
    lt_pool_free(pools[2]);
    return failed;
}

int main(void)
{
    return lt_test_levels(all);
}
