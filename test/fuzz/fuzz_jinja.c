/* Templates over arbitrary bytes: what compiles is rendered over a conversation. */
#include "text/jinja/jinja.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char vars[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\" \xC3\xA9 \\n 1\"}],"
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"a\":[1,2.5,null,true]}}}],"
        "\"n\":7,\"x\":-2.5,\"s\":\"a,b c\",\"add_generation_prompt\":true,\"bos_token\":\"<s>\"}";
    struct lt_jinja *t;
    struct lt_jinja_spans spans = { 0 };
    struct lt_buf out = { 0 };
    json_t *j;
    if (lt_jinja_compile("input", (struct lt_str){ (const char *)p, n }, &t)) return 0;
    if (!lt_json_parse("vars", (struct lt_str){ vars, sizeof vars - 1 }, &j)) {
        (void)!lt_jinja_render(t, j, 0, &out, &spans);
        json_decref(j);
    }
    lt_buf_free(&out);
    free(spans.at);
    lt_jinja_free(t);
    return 0;
}
