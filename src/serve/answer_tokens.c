/* Log-probabilities of tokens, as OpenAI's interface has them for completions and for chats. */
#include "serve/answer.h"
#include "serve/spelling.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* ---- tokens as text ---- */

static struct lt_str token_bytes(const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str s = { "", 0 };
    if (!t || lt_tokenizer_special(t, id) || !lt_tokenizer_bytes(t, id, &s)) s = (struct lt_str){ 0 };
    if (!s.p && t) s = lt_tokenizer_piece(t, id);
    return s.p ? s : (struct lt_str){ "", 0 };
}

/* Without a tokenizer "token_id:N". */
static void put_token(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id)
{
    if (t) lt_spelling_put(b, t, id);
    else lt_buf_fmt(b, "\"token_id:%d\"", id);
}

static size_t characters(struct lt_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* ---- log-probabilities ---- */

/* Tokens with what is known of each: those of the prompt, if they are wanted, then those of the reply. */
struct place { int32_t id; float logp; const int32_t *top_token; const float *top_logp; bool first; };
struct places { struct place *at; int n, tops; };

static struct places places_of(const struct lt_exchange *x, const struct lt_slot *s)
{
    const struct lt_asked *p = &x->prompt[s->prompt];
    const struct lt_reply *y = &s->reply;
    struct places all = { .tops = (int)x->req.tops };
    size_t k = (size_t)all.tops;
    all.at = lt_calloc((size_t)p->count + (size_t)y->count + 1, sizeof *all.at);
    for (int i = 0; x->req.echo && i < p->count; i++)
        all.at[all.n++] = (struct place){ p->id[i], p->score.logp[i], p->score.top_token + (size_t)i * k,
                                          p->score.top_logp + (size_t)i * k, i == 0 };
    for (int i = 0; i < y->count; i++)
        all.at[all.n++] = (struct place){ y->token[i], y->logp[i], k ? y->top_token + (size_t)i * k : NULL,
                                          k ? y->top_logp + (size_t)i * k : NULL, false };
    return all;
}

/* Two tokens may have one text: the likelier stands for it. */
static void put_tops(struct lt_buf *b, const struct lt_tokenizer *t, const struct place *p, int tops)
{
    struct lt_map seen = { 0 };
    struct lt_buf name = { 0 };
    int count = 0;
    lt_buf_char(b, '{');
    for (int j = 0; j < tops; j++) {
        bool fresh;
        lt_buf_clear(&name);
        put_token(&name, t, p->top_token[j]);
        lt_map_put(&seen, lt_buf_view(&name), &fresh);
        if (!fresh) continue;
        lt_buf_fmt(b, "%s%s:", count++ ? "," : "", name.p);
        lt_json_put_real(b, (double)p->top_logp[j]);
    }
    lt_buf_char(b, '}');
    lt_buf_free(&name);
    lt_map_free(&seen);
}

/* before: what the reply goes on behind, where that is not among the places. */
static void put_offsets(struct lt_buf *b, const struct lt_tokenizer *t, const struct lt_asked *before,
                        const struct places *all)
{
    struct lt_detok *d = t ? lt_detok_new(t, false) : NULL;
    struct lt_text_flow flow = { 0 };
    struct lt_buf text = { 0 }, plain = { 0 };
    size_t at = 0;
    if (d && before) lt_detok_behind(d, before->id, (size_t)before->count);
    for (int i = 0; i < all->n; i++) {
        lt_buf_fmt(b, "%s%zu", i ? "," : "", at);
        lt_buf_clear(&text);
        lt_buf_clear(&plain);
        if (!d || lt_detok_push(d, all->at[i].id, &text)) continue;
        lt_text_flow_put(&flow, lt_buf_view(&text), false, &plain);
        at += characters(lt_buf_view(&plain));
    }
    lt_detok_free(d);
    lt_buf_free(&text);
    lt_buf_free(&plain);
}

static void put_legacy(struct lt_buf *b, const struct lt_tokenizer *t, const struct lt_exchange *x,
                       const struct lt_slot *s)
{
    struct places all = places_of(x, s);
    lt_buf_str(b, "{\"tokens\":[");
    for (int i = 0; i < all.n; i++) {
        if (i) lt_buf_char(b, ',');
        put_token(b, t, all.at[i].id);
    }
    lt_buf_str(b, "],\"token_logprobs\":[");
    for (int i = 0; i < all.n; i++) {
        if (i) lt_buf_char(b, ',');
        if (all.at[i].first) lt_buf_str(b, "null");
        else lt_json_put_real(b, (double)all.at[i].logp);
    }
    lt_buf_str(b, "],\"top_logprobs\":");
    if (!all.tops) lt_buf_str(b, "null");
    for (int i = 0; i < all.n && all.tops; i++) {
        lt_buf_char(b, i ? ',' : '[');
        if (all.at[i].first) lt_buf_str(b, "null");
        else put_tops(b, t, &all.at[i], all.tops);
    }
    if (all.tops) lt_buf_str(b, all.n ? "]" : "[]");
    lt_buf_str(b, ",\"text_offset\":[");
    put_offsets(b, t, x->req.echo ? NULL : &x->prompt[s->prompt], &all);
    lt_buf_str(b, "]}");
    free(all.at);
}

static void put_one(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id, float logp)
{
    struct lt_str s = token_bytes(t, id);
    lt_buf_str(b, "{\"token\":");
    put_token(b, t, id);
    lt_buf_str(b, ",\"logprob\":");
    lt_json_put_real(b, (double)logp);
    lt_buf_str(b, ",\"bytes\":[");
    for (size_t i = 0; i < s.n; i++) lt_buf_fmt(b, "%s%d", i ? "," : "", (unsigned char)s.p[i]);
    lt_buf_char(b, ']');
}

static void put_content(struct lt_buf *b, const struct lt_tokenizer *t, const struct lt_exchange *x,
                        const struct lt_slot *s)
{
    struct places all = places_of(x, s);
    lt_buf_str(b, "{\"content\":[");
    for (int i = 0; i < all.n; i++) {
        if (i) lt_buf_char(b, ',');
        put_one(b, t, all.at[i].id, all.at[i].logp);
        lt_buf_str(b, ",\"top_logprobs\":[");
        for (int j = 0; j < all.tops; j++) {
            if (j) lt_buf_char(b, ',');
            put_one(b, t, all.at[i].top_token[j], all.at[i].top_logp[j]);
            lt_buf_char(b, '}');
        }
        lt_buf_str(b, "]}");
    }
    lt_buf_str(b, "]}");
    free(all.at);
}

void lt_answer_logprobs(struct lt_buf *b, const struct lt_exchange *x, const struct lt_slot *s)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(x->engine);
    lt_buf_str(b, "\"logprobs\":");
    if (!x->req.logprobs || !s) lt_buf_str(b, "null");
    else if (x->req.chat) put_content(b, t, x, s);
    else put_legacy(b, t, x, s);
}
