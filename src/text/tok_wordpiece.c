/* WordPiece (Schuster and Nakajima 2012, as BERT has it): from the left, the longest piece that matches; a word that
 * cannot be covered is unknown as a whole.  WordLevel: a word is a piece or unknown. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

/* Pieces that begin words, and those that go on (without their prefix). */
struct wordpiece { struct lt_tok_trie begin, go_on; };

static int wordpiece_build(struct lt_tokenizer *t)
{
    struct wordpiece *w = lt_calloc(1, sizeof *w);
    t->state = w;
    struct lt_str prefix = t->s.prefix ? lt_str(t->s.prefix) : (struct lt_str){ NULL, 0 };
    struct lt_str *key = lt_calloc((size_t)t->s.count, sizeof *key);
    for (int32_t i = 0; i < t->s.count; i++)
        if (t->raw[i].p && t->raw[i].n > prefix.n && memcmp(t->raw[i].p, prefix.p ? prefix.p : "", prefix.n) == 0)
            key[i] = (struct lt_str){ t->raw[i].p + prefix.n, t->raw[i].n - prefix.n };
    lt_tok_trie_build(&w->begin, t->raw, t->s.count);
    lt_tok_trie_build(&w->go_on, key, t->s.count);
    free(key);
    return t->unk >= 0 ? 0 : lt_fail("WordPiece needs an unknown piece in its vocabulary: \"%.60s\" is not there",
                                     t->s.unk ? t->s.unk : "");
}

static void wordpiece_free(void *state)
{
    struct wordpiece *w = state;
    lt_tok_trie_free(&w->begin);
    lt_tok_trie_free(&w->go_on);
    free(w);
}

static bool too_long(const struct lt_tokenizer *t, struct lt_str w)
{
    int64_t max = t->s.max_word ? t->s.max_word : 100, n = 0;
    if ((int64_t)w.n <= max)
        return false;
    for (size_t i = 0; i < w.n; i++)
        n += t->byte_level || ((uint8_t)w.p[i] & 0xC0) != 0x80;
    return n > max;
}

static int wordpiece_word(const struct lt_tokenizer *t, struct lt_tok_model_scratch *s, struct lt_rng *rng,
                          struct lt_str w, struct lt_tok_out *out)
{
    const struct wordpiece *m = t->state;
    (void)s, (void)rng;
    size_t first = out->n;
    bool bad = too_long(t, w);
    for (size_t at = 0, end; at < w.n && !bad; at = end) {
        const struct lt_tok_trie *trie = at ? &m->go_on : &m->begin;
        uint32_t node = 0;
        int32_t id = -1;
        end = at;
        for (size_t i = at; i < w.n && lt_tok_trie_step(trie, &node, (uint8_t)w.p[i]); i++) {
            if (trie->value[node] >= 0) {
                id = trie->value[node];
                end = i + 1;
            }
        }
        bad = id < 0;
        if (!bad)
            lt_tok_out_put(out, id, at, end);
    }
    if (bad) {
        out->n = first;
        lt_tok_out_put(out, t->unk, 0, w.n);
    }
    return 0;
}

static int wordlevel_build(struct lt_tokenizer *t)
{
    (void)t;
    return 0;
}

static int wordlevel_word(const struct lt_tokenizer *t, struct lt_tok_model_scratch *s, struct lt_rng *rng,
                          struct lt_str w, struct lt_tok_out *out)
{
    (void)s, (void)rng;
    int32_t id = lt_tok_index_find(&t->by_raw, w.p, w.n);
    if (id < 0)
        id = t->unk;
    if (id < 0)
        return lt_fail("the word \"%.*s\" is not in the vocabulary, and there is no unknown piece",
                       (int)LT_MIN(w.n, 60), w.p);
    lt_tok_out_put(out, id, 0, w.n);
    return 0;
}

const struct lt_tok_model lt_tok_model_wordpiece = {
    .build = wordpiece_build, .word = wordpiece_word, .free = wordpiece_free,
};
const struct lt_tok_model lt_tok_model_wordlevel = { .build = wordlevel_build, .word = wordlevel_word };
