/* The rows of one source: every piece of every document in exactly one row of an epoch, in an order that depends on
 * the epoch.  A document with a mask is one piece, or none when it is too long; a row of pairs is one pair, two pieces.
 *  Any row of any epoch can be asked for; memory does not grow with the corpus but for 1/64 of a word a
 * document and one word a window. */
#ifndef LT_ROW_PLAN_H
#define LT_ROW_PLAN_H

#include "data/corpus.h"
#include "data/loader.h"

/* `count` tokens from `at` on are seen, those from at + 1 on are predicted. */
struct lt_piece { uint64_t at; uint32_t count; };

struct lt_rows {
    const struct lt_corpus *corpus;
    uint32_t length;
    enum lt_packing packing;
    uint64_t seed;
    uint64_t count;                 /* rows of an epoch */
    uint64_t pieces;
    uint64_t *mark;                 /* best fit: pieces before document 64 i */
    uint64_t windows;               /* best fit: the pieces are packed in groups of this many, drawn at random */
    uint32_t *window_rows;
    uint64_t *order_end;            /* rows up to and with the i-th window of the epoch at hand */
    uint64_t epoch;
    struct lt_window { uint64_t number; struct lt_piece *piece; uint32_t *first; } held[2];     /* packed last */
    int older;                      /* of the two held */
    struct lt_piece few[2];
};
/* length: most tokens of a row.  The corpus is borrowed. */
int lt_rows_open(struct lt_rows *r, const struct lt_corpus *corpus, uint32_t length, enum lt_packing packing,
                 uint64_t seed, struct lt_ctx *c);
/* Row `position` of an epoch: its pieces, valid until the next call. */
uint32_t lt_rows_at(struct lt_rows *r, uint64_t epoch, uint64_t position, const struct lt_piece **piece);
void lt_rows_release(struct lt_rows *r);

/* A whole document, which is no longer than a row. */
struct lt_piece lt_document_piece(const struct lt_corpus *c, uint64_t i);
/* Whether document i, with a mask, is no longer than a row; of a pair: whether both are. */
bool lt_row_fits(const struct lt_corpus *c, uint64_t i, uint32_t length);
/* How many pieces document i is cut into: its last token is only predicted, so one token makes none.
 * Of a pair that fits the first document stands for both, and the second makes none. */
uint64_t lt_pieces_of(const struct lt_corpus *c, uint64_t i, uint32_t length);

#endif
