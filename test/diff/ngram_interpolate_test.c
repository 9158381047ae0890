/* Interpolated n-gram models against the definitions, word by word over every context there can be. */
#include "test.h"
#include "ngram/interpolate.h"
#include <math.h>

enum { MODELS = 3, WORDS = 11, DEEPEST = 3 };

/* ---- models ---- */
/* Sentences of `words` words from `first` on, each likelier after itself. */
static struct lt_ngram *make(int order, int first, int words, uint64_t seed, const char *smoothing)
{
    struct lt_rng r = lt_rng_make(seed, "text");
    struct lt_ngram *m;
    struct lt_buf text = { 0 };
    char *folder = lt_test_temp(), number[8];
    const char *input = lt_test_path(folder, "text.txt"), *output = lt_test_path(folder, "made.arpa");
    const struct lt_verb *build = (const struct lt_verb *)lt_method_find("verb", "ngram-build");
    struct lt_options *s = lt_options_new(&build->m);
    for (int i = 0; i < 40; i++) {
        int last = first;
        lt_buf_fmt(&text, "w%d", first + i % words);
        for (int k = (int)lt_rng_below(&r, 6); k > 0; k--) {
            double u = lt_rng_unit(&r);
            last = lt_rng_below(&r, 3) ? first + (int)(words * u * u) : last;
            lt_buf_fmt(&text, " w%d", last);
        }
        lt_buf_char(&text, '\n');
    }
    snprintf(number, sizeof number, "%d", order);
    assert_ok(lt_file_save(input, text.p, text.n));
    assert_ok(lt_options_set(s, "input", input));
    assert_ok(lt_options_set(s, "output", output));
    assert_ok(lt_options_set(s, "order", number));
    assert_ok(lt_options_set(s, "smoothing", smoothing));
    const void *o = lt_options_done(s);
    assert_non_null(o);
    assert_ok(build->run(o, NULL));
    assert_ok(lt_ngram_open(output, NULL, &m));
    lt_options_free(s);
    lt_buf_free(&text);
    lt_test_temp_end(folder);
    return m;
}

struct trial { struct lt_ngram *m[MODELS]; const char *name[MODELS]; int count; struct lt_ngram_union u; };

static void begin(struct trial *t, int count)
{
    static const char *const how[] = { "modified_kneser_ney", "witten_bell", "absolute_discounting" };
    static const int order[] = { 3, 4, 2 };
    *t = (struct trial){ .count = count, .name = { "a", "b", "c" } };
    for (int i = 0; i < count; i++) t->m[i] = make(order[i], i, 4 + i, (uint64_t)i, how[i]);
    assert_ok(lt_ngram_union_init(&t->u, t->m, t->name, count));
    assert_in_range(t->u.m->vocabulary.count, 6, WORDS);
}

static void end(struct trial *t)
{
    lt_ngram_union_release(&t->u);
    for (int i = 0; i < t->count; i++) lt_ngram_free(t->m[i]);
}

/* ---- by definition ---- */
/* p(word | context) of one model over words as texts; lacking: what a word it does not have gets. */
static double ask(const struct lt_ngram *m, const struct lt_ngram *names, const uint32_t *context, int n, uint32_t word,
                  bool unknown_is_unk)
{
    struct lt_ngram_state s = { 0 };
    struct lt_str w = lt_ngram_spelling(names, word);
    for (int i = 0; i < n; i++) lt_ngram_push(m, &s, lt_ngram_word(m, lt_ngram_spelling(names, context[i])));
    if (!unknown_is_unk && !lt_map_get(&m->vocabulary, w)) return 0;
    return pow(10, lt_ngram_prob(m, &s, lt_ngram_word(m, w), NULL));
}

static bool listed(const struct lt_ngram *m, const struct lt_ngram *names, const uint32_t *word, int n)
{
    const uint64_t *id = lt_map_get(&m->vocabulary, lt_ngram_spelling(names, word[0]));
    uint32_t node = id ? (uint32_t)*id : LT_NGRAM_NONE;
    for (int k = 1; k < n && node != LT_NGRAM_NONE; k++) {
        id = lt_map_get(&m->vocabulary, lt_ngram_spelling(names, word[k]));
        node = id && k < m->order ? lt_ngram_child(m, k - 1, node, (uint32_t)*id) : LT_NGRAM_NONE;
    }
    return node != LT_NGRAM_NONE;
}

static double by_definition(const struct trial *t, const double *weight, bool log_linear, const uint32_t *context,
                            int n, uint32_t word)
{
    double linear = 0, product = 0;
    for (int i = 0; i < t->count; i++) {
        double p = ask(t->m[i], t->u.m, context, n, word, log_linear);
        linear += weight[i] * p;
        product += weight[i] * log(p);
    }
    return log_linear ? exp(product) : linear;
}

static void check_context(const struct trial *t, const double *weight, bool log_linear, uint32_t *context, int n)
{
    const struct lt_ngram *m = t->u.m;
    double sum = 0, all = 0;
    for (uint32_t w = 0; w < m->vocabulary.count; w++) {
        if (w == m->bos) continue;
        sum += ask(m, m, context, n, w, true);
        all += by_definition(t, weight, log_linear, context, n, w);
    }
    if (fabs(sum - 1) > 2e-5) fail_msg("a context of %d words sums to %.8f", n, sum);
    for (uint32_t w = 0; w < m->vocabulary.count; w++) {
        if (w == m->bos) continue;
        bool in_one = false;
        context[n] = w;
        for (int i = 0; i < t->count; i++) in_one |= listed(t->m[i], m, context, n + 1);
        assert_int_equal(in_one, listed(m, m, context, n + 1));
        if (!log_linear && !in_one) continue;           /* the static model backs off there */
        double p = by_definition(t, weight, log_linear, context, n, w) / (log_linear ? all : 1);
        double found = ask(m, m, context, n, w, true);
        if (fabs(log(found) - log(p)) > 1e-4 && fabs(found - p) > 1e-7)
            fail_msg("%s, %d words before word %u: %.9g, by definition %.9g", log_linear ? "log-linear" : "linear", n,
                     w, found, p);
    }
}

/* Every context of up to DEEPEST words, <s> only at the beginning. */
static void check_all(const struct trial *t, const double *weight, bool log_linear)
{
    uint32_t words = t->u.m->vocabulary.count, context[DEEPEST + 1];
    for (int n = 0; n <= DEEPEST; n++) {
        int cells = 1;
        for (int i = 0; i < n; i++) cells *= (int)words;
        for (int cell = 0; cell < cells; cell++) {
            bool inside = false;
            for (int i = n - 1, left = cell; i >= 0; i--, left /= (int)words) {
                context[i] = (uint32_t)left % words;
                inside |= (i > 0 && context[i] == t->u.m->bos) || context[i] == t->u.m->eos;
            }
            if (!inside) check_context(t, weight, log_linear, context, n);
        }
    }
}

static void run(int count, const double *weight, bool log_linear)
{
    struct trial t;
    begin(&t, count);
    lt_ngram_interpolate(&t.u, weight, log_linear, NULL);
    check_all(&t, weight, log_linear);
    end(&t);
}

static void test_ngram_interpolate__linear(void **state)
{
    (void)state;
    run(2, (double[]){ 0.3, 0.7 }, false);
    run(3, (double[]){ 0.2, 0.5, 0.3 }, false);
}

static void test_ngram_interpolate__log_linear(void **state)
{
    (void)state;
    run(2, (double[]){ 0.4, 0.5 }, true);
    run(3, (double[]){ 0.2, 0.7, 0.4 }, true);
}

static void test_ngram_interpolate__one_alone(void **state)
{
    (void)state;
    for (int log_linear = 0; log_linear < 2; log_linear++) {
        struct trial t;
        begin(&t, 1);
        lt_ngram_interpolate(&t.u, (double[]){ 1 }, log_linear, NULL);
        struct lt_ngram_level *a = t.m[0]->level, *b = t.u.m->level;
        for (int k = 0; k < t.m[0]->order; k++) {
            assert_int_equal(a[k].count, b[k].count);
            for (uint32_t i = 0; i < a[k].count; i++) {
                assert_int_equal(a[k].word[i], b[k].word[i]);
                assert_float_equal(a[k].prob[i], b[k].prob[i], 1e-5);
                if (a[k].backoff && a[k].child[i] < a[k].child[i + 1] && a[k].backoff[i] > -6)
                    assert_float_equal(a[k].backoff[i], b[k].backoff[i], 1e-4);
            }
        }
        end(&t);
    }
}

static void written(int threads, bool swapped, bool log_linear, struct lt_buf *out)
{
    struct trial t;
    struct lt_ctx *c = lt_ctx_new(threads, NULL, NULL);
    begin(&t, 2);
    if (swapped) {
        struct lt_ngram *m = t.m[0];
        t.m[0] = t.m[1];
        t.m[1] = m;
        lt_ngram_union_release(&t.u);
        assert_ok(lt_ngram_union_init(&t.u, t.m, t.name, 2));
    }
    lt_ngram_interpolate(&t.u, swapped ? (double[]){ 0.7, 0.3 } : (double[]){ 0.3, 0.7 }, log_linear, c);
    lt_ngram_write(t.u.m, out);
    end(&t);
    lt_ctx_free(c);
}

/* The same file from any number of threads; the same model whatever the order of its members. */
static void test_ngram_interpolate__threads_and_order(void **state)
{
    (void)state;
    for (int log_linear = 0; log_linear < 2; log_linear++) {
        struct lt_buf one = { 0 }, four = { 0 }, other = { 0 };
        struct lt_ngram *a, *b;
        written(1, false, log_linear, &one);
        written(4, false, log_linear, &four);
        written(1, true, log_linear, &other);
        assert_string_equal(one.p, four.p);
        assert_ok(lt_ngram_parse("one", lt_buf_view(&one), &a));
        assert_ok(lt_ngram_parse("other", lt_buf_view(&other), &b));
        for (uint32_t v = 0; v < a->vocabulary.count; v++)
            for (uint32_t w = 0; w < a->vocabulary.count; w++)
                if (w != a->bos)
                    assert_float_equal(log(ask(a, a, &v, 1, w, true)), log(ask(b, a, &v, 1, w, true)), 1e-4);
        lt_ngram_free(a);
        lt_ngram_free(b);
        lt_buf_free(&one);
        lt_buf_free(&four);
        lt_buf_free(&other);
    }
}

/* A row of the members' log-probabilities is what they say word by word. */
static void test_ngram_interpolate__rows(void **state)
{
    (void)state;
    struct trial t;
    begin(&t, 3);
    uint32_t words = t.u.m->vocabulary.count, context[] = { 1, 2, 5 };
    float row[WORDS];
    for (int n = 0; n <= 3; n++)
        for (int i = 0; i < 3; i++) {
            lt_ngram_view_row(&t.u, i, context, n, row);
            for (uint32_t w = 0; w < words; w++)
                if (w != t.u.m->bos)
                    assert_float_equal(row[w] / log(10), lt_ngram_view_prob(&t.u.view[i], context, n, w, true), 1e-5);
        }
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_interpolate__linear),
        cmocka_unit_test(test_ngram_interpolate__log_linear),
        cmocka_unit_test(test_ngram_interpolate__one_alone),
        cmocka_unit_test(test_ngram_interpolate__threads_and_order),
        cmocka_unit_test(test_ngram_interpolate__rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
