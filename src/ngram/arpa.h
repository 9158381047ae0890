/* ARPA files, from inside. */
#ifndef LT_ARPA_H
#define LT_ARPA_H

#include "ngram/stream.h"

/* An ARPA file into memory; "-" is standard input. */
int lt_ngram_read(const char *path, struct lt_ctx *c, struct lt_ngram **out);

/* Where the n-grams of a level go on when their first word is forgotten: link[i] is the n-gram of the next lower level
 * that they end with.  An end that is none joins the blanks, with its own ends.  lower: the links of the level below
 * (NULL for level 1, whose n-grams end with words).  The level is settled; free with free(). */
uint32_t *lt_ngram_link(struct lt_ngram *m, int level, const uint32_t *lower);

#endif
