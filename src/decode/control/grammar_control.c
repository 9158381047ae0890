/* Controls that let only tokens through that keep to a grammar, and the end only where the text may end.
 *
 *     lathe generate MODEL --prompt "Name: " --regex "[A-Z][a-z]{1,20}"
 *     lathe generate MODEL --prompt "Answer in JSON: " --json_schema schema.json
 *     lathe generate MODEL --grammar chess.gbnf */
#include "base/io.h"
#include "decode/control/places.h"
#include "decode/grammar/grammar.h"
#include "lm/vocabulary.h"
#include "text/token_trie.h"
#include "text/tokenizer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options { const char *value; int64_t indent; };

/* What forks of a chain share; they belong to one thread. */
struct shared {
    struct lt_grammar *grammar; struct lt_gmachine *machine; const struct lt_tokenizer *t;
    bool drops;                     /* does its text begin without the blank of its first token? */
    int holders;
};
struct state {
    struct lt_places places;        /* int: of the machine */
    struct shared *shared;
    bool begins;                    /* the first token of the reply is that of the text, and its blank is dropped */
};

typedef int compile_fn(const struct options *o, struct lt_grammar **out);

static int now(const struct state *s) { return *(int *)lt_places_now(&s->places); }

/* ---- the beginning of a text ---- */

/* The bytes behind the blank that a token begins with. */
static bool behind_blank(const struct lt_tokenizer *t, int32_t id, struct lt_str *out)
{
    if (lt_tokenizer_special(t, id) || !lt_tokenizer_bytes(t, id, out) || !out->n || out->p[0] != ' ') return false;
    *out = (struct lt_str){ out->p + 1, out->n - 1 };
    return true;
}

static bool drops_blank(const struct lt_tokenizer *t)
{
    struct lt_str rest;
    char *text;
    size_t n;
    for (int32_t id = 0; id < lt_tokenizer_vocab(t); id++) {
        if (!behind_blank(t, id, &rest) || !rest.n || lt_tokenizer_decode(t, &id, 1, false, &text, &n)) continue;
        free(text);
        return n == rest.n;
    }
    return false;
}

static bool is_empty(const struct lt_tokenizer *t, struct lt_seq seq)
{
    for (int i = 0; i < seq.count; i++)
        if (seq.token[i] < lt_tokenizer_vocab(t) && !lt_tokenizer_special(t, seq.token[i])) return false;
    return true;
}

/* ---- the control ---- */

static int open_with(compile_fn *compile, const void *v, void *st, struct lt_lm *lm)
{
    struct state *s = st;
    const struct lt_tokenizer *t = lm ? lt_lm_tokenizer(lm) : NULL;
    struct lt_grammar *g;
    if (!t) return lt_misuse("a grammar needs a model with a tokenizer");
    if (compile(v, &g)) return -1;
    struct shared *h = lt_calloc(1, sizeof *h);
    *h = (struct shared){ .grammar = g, .machine = lt_gmachine_new(g, lt_tokenizer_trie(t)), .t = t, .holders = 1 };
    h->drops = drops_blank(t);
    s->shared = h;
    s->places.size = sizeof(int);
    lt_places_push(&s->places, &(int){ lt_gmachine_start(h->machine) });
    return 0;
}

static bool may_come(const struct state *s, int place, const uint64_t *mask, int32_t id)
{
    struct lt_str rest;
    if (s->begins && behind_blank(s->shared->t, id, &rest))
        return lt_gmachine_steps(s->shared->machine, place, rest) >= 0;
    return mask && mask[id / 64] >> (id % 64) & 1;
}

static void grammar_apply(const void *v, void *st, struct lt_seq seq, float *logits, int vocab)
{
    struct state *s = st;
    const struct shared *h = s->shared;
    int place = now(s), known = LT_MIN(vocab, lt_tokenizer_vocab(h->t)), eos = lt_tokenizer_eos(h->t);
    (void)v;
    s->begins = s->places.count == 1 && h->drops && is_empty(h->t, seq);
    float end = eos >= 0 && eos < vocab && lt_gmachine_ends(h->machine, place) ? logits[eos] : -INFINITY;
    const uint64_t *mask = place < 0 ? NULL : lt_gmachine_mask(h->machine, place);
    for (int i = 0; i < known; i += 64) {
        uint64_t bits = mask ? mask[i / 64] : 0;
        int n = LT_MIN(64, known - i);
        if (bits == UINT64_MAX && !s->begins) continue;
        for (int k = 0; k < n; k++)
            if (!may_come(s, place, mask, i + k)) logits[i + k] = -INFINITY;
    }
    for (int i = known; i < vocab; i++) logits[i] = -INFINITY;
    if (eos >= 0 && eos < vocab) logits[eos] = LT_MAX(logits[eos], end);
}

static void grammar_accept(const void *v, void *st, int32_t token)
{
    struct state *s = st;
    struct lt_str bytes;
    int place = now(s);
    (void)v;
    if (lt_tokenizer_special(s->shared->t, token) || !lt_tokenizer_bytes(s->shared->t, token, &bytes)) bytes.n = 0;
    if (s->begins && s->places.count == 1) behind_blank(s->shared->t, token, &bytes);
    place = lt_gmachine_steps(s->shared->machine, place, bytes);
    lt_places_push(&s->places, &place);
}

static void grammar_forced(const void *v, void *st, size_t most, struct lt_buf *out)
{
    struct state *s = st;
    (void)v;
    if (now(s) >= 0) lt_gmachine_forced(s->shared->machine, now(s), most, out);
}

static int grammar_fork(void *dst, const void *src)
{
    struct state *to = dst;
    const struct state *from = src;
    *to = *from;
    lt_places_copy(&to->places, &from->places);
    to->shared->holders++;
    return 0;
}

static void grammar_close(void *st)
{
    struct state *s = st;
    free(s->places.at);
    if (!s->shared || --s->shared->holders) return;
    lt_gmachine_free(s->shared->machine);
    lt_grammar_free(s->shared->grammar);
    free(s->shared);
}

/* ---- the notations ---- */
static int compile_regex(const struct options *o, struct lt_grammar **out)
{
    return lt_grammar_regex("regex", lt_str(o->value), out) ? lt_misuse("%s", lt_error()) : 0;
}

/* The text of a file, or the value itself, called by `name`, when it begins as the notation does. */
static int with_text(const struct options *o, const char *name, bool inline_text,
                     int (*compile)(const char *, struct lt_str, const struct options *, struct lt_grammar **),
                     struct lt_grammar **out)
{
    struct lt_buf text = { 0 };
    if (inline_text) return compile(name, lt_str(o->value), o, out) ? lt_misuse("%s", lt_error()) : 0;
    int rc = lt_file_read(o->value, &text);
    if (!rc) rc = compile(o->value, (struct lt_str){ text.p ? text.p : "", text.n }, o, out);
    lt_buf_free(&text);
    return rc;
}

static int gbnf_text(const char *label, struct lt_str text, const struct options *o, struct lt_grammar **out)
{
    (void)o;
    return lt_grammar_gbnf(label, text, out);
}

static int compile_gbnf(const struct options *o, struct lt_grammar **out)
{
    return with_text(o, "grammar", strstr(o->value, "::=") != NULL, gbnf_text, out);
}

static int schema_text(const char *label, struct lt_str text, const struct options *o, struct lt_grammar **out)
{
    return lt_grammar_schema(label, text, (int)o->indent, out);
}

static int compile_schema(const struct options *o, struct lt_grammar **out)
{
    return with_text(o, "json_schema", *o->value == '{', schema_text, out);
}

static int regex_open(const void *o, void *st, struct lt_lm *lm) { return open_with(compile_regex, o, st, lm); }
static int gbnf_open(const void *o, void *st, struct lt_lm *lm) { return open_with(compile_gbnf, o, st, lm); }
static int schema_open(const void *o, void *st, struct lt_lm *lm) { return open_with(compile_schema, o, st, lm); }

#define VALUE(text) \
    { .key = "value", .help = text, .type = LT_STR, .at = offsetof(struct options, value), .flags = LT_NEED }
static const struct lt_opt regex_rows[] = { VALUE("regular expression that the whole text must match"), { 0 } };
static const struct lt_opt gbnf_rows[] = { VALUE("file of a grammar in GBNF, or the grammar itself"), { 0 } };
static const struct lt_opt schema_rows[] = {
    VALUE("file of a JSON Schema, or the schema itself; {} is any JSON"),
    { .key = "indent", .help = "most blanks after a line end between JSON tokens", .type = LT_INT,
      .at = offsetof(struct options, indent), .dflt = 20, .min = 0, .max = 1000 },
    { 0 },
};
/* Before those that keep a share of the likely tokens, which might keep none that may come. */
#define GRAMMAR(open_fn) \
    .order = 3, .state = sizeof(struct state), .open = open_fn, .apply = grammar_apply, .accept = grammar_accept, \
    .rewind = lt_places_rewind, .fork = grammar_fork, .close = grammar_close, .forced = grammar_forced

const struct lt_control lt_control_regex = {
    .m = { .name = "regex", .brief = "the text matches a regular expression", .paper = "arXiv:2307.09702",
           .size = sizeof(struct options), .opts = regex_rows,
           .doc = "Tokens after which no match is possible any more are banned; the end is allowed where the text\n"
                  "matches.  Classes, groups, | * + ? {m,n}; no back references and no look-around." },
    GRAMMAR(regex_open),
};
const struct lt_control lt_control_grammar = {
    .m = { .name = "grammar", .brief = "the text is of a grammar in GBNF, llama.cpp's notation",
           .paper = "arXiv:2305.13971", .size = sizeof(struct options), .opts = gbnf_rows,
           .doc = "root ::= \"yes\" | \"no\"     a value with ::= is the grammar itself, any other names a file" },
    GRAMMAR(gbnf_open),
};
const struct lt_control lt_control_json_schema = {
    .m = { .name = "json_schema", .brief = "the text is JSON that a schema allows", .paper = "arXiv:2501.10868",
           .size = sizeof(struct options), .opts = schema_rows,
           .doc = "What comes out is valid by the schema; properties come in its order.  White space between tokens\n"
                  "is one space or a line end and blanks.  A keyword that is not supported is an error that names\n"
                  "its place." },
    GRAMMAR(schema_open),
};
