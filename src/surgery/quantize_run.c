/* The operation behind `lathe quantize`. */
#include "surgery/surgery.h"
#include "base/ctx.h"
#include "base/json.h"
#include "surgery/calibrate.h"
#include "surgery/compare.h"
#include "surgery/quant/quantizer.h"
#include "surgery/quant_types.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_CONTEXT = 512 };

struct run {
    const struct lt_quantize_options *o;
    struct lt_ctx *c;
    struct lt_source in;
    struct lt_export e;
    const struct lt_quantizer *quantizer;
    int64_t context;
    int32_t *id; int64_t count;         /* of the calibration text */
    struct lt_calibration measured;
    struct lt_type_counts types;
    struct lt_divergence divergence;
    uint64_t before;                    /* bytes of the tensors as given */
};

/* ---- the blocks of one tensor ---- */

/* Measures the inputs of a layer, and of as many after it as there is memory for their products. */
static int measure(struct run *r, int64_t layer)
{
    struct lt_model *m = r->in.m;
    bool products = r->quantizer->needs & LT_QUANT_HESSIAN;
    int64_t first = layer, last = layer + 1;
    if (layer >= r->measured.first && layer < r->measured.last) return 0;
    if (!products) {
        first = 0;
        last = m->layers + 1;
    } else {
        int64_t room = (int64_t)((double)r->o->memory * 0x1p20 / lt_calibration_bytes(m));
        last = LT_MIN(layer + LT_MAX(1, room), m->layers + 1);
    }
    lt_calibration_release(&r->measured);
    return lt_calibrate(m, r->c, r->id, r->count, r->context, first, last, products, &r->measured);
}

static void scale(const struct lt_calibration_site *s, int64_t rows, float **square, float **hessian)
{
    *square = lt_alloc((size_t)s->width * sizeof **square);
    for (int64_t i = 0; i < s->width; i++) (*square)[i] = (float)(s->square[i] / (double)rows);
    *hessian = s->product ? lt_alloc((size_t)(s->width * s->width) * sizeof **hessian) : NULL;
    for (int64_t i = 0; *hessian && i < s->width * s->width; i++) (*hessian)[i] = s->product[i] / (float)rows;
}

static int quantise(void *self, const struct lt_gguf_part *part, enum lt_dtype type, void *out)
{
    struct run *r = self;
    const struct lt_weight *w = &r->in.m->weight[part->weight];
    int rank;
    int64_t dim[2], layer = r->quantizer->needs ? lt_calibration_layer(r->in.m, part->weight) : -1;
    if (layer >= 0 && measure(r, layer)) return -1;
    const struct lt_calibration_site *s = layer < 0 ? NULL : lt_calibration_of(&r->measured, r->in.m, part->weight);
    float *square = NULL, *hessian = NULL;
    if (s) scale(s, r->measured.rows, &square, &hessian);
    lt_gguf_shape(w, &rank, dim);
    float *wide = lt_alloc((size_t)(dim[0] * dim[1]) * sizeof *wide);
    lt_gguf_rows(w, 0, dim[0], wide);
    const struct lt_quant_job job = { .type = type, .rows = dim[0], .width = dim[1], .w = wide, .square = square,
                                      .hessian = hessian, .out = out };
    int rc = r->quantizer->quantize(r->o->method.o, r->c, &job);
    if (rc && !lt_ctx_interrupted(r->c)) lt_fail("tensor %s: %s", part->name, lt_error());
    free(wide);
    free(square);
    free(hessian);
    return rc;
}

/* ---- texts ---- */

static int read_texts(struct run *r)
{
    const struct lt_quantize_options *o = r->o;
    bool needed = r->quantizer->needs != 0;
    if (needed && !o->calibration.count)
        return lt_misuse("method %s measures the model on a text: name one with --calibration", r->quantizer->m.name);
    if (!needed && o->calibration.count)
        return lt_misuse("method %s reads no calibration text; gptq and importance do", r->quantizer->m.name);
    if ((needed || o->text.count) && !r->in.tokenizer)
        return lt_misuse("%s has no tokenizer, which reading a text needs: name one with --tokenizer", o->input);
    r->context = o->context ? o->context : LT_MIN(USUAL_CONTEXT, r->in.m->context);
    if (r->context > r->in.m->context)
        return lt_misuse("context: expected at most the model's %" PRId64 " tokens, found %" PRId64, r->in.m->context,
                         r->context);
    if (!needed) return 0;
    if (lt_compare_tokens(r->in.tokenizer, &o->calibration, o->calibration_tokens, r->c, &r->id, &r->count)) return -1;
    return r->count ? 0 : lt_fail("the calibration text is empty");
}

/* The written file against the model it was made from. */
static int compare(struct run *r)
{
    struct lt_model *small;
    int32_t *id = NULL;
    int64_t count = 0;
    if (!r->o->text.count) return 0;
    if (lt_model_open(r->o->output, &small)) return lt_fail("what was written cannot be opened: %s", lt_error());
    int rc = lt_compare_tokens(r->in.tokenizer, &r->o->text, r->o->text_tokens, r->c, &id, &count);
    if (!rc) rc = lt_compare_models(r->in.m, small, r->c, id, count, r->context, &r->divergence);
    lt_model_free(small);
    free(id);
    return rc;
}

/* ---- what is printed ---- */

struct figure { const char *name; double value; bool whole; };

static int figures_of(const struct run *r, struct figure out[16])
{
    const struct lt_divergence *d = &r->divergence;
    double bytes = (double)lt_export_bytes(&r->e), numbers = lt_export_numbers(&r->e), tokens = (double)d->tokens;
    int n = 0;
    out[n++] = (struct figure){ "parameters", numbers, true };
    out[n++] = (struct figure){ "bytes_before", (double)r->before, true };
    out[n++] = (struct figure){ "bytes", bytes, true };
    out[n++] = (struct figure){ "bits_per_weight", 8 * bytes / numbers, false };
    out[n++] = (struct figure){ "tensors_by_rule", r->types.rules, true };
    out[n++] = (struct figure){ "tensors_by_fallback", r->types.fallen, true };
    if (!d->tokens) return n;
    out[n++] = (struct figure){ "tokens", tokens, true };
    out[n++] = (struct figure){ "perplexity_before", exp(d->nll_a / tokens), false };
    out[n++] = (struct figure){ "perplexity", exp(d->nll_b / tokens), false };
    out[n++] = (struct figure){ "kl_divergence", d->kl / tokens, false };
    out[n++] = (struct figure){ "same_top_token", (double)d->same_top / tokens, false };
    return n;
}

static int report(const struct run *r)
{
    struct figure f[16];
    struct lt_buf b = { 0 }, json = { 0 };
    int count = figures_of(r, f), rc = 0;
    if (r->o->json || r->o->figures) {
        json_t *root = json_pack("{s:s, s:s, s:s}", "path", r->o->output, "type", r->o->type, "method",
                                 r->quantizer->m.name);
        for (int i = 0; i < count; i++)
            json_object_set_new(root, f[i].name,
                                f[i].whole ? json_integer((json_int_t)f[i].value) : json_real(f[i].value));
        lt_json_put(&json, root);
        lt_buf_char(&json, '\n');
        json_decref(root);
    }
    if (!r->o->json) {
        lt_export_put_table(&r->e, &b);
        lt_buf_char(&b, '\n');
        for (int i = 0; i < count; i++) lt_buf_fmt(&b, f[i].whole ? "%s\t%.0f\n" : "%s\t%.6g\n", f[i].name, f[i].value);
    }
    if (r->o->figures) rc = lt_file_save(r->o->figures, json.p, json.n);
    if (!rc) rc = r->o->json ? lt_file_save("-", json.p, json.n) : lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    lt_buf_free(&json);
    return rc;
}

static int work(struct run *r)
{
    const struct lt_quantize_options *o = r->o;
    if (!lt_str_ends(lt_str(o->output), ".gguf"))
        return lt_misuse("output: quantised weights go into a GGUF file, whose name ends in .gguf; found \"%s\"",
                         o->output);
    if (lt_source_open(o->input, o->tokenizer, &r->in) || read_texts(r) || lt_export_begin(&r->in, &r->e)) return -1;
    r->before = lt_export_bytes(&r->e);
    const struct lt_type_rules rules = { .type = o->type, .pure = o->pure, .rules = &o->rules,
                                         .fallback = o->fallback };
    if (lt_choose_types(&rules, &r->e, &r->types)) return -1;
    r->e.tokenizer = lt_export_form(o->tokenizer_form);
    r->e.quantise = quantise;
    r->e.self = r;
    if (lt_export_save(&r->e, r->c, o->output)) return -1;
    lt_export_tell_notes(&r->e, r->c);
    return compare(r) || report(r) ? -1 : 0;
}

int lt_quantize_run(const struct lt_quantize_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .quantizer = (const struct lt_quantizer *)o->method.method };
    int rc = work(&r);
    lt_calibration_release(&r.measured);
    lt_export_release(&r.e);
    lt_source_release(&r.in);
    free(r.id);
    return rc;
}
