#include "decode/filter/lexicon.h"
#include "text/letters.h"
#include <stdlib.h>
#include <string.h>

enum { PHONES_MAX = 64 };

/* One entry as read: sounds[i] is a phone in lower case, stress[i] that of a vowel, or -1. */
struct sounds { struct lt_str phone[PHONES_MAX]; int stress[PHONES_MAX]; int count; };
struct reading { const char *label; int line; struct lt_lexicon *l; int word_cap; uint32_t rhyme_cap; bool marks; };

static bool is_vowel(struct lt_str phone) { return phone.n && strchr("aeiouAEIOU", phone.p[0]); }
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* ---- entries ---- */
static uint64_t ending(const struct sounds *s)
{
    int from = 0;
    bool stressed = false;
    for (int i = 0; i < s->count; i++) {
        if (s->stress[i] < 0 || (stressed && !s->stress[i])) continue;
        from = i;
        stressed |= s->stress[i] > 0;
    }
    char text[1024];
    size_t n = 0;
    for (int i = from; i < s->count; i++) {
        for (size_t k = 0; k < s->phone[i].n && n + 2 < sizeof text; k++) {
            char c = s->phone[i].p[k];
            text[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        text[n++] = ' ';
    }
    return lt_hash(text, n, 0);
}

static int add_word(struct reading *r, struct lt_str spelling, const struct sounds *s)
{
    uint32_t letter[LT_WORD_LETTERS_MAX];
    struct lt_lexicon *l = r->l;
    int n = lt_letters_of(spelling, r->marks, letter, LT_WORD_LETTERS_MAX), syllables = 0;
    if (n <= 0) return 0;
    if (l->words == LT_LEXICON_WORDS_MAX) return lt_fail("%s: more than %d words", r->label, LT_LEXICON_WORDS_MAX);
    if (l->words == r->word_cap) {
        r->word_cap = r->word_cap ? 2 * r->word_cap : 1024;
        l->word = lt_realloc(l->word, (size_t)r->word_cap * sizeof *l->word);
    }
    struct lt_lexicon_word *w = &l->word[l->words++];
    uint32_t *copy = lt_arena_take(&l->arena, (size_t)n * sizeof *copy);
    memcpy(copy, letter, (size_t)n * sizeof *copy);
    *w = (struct lt_lexicon_word){ .letter = copy, .letters = n, .first = l->rhymes };
    if (!s) return 1;
    for (int i = 0; i < s->count; i++) syllables += s->stress[i] >= 0;
    if (syllables <= LT_SYLLABLES_MAX) w->syllables = UINT32_C(1) << syllables;
    if (!syllables) return 1;
    if (l->rhymes == r->rhyme_cap) {
        r->rhyme_cap = r->rhyme_cap ? 2 * r->rhyme_cap : 1024;
        l->rhyme = lt_realloc(l->rhyme, r->rhyme_cap * sizeof *l->rhyme);
    }
    l->rhyme[l->rhymes++] = ending(s);
    w->count = 1;
    return 1;
}

static int wrong(const struct reading *r, const char *expected)
{
    return lt_fail("%s: line %d: expected %s", r->label, r->line, expected);
}

static int add_phone(const struct reading *r, struct sounds *s, struct lt_str phone, int stress)
{
    if (s->count == PHONES_MAX) return lt_fail("%s: line %d: more than %d sounds", r->label, r->line, PHONES_MAX);
    s->phone[s->count] = phone;
    s->stress[s->count++] = is_vowel(phone) ? stress : -1;
    return 0;
}

/* WORD(2)  T AY1 M  # remark */
static int read_cmu(struct reading *r, struct lt_str line)
{
    struct sounds s = { .count = 0 };
    size_t at = 0;
    while (at < line.n && !is_blank(line.p[at])) at++;
    struct lt_str word = { line.p, at };
    if (word.n > 3 && word.p[word.n - 1] == ')' && word.p[word.n - 3] == '(') word.n -= 3;
    for (;;) {
        while (at < line.n && is_blank(line.p[at])) at++;
        if (at == line.n || line.p[at] == '#') break;
        size_t from = at;
        while (at < line.n && !is_blank(line.p[at])) at++;
        struct lt_str phone = { line.p + from, at - from };
        char last = phone.p[phone.n - 1];
        bool digit = last >= '0' && last <= '9';
        if (digit) phone.n--;
        if (add_phone(r, &s, phone, digit ? last - '0' : 0)) return -1;
    }
    if (!s.count) return wrong(r, "a word and its sounds");
    return add_word(r, word, &s);
}

/* The next of ( ) or a word; p NULL at the end. */
static struct lt_str token(struct lt_str *rest)
{
    while (rest->n && is_blank(*rest->p)) rest->p++, rest->n--;
    struct lt_str t = { rest->n ? rest->p : NULL, rest->n ? 1 : 0 };
    bool bracket = rest->n && (*rest->p == '(' || *rest->p == ')');
    while (!bracket && t.n && t.n < rest->n && !is_blank(t.p[t.n]) && t.p[t.n] != '(' && t.p[t.n] != ')') t.n++;
    rest->p += t.n;
    rest->n -= t.n;
    return t;
}

/* ("word" nil (((t ay m) 1))): after the word and its part of speech, a list of syllables with their stress. */
static int read_festival(struct reading *r, struct lt_str line)
{
    struct sounds s = { .count = 0 };
    const char *end = line.n > 2 && line.p[1] == '"' ? memchr(line.p + 2, '"', line.n - 2) : NULL;
    if (!end) return wrong(r, "(\"word\"");
    struct lt_str word = { line.p + 2, (size_t)(end - line.p - 2) };
    struct lt_str rest = { end + 1, line.n - (size_t)(end + 1 - line.p) };
    struct lt_str part = token(&rest);
    if (!part.n || *part.p == '(' || *part.p == ')' || !lt_str_is(token(&rest), "("))
        return wrong(r, "a part of speech and ( after the word");
    for (struct lt_str t = token(&rest); !lt_str_is(t, ")"); t = token(&rest)) {
        int from = s.count;
        if (!lt_str_is(t, "(") || !lt_str_is(token(&rest), "(")) return wrong(r, "((sounds) stress)");
        while ((t = token(&rest)).p && *t.p != '(' && *t.p != ')')
            if (add_phone(r, &s, t, 0)) return -1;
        struct lt_str stress = lt_str_is(t, ")") ? token(&rest) : (struct lt_str){ 0 };
        if (stress.n != 1 || *stress.p < '0' || *stress.p > '9' || !lt_str_is(token(&rest), ")"))
            return wrong(r, "((sounds) stress)");
        for (int i = from; i < s.count; i++)
            if (s.stress[i] >= 0) s.stress[i] = *stress.p - '0';
    }
    if (!lt_str_is(token(&rest), ")") || token(&rest).p) return wrong(r, "the end after ))");
    return add_word(r, word, &s);
}

/* ---- the lexicon ---- */
static int compare(const uint32_t *a, int n, const uint32_t *b, int m)
{
    for (int i = 0; i < n && i < m; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return (n > m) - (n < m);
}

static int by_letters(const void *a, const void *b, void *unused)
{
    const struct lt_lexicon_word *x = a, *y = b;
    (void)unused;
    return compare(x->letter, x->letters, y->letter, y->letters);
}

/* Sorts, and makes one word of those that are spelt alike. */
static void finish(struct lt_lexicon *l)
{
    uint64_t *rhyme = lt_alloc(((size_t)l->rhymes + 1) * sizeof *rhyme);
    uint32_t rhymes = 0;
    int kept = 0;
    lt_sort(l->word, (size_t)l->words, sizeof *l->word, by_letters, NULL);
    for (int i = 0; i < l->words; i++) {
        struct lt_lexicon_word w = l->word[i], *last = kept ? &l->word[kept - 1] : NULL;
        if (last && !compare(last->letter, last->letters, w.letter, w.letters)) last->syllables |= w.syllables;
        else {
            last = &l->word[kept++];
            *last = w;
            last->first = rhymes;
            last->count = 0;
        }
        if (w.count) {
            rhyme[rhymes++] = l->rhyme[w.first];
            last->count++;
        }
    }
    l->words = kept;
    free(l->rhyme);
    l->rhyme = rhyme;
    l->rhymes = rhymes;
}

static int read_line(struct reading *r, struct lt_str line, bool sounds)
{
    while (line.n && is_blank(line.p[line.n - 1])) line.n--;
    while (line.n && is_blank(*line.p)) line.p++, line.n--;
    if (!line.n) return 0;
    if (!sounds) return add_word(r, line, NULL) > 0 ? 0 : wrong(r, "one word");
    if (lt_str_starts(line, ";;;") || *line.p == '#' || lt_str_is(line, "MNCL")) return 0;
    return (*line.p == '(' ? read_festival(r, line) : read_cmu(r, line)) < 0 ? -1 : 0;
}

static int read_all(const char *label, struct lt_str text, bool marks, bool sounds, struct lt_lexicon **out)
{
    struct lt_lexicon *l = lt_calloc(1, sizeof *l);
    struct reading r = { .label = label, .l = l, .marks = marks };
    struct lt_str line;
    while (lt_str_split(&text, '\n', &line)) {
        r.line++;
        if (read_line(&r, line, sounds)) {
            lt_lexicon_free(l);
            return -1;
        }
    }
    finish(l);
    if (!l->words) {
        lt_lexicon_free(l);
        return lt_fail("%s: no words in it", label);
    }
    *out = l;
    return 0;
}

int lt_lexicon_read_sounds(const char *label, struct lt_str text, bool marks, struct lt_lexicon **out)
{
    return read_all(label, text, marks, true, out);
}

int lt_lexicon_read_list(const char *label, struct lt_str text, bool marks, struct lt_lexicon **out)
{
    return read_all(label, text, marks, false, out);
}

void lt_lexicon_free(struct lt_lexicon *l)
{
    if (!l) return;
    lt_arena_free(&l->arena);
    free(l->word);
    free(l->rhyme);
    free(l);
}

int lt_lexicon_find(const struct lt_lexicon *l, const uint32_t *letter, int letters)
{
    int low = 0, high = l->words;
    while (low < high) {
        int mid = low + (high - low) / 2;
        int order = compare(l->word[mid].letter, l->word[mid].letters, letter, letters);
        if (!order) return mid;
        if (order < 0) low = mid + 1;
        else high = mid;
    }
    return -1;
}

bool lt_lexicon_rhymes(const struct lt_lexicon *l, int a, int b)
{
    const struct lt_lexicon_word *x = &l->word[a], *y = &l->word[b];
    if (a == b) return false;
    for (uint32_t i = 0; i < x->count; i++)
        for (uint32_t k = 0; k < y->count; k++)
            if (l->rhyme[x->first + i] == l->rhyme[y->first + k]) return true;
    return false;
}

/* ---- tries ---- */
static int32_t add_node(struct lt_word_trie *t, int32_t *cap, uint32_t letter)
{
    if (t->nodes == *cap) {
        *cap = *cap ? 2 * *cap : 1024;
        t->node = lt_realloc(t->node, (size_t)*cap * sizeof *t->node);
    }
    t->node[t->nodes] = (struct lt_word_node){ letter, -1, -1, -1 };
    return t->nodes++;
}

/* Level by level, so that those a step looks through lie side by side. */
static void order_nodes(struct lt_word_trie *t)
{
    struct lt_word_node *to = lt_alloc((size_t)t->nodes * sizeof *to);
    int32_t count = 1;
    to[0] = t->node[0];
    for (int32_t i = 0; i < count; i++) {
        int32_t from = to[i].child;             /* a number of before */
        if (from >= 0) to[i].child = count;
        for (; from >= 0; from = t->node[from].next) {
            to[count] = t->node[from];
            to[count].next = t->node[from].next < 0 ? -1 : count + 1;
            count++;
        }
    }
    free(t->node);
    t->node = to;
}

struct lt_word_trie *lt_word_trie_new(const struct lt_lexicon *of, const bool *chosen)
{
    struct lt_word_trie *t = lt_calloc(1, sizeof *t);
    int32_t path[LT_WORD_LETTERS_MAX + 1], cap = 0;     /* of the word before */
    const struct lt_lexicon_word *before = NULL;
    t->of = of;
    path[0] = add_node(t, &cap, 0);
    for (int i = 0; i < of->words; i++) {
        const struct lt_lexicon_word *w = &of->word[i];
        if (chosen && !chosen[i]) continue;
        int same = 0;
        while (before && same < before->letters && same < w->letters && before->letter[same] == w->letter[same]) same++;
        for (int d = same; d < w->letters; d++) {
            int32_t n = add_node(t, &cap, w->letter[d]);        /* the last child, as words are sorted */
            if (d == same && before && same < before->letters) t->node[path[d + 1]].next = n;
            else t->node[path[d]].child = n;
            path[d + 1] = n;
        }
        t->node[path[w->letters]].word = i;
        before = w;
    }
    order_nodes(t);
    return t;
}

void lt_word_trie_free(struct lt_word_trie *t)
{
    if (!t) return;
    free(t->node);
    free(t);
}

int32_t lt_word_trie_step(const struct lt_word_trie *t, int32_t node, uint32_t letter)
{
    int32_t n = t->node[node].child;
    while (n >= 0 && t->node[n].letter != letter) n = t->node[n].next;
    return n;
}
