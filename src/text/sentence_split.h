/* Running text cut into sentences, and sentences into words, by rules.
 *
 * A sentence ends at . ! ? or … (and quotes and brackets that close behind it) when white space follows and then a
 * letter that is not small, perhaps behind quotes and brackets that open; at 。！？ and ।, wherever; and
 * where a paragraph does.  A full stop ends nothing behind an abbreviation: a word of the list, one capital letter
 * but I (J. Smith), or letters with full stops between them (U.S., e.g.).
 *
 * Words: letters, digits, marks and _ stay together, and what stands between two of them when it is an apostrophe, a
 * hyphen, a full stop or an @; a comma or colon between digits.  The full stop of an abbreviation stays with it unless
 * it ends the sentence.  Every other character is a word, equal ones in a row are one. */
#ifndef LT_SENTENCE_SPLIT_H
#define LT_SENTENCE_SPLIT_H

#include "base/base.h"

struct lt_sentence_rules {
    const struct lt_map *abbreviations;     /* without their last full stop, as they are spelt; NULL: none */
    bool lines;                             /* every line ends a sentence; else blank lines do */
    bool tokenize;                          /* cut into words; else only white space is made one space */
};
/* Adds the abbreviations of English prose, titles above all. */
void lt_sentence_abbreviations(struct lt_map *to);

/* Calls fn with every sentence of a well-formed text: words with one space between, none around.  It is valid during
 * the call; a nonzero return of fn stops and is returned. */
typedef int lt_sentence_fn(void *to, struct lt_str sentence, uint64_t words);
int lt_sentence_split(const struct lt_sentence_rules *r, struct lt_str text, lt_sentence_fn *fn, void *to);

#endif
