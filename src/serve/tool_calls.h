/* Calls of functions in what a model writes: how its chat template has it write them, and how they are found again,
 * in a whole text or piece by piece. */
#ifndef LT_TOOL_CALLS_H
#define LT_TOOL_CALLS_H

#include "serve/request.h"

/* Every form is JSON objects with "name" and "arguments" (or "parameters"). */
struct lt_tool_form {
    const char *name;               /* "hermes" */
    const char *open, *close;       /* around a call; NULL: a call is the whole text from its first character on */
    const char *key;                /* of the arguments */
    bool list;                      /* the objects stand in a list */
    bool bare;                      /* open is a special token, which is no text */
};
/* By the text of a chat template; NULL: it does not take tools. */
const struct lt_tool_form *lt_tool_form_of(struct lt_str chat_template);
/* What stands before a reply that must be a call: part of the prompt. */
void lt_tool_opening(const struct lt_tool_form *form, struct lt_buf *out);
/* The JSON Schema of a reply that must be a call of one of the tools, or of the one named: what follows the opening. */
json_t *lt_tool_schema(const struct lt_tool_form *form, const json_t *tools, const char *only, bool parallel);

/* ---- reading ---- */
/* TEXT: of the reply; CALL: a call begins, the text is its function's name; ARGUMENTS: the next of its JSON. */
enum lt_tool_event { LT_TOOL_TEXT, LT_TOOL_CALL, LT_TOOL_ARGUMENTS };
typedef void lt_tool_put(void *self, enum lt_tool_event what, struct lt_str text);
struct lt_tool_reader;
/* tools, borrowed: only their calls are calls.  forced: the opening stood in the prompt.  most: calls that are read. */
struct lt_tool_reader *lt_tool_reader_new(const struct lt_tool_form *form, const json_t *tools, bool forced, int most);
/* What is decided by now goes to put; `last` decides the rest.  A text that turns out to be no call comes as TEXT. */
void lt_tool_reader_push(struct lt_tool_reader *r, struct lt_str piece, bool last, lt_tool_put *put, void *self);
void lt_tool_reader_free(struct lt_tool_reader *r);

/* What was read, as a whole. */
struct lt_heard_call { struct lt_buf name, arguments; };
struct lt_heard { struct lt_buf text; struct lt_heard_call *call; int calls; };
lt_tool_put lt_heard_put;                       /* self: a struct lt_heard */
void lt_heard_release(struct lt_heard *h);

/* The reader a request needs; NULL: it has no tools that could be called. */
struct lt_tool_reader *lt_request_tool_reader(const struct lt_request *q);
/* What the model's template (p NULL: there is none) means for a request with tools: the form of calls and, where one
 * must be made, the control that makes it. */
int lt_request_bind_tools(struct lt_request *q, struct lt_str chat_template, struct lt_fault *f);

#endif
