/* JSON Schema: texts that the jsonschema package calls valid or not, and texts written at random, which must be
 * valid. */
#include "test.h"
#include "base/json.h"
#include "decode/grammar/schema.h"

/* ---- against test/oracle/make_json_schema.py ---- */
static int ends(const struct lt_grammar *g, const json_t *text)
{
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    int rc = lt_gmachine_ends(m, lt_gmachine_steps(m, lt_gmachine_start(m), lt_str(json_string_value(text))));
    lt_gmachine_free(m);
    return rc;
}

/* The checker of values that enum and const go through is a second opinion: it sides with the package. */
static int fits(const json_t *schema, const json_t *text)
{
    struct lt_schema s = { .label = "test", .root = schema };
    json_t *v = json_loads(json_string_value(text), JSON_DECODE_ANY, NULL);     /* takes names that come twice */
    assert_non_null(v);
    lt_grammar_builder_init(&s.b);
    int rc = lt_schema_fits(&s, schema, v, NULL);
    json_decref(v);
    free(s.nothing);
    lt_grammar_builder_release(&s.b);
    return rc;
}

static void check_row(const json_t *row, const char *source)
{
    static const char *const lists[] = { "taken", "valid", "invalid" };
    const json_t *schema = json_object_get(row, "schema");
    struct lt_grammar *g;
    json_t *text;
    size_t k;
    int rc = lt_grammar_schema("test", lt_str(source), 20, &g);
    if (json_object_get(row, "refused")) {
        if (!rc) fail_msg("%s: accepted", source);
        return;
    }
    if (rc) fail_msg("%s: %s", source, lt_error());
    for (int i = 0; i < LT_COUNT(lists); i++)
        json_array_foreach(json_object_get(row, lists[i]), k, text) {
            int takes = ends(g, text), good = fits(schema, text);
            if (i == 0 && !takes) fail_msg("%s: does not take %s", source, json_string_value(text));
            if (i == 2 && takes) fail_msg("%s: takes %s", source, json_string_value(text));
            if (i == 2 && good) fail_msg("%s: %s is said to fit", source, json_string_value(text));
            if (i == 0 && good != 1) fail_msg("%s: %s is said not to fit", source, json_string_value(text));
        }
    lt_grammar_free(g);
}

static void each_row(void (*look)(const json_t *row, const char *source), int least)
{
    json_t *all, *row;
    size_t i;
    int rows = 0;
    assert_ok(lt_json_read("test/oracle/json_schema.json", &all));
    json_array_foreach(all, i, row) {
        struct lt_buf source = { 0 };
        lt_json_put(&source, json_object_get(row, "schema"));
        look(row, source.p);
        lt_buf_free(&source);
        rows++;
    }
    assert_true(rows >= least);
    json_decref(all);
}

static void test_json_schema__agrees_with_jsonschema(void **state)
{
    (void)state;
    each_row(check_row, 60);
}

/* ---- what comes out ---- */
static bool write_one(struct lt_gmachine *m, struct lt_rng *r, struct lt_buf *text)
{
    int place = lt_gmachine_start(m);
    lt_buf_clear(text);
    for (int n = 0; n < 3000; n++) {
        int may[256], count = 0;
        bool end = lt_gmachine_ends(m, place);
        for (int c = 0; c < 256; c++)
            if (lt_gmachine_step(m, place, (uint8_t)c) >= 0) may[count++] = c;
        assert_true(end || count);
        if (end && (!count || lt_rng_below(r, 2))) return true;
        int c = may[lt_rng_below(r, (uint64_t)count)];
        for (int k = 0; k < count; k++)         /* lists and texts come to an end */
            if (strchr("\"]}", may[k]) && may[k] && lt_rng_below(r, 4) == 0) c = may[k];
        lt_buf_char(text, (char)c);
        place = lt_gmachine_step(m, place, (uint8_t)c);
    }
    return false;
}

static void write_rows(const json_t *row, const char *source)
{
    struct lt_grammar *g;
    struct lt_rng r = lt_rng_make(11, "texts");
    struct lt_buf text = { 0 };
    int whole = 0;
    if (json_object_get(row, "refused")) return;
    assert_ok(lt_grammar_schema("test", lt_str(source), 3, &g));
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    for (int i = 0; i < 60; i++) {
        if (!write_one(m, &r, &text)) continue;
        json_t *v = json_stringn(text.p ? text.p : "", text.n);
        if (!v) fail_msg("%s: wrote what is not UTF-8", source);
        if (fits(json_object_get(row, "schema"), v) != 1) fail_msg("%s: wrote %s: %s", source, text.p, lt_error());
        json_decref(v);
        whole++;
    }
    if (whole < 30) fail_msg("%s: hardly ever ends", source);
    lt_gmachine_free(m);
    lt_grammar_free(g);
    lt_buf_free(&text);
}

static void test_json_schema__writes_what_is_valid(void **state)
{
    (void)state;
    each_row(write_rows, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_schema__agrees_with_jsonschema),
        cmocka_unit_test(test_json_schema__writes_what_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
