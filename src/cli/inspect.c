/* lathe inspect: what a model holds and what running it costs. */
#include <lathe.h>
#include "model/inspect_model.h"

#define AT(f) offsetof(struct lt_inspect_options, f)
static const struct lt_opt rows[] = {
    { .key = "path", .help = "model folder, GGUF file, llama2.c checkpoint, safetensors file, or adapter",
      .type = LT_STR, .at = AT(path), .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "tokens", .help = "of one micro-batch, for the memory of training; 0: as many as the context",
      .type = LT_INT, .at = AT(tokens), .min = 0, .max = 1e12 },
    { .key = "all", .help = "every weight, not one line for those of all layers", .type = LT_BOOL, .at = AT(all) },
    { .key = "json", .help = "one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_inspect_run(o, c);
}

const struct lt_verb lt_verb_inspect = {
    .m = { .name = "inspect", .brief = "shows a model's shapes, counts and costs, and its tokenizer",
           .size = sizeof(struct lt_inspect_options), .opts = rows,
           .doc = "flops_per_token.forward = 2 (matrices, head included) + 2 layers heads head_dim context;\n"
                  "training takes three times as many.\n"
                  "non_embedding leaves out embedding, learned positions and an untied head.\n"
                  "memory.training: f32 weights, gradients, AdamW's two moments, and what --tokens tokens keep.\n"
                  "Of a PEFT adapter: its options, and the norm of what it adds to each module's weight.\n"
                  "    lathe inspect out/model\n"
                  "    lathe inspect out/model/model.safetensors --json" },
    .run = run,
};
