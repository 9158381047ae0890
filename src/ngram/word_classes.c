#include "ngram/word_classes.h"
#include "base/ctx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE = 1 << 16 };

struct neighbour { uint32_t word, count; };
/* Words after (or before) each word: those of word w are list[first[w]] .. list[first[w + 1] - 1]. */
struct neighbours { uint32_t *first; struct neighbour *list; };
/* The classes beside one word: count[g] for the `used` ones listed. */
struct beside { uint32_t *count, *listed, used; };

struct exchange {
    struct lt_classes *k;
    struct neighbours after, before;
    struct beside right, left;
    uint32_t self;                  /* how often the word stands beside itself */
    int64_t *pair;                  /* [classes][classes] */
    int64_t *as_left, *as_right;    /* [classes]: sums over the rows, over the columns */
    double *table;                  /* n log n */
};

static double f(const struct exchange *x, int64_t n)
{
    return n < TABLE ? x->table[n] : (double)n * log((double)n);
}

/* ---- bigrams ---- */
static int by_word(const void *a, const void *b, void *ctx)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    (void)ctx;
    return x < y ? -1 : x > y;
}

/* The neighbours `step` places on, gathered a word at a time. */
static struct neighbours gather(const struct lt_sentences *s, int step)
{
    uint32_t words = s->vocabulary.count, *first = lt_calloc((size_t)words + 2, sizeof *first), made = 0;
    uint32_t *all = lt_alloc(LT_MAX(s->n, 1) * sizeof *all);
    const uint32_t *token = s->token;
    struct neighbours out = { .first = lt_calloc((size_t)words + 1, sizeof *out.first) };
    uint32_t none = step > 0 ? LT_SENTENCES_EOS : LT_SENTENCES_BOS;     /* has no neighbour on that side */
    for (size_t i = 0; i < s->n; i++) first[token[i] + 2] += token[i] != none;
    for (uint32_t w = 0; w < words; w++) first[w + 2] += first[w + 1];
    for (size_t i = 0; i < s->n; i++)
        if (token[i] != none) all[first[token[i] + 1]++] = token[step > 0 ? i + 1 : i - 1];
    out.list = lt_alloc(LT_MAX(s->n, 1) * sizeof *out.list);
    for (uint32_t w = 0; w < words; w++) {
        out.first[w] = made;
        lt_sort(all + first[w], first[w + 1] - first[w], sizeof *all, by_word, NULL);
        for (uint32_t i = first[w]; i < first[w + 1]; i++) {
            if (i == first[w] || all[i] != all[i - 1]) out.list[made++] = (struct neighbour){ all[i], 0 };
            out.list[made - 1].count++;
        }
    }
    out.first[words] = made;
    free(all);
    free(first);
    return out;
}

/* ---- one word ---- */
static void list_classes(const struct exchange *x, const struct neighbours *n, uint32_t word, struct beside *b)
{
    for (uint32_t i = 0; i < b->used; i++) b->count[b->listed[i]] = 0;
    b->used = 0;
    for (uint32_t i = n->first[word]; i < n->first[word + 1]; i++) {
        if (n->list[i].word == word) continue;
        uint32_t g = x->k->of[n->list[i].word];
        if (!b->count[g]) b->listed[b->used++] = g;
        b->count[g] += n->list[i].count;
    }
}

static void list_beside(struct exchange *x, uint32_t word)
{
    list_classes(x, &x->after, word, &x->right);
    list_classes(x, &x->before, word, &x->left);
    x->self = 0;
    for (uint32_t i = x->after.first[word]; i < x->after.first[word + 1]; i++)
        if (x->after.list[i].word == word) x->self = x->after.list[i].count;
}

static uint32_t sum(const struct neighbours *n, uint32_t word)
{
    uint32_t t = 0;
    for (uint32_t i = n->first[word]; i < n->first[word + 1]; i++) t += n->list[i].count;
    return t;
}

/* Adds (sign 1) or takes (-1) what the word beside its neighbours contributes to class g. */
static void move(struct exchange *x, uint32_t word, uint32_t g, int sign)
{
    size_t classes = x->k->classes;
    for (uint32_t i = 0; i < x->right.used; i++)
        x->pair[g * classes + x->right.listed[i]] += sign * (int64_t)x->right.count[x->right.listed[i]];
    for (uint32_t i = 0; i < x->left.used; i++)
        x->pair[x->left.listed[i] * classes + g] += sign * (int64_t)x->left.count[x->left.listed[i]];
    x->pair[g * classes + g] += sign * (int64_t)x->self;
    x->as_left[g] += sign * (int64_t)sum(&x->after, word);
    x->as_right[g] += sign * (int64_t)sum(&x->before, word);
}

/* By how much F grows when the word, which is in no class, joins g. */
static double gain(const struct exchange *x, uint32_t g, uint32_t right, uint32_t left)
{
    size_t classes = x->k->classes;
    const int64_t *row = x->pair + g * classes, own = row[g];
    double d = 0;
    for (uint32_t i = 0; i < x->right.used; i++) {
        uint32_t h = x->right.listed[i];
        if (h != g) d += f(x, row[h] + x->right.count[h]) - f(x, row[h]);
    }
    for (uint32_t i = 0; i < x->left.used; i++) {
        uint32_t h = x->left.listed[i];
        int64_t n = x->pair[h * classes + g];
        if (h != g) d += f(x, n + x->left.count[h]) - f(x, n);
    }
    d += f(x, own + x->right.count[g] + x->left.count[g] + x->self) - f(x, own);
    d -= f(x, x->as_left[g] + right) - f(x, x->as_left[g]);
    return d - (f(x, x->as_right[g] + left) - f(x, x->as_right[g]));
}

/* Puts the word where it does most good; of equal classes the one it is in, then the first. */
static bool place(struct exchange *x, uint32_t word)
{
    uint32_t old = x->k->of[word], best = old;
    list_beside(x, word);
    move(x, word, old, -1);
    uint32_t right = sum(&x->after, word), left = sum(&x->before, word);
    double most = gain(x, old, right, left), slack = 1e-9 * (fabs(most) + 1);
    for (uint32_t g = LT_SENTENCES_MARKS; g < x->k->classes; g++) {
        double d = g == old ? most : gain(x, g, right, left);
        if (d <= most + slack) continue;
        most = d;
        best = g;
    }
    x->k->of[word] = best;
    move(x, word, best, 1);
    return best != old;
}

/* ---- all of them ---- */
static int by_count(const void *a, const void *b, void *ctx)
{
    const uint64_t *count = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (count[x] != count[y]) return count[x] > count[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static double information(const struct exchange *x)
{
    double d = 0, total = 0;
    for (uint32_t g = 0; g < x->k->classes; g++) total += (double)x->as_left[g];
    for (size_t i = 0; i < (size_t)x->k->classes * x->k->classes; i++) d += f(x, x->pair[i]);
    for (uint32_t g = 0; g < x->k->classes; g++) d -= f(x, x->as_left[g]) + f(x, x->as_right[g]);
    return d / total + log(total);
}

static void begin(struct exchange *x, const struct lt_sentences *s, const uint32_t *order)
{
    struct lt_classes *k = x->k;
    size_t n = k->classes;
    for (uint32_t i = 0; i < k->words; i++)
        k->of[order[i]] = order[i] < LT_SENTENCES_MARKS ? order[i] : LT_SENTENCES_MARKS;
    for (uint32_t i = 0, g = LT_SENTENCES_MARKS; i < k->words && g + 1 < k->classes; i++)
        if (order[i] >= LT_SENTENCES_MARKS) k->of[order[i]] = ++g;
    x->after = gather(s, 1);
    x->before = gather(s, -1);
    struct beside *b[] = { &x->right, &x->left };
    for (int i = 0; i < 2; i++)
        *b[i] = (struct beside){ .count = lt_calloc(n, sizeof(uint32_t)), .listed = lt_alloc(n * sizeof(uint32_t)) };
    x->pair = lt_calloc(n * n, sizeof *x->pair);
    x->as_left = lt_calloc(n, sizeof *x->as_left);
    x->as_right = lt_calloc(n, sizeof *x->as_right);
    for (uint32_t w = 0; w < k->words; w++)
        for (uint32_t i = x->after.first[w]; i < x->after.first[w + 1]; i++) {
            uint32_t g = k->of[w], h = k->of[x->after.list[i].word];
            x->pair[g * n + h] += x->after.list[i].count;
            x->as_left[g] += x->after.list[i].count;
            x->as_right[h] += x->after.list[i].count;
        }
    x->table = lt_alloc(TABLE * sizeof *x->table);
    for (int i = 0; i < TABLE; i++) x->table[i] = i ? i * log(i) : 0;
}

static int run_rounds(struct exchange *x, const uint32_t *order, int rounds, struct lt_ctx *c)
{
    struct lt_progress p;
    int rc = 0;
    bool moved = true;
    lt_progress_begin(c, &p, "exchanging", "words", (double)rounds * x->k->words);
    for (int r = 0; r < rounds && moved && !rc; r++) {
        moved = false;
        for (uint32_t i = 0; i < x->k->words && !rc; i++) {
            if (order[i] >= LT_SENTENCES_MARKS && place(x, order[i])) moved = true;
            if (i % 256 == 0) lt_progress_at(&p, (double)r * x->k->words + i, NULL);
            if (i % 256 == 0 && lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
        }
        x->k->rounds += moved;
    }
    lt_progress_end(&p);
    return rc;
}

int lt_classes_learn(const struct lt_sentences *s, uint32_t classes, int rounds, struct lt_ctx *c,
                     struct lt_classes *out)
{
    uint32_t words = s->vocabulary.count, *order = lt_alloc(words * sizeof *order);
    *out = (struct lt_classes){ .words = words, .classes = LT_MIN(classes + LT_SENTENCES_MARKS, words),
                                .of = lt_alloc(words * sizeof *out->of),
                                .count = lt_calloc(words, sizeof *out->count) };
    struct exchange x = { .k = out };
    for (size_t i = 0; i < s->n; i++) out->count[s->token[i]]++;
    for (uint32_t w = 0; w < words; w++) order[w] = w;
    lt_sort(order, words, sizeof *order, by_count, out->count);
    begin(&x, s, order);
    int rc = run_rounds(&x, order, rounds, c);
    out->information = information(&x);
    void *const made[] = { order, x.after.first, x.after.list, x.before.first, x.before.list, x.right.count,
                           x.right.listed, x.left.count, x.left.listed, x.pair, x.as_left, x.as_right, x.table };
    for (int i = 0; i < LT_COUNT(made); i++) free(made[i]);
    return rc;
}

void lt_classes_release(struct lt_classes *k)
{
    free(k->of);
    free(k->count);
    *k = (struct lt_classes){ 0 };
}
