/* What a model folder or file, or an adapter, holds and what running it costs. */
#ifndef LT_INSPECT_MODEL_H
#define LT_INSPECT_MODEL_H

#include "base/json.h"
#include "model/model.h"

struct lt_inspect_options {
    const char *path;
    int64_t tokens;             /* of one training step's micro-batch; 0: one row of the context */
    bool all, json;             /* all: every tensor, else one line for those of every layer */
};
/* What --json prints; json_decref it.  NULL: lt_error. */
json_t *lt_inspect_document(const struct lt_inspect_options *o);
int lt_inspect_run(const struct lt_inspect_options *o, struct lt_ctx *c);       /* writes to standard output */

/* Of an adapter's folder: adds what there is to say to *root.  And its list of modules as lines. */
int lt_inspect_adapter(const char *path, json_t *root);
void lt_inspect_put_modules(struct lt_buf *b, const json_t *modules);

/* Operations of one token's forward pass (a multiplication and an addition are two): two for each number of a matrix it
 * is multiplied with, and attention over half of `length` tokens before it.  Training takes three times as many. */
double lt_model_flops(const struct lt_model *m, double length);
double lt_model_cache_bytes(const struct lt_model *m, enum lt_dtype type);      /* keys and values of one token */
/* Bytes that training a micro-batch of `tokens` tokens takes besides weights, gradients and optimiser: what is kept
 * between forward and backward, the largest gradients on the way back, a block of logits.  checkpointed: with
 * m->checkpoint. */
double lt_model_activation_bytes(const struct lt_model *m, double tokens, bool checkpointed);

#endif
