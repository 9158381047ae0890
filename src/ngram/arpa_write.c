/* ARPA files out of a loaded model.  lt_ngram_write spells them plainly, one figure after the other: what the sink of
 * arpa_sink.c is compared with. */
#include "ngram/stream.h"
#include "base/digits.h"
#include <stdlib.h>

struct spelling {
    struct lt_buf *b;
    const struct lt_map *vocabulary;
    int level, order;
};

static void put_float(struct lt_buf *b, float v)
{
    char text[LT_FLOAT_TEXT];
    lt_buf_put(b, text, lt_float_text(v, text));
}

static int begin(void *self, const struct lt_ngram_shape *shape)
{
    struct spelling *s = self;
    s->vocabulary = shape->vocabulary;
    s->order = shape->order;
    s->level = -1;
    lt_buf_str(s->b, "\\data\\\n");
    for (int k = 0; k < shape->order; k++)
        lt_buf_fmt(s->b, "ngram %d=%llu\n", k + 1, (unsigned long long)shape->count[k]);
    return 0;
}

static void reach_level(struct spelling *s, int level)
{
    while (s->level < level) lt_buf_fmt(s->b, "\n\\%d-grams:\n", ++s->level + 1);
}

static int put(void *self, int level, const uint32_t *word, float prob, float backoff)
{
    struct spelling *s = self;
    reach_level(s, level);
    put_float(s->b, prob);
    for (int k = 0; k <= level; k++) {
        struct lt_str w = s->vocabulary->entry[word[k]].key;
        lt_buf_char(s->b, k ? ' ' : '\t');
        lt_buf_put(s->b, w.p, w.n);
    }
    if (backoff != 0) {
        lt_buf_char(s->b, '\t');
        put_float(s->b, backoff);
    }
    lt_buf_char(s->b, '\n');
    return 0;
}

static int end(void *self)
{
    struct spelling *s = self;
    reach_level(s, s->order - 1);
    lt_buf_str(s->b, "\n\\end\\\n");
    return 0;
}

static void give_up(void *self)
{
    (void)self;
}

void lt_ngram_write(const struct lt_ngram *m, struct lt_buf *out)
{
    struct spelling s = { .b = out };
    struct lt_ngram_sink sink = { .begin = begin, .put = put, .end = end, .abort = give_up, .self = &s };
    lt_ngram_stream(m, "model", NULL, NULL, &sink);     /* of memory: nothing can fail */
}

int lt_ngram_save(const struct lt_ngram *m, const char *path)
{
    struct lt_ngram_sink sink;
    return lt_arpa_sink_open(path, NULL, &sink) ? -1 : lt_ngram_stream(m, path, NULL, NULL, &sink);
}
