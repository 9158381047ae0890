/* Words as tokens: text is cut at white space and every word is looked up as it stands. */
#ifndef LT_WORDS_H
#define LT_WORDS_H

#include "base/base.h"

static inline bool lt_word_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/* Takes the next word off the front of *rest; false when there is none. */
bool lt_word_next(struct lt_str *rest, struct lt_str *word);

/* The tokenizer of a model whose token i is the word piece[i].  A word that is not there is unk.  bos and eos (-1:
 * none) are special, so that decoding leaves them out, and are never found in a text, which may spell such a word. */
int lt_words_tokenizer(const struct lt_str *piece, uint32_t count, int32_t unk, int32_t bos, int32_t eos,
                       struct lt_tokenizer **out);

#endif
