/* Log-linear interpolation: a product of powers of the members' probabilities, normalised over the vocabulary at every
 * place (Klakow 1998; for back-off models Heafield, Geigle, Massung and Schwartz 2016).
 *     lathe ensemble A B --dev dev.txt --method log_linear --output mix.json */
#include "mixture/mixture.h"
#include <string.h>

static int32_t rows_of(void *self, int64_t place, float *out)
{
    const struct lt_mixture_lesson *l = self;
    size_t n = (size_t)l->members * (size_t)l->vocab;
    memcpy(out, l->row + (size_t)place * n, n * sizeof *out);
    return l->token[place];
}

static int log_linear_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l)
{
    struct lt_mixing_rows r = { .count = l->count, .members = l->members, .vocab = l->vocab, .rows = rows_of,
                                .self = (void *)l };
    lt_mixing_log_linear(l->ctx, &r, f->weight);
    return 0;
}

const struct lt_mixture lt_mixture_log_linear = {
    .m = { .name = "log_linear", .brief = "product of powers of the members' probabilities, normalised",
           .paper = "doi:10.18653/v1/P16-1083",
           .doc = "p(v) = product of p_m(v)^w[m], divided by its sum over all tokens; w by Newton's method on the\n"
                  "likelihood of the text it is learnt on.  Weights may be negative and need not sum to 1.\n"
                  "example: lathe ensemble a.arpa b.arpa --dev dev.txt --method log_linear --output mix.json" },
    .flags = LT_MIXTURE_WEIGHTS | LT_MIXTURE_PRODUCT, .learn = log_linear_learn,
};
