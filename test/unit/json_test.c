/* JSON documents: what is refused, members with their ranges, and the way back to text. */
#include "base/json.h"
#include "test.h"

static json_t *parse(const char *text)
{
    json_t *j;
    assert_ok(lt_json_parse("file.json", lt_str(text), &j));
    return j;
}

static void test_json__refused(void **state)
{
    (void)state;
    json_t *j;
    assert_fails(lt_json_parse("file.json", lt_str(""), &j), "file.json: not JSON: line 1, column 1");
    assert_fails(lt_json_parse("file.json", lt_str("{\n  \"a\": 1,\n  \"b\": oops\n}"), &j), "line 3, column");
    assert_fails(lt_json_parse("file.json", lt_str("{\"a\": 1, \"a\": 2}"), &j), "duplicate object key");
    assert_fails(lt_json_parse("file.json", lt_str("{} x"), &j), "not JSON");
    assert_fails(lt_json_parse("file.json", lt_str("[\"\xff\"]"), &j), "not JSON");
    assert_fails(lt_json_parse("file.json", lt_str("[\x01\x1b]"), &j), "near '?'");
    assert_fails(lt_json_parse("file.json", lt_str("[\"a\\u0000b\"]"), &j), "column 11: no text may hold");
    assert_fails(lt_json_parse("file.json", lt_str("[99999999999999999999]"), &j), "too big integer");
    assert_fails(lt_json_parse("file.json", lt_str("[1e999]"), &j), "real number overflow");
    assert_fails(lt_json_parse("file.json", (struct lt_str){ NULL, (size_t)LT_JSON_MAX + 1 }, &j), "more than");
    struct lt_buf deep = { 0 };
    for (int i = 0; i < 100000; i++) lt_buf_char(&deep, '[');
    assert_fails(lt_json_parse("file.json", lt_buf_view(&deep), &j), "maximum parsing depth");
    lt_buf_free(&deep);
    assert_fails(lt_json_read("/nowhere/x.json", &j), "/nowhere/x.json: cannot open");
}

static void test_json__members(void **state)
{
    (void)state;
    json_t *j = parse("{\"n\": 12, \"whole\": 1e4, \"x\": 1.5, \"yes\": true, \"t\": \"word\", \"l\": [1], \"o\": {},"
                      " \"no\": null}");
    int64_t n = 7;
    double x = 0.25;
    bool yes = false;
    const char *text = "before";
    json_t *v = NULL;
    assert_int_equal(lt_json_int(j, "file.json", "n", 0, 12, &n), 1);
    assert_int_equal(n, 12);
    assert_int_equal(lt_json_int(j, "file.json", "whole", 0, 10000, &n), 1);
    assert_int_equal(n, 10000);
    assert_int_equal(lt_json_int(j, "file.json", "absent", 0, 1, &n), 0);
    assert_int_equal(lt_json_int(j, "file.json", "no", 0, 1, &n), 0);
    assert_int_equal(n, 10000);
    assert_fails(lt_json_int(j, "file.json", "n", 0, 11, &n),
                 "file.json: \"n\": expected a whole number from 0 to 11, found 12");
    assert_fails(lt_json_int(j, "file.json", "x", 0, 11, &n), "\"x\": expected a whole number, found a number");
    assert_int_equal(lt_json_real(j, "file.json", "x", &x), 1);
    assert_true(x == 1.5);
    assert_int_equal(lt_json_real(j, "file.json", "n", &x), 1);
    assert_true(x == 12);
    assert_fails(lt_json_real(j, "file.json", "t", &x), "\"t\": expected a number, found a text");
    assert_int_equal(lt_json_bool(j, "file.json", "yes", &yes), 1);
    assert_true(yes);
    assert_fails(lt_json_bool(j, "file.json", "n", &yes), "expected true or false, found a whole number");
    assert_int_equal(lt_json_str(j, "file.json", "t", &text), 1);
    assert_string_equal(text, "word");
    assert_fails(lt_json_str(j, "file.json", "l", &text), "expected a text, found a list");
    assert_int_equal(lt_json_array(j, "file.json", "l", &v), 1);
    assert_int_equal(json_array_size(v), 1);
    assert_fails(lt_json_array(j, "file.json", "o", &v), "expected a list, found an object");
    assert_int_equal(lt_json_object(j, "file.json", "o", &v), 1);
    assert_fails(lt_json_object(j, "file.json", "yes", &v), "expected an object, found true");
    assert_ok(lt_json_need(j, "file.json", "n"));
    assert_fails(lt_json_need(j, "file.json", "no"), "file.json: \"no\" is missing");
    json_decref(j);
}

static void test_json__written(void **state)
{
    (void)state;
    const char *text = "{\n  \"b\": 1,\n  \"a\": {\"x\": [1, 2], \"y\": 0.0003},\n"
                       "  \"empty\": [],\n  \"words\": [\"q\\\"\\\\\\n\", true, false, null]\n}";
    json_t *j = parse(text);
    struct lt_buf b = { 0 };
    lt_json_put(&b, j);
    json_t *again = parse(b.p);
    assert_true(json_equal(j, again));
    assert_string_equal(b.p, "{\n  \"b\": 1,\n  \"a\": {\n    \"x\": [1, 2],\n    \"y\": 0.0003\n  },\n"
                             "  \"empty\": [],\n  \"words\": [\"q\\\"\\\\\\u000a\", true, false, null]\n}");
    json_decref(again);
    json_decref(j);
    j = json_array();
    for (int i = 0; i < 60; i++) json_array_append_new(j, json_integer(i));
    lt_buf_clear(&b);
    lt_json_put(&b, j);
    assert_non_null(strchr(b.p, '\n'));     /* too long for one line */
    json_decref(j);
    lt_buf_clear(&b);
    lt_json_put_real(&b, 0.1);
    lt_buf_char(&b, ' ');
    lt_json_put_real(&b, 1.0 / 3);
    lt_buf_char(&b, ' ');
    lt_json_put_real(&b, -1.0 / 0.0);
    assert_string_equal(b.p, "0.1 0.3333333333333333 \"-inf\"");
    lt_buf_free(&b);
}

static void test_json__nul_is_in_no_text(void **state)
{
    (void)state;
    struct lt_buf b = { 0 };
    json_t *read, *piece = json_stringn("a\0b", 3);
    lt_json_put_text(&b, (struct lt_str){ "a\0b", 3 });
    assert_string_equal(b.p, "\"a\xEF\xBF\xBD" "b\"");
    assert_ok(lt_json_parse("text", lt_buf_view(&b), &read));
    lt_buf_clear(&b);
    lt_json_put_exact(&b, (struct lt_str){ "a\0b", 3 });
    lt_json_put(&b, piece);
    assert_string_equal(b.p, "\"a\\u0000b\"\"a\\u0000b\"");
    json_decref(read);
    json_decref(piece);
    lt_buf_free(&b);
}

static void test_json__text_that_is_no_utf8(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "a\xC3", "\"a\xEF\xBF\xBD\"" }, { "\xE2\x80", "\"\xEF\xBF\xBD\"" }, { "\xC3\xA9", "\"\xC3\xA9\"" },
        { "\xED\xA0\x80" "b", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" "b\"" }, { "\xFF\n", "\"\xEF\xBF\xBD\\u000a\"" },
        { "\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\"" }, { "\xF0\x9F\x98", "\"\xEF\xBF\xBD\"" },
        { "\xE2(\x80", "\"\xEF\xBF\xBD(\xEF\xBF\xBD\"" },
    };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_buf b = { 0 };
        json_t *read;
        lt_json_put_text(&b, lt_str(cases[i][0]));
        assert_string_equal(b.p, cases[i][1]);
        lt_buf_char(&b, ']');
        struct lt_buf list = { 0 };
        lt_buf_fmt(&list, "[%s", b.p);
        assert_ok(lt_json_parse("list", lt_buf_view(&list), &read));
        json_decref(read);
        lt_buf_free(&list);
        lt_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__refused),
        cmocka_unit_test(test_json__members),
        cmocka_unit_test(test_json__written),
        cmocka_unit_test(test_json__text_that_is_no_utf8),
        cmocka_unit_test(test_json__nul_is_in_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
