/* The operation behind `lathe ngram query`, in the words and figures of KenLM's query. */
#include "ngram/query.h"
#include "base/io.h"
#include "base/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_LINE_MAX ((size_t)64 << 20)       /* bytes in one sentence */
enum { BLOCK = 16 << 10 };                      /* bytes of text that are asked at once; more where a line is longer */

/* The words of some lines, then what the model says of them. */
struct block {
    struct lt_str *word;            /* [words] */
    uint32_t *id;                   /* [words] */
    size_t *end;                    /* [lines]: words up to the end of the line */
    uint32_t *asked;                /* [words + 2 lines]: a line as LT_NGRAM_NONE, its words, </s> */
    double *logp;                   /* [the same], as length */
    uint8_t *length;
    size_t words, lines, words_cap, lines_cap, asked_cap;
};
struct query {
    const struct lt_ngram_query_options *o;
    const struct lt_ngram *m;
    struct lt_writer out;
    struct lt_buf line;
    struct block block;
    struct lt_ngram_state begin, state;
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

static void count_word(struct query *q, struct lt_str word, uint32_t id, int length, double logp)
{
    struct lt_ngram_total *t = &q->sentence;
    bool unknown = id == q->m->unk;
    t->logp += logp;
    t->logp_known += unknown ? 0 : logp;
    t->unknown += unknown;
    t->tokens++;
    if (!q->o->summary) put_word(q, word, id, length, logp);
}

static void end_sentence(struct query *q)
{
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

/* ---- some lines at a time ---- */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void add_word(struct block *b, const char *from, const char *end)
{
    if (b->words == b->words_cap) {
        b->words_cap = LT_MAX(2 * b->words_cap, (size_t)BLOCK);
        b->word = lt_realloc(b->word, b->words_cap * sizeof *b->word);
        b->id = lt_realloc(b->id, b->words_cap * sizeof *b->id);
    }
    b->word[b->words++] = (struct lt_str){ from, (size_t)(end - from) };
}

static void end_line(struct block *b)
{
    if (b->lines == b->lines_cap) {
        b->lines_cap = LT_MAX(2 * b->lines_cap, (size_t)1024);
        b->end = lt_realloc(b->end, b->lines_cap * sizeof *b->end);
    }
    b->end[b->lines++] = b->words;
}

/* Whole lines, but for the last, which may lack its end. */
static void cut(struct block *b, struct lt_str text)
{
    const char *p = text.p, *end = text.p + text.n;
    b->words = b->lines = 0;
    while (p < end) {
        const char *from = p;
        while (p < end && !is_space(*p)) p++;
        if (p > from) add_word(b, from, p);
        if (p == end || *p == '\n') end_line(b);
        p++;
    }
}

static size_t fill_asked(struct query *q)
{
    struct block *b = &q->block;
    size_t n = b->words + 2 * b->lines, at = 0, word = 0;
    if (n > b->asked_cap) {
        b->asked_cap = LT_MAX(n, 2 * b->asked_cap);
        b->asked = lt_realloc(b->asked, b->asked_cap * sizeof *b->asked);
        b->logp = lt_realloc(b->logp, b->asked_cap * sizeof *b->logp);
        b->length = lt_realloc(b->length, b->asked_cap);
    }
    for (size_t line = 0; line < b->lines; line++) {
        b->asked[at++] = LT_NGRAM_NONE;
        while (word < b->end[line]) b->asked[at++] = b->id[word++];
        if (q->o->sentence) b->asked[at++] = q->m->eos;
    }
    return at;
}

static void ask_text(struct query *q, struct lt_str text)
{
    struct block *b = &q->block;
    cut(b, text);
    lt_ngram_ids(q->m, b->word, (int)b->words, b->id);
    int n = (int)fill_asked(q);
    struct lt_ngram_run run = { .n = n, .word = b->asked, .logp = b->logp, .length = b->length };
    lt_ngram_score(q->m, &q->begin, &q->state, &run);
    size_t at = 0, word = 0;
    for (size_t line = 0; line < b->lines; line++) {
        q->sentence = (struct lt_ngram_total){ 0 };
        lt_buf_clear(&q->line);
        if (q->o->json) lt_buf_str(&q->line, "{\"words\": [");
        for (at++; word < b->end[line]; word++, at++)
            count_word(q, b->word[word], b->asked[at], b->length[at], b->logp[at]);
        if (q->o->sentence) {
            count_word(q, lt_str("</s>"), b->asked[at], b->length[at], b->logp[at]);
            at++;
        }
        end_sentence(q);
    }
}

/* ---- all of them ---- */
/* Reads on behind *n bytes of text that have been read; -1: lt_error; 0: the end; else some lines are whole. */
static int64_t read_lines(struct lt_stream *s, const char *path, struct lt_buf *text)
{
    for (;;) {
        size_t room = BLOCK + text->n;                  /* a line that is longer doubles it */
        if (room > QUERY_LINE_MAX) return lt_fail("%s: a line of more than %zu bytes", path, QUERY_LINE_MAX);
        int64_t n = lt_stream_read(s, lt_buf_room(text, room), room);
        if (n <= 0) return n;
        text->n += (size_t)n;
        if (memrchr(text->p + text->n - n, '\n', (size_t)n)) return n;
    }
}

static int ask_stream(struct query *q, struct lt_stream *s, struct lt_ctx *c, const char *path)
{
    struct lt_buf text = { 0 };
    int64_t n;
    while ((n = read_lines(s, path, &text)) > 0) {
        const char *end = memrchr(text.p, '\n', text.n);
        size_t whole = (size_t)(end + 1 - text.p);
        ask_text(q, (struct lt_str){ text.p, whole });
        memmove(text.p, text.p + whole, text.n - whole);
        text.n -= whole;
        if (lt_ctx_interrupted(c)) {
            n = lt_fail("%s: interrupted", path);
            break;
        }
    }
    if (!n && text.n) ask_text(q, lt_buf_view(&text));
    lt_buf_free(&text);
    return (int)n;
}

static int ask_file(struct query *q, struct lt_ctx *c, const char *path)
{
    struct lt_stream *s = lt_stream_open(path);
    if (!s) return -1;
    int rc = ask_stream(q, s, c, path);
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

static int run(struct query *q, const struct lt_list *input, struct lt_ctx *c)
{
    if (q->o->sentence && (q->m->bos == LT_NGRAM_NONE || q->m->eos == LT_NGRAM_NONE))
        return lt_fail("%s: the model has no <s> and </s> to put around sentences; --no-sentence asks without them",
                       q->o->model);
    if (q->o->sentence) lt_ngram_push(q->m, &q->begin, q->m->bos);
    for (int i = 0; i < input->count; i++)
        if (ask_file(q, c, input->item[i])) return -1;
    return 0;
}

static void free_block(struct block *b)
{
    free(b->word);
    free(b->id);
    free(b->end);
    free(b->asked);
    free(b->logp);
    free(b->length);
}

int lt_ngram_total(const struct lt_ngram *m, const char *name, const struct lt_list *text, struct lt_ctx *c,
                   struct lt_ngram_total *out)
{
    struct lt_ngram_query_options o = { .model = name, .sentence = true, .summary = true };
    struct query q = { .o = &o, .m = m };
    int rc = run(&q, text, c);
    *out = q.all;
    free_block(&q.block);
    return rc;
}

int lt_ngram_query_run(const struct lt_ngram_query_options *o, struct lt_ctx *c)
{
    static const char *standard_input[] = { "-" };
    struct lt_list input = o->input.count ? o->input : (struct lt_list){ standard_input, 1 };
    struct query q = { .o = o };
    struct lt_ngram *m;
    if (lt_ngram_open(o->model, c, &m)) return -1;
    q.m = m;
    int rc = lt_writer_open(&q.out, "-");
    if (!rc) {
        rc = run(&q, &input, c);
        if (!rc) {
            put_totals(&q);
            rc = lt_writer_commit(&q.out);
        } else {
            lt_writer_abort(&q.out);
        }
    }
    lt_buf_free(&q.line);
    free_block(&q.block);
    lt_ngram_free(m);
    return rc;
}
