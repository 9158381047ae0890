#include "decode/writing.h"
#include "decode/prompt.h"
#include "lm/vocabulary.h"
#include "math/row_kernel.h"
#include "text/tok_char.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

int32_t lt_argmax(const float *x, int n)
{
    float top = lt_row_kernel()->peak(n, x);
    for (int32_t i = 0; i < n; i++)
        if (x[i] == top) return i;
    return 0;
}

void lt_softmax(const float *x, int n, float *p)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    double sum = rows->exp_sum(n, rows->peak(n, x), x, p);
    rows->scale(n, (float)(1 / sum), p);
}

int32_t lt_draw(const float *p, int n, double u)
{
    double left = u * lt_row_kernel()->sum(n, p);
    int32_t last = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!(p[i] > 0)) continue;
        last = i;
        if ((left -= (double)p[i]) < 0) break;
    }
    return last;
}

double lt_place_unit(const struct lt_ask *a, int place, int what)
{
    uint64_t seed = what ? lt_rng_at(a->seed, 0, (uint64_t)what) : a->seed;
    return (double)(lt_rng_at(seed, a->number, (uint64_t)place) >> 11) * 0x1p-53;
}

/* ---- the prompt ---- */

int lt_ask_ids(const struct lt_ask *a, const struct lt_tokenizer *t, int limit, int32_t **id, int *count)
{
    int given = 0;
    *id = NULL;
    *count = 0;
    if (a->prompt_ids) {
        *id = lt_alloc((size_t)LT_MAX(a->prompt_count, 1) * sizeof **id);
        memcpy(*id, a->prompt_ids, (size_t)a->prompt_count * sizeof **id);
        *count = a->prompt_count;
    } else if (!t) return lt_misuse("the model has no tokenizer: give the prompt as ids");
    else if (lt_prompt_encode(t, a->prompt, a->prompt.n ? LT_START_RULES : LT_START_AUTO, id, count, &given, NULL))
        return -1;
    if (!*count) return lt_misuse("the prompt is empty and the tokenizer has no token to start a text from");
    if (limit && *count >= limit)
        return lt_misuse("the prompt has %d tokens and the model holds %d; at least one must be left to write",
                         *count, limit);
    return 0;
}

int lt_ask_check_stop(const struct lt_ask *a, const struct lt_tokenizer *t)
{
    const struct lt_list *stop = a->stop;
    if (stop && stop->count && !t) return lt_misuse("stop strings need a model with a tokenizer");
    for (int i = 0; stop && i < stop->count; i++)
        if (!*stop->item[i]) return lt_misuse("a stop string is empty; every text would end at once");
    return 0;
}

/* Controls that follow the text are told whole tokens, of which the first begins before it. */
static int begin_healing(struct lt_writing *w)
{
    const struct lt_choices *c = w->ask.controls;
    if (!w->t) return lt_misuse("token healing needs a model with a tokenizer");
    for (int i = 0; c && i < c->count; i++)
        if (((const struct lt_control *)c->item[i].method)->accept)
            return lt_misuse("token healing and %s do not go together: the first token would begin before the text "
                             "that is judged", c->item[i].method->name);
    return lt_healing_begin(&w->heal, w->t, w->token, &w->count);
}

int lt_writing_begin(struct lt_writing *w, struct lt_lm *lm, const struct lt_ask *ask, int limit, int vocab)
{
    *w = (struct lt_writing){ .ask = *ask, .vocab = vocab };
    w->t = lt_lm_tokenizer(lm);
    w->known = w->t ? LT_MIN(lt_tokenizer_vocab(w->t), vocab) : vocab;
    if (lt_ask_check_stop(ask, w->t) || lt_ask_ids(ask, w->t, limit, &w->token, &w->count)) return -1;
    if (ask->heal && begin_healing(w)) return -1;
    w->prompt = w->cap = w->count;
    w->most = limit ? LT_MIN(ask->max_tokens, limit - w->prompt) : ask->max_tokens;
    w->finished = w->most <= 0;
    w->reply = (struct lt_reply){ .finish = "length", .prompt_count = w->prompt };
    if (lt_chain_open(ask->controls, lm, &w->chain)) return -1;
    if (w->t) w->detok = lt_detok_new(w->t, false);
    if (w->t && lt_detok_behind(w->detok, w->token, (size_t)w->prompt)) return -1;
    w->logits = lt_alloc((size_t)vocab * sizeof(float));
    w->work = lt_alloc((size_t)vocab * sizeof(float));
    return 0;
}

void lt_writing_release(struct lt_writing *w)
{
    lt_chain_free(w->chain);
    lt_detok_free(w->detok);
    lt_buf_free(&w->text);
    lt_reply_release(&w->reply);
    free(w->token);
    free(w->begin);
    free(w->logits);
    free(w->work);
    *w = (struct lt_writing){ 0 };
}

/* ---- text ---- */

/* The largest length at the end of the text that could still become a stop string. */
static size_t held_back(const struct lt_writing *w)
{
    size_t most = 0;
    for (int i = 0; w->ask.stop && i < w->ask.stop->count; i++) {
        const char *stop = w->ask.stop->item[i];
        for (size_t k = LT_MIN(strlen(stop) - 1, w->text.n); k > most; k--)
            if (!memcmp(w->text.p + w->text.n - k, stop, k)) most = k;
    }
    return most;
}

/* Cuts the text at the first stop string; `from`: bytes looked through before. */
static bool stopped(struct lt_writing *w, size_t from)
{
    size_t cut = SIZE_MAX;
    for (int i = 0; w->ask.stop && i < w->ask.stop->count; i++) {
        const char *stop = w->ask.stop->item[i];
        size_t n = strlen(stop), first = from > n - 1 ? from - (n - 1) : 0;
        const char *at = w->text.n > first ? memmem(w->text.p + first, w->text.n - first, stop, n) : NULL;
        if (at) cut = LT_MIN(cut, (size_t)(at - w->text.p));
    }
    if (cut == SIZE_MAX) return false;
    w->text.n = cut;
    return w->cut = true;
}

/* Bytes at the end of a text that are a character which is not all there. */
static size_t unfinished(struct lt_str s)
{
    for (size_t k = 1; k < 4 && k <= s.n; k++) {
        bool good, more;
        if (((unsigned char)s.p[s.n - k] & 0xc0) == 0x80) continue;
        lt_utf8_part(s.p + s.n - k, k, &good, &more);
        return more ? k : 0;
    }
    return 0;
}

/* 1: the reader has had enough. */
static int stream(struct lt_writing *w, bool last)
{
    size_t end = w->text.n - (last ? 0 : held_back(w));
    if (!last) end -= unfinished((struct lt_str){ w->text.p, end });
    if (!w->ask.stream || end <= w->streamed) return 0;
    while (w->shown < w->reply.count && w->begin[w->shown] < end) w->shown++;
    struct lt_reply_part piece = { { w->text.p + w->streamed, end - w->streamed }, &w->reply, w->shown };
    w->streamed = end;
    return w->ask.stream(w->ask.stream_self, &piece) != 0;
}

void lt_ask_stream_all(const struct lt_ask *a, const struct lt_reply *y)
{
    struct lt_reply_part all = { { y->text, y->text_size }, y, y->count };
    if (a->stream) a->stream(a->stream_self, &all);
}

/* ---- tokens ---- */

int lt_writing_shape(struct lt_writing *w, struct lt_chain *chain, const float *logits)
{
    memcpy(w->logits, logits, (size_t)w->vocab * sizeof *logits);
    for (int i = w->known; i < w->vocab; i++) w->logits[i] = -INFINITY;     /* mere padding */
    if (w->heal.left.n) lt_healing_apply(&w->heal, w->logits, w->vocab);
    struct lt_seq seq = { w->token, w->count, w->prompt };
    return lt_chain_apply(chain, seq, w->logits, w->vocab);
}

int32_t lt_writing_pick(struct lt_writing *w)
{
    if (w->ask.greedy) return lt_argmax(w->logits, w->vocab);
    lt_softmax(w->logits, w->vocab, w->work);
    return lt_draw(w->work, w->vocab, lt_place_unit(&w->ask, w->reply.count, LT_USE_PICK));
}

/* Arrays that grow by doubling. */
static bool outgrown(int count) { return (count & (count - 1)) == 0; }

float lt_row_logp(const float *raw, int vocab, int32_t id, int tops, int32_t *top_token, float *top_logp, float *work)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    float top = rows->peak(vocab, raw);
    double z = (double)top + log(rows->exp_sum(vocab, top, raw, NULL));
    if (tops) {
        memset(top_token, 0, (size_t)tops * sizeof *top_token);
        memset(top_logp, 0, (size_t)tops * sizeof *top_logp);
        memcpy(work, raw, (size_t)vocab * sizeof *raw);
    }
    for (int i = 0; i < LT_MIN(tops, vocab); i++) {
        int32_t best = lt_argmax(work, vocab);
        top_token[i] = best;
        top_logp[i] = (float)((double)raw[best] - z);
        work[best] = -INFINITY;
    }
    return (float)((double)raw[id] - z);
}

static void note_token(struct lt_writing *w, int32_t id, const float *raw)
{
    struct lt_reply *r = &w->reply;
    int tops = LT_MAX(w->ask.top_logprobs, 0), at = r->count++;
    if (outgrown(at)) {
        size_t room = at ? 2 * (size_t)at : 1;
        r->token = lt_realloc(r->token, room * sizeof *r->token);
        r->logp = lt_realloc(r->logp, room * sizeof *r->logp);
        w->begin = lt_realloc(w->begin, room * sizeof *w->begin);
        if (tops) {
            r->top_token = lt_realloc(r->top_token, room * (size_t)tops * sizeof *r->top_token);
            r->top_logp = lt_realloc(r->top_logp, room * (size_t)tops * sizeof *r->top_logp);
        }
    }
    size_t first = (size_t)at * (size_t)tops;
    r->token[at] = id;
    w->begin[at] = w->text.n;
    r->logp[at] = lt_row_logp(raw, w->vocab, id, tops, tops ? r->top_token + first : NULL,
                              tops ? r->top_logp + first : NULL, w->work);
}

static bool ends(const struct lt_writing *w, int32_t id)
{
    for (int i = 0; i < w->ask.end_count; i++)
        if (id == w->ask.end[i]) return true;
    return w->t && id == lt_tokenizer_eos(w->t);
}

void lt_writing_stop(struct lt_writing *w, const char *finish)
{
    w->reply.finish = finish;
    w->finished = true;
}

int lt_writing_take(struct lt_writing *w, int32_t id, const float *raw)
{
    note_token(w, id, raw);
    lt_chain_accept(w->chain, id);
    lt_healing_accept(&w->heal, id);
    if (w->count == w->cap) {
        w->cap = 2 * w->cap + 16;
        w->token = lt_realloc(w->token, (size_t)w->cap * sizeof *w->token);
    }
    w->token[w->count++] = id;
    if (w->reply.count == w->most) w->finished = true;
    if (ends(w, id)) {
        lt_writing_stop(w, "stop");
        return 0;
    }
    size_t from = w->text.n;
    if (w->detok && lt_detok_push(w->detok, id, &w->text)) return -1;
    lt_healing_trim(&w->heal, &w->text);
    if (stopped(w, from)) lt_writing_stop(w, "stop");
    else if (stream(w, false)) lt_writing_stop(w, "interrupted");
    return 0;
}

int lt_writing_end(struct lt_writing *w, struct lt_reply *out)
{
    if (w->detok && !w->cut) {                      /* bytes of an unfinished character */
        size_t from = w->text.n;
        if (lt_detok_finish(w->detok, &w->text)) return -1;
        lt_healing_trim(&w->heal, &w->text);
        if (stopped(w, from)) w->reply.finish = "stop";
    }
    stream(w, true);
    lt_buf_put(&w->text, "", 0);
    w->text.p[w->text.n] = 0;
    *out = w->reply;
    out->text = w->text.p;
    out->text_size = w->text.n;
    if (!out->token) {                              /* a reply of nothing still has its arrays */
        out->token = lt_calloc(1, sizeof *out->token);
        out->logp = lt_calloc(1, sizeof *out->logp);
    }
    w->reply = (struct lt_reply){ 0 };
    w->text = (struct lt_buf){ 0 };
    return 0;
}
