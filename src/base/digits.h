/* Numbers as text, fast. */
#ifndef LT_DIGITS_H
#define LT_DIGITS_H

#include "base/base.h"

enum { LT_FLOAT_TEXT = 32 };
/* The fewest significant digits, six or more, that read back give the same float, as printf's %.6g to %.9g spell them.
 * Returns the length; no NUL follows. */
size_t lt_float_text(float v, char text[LT_FLOAT_TEXT]);

#endif
