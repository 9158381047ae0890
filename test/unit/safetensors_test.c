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
        cmocka_unit_test(test_safetensors__empty_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
