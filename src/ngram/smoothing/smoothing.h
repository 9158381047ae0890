/* Kind "smoothing": how counts become probabilities.  Members are interpolated estimators, which differ in what they
 * take from a count and what they set aside:
 *
 *     p(w | h) = (c(h w) - discount(c(h w))) / (C + extra) + gamma(h) p(w | h less its first word)
 *     C = sum of c(h w) over w,   gamma(h) = (sum of the discounts + extra) / (C + extra)
 *
 * so that every context's probabilities sum to 1, down to a uniform distribution over the words. */
#ifndef LT_SMOOTHING_H
#define LT_SMOOTHING_H

#include "base/base.h"

enum { LT_SMOOTHING_FIGURES = 4 };

struct lt_smoothing {
    struct lt_method m;
    bool continuation;  /* below the highest order c counts the different words before an n-gram, not its occurrences;
                         * n-grams that begin with <s> have none before them and keep their occurrences */
    /* Figures of one order, from of[j], how many of its n-grams have count j (1 to 4).  NULL: needs none.  false: they
     * do not follow from these counts, and figure holds the usual values instead. */
    bool (*prepare)(const void *o, const uint64_t of[5], double figure[LT_SMOOTHING_FIGURES]);
    double (*discount)(const void *o, const double *figure, uint32_t count);    /* 0 to count; count > 0 */
    double (*extra)(const void *o, uint32_t types);     /* for a context before `types` different words; NULL: 0 */
};

#endif
