/* What is answered at each path. */
#include "serve/server.h"

#include "serve/answer.h"
#include "serve/web_page.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- completions ---- */

int lt_call_model(struct lt_call *c, const char *name, struct lt_fault *f)
{
    struct lt_server *s = c->s;
    struct lt_buf names = { 0 };
    for (int i = 0; i < s->models && !c->model; i++)
        if (!name || !strcmp(name, s->model[i].name)) c->model = &s->model[i];
    if (c->model) return 0;
    for (int i = 0; i < s->models; i++) lt_buf_fmt(&names, "%s\"%s\"", i ? ", " : "", s->model[i].name);
    lt_fault_set(f, 404, "model", "model_not_found", "there is no model \"%.200s\"; this server has %s", name, names.p);
    lt_buf_free(&names);
    return -1;
}

/* The same for bodies of one purpose, which may name one. */
static int model_of(struct lt_call *c, const json_t *body, struct lt_fault *f)
{
    const json_t *v = json_object_get(body, "model");
    if (v && !json_is_null(v) && !json_is_string(v))
        return lt_fault_set(f, 400, "model", "invalid_type", "model: expected a text");
    return lt_call_model(c, json_string_value(v), f);
}

static int render(struct lt_call *c, const json_t *messages, struct lt_buf *text, struct lt_fault *f)
{
    struct lt_chat_ask a = { .messages = messages, .generation_prompt = true, .now = (int64_t)time(NULL) };
    if (!c->model->chat) return lt_fault_set(f, 400, "messages", "no_chat_template", "%s", c->model->no_chat);
    if (lt_chat_render(c->model->chat, &a, text, NULL))
        return lt_fault_set(f, 400, "messages", "invalid_value", "%s", lt_error());
    lt_buf_put(text, "", 0);
    return 0;
}

/* Without what the tokenizer puts around a text: the template has its own begin token. */
static int encode(struct lt_call *c, struct lt_str text, unsigned flags, const char *param, struct lt_given *to,
                  struct lt_fault *f)
{
    const struct lt_tokenizer *t = lt_engine_tokenizer(c->model->engine);
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
    struct lt_engine *e = x->engine;
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
    lt_call_finished(c, x);
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
    int rc = lt_request_parse(&r, chat, c->body, f) || lt_call_model(c, r.model, f) ? -1 : 0;
    if (!rc && chat) {
        rc = render(c, r.messages, &text, f);
        if (!rc) rc = encode(c, lt_buf_view(&text), 0, "messages", &turn, f);
    }
    if (!rc) rc = lt_exchange_new(c->model->engine, &r, chat ? &turn : r.prompt, chat ? 1 : r.prompts, &x, f);
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
    static const char *const keys[] = { "content", "add_special", "with_pieces", "model", NULL };
    struct lt_given given = { 0 };
    struct lt_str text;
    json_t *body;
    bool special = false, pieces = false;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    int rc = model_of(c, body, f) || need_text(body, "content", &text, f) || flag(body, "add_special", &special, f)
           || flag(body, "with_pieces", &pieces, f) || encode(c, text, special ? LT_SPECIAL : 0, "content", &given, f)
           ? -1 : 0;
    if (!rc) lt_buf_str(&c->out, "{\"tokens\":[");
    for (int i = 0; i < given.count && !rc; i++) {
        lt_buf_fmt(&c->out, pieces ? "%s{\"id\":%d,\"piece\":" : "%s%d", i ? "," : "", given.id[i]);
        if (!pieces) continue;
        struct lt_str piece = lt_tokenizer_piece(lt_engine_tokenizer(c->model->engine), given.id[i]);
        lt_plain_json(&c->out, piece.p ? piece : lt_str(""));
        lt_buf_char(&c->out, '}');
    }
    if (!rc) lt_buf_fmt(&c->out, "],\"count\":%d}\n", given.count);
    free(given.id);
    json_decref(body);
    return rc;
}

static int detokenize(struct lt_call *c, struct lt_fault *f)
{
    static const char *const keys[] = { "tokens", "model", NULL };
    int32_t *id = NULL;
    int count = 0, rc;
    char *text = NULL;
    size_t n = 0;
    json_t *body;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    const json_t *list = json_object_get(body, "tokens");
    const struct lt_tokenizer *t = model_of(c, body, f) ? NULL : lt_engine_tokenizer(c->model->engine);
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
        lt_plain_json(&c->out, (struct lt_str){ text ? text : "", n });
        lt_buf_str(&c->out, "}\n");
    }
    free(text);
    free(id);
    json_decref(body);
    return rc;
}

static int apply_template(struct lt_call *c, struct lt_fault *f)
{
    static const char *const keys[] = { "messages", "model", NULL };
    struct lt_buf text = { 0 };
    json_t *body;
    if (lt_request_object(c->body, keys, &body, f)) return -1;
    const json_t *messages = json_object_get(body, "messages");
    int rc = messages && !lt_chat_check(messages) ? 0 : lt_fault_set(f, 400, "messages", "invalid_value", "%s", messages
             ? lt_error() : "messages: expected a list of {\"role\", \"content\"}");
    if (!rc) rc = model_of(c, body, f) || render(c, messages, &text, f) ? -1 : 0;
    if (!rc) {
        lt_buf_str(&c->out, "{\"prompt\":");
        lt_plain_json(&c->out, lt_buf_view(&text));
        lt_buf_str(&c->out, "}\n");
    }
    lt_buf_free(&text);
    json_decref(body);
    return rc;
}

/* ---- about the server ---- */

static int health(struct lt_call *c, struct lt_fault *f)
{
    if (lt_engine_stops(c->s->model[0].engine)) return lt_fault_set(f, 503, NULL, "stopping", "the server stops");
    lt_buf_str(&c->out, "{\"status\":\"ok\"}\n");
    return 0;
}

static int models(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_str(&c->out, "{\"object\":\"list\",\"data\":[");
    for (int i = 0; i < c->s->models; i++) {
        const struct lt_served *m = &c->s->model[i];
        lt_buf_str(&c->out, i ? ",{\"id\":" : "{\"id\":");
        lt_plain_json(&c->out, lt_str(m->name));
        lt_buf_str(&c->out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"lathe\",\"max_model_len\":");
        if (lt_engine_limit(m->engine)) lt_buf_fmt(&c->out, "%d", lt_engine_limit(m->engine));
        else lt_buf_str(&c->out, "null");
        lt_buf_fmt(&c->out, ",\"vocab_size\":%d}", lt_engine_vocab(m->engine));
    }
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

static int metrics(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    c->type = "text/plain; version=0.0.4";
    lt_metrics_put(c->s, &c->out);
    return 0;
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
    { "GET", "/", true, lt_answer_page },
    { "GET", "/controls", false, lt_answer_controls },
    { "GET", "/model-card", false, lt_answer_model_card },
    { "GET", "/vocabulary", false, lt_answer_vocabulary },
    { "POST", "/grammar/next", false, lt_answer_grammar_next },
    { 0 },
};
