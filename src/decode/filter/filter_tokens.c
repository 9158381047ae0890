#include "decode/filter/filter_tokens.h"
#include "text/letters.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum { OWN_BITS = 36, BITS = 64 };              /* a to z and 0 to 9 have a bit each; other letters share the rest */
enum class { NOTHING, LETTERS, OUTER, MIXED };

/* Of the bytes down to a node. */
struct path { char byte[4]; uint8_t bytes; uint8_t class; uint32_t letters; bool twice; };
struct sorting {
    const struct lt_token_trie *trie;
    struct lt_filter_tokens *out;
    struct path *path;                          /* [depth] */
    uint32_t *letter; uint32_t cap;             /* of the path */
    uint32_t kept_cap;                          /* of out->letter */
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

static void add_character(struct sorting *s, struct path *p, uint32_t c)
{
    uint32_t letter[LT_LETTERS_MAX];
    int n = lt_is_apostrophe(c) ? -2 : lt_letters(c, s->marks, letter);
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
    if (p.class == OUTER || p.class == MIXED) return p;
    p.byte[p.bytes++] = (char)byte;
    uint8_t first = (uint8_t)p.byte[0];
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (p.bytes < size) return p;
    if (lt_utf8_bad(p.byte, size) < size) p.class = MIXED;
    else {
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
    struct lt_filter_tokens *out = s->out;
    const int32_t *id = s->trie->id + n->first;
    if (p->class == OUTER) set_bits(out->outer, id, n->count);
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
        out->token[out->count++] = (struct lt_filter_token){ set, out->letters, id[i], (int32_t)p->letters };
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

struct lt_filter_tokens *lt_filter_tokens_new(const struct lt_token_trie *t, bool marks)
{
    size_t words = ((size_t)t->vocab + 63) / 64;
    struct lt_filter_tokens *out = lt_calloc(1, sizeof *out);
    uint64_t *none = lt_calloc(words + 1, sizeof *none);
    struct sorting s = { .trie = t, .out = out, .marks = marks };
    out->outer = lt_calloc(words + 1, sizeof *out->outer);
    out->inside = lt_calloc(words + 1, sizeof *out->inside);
    out->token = lt_alloc(((size_t)t->ids + 1) * sizeof *out->token);
    s.path = lt_calloc((size_t)t->depth_max + 1, sizeof *s.path);
    for (uint32_t i = 0; i < t->nodes; i++) {
        const struct lt_token_node *n = &t->node[i];
        s.path[n->depth] = below(&s, &s.path[n->depth - 1], n->byte);
        if (n->count) add_tokens(&s, n, &s.path[n->depth]);
    }
    out->inner = without(t, out->outer, none);
    out->rest = without(t, out->outer, out->inside);
    free(none);
    free(s.path);
    free(s.letter);
    return out;
}

void lt_filter_tokens_free(struct lt_filter_tokens *s)
{
    if (!s) return;
    lt_token_trie_free(s->inner);
    lt_token_trie_free(s->rest);
    free(s->outer);
    free(s->inside);
    free(s->token);
    free(s->letter);
    free(s);
}

/* A bit that letters share says only that there may be one in both. */
static bool share(const struct lt_filter_tokens *s, const struct lt_filter_token *t, const uint32_t *letter, int n)
{
    for (int32_t i = 0; i < t->letters; i++)
        if (has(letter, (uint32_t)n, s->letter[t->first + (uint32_t)i])) return true;
    return false;
}

void lt_filter_tokens_without(const struct lt_filter_tokens *s, const uint32_t *letter, int letters, int room,
                              uint64_t *mask)
{
    uint64_t seen = 0, own = (UINT64_C(1) << OWN_BITS) - 1;
    for (int i = 0; i < letters; i++) seen |= bit_of(letter[i]);
    for (int32_t i = 0; i < s->count; i++) {
        const struct lt_filter_token *t = &s->token[i];
        uint64_t both = t->set & seen;
        if (both & own || t->letters > room) continue;
        if (both && share(s, t, letter, letters)) continue;
        mask[t->id / 64] |= UINT64_C(1) << t->id % 64;
    }
}
