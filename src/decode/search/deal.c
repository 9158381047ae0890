/* DeAL (arXiv:2402.06147): a beam whose texts are judged by a reward of where they lead.  We look ahead greedily and at
 * every step; lookahead 0 judges the text as it stands.
 *     lathe generate MODEL --prompt "Once" --search deal --search.keywords cat --search.keywords hat */
#include "decode/search/beams.h"

struct options { int64_t width, top, lookahead; double weight; struct lt_reward reward; };

static int run(const void *v, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out)
{
    const struct options *o = v;
    if (!o->reward.keywords.count && !o->reward.length) return lt_misuse("deal needs keywords or a length to aim at");
    struct lt_beams_how how = { .width = (int)o->width, .groups = 1, .top = (int)o->top, .weight = o->weight,
                                .lookahead = (int)o->lookahead, .reward = &o->reward };
    return lt_beams_run(&how, lm, c, ask, out);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "width", .help = "texts kept at each step", .type = LT_INT, .at = AT(width), .dflt = 4, .min = 1,
      .max = 4096 },
    { .key = "top", .help = "tokens tried of each text", .type = LT_INT, .at = AT(top), .dflt = 5, .min = 1,
      .max = 4096 },
    { .key = "lookahead", .help = "tokens greedily written ahead to judge by", .type = LT_INT, .at = AT(lookahead),
      .dflt = 16, .min = 0, .max = 1e6 },
    { .key = "weight", .help = "of the reward beside the log probability", .type = LT_REAL, .at = AT(weight),
      .dflt = 10, .min = 0, .max = 1e6, .alias = "lambda" },
    LT_REWARD_ROWS(AT(reward)),
    { 0 },
};
const struct lt_search lt_search_deal = {
    .m = { .name = "deal", .brief = "a beam that looks ahead to a reward of the text", .paper = "arXiv:2402.06147",
           .size = sizeof(struct options), .opts = rows,
           .doc = "c(y_1..t) = log p(y_1..t) + weight * reward(y_1..t+lookahead)\n"
                  "reward = keyword_weight (share of keywords found) - length_weight |words - length| / length\n"
                  "example: lathe generate MODEL --search deal --search.keywords cat --search.keywords hat" },
    .run = run,
};
