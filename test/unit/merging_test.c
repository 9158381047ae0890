/* The merge loop against the plain algorithm, which counts every pair anew at every step; and word tables and runs. */
#include "test.h"
#include "text/train/merging.h"
#include "text/train/word_count.h"

enum { LETTERS = 4, WORDS_MAX = 60 };

struct plain { uint32_t symbol[WORDS_MAX][40], size[WORDS_MAX]; uint64_t count[WORDS_MAX]; int words; };

static void random_words(struct plain *p, struct lt_rng *r)
{
    p->words = 1 + (int)lt_rng_below(r, WORDS_MAX);
    for (int w = 0; w < p->words; w++) {
        p->size[w] = 2 + (uint32_t)lt_rng_below(r, 20);
        p->count[w] = 1 + lt_rng_below(r, 5);
        for (uint32_t i = 0; i < p->size[w]; i++)
            p->symbol[w][i] = (uint32_t)lt_rng_below(r, LETTERS);
    }
}

static struct lt_symbols symbols_of(const struct plain *p)
{
    struct lt_symbols s = { .words = (size_t)p->words };
    s.symbol = lt_alloc(sizeof p->symbol);
    s.size = lt_alloc(sizeof p->size);
    s.count = lt_alloc(sizeof p->count);
    s.first = lt_calloc(WORDS_MAX + 1, sizeof *s.first);
    uint64_t at = 0;
    for (int w = 0; w < p->words; w++) {
        s.first[w] = at;
        s.size[w] = p->size[w];
        s.count[w] = p->count[w];
        memcpy(s.symbol + at, p->symbol[w], p->size[w] * sizeof *s.symbol);
        at += p->size[w];
    }
    return s;
}

static void letters(struct lt_pieces *pieces)
{
    for (int i = 0; i < LETTERS; i++)
        lt_pieces_add(pieces, (struct lt_str){ &"abcd"[i], 1 }, 1);
}

/* Counts of all pairs of the words as they stand; "aaa" holds "aa" twice, as in the reference trainers. */
static uint64_t best_pair(const struct plain *p, const struct lt_pieces *pieces, enum lt_ties ties, uint32_t longest,
                          uint32_t best[2])
{
    uint64_t most = 0;
    for (uint32_t a = 0; a < (uint32_t)pieces->count; a++) {
        for (uint32_t b = 0; b < (uint32_t)pieces->count; b++) {
            uint64_t n = 0;
            for (int w = 0; w < p->words; w++)
                for (uint32_t i = 0; i + 1 < p->size[w]; i++)
                    if (p->symbol[w][i] == a && p->symbol[w][i + 1] == b)
                        n += p->count[w];
            if (longest && pieces->length[a] + pieces->length[b] > longest)
                continue;
            int c = ties == LT_TIES_IDS ? -1 : 1;
            if (ties == LT_TIES_BYTES && n == most && n) {
                c = lt_str_cmp(pieces->piece[a], pieces->piece[best[0]]);
                c = c ? c : lt_str_cmp(pieces->piece[b], pieces->piece[best[1]]);
            }
            if (n > most || (n == most && n && c > 0)) {
                most = n;
                best[0] = a;
                best[1] = b;
            }
        }
    }
    return most;
}

static void replace(struct plain *p, const uint32_t pair[2], uint32_t into)
{
    for (int w = 0; w < p->words; w++) {
        uint32_t out = 0;
        for (uint32_t i = 0; i < p->size[w];) {
            bool hit = i + 1 < p->size[w] && p->symbol[w][i] == pair[0] && p->symbol[w][i + 1] == pair[1];
            p->symbol[w][out++] = hit ? into : p->symbol[w][i];
            i += hit ? 2 : 1;
        }
        p->size[w] = out;
    }
}

static void check_trial(uint64_t trial, enum lt_ties ties, uint32_t longest)
{
    struct plain p;
    struct lt_rng r = lt_rng_make(trial, "words");
    random_words(&p, &r);
    struct lt_symbols s = symbols_of(&p);
    struct lt_pieces got = { 0 }, want = { 0 };
    letters(&got);
    letters(&want);
    struct lt_merging how = { .pieces_max = LETTERS + 25, .least = 3, .ties = ties, .length_max = longest };
    assert_ok(lt_merge_pairs(&how, &s, &got, NULL));
    uint32_t best[2] = { 0, 0 };
    size_t merges = 0;
    while (want.count < how.pieces_max && best_pair(&p, &want, ties, longest, best) >= how.least) {
        struct lt_buf text = { 0 };
        lt_buf_put(&text, want.piece[best[0]].p, want.piece[best[0]].n);
        lt_buf_put(&text, want.piece[best[1]].p, want.piece[best[1]].n);
        int32_t into = 0;
        while (into < want.count && !lt_str_eq(want.piece[into], lt_buf_view(&text)))
            into++;
        if (into == want.count)
            lt_pieces_add(&want, lt_buf_view(&text), want.length[best[0]] + want.length[best[1]]);
        lt_buf_free(&text);
        if (merges >= got.merges || got.merge[merges].left != (int32_t)best[0] ||
            got.merge[merges].right != (int32_t)best[1] || got.merge[merges].into != into)
            fail_msg("trial %d: merge %zu differs", (int)trial, merges);
        replace(&p, best, (uint32_t)into);
        merges++;
    }
    assert_int_equal(got.merges, merges);
    assert_int_equal(got.count, want.count);
    for (int w = 0; w < p.words; w++) {
        assert_int_equal(s.size[w], p.size[w]);
        assert_memory_equal(s.symbol + s.first[w], p.symbol[w], p.size[w] * sizeof(uint32_t));
    }
    lt_pieces_release(&got);
    lt_pieces_release(&want);
    lt_symbols_release(&s);
}

static void test_merging__as_the_plain_algorithm(void **state)
{
    (void)state;
    for (uint64_t trial = 0; trial < 150; trial++) {
        check_trial(trial, LT_TIES_IDS, 0);
        check_trial(trial, LT_TIES_BYTES, 0);
        check_trial(trial, LT_TIES_IDS, 3);
    }
}

/* Counts beyond 32 bits decide. */
static void test_merging__counts_are_64_bit(void **state)
{
    (void)state;
    struct plain p = { .symbol = { { 0, 1 }, { 2, 3 } }, .size = { 2, 2 }, .words = 2,
                       .count = { UINT64_C(1) << 32, (UINT64_C(1) << 32) + 5 } };
    struct lt_symbols s = symbols_of(&p);
    struct lt_pieces pieces = { 0 };
    letters(&pieces);
    struct lt_merging how = { .pieces_max = LETTERS + 1, .least = 1 };
    assert_ok(lt_merge_pairs(&how, &s, &pieces, NULL));
    assert_true(lt_str_is(pieces.piece[LETTERS], "cd"));
    lt_pieces_release(&pieces);
    lt_symbols_release(&s);
}

static void test_merging__prefix_of_right_parts(void **state)
{
    (void)state;
    struct lt_pieces pieces = { 0 };
    lt_pieces_add(&pieces, lt_str("a"), 1);
    lt_pieces_add(&pieces, lt_str("##a"), 1);
    lt_pieces_add(&pieces, lt_str("##b"), 1);
    struct plain p = { .symbol = { { 0, 1, 2 }, { 0, 1, 2 } }, .size = { 3, 3 }, .words = 2, .count = { 4, 1 } };
    struct lt_symbols s = symbols_of(&p);
    struct lt_merging how = { .pieces_max = 5, .least = 1, .prefix = 2 };
    assert_ok(lt_merge_pairs(&how, &s, &pieces, NULL));
    assert_true(lt_str_is(pieces.piece[3], "aa"));
    assert_true(lt_str_is(pieces.piece[4], "aab"));
    lt_pieces_release(&pieces);
    lt_symbols_release(&s);
}

/* ---- words ---- */
struct sum { uint64_t count[1000]; int words; char before[16]; };

static int take_word(void *to, struct lt_str word, uint64_t count)
{
    struct sum *s = to;
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)word.n, word.p);
    assert_true(strcmp(s->before, text) < 0);
    strcpy(s->before, text);
    s->count[atoi(text + 1)] += count;
    s->words++;
    return 0;
}

static void test_words__runs_hold_what_was_put(void **state)
{
    (void)state;
    struct lt_word_runs runs = { 0 };
    struct lt_rng r = lt_rng_make(3, "words");
    uint64_t want[1000] = { 0 };
    for (int run = 0; run < 120; run++) {               /* more than stay open at a time */
        struct lt_word_table table[2] = { { 0 }, { 0 } };
        for (int i = 0; i < 300; i++) {
            char text[16];
            int word = (int)lt_rng_below(&r, 1000);
            uint64_t count = 1 + lt_rng_below(&r, UINT64_C(1) << 40);
            snprintf(text, sizeof text, "w%d", word);
            lt_word_add(&table[i % 2], lt_str(text), count);
            want[word] += count;
        }
        assert_ok(lt_word_runs_put(&runs, table, 2));
        assert_int_equal(table[0].count, 0);
    }
    struct sum got = { 0 };
    assert_ok(lt_word_runs_merge(&runs, take_word, &got));
    assert_int_equal(got.words, 1000);
    assert_memory_equal(got.count, want, sizeof want);
    lt_word_runs_release(&runs);
}

static void test_words__no_room_for_runs(void **state)
{
    (void)state;
    struct lt_word_runs runs = { 0 };
    struct lt_word_table table = { 0 };
    lt_word_add(&table, lt_str("a"), 1);
    const char *before = getenv("TMPDIR");
    char *kept = before ? lt_strdup(before) : NULL;
    setenv("TMPDIR", "/nonexistent", 1);
    assert_fails(lt_word_runs_put(&runs, &table, 1), "set TMPDIR");
    if (kept)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
    free(kept);
    lt_word_table_release(&table);
    lt_word_runs_release(&runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merging__as_the_plain_algorithm),
        cmocka_unit_test(test_merging__counts_are_64_bit),
        cmocka_unit_test(test_merging__prefix_of_right_parts),
        cmocka_unit_test(test_words__runs_hold_what_was_put),
        cmocka_unit_test(test_words__no_room_for_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
