/* What a client asks for: the bodies of requests, checked field by field.  Nothing here knows a model. */
#ifndef LT_REQUEST_H
#define LT_REQUEST_H

#include "base/json.h"

/* Why a request is refused, as the error object of a reply.  release with lt_fault_release. */
struct lt_fault { int status; const char *type, *code; char *param, *message; };    /* param NULL: no one field */
/* Always -1.  The first fault stands. */
int lt_fault_set(struct lt_fault *f, int status, const char *param, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void lt_fault_release(struct lt_fault *f);
/* {"error":{"message","type","param","code"}} */
void lt_fault_put(struct lt_buf *b, const struct lt_fault *f);

enum { LT_REQUEST_SLOTS = 1024, LT_REQUEST_TOPS = 100 };    /* replies of one request; tokens reported at a place */

struct lt_given { struct lt_str text; int32_t *id; int count; };        /* a prompt: id NULL: the text */
struct lt_request {
    json_t *body;                           /* texts below are borrowed from it */
    bool chat, stream, usage, echo, logprobs;
    const char *model;                      /* NULL: not said */
    struct lt_given *prompt; int prompts;
    const json_t *messages;                 /* chat: checked */
    int64_t max_tokens, n, seed, tops;      /* max_tokens, seed: -1: not said */
    struct lt_list stop;
    const char *form;                       /* the field that says what form the text has, or NULL */
    struct lt_options *set;
    const struct lt_choices *controls;
};
/* A completion, or with chat a chat completion.  0 or -1 and *f; release either way. */
int lt_request_parse(struct lt_request *r, bool chat, struct lt_str body, struct lt_fault *f);
void lt_request_release(struct lt_request *r);

/* Bodies of one purpose: an object that holds no other keys than these (NULL ends the list), or -1 and *f.
 * json_decref(*out). */
int lt_request_object(struct lt_str body, const char *const *key, json_t **out, struct lt_fault *f);
/* A list of token numbers as ids; free(*id). */
int lt_request_ids(const json_t *list, const char *param, int32_t **id, int *count, struct lt_fault *f);

#endif
