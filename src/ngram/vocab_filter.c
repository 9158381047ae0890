/* The n-grams that a task can ask for, after KenLM's filter: all words of an n-gram are in the vocabulary (single), or
 * all are in the vocabulary of one and the same line (union).  The marks are in every vocabulary.  Figures stay as they
 * are, so every n-gram that stays, and every word after every context of the vocabulary, is as likely as before. */
#include "ngram/vocab_filter.h"
#include "base/io.h"
#include <stdlib.h>
#include <string.h>

#define FILTER_LINE_MAX ((size_t)64 << 20)

/* The lines in which a word stands, ascending.  Single: all lines are one. */
struct lines { uint32_t *line; uint32_t n, cap; };
struct filter {
    const struct lt_ngram *m;
    struct lines *of;                   /* [words] */
    uint64_t known, given;              /* words of the file that the model lists, and all */
};

static bool is_mark(const struct lt_ngram *m, uint32_t word)
{
    return word == m->bos || word == m->eos || (word == m->unk && m->unk_given);
}

static void add_line(struct lines *l, uint32_t line)
{
    if (l->n && l->line[l->n - 1] == line) return;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 2;
        l->line = lt_realloc(l->line, l->cap * sizeof *l->line);
    }
    l->line[l->n++] = line;
}

static bool take_word(struct lt_str *rest, struct lt_str *word)
{
    static const char space[] = " \t\n\v\f\r";
    while (rest->n && memchr(space, *rest->p, sizeof space - 1)) {
        rest->p++;
        rest->n--;
    }
    *word = (struct lt_str){ rest->p, 0 };
    while (word->n < rest->n && !memchr(space, rest->p[word->n], sizeof space - 1)) word->n++;
    rest->p += word->n;
    rest->n -= word->n;
    return word->n > 0;
}

static int read_vocab(struct filter *f, const char *path, bool union_of_lines)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf text = { 0 };
    uint32_t number = 0;
    int rc;
    if (!s) return -1;
    while ((rc = lt_stream_line(s, &text, FILTER_LINE_MAX, true)) > 0) {
        struct lt_str rest = lt_buf_view(&text), word;
        while (take_word(&rest, &word)) {
            uint32_t id = lt_ngram_word(f->m, word);
            f->given++;
            if (id == f->m->unk) continue;
            f->known++;
            add_line(&f->of[id], union_of_lines ? number : 0);
        }
        if (++number == UINT32_MAX) {
            rc = lt_fail("%s: too many lines", path);
            break;
        }
    }
    lt_buf_free(&text);
    lt_stream_close(s);
    if (!rc && !f->known)
        rc = lt_fail("%s: none of its %llu words is one of the model's", path, (unsigned long long)f->given);
    return rc;
}

/* Do all the words stand in one line?  The rarest leads; in each of the others the search goes on where it was. */
static bool keep(void *self, int level, uint64_t index, const uint32_t *word)
{
    const struct filter *f = self;
    const struct lines *asked[LT_NGRAM_ORDER_MAX], *rarest = NULL;
    uint32_t at[LT_NGRAM_ORDER_MAX] = { 0 };
    int n = 0;
    (void)index;
    for (int k = 0; k <= level; k++) {
        if (is_mark(f->m, word[k])) continue;
        asked[n] = &f->of[word[k]];
        if (!rarest || asked[n]->n < rarest->n) rarest = asked[n];
        n++;
    }
    if (!n) return true;
    for (uint32_t i = 0; i < rarest->n; i++) {
        int j = 0;
        for (; j < n; j++) {
            while (at[j] < asked[j]->n && asked[j]->line[at[j]] < rarest->line[i]) at[j]++;
            if (at[j] == asked[j]->n) return false;
            if (asked[j]->line[at[j]] != rarest->line[i]) break;
        }
        if (j == n) return true;
    }
    return false;
}

static int run(const struct lt_ngram_filter_options *o, const struct lt_ngram *m, struct lt_ctx *c,
               struct lt_ngram_sink *sink)
{
    uint32_t words = lt_ngram_words(m);
    struct filter f = { .m = m, .of = lt_calloc(words, sizeof *f.of) };
    struct lt_ngram_choice choice = { keep, &f };
    int rc = read_vocab(&f, o->vocab, !strcmp(o->mode, "union"));
    if (rc) {
        sink->abort(sink->self);
    } else {
        if (f.known < f.given)
            lt_note(c, "%s: %llu of %llu words are not in the model", o->vocab,
                    (unsigned long long)(f.given - f.known), (unsigned long long)f.given);
        rc = lt_ngram_stream(m, o->model, &choice, c, sink);
    }
    for (uint32_t i = 0; i < words; i++) free(f.of[i].line);
    free(f.of);
    return rc;
}

int lt_ngram_filter_run(const struct lt_ngram_filter_options *o, struct lt_ctx *c)
{
    struct lt_ngram_sink sink;
    struct lt_ngram *m;
    if (lt_ngram_output_open(&o->output, c, &sink)) return -1;
    if (lt_ngram_open(o->model, c, &m)) {
        sink.abort(sink.self);
        return -1;
    }
    int rc = run(o, m, c, &sink);
    lt_ngram_free(m);
    return rc;
}
