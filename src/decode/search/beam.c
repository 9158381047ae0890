/* Beam search.  Diverse groups: arXiv:1610.02424; the length penalty is that of Hugging Face's generate.  Constraints
 * are controls: what they ban is not searched.
 *     lathe generate MODEL --prompt "It was a" --search beam --search.width 4 */
#include "decode/search/beams.h"

struct options { int64_t width, groups; double length_penalty, diversity; };

static int run(const void *v, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out)
{
    const struct options *o = v;
    if (o->groups == 1 && o->diversity > 0) return lt_misuse("diversity keeps groups apart: give groups with it");
    struct lt_beams_how how = { .width = (int)o->width, .groups = (int)o->groups, .diversity = o->diversity,
                                .length_penalty = o->length_penalty };
    return lt_beams_run(&how, lm, c, ask, out);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "width", .help = "texts kept at each step", .type = LT_INT, .at = AT(width), .dflt = 4, .min = 1,
      .max = 1 << 16, .alias = "num_beams,beam_size" },
    { .key = "length_penalty", .help = "a finished text is worth logp / length^this", .type = LT_REAL,
      .at = AT(length_penalty), .dflt = 1, .min = -10, .max = 10 },
    { .key = "groups", .help = "groups of texts that avoid each other's tokens; divides the width", .type = LT_INT,
      .at = AT(groups), .dflt = 1, .min = 1, .max = 1 << 16, .alias = "num_beam_groups" },
    { .key = "diversity", .help = "taken off a token for each group before that chose it at the same step",
      .type = LT_REAL, .at = AT(diversity), .min = 0, .max = 1e6, .alias = "diversity_penalty" },
    { 0 },
};
const struct lt_search lt_search_beam = {
    .m = { .name = "beam", .brief = "the best of the texts that stay in a beam", .paper = "arXiv:1610.02424",
           .size = sizeof(struct options), .opts = rows,
           .doc = "argmax over the texts kept of sum log p(x_t | x_<t) / length^length_penalty; p after the controls\n"
                  "groups: the score of a token falls by diversity for each group before that chose it at this step\n"
                  "example: lathe generate MODEL --prompt \"It was a\" --search beam --search.width 4" },
    .run = run,
};
