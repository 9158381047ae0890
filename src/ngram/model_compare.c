/* The operation behind `lathe ngram compare`: what both models list, where their figures differ most, and what each
 * says of a text. */
#include "ngram/model_compare.h"
#include "base/ctx.h"
#include "base/json.h"
#include "ngram/binary.h"
#include "ngram/stream.h"
#include <math.h>
#include <stdlib.h>

struct shared { uint64_t count; double sum, largest; };       /* of |log10 p_a - log10 p_b| */
struct difference { double a, b; int n; uint32_t word[LT_NGRAM_ORDER_MAX]; };   /* words as ids of the first model */
struct comparing {
    const struct lt_ngram_compare_options *o;
    struct lt_ngram *a, *b;
    uint32_t *id;                       /* [words of a]: that of the same word in b, or LT_NGRAM_NONE */
    struct shared shared[LT_NGRAM_ORDER_MAX];
    struct difference *top;             /* the largest, largest first */
    int level, found;
    struct lt_ngram_total total[2];
    struct lt_ctx *c;
    struct lt_buf out;
};

/* ---- what both list ---- */
static void match_words(struct comparing *g)
{
    uint32_t words = lt_ngram_words(g->a);
    g->id = lt_alloc(words * sizeof *g->id);
    for (uint32_t i = 0; i < words; i++) {
        struct lt_str word = lt_ngram_spelling(g->a, i);
        g->id[i] = lt_ngram_word(g->b, word);
        if (g->id[i] == g->b->unk && !lt_str_is(word, "<unk>")) g->id[i] = LT_NGRAM_NONE;
    }
    if (!g->a->unk_given || !g->b->unk_given) g->id[g->a->unk] = LT_NGRAM_NONE;
}

static void note_difference(struct comparing *g, const uint32_t *word, double a, double b)
{
    int limit = (int)g->o->top, at = g->found;
    if (at == limit && (!limit || fabs(a - b) <= fabs(g->top[limit - 1].a - g->top[limit - 1].b))) return;
    if (at == limit) at--;
    else g->found++;
    for (; at && fabs(a - b) > fabs(g->top[at - 1].a - g->top[at - 1].b); at--) g->top[at] = g->top[at - 1];
    g->top[at] = (struct difference){ .a = a, .b = b, .n = g->level + 1 };
    for (int k = 0; k <= g->level; k++) g->top[at].word[k] = word[k];
}

static int compare_ngram(void *self, uint64_t index, const uint32_t *word)
{
    struct comparing *g = self;
    uint32_t other[LT_NGRAM_ORDER_MAX];
    if (index % 65536 == 0 && lt_ctx_interrupted(g->c)) return lt_fail("interrupted");
    for (int k = 0; k <= g->level; k++)
        if ((other[k] = g->id[word[k]]) == LT_NGRAM_NONE) return 0;
    uint32_t found = lt_ngram_index(g->b, other, g->level + 1);
    if (found == LT_NGRAM_NONE) return 0;
    double a = (double)lt_ngram_layout(g->a)->figures(g->a, g->level, index, word).prob;
    double b = (double)lt_ngram_layout(g->b)->figures(g->b, g->level, found, other).prob;
    struct shared *s = &g->shared[g->level];
    s->count++;
    s->sum += fabs(a - b);
    s->largest = LT_MAX(s->largest, fabs(a - b));
    if (a != b) note_difference(g, word, a, b);
    return 0;
}

static uint64_t listed(const struct lt_ngram *m, int level)
{
    return level >= m->order ? 0 : m->level[level].count - (!level && !m->unk_given);
}

/* ---- what is said of it ---- */
static void put_counts(struct comparing *g)
{
    int order = LT_MAX(g->a->order, g->b->order);
    if (!g->o->json) lt_buf_str(&g->out, "order\tfirst\tsecond\tshared\tmean_difference\tlargest_difference\n");
    for (int k = 0; k < order; k++) {
        const struct shared *s = &g->shared[k];
        double mean = s->count ? s->sum / (double)s->count : 0;
        lt_buf_fmt(&g->out, g->o->json ? "{\"order\": %d, \"first\": %llu, \"second\": %llu, \"shared\": %llu, "
                   "\"mean_difference\": %.6g, \"largest_difference\": %.6g}\n" : "%d\t%llu\t%llu\t%llu\t%.6g\t%.6g\n",
                   k + 1, (unsigned long long)listed(g->a, k), (unsigned long long)listed(g->b, k),
                   (unsigned long long)s->count, mean, s->largest);
    }
}

static void put_differences(struct comparing *g)
{
    if (!g->o->json && g->found) lt_buf_str(&g->out, "\nngram\tfirst\tsecond\n");
    for (int i = 0; i < g->found; i++) {
        const struct difference *d = &g->top[i];
        struct lt_buf words = { 0 };
        for (int k = 0; k < d->n; k++) {
            struct lt_str w = lt_ngram_spelling(g->a, d->word[k]);
            if (k) lt_buf_char(&words, ' ');
            lt_buf_put(&words, w.p, w.n);
        }
        if (g->o->json) {
            lt_buf_str(&g->out, "{\"ngram\": ");
            lt_json_put_text(&g->out, lt_buf_view(&words));
            lt_buf_fmt(&g->out, ", \"first\": %.7g, \"second\": %.7g}\n", d->a, d->b);
        } else {
            lt_buf_fmt(&g->out, "%s\t%.7g\t%.7g\n", words.p, d->a, d->b);
        }
        lt_buf_free(&words);
    }
}

static void put_figure(struct comparing *g, double v)
{
    if (g->o->json && isnan(v)) lt_buf_str(&g->out, "null");
    else lt_buf_fmt(&g->out, "%.10g", v);
}

static void put_perplexities(struct comparing *g)
{
    static const char *const name[] = { "perplexity_including_oovs", "perplexity_excluding_oovs" };
    bool json = g->o->json;
    if (!json) lt_buf_str(&g->out, "\ntext\tfirst\tsecond\n");
    for (int known = 0; known < 2; known++) {
        lt_buf_fmt(&g->out, json ? "{\"text\": \"%s\", \"first\": " : "%s\t", name[known]);
        put_figure(g, lt_ngram_perplexity(&g->total[0], !known));
        lt_buf_str(&g->out, json ? ", \"second\": " : "\t");
        put_figure(g, lt_ngram_perplexity(&g->total[1], !known));
        lt_buf_str(&g->out, json ? "}\n" : "\n");
    }
    lt_buf_fmt(&g->out, json ? "{\"text\": \"oovs\", \"first\": %llu, \"second\": %llu}\n" : "oovs\t%llu\t%llu\n",
               (unsigned long long)g->total[0].unknown, (unsigned long long)g->total[1].unknown);
    lt_buf_fmt(&g->out, json ? "{\"text\": \"tokens\", \"first\": %llu, \"second\": %llu}\n" : "tokens\t%llu\t%llu\n",
               (unsigned long long)g->total[0].tokens, (unsigned long long)g->total[1].tokens);
}

/* ---- all of it ---- */
static int run(struct comparing *g)
{
    const struct lt_ngram_compare_options *o = g->o;
    if (lt_ngram_open(o->a, g->c, &g->a) || lt_ngram_open(o->b, g->c, &g->b)) return -1;
    match_words(g);
    g->top = lt_calloc((size_t)o->top + 1, sizeof *g->top);
    for (; g->level < LT_MIN(g->a->order, g->b->order); g->level++)
        if (lt_ngram_each(g->a, g->level, compare_ngram, g)) return -1;
    put_counts(g);
    put_differences(g);
    if (o->text.count) {
        const struct lt_ngram *const model[] = { g->a, g->b };
        for (int i = 0; i < 2; i++)
            if (lt_ngram_total(model[i], i ? o->b : o->a, &o->text, g->c, &g->total[i])) return -1;
        put_perplexities(g);
    }
    struct lt_writer w;
    if (lt_writer_open(&w, "-")) return -1;
    lt_writer_put(&w, g->out.p, g->out.n);
    return lt_writer_commit(&w);
}

int lt_ngram_compare_run(const struct lt_ngram_compare_options *o, struct lt_ctx *c)
{
    struct comparing g = { .o = o, .c = c };
    int rc = run(&g);
    lt_ngram_free(g.a);
    lt_ngram_free(g.b);
    lt_buf_free(&g.out);
    free(g.top);
    free(g.id);
    return rc;
}
