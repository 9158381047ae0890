/* Token healing: a prompt that stops in the middle of what would be one token ("http:" before "//") leads a model
 * astray, since it never saw that spelling.  So the prompt's last token is taken back, and the tokens that come must
 * spell its bytes first: each is a part of what is left of them, or goes on beyond.  The bytes themselves are no part
 * of the reply's text. */
#ifndef LT_HEALING_H
#define LT_HEALING_H

#include "text/tokenizer.h"

struct lt_healing {
    const struct lt_tokenizer *t;
    struct lt_str left;             /* bytes that must still come; n 0: healed, or nothing to heal */
    size_t skip;                    /* bytes at the beginning of the text that belong to the prompt */
};
/* Takes the last token of the prompt back, unless no other token begins with its bytes, or it is special, half a
 * character, or the only one. */
int lt_healing_begin(struct lt_healing *h, const struct lt_tokenizer *t, const int32_t *token, int *count);
/* Bans (-INFINITY) what does not spell what must come. */
void lt_healing_apply(const struct lt_healing *h, float *logits, int vocab);
/* A token was chosen that apply allows. */
void lt_healing_accept(struct lt_healing *h, int32_t token);
/* Takes the prompt's own bytes out of the text, as far as they have come. */
void lt_healing_trim(struct lt_healing *h, struct lt_buf *text);

#endif
