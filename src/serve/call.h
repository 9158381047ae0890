/* What endpoints share: the way of a request to its model and back. */
#ifndef LT_CALL_H
#define LT_CALL_H

#include "serve/server.h"

/* The conversation as the text of the model's template.  tools, extra: NULL: none. */
int lt_call_render(struct lt_call *c, const struct lt_chat_ask *a, struct lt_buf *text, struct lt_fault *f);
/* The same as tokens, of which only the template's own are control tokens; free(to->id). */
int lt_call_turn(struct lt_call *c, const struct lt_chat_ask *a, struct lt_given *to, struct lt_fault *f);
/* A text as tokens, free(to->id).  flags as lt_tokenizer_encode. */
int lt_call_encode(struct lt_call *c, struct lt_str text, unsigned flags, const char *param, struct lt_given *to,
                   struct lt_fault *f);
/* Answers a parsed request, which is taken over: the model, the template, the wait, the reply or the stream. */
int lt_call_complete(struct lt_call *c, struct lt_request *r, struct lt_fault *f);
/* The same for an exchange of which only the end is wanted: 0, the exchange (lt_exchange_free), or -1 and *f. */
int lt_call_finish(struct lt_call *c, struct lt_request *r, struct lt_exchange **out, struct lt_fault *f);

/* Where embeddings are made: `dimensions` of the vector of a finished exchange's prompt (0: all), of length 1 again, or
 * NULL and *f; free() it. */
float *lt_call_embedding(const struct lt_exchange *x, int prompt, int *count, struct lt_fault *f);
/* How many tokens a model holds, in JSON; null: any number. */
void lt_put_limit(struct lt_buf *b, const struct lt_served *m);
/* A number as a float that reads back the same. */
void lt_put_float(struct lt_buf *b, float v);

/* JSON Schemas of replies: objects that have some members, and what is said of some; limit: as lt_put_limit puts it. */
#define LT_REPLY(needed) "{\"type\":\"object\",\"required\":[" needed "]}"
#define LT_REPLY_OF(needed, members) \
    "{\"type\":\"object\",\"required\":[" needed "],\"properties\":{" members "}}"
#define LT_REPLY_LIMIT(key) "\"" key "\":{\"type\":[\"integer\",\"null\"],\"minimum\":1," \
    "\"description\":\"tokens the model holds; null: any number\"}"

/* The endpoints, one family a file; an array ends with path NULL. */
extern const struct lt_endpoint lt_endpoints_openai[], lt_endpoints_embed[],
                               lt_endpoints_text[], lt_endpoints_ollama[], lt_endpoints_about[],
                               lt_endpoints_page[];
/* Every endpoint, in order; NULL: there are no more. */
const struct lt_endpoint *lt_endpoint_at(int i);
/* By a path; *rest: what stands for the {id} of the endpoint's path, or NULL.  NULL: there is none. */
const struct lt_endpoint *lt_endpoint_find(const char *path, const char **rest);

#endif
