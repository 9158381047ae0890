/* Sample filtering of Retkowski and Waibel (arXiv:2501.00233): of several samples the one whose length is nearest to
 * the one wanted, and of those as near the most likely by token.
 *     lathe generate MODEL --prompt "In short:" --search nearest_length --search.length 50 --search.n 8 */
#include "decode/sample.h"
#include "text/meter.h"

#include <string.h>

struct options { int64_t length, n; const char *unit; };

static int64_t distance(const struct options *o, const struct lt_reply *r)
{
    int64_t units = !strcmp(o->unit, "tokens") ? r->count
        : lt_measure(lt_unit(o->unit), (struct lt_str){ r->text, r->text_size });
    return units > o->length ? units - o->length : o->length - units;
}

static double mean_logp(const struct lt_reply *r)
{
    double sum = 0;
    for (int i = 0; i < r->count; i++) sum += (double)r->logp[i];
    return sum / LT_MAX(r->count, 1);
}

static bool better(const void *o, const struct lt_reply *a, const struct lt_reply *b)
{
    int64_t x = distance(o, a), y = distance(o, b);
    return x != y ? x < y : mean_logp(a) > mean_logp(b);
}

static int run(const void *v, struct lt_lm *lm, struct lt_ctx *c, const struct lt_ask *ask, struct lt_reply *out)
{
    const struct options *o = v;
    if (!o->length) return lt_misuse("nearest_length needs the length to come near to: search.length");
    if (!(lm->type->tokenizer && lm->type->tokenizer(lm->self)))
        return lt_misuse("lengths of a text need a model with a tokenizer");
    return lt_best_sample(lm, c, ask, (int)o->n, better, o, out);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "length", .help = "units that a reply should have", .type = LT_INT, .at = AT(length),
      .min = 0, .max = 1e9 },
    { .key = "unit", .help = "what is counted", .type = LT_STR, .at = AT(unit),
      .text = LT_UNIT_NAMES, .flags = LT_ENUM },
    { .key = "n", .help = "samples", .type = LT_INT, .at = AT(n), .dflt = 8, .min = 1, .max = 1e5 },
    { 0 },
};
const struct lt_search lt_search_nearest_length = {
    .m = { .name = "nearest_length", .brief = "the sample whose length is nearest to the one wanted",
           .paper = "arXiv:2501.00233", .size = sizeof(struct options), .opts = rows,
           .doc = "argmin over n samples of |units - length|; among equals the highest log p(x) / tokens\n"
                  "A reply that has to have a length is `lathe help length`, a control.\n"
                  "example: lathe generate MODEL --prompt \"In short:\" --search nearest_length --search.length 50" },
    .run = run,
};
