/* llama2.c checkpoints over arbitrary bytes: refused, or every number of every weight is readable. */
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_model *m;
    if (lt_model_parse_llama2c("input", p, n, &m)) return 0;
    volatile uint8_t sum = 0;
    for (int i = 0; i < m->weight_count; i++) {
        const uint8_t *data = m->weight[i].data;
        size_t size = (size_t)lt_weight_count(&m->weight[i]) * sizeof(float);
        for (size_t k = 0; k < size; k++) sum = (uint8_t)(sum + data[k]);
    }
    lt_model_free(m);
    return 0;
}
