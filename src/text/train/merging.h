/* The merge loop of byte-pair encoding (Gage 1994; Sennrich et al. 2016, arXiv:1508.07909), over counted words.
 *
 * The most frequent pair of neighbouring symbols becomes a new symbol, everywhere, until there are enough.  Pairs know
 * the words they occur in, so a step touches only those; their counts are 64-bit and exact at every step. */
#ifndef LT_MERGING_H
#define LT_MERGING_H

#include "text/tokenizer.h"

enum lt_ties {
    LT_TIES_IDS,        /* of equally frequent pairs, the one with the smaller ids (left, then right) */
    LT_TIES_BYTES,      /* the one whose spelling is greater (left, then right), byte by byte */
};
struct lt_merging {
    int32_t pieces_max;         /* stop at so many pieces */
    uint64_t least;             /* or when no pair is as frequent as this */
    uint32_t length_max;        /* symbols of the beginning in one piece; 0: no limit */
    enum lt_ties ties;
    size_t prefix;              /* bytes at the front of a right part that the joined spelling leaves out ("##") */
};
/* Words as runs of ids of pieces: word w is symbol[first[w] .. first[w] + size[w]), seen count[w] times. */
struct lt_symbols { uint32_t *symbol, *size; uint64_t *first, *count; size_t words; };
void lt_symbols_release(struct lt_symbols *s);

/* Spellings, as raw bytes (piece); how many of the first symbols are in each (length); and the merges in order. */
struct lt_pieces {
    struct lt_str *piece;
    uint32_t *length;
    int32_t count, cap;
    struct lt_tok_merge *merge;
    size_t merges, merge_cap;
    struct lt_arena text;
};
/* Appends a piece; the text is copied. */
int32_t lt_pieces_add(struct lt_pieces *p, struct lt_str text, uint32_t length);
void lt_pieces_release(struct lt_pieces *p);

/* Appends pieces and merges; the words' symbols change into the new ones.  Two ways to one spelling give one piece and
 * two merges.  -1 only when interrupted. */
int lt_merge_pairs(const struct lt_merging *how, struct lt_symbols *words, struct lt_pieces *pieces, struct lt_ctx *c);

#endif
