/* The safetensors reader and writer: round trips, shards, and every way a header can lie. */
#include "base/io.h"
#include "model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lathe-safetensors-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return lt_remove_tree(folder);
}

static const char *in_folder(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", folder, name);
    return out;
}

static struct lt_safetensor tensor_of(const char *name, enum lt_dtype type, int64_t rows, int64_t cols,
                                      const void *data)
{
    return (struct lt_safetensor){ .name = name, .type = type, .rank = 2, .dim = { rows, cols }, .count = rows * cols,
                                   .data = data };
}

static void test_safetensors__round_trip(void **state)
{
    (void)state;
    char path[128];
    float a[6] = { 0, 1, -2.5f, 3, 1e-3f, 65504 };
    uint8_t mask[3] = { 1, 0, 255 };
    struct lt_safetensor t[] = { tensor_of("mask", LT_U8, 1, 3, mask), tensor_of("a.weight", LT_F32, 2, 3, a) };
    assert_int_equal(lt_safetensors_save(in_folder(path, "one.safetensors"), t, 2, LT_F32), 0);
    struct lt_safetensors *s;
    assert_int_equal(lt_safetensors_open(path, &s), 0);
    assert_int_equal(s->count, 2);
    const struct lt_safetensor *w = lt_safetensors_find(s, "a.weight"), *m = lt_safetensors_find(s, "mask");
    assert_non_null(w);
    assert_non_null(m);
    assert_null(lt_safetensors_find(s, "b.weight"));
    assert_int_equal(w->rank, 2);
    assert_int_equal(w->dim[1], 3);
    assert_int_equal((uintptr_t)w->data % 4, 0);
    assert_memory_equal(w->data, a, sizeof a);
    assert_memory_equal(m->data, mask, sizeof mask);
    lt_safetensors_free(s);
}

static void test_safetensors__converts_floats_only(void **state)
{
    (void)state;
    char path[128];
    float a[3] = { 1, -0.5f, 3.140625f };
    int64_t ids[2] = { 7, -9 };
    struct lt_safetensor t[] = { tensor_of("a", LT_F32, 3, 1, a), tensor_of("ids", LT_I64, 2, 1, ids) };
    assert_int_equal(lt_safetensors_save(in_folder(path, "half.safetensors"), t, 2, LT_BF16), 0);
    struct lt_safetensors *s;
    assert_int_equal(lt_safetensors_open(path, &s), 0);
    const struct lt_safetensor *h = lt_safetensors_find(s, "a"), *i = lt_safetensors_find(s, "ids");
    assert_int_equal(h->type, LT_BF16);
    for (int k = 0; k < 3; k++) assert_true(lt_from_bf16(((const uint16_t *)h->data)[k]) == a[k]);
    assert_int_equal(i->type, LT_I64);
    assert_memory_equal(i->data, ids, sizeof ids);
    lt_safetensors_free(s);
}

/* A header and data as a file in memory. */
static size_t image(uint8_t *out, const char *header, size_t data)
{
    size_t n = strlen(header);
    memset(out, 0, 8);
    out[0] = (uint8_t)n;
    out[1] = (uint8_t)(n >> 8);
    memcpy(out + 8, header, n);
    for (size_t i = 0; i < data; i++) out[8 + n + i] = (uint8_t)i;
    return 8 + n + data;
}

static void test_safetensors__unaligned_data_is_copied(void **state)
{
    (void)state;
    _Alignas(16) uint8_t file[256];
    const char *header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    char padded[128];
    for (int pad = 0; pad < 4; pad++) {
        snprintf(padded, sizeof padded, "%s%*s", header, pad, "");
        size_t n = image(file, padded, 8);
        struct lt_safetensors *s;
        assert_int_equal(lt_safetensors_parse(file, n, "memory", &s), 0);
        const struct lt_safetensor *x = lt_safetensors_find(s, "x");
        assert_int_equal((uintptr_t)x->data % 4, 0);
        assert_memory_equal(x->data, file + n - 8, 8);
        lt_safetensors_free(s);
    }
}

static void test_safetensors__refuses_lies(void **state)
{
    (void)state;
    static const struct { const char *header; size_t data; const char *says; } bad[] = {
        { "[]", 0, "not a JSON object" },
        { "{", 0, "not JSON" },
        { "{\"x\":1}", 0, "no dtype" },
        { "{\"x\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F33" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "shape" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "not a count" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "not a count" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[268435456,268435456],\"data_offsets\":[0,4]}}", 4,
        "too many elements" }, { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two integers" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "cut short" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "cut short" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "cut short" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "need 8" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "holes" },
        { "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "belong to none" },
        { "{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
          "\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "overlaps" },
        { "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
          "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "duplicate" },
    };
    uint8_t file[512];
    for (int i = 0; i < LT_COUNT(bad); i++) {
        size_t n = image(file, bad[i].header, bad[i].data);
        struct lt_safetensors *s = NULL;
        if (lt_safetensors_parse(file, n, "memory", &s) == 0) fail_msg("accepted: %s", bad[i].header);
        if (!strstr(lt_error(), bad[i].says)) fail_msg("%s: said \"%s\"", bad[i].header, lt_error());
    }
}

static void test_safetensors__refuses_every_truncation(void **state)
{
    (void)state;
    uint8_t file[256];
    size_t n = image(file, "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    for (size_t k = 0; k < n; k++) {
        struct lt_safetensors *s;
        uint8_t *part = malloc(k ? k : 1);          /* its own block, so that a sanitizer sees a read beyond it */
        memcpy(part, file, k);
        assert_int_equal(lt_safetensors_parse(part, k, "memory", &s), -1);
        free(part);
    }
}

static void test_safetensors__shards(void **state)
{
    (void)state;
    char one[128], two[128], index[128];
    float a[2] = { 1, 2 }, b[2] = { 3, 4 };
    struct lt_safetensor ta = tensor_of("a", LT_F32, 1, 2, a), tb = tensor_of("b", LT_F32, 1, 2, b);
    assert_int_equal(lt_safetensors_save(in_folder(one, "model-1.safetensors"), &ta, 1, LT_F32), 0);
    assert_int_equal(lt_safetensors_save(in_folder(two, "model-2.safetensors"), &tb, 1, LT_F32), 0);
    in_folder(index, "model.safetensors.index.json");
    const char *good = "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\"}}";
    assert_int_equal(lt_file_save(index, good, strlen(good)), 0);
    struct lt_safetensors *s;
    assert_int_equal(lt_safetensors_open(folder, &s), 0);
    assert_int_equal(s->count, 2);
    assert_memory_equal(lt_safetensors_find(s, "b")->data, b, sizeof b);
    lt_safetensors_free(s);
    static const char *const bad[] = {
        "{\"weight_map\":{\"a\":\"../model-1.safetensors\"}}", "{\"weight_map\":{\"a\":7}}", "{\"weight_map\":[]}",
            "{}", "",
        "{\"weight_map\":{\"c\":\"model-1.safetensors\"}}", "{\"weight_map\":{\"a\":\"model-3.safetensors\"}}",
    };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        assert_int_equal(lt_file_save(index, bad[i], strlen(bad[i])), 0);
        if (lt_safetensors_open(index, &s) == 0) fail_msg("accepted: %s", bad[i]);
    }
}

/* ---- a folder's weights, whole or in shards ---- */

enum { PARTS = 5, PART_ROWS = 3 };
static float part_data[PARTS][PART_ROWS * 4];
static const char *const part_name[PARTS] = { "e", "c.weight", "a", "d", "b" };

/* 48 bytes each but the third, which has 16. */
static void make_parts(struct lt_safetensor t[PARTS], float base)
{
    for (int i = 0; i < PARTS; i++) {
        for (int k = 0; k < PART_ROWS * 4; k++) part_data[i][k] = base + (float)(100 * i + k);
        t[i] = tensor_of(part_name[i], LT_F32, i == 2 ? 1 : PART_ROWS, 4, part_data[i]);
    }
}

static void check_parts(const char *path, const struct lt_safetensor t[PARTS], int files)
{
    struct lt_safetensors *s;
    if (lt_safetensors_open(path, &s)) fail_msg("%s", lt_error());
    assert_int_equal(s->file_count, files);
    assert_int_equal(s->count, PARTS);
    for (int i = 0; i < PARTS; i++) {
        const struct lt_safetensor *x = lt_safetensors_find(s, t[i].name);
        assert_non_null(x);
        assert_int_equal(x->dim[0], t[i].dim[0]);
        assert_memory_equal(x->data, t[i].data, (size_t)t[i].count * 4);
    }
    lt_safetensors_free(s);
}

static void check_names(const char *path, const char *const *want, int count)
{
    char **names;
    int n;
    assert_int_equal(lt_list_dir(path, &names, &n), 0);
    for (int i = 0; i < n; i++) {
        if (i >= count) fail_msg("%s is there too", names[i]);
        assert_string_equal(names[i], want[i]);
        free(names[i]);
    }
    free(names);
    assert_int_equal(n, count);
}

static void test_safetensors__saved_in_shards(void **state)
{
    (void)state;
    char path[128], index[192];
    struct lt_safetensor t[PARTS];
    struct lt_buf text = { 0 };
    make_parts(t, 0);
    assert_int_equal(lt_mkdirs(in_folder(path, "shards")), 0);
    /* 48 | 48 + 16 | 48 | 48: a shard is filled while the next tensor fits, in the order given */
    assert_int_equal(lt_safetensors_save_folder(path, t, PARTS, LT_F32, 64), 0);
    static const char *const names[] = { "model-00001-of-00004.safetensors", "model-00002-of-00004.safetensors",
                                         "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors",
                                         "model.safetensors.index.json" };
    check_names(path, names, LT_COUNT(names));
    check_parts(path, t, 4);
    snprintf(index, sizeof index, "%s/model.safetensors.index.json", path);
    check_parts(index, t, 4);
    assert_int_equal(lt_file_read(index, &text), 0);
    assert_string_equal(text.p, "{\n"
                                "  \"metadata\": {\n"
                                "    \"total_size\": 208\n"
                                "  },\n"
                                "  \"weight_map\": {\n"
                                "    \"a\": \"model-00002-of-00004.safetensors\",\n"
                                "    \"b\": \"model-00004-of-00004.safetensors\",\n"
                                "    \"c.weight\": \"model-00002-of-00004.safetensors\",\n"
                                "    \"d\": \"model-00003-of-00004.safetensors\",\n"
                                "    \"e\": \"model-00001-of-00004.safetensors\"\n"
                                "  }\n"
                                "}\n");
    lt_buf_free(&text);
    struct lt_safetensors *s;       /* each shard is a file like any other */
    snprintf(index, sizeof index, "%s/%s", path, names[1]);
    assert_int_equal(lt_file_read(index, &text), 0);
    assert_non_null(strstr(text.p + 8, "{\"format\":\"pt\"}"));
    lt_buf_free(&text);
    assert_int_equal(lt_safetensors_open(index, &s), 0);
    assert_int_equal(s->count, 2);
    lt_safetensors_free(s);
}

static void test_safetensors__shards_count_bytes_as_stored(void **state)
{
    (void)state;
    char path[128];
    struct lt_safetensor t[PARTS];
    struct lt_safetensors *s;
    make_parts(t, 0);
    assert_int_equal(lt_mkdirs(in_folder(path, "stored")), 0);
    static const struct { int64_t most; int files; } cases[] = { { 104, 1 }, { 103, 2 }, { 56, 2 }, { 55, 3 },
                                                                 { 24, 5 }, { 23, 5 }, { 1, 5 }, { 0, 1 } };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        assert_int_equal(lt_safetensors_save_folder(path, t, PARTS, LT_BF16, cases[i].most), 0);
        assert_int_equal(lt_safetensors_open(path, &s), 0);
        if (s->file_count != cases[i].files)
            fail_msg("%d files of at most %d bytes", s->file_count, (int)cases[i].most);
        assert_int_equal(s->count, PARTS);
        lt_safetensors_free(s);
    }
}

/* Whatever was saved before, the folder holds the last save and nothing else of its kind. */
static void test_safetensors__a_save_replaces_what_was_there(void **state)
{
    (void)state;
    char path[128], other[192];
    static const char *const kept[] = { "model-1-of-2.safetensors", "model-0000x-of-00002.safetensors",
                                        "optimizer.safetensors" };
    static const struct { int64_t most; int files; } turn[] = { { 0, 1 }, { 64, 4 }, { 1, 5 }, { 1, 5 }, { 112, 2 },
                                                                { 0, 1 }, { 1, 5 }, { 208, 1 } };
    struct lt_safetensor t[PARTS];
    assert_int_equal(lt_mkdirs(in_folder(path, "turns")), 0);
    for (int i = 0; i < LT_COUNT(kept); i++) {
        snprintf(other, sizeof other, "%s/%s", path, kept[i]);
        assert_int_equal(lt_file_save(other, "x", 1), 0);
    }
    for (int i = 0; i < LT_COUNT(turn); i++) {
        char **names;
        int n;
        make_parts(t, (float)(1000 * i));
        assert_int_equal(lt_safetensors_save_folder(path, t, PARTS, LT_F32, turn[i].most), 0);
        check_parts(path, t, turn[i].files);
        assert_int_equal(lt_list_dir(path, &names, &n), 0);
        for (int k = 0; k < n; k++) free(names[k]);
        free(names);
        assert_int_equal(n, LT_COUNT(kept) + turn[i].files + (turn[i].files > 1));
    }
}

static void test_safetensors__empty_tensors_and_none_in_shards(void **state)
{
    (void)state;
    char path[128];
    float x[4] = { 1, 2, 3, 4 };
    struct lt_safetensor t[] = { tensor_of("none", LT_F32, 0, 4, x), tensor_of("x", LT_F32, 1, 4, x),
                                 tensor_of("y", LT_F32, 1, 0, x) };
    struct lt_safetensors *s;
    assert_int_equal(lt_mkdirs(in_folder(path, "hollow")), 0);
    assert_int_equal(lt_safetensors_save_folder(path, t, 3, LT_F32, 8), 0);
    assert_int_equal(lt_safetensors_open(path, &s), 0);
    assert_int_equal(s->file_count, 3);
    assert_int_equal(s->count, 3);
    lt_safetensors_free(s);
    assert_int_equal(lt_safetensors_save_folder(path, t, 0, LT_F32, 8), 0);
    assert_int_equal(lt_safetensors_open(path, &s), 0);
    assert_int_equal(s->file_count, 1);
    assert_int_equal(s->count, 0);
    lt_safetensors_free(s);
}

static void test_safetensors__refuses_too_many_shards(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    char path[128];
    static const uint8_t byte = 1;
    struct lt_safetensor *t = calloc(MANY, sizeof *t);
    for (int i = 0; i < MANY; i++) t[i] = tensor_of("x", LT_U8, 1, 1, &byte);
    assert_int_equal(lt_mkdirs(in_folder(path, "many")), 0);
    assert_int_equal(lt_safetensors_save_folder(path, t, MANY, LT_F32, 1), -1);
    assert_non_null(strstr(lt_error(), "100000 files"));
    check_names(path, NULL, 0);
    assert_int_equal(lt_safetensors_save_folder(in_folder(path, "nowhere"), t, 2, LT_F32, 0), -1);
    free(t);
}

static void test_safetensors__shard_sizes(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t bytes; } good[] = {
        { "5GB", 5000000000 }, { "500MB", 500000000 }, { "1.5GB", 1500000000 }, { "64KB", 64000 },
        { "2TB", 2000000000000 }, { "1", 1 }, { "123456789", 123456789 }, { "0.5KB", 500 },
    };
    static const char *const bad[] = { "", "GB", "0", "0GB", "-1", "-5GB", "5XB", "5G", "5 apples", "nan", "inf",
                                       "infGB", "1e30", "0.5", "1.5", "0.0001KB", "5GBGB", "9999999999TB" };
    int64_t bytes;
    for (int i = 0; i < LT_COUNT(good); i++) {
        if (lt_safetensors_size(good[i].text, &bytes)) fail_msg("refused %s: %s", good[i].text, lt_error());
        assert_int_equal(bytes, good[i].bytes);
    }
    for (int i = 0; i < LT_COUNT(bad); i++)
        if (!lt_safetensors_size(bad[i], &bytes)) fail_msg("\"%s\" passes for %lld bytes", bad[i], (long long)bytes);
}

static void test_safetensors__empty_folder(void **state)
{
    (void)state;
    char path[128];
    struct lt_safetensors *s;
    assert_int_equal(lt_mkdirs(in_folder(path, "empty")), 0);
    assert_int_equal(lt_safetensors_open(path, &s), -1);
    assert_non_null(strstr(lt_error(), "model.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors__round_trip),
        cmocka_unit_test(test_safetensors__converts_floats_only),
        cmocka_unit_test(test_safetensors__unaligned_data_is_copied),
        cmocka_unit_test(test_safetensors__refuses_lies),
        cmocka_unit_test(test_safetensors__refuses_every_truncation),
        cmocka_unit_test(test_safetensors__shards),
        cmocka_unit_test(test_safetensors__saved_in_shards),
        cmocka_unit_test(test_safetensors__shards_count_bytes_as_stored),
        cmocka_unit_test(test_safetensors__a_save_replaces_what_was_there),
        cmocka_unit_test(test_safetensors__empty_tensors_and_none_in_shards),
        cmocka_unit_test(test_safetensors__refuses_too_many_shards),
        cmocka_unit_test(test_safetensors__shard_sizes),
        cmocka_unit_test(test_safetensors__empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
