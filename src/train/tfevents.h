/* TensorBoard event files: records of length, masked CRC-32C, protobuf Event, masked CRC-32C
 * (https://github.com/tensorflow/tensorboard, tensorboard/compat/proto/event.proto).  Scalars only. */
#ifndef LT_TFEVENTS_H
#define LT_TFEVENTS_H

#include "base/base.h"
#include <stdio.h>

struct lt_tfevents { FILE *f; };
/* Makes FOLDER/events.out.tfevents.SECONDS.HOST.PID and removes the event files that were there: one run, one file. */
int lt_tfevents_open(struct lt_tfevents *t, const char *folder);
void lt_tfevents_scalar(struct lt_tfevents *t, double wall_time, int64_t step, const char *tag, double value);
void lt_tfevents_flush(struct lt_tfevents *t);
void lt_tfevents_close(struct lt_tfevents *t);

#endif
