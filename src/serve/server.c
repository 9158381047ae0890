#include "serve/server.h"
#include "base/ctx.h"
#include <microhttpd.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 100,                           /* how often a waiting thread looks after its client */
       LOOK_MS = 50,                            /* how often the server looks whether it is to stop */
       CHUNK = 4096 };

/* ---- one connection ---- */

/* A request as it comes in. */
struct hearing { const struct lt_endpoint *to; struct lt_buf body; bool too_long, counted; };

static bool client_gone(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    return i && recv(i->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* While we wait the client owes us nothing; afterwards it must read on as before. */
static void set_patience(struct MHD_Connection *c, int64_t seconds)
{
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)seconds);
}

bool lt_call_wait(struct lt_call *c, struct lt_exchange *x, enum lt_await what)
{
    bool gone = false;
    set_patience(c->connection, 0);
    while (!lt_exchange_await(x->engine, x, what, WAIT_MS) && !gone) gone = client_gone(c->connection);
    set_patience(c->connection, c->s->o->timeout);
    return gone;
}

/* ---- events as they come ---- */

struct flow { struct lt_server *s; struct lt_exchange *x; struct MHD_Connection *connection; };

static ssize_t flow_read(void *self, uint64_t at, char *to, size_t room)
{
    struct flow *w = self;
    struct lt_call c = { .s = w->s, .connection = w->connection };
    long got;
    (void)at;
    while (!(got = lt_exchange_read(w->x->engine, w->x, to, room)))
        if (lt_call_wait(&c, w->x, LT_AWAIT_OUTPUT)) return MHD_CONTENT_READER_END_WITH_ERROR;
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void flow_free(void *self)
{
    struct flow *w = self;
    lt_exchange_leave(w->x->engine, w->x);
    lt_exchange_free(w->x);
    free(w);
}

/* ---- answers ---- */

static enum MHD_Result queue(struct lt_server *s, struct MHD_Connection *c, int status, struct MHD_Response *r,
                             const char *type)
{
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == 401) MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (status == 503) MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    s->answered[lt_status_place(status)]++;
    enum MHD_Result rc = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result send_fault(struct lt_server *s, struct MHD_Connection *c, struct lt_fault *f, const char *allow)
{
    struct lt_buf b = { 0 };
    lt_fault_put(&b, f);
    lt_buf_char(&b, '\n');
    struct MHD_Response *r = MHD_create_response_from_buffer(b.n, b.p, MHD_RESPMEM_MUST_FREE);
    if (allow) MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
    enum MHD_Result rc = queue(s, c, f->status, r, "application/json");
    lt_fault_release(f);
    return rc;
}

static enum MHD_Result send_stream(struct lt_server *s, struct MHD_Connection *c, struct lt_exchange *x)
{
    struct flow *w = lt_alloc(sizeof *w);
    *w = (struct flow){ s, x, c };
    struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CHUNK, flow_read, w, flow_free);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return queue(s, c, 200, r, "text/event-stream");
}

static enum MHD_Result send_answer(struct lt_server *s, struct MHD_Connection *connection, const struct hearing *h)
{
    struct lt_call c = { .s = s, .body = { h->body.p ? h->body.p : "", h->body.n }, .connection = connection };
    struct lt_fault f = { 0 };
    int rc = h->to->answer(&c, &f);
    if (c.vanished || rc) lt_buf_free(&c.out);
    if (c.vanished) {
        lt_fault_release(&f);
        return MHD_NO;
    }
    if (rc) return send_fault(s, connection, &f, NULL);
    if (c.stream) return send_stream(s, connection, c.stream);
    struct MHD_Response *r = MHD_create_response_from_buffer(c.out.n, c.out.p, MHD_RESPMEM_MUST_FREE);
    return queue(s, connection, 200, r, c.type ? c.type : "application/json");
}

/* ---- the gate ---- */

/* In time that does not tell how much of it is right. */
static bool has_key(const struct lt_server *s, struct MHD_Connection *c)
{
    const char *said = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *key = s->o->api_key;
    if (!key) return true;
    if (!said || strncasecmp(said, "Bearer ", 7)) return false;
    said += 7;
    size_t n = strlen(said), m = strlen(key);
    unsigned differ = n != m;
    for (size_t i = 0; i < n; i++) differ |= (unsigned char)said[i] ^ (unsigned char)key[m ? i % m : 0];
    return !differ;
}

static int find(const struct lt_server *s, struct MHD_Connection *c, const char *path, const char *method,
                const struct lt_endpoint **out, const char **allow, struct lt_fault *f)
{
    const struct lt_endpoint *e = lt_endpoints;
    while (e->path && strcmp(e->path, path)) e++;
    if ((!e->path || !e->open) && !has_key(s, c))
        return lt_fault_set(f, 401, NULL, "invalid_api_key", "this server needs its key: Authorization: Bearer KEY");
    if (!e->path) return lt_fault_set(f, 404, NULL, "not_found", "there is nothing at %.200s", path);
    *allow = e->method;
    *out = e;
    if (!strcmp(e->method, method) || (!strcmp(e->method, "GET") && !strcmp(method, "HEAD"))) return 0;
    return lt_fault_set(f, 405, NULL, "method_not_allowed", "%s takes %s, not %.20s", e->path, e->method, method);
}

static bool announces_too_much(const struct lt_server *s, struct MHD_Connection *c)
{
    const char *said = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n;
    return said && (lt_str_int(lt_str(said), &n) || n > s->o->max_body);
}

static int too_long(const struct lt_server *s, struct lt_fault *f)
{
    return lt_fault_set(f, 413, NULL, "body_too_long", "expected a body of at most %lld bytes",
                        (long long)s->o->max_body);
}

static enum MHD_Result handle(void *self, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **kept)
{
    struct lt_server *s = self;
    struct hearing *h = *kept;
    struct lt_fault f = { 0 };
    (void)version;
    if (!h) {
        const char *allow = NULL;
        *kept = h = lt_calloc(1, sizeof *h);
        h->counted = true;
        s->open++;
        if (find(s, c, path, method, &h->to, &allow, &f) || (announces_too_much(s, c) && too_long(s, &f)))
            return send_fault(s, c, &f, f.status == 405 ? allow : NULL);
        return MHD_YES;
    }
    if (*size) {
        h->too_long |= h->body.n + *size > (size_t)s->o->max_body;
        if (!h->too_long) lt_buf_put(&h->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (h->too_long) {
        too_long(s, &f);
        return send_fault(s, c, &f, NULL);
    }
    return send_answer(s, c, h);
}

static void completed(void *self, struct MHD_Connection *c, void **kept, enum MHD_RequestTerminationCode why)
{
    struct lt_server *s = self;
    struct hearing *h = *kept;
    (void)c, (void)why;
    if (!h) return;
    lt_buf_free(&h->body);
    free(h);
    *kept = NULL;
    s->open--;
}

/* ---- life ---- */

static int listen_at(struct lt_server *s)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *at = NULL;
    struct lt_buf port = { 0 };
    lt_buf_fmt(&port, "%lld", (long long)s->o->port);
    int rc = getaddrinfo(s->o->host, port.p, &want, &at);
    lt_buf_free(&port);
    if (rc) return lt_misuse("host: \"%s\" is no address here: %s", s->o->host, gai_strerror(rc));
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC
                   | (at->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, s, MHD_OPTION_SOCK_ADDR, at->ai_addr,
                                 MHD_OPTION_NOTIFY_COMPLETED, completed, s,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->o->connections,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->o->timeout, MHD_OPTION_END);
    freeaddrinfo(at);
    if (!s->daemon)
        return lt_fail("cannot listen at %s port %lld: is another program there? --port 0 takes a free one", s->o->host,
                       (long long)s->o->port);
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = i ? i->port : 0;
    return 0;
}

static int open_models(struct lt_server *s)
{
    const struct lt_serve_options *o = s->o;
    if (o->served_model_name && o->model.count > 1)
        return lt_misuse("served_model_name: there are %d models; write NAME=PATH for each instead", o->model.count);
    s->model = lt_calloc((size_t)o->model.count, sizeof *s->model);
    for (int i = 0; i < o->model.count; i++) {
        struct lt_served *m = &s->model[s->models++];
        if (lt_served_open(m, o->model.item[i], o, s->inner, o->model.count > 1 ? &s->turns : NULL)) return -1;
        for (int k = 0; k < i; k++)
            if (!strcmp(s->model[k].name, m->name))
                return lt_misuse("model: %s and %s are both named \"%s\"; write NAME=PATH", o->model.item[k],
                                 o->model.item[i], m->name);
    }
    return 0;
}

int lt_server_open(const struct lt_serve_options *o, struct lt_ctx *c, struct lt_server **out)
{
    struct lt_server *s = lt_calloc(1, sizeof *s);
    s->o = o;
    s->c = c;
    s->inner = lt_ctx_new(lt_pool_threads(lt_ctx_pool(c)), NULL, NULL);
    lt_turns_init(&s->turns);
    int rc = open_models(s) || listen_at(s) ? -1 : 0;
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

static int run_engines(struct lt_server *s)
{
    struct shift *w = lt_calloc((size_t)s->models, sizeof *w);
    int n = 0, rc = 0;
    for (; n < s->models && !rc; n += !rc) {
        w[n] = (struct shift){ .s = s, .e = s->model[n].engine };
        if (pthread_create(&w[n].thread, NULL, work, &w[n])) rc = lt_fail("no thread can be started for a model");
    }
    while (!rc && !lt_ctx_interrupted(s->c) && !any_over(w, n)) poll(NULL, 0, LOOK_MS);
    for (int i = 0; i < n; i++) lt_engine_stop(w[i].e, (double)s->o->grace);
    for (int i = 0; i < n; i++) {
        pthread_join(w[i].thread, NULL);
        if (w[i].error && !rc) rc = lt_fail("%s: %s", s->model[i].name, w[i].error);
        free(w[i].error);
    }
    free(w);
    return rc;
}

int lt_server_run(struct lt_server *s)
{
    int rc = run_engines(s);
    int listener = MHD_quiesce_daemon(s->daemon);
    if (listener >= 0) close(listener);
    double until = lt_clock() + 2;                  /* answers that are on their way */
    while (s->open && lt_clock() < until) poll(NULL, 0, 10);
    return rc;
}

void lt_server_close(struct lt_server *s)
{
    if (!s) return;
    if (s->daemon) MHD_stop_daemon(s->daemon);
    for (int i = 0; i < s->models; i++) lt_served_close(&s->model[i]);
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
    for (int i = 0; i < s->models; i++) lt_buf_fmt(&names, "%s%s", i ? ", " : "", s->model[i].name);
    lt_note(c, "serving %s at http://%s%s%s:%d", names.p, six ? "[" : "", o->host, six ? "]" : "", s->port);
    lt_buf_free(&names);
    int rc = lt_server_run(s);
    lt_server_close(s);
    return rc;
}
