/* The inside of a tokenizer: a chain of stages, as tokenizer.json has them.
 *
 *   text -> added tokens -> normaliser -> pre-tokeniser -> model -> post-processor -> ids -> decoder -> text
 *
 * Every reader (tokenizer.json, sentencepiece, tiktoken, llama2.c) and every trainer fills one struct
 * lt_tok_spec and calls lt_tokenizer_build; nothing else makes a tokenizer.  Stages other than the model are
 * given as JSON in the spelling of tokenizer.json, which is also how they are kept and written.
 *
 * A tokenizer is immutable once built and may be shared by threads.  What encoding needs besides (word cache,
 * scratch) is a struct lt_encoder, one for each thread. */
#ifndef LT_TOKENIZER_H
#define LT_TOKENIZER_H

#include "base/base.h"

enum lt_tok_kind { LT_TOK_BPE, LT_TOK_WORDPIECE, LT_TOK_UNIGRAM, LT_TOK_WORDLEVEL };

#define LT_TOK_IDS_MAX (1 << 24)                /* ids of any tokenizer are below this */
#define LT_TOK_PIECE_MAX (1 << 16)              /* bytes in one piece */

/* An added token is found in the text before anything else happens to it. */
struct lt_tok_added {
    int32_t id;
    struct lt_str content;
    bool single_word;       /* only where no letter, digit or underscore touches it */
    bool lstrip, rstrip;    /* takes the white space beside it along */
    bool normalized;        /* is looked for in the normalised text, else in the given one */
    bool special;           /* decoding leaves it out unless told otherwise */
    bool unseen;            /* never looked for in a text (tokenizer.json cannot say this) */
};

/* left + right -> into; the lowest rank goes first, at equal rank the leftmost place. */
struct lt_tok_merge { int32_t left, right, into; uint32_t rank; };

/* Everything a tokenizer is made of.  All memory is borrowed by lt_tokenizer_build, which copies. */
struct lt_tok_spec {
    enum lt_tok_kind kind;
    int32_t count;                          /* of the model's vocabulary; added tokens may lie beyond */
    const struct lt_str *piece;             /* [count], as spelt in tokenizer.json (byte-level: the GPT-2 alphabet);
                                             * p == NULL: no piece has this id */
    const double *score;                    /* [count], Unigram only: log probabilities */
    const struct lt_tok_merge *merge;       /* BPE only; any order */
    size_t merge_count;
    const struct lt_tok_added *added;
    int added_count;
    const char *normalizer, *pre_tokenizer, *post_processor, *decoder;  /* JSON; NULL: none */
    const char *truncation, *padding;       /* JSON, kept and written back, never applied; NULL: none */
    const char *unk;                        /* the unknown piece; NULL: none (Unigram: unk_id below) */
    int32_t unk_id;                         /* Unigram: -1 or the id; other kinds take it from unk */
    double dropout;                         /* BPE: probability of skipping a merge, used only with an lt_rng */
    bool byte_fallback;                     /* what has no piece is spelt as <0x00> ... <0xFF> */
    bool fuse_unk;                          /* BPE: a run of unknown characters is one unknown token */
    bool ignore_merges;                     /* BPE: a word that is a piece is taken as it is */
    bool single_precision;                  /* Unigram: sum scores in float, as sentencepiece does */
    const char *prefix, *suffix;            /* continuing_subword_prefix ("##"), end_of_word_suffix; NULL: none */
    int64_t max_word;                       /* WordPiece: longer words (in characters) are unknown; 0: 100 */
    int32_t bos, eos;                       /* -1: none; -2: to be found in the post-processor and by usual names */
};
/* -1 and lt_error when the spec contradicts itself: a merge of ids that are not there, an unknown stage type ... */
int lt_tokenizer_build(const struct lt_tok_spec *s, struct lt_tokenizer **out);
enum lt_tok_kind lt_tokenizer_kind(const struct lt_tokenizer *t);

/* ---- what a trainer needs besides ---- */
/* Normalises and splits a text as encoding would and hands over every word on its way to the model, in order.
 * Byte-level pipelines hand over raw bytes (spell a piece with lt_tok_spell), others UTF-8.  Added tokens in
 * the text are passed over; the model of t is not used and may be empty.  A nonzero return of fn stops and is
 * returned; -1: lt_error. */
typedef int lt_word_fn(void *to, struct lt_str word);
struct lt_encoder;
int lt_tokenizer_words(const struct lt_tokenizer *t, struct lt_encoder *e, struct lt_str text, lt_word_fn *fn,
                       void *to);
bool lt_tokenizer_byte_level(const struct lt_tokenizer *t);
double lt_tokenizer_dropout(const struct lt_tokenizer *t);      /* BPE: probability of skipping a merge; 0: none */
/* Appends bytes in the GPT-2 alphabet, where every byte is one printable character (space is U+0120). */
void lt_tok_spell(struct lt_buf *out, struct lt_str bytes);
/* The other way; false when a character is not of the alphabet (out then holds part of it). */
bool lt_tok_unspell(struct lt_buf *out, struct lt_str piece);
/* Pre-tokenisers by the names llama.cpp knows them by ("gpt-2", "llama-bpe", "qwen2" ...): JSON for the stage.
 * NULL: no such name (lt_error lists them).  lt_tok_presets: the names, NULL at the end. */
const char *lt_tok_preset(const char *name);
const char *const *lt_tok_presets(void);
bool lt_tok_preset_whole(const char *name);     /* llama.cpp takes a word that is a piece whole (ignore_merges) */

/* ---- encoding ---- */
struct lt_encoder *lt_encoder_new(const struct lt_tokenizer *t);
void lt_encoder_free(struct lt_encoder *e);
/* As lt_tokenizer_encode, with the caller's scratch; rng != NULL switches BPE dropout on (and the cache off). */
int lt_encoder_encode(struct lt_encoder *e, struct lt_str text, unsigned flags, struct lt_rng *rng,
                      struct lt_token **out, size_t *n, size_t *cap);
/* Added tokens that touch one of these bytes of the texts to come are read as plain text.  at: ascending, borrowed
 * until the next call; count 0: none, as at first. */
void lt_encoder_plain(struct lt_encoder *e, const size_t *at, size_t count);

/* ---- decoding ---- */
/* What a token adds to the text, when that does not depend on its neighbours: raw bytes, maybe part of a
 * character.  Special tokens give nothing, with keep_special their spelling.  false: no such id. */
bool lt_tokenizer_bytes(const struct lt_tokenizer *t, int32_t id, struct lt_str *bytes);
/* Text token by token, cut at whole characters: the concatenation is what lt_tokenizer_decode gives. */
struct lt_detok;
struct lt_detok *lt_detok_new(const struct lt_tokenizer *t, bool keep_special);
/* Before the first push: the text goes on behind these tokens, with the blank that a text does not begin with. */
int lt_detok_behind(struct lt_detok *d, const int32_t *ids, size_t n);
int lt_detok_push(struct lt_detok *d, int32_t id, struct lt_buf *out);
int lt_detok_finish(struct lt_detok *d, struct lt_buf *out);    /* what was held back; d starts afresh */
/* The text of ids[from] .. ids[n - 1] behind those before them.  free(*out). */
int lt_tokenizer_decode_from(const struct lt_tokenizer *t, const int32_t *ids, size_t from, size_t n,
                             bool keep_special, char **out, size_t *out_n);
void lt_detok_free(struct lt_detok *d);
bool lt_tokenizer_special(const struct lt_tokenizer *t, int32_t id);

/* ---- readers of bytes in memory (also the fuzz entries); name is for messages ---- */
int lt_tok_read_json(const char *name, struct lt_str text, struct lt_tokenizer **out);
int lt_tok_read_spm(const char *name, struct lt_str bytes, struct lt_tokenizer **out);
int lt_tok_read_tiktoken(const char *name, struct lt_str text, struct lt_tokenizer **out);
int lt_tok_read_llama2c(const char *name, struct lt_str bytes, struct lt_tokenizer **out);
int lt_tok_read_gguf(const char *name, struct lt_str bytes, struct lt_tokenizer **out);
/* tokenizer.json as text, appended to out. */
void lt_tok_write_json(const struct lt_tokenizer *t, struct lt_buf *out);

/* Copies what a tokenizer consists of into a folder that is there: of a folder the files of the usual names, a .json
 * file as tokenizer.json, any other converted to it. */
int lt_tokenizer_copy(const char *path, const char *folder);

#endif
