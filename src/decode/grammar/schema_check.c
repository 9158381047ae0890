/* JSON Schema: which keywords there are, the opposite of a schema, and whether a value fits. */
#include "decode/grammar/schema.h"
#include "text/tok_char.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *a, const char *b) { return !strcmp(a, b); }

/* ---- keywords ---- */
static const char *const notes[] = {
    "title", "description", "$schema", "$id", "id", "$comment", "default", "example", "examples", "deprecated",
    "readOnly", "writeOnly", "$defs", "definitions", "$anchor", "contentMediaType", "contentEncoding", "$vocabulary" };

bool lt_schema_note(const char *key)
{
    for (int i = 0; i < LT_COUNT(notes); i++)
        if (is(notes[i], key)) return true;
    return !strncmp(key, "x-", 2);
}

enum { COUNT = 1, NUM, BOOL, TEXT, LISTS, OBJECTS, SCHEMA, ANY };
static const struct { const char *name; int form; } known[] = {
    { "type", ANY }, { "properties", OBJECTS }, { "required", ANY }, { "items", ANY }, { "prefixItems", LISTS },
    { "additionalItems", SCHEMA }, { "additionalProperties", SCHEMA }, { "enum", LISTS }, { "const", ANY },
    { "$ref", TEXT }, { "anyOf", LISTS }, { "oneOf", LISTS }, { "allOf", LISTS }, { "not", SCHEMA },
    { "minLength", COUNT }, { "maxLength", COUNT }, { "pattern", TEXT }, { "format", TEXT }, { "minimum", NUM },
    { "maximum", NUM }, { "exclusiveMinimum", ANY }, { "exclusiveMaximum", ANY }, { "multipleOf", NUM },
    { "minItems", COUNT }, { "maxItems", COUNT }, { "uniqueItems", BOOL }, { "contains", SCHEMA },
    { "minContains", COUNT }, { "maxContains", COUNT }, { "minProperties", COUNT }, { "maxProperties", COUNT },
    { "patternProperties", OBJECTS }, { "propertyNames", SCHEMA }, { "dependentRequired", OBJECTS },
    { "dependentSchemas", OBJECTS }, { "dependencies", OBJECTS }, { "if", SCHEMA }, { "then", SCHEMA },
    { "else", SCHEMA }, { "unevaluatedProperties", SCHEMA }, { "unevaluatedItems", SCHEMA },
    { LT_SCHEMA_NOT_PATTERN, LISTS }, { LT_SCHEMA_EXCEPT, LISTS }, { LT_SCHEMA_FRACTION, BOOL },  /* negations */
};

static const char *wrong_form(int form, const json_t *v)
{
    double x = json_number_value(v);
    switch (form) {
    case COUNT: return json_is_number(v) && x >= 0 && x <= 100000 && x == floor(x) ? NULL :
                       "expected a whole number from 0 to 100000";
    case NUM: return json_is_number(v) ? NULL : "expected a number";
    case BOOL: return json_is_boolean(v) ? NULL : "expected true or false";
    case TEXT: return json_is_string(v) ? NULL : "expected a text";
    case LISTS: return json_is_array(v) ? NULL : "expected a list";
    case OBJECTS: return json_is_object(v) ? NULL : "expected an object";
    case SCHEMA: return json_is_object(v) || json_is_boolean(v) ? NULL : "expected a schema";
    }
    return NULL;
}

static int check_type(const struct lt_schema *s, const json_t *type, const struct lt_schema_at *at)
{
    static const char *const names[] = { "object", "array", "string", "number", "integer", "boolean", "null" };
    size_t n = json_is_array(type) ? json_array_size(type) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        bool found = false;
        for (int k = 0; k < LT_COUNT(names) && name; k++) found |= is(names[k], name);
        if (!found)
            return lt_schema_fail(s, at, "type", "expected object, array, string, number, integer, boolean or null");
    }
    return n ? 0 : lt_schema_fail(s, at, "type", "the list is empty");
}

/* What else a keyword must keep to, and what it does not go together with. */
static const char *wrong_value(const json_t *schema, const char *key, const json_t *v)
{
    const char *text = json_string_value(v);
    size_t i;
    json_t *item;
    if (is(key, "$ref") && (*text != '#' || (text[1] && text[1] != '/')))
        return "only references into this schema (#/...) are supported";
    if ((is(key, "anyOf") || is(key, "oneOf") || is(key, "allOf")) && !json_array_size(v))
        return "expected a list of schemas";
    if (is(key, "multipleOf") && !(json_number_value(v) > 0)) return "expected a number above 0";
    if (is(key, "format") && !lt_schema_format_known(text))
        return "expected date, time, date-time, duration, email, hostname, ipv4, ipv6, uri, uri-reference, uuid or "
               "json-pointer";
    if (is(key, "required")) {
        if (json_is_boolean(v)) return "expected a list of names";
        if (!json_is_array(v)) return "expected a list";
        json_array_foreach((json_t *)v, i, item)
            if (!json_is_string(item)) return "expected a list of names";
    }
    if (!strncmp(key, "unevaluated", 11)) {
        static const char *const beside[] = { "$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas",
                                              "dependencies", "contains" };
        for (int k = 0; k < LT_COUNT(beside); k++)
            if (json_object_get(schema, beside[k])) return "this keyword beside a combination is not supported";
    }
    if (!strncmp(key, "exclusive", 9) && !json_is_number(v) && !json_is_boolean(v)) return "expected a number";
    return NULL;
}

int lt_schema_keywords(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const char *key, *what;
    json_t *v;
    if (!json_is_object(schema)) return lt_schema_fail(s, at, NULL, "expected a schema: an object, true or false");
    json_object_foreach((json_t *)schema, key, v) {
        if (lt_schema_note(key) || (is(key, "nullable") && json_is_false(v))) continue;
        int form = 0;
        for (int i = 0; i < LT_COUNT(known) && !form; i++)
            if (is(known[i].name, key)) form = known[i].form;
        if (!form) return lt_schema_fail(s, at, key, "this keyword is not supported");
        if ((what = wrong_form(form, v)) || (what = wrong_value(schema, key, v))) return lt_schema_fail(s, at, key,
                                                                                                        what);
        if (is(key, "type") && check_type(s, v, at)) return -1;
    }
    return 0;
}

/* ---- the opposite ---- */
static json_t *not_of(const json_t *schema) { return json_pack("{s:O}", "not", schema); }

static void or(json_t *list, json_t *schema) { json_array_append_new(list, schema); }

static json_t *other_types(const json_t *type)
{
    static const char *const every[] = { "object", "array", "string", "number", "boolean", "null" };
    json_t *left = json_array(), *any = json_array(), *whole = json_string("integer");
    for (int i = 0; i < LT_COUNT(every); i++) {
        json_t *name = json_string(every[i]);
        if (!json_equal(type, name) && !(json_is_array(type) && lt_schema_among(type, name)) &&
            !(i == 3 && (json_equal(type, whole) || (json_is_array(type) && lt_schema_among(type, whole)))))
            json_array_append(left, name);
        else if (i == 3 && !json_equal(type, name) && !(json_is_array(type) && lt_schema_among(type, name)))
            or(any, json_pack("{s:s,s:b}", "type", "number", LT_SCHEMA_FRACTION, 1));
        json_decref(name);
    }
    if (json_array_size(left)) or(any, json_pack("{s:O}", "type", left));
    json_decref(left);
    json_decref(whole);
    json_t *out = json_array_size(any) ? json_pack("{s:O}", "anyOf", any) : json_false();
    json_decref(any);
    return out;
}

/* A bound the other way round: 1 it was one. */
static int turn_bound(json_t *any, const json_t *schema, const char *key, json_t *v)
{
    static const struct { const char *key, *type, *other; int step; } bounds[] = {
        { "minLength", "string", "maxLength", -1 }, { "maxLength", "string", "minLength", 1 },
        { "minItems", "array", "maxItems", -1 }, { "maxItems", "array", "minItems", 1 },
        { "minProperties", "object", "maxProperties", -1 }, { "maxProperties", "object", "minProperties", 1 },
        { "minimum", "number", "exclusiveMaximum", 0 }, { "maximum", "number", "exclusiveMinimum", 0 },
        { "exclusiveMinimum", "number", "maximum", 0 }, { "exclusiveMaximum", "number", "minimum", 0 },
    };
    (void)schema;
    for (int i = 0; i < LT_COUNT(bounds); i++) {
        if (!is(bounds[i].key, key) || json_is_boolean(v)) continue;
        json_int_t n = (json_int_t)json_number_value(v) + bounds[i].step;
        if (bounds[i].step && n < 0) return 1;  /* every value keeps to it */
        or(any, bounds[i].step ? json_pack("{s:s,s:I}", "type", bounds[i].type, bounds[i].other, n)
                               : json_pack("{s:s,s:O}", "type", bounds[i].type, bounds[i].other, v));
        return 1;
    }
    return 0;
}

/* Schemas of the values that a keyword which is no combination rules out, into any.  False: not supported. */
static bool turn(json_t *any, const json_t *schema, const char *key, json_t *v)
{
    const char *name;
    json_t *item;
    size_t i;
    if (turn_bound(any, schema, key, v)) return true;
    if (is(key, "type")) or(any, other_types(v));
    else if (is(key, "const")) or(any, json_pack("{s:[O]}", LT_SCHEMA_EXCEPT, v));
    else if (is(key, "enum")) or(any, json_pack("{s:O}", LT_SCHEMA_EXCEPT, v));
    else if (is(key, LT_SCHEMA_EXCEPT)) or(any, json_pack("{s:O}", "enum", v));
    else if (is(key, "pattern")) or(any, json_pack("{s:s,s:[O]}", "type", "string", LT_SCHEMA_NOT_PATTERN, v));
    else if (is(key, "required"))
        json_array_foreach(v, i, item)
            or(any, json_pack("{s:s,s:{s:b}}", "type", "object", "properties", json_string_value(item), 0));
    else if (is(key, "properties"))
        json_object_foreach(v, name, item)
            or(any, json_pack("{s:s,s:[s],s:{s:o}}", "type", "object", "required", name, "properties", name,
                              not_of(item)));
    else if (is(key, "items") && !json_is_array(v) && !json_object_get(schema, "prefixItems"))
        or(any, json_pack("{s:s,s:o}", "type", "array", "contains", not_of(v)));
    else if (is(key, "contains") && !json_object_get(schema, "minContains") && !json_object_get(schema, "maxContains"))
        or(any, json_pack("{s:s,s:o}", "type", "array", "items", not_of(v)));
    else return is(key, "additionalProperties") && json_is_true(v);
    return true;
}

static bool turn_combination(struct lt_schema *s, json_t *any, const char *key, json_t *v)
{
    json_t *item, *all;
    size_t i;
    if (is(key, "not")) or(any, json_incref(v));
    else if (is(key, "$ref")) {
        const json_t *target = lt_schema_resolve(s, json_string_value(v));
        if (!target) return false;
        or(any, not_of(target));
    } else if (is(key, "allOf"))
        json_array_foreach(v, i, item) or(any, not_of(item));
    else if (is(key, "anyOf")) {
        all = json_array();
        json_array_foreach(v, i, item) or(all, not_of(item));
        or(any, json_pack("{s:o}", "allOf", all));
    } else return false;
    return true;
}

json_t *lt_schema_negate(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const char *key;
    json_t *v, *any, *out;
    if (json_is_boolean(schema)) return json_boolean(json_is_false(schema));
    if (lt_schema_keywords(s, schema, at)) return NULL;
    any = json_array();
    json_object_foreach((json_t *)schema, key, v) {
        if (lt_schema_note(key) || turn(any, schema, key, v) || turn_combination(s, any, key, v)) continue;
        lt_schema_fail(s, at, key, "this keyword is not supported where its opposite is needed (not, if, or a oneOf "
                                   "whose schemas could both hold)");
        json_decref(any);
        return NULL;
    }
    out = json_array_size(any) ? json_pack("{s:O}", "anyOf", any) : json_false();
    json_decref(any);
    return out;
}

/* ---- values ---- */
bool lt_schema_same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *v;
    if (json_is_number(a) && json_is_number(b))
        return json_is_integer(a) && json_is_integer(b) ? json_integer_value(a) == json_integer_value(b)
                                                        : !(json_number_value(a) < json_number_value(b) ||
                                                            json_number_value(a) > json_number_value(b));
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) {
        for (size_t i = 0; i < json_array_size(a) && i < json_array_size(b); i++)
            if (!lt_schema_same(json_array_get(a, i), json_array_get(b, i))) return false;
        return json_array_size(a) == json_array_size(b);
    }
    if (!json_is_object(a)) return json_equal(a, b);
    json_object_foreach((json_t *)a, key, v) {
        const json_t *other = json_object_get(b, key);
        if (!other || !lt_schema_same(v, other)) return false;
    }
    return json_object_size(a) == json_object_size(b);
}

bool lt_schema_among(const json_t *list, const json_t *v)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
        if (lt_schema_same(item, v)) return true;
    return false;
}

bool lt_schema_excepts(const json_t *one, json_type type)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(one, LT_SCHEMA_EXCEPT), i, v)
        if (json_typeof(v) == type) return true;
    return false;
}

static int within(const json_t *one, double x, const char *min, const char *max)
{
    const json_t *a = json_object_get(one, min), *b = json_object_get(one, max);
    return !(a && x < json_number_value(a)) && !(b && x > json_number_value(b));
}

static int fits_number(const json_t *one, const json_t *v)
{
    double x = json_number_value(v), low = json_number_value(json_object_get(one, "exclusiveMinimum"));
    double high = json_number_value(json_object_get(one, "exclusiveMaximum"));
    size_t i;
    json_t *m;
    if (!within(one, x, "minimum", "maximum") || (json_object_get(one, LT_SCHEMA_FRACTION) && x == floor(x))) return 0;
    if (json_object_get(one, "exclusiveMinimum") && x <= low) return 0;
    if (json_object_get(one, "exclusiveMaximum") && x >= high) return 0;
    json_array_foreach(json_object_get(one, "multipleOf"), i, m)
        if (json_is_integer(v) && json_is_integer(m) ? json_integer_value(v) % json_integer_value(m) != 0
                                                      : fpclassify(fmod(x, json_number_value(m))) != FP_ZERO) return 0;
    return 1;
}

static int fits_string(struct lt_schema *s, const json_t *one, const json_t *v, const struct lt_schema_at *at)
{
    static const char *const keys[] = { "pattern", LT_SCHEMA_NOT_PATTERN, "format" };
    struct lt_str text = { json_string_value(v), json_string_length(v) };
    size_t n = 0, i;
    json_t *item;
    for (size_t k = 0; k < text.n; k++) n += ((unsigned char)text.p[k] & 0xC0) != 0x80;
    if (!within(one, (double)n, "minLength", "maxLength")) return 0;
    for (int k = 0; k < LT_COUNT(keys); k++)
        json_array_foreach(json_object_get(one, keys[k]), i, item) {
            struct lt_gx *x = k == 2 ? lt_schema_format(s, json_string_value(item))
                                     : lt_schema_pattern(s, at, "pattern", json_string_value(item));
            int fits = x ? lt_gx_matches(x, text) : -1;
            if (fits < 0) return -1;
            if (fits == (k == 1)) return 0;
        }
    return 1;
}

static int fits_array(struct lt_schema *s, const json_t *one, const json_t *v, const struct lt_schema_at *at)
{
    json_t *prefix = json_object_get(one, "prefixItems"), *items = json_object_get(one, "items"), *item, *c;
    size_t n = json_array_size(v), i, k;
    if (!within(one, (double)n, "minItems", "maxItems")) return 0;
    json_array_foreach((json_t *)v, i, item) {
        json_t *schema = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        int fits = schema ? lt_schema_fits(s, schema, item, at) : 1;
        if (fits <= 0) return fits;
        for (k = 0; k < i && json_object_get(one, "uniqueItems"); k++)
            if (lt_schema_same(item, json_array_get(v, k))) return 0;
    }
    json_array_foreach(json_object_get(one, "contains"), k, c) {
        const json_t *min = json_object_get(c, "min"), *max = json_object_get(c, "max");
        double count = 0;
        json_array_foreach((json_t *)v, i, item) {
            int fits = lt_schema_fits(s, json_object_get(c, "schema"), item, at);
            if (fits < 0) return -1;
            count += fits;
        }
        if (count < (min ? json_number_value(min) : 1) || (max && count > json_number_value(max))) return 0;
    }
    return 1;
}

static int fits_member(struct lt_schema *s, const json_t *one, const char *name, const json_t *v,
                       const struct lt_schema_at *at)
{
    json_t *own = json_object_get(json_object_get(one, "properties"), name), *schema;
    json_t *more = json_object_get(one, "additionalProperties"), *text = json_string(name);
    const char *pattern;
    bool listed = own != NULL;
    size_t i;
    int rc = own ? lt_schema_fits(s, own, v, at) : 1;
    json_object_foreach(json_object_get(one, "patternProperties"), pattern, schema) {
        struct lt_gx *x = lt_schema_pattern(s, at, "patternProperties", pattern);
        int fits = x ? lt_gx_matches(x, lt_str(name)) : -1;
        listed |= fits > 0;
        if (rc > 0 && fits) rc = fits < 0 ? -1 : lt_schema_fits(s, schema, v, at);
    }
    if (rc > 0 && !listed && more) rc = lt_schema_fits(s, more, v, at);
    json_array_foreach(json_object_get(one, "propertyNames"), i, schema)
        if (rc > 0) rc = lt_schema_fits(s, schema, text, at);
    json_decref(text);
    return rc;
}

static int fits_object(struct lt_schema *s, const json_t *one, const json_t *v, const struct lt_schema_at *at)
{
    const char *name;
    json_t *item;
    size_t i;
    if (!within(one, (double)json_object_size(v), "minProperties", "maxProperties")) return 0;
    json_array_foreach(json_object_get(one, "required"), i, item)
        if (!json_object_get(v, json_string_value(item))) return 0;
    json_object_foreach((json_t *)v, name, item) {
        int rc = fits_member(s, one, name, item, at);
        if (rc <= 0) return rc;
    }
    return 1;
}

int lt_schema_fits_case(struct lt_schema *s, const json_t *one, const json_t *v, const struct lt_schema_at *at)
{
    const char *type = json_string_value(json_object_get(one, "type"));
    const json_t *only = json_object_get(one, "only");
    double x = json_number_value(v);
    if ((only && !lt_schema_among(only, v)) || lt_schema_among(json_object_get(one, LT_SCHEMA_EXCEPT), v)) return 0;
    if (is(type, "object")) return json_is_object(v) ? fits_object(s, one, v, at) : 0;
    if (is(type, "array")) return json_is_array(v) ? fits_array(s, one, v, at) : 0;
    if (is(type, "string")) return json_is_string(v) ? fits_string(s, one, v, at) : 0;
    if (is(type, "boolean")) return json_is_boolean(v);
    if (is(type, "null")) return json_is_null(v);
    return json_is_number(v) && (is(type, "number") || x == floor(x)) ? fits_number(one, v) : 0;
}

int lt_schema_fits(struct lt_schema *s, const json_t *schema, const json_t *v, const struct lt_schema_at *at)
{
    json_t *cases = lt_schema_cases(s, schema, at), *one;
    size_t i;
    int rc = cases ? 0 : -1;
    json_array_foreach(cases, i, one)
        if (!rc) rc = lt_schema_fits_case(s, one, v, at);
    json_decref(cases);
    return rc;
}
