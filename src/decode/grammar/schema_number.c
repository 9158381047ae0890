/* JSON Schema's numbers: bounds and multiples as languages of digits. */
#include "decode/grammar/schema.h"
#include "decode/grammar/automaton.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 18, MULTIPLE_STATES = 20000 };
static const struct lt_gspan any_digit = { '0', '9' };

static struct lt_gx *span(struct lt_schema *s, uint32_t low, uint32_t high)
{
    return lt_gx_class(&s->b, &(struct lt_gspan){ low, high }, 1, false);
}

static struct lt_gx *some_digits(struct lt_schema *s, int64_t min, int64_t max)
{
    return max > 0 ? lt_gx_repeat(&s->b, lt_gx_class(&s->b, &any_digit, 1, false), min, max) : lt_gx_empty(&s->b);
}

/* Digits of a whole number from low to high, both of n digits. */
static struct lt_gx *digits(struct lt_schema *s, const char *low, const char *high, size_t n)
{
    if (!n) return lt_gx_empty(&s->b);
    uint32_t a = (uint8_t)low[0], z = (uint8_t)high[0];
    char nines[24], zeros[24];
    memset(nines, '9', sizeof nines);
    memset(zeros, '0', sizeof zeros);
    struct lt_gx *x = NULL;
    if (a == z) return lt_gx_seq(&s->b, span(s, a, a), digits(s, low + 1, high + 1, n - 1));
    if (memcmp(low + 1, zeros, n - 1)) {
        x = lt_gx_seq(&s->b, span(s, a, a), digits(s, low + 1, nines, n - 1));
        a++;
    }
    if (memcmp(high + 1, nines, n - 1)) {
        x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, span(s, z, z), digits(s, zeros, high + 1, n - 1)), x);
        z--;
    }
    int64_t rest = (int64_t)n - 1;
    return a <= z ? lt_gx_alt(&s->b, lt_gx_seq(&s->b, span(s, a, z), some_digits(s, rest, rest)), x) : x;
}

/* Whole numbers from low to high, 0 <= low, without signs; NULL: none. */
static struct lt_gx *from_to(struct lt_schema *s, int64_t low, int64_t high)
{
    struct lt_gx *x = NULL;
    char a[24], z[24];
    for (int64_t last = 9; low <= high; last = last > INT64_MAX / 10 - 9 ? INT64_MAX : last * 10 + 9) {
        if (low > last) continue;
        int64_t end = LT_MIN(high, last);
        snprintf(a, sizeof a, "%" PRId64, low);
        snprintf(z, sizeof z, "%" PRId64, end);
        x = lt_gx_alt(&s->b, digits(s, a, z, strlen(a)), x);
        low = end + 1;
    }
    return x;
}

/* ---- decimals ---- */
int lt_decimal_of(const json_t *v, struct lt_decimal *d)
{
    char text[40], all[64] = "";
    double x = json_number_value(v);
    *d = (struct lt_decimal){ .minus = x < 0 };
    if (json_is_integer(v)) {
        int64_t n = json_integer_value(v);
        snprintf(text, sizeof text, "%" PRIu64, n < 0 ? -(uint64_t)n : (uint64_t)n);
        if (strlen(text) > DIGITS) return 1;
        snprintf(d->whole, sizeof d->whole, "%s", text);
        return 0;
    }
    for (int p = 0; p < 17; p++) {              /* the fewest digits that give the number back */
        snprintf(text, sizeof text, "%.*e", p, fabs(x));
        if (!(strtod(text, NULL) < fabs(x)) && !(strtod(text, NULL) > fabs(x))) break;
    }
    char *e = strchr(text, 'e');
    int power = atoi(e + 1), n = 0;
    for (char *c = text; c < e; c++)
        if (*c != '.') all[n++] = *c;
    while (n > 1 && all[n - 1] == '0') n--;
    if (power >= DIGITS) return 1;
    int part = LT_MAX(n - 1 - power, 0);
    if (part > DIGITS - 1) return -1;
    for (int i = 0; i <= LT_MAX(power, 0); i++) {
        int at = power < 0 ? n : i;             /* below 1 there is but a zero before the point */
        d->whole[i] = at < n ? all[at] : '0';
    }
    for (int i = 0; i < part; i++) {
        int at = n - part + i;
        d->part[i] = at < 0 ? '0' : all[at];
    }
    return 0;
}

static int64_t whole_of(const struct lt_decimal *d) { return strtoll(d->whole, NULL, 10); }

/* "" or "." and digits, `most` at most. */
static struct lt_gx *fraction(struct lt_schema *s, int most)
{
    if (most <= 0) return lt_gx_empty(&s->b);
    return lt_gx_repeat(&s->b, lt_gx_seq(&s->b, lt_schema_z(s, "."), some_digits(s, 1, most)), 0, 1);
}

/* Digits of which one is not zero. */
static struct lt_gx *not_zero(struct lt_schema *s, int most)
{
    struct lt_gx *x = NULL;
    for (int i = 0; i < most; i++)
        x = lt_gx_alt(&s->b, lt_schema_seq(s, i ? lt_gx_repeat(&s->b, lt_schema_z(s, "0"), i, i) : NULL,
                                           span(s, '1', '9'), some_digits(s, 0, most - i - 1)), x);
    return x;
}

static struct lt_gx *zeros(struct lt_schema *s, int min, int most)
{
    return most > 0 ? lt_gx_repeat(&s->b, lt_schema_z(s, "0"), min, most) : lt_gx_empty(&s->b);
}

/* What may follow a whole part that is the bound's own, so that the number is not below it. */
static struct lt_gx *part_from(struct lt_schema *s, const char *part, bool open, int most)
{
    int n = (int)strlen(part);
    struct lt_gx *point = lt_schema_z(s, "."), *x;
    if (!n && !open) return fraction(s, most);
    if (most <= 0) return NULL;
    if (!n) return lt_gx_seq(&s->b, point, not_zero(s, most));
    x = open ? not_zero(s, most - n) : some_digits(s, 0, most - n);
    for (int i = n - 1; i >= 0; i--) {
        struct lt_gx *same = x ? lt_gx_seq(&s->b, span(s, (uint8_t)part[i], (uint8_t)part[i]), x) : NULL;
        struct lt_gx *more = part[i] == '9' ? NULL : lt_gx_seq(&s->b, span(s, (uint8_t)part[i] + 1u, '9'),
                                                               some_digits(s, 0, most - i - 1));
        x = lt_gx_alt(&s->b, same, more);
    }
    return x ? lt_gx_seq(&s->b, point, x) : NULL;
}

/* So that it is not above it. */
static struct lt_gx *part_to(struct lt_schema *s, const char *part, bool open, int most)
{
    int n = (int)strlen(part);
    struct lt_gx *point = lt_schema_z(s, "."), *empty = lt_gx_empty(&s->b), *x;
    if (!n) {
        if (open) return NULL;
        return most > 0 ? lt_gx_alt(&s->b, empty, lt_gx_seq(&s->b, point, zeros(s, 1, most))) : empty;
    }
    if (most <= 0) return empty;
    x = open ? NULL : zeros(s, 0, most - n);
    for (int i = n - 1; i >= 0; i--) {
        if (i < n - 1) x = lt_gx_alt(&s->b, empty, x);
        struct lt_gx *same = x ? lt_gx_seq(&s->b, span(s, (uint8_t)part[i], (uint8_t)part[i]), x) : NULL;
        struct lt_gx *less = part[i] == '0' ? NULL : lt_gx_seq(&s->b, span(s, '0', (uint8_t)part[i] - 1u),
                                                               some_digits(s, 0, most - i - 1));
        x = lt_gx_alt(&s->b, same, less);
    }
    return x ? lt_gx_alt(&s->b, empty, lt_gx_seq(&s->b, point, x)) : empty;
}

/* ---- one constraint after the other ---- */
struct sizes { struct lt_gx *x; bool begun, none; int most; int64_t cap; };    /* of numbers without their sign */

static int narrow(struct lt_schema *s, struct sizes *z, struct lt_gx *y)
{
    if (z->begun && !z->none && y) {
        if (lt_gx_both(&s->b, z->x, y, &z->x)) return -1;
    } else z->x = y;
    z->begun = true;
    z->none |= !z->x;
    return 0;
}

static int keep_from(struct lt_schema *s, struct sizes *z, const struct lt_decimal *d, bool open)
{
    int64_t n = whole_of(d);
    struct lt_gx *more = from_to(s, n + 1, z->cap), *end = part_from(s, d->part, open, z->most);
    more = more ? lt_gx_seq(&s->b, more, fraction(s, z->most)) : NULL;
    return narrow(s, z, lt_gx_alt(&s->b, more, end ? lt_gx_seq(&s->b, from_to(s, n, n), end) : NULL));
}

static int keep_to(struct lt_schema *s, struct sizes *z, const struct lt_decimal *d, bool open)
{
    int64_t n = whole_of(d);
    struct lt_gx *less = n ? lt_gx_seq(&s->b, from_to(s, 0, n - 1), fraction(s, z->most)) : NULL;
    struct lt_gx *end = part_to(s, d->part, open, z->most);
    z->cap = LT_MIN(z->cap, n);
    return narrow(s, z, lt_gx_alt(&s->b, less, end ? lt_gx_seq(&s->b, from_to(s, n, n), end) : NULL));
}

/* The number's digits, taken one by one, leave a remainder; after the point only so many matter, then zeros. */
static struct lt_gx *multiples(struct lt_schema *s, int64_t m, int places)
{
    int32_t n = (int32_t)m * (places + 2), edges = 0;
    struct lt_gx_edge *edge = lt_alloc((size_t)n * 11 * sizeof *edge);
    bool *final = lt_calloc((size_t)n, 1);
    for (int p = 0; p < places + 2; p++)        /* p 0: before the point; p: p - 1 digits after it */
        for (int64_t r = 0; r < m; r++) {
            int32_t at = (int32_t)(p * m + r);
            int64_t left = r;
            for (int i = LT_MAX(p - 1, 0); i < places; i++) left = left * 10 % m;
            final[at] = left == 0;
            int next = p == 0 ? 0 : LT_MIN(p + 1, places + 1);
            for (int c = 0; c <= (p == places + 1 ? 0 : 9); c++) {
                int64_t to = p == places + 1 ? r : (r * 10 + c) % m;
                edge[edges++] = (struct lt_gx_edge){ at, (int32_t)(next * m + to), (uint8_t)('0' + c),
                                                     (uint8_t)('0' + c) };
            }
            if (!p) edge[edges++] = (struct lt_gx_edge){ at, (int32_t)(m + r), '.', '.' };
        }
    struct lt_gx *x = lt_gx_automaton(&s->b, edge, edges, final, n);
    free(edge);
    free(final);
    return x;
}

static int keep_multiples(struct lt_schema *s, struct sizes *z, const json_t *v, const struct lt_schema_at *at)
{
    struct lt_decimal d;
    char all[48];
    if (lt_decimal_of(v, &d))
        return lt_schema_fail(s, at, "multipleOf", "a number with so many digits is not supported");
    snprintf(all, sizeof all, "%s%s", d.whole, d.part);
    int places = (int)strlen(d.part);
    int64_t m = strtoll(all, NULL, 10);
    if (strlen(all) > DIGITS || m * (places + 2) > MULTIPLE_STATES)
        return lt_schema_fail(s, at, "multipleOf", "a number with so many digits is not supported");
    return narrow(s, z, multiples(s, m, places));
}

/* ---- the whole ---- */
static const struct { const char *key; bool low, open; } bounds[] = {
    { "maximum", false, false }, { "exclusiveMaximum", false, true }, { "minimum", true, false },
    { "exclusiveMinimum", true, true },
};

/* Sizes of the numbers of one sign; z->none: there are none. */
static int of_sign(struct lt_schema *s, struct sizes *z, const json_t *one, const struct lt_schema_at *at, bool minus)
{
    static const struct lt_decimal zero = { .whole = "0" };
    struct lt_decimal d;
    size_t i;
    json_t *v;
    for (int turn = 0; turn < 2 && !z->none; turn++)    /* first what keeps sizes small */
        for (int k = 0; k < LT_COUNT(bounds) && !z->none; k++) {
            bool low = bounds[k].low != minus;          /* of the size */
            v = json_object_get(one, bounds[k].key);
            if (!v || low != turn) continue;
            int large = lt_decimal_of(v, &d);
            if (large < 0) return lt_schema_fail(s, at, bounds[k].key, "a bound with so many digits is not supported");
            bool same = d.minus == minus;               /* the bound lies on this side of zero */
            if (same ? large && low : !low) z->none = true;
            else if (large || !same) continue;
            else if (low ? keep_from(s, z, &d, bounds[k].open) : keep_to(s, z, &d, bounds[k].open)) return -1;
        }
    if (z->none) return 0;
    if (minus ? keep_from(s, z, &zero, true) : !z->begun && keep_from(s, z, &zero, false)) return -1;
    json_array_foreach(json_object_get(one, "multipleOf"), i, v)
        if (!z->none && keep_multiples(s, z, v, at)) return -1;
    if (!z->none && json_object_get(one, LT_SCHEMA_FRACTION)) {
        /* Few enough digits that a double keeps the fraction. */
        struct lt_gx *x = lt_schema_seq(s, some_digits(s, 1, 9), lt_schema_z(s, "."), not_zero(s, LT_MIN(z->most, 6)));
        if (narrow(s, z, x)) return -1;
    }
    json_array_foreach(json_object_get(one, LT_SCHEMA_EXCEPT), i, v) {
        if (!json_is_number(v) || lt_decimal_of(v, &d) || d.minus != minus) continue;
        struct lt_gx *n = lt_gx_seq(&s->b, lt_schema_z(s, d.whole), NULL), *tail = zeros(s, 0, DIGITS);
        if (*d.part) n = lt_schema_seq(s, n, lt_schema_z(s, "."), lt_gx_seq(&s->b, lt_schema_z(s, d.part), tail));
        else n = lt_gx_seq(&s->b, n, lt_gx_repeat(&s->b, lt_gx_seq(&s->b, lt_schema_z(s, "."), tail), 0, 1));
        if (!z->none && lt_gx_but(&s->b, z->x, n, &z->x)) return -1;
        z->none |= !z->x;
    }
    return 0;
}

/* Digits after the point: few enough that no two numbers near an open bound are the same double. */
static int places(const json_t *one)
{
    int wide = 1, deep = 1;
    for (int k = 0; k < LT_COUNT(bounds); k++) {
        struct lt_decimal d;
        const json_t *v = json_object_get(one, bounds[k].key);
        if (!v || lt_decimal_of(v, &d)) continue;
        wide = LT_MAX(wide, (int)strlen(d.whole));
        deep = LT_MAX(deep, (int)strlen(d.part));
    }
    return LT_MAX(LT_MIN(15 - wide, 9), deep);
}

struct lt_gx *lt_schema_number(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at)
{
    static const char *const keys[] = { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
                                        LT_SCHEMA_FRACTION, LT_SCHEMA_EXCEPT };
    bool whole = !strcmp(json_string_value(json_object_get(one, "type")), "integer"), plain = true;
    for (int i = 0; i < LT_COUNT(keys); i++) plain &= !json_object_get(one, keys[i]);
    if (plain) return lt_schema_call(s, whole ? LT_SCHEMA_INTEGER : LT_SCHEMA_NUMBER);
    struct sizes z[2] = { { .cap = 999999999999999999 }, { .cap = 999999999999999999 } };
    for (int minus = 0; minus < 2; minus++) {
        z[minus].most = whole ? 0 : places(one);
        if (of_sign(s, &z[minus], one, at, minus)) return NULL;
    }
    struct lt_gx *x = z[0].none ? NULL : z[0].x;
    if (!z[1].none) x = lt_gx_alt(&s->b, lt_gx_seq(&s->b, lt_schema_z(s, "-"), z[1].x), x);
    return x ? x : lt_schema_none(s, at, "maximum", "no number lies between the bounds");
}
