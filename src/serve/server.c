#include "serve/server.h"
#include "base/ctx.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 50 };                          /* how often the server looks whether it is to stop */

bool lt_server_called(const struct lt_server *s, int i, struct lt_called *out)
{
    for (int m = 0; m < s->models; i -= 1 + s->model[m++].adapters) {
        if (i > s->model[m].adapters) continue;
        *out = (struct lt_called){ &s->model[m], i ? &s->model[m].adapter[i - 1] : NULL };
        return true;
    }
    return false;
}

static int check_names(const struct lt_server *s)
{
    struct lt_called a, b;
    for (int i = 0; lt_server_called(s, i, &a); i++)
        for (int k = 0; k < i && lt_server_called(s, k, &b); k++)
            if (!strcmp(lt_called_name(a), lt_called_name(b)))
                return lt_misuse("%s: %s and %s are both named \"%s\"; write NAME=PATH",
                                 a.adapter ? "adapter" : "model", b.adapter ? b.adapter->path : b.model->path,
                                 a.adapter ? a.adapter->path : a.model->path, lt_called_name(a));
    return 0;
}

static int open_models(struct lt_server *s)
{
    const struct lt_serve_options *o = s->o;
    if (o->served_model_name && o->model.count > 1)
        return lt_misuse("served_model_name: there are %d models; write NAME=PATH for each instead", o->model.count);
    if (o->served_model_name && !*o->served_model_name) return lt_misuse("served_model_name: the name is empty");
    s->model = lt_calloc((size_t)o->model.count, sizeof *s->model);
    for (int i = 0; i < o->model.count; i++)
        if (lt_served_begin(&s->model[s->models++], o->model.item[i], o)) return -1;
    if (lt_served_share_adapters(s->model, s->models, o) || check_names(s)) return -1;
    for (int i = 0; i < s->models; i++)
        if (lt_served_open(&s->model[i], o, s->inner, s->models > 1 ? &s->turns : NULL)) return -1;
    return 0;
}

int lt_server_open(const struct lt_serve_options *o, struct lt_ctx *c, struct lt_server **out)
{
    struct lt_server *s = lt_calloc(1, sizeof *s);
    s->o = o;
    s->c = c;
    s->inner = lt_ctx_new(lt_pool_threads(lt_ctx_pool(c)), NULL, NULL);
    lt_turns_init(&s->turns);
    lt_guests_init(&s->guests);
    s->door = (struct lt_door){ .allowed = &o->allow_origin, .name = o->host };
    int rc = lt_origins_check(&o->allow_origin)
             || lt_keys_open(&s->keys, &o->api_key, o->api_key_file) || open_models(s) || lt_visits_open(s) ? -1 : 0;
    if (rc) lt_server_close(s);
    else *out = s;
    return rc;
}

int lt_server_port(const struct lt_server *s) { return s->port; }

/* One engine at work; an engine that fails stops the server. */
struct shift { struct lt_server *s; struct lt_engine *e; pthread_t thread; char *error; _Atomic bool over; };

static void *work(void *arg)
{
    struct shift *w = arg;
    if (lt_engine_run(w->e)) w->error = lt_strdup(lt_error());
    w->over = true;
    return NULL;
}

static bool any_over(const struct shift *w, int n)
{
    for (int i = 0; i < n; i++)
        if (w[i].over) return true;
    return false;
}

int lt_server_run(struct lt_server *s)
{
    struct shift *w = lt_calloc((size_t)s->models, sizeof *w);
    int n = 0, rc = 0;
    for (; n < s->models && !rc; n += !rc) {
        w[n] = (struct shift){ .s = s, .e = s->model[n].engine };
        if (pthread_create(&w[n].thread, NULL, work, &w[n])) rc = lt_fail("no thread can be started for a model");
    }
    for (double next = 0; !rc && !lt_ctx_interrupted(s->c) && !any_over(w, n); poll(NULL, 0, LOOK_MS)) {
        if (lt_clock() < next) continue;
        lt_guests_hurry(&s->guests, (double)s->o->timeout);
        next = lt_clock() + 0.5;
    }
    for (int i = 0; i < n; i++) lt_engine_stop(w[i].e, (double)s->o->grace);
    for (int i = 0; i < n; i++) {
        pthread_join(w[i].thread, NULL);
        if (w[i].error && !rc) rc = lt_fail("%s: %s", s->model[i].name, w[i].error);
        free(w[i].error);
    }
    free(w);
    return rc;
}

void lt_server_close(struct lt_server *s)
{
    if (!s) return;
    for (int i = 0; i < s->models; i++)
        if (s->model[i].engine) {                   /* nobody waits for an engine that never ran */
            lt_engine_stop(s->model[i].engine, 0);
            lt_engine_run(s->model[i].engine);
        }
    lt_visits_quiesce(s);
    double until = lt_clock() + 2;                  /* answers that are on their way */
    while (s->open && lt_clock() < until) poll(NULL, 0, 10);
    lt_visits_close(s);
    for (int i = 0; i < s->models; i++) lt_served_close(&s->model[i]);
    lt_guests_release(&s->guests);
    lt_keys_release(&s->keys);
    lt_turns_release(&s->turns);
    lt_ctx_free(s->inner);
    free(s->model);
    free(s);
}

int lt_serve_run(const struct lt_serve_options *o, struct lt_ctx *c)
{
    struct lt_server *s;
    if (lt_server_open(o, c, &s)) return -1;
    bool six = strchr(o->host, ':') != NULL;
    struct lt_buf names = { 0 };
    struct lt_called called;
    for (int i = 0; lt_server_called(s, i, &called); i++)
        lt_buf_fmt(&names, "%s%s", i ? ", " : "", lt_called_name(called));
    lt_note(c, "serving %s at http://%s%s%s:%d", names.p, six ? "[" : "", o->host, six ? "]" : "", s->port);
    lt_buf_free(&names);
    int rc = lt_server_run(s);
    lt_server_close(s);
    return rc;
}
