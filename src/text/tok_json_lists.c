/* Pieces and merges of a tokenizer.json without a document of them: they are nearly all of a file, and a program that
 * answers at once must not spend its time on a hundred thousand small objects.
 *
 * What is taken is a part of what JSON allows, checked as strictly; the rest is left to the reader of whole documents,
 * which also finds the words for what is wrong. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

struct scan { const char *p, *end; struct lt_arena *arena; };

/* ---- parts of JSON ---- */
static bool take(struct scan *s, char c)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Past the closing quote of a string whose opening one is behind. */
static bool skip_string(struct scan *s, bool *escaped)
{
    for (*escaped = false; s->p < s->end && (uint8_t)*s->p >= 0x20; s->p++) {
        if (*s->p == '"') {
            s->p++;
            return true;
        }
        if (*s->p == '\\') {
            *escaped = true;
            if (++s->p == s->end)
                return false;
        }
    }
    return false;
}

/* Four hexadecimal digits: -1 when they are not. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t x = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0)
            return -1;
        x = 16 * x + d;
    }
    return x;
}

/* The character of \uXXXX or of a pair of them, *p behind the u; 0: it is none, or NUL. */
static uint32_t unicode(const char **p, const char *end)
{
    int32_t c = hex4(*p, end);
    if (c <= 0 || (c >= 0xDC00 && c < 0xE000))
        return 0;
    *p += 4;
    if (c < 0xD800 || c >= 0xE000)
        return (uint32_t)c;
    if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return 0;
    const int32_t low = hex4(*p + 2, end);
    *p += 6;
    return low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((uint32_t)(c - 0xD800) << 10) + (uint32_t)(low - 0xDC00) : 0;
}

/* What escapes stand for is never longer than they are. */
static bool unescape(struct scan *s, const char *p, const char *end, struct lt_str *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char *text = lt_arena_take(s->arena, (size_t)(end - p) + 1);
    size_t n = 0;
    while (p < end) {
        if (*p != '\\') {
            text[n++] = *p++;
            continue;
        }
        const char *at = *++p && *p != 'u' ? strchr(from, *p) : NULL;
        if (at) {
            text[n++] = to[at - from];
            p++;
            continue;
        }
        if (*p++ != 'u')
            return false;
        const uint32_t c = unicode(&p, end);
        if (!c)
            return false;
        n += (size_t)lt_utf8_put(text + n, c);
    }
    *out = (struct lt_str){ text, n };
    return true;
}

static bool string(struct scan *s, struct lt_str *out)
{
    bool escaped;
    if (!take(s, '"'))
        return false;
    const char *from = s->p;
    if (!skip_string(s, &escaped))
        return false;
    *out = (struct lt_str){ from, (size_t)(s->p - 1 - from) };
    return !escaped || unescape(s, from, s->p - 1, out);
}

/* A value of any kind, of which only strings and brackets are looked at: ends before the comma or bracket after it. */
static bool skip_value(struct scan *s)
{
    bool escaped;
    for (int64_t depth = 0; s->p < s->end; s->p++) {
        const char c = *s->p;
        if (c == '"') {
            s->p++;
            if (!skip_string(s, &escaped))
                return false;
            s->p--;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth-- == 0)
                return true;
        } else if (c == ',' && depth == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the two lists ---- */
static void *grown(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? 2 * *cap : 4096;
    return lt_realloc(at, *cap * size);
}

/* {"piece": id, ...} behind its bracket. */
static bool scan_vocab(struct scan *s, struct lt_tok_lists *l)
{
    size_t cap = 0;
    if (take(s, '}'))
        return true;
    do {
        l->piece = grown(l->piece, l->count, &cap, sizeof *l->piece);
        struct lt_tok_numbered *piece = &l->piece[l->count++];
        if (l->count > LT_TOK_IDS_MAX || !string(s, &piece->text) || !take(s, ':'))
            return false;
        while (s->p < s->end && *s->p == ' ')
            s->p++;
        const char *digit = s->p;
        for (piece->id = 0; s->p < s->end && *s->p >= '0' && *s->p <= '9' && s->p - digit < 9; s->p++)
            piece->id = 10 * piece->id + *s->p - '0';
        if (s->p == digit || (*digit == '0' && s->p - digit > 1))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

/* ["a b", ...] or [["a", "b"], ...] behind its bracket. */
static bool scan_merge(struct scan *s, struct lt_str side[2])
{
    struct lt_str all;
    if (take(s, '['))
        return string(s, &side[0]) && take(s, ',') && string(s, &side[1]) && take(s, ']');
    if (!string(s, &all))
        return false;
    const char *space = memchr(all.p, ' ', all.n);
    if (!space)
        return false;
    side[0] = (struct lt_str){ all.p, (size_t)(space - all.p) };
    side[1] = (struct lt_str){ space + 1, all.n - side[0].n - 1 };
    return !memchr(side[1].p, ' ', side[1].n);
}

static bool scan_merges(struct scan *s, struct lt_tok_lists *l)
{
    size_t cap = 0;
    if (take(s, ']'))
        return true;
    do {
        l->merge = grown(l->merge, l->merge_count, &cap, sizeof *l->merge);
        if (!scan_merge(s, l->merge[l->merge_count++].side))
            return false;
    } while (take(s, ','));
    return take(s, ']');
}

/* Copies what was passed and spells an empty list instead of what `list` reads. */
static bool replace(struct scan *s, struct lt_tok_lists *l, const char **copied, const char *empty,
                    bool (*list)(struct scan *s, struct lt_tok_lists *l))
{
    if (!take(s, empty[0]))
        return false;
    lt_buf_put(&l->rest, *copied, (size_t)(s->p - 1 - *copied));
    lt_buf_str(&l->rest, empty);
    if (!list(s, l))
        return false;
    *copied = s->p;
    return true;
}

static bool scan_model(struct scan *s, struct lt_tok_lists *l, const char **copied)
{
    struct lt_str key;
    if (!take(s, '{'))
        return false;
    do {
        if (!string(s, &key) || !take(s, ':'))
            return false;
        const bool vocab = lt_str_is(key, "vocab"), merges = lt_str_is(key, "merges");
        if ((vocab && l->has_vocab) || (merges && l->has_merges))
            return false;
        if (vocab && !(l->has_vocab = replace(s, l, copied, "{}", scan_vocab)))
            return false;
        if (merges && !(l->has_merges = replace(s, l, copied, "[]", scan_merges)))
            return false;
        if (!vocab && !merges && !skip_value(s))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

bool lt_tok_lists_scan(struct lt_str text, struct lt_tok_lists *l)
{
    *l = (struct lt_tok_lists){ 0 };
    struct scan s = { text.p, text.p + text.n, &l->arena };
    const char *copied = text.p;
    struct lt_str key;
    if (!text.n || lt_utf8_bad(text.p, text.n) < text.n || !take(&s, '{'))
        return false;
    do {
        if (!string(&s, &key) || !take(&s, ':'))
            return false;
        if (lt_str_is(key, "model") ? l->has_vocab || !scan_model(&s, l, &copied) : !skip_value(&s))
            return false;
    } while (take(&s, ','));
    lt_buf_put(&l->rest, copied, (size_t)(text.p + text.n - copied));
    return l->has_vocab;
}

void lt_tok_lists_free(struct lt_tok_lists *l)
{
    free(l->piece);
    free(l->merge);
    lt_buf_free(&l->rest);
    lt_arena_free(&l->arena);
}
