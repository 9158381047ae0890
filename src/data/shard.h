/* Token shards: documents turned into ids, in one mapped file (doc/formats/shards.md).
 *
 * A shard keeps document boundaries and the size of each document's text, so that a loss over tokens can be told in
 * bits per byte; one with a mask says of each token whether it is predicted, and one of pairs that its documents belong
 * together two by two.  Opening maps the file and checks the header, the index of documents and the mask; tokens are
 * checked where they are copied from (lt_corpus_copy), the checksum over all of them only when asked
 * (lt_shard_verify). */
#ifndef LT_SHARD_H
#define LT_SHARD_H

#include "base/io.h"

#define LT_SHARD_ENDING ".shard"
#define LT_SHARD_DOC_TOKENS UINT32_MAX          /* most tokens in one document */
#define LT_SHARD_TOKENS_MAX (UINT64_C(1) << 40)
#define LT_SHARD_TOKENS 100000000               /* of one file, by default */

struct lt_shard {
    struct lt_file file;
    bool owned;                     /* the file goes with the shard */
    char *path;                     /* for messages */
    int width;                      /* bytes of a token: 2 or 4 */
    uint64_t tokens, documents, vocab, bytes, checksum;
    char split[25], tokenizer_hash[33];
    const uint8_t *token, *offset, *size;   /* little-endian: ids; u64 [documents + 1]; u32 [documents] */
    const uint8_t *mask;            /* bit i % 8 of byte i / 8: token i is predicted; NULL: there is none */
    bool pairs;                     /* documents 2i and 2i + 1 are the chosen and the rejected of pair i */
};

int lt_shard_open(const char *path, struct lt_shard *out);
/* Reads a shard in memory, which is borrowed until close; label is for messages. */
int lt_shard_parse(const void *p, size_t n, const char *label, struct lt_shard *out);
int lt_shard_verify(const struct lt_shard *s);  /* reads everything: -1 when the content is not what was written */
void lt_shard_close(struct lt_shard *s);

/* First token of document i; i == documents: the end of the last. */
static inline uint64_t lt_shard_first(const struct lt_shard *s, uint64_t i)
{
    uint64_t at;
    __builtin_memcpy(&at, s->offset + 8 * i, 8);
    return at;
}

/* Bytes of text of document i. */
static inline uint32_t lt_shard_size(const struct lt_shard *s, uint64_t i)
{
    uint32_t n;
    __builtin_memcpy(&n, s->size + 4 * i, 4);
    return n;
}

static inline bool lt_shard_predicted(const struct lt_shard *s, uint64_t i)
{
    return s->mask[i / 8] >> i % 8 & 1;
}

/* ---- writing ---- */
struct lt_shard_writer;
struct lt_shard_totals { uint64_t tokens, documents, bytes, predicted; int files; };
/* Shards FOLDER/SPLIT-00000.shard, -00001 ...: a new one begins where the next document would go beyond shard_tokens.
 * Memory: the index of one shard.  Files appear complete or not at all; the folder must be there. */
int lt_shard_writer_open(const char *folder, const char *split, uint64_t vocab, const char *tokenizer_hash,
                         uint64_t shard_tokens, struct lt_shard_writer **out);
/* One document: n ids below vocab (n > 0) that stand for `bytes` bytes of text. */
int lt_shard_write(struct lt_shard_writer *w, const int32_t *id, size_t n, size_t bytes);
/* Before the first document: all will have a mask, and with pairs they come two by two, which stay in one file. */
void lt_shard_writer_mask(struct lt_shard_writer *w, bool pairs);
/* A document with its mask, n times 0 or 1: the first token is not predicted, and at least one other is. */
int lt_shard_write_masked(struct lt_shard_writer *w, const int32_t *id, const uint8_t *mask, size_t n, size_t bytes);
/* Both end w.  A split without documents leaves no file. */
int lt_shard_writer_commit(struct lt_shard_writer *w, struct lt_shard_totals *out);
void lt_shard_writer_abort(struct lt_shard_writer *w);

/* ---- what reader and writer share ---- */
enum { LT_SHARD_HEADER = 256, LT_SHARD_BLOCK = 1 << 20 };
#define LT_SHARD_MAGIC "LTSHARD\n"
enum { LT_SHARD_VERSION = 1, LT_SHARD_VERSION_FLAGS = 2 };      /* the second only where there are flags */
enum { LT_SHARD_MASK = 1, LT_SHARD_PAIRS = 2 };
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shards are mapped as they lie: little-endian");
/* The file's first bytes, in this order and without holes. */
struct lt_shard_header {
    char magic[8];
    uint32_t version, width;
    uint64_t tokens, documents, vocab, bytes, index_at, file_size, checksum;
    char split[24], tokenizer_hash[32];
    uint64_t flags;
    uint8_t reserved[LT_SHARD_HEADER - 144];
    uint64_t header_checksum;       /* xxh3-64 of all before it */
};
_Static_assert(sizeof(struct lt_shard_header) == LT_SHARD_HEADER, "the header has no holes");

#endif
