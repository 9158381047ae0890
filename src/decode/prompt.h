/* Text to the tokens a causal model starts from. */
#ifndef LT_PROMPT_H
#define LT_PROMPT_H

#include "base/base.h"

/* What stands before the text when the tokenizer's own rules put nothing there. */
enum lt_start {
    LT_START_RULES,     /* nothing more */
    LT_START_AUTO,      /* the beginning-of-text token, else the end-of-text token (GPT-2's practice), else nothing */
    LT_START_BOS, LT_START_EOS,
    LT_START_NONE,      /* not even what the rules add */
};
/* Appends to *ids; *given counts the tokens before the text's own.  What the tokenizer's rules put behind the text
 * ([SEP], </s>) is left out: the model is to go on from the text.  offsets (may be NULL): as lt_tokenizer_encode, one a
 * token of the text itself.  free(*ids), free(*offsets). */
int lt_prompt_encode(const struct lt_tokenizer *t, struct lt_str text, enum lt_start start, int32_t **ids, int *count,
                     int *given, struct lt_token **offsets);

#endif
