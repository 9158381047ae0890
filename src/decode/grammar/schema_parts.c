/* JSON Schema's objects, arrays, texts and numbers. */
#include "decode/grammar/schema.h"
#include "text/tok_char.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct lt_gx *refuse(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what)
{
    lt_schema_fail(s, at, key, what);
    return NULL;
}

static struct lt_gx *seq3(struct lt_schema *s, struct lt_gx *a, struct lt_gx *b, struct lt_gx *c)
{
    return lt_gx_seq(&s->b, lt_gx_seq(&s->b, a, b), c);
}

static struct lt_gx *comma(struct lt_schema *s)
{
    return lt_gx_seq(&s->b, lt_schema_z(s, ","), lt_schema_call(s, LT_SCHEMA_SPACE));
}

/* "[" SPACE inside SPACE "]" */
static struct lt_gx *between(struct lt_schema *s, const char *open, struct lt_gx *inside, const char *close)
{
    struct lt_gx *space = lt_schema_call(s, LT_SCHEMA_SPACE);
    return seq3(s, lt_gx_seq(&s->b, lt_schema_z(s, open), space), inside,
                lt_gx_seq(&s->b, space, lt_schema_z(s, close)));
}

/* ---- texts ---- */
static const char *format_pattern(const char *name)
{
#define DATE "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
             "02-(0[1-9]|1[0-9]|2[0-8]))"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    static const struct { const char *name, *pattern; } all[] = {
        { "date", DATE }, { "time", TIME }, { "date-time", DATE "T" TIME },
        { "email", "[a-zA-Z0-9_+-]{1,20}(\\.[a-zA-Z0-9_+-]{1,20}){0,2}@" LABEL "(\\." LABEL "){1,3}" },
        { "hostname", LABEL "(\\." LABEL "){0,3}" },
        { "ipv4", "((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])" },
        { "uuid", "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" },
        { "uri", "[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[a-zA-Z0-9.-]{1,100}(:[0-9]{1,5})?(/[a-zA-Z0-9._~!$&'()*+,;=:@-]*)*"
                 "(\\?[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?(#[a-zA-Z0-9._~!$&'()*+,;=:@/?-]*)?" },
    };
    for (int i = 0; i < LT_COUNT(all); i++)
        if (!strcmp(all[i].name, name)) return all[i].pattern;
    return NULL;
}

static struct lt_gx *quoted_pattern(struct lt_schema *s, const struct lt_schema_at *at, const char *key,
                                    const char *pattern, bool searched)
{
    struct lt_gx *x = lt_gx_regex(&s->b, key, lt_str(pattern), searched), *q = x ? lt_gx_quoted(&s->b, x) : NULL;
    if (q) return seq3(s, lt_schema_z(s, "\""), q, lt_schema_z(s, "\""));
    char *why = lt_strdup(lt_error());
    lt_schema_fail(s, at, NULL, why);
    free(why);
    return NULL;
}

struct lt_gx *lt_schema_string(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    int64_t min = 0, max = -1;
    int least = lt_schema_bound(s, schema, at, "minLength", &min), most = lt_schema_bound(s, schema, at, "maxLength",
            &max);
    if (least < 0 || most < 0) return NULL;
    if (most && max < min) return refuse(s, at, "maxLength", "expected at least minLength");
    if ((pattern || format) && (least || most || (pattern && format)))
        return refuse(s, at, least ? "minLength" : most ? "maxLength" : "format",
                      "this keyword together with pattern or format is not supported; say the length in the pattern");
    if (pattern && !json_is_string(pattern)) return refuse(s, at, "pattern", "expected a text");
    if (pattern) return quoted_pattern(s, at, "pattern", json_string_value(pattern), true);
    if (format) {
        const char *known = json_is_string(format) ? format_pattern(json_string_value(format)) : NULL;
        return known ? quoted_pattern(s, at, "format", known, false)
                     : refuse(s, at, "format", "expected date, time, date-time, email, hostname, ipv4, uri or uuid");
    }
    if (!least && !most) return lt_schema_call(s, LT_SCHEMA_STRING);
    struct lt_gx *quote = lt_schema_z(s, "\"");
    return seq3(s, quote, lt_gx_repeat(&s->b, lt_schema_call(s, LT_SCHEMA_CHAR), min, max), quote);
}

/* ---- numbers ---- */
/* Digits of a whole number from low to high, both of n digits. */
static struct lt_gx *digits(struct lt_schema *s, const char *low, const char *high, size_t n)
{
    if (!n) return lt_gx_empty(&s->b);
    static const struct lt_gspan any = { '0', '9' };
    uint32_t a = (uint8_t)low[0], z = (uint8_t)high[0];
    char nines[24], zeros[24];
    memset(nines, '9', sizeof nines);
    memset(zeros, '0', sizeof zeros);
    struct lt_gx *x = NULL, *rest = n > 1 ? lt_gx_repeat(&s->b, lt_gx_class(&s->b, &any, 1, false), (int64_t)n - 1,
                                                         (int64_t)n - 1) : lt_gx_empty(&s->b);
    if (a == z)
        return lt_gx_seq(&s->b, lt_gx_class(&s->b, &(struct lt_gspan){ a, a }, 1, false),
                         digits(s, low + 1, high + 1, n - 1));
    if (memcmp(low + 1, zeros, n - 1)) {
        x = lt_gx_seq(&s->b, lt_gx_class(&s->b, &(struct lt_gspan){ a, a }, 1, false), digits(s, low + 1, nines, n -
                1));
        a++;
    }
    if (memcmp(high + 1, nines, n - 1)) {
        x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_gx_class(&s->b, &(struct lt_gspan){ z, z }, 1, false),
                                       digits(s, zeros, high + 1, n - 1)), x);
        z--;
    }
    if (a <= z) x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_gx_class(&s->b, &(struct lt_gspan){ a, z }, 1, false), rest),
                              x);
    return x;
}

/* Whole numbers from low to high, 0 <= low <= high, without signs; NULL: none. */
static struct lt_gx *from_to(struct lt_schema *s, int64_t low, int64_t high)
{
    struct lt_gx *x = NULL;
    char a[24], z[24];
    for (int64_t first = 0, last = 9; low <= high; first = last + 1, last = last > INT64_MAX / 10 - 9 ? INT64_MAX
                                                                                         : last * 10 + 9) {
        if (low <= last) {
            int64_t end = LT_MIN(high, last);
            snprintf(a, sizeof a, "%" PRId64, low);
            snprintf(z, sizeof z, "%" PRId64, end);
            x = lt_gx_alt(&s->b, digits(s, a, z, strlen(a)), x);
            if (end == high) break;
            low = end + 1;
        }
        (void)first;
    }
    return x;
}

struct range { int64_t low, high; bool open_low, open_high; };  /* open: the bound itself is not allowed */

/* One of the four bounds; they are whole numbers here. */
static int read_bound(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key,
                      int64_t *out)
{
    const json_t *v = json_object_get(schema, key);
    double x = json_number_value(v);
    if (!v) return 0;
    if (!json_is_number(v) || !(x > -1e15 && x < 1e15) || x != (double)(int64_t)x)
        return lt_schema_fail(s, at, key, "only whole numbers of up to 15 digits are supported as bounds");
    *out = (int64_t)x;
    return 1;
}

static int read_range(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, struct range *r)
{
    int64_t x;
    int n[4];
    *r = (struct range){ -999999999999999999, 999999999999999999, false, false };
    if ((n[0] = read_bound(s, schema, at, "minimum", &x)) > 0) r->low = x;
    if ((n[1] = read_bound(s, schema, at, "exclusiveMinimum", &x)) > 0 && x >= r->low) r->low = x, r->open_low = true;
    if ((n[2] = read_bound(s, schema, at, "maximum", &x)) > 0) r->high = x;
    if ((n[3] = read_bound(s, schema, at, "exclusiveMaximum", &x)) > 0 && x <= r->high) r->high = x, r->open_high =
        true;
    for (int i = 0; i < 4; i++)
        if (n[i] < 0) return -1;
    return n[0] || n[1] || n[2] || n[3];
}

/* Whole numbers of the range, with their signs. */
static struct lt_gx *whole_numbers(struct lt_schema *s, int64_t low, int64_t high)
{
    struct lt_gx *x = high >= 0 ? from_to(s, LT_MAX(low, 0), high) : NULL;
    struct lt_gx *y = low < 0 ? from_to(s, LT_MAX(-high, 1), -low) : NULL;
    return y ? lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_schema_z(s, "-"), y), x) : x;
}

/* Numbers n.fff whose size lies strictly between low and high, or is one of them where that is allowed; 0 <= low. */
static struct lt_gx *sizes(struct lt_schema *s, int64_t low, bool open_low, int64_t high, bool open_high)
{
    struct lt_gx *fraction = lt_gx_regex(&s->b, "number", lt_str("(\\.[0-9]{1,17})?"), false);
    struct lt_gx *above = lt_gx_regex(&s->b, "number", lt_str("\\.[0-9]{0,16}[1-9][0-9]{0,16}"), false);
    struct lt_gx *zero = lt_gx_regex(&s->b, "number", lt_str("(\\.0{1,17})?"), false), *x = NULL, *n;
    if (low > high) return NULL;
    if (low < high) {
        n = from_to(s, low, low);
        x = lt_gx_seq(&s->b, n, open_low ? above : fraction);
        if (low + 1 < high) x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, from_to(s, low + 1, high - 1), fraction), x);
    }
    if (!open_high && (low < high || !open_low)) x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, from_to(s, high, high), zero),
                                                               x);
    return x;
}

struct lt_gx *lt_schema_number(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, bool whole)
{
    struct range r;
    struct lt_gx *x, *y = NULL;
    int bounded = read_range(s, schema, at, &r);
    if (bounded < 0) return NULL;
    if (!bounded) return lt_schema_call(s, whole ? LT_SCHEMA_INTEGER : LT_SCHEMA_NUMBER);
    if (whole) x = whole_numbers(s, r.low + r.open_low, r.high - r.open_high);
    else {
        x = r.high >= 0 ? sizes(s, LT_MAX(r.low, 0), r.low >= 0 && r.open_low, r.high, r.open_high) : NULL;
        if (r.low < 0) y = sizes(s, LT_MAX(-r.high, 0), r.high >= 0 || r.open_high, -r.low, r.open_low);
        if (y) x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_schema_z(s, "-"), y), x);
    }
    return x ? x : refuse(s, at, "maximum", "no number lies between the bounds");
}

/* ---- arrays ---- */
struct lt_gx *lt_schema_array(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    const json_t *items = json_object_get(schema, "items"), *prefix = json_object_get(schema, "prefixItems");
    const char *rest_key = "items";
    int64_t min = 0, max = -1;
    if (lt_schema_bound(s, schema, at, "minItems", &min) < 0 || lt_schema_bound(s, schema, at, "maxItems", &max) < 0)
        return NULL;
    if (json_is_array(items)) {                 /* draft 07: items are the first ones */
        prefix = items;
        items = json_object_get(schema, "additionalItems");
        rest_key = "additionalItems";
    }
    int64_t first = (int64_t)json_array_size(prefix);
    if (json_is_false(items)) max = max < 0 ? first : LT_MIN(max, first);
    if (max >= 0 && max < min) return refuse(s, at, "minItems",
                                             "no list is as long as that and no longer than allowed");
    struct lt_schema_at rest_at = { at, rest_key, 0 };
    struct lt_gx *item = json_is_false(items) ? NULL : items ? lt_schema_value(s, items, &rest_at)
                                                             : lt_schema_call(s, LT_SCHEMA_VALUE);
    if (items && !json_is_false(items) && !item) return NULL;
    /* From the last of the first ones back: what follows is optional once enough are there. */
    struct lt_gx *tail = NULL;
    if (item && (max < 0 || max > first))
        tail = lt_gx_repeat(&s->b, lt_gx_seq(&s->b, comma(s), item), LT_MAX(min - first, 0), max < 0 ? -1 : max -
                            first);
    for (int64_t i = LT_MIN(first, max < 0 ? first : max) - 1; i >= 0; i--) {
        struct lt_schema_at here = { at, prefix == json_object_get(schema, "items") ? "items" : "prefixItems", 0 };
        struct lt_schema_at one = { &here, NULL, (size_t)i };
        struct lt_gx *x = lt_schema_value(s, json_array_get(prefix, (size_t)i), &one);
        if (!x) return NULL;
        x = lt_gx_seq(&s->b, lt_gx_seq(&s->b, i ? comma(s) : NULL, x), tail);
        tail = i < min ? x : lt_gx_repeat(&s->b, x, 0, 1);
    }
    if (!first && item && max != 0) {           /* no first ones: the list begins without a comma */
        struct lt_gx *more = lt_gx_repeat(&s->b, lt_gx_seq(&s->b, comma(s), item), LT_MAX(min - 1, 0), max < 0 ? -1 :
                                          max - 1);
        tail = lt_gx_seq(&s->b, item, more);
        if (!min) tail = lt_gx_repeat(&s->b, tail, 0, 1);
    }
    return between(s, "[", tail ? tail : lt_gx_empty(&s->b), "]");
}

/* ---- objects ---- */
static bool is_required(const json_t *schema, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(schema, "required"), i, v)
        if (json_is_string(v) && !strcmp(json_string_value(v), name)) return true;
    return false;
}

static struct lt_gx *member(struct lt_schema *s, struct lt_gx *key, struct lt_gx *value)
{
    return seq3(s, key, lt_gx_seq(&s->b, lt_schema_z(s, ":"), lt_schema_call(s, LT_SCHEMA_SPACE)), value);
}

static struct lt_gx *named(struct lt_schema *s, const char *name)
{
    json_t *text = json_string(name);
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    struct lt_gx *x = lt_schema_z(s, quoted);
    free(quoted);
    json_decref(text);
    return x;
}

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

/* A member whose name is none of the schema's properties; NULL with *none: there are none. */
static struct lt_gx *additional(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, bool *none)
{
    json_t *properties = json_object_get(schema, "properties"), *more = json_object_get(schema, "additionalProperties");
    json_t *patterns = json_object_get(schema, "patternProperties"), *v;
    struct lt_schema_at here = { at, "additionalProperties", 0 }, in = { at, "patternProperties", 0 };
    const char *key;
    int n = 0;
    *none = json_is_false(more) && !patterns;
    if (*none) return NULL;
    if (patterns) {
        if (json_object_size(properties) || !json_is_false(more) || json_object_size(patterns) != 1)
            return refuse(s, at, "patternProperties", "supported alone: one pattern, additionalProperties false");
        json_object_foreach(patterns, key, v) {
            struct lt_schema_at one = { &in, key, 0 };
            struct lt_gx *name = quoted_pattern(s, &one, "patternProperties", key, true);
            struct lt_gx *value = name ? lt_schema_value(s, v, &one) : NULL;
            return value ? member(s, name, value) : NULL;
        }
    }
    struct lt_gx *value = more ? lt_schema_value(s, more, &here) : lt_schema_call(s, LT_SCHEMA_VALUE);
    const char **name = lt_arena_take(&s->b.arena, (json_object_size(properties) + 1) * sizeof *name);
    json_object_foreach(properties, key, v) name[n++] = key;
    lt_sort(name, (size_t)n, sizeof *name, by_name, NULL);
    struct lt_gx *quote = lt_schema_z(s, "\"");
    struct lt_gx *string = n ? seq3(s, quote, others(s, name, 0, n, 0), quote) : lt_schema_call(s, LT_SCHEMA_STRING);
    return value ? member(s, string, value) : NULL;
}

static int check_required(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    size_t i;
    json_t *v, *properties = json_object_get(schema, "properties");
    json_array_foreach(json_object_get(schema, "required"), i, v)
        if (!json_is_string(v) || !json_object_get(properties, json_string_value(v)))
            return lt_schema_fail(s, at, "required", "a name that \"properties\" does not hold is not supported");
    if (properties && !json_is_object(properties)) return lt_schema_fail(s, at, "properties", "expected an object");
    return 0;
}

/* Two ways through the properties, from the last one back: with a member before, so that a comma comes first, and
 * without. */
struct lt_gx *lt_schema_object(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at)
{
    json_t *properties = json_object_get(schema, "properties"), *v;
    size_t n = json_object_size(properties), i = 0;
    int64_t most = -1;
    bool none = false;
    const char *key;
    int capped = lt_schema_bound(s, schema, at, "maxProperties", &most);
    if (capped < 0 || check_required(s, schema, at)) return NULL;
    if (capped && n) return refuse(s, at, "maxProperties", "together with properties it is not supported");
    struct lt_gx *more = most == 0 ? NULL : additional(s, schema, at, &none);
    if (!more && !none && most != 0) return NULL;
    struct lt_gx *after = more ? lt_gx_repeat(&s->b, lt_gx_seq(&s->b, comma(s), more), 0, most < 0 ? -1 : most - 1) :
        NULL;
    struct lt_gx *first = more ? lt_gx_repeat(&s->b, lt_gx_seq(&s->b, more, after), 0, 1) : lt_gx_empty(&s->b);
    after = after ? after : lt_gx_empty(&s->b);
    const char **name = lt_arena_take(&s->b.arena, (n + 1) * sizeof *name);
    json_object_foreach(properties, key, v) name[i++] = key;
    struct lt_schema_at here = { at, "properties", 0 };
    while (i--) {
        struct lt_schema_at one = { &here, name[i], 0 };
        struct lt_gx *value = lt_schema_value(s, json_object_get(properties, name[i]), &one);
        if (!value) return NULL;
        struct lt_gx *m = member(s, named(s, name[i]), value);
        int rest = lt_grammar_rule(&s->b, NULL);        /* shared by the two ways, lest they double at every property */
        s->b.rule[rest].x = after;
        struct lt_gx *then = lt_gx_call(&s->b, rest);
        struct lt_gx *with_comma = seq3(s, comma(s), m, then), *bare = lt_gx_seq(&s->b, m, then);
        bool must = is_required(schema, name[i]);
        after = must ? with_comma : lt_gx_alt(&s->b, with_comma, then);
        first = must ? bare : lt_gx_alt(&s->b, bare, first);
    }
    return between(s, "{", first, "}");
}
