/* Mixtures written while the Nth call into the system fails. */
#include "fault.h"
#include "test.h"
#include "recipe/recipe.h"

static void save(const char *path, const char *text) { assert_ok(lt_file_save(path, text, strlen(text))); }

static int run(const char *verb, const char *json)
{
    const struct lt_verb *v = lt_verb_registered(NULL, verb);
    assert_non_null(v);
    struct lt_options *s = lt_options_new(&v->m);
    if (lt_options_json(s, json)) fail_msg("%s", lt_error());
    int rc = lt_record_run(v, s, NULL);
    lt_options_free(s);
    return rc;
}

static void models(void)
{
    save("a.txt", "the cat sat\nthe cat and the dog\na dog sat\n");
    save("dev.txt", "a dog and the cat\nthe dog sat\n");
    assert_ok(run("ngram-build", "{\"input\": [\"a.txt\"], \"output\": \"a.arpa\", \"order\": 3, \"smoothing\":"
                                 " \"witten_bell\"}"));
    assert_ok(run("ngram-build", "{\"input\": [\"a.txt\"], \"output\": \"b.arpa\", \"order\": 1, \"smoothing\":"
                                 " \"witten_bell\"}"));
}

static int ensemble(void)
{
    return run("ensemble", "{\"members\": [\"a.arpa\", \"b.arpa\"], \"dev\": [\"dev.txt\"], \"output\": \"mix.json\","
                           " \"method\": {\"name\": \"entropy_scalar\", \"hidden\": 2, \"epochs\": 1}}");
}

static int interpolate(void)
{
    return run("ngram-interpolate", "{\"models\": [\"a.arpa\", \"b.arpa\"], \"tune\": [\"dev.txt\"],"
                                    " \"output\": \"both.arpa\"}");
}

static void test_mixture_faults__ensemble(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "an ensemble", models, ensemble, "mix.json", false }, 1);
}

static void test_mixture_faults__interpolate(void **state)
{
    (void)state;
    fault_run(&(struct fault_scenario){ "interpolating", models, interpolate, "both.arpa", false }, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixture_faults__ensemble),
        cmocka_unit_test(test_mixture_faults__interpolate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
