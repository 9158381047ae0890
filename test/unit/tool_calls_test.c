/* Calls of tools in texts of models: found whole, found in pieces, and made by grammar. */
#include "test.h"
#include "decode/grammar/grammar.h"
#include "serve/messages.h"
#include "serve/tool_calls.h"

static const char tools_text[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":"
    "{\"$ref\":\"#/$defs/n\"},\"b\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"a\",\"b\"],"
    "\"additionalProperties\":false,\"$defs\":{\"n\":{\"type\":\"integer\"}}}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]";
static const char hermes[] = "{{ tools }}<tool_call>", mistral[] = "{{ tools }}[TOOL_CALLS]", plain[] = "{{ tools }}",
                  llama[] = "{{ tools }} {\"name\": function name, \"parameters\": dictionary of its arguments}";

/* expected: TEXT|name(arguments)|... */
static const struct reading { const char *chat_template; bool forced; const char *text, *expected; } readings[] = {
    { hermes, 0, "no call", "no call" },
    { hermes, 0, "  \n", "  \n" },
    { hermes, 0, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": \"}<\\\"\"}}\n</tool_call>",
      "|add({\"a\": 1, \"b\": \"}<\\\"\"})" },
    { hermes, 0, "Well. <tool_call>{\"arguments\":{\"x\":[{}]},\"name\":\"now\"}</tool_call>",
      "Well. |now({\"x\":[{}]})" },
    { hermes, 0,
      "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"now\"}</tool_call>\n",
      "|now({})|now({})" },
    { hermes, 0, "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call> Done", "Done|now({})" },
    { hermes, 0, "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>",
      "<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>" },
    { hermes, 0, "<tool_call>nothing", "<tool_call>nothing" },
    { hermes, 0, "<tool_call>", "<tool_call>" },
    { hermes, 0, "a <tool b", "a <tool b" },
    { hermes, 0, "a <tool", "a <tool" },
    { hermes, 0, "<tool_call>{\"name\":\"now\",\"arguments\":\"x\"}",
      "<tool_call>{\"name\":\"now\",\"arguments\":\"x\"}" },
    { hermes, 0, "<tool_call>{\"name\":\"now\",\"arguments\":{\"cut", "|now({\"cut)" },
    { hermes, 0, "<tool_call>{\"nam", "<tool_call>{\"nam" },
    { hermes, 1, "{\"name\": \"add\", \"arguments\": {\"a\":1,\"b\":2}}", "|add({\"a\":1,\"b\":2})" },
    { hermes, 1, "{\"nam", "" },
    { mistral, 0, "[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"add\", \"arguments\": {\"a\":1}}]",
      "|now({})|add({\"a\":1})" },
    { mistral, 0, "[TOOL_CALLS] [{\"name\":\"now\",\"arguments\":{}}]", "|now({})" },
    { mistral, 0, "[1, 2]", "[1, 2]" },
    { mistral, 0, "[{\"a\": 1}]", "[{\"a\": 1}]" },
    { llama, 0, "{\"name\": \"add\", \"parameters\": {\"a\": 1}}", "|add({\"a\": 1})" },
    { llama, 0, " {\"type\":\"function\",\"name\":\"now\",\"parameters\":{}}", "|now({})" },
    { llama, 0, "Say {\"name\": \"now\", \"parameters\": {}}", "Say {\"name\": \"now\", \"parameters\": {}}" },
    { llama, 0, "{\"name\": 3, \"parameters\": {}} and", "{\"name\": 3, \"parameters\": {}} and" },
    { plain, 0, "{\"name\": \"now\", \"arguments\": {}}", "|now({})" },
    { plain, 0, "{\"n\\u0061me\": \"now\"}", "{\"n\\u0061me\": \"now\"}" },
    { plain, 0, "{]", "{]" },
};

static json_t *tools(void)
{
    json_t *v;
    struct lt_fault f = { 0 };
    assert_ok(lt_json_parse("tools", lt_str(tools_text), &v));
    assert_int_equal(lt_tools_check(v, &f), 0);
    return v;
}

static void spell(const struct lt_heard *h, struct lt_buf *out)
{
    lt_buf_put(out, "", 0);
    if (h->text.n) lt_buf_put(out, h->text.p, h->text.n);
    for (int i = 0; i < h->calls; i++)
        lt_buf_fmt(out, "|%s(%s)", h->call[i].name.p, h->call[i].arguments.p ? h->call[i].arguments.p : "");
}

/* r NULL: in one piece. */
static void hear(const struct reading *w, const json_t *with, struct lt_rng *r, struct lt_buf *out)
{
    const struct lt_tool_form *form = lt_tool_form_of(lt_str(w->chat_template));
    struct lt_tool_reader *reader = lt_tool_reader_new(form, with, w->forced, INT32_MAX);
    struct lt_heard h = { 0 };
    size_t n = strlen(w->text);
    for (size_t at = 0, part; r && at < n; at += part) {
        part = 1 + lt_rng_below(r, LT_MIN(n - at, 5));
        lt_tool_reader_push(reader, (struct lt_str){ w->text + at, part }, false, lt_heard_put, &h);
    }
    lt_tool_reader_push(reader, lt_str(r ? "" : w->text), true, lt_heard_put, &h);
    spell(&h, out);
    lt_tool_reader_free(reader);
    lt_heard_release(&h);
}

static void test_tool_calls__texts(void **state)
{
    json_t *with = tools();
    (void)state;
    for (int i = 0; i < LT_COUNT(readings); i++) {
        struct lt_buf whole = { 0 };
        hear(&readings[i], with, NULL, &whole);
        if (strcmp(whole.p, readings[i].expected))
            fail_msg("%s:\n%s, not\n%s", readings[i].text, whole.p, readings[i].expected);
        lt_buf_free(&whole);
    }
    json_decref(with);
}

static void test_tool_calls__pieces_say_what_the_whole_says(void **state)
{
    json_t *with = tools();
    struct lt_rng r = lt_rng_make(2, "pieces");
    (void)state;
    for (int i = 0; i < LT_COUNT(readings) * 50; i++) {
        const struct reading *w = &readings[i % LT_COUNT(readings)];
        struct lt_buf parts = { 0 };
        hear(w, with, &r, &parts);
        assert_string_equal(parts.p, w->expected);
        lt_buf_free(&parts);
    }
    json_decref(with);
}

static void test_tool_calls__at_most_one(void **state)
{
    json_t *with = tools();
    struct lt_tool_reader *r = lt_tool_reader_new(lt_tool_form_of(lt_str(hermes)), with, false, 1);
    struct lt_heard h = { 0 };
    struct lt_buf out = { 0 };
    (void)state;
    lt_tool_reader_push(r, lt_str("<tool_call>{\"name\":\"now\"}</tool_call><tool_call>{\"name\":\"now\"}</tool_call>"),
                        true, lt_heard_put, &h);
    spell(&h, &out);
    assert_string_equal(out.p, "|now({})");
    lt_buf_free(&out);
    lt_heard_release(&h);
    lt_tool_reader_free(r);
    json_decref(with);
}

/* ---- calls that must be made ---- */

static bool allows(const json_t *schema, const char *text)
{
    char *spelt = json_dumps(schema, 0);
    struct lt_grammar *g;
    assert_ok(lt_grammar_schema("schema", lt_str(spelt), 4, &g));
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    int place = lt_gmachine_steps(m, lt_gmachine_start(m), lt_str(text));
    bool is = place >= 0 && lt_gmachine_ends(m, place);
    lt_gmachine_free(m);
    lt_grammar_free(g);
    free(spelt);
    return is;
}

static void test_tool_calls__schema(void **state)
{
    static const char two[] = "[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"now\", \"arguments\": {}}]";
    static const struct { const char *chat_template, *only, *text; bool parallel, allowed; } row[] = {
        { hermes, NULL, "{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}", true, true },
        { hermes, NULL, "{\"name\": \"now\", \"arguments\": {}}", true, true },
        { hermes, NULL, "{\"name\": \"now\", \"arguments\": {\"any\": [1]}}", true, true },
        { hermes, NULL, "{\"name\": \"add\", \"arguments\": {\"a\": 1}}", true, false },
        { hermes, NULL, "{\"name\": \"add\", \"arguments\": {\"a\": \"x\", \"b\": 2}}", true, false },
        { hermes, NULL, "{\"name\": \"sub\", \"arguments\": {\"a\": 1, \"b\": 2}}", true, false },
        { hermes, "now", "{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}", true, false },
        { hermes, "add", "{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}", true, true },
        { llama, NULL, "{\"name\": \"now\", \"parameters\": {}}", true, true },
        { mistral, NULL, two, true, true }, { mistral, NULL, two, false, false },
        { mistral, "add", "[{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}]", false, true },
        { mistral, NULL, "[]", true, false },
    };
    json_t *with = tools();
    (void)state;
    for (int i = 0; i < LT_COUNT(row); i++) {
        json_t *schema = lt_tool_schema(lt_tool_form_of(lt_str(row[i].chat_template)), with, row[i].only,
                                        row[i].parallel);
        if (allows(schema, row[i].text) != row[i].allowed) fail_msg("row %d: %s", i, row[i].text);
        json_decref(schema);
    }
    json_decref(with);
}

static void test_tool_calls__forms(void **state)
{
    (void)state;
    assert_string_equal(lt_tool_form_of(lt_str(hermes))->name, "hermes");
    assert_string_equal(lt_tool_form_of(lt_str(mistral))->name, "mistral");
    assert_string_equal(lt_tool_form_of(lt_str(llama))->name, "llama");
    assert_string_equal(lt_tool_form_of(lt_str(plain))->name, "plain");
    assert_null(lt_tool_form_of(lt_str("{{ messages }}")));
    assert_null(lt_tool_form_of((struct lt_str){ NULL, 0 }));
}

/* ---- messages ---- */

static void test_messages__as_templates_want_them(void **state)
{
    static const char given[] =
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\\\"x\\\": 1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"2\"}]";
    struct lt_fault f = { 0 };
    json_t *v, *out = NULL;
    (void)state;
    assert_ok(lt_json_parse("messages", lt_str(given), &v));
    assert_int_equal(lt_messages_take(v, &out, &f), 0);
    assert_string_equal(json_string_value(json_object_get(json_array_get(out, 0), "content")), "a\nb");
    json_t *call = json_array_get(json_object_get(json_array_get(out, 1), "tool_calls"), 0);
    assert_string_equal(json_string_value(json_object_get(call, "type")), "function");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_object_get(call, "function"), "arguments"),
                                                        "x")), 1);
    assert_true(json_is_array(json_object_get(json_array_get(v, 0), "content")));       /* the given stays */
    json_decref(v);
    json_decref(out);
}

static void test_messages__faults(void **state)
{
    static const char *const row[][2] = {
        { "{}", "messages" }, { "[]", "messages" }, { "[1]", "messages[0]" }, { "[{}]", "messages[0].role" },
        { "[{\"role\":\"user\"}]", "messages[0].content" },
        { "[{\"role\":\"user\",\"content\":1}]", "messages[0].content" },
        { "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", "messages[0].content" },
        { "[{\"role\":\"user\",\"content\":\"a\",\"images\":[\"x\"]}]", "messages[0].images" },
        { "[{\"role\":\"a\",\"content\":\"a\"},{\"role\":\"a\",\"tool_calls\":[]}]", "messages[1].content" },
        { "[{\"role\":\"a\",\"tool_calls\":{}}]", "messages[0].tool_calls" },
        { "[{\"role\":\"a\",\"tool_calls\":[{}]}]", "messages[0].tool_calls" },
    };
    (void)state;
    for (int i = 0; i < LT_COUNT(row); i++) {
        struct lt_fault f = { 0 };
        json_t *v, *out = NULL;
        assert_ok(lt_json_parse("messages", lt_str(row[i][0]), &v));
        assert_int_equal(lt_messages_take(v, &out, &f), -1);
        assert_int_equal(f.status, 400);
        assert_string_equal(f.param, row[i][1]);
        lt_fault_release(&f);
        json_decref(v);
        json_decref(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tool_calls__texts),
        cmocka_unit_test(test_tool_calls__pieces_say_what_the_whole_says),
        cmocka_unit_test(test_tool_calls__at_most_one),
        cmocka_unit_test(test_tool_calls__schema),
        cmocka_unit_test(test_tool_calls__forms),
        cmocka_unit_test(test_messages__as_templates_want_them),
        cmocka_unit_test(test_messages__faults),
    };
    return cmocka_run_group_tests_name("tool_calls", tests, NULL, NULL);
}
