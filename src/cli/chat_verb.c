/* lathe chat: a conversation with a language model. */
#include <lathe.h>
#include "decode/chat/chat_run.h"

#define AT(f) offsetof(struct lt_chat_options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "model folder or file", .type = LT_STR, .at = AT(model),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "system", .help = "text that stands before the conversation", .type = LT_STR, .at = AT(system),
      .alias = "system_prompt" },
    { .key = "load", .help = "conversation to go on with, written by /save", .type = LT_STR, .at = AT(load),
      .flags = LT_IN },
    { .key = "chat_template", .help = "Jinja file instead of the model's own", .type = LT_STR, .at = AT(chat_template),
      .flags = LT_IN },
    { .key = "raw", .help = "no template: the model goes on from all texts so far as they are", .type = LT_BOOL,
      .at = AT(raw) },
    LT_CHAT_SETTING_ROWS(AT(settings)),
    { .key = "generation_config", .help = "sampling as the model's folder says, where nothing else is asked for",
      .type = LT_STR, .at = AT(generation_config), .text = "auto|none", .flags = LT_ENUM },
    { .key = "history", .help = "file of what was typed before; none: none is kept; default: chat_history in the "
      "folder lathe of XDG_STATE_HOME", .type = LT_STR, .at = AT(history), .text = "", .flags = LT_FREE },
    LT_HOW_ROWS(AT(how)),
    { 0 },
};

static int run(const void *o, struct lt_ctx *c)
{
    return lt_chat_run(o, c);
}

const struct lt_verb lt_verb_chat = {
    .m = { .name = "chat", .brief = "talks with a language model", .size = sizeof(struct lt_chat_options), .opts = rows,
           .doc = "On a terminal lines are edited and kept, and Ctrl-C stops an answer; else each line of standard\n"
                  "input is said in turn.  /help lists the commands: settings, undo, another answer, probabilities\n"
                  "of the tokens, files.  What was said before stays in the model's memory: a turn costs what is\n"
                  "new in it.  What a message spells like a control token is text to the model.\n"
                  "example: lathe chat MODEL --system \"You answer briefly.\" --temperature 0.7\n"
                  "example: echo \"What is a token?\" | lathe chat MODEL --greedy" },
    .run = run,
};
