/* JSON Schema as a grammar: the frame, and the rules every schema has. */
#include "decode/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

/* A character of a text: no lone half of a surrogate pair, which is no character. */
#define CHAR "[^\"\\\\\\x00-\\x1f]|\\\\([\"\\\\/bfnrt]|u([0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))"

/* ---- places ---- */
static void put_place(struct lt_buf *b, const struct lt_schema_at *at, const char *key)
{
    const struct lt_schema_at *way[LT_SCHEMA_NESTING * 4];
    int n = 0;
    for (; at && n < LT_COUNT(way); at = at->outer) way[n++] = at;
    lt_buf_char(b, '#');
    while (n--) {
        if (!way[n]->key) lt_buf_fmt(b, "/%zu", way[n]->index);
        else {
            lt_buf_char(b, '/');
            for (const char *c = way[n]->key; *c; c++)
                if (*c == '~' || *c == '/') lt_buf_str(b, *c == '~' ? "~0" : "~1");
                else lt_buf_char(b, *c);
        }
    }
    if (key) lt_buf_fmt(b, "/%s", key);
}

int lt_schema_fail(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what)
{
    struct lt_buf b = { 0 };
    put_place(&b, at, key);
    int rc = lt_fail("%s: %s: %s", s->label, b.p, what);
    lt_buf_free(&b);
    return rc;
}

struct lt_gx *lt_schema_none(struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what)
{
    struct lt_buf b = { 0 };
    if (!s->nothing) {
        put_place(&b, at, key);
        lt_buf_fmt(&b, ": %s", what);
        s->nothing = b.p;
    }
    return lt_gx_class(&s->b, NULL, 0, false);
}

int lt_schema_bound(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key,
                    int64_t *out)
{
    const json_t *v = json_object_get(schema, key);
    (void)s, (void)at;
    if (!v) return 0;
    *out = (int64_t)json_number_value(v);       /* lt_schema_keywords() has looked at it */
    return 1;
}

const json_t *lt_schema_resolve(const struct lt_schema *s, const char *ref)
{
    const json_t *v = s->root;
    struct lt_str rest = lt_str(ref), part;
    lt_str_split(&rest, '/', &part);            /* "#" */
    while (v && rest.n && lt_str_split(&rest, '/', &part)) {
        struct lt_buf key = { 0 };
        int64_t index;
        for (size_t i = 0; i < part.n; i++) {
            bool tilde = part.p[i] == '~' && i + 1 < part.n;
            lt_buf_char(&key, tilde ? part.p[++i] == '1' ? '/' : '~' : part.p[i]);
        }
        if (json_is_array(v)) v = lt_str_int(part, &index) || index < 0 ? NULL : json_array_get(v, (size_t)index);
        else v = json_object_get(v, key.p ? key.p : "");
        lt_buf_free(&key);
    }
    return v;
}

/* ---- values as they are ---- */
struct lt_gx *lt_schema_between(struct lt_schema *s, const char *open, struct lt_gx *inside, const char *close)
{
    struct lt_gx *space = lt_schema_call(s, LT_SCHEMA_SPACE), *end = lt_schema_z(s, close);
    struct lt_gx *begin = lt_gx_seq(&s->b, lt_schema_z(s, open), space);
    return inside ? lt_schema_seq(s, begin, inside, lt_gx_seq(&s->b, space, end)) : lt_gx_seq(&s->b, begin, end);
}

struct lt_gx *lt_schema_constant(struct lt_schema *s, const json_t *v)
{
    struct lt_gx *x = NULL;
    const char *key;
    json_t *item;
    size_t i;
    json_object_foreach((json_t *)v, key, item) {
        json_t *name = json_string(key);
        struct lt_gx *colon = lt_gx_seq(&s->b, lt_schema_z(s, ":"), lt_schema_call(s, LT_SCHEMA_SPACE));
        struct lt_gx *member = lt_schema_seq(s, lt_schema_constant(s, name), colon, lt_schema_constant(s, item));
        x = x ? lt_schema_seq(s, x, lt_schema_comma(s), member) : member;
        json_decref(name);
    }
    json_array_foreach((json_t *)v, i, item)
        x = i ? lt_schema_seq(s, x, lt_schema_comma(s), lt_schema_constant(s, item)) : lt_schema_constant(s, item);
    if (json_is_object(v)) return lt_schema_between(s, "{", x, "}");
    if (json_is_array(v)) return lt_schema_between(s, "[", x, "]");
    if (json_is_string(v)) {                    /* with \n rather than \u000a, as most write it */
        char *text = json_dumps(v, JSON_ENCODE_ANY);
        x = lt_schema_z(s, text);
        free(text);
        return x;
    }
    struct lt_buf text = { 0 };
    lt_json_put(&text, v);
    x = lt_gx_text(&s->b, lt_buf_view(&text));
    lt_buf_free(&text);
    return x;
}

/* ---- schemas ---- */
static bool only_key(const json_t *schema, const char *key)
{
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)schema, k, v)
        if (strcmp(k, key) && !lt_schema_note(k)) return false;
    return json_object_get(schema, key) || !key[0];
}

static struct lt_gx *of_case(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    const char *type = json_string_value(json_object_get(one, "type"));
    const json_t *only = json_object_get(one, "only"), *except = json_object_get(one, LT_SCHEMA_EXCEPT);
    struct lt_gx *x = NULL;
    json_t *v;
    size_t i;
    json_array_foreach((json_t *)only, i, v) {
        int fits = lt_schema_fits_case(s, one, v, at);
        if (fits < 0) return NULL;
        if (fits) x = lt_gx_alt(&s->b, lt_schema_constant(s, v), x);
    }
    if (only) return x ? x : lt_schema_none(s, at, "enum", "no value is allowed");
    if (!strcmp(type, "object")) return lt_schema_object(s, one, at);
    if (!strcmp(type, "array")) return lt_schema_array(s, one, at);
    if (!strcmp(type, "string")) return lt_schema_string(s, one, at);
    if (!strcmp(type, "null"))
        return json_array_size(except) && lt_schema_among(except, json_null()) ? lt_gx_class(&s->b, NULL, 0, false)
                                                                               : lt_schema_z(s, "null");
    if (strcmp(type, "boolean")) return lt_schema_number(s, one, at);
    if (!except || !lt_schema_among(except, json_true())) x = lt_schema_z(s, "true");
    if (!except || !lt_schema_among(except, json_false())) x = lt_gx_alt(&s->b, lt_schema_z(s, "false"), x);
    return x ? x : lt_gx_class(&s->b, NULL, 0, false);
}

static struct lt_gx *of_cases(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *cases = lt_schema_cases(s, schema, at), *one;
    struct lt_gx *x = NULL;
    size_t i;
    if (!cases) return NULL;
    json_array_foreach(cases, i, one) {
        struct lt_gx *y = of_case(s, one, at);
        if (!y) return json_decref(cases), NULL;
        x = lt_gx_alt(&s->b, y, x);
    }
    json_decref(cases);
    return x ? x : lt_schema_none(s, at, NULL, "no value is allowed");
}

/* Nothing but anyOf: the alternatives as they stand, so that references stay rules. */
static struct lt_gx *any_of(struct lt_schema *s, const json_t *list, const struct lt_schema_at *at)
{
    struct lt_schema_at here = { at, "anyOf", 0 };
    struct lt_gx *x = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct lt_schema_at one = { &here, NULL, i };
        struct lt_gx *y = lt_schema_value(s, json_array_get(list, i), &one);
        if (!y) return NULL;
        x = lt_gx_alt(&s->b, y, x);
    }
    return x;
}

/* A rule for every schema, made once: that is how schemas are recursive, and why equal parts are built once. */
struct lt_gx *lt_schema_value(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    struct lt_buf key = { 0 };
    struct lt_schema_at in = { at, "$ref", 0 };
    const json_t *target = schema;
    if (json_is_true(schema) || (json_is_object(schema) && only_key(schema, "")))
        return lt_schema_call(s, LT_SCHEMA_VALUE);
    if (json_is_false(schema)) return lt_schema_none(s, at, NULL, "false allows no value");
    if (lt_schema_keywords(s, schema, at)) return NULL;
    if (s->depth == LT_SCHEMA_NESTING) return lt_schema_fail(s, at, NULL, "schemas are nested too deep"), NULL;
    bool ref = only_key(schema, "$ref");
    if (ref) {
        lt_buf_str(&key, json_string_value(json_object_get(schema, "$ref")));
        target = lt_schema_resolve(s, key.p);
        if (!target) return lt_buf_free(&key), lt_schema_fail(s, at, "$ref", "there is no such place in the schema"),
                            NULL;
    } else lt_json_put(&key, schema);
    int before = s->b.rules, rule = lt_grammar_rule(&s->b, key.p);
    lt_buf_free(&key);
    if (rule < before) return lt_gx_call(&s->b, rule);
    s->depth++;
    struct lt_gx *x = ref ? lt_schema_value(s, target, &in)
                    : only_key(schema, "anyOf") ? any_of(s, json_object_get(schema, "anyOf"), at)
                                                : of_cases(s, schema, at);
    s->depth--;
    s->b.rule[rule].x = x;
    return x ? lt_gx_call(&s->b, rule) : NULL;
}

/* ---- the rules every schema has ---- */
static void rule(struct lt_schema *s, enum lt_schema_basic which, struct lt_gx *x)
{
    s->b.rule[s->basic[which]].x = x;
}

static struct lt_gx *regex(struct lt_schema *s, const char *text)
{
    return lt_gx_regex(&s->b, "json", lt_str(text), false);
}

static void basics(struct lt_schema *s, int indent)
{
    struct lt_grammar_builder *b = &s->b;
    json_t *any = json_object();
    static const struct lt_gspan blank[] = { { ' ', ' ' }, { '\t', '\t' } };
    static const char *const words[] = { "true", "false", "null" };
    static const enum lt_schema_basic kinds[] = { LT_SCHEMA_STRING, LT_SCHEMA_NUMBER, LT_SCHEMA_OBJECT,
                                                  LT_SCHEMA_ARRAY };
    for (int i = 0; i < LT_SCHEMA_BASICS; i++) s->basic[i] = lt_grammar_rule(b, NULL);
    struct lt_gx *blanks = lt_gx_repeat(b, lt_gx_class(b, blank, 2, false), 0, indent), *x = NULL;
    struct lt_gx *line = lt_gx_seq(b, lt_schema_z(s, "\n"), blanks);
    rule(s, LT_SCHEMA_SPACE, lt_gx_alt(b, lt_gx_empty(b), lt_gx_alt(b, lt_schema_z(s, " "), line)));
    rule(s, LT_SCHEMA_CHAR, regex(s, CHAR));
    struct lt_gx *chars = lt_gx_repeat(b, lt_schema_call(s, LT_SCHEMA_CHAR), 0, -1), *quote = lt_schema_z(s, "\"");
    rule(s, LT_SCHEMA_STRING, lt_schema_seq(s, quote, chars, quote));
    rule(s, LT_SCHEMA_INTEGER, regex(s, "-?(0|[1-9][0-9]{0,17})"));
    rule(s, LT_SCHEMA_NUMBER, regex(s, "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?"));
    for (int i = 0; i < LT_COUNT(kinds); i++) x = lt_gx_alt(b, lt_schema_call(s, kinds[i]), x);
    for (int i = 0; i < LT_COUNT(words); i++) x = lt_gx_alt(b, lt_schema_z(s, words[i]), x);
    rule(s, LT_SCHEMA_VALUE, x);
    rule(s, LT_SCHEMA_OBJECT, lt_schema_object(s, any, NULL));
    rule(s, LT_SCHEMA_ARRAY, lt_schema_array(s, any, NULL));
    json_decref(any);
}

int lt_grammar_schema(const char *label, struct lt_str text, int indent, struct lt_grammar **out)
{
    struct lt_schema s = { .label = label };
    json_t *root;
    if (lt_json_parse(label, text, &root)) return -1;
    s.root = root;
    lt_grammar_builder_init(&s.b);
    basics(&s, indent);
    int top = lt_grammar_rule(&s.b, "#"), rc = -1;      /* "$ref": "#" is the whole */
    struct lt_gx *x = lt_schema_value(&s, root, NULL);
    s.b.rule[top].x = x;
    if (x) rc = lt_grammar_build(&s.b, top, out);
    if (rc && x && s.nothing && strstr(lt_error(), "no text at all"))
        rc = lt_fail("%s: %s", label, s.nothing);
    free(s.nothing);
    lt_grammar_builder_release(&s.b);
    json_decref(root);
    return rc;
}
