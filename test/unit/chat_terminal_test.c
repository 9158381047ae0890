/* `lathe chat` as somebody sees it who sits at a terminal: the program behind a pseudo-terminal.  The model's answers
 * do not end by themselves. */
#include "chat_model.h"
#include "base/json.h"
#include "cli/cli.h"
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

enum { PATIENCE = 10000 };          /* ms */
struct seat { int fd; pid_t child; struct lt_buf seen; size_t looked; };

static void read_more(struct seat *s, int wait)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    char piece[4096];
    if (poll(&p, 1, wait) <= 0) return;
    ssize_t n = read(s->fd, piece, sizeof piece);
    if (n > 0) lt_buf_put(&s->seen, piece, (size_t)n);
}

/* Waits until so many bytes are there. */
static void expect_bytes(struct seat *s, size_t n)
{
    for (int waited = 0; s->seen.n < n; waited += 20) {
        if (waited > PATIENCE) fail_msg("%zu bytes did not come, only: %.*s", n, (int)s->seen.n, s->seen.p);
        read_more(s, 20);
    }
}

/* Waits until the text comes; what is looked at next begins after it. */
static void expect(struct seat *s, const char *text)
{
    for (int waited = 0; waited < PATIENCE; waited += 20) {
        size_t left = s->seen.n - s->looked;
        const char *at = left ? memmem(s->seen.p + s->looked, left, text, strlen(text)) : NULL;
        if (at) {
            s->looked = (size_t)(at - s->seen.p) + strlen(text);
            return;
        }
        read_more(s, 20);
    }
    fail_msg("\"%s\" did not come after: %.*s", text, (int)s->looked, s->seen.p);
}

static void type(struct seat *s, const char *keys)
{
    assert_int_equal(write(s->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static void sit(struct seat *s, const char *folder, int columns, const char *no_colour, const char *tokens)
{
    struct winsize size = { .ws_row = 24, .ws_col = (unsigned short)columns };
    struct lt_buf model = { 0 };
    char *template = lt_strdup(lt_test_path(folder, "chat.jinja"));
    *s = (struct seat){ 0 };
    lt_buf_fmt(&model, "fake:seed=5,tokenizer=%s/tokenizer.json", folder);
    char *argv[] = { "lathe", "chat", model.p, "--chat_template", template, "--max_tokens", (char *)tokens, "--threads",
                     "1", NULL };
    fflush(NULL);
    s->child = forkpty(&s->fd, NULL, NULL, &size);
    assert_true(s->child >= 0);
    if (!s->child) {
        setenv("TERM", "xterm", 1);
        setenv("NO_COLOR", no_colour, 1);
        setenv("XDG_STATE_HOME", folder, 1);
        _exit(lt_cli_main(LT_COUNT(argv) - 1, argv));
    }
    expect(s, "Ctrl-D ends.");
    expect(s, "> ");
    free(template);
    lt_buf_free(&model);
}

static void leave(struct seat *s, int want)
{
    int status, waited = 0;
    for (; waitpid(s->child, &status, WNOHANG) == 0; waited += 20) {
        read_more(s, 20);
        if (waited > PATIENCE) kill(s->child, SIGKILL);
    }
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != want) fail_msg("it ended with %d: %s", WEXITSTATUS(status), s->seen.p);
    close(s->fd);
    lt_buf_free(&s->seen);
}

/* The messages of what /save writes; json_decref it. */
static json_t *saved(struct seat *s, const char *folder)
{
    struct lt_buf line = { 0 };
    json_t *root;
    lt_buf_fmt(&line, "/save %s/talk.json\r", folder);
    type(s, line.p);
    expect(s, "turns written");
    assert_ok(lt_json_read(lt_test_path(folder, "talk.json"), &root));
    json_t *messages = json_incref(json_object_get(root, "messages"));
    json_decref(root);
    lt_buf_free(&line);
    return messages;
}

static const char *content(const json_t *messages, size_t i)
{
    return json_string_value(json_object_get(json_array_get(messages, i), "content"));
}

/* An answer of arbitrary bytes moves no cursor; Ctrl-C ends it and nothing else, and what was written stays. */
static void test_chat_terminal__ctrl_c_stops_the_answer(void **unused)
{
    char *folder = lt_test_temp();
    struct seat s;
    (void)unused;
    chat_tokenizer_with(folder, "<end>");
    sit(&s, folder, 80, "1", "100000000");
    type(&s, "hi\r");
    expect(&s, "\033[?2004l");
    size_t from = s.looked;
    expect_bytes(&s, from + 1000);
    type(&s, "\003");
    expect(&s, "[stopped");
    assert_null(memchr(s.seen.p + from, '\033', s.looked - from));
    expect(&s, "tokens/s");
    expect(&s, "> ");
    json_t *m = saved(&s, folder);
    assert_int_equal(json_array_size(m), 2);
    assert_true(json_is_true(json_object_get(json_array_get(m, 1), "partial")));
    json_decref(m);
    type(&s, "\003");
    expect(&s, "> ");
    type(&s, "\004");
    leave(&s, 0);
    lt_test_temp_end(folder);
}

static void test_chat_terminal__lines_are_edited(void **unused)
{
    char *folder = lt_test_temp();
    struct seat s;
    (void)unused;
    chat_tokenizer_with(folder, "<end>");
    sit(&s, folder, 80, "", "2");
    type(&s, "/system given up\003");
    expect(&s, "> ");
    type(&s, "/system\r");
    expect(&s, "there is no system text");
    type(&s, "/system \303\244b\177\177\303\266k\r");
    type(&s, "/sys\t\r");
    expect(&s, "\303\266k\r\n");
    type(&s, "one\033\rtwo\r");
    expect(&s, "tokens after");
    type(&s, "\033[200~three\nfour\033[201~ five\r");
    expect(&s, "tokens after");
    type(&s, "six\\\rseven\r");
    expect(&s, "tokens after");
    assert_non_null(memmem(s.seen.p, s.seen.n, "\033[2m", 4));
    type(&s, "/edit\r");
    expect(&s, "seven");
    type(&s, "\177\177\177\177\177eight\r");
    expect(&s, "tokens after");
    json_t *m = saved(&s, folder);
    assert_string_equal(content(m, 0), "\303\266k");
    assert_string_equal(content(m, 1), "one\ntwo");
    assert_string_equal(content(m, 3), "three\nfour five");
    assert_string_equal(content(m, 5), "six\neight");
    json_decref(m);
    type(&s, "/quit\r");
    leave(&s, 0);
    lt_test_temp_end(folder);
}

/* What was typed is there again in the next conversation, for its user alone. */
static void test_chat_terminal__history_is_kept(void **unused)
{
    char *folder = lt_test_temp();
    struct lt_buf file = { 0 };
    struct seat s;
    (void)unused;
    chat_tokenizer_with(folder, "<end>");
    sit(&s, folder, 80, "1", "2");
    type(&s, "/system first\r/system back\\slash\033\rand more\r");
    expect(&s, "more");
    type(&s, "\004");
    leave(&s, 0);
    assert_ok(lt_file_read(lt_test_path(folder, "lathe/chat_history"), &file));
    assert_string_equal(file.p, "/system first\n/system back\\\\slash\\nand more\n");
    sit(&s, folder, 80, "1", "2");
    type(&s, "\033[A\r/system\r");
    expect(&s, "back\\slash\r\nand more\r\n");
    expect(&s, "> ");
    type(&s, "\004");
    leave(&s, 0);
    lt_buf_free(&file);
    lt_test_temp_end(folder);
}

/* A line longer than the window is drawn in rows, and in one row once the window is wide enough. */
static void test_chat_terminal__the_window_changes(void **unused)
{
    static const char row[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    struct winsize wide = { .ws_row = 24, .ws_col = 100 };
    char *folder = lt_test_temp();
    struct seat s;
    (void)unused;
    chat_tokenizer_with(folder, "<end>");
    sit(&s, folder, 20, "1", "2");
    type(&s, row);
    type(&s, "\014");
    for (int i = 0; i < 10; i++) read_more(&s, 50);
    assert_null(memmem(s.seen.p, s.seen.n, row, strlen(row)));
    assert_int_equal(ioctl(s.fd, TIOCSWINSZ, &wide), 0);
    for (int i = 0; i < 6; i++) read_more(&s, 50);
    type(&s, "\014");
    expect(&s, row);
    type(&s, "\003\004");
    leave(&s, 0);
    lt_test_temp_end(folder);
}

static void test_chat_terminal__sigterm_gives_the_terminal_back(void **unused)
{
    char *folder = lt_test_temp();
    struct termios t;
    struct seat s;
    (void)unused;
    chat_tokenizer_with(folder, "<end>");
    sit(&s, folder, 80, "1", "2");
    assert_int_equal(tcgetattr(s.fd, &t), 0);
    assert_false(t.c_lflag & ICANON);
    int keep = dup(s.fd);
    kill(s.child, SIGTERM);
    leave(&s, 130);
    assert_int_equal(tcgetattr(keep, &t), 0);
    assert_true(t.c_lflag & ICANON && t.c_lflag & ECHO && t.c_lflag & ISIG);
    close(keep);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat_terminal__ctrl_c_stops_the_answer),
        cmocka_unit_test(test_chat_terminal__lines_are_edited),
        cmocka_unit_test(test_chat_terminal__history_is_kept),
        cmocka_unit_test(test_chat_terminal__the_window_changes),
        cmocka_unit_test(test_chat_terminal__sigterm_gives_the_terminal_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
