#include "lm/how.h"
#include <inttypes.h>

int lt_how_open(const struct lt_how *how, const char *path, struct lt_ctx *c, struct lt_lm *out)
{
    struct lt_buf text[3] = { { 0 } };
    const char *item[3];
    struct lt_list more = { .item = item };
    if (how->dtype) lt_buf_fmt(&text[more.count++], "dtype=%s", how->dtype);
    if (how->cache_type) lt_buf_fmt(&text[more.count++], "cache_type=%s", how->cache_type);
    if (how->cache_memory >= 0) lt_buf_fmt(&text[more.count++], "cache_memory=%" PRId64, how->cache_memory);
    for (int i = 0; i < more.count; i++) item[i] = text[i].p;
    int rc = lt_lm_open_with(path, &more, c, out);
    for (int i = 0; i < 3; i++) lt_buf_free(&text[i]);
    return rc;
}
