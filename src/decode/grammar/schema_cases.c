/* JSON Schema's combinations, worked out on cases (schema.h says what a case is). */
#include "decode/grammar/schema.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECT = 1, ARRAY = 2, STRING = 4, NUMBER = 8, LOOKS = 4 };
enum how { GREATER, LESSER, LIST, AGAIN };      /* how two of a keyword become one; AGAIN: by hand */
static const struct { const char *name; int types; enum how how; } keywords[] = {
    { "minimum", NUMBER, GREATER }, { "exclusiveMinimum", NUMBER, GREATER }, { "maximum", NUMBER, LESSER },
    { "exclusiveMaximum", NUMBER, LESSER }, { "multipleOf", NUMBER, LIST }, { LT_SCHEMA_FRACTION, NUMBER, AGAIN },
    { "minLength", STRING, GREATER }, { "maxLength", STRING, LESSER }, { "pattern", STRING, LIST },
    { LT_SCHEMA_NOT_PATTERN, STRING, LIST }, { "format", STRING, LIST }, { "minItems", ARRAY, GREATER },
    { "maxItems", ARRAY, LESSER }, { "uniqueItems", ARRAY, AGAIN }, { "contains", ARRAY, LIST },
    { "prefixItems", ARRAY, AGAIN }, { "items", ARRAY, AGAIN }, { "minProperties", OBJECT, GREATER },
    { "maxProperties", OBJECT, LESSER }, { "propertyNames", OBJECT, LIST }, { "properties", OBJECT, AGAIN },
    { "patternProperties", OBJECT, AGAIN }, { "additionalProperties", OBJECT, AGAIN }, { "required", OBJECT, AGAIN },
    { "only", ~0, AGAIN }, { LT_SCHEMA_EXCEPT, ~0, LIST },
};
static const char *const types[] = { "object", "array", "string", "number", "boolean", "null" };

static bool is(const char *a, const char *b) { return !strcmp(a, b); }

/* ---- schemas that are made ---- */
static json_t *dup(const json_t *v) { return json_incref((json_t *)v); }

/* What fits both, as a schema; absent: everything. */
static json_t *both(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *v, *list, *out;
    if (!a || json_is_true(a) || (b && json_is_false(b))) return b ? dup(b) : json_true();
    if (!b || json_is_true(b) || json_is_false(a) || json_equal(a, b)) return dup(a);
    list = json_array();
    const json_t *part[] = { a, b };
    for (int k = 0; k < 2; k++) {               /* flat and without twins, so that recursion comes to an end */
        const json_t *inner = json_object_get(part[k], "allOf");
        bool flat = inner && json_object_size(part[k]) == 1;
        for (i = 0; i < (flat ? json_array_size(inner) : 1); i++) {
            v = flat ? json_array_get(inner, i) : (json_t *)part[k];
            bool twin = false;
            for (size_t m = 0; m < json_array_size(list); m++) twin |= json_equal(json_array_get(list, m), v);
            if (!twin) json_array_append(list, v);
        }
    }
    out = json_pack("{s:o}", "allOf", list);
    return out;
}

static void keep_both(json_t *into, const char *key, const json_t *other)
{
    if (other) json_object_set_new(into, key, both(json_object_get(into, key), other));
}

/* ---- merging ---- */
static bool any_matches(struct lt_schema *s, const json_t *patterns, const char *name, const struct lt_schema_at *at,
                        int *rc)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)patterns, key, v) {
        struct lt_gx *x = lt_schema_pattern(s, at, "patternProperties", key);
        int fits = x ? lt_gx_matches(x, lt_str(name)) : -1;
        if (fits < 0) *rc = -1;
        if (fits) return fits > 0;
    }
    return false;
}

/* Names of one side that the other takes for additional ones keep to its additionalProperties too. */
static int narrow(struct lt_schema *s, json_t *properties, const json_t *other, const struct lt_schema_at *at)
{
    const json_t *more = json_object_get(other, "additionalProperties");
    const json_t *named = json_object_get(other, "properties"), *patterns = json_object_get(other, "patternProperties");
    const char *key;
    json_t *v;
    int rc = 0;
    if (!more) return 0;
    json_object_foreach(properties, key, v) {
        if (json_object_get(named, key) || any_matches(s, patterns, key, at, &rc)) continue;
        json_object_set_new(properties, key, both(v, more));
    }
    return rc;
}

static int merge_objects(struct lt_schema *s, json_t *into, const json_t *from, const struct lt_schema_at *at)
{
    static const char *const add = "additionalProperties", *const pat = "patternProperties";
    json_t *mine = json_object_get(into, pat), *theirs = json_object_get(from, pat), *v;
    const char *key;
    if (!json_equal(mine, theirs) && ((mine && json_object_get(from, add)) || (theirs && json_object_get(into, add))))
        return lt_schema_fail(s, at, pat, "this keyword cannot be put together with additionalProperties beside it");
    json_t *a = json_deep_copy(json_object_get(into, "properties")), *b = json_deep_copy(json_object_get(from,
            "properties"));
    int rc = narrow(s, a, from, at) || narrow(s, b, into, at) ? -1 : 0;
    json_object_foreach(b, key, v) {
        if (!a) a = json_object();
        json_object_set_new(a, key, both(json_object_get(a, key), v));
    }
    json_decref(b);
    if (a) json_object_set_new(into, "properties", a);
    if (theirs) {
        json_t *all = mine ? json_copy(mine) : json_object();
        json_object_foreach(theirs, key, v) keep_both(all, key, v);
        json_object_set_new(into, pat, all);
    }
    keep_both(into, add, json_object_get(from, add));
    return rc;
}

static void merge_arrays(json_t *into, const json_t *from)
{
    json_t *a = json_object_get(into, "prefixItems"), *b = json_object_get(from, "prefixItems"), *all = json_array();
    json_t *ra = json_object_get(into, "items"), *rb = json_object_get(from, "items");
    for (size_t i = 0; i < json_array_size(a) || i < json_array_size(b); i++) {
        json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        json_array_append_new(all, both(x ? x : ra, y ? y : rb));
    }
    if (json_array_size(all)) json_object_set(into, "prefixItems", all);
    json_decref(all);
    keep_both(into, "items", rb);
}

/* Lists without twins; `keep`: those of both, else those of either. */
static json_t *join(const json_t *a, const json_t *b, bool keep)
{
    json_t *out = keep ? json_array() : json_copy((json_t *)a), *v;
    size_t i;
    json_array_foreach((json_t *)b, i, v)
        if (lt_schema_among(a, v) == keep) json_array_append(out, v);
    return out;
}

static int merge_key(json_t *into, const char *key, const json_t *old, json_t *value)
{
    enum how how = AGAIN;
    for (int i = 0; i < LT_COUNT(keywords); i++)
        if (is(keywords[i].name, key)) how = keywords[i].how;
    if (is(key, "properties") || is(key, "patternProperties") || is(key, "additionalProperties") ||
        is(key, "prefixItems") || is(key, "items") || is(key, "type")) return 0;
    if (!old) return json_object_set(into, key, value);
    double a = json_number_value(old), b = json_number_value(value);
    if (how == GREATER || how == LESSER) return (how == GREATER) == (b > a) ? json_object_set(into, key, value) : 0;
    if (is(key, "uniqueItems") || is(key, LT_SCHEMA_FRACTION)) return 0;
    return json_object_set_new(into, key, join(old, value, is(key, "only")));
}

/* Is there surely no value?  Looks into required members a few levels deep. */
static int hopeless(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    static const char *const pairs[][2] = { { "minLength", "maxLength" }, { "minItems", "maxItems" },
        { "minProperties", "maxProperties" }, { "minimum", "maximum" }, { "exclusiveMinimum", "exclusiveMaximum" } };
    json_t *only = json_object_get(one, "only"), *v;
    size_t i;
    for (int k = 0; k < LT_COUNT(pairs); k++) {
        const json_t *a = json_object_get(one, pairs[k][0]), *b = json_object_get(one, pairs[k][1]);
        if (!a || !b || json_number_value(a) <= json_number_value(b)) continue;
        lt_schema_none(s, at, pairs[k][0], "the least is above the most");
        return 1;
    }
    if (only) {
        int any = 0;
        json_array_foreach(only, i, v)
            if (!any) any = lt_schema_fits_case(s, one, v, at);
        return any < 0 ? -1 : !any;
    }
    if (s->looks == LOOKS) return 0;
    s->looks++;
    int rc = 0;
    json_array_foreach(json_object_get(one, "required"), i, v) {
        json_t *p = json_object_get(json_object_get(one, "properties"), json_string_value(v));
        if (!p && !json_object_get(one, "patternProperties")) p = json_object_get(one, "additionalProperties");
        if (rc || !p || !(json_is_false(p) || json_object_get(p, "allOf"))) continue;
        json_t *cases = lt_schema_cases(s, p, at);
        rc = cases ? !json_array_size(cases) : -1;
        json_decref(cases);
    }
    s->looks--;
    return rc;
}

int lt_schema_merge(struct lt_schema *s, json_t *into, const json_t *from, const struct lt_schema_at *at)
{
    const char *a = json_string_value(json_object_get(into, "type")), *key;
    const char *b = json_string_value(json_object_get(from, "type"));
    json_t *v;
    bool whole = is(b, "integer") && is(a, "number");
    if (!is(a, b) && !whole && !(is(a, "integer") && is(b, "number"))) return 1;
    if (is(a, "object") && merge_objects(s, into, from, at)) return -1;
    if (is(a, "array")) merge_arrays(into, from);
    json_object_foreach((json_t *)from, key, v) merge_key(into, key, json_object_get(into, key), v);
    if (whole) json_object_set_new(into, "type", json_string("integer"));
    a = json_string_value(json_object_get(into, "type"));
    if (json_object_get(into, LT_SCHEMA_FRACTION) && is(a, "integer")) return 1;
    return hopeless(s, into, at);
}

/* ---- the cases of what stands in one schema itself ---- */
/* The keyword as cases have it: lists where several may hold, 2020-12's names for draft 07's. */
static void put_own(json_t *one, const json_t *schema, const char *key, enum how how)
{
    json_t *v = json_object_get(schema, key), *items = json_object_get(schema, "items");
    if (is(key, "only") || !v) return;
    if (is(key, "items") && json_is_array(items)) {
        json_object_set(one, "prefixItems", items);
        json_t *rest = json_object_get(schema, "additionalItems");
        if (rest) json_object_set(one, "items", rest);
    } else if (is(key, "contains")) {
        json_t *all = json_pack("{s:O}", "schema", v), *min = json_object_get(schema, "minContains");
        json_t *max = json_object_get(schema, "maxContains");
        if (min) json_object_set(all, "min", min);
        if (max) json_object_set(all, "max", max);
        json_object_set_new(one, key, json_pack("[o]", all));
    } else if (is(key, "uniqueItems") || is(key, LT_SCHEMA_FRACTION)) {
        if (json_is_true(v)) json_object_set(one, key, v);
    } else if (how == LIST && !is(key, LT_SCHEMA_NOT_PATTERN) && !is(key, LT_SCHEMA_EXCEPT)) {
        json_object_set_new(one, key, json_pack("[O]", v));
    } else if (!json_is_boolean(v) || is(key, "additionalProperties") || is(key, "items")) json_object_set(one, key, v);
}

/* Draft 04: exclusiveMinimum true makes minimum itself exclusive. */
static void old_exclusive(json_t *one, const json_t *schema, const char *key, const char *bound)
{
    if (!json_is_true(json_object_get(schema, key)) || !json_object_get(one, bound)) return;
    json_object_set(one, key, json_object_get(one, bound));
    json_object_del(one, bound);
}

static json_t *own_case(const json_t *schema, const char *type)
{
    json_t *one = json_pack("{s:s}", "type", type);
    int bit = is(type, "object") ? OBJECT : is(type, "array") ? ARRAY : is(type, "string") ? STRING :
              is(type, "boolean") || is(type, "null") ? 0 : NUMBER;
    for (int i = 0; i < LT_COUNT(keywords); i++)
        if (keywords[i].types & bit || keywords[i].types == ~0) put_own(one, schema, keywords[i].name, keywords[i].how);
    if (bit == NUMBER) {
        old_exclusive(one, schema, "exclusiveMinimum", "minimum");
        old_exclusive(one, schema, "exclusiveMaximum", "maximum");
    }
    json_t *more = json_object_get(schema, "unevaluatedProperties");
    if (bit == OBJECT && more && !json_object_get(one, "additionalProperties"))
        json_object_set(one, "additionalProperties", more);
    json_t *rest = json_object_get(schema, "unevaluatedItems");
    if (bit == ARRAY && rest && !json_object_get(one, "items")) json_object_set(one, "items", rest);
    return one;
}

static bool names_type(const json_t *type, const char *name)
{
    size_t i;
    json_t *t;
    if (!type) return !is(name, "integer");
    if (json_is_string(type)) return is(json_string_value(type), name);
    json_array_foreach((json_t *)type, i, t)
        if (is(json_string_value(t), name)) return true;
    return false;
}

static json_t *own_cases(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *out = json_array(), *type = json_object_get(schema, "type"), *list = json_object_get(schema, "enum");
    json_t *value = json_object_get(schema, "const");
    for (int i = 0; i <= LT_COUNT(types); i++) {
        const char *name = i < LT_COUNT(types) ? types[i] : "integer";
        if (!names_type(type, name) || (i == LT_COUNT(types) && names_type(type, "number"))) continue;
        json_t *one = own_case(schema, name), *only = value ? json_pack("[O]", value) : list ? json_copy(list) : NULL;
        if (value && list) json_object_set_new(one, "only", join(only, list, true));
        else if (only) json_object_set(one, "only", only);
        json_decref(only);
        int none = hopeless(s, one, at);
        if (!none) json_array_append(out, one);
        json_decref(one);
        if (none < 0) return json_decref(out), NULL;
    }
    if (!json_array_size(out) && (list || value))
        lt_schema_none(s, at, list ? "enum" : "const", "no value is allowed");
    return out;
}

/* ---- combinations ---- */
/* Takes both lists. */
static json_t *cross(struct lt_schema *s, json_t *a, json_t *b, const struct lt_schema_at *at)
{
    json_t *out = a && b ? json_array() : NULL, *x, *y;
    size_t i, k;
    json_array_foreach(a, i, x)
        json_array_foreach(b, k, y) {
            if (!out) break;
            json_t *one = json_deep_copy(x);
            int rc = lt_schema_merge(s, one, y, at);
            bool twin = false;
            for (size_t m = 0; m < json_array_size(out) && !rc && !twin; m++)
                twin = json_equal(json_array_get(out, m), one);
            if (!rc && !twin) json_array_append(out, one);
            json_decref(one);
            if (json_array_size(out) > LT_SCHEMA_CASES)
                rc = lt_schema_fail(s, at, NULL, "the combinations have too many cases");
            if (rc >= 0) continue;
            json_decref(out);
            out = NULL;
        }
    json_decref(a);
    json_decref(b);
    return out;
}

/* The cases of any of the schemas; takes the list. */
static json_t *any_cases(struct lt_schema *s, json_t *list, const struct lt_schema_at *at, const char *key)
{
    json_t *out = json_array(), *v;
    size_t i;
    json_array_foreach(list, i, v) {
        struct lt_schema_at here = { at, key, 0 }, one = { &here, NULL, i };
        json_t *cases = lt_schema_cases(s, v, &one);
        if (cases) json_array_extend(out, cases);
        json_decref(cases);
        if (cases) continue;
        json_decref(out);
        out = NULL;
        break;
    }
    json_decref(list);
    return out;
}

/* 1: no value fits both, 0: one may. */
static int disjoint(struct lt_schema *s, const json_t *a, const json_t *b, const struct lt_schema_at *at)
{
    json_t *cases = cross(s, lt_schema_cases(s, a, at), lt_schema_cases(s, b, at), at);
    int rc = cases ? !json_array_size(cases) : -1;
    json_decref(cases);
    return rc;
}

/* Each of the schemas, without what fits another of them. */
static json_t *one_of(struct lt_schema *s, const json_t *list, const struct lt_schema_at *at)
{
    json_t *out = json_array(), *x, *y;
    size_t i, k;
    json_array_foreach((json_t *)list, i, x) {
        struct lt_schema_at here = { at, "oneOf", 0 };
        json_t *all = json_pack("[O]", x);
        json_array_foreach((json_t *)list, k, y) {
            struct lt_schema_at other = { &here, NULL, k };
            int apart = k == i ? 1 : disjoint(s, x, y, &other);
            if (!apart) {
                json_t *not = lt_schema_negate(s, y, &other);
                apart = not ? 0 : -1;
                if (not) json_array_append_new(all, not);
            }
            if (apart >= 0) continue;
            json_decref(all);
            json_decref(out);
            return NULL;
        }
        json_array_append_new(out, json_array_size(all) == 1 ? dup(x) : json_pack("{s:O}", "allOf", all));
        json_decref(all);
    }
    return out;
}

/* "a needs b": either a is not there, or what it needs holds.  key: dependentRequired, dependentSchemas,
 * dependencies. */
static json_t *dependent(struct lt_schema *s, json_t *cases, const json_t *needs, const struct lt_schema_at *at,
                         const char *key)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)needs, name, v) {
        struct lt_schema_at here = { at, key, 0 }, one = { &here, name, 0 };
        json_t *then = json_is_array(v) ? json_pack("{s:O}", "required", v) : dup(v);
        json_t *there = json_pack("{s:[{s:s,s:[s],s:{s:b}},o]}", "allOf", "type", "object", "required", name,
                                  "properties", name, 1, then);
        json_t *not = json_pack("{s:s,s:{s:b}}", "type", "object", "properties", name, 0);
        json_t *other = json_pack("{s:[sssss]}", "type", "array", "string", "number", "boolean", "null");
        cases = cross(s, cases, any_cases(s, json_pack("[o,o,o]", other, not, there), &one, "anyOf"), at);
    }
    return cases;
}

static json_t *if_then(struct lt_schema *s, json_t *cases, const json_t *schema, const struct lt_schema_at *at)
{
    const json_t *cond = json_object_get(schema, "if"), *then = json_object_get(schema, "then");
    const json_t *other = json_object_get(schema, "else");
    struct lt_schema_at here = { at, "if", 0 };
    if (!cond || (!then && !other)) return cases;
    json_t *not = lt_schema_negate(s, cond, &here);
    if (!not) return json_decref(cases), NULL;
    json_t *yes = both(cond, then), *no = both(not, other);
    json_decref(not);
    return cross(s, cases, any_cases(s, json_pack("[o,o]", yes, no), at, "if"), at);
}

static json_t *combined(struct lt_schema *s, json_t *cases, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *all = json_object_get(schema, "allOf"), *not = json_object_get(schema, "not"), *part;
    static const char *const needs[] = { "dependentRequired", "dependentSchemas", "dependencies" };
    size_t i;
    json_array_foreach(all, i, part) {
        struct lt_schema_at here = { at, "allOf", 0 }, one = { &here, NULL, i };
        if (cases) cases = cross(s, cases, lt_schema_cases(s, part, &one), &one);
    }
    if (cases && json_object_get(schema, "anyOf"))
        cases = cross(s, cases, any_cases(s, dup(json_object_get(schema, "anyOf")), at, "anyOf"), at);
    if (cases && json_object_get(schema, "oneOf")) {
        json_t *list = one_of(s, json_object_get(schema, "oneOf"), at);
        cases = cross(s, cases, list ? any_cases(s, list, at, "oneOf") : NULL, at);
    }
    if (cases && not) {
        struct lt_schema_at here = { at, "not", 0 };
        json_t *other = lt_schema_negate(s, not, &here);
        cases = cross(s, cases, other ? lt_schema_cases(s, other, &here) : NULL, &here);
        json_decref(other);
    }
    for (int k = 0; k < LT_COUNT(needs) && cases; k++)
        cases = dependent(s, cases, json_object_get(schema, needs[k]), at, needs[k]);
    return cases ? if_then(s, cases, schema, at) : NULL;
}

json_t *lt_schema_cases(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *out = NULL, *ref = json_object_get(schema, "$ref"), *none;
    if (json_is_false(schema)) return json_array();
    if (!json_is_true(schema) && lt_schema_keywords(s, schema, at)) return NULL;
    if (s->depth == LT_SCHEMA_NESTING)
        return lt_schema_fail(s, at, NULL, "schemas are nested too deep, or one begins with itself"), NULL;
    s->depth++;
    none = json_is_true(schema) ? json_object() : dup(schema);
    out = own_cases(s, none, at);
    json_decref(none);
    if (out && ref) {
        const json_t *target = lt_schema_resolve(s, json_string_value(ref));
        struct lt_schema_at here = { at, "$ref", 0 };
        if (!target) lt_schema_fail(s, at, "$ref", "there is no such place in the schema");
        out = cross(s, out, target ? lt_schema_cases(s, target, &here) : NULL, at);
    }
    if (out && json_is_object(schema)) out = combined(s, out, schema, at);
    s->depth--;
    return out;
}
