/* Between askers and the engine: what a request asks of the model, and the wait for it. */
#include "serve/engine_state.h"

#include "base/ctx.h"
#include "decode/writing.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { UNLIMITED_REPLY = 1024 };        /* tokens of a chat reply when neither request nor model says more */

const char *lt_exchange_model(const struct lt_exchange *x)
{
    return x->req.adapter ? x->req.adapter : x->engine->how.name;
}

static void name_exchange(struct lt_exchange *x)
{
    uint64_t r[2] = { 0, 0 };
    if (getrandom(r, sizeof r, 0) != sizeof r) r[0] = (uint64_t)time(NULL), r[1] = (uint64_t)(uintptr_t)x;
    snprintf(x->id, sizeof x->id, "%s-%016llx", x->req.chat ? "chatcmpl" : "cmpl", (unsigned long long)r[0]);
    x->created = (int64_t)time(NULL);
    x->seed = x->req.seed >= 0 ? (uint64_t)x->req.seed : r[1] >> 12;
}

static int make_ids(struct lt_engine *e, const struct lt_given *g, const char *param, struct lt_asked *to,
                    struct lt_fault *f)
{
    struct lt_ask a = { .prompt = g->text, .prompt_ids = g->id, .prompt_count = g->count };
    if (lt_ask_ids(&a, e->t, 0, &to->id, &to->count)) {
        to->id = NULL;
        return lt_fault_set(f, 400, param, "invalid_value", "%s: %s", param, lt_error());
    }
    for (int i = 0; i < to->count; i++)
        if (to->id[i] < 0 || to->id[i] >= e->vocab)
            return lt_fault_set(f, 400, param, "invalid_value", "%s: token %d is not below the vocabulary of %d", param,
                                to->id[i], e->vocab);
    return 0;
}

static int check_room(const struct lt_engine *e, const struct lt_request *r, int count, const char *param,
                      struct lt_fault *f)
{
    int room = e->limit + (r->max_tokens == 0) - count;         /* above 0: the prompt fits */
    if (!e->limit || (room > 0 && (!r->max_field || r->max_tokens <= room))) return 0;
    if (room > 0)
        return lt_fault_set(f, 400, r->max_field, "context_length_exceeded",
                            "the prompt has %d tokens (n_prompt), %lld more are asked for, and the model holds %d "
                            "(n_ctx): %s of at most %d fits", count, (long long)r->max_tokens, e->limit, r->max_field,
                            room);
    return lt_fault_set(f, 400, param, "context_length_exceeded",
                        "the prompt has %d tokens (n_prompt) and the model holds %d (n_ctx)%s", count, e->limit,
                        r->max_tokens ? "; at least one must be left to write" : "");
}

static int check_sum(const struct lt_exchange *x, int prompts, const char *param, struct lt_fault *f)
{
    int64_t sum = 0, most = x->engine->how.prompt_tokens;
    for (int i = 0; i < prompts; i++) sum += x->prompt[i].count;
    if (!most || sum <= most) return 0;
    return lt_fault_set(f, 400, param, "prompt_too_long",
                        "the prompts of this request have %lld tokens and this server takes %lld at most",
                        (long long)sum, (long long)most);
}

static void fill_slot(struct lt_engine *e, struct lt_exchange *x, int i)
{
    const struct lt_request *r = &x->req;
    struct lt_slot *s = &x->slot[i];
    *s = (struct lt_slot){ .x = x, .prompt = i / (int)r->n,
                           .reader = r->stream ? lt_request_tool_reader(r) : NULL };
    struct lt_asked *p = &x->prompt[s->prompt];
    int64_t most = r->max_tokens >= 0 ? r->max_tokens : !r->chat ? 16 : e->limit ? e->limit : UNLIMITED_REPLY;
    s->ask = (struct lt_ask){
        .prompt_ids = p->id, .prompt_count = p->count, .controls = r->controls, .max_tokens = (int)most,
        .top_logprobs = (int)r->tops, .seed = x->seed, .number = (uint64_t)i, .stop = &r->stop,
        .end = e->how.says->eos, .end_count = e->how.says->eos_count,
        .adapter = r->adapter,
    };
}

int lt_exchange_new(struct lt_engine *e, struct lt_request *r, struct lt_given *given, int prompts,
                    struct lt_exchange **out, struct lt_fault *f)
{
    struct lt_exchange *x = lt_calloc(1, sizeof *x);
    const char *param = r->chat ? "messages" : r->embed ? "input" : "prompt";
    int rc = 0;
    x->engine = e;
    x->req = *r;
    *r = (struct lt_request){ 0 };
    pthread_cond_init(&x->changed, &e->clock);
    name_exchange(x);
    rc = lt_request_finish(&x->req, f);
    x->slots = prompts * (int)x->req.n;
    x->prompt = lt_calloc((size_t)prompts, sizeof *x->prompt);
    x->slot = lt_calloc((size_t)x->slots, sizeof *x->slot);
    for (int i = 0; i < prompts && !rc; i++) {
        rc = make_ids(e, &given[i], param, &x->prompt[i], f);
        if (!rc && x->req.truncate && e->limit) x->prompt[i].count = LT_MIN(x->prompt[i].count, e->limit);
        if (!rc) rc = check_room(e, &x->req, x->prompt[i].count, param, f);
        x->prompt[i].scoring = x->req.embed || (x->req.echo && x->req.logprobs);
    }
    if (!rc) rc = check_sum(x, prompts, param, f);
    if (!rc && x->req.stop.count && !e->t)
        rc = lt_fault_set(f, 400, "stop", "invalid_value", "stop: the model has no tokenizer, so there are no texts");
    for (int i = 0; i < x->slots && !rc; i++) fill_slot(e, x, i);
    if (rc) lt_exchange_free(x);
    else *out = x;
    return rc;
}

void lt_exchange_free(struct lt_exchange *x)
{
    if (!x) return;
    int prompts = lt_exchange_prompts(x);
    for (int i = 0; i < x->slots; i++) {
        lt_reply_release(&x->slot[i].reply);
        lt_tool_reader_free(x->slot[i].reader);
        lt_heard_release(&x->slot[i].heard);
        lt_buf_free(&x->slot[i].held);
        lt_detok_free(x->slot[i].told.detok);
    }
    for (int i = 0; i < prompts; i++) {
        lt_prompt_score_release(&x->prompt[i].score);
        free(x->prompt[i].id);
    }
    free(x->slot);
    free(x->prompt);
    lt_buf_free(&x->out);
    lt_fault_release(&x->fault);
    lt_request_release(&x->req);
    pthread_cond_destroy(&x->changed);
    free(x);
}

int lt_engine_ask(struct lt_engine *e, struct lt_exchange *x, struct lt_fault *f)
{
    int rc = 0;
    pthread_mutex_lock(&e->mutex);
    if (e->refusing) rc = lt_fault_set(f, 503, NULL, "stopping", "the server stops and takes no further requests");
    else if (e->asked && e->asked + x->slots > e->how.batch + e->how.queue)
        rc = lt_fault_set(f, 503, NULL, "queue_full", "%d replies are asked for and %d are written at once with %d "
                          "waiting at most; try again later", e->asked + x->slots, e->how.batch, e->how.queue);
    else {
        e->asked += x->slots;
        x->asked_at = lt_clock();
        x->until = e->how.request_time > 0 ? x->asked_at + e->how.request_time : 0;
        x->next = NULL;
        *e->inbox_end = x;
        e->inbox_end = &x->next;
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->mutex);
    return rc;
}

static bool ready(const struct lt_exchange *x, enum lt_await what)
{
    return x->finished || (what == LT_AWAIT_ADMITTED && x->admitted)
        || (what == LT_AWAIT_OUTPUT && x->out.n > x->sent);
}

bool lt_exchange_await(struct lt_engine *e, struct lt_exchange *x, enum lt_await what, int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&e->mutex);
    while (!ready(x, what))
        if (pthread_cond_timedwait(&x->changed, &e->mutex, &until) == ETIMEDOUT) break;
    bool is = ready(x, what);
    pthread_mutex_unlock(&e->mutex);
    return is;
}

long lt_exchange_read(struct lt_engine *e, struct lt_exchange *x, char *to, size_t room)
{
    pthread_mutex_lock(&e->mutex);
    size_t n = LT_MIN(room, x->out.n - x->sent);
    long got = n ? (long)n : x->finished ? -1 : 0;
    if (n) memcpy(to, x->out.p + x->sent, n);
    x->sent += n;
    if (x->sent == x->out.n) {
        lt_buf_clear(&x->out);
        x->sent = 0;
    }
    pthread_mutex_unlock(&e->mutex);
    return got;
}

void lt_exchange_leave(struct lt_engine *e, struct lt_exchange *x)
{
    pthread_mutex_lock(&e->mutex);
    x->gone = true;
    pthread_cond_signal(&e->work);
    while (!x->finished) pthread_cond_wait(&x->changed, &e->mutex);
    pthread_mutex_unlock(&e->mutex);
}
