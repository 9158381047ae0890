/* Files written compressed, by the end of their name: .gz (gzip), .zst (Zstandard), .xz; any other as it is. */
#ifndef LT_COMPRESS_H
#define LT_COMPRESS_H

#include "base/base.h"

struct lt_compressor;
struct lt_compressor *lt_compressor_open(const char *path);     /* as lt_writer_open; NULL: lt_error */
int lt_compressor_put(struct lt_compressor *z, const void *p, size_t n);
int lt_compressor_commit(struct lt_compressor *z);              /* as lt_writer_commit; frees in any case */
void lt_compressor_abort(struct lt_compressor *z);

#endif
