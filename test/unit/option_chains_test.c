/* Option sets whose rows choose methods: one of a kind, or a chain of them; and how they read back. */
#include "base/option.h"
#include "test.h"

struct sample {
    struct lt_choice optim;
    struct lt_choices controls;
    struct lt_list words, paths;
    int64_t count;
    double share;
    bool fast;
};
#define AT(f) offsetof(struct sample, f)
static const struct lt_opt rows[] = {
    { .key = "optim", .help = "one", .type = LT_METHOD, .at = AT(optim), .text = "optim" },
    { .key = "controls", .help = "many", .type = LT_METHODS, .at = AT(controls), .text = "control", .alias = "chain" },
    { .key = "words", .help = "words", .type = LT_LIST, .at = AT(words), .alias = "word" },
    { .key = "paths", .help = "paths", .type = LT_LIST, .at = AT(paths), .flags = LT_IN },
    { .key = "count", .help = "count", .type = LT_INT, .at = AT(count), .dflt = 5, .min = -10, .max = 1e6 },
    { .key = "share", .help = "share", .type = LT_REAL, .at = AT(share), .dflt = 0.5, .min = 0, .max = 1 },
    { .key = "fast", .help = "fast", .type = LT_BOOL, .at = AT(fast) },
    { 0 },
};
static const struct lt_method method = { .name = "sample", .size = sizeof(struct sample), .opts = rows };

/* Words as on a command line; NULL ends them. */
static struct lt_options *parse(const char **words)
{
    struct lt_options *s = lt_options_new(&method);
    int n = 0;
    while (words[n]) n++;
    if (lt_options_args(s, n, (char **)words) == 0 && lt_options_done(s)) return s;
    lt_options_free(s);
    return NULL;
}

static void refused(const char **words, const char *sentence)
{
    struct lt_options *s = parse(words);
    if (s) fail_msg("%s ... is taken", words[0]);
    assert_true(lt_error_is_misuse());
    if (!strstr(lt_error(), sentence)) fail_msg("expected \"%s\" in \"%s\"", sentence, lt_error());
}
#define WORDS(...) ((const char *[]){ __VA_ARGS__, NULL })

/* What is resolved reads back as the same, given as JSON. */
static void assert_reads_back(struct lt_options *s)
{
    char *once = lt_options_resolved(s, true);
    struct lt_options *again = lt_options_new(&method);
    if (lt_options_json(again, once) || !lt_options_done(again)) fail_msg("%s: %s", once, lt_error());
    char *twice = lt_options_resolved(again, true);
    assert_string_equal(once, twice);
    lt_options_free(again);
    free(once);
    free(twice);
}

static void assert_chain(const char **words, bool ordered, const char *names)
{
    struct lt_options *s = parse(words);
    if (!s) fail_msg("%s", lt_error());
    const struct sample *o = lt_options_done(s);
    struct lt_buf b = { 0 };
    lt_buf_str(&b, "");
    for (int i = 0; i < o->controls.count; i++)
        lt_buf_fmt(&b, "%s%s", i ? " " : "", o->controls.item[i].method->name);
    assert_string_equal(b.p, names);
    assert_int_equal(o->controls.ordered, ordered);
    assert_reads_back(s);
    lt_buf_free(&b);
    lt_options_free(s);
}

static void test_chains__members_and_their_order(void **state)
{
    (void)state;
    assert_chain(WORDS("--count", "1"), false, "");
    assert_chain(WORDS("--top_p", "0.5"), false, "top_p");
    assert_chain(WORDS("--top-p", "0.5", "--temperature=2", "--min_p", "0.1"), false, "min_p temperature top_p");
    assert_chain(WORDS("--controls", "top_p,temperature"), true, "top_p temperature");
    assert_chain(WORDS("--chain=top_p,min_p", "--min_p.value", "0.2"), true, "top_p min_p");
    assert_chain(WORDS("--controls.top_k.k", "3"), false, "top_k");
    assert_chain(WORDS("--controls.top_k", "3"), false, "top_k");
    refused(WORDS("--controls", "top_p", "--controls", "min_p"), "option \"controls\" is given twice");
    refused(WORDS("--controls", "top_p,top_p"), "\"top_p\" is listed twice");
    refused(WORDS("--controls", "top_p", "--min_p", "0.1"),
            "\"min_p\" would not be used: \"controls\" does not list it");
    refused(WORDS("--controls", "top_q"), "did you mean \"top_");
    refused(WORDS("--top_p.vaule", "1"), "did you mean \"top_p.value\"?");
    refused(WORDS("--controls.beta1", "1"), "has no option \"controls.beta1\"");
    refused(WORDS("--top_p", "0.5", "--controls.top_p.value", "0.6"), "given twice");
    refused(WORDS("--top_p", "2"), "to 1, found 2");
    assert_chain(WORDS("--banned_strings", "a, b", "--top_p", "0.5", "--banned_strings", "c"), false,
                 "banned_strings top_p");                   /* lists of members may be given again */
}

static void test_chains__values_reach_their_member(void **state)
{
    (void)state;
    struct lt_options *s = parse(WORDS("--top_k", "7", "--optim", "lion", "--optim.beta1=0.25"));
    assert_non_null(s);
    char *json = lt_options_resolved(s, true);
    assert_non_null(strstr(json, "\"top_k\": {\"k\": 7}"));
    assert_non_null(strstr(json, "\"name\": \"lion\", \"beta1\": 0.25"));
    assert_reads_back(s);
    free(json);
    lt_options_free(s);
}

static void test_chains__one_of_a_kind(void **state)
{
    (void)state;
    struct lt_options *s = parse(WORDS("--count", "1"));
    const struct sample *o = lt_options_done(s);
    assert_null(o->optim.method);                                   /* the row names no default */
    assert_reads_back(s);
    lt_options_free(s);
    refused(WORDS("--optim.beta1", "0.5"), "would not be used: no \"optim\" is chosen");
    refused(WORDS("--optim", "adamv"), "did you mean \"adamw\"?");
    refused(WORDS("--optim", "sgd", "--optim.beta2", "0.5"), "would not be used: optim is \"sgd\"");
    refused(WORDS("--optim", "lion", "--optim", "sgd"), "option \"optim\" is given twice");
}

static void test_chains__lists(void **state)
{
    (void)state;
    struct lt_options *s = parse(WORDS("--words", "a,b", "--word=c", "--paths", "x,y", "--paths", "z"));
    assert_non_null(s);
    const struct sample *o = lt_options_done(s);
    assert_int_equal(o->words.count, 3);
    assert_string_equal(o->words.item[2], "c");
    assert_int_equal(o->paths.count, 2);                            /* a path may hold a comma */
    assert_string_equal(o->paths.item[0], "x,y");
    assert_reads_back(s);
    lt_options_free(s);
    s = lt_options_new(&method);
    assert_ok(lt_options_json(s, "{\"words\": [\"a,b\", 3, 0.1, true], \"paths\": []}"));
    o = lt_options_done(s);
    assert_int_equal(o->words.count, 4);                            /* in a list nothing is split */
    assert_string_equal(o->words.item[0], "a,b");
    assert_string_equal(o->words.item[2], "0.1");
    assert_string_equal(o->words.item[3], "true");
    assert_true(lt_options_given(s, "paths"));
    assert_int_equal(o->paths.count, 0);
    lt_options_free(s);
}

static void test_chains__numbers(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t value; } taken[] = {
        { "-10", -10 }, { "2k", 2000 }, { "1e5", 100000 }, { "1M", 1000000 }, { "+3", 3 }, { "4.0", 4 },
    };
    for (int i = 0; i < LT_COUNT(taken); i++) {
        struct lt_options *s = parse(WORDS("--count", taken[i].text));
        if (!s) fail_msg("%s", lt_error());
        assert_int_equal(((const struct sample *)lt_options_done(s))->count, taken[i].value);
        lt_options_free(s);
    }
    refused(WORDS("--count", "-11"), "expected a value from -10 to 1e+06, found -11");
    refused(WORDS("--count", "1.5"), "expected a whole number, found \"1.5\"");
    refused(WORDS("--count", "k"), "expected a whole number");
    refused(WORDS("--count", "9223372036854775807k"), "is too large");
    refused(WORDS("--count", "9223372036854775808"), "expected a whole number");
    refused(WORDS("--count", ""), "expected a whole number");
    refused(WORDS("--share", "1.01"), "expected a value from 0 to 1");
    refused(WORDS("--share", "nan"), "expected a number, found \"nan\"");
    refused(WORDS("--share", "0,5"), "expected a number");
    refused(WORDS("--share", "0x1p-1"), "expected a number");
    refused(WORDS("--fast=yes"), "expected true or false, found \"yes\"");
}

static void test_chains__switches(void **state)
{
    (void)state;
    static const struct { const char *word, *next; bool value; } taken[] = {
        { "--fast", "--count=1", true }, { "--no-fast", "--count=1", false }, { "--fast", "false", false },
        { "--fast=true", "--count=1", true }, { "--no_fast", "--count=1", false },
    };
    for (int i = 0; i < LT_COUNT(taken); i++) {
        struct lt_options *s = parse(WORDS(taken[i].word, taken[i].next));
        if (!s) fail_msg("%s", lt_error());
        assert_int_equal(((const struct sample *)lt_options_done(s))->fast, taken[i].value);
        lt_options_free(s);
    }
    refused(WORDS("--no-count"), "has no option \"no-count\"");
    refused(WORDS("--no-fast=true"), "has no option \"no-fast\"");
}

static void test_chains__canonical_names(void **state)
{
    (void)state;
    struct lt_options *s = lt_options_new(&method);
    static const struct { const char *said, *canonical; } names[] = {
        { "chain", "controls" }, { "word", "words" }, { "top-k", "top_k.k" }, { "controls.top_k", "top_k.k" },
        { "count", "count" },
    };
    for (int i = 0; i < LT_COUNT(names); i++) {
        const char *canonical = lt_options_canonical(s, names[i].said);
        assert_non_null(canonical);
        assert_string_equal(canonical, names[i].canonical);
    }
    assert_null(lt_options_canonical(s, "no_such"));
    lt_options_free(s);
}

static void test_chains__json(void **state)
{
    (void)state;
    static const struct { const char *json, *sentence; } bad[] = {
        { "[1]", "expected a JSON object of keys" },
        { "{\"count\": 1, \"count\": 2}", "duplicate object key" },
        { "{\"words\": [[1]]}", "option \"words\": expected a list of texts, numbers or truth values" },
        { "{\"words\": [{\"a\": 1}]}", "option \"words\": expected a list of texts" },
        { "{\"optim\": {\"name\": 3}}", "expected \"name\" to be a text" },
        { "{\"a\": {\"b\": {\"c\": {\"d\": {\"e\": {\"f\": 1}}}}}}", "nested too deep" },
        { "{\"count\": {\"a\": 1}}", "has no option \"count.a\"" },
        { "{\"controls\": [\"top_k\", {\"name\": \"min_p\", \"vaule\": 1}]}",
          "has no option \"controls.min_p.vaule\"" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_options *s = lt_options_new(&method);
        assert_fails(lt_options_json(s, bad[i].json), bad[i].sentence);
        assert_true(lt_error_is_misuse());
        lt_options_free(s);
    }
    struct lt_options *s = lt_options_new(&method);
    assert_ok(lt_options_json(s, "{\"count\": null, \"controls\": {\"top_k\": {}}, \"share\": 1}"));
    const struct sample *o = lt_options_done(s);
    assert_non_null(o);
    assert_int_equal(o->count, 5);
    assert_int_equal(o->controls.count, 1);
    assert_true(o->share == 1);
    lt_options_free(s);
}

/* A flag with a dot goes to the row that takes them, as text; others are still refused. */
static void test_chains__dotted_flags(void **state)
{
    (void)state;
    struct two { struct lt_list set; const char *file; };
    static const struct lt_opt two_rows[] = {
        { .key = "file", .help = "file", .type = LT_STR, .at = offsetof(struct two, file), .flags = LT_ARG | LT_NEED },
        { .key = "set", .help = "rest", .type = LT_LIST, .at = offsetof(struct two, set), .flags = LT_ARG | LT_DOTTED },
        { 0 },
    };
    static const struct lt_method two = { .name = "two", .size = sizeof(struct two), .opts = two_rows };
    const char *words[] = { "f", "--a.b", "1,2", "x=3", "--c.d=4", "--e.f", "--g.h", "--no-x" };
    struct lt_options *s = lt_options_new(&two);
    assert_ok(lt_options_args(s, 7, (char **)words));
    const struct two *o = lt_options_done(s);
    assert_string_equal(o->file, "f");
    static const char *const expected[] = { "a.b=1,2", "x=3", "c.d=4", "e.f=true", "g.h=true" };
    assert_int_equal(o->set.count, LT_COUNT(expected));
    for (int i = 0; i < LT_COUNT(expected); i++) assert_string_equal(o->set.item[i], expected[i]);
    lt_options_free(s);
    s = lt_options_new(&two);
    assert_fails(lt_options_args(s, 8, (char **)words), "two has no option \"no-x\"");
    lt_options_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains__members_and_their_order),
        cmocka_unit_test(test_chains__values_reach_their_member),
        cmocka_unit_test(test_chains__one_of_a_kind),
        cmocka_unit_test(test_chains__lists),
        cmocka_unit_test(test_chains__numbers),
        cmocka_unit_test(test_chains__switches),
        cmocka_unit_test(test_chains__canonical_names),
        cmocka_unit_test(test_chains__json),
        cmocka_unit_test(test_chains__dotted_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
