/* JSON Schema as a grammar: the frame, and how schemas are put together. */
#include "decode/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 200 };
/* A character of a text: no lone half of a surrogate pair, which is no character. */
#define CHAR "[^\"\\\\\\x00-\\x1f]|\\\\([\"\\\\/bfnrt]|u([0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))"

int lt_schema_fail(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what)
{
    const struct lt_schema_at *way[NESTING_MAX + 8];
    struct lt_buf b = { 0 };
    int n = 0;
    for (; at && n < LT_COUNT(way); at = at->outer) way[n++] = at;
    lt_buf_char(&b, '#');
    while (n--) {
        if (!way[n]->key) lt_buf_fmt(&b, "/%zu", way[n]->index);
        else {
            lt_buf_char(&b, '/');
            for (const char *c = way[n]->key; *c; c++)
                if (*c == '~' || *c == '/') lt_buf_str(&b, *c == '~' ? "~0" : "~1");
                else lt_buf_char(&b, *c);
        }
    }
    if (key) lt_buf_fmt(&b, "/%s", key);
    int rc = lt_fail("%s: %s: %s", s->label, b.p, what);
    lt_buf_free(&b);
    return rc;
}

static struct lt_gx *refuse(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what)
{
    lt_schema_fail(s, at, key, what);
    return NULL;
}

int lt_schema_bound(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key,
                    int64_t *out)
{
    const json_t *v = json_object_get(schema, key);
    if (!v) return 0;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= 0 && x <= 100000) || x != (double)(int64_t)x)
        return lt_schema_fail(s, at, key, "expected a whole number from 0 to 100000");
    *out = (int64_t)x;
    return 1;
}

/* ---- keywords ---- */
static bool among(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(word, *list)) return true;
    return false;
}

static const char *const notes[] = { "title", "description", "$schema", "$id", "id", "$comment", "default", "examples",
                                     "deprecated", "readOnly", "writeOnly", "$defs", "definitions", "$anchor", NULL };
static const char *const known[] = {
    "type", "properties", "required", "items", "prefixItems", "additionalItems", "additionalProperties", "enum",
    "const", "$ref", "anyOf", "oneOf", "allOf", "minLength", "maxLength", "pattern", "format", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "maxProperties", "patternProperties", NULL };

static int check_keywords(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value) {
        bool idle = (!strcmp(key, "uniqueItems") && json_is_false(value)) ||
                    (!strcmp(key, "minProperties") && json_integer_value(value) == 0 && json_is_integer(value)) ||
                    (!strcmp(key, "nullable") && json_is_false(value));
        if (!idle && !among(key, notes) && !among(key, known))
            return lt_schema_fail(s, at, key, "this keyword is not supported");
    }
    return 0;
}

/* ---- values as they are ---- */
/* The one way a constant is written, but for white space between tokens. */
static struct lt_gx *constant(struct lt_schema *s, const json_t *v)
{
    struct lt_gx *x;
    const char *key;
    json_t *item;
    size_t i;
    bool first = true;
    if (json_is_object(v) || json_is_array(v)) {
        bool object = json_is_object(v);
        struct lt_gx *comma = lt_gx_seq(&s->b, lt_schema_z(s, ","), lt_schema_call(s, LT_SCHEMA_SPACE));
        x = lt_gx_seq(&s->b, lt_schema_z(s, object ? "{" : "["), lt_schema_call(s, LT_SCHEMA_SPACE));
        json_object_foreach((json_t *)v, key, item) {
            json_t *name = json_string(key);
            if (!first) x = lt_gx_seq(&s->b, x, comma);
            x = lt_gx_seq(&s->b, lt_gx_seq(&s->b, x, constant(s, name)), lt_schema_z(s, ":"));
            x = lt_gx_seq(&s->b, lt_gx_seq(&s->b, x, lt_schema_call(s, LT_SCHEMA_SPACE)), constant(s, item));
            json_decref(name);
            first = false;
        }
        json_array_foreach((json_t *)v, i, item) {
            if (i) x = lt_gx_seq(&s->b, x, comma);
            x = lt_gx_seq(&s->b, x, constant(s, item));
        }
        return lt_gx_seq(&s->b, lt_gx_seq(&s->b, x, lt_schema_call(s, LT_SCHEMA_SPACE)), lt_schema_z(s, object ? "}" :
                "]"));
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    x = lt_schema_z(s, text);
    free(text);
    return x;
}

static bool has_type(const json_t *v, const char *type)
{
    if (!strcmp(type, "integer")) return json_is_integer(v);
    if (!strcmp(type, "number")) return json_is_number(v);
    if (!strcmp(type, "string")) return json_is_string(v);
    if (!strcmp(type, "boolean")) return json_is_boolean(v);
    if (!strcmp(type, "null")) return json_is_null(v);
    return !strcmp(type, "object") ? json_is_object(v) : json_is_array(v);
}

static bool type_allows(const json_t *type, const json_t *v)
{
    size_t i;
    json_t *t;
    if (!type) return true;
    if (json_is_string(type)) return has_type(v, json_string_value(type));
    json_array_foreach((json_t *)type, i, t)
        if (json_is_string(t) && has_type(v, json_string_value(t))) return true;
    return false;
}

/* "enum" and "const" beside nothing but "type": other constraints would have to be checked on each value. */
static struct lt_gx *choices(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const");
    const json_t *type = json_object_get(schema, "type");
    struct lt_gx *x = NULL;
    const char *key;
    json_t *v;
    size_t i;
    json_object_foreach((json_t *)schema, key, v)
        if (!among(key, notes) && strcmp(key, "enum") && strcmp(key, "const") && strcmp(key, "type"))
            return refuse(s, at, key, "this keyword beside enum or const is not supported");
    if (list && !json_is_array(list)) return refuse(s, at, "enum", "expected a list");
    if (one && type_allows(type, one)) x = constant(s, one);
    json_array_foreach((json_t *)list, i, v) {
        if (!type_allows(type, v) || (one && !json_equal(one, v))) continue;
        if (!one) x = lt_gx_alt(&s->b, constant(s, v), x);
    }
    return x ? x : refuse(s, at, list ? "enum" : "const", "no value is allowed");
}

/* ---- references and combinations ---- */
static const json_t *resolve(const struct lt_schema *s, const char *ref)
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

/* A rule for every reference, made once: that is how schemas are recursive. */
static struct lt_gx *reference(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref")), *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
        if (strcmp(key, "$ref") && !among(key, notes))
            return refuse(s, at, key, "this keyword beside $ref is not supported");
    if (!ref || *ref != '#' || (ref[1] && ref[1] != '/'))
        return refuse(s, at, "$ref", "only references into this schema (#/...) are supported");
    int before = s->b.rules, rule = lt_grammar_rule(&s->b, ref);
    if (rule < before) return lt_gx_call(&s->b, rule);
    const json_t *target = resolve(s, ref);
    if (!target) return refuse(s, at, "$ref", "there is no such place in the schema");
    struct lt_gx *x = lt_schema_value(s, target, at);
    s->b.rule[rule].x = x;
    return x ? lt_gx_call(&s->b, rule) : NULL;
}

/* into += from, both objects; 0, or -1 with *key when the two disagree in a way that cannot be put together. */
static int merge(json_t *into, const json_t *from, const char **key)
{
    json_t *value;
    json_object_foreach((json_t *)from, *key, value) {
        json_t *old = json_object_get(into, *key);
        const char *inner;
        json_t *v;
        size_t i;
        if (!old || among(*key, notes) || json_equal(old, value)) json_object_set(into, *key, value);
        else if (!strcmp(*key, "required")) {
            json_t *both = json_copy(old);
            json_array_foreach(value, i, v) json_array_append(both, v);
            json_object_set_new(into, *key, both);
        } else if (!strcmp(*key, "properties")) {
            json_t *both = json_copy(old);
            json_object_foreach(value, inner, v) {
                json_t *had = json_object_get(both, inner);
                json_t *all = had && !json_equal(had, v) ? json_pack("{s:[O, O]}", "allOf", had, v) : json_incref(v);
                json_object_set_new(both, inner, all);
            }
            json_object_set_new(into, *key, both);
        } else return -1;
    }
    return 0;
}

static const json_t *follow(const struct lt_schema *s, const json_t *schema)
{
    for (int hops = 0; hops < 16 && json_is_object(schema) && json_object_get(schema, "$ref"); hops++) {
        const char *ref = json_string_value(json_object_get(schema, "$ref"));
        if (!ref || *ref != '#' || json_object_size(schema) > 1) return schema;
        schema = resolve(s, ref);
    }
    return schema;
}

/* The schema without `key`, put together with one of its members. */
static json_t *with(struct lt_schema *s, const json_t *schema, const char *drop, const json_t *part,
                    const struct lt_schema_at *at)
{
    json_t *base = json_copy((json_t *)schema);
    const char *key = NULL;
    json_object_del(base, drop);
    part = follow(s, part);
    if (json_is_true(part)) return base;
    if (json_is_object(part) && !merge(base, part, &key)) return base;
    lt_schema_fail(s, at, key, json_is_object(part) ? "this keyword cannot be put together with the one beside it"
                                                     : "expected a schema");
    json_decref(base);
    return NULL;
}

static struct lt_gx *all_of(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *list = json_object_get(schema, "allOf"), *whole = json_copy((json_t *)schema), *part;
    size_t i;
    if (!json_is_array(list)) return json_decref(whole), refuse(s, at, "allOf", "expected a list");
    json_incref(list);
    json_object_del(whole, "allOf");
    json_array_foreach(list, i, part) {
        struct lt_schema_at here = { at, "allOf", 0 }, one = { &here, NULL, i };
        json_t *more = with(s, whole, "", part, &one);
        json_decref(whole);
        whole = more;
        if (!whole) break;
    }
    json_decref(list);
    struct lt_gx *x = whole ? lt_schema_value(s, whole, at) : NULL;
    json_decref(whole);
    return x;
}

/* Can no value be of both?  By their types, or by a member that both require and whose constants differ. */
static bool disjoint_values(const json_t *a, const json_t *b)
{
    const json_t *va = json_object_get(a, "const"), *vb = json_object_get(b, "const");
    const json_t *la = json_object_get(a, "enum"), *lb = json_object_get(b, "enum");
    size_t na = va ? 1 : json_array_size(la), nb = vb ? 1 : json_array_size(lb);
    for (size_t i = 0; i < na; i++)
        for (size_t k = 0; k < nb; k++)
            if (json_equal(va ? va : json_array_get(la, i), vb ? vb : json_array_get(lb, k))) return false;
    return na && nb;
}

static bool requires(const json_t *schema, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(schema, "required"), i, v)
        if (json_is_string(v) && !strcmp(json_string_value(v), name)) return true;
    return false;
}

static bool disjoint(const struct lt_schema *s, const json_t *a, const json_t *b)
{
    a = follow(s, a);
    b = follow(s, b);
    const char *ta = json_string_value(json_object_get(a, "type")), *tb = json_string_value(json_object_get(b, "type"));
    const char *name;
    json_t *v;
    bool numbers = ta && tb && (!strcmp(ta, "number") || !strcmp(ta, "integer")) &&
                   (!strcmp(tb, "number") || !strcmp(tb, "integer"));
    if (ta && tb && strcmp(ta, tb) && !numbers) return true;
    if (disjoint_values(a, b)) return true;
    json_object_foreach(json_object_get(a, "properties"), name, v) {
        const json_t *other = json_object_get(json_object_get(b, "properties"), name);
        if (other && requires(a, name) && requires(b, name) && disjoint_values(follow(s, v), follow(s, other)))
            return true;
    }
    return false;
}

static struct lt_gx *any_of(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key)
{
    json_t *list = json_object_get(schema, key), *part;
    struct lt_gx *x = NULL;
    size_t i;
    if (!json_array_size(list)) return refuse(s, at, key, "expected a list of schemas");
    json_array_foreach(list, i, part) {
        struct lt_schema_at here = { at, key, 0 }, one = { &here, NULL, i };
        for (size_t k = 0; k < i && !strcmp(key, "oneOf"); k++)
            if (!disjoint(s, json_array_get(list, k), part))
                return refuse(s, &one, NULL, "a value could be of this schema and of one before it, which oneOf "
                                             "forbids; tell them apart by a required property with const, or use "
                                             "anyOf");
        json_t *whole = with(s, schema, key, part, &one);
        struct lt_gx *y = whole ? lt_schema_value(s, whole, &one) : NULL;
        json_decref(whole);
        if (!y) return NULL;
        x = lt_gx_alt(&s->b, y, x);
    }
    return x;
}

/* ---- by type ---- */
static struct lt_gx *of_type(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *type)
{
    if (!strcmp(type, "object")) return lt_schema_object(s, schema, at);
    if (!strcmp(type, "array")) return lt_schema_array(s, schema, at);
    if (!strcmp(type, "string")) return lt_schema_string(s, schema, at);
    if (!strcmp(type, "number") || !strcmp(type, "integer"))
        return lt_schema_number(s, schema, at, !strcmp(type, "integer"));
    if (!strcmp(type, "boolean")) return lt_gx_alt(&s->b, lt_schema_z(s, "true"), lt_schema_z(s, "false"));
    if (!strcmp(type, "null")) return lt_schema_z(s, "null");
    return refuse(s, at, "type", "expected object, array, string, number, integer, boolean or null");
}

static struct lt_gx *by_type(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    static const char *const every[] = { "object", "array", "string", "number", "boolean", "null" };
    const json_t *type = json_object_get(schema, "type");
    struct lt_gx *x = NULL, *y;
    size_t n = type ? json_array_size(type) : LT_COUNT(every);
    if (json_is_string(type)) return of_type(s, schema, at, json_string_value(type));
    if (type && !json_is_array(type)) return refuse(s, at, "type", "expected a name or a list of names");
    for (size_t i = 0; i < n; i++) {
        const char *name = type ? json_string_value(json_array_get(type, i)) : every[i];
        if (!name) return refuse(s, at, "type", "expected names");
        y = of_type(s, schema, at, name);
        if (!y) return NULL;
        x = lt_gx_alt(&s->b, y, x);
    }
    return x ? x : refuse(s, at, "type", "the list is empty");
}

static bool says_nothing(const json_t *schema)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
        if (!among(key, notes)) return false;
    return true;
}

struct lt_gx *lt_schema_value(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    struct lt_gx *x;
    if (json_is_true(schema) || (json_is_object(schema) && says_nothing(schema)))
        return lt_schema_call(s, LT_SCHEMA_VALUE);
    if (json_is_false(schema)) return refuse(s, at, NULL, "false allows no value");
    if (!json_is_object(schema)) return refuse(s, at, NULL, "expected a schema: an object, true or false");
    if (s->depth == NESTING_MAX) return refuse(s, at, NULL, "schemas are nested too deep");
    if (check_keywords(s, schema, at)) return NULL;
    s->depth++;
    if (json_object_get(schema, "$ref")) x = reference(s, schema, at);
    else if (json_object_get(schema, "allOf")) x = all_of(s, schema, at);
    else if (json_object_get(schema, "anyOf")) x = any_of(s, schema, at, "anyOf");
    else if (json_object_get(schema, "oneOf")) x = any_of(s, schema, at, "oneOf");
    else if (json_object_get(schema, "enum") || json_object_get(schema, "const")) x = choices(s, schema, at);
    else x = by_type(s, schema, at);
    s->depth--;
    return x;
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
    const json_t *any = json_object();
    static const struct lt_gspan blank[] = { { ' ', ' ' }, { '\t', '\t' } };
    for (int i = 0; i < LT_SCHEMA_BASICS; i++) s->basic[i] = lt_grammar_rule(b, NULL);
    struct lt_gx *line = lt_gx_seq(b, lt_schema_z(s, "\n"), lt_gx_repeat(b, lt_gx_class(b, blank, 2, false), 0,
                                                                         indent));
    rule(s, LT_SCHEMA_SPACE, lt_gx_alt(b, lt_gx_empty(b), lt_gx_alt(b, lt_schema_z(s, " "), line)));
    rule(s, LT_SCHEMA_CHAR, regex(s, CHAR));
    struct lt_gx *chars = lt_gx_repeat(b, lt_schema_call(s, LT_SCHEMA_CHAR), 0, -1), *quote = lt_schema_z(s, "\"");
    rule(s, LT_SCHEMA_STRING, lt_gx_seq(b, lt_gx_seq(b, quote, chars), quote));
    rule(s, LT_SCHEMA_INTEGER, regex(s, "-?(0|[1-9][0-9]{0,17})"));
    rule(s, LT_SCHEMA_NUMBER, regex(s, "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?"));
    static const char *const words[] = { "true", "false", "null" };
    struct lt_gx *x = NULL;
    for (int i = LT_SCHEMA_STRING; i <= LT_SCHEMA_ARRAY; i++)
        if (i != LT_SCHEMA_INTEGER && i != LT_SCHEMA_VALUE) x = lt_gx_alt(b, lt_schema_call(s, (enum
                lt_schema_basic)i), x);
    for (int i = 0; i < LT_COUNT(words); i++) x = lt_gx_alt(b, lt_schema_z(s, words[i]), x);
    rule(s, LT_SCHEMA_VALUE, x);
    rule(s, LT_SCHEMA_OBJECT, lt_schema_object(s, any, NULL));
    rule(s, LT_SCHEMA_ARRAY, lt_schema_array(s, any, NULL));
    json_decref((json_t *)any);
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
    s.b.rule[top].x = lt_schema_value(&s, root, NULL);
    if (s.b.rule[top].x) rc = lt_grammar_build(&s.b, top, out);
    lt_grammar_builder_release(&s.b);
    json_decref(root);
    return rc;
}
