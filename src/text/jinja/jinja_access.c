/* Members, items and contents of values. */
#include "text/jinja/jinja_run.h"
#include "text/tok_char.h"

#include <string.h>

size_t lt_jinja_length(struct lt_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

struct lt_jv lt_jinja_take(struct lt_jinja_run *r, struct lt_buf *b)
{
    struct lt_jv v = lt_jv_text(&r->arena, (struct lt_str){ b->p ? b->p : "", b->n });
    lt_buf_free(b);
    return v;
}

struct lt_jv lt_jinja_string(struct lt_jinja_run *r, struct lt_jv v)
{
    if (v.type == LT_JV_STR) return v;
    struct lt_buf b = { 0 };
    lt_jv_print(&b, v);
    return lt_jinja_take(r, &b);
}

static bool is_among(const char *p, size_t n, struct lt_str chars)
{
    uint32_t c;
    if (!chars.p) {
        lt_utf8_get(p, &c);
        return lt_char_is_space(c) || (c >= 0x1C && c <= 0x1F);
    }
    return chars.n >= n && memmem(chars.p, chars.n, p, n);
}

/* Bytes of the character at p, of which `left` remain: texts come from JSON and templates, whose UTF-8 is checked, and
 * are cut at characters only; this keeps a mistake in that from reading past the end. */
static size_t size_at(const char *p, size_t left)
{
    return LT_MIN((size_t)lt_utf8_size(*p), left);
}

struct lt_str lt_jinja_strip(struct lt_str s, struct lt_str chars, bool left, bool right)
{
    while (left && s.n) {
        size_t n = size_at(s.p, s.n);
        if (!is_among(s.p, n, chars)) break;
        s.p += n;
        s.n -= n;
    }
    while (right && s.n) {
        size_t i = s.n - 1;
        while (i && ((unsigned char)s.p[i] & 0xC0) == 0x80) i--;
        if (!is_among(s.p + i, s.n - i, chars)) break;
        s.n = i;
    }
    return s;
}

/* ---- loop ---- */
static int loop_member(const struct lt_jv_loop *l, struct lt_str name, struct lt_jv *out)
{
    size_t n = l->over->n, i = l->at;
    const struct { const char *name; struct lt_jv value; } known[] = {
        { "index", lt_jv_int((int64_t)i + 1) }, { "index0", lt_jv_int((int64_t)i) },
        { "revindex", lt_jv_int((int64_t)(n - i)) }, { "revindex0", lt_jv_int((int64_t)(n - i) - 1) },
        { "first", lt_jv_bool(i == 0) }, { "last", lt_jv_bool(i + 1 == n) }, { "length", lt_jv_int((int64_t)n) },
        { "depth", lt_jv_int(l->depth) }, { "depth0", lt_jv_int(l->depth - 1) },
        { "previtem", i ? l->over->at[i - 1] : lt_jv_undefined(lt_str("loop.previtem")) },
        { "nextitem", i + 1 < n ? l->over->at[i + 1] : lt_jv_undefined(lt_str("loop.nextitem")) },
    };
    for (int k = 0; k < LT_COUNT(known); k++) {
        if (!lt_str_is(name, known[k].name)) continue;
        *out = known[k].value;
        return 1;
    }
    return 0;
}

/* ---- members ---- */
static bool method(struct lt_jinja_run *r, struct lt_jv v, struct lt_str name, struct lt_jv *out)
{
    const struct lt_jinja_function *f = lt_jinja_method_find(v.type, name);
    if (!f) return false;
    struct lt_jv_method *m = lt_arena_take(&r->arena, sizeof *m);
    *m = (struct lt_jv_method){ v, f };
    *out = (struct lt_jv){ .type = LT_JV_METHOD, .method = m };
    return true;
}

static int no_member(struct lt_jv v, struct lt_str name)
{
    return lt_fail("\"%.*s\" is not defined, so it has no \"%.*s\"", (int)v.s.n, v.s.p, (int)name.n, name.p);
}

int lt_jinja_attr(struct lt_jinja_run *r, struct lt_jv v, struct lt_str name, struct lt_jv *out)
{
    if (v.type == LT_JV_UNDEFINED) return no_member(v, name);
    if (v.type == LT_JV_LOOP && loop_member(v.loop, name, out)) return 0;
    if (method(r, v, name, out)) return 0;
    const struct lt_jv *m = NULL;
    if (v.type == LT_JV_DICT || v.type == LT_JV_NAMESPACE) m = lt_jv_member(v, name);
    *out = m ? *m : lt_jv_undefined(name);
    return 0;
}

int lt_jinja_item(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv key, struct lt_jv *out)
{
    struct lt_str name = lt_jinja_string(r, key).s;
    if (v.type == LT_JV_UNDEFINED) return no_member(v, name);
    *out = lt_jv_undefined(name);
    if (v.type == LT_JV_DICT) {
        const struct lt_jv *m = lt_jv_get(v, key);
        if (m) *out = *m;
        else if (key.type == LT_JV_STR) method(r, v, key.s, out);
        return 0;
    }
    if ((v.type == LT_JV_LIST || v.type == LT_JV_STR) && key.type == LT_JV_INT) {
        struct lt_jv all;
        if (lt_jinja_iterate(r, v, &all)) return -1;
        int64_t n = (int64_t)all.list->n, i = key.i < 0 ? key.i + n : key.i;
        if (i >= 0 && i < n) *out = all.list->at[i];
        return 0;
    }
    return key.type == LT_JV_STR ? lt_jinja_attr(r, v, key.s, out) : 0;
}

/* ---- contents ---- */
int lt_jinja_iterate(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv *out)
{
    if (v.type == LT_JV_LIST) {
        *out = v;
        return 0;
    }
    *out = lt_jv_list(&r->arena);
    if (v.type == LT_JV_UNDEFINED) return 0;
    if (v.type == LT_JV_DICT) {
        for (size_t i = 0; i < v.dict->n; i++) lt_jv_push(&r->arena, *out, v.dict->at[i].key);
    } else if (v.type == LT_JV_STR) {
        for (size_t i = 0, n; i < v.s.n; i += n) {
            n = size_at(v.s.p + i, v.s.n - i);
            lt_jv_push(&r->arena, *out, lt_jv_str((struct lt_str){ v.s.p + i, n }));
        }
    } else return lt_fail("%s is not a list", lt_jv_type_name(v));
    r->steps += (int64_t)out->list->n;
    return 0;
}

int lt_jinja_contains(struct lt_jv container, struct lt_jv v, bool *out)
{
    *out = false;
    switch (container.type) {
    case LT_JV_STR:
        if (v.type != LT_JV_STR) return lt_fail("a text holds texts only, not %s", lt_jv_type_name(v));
        *out = !v.s.n || memmem(container.s.p, container.s.n, v.s.p, v.s.n);
        return 0;
    case LT_JV_LIST:
        for (size_t i = 0; i < container.list->n && !*out; i++) *out = lt_jv_equal(container.list->at[i], v);
        return 0;
    case LT_JV_DICT: *out = lt_jv_get(container, v) != NULL; return 0;
    case LT_JV_UNDEFINED: return 0;
    default: return lt_fail("%s holds nothing that could be looked for", lt_jv_type_name(container));
    }
}

/* ---- arguments ---- */
const struct lt_jv *lt_jinja_arg(const struct lt_jinja_args *a, int i, const char *name)
{
    if (i < a->n) return &a->at[i];
    for (int k = 0; k < a->named_n; k++)
        if (lt_str_is(a->key[k], name)) return &a->named[k];
    return NULL;
}

int lt_jinja_arg_int(const struct lt_jinja_args *a, int i, const char *name, int64_t *out)
{
    const struct lt_jv *v = lt_jinja_arg(a, i, name);
    if (!v || v->type == LT_JV_NONE) return 0;
    if (v->type != LT_JV_INT) return lt_fail("\"%s\" is a whole number, not %s", name, lt_jv_type_name(*v));
    *out = v->i;
    return 0;
}

int lt_jinja_arg_bool(const struct lt_jinja_args *a, int i, const char *name, bool *out)
{
    const struct lt_jv *v = lt_jinja_arg(a, i, name);
    if (v) *out = lt_jv_true(*v);
    return 0;
}

int lt_jinja_arg_str(const struct lt_jinja_args *a, int i, const char *name, struct lt_str *out)
{
    const struct lt_jv *v = lt_jinja_arg(a, i, name);
    if (!v || v->type == LT_JV_NONE) return 0;
    if (v->type != LT_JV_STR) return lt_fail("\"%s\" is a text, not %s", name, lt_jv_type_name(*v));
    *out = v->s;
    return 0;
}

int lt_jinja_check_args(const char *what, const char *names, const struct lt_jinja_args *a)
{
    struct lt_str rest = lt_str(names), name;
    int count = 0;
    if (!strcmp(names, "*")) return 0;
    while (rest.n && lt_str_split(&rest, ' ', &name)) count++;
    if (a->n > count) return lt_fail("%s takes at most %d values, and %d are given", what, count, a->n);
    for (int k = 0; k < a->named_n; k++) {
        bool known = false;
        rest = lt_str(names);
        for (int i = 0; rest.n && lt_str_split(&rest, ' ', &name); i++)
            known |= lt_str_eq(name, a->key[k]) && i >= a->n;
        if (!known) return lt_fail("%s has no further argument \"%.*s\"", what, (int)a->key[k].n, a->key[k].p);
    }
    return 0;
}
