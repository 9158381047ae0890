/* Inside of the tokenizer: what its files share.  Users include text/tokenizer.h.
 *
 *   tokenizer.c      building from a spec, questions         tok_encode.c     the way of a text, the word cache
 *   tok_stage.c      members of stages, texts with origins   tok_regex.c      patterns
 *   tok_norm.c       normalisers                             tok_charsmap.c   sentencepiece's compiled one
 *   tok_pre.c        pre-tokenisers                          tok_scan.c       scanners for known patterns
 *   tok_script.c     the pattern of UnicodeScripts           tok_preset.c     chains by llama.cpp's names
 *   tok_bpe.c, tok_unigram.c, tok_wordpiece.c                models: a word in, tokens out
 *   tok_added.c      added tokens                            tok_post.c       post-processors
 *   tok_decode.c     decoders                                tok_spell.c      the GPT-2 alphabet
 *   tok_char.c       UTF-8 and classes                       tok_index.c      pieces by their bytes
 *   tok_open.c       files by what they hold                 tok_derive.c     merges of a bare vocabulary
 *   tok_json.c, tok_json_write.c, tok_spm.c, tok_tiktoken.c, tok_llama2c.c, tok_gguf.c,
 *   tok_gguf_write.c                                         the files
 *   tok_json_lists.c         the long lists of one */
#ifndef LT_TOK_H
#define LT_TOK_H

#include "text/tokenizer.h"
#include <jansson.h>

/* ---- pieces found by their bytes ---- */
struct lt_tok_index { const struct lt_str *piece; uint32_t *slot; uint32_t mask; };
/* Borrows piece, where p == NULL is no piece; the first of equals wins.  Whether there were none. */
bool lt_tok_index_build(struct lt_tok_index *x, const struct lt_str *piece, int32_t count);
int32_t lt_tok_index_find(const struct lt_tok_index *x, const char *p, size_t n);              /* -1: none */
void lt_tok_index_free(struct lt_tok_index *x);

/* Prefix tree as a double array; a value is the index of a key. */
struct lt_tok_trie { int32_t *base, *check, *value; uint32_t size; };
/* The first of equal keys wins; keys with p == NULL or n == 0 are left out. */
void lt_tok_trie_build(struct lt_tok_trie *t, const struct lt_str *key, int32_t count);
void lt_tok_trie_free(struct lt_tok_trie *t);
/* One step from *node (0 is the root) along a byte: false when there is none. */
static inline bool lt_tok_trie_step(const struct lt_tok_trie *t, uint32_t *node, uint8_t c)
{
    uint32_t to = (uint32_t)t->base[*node] ^ (c + 1u);
    if (to >= t->size || t->check[to] != (int32_t)*node)
        return false;
    *node = to;
    return true;
}

/* ---- the long lists of a tokenizer.json ---- */
struct lt_tok_numbered { struct lt_str text; int32_t id; };
struct lt_tok_sides { struct lt_str side[2]; };
struct lt_tok_lists {
    struct lt_tok_numbered *piece;  /* model.vocab, in the order of the file */
    struct lt_tok_sides *merge;     /* model.merges */
    size_t count, merge_count;
    bool has_vocab, has_merges;
    struct lt_buf rest;             /* the file, in which they are empty */
    struct lt_arena arena;          /* of texts with escapes; the others lie in the file */
};
/* False: model.vocab is no object, something is wrong, or unusual: the file must be read whole.  True says nothing of
 * the rest, nor whether a piece or an id stands there twice.  lt_tok_lists_free in either case. */
bool lt_tok_lists_scan(struct lt_str text, struct lt_tok_lists *l);
void lt_tok_lists_free(struct lt_tok_lists *l);

/* ---- texts on their way, with the place every byte came from ---- */
struct lt_tok_view {
    const char *p;
    size_t n;
    /* [n]: the stretch of the given text a byte stands for; NULL: base + i, base + i + 1 */
    const uint32_t *from, *to;
    uint32_t base;
};
struct lt_tok_text { struct lt_buf b; uint32_t *from, *to; size_t cap; };
void lt_tok_text_clear(struct lt_tok_text *t);
void lt_tok_text_put(struct lt_tok_text *t, const char *p, size_t n, uint32_t from, uint32_t to);
void lt_tok_text_copy(struct lt_tok_text *t, const struct lt_tok_view *v, size_t begin, size_t end);
struct lt_tok_view lt_tok_text_view(const struct lt_tok_text *t, uint32_t base);
void lt_tok_text_free(struct lt_tok_text *t);
static inline uint32_t lt_tok_from(const struct lt_tok_view *v, size_t i)
{
    return v->from ? v->from[i] : v->base + (uint32_t)i;
}
static inline uint32_t lt_tok_to(const struct lt_tok_view *v, size_t i)
{
    return v->to ? v->to[i] : v->base + (uint32_t)i + 1;
}
/* Where the byte at `begin` came from; at the end of the view, where its last byte's origin ends. */
static inline uint32_t lt_tok_begin(const struct lt_tok_view *v, size_t begin)
{
    return begin < v->n ? lt_tok_from(v, begin) : v->n ? lt_tok_to(v, v->n - 1) : v->base;
}

struct lt_tok_span { size_t begin, end; };
struct lt_tok_spans { struct lt_tok_span *at; size_t n, cap; };
static inline void lt_tok_spans_put(struct lt_tok_spans *s, size_t begin, size_t end)
{
    if (begin == end)
        return;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->at = lt_realloc(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->n++] = (struct lt_tok_span){ begin, end };
}

/* ---- patterns (PCRE2 with JIT) ---- */
struct lt_tok_regex;
struct lt_tok_matcher;                                          /* scratch of one thread */
struct lt_tok_regex *lt_tok_regex_new(struct lt_str pattern);   /* NULL: lt_error */
struct lt_tok_regex *lt_tok_script_regex(void);                 /* runs of one script; NULL: lt_error */
void lt_tok_regex_free(struct lt_tok_regex *r);
struct lt_tok_matcher *lt_tok_matcher_new(void);
void lt_tok_matcher_free(struct lt_tok_matcher *m);
/* The matches in well-formed UTF-8, one after the other: 1, 0 (no more), -1: lt_error.  A match may be empty, but not
 * where the one before it ended.  *x is zeroed at first; x->end is then the end of the last match. */
struct lt_tok_matches { size_t at, end; bool any; };
int lt_tok_regex_next(const struct lt_tok_regex *r, struct lt_tok_matcher *m, struct lt_str text,
                      struct lt_tok_matches *x, struct lt_tok_span *out);

/* A hand-written scanner: the end of the word that begins at `at` < n; words cover the text. */
typedef size_t lt_tok_scan_fn(const char *p, size_t n, size_t at);
lt_tok_scan_fn *lt_tok_scan_find(struct lt_str pattern);        /* NULL: the pattern has no scanner */
extern const char lt_tok_pattern_gpt2[];
lt_tok_scan_fn lt_tok_scan_gpt2_digits;         /* GPT-2's words between numeric characters, which stand alone */

/* ---- stages ---- */
struct lt_tok_norm { struct lt_tok_norm_stage *stage; int count; };
struct lt_tok_scratch { struct lt_tok_text text[2]; struct lt_tok_matcher *matcher; };
int lt_tok_norm_build(json_t *j, struct lt_tok_norm *out);
void lt_tok_norm_free(struct lt_tok_norm *n);
/* Replaces *v by its normalised form, which lives in s until the next call. */
int lt_tok_norm_apply(const struct lt_tok_norm *n, struct lt_tok_scratch *s, struct lt_tok_view *v);

struct lt_tok_charsmap;
struct lt_tok_charsmap *lt_tok_charsmap_new(struct lt_str bytes);               /* NULL: lt_error */
void lt_tok_charsmap_free(struct lt_tok_charsmap *m);
void lt_tok_charsmap_apply(const struct lt_tok_charsmap *m, bool longest, const struct lt_tok_view *v,
                           struct lt_tok_text *out);

struct lt_tok_pre {
    struct lt_tok_pre_stage *stage;
    int count;
    bool byte_level;            /* a ByteLevel stage is among them */
    bool spelt;                 /* and others come after it, so words arrive in its alphabet */
    lt_tok_scan_fn *scan;       /* the whole chain is this scanner over the given bytes */
};
struct lt_tok_work { struct lt_tok_spans spans, next; struct lt_tok_text text[2]; struct lt_buf tmp; int turn; };
int lt_tok_pre_build(json_t *j, struct lt_tok_pre *out);
void lt_tok_pre_free(struct lt_tok_pre *p);
/* Splits *v (which may be replaced by a text in w) into w->spans. */
int lt_tok_pre_apply(const struct lt_tok_pre *p, struct lt_tok_work *w, struct lt_tok_matcher *m,
                     struct lt_tok_view *v);

struct lt_tok_post { int32_t *before, *after; int before_count, after_count; };
int lt_tok_post_build(json_t *j, struct lt_tok_post *out);
void lt_tok_post_free(struct lt_tok_post *p);

struct lt_tok_decoder {
    struct lt_tok_decoder_stage *stage;
    int count, joined;              /* stages from `joined` on see the joined text */
    bool none, places, delay;       /* no decoder; some stage depends on the place, or on which piece is the last */
    bool whole;                     /* the joined text is needed whole before anything can be given */
    const struct lt_tok_decoder_stage *strip;   /* or only its front is stripped */
};
int lt_tok_decoder_build(json_t *j, struct lt_tok_decoder *out);
void lt_tok_decoder_free(struct lt_tok_decoder *d);
/* What a piece adds in the middle of a text. */
int lt_tok_decoder_piece(const struct lt_tok_decoder *d, struct lt_str piece, struct lt_buf *out);

/* Checked reading of stage members; `where` names the stage in messages. */
const char *lt_tok_stage_type(json_t *j, const char *what);     /* NULL: lt_error */
int lt_tok_stage_unknown(const char *what, const char *type);   /* always -1 */
/* A component that is one stage or a Sequence of stages, at most 64: add is called for each with the row of its type.
 * what: its name in messages; list: where a Sequence has its stages; rows begin with their name. */
struct lt_tok_stages {
    const char *what, *list;
    const void *row; size_t size; int rows;
    int (*add)(void *self, const void *row, json_t *j);
};
int lt_tok_stages_read(const struct lt_tok_stages *s, json_t *j, void *self);
struct lt_str lt_tok_own(struct lt_str s);      /* a copy, for when the JSON goes */
int lt_tok_get_bool(json_t *j, const char *key, bool absent, bool *out);
/* absent NULL: must be there */
int lt_tok_get_str(json_t *j, const char *key, const char *absent, struct lt_str *out);
int lt_tok_get_int(json_t *j, const char *key, int64_t absent, int64_t min, int64_t max, int64_t *out);
/* {"String": "..."} or {"Regex": "..."}: exactly one of *literal and *regex is set. */
int lt_tok_get_pattern(json_t *j, const char *key, struct lt_str *literal, struct lt_tok_regex **regex);

/* ---- added tokens ---- */
struct lt_tok_added_set { struct lt_tok_trie trie; int32_t *which; int count; bool first[256]; };
struct lt_tok_found { size_t begin, end; int added; };
/* The next added token at or after `at`: false when there is none. */
bool lt_tok_added_next(const struct lt_tokenizer *t, const struct lt_tok_added_set *set, bool no_special,
                       struct lt_str text, size_t at, struct lt_tok_found *out);

/* ---- models ---- */
struct lt_tok_out { struct lt_token *at; size_t n, cap; };      /* tokens of one word; offsets within the word */
static inline void lt_tok_out_put(struct lt_tok_out *o, int32_t id, size_t begin, size_t end)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? 2 * o->cap : 64;
        o->at = lt_realloc(o->at, o->cap * sizeof *o->at);
    }
    o->at[o->n++] = (struct lt_token){ id, (uint32_t)begin, (uint32_t)end };
}
struct lt_tok_model_scratch { void *p[4]; size_t cap[4]; };     /* grown by lt_tok_room, freed by the encoder */
void *lt_tok_room(struct lt_tok_model_scratch *s, int which, size_t size);
struct lt_tok_model {
    int (*build)(struct lt_tokenizer *t);
    int (*word)(const struct lt_tokenizer *t, struct lt_tok_model_scratch *s, struct lt_rng *rng, struct lt_str word,
                struct lt_tok_out *out);
    void (*free)(void *state);
};
extern const struct lt_tok_model lt_tok_model_bpe, lt_tok_model_unigram, lt_tok_model_wordpiece, lt_tok_model_wordlevel;

struct lt_tokenizer {
    struct lt_tok_spec s;           /* deep copy: what the writer writes */
    struct lt_arena arena;
    int32_t size;                   /* ids are below this */
    struct lt_str *piece;           /* [size] as spelt */
    struct lt_str *raw;             /* [s.count] the bytes a piece stands for within a word */
    struct lt_str *text;            /* [size] what decoding adds in the middle of a text */
    bool *special;                  /* [size] */
    struct lt_tok_index by_piece, by_raw;
    bool byte_level;
    /* unk: -1 none; byte: <0x..> pieces with byte_fallback, single bytes when byte_level */
    int32_t unk, byte[256];
    struct lt_tok_norm norm;
    struct lt_tok_pre pre;
    struct lt_tok_post post;
    struct lt_tok_decoder decoder;
    struct lt_tok_added_set added_raw, added_normal;
    /* a mark that pieces hold only in front, so words may be cut before it; n 0: none */
    struct lt_str cut;
    const struct lt_tok_model *model;
    void *state;                    /* of the model */
    int32_t bos, eos;
    char hash[33];
    struct lt_token_trie *trie;     /* of lt_tokenizer_trie; NULL until asked for */
};

#endif
