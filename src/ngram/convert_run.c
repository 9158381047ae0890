/* The operation behind `lathe ngram convert`. */
#include "ngram/convert.h"
#include "ngram/binary.h"
#include <string.h>

static bool has(const char *path, const char *part)
{
    const char *slash = strrchr(path, '/');
    return strstr(slash ? slash : path, part);
}

static const char *format_of(const struct lt_ngram_output *o)
{
    if (strcmp(o->format, "auto")) return o->format;
    if (has(o->path, ".arpa") || !strcmp(o->path, "-")) return "arpa";
    return lt_str_ends(lt_str(o->path), ".trie") || o->prob_bits || o->backoff_bits ? "trie" : "hash";
}

int lt_ngram_output_open(const struct lt_ngram_output *o, struct lt_ctx *c, struct lt_ngram_sink *sink)
{
    struct lt_ngram_target t = { .path = o->path, .format = format_of(o), .prob_bits = (int)o->prob_bits,
                                 .backoff_bits = (int)o->backoff_bits };
    return lt_ngram_sink_open(&t, c, sink);
}

/* What was read into memory needs no second copy to become a binary file. */
static int write_levels(const struct lt_ngram_convert_options *o, const struct lt_ngram *m, struct lt_ctx *c)
{
    bool trie = !strcmp(format_of(&o->output), "trie");
    struct lt_ngram_binary_how how = { trie ? LT_NGRAM_TRIE : LT_NGRAM_HASH, (int)o->output.prob_bits,
                                       (int)o->output.backoff_bits };
    return lt_ngram_binary_save(m, &how, o->output.path, c);
}

int lt_ngram_convert_run(const struct lt_ngram_convert_options *o, struct lt_ctx *c)
{
    struct lt_ngram_sink sink;
    struct lt_ngram *m;
    if (lt_ngram_output_open(&o->output, c, &sink)) return -1;
    if (lt_ngram_open(o->model, c, &m)) {
        sink.abort(sink.self);
        return -1;
    }
    int rc;
    if (m->file || !strcmp(format_of(&o->output), "arpa")) {
        rc = lt_ngram_stream(m, o->model, NULL, c, &sink);
    } else {
        sink.abort(sink.self);
        rc = write_levels(o, m, c);
    }
    lt_ngram_free(m);
    return rc;
}
