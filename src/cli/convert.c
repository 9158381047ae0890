/* lathe convert: a model from one file format to another. */
#include <lathe.h>
#include "surgery/surgery.h"

#define AT(f) offsetof(struct lt_convert_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder, GGUF file or llama2.c checkpoint", .type = LT_STR, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "a file when it ends in .gguf, else a folder", .type = LT_STR, .at = AT(output),
      .flags = LT_NEED | LT_OUT, .alias = "o,outfile" },
    { .key = "outtype", .help = "of the weights; auto keeps what is stored, vectors are always f32 in a GGUF file",
      .type = LT_STR, .at = AT(outtype), .text = "auto|f32|f16|bf16|q8_0", .flags = LT_ENUM, .alias = "type" },
    { .key = "tokenizer", .help = "tokenizer to put in; default: the model's own", .type = LT_STR, .at = AT(tokenizer),
      .flags = LT_IN },
    { .key = "tokenizer_form", .help = "in a GGUF file: both = llama.cpp's keys and tokenizer.json, json = that alone, "
      "none = no tokenizer", .type = LT_STR, .at = AT(tokenizer_form), .text = "both|json|none", .flags = LT_ENUM },
    { .key = "max_shard_size", .help = "of a folder: most data in one file of weights (500MB, 5GB, plain bytes)",
      .type = LT_STR, .at = AT(max_shard_size), .text = "5GB" },
    { .key = "check", .help = "open what was written and compare logits; auto: up to 200 million parameters",
      .type = LT_STR, .at = AT(check), .text = "auto|always|never", .flags = LT_ENUM },
    { .key = "adapter", .help = "PEFT folder of a LoRA adapter to fold into the weights", .type = LT_STR,
      .at = AT(adapter), .alias = "lora,lora_path", .flags = LT_IN },
    { .key = "json", .help = "print the figures as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_convert_run(o, c);
}

const struct lt_verb lt_verb_convert = {
    .m = { .name = "convert", .brief = "converts a model between Hugging Face folders and GGUF files",
           .size = sizeof(struct lt_convert_options), .opts = rows,
           .doc = "Prints the type each tensor had and has, and the largest difference between a logit of the model\n"
                  "and of what was written over a short text: 0 where no number was rounded.\n"
                  "A tokenizer that a GGUF file cannot say in llama.cpp's keys is refused with the reason.\n"
                  "With --adapter the difference is that to the model run with the adapter, and the largest change\n"
                  "of a logit is printed too; quantised weights become floats (--outtype).\n"
                  "example: lathe convert MODEL --adapter FOLDER --output merged\n"
                  "example: lathe convert out/model --output model.gguf --outtype bf16\n"
                  "example: lathe convert model.gguf --output folder" },
    .run = run,
};
