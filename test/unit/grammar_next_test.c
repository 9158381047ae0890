/* What the grammar editor is told: masks against trying every token, errors at their place, limits. */
#include "serve/grammar_next.h"
#include "decode/grammar/grammar.h"
#include "serve/spelling.h"
#include "test.h"
#include "text/tokenizer.h"

/* Every byte, an end token, and some longer pieces. */
enum { BYTES = 256, END = 256, MORE = 257 };
static const char *const longer[] = { "ye", "yes", "no", "es", "\xc3\xa9", " a" };

static struct lt_tokenizer *make_tokenizer(void)
{
    enum { COUNT = MORE + LT_COUNT(longer) };
    struct lt_buf spelt[COUNT] = { { 0 } };
    struct lt_str piece[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char byte = (char)i;
        if (i == END) lt_buf_str(&spelt[i], "<|end|>");
        else lt_tok_spell(&spelt[i], i < BYTES ? (struct lt_str){ &byte, 1 } : lt_str(longer[i - MORE]));
        piece[i] = lt_buf_view(&spelt[i]);
    }
    struct lt_tok_added end = { .id = END, .content = piece[END], .special = true };
    struct lt_tok_spec spec = {
        .kind = LT_TOK_BPE, .count = COUNT, .piece = piece, .added = &end, .added_count = 1,
        .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .decoder = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
        .bos = END, .eos = END, .unk_id = -1,
    };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    for (int i = 0; i < COUNT; i++) lt_buf_free(&spelt[i]);
    return t;
}

static int set_up(void **state) { *state = make_tokenizer(); return 0; }
static int tear_down(void **state) { lt_tokenizer_free(*state); return 0; }

/* The reply to a body whose quotes are written as '; NULL and *f when it is refused. */
static json_t *ask(const struct lt_tokenizer *t, const char *body, struct lt_fault *f)
{
    struct lt_grammar_ask a;
    struct lt_buf out = { 0 };
    char *text = lt_strdup(body);
    json_t *reply = NULL;
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    int rc = lt_grammar_ask_parse(&a, lt_str(text), f);
    if (!rc) rc = lt_grammar_ask_answer(&a, t, &out, f);
    if (!rc) assert_ok(lt_json_parse("reply", lt_buf_view(&out), &reply));
    lt_grammar_ask_release(&a);
    lt_buf_free(&out);
    free(text);
    return reply;
}

static json_t *answered(const struct lt_tokenizer *t, const char *body)
{
    struct lt_fault f = { 0 };
    json_t *reply = ask(t, body, &f);
    if (!reply) fail_msg("%s: %s", body, f.message);
    return reply;
}

static bool is(const json_t *j, const char *key) { return json_is_true(json_object_get(j, key)); }
static int64_t count(const json_t *j, const char *key) { return json_integer_value(json_object_get(j, key)); }

static void test_grammar_next__a_text_on_its_way(void **state)
{
    json_t *j = answered(*state, "{'grammar':'root ::= \\'yes\\' | \\'no\\'','text':'','n':10}");
    assert_true(is(j, "valid"));
    assert_false(is(j, "complete"));
    assert_int_equal(count(j, "allowed"), 5);           /* y, n, ye, yes, no */
    assert_int_equal(count(j, "vocabulary"), MORE + LT_COUNT(longer));
    assert_int_equal(json_array_size(json_object_get(j, "pieces")), 5);
    json_decref(j);
    j = answered(*state, "{'grammar':'root ::= \\'yes\\' | \\'no\\'','text':'y','n':1}");
    assert_int_equal(count(j, "allowed"), 2);           /* e, es */
    assert_int_equal(json_array_size(json_object_get(j, "pieces")), 1);
    assert_string_equal(json_string_value(json_object_get(j, "forced")), "es");
    json_decref(j);
    j = answered(*state, "{'grammar':'root ::= \\'yes\\' | \\'no\\'','text':'no'}");
    assert_true(is(j, "complete"));
    assert_int_equal(count(j, "allowed"), 0);
    json_decref(j);
}

static void test_grammar_next__where_a_text_fails(void **state)
{
    json_t *j = answered(*state, "{'regex':'\xc3\xa9[ab]+','text':'\xc3\xa9""abx'}");
    assert_false(is(j, "valid"));
    assert_int_equal(count(j, "taken"), 3);             /* characters */
    assert_int_equal(count(j, "allowed"), 0);
    json_decref(j);
}

/* The mask is the tokens whose bytes the machine takes, and the end where the text may end. */
static void test_grammar_next__the_mask_is_what_every_token_says(void **state)
{
    static const char *const texts[] = { "", "a", "ye", "\xc3\xa9" };
    const struct lt_tokenizer *t = *state;
    struct lt_grammar *g;
    assert_ok(lt_grammar_regex("twin", lt_str("(a|y|\xc3\xa9)([a-z ]|\xc3\xa9){1,3}"), &g));
    for (int i = 0; i < LT_COUNT(texts); i++) {
        struct lt_gmachine *m = lt_gmachine_new(g, NULL);
        struct lt_buf body = { 0 };
        int place = lt_gmachine_steps(m, lt_gmachine_start(m), lt_str(texts[i])), allowed = 0;
        lt_buf_fmt(&body, "{'regex':'(a|y|\xc3\xa9)([a-z ]|\xc3\xa9){1,3}','text':'%s','check':[", texts[i]);
        for (int id = 0; id < lt_tokenizer_vocab(t); id++) lt_buf_fmt(&body, "%s%d", id ? "," : "", id);
        lt_buf_str(&body, "]}");
        json_t *j = answered(t, body.p), *check = json_object_get(j, "check");
        for (int id = 0; id < lt_tokenizer_vocab(t); id++) {
            struct lt_str bytes;
            assert_true(lt_tokenizer_bytes(t, id, &bytes));
            bool may = id == END ? lt_gmachine_ends(m, place) : lt_gmachine_steps(m, place, bytes) >= 0;
            assert_int_equal(json_is_true(json_array_get(check, (size_t)id)), may);
            allowed += may && id != END;
        }
        assert_int_equal(count(j, "allowed"), allowed);
        json_decref(j);
        lt_buf_free(&body);
        lt_gmachine_free(m);
    }
    lt_grammar_free(g);
}

static void test_grammar_next__tokens_by_their_spelling(void **state)
{
    json_t *j = answered(*state, "{'regex':'\xc3\xa9?','check':"
                         "['\xc3\xa9','bytes:\\\\xc3','bytes:\\\\xa9','<|end|>','']}");
    static const bool want[] = { true, true, false, true, false };
    for (int i = 0; i < LT_COUNT(want); i++)
        assert_int_equal(json_is_true(json_array_get(json_object_get(j, "check"), (size_t)i)), want[i]);
    json_decref(j);
}

static void test_grammar_next__a_spelling_gives_its_bytes_back(void **state)
{
    const struct lt_tokenizer *t = *state;
    for (int id = 0; id < lt_tokenizer_vocab(t); id++) {
        struct lt_buf spelt = { 0 }, bytes = { 0 };
        struct lt_str want;
        json_t *text;
        if (id == 0 || id == END) continue;             /* a NUL is no JSON text of ours; the end adds none */
        lt_spelling_put(&spelt, t, id);
        assert_ok(lt_json_parse("spelling", lt_buf_view(&spelt), &text));
        lt_spelling_bytes((struct lt_str){ json_string_value(text), json_string_length(text) }, &bytes);
        assert_true(lt_tokenizer_bytes(t, id, &want) && lt_str_eq(want, lt_buf_view(&bytes)));
        json_decref(text);
        lt_buf_free(&spelt);
        lt_buf_free(&bytes);
    }
}

static void test_grammar_next__errors_have_a_place(void **state)
{
    static const struct { const char *body, *says; int line, column; } bad[] = {
        { "{'grammar':'root ::= \\'a\\'\\nx ::= ?'}", "expected the end of the rule", 2, 7 },
        { "{'grammar':'root ::= a\\n# b\\nb ::= [a-'}", "expected", 3, 10 },
        { "{'grammar':'root ::= \\'\xc3\xa9\\' other'}", "\"other\" is called and not defined", 1, 14 },
        { "{'grammar':'x ::= \\'a\\''}", "no rule \"root\"", 0, 0 },
        { "{'grammar':''}", "no rule \"root\"", 0, 0 },
        { "{'regex':'\xc3\xa9(a|b'}", "a ( without its )", 1, 6 },
        { "{'regex':'a**)'}", "without its (", 1, 4 },
        { "{'regex':'line 9)'}", "without its (", 1, 7 },
        { "{'json_schema':'{\\'type\\':\\n }'}", "not JSON", 2, 2 },
        { "{'json_schema':{'properties':{'a':{'typo':1}}}}", "#/properties/a/typo", 1, 21 },
        { "{'json_schema':'{\\'anyOf\\':[true,\\n {\\'title\\':\\'[1,{}]\\',\\'typo\\':1}]}'}", "#/anyOf/1/typo",
          2, 20 },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        json_t *j = answered(*state, bad[i].body), *e = json_object_get(j, "error");
        const char *message = json_string_value(json_object_get(e, "message"));
        if (!message || !strstr(message, bad[i].says)) fail_msg("%s: %s", bad[i].body, message);
        if (count(e, "line") != bad[i].line || count(e, "column") != bad[i].column)
            fail_msg("%s: %s: found at line %lld, column %lld", bad[i].body, message, (long long)count(e, "line"),
                     (long long)count(e, "column"));
        json_decref(j);
    }
}

/* Whatever the sentence and the text, the place lies in the text. */
static void test_grammar_next__no_place_outside_the_text(void **state)
{
    static const char *const said[] = { "a: #/x/0/\"", "a: #//", "a: line 2: found \"zzz\"", "a: line -1",
                                        "a: byte 9999999999", "\"\"\"", "a: #/a/b: x", "a: line 2: found \"b\"",
                                        "line 1", "" };
    static const char *const texts[] = { "", "{", "[[[[", "{\"x\":[", "{\"a\":{\"b\"", "{\"a\" 1}", "a\nb", "\"",
                                         "{\"\\" };
    (void)state;
    for (int i = 0; i < LT_COUNT(said); i++)
        for (int k = 0; k < LT_COUNT(texts); k++) {
            struct lt_grammar_place p = lt_grammar_place(said[i], lt_str(texts[k]));
            assert_in_range(p.line, 0, 2);
            assert_in_range(p.column, 0, strlen(texts[k]) + 1);
        }
}

static void test_grammar_next__what_is_refused(void **state)
{
    static const struct { const char *body, *param, *says; } bad[] = {
        { "{'text':'a'}", NULL, "expected one of grammar" },
        { "{'regex':'a','grammar':'root ::= \\'a\\''}", "grammar", "give one" },
        { "{'regex':1}", "regex", "expected a text" },
        { "{'json_schema':[]}", "json_schema", "an object or a text" },
        { "{'regex':'a','text':1}", "text", "expected a text" },
        { "{'regex':'a','n':1001}", "n", "from 0 to 1000" },
        { "{'regex':'a','n':'1'}", "n", "expected a whole number" },
        { "{'regex':'a','check':1}", "check", "expected a list" },
        { "{'regex':'a','check':[null]}", "check", "expected token numbers or texts" },
        { "{'regex':'a','model':1}", "model", "expected a text" },
        { "{'regex':'a','temperature':1}", "temperature", "no field" },
        { "[]", NULL, "expected an object" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_fault f = { 0 };
        assert_null(ask(*state, bad[i].body, &f));
        assert_int_equal(f.status, 400);
        if (!strstr(f.message, bad[i].says)) fail_msg("%s: %s", bad[i].body, f.message);
        if (bad[i].param) assert_string_equal(f.param, bad[i].param);
        else assert_null(f.param);
        lt_fault_release(&f);
    }
    struct lt_fault f = { 0 };
    struct lt_buf body = { 0 };
    lt_buf_str(&body, "{'regex':'a*','text':'");
    for (int i = 0; i <= LT_GRAMMAR_NEXT_BYTES; i++) lt_buf_char(&body, 'a');
    lt_buf_str(&body, "'}");
    assert_null(ask(*state, body.p, &f));
    assert_string_equal(f.param, "text");
    lt_buf_free(&body);
    lt_fault_release(&f);
    assert_null(ask(NULL, "{'regex':'a'}", &f));
    assert_string_equal(f.code, "no_tokenizer");
    lt_fault_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar_next__a_text_on_its_way),
        cmocka_unit_test(test_grammar_next__where_a_text_fails),
        cmocka_unit_test(test_grammar_next__the_mask_is_what_every_token_says),
        cmocka_unit_test(test_grammar_next__tokens_by_their_spelling),
        cmocka_unit_test(test_grammar_next__a_spelling_gives_its_bytes_back),
        cmocka_unit_test(test_grammar_next__errors_have_a_place),
        cmocka_unit_test(test_grammar_next__no_place_outside_the_text),
        cmocka_unit_test(test_grammar_next__what_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
