/* Kind "smoothing": how counts become probabilities.  A member says what share of a context's probability the words
 * seen there keep, and in which form shorter contexts have the rest:
 *
 *     share(h w) = (c(h w) - discount(c(h w))) / (C + extra),     C = sum of c(h w) over all w seen after h
 *     rest(h)    = 1 - sum of share(h w) over the w whose n-grams are kept
 *
 *     interpolated    p(w | h) = share(h w) + rest(h) p(w | h'),          h' is h less its first word
 *     back-off        p(w | h) = share(h w) where h w is kept, else a(h) p(w | h'),
 *                     a(h) = rest(h) / (1 - sum of p(w | h') over the kept w)
 *     scores          S(w | h) = share(h w) where h w is kept, else penalty S(w | h'): no distribution
 *
 * Below one word p is 1 / V for each of the V words (all but <s>, <unk> included).  N-grams that are not kept (count
 * pruning, words left out) keep nothing, so that what they had goes to the rest; the first two forms stay
 * distributions. */
#ifndef LT_SMOOTHING_H
#define LT_SMOOTHING_H

#include "base/base.h"

enum { LT_SMOOTHING_COUNTS = 12, LT_SMOOTHING_FIGURES = 12 };
enum lt_smoothing_form { LT_INTERPOLATED, LT_BACK_OFF, LT_SCORES };

struct lt_smoothing {
    struct lt_method m;
    enum lt_smoothing_form form;
    bool continuation;  /* below the highest order c counts the different words before an n-gram, not its occurrences;
                         * n-grams that begin with <s> have none before them and keep their occurrences */
    /* Figures of one order, from of[j], how many of its n-grams have count j (1 to 11).  NULL: needs none.  false: they
     * do not follow from these counts; figure then holds others, and a note, at least 160 bytes, says which. */
    bool (*prepare)(const void *o, const uint64_t of[LT_SMOOTHING_COUNTS], double figure[LT_SMOOTHING_FIGURES],
                    char *note);
    double (*discount)(const void *o, const double *figure, uint64_t count);    /* 0 to count; count > 0.  NULL: 0 */
    double (*extra)(const void *o, uint64_t types, uint64_t words);     /* for a context before `types` different words
                                                                         * of a vocabulary of V `words`; NULL: 0 */
    double (*penalty)(const void *o);                                   /* scores only */
};

#endif
