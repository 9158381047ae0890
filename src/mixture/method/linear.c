/* Linear interpolation with constant weights, found by EM on held-out text.
 *     lathe ensemble A B --dev dev.txt --output mix.json */
#include "mixture/mixture.h"

static int linear_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l)
{
    struct lt_mixing_table t = { .logp = l->logp, .count = l->count, .stride = l->members, .members = l->members };
    lt_mixing_em(l->ctx, &t, f->weight);
    return 0;
}

const struct lt_mixture lt_mixture_linear = {
    .m = { .name = "linear", .brief = "weighted mean of the members' probabilities, weights by EM",
           .doc = "p(v) = sum of w[m] p_m(v); w maximises the likelihood of the text it is learnt on: by EM,\n"
                  "w[m] <- mean over the text of w[m] p_m / sum of w[k] p_k\n"
                  "example: lathe ensemble a.arpa b.arpa --dev dev.txt --output mix.json" },
    .flags = LT_MIXTURE_WEIGHTS, .learn = linear_learn,
};
