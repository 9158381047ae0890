/* A text as the ids of its words, or of the pieces of a tokenizer, on its way to be counted; and its vocabulary. */
#ifndef LT_WORDS_H
#define LT_WORDS_H

#include "ngram/count.h"

#define LT_WORD_MAX ((size_t)64 << 10)          /* bytes in one word */
#define LT_WORDS_MAX (UINT32_C(1) << 29)        /* different words */

struct lt_ngram_words_how {
    const char *tokenizer;      /* NULL: words stand between white space */
    const char *limit_vocab;    /* file of words; NULL: all */
    bool outside_is_unk;        /* words that limit_vocab does not list are <unk>; else they are left out afterwards */
    bool skip_symbols;          /* the marks' spellings in the text are passed over; else refused */
    int64_t min_count;          /* words that occur less often are left out */
    int64_t vocab_size;         /* only so many of the most frequent words stay; 0: all */
    size_t bytes;               /* that the vocabulary may take */
};
struct lt_ngram_words {
    struct lt_ngram_words_how how;
    struct lt_counter *to;
    struct lt_map vocabulary;   /* entry[id].key is the word; <unk> 0, <s> 1, </s> 2 */
    struct lt_map listed;       /* of limit_vocab, unless they are in the vocabulary from the beginning */
    uint64_t *count;            /* [count_cap], how often each word occurs; NULL: nobody asks */
    size_t count_cap;
    uint32_t first_piece;       /* id of the tokenizer's first piece that is no mark */
    struct lt_tokenizer *tokenizer;
    struct lt_encoder *encoder;
    uint32_t *piece;            /* [vocabulary of the tokenizer]: ids */
    struct lt_token *tokens;
    size_t tokens_cap;
};
int lt_ngram_words_begin(struct lt_ngram_words *w, const struct lt_ngram_words_how *how, struct lt_counter *to);
void lt_ngram_words_release(struct lt_ngram_words *w);
int lt_ngram_words_line(struct lt_ngram_words *w, struct lt_str line);      /* one sentence */
size_t lt_ngram_words_bytes(const struct lt_ngram_words *w);
/* After the last line: 1 for the words that are left out, [vocabulary.count]; NULL when none are.  free() it. */
uint8_t *lt_ngram_words_left_out(const struct lt_ngram_words *w);

/* Every line of the files goes through fn; "-" is standard input.  JSON lines and HTML are taken apart into their texts
 * first, as `lathe pack` does (format and field as there). */
typedef int lt_line_fn(void *to, struct lt_str line);
int lt_ngram_words_read(const struct lt_list *files, const char *format, const char *field, struct lt_ctx *c,
                        lt_line_fn *fn, void *to);

#endif
