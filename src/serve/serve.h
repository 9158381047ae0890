/* `lathe serve`: models over HTTP (doc/formats/http.md). */
#ifndef LT_SERVE_H
#define LT_SERVE_H

#include "base/base.h"
#include "lm/how.h"

struct lt_serve_options {
    struct lt_list model;                       /* paths, or NAME=PATH */
    struct lt_list api_key, allow_origin;
    const char *host, *api_key_file, *chat_template, *served_model_name, *pooling, *log;
    int64_t port, batch_size, queue, connections, max_body, max_prompt_tokens, timeout, grace;
    double request_timeout;
    struct lt_how how;
};
int lt_serve_run(const struct lt_serve_options *o, struct lt_ctx *c);

/* The parts of it.  The server listens from _open on; _run answers until the context is interrupted. */
struct lt_server;
int lt_server_open(const struct lt_serve_options *o, struct lt_ctx *c, struct lt_server **out);
int lt_server_port(const struct lt_server *s);
int lt_server_run(struct lt_server *s);
void lt_server_close(struct lt_server *s);

#endif
