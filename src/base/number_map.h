/* A hash table from numbers to numbers, for tables that are asked at every byte: open addressing, keys other than 0. */
#ifndef LT_NUMBER_MAP_H
#define LT_NUMBER_MAP_H

#include "base/base.h"
#include <stdlib.h>
#include <string.h>

enum { LT_NUMBER_NEW = INT32_MIN };
struct lt_number_map { uint64_t *key; int32_t *value; uint32_t size, used; };  /* a zeroed struct is an empty one */

static inline uint32_t lt_number_map_slot(const struct lt_number_map *t, uint64_t key)
{
    uint64_t x = (key ^ key >> 31) * 0x9E3779B97F4A7C15u;
    uint32_t at = (uint32_t)(x ^ x >> 29) & (t->size - 1);
    while (t->key[at] && t->key[at] != key) at = (at + 1) & (t->size - 1);
    return at;
}

static inline void lt_number_map_grow(struct lt_number_map *t)
{
    struct lt_number_map old = *t;
    t->size = old.size ? 2 * old.size : 64;
    t->key = lt_calloc(t->size, sizeof *t->key);
    t->value = lt_alloc(t->size * sizeof *t->value);
    for (uint32_t i = 0; i < old.size; i++) {
        if (!old.key[i]) continue;
        uint32_t at = lt_number_map_slot(t, old.key[i]);
        t->key[at] = old.key[i];
        t->value[at] = old.value[i];
    }
    free(old.key);
    free(old.value);
}

/* Where the value of a key lies until the next call; LT_NUMBER_NEW when it was not there. */
static inline int32_t *lt_number_map_at(struct lt_number_map *t, uint64_t key)
{
    if (2 * t->used >= t->size) lt_number_map_grow(t);
    uint32_t at = lt_number_map_slot(t, key);
    if (!t->key[at]) {
        t->key[at] = key;
        t->value[at] = LT_NUMBER_NEW;
        t->used++;
    }
    return &t->value[at];
}

static inline void lt_number_map_clear(struct lt_number_map *t)
{
    if (t->used) memset(t->key, 0, t->size * sizeof *t->key);
    t->used = 0;
}

static inline void lt_number_map_free(struct lt_number_map *t)
{
    free(t->key);
    free(t->value);
    *t = (struct lt_number_map){ 0 };
}

#endif
