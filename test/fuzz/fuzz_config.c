/* config.json over arbitrary bytes: what is accepted declares the weights of a model, or its sizes are refused. */
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_model *m = lt_calloc(1, sizeof *m);
    lt_generation_init(&m->generation);
    if (!lt_config_parse("input", (struct lt_str){ (const char *)p, n }, &m->arch, &m->options, &m->generation)) {
        m->o = (void *)lt_options_done(m->options);
        if (m->o && !m->arch->params(m->o, m)) {
            struct lt_buf b = { 0 };
            lt_config_write(m, LT_F32, &b);
            lt_buf_free(&b);
        }
    }
    lt_model_free(m);
    return 0;
}
