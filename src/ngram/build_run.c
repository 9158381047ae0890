/* The operation behind `lathe ngram build`. */
#include "base/ctx.h"
#include "base/io.h"
#include "ngram/build.h"

#define BUILD_LINE_MAX ((size_t)64 << 20)       /* bytes in one sentence */

static int read_file(const char *path, struct lt_ngram_text *t, struct lt_ctx *c)
{
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    struct lt_progress p;
    uint64_t number = 0;
    int rc;
    if (!s) return -1;
    lt_progress_begin(c, &p, "reading", "bytes", (double)lt_stream_size(s));
    while (lt_buf_clear(&line), (rc = lt_stream_line(s, &line, BUILD_LINE_MAX, true)) > 0) {
        number++;
        rc = lt_ctx_interrupted(c) ? lt_fail("interrupted") : lt_ngram_text_add(t, lt_buf_view(&line));
        if (rc) {
            lt_fail("%s, line %llu: %s", path, (unsigned long long)number, lt_error());
            break;
        }
        if (number % 4096 == 0) lt_progress_at(&p, (double)lt_stream_position(s), NULL);
    }
    lt_progress_end(&p);
    lt_buf_free(&line);
    lt_stream_close(s);
    return rc;
}

static int build(const struct lt_ngram_build_options *o, struct lt_ngram_text *t, struct lt_ctx *c)
{
    static const char *standard_input[] = { "-" };
    struct lt_list input = o->input.count ? o->input : (struct lt_list){ standard_input, 1 };
    struct lt_ngram_counts n;
    for (int i = 0; i < input.count; i++)
        if (read_file(input.item[i], t, c)) return -1;
    if (lt_ngram_count(t, (int)o->order, c, &n)) return -1;
    lt_ngram_estimate(&n, (const struct lt_smoothing *)o->smoothing.method, o->smoothing.o, c);
    int rc = lt_ctx_interrupted(c) ? lt_fail("interrupted") : lt_ngram_save(n.m, o->output);
    lt_ngram_counts_release(&n);
    return rc;
}

int lt_ngram_build_run(const struct lt_ngram_build_options *o, struct lt_ctx *c)
{
    struct lt_ngram_text t;
    lt_ngram_text_init(&t, (size_t)o->memory << 20);
    int rc = build(o, &t, c);
    lt_ngram_text_release(&t);
    return rc;
}
