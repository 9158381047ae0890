/* Interruption by a thread that waits for signals, so that no handler needs a global to find the context.
 *
 * The shell starts background jobs with SIGINT ignored, so that Ctrl-C reaches only the job in front.  We keep to that
 * for the terminal's signal, but obey one that somebody sends to this process by name. */
#include "cli/cli.h"
#include "base/ctx.h"
#include <unistd.h>

static void *watch(void *arg)
{
    struct lt_cli_watch *w = arg;
    for (int seen = 0;;) {
        siginfo_t info;
        int signal_number = sigwaitinfo(&w->set, &info);
        if (signal_number < 0) continue;
        if (signal_number == SIGINT && w->ignored_int && info.si_code == SI_KERNEL) continue;
        if (signal_number == SIGINT && lt_ctx_stop(w->ctx)) continue;
        if (seen++) _exit(130);
        lt_ctx_interrupt(w->ctx);
        lt_note(w->ctx, "stopping; once more to stop at once");
    }
    return NULL;
}

void lt_cli_watch_prepare(struct lt_cli_watch *w)
{
    struct sigaction old;
    w->ignored_int = !sigaction(SIGINT, NULL, &old) && old.sa_handler == SIG_IGN;
    sigemptyset(&w->set);
    sigaddset(&w->set, SIGINT);
    sigaddset(&w->set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &w->set, &w->before);
}

int lt_cli_watch_begin(struct lt_cli_watch *w, struct lt_ctx *c)
{
    w->ctx = c;
    if (pthread_create(&w->thread, NULL, watch, w)) return lt_fail("no thread can be started to wait for signals");
    return 0;
}

void lt_cli_watch_end(struct lt_cli_watch *w)
{
    pthread_cancel(w->thread);
    pthread_join(w->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &w->before, NULL);
}
