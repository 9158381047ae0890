/* The machine of one word: terms side by side, each a small automaton over letters.
 *
 * A state is a number for each term (a count, a place in a text, a set of letters seen), and where a term needs them
 * the letters themselves; equal states are one number.  Whether further letters can still make a word right is found by
 * looking for such letters, breadth first; what is found out is kept.  Letters that no term mentions are alike, so that
 * one of them stands for all.  After SEARCH_MAX states the search gives up and the word goes on: it may then come to a
 * dead end, but no word that breaks the rule is ever accepted. */
#include "base/number_map.h"
#include "decode/filter/word_filter.h"
#include <assert.h>

enum { SEARCH_MAX = 4000, ANY = -2, FAILED = -1, MENTIONED_MAX = 256 };
enum verdict { NO, YES, OPEN };                 /* of a beginning: whatever follows, or it depends */
/* A beginning: its numbers, its letters where they are needed. */
struct beginning { int32_t cell[LT_FILTER_TERMS_MAX + 3]; uint32_t letter[LT_WORD_LETTERS_MAX]; int letters; };
struct lt_word_run { struct beginning b; bool any; int32_t state; };     /* any: as ANY; state: where it began so */
enum viable { UNKNOWN, ALIVE, DEAD, WAITING };

struct lt_word_machine {
    const struct lt_filter_rule *rule;
    struct lt_word_trie **trie;                 /* [terms]; NULL: not a set of words */
    uint32_t mentioned[MENTIONED_MAX]; int mentions;
    bool letters, mirrors, isograms;            /* some term needs the letters; one is about palindromes, isograms */
    bool sets;                                  /* some term is about a set of words */
    uint32_t must;                              /* terms that hold of every word, a bit each */
    bool mirrored;                              /* every word is a palindrome */
    int only;                                   /* of lt_word_machine_only */
    int64_t longest, shortest;                  /* no word has more letters, or fewer */
    bool only_set;                              /* the rule is one set of words: a state is a node of its trie */
    int width;                                  /* numbers in a state: terms; letters, the state before, a letter */
    int32_t *cell; int32_t states, cap;         /* (states, width) */
    uint8_t *viable;                            /* [states] */
    bool *accepts;                              /* [states] */
    struct lt_number_map state_of, step_of;
    int32_t start;
};

/* ---- terms ---- */
static bool among(const struct lt_filter_term *t, uint32_t letter)
{
    for (int i = 0; i < t->letters; i++)
        if (t->letter[i] == letter) return true;
    return false;
}

/* Bit of a letter among the different letters of a term. */
static int distinct(const struct lt_filter_term *t, uint32_t letter)
{
    int at = 0;
    for (int i = 0; i < t->letters; i++) {
        bool before = false;
        for (int k = 0; k < i; k++) before |= t->letter[k] == t->letter[i];
        if (before) continue;
        if (t->letter[i] == letter) return at;
        at++;
    }
    return -1;
}

/* Letters matched after one more: the longest beginning of the text that ends here. */
static int32_t match(const struct lt_filter_term *t, int32_t at, uint32_t letter)
{
    for (int n = LT_MIN(at + 1, t->letters); n > 0; n--) {
        if (t->letter[n - 1] != letter) continue;
        bool same = true;                       /* the text's first n-1 letters are the last n-1 of what is matched */
        for (int i = 0; i < n - 1 && same; i++) same = t->letter[i] == t->letter[at - (n - 1) + i];
        if (same) return n;
    }
    return 0;
}

/* Letters used, as digits of a number whose bases are the letters' counts and one. */
static int32_t use(const struct lt_filter_term *t, int32_t used, uint32_t letter)
{
    int64_t unit = 1;
    if (!among(t, letter)) return FAILED;
    for (int i = 0; i < t->letters; i++) {
        int count = 0;
        bool before = false;
        for (int k = 0; k < t->letters; k++) {
            count += t->letter[k] == t->letter[i];
            before |= k < i && t->letter[k] == t->letter[i];
        }
        if (before) continue;
        if (t->letter[i] == letter)
            return used / unit % (count + 1) < count ? (int32_t)(used + unit) : FAILED;
        unit *= count + 1;
    }
    return FAILED;
}

static int32_t advance(const struct lt_filter_term *t, const struct lt_word_trie *trie, int32_t at, uint32_t letter)
{
    bool mark = letter == '\'';                 /* no letter to terms about letters */
    if (trie) return at == FAILED ? FAILED : lt_word_trie_step(trie, at, letter);
    if (mark || at == FAILED) return at;
    switch (t->kind) {
    case LT_FILTER_LENGTH: return (int32_t)LT_MIN((int64_t)at + 1, t->high == INT32_MAX ? t->low : t->high + 1);
    case LT_FILTER_WITHOUT: return among(t, letter) ? FAILED : 0;
    case LT_FILTER_ONLY: return among(t, letter) ? 0 : FAILED;
    case LT_FILTER_WITH: return among(t, letter) ? at | (int32_t)(1U << distinct(t, letter)) : at;
    case LT_FILTER_STARTS: return at == t->letters ? at : t->letter[at] == letter ? at + 1 : FAILED;
    case LT_FILTER_ENDS: return match(t, at, letter);
    case LT_FILTER_CONTAINS: return at == t->letters ? at : match(t, at, letter);
    case LT_FILTER_ANAGRAM: case LT_FILTER_PART_OF: return use(t, at, letter);
    default: return 0;
    }
}

static bool is_palindrome(const uint32_t *letter, int n)
{
    for (int i = 0; i < n / 2; i++)
        if (letter[i] != letter[n - 1 - i]) return false;
    return true;
}

/* Is there a palindrome of at most LT_WORD_LETTERS_MAX letters that begins so? */
static bool begins_palindrome(const uint32_t *letter, int n)
{
    if (2 * n <= LT_WORD_LETTERS_MAX) return true;
    for (int from = 0; n + from <= LT_WORD_LETTERS_MAX; from++)     /* letters before the middle part, and after it */
        if (from >= n || is_palindrome(letter + from, n - from)) return true;
    return false;
}

static int different(const struct lt_filter_term *t)
{
    int n = 0;
    for (int i = 0; i < t->letters; i++) n += distinct(t, t->letter[i]) >= n;
    return n;
}

static int32_t all_used(const struct lt_filter_term *t)
{
    int32_t used = 0;
    for (int i = 0; i < t->letters; i++) used = use(t, used, t->letter[i]);
    return used;
}

/* Of a term, of a word that ends here (then YES or NO) or may go on. */
static enum verdict judge(const struct lt_word_machine *m, int i, const struct beginning *b, bool ends)
{
    const struct lt_filter_term *t = &m->rule->term[i];
    int32_t at = b->cell[i];
    if (at == FAILED) return NO;
    if (m->trie[i]) return ends ? m->trie[i]->node[at].word >= 0 : OPEN;
    switch (t->kind) {
    case LT_FILTER_LENGTH:
        if (at > t->high) return NO;
        return at >= t->low && (ends || t->high == INT32_MAX) ? YES : ends ? NO : OPEN;
    case LT_FILTER_WITHOUT: case LT_FILTER_ONLY: case LT_FILTER_PART_OF: return ends ? YES : OPEN;
    case LT_FILTER_WITH: return at == (int32_t)((1U << different(t)) - 1) ? YES : ends ? NO : OPEN;
    case LT_FILTER_STARTS: case LT_FILTER_CONTAINS: return at == t->letters ? YES : ends ? NO : OPEN;
    case LT_FILTER_ENDS: return !ends ? OPEN : at == t->letters;
    case LT_FILTER_ANAGRAM: return !ends ? OPEN : at == all_used(t);
    case LT_FILTER_PALINDROME:
        return ends ? is_palindrome(b->letter, b->letters) : begins_palindrome(b->letter, b->letters) ? OPEN : NO;
    case LT_FILTER_ISOGRAM: return ends ? YES : OPEN;
    default: return NO;
    }
}

static enum verdict judge_all(const struct lt_word_machine *m, const struct beginning *b, bool ends)
{
    enum verdict stack[LT_FILTER_CODE_MAX];
    int n = 0;
    for (int i = 0; i < m->rule->codes; i++) {
        int c = m->rule->code[i];
        if (c >= 0) stack[n++] = judge(m, c, b, ends);
        else if (c == LT_FILTER_TRUE) stack[n++] = YES;
        else if (c == LT_FILTER_NOT) stack[n - 1] = stack[n - 1] == OPEN ? OPEN : stack[n - 1] == YES ? NO : YES;
        else {
            enum verdict y = stack[--n], x = stack[n - 1], strong = c == LT_FILTER_AND ? NO : YES;
            stack[n - 1] = x == strong || y == strong ? strong : x == OPEN || y == OPEN ? OPEN : x;
        }
    }
    return stack[0];
}

/* One letter more; false: the word is too long. */
static bool append(const struct lt_word_machine *m, struct beginning *b, uint32_t letter)
{
    for (int i = 0; i < m->rule->terms; i++) b->cell[i] = advance(&m->rule->term[i], m->trie[i], b->cell[i], letter);
    if (!m->letters || letter == '\'') return true;
    if (b->letters == LT_WORD_LETTERS_MAX) return false;
    bool again = false;
    for (int i = 0; i < b->letters && m->isograms; i++) again |= b->letter[i] == letter;
    for (int i = 0; i < m->rule->terms && again; i++)
        if (m->rule->term[i].kind == LT_FILTER_ISOGRAM) b->cell[i] = FAILED;
    b->letter[b->letters++] = letter;
    return true;
}

/* ---- states ---- */
static const int32_t *cell_of(const struct lt_word_machine *m, int32_t state)
{
    return m->cell + (size_t)state * (size_t)m->width;
}

static void beginning_of(const struct lt_word_machine *m, int32_t state, struct beginning *b)
{
    int terms = m->rule->terms;
    memcpy(b->cell, cell_of(m, state), (size_t)m->width * sizeof *b->cell);
    b->letters = m->letters ? b->cell[terms] : 0;
    for (int i = b->letters - 1; i >= 0; i--) {
        b->letter[i] = (uint32_t)cell_of(m, state)[terms + 2];
        state = cell_of(m, state)[terms + 1];
    }
}

/* Where the number of a state is kept; below 0 when it is new. */
static int32_t *slot_of(struct lt_word_machine *m, const int32_t *cell)
{
    size_t size = (size_t)m->width * sizeof *cell;
    for (uint64_t key = lt_hash(cell, size, 0) | 1;; key += 2) {
        int32_t *at = lt_number_map_at(&m->state_of, key ? key : 1);
        if (*at < 0 || !memcmp(cell_of(m, *at), cell, size)) return at;
    }
}

static int32_t intern(struct lt_word_machine *m, struct beginning *b, int32_t before)
{
    size_t size = (size_t)m->width * sizeof *b->cell;
    int terms = m->rule->terms;
    enum verdict v = judge_all(m, b, false);
    if (v == NO) return -1;
    if (m->letters) {
        b->cell[terms] = b->letters;
        b->cell[terms + 1] = before;
        b->cell[terms + 2] = b->letters ? (int32_t)b->letter[b->letters - 1] : 0;
    }
    if (v == YES) {                             /* whatever follows: one state for all of them */
        memset(b->cell, 0, size);
        b->cell[0] = ANY;
    }
    int32_t *known = slot_of(m, b->cell);
    if (*known >= 0) return *known;
    *known = m->states;
    if (m->states == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->cell = lt_realloc(m->cell, (size_t)m->cap * size);
        m->viable = lt_realloc(m->viable, (size_t)m->cap * sizeof *m->viable);
        m->accepts = lt_realloc(m->accepts, (size_t)m->cap * sizeof *m->accepts);
    }
    memcpy(m->cell + (size_t)m->states * (size_t)m->width, b->cell, size);
    m->accepts[m->states] = v == YES || judge_all(m, b, true) == YES;
    m->viable[m->states] = m->accepts[m->states] ? ALIVE : UNKNOWN;
    return m->states++;
}

/* The state after a letter, whether it lives or not; -1: it cannot. */
static int32_t raw_step(struct lt_word_machine *m, int32_t state, uint32_t letter)
{
    uint64_t key = (uint64_t)(uint32_t)(state + 1) << 32 | letter;
    int32_t known = *lt_number_map_at(&m->step_of, key), to = -1;
    struct beginning b;
    if (known != LT_NUMBER_NEW) return known;
    if (cell_of(m, state)[0] == ANY) to = state;
    else {
        beginning_of(m, state, &b);
        int before = b.letters;
        /* An apostrophe adds no letter: the state before stays that of the letters. */
        int32_t earlier = m->letters ? cell_of(m, state)[m->width - 2] : -1;
        if (append(m, &b, letter)) to = intern(m, &b, b.letters > before ? state : earlier);
    }
    return *lt_number_map_at(&m->step_of, key) = to;
}

/* ---- can it still come right? ---- */
/* A palindrome's missing part is known: that of the letters read backwards. */
static bool mirrors(const struct lt_word_machine *m, const struct beginning *start)
{
    int n = start->letters;
    for (int from = n - 1; from >= 0; from--) {
        bool fits = n + from + 1 <= LT_WORD_LETTERS_MAX && is_palindrome(start->letter + from + 1, n - from - 1);
        if (!fits || (m->mirrored && n + from + 1 > m->longest)) continue;
        struct beginning b = *start;
        for (int i = from; i >= 0 && fits; i--) fits = append(m, &b, start->letter[i]);
        if (fits && judge_all(m, &b, true) == YES) return true;
    }
    return false;
}

static int put_letter(uint32_t *out, int n, int cap, uint32_t letter)
{
    for (int i = 0; i < n; i++)
        if (out[i] == letter) return n;
    if (n < cap) out[n++] = letter;
    return n;
}

/* Letters to go on with: those that terms mention or words of sets have here, and one that stands for all others. */
static int candidates(const struct lt_word_machine *m, int32_t state, uint32_t *out, int cap)
{
    struct beginning b;
    int n = 0;
    beginning_of(m, state, &b);
    for (int i = 0; i < m->mentions; i++) n = put_letter(out, n, cap, m->mentioned[i]);
    for (int i = 0; i < m->rule->terms; i++)
        for (int32_t k = m->trie[i] && b.cell[i] >= 0 ? m->trie[i]->node[b.cell[i]].child : -1; k >= 0;
             k = m->trie[i]->node[k].next)
            n = put_letter(out, n, cap, m->trie[i]->node[k].letter);
    if (b.letters) n = put_letter(out, n, cap, b.letter[b.letters - 1]);
    for (uint32_t fresh = 'a';; fresh = fresh == 'z' ? 0x4E00 : fresh + 1) {
        bool seen = false;
        for (int i = 0; i < n; i++) seen |= out[i] == fresh;
        for (int i = 0; i < b.letters; i++) seen |= b.letter[i] == fresh;
        if (!seen) return put_letter(out, n, cap, fresh);
    }
}

/* Letters that no term mentions, each another: enough for many rules, and found at once. */
static bool plain_end(const struct lt_word_machine *m, const struct beginning *start)
{
    enum { MORE = 16 };
    struct beginning b = *start;
    uint32_t fresh = 'a';
    for (int i = 0; i < MORE; i++, fresh++) {
        bool seen = true;
        for (; seen; fresh += seen) {
            if (fresh == 'z' + 1) fresh = 0x4E00;
            seen = false;
            for (int k = 0; k < m->mentions; k++) seen |= m->mentioned[k] == fresh;
            for (int k = 0; k < b.letters; k++) seen |= b.letter[k] == fresh;
        }
        if (!append(m, &b, fresh) || judge_all(m, &b, false) == NO) return false;
        if (judge_all(m, &b, true) == YES) return true;
    }
    return false;
}

/* A palindrome with other letters between these and their mirror image, of the fewest that it may have. */
static bool widens(const struct lt_word_machine *m, const struct beginning *start)
{
    struct beginning b = *start;
    int64_t more = LT_MAX(m->shortest - 2 * (int64_t)b.letters, 1);
    if (2 * (int64_t)b.letters + more > m->longest) return false;
    for (int64_t i = 0; i < more; i++)
        if (!append(m, &b, 0x4E00)) return false;
    for (int i = start->letters - 1; i >= 0; i--)
        if (!append(m, &b, start->letter[i])) return false;
    return judge_all(m, &b, true) == YES;
}

/* Is there a palindrome of a length that is right and that begins so?  There is where it has room for the mirror image;
 * a shorter one ends with letters that are a palindrome by themselves. */
static bool lives_mirrored(const struct lt_word_machine *m, const struct beginning *b)
{
    int n = b->letters;
    if (LT_MAX(2 * (int64_t)n, m->shortest) <= m->longest) return true;
    for (int64_t all = LT_MAX(n, m->shortest); all <= m->longest && all < 2 * (int64_t)n; all++)
        if (is_palindrome(b->letter + (all - n), (int)(2 * n - all))) return true;
    return false;
}

/* Does the word live, by what its letters alone tell?  ALIVE, DEAD or UNKNOWN; of one that the rule leaves open. */
static enum viable quick_look(const struct lt_word_machine *m, const struct beginning *b)
{
    if (m->only == LT_FILTER_ISOGRAM)           /* there are always other letters */
        return m->shortest <= m->longest ? ALIVE : DEAD;
    if (m->only == LT_FILTER_PALINDROME) return lives_mirrored(m, b) ? ALIVE : DEAD;
    if ((m->mirrors && mirrors(m, b)) || (m->letters && plain_end(m, b))) return ALIVE;
    if (m->mirrored && widens(m, b)) return ALIVE;
    return m->mirrored && 2 * (int64_t)b->letters + 1 > m->longest ? DEAD : UNKNOWN;
}

struct search { int32_t *state, *from; int count, cap; };

static void enqueue(struct lt_word_machine *m, struct search *q, int32_t state, int32_t from)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 64;
        q->state = lt_realloc(q->state, (size_t)q->cap * sizeof *q->state);
        q->from = lt_realloc(q->from, (size_t)q->cap * sizeof *q->from);
    }
    q->state[q->count] = state;
    q->from[q->count++] = from;
    m->viable[state] = WAITING;
}

static bool lives(struct lt_word_machine *m, int32_t state)
{
    struct search q = { 0 };
    int found = -1;
    uint32_t letter[512];
    struct beginning b;
    if (m->viable[state] != UNKNOWN) return m->viable[state] == ALIVE;
    enqueue(m, &q, state, -1);
    for (int i = 0; i < q.count && found < 0 && q.count < SEARCH_MAX; i++) {
        enum viable look = UNKNOWN;
        if (m->letters) beginning_of(m, q.state[i], &b);
        if (m->letters) look = quick_look(m, &b);
        if (look == ALIVE) found = i;
        if (look == DEAD) continue;
        int n = found < 0 ? candidates(m, q.state[i], letter, LT_COUNT(letter)) : 0;
        for (int k = 0; k < n && found < 0; k++) {
            int32_t to = raw_step(m, q.state[i], letter[k]);
            if (to < 0 || m->viable[to] == DEAD || m->viable[to] == WAITING) continue;
            if (m->viable[to] == ALIVE) found = i;
            else enqueue(m, &q, to, i);
        }
    }
    bool gave_up = found < 0 && q.count >= SEARCH_MAX;
    for (int i = 0; i < q.count; i++) m->viable[q.state[i]] = found < 0 && !gave_up ? DEAD : UNKNOWN;
    for (int i = found; i >= 0; i = q.from[i]) m->viable[q.state[i]] = ALIVE;
    if (gave_up) m->viable[state] = ALIVE;
    free(q.state);
    free(q.from);
    return m->viable[state] == ALIVE;
}

/* ---- the machine ---- */
bool lt_word_machine_holds(const struct lt_word_machine *m, const uint32_t *letter, int letters)
{
    struct beginning b = { 0 };
    for (int i = 0; i < letters; i++)
        if (!append(m, &b, letter[i])) return false;
    return judge_all(m, &b, true) == YES;
}

int32_t lt_word_machine_node(const struct lt_word_machine *m, int state)
{
    return m->only_set ? state : cell_of(m, state)[0];
}

/* Terms that hold of every word, a bit each. */
static uint32_t must_hold(const struct lt_filter_rule *r)
{
    uint32_t stack[LT_FILTER_CODE_MAX];
    int n = 0;
    for (int i = 0; i < r->codes; i++) {
        int c = r->code[i];
        if (c >= 0 || c == LT_FILTER_TRUE) stack[n++] = c >= 0 ? UINT32_C(1) << c : 0;
        else if (c == LT_FILTER_NOT) stack[n - 1] = 0;
        else {
            uint32_t b = stack[--n], a = stack[n - 1];
            stack[n - 1] = c == LT_FILTER_AND ? a | b : a & b;
        }
    }
    return stack[0];
}

static int only_kind(const struct lt_word_machine *m)
{
    int kind = -1;
    for (int i = 0; i < m->rule->terms; i++) {
        int k = (int)m->rule->term[i].kind;
        if (!(m->must >> i & 1) || (k != LT_FILTER_LENGTH && kind >= 0)) return -1;
        if (k != LT_FILTER_LENGTH) kind = k;
    }
    return kind == LT_FILTER_ISOGRAM || kind == LT_FILTER_PALINDROME ? kind : -1;
}

static void find_bounds(struct lt_word_machine *m)
{
    const struct lt_filter_rule *r = m->rule;
    m->must = must_hold(r);
    m->longest = LT_WORD_LETTERS_MAX;           /* where letters are kept */
    for (int i = 0; i < r->terms; i++) {
        if (!(m->must >> i & 1)) continue;
        m->mirrored |= r->term[i].kind == LT_FILTER_PALINDROME;
        if (r->term[i].kind != LT_FILTER_LENGTH) continue;
        m->longest = LT_MIN(m->longest, r->term[i].high);
        m->shortest = LT_MAX(m->shortest, r->term[i].low);
    }
    m->only = only_kind(m);
}

struct lt_word_machine *lt_word_machine_new(const struct lt_filter_rule *rule, struct lt_word_trie **of_term)
{
    struct lt_word_machine *m = lt_calloc(1, sizeof *m);
    struct beginning start = { 0 };
    uint32_t letter[512];
    m->rule = rule;
    m->trie = lt_calloc((size_t)rule->terms + 1, sizeof *m->trie);
    m->only_set = rule->terms == 1 && rule->codes == 1 && of_term[0];
    for (int i = 0; i < rule->terms; i++) {
        const struct lt_filter_term *t = &rule->term[i];
        m->trie[i] = of_term[i];
        m->sets |= of_term[i] != NULL;
        m->mirrors |= t->kind == LT_FILTER_PALINDROME;
        m->isograms |= t->kind == LT_FILTER_ISOGRAM;
        m->letters |= t->kind == LT_FILTER_PALINDROME || t->kind == LT_FILTER_ISOGRAM;
        for (int k = 0; k < t->letters && !m->trie[i]; k++)
            m->mentions = put_letter(m->mentioned, m->mentions, MENTIONED_MAX, t->letter[k]);
    }
    find_bounds(m);
    m->width = LT_MAX(rule->terms, 1) + (m->letters ? 3 : 0);
    if (m->only_set) {
        m->start = m->trie[0]->node[0].child >= 0 ? 0 : -1;
        return m;
    }
    m->start = intern(m, &start, -1);
    bool any = false;                           /* a word has at least one letter */
    int n = m->start >= 0 ? candidates(m, m->start, letter, LT_COUNT(letter)) : 0;
    for (int i = 0; i < n && !any; i++) any = lt_word_machine_step(m, m->start, letter[i]) >= 0;
    if (!any) m->start = -1;
    return m;
}

static size_t map_bytes(const struct lt_number_map *t) { return t->size * (sizeof *t->key + sizeof *t->value); }

size_t lt_word_machine_bytes(const struct lt_word_machine *m)
{
    size_t a_state = (size_t)m->width * sizeof *m->cell + sizeof *m->viable + sizeof *m->accepts;
    return (size_t)m->cap * a_state + map_bytes(&m->state_of) + map_bytes(&m->step_of);
}

static void release_states(struct lt_word_machine *m)
{
    free(m->cell);
    free(m->viable);
    free(m->accepts);
    lt_number_map_free(&m->state_of);
    lt_number_map_free(&m->step_of);
    m->cell = NULL;
    m->viable = NULL;
    m->accepts = NULL;
    m->states = m->cap = 0;
}

void lt_word_machine_free(struct lt_word_machine *m)
{
    if (!m) return;
    for (int i = 0; i < m->rule->terms; i++) lt_word_trie_free(m->trie[i]);
    free(m->trie);
    release_states(m);
    free(m);
}

void lt_word_machine_forget(struct lt_word_machine *m)
{
    struct beginning start = { 0 };
    if (m->only_set) return;                    /* its states are nodes */
    release_states(m);
    m->start = intern(m, &start, -1);           /* the rule can be satisfied, or the machine would not be there */
}

int lt_word_machine_start(struct lt_word_machine *m) { return m->start; }

int lt_word_machine_step(struct lt_word_machine *m, int state, uint32_t letter)
{
    if (state < 0) return -1;
    if (m->only_set) return lt_word_trie_step(m->trie[0], state, letter);
    int32_t to = raw_step(m, state, letter);
    return to >= 0 && lives(m, to) ? to : -1;
}

bool lt_word_machine_accepts(const struct lt_word_machine *m, int state)
{
    return state >= 0 && (m->only_set ? m->trie[0]->node[state].word >= 0 : m->accepts[state]);
}

int lt_word_machine_only(const struct lt_word_machine *m, int64_t *longest)
{
    *longest = m->longest;
    return m->only;
}

int lt_word_machine_candidates(const struct lt_word_machine *m, int state, uint32_t *out, int cap)
{
    if (!m->only_set) return candidates(m, state, out, cap);
    int n = 0;
    for (int32_t k = m->trie[0]->node[state].child; k >= 0 && n < cap; k = m->trie[0]->node[k].next)
        out[n++] = m->trie[0]->node[k].letter;
    return n;
}

int lt_word_machine_letters(const struct lt_word_machine *m, int state, uint32_t out[LT_WORD_LETTERS_MAX])
{
    struct beginning b;
    beginning_of(m, state, &b);
    memcpy(out, b.letter, (size_t)b.letters * sizeof *out);
    return b.letters;
}

/* ---- runs ---- */
bool lt_word_machine_runs(const struct lt_word_machine *m) { return m->letters && !m->sets; }

struct lt_word_run *lt_word_runs_new(int n) { return lt_calloc((size_t)n, sizeof(struct lt_word_run)); }

void lt_word_run_at(const struct lt_word_machine *m, struct lt_word_run *runs, int i, int state)
{
    runs[i] = (struct lt_word_run){ .any = cell_of(m, state)[0] == ANY, .state = state };
    if (!runs[i].any) beginning_of(m, state, &runs[i].b);
}

static void copy_run(const struct lt_word_machine *m, struct lt_word_run *to, const struct lt_word_run *from)
{
    if (to == from) return;
    memcpy(to->b.cell, from->b.cell, (size_t)m->rule->terms * sizeof *to->b.cell);
    memcpy(to->b.letter, from->b.letter, (size_t)from->b.letters * sizeof *to->b.letter);
    to->b.letters = from->b.letters;
    to->any = from->any;
    to->state = from->any ? from->state : -1;
}

int lt_word_run_state(struct lt_word_machine *m, const struct lt_word_run *runs, int i)
{
    int32_t state = m->start;
    if (runs[i].any && runs[i].state >= 0) return runs[i].state;
    for (int k = 0; k < runs[i].b.letters && state >= 0; k++) state = raw_step(m, state, runs[i].b.letter[k]);
    return state;
}

static bool failed(const struct lt_word_machine *m, const struct beginning *b)
{
    bool any = false;
    for (int i = 0; i < m->rule->terms; i++) any |= b->cell[i] == FAILED;
    return any;
}

/* What follows from the letters alone, or else what a search finds. */
bool lt_word_run_step(struct lt_word_machine *m, struct lt_word_run *runs, int from, int to, uint32_t letter)
{
    copy_run(m, &runs[to], &runs[from]);
    struct beginning *b = &runs[to].b;
    if (runs[to].any) return true;
    if (!append(m, b, letter)) return false;
    if (m->only >= 0) return !failed(m, b) && b->letters <= m->longest && quick_look(m, b) == ALIVE;
    enum verdict v = judge_all(m, b, false);
    runs[to].any = v == YES;
    if (v != OPEN) return v == YES;
    if (judge_all(m, b, true) == YES) return true;
    enum viable look = quick_look(m, b);
    if (look != UNKNOWN) return look == ALIVE;
    int32_t state = lt_word_run_state(m, runs, to);
    return state >= 0 && lives(m, state);
}

bool lt_word_run_accepts(const struct lt_word_machine *m, const struct lt_word_run *runs, int i)
{
    return runs[i].any || judge_all(m, &runs[i].b, true) == YES;
}
