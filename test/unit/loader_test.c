/* Batches out of shards, checked against brute force: every target once an epoch, the same batch whenever it is
 * asked for, packing as tight as the plain algorithm, shares of a mixture. */
#include "test.h"
#include "base/ctx.h"
#include "data/best_fit.h"
#include "data/loader.h"
#include "data/shard.h"

enum { VOCAB = 1 << 20 };

/* Documents of 1..longest tokens; ids count up over all documents, so that an id names its place. */
static int64_t write_counting(const char *folder, int documents, int longest, int32_t first)
{
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, "train", VOCAB, "cafe", 1500, &w));
    int32_t *id = lt_alloc((size_t)longest * sizeof *id), next = first;
    struct lt_rng r = lt_rng_make(7, "lengths");
    for (int d = 0; d < documents; d++) {
        int n = 1 + (int)lt_rng_below(&r, (uint64_t)(d % 5 ? longest / 8 + 1 : longest));
        for (int i = 0; i < n; i++)
            id[i] = next++;
        assert_ok(lt_shard_write(w, id, (size_t)n, (size_t)n));
    }
    free(id);
    struct lt_shard_totals total;
    assert_ok(lt_shard_writer_commit(w, &total));
    return (int64_t)total.tokens;
}

static struct lt_loader *open_one(const char *folder, int64_t length, int64_t rows, uint64_t seed, enum lt_packing how,
                                  bool sequential)
{
    struct lt_loader_source source = { .path = folder };
    struct lt_loader_spec spec = { .source = &source, .source_count = 1, .split = "train", .length = length,
                                   .rows = rows, .seed = seed, .packing = how, .sequential = sequential };
    struct lt_loader *l;
    assert_ok(lt_loader_open(&spec, NULL, &l));
    return l;
}

/* Is id i the first of a document?  Tried on the sequential reading, where only those are never a target. */
static uint8_t *first_tokens(const char *folder, int64_t tokens)
{
    struct lt_loader *l = open_one(folder, 50, 3, 0, LT_PACK_BEST_FIT, true);
    uint8_t *first = lt_alloc((size_t)tokens);
    memset(first, 1, (size_t)tokens);
    struct lt_batch b;
    int32_t before = -1;
    for (uint64_t i = 0;; i++) {
        assert_ok(lt_loader_at(l, i, &b));
        if (b.rows == 0)
            break;
        for (int64_t r = 0; r < b.rows; r++) {
            assert_true(b.target[r] > before);          /* in order */
            before = b.target[r];
            assert_int_equal(b.target[r], b.token[r] + 1);
            assert_true(b.weight[r] == 1);
            first[before] = 0;
        }
    }
    lt_loader_free(l);
    return first;
}

static void check_sequences(const struct lt_batch *b, int64_t length)
{
    assert_int_equal(b->seq_row[0], 0);
    assert_int_equal(b->seq_row[b->seq_count], b->rows);
    for (int64_t s = 0; s < b->seq_count; s++) {
        int64_t n = b->seq_row[s + 1] - b->seq_row[s];
        assert_true(n > 0 && n <= length);
        for (int64_t i = 0; i < n; i++) {
            int64_t r = b->seq_row[s] + i;
            assert_int_equal(b->pos[r], i);
            if (i)
                assert_int_equal(b->token[r], b->target[r - 1]);
        }
    }
}

/* One row a batch: `epochs` epochs hold every token but the first of a document as a target exactly so often. */
static void check_coverage(const char *folder, int64_t tokens, int64_t length, enum lt_packing how)
{
    uint8_t *first = first_tokens(folder, tokens);
    struct lt_loader *l = open_one(folder, length, 1, 3, how, false);
    struct lt_loader_info info;
    lt_loader_describe(l, &info);
    assert_int_equal(info.tokens, tokens);
    uint32_t *seen = lt_calloc((size_t)tokens, sizeof *seen);
    struct lt_batch b;
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        for (int64_t i = 0; i < info.batches; i++) {
            assert_ok(lt_loader_at(l, (epoch - 1) * (uint64_t)info.batches + (uint64_t)i, &b));
            assert_true(b.rows > 0 && b.rows <= length);
            check_sequences(&b, length);
            for (int64_t r = 0; r < b.rows; r++) {
                assert_int_equal(b.target[r], b.token[r] + 1);
                if (b.weight[r] != 0)
                    seen[b.target[r]]++;
                else
                    assert_true(first[b.target[r]]);
            }
        }
        for (int64_t t = 0; t < tokens; t++)
            if (seen[t] != (first[t] ? 0 : epoch))
                fail_msg("length %d: token %d was a target %u times in %d epochs", (int)length, (int)t, seen[t],
                         (int)epoch);
    }
    free(seen);
    free(first);
    lt_loader_free(l);
}

static void test_loader__every_target_once_an_epoch(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    int64_t tokens = write_counting(folder, 400, 300, 0);
    static const int64_t length[] = { 1, 2, 7, 64, 299, 4096 };
    for (int i = 0; i < LT_COUNT(length); i++) {
        check_coverage(folder, tokens, length[i], LT_PACK_BEST_FIT);
        check_coverage(folder, tokens, length[i], LT_PACK_CONCAT);
    }
    lt_test_temp_end(folder);
}

static void copy_batch(struct lt_buf *out, const struct lt_batch *b)
{
    size_t n = (size_t)b->rows;
    lt_buf_put(out, b->token, n * sizeof *b->token);
    lt_buf_put(out, b->target, n * sizeof *b->target);
    lt_buf_put(out, b->weight, n * sizeof *b->weight);
    lt_buf_put(out, b->seq_row, ((size_t)b->seq_count + 1) * sizeof *b->seq_row);
}

/* Enough pieces for several windows: batches asked for in any order, by a loader that has just been opened, with any
 * pool, are those of a sequential reading. */
static void test_loader__a_batch_is_a_function_of_its_index(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    write_counting(folder, 30000, 60, 0);
    struct lt_loader_source source = { .path = folder };
    struct lt_loader_spec spec = { .source = &source, .source_count = 1, .split = "train", .length = 3, .rows = 4000,
                                   .seed = 5, .packing = LT_PACK_BEST_FIT };
    struct lt_ctx *c = lt_ctx_new(3, NULL, NULL);
    struct lt_loader *l, *other;
    assert_ok(lt_loader_open(&spec, NULL, &l));
    struct lt_loader_info info;
    lt_loader_describe(l, &info);
    int n = (int)info.batches + 3;
    struct lt_buf *want = lt_calloc((size_t)n, sizeof *want);
    struct lt_batch b;
    for (int i = 0; i < n; i++) {
        assert_ok(lt_loader_at(l, (uint64_t)i, &b));
        copy_batch(&want[i], &b);
    }
    lt_loader_free(l);
    assert_ok(lt_loader_open(&spec, c, &other));
    for (int i = 0; i < n; i++) {
        int at = (int)((unsigned)i * 7919u % (unsigned)n);
        struct lt_buf got = { 0 };
        assert_ok(lt_loader_at(other, (uint64_t)at, &b));
        copy_batch(&got, &b);
        if (got.n != want[at].n || memcmp(got.p, want[at].p, got.n))
            fail_msg("batch %d differs when it is asked for out of turn", at);
        lt_buf_free(&got);
    }
    assert_true(want[0].n != want[1].n || memcmp(want[0].p, want[1].p, want[0].n));
    for (int i = 0; i < n; i++)
        lt_buf_free(&want[i]);
    free(want);
    lt_loader_free(other);
    lt_ctx_free(c);
    lt_test_temp_end(folder);
}

static void test_loader__seed_and_epoch_change_the_order(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    write_counting(folder, 500, 100, 0);
    for (int how = LT_PACK_BEST_FIT; how <= LT_PACK_CONCAT; how++) {
        struct lt_loader *a = open_one(folder, 20, 1, 1, (enum lt_packing)how, false);
        struct lt_loader *b = open_one(folder, 20, 1, 2, (enum lt_packing)how, false);
        struct lt_loader_info info;
        lt_loader_describe(a, &info);
        int other_seed = 0, other_epoch = 0, in_order = 0;
        int32_t before = 0;
        for (int64_t i = 0; i < 100; i++) {
            struct lt_batch x, y;
            assert_ok(lt_loader_at(a, (uint64_t)i, &x));
            int32_t first = x.token[0];
            assert_ok(lt_loader_at(b, (uint64_t)i, &y));
            other_seed += first != y.token[0];
            assert_ok(lt_loader_at(a, (uint64_t)(i + info.batches), &x));
            other_epoch += first != x.token[0];
            in_order += first > before;
            before = first;
        }
        assert_true(other_seed > 90 && other_epoch > 90 && in_order < 75);
        lt_loader_free(a);
        lt_loader_free(b);
    }
    lt_test_temp_end(folder);
}

static void test_loader__mixture(void **state)
{
    (void)state;
    enum { ROWS = 5, BATCHES = 4000 };
    char *folder[3];
    static const double weight[3] = { 6, 3, 1 };
    struct lt_loader_source source[3];
    for (int i = 0; i < 3; i++) {
        folder[i] = lt_test_temp();
        write_counting(folder[i], 40 + 100 * i, 90, i * 300000);
        source[i] = (struct lt_loader_source){ .path = folder[i], .weight = weight[i] };
    }
    struct lt_loader_spec spec = { .source = source, .source_count = 3, .split = "train", .length = 32, .rows = ROWS,
                                   .seed = 1, .packing = LT_PACK_CONCAT };
    struct lt_loader *l;
    assert_ok(lt_loader_open(&spec, NULL, &l));
    int64_t count[3] = { 0 };
    for (int i = 0; i < BATCHES; i++) {
        struct lt_batch b;
        assert_ok(lt_loader_at(l, (uint64_t)i, &b));
        assert_int_equal(b.seq_count, ROWS);
        for (int s = 0; s < ROWS; s++)
            count[b.token[b.seq_row[s]] / 300000]++;
        for (int k = 0; k < 3; k++) {
            double want = weight[k] / 10 * (i + 1) * ROWS;
            if (count[k] < want - 3 || count[k] > want + 3)
                fail_msg("source %d: %d of %d rows", k, (int)count[k], (i + 1) * ROWS);
        }
    }
    lt_loader_free(l);
    source[1].weight = 0;
    assert_fails(lt_loader_open(&spec, NULL, &l), "2 of 3 sources have a weight");
    source[0].weight = source[2].weight = 0;                /* one corpus: an epoch holds each row once */
    spec.rows = 1;
    assert_ok(lt_loader_open(&spec, NULL, &l));
    struct lt_loader_info info;
    lt_loader_describe(l, &info);
    int64_t targets = 0;
    for (int64_t i = 0; i < info.batches; i++) {
        struct lt_batch b;
        assert_ok(lt_loader_at(l, (uint64_t)i, &b));
        for (int64_t r = 0; r < b.rows; r++)
            targets += b.weight[r] != 0;
    }
    assert_int_equal(targets, info.tokens - info.documents);
    lt_loader_free(l);
    for (int i = 0; i < 3; i++)
        lt_test_temp_end(folder[i]);
}

/* The plain algorithm: all bins looked at for every item. */
static uint32_t brute_force(const uint32_t *size, uint32_t n, uint32_t capacity)
{
    uint32_t *room = lt_alloc(n * sizeof *room), bins = 0;
    for (uint32_t s = capacity; s > 0; s--) {
        for (uint32_t i = 0; i < n; i++) {
            if (size[i] != s)
                continue;
            uint32_t best = bins;
            for (uint32_t b = 0; b < bins; b++)
                if (room[b] >= s && (best == bins || room[b] < room[best]))
                    best = b;
            if (best == bins)
                room[bins++] = capacity;
            room[best] -= s;
        }
    }
    free(room);
    return bins;
}

static void test_best_fit__as_the_plain_algorithm(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(11, "sizes");
    for (int trial = 0; trial < 200; trial++) {
        uint32_t capacity = 1 + (uint32_t)lt_rng_below(&r, trial % 2 ? 200 : 10), n = (uint32_t)lt_rng_below(&r, 120);
        uint32_t *size = lt_alloc((n + 1) * sizeof *size), *seen = lt_calloc(n + 1, sizeof *seen);
        for (uint32_t i = 0; i < n; i++)
            size[i] = 1 + (uint32_t)lt_rng_below(&r, capacity);
        struct lt_bins bins;
        lt_best_fit(size, n, capacity, &bins);
        assert_int_equal(bins.count, brute_force(size, n, capacity));
        assert_int_equal(bins.first[0], 0);
        assert_int_equal(bins.first[bins.count], n);
        for (uint32_t b = 0; b < bins.count; b++) {
            uint32_t sum = 0;
            for (uint32_t k = bins.first[b]; k < bins.first[b + 1]; k++) {
                sum += size[bins.item[k]];
                seen[bins.item[k]]++;
            }
            assert_true(sum > 0 && sum <= capacity);
        }
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(seen[i], 1);
        lt_bins_release(&bins);
        free(size);
        free(seen);
    }
}

static void test_loader__identity_and_refusals(void **state)
{
    (void)state;
    char *folder = lt_test_temp(), *same = lt_test_temp(), *more = lt_test_temp();
    write_counting(folder, 20, 50, 0);
    write_counting(same, 20, 50, 0);
    write_counting(more, 20, 50, 1);
    struct lt_loader *a = open_one(folder, 10, 2, 1, LT_PACK_BEST_FIT, false);
    struct lt_loader *b = open_one(same, 10, 2, 1, LT_PACK_BEST_FIT, false);
    struct lt_loader *c = open_one(more, 10, 2, 1, LT_PACK_BEST_FIT, false);
    assert_string_equal(lt_loader_hash(a), lt_loader_hash(b));
    assert_string_not_equal(lt_loader_hash(a), lt_loader_hash(c));
    struct lt_loader_info info;
    lt_loader_describe(a, &info);
    assert_int_equal(info.vocab, VOCAB);
    assert_int_equal(info.documents, 20);
    assert_int_equal(info.bytes, info.tokens);
    assert_string_equal(info.tokenizer_hash, "cafe");
    lt_loader_free(a);
    lt_loader_free(b);
    lt_loader_free(c);
    struct lt_loader_source source = { .path = folder };
    struct lt_loader_spec spec = { .source = &source, .source_count = 1, .split = "validation", .length = 10,
                                   .rows = 2 };
    assert_fails(lt_loader_open(&spec, NULL, &a), "none of its");
    spec.split = "train";
    spec.length = 0;
    assert_fails(lt_loader_open(&spec, NULL, &a), "length 0");
    spec.length = 1 << 20;
    spec.rows = 1 << 20;
    assert_fails(lt_loader_open(&spec, NULL, &a), "a batch has");
    spec.rows = 1;
    source.weight = -1;
    assert_fails(lt_loader_open(&spec, NULL, &a), "weight -1");
    source = (struct lt_loader_source){ .path = "/nonexistent" };
    assert_fails(lt_loader_open(&spec, NULL, &a), "/nonexistent");
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, "single", 10, "cafe", 1000, &w));
    assert_ok(lt_shard_write(w, (int32_t[]){ 1 }, 1, 1));
    assert_ok(lt_shard_writer_commit(w, NULL));
    source.path = folder;
    spec.split = "single";
    assert_fails(lt_loader_open(&spec, NULL, &a), "nothing to predict");
    lt_test_temp_end(folder);
    lt_test_temp_end(same);
    lt_test_temp_end(more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loader__every_target_once_an_epoch),
        cmocka_unit_test(test_loader__a_batch_is_a_function_of_its_index),
        cmocka_unit_test(test_loader__seed_and_epoch_change_the_order),
        cmocka_unit_test(test_loader__mixture),
        cmocka_unit_test(test_best_fit__as_the_plain_algorithm),
        cmocka_unit_test(test_loader__identity_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
