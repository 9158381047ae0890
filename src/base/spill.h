/* Sequences that may outgrow memory.  A store has a limit of bytes and one temporary file without a name, so that it
 * is gone with the process, however that ends.  A spool of the store is written once from front to back and read any
 * number of times the same way; its blocks lie in memory while the store has room, then in the file.  What is read does
 * not depend on where it lay.
 *
 * Errors are sticky: after a failed write or read spools give zeros, and lt_spill_check tells why.  Check before what was
 * read is believed.  One thread at a time. */
#ifndef LT_SPILL_H
#define LT_SPILL_H

#include "base/base.h"
#include <string.h>

/* folder is where the file is made when it is needed; borrowed.  memory: bytes of blocks; a spool that is being
 * written and a reader of the file take one block more each. */
struct lt_spill;
struct lt_spill *lt_spill_new(const char *folder, size_t memory);
void lt_spill_limit(struct lt_spill *s, size_t memory);     /* for blocks written from now on */
size_t lt_spill_block(const struct lt_spill *s);            /* bytes of a block */
uint64_t lt_spill_written(const struct lt_spill *s);        /* bytes that went to the file so far */
int lt_spill_check(const struct lt_spill *s);               /* -1: something failed; lt_error */
void lt_spill_free(struct lt_spill *s);                     /* its spools must be freed before */

struct lt_spool_block { uint8_t *memory; uint64_t at; };    /* memory NULL: block `at` of the file */
struct lt_spool {
    struct lt_spill *home;
    struct lt_spool_block *block;
    size_t count, cap;              /* full blocks */
    uint8_t *tail, *to, *end;       /* the block being filled */
};
void lt_spool_init(struct lt_spool *s, struct lt_spill *home);
void lt_spool_turn(struct lt_spool *s);                     /* puts the full tail away and begins another */
uint64_t lt_spool_bytes(const struct lt_spool *s);
void lt_spool_free(struct lt_spool *s);                     /* a zeroed one is none */

struct lt_spool_reader { const struct lt_spool *s; size_t next; const uint8_t *p, *end; uint8_t *buffer; };
void lt_spool_read(struct lt_spool_reader *r, const struct lt_spool *s);    /* from the front */
bool lt_spool_more(struct lt_spool_reader *r);              /* false: nothing is left */
void lt_spool_read_end(struct lt_spool_reader *r);          /* a zeroed one is none */

/* Blocks are whole numbers of 8 bytes.  A spool of 4-byte values holds nothing else; in one of bytes a count below 255
 * takes one and any other nine. */
static inline void lt_spool_put_u32(struct lt_spool *s, uint32_t v)
{
    if (s->to == s->end) lt_spool_turn(s);
    memcpy(s->to, &v, 4);
    s->to += 4;
}

static inline void lt_spool_put_float(struct lt_spool *s, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    lt_spool_put_u32(s, bits);
}

static inline void lt_spool_put_byte(struct lt_spool *s, uint8_t v)
{
    if (s->to == s->end) lt_spool_turn(s);
    *s->to++ = v;
}

static inline void lt_spool_put_count(struct lt_spool *s, uint64_t v)
{
    lt_spool_put_byte(s, v < 255 ? (uint8_t)v : 255);
    for (int i = 0; i < 8 && v >= 255; i++) lt_spool_put_byte(s, (uint8_t)(v >> 8 * i));
}

static inline uint32_t lt_spool_get_u32(struct lt_spool_reader *r)
{
    uint32_t v = 0;
    if (r->p == r->end && !lt_spool_more(r)) return 0;
    memcpy(&v, r->p, 4);
    r->p += 4;
    return v;
}

static inline float lt_spool_get_float(struct lt_spool_reader *r)
{
    uint32_t bits = lt_spool_get_u32(r);
    float v;
    memcpy(&v, &bits, 4);
    return v;
}

static inline uint8_t lt_spool_get_byte(struct lt_spool_reader *r)
{
    return r->p == r->end && !lt_spool_more(r) ? 0 : *r->p++;
}

static inline uint64_t lt_spool_get_count(struct lt_spool_reader *r)
{
    uint64_t v = lt_spool_get_byte(r);
    if (v < 255) return v;
    v = 0;
    for (int i = 0; i < 8; i++) v |= (uint64_t)lt_spool_get_byte(r) << 8 * i;
    return v;
}

/* n values of a spool of 4-byte values, or fewer at its end. */
size_t lt_spool_get_many(struct lt_spool_reader *r, void *to, size_t n);

#endif
