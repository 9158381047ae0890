/* Seeds are the inner nodes of the suffix tree, found as the intervals of a suffix array with its longest common
 * prefixes (Abouelhoda et al. 2004), and whole suffixes of words that are seen at least twice.  Suffixes end with
 * their stretch and are compared over `longest` characters only, so that sorting is a multikey quicksort (Bentley and
 * Sedgewick 1997) of bounded depth. */
#include "text/train/unigram_model.h"

#include "text/tok_char.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPACE_MARK = 0x2581 };

void lt_stretches_of(const struct lt_words *w, const struct lt_alphabet *a, struct lt_stretches *out)
{
    struct lt_map known = { 0 };
    for (int32_t i = 0; i < a->count; i++)
        lt_map_put(&known, a->letter[i], NULL);
    *out = (struct lt_stretches){ 0 };
    for (size_t i = 0; i < w->count; i++) {
        const struct lt_word *word = &w->word[i];
        size_t begin = 0, letters = 0;
        for (size_t at = 0; at <= word->n;) {
            size_t n = at < word->n ? (size_t)lt_utf8_size(word->p[at]) : 1;
            bool fits = at < word->n && lt_map_get(&known, (struct lt_str){ word->p + at, n });
            if (!fits || letters == LT_STRETCH_MAX) {
                if (out->count == out->cap) {
                    out->cap = out->cap ? 2 * out->cap : 1024;
                    out->at = lt_realloc(out->at, out->cap * sizeof *out->at);
                }
                if (at > begin)
                    out->at[out->count++] = (struct lt_stretch){ word->p + begin, (uint32_t)(at - begin), word->count };
                out->characters += letters;
                begin = fits ? at : at + n;
                letters = 0;
            }
            letters += fits;
            at += n;
        }
    }
    lt_map_free(&known);
}

/* ---- suffixes ---- */
struct suffixes {
    uint32_t *text;                 /* code points; 0 ends a stretch */
    uint32_t *start;                /* sorted suffixes */
    uint32_t *owner;                /* stretch of each place of the text */
    size_t size, count;             /* of the text; of the suffixes */
    int longest;
};

static void read_text(struct suffixes *x, const struct lt_stretches *s)
{
    x->size = s->characters + s->count;
    x->text = lt_alloc(x->size * sizeof *x->text);
    x->owner = lt_alloc(x->size * sizeof *x->owner);
    x->start = lt_alloc(s->characters * sizeof *x->start);
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        for (size_t k = 0; k < s->at[i].n; at++) {
            k += (size_t)lt_utf8_get(s->at[i].p + k, &x->text[at]);
            x->owner[at] = (uint32_t)i;
            x->start[x->count++] = (uint32_t)at;
        }
        x->owner[at] = (uint32_t)i;
        x->text[at++] = 0;
    }
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t hold = *a;
    *a = *b;
    *b = hold;
}

static uint32_t middle_of(uint32_t a, uint32_t b, uint32_t c)
{
    return LT_MAX(LT_MIN(a, b), LT_MIN(LT_MAX(a, b), c));
}

/* Which of equal suffixes comes first does not matter: only sums over them are used. */
static void sort_suffixes(const struct suffixes *x, uint32_t *a, size_t n, int depth)
{
    const uint32_t *text = x->text + depth;
    while (n > 1 && depth < x->longest) {
        uint32_t pivot = middle_of(text[a[0]], text[a[n / 2]], text[a[n - 1]]);
        size_t less = 0, at = 0, more = n;
        while (at < more) {
            uint32_t c = text[a[at]];
            if (c < pivot)
                swap(&a[less++], &a[at++]);
            else if (c > pivot)
                swap(&a[at], &a[--more]);
            else
                at++;
        }
        sort_suffixes(x, a, less, depth);
        if (pivot)
            sort_suffixes(x, a + less, more - less, depth + 1);
        a += more;
        n -= more;
    }
}

static int common(const struct suffixes *x, uint32_t a, uint32_t b)
{
    int n = 0;
    while (n < x->longest && x->text[a + (uint32_t)n] && x->text[a + (uint32_t)n] == x->text[b + (uint32_t)n])
        n++;
    return n;
}

static int length_of(const struct suffixes *x, uint32_t a)
{
    int n = 0;
    while (n <= x->longest && x->text[a + (uint32_t)n])
        n++;
    return n;
}

/* ---- candidates ---- */
struct candidate { uint64_t score; uint32_t at, n; };
struct candidates { const struct suffixes *x; struct candidate *at; size_t count, cap, most; };

static int by_score(const void *a, const void *b, void *ctx)
{
    const struct candidate *x = a, *y = b;
    (void)ctx;
    return x->score == y->score ? 0 : x->score > y->score ? -1 : 1;
}

static void keep_best(struct candidates *k)
{
    lt_sort(k->at, k->count, sizeof *k->at, by_score, NULL);
    k->count = LT_MIN(k->count, k->most);
}

static int kind_of(uint32_t c)
{
    return lt_char_is_mark(c) ? LT_CHAR_LETTER : (int)lt_char_class(c);
}

static bool sound(const uint32_t *c, int n)
{
    int from = c[0] == SPACE_MARK;
    for (int i = from; i < n; i++)
        if (c[i] == SPACE_MARK || kind_of(c[i]) != kind_of(c[from]))
            return false;
    return true;
}

static void offer(struct candidates *k, uint32_t at, int n, uint64_t seen)
{
    if (n < 2 || n > k->x->longest || seen < 2 || !sound(k->x->text + at, n))
        return;
    if (k->count == k->cap) {
        if (k->count >= 4 * k->most)
            keep_best(k);
        k->cap = LT_MAX(k->cap, 2 * k->count + 1024);
        k->at = lt_realloc(k->at, k->cap * sizeof *k->at);
    }
    k->at[k->count++] = (struct candidate){ .score = seen * (uint64_t)n, .at = at, .n = (uint32_t)n };
}

struct node { int lcp; uint32_t left_at; uint64_t before; };     /* before: times seen of all suffixes left of it */

/* Walks over the sorted suffixes with the stack of intervals that are still open. */
static void enumerate(const struct suffixes *x, const struct lt_stretches *s, struct candidates *k)
{
    struct node stack[256] = { { 0 } };
    int depth = 1, last = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < x->count; i++) {
        uint32_t here = x->start[i];
        int next = i + 1 < x->count ? common(x, here, x->start[i + 1]) : 0, length = length_of(x, here);
        uint64_t before = seen, own = s->at[x->owner[here]].count;
        seen += own;
        if (length > LT_MAX(last, next))
            offer(k, here, length, own);
        uint32_t left = here;
        uint64_t left_before = before;
        while (stack[depth - 1].lcp > next) {
            const struct node *top = &stack[--depth];
            offer(k, top->left_at, top->lcp, seen - top->before);
            left = top->left_at;
            left_before = top->before;
        }
        if (stack[depth - 1].lcp < next)
            stack[depth++] = (struct node){ next, left, left_before };
        last = next;
    }
}

static struct lt_str spelling(const struct suffixes *x, const struct candidate *k, struct lt_arena *text)
{
    char bytes[4 * 256];
    size_t n = 0;
    for (uint32_t i = 0; i < k->n; i++)
        n += (size_t)lt_utf8_put(bytes + n, x->text[k->at + i]);
    return (struct lt_str){ lt_arena_str(text, (struct lt_str){ bytes, n }), n };
}

void lt_unigram_seeds(const struct lt_stretches *s, const struct lt_alphabet *a, size_t most, int longest,
                      struct lt_arena *text, struct lt_unigram *out)
{
    struct suffixes x = { .longest = longest };
    struct candidates k = { .x = &x, .most = most };
    read_text(&x, s);
    sort_suffixes(&x, x.start, x.count, 0);
    enumerate(&x, s, &k);
    keep_best(&k);
    size_t n = (size_t)a->count + k.count;
    *out = (struct lt_unigram){ .count = n, .required = (size_t)a->count };
    out->piece = lt_alloc(n * sizeof *out->piece);
    out->logp = lt_alloc(n * sizeof *out->logp);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        bool single = i < out->required;
        const struct candidate *c = single ? NULL : &k.at[i - out->required];
        struct lt_str letter = single ? a->letter[i] : (struct lt_str){ 0 };
        out->piece[i] = single ? (struct lt_str){ lt_arena_str(text, letter), letter.n } : spelling(&x, c, text);
        out->logp[i] = (double)(single ? a->seen[i] : c->score);
        sum += out->logp[i];
    }
    for (size_t i = 0; i < n; i++)
        out->logp[i] = log(out->logp[i] / sum);
    free(k.at);
    free(x.text);
    free(x.owner);
    free(x.start);
}

void lt_unigram_release(struct lt_unigram *u)
{
    free(u->piece);
    free(u->logp);
    *u = (struct lt_unigram){ 0 };
}
