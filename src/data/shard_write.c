/* Writing shards.  Everything after the header passes through one block buffer, which is also the unit of the
 * checksum; the header, whose counts are known last, is written over its place at the end. */
#include "data/shard.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct lt_shard_writer {
    char *folder, *split;
    char tokenizer_hash[32];
    uint64_t vocab, shard_tokens;
    int width;
    struct lt_shard_totals total;
    bool open;                          /* a file is being written */
    struct lt_writer file;
    uint64_t tokens, documents, bytes, sum;     /* of that file */
    uint64_t *offset;
    uint32_t *size;
    size_t index_cap, filled;
    uint64_t flags;
    uint8_t *mask;                      /* of that file, a bit a token */
    size_t mask_cap;
    uint8_t block[LT_SHARD_BLOCK];
};

int lt_shard_writer_open(const char *folder, const char *split, uint64_t vocab, const char *tokenizer_hash,
                         uint64_t shard_tokens, struct lt_shard_writer **out)
{
    size_t n = strlen(split);
    if (n == 0 || n > sizeof(((struct lt_shard_header *)0)->split) || strpbrk(split, "/."))
        return lt_misuse("split \"%s\": a name of 1 to 24 characters without / and . was expected", split);
    if (strlen(tokenizer_hash) > 32)
        return lt_fail("tokenizer hash \"%s\" is longer than 32 digits", tokenizer_hash);
    if (vocab == 0 || vocab > UINT64_C(1) << 31)
        return lt_fail("a vocabulary of %" PRIu64 " cannot be stored in a shard", vocab);
    struct lt_shard_writer *w = lt_calloc(1, sizeof *w);
    w->folder = lt_strdup(folder);
    w->split = lt_strdup(split);
    memcpy(w->tokenizer_hash, tokenizer_hash, strlen(tokenizer_hash));
    w->vocab = vocab;
    w->width = vocab <= 1 << 16 ? 2 : 4;
    w->shard_tokens = LT_MIN(LT_MAX(shard_tokens, 1), LT_SHARD_TOKENS_MAX);
    *out = w;
    return 0;
}

static void flush(struct lt_shard_writer *w)
{
    w->sum = lt_hash(w->block, w->filled, w->sum);
    lt_writer_put(&w->file, w->block, w->filled);
    w->filled = 0;
}

static void put(struct lt_shard_writer *w, const void *p, size_t n)
{
    for (const uint8_t *from = p; n;) {
        size_t part = LT_MIN(n, LT_SHARD_BLOCK - w->filled);
        memcpy(w->block + w->filled, from, part);
        w->filled += part;
        from += part;
        n -= part;
        if (w->filled == LT_SHARD_BLOCK)
            flush(w);
    }
}

static int begin(struct lt_shard_writer *w)
{
    static const uint8_t blank[LT_SHARD_HEADER];
    struct lt_buf path = { 0 };
    lt_buf_fmt(&path, "%s/%s-%05d" LT_SHARD_ENDING, w->folder, w->split, w->total.files);
    int rc = lt_writer_open(&w->file, path.p);
    lt_buf_free(&path);
    if (rc)
        return -1;
    w->open = true;
    w->tokens = w->documents = w->bytes = w->sum = 0;
    if (w->mask) memset(w->mask, 0, w->mask_cap);
    w->filled = 0;
    lt_writer_put(&w->file, blank, sizeof blank);
    return 0;
}

static int finish(struct lt_shard_writer *w)
{
    static const uint8_t zero[8];
    uint64_t end = LT_SHARD_HEADER + w->tokens * (uint64_t)w->width, index_at = (end + 7) / 8 * 8;
    put(w, zero, index_at - end);
    put(w, w->offset, 8 * w->documents);
    put(w, &w->tokens, 8);
    put(w, w->size, 4 * w->documents);
    uint64_t index_end = index_at + 8 * (w->documents + 1) + 4 * w->documents, size = index_end;
    if (w->flags) {
        size = (index_end + 7) / 8 * 8 + (w->tokens + 7) / 8;
        put(w, zero, (index_end + 7) / 8 * 8 - index_end);
        put(w, w->mask, (w->tokens + 7) / 8);
    }
    if (w->filled)
        flush(w);
    struct lt_shard_header h = {
        .magic = LT_SHARD_MAGIC, .version = w->flags ? LT_SHARD_VERSION_FLAGS : LT_SHARD_VERSION,
        .width = (uint32_t)w->width, .tokens = w->tokens, .documents = w->documents, .vocab = w->vocab,
        .bytes = w->bytes, .index_at = index_at, .file_size = size, .checksum = w->sum, .flags = w->flags,
    };
    memcpy(h.split, w->split, strlen(w->split));
    memcpy(h.tokenizer_hash, w->tokenizer_hash, sizeof h.tokenizer_hash);
    h.header_checksum = lt_hash(&h, offsetof(struct lt_shard_header, header_checksum), 0);
    if (!w->file.failed && fseek(w->file.f, 0, SEEK_SET))
        w->file.failed = errno;
    lt_writer_put(&w->file, &h, sizeof h);
    w->open = false;
    w->total.files++;
    return lt_writer_commit(&w->file);
}

static void put_tokens(struct lt_shard_writer *w, const int32_t *id, size_t n)
{
    if (w->width == 4) {
        put(w, id, 4 * n);
        return;
    }
    uint16_t narrow[2048];
    for (size_t at = 0; at < n;) {
        size_t part = LT_MIN(n - at, (size_t)LT_COUNT(narrow));
        for (size_t i = 0; i < part; i++)
            narrow[i] = (uint16_t)id[at + i];
        put(w, narrow, 2 * part);
        at += part;
    }
}

void lt_shard_writer_mask(struct lt_shard_writer *w, bool pairs)
{
    w->flags = pairs ? LT_SHARD_MASK | LT_SHARD_PAIRS : LT_SHARD_MASK;
}

static int check_mask(const uint8_t *mask, size_t n)
{
    if (mask[0]) return lt_fail("the first token of a document cannot be predicted: nothing stands before it");
    return memchr(mask, 1, n) ? 0 : lt_fail("a document of %zu tokens has none to predict", n);
}

static size_t count_ones(const uint8_t *mask, size_t n)
{
    size_t ones = 0;
    for (size_t i = 0; i < n; i++) ones += mask[i] != 0;
    return ones;
}

static void put_mask(struct lt_shard_writer *w, const uint8_t *mask, size_t n)
{
    size_t need = (w->tokens + n + 7) / 8;
    if (need > w->mask_cap) {
        size_t cap = LT_MAX(2 * w->mask_cap, LT_MAX(need, 4096));
        w->mask = lt_realloc(w->mask, cap);
        memset(w->mask + w->mask_cap, 0, cap - w->mask_cap);
        w->mask_cap = cap;
    }
    for (size_t i = 0; i < n; i++) w->mask[(w->tokens + i) / 8] |= (uint8_t)((mask[i] != 0) << (w->tokens + i) % 8);
}

static int write_document(struct lt_shard_writer *w, const int32_t *id, const uint8_t *mask, size_t n,
                          size_t bytes)
{
    if (n == 0 || n > LT_SHARD_DOC_TOKENS || bytes > UINT32_MAX)
        return lt_fail("a document of %zu tokens and %zu bytes cannot be stored in a shard", n, bytes);
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (uint64_t)id[i] >= w->vocab)
            return lt_fail("token %zu is %" PRId32 ", beyond the vocabulary of %" PRIu64, i, id[i], w->vocab);
    if (mask && check_mask(mask, n)) return -1;
    bool whole = !(w->flags & LT_SHARD_PAIRS) || w->documents % 2 == 0;        /* no pair is split over two files */
    if (w->open && whole && w->tokens + n > w->shard_tokens && finish(w))
        return -1;
    if (!w->open && begin(w))
        return -1;
    if (w->documents == w->index_cap) {
        w->index_cap = w->index_cap ? 2 * w->index_cap : 1024;
        w->offset = lt_realloc(w->offset, w->index_cap * sizeof *w->offset);
        w->size = lt_realloc(w->size, w->index_cap * sizeof *w->size);
    }
    w->offset[w->documents] = w->tokens;
    w->size[w->documents++] = (uint32_t)bytes;
    put_tokens(w, id, n);
    if (mask) put_mask(w, mask, n);
    w->tokens += n;
    w->bytes += bytes;
    w->total.documents++;
    w->total.tokens += n;
    w->total.predicted += mask ? count_ones(mask, n) : n - 1;
    w->total.bytes += bytes;
    return w->file.failed ? lt_fail("%s: cannot write: %s", w->file.path, strerror(w->file.failed)) : 0;
}

int lt_shard_write(struct lt_shard_writer *w, const int32_t *id, size_t n, size_t bytes)
{
    assert(!w->flags);
    return write_document(w, id, NULL, n, bytes);
}

int lt_shard_write_masked(struct lt_shard_writer *w, const int32_t *id, const uint8_t *mask, size_t n, size_t bytes)
{
    assert(w->flags);
    return write_document(w, id, mask, n, bytes);
}

void lt_shard_writer_abort(struct lt_shard_writer *w)
{
    if (!w)
        return;
    if (w->open)
        lt_writer_abort(&w->file);
    free(w->folder);
    free(w->split);
    free(w->offset);
    free(w->size);
    free(w->mask);
    free(w);
}

int lt_shard_writer_commit(struct lt_shard_writer *w, struct lt_shard_totals *out)
{
    assert(!(w->flags & LT_SHARD_PAIRS) || w->total.documents % 2 == 0);
    int rc = w->open ? finish(w) : 0;
    if (rc == 0 && out)
        *out = w->total;
    lt_shard_writer_abort(w);
    return rc;
}
