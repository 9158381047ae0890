/* The small layout: n-grams in the order of the trie, each as long as its word and the codes of its figures need. */
#include "ngram/binary.h"

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline float prob_of(const struct lt_ngram_packed *l, uint64_t i)
{
    uint32_t code = (uint32_t)lt_ngram_bits(l->entry, i * l->width + l->word_bits, l->prob_bits);
    return l->prob ? l->prob[code] : float_of(code | 0x80000000u);
}

static inline float backoff_of(const struct lt_ngram_packed *l, uint64_t i)
{
    uint32_t code = (uint32_t)lt_ngram_bits(l->entry, i * l->width + l->word_bits + l->prob_bits, l->backoff_bits);
    return l->backoff ? l->backoff[code] : float_of(code);
}

/* Counts on while the words, one more each time, are the end of some n-gram. */
static int with_blanks(const struct lt_ngram_file *f, const struct lt_ngram_state *s, uint32_t word, int length)
{
    uint64_t mask = f->head.blank_slots - 1, key = lt_ngram_key(f->head.seed, word);
    for (int k = 0; k < length - 1; k++) key = lt_ngram_key(key, s->word[k]);
    for (; length <= s->n; length++) {
        key = lt_ngram_key(key, s->word[length - 1]);
        uint64_t sought = lt_ngram_key_end(key), at = sought & mask, step = 0;
        while (f->blank[at] && f->blank[at] != sought && step++ < mask) at = (at + 1) & mask;
        if (f->blank[at] != sought) break;
    }
    return length;
}

static double step(const struct lt_ngram_file *f, struct lt_ngram_state *s, uint32_t word, int order, int *length)
{
    struct lt_ngram_state next;
    struct lt_ngram_pair unigram = f->unigram[word];
    float prob = unigram.prob;
    int longest = 1;
    next.node[1] = word;
    next.backoff[1] = unigram.backoff;
    for (int k = 1; k <= s->n; k++) {
        uint32_t found = LT_NGRAM_NONE;
        if (s->node[k] != LT_NGRAM_NONE)
            found = lt_ngram_find(&f->level[k], lt_ngram_file_range(f, k - 1, s->node[k]), word);
        if (k < order - 1) {
            next.node[k + 1] = found;
            next.backoff[k + 1] = found == LT_NGRAM_NONE ? 0 : backoff_of(&f->level[k], found);
        }
        if (found == LT_NGRAM_NONE) {
            if (!f->blank) break;                       /* nor is anything longer there, or this would be its end */
            continue;
        }
        prob = prob_of(&f->level[k], found);
        longest = k + 1;
    }
    double p = (double)prob;
    for (int k = longest; k <= s->n; k++) p += (double)s->backoff[k];
    *length = f->blank ? with_blanks(f, s, word, longest) : longest;
    lt_ngram_move(s, &next, word, longest, *length, order);
    return p;
}

static void trie_score(const struct lt_ngram *m, const struct lt_ngram_state *begin, struct lt_ngram_state *s,
                       const struct lt_ngram_run *run)
{
    for (int i = 0; i < run->n; i++) {
        int length;
        if (run->word[i] == LT_NGRAM_NONE) {
            *s = *begin;
            continue;
        }
        run->logp[i] = step(m->file, s, run->word[i], m->order, &length);
        run->length[i] = (uint8_t)length;
    }
}

static void trie_row(const struct lt_ngram *m, const struct lt_ngram_state *s, double scale, float *out)
{
    const struct lt_ngram_file *f = m->file;
    double charge[LT_NGRAM_ORDER_MAX + 1];
    lt_ngram_charges(s, charge);
    for (uint64_t w = 0; w < f->head.count[0]; w++)
        out[w] = (float)(((double)f->unigram[w].prob + charge[0]) * scale);
    for (int k = 1; k <= s->n; k++) {
        if (s->node[k] == LT_NGRAM_NONE) continue;
        struct lt_ngram_range r = lt_ngram_file_range(f, k - 1, s->node[k]);
        for (uint64_t i = r.from; i < r.end; i++)
            out[lt_ngram_entry_word(&f->level[k], i, f->head.count[0])] =
                (float)(((double)prob_of(&f->level[k], i) + charge[k]) * scale);
    }
}

static struct lt_ngram_pair trie_figures(const struct lt_ngram *m, int level, uint64_t index, const uint32_t *word)
{
    const struct lt_ngram_file *f = m->file;
    (void)word;
    if (!level) return f->unigram[index];
    const struct lt_ngram_packed *l = &f->level[level];
    return (struct lt_ngram_pair){ prob_of(l, index), level < m->order - 1 ? backoff_of(l, index) : 0 };
}

const struct lt_ngram_layout lt_ngram_layout_trie = { .score = trie_score, .row = trie_row, .figures = trie_figures };
