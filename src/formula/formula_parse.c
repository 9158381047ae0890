#include "formula/formula.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 16, IDS_MAX = 1 << 12 };

/* ---- words ---- */
enum kind { END, NUMBER, NAME, TEXT, SIGN };
struct word { enum kind kind; size_t at; struct lt_str text; double number; };    /* text: of a TEXT, unescaped */
struct name { struct lt_str name; int model; };
struct parser {
    struct lt_formula *f;
    struct lt_str text;
    size_t at;                          /* behind `next` */
    struct word next;
    struct name name[LT_FORMULA_MODELS]; int names;
    int nested;
};
/* What an expression is: a number, or a sum over distributions. */
struct value { bool number; double x; struct lt_formula_sum sum; };

static int fault(const struct parser *p, size_t at, const char *what)
{
    (void)p;
    return lt_misuse("formula, column %zu: %s", at + 1, what);
}

static int unexpected(const struct parser *p, const char *wanted)
{
    const struct word *w = &p->next;
    struct lt_buf b = { 0 };
    if (w->kind == END) lt_buf_fmt(&b, "expected %s, found the end", wanted);
    else lt_buf_fmt(&b, "expected %s, found \"%.*s\"", wanted, (int)LT_MIN(p->at - w->at, 40), p->text.p + w->at);
    int rc = fault(p, w->at, b.p);
    lt_buf_free(&b);
    return rc;
}

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* "..." with \" \\ \n \t inside. */
static int read_text(struct parser *p, size_t at)
{
    char *out = lt_arena_take(&p->f->arena, p->text.n - at + 1);
    size_t n = 0, i = at + 1;
    for (; i < p->text.n && p->text.p[i] != '"'; i++) {
        char c = p->text.p[i];
        if (!c) return fault(p, i, "a text holds no zero bytes");
        if (c == '\\') {
            static const char from[] = "\"\\nt", to[] = "\"\\\n\t";
            const char *k = i + 1 < p->text.n && p->text.p[i + 1] ? strchr(from, p->text.p[i + 1]) : NULL;
            if (!k) return fault(p, i, "expected \\\", \\\\, \\n or \\t");
            c = to[k - from];
            i++;
        }
        out[n++] = c;
    }
    if (i >= p->text.n) return fault(p, at, "a text has no closing quote");
    out[n] = 0;
    p->next = (struct word){ .kind = TEXT, .at = at, .text = { out, n } };
    p->at = i + 1;
    return 0;
}

/* Digits, perhaps a point and an exponent. */
static int read_number(struct parser *p, size_t at)
{
    size_t i = at;
    while (i < p->text.n) {
        char c = p->text.p[i];
        bool sign = (c == '-' || c == '+') && i > at && tolower((unsigned char)p->text.p[i - 1]) == 'e';
        if (!in_name(c) && !sign) break;
        i++;
    }
    struct lt_str s = { p->text.p + at, i - at };
    p->next = (struct word){ .kind = NUMBER, .at = at };
    p->at = i;
    if (lt_str_real(s, &p->next.number) || !isfinite(p->next.number)) return fault(p, at, "this is no number");
    return 0;
}

static int advance(struct parser *p)
{
    while (p->at < p->text.n && isspace((unsigned char)p->text.p[p->at])) p->at++;
    size_t at = p->at;
    p->next = (struct word){ .kind = END, .at = at };
    if (at == p->text.n) return 0;
    char c = p->text.p[at];
    if (c == '"') return read_text(p, at);
    if (isdigit((unsigned char)c) || c == '.') return read_number(p, at);
    p->next.kind = SIGN;
    p->at = at + 1;
    if (!isalpha((unsigned char)c) && c != '_') return 0;
    while (p->at < p->text.n && in_name(p->text.p[p->at])) p->at++;
    p->next = (struct word){ .kind = NAME, .at = at, .text = { p->text.p + at, p->at - at } };
    return 0;
}

static bool sees(const struct parser *p, char sign)
{
    return p->next.kind == SIGN && p->text.p[p->next.at] == sign;
}

static int need(struct parser *p, char sign)
{
    char wanted[] = { '"', sign, '"', 0 };
    return sees(p, sign) ? advance(p) : unexpected(p, wanted);
}

/* The byte behind the next word that is no space; 0: none. */
static char behind(const struct parser *p)
{
    size_t i = p->at;
    while (i < p->text.n && isspace((unsigned char)p->text.p[i])) i++;
    return i < p->text.n ? p->text.p[i] : 0;
}

/* ---- models ---- */
static int model_of(struct parser *p, const char *path, size_t at, int *out)
{
    struct lt_formula *f = p->f;
    for (*out = 0; *out < f->model_count; ++*out)
        if (!strcmp(f->model[*out], path)) return 0;
    if (!*path) return fault(p, at, "the name of a model is empty");
    if (f->model_count == LT_FORMULA_MODELS) return fault(p, at, "more than 16 models");
    f->model[f->model_count++] = path;
    return 0;
}

/* A name stands for what it was given, else for a file or folder of that name. */
static int model_word(struct parser *p, int *out)
{
    const struct word *w = &p->next;
    for (int i = 0; i < p->names && w->kind == NAME; i++)
        if (lt_str_eq(p->name[i].name, w->text)) {
            *out = p->name[i].model;
            return 0;
        }
    return model_of(p, w->kind == TEXT ? w->text.p : lt_arena_str(&p->f->arena, w->text), w->at, out);
}

static bool same_view(const struct lt_formula_view *a, const struct lt_formula_view *b)
{
    if (a->model != b->model || !a->prefix != !b->prefix || a->id_count != b->id_count) return false;
    if (a->prefix && strcmp(a->prefix, b->prefix)) return false;
    return !a->id_count || !memcmp(a->id, b->id, (size_t)a->id_count * sizeof *a->id);
}

static int ids(struct parser *p, struct lt_formula_view *v)
{
    int32_t *id = lt_arena_take(&p->f->arena, IDS_MAX * sizeof *id);
    if (advance(p)) return -1;
    while (v->id_count < IDS_MAX) {
        double x = p->next.number;
        if (p->next.kind != NUMBER || x != floor(x) || x > INT32_MAX) return unexpected(p, "the id of a token");
        id[v->id_count++] = (int32_t)x;
        if (advance(p)) return -1;
        if (!sees(p, ',')) break;
        if (advance(p)) return -1;
    }
    v->id = id;
    return need(p, ']');
}

/* `|` "text", or | [ids] behind a model. */
static int prefix(struct parser *p, struct lt_formula_view *v)
{
    if (advance(p)) return -1;
    if (sees(p, '[')) return ids(p, v);
    if (p->next.kind != TEXT) return unexpected(p, "a text in quotes, or [ids]");
    if (p->next.text.n) v->prefix = p->next.text.p;
    return advance(p);
}

static int new_atom(struct parser *p, size_t at, struct lt_formula_atom a)
{
    if (p->f->atom_count == LT_FORMULA_ATOMS) return fault(p, at, "a formula has at most 64 models and terms");
    p->f->atom[p->f->atom_count++] = a;
    return 0;
}

static void be_atom(const struct parser *p, struct value *out, double weight)
{
    *out = (struct value){ .sum = { .count = 1, .weight = weight } };
    out->sum.part[0] = (struct lt_formula_part){ .factor = 1, .atom = p->f->atom_count - 1 };
}

static int model(struct parser *p, struct value *out)
{
    struct lt_formula *f = p->f;
    struct lt_formula_view v = { 0 };
    size_t at = p->next.at;
    int i = 0;
    if (model_word(p, &v.model) || advance(p) || (sees(p, '|') && prefix(p, &v))) return -1;
    while (i < f->view_count && !same_view(&f->view[i], &v)) i++;
    if (i == f->view_count) {
        if (i == LT_FORMULA_VIEWS) return fault(p, at, "more than 16 models, each text before one counted");
        f->view[f->view_count++] = v;
    }
    if (new_atom(p, at, (struct lt_formula_atom){ .view = i })) return -1;
    be_atom(p, out, 1);
    return 0;
}

/* ---- sums ---- */
static bool same_part(const struct lt_formula *f, const struct lt_formula_part *a, const struct lt_formula_part *b)
{
    const struct lt_formula_atom *x = &f->atom[a->atom], *y = &f->atom[b->atom];
    return a->late == b->late && !x->term && !y->term && x->view == y->view;
}

static double weight_of(const struct lt_formula *f, int atom)
{
    return f->atom[atom].term ? f->atom[atom].term->weight : 1;
}

/* Drops what counts nothing and adds up the weight. */
static void settle(const struct lt_formula *f, struct lt_formula_sum *s)
{
    int n = 0;
    s->weight = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->part[i].factor == 0) continue;
        s->weight += s->part[i].factor * weight_of(f, s->part[i].atom);
        s->part[n++] = s->part[i];
    }
    s->count = n;
}

static int add(struct parser *p, size_t at, struct value *to, const struct value *x, double sign)
{
    if (to->number != x->number) return fault(p, at, "a number and a model cannot be added");
    if (to->number) {
        to->x += sign * x->x;
        return 0;
    }
    for (int i = 0; i < x->sum.count; i++) {
        struct lt_formula_part part = x->sum.part[i];
        int k = 0;
        part.factor *= sign;
        while (k < to->sum.count && !same_part(p->f, &to->sum.part[k], &part)) k++;
        if (k < to->sum.count) to->sum.part[k].factor += part.factor;
        else if (k == LT_FORMULA_PARTS) return fault(p, at, "a sum has at most 16 parts");
        else to->sum.part[to->sum.count++] = part;
    }
    settle(p->f, &to->sum);
    return 0;
}

static void scale(const struct parser *p, struct value *v, double by)
{
    if (v->number) {
        v->x *= by;
        return;
    }
    for (int i = 0; i < v->sum.count; i++) v->sum.part[i].factor *= by;
    settle(p->f, &v->sum);
}

static int check_factors(const struct parser *p, size_t at, const struct value *v)
{
    bool good = !v->number || isfinite(v->x);
    for (int i = 0; !v->number && i < v->sum.count; i++) {
        const struct lt_term *t = p->f->atom[v->sum.part[i].atom].term;
        good &= isfinite(v->sum.part[i].factor);
        if (t && !strcmp(t->m.name, "plausible") && v->sum.part[i].factor < 0)
            return fault(p, at, "plausible can only be added");
    }
    return good ? 0 : fault(p, at, "the numbers are too large");
}

/* A distribution: the sum is kept. */
static int keep(struct parser *p, size_t at, const struct lt_formula_sum *s, int *out)
{
    struct lt_buf b = { 0 };
    if (p->f->sum_count == LT_FORMULA_SUMS) return fault(p, at, "a formula has at most 32 sums");
    if (!(s->weight > 1e-9)) {
        lt_buf_fmt(&b, "the weights sum to %g, and a distribution needs more than 0: add a model, or uniform",
                   s->weight);
        int rc = fault(p, at, b.p);
        lt_buf_free(&b);
        return rc;
    }
    *out = p->f->sum_count++;
    p->f->sum[*out] = *s;
    if (s->count == 1 && !p->f->atom[s->part[0].atom].term)     /* 2*M is M */
        p->f->sum[*out].part[0].factor = p->f->sum[*out].weight = 1;
    return 0;
}

static int expression(struct parser *p, struct value *out);

/* ---- calls ---- */
static const char *next_arg_row(const struct lt_method *m, int taken)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if ((r->flags & LT_ARG) && !taken--) return r->key;
    return NULL;
}

static int set_option(struct parser *p, struct lt_formula_atom *a, const char *key, size_t at, const struct value *v)
{
    struct lt_buf b = { 0 };
    if (!v->number) return fault(p, at, "expected a number");
    lt_buf_fmt(&b, "%.17g", v->x);
    int rc = a->options ? lt_options_set(a->options, key, b.p)
                        : lt_misuse("%s has no option \"%s\"", a->term->m.name, key);
    lt_buf_clear(&b);
    if (rc) lt_buf_fmt(&b, "%s: %s", a->term->m.name, lt_error());
    if (rc) fault(p, at, b.p);
    lt_buf_free(&b);
    return rc;
}

static int take_argument(struct parser *p, struct lt_formula_atom *a, size_t at, const struct value *v, int *numbers)
{
    const struct lt_method *m = &a->term->m;
    if (v->number) {
        const char *key = next_arg_row(m, (*numbers)++);
        return key ? set_option(p, a, key, at, v) : fault(p, at, "expected a model, found a number");
    }
    if (*numbers) return fault(p, at, "numbers come behind the models");
    if (a->arg_count == a->term->most) return fault(p, at, "too many models");
    for (int i = 0; i < v->sum.count; i++)
        if (v->sum.part[i].late) return fault(p, at, "speculate stands in the sum that is the formula, not in a term");
    if (keep(p, at, &v->sum, &a->arg[a->arg_count])) return -1;
    const struct lt_formula_sum *s = &p->f->sum[a->arg[a->arg_count++]];
    if ((a->term->flags & LT_TERM_PAST) && (s->count != 1 || p->f->atom[s->part[0].atom].term))
        return fault(p, at, "expected a model, found a sum or a term");
    return 0;
}

static int arguments(struct parser *p, struct lt_formula_atom *a)
{
    int numbers = 0;
    if (advance(p)) return -1;
    while (!sees(p, ')')) {
        struct value v;
        const char *key = NULL;
        size_t at = p->next.at;
        if (p->next.kind == NAME && behind(p) == '=') {
            key = lt_arena_str(&p->f->arena, p->next.text);
            if (advance(p) || advance(p)) return -1;
        }
        if (expression(p, &v)) return -1;
        if (key ? set_option(p, a, key, at, &v) : take_argument(p, a, at, &v, &numbers)) return -1;
        if (!sees(p, ',')) break;
        if (advance(p)) return -1;
    }
    return need(p, ')');
}

/* The atom is put down last, so that it stands behind those of its arguments. */
static int call(struct parser *p, const struct lt_term *term, struct value *out)
{
    struct lt_formula_atom a = { .term = term };
    size_t at = p->next.at;
    struct lt_buf b = { 0 };
    if (term->m.opts) a.options = lt_options_new(&term->m);
    int rc = advance(p);
    if (!rc && (term->most || sees(p, '('))) rc = sees(p, '(') ? arguments(p, &a) : unexpected(p, "\"(\"");
    if (!rc && a.arg_count < term->least) {
        lt_buf_fmt(&b, "%s: expected %s%d model%s, found %d", term->m.name,
                   term->least < term->most ? "at least " : "", term->least,
                   term->least == 1 ? "" : "s", a.arg_count);
        rc = fault(p, at, b.p);
    }
    if (!rc && a.options && !(a.o = lt_options_done(a.options))) {
        lt_buf_fmt(&b, "%s: %s", term->m.name, lt_error());
        rc = fault(p, at, b.p);
    }
    if (!rc) rc = new_atom(p, at, a);
    lt_buf_free(&b);
    if (rc) {
        lt_options_free(a.options);
        return -1;
    }
    be_atom(p, out, term->weight);
    return 0;
}

/* speculate(terms, tokens): they may come late, every so many tokens. */
static int speculate(struct parser *p, struct value *out)
{
    struct value s;
    size_t at = p->next.at;
    if (advance(p) || need(p, '(') || expression(p, out) || need(p, ',')) return -1;
    size_t number_at = p->next.at;
    if (expression(p, &s) || need(p, ')')) return -1;
    if (out->number) return fault(p, at, "speculate takes models or terms");
    if (!s.number || s.x != floor(s.x) || s.x < 1 || s.x > 64)
        return fault(p, number_at, "expected a whole number of tokens from 1 to 64");
    if (p->f->guess_tokens && p->f->guess_tokens != (int)s.x)
        return fault(p, number_at, "all terms that come late come after the same number of tokens");
    p->f->guess_tokens = (int)s.x;
    for (int i = 0; i < out->sum.count; i++) out->sum.part[i].late = true;
    return 0;
}

/* ---- expressions ---- */
static const struct lt_term *term_of(struct lt_str name)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "term")) k++;
    for (const struct lt_method *const *m = k->member; *m; m++)
        if (lt_str_is(name, (*m)->name)) return (const struct lt_term *)*m;
    return NULL;
}

static bool is_defined(const struct parser *p, struct lt_str name)
{
    for (int i = 0; i < p->names; i++)
        if (lt_str_eq(p->name[i].name, name)) return true;
    return false;
}

static int named(struct parser *p, struct value *out)
{
    bool called = behind(p) == '(', defined = is_defined(p, p->next.text);
    const struct lt_term *t = defined && !called ? NULL : term_of(p->next.text);
    if (called && lt_str_is(p->next.text, "speculate")) return speculate(p, out);
    if (t && (called || !t->most)) return call(p, t, out);
    if (!called) return model(p, out);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)LT_MIN(p->next.text.n, sizeof name - 1), p->next.text.p);
    lt_method_find("term", name);
    struct lt_buf b = { 0 };
    lt_buf_str(&b, lt_error());
    int rc = fault(p, p->next.at, b.p);
    lt_buf_free(&b);
    return rc;
}

static int factor(struct parser *p, struct value *out)
{
    switch (p->next.kind) {
    case NUMBER:
        *out = (struct value){ .number = true, .x = p->next.number };
        return advance(p);
    case NAME: return named(p, out);
    case TEXT: return model(p, out);
    default: break;
    }
    if (sees(p, '/')) return unexpected(p, "a model (its path in quotes), a term, a number or \"(\"");
    if (!sees(p, '(')) return unexpected(p, "a model, a term, a number or \"(\"");
    return advance(p) || expression(p, out) || need(p, ')') ? -1 : 0;
}

static int product(struct parser *p, struct value *out)
{
    double sign = 1;
    for (; sees(p, '-'); sign = -sign)
        if (advance(p)) return -1;
    if (factor(p, out)) return -1;
    scale(p, out, sign);
    while (sees(p, '*') || sees(p, '/')) {
        bool times = sees(p, '*');
        size_t at = p->next.at;
        struct value x;
        if (advance(p) || factor(p, &x)) return -1;
        if (!x.number && (!times || !out->number))
            return fault(p, at, times ? "two models cannot be multiplied; add them" : "expected a number behind /");
        if (!times && x.x == 0) return fault(p, at, "a division by 0");
        struct value number = x.number ? x : *out;
        if (!x.number) *out = x;
        scale(p, out, times ? number.x : 1 / number.x);
    }
    return 0;
}

static int expression(struct parser *p, struct value *out)
{
    size_t begin = p->next.at;
    if (p->nested++ == LT_FORMULA_NESTED) return fault(p, begin, "brackets and calls go 16 deep at most");
    if (product(p, out)) return -1;
    while (sees(p, '+') || sees(p, '-')) {
        double sign = sees(p, '+') ? 1 : -1;
        struct value x;
        size_t at = p->next.at;
        if (advance(p) || product(p, &x) || add(p, at, out, &x, sign)) return -1;
    }
    p->nested--;
    return check_factors(p, begin, out);
}

/* NAME = "model"; */
static int definitions(struct parser *p)
{
    while (p->next.kind == NAME && behind(p) == '=') {
        struct word w = p->next;
        if (is_defined(p, w.text)) return fault(p, w.at, "this name has a model already");
        if (p->names == LT_FORMULA_MODELS) return fault(p, w.at, "more than 16 models");
        if (advance(p) || advance(p)) return -1;
        if (p->next.kind != TEXT && p->next.kind != NAME) return unexpected(p, "a model, in quotes");
        struct name *n = &p->name[p->names];
        if (model_word(p, &n->model)) return -1;
        n->name = w.text;
        p->names++;
        if (advance(p) || need(p, ';')) return -1;
    }
    return 0;
}

/* The formula without what may come late guesses for it. */
static int guess_sum(struct parser *p)
{
    struct lt_formula_sum s = p->f->sum[p->f->top];
    bool late = false;
    for (int i = 0; i < s.count; i++) {
        late |= s.part[i].late;
        if (s.part[i].late) s.part[i].factor = 0;
    }
    if (!late) return 0;
    settle(p->f, &s);
    if (keep(p, 0, &s, &p->f->guess))
        return lt_misuse("without the terms under speculate nothing can guess: %s", lt_error());
    return 0;
}

static int whole(struct parser *p)
{
    struct value v;
    if (p->text.n > TEXT_MAX) return lt_misuse("formula: longer than %d bytes", TEXT_MAX);
    if (advance(p) || definitions(p)) return -1;
    size_t at = p->next.at;
    if (expression(p, &v)) return -1;
    if (p->next.kind != END) return unexpected(p, "+, -, *, / or the end");
    if (v.number) return fault(p, at, "the formula is a number and names no model");
    return keep(p, at, &v.sum, &p->f->top) || guess_sum(p) ? -1 : 0;
}

int lt_formula_parse(struct lt_str text, struct lt_formula **out)
{
    struct parser p = { .f = lt_calloc(1, sizeof *p.f), .text = text };
    p.f->guess = -1;
    int rc = whole(&p);
    if (rc) lt_formula_free(p.f);
    else *out = p.f;
    return rc;
}

void lt_formula_free(struct lt_formula *f)
{
    if (!f) return;
    for (int i = 0; i < f->atom_count; i++) lt_options_free(f->atom[i].options);
    lt_arena_free(&f->arena);
    free(f);
}

void lt_formula_uses(const struct lt_formula *f, int sum, bool *view, bool *past)
{
    const struct lt_formula_sum *s = &f->sum[sum];
    for (int i = 0; i < s->count; i++) {
        const struct lt_formula_atom *a = &f->atom[s->part[i].atom];
        if (!a->term) view[a->view] = true;
        for (int k = 0; k < a->arg_count; k++) {
            lt_formula_uses(f, a->arg[k], view, past);
            if (a->term->flags & LT_TERM_PAST) past[f->atom[f->sum[a->arg[k]].part[0].atom].view] = true;
        }
    }
}
