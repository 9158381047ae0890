/* What is answered at each path. */
#include "serve/server.h"

#include "serve/answer.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- completions ---- */

static int check_model(const struct lt_call *c, const struct lt_request *r, struct lt_fault *f)
{
    if (!r->model || !strcmp(r->model, c->s->name)) return 0;
    return lt_fault_set(f, 404, "model", "model_not_found", "there is no model \"%.200s\"; this server has \"%s\"",
                        r->model, c->s->name);
}

static int render(struct lt_call *c, const json_t *messages, struct lt_buf *text, struct lt_fault *f)
{
    struct lt_chat_ask a = { .messages = messages, .generation_prompt = true, .now = (int64_t)time(NULL) };
    if (!c->s->chat) return lt_fault_set(f, 400, "messages", "no_chat_template", "%s", c->s->no_chat);
    if (lt_chat_render(c->s->chat, &a, text, NULL))
        return lt_fault_set(f, 400, "messages", "invalid_value", "%s", lt_error());
    lt_buf_put(text, "", 0);
    return 0;
}

/* Without what the tokenizer puts around a text: the template has its own begin token. */
static int encode(struct lt_call *c, struct lt_str text, unsigned flags, const char *param, struct lt_given *to,
                  struct lt_fault *f)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->s->engine);
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    if (!t) return lt_fault_set(f, 400, param, "no_tokenizer", "the model has no tokenizer");
    if (lt_tokenizer_encode(t, text, flags, &token, &n, &cap)) {
        free(token);
        return lt_fault_set(f, 400, param, "invalid_value", "%s: %s", param, lt_error());
    }
    *to = (struct lt_given){ .id = lt_alloc((n + 1) * sizeof *to->id), .count = (int)n };
    for (size_t i = 0; i < n; i++) to->id[i] = token[i].id;
    free(token);
    return 0;
}

static int answer_exchange(struct lt_call *c, struct lt_exchange *x, struct lt_fault *f)
{
    struct lt_engine *e = c->s->engine;
    if (lt_engine_ask(e, x, f)) {
        lt_exchange_free(x);
        return -1;
    }
    c->vanished = lt_call_wait(c, x, x->req.stream ? LT_AWAIT_ADMITTED : LT_AWAIT_FINISHED);
    if (x->req.stream && x->admitted && !c->vanished) {
        c->stream = x;
        return 0;
    }
    lt_exchange_leave(e, x);
    int rc = x->fault.status ? -1 : 0;
    if (rc) {
        *f = x->fault;
        x->fault = (struct lt_fault){ 0 };
    } else lt_answer_body(e, x, &c->out);
    lt_exchange_free(x);
    return rc;
}

static int complete(struct lt_call *c, bool chat, struct lt_fault *f)
{
    struct lt_request r;
    struct lt_exchange *x;
    struct lt_given turn = { 0 };
    struct lt_buf text = { 0 };
    int rc = lt_request_parse(&r, chat, c->body, f) || check_model(c, &r, f) ? -1 : 0;
    if (!rc && chat) {
        rc = render(c, r.messages, &text, f);
        if (!rc) rc = encode(c, lt_buf_view(&text), 0, "messages", &turn, f);
    }
    if (!rc) rc = lt_exchange_new(c->s->engine, &r, chat ? &turn : r.prompt, chat ? 1 : r.prompts, &x, f);
    lt_request_release(&r);
    free(turn.id);
    lt_buf_free(&text);
    return rc ? -1 : answer_exchange(c, x, f);
}

static int completions(struct lt_call *c, struct lt_fault *f) { return complete(c, false, f); }
static int chat_completions(struct lt_call *c, struct lt_fault *f) { return complete(c, true, f); }

/* ---- texts and tokens ---- */

static int need_text(const json_t *body, const char *key, struct lt_str *out, struct lt_fault *f)
{
    const json_t *v = json_object_get(body, key);
    if (!json_is_string(v)) return lt_fault_set(f, 400, key, "invalid_type", "%s: expected a text", key);
    *out = (struct lt_str){ json_string_value(v), json_string_length(v) };
    return 0;
}

static int flag(const json_t *body, const char *key, bool *out, struct lt_fault *f)
{
    const json_t *v = json_object_get(body, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return lt_fault_set(f, 400, key, "invalid_type", "%s: expected true or false", key);
    *out = json_is_true(v);
    return 0;
}

static int tokenize(struct lt_call *c, struct lt_fault *f)
{
    static const char *const keys[] = { "content", "add_special", "with_pieces", NULL };
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->s->engine);
    struct lt_given given = { 0 };
    struct lt_str text;
    json_t *body;
    bool special = false, pieces = false;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    int rc = need_text(body, "content", &text, f) || flag(body, "add_special", &special, f)
           || flag(body, "with_pieces", &pieces, f) || encode(c, text, special ? LT_SPECIAL : 0, "content", &given, f)
           ? -1 : 0;
    if (!rc) lt_buf_str(&c->out, "{\"tokens\":[");
    for (int i = 0; i < given.count && !rc; i++) {
        lt_buf_fmt(&c->out, pieces ? "%s{\"id\":%d,\"piece\":" : "%s%d", i ? "," : "", given.id[i]);
        if (!pieces) continue;
        struct lt_str piece = lt_tokenizer_piece(t, given.id[i]);
        lt_json_put_text(&c->out, piece.p ? piece : lt_str(""));
        lt_buf_char(&c->out, '}');
    }
    if (!rc) lt_buf_fmt(&c->out, "],\"count\":%d}\n", given.count);
    free(given.id);
    json_decref(body);
    return rc;
}

static int detokenize(struct lt_call *c, struct lt_fault *f)
{
    static const char *const keys[] = { "tokens", NULL };
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->s->engine);
    int32_t *id = NULL;
    int count = 0, rc;
    char *text = NULL;
    size_t n = 0;
    json_t *body;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    const json_t *list = json_object_get(body, "tokens");
    if (!t) rc = lt_fault_set(f, 400, NULL, "no_tokenizer", "the model has no tokenizer");
    else if (!json_is_array(list))
        rc = lt_fault_set(f, 400, "tokens", "invalid_type", "tokens: expected a list of token numbers");
    else rc = lt_request_ids(list, "tokens", &id, &count, f);
    for (int i = 0; i < count && !rc; i++)
        if (id[i] >= lt_tokenizer_vocab(t))
            rc = lt_fault_set(f, 400, "tokens", "invalid_value", "tokens: token %d is not below the vocabulary of %d",
                              id[i], lt_tokenizer_vocab(t));
    if (!rc && lt_tokenizer_decode(t, id, (size_t)count, true, &text, &n))
        rc = lt_fault_set(f, 400, "tokens", "invalid_value", "%s", lt_error());
    if (!rc) {
        lt_buf_str(&c->out, "{\"content\":");
        lt_json_put_text(&c->out, (struct lt_str){ text ? text : "", n });
        lt_buf_str(&c->out, "}\n");
    }
    free(text);
    free(id);
    json_decref(body);
    return rc;
}

static int apply_template(struct lt_call *c, struct lt_fault *f)
{
    static const char *const keys[] = { "messages", NULL };
    struct lt_buf text = { 0 };
    json_t *body;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    const json_t *messages = json_object_get(body, "messages");
    int rc = messages && !lt_chat_check(messages) ? 0 : lt_fault_set(f, 400, "messages", "invalid_value", "%s", messages
             ? lt_error() : "messages: expected a list of {\"role\", \"content\"}");
    if (!rc) rc = render(c, messages, &text, f);
    if (!rc) {
        lt_buf_str(&c->out, "{\"prompt\":");
        lt_json_put_text(&c->out, lt_buf_view(&text));
        lt_buf_str(&c->out, "}\n");
    }
    lt_buf_free(&text);
    json_decref(body);
    return rc;
}

/* ---- about the server ---- */

static int health(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_str(&c->out, "{\"status\":\"ok\"}\n");
    return 0;
}

static int models(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_str(&c->out, "{\"object\":\"list\",\"data\":[{\"id\":");
    lt_json_put_text(&c->out, lt_str(c->s->name));
    lt_buf_str(&c->out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"lathe\",\"max_model_len\":");
    if (lt_engine_limit(c->s->engine)) lt_buf_fmt(&c->out, "%d", lt_engine_limit(c->s->engine));
    else lt_buf_str(&c->out, "null");
    lt_buf_fmt(&c->out, ",\"vocab_size\":%d}]}\n", lt_engine_vocab(c->s->engine));
    return 0;
}

static int metrics(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    c->type = "text/plain; version=0.0.4";
    lt_metrics_put(c->s, &c->out);
    return 0;
}

static const int statuses[LT_STATUSES] = { 200, 400, 401, 404, 405, 413, 500, 503, 0 };

int lt_status_place(int status)
{
    int i = 0;
    while (statuses[i] && statuses[i] != status) i++;
    return i;
}

void lt_metrics_put(struct lt_server *s, struct lt_buf *b)
{
    struct lt_engine_sums sums = lt_engine_sums(s->engine);
    lt_buf_str(b, "# HELP lathe_requests_total Requests answered, by status.\n# TYPE lathe_requests_total counter\n");
    for (int i = 0; statuses[i]; i++)
        lt_buf_fmt(b, "lathe_requests_total{status=\"%d\"} %lld\n", statuses[i], (long long)s->answered[i]);
    struct { const char *name, *help, *type; int64_t value; } rows[] = {
        { "lathe_prompt_tokens_total", "Tokens of prompts that were answered.", "counter", sums.prompt_tokens },
        { "lathe_written_tokens_total", "Tokens written.", "counter", sums.written_tokens },
        { "lathe_passes_total", "Passes over the model.", "counter", sums.passes },
        { "lathe_replies_running", "Replies being written.", "gauge", sums.running },
        { "lathe_replies_waiting", "Replies that wait for a place.", "gauge", sums.waiting },
    };
    for (int i = 0; i < LT_COUNT(rows); i++)
        lt_buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type,
                   rows[i].name, (long long)rows[i].value);
}

const struct lt_endpoint lt_endpoints[] = {
    { "GET", "/health", true, health },
    { "GET", "/v1/models", false, models },
    { "GET", "/metrics", false, metrics },
    { "POST", "/v1/completions", false, completions },
    { "POST", "/v1/chat/completions", false, chat_completions },
    { "POST", "/tokenize", false, tokenize },
    { "POST", "/detokenize", false, detokenize },
    { "POST", "/apply-template", false, apply_template },
    { 0 },
};
