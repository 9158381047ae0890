/* What a client asks for: the bodies of requests, checked field by field.  Nothing here knows a model. */
#ifndef LT_REQUEST_H
#define LT_REQUEST_H

#include "serve/field.h"

enum { LT_REQUEST_SLOTS = 1024, LT_REQUEST_TOPS = 100, /* replies of one request; tokens reported at a place */
       LT_REQUEST_MOST = 100 * 1000 * 1000 };          /* tokens of a reply that can be asked for */

struct lt_given { struct lt_str text; int32_t *id; int count; };        /* a prompt: id NULL: the text */
enum lt_tool_choice { LT_TOOLS_AUTO, LT_TOOLS_NONE, LT_TOOLS_REQUIRED, LT_TOOLS_NAMED };
struct lt_tool_form;
struct lt_dialect;
struct lt_request {
    json_t *body;                           /* texts below are borrowed from it */
    const struct lt_dialect *dialect;       /* how the reply is written (answer.h) */
    bool chat, stream, usage, echo, logprobs;
    bool template_optional;                 /* without a chat template the prompt itself is gone on with */
    const char *model;                      /* NULL: not said */
    const char *adapter;                    /* of the served model, found by its name; NULL: the model alone */
    struct lt_given *prompt; int prompts;
    json_t *messages;                       /* chat: checked, and as templates expect them (messages.h) */
    const json_t *template_extra;           /* further variables of the chat template; NULL: none */
    const json_t *tools;                    /* checked; NULL: none */
    enum lt_tool_choice tool_choice; const char *tool_name;
    bool parallel_tool_calls;
    const struct lt_tool_form *tool_form;   /* how the model writes calls; NULL: no call is looked for */
    int64_t max_tokens, n, seed, tops;      /* max_tokens, seed: -1: not said */
    const char *max_field;                  /* asks that the model holds max_tokens besides the prompt; NULL: none */
    struct lt_list stop;
    const char *form;                       /* the field that says what form the text has, or NULL */
    /* embeddings */
    bool embed, base64, truncate;
    int64_t dimensions;                     /* 0: all */
    struct lt_options *set;
    const struct lt_choices *controls;      /* by lt_request_finish */
};
extern const struct lt_body lt_body_completion, lt_body_chat;
/* A completion, or with chat a chat completion.  0 or -1 and *f; release either way. */
int lt_request_parse(struct lt_request *r, bool chat, struct lt_str body, struct lt_fault *f);
/* The controls become final. */
int lt_request_finish(struct lt_request *r, struct lt_fault *f);
void lt_request_release(struct lt_request *r);

/* ---- for bodies of other dialects ---- */
void lt_request_init(struct lt_request *r);
/* The controls of verbs, by their names; field: what the client wrote. */
int lt_request_control(struct lt_request *r, const char *field, const char *control, const char *value,
                       struct lt_fault *f);
lt_control_fn lt_request_number;
/* The reply is JSON that the schema allows. */
int lt_request_schema(struct lt_request *r, const char *field, const json_t *schema, struct lt_fault *f);
lt_field_fn lt_request_stop, lt_request_messages, lt_request_tools, lt_request_prompts;

#endif
