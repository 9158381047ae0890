/* Rows of prompts out of shards with masks: each whole or left out, with the weights of its mask, once an epoch; and
 * pairs, whose two texts are neighbours in one batch. */
#include "test.h"
#include "data/loader.h"
#include "data/shard.h"

enum { VOCAB = 1 << 20, MOST = 32 };

/* Document d has ids d * MOST + i and the tokens and prompt that these say. */
static int tokens_of(int d) { return 2 + d * 7919 % (MOST - 2); }
static int prompt_of(int d) { return 1 + d * 31 % (tokens_of(d) - 1); }
static bool is_predicted(int d, int i) { return i >= prompt_of(d) && (i == tokens_of(d) - 1 || (d + i) % 5); }

enum kind { TEXTS, COMPLETIONS, PAIRS };
static char *write_rows(enum kind kind, int documents, int first, uint64_t shard_tokens)
{
    struct lt_shard_writer *w;
    char *folder = lt_test_temp();
    assert_ok(lt_shard_writer_open(folder, "train", VOCAB, "cafe", shard_tokens, &w));
    if (kind != TEXTS) lt_shard_writer_mask(w, kind == PAIRS);
    for (int d = first; d < first + documents; d++) {
        int32_t id[MOST];
        uint8_t mask[MOST];
        size_t n = (size_t)tokens_of(d);
        for (int i = 0; i < (int)n; i++) {
            id[i] = d * MOST + i;
            mask[i] = is_predicted(d, i);
        }
        if (kind == TEXTS) assert_ok(lt_shard_write(w, id, n, n));
        else assert_ok(lt_shard_write_masked(w, id, mask, n, n));
    }
    struct lt_shard_totals total;
    assert_ok(lt_shard_writer_commit(w, &total));
    assert_true(shard_tokens > 500 || total.files > 3);
    return folder;
}

static int open_rows(struct lt_loader **l, char *const *folder, int folders, double weight, int64_t length,
                     int64_t rows, bool sequential)
{
    struct lt_loader_source source[2] = { { 0 } };
    for (int i = 0; i < folders; i++) source[i] = (struct lt_loader_source){ folder[i], weight };
    struct lt_loader_spec spec = { .source = source, .source_count = folders, .split = "train", .length = length,
                                   .rows = rows, .seed = 3, .sequential = sequential };
    return lt_loader_open(&spec, NULL, l);
}

/* Sequence s is all of a document, with its mask for weights; returns the document. */
static int whole_document(const struct lt_batch *b, int64_t s)
{
    int64_t at = b->seq_row[s], n = b->seq_row[s + 1] - at;
    int d = b->token[at] / MOST;
    assert_int_equal(n, tokens_of(d) - 1);
    for (int i = 0; i < n; i++) {
        assert_int_equal(b->token[at + i], d * MOST + i);
        assert_int_equal(b->target[at + i], d * MOST + i + 1);
        assert_int_equal(b->pos[at + i], i);
        assert_true(b->weight[at + i] == (is_predicted(d, i + 1) ? 1.0f : 0.0f));
    }
    return d;
}

static void test_loader_rows__whole_or_left_out(void **state)
{
    (void)state;
    enum { DOCUMENTS = 300, LENGTH = 20 };
    for (int sequential = 0; sequential < 2; sequential++) {
        char *folder = write_rows(COMPLETIONS, DOCUMENTS, 0, 400);
        struct lt_loader *l;
        struct lt_loader_info info;
        struct lt_batch b;
        int seen[DOCUMENTS] = { 0 }, left = 0, epochs = sequential ? 1 : 3;
        int64_t targets = 0, bytes = 0;
        assert_ok(open_rows(&l, &folder, 1, 0, LENGTH, sequential ? 4 : 1, sequential));
        lt_loader_describe(l, &info);
        for (int d = 0; d < DOCUMENTS; d++) {
            left += tokens_of(d) - 1 > LENGTH;
            bytes += tokens_of(d) - 1 > LENGTH ? 0 : tokens_of(d);
            for (int i = 1; tokens_of(d) - 1 <= LENGTH && i < tokens_of(d); i++) targets += is_predicted(d, i);
        }
        assert_true(left > 20 && left < DOCUMENTS - 20);
        assert_int_equal(info.left_out, left);
        assert_int_equal(info.longest, MOST - 2);
        assert_int_equal(info.targets, targets);
        assert_int_equal(info.target_bytes, bytes);
        assert_false(info.pairs);
        for (int64_t i = 0; i < epochs * info.batches; i++) {
            assert_ok(lt_loader_at(l, (uint64_t)i, &b));
            assert_true(b.rows > 0 && b.pair_count == 0);
            for (int64_t s = 0; s < b.seq_count; s++) seen[whole_document(&b, s)]++;
        }
        for (int d = 0; d < DOCUMENTS; d++) assert_int_equal(seen[d], tokens_of(d) - 1 > LENGTH ? 0 : epochs);
        lt_loader_free(l);
        lt_test_temp_end(folder);
    }
}

/* Texts beside completions are cut as ever, and predicted from their second token on. */
static void test_loader_rows__beside_texts(void **state)
{
    (void)state;
    enum { LENGTH = 9, EACH = 200 };
    char *folder[] = { write_rows(COMPLETIONS, EACH, 0, 5000), write_rows(TEXTS, EACH, EACH, 5000) };
    struct lt_loader *l;
    struct lt_loader_info info;
    struct lt_batch b;
    uint8_t *seen = lt_calloc(2 * EACH * MOST, 1);
    assert_ok(open_rows(&l, folder, 2, 0, LENGTH, 1, false));
    lt_loader_describe(l, &info);
    for (int64_t i = 0; i < info.batches; i++) {
        assert_ok(lt_loader_at(l, (uint64_t)i, &b));
        for (int64_t r = 0; r < b.rows; r++) seen[b.target[r]] += b.weight[r] == 1 ? 1 : 16;
    }
    for (int d = 0; d < 2 * EACH; d++)
        for (int i = 0; i < tokens_of(d); i++) {
            bool there = i && (d >= EACH || tokens_of(d) - 1 <= LENGTH);
            int want = !there ? 0 : d >= EACH || is_predicted(d, i) ? 1 : 16;
            assert_int_equal(seen[d * MOST + i], want);
        }
    free(seen);
    lt_loader_free(l);
    for (int i = 0; i < 2; i++) lt_test_temp_end(folder[i]);
}

static bool fits(int pair, int64_t length)
{
    return tokens_of(2 * pair) - 1 <= length && tokens_of(2 * pair + 1) - 1 <= length;
}

/* Every pair that fits is in each epoch once, and its texts lie side by side, the chosen first. */
static void check_pairs(char *const *folder, int folders, int pairs, int64_t length, int64_t rows, bool sequential)
{
    struct lt_loader *l;
    struct lt_loader_info info;
    struct lt_batch b;
    int *seen = lt_calloc((size_t)pairs, sizeof *seen), epochs = sequential ? 1 : 3;
    int kept = 0, before = -1, in_order = 0;
    int64_t most = 0;
    assert_ok(open_rows(&l, folder, folders, 0, length, rows, sequential));
    lt_loader_describe(l, &info);
    for (int p = 0; p < pairs; p++) kept += fits(p, length);
    assert_true(info.pairs);
    assert_int_equal(info.left_out, pairs - kept);
    assert_int_equal(info.batches, (kept + rows - 1) / rows);
    for (int64_t i = 0, left = epochs * (int64_t)kept; left > 0; i++) {
        assert_ok(lt_loader_at(l, (uint64_t)i, &b));
        assert_int_equal(b.seq_count, 2 * b.pair_count);
        assert_int_equal(b.pair_count, sequential ? LT_MIN(left, rows) : rows);
        most = LT_MAX(most, b.rows);
        for (int64_t p = 0; p < b.pair_count && left > 0; p++, left--) {
            int chosen = whole_document(&b, 2 * p), rejected = whole_document(&b, 2 * p + 1);
            assert_true(chosen % 2 == 0 && rejected == chosen + 1);
            assert_true(fits(chosen / 2, length));
            seen[chosen / 2]++;
            in_order += chosen > before;
            before = chosen;
        }
    }
    for (int p = 0; p < pairs; p++) assert_int_equal(seen[p], fits(p, length) ? epochs : 0);
    assert_true(sequential ? in_order == kept : in_order < epochs * kept * 3 / 4);
    assert_true(rows == 1 || most > length);        /* a batch of pairs is not held to one row */
    if (sequential) {
        assert_ok(lt_loader_at(l, (uint64_t)info.batches, &b));
        assert_int_equal(b.rows, 0);
    }
    free(seen);
    lt_loader_free(l);
}

static void test_loader_rows__pairs_stay_together(void **state)
{
    (void)state;
    enum { PAIRS_IN_ALL = 160 };
    static const int64_t length[] = { MOST, 20, 9 }, rows[] = { 1, 4, 7 };
    char *folder = write_rows(PAIRS, 2 * PAIRS_IN_ALL, 0, 300);
    char *half[] = { write_rows(PAIRS, PAIRS_IN_ALL, 0, 300), write_rows(PAIRS, PAIRS_IN_ALL, PAIRS_IN_ALL, 5000) };
    for (int i = 0; i < 9; i++) {
        check_pairs(&folder, 1, PAIRS_IN_ALL, length[i / 3], rows[i % 3], false);
        check_pairs(&folder, 1, PAIRS_IN_ALL, length[i / 3], rows[i % 3], true);
        check_pairs(half, 2, PAIRS_IN_ALL, length[i / 3], rows[i % 3], false);
    }
    lt_test_temp_end(folder);
    for (int i = 0; i < 2; i++) lt_test_temp_end(half[i]);
}

/* Asked for in any order, and of weighted sources: a batch depends on its number alone. */
static void test_loader_rows__a_batch_of_pairs_is_a_function_of_its_index(void **state)
{
    (void)state;
    enum { BATCHES = 60, ROWS = 3 };
    char *folder[] = { write_rows(PAIRS, 100, 0, 300), write_rows(PAIRS, 60, 100, 300) };
    for (int weighted = 0; weighted < 2; weighted++) {
        struct lt_loader *l, *other;
        struct lt_batch b;
        int32_t want[BATCHES][2 * ROWS];
        assert_ok(open_rows(&l, folder, 2, weighted, MOST, ROWS, false));
        assert_ok(open_rows(&other, folder, 2, weighted, MOST, ROWS, false));
        for (int i = 0; i < BATCHES; i++) {
            assert_ok(lt_loader_at(l, (uint64_t)i, &b));
            assert_int_equal(b.pair_count, ROWS);
            for (int s = 0; s < 2 * ROWS; s++) want[i][s] = whole_document(&b, s);
        }
        for (int i = BATCHES; i-- > 0;) {
            int at = i * 37 % BATCHES;
            assert_ok(lt_loader_at(other, (uint64_t)at, &b));
            for (int s = 0; s < 2 * ROWS; s++) assert_int_equal(whole_document(&b, s), want[at][s]);
        }
        lt_loader_free(l);
        lt_loader_free(other);
    }
    for (int i = 0; i < 2; i++) lt_test_temp_end(folder[i]);
}

static void test_loader_rows__refusals(void **state)
{
    (void)state;
    char *pairs = write_rows(PAIRS, 20, 0, 5000), *texts = write_rows(TEXTS, 20, 0, 5000);
    char *rows = write_rows(COMPLETIONS, 20, 0, 5000), *both[] = { texts, pairs }, *also[] = { pairs, rows };
    struct lt_loader *l;
    assert_fails(open_rows(&l, both, 2, 0, MOST, 2, false), "holds pairs and");
    assert_fails(open_rows(&l, both, 2, 1, MOST, 2, false), "holds pairs and");
    assert_fails(open_rows(&l, also, 2, 1, MOST, 2, false), "holds pairs and");
    assert_fails(open_rows(&l, &pairs, 1, 0, 1, 2, false), "none of 10 pairs fits into 1 tokens");
    assert_fails(open_rows(&l, &pairs, 1, 0, 1, 2, true), "ask for a larger --max_length");
    struct lt_loader_source source = { .path = rows };
    struct lt_loader_spec spec = { .source = &source, .source_count = 1, .split = "train", .length = MOST, .rows = 2,
                                   .packing = LT_PACK_CONCAT };
    assert_fails(lt_loader_open(&spec, NULL, &l), "concat cuts anywhere");
    assert_true(lt_error_is_misuse());
    lt_test_temp_end(pairs);
    lt_test_temp_end(texts);
    lt_test_temp_end(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loader_rows__whole_or_left_out),
        cmocka_unit_test(test_loader_rows__beside_texts),
        cmocka_unit_test(test_loader_rows__pairs_stay_together),
        cmocka_unit_test(test_loader_rows__a_batch_of_pairs_is_a_function_of_its_index),
        cmocka_unit_test(test_loader_rows__refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
