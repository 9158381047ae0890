#include "data/corpus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int add_shard(struct lt_corpus *c, const char *path, const char *split)
{
    struct lt_shard s;
    if (lt_shard_open(path, &s))
        return -1;
    if (split && strcmp(split, s.split)) {
        lt_shard_close(&s);
        return 0;
    }
    const struct lt_shard *first = c->shard;
    if (c->count && (strcmp(first->tokenizer_hash, s.tokenizer_hash) || first->vocab != s.vocab)) {
        lt_fail("%s was made with another tokenizer (%s, %" PRIu64 " ids) than %s (%s, %" PRIu64 " ids)", path,
                s.tokenizer_hash, s.vocab, first->path, first->tokenizer_hash, first->vocab);
        lt_shard_close(&s);
        return -1;
    }
    if (c->count && first->pairs != s.pairs) {
        lt_fail("%s holds pairs and %s does not; they cannot be trained on together", s.pairs ? path : first->path,
                s.pairs ? first->path : path);
        lt_shard_close(&s);
        return -1;
    }
    size_t n = (size_t)++c->count;
    c->shard = lt_realloc(c->shard, n * sizeof *c->shard);
    c->token_first = lt_realloc(c->token_first, (n + 1) * sizeof *c->token_first);
    c->document_first = lt_realloc(c->document_first, (n + 1) * sizeof *c->document_first);
    c->shard[n - 1] = s;
    c->token_first[n - 1] = c->tokens;
    c->document_first[n - 1] = c->documents;
    c->token_first[n] = c->tokens += s.tokens;
    c->document_first[n] = c->documents += s.documents;
    c->bytes += s.bytes;
    c->vocab = s.vocab;
    c->masked = c->masked || s.mask;
    c->pairs = s.pairs;
    return 0;
}

int lt_corpus_add(struct lt_corpus *c, const char *path, const char *split)
{
    if (!lt_path_is_dir(path))
        return add_shard(c, path, NULL);
    char **name;
    int count, rc = 0, before = c->count, seen = 0;
    if (lt_list_dir(path, &name, &count))
        return -1;
    for (int i = 0; i < count; i++) {
        struct lt_buf full = { 0 };
        lt_buf_fmt(&full, "%s/%s", path, name[i]);
        if (rc == 0 && name[i][0] != '.' && lt_str_ends(lt_str(name[i]), LT_SHARD_ENDING)) {
            rc = add_shard(c, full.p, split);
            seen++;
        }
        lt_buf_free(&full);
        free(name[i]);
    }
    free(name);
    if (rc == 0 && seen == 0)
        return lt_fail("%s: no token shards (*" LT_SHARD_ENDING ") in this folder; `lathe pack` makes them", path);
    if (rc == 0 && c->count == before)
        return lt_fail("%s: none of its %d shards belongs to the split \"%s\"", path, seen, split);
    return rc;
}

/* The shard whose part of first[] holds `at`. */
static int shard_of(const uint64_t *first, int count, uint64_t at)
{
    int low = 0, high = count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (first[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void lt_corpus_document(const struct lt_corpus *c, uint64_t i, uint64_t *begin, uint64_t *end)
{
    int s = shard_of(c->document_first, c->count, i);
    uint64_t local = i - c->document_first[s];
    *begin = c->token_first[s] + lt_shard_first(&c->shard[s], local);
    *end = c->token_first[s] + lt_shard_first(&c->shard[s], local + 1);
}

uint32_t lt_corpus_bytes(const struct lt_corpus *c, uint64_t i)
{
    int s = shard_of(c->document_first, c->count, i);
    return lt_shard_size(&c->shard[s], i - c->document_first[s]);
}

uint64_t lt_corpus_find(const struct lt_corpus *c, uint64_t at)
{
    int s = shard_of(c->token_first, c->count, at);
    uint64_t local = at - c->token_first[s], low = 0, high = c->shard[s].documents - 1;
    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;
        if (lt_shard_first(&c->shard[s], middle) <= local)
            low = middle;
        else
            high = middle - 1;
    }
    return c->document_first[s] + low;
}

/* Widens n tokens; the result is the largest of them. */
static uint32_t widen2(const uint8_t *from, size_t n, int32_t *out)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t id;
        memcpy(&id, from + 2 * i, 2);
        out[i] = id;
        most = LT_MAX(most, id);
    }
    return most;
}

static uint32_t widen4(const uint8_t *from, size_t n, int32_t *out)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t id;
        memcpy(&id, from + 4 * i, 4);
        out[i] = (int32_t)id;
        most = LT_MAX(most, id);
    }
    return most;
}

/* The shard of token `at`, its place there, and how many of n tokens from it on lie there. */
static const struct lt_shard *stretch(const struct lt_corpus *c, uint64_t at, size_t n, uint64_t *local, size_t *part)
{
    int i = shard_of(c->token_first, c->count, at);
    const struct lt_shard *s = &c->shard[i];
    *local = at - c->token_first[i];
    *part = (size_t)LT_MIN(n, s->tokens - *local);
    return s;
}

int lt_corpus_copy(const struct lt_corpus *c, uint64_t at, size_t n, int32_t *out)
{
    for (size_t part; n; at += part, out += part, n -= part) {
        uint64_t local;
        const struct lt_shard *s = stretch(c, at, n, &local, &part);
        const uint8_t *from = s->token + local * (uint64_t)s->width;
        uint32_t most = s->width == 2 ? widen2(from, part, out) : widen4(from, part, out);
        if (most >= s->vocab)
            return lt_fail("%s: damaged: among tokens %" PRIu64 " to %" PRIu64 " one is %" PRIu32 ", beyond the "
                           "vocabulary of %" PRIu64 "; pack again", s->path, local, local + part - 1, most, s->vocab);
    }
    return 0;
}

bool lt_corpus_masked(const struct lt_corpus *c, uint64_t i)
{
    return c->masked && c->shard[shard_of(c->document_first, c->count, i)].mask;
}

void lt_corpus_weights(const struct lt_corpus *c, uint64_t at, size_t n, float *out)
{
    for (size_t part; n; at += part, out += part, n -= part) {
        uint64_t local;
        const struct lt_shard *s = stretch(c, at, n, &local, &part);
        for (size_t k = 0; k < part; k++) out[k] = s->mask ? (float)lt_shard_predicted(s, local + k) : 1;
    }
}

void lt_corpus_release(struct lt_corpus *c)
{
    for (int i = 0; i < c->count; i++)
        lt_shard_close(&c->shard[i]);
    free(c->shard);
    free(c->token_first);
    free(c->document_first);
    *c = (struct lt_corpus){ 0 };
}
