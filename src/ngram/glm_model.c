/* Reading GLM files and asking them. */
#include "ngram/glm_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GLM files are mapped as they lie: little-endian");

struct cursor { const uint8_t *p; size_t n, at; };

/* The next `count` elements of `size` bytes; NULL when the file ends before. */
static const void *take(struct cursor *c, uint64_t count, size_t size)
{
    if (count > (c->n - c->at) / size) return NULL;
    const void *p = c->p + c->at;
    c->at += (size_t)count * size;
    return p;
}

static int align(struct cursor *c)
{
    size_t to = (c->at + 7) / 8 * 8;
    if (to > c->n) return -1;
    c->at = to;
    return 0;
}

static int read_words(struct lt_glm *m, struct cursor *c, uint64_t size)
{
    m->spelling_at = take(c, (uint64_t)m->words + 1, sizeof *m->spelling_at);
    m->spelling = take(c, size, 1);
    if (!m->spelling_at || !m->spelling || align(c)) return lt_fail("cut short inside its words");
    bool good = m->spelling_at[0] == 0 && m->spelling_at[m->words] == size;
    for (uint32_t i = 0; i < m->words && good; i++) good = m->spelling_at[i] < m->spelling_at[i + 1];
    return good ? 0 : lt_fail("the places of its words contradict one another: the file is damaged");
}

static int read_pattern(struct lt_glm *m, struct cursor *c, uint32_t mask)
{
    struct lt_glm_pattern *p = &m->pattern[mask];
    const struct lt_glm_block *b = take(c, 1, sizeof *b);
    if (!b) return lt_fail("cut short before its pattern %u", (unsigned)mask);
    uint32_t above = mask ? m->pattern[mask ^ lt_glm_top(mask)].contexts : 0;
    if (b->mask != mask || b->parents != above || (!mask && b->contexts != 1))
        return lt_fail("expected pattern %u over %u contexts, found pattern %u over %u: the file is damaged",
                       (unsigned)mask, (unsigned)above, (unsigned)b->mask, (unsigned)b->parents);
    *p = (struct lt_glm_pattern){ .parents = b->parents, .contexts = b->contexts, .nexts = b->nexts,
                                  .discount = { 0, b->discount[0], b->discount[1], b->discount[2] } };
    if (mask) {
        p->child = take(c, (uint64_t)p->parents + 1, sizeof *p->child);
        p->word = take(c, p->contexts, sizeof *p->word);
    }
    p->first = take(c, (uint64_t)p->contexts + 1, sizeof *p->first);
    p->gamma = take(c, p->contexts, sizeof *p->gamma);
    p->next = take(c, p->nexts, sizeof *p->next);
    p->share = take(c, p->nexts, sizeof *p->share);
    if ((mask && (!p->child || !p->word)) || !p->first || !p->gamma || !p->next || !p->share || align(c))
        return lt_fail("cut short inside its pattern %u", (unsigned)mask);
    m->contexts += p->contexts;
    m->nexts += p->nexts;
    return 0;
}

static int read_all(struct lt_glm *m, struct cursor *c)
{
    const struct lt_glm_header *h = take(c, 1, sizeof *h);
    if (!h || memcmp(h->magic, LT_GLM_MAGIC, sizeof h->magic)) return lt_fail("expected a GLM file, found another");
    if (h->version != LT_GLM_VERSION)
        return lt_fail("version %u of the format; this program reads version %d: build the model again",
                       (unsigned)h->version, LT_GLM_VERSION);
    if (h->order < 2 || h->order > LT_GLM_ORDER_MAX || h->first_only > 1 || h->words < LT_SENTENCES_MARKS ||
        h->words > INT32_MAX)
        return lt_fail("order %u over %u words: the file is damaged", (unsigned)h->order, (unsigned)h->words);
    if (!(h->ratio >= 1 && h->ratio <= LT_GLM_RATIO_MAX))
        return lt_fail("a ratio of %g: the file is damaged", h->ratio);
    if (h->file_size != c->n)
        return lt_fail("expected %llu bytes, found %zu: the file was cut short or changed",
                       (unsigned long long)h->file_size, c->n);
    m->order = (int)h->order;
    m->first_only = h->first_only;
    m->words = h->words;
    m->ratio = h->ratio;
    m->lean[0] = 1;
    for (int i = 1; i < m->order - 1; i++) m->lean[i] = m->lean[i - 1] * m->ratio;
    if (read_words(m, c, h->spelling_size)) return -1;
    for (uint32_t mask = 0; mask < 1u << (m->order - 1); mask++)
        if (lt_glm_has(m->first_only, mask) && read_pattern(m, c, mask)) return -1;
    return c->at == c->n ? 0 : lt_fail("%zu bytes more than its patterns take: the file is damaged", c->n - c->at);
}

int lt_glm_parse(const char *label, const uint8_t *p, size_t n, struct lt_glm **out)
{
    struct lt_glm *m = lt_calloc(1, sizeof *m);
    struct cursor c = { p, n, 0 };
    if (read_all(m, &c)) {
        free(m);
        return lt_fail("%s: %s", label, lt_error());
    }
    *out = m;
    return 0;
}

int lt_glm_open(const char *path, struct lt_glm **out)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return -1;
    if (lt_glm_parse(path, f.p, f.n, out)) {
        lt_file_close(&f);
        return -1;
    }
    (*out)->file = f;
    return 0;
}

bool lt_glm_is(const char *path)
{
    char magic[8];
    if (lt_path_is_dir(path)) return false;
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    bool is = fread(magic, 1, sizeof magic, f) == sizeof magic && !memcmp(magic, LT_GLM_MAGIC, sizeof magic);
    fclose(f);
    return is;
}

void lt_glm_free(struct lt_glm *m)
{
    if (!m) return;
    if (m->file.p) lt_file_close(&m->file);
    free(m);
}

struct lt_str lt_glm_spelling(const struct lt_glm *m, uint32_t id)
{
    return (struct lt_str){ m->spelling + m->spelling_at[id], m->spelling_at[id + 1] - m->spelling_at[id] };
}

/* ---- asking ---- */
/* The elements of a list from `begin` to `end` that the file gives; an empty range when it contradicts itself. */
static bool range(const uint32_t *first, uint32_t i, uint32_t count, uint32_t *begin, uint32_t *end)
{
    *begin = first[i];
    *end = first[i + 1];
    return *begin < *end && *end <= count;
}

static uint32_t find(const uint32_t *list, uint32_t begin, uint32_t end, uint32_t word)
{
    uint32_t low = begin, high = end;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (list[mid] < word) low = mid + 1;
        else high = mid;
    }
    return low < end && list[low] == word ? low : LT_GLM_NONE;
}

static uint32_t match(const struct lt_glm *m, const struct lt_glm_view *v, uint32_t mask, const int32_t *word, int n)
{
    uint32_t top = lt_glm_top(mask), above = v->node[mask ^ top], begin, end;
    const struct lt_glm_pattern *p = &m->pattern[mask];
    int place = 32 - __builtin_clz(mask);
    if (above == LT_GLM_NONE || !range(p->child, above, p->contexts, &begin, &end)) return LT_GLM_NONE;
    return find(p->word, begin, end, (uint32_t)word[n - place]);
}

/* Hands what a pattern leaves over down to the patterns without one of its words. */
static void hand_down(const struct lt_glm *m, struct lt_glm_view *v, uint32_t mask)
{
    double rest = v->weight[mask];
    if (v->node[mask] != LT_GLM_NONE) rest *= (double)m->pattern[mask].gamma[v->node[mask]];
    if (m->first_only) {
        v->weight[mask ^ lt_glm_top(mask)] += rest;
        return;
    }
    double all = 0;
    for (uint32_t left = mask; left; left &= left - 1) all += m->lean[__builtin_ctz(left)];
    for (uint32_t left = mask; left; left &= left - 1)
        v->weight[mask ^ (left & -left)] += rest * m->lean[__builtin_ctz(left)] / all;
}

void lt_glm_look(const struct lt_glm *m, const int32_t *word, int n, struct lt_glm_view *v)
{
    int known = LT_MIN(n, m->order - 1);
    v->patterns = 1 << known;
    v->node[0] = 0;
    v->weight[0] = 0;
    for (uint32_t mask = 1; mask < (uint32_t)v->patterns; mask++) {
        v->weight[mask] = 0;
        v->node[mask] = lt_glm_has(m->first_only, mask) ? match(m, v, mask, word, n) : LT_GLM_NONE;
    }
    v->weight[v->patterns - 1] = 1;
    for (uint32_t mask = (uint32_t)v->patterns - 1; mask; mask--)
        if (v->weight[mask] > 0) hand_down(m, v, mask);
    v->floor = v->weight[0] * (double)m->pattern[0].gamma[0] / ((double)m->words - 1);
}

/* Both sum in the order of the masks, so that a word has the same bits either way. */
double lt_glm_prob(const struct lt_glm *m, const struct lt_glm_view *v, uint32_t word)
{
    double p = v->floor;
    if (word == LT_SENTENCES_BOS) return 0;
    for (int mask = 0; mask < v->patterns; mask++) {
        const struct lt_glm_pattern *t = &m->pattern[mask];
        uint32_t begin, end;
        if (v->weight[mask] <= 0 || v->node[mask] == LT_GLM_NONE) continue;
        if (!range(t->first, v->node[mask], t->nexts, &begin, &end)) continue;
        uint32_t at = find(t->next, begin, end, word);
        if (at != LT_GLM_NONE) p += v->weight[mask] * (double)t->share[at];
    }
    return p;
}

void lt_glm_row(const struct lt_glm *m, const struct lt_glm_view *v, double *out)
{
    for (uint32_t w = 0; w < m->words; w++) out[w] = v->floor;
    for (int mask = 0; mask < v->patterns; mask++) {
        const struct lt_glm_pattern *t = &m->pattern[mask];
        uint32_t begin, end;
        if (v->weight[mask] <= 0 || v->node[mask] == LT_GLM_NONE) continue;
        if (!range(t->first, v->node[mask], t->nexts, &begin, &end)) continue;
        for (uint32_t i = begin; i < end; i++)
            if (t->next[i] < m->words) out[t->next[i]] += v->weight[mask] * (double)t->share[i];
    }
    out[LT_SENTENCES_BOS] = 0;
}
