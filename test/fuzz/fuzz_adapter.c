/* The tensors of an adapter over arbitrary bytes: refused, or every number of what is accepted can be used. */
#include "model/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 4, "
                                 "\"rank_pattern\": {\"v_proj\": 1}}";
    struct lt_adapter *a;
    if (lt_adapter_parse("input", lt_str(config), p, n, &a)) return 0;
    volatile double sum = (double)lt_adapter_numbers(a);
    for (int i = 0; i < a->parts; i++) sum = sum + a->type->norm(&a->part[i]);
    lt_adapter_free(a);
    return 0;
}
