/* Log-probabilities of tokens, as OpenAI's interface has them for completions and for chats. */
#include "serve/answer.h"
#include "serve/spelling.h"
#include "text/tokenizer.h"
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

/* A token with what is known of it; first: nothing stood before it. */
struct place { int32_t id; float logp; const int32_t *top_token; const float *top_logp; bool first; };
/* Those from `from` to before `to` of a prompt that is echoed and a reply. */
struct places { const struct lt_slot *s; const struct lt_reply *y; int from, to, tops; };

static int echoed(const struct lt_slot *s)
{
    return s->x->req.echo ? s->x->prompt[s->prompt].count : 0;
}

static struct place place_at(const struct places *all, int i)
{
    const struct lt_asked *p = &all->s->x->prompt[all->s->prompt];
    const struct lt_reply *y = all->y;
    int before = echoed(all->s);
    size_t k = (size_t)all->tops;
    if (i < before)
        return (struct place){ p->id[i], p->score.logp[i], p->score.top_token + (size_t)i * k,
                               p->score.top_logp + (size_t)i * k, i == 0 };
    i -= before;
    return (struct place){ y->token[i], y->logp[i], k ? y->top_token + (size_t)i * k : NULL,
                           k ? y->top_logp + (size_t)i * k : NULL, false };
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

static void put_offsets(struct lt_buf *b, const struct lt_tokenizer *t, const struct places *all, struct lt_told *told)
{
    struct lt_buf text = { 0 }, plain = { 0 };
    if (t && !told->detok) {
        const struct lt_asked *p = &all->s->x->prompt[all->s->prompt];
        told->detok = lt_detok_new(t, false);
        if (!echoed(all->s)) lt_detok_behind(told->detok, p->id, (size_t)p->count);
    }
    for (int i = all->from; i < all->to; i++) {
        lt_buf_fmt(b, "%s%zu", i > all->from ? "," : "", told->at);
        lt_buf_clear(&text);
        lt_buf_clear(&plain);
        if (!told->detok || lt_detok_push(told->detok, place_at(all, i).id, &text)) continue;
        lt_text_flow_put(&told->flow, lt_buf_view(&text), false, &plain);
        told->at += characters(lt_buf_view(&plain));
    }
    lt_buf_free(&text);
    lt_buf_free(&plain);
}

static void put_legacy(struct lt_buf *b, const struct lt_tokenizer *t, const struct places *all, struct lt_told *told)
{
    lt_buf_str(b, "{\"tokens\":[");
    for (int i = all->from; i < all->to; i++) {
        if (i > all->from) lt_buf_char(b, ',');
        put_token(b, t, place_at(all, i).id);
    }
    lt_buf_str(b, "],\"token_logprobs\":[");
    for (int i = all->from; i < all->to; i++) {
        struct place p = place_at(all, i);
        if (i > all->from) lt_buf_char(b, ',');
        if (p.first) lt_buf_str(b, "null");
        else lt_json_put_real(b, (double)p.logp);
    }
    lt_buf_str(b, all->tops ? "],\"top_logprobs\":[" : "],\"top_logprobs\":null");
    for (int i = all->from; i < all->to && all->tops; i++) {
        struct place p = place_at(all, i);
        if (i > all->from) lt_buf_char(b, ',');
        if (p.first) lt_buf_str(b, "null");
        else put_tops(b, t, &p, all->tops);
    }
    if (all->tops) lt_buf_char(b, ']');
    lt_buf_str(b, ",\"text_offset\":[");
    put_offsets(b, t, all, told);
    lt_buf_str(b, "]}");
}

static void put_one(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id, float logp)
{
    struct lt_str s = token_bytes(t, id);
    lt_buf_fmt(b, "{\"id\":%d,\"token\":", id);
    put_token(b, t, id);
    lt_buf_str(b, ",\"logprob\":");
    lt_json_put_real(b, (double)logp);
    lt_buf_str(b, ",\"bytes\":[");
    for (size_t i = 0; i < s.n; i++) lt_buf_fmt(b, "%s%d", i ? "," : "", (unsigned char)s.p[i]);
    lt_buf_char(b, ']');
}

static void put_content(struct lt_buf *b, const struct lt_tokenizer *t, const struct places *all)
{
    lt_buf_str(b, "{\"content\":[");
    for (int i = all->from; i < all->to; i++) {
        struct place p = place_at(all, i);
        if (i > all->from) lt_buf_char(b, ',');
        put_one(b, t, p.id, p.logp);
        lt_buf_str(b, ",\"top_logprobs\":[");
        for (int j = 0; j < all->tops; j++) {
            if (j) lt_buf_char(b, ',');
            put_one(b, t, p.top_token[j], p.top_logp[j]);
            lt_buf_char(b, '}');
        }
        lt_buf_str(b, "]}");
    }
    lt_buf_str(b, "]}");
}

/* Up to the token `to`. */
static void put_places(struct lt_buf *b, const struct lt_slot *s, const struct lt_reply *y, int to,
                       struct lt_told *told)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(s->x->engine);
    struct places all = { s, y, told->count, to, (int)s->x->req.tops };
    if (s->x->req.chat) put_content(b, t, &all);
    else put_legacy(b, t, &all, told);
    told->count = to;
}

void lt_answer_logprobs(struct lt_buf *b, const struct lt_slot *s)
{
    struct lt_told told = { 0 };
    lt_buf_str(b, "\"logprobs\":");
    if (s->x->req.logprobs) put_places(b, s, &s->reply, echoed(s) + s->reply.count, &told);
    else lt_buf_str(b, "null");
    lt_detok_free(told.detok);
}

void lt_answer_more_logprobs(struct lt_buf *b, struct lt_slot *s, bool prompt)
{
    int to = echoed(s) + (prompt ? 0 : s->shown);
    lt_buf_str(b, "\"logprobs\":");
    if (s->x->req.logprobs && to > s->told.count) put_places(b, s, s->now, to, &s->told);
    else lt_buf_str(b, "null");
}
