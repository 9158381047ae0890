#include "mixture/track.h"
#include "base/ctx.h"
#include "base/io.h"
#include "decode/score.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

static const char header[] = "document\tposition\tid\tbegin\tend\tlogprob\ttop\tpiece";

void lt_track_release(struct lt_track *t)
{
    free(t->token);
    *t = (struct lt_track){ 0 };
}

static void put(struct lt_track *t, struct lt_track_token k)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->token = lt_realloc(t->token, (size_t)t->cap * sizeof *t->token);
    }
    t->token[t->count++] = k;
}

/* ---- dumps ---- */
static int bad(const char *name, uint64_t line, const char *what)
{
    return lt_fail("%s, line %llu: %s", name, (unsigned long long)line, what);
}

static bool take_number(struct lt_str s, int64_t max, int64_t *out)
{
    return !lt_str_int(s, out) && *out >= 0 && *out <= max;
}

static int read_line(struct lt_track *t, uint64_t number, struct lt_str line)
{
    struct lt_str field[8];
    int64_t v[5];
    double logp;
    for (int i = 0; i < 8; i++)
        if (!lt_str_split(&line, '\t', &field[i])) return bad(t->name, number, "expected 8 columns between tabs");
    if (line.p) return bad(t->name, number, "expected 8 columns between tabs, found more");
    for (int i = 0; i < 5; i++)
        if (!take_number(field[i], i < 2 ? INT64_MAX / 2 : i == 2 ? INT32_MAX : UINT32_MAX, &v[i]))
            return bad(t->name, number, "expected whole numbers as document, position, id, begin and end");
    bool unscored = lt_str_is(field[5], "nan");
    if (!unscored && (lt_str_real(field[5], &logp) || isnan(logp) || logp > 0))
        return bad(t->name, number, "expected the logarithm of a probability, at most 0, or nan");
    struct lt_track_token k = { .document = (uint64_t)v[0], .begin = (uint32_t)v[3], .end = (uint32_t)v[4],
                                .id = (int32_t)v[2], .logp = unscored ? NAN : (float)logp,
                                .piece = lt_hash(field[7].p, field[7].n, 0) };
    if (k.end < k.begin) return bad(t->name, number, "the token ends before it begins");
    const struct lt_track_token *last = t->count ? &t->token[t->count - 1] : NULL;
    if (last && k.document < last->document)
        return bad(t->name, number, "expected the documents in ascending order");
    if (last && k.document == last->document && (k.begin < last->begin || k.end < last->end))
        return bad(t->name, number, "expected the tokens of a document in the order of the text");
    put(t, k);
    return 0;
}

static int read_header(const char *name, bool some, struct lt_str line)
{
    if (some && lt_str_is(line, header)) return 0;
    return lt_fail("%s: not a dump of log-probabilities: expected the first line to name document, position, id, "
                   "begin, end, logprob, top and piece, as `lathe perplexity --tokens` writes them", name);
}

static int finish(struct lt_track *t, int rc)
{
    if (!rc && !t->count) rc = lt_fail("%s: the dump holds no tokens", t->name);
    if (rc) lt_track_release(t);
    return rc;
}

int lt_track_parse(const char *name, struct lt_str text, struct lt_track *out)
{
    struct lt_str line = { 0 };
    uint64_t number = 1;
    *out = (struct lt_track){ .name = name };
    bool some = lt_str_split(&text, '\n', &line);
    int rc = read_header(name, some, line);
    while (!rc && text.n && lt_str_split(&text, '\n', &line)) rc = read_line(out, ++number, line);
    return finish(out, rc);
}

int lt_track_read(const char *path, struct lt_ctx *c, struct lt_track *out)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    struct lt_progress p;
    uint64_t number = 1;
    if (!s) return -1;
    *out = (struct lt_track){ .name = path };
    lt_progress_begin(c, &p, "reading", "bytes", (double)lt_stream_size(s));
    int got = lt_stream_line(s, &line, LINE_MAX_BYTES, true), rc = got < 0 ? -1 : 0;
    if (!rc) rc = read_header(path, got > 0, lt_buf_view(&line));
    while (!rc && (lt_buf_clear(&line), got = lt_stream_line(s, &line, LINE_MAX_BYTES, true)) > 0) {
        rc = read_line(out, ++number, lt_buf_view(&line));
        if (number % 4096) continue;
        lt_progress_at(&p, (double)lt_stream_position(s), NULL);
        if (!rc && lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
    }
    if (got < 0) rc = -1;
    lt_progress_end(&p);
    lt_buf_free(&line);
    lt_stream_close(s);
    return finish(out, rc);
}

/* ---- models ---- */
struct scored { struct lt_track *t; uint64_t document; };

static int put_scored(void *self, const struct lt_ppl_token *k)
{
    struct scored *s = self;
    put(s->t, (struct lt_track_token){ .document = s->document, .begin = k->token.begin, .end = k->token.end,
                                       .id = k->token.id, .logp = k->logp });
    return 0;
}

static int begin_session(const char *name, struct lt_lm *lm, struct lt_session *s, const struct lt_tokenizer **t)
{
    *t = lt_lm_tokenizer(lm);
    if (!*t) return lt_misuse("%s has no tokenizer, which the text needs", name);
    if (!lm->type->session) return lt_misuse("%s models give no log-probabilities", lm->type->m.name);
    return lm->type->session(lm->self, s);
}

int lt_track_text(const char *name, struct lt_lm *lm, struct lt_str text, struct lt_track *out)
{
    struct lt_ppl_how how = { .start = LT_START_AUTO, .no_hits = true };
    struct scored to = { .t = out };
    struct lt_ppl_total total = { 0 };
    const struct lt_tokenizer *t;
    struct lt_session s;
    if (begin_session(name, lm, &s, &t)) return -1;
    out->name = name;
    int rc = lt_ppl_document(&s, t, &how, text, &total, put_scored, &to);
    s.type->close(s.self);
    return rc ? lt_fail("%s: %s", name, lt_error()) : 0;
}

struct scoring {
    struct lt_session s;
    const struct lt_tokenizer *t;
    struct lt_ppl_how how;
    struct lt_ppl_total total;
    struct scored to;
};

static int score_document(void *self, const struct lt_doc *d)
{
    struct scoring *x = self;
    x->to.document = d->number;
    return lt_ppl_document(&x->s, x->t, &x->how, d->text, &x->total, put_scored, &x->to);
}

int lt_track_model(const char *name, struct lt_lm *lm, const struct lt_list *texts, const struct lt_docs_how *how,
                   int context, struct lt_ctx *c, struct lt_track *out)
{
    struct scoring x = { .how = { .context = context, .start = LT_START_AUTO, .no_hits = true }, .to = { .t = out } };
    *out = (struct lt_track){ .name = name };
    if (begin_session(name, lm, &x.s, &x.t)) return -1;
    int rc = lt_docs_each(texts, how, c, name, score_document, &x);
    lt_session_close(&x.s);
    return finish(out, rc);
}
