/* What may stand after `is`. */
#include "text/jinja/jinja_run.h"
#include "text/tok_char.h"

#include <string.h>

#define TEST(name, is) \
    static int test_##name(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out) \
    { \
        (void)r, (void)a; \
        *out = (is); \
        return 0; \
    }
TEST(boolean, v.type == LT_JV_BOOL)
TEST(callable, v.type == LT_JV_MACRO || v.type == LT_JV_FUNCTION || v.type == LT_JV_METHOD)
TEST(defined, v.type != LT_JV_UNDEFINED)
TEST(eq, lt_jv_equal(v, a->at[0]))
TEST(false, v.type == LT_JV_BOOL && !v.b)
TEST(float, v.type == LT_JV_REAL)
TEST(integer, v.type == LT_JV_INT)
TEST(iterable, v.type == LT_JV_LIST || v.type == LT_JV_DICT || v.type == LT_JV_STR || v.type == LT_JV_UNDEFINED)
TEST(mapping, v.type == LT_JV_DICT)
TEST(ne, !lt_jv_equal(v, a->at[0]))
TEST(none, v.type == LT_JV_NONE)
TEST(number, v.type == LT_JV_INT || v.type == LT_JV_REAL || v.type == LT_JV_BOOL)
TEST(sameas, v.type == a->at[0].type && lt_jv_equal(v, a->at[0]))
TEST(sequence, v.type == LT_JV_LIST || v.type == LT_JV_DICT || v.type == LT_JV_STR || v.type == LT_JV_UNDEFINED)
TEST(string, v.type == LT_JV_STR)
TEST(true, v.type == LT_JV_BOOL && v.b)
TEST(undefined, v.type == LT_JV_UNDEFINED)

static int whole(struct lt_jv v, int64_t *out)
{
    if (v.type != LT_JV_INT) return lt_fail("expected a whole number, found %s", lt_jv_type_name(v));
    *out = v.i;
    return 0;
}

static int test_odd(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    int64_t i = 0;
    (void)r, (void)a;
    if (whole(v, &i)) return -1;
    *out = i % 2 != 0;
    return 0;
}

static int test_even(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    if (test_odd(r, v, a, out)) return -1;
    *out = !*out;
    return 0;
}

static int test_divisibleby(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    int64_t i = 0, by = 0;
    (void)r;
    if (whole(v, &i) || whole(a->at[0], &by)) return -1;
    if (!by) return lt_fail("a division by zero");
    *out = by == -1 || i % by == 0;
    return 0;
}

static int test_in(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    (void)r;
    return lt_jinja_contains(a->at[0], v, out);
}

static int order(struct lt_jv v, const struct lt_jinja_args *a, int *out)
{
    if (lt_jv_order(v, a->at[0], out)) return 0;
    return lt_fail("%s and %s have no order", lt_jv_type_name(v), lt_jv_type_name(a->at[0]));
}

#define ORDER(name, is) \
    static int test_##name(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out) \
    { \
        int o = 0; \
        (void)r; \
        if (order(v, a, &o)) return -1; \
        *out = (is); \
        return 0; \
    }
ORDER(ge, o >= 0)
ORDER(gt, o > 0)
ORDER(le, o <= 0)
ORDER(lt, o < 0)

/* Python's islower: has letters, and all of them are small; isupper alike. */
static int cased(struct lt_jv v, bool upper, bool *out)
{
    struct lt_buf b = { 0 };
    bool letters = false;
    lt_jv_print(&b, v);
    *out = true;
    for (size_t i = 0; i < b.n; i++) {
        bool small = b.p[i] >= 'a' && b.p[i] <= 'z', large = b.p[i] >= 'A' && b.p[i] <= 'Z';
        letters |= small || large;
        if (upper ? small : large) *out = false;
    }
    *out &= letters;
    lt_buf_free(&b);
    return 0;
}

static int test_lower(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    (void)r, (void)a;
    return cased(v, false, out);
}

static int test_upper(struct lt_jinja_run *r, struct lt_jv v, const struct lt_jinja_args *a, bool *out)
{
    (void)r, (void)a;
    return cased(v, true, out);
}

static const struct lt_jinja_test tests[] = {
    { "!=", 1, test_ne }, { "<", 1, test_lt }, { "<=", 1, test_le }, { "==", 1, test_eq }, { ">", 1, test_gt },
    { ">=", 1, test_ge },
    { "boolean", 0, test_boolean }, { "callable", 0, test_callable }, { "defined", 0, test_defined },
    { "divisibleby", 1, test_divisibleby }, { "eq", 1, test_eq }, { "equalto", 1, test_eq }, { "even", 0, test_even },
    { "false", 0, test_false }, { "float", 0, test_float }, { "ge", 1, test_ge }, { "greaterthan", 1, test_gt },
    { "gt", 1, test_gt }, { "in", 1, test_in }, { "integer", 0, test_integer }, { "iterable", 0, test_iterable },
    { "le", 1, test_le }, { "lessthan", 1, test_lt }, { "lower", 0, test_lower }, { "lt", 1, test_lt },
    { "mapping", 0, test_mapping }, { "ne", 1, test_ne }, { "none", 0, test_none }, { "number", 0, test_number },
    { "odd", 0, test_odd }, { "sameas", 1, test_sameas }, { "sequence", 0, test_sequence },
    { "string", 0, test_string }, { "true", 0, test_true }, { "undefined", 0, test_undefined },
    { "upper", 0, test_upper },
};

const struct lt_jinja_test *lt_jinja_test_find(struct lt_str name)
{
    for (int i = 0; i < LT_COUNT(tests); i++)
        if (lt_str_is(name, tests[i].name)) return &tests[i];
    return NULL;
}
