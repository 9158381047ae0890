/* Conversations as text: the chat template of a model, and which part of its text the model itself writes.
 *
 * The template is that of the folder: chat_template.jinja, else "chat_template" of tokenizer_config.json (a text, or a
 * list of named ones, of which "default" is taken and "tool_use" when there are tools), or tokenizer.chat_template of a
 * GGUF file.  What it renders is encoded without anything the tokenizer would put around a text: a begin token stands
 * there once, from the template. */
#ifndef LT_CHAT_H
#define LT_CHAT_H

#include "base/json.h"
#include "text/jinja/jinja.h"

struct lt_chat;
/* A model's or tokenizer's folder, a GGUF file, or a .jinja file, whose special tokens are then unknown to the
 * template. */
int lt_chat_open(const char *path, struct lt_chat **out);
/* A template from elsewhere; tokens (NULL: none): an object of "bos_token", "eos_token" ... for the template. */
int lt_chat_parse(const char *label, struct lt_str source, const json_t *tokens, struct lt_chat **out);
void lt_chat_free(struct lt_chat *c);           /* NULL is fine */

struct lt_chat_ask {
    const json_t *messages;                     /* a list of {"role", "content", ...} */
    const json_t *tools, *documents, *extra;    /* NULL: none; extra: an object of further variables */
    bool generation_prompt;                     /* end with what begins the model's next turn */
    struct lt_str begun;                        /* what that turn says already; as trusted as the template */
    int64_t now;                                /* seconds since 1970, for templates that show the date */
};
/* The template's own text; tools: of the one that is taken when there are tools.  Lives as long as c. */
struct lt_str lt_chat_source(const struct lt_chat *c, bool tools);
/* Appends the text.  spans: see lt_jinja_render. */
int lt_chat_render(const struct lt_chat *c, const struct lt_chat_ask *a, struct lt_buf *out,
                   struct lt_jinja_spans *spans);
/* The text of a whole conversation and the spans of it that the assistant writes: the template's generation blocks, or,
 * where it has none, what every assistant turn adds to the text before it and its generation prompt.  A template that
 * changes earlier turns when later ones come has no such spans: -1, naming the turn. */
int lt_chat_learnt(const struct lt_chat *c, const struct lt_chat_ask *a, struct lt_buf *out,
                   struct lt_jinja_spans *spans);

/* The same as lt_chat_render, and its tokens, of which only the template's own are control tokens: what a message, a
 * tool or a document spells like one ("<|im_end|>") stays text.  Appends to *text and *out, whose offsets count from
 * where it began. */
int lt_chat_encode(const struct lt_chat *c, const struct lt_chat_ask *a, const struct lt_tokenizer *t,
                   struct lt_buf *text, struct lt_token **out, size_t *n, size_t *cap);

/* Is every message an object with a "role"?  -1: what is wrong, with the number of the message. */
int lt_chat_check(const json_t *messages);

/* ---- `lathe show-template` and `lathe show-mask` ---- */
struct lt_chat_show_options {
    const char *model, *chat_template, *field;
    struct lt_list input;
    int64_t rows;
    bool generation_prompt, mask, json;
};
int lt_chat_show_run(const struct lt_chat_show_options *o, struct lt_ctx *c);

#endif
