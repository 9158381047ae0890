/* Self-debiasing (Schick, Udupa and Schuetze 2021, equations 3 to 5): tokens that become likelier after a text which
 * asks for what is unwanted lose by how much they do.
 *
 *     p(v) proportional to M(v) alpha(d),  d = min over i of M(v) - B_i(v),  alpha(d) = 1 if d >= 0, else
 *     max(epsilon, exp(lambda d))
 *
 * M(v) and B_i(v) are probabilities, not their logarithms.
 *     lathe generate 'formula:debias(M, M|"The following text is rude:\n", 50)' --prompt "It was" */
#include "formula/term.h"
#include <math.h>

struct options { double lambda, epsilon; };

static void debias_value(const void *v, const struct lt_term_place *p, float *out)
{
    const struct options *o = v;
    for (int i = 0; i < p->vocab; i++) {
        double q = exp((double)p->row[0][i]), d = INFINITY, loss = 0;
        for (int k = 1; k < p->count; k++) d = fmin(d, q - exp((double)p->row[k][i]));
        if (d < 0) loss = fmax(log(o->epsilon), o->lambda * d);
        out[i] = (float)((double)p->row[0][i] + loss);
    }
}

static const struct lt_opt rows[] = {
    { .key = "lambda", .help = "decay: how much a token loses for a gain in probability", .type = LT_REAL,
      .at = offsetof(struct options, lambda), .dflt = 50, .min = 0, .max = 1e6, .flags = LT_ARG },
    { .key = "epsilon", .help = "least factor of a probability; 0: none", .type = LT_REAL,
      .at = offsetof(struct options, epsilon), .dflt = 0.01, .min = 0, .max = 1, .flags = LT_ARG },
    { 0 },
};
const struct lt_term lt_term_debias = {
    .m = { .name = "debias", .brief = "a model without what it writes when asked for what is unwanted",
           .paper = "arXiv:2103.00453", .size = sizeof(struct options), .opts = rows,
           .doc = "debias(M, B, ..., lambda, epsilon) = log M(v) + log alpha(d), d = min over B of M(v) - B(v);\n"
                  "alpha(d) = 1 where d >= 0, else max(epsilon, exp(lambda d)); weight 1\n"
                  "example: lathe generate 'formula:debias(M, M|\"This is rude: \", 50)' --prompt \"It was a\"" },
    .least = 2, .most = LT_TERM_ARGS, .weight = 1, .value = debias_value,
};
