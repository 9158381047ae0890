/* The operation behind `lathe ensemble`. */
#include "mixture/ensemble.h"
#include "base/ctx.h"
#include "base/io.h"
#include "decode/score.h"
#include "lm/feed.h"
#include "mixture/mix.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct lt_ensemble_options *o;
    struct lt_ctx *c;
    const struct lt_mixture *how;
    bool models, words;
    int context;                    /* of a mixture of the models; 0: any */
    struct lt_mix mix;              /* models only */
    struct lt_mixture_fit fit;      /* dumps only; models: mix.fit */
    struct lt_aligned dev, test;
};

/* ---- log-probabilities of the members ---- */
static int open_models(struct run *r)
{
    const struct lt_method *linear = lt_method_find("mixture", "linear");
    struct lt_session s;
    if (lt_mix_open(&r->mix, r->o->members.item, r->o->members.count, r->words, 0, r->c)) return -1;
    if (!r->words && !r->mix.tokenizer) return lt_misuse("the members have no tokenizer, which text needs");
    if (lt_mix_choose(&r->mix, (const struct lt_mixture *)linear, NULL)) return -1;
    if (r->words) return 0;
    if (lt_mix_session(&r->mix, &s)) return -1;
    r->context = s.type->limit(s.self);
    s.type->close(s.self);
    return 0;
}

static int read_side(struct run *r, const struct lt_list *from, struct lt_aligned *out)
{
    int n = r->o->members.count, rc = 0;
    struct lt_track track[LT_MIXING_MEMBERS] = { 0 };
    for (int m = 0; m < n && !rc; m++)
        rc = r->models ? lt_track_model(r->o->members.item[m], &r->mix.lm[m], from, &r->o->docs, r->context, r->c,
                                        &track[m])
                       : lt_track_read(from->item[m], r->c, &track[m]);
    if (!rc) rc = lt_tracks_align(track, n, r->words, out);
    for (int m = 0; m < n; m++) lt_track_release(&track[m]);
    return rc;
}

/* ---- methods that need whole distributions ---- */
struct collected {
    struct lt_mixture_lesson l;
    int32_t *token;
    float *logp, *entropy, *row;
    int64_t seen, every, cap;       /* every place so many apart is kept */
    bool rows;
};

static int keep_place(void *self, const struct lt_mixture_place *p, int vocab, int32_t token, const float *logp)
{
    struct collected *k = self;
    int n = k->l.members;
    if (k->seen++ % k->every || k->l.count == k->cap) return 0;
    int64_t at = k->l.count++;
    k->token[at] = token;
    memcpy(k->logp + at * n, logp, (size_t)n * sizeof *logp);
    memcpy(k->entropy + at * n, p->entropy, (size_t)n * sizeof *logp);
    for (int m = 0; m < n && k->rows; m++) {
        float *to = k->row + (at * n + m) * k->l.vocab;
        for (int v = 0; v < k->l.vocab; v++) to[v] = v < vocab ? p->row[m][v] : -INFINITY;
    }
    return 0;
}

struct walk { struct run *r; struct lt_session s; struct lt_ppl_total *total; };

static int walk_document(void *self, const struct lt_doc *d)
{
    static const struct lt_ppl_how how = { .start = LT_START_AUTO, .no_hits = true };
    struct walk *w = self;
    return lt_ppl_document(&w->s, w->r->mix.tokenizer, &how, d->text, w->total, NULL, NULL);
}

static int walk(struct run *r, const struct lt_list *texts, const char *what, struct collected *k,
                struct lt_ppl_total *total)
{
    struct walk w = { .r = r, .total = total };
    if (lt_mix_session(&r->mix, &w.s)) return -1;
    if (k) lt_mix_record(&w.s, keep_place, k);
    int rc = lt_docs_each(texts, &r->o->docs, r->c, what, walk_document, &w);
    lt_session_close(&w.s);
    return rc;
}

static int collect(struct run *r, struct collected *k)
{
    int n = r->mix.members;
    double place = (double)n * (double)k->l.vocab * sizeof(float), budget = (double)r->o->memory * (1 << 20);
    k->cap = r->dev.count;
    k->every = 1;
    if (k->rows) {
        k->every = (int64_t)ceil((double)r->dev.count * place / budget);
        k->cap = (r->dev.count + k->every - 1) / k->every;
        if (place > budget)
            return lt_fail("the distributions of one token take %.0f MiB, more than the %lld MiB they may (--memory)",
                           place / (1 << 20), (long long)r->o->memory);
        k->row = lt_alloc((size_t)k->cap * (size_t)n * (size_t)k->l.vocab * sizeof *k->row);
    }
    if (k->every > 1)
        lt_note(r->c, "%s learns from %lld of %lld tokens, whose distributions fit into %lld MiB (--memory)",
                r->how->m.name, (long long)k->cap, (long long)r->dev.count, (long long)r->o->memory);
    k->token = lt_alloc((size_t)k->cap * sizeof *k->token);
    k->logp = lt_alloc((size_t)k->cap * (size_t)n * sizeof *k->logp);
    k->entropy = lt_alloc((size_t)k->cap * (size_t)n * sizeof *k->entropy);
    struct lt_ppl_total total = { 0 };
    return walk(r, &r->o->dev, "what the members say", k, &total);
}

static int learn_from_rows(struct run *r)
{
    struct collected k = { .l = { .members = r->mix.members, .seed = (uint64_t)r->o->seed, .ctx = r->c },
                           .rows = r->how->flags & (LT_MIXTURE_PRODUCT | LT_MIXTURE_TOKENWISE | LT_MIXTURE_ROWS) };
    int rc = lt_mix_vocab(&r->mix, &k.l.vocab);
    if (!rc) rc = collect(r, &k);
    k.l.token = k.token;
    k.l.logp = k.logp;
    k.l.entropy = k.entropy;
    k.l.row = k.row;
    if (!rc) rc = lt_mix_choose(&r->mix, r->how, r->o->method.o);
    if (!rc) rc = r->how->learn(&r->mix.fit, &k.l);
    free(k.token);
    free(k.logp);
    free(k.entropy);
    free(k.row);
    return rc;
}

static int perplexity_by_walking(struct run *r, const struct lt_list *texts, double *out)
{
    struct lt_ppl_total total = { 0 };
    int rc = walk(r, texts, r->how->m.name, NULL, &total);
    *out = exp(total.nll / (double)total.tokens);
    return rc;
}

/* ---- methods that need only what the tokens got ---- */
static struct lt_mixture_fit *fit_of(struct run *r) { return r->models ? &r->mix.fit : &r->fit; }

static int learn_from_table(struct run *r)
{
    const struct lt_aligned *a = &r->dev;
    struct lt_mixture_lesson l = { .members = a->members, .count = a->count, .token = a->token, .logp = a->logp,
                                   .first = a->first, .seed = (uint64_t)r->o->seed, .ctx = r->c };
    if (r->models) {
        if (lt_mix_choose(&r->mix, r->how, r->o->method.o)) return -1;
    } else {
        lt_mixture_init(&r->fit, r->how, r->o->method.o, a->members, 0);
    }
    return r->how->learn ? r->how->learn(fit_of(r), &l) : 0;
}

static double perplexity_of_table(struct run *r, const struct lt_aligned *a)
{
    double sum = 0;
    int64_t places = 0;
    for (int64_t i = 0; i < a->count; i++) {
        const float *now = a->logp + i * a->members;
        float top = -INFINITY;
        struct lt_mixture_place p = { .past = a->logp + a->first[i] * a->members, .past_count = i - a->first[i] };
        for (int m = 0; m < a->members; m++) top = fmaxf(top, now[m]);
        if (top == -INFINITY) continue;
        sum += (double)lt_mixture_token(fit_of(r), &p, now);
        places++;
    }
    return exp(-sum / (double)places);
}

/* ---- all of it ---- */
static int try_method(struct run *r, struct lt_ensemble *e)
{
    if (lt_mixture_needs_rows(r->how)) {
        if (learn_from_rows(r) || perplexity_by_walking(r, &r->o->dev, &e->method_dev)) return -1;
        if (e->tested && perplexity_by_walking(r, &r->o->test, &e->method_test)) return -1;
    } else {
        if (learn_from_table(r)) return -1;
        e->method_dev = perplexity_of_table(r, &r->dev);
        if (e->tested) e->method_test = perplexity_of_table(r, &r->test);
    }
    e->method = strcmp(r->how->m.name, "linear") ? r->how->m.name : NULL;
    return 0;
}

static int tell(struct run *r, struct lt_ensemble *e)
{
    const struct lt_ensemble_options *o = r->o;
    struct lt_buf json = { 0 }, page = { 0 }, table = { 0 };
    int rc = 0;
    for (int m = 0; m < e->members; m++) e->member[m].name = o->members.item[m];
    lt_ensemble_json(e, &json);
    lt_ensemble_table(e, &table);
    if (e->left_out)
        lt_note(r->c, "%lld %s with nothing before them are left out", (long long)e->left_out,
                e->words ? "words" : "tokens");
    if (o->figures) rc = lt_file_save(o->figures, json.p, json.n);
    if (!rc && o->report) {
        lt_ensemble_page(e, &page);
        rc = lt_file_save(o->report, page.p, page.n);
    }
    if (!rc && o->output) rc = lt_mixture_file_save(o->output, fit_of(r), o->members.item, r->words);
    if (!rc) rc = o->json ? lt_file_save("-", json.p, json.n) : lt_file_save("-", table.p, table.n);
    lt_buf_free(&json);
    lt_buf_free(&page);
    lt_buf_free(&table);
    return rc;
}

static int check(const struct run *r)
{
    const struct lt_ensemble_options *o = r->o;
    if (o->members.count > LT_MIXING_MEMBERS)
        return lt_misuse("expected at most %d members, found %d", LT_MIXING_MEMBERS, o->members.count);
    if (r->models) {
        if (r->words && lt_mixture_needs_rows(r->how))
            return lt_misuse("--method %s needs one vocabulary; with --align word there are linear, mean, bayes and "
                             "constant_scalar", r->how->m.name);
        return 0;
    }
    if (lt_mixture_needs_rows(r->how))
        return lt_misuse("--method %s needs whole distributions, which dumps do not have: give the models and --dev "
                         "TEXT", r->how->m.name);
    if (o->output)
        return lt_misuse("--output is a mixture of models; the members are dumps: give the models and --dev");
    if (strcmp(o->docs.format, "auto") || strcmp(o->docs.field, "text") || o->docs.paragraphs)
        return lt_misuse("--input_format, --field and --paragraphs say how texts are read, and there is no --dev text");
    if (o->test.count && o->test.count != o->members.count)
        return lt_misuse("expected as many dumps in --test as there are members, %d, in their order; found %d",
                         o->members.count, o->test.count);
    return 0;
}

static int run(struct run *r)
{
    struct lt_ensemble e = { .words = r->words };
    if (check(r) || (r->models && open_models(r))) return -1;
    if (read_side(r, r->models ? &r->o->dev : &r->o->members, &r->dev)) return -1;
    if (r->o->test.count && read_side(r, &r->o->test, &r->test)) return -1;
    lt_ensemble_judge(r->c, &r->dev, r->o->test.count ? &r->test : NULL, &e);
    if (try_method(r, &e)) return -1;
    if (lt_ctx_interrupted(r->c)) return lt_fail("interrupted");
    return tell(r, &e);
}

int lt_ensemble_run(const struct lt_ensemble_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .how = (const struct lt_mixture *)o->method.method, .models = o->dev.count > 0,
                     .words = !strcmp(o->align, "word") };
    int rc = run(&r);
    lt_mix_close(&r.mix);
    lt_mixture_release(&r.fit);
    lt_aligned_release(&r.dev);
    lt_aligned_release(&r.test);
    return rc;
}
