/* Do two language models mean the same by their tokens? */
#ifndef LT_VOCABULARY_H
#define LT_VOCABULARY_H

#include "base/base.h"

const struct lt_tokenizer *lt_lm_tokenizer(const struct lt_lm *lm);     /* NULL: it has none */
/* -1: the sentence names the first token that differs.  Two models without tokenizers are taken to agree. */
int lt_lm_same_vocabulary(const struct lt_lm *a, const char *a_path, const struct lt_lm *b, const char *b_path);

#endif
