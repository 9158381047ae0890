/* What lines of a text ask of its words: syllables, rhymes. */
#ifndef LT_FILTER_LINES_H
#define LT_FILTER_LINES_H

#include "decode/filter/word_filter.h"

/* So far in a line; compared as bytes. */
struct lt_line_place {
    int32_t line, last;                         /* last: its last word; -1: none */
    uint32_t sums;                              /* bit k: its words may be spoken with k syllables */
    uint32_t first;                             /* the letter its words begin with; 0: none yet */
    int32_t rhyme[LT_FILTER_LINES_MAX];         /* of a line's letter in the scheme: the word to rhyme with; -1: none */
};
struct lt_filter_lines;
/* Of the words in a trie; NULL where the rule says nothing of syllables and rhymes.  Both are borrowed. */
struct lt_filter_lines *lt_filter_lines_new(const struct lt_filter_rule *rule, const struct lt_word_trie *words);
void lt_filter_lines_free(struct lt_filter_lines *l);
int lt_filter_lines_impossible(struct lt_filter_lines *l);      /* the first line, from 1, of no words; 0: none */
struct lt_line_place lt_filter_lines_start(void);
/* Can a word that has come to a node of the trie still end, with the line ending as it must? */
bool lt_filter_lines_allow(struct lt_filter_lines *l, const struct lt_line_place *p, int32_t node);
bool lt_filter_lines_word(struct lt_filter_lines *l, struct lt_line_place *p, int word);   /* false: not here */
bool lt_filter_lines_complete(struct lt_filter_lines *l, const struct lt_line_place *p);
bool lt_filter_lines_break(struct lt_filter_lines *l, struct lt_line_place *p);     /* false: no line may end here */
bool lt_filter_lines_end(struct lt_filter_lines *l, const struct lt_line_place *p); /* may the text end here? */

#endif
