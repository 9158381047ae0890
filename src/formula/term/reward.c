/* An autoregressive reward model (Xu et al. 2024, equation 8): a language model whose log-probabilities are rewards of
 * single tokens.  p(v) is proportional to B(v) R(v)^(1/beta), which is B + 1/beta*reward(R); several rewards have each
 * their factor.  In the terms of model arithmetic it is R - uniform.
 *     lathe generate 'formula:B + 1/2*reward(R)' --prompt "It was" */
#include "formula/term.h"
#include <string.h>

static void reward_value(const void *o, const struct lt_term_place *p, float *out)
{
    (void)o;
    memcpy(out, p->row[0], (size_t)p->vocab * sizeof *out);
}

const struct lt_term lt_term_reward = {
    .m = { .name = "reward", .brief = "an autoregressive reward model (GenARM)", .paper = "arXiv:2410.08193",
           .doc = "reward(R) = log R(v); weight 0, so B + 1/beta*reward(R) is B(v) R(v)^(1/beta), normalised\n"
                  "`lathe train --objective arm` makes such an R of preference pairs.\n"
                  "example: lathe generate 'formula:B + 1/2*reward(R)' --prompt \"It was a\"" },
    .least = 1, .most = 1, .weight = 0, .value = reward_value,
};
