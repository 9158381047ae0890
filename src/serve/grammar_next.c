#include "serve/grammar_next.h"
#include "decode/grammar/grammar.h"
#include "serve/spelling.h"
#include "text/tokenizer.h"
#include <stdlib.h>
#include <string.h>

enum { INDENT = 20,                             /* as the control json_schema has it by default */
       PIECES = 50, FORCED_MOST = 1000 };

/* ---- the body ---- */

static int check_length(const char *key, size_t n, struct lt_fault *f)
{
    if (n <= LT_GRAMMAR_NEXT_BYTES) return 0;
    return lt_fault_set(f, 400, key, "invalid_value", "%s: expected at most %d bytes, found %zu", key,
                        LT_GRAMMAR_NEXT_BYTES, n);
}

static int take_text(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_grammar_ask *a = into;
    if (!json_is_string(v)) return lt_wrong_type(f, d->key, "a text", v);
    a->text = (struct lt_str){ json_string_value(v), json_string_length(v) };
    return check_length(d->key, a->text.n, f);
}

/* Of a schema the text is kept, as it was sent or as an object is written. */
static int take_notation(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    struct lt_grammar_ask *a = into;
    const bool schema = !strcmp(d->key, "json_schema");
    if (a->notation)
        return lt_fault_set(f, 400, d->key, "invalid_value", "%s and %s both say what form the text has: give one",
                            a->notation, d->key);
    if (!json_is_string(v) && !(schema && json_is_object(v)))
        return lt_wrong_type(f, d->key, schema ? "an object or a text" : "a text", v);
    a->notation = d->key;
    a->grammar = json_is_string(v) ? lt_strdup(json_string_value(v)) : json_dumps(v, JSON_COMPACT);
    if (!a->grammar) return lt_fault_set(f, 400, d->key, "invalid_value", "%s: cannot be written as text", d->key);
    return check_length(d->key, strlen(a->grammar), f);
}

static int take_check(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f)
{
    size_t i;
    json_t *token;
    if (!json_is_array(v) || json_array_size(v) > LT_GRAMMAR_NEXT_PIECES)
        return lt_fault_set(f, 400, d->key, "invalid_value",
                            "check: expected a list of at most %d token numbers or texts", LT_GRAMMAR_NEXT_PIECES);
    json_array_foreach((json_t *)v, i, token)
        if (!json_is_integer(token) && !json_is_string(token))
            return lt_fault_set(f, 400, d->key, "invalid_type", "check: expected token numbers or texts");
    ((struct lt_grammar_ask *)into)->check = v;
    return 0;
}

#define AT(f) .at = offsetof(struct lt_grammar_ask, f)
#define TEXT "{\"type\":[\"string\",\"null\"],\"maxLength\":65536}"
static const struct lt_field fields[] = {
    { "model", "name of a served model or adapter; without it the first answers", LT_FIELD_TEXT, AT(model) },
    { "grammar", "rules in GBNF", LT_FIELD_OTHER, .take = take_notation, .schema = TEXT },
    { "json_schema", "a JSON Schema, as an object or as its text", LT_FIELD_OTHER, .take = take_notation,
      .schema = "{\"type\":[\"object\",\"string\",\"null\"]}" },
    { "regex", "a regular expression", LT_FIELD_OTHER, .take = take_notation, .schema = TEXT },
    { "text", "what has been written so far", LT_FIELD_OTHER, .take = take_text, .schema = TEXT },
    { "n", "pieces to list", LT_FIELD_INT, AT(n), .max = LT_GRAMMAR_NEXT_PIECES },
    { "check", "tokens, by number or text, that are asked about", LT_FIELD_OTHER, .take = take_check,
      .schema = "{\"type\":[\"array\",\"null\"],\"maxItems\":1000,\"items\":{\"type\":[\"integer\",\"string\"]}}" },
    { 0 },
};
const struct lt_body lt_body_grammar_next = { .name = "GrammarNextRequest", .field = fields };

int lt_grammar_ask_parse(struct lt_grammar_ask *a, struct lt_str body, struct lt_fault *f)
{
    *a = (struct lt_grammar_ask){ .text = { "", 0 }, .n = PIECES };
    if (lt_body_parse(body, &a->body, f) || lt_body_take(&lt_body_grammar_next, a, "", a->body, f)) return -1;
    if (a->notation) return 0;
    return lt_fault_set(f, 400, NULL, "missing_field", "expected one of grammar, json_schema and regex");
}

void lt_grammar_ask_release(struct lt_grammar_ask *a)
{
    json_decref(a->body);
    free(a->grammar);
    *a = (struct lt_grammar_ask){ 0 };
}

/* ---- tokens ---- */

static bool in_mask(const uint64_t *mask, int32_t id) { return mask[id / 64] >> (id % 64) & 1; }

struct stand { struct lt_gmachine *m; const struct lt_tokenizer *t; int place; const uint64_t *mask; bool complete; };

/* May this token come here?  Given by its number, or by its text when that is all the asker knows. */
static bool may_come(const struct stand *s, const json_t *token)
{
    int64_t id = json_is_integer(token) ? json_integer_value(token) : -1;
    if (json_is_string(token)) {
        int32_t piece = lt_tokenizer_id(s->t, json_string_value(token));
        if (piece >= 0 && lt_tokenizer_special(s->t, piece)) id = piece;
    }
    if (id >= 0) return id == lt_tokenizer_eos(s->t) ? s->complete : id < lt_tokenizer_vocab(s->t)
                        && s->mask && in_mask(s->mask, (int32_t)id);
    struct lt_buf bytes = { 0 };
    lt_spelling_bytes((struct lt_str){ json_string_value(token), json_string_length(token) }, &bytes);
    bool may = s->place >= 0 && bytes.n && lt_gmachine_steps(s->m, s->place, lt_buf_view(&bytes)) >= 0;
    lt_buf_free(&bytes);
    return may;
}

static void put_allowed(const struct stand *s, int64_t most, struct lt_buf *out)
{
    int vocab = lt_tokenizer_vocab(s->t), allowed = 0;
    for (int i = 0; i < (vocab + 63) / 64 && s->mask; i++) allowed += __builtin_popcountll(s->mask[i]);
    lt_buf_fmt(out, ",\"vocabulary\":%d,\"allowed\":%d,\"pieces\":[", vocab, allowed);
    for (int32_t i = 0, listed = 0; i < vocab && listed < most && s->mask; i++) {
        if (!in_mask(s->mask, i)) continue;
        lt_buf_fmt(out, "%s{\"id\":%d,\"piece\":", listed++ ? "," : "", i);
        lt_spelling_put(out, s->t, i);
        lt_buf_char(out, '}');
    }
    lt_buf_char(out, ']');
}

static void put_forced(const struct stand *s, struct lt_buf *out)
{
    struct lt_buf forced = { 0 };
    if (s->place >= 0) lt_gmachine_forced(s->m, s->place, FORCED_MOST, &forced);
    while (forced.n) {                          /* whole characters */
        json_t *whole = json_stringn(forced.p, forced.n);
        json_decref(whole);
        if (whole) break;
        forced.n--;
    }
    lt_buf_str(out, ",\"forced\":");
    lt_json_put_text(out, forced.n ? lt_buf_view(&forced) : lt_str(""));
    lt_buf_free(&forced);
}

/* ---- the reply ---- */

static int compile(const char *notation, struct lt_str text, struct lt_grammar **out)
{
    if (!strcmp(notation, "grammar")) return lt_grammar_gbnf("the grammar", text, out);
    if (!strcmp(notation, "regex")) return lt_grammar_regex("the expression", text, out);
    return lt_grammar_schema("the schema", text, INDENT, out);
}

static void put_error(const char *sentence, struct lt_str grammar, struct lt_buf *out)
{
    struct lt_grammar_place p = lt_grammar_place(sentence, grammar);
    lt_buf_str(out, "{\"error\":{\"message\":");
    lt_json_put_text(out, lt_str(sentence));
    if (p.line) lt_buf_fmt(out, ",\"line\":%d,\"column\":%d}}\n", p.line, p.column);
    else lt_buf_str(out, ",\"line\":null,\"column\":null}}\n");
}

static void put_reply(const struct lt_grammar_ask *a, const struct lt_tokenizer *t, const struct lt_grammar *g,
                      struct lt_buf *out)
{
    struct stand s = { .m = lt_gmachine_new(g, lt_tokenizer_trie(t)), .t = t };
    size_t taken = 0, characters = 0, i;
    json_t *token;
    s.place = lt_gmachine_start(s.m);
    for (int next = s.place; next >= 0 && taken < a->text.n; taken += next >= 0) {
        next = lt_gmachine_step(s.m, s.place, (uint8_t)a->text.p[taken]);
        if (next >= 0) s.place = next;
    }
    for (size_t k = 0; k < taken; k++) characters += ((unsigned char)a->text.p[k] & 0xc0) != 0x80;
    bool valid = taken == a->text.n;
    if (!valid) s.place = -1;
    s.complete = valid && lt_gmachine_ends(s.m, s.place);
    s.mask = valid ? lt_gmachine_mask(s.m, s.place) : NULL;
    lt_buf_fmt(out, "{\"valid\":%s,\"complete\":%s,\"taken\":%zu", valid ? "true" : "false",
               s.complete ? "true" : "false", characters);
    put_allowed(&s, a->n, out);
    put_forced(&s, out);
    lt_buf_str(out, ",\"check\":[");
    json_array_foreach((json_t *)a->check, i, token)
        lt_buf_fmt(out, "%s%s", i ? "," : "", may_come(&s, token) ? "true" : "false");
    lt_buf_str(out, "],\"error\":null}\n");
    lt_gmachine_free(s.m);
}

int lt_grammar_ask_answer(const struct lt_grammar_ask *a, const struct lt_tokenizer *t, struct lt_buf *out,
                          struct lt_fault *f)
{
    struct lt_grammar *g;
    if (!t) return lt_fault_set(f, 400, NULL, "no_tokenizer", "the model has no tokenizer");
    if (compile(a->notation, lt_str(a->grammar), &g)) {
        put_error(lt_error(), lt_str(a->grammar), out);
        return 0;
    }
    put_reply(a, t, g, out);
    lt_grammar_free(g);
    return 0;
}
