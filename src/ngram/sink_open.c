/* Which sink a file has. */
#include "ngram/binary.h"
#include "ngram/stream.h"
#include <string.h>

const char *lt_ngram_format(const char *path, const char *format, const char *otherwise)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash : path;
    if (strcmp(format, "auto")) return format;
    if (strstr(name, ".arpa")) return "arpa";
    return strstr(name, ".trie") ? "trie" : strstr(name, ".hash") ? "hash" : otherwise;
}

int lt_ngram_sink_open(const char *path, const char *format, struct lt_ctx *c, struct lt_ngram_sink *out)
{
    format = lt_ngram_format(path, format, "arpa");
    if (!strcmp(format, "arpa")) return lt_arpa_sink_open(path, c, out);
    bool hash = !strcmp(format, "hash");
    if (!hash && strcmp(format, "trie"))
        return lt_misuse("there is no n-gram file format \"%s\": arpa, hash and trie are", format);
    struct lt_ngram_binary_how how = { .layout = hash ? LT_NGRAM_HASH : LT_NGRAM_TRIE };
    lt_ngram_binary_sink(path, &how, c, out);
    return 0;
}
