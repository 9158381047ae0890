/* Recipes over toy verbs: what runs, what is skipped and why, what happens after a kill, every way to be refused. */
#include "recipe/recipe.h"
#include "test.h"
#include "toy_verbs.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void save(const char *path, const char *text) { assert_ok(lt_file_save(path, text, strlen(text))); }

static void assert_text(const char *path, const char *text)
{
    struct lt_buf b = { 0 };
    assert_ok(lt_file_read(path, &b));
    assert_string_equal(b.p, text);
    lt_buf_free(&b);
}

static char *enter_fresh(void)
{
    char *dir = lt_test_temp();
    assert_int_equal(chdir(dir), 0);
    return dir;
}

static void leave(char *dir)
{
    assert_int_equal(chdir("/"), 0);
    lt_test_temp_end(dir);
}

static int open_recipe(struct lt_recipe *r, const char *overrides)
{
    const char *item[8];
    struct lt_list l = { item, 0 };
    struct lt_arena a = { 0 };
    struct lt_str rest = lt_str(overrides), part;
    while (*overrides && lt_str_split(&rest, ' ', &part)) item[l.count++] = lt_arena_str(&a, part);
    int rc = lt_recipe_open("r.yaml", &l, toy_find, NULL, r);
    lt_arena_free(&a);
    return rc;
}

/* "run skip maybe": the decisions of a plan, and whether `why` is among its reasons. */
static void assert_plan_of(const char *overrides, struct lt_recipe_mode mode, const char *expected, const char *why)
{
    struct lt_recipe r;
    struct lt_buf plan = { 0 }, seen = { 0 };
    assert_ok(open_recipe(&r, overrides));
    assert_ok(lt_recipe_plan(&r, &mode, &plan));
    struct lt_str rest = lt_buf_view(&plan), line, field = { 0 };
    while (lt_str_split(&rest, '\n', &line) && line.n) {
        for (int i = 0; i < 4; i++) lt_str_split(&line, '\t', &field);
        lt_buf_str(&seen, seen.n ? " " : "");
        lt_buf_put(&seen, field.p, field.n);
    }
    if (strcmp(seen.p, expected) || !strstr(plan.p, why)) fail_msg("expected \"%s\" and \"%s\" in:\n%s", expected, why,
                                                                   plan.p);
    lt_buf_free(&plan);
    lt_buf_free(&seen);
    lt_recipe_close(&r);
}

static void assert_plan(const char *expected, const char *why)
{
    assert_plan_of("", (struct lt_recipe_mode){ 0 }, expected, why);
}

static int try_run(const char *overrides, struct lt_recipe_mode mode, struct lt_ctx *c)
{
    struct lt_recipe r;
    assert_ok(open_recipe(&r, overrides));
    int rc = lt_recipe_run(&r, &mode, c, NULL);
    lt_recipe_close(&r);
    return rc;
}

static void run(const char *overrides) { assert_ok(try_run(overrides, (struct lt_recipe_mode){ 0 }, NULL)); }

static const char chain[] =
    "name: chain\n"
    "vars: {dir: work, factor: 2}\n"
    "steps:\n"
    "  - verb: weigh\n"
    "    files: [a.txt, b.txt]\n"
    "    out: first\n"
    "  - name: second\n"
    "    verb: weigh\n"
    "    files: first\n"
    "    output: second\n"
    "    scale: ${factor}\n"
    "  - verb: bundle\n"
    "    in: [first, second]\n"
    "    out: ${vars.dir}\n";

static char *begin_chain(void)
{
    char *dir = enter_fresh();
    save("a.txt", "\001\002");
    save("b.txt", "\003");
    save("r.yaml", chain);
    return dir;
}

static void test_recipe__chain_then_nothing_to_do(void **state)
{
    (void)state;
    char *dir = begin_chain();
    assert_plan("run run run", "first is not there");
    run("");
    assert_text("first", "6\n");
    assert_text("second", "128\n");         /* 2 * ('6' + '\n') */
    assert_text("work/1.txt", "128\n");
    assert_plan("skip skip skip", "nothing has changed");
    struct stat before, after;
    assert_int_equal(stat("first", &before), 0);
    run("");
    assert_int_equal(stat("first", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);      /* a file made again would be another one */
    leave(dir);
}

static void test_recipe__changes_run_from_there(void **state)
{
    (void)state;
    char *dir = begin_chain();
    run("");
    assert_plan_of("factor=3", (struct lt_recipe_mode){ 0 }, "skip run maybe", "scale was 2 and is 3");
    assert_plan_of("second.factor=3", (struct lt_recipe_mode){ 0 }, "skip run maybe", "scale was 2 and is 3");
    run("second.scale=3");
    assert_text("work/1.txt", "192\n");
    run("");
    assert_text("work/1.txt", "128\n");
    run("bundle.controls.top_k.k=5 bundle.optim=lion");
    assert_plan_of("bundle.controls.top_k.k=6 bundle.optim=lion", (struct lt_recipe_mode){ 0 }, "skip skip run",
                   "controls.top_k.k was 5 and is 6");
    assert_plan_of("bundle.optim=lion", (struct lt_recipe_mode){ 0 }, "skip skip run", "controls.top_k is gone");
    assert_plan_of("bundle.top_k=5", (struct lt_recipe_mode){ 0 }, "skip skip run",
                   "optim.name was \"lion\" and is \"adamw\"");
    run("");
    save("b.txt", "\004");
    assert_plan("run maybe maybe", "b.txt has changed");
    run("");
    assert_text("first", "7\n");
    assert_plan("skip skip skip", "");
    save("b.txt", "\002\002");              /* another input, the same weight: what follows has nothing to do */
    struct stat before, after;
    assert_int_equal(stat("second", &before), 0);
    run("");
    assert_int_equal(stat("second", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_plan("skip skip skip", "");
    leave(dir);
}

static void test_recipe__outputs_that_were_touched(void **state)
{
    (void)state;
    char *dir = begin_chain();
    run("");
    save("second", "edited\n");
    assert_plan("skip run maybe", "second is not as the step left it");
    run("");
    assert_text("second", "128\n");
    save("work/0.txt", "edited\n");
    assert_plan("skip skip run", "work is not as the step left it");
    run("");
    assert_ok(lt_remove_tree("work"));
    assert_plan("skip skip run", "work is not there");
    run("");
    assert_ok(unlink("second.run.json"));
    assert_plan("skip run maybe", "second has no run record");
    save("second.run.json", "{\"format\": 3}");
    assert_plan("skip run maybe", "not a run record");
    run("");
    assert_plan("skip skip skip", "");
    leave(dir);
}

static void test_recipe__other_builds(void **state)
{
    (void)state;
    char *dir = begin_chain();
    run("");
    struct lt_buf text = { 0 }, other = { 0 };
    assert_ok(lt_file_read("second.run.json", &text));
    char *at = strstr(text.p, "\"build\": \"") + 10;
    lt_buf_put(&other, text.p, (size_t)(at - text.p));
    lt_buf_str(&other, "older");
    lt_buf_str(&other, strchr(at, '"'));
    save("second.run.json", other.p);
    assert_plan("skip skip skip", "");
    assert_plan_of("", (struct lt_recipe_mode){ .same_build = true }, "skip run maybe", "was made by build older on");
    lt_buf_free(&text);
    lt_buf_free(&other);
    leave(dir);
}

static void test_recipe__from_and_force(void **state)
{
    (void)state;
    char *dir = begin_chain();
    run("");
    assert_plan_of("", (struct lt_recipe_mode){ .force = true }, "run run run", "forced");
    assert_plan_of("", (struct lt_recipe_mode){ .from = "second" }, "skip run run", "before the step to begin with");
    assert_plan_of("", (struct lt_recipe_mode){ .from = "3" }, "skip skip run", "");
    assert_fails(try_run("", (struct lt_recipe_mode){ .from = "secnod" }, NULL), "did you mean \"second\"");
    assert_true(lt_error_is_misuse());
    assert_fails(try_run("", (struct lt_recipe_mode){ .from = "4" }, NULL), "has no step \"4\"");
    leave(dir);
}

/* The whole folder: names, contents, times. */
static void picture(const char *path, struct lt_buf *b)
{
    char **names;
    int count;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    lt_buf_fmt(b, "%s %ld %ld.%09ld\n", path, (long)st.st_ino, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (!S_ISDIR(st.st_mode)) return;
    assert_ok(lt_list_dir(path, &names, &count));
    for (int i = 0; i < count; i++) {
        struct lt_buf below = { 0 };
        lt_buf_fmt(&below, "%s/%s", path, names[i]);
        picture(below.p, b);
        lt_buf_free(&below);
        free(names[i]);
    }
    free(names);
}

static void test_recipe__plan_touches_nothing(void **state)
{
    (void)state;
    char *dir = begin_chain();
    struct lt_buf before = { 0 }, after = { 0 };
    picture(".", &before);
    assert_plan("run run run", "");
    picture(".", &after);
    assert_string_equal(before.p, after.p);
    run("");
    lt_buf_clear(&before);
    lt_buf_clear(&after);
    save("a.txt", "other");
    picture(".", &before);
    assert_plan("run maybe maybe", "");
    picture(".", &after);
    assert_string_equal(before.p, after.p);
    lt_buf_free(&before);
    lt_buf_free(&after);
    leave(dir);
}

/* Killed in the first, second ... step; the same command again completes, without repeating what was done. */
static void test_recipe__killed_at_any_step(void **state)
{
    (void)state;
    static const char recipe[] =
        "vars: {fuse: fuse}\n"
        "steps:\n"
        "  - {name: one, verb: weigh, files: a.txt, out: one, fuse: '${fuse}'}\n"
        "  - {name: two, verb: weigh, files: one, out: two, fuse: '${fuse}'}\n"
        "  - {name: three, verb: weigh, files: [one, two], out: three, fuse: '${fuse}'}\n";
    for (int left = 0; left < 3; left++) {
        char *dir = enter_fresh(), number[8];
        save("a.txt", "abc");
        save("r.yaml", recipe);
        snprintf(number, sizeof(number), "%d", left);
        save("fuse", number);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct lt_recipe r;
            if (open_recipe(&r, "") == 0) lt_recipe_run(&r, &(struct lt_recipe_mode){ 0 }, NULL, NULL);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        static const char *const names[] = { "one", "two", "three" }, *const plans[] = {
            "run run run", "skip run run", "skip skip run",
        };
        for (int i = 0; i < 3; i++) assert_int_equal(lt_path_exists(names[i]), i < left);
        assert_plan(plans[left], "");
        save("fuse", "9");
        run("");
        assert_plan("skip skip skip", "");
        assert_text("three", "339\n");      /* "abc" weighs 294, "294\n" 169, "169\n" 170 */
        leave(dir);
    }
}

struct notes { struct lt_buf text; struct lt_ctx *ctx; const char *stop_at; };
static void take_note(void *self, const char *line)
{
    struct notes *n = self;
    lt_buf_fmt(&n->text, "%s\n", line);
    if (n->stop_at && strstr(line, n->stop_at)) lt_ctx_interrupt(n->ctx);
}

static void test_recipe__interrupted(void **state)
{
    (void)state;
    char *dir = begin_chain();
    struct notes n = { .stop_at = "[1/3] weigh: done" };
    n.ctx = lt_ctx_new(1, &(struct lt_talk){ .note = take_note }, &n);
    assert_fails(try_run("", (struct lt_recipe_mode){ 0 }, n.ctx),
                 "interrupted before step \"second\"; run the recipe again");
    assert_non_null(strstr(n.text.p, "[1/3] weigh: first is not there\n[1/3] weigh: done in "));
    assert_null(strstr(n.text.p, "[2/3]"));
    lt_ctx_free(n.ctx);
    lt_buf_free(&n.text);
    assert_plan("skip run run", "");
    n = (struct notes){ .stop_at = "[2/3] second: second is not" };     /* as the verb begins: its file is there, but */
    n.ctx = lt_ctx_new(1, &(struct lt_talk){ .note = take_note }, &n);  /* whether it is whole nobody knows */
    assert_fails(try_run("", (struct lt_recipe_mode){ 0 }, n.ctx), "interrupted in step \"second\"");
    lt_ctx_free(n.ctx);
    lt_buf_free(&n.text);
    assert_plan("skip run run", "second has no run record");
    leave(dir);
}

static void test_recipe__failures_name_the_step(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    save("a.txt", "a");
    save("file", "not a folder");
    save("r.yaml", "steps:\n  - {verb: weigh, files: a.txt, out: file/x}\n");
    assert_fails(try_run("", (struct lt_recipe_mode){ 0 }, NULL), "step \"weigh\" (r.yaml, line 2): file");
    assert_false(lt_error_is_misuse());
    leave(dir);
}

static void test_recipe__makes_the_folders_of_outputs(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    save("a.txt", "a");
    save("r.yaml", "steps:\n  - {verb: weigh, files: a.txt, out: new/folder/x}\n");
    assert_ok(try_run("", (struct lt_recipe_mode){ 0 }, NULL));
    assert_true(lt_path_exists("new/folder/x"));
    leave(dir);
}

static void test_recipe__never_the_same_twice(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    save("a.txt", "a");
    save("r.yaml", "steps:\n  - {verb: tick tock, out: log}\n  - {verb: weigh, files: log, out: w}\n"
                   "  - {verb: weigh, files: a.txt, out: /dev/null}\n  - {verb: weigh, files: -, out: v}\n");
    struct lt_recipe r;
    assert_ok(open_recipe(&r, ""));
    assert_string_equal(r.step[0].verb->m.name, "tick-tock");
    assert_string_equal(r.step[2].name, "weigh-2");
    lt_recipe_close(&r);
    assert_int_equal(close(0), 0);
    assert_int_equal(open("/dev/null", O_RDONLY), 0);
    run("");
    assert_text("log", "tick\n");
    assert_plan("run maybe run run", "/dev/null keeps nothing");
    assert_plan("run maybe run run", "- is nothing whose content could be compared");
    run("");
    assert_text("log", "tick\ntick\n");
    leave(dir);
}

static void test_recipe__variables_and_overrides(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    save("a.txt", "a");
    save("b.txt", "b");
    save("r.yaml",
         "vars:\n  root: .\n  inputs: ['${root}/a.txt', b.txt]\n  scale:\n  loud: True\n"
         "steps:\n  - verb: weigh\n    files: ${inputs}\n    out: ${root}/o-${scale}-$${x}\n    scale: ${scale}\n"
         "    loud: ${loud}\n"
         "  - verb: bundle\n    in: [a.txt, '${root}/b.txt']\n    out: all\n    optim: {name: lion, beta1: 0.5}\n"
         "    controls: [top_p, {name: temperature, value: '${scale}'}]\n");
    struct lt_recipe r;
    assert_fails(open_recipe(&r, ""),
                 "r.yaml: line 9: step \"weigh\": the variable \"scale\" has no value; give it as scale=VALUE");
    assert_ok(open_recipe(&r, "scale=2 bundle.optim.beta1=0.25 bundle.top_p.value=0.5"));
    const struct toy_weigh *w = r.step[0].o;
    assert_int_equal(w->files.count, 2);
    assert_string_equal(w->files.item[0], "./a.txt");
    assert_string_equal(w->out, "./o-2-${x}");
    assert_int_equal(w->scale, 2);
    assert_true(w->loud);
    char *resolved = lt_options_resolved(r.step[1].options, true);
    assert_non_null(strstr(resolved, "\"name\": \"lion\", \"beta1\": 0.25"));
    assert_non_null(strstr(resolved, "[{\"name\": \"top_p\", \"value\": 0.5"));
    free(resolved);
    lt_recipe_close(&r);
    save("a,b.txt", "c");
    assert_ok(open_recipe(&r, "vars.scale=3 weigh.files=b.txt weigh.files=a,b.txt root=."));
    w = r.step[0].o;
    assert_int_equal(w->files.count, 2);
    assert_string_equal(w->files.item[1], "a,b.txt");
    lt_recipe_close(&r);
    leave(dir);
}

static void refused_with(const char *recipe, const char *overrides, const char *sentence)
{
    struct lt_recipe r;
    save("r.yaml", recipe);
    assert_fails(open_recipe(&r, overrides), sentence);
    assert_true(lt_error_is_misuse());
    assert_null(strchr(lt_error(), '\n'));
}

static void refused(const char *recipe, const char *sentence) { refused_with(recipe, "", sentence); }

static void test_recipe__refused(void **state)
{
    (void)state;
    char *dir = enter_fresh();
    save("a.txt", "a");
    refused("steps: [", "r.yaml: line 2, column 1: ");
    refused("", "r.yaml: line 1: expected a recipe");
    refused("- verb: weigh\n", "r.yaml: line 1: expected a recipe");
    refused("name: x\nstesp: []\n", "r.yaml: line 2: a recipe has no \"stesp\"; did you mean \"steps\"?");
    refused("name: x\n", "expected \"steps:\" with a list of steps");
    refused("steps: []\n", "r.yaml: line 1: expected \"steps:\" with a list");
    refused("steps:\n  verb: weigh\n", "r.yaml: line 2: expected \"steps:\" with a list");
    refused("steps:\n  - weigh\n", "r.yaml: line 2: expected a step as");
    refused("steps:\n  - out: x\n", "r.yaml: line 2: the step has no \"verb: NAME\"");
    refused("steps:\n  - verb: [x]\n", "r.yaml: line 2: the step has no \"verb: NAME\"");
    refused("steps:\n  - verb: wiegh\n", "r.yaml: line 2: there is no verb \"wiegh\"; did you mean \"weigh\"?");
#define STEP "steps:\n  - verb: weigh\n    files: a.txt\n    out: x\n"
    refused(STEP "    sclae: 2\n",
            "r.yaml: line 5: step \"weigh\": weigh has no option \"sclae\"; did you mean \"scale\"?");
    refused(STEP "    scale: 2\n    factor: 3\n", "r.yaml: line 6: step \"weigh\": option \"scale\" is given twice");
    refused(STEP "    scale: lots\n", "r.yaml: line 2: step \"weigh\": option \"scale\": expected a whole number");
    refused(STEP "    scale: 0\n", "step \"weigh\": option \"scale\": expected a value from 1 to 1000, found 0");
    refused(STEP "    mode: odd\n", "option \"mode\": expected one of sum|twice, found \"odd\"");
    refused(STEP "    loud: yes\n", "option \"loud\": expected true or false, found \"yes\"");
    refused(STEP "    scale: {a: 2}\n", "r.yaml: line 5: step \"weigh\": weigh has no option \"scale.a\"");
    refused(STEP "    scale: [2, 3]\n", "option \"scale\": expected one value, found 2");
    refused("steps:\n  - verb: weigh\n    out: x\n", "r.yaml: line 2: step \"weigh\": weigh needs files");
    refused(STEP "    name: a b\n", "r.yaml: line 2: expected a name of letters");
    refused(STEP "    name: [a]\n", "r.yaml: line 2: expected a name of letters");
    refused("steps:\n  - {name: s, verb: tick-tock, out: x}\n  - {name: s, verb: tick-tock, out: y}\n",
            "r.yaml: line 3: the step \"s\" has the name of the one in line 2");
    refused(STEP "    mode: ${how}\n", "r.yaml: line 5: step \"weigh\": there is no variable \"how\"");
    refused("vars: {hwo: sum}\n" STEP "    mode: ${how}\n", "did you mean \"hwo\"?");
    refused(STEP "    mode: ${how\n", "is not closed by \"}\"");
    refused("vars: {l: [a, b]}\n" STEP "    mode: x${l}\n", "the variable \"l\" is a list and stands alone");
    refused("vars: {v: 1}\n" STEP, "r.yaml: line 1: the variable \"v\" is not used; a step would say ${v}");
    refused("vars: {v: {a: 1}}\n" STEP, "r.yaml: line 1: the variable \"v\": expected a text, a number or a list");
    refused("vars: {a b: 1}\n" STEP, "r.yaml: line 1: expected a name of letters");
    refused("vars: 3\n" STEP, "r.yaml: line 1: \"vars\": expected variables as");
    refused("steps:\n  - {verb: weigh, files: b.txt, out: x}\n",
            "r.yaml: line 2: step \"weigh\": it reads b.txt, which is not there and which no step before it makes");
    refused("steps:\n  - {name: w, verb: weigh, files: log, out: x}\n  - {name: t, verb: tick-tock, out: log}\n",
            "r.yaml: line 2: step \"w\": it reads log, which step \"t\" makes later; put that step before it");
    refused("steps:\n  - {name: b, verb: bundle, in: a.txt, out: all}\n"
            "  - {name: t, verb: tick-tock, out: ./all//log}\n",
            "r.yaml: line 3: step \"t\": it writes ./all//log and step \"b\" writes all: each would undo the other");
    refused("steps:\n  - {verb: bundle, in: a.txt, out: all, optim: {name: lino}}\n", "did you mean \"lion\"?");
    refused("steps:\n  - {verb: bundle, in: a.txt, out: all, controls: [top_k, top_k]}\n", "\"top_k\" is listed twice");
    refused_with(STEP, "noequals", "expected VARIABLE=VALUE or STEP.KEY=VALUE after the recipe, found \"noequals\"");
    refused_with(STEP, "weihg.scale=2",
                 "r.yaml: \"weihg.scale=2\": there is no step \"weihg\"; did you mean \"weigh\"?");
    refused_with(STEP, "scale=2", "r.yaml: \"scale=2\": there is no variable \"scale\"");
    refused_with(STEP, "weigh.sclae=2",
                 "r.yaml: \"weigh.sclae=2\": weigh has no option \"sclae\"; did you mean \"scale\"?");
    refused_with("vars: {v: sum}\n" STEP "    mode: ${v}\n", "v=sum v=twice", "\"v\" is given twice");
    struct lt_recipe r;
    assert_fails(lt_recipe_open("none.yaml", NULL, toy_find, NULL, &r), "none.yaml: cannot open");
    assert_false(lt_path_exists("x"));
    leave(dir);
}

static void test_recipe__paths(void **state)
{
    (void)state;
    assert_true(lt_path_within("a/b", "a"));
    assert_true(lt_path_within("./a//b/", "a/"));
    assert_true(lt_path_within("a", "a"));
    assert_true(lt_path_within("/a/b", "/a"));
    assert_false(lt_path_within("ab", "a"));
    assert_false(lt_path_within("a", "a/b"));
    assert_false(lt_path_within("/a/b", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recipe__chain_then_nothing_to_do),
        cmocka_unit_test(test_recipe__changes_run_from_there),
        cmocka_unit_test(test_recipe__outputs_that_were_touched),
        cmocka_unit_test(test_recipe__other_builds),
        cmocka_unit_test(test_recipe__from_and_force),
        cmocka_unit_test(test_recipe__plan_touches_nothing),
        cmocka_unit_test(test_recipe__killed_at_any_step),
        cmocka_unit_test(test_recipe__interrupted),
        cmocka_unit_test(test_recipe__failures_name_the_step),
        cmocka_unit_test(test_recipe__makes_the_folders_of_outputs),
        cmocka_unit_test(test_recipe__never_the_same_twice),
        cmocka_unit_test(test_recipe__variables_and_overrides),
        cmocka_unit_test(test_recipe__refused),
        cmocka_unit_test(test_recipe__paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
