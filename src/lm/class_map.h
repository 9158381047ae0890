/* Class definitions, as SRILM's tools read and write them: lines of "CLASS PROBABILITY WORD" or "CLASS WORD". */
#ifndef LT_CLASS_MAP_H
#define LT_CLASS_MAP_H

#include "base/base.h"

/* Word i is entry[i] of `word` and belongs to class of[i], entry[of[i]] of `name`, in which it has the probability
 * exp(logp[i]).  Words keep the order of the lines, classes that in which they first come. */
struct lt_class_map { struct lt_map word, name; uint32_t *of; float *logp; };
/* Blank lines are passed over.  Without probabilities the words of a class share alike.  Refused with the line: a class
 * that stands for several words at once, a word in two classes, a class whose probabilities do not sum to 1 (within a
 * thousandth), or has them only for some words. */
int lt_class_map_parse(const char *label, struct lt_str text, struct lt_class_map *out);
int lt_class_map_read(const char *path, struct lt_class_map *out);      /* also .gz, .zst, .xz */
void lt_class_map_release(struct lt_class_map *m);

#endif
