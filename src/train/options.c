#include "train/train.h"

#define AT(field) offsetof(struct lt_train_options, field)
#define TEXT(k, field, what, ...) { .key = k, .help = what, .type = LT_STR, .at = AT(field), __VA_ARGS__ }
#define LIST(k, field, what, ...) { .key = k, .help = what, .type = LT_LIST, .at = AT(field), __VA_ARGS__ }
#define INT(k, field, what, ...) { .key = k, .help = what, .type = LT_INT, .at = AT(field), __VA_ARGS__ }
#define REAL(k, field, what, ...) { .key = k, .help = what, .type = LT_REAL, .at = AT(field), __VA_ARGS__ }
#define BOOL(k, field, what, ...) { .key = k, .help = what, .type = LT_BOOL, .at = AT(field), __VA_ARGS__ }
#define METHOD(k, field, what, ...) { .key = k, .help = what, .type = LT_METHOD, .at = AT(field), __VA_ARGS__ }

const struct lt_opt lt_train_rows[] = {
    LIST("data", data, "folders of token shards, as `lathe pack` writes them", .flags = LT_ARG | LT_NEED | LT_IN,
         .alias = "dataset"),
    LIST("data_weights", data_weights, "share of each folder, in their order; without it each counts by its tokens"),
    TEXT("output", output, "folder of the run: the model, its checkpoints, metrics and report",
         .flags = LT_NEED | LT_OUT, .alias = "output_dir,out_dir,out"),
    TEXT("model", model, "model folder whose training goes on", .flags = LT_IN, .alias = "model_name_or_path"),
    METHOD("arch", arch, "architecture of a new model", .text = "arch"),
    METHOD("adapter", adapter, "trained over --model, which stays as it is; the output folder is then an adapter",
           .text = "adapter"),
    TEXT("init_from", init_from, "model folder that a new model takes the weights of the same name and shape from",
         .flags = LT_IN),
    TEXT("tokenizer", tokenizer,
         "tokenizer of the data, copied beside the model; else it is looked for in --model and --data",
         .flags = LT_IN),
    METHOD("objective", objective, "what training minimises", .text = "objective:clm"),
    METHOD("optim", optim, "optimiser", .text = "optim:adamw", .alias = "optimizer,optimiser"),
    METHOD("schedule", schedule, "course of the learning rate", .text = "schedule:cosine",
           .alias = "lr_scheduler_type,lr_scheduler"),

    INT("max_length", max_length, "tokens of a row, the longest context seen in training", .dflt = 256, .min = 1,
        .max = 1 << 24, .alias = "max_seq_length,block_size,sequence_len,cutoff_len,context_length"),
    INT("per_device_train_batch_size", batch_size, "rows of one micro-batch", .dflt = 8, .min = 1, .max = 1 << 20,
        .alias = "batch_size,micro_batch_size,device_batch_size"),
    INT("gradient_accumulation_steps", accumulation, "micro-batches of one step", .dflt = 1, .min = 1, .max = 1 << 20,
        .alias = "gradient_accumulation,grad_accum"),
    INT("max_steps", max_steps, "steps of the whole run; 0: by epochs or time", .min = 0, .max = 1e12,
        .alias = "max_iters,num_iterations,steps"),
    REAL("num_train_epochs", epochs, "times through the data; 0: once, or as --max_steps or --time_limit say", .min = 0,
         .max = 1e9, .alias = "epochs,num_epochs"),
    TEXT("time_limit", time_limit, "train for so long (90s, 4m, 1h30m) and end with the schedule finished"),
    TEXT("time_plan", time_plan, "what a run with a time limit found out: STEP:TOTAL,... ; gives the same bits again"),
    INT("stop_at", stop_at, "stop after this step, saved, with the schedule unchanged; 0: at the end", .min = 0,
        .max = 1e12),
    INT("seed", seed, "of new weights, the order of the data and dropout", .dflt = 42, .min = 0, .max = 9e15),

    REAL("learning_rate", learning_rate, "peak learning rate", .dflt = 3e-4, .min = 0, .max = 1e3, .alias = "lr"),
    REAL("weight_decay", weight_decay, "of matrices; vectors have none", .dflt = 0.1, .min = 0, .max = 1e3),
    REAL("max_grad_norm", max_grad_norm, "clip the gradient's norm to this; 0: never", .dflt = 1, .min = 0, .max = 1e9,
         .alias = "grad_clip,clip"),
    REAL("ema", ema, "decay of a running mean of the weights, saved beside them; 0: none", .min = 0, .max = 0.9999999),
    LIST("freeze", freeze, "patterns (* and ?) of weights that stay as they are"),
    LIST("no_decay", no_decay, "patterns of more weights without decay"),
    LIST("lr_scale", lr_scale, "PATTERN=FACTOR of the learning rate; the last that matches counts"),

    TEXT("packing", packing, "best_fit keeps documents whole and apart; concat cuts one long text",
         .text = "best_fit|concat", .flags = LT_ENUM, .alias = "packing_strategy"),
    TEXT("dtype", dtype, "operands of matrix products; sums, weights and optimiser are f32 always; int16: whole "
         "numbers of 12 bits with scales (arXiv:1802.00930), the fastest without AVX-512; int8: of 8 bits, gradients "
         "rounded stochastically (arXiv:2403.12422), the fastest with it",
         .text = "bfloat16|float32|int16|int8|bf16|f32",
         .flags = LT_ENUM),
    TEXT("save_dtype", save_dtype, "type of the finished model's weights",
         .text = "float32|bfloat16|float16|f32|bf16|f16", .flags = LT_ENUM),
    TEXT("max_shard_size", max_shard_size,
         "most data in one file of weights (500MB, 5GB, plain bytes); beyond it they are written in shards",
         .text = "5GB"),
    BOOL("gradient_checkpointing", gradient_checkpointing,
         "keep one tensor a layer and compute the rest again: less memory, a third more work"),
    BOOL("restart", restart, "forget the checkpoints in the output folder and start over", .flags = LT_FREE),
    TEXT("on_change", on_change, "when data or options are not those of the checkpoints in the output folder",
         .text = "stop|restart", .flags = LT_ENUM | LT_FREE),

    INT("save_steps", save_steps, "steps between checkpoints", .dflt = 500, .min = 1, .max = 1e12,
        .alias = "save_every"),
    INT("save_total_limit", save_total_limit, "checkpoints kept; 0: all", .dflt = 2, .min = 0, .max = 1e6),
    INT("eval_steps", eval_steps, "steps between validations, when the data has a validation split; 0: as --save_steps",
        .min = 0, .max = 1e12, .alias = "eval_every,eval_interval"),
    INT("eval_batches", eval_batches, "most batches of one validation; 0: the whole split", .min = 0, .max = 1e12,
        .alias = "eval_iters"),
    LIST("prompts", prompts, "texts continued at every validation, for the report; without any a document is begun",
         .flags = LT_TEXTS),
    INT("sample_tokens", sample_tokens, "tokens of a continuation", .dflt = 64, .min = 1, .max = 1 << 20),
    { 0 },
};
