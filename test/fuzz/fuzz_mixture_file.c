/* Mixture files over arbitrary bytes: what is accepted has members, a method and, if any, weights that add up. */
#include "mixture/mixture_file.h"
#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_mixture_file f;
    double sum = 0;
    if (lt_mixture_file_parse("input", "folder", (struct lt_str){ (const char *)p, n }, &f)) return 0;
    assert(f.how && f.members >= 1 && f.members <= LT_MIXING_MEMBERS);
    for (int i = 0; i < f.members; i++) {
        assert(f.path[i] && *f.path[i]);
        sum += f.weight[i];
    }
    if (f.weighted && !(f.how->flags & LT_MIXTURE_PRODUCT)) assert(fabs(sum - 1) < 1e-9);
    lt_mixture_file_release(&f);
    return 0;
}
