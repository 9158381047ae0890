/* A run killed with -9 at random moments ends with the same bits as one that was never disturbed. */
#include "tiny_run.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 20, KILLS_OF_PAIRS = 8 };

static const char *const of_texts[] = {
    TINY_MODEL, TINY_DATA, "--max_steps", "90", "--save_steps", "4", "--batch_size", "4", "--gradient_accumulation",
    "2", "--ema", "0.9", "--schedule", "warmup_stable_decay", "--warmup_steps", "9", "--eval_steps", "6", NULL,
};
static const char *const of_pairs[] = {
    TINY_MODEL, TINY_DATA, "--objective", "arm", "--max_steps", "60", "--save_steps", "4", "--batch_size", "4",
    "--gradient_accumulation", "2", "--eval_steps", "6", NULL,
};

static pid_t start(const char *data, const char *out, const char *const *words)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child) return child;
    int rc = tiny_train(2, data, out, words);
    if (rc) fprintf(stderr, "%s\n", lt_error());
    _exit(rc ? 1 : 0);
}

static void wait_ms(uint64_t ms)
{
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&t, &t)) { }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void finish(const char *data, const char *out, const char *const *words)
{
    int status;
    pid_t child = start(data, out, words);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void same_files(const char *a, const char *b)
{
    char x[33], y[33];
    assert_ok(lt_hash_path(a, x, NULL));
    assert_ok(lt_hash_path(b, y, NULL));
    if (strcmp(x, y)) fail_msg("%s and %s differ", a, b);
}

/* Weights, optimiser state, running means, metrics: every file of the run's folder that does not hold times. */
static void check(char *(*make)(const char *folder), const char *const *words, int most_kills)
{
    char *dir = lt_test_temp(), *data = make(dir);
    const char *whole = lt_test_path(dir, "whole"), *killed = lt_test_path(dir, "killed");
    double began = seconds();
    finish(data, whole, words);
    /* A kill comes within a fifth of the time a whole run takes, so that it falls anywhere: loading, a step, a save. */
    uint64_t most = (uint64_t)(1000 * (seconds() - began) / 5) + 10;
    struct lt_rng r = lt_rng_make(3, "kills");
    for (int kills = 0; kills < most_kills;) {
        int status;
        pid_t child = start(data, killed, words);
        wait_ms(5 + lt_rng_below(&r, most));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
            kills++;
            continue;
        }
        assert_int_equal(WEXITSTATUS(status), 0);       /* it came to its end first: compare, and begin again */
        same_files(whole, killed);
        assert_ok(lt_remove_tree(killed));
    }
    finish(data, killed, words);
    same_files(whole, killed);
    char **names;
    int count;
    assert_ok(lt_list_dir(killed, &names, &count));
    for (int i = 0; i < count; i++) {
        if (lt_glob(".*.tmp", names[i])) fail_msg("%s is left over", names[i]);
        free(names[i]);
    }
    free(names);
    free(data);
    lt_test_temp_end(dir);
}

static void test_resume__killed_at_random_moments(void **state)
{
    (void)state;
    check(tiny_data, of_texts, KILLS);
}

static void test_resume__killed_while_learning_pairs(void **state)
{
    (void)state;
    check(tiny_pairs, of_pairs, KILLS_OF_PAIRS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume__killed_at_random_moments),
        cmocka_unit_test(test_resume__killed_while_learning_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
