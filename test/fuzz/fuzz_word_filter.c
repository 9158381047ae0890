/* The reader of filters over arbitrary bytes: what it accepts says something of words, the same each time. */
#include "decode/filter/word_filter.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char *const texts[] = { "abba", "The listener's house\n", "\xC3\xA9t\xC3\xA9 12" };
    struct lt_str text = { (const char *)p, n };
    struct lt_filter_rule rule;
    struct lt_filter_how how = { .dictionary = "/dev/null" };
    struct lt_filter *f;
    if (lt_filter_parse(text, false, &rule)) return 0;
    for (int i = 0; i < rule.terms; i++)
        if (rule.term[i].kind == LT_FILTER_IN) return 0;        /* names any file */
    if (lt_filter_open(text, &how, &f)) return 0;
    for (int i = 0; i < LT_COUNT(texts); i++) {
        int place = lt_filter_start(f);
        for (const char *c = texts[i]; *c && place >= 0; c++) place = lt_filter_step(f, place, (uint8_t)*c);
        assert(place == lt_filter_steps(f, lt_filter_start(f), lt_str(texts[i])));
        lt_filter_ends(f, place);
    }
    lt_filter_close(f);
    return 0;
}
