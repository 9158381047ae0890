/* Training: one loop for every architecture, objective and optimiser.
 *
 * A run lives in one folder (doc/formats/training-run.md): the finished model, checkpoint-N folders, metrics.jsonl,
 * samples, TensorBoard events and report.html.  Started again with the same options it goes on from its last checkpoint
 * and ends with the same bits as a run that was never stopped, at any number of threads. */
#ifndef LT_TRAIN_H
#define LT_TRAIN_H

#include "base/base.h"

struct lt_train_options {
    struct lt_list data, data_weights;
    const char *output;
    const char *model;                      /* folder to go on from, or */
    struct lt_choice arch;                  /* what to make anew, and */
    struct lt_choice adapter;               /* method NULL: the model itself is trained */
    const char *init_from;                  /* where its weights come from as far as they fit */
    const char *tokenizer;
    struct lt_choice objective, optim, schedule;
    int64_t max_length, batch_size, accumulation, max_steps, stop_at, seed;
    double epochs;
    const char *time_limit, *time_plan;
    double learning_rate, weight_decay, max_grad_norm, ema;
    struct lt_list freeze, no_decay, lr_scale;
    const char *packing, *dtype, *save_dtype, *max_shard_size, *on_change;
    bool gradient_checkpointing, restart;
    int64_t save_steps, save_total_limit, eval_steps, eval_batches;
    struct lt_list prompts;
    int64_t sample_tokens;
};
/* The rows of the struct, ending with a row whose key is NULL.  They stand beside it, not beside the verb, because a
 * checkpoint keeps every option and compares them when a run goes on. */
extern const struct lt_opt lt_train_rows[];

/* Trains, or goes on training, in o->output.  Interrupted, it saves and returns 0 with lt_ctx_interrupted() true.
 * -1: lt_error; nothing half-written is left, and the last checkpoint stands. */
int lt_train(const struct lt_train_options *o, struct lt_ctx *c);

#endif
