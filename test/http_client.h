/* A plain HTTP client, for tests of the server. */
#ifndef LT_HTTP_CLIENT_H
#define LT_HTTP_CLIENT_H

#include "test.h"
#include "base/json.h"
#include <arpa/inet.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

struct http_reply { int status; struct lt_buf head, body; };

static inline void http_release(struct http_reply *r)
{
    lt_buf_free(&r->head);
    lt_buf_free(&r->body);
    *r = (struct http_reply){ 0 };
}

/* Waits twenty seconds at most for anything. */
static inline int http_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 20 };
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&at, sizeof at)) fail_msg("nobody listens at port %d", port);
    return fd;
}

static inline void http_send(int fd, struct lt_str bytes)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n <= 0) return;                     /* the server may have had enough: what it says tells */
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
}

/* more: further header lines, each with its end. */
static inline void http_send_request(int fd, const char *method, const char *path, const char *more, const char *body)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s %s HTTP/1.1\r\n%sConnection: close\r\n%s", method, path,
               more && strstr(more, "Host: ") ? "" : "Host: localhost\r\n", more ? more : "");
    if (body) lt_buf_fmt(&b, "Content-Length: %zu\r\n", strlen(body));
    lt_buf_fmt(&b, "\r\n%s", body ? body : "");
    http_send(fd, lt_buf_view(&b));
    lt_buf_free(&b);
}

/* Appends what comes next; 0: the end; -1: a reset, or nothing for too long. */
static inline ssize_t http_receive(int fd, struct lt_buf *to)
{
    char part[4096];
    ssize_t n = recv(fd, part, sizeof part, 0);
    if (n > 0) lt_buf_put(to, part, (size_t)n);
    return n;
}

static inline void http_unchunk(struct lt_buf *b)
{
    struct lt_buf plain = { 0 };
    for (char *p = b->p; p && p < b->p + b->n;) {
        char *end;
        size_t n = strtoul(p, &end, 16);
        if (!n) break;
        p = end + 2;
        lt_buf_put(&plain, p, LT_MIN(n, (size_t)(b->p + b->n - p)));
        p += n + 2;
    }
    lt_buf_free(b);
    *b = plain;
}

/* Reads to the end of the connection and closes it; all: what was read before, which goes; status 0: nothing came. */
static inline struct http_reply http_hear_on(int fd, struct lt_buf all)
{
    struct http_reply r = { 0 };
    while (http_receive(fd, &all) > 0) { }
    close(fd);
    const char *end = all.n ? memmem(all.p, all.n, "\r\n\r\n", 4) : NULL;
    if (end) {
        size_t n = (size_t)(end - all.p);
        lt_buf_put(&r.head, all.p, n);
        lt_buf_put(&r.body, all.p + n + 4, all.n - n - 4);
        r.status = atoi(all.p + strlen("HTTP/1.1 "));
        if (strcasestr(r.head.p, "Transfer-Encoding: chunked")) http_unchunk(&r.body);
    }
    lt_buf_put(&r.body, "", 0);
    lt_buf_free(&all);
    return r;
}

static inline struct http_reply http_hear(int fd)
{
    return http_hear_on(fd, (struct lt_buf){ 0 });
}

static inline struct http_reply http_ask(int port, const char *method, const char *path, const char *more,
                                         const char *body)
{
    int fd = http_dial(port);
    http_send_request(fd, method, path, more, body);
    return http_hear(fd);
}

/* Status and parsed body of a POST; json_decref(*out).  A model may write any text, with a NUL in it too. */
static inline int http_post(int port, const char *path, const char *body, json_t **out)
{
    struct http_reply r = http_ask(port, "POST", path, NULL, body);
    int status = r.status;
    json_error_t why;
    *out = json_loadb(r.body.p, r.body.n, 0, &why);
    if (!*out) fail_msg("%s: status %d: %s: %s", path, status, why.text, r.body.p);
    http_release(&r);
    return status;
}

#endif
