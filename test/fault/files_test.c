/* What reads and writes files, with the Nth call into the system failing, for every N. */
#include "fault.h"
#include "test.h"
#include "toy_verbs.h"
#include "base/yaml.h"
#include "model/safetensors.h"
#include "recipe/history.h"
#include <zlib.h>

/* ---- scenarios ---- */
static void old_file(void) { fault_save("file", "old\n"); }
static void no_file(void) {}
static int save_file(void) { return lt_file_save("file", "new\n", 4); }

static int write_pieces(void)
{
    struct lt_writer w;
    if (lt_writer_open(&w, "file")) return -1;
    for (int i = 0; i < 3; i++) {
        static const char block[5000];
        lt_writer_fmt(&w, "line %d\n", i);
        lt_writer_put(&w, block, sizeof(block));
    }
    return lt_writer_commit(&w);
}

static void old_folder(void)
{
    assert_ok(lt_mkdirs("folder/deep"));
    fault_save("folder/a", "old");
    fault_save("folder/deep/b", "old");
}

static int make_folder(void)
{
    struct lt_folder d;
    if (lt_folder_open(&d, "folder")) return -1;
    int rc = lt_file_save(lt_test_path(d.temp, "a"), "new", 3);
    if (rc == 0) rc = lt_mkdirs(lt_test_path(d.temp, "more"));
    if (rc == 0) rc = lt_file_save(lt_test_path(d.temp, "more/c"), "new", 3);
    if (rc == 0) return lt_folder_commit(&d);
    lt_folder_abort(&d);
    return -1;
}

static const char story[] = "once upon a time\nthere was a file\n";

static void compressed(void)
{
    fault_save("plain", story);
    gzFile z = gzopen("story.gz", "wb");
    assert_non_null(z);
    assert_int_equal(gzwrite(z, story, strlen(story)), strlen(story));
    assert_int_equal(gzclose(z), Z_OK);
}

static int read_stream(const char *path)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf all = { 0 }, line = { 0 };
    if (!s) return -1;
    int rc;
    while ((rc = lt_stream_line(s, &line, 100, false)) > 0) lt_buf_fmt(&all, "%s\n", line.p);
    lt_stream_close(s);
    if (rc == 0 && strcmp(all.p, story)) fail_msg("%s was read as \"%s\"", path, all.p);
    lt_buf_free(&all);
    lt_buf_free(&line);
    return rc;
}

static int read_streams(void) { return read_stream("plain") || read_stream("story.gz") ? -1 : 0; }

static int read_whole(void)
{
    struct lt_file f;
    struct lt_buf b = { 0 };
    if (lt_file_open("plain", &f)) return -1;
    if (f.n != strlen(story) || memcmp(f.p, story, f.n)) fail_msg("the file was mapped wrong");
    lt_file_close(&f);
    int rc = lt_file_read("plain", &b);
    if (rc == 0 && strcmp(b.p, story)) fail_msg("the file was read wrong");
    lt_buf_free(&b);
    return rc;
}

/* A hash that is not the right one would be worse than none. */
static int hash_folder(void)
{
    char hex[33];
    uint64_t bytes;
    if (lt_hash_path("folder", hex, &bytes)) return -1;
    bool armed = fault.armed;
    char right[33];
    fault.armed = false;
    assert_ok(lt_hash_path("folder", right, NULL));
    fault.armed = armed;
    if (strcmp(hex, right)) fail_msg("the hash of a folder that could not be read is given");
    return 0;
}

static void documents(void)
{
    fault_save("doc.json", "{\"a\": [1, 2]}");
    fault_save("doc.yaml", "a: [1, 2]\n");
}

static int read_documents(void)
{
    struct lt_arena a = { 0 };
    struct lt_yaml *y;
    json_t *j = NULL;
    int rc = lt_json_read("doc.json", &j) || lt_yaml_read("doc.yaml", &a, &y) ? -1 : 0;
    if (rc == 0 && (json_array_size(json_object_get(j, "a")) != 2 || y->item[0]->count != 2)) fail_msg("read wrong");
    json_decref(j);
    lt_arena_free(&a);
    return rc;
}

static void old_weights(void) { fault_save("w.safetensors", "old"); }

static int save_weights(void)
{
    static const float value[6] = { 1, 2, 3, 4, 5, 6 };
    const struct lt_safetensor t[] = {
        { .name = "a", .type = LT_F32, .rank = 2, .dim = { 2, 3 }, .count = 6, .data = value },
        { .name = "b", .type = LT_F32, .rank = 1, .dim = { 3 }, .count = 3, .data = value },
    };
    if (lt_safetensors_save("w.safetensors", t, 2, LT_BF16)) return -1;
    struct lt_safetensors *s;
    if (lt_safetensors_open("w.safetensors", &s)) return -1;
    int count = s->count;
    lt_safetensors_free(s);
    return count == 2 ? 0 : lt_fail("tensors are missing");
}

/* Weights in shards over those of one value: a failure must leave all old, all new, or no model; never a mixture. */
enum { TENSORS = 3 };

static int save_sharded(float value, int64_t most)
{
    const float data[2] = { value, value };
    static const char *const name[TENSORS] = { "a", "b", "c" };
    struct lt_safetensor t[TENSORS];
    for (int i = 0; i < TENSORS; i++)
        t[i] = (struct lt_safetensor){ .name = name[i], .type = LT_F32, .rank = 1, .dim = { 2 }, .count = 2,
                                       .data = data };
    return lt_safetensors_save_folder(".", t, TENSORS, LT_F32, most);
}

static void check_unmixed(void)
{
    struct lt_safetensors *s;
    if (lt_safetensors_open(".", &s)) return;
    assert_int_equal(s->count, TENSORS);
    float first = *(const float *)s->tensor[0].data;
    for (int i = 1; i < TENSORS; i++) assert_true(*(const float *)s->tensor[i].data == first);
    lt_safetensors_free(s);
}

static void single_weights(void) { assert_ok(save_sharded(1, 0)); }
static void two_shards(void) { assert_ok(save_sharded(1, 16)); }
static void three_shards(void) { assert_ok(save_sharded(1, 8)); }

static int save_and_look(int64_t most)
{
    int rc = save_sharded(2, most);
    char *said = lt_strdup(lt_error());
    bool armed = fault.armed;
    fault.armed = false;
    check_unmixed();
    fault.armed = armed;
    if (rc) lt_fail("%s", said);
    free(said);
    return rc;
}

static int save_three(void) { return save_and_look(8); }
static int save_one(void) { return save_and_look(0); }

static int run_verb(const struct lt_verb *v, const char *json)
{
    struct lt_options *s = lt_options_new(&v->m);
    assert_ok(lt_options_json(s, json));
    int rc = lt_record_run(v, s, NULL);
    lt_options_free(s);
    return rc;
}

static void weighed(void)
{
    fault_save("a.txt", "abc");
    assert_ok(run_verb(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"sum\", \"scale\": 2}"));
}
static int weigh_again(void)
{
    return run_verb(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"sum\", \"scale\": 3}");
}

static void chained(void)
{
    fault_save("a.txt", "abc");
    fault_save("r.yaml", "steps:\n  - {name: one, verb: weigh, files: a.txt, out: one}\n"
                   "  - {verb: bundle, in: [a.txt, one], out: all}\n");
}

static int run_chain(void)
{
    struct lt_recipe r;
    if (lt_recipe_open("r.yaml", NULL, toy_find, NULL, &r)) return -1;
    int rc = lt_recipe_run(&r, &(struct lt_recipe_mode){ 0 }, NULL, NULL);
    lt_recipe_close(&r);
    return rc;
}

static void test_fault__files(void **state)
{
    (void)state;
    static const struct fault_scenario all[] = {
        { "saving a file over an old one", old_file, save_file, "file", false },
        { "saving a new file", no_file, save_file, "file", false },
        { "writing in pieces", old_file, write_pieces, "file", false },
        { "replacing a folder", old_folder, make_folder, "folder", false },
        { "making a folder", no_file, make_folder, "folder", false },
        { "reading whole files", compressed, read_whole, NULL, false },
        { "reading streams", compressed, read_streams, NULL, false },
        { "hashing a folder", old_folder, hash_folder, NULL, false },
        { "reading documents", documents, read_documents, NULL, false },
        { "saving weights", old_weights, save_weights, "w.safetensors", false },
        { "shards over a single file", single_weights, save_three, NULL, false },
        { "shards over others", two_shards, save_three, NULL, false },
        { "shards over as many", three_shards, save_three, NULL, false },
        { "a single file over shards", three_shards, save_one, NULL, false },
    };
    for (int i = 0; i < LT_COUNT(all); i++) fault_run(&all[i], 1);
}

static void test_fault__verbs_and_recipes(void **state)
{
    (void)state;
    static const struct fault_scenario all[] = {
        { "a verb with its record", weighed, weigh_again, "sum", false },
        { "the record of a verb", weighed, weigh_again, "sum.run.json", false },
        { "a recipe", chained, run_chain, "all", false },
    };
    for (int i = 0; i < LT_COUNT(all); i++) fault_run(&all[i], 1);
}

static void test_fault__killed_at_every_call(void **state)
{
    (void)state;
    static const struct fault_scenario all[] = {
        { "writing in pieces", old_file, write_pieces, "file", false },
        { "replacing a folder", old_folder, make_folder, "folder", false },
        { "saving weights", old_weights, save_weights, "w.safetensors", false },
        { "a verb with its record", weighed, weigh_again, "sum", false },
        { "the record of a verb", weighed, weigh_again, "sum.run.json", false },
        { "a recipe", chained, run_chain, "all", false },
    };
    for (int i = 0; i < LT_COUNT(all); i++) fault_kill(&all[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault__files),
        cmocka_unit_test(test_fault__verbs_and_recipes),
        cmocka_unit_test(test_fault__killed_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
