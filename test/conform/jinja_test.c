/* Chat templates render what transformers renders: test/oracle/jinja.json, made by test/oracle/make_jinja.py.
 * LATHE_JINJA_CASES names another file of that form to check. */
#include "test.h"
#include "base/json.h"
#include "text/jinja/jinja.h"
#include <time.h>

/* Bytes of the first n characters. */
static size_t bytes_of(const char *s, json_int_t n)
{
    size_t i = 0;
    for (; n > 0 && s[i]; n--)
        for (i++; ((unsigned char)s[i] & 0xC0) == 0x80;) i++;
    return i;
}

static bool same_spans(const json_t *want, const char *text, const struct lt_jinja_spans *got)
{
    bool same = json_array_size(want) == got->n;
    for (size_t i = 0; same && i < got->n; i++) {
        const json_t *span = json_array_get(want, i);
        same = bytes_of(text, json_integer_value(json_array_get(span, 0))) == got->at[i].begin &&
               bytes_of(text, json_integer_value(json_array_get(span, 1))) == got->at[i].end;
    }
    return same;
}

/* 0: as expected; else says what is not. */
static int check(const json_t *row, const json_t *values)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    const char *want = json_string_value(json_object_get(row, "output"));
    const json_t *vars = json_object_get(row, "vars"), *spans = json_object_get(row, "spans");
    const json_t *source = json_object_get(row, "template");
    struct lt_str text = { json_string_value(source), json_string_length(source) };
    struct lt_jinja *t = NULL;
    struct lt_jinja_spans got = { 0 };
    struct lt_buf b = { 0 };
    int rc = lt_jinja_compile("template", text, &t), bad = 0;
    if (!rc) rc = lt_jinja_render(t, json_is_string(vars) ? values : vars, time(NULL), &b, spans ? &got : NULL);
    if (rc && want) bad = fprintf(stderr, "%s: failed: %s\n", name, lt_error());
    else if (!rc && !want) bad = fprintf(stderr, "%s: expected an error, rendered \"%s\"\n", name, b.p ? b.p : "");
    else if (!rc && strcmp(want, b.p ? b.p : ""))
        bad = fprintf(stderr, "%s:\n expected %s\n found    %s\n", name, want, b.p);
    else if (!rc && spans && !same_spans(spans, want, &got)) bad = fprintf(stderr, "%s: other spans\n", name);
    lt_jinja_free(t);
    lt_buf_free(&b);
    free(got.at);
    return bad ? 1 : 0;
}

static void test_jinja__renders_as_transformers(void **state)
{
    (void)state;
    const char *path = getenv("LATHE_JINJA_CASES");
    json_t *root, *row;
    size_t i;
    int bad = 0;
    assert_ok(lt_json_read(path ? path : "test/oracle/jinja.json", &root));
    json_t *rows = json_object_get(root, "rows");
    assert_true(json_array_size(rows) > 100);
    json_array_foreach(rows, i, row) bad += check(row, json_object_get(root, "values"));
    json_decref(root);
    if (bad) fail_msg("%d of %zu templates", bad, i);
}

static int render(const char *source, struct lt_buf *out)
{
    struct lt_jinja *t;
    json_t *vars = json_pack("{s:s}", "s", "text");
    int rc = lt_jinja_compile("chat_template", lt_str(source), &t);
    if (!rc) {
        rc = lt_jinja_render(t, vars, 0, out, NULL);
        lt_jinja_free(t);
    }
    json_decref(vars);
    return rc;
}

static void fails(const char *source, const char *part)
{
    struct lt_buf b = { 0 };
    lt_buf_str(&b, "before");
    assert_fails(render(source, &b), part);
    assert_string_equal(b.p, "before");
    lt_buf_free(&b);
}

/* Messages say the line and what was expected; nothing is left in the output. */
static void test_jinja__errors(void **state)
{
    (void)state;
    fails("a\nb {% if %}", "chat_template: line 2: expected an expression, found \"%}\"");
    fails("a\n\n{{ s | nonsense }}", "line 3: there is no filter \"nonsense\"");
    fails("{% for i in [1] %}\n{{ i.x.y }}{% endfor %}", "line 2: \"x\" is not defined, so it has no \"y\"");
    fails("{{ raise_exception('no') }}", "line 1: the template refuses this conversation: no");
    fails("{% break %}", "expected a loop around break and continue");
    fails("{{ s.upper(1) }}", "upper takes at most 0 values, and 1 are given");
    fails("{% include 'x' %}", "expected if, for, set");
}

/* A hostile template ends with a sentence: endless recursion, loops, growth, nesting. */
static void test_jinja__is_bounded(void **state)
{
    (void)state;
    struct lt_buf b = { 0 };
    fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested too deep");
    fails("{% for i in range(99999) %}{% for j in range(99999) %}{{ s[0] }}{% endfor %}{% endfor %}",
          "needs more than");
    lt_buf_str(&b, "{% for i in range(99999) %}{% if 1");
    for (int i = 0; i < 400; i++) lt_buf_str(&b, " + 1");
    lt_buf_str(&b, " %}{% endif %}{% endfor %}");
    fails(b.p, "does not end");
    lt_buf_clear(&b);
    fails("{% set n = namespace(s='xxxxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
          "too long");
    fails("{% set n = namespace(s=[]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}",
          "values are nested too deep");
    for (int i = 0; i < 100000; i++) lt_buf_str(&b, i ? "(" : "{{ ");
    fails(b.p, "nested too deep");
    lt_buf_clear(&b);
    for (int i = 0; i < 100000; i++) lt_buf_str(&b, i ? " ~ s" : "{{ s");
    lt_buf_str(&b, " }}");
    fails(b.p, "nested too deep");
    lt_buf_clear(&b);
    for (int i = 0; i < 5000; i++) lt_buf_str(&b, "{% if s %}");
    fails(b.p, "nested too deep");
    lt_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jinja__renders_as_transformers),
        cmocka_unit_test(test_jinja__errors),
        cmocka_unit_test(test_jinja__is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
