/* Where a control stands: a place for the beginning and one after each token, so that tokens can be taken back. */
#ifndef LT_PLACES_H
#define LT_PLACES_H

#include "base/base.h"

/* The state of a control begins with one; zeroed with its size: there is no place yet.  free(at). */
struct lt_places { void *at; size_t size; int count, cap; };
void lt_places_push(struct lt_places *p, const void *place);
void *lt_places_get(const struct lt_places *p, int i);
static inline void *lt_places_now(const struct lt_places *p) { return lt_places_get(p, p->count - 1); }
/* *to becomes as *from, with places of its own. */
void lt_places_copy(struct lt_places *to, const struct lt_places *from);
/* lt_control.rewind of states that begin with one; the beginning stays. */
void lt_places_rewind(const void *o, void *state, int n);

#endif
