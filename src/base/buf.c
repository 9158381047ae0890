/* Growing byte buffer. */
#include "base/base.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *lt_buf_room(struct lt_buf *b, size_t n)
{
    assert(n < SIZE_MAX / 4 && b->n < SIZE_MAX / 4);
    if (b->cap - b->n < n + 1) {            /* one more for the NUL */
        b->cap = LT_MAX(b->n + n + 1, b->cap + b->cap / 2);
        b->cap = LT_MAX(b->cap, 64);
        b->p = lt_realloc(b->p, b->cap);
    }
    return b->p + b->n;
}

void lt_buf_put(struct lt_buf *b, const void *p, size_t n)
{
    char *at = lt_buf_room(b, n);
    if (n)
        memcpy(at, p, n);
    b->n += n;
    b->p[b->n] = 0;
}

void lt_buf_str(struct lt_buf *b, const char *z)
{
    lt_buf_put(b, z, strlen(z));
}

void lt_buf_char(struct lt_buf *b, char c)
{
    lt_buf_put(b, &c, 1);
}

void lt_buf_fmt(struct lt_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = 128;
    int n = vsnprintf(lt_buf_room(b, room), room + 1, fmt, ap);
    assert(n >= 0);
    if ((size_t)n > room)
        vsnprintf(lt_buf_room(b, (size_t)n), (size_t)n + 1, fmt, again);
    b->n += (size_t)n;
    va_end(again);
    va_end(ap);
}

void lt_buf_clear(struct lt_buf *b)
{
    b->n = 0;
    if (b->p)
        b->p[0] = 0;
}

void lt_buf_free(struct lt_buf *b)
{
    free(b->p);
    *b = (struct lt_buf){ 0 };
}
