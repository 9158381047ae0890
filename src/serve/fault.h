/* Why a request is refused, as the error of a reply. */
#ifndef LT_FAULT_H
#define LT_FAULT_H

#include "base/base.h"

/* release with lt_fault_release. */
struct lt_fault {
    int status;                                 /* of HTTP; 0: no fault */
    const char *type, *code;
    char *param, *message;                      /* param NULL: no one field */
    bool plain;                                 /* written as Ollama does */
};
/* Always -1.  The first fault stands. */
int lt_fault_set(struct lt_fault *f, int status, const char *param, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void lt_fault_release(struct lt_fault *f);
/* {"error":{"message","type","param","code"}}; plain: {"error":MESSAGE} */
void lt_fault_put(struct lt_buf *b, const struct lt_fault *f);

#endif
