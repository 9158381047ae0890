/* The sink that writes ARPA files (doc: Stolcke's ngram-format).  N-grams are gathered and spelt many at a time, in
 * pieces that threads share; what is written does not depend on how many there are. */
#include "base/ctx.h"
#include "base/digits.h"
#include "base/squeeze.h"
#include "ngram/stream.h"
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 1 << 15, CHUNK = 1 << 12, CHUNKS = AT_ONCE / CHUNK, SLACK = 32, LONG = 255, AHEAD = 16 };

/* A spelling beside its length, so that one look at memory gets most of them. */
struct spelt { uint8_t n; char text[15]; };         /* n 255: it is longer, and the vocabulary has it */

struct sink {
    struct lt_squeeze *out;
    struct lt_ctx *ctx;
    struct lt_ngram_shape shape;
    struct spelt *spelt;                /* [words] */
    int level;                          /* of the n-grams at hand */
    size_t n;
    float *prob, *backoff;              /* [AT_ONCE] */
    uint32_t *word;                     /* [AT_ONCE][level + 1] */
    struct lt_buf text[CHUNKS];
};

/* A line: its words mostly begin like those of the line before, whose text stands `back` bytes before `to`. */
struct line {
    size_t rel[LT_NGRAM_ORDER_MAX + 1];     /* rel[k]: bytes of the first k words */
    const uint32_t *word;
    size_t back;
};

/* Moves 16 bytes at a time, up to 15 more than n: both sides have room.  What is read lies before `to`, or apart. */
static inline char *copy(char *to, const char *from, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        uint64_t low, high;
        memcpy(&low, from + i, 8);
        memcpy(&high, from + i + 8, 8);
        memcpy(to + i, &low, 8);
        memcpy(to + i + 8, &high, 8);
    }
    return to + n;
}

static char *spell_words(char *to, struct line *l, const uint32_t *word, int same, int words, const struct sink *s)
{
    char *start = to;
    to = copy(to, to - l->back, l->rel[same]);
    for (int k = same; k < words; k++) {
        const struct spelt *w = &s->spelt[word[k]];
        if (w->n != LONG) {
            memcpy(to, w->text, sizeof w->text);
            to += w->n;
        } else {
            struct lt_str whole = s->shape.vocabulary->entry[word[k]].key;
            memcpy(to, whole.p, whole.n);
            to += whole.n;
        }
        *to++ = ' ';
        l->rel[k + 1] = (size_t)(to - start);
    }
    l->word = word;
    return to;
}

static size_t room_for(const struct sink *s, uint32_t word)
{
    return s->spelt[word].n != LONG ? sizeof s->spelt->text + 1 : s->shape.vocabulary->entry[word].key.n + 1;
}

static void spell_chunk(void *arg, int64_t chunk)
{
    struct sink *s = arg;
    struct lt_buf *b = &s->text[chunk];
    int words = s->level + 1;
    struct line l = { 0 };
    lt_buf_clear(b);
    for (size_t i = (size_t)chunk * CHUNK; i < LT_MIN(s->n, (size_t)(chunk + 1) * CHUNK); i++) {
        const uint32_t *word = s->word + i * (size_t)words;
        int same = 0;
        while (l.word && same + 1 < words && word[same] == l.word[same]) same++;
        size_t room = l.rel[same] + 2 * LT_FLOAT_TEXT + SLACK;
        for (int k = same; k < words; k++) room += room_for(s, word[k]);
        if (i + AHEAD < s->n) __builtin_prefetch(&s->spelt[word[AHEAD * words + words - 1]]);
        char *start = lt_buf_room(b, room), *to = start + lt_float_text(s->prob[i], start);
        *to++ = '\t';
        l.back += (size_t)(to - start);
        char *text = to;
        to = spell_words(to, &l, word, same, words, s);
        if (words < s->shape.order && s->backoff[i] != 0) {
            to[-1] = '\t';
            to += lt_float_text(s->backoff[i], to);
            *to++ = '\n';
        } else {
            to[-1] = '\n';
        }
        l.back = (size_t)(to - text);
        b->n += (size_t)(to - start);
    }
}

static int flush(struct sink *s)
{
    size_t chunks = (s->n + CHUNK - 1) / CHUNK;
    lt_pool_run(lt_ctx_pool(s->ctx), (int64_t)chunks, spell_chunk, s);
    for (size_t i = 0; i < chunks; i++) lt_squeeze_put(s->out, s->text[i].p, s->text[i].n);
    s->n = 0;
    return lt_squeeze_failed(s->out) ? -1 : 0;
}

static void gather_spellings(struct sink *s, const struct lt_map *v)
{
    s->spelt = lt_calloc(v->count, sizeof *s->spelt);
    for (uint32_t i = 0; i < v->count; i++) {
        struct lt_str word = v->entry[i].key;
        s->spelt[i].n = word.n <= sizeof s->spelt->text ? (uint8_t)word.n : LONG;
        if (s->spelt[i].n != LONG) memcpy(s->spelt[i].text, word.p, word.n);
    }
}

static int sink_begin(void *self, const struct lt_ngram_shape *shape)
{
    struct sink *s = self;
    struct lt_buf head = { 0 };
    s->shape = *shape;
    s->level = -1;
    gather_spellings(s, shape->vocabulary);
    lt_buf_str(&head, "\\data\\\n");
    for (int k = 0; k < shape->order; k++)
        lt_buf_fmt(&head, "ngram %d=%llu\n", k + 1, (unsigned long long)shape->count[k]);
    lt_squeeze_put(s->out, head.p, head.n);
    lt_buf_free(&head);
    return 0;
}

static int begin_level(struct sink *s, int level)
{
    char head[40];
    if (flush(s)) return -1;
    s->level = level;
    s->word = lt_realloc(s->word, AT_ONCE * ((size_t)level + 1) * sizeof *s->word);
    int n = snprintf(head, sizeof head, "\n\\%d-grams:\n", level + 1);
    lt_squeeze_put(s->out, head, (size_t)n);
    return 0;
}

static int sink_put(void *self, int level, const uint32_t *word, float prob, float backoff)
{
    struct sink *s = self;
    while (s->level < level)
        if (begin_level(s, s->level + 1)) return lt_fail("cannot write the model");
    memcpy(s->word + s->n * ((size_t)level + 1), word, ((size_t)level + 1) * sizeof *word);
    s->prob[s->n] = prob;
    s->backoff[s->n++] = backoff;
    return s->n < AT_ONCE || !flush(s) ? 0 : lt_fail("cannot write the model");
}

static void release(struct sink *s)
{
    for (int i = 0; i < CHUNKS; i++) lt_buf_free(&s->text[i]);
    free(s->spelt);
    free(s->prob);
    free(s->backoff);
    free(s->word);
    free(s);
}

static int sink_end(void *self)
{
    struct sink *s = self;
    while (s->level + 1 < s->shape.order && !lt_squeeze_failed(s->out)) begin_level(s, s->level + 1);
    flush(s);
    lt_squeeze_put(s->out, "\n\\end\\\n", 7);
    int rc = lt_squeeze_commit(s->out);
    release(s);
    return rc;
}

/* After a failed write the file's own sentence is the better one. */
static void sink_abort(void *self)
{
    struct sink *s = self;
    if (lt_squeeze_failed(s->out)) lt_squeeze_commit(s->out);
    else lt_squeeze_abort(s->out);
    release(s);
}

int lt_arpa_sink_open(const char *path, struct lt_ctx *c, struct lt_ngram_sink *out)
{
    struct lt_squeeze *file = lt_squeeze_open(path);
    if (!file) return -1;
    struct sink *s = lt_calloc(1, sizeof *s);
    s->out = file;
    s->ctx = c;
    s->prob = lt_alloc(AT_ONCE * sizeof *s->prob);
    s->backoff = lt_alloc(AT_ONCE * sizeof *s->backoff);
    *out = (struct lt_ngram_sink){ .begin = sink_begin, .put = sink_put, .end = sink_end, .abort = sink_abort,
                                   .self = s };
    return 0;
}
