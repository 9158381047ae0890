/* How an artefact came to be, told from its run record, and making it again. */
#ifndef LT_HISTORY_H
#define LT_HISTORY_H

#include "recipe/recipe.h"

/* The record that tells of an artefact, and where its relative paths start.  The options in it are those that make the
 * artefact again: the recorded ones and what a LT_RECORD_REPEAT in the output folder adds. */
struct lt_origin {
    char *place;                        /* of the record */
    char *owner;                        /* the file or folder that the record lies beside or in */
    char *base;                         /* folder in which the verb ran, as a prefix: "" or "a/b/" */
    struct lt_record record;
};
int lt_origin_open(const char *artefact, struct lt_origin *out);
void lt_origin_close(struct lt_origin *o);

/* What an entry's content is now: "same", "changed", "missing", or "unknown" when the record holds no hash. */
const char *lt_origin_now(const struct lt_origin *o, const struct lt_record_entry *e);

/* The options that are not what they would be by default, as JSON; json_decref it.  All of them when the verb is not
 * known to this program or refuses what the record holds. */
json_t *lt_options_telling(const struct lt_record *r, lt_verb_find_fn *find, void *self);
/* Appends the command line that runs the record's verb again, quoted for a shell. */
void lt_command_line(struct lt_buf *b, const struct lt_record *r, lt_verb_find_fn *find, void *self);

/* The story of an artefact, and under each input that has a record and is unchanged, the story of that one.  JSON:
 * artefact, record, verb, command, version, build, isa, options, inputs and outputs (each with `now`,
                                                                                      and `made` for the
 * story below).  NULL: lt_error. */
json_t *lt_history(const char *artefact, lt_verb_find_fn *find, void *self);
/* The same without reading any content, however large: `now` is "not read", and an input has the story of the record
 * that lists an output of the same hash. */
json_t *lt_history_recorded(const char *artefact, lt_verb_find_fn *find, void *self);
void lt_history_put(struct lt_buf *b, const json_t *history);               /* for people */

/* Runs the recorded verb again into a new folder beside the artefact and compares what it makes, byte by byte of what
 * run records hash.  Appends a line an output: "same" or "differs", and its path, with a tab between; below an output
 * that differs, its files that do.  keep: what was made stays, as PATH.again. */
int lt_reproduce(const char *artefact, bool keep, lt_verb_find_fn *find, void *self, struct lt_ctx *c,
                 struct lt_buf *report, bool *same);

#endif
