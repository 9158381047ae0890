/* adapter_config.json over arbitrary bytes: what is accepted sizes the tensors of a weight, or is refused. */
#include "model/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_arena a = { 0 };
    const struct lt_adapter_type *type;
    struct lt_options *options;
    const char *base;
    struct lt_adapter_part part = { .module = "model.layers.0.self_attn.q_proj", .in = 4, .out = 4 };
    if (!lt_adapter_config_parse("input", (struct lt_str){ (const char *)p, n }, &a, &type, &options, &base)) {
        type->attach(lt_options_done(options), &part);
        lt_options_free(options);
    }
    lt_arena_free(&a);
    return 0;
}
