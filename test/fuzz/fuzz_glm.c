/* GLM files over arbitrary bytes: refuse or accept; an accepted one answers about any words without a stray read. */
#include "ngram/glm_model.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t *copy = lt_aligned(LT_MAX(n, 1));
    struct lt_glm *m;
    volatile double sum = 0;
    if (n) memcpy(copy, p, n);
    if (!lt_glm_parse("input", copy, n, &m)) {
        double *row = lt_alloc(m->words * sizeof *row);
        uint32_t words = LT_MIN(m->words, 8);
        for (uint32_t w = 0; w < words; w++) {
            int32_t word[LT_GLM_ORDER_MAX];
            struct lt_glm_view v;
            for (int k = 0; k < LT_GLM_ORDER_MAX; k++) word[k] = (int32_t)((w + (uint32_t)k) % words);
            lt_glm_look(m, word, (int)w, &v);
            lt_glm_row(m, &v, row);
            for (uint32_t x = 0; x < words; x++) sum += lt_glm_prob(m, &v, x) + row[x];
            assert(lt_glm_spelling(m, w).n > 0);
        }
        free(row);
        lt_glm_free(m);
    }
    free(copy);
    (void)sum;
    return 0;
}
