#include "decode/control/places.h"
#include <string.h>

void *lt_places_get(const struct lt_places *p, int i) { return (char *)p->at + (size_t)i * p->size; }

void lt_places_push(struct lt_places *p, const void *place)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 64;
        p->at = lt_realloc(p->at, (size_t)p->cap * p->size);
    }
    memcpy(lt_places_get(p, p->count++), place, p->size);
}

void lt_places_copy(struct lt_places *to, const struct lt_places *from)
{
    *to = *from;
    to->at = lt_alloc((size_t)from->cap * from->size);
    memcpy(to->at, from->at, (size_t)from->count * from->size);
}

void lt_places_rewind(const void *o, void *state, int n)
{
    struct lt_places *p = state;
    (void)o;
    p->count -= LT_MIN(n, p->count - 1);
}
