/* The operation behind `lathe score`: pairs of a context and a continuation, a line of figures each. */
#include "decode/score.h"
#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 4096, LINE = 64 << 20 };      /* pairs in memory at once; bytes of a line */

struct run {
    const struct lt_score_options *o;
    struct lt_ctx *c;
    struct lt_lm lm;
    struct lt_writer out;
    json_t *row[TOGETHER];          /* what the texts lie in */
    struct lt_score q[TOGETHER];
    int count;
    int64_t written;
};

static void put_pair(struct run *r, const struct lt_score *q)
{
    struct lt_buf b = { 0 };
    bool lines = !strcmp(r->o->format, "jsonl");
    lt_json_put_real(&b, q->logp);
    if (!lines && !r->written) lt_writer_fmt(&r->out, "pair\tlogprob\ttokens\tgreedy\n");
    if (lines)
        lt_writer_fmt(&r->out, "{\"logprob\":%s,\"tokens\":%lld,\"greedy\":%s}\n", b.p, (long long)q->tokens,
                      q->greedy ? "true" : "false");
    else lt_writer_fmt(&r->out, "%lld\t%s\t%lld\t%d\n", (long long)r->written, b.p, (long long)q->tokens, q->greedy);
    r->written++;
    lt_buf_free(&b);
}

static int score_gathered(struct run *r)
{
    int rc = r->count ? lt_score(&r->lm, r->c, r->q, r->count) : 0;
    for (int i = 0; i < r->count; i++) {
        if (!rc) put_pair(r, &r->q[i]);
        json_decref(r->row[i]);
    }
    r->count = 0;
    return rc;
}

static int add_pair(struct run *r, struct lt_str line)
{
    json_t *row = NULL;
    struct lt_score q = { 0 };
    if (lt_json_parse("row", line, &row)) return -1;
    if (lt_json_field(row, r->o->context_field, &q.context) || lt_json_field(row, r->o->field, &q.text)) {
        json_decref(row);
        return lt_fail("%s; --context_field and --field name the two texts of a row", lt_error());
    }
    r->row[r->count] = row;
    r->q[r->count++] = q;
    return 0;
}

static int read_file(struct run *r, const char *path)
{
    struct lt_stream *in = lt_stream_open(path);
    struct lt_buf line = { 0 };
    uint64_t number = 0;
    int rc = in ? 0 : -1, got = 1;
    while (!rc) {
        lt_buf_clear(&line);
        got = lt_stream_line(in, &line, LINE, true);
        if (got <= 0) break;
        number++;
        if (line.n && add_pair(r, lt_buf_view(&line)))
            rc = lt_fail("%s, line %llu: %s", path, (unsigned long long)number, lt_error());
        else if (r->count == TOGETHER && score_gathered(r))
            rc = lt_fail("%s, up to line %llu: %s", path, (unsigned long long)number, lt_error());
        if (!rc && lt_ctx_interrupted(r->c)) rc = lt_fail("interrupted after %lld pairs", (long long)r->written);
    }
    if (!rc && got < 0) rc = -1;
    lt_buf_free(&line);
    if (in) lt_stream_close(in);
    return rc;
}

static int score_files(struct run *r)
{
    int rc = lt_writer_open(&r->out, r->o->output ? r->o->output : "-");
    if (rc) return -1;
    for (int i = 0; i < r->o->input.count && !rc; i++) rc = read_file(r, r->o->input.item[i]);
    if (!rc) rc = score_gathered(r);
    for (int i = 0; i < r->count; i++) json_decref(r->row[i]);
    if (!rc && !r->written) rc = lt_fail("there are no pairs");
    if (!rc) return lt_writer_commit(&r->out);
    lt_writer_abort(&r->out);
    return -1;
}

int lt_score_run(const struct lt_score_options *o, struct lt_ctx *c)
{
    struct run *r = lt_calloc(1, sizeof *r);
    *r = (struct run){ .o = o, .c = c };
    int rc = lt_how_open(&o->how, o->model, c, &r->lm);
    if (!rc) {
        rc = score_files(r);
        lt_lm_close(&r->lm);
    }
    free(r);
    return rc;
}
