/* Parts of n-gram estimation against the long way, its choices of words, and what it refuses. */
#include "test.h"
#include "ngram/build.h"
#include "ngram/words.h"

/* ---- windows: sorting and merging against comparison ---- */
struct window { uint32_t word[LT_NGRAM_ORDER_MAX]; int n; };

static int by_words(const void *a, const void *b, void *ctx)
{
    const struct window *x = a, *y = b;
    (void)ctx;
    for (int i = 0; i < LT_MIN(x->n, y->n); i++)
        if (x->word[i] != y->word[i]) return x->word[i] < y->word[i] ? -1 : 1;
    return 0;
}

static size_t all_windows(const uint32_t *token, size_t n, int order, struct window *w)
{
    for (size_t i = 0; i < n; i++) {
        w[i] = (struct window){ 0 };
        do w[i].word[w[i].n] = token[i + (size_t)w[i].n];
        while (w[i].word[w[i].n++] != LT_TEXT_EOS && w[i].n < order);
    }
    lt_sort(w, n, sizeof *w, by_words, NULL);
    return n;
}

static void check_windows(struct lt_counter *t, const struct window *w, size_t n)
{
    struct lt_window got, last = { 0 };
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && !by_words(&w[i], &w[j], NULL); j++);
        assert_true(lt_counter_next(t, &got));
        assert_int_equal(got.n, w[i].n);
        assert_memory_equal(got.word, w[i].word, (size_t)got.n * sizeof *got.word);
        assert_int_equal(got.count, j - i);
        int shared = 0;
        while (shared < LT_MIN(got.n, last.n) && got.word[shared] == last.word[shared]) shared++;
        assert_int_equal(got.shared, shared);
        last = got;
    }
    assert_false(lt_counter_next(t, &got));
}

/* words: ids go up to it; small budgets make runs, and runs of runs. */
static void count_and_compare(uint32_t words, size_t n, int order, size_t budget, bool spills)
{
    uint32_t *token = lt_calloc(n + LT_NGRAM_ORDER_MAX, sizeof *token);
    struct window *w = lt_calloc(n, sizeof *w);
    struct lt_rng r = lt_rng_make(words, "tokens");
    struct lt_spill *spill = lt_spill_new("/tmp", 0);
    struct lt_counter t;
    lt_counter_init(&t, order, NULL, spill, budget);
    for (size_t i = 0; i < n; i++) {
        double u = lt_rng_unit(&r);
        bool last = i + 1 == n || lt_rng_below(&r, 12) == 0, first = !i || token[i - 1] == LT_TEXT_EOS;
        token[i] = last ? LT_TEXT_EOS : first ? LT_TEXT_BOS : 3 + (uint32_t)((words - 3) * u * u * u);
        assert_ok(lt_counter_add(&t, token[i], words));
    }
    assert_ok(lt_counter_finish(&t, words));
    assert_int_equal(t.tokens, n);
    assert_true(spills ? t.runs - t.merged < t.runs : t.runs == 0);
    check_windows(&t, w, all_windows(token, n, order, w));
    lt_counter_release(&t);
    lt_spill_free(spill);
    free(token);
    free(w);
}

static void test_ngram_build__windows(void **state)
{
    (void)state;
    count_and_compare(4, 3000, 10, 1 << 24, false);
    count_and_compare(50, 20000, 1, 1 << 24, false);
    count_and_compare(50, 20000, 5, 1 << 24, false);
    count_and_compare(UINT32_C(1) << 29, 5000, 6, 1 << 24, false);
    count_and_compare(50, 40000, 5, 1, true);
    count_and_compare(1000, 40000, 3, 1, true);
}

/* ---- the verb ---- */
static char *folder;

static int run(const char *text, size_t n, const char *json)
{
    const struct lt_verb *v = (const struct lt_verb *)lt_method_find("verb", "ngram-build");
    struct lt_options *s = lt_options_new(&v->m);
    char *input = lt_strdup(lt_test_path(folder, "text.txt"));
    assert_ok(lt_file_save(input, text, n));
    assert_ok(lt_options_set(s, "input", input));
    assert_ok(lt_options_set(s, "output", lt_test_path(folder, "x.arpa")));
    if (lt_options_json(s, json)) fail_msg("%s", lt_error());
    const void *o = lt_options_done(s);
    if (!o) fail_msg("%s", lt_error());
    int rc = v->run(o, NULL);
    lt_options_free(s);
    free(input);
    return rc;
}

static struct lt_ngram *model(const char *text, const char *json)
{
    struct lt_ngram *m;
    if (run(text, strlen(text), json)) fail_msg("%s", lt_error());
    assert_ok(lt_ngram_open(lt_test_path(folder, "x.arpa"), NULL, &m));
    return m;
}

static bool has(const struct lt_ngram *m, const char *word)
{
    return lt_map_get(&m->vocabulary, lt_str(word)) != NULL;
}

static void test_ngram_build__texts_of_any_size(void **state)
{
    (void)state;
    folder = lt_test_temp();
    struct lt_ngram *m = model("hello\n", "{}");
    assert_int_equal(m->order, 5);
    assert_int_equal(m->vocabulary.count, 4);
    assert_int_equal(m->level[4].count, 0);
    lt_ngram_free(m);
    m = model("hello", "{\"order\": 1}");
    assert_int_equal(m->order, 1);
    lt_ngram_free(m);
    m = model("\n", "{\"order\": 2}");                         /* a sentence of no words */
    assert_int_equal(m->level[1].count, 1);
    lt_ngram_free(m);
    m = model("\xEF\xBB\xBF" "a b\r\n \t a\n", "{\"order\": 10}");
    assert_true(has(m, "a") && has(m, "b"));
    assert_int_equal(m->vocabulary.count, 5);
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

static void test_ngram_build__vocabulary(void **state)
{
    (void)state;
    folder = lt_test_temp();
    const char *text = "a a a b b c\nd a e e\n";
    struct lt_ngram *m = model(text, "{\"min_count\": 2}");
    assert_true(has(m, "a") && has(m, "b") && has(m, "e") && !has(m, "c") && !has(m, "d"));
    lt_ngram_free(m);
    m = model(text, "{\"vocab_size\": 2}");                    /* b and e are equal: the first comes first */
    assert_true(has(m, "a") && has(m, "b") && !has(m, "e"));
    assert_int_equal(m->vocabulary.count, 5);
    lt_ngram_free(m);
    const char *list = lt_strdup(lt_test_path(folder, "list"));
    assert_ok(lt_file_save(list, "a e\nnever", 9));
    struct lt_buf json = { 0 };
    lt_buf_fmt(&json, "{\"limit_vocab\": \"%s\", \"outside\": \"unk\", \"order\": 2}", list);
    m = model("a <unk> b\nb c\n", json.p);
    assert_true(has(m, "a") && has(m, "never") && !has(m, "b"));
    assert_true(lt_ngram_child(m, 0, m->unk, m->unk) != LT_NGRAM_NONE);     /* <unk> b, b c */
    lt_ngram_free(m);
    m = model("a <unk> <s> b\n", "{\"skip_symbols\": true, \"order\": 2}");
    assert_true(lt_ngram_child(m, 0, lt_ngram_word(m, lt_str("a")), lt_ngram_word(m, lt_str("b"))) != LT_NGRAM_NONE);
    lt_ngram_free(m);
    lt_buf_free(&json);
    free((char *)list);
    lt_test_temp_end(folder);
}

/* What single words leave goes to all words alike, or to <unk> alone. */
static void test_ngram_build__interpolate_unigrams(void **state)
{
    (void)state;
    folder = lt_test_temp();
    const char *text = "a a a b b c\nd a e e\n";
    struct lt_ngram *m = model(text, "{\"order\": 1, \"smoothing\": \"witten_bell\"}");
    double words = 12, types = 6;                           /* </s> is one of them */
    assert_float_equal((double)m->level[0].prob[m->unk], __builtin_log10(types / (words + types) / 7), 1e-5);
    lt_ngram_free(m);
    m = model(text, "{\"order\": 1, \"smoothing\": \"witten_bell\", \"interpolate_unigrams\": false}");
    assert_float_equal((double)m->level[0].prob[m->unk], __builtin_log10(types / (words + types)), 1e-5);
    uint32_t c = lt_ngram_word(m, lt_str("c"));
    assert_float_equal((double)m->level[0].prob[c], __builtin_log10(1 / (words + types)), 1e-5);
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

static void test_ngram_build__refusals(void **state)
{
    (void)state;
    folder = lt_test_temp();
    static const struct { const char *text; size_t n; const char *json, *says; } bad[] = {
        { "", 0, "{}", "there is no text" },
        { "x\na <s> b\n", 10, "{}", "text.txt, line 2: the word \"<s>\" is a mark" },
        { "</s>\n", 5, "{}", "the word \"</s>\"" },
        { "<unk>\n", 6, "{}", "the word \"<unk>\"" },
        { "<UNK>\n", 6, "{}", "the word \"<UNK>\"" },
        { "a\0b\n", 4, "{}", "line 1: a NUL byte; this is not text" },
        { "a\nb \xC3\x28\n", 7, "{}", "line 2: not UTF-8 (byte 0xC3)" },
        { "a\n", 2, "{\"memory\": \"1X\"}", "--memory 1X: expected MiB" },
        { "a\n", 2, "{\"memory\": \"12K\"}", "at least 1M" },
        { "a\n", 2, "{\"prune\": [0, 2, 1]}", "1 after 2" },
        { "a\n", 2, "{\"prune\": [0, 1, 1], \"order\": 2}", "--prune has 3 numbers, and the order is 2" },
        { "a\n", 2, "{\"prune\": [\"x\"]}", "--prune x: expected a count" },
        { "a\n", 2, "{\"outside\": \"unk\"}", "must be known before the text is read" },
        { "a\n", 2, "{\"tokenizer\": \"t\", \"min_count\": 2}", "the vocabulary is the tokenizer's" },
        { "a\n", 2, "{\"smoothing\": \"katz\", \"interpolate_unigrams\": false}", "which katz is not" },
        { "a\n", 2, "{\"limit_vocab\": \"no-such-file\"}", "no-such-file" },
        { "a\n", 2, "{\"tokenizer\": \"no-such-file\"}", "no-such-file" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        assert_fails(run(bad[i].text, bad[i].n, bad[i].json), bad[i].says);
        assert_false(lt_path_exists(lt_test_path(folder, "x.arpa")));
    }
    struct lt_buf text = { 0 };
    for (int i = 0; i < 100000; i++) lt_buf_fmt(&text, "w%d\n", i);
    assert_fails(run(text.p, text.n, "{\"memory\": 1}"), "takes more than half of the memory");
    lt_buf_clear(&text);
    for (int i = 0; i < 70000; i++) lt_buf_char(&text, 'x');
    assert_fails(run(text.p, text.n, "{}"), "a word of 70000 bytes");
    lt_buf_free(&text);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_build__windows),
        cmocka_unit_test(test_ngram_build__texts_of_any_size),
        cmocka_unit_test(test_ngram_build__vocabulary),
        cmocka_unit_test(test_ngram_build__interpolate_unigrams),
        cmocka_unit_test(test_ngram_build__refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
