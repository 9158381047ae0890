/* The parts of Unigram training against plain ones: substrings counted one by one, and sums over all ways to cut. */
#include "test.h"
#include "text/train/unigram_model.h"

#include <math.h>

static struct lt_stretches stretches(struct lt_words *w, struct lt_alphabet *a, const char *const *word,
                                     const uint64_t *count, int n)
{
    struct lt_stretches s;
    *w = (struct lt_words){ .count = (size_t)n, .word = lt_calloc((size_t)n, sizeof *w->word) };
    for (int i = 0; i < n; i++)
        w->word[i] = (struct lt_word){ .p = word[i], .n = (uint32_t)strlen(word[i]), .count = count[i] };
    lt_alphabet_of(w, 0, 1, a);
    lt_stretches_of(w, a, &s);
    return s;
}

static int occurrences(const char *word, const char *part, size_t n)
{
    int k = 0;
    for (const char *p = word; *p; p++)
        k += strncmp(p, part, n) == 0;
    return k;
}

/* No seed was seen only once, and every repeated substring is one that no longer substring equals in number (of the
 * longest, those that stand in two places). */
static void test_unigram_trainer__seeds(void **state)
{
    (void)state;
    enum { WORDS = 40, LONGEST = 6 };
    char text[WORDS][16];
    const char *word[WORDS];
    uint64_t count[WORDS];
    struct lt_rng r = lt_rng_make(4, "words");
    for (int i = 0; i < WORDS; i++) {
        int n = 1 + (int)lt_rng_below(&r, 12);
        for (int k = 0; k < n; k++)
            text[i][k] = "abc"[lt_rng_below(&r, 3)];
        text[i][n] = 0;
        word[i] = text[i];
        count[i] = 1 + lt_rng_below(&r, 4);
    }
    struct lt_words w;
    struct lt_alphabet a;
    struct lt_stretches s = stretches(&w, &a, word, count, WORDS);
    struct lt_unigram u;
    struct lt_arena arena = { 0 };
    struct lt_map seeds = { 0 };
    lt_unigram_seeds(&s, &a, 100000, LONGEST, &arena, &u);
    assert_int_equal(u.required, 3);
    for (size_t i = 0; i < u.count; i++) {
        bool fresh;
        lt_map_put(&seeds, u.piece[i], &fresh);
        assert_true(fresh);
    }
    for (int i = 0; i < WORDS; i++) {
        for (const char *p = word[i]; *p; p++) {
            for (size_t n = 2; n <= LONGEST && n <= strlen(p); n++) {
                uint64_t seen = 0, longer[3] = { 0 };
                int places = 0;
                for (int k = 0; k < WORDS; k++) {
                    places += occurrences(word[k], p, n);
                    seen += count[k] * (uint64_t)occurrences(word[k], p, n);
                    for (int c = 0; c < 3; c++) {
                        char more[16];
                        snprintf(more, sizeof more, "%.*s%c", (int)n, p, "abc"[c]);
                        longer[c] += count[k] * (uint64_t)occurrences(word[k], more, n + 1);
                    }
                }
                bool branches = n == LONGEST ? places > 1 : (longer[0] < seen && longer[1] < seen && longer[2] < seen);
                bool is_seed = lt_map_get(&seeds, (struct lt_str){ p, n }) != NULL;
                if (is_seed && seen < 2)
                    fail_msg("\"%.*s\" was seen once", (int)n, p);
                if (!is_seed && seen >= 2 && branches)
                    fail_msg("\"%.*s\" was seen %d times and is no seed", (int)n, p, (int)seen);
            }
        }
    }
    double sum = 0;
    for (size_t i = 0; i < u.count; i++)
        sum += exp(u.logp[i]);
    assert_true(fabs(sum - 1) < 1e-9);
    lt_map_free(&seeds);
    lt_unigram_release(&u);
    lt_arena_free(&arena);
    lt_alphabet_release(&a);
    free(s.at);
    free(w.word);
}

/* Sums over every way to cut a word, one after the other. */
static void cut_all(const struct lt_unigram *u, const char *word, double p, int *used, int depth, double *total,
                    double *expected)
{
    if (!*word) {
        *total += p;
        for (int i = 0; i < depth; i++)
            expected[used[i]] += p;
        return;
    }
    for (size_t i = 0; i < u->count; i++) {
        if (strncmp(word, u->piece[i].p, u->piece[i].n))
            continue;
        used[depth] = (int)i;
        cut_all(u, word + u->piece[i].n, p * exp(u->logp[i]), used, depth + 1, total, expected);
    }
}

static void test_unigram_trainer__expectation(void **state)
{
    (void)state;
    static const char *const word[] = { "abcab", "ab", "cab", "bbbcab" };
    static const uint64_t count[] = { 30, 7, 11, 20 };
    struct lt_words w;
    struct lt_alphabet a;
    struct lt_stretches s = stretches(&w, &a, word, count, 4);
    struct lt_unigram u;
    struct lt_arena arena = { 0 };
    lt_unigram_seeds(&s, &a, 100, 8, &arena, &u);
    double *expected = lt_calloc(u.count, sizeof *expected), objective = 0, sum = 0;
    size_t before = u.count, kept = 0;
    struct lt_str *piece = lt_alloc(u.count * sizeof *piece);
    memcpy(piece, u.piece, u.count * sizeof *piece);
    for (int i = 0; i < 4; i++) {
        double total = 0, *own = lt_calloc(u.count, sizeof *own);
        int used[16];
        cut_all(&u, word[i], 1, used, 0, &total, own);
        objective -= (double)count[i] * log(total);
        for (size_t k = 0; k < u.count; k++)
            expected[k] += own[k] / total * (double)count[i];
        free(own);
    }
    double got = lt_unigram_fit(&u, &s, NULL);
    assert_true(fabs(got - objective / 68) < 1e-9);
    for (size_t i = 0; i < before; i++)
        if (i < u.required || expected[i] >= 0.5)
            sum += fmax(expected[i], 0.5);
    for (size_t i = 0; i < before; i++) {
        if (i >= u.required && expected[i] < 0.5)
            continue;
        assert_true(lt_str_eq(u.piece[kept], piece[i]));
        double want = lt_digamma(fmax(expected[i], 0.5)) - lt_digamma(sum);
        if (fabs(u.logp[kept] - want) > 1e-9)
            fail_msg("\"%s\": %g, not %g", piece[i].p, u.logp[kept], want);
        kept++;
    }
    assert_int_equal(kept, u.count);
    free(expected);
    free(piece);
    lt_unigram_release(&u);
    lt_arena_free(&arena);
    lt_alphabet_release(&a);
    free(s.at);
    free(w.word);
}

/* Pieces that nothing can stand for are worth more than those that others spell nearly as well. */
static void test_unigram_trainer__pruning(void **state)
{
    (void)state;
    static const char *const word[] = { "abcd", "xyxyxy", "xy", "q" };
    static const uint64_t count[] = { 1000, 50, 50, 10 };
    struct lt_words w;
    struct lt_alphabet a;
    struct lt_stretches s = stretches(&w, &a, word, count, 4);
    struct lt_unigram u;
    struct lt_arena arena = { 0 };
    lt_unigram_seeds(&s, &a, 100, 8, &arena, &u);
    for (int i = 0; i < 3; i++)
        lt_unigram_fit(&u, &s, NULL);
    size_t required = u.required;
    lt_unigram_prune(&u, &s, required + 1, NULL);
    assert_int_equal(u.count, required + 1);
    assert_true(lt_str_is(u.piece[required], "abcd"));
    lt_unigram_release(&u);
    lt_arena_free(&arena);
    lt_alphabet_release(&a);
    free(s.at);
    free(w.word);
}

static void test_unigram_trainer__digamma(void **state)
{
    (void)state;
    assert_true(fabs(lt_digamma(1) + 0.57721566490153286) < 1e-10);
    assert_true(fabs(lt_digamma(0.5) + 1.9635100260214235) < 1e-10);
    for (double x = 0.25; x < 1e6; x *= 3)      /* digamma(x + 1) = digamma(x) + 1 / x */
        assert_true(fabs(lt_digamma(x + 1) - lt_digamma(x) - 1 / x) < 1e-9);
}

static void test_unigram_trainer__stretches(void **state)
{
    (void)state;
    char longer[101];
    memset(longer, 'a', 100);
    longer[100] = 0;
    const char *const word[] = { "ab\xC3\xA9" "ba", longer };
    struct lt_words w = { .count = 2, .word = lt_calloc(2, sizeof *w.word) };
    w.word[0] = (struct lt_word){ .p = word[0], .n = 6, .count = 3 };
    w.word[1] = (struct lt_word){ .p = word[1], .n = 100, .count = 1 };
    struct lt_alphabet a;
    lt_alphabet_of(&w, 2, 1, &a);
    assert_int_equal(a.count, 2);               /* not the e with an accent, which is the rarest */
    struct lt_stretches s;
    lt_stretches_of(&w, &a, &s);
    static const uint32_t size[] = { 2, 2, 32, 32, 32, 4 };
    assert_int_equal(s.count, LT_COUNT(size));
    for (int i = 0; i < LT_COUNT(size); i++)
        assert_int_equal(s.at[i].n, size[i]);
    assert_int_equal(s.characters, 104);
    lt_alphabet_release(&a);
    free(s.at);
    free(w.word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unigram_trainer__seeds),
        cmocka_unit_test(test_unigram_trainer__expectation),
        cmocka_unit_test(test_unigram_trainer__pruning),
        cmocka_unit_test(test_unigram_trainer__digamma),
        cmocka_unit_test(test_unigram_trainer__stretches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
