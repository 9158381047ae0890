/* GGUF files over arbitrary bytes: refused, or every number of every tensor is readable; as a model, and as a tokenizer
 * that then encodes something. */
#include "model/gguf_model.h"
#include "text/tok_gguf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint8_t sum_of(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < size; i++) sum = (uint8_t)(sum + p[i]);
    return sum;
}

static size_t bytes_of(const struct lt_weight *w) { return lt_dtype_bytes(w->type, lt_weight_count(w)); }

static void as_model(const uint8_t *p, size_t n)
{
    struct lt_model *m;
    if (lt_model_parse_gguf("input", p, n, &m)) return;
    volatile uint8_t sum = 0;
    for (int i = 0; i < m->weight_count; i++)
        sum = (uint8_t)(sum + sum_of(m->weight[i].data, bytes_of(&m->weight[i])));
    lt_model_free(m);
}

static void as_tokenizer(const struct lt_gguf *g)
{
    static const char text[] = "abc ab \xC3\xA4!\n12<|x|>";
    struct lt_tokenizer *t;
    struct lt_token *token = NULL;
    size_t count = 0, cap = 0;
    if (lt_tok_of_gguf(g, &t)) return;
    lt_tokenizer_encode(t, lt_str(text), LT_SPECIAL, &token, &count, &cap);
    free(token);
    lt_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_gguf *g;
    if (lt_gguf_parse(p, n, "input", &g)) return 0;
    volatile uint8_t sum = 0;
    for (int i = 0; i < g->tensor_count; i++) sum = (uint8_t)(sum + sum_of(g->tensor[i].data, g->tensor[i].size));
    as_tokenizer(g);
    lt_gguf_free(g);
    as_model(p, n);
    return 0;
}
