/* Tracks in step: token by token, or in the shortest stretches whose ends are common to all. */
#include "mixture/track.h"
#include "lm/mixing.h"
#include <math.h>
#include <stdlib.h>

void lt_aligned_release(struct lt_aligned *a)
{
    free(a->logp);
    free(a->token);
    free(a->first);
    free(a->end);
    *a = (struct lt_aligned){ 0 };
}

struct maker {
    const struct lt_track *t;
    struct lt_aligned *a;
    int64_t cap, first;             /* first: unit where the current document begins */
    int64_t at[LT_MIXING_MEMBERS];  /* next token of each track */
    bool dropped;                   /* the document's latest unit was left out: nothing to add to */
};

static void put(struct maker *k, const float *logp, int32_t token, uint32_t end)
{
    struct lt_aligned *a = k->a;
    k->dropped = false;
    for (int m = 0; m < a->members; m++) k->dropped |= isnan(logp[m]);
    if (k->dropped) {
        a->left_out++;
        return;
    }
    if (a->count == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 1024;
        a->logp = lt_realloc(a->logp, (size_t)k->cap * (size_t)a->members * sizeof *a->logp);
        a->token = lt_realloc(a->token, (size_t)k->cap * sizeof *a->token);
        a->first = lt_realloc(a->first, (size_t)k->cap * sizeof *a->first);
        a->end = lt_realloc(a->end, (size_t)k->cap * sizeof *a->end);
    }
    for (int m = 0; m < a->members; m++) a->logp[a->count * a->members + m] = logp[m];
    a->token[a->count] = token;
    a->first[a->count] = k->first;
    a->end[a->count++] = end;
}

/* ---- the same tokens ---- */
static bool same(const struct lt_track_token *a, const struct lt_track_token *b)
{
    return a->document == b->document && a->begin == b->begin && a->end == b->end && a->id == b->id &&
           a->piece == b->piece;
}

static int differ(const struct lt_track *a, const struct lt_track *b, int64_t i)
{
    long long line = (long long)i + 2;
    if (i >= a->count || i >= b->count)
        return lt_fail("%s has %lld tokens and %s %lld: line %lld is in one only; both must be of the same text with "
                       "the same tokenizer (--align word mixes word by word)", a->name, (long long)a->count, b->name,
                       (long long)b->count, line);
    const struct lt_track_token *x = &a->token[i], *y = &b->token[i];
    return lt_fail("line %lld: %s has token %d at bytes %u to %u of document %llu, %s token %d at bytes %u to %u of "
                   "document %llu; both must be of the same text with the same tokenizer (--align word mixes word by "
                   "word)", line, a->name, x->id, x->begin, x->end, (unsigned long long)x->document, b->name, y->id,
                   y->begin, y->end, (unsigned long long)y->document);
}

static int by_token(struct maker *k)
{
    const struct lt_track *t = k->t;
    int n = k->a->members;
    float logp[LT_MIXING_MEMBERS];
    for (int m = 1; m < n; m++)
        for (int64_t i = 0; i < LT_MAX(t->count, t[m].count); i++)
            if (i >= t->count || i >= t[m].count || !same(&t->token[i], &t[m].token[i])) return differ(t, &t[m], i);
    for (int64_t i = 0; i < t->count; i++) {
        if (!i || t->token[i].document != t->token[i - 1].document) k->first = k->a->count;
        for (int m = 0; m < n; m++) logp[m] = t[m].token[i].logp;
        put(k, logp, t->token[i].id, t->token[i].end);
    }
    return 0;
}

/* ---- common ends ---- */
static const struct lt_track_token *next_of(const struct maker *k, int m, uint64_t document)
{
    const struct lt_track *t = &k->t[m];
    const struct lt_track_token *x = k->at[m] < t->count ? &t->token[k->at[m]] : NULL;
    return x && x->document == document ? x : NULL;
}

/* Takes tokens into a unit until all members stand at its end.  False: some member has none left for it. */
static bool take_unit(struct maker *k, uint64_t document, float *logp, uint32_t *end)
{
    int n = k->a->members;
    bool grew = true, has[LT_MIXING_MEMBERS] = { false };
    for (int m = 0; m < n; m++) logp[m] = 0;
    for (*end = 0; grew;) {
        grew = false;
        for (int m = 0; m < n; m++) {
            const struct lt_track_token *x;
            while ((x = next_of(k, m, document)) && (!has[m] || x->begin < *end || x->end <= *end)) {
                logp[m] += x->logp;
                *end = LT_MAX(*end, x->end);
                has[m] = grew = true;
                k->at[m]++;
            }
        }
    }
    for (int m = 0; m < n; m++)
        if (!has[m]) return false;
    return true;
}

static int take_document(struct maker *k, uint64_t document)
{
    struct lt_aligned *a = k->a;
    float logp[LT_MIXING_MEMBERS];
    uint32_t end;
    k->first = a->count;
    for (int m = 0; m < a->members; m++)
        if (!next_of(k, m, document))
            return lt_fail("%s has no tokens of document %llu, and another has", k->t[m].name,
                           (unsigned long long)document);
    while (next_of(k, 0, document)) {
        int32_t token = next_of(k, 0, document)->id;
        bool whole = take_unit(k, document, logp, &end);
        if (whole) put(k, logp, token, end);
        else if (!k->dropped)
            for (int m = 0; m < a->members; m++) a->logp[(a->count - 1) * a->members + m] += logp[m];
    }
    for (int m = 1; m < a->members; m++)            /* what lies beyond the first track's last token */
        for (const struct lt_track_token *x; (x = next_of(k, m, document)); k->at[m]++)
            if (!k->dropped) a->logp[(a->count - 1) * a->members + m] += x->logp;
    return 0;
}

static int by_word(struct maker *k)
{
    for (;;) {
        uint64_t document = UINT64_MAX;
        for (int m = 0; m < k->a->members; m++)
            if (k->at[m] < k->t[m].count) document = LT_MIN(document, k->t[m].token[k->at[m]].document);
        if (document == UINT64_MAX) return 0;
        if (take_document(k, document)) return -1;
    }
}

int lt_tracks_align(const struct lt_track *t, int members, bool words, struct lt_aligned *out)
{
    struct maker k = { .t = t, .a = out };
    *out = (struct lt_aligned){ .members = members };
    int rc = words ? by_word(&k) : by_token(&k);
    if (!rc && !out->count) rc = lt_fail("%s: nothing before any token: there is nothing to mix", t->name);
    if (rc) lt_aligned_release(out);
    return rc;
}
