/* Intersection of distributions (Dekoninck et al. 2023, section 3.2): only what all of them find likely is likely.
 *     lathe generate 'formula:M - 0.5*intersection(M|"Rude. ", M|"Sad. ")' --prompt "It was" */
#include "formula/term.h"

static void intersection_value(const void *o, const struct lt_term_place *p, float *out)
{
    (void)o;
    for (int v = 0; v < p->vocab; v++) {
        out[v] = p->row[0][v];
        for (int i = 1; i < p->count; i++) out[v] = LT_MIN(out[v], p->row[i][v]);
    }
}

const struct lt_term lt_term_intersection = {
    .m = { .name = "intersection", .brief = "what all of its arguments find likely", .paper = "arXiv:2311.14479",
           .doc = "intersection(A, B, ...) = min of log A(v), log B(v), ...; weight 1\n"
                  "example: lathe generate 'formula:M - 0.5*intersection(A, B)' --prompt \"It was a\"" },
    .least = 2, .most = LT_TERM_ARGS, .weight = 1, .value = intersection_value,
};
