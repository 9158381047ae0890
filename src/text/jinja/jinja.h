/* Jinja templates, as much of the language as chat templates use, rendered as transformers does: Jinja2 with
 * trim_blocks, lstrip_blocks, break and continue, `generation` blocks, raise_exception and strftime_now, and a tojson
 * that is json.dumps(ensure_ascii=False).  What is not known is refused when the template is compiled. */
#ifndef LT_JINJA_H
#define LT_JINJA_H

#include "base/json.h"

enum { LT_JINJA_SOURCE_MAX = 4 << 20,           /* bytes of a template */
       LT_JINJA_OUTPUT_MAX = 64 << 20,          /* bytes of what it renders, and of any text it makes */
       LT_JINJA_STEPS_MAX = 20 * 1000 * 1000,   /* statements and expressions run */
       LT_JINJA_MEMORY_MAX = 256 << 20,         /* bytes of values while it runs */
       LT_JINJA_DEPTH = 120 };                  /* nesting of blocks, expressions and calls */

struct lt_jinja;
/* label names the template in messages.  The source is copied. */
int lt_jinja_compile(const char *label, struct lt_str source, struct lt_jinja **out);
void lt_jinja_free(struct lt_jinja *t);         /* NULL is fine */
struct lt_str lt_jinja_source(const struct lt_jinja *t);        /* with '\n' at the ends of lines */
/* Does the template hold a {% generation %} block, which says what the model writes? */
bool lt_jinja_has_generation(const struct lt_jinja *t);

struct lt_jinja_span { size_t begin, end; };    /* bytes of the output that came from a generation block */
struct lt_jinja_spans { struct lt_jinja_span *at; size_t n, cap; };     /* free(at) */
/* Appends what the template renders.  vars: an object whose members are the template's variables; now: seconds since
 * 1970, which strftime_now shows in local time; spans may be NULL.  On -1 lt_error names the line; *out is as it was.
 * A template is not changed by rendering: several threads may render it. */
int lt_jinja_render(const struct lt_jinja *t, const json_t *vars, int64_t now, struct lt_buf *out,
                    struct lt_jinja_spans *spans);

#endif
