#include "serve/request.h"
#include "serve/plain_text.h"
#include "text/chat.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults ---- */

int lt_fault_set(struct lt_fault *f, int status, const char *param, const char *code, const char *fmt, ...)
{
    va_list ap;
    if (f->status) return -1;
    *f = (struct lt_fault){ .status = status, .code = code, .param = param ? lt_strdup(param) : NULL,
                            .type = status == 401 ? "authentication_error" : status < 500 ? "invalid_request_error"
                            : "server_error" };
    va_start(ap, fmt);
    if (vasprintf(&f->message, fmt, ap) < 0) f->message = NULL;
    va_end(ap);
    return -1;
}

void lt_fault_release(struct lt_fault *f)
{
    free(f->param);
    free(f->message);
    *f = (struct lt_fault){ 0 };
}

/* Messages may quote what a client sent, cut anywhere. */
static void put_text(struct lt_buf *b, const char *text)
{
    if (text) lt_plain_json(b, lt_str(text));
    else lt_buf_str(b, "null");
}

void lt_fault_put(struct lt_buf *b, const struct lt_fault *f)
{
    lt_buf_str(b, "{\"error\":{\"message\":");
    put_text(b, f->message ? f->message : "");
    lt_buf_fmt(b, ",\"type\":\"%s\",\"param\":", f->type);
    put_text(b, f->param);
    lt_buf_str(b, ",\"code\":");
    put_text(b, f->code);
    lt_buf_str(b, "}}");
}

/* ---- values ---- */

static const char *type_name(const json_t *v)
{
    static const char *const name[] = { [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text",
                                        [JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number",
                                        [JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null" };
    return name[json_typeof(v)];
}

static int wrong_type(struct lt_fault *f, const char *key, const char *expected, const json_t *v)
{
    return lt_fault_set(f, 400, key, "invalid_type", "%s: expected %s, found %s", key, expected, type_name(v));
}

static int take_int(const json_t *v, const char *key, int64_t min, int64_t max, int64_t *out, struct lt_fault *f)
{
    if (!json_is_integer(v)) return wrong_type(f, key, "a whole number", v);
    *out = json_integer_value(v);
    if (*out >= min && *out <= max) return 0;
    return lt_fault_set(f, 400, key, "invalid_value", "%s: expected a value from %lld to %lld, found %lld", key,
                        (long long)min, (long long)max, (long long)*out);
}

static int take_bool(const json_t *v, const char *key, bool *out, struct lt_fault *f)
{
    if (!json_is_boolean(v)) return wrong_type(f, key, "true or false", v);
    *out = json_is_true(v);
    return 0;
}

int lt_request_ids(const json_t *list, const char *param, int32_t **id, int *count, struct lt_fault *f)
{
    size_t n = json_array_size(list), i;
    json_t *v;
    *id = lt_alloc((n + 1) * sizeof **id);
    *count = (int)n;
    json_array_foreach((json_t *)list, i, v) {
        int64_t x;
        if (take_int(v, param, 0, INT32_MAX, &x, f)) return -1;
        (*id)[i] = (int32_t)x;
    }
    return 0;
}

/* ---- controls: by the names and ranges that the verbs have ---- */

struct controls { struct lt_choices chain; };
static const struct lt_opt control_rows[] = {
    { .key = "controls", .help = "changes to the logits", .type = LT_METHODS, .at = offsetof(struct controls, chain),
      .text = "control" },
    { 0 },
};
static const struct lt_method control_set = { .name = "request", .brief = "controls of a request",
                                              .size = sizeof(struct controls), .opts = control_rows };

/* Each value is judged alone first, so that the fault can name its field. */
static int set_control(struct lt_request *r, const char *field, const char *key, const char *value, struct lt_fault *f)
{
    struct lt_options *alone = lt_options_new(&control_set);
    int rc = lt_options_set(alone, key, value) || !lt_options_done(alone) ? -1 : 0;
    if (!rc) rc = lt_options_set(r->set, key, value);
    if (rc) lt_fault_set(f, 400, field, "invalid_value", "%s", lt_error());
    lt_options_free(alone);
    return rc;
}

/* Only numbers: a text may name a file, which is not for clients to choose. */
static const struct lt_method *number_control(const char *key)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "control")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        const struct lt_opt *first = (*m)->opts;
        if (!strcmp((*m)->name, key) && first && (first->type == LT_INT || first->type == LT_REAL)) return *m;
    }
    return NULL;
}

static int set_number(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    struct lt_buf text = { 0 };
    if (!json_is_number(v)) return wrong_type(f, key, "a number", v);
    if (json_is_integer(v)) lt_buf_fmt(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else lt_json_put_real(&text, json_real_value(v));
    int rc = set_control(r, key, key, text.p, f);
    lt_buf_free(&text);
    return rc;
}

static int set_form(struct lt_request *r, const char *field, const char *control, const char *value, struct lt_fault *f)
{
    if (r->form)
        return lt_fault_set(f, 400, field, "invalid_value", "%s and %s both say what form the text has: give one",
                            r->form, field);
    r->form = field;
    return set_control(r, field, control, value, f);
}

static int set_schema(struct lt_request *r, const char *field, const json_t *schema, struct lt_fault *f)
{
    char *text = json_dumps(schema, JSON_COMPACT);
    int rc = set_form(r, field, "json_schema", text ? text : "{}", f);
    free(text);
    return rc;
}

/* ---- fields ---- */

typedef int field_fn(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f);

static int field_model(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (!json_is_string(v)) return wrong_type(f, key, "a text", v);
    r->model = json_string_value(v);
    return 0;
}

static int add_given(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    struct lt_given *g = &r->prompt[r->prompts++];
    *g = (struct lt_given){ 0 };
    if (json_is_string(v)) g->text = (struct lt_str){ json_string_value(v), json_string_length(v) };
    else if (!json_is_array(v)) return wrong_type(f, key, "a text or a list of token numbers", v);
    else if (!json_array_size(v))
        return lt_fault_set(f, 400, key, "invalid_value", "%s: expected token numbers, found an empty list", key);
    else return lt_request_ids(v, key, &g->id, &g->count, f);
    return 0;
}

static int field_prompt(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    json_t *first = json_array_get(v, 0), *one;
    bool several = json_is_string(first) || json_is_array(first);
    size_t n = several ? json_array_size(v) : 1, i;
    if (n > LT_REQUEST_SLOTS)
        return lt_fault_set(f, 400, key, "invalid_value", "%s: expected at most %d prompts, found %zu", key,
                            LT_REQUEST_SLOTS, n);
    r->prompt = lt_calloc(n, sizeof *r->prompt);
    if (!several) return add_given(r, key, v, f);
    json_array_foreach((json_t *)v, i, one)
        if (add_given(r, key, one, f)) return -1;
    return 0;
}

static int field_messages(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (lt_chat_check(v)) return lt_fault_set(f, 400, key, "invalid_value", "%s", lt_error());
    r->messages = v;
    return 0;
}

static int field_max_tokens(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (r->max_tokens >= 0)
        return lt_fault_set(f, 400, key, "invalid_value",
                            "max_tokens and max_completion_tokens mean the same: give one");
    return take_int(v, key, 0, 100 * 1000 * 1000, &r->max_tokens, f);
}

static int field_n(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    return take_int(v, key, 1, LT_REQUEST_SLOTS, &r->n, f);
}

static int field_seed(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    return take_int(v, key, -1, (int64_t)9e15, &r->seed, f);
}

static int field_stop(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > 64) return lt_fault_set(f, 400, key, "invalid_value", "%s: expected at most 64 texts, found %zu", key, n);
    r->stop.item = lt_calloc(n + 1, sizeof *r->stop.item);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(one)) return wrong_type(f, key, "a text or a list of texts", one);
        if (!json_string_length(one))
            return lt_fault_set(f, 400, key, "invalid_value", "%s: an empty text would end every reply at once", key);
        r->stop.item[r->stop.count++] = json_string_value(one);
    }
    return 0;
}

static int field_logprobs(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (r->chat) return take_bool(v, key, &r->logprobs, f);
    r->logprobs = true;
    return take_int(v, key, 0, LT_REQUEST_TOPS, &r->tops, f);
}

static int field_top_logprobs(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (!json_is_true(json_object_get(r->body, "logprobs")))
        return lt_fault_set(f, 400, key, "invalid_value", "top_logprobs needs \"logprobs\": true");
    return take_int(v, key, 0, LT_REQUEST_TOPS, &r->tops, f);
}

static int field_echo(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    return take_bool(v, key, &r->echo, f);
}

static int field_stream(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    return take_bool(v, key, &r->stream, f);
}

static int field_stream_options(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    const char *name;
    json_t *one;
    if (!json_is_object(v)) return wrong_type(f, key, "an object", v);
    if (!json_is_true(json_object_get(r->body, "stream")))
        return lt_fault_set(f, 400, key, "invalid_value", "stream_options needs \"stream\": true");
    json_object_foreach((json_t *)v, name, one) {
        if (strcmp(name, "include_usage"))
            return lt_fault_set(f, 400, key, "unknown_field", "stream_options: there is no field \"%.64s\"", name);
        if (take_bool(one, "stream_options.include_usage", &r->usage, f)) return -1;
    }
    return 0;
}

static int field_response_format(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (!json_is_object(v)) return wrong_type(f, key, "an object", v);
    const char *type = json_string_value(json_object_get(v, "type"));
    if (type && !strcmp(type, "text")) return 0;
    if (type && !strcmp(type, "json_object")) return set_form(r, key, "json_schema", "{\"type\":\"object\"}", f);
    if (!type || strcmp(type, "json_schema"))
        return lt_fault_set(f, 400, key, "invalid_value",
                            "response_format.type: expected text, json_object or json_schema");
    const json_t *schema = json_object_get(json_object_get(v, "json_schema"), "schema");
    if (!json_is_object(schema))
        return lt_fault_set(f, 400, key, "invalid_value", "response_format.json_schema.schema: expected an object");
    return set_schema(r, key, schema, f);
}

static int field_json_schema(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    return json_is_object(v) ? set_schema(r, key, v, f) : wrong_type(f, key, "an object", v);
}

static int field_grammar(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    if (!json_is_string(v)) return wrong_type(f, key, "a text", v);
    if (!strstr(json_string_value(v), "::="))           /* the control would take it for a path */
        return lt_fault_set(f, 400, key, "invalid_value",
                            "grammar: expected rules in GBNF, as in root ::= \"yes\" | \"no\"");
    return set_form(r, key, "grammar", json_string_value(v), f);
}

enum { TEXT = 1, CHAT = 2, BOTH = 3 };
static const struct field { const char *key; int where; field_fn *take; } fields[] = {
    { "model", BOTH, field_model },
    { "prompt", TEXT, field_prompt },
    { "messages", CHAT, field_messages },
    { "max_tokens", BOTH, field_max_tokens },
    { "max_completion_tokens", CHAT, field_max_tokens },
    { "n", BOTH, field_n },
    { "seed", BOTH, field_seed },
    { "stop", BOTH, field_stop },
    { "logprobs", BOTH, field_logprobs },
    { "top_logprobs", CHAT, field_top_logprobs },
    { "echo", TEXT, field_echo },
    { "stream", BOTH, field_stream },
    { "stream_options", BOTH, field_stream_options },
    { "response_format", BOTH, field_response_format },
    { "json_schema", BOTH, field_json_schema },
    { "grammar", BOTH, field_grammar },
};

static int unknown(struct lt_fault *f, const char *key)
{
    char name[65];
    snprintf(name, sizeof name, "%s", key);
    return lt_fault_set(f, 400, name, "unknown_field", "there is no field \"%s\"", name);
}

static int take_field(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    int here = r->chat ? CHAT : TEXT;
    for (int i = 0; i < LT_COUNT(fields); i++) {
        if (strcmp(fields[i].key, key) || !(fields[i].where & here)) continue;
        return json_is_null(v) ? 0 : fields[i].take(r, key, v, f);
    }
    if (number_control(key)) return json_is_null(v) ? 0 : set_number(r, key, v, f);
    return unknown(f, key);
}

static int parse_object(struct lt_str body, json_t **out, struct lt_fault *f)
{
    if (lt_json_parse("the body", body, out)) {
        *out = NULL;
        return lt_fault_set(f, 400, NULL, "invalid_json", "%s", lt_error());
    }
    if (json_is_object(*out)) return 0;
    return lt_fault_set(f, 400, NULL, "invalid_type", "the body: expected an object, found %s", type_name(*out));
}

int lt_request_object(struct lt_str body, const char *const *key, json_t **out, struct lt_fault *f)
{
    const char *name;
    json_t *v;
    *out = NULL;
    int rc = parse_object(body, out, f);
    if (!rc)
        json_object_foreach(*out, name, v) {
            int i = 0;
            while (key[i] && strcmp(key[i], name)) i++;
            if (!key[i]) rc = unknown(f, name);
        }
    if (!rc) return 0;
    json_decref(*out);
    *out = NULL;
    return -1;
}

int lt_request_parse(struct lt_request *r, bool chat, struct lt_str body, struct lt_fault *f)
{
    const char *key;
    json_t *v;
    *r = (struct lt_request){ .chat = chat, .max_tokens = -1, .n = 1, .seed = -1, .set = lt_options_new(&control_set) };
    if (parse_object(body, &r->body, f)) return -1;
    json_object_foreach(r->body, key, v)
        if (take_field(r, key, v, f)) return -1;
    const char *need = chat ? "messages" : "prompt";
    if (chat ? !r->messages : !r->prompts)
        return lt_fault_set(f, 400, need, "missing_field", "%s: expected one, found none", need);
    if (r->n * LT_MAX(r->prompts, 1) > LT_REQUEST_SLOTS)
        return lt_fault_set(f, 400, "n", "invalid_value", "n: expected at most %d replies to one request, found %lld",
                            LT_REQUEST_SLOTS, (long long)(r->n * r->prompts));
    const struct controls *c = lt_options_done(r->set);
    if (!c) return lt_fault_set(f, 400, NULL, "invalid_value", "%s", lt_error());
    r->controls = &c->chain;
    return 0;
}

void lt_request_release(struct lt_request *r)
{
    for (int i = 0; i < r->prompts; i++) free(r->prompt[i].id);
    free(r->prompt);
    free(r->stop.item);
    lt_options_free(r->set);
    json_decref(r->body);
    *r = (struct lt_request){ 0 };
}
