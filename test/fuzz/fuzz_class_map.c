/* Class definitions over arbitrary bytes: every word of what is accepted has a class and a probability. */
#include "lm/class_map.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_class_map m;
    if (lt_class_map_parse("input", (struct lt_str){ (const char *)p, n }, &m)) return 0;
    for (uint32_t w = 0; w < m.word.count; w++) assert(m.of[w] < m.name.count && m.logp[w] < 0.01f);
    lt_class_map_release(&m);
    return 0;
}
