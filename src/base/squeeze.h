/* A writer that compresses when the name of the file says so: .gz, .zst, .xz.  As lt_writer: nothing is there before a
 * commit, errors are sticky. */
#ifndef LT_SQUEEZE_H
#define LT_SQUEEZE_H

#include "base/io.h"

struct lt_squeeze;
struct lt_squeeze *lt_squeeze_open(const char *path);       /* NULL: lt_error */
void lt_squeeze_put(struct lt_squeeze *s, const void *p, size_t n);
bool lt_squeeze_failed(const struct lt_squeeze *s);         /* so that long work can stop; commit or abort tells */
int lt_squeeze_commit(struct lt_squeeze *s);                /* frees s in any case */
void lt_squeeze_abort(struct lt_squeeze *s);                /* NULL: nothing */

#endif
