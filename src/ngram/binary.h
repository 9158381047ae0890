/* Binary n-gram files: what a mapped file looks like from inside (doc/formats/ngram-binary.md).
 *
 * All sizes are checked when the file is opened.  The content is not, for that would mean to read all of it: whatever
 * is taken from it and used as a place is brought below its bound right there, so a damaged file gives wrong figures at
 * worst. */
#ifndef LT_NGRAM_BINARY_H
#define LT_NGRAM_BINARY_H

#include "base/io.h"
#include "ngram/ngram.h"
#include <string.h>

#define LT_NGRAM_MAGIC "LTNGRAM\n"
enum { LT_NGRAM_VERSION = 1, LT_NGRAM_HASH = 1, LT_NGRAM_TRIE = 2 };
enum { LT_NGRAM_UNK_GIVEN = 1 };                    /* flags */
enum { LT_NGRAM_BITS_MAX = 16, LT_NGRAM_REACH = 64, LT_NGRAM_LINE = 64 };

struct lt_ngram_header {
    char magic[8];
    uint32_t version, layout, order, flags, unk, bos, eos, prob_bits, backoff_bits, word_bits;
    uint64_t size;                                  /* of the file */
    uint64_t content;                               /* checksum of all that follows the header */
    uint64_t seed;                                  /* of the hash of n-grams */
    uint64_t spelling;                              /* bytes of all words */
    uint64_t word_slots, blank_slots;               /* powers of two; no blanks: 0 */
    uint64_t count[LT_NGRAM_ORDER_MAX];
    uint64_t buckets[LT_NGRAM_ORDER_MAX];           /* hash: of the table of each order from the second up */
    uint64_t zero[31];
    uint64_t check;                                 /* of the header up to here */
};
_Static_assert(sizeof(struct lt_ngram_header) == 512, "the header has no holes");

/* ---- n-grams in the order of the trie, in as few bits as they need ---- */
/* How n-grams go on: for each, in order, as many zeros as there are n-grams of the next order that begin with it, then
 * a one.  In lines, each with the ones before it, so that the i-th one is found from a hint in a step or two. */
enum { LT_NGRAM_FAN_BITS = 448, LT_NGRAM_FAN_HINT = 128 };
struct lt_ngram_fan_line {
    uint32_t before;                                /* ones in the lines before */
    uint32_t ahead;                                 /* ones in the first 2, 4 and 6 words of this line, 9 bits each */
    uint64_t word[7];
};
struct lt_ngram_packed {
    const uint8_t *entry;                           /* word, then the codes of probability and back-off */
    uint64_t count;
    unsigned width, word_bits, prob_bits, backoff_bits;
    const struct lt_ngram_fan_line *fan;            /* NULL: level 0 and the highest */
    const uint32_t *hint;                           /* [i]: the line of one number i * LT_NGRAM_FAN_HINT */
    uint64_t lines, hints, next;                    /* next: n-grams of the next level */
    const float *prob, *backoff;                    /* what the codes mean; NULL: codes are the floats themselves */
};

/* ---- tables of the hash layout: a bucket is a line of the cache ---- */
enum { LT_NGRAM_BUCKET = 4, LT_NGRAM_BUCKET_TOP = 5 };
struct lt_ngram_slot { uint64_t key; float prob, backoff; };    /* key 0: empty; prob above 0: a blank */
struct lt_ngram_bucket { struct lt_ngram_slot slot[LT_NGRAM_BUCKET]; };
struct lt_ngram_bucket_top { uint64_t key[LT_NGRAM_BUCKET_TOP]; float prob[LT_NGRAM_BUCKET_TOP]; uint32_t zero; };
_Static_assert(sizeof(struct lt_ngram_bucket) == LT_NGRAM_LINE, "a bucket is a line");
_Static_assert(sizeof(struct lt_ngram_bucket_top) == LT_NGRAM_LINE, "a bucket is a line");
#define LT_NGRAM_BLANK 1.0f

struct lt_ngram_pair { float prob, backoff; };
struct lt_ngram_file {
    struct lt_file file;
    bool borrowed;
    struct lt_ngram_header head;
    const uint32_t *spelling_at;                    /* [words + 1] */
    const char *spelling;
    const uint64_t *word_slot;                      /* tag << 32 | id + 1, or 0 */
    const struct lt_ngram_pair *unigram;
    const uint32_t *unigram_child;                  /* [words + 1]; NULL: order 1 */
    struct lt_ngram_packed level[LT_NGRAM_ORDER_MAX];   /* from 1 */
    const void *table[LT_NGRAM_ORDER_MAX];          /* hash, from 1 */
    const uint64_t *blank;                          /* trie: keys of blanks; a power of two of slots */
};

/* Where everything is: offsets from the beginning of the file, all multiples of LT_NGRAM_LINE.  False: the sizes in the
 * header are impossible. */
struct lt_ngram_places {
    uint64_t spelling_at, spelling, word_slot, unigram, unigram_child, size;
    uint64_t entry[LT_NGRAM_ORDER_MAX], fan[LT_NGRAM_ORDER_MAX], hint[LT_NGRAM_ORDER_MAX];
    uint64_t table[LT_NGRAM_ORDER_MAX], prob[LT_NGRAM_ORDER_MAX], backoff[LT_NGRAM_ORDER_MAX], blank;
};
bool lt_ngram_places(const struct lt_ngram_header *h, struct lt_ngram_places *p);
unsigned lt_ngram_prob_width(const struct lt_ngram_header *h);              /* bits in an entry */
unsigned lt_ngram_backoff_width(const struct lt_ngram_header *h, int level);
static inline uint64_t lt_ngram_fan_lines(uint64_t count, uint64_t next)
{
    return (count + next) / LT_NGRAM_FAN_BITS + 1;
}
static inline uint64_t lt_ngram_hints(uint64_t count) { return count / LT_NGRAM_FAN_HINT + 2; }

/* ---- a layout is what a model answers with: chosen once, each loops on its own ---- */
struct lt_ngram_layout {
    void (*score)(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                  const struct lt_ngram_run *run);
    void (*row)(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out);
    /* of n-gram `index` of a level, whose words these are */
    struct lt_ngram_pair (*figures)(const struct lt_ngram *m, int level, uint64_t index, const uint32_t *word);
};
extern const struct lt_ngram_layout lt_ngram_layout_levels, lt_ngram_layout_hash, lt_ngram_layout_trie;
const struct lt_ngram_layout *lt_ngram_layout(const struct lt_ngram *m);

/* What is known after one more word: *next becomes *s.  Its node and backoff of up to `longest` words are there. */
void lt_ngram_move(struct lt_ngram_state *s, struct lt_ngram_state *next, uint32_t word, int longest, int length,
                   int order);
/* charge[k], k <= s->n: the sum of back-offs that a match of k words of context is charged. */
void lt_ngram_charges(const struct lt_ngram_state *s, double *charge);

/* ---- from the mapped file ---- */
int lt_ngram_map(const char *path, struct lt_ngram **out);
/* The same over bytes that stay where they are until the model is freed, 64-byte aligned. */
int lt_ngram_map_bytes(const char *name, struct lt_str bytes, struct lt_ngram **out);
void lt_ngram_unmap(struct lt_ngram_file *f);
uint32_t lt_ngram_file_word(const struct lt_ngram_file *f, struct lt_str word);     /* LT_NGRAM_NONE: unknown */
void lt_ngram_file_ids(const struct lt_ngram_file *f, const struct lt_str *word, int n, uint32_t *id);
struct lt_str lt_ngram_file_spelling(const struct lt_ngram_file *f, uint32_t id);
/* Compares the content with its checksum: reads all of it. */
int lt_ngram_file_verify(const struct lt_ngram_file *f, const char *name, struct lt_ctx *c);
uint64_t lt_ngram_checksum(uint64_t sum, const void *p, size_t n);          /* of a block, after those before */
enum { LT_NGRAM_BLOCK = 1 << 20 };                                          /* bytes in a block; the last has fewer */

/* The n-grams that go on from n-gram i of a level: from .. end - 1 of the next.  In bounds whatever the file holds. */
struct lt_ngram_range { uint64_t from, end; };
struct lt_ngram_range lt_ngram_fan(const struct lt_ngram_packed *l, uint64_t i);
static inline struct lt_ngram_range lt_ngram_file_range(const struct lt_ngram_file *f, int level, uint64_t i)
{
    if (level) return lt_ngram_fan(&f->level[level], i);
    uint64_t end = LT_MIN(f->unigram_child[i + 1], f->head.count[1]);
    return (struct lt_ngram_range){ LT_MIN(f->unigram_child[i], end), end };
}

static inline uint64_t lt_ngram_bits(const uint8_t *p, uint64_t at, unsigned n)     /* n <= 57 */
{
    uint64_t v;
    memcpy(&v, p + (at >> 3), sizeof v);
    return v >> (at & 7) & ((UINT64_C(1) << n) - 1);
}

/* A word of a damaged file may be beyond the vocabulary: the word 0 then. */
static inline uint32_t lt_ngram_entry_word(const struct lt_ngram_packed *l, uint64_t i, uint64_t words)
{
    uint64_t w = lt_ngram_bits(l->entry, i * l->width, l->word_bits);
    return w < words ? (uint32_t)w : 0;
}
/* The n-gram in a range whose last word this is; LT_NGRAM_NONE when there is none. */
uint32_t lt_ngram_find(const struct lt_ngram_packed *l, struct lt_ngram_range r, uint32_t word);

/* ---- the hash of an n-gram, from its last word to the first ---- */
static inline uint64_t lt_ngram_key(uint64_t key, uint32_t word)
{
    key = (key ^ (word + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    return key ^ key >> 32;
}
static inline uint64_t lt_ngram_key_end(uint64_t key) { return key ? key : 1; }

/* ---- writing ---- */
struct lt_ngram_binary_how { int layout, prob_bits, backoff_bits; };        /* bits 0: floats as they are */
/* A model in the levels becomes a file.  Needs memory for one more table of the file. */
int lt_ngram_binary_save(const struct lt_ngram *m, const struct lt_ngram_binary_how *how, const char *path,
                         struct lt_ctx *c);
struct lt_ngram_sink;
void lt_ngram_binary_sink(const char *path, const struct lt_ngram_binary_how *how, struct lt_ctx *c,
                          struct lt_ngram_sink *sink);
/* What "auto" means for this name; otherwise: when the name says nothing. */
const char *lt_ngram_format(const char *path, const char *format, const char *otherwise);
/* Centres of 2^bits classes of values, ascending, each the mean of its class.  Where there are no more values than
 * classes, the values themselves.  exact_zero: one of the centres is 0. */
void lt_ngram_quantise(const float *value, uint64_t n, int bits, bool exact_zero, float *centre);
uint32_t lt_ngram_nearest(const float *centre, uint32_t n, float value);
/* Puts `key` into its bucket or one after; -1 without a message: too far away, or it is there already. */
int lt_ngram_table_put(struct lt_ngram_bucket *t, uint64_t buckets, uint64_t key, struct lt_ngram_pair value);
int lt_ngram_table_put_top(struct lt_ngram_bucket_top *t, uint64_t buckets, uint64_t key, float prob);

#endif
