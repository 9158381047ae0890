/* lathe train */
#include "base/base.h"
#include "train/train.h"

static int run(const void *o, struct lt_ctx *c) { return lt_train(o, c); }

const struct lt_verb lt_verb_train = {
    .m = { .name = "train", .brief = "trains a model on token shards, or goes on training one",
           .size = sizeof(struct lt_train_options), .opts = lt_train_rows,
           .doc = "A new model, an hour, the best that fits into it:\n"
                  "    lathe train shards --arch llama --arch.hidden_size 256 --output run --time_limit 1h\n"
                  "The same command goes on after an interruption, with the same bits.  To go on training a model:\n"
                  "    lathe train shards --model folder --learning_rate 1e-4 --max_steps 1000 --output run2\n"
                  "A LoRA adapter over a model that stays as it is (doc/formats/adapter.md):\n"
                  "    lathe train shards --model folder --adapter lora --adapter.r 16 --output run3\n"
                  "The run's folder holds the model, checkpoints, metrics.jsonl, TensorBoard events and report.html." },
    .run = run,
};
