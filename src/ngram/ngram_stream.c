/* Loaded models as streams, and streams as loaded models. */
#include "ngram/stream.h"
#include "base/ctx.h"
#include "ngram/arpa.h"
#include "ngram/binary.h"
#include <math.h>
#include <stdlib.h>

/* ---- out of a model ---- */
static struct lt_ngram_range range(const struct lt_ngram *m, int level, uint64_t i)
{
    if (m->file) return lt_ngram_file_range(m->file, level, i);
    const uint32_t *child = m->level[level].child;
    return (struct lt_ngram_range){ child[i], child[i + 1] };
}

static uint32_t word_of(const struct lt_ngram *m, int level, uint64_t i)
{
    if (!level) return (uint32_t)i;
    return m->file ? lt_ngram_entry_word(&m->file->level[level], i, m->level[0].count) : m->level[level].word[i];
}

/* node[k]: the n-gram that the first k + 1 words of the current one make; end[k]: where those that begin so end. */
int lt_ngram_each(const struct lt_ngram *m, int level, lt_ngram_each_fn *fn, void *self)
{
    uint64_t node[LT_NGRAM_ORDER_MAX] = { 0 }, end[LT_NGRAM_ORDER_MAX] = { 0 };
    uint32_t word[LT_NGRAM_ORDER_MAX] = { 0 };
    for (int k = 0; k < level; k++) {
        if (!m->level[k].count) return 0;
        word[k] = word_of(m, k, 0);
        end[k] = range(m, k, 0).end;
    }
    for (uint64_t i = 0; i < m->level[level].count; i++) {
        int rc;
        node[level] = i;
        word[level] = word_of(m, level, i);
        for (int k = level - 1; k >= 0 && (!i || node[k + 1] >= end[k]); k--) {
            while (node[k + 1] >= end[k] && node[k] + 1 < m->level[k].count) end[k] = range(m, k, ++node[k]).end;
            word[k] = word_of(m, k, node[k]);
        }
        if ((rc = fn(self, i, word))) return rc;
    }
    return 0;
}

struct pouring {
    const struct lt_ngram *m;
    const struct lt_ngram_layout *layout;
    const struct lt_ngram_choice *choice;
    struct lt_ngram_sink *to;
    struct lt_ctx *c;
    struct lt_progress progress;
    const char *name;
    uint64_t limit, done, kept;         /* limit: n-grams of this level that can go */
    int level;
    uint32_t *renamed;                  /* [words]: ids in what is poured; only with a choice */
};

static bool goes(const struct pouring *p, uint64_t index, const uint32_t *word)
{
    return index < p->limit && (!p->choice || p->choice->keep(p->choice->self, p->level, index, word));
}

static int count(void *self, uint64_t index, const uint32_t *word)
{
    struct pouring *p = self;
    bool kept = goes(p, index, word);
    if (!p->level) p->renamed[index] = kept ? (uint32_t)p->kept : LT_NGRAM_NONE;
    p->kept += kept;
    return index % 65536 == 0 && lt_ctx_interrupted(p->c) ? lt_fail("%s: interrupted", p->name) : 0;
}

static int pour(void *self, uint64_t index, const uint32_t *word)
{
    struct pouring *p = self;
    uint32_t renamed[LT_NGRAM_ORDER_MAX];
    if (!goes(p, index, word)) return 0;
    struct lt_ngram_pair pair = p->layout->figures(p->m, p->level, index, word);
    if (++p->done % 65536 == 0) {
        lt_progress_at(&p->progress, (double)p->done, NULL);
        if (lt_ctx_interrupted(p->c)) return lt_fail("%s: interrupted", p->name);
    }
    if (p->choice) {
        for (int k = 0; k <= p->level; k++) renamed[k] = p->renamed[word[k]];
        word = renamed;
    }
    return p->to->put(p->to->self, p->level, word, pair.prob, pair.backoff);
}

/* <unk> that the model was not given is the last word and stays behind. */
static uint64_t level_limit(const struct lt_ngram *m, int level)
{
    return m->level[level].count - (!level && !m->unk_given);
}

static int count_all(struct pouring *p, struct lt_ngram_shape *shape)
{
    const struct lt_ngram *m = p->m;
    if (p->choice) p->renamed = lt_alloc(m->level[0].count * sizeof *p->renamed);
    for (p->level = 0; p->level < m->order; p->level++) {
        p->limit = level_limit(m, p->level);
        p->kept = 0;
        if (p->choice && lt_ngram_each(m, p->level, count, p)) return -1;
        shape->count[p->level] = p->choice ? p->kept : p->limit;
    }
    return 0;
}

static int copy_words(const struct pouring *p, struct lt_map *out)
{
    const struct lt_ngram *m = p->m;
    uint64_t given = level_limit(m, 0);
    for (uint32_t i = 0; i < given; i++) {
        bool fresh;
        if (p->choice && p->renamed[i] == LT_NGRAM_NONE) continue;
        lt_map_put(out, lt_ngram_spelling(m, i), &fresh);
        if (!fresh) return lt_fail("%s: two words are spelt alike: the file is damaged", p->name);
    }
    return 0;
}

static uint32_t renamed(const struct pouring *p, uint32_t id)
{
    return id == LT_NGRAM_NONE || !p->choice ? id : p->renamed[id];
}

static int pour_all(struct pouring *p, struct lt_map *words)
{
    const struct lt_ngram *m = p->m;
    struct lt_ngram_shape shape = { .order = m->order, .vocabulary = words };
    double total = 0;
    if (count_all(p, &shape) || copy_words(p, words)) return -1;
    shape.unk = m->unk_given ? renamed(p, m->unk) : LT_NGRAM_NONE;
    shape.bos = renamed(p, m->bos);
    shape.eos = renamed(p, m->eos);
    for (int k = 0; k < shape.order; k++) total += (double)shape.count[k];
    if (p->to->begin(p->to->self, &shape)) return -1;
    lt_progress_begin(p->c, &p->progress, "passing on", "n-grams", total);
    int rc = 0;
    for (p->level = 0; p->level < shape.order && !rc; p->level++) {
        p->limit = level_limit(m, p->level);
        rc = lt_ngram_each(m, p->level, pour, p);
    }
    lt_progress_end(&p->progress);
    return rc;
}

int lt_ngram_stream(const struct lt_ngram *m, const char *name, const struct lt_ngram_choice *choice,
                    struct lt_ctx *c, struct lt_ngram_sink *to)
{
    struct pouring p = { .m = m, .layout = lt_ngram_layout(m), .choice = choice, .to = to, .c = c, .name = name };
    struct lt_map words = { 0 };
    int rc = m->file ? lt_ngram_file_verify(m->file, name, c) : 0;
    if (!rc) rc = pour_all(&p, &words);
    if (!rc) rc = to->end(to->self);
    else to->abort(to->self);
    lt_map_free(&words);
    free(p.renamed);
    return rc;
}

uint32_t lt_ngram_index(const struct lt_ngram *m, const uint32_t *word, int n)
{
    uint32_t node = word[0];
    for (int k = 1; k < n && node != LT_NGRAM_NONE; k++)
        node = m->file ? lt_ngram_find(&m->file->level[k], lt_ngram_file_range(m->file, k - 1, node), word[k])
                       : lt_ngram_child(m, k - 1, node, word[k]);
    return node;
}

int lt_ngram_load(const char *path, struct lt_ctx *c, struct lt_ngram **out)
{
    struct lt_ngram_sink sink;
    struct lt_ngram *m;
    if (lt_ngram_open(path, c, &m)) return -1;
    if (!m->file) {
        *out = m;
        return 0;
    }
    lt_ngram_collect(out, &sink);
    int rc = lt_ngram_stream(m, path, NULL, c, &sink);
    lt_ngram_free(m);
    return rc;
}

/* ---- into the levels ---- */
struct collecting {
    struct lt_ngram *m, **out;
    uint64_t count[LT_NGRAM_ORDER_MAX];
    uint32_t word[LT_NGRAM_ORDER_MAX], path[LT_NGRAM_ORDER_MAX];    /* the n-gram before; path[k]: of its first k + 1 */
    uint32_t *link, parent;             /* parent: of the n-gram before */
    int level;
};

static int collect_begin(void *self, const struct lt_ngram_shape *shape)
{
    struct collecting *g = self;
    struct lt_ngram *m = g->m = lt_calloc(1, sizeof *m);
    bool given = m->unk_given = shape->unk != LT_NGRAM_NONE;
    m->order = shape->order;
    m->bos = shape->bos;
    m->eos = shape->eos;
    for (uint32_t i = 0; i < shape->vocabulary->count && i < shape->count[0]; i++)
        *lt_map_put(&m->vocabulary, shape->vocabulary->entry[i].key, NULL) = i;
    m->unk = given ? shape->unk : m->vocabulary.count;
    bool fresh = true;
    if (!given) *lt_map_put(&m->vocabulary, lt_str("<unk>"), &fresh) = m->unk;
    if (!fresh) return lt_fail("<unk> is among the words and yet not the unknown word");
    for (int k = 0; k < m->order; k++) {
        bool top = k == m->order - 1;
        uint64_t n = g->count[k] = shape->count[k] + (!k && !given);
        if (n >= LT_NGRAM_NONE - 1) return lt_fail("more %d-grams than can be held", k + 1);
        m->level[k].word = lt_alloc(LT_MAX(n, 1) * sizeof(uint32_t));
        m->level[k].prob = lt_alloc(LT_MAX(n, 1) * sizeof(float));
        m->level[k].backoff = top ? NULL : lt_alloc(LT_MAX(n, 1) * sizeof(float));
        m->level[k].child = top ? NULL : lt_calloc(n + 1, sizeof(uint32_t));
    }
    return 0;
}

static void add(struct lt_ngram_level *l, uint32_t word, float prob, float backoff)
{
    l->word[l->count] = word;
    l->prob[l->count] = prob;
    if (l->backoff) l->backoff[l->count] = backoff;
    l->count++;
}

/* A level is complete: the level below learns where its n-grams go on, and the blanks are found. */
static void finish_level(struct collecting *g)
{
    struct lt_ngram *m = g->m;
    struct lt_ngram_level *l = &m->level[g->level];
    if (!g->level && !m->unk_given && l->count < g->count[0]) add(l, m->unk, LT_NGRAM_UNK_MISSING, 0);
    if (g->level) {
        struct lt_ngram_level *below = l - 1;
        for (uint32_t i = 0; i < below->count; i++) below->child[i + 1] += below->child[i];
        uint32_t *link = lt_ngram_link(m, g->level, g->link);
        free(g->link);
        g->link = link;
    }
    g->level++;
    g->parent = 0;
}

/* The n-gram of all words but the last; most have it in common with the one before. */
static uint32_t parent_of(struct collecting *g, int level, const uint32_t *word)
{
    int k = 0;
    while (k < level && word[k] == g->word[k]) k++;
    if (k == level && g->m->level[level].count) return g->path[level - 1];
    if (!g->m->level[level].count) k = 0;
    for (; k < level; k++) {
        g->path[k] = k ? lt_ngram_child(g->m, k - 1, g->path[k - 1], word[k]) : word[0];
        if (g->path[k] == LT_NGRAM_NONE) break;
    }
    return g->path[LT_MIN(k, level - 1)];
}

static int collect_put(void *self, int level, const uint32_t *word, float prob, float backoff)
{
    struct collecting *g = self;
    while (g->level < level) finish_level(g);
    struct lt_ngram_level *l = &g->m->level[level];
    if (l->count >= g->count[level] || level != g->level) return lt_fail("more %d-grams than were said", level + 1);
    if (!isfinite(prob) || !isfinite(backoff) || prob > 0)
        return lt_fail("log10 p %g and back-off %g of a %d-gram are no figures", (double)prob, (double)backoff,
                       level + 1);
    if (!level && word[0] != l->count) return lt_fail("word %lu comes where word %lu was expected",
                                                      (unsigned long)word[0], (unsigned long)l->count);
    if (level) {
        uint32_t *child = g->m->level[level - 1].child, parent = parent_of(g, level, word);
        if (parent == LT_NGRAM_NONE)
            return lt_fail("the words before the last of a %d-gram are no %d-gram", level + 1, level);
        bool again = child[parent + 1] && l->word[l->count - 1] >= word[level];
        if (again || parent < g->parent) return lt_fail("%d-grams are not in the order of their words", level + 1);
        child[parent + 1]++;
        g->parent = parent;
    }
    memcpy(g->word, word, ((size_t)level + 1) * sizeof *word);
    add(l, word[level], prob, backoff);
    return 0;
}

static void collect_abort(void *self)
{
    struct collecting *g = self;
    lt_ngram_free(g->m);
    free(g->link);
    free(g);
}

static int collect_end(void *self)
{
    struct collecting *g = self;
    while (g->level < g->m->order) finish_level(g);
    for (int k = 0; k < g->m->order; k++)
        if (g->m->level[k].count != g->count[k]) {
            collect_abort(g);
            return lt_fail("fewer %d-grams than were said", k + 1);
        }
    *g->out = g->m;
    free(g->link);
    free(g);
    return 0;
}

void lt_ngram_collect(struct lt_ngram **out, struct lt_ngram_sink *sink)
{
    struct collecting *g = lt_calloc(1, sizeof *g);
    g->out = out;
    *sink = (struct lt_ngram_sink){ .begin = collect_begin, .put = collect_put, .end = collect_end,
                                    .abort = collect_abort, .self = g };
}
