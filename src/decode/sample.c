#include "decode/sample.h"
#include "decode/chain.h"
#include "decode/prompt.h"
#include "math/kernel.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One session serves all asks in turn: what the next prompt shares with the tokens held is not fed again. */
struct held { struct lt_session s; int32_t *token; int count, cap; };

struct writer {
    struct lt_lm *lm;
    struct lt_ctx *c;
    const struct lt_ask *ask;
    const struct lt_tokenizer *t;
    struct held *h;
    struct lt_chain *chain;
    struct lt_detok *detok;
    struct lt_buf text;
    size_t streamed;
    bool cut;                       /* at a stop string */
    float *logits, *logp;           /* (vocab) each; logp of the model, before the controls */
    struct lt_reply *out;
};

static void held_take(struct held *h, const int32_t *token, int n)
{
    if (h->count + n > h->cap) {
        h->cap = 2 * (h->count + n);
        h->token = lt_realloc(h->token, (size_t)h->cap * sizeof *h->token);
    }
    memcpy(h->token + h->count, token, (size_t)n * sizeof *token);
    h->count += n;
}

static int feed(struct held *h, const int32_t *token, int n)
{
    if (h->s.type->feed(h->s.self, token, n)) return -1;
    held_take(h, token, n);
    return 0;
}

/* The last token of the prompt is always fed anew: logits stand after a feed. */
static int feed_prompt(struct held *h, const int32_t *id, int n)
{
    int same = 0;
    while (same < n - 1 && same < h->count && h->token[same] == id[same]) same++;
    if (h->count > same && h->s.type->rewind(h->s.self, h->count - same)) return -1;
    h->count = same;
    return feed(h, id + same, n - same);
}

static int prompt_ids(const struct writer *w, int32_t **id, int *count)
{
    const struct lt_ask *a = w->ask;
    int given = 0;
    if (a->prompt_ids) {
        *id = lt_alloc((size_t)LT_MAX(a->prompt_count, 1) * sizeof **id);
        memcpy(*id, a->prompt_ids, (size_t)a->prompt_count * sizeof **id);
        *count = a->prompt_count;
    } else if (!w->t) return lt_misuse("the model has no tokenizer: give the prompt as ids");
    else if (lt_prompt_encode(w->t, a->prompt, a->prompt.n ? LT_START_RULES : LT_START_AUTO, id, count, &given, NULL))
        return -1;
    if (!*count) return lt_misuse("the prompt is empty and the tokenizer has no token to start a text from");
    int limit = w->h->s.type->limit(w->h->s.self);
    if (limit && *count >= limit)
        return lt_misuse("the prompt has %d tokens and the model holds %d; at least one must be left to write",
                         *count, limit);
    return 0;
}

/* The largest length at the end of the text that could still become a stop string. */
static size_t held_back(const struct writer *w)
{
    size_t most = 0;
    for (int i = 0; w->ask->stop && i < w->ask->stop->count; i++) {
        const char *stop = w->ask->stop->item[i];
        for (size_t k = LT_MIN(strlen(stop) - 1, w->text.n); k > most; k--)
            if (!memcmp(w->text.p + w->text.n - k, stop, k)) most = k;
    }
    return most;
}

/* Cuts the text at the first stop string; `from`: bytes looked through before. */
static bool stopped(struct writer *w, size_t from)
{
    size_t cut = SIZE_MAX;
    for (int i = 0; w->ask->stop && i < w->ask->stop->count; i++) {
        const char *stop = w->ask->stop->item[i];
        size_t n = strlen(stop), first = from > n - 1 ? from - (n - 1) : 0;
        const char *at = w->text.n > first ? memmem(w->text.p + first, w->text.n - first, stop, n) : NULL;
        if (at) cut = LT_MIN(cut, (size_t)(at - w->text.p));
    }
    if (cut == SIZE_MAX) return false;
    w->text.n = cut;
    return w->cut = true;
}

/* 1: the reader has had enough. */
static int stream(struct writer *w, bool last)
{
    size_t end = w->text.n - (last ? 0 : held_back(w));
    if (!w->ask->stream || end <= w->streamed) return 0;
    struct lt_str piece = { w->text.p + w->streamed, end - w->streamed };
    w->streamed = end;
    return w->ask->stream(w->ask->stream_self, piece) != 0;
}

static int32_t argmax(const float *x, int n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++) best = x[i] > x[best] ? i : best;
    return best;
}

static int32_t draw(const float *logits, int vocab, double u)
{
    double top = (double)logits[argmax(logits, vocab)], z = 0;
    for (int i = 0; i < vocab; i++) z += exp((double)logits[i] - top);
    double left = u * z;
    int32_t last = 0;
    for (int32_t i = 0; i < vocab; i++) {
        double p = exp((double)logits[i] - top);
        if (!(p > 0)) continue;
        last = i;
        if ((left -= p) < 0) break;
    }
    return last;
}

static void note_token(struct writer *w, int32_t id, int vocab)
{
    struct lt_reply *r = w->out;
    int k = LT_MIN(w->ask->top_logprobs, vocab), at = r->count++;
    r->token[at] = id;
    r->logp[at] = w->logp[id];
    for (int i = 0; i < k; i++) {
        int32_t best = argmax(w->logp, vocab);
        r->top_token[(int64_t)at * w->ask->top_logprobs + i] = best;
        r->top_logp[(int64_t)at * w->ask->top_logprobs + i] = w->logp[best];
        w->logp[best] = -INFINITY;
    }
}

/* Chooses the next token: its id, or -1. */
static int32_t choose(struct writer *w)
{
    int vocab;
    const float *logits = w->h->s.type->logits(w->h->s.self, &vocab);
    if (!logits) return -1;
    if (!w->logits) {
        w->logits = lt_alloc((size_t)vocab * sizeof(float));
        w->logp = lt_alloc((size_t)vocab * sizeof(float));
    }
    memcpy(w->logits, logits, (size_t)vocab * sizeof(float));
    lt_log_softmax(logits, vocab, w->logp);
    for (int i = w->t ? lt_tokenizer_vocab(w->t) : vocab; i < vocab; i++) w->logits[i] = -INFINITY;  /* mere padding */
    struct lt_seq seq = { w->h->token, w->h->count, w->out->prompt_count };
    if (lt_chain_apply(w->chain, seq, w->logits, vocab)) return -1;
    uint64_t bits = lt_rng_at(w->ask->seed, w->ask->number, (uint64_t)w->out->count);
    int32_t id = w->ask->greedy ? argmax(w->logits, vocab) : draw(w->logits, vocab, (double)(bits >> 11) * 0x1p-53);
    note_token(w, id, vocab);
    lt_chain_accept(w->chain, id);
    return id;
}

static bool ends(const struct writer *w, int32_t id)
{
    for (int i = 0; i < w->ask->end_count; i++)
        if (id == w->ask->end[i]) return true;
    return w->t && id == lt_tokenizer_eos(w->t);
}

/* 1: the text is finished. */
static int write_token(struct writer *w, int32_t id)
{
    if (ends(w, id)) {
        w->out->finish = "stop";
        return 1;
    }
    size_t from = w->text.n;
    if (w->detok && lt_detok_push(w->detok, id, &w->text)) return -1;
    if (stopped(w, from)) {
        w->out->finish = "stop";
        return 1;
    }
    if (stream(w, false)) {
        w->out->finish = "interrupted";
        return 1;
    }
    return 0;
}

static int write_tokens(struct writer *w)
{
    int limit = w->h->s.type->limit(w->h->s.self), room = limit ? limit - w->h->count : w->ask->max_tokens;
    for (int i = 0; i < LT_MIN(room, w->ask->max_tokens); i++) {
        if (lt_ctx_interrupted(w->c)) {
            w->out->finish = "interrupted";
            return 0;
        }
        int32_t id = choose(w);
        if (id < 0) return -1;
        int rc = write_token(w, id);
        if (rc) return rc < 0 ? -1 : 0;
        if (i + 1 < LT_MIN(room, w->ask->max_tokens) && feed(w->h, &id, 1)) return -1;
    }
    return 0;
}

static int check_stop(const struct writer *w)
{
    const struct lt_list *stop = w->ask->stop;
    if (stop && stop->count && !w->t) return lt_misuse("stop strings need a model with a tokenizer");
    for (int i = 0; stop && i < stop->count; i++)
        if (!*stop->item[i]) return lt_misuse("a stop string is empty; every text would end at once");
    return 0;
}

static int reply(struct writer *w)
{
    int32_t *id = NULL;
    int count = 0, rc = prompt_ids(w, &id, &count);
    size_t most = (size_t)LT_MAX(w->ask->max_tokens, 1), tops = (size_t)LT_MAX(w->ask->top_logprobs, 0);
    *w->out = (struct lt_reply){ .token = lt_alloc(most * sizeof(int32_t)), .logp = lt_alloc(most * sizeof(float)),
                                 .finish = "length", .prompt_count = count };
    if (tops) {
        w->out->top_token = lt_calloc(most * tops, sizeof(int32_t));
        w->out->top_logp = lt_calloc(most * tops, sizeof(float));
    }
    if (!rc) rc = feed_prompt(w->h, id, count);
    free(id);
    if (!rc) rc = lt_chain_open(w->ask->controls, w->lm, &w->chain);
    if (!rc && w->t) w->detok = lt_detok_new(w->t, false);
    if (!rc) rc = write_tokens(w);
    if (!rc && w->detok && !w->cut) {               /* bytes of an unfinished character */
        size_t from = w->text.n;
        rc = lt_detok_finish(w->detok, &w->text);
        if (!rc && stopped(w, from)) w->out->finish = "stop";
    }
    if (!rc) stream(w, true);
    lt_chain_free(w->chain);
    lt_detok_free(w->detok);
    free(w->logits);
    free(w->logp);
    lt_buf_put(&w->text, "", 0);
    w->out->text_size = w->text.n;
    w->out->text = w->text.p;
    w->out->text[w->text.n] = 0;
    return rc;
}

int lt_generate(struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, int n, struct lt_reply *out)
{
    if (lm->type->generate) return lm->type->generate(lm->self, ask, n, out);
    struct held h = { 0 };
    if (!lm->type->session) return lt_misuse("%s models give no logits and cannot write", lm->type->m.name);
    if (lm->type->session(lm->self, &h.s)) return -1;
    const struct lt_tokenizer *t = lm->type->tokenizer ? lm->type->tokenizer(lm->self) : NULL;
    int rc = 0, done = 0;
    for (; done < n && !rc; done++) {
        out[done] = (struct lt_reply){ 0 };
        struct writer w = { .lm = lm, .c = c, .ask = &ask[done], .t = t, .h = &h, .out = &out[done] };
        rc = check_stop(&w) || reply(&w) ? -1 : 0;
        if (rc) lt_reply_release(&out[done]);
    }
    for (int i = 0; rc && i < done; i++) lt_reply_release(&out[i]);
    h.s.type->close(h.s.self);
    free(h.token);
    return rc;
}
