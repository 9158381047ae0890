/* Ollama's interface: a translation onto the same requests, and its own form of replies. */
#ifndef LT_OLLAMA_H
#define LT_OLLAMA_H

#include "serve/request.h"

extern const struct lt_body lt_body_ollama_generate, lt_body_ollama_chat, lt_body_ollama_embed,
    lt_body_ollama_embeddings;
/* 0 or -1 and *f; lt_request_release either way.  A request that only wants the model to be there has no prompts and
 * no messages. */
int lt_ollama_parse(struct lt_request *r, const struct lt_body *kind, struct lt_str body, struct lt_fault *f);

#endif
