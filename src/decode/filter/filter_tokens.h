/* Tokens by what they do to a word that is open.
 *
 * Most tokens either end the word with their first character, and then the rest of them is a text of its own, or are
 * letters alone.  Of the first kind a mask is needed once and not for every word; of the second it is enough to know
 * the letters.  What is left is little, and walked through. */
#ifndef LT_FILTER_TOKENS_H
#define LT_FILTER_TOKENS_H

#include "decode/filter/word_filter.h"

struct lt_filter_token { uint64_t set; uint32_t first; int32_t id, letters; };
struct lt_filter_tokens {
    uint64_t *outer, *inside;                   /* [vocab bits]: end the word at once; are letters alone */
    struct lt_token_trie *inner, *rest;         /* tokens that are not outer; those that are neither */
    struct lt_filter_token *token; int32_t count;       /* those inside that have no letter twice */
    uint32_t *letter; uint32_t letters;         /* token i has letter[first .. first + letters - 1] */
    int32_t longest;                            /* letters of the longest token inside */
};
struct lt_filter_tokens *lt_filter_tokens_new(const struct lt_token_trie *t, bool marks);
void lt_filter_tokens_free(struct lt_filter_tokens *s);         /* NULL is fine */
/* Adds the tokens inside that have none of these letters, none twice, and at most `room`. */
void lt_filter_tokens_without(const struct lt_filter_tokens *s, const uint32_t *letter, int letters, int room,
                              uint64_t *mask);

#endif
