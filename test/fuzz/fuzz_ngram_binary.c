/* Binary n-gram files over arbitrary bytes, the sums of which are put right: what opens answers, and stays inside. */
#include "ngram/binary.h"
#include "ngram/stream.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void put_right(uint8_t *p, size_t n)
{
    struct lt_ngram_header h;
    if (n < sizeof h) return;
    memcpy(&h, p, sizeof h);
    memcpy(h.magic, LT_NGRAM_MAGIC, sizeof h.magic);
    h.version = LT_NGRAM_VERSION;
    h.size = n;
    h.content = 0;
    for (size_t at = sizeof h; at < n; at += LT_NGRAM_BLOCK)
        h.content = lt_ngram_checksum(h.content, p + at, LT_MIN(n - at, (size_t)LT_NGRAM_BLOCK));
    h.check = lt_hash(&h, offsetof(struct lt_ngram_header, check), 0);
    memcpy(p, &h, sizeof h);
}

static void ask(const struct lt_ngram *m)
{
    enum { N = 200 };
    struct lt_rng r = lt_rng_make(1, "words");
    struct lt_ngram_state begin = { 0 }, s = { 0 };
    uint32_t word[N], words = lt_ngram_words(m);
    double logp[N];
    uint8_t length[N];
    float *row = lt_alloc(words * sizeof *row);
    for (int i = 0; i < N; i++)
        word[i] = lt_rng_below(&r, 20) ? (uint32_t)lt_rng_below(&r, LT_MIN(words, 6)) : LT_NGRAM_NONE;
    lt_ngram_score(m, &begin, &s, &(struct lt_ngram_run){ word, N, logp, length });
    lt_ngram_row(m, &s, 1, row);
    for (uint32_t i = 0; i < LT_MIN(words, 50); i++) lt_ngram_word(m, lt_ngram_spelling(m, i));
    free(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t *bytes = lt_aligned(LT_MAX(n, 1));
    struct lt_ngram *m, *again = NULL;
    struct lt_ngram_sink sink;
    memcpy(bytes, p, n);
    put_right(bytes, n);
    if (!lt_ngram_map_bytes("input", (struct lt_str){ (const char *)bytes, n }, &m)) {
        ask(m);
        lt_ngram_collect(&again, &sink);
        if (!lt_ngram_stream(m, "input", NULL, NULL, &sink)) ask(again);
        lt_ngram_free(again);
        lt_ngram_free(m);
    }
    free(bytes);
    return 0;
}
