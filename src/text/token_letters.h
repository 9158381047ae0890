/* Tokens by the letters they are written with (letters.h): what filters of words go by.
 *
 * Most tokens are letters alone, or letters behind one blank or sign.  They are a trie of their letters, in which the
 * many spellings of a word (the, The, THE, each with a blank and without) are one.  What is left is a little trie of
 * bytes.  To a word that is open, most tokens of the other kinds are its end: the rest of them is then a text of its
 * own, and a mask for these is needed once and not for every word. */
#ifndef LT_TOKEN_LETTERS_H
#define LT_TOKEN_LETTERS_H

#include "text/token_trie.h"

enum { LT_SPELT_LETTERS_MAX = 32 };    /* tokens of more letters are few, and not in the trie of letters */
struct lt_letter_node {
    uint32_t letter, end;           /* end: the first node after this one's subtree; nodes lie in depth-first order */
    uint32_t first, alone, led;     /* tokens that end here: id[first ...], those of letters alone, then those led */
    uint16_t depth;                 /* letters from the root, from 1 */
};
struct lt_letter_token { uint64_t set; uint32_t first; int32_t id, letters; };
struct lt_token_letters {
    struct lt_letter_node *node; uint32_t nodes;        /* letters behind at most one ASCII sign, no line end */
    int32_t *id; int depth_max;
    uint64_t *spelt;                            /* [vocab bits]: tokens in it */
    struct lt_token_trie *others, *others_inside;       /* those that are not; of these, the ones that are not outer */
    uint64_t *outer, *inside;                   /* [vocab bits]: end an open word at once; are letters alone */
    struct lt_token_trie *rest;                 /* tokens that are neither outer nor inside */
    struct lt_letter_token *token; int32_t count;       /* those inside that have no letter twice */
    uint32_t *letter; uint32_t letters;         /* token i has letter[first .. first + letters - 1] */
    int32_t longest;                            /* letters of the longest token inside */
};
/* Made at the first call and kept with the trie; any thread may call.  marks: letters keep their diacritics. */
const struct lt_token_letters *lt_token_trie_letters(const struct lt_token_trie *t, bool marks);
void lt_token_letters_free(struct lt_token_letters *s);         /* NULL is fine */
/* Adds the tokens inside that have none of these letters, none twice, and at most `room`. */
void lt_token_letters_without(const struct lt_token_letters *s, const uint32_t *letter, int letters, int room,
                              uint64_t *mask);

#endif
