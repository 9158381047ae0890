/* Modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3, equations 26 and following), interpolated.
 *
 *     Y = n1 / (n1 + 2 n2),   D1 = 1 - 2 Y n2 / n1,   D2 = 2 - 3 Y n3 / n2,   D3+ = 3 - 4 Y n4 / n3
 *
 * from the n-grams of the order that have counts 1 to 4.  Small or made-up texts have counts from which no discounts
 * follow; where KenLM stops, the discounts of the options are taken, for all three counts of that order.
 *     lathe ngram build text.txt --output x.arpa --smoothing modified_kneser_ney */
#include "ngram/smoothing/smoothing.h"
#include <stdio.h>

struct options { double fallback1, fallback2, fallback3; };

static bool prepare(const void *v, const uint64_t of[LT_SMOOTHING_COUNTS], double figure[LT_SMOOTHING_FIGURES],
                    char *note)
{
    const struct options *o = v;
    bool good = of[1] && of[2] && of[3];
    double y = good ? (double)of[1] / ((double)of[1] + 2 * (double)of[2]) : 0;
    figure[0] = 0;
    for (int j = 1; j <= 3 && good; j++) {
        figure[j] = j - (j + 1) * y * (double)of[j + 1] / (double)of[j];
        good = figure[j] >= 0 && figure[j] <= j;
    }
    if (good) return true;
    figure[1] = o->fallback1;
    figure[2] = o->fallback2;
    figure[3] = o->fallback3;
    snprintf(note, 160, "the discounts %g, %g and %g are taken", figure[1], figure[2], figure[3]);
    return false;
}

static double discount(const void *o, const double *figure, uint64_t count)
{
    (void)o;
    return figure[LT_MIN(count, 3)];
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "fallback1", .help = "D1 where none follows from the counts", .type = LT_REAL, .at = AT(fallback1),
      .dflt = 0.5, .min = 0, .max = 1 },
    { .key = "fallback2", .help = "D2 there", .type = LT_REAL, .at = AT(fallback2), .dflt = 1, .min = 0, .max = 2 },
    { .key = "fallback3", .help = "D3+ there", .type = LT_REAL, .at = AT(fallback3), .dflt = 1.5, .min = 0, .max = 3 },
    { 0 },
};
const struct lt_smoothing lt_smoothing_modified_kneser_ney = {
    .m = { .name = "modified_kneser_ney", .brief = "three discounts an order; lower orders count contexts, not words",
           .paper = "doi:10.1006/csla.1999.0128", .size = sizeof(struct options), .opts = rows,
           .doc = "D1 = 1 - 2Y n2/n1, D2 = 2 - 3Y n3/n2, D3+ = 3 - 4Y n4/n3, Y = n1/(n1 + 2 n2); below the highest\n"
                  "order an n-gram counts as often as different words stand before it.  Where discounts do not follow\n"
                  "from the counts of an order (lmplz: --discount_fallback), fallback1, 2 and 3 are taken, and a note\n"
                  "says so." },
    .form = LT_INTERPOLATED, .continuation = true, .prepare = prepare, .discount = discount,
};
