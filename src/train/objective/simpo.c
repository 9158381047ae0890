/* Simple preference optimisation (Meng et al. 2024): the reward is the mean log-probability of a token, so
 * that long texts have no advantage, and the chosen text is to win by gamma.  No reference model stands beside it.
 *     lathe train shards --model base --objective simpo --objective.beta 2 --objective.gamma 1 --output aligned */
#include "train/pair_loss.h"

struct simpo { double beta, gamma; };

static double simpo_margin(const void *v, const struct lt_preference *x)
{
    const struct simpo *o = v;
    return o->beta * (x->chosen / (double)x->chosen_tokens - x->rejected / (double)x->rejected_tokens);
}

static double simpo_pair(const void *v, const struct lt_preference *x, struct lt_preference *d)
{
    const struct simpo *o = v;
    double slope, loss = lt_log_loss(simpo_margin(v, x) - o->gamma, &slope);
    d->chosen = o->beta * slope / (double)x->chosen_tokens;
    d->rejected = -o->beta * slope / (double)x->rejected_tokens;
    return loss;
}

#define AT(field) offsetof(struct simpo, field)
static const struct lt_opt rows[] = {
    { .key = "beta", .help = "reward of one nat a token", .type = LT_REAL, .at = AT(beta), .dflt = 2, .min = 1e-6,
      .max = 1e3 },
    { .key = "gamma", .help = "reward by which the chosen text is to win", .type = LT_REAL, .at = AT(gamma), .dflt = 1,
      .min = 0, .max = 1e3, .alias = "simpo_gamma" },
    { 0 },
};

const struct lt_objective lt_objective_simpo = {
    .m = { .name = "simpo", .brief = "prefer the chosen text by its mean log-probability (SimPO)",
           .paper = "arXiv:2405.14734", .size = sizeof(struct simpo), .opts = rows,
           .doc = "-log sigma(beta (log p(chosen) / |chosen| - log p(rejected) / |rejected|) - gamma), the mean over\n"
                  "pairs; |y| counts the tokens after the prompt.  The reward that is told is beta log p(y) / |y|.\n"
                  "example: lathe pack pairs.jsonl --rows pairs --tokenizer base --output shards\n"
                  "example: lathe train shards --model base --objective simpo --lr 1e-6 --output aligned" },
    .needs = LT_NEEDS_PAIRS, .pair = simpo_pair, .margin = simpo_margin,
};
