/* Regular expressions as grammars. */
#include "decode/grammar/grammar.h"
#include "text/tok_char.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 200, REPEAT_MAX = 100000 };
struct reader { struct lt_grammar_builder *b; const char *label; struct lt_str s; size_t at; int depth; };
struct spans { struct lt_gspan *at; int n, cap; };

static int fail(const struct reader *r, const char *what)
{
    return lt_fail("%s: byte %zu of the pattern \"%.*s\": %s", r->label, r->at, (int)LT_MIN(r->s.n, 80), r->s.p, what);
}

static int peek(const struct reader *r) { return r->at < r->s.n ? (unsigned char)r->s.p[r->at] : -1; }

static bool take(struct reader *r, const char *what)
{
    size_t n = strlen(what);
    if (r->s.n - r->at < n || memcmp(r->s.p + r->at, what, n)) return false;
    r->at += n;
    return true;
}

/* ---- classes ---- */
static int put(const struct reader *r, struct spans *s, uint32_t low, uint32_t high)
{
    if (s->n == s->cap) {
        struct lt_gspan *more = lt_arena_take(&r->b->arena, (size_t)(s->cap ? 2 * s->cap : 8) * sizeof *more);
        if (s->n) memcpy(more, s->at, (size_t)s->n * sizeof *more);
        s->at = more;
        s->cap = s->cap ? 2 * s->cap : 8;
    }
    if (low > high) return fail(r, "a range whose ends are the wrong way round");
    s->at[s->n++] = (struct lt_gspan){ low, high };
    return 0;
}

/* \d \w \s over ASCII, as JSON Schema's ECMA 262 has the first two; \s also takes Unicode's spaces. */
static int put_known(const struct reader *r, struct spans *s, char c)
{
    static const struct { char c; struct lt_gspan at[12]; int n; } known[] = {
        { 'd', { { '0', '9' } }, 1 },
        { 'w', { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
        { 's', { { '\t', '\r' }, { ' ', ' ' }, { 0xA0, 0xA0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200A },
                 { 0x2028, 0x2029 }, { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 }, { 0xFEFF, 0xFEFF } },
          10 },
    };
    for (int i = 0; i < LT_COUNT(known); i++) {
        const struct lt_gspan *at = known[i].at;
        int n = known[i].n;
        if (known[i].c == c) {
            for (int k = 0; k < n; k++)
                if (put(r, s, at[k].low, at[k].high)) return -1;
            return 1;
        }
        if (known[i].c != tolower((unsigned char)c)) continue;
        uint32_t next = 0;                      /* the opposite: what lies between */
        for (int k = 0; k < n; k++) {
            if (at[k].low > next && put(r, s, next, at[k].low - 1)) return -1;
            next = at[k].high + 1;
        }
        return put(r, s, next, 0x10FFFF) ? -1 : 1;
    }
    return 0;
}

static int read_hex(struct reader *r, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++) {
        int c = peek(r);
        if (c < 0 || !isxdigit(c)) return fail(r, "an escape with too few digits");
        *out = *out * 16 + (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
        r->at++;
    }
    return 0;
}

/* After a backslash: one character, or 1 when it is a class, which is put into *s. */
static int escape(struct reader *r, struct spans *s, uint32_t *out)
{
    static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v\0";
    int c = peek(r);
    if (c < 0) return fail(r, "a backslash at the end");
    int known = put_known(r, s, (char)c);
    r->at++;
    if (known) return known;
    const char *at = strchr(from, c);
    if (at) *out = (uint8_t)to[at - from];
    else if (c == 'x') return read_hex(r, 2, out);
    else if (c == 'u' && take(r, "{")) {
        size_t end = r->at;
        while (end < r->s.n && r->s.p[end] != '}') end++;
        if (end - r->at > 6 || end == r->s.n || read_hex(r, (int)(end - r->at), out)) return fail(r, "a bad \\u{...}");
        r->at++;
    } else if (c == 'u') {
        uint32_t low;
        if (read_hex(r, 4, out)) return -1;
        if (*out >= 0xD800 && *out < 0xDC00 && take(r, "\\u")) {
            if (read_hex(r, 4, &low)) return -1;
            *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
        }
    } else if (isalnum(c)) return fail(r, "an escape that is not supported");
    else {
        r->at--;
        r->at += (size_t)lt_utf8_get(r->s.p + r->at, out);
    }
    return *out > 0x10FFFF ? fail(r, "an escape that is no character") : 0;
}

/* One end of a range in a class: 0 a character, 1 a class of its own. */
static int class_part(struct reader *r, struct spans *s, uint32_t *out)
{
    if (peek(r) == '\\') {
        r->at++;
        if (peek(r) == 'b') {
            r->at++;
            *out = '\b';
            return 0;
        }
        return escape(r, s, out);
    }
    r->at += (size_t)lt_utf8_get(r->s.p + r->at, out);
    return 0;
}

static struct lt_gx *class(struct reader *r)
{
    struct spans s = { 0 };
    bool not = take(r, "^");
    for (bool first = true; first || peek(r) != ']'; first = false) {
        uint32_t low = 0, high;
        if (peek(r) < 0) return fail(r, "a class without its ]"), NULL;
        if (first && peek(r) == ']') break;     /* ECMA: [] is nothing, [^] anything */
        int is = class_part(r, &s, &low);
        if (is < 0) return NULL;
        high = low;
        if (!is && peek(r) == '-' && r->at + 1 < r->s.n && r->s.p[r->at + 1] != ']') {
            r->at++;
            if (class_part(r, &s, &high)) return fail(r, "a range that ends in a class"), NULL;
        }
        if (!is && put(r, &s, low, high)) return NULL;
    }
    r->at++;
    return lt_gx_class(r->b, s.at, s.n, not);
}

/* ---- expressions ---- */
static struct lt_gx *alternatives(struct reader *r);

static struct lt_gx *atom(struct reader *r)
{
    static const struct lt_gspan line[] = { { '\n', '\n' }, { '\r', '\r' } };
    struct lt_gx *x;
    uint32_t c = 0;
    if (take(r, "(")) {
        if (take(r, "?<") && peek(r) != '=' && peek(r) != '!')
            while (peek(r) >= 0 && !take(r, ">")) r->at++;      /* a name is no matter here */
        else if (!take(r, "?:") && peek(r) == '?') return fail(r, "look-around is not supported"), NULL;
        x = alternatives(r);
        if (x && !take(r, ")")) return fail(r, "a ( without its )"), NULL;
        return x;
    }
    if (take(r, "[")) return class(r);
    if (take(r, ".")) return lt_gx_class(r->b, line, 2, true);
    if (take(r, "\\")) {
        struct spans s = { 0 };
        if (isdigit(peek(r)) && peek(r) != '0') return fail(r, "a reference back is not supported"), NULL;
        if (peek(r) == 'b' || peek(r) == 'B') return fail(r, "\\b is not supported"), NULL;
        if (peek(r) == 'p' || peek(r) == 'P') return fail(r, "\\p is not supported"), NULL;
        int is = escape(r, &s, &c);
        if (is < 0) return NULL;
        return is ? lt_gx_class(r->b, s.at, s.n, false) : lt_gx_class(r->b, &(struct lt_gspan){ c, c }, 1, false);
    }
    if (peek(r) == '^' || peek(r) == '$') return fail(r, "^ and $ stand at the ends only"), NULL;
    if (strchr("*+?{", peek(r))) return fail(r, "nothing to repeat"), NULL;
    r->at += (size_t)lt_utf8_get(r->s.p + r->at, &c);
    return lt_gx_class(r->b, &(struct lt_gspan){ c, c }, 1, false);
}

static bool number(struct reader *r, int64_t *out)
{
    size_t from = r->at;
    for (*out = 0; r->at < r->s.n && isdigit(peek(r)) && *out <= REPEAT_MAX; r->at++) *out = *out * 10 + peek(r) - '0';
    return r->at > from;
}

/* "{m}", "{m,}" or "{m,n}": true when it is one. */
static bool bounds(struct reader *r, int64_t *min, int64_t *max)
{
    size_t from = r->at;
    bool is = take(r, "{") && number(r, min);
    *max = *min;
    if (is && take(r, ",") && !number(r, max)) *max = -1;
    is = is && take(r, "}");
    if (!is) r->at = from;
    return is;
}

static struct lt_gx *repeated(struct reader *r)
{
    struct lt_gx *x = atom(r);
    while (x) {
        int64_t min = 0, max = -1;
        if (take(r, "+")) min = 1;
        else if (take(r, "?")) max = 1;
        else if (!take(r, "*") && !bounds(r, &min, &max)) return x;
        if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && max < min))
            return fail(r, "a repetition that is too large or the wrong way round"), NULL;
        take(r, "?");                           /* lazy: the same language */
        x = lt_gx_repeat(r->b, x, min, max);
    }
    return NULL;
}

static bool at_end(const struct reader *r)
{
    bool last = peek(r) == '$' && (r->at + 1 == r->s.n || (!r->depth && r->s.p[r->at + 1] == '|'));
    return last || peek(r) < 0 || peek(r) == '|' || peek(r) == ')';
}

static struct lt_gx *sequence(struct reader *r)
{
    struct lt_gx *x = NULL;
    while (!at_end(r)) {
        struct lt_gx *next = repeated(r);
        if (!next) return NULL;
        x = lt_gx_seq(r->b, x, next);
    }
    return x ? x : lt_gx_empty(r->b);
}

static struct lt_gx *alternatives(struct reader *r)
{
    if (++r->depth > DEPTH_MAX) return fail(r, "groups are nested too deep"), NULL;
    struct lt_gx *x = sequence(r);
    while (x && take(r, "|")) {
        struct lt_gx *other = sequence(r);
        x = other ? lt_gx_alt(r->b, x, other) : NULL;
    }
    r->depth--;
    return x;
}

/* `searched`: the pattern may stand anywhere, unless ^ and $ say otherwise. */
struct lt_gx *lt_gx_regex(struct lt_grammar_builder *b, const char *label, struct lt_str text, bool searched)
{
    struct reader r = { .b = b, .label = label, .s = text };
    size_t bad = lt_utf8_bad(text.p, text.n);
    if (bad < text.n) {
        r.at = bad;
        return fail(&r, "not UTF-8"), NULL;
    }
    struct lt_gx *any = lt_gx_repeat(b, lt_gx_class(b, NULL, 0, true), 0, -1), *x = NULL;
    do {                                        /* ^ and $ bind closer than | */
        bool begins = take(&r, "^");
        struct lt_gx *y = sequence(&r);
        if (!y) return NULL;
        bool ends = take(&r, "$");
        if (searched && !begins) y = lt_gx_seq(b, any, y);
        if (searched && !ends) y = lt_gx_seq(b, y, any);
        x = lt_gx_alt(b, x, y);
    } while (take(&r, "|"));
    if (r.at < text.n) return fail(&r, "a ) without its ("), NULL;
    return x;
}

int lt_grammar_regex(const char *label, struct lt_str text, struct lt_grammar **out)
{
    struct lt_grammar_builder b;
    lt_grammar_builder_init(&b);
    int root = lt_grammar_rule(&b, NULL);
    b.rule[root].x = lt_gx_regex(&b, label, text, false);
    int rc = b.rule[root].x ? lt_grammar_build(&b, root, out) : -1;
    lt_grammar_builder_release(&b);
    return rc;
}
