/* The command line: progress as text, interruption, verbs by their words. */
#include "test.h"
#include "cli/cli.h"
#include <sys/wait.h>
#include <time.h>

/* ---- talk ---- */
struct heard { struct lt_cli_talk talk; char *text; size_t size; };

static void listen_to(struct heard *h, enum lt_cli_show show)
{
    lt_cli_talk_init(&h->talk, open_memstream(&h->text, &h->size), false, NULL);
    h->talk.show = show;
    h->talk.width = 72;
}

static void expect(struct heard *h, const char *text)
{
    fflush(h->talk.to);
    assert_string_equal(h->text, text);
    lt_cli_talk_release(&h->talk);
    fclose(h->talk.to);
    free(h->text);
}

static void say(struct heard *h, double done, double total, double seconds, const char *extra, bool finished)
{
    lt_cli_talk_to.progress(&h->talk, "training", "tokens", done, total, seconds, extra, finished);
}

static void test_cli__lines_come_seconds_apart(void **state)
{
    (void)state;
    struct heard h;
    listen_to(&h, LT_CLI_LINES);
    for (int i = 1; i <= 120; i++) say(&h, 1000 * i, 200000, 0.1 * i, "loss 3.2", false);
    say(&h, 120000, 200000, 12.5, NULL, true);
    expect(&h, "training  25 %  50k/200k tokens  10k tokens/s  ETA 15 s  loss 3.2\n"
               "training  50 %  100k/200k tokens  10k tokens/s  ETA 10 s  loss 3.2\n"
               "training  120k tokens in 13 s  9597 tokens/s\n");
}

static void test_cli__a_short_stage_says_nothing(void **state)
{
    (void)state;
    struct heard h;
    listen_to(&h, LT_CLI_LINES);
    say(&h, 10, 10, 0.3, NULL, true);
    lt_cli_talk_to.note(&h.talk, "a note");
    expect(&h, "a note\n");
}

static void test_cli__a_resumed_stage_has_its_own_rate(void **state)
{
    (void)state;
    struct heard h;
    listen_to(&h, LT_CLI_LINES);
    say(&h, 1000000, 2000000, 0.5, NULL, false);
    say(&h, 1050000, 2000000, 5.5, NULL, false);
    expect(&h, "training  52 %  1.1M/2.0M tokens  10k tokens/s  ETA 1:35\n");
}

static void test_cli__a_bar_is_redrawn_cut_and_ended(void **state)
{
    (void)state;
    struct heard h;
    listen_to(&h, LT_CLI_BAR);
    say(&h, 0, 200, 0.2, NULL, false);
    say(&h, 100, 200, 2.2, "a text that is longer than the line is wide", false);
    lt_cli_talk_to.note(&h.talk, "a note");
    say(&h, 200, 200, 4.2, NULL, true);
    expect(&h, "training [--------------------]   0 %  0/200 tokens"
               "\r\033[Ktraining [##########----------]  50 %  100/200 tokens  50 tokens/s  ETA"
               "\r\033[Ka note\n"
               "training  200 tokens in 4.2 s  50 tokens/s\n");
}

static void test_cli__quiet_is_silent(void **state)
{
    (void)state;
    struct heard h;
    listen_to(&h, LT_CLI_LINES);
    lt_cli_talk_release(&h.talk);
    lt_cli_talk_init(&h.talk, h.talk.to, true, "always");
    say(&h, 100, 200, 60, NULL, false);
    say(&h, 200, 200, 90, NULL, true);
    lt_cli_talk_to.note(&h.talk, "a note");
    expect(&h, "");
}

/* ---- interruption: in a child, since it is about a whole process ---- */
static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

static void wait_for_interruption(int ready, bool heed)
{
    struct lt_cli_watch watch;
    lt_cli_watch_prepare(&watch);
    struct lt_ctx *c = lt_ctx_new(2, NULL, NULL);
    if (lt_cli_watch_begin(&watch, c) || write(ready, "r", 1) != 1) _exit(1);
    while (!(heed && lt_ctx_interrupted(c))) nap();
    lt_cli_watch_end(&watch);
    lt_ctx_free(c);
    _exit(42);
}

/* Starts a child, sends it the signals, and gives its exit status. */
static int status_after(bool heed, int signal_number, int times)
{
    int ready[2], status;
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) wait_for_interruption(ready[1], heed);
    assert_int_equal(read(ready[0], &c, 1), 1);
    for (int i = 0; i < times; i++) {
        kill(child, signal_number);
        for (int k = 0; k < 20; k++) nap();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ready[0]);
    close(ready[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_cli__the_first_signal_asks(void **state)
{
    (void)state;
    assert_int_equal(status_after(true, SIGINT, 1), 42);
    assert_int_equal(status_after(true, SIGTERM, 1), 42);
}

static void test_cli__the_second_signal_ends(void **state)
{
    (void)state;
    assert_int_equal(status_after(false, SIGINT, 2), 130);
}

static void test_cli__a_background_job_heeds_kill(void **state)
{
    (void)state;
    signal(SIGINT, SIG_IGN);
    assert_int_equal(status_after(true, SIGINT, 1), 42);
    signal(SIGINT, SIG_DFL);
}

/* ---- verbs ---- */
static void test_cli__verbs_by_one_or_two_words(void **state)
{
    (void)state;
    int taken;
    for (const struct lt_kind *k = lt_kinds(); k->name; k++) {
        if (strcmp(k->name, "verb")) continue;
        for (const struct lt_method *const *m = k->member; *m; m++) {
            struct lt_buf said = { 0 };
            lt_cli_spelling(&said, (const struct lt_verb *)*m);
            char *space = strchr(said.p, ' '), *word[] = { said.p, space ? space + 1 : "--flag", "rest" };
            if (space) *space = 0;
            assert_ptr_equal(lt_cli_verb(3, word, &taken), *m);
            assert_int_equal(taken, space ? 2 : 1);
            word[0] = (char *)(*m)->name;
            word[1] = "--flag";
            assert_ptr_equal(lt_cli_verb(2, word, &taken), *m);
            assert_int_equal(taken, 1);
            lt_buf_free(&said);
        }
    }
    char *wrong[] = { "halp", "me" };
    assert_null(lt_cli_verb(2, wrong, &taken));
    assert_string_equal(lt_error(), "there is no verb \"halp\"; did you mean \"help\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli__lines_come_seconds_apart),
        cmocka_unit_test(test_cli__a_short_stage_says_nothing),
        cmocka_unit_test(test_cli__a_resumed_stage_has_its_own_rate),
        cmocka_unit_test(test_cli__a_bar_is_redrawn_cut_and_ended),
        cmocka_unit_test(test_cli__quiet_is_silent),
        cmocka_unit_test(test_cli__the_first_signal_asks),
        cmocka_unit_test(test_cli__the_second_signal_ends),
        cmocka_unit_test(test_cli__a_background_job_heeds_kill),
        cmocka_unit_test(test_cli__verbs_by_one_or_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
