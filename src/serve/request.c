#include "serve/request.h"
#include "serve/messages.h"
#include <stdlib.h>
#include <string.h>

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
int lt_request_control(struct lt_request *r, const char *field, const char *control, const char *value,
                       struct lt_fault *f)
{
    struct lt_options *alone = lt_options_new(&control_set);
    bool part = strchr(control, '.') != NULL;           /* needs the value of its control beside it */
    int rc = part ? 0 : lt_options_set(alone, control, value) || !lt_options_done(alone) ? -1 : 0;
    if (!rc) rc = lt_options_set(r->set, control, value);
    if (rc) lt_fault_set(f, 400, field, "invalid_value", "%s", lt_error());
    lt_options_free(alone);
    return rc;
}

int lt_request_number(void *into, const char *field, const struct lt_method *control, const json_t *v,
                      struct lt_fault *f)
{
    struct lt_buf text = { 0 };
    if (!json_is_number(v)) return lt_wrong_type(f, field, "a number", v);
    if (json_is_integer(v)) lt_buf_fmt(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else lt_json_put_real(&text, json_real_value(v));
    int rc = lt_request_control(into, field, control->name, text.p, f);
    lt_buf_free(&text);
    return rc;
}

static int set_form(struct lt_request *r, const char *field, const char *control, const char *value, struct lt_fault *f)
{
    if (r->form)
        return lt_fault_set(f, 400, field, "invalid_value", "%s and %s both say what form the text has: give one",
                            r->form, field);
    r->form = field;
    return lt_request_control(r, field, control, value, f);
}

int lt_request_schema(struct lt_request *r, const char *field, const json_t *schema, struct lt_fault *f)
{
    char *text = json_dumps(schema, JSON_COMPACT);
    int rc = set_form(r, field, "json_schema", text ? text : "{}", f);
    free(text);
    return rc;
}

/* ---- prompts ---- */

static int add_given(struct lt_request *r, const char *key, const json_t *v, struct lt_fault *f)
{
    struct lt_given *g = &r->prompt[r->prompts++];
    *g = (struct lt_given){ 0 };
    if (json_is_string(v)) g->text = (struct lt_str){ json_string_value(v), json_string_length(v) };
    else if (!json_is_array(v)) return lt_wrong_type(f, key, "a text or a list of token numbers", v);
    else if (!json_array_size(v))
        return lt_fault_set(f, 400, key, "invalid_value", "%s: expected token numbers, found an empty list", key);
    else return lt_take_ids(v, key, &g->id, &g->count, f);
    return 0;
}

int lt_request_prompts(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = into;
    json_t *first = json_array_get(v, 0), *one;
    bool several = json_is_string(first) || json_is_array(first);
    size_t n = several ? json_array_size(v) : 1, i;
    if (n > LT_REQUEST_SLOTS)
        return lt_fault_set(f, 400, d->key, "invalid_value", "%s: expected at most %d prompts, found %zu", d->key,
                            LT_REQUEST_SLOTS, n);
    r->prompt = lt_calloc(n, sizeof *r->prompt);
    if (!several) return add_given(r, d->key, v, f);
    json_array_foreach((json_t *)v, i, one)
        if (add_given(r, d->key, one, f)) return -1;
    return 0;
}

int lt_request_messages(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)d;
    return lt_messages_take(v, &((struct lt_request *)into)->messages, f);
}

/* ---- tools ---- */

int lt_request_tools(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = into;
    (void)d;
    if (lt_tools_check(v, f)) return -1;
    if (json_array_size(v)) r->tools = v;
    return 0;
}

static int take_tool_choice(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    static const char *const word[] = { [LT_TOOLS_AUTO] = "auto", [LT_TOOLS_NONE] = "none",
                                        [LT_TOOLS_REQUIRED] = "required" };
    struct lt_request *r = into;
    const char *text = json_string_value(v), *name;
    for (int i = 0; text && i < LT_COUNT(word); i++)
        if (!strcmp(text, word[i])) {
            r->tool_choice = (enum lt_tool_choice)i;
            return 0;
        }
    name = json_string_value(json_object_get(json_object_get(v, "function"), "name"));
    if (!name)
        return lt_fault_set(f, 400, d->key, "invalid_value", "tool_choice: expected none, auto, required or "
                            "{\"type\":\"function\",\"function\":{\"name\":...}}");
    r->tool_choice = LT_TOOLS_NAMED;
    r->tool_name = name;
    return 0;
}

static int check_tools(const struct lt_request *r, struct lt_fault *f)
{
    if (r->tool_choice < LT_TOOLS_REQUIRED) return 0;
    if (!r->tools) return lt_fault_set(f, 400, "tool_choice", "invalid_value", "tool_choice needs tools");
    if (r->tool_choice == LT_TOOLS_REQUIRED || lt_tools_find(r->tools, lt_str(r->tool_name))) return 0;
    return lt_fault_set(f, 400, "tool_choice", "invalid_value", "tool_choice: there is no tool \"%.64s\"",
                        r->tool_name);
}

/* ---- what is reported ---- */

static int take_max_tokens(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = into;
    if (r->max_tokens >= 0)
        return lt_fault_set(f, 400, d->key, "invalid_value",
                            "max_tokens and max_completion_tokens mean the same: give one");
    r->max_field = d->key;
    return lt_take_int(v, d->key, 0, LT_REQUEST_MOST, &r->max_tokens, f);
}

static int take_legacy_logprobs(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)d, (void)v, (void)f;
    ((struct lt_request *)into)->logprobs = true;
    return 0;
}

static int take_top_logprobs(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    const struct lt_request *r = into;
    (void)v;
    if (json_is_true(json_object_get(r->body, "logprobs"))) return 0;
    return lt_fault_set(f, 400, d->key, "invalid_value", "top_logprobs needs \"logprobs\": true");
}

static int take_stream_options(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    static const struct lt_field rows[] = {
        { "include_usage", "the last event tells the tokens", LT_FIELD_BOOL, .at = offsetof(struct lt_request, usage) },
        { "include_obfuscation", "padding against listeners: false only", LT_FIELD_OTHER,
          .take = lt_field_refused_unless_empty },
        { 0 },
    };
    static const struct lt_body body = { .field = rows };
    struct lt_request *r = into;
    if (!json_is_object(v)) return lt_wrong_type(f, d->key, "an object", v);
    if (!json_is_true(json_object_get(r->body, "stream")))
        return lt_fault_set(f, 400, d->key, "invalid_value", "stream_options needs \"stream\": true");
    return lt_body_take(&body, into, "stream_options.", v, f);
}

/* ---- what the text may be ---- */

int lt_request_stop(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_request *r = into;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > 64)
        return lt_fault_set(f, 400, d->key, "invalid_value", "%s: expected at most 64 texts, found %zu", d->key, n);
    r->stop.item = lt_calloc(n + 1, sizeof *r->stop.item);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(one)) return lt_wrong_type(f, d->key, "a text or a list of texts", one);
        if (!json_string_length(one))
            return lt_fault_set(f, 400, d->key, "invalid_value", "%s: an empty text would end every reply at once",
                                d->key);
        r->stop.item[r->stop.count++] = json_string_value(one);
    }
    return 0;
}

/* strict needs no look: what is written always keeps to the schema, and a schema that cannot be kept is refused. */
static int take_response_format(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_object(v)) return lt_wrong_type(f, d->key, "an object", v);
    const char *type = json_string_value(json_object_get(v, "type"));
    json_t *object;
    if (type && !strcmp(type, "text")) return 0;
    if (type && !strcmp(type, "json_object")) {
        object = json_pack("{s:s}", "type", "object");
        int rc = lt_request_schema(into, d->key, object, f);
        json_decref(object);
        return rc;
    }
    if (!type || strcmp(type, "json_schema"))
        return lt_fault_set(f, 400, d->key, "invalid_value",
                            "response_format.type: expected text, json_object or json_schema");
    const json_t *schema = json_object_get(json_object_get(v, "json_schema"), "schema");
    if (!json_is_object(schema))
        return lt_fault_set(f, 400, d->key, "invalid_value", "response_format.json_schema.schema: expected an object");
    return lt_request_schema(into, d->key, schema, f);
}

static int take_json_schema(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    return json_is_object(v) ? lt_request_schema(into, d->key, v, f) : lt_wrong_type(f, d->key, "an object", v);
}

static int take_grammar(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_string(v)) return lt_wrong_type(f, d->key, "a text", v);
    if (!strstr(json_string_value(v), "::="))           /* the control would take it for a path */
        return lt_fault_set(f, 400, d->key, "invalid_value",
                            "grammar: expected rules in GBNF, as in root ::= \"yes\" | \"no\"");
    return set_form(into, d->key, "grammar", json_string_value(v), f);
}

static int take_regex(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_string(v)) return lt_wrong_type(f, d->key, "a text", v);
    return set_form(into, d->key, "regex", json_string_value(v), f);
}

static int take_logit_bias(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    if (!json_is_object(v)) return lt_wrong_type(f, d->key, "an object", v);
    if (!json_object_size(v)) return 0;
    char *text = json_dumps(v, JSON_COMPACT);
    int rc = lt_request_control(into, d->key, "logit_bias", text ? text : "{}", f);
    free(text);
    return rc;
}

static int take_best_of(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    const json_t *n = json_object_get(((struct lt_request *)into)->body, "n");
    int64_t best;
    if (lt_take_int(v, d->key, 1, LT_REQUEST_SLOTS, &best, f)) return -1;
    if (best == (json_is_integer(n) ? json_integer_value(n) : 1)) return 0;
    return lt_field_refused(into, d, v, f);
}

static int take_modalities(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    const char *only = json_array_size(v) == 1 ? json_string_value(json_array_get(v, 0)) : NULL;
    return only && !strcmp(only, "text") ? 0 : lt_field_refused(into, d, v, f);
}

/* ---- fields ---- */

enum { TEXT = 1, CHAT = 2 };
#define AT(f) .at = offsetof(struct lt_request, f)
#define TEXT_OR_LIST "{\"type\":[\"string\",\"array\",\"null\"],\"items\":{\"type\":\"string\"}}"
#define SCHEMA "{\"type\":[\"object\",\"null\"]}"
static const struct lt_field fields[] = {
    { "model", "name of a served model or adapter; without it the first answers", LT_FIELD_TEXT, AT(model) },
    { "prompt", "a text, a list of token numbers, or a list of such prompts", LT_FIELD_OTHER, TEXT, true,
      .take = lt_request_prompts, .schema = "{\"type\":[\"string\",\"array\"]}" },
    { "messages", "the conversation: {role, content}; a content is a text or a list of parts of type text",
      LT_FIELD_OTHER, CHAT, true, .take = lt_request_messages,
      .schema = "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"required\":[\"role\"]}}" },
    { "max_tokens", "tokens of a reply at most; completions: 16 unless said, chats: as many as the model holds",
      LT_FIELD_OTHER, .take = take_max_tokens,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":100000000}" },
    { "max_completion_tokens", "the same as max_tokens", LT_FIELD_OTHER, CHAT, .take = take_max_tokens,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":100000000}" },
    { "n", "replies to each prompt", LT_FIELD_INT, .min = 1, .max = LT_REQUEST_SLOTS, AT(n) },
    { "seed", "names the random numbers: the same seed gives the same reply; -1: any", LT_FIELD_INT, .min = -1,
      .max = 9e15, AT(seed) },
    { "stop", "texts that end a reply and are no part of it", LT_FIELD_OTHER, .take = lt_request_stop,
      .schema = TEXT_OR_LIST },
    { "logprobs", "log-probabilities of the tokens, and of so many of the likeliest", LT_FIELD_INT, TEXT, .min = 0,
      .max = LT_REQUEST_TOPS, AT(tops), .take = take_legacy_logprobs,
      .schema = "{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":100}" },
    { "logprobs", "log-probabilities of the tokens", LT_FIELD_BOOL, CHAT, AT(logprobs) },
    { "top_logprobs", "and of so many of the likeliest tokens", LT_FIELD_INT, CHAT, .min = 0, .max = LT_REQUEST_TOPS,
      AT(tops), .take = take_top_logprobs },
    { "echo", "the reply begins with the prompt, whose log-probabilities are told too", LT_FIELD_BOOL, TEXT, AT(echo) },
    { "stream", "events as the text is written", LT_FIELD_BOOL, AT(stream) },
    { "stream_options", "include_usage: the last event tells the tokens", LT_FIELD_OTHER, .take = take_stream_options,
      .schema = SCHEMA },
    { "tools", "functions the model may call", LT_FIELD_OTHER, CHAT, .take = lt_request_tools,
      .schema = "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"required\":[\"function\"]}}" },
    { "tool_choice", "none, auto, required, or the function that must be called", LT_FIELD_OTHER, CHAT,
      .take = take_tool_choice, .schema = "{\"type\":[\"string\",\"object\",\"null\"]}" },
    { "parallel_tool_calls", "false: at most one call", LT_FIELD_BOOL, CHAT, AT(parallel_tool_calls) },
    { "response_format", "the form of the text: {type: text, json_object or json_schema}", LT_FIELD_OTHER,
      .take = take_response_format, .schema = SCHEMA },
    { "json_schema", "JSON Schema of the text", LT_FIELD_OTHER, .take = take_json_schema, .schema = SCHEMA },
    { "grammar", "grammar of the text, in GBNF", LT_FIELD_OTHER, .take = take_grammar,
      .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "regex", "regular expression of the text", LT_FIELD_OTHER, .take = take_regex,
      .schema = "{\"type\":[\"string\",\"null\"]}" },
    { "logit_bias", "numbers added to the logits of tokens, by their numbers or texts", LT_FIELD_OTHER,
      .take = take_logit_bias, .schema = SCHEMA },
    { "chat_template_kwargs", "further variables of the chat template", LT_FIELD_OBJECT, CHAT, AT(template_extra) },
    /* taken and without effect, since the interface itself promises none on the reply */
    { "user", "who asks; without effect", LT_FIELD_OTHER, .take = lt_field_ignored, .schema = "{}" },
    { "metadata", "notes of the client; without effect", LT_FIELD_OTHER, CHAT, .take = lt_field_ignored,
      .schema = "{}" },
    { "prompt_cache_key", "without effect: prompts that begin alike are found by themselves", LT_FIELD_OTHER, CHAT,
      .take = lt_field_ignored, .schema = "{}" },
    { "safety_identifier", "who asks; without effect", LT_FIELD_OTHER, CHAT, .take = lt_field_ignored,
      .schema = "{}" },
    /* refused */
    { "store", "this server keeps no replies: false only", LT_FIELD_OTHER, CHAT, .take = lt_field_refused_unless_empty,
      .schema = "{}" },
    { "best_of", "choosing among more replies than are returned is not supported: leave it out, or give n",
      LT_FIELD_OTHER, TEXT, .take = take_best_of, .schema = "{}" },
    { "suffix", "writing between two texts is not supported", LT_FIELD_OTHER, TEXT,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "functions", "deprecated by the interface: use tools", LT_FIELD_OTHER, CHAT,
      .take = lt_field_refused_unless_empty, .schema = "{}" },
    { "function_call", "deprecated by the interface: use tool_choice", LT_FIELD_OTHER, CHAT, .take = lt_field_refused,
      .schema = "{}" },
    { "modalities", "only [\"text\"]: there is no audio", LT_FIELD_OTHER, CHAT, .take = take_modalities,
      .schema = "{}" },
    { "audio", "there is no audio", LT_FIELD_OTHER, CHAT, .take = lt_field_refused, .schema = "{}" },
    { 0 },
};
const struct lt_body lt_body_completion = { .name = "CompletionRequest", .field = fields, .where = TEXT,
                                            .controls = true };
const struct lt_body lt_body_chat = { .name = "ChatCompletionRequest", .field = fields, .where = CHAT,
                                      .controls = true };

/* ---- the whole ---- */

void lt_request_init(struct lt_request *r)
{
    *r = (struct lt_request){ .max_tokens = -1, .n = 1, .seed = -1, .parallel_tool_calls = true,
                              .set = lt_options_new(&control_set) };
}

int lt_request_parse(struct lt_request *r, bool chat, struct lt_str body, struct lt_fault *f)
{
    lt_request_init(r);
    r->chat = chat;
    if (lt_body_parse(body, &r->body, f)) return -1;
    if (lt_body_take_with(chat ? &lt_body_chat : &lt_body_completion, r, "", r->body, lt_request_number, f)) return -1;
    if (r->n * LT_MAX(r->prompts, 1) > LT_REQUEST_SLOTS)
        return lt_fault_set(f, 400, "n", "invalid_value", "n: expected at most %d replies to one request, found %lld",
                            LT_REQUEST_SLOTS, (long long)(r->n * r->prompts));
    return check_tools(r, f);
}

int lt_request_finish(struct lt_request *r, struct lt_fault *f)
{
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
    json_decref(r->messages);
    json_decref(r->body);
    *r = (struct lt_request){ 0 };
}
