/* The machine over a grammar: masks.
 *
 * A mask is a walk over the trie of the tokens that leaves out whatever begins with a byte that may not come.  In a
 * repetition every place is another one, though most have the same mask: so tokens go by layers of their length, and
 * for each layer the place is replaced by one that is alike for as many bytes (lt_gmachine_like), whose mask is likely
 * there.  The masks of the latest places are kept.
 *
 * Inside a text most bytes lead back to where one is, or one goes round between a few places.  Bytes go by kinds
 * (token_trie.h), and of a place it is found once with which kinds one stays among such places: tokens of these alone
 * may come, and no subtree of these alone is visited.  Places that are alike for a layer's bytes count as one: as long
 * as the rest of a token is no longer than that, they take the same. */
#include "decode/grammar/machine.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOPS_KNOWN (UINT64_C(1) << 60)         /* no byte is of this kind */
#define EVERY_LAYER ((1u << LT_TOKEN_LAYERS) - 1)
/* Nodes below from which on it is worth while to know what loops, and places that one may go round. */
enum { MANY_BELOW = 24, MEMBERS_MAX = 8 };

static int32_t like(struct lt_gmachine *m, int32_t place, int layer)
{
    return lt_gmachine_like(m, place, layer, layer < LT_TOKEN_LAYERS - 1 ? 4 << layer : m->trie->depth_max);
}

static int32_t step(struct lt_gmachine *m, int32_t place, int class)
{
    int32_t to = lt_gmachine_row(m, place)[class];
    return to == LT_PLACE_UNKNOWN ? lt_gmachine_make(m, place, class) : to;
}

/* ---- what loops ---- */
/* Places among which one stays with every byte of some kinds; each stands for all that are alike. */
struct closed { int32_t place[MEMBERS_MAX]; int count, layer; uint64_t kinds; bool full; };

static bool join(struct closed *c, int32_t place)
{
    for (int i = 0; i < c->count; i++)
        if (c->place[i] == place) return true;
    c->full = c->count == MEMBERS_MAX;
    if (c->full) return false;
    c->place[c->count++] = place;
    return true;
}

/* Do all bytes from low to high, each with every `more` bytes that continue a character, lead to a place that joins? */
static bool all_join(struct lt_gmachine *m, struct closed *c, int32_t place, int low, int high, int more)
{
    for (int byte = low; byte <= high; byte++) {
        if (byte > low && m->class_of[byte] == m->class_of[byte - 1]) continue;
        int32_t to = step(m, place, m->class_of[byte]);
        if (to < 0) return false;
        if (more ? !all_join(m, c, to, 0x80, 0xBF, more - 1) : !join(c, like(m, to, c->layer))) return false;
    }
    return true;
}

/* The same of every character of more than one byte: by its first byte and what may be its second. */
static bool wide_join(struct lt_gmachine *m, struct closed *c, int32_t place)
{
    static const struct { int low, high, second_low, second_high, more; } form[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 0 }, { 0xE0, 0xE0, 0xA0, 0xBF, 1 }, { 0xE1, 0xEC, 0x80, 0xBF, 1 },
        { 0xED, 0xED, 0x80, 0x9F, 1 }, { 0xEE, 0xEF, 0x80, 0xBF, 1 }, { 0xF0, 0xF0, 0x90, 0xBF, 2 },
        { 0xF1, 0xF3, 0x80, 0xBF, 2 }, { 0xF4, 0xF4, 0x80, 0x8F, 2 },
    };
    for (int i = 0; i < LT_COUNT(form); i++)
        for (int byte = form[i].low; byte <= form[i].high; byte++) {
            if (byte > form[i].low && m->class_of[byte] == m->class_of[byte - 1]) continue;
            int32_t to = step(m, place, m->class_of[byte]);
            if (to < 0) return false;
            if (!all_join(m, c, to, form[i].second_low, form[i].second_high, form[i].more)) return false;
        }
    return true;
}

/* Do these kinds of bytes lead from a place to some that join? */
static bool kinds_join(struct lt_gmachine *m, struct closed *c, int32_t place, uint64_t kinds)
{
    for (int class = 0; class <= m->class_of[127]; class++) {
        if (!(m->kinds_of[class] & kinds)) continue;
        int32_t to = step(m, place, class);
        if (to < 0 || !join(c, like(m, to, c->layer))) return false;
    }
    return !(kinds & LT_KIND_WIDE) || wide_join(m, c, place);
}

/* One kind more, if then too one stays among few places. */
static void try_kind(struct lt_gmachine *m, struct closed *c, uint64_t kind)
{
    int before = c->count;
    bool stays = true;
    for (int i = 0; i < c->count && stays; i++)
        stays = kinds_join(m, c, c->place[i], i < before ? kind : c->kinds | kind);
    if (stays) c->kinds |= kind;
    else c->count = before;
}

/* Kinds of bytes of which every text of a layer's length may come. */
static uint64_t loops_of(struct lt_gmachine *m, int32_t place, int layer)
{
    uint64_t known = m->set[place].loops[layer], all = LT_KIND_WIDE, leaves = LT_KIND_WIDE;
    if (known) return known;
    int32_t alike = like(m, place, layer);
    if (alike != place) {
        known = loops_of(m, alike, layer);
        return m->set[place].loops[layer] = known;
    }
    /* Where no letter may come a walk is soon done; and near the end of a count there are more places than are worth it
     * for the few long tokens. */
    if (step(m, place, m->class_of['z']) < 0 || (layer == LT_TOKEN_LAYERS - 1 && like(m, place, layer - 1) != place))
        return m->set[place].loops[layer] = LOOPS_KNOWN;
    struct closed c = { { place }, 1, layer, 0, false };
    for (int class = 0; class <= m->class_of[127]; class++) {
        int32_t to = step(m, place, class);
        all |= m->kinds_of[class];
        if (to < 0 || like(m, to, layer) != c.place[0]) leaves |= m->kinds_of[class];
    }
    c.kinds = all & ~leaves;
    for (uint64_t kind = 1; kind && kind <= leaves && !c.full; kind <<= 1)
        if (kind & leaves) try_kind(m, &c, kind);
    return m->set[place].loops[layer] = c.kinds | LOOPS_KNOWN;
}

/* ---- walks ---- */
static int top(unsigned layers)
{
    int l = LT_TOKEN_LAYERS - 1;
    while (!(layers >> l & 1)) l--;
    return l;
}

static uint64_t other_layers(unsigned layers)
{
    uint64_t other = 0;
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) other |= layers >> l & 1 ? 0 : LT_KIND_LAYER(l);
    return other;
}

/* Tokens that have nothing of these kinds. */
static void add_without(const uint64_t *kinds, size_t words, uint64_t bad, uint64_t *mask)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t bits = 0;
        for (int k = 63; k >= 0; k--) bits = bits << 1 | !(kinds[64 * i + (size_t)k] & bad);
        mask[i] |= bits;
    }
}

static void add_below(const struct lt_token_trie *t, uint32_t i, unsigned layers, uint64_t *mask)
{
    uint32_t end = t->node[i].end < t->nodes ? t->node[t->node[i].end].first : t->ids;
    uint64_t other = other_layers(layers);
    for (uint32_t k = t->node[i].first; k < end; k++)
        if (!other || !(t->kinds[t->id[k]] & other)) mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
}

/* Where most letters loop, so do most tokens: these are found without a walk. */
static struct lt_gway begin(struct lt_gmachine *m, int32_t place, unsigned layers, uint64_t *mask)
{
    const struct lt_token_trie *t = m->trie;
    struct lt_gway w = { place, lt_gmachine_row(m, place), loops_of(m, place, top(layers)), 0 };
    if (!(w.loops & t->kind_of['z'])) return w;
    uint64_t each = 0;
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) each |= LT_KIND_LAYER(l);
    add_without(t->kinds, ((size_t)t->vocab + 63) / 64, (~w.loops & ~each) | other_layers(layers), mask);
    w.have = w.loops;
    return w;
}

/* Tokens of the layers (bits). */
static void walk(struct lt_gmachine *m, int32_t place, unsigned layers, uint64_t *mask)
{
    const struct lt_token_trie *t = m->trie;
    const struct lt_token_node *node = t->node;
    m->way[0] = begin(m, place, layers, mask);
    for (uint32_t i = 0, n = t->nodes; i < n;) {
        const struct lt_token_node *x = &node[i];
        const struct lt_gway *from = &m->way[x->depth - 1];
        int depth = x->depth, class = m->class_of[x->byte];
        bool all = !(t->within[i] & ~from->loops);
        if (all && t->within[i] & ~from->have) add_below(t, i, layers, mask);
        if (all || !(x->layers & layers)) {
            i = x->end;
            continue;
        }
        int32_t to = from->row[class];
        if (to == LT_PLACE_UNKNOWN) to = lt_gmachine_make(m, from->place, class);
        if (to < 0) {
            i = x->end;
            continue;
        }
        if (x->count && layers >> lt_token_layer(depth) & 1)
            for (uint32_t k = x->first; k < x->first + x->count; k++)
                mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
        i++;
        if (x->end == i) continue;
        uint64_t round = x->end - i < MANY_BELOW ? 0 : loops_of(m, to, top(x->layers & layers));
        bool have = x->byte < 0x80 && t->kind_of[x->byte] & from->have;
        m->way[depth] = (struct lt_gway){ to, lt_gmachine_row(m, to), round, have ? from->have : 0 };
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
    int32_t alike[LT_TOKEN_LAYERS];
    bool fresh, one = true;                     /* does one place do for all layers? */
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) {
        alike[l] = like(m, place, l);
        one &= alike[l] == alike[0];
    }
    if (one) place = alike[0];
    uint64_t *mask = slot(m, LT_TOKEN_LAYERS, place, &fresh);
    if (!fresh) return mask;
    if (one) {
        walk(m, place, EVERY_LAYER, mask);
        return mask;
    }
    for (int l = 0; l < LT_TOKEN_LAYERS; l++) {
        uint64_t *part = slot(m, l, alike[l], &fresh);
        if (fresh) walk(m, alike[l], 1u << l, part);
        for (size_t i = 0; i < words; i++) mask[i] |= part[i];
    }
    return mask;
}
