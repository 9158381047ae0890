/* Lines of given syllables whose last words rhyme.
 *
 * A line can be completed after a word when what is missing can be filled with words there are, the last of which may
 * be a last word: of a line that rhymes with one before, a word that rhymes with that one's; of the first of several
 * that rhyme, a word to which there are rhymes that fit the others. */
#include "decode/filter/filter_lines.h"
#include <stdlib.h>
#include <string.h>

struct masks { int32_t target, count; int32_t *node; uint32_t *mask; };     /* of the words that rhyme with target */
struct lt_filter_lines {
    const struct lt_filter_rule *rule;
    const struct lt_word_trie *words;
    uint32_t *partners;                         /* [words of the lexicon]: syllables of those in the trie that rhyme */
    uint32_t *all;                              /* [nodes]: syllables of the words below */
    uint32_t *leads[LT_FILTER_LINES_MAX];       /* the same, of words that later lines can rhyme with; NULL: none do */
    uint32_t fill;                              /* bit k: words of k syllables together */
    struct masks *masks; int masks_count;
    bool asked; struct lt_line_place of;        /* the place that was asked about last, and what came out */
    int32_t target; uint32_t inner, ending;
};

/* ---- syllables below a node ---- */
static uint32_t *gather(const struct lt_word_trie *t, const bool *chosen)
{
    uint32_t *mask = lt_calloc((size_t)t->nodes, sizeof *mask);
    for (int32_t n = t->nodes - 1; n >= 0; n--) {       /* children come after their parents */
        int32_t word = t->node[n].word;
        if (word >= 0 && (!chosen || chosen[word])) mask[n] |= t->of->word[word].syllables;
        for (int32_t c = t->node[n].child; c >= 0; c = t->node[c].next) mask[n] |= mask[c];
    }
    return mask;
}

struct ending { uint64_t rhyme; int32_t word; };

static int by_rhyme(const void *a, const void *b, void *unused)
{
    const struct ending *x = a, *y = b;
    (void)unused;
    if (x->rhyme != y->rhyme) return x->rhyme < y->rhyme ? -1 : 1;
    return (x->word > y->word) - (x->word < y->word);
}

/* Of words that end alike: to each the syllables of the others. */
static void add_partners(const struct lt_lexicon *l, const struct ending *e, size_t n, uint32_t *partners)
{
    int count[LT_SYLLABLES_MAX + 1] = { 0 };
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k <= LT_SYLLABLES_MAX; k++)
            count[k] += (!i || e[i].word != e[i - 1].word) && (l->word[e[i].word].syllables >> k & 1);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k <= LT_SYLLABLES_MAX; k++)
            if (count[k] > (int)(l->word[e[i].word].syllables >> k & 1)) partners[e[i].word] |= UINT32_C(1) << k;
}

static uint32_t *find_partners(const struct lt_word_trie *t)
{
    const struct lt_lexicon *l = t->of;
    uint32_t *out = lt_calloc((size_t)l->words, sizeof *out);
    struct ending *e = lt_alloc(((size_t)l->rhymes + 1) * sizeof *e);
    size_t n = 0;
    for (int32_t i = 0; i < t->nodes; i++) {
        int32_t w = t->node[i].word;
        for (uint32_t k = 0; w >= 0 && k < l->word[w].count; k++)
            e[n++] = (struct ending){ l->rhyme[l->word[w].first + k], w };
    }
    lt_sort(e, n, sizeof *e, by_rhyme, NULL);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && e[end].rhyme == e[i].rhyme; end++) continue;
        add_partners(l, e + i, end - i, out);
    }
    free(e);
    return out;
}

/* Can the lines after `line` that have its letter rhyme with this word? */
static bool leads(const struct lt_filter_lines *l, int line, int word)
{
    const char *scheme = l->rule->scheme;
    for (int i = line + 1; i < l->rule->lines; i++) {
        uint32_t fits = l->rule->syllables[i] ? 0 : UINT32_MAX;
        for (int k = 0; k <= l->rule->syllables[i]; k++)
            if (l->fill >> (l->rule->syllables[i] - k) & 1) fits |= UINT32_C(1) << k;
        if (scheme[i] == scheme[line] && !(l->partners[word] & fits)) return false;
    }
    return true;
}

static void find_leads(struct lt_filter_lines *l)
{
    const char *scheme = l->rule->scheme;
    bool *chosen = lt_alloc((size_t)l->words->of->words * sizeof *chosen);
    for (int i = 0; i < l->rule->lines && *scheme; i++) {
        if (strchr(scheme, scheme[i]) != scheme + i || !strchr(scheme + i + 1, scheme[i])) continue;
        for (int w = 0; w < l->words->of->words; w++) chosen[w] = leads(l, i, w);
        l->leads[i] = gather(l->words, chosen);
    }
    free(chosen);
}

struct pair { int32_t node; uint32_t mask; };

static int by_node(const void *a, const void *b, void *unused)
{
    const struct pair *x = a, *y = b;
    (void)unused;
    return (x->node > y->node) - (x->node < y->node);
}

static const struct masks *rhymes_with(struct lt_filter_lines *l, int32_t target)
{
    for (int i = 0; i < l->masks_count; i++)
        if (l->masks[i].target == target) return &l->masks[i];
    const struct lt_word_trie *t = l->words;
    struct pair *p = NULL;
    size_t n = 0, cap = 0;
    for (int w = 0; w < t->of->words; w++) {
        const struct lt_lexicon_word *x = &t->of->word[w];
        if (!lt_lexicon_rhymes(t->of, target, w)) continue;
        size_t before = n;
        int32_t node = 0;
        for (int d = 0; d <= x->letters && node >= 0; d++) {
            if (n == cap) {
                cap = cap ? 2 * cap : 256;
                p = lt_realloc(p, cap * sizeof *p);
            }
            p[n++] = (struct pair){ node, x->syllables };
            if (d < x->letters) node = lt_word_trie_step(t, node, x->letter[d]);
        }
        if (node < 0 || t->node[node].word != w) n = before;            /* not in the set */
    }
    lt_sort(p, n, sizeof *p, by_node, NULL);
    l->masks = lt_realloc(l->masks, ((size_t)l->masks_count + 1) * sizeof *l->masks);
    struct masks *m = &l->masks[l->masks_count++];
    *m = (struct masks){ .target = target, .node = lt_alloc((n + 1) * sizeof *m->node),
                         .mask = lt_alloc((n + 1) * sizeof *m->mask) };
    for (size_t i = 0; i < n; i++) {
        if (i && p[i].node == p[i - 1].node) m->mask[m->count - 1] |= p[i].mask;
        else {
            m->node[m->count] = p[i].node;
            m->mask[m->count++] = p[i].mask;
        }
    }
    free(p);
    return m;
}

/* ---- last words ---- */
/* The word to rhyme with in this line; -1: none; -2: any to which there is a rhyme. */
static int32_t target_of(const struct lt_filter_lines *l, const struct lt_line_place *p)
{
    const char *scheme = l->rule->scheme;
    if (!*scheme) return -1;
    const char *first = strchr(scheme, scheme[p->line]);
    if (p->rhyme[first - scheme] >= 0) return p->rhyme[first - scheme];
    return strchr(scheme + p->line + 1, scheme[p->line]) ? -2 : -1;
}

static bool may_be_last(const struct lt_filter_lines *l, int line, int32_t target, int word)
{
    if (target == -2) return leads(l, line, word);
    return target == -1 || lt_lexicon_rhymes(l->words->of, target, word);
}

/* Syllables of the words below a node that may be last. */
static uint32_t last_mask(struct lt_filter_lines *l, int line, int32_t target, int32_t node)
{
    if (target < 0) return (target == -1 ? l->all : l->leads[line])[node];
    const struct masks *m = rhymes_with(l, target);
    int32_t low = 0, high = m->count;
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        if (m->node[mid] == node) return m->mask[mid];
        if (m->node[mid] < node) low = mid + 1;
        else high = mid;
    }
    return 0;
}

/* Bit k: a line of which k syllables are missing can be completed. */
static uint32_t completable(struct lt_filter_lines *l, int line, int32_t target)
{
    uint32_t last = last_mask(l, line, target, 0), out = 0;
    for (int k = 0; k <= LT_SYLLABLES_MAX; k++)
        if (last >> k & 1) out |= l->fill << k;
    return out;
}

/* ---- the lines ---- */
struct lt_filter_lines *lt_filter_lines_new(const struct lt_filter_rule *rule, const struct lt_word_trie *words)
{
    if (!rule->lines) return NULL;
    struct lt_filter_lines *l = lt_calloc(1, sizeof *l);
    l->rule = rule;
    l->words = words;
    l->partners = find_partners(words);
    l->all = gather(words, NULL);
    l->fill = 1;
    for (int k = 1; k <= LT_SYLLABLES_MAX; k++)
        for (int s = 0; s < k; s++)
            if ((l->fill >> s & 1) && (l->all[0] >> (k - s) & 1)) l->fill |= UINT32_C(1) << k;
    find_leads(l);
    return l;
}

void lt_filter_lines_free(struct lt_filter_lines *l)
{
    if (!l) return;
    for (int i = 0; i < l->masks_count; i++) {
        free(l->masks[i].node);
        free(l->masks[i].mask);
    }
    free(l->masks);
    for (int i = 0; i < LT_FILTER_LINES_MAX; i++) free(l->leads[i]);
    free(l->partners);
    free(l->all);
    free(l);
}

struct lt_line_place lt_filter_lines_start(void)
{
    struct lt_line_place p = { .last = -1, .sums = 1 };
    for (int i = 0; i < LT_FILTER_LINES_MAX; i++) p.rhyme[i] = -1;
    return p;
}

int lt_filter_lines_impossible(struct lt_filter_lines *l)
{
    struct lt_line_place p = lt_filter_lines_start();
    for (; p.line < l->rule->lines; p.line++) {
        const char *scheme = l->rule->scheme;           /* lines that rhyme with one before were seen to with that */
        bool first = !*scheme || strchr(scheme, scheme[p.line]) == scheme + p.line;
        if (first && (!lt_filter_lines_allow(l, &p, 0) || !last_mask(l, p.line, target_of(l, &p), 0)))
            return p.line + 1;
    }
    return 0;
}

/* Syllables that the next word may have: as one before the last, and as the last. */
static void ask(struct lt_filter_lines *l, const struct lt_line_place *p)
{
    int want = l->rule->syllables[p->line];
    l->asked = true;
    l->of = *p;
    l->target = target_of(l, p);
    l->inner = l->ending = 0;
    uint32_t after = completable(l, p->line, l->target);
    for (int s = 0; s <= want; s++)
        for (int c = 0; (p->sums >> s & 1) && c <= want - s; c++) {
            int missing = want - s - c;
            if (!missing) l->ending |= UINT32_C(1) << c;
            else if (after >> missing & 1) l->inner |= UINT32_C(1) << c;
        }
}

bool lt_filter_lines_allow(struct lt_filter_lines *l, const struct lt_line_place *p, int32_t node)
{
    if (!l->rule->syllables[p->line]) return true;
    if (!l->asked || memcmp(&l->of, p, sizeof *p)) ask(l, p);
    return (l->all[node] & l->inner) || (l->ending && (last_mask(l, p->line, l->target, node) & l->ending));
}

bool lt_filter_lines_word(struct lt_filter_lines *l, struct lt_line_place *p, int word)
{
    int want = l->rule->syllables[p->line];
    p->last = *l->rule->scheme ? word : -1;
    if (!want) return true;
    int32_t target = target_of(l, p);
    uint32_t sums = 0, syllables = l->words->of->word[word].syllables, after = completable(l, p->line, target);
    for (int s = 0; s <= want; s++)
        for (int c = 0; (p->sums >> s & 1) && c <= want - s; c++) {
            int missing = want - s - c;
            if (!(syllables >> c & 1)) continue;
            if (missing ? after >> missing & 1 : may_be_last(l, p->line, target, word)) sums |= UINT32_C(1) << (s + c);
        }
    p->sums = sums;
    return sums != 0;
}

bool lt_filter_lines_complete(struct lt_filter_lines *l, const struct lt_line_place *p)
{
    int want = l->rule->syllables[p->line];
    if (want && !(p->sums >> want & 1)) return false;
    return !*l->rule->scheme || (p->last >= 0 && may_be_last(l, p->line, target_of(l, p), p->last));
}

bool lt_filter_lines_break(struct lt_filter_lines *l, struct lt_line_place *p)
{
    if (p->line + 1 >= l->rule->lines || !lt_filter_lines_complete(l, p)) return false;
    const char *scheme = l->rule->scheme;
    if (*scheme) {
        int32_t *rhyme = &p->rhyme[strchr(scheme, scheme[p->line]) - scheme];
        if (*rhyme < 0 && strchr(scheme + p->line + 1, scheme[p->line])) *rhyme = p->last;
    }
    p->line++;
    p->last = -1;
    p->sums = 1;
    return true;
}

bool lt_filter_lines_end(struct lt_filter_lines *l, const struct lt_line_place *p)
{
    return p->line + 1 == l->rule->lines && lt_filter_lines_complete(l, p);
}
