/* Sentencepiece's compiled normaliser: a double array (darts-clone) from byte strings to places in a list of
 * NUL-terminated replacements.  The bytes come from outside: every step is checked against the sizes, and a key or a
 * replacement that is not made of whole characters is none, so that what comes out is UTF-8 as what goes in.
 *
 *   u32 size of the double array in bytes, little-endian; the array of u32; the replacements */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct lt_tok_charsmap { uint32_t *unit, count; char *text; size_t text_n; bool kept[128]; };

static uint32_t offset_of(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

static uint32_t label_of(uint32_t unit)
{
    return unit & (UINT32_C(1) << 31 | 0xFF);
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool continues(char c)                  /* not the first byte of a character */
{
    return ((uint8_t)c & 0xC0) == 0x80;
}

/* The replacement for a key that p begins with: the longest key, or the shortest.  Its length, 0 when there is none. */
static size_t find(const struct lt_tok_charsmap *m, const char *p, size_t n, bool longest, struct lt_str *out)
{
    uint32_t at = offset_of(m->unit[0]);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)p[i];
        at ^= c;
        if (!c || at >= m->count || label_of(m->unit[at]) != c)
            break;
        uint32_t unit = m->unit[at];
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1) || at >= m->count)
            continue;
        size_t text = m->unit[at] & INT32_MAX;
        if (text > m->text_n || continues(m->text[text]) || (i + 1 < n && continues(p[i + 1])))
            continue;
        *out = lt_str(m->text + text);
        found = i + 1;
        if (!longest)
            break;
    }
    return found;
}

/* ASCII characters that stay as they are when an ASCII character follows: no key is one or begins with two of them. */
static void find_kept(struct lt_tok_charsmap *m)
{
    struct lt_str with;
    for (int c = 1; c < 128; c++) {
        char two[2] = { (char)c };
        m->kept[c] = c != '\r' && !find(m, two, 1, true, &with);
        uint32_t first = offset_of(m->unit[0]) ^ (uint32_t)c;
        if (!m->kept[c] || first >= m->count || label_of(m->unit[first]) != (uint32_t)c)
            continue;
        uint32_t base = first ^ offset_of(m->unit[first]);
        for (uint32_t d = 1; d < 128 && m->kept[c]; d++)
            m->kept[c] = (base ^ d) >= m->count || label_of(m->unit[base ^ d]) != d;
    }
}

/* Where the run of such characters from i on ends. */
static size_t kept_run(const struct lt_tok_charsmap *m, const struct lt_tok_view *v, size_t i)
{
    while (i + 1 < v->n && (uint8_t)v->p[i] < 0x80 && m->kept[(uint8_t)v->p[i]] && (uint8_t)v->p[i + 1] < 0x80)
        i++;
    return i;
}

struct lt_tok_charsmap *lt_tok_charsmap_new(struct lt_str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    uint32_t size = bytes.n < 4 ? 0 : u32_at(p);
    if (bytes.n < 4 || size % 4 || size < 1024 || size > bytes.n - 4
        || lt_utf8_bad(bytes.p + 4 + size, bytes.n - 4 - size) < bytes.n - 4 - size) {
        lt_fail("the compiled character map of %zu bytes is damaged", bytes.n);
        return NULL;
    }
    struct lt_tok_charsmap *m = lt_alloc(sizeof *m);
    *m = (struct lt_tok_charsmap){ .count = size / 4, .text_n = bytes.n - 4 - size };
    m->unit = lt_alloc(size);
    for (uint32_t i = 0; i < m->count; i++)
        m->unit[i] = u32_at(p + 4 + 4 * (size_t)i);
    m->text = lt_alloc(m->text_n + 1);
    memcpy(m->text, p + 4 + size, m->text_n);
    m->text[m->text_n] = 0;
    find_kept(m);
    return m;
}

void lt_tok_charsmap_free(struct lt_tok_charsmap *m)
{
    if (!m)
        return;
    free(m->unit);
    free(m->text);
    free(m);
}

/* A changed stretch stands for its whole origin. */
static void put(const struct lt_tok_view *v, size_t begin, size_t end, struct lt_str with, struct lt_tok_text *out)
{
    lt_tok_text_put(out, with.p, with.n, lt_tok_from(v, begin), lt_tok_to(v, end - 1));
}

static void apply_longest(const struct lt_tok_charsmap *m, const struct lt_tok_view *v, struct lt_tok_text *out)
{
    for (size_t i = 0; i < v->n;) {
        size_t same = i;
        i = kept_run(m, v, i);
        lt_tok_text_copy(out, v, same, i);
        struct lt_str with;
        size_t n = find(m, v->p + i, v->n - i, true, &with), size = (size_t)lt_utf8_size(v->p[i]);
        if (n)
            put(v, i, i + n, with, out);
        else
            lt_tok_text_copy(out, v, i, i + size);
        i += n ? n : size;
    }
}

/* Hugging Face's way: a grapheme of fewer than six bytes as a whole, when a key begins it; else its characters. */
static void apply_grapheme(const struct lt_tok_charsmap *m, const struct lt_tok_view *v, size_t begin, size_t end,
                           struct lt_tok_text *out)
{
    struct lt_str with;
    if (end - begin < 6 && find(m, v->p + begin, end - begin, false, &with)) {
        put(v, begin, end, with, out);
        return;
    }
    for (size_t i = begin; i < end;) {
        size_t next = i + (size_t)lt_utf8_size(v->p[i]);
        if (find(m, v->p + i, next - i, false, &with))
            put(v, i, next, with, out);
        else
            lt_tok_text_copy(out, v, i, next);
        i = next;
    }
}

void lt_tok_charsmap_apply(const struct lt_tok_charsmap *m, bool longest, const struct lt_tok_view *v,
                           struct lt_tok_text *out)
{
    if (longest || !v->n) {
        apply_longest(m, v, out);
        return;
    }
    for (size_t begin = 0; begin < v->n;) {
        size_t same = begin;
        begin = kept_run(m, v, begin);                      /* each is a grapheme of its own */
        lt_tok_text_copy(out, v, same, begin);
        utf8proc_int32_t state = 0;
        uint32_t before, c;
        size_t end = begin + (size_t)lt_utf8_get(v->p + begin, &before), size;
        for (; end < v->n; end += size, before = c) {
            size = (size_t)lt_utf8_get(v->p + end, &c);
            if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)c, &state))
                break;
        }
        apply_grapheme(m, v, begin, end, out);
        begin = end;
    }
}
