/* lathe generate: text from a language model. */
#include <lathe.h>
#include "decode/sample.h"

#define AT(f) offsetof(struct lt_generate_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder or file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "prompt", .help = "text to go on from; none: a text of its own", .type = LT_STR, .at = AT(prompt),
      .alias = "p" },
    { .key = "prompt_ids", .help = "tokens to go on from", .type = LT_LIST, .at = AT(prompt_ids) },
    { .key = "input", .help = "prompts: .jsonl (see field), .txt (one file, one prompt), - for standard input",
      .type = LT_LIST, .at = AT(input), .flags = LT_IN },
    { .key = "field", .help = "of a JSON line that holds the prompt", .type = LT_STR, .at = AT(field),
      .text = "prompt" },
    { .key = "output", .help = "file written instead of standard output", .type = LT_STR, .at = AT(output),
      .flags = LT_OUT,
      .alias = "o" },
    { .key = "format", .help = "of the output", .type = LT_STR, .at = AT(format), .text = "text|jsonl",
      .flags = LT_ENUM },
    { .key = "max_tokens", .help = "tokens written at most", .type = LT_INT, .at = AT(max_tokens), .dflt = 128,
      .min = 1,
      .max = 1e8, .alias = "max_new_tokens,n_predict,max_gen_toks" },
    { .key = "n", .help = "samples for each prompt", .type = LT_INT, .at = AT(n), .dflt = 1, .min = 1, .max = 1e6,
      .alias = "num_return_sequences" },
    { .key = "seed", .help = "names the random choices", .type = LT_INT, .at = AT(seed), .min = 0, .max = 9e15 },
    { .key = "greedy", .help = "always the most likely token", .type = LT_BOOL, .at = AT(greedy) },
    { .key = "stop", .help = "text that ends the reply and is not part of it", .type = LT_LIST, .at = AT(stop),
      .alias = "stop_strings,until", .flags = LT_TEXTS },
    { .key = "controls", .help = "changes to the logits before a token is chosen", .type = LT_METHODS,
      .at = AT(controls),
      .text = "control" },
    { .key = "search", .help = "how a reply is found", .type = LT_METHOD, .at = AT(search), .text = "search:sample" },
    { .key = "logprobs", .help = "most likely tokens reported at each place, with --format jsonl", .type = LT_INT,
      .at = AT(logprobs), .min = 0, .max = 1000, .alias = "top_logprobs" },
    { .key = "batch_size", .help = "replies written at once; changes no text", .type = LT_INT, .at = AT(batch_size),
      .dflt = 8, .min = 1, .max = 4096, .flags = LT_FREE },
    { .key = "draft", .help = "model that guesses tokens the model knows too; the model judges several at a time",
      .type = LT_STR, .at = AT(draft), .flags = LT_IN, .alias = "model_draft" },
    { .key = "lookup", .help = "guess what followed the last N tokens where they stood before; 0: no",
      .type = LT_INT, .at = AT(lookup), .min = 0, .max = 64, .alias = "prompt_lookup_num_tokens" },
    { .key = "draft_tokens", .help = "tokens guessed at a time, with draft or lookup; 0: 4", .type = LT_INT,
      .at = AT(draft_tokens), .min = 0, .max = 64, .alias = "draft_max,num_assistant_tokens" },
    { .key = "prompt_cache", .help = "file that keeps what the model computed of the prompt: read if it is there, "
      "else written", .type = LT_STR, .at = AT(prompt_cache), .flags = LT_FREE },
    { .key = "token_healing", .help = "take the prompt's last token back and let the text begin with what it spells, "
      "so that a prompt may end anywhere", .type = LT_BOOL, .at = AT(token_healing) },
    LT_HOW_ROWS(AT(how)),
    { .key = "echo", .help = "write the prompt before the text", .type = LT_BOOL, .at = AT(echo) },
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_generate_run(o, c);
}

const struct lt_verb lt_verb_generate = {
    .m = { .name = "generate", .brief = "writes text with a language model", .size = sizeof(struct lt_generate_options),
           .opts = rows,
           .doc = "p(x_t | x_<t) = softmax(controls(logits)); the token at place i of reply k is drawn with the\n"
                  "random number (seed, k, i), so a reply does not depend on the others, the threads or the batch.\n"
                  "Guesses (draft: arXiv:2211.17192, lookup) save passes over the model and leave the distribution as\n"
                  "it is; with greedy or lookup also the text.  Log-probabilities are the model's own,\n"
                  "before the controls.  Several replies as text are separated by a line of ---.\n"
                  "example: lathe generate MODEL --prompt \"It was a\" --temperature 0.8 --top_p 0.95 --n 3\n"
                  "example: lathe generate MODEL --prompt \"It was a\" --search beam --search.width 4\n"
                  "example: lathe generate MODEL --input prompts.jsonl --format jsonl --greedy --output out.jsonl" },
    .run = run,
};
