/* Training on preference pairs: every objective of pairs learns them, with the same bits at any number of threads and
 * after a stop; data and objective must belong together. */
#include "tiny_run.h"

#include <math.h>
#include "base/json.h"

/* Of a step or validation: the last line of metrics.jsonl that has the key, or the first that has it. */
static double metric(const char *folder, const char *key, bool first)
{
    struct lt_buf b = { 0 }, path = { 0 };
    double found = NAN;
    lt_buf_fmt(&path, "%s/metrics.jsonl", folder);
    assert_ok(lt_file_read(path.p, &b));
    struct lt_str rest = lt_buf_view(&b), line;
    while (lt_str_split(&rest, '\n', &line)) {
        json_t *j = line.n ? json_loadb(line.p, line.n, 0, NULL) : NULL, *v = json_object_get(j, key);
        if (v && !(first && !isnan(found))) found = json_number_value(v);
        json_decref(j);
    }
    lt_buf_free(&b);
    lt_buf_free(&path);
    return found;
}

static void same_files(const char *a, const char *b)
{
    char x[33], y[33];
    assert_ok(lt_hash_path(a, x, NULL));
    assert_ok(lt_hash_path(b, y, NULL));
    if (strcmp(x, y)) fail_msg("%s and %s differ", a, b);
}

static void trained(int threads, const char *data, const char *output, const char *const *words)
{
    if (tiny_train(threads, data, output, words)) fail_msg("%s: %s", output, lt_error());
}

#define BASE TINY_MODEL, "--max_length", "32", "--lr", "0.003"

static void test_train_pairs__every_objective_learns(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_pairs(dir);
    const struct lt_kind *k = lt_kinds();
    int found = 0;
    while (strcmp(k->name, "objective")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++) {
        if (!(((const struct lt_objective *)*m)->needs & LT_NEEDS_PAIRS)) continue;
        const char *out = lt_test_path(dir, (*m)->name);
        const char *words[] = { BASE, "--objective", (*m)->name, "--max_steps", "100", "--batch_size", "12",
                                "--eval_steps", "50", NULL };
        trained(2, data, out, words);
        double first = metric(out, "loss", true), accuracy = metric(out, "eval_rewards/accuracies", false);
        double last = metric(out, "eval_loss", false), margin = metric(out, "eval_rewards/margins", false);
        if (!(accuracy > 0.9 && last < first / 2 && margin > 0.5))
            fail_msg("%s: %g of the pairs are right, by %g; the loss went from %g to %g", (*m)->name, accuracy, margin,
                     first, last);
        assert_true(metric(out, "rewards/accuracies", false) > 0.9 && metric(out, "rewards/margins", false) > 0.5);
        assert_true(metric(out, "eval_pairs", false) == 40);
        assert_true(isnan(metric(out, "eval_bits_per_byte", false)));
        found++;
    }
    assert_true(found >= 2);
    free(data);
    lt_test_temp_end(dir);
}

/* The reward model of no difference: a pair costs log 2 whatever it holds. */
static void test_train_pairs__first_loss_is_known(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_pairs(dir);
    const char *out = lt_test_path(dir, "out");
    const char *words[] = { TINY_MODEL, "--max_length", "32", "--lr", "0", "--objective", "arm", "--objective.beta",
                            "1e-6", "--max_steps", "1", "--batch_size", "7", NULL };
    trained(2, data, out, words);
    assert_true(fabs(metric(out, "loss", true) - log(2)) < 1e-4);
    assert_true(fabs(metric(out, "eval_loss", true) - log(2)) < 1e-4);
    free(data);
    lt_test_temp_end(dir);
}

static void test_train_pairs__same_bits(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_pairs(dir);
    const char *out[] = { lt_test_path(dir, "one"), lt_test_path(dir, "two"), lt_test_path(dir, "four"),
                          lt_test_path(dir, "stopped") };
    const char *words[] = { BASE, "--objective", "simpo", "--max_steps", "9", "--batch_size", "5", "--eval_steps", "4",
                            "--gradient_accumulation", "2", "--save_total_limit", "1", NULL };
    const char *stop[] = { BASE, "--objective", "simpo", "--max_steps", "9", "--batch_size", "5", "--eval_steps", "4",
                           "--gradient_accumulation", "2", "--save_total_limit", "1", "--stop_at", "5", NULL };
    for (int i = 0; i < 3; i++) trained(1 << i, data, out[i], words);
    trained(2, data, out[3], stop);
    trained(1, data, out[3], words);
    for (int i = 1; i < 4; i++) same_files(out[0], out[i]);
    free(data);
    lt_test_temp_end(dir);
}

/* Three micro-batches of four pairs are one of twelve: the divisor is the number of pairs, not of batches or tokens. */
static void test_train_pairs__accumulation_is_one_large_batch(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_pairs(dir);
    static const char *const rows[] = { "12", "4" }, *const parts[] = { "1", "3" };
    double loss[2], norm[2], margin[2];
    for (int i = 0; i < 2; i++) {
        const char *out = lt_test_path(dir, parts[i]);
        const char *words[] = { BASE, "--objective", "arm", "--max_steps", "5", "--dtype", "f32", "--batch_size",
                                rows[i], "--gradient_accumulation", parts[i], "--optim", "sgd", NULL };
        trained(2, data, out, words);
        loss[i] = metric(out, "loss", false);
        norm[i] = metric(out, "grad_norm", false);
        margin[i] = metric(out, "rewards/margins", false);
    }
    assert_true(fabs(loss[0] - loss[1]) < 1e-5 && fabs(norm[0] - norm[1]) < 1e-4 * norm[0]);
    assert_true(fabs(margin[0] - margin[1]) < 1e-4);
    free(data);
    lt_test_temp_end(dir);
}

/* One step over all the data lowers the loss over all the data by rate x norm^2, to first order: the gradient is that
 * of the mean of the pairs' losses, which is reported. */
static void test_train_pairs__gradient_is_of_the_loss_reported(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *data = tiny_pairs(dir);
    const char *out = lt_test_path(dir, "out");
    const char *words[] = { TINY_MODEL, "--max_length", "32", "--objective", "simpo", "--lr", "0.002", "--optim", "sgd",
                            "--weight_decay", "0", "--max_grad_norm", "0", "--schedule", "constant", "--dtype",
                            "float32", "--batch_size", "30", "--gradient_accumulation", "4", "--max_steps", "2", NULL };
    trained(2, data, out, words);
    double norm = metric(out, "grad_norm", true), fall = metric(out, "loss", true) - metric(out, "loss", false);
    if (fabs(fall / (0.002 * norm * norm) - 1) > 0.05)
        fail_msg("the loss falls by %g, expected %g", fall, 0.002 * norm * norm);
    free(data);
    lt_test_temp_end(dir);
}

static void keep_note(void *self, const char *line)
{
    struct lt_buf *b = self;
    lt_buf_fmt(b, "%s\n", line);
}

static void test_train_pairs__data_and_objective_belong_together(void **state)
{
    (void)state;
    char *dir = lt_test_temp(), *pairs = tiny_pairs(dir), *texts = tiny_data(dir);
    const char *out = lt_test_path(dir, "out");
    const char *clm[] = { BASE, "--max_steps", "1", NULL };
    const char *arm[] = { BASE, "--objective", "arm", "--max_steps", "1", NULL };
    const char *concat[] = { BASE, "--objective", "arm", "--packing", "concat", "--max_steps", "1", NULL };
    const char *small[] = { TINY_MODEL, "--max_length", "9", "--objective", "arm", "--max_steps", "1", NULL };
    const char *tiny[] = { TINY_MODEL, "--max_length", "3", "--objective", "arm", "--max_steps", "1", NULL };
    assert_fails(tiny_train(1, pairs, out, clm), "holds pairs, which --objective clm cannot be trained on");
    assert_true(lt_error_is_misuse());
    assert_fails(tiny_train(1, texts, out, arm), "--objective arm is trained on pairs");
    assert_true(lt_error_is_misuse());
    assert_fails(tiny_train(1, pairs, out, concat), "concat cuts anywhere");
    assert_fails(tiny_train(1, pairs, out, tiny), "none of 120 pairs fits into 3 tokens");
    struct lt_buf notes = { 0 };
    struct lt_talk talk = { .note = keep_note };
    struct lt_ctx *c = lt_ctx_new(1, &talk, &notes);
    assert_ok(tiny_train_in(c, pairs, out, small));
    assert_non_null(strstr(notes.p, "of 120 pairs are longer than --max_length 9 and left out (the longest text"));
    assert_non_null(strstr(notes.p, "1 steps of 8 pairs"));
    lt_ctx_free(c);
    lt_buf_free(&notes);
    tiny_pair_split(texts, "validation", 4);
    assert_fails(tiny_train(1, texts, lt_test_path(dir, "mixed"), clm), "holds pairs, which --objective clm");
    free(pairs);
    free(texts);
    lt_test_temp_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train_pairs__every_objective_learns),
        cmocka_unit_test(test_train_pairs__first_loss_is_known),
        cmocka_unit_test(test_train_pairs__same_bits),
        cmocka_unit_test(test_train_pairs__accumulation_is_one_large_batch),
        cmocka_unit_test(test_train_pairs__gradient_is_of_the_loss_reported),
        cmocka_unit_test(test_train_pairs__data_and_objective_belong_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
