/* The program's one road: words, verb, options, context, run, records, exit status. */
#include "cli/cli.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130 };

static bool reader_went_away(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* A reader that had enough (`| head`) is no news to anybody. */
static bool lost_the_reader(void)
{
    return strstr(lt_error(), strerror(EPIPE)) && reader_went_away(STDOUT_FILENO);
}

static int complain(const char *verb)
{
    if (lost_the_reader()) return FAILED;
    bool again = verb && !strncmp(lt_error(), verb, strlen(verb));
    fprintf(stderr, "lathe%s%s: %s\n", verb && !again ? " " : "", verb && !again ? verb : "", lt_error());
    return lt_error_is_misuse() ? MISUSED : FAILED;
}

static void name_aliases(const struct lt_options *s)
{
    const char *said, *canonical;
    for (int i = 0; lt_options_renamed(s, i, &said, &canonical); i++)
        fprintf(stderr, "lathe: --%s is --%s\n", said, canonical);
}

/* Runs the verb under a context that talks and can be interrupted; 0, -1, or 1 when it was interrupted. */
static int run_in_context(const struct lt_verb *v, struct lt_options *s, const struct lt_cli_common *common)
{
    struct lt_cli_watch watch;
    struct lt_cli_talk talk;
    lt_cli_talk_init(&talk, stderr, common->quiet, common->progress);
    lt_cli_watch_prepare(&watch);
    struct lt_ctx *c = lt_ctx_new((int)common->threads, &lt_cli_talk_to, &talk);
    int rc = lt_cli_watch_begin(&watch, c);
    if (!rc) {
        rc = lt_record_run(v, s, c);
        if (lt_ctx_interrupted(c)) rc = 1;
        lt_cli_watch_end(&watch);
    }
    lt_ctx_free(c);
    lt_cli_talk_release(&talk);
    return rc;
}

static int run_verb(const struct lt_verb *v, int argc, char **argv)
{
    size_t common_at;
    struct lt_method wide = lt_cli_widen(&v->m, &common_at);
    struct lt_options *s = lt_options_new(&wide);
    const char *o = lt_options_args(s, argc, argv) ? NULL : lt_options_done(s);
    int status = DONE;
    if (o) {
        const struct lt_cli_common *common = (const void *)(o + common_at);
        if (!common->quiet) name_aliases(s);
        int rc = run_in_context(v, s, common);
        status = rc > 0 ? INTERRUPTED : rc ? complain(v->m.name) : DONE;
    } else {
        status = complain(NULL);
    }
    lt_options_free(s);
    free((void *)wide.opts);
    return status;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

static int dispatch(int argc, char **argv)
{
    if (argc && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))) argv[0] = "help";
    if (argc && (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))) argv[0] = "version";
    if (!argc) lt_misuse("expected a verb, as in `lathe train ...`; `lathe help` lists them");
    else if (argv[0][0] == '-') lt_misuse("expected a verb before \"%s\"; `lathe help` lists them", argv[0]);
    if (!argc || argv[0][0] == '-') return complain(NULL);
    int taken;
    const struct lt_verb *v = lt_cli_verb(argc, argv, &taken);
    if (!v) return complain(NULL);
    if (asks_help(argc - taken, argv + taken)) {
        char *words[] = { "help", (char *)v->m.name };
        const struct lt_verb *help = lt_cli_verb(1, words, &taken);
        return help ? run_verb(help, 1, words + 1) : complain(NULL);
    }
    return run_verb(v, argc - taken, argv + taken);
}

/* Data that did not reach standard output is a failure. */
static int close_output(int status)
{
    bool lost = ferror(stdout), gone = false;
    errno = 0;
    if (fflush(stdout)) lost = true;
    int why = errno;
    if (lost) gone = reader_went_away(STDOUT_FILENO);
    if (fclose(stdout)) lost = true;
    if (!lost) return status;
    if (!gone)
        fprintf(stderr, "lathe: standard output could not be written: %s\n", why ? strerror(why) : "a write failed");
    return status == DONE ? FAILED : status;
}

int lt_cli_main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return close_output(dispatch(argc - 1, argv + 1));
}
