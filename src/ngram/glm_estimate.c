/* Estimating GLM files.  Places of the text are sorted once by the words that end there, so that equal n-grams of
 * every length lie side by side; then, pattern by pattern, the different n-grams that it counts are sorted by the words
 * that it keeps.  Sorting is by counting, a word at a time: no comparison, and the same order everywhere.  Each pattern
 * is written as soon as it is counted. */
#include "ngram/glm_model.h"
#include "base/ctx.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sorting { const uint32_t *token; uint32_t words; uint32_t *bucket; };

struct estimate {
    const struct lt_sentences *s;
    int order;
    bool first_only;
    double ratio;
    struct sorting sort;
    uint32_t *place;                        /* every word but <s>, by the words that end there, the last one first */
    uint32_t places;
    uint8_t *before;                        /* [n]: words before it in its sentence, <s> included; at most the order */
    uint32_t *rep[LT_GLM_PATTERNS];         /* a place of each context; NULL: no pattern goes on from it */
    uint32_t contexts[LT_GLM_PATTERNS];
    struct lt_writer w;
    struct lt_buf weak;                     /* patterns without discounts of their own */
    int weak_count;
};
/* What one pattern counts: n-grams by the place of their last word. */
struct items { uint32_t *at, *weight, *order, *other, count; };
/* One pattern: context i has the continuations first[i] .. first[i + 1] - 1. */
struct level { uint32_t *rep, *first, *next, *count, contexts, nexts; };

/* ---- sorting ---- */
static uint32_t key(const struct sorting *s, const uint8_t *before, uint32_t at, int back)
{
    return before && back > before[at] ? s->words : s->token[at - (uint32_t)back];
}

/* Stable, by the word `back` places before; `at` NULL: items are places themselves. */
static void sort_by(const struct sorting *s, const uint8_t *before, const uint32_t *at, int back, const uint32_t *from,
                    uint32_t *to, uint32_t n)
{
    memset(s->bucket, 0, ((size_t)s->words + 2) * sizeof *s->bucket);
    for (uint32_t i = 0; i < n; i++) s->bucket[key(s, before, at ? at[from[i]] : from[i], back) + 1]++;
    for (uint32_t w = 0; w <= s->words; w++) s->bucket[w + 1] += s->bucket[w];
    for (uint32_t i = 0; i < n; i++) to[s->bucket[key(s, before, at ? at[from[i]] : from[i], back)]++] = from[i];
}

static void swap(uint32_t **a, uint32_t **b)
{
    uint32_t *t = *a;
    *a = *b;
    *b = t;
}

static void sort_places(struct estimate *e)
{
    const uint32_t *token = e->s->token;
    uint32_t *other = lt_alloc(LT_MAX(e->s->n, 1) * sizeof *other);
    e->place = lt_alloc(LT_MAX(e->s->n, 1) * sizeof *e->place);
    e->before = lt_alloc(LT_MAX(e->s->n, 1));
    for (size_t i = 0; i < e->s->n; i++) {
        bool first = token[i] == LT_SENTENCES_BOS;
        e->before[i] = first ? 0 : (uint8_t)LT_MIN(e->before[i - 1] + 1, e->order);
        if (!first) e->place[e->places++] = (uint32_t)i;
    }
    for (int back = e->order - 1; back >= 0; back--) {
        sort_by(&e->sort, e->before, NULL, back, e->place, other, e->places);
        swap(&e->place, &other);
    }
    free(other);
}

/* ---- which n-grams a pattern counts ---- */
static bool same(const struct estimate *e, uint32_t a, uint32_t b, int length)
{
    for (int k = 0; k < length; k++)
        if (e->s->token[a - (uint32_t)k] != e->s->token[b - (uint32_t)k]) return false;
    return true;
}

/* Adds the different n-grams of a length with weight 1 or their occurrences; `begins`: only those with <s> first. */
static void add_ngrams(const struct estimate *e, int length, bool begins, bool occurrences, struct items *out)
{
    uint32_t last = LT_GLM_NONE;
    for (uint32_t i = 0; i < e->places; i++) {
        uint32_t at = e->place[i];
        if (e->before[at] < length - 1) continue;
        if (begins && e->s->token[at - (uint32_t)(length - 1)] != LT_SENTENCES_BOS) continue;
        if (last != LT_GLM_NONE && same(e, last, at, length)) {
            if (occurrences) out->weight[out->count - 1]++;
            continue;
        }
        out->at[out->count] = last = at;
        out->weight[out->count++] = 1;
    }
}

static void collect(const struct estimate *e, uint32_t mask, struct items *out)
{
    int furthest = mask ? 32 - __builtin_clz(mask) : 0;
    bool plain = !(mask & (mask + 1)), whole = plain && furthest == e->order - 1;
    out->count = 0;
    add_ngrams(e, LT_MIN(e->order, furthest + 2), false, whole, out);
    if (furthest && furthest < e->order - 1) add_ngrams(e, furthest + 1, true, plain, out);
}

/* The word itself counts least, of the kept ones the nearest most. */
static void sort_items(const struct estimate *e, uint32_t mask, struct items *t)
{
    for (uint32_t i = 0; i < t->count; i++) t->order[i] = i;
    sort_by(&e->sort, NULL, t->at, 0, t->order, t->other, t->count);
    swap(&t->order, &t->other);
    for (int back = e->order - 1; back >= 1; back--)
        if (mask >> (back - 1) & 1) {
            sort_by(&e->sort, NULL, t->at, back, t->order, t->other, t->count);
            swap(&t->order, &t->other);
        }
}

/* ---- one pattern ---- */
static bool same_context(const struct estimate *e, uint32_t mask, uint32_t a, uint32_t b)
{
    for (uint32_t left = mask; left; left &= left - 1) {
        uint32_t back = (uint32_t)__builtin_ctz(left) + 1;
        if (e->s->token[a - back] != e->s->token[b - back]) return false;
    }
    return true;
}

static void group(const struct estimate *e, uint32_t mask, const struct items *t, struct level *l)
{
    uint32_t last = LT_GLM_NONE;
    l->contexts = l->nexts = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = t->at[t->order[i]], weight = t->weight[t->order[i]];
        bool fresh = last == LT_GLM_NONE || !same_context(e, mask, last, at);
        if (fresh) {
            l->rep[l->contexts] = at;
            l->first[l->contexts++] = l->nexts;
        }
        if (fresh || e->s->token[at] != e->s->token[last]) {
            l->next[l->nexts] = e->s->token[at];
            l->count[l->nexts++] = 0;
        }
        l->count[l->nexts - 1] += weight;
        last = at;
    }
    l->first[l->contexts] = l->nexts;
}

/* "x _ x w": what the pattern keeps, the word itself last. */
static void put_pattern(struct lt_buf *b, uint32_t mask)
{
    for (int back = mask ? 32 - __builtin_clz(mask) : 0; back; back--)
        lt_buf_str(b, mask >> (back - 1) & 1 ? "x " : "_ ");
    lt_buf_char(b, 'w');
}

static void find_discounts(struct estimate *e, uint32_t mask, const struct level *l, double d[4])
{
    double of[5] = { 0 };
    for (uint32_t i = 0; i < l->nexts; i++)
        if (l->count[i] <= 4) of[l->count[i]]++;
    bool good = of[1] > 0 && of[2] > 0 && of[3] > 0;
    double y = good ? of[1] / (of[1] + 2 * of[2]) : 0;
    d[0] = 0;
    for (int j = 1; j <= 3 && good; j++) {
        d[j] = j - (j + 1) * y * of[j + 1] / of[j];
        good = d[j] >= 0;
    }
    if (good) return;
    for (int j = 1; j <= 3; j++) d[j] = 0.5 * j;
    if (e->weak_count++) lt_buf_str(&e->weak, ", ");
    put_pattern(&e->weak, mask);
}

/* Context by context: what is left for shorter ones, and each word's share. */
static void put_figures(struct estimate *e, const struct level *l, const double d[4])
{
    float *gamma = lt_alloc(LT_MAX(l->contexts, 1) * sizeof *gamma);
    float *share = lt_alloc(LT_MAX(l->nexts, 1) * sizeof *share);
    for (uint32_t i = 0; i < l->contexts; i++) {
        double total = 0, off = 0;
        for (uint32_t j = l->first[i]; j < l->first[i + 1]; j++) {
            total += l->count[j];
            off += d[LT_MIN(l->count[j], 3)];
        }
        gamma[i] = (float)(off / total);
        for (uint32_t j = l->first[i]; j < l->first[i + 1]; j++)
            share[j] = (float)((l->count[j] - d[LT_MIN(l->count[j], 3)]) / total);
    }
    lt_writer_put(&e->w, gamma, l->contexts * sizeof *gamma);
    lt_writer_put(&e->w, l->next, l->nexts * sizeof *l->next);
    lt_writer_put(&e->w, share, l->nexts * sizeof *share);
    free(gamma);
    free(share);
}

static void pad(struct lt_writer *w)
{
    static const uint8_t zero[8];
    lt_writer_put(w, zero, (8 - w->written % 8) % 8);
}

/* Where the contexts that go on from each context of the pattern above begin.  Both lie in the same order. */
static void put_children(struct estimate *e, uint32_t mask, const struct level *l)
{
    uint32_t top = lt_glm_top(mask), above = mask ^ top, parents = e->contexts[above], p = 0;
    uint32_t *child = lt_calloc((size_t)parents + 1, sizeof *child);
    uint32_t *word = lt_alloc(LT_MAX(l->contexts, 1) * sizeof *word), back = (uint32_t)__builtin_ctz(top) + 1;
    for (uint32_t i = 0; i < l->contexts; i++) {
        word[i] = e->s->token[l->rep[i] - back];
        while (!same_context(e, above, e->rep[above][p], l->rep[i])) {
            child[++p] = i;
            assert(p < parents);
        }
    }
    while (p < parents) child[++p] = l->contexts;
    lt_writer_put(&e->w, child, ((size_t)parents + 1) * sizeof *child);
    lt_writer_put(&e->w, word, l->contexts * sizeof *word);
    free(child);
    free(word);
}

static void put_level(struct estimate *e, uint32_t mask, const struct level *l)
{
    double d[4];
    find_discounts(e, mask, l, d);
    struct lt_glm_block b = { .mask = mask, .contexts = l->contexts, .nexts = l->nexts,
                              .parents = mask ? e->contexts[mask ^ lt_glm_top(mask)] : 0,
                              .discount = { d[1], d[2], d[3] } };
    lt_writer_put(&e->w, &b, sizeof b);
    if (mask) put_children(e, mask, l);
    lt_writer_put(&e->w, l->first, ((size_t)l->contexts + 1) * sizeof *l->first);
    put_figures(e, l, d);
    pad(&e->w);
    e->contexts[mask] = l->contexts;
    if (mask >> (e->order - 2) & 1) return;
    e->rep[mask] = lt_alloc(LT_MAX(l->contexts, 1) * sizeof *e->rep[mask]);
    memcpy(e->rep[mask], l->rep, l->contexts * sizeof *l->rep);
}

/* ---- the file ---- */
static void put_words(struct estimate *e)
{
    const struct lt_map *v = &e->s->vocabulary;
    uint32_t at = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        lt_writer_put(&e->w, &at, sizeof at);
        at += (uint32_t)v->entry[i].key.n;
    }
    lt_writer_put(&e->w, &at, sizeof at);
    for (uint32_t i = 0; i < v->count; i++) lt_writer_put(&e->w, v->entry[i].key.p, v->entry[i].key.n);
    pad(&e->w);
}

static uint64_t spelling_size(const struct lt_map *v)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < v->count; i++) n += v->entry[i].key.n;
    return n;
}

static int put_patterns(struct estimate *e, struct lt_ctx *c)
{
    uint32_t all = 1u << (e->order - 1);
    size_t room = ((size_t)e->places + e->s->count + 2) * sizeof(uint32_t);
    struct items t = { .at = lt_alloc(room), .weight = lt_alloc(room), .order = lt_alloc(room),
                       .other = lt_alloc(room) };
    struct level l = { .rep = lt_alloc(room), .first = lt_alloc(room), .next = lt_alloc(room),
                       .count = lt_alloc(room) };
    struct lt_progress p;
    int rc = 0;
    lt_progress_begin(c, &p, "counting", "patterns", e->first_only ? (double)e->order : (double)all);
    for (uint32_t mask = 0; mask < all && !rc; mask++) {
        if (!lt_glm_has(e->first_only, mask)) continue;
        collect(e, mask, &t);
        sort_items(e, mask, &t);
        group(e, mask, &t, &l);
        put_level(e, mask, &l);
        lt_progress_at(&p, e->first_only ? __builtin_popcount(mask) + 1 : (double)mask + 1, NULL);
        if (lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
    }
    lt_progress_end(&p);
    uint32_t *const made[] = { t.at, t.weight, t.order, t.other, l.rep, l.first, l.next, l.count };
    for (int i = 0; i < LT_COUNT(made); i++) free(made[i]);
    return rc;
}

static int write_file(struct estimate *e, struct lt_ctx *c, const char *path)
{
    struct lt_glm_header h = { .magic = LT_GLM_MAGIC, .version = LT_GLM_VERSION, .order = (uint32_t)e->order,
                               .first_only = e->first_only, .words = e->s->vocabulary.count, .ratio = e->ratio,
                               .spelling_size = spelling_size(&e->s->vocabulary) };
    if (h.spelling_size > UINT32_MAX) return lt_fail("the words have more than 4 GiB of letters");
    if (lt_writer_open(&e->w, path)) return -1;
    if (!e->w.temp) {
        lt_writer_abort(&e->w);
        return lt_misuse("output: expected the name of a file, found \"%s\", which cannot be written twice over", path);
    }
    lt_writer_put(&e->w, &h, sizeof h);
    put_words(e);
    if (put_patterns(e, c)) {
        lt_writer_abort(&e->w);
        return -1;
    }
    h.file_size = e->w.written;
    if (!e->w.failed && fseek(e->w.f, 0, SEEK_SET)) e->w.failed = errno;
    lt_writer_put(&e->w, &h, sizeof h);
    return lt_writer_commit(&e->w);
}

int lt_glm_estimate(const struct lt_sentences *s, const struct lt_glm_how *how, struct lt_ctx *c, const char *path)
{
    /* The words, their places in order and their distances; eight lists of items; the figures of one pattern; a place
     * of each context that others go on from. */
    size_t need = s->n * (4 + 4 + 1 + 8 * 4 + 8) + ((s->n * 4) << (how->first_only ? 2 : how->order - 2));
    if (need > how->memory)
        return lt_fail("counting %zu words takes %zu MiB, more than the %zu MiB it may (--memory)", s->n, need >> 20,
                       how->memory >> 20);
    struct estimate e = { .s = s, .order = how->order, .first_only = how->first_only,
                          .ratio = how->ratio };
    e.sort = (struct sorting){ .token = s->token, .words = s->vocabulary.count,
                               .bucket = lt_alloc(((size_t)s->vocabulary.count + 2) * sizeof(uint32_t)) };
    sort_places(&e);
    int rc = write_file(&e, c, path);
    if (!rc && e.weak_count)
        lt_note(c, "no discounts follow from the counts of %d pattern%s (%s); the usual 0.5, 1 and 1.5 are taken there",
                e.weak_count, e.weak_count > 1 ? "s" : "", e.weak.p);
    for (int i = 0; i < LT_GLM_PATTERNS; i++) free(e.rep[i]);
    free(e.sort.bucket);
    free(e.place);
    free(e.before);
    lt_buf_free(&e.weak);
    return rc;
}

int lt_glm_build_run(const struct lt_glm_build_options *o, struct lt_ctx *c)
{
    struct lt_sentences_how text = o->text;
    struct lt_sentences s;
    struct lt_glm_how how = { .order = (int)o->order, .first_only = !strcmp(o->skips, "first"),
                              .ratio = o->ratio, .memory = (size_t)o->memory << 20 };
    text.memory = how.memory;
    int rc = lt_sentences_read(&text, c, &s);
    if (!rc) rc = lt_glm_estimate(&s, &how, c, o->output);
    lt_sentences_release(&s);
    return rc;
}
