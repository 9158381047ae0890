/* Functions of templates and methods of their values. */
#include "text/jinja/jinja_run.h"
#include "text/tok_char.h"

#include <string.h>
#include <time.h>
#include <utf8proc.h>

#define FN(name) \
    static int name(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, struct lt_jv *out)
#define UNUSED (void)r, (void)v, (void)a

/* ---- functions ---- */
FN(fn_range)
{
    int64_t begin = 0, end = 0, step = 1;
    UNUSED;
    if (!a->n) return lt_fail("range needs a whole number");
    if (lt_jinja_arg_int(a, 0, "stop", &end)) return -1;
    if (a->n > 1) {
        begin = end;
        if (lt_jinja_arg_int(a, 1, "stop", &end)) return -1;
    }
    if (lt_jinja_arg_int(a, 2, "step", &step)) return -1;
    if (!step) return lt_fail("the step of range is 0");
    *out = lt_jv_list(&r->arena);
    for (int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
        if (out->list->n == 100000) return lt_fail("range has more than 100000 items");
        lt_jv_push(&r->arena, *out, lt_jv_int(i));
        if (step > 0 ? i > INT64_MAX - step : i < INT64_MIN - step) break;
    }
    return 0;
}

FN(fn_dict)
{
    UNUSED;
    *out = lt_jv_dict(&r->arena);
    for (int i = 0; i < a->n; i++) {
        if (a->at[i].type != LT_JV_DICT) return lt_fail("expected a mapping, found %s", lt_jv_type_name(a->at[i]));
        for (size_t k = 0; k < a->at[i].dict->n; k++)
            lt_jv_put(&r->arena, *out, a->at[i].dict->at[k].key, a->at[i].dict->at[k].value);
    }
    for (int i = 0; i < a->named_n; i++) lt_jv_put(&r->arena, *out, lt_jv_str(a->key[i]), a->named[i]);
    return 0;
}

FN(fn_namespace)
{
    if (fn_dict(r, v, a, out)) return -1;
    out->type = LT_JV_NAMESPACE;
    return 0;
}

FN(fn_raise)
{
    UNUSED;
    (void)out;
    const struct lt_jv *m = lt_jinja_arg(a, 0, "message");
    struct lt_str s = m ? lt_jinja_string(r, *m).s : lt_str("it gives no reason");
    return lt_fail("the template refuses this conversation: %.*s", (int)LT_MIN(s.n, 400), s.p);
}

FN(fn_strftime_now)
{
    struct lt_str format = { 0 };
    char form[256], text[1024];
    time_t now = (time_t)r->now;
    struct tm tm;
    UNUSED;
    if (lt_jinja_arg_str(a, 0, "format", &format)) return -1;
    if (format.n >= sizeof form) return lt_fail("strftime_now: a format of more than %zu bytes", sizeof form - 1);
    memcpy(form, format.p ? format.p : "", format.n);
    form[format.n] = 0;
    if (!localtime_r(&now, &tm)) return lt_fail("strftime_now: there is no such time");
    size_t n = format.n ? strftime(text, sizeof text, form, &tm) : 0;
    *out = lt_jv_text(&r->arena, (struct lt_str){ text, n });
    return 0;
}

/* ---- methods of texts ---- */
static int strip(struct lt_jv v, const struct lt_jinja_args *a, bool left, bool right, struct lt_jv *out)
{
    struct lt_str chars = { 0 };
    if (lt_jinja_arg_str(a, 0, "chars", &chars)) return -1;
    *out = lt_jv_str(lt_jinja_strip(v.s, chars, left, right));
    return 0;
}

FN(str_strip) { UNUSED; return strip(v, a, true, true, out); }
FN(str_lstrip) { UNUSED; return strip(v, a, true, false, out); }
FN(str_rstrip) { UNUSED; return strip(v, a, false, true, out); }

/* One text, or any of a list of them, at the beginning or the end. */
static int has_end(struct lt_jv v, const struct lt_jinja_args *a, bool begin, struct lt_jv *out)
{
    const struct lt_jv *what = lt_jinja_arg(a, 0, "prefix");
    bool is = false, list = what && what->type == LT_JV_LIST;
    size_t count = !what ? 0 : list ? what->list->n : 1;
    if (!what || (!list && what->type != LT_JV_STR))
        return lt_fail("startswith and endswith need a text, not %s", what ? lt_jv_type_name(*what) : "nothing");
    for (size_t i = 0; i < count && !is; i++) {
        struct lt_jv x = list ? what->list->at[i] : *what;
        is = x.type == LT_JV_STR && x.s.n <= v.s.n && !memcmp(begin ? v.s.p : v.s.p + v.s.n - x.s.n, x.s.p, x.s.n);
    }
    *out = lt_jv_bool(is);
    return 0;
}

FN(str_startswith) { UNUSED; return has_end(v, a, true, out); }
FN(str_endswith) { UNUSED; return has_end(v, a, false, out); }

static void push(struct lt_jinja_run *r, struct lt_jv list, const char *p, const char *end)
{
    lt_jv_push(&r->arena, list, lt_jv_str((struct lt_str){ p, (size_t)(end - p) }));
}

/* At runs of white space; the rest is one piece after `most` cuts. */
static void split_at_spaces(struct lt_jinja_run *r, struct lt_str s, int64_t most, struct lt_jv list)
{
    for (int64_t cuts = 0;; cuts++) {
        s = lt_jinja_strip(s, (struct lt_str){ 0 }, true, false);
        if (!s.n) return;
        size_t n = 0;
        while (n < s.n) {
            size_t size = LT_MIN((size_t)lt_utf8_size(s.p[n]), s.n - n);
            if (!lt_jinja_strip((struct lt_str){ s.p + n, size }, (struct lt_str){ 0 }, true, false).n) break;
            n += size;
        }
        if (most >= 0 && cuts == most) n = s.n;
        push(r, list, s.p, s.p + n);
        s.p += n;
        s.n -= n;
    }
}

FN(str_split)
{
    struct lt_str sep = { 0 };
    int64_t most = -1;
    UNUSED;
    if (lt_jinja_arg_str(a, 0, "sep", &sep) || lt_jinja_arg_int(a, 1, "maxsplit", &most)) return -1;
    *out = lt_jv_list(&r->arena);
    if (!sep.p) {
        split_at_spaces(r, v.s, most, *out);
        return 0;
    }
    if (!sep.n) return lt_fail("split needs a text to split at that is not empty");
    const char *p = v.s.p, *end = p + v.s.n;
    for (int64_t cuts = 0; most < 0 || cuts < most; cuts++) {
        const char *hit = memmem(p, (size_t)(end - p), sep.p, sep.n);
        if (!hit) break;
        push(r, *out, p, hit);
        p = hit + sep.n;
    }
    push(r, *out, p, end);
    r->steps += (int64_t)out->list->n;
    return 0;
}

/* From the right: the pieces of a whole split, the first of them put together again. */
FN(str_rsplit)
{
    struct lt_str sep = { 0 };
    int64_t most = -1;
    if (lt_jinja_arg_str(a, 0, "sep", &sep) || lt_jinja_arg_int(a, 1, "maxsplit", &most)) return -1;
    if (!sep.p && most >= 0) return lt_fail("rsplit at white space with a limit is not supported; name the separator");
    struct lt_jinja_args first = { .at = a->at, .n = LT_MIN(a->n, 1) };
    if (str_split(r, v, sep.p ? &(struct lt_jinja_args){ .at = &(struct lt_jv){ .type = LT_JV_STR, .s = sep }, .n = 1 }
                              : &first, out))
        return -1;
    size_t n = out->list->n;
    if (most < 0 || (size_t)most + 1 >= n) return 0;
    struct lt_jv all = *out;
    size_t joined = n - (size_t)most - 1;       /* the last piece that is part of the first one */
    *out = lt_jv_list(&r->arena);
    push(r, *out, v.s.p, all.list->at[joined].s.p + all.list->at[joined].s.n);
    for (size_t i = joined + 1; i < n; i++) lt_jv_push(&r->arena, *out, all.list->at[i]);
    return 0;
}

FN(str_splitlines)
{
    UNUSED;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0, from = 0; i <= v.s.n; i++) {
        if (i < v.s.n && v.s.p[i] != '\n' && v.s.p[i] != '\r') continue;
        if (i < v.s.n || i > from) push(r, *out, v.s.p + from, v.s.p + i);
        if (i + 1 < v.s.n && v.s.p[i] == '\r' && v.s.p[i + 1] == '\n') i++;
        from = i + 1;
    }
    return 0;
}

FN(str_replace)
{
    struct lt_str old = { 0 }, new = { 0 };
    int64_t most = -1;
    struct lt_buf b = { 0 };
    UNUSED;
    if (lt_jinja_arg_str(a, 0, "old", &old) || lt_jinja_arg_str(a, 1, "new", &new) ||
        lt_jinja_arg_int(a, 2, "count", &most))
        return -1;
    if (!old.p || !new.p) return lt_fail("replace needs two texts");
    const char *p = v.s.p, *end = p + v.s.n;
    for (int64_t done = 0; most < 0 || done < most; done++) {
        const char *hit = old.n ? memmem(p, (size_t)(end - p), old.p, old.n) : p < end || !done ? p : NULL;
        if (!hit) break;
        lt_buf_put(&b, p, (size_t)(hit - p));
        lt_buf_put(&b, new.p, new.n);
        p = hit + old.n;
        if (!old.n && p < end) {                /* an empty text stands before every character and at the end */
            size_t n = LT_MIN((size_t)lt_utf8_size(*p), (size_t)(end - p));
            lt_buf_put(&b, p, n);
            p += n;
            if (p == end && (most < 0 || done + 1 < most)) lt_buf_put(&b, new.p, new.n);
            if (p == end) break;
        }
        if (b.n > LT_JINJA_OUTPUT_MAX) break;
    }
    lt_buf_put(&b, p, (size_t)(end - p));
    if (b.n > LT_JINJA_OUTPUT_MAX) {
        lt_buf_free(&b);
        return lt_fail("a text becomes too long");
    }
    r->steps += (int64_t)(b.n / 64);
    *out = lt_jinja_take(r, &b);
    return 0;
}

/* Characters before byte `at`. */
static int64_t characters(struct lt_str s, const char *at)
{
    return (int64_t)lt_jinja_length((struct lt_str){ s.p, (size_t)(at - s.p) });
}

FN(str_find)
{
    struct lt_str what = { 0 };
    UNUSED;
    if (lt_jinja_arg_str(a, 0, "sub", &what)) return -1;
    const char *hit = what.n ? memmem(v.s.p, v.s.n, what.p, what.n) : v.s.p;
    *out = lt_jv_int(hit ? characters(v.s, hit) : -1);
    return 0;
}

FN(str_count)
{
    struct lt_str what = { 0 };
    int64_t n = 0;
    UNUSED;
    if (lt_jinja_arg_str(a, 0, "sub", &what)) return -1;
    const char *p = v.s.p, *end = p + v.s.n;
    if (!what.n) n = (int64_t)lt_jinja_length(v.s) + 1;
    while (what.n && (p = memmem(p, (size_t)(end - p), what.p, what.n))) n++, p += what.n;
    *out = lt_jv_int(n);
    return 0;
}

/* Characters one by one: the first of the text or of a word, or any other, in upper or lower case. */
enum { LOWER, UPPER, CAPITAL, TITLE };
static struct lt_jv in_case(struct lt_jinja_run *r, struct lt_str s, int how)
{
    struct lt_buf b = { 0 };
    bool begins = true;
    for (size_t i = 0; i < s.n;) {
        uint32_t c, two[2];
        char utf8[4];
        i += (size_t)lt_utf8_get(s.p + i, &c);
        bool upper = how == UPPER || ((how == CAPITAL || how == TITLE) && begins);
        int n = 1;
        if (upper && c == 0xDF) two[0] = 'S', two[1] = how == UPPER ? 'S' : 's', n = 2;
        else if (upper) two[0] = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
        else n = lt_char_lower(c, two);
        for (int k = 0; k < n; k++) lt_buf_put(&b, utf8, (size_t)lt_utf8_put(utf8, two[k]));
        begins = how == TITLE && lt_char_class(c) != LT_CHAR_LETTER;
    }
    return lt_jinja_take(r, &b);
}

FN(str_lower) { UNUSED; *out = in_case(r, v.s, LOWER); return 0; }
FN(str_upper) { UNUSED; *out = in_case(r, v.s, UPPER); return 0; }
FN(str_capitalize) { UNUSED; *out = in_case(r, v.s, CAPITAL); return 0; }
FN(str_title) { UNUSED; *out = in_case(r, v.s, TITLE); return 0; }

static int without_end(struct lt_jv v, const struct lt_jinja_args *a, const char *name, bool begin, struct lt_jv *out)
{
    struct lt_str what = { 0 };
    if (lt_jinja_arg_str(a, 0, name, &what)) return -1;
    bool has = what.n <= v.s.n && what.n && !memcmp(begin ? v.s.p : v.s.p + v.s.n - what.n, what.p, what.n);
    if (has) v.s = (struct lt_str){ begin ? v.s.p + what.n : v.s.p, v.s.n - what.n };
    *out = v;
    return 0;
}

FN(str_removeprefix) { UNUSED; return without_end(v, a, "prefix", true, out); }
FN(str_removesuffix) { UNUSED; return without_end(v, a, "suffix", false, out); }

FN(str_isdigit)
{
    bool is = v.s.n > 0;
    UNUSED;
    for (size_t i = 0; i < v.s.n; i++) is = is && v.s.p[i] >= '0' && v.s.p[i] <= '9';
    *out = lt_jv_bool(is);
    return 0;
}

FN(str_join)
{
    struct lt_jv all;
    struct lt_buf b = { 0 };
    const struct lt_jv *what = lt_jinja_arg(a, 0, "iterable");
    if (!what) return lt_fail("join needs a list");
    if (lt_jinja_iterate(r, *what, &all)) return -1;
    for (size_t i = 0; i < all.list->n; i++) {
        if (i) lt_buf_put(&b, v.s.p, v.s.n);
        lt_jv_print(&b, all.list->at[i]);
    }
    *out = lt_jinja_take(r, &b);
    return 0;
}

/* ---- methods of mappings and lists ---- */
FN(dict_get)
{
    const struct lt_jv *key = lt_jinja_arg(a, 0, "key"), *otherwise = lt_jinja_arg(a, 1, "default");
    UNUSED;
    if (!key) return lt_fail("get needs a key");
    const struct lt_jv *m = lt_jv_get(v, *key);
    *out = m ? *m : otherwise ? *otherwise : lt_jv_none();
    return 0;
}

FN(dict_keys)
{
    (void)a;
    return lt_jinja_iterate(r, v, out);
}

FN(dict_values)
{
    UNUSED;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < v.dict->n; i++) lt_jv_push(&r->arena, *out, v.dict->at[i].value);
    return 0;
}

FN(dict_items)
{
    UNUSED;
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < v.dict->n; i++) {
        struct lt_jv pair = lt_jv_list(&r->arena);
        lt_jv_push(&r->arena, pair, v.dict->at[i].key);
        lt_jv_push(&r->arena, pair, v.dict->at[i].value);
        lt_jv_push(&r->arena, *out, pair);
    }
    return 0;
}

FN(dict_copy)
{
    (void)a;
    return fn_dict(r, v, &(struct lt_jinja_args){ .at = &v, .n = 1 }, out);
}

FN(list_index)
{
    const struct lt_jv *what = lt_jinja_arg(a, 0, "value");
    UNUSED;
    for (size_t i = 0; what && i < v.list->n; i++) {
        if (!lt_jv_equal(v.list->at[i], *what)) continue;
        *out = lt_jv_int((int64_t)i);
        return 0;
    }
    return lt_fail("index: the list does not hold that value");
}

FN(list_count)
{
    const struct lt_jv *what = lt_jinja_arg(a, 0, "value");
    int64_t n = 0;
    UNUSED;
    for (size_t i = 0; what && i < v.list->n; i++) n += lt_jv_equal(v.list->at[i], *what);
    *out = lt_jv_int(n);
    return 0;
}

/* ---- methods of the loop ---- */
FN(loop_cycle)
{
    UNUSED;
    if (!a->n) return lt_fail("cycle needs values");
    *out = a->at[v.loop->at % (size_t)a->n];
    return 0;
}

FN(loop_changed)
{
    struct lt_jv now = lt_jv_list(&r->arena);
    for (int i = 0; i < a->n; i++) lt_jv_push(&r->arena, now, a->at[i]);
    *out = lt_jv_bool(!v.loop->has_changed || !lt_jv_equal(v.loop->changed, now));
    v.loop->changed = now;
    v.loop->has_changed = true;
    return 0;
}

static const struct lt_jinja_function functions[] = {
    { "dict", "*", fn_dict }, { "namespace", "*", fn_namespace }, { "raise_exception", "message", fn_raise },
    { "range", "start stop step", fn_range }, { "strftime_now", "format", fn_strftime_now },
};
static const struct lt_jinja_function str_methods[] = {
    { "capitalize", "", str_capitalize }, { "count", "sub", str_count }, { "endswith", "prefix", str_endswith },
    { "find", "sub", str_find }, { "isdigit", "", str_isdigit }, { "join", "iterable", str_join },
    { "lower", "", str_lower }, { "lstrip", "chars", str_lstrip }, { "removeprefix", "prefix", str_removeprefix },
    { "removesuffix", "suffix", str_removesuffix }, { "replace", "old new count", str_replace },
    { "rsplit", "sep maxsplit", str_rsplit }, { "rstrip", "chars", str_rstrip }, { "split", "sep maxsplit", str_split },
    { "splitlines", "", str_splitlines }, { "startswith", "prefix", str_startswith }, { "strip", "chars", str_strip },
    { "title", "", str_title }, { "upper", "", str_upper },
};
static const struct lt_jinja_function dict_methods[] = {
    { "copy", "", dict_copy }, { "get", "key default", dict_get }, { "items", "", dict_items },
    { "keys", "", dict_keys }, { "values", "", dict_values },
};
static const struct lt_jinja_function list_methods[] = {
    { "count", "value", list_count }, { "index", "value", list_index },
};
static const struct lt_jinja_function loop_methods[] = {
    { "changed", "*", loop_changed }, { "cycle", "*", loop_cycle },
};

static const struct lt_jinja_function *find(const struct lt_jinja_function *f, int n, struct lt_str name)
{
    for (int i = 0; i < n; i++)
        if (lt_str_is(name, f[i].name)) return &f[i];
    return NULL;
}

const struct lt_jinja_function *lt_jinja_function_find(struct lt_str name)
{
    return find(functions, LT_COUNT(functions), name);
}

const struct lt_jinja_function *lt_jinja_method_find(enum lt_jv_type type, struct lt_str name)
{
    switch (type) {
    case LT_JV_STR: return find(str_methods, LT_COUNT(str_methods), name);
    case LT_JV_DICT: return find(dict_methods, LT_COUNT(dict_methods), name);
    case LT_JV_LIST: return find(list_methods, LT_COUNT(list_methods), name);
    case LT_JV_LOOP: return find(loop_methods, LT_COUNT(loop_methods), name);
    default: return NULL;
    }
}
