/* A run that has left the numbers: what was the first tensor to go. */
#include "base/ctx.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>

struct watch { char name[128]; };

/* Sees the activations of a repeated forward pass in their order. */
static struct lt_tensor *look(void *self, struct lt_graph *g, const char *site, int layer, struct lt_tensor *x)
{
    struct watch *w = self;
    int64_t rows = lt_rows(x), cols = lt_cols(x);
    for (int64_t i = 0; !w->name[0] && i < rows; i++) {
        if (lt_find_nonfinite(NULL, cols, lt_f32(x) + i * x->ld) < 0) continue;
        if (layer < 0) snprintf(w->name, sizeof w->name, "the activation \"%s\"", site);
        else snprintf(w->name, sizeof w->name, "the activation \"%s\" of layer %d", site, layer);
    }
    (void)g;
    return x;
}

const char *lt_train_bad_weight(struct lt_trainer *t)
{
    for (int i = 0; i < t->weights; i++) {
        const struct lt_weight *w = t->weight[i];
        if (lt_find_nonfinite(lt_ctx_pool(t->ctx), lt_weight_count(w), w->master) >= 0) return w->name;
    }
    return NULL;
}

/* Backward runs from the last weight to the first, so the last bad gradient was the first to go. */
static const char *bad_gradient(struct lt_trainer *t)
{
    for (int i = t->weights; i-- > 0;) {
        const struct lt_weight *w = t->weight[i];
        if (w->grad && lt_find_nonfinite(lt_ctx_pool(t->ctx), lt_weight_count(w), w->grad) >= 0) return w->name;
    }
    return NULL;
}

static void find_activation(struct lt_trainer *t, struct watch *w)
{
    struct lt_batch b;
    lt_tap_fn *tap = t->model->tap;
    void *self = t->model->tap_self;
    t->model->tap = look;
    t->model->tap_self = w;
    for (int64_t i = 0; !w->name[0] && i < t->o->accumulation; i++) {
        if (lt_loader_at(t->data, (uint64_t)(t->step * t->o->accumulation + i), &b)) break;
        lt_trainer_adapt(t, &b);
        lt_graph_reset(t->graph);
        lt_graph_record(t->graph, false);
        lt_graph_train(t->graph, false, 0);
        t->model->arch->forward(t->model->o, t->model, t->graph, &b);
    }
    t->model->tap = tap;
    t->model->tap_self = self;
}

int lt_train_diverged(struct lt_trainer *t, int64_t step, const char *what)
{
    struct watch w = { "" };
    const char *weight = lt_train_bad_weight(t), *gradient = weight ? NULL : bad_gradient(t);
    if (weight) snprintf(w.name, sizeof w.name, "the weight \"%s\"", weight);
    else find_activation(t, &w);
    if (!w.name[0] && gradient) snprintf(w.name, sizeof w.name, "the gradient of \"%s\"", gradient);
    if (!w.name[0]) snprintf(w.name, sizeof w.name, "the loss itself");
    char good[600] = "there is no checkpoint yet";
    if (t->saved_step >= 0)
        snprintf(good, sizeof good, "the last good checkpoint is %s/checkpoint-%" PRId64, t->o->output, t->saved_step);
    return lt_fail("step %" PRId64 ": %s; the first tensor that is not finite is %s; %s; "
                   "a lower --learning_rate, a longer "
                   "--warmup_steps or --dtype f32 may help", step, what, w.name, good);
}
