#include "formula/formula.h"
#include "math/row_kernel.h"
#include <math.h>
#include <string.h>

struct value { const struct lt_formula *f; const struct lt_formula_place *p; struct lt_arena *scratch; };

static const float *distribution(const struct value *e, int sum);

static const float *of_term(const struct value *e, const struct lt_formula_atom *a)
{
    const float *row[LT_TERM_ARGS];
    double past[LT_TERM_ARGS] = { 0 };
    float *out = lt_arena_take(e->scratch, (size_t)e->p->vocab * sizeof *out);
    for (int i = 0; i < a->arg_count; i++) {
        row[i] = distribution(e, a->arg[i]);
        if (a->term->flags & LT_TERM_PAST) {
            const struct lt_formula_sum *s = &e->f->sum[a->arg[i]];
            past[i] = e->p->past[e->f->atom[s->part[0].atom].view];
        }
    }
    struct lt_term_place p = { .vocab = e->p->vocab, .count = a->arg_count, .row = row,
                               .past = a->term->flags & LT_TERM_PAST ? past : NULL };
    a->term->value(a->o, &p, out);
    return out;
}

static const float *of_atom(const struct value *e, int atom)
{
    const struct lt_formula_atom *a = &e->f->atom[atom];
    return a->term ? of_term(e, a) : e->p->row[a->view];
}

/* What rules a token out where it is added rules it out; where it is subtracted it is only very unlikely. */
static void add_row(double *total, const float *x, int n, double factor)
{
    for (int v = 0; v < n; v++) {
        double y = (double)x[v];
        if (factor < 0 && y < LT_FORMULA_FLOOR) y = LT_FORMULA_FLOOR;
        total[v] += factor * y;
    }
}

static void normalise(const double *total, int n, double weight, float *out)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    for (int v = 0; v < n; v++) out[v] = (float)(total[v] / weight);
    float top = rows->peak(n, out);
    if (top == -INFINITY) return;
    double z = (double)top + log(rows->exp_sum(n, top, out, NULL));
    for (int v = 0; v < n; v++) out[v] = (float)(total[v] / weight - z);
}

/* log p of every token; recursion goes as deep as the parser let brackets go. */
static const float *distribution(const struct value *e, int sum)
{
    const struct lt_formula_sum *s = &e->f->sum[sum];
    int n = e->p->vocab;
    if (s->count == 1 && !e->f->atom[s->part[0].atom].term) return of_atom(e, s->part[0].atom);
    float *out = lt_arena_take(e->scratch, (size_t)n * sizeof *out);
    double *total = lt_arena_zero(e->scratch, (size_t)n, sizeof *total);
    for (int i = 0; i < s->count; i++) add_row(total, of_atom(e, s->part[i].atom), n, s->part[i].factor);
    normalise(total, n, s->weight, out);
    return out;
}

int lt_formula_row(const struct lt_formula *f, int sum, const struct lt_formula_place *p, struct lt_arena *scratch,
                   float *out)
{
    struct lt_arena_mark here = lt_arena_here(scratch);
    const struct value e = { f, p, scratch };
    memcpy(out, distribution(&e, sum), (size_t)p->vocab * sizeof *out);
    lt_arena_release(scratch, here);
    if (lt_row_kernel()->peak(p->vocab, out) > -INFINITY) return 0;
    return lt_fail("the formula leaves no token: what one of its terms allows the others rule out");
}
