#include "decode/score.h"
#include "lm/feed.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>

struct scored {
    int32_t *id; int count, given;
    struct lt_token *offset;
    float *logp; uint8_t *hit;
    int at;                         /* tokens scored */
};

static int fit(const struct lt_session *s, const struct lt_ppl_how *how, int *context, int *stride)
{
    int limit = s->type->limit(s->self);
    if (how->context && limit && how->context > limit)
        return lt_misuse("context: expected at most the model's %d tokens, found %d", limit, how->context);
    *context = how->context ? how->context : limit;
    *stride = how->stride ? how->stride : LT_MAX(*context / 2, 1);
    if (*context && *stride > *context)
        return lt_misuse("stride: expected at most the context of %d tokens, found %d", *context, *stride);
    return 0;
}

/* The next window of a document: the first is scored whole; each further one scores `stride` tokens with as many before
 * them as fit. */
static struct lt_feed window(const struct scored *d, void *session, int context, int stride, int *step)
{
    *step = d->at ? LT_MIN(stride, d->count - d->at) : context ? LT_MIN(d->count, context) : d->count;
    int begin = context ? LT_MAX(0, d->at + *step - context) : 0;
    return (struct lt_feed){ .s = session, .token = d->id + begin, .n = d->at + *step - begin, .from = d->at - begin,
                             .logp = d->logp + d->at, .hit = d->hit ? d->hit + d->at : NULL };
}

/* Scores all documents; when keys and values of so many have no room, fewer at a time. */
static int score_all(const struct lt_session *s, struct scored *d, int n, int context, int stride)
{
    struct lt_feed *f = lt_alloc((size_t)n * sizeof *f);
    int *which = lt_alloc(2 * (size_t)n * sizeof *which), *step = which + n, most = n, rc = 0, count;
    do {
        count = 0;
        for (int i = 0; i < n && !rc; i++) {
            int held = s[i].type->count(s[i].self);
            if (held && s[i].type->rewind(s[i].self, held)) rc = -1;
            if (d[i].at == d[i].count || count == most) continue;
            f[count] = window(&d[i], s[i].self, context, stride, &step[count]);
            which[count++] = i;
        }
        int full = rc || !count ? rc : lt_feed_many(s->type, f, count);
        if (full == LT_FULL && count > 1) {
            most = count / 2;
            continue;
        }
        rc = full;
        for (int k = 0; k < count && !rc; k++) d[which[k]].at += step[k];
    } while (count && !rc);
    free(f);
    free(which);
    return rc ? -1 : 0;
}

static int64_t count_words(struct lt_str text)
{
    int64_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < text.n; i++) {
        bool space = text.p[i] == ' ' || (text.p[i] >= '\t' && text.p[i] <= '\r');
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

static int tell(const struct scored *d, int document, struct lt_str text, struct lt_ppl_total *total, lt_ppl_fn *fn,
                void *to)
{
    size_t first = 0;                               /* byte where scoring begins */
    for (int i = d->given; i < d->count; i++) {
        struct lt_ppl_token k = { document, i - d->given, d->offset[i - d->given], d->logp[i], d->hit && d->hit[i] };
        if (!i) {
            k.logp = NAN;
            first = k.token.end;
            total->unscored++;
        } else {
            if (!isfinite(k.logp))
                return lt_fail("the model gives token %d at place %d a log-probability of %g", d->id[i], i,
                               (double)k.logp);
            total->nll -= (double)k.logp;
            total->hits += k.hit;
            total->tokens++;
        }
        if (fn && fn(to, &k)) return -1;
    }
    total->documents++;
    total->bytes += (int64_t)(text.n - first);
    total->words += count_words((struct lt_str){ text.p + first, text.n - first });
    return 0;
}

static int read_document(struct scored *d, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                         struct lt_str text)
{
    if (lt_prompt_encode(t, text, how->start, &d->id, &d->count, &d->given, &d->offset)) return -1;
    d->logp = lt_calloc((size_t)d->count + 1, sizeof *d->logp);
    if (!how->no_hits) d->hit = lt_calloc((size_t)d->count + 1, sizeof *d->hit);
    return 0;
}

int lt_ppl_documents(const struct lt_session *s, int n, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                     const struct lt_str *text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to, int *failed)
{
    struct scored *d = lt_calloc((size_t)n, sizeof *d);
    int context = 0, stride = 0, rc = fit(s, how, &context, &stride);
    *failed = -1;
    for (int i = 0; i < n && !rc; i++)
        if ((rc = read_document(&d[i], t, how, text[i]))) *failed = i;
    if (!rc && (rc = score_all(s, d, n, context, stride)) && n == 1) *failed = 0;
    for (int i = 0; i < n && !rc; i++)
        if (d[i].count && (rc = tell(&d[i], i, text[i], total, fn, to))) *failed = i;
    for (int i = 0; i < n; i++) {
        free(d[i].id);
        free(d[i].offset);
        free(d[i].logp);
        free(d[i].hit);
    }
    free(d);
    return rc;
}

int lt_ppl_document(struct lt_session *s, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                    struct lt_str text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to)
{
    int failed;
    return lt_ppl_documents(s, 1, t, how, &text, total, fn, to, &failed);
}

int lt_ppl_text(struct lt_lm *lm, struct lt_str text, struct lt_ppl_total *total)
{
    struct lt_score q = { .text = text };
    if (lm->type->score(lm->self, &q, 1)) return -1;
    if (!isfinite(q.logp)) return lt_fail("the model gives the text a log-probability of %g", q.logp);
    total->nll -= q.logp;
    total->tokens += q.tokens;
    total->documents++;
    total->bytes += (int64_t)text.n;
    total->words += count_words(text);
    return 0;
}
