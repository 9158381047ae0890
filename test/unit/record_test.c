/* Run records: what they hold, where they lie, and that equal runs leave equal records. */
#include "recipe/record.h"
#include "test.h"
#include "toy_verbs.h"
#include <sys/stat.h>

static void save(const char *path, const char *text) { assert_ok(lt_file_save(path, text, strlen(text))); }

static struct lt_options *options(const struct lt_verb *v, const char *json)
{
    struct lt_options *s = lt_options_new(&v->m);
    assert_ok(lt_options_json(s, json));
    assert_non_null(lt_options_done(s));
    return s;
}

static void run(const struct lt_verb *v, const char *json)
{
    struct lt_options *s = options(v, json);
    assert_ok(lt_record_run(v, s, NULL));
    lt_options_free(s);
}

static void enter(char *folder) { assert_int_equal(chdir(folder), 0); }

static void test_record__file(void **state)
{
    (void)state;
    char *dir = lt_test_temp();
    enter(dir);
    save("a.txt", "a");
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"sum\", \"scale\": 3, \"fuse\": \"no-such\", \"loud\": true}");
    char *text;
    assert_ok(lt_record_read("sum", &text));
    char hash[33], expected[2048];
    assert_ok(lt_hash_path("sum", hash, NULL));
    struct lt_record r;
    assert_ok(lt_record_parse("sum.run.json", lt_str(text), &r));
    assert_string_equal(r.verb, "weigh");
    assert_string_equal(r.build, lt_build_id());
    assert_int_equal(lt_record_entries(r.inputs), 1);
    struct lt_record_entry out = lt_record_entry(r.outputs, 0);
    assert_string_equal(out.option, "out");
    assert_string_equal(out.path, "sum");
    assert_string_equal(out.hash, hash);
    assert_int_equal(out.bytes, 4);
    struct lt_record_entry in = lt_record_entry(r.inputs, 0);
    assert_ok(lt_hash_path("a.txt", hash, NULL));
    snprintf(expected, sizeof(expected),
             "{\n  \"format\": \"lathe-run 1\",\n  \"verb\": \"weigh\",\n  \"version\": \"%s\",\n  \"build\": \"%s\",\n"
             "  \"isa\": \"%s\",\n"
             "  \"seed\": 7,\n  \"options\": {\n    \"files\": [\"a.txt\"],\n    \"out\": \"sum\",\n"
             "    \"scale\": 3,\n    \"seed\": 7,\n    \"mode\": \"sum\"\n  },\n  \"inputs\": [\n"
             "    {\"option\": \"files\", \"path\": \"a.txt\", \"hash\": \"%s\", \"bytes\": 1}\n  ],\n"
             "  \"outputs\": [\n    {\"option\": \"out\", \"path\": \"sum\", \"hash\": \"%s\", \"bytes\": 4}\n  ]\n}\n",
             LATHE_VERSION, lt_build_id(), r.isa, in.hash, out.hash);
    assert_string_equal(text, expected);
    free(text);
    lt_record_release(&r);
    enter("/");
    lt_test_temp_end(dir);
}

static void assert_place(const char *artefact, const char *place)
{
    char *found = lt_record_place(artefact);
    if (!found) fail_msg("%s", lt_error());
    assert_string_equal(found, place);
    free(found);
}

static void test_record__folder_and_the_folders_above(void **state)
{
    (void)state;
    char *dir = lt_test_temp();
    enter(dir);
    save("a.txt", "a");
    assert_ok(lt_mkdirs("made"));
    run(&toy_bundle, "{\"in\": [\"a.txt\", \"a.txt\"], \"out\": \"made/all/\"}");
    assert_place("made/all", "made/all/lathe-run.json");
    assert_place("made/all///", "made/all/lathe-run.json");
    assert_place("made/all/1.txt", "made/all/lathe-run.json");
    assert_place("made/all/lathe-run.json", "made/all/lathe-run.json");
    char *place;
    assert_null(place = lt_record_place("a.txt"));
    assert_non_null(strstr(lt_error(), "a.txt: has no run record"));
    assert_null(place = lt_record_place("gone"));
    assert_non_null(strstr(lt_error(), "no such file or folder"));
    free(place);
    enter("/");
    char absolute[1100];
    snprintf(absolute, sizeof(absolute), "%s/made/all/0.txt", dir);
    place = lt_record_place(absolute);
    assert_true(lt_str_ends(lt_str(place), "made/all/lathe-run.json"));
    free(place);
    lt_test_temp_end(dir);
}

/* A record does not depend on when, where or how often, and what it says of options reads back as the same options. */
static void test_record__deterministic(void **state)
{
    (void)state;
    static const char json[] = "{\"in\": [\"a.txt\"], \"out\": \"all\", "
                               "\"optim\": {\"name\": \"lion\", \"beta1\": 0.8},"
                               " \"controls\": [\"top_p\", {\"name\": \"temperature\", \"value\": 0.7}]}";
    char *first = NULL;
    for (int i = 0; i < 2; i++) {
        char *dir = lt_test_temp(), *text;
        enter(dir);
        save("a.txt", "a");
        run(&toy_bundle, json);
        assert_ok(lt_record_read("all", &text));
        if (first) assert_string_equal(text, first);
        free(first);
        first = text;
        enter("/");
        lt_test_temp_end(dir);
    }
    struct lt_record r;
    assert_ok(lt_record_parse("first", lt_str(first), &r));
    char *dumped = json_dumps(r.options, 0);
    struct lt_options *s = options(&toy_bundle, dumped);
    char *resolved = lt_options_resolved(s, false);
    json_t *again;
    assert_ok(lt_json_parse("again", lt_str(resolved), &again));
    assert_true(json_equal(again, r.options));
    assert_non_null(strstr(resolved, "[{\"name\": \"top_p\""));
    free(dumped);
    free(resolved);
    json_decref(again);
    lt_options_free(s);
    lt_record_release(&r);
    free(first);
}

static void test_record__what_cannot_be_hashed(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *record;
    enter(dir);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    struct lt_options *s = options(&toy_weigh, "{\"files\": [\"-\", \"pipe\", \"gone\"], \"out\": \"/dev/null\"}");
    assert_non_null(record = lt_record_make("weigh", s));      /* reading the pipe would wait for ever */
    struct lt_record r;
    assert_ok(lt_record_parse("record", lt_str(record), &r));
    assert_int_equal(lt_record_entries(r.inputs), 3);
    for (int i = 0; i < 3; i++) assert_null(lt_record_entry(r.inputs, i).hash);
    lt_record_release(&r);
    assert_ok(lt_record_write(record, "/dev/null"));
    assert_false(lt_path_exists("/dev/null.run.json"));
    free(record);
    lt_options_free(s);
    s = options(&toy_weigh, "{\"files\": [\"a\"], \"out\": \"b\"}");
    lt_options_free(s);
    s = lt_options_new(&toy_weigh.m);
    assert_ok(lt_options_set(s, "files", "a\xff"));
    assert_ok(lt_options_set(s, "out", "b"));
    assert_non_null(lt_options_done(s));
    assert_null(lt_record_make("weigh", s));
    lt_options_free(s);
    enter("/");
    lt_test_temp_end(dir);
}

static void refused(const char *text, const char *sentence)
{
    struct lt_record r;
    assert_fails(lt_record_parse("x.run.json", lt_str(text), &r), sentence);
}

static void test_record__refused(void **state)
{
    (void)state;
    refused("", "x.run.json: not JSON");
    refused("[]", "not a run record that this version reads");
    refused("{\"format\": \"lathe-run 2\"}", "not a run record that this version reads");
#define HEAD "{\"format\": \"lathe-run 1\", \"verb\": \"v\", \"version\": \"1\", \"build\": \"b\", \"isa\": \"c\", "
    refused("{\"format\": \"lathe-run 1\", \"verb\": 1}", "x.run.json: \"verb\": expected a text");
    refused(HEAD "\"inputs\": {}}", "\"inputs\": expected a list, found an object");
    refused(HEAD "\"inputs\": [1]}", "\"inputs\": expected a list of objects");
    refused(HEAD "\"inputs\": [{\"option\": \"x\"}]}", "\"path\" is missing");
    refused(HEAD "\"inputs\": [], \"outputs\": [{\"option\": \"x\", \"path\": \"p\", \"bytes\": -1}]}", "from 0 to");
    refused(HEAD "\"inputs\": [], \"outputs\": []}", "\"options\" is missing");
    struct lt_record r;
    assert_ok(lt_record_parse("x.run.json", lt_str(HEAD "\"inputs\": [], \"outputs\": [], \"options\": {}}"), &r));
    lt_record_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record__file),
        cmocka_unit_test(test_record__folder_and_the_folders_above),
        cmocka_unit_test(test_record__deterministic),
        cmocka_unit_test(test_record__what_cannot_be_hashed),
        cmocka_unit_test(test_record__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
