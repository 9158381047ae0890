/* Checkpoints of llama2.c (https://github.com/karpathy/llama2.c): version 0, a header of seven int32 and f32 tensors in
 * a fixed order, and version 1, the same tensors in another order behind a header of 256 bytes.
 *
 * They become tensors under Hugging Face names.  Rotary pairs lie side by side there and half a head apart here, so the
 * rows of q and k are put in another order; every other tensor is used where it lies. */
#ifndef LT_LLAMA2C_H
#define LT_LLAMA2C_H

#include "model/safetensors.h"

struct lt_llama2c {
    int64_t dim, hidden, layers, heads, kv_heads, vocab, context;
    bool tied;
    int version;
    size_t header;              /* bytes before the first tensor */
};
bool lt_llama2c_is(const uint8_t *p, size_t n); /* a header that makes sense, before a file of the size it implies */
int lt_llama2c_header(const char *label, const uint8_t *p, size_t n, struct lt_llama2c *out);
/* Tensors over p, which is borrowed; n is what the header implies. */
struct lt_safetensors *lt_llama2c_tensors(const struct lt_llama2c *h, const uint8_t *p);

#endif
