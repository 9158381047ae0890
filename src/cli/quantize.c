/* lathe quantize: a model in fewer bits. */
#include <lathe.h>
#include "surgery/surgery.h"

#define AT(f) offsetof(struct lt_quantize_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder, GGUF file or llama2.c checkpoint", .type = LT_STR, .at = AT(input),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "output", .help = "GGUF file", .type = LT_STR, .at = AT(output), .flags = LT_NEED | LT_OUT, .alias = "o" },
    { .key = "type", .help = "q8_0, q4_0, q5_0, q5_1, q4_k_s, q4_k_m (also q4_k), q5_k_s, q5_k_m (also q5_k) or "
      "q6_k, as llama-quantize has them", .type = LT_STR, .at = AT(type), .flags = LT_NEED },
    { .key = "pure", .help = "every matrix of the one type, no mixture", .type = LT_BOOL, .at = AT(pure) },
    { .key = "tensor_type", .help = "PATTERN=TYPE for the matrices whose GGUF name holds PATTERN (or is it, with *); a "
      "later one wins", .type = LT_LIST, .at = AT(rules) },
    { .key = "fallback", .help = "type of matrices whose width the block of their type does not divide; llama.cpp = as "
      "llama-quantize chooses (q5_0 for q4_k, q5_1 for q5_k, q8_0 for q6_k)", .type = LT_STR,
      .at = AT(fallback), .text = "refuse|llama.cpp|q8_0|q5_0|q5_1|q4_0|f16|bf16|f32", .flags = LT_ENUM },
    { .key = "method", .help = "how numbers become blocks", .type = LT_METHOD, .at = AT(method),
      .text = "quantizer:round_to_nearest" },
    { .key = "calibration", .help = "texts on which importance and gptq measure the inputs of each matrix",
      .type = LT_LIST, .at = AT(calibration), .flags = LT_IN, .alias = "imatrix" },
    { .key = "calibration_tokens", .help = "read at most; 0: all", .type = LT_INT, .at = AT(calibration_tokens),
      .dflt = 16384, .min = 0, .max = 1e12 },
    { .key = "text", .help = "texts on which the result is compared with the original", .type = LT_LIST, .at = AT(text),
      .flags = LT_IN },
    { .key = "text_tokens", .help = "read at most; 0: all", .type = LT_INT, .at = AT(text_tokens),
      .dflt = 8192, .min = 0, .max = 1e12 },
    { .key = "context", .help = "tokens of a window of both texts; 0: 512, or what the model holds", .type = LT_INT,
      .at = AT(context), .min = 0, .max = 1e9 },
    { .key = "memory", .help = "MiB for gptq's products of inputs; less means more passes over the text",
      .type = LT_INT, .at = AT(memory), .dflt = 1024, .min = 1, .max = 1e9, .flags = LT_FREE },
    { .key = "tokenizer", .help = "tokenizer to put in; default: the model's own", .type = LT_STR, .at = AT(tokenizer),
      .flags = LT_IN },
    { .key = "tokenizer_form", .help = "both = llama.cpp's keys and tokenizer.json, json = that alone, none = no "
      "tokenizer", .type = LT_STR, .at = AT(tokenizer_form), .text = "both|json|none", .flags = LT_ENUM },
    { .key = "figures", .help = "file of the figures, as JSON, besides what is printed", .type = LT_STR,
      .at = AT(figures), .flags = LT_OUT },
    { .key = "json", .help = "print the figures as one JSON object", .type = LT_BOOL, .at = AT(json) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_quantize_run(o, c);
}

const struct lt_verb lt_verb_quantize = {
    .m = { .name = "quantize", .brief = "writes a model in fewer bits, as a GGUF file",
           .size = sizeof(struct lt_quantize_options), .opts = rows,
           .doc = "Prints the type each tensor had and has, the size, the bits a weight takes, and with --text the\n"
                  "perplexity before and after and the mean KL divergence from the original's predictions.\n"
                  "No type is replaced in silence: a width that does not divide is refused, or becomes --fallback.\n"
                  "example: lathe quantize out/model --output small.gguf --type q4_k_m --text held-out.txt\n"
                  "example: lathe quantize out/model --output small.gguf --type q4_0 --method gptq --calibration a\n"
                  "example: lathe quantize out/model --output small.gguf --type q4_k --tensor_type attn_v=q6_k" },
    .run = run,
};
