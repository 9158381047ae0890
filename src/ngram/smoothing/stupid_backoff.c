/* Stupid back-off (Brants, Popat, Xu, Och and Dean 2007, equation 5): relative frequencies, and `penalty` times the
 * score of the shorter context where there is none.  These are scores, not probabilities: the words after a context sum
 * to more than 1, and a perplexity computed from them compares with nothing.
 *     lathe ngram build text.txt --output x.arpa --smoothing stupid_backoff */
#include "ngram/smoothing/smoothing.h"

struct options { double penalty; };

static double penalty(const void *v)
{
    return ((const struct options *)v)->penalty;
}

static const struct lt_opt rows[] = {
    { .key = "penalty", .help = "factor for every word that the context is shortened by", .type = LT_REAL,
      .at = offsetof(struct options, penalty), .dflt = 0.4, .min = 1e-6, .max = 1, .alias = "alpha" },
    { 0 },
};
const struct lt_smoothing lt_smoothing_stupid_backoff = {
    .m = { .name = "stupid_backoff", .brief = "relative frequencies with a fixed penalty: scores, not probabilities",
           .paper = "ACL:D07-1090", .size = sizeof(struct options), .opts = rows,
           .doc = "S(w | h) = c(h w) / c(h) where h w was seen, else penalty S(w | shorter h); a word never seen has\n"
                  "penalty / V.  Scores of a context do not sum to 1, so that perplexities mean nothing." },
    .form = LT_SCORES, .penalty = penalty,
};
