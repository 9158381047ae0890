/* `lathe chat`: a conversation with a model, on a terminal or line by line. */
#ifndef LT_CHAT_RUN_H
#define LT_CHAT_RUN_H

#include "decode/chat/chat_settings.h"
#include "lm/how.h"

struct lt_chat_options {
    const char *model, *system, *chat_template, *generation_config, *history, *load;
    bool raw;
    struct lt_chat_settings settings;
    struct lt_how how;
};
int lt_chat_run(const struct lt_chat_options *o, struct lt_ctx *c);

#endif
