/* Requests as they come in and replies as they go out, each connection in a thread of its own. */
#include "serve/server.h"

#include "base/ctx.h"
#include "serve/answer.h"
#include "serve/call.h"
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 100,                           /* how often a waiting thread looks after its client */
       CHUNK = 4096 };

/* ---- one connection ---- */

/* A request as it comes in. */
struct visit {
    struct lt_server *s; struct MHD_Connection *connection;
    const struct lt_endpoint *to;
    struct lt_guest *guest;
    struct lt_buf body;
    const char *id;                             /* of the path; NULL: there is none */
    bool too_long, streams;
    const char *foreign;                        /* the origin of a page that may ask; NULL: there is none */
    struct lt_request_log log;
};

static void write_log(struct lt_server *s, struct lt_request_log *l)
{
    struct lt_buf line = { 0 };
    if (!strcmp(s->o->log, "off")) return;
    lt_request_log_put(l, !strcmp(s->o->log, "json"), &line);
    lt_note(s->c, "%s", line.p);
    lt_buf_free(&line);
}

static struct lt_guest *guest_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i->socket_context;
}

static void come_or_leave(void *self, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct lt_server *s = self;
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) lt_guest_leave(&s->guests, *context);
    else *context = lt_guest_come(&s->guests, i->connect_fd);
}

bool lt_call_wait(struct lt_call *c, struct lt_exchange *x, enum lt_await what)
{
    bool gone = false;
    while (!lt_exchange_await(x->engine, x, what, WAIT_MS) && !gone) gone = lt_guest_gone(c->guest);
    return gone;
}

const char *lt_call_argument(const struct lt_call *c, const char *key)
{
    return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND, key);
}

void lt_call_finished(struct lt_call *c, const struct lt_exchange *x)
{
    lt_request_log_exchange(c->log, x);
    if (c->log->first_token >= 0) lt_times_add(&c->model->times.first_token, c->log->first_token);
    lt_times_add(&c->model->times.whole, lt_clock() - c->log->began);
    if (!c->adapter) return;
    c->adapter->requests++;
    c->adapter->prompt_tokens += c->log->prompt_tokens;
    c->adapter->written_tokens += c->log->written_tokens;
}

/* ---- events as they come ---- */

struct flow {
    struct lt_server *s; struct lt_exchange *x; struct MHD_Connection *connection;
    struct lt_call call;
    struct lt_request_log log;
    bool ended;                                 /* everything was given out */
};

/* While we wait the client owes us nothing, so the library must not count the time. */
static void set_patience(struct MHD_Connection *c, int64_t seconds)
{
    MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)seconds);
}

static ssize_t flow_read(void *self, uint64_t at, char *to, size_t room)
{
    struct flow *w = self;
    long got;
    bool gone = false;
    (void)at;
    lt_guest_turn(&w->s->guests, w->call.guest, false);
    set_patience(w->connection, 0);
    while (!(got = lt_exchange_read(w->x->engine, w->x, to, room)) && !gone)
        gone = lt_call_wait(&w->call, w->x, LT_AWAIT_OUTPUT);
    set_patience(w->connection, w->s->o->timeout);
    lt_guest_turn(&w->s->guests, w->call.guest, true);
    w->ended = got < 0;
    return gone ? MHD_CONTENT_READER_END_WITH_ERROR : got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void flow_free(void *self)
{
    struct flow *w = self;
    lt_exchange_leave(w->x->engine, w->x);
    w->call.log = &w->log;
    lt_call_finished(&w->call, w->x);
    lt_exchange_free(w->x);
    w->log.cut = !w->ended;
    w->log.whole = lt_clock() - w->log.began;
    write_log(w->s, &w->log);
    free(w);
}

/* ---- answers ---- */

static enum MHD_Result queue(struct visit *v, int status, struct MHD_Response *r, const char *type)
{
    if (type) MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == 401) MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (v->foreign) {
        MHD_add_response_header(r, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, v->foreign);
        MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, "Origin");
    }
    if (status == 503) MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    v->s->answered[lt_status_place(status)]++;
    v->log.status = status;
    enum MHD_Result rc = MHD_queue_response(v->connection, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result send_fault(struct visit *v, struct lt_fault *f, const char *allow)
{
    struct lt_buf b = { 0 };
    lt_fault_put(&b, f);
    lt_buf_char(&b, '\n');
    struct MHD_Response *r = MHD_create_response_from_buffer(b.n, b.p, MHD_RESPMEM_MUST_FREE);
    if (allow) MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
    enum MHD_Result rc = queue(v, f->status, r, "application/json");
    lt_fault_release(f);
    return rc;
}

static enum MHD_Result send_stream(struct visit *v, const struct lt_call *c)
{
    struct flow *w = lt_alloc(sizeof *w);
    *w = (struct flow){ .s = v->s, .x = c->stream, .connection = v->connection, .call = *c, .log = v->log };
    w->log.status = 200;
    v->streams = true;
    struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, CHUNK, flow_read, w, flow_free);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return queue(v, 200, r, c->stream->req.dialect->stream_type);
}

/* What browsers are told of a page. */
static void add_page_headers(struct MHD_Response *r, char *policy)
{
    MHD_add_response_header(r, "Content-Security-Policy", policy);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    free(policy);
}

/* Faults as Ollama's clients expect them of their endpoints. */
static bool speaks_plainly(const char *path) { return !strncmp(path, "/api/", 5); }

static enum MHD_Result send_answer(struct visit *v)
{
    struct lt_call c = { .s = v->s, .body = { v->body.p ? v->body.p : "", v->body.n }, .id = v->id,
                         .guest = v->guest, .log = &v->log, .connection = v->connection };
    struct lt_fault f = { .plain = speaks_plainly(v->to->path) };
    lt_guest_turn(&v->s->guests, v->guest, false);
    set_patience(v->connection, 0);
    int rc = v->to->answer(&c, &f);
    set_patience(v->connection, v->s->o->timeout);
    if (c.vanished || rc) lt_buf_free(&c.out);
    if (c.vanished) {
        lt_fault_release(&f);
        v->s->answered[lt_status_place(LT_CLIENT_GONE)]++;
        v->log.status = LT_CLIENT_GONE;
        return MHD_NO;
    }
    if (rc) return send_fault(v, &f, NULL);
    if (c.stream) return send_stream(v, &c);
    struct MHD_Response *r = MHD_create_response_from_buffer(c.out.n, c.out.p, MHD_RESPMEM_MUST_FREE);
    if (c.policy) add_page_headers(r, c.policy);
    return queue(v, 200, r, c.type ? c.type : "application/json");
}

/* ---- the gate ---- */

static const char *header(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* What a browser asks before it lets a page of another origin ask. */
static enum MHD_Result send_permission(struct visit *v)
{
    const char *wanted = header(v->connection, "Access-Control-Request-Headers");
    struct MHD_Response *r = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, "Access-Control-Allow-Methods", "GET, POST");
    MHD_add_response_header(r, "Access-Control-Allow-Headers", wanted ? wanted : "Authorization, Content-Type");
    MHD_add_response_header(r, "Access-Control-Max-Age", "600");
    return queue(v, 204, r, NULL);
}

static int pass(struct visit *v, struct lt_fault *f)
{
    const char *origin = header(v->connection, MHD_HTTP_HEADER_ORIGIN);
    bool foreign;
    if (lt_door_pass(&v->s->door, header(v->connection, MHD_HTTP_HEADER_HOST), origin, &foreign, f)) return -1;
    v->foreign = foreign ? origin : NULL;
    return 0;
}

static int find(struct visit *v, const char *path, const char *method, const char **allow, struct lt_fault *f)
{
    const struct lt_endpoint *e = lt_endpoint_find(path, &v->id);
    if ((!e || !e->open) && !lt_keys_fit(&v->s->keys, header(v->connection, MHD_HTTP_HEADER_AUTHORIZATION)))
        return lt_fault_set(f, 401, NULL, "invalid_api_key", "this server needs a key: Authorization: Bearer KEY");
    if (!e) return lt_fault_set(f, 404, NULL, "not_found", "there is nothing at %.200s", path);
    v->to = e;
    if (!strcmp(e->method, method) || (!strcmp(e->method, "GET") && !strcmp(method, "HEAD"))) return 0;
    *allow = e->method;
    return lt_fault_set(f, 405, NULL, "method_not_allowed", "%s takes %s, not %.20s", e->path, e->method, method);
}

static int too_long(const struct lt_server *s, struct lt_fault *f)
{
    return lt_fault_set(f, 413, NULL, "body_too_long", "expected a body of at most %lld bytes",
                        (long long)s->o->max_body);
}

static int announces_too_much(const struct visit *v, struct lt_fault *f)
{
    const char *said = header(v->connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n;
    return said && (lt_str_int(lt_str(said), &n) || n > v->s->o->max_body) ? too_long(v->s, f) : 0;
}

static enum MHD_Result begin(struct visit *v, const char *path, const char *method)
{
    struct lt_fault f = { .plain = speaks_plainly(path) };
    const char *allow = NULL;
    v->guest = guest_of(v->connection);
    lt_request_log_begin(&v->log, method, path);
    if (pass(v, &f)) return send_fault(v, &f, NULL);
    if (v->foreign && !strcmp(method, "OPTIONS")) return send_permission(v);
    if (find(v, path, method, &allow, &f) || announces_too_much(v, &f)) return send_fault(v, &f, allow);
    return MHD_YES;
}

static enum MHD_Result handle(void *self, struct MHD_Connection *c, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **kept)
{
    struct lt_server *s = self;
    struct visit *v = *kept;
    struct lt_fault f = { 0 };
    (void)version;
    if (!v) {
        *kept = v = lt_calloc(1, sizeof *v);
        v->s = s;
        v->connection = c;
        s->open++;
        return begin(v, path, method);
    }
    if (*size) {
        v->too_long |= v->body.n + *size > (size_t)s->o->max_body;
        if (!v->too_long) lt_buf_put(&v->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (!v->too_long) return send_answer(v);
    f.plain = speaks_plainly(path);
    too_long(s, &f);
    return send_fault(v, &f, NULL);
}

static void completed(void *self, struct MHD_Connection *c, void **kept, enum MHD_RequestTerminationCode why)
{
    struct lt_server *s = self;
    struct visit *v = *kept;
    (void)c;
    if (!v) return;
    if (!v->log.status) v->log.status = LT_CLIENT_GONE;
    v->log.cut = why != MHD_REQUEST_TERMINATED_COMPLETED_OK && v->log.status != LT_CLIENT_GONE;
    v->log.whole = lt_clock() - v->log.began;
    if (!v->streams) write_log(s, &v->log);
    lt_guest_turn(&s->guests, v->guest, true);
    lt_buf_free(&v->body);
    free(v);
    *kept = NULL;
    s->open--;
}

/* Of an address.  A text cannot hold %00, which would end it early: it stays as it is, and is found nowhere. */
static size_t unescape(void *self, struct MHD_Connection *c, char *text)
{
    (void)self, (void)c;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

/* ---- life ---- */

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

int lt_visits_open(struct lt_server *s)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *at = NULL;
    struct lt_buf port = { 0 };
    lt_buf_fmt(&port, "%lld", (long long)s->o->port);
    int rc = getaddrinfo(s->o->host, port.p, &want, &at);
    lt_buf_free(&port);
    if (rc) return lt_misuse("host: \"%s\" is no address here: %s", s->o->host, gai_strerror(rc));
    s->door.loopback = is_loopback(at->ai_addr);
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC
                   | (at->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
    s->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, s, MHD_OPTION_SOCK_ADDR, at->ai_addr,
                                 MHD_OPTION_NOTIFY_COMPLETED, completed, s,
                                 MHD_OPTION_NOTIFY_CONNECTION, come_or_leave, s,
                                 MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->o->connections,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->o->timeout, MHD_OPTION_END);
    freeaddrinfo(at);
    if (!s->daemon)
        return lt_fail("cannot listen at %s port %lld: is another program there? --port 0 takes a free one", s->o->host,
                       (long long)s->o->port);
    if (!s->door.loopback && !s->keys.count)
        lt_note(s->c, "warning: whoever reaches %s may use this server; --api_key or --api_key_file asks for a key",
                s->o->host);
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    s->port = i ? i->port : 0;
    return 0;
}

void lt_visits_quiesce(struct lt_server *s)
{
    int listener = !s->daemon ? -1 : MHD_quiesce_daemon(s->daemon);
    if (listener >= 0) close(listener);
}

void lt_visits_close(struct lt_server *s)
{
    if (s->daemon) MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
}
