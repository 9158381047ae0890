/* YAML over arbitrary bytes: refuse or accept; what is accepted becomes JSON that parses. */
#include "base/yaml.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    json_t *j = NULL, *again = NULL;
    if (lt_yaml_parse("input", (struct lt_str){ (const char *)p, n }, &a, &y) == 0) j = lt_yaml_json("input", y);
    if (j) {
        struct lt_buf b = { 0 };
        lt_json_put(&b, j);
        int rc = lt_json_parse("output", lt_buf_view(&b), &again);
        assert(rc == 0);
        lt_buf_free(&b);
    }
    json_decref(again);
    json_decref(j);
    lt_arena_free(&a);
    return 0;
}
