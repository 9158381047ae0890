/* lathe show-template and show-mask: conversations as a model sees them, and what of them it would learn. */
#include <lathe.h>
#include "text/chat.h"

#define AT(f) offsetof(struct lt_chat_show_options, f)
#define COMMON \
    { .key = "model", .help = "folder of a model or tokenizer", .type = LT_STR, .at = AT(model), \
      .flags = LT_NEED | LT_ARG | LT_IN }, \
    { .key = "input", .help = "JSON lines of conversations; - is standard input", .type = LT_LIST, .at = AT(input), \
      .flags = LT_NEED | LT_ARG | LT_IN }, \
    { .key = "chat_template", .help = "a .jinja file in place of the folder's own template", .type = LT_STR, \
      .at = AT(chat_template), .flags = LT_IN }, \
    { .key = "field", .help = "of a JSON line that holds the list of messages", .type = LT_STR, .at = AT(field), \
      .text = "messages" }, \
    { .key = "rows", .help = "rows shown; 0: all", .type = LT_INT, .at = AT(rows), .dflt = 3, .min = 0, .max = 1e15 }, \
    { .key = "json", .help = "a JSON object a row", .type = LT_BOOL, .at = AT(json) }

static const struct lt_opt template_rows[] = {
    COMMON,
    { .key = "add_generation_prompt", .help = "end with what begins the model's next turn", .type = LT_BOOL,
      .at = AT(generation_prompt) },
    { 0 },
};
static const struct lt_opt mask_rows[] = { COMMON, { 0 } };

static int run_template(const void *o, struct lt_ctx *c)
{
    return lt_chat_show_run(o, c);
}

static int run_mask(const void *v, struct lt_ctx *c)
{
    struct lt_chat_show_options o = *(const struct lt_chat_show_options *)v;
    o.mask = true;
    return lt_chat_show_run(&o, c);
}

const struct lt_verb lt_verb_show_template = {
    .m = { .name = "show-template", .brief = "shows conversations as the model's chat template writes them",
           .size = sizeof(struct lt_chat_show_options), .opts = template_rows,
           .doc = "Prints the text, its token ids and their pieces.  A row is {\"messages\": [...]}, maybe with\n"
                  "\"tools\".\n"
                  "Nothing is put around the text: a begin token stands there once, when the template writes it.\n"
                  "example: lathe show-template MODEL chats.jsonl --rows 1 --add_generation_prompt" },
    .run = run_template,
};
const struct lt_verb lt_verb_show_mask = {
    .m = { .name = "show-mask", .brief = "shows which tokens of conversations a model would learn",
           .size = sizeof(struct lt_chat_show_options), .opts = mask_rows,
           .doc = "mask is 1 for tokens that the assistant writes: those of the template's generation blocks, or,\n"
                  "where it has none, what an assistant turn adds to the text before it and its generation prompt.\n"
                  "Rows that would teach nothing at all are an error.\n"
                  "example: lathe show-mask MODEL chats.jsonl --rows 1" },
    .run = run_mask,
};
