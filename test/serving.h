/* `lathe serve` inside a test: a server in a thread of this program. */
#ifndef LT_TEST_SERVING_H
#define LT_TEST_SERVING_H

#include "http_client.h"
#include "serve/serve.h"
#include <pthread.h>

struct serving {
    struct lt_options *options; struct lt_ctx *c; struct lt_server *server;
    pthread_t thread; int port, rc;
    pthread_mutex_t mutex; struct lt_buf said;      /* lines of the log and notes */
};

static inline void *serving_run(void *arg)
{
    struct serving *s = arg;
    s->rc = lt_server_run(s->server);
    return NULL;
}

static inline void serving_note(void *arg, const char *line)
{
    struct serving *s = arg;
    pthread_mutex_lock(&s->mutex);
    lt_buf_fmt(&s->said, "%s\n", line);
    pthread_mutex_unlock(&s->mutex);
}

/* Words of the command line; ends with NULL.  -1: it does not open. */
static inline int serving_open(struct serving *s, int threads, const char *const *words)
{
    const struct lt_method *verb = lt_method_find("verb", "serve");
    const struct lt_talk talk = { .note = serving_note };
    int count = 0;
    *s = (struct serving){ .options = lt_options_new(verb), .c = lt_ctx_new(threads, &talk, s) };
    pthread_mutex_init(&s->mutex, NULL);
    while (words[count]) count++;
    assert_ok(lt_options_set(s->options, "port", "0"));
    assert_ok(lt_options_args(s->options, count, (char **)words));
    const struct lt_serve_options *o = lt_options_done(s->options);
    if (!o) fail_msg("%s", lt_error());
    if (lt_server_open(o, s->c, &s->server)) {
        s->server = NULL;
        return -1;
    }
    s->port = lt_server_port(s->server);
    assert_int_equal(pthread_create(&s->thread, NULL, serving_run, s), 0);
    return 0;
}

static inline void serving_close(struct serving *s)
{
    if (s->server) {
        lt_ctx_interrupt(s->c);
        pthread_join(s->thread, NULL);
        lt_server_close(s->server);
    }
    lt_options_free(s->options);
    lt_ctx_free(s->c);
    pthread_mutex_destroy(&s->mutex);
    lt_buf_free(&s->said);
}

#define SERVING(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
