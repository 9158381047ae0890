#include "decode/chain.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct link { const struct lt_control *control; const void *o; void *state; };
struct lt_chain { struct link *link; int count; };

static int by_order(const void *a, const void *b, void *unused)
{
    const struct link *x = a, *y = b;
    (void)unused;
    return (x->control->order > y->control->order) - (x->control->order < y->control->order);
}

static struct lt_chain *chain_new(int count)
{
    struct lt_chain *c = lt_calloc(1, sizeof *c);
    c->link = lt_calloc((size_t)count + 1, sizeof *c->link);
    return c;
}

int lt_chain_open(const struct lt_choices *controls, struct lt_lm *lm, struct lt_chain **out)
{
    int count = controls ? controls->count : 0;
    struct lt_chain *c = chain_new(count);
    struct link *order = lt_calloc((size_t)count + 1, sizeof *order);
    for (int i = 0; i < count; i++)
        order[i] = (struct link){ (const struct lt_control *)controls->item[i].method, controls->item[i].o, NULL };
    if (count && !controls->ordered) lt_sort(order, (size_t)count, sizeof *order, by_order, NULL);
    int rc = 0;
    for (int i = 0; i < count && !rc; i++) {
        struct link *l = &c->link[i];
        *l = order[i];
        l->state = lt_calloc(1, l->control->state ? l->control->state : 1);
        if (l->control->open && l->control->open(l->o, l->state, lm)) {
            free(l->state);
            rc = -1;
        } else c->count++;
    }
    free(order);
    if (rc) lt_chain_free(c);
    else *out = c;
    return rc;
}

int lt_chain_fork(const struct lt_chain *c, struct lt_chain **out)
{
    struct lt_chain *d = chain_new(c->count);
    for (int i = 0; i < c->count; i++) {
        const struct link *from = &c->link[i];
        struct link *to = &d->link[i];
        *to = *from;
        to->state = lt_calloc(1, from->control->state ? from->control->state : 1);
        if (from->control->fork) {
            if (from->control->fork(to->state, from->state)) {
                free(to->state);
                lt_chain_free(d);
                return -1;
            }
        } else memcpy(to->state, from->state, from->control->state);
        d->count++;
    }
    *out = d;
    return 0;
}

int lt_chain_apply(struct lt_chain *c, struct lt_seq seq, float *logits, int vocab)
{
    for (int i = 0; i < c->count; i++) c->link[i].control->apply(c->link[i].o, c->link[i].state, seq, logits, vocab);
    for (int i = 0; i < vocab; i++)
        if (logits[i] > -INFINITY) return 0;
    struct lt_buf names = { 0 };
    for (int i = 0; i < c->count; i++) lt_buf_fmt(&names, "%s%s", i ? ", " : "", c->link[i].control->m.name);
    lt_fail("the controls (%s) ban every token after %d tokens; loosen them", names.p ? names.p : "none", seq.count);
    lt_buf_free(&names);
    return -1;
}

void lt_chain_accept(struct lt_chain *c, int32_t token)
{
    for (int i = 0; i < c->count; i++)
        if (c->link[i].control->accept) c->link[i].control->accept(c->link[i].o, c->link[i].state, token);
}

void lt_chain_rewind(struct lt_chain *c, int n)
{
    for (int i = 0; i < c->count; i++)
        if (c->link[i].control->rewind) c->link[i].control->rewind(c->link[i].o, c->link[i].state, n);
}

void lt_chain_forced(struct lt_chain *c, size_t most, struct lt_buf *out)
{
    size_t before = out->n;
    for (int i = 0; i < c->count && out->n == before; i++)
        if (c->link[i].control->forced) c->link[i].control->forced(c->link[i].o, c->link[i].state, most, out);
}

void lt_chain_free(struct lt_chain *c)
{
    if (!c) return;
    for (int i = 0; i < c->count; i++) {
        if (c->link[i].control->close) c->link[i].control->close(c->link[i].state);
        free(c->link[i].state);
    }
    free(c->link);
    free(c);
}
