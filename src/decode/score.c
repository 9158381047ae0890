#include "decode/score.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>

struct scored { int32_t *id; int count, given; struct lt_token *offset; float *logp; uint8_t *hit; };

static int fit(struct lt_session *s, const struct lt_ppl_how *how, int *context, int *stride)
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

/* The first window is scored whole; each further one scores `stride` tokens with as many before them as fit. */
static int score(struct lt_session *s, struct scored *d, int context, int stride)
{
    int held = s->type->count(s->self), step = context ? LT_MIN(d->count, context) : d->count;
    if (held && s->type->rewind(s->self, held)) return -1;
    for (int at = 0; at < d->count; at += step, step = LT_MIN(stride, d->count - at)) {
        int begin = context ? LT_MAX(0, at + step - context) : 0;
        held = s->type->count(s->self);
        if (at && s->type->rewind(s->self, held)) return -1;
        if (at > begin && s->type->feed(s->self, d->id + begin, at - begin)) return -1;
        if (s->type->score(s->self, d->id + at, step, d->logp + at, d->hit ? d->hit + at : NULL)) return -1;
    }
    return 0;
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

static int tell(const struct scored *d, struct lt_str text, struct lt_ppl_total *total, lt_ppl_fn *fn, void *to)
{
    size_t first = 0;                               /* byte where scoring begins */
    for (int i = d->given; i < d->count; i++) {
        struct lt_ppl_token k = { i - d->given, d->offset[i - d->given], d->logp[i], d->hit && d->hit[i] };
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

int lt_ppl_document(struct lt_session *s, const struct lt_tokenizer *t, const struct lt_ppl_how *how,
                    struct lt_str text,
                    struct lt_ppl_total *total, lt_ppl_fn *fn, void *to)
{
    struct scored d = { 0 };
    int context = 0, stride = 0, rc = fit(s, how, &context, &stride);
    if (!rc) rc = lt_prompt_encode(t, text, how->start, &d.id, &d.count, &d.given, &d.offset);
    if (!rc && d.count) {
        d.logp = lt_calloc((size_t)d.count, sizeof *d.logp);
        if (!how->no_hits) d.hit = lt_calloc((size_t)d.count, sizeof *d.hit);
        rc = score(s, &d, context, stride);
        if (!rc) rc = tell(&d, text, total, fn, to);
    }
    free(d.id);
    free(d.offset);
    free(d.logp);
    free(d.hit);
    return rc;
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
