#include "ngram/interpolate.h"
#include "base/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 512 };           /* contexts in one piece of work */
#define NOTHING (-99.0)         /* log10 of what has no probability: the usual figure of ARPA files */
#define ALL_LISTED 1e-7         /* less than this is left for words that are not listed: rounding */
#define LN10 2.302585092994045684

/* ---- words of all ---- */
static uint32_t add_word(struct lt_map *v, struct lt_str word)
{
    bool fresh;
    uint64_t *id = lt_map_put(v, word, &fresh);
    if (fresh) *id = v->count - 1;
    return (uint32_t)*id;
}

static uint32_t find_word(const struct lt_map *v, const char *word)
{
    const uint64_t *id = lt_map_get(v, lt_str(word));
    return id ? (uint32_t)*id : LT_NGRAM_NONE;
}

static int check_members(struct lt_ngram *const *m, const char *const *name, int members)
{
    for (int i = 0; i < members; i++)
        if (!m[i]->level[0].word)
            return lt_fail("%s: expected an ARPA file: models are interpolated in memory", name[i]);
    for (int k = 0; k < LT_NGRAM_ORDER_MAX; k++) {
        uint64_t all = 0;
        for (int i = 0; i < members; i++) all += m[i]->level[k].count;
        if (all >= LT_NGRAM_NONE)
            return lt_fail("the models have %llu %d-grams together: fewer than %lu of one order are held",
                           (unsigned long long)all, k + 1, (unsigned long)LT_NGRAM_NONE);
    }
    return 0;
}

int lt_ngram_union_init(struct lt_ngram_union *u, struct lt_ngram *const *m, const char *const *name, int members)
{
    *u = (struct lt_ngram_union){ .members = members };
    if (check_members(m, name, members)) return -1;
    u->m = lt_calloc(1, sizeof *u->m);
    struct lt_map *all = &u->m->vocabulary;
    for (int i = 0; i < members; i++) {
        u->m->order = LT_MAX(u->m->order, m[i]->order);
        u->m->unk_given |= m[i]->unk_given;
        for (uint32_t w = 0; w < m[i]->level[0].count; w++)
            if (w != m[i]->unk || m[i]->unk_given) add_word(all, lt_ngram_spelling(m[i], w));
    }
    u->m->unk = add_word(all, lt_str("<unk>"));
    u->m->bos = find_word(all, "<s>");
    u->m->eos = find_word(all, "</s>");
    for (int i = 0; i < members; i++) {
        uint32_t *own = lt_alloc(all->count * sizeof *own);
        for (uint32_t w = 0; w < all->count; w++) own[w] = LT_NGRAM_NONE;
        for (uint32_t w = 0; w < m[i]->level[0].count; w++)
            if (w != m[i]->unk || m[i]->unk_given) own[*lt_map_get(all, lt_ngram_spelling(m[i], w))] = w;
        u->view[i] = (struct lt_ngram_view){ .m = m[i], .own = own };
    }
    return 0;
}

void lt_ngram_union_release(struct lt_ngram_union *u)
{
    for (int i = 0; i < u->members; i++) free(u->view[i].own);
    lt_ngram_free(u->m);
    *u = (struct lt_ngram_union){ 0 };
}

/* ---- one model, asked in words of all ---- */
/* node[k]: the n-gram that the last k words of a context are, an index into level k - 1; back[k]: log10 of what is paid
 * to go from a context of k words to the next shorter one. */
struct context { int n; uint32_t node[LT_NGRAM_ORDER_MAX]; double back[LT_NGRAM_ORDER_MAX + 1]; };

static uint32_t own_word(const struct lt_ngram_view *v, uint32_t word) { return v->own ? v->own[word] : word; }

/* The n-gram that `word` .. is, or none. */
static uint32_t find(const struct lt_ngram_view *v, const uint32_t *word, int n)
{
    uint32_t node = own_word(v, word[0]);
    for (int k = 1; k < n && node != LT_NGRAM_NONE; k++) {
        uint32_t w = own_word(v, word[k]);
        node = w == LT_NGRAM_NONE ? LT_NGRAM_NONE : lt_ngram_child(v->m, k - 1, node, w);
    }
    return node;
}

static void enter(const struct lt_ngram_view *v, const uint32_t *word, int n, struct context *c)
{
    int skip = LT_MAX(0, n - (v->m->order - 1));
    c->n = n - skip;
    for (int k = 1; k <= c->n; k++) {
        c->node[k] = find(v, word + n - k, k);
        c->back[k] = c->node[k] == LT_NGRAM_NONE ? 0 : (double)v->m->level[k - 1].backoff[c->node[k]];
    }
}

/* Below the context of `most` words at most. */
static double prob(const struct lt_ngram_view *v, const struct context *c, int most, uint32_t word, bool open)
{
    uint32_t own = own_word(v, word);
    double p, paid = 0;
    if (own == LT_NGRAM_NONE && !open) return -INFINITY;
    for (int k = LT_MIN(most, c->n); k >= 1; k--) {
        uint32_t i = own == LT_NGRAM_NONE || c->node[k] == LT_NGRAM_NONE ? LT_NGRAM_NONE
                                                                         : lt_ngram_child(v->m, k - 1, c->node[k], own);
        if (i != LT_NGRAM_NONE) return paid + (double)v->m->level[k].prob[i];
        paid += c->back[k];
    }
    p = (double)v->m->level[0].prob[own == LT_NGRAM_NONE ? v->m->unk : own];
    return paid + p;
}

double lt_ngram_view_prob(const struct lt_ngram_view *v, const uint32_t *context, int n, uint32_t word, bool open)
{
    struct context c;
    enter(v, context, n, &c);
    return prob(v, &c, c.n, word, open);
}

void lt_ngram_view_row(const struct lt_ngram_union *u, int member, const uint32_t *context, int n, float *out)
{
    const struct lt_ngram_view *v = &u->view[member];
    struct context c;
    double paid[LT_NGRAM_ORDER_MAX + 1];            /* [k]: to come down to a context of k words */
    uint32_t words = u->m->vocabulary.count;
    float *own = lt_alloc(v->m->level[0].count * sizeof *own);
    enter(v, context, n, &c);
    paid[c.n] = 0;
    for (int k = c.n; k >= 1; k--) paid[k - 1] = paid[k] + c.back[k];
    for (uint32_t w = 0; w < v->m->level[0].count; w++) own[w] = (float)((double)v->m->level[0].prob[w] + paid[0]);
    for (int k = 1; k <= c.n; k++) {
        if (c.node[k] == LT_NGRAM_NONE) continue;
        const struct lt_ngram_level *l = &v->m->level[k];
        const uint32_t *child = v->m->level[k - 1].child + c.node[k];
        for (uint32_t i = child[0]; i < child[1]; i++) own[l->word[i]] = (float)((double)l->prob[i] + paid[k]);
    }
    float lacking = (float)((double)v->m->level[0].prob[v->m->unk] + paid[0]);
    for (uint32_t w = 0; w < words; w++)
        out[w] = (float)((double)(v->own[w] == LT_NGRAM_NONE ? lacking : own[v->own[w]]) * LN10);
    if (u->m->bos != LT_NGRAM_NONE) out[u->m->bos] = (float)LT_MIXING_FLOOR;
    if (!u->m->unk_given) out[u->m->unk] = (float)LT_MIXING_FLOOR;
    free(own);
}

/* ---- the n-grams of all ---- */
struct merge {
    struct lt_ngram_union *u;
    struct lt_ngram *m;
    const double *weight;
    bool log_linear;
    uint32_t *parent[LT_NGRAM_ORDER_MAX];       /* of every n-gram, an index into the level below */
    double *sum[LT_NGRAM_ORDER_MAX];            /* log-linear: log10 of the sum that a context is divided by */
    double root;                                /* the same of the empty context */
    int level;                                  /* of the contexts being worked on */
};

static int by_key(const void *a, const void *b, void *unused)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    (void)unused;
    return (x > y) - (x < y);
}

static uint32_t place_of(const uint64_t *key, uint32_t n, uint64_t wanted)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (key[mid] < wanted) low = mid + 1;
        else high = mid;
    }
    return low;
}

static void take_level(struct lt_ngram_level *l, uint32_t count, bool top)
{
    size_t n = LT_MAX(count, 1);
    l->count = count;
    l->word = lt_alloc(n * sizeof *l->word);
    l->prob = lt_alloc(n * sizeof *l->prob);
    l->backoff = top ? NULL : lt_calloc(n, sizeof *l->backoff);
    l->child = top ? NULL : lt_calloc(n + 1, sizeof *l->child);
}

/* Keys of a member's n-grams of level k (parent << 32 | word, in ids of the union), in the member's order. */
static void member_keys(const struct merge *g, int member, int k, const uint32_t *map, uint64_t *key)
{
    const struct lt_ngram *m = g->u->view[member].m;
    const struct lt_map *all = &g->m->vocabulary;
    for (uint32_t h = 0; h < m->level[k - 1].count; h++)
        for (uint32_t i = m->level[k - 1].child[h]; i < m->level[k - 1].child[h + 1]; i++)
            key[i] = (uint64_t)map[h] << 32 | *lt_map_get(all, lt_ngram_spelling(m, m->level[k].word[i]));
}

static void merge_level(struct merge *g, int k, uint32_t **map)
{
    uint64_t *key[LT_MIXING_MEMBERS] = { NULL };
    size_t total = 0, n = 0;
    for (int i = 0; i < g->u->members; i++)
        if (k < g->u->view[i].m->order) total += g->u->view[i].m->level[k].count;
    uint64_t *all = lt_alloc(LT_MAX(total, 1) * sizeof *all);
    for (int i = 0; i < g->u->members; i++) {
        uint32_t count = k < g->u->view[i].m->order ? g->u->view[i].m->level[k].count : 0;
        key[i] = lt_alloc(LT_MAX(count, 1) * sizeof **key);
        if (count) member_keys(g, i, k, map[i], key[i]);
        memcpy(all + n, key[i], count * sizeof *all);
        n += count;
    }
    lt_sort(all, n, sizeof *all, by_key, NULL);
    uint32_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || all[kept - 1] != all[i]) all[kept++] = all[i];
    struct lt_ngram_level *l = &g->m->level[k];
    take_level(l, kept, k == g->m->order - 1);
    g->parent[k] = lt_alloc(LT_MAX((size_t)kept, 1) * sizeof *g->parent[k]);
    for (uint32_t i = 0; i < kept; i++) {
        l->word[i] = (uint32_t)all[i];
        g->parent[k][i] = (uint32_t)(all[i] >> 32);
        l[-1].child[g->parent[k][i] + 1]++;
    }
    for (uint32_t h = 0; h < l[-1].count; h++) l[-1].child[h + 1] += l[-1].child[h];
    for (int i = 0; i < g->u->members; i++) {
        uint32_t count = k < g->u->view[i].m->order ? g->u->view[i].m->level[k].count : 0;
        map[i] = lt_realloc(map[i], LT_MAX((size_t)count, 1) * sizeof **map);
        for (uint32_t j = 0; j < count; j++) map[i][j] = place_of(all, kept, key[i][j]);
        free(key[i]);
    }
    free(all);
}

static void merge_all(struct merge *g)
{
    uint32_t *map[LT_MIXING_MEMBERS];
    const struct lt_map *all = &g->m->vocabulary;
    take_level(&g->m->level[0], all->count, g->m->order == 1);
    for (uint32_t w = 0; w < all->count; w++) g->m->level[0].word[w] = w;
    for (int i = 0; i < g->u->members; i++) {
        const struct lt_ngram *m = g->u->view[i].m;
        map[i] = lt_alloc(m->level[0].count * sizeof **map);
        for (uint32_t w = 0; w < m->level[0].count; w++)
            map[i][w] = (uint32_t)*lt_map_get(all, lt_ngram_spelling(m, w));
    }
    for (int k = 1; k < g->m->order; k++) merge_level(g, k, map);
    for (int i = 0; i < g->u->members; i++) free(map[i]);
}

/* The words of an n-gram of level k, the first one first. */
static void spell(const struct merge *g, int k, uint32_t i, uint32_t *word)
{
    for (; k >= 0; k--) {
        word[k] = g->m->level[k].word[i];
        i = k ? g->parent[k][i] : 0;
    }
}

/* ---- figures ---- */
static bool counts(const struct merge *g, uint32_t word)
{
    return word != g->m->bos && (word != g->m->unk || g->m->unk_given);
}

/* log10 of the interpolated probability, in log-linear not yet divided, below a context of `most` words. */
static double mixed(const struct merge *g, const struct context *c, int most, uint32_t word)
{
    double sum = 0;
    for (int i = 0; i < g->u->members; i++) {
        double p = prob(&g->u->view[i], &c[i], most, word, g->log_linear);
        if (g->log_linear) sum += g->weight[i] * p;
        else sum += g->weight[i] * pow(10, p);
    }
    return g->log_linear ? sum : log10(sum);
}

static void enter_all(const struct merge *g, const uint32_t *word, int n, struct context *c)
{
    for (int i = 0; i < g->u->members; i++) enter(&g->u->view[i], word, n, &c[i]);
}

static float stored(double log10_p) { return log10_p > NOTHING ? (float)LT_MIN(log10_p, 0) : (float)NOTHING; }

static void first_level(struct merge *g)
{
    struct lt_ngram_level *l = &g->m->level[0];
    struct context c[LT_MIXING_MEMBERS];
    double total = 0;
    enter_all(g, NULL, 0, c);
    for (uint32_t w = 0; w < l->count; w++)
        if (g->log_linear && counts(g, w)) total += pow(10, mixed(g, c, 0, w));
    g->root = g->log_linear ? log10(total) : 0;
    for (uint32_t w = 0; w < l->count; w++) l->prob[w] = counts(g, w) ? stored(mixed(g, c, 0, w) - g->root) : NOTHING;
    if (!g->m->unk_given) l->prob[g->m->unk] = LT_NGRAM_UNK_MISSING;
}

/* Linear: the continuations of one context of k words. */
static void linear_probs(struct merge *g, int k, uint32_t h)
{
    const struct lt_ngram_level *b = &g->m->level[k - 1];
    struct lt_ngram_level *l = &g->m->level[k];
    struct context c[LT_MIXING_MEMBERS];
    uint32_t word[LT_NGRAM_ORDER_MAX];
    if (b->child[h] == b->child[h + 1]) return;
    spell(g, k - 1, h, word);
    enter_all(g, word, k, c);
    for (uint32_t i = b->child[h]; i < b->child[h + 1]; i++)
        l->prob[i] = counts(g, l->word[i]) ? stored(mixed(g, c, k, l->word[i])) : (float)NOTHING;
}

/* Its back-off weight, for which those of shorter contexts must be there. */
static void linear_backoff(struct merge *g, int k, uint32_t h)
{
    struct lt_ngram_level *b = &g->m->level[k - 1];
    const struct lt_ngram_level *l = &g->m->level[k];
    const struct lt_ngram_view self = { .m = g->m };
    struct context c;
    uint32_t word[LT_NGRAM_ORDER_MAX];
    double left = 1, below = 1;
    if (b->child[h] == b->child[h + 1]) return;
    spell(g, k - 1, h, word);
    enter(&self, word + 1, k - 1, &c);
    for (uint32_t i = b->child[h]; i < b->child[h + 1]; i++) {
        if (!counts(g, l->word[i])) continue;
        left -= pow(10, (double)l->prob[i]);
        below -= pow(10, prob(&self, &c, k - 1, l->word[i], true));
    }
    if (below < ALL_LISTED) return;
    b->backoff[h] = left > 0 ? (float)log10(left / below) : (float)NOTHING;
}

/* log10 of the sum of the longest context there is among the last words of one. */
static double sum_below(const struct merge *g, const uint32_t *word, int n)
{
    const struct lt_ngram_view self = { .m = g->m };
    for (int k = n; k >= 1; k--) {
        uint32_t i = find(&self, word + n - k, k);
        if (i != LT_NGRAM_NONE) return g->sum[k - 1][i];
    }
    return g->root;
}

/* With u the product, B(h) that of the models' back-offs and h' the context without its first word:
 * S(h) = sum of u(w | h) = sum over the listed w of u(w | h) + B(h) (S(h') - sum over the listed w of u(w | h')). */
static void log_linear_context(struct merge *g, int k, uint32_t h)
{
    struct lt_ngram_level *b = &g->m->level[k - 1], *l = &g->m->level[k];
    struct context c[LT_MIXING_MEMBERS];
    uint32_t word[LT_NGRAM_ORDER_MAX];
    double back = 0, listed = 0, listed_below = 0;
    spell(g, k - 1, h, word);
    enter_all(g, word, k, c);
    for (int i = 0; i < g->u->members; i++)
        if (c[i].n == k) back += g->weight[i] * c[i].back[k];
    double below = sum_below(g, word + 1, k - 1);
    for (uint32_t i = b->child[h]; i < b->child[h + 1]; i++) {
        if (!counts(g, l->word[i])) continue;
        listed += pow(10, mixed(g, c, k, l->word[i]) - below);
        listed_below += pow(10, mixed(g, c, k - 1, l->word[i]) - below);
    }
    double rest = LT_MAX(1 - listed_below, 0), sum = log10(listed + pow(10, back) * rest) + below;
    g->sum[k - 1][h] = sum;
    for (uint32_t i = b->child[h]; i < b->child[h + 1]; i++)
        l->prob[i] = counts(g, l->word[i]) ? stored(mixed(g, c, k, l->word[i]) - sum) : (float)NOTHING;
    b->backoff[h] = b->child[h] == b->child[h + 1] || rest < ALL_LISTED ? 0 : (float)(back + below - sum);
}

static void probs_piece(void *self, int64_t piece)
{
    struct merge *g = self;
    int64_t end = LT_MIN((piece + 1) * PIECE, (int64_t)g->m->level[g->level - 1].count);
    for (int64_t h = piece * PIECE; h < end; h++) {
        if (g->log_linear) log_linear_context(g, g->level, (uint32_t)h);
        else linear_probs(g, g->level, (uint32_t)h);
    }
}

static void backoff_piece(void *self, int64_t piece)
{
    struct merge *g = self;
    int64_t end = LT_MIN((piece + 1) * PIECE, (int64_t)g->m->level[g->level - 1].count);
    for (int64_t h = piece * PIECE; h < end; h++) linear_backoff(g, g->level, (uint32_t)h);
}

void lt_ngram_interpolate(struct lt_ngram_union *u, const double *weight, bool log_linear, struct lt_ctx *c)
{
    struct merge g = { .u = u, .m = u->m, .weight = weight, .log_linear = log_linear };
    struct lt_progress p;
    lt_progress_begin(c, &p, "interpolating", "orders", u->m->order);
    merge_all(&g);
    first_level(&g);
    for (g.level = 1; g.level < u->m->order && !lt_ctx_interrupted(c); g.level++) {
        uint32_t contexts = u->m->level[g.level - 1].count;
        int64_t pieces = ((int64_t)contexts + PIECE - 1) / PIECE;
        g.sum[g.level - 1] = lt_calloc(LT_MAX(contexts, 1), sizeof **g.sum);
        lt_pool_run(lt_ctx_pool(c), pieces, probs_piece, &g);
        if (!log_linear) lt_pool_run(lt_ctx_pool(c), pieces, backoff_piece, &g);
        lt_progress_at(&p, g.level, NULL);
    }
    lt_progress_end(&p);
    for (int k = 0; k < LT_NGRAM_ORDER_MAX; k++) {
        free(g.parent[k]);
        free(g.sum[k]);
    }
}
