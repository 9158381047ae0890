/* What became of one request: a line of the log, and the sums that /metrics shows. */
#ifndef LT_REQUEST_LOG_H
#define LT_REQUEST_LOG_H

#include "serve/engine.h"
#include <stdatomic.h>

enum { LT_TIME_BUCKETS = 13 };
struct lt_times { _Atomic int64_t bucket[LT_TIME_BUCKETS + 1], microseconds; };    /* the last bucket: any time */
struct lt_time_sums { struct lt_times first_token, whole; };
void lt_times_add(struct lt_times *t, double seconds);
/* Lines of a Prometheus histogram; labels: `model="small"`. */
void lt_times_put(const struct lt_times *t, const char *name, const char *labels, struct lt_buf *b);

enum { LT_CLIENT_GONE = 499 };                  /* status, in the log alone, of a client that went away unanswered */
struct lt_request_log {
    const char *model;                          /* borrowed; NULL: none was asked */
    char method[24], path[128], id[40];
    int status;
    bool cut;                                   /* the client went away in the middle of its reply */
    double began, queue, first_token, whole;    /* began: by lt_clock; the others seconds, negative: there was none */
    int64_t prompt_tokens, written_tokens;      /* -1: no tokens were asked for */
};
void lt_request_log_begin(struct lt_request_log *l, const char *method, const char *path);
/* What a finished exchange says. */
void lt_request_log_exchange(struct lt_request_log *l, const struct lt_exchange *x);
/* One line without its end, in logfmt, or as a JSON object. */
void lt_request_log_put(const struct lt_request_log *l, bool json, struct lt_buf *b);

#endif
