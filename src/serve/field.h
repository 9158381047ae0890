/* Bodies of requests, read by tables of fields.  The description at /openapi.json is made from the same tables, so that
 * what it says is what is taken. */
#ifndef LT_FIELD_H
#define LT_FIELD_H

#include "base/json.h"
#include "serve/fault.h"

struct lt_field;
/* Takes a value that is not null, or -1 and *f. */
typedef int lt_field_fn(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f);
/* The first four are checked and stored by the table alone: bool, int64_t, const char * (borrowed), const json_t *. */
enum lt_field_type { LT_FIELD_BOOL, LT_FIELD_INT, LT_FIELD_TEXT, LT_FIELD_OBJECT, LT_FIELD_OTHER };
struct lt_field {
    const char *key, *help;
    enum lt_field_type type;
    unsigned where;                 /* which bodies of its table have it; 0: all */
    bool need;
    size_t at;
    double min, max;                /* INT; 0, 0: any */
    const char *schema;             /* JSON Schema; NULL: as the type says */
    lt_field_fn *take;              /* OTHER; with another type it is called after the value was stored */
};
/* A kind of body. */
struct lt_body {
    const char *name;               /* in the description: "CompletionRequest" */
    const struct lt_field *field;   /* ends with key NULL */
    unsigned where;
    bool controls;                  /* takes the controls of verbs too: those whose value is a number */
};
/* Takes the members of an object; NULL is an empty one.  `under` stands before the names of fields in messages
 * ("options."), or "".  null is the same as nothing.  A member of no field is a fault that suggests the near name. */
int lt_body_take(const struct lt_body *b, void *into, const char *under, const json_t *object, struct lt_fault *f);
/* The text of a body as an object, or -1 and *f; json_decref(*out). */
int lt_body_parse(struct lt_str text, json_t **out, struct lt_fault *f);
bool lt_field_is_in(const struct lt_body *b, const struct lt_field *d);
/* How a number control is set: into is what lt_body_take got. */
typedef int lt_control_fn(void *into, const char *field, const struct lt_method *control, const json_t *v,
                          struct lt_fault *f);
int lt_body_take_with(const struct lt_body *b, void *into, const char *under, const json_t *object,
                      lt_control_fn *control, struct lt_fault *f);
/* The i-th control that clients may set by a number; NULL: there are no more.  Only numbers: a text may name a file,
 * which is not for clients to choose. */
const struct lt_method *lt_number_control(int i);

/* ---- values ---- */
int lt_wrong_type(struct lt_fault *f, const char *key, const char *expected, const json_t *v);      /* -1 */
int lt_take_int(const json_t *v, const char *key, int64_t min, int64_t max, int64_t *out, struct lt_fault *f);
int lt_take_bool(const json_t *v, const char *key, bool *out, struct lt_fault *f);
/* A list of token numbers as ids; free(*id). */
int lt_take_ids(const json_t *list, const char *key, int32_t **id, int *count, struct lt_fault *f);
/* A field that is not taken: help says why. */
int lt_field_refused(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f);
/* The same, but the values that change nothing (false, empty) are fine. */
int lt_field_refused_unless_empty(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f);
int lt_field_ignored(void *into, const struct lt_field *d, const json_t *v, struct lt_fault *f);

/* ---- the description ---- */
/* Appends the JSON Schema of a body. */
void lt_body_schema(const struct lt_body *b, struct lt_buf *out);

#endif
