#include "serve/field.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static const char *type_name(const json_t *v)
{
    static const char *const name[] = { [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text",
                                        [JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number",
                                        [JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null" };
    return name[json_typeof(v)];
}

int lt_wrong_type(struct lt_fault *f, const char *key, const char *expected, const json_t *v)
{
    return lt_fault_set(f, 400, key, "invalid_type", "%s: expected %s, found %s", key, expected,
                        v ? type_name(v) : "none");
}

int lt_take_int(const json_t *v, const char *key, int64_t min, int64_t max, int64_t *out, struct lt_fault *f)
{
    if (!json_is_integer(v)) return lt_wrong_type(f, key, "a whole number", v);
    *out = json_integer_value(v);
    if (*out >= min && *out <= max) return 0;
    return lt_fault_set(f, 400, key, "invalid_value", "%s: expected a value from %lld to %lld, found %lld", key,
                        (long long)min, (long long)max, (long long)*out);
}

int lt_take_bool(const json_t *v, const char *key, bool *out, struct lt_fault *f)
{
    if (!json_is_boolean(v)) return lt_wrong_type(f, key, "true or false", v);
    *out = json_is_true(v);
    return 0;
}

int lt_take_ids(const json_t *list, const char *key, int32_t **id, int *count, struct lt_fault *f)
{
    size_t n = json_array_size(list), i;
    json_t *v;
    *id = lt_alloc((n + 1) * sizeof **id);
    *count = (int)n;
    json_array_foreach((json_t *)list, i, v) {
        int64_t x;
        if (lt_take_int(v, key, 0, INT32_MAX, &x, f)) return -1;
        (*id)[i] = (int32_t)x;
    }
    return 0;
}

int lt_field_refused(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)into, (void)v;
    return lt_fault_set(f, 400, d->key, "unsupported_value", "%s: %s", d->key, d->help);
}

int lt_field_refused_unless_empty(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    bool empty = json_is_false(v) || (json_is_string(v) && !json_string_length(v))
              || (json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v));
    return empty ? 0 : lt_field_refused(into, d, v, f);
}

int lt_field_ignored(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    (void)into, (void)d, (void)v, (void)f;
    return 0;
}

/* ---- tables ---- */

const struct lt_method *lt_number_control(int i)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "control")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        const struct lt_opt *first = (*m)->opts;
        if (first && (first->type == LT_INT || first->type == LT_REAL) && !i--) return *m;
    }
    return NULL;
}

bool lt_field_is_in(const struct lt_body *b, const struct lt_field *d)
{
    return !d->where || (d->where & b->where);
}

static const struct lt_field *find(const struct lt_body *b, const char *key)
{
    for (const struct lt_field *d = b->field; d->key; d++)
        if (lt_field_is_in(b, d) && !strcmp(d->key, key)) return d;
    return NULL;
}

static const struct lt_method *find_control(const struct lt_body *b, const char *key)
{
    const struct lt_method *m = NULL;
    for (int i = 0; b->controls && (m = lt_number_control(i)); i++)
        if (!strcmp(m->name, key)) return m;
    return NULL;
}

static void consider(const char *name, const char *key, const char **best, int *far)
{
    int d = lt_edit_distance(key, name);
    if (d >= *far) return;
    *far = d;
    *best = name;
}

static int unknown(const struct lt_body *b, const char *under, const char *key, struct lt_fault *f)
{
    const struct lt_method *m;
    const char *best = NULL;
    char name[65], param[80];
    int far = LT_MAX(2, (int)strlen(key) / 3) + 1;
    snprintf(name, sizeof name, "%s", key);
    snprintf(param, sizeof param, "%.14s%s", under, name);
    if (strlen(key) < sizeof name) {
        for (const struct lt_field *d = b->field; d->key; d++)
            if (lt_field_is_in(b, d)) consider(d->key, key, &best, &far);
        for (int i = 0; b->controls && (m = lt_number_control(i)); i++) consider(m->name, key, &best, &far);
    }
    if (!best) return lt_fault_set(f, 400, param, "unknown_field", "there is no field \"%s\"", param);
    return lt_fault_set(f, 400, param, "unknown_field", "there is no field \"%s\"; did you mean \"%s%s\"?", param,
                        under, best);
}

static int store(const struct lt_field *d, void *into, const char *name, const json_t *v, struct lt_fault *f)
{
    void *to = (char *)into + d->at;
    bool any = d->min == 0 && d->max == 0;
    switch (d->type) {
    case LT_FIELD_BOOL: return lt_take_bool(v, name, to, f);
    case LT_FIELD_INT:
        return lt_take_int(v, name, any ? INT64_MIN : (int64_t)d->min, any ? INT64_MAX : (int64_t)d->max, to, f);
    case LT_FIELD_TEXT:
        if (!json_is_string(v)) return lt_wrong_type(f, name, "a text", v);
        *(const char **)to = json_string_value(v);
        return 0;
    case LT_FIELD_OBJECT:
        if (!json_is_object(v)) return lt_wrong_type(f, name, "an object", v);
        *(const json_t **)to = v;
        return 0;
    case LT_FIELD_OTHER: break;
    }
    return 0;
}

int lt_body_take_with(const struct lt_body *b, void *into, const char *under, const json_t *object,
                      lt_control_fn *control, struct lt_fault *f)
{
    struct lt_buf name = { 0 };
    const char *key;
    json_t *v;
    int rc = 0;
    json_object_foreach((json_t *)object, key, v) {
        const struct lt_field *d = find(b, key);
        const struct lt_method *m = d ? NULL : find_control(b, key);
        lt_buf_clear(&name);
        lt_buf_fmt(&name, "%s%.64s", under, key);
        if (!d && !m) rc = unknown(b, under, key, f);
        else if (json_is_null(v)) continue;
        else if (m) rc = control(into, name.p, m, v, f);
        else rc = store(d, into, name.p, v, f) || (d->take && d->take(into, d, v, f)) ? -1 : 0;
        if (rc) break;
    }
    for (const struct lt_field *d = b->field; d->key && !rc; d++) {
        const json_t *has = json_object_get(object, d->key);
        if (d->need && lt_field_is_in(b, d) && (!has || json_is_null(has)))
            rc = lt_fault_set(f, 400, d->key, "missing_field", "%s%s: expected one, found none", under, d->key);
    }
    lt_buf_free(&name);
    return rc;
}

int lt_body_take(const struct lt_body *b, void *into, const char *under, const json_t *object, struct lt_fault *f)
{
    return lt_body_take_with(b, into, under, object, NULL, f);
}

int lt_body_parse(struct lt_str text, json_t **out, struct lt_fault *f)
{
    if (lt_json_parse("the body", text, out)) {
        *out = NULL;
        return lt_fault_set(f, 400, NULL, "invalid_json", "%s", lt_error());
    }
    if (json_is_object(*out)) return 0;
    lt_fault_set(f, 400, NULL, "invalid_type", "the body: expected an object, found %s", type_name(*out));
    json_decref(*out);
    *out = NULL;
    return -1;
}

/* ---- the description ---- */

static void put_range(struct lt_buf *out, double min, double max)
{
    if (min == 0 && max == 0) return;
    lt_buf_str(out, ",\"minimum\":");
    lt_json_put_real(out, min);
    lt_buf_str(out, ",\"maximum\":");
    lt_json_put_real(out, max);
}

static void put_member(struct lt_buf *out, const char *key, const char *help)
{
    lt_json_put_text(out, lt_str(key));
    lt_buf_str(out, ":{\"description\":");
    lt_json_put_text(out, lt_str(help));
}

static void put_field(struct lt_buf *out, const struct lt_field *d)
{
    static const char *const type[] = { [LT_FIELD_BOOL] = "boolean", [LT_FIELD_INT] = "integer",
                                        [LT_FIELD_TEXT] = "string", [LT_FIELD_OBJECT] = "object" };
    put_member(out, d->key, d->help);
    if (d->schema && d->schema[1] != '}') lt_buf_fmt(out, ",%.*s", (int)strlen(d->schema) - 2, d->schema + 1);
    else if (d->type != LT_FIELD_OTHER) lt_buf_fmt(out, ",\"type\":%s\"%s\"%s", d->need ? "" : "[", type[d->type],
                                                   d->need ? "" : ",\"null\"]");
    if (d->type == LT_FIELD_INT && !d->schema) put_range(out, d->min, d->max);
    lt_buf_char(out, '}');
}

static void put_control(struct lt_buf *out, const struct lt_method *m)
{
    const struct lt_opt *first = m->opts;
    put_member(out, m->name, m->brief);
    lt_buf_fmt(out, ",\"type\":[\"%s\",\"null\"]", first->type == LT_INT ? "integer" : "number");
    put_range(out, first->min, first->max);
    lt_buf_char(out, '}');
}

void lt_body_schema(const struct lt_body *b, struct lt_buf *out)
{
    const struct lt_method *m;
    int count = 0, needed = 0;
    lt_buf_str(out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (const struct lt_field *d = b->field; d->key; d++) {
        if (!lt_field_is_in(b, d)) continue;
        if (count++) lt_buf_char(out, ',');
        put_field(out, d);
    }
    for (int i = 0; b->controls && (m = lt_number_control(i)); i++) {
        if (find(b, m->name)) continue;
        if (count++) lt_buf_char(out, ',');
        put_control(out, m);
    }
    lt_buf_char(out, '}');
    for (const struct lt_field *d = b->field; d->key; d++)
        if (d->need && lt_field_is_in(b, d)) lt_buf_fmt(out, "%s\"%s\"", needed++ ? "," : ",\"required\":[", d->key);
    lt_buf_str(out, needed ? "]}" : "}");
}
