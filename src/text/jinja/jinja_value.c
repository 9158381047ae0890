#include "text/jinja/jinja_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lt_jv lt_jv_text(struct lt_arena *a, struct lt_str s)
{
    return lt_jv_str((struct lt_str){ lt_arena_str(a, s), s.n });
}

struct lt_jv lt_jv_list(struct lt_arena *a)
{
    return (struct lt_jv){ .type = LT_JV_LIST, .list = lt_arena_zero(a, 1, sizeof(struct lt_jv_list)) };
}

struct lt_jv lt_jv_dict(struct lt_arena *a)
{
    return (struct lt_jv){ .type = LT_JV_DICT, .dict = lt_arena_zero(a, 1, sizeof(struct lt_jv_dict)) };
}

/* Room for one more of `size` bytes; arenas do not grow what they gave. */
static void *grow(struct lt_arena *a, void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return at;
    *cap = *cap ? 2 * *cap : 4;
    void *new = lt_arena_take(a, *cap * size);
    if (n) memcpy(new, at, n * size);
    return new;
}

int lt_jv_height(struct lt_jv v)
{
    return v.type == LT_JV_LIST ? v.list->height : v.type == LT_JV_DICT ? v.dict->height : 0;
}

void lt_jv_push(struct lt_arena *a, struct lt_jv v, struct lt_jv item)
{
    struct lt_jv_list *l = v.list;
    l->at = grow(a, l->at, l->n, &l->cap, sizeof *l->at);
    l->at[l->n++] = item;
    l->height = LT_MAX(l->height, lt_jv_height(item) + 1);
}

static struct lt_jv *find(const struct lt_jv_dict *d, struct lt_jv key)
{
    for (size_t i = 0; i < d->n; i++)
        if (lt_jv_equal(d->at[i].key, key)) return &d->at[i].value;
    return NULL;
}

void lt_jv_put(struct lt_arena *a, struct lt_jv v, struct lt_jv key, struct lt_jv value)
{
    struct lt_jv_dict *d = v.dict;
    struct lt_jv *old = find(d, key);
    d->height = LT_MAX(d->height, LT_MAX(lt_jv_height(value), lt_jv_height(key)) + 1);
    if (old) {
        *old = value;
        return;
    }
    d->at = grow(a, d->at, d->n, &d->cap, sizeof *d->at);
    d->at[d->n++] = (struct lt_jv_pair){ key, value };
}

const struct lt_jv *lt_jv_get(struct lt_jv dict, struct lt_jv key)
{
    return find(dict.dict, key);
}

const struct lt_jv *lt_jv_member(struct lt_jv dict, struct lt_str key)
{
    return find(dict.dict, lt_jv_str(key));
}

struct lt_jv lt_jv_from_json(struct lt_arena *a, const json_t *j)
{
    struct lt_jv v;
    const char *key;
    json_t *item;
    size_t i;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        v = lt_jv_dict(a);
        v.dict->cap = json_object_size(j);
        v.dict->at = lt_arena_take(a, LT_MAX(v.dict->cap, 1) * sizeof *v.dict->at);
        json_object_foreach((json_t *)j, key, item) {   /* keys of JSON objects differ: nothing to look for */
            struct lt_jv value = lt_jv_from_json(a, item);
            v.dict->at[v.dict->n++] = (struct lt_jv_pair){ lt_jv_str(lt_str(key)), value };
            v.dict->height = LT_MAX(v.dict->height, lt_jv_height(value) + 1);
        }
        return v;
    case JSON_ARRAY:
        v = lt_jv_list(a);
        json_array_foreach((json_t *)j, i, item) lt_jv_push(a, v, lt_jv_from_json(a, item));
        return v;
    case JSON_STRING: return lt_jv_str((struct lt_str){ json_string_value(j), json_string_length(j) });
    case JSON_INTEGER: return lt_jv_int(json_integer_value(j));
    case JSON_REAL: return lt_jv_real(json_real_value(j));
    case JSON_TRUE: return lt_jv_bool(true);
    case JSON_FALSE: return lt_jv_bool(false);
    default: return lt_jv_none();
    }
}

const char *lt_jv_type_name(struct lt_jv v)
{
    static const char *const name[] = { "undefined", "none", "a truth value", "a whole number", "a number", "a text",
                                        "a list", "a mapping", "a namespace", "a macro", "a function", "a method",
                                        "the loop" };
    return name[v.type];
}

bool lt_jv_true(struct lt_jv v)
{
    switch (v.type) {
    case LT_JV_UNDEFINED:
    case LT_JV_NONE: return false;
    case LT_JV_BOOL: return v.b;
    case LT_JV_INT: return v.i != 0;
    case LT_JV_REAL: return v.r != 0;
    case LT_JV_STR: return v.s.n > 0;
    case LT_JV_LIST: return v.list->n > 0;
    case LT_JV_DICT: return v.dict->n > 0;
    default: return true;
    }
}

bool lt_jv_number(struct lt_jv v, double *out)
{
    if (v.type == LT_JV_INT) *out = (double)v.i;
    else if (v.type == LT_JV_REAL) *out = v.r;
    else if (v.type == LT_JV_BOOL) *out = v.b;
    else return false;
    return true;
}

static bool equal_lists(const struct lt_jv_list *a, const struct lt_jv_list *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) same = lt_jv_equal(a->at[i], b->at[i]);
    return same;
}

static bool equal_dicts(const struct lt_jv_dict *a, const struct lt_jv_dict *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        const struct lt_jv *other = find(b, a->at[i].key);
        same = other && lt_jv_equal(a->at[i].value, *other);
    }
    return same;
}

bool lt_jv_equal(struct lt_jv a, struct lt_jv b)
{
    double x, y;
    if (a.type == LT_JV_INT && b.type == LT_JV_INT) return a.i == b.i;
    if (lt_jv_number(a, &x) && lt_jv_number(b, &y)) return x == y;
    if (a.type != b.type) return false;
    switch (a.type) {
    case LT_JV_STR: return lt_str_eq(a.s, b.s);
    case LT_JV_LIST: return equal_lists(a.list, b.list);
    case LT_JV_DICT: return equal_dicts(a.dict, b.dict);
    case LT_JV_UNDEFINED:
    case LT_JV_NONE: return true;
    default: return a.dict == b.dict;               /* the same thing */
    }
}

bool lt_jv_order(struct lt_jv a, struct lt_jv b, int *out)
{
    double x, y;
    if (a.type == LT_JV_INT && b.type == LT_JV_INT) *out = (a.i > b.i) - (a.i < b.i);
    else if (lt_jv_number(a, &x) && lt_jv_number(b, &y)) *out = (x > y) - (x < y);
    else if (a.type == LT_JV_STR && b.type == LT_JV_STR) *out = lt_str_cmp(a.s, b.s);
    else if (a.type == LT_JV_LIST && b.type == LT_JV_LIST) {
        for (size_t i = 0; i < a.list->n && i < b.list->n; i++)
            if (!lt_jv_equal(a.list->at[i], b.list->at[i])) return lt_jv_order(a.list->at[i], b.list->at[i], out);
        *out = (a.list->n > b.list->n) - (a.list->n < b.list->n);
    } else return false;
    return true;
}

/* ---- as text ---- */
/* Python's repr of a float: the shortest digits that read back, with an exponent from 1e16 on and below 1e-4. */
static void put_real(struct lt_buf *b, double r)
{
    char s[40];
    if (isnan(r) || isinf(r)) {
        lt_buf_str(b, isnan(r) ? "nan" : r < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 1;
    do snprintf(s, sizeof s, "%.*e", digits - 1, r); while (strtod(s, NULL) != r && digits++ < 17);
    int exponent = atoi(strchr(s, 'e') + 1);
    if (exponent >= 16 || exponent < -4) {
        *strchr(s, 'e') = 0;
        lt_buf_fmt(b, "%se%c%02d", s, exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    snprintf(s, sizeof s, "%.*f", LT_MAX(digits - 1 - exponent, 0), r);
    lt_buf_str(b, s);
    if (!strchr(s, '.')) lt_buf_str(b, ".0");
}

/* Python quotes with ' unless the text holds one and no ". */
static void put_quoted(struct lt_buf *b, struct lt_str s)
{
    bool one = s.n && memchr(s.p, '\'', s.n), two = s.n && memchr(s.p, '"', s.n);
    char quote = one && !two ? '"' : '\'';
    lt_buf_char(b, quote);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == (unsigned char)quote || c == '\\') lt_buf_fmt(b, "\\%c", c);
        else if (c == '\n') lt_buf_str(b, "\\n");
        else if (c == '\r') lt_buf_str(b, "\\r");
        else if (c == '\t') lt_buf_str(b, "\\t");
        else if (c < 0x20 || c == 0x7F) lt_buf_fmt(b, "\\x%02x", c);
        else lt_buf_char(b, (char)c);
    }
    lt_buf_char(b, quote);
}

void lt_jv_repr(struct lt_buf *b, struct lt_jv v)
{
    switch (v.type) {
    case LT_JV_UNDEFINED: lt_buf_str(b, "Undefined"); return;
    case LT_JV_NONE: lt_buf_str(b, "None"); return;
    case LT_JV_BOOL: lt_buf_str(b, v.b ? "True" : "False"); return;
    case LT_JV_INT: lt_buf_fmt(b, "%" PRId64, v.i); return;
    case LT_JV_REAL: put_real(b, v.r); return;
    case LT_JV_STR: put_quoted(b, v.s); return;
    case LT_JV_LIST:
        lt_buf_char(b, '[');
        for (size_t i = 0; i < v.list->n; i++) {
            if (i) lt_buf_str(b, ", ");
            lt_jv_repr(b, v.list->at[i]);
        }
        lt_buf_char(b, ']');
        return;
    case LT_JV_DICT:
        lt_buf_char(b, '{');
        for (size_t i = 0; i < v.dict->n; i++) {
            if (i) lt_buf_str(b, ", ");
            lt_jv_repr(b, v.dict->at[i].key);
            lt_buf_str(b, ": ");
            lt_jv_repr(b, v.dict->at[i].value);
        }
        lt_buf_char(b, '}');
        return;
    default: lt_buf_fmt(b, "<%s>", lt_jv_type_name(v));
    }
}

void lt_jv_print(struct lt_buf *b, struct lt_jv v)
{
    if (v.type == LT_JV_STR) lt_buf_put(b, v.s.p, v.s.n);
    else if (v.type != LT_JV_UNDEFINED) lt_jv_repr(b, v);
}

/* ---- as JSON ---- */
static void put_json_text(struct lt_buf *b, struct lt_str s)
{
    static const char short_form[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    lt_buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        const char *e = NULL;
        for (const char *p = short_form; *p && !e; p += 2) e = *p == s.p[i] ? p + 1 : NULL;
        if (e) lt_buf_fmt(b, "\\%c", *e);
        else if ((unsigned char)s.p[i] < 0x20) lt_buf_fmt(b, "\\u%04x", (unsigned char)s.p[i]);
        else lt_buf_char(b, s.p[i]);
    }
    lt_buf_char(b, '"');
}

static void new_line(struct lt_buf *b, int indent, int level)
{
    if (indent < 0) return;
    lt_buf_char(b, '\n');
    for (int i = 0; i < indent * level; i++) lt_buf_char(b, ' ');
}

/* Keys of JSON are texts; numbers and truth values become some. */
static int put_json_key(struct lt_buf *b, struct lt_jv key)
{
    struct lt_buf text = { 0 };
    if (key.type == LT_JV_STR) {
        put_json_text(b, key.s);
        return 0;
    }
    if (key.type == LT_JV_BOOL) lt_buf_str(&text, key.b ? "true" : "false");
    else if (key.type == LT_JV_NONE) lt_buf_str(&text, "null");
    else if (key.type == LT_JV_INT || key.type == LT_JV_REAL) lt_jv_print(&text, key);
    else return lt_fail("tojson: %s is a key, which JSON does not have", lt_jv_type_name(key));
    put_json_text(b, lt_buf_view(&text));
    lt_buf_free(&text);
    return 0;
}

static int by_key(const void *a, const void *b, void *unused)
{
    const struct lt_jv_pair *x = a, *y = b;
    int order = 0;
    (void)unused;
    lt_jv_order(x->key, y->key, &order);
    return order;
}

static int put_json(struct lt_buf *b, struct lt_jv v, const struct lt_jv_dump *how, int level);

static int put_json_dict(struct lt_buf *b, const struct lt_jv_dict *d, const struct lt_jv_dump *how, int level)
{
    struct lt_jv_pair *pair = lt_alloc((d->n + 1) * sizeof *pair);
    int rc = 0;
    if (d->n) memcpy(pair, d->at, d->n * sizeof *pair);
    if (how->sort_keys) lt_sort(pair, d->n, sizeof *pair, by_key, NULL);
    lt_buf_char(b, '{');
    for (size_t i = 0; i < d->n && !rc; i++) {
        if (i) lt_buf_str(b, how->item);
        new_line(b, how->indent, level + 1);
        rc = put_json_key(b, pair[i].key);
        lt_buf_str(b, how->key);
        if (!rc) rc = put_json(b, pair[i].value, how, level + 1);
    }
    if (d->n) new_line(b, how->indent, level);
    lt_buf_char(b, '}');
    free(pair);
    return rc;
}

static int put_json(struct lt_buf *b, struct lt_jv v, const struct lt_jv_dump *how, int level)
{
    switch (v.type) {
    case LT_JV_NONE: lt_buf_str(b, "null"); return 0;
    case LT_JV_BOOL: lt_buf_str(b, v.b ? "true" : "false"); return 0;
    case LT_JV_REAL:
        if (isnan(v.r) || isinf(v.r)) lt_buf_str(b, isnan(v.r) ? "NaN" : v.r < 0 ? "-Infinity" : "Infinity");
        else put_real(b, v.r);
        return 0;
    case LT_JV_INT: lt_jv_repr(b, v); return 0;
    case LT_JV_STR: put_json_text(b, v.s); return 0;
    case LT_JV_LIST:
        lt_buf_char(b, '[');
        for (size_t i = 0; i < v.list->n; i++) {
            if (i) lt_buf_str(b, how->item);
            new_line(b, how->indent, level + 1);
            if (put_json(b, v.list->at[i], how, level + 1)) return -1;
        }
        if (v.list->n) new_line(b, how->indent, level);
        lt_buf_char(b, ']');
        return 0;
    case LT_JV_DICT: return put_json_dict(b, v.dict, how, level);
    default: return lt_fail("tojson: %s has no JSON", lt_jv_type_name(v));
    }
}

int lt_jv_json(struct lt_buf *b, struct lt_jv v, const struct lt_jv_dump *how)
{
    struct lt_jv_dump full = *how;
    if (!full.item) full.item = full.indent < 0 ? ", " : ",";
    if (!full.key) full.key = ": ";
    return put_json(b, v, &full, 0);
}
