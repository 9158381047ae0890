/* Modified Kneser-Ney against the figures of KenLM's lmplz (test/oracle/make_lmplz.py): discounts and those that fall
 * back, pruning by count, a limited vocabulary. */
#include "test.h"
#include "ngram/build.h"
#include <math.h>

struct how { long seed, sentences, words, order, limit; char prune[16]; };

static unsigned draw(uint64_t *state, unsigned n)
{
    *state = (*state * 1103515245 + 12345) % (UINT64_C(1) << 31);
    return (unsigned)(*state >> 8) % n;
}

static void make_text(const struct how *h, struct lt_buf *b)
{
    uint64_t state = (uint64_t)h->seed;
    unsigned words = (unsigned)h->words;
    for (long i = 0; i < h->sentences; i++) {
        unsigned last = 0, n = draw(&state, 12) + 1;
        for (unsigned k = 0; k < n; k++) {
            if (draw(&state, 2)) {
                last = (last * 7 + draw(&state, 3)) % words;
            } else {
                last = draw(&state, words);
                last = last * draw(&state, words) / words;
            }
            lt_buf_fmt(b, "%sw%u", k ? " " : "", last);
        }
        lt_buf_char(b, '\n');
    }
    lt_buf_str(b, "the last\n");
}

static struct lt_ngram *build(const char *folder, const struct how *h)
{
    struct lt_buf text = { 0 }, list = { 0 }, order = { 0 };
    struct lt_ngram *m;
    const char *input = lt_test_path(folder, "text"), *limit = lt_test_path(folder, "list"),
               *output = lt_test_path(folder, "arpa");
    make_text(h, &text);
    for (long i = 0; i < h->words / 3; i++) lt_buf_fmt(&list, "w%ld ", i);
    lt_buf_fmt(&order, "%ld", h->order);
    assert_ok(lt_file_save(input, text.p, text.n));
    assert_ok(lt_file_save(limit, list.p, list.n));
    const struct lt_verb *v = (const struct lt_verb *)lt_method_find("verb", "ngram-build");
    struct lt_options *s = lt_options_new(&v->m);
    assert_ok(lt_options_set(s, "input", input));
    assert_ok(lt_options_set(s, "output", output));
    assert_ok(lt_options_set(s, "order", order.p));
    assert_ok(lt_options_set(s, "prune", h->prune));
    if (h->limit) assert_ok(lt_options_set(s, "limit_vocab", limit));
    const void *o = lt_options_done(s);
    assert_non_null(o);
    assert_ok(v->run(o, NULL));
    lt_options_free(s);
    assert_ok(lt_ngram_open(output, NULL, &m));
    lt_buf_free(&text);
    lt_buf_free(&list);
    lt_buf_free(&order);
    return m;
}

/* The n-gram of these words; its level, or -1. */
static int find(const struct lt_ngram *m, struct lt_str words, uint32_t *node)
{
    struct lt_str word;
    int level = -1;
    while (lt_str_split(&words, ' ', &word)) {
        const uint64_t *known = lt_map_get(&m->vocabulary, word);
        if (!known) return -1;
        *node = level < 0 ? lt_ngram_word(m, word) : lt_ngram_child(m, level, *node, lt_ngram_word(m, word));
        if (*node == LT_NGRAM_NONE) return -1;
        level++;
    }
    return level;
}

static void check(const struct lt_ngram *m, const char *ngram, double logp, double backoff)
{
    uint32_t node = LT_NGRAM_NONE;
    int level = find(m, lt_str(ngram), &node);
    if (level < 0) fail_msg("order %d: \"%s\" is missing", m->order, ngram);
    double p = (double)m->level[level].prob[node];
    double b = m->level[level].backoff ? (double)m->level[level].backoff[node] : 0;
    if (fabs(p - logp) > 1e-5 || fabs(b - backoff) > 1e-5)
        fail_msg("order %d, \"%s\": %.8g and %.8g, not %.8g and %.8g", m->order, ngram, p, b, logp, backoff);
}

static void test_lmplz__figures(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_buf table = { 0 };
    struct lt_ngram *m = NULL;
    struct how last = { 0 };
    int models = 0;
    assert_ok(lt_file_read("test/oracle/lmplz.tsv", &table));
    struct lt_str rest = lt_buf_view(&table), line;
    lt_str_split(&rest, '\n', &line);
    while (lt_str_split(&rest, '\n', &line) && line.n) {
        struct how h = { 0 };
        char row[512], ngram[128];
        unsigned long long count, ngrams = 0;
        double logp, backoff;
        snprintf(row, sizeof row, "%.*s", (int)line.n, line.p);
        assert_int_equal(sscanf(row, "%ld\t%ld\t%ld\t%ld\t%15[^\t]\t%ld\t%llu\t%127[^\t]\t%lf\t%lf", &h.seed,
                                &h.sentences, &h.words, &h.order, h.prune, &h.limit, &count, ngram, &logp, &backoff), 10);
        if (memcmp(&h, &last, sizeof h)) {
            lt_ngram_free(m);
            m = build(folder, &h);
            last = h;
            models++;
        }
        for (int k = 0; k < m->order; k++) ngrams += m->level[k].count;
        assert_int_equal(ngrams, count);
        check(m, ngram, logp, backoff);
    }
    assert_true(models > 30);
    lt_ngram_free(m);
    lt_buf_free(&table);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lmplz__figures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
