/* ARPA files in.  A file says how many n-grams each order has, then lists them, order by order:
 *
 *     \data\
 *     ngram 1=3
 *     ngram 2=1
 *
 *     \1-grams:
 *     -0.5<TAB>word<TAB>-0.3       log10 p, the words, log10 of the back-off weight (none: 0)
 *     ...
 *     \end\
 *
 * The highest order has no back-offs.  The words before the last of an n-gram must themselves be an n-gram, as KenLM
 * asks too: the back-off weight of the context stands there.  What follows the first word may be missing (pruning
 * leaves such gaps); those ends are remembered as blanks. */
#include "ngram/arpa.h"
#include "base/ctx.h"
#include "base/io.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct entry { uint32_t parent, word; float prob, backoff; uint64_t line; };
struct reader {
    const char *name;
    struct lt_stream *stream;       /* or, when NULL, */
    struct lt_str rest;             /* what is left of the text */
    struct lt_buf line;
    uint64_t number;                /* of the line last read */
    struct lt_str at;               /* that line, without spaces around it */
    bool ended;
    struct lt_ngram *m;
    uint64_t count[LT_NGRAM_ORDER_MAX];
    struct entry *entry;
    uint32_t n, cap;
    uint32_t word[LT_NGRAM_ORDER_MAX], path[LT_NGRAM_ORDER_MAX];    /* the n-gram before; path[k]: of its first k + 1 */
    bool any;                       /* there is one before, of the same order */
    uint32_t *link;
    struct lt_ctx *c;
    struct lt_progress progress;
};

/* ---- lines ---- */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int refuse(const struct reader *r, const char *what)
{
    return lt_fail("%s, line %llu: %s", r->name, (unsigned long long)r->number, what);
}

static int cut_short(const struct reader *r, const char *expected)
{
    return lt_fail("%s: the file ends after line %llu, where %s was expected: it was cut short, or is no ARPA file",
                   r->name, (unsigned long long)r->number, expected);
}

static int take_line(struct reader *r, struct lt_str *line)
{
    if (!r->stream) {
        if (!r->rest.n) return 0;
        lt_str_split(&r->rest, '\n', line);
        return line->n <= LT_NGRAM_LINE_MAX ? 1 : lt_fail("%s: a line of %zu bytes", r->name, line->n);
    }
    lt_buf_clear(&r->line);
    int rc = lt_stream_line(r->stream, &r->line, LT_NGRAM_LINE_MAX, true);
    *line = lt_buf_view(&r->line);
    return rc;
}

/* Puts the next line into r->at; sets ended at the end of the file. */
static int next(struct reader *r)
{
    struct lt_str line;
    int rc = take_line(r, &line);
    r->at = (struct lt_str){ "", 0 };
    r->ended = !rc;
    if (rc <= 0) return rc;
    if (++r->number % 4096 == 0 && r->stream) {
        if (lt_ctx_interrupted(r->c)) return lt_fail("%s: interrupted", r->name);
        lt_progress_at(&r->progress, (double)lt_stream_position(r->stream), NULL);
    }
    while (line.n && is_space(line.p[line.n - 1])) line.n--;
    while (line.n && is_space(*line.p)) {
        line.p++;
        line.n--;
    }
    if (line.n && memchr(line.p, 0, line.n)) return refuse(r, "a NUL byte: this is no text, or it is damaged");
    r->at = line;
    return 0;
}

/* The next line that is not empty. */
static int next_full(struct reader *r)
{
    do {
        if (next(r)) return -1;
    } while (!r->at.n && !r->ended);
    return 0;
}

/* ---- \data\ ---- */
static int read_count(struct reader *r)
{
    struct lt_str value = r->at, key;
    int64_t order, count;
    int expected = r->m->order + 1;
    lt_str_split(&value, '=', &key);
    key.p += 6;                                         /* "ngram " */
    key.n -= LT_MIN(key.n, 6);
    while (value.n && is_space(*value.p)) {
        value.p++;
        value.n--;
    }
    while (key.n && is_space(key.p[key.n - 1])) key.n--;
    if (!value.p || lt_str_int(key, &order) || lt_str_int(value, &count) || count < 0)
        return refuse(r, "expected \"ngram ORDER=COUNT\"");
    if (order != expected)
        return lt_fail("%s, line %llu: expected the count of order %d, found that of order %lld", r->name,
                       (unsigned long long)r->number, expected, (long long)order);
    if (order > LT_NGRAM_ORDER_MAX)
        return lt_fail("%s, line %llu: order %lld: models of up to %d words are read", r->name,
                       (unsigned long long)r->number, (long long)order, LT_NGRAM_ORDER_MAX);
    if (count >= (int64_t)LT_NGRAM_NONE - 1)
        return lt_fail("%s, line %llu: %lld n-grams: fewer than %lu of one order are read", r->name,
                       (unsigned long long)r->number, (long long)count, (unsigned long)LT_NGRAM_NONE - 1);
    r->count[r->m->order++] = (uint64_t)count;
    return 0;
}

static int read_counts(struct reader *r)
{
    do {
        if (next(r)) return -1;
        if (r->ended) return cut_short(r, "\\data\\");
    } while (!lt_str_is(r->at, "\\data\\"));
    for (;;) {
        if (next_full(r)) return -1;
        if (r->ended) return cut_short(r, "\\1-grams:");
        if (!lt_str_starts(r->at, "ngram ")) break;
        if (read_count(r)) return -1;
    }
    if (!r->m->order) return refuse(r, "expected \"ngram 1=COUNT\" after \\data\\");
    return r->count[0] ? 0 : lt_fail("%s: the model has no words: \"ngram 1=0\"", r->name);
}

/* ---- n-grams ---- */
static bool take_field(struct lt_str *rest, struct lt_str *field)
{
    while (rest->n && is_space(*rest->p)) {
        rest->p++;
        rest->n--;
    }
    *field = (struct lt_str){ rest->p, 0 };
    while (field->n < rest->n && !is_space(rest->p[field->n])) field->n++;
    rest->p += field->n;
    rest->n -= field->n;
    return field->n > 0;
}

static int read_figure(const struct reader *r, const char *what, struct lt_str text, float *out)
{
    double v;
    if (lt_str_real(text, &v) || !isfinite((float)v))
        return lt_fail("%s, line %llu: expected a finite number as %s, found \"%.*s\"", r->name,
                       (unsigned long long)r->number, what, (int)LT_MIN(text.n, 40), text.p);
    *out = (float)v;
    return 0;
}

static int new_word(struct reader *r, struct lt_str word, uint32_t *id)
{
    bool fresh;
    if (lt_str_is(word, "<UNK>")) word = lt_str("<unk>");
    if (r->m->vocabulary.count >= LT_NGRAM_NONE / 4) return refuse(r, "more words than can be held");
    uint64_t *value = lt_map_put(&r->m->vocabulary, word, &fresh);
    if (!fresh)
        return lt_fail("%s, line %llu: the word \"%.*s\" is listed twice", r->name, (unsigned long long)r->number,
                       (int)LT_MIN(word.n, 60), word.p);
    *value = *id = r->m->vocabulary.count - 1;
    return 0;
}

static int known_word(const struct reader *r, struct lt_str word, uint32_t *id)
{
    if (lt_str_is(word, "<UNK>")) word = lt_str("<unk>");
    const uint64_t *value = lt_map_get(&r->m->vocabulary, word);
    if (!value)
        return lt_fail("%s, line %llu: the word \"%.*s\" is not among the 1-grams", r->name,
                       (unsigned long long)r->number, (int)LT_MIN(word.n, 60), word.p);
    *id = (uint32_t)*value;
    return 0;
}

static int read_word(const struct reader *r, int i, struct lt_str word, uint32_t *id)
{
    *id = r->word[i];                                   /* often the same as a line before */
    return r->any && lt_str_eq(r->m->vocabulary.entry[*id].key, word) ? 0 : known_word(r, word, id);
}

static int read_words(struct reader *r, int order, struct lt_str *rest, struct entry *e)
{
    uint32_t word = 0;
    bool same = r->any;                                 /* all words so far are those of the line before */
    for (int i = 0; i < order; i++) {
        struct lt_str field;
        if (!take_field(rest, &field))
            return lt_fail("%s, line %llu: expected %d words after the probability, found %d", r->name,
                           (unsigned long long)r->number, order, i);
        if (order == 1 ? new_word(r, field, &word) : read_word(r, i, field, &word)) return -1;
        same = same && word == r->word[i];
        if (!same && i < order - 1) {
            uint32_t before = i ? r->path[i - 1] : 0;
            r->path[i] = !i ? word : before == LT_NGRAM_NONE ? before : lt_ngram_child(r->m, i - 1, before, word);
        }
        r->word[i] = word;
    }
    r->any = true;
    e->word = r->word[order - 1];
    e->parent = order == 1 ? 0 : r->path[order - 2];
    if (e->parent == LT_NGRAM_NONE)
        return lt_fail("%s, line %llu: the words before the last are no %d-gram of this file", r->name,
                       (unsigned long long)r->number, order - 1);
    return 0;
}

static int read_ngram(struct reader *r, int order)
{
    struct entry e = { .line = r->number };
    struct lt_str rest = r->at, field;
    take_field(&rest, &field);
    if (read_figure(r, "log10 of a probability", field, &e.prob)) return -1;
    if (e.prob > 0)
        return lt_fail("%s, line %llu: expected log10 of a probability, at most 0, found %g", r->name,
                       (unsigned long long)r->number, (double)e.prob);
    if (read_words(r, order, &rest, &e)) return -1;
    if (take_field(&rest, &field)) {
        if (read_figure(r, "log10 of a back-off weight", field, &e.backoff)) return -1;
        if (order == r->m->order && e.backoff != 0)
            return lt_fail("%s, line %llu: expected nothing after the %d words, for the highest order has no "
                           "back-offs; found \"%.*s\"", r->name, (unsigned long long)r->number, order,
                           (int)LT_MIN(field.n, 40), field.p);
    }
    if (take_field(&rest, &field))
        return lt_fail("%s, line %llu: expected %d words and two numbers, found more: \"%.*s\"", r->name,
                       (unsigned long long)r->number, order, (int)LT_MIN(field.n, 40), field.p);
    if (r->n == r->cap) {
        r->cap = r->cap ? (uint32_t)LT_MIN((uint64_t)r->cap * 2, LT_NGRAM_NONE) : 1024;
        r->entry = lt_realloc(r->entry, (size_t)r->cap * sizeof *r->entry);
    }
    r->entry[r->n++] = e;
    return 0;
}

static int by_place(const void *a, const void *b, void *ctx)
{
    const struct entry *x = a, *y = b;
    (void)ctx;
    if (x->parent != y->parent) return x->parent < y->parent ? -1 : 1;
    return (x->word > y->word) - (x->word < y->word);
}

static int sort(struct reader *r, int order)
{
    uint32_t i = 1;
    while (i < r->n && by_place(&r->entry[i - 1], &r->entry[i], NULL) < 0) i++;
    if (i >= r->n) return 0;                            /* most files are sorted */
    lt_sort(r->entry, r->n, sizeof *r->entry, by_place, NULL);
    for (i = 1; i < r->n; i++)
        if (!by_place(&r->entry[i - 1], &r->entry[i], NULL))
            return lt_fail("%s, line %llu: the same %d-gram stands in line %llu already", r->name,
                           (unsigned long long)r->entry[i].line, order, (unsigned long long)r->entry[i - 1].line);
    return 0;
}

/* Remembers that the n-gram of `count` words is the end of another and none itself, and so on with its own ends: known
 * ones have been seen to. */
static void note_blanks(struct lt_ngram *m, const uint32_t *word, int count)
{
    for (; count >= 2; word++, count--) {
        uint32_t node = word[0];
        bool fresh;
        for (int k = 1; k < count && node != LT_NGRAM_NONE; k++) node = lt_ngram_child(m, k - 1, node, word[k]);
        if (node != LT_NGRAM_NONE) break;
        lt_map_put(&m->blank, (struct lt_str){ (const char *)word, (size_t)count * sizeof *word }, &fresh);
        if (!fresh) break;
    }
}

static void words_of(const struct lt_ngram *m, const uint32_t *node, int level, uint32_t *word)
{
    for (int k = 0; k <= level; k++) word[k] = m->level[k].word[node[k]];
}

uint32_t *lt_ngram_link(struct lt_ngram *m, int level, const uint32_t *lower)
{
    const struct lt_ngram_level *l = &m->level[level];
    uint32_t *link = lt_alloc(LT_MAX(l->count, 1) * sizeof *link), node[LT_NGRAM_ORDER_MAX] = { 0 };
    for (uint32_t i = 0; i < l->count; i++) {
        node[level] = i;
        for (int k = level; k >= 1; k--)
            while (m->level[k - 1].child[node[k - 1] + 1] <= node[k]) node[k - 1]++;
        uint32_t end = lower ? lower[node[level - 1]] : 0;
        if (level == 1) link[i] = l->word[i];
        else link[i] = end == LT_NGRAM_NONE ? end : lt_ngram_child(m, level - 2, end, l->word[i]);
        if (link[i] != LT_NGRAM_NONE) continue;
        uint32_t word[LT_NGRAM_ORDER_MAX];
        words_of(m, node, level, word);
        note_blanks(m, word + 1, level);
    }
    return link;
}

/* Entries into a level, and the ranges of the level below. */
static void settle(struct reader *r, int level)
{
    struct lt_ngram_level *l = &r->m->level[level];
    bool top = level == r->m->order - 1;
    size_t n = r->n;
    l->count = r->n;
    l->word = lt_alloc(LT_MAX(n, 1) * sizeof *l->word);
    l->prob = lt_alloc(LT_MAX(n, 1) * sizeof *l->prob);
    l->backoff = top ? NULL : lt_alloc(LT_MAX(n, 1) * sizeof *l->backoff);
    l->child = top ? NULL : lt_calloc(n + 1, sizeof *l->child);
    for (size_t i = 0; i < n; i++) {
        l->word[i] = r->entry[i].word;
        l->prob[i] = r->entry[i].prob;
        if (!top) l->backoff[i] = r->entry[i].backoff;
    }
    if (!level) return;
    struct lt_ngram_level *below = l - 1;
    for (size_t i = 0; i < n; i++) below->child[r->entry[i].parent + 1]++;
    for (uint32_t i = 0; i < below->count; i++) below->child[i + 1] += below->child[i];
}

static uint32_t special(const struct lt_ngram *m, const char *word)
{
    const uint64_t *id = lt_map_get(&m->vocabulary, lt_str(word));
    return id ? (uint32_t)*id : LT_NGRAM_NONE;
}

/* A word that is not in the file is <unk>, which then has a place of its own. */
static void find_specials(struct reader *r)
{
    struct lt_ngram *m = r->m;
    m->bos = special(m, "<s>");
    m->eos = special(m, "</s>");
    m->unk = special(m, "<unk>");
    m->unk_given = m->unk != LT_NGRAM_NONE;
    if (m->unk_given) return;
    m->unk = r->n;
    *lt_map_put(&m->vocabulary, lt_str("<unk>"), NULL) = m->unk;
    if (r->n == r->cap) r->entry = lt_realloc(r->entry, ((size_t)++r->cap) * sizeof *r->entry);
    r->entry[r->n++] = (struct entry){ .word = m->unk, .prob = LT_NGRAM_UNK_MISSING };
}

/* One section; r->at is its head, and after it the head of the next. */
static int read_section(struct reader *r, int order)
{
    char head[32];
    snprintf(head, sizeof head, "\\%d-grams:", order);
    if (r->ended) return cut_short(r, head);
    if (!lt_str_is(r->at, head))
        return lt_fail("%s, line %llu: expected %s, found \"%.*s\"", r->name, (unsigned long long)r->number, head,
                       (int)LT_MIN(r->at.n, 40), r->at.p);
    r->n = 0;
    r->any = false;
    for (;;) {
        if (next_full(r)) return -1;
        if (r->ended || *r->at.p == '\\') break;
        if (r->n == r->count[order - 1])
            return lt_fail("%s, line %llu: \\data\\ counts %llu %d-grams, and here is one more", r->name,
                           (unsigned long long)r->number, (unsigned long long)r->count[order - 1], order);
        if (read_ngram(r, order)) return -1;
    }
    if (r->n < r->count[order - 1])
        return lt_fail("%s, line %llu: \\data\\ counts %llu %d-grams, and there are %lu: the file was cut short or "
                       "changed", r->name, (unsigned long long)r->number, (unsigned long long)r->count[order - 1],
                       order, (unsigned long)r->n);
    if (order == 1) find_specials(r);
    if (sort(r, order)) return -1;
    settle(r, order - 1);
    if (order == 1) return 0;
    uint32_t *link = lt_ngram_link(r->m, order - 1, r->link);
    free(r->link);
    r->link = link;
    return 0;
}

static int read_all(struct reader *r)
{
    if (read_counts(r)) return -1;
    for (int order = 1; order <= r->m->order; order++)
        if (read_section(r, order)) return -1;
    if (r->ended) return cut_short(r, "\\end\\");
    if (!lt_str_is(r->at, "\\end\\"))
        return lt_fail("%s, line %llu: expected \\end\\ after the %d orders that \\data\\ counts, found \"%.*s\"",
                       r->name, (unsigned long long)r->number, r->m->order, (int)LT_MIN(r->at.n, 40), r->at.p);
    if (next_full(r)) return -1;
    return r->ended ? 0 : refuse(r, "expected nothing after \\end\\");
}

static int finish(struct reader *r, struct lt_ngram **out)
{
    r->m = lt_calloc(1, sizeof *r->m);
    int rc = read_all(r);
    free(r->entry);
    free(r->link);
    lt_buf_free(&r->line);
    if (rc) lt_ngram_free(r->m);
    else *out = r->m;
    return rc;
}

int lt_ngram_parse(const char *name, struct lt_str text, struct lt_ngram **out)
{
    struct reader r = { .name = name, .rest = text };
    return finish(&r, out);
}

int lt_ngram_read(const char *path, struct lt_ctx *c, struct lt_ngram **out)
{
    struct reader r = { .name = path, .c = c, .stream = lt_stream_open(path) };
    if (!r.stream) return -1;
    lt_progress_begin(c, &r.progress, "reading", "bytes", (double)lt_stream_size(r.stream));
    int rc = finish(&r, out);
    lt_progress_end(&r.progress);
    lt_stream_close(r.stream);
    return rc;
}
