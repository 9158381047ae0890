/* Filters of words after Gadsby's Constrained Text Generation Studio (arXiv:2306.15926): the logits of what would break
 * the filter are -infinity.  The paper judges every token by itself (--filter.scope token); here a word is judged as it
 * stands in the text, over as many tokens as it has.
 *
 *     lathe generate MODEL --prompt "Once" --filter "without(e) and length <= 6" */
#include "decode/control/places.h"
#include "decode/filter/word_filter.h"
#include "lm/vocabulary.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options { const char *value, *scope, *diacritics, *dictionary; };

/* What forks of a chain share; they belong to one thread. */
struct shared { struct lt_filter *filter; const struct lt_tokenizer *t; uint64_t *tokens; int holders; };
struct step { int place; int32_t token; };              /* and what led to it; of the first, none */
struct state { struct lt_places steps; struct shared *shared; uint32_t age; };

static bool bytes_of(const struct lt_tokenizer *t, int32_t id, struct lt_str *out)
{
    return !lt_tokenizer_special(t, id) && lt_tokenizer_bytes(t, id, out) && out->n;
}

static int after(const struct shared *h, int place, int32_t token)
{
    struct lt_str bytes;
    return bytes_of(h->t, token, &bytes) ? lt_filter_steps(h->filter, place, bytes) : place;
}

/* The place now, found again where the machine has begun anew. */
static int place_now(struct state *s)
{
    uint32_t age = lt_filter_age(s->shared->filter);
    if (age != s->age) {
        struct step *step = s->steps.at;
        step[0].place = lt_filter_start(s->shared->filter);
        for (int i = 1; i < s->steps.count; i++) step[i].place = after(s->shared, step[i - 1].place, step[i].token);
    }
    s->age = age;
    return ((struct step *)lt_places_now(&s->steps))->place;
}

/* Scope token: every token is a text of its own. */
static uint64_t *alone(struct shared *h)
{
    int vocab = lt_tokenizer_vocab(h->t);
    uint64_t *mask = lt_calloc(((size_t)vocab + 63) / 64, sizeof *mask);
    for (int32_t id = 0; id < vocab; id++) {
        struct lt_str text;
        if (!bytes_of(h->t, id, &text)) continue;
        if (lt_filter_ends(h->filter, lt_filter_steps(h->filter, lt_filter_start(h->filter), text)))
            mask[id / 64] |= UINT64_C(1) << id % 64;
    }
    return mask;
}

static int filter_open(const void *v, void *st, struct lt_lm *lm)
{
    const struct options *o = v;
    struct state *s = st;
    struct shared h = { .holders = 1 };
    bool tokens = !strcmp(o->scope, "token");
    h.t = lt_lm_tokenizer(lm);
    if (!h.t) return lt_misuse("a filter needs a model with a tokenizer");
    struct lt_filter_how how = { .dictionary = o->dictionary, .marks = !strcmp(o->diacritics, "keep"),
                                 .trie = tokens ? NULL : lt_tokenizer_trie(h.t) };
    if (lt_filter_open(lt_str(o->value), &how, &h.filter)) return -1;
    if (tokens && lt_filter_has_lines(h.filter)) {
        lt_filter_close(h.filter);
        return lt_misuse("filter: lines, haiku, scheme and alliteration are about more than a token: they need "
                         "filter.scope word");
    }
    if (tokens) h.tokens = alone(&h);
    s->shared = lt_alloc(sizeof h);
    *s->shared = h;
    s->steps.size = sizeof(struct step);
    lt_places_push(&s->steps, &(struct step){ lt_filter_start(h.filter), -1 });
    s->age = lt_filter_age(h.filter);
    return 0;
}

static void filter_apply(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    struct state *s = st;
    const struct shared *h = s->shared;
    int place = place_now(s), known = LT_MIN(vocab, lt_tokenizer_vocab(h->t));
    bool ends = h->tokens || lt_filter_ends(h->filter, place);
    const uint64_t *mask = h->tokens ? h->tokens : place < 0 ? NULL : lt_filter_mask(h->filter, place);
    (void)v, (void)seq;
    for (int i = 0; i < known; i += 64) {
        uint64_t bits = mask ? mask[i / 64] : 0;
        int n = LT_MIN(64, known - i);
        if (bits == UINT64_MAX) continue;
        for (int k = 0; k < n; k++)             /* special tokens add nothing, and may end the text */
            if (!(bits >> k & 1) && !(ends && lt_tokenizer_special(h->t, i + k))) logits[i + k] = -INFINITY;
    }
    for (int i = known; i < vocab; i++) logits[i] = -INFINITY;
}

static void filter_accept(const void *v, void *st, int32_t token)
{
    struct state *s = st;
    int place = place_now(s);
    (void)v;
    if (!s->shared->tokens) place = after(s->shared, place, token);
    lt_places_push(&s->steps, &(struct step){ place, token });
}

static int filter_fork(void *dst, const void *src)
{
    struct state *to = dst;
    const struct state *from = src;
    *to = *from;
    lt_places_copy(&to->steps, &from->steps);
    to->shared->holders++;
    return 0;
}

static void filter_close(void *st)
{
    struct state *s = st;
    free(s->steps.at);
    if (!s->shared || --s->shared->holders) return;
    lt_filter_close(s->shared->filter);
    free(s->shared->tokens);
    free(s->shared);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "value", .help = "what every word must satisfy: terms with and, or, not and brackets", .type = LT_STR,
      .at = AT(value), .flags = LT_NEED },
    { .key = "scope", .help = "words as they stand in the text, or every token by itself as in the paper",
      .type = LT_STR, .at = AT(scope), .text = "word|token", .flags = LT_ENUM },
    { .key = "diacritics", .help = "fold: an e with an accent is an e; keep: it is another letter", .type = LT_STR,
      .at = AT(diacritics), .text = "fold|keep", .flags = LT_ENUM },
    { .key = "dictionary", .help = "sounds of words as the CMU or Festival writes them; else Debian's festlex-cmu",
      .type = LT_STR, .at = AT(dictionary), .flags = LT_IN },
    { 0 },
};
const struct lt_control lt_control_filter = {
    .m = { .name = "filter", .brief = "every word satisfies a filter: letters, length, syllables, rhymes, lines",
           .paper = "arXiv:2306.15926", .size = sizeof(struct options), .opts = rows,
           .doc = "of letters     without(e)  with(ae)  only(abc)  starts(un)  ends(ing)  contains(ea)\n"
                  "               anagram(listen)  part_of(listen)  palindrome  isogram  (no letter twice)\n"
                  "of numbers     length 5  length 3..7  length >= 4  syllables 2  (also = < <= >)\n"
                  "of sets        rhymes(time)  in(words.txt)  (a word a line)\n"
                  "of the text    lines(5 7 5)  haiku  (syllables of its lines)  scheme(ABAB)  (their rhymes)\n"
                  "               alliteration  (words of a line begin alike)\n"
                  "together       A and B   A or B   not A   ( ... )   terms of the text only with `and`\n"
                  "A word is a run of letters and digits, with apostrophes between them.  Case is of no account,\n"
                  "nor are diacritics unless kept.  The reply is judged, not the prompt; one cut off by max_tokens\n"
                  "may end inside a word.  Where nothing can go on, generation fails and says so.\n"
                  "example: lathe generate MODEL --prompt \"It was\" --filter \"without(e) and length <= 6\"" },
    .order = 1, .state = sizeof(struct state), .open = filter_open, .apply = filter_apply, .accept = filter_accept,
    .rewind = lt_places_rewind, .fork = filter_fork, .close = filter_close,
};
