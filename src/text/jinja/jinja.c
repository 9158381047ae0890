/* Running the tree of a template. */
#include "text/jinja/jinja.h"
#include "text/jinja/jinja_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000, HEIGHT_MAX = 4000 };   /* of a run: expressions, blocks and calls together; of values */
enum outcome { GO_ON, BREAK, CONTINUE, FAILED = -1 };

static int eval(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out);
static enum outcome exec(struct lt_jinja_run *r, const struct lt_jnode *n);

/* The first to fail says where. */
static int located(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    if (!r->located) {
        char *why = lt_strdup(lt_error());
        lt_fail("%s: line %d: %s", r->t->label, n->line, why);
        free(why);
    }
    r->located = true;
    return -1;
}

int lt_jinja_step(struct lt_jinja_run *r)
{
    if (r->depth >= DEPTH_MAX) return lt_fail("expressions, blocks or calls are nested too deep");
    if (r->arena.used_total > LT_JINJA_MEMORY_MAX)
        return lt_fail("the template needs more than %d MiB", LT_JINJA_MEMORY_MAX >> 20);
    if (++r->steps <= LT_JINJA_STEPS_MAX) return 0;
    return lt_fail("the template has run for %d steps and does not end", LT_JINJA_STEPS_MAX);
}

/* ---- scopes ---- */
static struct lt_jinja_frame *enter(struct lt_jinja_run *r, struct lt_jinja_frame *outer)
{
    struct lt_jinja_frame *f = lt_arena_zero(&r->arena, 1, sizeof *f), *before = r->frame;
    f->names = lt_jv_dict(&r->arena);
    f->outer = outer;
    r->frame = f;
    return before;
}

static void set_name(struct lt_jinja_run *r, struct lt_str name, struct lt_jv v)
{
    lt_jv_put(&r->arena, r->frame->names, lt_jv_str(name), v);
}

static struct lt_jv look_up(const struct lt_jinja_run *r, struct lt_str name)
{
    for (const struct lt_jinja_frame *f = r->frame; f; f = f->outer) {
        const struct lt_jv *v = lt_jv_member(f->names, name);
        if (v) return *v;
    }
    const struct lt_jinja_function *f = lt_jinja_function_find(name);
    return f ? (struct lt_jv){ .type = LT_JV_FUNCTION, .function = f } : lt_jv_undefined(name);
}

/* ---- calls ---- */
static int eval_args(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jinja_args *out)
{
    struct lt_jv *v = lt_arena_take(&r->arena, (size_t)LT_MAX(n->count, 1) * sizeof *v);
    int plain = n->count - n->key_count;
    for (int i = 0; i < n->count; i++)
        if (eval(r, n->item[i], &v[i])) return -1;
    *out = (struct lt_jinja_args){ v, plain, n->key, v + plain, n->key_count };
    return 0;
}

/* Runs a body into a text of its own. */
static int capture(struct lt_jinja_run *r, const struct lt_jnode *body, struct lt_jv *out)
{
    struct lt_buf b = { 0 }, *before = r->out;
    struct lt_jinja_spans *spans = r->spans;
    r->out = &b;
    r->spans = NULL;
    enum outcome o = exec(r, body);
    r->out = before;
    r->spans = spans;
    if (o != FAILED) *out = lt_jv_text(&r->arena, (struct lt_str){ b.p ? b.p : "", b.n });
    lt_buf_free(&b);
    return o == FAILED ? -1 : 0;
}

static int bind_parameters(struct lt_jinja_run *r, const struct lt_jnode *macro, const struct lt_jinja_args *a)
{
    if (a->n > macro->count)
        return lt_fail("the macro \"%.*s\" takes %d values, and %d are given", (int)macro->text.n, macro->text.p,
                       macro->count, a->n);
    for (int i = 0; i < a->named_n; i++) {
        bool known = false;
        for (int k = 0; k < macro->count; k++) known |= lt_str_eq(macro->item[k]->text, a->key[i]);
        if (!known)
            return lt_fail("the macro \"%.*s\" has no parameter \"%.*s\"", (int)macro->text.n, macro->text.p,
                           (int)a->key[i].n, a->key[i].p);
    }
    for (int k = 0; k < macro->count; k++) {
        const struct lt_jnode *p = macro->item[k];
        struct lt_jv v = lt_jv_undefined(p->text);
        const struct lt_jv *given = k < a->n ? &a->at[k] : NULL;
        for (int i = 0; i < a->named_n && !given; i++)
            if (lt_str_eq(a->key[i], p->text)) given = &a->named[i];
        if (given) v = *given;
        else if (p->a && eval(r, p->a, &v)) return -1;
        set_name(r, p->text, v);
    }
    return 0;
}

static int call_macro(struct lt_jinja_run *r, const struct lt_jv_macro *m, const struct lt_jinja_args *a,
                      struct lt_jv *out)
{
    struct lt_jinja_frame *before = enter(r, m->frame);
    int rc = bind_parameters(r, m->node, a) || capture(r, m->node->b, out) ? -1 : 0;
    r->frame = before;
    return rc;
}

static int call(struct lt_jinja_run *r, struct lt_jv f, const struct lt_jinja_args *a, struct lt_jv *out)
{
    const struct lt_jinja_function *fn = f.type == LT_JV_METHOD ? f.method->function : f.function;
    if (f.type == LT_JV_MACRO) return call_macro(r, f.macro, a, out);
    if (f.type == LT_JV_UNDEFINED) return lt_fail("\"%.*s\" is not defined and cannot be called", (int)f.s.n, f.s.p);
    if (f.type != LT_JV_FUNCTION && f.type != LT_JV_METHOD)
        return lt_fail("%s cannot be called", lt_jv_type_name(f));
    if (lt_jinja_check_args(fn->name, fn->names, a)) return -1;
    struct lt_jv self = f.type == LT_JV_METHOD ? f.method->self : lt_jv_undefined(lt_str(""));
    return fn->fn(r, self, a, out);
}

/* ---- operators ---- */
static int repeat(struct lt_jinja_run *r, struct lt_str s, int64_t times, struct lt_jv *out)
{
    if (times > 0 && s.n && (uint64_t)times > LT_JINJA_OUTPUT_MAX / s.n) return lt_fail("a text becomes too long");
    struct lt_buf b = { 0 };
    for (int64_t i = 0; i < times && s.n; i++) lt_buf_put(&b, s.p, s.n);
    *out = lt_jinja_take(r, &b);
    return 0;
}

static struct lt_jv joined(struct lt_jinja_run *r, struct lt_str a, struct lt_str b)
{
    char *p = lt_arena_take(&r->arena, a.n + b.n + 1);
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    p[a.n + b.n] = 0;
    return lt_jv_str((struct lt_str){ p, a.n + b.n });
}

/* Python's division of whole numbers: towards minus infinity. */
static int whole(enum lt_jinja_op op, int64_t x, int64_t y, struct lt_jv *out)
{
    int64_t z = 0;
    bool over = false;
    if ((op == LT_OP_FLOOR || op == LT_OP_MOD) && !y) return lt_fail("a division by zero");
    if (op == LT_OP_ADD) over = __builtin_add_overflow(x, y, &z);
    else if (op == LT_OP_SUB) over = __builtin_sub_overflow(x, y, &z);
    else if (op == LT_OP_MUL) over = __builtin_mul_overflow(x, y, &z);
    else if (y == -1) over = op == LT_OP_FLOOR && __builtin_sub_overflow((int64_t)0, x, &z);
    else if (op == LT_OP_FLOOR) z = x / y - (x % y && (x < 0) != (y < 0));
    else z = x % y + (x % y && (x < 0) != (y < 0) ? y : 0);
    *out = lt_jv_int(z);
    return over ? lt_fail("a whole number becomes too large") : 0;
}

static int power(double x, double y, bool both_whole, struct lt_jv *out)
{
    double z = pow(x, y);
    if (!both_whole || y < 0) *out = lt_jv_real(z);
    else if (fabs(z) > 9e15) return lt_fail("a whole number becomes too large");
    else *out = lt_jv_int((int64_t)z);
    return 0;
}

static int arithmetic(enum lt_jinja_op op, struct lt_jv a, struct lt_jv b, struct lt_jv *out)
{
    double x = 0, y = 0;
    if (!lt_jv_number(a, &x) || !lt_jv_number(b, &y))
        return lt_fail("%s and %s cannot be combined so", lt_jv_type_name(a), lt_jv_type_name(b));
    bool both = a.type != LT_JV_REAL && b.type != LT_JV_REAL;
    if (op == LT_OP_POW) return power(x, y, both, out);
    if (both && op != LT_OP_DIV)
        return whole(op, a.type == LT_JV_BOOL ? a.b : a.i, b.type == LT_JV_BOOL ? b.b : b.i, out);
    if (!(y < 0 || y > 0) && (op == LT_OP_DIV || op == LT_OP_FLOOR || op == LT_OP_MOD))
        return lt_fail("a division by zero");
    double z = op == LT_OP_ADD ? x + y : op == LT_OP_SUB ? x - y : op == LT_OP_MUL ? x * y : op == LT_OP_DIV ? x / y
             : op == LT_OP_FLOOR ? floor(x / y) : x - y * floor(x / y);
    *out = lt_jv_real(z);
    return 0;
}

static int escaped(struct lt_jinja_run *r, struct lt_jv v, struct lt_jv *out)
{
    return lt_jinja_filter_find(lt_str("escape"))->fn(r, v, &(struct lt_jinja_args){ 0 }, out);
}

static int concat_lists(struct lt_jinja_run *r, struct lt_jv a, struct lt_jv b, struct lt_jv *out)
{
    *out = lt_jv_list(&r->arena);
    for (size_t i = 0; i < a.list->n; i++) lt_jv_push(&r->arena, *out, a.list->at[i]);
    for (size_t i = 0; i < b.list->n; i++) lt_jv_push(&r->arena, *out, b.list->at[i]);
    r->steps += (int64_t)(a.list->n + b.list->n);
    return 0;
}

static int binary(struct lt_jinja_run *r, enum lt_jinja_op op, struct lt_jv a, struct lt_jv b, struct lt_jv *out)
{
    bool markup = op == LT_OP_ADD && a.type == LT_JV_STR && b.type == LT_JV_STR && (a.markup || b.markup);
    if (markup && (escaped(r, a, &a) || escaped(r, b, &b))) return -1;
    if (op == LT_OP_CONCAT || (op == LT_OP_ADD && a.type == LT_JV_STR && b.type == LT_JV_STR)) {
        struct lt_str x = lt_jinja_string(r, a).s, y = lt_jinja_string(r, b).s;
        if (x.n + y.n > LT_JINJA_OUTPUT_MAX) return lt_fail("a text becomes too long");
        r->steps += (int64_t)((x.n + y.n) / 64);        /* copying is work too */
        *out = joined(r, x, y);
        out->markup = markup;
        return 0;
    }
    if (a.type == LT_JV_UNDEFINED || b.type == LT_JV_UNDEFINED) {
        struct lt_str name = a.type == LT_JV_UNDEFINED ? a.s : b.s;
        return lt_fail("\"%.*s\" is not defined", (int)name.n, name.p);
    }
    if (op == LT_OP_ADD && a.type == LT_JV_LIST && b.type == LT_JV_LIST) return concat_lists(r, a, b, out);
    if (op == LT_OP_MUL && a.type == LT_JV_STR && b.type == LT_JV_INT) return repeat(r, a.s, b.i, out);
    if (op == LT_OP_MUL && b.type == LT_JV_STR && a.type == LT_JV_INT) return repeat(r, b.s, a.i, out);
    return arithmetic(op, a, b, out);
}

static int compare(enum lt_jinja_op op, struct lt_jv a, struct lt_jv b, bool *out)
{
    int order = 0;
    switch (op) {
    case LT_OP_EQ: *out = lt_jv_equal(a, b); return 0;
    case LT_OP_NE: *out = !lt_jv_equal(a, b); return 0;
    case LT_OP_IN: return lt_jinja_contains(b, a, out);
    case LT_OP_NOT_IN:
        if (lt_jinja_contains(b, a, out)) return -1;
        *out = !*out;
        return 0;
    default: break;
    }
    if (!lt_jv_order(a, b, &order))
        return lt_fail("%s and %s have no order", lt_jv_type_name(a), lt_jv_type_name(b));
    *out = op == LT_OP_LT ? order < 0 : op == LT_OP_LE ? order <= 0 : op == LT_OP_GT ? order > 0 : order >= 0;
    return 0;
}

static int eval_compare(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv a, b;
    bool is = true;
    if (eval(r, n->a, &a)) return -1;
    for (int i = 0; i < n->count && is; i++, a = b)
        if (eval(r, n->item[i], &b) || compare(n->ops[i], a, b, &is)) return -1;
    *out = lt_jv_bool(is);
    return 0;
}

/* ---- slices ---- */
/* Where Python's slice of n things begins, in *from, and how many it has; step is not 0. */
static int64_t slice_of(int64_t n, const int64_t *begin, const int64_t *end, int64_t step, int64_t *from)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t b = begin ? *begin + (*begin < 0 ? n : 0) : step > 0 ? low : high;
    int64_t e = end ? *end + (*end < 0 ? n : 0) : step > 0 ? high : low;
    b = LT_MIN(LT_MAX(b, low), high);
    e = LT_MIN(LT_MAX(e, low), high);
    *from = b;
    if (step > 0) return e > b ? (e - b - 1) / step + 1 : 0;
    return b > e ? (b - e - 1) / -step + 1 : 0;
}

static int eval_slice(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv v, part[3];
    int64_t at[3] = { 0, 0, 1 }, from;
    const int64_t *given[3] = { NULL };
    if (eval(r, n->a, &v)) return -1;
    for (int i = 0; i < 3; i++) {
        if (!n->item[i]) continue;
        if (eval(r, n->item[i], &part[i])) return -1;
        if (part[i].type == LT_JV_NONE) continue;
        if (part[i].type != LT_JV_INT) return lt_fail("a slice needs whole numbers, not %s", lt_jv_type_name(part[i]));
        at[i] = LT_MAX(LT_MIN(part[i].i, INT32_MAX), -INT32_MAX);
        given[i] = &at[i];
    }
    if (!at[2]) return lt_fail("the step of a slice is 0");
    if (v.type != LT_JV_STR && v.type != LT_JV_LIST) return lt_fail("%s has no slices", lt_jv_type_name(v));
    struct lt_jv all;
    if (lt_jinja_iterate(r, v, &all)) return -1;
    int64_t count = slice_of((int64_t)all.list->n, given[0], given[1], at[2], &from);
    struct lt_jv list = lt_jv_list(&r->arena);
    for (int64_t i = 0; i < count; i++) lt_jv_push(&r->arena, list, all.list->at[from + i * at[2]]);
    *out = list;
    if (v.type == LT_JV_LIST) return 0;
    struct lt_buf b = { 0 };
    for (size_t i = 0; i < list.list->n; i++) lt_buf_put(&b, list.list->at[i].s.p, list.list->at[i].s.n);
    *out = lt_jinja_take(r, &b);
    return 0;
}

/* ---- expressions ---- */
static int eval_filter(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv v, struct lt_jv *out)
{
    const struct lt_jinja_filter *f = n->fn;
    struct lt_jinja_args a;
    if (!f) return lt_fail("there is no filter \"%.*s\"", (int)n->text.n, n->text.p);
    if (eval_args(r, n, &a) || lt_jinja_check_args(f->name, f->names, &a)) return -1;
    return f->fn(r, v, &a, out);
}

static int eval_test(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    const struct lt_jinja_test *f = n->fn;
    struct lt_jinja_args a;
    struct lt_jv v;
    bool is = false;
    if (!f) return lt_fail("there is no test \"%.*s\"", (int)n->text.n, n->text.p);
    if (eval(r, n->a, &v) || eval_args(r, n, &a) || f->fn(r, v, &a, &is)) return -1;
    *out = lt_jv_bool(is);
    return 0;
}

static int eval_call(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv f;
    struct lt_jinja_args a;
    if (eval(r, n->a, &f) || eval_args(r, n, &a)) return -1;
    return call(r, f, &a, out);
}

static int eval_items(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv made = n->kind == LT_NODE_LIST ? lt_jv_list(&r->arena) : lt_jv_dict(&r->arena), k, v;
    for (int i = 0; i < n->count; i++) {
        if (eval(r, n->item[i], &k)) return -1;
        if (n->kind == LT_NODE_LIST) lt_jv_push(&r->arena, made, k);
        else if (eval(r, n->item[++i], &v)) return -1;
        else lt_jv_put(&r->arena, made, k, v);
    }
    if (lt_jv_height(made) > HEIGHT_MAX) return lt_fail("values are nested too deep");
    *out = made;
    return 0;
}

static int eval_logic(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    if (eval(r, n->a, out)) return -1;
    bool is = lt_jv_true(*out);
    switch (n->kind) {
    case LT_NODE_NOT: *out = lt_jv_bool(!is); return 0;
    case LT_NODE_AND: return is ? eval(r, n->b, out) : 0;
    case LT_NODE_OR: return is ? 0 : eval(r, n->b, out);
    default: break;
    }
    if (is) return eval(r, n->b, out);
    if (n->c) return eval(r, n->c, out);
    *out = lt_jv_undefined(lt_str("the missing else"));
    return 0;
}

static int eval_binary(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv a, b;
    if (eval(r, n->a, &a)) return -1;
    if (n->kind == LT_NODE_NEGATE) return arithmetic(LT_OP_SUB, lt_jv_int(0), a, out);
    return eval(r, n->b, &b) ? -1 : binary(r, n->op, a, b, out);
}

static int eval_kind(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv a, b;
    switch (n->kind) {
    case LT_NODE_VALUE: *out = n->value; return 0;
    case LT_NODE_NAME: *out = look_up(r, n->text); return 0;
    case LT_NODE_ATTR: return eval(r, n->a, &a) ? -1 : lt_jinja_attr(r, a, n->text, out);
    case LT_NODE_ITEM: return eval(r, n->a, &a) || eval(r, n->b, &b) ? -1 : lt_jinja_item(r, a, b, out);
    case LT_NODE_SLICE: return eval_slice(r, n, out);
    case LT_NODE_LIST:
    case LT_NODE_DICT: return eval_items(r, n, out);
    case LT_NODE_CALL: return eval_call(r, n, out);
    case LT_NODE_FILTER: return eval(r, n->a, &a) ? -1 : eval_filter(r, n, a, out);
    case LT_NODE_TEST: return eval_test(r, n, out);
    case LT_NODE_COMPARE: return eval_compare(r, n, out);
    case LT_NODE_NEGATE:
    case LT_NODE_BINARY: return eval_binary(r, n, out);
    default: return eval_logic(r, n, out);
    }
}

static int eval(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    if (lt_jinja_step(r)) return located(r, n);
    r->depth++;
    int rc = eval_kind(r, n, out);
    r->depth--;
    return rc ? located(r, n) : 0;
}

/* The chain of filters over a block's text: the innermost has no operand of its own. */
static int filter_text(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv text, struct lt_jv *out)
{
    struct lt_jv v = text;
    if (n->a && filter_text(r, n->a, text, &v)) return -1;
    return eval_filter(r, n, v, out) ? located(r, n) : 0;
}

/* ---- statements ---- */
static int assign(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv v)
{
    if (n->count == 1 && n->item[0]->kind == LT_NODE_ATTR) {
        struct lt_jv space;
        if (eval(r, n->item[0]->a, &space)) return -1;
        if (space.type != LT_JV_NAMESPACE) return lt_fail("only a namespace has members that can be set");
        if (lt_jv_height(v) > HEIGHT_MAX) return lt_fail("values are nested too deep");
        struct lt_jv dict = { .type = LT_JV_DICT, .dict = space.dict };
        lt_jv_put(&r->arena, dict, lt_jv_str(n->item[0]->text), v);
        return 0;
    }
    if (n->count == 1) {
        set_name(r, n->item[0]->text, v);
        return 0;
    }
    struct lt_jv parts;
    if (lt_jinja_iterate(r, v, &parts)) return -1;
    if (parts.list->n != (size_t)n->count)
        return lt_fail("%d names are set from %zu values", n->count, parts.list->n);
    for (int i = 0; i < n->count; i++) set_name(r, n->item[i]->text, parts.list->at[i]);
    return 0;
}

/* The items a loop goes over: those for which its condition holds. */
static int chosen(struct lt_jinja_run *r, const struct lt_jnode *n, struct lt_jv *out)
{
    struct lt_jv over, all, is;
    if (eval(r, n->a, &over) || lt_jinja_iterate(r, over, &all)) return -1;
    *out = all;
    if (!n->d) return 0;
    *out = lt_jv_list(&r->arena);
    struct lt_jinja_frame *before = enter(r, r->frame);
    int rc = 0;
    for (size_t i = 0; i < all.list->n && !rc; i++) {
        rc = assign(r, n, all.list->at[i]) || eval(r, n->d, &is) ? -1 : 0;
        if (!rc && lt_jv_true(is)) lt_jv_push(&r->arena, *out, all.list->at[i]);
    }
    r->frame = before;
    return rc;
}

static enum outcome exec_for(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jv items;
    enum outcome o = GO_ON;
    if (chosen(r, n, &items)) return FAILED;
    if (!items.list->n && n->c) return exec(r, n->c);
    struct lt_jv_loop *loop = lt_arena_zero(&r->arena, 1, sizeof *loop);
    *loop = (struct lt_jv_loop){ .over = items.list, .depth = ++r->loops };
    for (; loop->at < items.list->n && o != FAILED && o != BREAK; loop->at++) {
        struct lt_jinja_frame *before = enter(r, r->frame);
        set_name(r, lt_str("loop"), (struct lt_jv){ .type = LT_JV_LOOP, .loop = loop });
        o = lt_jinja_step(r) || assign(r, n, items.list->at[loop->at]) ? FAILED : exec(r, n->b);
        r->frame = before;
    }
    r->loops--;
    return o == FAILED ? FAILED : GO_ON;
}

static enum outcome exec_set_block(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jv text;
    struct lt_jinja_frame *before = enter(r, r->frame);
    int rc = capture(r, n->b, &text);
    r->frame = before;
    if (!rc && n->c) rc = filter_text(r, n->c, text, &text);
    return rc || assign(r, n, text) ? FAILED : GO_ON;
}

static enum outcome exec_filter_block(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jv text;
    if (capture(r, n->b, &text) || filter_text(r, n->c, text, &text)) return FAILED;
    lt_jv_print(r->out, text);
    return GO_ON;
}

static enum outcome exec_with(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jinja_frame *outer = r->frame, *inner;
    enter(r, outer);
    inner = r->frame;
    for (int i = 0; i < n->count; i++) {
        struct lt_jv v;
        r->frame = outer;                       /* values are those of outside */
        if (eval(r, n->item[i]->a, &v)) return FAILED;
        r->frame = inner;
        set_name(r, n->item[i]->text, v);
    }
    r->frame = inner;
    enum outcome o = exec(r, n->b);
    r->frame = outer;
    return o;
}

static void add_span(struct lt_jinja_spans *s, size_t begin, size_t end)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->at = lt_realloc(s->at, s->cap * sizeof *s->at);
    }
    s->at[s->n++] = (struct lt_jinja_span){ begin, end };
}

static enum outcome exec_generation(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    size_t begin = r->out->n;
    struct lt_jinja_spans *spans = r->spans;
    r->spans = NULL;
    enum outcome o = exec(r, n->b);
    r->spans = spans;
    if (o != FAILED && spans) add_span(spans, begin, r->out->n);
    return o;
}

static enum outcome exec_print(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jv v;
    if (eval(r, n->a, &v)) return FAILED;
    lt_jv_print(r->out, v);
    return GO_ON;
}

static enum outcome exec_kind(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    struct lt_jv v;
    switch (n->kind) {
    case LT_NODE_DATA: lt_buf_put(r->out, n->text.p, n->text.n); return GO_ON;
    case LT_NODE_PRINT: return exec_print(r, n);
    case LT_NODE_IF:
        if (eval(r, n->a, &v)) return FAILED;
        return lt_jv_true(v) ? exec(r, n->b) : n->c ? exec(r, n->c) : GO_ON;
    case LT_NODE_FOR: return exec_for(r, n);
    case LT_NODE_SET: return eval(r, n->a, &v) || assign(r, n, v) ? FAILED : GO_ON;
    case LT_NODE_SET_BLOCK: return exec_set_block(r, n);
    case LT_NODE_MACRO: {
        struct lt_jv_macro *m = lt_arena_take(&r->arena, sizeof *m);
        *m = (struct lt_jv_macro){ n, r->frame };
        set_name(r, n->text, (struct lt_jv){ .type = LT_JV_MACRO, .macro = m });
        return GO_ON;
    }
    case LT_NODE_FILTER_BLOCK: return exec_filter_block(r, n);
    case LT_NODE_GENERATION: return exec_generation(r, n);
    case LT_NODE_WITH: return exec_with(r, n);
    case LT_NODE_BREAK: return BREAK;
    default: return CONTINUE;
    }
}

static enum outcome exec(struct lt_jinja_run *r, const struct lt_jnode *n)
{
    if (n->kind != LT_NODE_BODY) {
        enum outcome o = lt_jinja_step(r) ? FAILED : GO_ON;
        r->depth++;
        if (o != FAILED) o = exec_kind(r, n);
        r->depth--;
        if (o != FAILED && r->out->n > LT_JINJA_OUTPUT_MAX) o = lt_fail("more than %d MiB are rendered",
                                                                        LT_JINJA_OUTPUT_MAX >> 20);
        return o == FAILED ? (enum outcome)located(r, n) : o;
    }
    enum outcome o = GO_ON;
    for (int i = 0; i < n->count && o == GO_ON; i++) o = exec(r, n->item[i]);
    return o;
}

/* ---- the whole ---- */
/* A copy in which every line ends in '\n' alone. */
static struct lt_str own_source(struct lt_arena *a, struct lt_str source)
{
    char *p = lt_arena_take(a, source.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < source.n; i++) {
        bool cr = source.p[i] == '\r';
        if (cr && i + 1 < source.n && source.p[i + 1] == '\n') continue;
        p[n++] = cr ? '\n' : source.p[i];
    }
    p[n] = 0;
    return (struct lt_str){ p, n };
}

int lt_jinja_compile(const char *label, struct lt_str source, struct lt_jinja **out)
{
    if (source.n > LT_JINJA_SOURCE_MAX)
        return lt_fail("%s: a template of %zu bytes; at most %d are taken", label, source.n, LT_JINJA_SOURCE_MAX);
    struct lt_jinja *t = lt_calloc(1, sizeof *t);
    int count = 0;
    t->label = lt_arena_str(&t->arena, lt_str(label));
    t->source = own_source(&t->arena, source);
    struct lt_jinja_token *token = lt_jinja_lex(t->label, t->source, &t->arena, &count);
    if (token) t->body = lt_jinja_parse(t, token, count);
    if (!t->body) {
        lt_jinja_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void lt_jinja_free(struct lt_jinja *t)
{
    if (!t) return;
    struct lt_arena a = t->arena;
    lt_arena_free(&a);
    free(t);
}

struct lt_str lt_jinja_source(const struct lt_jinja *t) { return t->source; }
bool lt_jinja_has_generation(const struct lt_jinja *t) { return t->generation; }

int lt_jinja_render(const struct lt_jinja *t, const json_t *vars, int64_t now, struct lt_buf *out,
                    struct lt_jinja_spans *spans)
{
    struct lt_jinja_frame globals = { 0 };
    struct lt_jinja_run r = { .t = t, .out = out, .spans = spans, .now = now };
    size_t before = out->n, spans_before = spans ? spans->n : 0;
    globals.names = lt_jv_from_json(&r.arena, vars);
    r.frame = &globals;
    enter(&r, &globals);
    enum outcome o = exec(&r, t->body);
    lt_arena_free(&r.arena);
    if (o == FAILED) {
        out->n = before;
        if (spans) spans->n = spans_before;
    }
    lt_buf_put(out, "", 0);                     /* a NUL behind it in any case */
    return o == FAILED ? -1 : 0;
}
