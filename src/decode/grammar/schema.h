/* What the parts of the reader of JSON Schema share.
 *
 * A schema becomes cases: objects of keywords that all speak of one type, of which a value must fit one.  Combinations
 * (allOf, anyOf, oneOf, not, if, $ref, dependentRequired, ...) are worked out on cases; what is left in a case is what
 * the builders of texts, numbers, arrays and objects read.  In a case
 *     type             is one of object, array, string, number, integer, boolean, null
 *     only, EXCEPT     hold values: the value is one of them, none of them
 *     pattern, NOT_PATTERN, format, multipleOf, propertyNames, contains    are lists, each of which holds
 *     FRACTION         true: the number is not whole
 * Those in capitals are no keywords of JSON Schema; their names cannot be written by accident. */
#ifndef LT_SCHEMA_H
#define LT_SCHEMA_H

#include "base/json.h"
#include "decode/grammar/grammar.h"

#define LT_SCHEMA_EXCEPT "\1except"
#define LT_SCHEMA_NOT_PATTERN "\1notPattern"
#define LT_SCHEMA_FRACTION "\1fraction"

enum lt_schema_basic { LT_SCHEMA_SPACE, LT_SCHEMA_CHAR, LT_SCHEMA_STRING, LT_SCHEMA_INTEGER, LT_SCHEMA_NUMBER,
                       LT_SCHEMA_VALUE, LT_SCHEMA_OBJECT, LT_SCHEMA_ARRAY, LT_SCHEMA_BASICS };
enum { LT_SCHEMA_NESTING = 200, LT_SCHEMA_CASES = 1024, LT_SCHEMA_RULES = 20000 };
struct lt_schema {
    struct lt_grammar_builder b;
    const char *label;
    const json_t *root;
    int basic[LT_SCHEMA_BASICS];    /* rules */
    int depth, looks;
    char *nothing;                  /* the first place that allows no value, for the message when nothing is left */
};
/* "/properties/a": where in the schema we are. */
struct lt_schema_at { const struct lt_schema_at *outer; const char *key; size_t index; };     /* key NULL: an index */

/* -1 with the place: "LABEL: #/properties/a/minimum: what". */
int lt_schema_fail(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what);
/* An expression that no text fits.  The place is told when the whole schema allows nothing because of it. */
struct lt_gx *lt_schema_none(struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what);
/* The values a schema allows; NULL: lt_error. */
struct lt_gx *lt_schema_value(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
/* The one way a constant is written, but for white space between tokens. */
struct lt_gx *lt_schema_constant(struct lt_schema *s, const json_t *v);

/* A list of cases to json_decref(); NULL: lt_error. */
json_t *lt_schema_cases(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
/* *into becomes what fits both; a new reference.  1: no value can; -1: they cannot be put together. */
int lt_schema_merge(struct lt_schema *s, json_t *into, const json_t *from, const struct lt_schema_at *at);
/* A schema of the values that the schema does not allow, to json_decref(); NULL: lt_error. */
json_t *lt_schema_negate(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
const json_t *lt_schema_resolve(const struct lt_schema *s, const char *ref);
/* 0, or -1: a keyword that is not supported, or one whose value is not what it should be. */
int lt_schema_keywords(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
bool lt_schema_note(const char *key);                   /* a keyword that says nothing about values */
/* Does the value fit the case, the schema?  1 yes, 0 no, -1 failed. */
int lt_schema_fits_case(struct lt_schema *s, const json_t *one, const json_t *v, const struct lt_schema_at *at);
int lt_schema_fits(struct lt_schema *s, const json_t *schema, const json_t *v, const struct lt_schema_at *at);
bool lt_schema_same(const json_t *a, const json_t *b);  /* equal as JSON Schema has it: 1 is 1.0 */
bool lt_schema_among(const json_t *list, const json_t *v);

bool lt_schema_excepts(const json_t *one, json_type type);        /* are values of a type ruled out? */

/* Builders of one case each. */
struct lt_gx *lt_schema_object(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at);
struct lt_gx *lt_schema_array(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at);
struct lt_gx *lt_schema_string(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at);
struct lt_gx *lt_schema_number(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at);
/* Texts of a case of type string with every character written in one way, as lt_gx_quoted does; calls no rules.  0, or
 * -1; *out NULL: none. */
int lt_schema_texts(struct lt_schema *s, const json_t *one, const struct lt_schema_at *at, struct lt_gx **out);
struct lt_gx *lt_schema_exactly(struct lt_schema *s, const char *text);     /* one text, written so */
/* The characters of a pattern or format; NULL: lt_error tells the place. */
struct lt_gx *lt_schema_pattern(struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *text);
struct lt_gx *lt_schema_format(struct lt_schema *s, const char *name);
bool lt_schema_format_known(const char *name);
/* A decimal as a real number is meant: digits before and after the point, without superfluous zeros. */
struct lt_decimal { bool minus; char whole[24], part[24]; };
int lt_decimal_of(const json_t *v, struct lt_decimal *d);       /* -1: too long to be written so */

/* A bound that is a whole number of at least 0: 1 there, 0 not, -1 failed. */
int lt_schema_bound(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key,
                    int64_t *out);
static inline struct lt_gx *lt_schema_call(struct lt_schema *s, enum lt_schema_basic b)
{
    return lt_gx_call(&s->b, s->basic[b]);
}
static inline struct lt_gx *lt_schema_z(struct lt_schema *s, const char *z) { return lt_gx_text(&s->b, lt_str(z)); }
static inline struct lt_gx *lt_schema_seq(struct lt_schema *s, struct lt_gx *a, struct lt_gx *b, struct lt_gx *c)
{
    return lt_gx_seq(&s->b, lt_gx_seq(&s->b, a, b), c);
}
static inline struct lt_gx *lt_schema_comma(struct lt_schema *s)
{
    return lt_gx_seq(&s->b, lt_schema_z(s, ","), lt_schema_call(s, LT_SCHEMA_SPACE));
}
/* "[" SPACE inside SPACE "]"; one space when there is nothing inside. */
struct lt_gx *lt_schema_between(struct lt_schema *s, const char *open, struct lt_gx *inside, const char *close);

#endif
