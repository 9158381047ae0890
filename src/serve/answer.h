/* Replies as the JSON that clients of OpenAI's interface expect, whole or as server-sent events. */
#ifndef LT_ANSWER_H
#define LT_ANSWER_H

#include "serve/engine.h"

/* The whole body of a finished exchange without a fault. */
void lt_answer_body(const struct lt_engine *e, const struct lt_exchange *x, struct lt_buf *out);
/* Events: a piece of text; and what comes last: how each reply ended (with its log-probabilities), usage, [DONE]. */
void lt_answer_piece(const struct lt_engine *e, const struct lt_exchange *x, struct lt_slot *s, struct lt_str piece,
                     struct lt_buf *out);
void lt_answer_end(const struct lt_engine *e, const struct lt_exchange *x, struct lt_buf *out);

#endif
