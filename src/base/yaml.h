/* YAML documents, over libyaml: a tree of nodes that know their line, read by the core schema of YAML 1.2, in which
 * only true and false are truth values ("no", "on" and "yes" are texts).
 *
 * One document, keys that are texts and differ, no tags but !!str, aliases that may not blow the tree up: everything
 * else is refused with its line and column.  What a file may ask of us is bounded by LT_YAML_MAX. */
#ifndef LT_YAML_H
#define LT_YAML_H

#include "base/json.h"

enum { LT_YAML_MAX = 16 << 20,      /* bytes of a document */
       LT_YAML_DEPTH = 64,          /* nesting */
       LT_YAML_NODES = 1 << 18 };   /* nodes, each alias counted with all that it stands for */

enum lt_yaml_kind { LT_YAML_SCALAR, LT_YAML_LIST, LT_YAML_MAP };
struct lt_yaml {
    enum lt_yaml_kind kind;
    int line, column;               /* from 1 */
    const char *text;               /* SCALAR: NUL-terminated, holds no other NUL */
    bool quoted;                    /* SCALAR: a text whatever it looks like */
    int count;                      /* LIST, MAP */
    struct lt_yaml **item;          /* LIST, MAP: the values */
    struct lt_yaml **key;           /* MAP: SCALAR nodes */
    int64_t weight;                 /* nodes in all, aliases spelt out */
    int height;                     /* levels below this one */
};

/* Everything lies in the arena.  An empty document is a scalar without text, which is null. */
int lt_yaml_parse(const char *label, struct lt_str text, struct lt_arena *a, struct lt_yaml **out);
int lt_yaml_read(const char *path, struct lt_arena *a, struct lt_yaml **out);

const struct lt_yaml *lt_yaml_get(const struct lt_yaml *map, const char *key);     /* NULL: absent */
bool lt_yaml_is_null(const struct lt_yaml *y);
/* What an option row should be given for a scalar: its text as it stands, so that "1e-4" and "10k" mean what they
 * mean on a command line, but true and false, whole numbers and infinities in the one spelling rows know. */
const char *lt_yaml_value(const struct lt_yaml *y, struct lt_arena *a);
/* The whole as JSON; json_decref it.  NULL with lt_error: a number that JSON cannot hold. */
json_t *lt_yaml_json(const char *label, const struct lt_yaml *y);

#endif
