#include "data/shard.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t round_up(uint64_t n)
{
    return (n + 7) / 8 * 8;
}

static int check_flags(const struct lt_shard_header *h, const char *label)
{
    if (h->version == LT_SHARD_VERSION) return 0;
    if (h->flags != LT_SHARD_MASK && h->flags != (LT_SHARD_MASK | LT_SHARD_PAIRS))
        return lt_fail("%s: flags %" PRIx64 "; 1 (a mask) or 3 (pairs) were expected", label, h->flags);
    if (h->flags & LT_SHARD_PAIRS && h->documents % 2)
        return lt_fail("%s: %" PRIu64 " documents are no pairs", label, h->documents);
    return 0;
}

/* Where the file ends when its counts are right; they fit in it already. */
static uint64_t size_of(const struct lt_shard_header *h, uint64_t index_at)
{
    uint64_t index_end = index_at + 8 * (h->documents + 1) + 4 * h->documents;
    return h->version == LT_SHARD_VERSION_FLAGS ? round_up(index_end) + (h->tokens + 7) / 8 : index_end;
}

/* Sizes come from the file: everything is compared with what is there before it is multiplied or used. */
static int check_header(const struct lt_shard_header *h, size_t n, const char *label)
{
    if (memcmp(h->magic, LT_SHARD_MAGIC, sizeof h->magic))
        return lt_fail("%s: not a token shard (`lathe pack` makes them)", label);
    if (h->version != LT_SHARD_VERSION && h->version != LT_SHARD_VERSION_FLAGS)
        return lt_fail("%s: shard version %" PRIu32 "; this program reads versions %d and %d", label, h->version,
                       LT_SHARD_VERSION, LT_SHARD_VERSION_FLAGS);
    if (lt_hash(h, offsetof(struct lt_shard_header, header_checksum), 0) != h->header_checksum)
        return lt_fail("%s: the header is damaged (its checksum does not match); pack again", label);
    if (h->file_size != n)
        return lt_fail("%s: %zu bytes, the header says %" PRIu64 ": cut short or appended to", label, n, h->file_size);
    if (check_flags(h, label)) return -1;
    if (h->width != 2 && h->width != 4)
        return lt_fail("%s: tokens of %" PRIu32 " bytes; 2 or 4 were expected", label, h->width);
    if (h->vocab == 0 || h->vocab > (h->width == 2 ? UINT64_C(1) << 16 : UINT64_C(1) << 31))
        return lt_fail("%s: a vocabulary of %" PRIu64 " does not go with tokens of %" PRIu32 " bytes", label, h->vocab,
                       h->width);
    uint64_t room = n - LT_SHARD_HEADER;
    if (h->tokens > room / h->width || h->documents > room / 12 || h->documents > h->tokens)
        return lt_fail("%s: %" PRIu64 " tokens in %" PRIu64 " documents do not fit in %zu bytes", label, h->tokens,
                       h->documents, n);
    uint64_t index_at = round_up(LT_SHARD_HEADER + h->tokens * h->width);
    if (h->index_at != index_at || n != size_of(h, index_at))
        return lt_fail("%s: the index is not where %" PRIu64 " tokens and %" PRIu64 " documents put it", label,
                       h->tokens, h->documents);
    return 0;
}

static int check_index(const struct lt_shard *s)
{
    uint64_t before = lt_shard_first(s, 0), bytes = 0;
    if (before != 0)
        return lt_fail("%s: the first document does not start at the first token", s->path);
    for (uint64_t i = 0; i < s->documents; i++) {
        uint64_t next = lt_shard_first(s, i + 1);
        if (next <= before || next - before > LT_SHARD_DOC_TOKENS)
            return lt_fail("%s: document %" PRIu64 " goes from token %" PRIu64 " to %" PRIu64, s->path, i, before,
                           next);
        before = next;
        bytes += lt_shard_size(s, i);
    }
    if (before != s->tokens)
        return lt_fail("%s: the documents end at token %" PRIu64 " of %" PRIu64, s->path, before, s->tokens);
    if (bytes != s->bytes)
        return lt_fail("%s: the documents have %" PRIu64 " bytes of text, the header says %" PRIu64, s->path, bytes,
                       s->bytes);
    return 0;
}

/* A document of which nothing is predicted would be trained on and teach nothing. */
static int check_mask(const struct lt_shard *s)
{
    for (uint64_t i = 0; i < s->documents; i++) {
        uint64_t at = lt_shard_first(s, i), end = lt_shard_first(s, i + 1);
        if (lt_shard_predicted(s, at))
            return lt_fail("%s: document %" PRIu64 " predicts its first token, which nothing stands before", s->path,
                           i);
        while (++at < end && !lt_shard_predicted(s, at)) { }
        if (at == end)
            return lt_fail("%s: document %" PRIu64 " has no token to predict", s->path, i);
    }
    return 0;
}

int lt_shard_parse(const void *p, size_t n, const char *label, struct lt_shard *out)
{
    *out = (struct lt_shard){ 0 };
    struct lt_shard_header h;
    if (n < sizeof h)
        return lt_fail("%s: %zu bytes are too few for a token shard", label, n);
    memcpy(&h, p, sizeof h);
    if (check_header(&h, n, label))
        return -1;
    const uint8_t *byte = p;
    *out = (struct lt_shard){
        .path = lt_strdup(label), .width = (int)h.width, .tokens = h.tokens, .documents = h.documents, .vocab = h.vocab,
        .bytes = h.bytes, .checksum = h.checksum, .token = byte + LT_SHARD_HEADER, .offset = byte + h.index_at,
        .size = byte + h.index_at + 8 * (h.documents + 1), .file = { .p = p, .n = n },
    };
    memcpy(out->split, h.split, sizeof h.split);
    memcpy(out->tokenizer_hash, h.tokenizer_hash, sizeof h.tokenizer_hash);
    if (h.version == LT_SHARD_VERSION_FLAGS) {
        uint64_t index_end = h.index_at + 8 * (h.documents + 1) + 4 * h.documents;
        out->mask = byte + round_up(index_end);
        out->pairs = h.flags & LT_SHARD_PAIRS;
    }
    if (check_index(out) || (out->mask && check_mask(out))) {
        free(out->path);
        *out = (struct lt_shard){ 0 };
        return -1;
    }
    return 0;
}

int lt_shard_open(const char *path, struct lt_shard *out)
{
    struct lt_file f;
    *out = (struct lt_shard){ 0 };
    if (lt_file_open(path, &f))
        return -1;
    if (lt_shard_parse(f.p, f.n, path, out)) {
        lt_file_close(&f);
        return -1;
    }
    out->file = f;
    out->owned = true;
    return 0;
}

int lt_shard_verify(const struct lt_shard *s)
{
    uint64_t sum = 0;
    for (size_t at = LT_SHARD_HEADER; at < s->file.n; at += LT_SHARD_BLOCK)
        sum = lt_hash(s->file.p + at, LT_MIN(LT_SHARD_BLOCK, s->file.n - at), sum);
    if (sum == s->checksum)
        return 0;
    return lt_fail("%s: the content is damaged (its checksum does not match); pack again", s->path);
}

void lt_shard_close(struct lt_shard *s)
{
    if (s->owned)
        lt_file_close(&s->file);
    free(s->path);
    *s = (struct lt_shard){ 0 };
}
