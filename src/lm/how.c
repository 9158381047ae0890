#include "lm/how.h"
#include "base/io.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const lt_how_key[LT_HOW_KEYS] = { "dtype", "cache_type", "cache_memory", "adapter" };

static bool has_row(const struct lt_method *m, const char *key)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (!strcmp(r->key, key)) return true;
    return false;
}

unsigned lt_how_given(const struct lt_how *how)
{
    return (how->dtype ? LT_HOW_DTYPE : 0u) | (how->cache_type ? LT_HOW_CACHE_TYPE : 0u)
           | (how->cache_memory >= 0 ? LT_HOW_CACHE_MEMORY : 0u) | (how->adapter.count ? LT_HOW_ADAPTER : 0u);
}

/* What is said under one key, as "key=value" texts in the arena. */
static void put_pairs(const struct lt_how *how, unsigned key, struct lt_arena *a, struct lt_list *to)
{
    if (key == LT_HOW_DTYPE) to->item[to->count++] = lt_arena_fmt(a, "dtype=%s", how->dtype);
    if (key == LT_HOW_CACHE_TYPE) to->item[to->count++] = lt_arena_fmt(a, "cache_type=%s", how->cache_type);
    if (key == LT_HOW_CACHE_MEMORY)
        to->item[to->count++] = lt_arena_fmt(a, "cache_memory=%" PRId64, how->cache_memory);
    for (int i = 0; key == LT_HOW_ADAPTER && i < how->adapter.count; i++)
        to->item[to->count++] = lt_arena_fmt(a, "adapter=%s", how->adapter.item[i]);
}

int lt_how_open_some(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out, unsigned *taken)
{
    struct lt_arena a = { 0 };
    struct lt_list more = { .item = lt_arena_zero(&a, (size_t)how->adapter.count + LT_HOW_KEYS, sizeof(char *)) };
    const struct lt_lm_type *type = lt_lm_type_of(path);
    *out = (struct lt_lm){ 0 };
    for (int k = 0; type && k < LT_HOW_KEYS; k++) {
        if (!(lt_how_given(how) & 1u << k) || (taken && !has_row(&type->m, lt_how_key[k]))) continue;
        put_pairs(how, 1u << k, &a, &more);
        if (taken) *taken |= 1u << k;
    }
    int rc = type ? lt_lm_open_with(path, &more, c, out) : -1;
    lt_arena_free(&a);
    return rc;
}

int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out)
{
    *out = (struct lt_lm){ 0 };
    struct lt_str name;
    const char *folder;
    for (int i = 0; i < how->adapter.count; i++)
        if (lt_path_named(how->adapter.item[i], &name, &folder))
            return lt_misuse("adapter: expected a folder, found \"%s\"; names are for `lathe serve`, where requests "
                             "choose", how->adapter.item[i]);
    return lt_how_open_some(how, path, c, out, NULL);
}
