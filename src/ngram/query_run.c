/* The operation behind `lathe ngram query`, in the words and figures of KenLM's query. */
#include "ngram/query.h"
#include "base/io.h"
#include "base/json.h"
#include <math.h>
#include <stdlib.h>

#define QUERY_LINE_MAX ((size_t)64 << 20)       /* bytes in one sentence */

struct query {
    const struct lt_ngram_query_options *o;
    const struct lt_ngram *m;
    struct lt_writer out;
    struct lt_buf line;
    struct lt_ngram_total all, sentence;
};

double lt_ngram_perplexity(const struct lt_ngram_total *t, bool unknown)
{
    double tokens = (double)(t->tokens - (unknown ? 0 : t->unknown));
    return tokens > 0 ? pow(10, -(unknown ? t->logp : t->logp_known) / tokens) : NAN;
}

/* ---- one sentence ---- */
static void put_word(struct query *q, struct lt_str word, uint32_t id, int length, double logp)
{
    if (q->o->summary) return;
    if (q->o->json) {
        lt_buf_str(&q->line, q->sentence.tokens > 1 ? ", {\"word\": " : "{\"word\": ");
        lt_json_put_text(&q->line, word);
        lt_buf_fmt(&q->line, ", \"id\": %lu, \"length\": %d, \"log10p\": ", (unsigned long)id, length);
        lt_json_put_real(&q->line, logp);
        lt_buf_fmt(&q->line, ", \"oov\": %s}", id == q->m->unk ? "true" : "false");
        return;
    }
    lt_buf_put(&q->line, word.p, word.n);
    lt_buf_fmt(&q->line, "=%lu %d %.7g\t", (unsigned long)id, length, logp);
}

static void ask(struct query *q, struct lt_ngram_state *s, struct lt_str word)
{
    struct lt_ngram_total *t = &q->sentence;
    uint32_t id = lt_ngram_word(q->m, word);
    int length;
    double logp = lt_ngram_prob(q->m, s, id, &length);
    bool unknown = id == q->m->unk;
    t->logp += logp;
    t->logp_known += unknown ? 0 : logp;
    t->unknown += unknown;
    t->tokens++;
    put_word(q, word, id, length, logp);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void ask_sentence(struct query *q, struct lt_str text)
{
    struct lt_ngram_state s = { 0 };
    q->sentence = (struct lt_ngram_total){ 0 };
    lt_buf_clear(&q->line);
    if (q->o->json) lt_buf_str(&q->line, "{\"words\": [");
    if (q->o->sentence) lt_ngram_push(q->m, &s, q->m->bos);
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (end < text.n && !is_space(text.p[end])) end++;
        if (end > i) ask(q, &s, (struct lt_str){ text.p + i, end - i });
        i = end + 1;
    }
    if (q->o->sentence) ask(q, &s, lt_str("</s>"));
    q->all.logp += q->sentence.logp;
    q->all.logp_known += q->sentence.logp_known;
    q->all.unknown += q->sentence.unknown;
    q->all.tokens += q->sentence.tokens;
    if (q->o->summary) return;
    if (q->o->json) {
        lt_buf_str(&q->line, "], \"total\": ");
        lt_json_put_real(&q->line, q->sentence.logp);
        lt_buf_fmt(&q->line, ", \"oov\": %llu}\n", (unsigned long long)q->sentence.unknown);
    } else {
        lt_buf_fmt(&q->line, "Total: %.7g OOV: %llu\n", q->sentence.logp, (unsigned long long)q->sentence.unknown);
    }
    lt_writer_put(&q->out, q->line.p, q->line.n);
}

/* ---- all of them ---- */
static int ask_file(struct query *q, struct lt_ctx *c, const char *path)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    int rc;
    if (!s) return -1;
    while (lt_buf_clear(&line), (rc = lt_stream_line(s, &line, QUERY_LINE_MAX, true)) > 0) {
        ask_sentence(q, lt_buf_view(&line));
        if (lt_ctx_interrupted(c)) {
            rc = lt_fail("%s: interrupted", path);
            break;
        }
    }
    lt_buf_free(&line);
    lt_stream_close(s);
    return rc;
}

/* A perplexity of no tokens is not a number: JSON has null for it. */
static void put_totals(struct query *q)
{
    const struct lt_ngram_total *t = &q->all;
    double all = lt_ngram_perplexity(t, true), known = lt_ngram_perplexity(t, false);
    if (!q->o->json) {
        lt_writer_fmt(&q->out, "Perplexity including OOVs:\t%.10g\nPerplexity excluding OOVs:\t%.10g\nOOVs:\t%llu\n"
                      "Tokens:\t%llu\n", all, known, (unsigned long long)t->unknown, (unsigned long long)t->tokens);
        return;
    }
    lt_buf_clear(&q->line);
    lt_buf_str(&q->line, "{\"perplexity_including_oovs\": ");
    if (isnan(all)) lt_buf_str(&q->line, "null");
    else lt_json_put_real(&q->line, all);
    lt_buf_str(&q->line, ", \"perplexity_excluding_oovs\": ");
    if (isnan(known)) lt_buf_str(&q->line, "null");
    else lt_json_put_real(&q->line, known);
    lt_buf_fmt(&q->line, ", \"oovs\": %llu, \"tokens\": %llu}\n", (unsigned long long)t->unknown,
               (unsigned long long)t->tokens);
    lt_writer_put(&q->out, q->line.p, q->line.n);
}

static int run(struct query *q, struct lt_ctx *c)
{
    static const char *standard_input[] = { "-" };
    struct lt_list input = q->o->input.count ? q->o->input : (struct lt_list){ standard_input, 1 };
    if (q->o->sentence && (q->m->bos == LT_NGRAM_NONE || q->m->eos == LT_NGRAM_NONE))
        return lt_fail("%s: the model has no <s> and </s> to put around sentences; --no-sentence asks without them",
                       q->o->model);
    for (int i = 0; i < input.count; i++)
        if (ask_file(q, c, input.item[i])) return -1;
    put_totals(q);
    return 0;
}

int lt_ngram_query_run(const struct lt_ngram_query_options *o, struct lt_ctx *c)
{
    struct query q = { .o = o };
    struct lt_ngram *m;
    if (lt_ngram_open(o->model, c, &m)) return -1;
    q.m = m;
    int rc = lt_writer_open(&q.out, "-");
    if (!rc) {
        rc = run(&q, c);
        if (!rc) rc = lt_writer_commit(&q.out);
        else lt_writer_abort(&q.out);
    }
    lt_buf_free(&q.line);
    lt_ngram_free(m);
    return rc;
}
