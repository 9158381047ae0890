/* JSON Schema's objects: named members in the schema's order, then others. */
#include "decode/grammar/schema.h"

#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 64 };
struct members {
    struct lt_schema *s;
    const struct lt_schema_at *at;
    struct { struct lt_gx *x; bool must; } *named; int count;
    struct lt_gx *other;            /* a member of another name, or NULL: none */
    int64_t min, max;               /* members; -1: no end */
    int64_t stop;                   /* count from which on more make no difference */
    int *rule;                      /* [(named, members so far)]: what may come then */
};

static struct lt_gx *member(struct lt_schema *s, struct lt_gx *key, struct lt_gx *value)
{
    return lt_schema_seq(s, key, lt_gx_seq(&s->b, lt_schema_z(s, ":"), lt_schema_call(s, LT_SCHEMA_SPACE)), value);
}

static struct lt_gx *quoted(struct lt_schema *s, struct lt_gx *x)
{
    return lt_schema_seq(s, lt_schema_z(s, "\""), x, lt_schema_z(s, "\""));
}

/* ---- names ---- */
/* Names that are none of names[from .. to - 1], which are sorted and alike in their first `depth` characters. */
static struct lt_gx *others(struct lt_schema *s, const char **name, int from, int to, size_t depth)
{
    static const struct lt_gspan never[] = { { 0, 0x1F }, { '"', '"' }, { '\\', '\\' } };
    struct lt_gx *plain = lt_gx_class(&s->b, never, 3, true), *x = NULL;
    struct lt_gspan *used = lt_arena_take(&s->b.arena, ((size_t)(to - from) + 3) * sizeof *used);
    int n = 3;
    bool ends = from < to && !name[from][depth];
    memcpy(used, never, sizeof never);
    for (int i = from + ends; i < to;) {
        uint32_t c, other;
        size_t size = (size_t)lt_utf8_get(name[i] + depth, &c);
        int k = i + 1;
        while (k < to && (lt_utf8_get(name[k] + depth, &other), other == c)) k++;
        used[n++] = (struct lt_gspan){ c, c };
        if (c >= 0x20 && c != '"' && c != '\\')
            x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_gx_class(&s->b, &(struct lt_gspan){ c, c }, 1, false),
                                           others(s, name, i, k, depth + size)), x);
        i = k;
    }
    x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_gx_class(&s->b, used, n, true), lt_gx_repeat(&s->b, plain, 0, -1)), x);
    return ends ? x : lt_gx_alt(&s->b, lt_gx_empty(&s->b), x);
}

static int by_name(const void *a, const void *b, void *unused)
{
    (void)unused;
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct lt_gx *unnamed(struct lt_schema *s, const json_t *properties)
{
    const char *key, **name = lt_arena_take(&s->b.arena, (json_object_size(properties) + 1) * sizeof *name);
    json_t *v;
    int n = 0;
    json_object_foreach((json_t *)properties, key, v) name[n++] = key;
    lt_sort(name, (size_t)n, sizeof *name, by_name, NULL);
    return n ? quoted(s, others(s, name, 0, n, 0)) : lt_schema_call(s, LT_SCHEMA_STRING);
}

/* What a name must be, by all of "propertyNames", as cases of texts; NULL: failure. */
static json_t *name_cases(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    struct lt_schema_at here = { at, "propertyNames", 0 };
    json_t *all = json_pack("{s:s,s:O}", "type", "string", "allOf", json_object_get(one, "propertyNames"));
    json_t *cases = lt_schema_cases(s, all, &here);
    json_decref(all);
    return cases;
}

/* Members of names that are not listed, by which of the patterns they match: every class has a language of its own. */
struct class { struct lt_gx *names; json_t *schema; bool matched; };

static int split(struct lt_schema *s, struct class *class, int *count, struct lt_gx *names, json_t *schema)
{
    for (int i = 0, n = *count; i < n; i++) {
        struct lt_gx *in, *out;
        if (lt_gx_both(&s->b, class[i].names, names, &in) || lt_gx_but(&s->b, class[i].names, names, &out)) return -1;
        if (!in) continue;
        json_t *both = class[i].matched ? json_pack("{s:[O,O]}", "allOf", class[i].schema, schema)
                                        : json_incref(schema);
        if (out && *count == CLASSES_MAX) return json_decref(both), lt_fail("too many patterns that overlap");
        if (out) class[(*count)++] = (struct class){ out, json_incref(class[i].schema), class[i].matched };
        json_decref(class[i].schema);
        class[i] = (struct class){ in, both, true };
    }
    return 0;
}

static int first_class(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at, struct class *class)
{
    json_t *cases = json_object_get(one, "propertyNames") ? name_cases(s, one, at) : json_pack("[{s:s}]", "type",
                                                                                            "string");
    json_t *text, *v, *more = json_object_get(one, "additionalProperties");
    const char *key;
    size_t i;
    int rc = cases ? 0 : -1;
    *class = (struct class){ .schema = more ? json_incref(more) : json_true() };
    json_array_foreach(cases, i, text) {
        struct lt_gx *x = NULL;
        if (!rc) rc = lt_schema_texts(s, text, at, &x);
        if (x) class->names = lt_gx_alt(&s->b, class->names, x);
    }
    json_decref(cases);
    json_object_foreach(json_object_get(one, "properties"), key, v)
        if (!rc && class->names) rc = lt_gx_but(&s->b, class->names, lt_schema_exactly(s, key), &class->names);
    return rc;
}

static int by_pattern(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at, struct lt_gx **out)
{
    struct lt_schema_at in = { at, "patternProperties", 0 }, more = { at, "additionalProperties", 0 };
    struct class class[CLASSES_MAX];
    const char *key;
    json_t *v;
    int n = 1, rc = first_class(s, one, at, class);
    json_object_foreach(json_object_get(one, "patternProperties"), key, v) {
        struct lt_gx *x = rc ? NULL : lt_schema_pattern(s, &in, key, key), *q = x ? lt_gx_quoted(&s->b, x) : NULL;
        rc = q ? split(s, class, &n, q, v) : -1;
    }
    for (int i = 0; i < n; i++) {
        if (!rc && class[i].names && !json_is_false(class[i].schema)) {
            struct lt_gx *value = lt_schema_value(s, class[i].schema, class[i].matched ? &in : &more);
            if (value) *out = lt_gx_alt(&s->b, *out, member(s, quoted(s, class[i].names), value));
            else rc = -1;
        }
        json_decref(class[i].schema);
    }
    return rc;
}

/* *out: a member whose name is none of the listed ones; NULL: there are none. */
static int additional(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at, struct lt_gx **out)
{
    json_t *more = json_object_get(one, "additionalProperties");
    struct lt_schema_at here = { at, "additionalProperties", 0 };
    *out = NULL;
    if (json_object_get(one, "patternProperties") || json_object_get(one, "propertyNames"))
        return by_pattern(s, one, at, out);
    if (json_is_false(more)) return 0;
    struct lt_gx *value = more ? lt_schema_value(s, more, &here) : lt_schema_call(s, LT_SCHEMA_VALUE);
    if (value) *out = member(s, unnamed(s, json_object_get(one, "properties")), value);
    return value ? 0 : -1;
}

/* ---- members ---- */
/* The schema of a listed name: its own, those of the patterns it matches, or that of additional ones; a new
 * reference. */
static json_t *schema_of(struct lt_schema *s, const json_t *one, const char *name, const struct lt_schema_at *at)
{
    struct lt_schema_at in = { at, "patternProperties", 0 };
    json_t *own = json_object_get(json_object_get(one, "properties"), name), *v, *all = json_array(), *out;
    const json_t *more = json_object_get(one, "additionalProperties");
    const char *key;
    if (own) json_array_append(all, own);
    json_object_foreach(json_object_get(one, "patternProperties"), key, v) {
        struct lt_gx *x = lt_schema_pattern(s, &in, key, key);
        int fits = x ? lt_gx_matches(x, lt_str(name)) : -1;
        if (fits < 0) return json_decref(all), NULL;
        if (fits) json_array_append(all, v);
    }
    if (!json_array_size(all)) out = more ? json_incref((json_t *)more) : json_true();
    else out = json_array_size(all) == 1 ? json_incref(json_array_get(all, 0)) : json_pack("{s:O}", "allOf", all);
    json_decref(all);
    return out;
}

static int add_name(struct members *m, const json_t *one, const char *name, const json_t *names)
{
    struct lt_schema_at here = { m->at, "properties", 0 }, in = { &here, name, 0 };
    json_t *text = json_string(name), *schema = schema_of(m->s, one, name, m->at), *test;
    int fits = names ? 0 : 1;
    size_t i;
    bool must = false;
    if (!schema) return json_decref(text), -1;
    json_array_foreach((json_t *)names, i, test)
        if (!fits) fits = lt_schema_fits_case(m->s, test, text, m->at);
    json_array_foreach(json_object_get(one, "required"), i, test) must |= json_equal(test, text);
    struct lt_gx *value = !fits ? lt_gx_class(&m->s->b, NULL, 0, false) : fits < 0 ? NULL
                                                                        : lt_schema_value(m->s, schema, &in);
    if (value) {
        m->named[m->count].x = member(m->s, lt_schema_constant(m->s, text), value);
        m->named[m->count++].must = must;
    }
    json_decref(text);
    json_decref(schema);
    return value ? 0 : -1;
}

/* Names that are listed: properties, what is required beside them, what propertyNames enumerates. */
static json_t *listed(struct lt_schema *s, const json_t *one, const json_t *names)
{
    json_t *all = json_object_get(one, "properties") ? json_copy(json_object_get(one, "properties")) : json_object();
    json_t *v, *test;
    size_t i, k;
    json_array_foreach(json_object_get(one, "required"), i, v)
        if (!json_object_get(all, json_string_value(v))) json_object_set_new(all, json_string_value(v), json_true());
    json_array_foreach((json_t *)names, i, test)
        json_array_foreach(json_object_get(test, "only"), k, v)
            if (json_is_string(v) && !json_object_get(all, json_string_value(v)))
                json_object_set_new(all, json_string_value(v), json_true());
    (void)s;
    return all;
}

static int *rule_of(const struct members *m, int i, int64_t n)
{
    return &m->rule[i * (m->stop + 1) + LT_MIN(n, m->stop)];
}

/* Others, when n members have been written.  Two of them might have the same name: only the first counts for the least
 * number. */
static struct lt_gx *rest(const struct members *m, int64_t n)
{
    struct lt_schema *s = m->s;
    int64_t left = LT_MAX(m->min - n, 0), most = m->max < 0 ? -1 : m->max - n;
    struct lt_gx *x = left ? NULL : lt_gx_empty(&s->b);
    if (left > 1 || !m->other || most == 0) return x;
    struct lt_gx *more = lt_gx_seq(&s->b, lt_schema_comma(s), m->other);
    more = lt_gx_repeat(&s->b, more, 0, most < 0 ? -1 : most - 1);
    return lt_gx_alt(&s->b, x, lt_schema_seq(s, n ? lt_schema_comma(s) : NULL, m->other, more));
}

/* What may come when i of the listed names have been gone through and n members written: a rule each, the last
 * first. */
static struct lt_gx *after(struct members *m)
{
    struct lt_schema *s = m->s;
    struct lt_grammar_builder *b = &s->b;
    for (int i = m->count; i >= 0; i--)
        for (int64_t n = LT_MIN(i, m->stop); n >= 0; n--) {
            struct lt_gx *x = NULL;
            if (i == m->count) x = rest(m, n);
            else if (!m->named[i].must) x = lt_gx_call(b, *rule_of(m, i + 1, n));
            if (i < m->count && (m->max < 0 || n < m->max))
                x = lt_gx_alt(b, x, lt_schema_seq(s, n ? lt_schema_comma(s) : NULL, m->named[i].x,
                                                  lt_gx_call(b, *rule_of(m, i + 1, n + 1))));
            int *rule = rule_of(m, i, n);
            *rule = lt_grammar_rule(b, NULL);
            b->rule[*rule].x = x ? x : lt_gx_class(b, NULL, 0, false);
        }
    return lt_gx_call(b, *rule_of(m, 0, 0));
}

static struct lt_gx *put_together(struct members *m)
{
    struct lt_schema *s = m->s;
    if (m->min > m->count + (m->other != NULL))
        return lt_schema_fail(s, m->at, "minProperties", "more than the named members and one are not supported"), NULL;
    m->stop = LT_MAX(LT_MAX(m->min, m->max), 1);
    if (!m->count && m->min <= 1 && m->max > 1) m->stop = 1;    /* others count themselves */
    if ((m->count + 1) * (m->stop + 1) > LT_SCHEMA_RULES) {
        if (m->max < 0 || m->count > m->max || m->other)
            return lt_schema_fail(s, m->at, "maxProperties", "such a number of so many members is not supported"), NULL;
        m->max = -1;                            /* so many are not there at all */
        m->stop = LT_MAX(m->min, 1);
    }
    m->rule = lt_arena_take(&s->b.arena, (size_t)((m->count + 1) * (m->stop + 1)) * sizeof *m->rule);
    return lt_schema_between(s, "{", after(m), "}");
}

struct lt_gx *lt_schema_object(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    struct members m = { .s = s, .at = at, .max = -1 };
    json_t *names = NULL, *all, *v;
    const char *key;
    if (lt_schema_excepts(one, JSON_OBJECT))
        return lt_schema_fail(s, at, NULL, "ruling out a whole object is not supported"), NULL;
    lt_schema_bound(s, one, at, "minProperties", &m.min);
    lt_schema_bound(s, one, at, "maxProperties", &m.max);
    if (m.max >= 0 && m.max < m.min)
        return lt_schema_none(s, at, "minProperties", "no object has as many members and no more than allowed");
    if (json_object_get(one, "propertyNames") && !(names = name_cases(s, one, at))) return NULL;
    all = listed(s, one, names);
    m.named = lt_arena_take(&s->b.arena, (json_object_size(all) + 1) * sizeof *m.named);
    int rc = 0;
    json_object_foreach(all, key, v)
        if (!rc) rc = add_name(&m, one, key, names);
    json_t *whole = json_copy((json_t *)one);
    json_object_set(whole, "properties", all);
    if (!rc) rc = additional(s, whole, at, &m.other);
    json_decref(whole);
    json_decref(all);
    json_decref(names);
    return rc ? NULL : put_together(&m);
}
