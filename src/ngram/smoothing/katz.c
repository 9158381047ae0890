/* Katz smoothing (Katz 1987): a count r up to k is worth d_r r, so that the mass set aside is Good-Turing's n1 / N;
 * larger counts are trusted.  Words not seen after a context share what is left there in proportion to the shorter
 * context's probabilities (equation 14 and following).
 *
 *     r* = (r + 1) n(r + 1) / n(r),   A = (k + 1) n(k + 1) / n1,   d_r = (r* / r - A) / (1 - A)
 *
 *     lathe ngram build text.txt --output x.arpa --smoothing katz */
#include "ngram/smoothing/smoothing.h"
#include <stdio.h>

struct options { int64_t k; };

/* figure[r] = r - d_r r: what is taken from a count of r. */
static bool prepare(const void *v, const uint64_t of[LT_SMOOTHING_COUNTS], double figure[LT_SMOOTHING_FIGURES],
                    char *note)
{
    int k = (int)((const struct options *)v)->k;
    double a = of[1] ? (k + 1) * (double)of[k + 1] / (double)of[1] : 1;
    bool good = a < 1;
    for (int r = 1; r <= k && good; r++) {
        double star = of[r] ? (r + 1) * (double)of[r + 1] / (double)of[r] : 0, d = (star / r - a) / (1 - a);
        good = d > 0 && d <= 1;
        figure[r] = r * (1 - d);
    }
    if (good) return true;
    for (int r = 1; r <= k; r++) figure[r] = 0.5;
    snprintf(note, 160, "0.5 is taken from counts up to %d", k);
    return false;
}

static double discount(const void *v, const double *figure, uint64_t count)
{
    return count <= (uint64_t)((const struct options *)v)->k ? figure[count] : 0;
}

static const struct lt_opt rows[] = {
    { .key = "k", .help = "largest count that is discounted", .type = LT_INT, .at = offsetof(struct options, k),
      .dflt = 5, .min = 1, .max = LT_SMOOTHING_COUNTS - 2 },
    { 0 },
};
const struct lt_smoothing lt_smoothing_katz = {
    .m = { .name = "katz", .brief = "Good-Turing discounts for small counts, backing off to shorter contexts",
           .paper = "doi:10.1109/TASSP.1987.1165125", .size = sizeof(struct options), .opts = rows,
           .doc = "p(w | h) = d c(h w) / C(h) where h w was seen, else a(h) p(w | shorter h); d is Good-Turing's for\n"
                  "counts up to k and 1 above.  Where a d is not above 0 and at most 1, 0.5 is taken from each count\n"
                  "of that order up to k, and a note says so.  A context with nothing left counts one more." },
    .form = LT_BACK_OFF, .prepare = prepare, .discount = discount,
};
