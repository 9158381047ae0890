#include "serve/answer.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* ---- tokens as text ---- */

static bool is_text(struct lt_str s)
{
    json_t *v = json_stringn(s.p ? s.p : "", s.n);
    json_decref(v);
    return v != NULL;
}

static struct lt_str token_bytes(const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str s = { "", 0 };
    if (!t || lt_tokenizer_special(t, id) || !lt_tokenizer_bytes(t, id, &s)) s = (struct lt_str){ 0 };
    if (!s.p && t) s = lt_tokenizer_piece(t, id);
    return s.p ? s : (struct lt_str){ "", 0 };
}

/* What is no text by itself, half a character, is spelt "bytes:\x..", and without a tokenizer "token_id:N". */
static void put_token(struct lt_buf *b, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_buf spelt = { 0 };
    struct lt_str s = token_bytes(t, id);
    if (!t) lt_buf_fmt(&spelt, "token_id:%d", id);
    else if (!is_text(s)) {
        lt_buf_str(&spelt, "bytes:");
        for (size_t i = 0; i < s.n; i++) lt_buf_fmt(&spelt, "\\x%02x", (unsigned char)s.p[i]);
    }
    lt_json_put_text(b, spelt.n ? lt_buf_view(&spelt) : s);
    lt_buf_free(&spelt);
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

static void put_offsets(struct lt_buf *b, const struct lt_tokenizer *t, const struct places *all)
{
    struct lt_detok *d = t ? lt_detok_new(t, false) : NULL;
    struct lt_text_flow flow = { 0 };
    struct lt_buf text = { 0 }, plain = { 0 };
    size_t at = 0;
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
    put_offsets(b, t, &all);
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

static void put_logprobs(struct lt_buf *b, const struct lt_tokenizer *t, const struct lt_exchange *x,
                         const struct lt_slot *s)
{
    lt_buf_str(b, "\"logprobs\":");
    if (!x->req.logprobs || !s) lt_buf_str(b, "null");
    else if (x->req.chat) put_content(b, t, x, s);
    else put_legacy(b, t, x, s);
}

/* ---- bodies ---- */

static void put_head(struct lt_buf *b, const struct lt_engine *e, const struct lt_exchange *x, bool chunk)
{
    const char *object = !x->req.chat ? "text_completion" : chunk ? "chat.completion.chunk" : "chat.completion";
    lt_buf_fmt(b, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"seed\":%llu,\"model\":", x->id, object,
               (long long)x->created, (unsigned long long)x->seed);
    lt_plain_json(b, lt_str(lt_engine_name(e)));
    lt_buf_str(b, ",\"choices\":[");
}

static void put_usage(struct lt_buf *b, const struct lt_exchange *x)
{
    int64_t prompt = 0, written = 0;
    for (int i = 0; i < x->slots / (int)x->req.n; i++) prompt += x->prompt[i].count;
    for (int i = 0; i < x->slots; i++) written += x->slot[i].reply.count;
    lt_buf_fmt(b, "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld}",
               (long long)prompt, (long long)written, (long long)(prompt + written));
}

/* The text of the prompt, as the client gave it or as its tokens say. */
static void put_prompt(struct lt_buf *b, const struct lt_engine *e, const struct lt_exchange *x, int prompt)
{
    const struct lt_given *g = &x->req.prompt[prompt];
    char *text = NULL;
    size_t n = 0;
    if (!g->id) lt_buf_put(b, g->text.p, g->text.n);
    else if (lt_engine_tokenizer(e) && !lt_tokenizer_decode(lt_engine_tokenizer(e), g->id, (size_t)g->count, false,
                                                            &text, &n))
        lt_buf_put(b, text, n);
    free(text);
}

static void put_choice(struct lt_buf *b, const struct lt_engine *e, const struct lt_exchange *x, int i)
{
    const struct lt_slot *s = &x->slot[i];
    struct lt_buf text = { 0 };
    if (x->req.echo) put_prompt(&text, e, x, s->prompt);
    lt_buf_put(&text, s->reply.text ? s->reply.text : "", s->reply.text_size);
    lt_buf_fmt(b, "%s{\"index\":%d,%s", i ? "," : "", i,
               x->req.chat ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"text\":");
    lt_plain_json(b, lt_buf_view(&text));
    lt_buf_str(b, x->req.chat ? "}," : ",");
    put_logprobs(b, lt_engine_tokenizer(e), x, s);
    lt_buf_fmt(b, ",\"finish_reason\":\"%s\"}", s->reply.finish);
    lt_buf_free(&text);
}

void lt_answer_body(const struct lt_engine *e, const struct lt_exchange *x, struct lt_buf *out)
{
    put_head(out, e, x, false);
    for (int i = 0; i < x->slots; i++) put_choice(out, e, x, i);
    lt_buf_str(out, "],");
    put_usage(out, x);
    lt_buf_str(out, "}\n");
}

/* ---- events ---- */

/* finish NULL: the reply goes on. */
static void put_chunk(struct lt_buf *b, const struct lt_engine *e, const struct lt_exchange *x, const struct lt_slot *s,
                      struct lt_str text, bool role, const char *finish)
{
    lt_buf_str(b, "data: ");
    put_head(b, e, x, true);
    lt_buf_fmt(b, "{\"index\":%d,", (int)(s - x->slot));
    if (x->req.chat) {
        lt_buf_fmt(b, "\"delta\":{%s", role ? "\"role\":\"assistant\"," : "");
        if (!finish) lt_buf_str(b, "\"content\":");
    } else lt_buf_str(b, "\"text\":");
    if (!finish || !x->req.chat) lt_plain_json(b, text);
    lt_buf_str(b, x->req.chat ? "}," : ",");
    put_logprobs(b, lt_engine_tokenizer(e), x, finish ? s : NULL);
    if (finish) lt_buf_fmt(b, ",\"finish_reason\":\"%s\"}]", finish);
    else lt_buf_str(b, ",\"finish_reason\":null}]");
    if (x->req.usage) lt_buf_str(b, ",\"usage\":null");
    lt_buf_str(b, "}\n\n");
}

static void begin(const struct lt_engine *e, const struct lt_exchange *x, struct lt_slot *s, struct lt_buf *out)
{
    struct lt_buf text = { 0 };
    if (!s->begun && x->req.echo) {
        put_prompt(&text, e, x, s->prompt);
        put_chunk(out, e, x, s, lt_buf_view(&text), false, NULL);
    }
    if (!s->begun && x->req.chat) put_chunk(out, e, x, s, lt_str(""), true, NULL);
    s->begun = true;
    lt_buf_free(&text);
}

void lt_answer_piece(const struct lt_engine *e, const struct lt_exchange *x, struct lt_slot *s, struct lt_str piece,
                     struct lt_buf *out)
{
    struct lt_buf text = { 0 };
    lt_text_flow_put(&s->flow, piece, false, &text);
    begin(e, x, s, out);
    if (text.n) put_chunk(out, e, x, s, lt_buf_view(&text), false, NULL);
    lt_buf_free(&text);
}

void lt_answer_end(const struct lt_engine *e, const struct lt_exchange *x, struct lt_buf *out)
{
    if (x->fault.status) {
        lt_buf_str(out, "data: ");
        lt_fault_put(out, &x->fault);
        lt_buf_str(out, "\n\ndata: [DONE]\n\n");
        return;
    }
    for (int i = 0; i < x->slots; i++) {
        struct lt_buf rest = { 0 };
        begin(e, x, &x->slot[i], out);
        lt_text_flow_put(&x->slot[i].flow, lt_str(""), true, &rest);
        if (rest.n) put_chunk(out, e, x, &x->slot[i], lt_buf_view(&rest), false, NULL);
        lt_buf_free(&rest);
        put_chunk(out, e, x, &x->slot[i], lt_str(""), false, x->slot[i].reply.finish);
    }
    if (x->req.usage) {
        lt_buf_str(out, "data: ");
        put_head(out, e, x, true);
        lt_buf_str(out, "],");
        put_usage(out, x);
        lt_buf_str(out, "}\n\n");
    }
    lt_buf_str(out, "data: [DONE]\n\n");
}
