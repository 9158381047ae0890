/* Hand-written scanners for the patterns nearly every byte-level tokenizer uses; each gives what the pattern gives
 * (test/diff/tok_scan_test.c), some ten times faster.  A word is decided by the class of its first characters:
 *
 *   GPT-2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   cl100k     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
 *              |\s*[\r\n]+|\s+(?!\S)|\s+
 *   qwen2      the same with \p{N}
 *   starcoder  GPT-2 between numeric characters, each of which is a word (no pattern: Digits, then ByteLevel)
 *
 * White space before a word: all of it but the last character is a word of its own, and the last one either joins
 * the next word (a space, or in cl100k before letters anything but a line end) or stands alone. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <string.h>

const char lt_tok_pattern_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct at { size_t next; enum lt_char_class class; };

/* The class of the character at i and where it ends. */
static inline struct at look(const char *p, size_t i)
{
    uint8_t u = (uint8_t)p[i];
    if (u < 128)
        return (struct at){ i + 1, (enum lt_char_class)lt_char_ascii[u] };
    uint32_t c;
    int size = lt_utf8_get(p + i, &c);
    return (struct at){ i + (size_t)size, lt_char_class_wide(c) };
}

/* End of the run of one class from i on. */
static inline size_t run(const char *p, size_t n, size_t i, enum lt_char_class class)
{
    while (i < n) {
        struct at a = look(p, i);
        if (a.class != class)
            break;
        i = a.next;
    }
    return i;
}

static inline size_t line_ends(const char *p, size_t n, size_t i)
{
    while (i < n && (p[i] == '\r' || p[i] == '\n'))
        i++;
    return i;
}

/* Length of 's 't 're 've 'm 'll 'd at i, where p[i] is the apostrophe; 0: none. */
static inline size_t contraction(const char *p, size_t n, size_t i, bool any_case)
{
    if (n - i < 2)
        return 0;
    uint8_t a = (uint8_t)p[i + 1], b = n - i > 2 ? (uint8_t)p[i + 2] : 0;
    if (any_case) {
        if (a == 0xC5 && b == 0xBF)                     /* U+017F, whose capital is S */
            return 3;
        a = a >= 'A' && a <= 'Z' ? a + 32 : a;
        b = b >= 'A' && b <= 'Z' ? b + 32 : b;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ from i, where the run of white space ends at `end`: without its last character when text follows. */
static inline size_t spaces(const char *p, size_t n, size_t i, size_t end)
{
    if (end == n)
        return end;
    size_t last = end - 1;
    while (((uint8_t)p[last] & 0xC0) == 0x80)
        last--;
    return last > i ? last : end;
}

/* With digits, every numeric character is a word, and what lies before one ends as a text ends. */
static inline size_t scan_gpt2_family(const char *p, size_t n, size_t i, bool digits)
{
    if (p[i] == '\'') {
        size_t c = contraction(p, n, i, false);
        if (c)
            return i + c;
    }
    struct at a = look(p, i);
    if (digits && a.class == LT_CHAR_NUMBER)
        return a.next;
    if (p[i] == ' ' && i + 1 < n) {
        struct at b = look(p, i + 1);
        if (digits && b.class == LT_CHAR_NUMBER)
            return i + 1;
        a = b;
    }
    if (a.class != LT_CHAR_SPACE)
        return run(p, n, a.next, a.class);
    size_t end = run(p, n, a.next, LT_CHAR_SPACE);
    if (digits && end < n && look(p, end).class == LT_CHAR_NUMBER)
        return end;
    return spaces(p, n, i, end);
}

static size_t scan_gpt2(const char *p, size_t n, size_t i)
{
    return scan_gpt2_family(p, n, i, false);
}

size_t lt_tok_scan_gpt2_digits(const char *p, size_t n, size_t i)
{
    return scan_gpt2_family(p, n, i, true);
}

static inline size_t scan_cl100k_family(const char *p, size_t n, size_t i, int digits)
{
    if (p[i] == '\'') {
        size_t c = contraction(p, n, i, true);
        if (c)
            return i + c;
    }
    struct at a = look(p, i);
    if (a.class == LT_CHAR_LETTER)
        return run(p, n, a.next, LT_CHAR_LETTER);
    if (a.class == LT_CHAR_NUMBER) {
        for (int k = 1; k < digits && a.next < n; k++) {
            struct at b = look(p, a.next);
            if (b.class != LT_CHAR_NUMBER)
                break;
            a = b;
        }
        return a.next;
    }
    struct at b = { a.next, LT_CHAR_SPACE };
    if (a.next < n)
        b = look(p, a.next);
    if (a.next < n && b.class == LT_CHAR_LETTER && p[i] != '\r' && p[i] != '\n')
        return run(p, n, b.next, LT_CHAR_LETTER);
    if (a.class == LT_CHAR_OTHER)
        return line_ends(p, n, run(p, n, a.next, LT_CHAR_OTHER));
    if (p[i] == ' ' && a.next < n && b.class == LT_CHAR_OTHER)
        return line_ends(p, n, run(p, n, b.next, LT_CHAR_OTHER));
    size_t end = run(p, n, i, LT_CHAR_SPACE), line = end;
    while (line > i && p[line - 1] != '\r' && p[line - 1] != '\n')
        line--;
    return line > i ? line : spaces(p, n, i, end);      /* \s*[\r\n]+ reaches the last line end of the run */
}

static size_t scan_cl100k(const char *p, size_t n, size_t i)
{
    return scan_cl100k_family(p, n, i, 3);
}

static size_t scan_qwen2(const char *p, size_t n, size_t i)
{
    return scan_cl100k_family(p, n, i, 1);
}

lt_tok_scan_fn *lt_tok_scan_find(struct lt_str pattern)
{
#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    static const struct { const char *pattern; lt_tok_scan_fn *fn; } known[] = {
        { lt_tok_pattern_gpt2, scan_gpt2 },
        { "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", scan_gpt2 },
        { ENDINGS "\\p{N}{1,3}" REST, scan_cl100k },
        { ENDINGS "\\p{N}" REST, scan_qwen2 },
    };
#undef ENDINGS
#undef REST
    for (int i = 0; i < LT_COUNT(known); i++)
        if (lt_str_is(pattern, known[i].pattern))
            return known[i].fn;
    return NULL;
}
