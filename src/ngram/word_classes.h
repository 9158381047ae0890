/* Classes of words by the exchange algorithm: words are moved between classes as long as that makes a bigram model over
 * classes (Brown, Della Pietra, deSouza, Lai and Mercer 1992) more likely:
 *
 *     F = sum over classes g, h of N(g, h) log N(g, h) - sum of N(g, .) log N(g, .) - sum of N(., h) log N(., h) */
#ifndef LT_WORD_CLASSES_H
#define LT_WORD_CLASSES_H

#include "ngram/sentences.h"

enum { LT_CLASSES_MAX = 4096 };
struct lt_classes {
    uint32_t words, classes;        /* the three marks are the first classes, of themselves */
    uint32_t *of;                   /* [words] */
    uint64_t *count;                /* [words]: occurrences */
    double information;             /* of neighbouring classes about one another: F / N + log N, in nats */
    int rounds;                     /* in which words were moved */
};
/* `classes` for the words besides the marks.  Starts from the most frequent words, each a class, and all others in one.
 * Stops when a round moves no word, or after so many.  Release *out also on failure (interrupted). */
int lt_classes_learn(const struct lt_sentences *s, uint32_t classes, int rounds, struct lt_ctx *c,
                     struct lt_classes *out);
void lt_classes_release(struct lt_classes *k);

struct lt_classes_options {
    struct lt_sentences_how text;
    const char *output, *mapped;
    int64_t classes, rounds, memory;
};
int lt_classes_run(const struct lt_classes_options *o, struct lt_ctx *c);       /* `lathe ngram classes` */

#endif
