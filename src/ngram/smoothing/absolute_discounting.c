/* Absolute discounting (Ney, Essen and Kneser 1994, interpolated): D = n1 / (n1 + 2 n2) is taken from every count.
 *     lathe ngram build text.txt --output x.arpa --smoothing absolute_discounting */
#include "ngram/smoothing/smoothing.h"
#include <stdio.h>

static bool prepare(const void *o, const uint64_t of[LT_SMOOTHING_COUNTS], double figure[LT_SMOOTHING_FIGURES],
                    char *note)
{
    (void)o;
    bool good = of[1] > 0;
    *figure = good ? (double)of[1] / ((double)of[1] + 2 * (double)of[2]) : 0.5;
    if (!good) snprintf(note, 160, "the discount 0.5 is taken");
    return good;
}

static double discount(const void *o, const double *figure, uint64_t count)
{
    (void)o, (void)count;
    return *figure;
}

const struct lt_smoothing lt_smoothing_absolute_discounting = {
    .m = { .name = "absolute_discounting", .brief = "one discount an order, from how often n-grams occur",
           .paper = "doi:10.1006/csla.1994.1001",
           .doc = "D = n1 / (n1 + 2 n2) of each order; 0.5, and a note, when no n-gram occurs once." },
    .form = LT_INTERPOLATED, .prepare = prepare, .discount = discount,
};
