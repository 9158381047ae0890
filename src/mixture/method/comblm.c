/* The combination functions of CombLM: what a large model and a small one of the domain weigh is constant or learnt,
 * one number or one for every token.  The paper has two members and a sigmoid; here any number share a softmax, which
 * for two is the same.  Vectors of weights do not keep the sum at 1: as in the authors' own program the result is
 * divided by its sum.
 *     lathe ensemble general domain --dev dev.txt --method entropy_scalar --output mix.json */
#include "mixture/mixture.h"

#define PAPER "arXiv:2305.16876"
#define AT(f) offsetof(struct lt_gate_options, f)
#define LEARNING \
    { .key = "epochs", .help = "times through the text", .type = LT_INT, .at = AT(epochs), .dflt = 10, .min = 1, \
      .max = 1e6 }, \
    { .key = "batch", .help = "tokens of a step", .type = LT_INT, .at = AT(batch), .dflt = 256, .min = 1, \
      .max = 1 << 20 }, \
    { .key = "learning_rate", .help = "at first; it falls to 0 in a straight line", .type = LT_REAL, \
      .at = AT(learning_rate), .dflt = 0.01, .min = 0, .max = 10, .alias = "lr" }, \
    { .key = "holdout", .help = "share of the tokens by which the best epoch is chosen; 0: the last epoch", \
      .type = LT_REAL, .at = AT(holdout), .dflt = 0.1, .min = 0, .max = 0.9 }

static const struct lt_opt constant_rows[] = { LEARNING, { 0 } };
static const struct lt_opt network_rows[] = {
    { .key = "hidden", .help = "units of the hidden layer", .type = LT_INT, .at = AT(hidden), .dflt = 64, .min = 1,
      .max = 65536 },
    LEARNING,
    { 0 },
};

/* The same gate without features, whose outputs are the weights. */
static int constant_scalar_learn(struct lt_mixture_fit *f, const struct lt_mixture_lesson *l)
{
    struct lt_mixture_fit z = *f;
    float bias[LT_MIXING_MEMBERS] = { 0 };
    lt_gate_shape(&z);
    z.tensor[0].value = bias;
    int rc = lt_gate_learn(&z, l);
    if (!rc) lt_gate_weigh(&z, &(struct lt_mixture_place){ 0 }, f->weight);
    return rc;
}

const struct lt_mixture lt_mixture_mean = {
    .m = { .name = "mean", .brief = "mean of the members' probabilities", .paper = PAPER,
           .doc = "p(v) = sum of p_m(v) / M; nothing is learnt" },
};
const struct lt_mixture lt_mixture_constant_scalar = {
    .m = { .name = "constant_scalar", .brief = "one constant weight a member, learnt by gradient", .paper = PAPER,
           .size = sizeof(struct lt_gate_options), .opts = constant_rows,
           .doc = "p(v) = sum of lambda[m] p_m(v), lambda = softmax(b); linear finds the same weights by EM" },
    .flags = LT_MIXTURE_WEIGHTS, .learn = constant_scalar_learn,
};
const struct lt_mixture lt_mixture_constant_vector = {
    .m = { .name = "constant_vector", .brief = "a constant weight for every member and token", .paper = PAPER,
           .size = sizeof(struct lt_gate_options), .opts = constant_rows,
           .doc = "p(v) = sum of lambda[m][v] p_m(v), divided by its sum over v; lambda = softmax over m of b[m][v]" },
    .flags = LT_MIXTURE_TOKENWISE, .shape = lt_gate_shape, .learn = lt_gate_learn, .weigh = lt_gate_weigh,
};
const struct lt_mixture lt_mixture_entropy_scalar = {
    .m = { .name = "entropy_scalar", .brief = "weights are a learnt function of how sure the members are",
           .paper = PAPER, .size = sizeof(struct lt_gate_options), .opts = network_rows,
           .doc = "p(v) = sum of lambda[m] p_m(v), lambda = softmax(W2 relu(W1 x + b1) + b2), x the entropies of the\n"
                  "members' distributions, standardised\n"
                  "example: lathe ensemble general domain --dev dev.txt --method entropy_scalar --output mix.json" },
    .flags = LT_MIXTURE_ENTROPY, .shape = lt_gate_shape, .learn = lt_gate_learn, .weigh = lt_gate_weigh,
};
const struct lt_mixture lt_mixture_entropy_vector = {
    .m = { .name = "entropy_vector", .brief = "a weight for every token, learnt from how sure the members are",
           .paper = PAPER, .size = sizeof(struct lt_gate_options), .opts = network_rows,
           .doc = "as entropy_scalar, with lambda[m][v] for every token, and the result divided by its sum" },
    .flags = LT_MIXTURE_ENTROPY | LT_MIXTURE_TOKENWISE, .shape = lt_gate_shape, .learn = lt_gate_learn,
    .weigh = lt_gate_weigh,
};
const struct lt_mixture lt_mixture_full_scalar = {
    .m = { .name = "full_scalar", .brief = "weights are a learnt function of all the members say", .paper = PAPER,
           .size = sizeof(struct lt_gate_options), .opts = network_rows,
           .doc = "as entropy_scalar, x the members' probabilities of every token, standardised" },
    .flags = LT_MIXTURE_ROWS, .shape = lt_gate_shape, .learn = lt_gate_learn, .weigh = lt_gate_weigh,
};
const struct lt_mixture lt_mixture_full_vector = {
    .m = { .name = "full_vector", .brief = "a weight for every token, learnt from all the members say", .paper = PAPER,
           .size = sizeof(struct lt_gate_options), .opts = network_rows,
           .doc = "as full_scalar, with lambda[m][v] for every token, and the result divided by its sum" },
    .flags = LT_MIXTURE_ROWS | LT_MIXTURE_TOKENWISE, .shape = lt_gate_shape, .learn = lt_gate_learn,
    .weigh = lt_gate_weigh,
};
