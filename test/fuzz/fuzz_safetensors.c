/* The safetensors header over arbitrary bytes: refuse or accept, and every byte of an accepted tensor is readable. */
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_safetensors *s;
    if (lt_safetensors_parse(p, n, "input", &s)) return 0;
    volatile uint8_t sum = 0;
    for (int i = 0; i < s->count; i++) {
        const uint8_t *data = s->tensor[i].data;
        size_t size = (size_t)s->tensor[i].count * lt_dtype_size(s->tensor[i].type);
        for (size_t k = 0; k < size; k++) sum = (uint8_t)(sum + data[k]);
    }
    lt_safetensors_free(s);
    return 0;
}
