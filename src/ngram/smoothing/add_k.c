/* Additive smoothing in the recursive form that back-off files can hold: every word counts k V p(w | h') more than it
 * occurs, h' being the context less its first word.  Without a context, where p(w | h') is 1 / V, that is the textbook's
 * (c + k) / (C + k V); with one it is the hierarchical Dirichlet model of MacKay and Peto (1995), its one alpha being
 * k V.  What the textbook does after a context, k for each word alike, no file of back-offs can say.
 *     lathe ngram build text.txt --output x.arpa --smoothing add_k --smoothing.k 0.1 */
#include "ngram/smoothing/smoothing.h"

struct options { double k; };

static double extra(const void *v, uint64_t types, uint64_t words)
{
    const struct options *o = v;
    (void)types;
    return o->k * (double)words;
}

static const struct lt_opt rows[] = {
    { .key = "k", .help = "added to every count, on average over the vocabulary", .type = LT_REAL,
      .at = offsetof(struct options, k), .dflt = 0.01, .min = 1e-9, .max = 1e9 },
    { 0 },
};
const struct lt_smoothing lt_smoothing_add_k = {
    .m = { .name = "add_k", .brief = "every count is larger by k, shared out as the shorter context says",
           .paper = "doi:10.1017/S1351324900000218", .size = sizeof(struct options), .opts = rows,
           .doc = "p(w | h) = (c(h w) + kV p(w | shorter h)) / (C(h) + kV), V words in the vocabulary; without a\n"
                  "context (c(w) + k) / (C + kV).  Works on texts of any size." },
    .form = LT_INTERPOLATED, .extra = extra,
};
