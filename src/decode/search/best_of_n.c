/* The best of several samples, by their probability or by a reward.
 *     lathe generate MODEL --prompt "It was a" --search best_of_n --search.n 16 --search.by mean */
#include "decode/sample.h"
#include "decode/search/beams.h"

#include <string.h>

struct options { int64_t n; const char *by; struct lt_reward reward; };

static double worth(const struct options *o, const struct lt_reply *r)
{
    double sum = 0;
    if (!strcmp(o->by, "reward")) return lt_reward(&o->reward, (struct lt_str){ r->text, r->text_size });
    for (int i = 0; i < r->count; i++) sum += (double)r->logp[i];
    return !strcmp(o->by, "mean") ? sum / LT_MAX(r->count, 1) : sum;
}

static bool better(const void *o, const struct lt_reply *a, const struct lt_reply *b)
{
    return worth(o, a) > worth(o, b);
}

static int run(const void *v, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out)
{
    const struct options *o = v;
    bool rewards = o->reward.keywords.count || o->reward.length;
    if (ask->greedy) return lt_misuse("greedy writes the same text every time: there is no best of several");
    if (rewards != !strcmp(o->by, "reward"))
        return lt_misuse("by=reward goes with keywords or length, and they with it");
    if (rewards && !(lm->type->tokenizer && lm->type->tokenizer(lm->self)))
        return lt_misuse("rewards of a text need a model with a tokenizer");
    return lt_best_sample(lm, c, ask, (int)o->n, better, o, out);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "n", .help = "samples", .type = LT_INT, .at = AT(n), .dflt = 8, .min = 1, .max = 1e5 },
    { .key = "by", .help = "log probability, the same for a token, or the reward", .type = LT_STR, .at = AT(by),
      .text = "logp|mean|reward", .flags = LT_ENUM },
    LT_REWARD_ROWS(AT(reward)),
    { 0 },
};
const struct lt_search lt_search_best_of_n = {
    .m = { .name = "best_of_n", .brief = "the best of n samples", .size = sizeof(struct options), .opts = rows,
           .doc = "argmax over n samples of log p(x), log p(x) / length, or the reward\n"
                  "reward = keyword_weight (share of keywords found) - length_weight |words - length| / length\n"
                  "example: lathe generate MODEL --prompt \"It was a\" --search best_of_n --search.n 16" },
    .run = run,
};
