/* The scanned lists of a tokenizer.json against jansson's document of the same text: the same pieces and merges, or no
 * scan at all. */
#include "test.h"
#include "text/tok.h"

/* A piece stands there twice: what the scan leaves to its user. */
static bool twice(const struct lt_tok_lists *l)
{
    for (size_t i = 0; i < l->count; i++)
        for (size_t k = 0; k < i; k++)
            if (lt_str_eq(l->piece[i].text, l->piece[k].text)) return true;
    return false;
}

static void compare_lists(const struct lt_tok_lists *l, json_t *vocab, json_t *merges)
{
    assert_int_equal(l->count, json_object_size(vocab));
    for (size_t i = 0; i < l->count; i++) {
        json_t *id = json_object_getn(vocab, l->piece[i].text.p, l->piece[i].text.n);
        if (!json_is_integer(id) || json_integer_value(id) != l->piece[i].id)
            fail_msg("piece %zu is \"%.*s\" %d", i, (int)l->piece[i].text.n, l->piece[i].text.p, l->piece[i].id);
    }
    if (l->has_merges) assert_int_equal(l->merge_count, json_array_size(merges));
    for (size_t i = 0; i < l->merge_count; i++) {
        json_t *row = json_array_get(merges, i), *want = json_is_array(row) ? row : json_array();
        if (json_is_array(row)) {
            json_incref(row);
        } else {
            const char *all = json_string_value(row), *space = strchr(all, ' ');
            json_array_append_new(want, json_stringn(all, (size_t)(space - all)));
            json_array_append_new(want, json_string(space + 1));
        }
        assert_int_equal(json_array_size(want), 2);
        for (size_t k = 0; k < 2; k++) {
            json_t *side = json_array_get(want, k);
            assert_true(lt_str_eq(l->merge[i].side[k], (struct lt_str){ json_string_value(side),
                                                                        json_string_length(side) }));
        }
        json_decref(want);
    }
}

/* Whatever is scanned is what jansson reads, or jansson refuses what is left. */
static void compare(const char *text, bool scanned)
{
    struct lt_tok_lists l;
    const bool ok = lt_tok_lists_scan(lt_str(text), &l);
    if (ok != scanned) fail_msg("%s: %s", text, ok ? "scanned" : "not scanned");
    json_error_t e;
    json_t *whole = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    json_t *rest = ok ? json_loadb(l.rest.p, l.rest.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e) : NULL;
    if (rest && !whole) {
        assert_true(twice(&l));
    } else if (rest) {
        json_t *model = json_object_get(whole, "model"), *vocab = json_object_get(model, "vocab");
        json_t *merges = json_object_get(model, "merges");
        compare_lists(&l, vocab, merges);
        json_object_clear(vocab);
        if (l.has_merges) json_array_clear(merges);
        assert_true(json_equal(whole, rest));
    }
    json_decref(whole);
    json_decref(rest);
    lt_tok_lists_free(&l);
}

#define MODEL(vocab, merges) \
    "{\"a\":[{\"model\":1},\"]\\\"}\"],\"model\":{\"vocab\":" vocab ",\"x\":[{}],\"merges\":" merges ",\"y\":1.5e3}," \
    "\"last\":null}"

static void test_tok_json_lists__like_a_document(void **state)
{
    (void)state;
    compare(MODEL("{}", "[]"), true);
    compare(MODEL("{\"a\":0, \"\" : 12 ,\n\t\"\xC3\xA9\":3}", "[\"a b\",[\"c\" , \"d e\"]]"), true);
    compare(MODEL("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":1,\"\\u00e9\\uD83D\\uDE00x\":2}",
                  "[\"\\u0041 \\\\\", \"a \"]"), true);
    compare("{\"model\":{\"merges\":[],\"type\":\"BPE\",\"vocab\":{\"b\":1,\"a\":0}}}", true);
    compare(" { \"model\" : { \"vocab\" : { \"b\" : 1 } } } ", true);
}

/* Left to whoever reads the whole, which may be possible. */
static void test_tok_json_lists__unusual(void **state)
{
    (void)state;
    static const char *const vocab[] = {
        "[]", "null", "{\"a\":1.0}", "{\"a\":-1}", "{\"a\":01}", "{\"a\":1000000000}", "{\"a\":}", "{\"a\":1,}",
        "{\"a\" 1}", "{a:1}", "{\"\\u0000\":1}", "{\"\\uD800\":1}", "{\"\\uDC00\":1}", "{\"\\x\":1}",
        "{\"\\uD800\\u0041\":1}", "{\"\\u12\":1}", "{\"a\n\":1}", "{\"\xC3\":1}", "{\"a\":1 2}", "{\"a\":\"1\"}",
    };
    for (int i = 0; i < LT_COUNT(vocab); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"model\":{\"vocab\":%s}}", vocab[i]);
        compare(text, false);
    }
    static const char *const merges[] = { "{}", "null", "[\"a\"]", "[\"a b c\"]", "[[\"a\"]]", "[[\"a\",\"b\",\"c\"]]",
                                          "[1]", "[\"a b\",]", "[\"a b\"", "[[\"a\",1]]" };
    for (int i = 0; i < LT_COUNT(merges); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"model\":{\"vocab\":{},\"merges\":%s}}", merges[i]);
        compare(text, false);
    }
    compare("", false);
    compare("{}", false);
    compare("[]", false);
    compare("{\"model\":{\"vocab\":{},\"vocab\":{}}}", false);
    compare("{\"model\":{\"vocab\":{}},\"model\":{\"vocab\":{}}}", false);
}

/* The scan takes these, and what is left is no JSON either. */
static void test_tok_json_lists__wrong_elsewhere(void **state)
{
    (void)state;
    compare("{\"model\":{\"vocab\":{}},\"x\":}", true);
    compare("{\"model\":{\"vocab\":{}}", true);
    compare("{\"model\":{\"vocab\":{\"a\":1,\"a\":2}}}", true);
    compare("{\"model\":{\"vocab\":{}},\"x\":[}]}", true);
    compare("{\"model\":{\"vocab\":{}}} x", true);
    compare("{\"model\":{\"vocab\":{}},\"x\":1,\"x\":2}", true);
}

/* Every stretch of a file, and every byte of it changed. */
static void test_tok_json_lists__damaged(void **state)
{
    (void)state;
    static const char good[] = MODEL("{\"a\":0,\"\\u0062\":1}", "[\"a b\",[\"a\",\"b\"]]");
    static const char other[] = "\"\\{}[],:01 x\x01\xC3";
    int both = 0;
    for (size_t i = 0; i < sizeof good; i++) {
        for (size_t k = 0; k < sizeof other; k++) {
            char text[sizeof good];
            memcpy(text, good, sizeof good);
            text[LT_MIN(i, sizeof good - 2)] = other[k];
            struct lt_tok_lists l;
            const bool ok = lt_tok_lists_scan(lt_str(text), &l);
            lt_tok_lists_free(&l);
            compare(text, ok);
            both |= ok ? 1 : 2;
        }
    }
    assert_int_equal(both, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_json_lists__like_a_document),
        cmocka_unit_test(test_tok_json_lists__unusual),
        cmocka_unit_test(test_tok_json_lists__wrong_elsewhere),
        cmocka_unit_test(test_tok_json_lists__damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
