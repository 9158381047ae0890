/* Formulas over arbitrary bytes: what is accepted is a sum whose parts are all there, and names models. */
#include "formula/formula.h"
#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_sum(const struct lt_formula *f, int at, int depth)
{
    assert(at >= 0 && at < f->sum_count && depth <= LT_FORMULA_NESTED + 1);
    const struct lt_formula_sum *s = &f->sum[at];
    assert(s->count >= 1 && s->count <= LT_FORMULA_PARTS && s->weight > 0);
    for (int i = 0; i < s->count; i++) {
        assert(isfinite(s->part[i].factor) && s->part[i].factor != 0);
        const struct lt_formula_atom *a = &f->atom[s->part[i].atom];
        if (!a->term) {
            assert(a->view < f->view_count && f->view[a->view].model < f->model_count);
            continue;
        }
        assert(a->arg_count >= a->term->least && a->arg_count <= a->term->most && (!a->term->m.opts || a->o));
        for (int k = 0; k < a->arg_count; k++) check_sum(f, a->arg[k], depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_formula *f;
    bool view[LT_FORMULA_VIEWS] = { 0 }, past[LT_FORMULA_VIEWS] = { 0 };
    if (lt_formula_parse((struct lt_str){ (const char *)p, n }, &f)) return 0;
    check_sum(f, f->top, 0);
    if (f->guess >= 0) check_sum(f, f->guess, 0);
    for (int i = 0; i < f->model_count; i++) assert(*f->model[i]);
    lt_formula_uses(f, f->top, view, past);
    for (int v = 0; v < LT_FORMULA_VIEWS; v++) assert(!past[v] || view[v]);
    lt_formula_free(f);
    return 0;
}
