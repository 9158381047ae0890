/* What the fuzz entries of tokenizer files share: an accepted one encodes and decodes, and is the same one when written
 * and read again. */
#ifndef FUZZ_TOK_H
#define FUZZ_TOK_H

#include "text/tokenizer.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Encoding may fail (no unknown piece ...), but tokens lie within the text and decoding them in pieces gives what
 * decoding them at once gives. */
static inline void fuzz_encode(const struct lt_tokenizer *t, struct lt_str text)
{
    struct lt_token *tok = NULL;
    size_t n = 0, cap = 0, size = 0;
    char *back = NULL;
    if (lt_tokenizer_encode(t, text, LT_SPECIAL, &tok, &n, &cap) == 0) {
        int32_t *id = lt_alloc(n * sizeof *id);
        struct lt_detok *d = lt_detok_new(t, false);
        struct lt_buf b = { 0 };
        bool ok = true;
        for (size_t i = 0; i < n; i++) {
            assert(tok[i].begin <= tok[i].end && tok[i].end <= text.n);
            id[i] = tok[i].id;
            ok = ok && lt_detok_push(d, id[i], &b) == 0;
        }
        if (ok && lt_detok_finish(d, &b) == 0 && lt_tokenizer_decode(t, id, n, false, &back, &size) == 0)
            assert(lt_str_eq(lt_buf_view(&b), (struct lt_str){ back, size }));
        lt_detok_free(d);
        lt_buf_free(&b);
        free(id);
        free(back);
    }
    free(tok);
}

static inline int fuzz_read(int rc, struct lt_tokenizer *t)
{
    if (rc)
        return 0;
    fuzz_encode(t,
                lt_str("The caf\xC3\xA9  opens\n12,345 \xE2\x96\x81times <s>aaa\xCC\x81 \xE4\xB8\xAD\xF0\x9F\x98\x80"));
    struct lt_buf b = { 0 };
    struct lt_tokenizer *again;
    lt_tok_write_json(t, &b);
    if (lt_tok_read_json("written", lt_buf_view(&b), &again) == 0)
        lt_tokenizer_free(again);
    lt_buf_free(&b);
    lt_tokenizer_free(t);
    return 0;
}

#endif
