/* Every number to the nearest its block can hold; the block's scales are searched for (math/quant.h).
 *     lathe quantize out/model --output small.gguf --type q4_k */
#include "surgery/quant/quantizer.h"
#include "base/ctx.h"
#include "math/quant.h"

static int quantize(const void *o, struct lt_ctx *c, const struct lt_quant_job *j)
{
    (void)o;
    const struct lt_quant q = { .type = j->type, .rows = j->rows, .width = j->width };
    return lt_quant_rows(lt_ctx_pool(c), &q, j->w, j->out);
}

const struct lt_quantizer lt_quantizer_round_to_nearest = {
    .m = { .name = "round_to_nearest", .brief = "each number to the nearest its block can hold; needs no text",
           .doc = "minimises sum over a block of (w - w')^2, with the weights of ggml's reference quantisers" },
    .quantize = quantize,
};
