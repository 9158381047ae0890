/* The machine over a grammar: masks.
 *
 * A mask is a walk over the trie of the tokens that leaves out whatever begins with a byte that may not come.  In a
 * repetition every place is another one, though most have the same mask: so tokens go by layers of their length, and
 * for each layer the place is replaced by one that is alike for as many bytes (lt_gmachine_like), whose mask is likely
 * there.  The masks of the latest places are kept. */
#include "decode/grammar/machine.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of the layers (bits). */
static void walk(struct lt_gmachine *m, int32_t place, unsigned layers, uint64_t *mask)
{
    const struct lt_token_trie *t = m->trie;
    const struct lt_token_node *node = t->node;
    m->row_at[0] = lt_gmachine_row(m, place);
    m->place_at[0] = place;
    for (uint32_t i = 0, n = t->nodes; i < n;) {
        const struct lt_token_node *x = &node[i];
        int depth = x->depth, class = m->class_of[x->byte];
        if (!(x->layers & layers)) {
            i = x->end;
            continue;
        }
        int32_t to = m->row_at[depth - 1][class];
        if (to == LT_PLACE_UNKNOWN) to = lt_gmachine_make(m, m->place_at[depth - 1], class);
        if (to < 0) {
            i = x->end;
            continue;
        }
        if (x->count && layers >> lt_token_layer(depth) & 1)
            for (uint32_t k = x->first; k < x->first + x->count; k++)
                mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
        i++;
        if (x->end == i) continue;
        m->place_at[depth] = to;
        m->row_at[depth] = lt_gmachine_row(m, to);
    }
}

/* The memory of a mask; *fresh: it is yet to be filled and is all zero. */
static uint64_t *slot(struct lt_gmachine *m, int table, int32_t place, bool *fresh)
{
    struct lt_gmask *s = &m->mask[table][place % LT_GMASKS];
    size_t words = ((size_t)m->trie->vocab + 63) / 64;
    *fresh = s->place != place;
    if (!*fresh) return s->bits;
    if (!s->bits) s->bits = lt_alloc(words * sizeof *s->bits);
    memset(s->bits, 0, words * sizeof *s->bits);
    s->place = place;
    return s->bits;
}

const uint64_t *lt_gmachine_mask(struct lt_gmachine *m, int place)
{
    assert(m->trie && place >= 0);
    size_t words = ((size_t)m->trie->vocab + 63) / 64;
    int32_t like[LT_TOKEN_LAYERS];
    unsigned own = 0;                           /* layers in which no other place will do */
    bool fresh;
    uint64_t *mask = slot(m, LT_TOKEN_LAYERS, place, &fresh);
    if (!fresh) return mask;
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) {
        like[l] = lt_gmachine_like(m, place, l, l < LT_TOKEN_LAYERS - 1 ? 4 << l : m->trie->depth_max);
        if (like[l] == place) own |= 1u << l;
    }
    if (own == (1u << LT_TOKEN_LAYERS) - 1) {
        walk(m, place, own, mask);
        return mask;
    }
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) {
        uint64_t *part = slot(m, l, like[l], &fresh);
        if (fresh) walk(m, like[l], 1u << l, part);
        for (size_t i = 0; i < words; i++) mask[i] |= part[i];
    }
    return mask;
}
