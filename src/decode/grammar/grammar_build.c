/* From expressions to automata: Thompson's construction, with characters as ranges of UTF-8 bytes. */
#include "decode/grammar/automaton.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 2000, COUNT_FROM = 6 };     /* repetitions from so many on are counted, not written out */
enum kind { EMPTY, TEXT, CLASS, SEQ, ALT, REPEAT, CALL, AUTOMATON };
struct lt_gx {
    enum kind kind;
    struct lt_str text;
    struct lt_gspan *span; int count;
    struct lt_gx *a, *b;
    int64_t min, max;
    int rule;
    const struct lt_gx_edge *edge; int32_t edges, states;       /* AUTOMATON: begins in state 0 */
    const bool *final;
};

/* ---- expressions ---- */
void lt_grammar_builder_init(struct lt_grammar_builder *b) { *b = (struct lt_grammar_builder){ 0 }; }

void lt_grammar_builder_release(struct lt_grammar_builder *b)
{
    lt_arena_free(&b->arena);
    lt_map_free(&b->names);
    free(b->rule);
}

static struct lt_gx *make(struct lt_grammar_builder *b, enum kind kind, struct lt_gx *x, struct lt_gx *y)
{
    struct lt_gx *g = lt_arena_zero(&b->arena, 1, sizeof *g);
    g->kind = kind;
    g->a = x;
    g->b = y;
    return g;
}

struct lt_gx *lt_gx_empty(struct lt_grammar_builder *b) { return make(b, EMPTY, NULL, NULL); }

struct lt_gx *lt_gx_text(struct lt_grammar_builder *b, struct lt_str bytes)
{
    struct lt_gx *g = make(b, bytes.n ? TEXT : EMPTY, NULL, NULL);
    g->text = (struct lt_str){ lt_arena_str(&b->arena, bytes), bytes.n };
    return g;
}

static int by_low(const void *x, const void *y, void *unused)
{
    const struct lt_gspan *a = x, *b = y;
    (void)unused;
    return (a->low > b->low) - (a->low < b->low);
}

/* Sorted, merged, and with `not` turned round; surrogates are no characters. */
struct lt_gx *lt_gx_class(struct lt_grammar_builder *b, const struct lt_gspan *span, int count, bool not)
{
    struct lt_gx *g = make(b, CLASS, NULL, NULL);
    struct lt_gspan *s = lt_arena_take(&b->arena, (size_t)LT_MAX(count, 1) * sizeof *s);
    int n = 0;
    if (count) memcpy(s, span, (size_t)count * sizeof *s);
    lt_sort(s, (size_t)count, sizeof *s, by_low, NULL);
    for (int i = 0; i < count; i++) {
        if (n && s[i].low <= s[n - 1].high + 1) s[n - 1].high = LT_MAX(s[n - 1].high, s[i].high);
        else s[n++] = s[i];
    }
    g->span = s;
    g->count = n;
    if (!not) return g;
    struct lt_gspan *other = lt_arena_take(&b->arena, ((size_t)n + 1) * sizeof *other);
    uint32_t next = 0;
    g->span = other;
    g->count = 0;
    for (int i = 0; i < n; i++) {
        if (s[i].low > next) other[g->count++] = (struct lt_gspan){ next, s[i].low - 1 };
        next = s[i].high + 1;
    }
    if (next <= 0x10FFFF) other[g->count++] = (struct lt_gspan){ next, 0x10FFFF };
    return g;
}

struct lt_gx *lt_gx_seq(struct lt_grammar_builder *b, struct lt_gx *first, struct lt_gx *then)
{
    if (!first || first->kind == EMPTY) return then ? then : first;
    return then && then->kind != EMPTY ? make(b, SEQ, first, then) : first;
}

struct lt_gx *lt_gx_alt(struct lt_grammar_builder *b, struct lt_gx *one, struct lt_gx *other)
{
    if (!one || !other) return one ? one : other;
    return make(b, ALT, one, other);
}

struct lt_gx *lt_gx_repeat(struct lt_grammar_builder *b, struct lt_gx *x, int64_t min, int64_t max)
{
    struct lt_gx *g = make(b, REPEAT, x, NULL);
    g->min = min;
    g->max = max;
    return max == 0 ? lt_gx_empty(b) : g;
}

struct lt_gx *lt_gx_call(struct lt_grammar_builder *b, int rule)
{
    struct lt_gx *g = make(b, CALL, NULL, NULL);
    g->rule = rule;
    return g;
}

struct lt_gx *lt_gx_automaton(struct lt_grammar_builder *b, const struct lt_gx_edge *edge, int32_t edges,
                              const bool *final, int32_t states)
{
    struct lt_gx *g = make(b, AUTOMATON, NULL, NULL);
    struct lt_gx_edge *e = lt_arena_take(&b->arena, (size_t)(edges + 1) * sizeof *e);
    bool *f = lt_arena_take(&b->arena, (size_t)states);
    if (edges) memcpy(e, edge, (size_t)edges * sizeof *e);
    memcpy(f, final, (size_t)states);
    g->edge = e;
    g->edges = edges;
    g->final = f;
    g->states = states;
    return g;
}

/* A class in a JSON text: what needs no escape as it is, the rest as \n, \" or \u001f. */
static struct lt_gx *quoted_class(struct lt_grammar_builder *b, const struct lt_gx *x)
{
    static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
    struct lt_gspan *plain = lt_arena_take(&b->arena, ((size_t)x->count * 3 + 1) * sizeof *plain);
    struct lt_gx *out = NULL;
    int n = 0;
    for (int i = 0; i < x->count; i++)
        for (uint32_t c = x->span[i].low; c <= x->span[i].high; c++) {
            if (c > '\\') {
                plain[n++] = (struct lt_gspan){ c, x->span[i].high };
                break;
            }
            const char *at = c ? strchr(from, (int)c) : NULL;
            char escaped[8];
            if (at) snprintf(escaped, sizeof escaped, "\\%c", to[at - from]);
            else snprintf(escaped, sizeof escaped, "\\u%04" PRIx32, c);
            if (at || c < 0x20) out = lt_gx_alt(b, lt_gx_text(b, lt_str(escaped)), out);
            else if (n && plain[n - 1].high == c - 1) plain[n - 1].high = c;
            else plain[n++] = (struct lt_gspan){ c, c };
        }
    return lt_gx_alt(b, lt_gx_class(b, plain, n, false), out);
}

static struct lt_gx *quoted(struct lt_grammar_builder *b, const struct lt_gx *x, int depth)
{
    struct lt_gx *y = make(b, x->kind, NULL, NULL);
    if (depth > DEPTH_MAX || x->kind == CALL || x->kind == TEXT || x->kind == AUTOMATON) {
        lt_fail("the pattern is nested too deep");
        return NULL;
    }
    if (x->kind == CLASS) return quoted_class(b, x);
    *y = *x;
    if (x->a && !(y->a = quoted(b, x->a, depth + 1))) return NULL;
    if (x->b && !(y->b = quoted(b, x->b, depth + 1))) return NULL;
    return y;
}

struct lt_gx *lt_gx_quoted(struct lt_grammar_builder *b, const struct lt_gx *x) { return quoted(b, x, 0); }

int lt_grammar_rule(struct lt_grammar_builder *b, const char *name)
{
    bool fresh = true;
    uint64_t *slot = name ? lt_map_put(&b->names, lt_str(name), &fresh) : NULL;
    if (slot && !fresh) return (int)*slot;
    if (b->rules == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 16;
        b->rule = lt_realloc(b->rule, (size_t)b->cap * sizeof *b->rule);
    }
    if (slot) *slot = (uint64_t)b->rules;
    b->rule[b->rules] = (struct lt_grammar_rule){ .name = name ? lt_arena_str(&b->arena, lt_str(name)) : NULL };
    return b->rules++;
}

/* ---- automata ---- */
struct making { struct lt_grammar *g; int32_t rule_cap; bool full; };

static int32_t state(struct making *m)
{
    struct lt_grammar *g = m->g;
    if (g->states == LT_GRAMMAR_STATES_MAX) {
        m->full = true;
        return 0;
    }
    if (g->states == g->state_cap) {
        g->state_cap = g->state_cap ? 2 * g->state_cap : 256;
        g->first = lt_realloc(g->first, (size_t)g->state_cap * sizeof *g->first);
        g->final = lt_realloc(g->final, (size_t)g->state_cap * sizeof *g->final);
    }
    g->first[g->states] = -1;
    g->final[g->states] = false;
    return g->states++;
}

static void edge(struct making *m, int32_t from, struct lt_gedge e)
{
    struct lt_grammar *g = m->g;
    if (m->full) return;
    if (g->edges == g->edge_cap) {
        g->edge_cap = g->edge_cap ? 2 * g->edge_cap : 256;
        g->edge = lt_realloc(g->edge, (size_t)g->edge_cap * sizeof *g->edge);
    }
    e.next = g->first[from];
    g->edge[g->edges] = e;
    g->first[from] = g->edges++;
}

static void skip(struct making *m, int32_t from, int32_t to)
{
    edge(m, from, (struct lt_gedge){ .kind = LT_GEDGE_EMPTY, .to = to });
}

static void bytes(struct making *m, int32_t from, uint32_t low, uint32_t high, int32_t to)
{
    edge(m, from, (struct lt_gedge){ .kind = LT_GEDGE_BYTE, .low = (uint8_t)low, .high = (uint8_t)high, .to = to });
}

/* The `more` continuation bytes of characters low .. high (their last 6 * more bits), from state to state. */
static void tail(struct making *m, int32_t from, uint32_t low, uint32_t high, int more, int32_t to)
{
    if (!more) {
        skip(m, from, to);
        return;
    }
    int shift = 6 * (more - 1);
    uint32_t mask = (UINT32_C(1) << shift) - 1, a = low >> shift, z = high >> shift;
    if (a == z || ((low & mask) == 0 && (high & mask) == mask)) {
        int32_t next = more == 1 ? to : state(m);
        bytes(m, from, 0x80 | a, 0x80 | z, next);
        if (more > 1) tail(m, next, a == z ? low & mask : 0, a == z ? high & mask : mask, more - 1, to);
        return;
    }
    if (low & mask) {                           /* the first leading byte is full from somewhere on */
        tail(m, from, low, low | mask, more, to);
        low = (a + 1) << shift;
    }
    if ((high & mask) != mask) {
        tail(m, from, z << shift, high, more, to);
        high = (z << shift) - 1;
    }
    if (low <= high) tail(m, from, low, high, more, to);
}

static const struct { uint32_t low, high, lead; int more; } lengths[] = {
    { 0, 0x7F, 0, 0 }, { 0x80, 0x7FF, 0xC0, 1 }, { 0x800, 0xD7FF, 0xE0, 2 }, { 0xE000, 0xFFFF, 0xE0, 2 },
    { 0x10000, 0x10FFFF, 0xF0, 3 },
};

/* Characters low .. high of one length: by leading byte, whole ones together. */
static void characters(struct making *m, int32_t from, uint32_t low, uint32_t high, uint32_t lead, int more,
                       int32_t to)
{
    int shift = 6 * more;
    uint32_t mask = (UINT32_C(1) << shift) - 1;
    if (!more) {
        bytes(m, from, low, high, to);
        return;
    }
    while (low <= high && !m->full) {
        uint32_t a = low >> shift, z = a;
        if (!(low & mask)) {                    /* how many leading bytes with all that may follow */
            while (((z + 1) << shift | mask) <= high) z++;
        }
        uint32_t end = LT_MIN(high, z << shift | mask);
        int32_t next = state(m);
        bytes(m, from, lead | a, lead | z, next);
        tail(m, next, a == z ? low & mask : 0, a == z ? end & mask : mask, more, to);
        low = end + 1;
    }
}

static void class(struct making *m, const struct lt_gx *x, int32_t from, int32_t to)
{
    for (int i = 0; i < x->count; i++)
        for (int k = 0; k < LT_COUNT(lengths); k++) {
            uint32_t low = LT_MAX(x->span[i].low, lengths[k].low), high = LT_MIN(x->span[i].high, lengths[k].high);
            if (low <= high) characters(m, from, low, high, lengths[k].lead, lengths[k].more, to);
        }
}

static void compile(struct making *m, const struct lt_gx *x, int32_t from, int32_t to, int depth);

static int32_t new_rule(struct making *m)
{
    struct lt_grammar *g = m->g;
    if (g->rules == m->rule_cap) {
        m->rule_cap = 2 * m->rule_cap + 16;
        g->start = lt_realloc(g->start, (size_t)m->rule_cap * sizeof *g->start);
    }
    g->start[g->rules] = state(m);
    return g->rules++;
}

/* What is repeated becomes a rule of its own, and the machine counts. */
static void count(struct making *m, const struct lt_gx *x, int32_t from, int32_t to, int depth)
{
    int32_t rule = new_rule(m), start = m->g->start[rule], end = state(m);
    if (m->full) return;
    m->g->final[end] = true;
    m->g->repeats = true;
    compile(m, x->a, start, end, depth);
    edge(m, from, (struct lt_gedge){ .kind = LT_GEDGE_REPEAT, .to = to, .rule = rule, .min = (int32_t)x->min,
                                     .max = (int32_t)x->max });
}

static void repeat(struct making *m, const struct lt_gx *x, int32_t from, int32_t to, int depth)
{
    if (x->max >= COUNT_FROM || x->min >= COUNT_FROM) {
        count(m, x, from, to, depth);
        return;
    }
    int64_t fixed = x->max < 0 && x->min > 0 ? x->min - 1 : x->min;     /* an endless loop is itself passed once */
    for (int64_t i = 0; i < fixed && !m->full; i++) {
        int32_t next = state(m);
        compile(m, x->a, from, next, depth);
        from = next;
    }
    if (x->max < 0) {
        int32_t loop = state(m), back = state(m);
        skip(m, from, loop);
        compile(m, x->a, loop, back, depth);
        skip(m, back, loop);
        skip(m, x->min ? back : loop, to);
        return;
    }
    for (int64_t i = x->min; i < x->max && !m->full; i++) {
        int32_t next = state(m);
        skip(m, from, to);
        compile(m, x->a, from, next, depth);
        from = next;
    }
    skip(m, from, to);
}

/* The parts of a chain of the same kind from left to right, whichever way it leans; free() them. */
static const struct lt_gx **parts(const struct lt_gx *x, size_t *count)
{
    const struct lt_gx **open = NULL, **part = NULL;
    enum kind kind = x->kind;
    size_t n = 0, cap = 0, room = 0;
    *count = 0;
    for (;;) {
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            open = lt_realloc(open, cap * sizeof *open);
        }
        if (x->kind == kind) {
            open[n++] = x->b;
            x = x->a;
            continue;
        }
        if (*count == room) {
            room = room ? 2 * room : 16;
            part = lt_realloc(part, room * sizeof *part);
        }
        part[(*count)++] = x;
        if (!n) break;
        x = open[--n];
    }
    free(open);
    return part;
}

static void compile_chain(struct making *m, const struct lt_gx *x, int32_t from, int32_t to, int depth)
{
    size_t n;
    const struct lt_gx **part = parts(x, &n);
    for (size_t i = 0; i < n && !m->full; i++) {
        int32_t next = x->kind == ALT || i + 1 == n ? to : state(m);
        compile(m, part[i], from, next, depth + 1);
        if (x->kind == SEQ) from = next;
    }
    free(part);
}

static void compile_automaton(struct making *m, const struct lt_gx *x, int32_t from, int32_t to)
{
    int32_t first = m->g->states;
    for (int32_t i = 0; i < x->states && !m->full; i++) {
        int32_t s = state(m);
        if (x->final[i] && !m->full) skip(m, s, to);
    }
    if (m->full) return;
    skip(m, from, first);
    for (int32_t i = 0; i < x->edges; i++)
        bytes(m, first + x->edge[i].from, x->edge[i].low, x->edge[i].high, first + x->edge[i].to);
}

static void compile(struct making *m, const struct lt_gx *x, int32_t from, int32_t to, int depth)
{
    m->full |= depth > DEPTH_MAX;
    if (m->full) return;
    switch (x->kind) {
    case EMPTY: skip(m, from, to); return;
    case AUTOMATON: compile_automaton(m, x, from, to); return;
    case CLASS: class(m, x, from, to); return;
    case REPEAT: repeat(m, x, from, to, depth + 1); return;
    case CALL: edge(m, from, (struct lt_gedge){ .kind = LT_GEDGE_CALL, .rule = x->rule, .to = to }); return;
    case SEQ:
    case ALT: compile_chain(m, x, from, to, depth); return;
    case TEXT: break;
    }
    for (size_t i = 0; i < x->text.n && !m->full; i++) {
        int32_t next = i + 1 == x->text.n ? to : state(m);
        bytes(m, from, (uint8_t)x->text.p[i], (uint8_t)x->text.p[i], next);
        from = next;
    }
}

/* ---- what leads nowhere ---- */
static bool leads_on(const struct lt_grammar *g, const bool *alive, const struct lt_gedge *e)
{
    bool must = e->kind == LT_GEDGE_CALL || (e->kind == LT_GEDGE_REPEAT && e->min > 0);
    return alive[e->to] && (!must || alive[g->start[e->rule]]);
}

/* Takes edges away after which no rule could end, so that whatever may come can be finished.  False: there is no text
 * at all. */
static bool trim(struct lt_grammar *g)
{
    bool *alive = lt_alloc((size_t)g->states);
    memcpy(alive, g->final, (size_t)g->states);
    for (bool more = true; more;) {
        more = false;
        for (int32_t s = g->states - 1; s >= 0; s--)        /* most edges lead to later states */
            for (int32_t e = g->first[s]; e >= 0 && !alive[s]; e = g->edge[e].next)
                if (leads_on(g, alive, &g->edge[e])) alive[s] = more = true;
    }
    for (int32_t s = 0; s < g->states; s++)
        for (int32_t *e = &g->first[s]; *e >= 0;) {
            if (leads_on(g, alive, &g->edge[*e])) e = &g->edge[*e].next;
            else *e = g->edge[*e].next;
        }
    bool any = alive[g->start[g->root]];
    free(alive);
    return any;
}

/* ---- what must not be ---- */
/* Goes along edges that take no byte from the start of a rule.  seen: [states], holds `mark` where it has been; found
 * receives the rules called.  True: the rule may end without a byte. */
struct reach { const struct lt_grammar *g; int32_t *seen, *stack, *called; int count; };

static bool reach(struct reach *r, int rule, int32_t mark)
{
    const struct lt_grammar *g = r->g;
    int32_t n = 0;
    bool ends = false;
    r->count = 0;
    r->stack[n++] = g->start[rule];
    r->seen[g->start[rule]] = mark;
    while (n) {
        int32_t s = r->stack[--n];
        ends |= g->final[s];
        for (int32_t e = g->first[s]; e >= 0; e = g->edge[e].next) {
            const struct lt_gedge *x = &g->edge[e];
            bool calls = x->kind == LT_GEDGE_CALL || x->kind == LT_GEDGE_REPEAT;
            if (calls) r->called[r->count++] = x->rule;
            bool free_of_bytes = x->kind == LT_GEDGE_EMPTY || (calls && g->nullable[x->rule]) ||
                                 (x->kind == LT_GEDGE_REPEAT && !x->min);
            if (!free_of_bytes || r->seen[x->to] == mark) continue;
            r->seen[x->to] = mark;
            r->stack[n++] = x->to;
        }
    }
    return ends;
}

/* Depth first over rules that begin with rules; colour: 1 on the way, 2 done.  The way is kept by hand. */
static int find_loop(struct reach *r, const struct lt_grammar_builder *b, int32_t *mark)
{
    const struct lt_grammar *g = r->g;
    uint8_t *colour = lt_calloc((size_t)g->rules, 1);
    struct { int rule, at, count; int32_t *called; } *way = lt_alloc((size_t)g->rules * sizeof *way);
    int rc = 0;
    for (int i = 0; i < g->rules && !rc; i++) {
        int n = 0, next = colour[i] ? -1 : i;
        while ((n || next >= 0) && !rc) {
            if (next >= 0) {
                colour[next] = 1;
                reach(r, next, ++*mark);
                way[n].called = lt_alloc(((size_t)r->count + 1) * sizeof(int32_t));
                memcpy(way[n].called, r->called, (size_t)r->count * sizeof(int32_t));
                way[n].rule = next;
                way[n].at = 0;
                way[n++].count = r->count;
                next = -1;
            } else if (way[n - 1].at < way[n - 1].count) {
                int to = way[n - 1].called[way[n - 1].at++];
                if (colour[to] == 1)
                    rc =
                        lt_fail("the rule \"%s\" begins with itself, which never ends; let it begin with something "
                                 "else", to < b->rules && b->rule[to].name ? b->rule[to].name : "of a part");
                else if (!colour[to]) next = to;
            } else {
                colour[way[--n].rule] = 2;
                free(way[n].called);
            }
        }
        while (n) free(way[--n].called);
    }
    free(way);
    free(colour);
    return rc;
}

static int check(struct lt_grammar *g, const struct lt_grammar_builder *b)
{
    int32_t mark = 0;
    struct reach r = { .g = g, .seen = lt_calloc((size_t)g->states, sizeof(int32_t)),
                       .stack = lt_alloc((size_t)g->states * sizeof(int32_t)),
                       .called = lt_alloc(((size_t)g->edges + 1) * sizeof(int32_t)) };
    for (bool more = true; more;) {             /* rules that may be empty, until there are no more */
        more = false;
        for (int i = 0; i < g->rules; i++) {
            if (g->nullable[i] || !reach(&r, i, ++mark)) continue;
            g->nullable[i] = more = true;
        }
    }
    for (int32_t e = 0; e < g->edges; e++)      /* what may be empty may also come less often */
        if (g->edge[e].kind == LT_GEDGE_REPEAT && g->nullable[g->edge[e].rule]) g->edge[e].min = 0;
    int rc = find_loop(&r, b, &mark);
    free(r.seen);
    free(r.stack);
    free(r.called);
    return rc;
}

int lt_grammar_build(struct lt_grammar_builder *b, int root, struct lt_grammar **out)
{
    struct lt_grammar *g = lt_calloc(1, sizeof *g);
    struct making m = { .g = g, .rule_cap = b->rules + 1 };
    int rc = b->rules > LT_GRAMMAR_RULES_MAX ? lt_fail("a grammar of more than %d rules", LT_GRAMMAR_RULES_MAX) : 0;
    g->rules = b->rules;
    g->root = root;
    g->start = lt_calloc((size_t)b->rules + 1, sizeof *g->start);
    for (int i = 0; i < b->rules && !rc; i++) {
        if (!b->rule[i].x) {
            rc = lt_fail("the rule \"%s\" is called and not defined", b->rule[i].name ? b->rule[i].name : "of a part");
            break;
        }
        int32_t end;
        g->start[i] = state(&m);
        end = state(&m);
        g->final[end] = true;
        compile(&m, b->rule[i].x, g->start[i], end, 0);
        if (m.full)
            rc = lt_fail("the grammar is too large: more than %d states, or too deep; repeat less",
                         LT_GRAMMAR_STATES_MAX);
    }
    g->nullable = lt_calloc((size_t)g->rules + 1, 1);
    if (!rc) rc = check(g, b);
    if (!rc && !trim(g) && !b->may_be_empty) rc = lt_fail("the grammar allows no text at all");
    if (rc) lt_grammar_free(g);
    else *out = g;
    return rc;
}

void lt_grammar_free(struct lt_grammar *g)
{
    if (!g) return;
    free(g->edge);
    free(g->first);
    free(g->final);
    free(g->start);
    free(g->nullable);
    free(g);
}
