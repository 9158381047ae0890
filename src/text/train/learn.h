/* What every tokenizer trainer shares: options, special tokens, words of the given files. */
#ifndef LT_LEARN_H
#define LT_LEARN_H

#include "text/train/merging.h"
#include "text/train/word_count.h"

/* First member of every trainer's option struct, called `common`. */
struct lt_trainer_options {
    int64_t vocab_size, memory, word_min_count;
    struct lt_list special_tokens;
    const char *bos_token, *eos_token, *unk_token, *pad_token;
    struct lt_docs_how docs;
};
#define LT_TRAINER_AT(options, name) offsetof(options, common.name)
/* Rows of the options above; the last four arguments are the default names of special tokens (NULL: none). */
#define LT_TRAINER_ROWS(options, bos, eos, unk, pad) \
    { .key = "vocab_size", .help = "tokens, special ones and the alphabet included", .type = LT_INT, \
      .at = LT_TRAINER_AT(options, vocab_size), .dflt = 8192, .min = 1, .max = LT_TOK_IDS_MAX }, \
    { .key = "special_tokens", .help = "more special tokens, kept whole in any text", .type = LT_LIST, \
      .at = LT_TRAINER_AT(options, special_tokens) }, \
    { .key = "bos_token", .help = "token that begins a text; \"\": none", .type = LT_STR, \
      .at = LT_TRAINER_AT(options, bos_token), .text = bos }, \
    { .key = "eos_token", .help = "token that ends a text; \"\": none", .type = LT_STR, \
      .at = LT_TRAINER_AT(options, eos_token), .text = eos }, \
    { .key = "unk_token", .help = "token for what has no other; \"\": none", .type = LT_STR, \
      .at = LT_TRAINER_AT(options, unk_token), .text = unk }, \
    { .key = "pad_token", .help = "token that fills up rows; \"\": none", .type = LT_STR, \
      .at = LT_TRAINER_AT(options, pad_token), .text = pad }, \
    { .key = "word_min_count", .help = "leave out words seen less often", .type = LT_INT, \
      .at = LT_TRAINER_AT(options, word_min_count), .dflt = 1, .min = 1, .max = 1e15 }, \
    { .key = "memory", .help = "MiB for counting words before they are put aside on disk, and for what follows", \
      .type = LT_INT, .at = LT_TRAINER_AT(options, memory), .dflt = 2048, .min = 1, .max = 1 << 24, \
      .flags = LT_FREE }, \
    LT_DOCS_ROWS("format", LT_TRAINER_AT(options, docs))

/* Special tokens as pieces 0, 1, ... and as added tokens, in the order unk, bos, eos, pad, the others; equal names
 * are one token.  *added is from lt_alloc; pieces must be empty. */
int lt_trainer_specials(const struct lt_trainer_options *o, struct lt_pieces *pieces, struct lt_tok_added **added,
                        int *count);
/* Id of a special token by its name; -1: no such, or no name. */
int32_t lt_trainer_special(const struct lt_pieces *pieces, int specials, const char *name);

/* A tokenizer that splits words as `like` says and knows nothing but the special tokens. */
int lt_trainer_words(const struct lt_trainer_options *o, const struct lt_tok_spec *like, bool whole_documents,
                     const struct lt_list *files, struct lt_ctx *c, struct lt_words *out);
/* -1 when what comes next would take more than o->memory: about `bytes`. */
int lt_trainer_fits(const struct lt_trainer_options *o, const struct lt_words *w, uint64_t bytes);

/* The characters of words, the most frequent first until there are `most` (0: no limit) or they make up `coverage`
 * of all that were seen (ties: the smaller code point), then as UTF-8 in code point order with how often each was. */
struct lt_alphabet { struct lt_str *letter; int32_t count; struct lt_arena text; double covered; uint64_t *seen; };
void lt_alphabet_of(const struct lt_words *w, int64_t most, double coverage, struct lt_alphabet *out);
void lt_alphabet_release(struct lt_alphabet *a);

/* Words as runs of symbols: of bytes (byte[256] gives their ids), or when byte is NULL of characters, whose ids are in
 * `first` at the beginning of a word and in `rest` after it.  What is in neither breaks a word in two; words of one
 * symbol, which have no pairs, are left out. */
void lt_trainer_symbols(const struct lt_words *w, const int32_t *byte, const struct lt_map *first,
                        const struct lt_map *rest, struct lt_symbols *out);
/* About how many bytes the merge loop takes over these words. */
uint64_t lt_symbols_bytes(const struct lt_words *w, bool bytes);

/* Stages for pieces of characters: lines apart, then words, whose space becomes a U+2581 in front; and back. */
extern const char lt_trainer_space_mark[], lt_trainer_space_mark_decoder[];

/* {"type":"TemplateProcessing",...}: first before and last after a text; NULL names are left out.  free() it. */
char *lt_trainer_template(const struct lt_pieces *pieces, int specials, const char *first, const char *last);
/* The pieces as tokenizer.json has them; spell: all but the special ones in the GPT-2 alphabet, kept in *text.
 * free() the array. */
struct lt_str *lt_trainer_spellings(const struct lt_pieces *pieces, int specials, bool spell, struct lt_arena *text);

#endif
