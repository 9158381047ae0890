#include "decode/prompt_score.h"
#include "decode/writing.h"
#include "lm/feed.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 64,                   /* tokens a part; logits of all of them are held */
       EMBED_PART = 256 };          /* and of an embedding's hidden states, which are smaller */

static int open_session(struct lt_prompt_score *p, struct lt_lm *lm, const char *adapter)
{
    if (!lm->type->session) return lt_misuse("%s models give no logits", lm->type->m.name);
    return lt_lm_session(lm, adapter, &p->s);
}

int lt_prompt_score_begin(struct lt_prompt_score *p, struct lt_lm *lm, const char *adapter, const int32_t *token,
                          int count, int tops)
{
    *p = (struct lt_prompt_score){ .token = token, .count = count, .tops = tops };
    if (open_session(p, lm, adapter)) return -1;
    p->vocab = lt_session_vocab(&p->s);
    if (p->vocab < 0) return -1;
    size_t all = (size_t)count * (size_t)tops;
    p->logp = lt_calloc((size_t)count, sizeof *p->logp);
    p->top_token = lt_calloc(all + 1, sizeof *p->top_token);
    p->top_logp = lt_calloc(all + 1, sizeof *p->top_logp);
    return 0;
}

/* ---- embeddings ---- */

int lt_prompt_embed_begin(struct lt_prompt_score *p, struct lt_lm *lm, const char *adapter, const int32_t *token,
                          int count, enum lt_pooling pooling)
{
    *p = (struct lt_prompt_score){ .token = token, .count = count, .pooling = pooling };
    if (open_session(p, lm, adapter)) return -1;
    if (!p->s.type->width)
        return lt_misuse("%s models have no hidden states to make an embedding of", lm->type->m.name);
    p->width = p->s.type->width(p->s.self);
    p->state = lt_alloc((size_t)LT_MIN(count, EMBED_PART) * (size_t)p->width * sizeof *p->state);
    p->sum = lt_calloc((size_t)p->width, sizeof *p->sum);
    p->vector = lt_calloc((size_t)p->width, sizeof *p->vector);
    return 0;
}

void lt_unit_length(float *v, int n)
{
    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)v[i] * (double)v[i];
    for (int i = 0; i < n && squares > 0; i++) v[i] = (float)((double)v[i] / sqrt(squares));
}

static struct lt_feed embed_feed(struct lt_prompt_score *p, int n)
{
    bool all = p->pooling == LT_POOL_MEAN, last = p->fed + n == p->count;
    return (struct lt_feed){ .s = p->s.self, .token = p->token + p->fed, .n = n, .state = p->state,
                             .states = all ? n : last };
}

/* Sums go token by token, so that the parts change no bit of them. */
static void take_states(struct lt_prompt_score *p, const struct lt_feed *f)
{
    for (int i = 0; i < f->states; i++)
        for (int k = 0; k < p->width; k++) p->sum[k] += (double)p->state[(size_t)i * (size_t)p->width + (size_t)k];
    if (p->fed < p->count) return;
    for (int k = 0; k < p->width; k++)
        p->vector[k] = (float)(p->sum[k] / (p->pooling == LT_POOL_MEAN ? p->count : 1));
    lt_unit_length(p->vector, p->width);
}

/* ---- log-probabilities ---- */

/* Only now: of many prompts that were begun, few are fed at a time. */
static void make_rows(struct lt_prompt_score *p)
{
    size_t vocab = (size_t)p->vocab;
    if (p->row) return;
    p->row = lt_alloc((size_t)LT_MIN(p->count, PART) * vocab * sizeof *p->row);
    p->last = lt_alloc(vocab * sizeof *p->last);
    p->work = lt_alloc(vocab * sizeof *p->work);
}

static struct lt_feed score_feed(struct lt_prompt_score *p, int n)
{
    make_rows(p);
    return (struct lt_feed){ .s = p->s.self, .token = p->token + p->fed, .n = n, .row = p->row, .rows = n };
}

static void take_rows(struct lt_prompt_score *p, const struct lt_feed *f)
{
    size_t vocab = (size_t)p->vocab;
    for (int i = 0; i < f->n; i++) {
        int at = p->fed - f->n + i;
        const float *before = i ? p->row + (size_t)(i - 1) * vocab : p->last;
        size_t top = (size_t)at * (size_t)p->tops;
        if (at) p->logp[at] = lt_row_logp(before, p->vocab, p->token[at], p->tops, p->top_token + top,
                                          p->top_logp + top, p->work);
    }
    memcpy(p->last, p->row + (size_t)(f->n - 1) * vocab, vocab * sizeof *p->last);
}

/* ---- both ---- */

int lt_prompt_score_steps(struct lt_prompt_score *const *p, int count, int *took)
{
    struct lt_feed f[LT_SCORE_TOGETHER];
    bool embeds = p[0]->pooling;
    int part = embeds ? EMBED_PART : PART, tokens = 0;
    for (*took = 0; *took < LT_MIN(count, LT_SCORE_TOGETHER); ++*took) {
        struct lt_prompt_score *q = p[*took];
        int n = LT_MIN(part, q->count - q->fed);
        if (*took && tokens + n > part) break;
        f[*took] = embeds ? embed_feed(q, n) : score_feed(q, n);
        tokens += n;
    }
    int rc = lt_feed_many(p[0]->s.type, f, *took);
    if (rc) return rc == LT_FULL ? LT_SCORE_FULL : -1;
    for (int i = 0; i < *took; i++) {
        p[i]->fed += f[i].n;
        if (embeds) take_states(p[i], &f[i]);
        else take_rows(p[i], &f[i]);
    }
    return 0;
}

int lt_prompt_score_step(struct lt_prompt_score *p)
{
    int took, rc = lt_prompt_score_steps(&p, 1, &took);
    return rc ? rc : lt_prompt_score_done(p) ? LT_SCORE_DONE : LT_SCORE_MORE;
}

bool lt_prompt_score_again(struct lt_prompt_score *p)
{
    if (!p->s.type || !p->fed || p->s.type->rewind(p->s.self, p->fed)) return false;
    p->fed = 0;
    if (p->sum) memset(p->sum, 0, (size_t)p->width * sizeof *p->sum);
    return true;
}

void lt_prompt_score_rest(struct lt_prompt_score *p)
{
    lt_session_close(&p->s);
    p->s = (struct lt_session){ 0 };
    free(p->row);
    free(p->last);
    free(p->work);
    free(p->state);
    free(p->sum);
    p->row = p->last = p->work = p->state = NULL;
    p->sum = NULL;
}

void lt_prompt_score_release(struct lt_prompt_score *p)
{
    lt_prompt_score_rest(p);
    free(p->logp);
    free(p->top_token);
    free(p->top_logp);
    free(p->vector);
    *p = (struct lt_prompt_score){ 0 };
}
