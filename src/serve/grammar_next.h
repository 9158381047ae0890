/* What a grammar says of a text so far: for editors of grammars, that ask while somebody types. */
#ifndef LT_GRAMMAR_NEXT_H
#define LT_GRAMMAR_NEXT_H

#include "serve/field.h"

enum { LT_GRAMMAR_NEXT_BYTES = 1 << 16,         /* of a grammar and of a text */
       LT_GRAMMAR_NEXT_PIECES = 1000 };         /* pieces listed, tokens asked about */

/* The body of POST /grammar/next: {"model", one of "grammar" "json_schema" "regex", "text", "n", "check"}. */
struct lt_grammar_ask {
    json_t *body;                               /* what follows is borrowed from it */
    const char *model, *notation;               /* model NULL: not said */
    char *grammar;                              /* in that notation; ours */
    struct lt_str text;
    int64_t n;
    const json_t *check;                        /* NULL: none */
};
extern const struct lt_body lt_body_grammar_next;
/* 0 or -1 and *f; release either way. */
int lt_grammar_ask_parse(struct lt_grammar_ask *a, struct lt_str body, struct lt_fault *f);
void lt_grammar_ask_release(struct lt_grammar_ask *a);
/* Appends the reply.  A grammar that cannot be read is a reply too, which says where. */
int lt_grammar_ask_answer(const struct lt_grammar_ask *a, const struct lt_tokenizer *t, struct lt_buf *out,
                          struct lt_fault *f);

/* Where in a text, counted in characters from 1; line 0: not known. */
struct lt_grammar_place { int line, column; };
/* The place that the sentence of a reader of grammars speaks of. */
struct lt_grammar_place lt_grammar_place(const char *sentence, struct lt_str text);

#endif
