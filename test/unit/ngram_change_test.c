/* Pruning and filtering n-gram models, against the definitions computed the long way. */
#include "test.h"
#include "ngram/entropy_prune.h"
#include "ngram/stream.h"
#include "ngram/vocab_filter.h"
#include <math.h>

/* A trigram model over eight words and the marks, every context of which sums to 1 (Witten-Bell weights). */
static struct lt_ngram *make_model(uint64_t seed)
{
    enum { W = 10 };                                    /* <s>, </s>, w2 .. w9 */
    struct lt_rng r = lt_rng_make(seed, "counts");
    struct lt_buf arpa = { 0 }, part[3] = { { 0 } };
    int count[3] = { 0 };
    char name[W][8];
    for (int w = 0; w < W; w++) snprintf(name[w], sizeof name[w], w == 0 ? "<s>" : w == 1 ? "</s>" : "w%d", w);
    for (int w = 0; w < W; w++) {
        lt_buf_fmt(&part[0], "%.7g\t%s\n", w ? log10(1.0 / (W - 1)) : -99, name[w]);
        count[0]++;
        for (int v = 1; v < W && w != 1; v++) {
            if (lt_rng_below(&r, 2)) continue;
            lt_buf_fmt(&part[1], "%.7g\t%s %s\n", log10(0.02 + 0.09 * lt_rng_unit(&r)), name[w], name[v]);
            count[1]++;
            for (int u = 1; u < W && v != 1; u++) {
                if (lt_rng_below(&r, 3)) continue;
                lt_buf_fmt(&part[2], "%.7g\t%s %s %s\n", log10(0.03 + 0.07 * lt_rng_unit(&r)), name[w], name[v],
                           name[u]);
                count[2]++;
            }
        }
    }
    lt_buf_str(&arpa, "\\data\\\n");
    for (int k = 0; k < 3; k++) lt_buf_fmt(&arpa, "ngram %d=%d\n", k + 1, count[k]);
    for (int k = 0; k < 3; k++) lt_buf_fmt(&arpa, "\n\\%d-grams:\n%s", k + 1, part[k].p);
    lt_buf_str(&arpa, "\n\\end\\\n");
    struct lt_ngram *m;
    assert_ok(lt_ngram_parse("made", lt_buf_view(&arpa), &m));
    lt_buf_free(&arpa);
    for (int k = 0; k < 3; k++) lt_buf_free(&part[k]);
    lt_ngram_renormalise(m);
    return m;
}

static struct lt_ngram_state after(const struct lt_ngram *m, const uint32_t *word, int n)
{
    struct lt_ngram_state s = { 0 };
    for (int i = 0; i < n; i++) lt_ngram_push(m, &s, word[i]);
    return s;
}

static double prob_after(const struct lt_ngram *m, const uint32_t *context, int n, uint32_t word)
{
    struct lt_ngram_state s = after(m, context, n);
    return pow(10, lt_ngram_prob(m, &s, word, NULL));
}

static void check_sums(const struct lt_ngram *m)
{
    uint32_t words = lt_ngram_words(m), context[2];
    for (int n = 0; n <= 2; n++)
        for (context[0] = 0; context[0] < words; context[0]++)
            for (context[1] = 0; context[1] < words; context[1]++) {
                double sum = 0;
                for (uint32_t w = 0; w < words; w++)
                    if (w != m->bos && w != m->unk) sum += prob_after(m, context, n, w);
                assert_float_equal(sum, 1, 2e-6);
            }
}

/* The growth of the perplexity when one n-gram alone goes, over all words of the context that changes: the model
 * without it is made and asked. */
struct without { const uint32_t *word; int level; };

static bool all_but(void *self, int level, uint64_t index, const uint32_t *word)
{
    const struct without *w = self;
    (void)index;
    return level < w->level || memcmp(word, w->word, ((size_t)w->level + 1) * sizeof *word) != 0;
}

static double cost(const struct lt_ngram *m, int level, const uint32_t *word)
{
    struct without w = { word, level };
    struct lt_ngram_choice choice = { all_but, &w };
    struct lt_ngram_sink sink;
    struct lt_ngram *less;
    lt_ngram_collect(&less, &sink);
    assert_ok(lt_ngram_stream(m, "model", &choice, NULL, &sink));
    lt_ngram_renormalise(less);
    double d = 0, ph = 1;
    for (int i = 0; i < level; i++)
        ph *= word[i] == m->bos ? prob_after(m, word, i, m->eos) : prob_after(m, word, i, word[i]);
    for (uint32_t v = 0; v < lt_ngram_words(m); v++) {
        if (v == m->bos || v == m->unk) continue;
        double p = prob_after(m, word, level, v);
        d += ph * p * log(p / prob_after(less, word, level, v));
    }
    lt_ngram_free(less);
    return expm1(d);
}

struct costs { const struct lt_ngram *m, *small; double threshold; int level, gone, stay; };

static int check_cost(void *self, uint64_t index, const uint32_t *word)
{
    struct costs *g = self;
    bool goes_on = false;
    (void)index;
    if (g->level < g->m->order - 1) {                   /* does anything that stayed begin with it? */
        uint32_t node = lt_ngram_index(g->small, word, g->level + 1);
        const uint32_t *child = g->small->level[g->level].child;
        goes_on = node != LT_NGRAM_NONE && child[node] < child[node + 1];
    }
    bool stays = lt_ngram_index(g->small, word, g->level + 1) != LT_NGRAM_NONE;
    double grows = cost(g->m, g->level, word);
    if (fabs(grows - g->threshold) < 1e-7) return 0;    /* too near to call: figures are floats */
    assert_int_equal(stays, goes_on || grows >= g->threshold);
    if (stays) g->stay++;
    else g->gone++;
    return 0;
}

static void test_ngram_change__pruning_by_definition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct lt_ngram *m = make_model(seed);
        check_sums(m);
        for (double threshold = 1e-5; threshold < 1e-2; threshold *= 10) {
            struct costs g = { .m = m, .threshold = threshold };
            struct lt_ngram *small;
            assert_ok(lt_ngram_prune(m, threshold, 2, NULL, &small));
            check_sums(small);
            g.small = small;
            for (g.level = 1; g.level < 3; g.level++) assert_ok(lt_ngram_each(m, g.level, check_cost, &g));
            if (threshold > 5e-5 && threshold < 5e-4) assert_true(g.gone > 20 && g.stay > 20);
            lt_ngram_free(small);
        }
        lt_ngram_free(m);
    }
}

static void test_ngram_change__pruning_nothing_or_all(void **state)
{
    (void)state;
    struct lt_ngram *m = make_model(4), *small;
    struct lt_buf one = { 0 }, two = { 0 };
    assert_ok(lt_ngram_prune(m, 0, 2, NULL, &small));
    lt_ngram_write(m, &one);
    lt_ngram_write(small, &two);
    assert_string_equal(one.p, two.p);
    lt_ngram_free(small);
    assert_ok(lt_ngram_prune(m, 1, 3, NULL, &small));   /* from the trigrams up */
    assert_int_equal(small->level[1].count, m->level[1].count);
    assert_int_equal(small->level[2].count, 0);
    check_sums(small);
    lt_ngram_free(small);
    lt_buf_free(&one);
    lt_buf_free(&two);
    lt_ngram_free(m);
}

/* ---- filter ---- */
static struct lt_ngram *filtered(const char *folder, const struct lt_ngram *m, const char *vocab, const char *mode)
{
    struct lt_ngram_filter_options o = { .mode = mode, .output = { .format = "arpa" } };
    char in[1024], words[1024], out[1024];
    struct lt_ngram *small;
    snprintf(in, sizeof in, "%s/in.arpa", folder);
    snprintf(words, sizeof words, "%s/words", folder);
    snprintf(out, sizeof out, "%s/out.arpa", folder);
    assert_ok(lt_ngram_save(m, in));
    assert_ok(lt_file_save(words, vocab, strlen(vocab)));
    o.model = in;
    o.vocab = words;
    o.output.path = out;
    if (lt_ngram_filter_run(&o, NULL)) return NULL;
    assert_ok(lt_ngram_open(out, NULL, &small));
    return small;
}

struct filtering { const struct lt_ngram *m, *small; const char *const *line; int lines, level, stay; };

static int check_filter(void *self, uint64_t index, const uint32_t *word)
{
    struct filtering *g = self;
    uint32_t id[LT_NGRAM_ORDER_MAX];
    bool expected = false, there = true;
    (void)index;
    if (word[0] == g->m->unk) return 0;                 /* the file does not list it */
    for (int i = 0; i < g->lines; i++) {
        bool all = true;
        for (int k = 0; k <= g->level; k++) {
            char spelt[64];
            struct lt_str w = lt_ngram_spelling(g->m, word[k]);
            snprintf(spelt, sizeof spelt, " %.*s ", (int)w.n, w.p);
            all = all && (*w.p == '<' || strstr(g->line[i], spelt));
        }
        expected = expected || all;
    }
    for (int k = 0; k <= g->level && there; k++) {
        id[k] = lt_ngram_word(g->small, lt_ngram_spelling(g->m, word[k]));
        there = id[k] != g->small->unk;
    }
    there = there && lt_ngram_index(g->small, id, g->level + 1) != LT_NGRAM_NONE;
    assert_int_equal(there, expected);
    g->stay += there;
    return 0;
}

static void test_ngram_change__filter(void **state)
{
    (void)state;
    static const char *const single[] = { " w2 w3 w5 w9 " }, *const lines[] = { " w2 w3 ", " w3 w4 w5 ", " w9 none " };
    char *folder = lt_test_temp();
    struct lt_ngram *m = make_model(5);
    for (int mode = 0; mode < 2; mode++) {
        struct filtering g = { .m = m, .line = mode ? lines : single, .lines = mode ? 3 : 1 };
        struct lt_ngram *small = filtered(folder, m, mode ? "w2 w3\nw3 w4\tw5\r\n\nw9 none\n" : "w2\nw3 w5\nw9 never",
                                          mode ? "union" : "single");
        assert_non_null(small);
        g.small = small;
        for (g.level = 0; g.level < 3; g.level++) assert_ok(lt_ngram_each(m, g.level, check_filter, &g));
        assert_true(g.stay > 20);
        /* a text of the vocabulary is as likely as before */
        struct lt_ngram_state a = { 0 }, b = { 0 };
        static const char *const text[] = { "<s>", "w2", "w3", "w3", "w2", "w2", "</s>" };
        for (int i = 0; i < LT_COUNT(text); i++)
            assert_float_equal(lt_ngram_prob(m, &a, lt_ngram_word(m, lt_str(text[i])), NULL),
                               lt_ngram_prob(small, &b, lt_ngram_word(small, lt_str(text[i])), NULL), 0);
        lt_ngram_free(small);
    }
    assert_null(filtered(folder, m, "nobody\n", "single"));
    assert_non_null(strstr(lt_error(), "none of its 1 words is one of the model's"));
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_change__pruning_by_definition),
        cmocka_unit_test(test_ngram_change__pruning_nothing_or_all),
        cmocka_unit_test(test_ngram_change__filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
