/* Modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3, equations 26 and following), interpolated.
 *
 *     Y = n1 / (n1 + 2 n2),   D1 = 1 - 2 Y n2 / n1,   D2 = 2 - 3 Y n3 / n2,   D3+ = 3 - 4 Y n4 / n3
 *
 * from the n-grams of the order that have counts 1 to 4.  Small or made-up texts have counts from which no discounts
 * follow; then D = 0.5, 1, 1.5, KenLM's fallback.
 *     lathe ngram build text.txt --output x.arpa --smoothing modified_kneser_ney */
#include "ngram/smoothing/smoothing.h"

static bool prepare(const void *o, const uint64_t of[5], double figure[LT_SMOOTHING_FIGURES])
{
    (void)o;
    bool good = of[1] && of[2] && of[3];
    double y = good ? (double)of[1] / ((double)of[1] + 2 * (double)of[2]) : 0;
    figure[0] = 0;
    for (int j = 1; j <= 3 && good; j++) {
        figure[j] = j - (j + 1) * y * (double)of[j + 1] / (double)of[j];
        good = figure[j] >= 0;
    }
    for (int j = 1; j <= 3 && !good; j++) figure[j] = 0.5 * j;
    return good;
}

static double discount(const void *o, const double *figure, uint32_t count)
{
    (void)o;
    return figure[LT_MIN(count, 3)];
}

const struct lt_smoothing lt_smoothing_modified_kneser_ney = {
    .m = { .name = "modified_kneser_ney", .brief = "three discounts an order; lower orders count contexts, not words",
           .paper = "doi:10.1006/csla.1999.0128",
           .doc = "D1 = 1 - 2Y n2/n1, D2 = 2 - 3Y n3/n2, D3+ = 3 - 4Y n4/n3, Y = n1/(n1 + 2 n2); below the highest\n"
                  "order an n-gram counts as often as different words stand before it.  Discounts that do not follow\n"
                  "from the counts are 0.5, 1, 1.5, and a note says so." },
    .continuation = true, .prepare = prepare, .discount = discount,
};
