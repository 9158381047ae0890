/* Causal language modelling: the negative log-likelihood of each next token.
 *
 * Beside it the two usual regularisers: label smoothing (arXiv:1512.00567) takes a share of the target's probability
 * and spreads it over the vocabulary, z-loss (arXiv:2204.02311, section 5) keeps the softmax's normaliser near 1.
 *     lathe train ... --objective clm --objective.z_loss 1e-4 */
#include "model/model.h"

struct clm { double label_smoothing, z_loss; };

static struct lt_tensor *loss(const void *v, struct lt_graph *g, struct lt_model *m, const struct lt_batch *b)
{
    const struct clm *o = v;
    struct lt_tensor *x = m->arch->forward(m->o, m, g, b);
    struct lt_head head = { .target = b->target, .weight = b->weight, .smoothing = (float)o->label_smoothing,
                            .z_loss = (float)o->z_loss };
    return lt_model_loss(g, m, x, &head);
}

#define AT(field) offsetof(struct clm, field)
static const struct lt_opt rows[] = {
    { .key = "label_smoothing", .help = "share of the target spread over the vocabulary", .type = LT_REAL,
      .at = AT(label_smoothing), .min = 0, .max = 0.999999, .alias = "label_smoothing_factor" },
    { .key = "z_loss", .help = "factor of the squared logarithm of the normaliser", .type = LT_REAL, .at = AT(z_loss),
      .min = 0, .max = 1e3 },
    { 0 },
};

const struct lt_objective lt_objective_clm = {
    .m = { .name = "clm", .brief = "predict the next token", .paper = "arXiv:2204.02311", .size = sizeof(struct clm),
           .opts = rows,
           .doc = "(1 - e) (log Z - x_target) + e mean_v(log Z - x_v) + z (log Z)^2,  Z = sum_v exp(x_v)" },
    .loss = loss,
};
