#include "serve/engine.h"
#include "base/ctx.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "serve/answer.h"
#include "serve/engine_state.h"
#include <stdlib.h>
#include <time.h>

const char *lt_engine_name(const struct lt_engine *e) { return e->how.name; }
const struct lt_tokenizer *lt_engine_tokenizer(const struct lt_engine *e) { return e->t; }
int lt_engine_limit(const struct lt_engine *e) { return e->limit; }
int lt_engine_vocab(const struct lt_engine *e) { return e->vocab; }

struct lt_engine_sums lt_engine_sums(struct lt_engine *e)
{
    pthread_mutex_lock(&e->mutex);
    struct lt_engine_sums s = e->sums;
    s.waiting = LT_MAX(0, e->asked - s.running);
    pthread_mutex_unlock(&e->mutex);
    return s;
}

static void first_token(void *self, void *tag)
{
    struct lt_slot *s = tag;
    (void)self;
    if (s->x->first_at <= 0) s->x->first_at = lt_clock();
}

/* Prompts that are scored begin again when a reply has left. */
static bool make_room(void *self)
{
    struct lt_engine *e = self;
    bool some = false;
    e->score_waits = true;
    for (struct lt_exchange *x = e->active; x; x = x->next)
        for (int i = 0; i < lt_exchange_prompts(x); i++) some |= lt_prompt_score_again(&x->prompt[i].score);
    return some;
}

static int open_batcher(struct lt_engine *e)
{
    struct lt_batcher_how how = { .batch = e->how.batch, .first_token = first_token, .make_room = make_room,
                                  .self = e };
    if (e->batcher) e->passes_before += lt_batcher_sums(e->batcher).passes;
    lt_batcher_close(e->batcher);
    e->batcher = NULL;
    e->writing = 0;
    return lt_batcher_open(e->lm, NULL, &how, &e->batcher);
}

/* ---- exchanges ---- */

static void finish(struct lt_engine *e, struct lt_exchange *x)
{
    struct lt_exchange **at = &e->active;
    while (*at && *at != x) at = &(*at)->next;
    if (*at) *at = x->next;
    for (int i = 0; i < lt_exchange_prompts(x); i++) lt_prompt_score_rest(&x->prompt[i].score);
    pthread_mutex_lock(&e->mutex);
    if (x->req.stream && !x->gone) lt_answer_end(x, &x->out);
    if (!x->fault.status)
        for (int i = 0; i < x->slots; i++) {
            if (i % x->req.n == 0) e->sums.prompt_tokens += x->prompt[x->slot[i].prompt].count;
            e->sums.written_tokens += x->slot[i].reply.count;
        }
    e->asked -= x->slots;
    x->finished = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&e->mutex);
}

/* Of a slot or a score. */
static void one_done(struct lt_engine *e, struct lt_exchange *x)
{
    if (!--x->left) finish(e, x);
}

/* The batcher gives the replies back as interrupted; scores end here. */
static void cancel(struct lt_engine *e, struct lt_exchange *x)
{
    if (x->cancelled) return;
    x->cancelled = true;
    for (int i = 0; i < x->slots; i++)
        if (!x->slot[i].done) lt_batcher_cancel(e->batcher, &x->slot[i]);
    int prompts = lt_exchange_prompts(x), scores = 0;
    for (int i = 0; i < prompts; i++) {
        scores += x->prompt[i].scoring;
        x->prompt[i].scoring = false;
        lt_prompt_score_rest(&x->prompt[i].score);
    }
    for (; scores; scores--) one_done(e, x);
}

static void early_fault(struct lt_exchange *x)
{
    bool late = x->cut && !strcmp(x->cut, "timeout");
    lt_fault_set(&x->fault, 503, NULL, x->cut ? x->cut : "interrupted",
                 late ? "the request took longer than this server gives one" : "the server stops");
}

/* Replies that have begun are handed back as far as they are written. */
static void cut_short(struct lt_engine *e, struct lt_exchange *x, const char *why)
{
    x->cut = x->cut ? x->cut : why;
    for (int i = 0; i < lt_exchange_prompts(x); i++)
        if (x->prompt[i].scoring) early_fault(x);
    cancel(e, x);
}

static int put_piece(void *self, const struct lt_reply_part *piece)
{
    struct lt_slot *s = self;
    struct lt_exchange *x = s->x;
    struct lt_engine *e = x->engine;
    pthread_mutex_lock(&e->mutex);
    bool gone = x->gone;
    if (!gone) lt_answer_piece(s, piece, &x->out);
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&e->mutex);
    return gone;
}

static void slot_done(struct lt_engine *e, struct lt_slot *s, char *error)
{
    struct lt_exchange *x = s->x;
    s->done = true;
    if (error) lt_fault_set(&x->fault, 500, NULL, "not_written", "%s", error);
    else if (!strcmp(s->reply.finish, "interrupted")) {
        if (x->cut && s->reply.count) s->reply.finish = "length";
        else early_fault(x);
    }
    if (error) cancel(e, x);
    one_done(e, x);
}

/* A reply of no tokens needs no pass: the prompt alone is asked about. */
static int add_slot(struct lt_engine *e, struct lt_slot *s)
{
    if (s->x->req.stream) {
        s->ask.stream = put_piece;
        s->ask.stream_self = s;
    }
    if (lt_batcher_add(e->batcher, &s->ask, s)) return -1;
    e->writing++;
    return 0;
}

static void take_finished(struct lt_engine *e)
{
    struct lt_done d;
    while (lt_batcher_take(e->batcher, &d)) {
        struct lt_slot *s = d.tag;
        s->reply = d.reply;
        e->writing--;
        e->score_waits = false;
        slot_done(e, s, d.error);
        free(d.error);
    }
}

/* Whose control cannot be made for this model, or NULL. */
static const char *field_at_fault(struct lt_engine *e, const struct lt_exchange *x)
{
    const struct lt_choices *all = x->req.controls;
    for (int i = 0; i < all->count; i++) {
        struct lt_choices one = { .item = &all->item[i], .count = 1, .ordered = true };
        const char *name = all->item[i].method->name;
        struct lt_chain *chain;
        if (lt_chain_open(&one, e->lm, &chain)) return strcmp(name, "logit_bias") ? x->req.form : name;
        lt_chain_free(chain);
    }
    return NULL;
}

static void admit(struct lt_engine *e, struct lt_exchange *x)
{
    int prompts = lt_exchange_prompts(x), rc = 0, i;
    bool writes = x->req.max_tokens != 0;
    struct lt_exchange **end = &e->active;
    while (*end) end = &(*end)->next;
    *end = x;
    x->next = NULL;
    x->left = x->slots + 1;                 /* one for this function, so that nothing finishes below it */
    for (i = 0; i < prompts && !rc; i++) {
        struct lt_asked *p = &x->prompt[i];
        if (!p->scoring) continue;
        rc = x->req.embed ? lt_prompt_embed_begin(&p->score, e->lm, x->req.adapter, p->id, p->count,
                                                  e->how.pooling)
                          : lt_prompt_score_begin(&p->score, e->lm, x->req.adapter, p->id, p->count,
                                                  (int)x->req.tops);
        p->scoring = !rc;
        x->left += !rc;
    }
    for (; i < prompts; i++) x->prompt[i].scoring = false;
    for (i = 0; i < x->slots && !rc && writes; i++) rc = add_slot(e, &x->slot[i]);
    int added = writes ? rc ? LT_MAX(i - 1, 0) : i : 0;
    if (rc) {                               /* what the checks before could not see: a grammar that is none, say */
        char *why = lt_strdup(lt_error());
        lt_fault_set(&x->fault, 400, field_at_fault(e, x), "invalid_value", "%s", why);
        free(why);
        cancel(e, x);
    }
    for (i = added; i < x->slots; i++) {
        x->slot[i].done = true;
        x->slot[i].reply = (struct lt_reply){ .finish = "length" };
        x->left--;
    }
    x->begun_at = lt_clock();
    pthread_mutex_lock(&e->mutex);
    x->admitted = !rc;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&e->mutex);
    one_done(e, x);
}

static void refuse(struct lt_engine *e, struct lt_exchange *x)
{
    lt_fault_set(&x->fault, 503, NULL, "stopping", "the server stops and takes no further requests");
    finish(e, x);
}

/* ---- the loop ---- */

/* Prompts of an exchange that are to be scored still. */
static int some_scores(struct lt_exchange *x, struct lt_prompt_score **out)
{
    int n = 0;
    for (int i = 0; i < lt_exchange_prompts(x) && n < LT_SCORE_TOGETHER; i++)
        if (x->prompt[i].scoring) out[n++] = &x->prompt[i].score;
    return n;
}

static void scores_done(struct lt_engine *e, struct lt_exchange *x)
{
    int done = 0;
    for (int i = 0; i < lt_exchange_prompts(x); i++) {
        struct lt_asked *p = &x->prompt[i];
        if (!p->scoring || !lt_prompt_score_done(&p->score)) continue;
        p->scoring = false;
        lt_prompt_score_rest(&p->score);
        done++;
    }
    for (; done; done--) one_done(e, x);
}

/* A part of the first prompts that are to be scored; -1: there is no batcher any more. */
static int score_some(struct lt_engine *e)
{
    struct lt_prompt_score *some[LT_SCORE_TOGETHER];
    struct lt_exchange *x = e->active;
    int count = 0, took;
    while (x && !(count = some_scores(x, some))) x = x->next;
    if (!count || (e->score_waits && e->writing)) return 0;
    int rc = lt_prompt_score_steps(some, count, &took);
    if (rc && took > 1) rc = lt_prompt_score_steps(some, 1, &took);     /* there may be room for one */
    if (rc == LT_SCORE_FULL && e->writing) return 0;
    if (rc == LT_SCORE_FULL) {              /* what the batcher keeps of replies that are over */
        if (open_batcher(e)) return -1;
        rc = lt_prompt_score_steps(some, 1, &took);
    }
    if (!rc) {
        scores_done(e, x);
        return 0;
    }
    lt_fault_set(&x->fault, 500, NULL, "not_scored", "%s", rc == LT_SCORE_FULL
                 ? "there is no memory for the keys and values of this prompt" : lt_error());
    cancel(e, x);
    return 0;
}

/* Nothing further can be written with this batcher: all who wait for it are told, and it is made anew. */
static int recover(struct lt_engine *e)
{
    char *why = lt_strdup(lt_error());
    int rc = open_batcher(e);
    for (struct lt_exchange *x = e->active, *next; x; x = next) {
        next = x->next;
        lt_fault_set(&x->fault, 500, NULL, "not_written", "%s", why);
        finish(e, x);
    }
    free(why);
    return rc;
}

static bool is_gone(struct lt_engine *e, const struct lt_exchange *x)
{
    pthread_mutex_lock(&e->mutex);
    bool gone = x->gone;
    pthread_mutex_unlock(&e->mutex);
    return gone;
}

/* until: 0, or when everything is to end. */
static void end_early(struct lt_engine *e, double until)
{
    double now = lt_clock();
    for (struct lt_exchange *x = e->active, *next; x; x = next) {
        next = x->next;
        if (is_gone(e, x)) cut_short(e, x, "gone");
        else if (until > 0 && now > until) cut_short(e, x, "stopping");
        else if (x->until > 0 && now > x->until) cut_short(e, x, "timeout");
    }
}

/* The requests that came since; waits for some when there is nothing to do.  *until: 0, or when to stop. */
static struct lt_exchange *take_inbox(struct lt_engine *e, double *until)
{
    pthread_mutex_lock(&e->mutex);
    e->sums.running = LT_MIN(e->writing - lt_batcher_waiting(e->batcher), e->how.batch);
    e->sums.passes = e->passes_before + lt_batcher_sums(e->batcher).passes;
    while (!e->inbox && !e->active && !e->refusing) pthread_cond_wait(&e->work, &e->mutex);
    struct lt_exchange *x = e->inbox;
    e->inbox = NULL;
    e->inbox_end = &e->inbox;
    *until = e->refusing ? e->until : 0;
    pthread_mutex_unlock(&e->mutex);
    return x;
}

void lt_engine_stop(struct lt_engine *e, double grace)
{
    pthread_mutex_lock(&e->mutex);
    if (!e->refusing) e->until = lt_clock() + grace;
    e->refusing = true;
    pthread_cond_signal(&e->work);
    pthread_mutex_unlock(&e->mutex);
}

bool lt_engine_stops(struct lt_engine *e)
{
    pthread_mutex_lock(&e->mutex);
    bool stops = e->refusing;
    pthread_mutex_unlock(&e->mutex);
    return stops;
}

/* Lets requests in, makes a pass, gives out what is finished. */
static int work(struct lt_engine *e, struct lt_exchange *x, double until)
{
    for (struct lt_exchange *next; x; x = next) {
        next = x->next;
        if (until > 0 || is_gone(e, x)) refuse(e, x);
        else admit(e, x);
    }
    end_early(e, until);
    if (score_some(e) || lt_batcher_step(e->batcher) < 0) return recover(e);
    take_finished(e);
    return 0;
}

int lt_engine_run(struct lt_engine *e)
{
    int rc = 0;
    while (!rc && !e->over) {
        double until;
        struct lt_exchange *x = take_inbox(e, &until);
        if (until > 0 && !x && !e->active) break;
        lt_turn_take(e->how.turns);
        rc = work(e, x, until);
        lt_turn_end(e->how.turns);
    }
    e->over = true;
    lt_engine_stop(e, 0);
    pthread_mutex_lock(&e->mutex);
    struct lt_exchange *late = e->inbox, *next;
    e->inbox = NULL;
    e->inbox_end = &e->inbox;
    pthread_mutex_unlock(&e->mutex);
    for (; late; late = next) {
        next = late->next;
        refuse(e, late);
    }
    return rc;
}

/* ---- life ---- */

int lt_engine_open(struct lt_lm *lm, const struct lt_engine_how *how, struct lt_engine **out)
{
    struct lt_session first;
    struct lt_engine *e = lt_calloc(1, sizeof *e);
    *e = (struct lt_engine){ .lm = lm, .how = *how, .inbox_end = &e->inbox };
    e->t = lt_lm_tokenizer(lm);
    pthread_mutex_init(&e->mutex, NULL);
    pthread_condattr_init(&e->clock);
    pthread_condattr_setclock(&e->clock, CLOCK_MONOTONIC);
    pthread_cond_init(&e->work, &e->clock);
    int rc = open_batcher(e);
    if (!rc) rc = lm->type->session(lm->self, &first);
    if (!rc) {
        e->limit = first.type->limit(first.self);
        e->vocab = lt_session_vocab(&first);
        lt_session_close(&first);
        if (e->vocab < 0) rc = -1;
    }
    if (rc) lt_engine_close(e);
    else *out = e;
    return rc;
}

void lt_engine_close(struct lt_engine *e)
{
    if (!e) return;
    lt_batcher_close(e->batcher);
    pthread_cond_destroy(&e->work);
    pthread_condattr_destroy(&e->clock);
    pthread_mutex_destroy(&e->mutex);
    free(e);
}
