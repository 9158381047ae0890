#include "decode/batcher.h"
#include "base/ctx.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 8,                      /* replies at once by default */
    PASS = 256,                     /* tokens fed at once: prompts are read in parts, so that running replies go on */
    LEAST = 32,                     /* of which prompts have these at least, however many replies run */
    AHEAD = 8,                      /* tokens guessed at a time of text that must come, where nothing else guesses */
    WORTH = 16,                     /* common tokens that are worth a fork, or waiting for another prompt */
};
struct reply {                      /* one that was asked for */
    struct reply *next;
    struct lt_writing w;
    void *tag;
    char *error;
    uint64_t number;                /* order of arrival */
};
struct seat {
    struct lt_session s;            /* stays when a reply leaves: the next may begin alike.  type NULL: not open */
    char *adapter;                  /* of the session; NULL: the model's default */
    int32_t *token; int held, cap;  /* what the session holds */
    struct reply *r;                /* NULL: free */
    struct lt_draft draft; bool guesses;    /* guesses: the draft is open */
    float *row; int rows;           /* (rows, vocab), as many as were needed at once */
};
struct lt_batcher {
    struct lt_lm *lm;
    struct lt_ctx *c;
    struct lt_batcher_how how;
    struct lt_lm guesser;           /* the model's own; of a zero type: none */
    const struct lt_tokenizer *t;
    struct seat *seat;
    int vocab, limit;
    int crowd;                      /* replies at once for which there is memory, as far as is known */
    uint64_t count;                 /* of asks */
    struct reply *queue, **queue_end, *done, **done_end;
    struct lt_batcher_sums sums;
};

static bool drafts(const struct lt_batcher *b) { return b->how.draft.tokens > 0; }

static bool same_adapter(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

/* ---- replies ---- */

static void put(struct reply ***end, struct reply *r)
{
    r->next = NULL;
    **end = r;
    *end = &r->next;
}

static void finish(struct lt_batcher *b, struct reply *r, bool failed)
{
    if (failed) r->error = lt_strdup(lt_error());
    put(&b->done_end, r);
}

static void free_reply(struct reply *r)
{
    lt_writing_release(&r->w);
    free(r->error);
    free(r);
}

/* A session can be had with it. */
static int check_adapter(struct lt_batcher *b, const char *adapter)
{
    struct lt_session s;
    if (!adapter) return 0;
    int rc = lt_lm_session(b->lm, adapter, &s);
    lt_session_close(&s);
    return rc;
}

int lt_batcher_add(struct lt_batcher *b, const struct lt_ask *ask, void *tag)
{
    if (check_adapter(b, ask->adapter)) return -1;
    struct reply *r = lt_calloc(1, sizeof *r);
    r->tag = tag;
    if (lt_writing_begin(&r->w, b->lm, ask, b->limit, b->vocab)) {
        free_reply(r);
        return -1;
    }
    r->number = b->count++;
    if (r->w.finished) finish(b, r, false);
    else put(&b->queue_end, r);
    return 0;
}

bool lt_batcher_take(struct lt_batcher *b, struct lt_done *out)
{
    struct reply *r = b->done;
    if (!r) return false;
    if (!(b->done = r->next)) b->done_end = &b->done;
    *out = (struct lt_done){ .tag = r->tag };
    if (!r->error && lt_writing_end(&r->w, &out->reply)) r->error = lt_strdup(lt_error());
    out->error = r->error;
    r->error = NULL;
    free_reply(r);
    return true;
}

int lt_batcher_waiting(const struct lt_batcher *b)
{
    int n = 0;
    for (const struct reply *r = b->queue; r; r = r->next) n++;
    return n;
}

struct lt_batcher_sums lt_batcher_sums(const struct lt_batcher *b) { return b->sums; }

static void leave(struct lt_batcher *b, struct seat *s, bool failed)
{
    finish(b, s->r, failed);
    s->r = NULL;
    b->crowd = LT_MIN(b->crowd + 1, b->how.batch);
}

/* ---- seats ---- */

/* A seat whose session has another adapter gets a new one. */
static int open_seat(struct lt_batcher *b, struct seat *s, const char *adapter)
{
    if (s->s.type && !same_adapter(s->adapter, adapter)) {
        lt_session_close(&s->s);
        s->held = 0;
    }
    if (!s->s.type) {
        if (lt_lm_session(b->lm, adapter, &s->s)) return -1;
        free(s->adapter);
        s->adapter = adapter ? lt_strdup(adapter) : NULL;
    }
    if (!drafts(b) || s->guesses) return 0;
    s->guesses = true;
    return lt_draft_open(&s->draft, &b->how.draft, b->vocab);
}

static void hold(struct seat *s, const int32_t *token, int n)
{
    if (s->held + n > s->cap) {
        s->cap = 2 * (s->held + n);
        s->token = lt_realloc(s->token, (size_t)s->cap * sizeof *s->token);
    }
    memcpy(s->token + s->held, token, (size_t)n * sizeof *token);
    s->held += n;
}

static int cut(struct seat *s, int count)
{
    if (s->held > count && s->s.type->rewind(s->s.self, s->held - count)) return -1;
    s->held = LT_MIN(s->held, count);
    return 0;
}

static int common(const int32_t *a, int na, const int32_t *b, int nb)
{
    int n = LT_MIN(na, nb), i = 0;
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/* Tokens of a reply that need not be fed when a session holds those of s; the last is always fed, for its logits. */
static int spared(const struct seat *s, const struct reply *r)
{
    if (!same_adapter(s->adapter, r->w.ask.adapter)) return 0;
    return common(s->token, s->held, r->w.token, r->w.count - 1);
}

/* No other session would have to be given up. */
static bool suits(const struct seat *s, const struct reply *r)
{
    return !s->s.type || same_adapter(s->adapter, r->w.ask.adapter);
}

/* The free seat whose session holds most of what the reply begins with. */
static struct seat *free_seat(struct lt_batcher *b, const struct reply *r)
{
    struct seat *best = NULL;
    for (int i = 0; i < b->how.batch; i++) {
        struct seat *s = &b->seat[i];
        if (s->r) continue;
        int more = best ? spared(s, r) - spared(best, r) : 1;
        if (more > 0 || (!more && suits(s, r) && !suits(best, r))) best = s;
    }
    return best;
}

static int seated(const struct lt_batcher *b)
{
    int n = 0;
    for (int i = 0; i < b->how.batch; i++) n += b->seat[i].r != NULL;
    return n;
}

static int enter(struct lt_batcher *b)
{
    for (int active = seated(b); b->queue && active < b->crowd; active++) {
        struct reply *r = b->queue;
        struct seat *s = free_seat(b, r);
        if (open_seat(b, s, r->w.ask.adapter)) return -1;
        if (!(b->queue = r->next)) b->queue_end = &b->queue;
        s->r = r;
        s->draft.held = 0;
        if (cut(s, spared(s, r))) return -1;
    }
    return 0;
}

/* Where another seat's session holds, or will hold, much more of what this reply begins with: takes a fork of it, or
 * waits.  1: waits; -1. */
static int join(struct lt_batcher *b, struct seat *s)
{
    struct reply *r = s->r;
    struct seat *best = NULL;
    int most = s->held + WORTH - 1;
    for (int i = 0; i < b->how.batch && s->s.type->fork; i++) {
        struct seat *o = &b->seat[i];
        bool older = o->r && o->r->number < r->number && same_adapter(o->r->w.ask.adapter, r->w.ask.adapter);
        int have = o == s ? 0 : spared(o, r);
        int will = older ? common(o->r->w.token, o->r->w.count, r->w.token, r->w.count - 1) : 0;
        if (LT_MAX(have, will) <= most) continue;
        most = LT_MAX(have, will);
        best = o;
    }
    if (!best) return 0;
    int have = spared(best, r);
    if (have < most) return 1;
    struct lt_session fork;
    if (lt_session_fork(&best->s, &fork)) return -1;
    lt_session_close(&s->s);
    s->s = fork;
    s->held = 0;
    hold(s, best->token, best->held);
    return cut(s, have);
}

/* ---- passes ---- */

struct work { struct seat *seat; struct lt_feed feed; int32_t *token; int guesses; };

/* Tokens that are not fed yet. */
static int left(const struct seat *s) { return s->r->w.count - s->held; }

/* Each seat's tokens of this pass: one for a reply that runs; prompts share the others, the oldest first, so that its
 * first token need not wait for those of the younger.  Seats that get none drop out; how many are left. */
static int share(struct seat **s, int *part, int n)
{
    int room = PASS, some = 0;
    for (int i = 1; i < n; i++)
        for (int k = i; k && s[k]->r->number < s[k - 1]->r->number; k--) {
            struct seat *swap = s[k];
            s[k] = s[k - 1];
            s[k - 1] = swap;
        }
    for (int i = 0; i < n; i++) room -= left(s[i]) == 1;
    room = LT_MAX(room, LEAST);
    for (int i = 0; i < n; i++) {
        int want = left(s[i]), got = want == 1 ? 1 : LT_MIN(want, room);
        room -= want == 1 ? 0 : got;
        if (!got) continue;
        s[some] = s[i];
        part[some++] = got;
    }
    return some;
}

/* What a seat is fed in this pass: its next n tokens, and guesses behind the last. */
static void plan(struct seat *s, int n, struct work *w)
{
    const struct lt_writing *t = &s->r->w;
    *w = (struct work){ .seat = s };
    w->guesses = n == left(s) ? s->draft.count : 0;
    if (s->rows < w->guesses + 1) {
        s->rows = w->guesses + 1;
        s->row = lt_realloc(s->row, (size_t)s->rows * (size_t)t->vocab * sizeof *s->row);
    }
    w->token = lt_alloc((size_t)(n + w->guesses) * sizeof *w->token);
    memcpy(w->token, t->token + s->held, (size_t)n * sizeof *w->token);
    if (w->guesses) memcpy(w->token + n, s->draft.token, (size_t)w->guesses * sizeof *w->token);
    w->feed = (struct lt_feed){ .s = s->s.self, .token = w->token, .n = n + w->guesses, .row = s->row,
                                .rows = n == left(s) ? 1 + w->guesses : 0 };
}

/* Guesses for every place whose logits this pass brings: also where a reply that was set back goes on. */
static int guess(struct lt_batcher *b, struct seat **s, const int *part, int n)
{
    if (!drafts(b)) return 0;
    struct lt_drafted *all = lt_alloc((size_t)n * sizeof *all);
    int count = 0;
    for (int i = 0; i < n; i++) {
        s[i]->draft.count = 0;
        if (part[i] == left(s[i]))
            all[count++] = (struct lt_drafted){ &s[i]->draft, &s[i]->r->w };
    }
    int rc = count ? lt_draft_guess(&b->how.draft, all, count) : 0;
    free(all);
    return rc;
}

/* What comes after the feed: the next token or tokens. */
static int go_on(struct lt_batcher *b, struct work *w)
{
    struct seat *s = w->seat;
    struct lt_writing *t = &s->r->w;
    int before = t->reply.count, kept = 0, rc;
    hold(s, w->feed.token, w->feed.n);
    b->sums.fed += w->feed.n;
    if (!w->feed.rows) return 0;
    if (w->guesses) {
        rc = kept = lt_draft_judge(&s->draft, t, s->row);
        if (s->draft.forced) b->sums.forced += LT_MAX(kept, 0);
        else {
            b->sums.guessed += w->guesses;
            b->sums.kept += LT_MAX(kept, 0);
        }
    } else {
        rc = lt_writing_shape(t, t->chain, s->row);
        if (!rc) rc = lt_writing_take(t, lt_writing_pick(t), s->row);
    }
    b->sums.written += t->reply.count - before;
    if (!before && t->reply.count && b->how.first_token) b->how.first_token(b->how.self, s->r->tag);
    if (rc < 0 || t->finished) leave(b, s, rc < 0);
    return cut(s, s->held - w->guesses + LT_MAX(kept, 0));
}

/* Room for the others: what free seats hold, or else the reply that came last begins again later; one that is alone
 * gives up. */
static int set_back(struct lt_batcher *b)
{
    struct seat *last = NULL;
    int freed = 0, active = seated(b);
    for (int i = 0; i < b->how.batch; i++) {
        struct seat *s = &b->seat[i];
        if (s->r && (!last || s->r->number > last->r->number)) last = s;
        if (s->r || !s->held) continue;
        freed += s->held;
        if (cut(s, 0)) return -1;
    }
    if (freed) return 0;
    if (!last) return -1;
    if (active < 2 && b->how.make_room && b->how.make_room(b->how.self)) return 0;
    if (active < 2) {
        leave(b, last, true);
        return cut(last, 0);
    }
    b->sums.set_back++;
    b->crowd = active - 1;
    struct reply *r = last->r, **at = &b->queue;
    last->r = NULL;
    while (*at && (*at)->number < r->number) at = &(*at)->next;
    if (!*at) b->queue_end = &r->next;
    r->next = *at;
    *at = r;
    return cut(last, 0);
}

static int pass(struct lt_batcher *b, struct work *w, int n)
{
    struct lt_feed *f = lt_alloc((size_t)n * sizeof *f);
    for (int i = 0; i < n; i++) f[i] = w[i].feed;
    int rc = lt_feed_many(w->seat->s.type, f, n);
    free(f);
    b->sums.passes++;
    if (rc == LT_FULL) return set_back(b);
    for (int i = 0; i < n && !rc; i++) rc = go_on(b, &w[i]);
    return rc ? -1 : 0;
}

static void interrupt(struct lt_batcher *b)
{
    for (int i = 0; i < b->how.batch; i++) {
        struct seat *s = &b->seat[i];
        if (!s->r) continue;
        lt_writing_stop(&s->r->w, "interrupted");
        leave(b, s, false);
    }
    while (b->queue) {
        struct reply *r = b->queue;
        if (!(b->queue = r->next)) b->queue_end = &b->queue;
        lt_writing_stop(&r->w, "interrupted");
        finish(b, r, false);
    }
}

void lt_batcher_cancel(struct lt_batcher *b, const void *tag)
{
    for (int i = 0; i < b->how.batch; i++) {
        struct seat *s = &b->seat[i];
        if (!s->r || s->r->tag != tag) continue;
        lt_writing_stop(&s->r->w, "interrupted");
        leave(b, s, false);
    }
    for (struct reply **at = &b->queue, *r; (r = *at);) {
        if (r->tag != tag) {
            at = &r->next;
            continue;
        }
        if (!(*at = r->next)) b->queue_end = at;
        lt_writing_stop(&r->w, "interrupted");
        finish(b, r, false);
    }
}

int lt_batcher_step(struct lt_batcher *b)
{
    if (lt_ctx_interrupted(b->c)) interrupt(b);
    if (enter(b)) return -1;
    struct seat **s = lt_alloc((size_t)b->how.batch * sizeof(struct seat *));
    struct work *w = lt_calloc((size_t)b->how.batch, sizeof *w);
    int *part = lt_alloc((size_t)b->how.batch * sizeof *part), n = 0, rc = 0, active = 0;
    for (int i = 0; i < b->how.batch && !rc; i++) {
        if (!b->seat[i].r) continue;
        active++;
        int waits = left(&b->seat[i]) > 1 ? join(b, &b->seat[i]) : 0;
        if (waits < 0) rc = -1;
        else if (!waits) s[n++] = &b->seat[i];
    }
    if (!rc) n = share(s, part, n);
    if (!rc && n) rc = guess(b, s, part, n);
    for (int i = 0; i < n && !rc; i++) plan(s[i], part[i], &w[i]);
    if (!rc && n) rc = pass(b, w, n);
    for (int i = 0; i < n; i++) free(w[i].token);
    free(part);
    free(w);
    free(s);
    return rc ? -1 : active > 0;
}

/* ---- life ---- */

void lt_batcher_close(struct lt_batcher *b)
{
    if (!b) return;
    for (int i = 0; i < b->how.batch; i++) {
        struct seat *s = &b->seat[i];
        if (s->r) free_reply(s->r);
        lt_draft_close(&s->draft);
        lt_session_close(&s->s);
        free(s->adapter);
        free(s->token);
        free(s->row);
    }
    for (struct reply *r = b->queue, *next; r; r = next) {
        next = r->next;
        free_reply(r);
    }
    for (struct reply *r = b->done, *next; r; r = next) {
        next = r->next;
        free_reply(r);
    }
    lt_lm_close(&b->guesser);
    free(b->how.draft.id);
    free(b->seat);
    free(b);
}

/* Where nobody is asked to guess, the model may bring somebody; else only what must come is guessed. */
static int choose_guesser(struct lt_batcher *b)
{
    struct lt_draft_how *d = &b->how.draft;
    d->forced = !b->how.step_by_step;
    if (d->lm || d->lookup) return 0;
    int given = b->lm->type->guesser ? b->lm->type->guesser(b->lm->self, &b->guesser, &d->tokens) : 0;
    if (given > 0) d->lm = &b->guesser;
    else d->tokens = d->forced ? AHEAD : 0;
    return given < 0 ? -1 : 0;
}

int lt_batcher_open(struct lt_lm *lm, struct lt_ctx *c, const struct lt_batcher_how *how, struct lt_batcher **out)
{
    if (!lm->type->session) return lt_misuse("%s models give no logits and cannot write", lm->type->m.name);
    if (how->draft.lm && !how->draft.lm->type->session)
        return lt_misuse("draft: %s models give no logits and cannot guess", how->draft.lm->type->m.name);
    struct lt_batcher *b = lt_calloc(1, sizeof *b);
    *b = (struct lt_batcher){ .lm = lm, .c = c, .how = *how, .queue_end = &b->queue, .done_end = &b->done };
    if (b->how.batch <= 0) b->how.batch = BATCH;
    b->crowd = b->how.batch;
    b->t = lt_lm_tokenizer(lm);
    b->seat = lt_calloc((size_t)b->how.batch, sizeof *b->seat);
    struct lt_session first;
    int rc = choose_guesser(b) || lm->type->session(lm->self, &first) ? -1 : 0;
    if (!rc) {
        b->vocab = lt_session_vocab(&first);
        b->limit = first.type->limit(first.self);
        lt_session_close(&first);
        if (b->vocab < 0) rc = -1;
    }
    if (!rc && b->how.draft.lm) rc = open_seat(b, &b->seat[0], NULL);
    if (!rc && b->how.draft.lm) rc = lt_draft_match(&b->how.draft, &b->seat[0].draft.s, b->t, b->vocab);
    if (rc) lt_batcher_close(b);
    else *out = b;
    return rc;
}
