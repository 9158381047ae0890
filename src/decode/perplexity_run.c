/* The operation behind `lathe perplexity`. */
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "base/xz.h"
#include "decode/score.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "text/document.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct lt_perplexity_options *o;
    struct lt_ctx *c;
    struct lt_lm lm;
    struct lt_session *s;           /* one for every document scored at once */
    int count;                      /* documents gathered */
    struct lt_buf *text;
    struct lt_str *view;
    uint64_t *number, gathered;     /* of each; bytes of all */
    char **source;
    const struct lt_tokenizer *t;
    bool whole;                     /* the model scores whole texts only */
    struct lt_ppl_how how;
    struct lt_ppl_total total;
    struct lt_writer *tokens;       /* NULL: not asked */
    struct lt_buf all;              /* the texts, for the baseline */
    uint64_t xz_bytes;
    struct lt_buf piece;
};

/* doc/formats/token-logprobs.md */
static int put_token(void *self, const struct lt_ppl_token *k)
{
    struct run *r = self;
    struct lt_str piece = lt_tokenizer_piece(r->t, k->token.id);
    lt_buf_clear(&r->piece);
    lt_json_put_text(&r->piece, piece.p ? piece : lt_str(""));
    lt_writer_fmt(r->tokens, "%llu\t%lld\t%d\t%u\t%u\t", (unsigned long long)r->number[k->document],
                  (long long)k->position, k->token.id,
                  k->token.begin, k->token.end);
    if (isnan(k->logp)) lt_writer_fmt(r->tokens, "nan");
    else lt_writer_fmt(r->tokens, "%.9g", (double)k->logp);
    lt_writer_fmt(r->tokens, "\t%d\t%s\n", k->hit, r->piece.p);
    return 0;
}

enum { GATHER = 4 << 20 };          /* bytes of documents scored at once at most */

static int score_gathered(struct run *r)
{
    int failed = -1, n = r->count, rc = 0;
    if (!n) return 0;
    for (int i = 0; i < n; i++) r->view[i] = lt_buf_view(&r->text[i]);
    for (int i = 0; i < n && r->whole && !rc; i++)
        if ((rc = lt_ppl_text(&r->lm, r->view[i], &r->total))) failed = i;
    if (!r->whole)
        rc = lt_ppl_documents(r->s, n, r->t, &r->how, r->view, &r->total, r->tokens ? put_token : NULL, r,
                              &failed);
    if (rc && failed >= 0)
        rc = lt_fail("%s, document %llu: %s", r->source[failed], (unsigned long long)r->number[failed], lt_error());
    else if (rc)
        rc = lt_fail("%s, documents %llu to %llu: %s", r->source[0], (unsigned long long)r->number[0],
                     (unsigned long long)r->number[n - 1], lt_error());
    r->count = 0;
    r->gathered = 0;
    return rc;
}

static int gather(struct run *r, const struct lt_doc *d)
{
    struct lt_buf *b = &r->text[r->count];
    lt_buf_clear(b);
    lt_buf_put(b, d->text.p, d->text.n);
    free(r->source[r->count]);
    r->source[r->count] = lt_strdup(d->source);
    r->number[r->count++] = d->number;
    r->gathered += d->text.n;
    if (strcmp(r->o->baseline, "none")) {
        lt_buf_put(&r->all, d->text.p, d->text.n);
        lt_buf_char(&r->all, '\n');
    }
    return r->count == r->o->batch_size || r->gathered >= GATHER ? score_gathered(r) : 0;
}

static int read_all(struct run *r)
{
    const struct lt_perplexity_options *o = r->o;
    struct lt_docs *docs;
    struct lt_doc d;
    struct lt_progress p;
    double done, total;
    int rc;
    if (lt_docs_open(&o->input, &o->docs, &docs)) return -1;
    lt_docs_progress(docs, &done, &total);
    lt_progress_begin(r->c, &p, "perplexity", "bytes", total);
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        if ((rc = gather(r, &d))) break;
        if (lt_ctx_interrupted(r->c)) {
            rc = lt_fail("interrupted after %lld documents", (long long)r->total.documents);
            break;
        }
        char extra[64];
        snprintf(extra, sizeof extra, "%.4f bits per byte", r->total.nll / log(2) / LT_MAX((double)r->total.bytes, 1));
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&p, done, extra);
    }
    if (!rc) rc = score_gathered(r);
    lt_progress_end(&p);
    lt_docs_close(docs);
    if (!rc && !r->total.tokens)
        rc = lt_fail("nothing was scored: every document has one token and nothing stands before it");
    return rc;
}

struct figure { const char *name; double value; bool whole; };

static void put_figures(struct lt_buf *b, const struct figure *f, int count, bool json)
{
    for (int i = 0; i < count; i++) {
        lt_buf_fmt(b, json ? "%s\"%s\":" : "%s%s\t", json ? i ? "," : "{" : "", f[i].name);
        if (f[i].whole) lt_buf_fmt(b, "%.0f", f[i].value);
        else if (json) lt_json_put_real(b, f[i].value);
        else lt_buf_fmt(b, "%.6g", f[i].value);
        if (!json) lt_buf_char(b, '\n');
    }
    if (json) lt_buf_str(b, "}\n");
}

static int report(const struct run *r)
{
    const struct lt_ppl_total *t = &r->total;
    double tokens = (double)t->tokens, bytes = (double)t->bytes;
    const struct figure all[] = {
        { "documents", (double)t->documents, true },
        { "tokens", tokens, true },
        { "unscored_tokens", (double)t->unscored, true },
        { "words", (double)t->words, true },
        { "bytes", bytes, true },
        { "loss_per_token", t->nll / tokens, false },
        { "token_perplexity", exp(t->nll / tokens), false },
        { "word_perplexity", exp(t->nll / LT_MAX((double)t->words, 1)), false },
        { "bits_per_byte", t->nll / log(2) / LT_MAX(bytes, 1), false },
        { "top1_accuracy", (double)t->hits / tokens, false },
        { "xz_bits_per_byte", r->all.n ? 8 * (double)r->xz_bytes / (double)r->all.n : 0, false },
    };
    struct figure known[LT_COUNT(all)];
    int count = 0, rc = 0;
    for (int i = 0; i < LT_COUNT(all); i++) {
        bool asked = strncmp(all[i].name, "xz_", 3) || strcmp(r->o->baseline, "none");
        if (asked && !(r->whole && !strcmp(all[i].name, "top1_accuracy"))) known[count++] = all[i];
    }
    struct lt_buf b = { 0 };
    put_figures(&b, known, count, true);
    if (r->o->output) rc = lt_file_save(r->o->output, b.p, b.n);
    if (!r->o->json) {
        lt_buf_clear(&b);
        put_figures(&b, known, count, false);
    }
    if (!rc) rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

/* Reads and scores everything, batch_size documents at a time. */
static int read_and_score(struct run *r)
{
    size_t n = (size_t)r->o->batch_size;
    int rc = 0;
    r->s = lt_calloc(n, sizeof *r->s);
    r->text = lt_calloc(n, sizeof *r->text);
    r->view = lt_calloc(n, sizeof *r->view);
    r->number = lt_calloc(n, sizeof *r->number);
    r->source = lt_calloc(n, sizeof *r->source);
    for (size_t i = 0; i < n && !rc && !r->whole; i++)
        if ((rc = r->lm.type->session(r->lm.self, &r->s[i]))) r->s[i] = (struct lt_session){ 0 };
    if (!rc) rc = read_all(r);
    if (!rc && r->all.n) rc = lt_xz_size(r->c, lt_buf_view(&r->all), &r->xz_bytes);
    for (size_t i = 0; i < n; i++) {
        lt_session_close(&r->s[i]);
        lt_buf_free(&r->text[i]);
        free(r->source[i]);
    }
    free(r->s);
    free(r->text);
    free(r->view);
    free(r->number);
    free(r->source);
    return rc;
}

/* A model without a tokenizer that scores texts by itself: nothing can be said about single tokens. */
static int measure_whole(struct run *r)
{
    const struct lt_perplexity_options *o = r->o;
    if (o->tokens) return lt_misuse("%s scores whole texts: it has no tokens to list", o->model);
    if (o->context || o->stride || strcmp(o->start, "auto"))
        return lt_misuse("%s scores whole texts in its own way: --context, --stride and --start say nothing to it",
                         o->model);
    r->whole = true;
    return read_and_score(r);
}

static int measure(struct run *r)
{
    static const char *const name[] = { "rules", "auto", "bos", "eos", "none" };     /* enum lt_start */
    for (int i = 0; i < LT_COUNT(name); i++)
        if (!strcmp(r->o->start, name[i])) r->how.start = (enum lt_start)i;
    if (!r->t && r->lm.type->score) return measure_whole(r);
    if (!r->t) return lt_misuse("%s has no tokenizer, which perplexity of text needs", r->o->model);
    if (!r->lm.type->session) return lt_misuse("%s models give no log-probabilities", r->lm.type->m.name);
    return read_and_score(r);
}

int lt_perplexity_run(const struct lt_perplexity_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c,
                     .how = { .context = (int)o->context, .stride = (int)o->stride, .start = LT_START_AUTO } };
    struct lt_writer tokens;
    if (lt_how_open(&o->how, o->model, c, &r.lm)) return -1;
    r.t = lt_lm_tokenizer(&r.lm);
    int rc = 0;
    if (o->tokens && !(rc = lt_writer_open(&tokens, o->tokens))) {
        r.tokens = &tokens;
        lt_writer_fmt(&tokens, "document\tposition\tid\tbegin\tend\tlogprob\ttop\tpiece\n");
    }
    if (!rc) rc = measure(&r);
    if (r.tokens && rc) lt_writer_abort(&tokens);
    else if (r.tokens) rc = lt_writer_commit(&tokens);
    if (!rc) rc = report(&r);
    lt_buf_free(&r.all);
    lt_buf_free(&r.piece);
    lt_lm_close(&r.lm);
    return rc;
}
