/* What option rows say about themselves, as text. */
#include "cli/cli.h"

#include "base/option.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool lt_cli_same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_'))) return false;
    return *a == *b;
}

static struct lt_str kind_name(const struct lt_opt *r, const char **dflt)
{
    struct lt_str rest = lt_str(r->text), kind;
    lt_str_split(&rest, ':', &kind);
    *dflt = rest.p && rest.n ? rest.p : NULL;
    return kind;
}

/* The words of an ENUM row; the default stands first and may stand again in its place among the others. */
static void put_words(struct lt_buf *b, const char *text)
{
    struct lt_str rest = lt_str(text), first, word;
    lt_str_split(&rest, '|', &first);
    for (struct lt_str r = rest; lt_str_split(&r, '|', &word);)
        if (lt_str_eq(word, first)) text = rest.p;
    lt_buf_str(b, text);
}

void lt_cli_put_value(struct lt_buf *b, const struct lt_opt *r)
{
    bool file = r->flags & (LT_IN | LT_OUT);
    switch (r->type) {
    case LT_BOOL: return;
    case LT_INT: lt_buf_str(b, "N"); return;
    case LT_REAL: lt_buf_str(b, "X"); return;
    case LT_METHOD: lt_buf_str(b, "NAME"); return;
    case LT_METHODS: lt_buf_str(b, "NAMES"); return;
    case LT_LIST: lt_buf_str(b, file ? "PATH" : r->flags & LT_TEXTS ? "TEXT" : "A,B,..."); return;
    case LT_STR:
        if (r->flags & LT_ENUM) put_words(b, r->text);
        else lt_buf_str(b, file ? "PATH" : "TEXT");
        return;
    }
}

static void put_number(struct lt_buf *b, const struct lt_opt *r, double v)
{
    lt_buf_fmt(b, r->type == LT_INT ? "%.0f" : "%g", v);
}

void lt_cli_put_default(struct lt_buf *b, const struct lt_opt *r)
{
    const char *name = NULL;
    if (r->flags & LT_NEED) return;
    switch (r->type) {
    case LT_BOOL: lt_buf_str(b, r->dflt != 0 ? "true" : "false"); return;
    case LT_INT: case LT_REAL: put_number(b, r, r->dflt); return;
    case LT_METHOD:
        kind_name(r, &name);
        if (name) lt_buf_str(b, name);
        return;
    case LT_STR:
        if (r->text) lt_buf_put(b, r->text, r->flags & LT_ENUM ? strcspn(r->text, "|") : strlen(r->text));
        return;
    default: return;
    }
}

static void put_fact(struct lt_buf *b, size_t from, const char *text)
{
    lt_buf_fmt(b, "%s%s", b->n > from ? "; " : "", text);
}

static void put_range(struct lt_buf *b, size_t from, const struct lt_opt *r)
{
    bool top = r->max < 1e9, bottom = r->min > -1e9;        /* beyond these a bound only keeps numbers sane */
    if ((r->min == 0 && r->max == 0) || (!top && !bottom)) return;
    put_fact(b, from, top && bottom ? "from " : top ? "at most " : "at least ");
    if (bottom) put_number(b, r, r->min);
    if (top && bottom) lt_buf_str(b, " to ");
    if (top) put_number(b, r, r->max);
}

static void put_aliases(struct lt_buf *b, size_t from, const struct lt_opt *r)
{
    struct lt_str alias;
    put_fact(b, from, "also");
    for (int i = 1; lt_option_name(r, i, &alias); i++) {
        lt_buf_str(b, " --");
        lt_buf_put(b, alias.p, alias.n);
    }
}

void lt_cli_put_facts(struct lt_buf *b, const struct lt_opt *r)
{
    size_t from = b->n;
    struct lt_buf value = { 0 };
    const char *dflt;
    if (r->flags & LT_NEED) put_fact(b, from, "required");
    lt_cli_put_default(&value, r);
    if (value.n && !(r->type == LT_BOOL && r->dflt == 0)) {
        put_fact(b, from, "default ");
        lt_buf_put(b, value.p, value.n);
    }
    if (r->type == LT_BOOL && r->dflt != 0) lt_buf_fmt(b, ", --no-%s turns it off", r->key);
    if (r->type == LT_INT || r->type == LT_REAL) put_range(b, from, r);
    if (r->type == LT_LIST) put_fact(b, from, "may be repeated");
    if (r->type == LT_METHOD || r->type == LT_METHODS) {
        struct lt_str kind = kind_name(r, &dflt);
        put_fact(b, from, "");
        lt_buf_fmt(b, "`lathe help %.*s` lists them", (int)kind.n, kind.p);
        if (r->type == LT_METHOD) lt_buf_fmt(b, ", their options are --%s.KEY", r->key);
        else lt_buf_str(b, ", each is a flag of its own");
    }
    if (r->alias) put_aliases(b, from, r);
    lt_buf_free(&value);
}

static void put_argument(struct lt_buf *b, const struct lt_opt *r)
{
    bool need = r->flags & LT_NEED;
    lt_buf_str(b, need ? " " : " [");
    for (const char *c = r->key; *c; c++) lt_buf_char(b, (char)toupper((unsigned char)*c));
    if (r->type == LT_LIST) lt_buf_str(b, "...");
    if (!need) lt_buf_char(b, ']');
}

void lt_cli_put_usage(struct lt_buf *b, const struct lt_verb *v)
{
    bool more = false;
    lt_buf_str(b, "lathe ");
    lt_cli_spelling(b, v);
    for (const struct lt_opt *r = v->m.opts; r && r->key; r++)
        if (r->flags & LT_ARG) put_argument(b, r);
    for (const struct lt_opt *r = v->m.opts; r && r->key; r++) {
        if (r->flags & LT_ARG) continue;
        more |= !(r->flags & LT_NEED);
        if (!(r->flags & LT_NEED)) continue;
        lt_buf_fmt(b, " --%s ", r->key);
        lt_cli_put_value(b, r);
    }
    if (more) lt_buf_str(b, " [--option value ...]");
}

void lt_cli_put_url(struct lt_buf *b, const char *paper)
{
    if (!strncmp(paper, "arXiv:", 6)) lt_buf_fmt(b, "https://arxiv.org/abs/%s", paper + 6);
    else if (!strncmp(paper, "doi:", 4)) lt_buf_fmt(b, "https://doi.org/%s", paper + 4);
    else if (!strncmp(paper, "https://", 8)) lt_buf_str(b, paper);
    else if (!strncmp(paper, "ACL:", 4)) lt_buf_fmt(b, "https://aclanthology.org/%s", paper + 4);
}

static void put_flag_example(struct lt_buf *b, const struct lt_opt *via, const struct lt_method *m)
{
    const struct lt_opt *first = m->opts && m->opts->key ? m->opts : NULL;
    struct lt_buf value = { 0 };
    if (first) lt_cli_put_default(&value, first);
    if (via->type == LT_METHOD) lt_buf_fmt(b, " --%s %s", via->key, m->name);
    if (via->type == LT_METHOD && value.n) lt_buf_fmt(b, " --%s.%s %s", via->key, first->key, value.p);
    if (via->type == LT_METHODS) lt_buf_fmt(b, " --%s%s%s", m->name, value.n ? " " : "", value.n ? value.p : "");
    lt_buf_free(&value);
}

void lt_cli_put_example(struct lt_buf *b, const struct lt_kind *k, const struct lt_method *m, const char *indent)
{
    const struct lt_kind *verbs = lt_kinds();
    while (strcmp(verbs->name, "verb")) verbs++;
    for (const struct lt_method *const *v = verbs->member; *v; v++) {
        for (const struct lt_opt *r = (*v)->opts; r && r->key; r++) {
            const char *dflt;
            if (r->type != LT_METHOD && r->type != LT_METHODS) continue;
            if (!lt_str_is(kind_name(r, &dflt), k->name)) continue;
            lt_buf_fmt(b, "%slathe ", indent);
            lt_cli_spelling(b, (const struct lt_verb *)*v);
            lt_buf_str(b, " ...");
            put_flag_example(b, r, m);
            lt_buf_char(b, '\n');
        }
    }
}

void lt_cli_put_entry(struct lt_buf *b, const char *left, int column, const char *text)
{
    int at = (int)strlen(left);
    lt_buf_str(b, left);
    if (at + 2 > column && *text) {
        lt_buf_char(b, '\n');
        at = 0;
    }
    bool fresh = true;
    for (const char *word = text; *word;) {
        int n = (int)strcspn(word, " ");
        if (!fresh && at + 1 + n > LT_CLI_WIDTH) {
            lt_buf_char(b, '\n');
            at = 0;
            fresh = true;
        }
        lt_buf_fmt(b, "%*s%.*s", fresh ? column - at : 1, "", n, word);
        at = fresh ? column + n : at + 1 + n;
        fresh = false;
        word += n + (word[n] == ' ');
    }
    lt_buf_char(b, '\n');
}

void lt_cli_put_options(struct lt_buf *b, const struct lt_opt *rows, const char *prefix)
{
    struct lt_buf left = { 0 }, text = { 0 };
    for (const struct lt_opt *r = rows; r && r->key; r++) {
        lt_buf_clear(&left);
        lt_buf_clear(&text);
        lt_buf_fmt(&left, "  --%s%s ", prefix, r->key);
        lt_cli_put_value(&left, r);
        lt_buf_fmt(&text, "%s (", r->help);
        size_t before = text.n;
        lt_cli_put_facts(&text, r);
        if (text.n == before) text.n -= 2;
        else lt_buf_char(&text, ')');
        text.p[text.n] = 0;
        while (left.p[left.n - 1] == ' ') left.p[--left.n] = 0;
        lt_cli_put_entry(b, left.p, 28, text.p);
    }
    lt_buf_free(&left);
    lt_buf_free(&text);
}
