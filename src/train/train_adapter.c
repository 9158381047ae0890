/* Training an adapter: the model keeps its weights where they lie, without copies and gradients. */
#include "base/io.h"
#include "train/trainer.h"

#include <stdlib.h>

/* Backward multiplies by the weights the other way round, which blocks do not allow. */
static int check_floats(const struct lt_model *m)
{
    for (int i = 0; i < m->weight_count; i++)
        if (lt_dtype_quantised(m->weight[i].type))
            return lt_fail("the weight %s is quantised (%s); an adapter is trained over floats: `lathe convert` makes "
                           "a folder of them, and the adapter then runs on the quantised model too",
                           m->weight[i].name, lt_dtype_name(m->weight[i].type));
    return 0;
}

int lt_trainer_open_adapter(struct lt_trainer *t, const char *checkpoint)
{
    const struct lt_choice *c = &t->o->adapter;
    if (check_floats(t->model)) return -1;
    int rc = checkpoint ? lt_adapter_open_unfinished(checkpoint, t->model, &t->adapter)
        : lt_adapter_new((const struct lt_adapter_type *)c->method, c->o, t->o->model, t->model,
                         (uint64_t)t->o->seed, &t->adapter);
    if (rc) return -1;
    lt_adapter_train(t->adapter);
    t->named = (struct lt_adapter_named){ "trained", t->adapter };
    t->sampled = (struct lt_adapters){ .item = &t->named, .count = 1 };
    return 0;
}

void lt_trainer_list_weights(struct lt_trainer *t)
{
    struct lt_adapter *a = t->adapter;
    t->weight = lt_calloc((size_t)(a ? a->parts * LT_ADAPTER_TENSORS : t->model->weight_count), sizeof *t->weight);
    for (int i = 0; !a && i < t->model->weight_count; i++) t->weight[t->weights++] = &t->model->weight[i];
    for (int i = 0; a && i < a->parts; i++)
        for (int k = 0; a->type->tensor[k]; k++) t->weight[t->weights++] = &a->part[i].w[k];
}

void lt_trainer_adapt(struct lt_trainer *t, struct lt_batch *b)
{
    if (!t->adapter) return;
    if (b->seq_count > t->rows_cap) {
        t->rows_cap = 2 * b->seq_count;
        t->rows = lt_realloc(t->rows, (size_t)t->rows_cap * sizeof *t->rows);
    }
    for (int64_t i = 0; i < b->seq_count; i++) t->rows[i] = t->adapter;
    b->adapter = t->rows;
}

int lt_trainer_save_weights(const struct lt_trainer *t, const char *folder, enum lt_dtype type)
{
    if (t->adapter) return lt_adapter_save(t->adapter, folder, type);
    return lt_model_save_shards(t->model, folder, type, t->shard_bytes);
}
