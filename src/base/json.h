/* JSON documents, over jansson: parsed with errors that say where, members fetched with sentences that name the path,
 * and text written in one canonical way.
 *
 * Nothing is trusted: a document may have at most LT_JSON_MAX bytes and be nested as deep as jansson allows (2048),
 * no object may hold a key twice, no text a NUL byte, and whoever takes a number states its range. */
#ifndef LT_JSON_H
#define LT_JSON_H

#include "base/base.h"
#include <jansson.h>

enum { LT_JSON_MAX = 1 << 30 };

/* `label` names the text in messages, as a path does.  json_decref(*out). */
int lt_json_parse(const char *label, struct lt_str text, json_t **out);
int lt_json_read(const char *path, json_t **out);           /* the whole file */

/* A member of an object: 1 and *out set; 0 when it is absent or null, *out as it was, so that it may hold the default;
 * -1 when it is of another type or out of range.  `where` names the object ("config.json: rope_scaling").  What comes
 * out is borrowed from the document. */
int lt_json_int(const json_t *object, const char *where, const char *key, int64_t min, int64_t max, int64_t *out);
/* whole numbers too; finite */
int lt_json_real(const json_t *object, const char *where, const char *key, double *out);
int lt_json_bool(const json_t *object, const char *where, const char *key, bool *out);
int lt_json_str(const json_t *object, const char *where, const char *key, const char **out);
int lt_json_array(const json_t *object, const char *where, const char *key, json_t **out);
int lt_json_object(const json_t *object, const char *where, const char *key, json_t **out);
/* A text that a row must hold; *out is borrowed from it.  -1: the row is no object, has no
 * such field, or no string in it; the error says which, but not where. */
int lt_json_field(const json_t *row, const char *field, struct lt_str *out);
/* Fails unless the object has a member of this name that is not null; call it before one of the above. */
int lt_json_need(const json_t *object, const char *where, const char *key);

/* ---- writing: the same document gives the same bytes everywhere ---- */
/* Quoted and escaped.  What no text that is read here may hold, bytes that are no UTF-8 and NUL, becomes U+FFFD. */
void lt_json_put_text(struct lt_buf *b, struct lt_str s);
void lt_json_put_exact(struct lt_buf *b, struct lt_str s);  /* NUL stays \u0000: for tokenizers, which may have it */
/* shortest text that reads back as v; "inf", "nan" quoted */
void lt_json_put_real(struct lt_buf *b, double v);
/* Members in their order, one a line, two spaces a level; a list or object of scalars that fits stays on one line. */
void lt_json_put(struct lt_buf *b, const json_t *v);

#endif
