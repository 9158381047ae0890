/* Estimating n-gram models, against the definitions computed the long way: every count looked up in a table of all
 * n-grams there could be, every probability by recursion. */
#include "test.h"
#include "ngram/build.h"
#include <math.h>

enum { WORDS = 9, ORDER = 4, CELLS = 9 * 9 * 9 * 9 };       /* <unk>, <s>, </s> and six words */
enum method { KNESER_NEY, ABSOLUTE, WITTEN_BELL };
static const char *const name[] = { "modified_kneser_ney", "absolute_discounting", "witten_bell" };

struct long_way {
    int order;
    enum method method;
    bool seen[ORDER + 1][CELLS];
    double count[ORDER + 1][CELLS];     /* occurrences, then as the method counts */
    double d[ORDER + 1][4];
    bool fallback[ORDER + 1];
};

/* ---- texts ---- */
/* Sentences of six words, the first likelier than the last, each likelier after itself. */
static void make_text(struct lt_buf *b, int sentences, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, "text");
    for (int i = 0; i < sentences; i++) {
        int words = (int)lt_rng_below(&r, 9), last = 0;
        for (int k = 0; k < words; k++) {
            double u = lt_rng_unit(&r);
            last = lt_rng_below(&r, 3) ? (int)(6 * u * u * u) : last;
            lt_buf_fmt(b, "%sw%d", k ? " " : "", last);
        }
        lt_buf_char(b, '\n');
    }
}

static void add_lines(struct lt_ngram_text *t, struct lt_str text)
{
    struct lt_str line;
    lt_ngram_text_init(t, (size_t)64 << 20);
    while (lt_str_split(&text, '\n', &line) && (line.n || text.p)) assert_ok(lt_ngram_text_add(t, line));
}

static void estimate(struct lt_ngram_text *t, int order, enum method method, struct lt_ctx *c,
                     struct lt_ngram_counts *n)
{
    assert_ok(lt_ngram_count(t, order, c, n));
    const struct lt_method *m = lt_method_find("smoothing", name[method]);
    assert_non_null(m);
    lt_ngram_estimate(n, (const struct lt_smoothing *)m, NULL, c);
}

/* ---- the long way ---- */
static int power(int n)
{
    int p = 1;
    while (n-- > 0) p *= WORDS;
    return p;
}

static void count_all(struct long_way *l, const struct lt_ngram_text *t)
{
    for (size_t i = 0; i < t->n; i++) {
        int cell = 0;
        for (int n = 1; n <= l->order && i + (size_t)n <= t->n; n++) {
            cell = cell * WORDS + (int)t->token[i + (size_t)n - 1];
            l->count[n][cell]++;
            l->seen[n][cell] = true;
            if (t->token[i + (size_t)n - 1] == LT_TEXT_EOS) break;
        }
    }
    for (int n = 1; n < l->order && l->method == KNESER_NEY; n++)
        for (int cell = 0; cell < power(n); cell++) {
            if (cell / power(n - 1) == LT_TEXT_BOS) continue;
            l->count[n][cell] = 0;
            for (int v = 0; v < WORDS; v++) l->count[n][cell] += l->seen[n + 1][v * power(n) + cell];
        }
    l->count[1][LT_TEXT_BOS] = 0;
}

static void find_discounts(struct long_way *l)
{
    for (int n = 1; n <= l->order; n++) {
        double of[5] = { 0 }, *d = l->d[n];
        for (int cell = 0; cell < power(n); cell++)
            if (l->count[n][cell] <= 4) of[(int)l->count[n][cell]]++;
        double y = of[1] / (of[1] + 2 * of[2]);
        if (l->method == ABSOLUTE) d[1] = d[2] = d[3] = of[1] > 0 ? y : 0.5;
        if (l->method != KNESER_NEY) continue;
        d[1] = 1 - 2 * y * of[2] / of[1];
        d[2] = 2 - 3 * y * of[3] / of[2];
        d[3] = 3 - 4 * y * of[4] / of[3];
        l->fallback[n] = !(d[1] >= 0 && d[2] >= 0 && d[3] >= 0) || of[1] * of[2] * of[3] == 0;
        for (int j = 1; j <= 3 && l->fallback[n]; j++) d[j] = 0.5 * j;
    }
}

/* p(word | the n - 1 words of `context`, as a cell) */
static double by_definition(const struct long_way *l, int n, int context, int word)
{
    if (!n) return 1.0 / (WORDS - 1);
    double total = 0, off = 0, types = 0;
    double lower = by_definition(l, n - 1, n > 1 ? context % power(n - 2) : 0, word);
    for (int w = 0; w < WORDS; w++) {
        double c = l->count[n][context * WORDS + w];
        total += c;
        types += c > 0;
        off += c > 0 ? l->d[n][(int)LT_MIN(c, 3)] : 0;
    }
    if (total == 0) return lower;
    double c = l->count[n][context * WORDS + word];
    if (l->method == WITTEN_BELL) return (c + types * lower) / (total + types);
    return (c > 0 ? c - l->d[n][(int)LT_MIN(c, 3)] : 0) / total + off / total * lower;
}

/* ---- tests ---- */
static void ask_all(const struct long_way *l, const struct lt_ngram *m)
{
    for (int n = 1; n <= l->order; n++)
        for (int context = 0; context < power(n - 1); context++) {
            struct lt_ngram_state s = { 0 };
            float row[WORDS];
            double sum = 0;
            for (int k = n - 2; k >= 0; k--) lt_ngram_push(m, &s, (uint32_t)(context / power(k) % WORDS));
            lt_ngram_row(m, &s, 1, row);
            for (int w = 0; w < WORDS; w++) {
                if (w == LT_TEXT_BOS) continue;
                double p = by_definition(l, n, context, w);
                if (fabs((double)row[w] - log10(p)) > 1e-5)
                    fail_msg("%s, order %d, context %d of %d words, word %d: %.8g, by definition %.8g",
                             name[l->method], l->order, context, n - 1, w, (double)row[w], log10(p));
                sum += pow(10, (double)row[w]);
            }
            assert_float_equal(sum, 1, 1e-5);
        }
}

static void compare(struct lt_str text)
{
    for (int method = KNESER_NEY; method <= WITTEN_BELL; method++)
        for (int order = 1; order <= ORDER; order++) {
            struct lt_ngram_text t;
            struct lt_ngram_counts n;
            struct long_way *l = lt_calloc(1, sizeof *l);
            l->order = order;
            l->method = (enum method)method;
            add_lines(&t, text);
            assert_int_equal(t.vocabulary.count, WORDS);
            count_all(l, &t);
            find_discounts(l);
            if (method == KNESER_NEY && order > 1) assert_true(l->fallback[order]);
            estimate(&t, order, l->method, NULL, &n);
            ask_all(l, n.m);
            lt_ngram_counts_release(&n);
            lt_ngram_text_release(&t);
            free(l);
        }
}

static void test_ngram_build__by_definition(void **state)
{
    (void)state;
    struct lt_buf text = { 0 };
    lt_buf_str(&text, "w0 w1 w2 w3 w4 w5\nw5\nw3 w5 w5\n");
    compare(lt_buf_view(&text));
    lt_buf_free(&text);
}

/* The figures of this text are such that discounts follow in the orders above the first, which has six words. */
static void test_ngram_build__discounts_by_definition(void **state)
{
    (void)state;
    struct lt_buf text = { 0 };
    make_text(&text, 250, 5);
    struct lt_ngram_text t;
    struct long_way *l = lt_calloc(1, sizeof *l);
    struct lt_ngram_counts n;
    l->order = ORDER;
    add_lines(&t, lt_buf_view(&text));
    assert_int_equal(t.vocabulary.count, WORDS);
    count_all(l, &t);
    find_discounts(l);
    assert_false(l->fallback[ORDER]);
    assert_false(l->fallback[ORDER - 1]);
    assert_true(l->d[ORDER][1] != 0.5);
    estimate(&t, ORDER, KNESER_NEY, NULL, &n);
    ask_all(l, n.m);
    lt_ngram_counts_release(&n);
    lt_ngram_text_release(&t);
    free(l);
    lt_buf_free(&text);
}

/* The file is the same from any number of threads, and read back it is the model. */
static void test_ngram_build__threads(void **state)
{
    (void)state;
    struct lt_buf text = { 0 }, file[2] = { 0 };
    make_text(&text, 3000, 9);
    for (int i = 0; i < 2; i++) {
        struct lt_ctx *c = lt_ctx_new(i ? 3 : 1, NULL, NULL);
        struct lt_ngram_text t;
        struct lt_ngram_counts n;
        add_lines(&t, lt_buf_view(&text));
        estimate(&t, 5, KNESER_NEY, c, &n);
        lt_ngram_write(n.m, &file[i]);
        lt_ngram_counts_release(&n);
        lt_ngram_text_release(&t);
        lt_ctx_free(c);
    }
    assert_string_equal(file[0].p, file[1].p);
    struct lt_ngram *m;
    struct lt_buf again = { 0 };
    assert_ok(lt_ngram_parse("written", lt_buf_view(&file[0]), &m));
    assert_int_equal(m->blank.count, 0);
    lt_ngram_write(m, &again);
    assert_string_equal(again.p, file[0].p);
    lt_ngram_free(m);
    lt_buf_free(&again);
    lt_buf_free(&file[0]);
    lt_buf_free(&file[1]);
    lt_buf_free(&text);
}

static void test_ngram_build__refusals(void **state)
{
    (void)state;
    static const struct { const char *line, *says; } bad[] = {
        { "a <s> b", "the word \"<s>\" is a mark" }, { "</s>", "the word \"</s>\"" }, { "<unk>", "the word \"<unk>\"" },
        { "<UNK>", "the word \"<UNK>\"" },
    };
    struct lt_ngram_text t;
    struct lt_ngram_counts n;
    for (int i = 0; i < LT_COUNT(bad); i++) {
        lt_ngram_text_init(&t, (size_t)64 << 20);
        assert_fails(lt_ngram_text_add(&t, lt_str(bad[i].line)), bad[i].says);
        lt_ngram_text_release(&t);
    }
    lt_ngram_text_init(&t, (size_t)64 << 20);
    assert_fails(lt_ngram_text_add(&t, (struct lt_str){ "a\0b", 3 }), "NUL");
    lt_ngram_text_release(&t);
    lt_ngram_text_init(&t, (size_t)64 << 20);
    assert_fails(lt_ngram_count(&t, 3, NULL, &n), "no words");
    assert_ok(lt_ngram_text_add(&t, lt_str("")));
    assert_fails(lt_ngram_count(&t, 3, NULL, &n), "no words");
    lt_ngram_text_release(&t);

    struct lt_buf text = { 0 };
    for (int i = 0; i < 100000; i++) lt_buf_fmt(&text, "w%d ", i);
    lt_ngram_text_init(&t, (size_t)1 << 20);
    assert_fails(lt_ngram_text_add(&t, lt_buf_view(&text)), "more than the 1 MiB it may (--memory)");
    lt_ngram_text_release(&t);
    lt_ngram_text_init(&t, (size_t)32 << 20);
    assert_ok(lt_ngram_text_add(&t, lt_buf_view(&text)));
    assert_fails(lt_ngram_count(&t, 10, NULL, &n), "more than the 32 MiB they may (--memory)");
    lt_ngram_text_release(&t);
    lt_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_build__by_definition),
        cmocka_unit_test(test_ngram_build__discounts_by_definition),
        cmocka_unit_test(test_ngram_build__threads),
        cmocka_unit_test(test_ngram_build__refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
