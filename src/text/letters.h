/* What words are made of: letters without their case, and without diacritics where one wants them so. */
#ifndef LT_LETTERS_H
#define LT_LETTERS_H

#include "base/base.h"

enum { LT_LETTERS_MAX = 8 };            /* letters that one character stands for, at most */
/* The letters that a character of a word stands for: lower case, decomposed and without marks unless `marks` (then é
 * is one letter, not e).  Digits are letters here; a combining mark is none of its own (with `marks` it is).  -1: the
 * character is no part of a word. */
int lt_letters(uint32_t c, bool marks, uint32_t out[LT_LETTERS_MAX]);
/* The same of a whole word in UTF-8, apostrophes between letters being '; appended to *out (cap letters).  -1: there is
 * something else in it, or more than cap letters. */
int lt_letters_of(struct lt_str word, bool marks, uint32_t *out, int cap);
static inline bool lt_is_apostrophe(uint32_t c) { return c == '\'' || c == 0x2019; }

#endif
