/* The cache over another model, against the sums written out. */
#include "test.h"
#include <math.h>

static const int32_t token[] = { 3, 5, 3, 5, 7, 3, 1, 1, 3, 5, 2, 3 };
enum { N = LT_COUNT(token), VOCAB = 9, SIZE = 6 };

static double by_definition(const float *base, int count, int32_t w)
{
    const double a = 0.2, b = 0.15, decay = 0.8;
    double z = 0, own = 0, all = 0, own_pair = 0, all_pair = 0;
    for (int i = 0; i < VOCAB; i++) z += exp((double)base[i]);
    for (int i = LT_MAX(0, count - SIZE); i < count; i++) {
        double weight = pow(decay, count - 1 - i);
        bool pair = i > LT_MAX(0, count - SIZE) && token[i - 1] == token[count - 1];
        all += weight;
        own += token[i] == w ? weight : 0;
        all_pair += pair ? weight : 0;
        own_pair += pair && token[i] == w ? weight : 0;
    }
    double p = (1 - a - (all_pair > 0 ? b : 0)) * exp((double)base[w]) / z + a * own / all;
    return log(p + (all_pair > 0 ? b * own_pair / all_pair : 0));
}

static void test_cache_lm__equals_its_definition(void **state)
{
    (void)state;
    struct lt_lm lm, base;
    struct lt_session s, b;
    int vocab;
    assert_ok(lt_lm_open("fake:vocab=9", NULL, &base));
    assert_ok(lt_lm_open("cache:path=fake:vocab=9,weight=0.2,pair_weight=0.15,decay=0.8,size=6", NULL, &lm));
    assert_ok(base.type->session(base.self, &b));
    assert_ok(lm.type->session(lm.self, &s));
    for (int i = 0; i < N; i++) {
        assert_ok(s.type->feed(s.self, token + i, 1));
        assert_ok(b.type->feed(b.self, token + i, 1));
        const float *x = s.type->logits(s.self, &vocab), *y = b.type->logits(b.self, &vocab);
        assert_int_equal(vocab, VOCAB);
        for (int32_t w = 0; w < VOCAB; w++) assert_float_equal(x[w], by_definition(y, i + 1, w), 1e-5);
    }
    s.type->close(s.self);
    b.type->close(b.self);
    lt_lm_close(&lm);
    lt_lm_close(&base);
}

static void test_cache_lm__refuses(void **state)
{
    (void)state;
    struct lt_lm lm;
    assert_fails(lt_lm_open("cache:path=fake:vocab=9,weight=0.6,pair_weight=0.4", NULL, &lm), "less than 1 together");
    assert_fails(lt_lm_open("cache:weight=0.1", NULL, &lm), "path");
    assert_fails(lt_lm_open("cache:path=/nowhere/x.arpa", NULL, &lm), "/nowhere/x.arpa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_lm__equals_its_definition),
        cmocka_unit_test(test_cache_lm__refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
