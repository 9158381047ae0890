/* Hash map in insertion order: a dense array of entries and an open-addressing table of indices into it. */
#include "base/base.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t lt_hash(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

/* The slot that holds the key, or the empty one where it belongs; a slot is an entry's index + 1, or 0. */
static uint32_t *probe(const struct lt_map *m, struct lt_str key)
{
    uint32_t mask = m->slot_count - 1, i = (uint32_t)lt_hash(key.p, key.n, 0) & mask;
    while (m->slot[i] && !lt_str_eq(m->entry[m->slot[i] - 1].key, key))
        i = (i + 1) & mask;
    return &m->slot[i];
}

static void grow(struct lt_map *m)
{
    assert(m->slot_count < UINT32_C(1) << 31);
    m->slot_count = m->slot_count ? 2 * m->slot_count : 16;
    m->cap = m->slot_count / 2;
    m->entry = lt_realloc(m->entry, m->cap * sizeof *m->entry);
    free(m->slot);
    m->slot = lt_calloc(m->slot_count, sizeof *m->slot);
    uint32_t mask = m->slot_count - 1;
    for (uint32_t e = 0; e < m->count; e++) {           /* all keys differ: no comparison needed */
        uint32_t i = (uint32_t)lt_hash(m->entry[e].key.p, m->entry[e].key.n, 0) & mask;
        while (m->slot[i])
            i = (i + 1) & mask;
        m->slot[i] = e + 1;
    }
}

uint64_t *lt_map_get(const struct lt_map *m, struct lt_str key)
{
    if (m->count == 0)
        return NULL;
    uint32_t slot = *probe(m, key);
    return slot ? &m->entry[slot - 1].value : NULL;
}

uint64_t *lt_map_put(struct lt_map *m, struct lt_str key, bool *fresh)
{
    if (m->count == m->cap)
        grow(m);
    uint32_t *slot = probe(m, key);
    if (fresh)
        *fresh = *slot == 0;
    if (*slot)
        return &m->entry[*slot - 1].value;
    struct lt_map_entry *e = &m->entry[m->count++];
    e->key = (struct lt_str){ lt_arena_str(&m->keys, key), key.n };
    e->value = 0;
    *slot = m->count;
    return &e->value;
}

void lt_map_free(struct lt_map *m)
{
    free(m->entry);
    free(m->slot);
    lt_arena_free(&m->keys);
    *m = (struct lt_map){ 0 };
}
