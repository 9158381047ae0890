/* JSON over arbitrary bytes: what is accepted is written, read again, and is the same document. */
#include "base/json.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    json_t *j, *again;
    if (lt_json_parse("input", (struct lt_str){ (const char *)p, n }, &j)) return 0;
    struct lt_buf b = { 0 };
    lt_json_put(&b, j);
    int rc = lt_json_parse("output", lt_buf_view(&b), &again);
    assert(rc == 0);
    lt_buf_free(&b);
    lt_json_put(&b, again);
    json_decref(again);
    json_decref(j);
    lt_buf_free(&b);
    return 0;
}
