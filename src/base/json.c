#include "base/json.h"
#include "base/io.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parsing ---- */
/* jansson quotes the text near the error; bytes that would spoil a line of talk are masked. */
static const char *masked(json_error_t *e)
{
    for (char *c = e->text; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) *c = '?';
    return e->text;
}

int lt_json_parse(const char *label, struct lt_str text, json_t **out)
{
    json_error_t e;
    if (text.n > LT_JSON_MAX)
        return lt_fail("%s: %zu bytes of JSON are more than the %d allowed", label, text.n, LT_JSON_MAX);
    *out = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (*out) return 0;
    if (json_error_code(&e) == json_error_null_character)
        return lt_fail("%s: line %d, column %d: no text may hold \\u0000, a NUL byte", label, e.line, e.column);
    return lt_fail("%s: not JSON: line %d, column %d: %s", label, e.line, LT_MAX(e.column, 1), masked(&e));
}

int lt_json_read(const char *path, json_t **out)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return -1;
    int rc = lt_json_parse(path, (struct lt_str){ (const char *)f.p, f.n }, out);
    lt_file_close(&f);
    return rc;
}

/* ---- members ---- */
static const json_t *member(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

static int wrong_type(const char *where, const char *key, const char *expected, const json_t *found)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list", [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a whole number", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false", [JSON_NULL] = "null",
    };
    return lt_fail("%s: \"%s\": expected %s, found %s", where, key, expected, names[json_typeof(found)]);
}

int lt_json_int(const json_t *object, const char *where, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    double real = json_real_value(v);
    int64_t n = json_integer_value(v);
    if (json_is_real(v) && real == floor(real) && fabs(real) < 9e15) n = (int64_t)real;     /* 1e4, 2048.0 */
    else if (!json_is_integer(v)) return wrong_type(where, key, "a whole number", v);
    if (n < min || n > max)
        return lt_fail("%s: \"%s\": expected a whole number from %" PRId64 " to %" PRId64 ", found %" PRId64, where,
                       key, min, max, n);
    *out = n;
    return 1;
}

int lt_json_real(const json_t *object, const char *where, const char *key, double *out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_number(v)) return wrong_type(where, key, "a number", v);
    *out = json_number_value(v);
    return 1;
}

int lt_json_bool(const json_t *object, const char *where, const char *key, bool *out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_boolean(v)) return wrong_type(where, key, "true or false", v);
    *out = json_is_true(v);
    return 1;
}

int lt_json_str(const json_t *object, const char *where, const char *key, const char **out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_string(v)) return wrong_type(where, key, "a text", v);
    *out = json_string_value(v);
    return 1;
}

int lt_json_field(const json_t *row, const char *field, struct lt_str *out)
{
    if (!json_is_object(row)) return lt_fail("expected a JSON object with the text \"%s\"", field);
    const json_t *v = json_object_get(row, field);
    if (!json_is_string(v)) return lt_fail("%s \"%s\"", v ? "no string in field" : "no field", field);
    *out = (struct lt_str){ json_string_value(v), json_string_length(v) };
    return 0;
}

int lt_json_array(const json_t *object, const char *where, const char *key, json_t **out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_array(v)) return wrong_type(where, key, "a list", v);
    *out = (json_t *)v;
    return 1;
}

int lt_json_object(const json_t *object, const char *where, const char *key, json_t **out)
{
    const json_t *v = member(object, key);
    if (!v) return 0;
    if (!json_is_object(v)) return wrong_type(where, key, "an object", v);
    *out = (json_t *)v;
    return 1;
}

int lt_json_need(const json_t *object, const char *where, const char *key)
{
    return member(object, key) ? 0 : lt_fail("%s: \"%s\" is missing", where, key);
}

/* ---- writing ---- */
static void put_text(struct lt_buf *b, struct lt_str s, bool nul)
{
    bool good, more;
    lt_buf_char(b, '"');
    for (size_t i = 0, n; i < s.n; i += n) {
        unsigned char c = (unsigned char)s.p[i];
        n = lt_utf8_part(s.p + i, s.n - i, &good, &more);
        if (c == '"' || c == '\\') lt_buf_char(b, '\\');
        if (!good || (!c && !nul)) lt_buf_str(b, "\xEF\xBF\xBD");
        else if (c < 0x20) lt_buf_fmt(b, "\\u%04x", c);
        else lt_buf_put(b, s.p + i, n);
    }
    lt_buf_char(b, '"');
}

void lt_json_put_text(struct lt_buf *b, struct lt_str s) { put_text(b, s, false); }
void lt_json_put_exact(struct lt_buf *b, struct lt_str s) { put_text(b, s, true); }

void lt_json_put_real(struct lt_buf *b, double v)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    for (char *c = text; *c; c++)           /* whatever the program's locale */
        if (*c == ',') *c = '.';
    if (isfinite(v)) lt_buf_str(b, text);
    else lt_buf_fmt(b, "\"%s\"", text);
}

enum { LINE = 100 };

static void new_line(struct lt_buf *b, int depth)
{
    lt_buf_char(b, '\n');
    for (int i = 0; i < depth; i++) lt_buf_str(b, "  ");
}

static void put_value(struct lt_buf *b, const json_t *v, int depth, bool flat);

/* depth: of the members; flat: everything on one line. */
static void put_members(struct lt_buf *b, const json_t *v, int depth, bool flat)
{
    const char *key;
    json_t *item;
    size_t i = 0;
    bool object = json_is_object(v);
    lt_buf_char(b, object ? '{' : '[');
    json_object_foreach((json_t *)v, key, item) {
        if (i++) lt_buf_str(b, flat ? ", " : ",");
        if (!flat) new_line(b, depth);
        lt_json_put_text(b, lt_str(key));
        lt_buf_str(b, ": ");
        put_value(b, item, depth, flat);
    }
    json_array_foreach((json_t *)v, i, item) {
        if (i) lt_buf_str(b, flat ? ", " : ",");
        if (!flat) new_line(b, depth);
        put_value(b, item, depth, flat);
    }
    if (!flat) new_line(b, depth - 1);
    lt_buf_char(b, object ? '}' : ']');
}

static bool has_container(const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;
    json_object_foreach((json_t *)v, key, item)
        if (json_is_object(item) || json_is_array(item)) return true;
    json_array_foreach((json_t *)v, i, item)
        if (json_is_object(item) || json_is_array(item)) return true;
    return false;
}

static void put_container(struct lt_buf *b, const json_t *v, int depth)
{
    size_t before = b->n;
    bool flat = !has_container(v);
    if (flat) put_members(b, v, 0, true);
    if (flat && b->n - before + 2 * (size_t)depth <= LINE) return;
    if (json_object_size(v) + json_array_size(v) == 0) return;
    b->n = before;
    put_members(b, v, depth + 1, false);
}

static void put_value(struct lt_buf *b, const json_t *v, int depth, bool flat)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (flat) put_members(b, v, 0, true);
        else put_container(b, v, depth);
        return;
    case JSON_STRING:
        lt_json_put_exact(b, (struct lt_str){ json_string_value(v), json_string_length(v) });
        return;
    case JSON_INTEGER: lt_buf_fmt(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v)); return;
    case JSON_REAL: lt_json_put_real(b, json_real_value(v)); return;
    case JSON_TRUE: lt_buf_str(b, "true"); return;
    case JSON_FALSE: lt_buf_str(b, "false"); return;
    case JSON_NULL: lt_buf_str(b, "null"); return;
    }
}

void lt_json_put(struct lt_buf *b, const json_t *v)
{
    put_value(b, v, 0, false);
}
