/* From the text of a template to tokens, with the white space around tags already taken away: trim_blocks (the first
 * newline after a block goes), lstrip_blocks (spaces before a block on its line go), `-` and `+` at the tags' edges,
 * and the newline at the very end. */
#include "text/jinja/jinja_tree.h"
#include "text/jinja/jinja.h"
#include "text/tok_char.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { BALANCE_MAX = 128 };
struct lexer {
    const char *label;
    struct lt_str s;
    size_t at;
    int line;
    bool line_starts;               /* what was taken last ended a line */
    char close[BALANCE_MAX]; int open;      /* brackets that wait for their other half */
    struct lt_arena *a;
    struct lt_jinja_token *token;   /* malloc'd while it grows */
    int count, cap;
};

static int fail(const struct lexer *x, const char *what)
{
    return lt_fail("%s: line %d: %s", x->label, x->line, what);
}

static struct lt_jinja_token *put(struct lexer *x, enum lt_jinja_token_kind kind, struct lt_str text)
{
    if (x->count == x->cap) {
        x->cap = x->cap ? 2 * x->cap : 64;
        x->token = lt_realloc(x->token, (size_t)x->cap * sizeof *x->token);
    }
    struct lt_jinja_token *t = &x->token[x->count++];
    *t = (struct lt_jinja_token){ .kind = kind, .line = x->line, .text = text };
    return t;
}

static void take(struct lexer *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x->line += x->s.p[x->at + i] == '\n';
    x->at += n;
    if (n) x->line_starts = x->s.p[x->at - 1] == '\n';
}

static char peek(const struct lexer *x, size_t ahead)
{
    return x->at + ahead < x->s.n ? x->s.p[x->at + ahead] : 0;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

static void take_space(struct lexer *x)
{
    size_t n = 0;
    while (is_space(peek(x, n))) n++;
    take(x, n);
}

/* ---- text between tags ---- */
/* Where the next tag begins: "{{", "{%" or "{#"; the end when there is none. */
static size_t next_tag(const struct lexer *x)
{
    size_t i = x->at;
    for (; i + 1 < x->s.n; i++)
        if (x->s.p[i] == '{' && (x->s.p[i + 1] == '{' || x->s.p[i + 1] == '%' || x->s.p[i + 1] == '#')) return i;
    return x->s.n;
}

/* The text up to a tag at `end`, less the white space that the tag's edge takes. */
static void put_data(struct lexer *x, size_t end)
{
    size_t n = end - x->at, line = n;
    const char *p = x->s.p + x->at;
    char kind = end + 1 < x->s.n ? x->s.p[end + 1] : 0, sign = end + 2 < x->s.n ? x->s.p[end + 2] : 0;
    while (line && p[line - 1] != '\n') line--;
    bool blank = line || x->line_starts;
    for (size_t i = line; i < n && blank; i++) blank = p[i] == ' ' || p[i] == '\t';
    size_t keep = n;
    if (end < x->s.n && sign == '-') while (keep && is_space(p[keep - 1])) keep--;
    else if (end < x->s.n && sign != '+' && kind != '{' && blank) keep = line;
    if (keep) put(x, LT_TOKEN_DATA, (struct lt_str){ p, keep });
    take(x, n);
}

/* After the closing bracket of a block or comment: the first newline goes. */
static void after_block(struct lexer *x, char sign)
{
    if (sign == '-') take_space(x);
    else if (sign != '+' && peek(x, 0) == '\n') take(x, 1);
}

static int comment(struct lexer *x)
{
    const char *from = x->s.p + x->at + 2, *end = memmem(from, x->s.n - x->at - 2, "#}", 2);
    if (!end) return fail(x, "a comment {# has no end #}");
    char sign = end > from ? end[-1] : 0;
    take(x, (size_t)(end + 2 - (x->s.p + x->at)));
    after_block(x, sign);
    return 0;
}

/* "{% raw %} ... {% endraw %}": 1 when it was one. */
static size_t tag_of(const struct lexer *x, size_t at, const char *word, char *begin_sign, char *end_sign)
{
    size_t i = at + 2;
    const char *p = x->s.p;
    *begin_sign = *end_sign = 0;
    if (i < x->s.n && (p[i] == '-' || p[i] == '+')) *begin_sign = p[i++];
    while (i < x->s.n && is_space(p[i])) i++;
    size_t n = strlen(word);
    if (x->s.n - i < n || memcmp(p + i, word, n)) return 0;
    i += n;
    while (i < x->s.n && is_space(p[i])) i++;
    if (i < x->s.n && (p[i] == '-' || p[i] == '+')) *end_sign = p[i++];
    return x->s.n - i >= 2 && p[i] == '%' && p[i + 1] == '}' ? i + 2 - at : 0;
}

static int raw(struct lexer *x, size_t size, char sign)
{
    char begin, end;
    take(x, size);
    after_block(x, sign);
    for (size_t i = x->at; i + 1 < x->s.n; i++) {
        if (x->s.p[i] != '{' || x->s.p[i + 1] != '%') continue;
        size_t n = tag_of(x, i, "endraw", &begin, &end);
        if (!n) continue;
        put_data(x, i);
        take(x, n);
        after_block(x, end);
        return 0;
    }
    return fail(x, "{% raw %} has no {% endraw %}");
}

/* ---- inside tags ---- */
static int hex(struct lexer *x, size_t from, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++) {
        char c = peek(x, from + (size_t)i);
        if (!isxdigit((unsigned char)c)) return fail(x, "a text holds an escape with too few digits");
        *out = *out * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    return 0;
}

/* The escape after a backslash at x->at + i: Python's.  Returns bytes taken after the backslash, 0 on failure. */
static size_t escape(struct lexer *x, size_t i, struct lt_buf *b)
{
    static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
    char c = peek(x, i), utf8[4];
    uint32_t u = 0;
    const char *known = c ? strchr(from, c) : NULL;
    int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (known) lt_buf_char(b, to[known - from]);
    else if (c == '\n') return 1;
    else if (digits) {
        if (hex(x, i + 1, digits, &u)) return 0;
        if (u > 0x10FFFF || (u >= 0xD800 && u < 0xE000)) {
            fail(x, "a text holds an escape that is no character");
            return 0;
        }
        lt_buf_put(b, utf8, (size_t)lt_utf8_put(utf8, u));
        return 1 + (size_t)digits;
    } else if (c >= '0' && c <= '7') {
        size_t n = 0;
        for (; n < 3 && peek(x, i + n) >= '0' && peek(x, i + n) <= '7'; n++)
            u = u * 8 + (uint32_t)(peek(x, i + n) - '0');
        lt_buf_put(b, utf8, (size_t)lt_utf8_put(utf8, u));
        return n;
    } else {
        lt_buf_char(b, '\\');
        lt_buf_char(b, c);
    }
    return 1;
}

static int text(struct lexer *x)
{
    char quote = peek(x, 0);
    struct lt_buf b = { 0 };
    size_t i = 1;
    for (; x->at + i < x->s.n && peek(x, i) != quote; i++) {
        if (peek(x, i) != '\\') {
            lt_buf_char(&b, peek(x, i));
            continue;
        }
        size_t n = x->at + i + 1 < x->s.n ? escape(x, i + 1, &b) : 0;
        if (!n) break;
        i += n;
    }
    if (x->at + i >= x->s.n || peek(x, i) != quote) {
        lt_buf_free(&b);
        return x->at + i >= x->s.n ? fail(x, "a text has no closing quote") : -1;
    }
    put(x, LT_TOKEN_STR, (struct lt_str){ lt_arena_str(x->a, lt_buf_view(&b)), b.n });
    lt_buf_free(&b);
    take(x, i + 1);
    return 0;
}

static int number(struct lexer *x)
{
    char digits[64];
    size_t n = 0, i = 0;
    bool real = false;
    for (;; i++) {
        char c = peek(x, i);
        bool point = c == '.' && !real && isdigit((unsigned char)peek(x, i + 1));
        bool power = (c == 'e' || c == 'E') && i && (isdigit((unsigned char)peek(x, i + 1)) ||
                     ((peek(x, i + 1) == '-' || peek(x, i + 1) == '+') && isdigit((unsigned char)peek(x, i + 2))));
        bool sign = (c == '-' || c == '+') && i && (peek(x, i - 1) | 32) == 'e';
        if (!isdigit((unsigned char)c) && !point && !power && !sign && c != '_') break;
        real |= point || power;
        if (c == '_') continue;
        if (n + 1 >= sizeof digits) return fail(x, "a number has too many digits");
        digits[n++] = c;
    }
    struct lt_jinja_token *t = put(x, real ? LT_TOKEN_REAL : LT_TOKEN_INT, (struct lt_str){ x->s.p + x->at, i });
    struct lt_str s = { digits, n };
    if (real ? lt_str_real(s, &t->r) : lt_str_int(s, &t->i)) return fail(x, "a number is too large");
    take(x, i);
    return 0;
}

static int operator(struct lexer *x)
{
    static const char two[][3] = { "//", "**", "==", "!=", ">=", "<=" };
    char c = peek(x, 0);
    size_t n = 1;
    for (int i = 0; i < LT_COUNT(two); i++)
        if (c == two[i][0] && peek(x, 1) == two[i][1]) n = 2;
    if (!strchr("+-/*%~[](){}><=.:|,!", c) || (c == '!' && n == 1)) {
        char what[64];
        snprintf(what, sizeof what, "expected an expression, found the character \"%c\"", c);
        return fail(x, what);
    }
    if (strchr("([{", c)) {
        if (x->open == BALANCE_MAX) return fail(x, "brackets are nested too deep");
        x->close[x->open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (!x->open || x->close[--x->open] != c) return fail(x, "a bracket closes what was not opened");
    }
    put(x, LT_TOKEN_OP, (struct lt_str){ x->s.p + x->at, n });
    take(x, n);
    return 0;
}

/* Does the tag end here?  Bytes of its end with the sign before it. */
static size_t at_end(const struct lexer *x, bool block, char *sign)
{
    size_t i = 0;
    *sign = 0;
    if (x->open) return 0;
    if (peek(x, 0) == '-' || (block && peek(x, 0) == '+')) *sign = peek(x, i++);
    return peek(x, i) == (block ? '%' : '}') && peek(x, i + 1) == '}' ? i + 2 : 0;
}

static int tag(struct lexer *x, bool block)
{
    char sign = peek(x, 2);
    put(x, block ? LT_TOKEN_BLOCK_BEGIN : LT_TOKEN_VAR_BEGIN, (struct lt_str){ 0 });
    take(x, sign == '-' || (sign == '+' && block) ? 3 : 2);
    x->open = 0;
    for (;;) {
        take_space(x);
        if (x->at == x->s.n) return fail(x, block ? "a block {% has no end %}" : "an expression {{ has no end }}");
        size_t n = at_end(x, block, &sign);
        if (n) {
            put(x, block ? LT_TOKEN_BLOCK_END : LT_TOKEN_VAR_END, (struct lt_str){ 0 });
            take(x, n);
            if (block) after_block(x, sign);
            else if (sign) take_space(x);
            return 0;
        }
        char c = peek(x, 0);
        int rc = 0;
        if (c == '"' || c == '\'') rc = text(x);
        else if (isdigit((unsigned char)c)) rc = number(x);
        else if (is_name(c)) {
            for (n = 0; is_name(peek(x, n));) n++;
            put(x, LT_TOKEN_NAME, (struct lt_str){ x->s.p + x->at, n });
            take(x, n);
        } else rc = operator(x);
        if (rc) return -1;
    }
}

static int all(struct lexer *x)
{
    while (x->at < x->s.n) {
        char begin, end;
        size_t at = next_tag(x), n;
        put_data(x, at);
        if (at == x->s.n) break;
        int rc;
        if (x->s.p[at + 1] == '#') rc = comment(x);
        else if (x->s.p[at + 1] == '%' && (n = tag_of(x, at, "raw", &begin, &end))) rc = raw(x, n, end);
        else rc = tag(x, x->s.p[at + 1] == '%');
        if (rc) return -1;
    }
    put(x, LT_TOKEN_END, (struct lt_str){ 0 });
    return 0;
}

struct lt_jinja_token *lt_jinja_lex(const char *label, struct lt_str source, struct lt_arena *a, int *count)
{
    struct lexer x = { .label = label, .s = source, .line = 1, .line_starts = true, .a = a };
    struct lt_jinja_token *out = NULL;
    if (source.n && source.p[source.n - 1] == '\n') x.s.n--;        /* the last newline of the text is not its own */
    if (!all(&x)) {
        out = lt_arena_take(a, (size_t)x.count * sizeof *out);
        memcpy(out, x.token, (size_t)x.count * sizeof *out);
        *count = x.count;
    }
    free(x.token);
    return out;
}
