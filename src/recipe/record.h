/* Run records from inside (doc/formats/run-record.md): reading them back, and the paths that option rows name. */
#ifndef LT_RECORD_H
#define LT_RECORD_H

#include "base/json.h"

#define LT_RECORD_FORMAT "lathe-run 1"
#define LT_RECORD_IN_FOLDER "lathe-run.json"
#define LT_RECORD_BESIDE ".run.json"
#define LT_RECORD_REPEAT "repeat.json"          /* in an output folder: options that a repetition needs besides */

/* A path that an option names: of the verb's own rows, or of a method that was chosen ("lm.path"). */
struct lt_option_path { const char *option, *path; };
/* Paths of the rows with this flag (LT_IN or LT_OUT), in row order; the set must be done.  Returns how many. */
int lt_option_paths(struct lt_options *s, unsigned flag, struct lt_arena *a, struct lt_option_path **out);
/* Can the content be hashed, as that of a file or folder?  Not that of standard input, a device, or what is no path. */
bool lt_path_is_content(const char *path);

struct lt_record {                              /* what is in it is borrowed from json */
    json_t *json;
    const char *verb, *version, *build, *isa;
    json_t *options, *inputs, *outputs;
};
struct lt_record_entry { const char *option, *path, *hash; int64_t bytes; };    /* hash NULL: content not known */
int lt_record_parse(const char *label, struct lt_str text, struct lt_record *out);
void lt_record_release(struct lt_record *r);
int lt_record_entries(const json_t *list);
struct lt_record_entry lt_record_entry(const json_t *list, int i);

char *lt_record_own_place(const char *artefact);    /* where the artefact's own record lies or would lie; free() it */
/* Where the record that tells of an artefact lies: inside a folder, beside a file, or in the nearest folder above
 * that has one.  An existing record may also be named itself.  free() it; NULL: lt_error. */
char *lt_record_place(const char *artefact);

#endif
