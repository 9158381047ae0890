#include "serve/fault.h"
#include "base/json.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int lt_fault_set(struct lt_fault *f, int status, const char *param, const char *code, const char *fmt, ...)
{
    va_list ap;
    if (f->status) return -1;
    *f = (struct lt_fault){ .status = status, .code = code, .param = param ? lt_strdup(param) : NULL,
                            .plain = f->plain,
                            .type = status == 401 ? "authentication_error" : status < 500 ? "invalid_request_error"
                            : "server_error" };
    va_start(ap, fmt);
    if (vasprintf(&f->message, fmt, ap) < 0) f->message = NULL;
    va_end(ap);
    return -1;
}

void lt_fault_release(struct lt_fault *f)
{
    free(f->param);
    free(f->message);
    *f = (struct lt_fault){ 0 };
}

/* Messages may quote what a client sent, cut anywhere. */
static void put_text(struct lt_buf *b, const char *text)
{
    if (text) lt_json_put_text(b, lt_str(text));
    else lt_buf_str(b, "null");
}

void lt_fault_put(struct lt_buf *b, const struct lt_fault *f)
{
    lt_buf_str(b, f->plain ? "{\"error\":" : "{\"error\":{\"message\":");
    put_text(b, f->message ? f->message : "");
    if (!f->plain) {
        lt_buf_fmt(b, ",\"type\":\"%s\",\"param\":", f->type);
        put_text(b, f->param);
        lt_buf_str(b, ",\"code\":");
        put_text(b, f->code);
        lt_buf_char(b, '}');
    }
    lt_buf_char(b, '}');
}
