/* Telling how an artefact came to be, and making it again. */
#include "recipe/history.h"
#include "test.h"
#include "toy_verbs.h"

static void save(const char *path, const char *text) { assert_ok(lt_file_save(path, text, strlen(text))); }

static void run(const struct lt_verb *v, const char *json)
{
    struct lt_options *s = lt_options_new(&v->m);
    assert_ok(lt_options_json(s, json));
    assert_ok(lt_record_run(v, s, NULL));
    lt_options_free(s);
}

static char *enter_fresh(void)
{
    char *dir = lt_test_temp();
    assert_int_equal(chdir(dir), 0);
    save("a.txt", "\001\002");
    return dir;
}

static void leave(char *dir)
{
    assert_int_equal(chdir("/"), 0);
    lt_test_temp_end(dir);
}

static json_t *history(const char *artefact)
{
    json_t *j = lt_history(artefact, toy_find, NULL);
    if (!j) fail_msg("%s", lt_error());
    return j;
}

static const char *text(const json_t *j, const char *key) { return json_string_value(json_object_get(j, key)); }

static const json_t *entry(const json_t *j, const char *list, size_t i)
{
    return json_array_get(json_object_get(j, list), i);
}

static void test_history__story_in_story(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"first\", \"factor\": 3}");
    run(&toy_bundle, "{\"in\": [\"first\", \"a.txt\", \"first\"], \"out\": \"all\"}");
    json_t *j = history("all/0.txt");
    assert_string_equal(text(j, "record"), "all/lathe-run.json");
    assert_string_equal(text(j, "command"), "lathe bundle --in first --in a.txt --in first --out all");
    const json_t *made = json_object_get(entry(j, "inputs", 0), "made");
    assert_string_equal(text(made, "command"), "lathe weigh --files a.txt --out first --scale 3");
    assert_null(json_object_get(entry(j, "inputs", 1), "made"));
    assert_null(json_object_get(entry(j, "inputs", 2), "made"));       /* told already */
    assert_string_equal(text(entry(j, "inputs", 2), "now"), "same");
    assert_string_equal(text(entry(j, "outputs", 0), "now"), "same");
    struct lt_buf page = { 0 };
    lt_history_put(&page, j);
    assert_non_null(strstr(page.p, "all/0.txt\n  command   lathe bundle"));
    assert_non_null(strstr(page.p, "  input     first (2 bytes, same):\n    first\n      command   lathe weigh"));
    assert_non_null(strstr(page.p, "      option    scale = 3\n"));
    assert_non_null(strstr(page.p, lt_build_id()));
    lt_buf_free(&page);
    json_decref(j);
    save("a.txt", "other");
    save("all/0.txt", "other");
    assert_ok(unlink("first"));
    j = history("all");
    assert_string_equal(text(entry(j, "inputs", 0), "now"), "missing");
    assert_string_equal(text(entry(j, "inputs", 1), "now"), "changed");
    assert_string_equal(text(entry(j, "outputs", 0), "now"), "changed");
    json_decref(j);
    assert_null(lt_history("a.txt", toy_find, NULL));
    assert_non_null(strstr(lt_error(), "a.txt: has no run record"));
    leave(dir);
}

/* Without reading contents: what an input was made by is known by the hash in the record of its maker. */
static void test_history__recorded(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"first\", \"factor\": 3}");
    run(&toy_bundle, "{\"in\": [\"first\", \"a.txt\"], \"out\": \"all\"}");
    save("a.txt", "other");                             /* not looked at */
    json_t *j = lt_history_recorded("all", toy_find, NULL);
    assert_string_equal(text(entry(j, "inputs", 0), "now"), "not read");
    assert_string_equal(text(json_object_get(entry(j, "inputs", 0), "made"), "verb"), "weigh");
    assert_null(json_object_get(entry(j, "inputs", 1), "made"));
    json_decref(j);
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"first\", \"factor\": 3}");
    j = lt_history_recorded("all", toy_find, NULL);     /* that first is another */
    assert_null(json_object_get(entry(j, "inputs", 0), "made"));
    json_decref(j);
    leave(dir);
}

static void test_history__seen_from_another_folder(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    assert_ok(lt_mkdirs("made/deep"));
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"./made/deep/sum\"}");
    const char *const views[] = { "made/deep/sum", "./made/deep/sum", "made/deep/sum.run.json" };
    for (int i = 0; i < LT_COUNT(views); i++) {
        json_t *j = history(views[i]);
        assert_string_equal(text(entry(j, "inputs", 0), "now"), "same");
        json_decref(j);
    }
    char absolute[1100], up[1100];
    snprintf(absolute, sizeof(absolute), "%s/made/deep/sum", dir);
    snprintf(up, sizeof(up), "..%s/made/deep/sum", strrchr(dir, '/'));
    json_t *j = history(up);
    assert_string_equal(text(entry(j, "inputs", 0), "now"), "same");
    json_decref(j);
    assert_int_equal(chdir("/"), 0);
    j = history(absolute);
    assert_string_equal(text(entry(j, "inputs", 0), "now"), "same");
    json_decref(j);
    struct lt_buf report = { 0 };
    bool same;
    assert_fails(lt_reproduce(absolute, false, toy_find, NULL, NULL, &report, &same), "run `lathe reproduce` there");
    leave(dir);
}

static void assert_command(const struct lt_verb *v, const char *json, const char *command)
{
    struct lt_options *s = lt_options_new(&v->m);
    assert_ok(lt_options_json(s, json));
    char *made = lt_record_make(v->m.name, s);
    struct lt_record r;
    assert_ok(lt_record_parse("record", lt_str(made), &r));
    struct lt_buf b = { 0 };
    lt_command_line(&b, &r, toy_find, NULL);
    assert_string_equal(b.p, command);
    lt_buf_free(&b);
    lt_record_release(&r);
    lt_options_free(s);
    free(made);
}

static void test_history__command_lines(void **state)
{
    (void)state;
    assert_command(&toy_weigh,
                   "{\"files\": [\"it's a\", \"-\"], \"out\": \"--x\", \"mode\": \"twice\", \"loud\": true}",
                   "lathe weigh --files 'it'\\''s a' --files=- --out=--x --mode twice");
    assert_command(&toy_bundle, "{\"in\": [\"a\"], \"out\": \"b\", \"optim\": {\"name\": \"lion\", \"beta1\": 0.5}}",
                   "lathe bundle --in a --out b --optim lion --optim.beta1 0.5");
    assert_command(&toy_bundle, "{\"in\": [\"a\"], \"out\": \"b\", \"optim\": {\"name\": \"adamw\", \"beta1\": 0.5}}",
                   "lathe bundle --in a --out b --optim.adam_beta1 0.5");
    assert_command(&toy_bundle, "{\"in\": [\"a\"], \"out\": \"b\", \"controls\": [{\"name\": \"top_p\", \"value\": 0.5,"
                                " \"min_keep\": 2}, {\"name\": \"temperature\", \"value\": 0.25}]}",
                   "lathe bundle --in a --out b --controls top_p,temperature --top_p.value 0.5 --top_p.min_keep 2"
                   " --temperature.value 0.25");
}

/* The command line that is told makes the same options. */
static void test_history__command_lines_read_back(void **state)
{
    (void)state;
    static const char json[] = "{\"in\": [\"a b\", \"c\"], \"out\": \"d\","
                               " \"optim\": {\"name\": \"lion\", \"beta1\": 0.5},"
                               " \"controls\": [{\"name\": \"top_p\", \"value\": 0.5}, \"temperature\"]}";
    struct lt_options *s = lt_options_new(&toy_bundle.m), *again = lt_options_new(&toy_bundle.m);
    assert_ok(lt_options_json(s, json));
    char *made = lt_record_make("bundle", s);
    struct lt_record r;
    assert_ok(lt_record_parse("record", lt_str(made), &r));
    struct lt_buf line = { 0 };
    lt_command_line(&line, &r, toy_find, NULL);
    char *word[64];
    int count = 0;
    for (char *p = line.p; p && *p;) {          /* quotes stand around whole words here */
        bool quoted = *p == '\'';
        word[count++] = p += quoted;
        p = strchr(p, quoted ? '\'' : ' ');
        if (p) *p++ = 0;
        if (p && quoted) p++;
    }
    assert_ok(lt_options_args(again, count - 2, word + 2));
    assert_non_null(lt_options_done(again));
    char *x = lt_options_resolved(s, false), *y = lt_options_resolved(again, false);
    assert_string_equal(x, y);
    free(x);
    free(y);
    free(made);
    lt_buf_free(&line);
    lt_record_release(&r);
    lt_options_free(s);
    lt_options_free(again);
}

/* What a folder says a repetition needs besides is part of the command. */
static void test_history__repeat_file(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    run(&toy_bundle, "{\"in\": [\"a.txt\"], \"out\": \"all\"}");
    save("all/repeat.json", "{\"optim\": {\"name\": \"lion\"}}\n");
    json_t *j = history("all");
    assert_string_equal(text(j, "command"), "lathe bundle --in a.txt --out all --optim lion");
    json_decref(j);
    save("all/repeat.json", "[1]");
    assert_null(lt_history("all", toy_find, NULL));
    assert_non_null(strstr(lt_error(), "all/repeat.json: expected an object of options"));
    leave(dir);
}

static int names_in(const char *path)
{
    char **names;
    int count;
    assert_ok(lt_list_dir(path, &names, &count));
    for (int i = 0; i < count; i++) free(names[i]);
    free(names);
    return count;
}

static void test_history__reproduce(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    struct lt_buf report = { 0 };
    bool same;
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"first\"}");
    run(&toy_bundle, "{\"in\": [\"first\", \"a.txt\"], \"out\": \"all/\"}");
    int before = names_in(".");
    assert_ok(lt_reproduce("all", false, toy_find, NULL, NULL, &report, &same));
    assert_true(same);
    assert_string_equal(report.p, "same\tall/\n");
    assert_int_equal(names_in("."), before);            /* nothing is left */
    lt_buf_clear(&report);
    assert_ok(lt_reproduce("all", true, toy_find, NULL, NULL, &report, &same));
    assert_true(lt_path_exists("all.again/1.txt"));
    assert_fails(lt_reproduce("all", true, toy_find, NULL, NULL, &report, &same), "all.again: is there already");
    assert_ok(lt_remove_tree("all.again"));
    lt_buf_free(&report);
    leave(dir);
}

/* The record says another hash: as if another build had made it. */
static void forge(const char *artefact, const char *record)
{
    char hex[33];
    struct lt_buf b = { 0 };
    assert_ok(lt_hash_path(artefact, hex, NULL));
    assert_ok(lt_file_read(record, &b));
    char *at = strstr(b.p, hex);
    assert_non_null(at);
    at[0] = at[0] == '0' ? '1' : '0';
    assert_ok(lt_file_save(record, b.p, b.n));
    lt_buf_free(&b);
}

static void test_history__reproduce_tells_what_differs(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    struct lt_buf report = { 0 };
    bool same;
    run(&toy_bundle, "{\"in\": [\"a.txt\", \"a.txt\"], \"out\": \"all\"}");
    forge("all", "all/lathe-run.json");
    save("all/1.txt", "edited");
    save("all/2.txt", "added");
    assert_ok(unlink("all/0.txt"));
    assert_ok(lt_reproduce("all", false, toy_find, NULL, NULL, &report, &same));
    assert_false(same);
    assert_string_equal(report.p, "differs\tall\ndiffers\tall/1.txt\nmissing\tall/2.txt\nnew\tall/0.txt\n");
    lt_buf_free(&report);
    leave(dir);
}

static void test_history__reproduce_refused(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    struct lt_buf report = { 0 };
    bool same;
    run(&toy_weigh, "{\"files\": [\"a.txt\"], \"out\": \"sum\"}");
    run(&toy_weigh, "{\"files\": [\"/dev/null\"], \"out\": \"none\"}");
    assert_fails(lt_reproduce("none", false, toy_find, NULL, NULL, &report, &same),
                 "whose content the record does not hold");
    save("a.txt", "other");
    assert_fails(lt_reproduce("sum", false, toy_find, NULL, NULL, &report, &same), "its input a.txt is changed");
    assert_ok(unlink("a.txt"));
    assert_fails(lt_reproduce("sum", false, toy_find, NULL, NULL, &report, &same), "its input a.txt is missing");
    save("sum.run.json",
         "{\"format\": \"lathe-run 1\", \"verb\": \"gone\", \"version\": \"1\", \"build\": \"b\", \"isa\": \"c\","
                         " \"options\": {}, \"inputs\": [], \"outputs\": []}");
    assert_fails(lt_reproduce("sum", false, toy_find, NULL, NULL, &report, &same), "there is no verb \"gone\"");
    json_t *j = history("sum");                         /* telling needs no verb */
    assert_string_equal(text(j, "command"), "lathe gone");
    json_decref(j);
    save("sum.run.json",
         "{\"format\": \"lathe-run 1\", \"verb\": \"weigh\", \"version\": \"1\", \"build\": \"b\", \"isa\": \"c\","
                         " \"options\": {\"files\": [], \"out\": \"sum\", \"new_option\": 1}, \"inputs\": [],"
                         " \"outputs\": [{\"option\": \"out\", \"path\": \"sum\"}]}");
    assert_fails(lt_reproduce("sum", false, toy_find, NULL, NULL, &report, &same),
                 "this version refuses the recorded options");
    assert_null(report.p);
    leave(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history__story_in_story),
        cmocka_unit_test(test_history__recorded),
        cmocka_unit_test(test_history__seen_from_another_folder),
        cmocka_unit_test(test_history__command_lines),
        cmocka_unit_test(test_history__command_lines_read_back),
        cmocka_unit_test(test_history__repeat_file),
        cmocka_unit_test(test_history__reproduce),
        cmocka_unit_test(test_history__reproduce_tells_what_differs),
        cmocka_unit_test(test_history__reproduce_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
