/* From an n-gram to the same without its first word, which is an n-gram of the level below: its link.  For the n-grams
 * that begin with one word, links rise; so a table of the level below is gone over again and again from front to back.
 * When it does not fit into memory it is cut into slices, the questions are dealt out to them, and the answers
 * collected in the order of the questions. */
#ifndef LT_LINKS_H
#define LT_LINKS_H

#include "ngram/levels.h"

/* links: of the n-grams of `level` (1 or more), u32; those of the level below are `above` (level 2 or more).  before
 * (NULL: not wanted): for every n-gram of the level below, u32, how many of `level` link to it: how many different
 * words stand before it.  room: bytes for a table.  Both spools must be new. */
int lt_links_find(const struct lt_levels *l, int level, const struct lt_spool *above, size_t room, struct lt_ctx *c,
                  struct lt_spool *links, struct lt_spool *before);
/* out[i] = value[link[i]] for n links; values of 4 bytes. */
int lt_links_follow(const struct lt_spool *link, uint64_t n, const struct lt_spool *value, uint64_t values, size_t room,
                    struct lt_ctx *c, struct lt_spool *out);

#endif
