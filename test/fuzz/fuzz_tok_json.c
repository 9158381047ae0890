/* The reader of tokenizer.json over arbitrary bytes. */
#include "fuzz_tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_tokenizer *t = NULL;
    int rc = lt_tok_read_json("input", (struct lt_str){ (const char *)p, n }, &t);
    return fuzz_read(rc, t);
}
