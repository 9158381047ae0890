/* N-gram models: ARPA files in and out, probabilities against published figures, sessions. */
#include "test.h"
#include "ngram/query.h"
#include "text/tokenizer.h"
#include <math.h>
#include <zlib.h>

/* p(. | context) sums to 1 for every context; the continuations of "b" are not in the order of the words' ids. */
static const char small[] =
    "made by hand\n"
    "\\data\\\nngram 1=5\nngram 2=5\nngram 3=1\n\n"
    "\\1-grams:\n"
    "0\t<s>\t-0.1760912591\n-0.6020599913\t</s>\n-0.6020599913\t<unk>\n-0.6020599913\ta\t-0.1760912591\n"
    "-0.6020599913\tb\t-0.3979400087\n\n"
    "\\2-grams:\n"
    "-0.3010299957\t<s> a\t-0.4771212547\n-0.3010299957\ta b\n-0.3010299957\tb a\n-0.3979400087\tb </s>\n"
    "-99\tb b\n\n"
    "\\3-grams:\n"
    "-0.07918124605\t<s> a b\n\n\\end\\\n";

static struct lt_ngram *parse(const char *text)
{
    struct lt_ngram *m;
    assert_ok(lt_ngram_parse("input", lt_str(text), &m));
    return m;
}

/* log10 p of the last of the words given those before. */
static double ask(const struct lt_ngram *m, const char *words, int *length)
{
    struct lt_ngram_state s = { 0 };
    struct lt_str rest = lt_str(words), part;
    double p = NAN;
    while (lt_str_split(&rest, ' ', &part))
        if (part.n) p = lt_ngram_prob(m, &s, lt_ngram_word(m, part), length);
    return p;
}

/* ---- figures ---- */
static char *field(char **rest)
{
    return strsep(rest, "\t");
}

static void test_ngram__published_figures(void **state)
{
    (void)state;
    struct lt_ngram *full, *bare;
    struct lt_buf table = { 0 };
    int asked = 0;
    assert_ok(lt_ngram_open(lt_test_data("ngram/test.arpa"), NULL, &full));
    assert_ok(lt_ngram_open(lt_test_data("ngram/test_nounk.arpa"), NULL, &bare));
    assert_ok(lt_file_read(lt_test_data("ngram/expected.tsv"), &table));
    char *lines = table.p, *line;
    while ((line = strsep(&lines, "\n"))) {
        if (!*line || *line == '#' || !strncmp(line, "case\t", 5)) continue;
        const char *name = field(&line), *start = field(&line), *context = field(&line), *word = field(&line);
        const char *value = field(&line), *words = field(&line);
        struct lt_buf text = { 0 };
        int length;
        lt_buf_fmt(&text, "%s %s", context, word);
        (void)start;                                    /* the context spells <s> out */
        double p = ask(strcmp(name, "nounk") ? full : bare, text.p, &length), expected = atof(value);
        if (fabs(p - expected) > 1e-5 * fabs(expected) + 1e-6)
            fail_msg("%s: %s: %.8g, expected %s", name, text.p, p, value);
        if (words && *words && length != atoi(words))
            fail_msg("%s: %s: a match of %d words, expected %s", name, text.p, length, words);
        lt_buf_free(&text);
        asked++;
    }
    assert_int_equal(asked, 54);
    lt_buf_free(&table);
    lt_ngram_free(full);
    lt_ngram_free(bare);
}

static void test_ngram__backs_off(void **state)
{
    (void)state;
    struct lt_ngram *m = parse(small);
    int length;
    assert_float_equal(ask(m, "<s> a b", &length), log10(5.0 / 6), 1e-6);
    assert_int_equal(length, 3);
    assert_float_equal(ask(m, "b a b", &length), log10(1.0 / 2), 1e-6);
    assert_int_equal(length, 2);
    assert_float_equal(ask(m, "<s> a a", &length), log10(1.0 / 3) + log10(2.0 / 3) + log10(1.0 / 4), 1e-6);
    assert_int_equal(length, 1);
    assert_float_equal(ask(m, "<s> a never", &length), ask(m, "<s> a <unk>", NULL), 0);
    lt_ngram_free(m);
}

/* The row is what one word at a time gives, and this model's sum to 1. */
static void test_ngram__rows(void **state)
{
    (void)state;
    struct lt_ngram *m = parse(small);
    static const char *const context[] = { "", "<s>", "<s> a", "a", "b", "a b", "b b", "a <unk>", "b a" };
    for (int i = 0; i < LT_COUNT(context); i++) {
        struct lt_ngram_state s = { 0 }, t;
        struct lt_str rest = lt_str(context[i]), part;
        float row[5];
        while (lt_str_split(&rest, ' ', &part))
            if (part.n) lt_ngram_push(m, &s, lt_ngram_word(m, part));
        lt_ngram_row(m, &s, 1, row);
        double sum = 0;
        for (uint32_t w = 0; w < 5; w++) {
            t = s;
            assert_float_equal(row[w], (float)lt_ngram_prob(m, &t, w, NULL), 1e-6);
            sum += w ? pow(10, (double)row[w]) : 0;     /* but for <s>, which lmplz gives 0 */
        }
        assert_float_equal(sum, 1, 1e-5);
    }
    lt_ngram_free(m);
}

/* ---- files ---- */
static void test_ngram__written_and_read(void **state)
{
    (void)state;
    struct lt_ngram *m = parse(small), *again;
    struct lt_buf one = { 0 }, two = { 0 };
    lt_ngram_write(m, &one);
    assert_ok(lt_ngram_parse("output", lt_buf_view(&one), &again));
    lt_ngram_write(again, &two);
    assert_string_equal(one.p, two.p);
    for (int k = 0; k < m->order; k++) {
        const struct lt_ngram_level *a = &m->level[k], *b = &again->level[k];
        assert_int_equal(a->count, b->count);
        assert_memory_equal(a->word, b->word, a->count * sizeof *a->word);
        assert_memory_equal(a->prob, b->prob, a->count * sizeof *a->prob);
        if (a->backoff) assert_memory_equal(a->backoff, b->backoff, a->count * sizeof *a->backoff);
        if (a->child) assert_memory_equal(a->child, b->child, (a->count + 1) * sizeof *a->child);
    }
    lt_buf_free(&one);
    lt_buf_free(&two);
    lt_ngram_free(m);
    lt_ngram_free(again);
}

/* Without <unk> in the file nothing unknown is written either. */
static void test_ngram__unknown_words(void **state)
{
    (void)state;
    struct lt_ngram *m = parse("\\data\\\nngram 1=2\nngram 2=1\n\\1-grams:\n-0.3 a -0.5\n-0.3 b\n\\2-grams:\n"
                               "-0.1 a b\n\\end\\\n");
    struct lt_buf b = { 0 };
    assert_false(m->unk_given);
    assert_int_equal(m->unk, 2);
    assert_int_equal(m->bos, LT_NGRAM_NONE);
    assert_float_equal(ask(m, "b zebra", NULL), -100, 1e-4);
    assert_float_equal(ask(m, "a zebra", NULL), -100.5, 1e-4);
    lt_ngram_write(m, &b);
    assert_string_equal(b.p, "\\data\\\nngram 1=2\nngram 2=1\n\n\\1-grams:\n-0.3\ta\t-0.5\n-0.3\tb\n\n\\2-grams:\n"
                             "-0.1\ta b\n\n\\end\\\n");
    lt_buf_free(&b);
    lt_ngram_free(m);
}

static void test_ngram__compressed(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "x.arpa.gz"), *saved = lt_test_path(folder, "x.arpa");
    struct lt_ngram *m;
    gzFile f = gzopen(path, "wb");
    assert_int_equal(gzwrite(f, small, sizeof small - 1), sizeof small - 1);
    gzclose(f);
    assert_ok(lt_ngram_open(path, NULL, &m));
    assert_ok(lt_ngram_save(m, saved));
    lt_ngram_free(m);
    assert_ok(lt_ngram_open(saved, NULL, &m));
    assert_int_equal(m->level[1].count, 5);
    lt_ngram_free(m);
    assert_fails(lt_ngram_open(lt_test_path(folder, "none.arpa"), NULL, &m), "none.arpa");
    lt_test_temp_end(folder);
}

/* Every lie, and the words that name it. */
static void test_ngram__refusals(void **state)
{
    (void)state;
    static const char one[] = "\\data\\\nngram 1=2\nngram 2=1\n\\1-grams:\n-1 a -1\n-1 b\n\\2-grams:\n";
    static const struct { const char *text, *says; } bad[] = {
        { "", "\\data\\ was expected" },
        { "a book\nof lines\n", "ends after line 2" },
        { "\\data\\\n", "cut short" },
        { "\\data\\\n\\1-grams:\n\\end\\\n", "line 2: expected \"ngram 1=COUNT\"" },
        { "\\data\\\nngram 2=1\n", "line 2: expected the count of order 1, found that of order 2" },
        { "\\data\\\nngram 1=two\n", "line 2: expected \"ngram ORDER=COUNT\"" },
        { "\\data\\\nngram 1\n", "line 2: expected \"ngram ORDER=COUNT\"" },
        { "\\data\\\nngram 1=-2\n", "line 2: expected \"ngram ORDER=COUNT\"" },
        { "\\data\\\nngram 1=99999999999\n", "line 2: 99999999999 n-grams" },
        { "\\data\\\nngram 1=0\n\\1-grams:\n", "no words" },
        { "\\data\\\nngram 1=1\n\\2-grams:\n", "line 3: expected \\1-grams:, found \"\\2-grams:\"" },
        { "\\data\\\nngram 1=2\n\\1-grams:\n-1 a\n\\end\\\n", "line 5: \\data\\ counts 2 1-grams, and there are 1" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n-1 b\n\\end\\\n", "line 5: \\data\\ counts 1 1-grams" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n", "\\end\\ was expected" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n\\2-grams:\n", "line 5: expected \\end\\ after the 1 orders" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a\n\\end\\\nmore\n", "line 6: expected nothing after" },
        { "\\data\\\nngram 1=1\n\\1-grams:\nnan a\n", "line 4: expected a finite number as log10" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-inf a\n", "found \"-inf\"" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1e300 a\n", "found \"-1e300\"" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n0.5 a\n", "line 4: expected log10 of a probability, at most 0" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1\n", "line 4: expected 1 words after the probability, found 0" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a -0.5\n", "line 4: expected nothing after the 1 words" },
        { "\\data\\\nngram 1=1\n\\1-grams:\n-1 a 0 0\n", "expected 1 words and two numbers" },
        { "\\data\\\nngram 1=2\n\\1-grams:\n-1 a\n-1 a\n", "line 5: the word \"a\" is listed twice" },
        { "\\data\\\nngram 1=2\n\\1-grams:\n-1 <unk>\n-1 <UNK>\n", "line 5: the word \"<unk>\" is listed twice" },
        { "*-1 a\n", "line 8: expected 2 words after the probability, found 1" },
        { "*-1 a c\n", "line 8: the word \"c\" is not among the 1-grams" },
        { "*-1 a b x\n", "line 8: expected a finite number as log10 of a back-off weight, found \"x\"" },
        { "*-1 a b -1\n", "line 8: expected nothing after the 2 words" },
        { "*-1 a b\n-1 a b\n", "line 9: \\data\\ counts 1 2-grams, and here is one more" },
        { "*-1 a b\n", "cut short" },
        { "\\data\\\nngram 1=2\nngram 2=3\n\\1-grams:\n-1 a\n-1 b\n\\2-grams:\n-1 b a\n-1 a b\n-1 b a\n\\end\\\n",
          "line 10: the same 2-gram stands in line 8 already" },
        { "\\data\\\nngram 1=2\nngram 2=1\nngram 3=1\n\\1-grams:\n-1 a\n-1 b\n\\2-grams:\n-1 a b\n\\3-grams:\n"
          "-1 b a b\n\\end\\\n", "line 11: the words before the last are no 2-gram" },
        { "\\data\\\nngram 1=1\nngram 2=1\nngram 3=1\nngram 4=1\nngram 5=1\nngram 6=1\nngram 7=1\nngram 8=1\n"
          "ngram 9=1\nngram 10=1\nngram 11=1\n", "line 12: order 11" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_ngram *m;
        struct lt_buf b = { 0 };
        bool after = *bad[i].text == '*';
        lt_buf_fmt(&b, "%s%s", after ? one : "", bad[i].text + after);
        assert_fails(lt_ngram_parse("input", lt_buf_view(&b), &m), bad[i].says);
        lt_buf_free(&b);
    }
}

/* ---- the back end ---- */
static void open_small(const char *folder, struct lt_lm *lm)
{
    const char *path = lt_test_path(folder, "small.arpa");
    assert_ok(lt_file_save(path, small, sizeof small - 1));
    assert_ok(lt_lm_open(path, NULL, lm));
}

static void test_ngram__tokens(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm;
    open_small(folder, &lm);
    const struct lt_tokenizer *t = lm.type->tokenizer(lm.self);
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    static const int32_t expected[] = { 3, 4, 2, 0, 2, 2 };
    assert_ok(lt_tokenizer_encode(t, lt_str("\ta  b\nab <s> c\xC2\xA0" "d <s>a"), LT_SPECIAL, &token, &n, &cap));
    assert_int_equal(n, LT_COUNT(expected));
    for (size_t i = 0; i < n; i++) assert_int_equal(token[i].id, expected[i]);
    assert_int_equal(lt_tokenizer_bos(t), 0);
    assert_int_equal(lt_tokenizer_eos(t), 1);
    char *text = NULL;
    size_t bytes = 0;
    assert_ok(lt_tokenizer_decode(t, (const int32_t[]){ 0, 3, 4, 2, 1 }, 5, false, &text, &bytes));
    assert_int_equal(bytes, 9);
    assert_memory_equal(text, "a b <unk>", 9);
    free(text);
    free(token);
    lt_lm_close(&lm);
    lt_test_temp_end(folder);
}

static void test_ngram__sessions(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_lm lm;
    struct lt_session s;
    struct lt_ngram *m = parse(small);
    static const int32_t token[] = { 0, 3, 4, 4, 3, 2, 3, 4, 1 };
    enum { N = LT_COUNT(token) };
    float logp[N], again[N], row[5];
    uint8_t hit[N];
    open_small(folder, &lm);
    assert_ok(lm.type->session(lm.self, &s));
    assert_ok(s.type->score(s.self, token, N, logp, hit));
    assert_float_equal(logp[0], 0, 0);
    struct lt_ngram_state at = { 0 };
    lt_ngram_push(m, &at, 0);
    for (int i = 1; i < N; i++)
        assert_float_equal(logp[i], lt_ngram_prob(m, &at, (uint32_t)token[i], NULL) * log(10), 1e-6);
    assert_int_equal(hit[1], 1);                        /* a is the likeliest after <s> */
    assert_int_equal(hit[3], 0);                        /* and b the unlikeliest after b */
    assert_int_equal(s.type->count(s.self), N);

    assert_ok(s.type->rewind(s.self, N - 3));
    struct lt_session fork = { s.type, s.type->fork(s.self) };
    assert_ok(s.type->score(s.self, token + 3, N - 3, again + 3, NULL));
    for (int i = 3; i < N; i++) assert_float_equal(again[i], logp[i], 0);
    assert_ok(fork.type->rewind(fork.self, 1));
    int vocab;
    const float *x = fork.type->logits(fork.self, &vocab);
    assert_int_equal(vocab, 5);
    at = (struct lt_ngram_state){ 0 };
    lt_ngram_push(m, &at, 0);
    lt_ngram_push(m, &at, 3);
    lt_ngram_row(m, &at, log(10), row);
    for (int i = 1; i < vocab; i++) assert_float_equal(x[i], row[i], 1e-6);
    assert_true(x[0] < -200);                           /* <s> follows nothing, whatever its figure */
    assert_fails(fork.type->rewind(fork.self, 3), "cannot take back 3 of 2");
    assert_fails(fork.type->feed(fork.self, (const int32_t[]){ 5 }, 1), "token 5");
    fork.type->close(fork.self);
    s.type->close(s.self);
    lt_lm_close(&lm);
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

static void test_ngram__perplexity(void **state)
{
    (void)state;
    struct lt_ngram_total t = { .logp = -12, .logp_known = -4, .tokens = 6, .unknown = 2 };
    assert_float_equal(lt_ngram_perplexity(&t, true), 100, 1e-9);
    assert_float_equal(lt_ngram_perplexity(&t, false), 10, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram__published_figures),
        cmocka_unit_test(test_ngram__backs_off),
        cmocka_unit_test(test_ngram__rows),
        cmocka_unit_test(test_ngram__written_and_read),
        cmocka_unit_test(test_ngram__unknown_words),
        cmocka_unit_test(test_ngram__compressed),
        cmocka_unit_test(test_ngram__refusals),
        cmocka_unit_test(test_ngram__tokens),
        cmocka_unit_test(test_ngram__sessions),
        cmocka_unit_test(test_ngram__perplexity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
