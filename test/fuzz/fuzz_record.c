/* Run records over arbitrary bytes: refuse, or give entries whose texts can be read. */
#include "recipe/record.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static size_t use(const json_t *list)
{
    size_t sum = 0;
    for (int i = 0; i < lt_record_entries(list); i++) {
        struct lt_record_entry e = lt_record_entry(list, i);
        sum += strlen(e.option) + strlen(e.path) + (e.hash ? strlen(e.hash) : 0);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_record r;
    if (lt_record_parse("input", (struct lt_str){ (const char *)p, n }, &r)) return 0;
    volatile size_t sum = use(r.inputs) + use(r.outputs) + strlen(r.verb) + strlen(r.build) + strlen(r.isa);
    (void)sum;
    lt_record_release(&r);
    return 0;
}
