/* Character classes, over utf8proc's tables. */
#include "text/tok_char.h"
#include <string.h>
#include <utf8proc.h>

#define O LT_CHAR_OTHER
#define L LT_CHAR_LETTER
#define N LT_CHAR_NUMBER
#define S LT_CHAR_SPACE
const uint8_t lt_char_ascii[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O,  O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,  N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,  L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,  L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
};
#undef O
#undef L
#undef N
#undef S

static utf8proc_category_t category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

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
    uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;         /* overlong forms */
    uint8_t high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;        /* surrogates, above U+10FFFF */
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
    /* the second byte of these begins later or ends earlier than 80..BF */
    uint8_t low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80, high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F
                                                                                                               : 0xBF;
    for (; i < n && i < whole && p[i] >= low && p[i] <= high; i++) low = 0x80, high = 0xBF;
    *more = i == n;
    return i;
}

int lt_utf8_put(char *p, uint32_t c)
{
    return (int)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)p);
}

bool lt_char_is_space(uint32_t c)
{
    if (c < 128)
        return lt_char_ascii[c] == LT_CHAR_SPACE;
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

enum lt_char_class lt_char_class_wide(uint32_t c)
{
    utf8proc_category_t k = category(c);
    if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO)
        return LT_CHAR_LETTER;
    if (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO)
        return LT_CHAR_NUMBER;
    return lt_char_is_space(c) ? LT_CHAR_SPACE : LT_CHAR_OTHER;
}

bool lt_char_is_number(uint32_t c)
{
    return lt_char_class(c) == LT_CHAR_NUMBER;
}

bool lt_char_is_punct(uint32_t c)
{
    if (c < 128)
        return c > 32 && c < 127 && lt_char_ascii[c] == LT_CHAR_OTHER;
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool lt_char_is_word(uint32_t c)
{
    utf8proc_category_t k = category(c);
    if ((k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NL) || k == UTF8PROC_CATEGORY_PC)
        return true;                                    /* letters, marks, decimal digits, letter numbers */
    return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool lt_char_is_mark(uint32_t c)
{
    return c >= 0x300 && category(c) == UTF8PROC_CATEGORY_MN;
}

bool lt_char_is_lower(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_LL;
}

bool lt_char_is_upper(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_LU || category(c) == UTF8PROC_CATEGORY_LT;
}

bool lt_char_is_control(uint32_t c)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CN ||
           k == UTF8PROC_CATEGORY_CO;
}

bool lt_char_is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

int lt_char_lower(uint32_t c, uint32_t out[2])
{
    if (c == 0x130) {                                   /* the one character whose lower case is two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = c < 128 ? c + (c >= 'A' && c <= 'Z' ? 32 : 0) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}
