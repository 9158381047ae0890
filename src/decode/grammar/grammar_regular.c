/* Regular languages put together: the product of two automata, made state by state as they are reached. */
#include "decode/grammar/machine.h"
#include <stdlib.h>

enum { PRODUCT_MAX = 1 << 15 };
struct product {
    struct lt_gmachine *x, *y;      /* y NULL: the language that holds nothing */
    bool but;
    struct { int x, y; } *pair; int32_t pairs, cap;
    struct lt_map number;           /* a pair: its state + 1 */
    struct lt_gx_edge *edge; int32_t edges, edge_cap;
    bool any;                       /* some state may end */
};

static int open_machine(const struct lt_gx *x, struct lt_grammar **g, struct lt_gmachine **m)
{
    struct lt_grammar_builder b;
    lt_grammar_builder_init(&b);
    b.may_be_empty = true;
    int rule = lt_grammar_rule(&b, NULL);
    b.rule[rule].x = (struct lt_gx *)x;
    int rc = lt_grammar_build(&b, rule, g);
    lt_grammar_builder_release(&b);
    if (!rc) *m = lt_gmachine_new(*g, NULL);
    return rc;
}

/* The state of a pair of places; -1: it leads nowhere. */
static int32_t state_of(struct product *p, int x, int y)
{
    bool fresh;
    struct { int x, y; } key = { x, y };
    if (x < 0 || (y < 0 && !p->but)) return -1;
    uint64_t *slot = lt_map_put(&p->number, (struct lt_str){ (const char *)&key, sizeof key }, &fresh);
    if (!fresh) return (int32_t)*slot;
    if (p->pairs == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->pair = lt_realloc(p->pair, (size_t)p->cap * sizeof *p->pair);
    }
    *slot = (uint64_t)p->pairs;
    p->pair[p->pairs].x = x;
    p->pair[p->pairs].y = y;
    return p->pairs++;
}

static void add_edge(struct product *p, int32_t from, int32_t to, int low, int high)
{
    struct lt_gx_edge *last = p->edges ? &p->edge[p->edges - 1] : NULL;
    if (last && last->from == from && last->to == to && last->high + 1 == low) {
        last->high = (uint8_t)high;
        return;
    }
    if (p->edges == p->edge_cap) {
        p->edge_cap = p->edge_cap ? 2 * p->edge_cap : 256;
        p->edge = lt_realloc(p->edge, (size_t)p->edge_cap * sizeof *p->edge);
    }
    p->edge[p->edges++] = (struct lt_gx_edge){ from, to, (uint8_t)low, (uint8_t)high };
}

/* The last byte from c on that neither automaton tells from it. */
static int last_alike(const struct product *p, int c)
{
    int last = c;
    while (last < 255 && p->x->class_of[last + 1] == p->x->class_of[c] &&
           (!p->y || p->y->class_of[last + 1] == p->y->class_of[c])) last++;
    return last;
}

static int explore(struct product *p)
{
    state_of(p, lt_gmachine_start(p->x), p->y ? lt_gmachine_start(p->y) : -1);
    for (int32_t i = 0; i < p->pairs; i++) {
        if (p->pairs > PRODUCT_MAX)
            return lt_fail("patterns, formats and lengths together need more than %d states; say less", PRODUCT_MAX);
        for (int c = 0, last; c < 256; c = last + 1) {
            last = last_alike(p, c);
            int x = lt_gmachine_step(p->x, p->pair[i].x, (uint8_t)c);
            int32_t to = x < 0 ? -1 : state_of(p, x, p->y ? lt_gmachine_step(p->y, p->pair[i].y, (uint8_t)c) : -1);
            if (to >= 0) add_edge(p, i, to, c, last);
        }
    }
    return 0;
}

static struct lt_gx *finish(struct product *p, struct lt_grammar_builder *b)
{
    bool *final = lt_calloc((size_t)p->pairs + 1, 1);
    for (int32_t i = 0; i < p->pairs; i++) {
        final[i] = lt_gmachine_ends(p->x, p->pair[i].x) && (p->y && lt_gmachine_ends(p->y, p->pair[i].y)) != p->but;
        p->any |= final[i];
    }
    struct lt_gx *out = p->any ? lt_gx_automaton(b, p->edge, p->edges, final, p->pairs) : NULL;
    free(final);
    return out;
}

static int combine(struct lt_grammar_builder *b, const struct lt_gx *x, const struct lt_gx *y, bool but,
                   struct lt_gx **out)
{
    struct product p = { .but = but };
    struct lt_grammar *gx = NULL, *gy = NULL;
    int rc = 0;
    *out = NULL;
    if (!x || (!y && !but)) return 0;
    rc = open_machine(x, &gx, &p.x);
    if (!rc && y) rc = open_machine(y, &gy, &p.y);
    if (!rc) rc = explore(&p);
    if (!rc) *out = finish(&p, b);
    lt_gmachine_free(p.x);
    lt_gmachine_free(p.y);
    lt_grammar_free(gx);
    lt_grammar_free(gy);
    lt_map_free(&p.number);
    free(p.pair);
    free(p.edge);
    return rc;
}

int lt_gx_both(struct lt_grammar_builder *b, const struct lt_gx *x, const struct lt_gx *y, struct lt_gx **out)
{
    return combine(b, x, y, false, out);
}

int lt_gx_but(struct lt_grammar_builder *b, const struct lt_gx *x, const struct lt_gx *y, struct lt_gx **out)
{
    return combine(b, x, y, true, out);
}

int lt_gx_matches(const struct lt_gx *x, struct lt_str text)
{
    struct lt_grammar *g = NULL;
    struct lt_gmachine *m = NULL;
    if (open_machine(x, &g, &m)) return -1;
    int place = lt_gmachine_start(m), rc = lt_gmachine_ends(m, lt_gmachine_steps(m, place, text));
    lt_gmachine_free(m);
    lt_grammar_free(g);
    return rc;
}
