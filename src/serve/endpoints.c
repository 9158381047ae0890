/* What is answered at each path. */
#include "serve/call.h"
#include "serve/openapi.h"
#include <string.h>

/* Ollama's clients say NAME:latest. */
static bool is_called(const char *own, const char *name)
{
    size_t n = strlen(own);
    return !strncmp(name, own, n) && (!name[n] || !strcmp(name + n, ":latest"));
}

int lt_call_model(struct lt_call *c, const char *name, struct lt_fault *f)
{
    struct lt_called called;
    struct lt_buf names = { 0 };
    for (int i = 0; lt_server_called(c->s, i, &called); i++) {
        if (name && !is_called(lt_called_name(called), name)) continue;
        c->model = called.model;
        c->adapter = called.adapter;
        return 0;
    }
    for (int i = 0; lt_server_called(c->s, i, &called); i++)
        lt_buf_fmt(&names, "%s\"%s\"", i ? ", " : "", lt_called_name(called));
    lt_fault_set(f, 404, "model", "model_not_found", "there is no model \"%.200s\"; this server has %s", name, names.p);
    lt_buf_free(&names);
    return -1;
}

void lt_put_limit(struct lt_buf *b, const struct lt_served *m)
{
    int limit = lt_engine_limit(m->engine);
    if (limit) lt_buf_fmt(b, "%d", limit);
    else lt_buf_str(b, "null");
}

/* ---- about the server ---- */

static int health(struct lt_call *c, struct lt_fault *f)
{
    if (lt_engine_stops(c->s->model[0].engine)) return lt_fault_set(f, 503, NULL, "stopping", "the server stops");
    lt_buf_str(&c->out, "{\"status\":\"ok\"}\n");
    return 0;
}

static int version(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_fmt(&c->out, "{\"version\":\"%s\",\"build\":\"%s\"}\n", LATHE_VERSION, lt_build_id());
    return 0;
}

static void put_model(struct lt_buf *b, struct lt_called n)
{
    lt_buf_str(b, "{\"id\":");
    lt_json_put_text(b, lt_str(lt_called_name(n)));
    lt_buf_str(b, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"lathe\",\"root\":");
    lt_json_put_text(b, lt_str(n.adapter ? n.adapter->path : n.model->path));
    lt_buf_str(b, ",\"parent\":");
    if (n.adapter) lt_json_put_text(b, lt_str(n.model->name));
    else lt_buf_str(b, "null");
    lt_buf_str(b, ",\"max_model_len\":");
    lt_put_limit(b, n.model);
    lt_buf_fmt(b, ",\"vocab_size\":%d}", lt_engine_vocab(n.model->engine));
}

static int models(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_buf_str(&c->out, "{\"object\":\"list\",\"data\":[");
    struct lt_called called;
    for (int i = 0; lt_server_called(c->s, i, &called); i++) {
        if (i) lt_buf_char(&c->out, ',');
        put_model(&c->out, called);
    }
    lt_buf_str(&c->out, "]}\n");
    return 0;
}

static int one_model(struct lt_call *c, struct lt_fault *f)
{
    if (lt_call_model(c, c->id, f)) return -1;
    put_model(&c->out, lt_call_called(c));
    lt_buf_char(&c->out, '\n');
    return 0;
}

static int metrics(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    c->type = "text/plain; version=0.0.4";
    lt_metrics_put(c->s, &c->out);
    return 0;
}

#define MODEL LT_REPLY_OF("\"id\",\"object\",\"root\",\"parent\",\"max_model_len\",\"vocab_size\"", \
                          LT_REPLY_LIMIT("max_model_len"))
const struct lt_endpoint lt_endpoints_about[] = {
    { "GET", "/health", true, health, .brief = "is the server ready?", .reply = LT_REPLY("\"status\"") },
    { "GET", "/version", true, version, .brief = "of the program", .reply = LT_REPLY("\"version\"") },
    { "GET", "/v1/models", false, models, .brief = "the models and adapters that are served",
      .reply = LT_REPLY_OF("\"object\",\"data\"", "\"data\":{\"type\":\"array\",\"minItems\":1,\"items\":" MODEL "}") },
    { "GET", "/v1/models/{id}", false, one_model, .brief = "one of them", .reply = MODEL },
    { "GET", "/metrics", false, metrics, .brief = "figures for Prometheus", .type = "text/plain" },
    { "GET", "/openapi.json", true, lt_answer_openapi, .brief = "this description",
      .reply = "{\"type\":\"object\",\"required\":[\"openapi\",\"paths\"]}" },
    { 0 },
};

/* ---- all ---- */

const struct lt_endpoint *lt_endpoint_at(int i)
{
    static const struct lt_endpoint *const family[] = { lt_endpoints_about, lt_endpoints_openai, lt_endpoints_embed,
                                                       lt_endpoints_text, lt_endpoints_ollama, lt_endpoints_page };
    for (int k = 0; k < LT_COUNT(family); k++)
        for (const struct lt_endpoint *e = family[k]; e->path; e++)
            if (!i--) return e;
    return NULL;
}

const struct lt_endpoint *lt_endpoint_find(const char *path, const char **rest)
{
    const struct lt_endpoint *e;
    *rest = NULL;
    for (int i = 0; (e = lt_endpoint_at(i)); i++) {
        const char *open = strchr(e->path, '{');
        size_t n = open ? (size_t)(open - e->path) : 0;
        if (!open && !strcmp(e->path, path)) return e;
        if (!open || strncmp(e->path, path, n) || !path[n]) continue;
        *rest = path + n;
        return e;
    }
    return NULL;
}
