#include "decode/chat/chat_settings.h"
#include "base/option.h"
#include <stdlib.h>
#include <string.h>

static const struct lt_opt rows[] = { LT_CHAT_SETTING_ROWS(0), { 0 } };
static const struct lt_method settings = { .name = "chat", .brief = "settings of a conversation",
                                           .size = sizeof(struct lt_chat_settings), .opts = rows };

void lt_chat_set_release(struct lt_chat_set *s)
{
    json_decref(s->given);
    lt_options_free(s->held);
    *s = (struct lt_chat_set){ 0 };
}

/* Takes the object. */
static int fill(json_t *given, struct lt_chat_set *out)
{
    char *text = json_dumps(given, 0);
    *out = (struct lt_chat_set){ .given = given, .held = lt_options_new(&settings) };
    int rc = text ? lt_options_json(out->held, text) : lt_misuse("an option is not UTF-8");
    if (!rc) out->now = lt_options_done(out->held);
    free(text);
    if (out->now) return 0;
    lt_chat_set_release(out);
    return -1;
}

/* The canonical spelling; NULL: lt_error names the nearest. */
static char *canonical(const char *key)
{
    struct lt_options *s = lt_options_new(&settings);
    const char *name = lt_options_canonical(s, key);
    char *out = name ? lt_strdup(name) : NULL;
    if (!name) lt_options_set(s, key, "");
    lt_options_free(s);
    return out;
}

/* "top_k.top_k" is typed "top_k". */
static char *typed(const char *key)
{
    char *head = lt_strdup(key), *dot = strchr(head, '.');
    if (!dot) return head;
    *dot = 0;
    char *whole = canonical(head);
    if (!whole || strcmp(whole, key)) *dot = '.';
    free(whole);
    return head;
}

/* ---- what a verb was given ---- */

static bool is_default(const struct lt_opt *r, const json_t *v)
{
    if (json_is_null(v)) return true;
    if (r->type == LT_BOOL) return json_is_true(v) == (r->dflt != 0);
    if (r->type == LT_LIST) return json_array_size(v) == 0;
    if (r->type != LT_STR) return json_number_value(v) == r->dflt;
    const char *text = json_string_value(v);
    size_t n = strlen(text);
    return r->text && !strncmp(r->text, text, n) && (!r->text[n] || (r->flags & LT_ENUM && r->text[n] == '|'));
}

static void take_member(json_t *given, const struct lt_method *m, const json_t *o)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++) {
        struct lt_buf key = { 0 };
        json_t *v = json_object_get(o, r->key);
        lt_buf_fmt(&key, "%s.%s", m->name, r->key);
        if (v && (r == m->opts ? !json_is_null(v) : !is_default(r, v))) json_object_set(given, key.p, v);
        lt_buf_free(&key);
    }
}

static int take_controls(json_t *given, const json_t *all)
{
    json_t *o, *names = json_array();
    const char *name;
    size_t i;
    json_object_foreach((json_t *)all, name, o) {
        const struct lt_method *m = lt_method_find("control", name);
        if (m) take_member(given, m, o);
    }
    if (json_is_array(all))
        json_array_foreach((json_t *)all, i, o) {
            const struct lt_method *m = lt_method_find("control", json_string_value(json_object_get(o, "name")));
            json_array_append(names, json_object_get(o, "name"));
            if (m) take_member(given, m, o);
        }
    if (json_array_size(names)) json_object_set(given, "controls", names);
    json_decref(names);
    return 0;
}

int lt_chat_set_from(const struct lt_chat_settings *o, struct lt_chat_set *out)
{
    char *text = lt_option_json(rows, o, true);
    json_t *all = NULL, *given = json_object();
    int rc = lt_json_parse("options", lt_str(text), &all);
    for (const struct lt_opt *r = rows; !rc && r->key; r++) {
        json_t *v = json_object_get(all, r->key);
        if (r->type == LT_METHODS) rc = take_controls(given, v);
        else if (!is_default(r, v)) json_object_set(given, r->key, v);
    }
    json_decref(all);
    free(text);
    if (!rc) return fill(given, out);
    json_decref(given);
    return -1;
}

/* ---- changes ---- */

/* Numbers and truth values as such, where that says the same. */
static json_t *value_of(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    char *again = v && !json_is_string(v) && !json_is_null(v) ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    bool same = again && (json_is_number(v) || json_is_boolean(v)) && !strcmp(again, text);
    free(again);
    if (same) return v;
    json_decref(v);
    return json_string(text);
}

static json_t *list_of(const char *text)
{
    json_t *v = *text == '[' ? json_loads(text, 0, NULL) : NULL;
    return v ? v : json_pack("[s]", text);
}

int lt_chat_set_changed(const struct lt_chat_set *s, const char *key, const char *value, struct lt_chat_set *out)
{
    char *name = canonical(key);
    if (!name) return -1;
    const struct lt_opt *r = lt_option_row(&settings, lt_str(name));
    json_t *given = json_deep_copy(s->given);
    json_t *v = !value ? NULL : r && (r->type == LT_LIST || r->type == LT_METHODS) ? list_of(value) : value_of(value);
    int rc = 0;
    if (value && !v) rc = lt_misuse("option \"%s\": the value is not UTF-8", key);
    else if (v) json_object_set_new(given, name, v);
    else json_object_del(given, name);
    free(name);
    if (!rc) return fill(given, out);
    json_decref(given);
    return -1;
}

static int take_key(json_t *given, const char *key, json_t *v)
{
    char *name = canonical(key);
    if (!name) return -1;
    int rc = json_object_get(given, name) ? lt_misuse("option \"%s\" is given twice", name) : 0;
    if (!rc && !json_is_null(v)) json_object_set(given, name, v);
    free(name);
    return rc;
}

/* Members of an object, dotted or one level deep; "controls" may stand around the controls. */
static int take_read(json_t *given, const char *prefix, const json_t *o, bool inside)
{
    const char *key;
    json_t *v;
    int rc = 0;
    json_object_foreach((json_t *)o, key, v) {
        struct lt_buf full = { 0 };
        bool chain = !*prefix && !inside && !strcmp(key, "controls");
        lt_buf_fmt(&full, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (!json_is_object(v)) rc = take_key(given, full.p, v);
        else if (*prefix) rc = lt_misuse("option \"%s\" is nested too deep", full.p);
        else rc = take_read(given, chain ? "" : key, v, true);
        lt_buf_free(&full);
        if (rc) return -1;
    }
    return 0;
}

int lt_chat_set_read(const json_t *options, struct lt_chat_set *out)
{
    json_t *given = json_object();
    if (!take_read(given, "", options, false)) return fill(given, out);
    json_decref(given);
    return -1;
}

/* ---- looking ---- */

bool lt_chat_set_has(const struct lt_chat_set *s, const char *key)
{
    const struct lt_choices *c = &s->now->controls;
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->item[i].method->name, key)) return true;
    return json_object_get(s->given, key) != NULL;
}

json_t *lt_chat_set_options(const struct lt_chat_set *s)
{
    const char *key;
    json_t *v, *out = json_object();
    json_object_foreach(s->given, key, v) {
        char *name = typed(key);
        json_object_set(out, name, v);
        free(name);
    }
    return out;
}

bool lt_chat_set_value(const struct lt_chat_set *s, const char *key, struct lt_buf *out, int *rc)
{
    char *name = canonical(key), *text = NULL;
    *rc = name ? 0 : -1;
    if (!name) return false;
    const json_t *v = json_object_get(s->given, name);
    json_t *all = NULL;
    if (!v) {
        text = lt_options_resolved(s->held, true);
        if (!lt_json_parse("options", lt_str(text), &all)) v = json_object_get(all, name);
    }
    bool found = v && !json_is_null(v);
    char *shown = found ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (shown) lt_buf_str(out, shown);
    free(shown);
    free(text);
    free(name);
    json_decref(all);
    return found;
}

const char *lt_chat_set_key(int i)
{
    const struct lt_kind *k = lt_kinds();
    int n = LT_COUNT(rows) - 1;
    if (i < n) return rows[i].key;
    while (strcmp(k->name, "control")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++)
        if (n++ == i) return (*m)->name;
    return NULL;
}
