/* Word classes: the exchange against a likelihood counted from scratch, class definitions, and the model over them. */
#include "test.h"
#include "lm/class_map.h"
#include "ngram/word_classes.h"
#include <math.h>

/* ---- exchange ---- */
enum { WORDS = 23 };

static void make_text(struct lt_sentences *s)
{
    struct lt_rng r = lt_rng_make(7, "text");
    struct lt_buf b = { 0 };
    lt_sentences_init(s);
    for (int i = 0; i < 120; i++) {
        int words = (int)lt_rng_below(&r, 7) + 1;
        lt_buf_clear(&b);
        for (int k = 0; k < words; k++)     /* four kinds of words in turn, five of each */
            lt_buf_fmt(&b, " w%d_%d", k % 4, (int)lt_rng_below(&r, 5));
        assert_ok(lt_sentences_add(s, lt_buf_view(&b)));
    }
    lt_buf_free(&b);
    assert_int_equal(s->vocabulary.count, WORDS);
}

static double likelihood(const struct lt_sentences *s, const uint32_t *of, uint32_t classes)
{
    double *pair = lt_calloc(classes * classes, sizeof *pair), *left = lt_calloc(classes, sizeof *left);
    double *right = lt_calloc(classes, sizeof *right), total = 0, f = 0;
    for (size_t i = 0; i + 1 < s->n; i++) {
        if (s->token[i] == LT_SENTENCES_EOS) continue;
        uint32_t g = of[s->token[i]], h = of[s->token[i + 1]];
        pair[g * classes + h]++;
        left[g]++;
        right[h]++;
        total++;
    }
    for (uint32_t g = 0; g < classes; g++)
        for (uint32_t h = 0; h < classes; h++)
            if (pair[g * classes + h] > 0)
                f += pair[g * classes + h] / total * log(pair[g * classes + h] * total / left[g] / right[h]);
    free(pair);
    free(left);
    free(right);
    return f;
}

static void test_classes__no_single_move_helps(void **state)
{
    (void)state;
    struct lt_sentences s;
    struct lt_classes k, again;
    make_text(&s);
    assert_ok(lt_classes_learn(&s, 4, 50, NULL, &k));
    assert_int_equal(k.classes, 7);
    double f = likelihood(&s, k.of, k.classes);
    assert_float_equal(k.information, f, 1e-9);
    for (uint32_t w = LT_SENTENCES_MARKS; w < k.words; w++)
        for (uint32_t g = LT_SENTENCES_MARKS; g < k.classes; g++) {
            uint32_t old = k.of[w];
            k.of[w] = g;
            assert_true(likelihood(&s, k.of, k.classes) <= f + 1e-9);
            k.of[w] = old;
        }
    uint32_t kind[WORDS];                   /* what the text was made of: a local best is not far from it */
    for (uint32_t w = 0; w < WORDS; w++)
        kind[w] = w < LT_SENTENCES_MARKS ? w : (uint32_t)(s.vocabulary.entry[w].key.p[1] - '0') + LT_SENTENCES_MARKS;
    double best = likelihood(&s, kind, 7);
    if (!(f > 0.6 * best)) fail_msg("the classes tell %g nats, the kinds %g", f, best);
    assert_ok(lt_classes_learn(&s, 4, 50, NULL, &again));
    assert_memory_equal(again.of, k.of, k.words * sizeof *k.of);
    lt_classes_release(&again);
    assert_ok(lt_classes_learn(&s, 1000, 2, NULL, &again));         /* more classes than words */
    assert_int_equal(again.classes, WORDS);
    lt_classes_release(&again);
    lt_classes_release(&k);
    lt_sentences_release(&s);
}

/* ---- definitions ---- */
static void test_classes__definitions(void **state)
{
    (void)state;
    struct lt_class_map m;
    assert_ok(lt_class_map_parse("x", lt_str("A 0.25 a\nA 0.7501 b\n\nB\tc\r\nB d\n"), &m));
    assert_int_equal(m.word.count, 4);
    assert_int_equal(m.name.count, 2);
    assert_int_equal(m.of[3], 1);
    assert_float_equal(m.logp[1], log(0.7501 / 1.0001), 1e-6);
    assert_float_equal(m.logp[2], log(0.5), 1e-6);
    lt_class_map_release(&m);
    static const char *const bad[][2] = {
        { "", "x: no classes in it" },
        { "A\n", "x, line 1: expected CLASS PROBABILITY WORD, found \"A\" alone" },
        { "A 0.5 a\nA 0.5 a b\n", "x, line 2: expected CLASS PROBABILITY WORD: a class that stands for several" },
        { "A one a\n", "several words at once" },
        { "A 1.5 a\n", "line 1: expected a probability above 0 and at most 1, found 1.5" },
        { "A 0 a\n", "found 0" },
        { "A nan a\n", "several words at once" },
        { "A 1 a\nB 1 a\n", "line 2: the word \"a\" is in a class already" },
        { "A 1 a\nA b\n", "line 2: the class \"A\" has a probability for some" },
        { "A 0.5 a\nA 0.2 b\n", "x: the words of the class \"A\" have probabilities that sum to 0.7" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++)
        assert_fails(lt_class_map_parse("x", lt_str(bad[i][0]), &m), bad[i][1]);
}

/* ---- the model ---- */
static const char arpa[] = "\\data\\\nngram 1=5\nngram 2=3\n\n\\1-grams:\n-2\t<unk>\n-99\t<s>\t-0.2\n-0.5\t</s>\n"
                           "-0.4\tA\t-0.1\n-0.9\tand\t-0.3\n\n\\2-grams:\n-0.3\t<s> A\n-0.2\tA </s>\n-0.5\tand A\n\n"
                           "\\end\\\n";

static void save(const char *folder, const char *name, const char *z)
{
    assert_ok(lt_file_save(lt_test_path(folder, name), z, strlen(z)));
}

static int open_class(const char *folder, struct lt_lm *lm)
{
    char spec[2048];
    snprintf(spec, sizeof spec, "class:path=%s/x.arpa,classes=%s/x.classes", folder, folder);
    return lt_lm_open(spec, NULL, lm);
}

static void test_classes__model(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm;
    struct lt_session s;
    save(folder, "x.arpa", arpa);
    save(folder, "x.classes", "A 0.25 cat\nA 0.75 dog\n");
    assert_ok(open_class(folder, &lm));
    const struct lt_tokenizer *t = lm.type->tokenizer(lm.self);
    int32_t cat = lt_tokenizer_id(t, "cat"), dog = lt_tokenizer_id(t, "dog"), and = lt_tokenizer_id(t, "and");
    assert_true(cat >= 0 && dog >= 0 && and >= 0);
    assert_int_equal(lt_tokenizer_id(t, "A"), -1);
    const int32_t token[] = { lt_tokenizer_bos(t), cat, and, dog, lt_tokenizer_eos(t), lt_tokenizer_id(t, "<unk>") };
    float logp[6];
    assert_ok(lm.type->session(lm.self, &s));
    assert_ok(s.type->score(s.self, token, 6, logp, NULL));
    assert_float_equal(logp[1], -0.3 * log(10) + log(0.25), 1e-5);
    assert_float_equal(logp[2], -1.0 * log(10), 1e-5);
    assert_float_equal(logp[3], -0.5 * log(10) + log(0.75), 1e-5);
    assert_float_equal(logp[4], -0.2 * log(10), 1e-5);
    assert_float_equal(logp[5], -2 * log(10), 1e-5);
    s.type->close(s.self);
    lt_lm_close(&lm);

    save(folder, "x.classes", "B cat\n");
    assert_fails(open_class(folder, &lm), "the class \"B\" is no word of the model of classes");
    save(folder, "x.classes", "A cat\nA and\n");
    assert_fails(open_class(folder, &lm), "\"and\" is a word of the model of classes and of the class definitions");
    assert_fails(lt_lm_open("class:path=fake:vocab=9", NULL, &lm), "classes");
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes__no_single_move_helps),
        cmocka_unit_test(test_classes__definitions),
        cmocka_unit_test(test_classes__model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
