#include "lm/how.h"
#include <inttypes.h>
#include <string.h>

enum { KEYS = 3 };
static const char *const keys[KEYS] = { "dtype", "cache_type", "cache_memory" };

static bool has_row(const struct lt_method *m, const char *key)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (!strcmp(r->key, key)) return true;
    return false;
}

unsigned lt_how_given(const struct lt_how *how)
{
    return (how->dtype ? 1u : 0) | (how->cache_type ? 2u : 0) | (how->cache_memory >= 0 ? 4u : 0);
}

int lt_how_open_some(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out, unsigned *taken)
{
    struct lt_buf text[KEYS] = { { 0 } };
    const char *item[KEYS];
    struct lt_list more = { .item = item };
    const struct lt_lm_type *type = lt_lm_type_of(path);
    *out = (struct lt_lm){ 0 };
    for (int k = 0; type && k < KEYS; k++) {
        if (!(lt_how_given(how) & 1u << k) || (taken && !has_row(&type->m, keys[k]))) continue;
        struct lt_buf *b = &text[more.count++];
        if (k == 2) lt_buf_fmt(b, "cache_memory=%" PRId64, how->cache_memory);
        else lt_buf_fmt(b, "%s=%s", keys[k], k ? how->cache_type : how->dtype);
        if (taken) *taken |= 1u << k;
    }
    for (int i = 0; i < more.count; i++) item[i] = text[i].p;
    int rc = type ? lt_lm_open_with(path, &more, c, out) : -1;
    for (int i = 0; i < KEYS; i++) lt_buf_free(&text[i]);
    return rc;
}

int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out)
{
    return lt_how_open_some(how, path, c, out, NULL);
}
