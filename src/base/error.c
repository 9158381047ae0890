/* The error slot of a thread: one sentence and whose fault it is. */
#include "base/base.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The one exception to "no mutable file-scope variables": an error must outlive the call that failed. */
static _Thread_local struct { char text[2048]; bool misuse; } slot;

/* The new sentence is built aside first, since the old one may be among its arguments.  A sentence that carries
 * the old one only adds context, so it keeps the old one's fault. */
static void set(bool misuse, const char *fmt, va_list ap)
{
    char text[sizeof slot.text];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n < 0)
        strcpy(text, "an error whose message could not be written");
    bool context = slot.text[0] && strstr(text, slot.text);
    slot.misuse = misuse || (slot.misuse && context);
    memcpy(slot.text, text, sizeof text);
}

int lt_fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(false, fmt, ap);
    va_end(ap);
    return -1;
}

int lt_misuse(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(true, fmt, ap);
    va_end(ap);
    return -1;
}

const char *lt_error(void)
{
    return slot.text[0] ? slot.text : "no error";
}

bool lt_error_is_misuse(void)
{
    return slot.misuse;
}
