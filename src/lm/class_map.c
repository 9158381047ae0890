#include "lm/class_map.h"
#include "base/io.h"
#include "text/words_tokenizer.h"
#include <math.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 30 };

struct line { struct lt_str class, word; double p; bool given; };
/* Of one class: what its lines said so far. */
struct sum { double p; uint32_t words; bool given; };

/* 1 and *out; 0: a blank line. */
static int read_line(struct lt_str text, struct line *out)
{
    struct lt_str field[4];
    int n = 0;
    while (n < 4 && lt_word_next(&text, &field[n])) n++;
    if (!n) return 0;
    *out = (struct line){ .class = field[0], .word = field[n - 1], .given = n == 3 };
    if (n == 1) return lt_fail("expected CLASS PROBABILITY WORD, found \"%.*s\" alone", (int)field[0].n, field[0].p);
    if (n == 4 || (n == 3 && lt_str_real(field[1], &out->p)))
        return lt_fail("expected CLASS PROBABILITY WORD: a class that stands for several words at once is not read");
    if (n == 3 && !(out->p > 0 && out->p <= 1))
        return lt_fail("expected a probability above 0 and at most 1, found %.*s", (int)field[1].n, field[1].p);
    return 1;
}

struct room { uint32_t words, classes; struct sum *sum; };

static void make_room(struct lt_class_map *m, struct room *r)
{
    if (m->word.count == r->words) {
        r->words = LT_MAX(256, 2 * r->words);
        m->of = lt_realloc(m->of, r->words * sizeof *m->of);
        m->logp = lt_realloc(m->logp, r->words * sizeof *m->logp);
    }
    if (m->name.count == r->classes) {
        r->classes = LT_MAX(64, 2 * r->classes);
        r->sum = lt_realloc(r->sum, r->classes * sizeof *r->sum);
    }
}

static int add_line(struct lt_class_map *m, struct room *r, const struct line *l)
{
    bool fresh;
    make_room(m, r);
    uint64_t *id = lt_map_put(&m->name, l->class, &fresh);
    if (fresh) r->sum[*id = m->name.count - 1] = (struct sum){ .given = l->given };
    uint32_t g = (uint32_t)*id, w = m->word.count;
    if (r->sum[g].given != l->given)
        return lt_fail("the class \"%.*s\" has a probability for some of its words and none for others",
                       (int)l->class.n, l->class.p);
    id = lt_map_put(&m->word, l->word, &fresh);
    if (!fresh)
        return lt_fail("the word \"%.*s\" is in a class already: a word has one class here", (int)l->word.n, l->word.p);
    *id = w;
    m->of[w] = g;
    m->logp[w] = l->given ? (float)log(l->p) : 0;
    r->sum[g].p += l->p;
    r->sum[g].words++;
    return 0;
}

static int finish(struct lt_class_map *m, const struct sum *sum)
{
    if (!m->word.count) return lt_fail("no classes in it");
    for (uint32_t g = 0; g < m->name.count; g++)
        if (sum[g].given && fabs(sum[g].p - 1) > 1e-3)
            return lt_fail("the words of the class \"%.*s\" have probabilities that sum to %g, not to 1",
                           (int)m->name.entry[g].key.n, m->name.entry[g].key.p, sum[g].p);
    /* Rounded figures sum to nearly 1; made to do so exactly, the model's do too. */
    for (uint32_t w = 0; w < m->word.count; w++) {
        const struct sum *s = &sum[m->of[w]];
        m->logp[w] -= s->given ? (float)log(s->p) : (float)log(s->words);
    }
    return 0;
}

int lt_class_map_parse(const char *label, struct lt_str text, struct lt_class_map *out)
{
    struct room r = { 0 };
    struct lt_str line;
    unsigned long number = 0;
    int rc = 0;
    *out = (struct lt_class_map){ 0 };
    while (!rc && text.p && lt_str_split(&text, '\n', &line)) {
        struct line l;
        number++;
        rc = read_line(line, &l);
        if (rc > 0) rc = add_line(out, &r, &l);
        if (rc) lt_fail("%s, line %lu: %s", label, number, lt_error());
    }
    if (!rc && finish(out, r.sum)) rc = lt_fail("%s: %s", label, lt_error());
    free(r.sum);
    if (rc) lt_class_map_release(out);
    return rc;
}

int lt_class_map_read(const char *path, struct lt_class_map *out)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf text = { 0 };
    int64_t n = -1;
    if (!s) return -1;
    while (text.n < TEXT_MAX && (n = lt_stream_read(s, lt_buf_room(&text, 1 << 16), 1 << 16)) > 0) text.n += (size_t)n;
    lt_stream_close(s);
    int rc = n < 0 ? -1 : n > 0 ? lt_fail("%s: more than %d bytes are too many for class definitions", path, TEXT_MAX)
                                : lt_class_map_parse(path, (struct lt_str){ text.p ? text.p : "", text.n }, out);
    lt_buf_free(&text);
    return rc;
}

void lt_class_map_release(struct lt_class_map *m)
{
    lt_map_free(&m->word);
    lt_map_free(&m->name);
    free(m->of);
    free(m->logp);
    *m = (struct lt_class_map){ 0 };
}
