/* The plausibility constraint of contrastive decoding (Li et al. 2022, equation 2): only tokens that a model finds at
 * least alpha times as likely as its favourite may come.
 *     lathe generate 'formula:E - A + uniform + plausible(E, 0.1)' --prompt "It was" */
#include "formula/term.h"
#include <math.h>

struct options { double alpha; };

static void plausible_value(const void *v, const struct lt_term_place *p, float *out)
{
    const struct options *o = v;
    float top = -INFINITY;
    for (int i = 0; i < p->vocab; i++) top = LT_MAX(top, p->row[0][i]);
    double least = (double)top + log(o->alpha);
    for (int i = 0; i < p->vocab; i++) out[i] = (double)p->row[0][i] >= least ? 0 : -INFINITY;
}

static const struct lt_opt rows[] = {
    { .key = "alpha", .help = "least share of the likeliest token's probability", .type = LT_REAL,
      .at = offsetof(struct options, alpha), .dflt = 0.1, .min = 1e-9, .max = 1, .flags = LT_ARG },
    { 0 },
};
const struct lt_term lt_term_plausible = {
    .m = { .name = "plausible", .brief = "rules out what a model finds far less likely than its favourite",
           .paper = "arXiv:2210.15097", .size = sizeof(struct options), .opts = rows,
           .doc = "plausible(M, alpha) = 0 where M(v) >= alpha max M, else -infinity; weight 0\n"
                  "example: lathe generate 'formula:E - A + uniform + plausible(E, 0.1)' --prompt \"It was a\"" },
    .least = 1, .most = 1, .weight = 0, .value = plausible_value,
};
