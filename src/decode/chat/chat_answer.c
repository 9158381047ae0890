/* A model that is open, and its answers. */
#include "decode/chat/chat_state.h"
#include "base/ctx.h"
#include "base/gguf.h"
#include "decode/chain.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the model ---- */

void lt_chat_model_close(struct lt_chat_model *m)
{
    lt_batcher_close(m->batcher);
    lt_chat_free(m->chat);
    lt_lm_close(&m->lm);
    free(m->path);
    *m = (struct lt_chat_model){ 0 };
}

static int open_template(const struct lt_chat_options *o, struct lt_chat_model *m)
{
    if (o->raw) return 0;
    const char *from = o->chat_template ? o->chat_template : m->path;
    if (!o->chat_template && !lt_path_is_dir(from) && !lt_gguf_is_file(from))
        return lt_misuse("%s has no chat template: name one with --chat_template, or let it go on from texts as they "
                         "are with --raw", m->path);
    if (!lt_chat_open(from, &m->chat)) return 0;
    m->chat = NULL;
    return o->chat_template ? -1 : lt_fail("%s; or let the model go on from texts as they are with --raw", lt_error());
}

static int open_batcher(struct lt_chat_model *m, struct lt_ctx *c)
{
    struct lt_batcher_how one = { .batch = 1 };
    struct lt_session s;
    if (lt_batcher_open(&m->lm, c, &one, &m->batcher)) {
        m->batcher = NULL;
        return -1;
    }
    if (m->lm.type->session(m->lm.self, &s)) return -1;
    m->limit = s.type->limit(s.self);
    lt_session_close(&s);
    return 0;
}

int lt_chat_model_open(const struct lt_chat_options *o, const char *path, struct lt_ctx *c, struct lt_chat_model *out)
{
    *out = (struct lt_chat_model){ 0 };
    lt_generation_init(&out->says);
    if (lt_generation_read(path, &out->says)) return -1;
    if (lt_how_open(&o->how, path, c, &out->lm)) {
        out->lm = (struct lt_lm){ 0 };
        return -1;
    }
    out->path = lt_strdup(path);
    out->t = lt_lm_tokenizer(&out->lm);
    int rc = out->t ? 0 : lt_misuse("%s has no tokenizer, which a conversation needs", path);
    if (!rc) rc = open_template(o, out);
    if (!rc) rc = open_batcher(out, c);
    if (rc) lt_chat_model_close(out);
    return rc;
}

/* ---- settings ---- */

int lt_chat_settle(struct lt_chat_talk *h, struct lt_chat_set *set)
{
    struct lt_chain *chain;
    if (lt_chain_open(&set->now->controls, &h->model.lm, &chain)) {
        lt_chat_set_release(set);
        return -1;
    }
    lt_chain_free(chain);
    lt_chat_set_release(&h->set);
    h->set = *set;
    *set = (struct lt_chat_set){ 0 };
    return 0;
}

int lt_chat_follow_model(struct lt_chat_talk *h)
{
    const struct lt_generation *g = &h->model.says;
    const struct { const char *key; double value, none; } says[] = {
        { "temperature", g->temperature, 1 }, { "top_p", g->top_p, 1 }, { "top_k", (double)g->top_k, -1 },
        { "repetition_penalty", g->repetition_penalty, 1 },
    };
    struct lt_buf told = { 0 };
    int rc = 0;
    if (!strcmp(h->o->generation_config, "none") || h->set.now->greedy || h->set.now->controls.ordered) return 0;
    for (int i = 0; i < LT_COUNT(says) && !rc; i++) {
        struct lt_chat_set set;
        char value[32];
        if (isnan(says[i].value) || says[i].value <= 0 || says[i].value == says[i].none) continue;
        if (lt_chat_set_has(&h->set, says[i].key)) continue;
        snprintf(value, sizeof value, "%.9g", says[i].value);
        rc = lt_chat_set_changed(&h->set, says[i].key, value, &set);
        if (!rc) rc = lt_chat_settle(h, &set);
        lt_buf_fmt(&told, "%s%s %s", told.n ? ", " : "", says[i].key, value);
    }
    if (!rc && told.n) lt_chat_screen_say(&h->screen, "sampling as the model's folder says: %s", told.p);
    if (rc) lt_fail("%s: generation_config.json: %s; --generation_config none leaves it aside", h->model.path,
                    lt_error());
    lt_buf_free(&told);
    return rc;
}

/* ---- an answer ---- */

static int put_piece(void *self, const struct lt_reply_part *piece)
{
    struct lt_chat_talk *h = self;
    lt_chat_screen_text(&h->screen, piece->text);
    return h->screen.out.failed != 0;
}

struct times { double asked, first, last; };

/* After a failure the answer is still there, unfinished. */
static void drop_answer(struct lt_chat_talk *h)
{
    struct lt_done left;
    lt_batcher_cancel(h->model.batcher, h);
    while (lt_batcher_take(h->model.batcher, &left)) {
        if (!left.error) lt_reply_release(&left.reply);
        free(left.error);
    }
}

/* Writes until the answer is finished or somebody stops it. */
static int write_answer(struct lt_chat_talk *h, const struct lt_ask *ask, struct lt_done *done, struct times *t)
{
    struct lt_batcher *b = h->model.batcher;
    int64_t before = lt_batcher_sums(b).written;
    int more = 1;
    t->asked = t->first = lt_clock();
    if (lt_batcher_add(b, ask, h)) return -1;
    while (more > 0) {
        more = lt_batcher_step(b);
        if (lt_batcher_sums(b).written <= before + 1) t->first = lt_clock();
        if (lt_ctx_stopped(h->c)) lt_batcher_cancel(b, h);
        if (lt_batcher_take(b, done)) break;
    }
    t->last = lt_clock();
    if (!done->tag) {
        drop_answer(h);
        return -1;
    }
    int rc = done->error ? lt_fail("%s", done->error) : 0;
    free(done->error);
    return rc;
}

static void tell(struct lt_chat_talk *h, const struct lt_reply *r, const struct times *t)
{
    int held = r->prompt_count + r->count;
    struct lt_chat_screen *s = &h->screen;
    if (!strcmp(r->finish, "interrupted")) lt_chat_screen_say(s, "[stopped; what was written stays]");
    else if (!strcmp(r->finish, "length") && r->count == h->set.now->max_tokens)
        lt_chat_screen_say(s, "[cut at max_tokens %d; /set max_tokens N allows more]", r->count);
    else if (!strcmp(r->finish, "length"))
        lt_chat_screen_say(s, "[the context is full: %d tokens of %d; /forget N leaves out the N oldest turns]", held,
                           h->model.limit);
    if (!s->terminal) return;
    double seconds = t->last - t->first;
    char rate[48] = "", room[32] = "";
    if (r->count > 1 && seconds > 0)
        snprintf(rate, sizeof rate, ", %.1f tokens/s", (double)(r->count - 1) / seconds);
    if (h->model.limit) snprintf(room, sizeof room, " of %d", h->model.limit);
    lt_chat_screen_say(s, "%d tokens after %.2f s%s; the conversation has %d%s", r->count, t->first - t->asked, rate,
                       held, room);
}

static int check_room(const struct lt_chat_talk *h, int count)
{
    if (!h->model.limit || count < h->model.limit) return 0;
    return lt_misuse("the conversation has %d tokens and the model holds %d, at least one of them for the answer; "
                     "/forget N leaves out the N oldest turns, /clear all", count, h->model.limit);
}

int lt_chat_answer(struct lt_chat_talk *h)
{
    const struct lt_chat_settings *o = h->set.now;
    struct lt_spoken said;
    struct lt_done done = { 0 };
    struct times times;
    if (lt_conversation_tokens(&h->talk, h->model.chat, h->model.t, true, &said)) return -1;
    struct lt_ask ask = {
        .prompt_ids = said.id, .prompt_count = said.count, .controls = &o->controls, .max_tokens = (int)o->max_tokens,
        .top_logprobs = (int)o->logprobs, .seed = (uint64_t)o->seed, .number = h->asked, .greedy = o->greedy,
        .stop = &o->stop, .end = h->model.says.eos, .end_count = h->model.says.eos_count, .stream = put_piece,
        .stream_self = h,
    };
    int rc = check_room(h, said.count);
    lt_line_editor_signals(h->lines, true);
    if (!rc) rc = write_answer(h, &ask, &done, &times);
    lt_line_editor_signals(h->lines, false);
    if (!rc) {
        h->asked++;
        lt_chat_screen_text(&h->screen, lt_str("\n"));
        rc = lt_conversation_answer(&h->talk, h->model.t, &said, &done.reply);
        tell(h, &done.reply, &times);
        lt_reply_release(&h->last);
        h->last = done.reply;
        h->last_tops = ask.top_logprobs;
    }
    lt_spoken_release(&said);
    return rc;
}

int lt_chat_say(struct lt_chat_talk *h, struct lt_str text)
{
    if (lt_conversation_add(&h->talk, "user", text, false)) return -1;
    if (!lt_chat_answer(h)) return 0;
    lt_conversation_pop(&h->talk);
    return -1;
}
