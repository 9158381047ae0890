/* Looking up n-grams. */
#include "ngram/ngram.h"
#include <stdlib.h>
#include <string.h>

uint32_t lt_ngram_word(const struct lt_ngram *m, struct lt_str word)
{
    const uint64_t *id = lt_map_get(&m->vocabulary, word);
    return id ? (uint32_t)*id : m->unk;
}

struct lt_str lt_ngram_spelling(const struct lt_ngram *m, uint32_t id)
{
    return m->vocabulary.entry[id].key;
}

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

/* ext[k]: the n-gram of the last k words and this one, an index into level k; returns the words of the longest. */
static int extend(const struct lt_ngram *m, const struct lt_ngram_state *s, uint32_t word, uint32_t *ext)
{
    int longest = 1;
    ext[0] = word;
    for (int k = 1; k <= s->n; k++) {
        ext[k] = s->node[k] == LT_NGRAM_NONE ? LT_NGRAM_NONE : lt_ngram_child(m, k - 1, s->node[k], word);
        if (ext[k] != LT_NGRAM_NONE) longest = k + 1;
    }
    return longest;
}

static void move_on(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word, const uint32_t *ext)
{
    int n = LT_MIN(s->n + 1, m->order - 1);
    for (int k = n; k >= 1; k--) {
        s->node[k] = ext[k - 1];
        s->word[k - 1] = k == 1 ? word : s->word[k - 2];
    }
    s->n = n;
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

double lt_ngram_prob(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word, int *length)
{
    uint32_t ext[LT_NGRAM_ORDER_MAX];
    int longest = extend(m, s, word, ext);
    double p = (double)m->level[longest - 1].prob[ext[longest - 1]];
    for (int k = longest; k <= s->n; k++)
        if (s->node[k] != LT_NGRAM_NONE) p += (double)m->level[k - 1].backoff[s->node[k]];
    if (length) *length = m->blank.count ? with_blanks(m, s, word, longest) : longest;
    move_on(m, s, word, ext);
    return p;
}

void lt_ngram_push(const struct lt_ngram *m, struct lt_ngram_state *s, uint32_t word)
{
    uint32_t ext[LT_NGRAM_ORDER_MAX];
    extend(m, s, word, ext);
    move_on(m, s, word, ext);
}

/* From the unigrams up, longer matches written over shorter ones: as many steps as there are words and continuations,
 * none of them a search. */
void lt_ngram_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out)
{
    double backoff[LT_NGRAM_ORDER_MAX + 1];     /* [k]: what a match of k words of context is charged */
    backoff[s->n] = 0;
    for (int k = s->n; k >= 1; k--)
        backoff[k - 1] = backoff[k] +
                         (s->node[k] == LT_NGRAM_NONE ? 0 : (double)m->level[k - 1].backoff[s->node[k]]);
    const struct lt_ngram_level *l = &m->level[0];
    for (uint32_t w = 0; w < l->count; w++) out[w] = (float)(((double)l->prob[w] + backoff[0]) * scale);
    for (int k = 1; k <= s->n; k++) {
        if (s->node[k] == LT_NGRAM_NONE) continue;
        const uint32_t *child = m->level[k - 1].child + s->node[k];
        l = &m->level[k];
        for (uint32_t i = child[0]; i < child[1]; i++)
            out[l->word[i]] = (float)(((double)l->prob[i] + backoff[k]) * scale);
    }
}

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
    free(m);
}
