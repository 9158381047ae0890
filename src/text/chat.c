#include "text/chat.h"

#include "base/gguf.h"
#include "base/io.h"
#include <stdlib.h>
#include <string.h>

struct lt_chat { struct lt_jinja *plain, *with_tools; json_t *tokens; };

void lt_chat_free(struct lt_chat *c)
{
    if (!c) return;
    lt_jinja_free(c->plain);
    lt_jinja_free(c->with_tools);
    json_decref(c->tokens);
    free(c);
}

int lt_chat_parse(const char *label, struct lt_str source, const json_t *tokens, struct lt_chat **out)
{
    struct lt_chat *c = lt_calloc(1, sizeof *c);
    c->tokens = tokens ? json_deep_copy(tokens) : json_object();
    if (lt_jinja_compile(label, source, &c->plain)) {
        lt_chat_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

/* ---- from a folder ---- */
/* "bos_token": "<s>", or {"content": "<s>", ...}. */
static void take_tokens(const json_t *config, json_t *tokens)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config, key, value) {
        if (!lt_str_ends(lt_str(key), "_token")) continue;
        json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
        if (json_is_string(text)) json_object_set(tokens, key, text);
    }
}

static int compile(const char *label, const json_t *text, struct lt_jinja **out)
{
    struct lt_str s = { json_string_value(text), json_string_length(text) };
    if (!s.p) return lt_fail("%s: expected a template, found something that is no text", label);
    lt_jinja_free(*out);
    *out = NULL;
    return lt_jinja_compile(label, s, out);
}

/* "chat_template": a text, or [{"name": "default", "template": ...}, ...]. */
static int from_config(struct lt_chat *c, const char *label, const json_t *config)
{
    json_t *t = json_object_get(config, "chat_template"), *one;
    size_t i;
    if (!json_is_array(t)) return t && !json_is_null(t) ? compile(label, t, &c->plain) : 0;
    json_array_foreach(t, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        bool tools = name && !strcmp(name, "tool_use");
        if (!tools && (!name || strcmp(name, "default"))) continue;
        if (compile(label, json_object_get(one, "template"), tools ? &c->with_tools : &c->plain)) return -1;
    }
    return 0;
}

static int from_file(struct lt_chat *c, const char *path)
{
    struct lt_buf text = { 0 };
    int rc = lt_file_read(path, &text);
    if (!rc) {
        lt_jinja_free(c->plain);
        c->plain = NULL;
        rc = lt_jinja_compile(path, (struct lt_str){ text.p ? text.p : "", text.n }, &c->plain);
    }
    lt_buf_free(&text);
    return rc;
}

static int from_folder(struct lt_chat *c, const char *folder)
{
    struct lt_buf config = { 0 }, jinja = { 0 };
    json_t *root = NULL;
    lt_buf_fmt(&config, "%s/tokenizer_config.json", folder);
    lt_buf_fmt(&jinja, "%s/chat_template.jinja", folder);
    int rc = lt_path_exists(config.p) ? lt_json_read(config.p, &root) : 0;
    if (root) take_tokens(root, c->tokens);
    if (!rc && lt_path_exists(jinja.p)) rc = from_file(c, jinja.p);
    else if (!rc && root) rc = from_config(c, config.p, root);
    if (!rc && !c->plain)
        rc = lt_fail("%s: no chat template: expected chat_template.jinja, or \"chat_template\" in "
                     "tokenizer_config.json; name a .jinja file with --chat_template", folder);
    json_decref(root);
    lt_buf_free(&config);
    lt_buf_free(&jinja);
    return rc;
}

/* ---- from a GGUF file ---- */
static int gguf_token(struct lt_chat *c, const struct lt_gguf *g, const struct lt_str *piece, uint64_t count,
                      const char *key, const char *name)
{
    int64_t id = 0;
    int there = lt_gguf_int(g, key, 0, UINT32_MAX, &id);
    if (there > 0 && (uint64_t)id < count) json_object_set_new(c->tokens, name, json_stringn(piece[id].p, piece[id].n));
    return there < 0 ? -1 : 0;
}

static int gguf_template(const struct lt_gguf *g, const char *path, const char *key, struct lt_jinja **out)
{
    struct lt_str text;
    int there = lt_gguf_str(g, key, &text);
    if (there <= 0) return there;
    return lt_jinja_compile(path, text, out);
}

static int from_gguf(struct lt_chat *c, const char *path)
{
    struct lt_gguf *g;
    struct lt_str *piece = NULL;
    uint64_t count = 0;
    if (lt_gguf_open(path, &g)) return -1;
    int rc = lt_gguf_strings(g, "tokenizer.ggml.tokens", &piece, &count) < 0
             || gguf_token(c, g, piece, count, "tokenizer.ggml.bos_token_id", "bos_token")
             || gguf_token(c, g, piece, count, "tokenizer.ggml.eos_token_id", "eos_token")
             || gguf_token(c, g, piece, count, "tokenizer.ggml.unknown_token_id", "unk_token")
             || gguf_token(c, g, piece, count, "tokenizer.ggml.padding_token_id", "pad_token")
             || gguf_template(g, path, "tokenizer.chat_template", &c->plain)
             || gguf_template(g, path, "tokenizer.chat_template.tool_use", &c->with_tools) ? -1 : 0;
    if (!rc && !c->plain)
        rc = lt_fail("%s: no chat template: expected the key tokenizer.chat_template; name a .jinja file with "
                     "--chat_template", path);
    free(piece);
    lt_gguf_free(g);
    return rc;
}

int lt_chat_open(const char *path, struct lt_chat **out)
{
    struct lt_chat *c = lt_calloc(1, sizeof *c);
    c->tokens = json_object();
    if (lt_path_is_dir(path) ? from_folder(c, path) : lt_gguf_is_file(path) ? from_gguf(c, path) : from_file(c, path)) {
        lt_chat_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

/* ---- rendering ---- */
int lt_chat_check(const json_t *messages)
{
    size_t i;
    json_t *m;
    if (!json_is_array(messages) || !json_array_size(messages))
        return lt_misuse("messages: expected a list of {\"role\", \"content\"}, found %s",
                         json_is_array(messages) ? "an empty one" : "something else");
    json_array_foreach((json_t *)messages, i, m)
        if (!json_is_object(m) || !json_is_string(json_object_get(m, "role")))
            return lt_misuse("messages[%zu]: expected an object with a \"role\"", i);
    return 0;
}

static json_t *variables(const struct lt_chat *c, const struct lt_chat_ask *a, const json_t *messages, bool prompt)
{
    json_t *v = json_copy(c->tokens);
    if (a->extra) json_object_update(v, (json_t *)a->extra);
    json_object_set(v, "messages", (json_t *)messages);
    json_object_set_new(v, "tools", a->tools ? json_incref((json_t *)a->tools) : json_null());
    json_object_set_new(v, "documents", a->documents ? json_incref((json_t *)a->documents) : json_null());
    json_object_set_new(v, "add_generation_prompt", json_boolean(prompt));
    return v;
}

static const struct lt_jinja *chosen(const struct lt_chat *c, const struct lt_chat_ask *a)
{
    return c->with_tools && json_array_size(a->tools) ? c->with_tools : c->plain;
}

struct lt_str lt_chat_source(const struct lt_chat *c, bool tools)
{
    return lt_jinja_source(tools && c->with_tools ? c->with_tools : c->plain);
}

static int render(const struct lt_chat *c, const struct lt_chat_ask *a, const json_t *messages, bool prompt,
                  struct lt_buf *out, struct lt_jinja_spans *spans)
{
    json_t *v = variables(c, a, messages, prompt);
    int rc = lt_jinja_render(chosen(c, a), v, a->now, out, spans);
    json_decref(v);
    return rc;
}

int lt_chat_render(const struct lt_chat *c, const struct lt_chat_ask *a, struct lt_buf *out,
                   struct lt_jinja_spans *spans)
{
    if (lt_chat_check(a->messages) || render(c, a, a->messages, a->generation_prompt, out, spans)) return -1;
    lt_buf_put(out, a->begun.p, a->begun.n);
    return 0;
}

/* ---- what the assistant writes ---- */
static bool is_assistant(const json_t *message)
{
    return !strcmp(json_string_value(json_object_get(message, "role")), "assistant");
}

/* The text of the first n messages, appended to an emptied buffer. */
static int prefix(const struct lt_chat *c, const struct lt_chat_ask *a, size_t n, bool prompt, struct lt_buf *out)
{
    json_t *part = json_array();
    for (size_t i = 0; i < n; i++) json_array_append(part, json_array_get(a->messages, i));
    lt_buf_clear(out);
    int rc = render(c, a, part, prompt, out, NULL);
    json_decref(part);
    return rc;
}

/* One assistant turn, number i: from the end of its generation prompt to where the text with it ends. */
static int turn(const struct lt_chat *c, const struct lt_chat_ask *a, size_t i, struct lt_str whole,
                struct lt_jinja_span *out)
{
    struct lt_buf before = { 0 }, with = { 0 };
    int rc = prefix(c, a, i, true, &before) || prefix(c, a, i + 1, false, &with) ? -1 : 0;
    bool grows = !rc && before.n <= with.n && with.n <= whole.n && !memcmp(with.p, whole.p, with.n) &&
                 !memcmp(before.p, with.p, before.n);
    if (!rc && !grows)
        rc = lt_fail("messages[%zu]: the text up to this turn is not the beginning of the whole text, so what the "
                     "assistant writes cannot be told; a template with {%% generation %%} says it", i);
    *out = (struct lt_jinja_span){ before.n, with.n };
    lt_buf_free(&before);
    lt_buf_free(&with);
    return rc;
}

int lt_chat_learnt(const struct lt_chat *c, const struct lt_chat_ask *a, struct lt_buf *out,
                   struct lt_jinja_spans *spans)
{
    size_t from = out->n, i;
    json_t *m;
    if (lt_chat_check(a->messages)) return -1;
    if (lt_jinja_has_generation(chosen(c, a))) return render(c, a, a->messages, false, out, spans);
    if (render(c, a, a->messages, false, out, NULL)) return -1;
    struct lt_str whole = { out->p + from, out->n - from };
    json_array_foreach((json_t *)a->messages, i, m) {
        struct lt_jinja_span s;
        if (!is_assistant(m)) continue;
        if (turn(c, a, i, whole, &s)) return -1;
        if (spans->n == spans->cap) {
            spans->cap = spans->cap ? 2 * spans->cap : 8;
            spans->at = lt_realloc(spans->at, spans->cap * sizeof *spans->at);
        }
        spans->at[spans->n++] = (struct lt_jinja_span){ from + s.begin, from + s.end };
    }
    return 0;
}
