/* GET /openapi.json: an OpenAPI 3.1 description of every endpoint, made from the tables that read requests. */
#include "serve/openapi.h"

#include "serve/call.h"
#include <string.h>

static void put_error_schemas(struct lt_buf *b)
{
    lt_buf_str(b, "\"Error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{"
                  "\"type\":\"object\",\"required\":[\"message\",\"type\",\"param\",\"code\"],\"properties\":{"
                  "\"message\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
                  "\"param\":{\"type\":[\"string\",\"null\"]},\"code\":{\"type\":[\"string\",\"null\"]}}}}},"
                  "\"OllamaError\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{"
                  "\"error\":{\"type\":\"string\"}}}");
}

static void put_schemas(struct lt_buf *b)
{
    const struct lt_endpoint *e;
    lt_buf_str(b, "\"schemas\":{");
    put_error_schemas(b);
    for (int i = 0; (e = lt_endpoint_at(i)); i++) {
        if (!e->body) continue;
        lt_buf_fmt(b, ",\"%s\":", e->body->name);
        lt_body_schema(e->body, b);
    }
    lt_buf_char(b, '}');
}

static void put_answer(struct lt_buf *b, const struct lt_endpoint *e)
{
    lt_buf_str(b, "\"200\":{\"description\":\"the reply\",\"content\":{");
    if (e->reply) lt_buf_fmt(b, "\"application/json\":{\"schema\":%s}", e->reply);
    else lt_buf_fmt(b, "\"%s\":{\"schema\":{\"type\":\"string\"}}", e->type);
    if (e->streams) lt_buf_fmt(b, ",\"%s\":{\"schema\":{}}", e->streams);
    lt_buf_str(b, "}}");
}

static void put_faults(struct lt_buf *b, const struct lt_endpoint *e)
{
    static const struct { int status; const char *what; bool of_body, of_key; } row[] = {
        { 400, "the request is refused; the message says why", true, false },
        { 401, "a key is needed", false, true },
        { 403, "a page of another site, or another name of this server", false, false },
        { 404, "there is no such model", false, true },
        { 413, "the body is too long", true, false },
        { 500, "the reply could not be written", true, false },
        { 503, "too much is asked at once, or the server stops; try again", false, false },
    };
    const char *schema = !strncmp(e->path, "/api/", 5) ? "OllamaError" : "Error";
    for (int i = 0; i < LT_COUNT(row); i++) {
        bool tokenizer = row[i].status == 400 && !e->open;          /* some need one, and say when there is none */
        if ((row[i].of_body && !e->body && !tokenizer) || (row[i].of_key && e->open)) continue;
        lt_buf_fmt(b, ",\"%d\":{\"description\":\"%s\",\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
                   "\"#/components/schemas/%s\"}}}}", row[i].status, row[i].what, schema);
    }
}

static void put_parameter(struct lt_buf *b, const char *name, bool path)
{
    lt_buf_fmt(b, "\"parameters\":[{\"name\":\"%s\",\"in\":\"%s\",\"required\":%s,\"schema\":{\"type\":\"string\","
               "\"minLength\":1}}],", name, path ? "path" : "query", path ? "true" : "false");
}

static void put_operation(struct lt_buf *b, const struct lt_endpoint *e)
{
    lt_buf_fmt(b, "\"%s\":{\"summary\":", strcmp(e->method, "GET") ? "post" : "get");
    lt_json_put_text(b, lt_str(e->brief));
    lt_buf_char(b, ',');
    if (e->open) lt_buf_str(b, "\"security\":[],");
    if (strchr(e->path, '{')) put_parameter(b, "id", true);
    else if (e->query) put_parameter(b, e->query, false);
    if (e->body)
        lt_buf_fmt(b, "\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"$ref\":"
                   "\"#/components/schemas/%s\"}}}},", e->body->name);
    lt_buf_str(b, "\"responses\":{");
    put_answer(b, e);
    put_faults(b, e);
    lt_buf_str(b, "}}");
}

void lt_openapi_put(struct lt_buf *b)
{
    const struct lt_endpoint *e;
    lt_buf_str(b, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"lathe serve\",\"version\":\"" LATHE_VERSION "\","
                  "\"description\":\"Language models over HTTP, as clients of OpenAI and of Ollama ask for them.\"},"
                  "\"security\":[{\"key\":[]}],\"components\":{\"securitySchemes\":{\"key\":{\"type\":\"http\","
                  "\"scheme\":\"bearer\"}},");
    put_schemas(b);
    lt_buf_str(b, "},\"paths\":{");
    for (int i = 0; (e = lt_endpoint_at(i)); i++) {
        lt_buf_fmt(b, "%s\"%s\":{", i ? "," : "", e->path);
        put_operation(b, e);
        lt_buf_char(b, '}');
    }
    lt_buf_str(b, "}}\n");
}

int lt_answer_openapi(struct lt_call *c, struct lt_fault *f)
{
    (void)f;
    lt_openapi_put(&c->out);
    return 0;
}
