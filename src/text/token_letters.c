#include "text/token_letters.h"
#include "text/letters.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum { OWN_BITS = 36, BITS = 64 };              /* a to z and 0 to 9 have a bit each; other letters share the rest */
enum class { NOTHING, LETTERS, OUTER, MIXED };

/* Of the bytes down to a node.  node: of the trie of letters, numbered as they are made; -1: not among those. */
struct path { char byte[4]; uint8_t bytes; uint8_t class; uint32_t letters; int32_t node, depth; bool twice, led; };
struct made { uint32_t letter; int32_t child, next; };
struct spelt { int32_t node, id; bool led; };
struct sorting {
    const struct lt_token_trie *trie;
    struct lt_token_letters *out;
    struct path *path;                          /* [depth] */
    uint32_t *letter; uint32_t cap;             /* of the path */
    uint32_t kept_cap;                          /* of out->letter */
    struct made *made; int32_t mades, made_cap; /* the trie of letters in the making */
    struct spelt *spelt; uint32_t spelts;       /* tokens in it */
    bool marks;
};

static uint64_t bit_of(uint32_t letter)
{
    uint32_t at = letter >= 'a' && letter <= 'z' ? letter - 'a' : letter >= '0' && letter <= '9' ? letter - '0' + 26
                  : OWN_BITS + letter % (BITS - OWN_BITS);
    return UINT64_C(1) << at;
}

static bool has(const uint32_t *letter, uint32_t n, uint32_t one)
{
    for (uint32_t i = 0; i < n; i++)
        if (letter[i] == one) return true;
    return false;
}

/* The node below, made when there is none. */
static int32_t child(struct sorting *s, int32_t node, uint32_t letter)
{
    for (int32_t at = s->made[node].child; at >= 0; at = s->made[at].next)
        if (s->made[at].letter == letter) return at;
    if (s->mades == s->made_cap) {
        s->made_cap = 2 * s->made_cap + 1024;
        s->made = lt_realloc(s->made, (size_t)s->made_cap * sizeof *s->made);
    }
    s->made[s->mades] = (struct made){ letter, -1, s->made[node].child };
    s->made[node].child = s->mades;
    return s->mades++;
}

/* Characters of three bytes and more are left out: whether one may begin is then a question of its own. */
static void spell(struct sorting *s, struct path *p, uint32_t c, const uint32_t *letter, int n)
{
    if (p->node < 0) return;
    if (n == -1 && c < 0x80 && c != '\n' && p->class == NOTHING) p->led = true;
    else if (n < 0 || c >= 0x800 || p->depth + n > LT_SPELT_LETTERS_MAX) p->node = -1;
    else p->depth += n;
    for (int i = 0; i < n && p->node >= 0; i++) p->node = child(s, p->node, letter[i]);
}

static void add_character(struct sorting *s, struct path *p, uint32_t c)
{
    uint32_t letter[LT_LETTERS_MAX];
    int n = lt_is_apostrophe(c) ? -2 : lt_letters(c, s->marks, letter);
    spell(s, p, c, letter, n);
    if (p->class == OUTER || p->class == MIXED) return;
    if (n < 0) {
        p->class = n == -1 && p->class == NOTHING ? OUTER : MIXED;
        return;
    }
    p->class = LETTERS;
    if (p->letters + LT_LETTERS_MAX > s->cap) {
        s->cap = 2 * s->cap + LT_LETTERS_MAX;
        s->letter = lt_realloc(s->letter, s->cap * sizeof *s->letter);
    }
    for (int i = 0; i < n; i++) {
        p->twice |= has(s->letter, p->letters, letter[i]);
        s->letter[p->letters++] = letter[i];
    }
}

static struct path below(struct sorting *s, const struct path *parent, uint8_t byte)
{
    struct path p = *parent;
    uint32_t c;
    if ((p.class == OUTER || p.class == MIXED) && p.node < 0) return p;
    if (!p.bytes && byte < 0x80) {
        add_character(s, &p, byte);
        return p;
    }
    p.byte[p.bytes++] = (char)byte;
    size_t size = (size_t)lt_utf8_size(p.byte[0]);
    if (p.bytes < size) return p;
    if (lt_utf8_bad(p.byte, size) < size) {
        p.class = p.class == OUTER ? OUTER : MIXED;
        p.node = -1;
    } else {
        lt_utf8_get(p.byte, &c);
        add_character(s, &p, c);
    }
    p.bytes = 0;
    return p;
}

static void set_bits(uint64_t *bits, const int32_t *id, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) bits[id[i] / 64] |= UINT64_C(1) << id[i] % 64;
}

static void add_tokens(struct sorting *s, const struct lt_token_node *n, const struct path *p)
{
    struct lt_token_letters *out = s->out;
    const int32_t *id = s->trie->id + n->first;
    if (p->class == OUTER) set_bits(out->outer, id, n->count);
    for (uint32_t i = 0; i < n->count && p->node > 0 && !p->bytes; i++)
        s->spelt[s->spelts++] = (struct spelt){ p->node, id[i], p->led };
    if (p->class != LETTERS || p->bytes) return;
    set_bits(out->inside, id, n->count);
    out->longest = LT_MAX(out->longest, (int32_t)p->letters);
    if (p->twice) return;
    uint64_t set = 0;
    for (uint32_t i = 0; i < p->letters; i++) set |= bit_of(s->letter[i]);
    if (out->letters + p->letters > s->kept_cap) {
        s->kept_cap = 2 * (out->letters + p->letters);
        out->letter = lt_realloc(out->letter, s->kept_cap * sizeof *out->letter);
    }
    if (p->letters) memcpy(out->letter + out->letters, s->letter, p->letters * sizeof *out->letter);
    for (uint32_t i = 0; i < n->count; i++)
        out->token[out->count++] = (struct lt_letter_token){ set, out->letters, id[i], (int32_t)p->letters };
    out->letters += p->letters;
}

/* The trie of those tokens that are in neither of two sets. */
static struct lt_token_trie *without(const struct lt_token_trie *t, const uint64_t *a, const uint64_t *b)
{
    struct lt_token_trie *out = lt_calloc(1, sizeof *out);
    uint32_t *at = lt_calloc((size_t)t->nodes + 1, sizeof *at);         /* first: is it kept? then: which is it? */
    bool *below = lt_calloc((size_t)t->depth_max + 2, sizeof *below);
    for (uint32_t i = t->nodes; i-- > 0;) {     /* children come after their parents */
        const struct lt_token_node *n = &t->node[i];
        int32_t id = n->count ? t->id[n->first] : -1;
        bool in = id >= 0 && !((a[id / 64] | b[id / 64]) >> id % 64 & 1);
        at[i] = in || below[n->depth + 1];
        below[n->depth + 1] = false;
        below[n->depth] |= at[i];
    }
    for (uint32_t i = 0; i <= t->nodes; i++) {
        uint32_t kept = at[i];
        at[i] = out->nodes;
        out->nodes += kept;
    }
    out->node = lt_alloc(((size_t)out->nodes + 1) * sizeof *out->node);
    out->id = lt_alloc(((size_t)t->ids + 1) * sizeof *out->id);
    for (uint32_t i = 0; i < t->nodes; i++) {
        if (at[i] == at[i + 1]) continue;
        struct lt_token_node n = t->node[i];
        int32_t id = n.count ? t->id[n.first] : -1;
        if (id < 0 || (a[id / 64] | b[id / 64]) >> id % 64 & 1) n.count = 0;
        if (n.count) memcpy(out->id + out->ids, t->id + n.first, n.count * sizeof *out->id);
        n.first = out->ids;
        n.end = at[n.end];
        out->ids += n.count;
        out->node[at[i]] = n;
    }
    out->vocab = t->vocab;
    out->depth_max = t->depth_max;
    free(below);
    free(at);
    return out;
}

/* ---- the trie of letters ---- */
/* Numbers the nodes depth first; which: of the number at which a node was made. */
static void order_nodes(struct sorting *s, uint32_t *which)
{
    struct lt_token_letters *out = s->out;
    int32_t *way = lt_alloc(((size_t)s->mades + 1) * sizeof *way);
    int depth = 0;
    out->node = lt_alloc(((size_t)s->mades + 1) * sizeof *out->node);
    for (int32_t at = s->made[0].child; at >= 0 || depth;) {
        if (at < 0) {
            at = way[depth--];
            out->node[which[at]].end = out->nodes;
            at = s->made[at].next;
            continue;
        }
        way[++depth] = at;
        out->depth_max = LT_MAX(out->depth_max, depth);
        which[at] = out->nodes;
        out->node[out->nodes++] = (struct lt_letter_node){ .letter = s->made[at].letter, .depth = (uint16_t)depth };
        at = s->made[at].child;
    }
    free(way);
}

static void place_tokens(struct sorting *s, const uint32_t *which)
{
    struct lt_token_letters *out = s->out;
    uint32_t sum = 0;
    out->id = lt_alloc(((size_t)s->spelts + 1) * sizeof *out->id);
    for (uint32_t i = 0; i < s->spelts; i++) {
        struct lt_letter_node *n = &out->node[which[s->spelt[i].node]];
        *(s->spelt[i].led ? &n->led : &n->alone) += 1;
    }
    for (uint32_t i = 0; i < out->nodes; i++) {
        struct lt_letter_node *n = &out->node[i];
        n->first = sum;
        sum += n->alone + n->led;
        n->led = n->alone;                      /* so far: where the next of the led goes */
        n->alone = 0;
    }
    for (uint32_t i = 0; i < s->spelts; i++) {
        struct lt_letter_node *n = &out->node[which[s->spelt[i].node]];
        out->id[n->first + (s->spelt[i].led ? n->led++ : n->alone++)] = s->spelt[i].id;
    }
    for (uint32_t i = 0; i < out->nodes; i++) out->node[i].led -= out->node[i].alone;
}

static struct lt_token_letters *letters_new(const struct lt_token_trie *t, bool marks)
{
    size_t words = ((size_t)t->vocab + 63) / 64;
    struct lt_token_letters *out = lt_calloc(1, sizeof *out);
    struct sorting s = { .trie = t, .out = out, .marks = marks, .mades = 1, .made_cap = 1024 };
    out->spelt = lt_calloc(words + 1, sizeof *out->spelt);
    out->outer = lt_calloc(words + 1, sizeof *out->outer);
    out->inside = lt_calloc(words + 1, sizeof *out->inside);
    out->token = lt_alloc(((size_t)t->ids + 1) * sizeof *out->token);
    s.path = lt_calloc((size_t)t->depth_max + 1, sizeof *s.path);
    s.spelt = lt_alloc(((size_t)t->ids + 1) * sizeof *s.spelt);
    s.made = lt_alloc((size_t)s.made_cap * sizeof *s.made);
    s.made[0] = (struct made){ 0, -1, -1 };
    for (uint32_t i = 0; i < t->nodes; i++) {
        const struct lt_token_node *n = &t->node[i];
        s.path[n->depth] = below(&s, &s.path[n->depth - 1], n->byte);
        if (n->count) add_tokens(&s, n, &s.path[n->depth]);
    }
    uint32_t *which = lt_alloc((size_t)s.mades * sizeof *which);
    order_nodes(&s, which);
    place_tokens(&s, which);
    out->rest = without(t, out->outer, out->inside);
    set_bits(out->spelt, out->id, s.spelts);
    out->others = without(t, out->spelt, out->spelt);
    out->others_inside = without(t, out->outer, out->spelt);
    free(which);
    free(s.path);
    free(s.spelt);
    free(s.made);
    free(s.letter);
    return out;
}

void lt_token_letters_free(struct lt_token_letters *s)
{
    if (!s) return;
    lt_token_trie_free(s->others);
    lt_token_trie_free(s->others_inside);
    lt_token_trie_free(s->rest);
    free(s->node);
    free(s->id);
    free(s->spelt);
    free(s->outer);
    free(s->inside);
    free(s->token);
    free(s->letter);
    free(s);
}

/* Two threads may both make it at first; one of the two is then kept. */
const struct lt_token_letters *lt_token_trie_letters(const struct lt_token_trie *t, bool marks)
{
    struct lt_token_letters **slot = &((struct lt_token_trie *)t)->letters[marks], *none = NULL;
    struct lt_token_letters *have = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (have) return have;
    struct lt_token_letters *made = letters_new(t, marks);
    if (__atomic_compare_exchange_n(slot, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
    lt_token_letters_free(made);
    return none;
}

/* A bit that letters share says only that there may be one in both. */
static bool share(const struct lt_token_letters *s, const struct lt_letter_token *t, const uint32_t *letter, int n)
{
    for (int32_t i = 0; i < t->letters; i++)
        if (has(letter, (uint32_t)n, s->letter[t->first + (uint32_t)i])) return true;
    return false;
}

void lt_token_letters_without(const struct lt_token_letters *s, const uint32_t *letter, int letters, int room,
                              uint64_t *mask)
{
    uint64_t seen = 0, own = (UINT64_C(1) << OWN_BITS) - 1;
    for (int i = 0; i < letters; i++) seen |= bit_of(letter[i]);
    for (int32_t i = 0; i < s->count; i++) {
        const struct lt_letter_token *t = &s->token[i];
        uint64_t both = t->set & seen;
        if (both & own || t->letters > room) continue;
        if (both && share(s, t, letter, letters)) continue;
        mask[t->id / 64] |= UINT64_C(1) << t->id % 64;
    }
}
