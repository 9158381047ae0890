/* Documents that are too short or too long.
 *     lathe filter docs.jsonl --length.min_words 50 --length.max_chars 100000 --output kept.jsonl */
#include "base/base.h"

struct length { int64_t min_words, max_words, min_chars, max_chars; };

/* Words as Gopher's rules count them (arXiv:2112.11446): runs of what is not white space.  Characters of UTF-8. */
static void measure(struct lt_str text, int64_t *words, int64_t *chars)
{
    bool inside = false;
    *words = *chars = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        *words += !space && !inside;
        *chars += ((unsigned char)c & 0xC0) != 0x80;
        inside = !space;
    }
}

static int length_open(const void *v, void *st, struct lt_ctx *c)
{
    const struct length *o = v;
    (void)st, (void)c;
    if (!o->min_words && !o->max_words && !o->min_chars && !o->max_chars)
        return lt_misuse("length drops nothing: give it min_words, max_words, min_chars or max_chars");
    return 0;
}

static enum lt_verdict length_doc(const void *v, void *st, struct lt_doc *d, lt_emit_fn *emit, void *to)
{
    const struct length *o = v;
    (void)st, (void)emit, (void)to;
    int64_t words, chars;
    measure(d->text, &words, &chars);
    if (words < o->min_words || chars < o->min_chars) d->why = "too short";
    else if ((o->max_words && words > o->max_words) || (o->max_chars && chars > o->max_chars)) d->why = "too long";
    return d->why ? LT_DROP : LT_KEEP;
}

#define BOUND(k, text) \
    { .key = #k, .help = text, .type = LT_INT, .at = offsetof(struct length, k), .min = 0, .max = 1e15 }
static const struct lt_opt rows[] = {
    BOUND(min_words, "fewest words that stay"),
    BOUND(max_words, "most words that stay; 0: any number"),
    BOUND(min_chars, "fewest characters that stay"),
    BOUND(max_chars, "most characters that stay; 0: any number"),
    { 0 },
};

const struct lt_dataop lt_dataop_length = {
    .m = { .name = "length", .brief = "drops documents that are too short or too long", .paper = "arXiv:2112.11446",
           .size = sizeof(struct length), .opts = rows,
           .doc = "Words are runs of what is not white space.  Gopher's rule is --length.min_words 50\n"
                  "--length.max_words 100000." },
    .open = length_open, .doc = length_doc,
};
