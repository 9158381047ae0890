/* Option sets: keys, aliases, values, ranges, misspellings, and the way back to JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <lathe.h>

struct sample { int64_t steps; double rate; bool shuffle; const char *out, *mode; struct lt_list files; };
static const struct lt_opt rows[] = {
    { .key = "out", .help = "where to write", .type = LT_STR, .at = offsetof(struct sample, out),
      .flags = LT_NEED | LT_OUT },
    { .key = "max_steps", .help = "steps", .type = LT_INT, .at = offsetof(struct sample, steps), .dflt = 10, .min = 1,
      .max = 1e9, .alias = "max_iters,steps" },
    { .key = "learning_rate", .help = "rate", .type = LT_REAL, .at = offsetof(struct sample, rate), .dflt = 3e-4,
      .alias = "lr" },
    { .key = "shuffle", .help = "shuffle", .type = LT_BOOL, .at = offsetof(struct sample, shuffle), .dflt = 1 },
    { .key = "mode", .help = "mode", .type = LT_STR, .at = offsetof(struct sample, mode), .text = "plain|fancy",
      .flags = LT_ENUM },
    { .key = "files", .help = "inputs", .type = LT_LIST, .at = offsetof(struct sample, files),
      .flags = LT_ARG | LT_IN },
    { 0 },
};
static const struct lt_method method = { .name = "sample", .brief = "a sample", .size = sizeof(struct sample),
                                         .opts = rows };

static const struct sample *parse(struct lt_options *s, int n, const char **words)
{
    if (lt_options_args(s, n, (char **)words)) return NULL;
    return lt_options_done(s);
}

static void test_options__values_and_defaults(void **state)
{
    (void)state;
    struct lt_options *s = lt_options_new(&method);
    const char *w[] = { "a,b.txt", "--out=x", "--max-steps", "10k", "--lr", "1e-4", "--no-shuffle", "c.txt" };
    const struct sample *o = parse(s, 8, w);
    assert_non_null(o);
    assert_int_equal(o->steps, 10000);
    assert_true(o->rate == 1e-4);
    assert_false(o->shuffle);
    assert_string_equal(o->mode, "plain");
    assert_int_equal(o->files.count, 2);
    assert_string_equal(o->files.item[0], "a,b.txt");
    const char *said, *canonical;
    assert_true(lt_options_renamed(s, 0, &said, &canonical));
    assert_string_equal(said, "lr");
    assert_string_equal(canonical, "learning_rate");
    assert_false(lt_options_renamed(s, 1, &said, &canonical));
    char *json = lt_options_resolved(s, true);
    assert_string_equal(json, "{\"out\": \"x\", \"max_steps\": 10000, \"learning_rate\": 0.0001, \"shuffle\": false, "
                              "\"mode\": \"plain\", \"files\": [\"a,b.txt\", \"c.txt\"]}");
    struct lt_options *again = lt_options_new(&method);
    assert_int_equal(lt_options_json(again, json), 0);
    assert_non_null(lt_options_done(again));
    char *json2 = lt_options_resolved(again, true);
    assert_string_equal(json, json2);
    free(json);
    free(json2);
    lt_options_free(again);
    lt_options_free(s);
}

static void refused(int n, const char **words, const char *sentence)
{
    struct lt_options *s = lt_options_new(&method);
    assert_null(parse(s, n, words));
    assert_true(lt_error_is_misuse());
    if (!strstr(lt_error(), sentence)) fail_msg("expected \"%s\" in \"%s\"", sentence, lt_error());
    lt_options_free(s);
}

static void test_options__misuse(void **state)
{
    (void)state;
    refused(0, NULL, "needs --out");
    refused(2, (const char *[]){ "--outt", "x" }, "did you mean \"out\"");
    refused(2, (const char *[]){ "--out=x", "--learning_rat=1" }, "did you mean \"learning_rate\"");
    refused(3, (const char *[]){ "--out=x", "--lr=1", "--learning_rate=2" }, "given twice");
    refused(2, (const char *[]){ "--out=x", "--max_steps=0" }, "from 1 to 1e+09");
    refused(2, (const char *[]){ "--out=x", "--max_steps=ten" }, "whole number");
    refused(2, (const char *[]){ "--out=x", "--mode=odd" }, "plain|fancy");
    refused(2, (const char *[]){ "--out=x", "--lr" }, "needs a value");
}

static void test_options__commas_of_texts_stay(void **state)
{
    (void)state;
    struct two { struct lt_list text, name; };
    static const struct lt_opt two_rows[] = {
        { .key = "text", .help = "texts", .type = LT_LIST, .at = offsetof(struct two, text), .flags = LT_TEXTS },
        { .key = "name", .help = "names", .type = LT_LIST, .at = offsetof(struct two, name) },
        { 0 },
    };
    static const struct lt_method two = { .name = "two", .size = sizeof(struct two), .opts = two_rows };
    struct lt_options *s = lt_options_new(&two);
    assert_int_equal(lt_options_set(s, "text", "a, b"), 0);
    assert_int_equal(lt_options_set(s, "text", "c"), 0);
    assert_int_equal(lt_options_set(s, "name", "a,b"), 0);
    const struct two *o = lt_options_done(s);
    assert_int_equal(o->text.count, 2);
    assert_string_equal(o->text.item[0], "a, b");
    assert_int_equal(o->name.count, 2);
    lt_options_free(s);
}

struct chooser { struct lt_choice optim, schedule; };
static const struct lt_opt chooser_rows[] = {
    { .key = "optim", .help = "optimiser", .type = LT_METHOD, .at = offsetof(struct chooser, optim),
      .text = "optim:adamw" },
    { .key = "schedule", .help = "schedule", .type = LT_METHOD, .at = offsetof(struct chooser, schedule),
      .text = "schedule:cosine" },
    { 0 },
};
static const struct lt_method chooser = { .name = "chooser", .size = sizeof(struct chooser), .opts = chooser_rows };

struct chained { struct lt_choices controls; };
static const struct lt_opt chained_rows[] = {
    { .key = "controls", .help = "controls", .type = LT_METHODS, .at = offsetof(struct chained, controls),
      .text = "control" },
    { 0 },
};
static const struct lt_method chained = { .name = "chained", .size = sizeof(struct chained), .opts = chained_rows };

static void test_options__a_link_has_the_other_names_of_its_first_option(void **state)
{
    (void)state;
    struct lt_options *s = lt_options_new(&chained);
    const char *w[] = { "--temp", "0.5", "--repeat-penalty=2", "--repetition_penalty.last_n", "8" };
    assert_int_equal(lt_options_args(s, 5, (char **)w), 0);
    const struct chained *o = lt_options_done(s);
    assert_non_null(o);
    const char *said, *canonical;
    assert_true(lt_options_renamed(s, 0, &said, &canonical));
    assert_string_equal(said, "temp");
    assert_string_equal(canonical, "temperature.value");
    char *json = lt_options_resolved(s, false);
    assert_non_null(strstr(json, "\"temperature\""));
    assert_non_null(strstr(json, "\"value\": 0.5"));
    assert_int_equal(o->controls.count, 2);
    free(json);
    lt_options_free(s);

    s = lt_options_new(&chained);
    assert_int_equal(lt_options_set(s, "temperature", "1"), 0);
    assert_int_equal(lt_options_set(s, "temp", "1"), -1);           /* the same key twice */
    assert_int_equal(lt_options_set(s, "temp.value", "1"), -1);     /* a name of an option, not of the control */
    assert_int_equal(lt_options_set(s, "last_n", "1"), -1);         /* nor of one that is not the first */
    assert_int_equal(lt_options_set(s, "tmp", "1"), -1);
    assert_non_null(strstr(lt_error(), "did you mean \"temp\"?"));
    lt_options_free(s);
}

static void test_options__bare_keys_reach_into_the_one_method_that_has_them(void **state)
{
    (void)state;
    struct lt_options *s = lt_options_new(&chooser);
    assert_int_equal(lt_options_set(s, "warmup-steps", "10"), 0);
    assert_int_equal(lt_options_set(s, "eps", "1e-6"), 0);
    const struct chooser *o = lt_options_done(s);
    assert_non_null(o);
    assert_int_equal(*(const int64_t *)o->schedule.o, 10);
    const char *said, *canonical;
    assert_true(lt_options_renamed(s, 0, &said, &canonical));
    assert_string_equal(said, "warmup-steps");
    assert_string_equal(canonical, "schedule.warmup_steps");
    assert_true(lt_options_given(s, "schedule.warmup_steps"));
    lt_options_free(s);

    s = lt_options_new(&chooser);
    assert_int_equal(lt_options_set(s, "warmup_steps", "10"), 0);
    assert_int_equal(lt_options_set(s, "schedule.warmup_steps", "11"), -1);     /* the same key twice */
    assert_int_equal(lt_options_set(s, "optim.beta1", "0.5"), 0);               /* lion's own, adamw's alias */
    assert_int_equal(lt_options_set(s, "optim.adam_beta1", "0.6"), 0);
    assert_null(lt_options_done(s));
    assert_non_null(strstr(lt_error(), "given twice"));
    lt_options_free(s);

    s = lt_options_new(&chooser);
    assert_int_equal(lt_options_set(s, "nesterov", "true"), 0);                 /* of optimisers, but not of adamw */
    assert_null(lt_options_done(s));
    assert_non_null(strstr(lt_error(), "would not be used"));
    lt_options_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options__values_and_defaults),
        cmocka_unit_test(test_options__misuse),
        cmocka_unit_test(test_options__commas_of_texts_stay),
        cmocka_unit_test(test_options__a_link_has_the_other_names_of_its_first_option),
        cmocka_unit_test(test_options__bare_keys_reach_into_the_one_method_that_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
