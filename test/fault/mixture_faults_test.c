/* Mixtures written while the Nth call into the system fails. */
#include "fault.h"
#include "test.h"

static void models(void)
{
    fault_save("a.txt", "the cat sat\nthe cat and the dog\na dog sat\n");
    fault_save("dev.txt", "a dog and the cat\nthe dog sat\n");
    assert_ok(fault_verb("ngram-build", "{\"input\": [\"a.txt\"], \"output\": \"a.arpa\", \"order\": 3, \"smoothing\":"
                                        " \"witten_bell\"}"));
    assert_ok(fault_verb("ngram-build", "{\"input\": [\"a.txt\"], \"output\": \"b.arpa\", \"order\": 1, \"smoothing\":"
                                        " \"witten_bell\"}"));
}

static int ensemble(void)
{
    return fault_verb("ensemble", "{\"members\": [\"a.arpa\", \"b.arpa\"], \"dev\": [\"dev.txt\"],"
                                  " \"output\": \"mix.json\", \"method\":"
                                  " {\"name\": \"entropy_scalar\", \"hidden\": 2, \"epochs\": 1}}");
}

static int interpolate(void)
{
    return fault_verb("ngram-interpolate", "{\"models\": [\"a.arpa\", \"b.arpa\"], \"tune\": [\"dev.txt\"],"
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
