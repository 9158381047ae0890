/* Union of distributions (Dekoninck et al. 2023, section 3.2): what any of them finds likely is likely.  The operator
 * has KL(p || q_i) count only for tokens where q_i is the greatest, so its weights sum to 1 at every token.
 *     lathe generate 'formula:union(M|"Sad. ", M|"Short. ")' --prompt "It was" */
#include "formula/term.h"

static void union_value(const void *o, const struct lt_term_place *p, float *out)
{
    (void)o;
    for (int v = 0; v < p->vocab; v++) {
        out[v] = p->row[0][v];
        for (int i = 1; i < p->count; i++) out[v] = LT_MAX(out[v], p->row[i][v]);
    }
}

const struct lt_term lt_term_union = {
    .m = { .name = "union", .brief = "what any of its arguments finds likely", .paper = "arXiv:2311.14479",
           .doc = "union(A, B, ...) = max of log A(v), log B(v), ...; weight 1\n"
                  "example: lathe generate 'formula:union(A, B)' --prompt \"It was a\"" },
    .least = 2, .most = LT_TERM_ARGS, .weight = 1, .value = union_value,
};
