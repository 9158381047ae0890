/* The tokens of a tokenizer as a trie over the bytes they stand for, laid out for walks that leave subtrees out:
 * constrained decoding and vocabulary filters go through it once for every token they choose. */
#ifndef LT_TOKEN_TRIE_H
#define LT_TOKEN_TRIE_H

#include "base/base.h"

struct lt_token_node {
    uint32_t end;                   /* the first node after this one's subtree; nodes lie in depth-first order */
    uint32_t first, count;          /* tokens that end here: id[first .. first + count - 1] */
    uint16_t depth;                 /* bytes from the root, from 1 */
    uint8_t byte;
    uint8_t layers;                 /* bit l: a token of layer l ends here or below */
};
/* Tokens by their length in bytes: up to 4, 8, 16, and more. */
enum { LT_TOKEN_LAYERS = 4 };
static inline int lt_token_layer(int depth) { return depth <= 4 ? 0 : depth <= 8 ? 1 : depth <= 16 ? 2 : 3; }
/* Kinds of bytes, a bit each: where a walk comes back to its place after every byte of some kinds, it need not visit a
 * subtree that holds no other.  Of the bits of a word, those that no ASCII byte has: */
#define LT_KIND_LAYER(l) (UINT64_C(1) << (56 + (l)))    /* a token's layer; of tokens only */
#define LT_KIND_INNER (UINT64_C(1) << 61)       /* a byte within a character, of which the first is above the node */
#define LT_KIND_WIDE (UINT64_C(1) << 62)        /* well-formed characters of two bytes or more, the last perhaps cut */
#define LT_KIND_BROKEN (UINT64_C(1) << 63)      /* what no text in UTF-8 has */
struct lt_token_trie {
    struct lt_token_node *node; uint32_t nodes;
    int32_t *id; uint32_t ids;
    int depth_max, vocab;           /* vocab: as lt_tokenizer_vocab */
    uint64_t kind_of[128];          /* of an ASCII byte; letters and digits share a few */
    uint64_t *within;               /* [nodes]: kinds of the node's byte and of those below it */
    uint64_t *kinds;                /* [vocab, rounded up to 64]: of the bytes of a token; all bits: not in the trie */
    struct lt_token_letters *letters[2];    /* of lt_token_trie_letters; NULL until asked for */
};
/* Special tokens and tokens that add nothing to a text are not in it.  Made at the first call and kept with the
 * tokenizer; any thread may call. */
const struct lt_token_trie *lt_tokenizer_trie(const struct lt_tokenizer *t);
struct lt_token_trie *lt_token_trie_new(const struct lt_tokenizer *t);
void lt_token_trie_free(struct lt_token_trie *t);       /* NULL is fine */

#endif
