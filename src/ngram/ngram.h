/* Back-off n-gram models (Katz 1987): read from ARPA files or mapped from binary ones, asked for probabilities.
 *
 *     p(w | h) = prob(h w)                       when h w is an n-gram of the model
 *              = backoff(h) p(w | h less its first word)   otherwise; backoff is 1 when h is no n-gram
 *
 * All figures are log10, as in the files.  The n-grams are a trie by their first word: level k holds those of k + 1
 * words, sorted by the n-gram they go on from and then by word, so that the continuations of a context lie together.
 * Words have the ids 0, 1, ... in the order of the file's unigrams. */
#ifndef LT_NGRAM_H
#define LT_NGRAM_H

#include "base/base.h"
struct lt_ngram_file;

enum { LT_NGRAM_ORDER_MAX = 10 };
#define LT_NGRAM_NONE UINT32_MAX
#define LT_NGRAM_LINE_MAX ((size_t)1 << 20)     /* bytes in one line of an ARPA file */
#define LT_NGRAM_UNK_MISSING (-100.0f)          /* log10 p of an unknown word where the file has no <unk> (KenLM) */

struct lt_ngram_level {
    uint32_t count;
    uint32_t *word;         /* [count]; level 0: word[i] == i */
    float *prob;            /* [count], log10 p of the last word given those before it; at most 0 */
    float *backoff;         /* [count], log10; 0 where the file has none; NULL at the highest order */
    uint32_t *child;        /* [count + 1]: n-gram i goes on in the next level at child[i] .. child[i + 1] - 1; NULL at
                             * the highest order */
};
struct lt_ngram {
    int order;
    struct lt_ngram_level level[LT_NGRAM_ORDER_MAX];    /* of a mapped model only the counts */
    struct lt_map vocabulary;       /* entry[id].key is the word; empty in a mapped model (_words, _spelling) */
    struct lt_map blank;            /* ends of n-grams that are none themselves: uint32 words as bytes (see _prob) */
    uint32_t unk, bos, eos;         /* <unk> is always there; <s> and </s>: LT_NGRAM_NONE when not */
    bool unk_given;                 /* the file has <unk>; else its probability is LT_NGRAM_UNK_MISSING */
    struct lt_ngram_file *file;     /* where a mapped model lies (ngram/binary.h); NULL: in the levels */
};

/* A binary file (doc/formats/ngram-binary.md), which is mapped and takes milliseconds, or an ARPA file, plain or
 * compressed, which is read; "-" is an ARPA file from standard input.  Text before \data\ is passed over.  Whatever
 * contradicts itself is refused, in an ARPA file with the number of the line.  Free with lt_ngram_free. */
int lt_ngram_open(const char *path, struct lt_ctx *c, struct lt_ngram **out);
bool lt_ngram_is_binary(const char *path);          /* a plain file that begins as a binary one */
int lt_ngram_parse(const char *name, struct lt_str text, struct lt_ngram **out);    /* the same, from memory */
void lt_ngram_free(struct lt_ngram *m);

/* The one spelling of a model: n-grams in the order of the trie, figures in the fewest digits that give the same float,
 * a back-off where it is not 0 or the n-gram goes on.  Reading it back gives the same model. */
void lt_ngram_write(const struct lt_ngram *m, struct lt_buf *out);      /* appends */
int lt_ngram_save(const struct lt_ngram *m, const char *path);

/* What a model knows of the words so far: plain bytes, copied by assignment, zeroed before the first word.  A state
 * belongs to the model that made it.  Words too far back to matter to any n-gram of the model are forgotten. */
struct lt_ngram_state {
    int n;                                      /* words held: below the order */
    uint32_t word[LT_NGRAM_ORDER_MAX];          /* [n], the latest first */
    uint32_t node[LT_NGRAM_ORDER_MAX];          /* [k], 1 <= k <= n: the n-gram of the last k words as the model finds
                                                 * it, or LT_NGRAM_NONE; not used by hash files */
    float backoff[LT_NGRAM_ORDER_MAX];          /* [k]: of that n-gram; 0 when there is none */
};
uint32_t lt_ngram_words(const struct lt_ngram *m);                      /* in the vocabulary, <unk> included */
uint32_t lt_ngram_word(const struct lt_ngram *m, struct lt_str word);   /* the id; that of <unk> when unknown */
struct lt_str lt_ngram_spelling(const struct lt_ngram *m, uint32_t id);
/* log10 p(word | *s), and *s moved on by the word (word is below the vocabulary's count).  length (may be NULL): words
 * of the longest match, in KenLM's count, where the end of an n-gram counts as one although the file leaves it out. */
double lt_ngram_prob(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word, int *length);
void lt_ngram_push(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word);      /* moves on, no figure */
/* The same for n words in a row, much faster: memory is asked for long before it is needed.  LT_NGRAM_NONE in place of
 * a word begins a sentence: the state is *begin again, and logp and length are left as they are. */
struct lt_ngram_run { const uint32_t *word; int n; double *logp; uint8_t *length; };
void lt_ngram_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                    const struct lt_ngram_run *run);
/* The ids of n words in a row. */
void lt_ngram_ids(const struct lt_ngram *m, const struct lt_str *word, int n, uint32_t *id);
/* out[w] = log10 p(w | *s) * scale for every word of the vocabulary. */
void lt_ngram_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out);
/* The n-gram that goes on from n-gram `node` of `level` with a word: an index into the next level, or none.
 * Models in the levels only. */
uint32_t lt_ngram_child(const struct lt_ngram *m, int level, uint32_t node, uint32_t word);

#endif
