/* Binary n-gram files: every layout answers as the model in memory does, whatever the order, the blanks and the marks. */
#include "test.h"
#include "ngram/binary.h"
#include "ngram/stream.h"
#include <math.h>
#include <stdlib.h>

/* ---- models at random: prefixes are there, ends need not be ---- */
struct made { struct lt_buf text[LT_NGRAM_ORDER_MAX]; int count[LT_NGRAM_ORDER_MAX]; };

static void make_from(struct made *g, struct lt_rng *r, const char *prefix, int level, int order, int words)
{
    if (level == order) return;
    for (int w = 0; w < words; w++) {
        char all[256];
        bool last = level == order - 1;
        if (level && lt_rng_below(r, (uint64_t)words) >= 3) continue;
        snprintf(all, sizeof all, "%s%s%s", prefix, level ? " " : "", w == 0 ? "<s>" : w == 1 ? "</s>" : "");
        size_t n = strlen(all);
        if (w >= 2) snprintf(all + n, sizeof all - n, "w%.*s%d", w % 7, "ooooooo", w);
        lt_buf_fmt(&g->text[level], "%.*g\t%s", w % 5 + 3, -(double)lt_rng_unit(r) * 5, all);
        if (!last && lt_rng_below(r, 4)) lt_buf_fmt(&g->text[level], "\t%.6g", (double)lt_rng_unit(r) - 0.8);
        lt_buf_char(&g->text[level], '\n');
        g->count[level]++;
        make_from(g, r, all, level + 1, order, words);
    }
}

static struct lt_ngram *make_model(uint64_t seed, int order, int words, bool unk)
{
    struct made g = { 0 };
    struct lt_rng r = lt_rng_make(seed, "model");
    struct lt_buf arpa = { 0 };
    struct lt_ngram *m;
    if (unk) {
        lt_buf_fmt(&g.text[0], "-3.5\t<unk>%s\n", order > 1 ? "\t-0.25" : "");
        g.count[0]++;
    }
    make_from(&g, &r, "", 0, order, words);
    lt_buf_str(&arpa, "\\data\\\n");
    for (int k = 0; k < order; k++) lt_buf_fmt(&arpa, "ngram %d=%d\n", k + 1, g.count[k]);
    for (int k = 0; k < order; k++) {
        lt_buf_fmt(&arpa, "\n\\%d-grams:\n%s", k + 1, g.text[k].p ? g.text[k].p : "");
        lt_buf_free(&g.text[k]);
    }
    lt_buf_str(&arpa, "\n\\end\\\n");
    assert_ok(lt_ngram_parse("made", lt_buf_view(&arpa), &m));
    lt_buf_free(&arpa);
    return m;
}

static struct lt_ngram *as_file(const struct lt_ngram *m, const char *path, int layout, int prob_bits, int backoff_bits)
{
    struct lt_ngram_binary_how how = { layout, prob_bits, backoff_bits };
    struct lt_ngram *file;
    assert_ok(lt_ngram_binary_save(m, &how, path, NULL));
    assert_ok(lt_ngram_open(path, NULL, &file));
    assert_non_null(file->file);
    return file;
}

static void compare_states(const struct lt_ngram_state *a, const struct lt_ngram_state *b)
{
    assert_int_equal(a->n, b->n);
    for (int k = 0; k < a->n; k++) assert_int_equal(a->word[k], b->word[k]);
    for (int k = 1; k <= a->n; k++) assert_true(a->backoff[k] == b->backoff[k]);
}

/* One word at a time, many at a time, and all there are; the figures are the same bits. */
static void compare(const struct lt_ngram *m, const struct lt_ngram *file, uint64_t seed)
{
    enum { N = 700 };
    struct lt_rng r = lt_rng_make(seed, "text");
    struct lt_ngram_state begin = { 0 }, file_begin = { 0 }, s, f, run_s, run_f;
    uint32_t word[N], words = lt_ngram_words(m);
    double logp[N], file_logp[N];
    uint8_t length[N], file_length[N];
    float *row = lt_alloc(words * sizeof *row), *file_row = lt_alloc(words * sizeof *row);
    assert_int_equal(lt_ngram_words(file), words);
    lt_ngram_push(m, &begin, m->bos);
    lt_ngram_push(file, &file_begin, m->bos);
    for (int i = 0; i < N; i++)
        word[i] = lt_rng_below(&r, 9) ? (uint32_t)lt_rng_below(&r, words) : LT_NGRAM_NONE;
    s = run_s = begin;
    f = run_f = file_begin;
    for (int from = 0, n; from < N; from += n) {
        n = (int)lt_rng_below(&r, 150) + 1;
        n = LT_MIN(n, N - from);
        lt_ngram_score(m, &begin, &run_s, &(struct lt_ngram_run){ word + from, n, logp + from, length + from });
        lt_ngram_score(file, &file_begin, &run_f,
                       &(struct lt_ngram_run){ word + from, n, file_logp + from, file_length + from });
        compare_states(&run_s, &run_f);
    }
    for (int i = 0; i < N; i++) {
        int a, b;
        if (word[i] == LT_NGRAM_NONE) {
            s = begin;
            f = file_begin;
            continue;
        }
        double p = lt_ngram_prob(m, &s, word[i], &a), q = lt_ngram_prob(file, &f, word[i], &b);
        compare_states(&s, &f);
        assert_true(p == q && p == logp[i] && p == file_logp[i]);
        assert_int_equal(a, b);
        assert_int_equal(a, length[i]);
        assert_int_equal(a, file_length[i]);
        if (i % 16) continue;
        lt_ngram_row(m, &s, 2.5, row);
        lt_ngram_row(file, &f, 2.5, file_row);
        assert_memory_equal(row, file_row, words * sizeof *row);
    }
    free(row);
    free(file_row);
}

static void test_ngram_file__answers_as_memory_does(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "model");
    for (int order = 1; order <= 6; order++)
        for (int layout = LT_NGRAM_HASH; layout <= LT_NGRAM_TRIE; layout++)
            for (int unk = 0; unk < 2; unk++) {
                struct lt_ngram *m = make_model((uint64_t)order, order, order < 5 ? 30 : 12, unk);
                struct lt_ngram *file = as_file(m, path, layout, 0, 0);
                if (order > 2) assert_true(m->blank.count > 0);
                compare(m, file, (uint64_t)(order * 10 + unk));
                assert_int_equal(file->unk, m->unk);
                assert_int_equal(file->bos, m->bos);
                assert_int_equal(file->eos, m->eos);
                assert_int_equal(file->unk_given, unk);
                lt_ngram_free(file);
                lt_ngram_free(m);
            }
    lt_test_temp_end(folder);
}

/* As assert_string_equal, showing the first line that differs. */
static void same_text(const char *a, const char *b)
{
    size_t n = 0, line = 0;
    for (; a[n] && a[n] == b[n]; n++)
        if (a[n] == '\n') line = n + 1;
    if (a[n] != b[n]) fail_msg("\"%.*s\" became \"%.*s\"", (int)strcspn(a + line, "\n"), a + line,
                               (int)strcspn(b + line, "\n"), b + line);
}

/* From a file back to text is the text that memory writes; figures of few bits stay near. */
static void test_ngram_file__back_to_text(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "model");
    for (int layout = LT_NGRAM_HASH; layout <= LT_NGRAM_TRIE; layout++)
        for (int unk = 0; unk < 2; unk++) {
            struct lt_ngram *m = make_model(7, 4, 25, unk), *file = as_file(m, path, layout, 0, 0);
            struct lt_buf one = { 0 }, two = { 0 };
            lt_ngram_write(m, &one);
            lt_ngram_write(file, &two);
            same_text(one.p, two.p);
            lt_buf_free(&one);
            lt_buf_free(&two);
            lt_ngram_free(file);
            lt_ngram_free(m);
        }
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_file__answers_as_memory_does),
        cmocka_unit_test(test_ngram_file__back_to_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
