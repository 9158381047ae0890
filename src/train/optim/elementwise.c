/* Optimisers whose update of one number needs nothing but its own gradient and state: AdamW, Lion, SGD.
 *
 * They share one driver that splits a weight into fixed pieces; a member is a loop over plain arrays.
 *     lathe train ... --optim adamw --optim.adam_beta2 0.95 */
#include "base/ctx.h"
#include <math.h>

enum { PIECE = 1 << 16 };

struct elementwise { double beta1, beta2, epsilon, momentum; bool nesterov; };
struct piece { float *w, *m, *v; const float *g; int64_t n; double scale, lr, decay; int64_t t; };
typedef void piece_fn(const struct elementwise *o, const struct piece *p);
struct job { const struct elementwise *o; struct piece all; piece_fn *fn; };

static void chunk(void *arg, int64_t i)
{
    const struct job *j = arg;
    int64_t at = i * PIECE;
    struct piece p = j->all;
    p.w += at;
    p.g += at;
    if (p.m) p.m += at;
    if (p.v) p.v += at;
    p.n = LT_MIN((int64_t)PIECE, p.n - at);
    j->fn(j->o, &p);
}

static void run(const void *o, struct lt_ctx *c, const struct lt_update *u, int slots, piece_fn *fn)
{
    int64_t n = u->rows * u->cols;
    float *state = u->state;
    struct piece all = { .w = u->w, .m = state, .v = slots > 1 ? state + n : NULL, .g = u->g, .n = n, .scale = u->scale,
                         .lr = u->lr, .decay = u->decay, .t = u->t };
    struct job j = { .o = o, .all = all, .fn = fn };
    lt_pool_run(lt_ctx_pool(c), (n + PIECE - 1) / PIECE, chunk, &j);
}

static void adamw_piece(const struct elementwise *o, const struct piece *p)
{
    float *restrict w = p->w, *restrict m = p->m, *restrict v = p->v;
    const float *restrict g = p->g;
    float b1 = (float)o->beta1, b2 = (float)o->beta2, c1 = 1 - b1, c2 = 1 - b2, eps = (float)o->epsilon;
    float correct2 = (float)(1 / sqrt(1 - pow(o->beta2, (double)p->t)));
    float rate = (float)(p->lr / (1 - pow(o->beta1, (double)p->t))), keep = (float)(1 - p->lr * p->decay),
        s = (float)p->scale;
    for (int64_t i = 0; i < p->n; i++) {
        float d = s * g[i];
        m[i] = b1 * m[i] + c1 * d;
        v[i] = b2 * v[i] + c2 * d * d;
        w[i] = keep * w[i] - rate * m[i] / (sqrtf(v[i]) * correct2 + eps);
    }
}

static size_t two(const void *o, int64_t rows, int64_t cols)
{
    (void)o;
    return (size_t)(rows * cols) * 2 * sizeof(float);
}

static size_t one(const void *o, int64_t rows, int64_t cols) { return two(o, rows, cols) / 2; }

static void adamw(const void *o, struct lt_ctx *c, const struct lt_update *u)
{
    run(o, c, u, 2, adamw_piece);
}

static void lion_piece(const struct elementwise *o, const struct piece *p)
{
    float *restrict w = p->w, *restrict m = p->m;
    const float *restrict g = p->g;
    float b1 = (float)o->beta1, b2 = (float)o->beta2, c1 = 1 - b1, c2 = 1 - b2;
    float rate = (float)p->lr, keep = (float)(1 - p->lr * p->decay), s = (float)p->scale;
    for (int64_t i = 0; i < p->n; i++) {
        float d = s * g[i], u = b1 * m[i] + c1 * d;
        m[i] = b2 * m[i] + c2 * d;
        w[i] = keep * w[i] - rate * (float)((u > 0) - (u < 0));
    }
}

static void lion(const void *o, struct lt_ctx *c, const struct lt_update *u)
{
    run(o, c, u, 1, lion_piece);
}

static void sgd_piece(const struct elementwise *o, const struct piece *p)
{
    float *restrict w = p->w, *restrict m = p->m;
    const float *restrict g = p->g;
    float mu = (float)o->momentum, rate = (float)p->lr, keep = (float)(1 - p->lr * p->decay), s = (float)p->scale;
    for (int64_t i = 0; i < p->n; i++) {
        float d = s * g[i];
        m[i] = mu * m[i] + d;
        w[i] = keep * w[i] - rate * (o->nesterov ? d + mu * m[i] : m[i]);
    }
}

static void sgd(const void *o, struct lt_ctx *c, const struct lt_update *u)
{
    run(o, c, u, 1, sgd_piece);
}

#define AT(field) offsetof(struct elementwise, field)
static const struct lt_opt adamw_rows[] = {
    { .key = "adam_beta1", .help = "decay of the running mean of the gradient", .type = LT_REAL, .at = AT(beta1),
      .dflt = 0.9, .min = 0, .max = 0.9999999, .alias = "beta1" },
    { .key = "adam_beta2", .help = "decay of the running mean of its square", .type = LT_REAL, .at = AT(beta2),
      .dflt = 0.95, .min = 0, .max = 0.9999999, .alias = "beta2" },
    { .key = "adam_epsilon", .help = "added to the root of the mean square", .type = LT_REAL, .at = AT(epsilon),
      .dflt = 1e-8, .min = 1e-30, .max = 1, .alias = "eps,epsilon" },
    { 0 },
};
static const struct lt_opt lion_rows[] = {
    { .key = "beta1", .help = "weight of the momentum in the update's sign", .type = LT_REAL, .at = AT(beta1),
      .dflt = 0.9, .min = 0, .max = 1 },
    { .key = "beta2", .help = "decay of the momentum", .type = LT_REAL, .at = AT(beta2), .dflt = 0.99,
      .min = 0, .max = 1 },
    { 0 },
};
static const struct lt_opt sgd_rows[] = {
    { .key = "momentum", .help = "decay of the velocity", .type = LT_REAL, .at = AT(momentum), .dflt = 0.9, .min = 0,
      .max = 0.9999999 },
    { .key = "nesterov", .help = "look ahead along the velocity", .type = LT_BOOL, .at = AT(nesterov) },
    { 0 },
};

const struct lt_optim lt_optim_adamw = {
    .m = { .name = "adamw", .brief = "Adam with decoupled weight decay", .paper = "arXiv:1711.05101",
           .size = sizeof(struct elementwise), .opts = adamw_rows,
           .doc = "m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2\n"
                  "w = (1 - lr decay) w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)" },
    .state = two, .step = adamw,
};
const struct lt_optim lt_optim_lion = {
    .m = { .name = "lion", .brief = "the sign of an interpolated momentum", .paper = "arXiv:2302.06675",
           .size = sizeof(struct elementwise), .opts = lion_rows,
           .doc = "w = (1 - lr decay) w - lr sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g\n"
                  "Use a third to a tenth of AdamW's rate and three to ten times its decay." },
    .state = one, .step = lion,
};
const struct lt_optim lt_optim_sgd = {
    .m = { .name = "sgd", .brief = "gradient descent with momentum", .size = sizeof(struct elementwise),
           .opts = sgd_rows, .doc = "m = mu m + g;  w = (1 - lr decay) w - lr m        (nesterov: - lr (g + mu m))" },
    .state = one, .step = sgd,
};
