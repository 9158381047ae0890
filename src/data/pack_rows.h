/* Rows of a prompt and what follows it, as tokens of which only those that follow are predicted. */
#ifndef LT_PACK_ROWS_H
#define LT_PACK_ROWS_H

#include "text/tokenizer.h"

enum lt_row_kind { LT_ROW_TEXT, LT_ROW_COMPLETION, LT_ROW_PAIR };
enum lt_row_kind lt_row_kind_of(const char *name);      /* "texts" (or NULL), "completions", "pairs" */

/* One document of a shard.  mask NULL: a text, predicted from its second token on.  bytes: of what is predicted. */
struct lt_packed { int32_t *id; uint8_t *mask; size_t count, bytes; };
void lt_packed_release(struct lt_packed *p);

struct lt_row_coder {
    enum lt_row_kind kind;          /* not TEXT */
    int32_t bos, eos;               /* around a row, where it does not have them of itself; -1: none */
    unsigned flags;                 /* of encoding */
};
/* {"prompt", "completion"} becomes one document, {"prompt", "chosen", "rejected"} two; "prompt" may be absent.  *key: a
 * hash, seeded, of the prompt, or of the text when there is none: rows of one prompt have the same.  -1: the row
 * lacks a field, or no token of it would be predicted.  out is zeroed before, and released after a failure too. */
int lt_row_encode(const struct lt_row_coder *c, struct lt_encoder *e, struct lt_str row, uint64_t seed,
                  struct lt_packed out[2], uint64_t *key);

#endif
