/* A length that what is written has: the end is banned before it, and all but the end after it.
 *
 * Words are runs of letters and digits, with apostrophes between them.  A sentence ends with . ! ? or an ellipsis, and
 * closing quotes or brackets, before white space or the end.  After the last word or sentence only what closes it may
 * come, at most CLOSING_MAX bytes of it, then the end.
 *
 *     lathe generate MODEL --prompt "Once" --length 20 --length.unit words */
#include "decode/control/places.h"
#include "lm/vocabulary.h"
#include "text/meter.h"
#include "text/token_trie.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>

enum { CLOSING_MAX = 8 };

struct options { int64_t value, min, max; const char *unit; };
struct state {
    struct lt_places places;                    /* struct lt_meter */
    const struct lt_tokenizer *t;
    enum lt_unit unit;
    int64_t min, max;
    struct lt_meter *walk;                      /* [depth] */
};

/* May the text be this, on its way to an end? */
static bool may_be(const struct state *s, const struct lt_meter *p)
{
    if (!s->max || lt_meter_end(p, s->unit) < s->max) return true;
    if (s->unit == LT_UNIT_CHARACTERS) return lt_meter_end(p, s->unit) <= s->max;
    return p->units <= s->max && !p->spaced && p->closing <= CLOSING_MAX
        && (s->unit != LT_UNIT_SENTENCES || p->stopped);
}

static bool may_end(const struct state *s, const struct lt_meter *p)
{
    int64_t units = lt_meter_end(p, s->unit);
    return !p->bytes && units >= s->min && (!s->max || units <= s->max);
}

/* ---- the control ---- */
static int length_open(const void *v, void *st, struct lt_lm *lm)
{
    const struct options *o = v;
    struct state *s = st;
    if (o->value && (o->min || o->max)) return lt_misuse("length: give the exact length, or length.min and length.max");
    if (!o->value && !o->min && !o->max) return lt_misuse("length: expected a length, length.min or length.max");
    s->min = o->value ? o->value : o->min;
    s->max = o->value ? o->value : o->max;
    if (s->max && s->min > s->max)
        return lt_misuse("length: min %lld is above max %lld", (long long)s->min, (long long)s->max);
    s->t = lt_lm_tokenizer(lm);
    if (!s->t || lt_tokenizer_eos(s->t) < 0)
        return lt_misuse("length needs a model with a tokenizer that has an end token");
    s->unit = lt_unit(o->unit);
    s->walk = lt_alloc(((size_t)lt_tokenizer_trie(s->t)->depth_max + 1) * sizeof *s->walk);
    s->places.size = sizeof(struct lt_meter);
    lt_places_push(&s->places, &(struct lt_meter){ .units = 0 });
    return 0;
}

/* Does any token come near the limit? */
static bool far_off(const struct state *s, const struct lt_meter *p)
{
    return !s->max || p->units + lt_tokenizer_trie(s->t)->depth_max + 1 < s->max;
}

static void ban_walk(struct state *s, const struct lt_meter *now, float *logits, int vocab)
{
    const struct lt_token_trie *t = lt_tokenizer_trie(s->t);
    s->walk[0] = *now;
    for (uint32_t i = 0; i < t->nodes; i++) {
        const struct lt_token_node *n = &t->node[i];
        struct lt_meter *p = &s->walk[n->depth];
        *p = s->walk[n->depth - 1];
        lt_meter_byte(p, s->unit, n->byte);
        for (uint32_t k = n->first; k < n->first + n->count; k++)
            if (t->id[k] < vocab && !may_be(s, p)) logits[t->id[k]] = -INFINITY;
    }
}

static void length_apply(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    struct state *s = st;
    const struct lt_meter *now = lt_places_now(&s->places);
    int known = LT_MIN(vocab, lt_tokenizer_vocab(s->t));
    bool full = s->unit == LT_UNIT_TOKENS && s->max && now->units >= s->max, ends = may_end(s, now);
    (void)v, (void)seq;
    for (int i = 0; i < known; i++)
        if (lt_tokenizer_special(s->t, i) ? !ends : full) logits[i] = -INFINITY;
    for (int i = known; i < vocab; i++) logits[i] = -INFINITY;
    if (s->unit != LT_UNIT_TOKENS && !far_off(s, now)) ban_walk(s, now, logits, vocab);
}

static void length_accept(const void *v, void *st, int32_t token)
{
    struct state *s = st;
    struct lt_meter p = *(struct lt_meter *)lt_places_now(&s->places);
    struct lt_str bytes;
    (void)v;
    if (lt_tokenizer_special(s->t, token) || !lt_tokenizer_bytes(s->t, token, &bytes)) bytes.n = 0;
    for (size_t i = 0; i < bytes.n && s->unit != LT_UNIT_TOKENS; i++) lt_meter_byte(&p, s->unit, (uint8_t)bytes.p[i]);
    p.units += s->unit == LT_UNIT_TOKENS && !lt_tokenizer_special(s->t, token);
    lt_places_push(&s->places, &p);
}

static int length_fork(void *dst, const void *src)
{
    struct state *to = dst;
    const struct state *from = src;
    size_t depth = (size_t)lt_tokenizer_trie(from->t)->depth_max + 1;
    *to = *from;
    lt_places_copy(&to->places, &from->places);
    to->walk = lt_alloc(depth * sizeof *to->walk);
    return 0;
}

static void length_close(void *st)
{
    struct state *s = st;
    free(s->places.at);
    free(s->walk);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "value", .help = "units that the reply has, exactly; 0: as min and max say", .type = LT_INT,
      .at = AT(value), .min = 0, .max = 1e9 },
    { .key = "unit", .help = "what is counted", .type = LT_STR, .at = AT(unit),
      .text = LT_UNIT_NAMES, .flags = LT_ENUM },
    { .key = "min", .help = "units at least", .type = LT_INT, .at = AT(min), .min = 0, .max = 1e9 },
    { .key = "max", .help = "units at most; 0: any number", .type = LT_INT, .at = AT(max), .min = 0, .max = 1e9 },
    { 0 },
};
const struct lt_control lt_control_length = {
    .m = { .name = "length", .brief = "the reply has a length in words, tokens, sentences or characters",
           .size = sizeof(struct options), .opts = rows,
           .doc = "The end is banned before the reply has min units, all but the end once it has max.  max_tokens\n"
                  "must leave room for them: a reply that it cuts off has finish \"length\".  A sentence ends with\n"
                  ". ! ? or an ellipsis before white space or the end: \"Mr. Fox\" is two.  `lathe help\n"
                  "nearest_length` samples for a length and forces none.\n"
                  "example: lathe generate MODEL --prompt \"Once\" --length 20 --max_tokens 100" },
    .order = 4, .state = sizeof(struct state), .open = length_open, .apply = length_apply, .accept = length_accept,
    .rewind = lt_places_rewind, .fork = length_fork, .close = length_close,
};
