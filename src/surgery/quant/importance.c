/* Errors count by the mean square of the inputs their column is multiplied with, measured on a text: what llama.cpp
 * calls an importance matrix.
 *     lathe quantize out/model --output small.gguf --method importance --calibration text.txt */
#include "surgery/quant/quantizer.h"
#include "base/ctx.h"
#include "math/quant.h"

static int quantize(const void *o, struct lt_ctx *c, const struct lt_quant_job *j)
{
    (void)o;
    const struct lt_quant q = { .type = j->type, .rows = j->rows, .width = j->width, .importance = j->square };
    return lt_quant_rows(lt_ctx_pool(c), &q, j->w, j->out);
}

const struct lt_quantizer lt_quantizer_importance = {
    .m = { .name = "importance", .brief = "errors count by the mean square of the inputs, measured on a text",
           .doc = "minimises sum over a block of E[x^2] (w - w')^2; x: the column's input" },
    .needs = LT_QUANT_SQUARES,
    .quantize = quantize,
};
