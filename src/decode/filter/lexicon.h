/* Words with what is known of their sounds, and sets of words as a trie over their letters (text/letters.h). */
#ifndef LT_LEXICON_H
#define LT_LEXICON_H

#include "base/base.h"

enum { LT_WORD_LETTERS_MAX = 64, LT_LEXICON_WORDS_MAX = 1 << 22, LT_SYLLABLES_MAX = 31 };
struct lt_lexicon_word {
    const uint32_t *letter; int letters;
    uint32_t syllables;             /* bit k: it may be spoken with k syllables */
    uint32_t first, count;          /* its endings for rhyme: rhyme[first .. first + count - 1] */
};
struct lt_lexicon {
    struct lt_arena arena;
    struct lt_lexicon_word *word; int words;    /* sorted by their letters, each once */
    uint64_t *rhyme; uint32_t rhymes;
};
/* A pronouncing dictionary as the CMU writes it (TIME  T AY1 M) or as Festival does ("time" nil (((t ay m) 1))).
 * Entries that are no single word are left out.  label: for messages.  marks: as lt_letters has it. */
int lt_lexicon_read_sounds(const char *label, struct lt_str text, bool marks, struct lt_lexicon **out);
/* A word a line. */
int lt_lexicon_read_list(const char *label, struct lt_str text, bool marks, struct lt_lexicon **out);
void lt_lexicon_free(struct lt_lexicon *l);                             /* NULL is fine */
int lt_lexicon_find(const struct lt_lexicon *l, const uint32_t *letter, int letters);   /* -1: not there */
/* Two different words that end alike from a stressed vowel on. */
bool lt_lexicon_rhymes(const struct lt_lexicon *l, int a, int b);

/* A set of words of a lexicon. */
struct lt_word_trie {
    struct lt_word_node { uint32_t letter; int32_t child, next, word; } *node;  /* -1: none; node 0 is the root */
    int32_t nodes;
    const struct lt_lexicon *of;
};
/* chosen: [of->words]; NULL: all. */
struct lt_word_trie *lt_word_trie_new(const struct lt_lexicon *of, const bool *chosen);
void lt_word_trie_free(struct lt_word_trie *t);
int32_t lt_word_trie_step(const struct lt_word_trie *t, int32_t node, uint32_t letter);     /* -1: none */

#endif
