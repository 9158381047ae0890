/* JSON Schema's arrays. */
#include "decode/grammar/schema.h"

#include <string.h>

enum { UNIQUE_MAX = 10 };
struct list {
    struct lt_schema *s;
    const struct lt_schema_at *at;
    const json_t *prefix, *items;
    const json_t *found, *other;    /* what "contains" counts, and what it does not, or NULL */
    int64_t min, max, need, most;   /* items; items found; -1: no end */
    int64_t stop, enough;           /* counts from which on more make no difference */
    int *rule;                      /* [(at, found)]: what may come after so many */
};

static struct lt_gx *item_of(const struct list *l, int64_t i, const json_t *also)
{
    struct lt_schema_at here = { l->at, "prefixItems", 0 }, one = { &here, NULL, (size_t)i };
    struct lt_schema_at rest = { l->at, "items", 0 };
    bool first = i < (int64_t)json_array_size(l->prefix);
    json_t *schema = first ? json_array_get(l->prefix, (size_t)i) : (json_t *)l->items;
    if (!schema) schema = json_true();
    json_t *both = also ? json_pack("{s:[O,O]}", "allOf", schema, also) : json_incref(schema);
    struct lt_gx *x = lt_schema_value(l->s, both, first ? &one : &rest);
    json_decref(both);
    return x;
}

static int *rule_of(const struct list *l, int64_t i, int64_t n)
{
    return &l->rule[LT_MIN(i, l->stop) * (l->enough + 1) + LT_MIN(n, l->enough)];
}

/* What may come after i items of which n were found.  Rules that follow have their numbers already. */
static struct lt_gx *after(const struct list *l, int64_t i, int64_t n)
{
    struct lt_grammar_builder *b = &l->s->b;
    struct lt_gx *x = i >= l->min && n >= l->need ? lt_gx_empty(b) : NULL;
    for (int found = 0; found < 2 && (l->max < 0 || i < l->max); found++) {
        if (found && (!l->found || (l->most >= 0 && n == l->most))) continue;
        struct lt_gx *y = item_of(l, i, found ? l->found : l->other);
        if (!y) return NULL;
        x = lt_gx_alt(b, x, lt_schema_seq(l->s, i ? lt_schema_comma(l->s) : NULL, y,
                                          lt_gx_call(b, *rule_of(l, i + 1, n + found))));
    }
    return x ? x : lt_gx_class(b, NULL, 0, false);
}

/* Items are counted one by one: places with schemas of their own, or "contains". */
static struct lt_gx *counted(struct list *l)
{
    l->stop = LT_MAX(LT_MAX(l->min, l->max), LT_MAX((int64_t)json_array_size(l->prefix), 1));
    l->enough = LT_MAX(l->need, l->most + 1);
    if ((l->stop + 1) * (l->enough + 1) > LT_SCHEMA_RULES)
        return lt_schema_fail(l->s, l->at, "contains", "together with such bounds on the length it is not supported"),
               NULL;
    size_t n = (size_t)((l->stop + 1) * (l->enough + 1));
    l->rule = lt_arena_take(&l->s->b.arena, n * sizeof *l->rule);
    for (size_t i = 0; i < n; i++) l->rule[i] = lt_grammar_rule(&l->s->b, NULL);
    for (int64_t i = l->stop; i >= 0; i--)
        for (int64_t k = l->enough; k >= 0; k--) {
            struct lt_gx *x = after(l, i, k);
            if (!x) return NULL;
            l->s->b.rule[*rule_of(l, i, k)].x = x;
        }
    return lt_gx_call(&l->s->b, *rule_of(l, 0, 0));
}

/* ---- items that differ from each other ---- */
/* Every value a schema allows, when there are few: a new list; NULL: too many, or a failure. */
static json_t *every_value(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *cases = lt_schema_cases(s, schema, at), *out = json_array(), *one, *v;
    bool few = cases != NULL;
    size_t i, k;
    json_array_foreach(cases, i, one) {
        const char *type = json_string_value(json_object_get(one, "type"));
        json_t *all = json_incref(json_object_get(one, "only"));
        const json_t *low = json_object_get(one, "minimum"), *high = json_object_get(one, "maximum");
        double first = json_number_value(low), last = json_number_value(high);
        if (!all && !strcmp(type, "boolean")) all = json_pack("[b,b]", 1, 0);
        if (!all && !strcmp(type, "null")) all = json_pack("[n]");
        if (!all && !strcmp(type, "integer") && low && high && last - first < UNIQUE_MAX && first > -1e15 &&
            last < 1e15) {
            all = json_array();
            for (json_int_t n = (json_int_t)first - 1; n <= (json_int_t)last + 1; n++)
                json_array_append_new(all, json_integer(n));
        }
        few &= all != NULL;
        json_array_foreach(all, k, v) {
            int fits = lt_schema_fits_case(s, one, v, at);
            few &= fits >= 0;
            if (fits > 0 && !lt_schema_among(out, v)) json_array_append(out, v);
        }
        json_decref(all);
    }
    json_decref(cases);
    if (few && json_array_size(out) <= UNIQUE_MAX) return out;
    json_decref(out);
    return NULL;
}

/* A rule for every set of values that have been, the whole set first. */
static struct lt_gx *unique(struct list *l, const json_t *values)
{
    struct lt_grammar_builder *b = &l->s->b;
    int n = (int)json_array_size(values), sets = 1 << n, first = b->rules;
    for (int i = 0; i < sets; i++) lt_grammar_rule(b, NULL);
    for (int i = 0; i < sets; i++) {
        int64_t size = __builtin_popcount((unsigned)i);
        struct lt_gx *x = size >= l->min ? lt_gx_empty(b) : NULL;
        for (int k = 0; k < n && (l->max < 0 || size < l->max); k++) {
            if (i >> k & 1) continue;
            struct lt_gx *v = lt_schema_constant(l->s, json_array_get(values, (size_t)k));
            x = lt_gx_alt(b, x, lt_schema_seq(l->s, i ? lt_schema_comma(l->s) : NULL, v,
                                              lt_gx_call(b, first + (i | 1 << k))));
        }
        b->rule[first + i].x = x ? x : lt_gx_class(b, NULL, 0, false);
    }
    return lt_gx_call(b, first);
}

static struct lt_gx *differing(struct list *l)
{
    struct lt_schema_at rest = { l->at, "items", 0 };
    static const char what[] = "supported for at most ten values that items allow (enum, const, boolean, a short range)"
                               ", without prefixItems and contains";
    if (json_array_size(l->prefix) || l->found || !l->items) return lt_schema_fail(l->s, l->at, "uniqueItems", what),
                                                                    NULL;
    json_t *values = every_value(l->s, l->items, &rest);
    if (!values) return lt_schema_fail(l->s, l->at, "uniqueItems", what), NULL;
    struct lt_gx *x = unique(l, values);
    json_decref(values);
    return x;
}

/* ---- the whole ---- */
/* The one "contains" that counts: 0, or -1. */
static int read_contains(struct list *l, const json_t *one, json_t **other)
{
    json_t *all = json_object_get(one, "contains"), *c;
    size_t i;
    json_array_foreach(all, i, c) {
        const json_t *min = json_object_get(c, "min"), *max = json_object_get(c, "max");
        struct lt_schema_at at = { l->at, "contains", 0 };
        if (min && !json_number_value(min) && !max) continue;
        if (l->found) return lt_schema_fail(l->s, l->at, "contains", "only one is supported, and here are two");
        l->found = json_object_get(c, "schema");
        l->need = min ? (int64_t)json_number_value(min) : 1;
        l->most = max ? (int64_t)json_number_value(max) : -1;
        if (max && !(*other = lt_schema_negate(l->s, l->found, &at))) return -1;
        l->other = *other;
    }
    return 0;
}

struct lt_gx *lt_schema_array(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    struct list l = { .s = s, .at = at, .prefix = json_object_get(one, "prefixItems"),
                      .items = json_object_get(one, "items"), .max = -1, .most = -1 };
    int64_t first = (int64_t)json_array_size(l.prefix);
    json_t *other = NULL;
    struct lt_gx *x;
    if (lt_schema_excepts(one, JSON_ARRAY))
        return lt_schema_fail(s, at, NULL, "ruling out a whole list is not supported"), NULL;
    lt_schema_bound(s, one, at, "minItems", &l.min);
    lt_schema_bound(s, one, at, "maxItems", &l.max);
    if (json_is_false(l.items)) l.max = l.max < 0 ? first : LT_MIN(l.max, first);
    if (l.max >= 0 && l.max < l.min)
        return lt_schema_none(s, at, "minItems", "no list is as long as that and no longer than allowed");
    if (read_contains(&l, one, &other)) return NULL;
    if (json_object_get(one, "uniqueItems") && (l.max < 0 || l.max > 1)) x = differing(&l);
    else if (first || l.found) x = counted(&l);
    else {
        x = l.max == 0 ? lt_gx_empty(&s->b) : item_of(&l, 0, NULL);
        if (x && l.max != 0) {
            struct lt_gx *more = lt_gx_seq(&s->b, lt_schema_comma(s), x);
            x = lt_gx_seq(&s->b, x, lt_gx_repeat(&s->b, more, LT_MAX(l.min - 1, 0), l.max < 0 ? -1 : l.max - 1));
            if (!l.min) x = lt_gx_repeat(&s->b, x, 0, 1);
        }
    }
    json_decref(other);
    return x ? lt_schema_between(s, "[", x, "]") : NULL;
}
