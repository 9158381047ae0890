/* Unigram language model (Kudo, arXiv:1804.10959): of all ways to cut a word into pieces the one with the greatest
 * sum of log probabilities, by dynamic programming along the word (Viterbi).  A character that begins no piece of its
 * length is unknown and costs 10 more than the worst piece.  Runs of unknown characters are one token.
 *
 * Of equal sums the first found stays, scanning starts from left to right and pieces from short to long, as
 * sentencepiece and Hugging Face tokenizers have it; sums are float or double after the peer that made the file. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_COSTS 10.0

struct unigram { struct lt_tok_trie trie; double unk_score; };
#define NEVER (-1e300)                          /* a score at or below this: the piece is never used */
struct best { double score; uint32_t start; int32_t id; };      /* the best way to end here; id -2: none yet */

/* Special pieces are no text; in sentencepiece's models nor are the spellings of bytes. */
static bool is_used(const struct lt_tokenizer *t, int32_t id)
{
    bool byte = false;
    for (int c = 0; c < 256 && t->s.single_precision && t->s.byte_fallback && !byte; c++)
        byte = t->byte[c] == id;
    return t->raw[id].p && t->s.score[id] > NEVER && id != t->unk && !t->special[id] && !byte;
}

static int unigram_build(struct lt_tokenizer *t)
{
    struct unigram *u = lt_calloc(1, sizeof *u);
    t->state = u;
    struct lt_str *key = lt_calloc((size_t)t->s.count, sizeof *key);
    double worst = 0;
    bool any = false;
    for (int32_t i = 0; i < t->s.count; i++) {
        if (!is_used(t, i))
            continue;
        key[i] = t->raw[i];
        worst = any ? LT_MIN(worst, t->s.score[i]) : t->s.score[i];
        any = true;
    }
    lt_tok_trie_build(&u->trie, key, t->s.count);
    free(key);
    u->unk_score = worst - UNKNOWN_COSTS;
    return 0;
}

static void unigram_free(void *state)
{
    struct unigram *u = state;
    lt_tok_trie_free(&u->trie);
    free(u);
}

static inline void offer(struct best *at, double score, uint32_t start, int32_t id, bool single)
{
    if (single)
        score = (float)score;
    if (at->id == -2 || score > at->score)
        *at = (struct best){ score, start, id };
}

static void find_best(const struct lt_tokenizer *t, const struct unigram *u, struct lt_str w, struct best *best)
{
    bool single = t->s.single_precision;
    for (size_t i = 1; i <= w.n; i++)
        best[i].id = -2;
    best[0] = (struct best){ 0, 0, -1 };
    for (size_t i = 0; i < w.n;) {
        size_t next = i + (t->byte_level ? 1 : (size_t)lt_utf8_size(w.p[i]));
        uint32_t node = 0;
        bool has_single = false;
        for (size_t k = i; k < w.n && lt_tok_trie_step(&u->trie, &node, (uint8_t)w.p[k]); k++) {
            int32_t id = u->trie.value[node];
            if (id < 0)
                continue;
            offer(&best[k + 1], best[i].score + t->s.score[id], (uint32_t)i, id, single);
            has_single |= k + 1 == next;
        }
        if (!has_single)
            offer(&best[next], best[i].score + u->unk_score, (uint32_t)i, -1, single);
        i = next;
    }
}

/* An unknown stretch: bytes where they all are pieces, else the unknown piece. */
static int put_unknown(const struct lt_tokenizer *t, struct lt_str w, size_t begin, size_t end, struct lt_tok_out *out)
{
    bool all = t->s.byte_fallback;
    for (size_t i = begin; i < end && all; i++)
        all = t->byte[(uint8_t)w.p[i]] >= 0;
    if (all) {
        for (size_t i = begin; i < end; i++)
            lt_tok_out_put(out, t->byte[(uint8_t)w.p[i]], i, i + 1);
        return 0;
    }
    if (t->unk < 0)
        return lt_fail("\"%.*s\" cannot be spelt with the vocabulary, and there is no unknown piece",
                       (int)LT_MIN(end - begin, 60), w.p + begin);
    lt_tok_out_put(out, t->unk, begin, end);
    return 0;
}

static int unigram_word(const struct lt_tokenizer *t, struct lt_tok_model_scratch *s, struct lt_rng *rng,
                        struct lt_str w, struct lt_tok_out *out)
{
    (void)rng;
    struct best *best = lt_tok_room(s, 0, (w.n + 1) * sizeof *best);
    find_best(t, t->state, w, best);
    uint32_t next = 0;                          /* turn the way back into a way forth */
    for (size_t i = w.n; i;) {
        uint32_t start = best[i].start;
        best[i].start = next;
        next = (uint32_t)i;
        i = start;
    }
    best[0].start = next;
    for (size_t i = 0; i < w.n;) {
        size_t end = best[i].start;
        if (best[end].id >= 0) {
            lt_tok_out_put(out, best[end].id, i, end);
            i = end;
            continue;
        }
        while (end < w.n && best[best[end].start].id == -1)
            end = best[end].start;
        if (put_unknown(t, w, i, end, out))
            return -1;
        i = end;
    }
    return 0;
}

const struct lt_tok_model lt_tok_model_unigram = { .build = unigram_build, .word = unigram_word, .free = unigram_free };
