/* Patterns of tokenizer.json: Oniguruma's syntax there, Perl's here.  What the files in use write means the same in
 * both but for \s, which Perl's library takes to hold U+180E: it is spelt out as White_Space before compiling. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tok.h"
#include <assert.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_MAX = 1 << 16, MATCH_LIMIT = 20 * 1000 * 1000, JIT_STACK = 4 << 20 };

struct lt_tok_regex { pcre2_code *code; char *pattern; };
struct lt_tok_matcher { pcre2_match_data *data; pcre2_match_context *context; pcre2_jit_stack *stack; };

/* \s -> [White_Space], within a class without the brackets. */
static void spell_out(struct lt_str pattern, struct lt_buf *out)
{
    static const char space[] = "\\t-\\r\\x{85}\\p{Z}";
    bool in_class = false;
    for (size_t i = 0; i < pattern.n; i++) {
        char c = pattern.p[i];
        if (c == '\\' && i + 1 < pattern.n) {
            char next = pattern.p[++i];
            if (next == 's' && in_class)
                lt_buf_str(out, space);
            else if ((next == 's' || next == 'S') && !in_class)
                lt_buf_fmt(out, next == 's' ? "[%s]" : "[^%s]", space);
            else
                lt_buf_put(out, pattern.p + i - 1, 2);
            continue;
        }
        lt_buf_char(out, c);
        if (c == '[' && !in_class) {
            in_class = true;
            if (i + 1 < pattern.n && pattern.p[i + 1] == '^')
                lt_buf_char(out, pattern.p[++i]);
            if (i + 1 < pattern.n && pattern.p[i + 1] == ']')
                lt_buf_char(out, pattern.p[++i]);
        } else if (c == ']') {
            in_class = false;
        }
    }
}

struct lt_tok_regex *lt_tok_regex_new(struct lt_str pattern)
{
    if (pattern.n > PATTERN_MAX) {
        lt_fail("a pattern of %zu bytes is longer than %d", pattern.n, PATTERN_MAX);
        return NULL;
    }
    struct lt_buf spelt = { 0 };
    spell_out(pattern, &spelt);
    int code;
    PCRE2_SIZE at;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    pcre2_set_parens_nest_limit(cc, 100);
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)(spelt.p ? spelt.p : ""), spelt.n,
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, cc);
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
    struct lt_tok_matcher *m = lt_alloc(sizeof *m);
    *m = (struct lt_tok_matcher){ .data = pcre2_match_data_create(1, NULL),
                                  .context = pcre2_match_context_create(NULL),
                                  .stack = pcre2_jit_stack_create(32 << 10, JIT_STACK, NULL) };
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return m;
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

int lt_tok_regex_find(const struct lt_tok_regex *r, struct lt_tok_matcher *m, const char *p, size_t n, size_t at,
                      struct lt_tok_span *out)
{
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
