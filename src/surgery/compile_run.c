/* The operation behind `lathe ngram compile`. */
#include "base/ctx.h"
#include "base/json.h"
#include "model/session.h"
#include "surgery/compile_ngram.h"
#include "text/words_tokenizer.h"
#include <math.h>
#include <stdlib.h>

#define BOUND 1e-5                      /* of the difference in log p, as the compiled model promises */
#define TEST_LINE_MAX ((size_t)64 << 20)

/* ---- comparing ---- */
struct compare {
    const struct lt_ngram *m;
    struct lt_session s;
    int context;
    int32_t *token; int count, cap;
    uint64_t tokens;
    double worst;
};

static void hold(struct compare *k, uint32_t id)
{
    if (id == LT_NGRAM_NONE) return;
    if (k->count == k->cap) {
        k->cap = LT_MAX(256, 2 * k->cap);
        k->token = lt_realloc(k->token, (size_t)k->cap * sizeof *k->token);
    }
    k->token[k->count++] = (int32_t)id;
}

/* Tokens from `begin` on, those before `from` only for context. */
static int compare_window(struct compare *k, int begin, int from, int end)
{
    struct lt_ngram_state state = { 0 };
    float *logp = lt_alloc((size_t)(end - begin) * sizeof *logp);
    int held = k->s.type->count(k->s.self);
    int rc = held ? k->s.type->rewind(k->s.self, held) : 0;
    if (!rc) rc = k->s.type->score(k->s.self, k->token + begin, end - begin, logp, NULL);
    for (int i = begin; i < end && !rc; i++) {
        double p = lt_ngram_prob(k->m, &state, (uint32_t)k->token[i], NULL) * log(10);
        if (i < from || i == 0 || (uint32_t)k->token[i] == k->m->bos) continue;
        k->worst = LT_MAX(k->worst, fabs(p - (double)logp[i - begin]));
        k->tokens++;
    }
    free(logp);
    return rc;
}

static int compare_line(struct compare *k, struct lt_str line)
{
    struct lt_str word;
    int before = k->m->order - 1;
    k->count = 0;
    hold(k, k->m->bos);
    while (lt_word_next(&line, &word)) hold(k, lt_ngram_word(k->m, word));
    hold(k, k->m->eos);
    for (int from = 0, end; from < k->count; from = end) {
        int begin = LT_MAX(0, from - before);
        end = LT_MIN(k->count, begin + k->context);
        if (compare_window(k, begin, from, end)) return -1;
    }
    return 0;
}

static int compare_file(struct compare *k, const char *path, struct lt_ctx *c)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    struct lt_progress p;
    int rc;
    if (!s) return -1;
    lt_progress_begin(c, &p, "comparing", "bytes", (double)lt_stream_size(s));
    while (lt_buf_clear(&line), (rc = lt_stream_line(s, &line, TEST_LINE_MAX, true)) > 0) {
        rc = compare_line(k, lt_buf_view(&line));
        if (!rc && lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
        if (rc) break;
        lt_progress_at(&p, (double)lt_stream_position(s), NULL);
    }
    lt_progress_end(&p);
    lt_buf_free(&line);
    lt_stream_close(s);
    if (!rc && !k->tokens) rc = lt_fail("%s: there is no text to compare the models on", path);
    return rc;
}

/* The folder as everybody will open it, against the n-gram model. */
static int compare_models(const struct lt_compile_options *o, const struct lt_ngram *m, struct lt_ctx *c,
                          struct compare *k)
{
    struct lt_model *model;
    struct lt_session_spec spec = { .compute = LT_COMPUTE_F32, .cache = LT_F32 };
    *k = (struct compare){ .m = m, .context = (int)o->context };
    if (lt_model_open(o->output, &model)) return -1;
    int rc = lt_model_session(model, c, spec, &k->s);
    if (!rc) {
        rc = compare_file(k, o->test, c);
        k->s.type->close(k->s.self);
    }
    free(k->token);
    lt_model_free(model);
    return rc;
}

/* ---- writing ---- */
static int save_tokenizer(const struct lt_ngram *m, const char *folder)
{
    struct lt_tokenizer *t;
    struct lt_buf path = { 0 };
    struct lt_str *piece = lt_alloc(m->vocabulary.count * sizeof *piece);
    for (uint32_t i = 0; i < m->vocabulary.count; i++) piece[i] = lt_ngram_spelling(m, i);
    lt_buf_fmt(&path, "%s/tokenizer.json", folder);
    int rc = lt_words_tokenizer(piece, m->vocabulary.count, (int32_t)m->unk, (int32_t)m->bos, (int32_t)m->eos, &t);
    if (!rc) {
        rc = lt_tokenizer_save(t, path.p);
        lt_tokenizer_free(t);
    }
    lt_buf_free(&path);
    free(piece);
    return rc;
}

static int save(const struct lt_ngram *m, struct lt_model *model, const char *path)
{
    struct lt_folder d;
    if (lt_folder_guard(path, "config.json") || lt_folder_open(&d, path)) return -1;
    if (m->bos != LT_NGRAM_NONE) model->generation.bos = (int32_t)m->bos;
    if (m->eos != LT_NGRAM_NONE) model->generation.eos[model->generation.eos_count++] = (int32_t)m->eos;
    if (!lt_model_save(model, d.temp, LT_F32) && !save_tokenizer(m, d.temp)) return lt_folder_commit(&d);
    lt_folder_abort(&d);
    return -1;
}

static void put_real(struct lt_buf *b, const char *key, double v)
{
    lt_buf_fmt(b, ", \"%s\": ", key);
    lt_json_put_real(b, v);
}

static int report(const struct lt_compile_options *o, const struct lt_compiled *made, const struct compare *k)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"words\": %lld, \"order\": %lld, \"contexts\": %lld, \"width\": %lld, \"parameters\": %lld",
               (long long)made->words, (long long)made->order, (long long)made->units, (long long)made->width,
               (long long)made->parameters);
    put_real(&b, "contexts_of_all_words", made->units_dense);
    put_real(&b, "largest_sum_error", made->sum_error);
    if (o->test) {
        lt_buf_fmt(&b, ", \"tokens\": %llu", (unsigned long long)k->tokens);
        put_real(&b, "bound", BOUND);
        put_real(&b, "largest_difference", k->worst);
    }
    lt_buf_str(&b, "}\n");
    int rc = o->report ? lt_file_save(o->report, b.p, b.n) : 0;
    if (!rc) rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

int lt_compile_run(const struct lt_compile_options *o, struct lt_ctx *c)
{
    struct lt_compile_how how = { .attention = o->attention, .context = o->context, .memory = o->memory << 20 };
    struct lt_ngram *m;
    struct lt_model *model;
    struct lt_compiled made;
    struct compare k = { 0 };
    if (lt_ngram_open(o->model, c, &m)) return -1;
    if (o->context < m->order) {
        lt_ngram_free(m);
        return lt_misuse("context: expected at least the model's order, found %lld", (long long)o->context);
    }
    int rc = lt_compile_ngram(m, &how, c, &model, &made);
    if (rc) lt_fail("%s: %s", o->model, lt_error());
    else {
        rc = save(m, model, o->output);
        lt_model_free(model);
    }
    if (!rc && o->test) rc = compare_models(o, m, c, &k);
    lt_ngram_free(m);
    return rc ? rc : report(o, &made, &k);
}
