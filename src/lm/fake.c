/* A language model made of arithmetic, for tests of everything that runs on sessions: the logit of a token is a pure
 * function of the seed, the two tokens before it and itself.
 *     lathe generate fake:vocab=50,seed=7 ... */
#include "lm/held.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

struct options { int64_t vocab, seed, limit, delay, broken; const char *tokenizer; };
struct fake { int32_t vocab, broken; uint64_t seed; int limit; int64_t delay; struct lt_tokenizer *tokenizer; };
struct fake_session { struct lt_held held; const struct fake *lm; float *logits; };

static int fake_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    (void)c;
    struct fake *f = lt_calloc(1, sizeof *f);
    f->vocab = (int32_t)o->vocab;
    f->seed = (uint64_t)o->seed;
    f->limit = (int)o->limit;
    f->delay = o->delay;
    f->broken = (int32_t)o->broken;
    if (o->tokenizer && lt_tokenizer_open(o->tokenizer, &f->tokenizer)) {
        free(f);
        return -1;
    }
    if (f->tokenizer) f->vocab = LT_MAX(f->vocab, lt_tokenizer_vocab(f->tokenizer));
    *self = f;
    return 0;
}

static void fake_close(void *self)
{
    struct fake *f = self;
    lt_tokenizer_free(f->tokenizer);
    free(f);
}

static const struct lt_tokenizer *fake_tokenizer(void *self)
{
    return ((struct fake *)self)->tokenizer;
}

/* Logits after the first n tokens. */
static void fake_logits(const struct fake_session *s, int n, float *out)
{
    const int32_t *token = s->held.token;
    uint64_t last = n > 0 ? (uint64_t)token[n - 1] + 1 : 0, before = n > 1 ? (uint64_t)token[n - 2] + 1 : 0;
    for (int32_t i = 0; i < s->lm->vocab; i++) {
        uint64_t u = lt_rng_at(s->lm->seed, last << 32 | before, (uint64_t)i);
        out[i] = 8 * (float)(u >> 40) / (float)(1 << 24);
    }
}

static int fake_feed(void *self, const int32_t *token, int n)
{
    struct fake_session *s = self;
    if (s->lm->limit && s->held.count + n > s->lm->limit)
        return lt_fail("the model holds %d tokens, and %d are asked for", s->lm->limit, s->held.count + n);
    for (int i = 0; i < n; i++)
        if (token[i] < 0 || token[i] >= s->lm->vocab)
            return lt_fail("token %d is not below the vocabulary of %d", token[i], s->lm->vocab);
    for (int i = 0; i < n; i++)
        if (token[i] == s->lm->broken) return lt_fail("token %d breaks this model", token[i]);
    if (s->lm->delay) nanosleep(&(struct timespec){ .tv_sec = s->lm->delay / 1000,
                                                    .tv_nsec = s->lm->delay % 1000 * 1000000 }, NULL);
    lt_held_add(&s->held, token, n);
    return 0;
}

static const float *fake_last(void *self, int *vocab)
{
    struct fake_session *s = self;
    if (!s->logits) s->logits = lt_alloc((size_t)s->lm->vocab * sizeof *s->logits);
    fake_logits(s, s->held.count, s->logits);
    *vocab = s->lm->vocab;
    return s->logits;
}

static int fake_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct fake_session *s = self;
    int before = s->held.count;
    if (fake_feed(s, token, n)) return -1;
    float *x = lt_alloc((size_t)s->lm->vocab * sizeof *x);
    for (int i = 0; i < n; i++) {
        logp[i] = 0;
        if (hit) hit[i] = 0;
        if (before + i == 0) continue;
        fake_logits(s, before + i, x);
        double z = 0;
        for (int32_t j = 0; j < s->lm->vocab; j++) z += exp((double)x[j]);
        logp[i] = (float)((double)x[token[i]] - log(z));
        if (hit) hit[i] = lt_row_is_best(x, s->lm->vocab, token[i]);
    }
    free(x);
    return 0;
}

static int fake_rewind(void *self, int n) { return lt_held_drop(&((struct fake_session *)self)->held, n); }

static void *fake_fork(void *self)
{
    const struct fake_session *s = self;
    struct fake_session *t = lt_calloc(1, sizeof *t);
    t->lm = s->lm;
    return fake_feed(t, s->held.token, s->held.count) ? NULL : t;
}

static int fake_limit(void *self)
{
    return ((struct fake_session *)self)->lm->limit;
}

static void fake_session_close(void *self)
{
    struct fake_session *s = self;
    free(s->held.token);
    free(s->logits);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = fake_feed, .logits = fake_last, .score = fake_score, .rewind = fake_rewind, .fork = fake_fork,
    .count = lt_held_count, .limit = fake_limit, .close = fake_session_close,
};

static int fake_session(void *self, struct lt_session *out)
{
    struct fake_session *s = lt_calloc(1, sizeof *s);
    s->lm = self;
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

static const struct lt_opt rows[] = {
    { .key = "vocab", .help = "tokens, not fewer than the tokenizer has", .type = LT_INT,
      .at = offsetof(struct options, vocab), .dflt = 64, .min = 1, .max = 1 << 24 },
    { .key = "seed", .help = "names the model", .type = LT_INT, .at = offsetof(struct options, seed), .min = 0,
      .max = 1e15 },
    { .key = "limit", .help = "tokens a session holds; 0: any", .type = LT_INT, .at = offsetof(struct options, limit),
      .min = 0, .max = 1e9 },
    { .key = "delay", .help = "milliseconds that tokens take, as many as are fed at once", .type = LT_INT,
      .at = offsetof(struct options, delay), .min = 0, .max = 1e6 },
    { .key = "broken", .help = "token that cannot be fed; -1: none", .type = LT_INT,
      .at = offsetof(struct options, broken), .dflt = -1, .min = -1, .max = 1 << 24 },
    { .key = "tokenizer", .help = "tokenizer to read and write text with", .type = LT_STR,
      .at = offsetof(struct options, tokenizer) },
    { 0 },
};
const struct lt_lm_type lt_lm_fake = {
    .m = { .name = "fake", .brief = "arithmetic in place of a model, for tests", .size = sizeof(struct options),
           .opts = rows,
           .doc = "logit(token) = hash(seed, two tokens before, token), spread evenly over [0, 8)\n"
                  "example: lathe generate fake:vocab=64,seed=7 --prompt_ids 1,2,3 --max_tokens 8" },
    .open = fake_open, .session = fake_session, .tokenizer = fake_tokenizer, .close = fake_close,
};
