/* The operation behind `lathe ngram convert`. */
#include "ngram/convert.h"
#include "ngram/binary.h"
#include <string.h>

static const char *format_of(const struct lt_ngram_output *o)
{
    return lt_ngram_format(o->path, o->format, o->prob_bits || o->backoff_bits ? "trie" : "arpa");
}

static struct lt_ngram_binary_how binary_how(const struct lt_ngram_output *o)
{
    bool trie = !strcmp(format_of(o), "trie");
    return (struct lt_ngram_binary_how){ trie ? LT_NGRAM_TRIE : LT_NGRAM_HASH, (int)o->prob_bits,
                                         (int)o->backoff_bits };
}

int lt_ngram_output_open(const struct lt_ngram_output *o, struct lt_ctx *c, struct lt_ngram_sink *sink)
{
    const char *format = format_of(o);
    struct lt_ngram_binary_how how = binary_how(o);
    bool bits = how.prob_bits || how.backoff_bits;
    if (bits && strcmp(format, "trie"))
        return lt_misuse("prob_bits and backoff_bits are for the format trie, not for %s", format);
    if (!bits) return lt_ngram_sink_open(o->path, format, c, sink);
    lt_ngram_binary_sink(o->path, &how, c, sink);
    return 0;
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
    int rc;                             /* what was read into memory needs no second copy to become a binary file */
    if (m->file || !strcmp(format_of(&o->output), "arpa")) {
        rc = lt_ngram_stream(m, o->model, NULL, c, &sink);
    } else {
        sink.abort(sink.self);
        struct lt_ngram_binary_how how = binary_how(&o->output);
        rc = lt_ngram_binary_save(m, &how, o->output.path, c);
    }
    lt_ngram_free(m);
    return rc;
}
