/* Tokenizers inside GGUF files (doc/formats/gguf.md).
 *
 * The keys tokenizer.ggml.* say a tokenizer as llama.cpp understands it; tokenizer.huggingface.json, which llama.cpp
 * passes over, holds a tokenizer.json whole and is taken where it is there. */
#ifndef LT_TOK_GGUF_H
#define LT_TOK_GGUF_H

#include "base/gguf.h"
#include "text/tokenizer.h"

int lt_tok_of_gguf(const struct lt_gguf *g, struct lt_tokenizer **out);
/* The same from tokenizer.ggml.* alone, which is what llama.cpp sees. */
int lt_tok_of_ggml_keys(const struct lt_gguf *g, struct lt_tokenizer **out);
bool lt_tok_in_gguf(const struct lt_gguf *g);                   /* does it hold a tokenizer that can be read? */

enum lt_tok_gguf_how {
    LT_TOK_GGUF_BOTH,           /* in llama.cpp's keys, and whole as tokenizer.json */
    LT_TOK_GGUF_JSON,           /* only whole: llama.cpp then works with ids alone ("no_vocab") */
};
struct lt_tok_gguf_ids { int64_t bos, eos, eot, pad; };         /* -1: none */
/* What ends a text is also said where there is no tokenizer. */
void lt_tok_put_gguf_ids(const struct lt_tok_gguf_ids *ids, struct lt_gguf_out *w);
/* Puts a tokenizer into the keys of a file for a model of `rows` ids; those past the tokenizer's are padding.  -1 and
 * the reason when llama.cpp's keys cannot say what it does.  Notes about what only tokenizer.json says are appended to
 * *note, one a line. */
int lt_tok_put_gguf(const struct lt_tokenizer *t, int64_t rows, const struct lt_tok_gguf_ids *ids,
                    enum lt_tok_gguf_how how, struct lt_gguf_out *w, struct lt_buf *note);

#endif
