/* Which sink a file has. */
#include "ngram/stream.h"
#include <string.h>

int lt_ngram_sink_open(const char *path, const char *format, struct lt_ctx *c, struct lt_ngram_sink *out)
{
    if (!strcmp(format, "auto") || !strcmp(format, "arpa")) return lt_arpa_sink_open(path, c, out);
    return lt_misuse("there is no n-gram file format \"%s\"", format);
}
