#include "text/token_trie.h"
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES_MAX = 1 << 15 };     /* longer tokens are left out */

struct spelt { struct lt_str s; int32_t id; };

static int by_bytes(const void *a, const void *b, void *unused)
{
    const struct spelt *x = a, *y = b;
    (void)unused;
    int order = lt_str_cmp(x->s, y->s);
    return order ? order : (x->id > y->id) - (x->id < y->id);
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
                cap = cap ? 2 * cap : 4096;
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
        if (bytes.n && bytes.n <= TOKEN_BYTES_MAX) s[n++] = (struct spelt){ bytes, i };
    }
    lt_sort(s, n, sizeof *s, by_bytes, NULL);
    out->vocab = vocab;
    out->ids = n;
    out->id = lt_alloc(((size_t)n + 1) * sizeof *out->id);
    add_nodes(out, s, n);
    free(s);
    return out;
}

void lt_token_trie_free(struct lt_token_trie *t)
{
    if (!t) return;
    free(t->node);
    free(t->id);
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
