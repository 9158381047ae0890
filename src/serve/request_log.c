#include "serve/request_log.h"
#include "base/ctx.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- histograms ---- */

static const double bound[LT_TIME_BUCKETS] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };

void lt_times_add(struct lt_times *t, double seconds)
{
    int i = 0;
    while (i < LT_TIME_BUCKETS && seconds > bound[i]) i++;
    t->bucket[i]++;
    t->microseconds += (int64_t)(seconds * 1e6);
}

void lt_times_put(const struct lt_times *t, const char *name, const char *labels, struct lt_buf *b)
{
    int64_t count = 0;
    for (int i = 0; i < LT_TIME_BUCKETS; i++) {
        count += t->bucket[i];
        lt_buf_fmt(b, "%s_bucket{%s,le=\"%g\"} %lld\n", name, labels, bound[i], (long long)count);
    }
    count += t->bucket[LT_TIME_BUCKETS];
    lt_buf_fmt(b, "%s_bucket{%s,le=\"+Inf\"} %lld\n", name, labels, (long long)count);
    lt_buf_fmt(b, "%s_sum{%s} %.6f\n%s_count{%s} %lld\n", name, labels, (double)t->microseconds / 1e6, name, labels,
               (long long)count);
}

/* ---- the line ---- */

void lt_request_log_begin(struct lt_request_log *l, const char *method, const char *path)
{
    *l = (struct lt_request_log){ .began = lt_clock(), .queue = -1, .first_token = -1, .whole = -1,
                                  .prompt_tokens = -1, .written_tokens = -1 };
    snprintf(l->method, sizeof l->method, "%s", method);
    snprintf(l->path, sizeof l->path, "%s", path);
}

void lt_request_log_exchange(struct lt_request_log *l, const struct lt_exchange *x)
{
    int prompts = lt_exchange_prompts(x);
    memcpy(l->id, x->id, sizeof l->id);
    l->model = lt_exchange_model(x);
    l->prompt_tokens = l->written_tokens = 0;
    for (int i = 0; i < prompts; i++) l->prompt_tokens += x->prompt[i].count;
    for (int i = 0; i < x->slots; i++) l->written_tokens += x->slot[i].reply.count;
    if (x->begun_at > 0) l->queue = x->begun_at - x->asked_at;
    if (x->first_at > 0) l->first_token = x->first_at - l->began;
}

/* Quoted and escaped; what is no printable ASCII is escaped too, so that a line stays a line. */
static void put_text(struct lt_buf *b, const char *text)
{
    lt_buf_char(b, '"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c == '"' || *c == '\\') lt_buf_fmt(b, "\\%c", *c);
        else if (*c < 0x20 || *c >= 0x7f) lt_buf_fmt(b, "\\u%04x", *c);
        else lt_buf_char(b, (char)*c);
    lt_buf_char(b, '"');
}

static bool is_plain(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c <= 0x20 || *c >= 0x7f || *c == '"' || *c == '=' || *c == '\\') return false;
    return *text;
}

static void put_key(struct lt_buf *b, bool json, const char *key)
{
    if (json) lt_buf_fmt(b, "%s\"%s\":", b->n ? "," : "{", key);
    else lt_buf_fmt(b, "%s%s=", b->n ? " " : "", key);
}

static void put_word(struct lt_buf *b, bool json, const char *key, const char *text)
{
    put_key(b, json, key);
    if (json || !is_plain(text)) put_text(b, text);
    else lt_buf_str(b, text);
}

static void put_count(struct lt_buf *b, bool json, const char *key, int64_t n)
{
    if (n < 0) return;
    put_key(b, json, key);
    lt_buf_fmt(b, "%lld", (long long)n);
}

static void put_ms(struct lt_buf *b, bool json, const char *key, double seconds)
{
    if (seconds < 0) return;
    put_key(b, json, key);
    lt_buf_fmt(b, "%.1f", seconds * 1e3);
}

void lt_request_log_put(const struct lt_request_log *l, bool json, struct lt_buf *b)
{
    struct timespec now;
    struct tm at;
    char stamp[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &at);
    size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &at);
    snprintf(stamp + n, sizeof stamp - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
    put_word(b, json, "time", stamp);
    put_word(b, json, "method", l->method);
    put_word(b, json, "path", l->path);
    put_count(b, json, "status", l->status);
    if (l->cut) put_word(b, json, "client", "gone");
    if (l->id[0]) put_word(b, json, "id", l->id);
    if (l->model) put_word(b, json, "model", l->model);
    put_count(b, json, "prompt_tokens", l->prompt_tokens);
    put_count(b, json, "written_tokens", l->written_tokens);
    put_ms(b, json, "queue_ms", l->queue);
    put_ms(b, json, "first_token_ms", l->first_token);
    put_ms(b, json, "total_ms", l->whole);
    if (json) lt_buf_char(b, '}');
}
