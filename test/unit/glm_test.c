/* Generalized Language Models against their definition computed the long way: every n-gram there could be has a cell in
 * a table, every pattern counts over that table, every probability is the recursion in double. */
#include "test.h"
#include "ngram/glm_model.h"
#include <math.h>

enum { WORDS = 7, ORDER = 5, CELLS = 7 * 7 * 7 * 7 * 7, MASKS = 16 };   /* three marks and four words */

struct long_way {
    int order;
    bool first_only;
    double ratio;
    double seen[ORDER + 1][CELLS];          /* occurrences of n-grams by length; the word itself is the lowest digit */
    double count[MASKS][CELLS];             /* by kept words, 0 where none is kept */
    double d[MASKS][4];
    bool fallback[MASKS];
};

static int digit(int cell, int place)       /* the word `place` places before the last one */
{
    while (place--) cell /= WORDS;
    return cell % WORDS;
}

static int power(int n) { return n ? WORDS * power(n - 1) : 1; }

static int kept(int cell, int mask)
{
    int out = cell % WORDS;
    for (int k = 1; k < ORDER; k++)
        if (mask >> (k - 1) & 1) out += digit(cell, k) * power(k);
    return out;
}

static void count_text(struct long_way *l, const struct lt_sentences *s)
{
    for (size_t i = 0; i < s->n; i++) {
        int cell = 0;
        for (int n = 1; n <= l->order && (size_t)n <= i + 1; n++) {
            cell += (int)s->token[i + 1 - (size_t)n] * power(n - 1);
            if (s->token[i] != LT_SENTENCES_BOS) l->seen[n][cell]++;
            if (s->token[i + 1 - (size_t)n] == LT_SENTENCES_BOS) break;
        }
    }
}

static void count_pattern(struct long_way *l, int mask)
{
    int m = 0, top = l->order - 1;
    for (int k = 1; k <= top; k++) m = mask >> (k - 1) & 1 ? k : m;
    bool plain = mask == (1 << m) - 1;
    int length = LT_MIN(l->order, m + 2);
    for (int cell = 0; cell < power(length); cell++)
        if (l->seen[length][cell] > 0)
            l->count[mask][kept(cell, mask)] += plain && m == top ? l->seen[length][cell] : 1;
    for (int cell = 0; m && m < top && cell < power(m + 1); cell++)
        if (digit(cell, m) == LT_SENTENCES_BOS && l->seen[m + 1][cell] > 0)
            l->count[mask][kept(cell, mask)] += plain ? l->seen[m + 1][cell] : 1;
    double of[5] = { 0 }, *d = l->d[mask];
    for (int cell = 0; cell < CELLS; cell++)
        if (l->count[mask][cell] > 0 && l->count[mask][cell] <= 4) of[(int)l->count[mask][cell]]++;
    double y = of[1] / (of[1] + 2 * of[2]);
    d[1] = 1 - 2 * y * of[2] / of[1];
    d[2] = 2 - 3 * y * of[3] / of[2];
    d[3] = 3 - 4 * y * of[4] / of[3];
    l->fallback[mask] = of[1] * of[2] * of[3] == 0 || !(d[1] >= 0 && d[2] >= 0 && d[3] >= 0);
    for (int j = 1; j <= 3 && l->fallback[mask]; j++) d[j] = 0.5 * j;
}

/* history: a cell whose last digit is free */
static double by_definition(const struct long_way *l, int mask, int history, int word)
{
    int at = kept(history / WORDS * WORDS, mask), topmost = 0;
    double lower = 0, lean = 0, total = 0, off = 0;
    for (int k = 0; k < ORDER - 1; k++) topmost = mask >> k & 1 ? 1 << k : topmost;
    for (int k = 0; k < ORDER - 1; k++) {
        if (!(mask >> k & 1) || (l->first_only && 1 << k != topmost)) continue;
        lower += pow(l->ratio, k) * by_definition(l, mask ^ 1 << k, history, word);
        lean += pow(l->ratio, k);
    }
    lower = mask ? lower / lean : 1.0 / (WORDS - 1);
    for (int w = 0; w < WORDS; w++) {
        double c = l->count[mask][at + w];
        total += c;
        off += c > 0 ? l->d[mask][(int)LT_MIN(c, 3)] : 0;
    }
    if (total == 0) return lower;
    double c = l->count[mask][at + word];
    return (c > 0 ? c - l->d[mask][(int)LT_MIN(c, 3)] : 0) / total + off / total * lower;
}

/* ---- texts ---- */
static void make_text(struct lt_sentences *s, int sentences, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, "text");
    struct lt_buf b = { 0 };
    lt_sentences_init(s);
    assert_ok(lt_sentences_add(s, lt_str("w0 w1 w2 w3")));
    for (int i = 0; i < sentences; i++) {
        int words = (int)lt_rng_below(&r, 8) + 1, last = 0;
        lt_buf_clear(&b);
        for (int k = 0; k < words; k++) {
            double u = lt_rng_unit(&r);
            last = lt_rng_below(&r, 3) ? (int)(4 * u * u) : last;
            lt_buf_fmt(&b, " w%d", last);
        }
        assert_ok(lt_sentences_add(s, lt_buf_view(&b)));
    }
    lt_buf_free(&b);
}

static struct lt_glm *estimate(const struct lt_sentences *s, int order, bool first_only, double ratio,
                               const char *folder, struct lt_ctx *c)
{
    struct lt_glm *m;
    const char *path = lt_test_path(folder, "x.glm");
    struct lt_glm_how how = { .order = order, .first_only = first_only, .ratio = ratio, .memory = 1 << 28 };
    assert_ok(lt_glm_estimate(s, &how, c, path));
    assert_ok(lt_glm_open(path, &m));
    return m;
}

static void compare_all(const struct long_way *l, const struct lt_glm *m)
{
    for (int n = 0; n < l->order; n++)
        for (int context = 0; context < power(n); context++) {
            int32_t word[ORDER];
            double sum = 0, row[WORDS];
            struct lt_glm_view v;
            for (int k = 0; k < n; k++) word[n - 1 - k] = digit(context, k);
            lt_glm_look(m, word, n, &v);
            lt_glm_row(m, &v, row);
            for (int w = 0; w < WORDS; w++) {
                assert_true(row[w] == lt_glm_prob(m, &v, (uint32_t)w));
                sum += row[w];
                if (w == LT_SENTENCES_BOS) continue;
                double p = by_definition(l, (1 << n) - 1, context * WORDS, w);
                if (fabs(row[w] - p) > 1e-6 * p)
                    fail_msg("order %d, context %d of %d words, word %d: %.9g, by definition %.9g", l->order, context,
                             n, w, row[w], p);
            }
            assert_float_equal(sum, 1, 1e-6);
        }
}

static void compare(int sentences, uint64_t seed, bool first_only, double ratio)
{
    char *folder = lt_test_temp();
    struct lt_sentences s;
    make_text(&s, sentences, seed);
    assert_int_equal(s.vocabulary.count, WORDS);
    for (int order = 2; order <= ORDER; order++) {
        struct long_way *l = lt_calloc(1, sizeof *l);
        l->order = order;
        l->first_only = first_only;
        l->ratio = ratio;
        count_text(l, &s);
        struct lt_glm *m = estimate(&s, order, first_only, ratio, folder, NULL);
        for (int mask = 0; mask < 1 << (order - 1); mask++) {
            if (first_only && (mask & (mask + 1))) continue;
            count_pattern(l, mask);
            for (int j = 1; j <= 3; j++) assert_float_equal(m->pattern[mask].discount[j], l->d[mask][j], 1e-12);
        }
        compare_all(l, m);
        lt_glm_free(m);
        free(l);
    }
    lt_sentences_release(&s);
    lt_test_temp_end(folder);
}

static void test_glm__equals_its_definition(void **state)
{
    (void)state;
    compare(60, 1, false, 1);
    compare(60, 1, false, 2.5);
    compare(12, 2, false, 3);                /* few n-grams: discounts that do not follow from counts */
}

/* Leaving out the first word alone is modified Kneser-Ney: the table of plain patterns has its counts. */
static void test_glm__first_word_alone_is_kneser_ney(void **state)
{
    (void)state;
    compare(60, 1, true, 1);
    compare(12, 3, true, 7);
}

struct heard { struct lt_buf text; };
static void hear(void *self, const char *line) { lt_buf_str(&((struct heard *)self)->text, line); }

static void test_glm__says_where_discounts_are_the_usual_ones(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct heard h = { { 0 } };
    struct lt_talk talk = { .note = hear };
    struct lt_ctx *c = lt_ctx_new(1, &talk, &h);
    struct lt_sentences s;
    lt_sentences_init(&s);
    assert_ok(lt_sentences_add(&s, lt_str("a b a")));
    struct lt_glm *m = estimate(&s, 3, false, 1, folder, c);
    assert_string_equal(h.text.p, "no discounts follow from the counts of 4 patterns (w, x w, x _ w, x x w); the usual "
                                  "0.5, 1 and 1.5 are taken there");
    assert_float_equal(m->pattern[2].discount[2], 1, 0);
    lt_glm_free(m);
    lt_sentences_release(&s);
    lt_ctx_free(c);
    lt_buf_free(&h.text);
    lt_test_temp_end(folder);
}

/* ---- sentences ---- */
static void test_glm__rare_words_and_held_out_sentences(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_buf text = { 0 }, again = { 0 };
    const char *path = lt_test_path(folder, "text.txt"), *held = lt_test_path(folder, "held.jsonl");
    for (int i = 0; i < 200; i++) lt_buf_fmt(&text, "the  house %d\n\n", i);
    assert_ok(lt_file_save(path, text.p, text.n));
    struct lt_sentences_how how = { .input = { (const char *[]){ path }, 1 }, .min_count = 2, .validation = 0.25,
                                    .held_out = held, .memory = 1 << 24 };
    struct lt_sentences s;
    assert_ok(lt_sentences_read(&how, NULL, &s));
    assert_int_equal(s.vocabulary.count, LT_SENTENCES_MARKS + 2);
    assert_int_equal(s.count + s.held_out, 200);
    assert_in_range(s.held_out, 30, 70);
    assert_int_equal(s.token[1], 3);
    assert_int_equal(s.token[3], LT_SENTENCES_UNK);
    assert_ok(lt_file_read(held, &again));
    int lines = 0;
    for (size_t i = 0; i < again.n; i++) lines += again.p[i] == '\n';
    assert_int_equal(lines, s.held_out);
    lt_sentences_release(&s);

    how.bytes = 100;                        /* the sentences held out stay the same */
    struct lt_buf third = { 0 };
    assert_ok(lt_sentences_read(&how, NULL, &s));
    assert_true(s.bytes >= 100 && s.bytes < 120);
    assert_ok(lt_file_read(held, &third));
    assert_int_equal(third.n, again.n);
    assert_memory_equal(third.p, again.p, again.n);
    lt_sentences_release(&s);

    how.validation = 0;
    assert_fails(lt_sentences_read(&how, NULL, &s), "held_out has nothing to receive");
    lt_sentences_release(&s);
    how.held_out = NULL;
    how.memory = 10;
    assert_fails(lt_sentences_read(&how, NULL, &s), "--memory");
    lt_sentences_release(&s);
    assert_ok(lt_file_save(path, "a <s> b\n", 8));
    how.memory = 1 << 24;
    assert_fails(lt_sentences_read(&how, NULL, &s), "a mark of the model's own");
    lt_sentences_release(&s);
    lt_buf_free(&text);
    lt_buf_free(&again);
    lt_buf_free(&third);
    lt_test_temp_end(folder);
}

/* ---- files ---- */
static void test_glm__damaged_files(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_sentences s;
    struct lt_buf file = { 0 };
    make_text(&s, 20, 5);
    lt_glm_free(estimate(&s, 3, false, 1, folder, NULL));
    assert_ok(lt_file_read(lt_test_path(folder, "x.glm"), &file));
    uint8_t *p = lt_aligned(file.n);
    struct lt_glm *m;
    for (size_t n = 0; n < file.n; n += 13) {
        memcpy(p, file.p, file.n);
        assert_int_equal(lt_glm_parse("x", p, n, &m), -1);
    }
    static const struct { size_t at; uint32_t value; const char *says; } bad[] = {
        { 0, 1, "expected a GLM file" },         { 8, 9, "version 9" },
        { 12, 99, "order 99" },                  { 20, 2000, "cut short inside its words" },
        { 32, 7, "expected 7 bytes" },           { 52, 0xffffffff, "contradict" },
        { 24, 1 << 30, "cut short" },          { 44, 0, "a ratio of" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        memcpy(p, file.p, file.n);
        memcpy(p + bad[i].at, &bad[i].value, 4);
        assert_fails(lt_glm_parse("x", p, file.n, &m), bad[i].says);
    }
    memcpy(p, file.p, file.n);
    assert_ok(lt_glm_parse("x", p, file.n, &m));
    lt_glm_free(m);
    free(p);
    lt_buf_free(&file);
    lt_sentences_release(&s);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glm__equals_its_definition),
        cmocka_unit_test(test_glm__first_word_alone_is_kneser_ney),
        cmocka_unit_test(test_glm__says_where_discounts_are_the_usual_ones),
        cmocka_unit_test(test_glm__rare_words_and_held_out_sentences),
        cmocka_unit_test(test_glm__damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
