/* One optimiser step: micro-batches forward and backward, the norm of the gradient, the update.
 *
 * The weights of all targets of the step are counted before the first pass, so each micro-batch can divide its loss by
 * them at once; clipping is a factor that the optimiser applies while it reads the gradient. */
#include "base/ctx.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 16 };           /* elements of one chunk */

struct zero { float *p; int64_t n; };
static void zero_chunk(void *arg, int64_t i)
{
    const struct zero *z = arg;
    memset(z->p + i * PIECE, 0, (size_t)LT_MIN((int64_t)PIECE, z->n - i * PIECE) * sizeof(float));
}

static void clear_gradients(struct lt_trainer *t)
{
    for (int i = 0; i < t->weights; i++) {
        struct zero z = { t->weight[i]->grad, lt_weight_count(t->weight[i]) };
        if (z.p) lt_pool_run(lt_ctx_pool(t->ctx), (z.n + PIECE - 1) / PIECE, zero_chunk, &z);
    }
}

/* What the step's loss is divided by: pairs, else the weights of targets. */
static double weight_of(const struct lt_batch *b)
{
    double sum = 0;
    if (b->pair_count) return (double)b->pair_count;
    for (int64_t i = 0; i < b->rows; i++) sum += (double)b->weight[i];
    return sum;
}

static int batch_at(struct lt_trainer *t, int64_t micro, struct lt_batch *b)
{
    return lt_loader_at(t->data, (uint64_t)(t->step * t->o->accumulation + micro), b);
}

/* The sum of weights of the whole step.  A batch is cheap to read twice beside what is done with it. */
static int count_targets(struct lt_trainer *t, double *total)
{
    struct lt_batch b;
    *total = 0;
    for (int64_t i = 0; i < t->o->accumulation; i++) {
        if (batch_at(t, i, &b)) return -1;
        *total += weight_of(&b);
    }
    if (*total > 0) return 0;
    return lt_fail("step %" PRId64 ": no token of the batch counts towards the loss "
                       "(all weights are 0); look at the data",
                   t->step + 1);
}

static int diverged(struct lt_trainer *t, const char *what, double value)
{
    char text[64];
    snprintf(text, sizeof text, "%s is %g", what, value);
    return lt_train_diverged(t, t->step + 1, text);
}

static int pass(struct lt_trainer *t, int64_t micro, double total, struct lt_step *out)
{
    const struct lt_objective *objective = (const struct lt_objective *)t->o->objective.method;
    uint64_t index = (uint64_t)(t->step * t->o->accumulation + micro);
    float seed = (float)(1 / total);
    struct lt_batch b;
    if (batch_at(t, micro, &b)) return -1;
    lt_trainer_adapt(t, &b);
    lt_graph_reset(t->graph);
    lt_graph_record(t->graph, true);
    lt_graph_train(t->graph, true, lt_rng_at((uint64_t)t->o->seed, lt_hash("dropout", 7, 0), index));
    lt_graph_expect(t->graph, seed);
    const void *o = t->o->objective.o;
    struct lt_tensor *loss = objective->needs & LT_NEEDS_PAIRS
        ? lt_pair_loss(objective, o, t->graph, t->model, &b, &out->pairs) : objective->loss(o, t->graph, t->model, &b);
    if (!loss) return -1;
    double value = (double)*lt_f32(loss);
    if (!isfinite(value)) return diverged(t, "the loss", value);
    out->loss += value / total;
    out->tokens += b.rows;
    return lt_graph_backward(t->graph, loss, seed);
}

/* Whole numbers of the weights are worked out once, not in every pass and by every thread. */
static int passes(struct lt_trainer *t, double total, struct lt_step *out)
{
    int rc = 0;
    const enum lt_compute compute = lt_graph_compute(t->graph);
    if (compute >= LT_COMPUTE_INT16) lt_model_pack_step(t->model, compute, t->ctx);
    for (int64_t i = 0; i < t->o->accumulation && !rc; i++)
        rc = lt_ctx_interrupted(t->ctx) ? 1 : pass(t, i, total, out);
    lt_model_unpack_step(t->model);
    return rc;
}

static double gradient_norm(struct lt_trainer *t)
{
    double sum = 0;
    for (int i = 0; i < t->weights; i++) {
        const struct lt_weight *w = t->weight[i];
        if (w->grad) sum += lt_sum_squares(lt_ctx_pool(t->ctx), lt_weight_count(w), w->grad);
    }
    return sqrt(sum);
}

struct average { float *ema; const float *w; int64_t n; float keep; };
static void average_chunk(void *arg, int64_t chunk)
{
    const struct average *a = arg;
    int64_t end = LT_MIN(a->n, (chunk + 1) * PIECE);
    for (int64_t i = chunk * PIECE; i < end; i++) a->ema[i] = a->keep * a->ema[i] + (1 - a->keep) * a->w[i];
}

static void update(struct lt_trainer *t, double lr, double scale)
{
    for (int i = 0; i < t->weights; i++) {
        struct lt_weight *w = t->weight[i];
        struct lt_trained *d = &t->trained[i];
        if (!d->optim) continue;
        d->optim->step(d->o, t->ctx, &(struct lt_update){ .w = w->master, .g = w->grad, .state = d->state,
                                                          .rows = d->rows,
                                                          .cols = d->cols, .scale = scale, .lr = lr * d->lr_scale,
                                                          .decay = d->decay, .t = t->step + 1 });
        struct average a = { d->ema, w->master, lt_weight_count(w), (float)t->o->ema };
        if (a.ema) lt_pool_run(lt_ctx_pool(t->ctx), (a.n + PIECE - 1) / PIECE, average_chunk, &a);
    }
}

int lt_train_step(struct lt_trainer *t, struct lt_step *out)
{
    const struct lt_schedule *schedule = (const struct lt_schedule *)t->o->schedule.method;
    double total, limit = t->o->max_grad_norm;
    *out = (struct lt_step){ 0 };
    if (count_targets(t, &total)) return -1;
    clear_gradients(t);
    int rc = passes(t, total, out);
    if (rc) return rc;
    out->norm = gradient_norm(t);
    if (!isfinite(out->norm)) return diverged(t, "the gradient's norm", out->norm);
    out->lr = t->o->learning_rate * schedule->factor(t->o->schedule.o, t->step, lt_plan_total(&t->plan, t->step));
    update(t, out->lr, limit > 0 && out->norm > limit ? limit / out->norm : 1);
    t->step++;
    t->tokens += out->tokens;
    return 0;
}
