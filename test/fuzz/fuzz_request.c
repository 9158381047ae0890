/* Bodies of requests over arbitrary bytes, of every kind; the first byte chooses.  What is taken can be finished, and
 * a refusal has a status and a sentence. */
#include "serve/ollama.h"
#include "serve/tool_calls.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct lt_body *const kind[] = { &lt_body_ollama_generate, &lt_body_ollama_chat, &lt_body_ollama_embed,
                                                  &lt_body_ollama_embeddings };
    struct lt_request r;
    struct lt_fault f = { 0 };
    if (!n) return 0;
    unsigned which = p[0] % 6;
    struct lt_str body = { (const char *)p + 1, n - 1 };
    int rc = which < 2 ? lt_request_parse(&r, which == 1, body, &f) : lt_ollama_parse(&r, kind[which - 2], body, &f);
    if (!rc) rc = lt_request_bind_tools(&r, lt_str("{{ tools }}<tool_call>"), &f);
    if (!rc) rc = lt_request_finish(&r, &f);
    assert(rc ? f.status >= 400 && f.message && *f.message : f.status == 0);
    if (!rc) {
        assert(r.n >= 1 && r.n * LT_MAX(r.prompts, 1) <= LT_REQUEST_SLOTS);
        lt_tool_reader_free(lt_request_tool_reader(&r));
    }
    struct lt_buf told = { 0 };
    lt_fault_put(&told, &f);
    lt_buf_free(&told);
    lt_fault_release(&f);
    lt_request_release(&r);
    return 0;
}
