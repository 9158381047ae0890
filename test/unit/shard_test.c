/* Token shards: what is written is read, at both widths and over several files; and every way a file can lie. */
#include "test.h"
#include "data/corpus.h"

#include <fcntl.h>

static const char *const hash = "0123456789abcdef0123456789abcdef";

/* `documents` documents of 1..9 tokens, ids counting up from 0 modulo vocab, 3 bytes of text a token. */
static void write_shards(const char *folder, const char *split, uint64_t vocab, int documents, uint64_t shard_tokens,
                         struct lt_shard_totals *total)
{
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, split, vocab, hash, shard_tokens, &w));
    int32_t id[9], next = 0;
    for (int d = 0; d < documents; d++) {
        int n = 1 + d * 7 % 9;
        for (int i = 0; i < n; i++)
            id[i] = (int32_t)((uint64_t)next++ % vocab);
        assert_ok(lt_shard_write(w, id, (size_t)n, (size_t)n * 3));
    }
    assert_ok(lt_shard_writer_commit(w, total));
}

/* The same documents from 2 tokens up, with masks: token i of document d is predicted when it is its last or i + d is
 * even. */
static bool masked(int d, int i, int n) { return i && (i == n - 1 || (i + d) % 2 == 0); }

static void write_masked(const char *folder, bool pairs, int documents, uint64_t shard_tokens,
                         struct lt_shard_totals *total)
{
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, "train", 300, hash, shard_tokens, &w));
    lt_shard_writer_mask(w, pairs);
    int32_t id[10], next = 0;
    uint8_t mask[10];
    for (int d = 0; d < documents; d++) {
        int n = 2 + d * 7 % 9;
        for (int i = 0; i < n; i++) {
            id[i] = next++ % 300;
            mask[i] = masked(d, i, n);
        }
        assert_ok(lt_shard_write_masked(w, id, mask, (size_t)n, (size_t)n * 3));
    }
    assert_ok(lt_shard_writer_commit(w, total));
}

static void check_all(const char *folder, uint64_t vocab, int documents, const struct lt_shard_totals *total)
{
    struct lt_corpus c = { 0 };
    assert_ok(lt_corpus_add(&c, folder, "train"));
    assert_int_equal(c.count, total->files);
    assert_int_equal(c.tokens, total->tokens);
    assert_int_equal(c.documents, (uint64_t)documents);
    assert_int_equal(c.bytes, c.tokens * 3);
    int32_t *id = lt_alloc(c.tokens * sizeof *id);
    assert_ok(lt_corpus_copy(&c, 0, c.tokens, id));
    for (uint64_t i = 0; i < c.tokens; i++)
        assert_int_equal(id[i], i % vocab);
    uint64_t at = 0;
    for (int d = 0; d < documents; d++) {
        uint64_t begin, end;
        lt_corpus_document(&c, (uint64_t)d, &begin, &end);
        assert_int_equal(begin, at);
        at += 1 + (uint64_t)d * 7 % 9;
        assert_int_equal(end, at);
        for (uint64_t t = begin; t < end; t++)
            assert_int_equal(lt_corpus_find(&c, t), d);
    }
    for (int i = 0; i < c.count; i++)
        assert_ok(lt_shard_verify(&c.shard[i]));
    free(id);
    lt_corpus_release(&c);
}

static void test_shard__round_trip(void **state)
{
    (void)state;
    static const struct { uint64_t vocab, shard_tokens; int documents; } cases[] = {
        { 300, 1000000, 700 }, { 65536, 100, 700 }, { 65537, 1000000, 700 }, { 100000, 64, 90 }, { 7, 1, 20 },
        { 1000, UINT64_MAX, 1 },
    };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        char *folder = lt_test_temp();
        struct lt_shard_totals total;
        write_shards(folder, "train", cases[i].vocab, cases[i].documents, cases[i].shard_tokens, &total);
        check_all(folder, cases[i].vocab, cases[i].documents, &total);
        lt_test_temp_end(folder);
    }
}

static void test_shard__masks_round_trip(void **state)
{
    (void)state;
    static const struct { bool pairs; int documents; uint64_t shard_tokens; } cases[] = {
        { false, 700, 1000000 }, { false, 700, 100 }, { true, 700, 1000000 }, { true, 700, 40 }, { true, 60, 1 },
    };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        char *folder = lt_test_temp();
        struct lt_shard_totals total;
        struct lt_corpus c = { 0 };
        uint64_t predicted = 0;
        write_masked(folder, cases[i].pairs, cases[i].documents, cases[i].shard_tokens, &total);
        assert_ok(lt_corpus_add(&c, folder, "train"));
        assert_true(c.masked && c.pairs == cases[i].pairs);
        assert_int_equal(c.documents, cases[i].documents);
        float *weight = lt_alloc(c.tokens * sizeof *weight);
        lt_corpus_weights(&c, 0, c.tokens, weight);
        for (int d = 0; d < cases[i].documents; d++) {
            uint64_t begin, end;
            lt_corpus_document(&c, (uint64_t)d, &begin, &end);
            assert_int_equal(end - begin, 2 + d * 7 % 9);
            assert_int_equal(lt_corpus_bytes(&c, (uint64_t)d), 3 * (end - begin));
            for (uint64_t t = begin; t < end; t++) {
                bool want = masked(d, (int)(t - begin), (int)(end - begin));
                assert_true(weight[t] == (want ? 1 : 0));
                predicted += want;
            }
        }
        assert_int_equal(total.predicted, predicted);
        for (int k = 0; k < c.count; k++) {
            assert_ok(lt_shard_verify(&c.shard[k]));
            assert_true(!cases[i].pairs || c.shard[k].documents % 2 == 0);
        }
        free(weight);
        lt_corpus_release(&c);
        lt_test_temp_end(folder);
    }
}

/* What has no mask is written as it was before there were any. */
static void test_shard__without_masks_as_ever(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_shard_totals total;
    struct lt_buf file = { 0 };
    struct lt_shard_header h;
    write_shards(folder, "train", 300, 12, 1000, &total);
    assert_ok(lt_file_read(lt_test_path(folder, "train-00000.shard"), &file));
    memcpy(&h, file.p, sizeof h);
    assert_int_equal(h.version, 1);
    assert_int_equal(h.flags, 0);
    assert_int_equal(file.n, h.index_at + 8 * 13 + 4 * 12);
    assert_int_equal(h.index_at, (256 + 2 * h.tokens + 7) / 8 * 8);
    assert_int_equal(total.predicted, total.tokens - 12);
    lt_buf_free(&file);
    lt_test_temp_end(folder);
}

static void test_shard__long_document_crosses_blocks(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    size_t n = (1 << 20) + 12345;
    int32_t *id = lt_alloc(n * sizeof *id), *back = lt_alloc(n * sizeof *back);
    for (size_t i = 0; i < n; i++)
        id[i] = (int32_t)(i * 2654435761u % 60000);
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, "train", 60000, hash, 1000, &w));
    assert_ok(lt_shard_write(w, id, n, 5));
    assert_ok(lt_shard_writer_commit(w, NULL));
    struct lt_shard s;
    assert_ok(lt_shard_open(lt_test_path(folder, "train-00000.shard"), &s));
    assert_ok(lt_shard_verify(&s));
    lt_shard_close(&s);
    struct lt_corpus c = { 0 };
    assert_ok(lt_corpus_add(&c, folder, "train"));
    assert_ok(lt_corpus_copy(&c, 0, n, back));
    assert_memory_equal(id, back, n * sizeof *id);
    lt_corpus_release(&c);
    free(id);
    free(back);
    lt_test_temp_end(folder);
}

static void test_shard__splits_and_other_tokenizers(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_shard_totals total;
    write_shards(folder, "train", 300, 20, 1000, &total);
    write_shards(folder, "validation", 300, 3, 1000, &total);
    struct lt_corpus c = { 0 };
    assert_ok(lt_corpus_add(&c, folder, "validation"));
    assert_int_equal(c.documents, 3);
    assert_fails(lt_corpus_add(&c, folder, "test"), "none of its 2 shards belongs to the split \"test\"");
    lt_corpus_release(&c);
    write_shards(folder, "more", 301, 3, 1000, &total);
    assert_fails(lt_corpus_add(&c, folder, NULL), "made with another tokenizer");
    lt_corpus_release(&c);
    char *empty = lt_test_temp();
    assert_fails(lt_corpus_add(&c, empty, "train"), "no token shards");
    lt_corpus_release(&c);
    lt_test_temp_end(empty);
    lt_test_temp_end(folder);
}

static void test_shard__refuses_what_it_cannot_hold(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open(folder, "train", 10, hash, 1000, &w));
    assert_fails(lt_shard_write(w, (int32_t[]){ 3, 10 }, 2, 1), "token 1 is 10, beyond the vocabulary of 10");
    assert_fails(lt_shard_write(w, (int32_t[]){ -1 }, 1, 1), "token 0 is -1");
    assert_fails(lt_shard_write(w, NULL, 0, 1), "0 tokens");
    assert_ok(lt_shard_write(w, (int32_t[]){ 3 }, 1, 1));
    lt_shard_writer_abort(w);
    assert_ok(lt_shard_writer_open(folder, "train", 10, hash, 1000, &w));
    lt_shard_writer_mask(w, true);
    assert_fails(lt_shard_write_masked(w, (int32_t[]){ 3, 4 }, (uint8_t[]){ 1, 1 }, 2, 1), "first token");
    assert_fails(lt_shard_write_masked(w, (int32_t[]){ 3, 4 }, (uint8_t[]){ 0, 0 }, 2, 1), "none to predict");
    assert_ok(lt_shard_write_masked(w, (int32_t[]){ 3, 4 }, (uint8_t[]){ 0, 1 }, 2, 1));
    lt_shard_writer_abort(w);
    assert_fails(lt_shard_writer_open(folder, "a/b", 10, hash, 1000, &w), "split \"a/b\"");
    assert_fails(lt_shard_writer_open(folder, "train", 0, hash, 1000, &w), "vocabulary of 0");
    char **name;
    int count;
    assert_ok(lt_list_dir(folder, &name, &count));
    assert_int_equal(count, 0);
    free(name);
    lt_test_temp_end(folder);
}

static void test_shard__unwritable_folder(void **state)
{
    (void)state;
    struct lt_shard_writer *w;
    assert_ok(lt_shard_writer_open("/nonexistent/folder", "train", 10, hash, 1000, &w));
    assert_fails(lt_shard_write(w, (int32_t[]){ 3 }, 1, 1), "train-00000.shard");
    lt_shard_writer_abort(w);
}

enum kind { TEXTS, MASKED, PAIRS };

/* Every single damaged byte is noticed when everything is read, and none before that makes reading unsafe. */
static void check_damage(enum kind kind)
{
    char *folder = lt_test_temp();
    struct lt_shard_totals total;
    if (kind == TEXTS) write_shards(folder, "train", 300, 12, 1000, &total);
    else write_masked(folder, kind == PAIRS, 12, 1000, &total);
    struct lt_buf file = { 0 };
    assert_ok(lt_file_read(lt_test_path(folder, "train-00000.shard"), &file));
    for (size_t i = 0; i < file.n; i++) {
        file.p[i] ^= 0x40;
        struct lt_shard s;
        if (lt_shard_parse(file.p, file.n, "damaged", &s) == 0) {
            assert_fails(lt_shard_verify(&s), "damaged");
            lt_shard_close(&s);
        } else if (i < LT_SHARD_HEADER) {
            assert_non_null(strstr(lt_error(), "damaged"));
        }
        file.p[i] ^= 0x40;
    }
    for (size_t n = 0; n < file.n; n++) {
        struct lt_shard s;
        assert_fails(lt_shard_parse(file.p, n, "short", &s), "short: ");
    }
    lt_buf_free(&file);
    lt_test_temp_end(folder);
}

static void test_shard__damage(void **state)
{
    (void)state;
    check_damage(TEXTS);
    check_damage(MASKED);
    check_damage(PAIRS);
}

/* A header of pairs whose flags, version or counts say otherwise, and masks that lie; all checksums are right. */
static void test_shard__lying_masks(void **state)
{
    (void)state;
    static const struct { uint32_t version; uint64_t flags; const char *says; } cases[] = {
        { 2, 3, NULL }, { 2, 1, NULL }, { 2, 0, "flags 0" }, { 2, 2, "flags 2" }, { 2, 7, "flags 7" },
        { 2, UINT64_MAX, "flags ffffffffffffffff" }, { 1, 0, "index is not where" }, { 3, 3, "shard version 3" },
    };
    char *folder = lt_test_temp();
    struct lt_shard_totals total;
    struct lt_buf file = { 0 };
    struct lt_shard_header h;
    struct lt_shard s;
    write_masked(folder, true, 12, 1000, &total);
    assert_ok(lt_file_read(lt_test_path(folder, "train-00000.shard"), &file));
    for (int i = 0; i < LT_COUNT(cases); i++) {
        memcpy(&h, file.p, sizeof h);
        h.version = cases[i].version;
        h.flags = cases[i].flags;
        h.header_checksum = lt_hash(&h, offsetof(struct lt_shard_header, header_checksum), 0);
        memcpy(file.p, &h, sizeof h);
        if (cases[i].says) assert_fails(lt_shard_parse(file.p, file.n, "lie", &s), cases[i].says);
        else {
            assert_ok(lt_shard_parse(file.p, file.n, "honest", &s));
            assert_true(s.pairs == (h.flags == 3));
            lt_shard_close(&s);
        }
    }
    h.version = 2;
    h.flags = 1;
    h.header_checksum = lt_hash(&h, offsetof(struct lt_shard_header, header_checksum), 0);
    memcpy(file.p, &h, sizeof h);
    char *mask = file.p + file.n - (h.tokens + 7) / 8;
    mask[0] |= 1;
    assert_fails(lt_shard_parse(file.p, file.n, "lie", &s), "document 0 predicts its first token");
    mask[0] = 0;                    /* document 0 has two tokens, the second to be predicted */
    assert_fails(lt_shard_parse(file.p, file.n, "lie", &s), "document 0 has no token to predict");
    lt_buf_free(&file);
    lt_test_temp_end(folder);
    folder = lt_test_temp();
    write_masked(folder, false, 11, 1000, &total);
    assert_ok(lt_file_read(lt_test_path(folder, "train-00000.shard"), &file));
    memcpy(&h, file.p, sizeof h);
    h.flags = 3;
    h.header_checksum = lt_hash(&h, offsetof(struct lt_shard_header, header_checksum), 0);
    memcpy(file.p, &h, sizeof h);
    assert_fails(lt_shard_parse(file.p, file.n, "lie", &s), "11 documents are no pairs");
    lt_buf_free(&file);
    lt_test_temp_end(folder);
}

/* Headers with a right checksum and wrong counts. */
static void test_shard__lying_headers(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_shard_totals total;
    write_shards(folder, "train", 300, 12, 1000, &total);
    struct lt_buf file = { 0 };
    assert_ok(lt_file_read(lt_test_path(folder, "train-00000.shard"), &file));
    struct lt_shard_header good, h;
    memcpy(&good, file.p, sizeof good);
    uint64_t *const field[] = { &h.tokens, &h.documents, &h.vocab, &h.bytes, &h.index_at, &h.file_size };
    static const uint64_t value[] = { 0, 1, UINT64_MAX, UINT64_C(1) << 63, UINT64_MAX / 2, UINT64_MAX / 12 + 1,
                                      1 << 20 };
    for (int f = 0; f < LT_COUNT(field); f++) {
        for (int v = 0; v < LT_COUNT(value); v++) {
            h = good;
            *field[f] = value[v];
            h.header_checksum = lt_hash(&h, offsetof(struct lt_shard_header, header_checksum), 0);
            memcpy(file.p, &h, sizeof h);
            struct lt_shard s;
            if (field[f] == &h.vocab && value[v] == 1) {        /* found where tokens are read */
                assert_ok(lt_file_save(lt_test_path(folder, "train-00000.shard"), file.p, file.n));
                struct lt_corpus c = { 0 };
                int32_t id[3];
                assert_ok(lt_corpus_add(&c, folder, NULL));
                assert_fails(lt_corpus_copy(&c, 0, 3, id), "beyond the vocabulary of 1");
                lt_corpus_release(&c);
            } else {
                assert_fails(lt_shard_parse(file.p, file.n, "lie", &s), "lie: ");
            }
        }
    }
    lt_buf_free(&file);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shard__round_trip),
        cmocka_unit_test(test_shard__masks_round_trip),
        cmocka_unit_test(test_shard__without_masks_as_ever),
        cmocka_unit_test(test_shard__long_document_crosses_blocks),
        cmocka_unit_test(test_shard__splits_and_other_tokenizers),
        cmocka_unit_test(test_shard__refuses_what_it_cannot_hold),
        cmocka_unit_test(test_shard__unwritable_folder),
        cmocka_unit_test(test_shard__damage),
        cmocka_unit_test(test_shard__lying_masks),
        cmocka_unit_test(test_shard__lying_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
