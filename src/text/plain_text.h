/* Text as clients may read it.  A byte-level model can write any bytes; what is not UTF-8 becomes U+FFFD, each longest
 * part that could have begun a character once, as Python's errors="replace" and browsers do.  So does NUL, which no
 * text that is read here may hold. */
#ifndef LT_PLAIN_TEXT_H
#define LT_PLAIN_TEXT_H

#include "base/base.h"

/* A text that comes in pieces: a character that is not all there yet waits for the next.  A zeroed one is at its
 * beginning; `last` gives what waits away. */
struct lt_text_flow { char kept[4]; size_t n; };
void lt_text_flow_put(struct lt_text_flow *f, struct lt_str piece, bool last, struct lt_buf *out);

void lt_plain_text(struct lt_buf *b, struct lt_str bytes);          /* appends a whole text */

#endif
