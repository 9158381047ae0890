/* From counts to probabilities and back-offs, order by order from below.  A level's probabilities need those of the
 * level below; its back-offs need the counts of the level above; so a level goes to the sink one step after it was
 * smoothed, and never more than two are held. */
#include "ngram/build.h"
#include "ngram/links.h"
#include <math.h>
#include <stdlib.h>

#define NOTHING (-99.0f)            /* log10 of what has no probability: the usual figure of ARPA files */
enum { AT_ONCE = 1 << 14, CHUNK = 1 << 11, TABLED = 64 };

struct estimate {
    struct lt_levels *l;
    const struct lt_estimating *how;
    const struct lt_map *spelling;
    struct lt_ctx *ctx;
    const struct lt_ngram_sink *sink;
    uint32_t *renamed;                          /* [words]: ids in the model; NULL: the same */
    uint64_t words;                             /* V: of the model, without <s> */
    double figure[LT_SMOOTHING_FIGURES];        /* of the level at hand */
    double off[TABLED];                         /* discounts of small counts */
    struct lt_spool links, next_links, before;  /* of this level; of the next; words before n-grams of this one */
    struct lt_spool lower, prob, below, backoff;    /* below, backoff: of the level below */
    struct lt_progress progress;
    double done;
};

/* ---- counts as the member wants them ---- */
struct counts { struct lt_spool_reader raw, before; const struct lt_level *l; uint64_t at; bool contexts, words; };

static void counts_begin(struct counts *n, const struct estimate *e, int level)
{
    *n = (struct counts){ .l = &e->l->level[level], .words = level == 0,
                          .contexts = e->how->how->continuation && level + 1 < e->l->order };
    lt_spool_read(&n->raw, &n->l->raw);
    if (n->contexts) lt_spool_read(&n->before, &e->before);
}

static uint64_t counts_next(struct counts *n)
{
    bool bos = n->at >= n->l->bos && n->at < n->l->bos_end;
    uint64_t raw = lt_spool_get_count(&n->raw), before = n->contexts ? lt_spool_get_u32(&n->before) : 0;
    n->at++;
    if (bos && n->words) return 0;              /* <s> itself follows nothing */
    return n->contexts && !bos ? before : raw;
}

static void counts_end(struct counts *n)
{
    lt_spool_read_end(&n->raw);
    lt_spool_read_end(&n->before);
}

static void prepare(struct estimate *e, int level)
{
    const struct lt_smoothing *how = e->how->how;
    uint64_t of[LT_SMOOTHING_COUNTS] = { 0 };
    char note[160];
    struct counts n;
    counts_begin(&n, e, level);
    for (uint64_t i = 0; i < n.l->n; i++) {
        uint64_t count = counts_next(&n);
        if (count < LT_SMOOTHING_COUNTS) of[count]++;
    }
    counts_end(&n);
    if (how->prepare && !how->prepare(e->how->o, of, e->figure, note))
        lt_note(e->ctx, "order %d: no discounts follow from %llu, %llu, %llu and %llu n-grams seen 1, 2, 3 and 4 "
                "times; %s", level + 1, (unsigned long long)of[1], (unsigned long long)of[2], (unsigned long long)of[3],
                (unsigned long long)of[4], note);
    for (int c = 1; c < TABLED; c++)
        e->off[c] = how->discount ? how->discount(e->how->o, e->figure, (uint64_t)c) : 0;
}

/* ---- one context ---- */
struct seen { uint64_t *count; float *lower; bool *kept; float *prob; size_t n, cap; };

static void more_room(struct seen *s)
{
    s->cap = s->cap ? 2 * s->cap : 1024;
    s->count = lt_realloc(s->count, s->cap * sizeof *s->count);
    s->lower = lt_realloc(s->lower, s->cap * sizeof *s->lower);
    s->kept = lt_realloc(s->kept, s->cap * sizeof *s->kept);
    s->prob = lt_realloc(s->prob, s->cap * sizeof *s->prob);
}

static void release_seen(struct seen *s)
{
    free(s->count);
    free(s->lower);
    free(s->kept);
    free(s->prob);
}

static double off(const struct estimate *e, uint64_t count)
{
    return count < TABLED ? e->off[count] : e->how->how->discount
        ? e->how->how->discount(e->how->o, e->figure, count) : 0;
}

/* What a context's words have in common: share = (count - off) / total; rest, as smoothing.h has them. */
struct context { double total, rest, lower; uint64_t kept; };

static struct context sum_up(const struct estimate *e, const struct seen *s)
{
    const struct lt_smoothing *how = e->how->how;
    struct context h = { 0 };
    double gone = 0;
    uint64_t types = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!s->count[i]) continue;
        h.total += (double)s->count[i];
        types++;
        if (!s->kept[i]) {
            gone += (double)s->count[i];
            continue;
        }
        gone += off(e, s->count[i]);
        h.lower += (double)s->lower[i];
        h.kept++;
    }
    double extra = how->extra ? how->extra(e->how->o, types, e->words) : 0;
    if (how->form == LT_BACK_OFF && gone + extra <= 0 && h.kept < e->words) extra = 1;
    h.rest = (gone + extra) / (h.total + extra);
    h.total += extra;
    return h;
}

/* The probabilities of a context's words; returns its back-off. */
static double smooth(const struct estimate *e, struct seen *s, bool words)
{
    const struct lt_smoothing *how = e->how->how;
    struct context h = sum_up(e, s);
    double open = 1 - h.lower, scale = 1, a = h.rest;
    if (how->form == LT_BACK_OFF) {
        bool all = h.kept == e->words || open < 1e-7;       /* nothing to back off to */
        if (all && h.rest < 1) scale = 1 / (1 - h.rest);
        a = all ? 1 : h.rest / open;
    }
    if (how->form == LT_SCORES) a = how->penalty(e->how->o);
    bool spread = how->form == LT_INTERPOLATED && (!words || e->how->interpolate_unigrams);
    for (size_t i = 0; i < s->n; i++) {
        double share = s->count[i] ? scale * ((double)s->count[i] - off(e, s->count[i])) / h.total : 0;
        bool rest = spread || (!s->count[i] && (how->form != LT_INTERPOLATED));
        s->prob[i] = (float)(share + (rest ? a * (double)s->lower[i] : 0));
    }
    if (words && how->form == LT_INTERPOLATED && !e->how->interpolate_unigrams) s->prob[LT_TEXT_UNK] += (float)a;
    return a;
}

/* ---- one level ---- */
static int tick(struct estimate *e, double n)
{
    lt_progress_at(&e->progress, e->done += n, NULL);
    return lt_ctx_interrupted(e->ctx) ? lt_fail("interrupted") : lt_spill_check(e->l->spill);
}

static int smooth_words(struct estimate *e)
{
    const struct lt_level *l = &e->l->level[0];
    struct seen s = { 0 };
    struct counts count;
    struct lt_spool_reader word;
    counts_begin(&count, e, 0);
    lt_spool_read(&word, &l->word);
    for (; s.n < l->n; s.n++) {
        if (s.n == s.cap) more_room(&s);
        s.count[s.n] = counts_next(&count);
        s.kept[s.n] = !(lt_spool_get_u32(&word) & LT_LEFT_OUT);
        s.lower[s.n] = (float)(1 / (double)e->words);
    }
    smooth(e, &s, true);
    s.prob[LT_TEXT_BOS] = 0;
    for (size_t i = 0; i < s.n; i++) lt_spool_put_float(&e->prob, s.prob[i]);
    counts_end(&count);
    lt_spool_read_end(&word);
    release_seen(&s);
    return tick(e, (double)l->n);
}

static int smooth_contexts(struct estimate *e, int level)
{
    const struct lt_level *l = &e->l->level[level], *contexts = l - 1;
    struct seen s = { 0 };
    struct counts count;
    struct lt_spool_reader word, lower, children;
    double told = 0;
    int rc = 0;
    counts_begin(&count, e, level);
    lt_spool_read(&word, &l->word);
    lt_spool_read(&lower, &e->lower);
    lt_spool_read(&children, &contexts->children);
    for (uint64_t h = 0; h < contexts->n && !rc; h++) {
        uint64_t n = lt_spool_get_count(&children);
        for (s.n = 0; s.n < n; s.n++) {
            if (s.n == s.cap) more_room(&s);
            s.count[s.n] = counts_next(&count);
            s.kept[s.n] = !(lt_spool_get_u32(&word) & LT_LEFT_OUT);
            s.lower[s.n] = lt_spool_get_float(&lower);
        }
        lt_spool_put_float(&e->backoff, n ? (float)smooth(e, &s, false) : 1);
        for (size_t i = 0; i < s.n; i++) lt_spool_put_float(&e->prob, s.prob[i]);
        if (h % AT_ONCE) continue;
        rc = tick(e, (double)count.at - told);
        told = (double)count.at;
    }
    counts_end(&count);
    lt_spool_read_end(&word);
    lt_spool_read_end(&lower);
    lt_spool_read_end(&children);
    release_seen(&s);
    return rc ? rc : lt_spill_check(e->l->spill);
}

/* ---- to the sink ---- */
struct logs { float prob[AT_ONCE], backoff[AT_ONCE]; uint32_t word[AT_ONCE][LT_NGRAM_ORDER_MAX]; size_t n; };

static float as_log10(float p)
{
    return p > 0 ? log10f(p) : NOTHING;
}

static void take_logs(void *arg, int64_t chunk)
{
    struct logs *g = arg;
    for (size_t i = (size_t)chunk * CHUNK; i < LT_MIN(g->n, (size_t)(chunk + 1) * CHUNK); i++) {
        g->prob[i] = LT_MIN(as_log10(g->prob[i]), 0.0f);
        g->backoff[i] = as_log10(g->backoff[i]);
    }
}

static int put_logs(struct estimate *e, int level, struct logs *g)
{
    lt_pool_run(lt_ctx_pool(e->ctx), (int64_t)((g->n + CHUNK - 1) / CHUNK), take_logs, g);
    int rc = tick(e, (double)g->n);
    for (size_t i = 0; i < g->n && !rc; i++)
        rc = e->sink->put(e->sink->self, level, g->word[i], g->prob[i], g->backoff[i]);
    g->n = 0;
    return rc;
}

/* A level with its figures; backoff NULL: the highest order has none. */
static int put_level(struct estimate *e, int level, const struct lt_spool *prob, const struct lt_spool *backoff)
{
    struct logs *g = lt_alloc(sizeof *g);
    struct lt_path path;
    struct lt_spool_reader p, b;
    int rc = 0;
    lt_path_begin(&path, e->l, level);
    lt_spool_read(&p, prob);
    lt_spool_read(&b, backoff);
    g->n = 0;
    for (uint64_t i = 0; i < e->l->level[level].n && !rc; i++) {
        lt_path_next(&path);
        float this = lt_spool_get_float(&p), on = backoff ? lt_spool_get_float(&b) : 1;
        if (!path.kept) continue;
        for (int k = 0; k <= level; k++) g->word[g->n][k] = e->renamed ? e->renamed[path.word[k]] : path.word[k];
        g->prob[g->n] = this;
        g->backoff[g->n++] = on;
        if (g->n == AT_ONCE) rc = put_logs(e, level, g);
    }
    if (!rc) rc = put_logs(e, level, g);
    lt_path_end(&path);
    lt_spool_read_end(&p);
    lt_spool_read_end(&b);
    free(g);
    return rc;
}

static int do_level(struct estimate *e, int level)
{
    struct lt_levels *l = e->l;
    bool last = level + 1 == l->order;
    if (!last && lt_links_find(l, level + 1, &e->links, e->how->room, e->ctx, &e->next_links,
                               e->how->how->continuation ? &e->before : NULL)) return -1;
    if (level && lt_links_follow(&e->links, l->level[level].n, &e->below, l->level[level - 1].n, e->how->room, e->ctx,
                                 &e->lower)) return -1;
    lt_spool_free(&e->links);
    e->links = e->next_links;
    e->next_links = (struct lt_spool){ 0 };
    prepare(e, level);
    lt_spool_init(&e->prob, l->spill);
    lt_spool_init(&e->backoff, l->spill);
    if (level ? smooth_contexts(e, level) : smooth_words(e)) return -1;
    lt_spool_free(&e->lower);
    lt_spool_free(&e->before);
    lt_spool_free(&l->level[level].raw);
    if (level && put_level(e, level - 1, &e->below, &e->backoff)) return -1;
    lt_spool_free(&e->below);
    lt_spool_free(&e->backoff);
    e->below = e->prob;
    e->prob = (struct lt_spool){ 0 };
    return last ? put_level(e, level, &e->below, NULL) : 0;
}

/* The words that are kept get the ids they have in the model: 0, 1, ... in the same order. */
static void rename_words(struct estimate *e, struct lt_map *kept)
{
    struct lt_spool_reader r;
    e->renamed = lt_calloc(e->l->words, sizeof *e->renamed);
    lt_spool_read(&r, &e->l->level[0].word);
    for (uint32_t w = 0; w < e->l->words; w++) {
        if (lt_spool_get_u32(&r) & LT_LEFT_OUT) continue;
        e->renamed[w] = kept->count;
        *lt_map_put(kept, e->spelling->entry[w].key, NULL) = e->renamed[w];
    }
    lt_spool_read_end(&r);
}

int lt_ngram_estimate(struct lt_levels *l, const struct lt_estimating *how, const struct lt_map *spelling,
                      struct lt_ctx *c, const struct lt_ngram_sink *sink)
{
    struct estimate e = { .l = l, .how = how, .spelling = spelling, .ctx = c, .sink = sink };
    struct lt_ngram_shape shape = { .order = l->order, .vocabulary = spelling, .unk = LT_TEXT_UNK, .bos = LT_TEXT_BOS,
                                    .eos = LT_TEXT_EOS };
    struct lt_map kept = { 0 };
    double total = 0;
    if (l->level[0].kept < l->level[0].n) {
        rename_words(&e, &kept);
        shape.vocabulary = &kept;
    }
    e.words = l->level[0].kept - 1;
    for (int k = 0; k < l->order; k++) {
        shape.count[k] = l->level[k].kept;
        total += (double)(l->level[k].n + l->level[k].kept);
    }
    lt_progress_begin(c, &e.progress, "estimating", "n-grams", total);
    int rc = lt_spill_check(l->spill);
    if (!rc) rc = sink->begin(sink->self, &shape);
    for (int k = 0; k < l->order && !rc; k++) rc = do_level(&e, k);
    struct lt_spool *left[] = { &e.links, &e.next_links, &e.before, &e.lower, &e.prob, &e.below, &e.backoff };
    for (int i = 0; i < LT_COUNT(left); i++) lt_spool_free(left[i]);
    lt_progress_end(&e.progress);
    if (rc) (*sink->abort)(sink->self);
    else rc = sink->end(sink->self);
    lt_map_free(&kept);
    free(e.renamed);
    return rc;
}
