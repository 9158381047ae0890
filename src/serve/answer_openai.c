/* Replies as clients of OpenAI's interface expect them: one JSON object, or server-sent events. */
#include "serve/answer.h"
#include "text/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parts of both ---- */

static void put_head(struct lt_buf *b, const struct lt_exchange *x, bool chunk)
{
    const char *object = !x->req.chat ? "text_completion" : chunk ? "chat.completion.chunk" : "chat.completion";
    lt_buf_fmt(b, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"system_fingerprint\":\"fp_%s\",\"seed\":%llu,"
               "\"model\":", x->id, object, (long long)x->created, lt_build_id(), (unsigned long long)x->seed);
    lt_json_put_text(b, lt_str(lt_exchange_model(x)));
    lt_buf_str(b, ",\"choices\":[");
}

static void put_usage(struct lt_buf *b, const struct lt_exchange *x)
{
    int64_t prompt, written;
    lt_answer_counts(x, &prompt, &written);
    lt_buf_fmt(b, "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld}",
               (long long)prompt, (long long)written, (long long)(prompt + written));
}

/* The text of the prompt, as the client gave it or as its tokens say. */
static void put_prompt(struct lt_buf *b, const struct lt_exchange *x, int prompt)
{
    const struct lt_given *g = &x->req.prompt[prompt];
    const struct lt_tokenizer *t = lt_engine_tokenizer(x->engine);
    char *text = NULL;
    size_t n = 0;
    if (!g->id) lt_buf_put(b, g->text.p, g->text.n);
    else if (t && !lt_tokenizer_decode(t, g->id, (size_t)g->count, false, &text, &n)) lt_buf_put(b, text, n);
    free(text);
}

static const char *finish_of(const struct lt_slot *s, int calls)
{
    return calls && !strcmp(s->reply.finish, "stop") ? "tool_calls" : s->reply.finish;
}

/* Nine letters and digits, which is what some templates want to see again: Mistral's. */
static void put_call_id(struct lt_buf *b, const struct lt_slot *s, int call)
{
    static const char digit[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    struct lt_buf whole = { 0 };
    lt_buf_fmt(&whole, "%s/%d/%d", s->x->id, (int)(s - s->x->slot), call);
    uint64_t h = lt_hash(whole.p, whole.n, 0);
    for (int i = 0; i < 9; i++, h /= 62) lt_buf_char(b, digit[h % 62]);
    lt_buf_free(&whole);
}

static void put_call(struct lt_buf *b, const struct lt_slot *s, int call, struct lt_str name, struct lt_str arguments)
{
    lt_buf_str(b, "\"id\":\"");
    put_call_id(b, s, call);
    lt_buf_str(b, "\",\"type\":\"function\",\"function\":{\"name\":");
    lt_json_put_text(b, name);
    lt_buf_str(b, ",\"arguments\":");
    lt_json_put_text(b, arguments);
    lt_buf_char(b, '}');
}

/* ---- one object ---- */

static void put_message(struct lt_buf *b, const struct lt_slot *s, const struct lt_heard *h)
{
    lt_buf_str(b, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (h->calls && !h->text.n) lt_buf_str(b, "null");
    else lt_json_put_text(b, lt_buf_view(&h->text));
    lt_buf_str(b, ",\"refusal\":null");
    for (int i = 0; i < h->calls; i++) {
        lt_buf_str(b, i ? ",{" : ",\"tool_calls\":[{");
        put_call(b, s, i, lt_buf_view(&h->call[i].name), lt_buf_view(&h->call[i].arguments));
        lt_buf_char(b, '}');
    }
    lt_buf_str(b, h->calls ? "]}" : "}");
}

static void put_choice(struct lt_buf *b, const struct lt_exchange *x, int i)
{
    const struct lt_slot *s = &x->slot[i];
    struct lt_buf prompt = { 0 }, text = { 0 };
    struct lt_heard h;
    lt_answer_hear(s, &h);
    lt_buf_fmt(b, "%s{\"index\":%d,", i ? "," : "", i);
    if (x->req.chat) put_message(b, s, &h);
    else {
        if (x->req.echo) put_prompt(&prompt, x, s->prompt);
        lt_plain_text(&text, lt_buf_view(&prompt));
        lt_buf_put(&text, h.text.p, h.text.n);
        lt_buf_str(b, "\"text\":");
        lt_json_put_text(b, lt_buf_view(&text));
    }
    lt_buf_char(b, ',');
    lt_answer_logprobs(b, s);
    lt_buf_fmt(b, ",\"finish_reason\":\"%s\"}", finish_of(s, h.calls));
    lt_heard_release(&h);
    lt_buf_free(&prompt);
    lt_buf_free(&text);
}

static void body(const struct lt_exchange *x, struct lt_buf *out)
{
    put_head(out, x, false);
    for (int i = 0; i < x->slots; i++) put_choice(out, x, i);
    lt_buf_str(out, "],");
    put_usage(out, x);
    lt_buf_str(out, "}\n");
}

/* ---- events ---- */

static void begin_chunk(struct lt_buf *b, const struct lt_slot *s)
{
    lt_buf_str(b, "data: ");
    put_head(b, s->x, true);
    lt_buf_fmt(b, "{\"index\":%d,", (int)(s - s->x->slot));
}

/* finish NULL: the reply goes on.  begins: nothing of it was written yet. */
static void end_chunk(struct lt_buf *b, struct lt_slot *s, bool begins, const char *finish)
{
    lt_buf_char(b, ',');
    lt_answer_more_logprobs(b, s, begins);
    if (finish) lt_buf_fmt(b, ",\"finish_reason\":\"%s\"}]", finish);
    else lt_buf_str(b, ",\"finish_reason\":null}]");
    if (s->x->req.usage) lt_buf_str(b, ",\"usage\":null");
    lt_buf_str(b, "}\n\n");
}

static void put_text(struct lt_buf *b, struct lt_slot *s, struct lt_str text, bool begins)
{
    bool chat = s->x->req.chat;
    begin_chunk(b, s);
    if (chat) lt_buf_fmt(b, "\"delta\":{%s\"content\":", begins ? "\"role\":\"assistant\"," : "");
    else lt_buf_str(b, "\"text\":");
    lt_json_put_text(b, text);
    if (chat) lt_buf_char(b, '}');
    end_chunk(b, s, begins, NULL);
}

static void begin(struct lt_slot *s, struct lt_buf *out)
{
    struct lt_buf text = { 0 };
    if (!s->begun && s->x->req.echo) {
        put_prompt(&text, s->x, s->prompt);
        put_text(out, s, lt_buf_view(&text), true);
    }
    if (!s->begun && s->x->req.chat) put_text(out, s, lt_str(""), true);
    s->begun = true;
    lt_buf_free(&text);
}

static void part(struct lt_slot *s, enum lt_tool_event what, struct lt_str text, struct lt_buf *out)
{
    begin(s, out);
    if (what == LT_TOOL_TEXT) {
        put_text(out, s, text, false);
        return;
    }
    int call = s->calls - (what == LT_TOOL_ARGUMENTS);
    begin_chunk(out, s);
    lt_buf_fmt(out, "\"delta\":{\"tool_calls\":[{\"index\":%d,", call);
    if (what == LT_TOOL_CALL) put_call(out, s, call, text, lt_str(""));
    else {
        lt_buf_str(out, "\"function\":{\"arguments\":");
        lt_json_put_text(out, text);
        lt_buf_char(out, '}');
    }
    lt_buf_str(out, "}]}");
    end_chunk(out, s, false, NULL);
}

static void done(struct lt_slot *s, struct lt_buf *out)
{
    begin(s, out);
    begin_chunk(out, s);
    lt_buf_str(out, s->x->req.chat ? "\"delta\":{}" : "\"text\":\"\"");
    end_chunk(out, s, false, finish_of(s, s->calls));
}

static void end(const struct lt_exchange *x, struct lt_buf *out)
{
    if (x->fault.status) {
        lt_buf_str(out, "data: ");
        lt_fault_put(out, &x->fault);
        lt_buf_str(out, "\n\n");
    } else if (x->req.usage) {
        lt_buf_str(out, "data: ");
        put_head(out, x, true);
        lt_buf_str(out, "],");
        put_usage(out, x);
        lt_buf_str(out, "}\n\n");
    }
    lt_buf_str(out, "data: [DONE]\n\n");
}

const struct lt_dialect lt_dialect_openai = { .stream_type = "text/event-stream", .body = body, .part = part,
                                              .done = done, .end = end };
