/* Patterns of tokenizer.json: Ruby's syntax there (Oniguruma), Perl's here.  What differs and is in use is spelt out
 * before compiling: \s is White_Space (Perl's library counts U+180E), \h a hexadecimal digit, (?m) lets the dot match
 * line ends; ^ and $ stand at lines. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tok.h"
#include "text/tok_char.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_MAX = 1 << 16, MATCH_LIMIT = 20 * 1000 * 1000, JIT_STACK = 4 << 20 };

struct lt_tok_regex { pcre2_code *code; char *pattern; };
struct lt_tok_matcher { pcre2_match_data *data; pcre2_match_context *context; pcre2_jit_stack *stack; };

#define SPACE "\\t-\\r\\x{85}\\p{Z}"

/* An escape, in a class or outside; nothing but these four differs. */
static void put_escape(char c, bool in_class, struct lt_buf *out)
{
    if (c == 's' || c == 'h')
        lt_buf_fmt(out, in_class ? "%s" : "[%s]", c == 's' ? SPACE : "0-9A-Fa-f");
    else if ((c == 'S' || c == 'H') && !in_class)
        lt_buf_fmt(out, "[^%s]", c == 'S' ? SPACE : "0-9A-Fa-f");
    else
        lt_buf_fmt(out, "\\%c", c);
}

/* Options as in (?mi:...): Ruby's m is Perl's s.  The number of bytes taken. */
static size_t put_options(struct lt_str p, struct lt_buf *out)
{
    size_t n = 2;
    while (n < p.n && memchr("imx-", p.p[n], 4))
        n++;
    if (n == p.n || n == 2 || (p.p[n] != ':' && p.p[n] != ')'))
        n = 1;
    for (size_t i = 0; i < n; i++)
        lt_buf_char(out, i > 1 && p.p[i] == 'm' ? 's' : p.p[i]);
    return n;
}

/* From Oniguruma's syntax to Perl's. */
static int spell_out(struct lt_str p, struct lt_buf *out)
{
    bool in_class = false;
    for (size_t i = 0; i < p.n; i++) {
        char c = p.p[i], next = i + 1 < p.n ? p.p[i + 1] : 0;
        if (c == '\\' && next && (uint8_t)next < 0x80) {
            put_escape(next, in_class, out);
            i++;
        } else if (in_class && ((c == '[' && next != ':') || (c == '&' && next == '&'))) {
            return lt_fail("the pattern %.*s holds %s, which is not supported", (int)LT_MIN(p.n, 200), p.p,
                           c == '[' ? "a class within a class" : "an intersection of classes");
        } else if (in_class && c == '[') {
            const char *end = memmem(p.p + i, p.n - i, ":]", 2);
            size_t n = end ? (size_t)(end - (p.p + i)) + 2 : 1;
            lt_buf_put(out, p.p + i, n);
            i += n - 1;
        } else if (!in_class && c == '(' && next == '?') {
            i += put_options((struct lt_str){ p.p + i, p.n - i }, out) - 1;
        } else {
            lt_buf_char(out, c);
            bool opens = c == '[' && !in_class;
            for (int k = 0; opens && k < 2 && i + 1 < p.n && p.p[i + 1] == "^]"[k]; k++)
                lt_buf_char(out, p.p[++i]);
            in_class = opens || (in_class && c != ']');
        }
    }
    return 0;
}

struct lt_tok_regex *lt_tok_regex_new(struct lt_str pattern)
{
    if (pattern.n > PATTERN_MAX) {
        lt_fail("a pattern of %zu bytes is longer than %d", pattern.n, PATTERN_MAX);
        return NULL;
    }
    struct lt_buf spelt = { 0 };
    if (spell_out(pattern, &spelt)) {
        lt_buf_free(&spelt);
        return NULL;
    }
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    pcre2_set_parens_nest_limit(cc, 100);
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)(spelt.p ? spelt.p : ""), spelt.n,
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, cc);
    pcre2_compile_context_free(cc);
    lt_buf_free(&spelt);
    if (!c) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(code, text, sizeof text);
        lt_fail("the pattern %.*s cannot be compiled: %s", (int)LT_MIN(pattern.n, 200), pattern.p, (char *)text);
        return NULL;
    }
    pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);       /* without it matching is only slower */
    struct lt_tok_regex *r = lt_alloc(sizeof *r);
    *r = (struct lt_tok_regex){ c, lt_alloc(pattern.n + 1) };
    memcpy(r->pattern, pattern.p, pattern.n);
    r->pattern[pattern.n] = 0;
    return r;
}

void lt_tok_regex_free(struct lt_tok_regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    free(r->pattern);
    free(r);
}

struct lt_tok_matcher *lt_tok_matcher_new(void)
{
    return lt_calloc(1, sizeof(struct lt_tok_matcher));
}

/* Most chains never match a pattern; what that takes is made when one does. */
static void prepare(struct lt_tok_matcher *m)
{
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL);
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
}

void lt_tok_matcher_free(struct lt_tok_matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

static int find(const struct lt_tok_regex *r, struct lt_tok_matcher *m, const char *p, size_t n, size_t at,
                struct lt_tok_span *out)
{
    if (!m->data)
        prepare(m);
    int rc = pcre2_match(r->code, (PCRE2_SPTR)p, n, at, PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc < 0) {
        PCRE2_UCHAR text[256];
        pcre2_get_error_message(rc, text, sizeof text);
        return lt_fail("the pattern %.100s gave up after byte %zu: %s", r->pattern, at, (char *)text);
    }
    PCRE2_SIZE *o = pcre2_get_ovector_pointer(m->data);
    if (o[0] < at || o[1] < o[0])                   /* \K in a lookaround can do this */
        return lt_fail("the pattern %.100s matches backwards; \\K is not supported in patterns", r->pattern);
    *out = (struct lt_tok_span){ o[0], o[1] };
    return 1;
}

int lt_tok_regex_next(const struct lt_tok_regex *r, struct lt_tok_matcher *m, struct lt_str text,
                      struct lt_tok_matches *x, struct lt_tok_span *out)
{
    while (x->at <= text.n) {
        int rc = find(r, m, text.p, text.n, x->at, out);
        if (rc <= 0)
            return rc;
        bool empty = out->begin == out->end, skip = empty && x->any && out->end == x->end;
        x->at = out->end;
        if (empty)
            x->at += out->end < text.n ? (size_t)lt_utf8_size(text.p[out->end]) : 1;
        x->end = out->end;
        x->any = true;
        if (!skip)
            return 1;
    }
    return 0;
}
