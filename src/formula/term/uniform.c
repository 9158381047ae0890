/* The distribution that finds every token as likely as any other.  Added to a difference of models it gives it the
 * weight that a distribution needs: E - A + uniform is E / A, normalised. */
#include "formula/term.h"
#include <math.h>

static void uniform_value(const void *o, const struct lt_term_place *p, float *out)
{
    (void)o;
    for (int v = 0; v < p->vocab; v++) out[v] = (float)-log(p->vocab);
}

const struct lt_term lt_term_uniform = {
    .m = { .name = "uniform", .brief = "every token as likely as any other", .paper = "arXiv:2311.14479",
           .doc = "uniform = -log(tokens); weight 1\n"
                  "example: lathe generate 'formula:E - A + uniform + plausible(E)' --prompt \"It was a\"" },
    .weight = 1, .value = uniform_value,
};
