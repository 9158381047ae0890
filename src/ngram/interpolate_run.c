/* The operation behind `lathe ngram interpolate`. */
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "ngram/interpolate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)64 << 20)
#define ROWS_MAX 1e8            /* words of the text times those of the vocabulary, for log-linear weights */
#define LN10 2.302585092994045684

struct run {
    const struct lt_ngram_interpolate_options *o;
    struct lt_ctx *c;
    bool log_linear;
    struct lt_ngram *m[LT_MIXING_MEMBERS];
    int members;
    struct lt_ngram_union u;
    double weight[LT_MIXING_MEMBERS];
    uint32_t *token; size_t n, cap;     /* the text to tune on; LT_NGRAM_NONE begins a sentence */
    size_t *place; size_t places;       /* what is foretold */
    double alone[LT_MIXING_MEMBERS], together;      /* perplexities on it; NAN: none */
    int64_t passed_over;
};

/* ---- the text to tune on ---- */
static void put(struct run *r, uint32_t token)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 4096;
        r->token = lt_realloc(r->token, r->cap * sizeof *r->token);
    }
    r->token[r->n++] = token;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void put_sentence(struct run *r, struct lt_str line)
{
    const struct lt_ngram *m = r->u.m;
    put(r, LT_NGRAM_NONE);
    if (m->bos != LT_NGRAM_NONE) put(r, m->bos);
    for (size_t i = 0; i < line.n;) {
        size_t end = i;
        while (end < line.n && !is_space(line.p[end])) end++;
        if (end > i) put(r, lt_ngram_word(m, (struct lt_str){ line.p + i, end - i }));
        i = end + 1;
    }
    if (m->eos != LT_NGRAM_NONE) put(r, m->eos);
}

static int read_text(struct run *r, const char *path)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    int rc;
    if (!s) return -1;
    while (lt_buf_clear(&line), (rc = lt_stream_line(s, &line, LINE_MAX_BYTES, true)) > 0) {
        put_sentence(r, lt_buf_view(&line));
        if (lt_ctx_interrupted(r->c)) {
            rc = lt_fail("%s: interrupted", path);
            break;
        }
    }
    lt_buf_free(&line);
    lt_stream_close(s);
    return rc;
}

static int find_places(struct run *r)
{
    r->place = lt_alloc(LT_MAX(r->n, 1) * sizeof *r->place);
    for (size_t i = 1; i < r->n; i++) {
        bool given = r->token[i] == LT_NGRAM_NONE ||
                     (r->token[i] == r->u.m->bos && r->token[i - 1] == LT_NGRAM_NONE);
        if (!given) r->place[r->places++] = i;
    }
    return r->places ? 0 : lt_fail("%s: there are no words to find weights on", r->o->tune.item[0]);
}

/* The words before a place, in its sentence and as far as any model looks: how many. */
static int context_of(const struct run *r, size_t at, const uint32_t **word)
{
    int n = 0;
    while (n < r->u.m->order - 1 && at > (size_t)n && r->token[at - (size_t)n - 1] != LT_NGRAM_NONE) n++;
    *word = r->token + at - (size_t)n;
    return n;
}

/* ---- weights ---- */
static int take_weights(struct run *r)
{
    const struct lt_list *w = &r->o->weights;
    double sum = 0;
    if (w->count != r->members)
        return lt_misuse("weights: expected one for each of the %d models, found %d", r->members, w->count);
    for (int i = 0; i < w->count; i++) {
        if (lt_str_real(lt_str(w->item[i]), &r->weight[i]) || !isfinite(r->weight[i]) || r->weight[i] < 0)
            return lt_misuse("weights: expected numbers from 0 up, found \"%s\"", w->item[i]);
        sum += r->weight[i];
    }
    if (!r->log_linear && fabs(sum - 1) > 1e-3)
        return lt_misuse("weights: expected a sum of 1, found %g; with --method log_linear any sum will do", sum);
    for (int i = 0; i < w->count && !r->log_linear; i++) r->weight[i] /= sum;
    return 0;
}

struct table { const struct run *r; float *logp; };

static void table_piece(void *self, int64_t k)
{
    struct table *t = self;
    const struct run *r = t->r;
    for (size_t i = (size_t)k * 4096; i < LT_MIN((size_t)(k + 1) * 4096, r->places); i++) {
        const uint32_t *word;
        int n = context_of(r, r->place[i], &word);
        for (int m = 0; m < r->members; m++)
            t->logp[i * (size_t)r->members + (size_t)m] =
                (float)(lt_ngram_view_prob(&r->u.view[m], word, n, r->token[r->place[i]], r->log_linear) * LN10);
    }
}

/* As the model itself would be asked: what it lacks is its <unk>. */
static double perplexity_alone(const struct run *r, int m)
{
    double sum = 0;
    for (size_t i = 0; i < r->places; i++) {
        const uint32_t *word;
        int n = context_of(r, r->place[i], &word);
        sum += lt_ngram_view_prob(&r->u.view[m], word, n, r->token[r->place[i]], true);
    }
    return pow(10, -sum / (double)r->places);
}

struct rows { const struct run *r; size_t every; };

static int32_t row_at(void *self, int64_t place, float *out)
{
    const struct rows *s = self;
    const struct run *r = s->r;
    const uint32_t *word;
    size_t at = r->place[(size_t)place * s->every];
    int n = context_of(r, at, &word);
    for (int m = 0; m < r->members; m++)
        lt_ngram_view_row(&r->u, m, word, n, out + (size_t)m * r->u.m->vocabulary.count);
    return (int32_t)r->token[at];
}

static void tune_log_linear(struct run *r)
{
    double size = (double)r->places * r->u.m->vocabulary.count;
    struct rows s = { r, (size_t)LT_MAX(ceil(size / ROWS_MAX), 1) };
    struct lt_mixing_rows rows = { .count = (int64_t)((r->places + s.every - 1) / s.every), .members = r->members,
                                   .vocab = (int)r->u.m->vocabulary.count, .rows = row_at, .self = &s };
    if (s.every > 1)
        lt_note(r->c, "the weights are found on every %zu-th of the %zu words, for each takes a sum over %d words",
                s.every, r->places, rows.vocab);
    double sum = lt_mixing_log_linear(r->c, &rows, r->weight);
    r->together = exp(-sum / (double)rows.count);
}

static int tune(struct run *r)
{
    for (int i = 0; i < r->o->tune.count; i++)
        if (read_text(r, r->o->tune.item[i])) return -1;
    if (find_places(r)) return -1;
    struct table t = { r, lt_alloc(r->places * (size_t)r->members * sizeof *t.logp) };
    lt_pool_run(lt_ctx_pool(r->c), (int64_t)((r->places + 4095) / 4096), table_piece, &t);
    for (int m = 0; m < r->members; m++) r->alone[m] = perplexity_alone(r, m);
    if (r->log_linear) {
        tune_log_linear(r);
    } else {
        struct lt_mixing_table x = { .logp = t.logp, .count = (int64_t)r->places, .stride = r->members,
                                     .members = r->members };
        int64_t places;
        lt_mixing_em(r->c, &x, r->weight);
        r->together = exp(-lt_mixing_sum(r->c, &x, r->weight, &places) / LT_MAX((double)places, 1));
        r->passed_over = (int64_t)r->places - places;
        if (!places) r->passed_over = -1;
    }
    free(t.logp);
    if (r->passed_over < 0) return lt_fail("%s: no model gives any of its words a probability", r->o->tune.item[0]);
    if (r->passed_over)
        lt_note(r->c, "%lld words have no probability in any model and are passed over", (long long)r->passed_over);
    return lt_ctx_interrupted(r->c) ? lt_fail("interrupted") : 0;
}

/* ---- all of it ---- */
static void put_cell(struct lt_buf *b, double v, bool json)
{
    if (isnan(v)) lt_buf_str(b, json ? "null" : "-");
    else if (json) lt_json_put_real(b, v);
    else lt_buf_fmt(b, "%.6g", v);
}

static int tell(const struct run *r)
{
    bool json = r->o->json;
    struct lt_buf b = { 0 };
    lt_buf_str(&b, json ? "{\"models\": [" : "model\tweight\tperplexity\n");
    for (int m = 0; m < r->members; m++) {
        if (json) lt_buf_str(&b, m ? ", {\"name\": " : "{\"name\": ");
        if (json) lt_json_put_text(&b, lt_str(r->o->models.item[m]));
        else lt_buf_str(&b, r->o->models.item[m]);
        lt_buf_str(&b, json ? ", \"weight\": " : "\t");
        put_cell(&b, r->weight[m], json);
        lt_buf_str(&b, json ? ", \"perplexity\": " : "\t");
        put_cell(&b, r->alone[m], json);
        lt_buf_str(&b, json ? "}" : "\n");
    }
    lt_buf_str(&b, json ? "], \"perplexity\": " : "(together)\t-\t");
    put_cell(&b, r->together, json);
    lt_buf_str(&b, json ? "}\n" : "\n");
    int rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

static int run(struct run *r)
{
    const struct lt_ngram_interpolate_options *o = r->o;
    if (o->models.count > LT_MIXING_MEMBERS)
        return lt_misuse("expected at most %d models, found %d", LT_MIXING_MEMBERS, o->models.count);
    if (o->weights.count && o->tune.count) return lt_misuse("--weights says what --tune is to find: give one of them");
    for (; r->members < o->models.count; r->members++)
        if (lt_ngram_open(o->models.item[r->members], r->c, &r->m[r->members])) return -1;
    if (lt_ngram_union_init(&r->u, r->m, o->models.item, r->members)) return -1;
    for (int i = 0; i < r->members; i++) {
        r->weight[i] = 1.0 / r->members;
        r->alone[i] = NAN;
    }
    r->together = NAN;
    if (o->weights.count && take_weights(r)) return -1;
    if (o->tune.count && tune(r)) return -1;
    lt_ngram_interpolate(&r->u, r->weight, r->log_linear, r->c);
    if (lt_ctx_interrupted(r->c)) return lt_fail("interrupted");
    return lt_ngram_save(r->u.m, o->output) || tell(r) ? -1 : 0;
}

int lt_ngram_interpolate_run(const struct lt_ngram_interpolate_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .log_linear = !strcmp(o->method, "log_linear") };
    int rc = run(&r);
    lt_ngram_union_release(&r.u);
    for (int i = 0; i < r.members; i++) lt_ngram_free(r.m[i]);
    free(r.token);
    free(r.place);
    return rc;
}
