/* The small change of the house: slices, buffers, arenas, errors.  Knows nothing of language models.
 *
 * Errors (STYLE): a fallible function returns 0 or -1 (or a pointer or NULL); the sentence lies in the
 * thread's error slot.  `return lt_fail("%s: %s", path, lt_error())` adds context while unwinding.
 * Running out of memory is fatal through one handler, so no allocation below returns NULL; sizes that
 * come from outside are bounded before they reach an allocator. */
#ifndef LT_BASE_H
#define LT_BASE_H

#include <lathe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LT_COUNT(a) ((int)(sizeof(a) / sizeof(*(a))))
#define LT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LT_MAX(a, b) ((a) > (b) ? (a) : (b))

/* ---- memory: never NULL ---- */
void *lt_alloc(size_t size);                                /* uninitialised; free with free() */
void *lt_calloc(size_t count, size_t size);                 /* zeroed; count * size is checked for overflow */
void *lt_realloc(void *p, size_t size);
#define LT_HUGE_PAGE ((size_t)2 << 20)
void *lt_aligned(size_t size);                              /* 64-byte aligned, uninitialised; free with free() */
char *lt_strdup(const char *s);

/* ---- slices: (pointer, count), nothing relies on NUL ---- */
static inline struct lt_str lt_str(const char *z) { size_t n = 0; while (z[n]) n++; return (struct lt_str){ z, n }; }
bool lt_str_eq(struct lt_str a, struct lt_str b);
bool lt_str_is(struct lt_str a, const char *z);
bool lt_str_starts(struct lt_str a, const char *prefix);
bool lt_str_ends(struct lt_str a, const char *suffix);
int lt_str_cmp(struct lt_str a, struct lt_str b);           /* bytewise order, shorter first on a tie */
/* Takes the part before the first `sep` off the front of *rest; false when *rest is used up (p == NULL). */
bool lt_str_split(struct lt_str *rest, char sep, struct lt_str *part);
/* whole slice must be a decimal integer; -1 without a message */
int lt_str_int(struct lt_str s, int64_t *out);
int lt_str_real(struct lt_str s, double *out);              /* whole slice must be a finite or inf number; C locale */
int lt_edit_distance(const char *a, const char *b);         /* Levenshtein, for "did you mean" */
bool lt_glob(const char *pattern, const char *name);        /* `*` any run, `?` one character; else literal */

/* ---- growing byte buffer; a zeroed struct is an empty one; .p is always NUL-terminated after a put ---- */
struct lt_buf { char *p; size_t n, cap; };
void lt_buf_put(struct lt_buf *b, const void *p, size_t n);
void lt_buf_str(struct lt_buf *b, const char *z);
void lt_buf_char(struct lt_buf *b, char c);
void lt_buf_fmt(struct lt_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* room for n more bytes at the returned place; set b->n after */
char *lt_buf_room(struct lt_buf *b, size_t n);
void lt_buf_clear(struct lt_buf *b);                        /* n = 0, keeps the memory */
void lt_buf_free(struct lt_buf *b);
static inline struct lt_str lt_buf_view(const struct lt_buf *b) { return (struct lt_str){ b->p, b->n }; }

/* ---- arena: freed all at once; mark and release for scratch.  Blocks are 64-byte aligned ---- */
struct lt_arena { struct lt_arena_block *block; size_t used_total, peak_total; };
struct lt_arena_mark { struct lt_arena_block *block; size_t used, used_total; };
void *lt_arena_take(struct lt_arena *a, size_t size);       /* uninitialised, 64-byte aligned */
void *lt_arena_zero(struct lt_arena *a, size_t count, size_t size);
char *lt_arena_str(struct lt_arena *a, struct lt_str s);    /* NUL-terminated copy */
char *lt_arena_fmt(struct lt_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct lt_arena_mark lt_arena_here(const struct lt_arena *a);
void lt_arena_release(struct lt_arena *a, struct lt_arena_mark to);
void lt_arena_reset(struct lt_arena *a);                    /* empties, keeps the largest block */
void lt_arena_free(struct lt_arena *a);

/* ---- hash map: byte-string keys -> uint64 values; a zeroed struct is an empty one ----
 * Keys are copied into the map.  Iteration order is insertion order: entry[0 .. count-1]. */
struct lt_map_entry { struct lt_str key; uint64_t value; };
struct lt_map { struct lt_map_entry *entry; uint32_t *slot; uint32_t count, cap, slot_count; struct lt_arena keys; };
uint64_t *lt_map_get(const struct lt_map *m, struct lt_str key);            /* NULL when absent */
uint64_t *lt_map_put(struct lt_map *m, struct lt_str key, bool *fresh);     /* value slot, 0 when fresh */
void lt_map_free(struct lt_map *m);
uint64_t lt_hash(const void *p, size_t n, uint64_t seed);                   /* xxh3-64 */

/* ---- randomness is an argument ---- */
/* Philox-like counter generator: a pure function of (seed, stream, position), so a position is its whole state. */
struct lt_rng { uint64_t seed, stream, at; };
struct lt_rng lt_rng_make(uint64_t seed, const char *stream);               /* named streams never overlap */
uint64_t lt_rng_u64(struct lt_rng *r);
uint64_t lt_rng_below(struct lt_rng *r, uint64_t n);                        /* 0 <= x < n, unbiased; n > 0 */
double lt_rng_unit(struct lt_rng *r);                                       /* [0, 1), 53 bits */
double lt_rng_normal(struct lt_rng *r);                                     /* mean 0, variance 1 */
uint64_t lt_rng_at(uint64_t seed, uint64_t stream, uint64_t position);      /* the function itself */
/* Position of i in a pseudo-random permutation of 0..n-1 chosen by seed (Feistel with cycle walking). */
uint64_t lt_permute(uint64_t seed, uint64_t n, uint64_t i);

/* ---- sort with a context (qsort has none); stable merge sort ---- */
typedef int lt_cmp_fn(const void *a, const void *b, void *ctx);
void lt_sort(void *base, size_t count, size_t size, lt_cmp_fn *cmp, void *ctx);

/* ---- thread pool: fixed splits ----
 * lt_pool_run calls fn(arg, i) once for every chunk 0..count-1, on any thread, and returns when all are
 * done.  What a chunk is must not depend on the number of threads; then neither do the results.
 * A NULL pool runs everything on the caller.  Not reentrant: a chunk must not call lt_pool_run. */
struct lt_pool;
typedef void lt_chunk_fn(void *arg, int64_t chunk);
struct lt_pool *lt_pool_new(int threads);                   /* threads <= 0: one per core */
int lt_pool_threads(const struct lt_pool *p);
void lt_pool_run(struct lt_pool *p, int64_t count, lt_chunk_fn *fn, void *arg);
/* Scratch of the one thread that calls lt_pool_run, so that operations called over and over touch the same pages: mark,
 * take, run, release.  NULL for a NULL pool. */
struct lt_arena *lt_pool_arena(struct lt_pool *p);
void lt_pool_free(struct lt_pool *p);

#endif
