/* What the parts of the reader of JSON Schema share. */
#ifndef LT_SCHEMA_H
#define LT_SCHEMA_H

#include "base/json.h"
#include "decode/grammar/grammar.h"

enum lt_schema_basic { LT_SCHEMA_SPACE, LT_SCHEMA_CHAR, LT_SCHEMA_STRING, LT_SCHEMA_INTEGER, LT_SCHEMA_NUMBER,
                       LT_SCHEMA_VALUE, LT_SCHEMA_OBJECT, LT_SCHEMA_ARRAY, LT_SCHEMA_BASICS };
struct lt_schema {
    struct lt_grammar_builder b;
    const char *label;
    const json_t *root;
    int basic[LT_SCHEMA_BASICS];    /* rules */
    int depth;
};
/* "/properties/a": where in the schema we are. */
struct lt_schema_at { const struct lt_schema_at *outer; const char *key; size_t index; };     /* key NULL: an index */

/* -1 with the place: "LABEL: #/properties/a/minimum: what". */
int lt_schema_fail(const struct lt_schema *s, const struct lt_schema_at *at, const char *key, const char *what);
/* The values a schema allows; NULL: lt_error. */
struct lt_gx *lt_schema_value(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
struct lt_gx *lt_schema_object(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
struct lt_gx *lt_schema_array(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
struct lt_gx *lt_schema_string(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at);
struct lt_gx *lt_schema_number(struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, bool whole);
/* A bound that is a whole number of at least 0: 1 there, 0 not, -1 failed. */
int lt_schema_bound(const struct lt_schema *s, const json_t *schema, const struct lt_schema_at *at, const char *key,
                    int64_t *out);
static inline struct lt_gx *lt_schema_call(struct lt_schema *s, enum lt_schema_basic b)
{
    return lt_gx_call(&s->b, s->basic[b]);
}
static inline struct lt_gx *lt_schema_z(struct lt_schema *s, const char *z) { return lt_gx_text(&s->b, lt_str(z)); }

#endif
