/* GBNF, llama.cpp's notation for grammars (its grammars/README).
 *
 *     root  ::= item ("," item)*        # a comment
 *     item  ::= [a-z]+ | "\"" [^"]{1,8} "\""
 *
 * A rule goes on over lines inside parentheses, and where a line begins with "|".  EBNF's "=" and ";" are not taken. */
#include "decode/grammar/grammar.h"
#include "text/tok_char.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 200, REPEAT_MAX = 100000 };
struct reader {
    struct lt_grammar_builder b;
    const char *label;
    struct lt_str s;
    size_t at;
    int line, depth;
};

static int fail(const struct reader *r, const char *what)
{
    size_t n = 0;
    while (n < 20 && r->at + n < r->s.n && r->s.p[r->at + n] != '\n') n++;
    return lt_fail("%s: line %d: %s, found \"%.*s\"", r->label, r->line, what, (int)n, r->s.p + r->at);
}

static int peek(const struct reader *r) { return r->at < r->s.n ? (unsigned char)r->s.p[r->at] : -1; }

static bool take(struct reader *r, const char *what)
{
    size_t n = strlen(what);
    if (r->s.n - r->at < n || memcmp(r->s.p + r->at, what, n)) return false;
    r->at += n;
    return true;
}

/* White space and comments, with `lines` over the ends of lines too. */
static void space(struct reader *r, bool lines)
{
    for (;; r->at++) {
        if (peek(r) == '#') while (peek(r) >= 0 && peek(r) != '\n') r->at++;
        int c = peek(r);
        if (c == '\n' && lines) r->line++;
        else if (c != ' ' && c != '\t' && c != '\r') return;
    }
}

static bool is_name(int c) { return c >= 0 && (isalnum(c) || c == '-' || c == '_'); }

/* A name as a NUL-terminated copy; NULL: there is none. */
static const char *name(struct reader *r)
{
    size_t from = r->at;
    while (is_name(peek(r))) r->at++;
    return r->at == from ? NULL : lt_arena_str(&r->b.arena, (struct lt_str){ r->s.p + from, r->at - from });
}

static int hex(struct reader *r, int digits, uint32_t *c)
{
    *c = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        int x = peek(r);
        if (x < 0 || !isxdigit(x)) return fail(r, "expected more hexadecimal digits");
        *c = *c * 16 + (uint32_t)(isdigit(x) ? x - '0' : tolower(x) - 'a' + 10);
    }
    return *c > 0x10FFFF ? fail(r, "expected a character up to 10FFFF") : 0;
}

static int character(struct reader *r, uint32_t *c)
{
    static const char from[] = "nrt\\\"[]-^", to[] = "\n\r\t\\\"[]-^";
    if (peek(r) < 0 || peek(r) == '\n') return fail(r, "expected a character");
    if (!take(r, "\\")) {
        r->at += (size_t)lt_utf8_get(r->s.p + r->at, c);
        return 0;
    }
    if (take(r, "x")) return hex(r, 2, c);
    if (take(r, "u")) return hex(r, 4, c);
    if (take(r, "U")) return hex(r, 8, c);
    const char *known = peek(r) > 0 ? strchr(from, peek(r)) : NULL;
    if (!known) return fail(r, "expected n, r, t, x, u, U or a bracket after the backslash");
    *c = (uint8_t)to[known - from];
    r->at++;
    return 0;
}

static struct lt_gx *text(struct reader *r)
{
    struct lt_buf b = { 0 };
    char utf8[4];
    uint32_t c;
    while (!take(r, "\"")) {
        if (character(r, &c)) {
            lt_buf_free(&b);
            return NULL;
        }
        lt_buf_put(&b, utf8, (size_t)lt_utf8_put(utf8, c));
    }
    struct lt_gx *x = lt_gx_text(&r->b, (struct lt_str){ b.p ? b.p : "", b.n });
    lt_buf_free(&b);
    return x;
}

static struct lt_gx *class(struct reader *r)
{
    struct lt_gspan *s = NULL;
    int n = 0, cap = 0, rc = 0;
    bool not = take(r, "^");
    while (!rc && !take(r, "]")) {
        uint32_t low = 0, high;
        rc = character(r, &low);
        high = low;
        if (!rc && peek(r) == '-' && r->at + 1 < r->s.n && r->s.p[r->at + 1] != ']') {
            r->at++;
            rc = character(r, &high);
        }
        if (!rc && low > high) rc = fail(r, "expected a range from low to high");
        if (n == cap) {
            cap = cap ? 2 * cap : 8;
            s = lt_realloc(s, (size_t)cap * sizeof *s);
        }
        s[n++] = (struct lt_gspan){ low, high };
    }
    struct lt_gx *x = rc ? NULL : lt_gx_class(&r->b, s, n, not);
    free(s);
    return x;
}

static struct lt_gx *alternatives(struct reader *r, bool lines);

static struct lt_gx *atom(struct reader *r)
{
    if (take(r, "\"")) return text(r);
    if (take(r, "[")) return class(r);
    if (take(r, ".")) return lt_gx_class(&r->b, NULL, 0, true);
    if (take(r, "(")) {
        space(r, true);
        struct lt_gx *x = alternatives(r, true);
        if (x && !take(r, ")")) return fail(r, "expected \")\""), NULL;
        return x;
    }
    const char *n = name(r);
    return n ? lt_gx_call(&r->b, lt_grammar_rule(&r->b, n)) : (fail(r, "expected a text, class, group or name"), NULL);
}

static bool number(struct reader *r, int64_t *out)
{
    size_t from = r->at;
    for (*out = 0; peek(r) >= 0 && isdigit(peek(r)) && *out <= REPEAT_MAX; r->at++) *out = *out * 10 + peek(r) - '0';
    return r->at > from;
}

/* The braces of a repetition, after the first: "m}", "m,}", "m,n}". */
static int bounds(struct reader *r, int64_t *min, int64_t *max)
{
    space(r, false);
    bool is = number(r, min);
    *max = *min;
    space(r, false);
    if (is && take(r, ",")) {
        space(r, false);
        if (!number(r, max)) *max = -1;
        space(r, false);
    }
    if (!is || !take(r, "}")) return fail(r, "expected {m}, {m,} or {m,n}");
    if (*min > REPEAT_MAX || *max > REPEAT_MAX || (*max >= 0 && *max < *min))
        return fail(r, "expected a repetition from low to high, at most 100000");
    return 0;
}

static struct lt_gx *repeated(struct reader *r)
{
    struct lt_gx *x = atom(r);
    while (x) {
        int64_t min = 0, max = -1;
        if (take(r, "+")) min = 1;
        else if (take(r, "?")) max = 1;
        else if (take(r, "{")) {
            if (bounds(r, &min, &max)) return NULL;
        } else if (!take(r, "*")) return x;
        x = lt_gx_repeat(&r->b, x, min, max);
    }
    return NULL;
}

static bool at_atom(const struct reader *r)
{
    int c = peek(r);
    return c == '"' || c == '[' || c == '(' || c == '.' || is_name(c);
}

/* Does a rule begin here, NAME ::= ? */
static bool at_rule(const struct reader *r)
{
    struct reader look = *r;
    size_t from = look.at;
    while (is_name(peek(&look))) look.at++;
    if (look.at == from) return false;
    space(&look, false);
    return look.s.n - look.at >= 3 && !memcmp(look.s.p + look.at, "::=", 3);
}

static struct lt_gx *sequence(struct reader *r, bool lines)
{
    struct lt_gx *x = NULL;
    space(r, lines);
    while (at_atom(r) && !at_rule(r)) {
        struct lt_gx *next = repeated(r);
        if (!next) return NULL;
        x = lt_gx_seq(&r->b, x, next);
        space(r, lines);
    }
    return x ? x : lt_gx_empty(&r->b);
}

/* A line that ends goes on when the next one begins with a bar. */
static bool take_bar(struct reader *r)
{
    struct reader look = *r;
    space(&look, true);
    if (!take(&look, "|")) return false;
    r->at = look.at;
    r->line = look.line;
    return true;
}

static struct lt_gx *alternatives(struct reader *r, bool lines)
{
    if (++r->depth > DEPTH_MAX) return fail(r, "groups are nested too deep"), NULL;
    struct lt_gx *x = sequence(r, lines);
    while (x && take_bar(r)) {
        space(r, true);
        struct lt_gx *other = sequence(r, lines);
        x = other ? lt_gx_alt(&r->b, x, other) : NULL;
    }
    r->depth--;
    return x;
}

static int rules(struct reader *r)
{
    for (space(r, true); peek(r) >= 0; space(r, true)) {
        const char *n = name(r);
        if (!n) return fail(r, "expected the name of a rule");
        space(r, false);
        if (!take(r, "::=")) return fail(r, "expected \"::=\"");
        space(r, true);
        struct lt_gx *x = alternatives(r, false);
        if (!x) return -1;
        space(r, false);
        if (peek(r) >= 0 && peek(r) != '\n') return fail(r, "expected the end of the rule");
        int number = lt_grammar_rule(&r->b, n);         /* first: the rules may move */
        struct lt_grammar_rule *rule = &r->b.rule[number];
        if (rule->x) return lt_fail("%s: line %d: the rule \"%s\" is defined twice", r->label, r->line, n);
        rule->x = x;
    }
    return 0;
}

int lt_grammar_gbnf(const char *label, struct lt_str text, struct lt_grammar **out)
{
    struct reader r = { .label = label, .s = text, .line = 1 };
    size_t bad = lt_utf8_bad(text.p, text.n);
    if (bad < text.n) return lt_fail("%s: byte %zu is not UTF-8", label, bad);
    lt_grammar_builder_init(&r.b);
    int rc = rules(&r);
    if (!rc && !lt_map_get(&r.b.names, lt_str("root")))
        rc = lt_fail("%s: there is no rule \"root\", which is the whole text", label);
    if (!rc && lt_grammar_build(&r.b, lt_grammar_rule(&r.b, "root"), out)) {
        char *why = lt_strdup(lt_error());
        rc = lt_fail("%s: %s", label, why);
        free(why);
    }
    lt_grammar_builder_release(&r.b);
    return rc;
}
