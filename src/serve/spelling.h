/* Tokens as clients read them. */
#ifndef LT_SPELLING_H
#define LT_SPELLING_H

#include "base/json.h"

/* A JSON text: the token's bytes; "bytes:\x.." when they are no text by themselves, half a character; the piece of a
 * special token; "" when there is no such id.  As in the log-probabilities of completions. */
void lt_spelling_put(struct lt_buf *out, const struct lt_tokenizer *t, int32_t id);
/* Appends the bytes that a spelling stands for. */
void lt_spelling_bytes(struct lt_str spelling, struct lt_buf *out);

#endif
