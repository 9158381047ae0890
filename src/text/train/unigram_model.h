/* Learning a unigram language model of pieces (Kudo 2018, arXiv:1804.10959): seeds, fitting, pruning. */
#ifndef LT_UNIGRAM_MODEL_H
#define LT_UNIGRAM_MODEL_H

#include "text/train/learn.h"

/* Stretches of known characters, at most LT_STRETCH_MAX of them: what pieces are fitted to.  text is borrowed. */
enum { LT_STRETCH_MAX = 32 };
struct lt_stretch { const char *p; uint32_t n; uint64_t count; };
struct lt_stretches { struct lt_stretch *at; size_t count, cap; uint64_t characters; };
/* Cuts words at characters that the alphabet lacks. */
void lt_stretches_of(const struct lt_words *w, const struct lt_alphabet *a, struct lt_stretches *out);

/* Pieces in UTF-8 with natural log probabilities; the first `required` are single characters and are never dropped. */
struct lt_unigram { struct lt_str *piece; double *logp; size_t count, required; };
void lt_unigram_release(struct lt_unigram *u);      /* not the texts */

/* The alphabet, and of all substrings of 2..longest characters that are as long as their occurrences allow the `most`
 * with the greatest (times seen) x (characters).  A piece holds letters only, or digits, or other signs, after at
 * most one U+2581 that stands first.  Texts are put into *text. */
void lt_unigram_seeds(const struct lt_stretches *s, const struct lt_alphabet *a, size_t most, int longest,
                      struct lt_arena *text, struct lt_unigram *out);

/* One step of expectation-maximisation; pieces expected less than half a time are dropped.  Returns minus the mean
 * log likelihood of a stretch before the step.  The same for any number of threads. */
double lt_unigram_fit(struct lt_unigram *u, const struct lt_stretches *s, struct lt_ctx *c);
/* Drops pieces whose loss changes the likelihood least, until at most `keep` are left. */
void lt_unigram_prune(struct lt_unigram *u, const struct lt_stretches *s, size_t keep, struct lt_ctx *c);

double lt_digamma(double x);    /* x > 0 */

#endif
