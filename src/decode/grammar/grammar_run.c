/* The machine over a grammar.
 *
 * A place in a text is a set of configurations (state, stack): the states that could take the next byte, each with the
 * states to go back to when its rule ends.  Stacks are interned, so that equal ones are one number, and so are sets:
 * what a byte does to a set is worked out once and kept.  A mask is a walk over the trie of the tokens that leaves out
 * whatever begins with a byte that may not come; the masks of the latest places are kept. */
#include "decode/grammar/automaton.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MASKS = 64, EMPTY_STACK = -1, DEAD = -1, UNKNOWN = -2 };

struct config { int32_t state, stack; };
struct frame { int32_t back, under; };          /* the state to go back to; the stack below */
struct set { uint32_t first, count; bool ends; };
struct table { uint64_t *key; int32_t *value; uint32_t size, used; };   /* open addressing; key 0: free */

struct lt_gmachine {
    const struct lt_grammar *g;
    const struct lt_token_trie *trie;
    struct frame *frame; int32_t frames, frame_cap;
    struct config *config; uint32_t configs, config_cap;        /* of all sets, one after the other */
    struct set *set; int32_t sets, set_cap;
    struct table frame_of, set_of, step_of;
    struct config *work; uint32_t works, work_cap;              /* the set being made */
    struct table seen;
    bool work_ends;
    uint64_t *mask[MASKS]; int32_t mask_of[MASKS];
    int32_t *place;                             /* [depth]: of a walk */
    int32_t begin;
};

/* ---- tables ---- */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static void grow(struct table *t)
{
    struct table old = *t;
    t->size = old.size ? 2 * old.size : 64;
    t->key = lt_calloc(t->size, sizeof *t->key);
    t->value = lt_alloc(t->size * sizeof *t->value);
    for (uint32_t i = 0; i < old.size; i++) {
        if (!old.key[i]) continue;
        uint32_t at = (uint32_t)mix(old.key[i]) & (t->size - 1);
        while (t->key[at]) at = (at + 1) & (t->size - 1);
        t->key[at] = old.key[i];
        t->value[at] = old.value[i];
    }
    free(old.key);
    free(old.value);
}

/* Where the value of a key lies; UNKNOWN when it is new.  The key is not 0. */
static int32_t *find(struct table *t, uint64_t key)
{
    if (2 * t->used >= t->size) grow(t);
    uint32_t at = (uint32_t)mix(key) & (t->size - 1);
    while (t->key[at] && t->key[at] != key) at = (at + 1) & (t->size - 1);
    if (!t->key[at]) {
        t->key[at] = key;
        t->value[at] = UNKNOWN;
        t->used++;
    }
    return &t->value[at];
}

static void clear(struct table *t)
{
    if (t->used) memset(t->key, 0, t->size * sizeof *t->key);
    t->used = 0;
}

static void release(struct table *t)
{
    free(t->key);
    free(t->value);
}

static uint64_t pair(int32_t a, int32_t b)
{
    return (uint64_t)(uint32_t)(a + 2) << 32 | (uint32_t)(b + 2);
}

/* ---- stacks and sets ---- */
static int32_t push(struct lt_gmachine *m, int32_t back, int32_t under)
{
    int32_t *at = find(&m->frame_of, pair(back, under));
    if (*at != UNKNOWN) return *at;
    if (m->frames == m->frame_cap) {
        m->frame_cap = m->frame_cap ? 2 * m->frame_cap : 64;
        m->frame = lt_realloc(m->frame, (size_t)m->frame_cap * sizeof *m->frame);
    }
    m->frame[m->frames] = (struct frame){ back, under };
    return *at = m->frames++;
}

static void add(struct lt_gmachine *m, int32_t state, int32_t stack)
{
    int32_t *at = find(&m->seen, pair(state, stack));
    if (*at != UNKNOWN) return;
    *at = 0;
    if (m->works == m->work_cap) {
        m->work_cap = m->work_cap ? 2 * m->work_cap : 64;
        m->work = lt_realloc(m->work, m->work_cap * sizeof *m->work);
    }
    m->work[m->works++] = (struct config){ state, stack };
}

/* Can a state do nothing but end its rule?  Then a call need not come back to it: tails of lists do not pile up. */
static bool only_ends(const struct lt_grammar *g, int32_t state)
{
    for (int hops = 0; hops < 4; hops++) {
        int32_t e = g->first[state];
        if (g->final[state]) return e < 0;
        if (e < 0 || g->edge[e].next >= 0 || g->edge[e].kind != LT_GEDGE_EMPTY) return false;
        state = g->edge[e].to;
    }
    return false;
}

static bool takes_bytes(const struct lt_grammar *g, int32_t state)
{
    for (int32_t e = g->first[state]; e >= 0; e = g->edge[e].next)
        if (g->edge[e].kind == LT_GEDGE_BYTE) return true;
    return false;
}

static int by_config(const void *a, const void *b, void *unused)
{
    const struct config *x = a, *y = b;
    (void)unused;
    if (x->state != y->state) return x->state < y->state ? -1 : 1;
    return (x->stack > y->stack) - (x->stack < y->stack);
}

/* Whatever is reached from the set being made without a byte. */
static void close_over(struct lt_gmachine *m)
{
    const struct lt_grammar *g = m->g;
    for (uint32_t i = 0; i < m->works; i++) {
        struct config c = m->work[i];
        if (g->final[c.state]) {
            if (c.stack == EMPTY_STACK) m->work_ends = true;
            else add(m, m->frame[c.stack].back, m->frame[c.stack].under);
        }
        for (int32_t e = g->first[c.state]; e >= 0; e = g->edge[e].next) {
            const struct lt_gedge *x = &g->edge[e];
            if (x->kind == LT_GEDGE_EMPTY) add(m, x->to, c.stack);
            else if (x->kind == LT_GEDGE_CALL)
                add(m, g->start[x->rule], only_ends(g, x->to) ? c.stack : push(m, x->to, c.stack));
        }
    }
}

/* The number of the set that was made: of its configurations that take bytes, sorted. */
static int32_t intern(struct lt_gmachine *m)
{
    uint32_t n = 0;
    close_over(m);
    for (uint32_t i = 0; i < m->works; i++)
        if (takes_bytes(m->g, m->work[i].state)) m->work[n++] = m->work[i];
    if (!n && !m->work_ends) return DEAD;
    lt_sort(m->work, n, sizeof *m->work, by_config, NULL);
    uint64_t key = lt_hash(m->work, n * sizeof *m->work, m->work_ends ? 1 : 2) | 1;
    for (;; key += 2) {                         /* another set of the same hash: the next key */
        int32_t *at = find(&m->set_of, key ? key : 1);
        if (*at == UNKNOWN) {
            *at = m->sets;
            break;
        }
        const struct set *s = &m->set[*at];
        if (s->count == n && s->ends == m->work_ends && !memcmp(m->config + s->first, m->work, n * sizeof *m->work))
            return *at;
    }
    if (m->configs + n > m->config_cap) {
        m->config_cap = LT_MAX(2 * m->config_cap, m->configs + n);
        m->config = lt_realloc(m->config, m->config_cap * sizeof *m->config);
    }
    if (m->sets == m->set_cap) {
        m->set_cap = m->set_cap ? 2 * m->set_cap : 64;
        m->set = lt_realloc(m->set, (size_t)m->set_cap * sizeof *m->set);
    }
    if (n) memcpy(m->config + m->configs, m->work, n * sizeof *m->work);
    m->set[m->sets] = (struct set){ m->configs, n, m->work_ends };
    m->configs += n;
    return m->sets++;
}

static void begin_set(struct lt_gmachine *m)
{
    m->works = 0;
    m->work_ends = false;
    clear(&m->seen);
}

struct lt_gmachine *lt_gmachine_new(const struct lt_grammar *g, const struct lt_token_trie *trie)
{
    struct lt_gmachine *m = lt_calloc(1, sizeof *m);
    m->g = g;
    m->trie = trie;
    for (int i = 0; i < MASKS; i++) m->mask_of[i] = DEAD;
    if (trie) m->place = lt_alloc(((size_t)trie->depth_max + 1) * sizeof *m->place);
    begin_set(m);
    add(m, g->start[g->root], EMPTY_STACK);
    m->begin = intern(m);
    return m;
}

void lt_gmachine_free(struct lt_gmachine *m)
{
    if (!m) return;
    free(m->frame);
    free(m->config);
    free(m->set);
    free(m->work);
    free(m->place);
    release(&m->frame_of);
    release(&m->set_of);
    release(&m->step_of);
    release(&m->seen);
    for (int i = 0; i < MASKS; i++) free(m->mask[i]);
    free(m);
}

int lt_gmachine_start(struct lt_gmachine *m) { return m->begin; }

static int32_t make_step(struct lt_gmachine *m, int32_t place, uint8_t byte)
{
    const struct lt_grammar *g = m->g;
    begin_set(m);
    for (uint32_t i = 0; i < m->set[place].count; i++) {
        struct config c = m->config[m->set[place].first + i];
        for (int32_t e = g->first[c.state]; e >= 0; e = g->edge[e].next) {
            const struct lt_gedge *x = &g->edge[e];
            if (x->kind == LT_GEDGE_BYTE && x->low <= byte && byte <= x->high) add(m, x->to, c.stack);
        }
    }
    return m->works ? intern(m) : DEAD;
}

int lt_gmachine_step(struct lt_gmachine *m, int place, uint8_t byte)
{
    if (place < 0) return DEAD;
    uint64_t key = (uint64_t)(uint32_t)(place + 1) << 8 | byte;
    int32_t *at = find(&m->step_of, key);
    if (*at != UNKNOWN) return *at;
    int32_t to = make_step(m, place, byte);
    return *find(&m->step_of, key) = to;
}

int lt_gmachine_steps(struct lt_gmachine *m, int place, struct lt_str bytes)
{
    for (size_t i = 0; i < bytes.n && place >= 0; i++) place = lt_gmachine_step(m, place, (uint8_t)bytes.p[i]);
    return place;
}

bool lt_gmachine_ends(const struct lt_gmachine *m, int place) { return place >= 0 && m->set[place].ends; }
bool lt_gmachine_goes_on(const struct lt_gmachine *m, int place) { return place >= 0 && m->set[place].count > 0; }

/* ---- masks ---- */
static void walk(struct lt_gmachine *m, int32_t place, uint64_t *mask)
{
    const struct lt_token_trie *t = m->trie;
    m->place[0] = place;
    for (uint32_t i = 0; i < t->nodes;) {
        const struct lt_token_node *n = &t->node[i];
        int32_t to = lt_gmachine_step(m, m->place[n->depth - 1], n->byte);
        if (to < 0) {
            i = n->end;
            continue;
        }
        m->place[n->depth] = to;
        for (uint32_t k = n->first; k < n->first + n->count; k++)
            mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
        i++;
    }
}

const uint64_t *lt_gmachine_mask(struct lt_gmachine *m, int place)
{
    assert(m->trie && place >= 0);
    size_t words = ((size_t)m->trie->vocab + 63) / 64;
    int slot = place % MASKS;
    if (m->mask_of[slot] == place) return m->mask[slot];
    if (!m->mask[slot]) m->mask[slot] = lt_alloc(words * sizeof(uint64_t));
    memset(m->mask[slot], 0, words * sizeof(uint64_t));
    walk(m, place, m->mask[slot]);
    m->mask_of[slot] = place;
    return m->mask[slot];
}

void lt_gmachine_forced(struct lt_gmachine *m, int place, size_t most, struct lt_buf *out)
{
    for (size_t n = 0; n < most && place >= 0 && !m->set[place].ends; n++) {
        int only = -1, to = DEAD;
        for (int c = 0; c < 256 && only != -2; c++) {
            int next = lt_gmachine_step(m, place, (uint8_t)c);
            if (next < 0) continue;
            only = only == -1 ? c : -2;
            to = next;
        }
        if (only < 0) return;
        lt_buf_char(out, (char)only);
        place = to;
    }
}
