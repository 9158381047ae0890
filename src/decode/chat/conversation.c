#include "decode/chat/conversation.h"
#include "base/io.h"
#include "decode/prompt.h"
#include "text/plain_text.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

void lt_conversation_init(struct lt_conversation *c, int64_t now)
{
    *c = (struct lt_conversation){ .messages = json_array(), .began = now };
}

void lt_conversation_release(struct lt_conversation *c)
{
    json_decref(c->messages);
    lt_buf_free(&c->seen);
    free(c->id);
    free(c->mark);
    *c = (struct lt_conversation){ 0 };
}

/* ---- messages ---- */

static const char *member(const json_t *message, const char *key)
{
    return json_string_value(json_object_get(message, key));
}

static bool is_from(const json_t *message, const char *role)
{
    const char *r = member(message, "role");
    return r && !strcmp(r, role);
}

static json_t *last(const struct lt_conversation *c)
{
    size_t n = json_array_size(c->messages);
    return n ? json_array_get(c->messages, n - 1) : NULL;
}

int lt_conversation_turns(const struct lt_conversation *c)
{
    size_t i;
    json_t *m;
    int n = 0;
    json_array_foreach(c->messages, i, m) n += is_from(m, "user");
    return n;
}

static json_t *message(const char *role, struct lt_str text)
{
    json_t *content = text.n && memchr(text.p, 0, text.n) ? NULL : json_stringn(text.p, text.n);
    if (content) return json_pack("{s:s, s:o}", "role", role, "content", content);
    lt_misuse("a message is text in UTF-8 without NUL bytes; this one is not");
    return NULL;
}

int lt_conversation_add(struct lt_conversation *c, const char *role, struct lt_str text, bool partial)
{
    json_t *m = message(role, text);
    if (!m) return -1;
    if (partial) json_object_set_new(m, "partial", json_true());
    json_array_append_new(c->messages, m);
    return 0;
}

const char *lt_conversation_last(const struct lt_conversation *c, const char *role)
{
    return is_from(last(c), role) ? member(last(c), "content") : NULL;
}

void lt_conversation_pop(struct lt_conversation *c)
{
    size_t n = json_array_size(c->messages);
    if (n) json_array_remove(c->messages, n - 1);
}

const char *lt_conversation_system(const struct lt_conversation *c)
{
    const json_t *first = json_array_get(c->messages, 0);
    return is_from(first, "system") ? member(first, "content") : NULL;
}

int lt_conversation_set_system(struct lt_conversation *c, struct lt_str text)
{
    json_t *m = text.p ? message("system", text) : NULL;
    if (text.p && !m) return -1;
    if (lt_conversation_system(c)) json_array_remove(c->messages, 0);
    if (m) json_array_insert_new(c->messages, 0, m);
    return 0;
}

int lt_conversation_forget(struct lt_conversation *c, int n)
{
    size_t first = lt_conversation_system(c) ? 1 : 0;
    int done = 0;
    while (done < n && first < json_array_size(c->messages)) {
        do json_array_remove(c->messages, first);
        while (first < json_array_size(c->messages) && !is_from(json_array_get(c->messages, first), "user"));
        done++;
    }
    return done;
}

/* ---- as tokens ---- */

void lt_spoken_release(struct lt_spoken *s)
{
    lt_buf_free(&s->text);
    free(s->id);
    *s = (struct lt_spoken){ 0 };
}

/* The number of the token that begins at this byte of the text; -1: none does. */
static int token_at(const struct lt_token *token, size_t n, size_t at, size_t text_size)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (token[middle].begin < at) low = middle + 1;
        else high = middle;
    }
    if (low && token[low - 1].end > at) return -1;
    return low < n ? token[low].begin == at ? (int)low : -1 : at == text_size ? (int)n : -1;
}

/* The tokens seen up to the last mark that still holds, then those of the rest of the text. */
static void splice(const struct lt_conversation *c, const struct lt_token *token, size_t n, struct lt_spoken *out)
{
    int held = 0, from = 0;
    for (int i = c->marks; i-- && !held;) {
        const struct lt_seen_mark *m = &c->mark[i];
        if (!m->text || m->text > out->text.n || memcmp(out->text.p, c->seen.p, m->text)) continue;
        int at = token_at(token, n, m->text, out->text.n);
        if (at < 0) continue;
        held = m->id;
        from = at;
    }
    out->count = held + (int)n - from;
    out->id = lt_alloc(((size_t)out->count + 1) * sizeof *out->id);
    if (held) memcpy(out->id, c->id, (size_t)held * sizeof *out->id);
    for (int i = from; i < (int)n; i++) out->id[held + i - from] = token[i].id;
}

static int raw_tokens(const struct lt_conversation *c, const struct lt_tokenizer *t, struct lt_spoken *out)
{
    int32_t *id = NULL;
    int count = 0, given = 0;
    struct lt_token *offset = NULL;
    size_t i;
    json_t *m;
    json_array_foreach(c->messages, i, m) {
        const json_t *text = json_object_get(m, "content");
        lt_buf_put(&out->text, json_string_value(text), json_string_length(text));
    }
    enum lt_start start = out->text.n ? LT_START_RULES : LT_START_AUTO;
    if (lt_prompt_encode(t, lt_buf_view(&out->text), start, &id, &count, &given, &offset)) {
        free(id);
        return -1;
    }
    struct lt_token *token = lt_alloc(((size_t)count + 1) * sizeof *token);
    for (int k = 0; k < count; k++)
        token[k] = k < given ? (struct lt_token){ .id = id[k] } : offset[k - given];
    splice(c, token, (size_t)count, out);
    free(token);
    free(offset);
    free(id);
    return 0;
}

static int chat_tokens(const struct lt_conversation *c, const struct lt_chat *chat, const struct lt_tokenizer *t,
                       bool answer, struct lt_spoken *out)
{
    struct lt_chat_ask a = { .messages = c->messages, .generation_prompt = answer, .now = c->began };
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    int rc = lt_chat_encode(chat, &a, t, &out->text, &token, &n, &cap);
    lt_buf_put(&out->text, "", 0);
    if (!rc) splice(c, token, n, out);
    free(token);
    return rc;
}

int lt_conversation_tokens(const struct lt_conversation *c, const struct lt_chat *chat, const struct lt_tokenizer *t,
                           bool answer, struct lt_spoken *out)
{
    *out = (struct lt_spoken){ 0 };
    lt_buf_put(&out->text, "", 0);
    if (chat ? chat_tokens(c, chat, t, answer, out) : raw_tokens(c, t, out)) {
        lt_spoken_release(out);
        return -1;
    }
    return 0;
}

static void add_mark(struct lt_conversation *c)
{
    c->mark = lt_realloc(c->mark, ((size_t)c->marks + 1) * sizeof *c->mark);
    c->mark[c->marks++] = (struct lt_seen_mark){ c->seen.n, c->count };
}

/* The tokens of the reply without the one that ended it, if they are its text. */
static int said(const struct lt_tokenizer *t, const struct lt_spoken *s, const struct lt_reply *r)
{
    int n = r->count;
    char *text = NULL;
    size_t size = 0, before = (size_t)s->count;
    if (n && !strcmp(r->finish, "stop") && lt_tokenizer_special(t, r->token[n - 1])) n--;
    int32_t *all = lt_alloc((before + (size_t)n + 1) * sizeof *all);
    memcpy(all, s->id, before * sizeof *all);
    memcpy(all + before, r->token, (size_t)n * sizeof *all);
    bool same = !lt_tokenizer_decode_from(t, all, before, before + (size_t)n, false, &text, &size) &&
                size == r->text_size && (!size || !memcmp(text, r->text, size));
    for (int i = 0; i < n && same; i++) same = !lt_tokenizer_special(t, r->token[i]);
    free(text);
    free(all);
    return same ? n : -1;
}

int lt_conversation_answer(struct lt_conversation *c, const struct lt_tokenizer *t, struct lt_spoken *s,
                           const struct lt_reply *reply)
{
    int n = said(t, s, reply);
    struct lt_buf text = { 0 };
    lt_buf_put(&text, "", 0);
    lt_plain_text(&text, (struct lt_str){ reply->text, reply->text_size });
    while (c->marks) {                      /* those that no longer hold */
        const struct lt_seen_mark *m = &c->mark[c->marks - 1];
        if (m->text < s->text.n && m->id < s->count && !memcmp(s->text.p, c->seen.p, m->text) &&
            !memcmp(s->id, c->id, (size_t)m->id * sizeof *s->id)) break;
        c->marks--;
    }
    lt_buf_free(&c->seen);
    free(c->id);
    c->seen = s->text;
    c->id = s->id;
    c->count = s->count;
    *s = (struct lt_spoken){ 0 };
    add_mark(c);
    if (n > 0) {
        c->id = lt_realloc(c->id, (size_t)(c->count + n) * sizeof *c->id);
        memcpy(c->id + c->count, reply->token, (size_t)n * sizeof *c->id);
        c->count += n;
        lt_buf_put(&c->seen, text.p, text.n);
        add_mark(c);
    }
    int rc = lt_conversation_add(c, "assistant", lt_buf_view(&text), !strcmp(reply->finish, "interrupted"));
    lt_buf_free(&text);
    return rc;
}

/* ---- files ---- */

int lt_conversation_save(const struct lt_conversation *c, const char *path, const char *model, const json_t *options)
{
    struct lt_buf b = { 0 };
    json_t *all = json_pack("{s:s, s:O, s:O}", "model", model, "options", options, "messages", c->messages);
    if (!all) return lt_fail("%s: the name of the model is not UTF-8", path);
    lt_json_put(&b, all);
    lt_buf_char(&b, '\n');
    int rc = lt_file_save(path, b.p, b.n);
    json_decref(all);
    lt_buf_free(&b);
    return rc;
}

static int check_messages(const char *label, const json_t *messages)
{
    size_t i;
    json_t *m;
    json_array_foreach((json_t *)messages, i, m) {
        if (!json_is_object(m) || !member(m, "role") || !member(m, "content"))
            return lt_fail("%s: messages[%zu]: expected an object with a \"role\" and a \"content\", both texts", label,
                           i);
    }
    return 0;
}

static int take_document(struct lt_conversation *c, const char *label, json_t *root, char **model, json_t **options)
{
    const char *key, *name = NULL;
    json_t *v, *messages = NULL, *set = NULL;
    if (!json_is_object(root)) return lt_fail("%s: expected an object with \"messages\"", label);
    json_object_foreach(root, key, v)
        if (strcmp(key, "model") && strcmp(key, "options") && strcmp(key, "messages"))
            return lt_fail("%s: there is no member \"%.64s\"; expected model, options and messages", label, key);
    if (lt_json_need(root, label, "messages") || lt_json_array(root, label, "messages", &messages) < 0 ||
        lt_json_object(root, label, "options", &set) < 0 || lt_json_str(root, label, "model", &name) < 0 ||
        check_messages(label, messages)) return -1;
    json_decref(c->messages);
    c->messages = json_incref(messages);
    *options = set ? json_incref(set) : json_object();
    *model = name ? lt_strdup(name) : NULL;
    return 0;
}

int lt_conversation_parse(struct lt_conversation *c, const char *label, struct lt_str text, char **model,
                          json_t **options)
{
    json_t *root;
    *model = NULL;
    *options = NULL;
    if (lt_json_parse(label, text, &root)) return -1;
    int rc = take_document(c, label, root, model, options);
    json_decref(root);
    return rc;
}

int lt_conversation_load(struct lt_conversation *c, const char *path, char **model, json_t **options)
{
    struct lt_buf text = { 0 };
    *model = NULL;
    *options = NULL;
    int rc = lt_file_read(path, &text);
    if (!rc) rc = lt_conversation_parse(c, path, text.p ? lt_buf_view(&text) : lt_str(""), model, options);
    lt_buf_free(&text);
    return rc;
}
