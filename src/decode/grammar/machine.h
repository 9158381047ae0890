/* The machine over a grammar, as its two parts see it: places (grammar_run.c) and masks (grammar_mask.c). */
#ifndef LT_MACHINE_H
#define LT_MACHINE_H

#include "decode/grammar/automaton.h"

enum { LT_PLACE_DEAD = -1, LT_PLACE_UNKNOWN = -2, LT_STACK_EMPTY = -1 };

struct lt_gconfig { int32_t state, stack; };
/* back: the state to go back to, or ~edge of a repetition; count: how often that has come, below: the stack below. */
struct lt_gframe { int32_t back, below, count; };
/* loops: of grammar_mask.c, 0 is not known. */
struct lt_gset {
    uint32_t first, count; bool ends; int32_t *row; int32_t like[LT_TOKEN_LAYERS]; uint64_t loops[LT_TOKEN_LAYERS];
};
/* Of a walk at some depth: where one is, kinds of bytes that lead back there, and those whose tokens the mask has. */
struct lt_gway { int32_t place; int32_t *row; uint64_t loops, have; };
struct lt_gtable { uint64_t *key; int32_t *value; uint32_t size, used; };       /* open addressing; key 0: free */
struct lt_gmask { int32_t place; uint64_t *bits; };

enum { LT_GMASKS = 64 };
struct lt_gmachine {
    const struct lt_grammar *g;
    const struct lt_token_trie *trie;
    struct lt_arena arena;
    struct lt_gframe *frame; int32_t frames, frame_cap;
    struct lt_gconfig *config; uint32_t configs, config_cap;    /* of all sets, one after the other */
    struct lt_gset *set; int32_t sets, set_cap;
    struct lt_gtable frame_of, set_of, like_of;
    struct lt_gconfig *work; uint32_t works, work_cap;          /* the set being made */
    struct lt_gtable seen;
    bool work_ends;
    uint8_t class_of[256], byte_of[256]; int classes;           /* bytes that no edge tells apart; one of each class */
    uint64_t kinds_of[256];                                     /* [classes]: kinds of their ASCII bytes */
    int32_t begin;
    struct lt_gmask mask[LT_TOKEN_LAYERS + 1][LT_GMASKS];       /* the last: whole masks */
    struct lt_gway *way;                                        /* [depth] */
};

/* The place after a byte of the class that a row of lt_gset leaves open. */
int32_t lt_gmachine_make(struct lt_gmachine *m, int32_t place, int class);
int32_t *lt_gmachine_row(struct lt_gmachine *m, int32_t place);
/* A place from which the same texts of up to `bytes` bytes may come: counts that are far from their ends are made
 * equal.  layer: which of the memories to use. */
int32_t lt_gmachine_like(struct lt_gmachine *m, int32_t place, int layer, int32_t bytes);

#endif
