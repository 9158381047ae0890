/* Texts that never appear in what is written, however it is cut into tokens: an Aho-Corasick automaton over bytes, and
 * a walk over the trie of tokens that leaves out whatever completes one of them.
 *
 *     lathe generate MODEL --prompt "Once" --banned_strings "as an AI" --banned_strings "I cannot" */
#include "decode/control/places.h"
#include "lm/vocabulary.h"
#include "text/token_trie.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 16, MASKS = 16 };

struct options { struct lt_list value; bool ignore_case; };
/* A node is a beginning of some text; next: by byte, with the longest end of what was read that is a beginning. */
struct node { int32_t next[256], fallback; bool banned; };
/* What forks of a chain share; they belong to one thread. */
struct shared {
    struct node *node; int32_t nodes;
    const struct lt_tokenizer *t;
    uint64_t *mask[MASKS]; int32_t mask_of[MASKS];      /* a bit set: the token may not come */
    int32_t *walk;
    int holders;
};
struct state { struct lt_places places; struct shared *shared; };              /* int32_t: nodes */

static int32_t now(const struct state *s) { return *(int32_t *)lt_places_now(&s->places); }

/* ---- the automaton ---- */
static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static void add_text(struct shared *h, const char *text, bool ignore_case)
{
    int32_t at = 0;
    for (; *text; text++) {
        uint8_t c = ignore_case ? lower((uint8_t)*text) : (uint8_t)*text;
        if (h->node[at].next[c] < 0) {
            memset(h->node[h->nodes].next, 0xFF, sizeof h->node->next);
            h->node[at].next[c] = h->nodes++;
        }
        at = h->node[at].next[c];
    }
    h->node[at].banned = true;
}

/* Fills in where bytes lead that go on with no text, breadth first. */
static void link_up(struct shared *h, bool ignore_case)
{
    int32_t *queue = lt_alloc((size_t)h->nodes * sizeof *queue), count = 1;
    queue[0] = 0;
    for (int32_t i = 0; i < count; i++) {
        struct node *n = &h->node[queue[i]];
        const struct node *back = &h->node[n->fallback];
        n->banned |= back->banned;
        for (int c = 0; c < 256; c++) {
            int32_t to = n->next[c], other = n == h->node ? 0 : back->next[c];
            if (to < 0) n->next[c] = other;
            else {
                h->node[to].fallback = other;
                queue[count++] = to;
            }
        }
    }
    free(queue);
    for (int32_t i = 0; ignore_case && i < h->nodes; i++)
        for (int c = 'A'; c <= 'Z'; c++) h->node[i].next[c] = h->node[i].next[lower((uint8_t)c)];
}

static int banned_open(const void *v, void *st, struct lt_lm *lm)
{
    const struct options *o = v;
    struct state *s = st;
    size_t bytes = 1;
    const struct lt_tokenizer *t = lt_lm_tokenizer(lm);
    if (!t) return lt_misuse("banned_strings needs a model with a tokenizer");
    for (int i = 0; i < o->value.count; i++) {
        if (!*o->value.item[i]) return lt_misuse("banned_strings: a text is empty; every text would hold it");
        bytes += strlen(o->value.item[i]);
    }
    if (bytes > BYTES_MAX) return lt_misuse("banned_strings: more than %d bytes of texts", BYTES_MAX);
    struct shared *h = lt_calloc(1, sizeof *h);
    h->t = t;
    h->holders = 1;
    h->node = lt_calloc(bytes, sizeof *h->node);
    h->nodes = 1;
    memset(h->node->next, 0xFF, sizeof h->node->next);
    for (int i = 0; i < MASKS; i++) h->mask_of[i] = -1;
    h->walk = lt_alloc(((size_t)lt_tokenizer_trie(t)->depth_max + 1) * sizeof *h->walk);
    for (int i = 0; i < o->value.count; i++) add_text(h, o->value.item[i], o->ignore_case);
    link_up(h, o->ignore_case);
    s->shared = h;
    s->places.size = sizeof(int32_t);
    lt_places_push(&s->places, &(int32_t){ 0 });
    return 0;
}

/* ---- masks ---- */
/* Tokens below a node of the trie lie side by side. */
static void ban_below(const struct lt_token_trie *t, uint32_t i, uint64_t *mask)
{
    uint32_t end = t->node[i].end < t->nodes ? t->node[t->node[i].end].first : t->ids;
    for (uint32_t k = t->node[i].first; k < end; k++) mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
}

static const uint64_t *mask_at(struct shared *h, int32_t place)
{
    const struct lt_token_trie *t = lt_tokenizer_trie(h->t);
    size_t words = ((size_t)t->vocab + 63) / 64;
    int slot = place % MASKS;
    if (h->mask_of[slot] == place) return h->mask[slot];
    if (!h->mask[slot]) h->mask[slot] = lt_alloc(words * sizeof(uint64_t));
    memset(h->mask[slot], 0, words * sizeof(uint64_t));
    h->walk[0] = place;
    for (uint32_t i = 0; i < t->nodes;) {
        const struct lt_token_node *n = &t->node[i];
        int32_t to = h->node[h->walk[n->depth - 1]].next[n->byte];
        h->walk[n->depth] = to;
        if (h->node[to].banned) ban_below(t, i, h->mask[slot]);
        i = h->node[to].banned ? n->end : i + 1;
    }
    h->mask_of[slot] = place;
    return h->mask[slot];
}

static void banned_apply(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    struct state *s = st;
    int known = LT_MIN(vocab, lt_tokenizer_vocab(s->shared->t));
    const uint64_t *mask = mask_at(s->shared, now(s));
    (void)v, (void)seq;
    for (int i = 0; i < known; i += 64)
        for (uint64_t bits = mask[i / 64]; bits; bits &= bits - 1) {
            int id = i + __builtin_ctzll(bits);
            if (id < known) logits[id] = -INFINITY;
        }
}

static void banned_accept(const void *v, void *st, int32_t token)
{
    struct state *s = st;
    struct lt_str bytes = { 0 };
    int32_t place = now(s);
    (void)v;
    if (lt_tokenizer_special(s->shared->t, token) || !lt_tokenizer_bytes(s->shared->t, token, &bytes)) bytes.n = 0;
    for (size_t i = 0; i < bytes.n; i++) place = s->shared->node[place].next[(uint8_t)bytes.p[i]];
    lt_places_push(&s->places, &place);
}

static int banned_fork(void *dst, const void *src)
{
    struct state *to = dst;
    const struct state *from = src;
    *to = *from;
    lt_places_copy(&to->places, &from->places);
    to->shared->holders++;
    return 0;
}

static void banned_close(void *st)
{
    struct state *s = st;
    free(s->places.at);
    if (!s->shared || --s->shared->holders) return;
    for (int i = 0; i < MASKS; i++) free(s->shared->mask[i]);
    free(s->shared->walk);
    free(s->shared->node);
    free(s->shared);
}

static const struct lt_opt rows[] = {
    { .key = "value", .help = "texts that must not appear in what is written", .type = LT_LIST,
      .at = offsetof(struct options, value), .flags = LT_TEXTS },
    { .key = "ignore_case", .help = "A to Z and a to z are the same", .type = LT_BOOL,
      .at = offsetof(struct options, ignore_case) },
    { 0 },
};
const struct lt_control lt_control_banned_strings = {
    .m = { .name = "banned_strings", .brief = "texts that never appear, however they are cut into tokens",
           .paper = "doi:10.1145/360825.360855", .size = sizeof(struct options), .opts = rows,
           .doc = "A token that would complete one of the texts, with those before it or by itself, is banned.  What\n"
                  "is written is judged, not the prompt and not special tokens.\n"
                  "example: lathe generate MODEL --banned_strings \"as an AI\" --banned_strings \"I cannot\"" },
    .order = 2, .state = sizeof(struct state), .open = banned_open, .apply = banned_apply, .accept = banned_accept,
    .rewind = lt_places_rewind, .fork = banned_fork, .close = banned_close,
};
