#include "decode/search/beams.h"
#include "base/ctx.h"
#include "decode/writing.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "math/kernel.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rewards ---- */

static bool holds(struct lt_str text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++) {
        size_t k = 0;
        while (k < n && tolower((unsigned char)text.p[i + k]) == tolower((unsigned char)word[k])) k++;
        if (k == n) return true;
    }
    return false;
}

double lt_reward(const struct lt_reward *r, struct lt_str text)
{
    double sum = 0;
    int found = 0;
    int64_t words = 0;
    for (int i = 0; i < r->keywords.count; i++) found += holds(text, r->keywords.item[i]);
    if (r->keywords.count) sum += r->keyword_weight * found / r->keywords.count;
    for (size_t i = 0; i < text.n; i++)
        words += !isspace((unsigned char)text.p[i]) && (!i || isspace((unsigned char)text.p[i - 1]));
    if (r->length) sum -= r->length_weight * fabs((double)(words - r->length)) / (double)r->length;
    return sum;
}

/* ---- one text ---- */

struct text {
    struct lt_session s;
    struct lt_chain *chain;
    int32_t *token; float *own;     /* prompt and text; the model's own log probability of each token of the text */
    int32_t *top_token; float *top_logp;    /* (text, ask's top_logprobs) of the model; NULL: not asked for */
    int count, prompt;
    double logp, worth;             /* after the controls; what decides */
    bool ended, cut;                /* cut: by a stop string, before which `kept` bytes of text lie */
    size_t kept;
    float *row, *score;             /* (vocab) logits of the next token; log probabilities after the controls */
    int group;
};
struct search {
    const struct lt_beams_how *how;
    struct lt_lm *lm;
    struct lt_ctx *c;
    const struct lt_ask *ask;
    const struct lt_tokenizer *t;
    struct text **live, **done;     /* (width) each; done: the best first */
    int live_count, done_count, vocab, known, most, tops;
};

static void drop(struct text *x)
{
    if (!x) return;
    lt_session_close(&x->s);
    lt_chain_free(x->chain);
    free(x->token);
    free(x->own);
    free(x->top_token);
    free(x->top_logp);
    free(x->row);
    free(x->score);
    free(x);
}

static struct text *text_new(const struct search *s, const int32_t *token, int count, int prompt)
{
    struct text *x = lt_calloc(1, sizeof *x);
    x->token = lt_alloc((size_t)(prompt + s->most) * sizeof *x->token);
    x->own = lt_calloc((size_t)s->most, sizeof *x->own);
    x->row = lt_alloc((size_t)s->vocab * sizeof *x->row);
    x->score = lt_alloc((size_t)s->vocab * sizeof *x->score);
    if (s->tops) {
        x->top_token = lt_calloc((size_t)s->most * (size_t)s->tops, sizeof *x->top_token);
        x->top_logp = lt_calloc((size_t)s->most * (size_t)s->tops, sizeof *x->top_logp);
    }
    memcpy(x->token, token, (size_t)count * sizeof *token);
    x->count = count;
    x->prompt = prompt;
    return x;
}

/* A copy that goes its own way. */
static int text_fork(const struct search *s, struct text *from, struct text **out)
{
    struct text *x = *out = text_new(s, from->token, from->count, from->prompt);
    const size_t written = (size_t)(from->count - from->prompt);
    memcpy(x->own, from->own, written * sizeof *x->own);
    if (s->tops) {
        memcpy(x->top_token, from->top_token, written * (size_t)s->tops * sizeof *x->top_token);
        memcpy(x->top_logp, from->top_logp, written * (size_t)s->tops * sizeof *x->top_logp);
    }
    memcpy(x->row, from->row, (size_t)s->vocab * sizeof *x->row);
    x->logp = from->logp;
    x->group = from->group;
    return lt_session_fork(&from->s, &x->s) || lt_chain_fork(from->chain, &x->chain) ? -1 : 0;
}

static bool ends(const struct search *s, int32_t id)
{
    for (int i = 0; i < s->ask->end_count; i++)
        if (id == s->ask->end[i]) return true;
    return s->t && id == lt_tokenizer_eos(s->t);
}

/* The text of a text, without what a stop string cut off. */
static int words_of(const struct search *s, const struct text *x, struct lt_buf *out)
{
    char *p;
    size_t n;
    if (lt_tokenizer_decode_from(s->t, x->token, (size_t)x->prompt, (size_t)x->count, false, &p, &n)) return -1;
    lt_buf_put(out, p, x->cut ? LT_MIN(n, x->kept) : n);
    free(p);
    return 0;
}

/* The first stop string ends a text before it. */
static int stop_at(const struct search *s, struct text *x)
{
    const struct lt_list *stop = s->ask->stop;
    struct lt_buf b = { 0 };
    if (!stop || !stop->count) return 0;
    if (words_of(s, x, &b)) return -1;
    for (int i = 0; i < stop->count; i++) {
        const char *at = b.n ? memmem(b.p, b.n, stop->item[i], strlen(stop->item[i])) : NULL;
        if (!at || (x->cut && (size_t)(at - b.p) >= x->kept)) continue;
        x->kept = (size_t)(at - b.p);
        x->ended = x->cut = true;
    }
    lt_buf_free(&b);
    return 0;
}

/* Takes a token whose score is known. */
static int extend(const struct search *s, struct text *x, int32_t id, double score)
{
    const int at = x->count - x->prompt, first = at * s->tops;
    float *work = lt_alloc((size_t)s->vocab * sizeof *work);
    x->own[at] = lt_row_logp(x->row, s->vocab, id, s->tops, s->tops ? x->top_token + first : NULL,
                             s->tops ? x->top_logp + first : NULL, work);
    free(work);
    lt_chain_accept(x->chain, id);
    x->token[x->count++] = id;
    x->logp += score;
    x->ended = ends(s, id);
    return x->ended ? 0 : stop_at(s, x);
}

static int judge(const struct search *s, struct text *x)
{
    struct lt_seq seq = { x->token, x->count, x->prompt };
    memcpy(x->score, x->row, (size_t)s->vocab * sizeof *x->score);
    for (int i = s->known; i < s->vocab; i++) x->score[i] = -INFINITY;
    if (lt_chain_apply(x->chain, seq, x->score, s->vocab)) return -1;
    lt_log_softmax(x->score, s->vocab, x->score);
    return 0;
}

/* Feeds each text what its session does not hold, all in one pass, and judges what could follow. */
static int look(const struct search *s, struct text *const *x, int n)
{
    struct lt_feed *f = lt_alloc((size_t)n * sizeof *f);
    for (int i = 0; i < n; i++) {
        int held = x[i]->s.type->count(x[i]->s.self);
        f[i] = (struct lt_feed){ .s = x[i]->s.self, .token = x[i]->token + held, .n = x[i]->count - held,
                                 .row = x[i]->row, .rows = 1 };
    }
    int rc = n ? lt_feed_many(x[0]->s.type, f, n) : 0;
    free(f);
    for (int i = 0; i < n && !rc; i++) rc = judge(s, x[i]);
    return rc ? -1 : 0;
}

/* ---- what texts are worth ---- */

static double normed(const struct search *s, double logp, int length)
{
    return s->how->length_penalty == 0 ? logp : logp / pow(length, s->how->length_penalty);
}

static int weigh(const struct search *s, struct text *x, const struct text *ahead)
{
    struct lt_buf b = { 0 };
    x->worth = x->logp;
    if (!s->how->reward) {
        if (x->ended || x->count - x->prompt == s->most) x->worth = normed(s, x->logp, x->count - x->prompt);
        return 0;
    }
    if (words_of(s, ahead, &b)) return -1;
    x->worth += s->how->weight * lt_reward(s->how->reward, lt_buf_view(&b));
    lt_buf_free(&b);
    return 0;
}

/* What lies ahead of each text: a greedy continuation in a fork. */
static int look_ahead(const struct search *s, struct text *const *x, int n)
{
    struct text **ahead = lt_calloc((size_t)n, sizeof *ahead), **on = lt_calloc((size_t)n, sizeof *on);
    int rc = 0, count = 1;
    for (int i = 0; i < n && !rc; i++) rc = text_fork(s, x[i], &ahead[i]);
    for (int i = 0; i < n && !rc; i++) ahead[i]->ended = x[i]->ended;
    for (int step = 0; step < s->how->lookahead && count && !rc; step++) {
        count = 0;
        for (int i = 0; i < n; i++)
            if (!ahead[i]->ended && ahead[i]->count - ahead[i]->prompt < s->most) on[count++] = ahead[i];
        rc = look(s, on, count);
        for (int i = 0; i < count && !rc; i++) {
            int32_t id = lt_argmax(on[i]->score, s->vocab);
            rc = extend(s, on[i], id, (double)on[i]->score[id]);
        }
    }
    for (int i = 0; i < n && !rc; i++) rc = weigh(s, x[i], ahead[i]);
    for (int i = 0; i < n; i++) drop(ahead[i]);
    free(ahead);
    free(on);
    return rc;
}

/* ---- candidates ---- */

struct candidate { int from; int32_t token; double score, rank; struct text *text; };

static int by_rank(const void *a, const void *b, void *unused)
{
    const struct candidate *x = a, *y = b;
    (void)unused;
    if (x->rank != y->rank) return x->rank > y->rank ? -1 : 1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* The most promising tokens of each live text of a group; chosen counts what groups before took. */
static int candidates(const struct search *s, int group, const int *chosen, int top, struct candidate *out)
{
    int n = 0;
    for (int i = 0; i < s->live_count; i++) {
        struct text *x = s->live[i];
        if (x->group != group) continue;
        for (int v = 0; v < s->vocab && chosen; v++) x->score[v] -= (float)(s->how->diversity * chosen[v]);
        for (int k = 0; k < LT_MIN(top, s->vocab); k++) {
            int32_t id = lt_argmax(x->score, s->vocab);
            double rank = (double)x->score[id], score = rank + (chosen ? s->how->diversity * chosen[id] : 0);
            if (!(rank > -INFINITY)) break;
            out[n++] = (struct candidate){ .from = i, .token = id, .score = score, .rank = x->logp + rank };
            x->score[id] = -INFINITY;
        }
    }
    return n;
}

static int make_text(const struct search *s, struct candidate *c)
{
    if (text_fork(s, s->live[c->from], &c->text)) return -1;
    return extend(s, c->text, c->token, c->score);
}

/* Texts with a reward are made before they are ranked. */
static int rank_by_reward(const struct search *s, struct candidate *c, int n)
{
    struct text **x = lt_alloc((size_t)n * sizeof(struct text *));
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        rc = make_text(s, &c[i]);
        x[i] = c[i].text;
    }
    if (!rc) rc = look_ahead(s, x, n);
    for (int i = 0; i < n && !rc; i++) c[i].rank = x[i]->worth;
    free(x);
    return rc;
}

/* A finished text takes its place among the best. */
static void finish(struct search *s, struct text *x)
{
    int at = s->done_count;
    while (at && x->worth > s->done[at - 1]->worth) at--;
    if (at == s->how->width) {
        drop(x);
        return;
    }
    if (s->done_count == s->how->width) drop(s->done[--s->done_count]);
    memmove(s->done + at + 1, s->done + at, (size_t)(s->done_count++ - at) * sizeof(struct text *));
    s->done[at] = x;
    lt_session_close(&x->s);
}

/* Chooses a group's next texts: as many live ones as it has room for, and the finished ones that rank before them. */
static int choose(struct search *s, struct candidate *c, int n, int room, struct text **next, int *next_count,
                  int *chosen)
{
    int rc = s->how->reward ? rank_by_reward(s, c, n) : 0;
    lt_sort(c, (size_t)n, sizeof *c, by_rank, NULL);
    for (int i = 0; i < n; i++) {
        struct text *x = NULL;
        if (!rc && room) {
            rc = c[i].text ? 0 : make_text(s, &c[i]);
            x = c[i].text;
            if (!rc && !s->how->reward) rc = weigh(s, x, x);
        }
        if (rc || !x) {
            drop(c[i].text);
            continue;
        }
        if (chosen) chosen[c[i].token]++;
        bool ended = x->ended, finished = ended || x->count - x->prompt == s->most;
        if (finished) finish(s, x);
        else next[(*next_count)++] = x;
        room -= !ended;
    }
    return rc;
}

/* No live text can become better than the worst that is kept. */
static bool settled(const struct search *s)
{
    double best = -INFINITY;
    if (s->done_count < s->how->width || s->how->reward) return false;
    for (int i = 0; i < s->live_count; i++) {
        const struct text *x = s->live[i];
        int length = s->how->length_penalty > 0 ? s->most : x->count - x->prompt + 1;
        best = fmax(best, normed(s, x->logp, length));
    }
    return best <= s->done[s->done_count - 1]->worth;
}

static int step(struct search *s)
{
    const struct lt_beams_how *how = s->how;
    int room = how->width / how->groups, top = how->top ? how->top : room + s->ask->end_count + 1, count = 0, rc;
    struct text **next = lt_calloc((size_t)how->width, sizeof *next);
    struct candidate *c = lt_alloc((size_t)how->width * (size_t)LT_MIN(top, s->vocab) * sizeof *c);
    int *chosen = how->groups > 1 ? lt_calloc((size_t)s->vocab, sizeof *chosen) : NULL;
    rc = look(s, s->live, s->live_count);
    for (int g = 0; g < how->groups && !rc; g++)
        rc = choose(s, c, candidates(s, g, chosen, top, c), room, next, &count, chosen);
    for (int i = 0; i < s->live_count; i++) drop(s->live[i]);
    memcpy(s->live, next, (size_t)count * sizeof *next);
    s->live_count = count;
    free(next);
    free(c);
    free(chosen);
    return rc;
}

/* ---- from the prompt to the reply ---- */

static int begin(struct search *s)
{
    int32_t *id = NULL;
    int count = 0;
    struct lt_session first;
    if (!s->lm->type->session)
        return lt_misuse("%s models give no logits and cannot be searched", s->lm->type->m.name);
    if (s->how->reward && !s->t) return lt_misuse("rewards of a text need a model with a tokenizer");
    if (lt_ask_check_stop(s->ask, s->t)) return -1;
    if (s->how->width % s->how->groups)
        return lt_misuse("groups: expected a divisor of the width %d, found %d", s->how->width, s->how->groups);
    if (lt_lm_session(s->lm, s->ask->adapter, &first)) return -1;
    int limit = first.type->limit(first.self), rc = lt_ask_ids(s->ask, s->t, limit, &id, &count);
    s->vocab = rc ? -1 : lt_session_vocab(&first);
    s->most = limit ? LT_MIN(s->ask->max_tokens, limit - count) : s->ask->max_tokens;
    s->tops = LT_MAX(s->ask->top_logprobs, 0);
    s->known = s->t ? LT_MIN(lt_tokenizer_vocab(s->t), s->vocab) : s->vocab;
    if (s->vocab < 0) {
        lt_session_close(&first);
        free(id);
        return -1;
    }
    struct text *x = s->live[s->live_count++] = text_new(s, id, count, count);
    x->s = first;
    free(id);
    rc = lt_chain_open(s->ask->controls, s->lm, &x->chain);
    for (int g = 1; g < s->how->groups && !rc; g++) {
        rc = text_fork(s, x, &s->live[s->live_count++]);
        s->live[g]->group = g;
    }
    return rc;
}

/* The text of a finished search: without its end token, or up to the stop string. */
static int shown(const struct search *s, const struct text *x, struct lt_buf *out)
{
    struct text seen = *x;
    if (x->ended && !x->cut) seen.count--;
    if (s->t && seen.count > x->prompt && words_of(s, &seen, out)) return -1;
    lt_buf_put(out, "", 0);
    return 0;
}

static int reply(const struct search *s, struct text *x, struct lt_reply *out)
{
    struct lt_buf b = { 0 };
    *out = (struct lt_reply){ .count = x->count - x->prompt, .prompt_count = x->prompt,
                              .finish = x->ended ? "stop" : "length" };
    if (shown(s, x, &b)) {
        lt_buf_free(&b);
        return -1;
    }
    out->token = lt_alloc((size_t)out->count * sizeof *out->token);
    memcpy(out->token, x->token + x->prompt, (size_t)out->count * sizeof *out->token);
    out->logp = x->own;
    out->top_token = x->top_token;
    out->top_logp = x->top_logp;
    x->own = x->top_logp = NULL;
    x->top_token = NULL;
    out->text = b.p;
    out->text_size = b.n;
    lt_ask_stream_all(s->ask, out);
    return 0;
}

int lt_beams_run(const struct lt_beams_how *how, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask,
                 struct lt_reply *out)
{
    struct search s = { .how = how, .lm = lm, .c = c, .ask = ask };
    s.t = lt_lm_tokenizer(lm);
    s.live = lt_calloc((size_t)LT_MAX(how->width, how->groups), sizeof *s.live);
    s.done = lt_calloc((size_t)how->width + 1, sizeof *s.done);
    int rc = begin(&s);
    while (!rc && s.live_count && !settled(&s)) rc = lt_ctx_interrupted(c) ? lt_fail("interrupted") : step(&s);
    if (!rc && !s.done_count) rc = lt_fail("the search found no text");
    if (!rc) rc = reply(&s, s.done[0], out);
    for (int i = 0; i < s.live_count; i++) drop(s.live[i]);
    for (int i = 0; i < s.done_count; i++) drop(s.done[i]);
    free(s.live);
    free(s.done);
    return rc;
}
