#include "base/utf8.h"
#include <string.h>

/* Length of the well-formed character at p, 0 when there is none. */
static size_t well_formed(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    size_t size = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n < size)
        return 0;
    uint8_t low, high;
    lt_utf8_second(p[0], &low, &high);
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

size_t lt_utf8_bad(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < n;) {
        uint64_t eight;
        while (n - i >= 8 && (memcpy(&eight, p + i, 8), !(eight & UINT64_C(0x8080808080808080))))
            i += 8;
        if (i == n)
            return n;
        size_t size = well_formed(p + i, n - i);
        if (!size)
            return i;
        i += size;
    }
    return n;
}

size_t lt_text_check(const char *text, size_t n)
{
    size_t bad = lt_utf8_bad(text, n);
    const char *nul = bad ? memchr(text, '\0', bad) : NULL;
    return nul ? (size_t)(nul - text) : bad;
}

size_t lt_utf8_bad_run(const char *p, size_t n)
{
    size_t i = 1;
    while (i < n && !well_formed((const uint8_t *)p + i, n - i))
        i++;
    return i;
}

size_t lt_utf8_part(const char *text, size_t n, bool *good, bool *more)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t size = well_formed(p, n), i = 1;
    *good = size > 0;
    *more = false;
    if (size) return size;
    if (p[0] < 0xC2 || p[0] > 0xF4) return 1;
    size_t whole = (size_t)lt_utf8_size(text[0]);
    uint8_t low, high;
    lt_utf8_second(p[0], &low, &high);
    for (; i < n && i < whole && p[i] >= low && p[i] <= high; i++) low = 0x80, high = 0xBF;
    *more = i == n;
    return i;
}
