/* A run in progress, as the parts of the loop see it. */
#ifndef LT_TRAINER_H
#define LT_TRAINER_H

#include "data/loader.h"
#include "model/adapter.h"
#include "train/metrics.h"
#include "train/pair_loss.h"
#include "train/time_plan.h"
#include "train/train.h"

/* What happens to one weight; parallel to trainer->weight. */
struct lt_trained {
    const struct lt_optim *optim;           /* NULL: frozen */
    const void *o;                          /* its options */
    void *state; size_t state_size;
    float *ema;                             /* NULL: none */
    int64_t rows, cols;
    double lr_scale, decay;
};
struct lt_trainer {
    const struct lt_train_options *o;
    int64_t shard_bytes;                    /* --max_shard_size */
    struct lt_ctx *ctx;
    struct lt_model *model;
    struct lt_adapter *adapter;             /* NULL: the model itself is trained */
    struct lt_adapter_named named; struct lt_adapters sampled;      /* the adapter, as sessions have it */
    const struct lt_adapter **rows; int64_t rows_cap;       /* of a batch's sequences: all the adapter */
    struct lt_weight **weight; int weights; /* that training may change: the model's, or the adapter's */
    struct lt_graph *graph;
    struct lt_loader *data, *validation;    /* validation NULL: none */
    struct lt_loader_info info, validation_info;
    char start_hash[33];                    /* of the model training started from; "" for a new one */
    struct lt_tokenizer *tokenizer;         /* NULL: none */
    char *tokenizer_folder;                 /* whose tokenizer files go beside the model; NULL: none */
    char *tokenizer_file;                   /* or a single file */
    struct lt_options *adamw;               /* defaults, for what a matrices-only optimiser leaves to it */
    struct lt_trained *trained;
    struct lt_plan plan;
    struct lt_metrics metrics;
    int64_t step, tokens;                   /* steps done; rows of text gone through */
    int64_t saved_step;                     /* of the newest checkpoint; -1: none */
    int64_t validated_step;                 /* of the newest whole validation; -1: none */
    double flops_per_token, peak_flops;     /* peak 0: not measured yet */
};

/* setup.c: opens the data, then model and tokenizer, and checks that they belong together.  model_path: the
 * checkpoint's folder when going on, else NULL. */
int lt_trainer_open_data(struct lt_trainer *t);
int lt_trainer_open(struct lt_trainer *t, const char *model_path);
double lt_trainer_peak(struct lt_trainer *t);              /* measures at the first call */
void lt_trainer_release(struct lt_trainer *t);

/* train_adapter.c: what is trained where there is an adapter, and where not. */
int lt_trainer_open_adapter(struct lt_trainer *t, const char *checkpoint);      /* after the model */
void lt_trainer_list_weights(struct lt_trainer *t);
void lt_trainer_adapt(struct lt_trainer *t, struct lt_batch *b);        /* until the next call */
int lt_trainer_save_weights(const struct lt_trainer *t, const char *folder, enum lt_dtype type);

/* trained.c: which optimiser, rate and decay each weight has; freezing. */
int lt_trainer_assign(struct lt_trainer *t);

/* step.c */
struct lt_step {
    double loss, lr, norm;
    int64_t tokens;                         /* rows, counted or not */
    struct lt_pair_sums pairs;              /* all zero: the data is not of pairs */
};
/* One optimiser step.  1: interrupted before anything changed. */
int lt_train_step(struct lt_trainer *t, struct lt_step *out);

/* nonfinite.c: a sentence that names what is not finite; -1 always.  what: "the loss is nan". */
int lt_train_diverged(struct lt_trainer *t, int64_t step, const char *what);
const char *lt_train_bad_weight(struct lt_trainer *t);     /* name of the first weight that is not finite; NULL: none */

/* trainer_state.c: where a run stands, in a checkpoint's folder.  compare: 1 when the run that was saved there is not
 * the one that was asked for; lt_error says what changed. */
int lt_state_save(struct lt_trainer *t, const char *folder);
int lt_state_compare(const struct lt_trainer *t, const char *folder);
int lt_state_take(struct lt_trainer *t, const char *folder, int64_t *metrics_size, int64_t *samples_size);

/* checkpoint.c */
int lt_checkpoint_save(struct lt_trainer *t);
/* Looks for the newest checkpoint of the output folder; *path (free() it) is NULL when there is none. */
int lt_checkpoint_find(const struct lt_train_options *o, char **path);
/* Everything but the weights, which lt_trainer_open has read from the same folder. */
int lt_checkpoint_resume(struct lt_trainer *t, const char *path);
int lt_checkpoint_keep(const struct lt_train_options *o, int64_t limit);     /* removes all but the newest */
int lt_final_save(struct lt_trainer *t);                    /* the finished model in the output folder */

/* validate.c: bits per byte of the validation split; of pairs the objective's loss. */
struct lt_validation {
    double loss, bits_per_byte, accuracy;   /* of pairs: the share whose chosen text wins, and no bits */
    int64_t tokens;
    struct lt_pair_sums pairs;
};
int lt_validate(struct lt_trainer *t, struct lt_validation *out);   /* 1: interrupted */

int lt_train_samples(struct lt_trainer *t);                 /* samples.c; nothing without a tokenizer */

/* run_report.c: report.html of the run so far. */
int lt_run_report(const struct lt_trainer *t);

#endif
