/* YAML documents: the core schema, where things stand, and what is refused with its line and column. */
#include "base/yaml.h"
#include "test.h"

static void test_yaml__core_schema(void **state)
{
    (void)state;
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    const char *text =
        "texts: [no, on, yes, off, 'true', \"1\", !!str 7, 1_000, 10k, 1e, ., 0x, -, word]\n"
        "truth: [true, True, FALSE]\n"
        "whole: [1, -2, +3, 0x1F, 0o17, 007]\n"
        "real: [1e-4, 1.5, .5, 2., -3.25E+2]\n"
        "nothing: [~, null, Null, ]\n"
        "empty:\n"
        "block: |\n  two\n  lines\n";
    assert_ok(lt_yaml_parse("r.yaml", lt_str(text), &a, &y));
    json_t *j = lt_yaml_json("r.yaml", y);
    assert_non_null(j);
    struct lt_buf b = { 0 };
    lt_json_put(&b, j);
    assert_string_equal(b.p,
        "{\n"
        "  \"texts\": [\"no\", \"on\", \"yes\", \"off\", \"true\", \"1\", \"7\", \"1_000\", \"10k\", \"1e\", \".\", "
        "\"0x\", \"-\", \"word\"],\n"
        "  \"truth\": [true, true, false],\n"
        "  \"whole\": [1, -2, 3, 31, 15, 7],\n"
        "  \"real\": [0.0001, 1.5, 0.5, 2, -325],\n"
        "  \"nothing\": [null, null, null],\n"
        "  \"empty\": null,\n"
        "  \"block\": \"two\\u000alines\\u000a\"\n"
        "}");
    json_decref(j);
    lt_buf_free(&b);
    lt_arena_free(&a);
}

static void test_yaml__values_for_rows(void **state)
{
    (void)state;
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    const char *text = "[1e-4, True, 'True', 0x10, 0o10, .inf, -.INF, 1.10, 99999999999999999999, no]";
    const char *const expected[] = {
        "1e-4", "true", "True", "16", "8", "inf", "-inf", "1.10", "99999999999999999999", "no",
    };
    assert_ok(lt_yaml_parse("r.yaml", lt_str(text), &a, &y));
    assert_int_equal(y->count, LT_COUNT(expected));
    for (int i = 0; i < y->count; i++) assert_string_equal(lt_yaml_value(y->item[i], &a), expected[i]);
    assert_null(lt_yaml_json("r.yaml", y));
    assert_non_null(strstr(lt_error(), "cannot be written as JSON"));
    lt_arena_free(&a);
}

static void test_yaml__places(void **state)
{
    (void)state;
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    const char *text = "# comment\nname: x\nsteps:\n  - verb: pack\n    out: a\n  - &b {verb: train}\n  - *b\n";
    assert_ok(lt_yaml_parse("r.yaml", lt_str(text), &a, &y));
    const struct lt_yaml *steps = lt_yaml_get(y, "steps");
    assert_non_null(steps);
    assert_null(lt_yaml_get(y, "absent"));
    assert_int_equal(steps->count, 3);
    assert_int_equal(steps->item[0]->line, 4);
    assert_int_equal(steps->item[0]->column, 5);
    assert_int_equal(steps->item[0]->key[1]->line, 5);
    assert_ptr_equal(steps->item[1], steps->item[2]);
    assert_ok(lt_yaml_parse("r.yaml", lt_str("\n# nothing\n"), &a, &y));
    assert_true(lt_yaml_is_null(y));
    lt_arena_free(&a);
}

static void refused(const char *text, const char *sentence)
{
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    assert_fails(lt_yaml_parse("r.yaml", lt_str(text), &a, &y), sentence);
    lt_arena_free(&a);
}

static void test_yaml__refused(void **state)
{
    (void)state;
    refused("a: 1\nb: 2\na: 3\n", "r.yaml: line 3, column 1: the key \"a\" is given twice, first in line 1");
    refused("a: [1, 2\nb: 3\n", "r.yaml: line ");
    refused("a: 1\n\tb: 2\n", "line 2, column 1");
    refused("a: !!int 3\n", "line 1, column 4: tags are not taken");
    refused("a: *gone\n", "line 1, column 4: this alias names no anchor");
    refused("a: &a [*a]\n", "names no anchor");
    refused("? [x]\n: 1\n", "expected a key that is a text");
    refused("a: 1\n---\nb: 2\n", "a second document begins");
    refused("a: \"x\\0y\"\n", "may not hold a NUL byte");
    refused("a: \xff\n", "r.yaml: byte 3: ");
    struct lt_buf b = { 0 };
    for (int i = 0; i < 100000; i++) lt_buf_char(&b, '[');
    refused(b.p, "column 66: nested too deep");
    lt_buf_clear(&b);
    lt_buf_str(&b, "a0: &a0 [x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 20; i++)
        lt_buf_fmt(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1);
    refused(b.p, "too many nodes once its aliases are spelt out");
    lt_buf_clear(&b);
    lt_buf_str(&b, "- &a0 [x]\n");
    for (int i = 1; i < 70; i++) lt_buf_fmt(&b, "- &a%d [*a%d]\n", i, i - 1);
    refused(b.p, "nested too deep");
    lt_buf_free(&b);
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    assert_fails(lt_yaml_parse("r.yaml", (struct lt_str){ NULL, LT_YAML_MAX + 1 }, &a, &y), "more than");
    assert_fails(lt_yaml_read("/nowhere/r.yaml", &a, &y), "cannot open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml__core_schema),
        cmocka_unit_test(test_yaml__values_for_rows),
        cmocka_unit_test(test_yaml__places),
        cmocka_unit_test(test_yaml__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
