/* Grammars over bytes, and the machine that says which bytes and tokens may come next.
 *
 * Whoever reads a notation (regular expressions, GBNF, JSON Schema) builds expressions, assigns them to rules and asks
 * for a grammar.  Every rule becomes a small automaton over bytes whose edges may call other rules.  A grammar in which
 * a rule can call itself before a byte is taken is refused. */
#ifndef LT_GRAMMAR_H
#define LT_GRAMMAR_H

#include "base/base.h"
#include "text/token_trie.h"

/* ---- building ---- */
enum { LT_GRAMMAR_STATES_MAX = 1 << 20, LT_GRAMMAR_RULES_MAX = 1 << 16 };
struct lt_gx;                       /* an expression; in the arena of its builder */
struct lt_gspan { uint32_t low, high; };        /* characters, both ends included */
struct lt_grammar_builder {
    struct lt_arena arena; struct lt_map names; struct lt_grammar_rule *rule; int rules, cap;
    bool may_be_empty;              /* a grammar of no text at all is no error */
};
struct lt_grammar_rule { const char *name; struct lt_gx *x; };

void lt_grammar_builder_init(struct lt_grammar_builder *b);
void lt_grammar_builder_release(struct lt_grammar_builder *b);
struct lt_gx *lt_gx_empty(struct lt_grammar_builder *b);                        /* "" */
struct lt_gx *lt_gx_text(struct lt_grammar_builder *b, struct lt_str bytes);
/* One character (UTF-8) of the spans, or with `not` one of none of them. */
struct lt_gx *lt_gx_class(struct lt_grammar_builder *b, const struct lt_gspan *span, int count, bool not);
struct lt_gx *lt_gx_seq(struct lt_grammar_builder *b, struct lt_gx *first, struct lt_gx *then);     /* NULL: empty */
struct lt_gx *lt_gx_alt(struct lt_grammar_builder *b, struct lt_gx *one, struct lt_gx *other);      /* NULL: nothing */
struct lt_gx *lt_gx_repeat(struct lt_grammar_builder *b, struct lt_gx *x, int64_t min, int64_t max);/* max -1: no end */
struct lt_gx *lt_gx_call(struct lt_grammar_builder *b, int rule);
/* x, made of classes, as it stands between the quotes of a JSON text: characters that JSON escapes are escaped.  NULL:
 * x calls rules or is nested too deep (lt_error). */
struct lt_gx *lt_gx_quoted(struct lt_grammar_builder *b, const struct lt_gx *x);
/* What both x and y describe, or x but not y; neither calls rules.  NULL is no text at all, in and out.  -1: too
 * large. */
int lt_gx_both(struct lt_grammar_builder *b, const struct lt_gx *x, const struct lt_gx *y, struct lt_gx **out);
int lt_gx_but(struct lt_grammar_builder *b, const struct lt_gx *x, const struct lt_gx *y, struct lt_gx **out);
/* Does x, which calls no rules, describe the text?  1 yes, 0 no, -1 failed. */
int lt_gx_matches(const struct lt_gx *x, struct lt_str text);
/* A rule by its name, made when it is not there; name NULL: a new one without a name. */
int lt_grammar_rule(struct lt_grammar_builder *b, const char *name);

struct lt_grammar;
/* -1: a rule that is called has no expression, a rule begins with itself, the whole is too large. */
int lt_grammar_build(struct lt_grammar_builder *b, int root, struct lt_grammar **out);
void lt_grammar_free(struct lt_grammar *g);             /* NULL is fine */

/* ---- notations: each gives a grammar of the whole text ---- */
/* Regular expressions: . [] [^] \d \w \s and their opposites, escapes, (?:) (), | * + ? {m,n}; ^ and $ at the ends are
 * taken for what they are.  What does not describe a regular language (back references, look-around) is refused. */
int lt_grammar_regex(const char *label, struct lt_str text, struct lt_grammar **out);
struct lt_gx *lt_gx_regex(struct lt_grammar_builder *b, const char *label, struct lt_str text, bool searched);
/* GBNF, llama.cpp's notation: rules NAME ::= ..., of which "root" is the text. */
int lt_grammar_gbnf(const char *label, struct lt_str text, struct lt_grammar **out);
/* JSON Schema (2020-12, and 04 to 07 where they agree).  What is accepted is valid; not all that is valid is accepted:
 * properties come in the schema's order and then others, and white space between tokens is one space, or a line end and
 * at most `indent` blanks; bounded numbers have no exponent and few digits after the point; texts with a pattern or
 * format are written without superfluous escapes.  A keyword that is not supported, or not in such a combination, is
 * refused with its JSON pointer.  text {} : any JSON. */
int lt_grammar_schema(const char *label, struct lt_str text, int indent, struct lt_grammar **out);

/* ---- running ---- */
/* A machine remembers what it has worked out; places in a text are numbers that stay valid with it.  One thread at a
 * time.  It borrows the grammar and the trie (NULL: no masks). */
struct lt_gmachine;
struct lt_gmachine *lt_gmachine_new(const struct lt_grammar *g, const struct lt_token_trie *trie);
void lt_gmachine_free(struct lt_gmachine *m);
int lt_gmachine_start(struct lt_gmachine *m);                           /* the place before the first byte */
int lt_gmachine_step(struct lt_gmachine *m, int place, uint8_t byte);   /* -1: the byte may not come here */
int lt_gmachine_steps(struct lt_gmachine *m, int place, struct lt_str bytes);
bool lt_gmachine_ends(const struct lt_gmachine *m, int place);          /* may the text end here? */
bool lt_gmachine_goes_on(const struct lt_gmachine *m, int place);       /* may any byte come? */
/* Bit i of word i / 64: token i may come here.  (vocab + 63) / 64 words, valid until the next call. */
const uint64_t *lt_gmachine_mask(struct lt_gmachine *m, int place);
/* Appends the bytes that must come here whatever is chosen, up to `most`. */
void lt_gmachine_forced(struct lt_gmachine *m, int place, size_t most, struct lt_buf *out);

#endif
