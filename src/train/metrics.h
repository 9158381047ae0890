/* What a run writes down as it goes.
 *
 *   metrics.jsonl    one line a step and one a validation; the same bytes for the same run, stopped or not
 *   samples.jsonl    texts written during training; likewise
 *   timings.jsonl    seconds and tokens a second; differs from run to run
 *   events.out.tfevents.*   the scalars of the first, for TensorBoard
 *
 * The first two are cut back to what the checkpoint knew when a run goes on. */
#ifndef LT_METRICS_H
#define LT_METRICS_H

#include "base/base.h"
#include "train/tfevents.h"
#include <stdio.h>

struct lt_columns { double *value[6]; int64_t count, cap; int width; };     /* a table in memory, for the report */
/* What a run has none of is NAN: texts have no margin, pairs no bits per byte. */
enum { LT_STEP_STEP, LT_STEP_LOSS, LT_STEP_RATE, LT_STEP_NORM, LT_STEP_ACCURACY, LT_STEP_MARGIN, LT_STEP_WIDTH };
enum { LT_EVAL_STEP, LT_EVAL_LOSS, LT_EVAL_BPB, LT_EVAL_ACCURACY, LT_EVAL_MARGIN, LT_EVAL_WIDTH };
enum { LT_TIME_STEP, LT_TIME_SPEED, LT_TIME_WIDTH };
struct lt_metrics {
    char *folder;
    FILE *metrics, *samples, *timings;
    struct lt_tfevents events;
    struct lt_columns steps, evals, times;
    int failed;                     /* errno of the first line that could not be written; told when files are synced */
    int64_t metrics_size, samples_size;         /* of the two files at the last mark: what a checkpoint vouches for */
    double elapsed;                 /* what the last timing kept at opening says; 0: none */
};
/* Opens for appending.  metrics_size and samples_size: bytes that a checkpoint vouches for (0: a new run); last_step:
 * timings after it are dropped. */
int lt_metrics_open(struct lt_metrics *m, const char *folder, int64_t metrics_size, int64_t samples_size,
                    int64_t last_step);
/* Of pairs: the share whose chosen text has the higher reward, and by how much it is higher in the mean. */
struct lt_pair_figures { double accuracy, margin; int64_t pairs; };
void lt_metrics_step(struct lt_metrics *m, int64_t step, double epoch, int64_t tokens, double loss, double lr,
                     double norm, const struct lt_pair_figures *pairs);        /* pairs NULL: the data is of texts */
void lt_metrics_eval_pairs(struct lt_metrics *m, int64_t step, double loss, const struct lt_pair_figures *pairs);
void lt_metrics_eval(struct lt_metrics *m, int64_t step, double loss, double bits_per_byte, double accuracy,
                     int64_t tokens);
/* elapsed: seconds of the whole training so far, over all runs. */
struct lt_timing { double seconds, elapsed, tokens_per_second, share, memory; };
void lt_metrics_time(struct lt_metrics *m, int64_t step, const struct lt_timing *s);
void lt_metrics_sample(struct lt_metrics *m, int64_t step, struct lt_str prompt, struct lt_str text);
/* What was written so far stands: a step, or a validation with its samples, is whole. */
void lt_metrics_mark(struct lt_metrics *m);
int lt_metrics_sync(struct lt_metrics *m);                  /* brings everything to the disk */
void lt_metrics_close(struct lt_metrics *m);

#endif
