/* The reader of regular expressions over arbitrary bytes: what it accepts runs. */
#include "fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_str text = { (const char *)p, n };
    struct lt_grammar *g;
    return lt_grammar_regex("input", text, &g) ? 0 : fuzz_run(g);
}
