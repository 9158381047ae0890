/* The validation split in order, once: what it costs to write it down, in bits for each byte of text. */
#include "base/ctx.h"
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

struct sums { double nats, weight, hits; };

/* Every objective is validated with the same plain likelihood, so runs can be compared. */
static int batch(struct lt_trainer *t, const struct lt_batch *b, struct sums *s)
{
    lt_graph_reset(t->graph);
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
    if (!(s.weight > 0)) return lt_fail("the validation split holds no token to predict");
    /* A part of the split stands for its share of the bytes. */
    double targets = (double)(t->validation_info.tokens - t->validation_info.documents);
    double bytes = (double)t->validation_info.bytes * fmin(1, s.weight / fmax(targets, 1));
    *out = (struct lt_validation){ .loss = s.nats / s.weight, .bits_per_byte = s.nats / (log(2) * fmax(bytes, 1)),
                                   .accuracy = s.hits / s.weight, .tokens = (int64_t)s.weight };
    return 0;
}
