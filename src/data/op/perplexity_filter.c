/* Documents by how well a language model foretells them (CCNet: Wenzek et al. 2020, section 4.3, arXiv:1911.00359): the
 * third with the lowest perplexity reads most like the text the model was estimated on.
 *
 *     perplexity = exp(-sum log p / tokens)
 *
 * over the document's lines, each a text of its own, as n-gram models are estimated.  Bounds act at once.  Thirds need
 * the perplexities of all documents, which wait in a temporary file until the last one is known.
 *     lathe filter docs.jsonl --perplexity wiki.arpa --perplexity.keep head,middle --output kept.jsonl */
#include "base/io.h"
#include "base/json.h"
#include "decode/score.h"
#include "lm/vocabulary.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options { const char *model, *key; double min, max; struct lt_list keep; bool lines; };
static const char *const third_name[] = { "head", "middle", "tail" };

struct state {
    struct lt_lm lm;
    struct lt_session session;
    const struct lt_tokenizer *tokenizer;
    bool wanted[3], thirds;
    FILE *spool;                    /* documents that wait */
    double *perplexity; size_t count, cap;
    struct lt_buf added, held;
};

static int read_thirds(const struct options *o, struct state *s)
{
    for (int i = 0; i < o->keep.count; i++) {
        int k = 0;
        while (k < 3 && strcmp(o->keep.item[i], third_name[k])) k++;
        if (k == 3) return lt_misuse("perplexity.keep: expected head, middle or tail, found \"%s\"", o->keep.item[i]);
        s->wanted[k] = s->thirds = true;
    }
    if (!s->thirds) return 0;
    s->spool = tmpfile();
    return s->spool ? 0 : lt_fail("no temporary file for the documents that wait: %s; TMPDIR names a folder for it",
                                  strerror(errno));
}

static int perplexity_open(const void *v, void *st, struct lt_ctx *c)
{
    const struct options *o = v;
    struct state *s = st;
    if (o->max && o->max < o->min) return lt_misuse("perplexity: max %g is below min %g", o->max, o->min);
    if (lt_lm_open(o->model, c, &s->lm)) return -1;
    s->tokenizer = lt_lm_tokenizer(&s->lm);
    if (!s->tokenizer || !s->lm.type->session)
        return lt_misuse("perplexity: %s has no tokenizer or gives no log-probabilities", o->model);
    return s->lm.type->session(s->lm.self, &s->session) || read_thirds(o, s) ? -1 : 0;
}

static bool has_text(struct lt_str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ' && (line.p[i] < '\t' || line.p[i] > '\r')) return true;
    return false;
}

/* NAN when there is nothing to score. */
static int measure(const struct options *o, struct state *s, struct lt_str text, double *out)
{
    struct lt_ppl_how how = { .start = LT_START_AUTO, .no_hits = true };
    struct lt_ppl_total total = { 0 };
    struct lt_str rest = text, line = text;
    while (rest.n) {
        if (o->lines) lt_str_split(&rest, '\n', &line);
        else rest.n = 0;
        if (has_text(line) && lt_ppl_document(&s->session, s->tokenizer, &how, line, &total, NULL, NULL)) return -1;
    }
    *out = total.tokens ? exp(total.nll / (double)total.tokens) : NAN;
    return 0;
}

static int add(const struct options *o, struct state *s, struct lt_doc *d, double perplexity, const char *third)
{
    char member[64];
    snprintf(member, sizeof member, ",\"%s\":", o->key);
    if (d->added.n && memmem(d->added.p, d->added.n, member, strlen(member)))
        return lt_misuse("perplexity: another operator adds \"%s\" too", o->key);
    lt_buf_clear(&s->added);
    lt_buf_put(&s->added, d->added.p, d->added.n);
    lt_buf_str(&s->added, member);
    if (isnan(perplexity)) lt_buf_str(&s->added, "null");
    else lt_json_put_real(&s->added, perplexity);
    if (third) lt_buf_fmt(&s->added, ",\"bucket\":\"%s\"", third);
    d->added = lt_buf_view(&s->added);
    return 0;
}

/* ---- documents that wait ---- */
static void put(FILE *f, struct lt_str s)
{
    uint64_t n = s.p ? s.n : UINT64_MAX;        /* a missing text stays one */
    fwrite(&n, sizeof n, 1, f);
    fwrite(s.p, 1, s.p ? s.n : 0, f);
}

static int hold(struct state *s, const struct lt_doc *d, double perplexity)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->perplexity = lt_realloc(s->perplexity, s->cap * sizeof *s->perplexity);
    }
    s->perplexity[s->count++] = perplexity;
    const struct lt_str part[] = { d->text, d->id, lt_str(d->source), d->row, d->added };
    fwrite(&d->number, sizeof d->number, 1, s->spool);
    for (int i = 0; i < LT_COUNT(part); i++) put(s->spool, part[i]);
    return ferror(s->spool) ? lt_fail("the documents that wait cannot be kept: %s; TMPDIR names a folder with room",
                                      strerror(errno)) : 0;
}

static enum lt_verdict perplexity_doc(const void *v, void *st, struct lt_doc *d, lt_emit_fn *emit, void *to)
{
    const struct options *o = v;
    struct state *s = st;
    (void)emit, (void)to;
    double p;
    if (measure(o, s, d->text, &p)) return LT_STOP;
    if (isnan(p) && (o->min > 0 || o->max > 0 || s->thirds)) d->why = "nothing to score";
    else if (p < o->min) d->why = "perplexity too low";
    else if (o->max > 0 && p > o->max) d->why = "perplexity too high";
    if (d->why) return LT_DROP;
    if (s->thirds) return hold(s, d, p) ? LT_STOP : LT_HOLD;
    return add(o, s, d, p, NULL) ? LT_STOP : LT_KEEP;
}

static int get(FILE *f, struct lt_buf *b, size_t at[2])
{
    uint64_t n;
    if (fread(&n, sizeof n, 1, f) != 1) return -1;
    at[0] = b->n;
    at[1] = n == UINT64_MAX ? SIZE_MAX : (size_t)n;
    if (n == UINT64_MAX) return 0;
    char *room = lt_buf_room(b, (size_t)n + 1);
    if (fread(room, 1, (size_t)n, f) != (size_t)n) return -1;
    room[n] = 0;
    b->n += (size_t)n + 1;
    return 0;
}

static int next_held(struct state *s, struct lt_doc *d)
{
    size_t at[5][2];
    struct lt_str part[5];
    lt_buf_clear(&s->held);
    *d = (struct lt_doc){ 0 };
    if (fread(&d->number, sizeof d->number, 1, s->spool) != 1) return -1;
    for (int i = 0; i < 5; i++)
        if (get(s->spool, &s->held, at[i])) return -1;
    for (int i = 0; i < 5; i++)
        part[i] = at[i][1] == SIZE_MAX ? (struct lt_str){ 0 } : (struct lt_str){ s->held.p + at[i][0], at[i][1] };
    d->text = part[0];
    d->id = part[1];
    d->source = part[2].p;
    d->row = part[3];
    d->added = part[4];
    return 0;
}

static int ascending(const void *a, const void *b, void *unused)
{
    const double *x = a, *y = b;
    (void)unused;
    return (*x > *y) - (*x < *y);
}

/* The greatest perplexity of the head and of the middle. */
static void find_bounds(const struct state *s, double bound[2])
{
    double *sorted = lt_alloc(s->count * sizeof *sorted);
    memcpy(sorted, s->perplexity, s->count * sizeof *sorted);
    lt_sort(sorted, s->count, sizeof *sorted, ascending, NULL);
    for (size_t i = 0; i < 2; i++) bound[i] = sorted[((i + 1) * s->count + 2) / 3 - 1];
    free(sorted);
}

static int perplexity_finish(const void *v, void *st, lt_emit_fn *emit, void *to)
{
    static const char *const why[] = { "of the head", "of the middle", "of the tail" };
    const struct options *o = v;
    struct state *s = st;
    double bound[2];
    if (!s->count) return 0;
    find_bounds(s, bound);
    rewind(s->spool);
    for (size_t i = 0; i < s->count; i++) {
        struct lt_doc d;
        double p = s->perplexity[i];
        int third = (p > bound[0]) + (p > bound[1]);
        if (next_held(s, &d)) return lt_fail("the documents that waited cannot be read again: %s", strerror(errno));
        if (!s->wanted[third]) d.why = why[third];
        if (add(o, s, &d, p, third_name[third]) || emit(to, &d)) return -1;
    }
    return 0;
}

static void perplexity_close(void *st)
{
    struct state *s = st;
    if (s->session.type) s->session.type->close(s->session.self);
    lt_lm_close(&s->lm);
    if (s->spool) fclose(s->spool);
    free(s->perplexity);
    lt_buf_free(&s->added);
    lt_buf_free(&s->held);
}

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "model", .help = "language model: an n-gram file, a model folder, or NAME:key=value", .type = LT_STR,
      .at = AT(model), .flags = LT_NEED | LT_IN },
    { .key = "keep", .help = "thirds that stay, of all documents by perplexity: head, middle, tail; none: all",
      .type = LT_LIST, .at = AT(keep) },
    { .key = "min", .help = "least perplexity that stays", .type = LT_REAL, .at = AT(min), .min = 0, .max = 1e300 },
    { .key = "max", .help = "greatest perplexity that stays; 0: any", .type = LT_REAL, .at = AT(max), .min = 0,
      .max = 1e300 },
    { .key = "lines", .help = "every line is a text of its own", .type = LT_BOOL, .at = AT(lines), .dflt = 1 },
    { .key = "key", .help = "what the figure is called in JSON lines", .type = LT_STR, .at = AT(key),
      .text = "perplexity" },
    { 0 },
};

const struct lt_dataop lt_dataop_perplexity = {
    .m = { .name = "perplexity", .brief = "drops documents a language model finds too easy or too hard",
           .paper = "arXiv:1911.00359", .size = sizeof(struct options), .opts = rows,
           .doc = "perplexity = exp(-sum log p / tokens) over the lines of a document.  A document is of the head\n"
                  "when its perplexity is at most that of the lowest third of all documents, then of the middle,\n"
                  "then of the tail.  JSON lines receive \"perplexity\", and \"bucket\" when thirds are asked for." },
    .state = sizeof(struct state), .open = perplexity_open, .doc = perplexity_doc, .finish = perplexity_finish,
    .close = perplexity_close,
};
