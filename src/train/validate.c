/* The validation split in order, once: what it costs to write it down, in bits for each byte of text. */
#include "base/ctx.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

struct sums { double nats, weight, hits; struct lt_pair_sums pairs; };

/* Every objective of texts is validated with the same plain likelihood, so runs can be compared. */
static int text_batch(struct lt_trainer *t, const struct lt_batch *b, struct sums *s)
{
    struct lt_tensor *x = t->model->arch->forward(t->model->o, t->model, t->graph, b);
    if (!x) return -1;
    uint8_t *hit = lt_calloc((size_t)b->rows, 1);
    struct lt_head head = { .target = b->target, .weight = b->weight, .hit = hit };
    struct lt_tensor *loss = lt_model_loss(t->graph, t->model, x, &head);
    if (loss) s->nats += (double)*lt_f32(loss);
    for (int64_t i = 0; loss && i < b->rows; i++) {
        s->weight += (double)b->weight[i];
        s->hits += (double)b->weight[i] * hit[i];
    }
    free(hit);
    return loss ? 0 : -1;
}

static int batch(struct lt_trainer *t, struct lt_batch *b, struct sums *s)
{
    const struct lt_objective *objective = (const struct lt_objective *)t->o->objective.method;
    lt_trainer_adapt(t, b);
    lt_graph_reset(t->graph);
    if (!b->pair_count) return text_batch(t, b, s);
    return lt_pair_judge(objective, t->o->objective.o, t->graph, t->model, b, &s->pairs);
}

static int tell_pairs(const struct lt_pair_sums *s, struct lt_validation *out)
{
    double n = (double)s->pairs;
    *out = (struct lt_validation){ .loss = s->loss / n, .accuracy = s->right / n, .pairs = *s };
    return 0;
}

int lt_validate(struct lt_trainer *t, struct lt_validation *out)
{
    int64_t count = t->validation_info.batches;
    if (t->o->eval_batches) count = LT_MIN(count, t->o->eval_batches);
    struct sums s = { 0 };
    struct lt_progress p;
    int rc = 0;
    lt_progress_begin(t->ctx, &p, "validating", "batches", (double)count);
    lt_graph_record(t->graph, false);
    lt_graph_train(t->graph, false, 0);
    for (int64_t i = 0; !rc && i < count; i++) {
        struct lt_batch b;
        rc = lt_ctx_interrupted(t->ctx) ? 1 : lt_loader_at(t->validation, (uint64_t)i, &b) || batch(t, &b, &s) ? -1 : 0;
        lt_progress_at(&p, (double)(i + 1), NULL);
    }
    lt_progress_end(&p);
    if (rc) return rc;
    if (s.pairs.pairs) return tell_pairs(&s.pairs, out);
    if (!(s.weight > 0)) return lt_fail("the validation split holds no token to predict");
    /* A part of the split stands for its share of the bytes. */
    double targets = (double)t->validation_info.targets;
    double bytes = (double)t->validation_info.target_bytes * fmin(1, s.weight / fmax(targets, 1));
    *out = (struct lt_validation){ .loss = s.nats / s.weight, .bits_per_byte = s.nats / (log(2) * fmax(bytes, 1)),
                                   .accuracy = s.hits / s.weight, .tokens = (int64_t)s.weight };
    return 0;
}
