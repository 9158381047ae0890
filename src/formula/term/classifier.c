/* What a classifier says of the text with the next token (Dekoninck et al. 2023, section 3.3), the classifier being
 * language models of the classes and Bayes' rule, as in GeDi (Krause et al. 2020, equation 3): after c tokens
 *
 *     log p(class 1 | x, v) = log q_1(x, v) - log of sum over i of q_i(x, v),  all classes alike beforehand
 *
 * The whole text counts, not one token: where it already is of the class there is little left to push.
 *     lathe generate 'formula:M + 2*classifier(A, B)' --prompt "It was" */
#include "formula/term.h"
#include <math.h>

static void classifier_value(const void *o, const struct lt_term_place *p, float *out)
{
    (void)o;
    for (int v = 0; v < p->vocab; v++) {
        double x[LT_TERM_ARGS], top = -INFINITY, sum = 0;
        for (int i = 0; i < p->count; i++) top = fmax(top, x[i] = p->past[i] + (double)p->row[i][v]);
        for (int i = 0; i < p->count && top > -INFINITY; i++) sum += exp(x[i] - top);
        out[v] = top > -INFINITY ? (float)(x[0] - top - log(sum)) : (float)-log(p->count);
    }
}

const struct lt_term lt_term_classifier = {
    .m = { .name = "classifier", .brief = "how likely the text is of the first of several classes",
           .paper = "arXiv:2009.06367",
           .doc = "classifier(A, B, ...) = log [A(x, v) / (A(x, v) + B(x, v) + ...)], x the text so far; the\n"
                  "arguments are models of texts of the classes; weight 0\n"
                  "example: lathe generate 'formula:M + 2*classifier(A, B)' --prompt \"It was a\"" },
    .least = 2, .most = LT_TERM_ARGS, .weight = 0, .flags = LT_TERM_PAST, .value = classifier_value,
};
