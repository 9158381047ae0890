/* The operation behind `lathe filter`. */
#include "data/filter.h"

#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"
#include "data/op_chain.h"
#include "text/document.h"
#include <inttypes.h>
#include <string.h>

struct job {
    const struct lt_filter_options *o;
    struct lt_writer out;
    struct lt_buf line;
    uint64_t given, kept;
    struct lt_op_chain *chain;
};

/* The object a document came from stays as it was written; what operators add goes before its closing brace. */
static int put_row(struct job *j, const struct lt_doc *d)
{
    if (!d->added.n) {
        lt_buf_put(&j->line, d->row.p, d->row.n);
        return 0;
    }
    struct lt_buf object = { 0 };
    json_t *old = NULL, *new = NULL;
    const char *key, *twice = NULL;
    json_t *value;
    lt_buf_fmt(&object, "{%.*s}", (int)d->added.n - 1, d->added.p + 1);
    int rc = lt_json_parse(d->source, d->row, &old) || lt_json_parse("what operators add", lt_buf_view(&object), &new);
    if (!rc) json_object_foreach(new, key, value) if (json_object_get(old, key)) twice = key;
    if (twice)
        rc = lt_fail("the line has a \"%s\" already; let the operator's key be another", twice);
    json_decref(old);
    json_decref(new);
    lt_buf_free(&object);
    if (rc) return -1;
    size_t end = d->row.n;
    while (d->row.p[end - 1] != '}') end--;
    lt_buf_put(&j->line, d->row.p, end - 1);
    lt_buf_put(&j->line, d->added.p, d->added.n);
    lt_buf_char(&j->line, '}');
    return 0;
}

static int keep(void *self, const struct lt_doc *d)
{
    struct job *j = self;
    lt_buf_clear(&j->line);
    if (d->row.p) {
        if (put_row(j, d)) return -1;
    } else {
        lt_buf_str(&j->line, "{\"id\":");
        lt_json_put_text(&j->line, d->id);
        lt_buf_str(&j->line, ",\"text\":");
        lt_json_put_text(&j->line, d->text);
        lt_buf_put(&j->line, d->added.p, d->added.n);
        lt_buf_char(&j->line, '}');
    }
    lt_buf_char(&j->line, '\n');
    lt_writer_put(&j->out, j->line.p, j->line.n);
    j->kept++;
    return 0;
}

static int push_document(void *self, const struct lt_doc *d)
{
    struct job *j = self;
    j->given++;
    return lt_op_chain_push(j->chain, d);
}

static int read_all(struct job *j, struct lt_ctx *c)
{
    const struct lt_filter_options *o = j->o;
    int rc = lt_docs_each(&o->input, &o->docs, c, "filtering", push_document, j);
    if (rc && lt_ctx_interrupted(c)) return lt_fail("interrupted; nothing was written");
    return rc ? -1 : lt_op_chain_finish(j->chain);
}

/* One row a reason, then all together; the same as JSON. */
static void put_summary(const struct job *j, struct lt_buf *b)
{
    const char *name, *why;
    uint64_t given, dropped, n;
    lt_buf_str(b, "filter\tgiven\tdropped\treason\n");
    for (int i = 0; lt_op_chain_count(j->chain, i, &name, &given, &dropped); i++) {
        if (!dropped) lt_buf_fmt(b, "%s\t%" PRIu64 "\t0\t-\n", name, given);
        for (uint32_t k = 0; lt_op_chain_why(j->chain, i, k, &why, &n); k++)
            lt_buf_fmt(b, "%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", name, given, n, why);
    }
    lt_buf_fmt(b, "all\t%" PRIu64 "\t%" PRIu64 "\t-\n", j->given, j->given - j->kept);
}

static void put_summary_json(const struct job *j, struct lt_buf *b)
{
    const char *name, *why;
    uint64_t given, dropped, n;
    json_t *root = json_pack("{s:I, s:I}", "given", (json_int_t)j->given, "kept", (json_int_t)j->kept);
    json_t *filters = json_array();
    for (int i = 0; lt_op_chain_count(j->chain, i, &name, &given, &dropped); i++) {
        json_t *reasons = json_object();
        for (uint32_t k = 0; lt_op_chain_why(j->chain, i, k, &why, &n); k++)
            json_object_set_new(reasons, why, json_integer((json_int_t)n));
        json_array_append_new(filters, json_pack("{s:s, s:I, s:I, s:o}", "filter", name, "given", (json_int_t)given,
                                                 "dropped", (json_int_t)dropped, "reasons", reasons));
    }
    json_object_set_new(root, "filters", filters);
    lt_json_put(b, root);
    lt_buf_char(b, '\n');
    json_decref(root);
}

static int report(const struct job *j, struct lt_ctx *c)
{
    struct lt_buf b = { 0 };
    int rc = 0;
    if (j->o->json) put_summary_json(j, &b);
    else put_summary(j, &b);
    if (strcmp(j->o->output, "-")) rc = lt_file_save("-", b.p, b.n);
    else {
        struct lt_str rest = lt_buf_view(&b), line;
        while (rest.n && lt_str_split(&rest, '\n', &line)) lt_note(c, "%.*s", (int)line.n, line.p);
    }
    lt_buf_free(&b);
    return rc;
}

int lt_filter_run(const struct lt_filter_options *o, struct lt_ctx *c)
{
    struct job j = { .o = o };
    if (!o->filters.count)
        return lt_misuse("no filter is chosen, and every document would stay; `lathe help dataop` lists the filters");
    if (lt_op_chain_open(&o->filters, c, keep, &j, &j.chain)) return -1;
    int rc = lt_writer_open(&j.out, o->output);
    if (!rc) {
        rc = read_all(&j, c);
        if (!rc && !j.kept) {
            rc = lt_fail("no document of %" PRIu64 " would stay; nothing was written", j.given);
            report(&j, c);
        }
        if (rc) lt_writer_abort(&j.out);
        else rc = lt_writer_commit(&j.out) || report(&j, c) ? -1 : 0;
    }
    lt_op_chain_close(j.chain);
    lt_buf_free(&j.line);
    return rc;
}
