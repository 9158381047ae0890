/* What may stand after a bar.  Filters that are methods of texts call those. */
#include "text/jinja/jinja_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FILTER(name) \
    static int name(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, struct lt_jv *out)
#define UNUSED (void)r, (void)v, (void)a

/* ---- texts ---- */
/* The method of texts called `name`, over str(v). */
static int as_method(struct lt_jinja_run *r, const char *name, struct lt_jv v, const struct lt_jinja_args *a,
                     struct lt_jv *out)
{
    return lt_jinja_method_find(LT_JV_STR, lt_str(name))->fn(r, lt_jinja_string(r, v), a, out);
}

FILTER(filter_capitalize) { return as_method(r, "capitalize", v, a, out); }
FILTER(filter_lower) { return as_method(r, "lower", v, a, out); }
FILTER(filter_replace) { return as_method(r, "replace", v, a, out); }
FILTER(filter_title) { return as_method(r, "title", v, a, out); }
FILTER(filter_trim) { return as_method(r, "strip", v, a, out); }
FILTER(filter_upper) { return as_method(r, "upper", v, a, out); }

FILTER(filter_string)
{
    UNUSED;
    *out = lt_jinja_string(r, v);
    return 0;
}

FILTER(filter_safe)
{
    UNUSED;
    *out = lt_jinja_string(r, v);
    out->markup = true;
    return 0;
}

FILTER(filter_escape)
{
    static const struct { char c; const char *as; } known[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" },
                                                                { '\'', "&#39;" }, { '"', "&#34;" } };
    struct lt_str s = lt_jinja_string(r, v).s;
    struct lt_buf b = { 0 };
    UNUSED;
    if (v.type == LT_JV_STR && v.markup) {
        *out = v;
        return 0;
    }
    for (size_t i = 0; i < s.n; i++) {
        const char *as = NULL;
        for (int k = 0; k < LT_COUNT(known); k++) as = s.p[i] == known[k].c ? known[k].as : as;
        if (as) lt_buf_str(&b, as);
        else lt_buf_char(&b, s.p[i]);
    }
    *out = lt_jinja_take(r, &b);
    out->markup = true;
    return 0;
}

/* Every line but the first (unless `first`) and empty ones (unless `blank`) goes in by `width` spaces or that text. */
FILTER(filter_indent)
{
    const struct lt_jv *width = lt_jinja_arg(a, 0, "width");
    bool first = false, blank = false;
    struct lt_buf in = { 0 }, b = { 0 };
    struct lt_str rest = lt_jinja_string(r, v).s, line;
    lt_jinja_arg_bool(a, 1, "first", &first);
    lt_jinja_arg_bool(a, 2, "blank", &blank);
    if (width && width->type != LT_JV_INT && width->type != LT_JV_STR)
        return lt_fail("indent: the width is a whole number or a text, not %s", lt_jv_type_name(*width));
    int64_t spaces = !width ? 4 : width->type == LT_JV_INT ? LT_MIN(width->i, 1000) : 0;
    if (width && width->type == LT_JV_STR) lt_buf_put(&in, width->s.p, width->s.n);
    for (int64_t i = 0; i < spaces; i++) lt_buf_char(&in, ' ');
    for (bool begins = true, more = true; more; begins = false) {
        const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        more = end != NULL;
        line = (struct lt_str){ rest.p, end ? (size_t)(end - rest.p) : rest.n };
        if (begins ? first : blank || line.n) lt_buf_put(&b, in.p ? in.p : "", in.n);
        lt_buf_put(&b, line.p, line.n);
        if (more) {
            lt_buf_char(&b, '\n');
            rest = (struct lt_str){ end + 1, rest.n - line.n - 1 };
        }
    }
    lt_buf_free(&in);
    r->steps += (int64_t)(b.n / 64);
    *out = lt_jinja_take(r, &b);
    return 0;
}

FILTER(filter_tojson)
{
    struct lt_jv_dump how = { .indent = -1 };
    int64_t indent = -1;
    const struct lt_jv *separators = lt_jinja_arg(a, 2, "separators");
    struct lt_buf b = { 0 };
    char item[16], key[16];
    bool sort = false;
    (void)v;
    if (lt_jinja_arg_int(a, 1, "indent", &indent)) return -1;
    lt_jinja_arg_bool(a, 3, "sort_keys", &sort);
    how.indent = (int)LT_MIN(LT_MAX(indent, -1), 64);
    how.sort_keys = sort;
    if (separators && separators->type == LT_JV_LIST && separators->list->n == 2) {
        struct lt_str s[2] = { lt_jinja_string(r, separators->list->at[0]).s,
                               lt_jinja_string(r, separators->list->at[1]).s };
        snprintf(item, sizeof item, "%.*s", (int)LT_MIN(s[0].n, 15), s[0].p);
        snprintf(key, sizeof key, "%.*s", (int)LT_MIN(s[1].n, 15), s[1].p);
        how.item = item;
        how.key = key;
    }
    if (v.type == LT_JV_UNDEFINED) return lt_fail("tojson: \"%.*s\" is not defined", (int)v.s.n, v.s.p);
    int rc = lt_jv_json(&b, v, &how);
    r->steps += (int64_t)(b.n / 64);
    *out = lt_jinja_take(r, &b);
    return rc;
}

/* ---- numbers ---- */
static bool read_number(struct lt_jv v, double *out)
{
    if (v.type == LT_JV_STR) return !lt_str_real(lt_jinja_strip(v.s, (struct lt_str){ 0 }, true, true), out);
    return lt_jv_number(v, out);
}

FILTER(filter_int)
{
    const struct lt_jv *otherwise = lt_jinja_arg(a, 0, "default");
    int64_t i, base = 10;
    double x;
    if (lt_jinja_arg_int(a, 1, "base", &base)) return -1;
    if (base != 10) return lt_fail("int: only base 10 is supported");
    (void)r;
    if (v.type == LT_JV_INT) *out = v;
    else if (v.type == LT_JV_STR && !lt_str_int(lt_jinja_strip(v.s, (struct lt_str){ 0 }, true, true), &i))
        *out = lt_jv_int(i);
    else if (read_number(v, &x) && fabs(x) < 9e18) *out = lt_jv_int((int64_t)x);
    else *out = otherwise ? *otherwise : lt_jv_int(0);
    return 0;
}

FILTER(filter_float)
{
    const struct lt_jv *otherwise = lt_jinja_arg(a, 0, "default");
    double x;
    (void)r;
    *out = read_number(v, &x) ? lt_jv_real(x) : otherwise ? *otherwise : lt_jv_real(0);
    return 0;
}

FILTER(filter_abs)
{
    UNUSED;
    if (v.type == LT_JV_INT && v.i > INT64_MIN) *out = lt_jv_int(v.i < 0 ? -v.i : v.i);
    else if (v.type == LT_JV_REAL) *out = lt_jv_real(fabs(v.r));
    else return lt_fail("abs needs a number, not %s", lt_jv_type_name(v));
    return 0;
}

/* Half to even, as Python's round has it. */
FILTER(filter_round)
{
    int64_t precision = 0;
    struct lt_str method = lt_str("common");
    double x;
    (void)r;
    if (lt_jinja_arg_int(a, 0, "precision", &precision) || lt_jinja_arg_str(a, 1, "method", &method)) return -1;
    if (!lt_jv_number(v, &x)) return lt_fail("round needs a number, not %s", lt_jv_type_name(v));
    double scale = pow(10, (double)LT_MAX(LT_MIN(precision, 15), -15));
    if (lt_str_is(method, "common")) x = rint(x * scale) / scale;
    else if (lt_str_is(method, "ceil")) x = ceil(x * scale) / scale;
    else if (lt_str_is(method, "floor")) x = floor(x * scale) / scale;
    else return lt_fail("round: expected common, ceil or floor, found \"%.*s\"", (int)method.n, method.p);
    *out = lt_jv_real(x);
    return 0;
}

/* ---- anything ---- */
FILTER(filter_default)
{
    const struct lt_jv *otherwise = lt_jinja_arg(a, 0, "default_value");
    bool falsy = false;
    (void)r;
    lt_jinja_arg_bool(a, 1, "boolean", &falsy);
    *out = v.type != LT_JV_UNDEFINED && (!falsy || lt_jv_true(v)) ? v : otherwise ? *otherwise : lt_jv_str(lt_str(""));
    return 0;
}

FILTER(filter_length)
{
    UNUSED;
    if (v.type == LT_JV_STR) *out = lt_jv_int((int64_t)lt_jinja_length(v.s));
    else if (v.type == LT_JV_LIST) *out = lt_jv_int((int64_t)v.list->n);
    else if (v.type == LT_JV_DICT) *out = lt_jv_int((int64_t)v.dict->n);
    else if (v.type == LT_JV_UNDEFINED) *out = lt_jv_int(0);
    else return lt_fail("%s has no length", lt_jv_type_name(v));
    return 0;
}

FILTER(filter_items)
{
    if (v.type == LT_JV_UNDEFINED) {
        *out = lt_jv_list(&r->arena);
        return 0;
    }
    if (v.type != LT_JV_DICT) return lt_fail("items needs a mapping, not %s", lt_jv_type_name(v));
    return lt_jinja_method_find(LT_JV_DICT, lt_str("items"))->fn(r, v, a, out);
}

/* ---- lists ---- */
FILTER(filter_list)
{
    struct lt_jv all;
    UNUSED;
    if (lt_jinja_iterate(r, v, &all)) return -1;
    *out = all;
    return 0;
}

/* "a.b.0": members of members. */
static int path(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv names, struct lt_jv *out)
{
    struct lt_str rest = lt_jinja_string(r, names).s, name;
    *out = v;
    if (names.type == LT_JV_INT) return lt_jinja_item(r, v, names, out);
    while (rest.n && lt_str_split(&rest, '.', &name)) {
        int64_t i;
        struct lt_jv key = lt_str_int(name, &i) ? lt_jv_str(name) : lt_jv_int(i);
        if (out->type == LT_JV_UNDEFINED) return 0;
        if (lt_jinja_item(r, *out, key, out)) return -1;
    }
    return 0;
}

static int nth(struct lt_jinja_run *r, struct lt_jv v, bool last, struct lt_jv *out)
{
    struct lt_jv all;
    if (lt_jinja_iterate(r, v, &all)) return -1;
    size_t n = all.list->n;
    *out = n ? all.list->at[last ? n - 1 : 0] : lt_jv_undefined(lt_str(last ? "the last of nothing"
                                                                            : "the first of nothing"));
    return 0;
}

FILTER(filter_first) { (void)a; return nth(r, v, false, out); }
FILTER(filter_last) { (void)a; return nth(r, v, true, out); }

FILTER(filter_join)
{
    struct lt_str between = lt_str("");
    const struct lt_jv *attribute = lt_jinja_arg(a, 1, "attribute");
    struct lt_jv all, item;
    struct lt_buf b = { 0 };
    if (lt_jinja_arg_str(a, 0, "d", &between) || lt_jinja_iterate(r, v, &all)) return -1;
    for (size_t i = 0; i < all.list->n; i++) {
        item = all.list->at[i];
        if (attribute && path(r, item, *attribute, &item)) {
            lt_buf_free(&b);
            return -1;
        }
        if (i) lt_buf_put(&b, between.p, between.n);
        lt_jv_print(&b, item);
    }
    r->steps += (int64_t)(b.n / 64);
    *out = lt_jinja_take(r, &b);
    return 0;
}

FILTER(filter_reverse)
{
    struct lt_jv all;
    struct lt_buf b = { 0 };
    UNUSED;
    if (lt_jinja_iterate(r, v, &all)) return -1;
    *out = lt_jv_list(&r->arena);
    for (size_t i = all.list->n; i--;) lt_jv_push(&r->arena, *out, all.list->at[i]);
    if (v.type != LT_JV_STR) return 0;
    for (size_t i = 0; i < out->list->n; i++) lt_jv_print(&b, out->list->at[i]);
    *out = lt_jinja_take(r, &b);
    return 0;
}

/* ---- choosing and mapping ---- */
/* These take whatever is false for an empty list. */
static int iterate(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv *out)
{
    return lt_jinja_iterate(r, lt_jv_true(v) ? v : lt_jv_list(&r->arena), out);
}

/* Does the test named by argument `at`, with those after it, hold?  No name: is it true? */
static int holds(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, int at, bool *out)
{
    if (a->n <= at) {
        *out = lt_jv_true(v);
        return 0;
    }
    struct lt_str name = lt_jinja_string(r, a->at[at]).s;
    const struct lt_jinja_test *t = lt_jinja_test_find(name);
    if (!t) return lt_fail("there is no test \"%.*s\"", (int)name.n, name.p);
    struct lt_jinja_args rest = { .at = a->at + at + 1, .n = a->n - at - 1 };
    if (rest.n != t->args)
        return lt_fail("the test \"%s\" takes %d values, and %d are given", t->name, t->args, rest.n);
    return t->fn(r, v, &rest, out);
}

static int choose(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool attribute, bool want,
                  struct lt_jv *out)
{
    struct lt_jv all, x;
    if (a->named_n) return lt_fail("select and reject take no named arguments");
    if (attribute && !a->n) return lt_fail("selectattr and rejectattr need the name of a member");
    if (iterate(r, v, &all)) return -1;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < all.list->n; i++) {
        bool is = false;
        x = all.list->at[i];
        if ((attribute && path(r, x, a->at[0], &x)) || holds(r, x, a, attribute, &is)) return -1;
        if (is == want) lt_jv_push(&r->arena, *out, all.list->at[i]);
    }
    return 0;
}

FILTER(filter_select) { return choose(r, v, a, false, true, out); }
FILTER(filter_reject) { return choose(r, v, a, false, false, out); }
FILTER(filter_selectattr) { return choose(r, v, a, true, true, out); }
FILTER(filter_rejectattr) { return choose(r, v, a, true, false, out); }

/* map(attribute="x", default=y), or map("filter", arguments ...). */
FILTER(filter_map)
{
    struct lt_jinja_args named = { .key = a->key, .named = a->named, .named_n = a->named_n };
    const struct lt_jv *attribute = lt_jinja_arg(&named, 0, "attribute");
    const struct lt_jv *otherwise = lt_jinja_arg(&named, 0, "default");
    const struct lt_jinja_filter *f = NULL;
    struct lt_jinja_args rest = { .at = a->at + 1, .n = a->n - 1, .key = a->key, .named = a->named,
                                  .named_n = a->named_n };
    struct lt_jv all, x;
    if (!attribute) {
        struct lt_str name = a->n ? lt_jinja_string(r, a->at[0]).s : lt_str("");
        f = lt_jinja_filter_find(name);
        if (!f) return lt_fail("map: there is no filter \"%.*s\"", (int)name.n, name.p);
        if (lt_jinja_check_args(f->name, f->names, &rest)) return -1;
    }
    if (iterate(r, v, &all)) return -1;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < all.list->n; i++) {
        int rc = f ? f->fn(r, all.list->at[i], &rest, &x) : path(r, all.list->at[i], *attribute, &x);
        if (rc) return -1;
        if (!f && x.type == LT_JV_UNDEFINED && otherwise) x = *otherwise;
        lt_jv_push(&r->arena, *out, x);
    }
    return 0;
}

/* ---- order ---- */
struct keyed { struct lt_jv key, item; };

static int by_key(const void *a, const void *b, void *self)
{
    const struct keyed *x = a, *y = b;
    int order = 0;
    bool *failed = self;
    if (!lt_jv_order(x->key, y->key, &order)) *failed = true;
    return order;
}

static int by_key_down(const void *a, const void *b, void *self)
{
    return -by_key(a, b, self);
}

/* What is compared: the item or its member, in small letters unless case counts. */
static int key_of(struct lt_jinja_run *r, struct lt_jv item, const struct lt_jv *attribute, bool cased,
                  struct lt_jv *out)
{
    *out = item;
    if (attribute && path(r, item, *attribute, out)) return -1;
    return !cased && out->type == LT_JV_STR ? as_method(r, "lower", *out, &(struct lt_jinja_args){ 0 }, out) : 0;
}

static int sorted(struct lt_jinja_run *r, struct lt_jv list, const struct lt_jv *attribute, bool cased, bool reverse,
                  struct lt_jv *out)
{
    size_t n = list.list->n;
    struct keyed *k = lt_alloc((n + 1) * sizeof *k);
    bool failed = false;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        k[i].item = list.list->at[i];
        rc = key_of(r, k[i].item, attribute, cased, &k[i].key);
    }
    if (!rc) lt_sort(k, n, sizeof *k, reverse ? by_key_down : by_key, &failed);
    if (!rc && failed) rc = lt_fail("sort: the values have no order");
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < n && !rc; i++) lt_jv_push(&r->arena, *out, k[i].item);
    r->steps += (int64_t)n * 8;
    free(k);
    return rc;
}

FILTER(filter_sort)
{
    bool reverse = false, cased = false;
    struct lt_jv all;
    lt_jinja_arg_bool(a, 0, "reverse", &reverse);
    lt_jinja_arg_bool(a, 1, "case_sensitive", &cased);
    if (lt_jinja_iterate(r, v, &all)) return -1;
    return sorted(r, all, lt_jinja_arg(a, 2, "attribute"), cased, reverse, out);
}

FILTER(filter_dictsort)
{
    bool cased = false, reverse = false;
    struct lt_str by = lt_str("key");
    struct lt_jv items, index;
    lt_jinja_arg_bool(a, 0, "case_sensitive", &cased);
    if (lt_jinja_arg_str(a, 1, "by", &by)) return -1;
    lt_jinja_arg_bool(a, 2, "reverse", &reverse);
    if (v.type != LT_JV_DICT) return lt_fail("dictsort needs a mapping, not %s", lt_jv_type_name(v));
    if (filter_items(r, v, &(struct lt_jinja_args){ 0 }, &items)) return -1;
    index = lt_jv_int(lt_str_is(by, "value"));
    return sorted(r, items, &index, cased, reverse, out);
}

FILTER(filter_unique)
{
    bool cased = false;
    struct lt_jv all, seen = lt_jv_list(&r->arena), key;
    lt_jinja_arg_bool(a, 0, "case_sensitive", &cased);
    if (lt_jinja_iterate(r, v, &all)) return -1;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < all.list->n; i++) {
        bool known = false;
        if (key_of(r, all.list->at[i], lt_jinja_arg(a, 1, "attribute"), cased, &key)) return -1;
        for (size_t k = 0; k < seen.list->n && !known; k++) known = lt_jv_equal(seen.list->at[k], key);
        r->steps += (int64_t)seen.list->n;
        if (lt_jinja_step(r)) return -1;
        if (known) continue;
        lt_jv_push(&r->arena, seen, key);
        lt_jv_push(&r->arena, *out, all.list->at[i]);
    }
    return 0;
}

static int extreme(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool greatest,
                   struct lt_jv *out)
{
    bool cased = false;
    struct lt_jv all, up;
    lt_jinja_arg_bool(a, 0, "case_sensitive", &cased);
    if (lt_jinja_iterate(r, v, &all)) return -1;
    if (sorted(r, all, lt_jinja_arg(a, 1, "attribute"), cased, greatest, &up)) return -1;
    *out = up.list->n ? up.list->at[0] : lt_jv_undefined(lt_str("an extreme of nothing"));
    return 0;
}

FILTER(filter_min) { return extreme(r, v, a, false, out); }
FILTER(filter_max) { return extreme(r, v, a, true, out); }

FILTER(filter_sum)
{
    const struct lt_jv *attribute = lt_jinja_arg(a, 0, "attribute");
    struct lt_jv all, x;
    int64_t whole = 0;
    double total = 0, y;
    bool real = false;
    if (lt_jinja_arg_int(a, 1, "start", &whole) || lt_jinja_iterate(r, v, &all)) return -1;
    for (size_t i = 0; i < all.list->n; i++) {
        x = all.list->at[i];
        if (attribute && path(r, x, *attribute, &x)) return -1;
        if (!lt_jv_number(x, &y)) return lt_fail("sum: %s is no number", lt_jv_type_name(x));
        real |= x.type == LT_JV_REAL;
        total += y;
        if (x.type == LT_JV_INT && __builtin_add_overflow(whole, x.i, &whole))
            return lt_fail("a whole number becomes too large");
    }
    *out = real ? lt_jv_real(total) : lt_jv_int(whole);
    return 0;
}

static const struct lt_jinja_filter filters[] = {
    { "abs", "", filter_abs }, { "capitalize", "", filter_capitalize }, { "count", "", filter_length },
    { "d", "default_value boolean", filter_default }, { "default", "default_value boolean", filter_default },
    { "dictsort", "case_sensitive by reverse", filter_dictsort }, { "e", "", filter_escape },
    { "escape", "", filter_escape }, { "first", "", filter_first }, { "float", "default", filter_float },
    { "indent", "width first blank", filter_indent }, { "int", "default base", filter_int },
    { "items", "", filter_items }, { "join", "d attribute", filter_join }, { "last", "", filter_last },
    { "length", "", filter_length }, { "list", "", filter_list }, { "lower", "", filter_lower },
    { "map", "*", filter_map }, { "max", "case_sensitive attribute", filter_max },
    { "min", "case_sensitive attribute", filter_min }, { "reject", "*", filter_reject },
    { "rejectattr", "*", filter_rejectattr }, { "replace", "old new count", filter_replace },
    { "reverse", "", filter_reverse }, { "round", "precision method", filter_round }, { "safe", "", filter_safe },
    { "select", "*", filter_select }, { "selectattr", "*", filter_selectattr },
    { "sort", "reverse case_sensitive attribute", filter_sort }, { "string", "", filter_string },
    { "sum", "attribute start", filter_sum }, { "title", "", filter_title },
    { "tojson", "ensure_ascii indent separators sort_keys", filter_tojson }, { "trim", "chars", filter_trim },
    { "unique", "case_sensitive attribute", filter_unique }, { "upper", "", filter_upper },
};

const struct lt_jinja_filter *lt_jinja_filter_find(struct lt_str name)
{
    for (int i = 0; i < LT_COUNT(filters); i++)
        if (lt_str_is(name, filters[i].name)) return &filters[i];
    return NULL;
}
