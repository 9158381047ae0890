/* What the server counts, as Prometheus reads it: text format 0.0.4. */
#include "serve/server.h"

static const int statuses[LT_STATUSES] = { 200, 204, 400, 401, 403, 404, 405, 413, LT_CLIENT_GONE, 500, 503, 0 };

int lt_status_place(int status)
{
    int i = 0;
    while (statuses[i] && statuses[i] != status) i++;
    return i;
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static void put_label(struct lt_buf *b, const char *text)
{
    for (; *text; text++)
        if (*text == '\n') lt_buf_str(b, "\\n");
        else lt_buf_fmt(b, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void put_head(struct lt_buf *b, const char *name, const char *help, const char *type)
{
    lt_buf_fmt(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_times(const struct lt_server *s, struct lt_buf *b, const char *name, const char *help, bool first)
{
    put_head(b, name, help, "histogram");
    for (int i = 0; i < s->models; i++) {
        struct lt_buf label = { 0 };
        lt_buf_str(&label, "model=\"");
        put_label(&label, s->model[i].name);
        lt_buf_char(&label, '"');
        lt_times_put(first ? &s->model[i].times.first_token : &s->model[i].times.whole, name, label.p, b);
        lt_buf_free(&label);
    }
}

/* Of what a model counts, the part of each adapter. */
static void put_adapters(const struct lt_server *s, struct lt_buf *b)
{
    static const struct { const char *name, *help; } row[] = {
        { "lathe_adapter_requests_total", "Requests answered with an adapter." },
        { "lathe_adapter_prompt_tokens_total", "Tokens of their prompts." },
        { "lathe_adapter_written_tokens_total", "Tokens written for them." },
    };
    struct lt_called n;
    bool some = false;
    for (int i = 0; i < s->models; i++) some |= s->model[i].adapters > 0;
    for (int k = 0; k < LT_COUNT(row) && some; k++) {
        put_head(b, row[k].name, row[k].help, "counter");
        for (int i = 0; lt_server_called(s, i, &n); i++) {
            if (!n.adapter) continue;
            const int64_t value[] = { n.adapter->requests, n.adapter->prompt_tokens, n.adapter->written_tokens };
            lt_buf_fmt(b, "%s{model=\"", row[k].name);
            put_label(b, n.model->name);
            lt_buf_str(b, "\",adapter=\"");
            put_label(b, n.adapter->name);
            lt_buf_fmt(b, "\"} %lld\n", (long long)value[k]);
        }
    }
}

void lt_metrics_put(struct lt_server *s, struct lt_buf *b)
{
    static const struct { const char *name, *help, *type; } row[] = {
        { "lathe_prompt_tokens_total", "Tokens of prompts that were answered.", "counter" },
        { "lathe_written_tokens_total", "Tokens written.", "counter" },
        { "lathe_passes_total", "Passes over the model.", "counter" },
        { "lathe_replies_running", "Replies being written.", "gauge" },
        { "lathe_replies_waiting", "Replies that wait for a place.", "gauge" },
    };
    put_head(b, "lathe_requests_total", "Requests answered, by status.", "counter");
    for (int i = 0; statuses[i]; i++)
        lt_buf_fmt(b, "lathe_requests_total{status=\"%d\"} %lld\n", statuses[i], (long long)s->answered[i]);
    for (int i = 0; i < LT_COUNT(row); i++) {
        put_head(b, row[i].name, row[i].help, row[i].type);
        for (int m = 0; m < s->models; m++) {
            struct lt_engine_sums sums = lt_engine_sums(s->model[m].engine);
            const int64_t value[] = { sums.prompt_tokens, sums.written_tokens, sums.passes, sums.running,
                                      sums.waiting };
            lt_buf_fmt(b, "%s{model=\"", row[i].name);
            put_label(b, s->model[m].name);
            lt_buf_fmt(b, "\"} %lld\n", (long long)value[i]);
        }
    }
    put_adapters(s, b);
    put_times(s, b, "lathe_time_to_first_token_seconds", "From the head of a request to its first token.", true);
    put_times(s, b, "lathe_request_seconds", "From the head of a request to the end of its reply.", false);
}
