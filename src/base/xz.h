/* How small a general-purpose compressor makes a text: the plain baseline of bits per byte. */
#ifndef LT_XZ_H
#define LT_XZ_H

#include "base/base.h"

/* Bytes of `xz -9e` over text (LZMA2, one stream).  -1: interrupted. */
int lt_xz_size(struct lt_ctx *c, struct lt_str text, uint64_t *bytes);

#endif
