/* Binary n-gram files: every layout answers as the model in memory does, whatever the order, the blanks, the marks. */
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

/* ---- KenLM's figures for a model that was written here (test/oracle/make_ngram_query.py) ---- */
static void ask_oracle(const struct lt_ngram *m)
{
    struct lt_buf table = { 0 };
    struct lt_ngram_state s = { 0 };
    int sentence = -1, asked = 0;
    assert_ok(lt_file_read("test/oracle/ngram_query.tsv", &table));
    char *lines = table.p, *line;
    while ((line = strsep(&lines, "\n")) && *line) {
        int number = atoi(strsep(&line, "\t")), length;
        struct lt_str word = lt_str(strsep(&line, "\t"));
        double logp = atof(strsep(&line, "\t"));
        if (number != sentence) {
            s = (struct lt_ngram_state){ 0 };
            lt_ngram_push(m, &s, m->bos);
        }
        sentence = number;
        assert_float_equal(lt_ngram_prob(m, &s, lt_ngram_word(m, word), &length), logp, 1e-6);
        assert_int_equal(length, atoi(line));
        asked++;
    }
    assert_int_equal(asked, 46);
    lt_buf_free(&table);
}

static void test_ngram_file__as_kenlm_reads_it(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "model");
    struct lt_ngram *m, *file;
    assert_ok(lt_ngram_open("test/oracle/ngram_query.txt", NULL, &m));
    assert_true(m->blank.count > 0);
    ask_oracle(m);
    for (int layout = LT_NGRAM_HASH; layout <= LT_NGRAM_TRIE; layout++) {
        file = as_file(m, path, layout, 0, 0);
        ask_oracle(file);
        lt_ngram_free(file);
    }
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

/* ---- figures of few bits ---- */
static void test_ngram_file__classes(void **state)
{
    (void)state;
    enum { N = 5000, BITS = 6 };
    float value[N], centre[1 << BITS], few[] = { -3, -1, 0, -1, 0.5f, -3 }, four[4], again[8];
    struct lt_rng r = lt_rng_make(3, "values");
    for (int i = 0; i < N; i++) value[i] = i % 50 ? -(float)(lt_rng_unit(&r) * lt_rng_unit(&r) * 6) : 0;
    lt_ngram_quantise(value, N, BITS, true, centre);
    double off = 0, at_best = 0;
    bool zero = false;
    for (int j = 0; j < 1 << BITS; j++) {
        zero = zero || centre[j] == 0;
        assert_true(!j || centre[j - 1] <= centre[j]);
    }
    assert_true(zero);
    for (int i = 0; i < N; i++) {                       /* the nearest is found, and it is near */
        double best = INFINITY, found = (double)centre[lt_ngram_nearest(centre, 1 << BITS, value[i])];
        for (int j = 0; j < 1 << BITS; j++) best = fmin(best, fabs((double)centre[j] - (double)value[i]));
        assert_float_equal(fabs(found - (double)value[i]), best, 0);
        off += best * best;
        at_best += 6.0 / (1 << BITS) / 2 * (6.0 / (1 << BITS) / 2);     /* worse: classes of equal width */
    }
    if (off >= at_best / 3) fail_msg("%g %g", off, at_best / 3);
    lt_ngram_quantise(few, 6, 2, true, four);           /* as many classes as values: nothing is lost */
    assert_true(four[0] == -3 && four[1] == -1 && four[2] == 0 && four[3] == 0.5f);
    lt_ngram_quantise(few, 6, 3, false, again);
    for (int i = 0; i < 6; i++) assert_true(again[lt_ngram_nearest(again, 8, few[i])] == few[i]);
    lt_ngram_quantise(few, 0, 2, true, four);
    assert_true(four[0] == 0);
}

static void test_ngram_file__few_bits(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "model");
    struct lt_ngram *m = make_model(11, 4, 40, true);
    struct lt_rng r = lt_rng_make(8, "text");
    double before = INFINITY;
    for (int bits = 3; bits <= 12; bits += 3) {
        struct lt_ngram *file = as_file(m, path, LT_NGRAM_TRIE, bits, bits);
        struct lt_ngram_state s = { 0 }, f = { 0 };
        double off = 0;
        for (int i = 0; i < 4000; i++) {
            uint32_t word = (uint32_t)lt_rng_below(&r, lt_ngram_words(m));
            int a, b;
            off += fabs(lt_ngram_prob(m, &s, word, &a) - lt_ngram_prob(file, &f, word, &b));
            assert_int_equal(a, b);
        }
        assert_true(off < before / 4);                  /* three bits more are eight times as many classes */
        before = off;
        lt_ngram_free(file);
    }
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

/* ---- tables ---- */
static void test_ngram_file__tables(void **state)
{
    (void)state;
    enum { BUCKETS = 2 };
    struct lt_ngram_bucket *t = lt_calloc(BUCKETS, sizeof *t);
    struct lt_ngram_bucket_top *top = lt_calloc(BUCKETS, sizeof *top);
    struct lt_ngram_pair value = { -1, -2 };
    for (uint64_t key = 1; key <= BUCKETS * LT_NGRAM_BUCKET; key++)     /* all belong into the first bucket */
        assert_int_equal(lt_ngram_table_put(t, BUCKETS, key, value), 0);
    assert_int_equal(lt_ngram_table_put(t, BUCKETS, 3, value), -1);     /* twice */
    assert_int_equal(lt_ngram_table_put(t, BUCKETS, 100, value), -1);   /* full */
    for (uint64_t key = 1; key <= BUCKETS * LT_NGRAM_BUCKET_TOP; key++)
        assert_int_equal(lt_ngram_table_put_top(top, BUCKETS, key, -1), 0);
    assert_int_equal(lt_ngram_table_put_top(top, BUCKETS, 7, -1), -1);
    assert_int_equal(lt_ngram_table_put_top(top, BUCKETS, 100, -1), -1);
    free(t);
    free(top);
}

/* ---- bad input ---- */
static void rewrite(const char *path, const struct lt_buf *good, size_t n, size_t at, uint8_t byte, bool sealed)
{
    struct lt_buf b = { 0 };
    lt_buf_put(&b, good->p, LT_MIN(n, good->n));
    while (b.n < n) lt_buf_char(&b, 0);
    if (at < b.n) b.p[at] = (char)byte;
    if (sealed) {                                       /* the checksum of the header is right again */
        uint64_t check = lt_hash(b.p, offsetof(struct lt_ngram_header, check), 0);
        memcpy(b.p + offsetof(struct lt_ngram_header, check), &check, sizeof check);
    }
    assert_ok(lt_file_save(path, b.p, b.n));
    lt_buf_free(&b);
}

static void test_ngram_file__refusals(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "model"), *bad = lt_test_path(folder, "bad");
    struct lt_ngram *m = make_model(5, 3, 20, true), *file;
    struct lt_ngram_binary_how how = { LT_NGRAM_HASH, 0, 0 };
    struct lt_buf good = { 0 };
    assert_ok(lt_ngram_binary_save(m, &how, path, NULL));
    assert_ok(lt_file_read(path, &good));
    static const size_t cut[] = { 8, 100, 511, 512, 513, 600 };
    for (int i = 0; i < LT_COUNT(cut); i++) {
        rewrite(bad, &good, cut[i], SIZE_MAX, 0, false);
        assert_fails(lt_ngram_open(bad, NULL, &file), cut[i] < 512 ? "no binary n-gram file: it has" : "cut short");
    }
    rewrite(bad, &good, good.n - 1, SIZE_MAX, 0, false);
    assert_fails(lt_ngram_open(bad, NULL, &file), "cut short or changed");
    rewrite(bad, &good, good.n + 64, SIZE_MAX, 0, false);
    assert_fails(lt_ngram_open(bad, NULL, &file), "cut short or changed");
    rewrite(bad, &good, good.n, 8, 2, true);
    assert_fails(lt_ngram_open(bad, NULL, &file), "version 2; this program reads version 1");
    rewrite(bad, &good, good.n, 100, 1, false);
    assert_fails(lt_ngram_open(bad, NULL, &file), "the header is damaged");
    static const struct { size_t at; uint8_t byte; const char *says; } header[] = {
        { offsetof(struct lt_ngram_header, layout), 3, "contradicts itself" },
        { offsetof(struct lt_ngram_header, order), 11, "sizes in the header" },
        { offsetof(struct lt_ngram_header, order), 0, "sizes in the header" },
        { offsetof(struct lt_ngram_header, unk), 200, "contradicts itself" },
        { offsetof(struct lt_ngram_header, word_bits), 33, "contradicts itself" },
        { offsetof(struct lt_ngram_header, word_bits), 1, "sizes in the header" },
        { offsetof(struct lt_ngram_header, prob_bits), 17, "contradicts itself" },
        { offsetof(struct lt_ngram_header, word_slots), 33, "sizes in the header" },
        { offsetof(struct lt_ngram_header, spelling) + 7, 255, "sizes in the header" },
        { offsetof(struct lt_ngram_header, count) + 12, 1, "sizes in the header" },
        { offsetof(struct lt_ngram_header, buckets) + 15, 255, "sizes in the header" },
    };
    for (int i = 0; i < LT_COUNT(header); i++) {
        rewrite(bad, &good, good.n, header[i].at, header[i].byte, true);
        assert_fails(lt_ngram_open(bad, NULL, &file), header[i].says);
    }
    rewrite(bad, &good, good.n, good.n - 100, 77, false);       /* it opens, for the content is read by nobody yet */
    assert_fails(lt_ngram_load(bad, NULL, &file), "the content is damaged");
    assert_fails(lt_ngram_binary_save(m, &how, "/dev/null", NULL), "not to a pipe or device");
    lt_buf_free(&good);
    lt_ngram_free(m);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ngram_file__answers_as_memory_does),
        cmocka_unit_test(test_ngram_file__back_to_text),
        cmocka_unit_test(test_ngram_file__as_kenlm_reads_it),
        cmocka_unit_test(test_ngram_file__classes),
        cmocka_unit_test(test_ngram_file__few_bits),
        cmocka_unit_test(test_ngram_file__tables),
        cmocka_unit_test(test_ngram_file__refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
