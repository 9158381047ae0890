/* config.json over arbitrary bytes: what is accepted fills the options of an architecture or is refused by them. */
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    const struct lt_arch *arch;
    struct lt_options *options;
    struct lt_generation gen;
    lt_generation_init(&gen);
    if (lt_config_parse("input", (struct lt_str){ (const char *)p, n }, &arch, &options, &gen)) return 0;
    lt_options_done(options);
    lt_options_free(options);
    return 0;
}
