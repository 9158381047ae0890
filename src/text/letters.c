#include "text/letters.h"
#include "text/tok_char.h"
#include <utf8proc.h>

int lt_letters(uint32_t c, bool marks, uint32_t out[LT_LETTERS_MAX])
{
    if (c < 128) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return (out[0] >= 'a' && out[0] <= 'z') || (c >= '0' && c <= '9') ? 1 : -1;
    }
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    bool mark = k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
    if (mark && !marks) return 0;
    if (!mark && lt_char_class(c) != LT_CHAR_LETTER && lt_char_class(c) != LT_CHAR_NUMBER) return -1;
    int options = UTF8PROC_CASEFOLD | (marks ? 0 : UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK), last = 0;
    utf8proc_int32_t part[LT_LETTERS_MAX];
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, part, LT_LETTERS_MAX,
                                                 (utf8proc_option_t)options, &last);
    if (n < 0 || n > LT_LETTERS_MAX) {
        out[0] = c;
        return 1;
    }
    for (int i = 0; i < n; i++) out[i] = (uint32_t)part[i];
    return (int)n;
}

int lt_letters_of(struct lt_str word, bool marks, uint32_t *out, int cap)
{
    int n = 0;
    if (lt_utf8_bad(word.p, word.n) < word.n) return -1;
    for (size_t at = 0; at < word.n;) {
        uint32_t c, part[LT_LETTERS_MAX] = { '\'' };
        at += (size_t)lt_utf8_get(word.p + at, &c);
        int k = n && at < word.n && lt_is_apostrophe(c) ? 1 : lt_letters(c, marks, part);
        if (k < 0 || n + k > cap) return -1;
        for (int i = 0; i < k; i++) out[n++] = part[i];
    }
    return n;
}
