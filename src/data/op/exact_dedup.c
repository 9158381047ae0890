/* Exact duplicates: of equal texts the first stays.
 *     lathe filter docs.jsonl --exact_dedup --output unique.jsonl */
#include "base/base.h"
#include <string.h>

struct dedup { struct lt_map seen; };

/* Two 64-bit hashes of different seeds: among 2^32 documents two are taken for equal with a chance of 2^-65. */
static enum lt_verdict dedup_doc(const void *o, void *st, struct lt_doc *d, lt_emit_fn *emit, void *to)
{
    (void)o, (void)emit, (void)to;
    struct dedup *s = st;
    uint64_t hash[2] = { lt_hash(d->text.p, d->text.n, 0), lt_hash(d->text.p, d->text.n, 1) };
    bool fresh;
    lt_map_put(&s->seen, (struct lt_str){ (const char *)hash, sizeof hash }, &fresh);
    if (fresh) return LT_KEEP;
    d->why = "duplicate";
    return LT_DROP;
}

static void dedup_close(void *st)
{
    lt_map_free(&((struct dedup *)st)->seen);
}

const struct lt_dataop lt_dataop_exact_dedup = {
    .m = { .name = "exact_dedup", .brief = "of documents with the same text the first stays",
           .doc = "Compares hashes of 128 bits, which take about 60 bytes of memory a document." },
    .state = sizeof(struct dedup), .doc = dedup_doc, .close = dedup_close,
};
