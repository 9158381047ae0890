#include "decode/draft.h"
#include "lm/feed.h"
#include "lm/vocabulary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names by spelling; at least half of the model's tokens must have one. */
static int match_spellings(struct lt_draft_how *how, const struct lt_tokenizer *own, const struct lt_tokenizer *t,
                           int vocab)
{
    int all = LT_MIN(lt_tokenizer_vocab(t), vocab);
    how->unknown = lt_tokenizer_id(own, "<unk>");
    how->id = lt_alloc((size_t)vocab * sizeof *how->id);
    how->known = 0;
    for (int i = 0; i < vocab; i++) {
        struct lt_str piece = i < all ? lt_tokenizer_piece(t, i) : (struct lt_str){ 0 };
        struct lt_buf z = { 0 };
        lt_buf_put(&z, piece.p, piece.n);
        how->id[i] = piece.n ? lt_tokenizer_id(own, z.p) : -1;
        how->known += how->id[i] >= 0;
        lt_buf_free(&z);
    }
    if (2 * how->known >= all && how->unknown >= 0) return 0;
    return lt_misuse("draft: its tokenizer is another one than the model's: %d of %d tokens are spelt alike%s",
                     how->known, all, how->unknown < 0 ? ", and it has no <unk>" : "");
}

int lt_draft_match(struct lt_draft_how *how, struct lt_session *s, const struct lt_tokenizer *t, int vocab)
{
    const struct lt_tokenizer *own = lt_lm_tokenizer(how->lm);
    if (own && t && strcmp(lt_tokenizer_hash(own), lt_tokenizer_hash(t))) return match_spellings(how, own, t, vocab);
    int have = lt_session_vocab(s);
    if (have < 0) return -1;
    return have == vocab || (own && t) ? 0
        : lt_misuse("draft: it knows %d tokens and the model %d: they do not share a vocabulary", have, vocab);
}

int lt_draft_open(struct lt_draft *d, const struct lt_draft_how *how, int vocab)
{
    *d = (struct lt_draft){ .token = lt_alloc((size_t)how->tokens * sizeof *d->token) };
    if (!how->lm) return 0;
    if (how->lm->type->session(how->lm->self, &d->s)) {
        d->s = (struct lt_session){ 0 };
        return -1;
    }
    d->q = lt_alloc((size_t)how->tokens * (size_t)vocab * sizeof *d->q);
    return 0;
}

void lt_draft_close(struct lt_draft *d)
{
    lt_session_close(&d->s);
    free(d->token);
    free(d->q);
    *d = (struct lt_draft){ 0 };
}

/* What followed the last place where the text's last tokens stood before, the longest run of them first. */
static void look_up(struct lt_draft *d, const struct lt_writing *w, int longest, int most)
{
    for (int n = LT_MIN(longest, w->count - 1); n > 0; n--) {
        const int32_t *tail = w->token + w->count - n;
        for (int i = w->count - n - 1; i >= 0; i--) {
            if (memcmp(w->token + i, tail, (size_t)n * sizeof *tail)) continue;
            d->count = LT_MIN(most, w->count - n - i);
            memcpy(d->token, w->token + i + n, (size_t)d->count * sizeof *tail);
            return;
        }
    }
}

/* ---- text that must come ---- */

enum { FORCED = 8 };                /* bytes of text looked at for each token that may be guessed */

/* The tokens of the text as long as they say it and nothing else: a tokenizer may put a blank before a text. */
static void take_spelling(struct lt_draft *d, const struct lt_writing *w, struct lt_str text, int most)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0, at = 0;
    struct lt_str bytes;
    if (!lt_tokenizer_encode(w->t, text, LT_NO_ADDED, &token, &n, &cap))
        for (size_t i = 0; i < n && d->count < most; i++) {
            bool says = lt_tokenizer_bytes(w->t, token[i].id, &bytes) && bytes.n && bytes.n <= text.n - at &&
                        !memcmp(bytes.p, text.p + at, bytes.n) && token[i].id < w->vocab;
            if (!says) break;
            at += bytes.n;
            d->token[d->count++] = token[i].id;
        }
    free(token);
}

static void foresee(struct lt_draft *d, const struct lt_writing *w, int most)
{
    struct lt_buf text = { 0 };
    lt_chain_forced(w->chain, (size_t)FORCED * (size_t)most, &text);
    if (text.n) take_spelling(d, w, lt_buf_view(&text), most);
    d->forced = d->count > 0;
    lt_buf_free(&text);
}

/* ---- a model that guesses ---- */

struct guesser {
    struct lt_draft *d;
    struct lt_writing *w;
    struct lt_chain *chain;         /* a fork of the reply's */
    const struct lt_draft_how *how;
    float *row, *wide;              /* (vocab) logits as the guesser numbers them, and as the model does */
    int32_t *fed;                   /* what it is fed, by its own names; NULL: the same */
    int most, vocab, place;         /* place: tokens of the reply before the guesses */
};

static float *by_model(struct guesser *g)
{
    const int32_t *id = g->how->id;
    int vocab = g->w->vocab;
    for (int i = 0; i < vocab; i++) {
        int at = id ? id[i] : i;
        g->wide[i] = at >= 0 && at < g->vocab ? g->row[at] : -INFINITY;
    }
    return g->wide;
}

static const int32_t *by_guesser(struct guesser *g, int from)
{
    if (!g->how->id) return g->w->token + from;
    for (int i = from; i < g->w->count; i++) {
        int32_t id = g->how->id[g->w->token[i]];
        g->fed[i] = id < 0 ? g->how->unknown : id;
    }
    return g->fed + from;
}

/* Draws the next guess from the guesser's logits as the reply would be: with its controls, after the guesses before.
 * Where it has nothing to say that the controls allow, guessing ends. */
static void guess(struct guesser *g)
{
    struct lt_writing *w = g->w;
    struct lt_draft *d = g->d;
    float *q = d->q + (size_t)d->count * (size_t)w->vocab;
    if (lt_writing_shape(w, g->chain, by_model(g))) {
        g->most = 0;
        return;
    }
    int32_t id;
    if (w->ask.greedy) id = lt_argmax(w->logits, w->vocab);
    else {
        lt_softmax(w->logits, w->vocab, q);
        id = lt_draw(q, w->vocab, lt_place_unit(&w->ask, w->reply.count + d->count, LT_USE_DRAFT));
    }
    lt_chain_accept(g->chain, id);
    w->token[w->count++] = id;      /* until all are guessed: the controls see them */
    d->token[d->count++] = id;
}

static int begin(struct guesser *g, const struct lt_draft_how *how, const struct lt_drafted *x, int most)
{
    struct lt_writing *w = x->w;
    *g = (struct guesser){ .d = x->d, .w = w, .how = how, .most = most, .place = w->count };
    if (w->count + most >= w->cap) {
        w->cap = 2 * (w->count + most);
        w->token = lt_realloc(w->token, (size_t)w->cap * sizeof *w->token);
    }
    int held = x->d->s.type->count(x->d->s.self), same = LT_MIN(LT_MIN(held, x->d->held), w->count - 1);
    if (held > same && x->d->s.type->rewind(x->d->s.self, held - same)) return -1;
    x->d->held = same;
    g->vocab = lt_session_vocab(&x->d->s);
    g->row = lt_alloc((size_t)LT_MAX(g->vocab, 1) * sizeof *g->row);
    g->wide = lt_alloc((size_t)w->vocab * sizeof *g->wide);
    if (how->id) g->fed = lt_alloc((size_t)w->cap * sizeof *g->fed);
    return g->vocab < 0 ? -1 : lt_chain_fork(w->chain, &g->chain);
}

static int guess_all(struct guesser *g, int n)
{
    struct lt_feed *f = lt_alloc((size_t)n * sizeof *f);
    int rc = 0;
    for (int round = 0; !rc; round++) {
        int count = 0;
        for (int i = 0; i < n; i++) {
            struct lt_draft *d = g[i].d;
            if (round >= g[i].most) continue;
            f[count++] = (struct lt_feed){ .s = d->s.self, .token = by_guesser(&g[i], d->held),
                                           .n = g[i].w->count - d->held, .row = g[i].row, .rows = 1 };
            d->held = g[i].w->count;
        }
        if (!count) break;
        rc = lt_feed_many(g->d->s.type, f, count) ? -1 : 0;
        for (int i = 0; i < n && !rc; i++)
            if (round < g[i].most) guess(&g[i]);
    }
    free(f);
    return rc;
}

static int ask_model(const struct lt_draft_how *how, const struct lt_drafted *all, int n)
{
    struct guesser *g = lt_calloc((size_t)n, sizeof *g);
    int count = 0, rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        struct lt_writing *w = all[i].w;
        int limit = all[i].d->s.type->limit(all[i].d->s.self), most = LT_MIN(how->tokens, w->most - w->reply.count - 1);
        bool may = w->reply.count && !w->heal.left.n && !all[i].d->count;
        if (limit) most = LT_MIN(most, limit - w->count + 1);
        if (may && most > 0) rc = begin(&g[count++], how, &all[i], most);
    }
    if (!rc && count) rc = guess_all(g, count);
    for (int i = 0; i < count; i++) {
        if (g[i].w) g[i].w->count = g[i].place;
        lt_chain_free(g[i].chain);
        free(g[i].row);
        free(g[i].wide);
        free(g[i].fed);
    }
    free(g);
    return rc;
}

int lt_draft_guess(const struct lt_draft_how *how, const struct lt_drafted *all, int n)
{
    for (int i = 0; i < n; i++) {
        struct lt_writing *w = all[i].w;
        int most = w->heal.left.n ? 0 : LT_MIN(how->tokens, w->most - w->reply.count - 1);
        all[i].d->count = 0;
        all[i].d->forced = false;
        if (how->forced && w->t && most > 0) foresee(all[i].d, w, most);
        if (!how->lm && most > 0 && w->reply.count && !all[i].d->count) look_up(all[i].d, w, how->lookup, most);
    }
    return how->lm ? ask_model(how, all, n) : 0;
}

/* ---- what is kept ---- */

/* The token of this place, given a guess drawn from q; the shaped logits are in w. */
static int32_t weigh(struct lt_writing *w, int32_t guessed, const float *q)
{
    float *p = w->work;
    int place = w->reply.count;
    double rest = 0;
    lt_softmax(w->logits, w->vocab, p);
    if (lt_place_unit(&w->ask, place, LT_USE_ACCEPT) * (double)q[guessed] < (double)p[guessed]) return guessed;
    for (int i = 0; i < w->vocab; i++) {
        p[i] = p[i] > q[i] ? p[i] - q[i] : 0;
        rest += (double)p[i];
    }
    if (!(rest > 0)) return guessed;                /* p and q are the same but for their rounding */
    return lt_draw(p, w->vocab, lt_place_unit(&w->ask, place, LT_USE_PICK));
}

int lt_draft_judge(struct lt_draft *d, struct lt_writing *w, const float *row)
{
    int kept = 0, before = w->count;
    for (int i = 0; i <= d->count; i++, row += w->vocab) {
        if (lt_writing_shape(w, w->chain, row)) return -1;
        bool drawn = i < d->count && d->q && !d->forced && !w->ask.greedy;
        int32_t id = drawn ? weigh(w, d->token[i], d->q + (size_t)i * (size_t)w->vocab) : lt_writing_pick(w);
        bool same = i < d->count && id == d->token[i];
        kept += same;
        if (lt_writing_take(w, id, row)) return -1;
        if (!same || w->finished) break;
    }
    d->held = LT_MIN(d->held, before + kept);
    return kept;
}
