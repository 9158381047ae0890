/* Keys and values of texts, in pages.
 *
 * A page holds LT_PAGE_KEYS tokens of all layers.  A cache, the keys and values of one text, is a list of pages; texts
 * that begin alike share them: a fork shares all of its parent's, and a page that is full may be listed under the
 * tokens it stands for and those before it, where other texts find it.  Whoever writes into a page that others see
 * gets a copy of it first.  Pages that nobody holds stay listed, oldest thrown away first, until their memory is
 * wanted.
 *
 * Caches of one memory are for one thread at a time. */
#ifndef LT_CACHE_H
#define LT_CACHE_H

#include "base/base.h"
#include "math/dtype.h"
#include "math/kernel.h"

struct lt_model; struct lt_tensor;
struct lt_pages; struct lt_cache;

/* Memory for the caches of one model.  type: F32, BF16 or I8 (each row of a head with a scale of its own).  limit:
 * bytes of pages at most; 0: any number.  An eighth of it (at most LT_PAGES_IDLE) is kept for pages nobody holds. */
enum { LT_PAGES_IDLE = 96 << 20 };
struct lt_pages *lt_pages_new(const struct lt_model *m, enum lt_dtype type, size_t limit);
void lt_pages_free(struct lt_pages *p);                 /* what is still held goes with the last cache */
struct lt_pages_use { size_t page, held, idle, limit; };        /* bytes: of one page, of all, of those nobody holds */
struct lt_pages_use lt_pages_use(const struct lt_pages *p);

struct lt_cache *lt_cache_new(struct lt_pages *p);
struct lt_cache *lt_cache_fork(const struct lt_cache *c);
void lt_cache_free(struct lt_cache *c);
int64_t lt_cache_count(const struct lt_cache *c);       /* tokens held */
void lt_cache_rewind(struct lt_cache *c, int64_t count);        /* keeps the first `count` tokens */
/* Lists the pages that fill up from now on, or stops.  Only for keys that follow from the tokens alone. */
void lt_cache_list(struct lt_cache *c, bool on);
/* Of an empty cache: its keys follow from the tokens and from what `kind` (above 0) stands for.  Pages are shared among
 * caches of one kind alone; without this call the kind is 0. */
void lt_cache_set_kind(struct lt_cache *c, uint32_t kind);
/* Takes listed pages for the tokens that come next, as many as are known; at most n.  Returns the tokens taken. */
int64_t lt_cache_adopt(struct lt_cache *c, const int32_t *token, int64_t n);
/* Room for n further tokens.  1: the limit is reached (lt_error says so), and nothing changed. */
int lt_cache_reserve(struct lt_cache *c, int64_t n);
/* n rows of k and v go into a layer behind the tokens held, where there is room; advance counts them as held. */
void lt_cache_put(struct lt_cache *c, int layer, const struct lt_tensor *k, const struct lt_tensor *v, int64_t row,
                  int64_t n);
void lt_cache_advance(struct lt_cache *c, const int32_t *token, int64_t n);
/* Where a layer's keys lie for n tokens behind those held. */
void lt_cache_seq(const struct lt_cache *c, int layer, int64_t n, struct lt_attn_seq *seq);
enum lt_dtype lt_cache_type(const struct lt_cache *c);

/* The bytes of doc/formats/session-cache.md that hold keys and values, of the tokens held. */
void lt_cache_write(const struct lt_cache *c, struct lt_buf *out);
size_t lt_cache_size(const struct lt_cache *c, int64_t count);          /* of `count` tokens written */
/* Takes `count` tokens into an empty cache; p: lt_cache_size bytes.  As lt_cache_reserve. */
int lt_cache_parse(struct lt_cache *c, const int32_t *token, int64_t count, const uint8_t *p);

#endif
