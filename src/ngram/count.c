/* Counting n-grams in memory.  The places of a text, sorted by the words that stand there, have equal n-grams of every
 * order side by side: one pass over them makes the whole trie.  Places are dealt out by their first word, and those of
 * each word sorted by the words after it. */
#include "base/ctx.h"
#include "ngram/build.h"
#include <stdlib.h>
#include <string.h>

/* ---- a text as words ---- */
void lt_ngram_text_init(struct lt_ngram_text *t, size_t budget)
{
    static const char *const mark[] = { "<unk>", "<s>", "</s>" };
    *t = (struct lt_ngram_text){ .budget = budget };
    for (int i = 0; i < LT_COUNT(mark); i++) *lt_map_put(&t->vocabulary, lt_str(mark[i]), NULL) = (uint64_t)i;
}

void lt_ngram_text_release(struct lt_ngram_text *t)
{
    lt_map_free(&t->vocabulary);
    free(t->token);
    *t = (struct lt_ngram_text){ 0 };
}

/* A token takes 4 bytes as a word, as a place and while places are sorted; a word its spelling and an entry. */
static size_t text_bytes(const struct lt_ngram_text *t)
{
    return 12 * t->n + t->vocabulary.keys.used_total + t->vocabulary.cap * (sizeof *t->vocabulary.entry + 8);
}

static void add_token(struct lt_ngram_text *t, uint32_t id)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap + t->cap / 2 : 4096;
        t->token = lt_realloc(t->token, t->cap * sizeof *t->token);
    }
    t->token[t->n++] = id;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int add_word(struct lt_ngram_text *t, struct lt_str word)
{
    bool fresh;
    uint64_t *id = lt_map_put(&t->vocabulary, word, &fresh);
    if (fresh) *id = t->vocabulary.count - 1;
    if (*id <= LT_TEXT_EOS || lt_str_is(word, "<UNK>"))
        return lt_fail("the word \"%.*s\" is a mark of the model's own: take it out of the text or spell it otherwise",
                       (int)word.n, word.p);
    if (memchr(word.p, 0, word.n)) return lt_fail("a word holds a NUL byte: this is no text, or it is damaged");
    add_token(t, (uint32_t)*id);
    return 0;
}

int lt_ngram_text_add(struct lt_ngram_text *t, struct lt_str line)
{
    add_token(t, LT_TEXT_BOS);
    for (size_t i = 0; i < line.n;) {
        size_t end = i;
        while (end < line.n && !is_space(line.p[end])) end++;
        if (end > i && add_word(t, (struct lt_str){ line.p + i, end - i })) return -1;
        i = end + 1;
    }
    add_token(t, LT_TEXT_EOS);
    if (t->n >= LT_NGRAM_NONE / 2) return lt_fail("the text has more than %lu words", (unsigned long)t->n);
    if (text_bytes(t) > t->budget)
        return lt_fail("the text takes more than the %zu MiB it may (--memory): its first %zu words take %zu to count",
                       t->budget >> 20, t->n, text_bytes(t) >> 20);
    return 0;
}

/* ---- sorted places ---- */
struct sorting { const uint32_t *token; int order; uint32_t *place, *first; };    /* first: [words + 1] */

/* By the words after the first; a sentence's end ends it.  Equal ones keep their order. */
static int by_words(const void *a, const void *b, void *ctx)
{
    const struct sorting *s = ctx;
    const uint32_t *x = s->token + *(const uint32_t *)a, *y = s->token + *(const uint32_t *)b;
    for (int k = 1; k < s->order; k++) {
        if (x[k] != y[k]) return x[k] < y[k] ? -1 : 1;
        if (x[k] == LT_TEXT_EOS) return 0;
    }
    return 0;
}

static void sort_word(void *arg, int64_t word)
{
    struct sorting *s = arg;
    uint32_t n = s->first[word + 1] - s->first[word];
    if (word != LT_TEXT_EOS && n > 1) lt_sort(s->place + s->first[word], n, sizeof *s->place, by_words, s);
}

static void sort_places(const struct lt_ngram_text *t, struct sorting *s, struct lt_ctx *c)
{
    uint32_t words = t->vocabulary.count;
    s->first = lt_calloc((size_t)words + 2, sizeof *s->first);
    s->place = lt_alloc(LT_MAX(t->n, 1) * sizeof *s->place);
    for (size_t i = 0; i < t->n; i++) s->first[t->token[i] + 2]++;
    for (uint32_t w = 0; w < words; w++) s->first[w + 2] += s->first[w + 1];
    for (size_t i = 0; i < t->n; i++) s->place[s->first[t->token[i] + 1]++] = (uint32_t)i;
    if (s->order > 1) lt_pool_run(lt_ctx_pool(c), words, sort_word, s);
}

/* Words at a place, at most `order`, the end of the sentence included. */
static int window(const struct sorting *s, uint32_t place)
{
    int n = 1;
    while (n < s->order && s->token[place + (uint32_t)n - 1] != LT_TEXT_EOS) n++;
    return n;
}

/* Of the window at a place: how many of its words it shares with the one before. */
static int shared(const struct sorting *s, uint32_t before, uint32_t place, int n)
{
    int k = 1;
    while (k < n && s->token[before + (uint32_t)k] == s->token[place + (uint32_t)k]) k++;
    return k;
}

/* ---- the trie ---- */
/* Calls for every new n-gram of two words and more, in the order of the trie, and counts it again where it recurs.
 * With raw[] NULL only the numbers of n-grams are found. */
static void walk(const struct sorting *s, uint32_t words, struct lt_ngram *m, uint32_t **raw)
{
    uint32_t count[LT_NGRAM_ORDER_MAX] = { words };
    for (uint32_t w = 0; w < words; w++) {
        if (raw && m->order > 1) m->level[0].child[w] = count[1];
        for (uint32_t i = s->first[w]; i < s->first[w + 1] && w != LT_TEXT_EOS; i++) {
            uint32_t at = s->place[i];
            int n = window(s, at), old = i > s->first[w] ? shared(s, s->place[i - 1], at, n) : 1;
            for (int k = old; k < n; k++) {
                if (raw) {
                    m->level[k].word[count[k]] = s->token[at + (uint32_t)k];
                    if (m->level[k].child) m->level[k].child[count[k]] = count[k + 1];
                }
                count[k]++;
            }
            for (int k = 1; k < n && raw; k++) raw[k][count[k] - 1]++;
        }
    }
    for (int k = 0; k < m->order; k++) {
        m->level[k].count = count[k];
        if (raw && m->level[k].child) m->level[k].child[count[k]] = count[k + 1];
    }
}

/* Bytes that the trie, its counts and what estimation needs besides take. */
static size_t trie_bytes(const struct lt_ngram *m)
{
    size_t n = 0;
    for (int k = 0; k < m->order; k++) n += m->level[k].count;
    return n * (4 * sizeof(uint32_t) + 2 * sizeof(float) + 2 * sizeof(double));
}

static void allocate(struct lt_ngram_counts *out)
{
    for (int k = 0; k < out->m->order; k++) {
        struct lt_ngram_level *l = &out->m->level[k];
        bool top = k == out->m->order - 1;
        size_t n = LT_MAX(l->count, 1);
        l->word = lt_alloc(n * sizeof *l->word);
        l->prob = lt_calloc(n, sizeof *l->prob);
        l->backoff = top ? NULL : lt_calloc(n, sizeof *l->backoff);
        l->child = top ? NULL : lt_calloc(n + 1, sizeof *l->child);
        out->raw[k] = lt_calloc(n, sizeof *out->raw[k]);
    }
}

int lt_ngram_count(struct lt_ngram_text *t, int order, struct lt_ctx *c, struct lt_ngram_counts *out)
{
    struct sorting s = { .token = t->token, .order = order };
    uint32_t words = t->vocabulary.count;
    if (words <= LT_TEXT_EOS + 1) return lt_fail("the text has no words");
    sort_places(t, &s, c);
    struct lt_ngram *m = lt_calloc(1, sizeof *m);
    *out = (struct lt_ngram_counts){ .m = m };
    m->order = order;
    walk(&s, words, m, NULL);
    int rc = 0;
    if (text_bytes(t) + trie_bytes(m) > t->budget) {
        rc = lt_fail("the n-grams of %zu words take %zu MiB, more than the %zu MiB they may (--memory)", t->n,
                     (text_bytes(t) + trie_bytes(m)) >> 20, t->budget >> 20);
        m->order = 0;
    } else {
        allocate(out);
        walk(&s, words, m, out->raw);
        for (uint32_t w = 0; w < words; w++) {
            m->level[0].word[w] = w;
            out->raw[0][w] = s.first[w + 1] - s.first[w];
        }
        m->vocabulary = t->vocabulary;
        t->vocabulary = (struct lt_map){ 0 };
        m->unk = LT_TEXT_UNK;
        m->bos = LT_TEXT_BOS;
        m->eos = LT_TEXT_EOS;
        m->unk_given = true;
    }
    free(s.place);
    free(s.first);
    if (rc) lt_ngram_counts_release(out);
    return rc;
}

void lt_ngram_counts_release(struct lt_ngram_counts *n)
{
    for (int k = 0; k < LT_NGRAM_ORDER_MAX; k++) free(n->raw[k]);
    lt_ngram_free(n->m);
    *n = (struct lt_ngram_counts){ 0 };
}
