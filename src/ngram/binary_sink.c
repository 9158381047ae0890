/* The sink that writes a binary file, which needs the whole model before its first byte: collected, then written. */
#include "ngram/binary.h"
#include "ngram/stream.h"
#include <stdlib.h>

struct binary {
    struct lt_ngram_sink inner;
    struct lt_ngram *m;
    struct lt_ngram_binary_how how;
    struct lt_ctx *c;
    char *path;
};

static int binary_begin(void *self, const struct lt_ngram_shape *shape)
{
    struct binary *b = self;
    return b->inner.begin(b->inner.self, shape);
}

static int binary_put(void *self, int level, const uint32_t *word, float prob, float backoff)
{
    struct binary *b = self;
    return b->inner.put(b->inner.self, level, word, prob, backoff);
}

static void release(struct binary *b)
{
    lt_ngram_free(b->m);
    free(b->path);
    free(b);
}

static void binary_abort(void *self)
{
    struct binary *b = self;
    b->inner.abort(b->inner.self);
    release(b);
}

static int binary_end(void *self)
{
    struct binary *b = self;
    int rc = b->inner.end(b->inner.self);
    if (!rc) rc = lt_ngram_binary_save(b->m, &b->how, b->path, b->c);
    release(b);
    return rc;
}

void lt_ngram_binary_sink(const char *path, const struct lt_ngram_binary_how *how, struct lt_ctx *c,
                          struct lt_ngram_sink *sink)
{
    struct binary *b = lt_calloc(1, sizeof *b);
    b->how = *how;
    b->c = c;
    b->path = lt_strdup(path);
    lt_ngram_collect(&b->m, &b->inner);
    *sink = (struct lt_ngram_sink){ .begin = binary_begin, .put = binary_put, .end = binary_end,
                                    .abort = binary_abort, .self = b };
}
