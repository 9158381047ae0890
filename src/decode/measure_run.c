/* Keywords that are there, distances from a length, words and texts that satisfy a filter: averages over texts. */
#include "decode/measure_run.h"
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "decode/filter/word_filter.h"
#include "decode/search/beams.h"
#include "text/document.h"
#include "text/meter.h"
#include <stdlib.h>
#include <string.h>

struct sums {
    int64_t texts, words, units;
    double coverage;                /* of the shares of keywords */
    int64_t complete;               /* texts with all keywords */
    double error; int64_t exact;    /* distances from the length; texts that have it */
    int64_t right_texts, right_words;
};

/* Words of a text by the filter's own rules, each judged as a text of its own. */
static int64_t right_words(struct lt_filter *f, struct lt_str text)
{
    int64_t right = 0, words = 0;
    size_t word = 0, character = 0;             /* where they began */
    struct lt_meter m = { 0 };
    for (size_t i = 0; i <= text.n; i++) {
        bool inside = m.word;
        if (!m.bytes) character = i;
        if (i < text.n) lt_meter_byte(&m, LT_UNIT_WORDS, (uint8_t)text.p[i]);
        if (inside && (i == text.n || !m.word)) {
            struct lt_str one = { text.p + word, character - word };
            right += lt_filter_ends(f, lt_filter_steps(f, lt_filter_start(f), one));
        }
        if (m.units > words) word = character;
        words = m.units;
    }
    return right;
}

static void measure(const struct lt_measure_options *o, struct lt_filter *f, struct lt_str text, struct sums *s)
{
    struct lt_reward keywords = { .keywords = o->keywords, .keyword_weight = 1 };
    double share = o->keywords.count ? lt_reward(&keywords, text) : 0;
    int64_t units = lt_measure(lt_unit(o->unit), text), off = units > o->length ? units - o->length : o->length - units;
    s->texts++;
    s->words += lt_measure(LT_UNIT_WORDS, text);
    s->units += units;
    s->coverage += share;
    s->complete += share >= 1;
    s->error += (double)off;
    s->exact += !off;
    if (!f) return;
    s->right_texts += lt_filter_ends(f, lt_filter_steps(f, lt_filter_start(f), text));
    if (!lt_filter_has_lines(f)) s->right_words += right_words(f, text);
    lt_filter_age(f);
}

static void put(struct lt_buf *b, const char *key, double value)
{
    lt_buf_fmt(b, "%s\n  \"%s\": ", b->n > 1 ? "," : "", key);
    lt_json_put_real(b, value);
}

static void put_count(struct lt_buf *b, const char *key, int64_t value)
{
    lt_buf_fmt(b, "%s\n  \"%s\": %lld", b->n > 1 ? "," : "", key, (long long)value);
}

static int write_figures(const struct lt_measure_options *o, const struct sums *s, bool words)
{
    struct lt_buf b = { 0 };
    struct lt_writer w;
    double n = (double)s->texts;
    lt_buf_char(&b, '{');
    put_count(&b, "texts", s->texts);
    put_count(&b, "words", s->words);
    lt_buf_fmt(&b, ",\n  \"unit\": \"%s\"", o->unit);
    put(&b, "mean_length", (double)s->units / n);
    if (o->keywords.count) {
        put(&b, "keyword_coverage", s->coverage / n);
        put(&b, "all_keywords", (double)s->complete / n);
    }
    if (o->length) {
        put(&b, "length_error", s->error / n);
        put(&b, "length_exact", (double)s->exact / n);
    }
    if (o->filter) put(&b, "filter_texts", (double)s->right_texts / n);
    if (o->filter && words) put(&b, "filter_words", s->words ? (double)s->right_words / (double)s->words : 1);
    lt_buf_str(&b, "\n}\n");
    int rc = lt_writer_open(&w, o->output);
    if (!rc) {
        lt_writer_put(&w, b.p, b.n);
        rc = lt_writer_commit(&w);
    }
    lt_buf_free(&b);
    return rc;
}

static int measure_all(const struct lt_measure_options *o, struct lt_ctx *c, struct lt_filter *f)
{
    struct lt_docs_how how = { .field = o->field };
    struct lt_docs *docs;
    struct lt_doc d;
    struct sums s = { 0 };
    struct lt_progress p;
    int rc = lt_docs_open(&o->input, &how, &docs), more = 0;
    if (rc) return -1;
    lt_progress_begin(c, &p, "measure", "texts", 0);
    for (uint64_t i = 0; !lt_ctx_interrupted(c) && (more = lt_docs_next(docs, &d)) > 0;) {
        measure(o, f, d.text, &s);
        lt_progress_at(&p, (double)++i, NULL);
    }
    lt_progress_end(&p);
    if (lt_ctx_interrupted(c)) more = lt_fail("interrupted");
    for (uint64_t i = 0; !more && i < lt_docs_empty(docs); i++) measure(o, f, (struct lt_str){ "", 0 }, &s);
    lt_docs_close(docs);
    return more < 0 ? -1 : write_figures(o, &s, f && !lt_filter_has_lines(f));
}

int lt_measure_run(const struct lt_measure_options *o, struct lt_ctx *c)
{
    struct lt_filter_how how = { .dictionary = o->dictionary, .marks = !strcmp(o->diacritics, "keep") };
    struct lt_filter *f = NULL;
    if (o->dictionary && !o->filter) return lt_misuse("dictionary is read for filter: give one with it");
    for (int i = 0; i < o->keywords.count; i++)
        if (!*o->keywords.item[i]) return lt_misuse("keywords: a keyword is empty; every text would hold it");
    if (o->filter && lt_filter_open(lt_str(o->filter), &how, &f)) return -1;
    int rc = measure_all(o, c, f);
    lt_filter_close(f);
    return rc;
}
