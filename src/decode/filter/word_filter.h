/* Filters of the words of a text, and of its lines: what `filter` reads, and the machine that says which bytes and
 * tokens may come.
 *
 *     without(e) and (length <= 6 or starts(un)) and not palindrome
 *
 * A word is a run of letters and digits, with apostrophes between them; letters have no case (text/letters.h).  Every
 * word of a text satisfies the filter.  Terms about lines hold beside it and stand only under `and`. */
#ifndef LT_FILTER_H
#define LT_FILTER_H

#include "base/base.h"
#include "decode/filter/lexicon.h"
#include "text/token_trie.h"

/* ---- the expression ---- */
enum { LT_FILTER_TERMS_MAX = 32, LT_FILTER_CODE_MAX = 256, LT_FILTER_LINES_MAX = 16 };
enum lt_filter_kind {
    LT_FILTER_LENGTH, LT_FILTER_SYLLABLES, LT_FILTER_WITHOUT, LT_FILTER_WITH, LT_FILTER_ONLY, LT_FILTER_STARTS,
    LT_FILTER_ENDS, LT_FILTER_CONTAINS, LT_FILTER_ANAGRAM, LT_FILTER_PART_OF, LT_FILTER_PALINDROME,
    LT_FILTER_ISOGRAM, LT_FILTER_RHYMES, LT_FILTER_IN,
};
struct lt_filter_term {
    enum lt_filter_kind kind;
    int64_t low, high;              /* length, syllables: both included */
    uint32_t letter[LT_WORD_LETTERS_MAX]; int letters;      /* of the text in brackets */
    struct lt_str text;             /* as it was written: a file, or for messages; of the expression */
};
enum { LT_FILTER_NOT = -1, LT_FILTER_AND = -2, LT_FILTER_OR = -3, LT_FILTER_TRUE = -4 };
struct lt_filter_rule {
    struct lt_filter_term term[LT_FILTER_TERMS_MAX]; int terms;
    int8_t code[LT_FILTER_CODE_MAX]; int codes;     /* postfix: terms by their numbers, and the four above */
    int syllables[LT_FILTER_LINES_MAX], lines;      /* lines 0: any number of lines */
    char scheme[LT_FILTER_LINES_MAX + 1];           /* the same letter: these lines rhyme; "": they need not */
    bool alliteration;
};
/* The texts of terms point into `text`. */
int lt_filter_parse(struct lt_str text, bool marks, struct lt_filter_rule *out);

/* ---- words ---- */
/* A machine remembers what it has worked out.  States of a word are numbers that stay valid with it; -1 stands for a
 * word that no further letters make right. */
struct lt_word_machine;
/* Takes the tries over, of those terms that are about sets of words. */
struct lt_word_machine *lt_word_machine_new(const struct lt_filter_rule *rule, struct lt_word_trie **of_term);
void lt_word_machine_free(struct lt_word_machine *m);
int lt_word_machine_start(struct lt_word_machine *m);
int lt_word_machine_step(struct lt_word_machine *m, int state, uint32_t letter);
bool lt_word_machine_accepts(const struct lt_word_machine *m, int state);
/* Does one whole word satisfy the rule?  Term by term, with no memory. */
bool lt_word_machine_holds(const struct lt_word_machine *m, const uint32_t *letter, int letters);
size_t lt_word_machine_bytes(const struct lt_word_machine *m);      /* of what it remembers */
void lt_word_machine_forget(struct lt_word_machine *m);             /* all of them; no state is valid any more */
int32_t lt_word_machine_node(const struct lt_word_machine *m, int state);   /* of the first term's trie */

/* LT_FILTER_ISOGRAM or LT_FILTER_PALINDROME where every word is one, of at most `longest` letters, and nothing else is
 * asked but how long words are: then any letters that leave it possible may come.  Else -1. */
int lt_word_machine_only(const struct lt_word_machine *m, int64_t *longest);
/* Letters to go on with, of which each may matter; all others are alike to the rule.  At most cap. */
int lt_word_machine_candidates(const struct lt_word_machine *m, int state, uint32_t *out, int cap);
/* The letters that led to a state, of a machine that runs, where whether the word can come right depends on more. */
int lt_word_machine_letters(const struct lt_word_machine *m, int state, uint32_t out[LT_WORD_LETTERS_MAX]);
/* Steps that leave no state behind, where there would be one for every word: for terms about all letters of a word.  A
 * run is one of an array, and goes on into the same or another of it. */
struct lt_word_run;
bool lt_word_machine_runs(const struct lt_word_machine *m);         /* is it of that sort? */
struct lt_word_run *lt_word_runs_new(int n);                        /* free() it */
void lt_word_run_at(const struct lt_word_machine *m, struct lt_word_run *runs, int i, int state);
bool lt_word_run_step(struct lt_word_machine *m, struct lt_word_run *runs, int from, int to, uint32_t letter);
bool lt_word_run_accepts(const struct lt_word_machine *m, const struct lt_word_run *runs, int i);
int lt_word_run_state(struct lt_word_machine *m, const struct lt_word_run *runs, int i);

/* ---- texts ---- */
struct lt_filter;
struct lt_filter_how {
    const char *dictionary;         /* NULL: Debian's of festlex-cmu */
    const char *installed;          /* where that is looked for; NULL: where Debian puts it */
    bool marks;                     /* letters keep their diacritics */
    const struct lt_token_trie *trie;       /* for masks; NULL: none; borrowed */
};
/* Reads the files that the expression names. */
int lt_filter_open(struct lt_str text, const struct lt_filter_how *how, struct lt_filter **out);
void lt_filter_close(struct lt_filter *f);              /* NULL is fine */
/* Changes when what the machine knew had become too much and it has begun anew: places are then to be found again, from
 * the start.  Call it before a mask. */
uint32_t lt_filter_age(struct lt_filter *f);
/* Places in a text, as those of a grammar (grammar.h), valid at one age. */
int lt_filter_start(struct lt_filter *f);
int lt_filter_step(struct lt_filter *f, int place, uint8_t byte);       /* -1: the byte may not come here */
int lt_filter_steps(struct lt_filter *f, int place, struct lt_str bytes);
bool lt_filter_ends(struct lt_filter *f, int place);    /* may the text end here? */
bool lt_filter_has_lines(const struct lt_filter *f);    /* is something said of lines? */
/* Bit i of word i / 64: token i may come here, and tokens can finish what it begins.  Valid until the next call. */
const uint64_t *lt_filter_mask(struct lt_filter *f, int place);

#endif
