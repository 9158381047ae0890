/* A group in hand keeps its best and its worst sample only, so memory grows with the prompts that wait, not with the
 * samples. */
#include "data/preference.h"

#include "base/ctx.h"
#include "base/io.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sample { struct lt_buf text; double score; };
struct group { struct lt_str prompt; int64_t count; struct sample best, worst; };      /* prompt: lies in the map */

struct job {
    const struct lt_pairs_options *o;
    bool lower;                     /* the lower score is the better one */
    struct lt_writer out;
    struct lt_buf line;
    struct lt_map prompts;          /* prompt -> index of its group */
    struct group *group;
    size_t cap;
    uint64_t samples, unscored, groups, pairs, tied, alone;
};

/* ---- one group ---- */

static void put_pair(struct job *j, const struct group *g)
{
    struct lt_buf *b = &j->line;
    lt_buf_clear(b);
    lt_buf_str(b, "{\"prompt\":");
    lt_json_put_text(b, g->prompt);
    lt_buf_str(b, ",\"chosen\":");
    lt_json_put_text(b, lt_buf_view(&g->best.text));
    lt_buf_str(b, ",\"rejected\":");
    lt_json_put_text(b, lt_buf_view(&g->worst.text));
    lt_buf_str(b, ",\"score_chosen\":");
    lt_json_put_real(b, g->best.score);
    lt_buf_str(b, ",\"score_rejected\":");
    lt_json_put_real(b, g->worst.score);
    lt_buf_str(b, "}\n");
    lt_writer_put(&j->out, b->p, b->n);
}

static bool same_text(const struct group *g)
{
    struct lt_str a = lt_buf_view(&g->best.text), b = lt_buf_view(&g->worst.text);
    return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

static void end_group(struct job *j, struct group *g)
{
    double margin = fabs(g->best.score - g->worst.score);
    if (!g->count) return;
    j->groups++;
    if (g->count == 1) j->alone++;
    else if (!(margin > 0) || margin < j->o->min_margin || same_text(g)) j->tied++;
    else {
        put_pair(j, g);
        j->pairs++;
    }
    g->count = 0;
}

static void keep(struct sample *s, struct lt_str text, double score)
{
    lt_buf_clear(&s->text);
    lt_buf_put(&s->text, text.p, text.n);
    s->score = score;
}

/* Of equal ones the first stays. */
static void add(struct job *j, struct lt_str prompt, struct lt_str text, double score)
{
    bool fresh;
    uint64_t *index = lt_map_put(&j->prompts, prompt, &fresh);
    if (fresh) {
        *index = j->prompts.count - 1;
        if (*index == j->cap) {
            j->cap = j->cap ? 2 * j->cap : 64;
            j->group = lt_realloc(j->group, j->cap * sizeof *j->group);
        }
        j->group[*index] = (struct group){ .prompt = j->prompts.entry[*index].key };
    }
    struct group *g = &j->group[*index];
    double sign = j->lower ? -1 : 1;
    if (!g->count || sign * score > sign * g->best.score) keep(&g->best, text, score);
    if (!g->count || sign * score < sign * g->worst.score) keep(&g->worst, text, score);
    if (++g->count == j->o->n) end_group(j, g);
}

/* ---- reading ---- */

/* null, as filters write it where there was nothing to score, makes NAN. */
static int take_number(const json_t *row, const char *field, double *out)
{
    const json_t *v = json_object_get(row, field);
    *out = NAN;
    if (json_is_null(v)) return 0;
    if (!json_is_number(v)) return lt_fail("%s \"%s\"", v ? "no number in field" : "no field", field);
    *out = json_number_value(v);
    return 0;
}

static int take_score(const struct job *j, const json_t *row, double *out)
{
    double over = 1;
    if (take_number(row, j->o->score, out) || (j->o->over && take_number(row, j->o->over, &over))) return -1;
    if (over == 0) return lt_fail("\"%s\" is 0, which nothing can be divided by", j->o->over);
    *out /= over;
    return 0;
}

static int add_row(struct job *j, struct lt_str line)
{
    json_t *row = NULL;
    struct lt_str prompt = { "", 0 }, text;
    double score;
    int rc = lt_json_parse("row", line, &row);
    const json_t *given = json_object_get(row, j->o->prompt_field);
    if (!rc && given && !json_is_null(given)) rc = lt_json_field(row, j->o->prompt_field, &prompt);
    if (!rc) rc = lt_json_field(row, j->o->field, &text) || take_score(j, row, &score) ? -1 : 0;
    if (!rc) {
        j->samples++;
        if (isfinite(score)) add(j, prompt, text, score);
        else j->unscored++;
    }
    json_decref(row);
    return rc;
}

static int read_all(struct job *j, struct lt_ctx *c)
{
    struct lt_docs_how how = { .format = "jsonl", .rows = true };
    struct lt_docs *docs;
    struct lt_doc d;
    struct lt_progress p;
    double done, total;
    int rc;
    if (lt_docs_open(&j->o->input, &how, &docs)) return -1;
    lt_docs_progress(docs, &done, &total);
    lt_progress_begin(c, &p, "pairing", "bytes", total);
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        rc = add_row(j, d.text);
        if (rc) rc = lt_fail("%s: line %" PRIu64 ": %s", d.source, lt_docs_line(docs), lt_error());
        else if (lt_ctx_interrupted(c)) rc = lt_fail("interrupted; nothing was written");
        if (rc) break;
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&p, done, NULL);
    }
    lt_progress_end(&p);
    lt_docs_close(docs);
    for (uint32_t i = 0; !rc && i < j->prompts.count; i++) end_group(j, &j->group[i]);
    if (rc || j->pairs) return rc;
    return lt_fail("%" PRIu64 " samples of %" PRIu32 " prompts make no pair: %" PRIu64 " groups are of one sample, %"
                   PRIu64 " are tied, and %" PRIu64 " samples have no score", j->samples, j->prompts.count, j->alone,
                   j->tied, j->unscored);
}

/* ---- telling ---- */

static int report(const struct job *j, struct lt_ctx *c)
{
    static const char *const name[] = { "samples", "unscored", "groups", "pairs", "tied", "alone" };
    const uint64_t count[] = { j->samples, j->unscored, j->groups, j->pairs, j->tied, j->alone };
    int n = LT_COUNT(name), rc = 0;
    struct lt_buf b = { 0 };
    if (j->o->json) {
        for (int i = 0; i < n; i++) lt_buf_fmt(&b, "%s\"%s\": %" PRIu64, i ? ", " : "{", name[i], count[i]);
        lt_buf_str(&b, "}\n");
    } else {
        for (int i = 0; i < n; i++) lt_buf_fmt(&b, "%s%c", name[i], i + 1 < n ? '\t' : '\n');
        for (int i = 0; i < n; i++) lt_buf_fmt(&b, "%" PRIu64 "%c", count[i], i + 1 < n ? '\t' : '\n');
    }
    if (strcmp(j->o->output, "-")) rc = lt_file_save("-", b.p, b.n);
    else {
        struct lt_str rest = lt_buf_view(&b), line;
        while (rest.n && lt_str_split(&rest, '\n', &line)) lt_note(c, "%.*s", (int)line.n, line.p);
    }
    lt_buf_free(&b);
    return rc;
}

static void release(struct job *j)
{
    for (uint32_t i = 0; i < j->prompts.count; i++) {
        lt_buf_free(&j->group[i].best.text);
        lt_buf_free(&j->group[i].worst.text);
    }
    free(j->group);
    lt_map_free(&j->prompts);
    lt_buf_free(&j->line);
}

int lt_pairs_run(const struct lt_pairs_options *o, struct lt_ctx *c)
{
    struct job j = { .o = o, .lower = !strcmp(o->better, "lower") };
    if (o->n == 1) return lt_misuse("--n 1: a pair is made of at least two samples");
    if (lt_writer_open(&j.out, o->output)) return -1;
    int rc = read_all(&j, c);
    if (rc) lt_writer_abort(&j.out);
    else rc = lt_writer_commit(&j.out) || report(&j, c) ? -1 : 0;
    release(&j);
    return rc;
}
