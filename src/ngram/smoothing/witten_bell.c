/* Witten-Bell smoothing (Witten and Bell 1991, method C): after a context h that was followed by T different words, a
 * new one comes with probability T / (C + T).
 *     lathe ngram build text.txt --output x.arpa --smoothing witten_bell */
#include "ngram/smoothing/smoothing.h"

static double extra(const void *o, uint64_t types, uint64_t words)
{
    (void)o, (void)words;
    return (double)types;
}

const struct lt_smoothing lt_smoothing_witten_bell = {
    .m = { .name = "witten_bell", .brief = "room for new words by how many different ones a context had",
           .paper = "doi:10.1109/18.87000",
           .doc = "p(w | h) = (c(h w) + T(h) p(w | shorter h)) / (C(h) + T(h)); works on texts of any size" },
    .form = LT_INTERPOLATED, .extra = extra,
};
