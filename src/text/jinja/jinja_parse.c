/* From tokens to a tree, by recursive descent; the grammar of expressions is Jinja2's, level by level. */
#include "text/jinja/jinja_run.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    struct lt_jinja *t;
    const struct lt_jinja_token *at;
    int depth, loops;
};

static struct lt_jnode *expression(struct parser *p);
static struct lt_jnode *unary(struct parser *p, bool with_filters);
static struct lt_jnode *body(struct parser *p, const char *const *ends);

/* ---- tokens ---- */
static struct lt_jnode *fail(const struct parser *p, const char *what)
{
    const struct lt_jinja_token *t = p->at;
    struct lt_str s = t->text;
    static const char *const kind[] = { "text", "{{", "}}", "{%", "%}", NULL, NULL, NULL, NULL, NULL,
                                        "the end of the template" };
    if (kind[t->kind]) s = lt_str(kind[t->kind]);
    lt_fail("%s: line %d: %s, found \"%.*s\"", p->t->label, t->line, what, (int)LT_MIN(s.n, 40), s.p);
    return NULL;
}

static bool is_op(const struct parser *p, const char *op)
{
    return p->at->kind == LT_TOKEN_OP && lt_str_is(p->at->text, op);
}

static bool is_word(const struct parser *p, const char *word)
{
    return p->at->kind == LT_TOKEN_NAME && lt_str_is(p->at->text, word);
}

static bool take_op(struct parser *p, const char *op)
{
    bool is = is_op(p, op);
    p->at += is;
    return is;
}

static bool take_word(struct parser *p, const char *word)
{
    bool is = is_word(p, word);
    p->at += is;
    return is;
}

static bool need_op(struct parser *p, const char *op)
{
    if (take_op(p, op)) return true;
    char what[40];
    snprintf(what, sizeof what, "expected \"%s\"", op);
    fail(p, what);
    return false;
}

static bool need_end(struct parser *p)
{
    if (p->at->kind != LT_TOKEN_BLOCK_END) {
        fail(p, "expected the end of the block, %}");
        return false;
    }
    p->at++;
    return true;
}

static bool need_name(struct parser *p, struct lt_str *out)
{
    if (p->at->kind != LT_TOKEN_NAME) {
        fail(p, "expected a name");
        return false;
    }
    *out = p->at++->text;
    return true;
}

/* ---- nodes ---- */
static struct lt_jnode *make(struct parser *p, enum lt_jinja_kind kind, struct lt_jnode *a, struct lt_jnode *b)
{
    struct lt_jnode *n = lt_arena_zero(&p->t->arena, 1, sizeof *n);
    n->kind = kind;
    n->line = p->at->line;
    n->a = a;
    n->b = b;
    return n;
}

static struct lt_jnode *with_text(struct lt_jnode *n, struct lt_str text)
{
    n->text = text;
    return n;
}

/* Appends to n->item, whose room doubles at powers of two. */
static void add(struct parser *p, struct lt_jnode *n, struct lt_jnode *item)
{
    if (!(n->count & (n->count - 1))) {
        struct lt_jnode **more = lt_arena_take(&p->t->arena, (size_t)LT_MAX(2 * n->count, 1) * sizeof *more);
        if (n->count) memcpy(more, n->item, (size_t)n->count * sizeof *more);
        n->item = more;
    }
    n->item[n->count++] = item;
}

static struct lt_jnode *value(struct parser *p, struct lt_jv v)
{
    struct lt_jnode *n = make(p, LT_NODE_VALUE, NULL, NULL);
    n->value = v;
    return n;
}

/* ---- calls ---- */
/* The arguments up to ")", into n->item and n->key. */
static bool arguments(struct parser *p, struct lt_jnode *n)
{
    int first_key = -1;
    while (!take_op(p, ")")) {
        if (n->count && !need_op(p, ",")) return false;
        if (take_op(p, ")")) break;             /* a comma may come last */
        if (is_op(p, "*") || is_op(p, "**")) {
            fail(p, "expected an argument; * and ** are not supported");
            return false;
        }
        bool named = p->at->kind == LT_TOKEN_NAME && p->at[1].kind == LT_TOKEN_OP && lt_str_is(p->at[1].text, "=");
        if (!named && first_key >= 0) {
            fail(p, "expected a named argument after the first named one");
            return false;
        }
        if (named) {
            if (first_key < 0) first_key = n->count;
            struct lt_str *keys = lt_arena_take(&p->t->arena, (size_t)(n->key_count + 1) * sizeof *keys);
            if (n->key_count) memcpy(keys, n->key, (size_t)n->key_count * sizeof *keys);
            keys[n->key_count++] = p->at->text;
            n->key = keys;
            p->at += 2;
        }
        struct lt_jnode *a = expression(p);
        if (!a) return false;
        add(p, n, a);
    }
    return true;
}

/* After a bar: a filter over `a`. */
static struct lt_jnode *filter(struct parser *p, struct lt_jnode *a)
{
    struct lt_jnode *n = make(p, LT_NODE_FILTER, a, NULL);
    if (!need_name(p, &n->text)) return NULL;
    n->fn = lt_jinja_filter_find(n->text);      /* an unknown one fails when it is reached, as in Jinja2 */
    if (take_op(p, "(") && !arguments(p, n)) return NULL;
    return n;
}

static bool begins_argument(const struct parser *p)
{
    const struct lt_jinja_token *t = p->at;
    if (t->kind == LT_TOKEN_STR || t->kind == LT_TOKEN_INT || t->kind == LT_TOKEN_REAL) return true;
    if (t->kind == LT_TOKEN_OP) return is_op(p, "[") || is_op(p, "{");
    return t->kind == LT_TOKEN_NAME && !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and") &&
           !is_word(p, "if") && !is_word(p, "is") && !is_word(p, "in") && !is_word(p, "not");
}

/* After "is". */
static struct lt_jnode *test(struct parser *p, struct lt_jnode *a)
{
    bool not = take_word(p, "not");
    struct lt_jnode *n = make(p, LT_NODE_TEST, a, NULL);
    if (!need_name(p, &n->text)) return NULL;
    const struct lt_jinja_test *f = lt_jinja_test_find(n->text);
    n->fn = f;
    if (take_op(p, "(")) {
        if (!arguments(p, n)) return NULL;
    } else if ((!f || f->args) && begins_argument(p)) {
        struct lt_jnode *b = unary(p, false);
        if (!b) return NULL;
        add(p, n, b);
    }
    if (f && (n->count != f->args || n->key_count)) {
        lt_fail("%s: line %d: the test \"%s\" takes %d values", p->t->label, n->line, f->name, f->args);
        return NULL;
    }
    return not ? make(p, LT_NODE_NOT, n, NULL) : n;
}

/* ---- expressions, from the tightest ---- */
static struct lt_jnode *sequence(struct parser *p, struct lt_jnode *n, const char *close)
{
    while (!take_op(p, close)) {
        if (n->count && !need_op(p, ",")) return NULL;
        if (take_op(p, close)) break;
        struct lt_jnode *a = expression(p);
        if (!a) return NULL;
        add(p, n, a);
    }
    return n;
}

static struct lt_jnode *mapping(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_DICT, NULL, NULL);
    while (!take_op(p, "}")) {
        if (n->count && !need_op(p, ",")) return NULL;
        if (take_op(p, "}")) break;
        struct lt_jnode *k = expression(p), *v = k && need_op(p, ":") ? expression(p) : NULL;
        if (!v) return NULL;
        add(p, n, k);
        add(p, n, v);
    }
    return n;
}

/* In parentheses: an expression, or a tuple, which is a list here. */
static struct lt_jnode *parenthesis(struct parser *p)
{
    struct lt_jnode *list = make(p, LT_NODE_LIST, NULL, NULL);
    if (take_op(p, ")")) return list;
    struct lt_jnode *a = expression(p);
    if (!a || take_op(p, ")")) return a;
    add(p, list, a);
    return is_op(p, ",") ? sequence(p, list, ")") : fail(p, "expected \")\"");
}

static struct lt_jnode *word(struct parser *p)
{
    static const struct { const char *word; int value; } known[] = {
        { "true", 1 }, { "True", 1 }, { "false", 0 }, { "False", 0 }, { "none", -1 }, { "None", -1 },
    };
    struct lt_str s = p->at++->text;
    for (int i = 0; i < LT_COUNT(known); i++)
        if (lt_str_is(s, known[i].word))
            return value(p, known[i].value < 0 ? lt_jv_none() : lt_jv_bool(known[i].value));
    return with_text(make(p, LT_NODE_NAME, NULL, NULL), s);
}

/* Texts beside each other are one. */
static struct lt_jnode *texts(struct parser *p)
{
    struct lt_str s = p->at++->text;
    if (p->at->kind != LT_TOKEN_STR) return value(p, lt_jv_str(s));
    struct lt_buf b = { 0 };
    lt_buf_put(&b, s.p, s.n);
    while (p->at->kind == LT_TOKEN_STR) {
        lt_buf_put(&b, p->at->text.p, p->at->text.n);
        p->at++;
    }
    struct lt_jnode *n = value(p, lt_jv_text(&p->t->arena, lt_buf_view(&b)));
    lt_buf_free(&b);
    return n;
}

static struct lt_jnode *primary(struct parser *p)
{
    const struct lt_jinja_token *t = p->at;
    switch (t->kind) {
    case LT_TOKEN_NAME: return word(p);
    case LT_TOKEN_STR: return texts(p);
    case LT_TOKEN_INT: p->at++; return value(p, lt_jv_int(t->i));
    case LT_TOKEN_REAL: p->at++; return value(p, lt_jv_real(t->r));
    default: break;
    }
    if (take_op(p, "(")) return parenthesis(p);
    if (take_op(p, "[")) return sequence(p, make(p, LT_NODE_LIST, NULL, NULL), "]");
    if (take_op(p, "{")) return mapping(p);
    return fail(p, "expected an expression");
}

/* After "[": an index or a slice. */
static struct lt_jnode *subscript(struct parser *p, struct lt_jnode *a)
{
    struct lt_jnode *part[3] = { NULL };
    int n = 0;
    bool slice = false;
    for (;;) {
        if (!is_op(p, ":") && !is_op(p, "]") && !(part[n] = expression(p))) return NULL;
        if (!is_op(p, ":") || n == 2) break;
        p->at++;
        slice = true;
        n++;
    }
    if (!need_op(p, "]")) return NULL;
    if (!slice && !part[0]) return fail(p, "expected an index between [ and ]");
    if (!slice) return make(p, LT_NODE_ITEM, a, part[0]);
    struct lt_jnode *s = make(p, LT_NODE_SLICE, a, NULL);
    for (int i = 0; i < 3; i++) add(p, s, part[i]);
    return s;
}

static struct lt_jnode *call(struct parser *p, struct lt_jnode *a)
{
    struct lt_jnode *n = make(p, LT_NODE_CALL, a, NULL);
    return arguments(p, n) ? n : NULL;
}

static struct lt_jnode *postfix(struct parser *p, struct lt_jnode *a)
{
    while (a) {
        if (take_op(p, ".")) {
            struct lt_str name;
            if (p->at->kind == LT_TOKEN_INT) {
                a = make(p, LT_NODE_ITEM, a, value(p, lt_jv_int(p->at->i)));
                p->at++;
            } else a = need_name(p, &name) ? with_text(make(p, LT_NODE_ATTR, a, NULL), name) : NULL;
        } else if (take_op(p, "[")) a = subscript(p, a);
        else if (take_op(p, "(")) a = call(p, a);
        else return a;
    }
    return a;
}

static struct lt_jnode *filters(struct parser *p, struct lt_jnode *a)
{
    while (a) {
        if (take_op(p, "|")) a = filter(p, a);
        else if (take_word(p, "is")) a = test(p, a);
        else if (take_op(p, "(")) a = call(p, a);
        else return a;
    }
    return a;
}

/* Every way into an expression passes here, so this is where nesting is bounded. */
static struct lt_jnode *unary(struct parser *p, bool with_filters)
{
    if (p->depth == LT_JINJA_DEPTH) return fail(p, "expressions are nested too deep");
    p->depth++;
    struct lt_jnode *a;
    if (take_op(p, "-")) {
        a = unary(p, false);
        if (a) a = make(p, LT_NODE_NEGATE, a, NULL);
    } else if (take_op(p, "+")) a = unary(p, false);
    else a = primary(p);
    a = postfix(p, a);
    if (with_filters) a = filters(p, a);
    p->depth--;
    return a;
}

struct level { const char *op[5]; enum lt_jinja_op code[5]; };

/* Operators of one level, from left to right, over operands of the next one. */
static struct lt_jnode *level(struct parser *p, int at)
{
    static const struct level levels[] = {
        { { "+", "-" }, { LT_OP_ADD, LT_OP_SUB } },
        { { "~" }, { LT_OP_CONCAT } },
        { { "*", "/", "//", "%" }, { LT_OP_MUL, LT_OP_DIV, LT_OP_FLOOR, LT_OP_MOD } },
        { { "**" }, { LT_OP_POW } },
    };
    if (at == LT_COUNT(levels)) return unary(p, true);
    struct lt_jnode *a = level(p, at + 1);
    for (int i = 0; a && levels[at].op[i]; i++) {
        if (!take_op(p, levels[at].op[i])) continue;
        struct lt_jnode *b = level(p, at + 1);
        if (!b) return NULL;
        a = make(p, LT_NODE_BINARY, a, b);
        a->op = levels[at].code[i];
        i = -1;
    }
    return a;
}

static bool take_comparison(struct parser *p, enum lt_jinja_op *op)
{
    static const struct { const char *op; enum lt_jinja_op code; } known[] = {
        { "==", LT_OP_EQ }, { "!=", LT_OP_NE }, { "<", LT_OP_LT }, { "<=", LT_OP_LE }, { ">", LT_OP_GT },
        { ">=", LT_OP_GE },
    };
    for (int i = 0; i < LT_COUNT(known); i++) {
        if (!take_op(p, known[i].op)) continue;
        *op = known[i].code;
        return true;
    }
    if (take_word(p, "in")) *op = LT_OP_IN;
    else if (is_word(p, "not") && p->at[1].kind == LT_TOKEN_NAME && lt_str_is(p->at[1].text, "in")) {
        p->at += 2;
        *op = LT_OP_NOT_IN;
    } else return false;
    return true;
}

static struct lt_jnode *comparison(struct parser *p)
{
    struct lt_jnode *a = level(p, 0), *n = NULL;
    enum lt_jinja_op op;
    while (a && take_comparison(p, &op)) {
        struct lt_jnode *b = level(p, 0);
        if (!b) return NULL;
        if (!n) n = make(p, LT_NODE_COMPARE, a, NULL);
        enum lt_jinja_op *ops = lt_arena_take(&p->t->arena, (size_t)(n->count + 1) * sizeof *ops);
        if (n->count) memcpy(ops, n->ops, (size_t)n->count * sizeof *ops);
        ops[n->count] = op;
        n->ops = ops;
        add(p, n, b);
    }
    return n && a ? n : a;
}

static struct lt_jnode *negation(struct parser *p)
{
    int not = 0;
    while (take_word(p, "not")) not ^= 1;
    struct lt_jnode *a = comparison(p);
    return a && not ? make(p, LT_NODE_NOT, a, NULL) : a;
}

static struct lt_jnode *conjunction(struct parser *p)
{
    struct lt_jnode *a = negation(p), *b;
    while (a && take_word(p, "and")) a = (b = negation(p)) ? make(p, LT_NODE_AND, a, b) : NULL;
    return a;
}

static struct lt_jnode *disjunction(struct parser *p)
{
    struct lt_jnode *a = conjunction(p), *b;
    while (a && take_word(p, "or")) a = (b = conjunction(p)) ? make(p, LT_NODE_OR, a, b) : NULL;
    return a;
}

static struct lt_jnode *expression(struct parser *p)
{
    if (p->depth == LT_JINJA_DEPTH) return fail(p, "expressions are nested too deep");
    p->depth++;
    struct lt_jnode *a = disjunction(p);
    while (a && take_word(p, "if")) {
        struct lt_jnode *n = make(p, LT_NODE_CONDITION, disjunction(p), a);
        if (!n->a) return NULL;
        if (take_word(p, "else") && !(n->c = expression(p))) return NULL;
        a = n;
    }
    p->depth--;
    return a;
}

/* An expression, or several with commas, which are a list. */
static struct lt_jnode *expression_list(struct parser *p)
{
    struct lt_jnode *a = expression(p);
    if (!a || !is_op(p, ",")) return a;
    struct lt_jnode *list = make(p, LT_NODE_LIST, NULL, NULL);
    add(p, list, a);
    while (take_op(p, ",")) {
        if (p->at->kind == LT_TOKEN_BLOCK_END || p->at->kind == LT_TOKEN_VAR_END) break;
        if (!(a = expression(p))) return NULL;
        add(p, list, a);
    }
    return list;
}

/* ---- statements ---- */
/* The body of a block up to {% end %}, whose end is taken. */
static struct lt_jnode *block(struct parser *p, const char *end)
{
    const char *const ends[] = { end, NULL };
    struct lt_jnode *b = need_end(p) ? body(p, ends) : NULL;
    if (!b) return NULL;
    p->at++;                                    /* the word that ended it */
    return need_end(p) ? b : NULL;
}

static struct lt_jnode *if_block(struct parser *p)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL };
    struct lt_jnode *n = make(p, LT_NODE_IF, NULL, NULL);
    if (p->depth == LT_JINJA_DEPTH) return fail(p, "blocks are nested too deep");
    p->depth++;
    n->a = expression_list(p);
    n->b = n->a && need_end(p) ? body(p, ends) : NULL;
    if (!n->b) return NULL;
    if (take_word(p, "elif")) {
        n->c = if_block(p);
        if (!n->c) return NULL;
    } else if (take_word(p, "else")) {
        n->c = block(p, "endif");
        if (!n->c) return NULL;
    } else {
        p->at++;
        if (!need_end(p)) return NULL;
    }
    p->depth--;
    return n;
}

/* One name or several, in parentheses or not. */
static bool targets(struct parser *p, struct lt_jnode *n)
{
    bool inside = take_op(p, "(");
    do {
        struct lt_str name;
        if (n->count && (is_op(p, ")") || is_word(p, "in") || is_op(p, "="))) break;
        if (!need_name(p, &name)) return false;
        add(p, n, with_text(make(p, LT_NODE_NAME, NULL, NULL), name));
    } while (take_op(p, ","));
    return !inside || need_op(p, ")");
}

static struct lt_jnode *for_block(struct parser *p)
{
    static const char *const ends[] = { "else", "endfor", NULL };
    struct lt_jnode *n = make(p, LT_NODE_FOR, NULL, NULL);
    if (!targets(p, n)) return NULL;
    if (!take_word(p, "in")) return fail(p, "expected \"in\"");
    n->a = disjunction(p);                      /* an `if` here chooses among the items */
    if (n->a && is_op(p, ",")) return fail(p, "expected one thing to go over; put a list in brackets");
    if (!n->a || (take_word(p, "if") && !(n->d = expression(p)))) return NULL;
    if (is_word(p, "recursive")) return fail(p, "expected the end of the block; recursive loops are not supported");
    p->loops++;
    n->b = need_end(p) ? body(p, ends) : NULL;
    p->loops--;
    if (!n->b) return NULL;
    if (take_word(p, "else")) return (n->c = block(p, "endfor")) ? n : NULL;
    p->at++;
    return need_end(p) ? n : NULL;
}

static struct lt_jnode *set_block(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_SET, NULL, NULL);
    if (!targets(p, n)) return NULL;
    if (n->count == 1 && take_op(p, ".")) {
        struct lt_str name;
        if (!need_name(p, &name)) return NULL;
        n->item[0] = with_text(make(p, LT_NODE_ATTR, n->item[0], NULL), name);
    }
    if (take_op(p, "=")) {
        n->a = expression_list(p);
        return n->a && need_end(p) ? n : NULL;
    }
    if (n->count != 1) return fail(p, "expected \"=\"");
    n->kind = LT_NODE_SET_BLOCK;
    while (take_op(p, "|"))
        if (!(n->c = filter(p, n->c))) return NULL;
    return (n->b = block(p, "endset")) ? n : NULL;
}

static struct lt_jnode *macro_block(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_MACRO, NULL, NULL);
    if (!need_name(p, &n->text) || !need_op(p, "(")) return NULL;
    while (!take_op(p, ")")) {
        struct lt_str name;
        if (n->count && !need_op(p, ",")) return NULL;
        if (!need_name(p, &name)) return NULL;
        struct lt_jnode *parameter = with_text(make(p, LT_NODE_NAME, NULL, NULL), name);
        if (take_op(p, "=") && !(parameter->a = expression(p))) return NULL;
        if (!parameter->a && n->count && n->item[n->count - 1]->a)
            return fail(p, "expected a default, as the parameter before has one");
        add(p, n, parameter);
    }
    int loops = p->loops;
    p->loops = 0;
    n->b = block(p, "endmacro");
    p->loops = loops;
    return n->b ? n : NULL;
}

static struct lt_jnode *filter_block(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_FILTER_BLOCK, NULL, NULL);
    do n->c = filter(p, n->c); while (n->c && take_op(p, "|"));
    return n->c && (n->b = block(p, "endfilter")) ? n : NULL;
}

static struct lt_jnode *with_block(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_WITH, NULL, NULL);
    while (p->at->kind != LT_TOKEN_BLOCK_END) {
        struct lt_str name;
        if ((n->count && !need_op(p, ",")) || !need_name(p, &name) || !need_op(p, "=")) return NULL;
        struct lt_jnode *a = with_text(make(p, LT_NODE_NAME, NULL, NULL), name);
        if (!(a->a = expression(p))) return NULL;
        add(p, n, a);
    }
    return (n->b = block(p, "endwith")) ? n : NULL;
}

static struct lt_jnode *generation_block(struct parser *p)
{
    struct lt_jnode *n = make(p, LT_NODE_GENERATION, NULL, NULL);
    p->t->generation = true;
    return (n->b = block(p, "endgeneration")) ? n : NULL;
}

static struct lt_jnode *jump(struct parser *p, enum lt_jinja_kind kind)
{
    if (!p->loops) return fail(p, "expected a loop around break and continue");
    struct lt_jnode *n = make(p, kind, NULL, NULL);
    return need_end(p) ? n : NULL;
}

static struct lt_jnode *break_block(struct parser *p) { return jump(p, LT_NODE_BREAK); }
static struct lt_jnode *continue_block(struct parser *p) { return jump(p, LT_NODE_CONTINUE); }

static struct lt_jnode *statement(struct parser *p)
{
    static const struct { const char *word; struct lt_jnode *(*parse)(struct parser *); } known[] = {
        { "if", if_block }, { "for", for_block }, { "set", set_block }, { "macro", macro_block },
        { "generation", generation_block }, { "filter", filter_block }, { "with", with_block },
        { "break", break_block }, { "continue", continue_block },
    };
    for (int i = 0; i < LT_COUNT(known); i++) {
        if (!take_word(p, known[i].word)) continue;
        if (p->depth == LT_JINJA_DEPTH) return fail(p, "blocks are nested too deep");
        p->depth++;
        struct lt_jnode *n = known[i].parse(p);
        p->depth--;
        return n;
    }
    return fail(p, "expected if, for, set, macro, filter, generation, with, break or continue");
}

/* Statements up to {% WORD with one of the words, which is left to be taken; ends NULL: to the end of the template. */
static struct lt_jnode *body(struct parser *p, const char *const *ends)
{
    struct lt_jnode *n = make(p, LT_NODE_BODY, NULL, NULL);
    for (;;) {
        struct lt_jnode *s;
        if (p->at->kind == LT_TOKEN_DATA) {
            s = with_text(make(p, LT_NODE_DATA, NULL, NULL), p->at->text);
            p->at++;
        } else if (p->at->kind == LT_TOKEN_VAR_BEGIN) {
            p->at++;
            s = make(p, LT_NODE_PRINT, NULL, NULL);
            s->a = expression_list(p);
            if (!s->a) return NULL;
            if (p->at->kind != LT_TOKEN_VAR_END) return fail(p, "expected the end of the expression, }}");
            p->at++;
        } else if (p->at->kind == LT_TOKEN_BLOCK_BEGIN) {
            p->at++;
            for (const char *const *e = ends; e && *e; e++)
                if (is_word(p, *e)) return n;
            s = statement(p);
            if (!s) return NULL;
        } else if (!ends) return n;
        else return fail(p, "expected the end of a block");
        add(p, n, s);
    }
}

struct lt_jnode *lt_jinja_parse(struct lt_jinja *t, const struct lt_jinja_token *token, int count)
{
    struct parser p = { .t = t, .at = token };
    (void)count;                                /* the last token is END, which nothing takes */
    return body(&p, NULL);
}
