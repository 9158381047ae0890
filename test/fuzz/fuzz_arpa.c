/* ARPA files over arbitrary bytes: what is accepted answers for every word and, written, is read as the same model. */
#include "ngram/ngram.h"
#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_ngram *m, *again;
    if (lt_ngram_parse("input", (struct lt_str){ (const char *)p, n }, &m)) return 0;
    struct lt_ngram_state s = { 0 };
    for (uint32_t w = 0; w < m->vocabulary.count; w++) {
        int length;
        double logp = lt_ngram_prob(m, &s, w, &length);
        assert(!isnan(logp) && length >= 1 && length <= m->order);
    }
    struct lt_buf one = { 0 }, two = { 0 };
    lt_ngram_write(m, &one);
    int rc = lt_ngram_parse("output", lt_buf_view(&one), &again);
    assert(!rc);
    lt_ngram_write(again, &two);
    assert(one.n == two.n && !memcmp(one.p, two.p, one.n));
    lt_buf_free(&one);
    lt_buf_free(&two);
    lt_ngram_free(m);
    lt_ngram_free(again);
    return 0;
}
