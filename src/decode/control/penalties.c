/* Penalties on tokens that have been seen: repetition (over prompt and text, as in CTRL), frequency and presence (over
 * the generated text, as OpenAI defines them).  They read the sequence itself, so they hold no state to rewind.
 *     lathe generate MODEL --prompt "Once" --repetition_penalty 1.1 --frequency_penalty 0.2 */
#include "base/base.h"
#include <stdlib.h>

struct penalty { double value; int64_t last_n; };

/* counts[id] of the tokens that matter; NULL when there are none.  free() it. */
static int32_t *counts(const struct penalty *o, struct lt_seq seq, int first, int vocab)
{
    if (o->last_n > 0) first = LT_MAX(first, seq.count - (int)LT_MIN(o->last_n, (int64_t)seq.count));
    if (first >= seq.count) return NULL;
    int32_t *n = lt_calloc((size_t)vocab, sizeof(*n));
    for (int i = first; i < seq.count; i++)
        if (seq.token[i] >= 0 && seq.token[i] < vocab) n[seq.token[i]]++;
    return n;
}

static void repetition(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct penalty *o = v;
    (void)st;
    int32_t *n = counts(o, seq, 0, vocab);
    for (int i = 0; n && i < vocab; i++) {
        if (!n[i]) continue;
        logits[i] = logits[i] > 0 ? logits[i] / (float)o->value : logits[i] * (float)o->value;
    }
    free(n);
}

static void frequency(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct penalty *o = v;
    (void)st;
    int32_t *n = counts(o, seq, seq.prompt, vocab);
    for (int i = 0; n && i < vocab; i++) logits[i] -= (float)o->value * (float)n[i];
    free(n);
}

static void presence(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    const struct penalty *o = v;
    (void)st;
    int32_t *n = counts(o, seq, seq.prompt, vocab);
    for (int i = 0; n && i < vocab; i++) logits[i] -= n[i] ? (float)o->value : 0;
    free(n);
}

#define LAST \
    { .key = "last_n", .help = "tokens looked back on; 0: all", .type = LT_INT, \
      .at = offsetof(struct penalty, last_n), \
      .min = 0, .max = 1e9 }
#define VALUE(text, d, lo, hi, also) \
    { .key = "value", .help = text, .type = LT_REAL, .at = offsetof(struct penalty, value), .dflt = d, .min = lo, \
      .max = hi, .alias = also }
static const struct lt_opt repetition_rows[] = {
    VALUE("seen tokens' logits shrink by this factor", 1.1, 0.01, 100, "repeat_penalty"), LAST, { 0 },
};
static const struct lt_opt frequency_rows[] = {
    VALUE("subtracted once for each occurrence", 0.1, -100, 100, NULL), LAST, { 0 },
};
static const struct lt_opt presence_rows[] = {
    VALUE("subtracted once from every token that occurred", 0.1, -100, 100, NULL), LAST, { 0 },
};

const struct lt_control lt_control_repetition_penalty = {
    .m = { .name = "repetition_penalty", .brief = "makes seen tokens less likely, by a factor",
           .paper = "arXiv:1909.05858",
           .size = sizeof(struct penalty), .opts = repetition_rows,
           .doc = "logit = logit / value when positive, logit * value otherwise, for tokens of prompt and text" },
    .order = 10, .apply = repetition,
};
const struct lt_control lt_control_frequency_penalty = {
    .m = { .name = "frequency_penalty", .brief = "makes generated tokens less likely, by how often they occurred",
           .size = sizeof(struct penalty), .opts = frequency_rows, .doc = "logit = logit - value * count" },
    .order = 20, .apply = frequency,
};
const struct lt_control lt_control_presence_penalty = {
    .m = { .name = "presence_penalty", .brief = "makes generated tokens less likely, once",
           .size = sizeof(struct penalty),
           .opts = presence_rows, .doc = "logit = logit - value * (count > 0)" },
    .order = 30, .apply = presence,
};
