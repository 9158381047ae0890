#include "text/token_trie.h"
#include "base/utf8.h"
#include "text/tok.h"
#include "text/token_letters.h"
#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES_MAX = 1 << 15 };     /* longer tokens are left out */

struct spelt { uint64_t head; struct lt_str s; int32_t id; };    /* head: the first eight bytes, the first on top */

static int by_bytes(const void *a, const void *b, void *unused)
{
    const struct spelt *x = a, *y = b;
    (void)unused;
    int order = lt_str_cmp(x->s, y->s);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static uint64_t head_of(struct lt_str s)
{
    uint64_t head = 0;
    for (size_t i = 0; i < 8; i++) head = head << 8 | (i < s.n ? (uint8_t)s.p[i] : 0);
    return head;
}

/* By heads, eleven bits a turn, then by all bytes where heads are alike; `s` is what is returned or is freed. */
static struct spelt *sorted(struct spelt *s, uint32_t n)
{
    enum { BITS = 11, SIZE = 1 << BITS };
    struct spelt *other = lt_alloc(((size_t)n + 1) * sizeof *other);
    uint32_t *at = lt_alloc(SIZE * sizeof *at);
    for (int shift = 0; shift < 64; shift += BITS) {
        memset(at, 0, SIZE * sizeof *at);
        for (uint32_t i = 0; i < n; i++) at[s[i].head >> shift & (SIZE - 1)]++;
        for (uint32_t k = 0, sum = 0; k < SIZE; k++) {
            uint32_t count = at[k];
            at[k] = sum;
            sum += count;
        }
        for (uint32_t i = 0; i < n; i++) other[at[s[i].head >> shift & (SIZE - 1)]++] = s[i];
        struct spelt *swap = s;
        s = other;
        other = swap;
    }
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && s[end].head == s[i].head;) end++;
        if (end > i + 1) lt_sort(s + i, end - i, sizeof *s, by_bytes, NULL);
    }
    free(at);
    free(other);
    return s;
}

/* From the last node back, whose parents come before it. */
static void mark_layers(struct lt_token_trie *t)
{
    uint8_t *below = lt_calloc((size_t)t->depth_max + 2, 1);    /* [depth]: of nodes that come later with one parent */
    for (uint32_t i = t->nodes; i-- > 0;) {
        struct lt_token_node *n = &t->node[i];
        n->layers = (uint8_t)(below[n->depth + 1] | (n->count ? 1 << lt_token_layer(n->depth) : 0));
        below[n->depth + 1] = 0;
        below[n->depth] |= n->layers;
    }
    free(below);
}

static uint64_t kind_of(int c)
{
    static const char own[] = "\t\n\r !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~0";
    const char *at = c ? strchr(own, c) : NULL;
    int kind = at ? (int)(at - own) + 5 : c >= 'g' && c <= 'z' ? 0 : c >= 'a' && c <= 'f' ? 1 : c >= 'G' && c <= 'Z' ? 2
             : c >= 'A' && c <= 'F' ? 3 : c >= '1' && c <= '9' ? 4 : (int)sizeof own + 4;
    return UINT64_C(1) << kind;
}

/* How far a character has come: bytes that it lacks, and what the next may be. */
struct character { int more; uint8_t low, high; bool broken; };

static struct character after(struct character c, uint8_t byte)
{
    if (c.broken || (c.more && (byte < c.low || byte > c.high))) return (struct character){ .broken = true };
    if (c.more) return (struct character){ c.more - 1, 0x80, 0xBF, false };
    if (byte < 0x80) return c;
    if (byte < 0xC2 || byte > 0xF4) return (struct character){ .broken = true };
    struct character begun = { .more = lt_utf8_size((char)byte) - 1 };
    lt_utf8_second(byte, &begun.low, &begun.high);
    return begun;
}

static void mark_kinds(struct lt_token_trie *t)
{
    size_t room = ((size_t)t->vocab + 63) / 64 * 64;
    struct character *at = lt_calloc((size_t)t->depth_max + 1, sizeof *at);
    uint64_t *so_far = lt_calloc((size_t)t->depth_max + 2, sizeof *so_far);     /* [depth]: above, and then below */
    t->within = lt_alloc(((size_t)t->nodes + 1) * sizeof *t->within);
    t->kinds = lt_alloc((room + 1) * sizeof *t->kinds);
    memset(t->kinds, 0xFF, room * sizeof *t->kinds);
    for (int c = 0; c < 128; c++) t->kind_of[c] = kind_of(c);
    for (uint32_t i = 0; i < t->nodes; i++) {
        const struct lt_token_node *n = &t->node[i];
        struct character *c = &at[n->depth];
        bool inner = at[n->depth - 1].more > 0;
        *c = after(at[n->depth - 1], n->byte);
        uint64_t own = c->broken ? LT_KIND_BROKEN : n->byte < 0x80 ? t->kind_of[n->byte] : LT_KIND_WIDE;
        so_far[n->depth] = so_far[n->depth - 1] | own;
        t->within[i] = own | (inner ? LT_KIND_INNER : 0);
        for (uint32_t k = n->first; k < n->first + n->count; k++)
            t->kinds[t->id[k]] = so_far[n->depth] | LT_KIND_LAYER(lt_token_layer(n->depth));
    }
    memset(so_far, 0, ((size_t)t->depth_max + 2) * sizeof *so_far);
    for (uint32_t i = t->nodes; i-- > 0;) {
        int depth = t->node[i].depth;
        t->within[i] |= so_far[depth + 1];
        so_far[depth + 1] = 0;
        so_far[depth] |= t->within[i] & ~LT_KIND_INNER;
    }
    free(so_far);
    free(at);
}

static size_t shared(struct lt_str a, struct lt_str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
    return n;
}

/* The nodes of sorted spellings: each adds those of the bytes it does not share with the one before. */
static void add_nodes(struct lt_token_trie *t, const struct spelt *s, uint32_t n)
{
    uint32_t *open = lt_alloc(((size_t)TOKEN_BYTES_MAX + 1) * sizeof *open), cap = 0;   /* [depth]: its open node */
    struct lt_str before = { 0 };
    for (uint32_t i = 0; i < n; i++) {
        size_t same = shared(before, s[i].s);
        for (size_t d = before.n; d > same; d--) t->node[open[d]].end = t->nodes;
        for (size_t d = same + 1; d <= s[i].s.n; d++) {
            if (t->nodes == cap) {
                cap = cap ? 2 * cap : 2 * n + 64;
                t->node = lt_realloc(t->node, cap * sizeof *t->node);
            }
            open[d] = t->nodes;
            t->node[t->nodes++] = (struct lt_token_node){ .first = i, .depth = (uint16_t)d,
                                                          .byte = (uint8_t)s[i].s.p[d - 1] };
        }
        t->node[open[s[i].s.n]].count++;
        t->id[i] = s[i].id;
        t->depth_max = LT_MAX(t->depth_max, (int)s[i].s.n);
        before = s[i].s;
    }
    for (size_t d = before.n; d > 0; d--) t->node[open[d]].end = t->nodes;
    free(open);
}

struct lt_token_trie *lt_token_trie_new(const struct lt_tokenizer *t)
{
    struct lt_token_trie *out = lt_calloc(1, sizeof *out);
    int vocab = lt_tokenizer_vocab(t);
    struct spelt *s = lt_alloc(((size_t)vocab + 1) * sizeof *s);
    uint32_t n = 0;
    for (int32_t i = 0; i < vocab; i++) {
        struct lt_str bytes;
        if (lt_tokenizer_special(t, i) || !lt_tokenizer_bytes(t, i, &bytes)) continue;
        if (bytes.n && bytes.n <= TOKEN_BYTES_MAX) s[n++] = (struct spelt){ head_of(bytes), bytes, i };
    }
    s = sorted(s, n);
    out->vocab = vocab;
    out->ids = n;
    out->id = lt_alloc(((size_t)n + 1) * sizeof *out->id);
    add_nodes(out, s, n);
    mark_layers(out);
    mark_kinds(out);
    free(s);
    return out;
}

void lt_token_trie_free(struct lt_token_trie *t)
{
    if (!t) return;
    for (int i = 0; i < LT_COUNT(t->letters); i++) lt_token_letters_free(t->letters[i]);
    free(t->node);
    free(t->id);
    free(t->within);
    free(t->kinds);
    free(t);
}

/* Two threads may both make it at first; one of the two is then kept. */
const struct lt_token_trie *lt_tokenizer_trie(const struct lt_tokenizer *t)
{
    struct lt_token_trie **slot = &((struct lt_tokenizer *)t)->trie, *none = NULL;
    struct lt_token_trie *have = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (have) return have;
    struct lt_token_trie *made = lt_token_trie_new(t);
    if (__atomic_compare_exchange_n(slot, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
    lt_token_trie_free(made);
    return none;
}
