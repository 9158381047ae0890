/* The machine over a grammar: places.
 *
 * A place in a text is a set of configurations (state, stack): the states that could take the next byte, each with the
 * states to go back to when its rule ends.  A repetition is a frame of the stack that counts.  Stacks are interned, so
 * that equal ones are one number, and so are sets: what a byte does to a set is worked out once and kept in its row. */
#include "decode/grammar/machine.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---- */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static void grow(struct lt_gtable *t)
{
    struct lt_gtable old = *t;
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

/* Where the value of a key lies; LT_PLACE_UNKNOWN when it is new.  The key is not 0. */
static int32_t *find(struct lt_gtable *t, uint64_t key)
{
    if (2 * t->used >= t->size) grow(t);
    uint32_t at = (uint32_t)mix(key) & (t->size - 1);
    while (t->key[at] && t->key[at] != key) at = (at + 1) & (t->size - 1);
    if (!t->key[at]) {
        t->key[at] = key;
        t->value[at] = LT_PLACE_UNKNOWN;
        t->used++;
    }
    return &t->value[at];
}

static void clear(struct lt_gtable *t)
{
    if (t->used) memset(t->key, 0, t->size * sizeof *t->key);
    t->used = 0;
}

static void release(struct lt_gtable *t)
{
    free(t->key);
    free(t->value);
}

static uint64_t pair(int32_t a, int32_t b)
{
    return (uint64_t)((uint32_t)a + 2) << 32 | ((uint32_t)b + 2);
}

/* ---- stacks and sets ---- */
static int32_t push(struct lt_gmachine *m, int32_t back, int32_t below, int32_t count)
{
    uint64_t key = mix(pair(back, below)) + (uint64_t)(uint32_t)count * 0xD1B54A32D192ED03u;
    for (key |= 1;; key += 2) {                 /* another frame of the same hash: the next key */
        int32_t *at = find(&m->frame_of, key ? key : 1);
        if (*at == LT_PLACE_UNKNOWN) {
            *at = m->frames;
            break;
        }
        const struct lt_gframe *f = &m->frame[*at];
        if (f->back == back && f->below == below && f->count == count) return *at;
    }
    if (m->frames == m->frame_cap) {
        m->frame_cap = m->frame_cap ? 2 * m->frame_cap : 64;
        m->frame = lt_realloc(m->frame, (size_t)m->frame_cap * sizeof *m->frame);
    }
    m->frame[m->frames] = (struct lt_gframe){ back, below, count };
    return m->frames++;
}

static void add(struct lt_gmachine *m, int32_t state, int32_t stack)
{
    int32_t *at = find(&m->seen, pair(state, stack));
    if (*at != LT_PLACE_UNKNOWN) return;
    *at = 0;
    if (m->works == m->work_cap) {
        m->work_cap = m->work_cap ? 2 * m->work_cap : 64;
        m->work = lt_realloc(m->work, m->work_cap * sizeof *m->work);
    }
    m->work[m->works++] = (struct lt_gconfig){ state, stack };
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
    const struct lt_gconfig *x = a, *y = b;
    (void)unused;
    if (x->state != y->state) return x->state < y->state ? -1 : 1;
    return (x->stack > y->stack) - (x->stack < y->stack);
}

/* After `count` rounds of a repetition: out of it, or once more. */
static void go_round(struct lt_gmachine *m, int32_t edge, int32_t stack, int32_t count)
{
    const struct lt_gedge *e = &m->g->edge[edge];
    if (count >= e->min) add(m, e->to, stack);
    if (e->max >= 0 && count >= e->max) return;
    if (e->max < 0) count = LT_MIN(count, e->min);
    add(m, m->g->start[e->rule], push(m, ~edge, stack, count));
}

/* Whatever is reached from the set being made without a byte. */
static void close_over(struct lt_gmachine *m)
{
    const struct lt_grammar *g = m->g;
    for (uint32_t i = 0; i < m->works; i++) {
        struct lt_gconfig c = m->work[i];
        if (g->final[c.state]) {
            struct lt_gframe f = c.stack == LT_STACK_EMPTY ? (struct lt_gframe){ 0 } : m->frame[c.stack];
            if (c.stack == LT_STACK_EMPTY) m->work_ends = true;
            else if (f.back < 0) go_round(m, ~f.back, f.below, f.count + 1);
            else add(m, f.back, f.below);
        }
        for (int32_t e = g->first[c.state]; e >= 0; e = g->edge[e].next) {
            const struct lt_gedge *x = &g->edge[e];
            if (x->kind == LT_GEDGE_EMPTY) add(m, x->to, c.stack);
            else if (x->kind == LT_GEDGE_REPEAT) go_round(m, e, c.stack, 0);
            else if (x->kind == LT_GEDGE_CALL)
                add(m, g->start[x->rule], only_ends(g, x->to) ? c.stack : push(m, x->to, c.stack, 0));
        }
    }
}

/* The number of the set that was made: of its configurations that take bytes, sorted. */
static int32_t intern(struct lt_gmachine *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->works; i++)
        if (takes_bytes(m->g, m->work[i].state)) m->work[n++] = m->work[i];
    if (!n && !m->work_ends) return LT_PLACE_DEAD;
    lt_sort(m->work, n, sizeof *m->work, by_config, NULL);
    uint64_t key = lt_hash(m->work, n * sizeof *m->work, m->work_ends ? 1 : 2) | 1;
    for (;; key += 2) {                         /* another set of the same hash: the next key */
        int32_t *at = find(&m->set_of, key ? key : 1);
        if (*at == LT_PLACE_UNKNOWN) {
            *at = m->sets;
            break;
        }
        const struct lt_gset *s = &m->set[*at];
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
    m->set[m->sets] = (struct lt_gset){ m->configs, n, m->work_ends, NULL, { -2, -2, -2, -2 }, { 0 } };
    m->configs += n;
    return m->sets++;
}

static void begin_set(struct lt_gmachine *m)
{
    m->works = 0;
    m->work_ends = false;
    clear(&m->seen);
}

/* Bytes that no edge tells apart are one class: rows are as long as there are classes. */
static void classify(struct lt_gmachine *m)
{
    bool cut[257] = { true };
    for (int32_t s = 0; s < m->g->states; s++)
        for (int32_t e = m->g->first[s]; e >= 0; e = m->g->edge[e].next) {
            const struct lt_gedge *x = &m->g->edge[e];
            if (x->kind == LT_GEDGE_BYTE) cut[x->low] = cut[x->high + 1] = true;
        }
    for (int c = 0; c < 256; c++) {
        if (cut[c]) m->byte_of[m->classes++] = (uint8_t)c;
        m->class_of[c] = (uint8_t)(m->classes - 1);
    }
}

struct lt_gmachine *lt_gmachine_new(const struct lt_grammar *g, const struct lt_token_trie *trie)
{
    struct lt_gmachine *m = lt_calloc(1, sizeof *m);
    m->g = g;
    m->trie = trie;
    for (int l = 0; l < LT_COUNT(m->mask); l++)
        for (int i = 0; i < LT_GMASKS; i++) m->mask[l][i].place = LT_PLACE_DEAD;
    if (trie) m->way = lt_alloc(((size_t)trie->depth_max + 1) * sizeof *m->way);
    classify(m);
    for (int c = 0; trie && c < 128; c++) m->kinds_of[m->class_of[c]] |= trie->kind_of[c];
    begin_set(m);
    add(m, g->start[g->root], LT_STACK_EMPTY);
    close_over(m);
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
    free(m->way);
    release(&m->frame_of);
    release(&m->set_of);
    release(&m->like_of);
    release(&m->seen);
    for (int l = 0; l < LT_COUNT(m->mask); l++)
        for (int i = 0; i < LT_GMASKS; i++) free(m->mask[l][i].bits);
    lt_arena_free(&m->arena);
    free(m);
}

int lt_gmachine_start(struct lt_gmachine *m) { return m->begin; }

int32_t *lt_gmachine_row(struct lt_gmachine *m, int32_t place)
{
    struct lt_gset *s = &m->set[place];
    if (s->row) return s->row;
    s->row = lt_arena_take(&m->arena, (size_t)m->classes * sizeof *s->row);
    for (int i = 0; i < m->classes; i++) s->row[i] = LT_PLACE_UNKNOWN;
    return s->row;
}

int32_t lt_gmachine_make(struct lt_gmachine *m, int32_t place, int class)
{
    const struct lt_grammar *g = m->g;
    uint8_t byte = m->byte_of[class];
    begin_set(m);
    for (uint32_t i = 0; i < m->set[place].count; i++) {
        struct lt_gconfig c = m->config[m->set[place].first + i];
        for (int32_t e = g->first[c.state]; e >= 0; e = g->edge[e].next) {
            const struct lt_gedge *x = &g->edge[e];
            if (x->kind == LT_GEDGE_BYTE && x->low <= byte && byte <= x->high) add(m, x->to, c.stack);
        }
    }
    int32_t to = LT_PLACE_DEAD;
    if (m->works) {
        close_over(m);
        to = intern(m);
    }
    return lt_gmachine_row(m, place)[class] = to;
}

int lt_gmachine_step(struct lt_gmachine *m, int place, uint8_t byte)
{
    if (place < 0) return LT_PLACE_DEAD;
    int class = m->class_of[byte];
    int32_t to = lt_gmachine_row(m, place)[class];
    return to == LT_PLACE_UNKNOWN ? lt_gmachine_make(m, place, class) : to;
}

int lt_gmachine_steps(struct lt_gmachine *m, int place, struct lt_str bytes)
{
    for (size_t i = 0; i < bytes.n && place >= 0; i++) place = lt_gmachine_step(m, place, (uint8_t)bytes.p[i]);
    return place;
}

bool lt_gmachine_ends(const struct lt_gmachine *m, int place) { return place >= 0 && m->set[place].ends; }
bool lt_gmachine_goes_on(const struct lt_gmachine *m, int place) { return place >= 0 && m->set[place].count > 0; }

void lt_gmachine_forced(struct lt_gmachine *m, int place, size_t most, struct lt_buf *out)
{
    for (size_t n = 0; n < most && place >= 0 && !m->set[place].ends; n++) {
        int only = -1, to = LT_PLACE_DEAD;
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

/* ---- places that are alike for a while ---- */
/* The rounds of a repetition, when no more than `bytes` can still be done: what matters is only whether an end is
 * near. */
static int32_t like_count(const struct lt_gedge *e, int32_t count, int32_t bytes)
{
    int32_t enough = LT_MAX(e->min - 1, 0);
    if (e->min > bytes && count < e->min - bytes) return 0;
    return count >= enough && (e->max < 0 || count < e->max - bytes) ? enough : count;
}

static int32_t like_stack(struct lt_gmachine *m, int32_t stack, int layer, int32_t bytes)
{
    int32_t *way = NULL, to = LT_STACK_EMPTY, n = 0, cap = 0;
    for (; stack != LT_STACK_EMPTY; stack = m->frame[stack].below) {
        int32_t *at = find(&m->like_of, (uint64_t)(uint32_t)(stack + 1) << 8 | (uint64_t)layer);
        if (*at != LT_PLACE_UNKNOWN) {
            to = *at;
            break;
        }
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            way = lt_realloc(way, (size_t)cap * sizeof *way);
        }
        way[n++] = stack;
    }
    while (n) {
        struct lt_gframe f = m->frame[way[--n]];
        if (f.back < 0) f.count = like_count(&m->g->edge[~f.back], f.count, bytes);
        to = push(m, f.back, to, f.count);
        *find(&m->like_of, (uint64_t)(uint32_t)(way[n] + 1) << 8 | (uint64_t)layer) = to;
    }
    free(way);
    return to;
}

int32_t lt_gmachine_like(struct lt_gmachine *m, int32_t place, int layer, int32_t bytes)
{
    if (!m->g->repeats) return place;
    if (m->set[place].like[layer] != LT_PLACE_UNKNOWN) return m->set[place].like[layer];
    begin_set(m);
    m->work_ends = m->set[place].ends;
    for (uint32_t i = 0; i < m->set[place].count; i++) {
        struct lt_gconfig c = m->config[m->set[place].first + i];
        add(m, c.state, like_stack(m, c.stack, layer, bytes));
    }
    int32_t like = intern(m);
    return m->set[place].like[layer] = like;
}
