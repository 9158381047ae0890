/* The second half of option sets: values parsed into the struct, and the struct written back as canonical JSON. */
#include "base/option.h"
#include "base/json.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int parse_int(const char *key, const char *text, int64_t *out)
{
    size_t n = strlen(text);
    int64_t times = 1;
    if (n > 1 && strchr("kMG", text[n - 1])) times = text[--n] == 'k' ? 1000 : text[n] == 'M' ? 1000000 : 1000000000;
    if (lt_str_int((struct lt_str){ text, n }, out)) {
        double real;
        if (times != 1 || lt_str_real(lt_str(text), &real) || real != floor(real) || fabs(real) > 9e15)
            return lt_misuse("option \"%s\": expected a whole number, found \"%s\"", key, text);
        *out = (int64_t)real;
    }
    if (*out > INT64_MAX / times || *out < INT64_MIN / times)
        return lt_misuse("option \"%s\": \"%s\" is too large", key, text);
    *out *= times;
    return 0;
}

static int parse_bool(const char *key, const char *text, bool *out)
{
    *out = !strcmp(text, "true");
    if (*out || !strcmp(text, "false")) return 0;
    return lt_misuse("option \"%s\": expected true or false, found \"%s\"", key, text);
}

static int in_range(const struct lt_opt *r, const char *key, double v)
{
    if ((r->min == 0 && r->max == 0) || (v >= r->min && v <= r->max)) return 0;
    return lt_misuse("option \"%s\": expected a value from %g to %g, found %g", key, r->min, r->max, v);
}

/* `text` of an ENUM row is "default|other|another". */
static int in_enum(const struct lt_opt *r, const char *key, const char *value)
{
    struct lt_str rest = lt_str(r->text), word;
    while (lt_str_split(&rest, '|', &word))
        if (lt_str_is(word, value)) return 0;
    return lt_misuse("option \"%s\": expected one of %s, found \"%s\"", key, r->text, value);
}

static struct lt_list split_list(struct lt_arena *a, const struct lt_list *v, bool commas)
{
    int count = 0;
    for (int i = 0; i < v->count; i++) {
        count++;
        for (const char *c = v->item[i]; commas && *c; c++) count += *c == ',';
    }
    const char **item = lt_arena_take(a, ((size_t)count + 1) * sizeof(*item));
    count = 0;
    for (int i = 0; i < v->count; i++) {
        struct lt_str rest = lt_str(v->item[i]), part;
        while (commas && lt_str_split(&rest, ',', &part)) item[count++] = lt_arena_str(a, part);
        if (!commas) item[count++] = v->item[i];
    }
    return (struct lt_list){ item, count };
}

/* One value of a plain row. */
static int store(struct lt_arena *a, const struct lt_opt *r, const char *key, void *o, const struct lt_list *v,
                 bool split)
{
    void *at = (char *)o + r->at;
    if (r->type == LT_LIST) {
        *(struct lt_list *)at = split_list(a, v, split && !(r->flags & (LT_IN | LT_OUT | LT_DOTTED | LT_TEXTS)));
        return 0;
    }
    if (v->count != 1) return lt_misuse("option \"%s\": expected one value, found %d", key, v->count);
    const char *text = v->item[0];
    switch (r->type) {
    case LT_INT:
        return parse_int(key, text, at) || in_range(r, key, (double)*(int64_t *)at) ? -1 : 0;
    case LT_REAL:
        if (lt_str_real(lt_str(text), at))
            return lt_misuse("option \"%s\": expected a number, found \"%s\"", key, text);
        return in_range(r, key, *(double *)at);
    case LT_BOOL:
        return parse_bool(key, text, at);
    default:
        *(const char **)at = text;
        return (r->flags & LT_ENUM) ? in_enum(r, key, text) : 0;
    }
}

static void store_default(struct lt_arena *a, const struct lt_opt *r, void *o)
{
    void *at = (char *)o + r->at;
    if (r->type == LT_INT) *(int64_t *)at = (int64_t)r->dflt;
    if (r->type == LT_REAL) *(double *)at = r->dflt;
    if (r->type == LT_BOOL) *(bool *)at = r->dflt != 0;
    if (r->type != LT_STR || !r->text) return;
    struct lt_str rest = lt_str(r->text), first = rest;
    if (r->flags & LT_ENUM) lt_str_split(&rest, '|', &first);
    *(const char **)at = lt_arena_str(a, first);
}

static bool entry_of(struct lt_options *s, const struct lt_opt *r, struct lt_option_entry *e)
{
    for (int i = 0; lt_options_entry(s, i, e); i++)
        if (e->row == r && !e->sub) return true;
    return false;
}

/* A chosen member's struct: defaults first, then every entry that reaches into it. */
static int fill_member(struct lt_options *s, const struct lt_opt *via, const struct lt_method *m, bool by_member,
                       void **out)
{
    struct lt_arena *a = lt_options_arena(s);
    struct lt_option_entry e;
    size_t rows = 0;
    *out = lt_arena_zero(a, 1, LT_MAX(m->size, 1));
    for (const struct lt_opt *r = m->opts; r && r->key; r++, rows++) {
        if (r->type == LT_METHOD || r->type == LT_METHODS)
            return lt_fail("option \"%s\" of %s: a chosen method cannot choose methods itself", r->key, m->name);
        store_default(a, r, *out);
    }
    const char **said = lt_arena_zero(a, rows + 1, sizeof(*said));     /* by which key a row was reached */
    for (int i = 0; lt_options_entry(s, i, &e); i++) {
        if (e.row != via || !e.sub || !*e.sub || (by_member && e.member != m)) continue;
        const struct lt_opt *r = lt_option_row(m, lt_str(e.sub));
        if (!r)
            return lt_misuse("option \"%s\" would not be used: %s is \"%s\", which has no \"%s\"", e.key, via->key,
                             m->name, e.sub);
        if (said[r - m->opts])
            return lt_misuse("option \"%s\" is given twice (as \"%s\" and \"%s\")", r->key, said[r - m->opts], e.key);
        said[r - m->opts] = e.key;
        if (store(a, r, e.key, *out, &e.value, e.split)) return -1;
    }
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if ((r->flags & LT_NEED) && r->type == LT_STR && !*(const char **)((char *)*out + r->at))
            return lt_misuse("%s needs the option \"%s.%s\": %s", m->name, by_member ? m->name : via->key, r->key,
                             r->help);
    return 0;
}

static int fill_choice(struct lt_options *s, const struct lt_opt *r, struct lt_choice *c)
{
    const struct lt_kind *k = lt_option_kind(r);
    struct lt_str rest = lt_str(r->text), kind;
    struct lt_option_entry e;
    lt_str_split(&rest, ':', &kind);
    const char *name = rest.p && rest.n ? rest.p : NULL;
    if (entry_of(s, r, &e)) {
        if (e.value.count != 1) return lt_misuse("option \"%s\": expected one name", r->key);
        name = e.value.item[0];
    }
    if (!name) {
        for (int i = 0; lt_options_entry(s, i, &e); i++)
            if (e.row == r) return lt_misuse("option \"%s\" would not be used: no \"%s\" is chosen", e.key, r->key);
        return 0;
    }
    c->method = lt_method_find(k ? k->name : "", name);
    if (!c->method) return lt_misuse("option \"%s\": %s", r->key, lt_error());
    return fill_member(s, r, c->method, false, &c->o);
}

/* The chain holds every member that the row itself names, in that order, or else every member mentioned, in registry
 * order. */
static int fill_chain(struct lt_options *s, const struct lt_opt *r, struct lt_choices *c)
{
    const struct lt_kind *k = lt_option_kind(r);
    struct lt_arena *a = lt_options_arena(s);
    struct lt_option_entry e;
    struct lt_list named = { 0 };
    int count = 0;
    if (entry_of(s, r, &e)) named = split_list(a, &e.value, true);
    c->ordered = named.count > 0;
    while (k && k->member && k->member[count]) count++;
    c->item = lt_arena_zero(a, (size_t)(count + named.count + 1), sizeof(*c->item));
    for (int i = 0; i < named.count; i++) {
        c->item[c->count].method = lt_method_find(k ? k->name : "", named.item[i]);
        if (!c->item[c->count].method) return lt_misuse("option \"%s\": %s", r->key, lt_error());
        for (int j = 0; j < c->count; j++)
            if (c->item[j].method == c->item[c->count].method)
                return lt_misuse("option \"%s\": \"%s\" is listed twice", r->key, named.item[i]);
        c->count++;
    }
    for (int j = 0; j < count; j++) {
        bool mentioned = false, listed = false;
        for (int i = 0; lt_options_entry(s, i, &e); i++) mentioned |= e.row == r && e.member == k->member[j];
        for (int i = 0; i < c->count; i++) listed |= c->item[i].method == k->member[j];
        if (mentioned && !listed && c->ordered)
            return lt_misuse("option \"%s\" would not be used: \"%s\" does not list it", k->member[j]->name, r->key);
        if (mentioned && !listed) c->item[c->count++].method = k->member[j];
    }
    for (int i = 0; i < c->count; i++)
        if (fill_member(s, r, c->item[i].method, true, &c->item[i].o)) return -1;
    return 0;
}

static int fill_row(struct lt_options *s, const struct lt_opt *r, void *o)
{
    struct lt_option_entry e;
    if (r->type == LT_METHOD) return fill_choice(s, r, (struct lt_choice *)((char *)o + r->at));
    if (r->type == LT_METHODS) return fill_chain(s, r, (struct lt_choices *)((char *)o + r->at));
    store_default(lt_options_arena(s), r, o);
    if (entry_of(s, r, &e)) return store(lt_options_arena(s), r, e.key, o, &e.value, e.split);
    if (!(r->flags & LT_NEED)) return 0;
    const char *dashes = r->flags & LT_ARG ? "" : "--";
    return lt_misuse("%s needs %s%s: %s", lt_options_method(s)->name, dashes, r->key, r->help);
}

const void *lt_options_done(struct lt_options *s)
{
    void **slot = lt_options_slot(s);
    const struct lt_method *m = lt_options_method(s);
    if (*slot) return *slot;
    void *o = lt_arena_zero(lt_options_arena(s), 1, LT_MAX(m->size, 1));
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (fill_row(s, r, o)) return NULL;
    *slot = o;
    return o;
}

/* ---- resolved JSON ---- */
static void write_fields(struct lt_buf *b, const struct lt_opt *r, const void *o, bool all);

static void write_choice(struct lt_buf *b, const struct lt_choice *c, bool named, bool all)
{
    lt_buf_char(b, '{');
    if (named) {
        lt_buf_str(b, "\"name\": ");
        lt_json_put_text(b, lt_str(c->method->name));
    }
    size_t before = b->n;
    if (named) lt_buf_str(b, ", ");
    size_t inner = b->n;
    write_fields(b, c->method->opts, c->o, all);
    if (b->n == inner) b->n = before;
    lt_buf_char(b, '}');
}

static void write_value(struct lt_buf *b, const struct lt_opt *r, const void *at, bool all)
{
    const struct lt_list *l = at;
    const struct lt_choices *c = at;
    const char *text;
    switch (r->type) {
    case LT_INT: lt_buf_fmt(b, "%lld", (long long)*(const int64_t *)at); return;
    case LT_REAL: lt_json_put_real(b, *(const double *)at); return;
    case LT_BOOL: lt_buf_str(b, *(const bool *)at ? "true" : "false"); return;
    case LT_STR:
        text = *(const char *const *)at;
        if (text) lt_json_put_text(b, lt_str(text));
        else lt_buf_str(b, "null");
        return;
    case LT_LIST:
        lt_buf_char(b, '[');
        for (int i = 0; i < l->count; i++) {
            if (i) lt_buf_str(b, ", ");
            lt_json_put_text(b, lt_str(l->item[i]));
        }
        lt_buf_char(b, ']');
        return;
    case LT_METHOD:
        if (((const struct lt_choice *)at)->method) write_choice(b, at, true, all);
        else lt_buf_str(b, "null");
        return;
    case LT_METHODS:
        lt_buf_char(b, c->ordered ? '[' : '{');
        for (int i = 0; i < c->count; i++) {
            if (i) lt_buf_str(b, ", ");
            if (!c->ordered) lt_json_put_text(b, lt_str(c->item[i].method->name));
            if (!c->ordered) lt_buf_str(b, ": ");
            write_choice(b, &c->item[i], c->ordered, all);
        }
        lt_buf_char(b, c->ordered ? ']' : '}');
        return;
    }
}

static void write_fields(struct lt_buf *b, const struct lt_opt *r, const void *o, bool all)
{
    bool first = true;
    for (; r && r->key; r++) {
        if (!all && (r->flags & LT_FREE)) continue;
        if (!first) lt_buf_str(b, ", ");
        first = false;
        lt_json_put_text(b, lt_str(r->key));
        lt_buf_str(b, ": ");
        write_value(b, r, (const char *)o + r->at, all);
    }
}

char *lt_option_json(const struct lt_opt *rows, const void *o, bool all)
{
    struct lt_buf b = { 0 };
    lt_buf_char(&b, '{');
    write_fields(&b, rows, o, all);
    lt_buf_char(&b, '}');
    return b.p;
}

char *lt_options_resolved(const struct lt_options *s, bool all)
{
    return lt_option_json(lt_options_method(s)->opts, *lt_options_slot((struct lt_options *)s), all);
}
