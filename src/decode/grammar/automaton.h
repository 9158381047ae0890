/* What a grammar is after building: one automaton for each rule, their states numbered through. */
#ifndef LT_AUTOMATON_H
#define LT_AUTOMATON_H

#include "decode/grammar/grammar.h"

enum lt_gedge_kind { LT_GEDGE_EMPTY, LT_GEDGE_BYTE, LT_GEDGE_CALL, LT_GEDGE_REPEAT };
struct lt_gedge {
    uint8_t kind, low, high;
    int32_t to, rule, next;         /* next: another edge of the state, or -1 */
    int32_t min, max;               /* REPEAT: how often the rule comes; max -1: no end */
};
struct lt_grammar {
    struct lt_gedge *edge; int32_t edges, edge_cap;
    int32_t *first;                 /* [states]: an edge of the state, or -1 */
    bool *final;                    /* [states]: the rule may end here */
    int32_t states, state_cap;
    int32_t *start;                 /* [rules] */
    bool *nullable;                 /* [rules]: may be empty */
    int rules, root;                /* those that are repeated come after those of the builder */
    bool repeats;                   /* has edges that count */
};

/* An expression from a ready automaton: edges over bytes, state 0 first.  Everything is copied. */
struct lt_gx_edge { int32_t from, to; uint8_t low, high; };
struct lt_gx *lt_gx_automaton(struct lt_grammar_builder *b, const struct lt_gx_edge *edge, int32_t edges,
                              const bool *final, int32_t states);

#endif
