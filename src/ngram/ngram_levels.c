/* Models in memory, and what all layouts share. */
#include "ngram/binary.h"
#include <stdlib.h>

/* ---- words ---- */
uint32_t lt_ngram_words(const struct lt_ngram *m)
{
    return m->level[0].count;
}

uint32_t lt_ngram_word(const struct lt_ngram *m, struct lt_str word)
{
    if (m->file) {
        uint32_t found = lt_ngram_file_word(m->file, word);
        return found == LT_NGRAM_NONE ? m->unk : found;
    }
    const uint64_t *id = lt_map_get(&m->vocabulary, word);
    return id ? (uint32_t)*id : m->unk;
}

void lt_ngram_ids(const struct lt_ngram *m, const struct lt_str *word, int n, uint32_t *id)
{
    if (m->file) lt_ngram_file_ids(m->file, word, n, id);
    else for (int i = 0; i < n; i++) id[i] = lt_ngram_word(m, word[i]);
}

struct lt_str lt_ngram_spelling(const struct lt_ngram *m, uint32_t id)
{
    return m->file ? lt_ngram_file_spelling(m->file, id) : m->vocabulary.entry[id].key;
}

/* ---- asking ---- */
const struct lt_ngram_layout *lt_ngram_layout(const struct lt_ngram *m)
{
    return !m->file ? &lt_ngram_layout_levels
                    : m->file->head.layout == LT_NGRAM_HASH ? &lt_ngram_layout_hash : &lt_ngram_layout_trie;
}

void lt_ngram_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                    const struct lt_ngram_run *run)
{
    lt_ngram_layout(m)->score(m, begin, s, run);
}

double lt_ngram_prob(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word, int *length)
{
    double logp;
    uint8_t words;
    lt_ngram_layout(m)->score(m, NULL, s, &(struct lt_ngram_run){ &word, 1, &logp, &words });
    if (length) *length = words;
    return logp;
}

void lt_ngram_push(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word)
{
    lt_ngram_prob(m, s, word, NULL);
}

void lt_ngram_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out)
{
    lt_ngram_layout(m)->row(m, s, scale, out);
}

/* ---- the levels ---- */
uint32_t lt_ngram_child(const struct lt_ngram *m, int level, uint32_t node, uint32_t word)
{
    const uint32_t *child = m->level[level].child, *w = m->level[level + 1].word;
    uint32_t low = child[node], end = child[node + 1], high = end;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (w[mid] < word) low = mid + 1;
        else high = mid;
    }
    return low < end && w[low] == word ? low : LT_NGRAM_NONE;
}

/* Counts on while the words, one more each time, are the end of some n-gram. */
static int with_blanks(const struct lt_ngram *m, const struct lt_ngram_state *s, uint32_t word, int length)
{
    uint32_t key[LT_NGRAM_ORDER_MAX];
    for (; length <= s->n; length++) {
        for (int i = 0; i < length; i++) key[i] = s->word[length - 1 - i];
        key[length] = word;
        struct lt_str bytes = { (const char *)key, ((size_t)length + 1) * sizeof *key };
        if (!lt_map_get(&m->blank, bytes)) break;
    }
    return length;
}

/* What is known after one more word: next->node and next->backoff of up to `longest` words are there already. */
void lt_ngram_move(struct lt_ngram_state *s, struct lt_ngram_state *next, uint32_t word, int longest, int length,
                   int order)
{
    next->n = LT_MIN(length, order - 1);
    next->word[0] = word;
    for (int k = 1; k < next->n; k++) next->word[k] = s->word[k - 1];
    for (int k = longest + 1; k <= next->n; k++) {
        next->node[k] = LT_NGRAM_NONE;
        next->backoff[k] = 0;
    }
    *s = *next;
}

static double step(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word, int *length)
{
    struct lt_ngram_state next;
    int longest = 1, order = m->order;
    next.node[1] = word;
    for (int k = 1; k <= s->n; k++) {
        uint32_t found = s->node[k] == LT_NGRAM_NONE ? LT_NGRAM_NONE : lt_ngram_child(m, k - 1, s->node[k], word);
        if (k < order - 1) next.node[k + 1] = found;
        else next.node[0] = found;                      /* of the highest order only the figure matters */
        if (found != LT_NGRAM_NONE) longest = k + 1;
        else if (!m->blank.count) break;                /* nor is anything longer there, or this would be its end */
    }
    double p = (double)m->level[longest - 1].prob[longest < order || order == 1 ? next.node[longest] : next.node[0]];
    for (int k = longest; k <= s->n; k++) p += (double)s->backoff[k];
    for (int k = 1; k <= longest && k < order; k++)
        next.backoff[k] = next.node[k] == LT_NGRAM_NONE ? 0 : m->level[k - 1].backoff[next.node[k]];
    *length = m->blank.count ? with_blanks(m, s, word, longest) : longest;
    lt_ngram_move(s, &next, word, longest, *length, order);
    return p;
}

static void levels_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                         const struct lt_ngram_run *run)
{
    for (int i = 0; i < run->n; i++) {
        int length;
        if (run->word[i] == LT_NGRAM_NONE) {
            *s = *begin;
            continue;
        }
        run->logp[i] = step(m, s, run->word[i], &length);
        run->length[i] = (uint8_t)length;
    }
}

/* What a match of k words of context is charged. */
void lt_ngram_charges(const struct lt_ngram_state *s, double *charge)
{
    charge[s->n] = 0;
    for (int k = s->n; k >= 1; k--) charge[k - 1] = charge[k] + (double)s->backoff[k];
}

/* From the unigrams up, longer matches written over shorter ones: as many steps as there are words and continuations,
 * none of them a search. */
static void levels_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out)
{
    double charge[LT_NGRAM_ORDER_MAX + 1];
    lt_ngram_charges(s, charge);
    const struct lt_ngram_level *l = &m->level[0];
    for (uint32_t w = 0; w < l->count; w++) out[w] = (float)(((double)l->prob[w] + charge[0]) * scale);
    for (int k = 1; k <= s->n; k++) {
        if (s->node[k] == LT_NGRAM_NONE) continue;
        const uint32_t *child = m->level[k - 1].child + s->node[k];
        l = &m->level[k];
        for (uint32_t i = child[0]; i < child[1]; i++)
            out[l->word[i]] = (float)(((double)l->prob[i] + charge[k]) * scale);
    }
}

static struct lt_ngram_pair levels_figures(const struct lt_ngram *m, int level, uint64_t index, const uint32_t *word)
{
    const struct lt_ngram_level *l = &m->level[level];
    (void)word;
    return (struct lt_ngram_pair){ l->prob[index], l->backoff ? l->backoff[index] : 0 };
}

const struct lt_ngram_layout lt_ngram_layout_levels = {
    .score = levels_score, .row = levels_row, .figures = levels_figures,
};

void lt_ngram_free(struct lt_ngram *m)
{
    if (!m) return;
    for (int k = 0; k < LT_NGRAM_ORDER_MAX; k++) {
        free(m->level[k].word);
        free(m->level[k].prob);
        free(m->level[k].backoff);
        free(m->level[k].child);
    }
    lt_map_free(&m->vocabulary);
    lt_map_free(&m->blank);
    lt_ngram_unmap(m->file);
    free(m);
}
