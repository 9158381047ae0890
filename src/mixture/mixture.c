#include "mixture/mixture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void lt_mixture_init(struct lt_mixture_fit *f, const struct lt_mixture *how, const void *o, int members, int vocab)
{
    *f = (struct lt_mixture_fit){ .how = how, .o = o, .members = members, .vocab = how->shape ? vocab : 0 };
    for (int m = 0; m < members; m++) f->weight[m] = 1.0 / members;
    if (how->shape) how->shape(f);
    for (int i = 0; i < f->tensor_count; i++)
        f->tensor[i].value = lt_calloc((size_t)f->tensor[i].rows * (size_t)f->tensor[i].cols, sizeof(float));
}

void lt_mixture_release(struct lt_mixture_fit *f)
{
    for (int i = 0; i < f->tensor_count; i++) free(f->tensor[i].value);
    *f = (struct lt_mixture_fit){ 0 };
}

float *lt_mixture_value(const struct lt_mixture_fit *f, const char *name)
{
    int i = 0;
    while (strcmp(f->tensor[i].name, name)) i++;
    return f->tensor[i].value;
}

bool lt_mixture_needs_rows(const struct lt_mixture *how)
{
    return how->flags & (LT_MIXTURE_PRODUCT | LT_MIXTURE_TOKENWISE | LT_MIXTURE_ENTROPY | LT_MIXTURE_ROWS);
}

static void weigh(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, double *w)
{
    if (f->how->weigh) f->how->weigh(f, p, w);
    else memcpy(w, f->weight, (size_t)f->members * sizeof *w);
}

/* Subtracts the log of the sum of exp. */
static void normalise(float *x, int n)
{
    double z = lt_mixing_log_sum(x, n);
    for (int v = 0; v < n; v++) x[v] = (float)((double)x[v] - z);
}

static void multiply(int members, const double *w, const float *const *row, int vocab, float *out)
{
    for (int v = 0; v < vocab; v++) {
        double s = 0;
        for (int m = 0; m < members; m++) s += w[m] * fmax((double)row[m][v], LT_MIXING_FLOOR);
        out[v] = (float)s;
    }
    normalise(out, vocab);
}

/* step: 0 when a member has one weight, else 1. */
static void pool(int members, const double *w, int step, const float *const *row, int vocab, float *out)
{
    int64_t next = step ? vocab : 1;
    for (int v = 0; v < vocab; v++) {
        float top = -INFINITY;
        double s = 0;
        for (int m = 0; m < members; m++) top = fmaxf(top, row[m][v]);
        if (top > -INFINITY)
            for (int m = 0; m < members; m++)
                s += w[m * next + (int64_t)step * v] * exp((double)row[m][v] - (double)top);
        out[v] = s > 0 ? (float)(log(s) + (double)top) : -INFINITY;
    }
    if (step) normalise(out, vocab);
}

void lt_mixture_row(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, int vocab, float *out)
{
    bool tokenwise = f->how->flags & LT_MIXTURE_TOKENWISE;
    double *w = lt_alloc((size_t)f->members * (tokenwise ? (size_t)vocab : 1) * sizeof *w);
    weigh(f, p, w);
    if (f->how->flags & LT_MIXTURE_PRODUCT) multiply(f->members, w, p->row, vocab, out);
    else pool(f->members, w, tokenwise, p->row, vocab, out);
    free(w);
}

float lt_mixture_token(const struct lt_mixture_fit *f, const struct lt_mixture_place *p, const float *logp)
{
    double w[LT_MIXING_MEMBERS];
    const float *row[LT_MIXING_MEMBERS];
    float out;
    for (int m = 0; m < f->members; m++) row[m] = &logp[m];
    weigh(f, p, w);
    pool(f->members, w, 0, row, 1, &out);
    return out;
}
