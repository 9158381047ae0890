/* Completions, chat completions and embeddings. */
#include "serve/answer.h"
#include "serve/call.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <time.h>

/* ---- the way to a model and back ---- */

static int no_chat(const struct lt_call *c, struct lt_fault *f)
{
    return lt_fault_set(f, 400, "messages", "no_chat_template", "%s", c->model->no_chat);
}

int lt_call_render(struct lt_call *c, const struct lt_chat_ask *given, struct lt_buf *text, struct lt_fault *f)
{
    struct lt_chat_ask a = *given;
    a.now = (int64_t)time(NULL);
    if (!c->model->chat) return no_chat(c, f);
    if (lt_chat_render(c->model->chat, &a, text, NULL))
        return lt_fault_set(f, 400, "messages", "invalid_value", "%s", lt_error());
    lt_buf_put(text, "", 0);
    return 0;
}

static int no_tokenizer(const char *param, struct lt_fault *f)
{
    return lt_fault_set(f, 400, param, "no_tokenizer", "the model has no tokenizer");
}

/* token: taken over. */
static struct lt_given given_of(struct lt_token *token, size_t n)
{
    struct lt_given g = { .id = lt_alloc((n + 1) * sizeof *g.id), .count = (int)n };
    for (size_t i = 0; i < n; i++) g.id[i] = token[i].id;
    free(token);
    return g;
}

int lt_call_turn(struct lt_call *c, const struct lt_chat_ask *given, struct lt_given *to, struct lt_fault *f)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    struct lt_chat_ask a = *given;
    struct lt_buf text = { 0 };
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    a.now = (int64_t)time(NULL);
    if (!c->model->chat) return no_chat(c, f);
    if (!t) return no_tokenizer("messages", f);
    int rc = lt_chat_encode(c->model->chat, &a, t, &text, &token, &n, &cap);
    if (rc) lt_fault_set(f, 400, "messages", "invalid_value", "%s", lt_error());
    *to = given_of(token, rc ? 0 : n);
    lt_buf_free(&text);
    return rc;
}

int lt_call_encode(struct lt_call *c, struct lt_str text, unsigned flags, const char *param, struct lt_given *to,
                   struct lt_fault *f)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    if (!t) return no_tokenizer(param, f);
    int rc = lt_tokenizer_encode(t, text, flags, &token, &n, &cap);
    if (rc) lt_fault_set(f, 400, param, "invalid_value", "%s: %s", param, lt_error());
    *to = given_of(token, rc ? 0 : n);
    return rc;
}

/* A conversation as the one prompt of a request.  A call that must be made has begun. */
static int make_turn(struct lt_call *c, struct lt_request *r, struct lt_given *turn, struct lt_fault *f)
{
    struct lt_str source = { 0 };
    struct lt_buf opening = { 0 };
    if (c->model->chat) source = lt_chat_source(c->model->chat, r->tools != NULL);
    int rc = lt_request_bind_tools(r, source, f);
    if (!rc && r->tool_form && r->tool_choice >= LT_TOOLS_REQUIRED) lt_tool_opening(r->tool_form, &opening);
    struct lt_chat_ask a = { .messages = r->messages, .tools = r->tools, .extra = r->template_extra,
                             .generation_prompt = true, .begun = lt_buf_view(&opening) };
    if (!rc) rc = lt_call_turn(c, &a, turn, f);
    lt_buf_free(&opening);
    return rc;
}

static int make_exchange(struct lt_call *c, struct lt_request *r, struct lt_exchange **out, struct lt_fault *f)
{
    struct lt_given turn = { 0 };
    int rc = lt_call_model(c, r->model, f);
    if (!rc && c->adapter) r->adapter = c->adapter->name;
    if (!rc && r->template_optional && !c->model->chat) r->chat = false;
    if (!rc && r->chat) rc = make_turn(c, r, &turn, f);
    if (!rc) rc = lt_exchange_new(c->model->engine, r, r->chat ? &turn : r->prompt, r->chat ? 1 : r->prompts, out, f);
    lt_request_release(r);
    free(turn.id);
    if (!rc && lt_engine_ask(c->model->engine, *out, f)) {
        lt_exchange_free(*out);
        rc = -1;
    }
    return rc;
}

/* The end of an exchange nobody streams. */
static int leave(struct lt_call *c, struct lt_exchange *x, struct lt_fault *f)
{
    lt_exchange_leave(c->model->engine, x);
    lt_call_finished(c, x);
    if (!x->fault.status) return 0;
    bool plain = f->plain;
    *f = x->fault;
    f->plain = plain;
    x->fault = (struct lt_fault){ 0 };
    lt_exchange_free(x);
    return -1;
}

int lt_call_finish(struct lt_call *c, struct lt_request *r, struct lt_exchange **out, struct lt_fault *f)
{
    if (make_exchange(c, r, out, f)) return -1;
    c->vanished = lt_call_wait(c, *out, LT_AWAIT_FINISHED);
    return leave(c, *out, f);
}

int lt_call_complete(struct lt_call *c, struct lt_request *r, struct lt_fault *f)
{
    struct lt_exchange *x;
    bool stream = r->stream;
    if (make_exchange(c, r, &x, f)) return -1;
    c->vanished = lt_call_wait(c, x, stream ? LT_AWAIT_ADMITTED : LT_AWAIT_FINISHED);
    if (stream && x->admitted && !c->vanished) {
        c->stream = x;
        return 0;
    }
    if (leave(c, x, f)) return -1;
    lt_answer_body(x, &c->out);
    lt_exchange_free(x);
    return 0;
}

/* ---- endpoints ---- */

static int complete(struct lt_call *c, bool chat, struct lt_fault *f)
{
    struct lt_request r;
    if (!lt_request_parse(&r, chat, c->body, f)) {
        r.dialect = &lt_dialect_openai;
        return lt_call_complete(c, &r, f);
    }
    lt_request_release(&r);
    return -1;
}

static int completions(struct lt_call *c, struct lt_fault *f) { return complete(c, false, f); }
static int chat_completions(struct lt_call *c, struct lt_fault *f) { return complete(c, true, f); }

#define USAGE "\"usage\":{\"type\":\"object\",\"required\":[\"prompt_tokens\",\"total_tokens\"]}"
#define CHOICES(part) \
    "{\"type\":\"object\",\"required\":[\"id\",\"object\",\"created\",\"model\",\"choices\",\"usage\"]," \
    "\"properties\":{\"choices\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\"," \
    "\"required\":[\"index\",\"" part "\",\"logprobs\",\"finish_reason\"]}}," USAGE "}}"
const struct lt_endpoint lt_endpoints_openai[] = {
    { "POST", "/v1/completions", false, completions, .body = &lt_body_completion, .streams = "text/event-stream",
      .brief = "goes on with a text", .reply = CHOICES("text") },
    { "POST", "/v1/chat/completions", false, chat_completions, .body = &lt_body_chat, .streams = "text/event-stream",
      .brief = "the next turn of a conversation", .reply = CHOICES("message") },
    { 0 },
};
