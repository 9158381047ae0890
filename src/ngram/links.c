#include "ngram/links.h"
#include <stdlib.h>

enum { BATCH = 1 << 16, CHUNK = 1 << 12, AHEAD = 16 };

/* ---- slices and the questions to them ---- */
struct dealing { struct lt_spill *spill; uint32_t *first; size_t slices; struct lt_spool *asked, *answer; };

static void cut_here(struct dealing *d, uint32_t first)
{
    d->first = lt_realloc(d->first, (d->slices + 1) * sizeof *d->first);
    d->first[d->slices++] = first;
}

static size_t slice_of(const struct dealing *d, uint32_t key)
{
    size_t lo = 0, hi = d->slices;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (d->first[mid] <= key) lo = mid;
        else hi = mid;
    }
    return lo;
}

static void begin_dealing(struct dealing *d)
{
    d->asked = lt_calloc(d->slices, sizeof *d->asked);
    d->answer = lt_calloc(d->slices, sizeof *d->answer);
    for (size_t i = 0; i < d->slices; i++) {
        lt_spool_init(&d->asked[i], d->spill);
        lt_spool_init(&d->answer[i], d->spill);
    }
}

static void end_dealing(struct dealing *d)
{
    for (size_t i = 0; i < d->slices && d->asked; i++) {
        lt_spool_free(&d->asked[i]);
        lt_spool_free(&d->answer[i]);
    }
    free(d->asked);
    free(d->answer);
    free(d->first);
}

/* ---- finding links: is there this word after that context? ---- */
struct batch { uint32_t node[BATCH], word[BATCH], found[BATCH]; size_t n; };
struct table {                      /* a slice: nodes of one level, and the n-grams that go on from them */
    uint32_t first, nodes, base, n;
    uint32_t *child;                /* [nodes + 1], counted from base */
    uint32_t *word, *before;        /* [n] */
};
struct finding {
    const struct lt_levels *l;
    int level;
    const struct lt_spool *above;
    struct lt_ctx *ctx;
    struct lt_spool *links, *before;
    struct dealing d;
    struct table t;
    struct batch batch;
};
/* The questions of a level in order: for every n-gram the link of its context, and its word. */
struct asking { struct lt_spool_reader above, children, word; uint64_t contexts, left; uint32_t node; };

static void ask_begin(struct asking *a, const struct finding *f)
{
    *a = (struct asking){ .contexts = f->l->level[f->level - 1].n };
    lt_spool_read(&a->above, f->above);
    lt_spool_read(&a->children, &f->l->level[f->level - 1].children);
    lt_spool_read(&a->word, &f->l->level[f->level].word);
}

static bool ask_next(struct asking *a)
{
    while (!a->left) {
        if (!a->contexts) return false;
        a->contexts--;
        a->node = lt_spool_get_u32(&a->above);
        a->left = lt_spool_get_count(&a->children);
    }
    a->left--;
    return true;
}

static void ask_end(struct asking *a)
{
    lt_spool_read_end(&a->above);
    lt_spool_read_end(&a->children);
    lt_spool_read_end(&a->word);
}

/* The first of word[lo .. hi) that is not below w, looked for from lo in growing steps. */
static uint32_t search(const uint32_t *word, uint32_t lo, uint32_t hi, uint32_t w)
{
    uint32_t step = 1;
    for (; hi - lo > step && word[lo + step - 1] < w; step *= 2) lo += step;
    if (hi - lo > step) hi = lo + step - 1;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (word[mid] < w) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* The tables do not fit into caches: what is needed a little later is sent for now. */
static void send_for(const struct finding *f, size_t i, size_t end)
{
    const struct table *t = &f->t;
    const uint32_t *node = f->batch.node;
    if (i + 2 * AHEAD >= end) return;
    uint32_t far = node[i + 2 * AHEAD] - t->first, near = node[i + AHEAD] - t->first;
    if (far < t->nodes) __builtin_prefetch(t->child + far);
    if (near < t->nodes) __builtin_prefetch(t->word + t->child[near]);
}

static void search_chunk(void *arg, int64_t chunk)
{
    struct finding *f = arg;
    struct batch *b = &f->batch;
    const struct table *t = &f->t;
    size_t end = LT_MIN(b->n, (size_t)(chunk + 1) * CHUNK);
    uint32_t node = LT_NGRAM_NONE, lo = 0, hi = 0;
    for (size_t i = (size_t)chunk * CHUNK; i < end; i++) {
        if (b->node[i] != node || b->word[i] < b->word[i - 1]) {    /* words rise within a context only */
            node = b->node[i];
            uint32_t at = LT_MIN(node - t->first, t->nodes - 1);    /* differs only when the store has failed */
            lo = t->child[at];
            hi = t->child[at + 1];
        }
        send_for(f, i, end);
        lo = search(t->word, lo, hi, b->word[i]);
        b->found[i] = LT_MIN(lo, t->n - 1);
    }
}

static int search_batch(struct finding *f, struct lt_spool *to)
{
    struct batch *b = &f->batch;
    lt_pool_run(lt_ctx_pool(f->ctx), (int64_t)((b->n + CHUNK - 1) / CHUNK), search_chunk, f);
    for (size_t i = 0; i < b->n; i++) lt_spool_put_u32(to, f->t.base + b->found[i]);
    for (size_t i = 0; i < b->n && f->before; i++) f->t.before[b->found[i]]++;
    b->n = 0;
    return lt_ctx_interrupted(f->ctx) ? lt_fail("interrupted") : lt_spill_check(f->l->spill);
}

/* Cuts so that a slice's table fits; a context is never cut. */
static void cut_contexts(struct finding *f, size_t room)
{
    const struct lt_level *l = &f->l->level[f->level - 2];
    struct lt_spool_reader r;
    size_t bytes = 0;
    lt_spool_read(&r, &l->children);
    cut_here(&f->d, 0);
    for (uint64_t i = 0; i < l->n; i++) {
        size_t more = 4 + 8 * lt_spool_get_count(&r);
        if (bytes && bytes + more > room) {
            cut_here(&f->d, (uint32_t)i);
            bytes = 0;
        }
        bytes += more;
    }
    lt_spool_read_end(&r);
}

/* The table of slice i; the readers stand at its beginning. */
static void load(struct finding *f, size_t i, struct lt_spool_reader *children, struct lt_spool_reader *word)
{
    struct table *t = &f->t;
    uint64_t end = i + 1 < f->d.slices ? f->d.first[i + 1] : f->l->level[f->level - 2].n;
    *t = (struct table){ .first = f->d.first[i], .nodes = (uint32_t)(end - f->d.first[i]), .base = t->base + t->n };
    t->child = lt_alloc(((size_t)t->nodes + 1) * sizeof *t->child);
    for (uint32_t k = 0; k < t->nodes; k++) {
        t->child[k] = t->n;
        t->n += (uint32_t)lt_spool_get_count(children);
    }
    t->child[t->nodes] = t->n;
    t->word = lt_calloc(LT_MAX(t->n, 1), sizeof *t->word);
    t->n = (uint32_t)lt_spool_get_many(word, t->word, t->n);
    for (uint32_t k = 0; k < t->n; k++) t->word[k] &= ~LT_LEFT_OUT;
    if (f->before) t->before = lt_calloc(LT_MAX(t->n, 1), sizeof *t->before);
}

static void unload(struct finding *f)
{
    struct table *t = &f->t;
    for (uint32_t k = 0; k < t->n && f->before; k++) lt_spool_put_u32(f->before, t->before[k]);
    free(t->child);
    free(t->word);
    free(t->before);
    t->child = t->word = t->before = NULL;
}

static int find_direct(struct finding *f)
{
    struct asking a;
    int rc = 0;
    ask_begin(&a, f);
    while (!rc && ask_next(&a)) {
        f->batch.node[f->batch.n] = a.node;
        f->batch.word[f->batch.n++] = lt_spool_get_u32(&a.word) & ~LT_LEFT_OUT;
        if (f->batch.n == BATCH) rc = search_batch(f, f->links);
    }
    ask_end(&a);
    return rc ? rc : search_batch(f, f->links);
}

static void deal(struct finding *f)
{
    struct asking a;
    ask_begin(&a, f);
    while (ask_next(&a)) {
        struct lt_spool *s = &f->d.asked[slice_of(&f->d, a.node)];
        lt_spool_put_u32(s, a.node);
        lt_spool_put_u32(s, lt_spool_get_u32(&a.word) & ~LT_LEFT_OUT);
    }
    ask_end(&a);
}

static int answer(struct finding *f, size_t i)
{
    struct lt_spool_reader r;
    int rc = 0;
    lt_spool_read(&r, &f->d.asked[i]);
    while (!rc && (r.p != r.end || lt_spool_more(&r))) {
        f->batch.node[f->batch.n] = lt_spool_get_u32(&r);
        f->batch.word[f->batch.n++] = lt_spool_get_u32(&r);
        if (f->batch.n == BATCH) rc = search_batch(f, &f->d.answer[i]);
    }
    lt_spool_read_end(&r);
    if (!rc) rc = search_batch(f, &f->d.answer[i]);
    lt_spool_free(&f->d.asked[i]);
    return rc;
}

static void collect(struct finding *f)
{
    struct lt_spool_reader *r = lt_calloc(f->d.slices, sizeof *r);
    struct asking a;
    for (size_t i = 0; i < f->d.slices; i++) lt_spool_read(&r[i], &f->d.answer[i]);
    ask_begin(&a, f);
    while (ask_next(&a)) lt_spool_put_u32(f->links, lt_spool_get_u32(&r[slice_of(&f->d, a.node)]));
    ask_end(&a);
    for (size_t i = 0; i < f->d.slices; i++) lt_spool_read_end(&r[i]);
    free(r);
}

static int find_all(struct finding *f, size_t room)
{
    struct lt_spool_reader children, word;
    int rc = 0;
    cut_contexts(f, room);
    bool direct = f->d.slices == 1;
    if (!direct) {
        begin_dealing(&f->d);
        deal(f);
    }
    lt_spool_read(&children, &f->l->level[f->level - 2].children);
    lt_spool_read(&word, &f->l->level[f->level - 1].word);
    for (size_t i = 0; i < f->d.slices && !rc; i++) {
        load(f, i, &children, &word);
        if (f->t.n) rc = direct ? find_direct(f) : answer(f, i);
        unload(f);
    }
    lt_spool_read_end(&children);
    lt_spool_read_end(&word);
    if (!rc && !direct) collect(f);
    end_dealing(&f->d);
    return rc ? rc : lt_spill_check(f->l->spill);
}

/* Pairs of words: the link is the second. */
static int find_words(const struct lt_levels *l, struct lt_spool *links, struct lt_spool *before)
{
    uint32_t *count = lt_calloc(l->words, sizeof *count);
    struct lt_spool_reader r;
    lt_spool_read(&r, &l->level[1].word);
    for (uint64_t i = 0; i < l->level[1].n; i++) {
        uint32_t w = lt_spool_get_u32(&r) & ~LT_LEFT_OUT;
        lt_spool_put_u32(links, w);
        count[w]++;
    }
    lt_spool_read_end(&r);
    for (uint32_t w = 0; w < l->words && before; w++) lt_spool_put_u32(before, count[w]);
    free(count);
    return lt_spill_check(l->spill);
}

int lt_links_find(const struct lt_levels *l, int level, const struct lt_spool *above, size_t room, struct lt_ctx *c,
                  struct lt_spool *links, struct lt_spool *before)
{
    lt_spool_init(links, l->spill);
    if (before) lt_spool_init(before, l->spill);
    if (level == 1) return find_words(l, links, before);
    struct finding *f = lt_calloc(1, sizeof *f);
    *f = (struct finding){ .l = l, .level = level, .above = above, .ctx = c, .links = links, .before = before,
                           .d = { .spill = l->spill } };
    int rc = find_all(f, room);
    free(f);
    return rc;
}

/* ---- following links ---- */
/* Answers the links of `asked` with the values from `first` on. */
static void look_at(const uint32_t *value, uint32_t first, uint64_t n, const struct lt_spool *asked,
                    struct lt_spool *out)
{
    struct lt_spool_reader r;
    uint32_t link[1024];
    lt_spool_read(&r, asked);
    for (size_t some; (some = lt_spool_get_many(&r, link, LT_COUNT(link)));)
        for (size_t i = 0; i < some; i++) lt_spool_put_u32(out, link[i] - first < n ? value[link[i] - first] : 0);
    lt_spool_read_end(&r);
}

static void follow_dealt(struct dealing *d, const struct lt_spool *link, uint64_t n, struct lt_spool_reader *value,
                         uint32_t *table, size_t most, struct lt_spool *out)
{
    struct lt_spool_reader r, *from = lt_calloc(d->slices, sizeof *from);
    lt_spool_read(&r, link);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t to = lt_spool_get_u32(&r);
        lt_spool_put_u32(&d->asked[LT_MIN(to / most, d->slices - 1)], to);
    }
    lt_spool_read_end(&r);
    for (size_t i = 0; i < d->slices; i++) {
        size_t some = lt_spool_get_many(value, table, most);
        look_at(table, (uint32_t)(i * most), some, &d->asked[i], &d->answer[i]);
        lt_spool_free(&d->asked[i]);
        lt_spool_read(&from[i], &d->answer[i]);
    }
    lt_spool_read(&r, link);
    for (uint64_t i = 0; i < n; i++)
        lt_spool_put_u32(out, lt_spool_get_u32(&from[LT_MIN(lt_spool_get_u32(&r) / most, d->slices - 1)]));
    lt_spool_read_end(&r);
    for (size_t i = 0; i < d->slices; i++) lt_spool_read_end(&from[i]);
    free(from);
}

int lt_links_follow(const struct lt_spool *link, uint64_t n, const struct lt_spool *value, uint64_t values, size_t room,
                    struct lt_ctx *c, struct lt_spool *out)
{
    struct dealing d = { .spill = link->home };
    struct lt_spool_reader r;
    size_t most = LT_MIN(LT_MAX(room / 4, 1024), LT_MAX(values, 1));
    uint32_t *table = lt_alloc(most * sizeof *table);
    lt_spool_init(out, d.spill);
    lt_spool_read(&r, value);
    if (most >= values) {
        size_t some = lt_spool_get_many(&r, table, most);
        look_at(table, 0, some, link, out);
    } else {
        for (uint64_t i = 0; i < values; i += most) cut_here(&d, (uint32_t)i);
        begin_dealing(&d);
        follow_dealt(&d, link, n, &r, table, most, out);
        end_dealing(&d);
    }
    lt_spool_read_end(&r);
    free(table);
    return lt_ctx_interrupted(c) ? lt_fail("interrupted") : lt_spill_check(d.spill);
}
