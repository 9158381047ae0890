#include "data/op_chain.h"
#include <assert.h>
#include <stdlib.h>

struct link {
    struct lt_op_chain *chain;
    const struct lt_dataop *op; const void *o; void *state;
    struct lt_map why;              /* reason -> documents */
    uint64_t given, dropped;
    bool open;
};
struct lt_op_chain { struct link *link; int count; lt_emit_fn *emit; void *to; };

int lt_op_chain_open(const struct lt_choices *ops, struct lt_ctx *c, lt_emit_fn *emit, void *to,
                     struct lt_op_chain **out)
{
    struct lt_op_chain *h = lt_calloc(1, sizeof *h);
    *h = (struct lt_op_chain){ .emit = emit, .to = to, .count = ops ? ops->count : 0 };
    h->link = lt_calloc((size_t)h->count + 1, sizeof *h->link);
    for (int i = 0; i < h->count; i++) {
        struct link *l = &h->link[i];
        l->chain = h;
        l->op = (const struct lt_dataop *)ops->item[i].method;
        l->o = ops->item[i].o;
        l->state = lt_calloc(1, LT_MAX(l->op->state, 1));
        l->open = true;
        if (l->op->open && l->op->open(l->o, l->state, c)) {
            lt_op_chain_close(h);
            return -1;
        }
    }
    *out = h;
    return 0;
}

static void count_dropped(struct link *l, const char *why)
{
    l->dropped++;
    ++*lt_map_put(&l->why, lt_str(why), NULL);
}

static int onward(void *self, const struct lt_doc *d);

/* From operator i on. */
static int push_from(struct lt_op_chain *h, int i, const struct lt_doc *given)
{
    struct lt_doc d = *given;
    for (; i < h->count; i++) {
        struct link *l = &h->link[i];
        l->given++;
        enum lt_verdict v = l->op->doc(l->o, l->state, &d, onward, l);
        if (v == LT_STOP) return -1;
        assert(!d.why == (v != LT_DROP));
        if (v == LT_DROP) count_dropped(l, d.why);
        if (v != LT_KEEP) return 0;
    }
    return h->emit(h->to, &d);
}

/* What an operator emits of itself. */
static int onward(void *self, const struct lt_doc *d)
{
    struct link *l = self;
    if (d->why) {
        count_dropped(l, d->why);
        return 0;
    }
    return push_from(l->chain, (int)(l - l->chain->link) + 1, d);
}

int lt_op_chain_push(struct lt_op_chain *h, const struct lt_doc *d)
{
    return push_from(h, 0, d);
}

int lt_op_chain_finish(struct lt_op_chain *h)
{
    for (int i = 0; i < h->count; i++) {
        struct link *l = &h->link[i];
        if (l->op->finish && l->op->finish(l->o, l->state, onward, l)) return -1;
    }
    return 0;
}

void lt_op_chain_close(struct lt_op_chain *h)
{
    if (!h) return;
    for (int i = 0; i < h->count; i++) {
        struct link *l = &h->link[i];
        if (l->open && l->op->close) l->op->close(l->state);
        lt_map_free(&l->why);
        free(l->state);
    }
    free(h->link);
    free(h);
}

bool lt_op_chain_count(const struct lt_op_chain *h, int i, const char **name, uint64_t *given, uint64_t *dropped)
{
    if (i < 0 || i >= h->count) return false;
    *name = h->link[i].op->m.name;
    *given = h->link[i].given;
    *dropped = h->link[i].dropped;
    return true;
}

bool lt_op_chain_why(const struct lt_op_chain *h, int i, uint32_t j, const char **why, uint64_t *dropped)
{
    const struct lt_map *m = &h->link[i].why;
    if (j >= m->count) return false;
    *why = m->entry[j].key.p;
    *dropped = m->entry[j].value;
    return true;
}
