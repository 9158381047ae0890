/* Lab recipes over a toy verb that writes a number. */
#include "test.h"
#include "recipe/claim.h"

struct toy { const char *output; double value; };
static int toy_run(const void *o, struct lt_ctx *c)
{
    const struct toy *t = o;
    struct lt_buf b = { 0 };
    (void)c;
    lt_buf_fmt(&b, "{\"step\": 1, \"loss\": 99}\n{\"step\": 2, \"loss\": %g}\n{\"step\": 3}\n", t->value);
    int rc = lt_file_save(t->output, b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

static const struct lt_opt toy_rows[] = {
    { .key = "output", .help = "file", .type = LT_STR, .at = offsetof(struct toy, output), .flags = LT_NEED | LT_OUT },
    { .key = "value", .help = "number", .type = LT_REAL, .at = offsetof(struct toy, value) },
    { 0 },
};
static const struct lt_verb toy = {
    .m = { .name = "toy", .brief = "writes", .size = sizeof(struct toy), .opts = toy_rows }, .run = toy_run,
};

static const struct lt_verb *find(void *self, const char *name)
{
    (void)self;
    return strcmp(name, "toy") ? NULL : &toy;
}

/* A recipe whose baseline is 2 and whose own figure is `ours`. */
static int judge(const char *folder, const char *ours, const char *lab, struct lt_lab_result *x, struct lt_recipe *r)
{
    struct lt_buf text = { 0 };
    lt_buf_fmt(&text, "vars: {out: %s, ours: %s}\n"
               "lab:\n  paper: arXiv:0000.00000\n  claim: a claim\n  figure: loss\n%s"
               "  baseline: {file: \"${out}/a.jsonl\", key: loss}\n  ours: {file: \"${out}/b.jsonl\", key: loss}\n"
               "steps:\n  - {verb: toy, name: a, output: \"${out}/a.jsonl\", value: 2}\n"
               "  - {verb: toy, name: b, output: \"${out}/b.jsonl\", value: \"${ours}\"}\n", folder, ours, lab);
    int rc = lt_recipe_parse("lab.yaml", lt_buf_view(&text), &(struct lt_list){ 0 }, find, NULL, r);
    lt_buf_free(&text);
    if (rc) return -1;
    return lt_lab_run(r, &(struct lt_recipe_mode){ 0 }, NULL, x);
}

static void test_lab__verdicts(void **unused)
{
    (void)unused;
    static const struct { const char *ours, *lab, *verdict; } table[] = {
        { "1.9", "", "confirmed" },
        { "2.1", "", "reversed" },
        { "2", "", "not confirmed" },
        { "1.9", "  margin: 0.06\n", "not confirmed" },
        { "1.9", "  margin: 0.04\n", "confirmed" },
        { "2.1", "  margin: 0.04\n", "reversed" },
        { "2.1", "  better: higher\n  margin: 0.04\n", "confirmed" },
        { "1.9", "  better: higher\n", "reversed" },
        { "2.01", "  better: equal\n  margin: 0.01\n", "confirmed" },
        { "1.97", "  better: equal\n  margin: 0.01\n", "not confirmed" },
        { "2.01", "  better: equal\n", "not confirmed" },
    };
    char *folder = lt_test_temp();
    for (int i = 0; i < LT_COUNT(table); i++) {
        struct lt_lab_result x;
        struct lt_recipe r;
        assert_ok(judge(folder, table[i].ours, table[i].lab, &x, &r));
        assert_string_equal(x.verdict, table[i].verdict);
        assert_true(x.baseline == 2);
        lt_recipe_close(&r);
    }
    lt_test_temp_end(folder);
}

/* Of several pairs the worst decides; a figure may be divided by another. */
static void test_lab__pairs_and_quotients(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp();
    struct lt_lab_result x;
    struct lt_recipe r;
    static const struct { const char *baseline, *ours, *verdict; double b, o; } table[] = {
        { "{x: {file: A, key: v}, y: {file: B, key: v}}", "{x: {file: C, key: v}, y: {file: A, key: v}}", "reversed",
          2, 4 },
        { "{x: {file: B, key: v}, y: {file: A, key: v}}", "{y: {file: C, key: v}, x: {file: C, key: v}}", "confirmed",
          2, 1 },
        { "{file: A, key: v}", "{file: B, key: v, over: {file: A, key: v}}", "confirmed",
          4, 2.0 / 4 },
    };
    static const double value[] = { 4, 2, 1 };
    for (int i = 0; i < 3; i++) {
        struct lt_buf text = { 0 };
        char name[] = "A";
        lt_buf_fmt(&text, "{\"v\": %g}\n", value[i]);
        name[0] = (char)('A' + i);
        assert_ok(lt_file_save(lt_test_path(folder, name), text.p, text.n));
        lt_buf_free(&text);
    }
    for (int i = 0; i < LT_COUNT(table); i++) {
        struct lt_buf text = { 0 }, put = { 0 };
        lt_buf_fmt(&text, "lab: {paper: p, claim: c, figure: f, baseline: %s, ours: %s}\n"
                   "steps:\n  - {verb: toy, output: TOY}\n", table[i].baseline, table[i].ours);
        for (size_t k = 0; k < text.n; k++) {
            bool file = text.p[k] && strchr("ABC", text.p[k]) && text.p[k + 1] == ',';
            if (file || !strncmp(text.p + k, "TOY", 3)) lt_buf_fmt(&put, "%s/", folder);
            lt_buf_char(&put, text.p[k]);
        }
        assert_ok(lt_recipe_parse("lab.yaml", lt_buf_view(&put), &(struct lt_list){ 0 }, find, NULL, &r));
        assert_ok(lt_lab_run(&r, &(struct lt_recipe_mode){ 0 }, NULL, &x));
        assert_string_equal(x.verdict, table[i].verdict);
        assert_float_equal(x.baseline, table[i].b, 0);
        assert_float_equal(x.ours, table[i].o, 0);
        lt_recipe_close(&r);
        lt_buf_free(&text);
        lt_buf_free(&put);
    }
    static const char *const odd[][2] = {
        { "{x: {file: a, key: v}}, ours: {y: {file: a, key: v}}", "ours has \"y\", and baseline has not" },
        { "{x: {file: a, key: v}, y: {file: a, key: v}}, ours: {y: {file: a, key: v}}", "baseline has \"x\"" },
        { "{x: {file: a, key: v}, y: {file: a, key: v}}, ours: {file: a, key: v}", "one of them" },
        { "{file: a, key: v}, ours: {y: {file: a, key: v}}", "ours has \"y\", and baseline has not" },
        { "{x: a}, ours: {file: a, key: v}", "x: expected {file, key}" },
    };
    for (int i = 0; i < LT_COUNT(odd); i++) {
        struct lt_buf text = { 0 };
        lt_buf_fmt(&text, "lab: {paper: p, claim: c, figure: f, baseline: %s}\n"
                   "steps:\n  - {verb: toy, output: /nowhere/x}\n", odd[i][0]);
        assert_ok(lt_recipe_parse("lab.yaml", lt_buf_view(&text), &(struct lt_list){ 0 }, find, NULL, &r));
        assert_fails(lt_lab_run(&r, &(struct lt_recipe_mode){ 0 }, NULL, &x), odd[i][1]);
        lt_recipe_close(&r);
        lt_buf_free(&text);
    }
    lt_test_temp_end(folder);
}

static void test_lab__refuses(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp();
    struct lt_lab_result x;
    struct lt_recipe r;
    assert_fails(judge(folder, "1", "  better: smaller\n", &x, &r),
                 "expected lower or higher or equal, found \"smaller\"");
    lt_recipe_close(&r);
    assert_fails(judge(folder, "1", "  margin: much\n", &x, &r), "margin: expected a share");
    lt_recipe_close(&r);
    assert_fails(judge(folder, "1", "  verdict: yes\n", &x, &r), "no key \"verdict\"");
    lt_recipe_close(&r);
    assert_fails(judge(folder, "1", "  better: ${nothing}\n", &x, &r), "there is no variable \"nothing\"");
    struct lt_str plain = lt_str("steps:\n  - {verb: toy, output: /nowhere/x}\n");
    assert_ok(lt_recipe_parse("plain.yaml", plain, &(struct lt_list){ 0 }, find, NULL, &r));
    assert_fails(lt_lab_run(&r, &(struct lt_recipe_mode){ 0 }, NULL, &x), "not a lab recipe");
    lt_recipe_close(&r);
    lt_test_temp_end(folder);
}

static void test_lab__a_table_keeps_one_row_a_name(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "results.tsv");
    struct lt_lab_result x = { .paper = "p", .claim = "c", .figure = "f", .verdict = "confirmed", .baseline = 2,
                               .ours = 1 };
    assert_ok(lt_lab_note(path, "muon", &x));
    assert_ok(lt_lab_note(path, "lion", &x));
    x.ours = 3;
    assert_ok(lt_lab_note(path, "muon", &x));
    assert_ok(lt_lab_note(path, "zeta", &x));
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read(path, &text));
    assert_string_equal(text.p, "name\tpaper\tbaseline\tours\tverdict\tseconds\tfigure\tclaim\n"
                                "lion\tp\t2\t1\tconfirmed\t0\tf\tc\n"
                                "muon\tp\t2\t3\tconfirmed\t0\tf\tc\n"
                                "zeta\tp\t2\t3\tconfirmed\t0\tf\tc\n");
    lt_buf_free(&text);
    lt_test_temp_end(folder);
}

/* Seconds are those of a run of every step: with steps skipped the row stays, or is refused if its figures differ. */
static void test_lab__seconds_are_of_the_run_that_made_the_figures(void **unused)
{
    (void)unused;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "results.tsv");
    struct lt_lab_result x;
    struct lt_recipe r;
    struct lt_buf before = { 0 }, after = { 0 };
    assert_ok(judge(folder, "1", "", &x, &r));
    assert_int_equal(x.steps, 2);
    assert_int_equal(x.skipped, 0);
    x.seconds = 77;
    assert_ok(lt_lab_note(path, "toy", &x));
    assert_ok(lt_file_read(path, &before));
    lt_recipe_close(&r);
    assert_ok(judge(folder, "1", "", &x, &r));
    assert_int_equal(x.skipped, 2);
    assert_ok(lt_lab_note(path, "toy", &x));
    lt_recipe_close(&r);
    assert_ok(judge(folder, "3", "", &x, &r));
    assert_int_equal(x.skipped, 1);
    assert_fails(lt_lab_note(path, "toy", &x), "1 of its 2 steps were not run this time");
    assert_ok(lt_file_read(path, &after));
    assert_string_equal(before.p, after.p);
    assert_non_null(strstr(after.p, "\tconfirmed\t77\t"));
    /* Forced, nothing is skipped, and of a folder that a verb made nothing is left to go on from. */
    const char *output = lt_test_path(folder, "a.jsonl"), *left = lt_test_path(folder, "a.jsonl/checkpoint-3");
    assert_ok(lt_remove_tree(output));
    assert_ok(lt_mkdirs(left));
    assert_true(lt_lab_run(&r, &(struct lt_recipe_mode){ .force = true }, NULL, &x) != 0);     /* not a verb's */
    assert_true(lt_path_exists(left));
    assert_ok(lt_file_save(lt_test_path(folder, "a.jsonl/lathe-run.json"), "{}", 2));
    assert_ok(lt_lab_run(&r, &(struct lt_recipe_mode){ .force = true }, NULL, &x));
    assert_false(lt_path_exists(left));
    assert_int_equal(x.skipped, 0);
    lt_recipe_close(&r);
    lt_buf_free(&before);
    lt_buf_free(&after);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lab__verdicts),
        cmocka_unit_test(test_lab__pairs_and_quotients),
        cmocka_unit_test(test_lab__refuses),
        cmocka_unit_test(test_lab__a_table_keeps_one_row_a_name),
        cmocka_unit_test(test_lab__seconds_are_of_the_run_that_made_the_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
