#include "mixture/mix.h"
#include "base/ctx.h"
#include "lm/vocabulary.h"
#include "mixture/track.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };         /* mixtures of mixtures: more is a mixture that holds itself */

static int open_at(const char *path, int depth, struct lt_ctx *c, struct lt_lm *out);

/* ---- members ---- */
static int same_vocabulary(const struct lt_mix *x, int m)
{
    if (!lt_lm_same_vocabulary(&x->lm[0], x->path[0], &x->lm[m], x->path[m])) return 0;
    if (!lt_lm_tokenizer(&x->lm[0]) != !lt_lm_tokenizer(&x->lm[m])) return -1;
    return lt_fail("%s; \"align\": \"word\" (--align word) mixes such models word by word", lt_error());
}

int lt_mix_open(struct lt_mix *x, const char *const *path, int members, bool words, int depth, struct lt_ctx *c)
{
    x->ctx = c;
    x->words = words;
    if (depth > DEPTH_MAX)
        return lt_fail("%s: mixtures of mixtures go %d deep at most; does this one hold itself?", path[0], DEPTH_MAX);
    for (int m = 0; m < members; m++) {
        x->path[m] = path[m];
        if (!strncmp(path[m], "mix:", 4))
            return lt_misuse("%s: a mixture is a member by the name of its file alone", path[m]);
        if (open_at(path[m], depth + 1, c, &x->lm[m])) return -1;
        x->members++;
        if (!x->lm[m].type->session) return lt_misuse("%s models give no log-probabilities", x->lm[m].type->m.name);
        if (words && !lt_lm_tokenizer(&x->lm[m]))
            return lt_misuse("%s has no tokenizer, which words need", path[m]);
        if (!words && same_vocabulary(x, m)) return -1;
    }
    x->tokenizer = words ? NULL : lt_lm_tokenizer(&x->lm[0]);
    return 0;
}

void lt_mix_close(struct lt_mix *x)
{
    lt_mixture_release(&x->fit);
    for (int m = 0; m < x->members; m++) lt_lm_close(&x->lm[m]);
    lt_mixture_file_release(&x->file);
    *x = (struct lt_mix){ 0 };
}

/* Asked of the models themselves: a model may have more tokens than its tokenizer. */
static int vocab_of(struct lt_mix *x, int m, int *vocab)
{
    struct lt_session s;
    if (x->lm[m].type->session(x->lm[m].self, &s)) return lt_fail("%s: %s", x->path[m], lt_error());
    int rc = s.type->feed(s.self, (int32_t[]){ 0 }, 1) || !s.type->logits(s.self, vocab);
    s.type->close(s.self);
    return rc ? lt_fail("%s: %s", x->path[m], lt_error()) : 0;
}

int lt_mix_vocab(struct lt_mix *x, int *vocab)
{
    int first = 0, n;
    *vocab = 0;
    for (int m = 0; m < x->members; m++) {
        if (vocab_of(x, m, &n)) return -1;
        if (!m) first = n;
        if (!x->tokenizer && n != first)
            return lt_fail("the vocabularies differ: %s has %d tokens and %s has %d", x->path[0], first, x->path[m], n);
        *vocab = LT_MAX(*vocab, n);
    }
    return 0;
}

int lt_mix_choose(struct lt_mix *x, const struct lt_mixture *how, const void *o)
{
    int vocab = 0;
    if (x->words && lt_mixture_needs_rows(how))
        return lt_misuse("the method %s needs one vocabulary; word by word linear, mean, bayes and constant_scalar mix",
                         how->m.name);
    if ((how->shape || !x->tokenizer) && !x->words && lt_mix_vocab(x, &vocab)) return -1;
    lt_mixture_release(&x->fit);
    lt_mixture_init(&x->fit, how, o, x->members, vocab);
    return 0;
}

/* ---- the back end ---- */
struct options { const char *path; };

static int fill_in(struct lt_mix *x, const char *path, int depth, struct lt_ctx *c)
{
    struct lt_mixture_file *f = &x->file;
    if (lt_mixture_file_read(path, f)) return -1;
    if (lt_mix_open(x, f->path, f->members, f->words, depth, c)) return lt_fail("%s: %s", path, lt_error());
    if (lt_mix_choose(x, f->how, f->o)) return lt_fail("%s: %s", path, lt_error());
    if (f->weighted) memcpy(x->fit.weight, f->weight, sizeof f->weight);
    return lt_mixture_file_tensors(f, &x->fit);
}

static int open_file(const char *path, int depth, struct lt_ctx *c, void **self)
{
    struct lt_mix *x = lt_calloc(1, sizeof *x);
    int rc = fill_in(x, path, depth, c);
    if (rc) {
        lt_mix_close(x);
        free(x);
    } else {
        *self = x;
    }
    return rc;
}

static int mix_open(const void *v, struct lt_ctx *c, void **self)
{
    return open_file(((const struct options *)v)->path, 0, c, self);
}

static void mix_close(void *self)
{
    lt_mix_close(self);
    free(self);
}

static int mix_new_session(void *self, struct lt_session *out)
{
    struct lt_mix *x = self;
    if (x->words)
        return lt_fail("members with different vocabularies are mixed word by word: text can be scored "
                       "(`lathe perplexity`), not written");
    return lt_mix_session(x, out);
}

static const struct lt_tokenizer *mix_tokenizer(void *self) { return ((struct lt_mix *)self)->tokenizer; }

/* A text after a context, both as one text for every member. */
static int score_words(struct lt_mix *x, struct lt_score *q)
{
    struct lt_track track[LT_MIXING_MEMBERS] = { 0 };
    struct lt_aligned a = { 0 };
    struct lt_buf text = { 0 };
    int rc = 0;
    lt_buf_put(&text, q->context.p, q->context.n);
    lt_buf_put(&text, q->text.p, q->text.n);
    for (int m = 0; m < x->members && !rc; m++)
        rc = lt_track_text(x->path[m], &x->lm[m], lt_buf_view(&text), &track[m]);
    if (!rc) rc = lt_tracks_align(track, x->members, true, &a);
    q->logp = 0;
    q->tokens = 0;
    q->greedy = false;
    for (int64_t i = 0; i < a.count; i++) {
        struct lt_mixture_place p = { .past = a.logp, .past_count = i };
        if (a.end[i] <= q->context.n) continue;
        q->logp += (double)lt_mixture_token(&x->fit, &p, a.logp + i * a.members);
        q->tokens++;
    }
    for (int m = 0; m < x->members; m++) lt_track_release(&track[m]);
    lt_aligned_release(&a);
    lt_buf_free(&text);
    return rc;
}

static int mix_score(void *self, struct lt_score *q, int n)
{
    struct lt_mix *x = self;
    if (!x->words) return lt_misuse("the members have no tokenizer, which text needs");
    for (int i = 0; i < n; i++)
        if (score_words(x, &q[i])) return -1;
    return 0;
}

static const struct lt_opt rows[] = {
    { .key = "path", .help = "mixture file", .type = LT_STR, .at = offsetof(struct options, path),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { 0 },
};
const struct lt_lm_type lt_lm_mix = {
    .m = { .name = "mix", .brief = "other language models mixed, from a mixture file", .size = sizeof(struct options),
           .opts = rows,
           .doc = "p(v) from the members' p_m(v), as the methods of the kind mixture say (`lathe help mixture`).  The\n"
                  "members may be of any back ends.  doc/formats/mixture.md describes the file; `lathe ensemble`\n"
                  "writes one.\n"
                  "example: lathe perplexity mix.json held-out.txt\n"
                  "example: lathe generate mix.json --prompt \"It was a\"" },
    .claims = lt_mixture_file_claims, .open = mix_open, .score = mix_score, .session = mix_new_session,
    .tokenizer = mix_tokenizer, .close = mix_close,
};

/* A member that is a mixture itself is opened here, so that the depth is known. */
static int open_at(const char *path, int depth, struct lt_ctx *c, struct lt_lm *out)
{
    if (!lt_mixture_file_claims(path)) return lt_lm_open(path, c, out);
    if (open_file(path, depth, c, &out->self)) return -1;
    out->type = &lt_lm_mix;
    return 0;
}
