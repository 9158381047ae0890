/* An autoregressive reward model (Xu et al. 2024, "GenARM"): the reward of a text is the log-probability
 * that the model gives it, learnt from pairs by the likelihood of Bradley and Terry.  Every token then has a reward of
 * its own, which guides another model's decoding (`lathe help reward`).  No reference model stands beside it.
 *     lathe pack pairs.jsonl --rows pairs --tokenizer base --output shards
 *     lathe train shards --model base --objective arm --objective.beta 0.1 --lr 5e-6 --output reward */
#include "train/pair_loss.h"

struct arm { double beta; };

static double arm_margin(const void *v, const struct lt_preference *x)
{
    const struct arm *o = v;
    return o->beta * (x->chosen - x->rejected);
}

static double arm_pair(const void *v, const struct lt_preference *x, struct lt_preference *d)
{
    const struct arm *o = v;
    double slope, loss = lt_log_loss(arm_margin(v, x), &slope);
    d->chosen = o->beta * slope;
    d->rejected = -o->beta * slope;
    return loss;
}

static const struct lt_opt rows[] = {
    { .key = "beta", .help = "reward of one nat: the smaller, the further the two texts are driven apart",
      .type = LT_REAL, .at = offsetof(struct arm, beta), .dflt = 0.1, .min = 1e-6, .max = 1e3 },
    { 0 },
};

const struct lt_objective lt_objective_arm = {
    .m = { .name = "arm", .brief = "a reward model of single tokens from preference pairs (GenARM)",
           .paper = "arXiv:2410.08193", .size = sizeof(struct arm), .opts = rows,
           .doc = "-log sigma(beta (log p(chosen) - log p(rejected))), the mean over pairs;  log p(y) = sum_t log\n"
                  "p(y_t | x, y_<t) over the tokens after the prompt x.  The reward that is told is beta log p.\n"
                  "example: lathe pack pairs.jsonl --rows pairs --tokenizer base --output shards\n"
                  "example: lathe train shards --model base --objective arm --lr 5e-6 --output reward\n"
                  "example: lathe generate 'formula:\"base\" + 1/2*reward(\"reward\")' --prompt \"It was a\"" },
    .needs = LT_NEEDS_PAIRS, .pair = arm_pair, .margin = arm_margin,
};
