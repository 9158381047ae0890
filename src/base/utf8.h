/* UTF-8, well-formed as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LT_UTF8_H
#define LT_UTF8_H

#include "base/base.h"

/* Offset of the first byte that is not part of well-formed UTF-8; n when there is none.  NUL is a character. */
size_t lt_utf8_bad(const char *p, size_t n);
/* The same, but NUL is none: whatever is read as text is checked so. */
size_t lt_text_check(const char *p, size_t n);
/* Bytes from p on, at least one, until well-formed UTF-8 begins again. */
size_t lt_utf8_bad_run(const char *p, size_t n);
/* Bytes at p, n > 0, that are read as one: a character (*good), or else the longest beginning of one, at least a byte.
 * *more: the text ends where only the rest of a character lacks. */
size_t lt_utf8_part(const char *p, size_t n, bool *good, bool *more);

/* The character at p in well-formed UTF-8 and its length. */
static inline int lt_utf8_get(const char *p, uint32_t *c)
{
    const uint8_t *u = (const uint8_t *)p;
    if (u[0] < 0x80) {
        *c = u[0];
        return 1;
    }
    if (u[0] < 0xE0) {
        *c = (uint32_t)(u[0] & 0x1F) << 6 | (u[1] & 0x3F);
        return 2;
    }
    if (u[0] < 0xF0) {
        *c = (uint32_t)(u[0] & 0x0F) << 12 | (uint32_t)(u[1] & 0x3F) << 6 | (u[2] & 0x3F);
        return 3;
    }
    *c = (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3F) << 12 | (uint32_t)(u[2] & 0x3F) << 6 | (u[3] & 0x3F);
    return 4;
}
/* What the second byte may be behind a first one: later or earlier than 80 .. BF where forms would be overlong,
 * surrogates, or above U+10FFFF. */
static inline void lt_utf8_second(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
}
static inline int lt_utf8_size(char first)
{
    uint8_t u = (uint8_t)first;
    return u < 0x80 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}

#endif
