/* The back end that runs a back-off n-gram model from an ARPA or a binary file.  Its tokens are the words of the model;
 * text is cut at white space, and a word that the model does not list is <unk>.
 *     lathe perplexity news.arpa.gz held-out.txt
 *     lathe generate news.hash --prompt "the house" */
#include "ngram/ngram.h"
#include "lm/held.h"
#include "text/words_tokenizer.h"

#include <math.h>
#include <stdlib.h>

#define LN10 2.302585092994045684
#define NEVER (-99 * LN10)          /* log p of <s>, which follows nothing; some files give it log10 p = 0 */

struct options { const char *path; };
struct model { struct lt_ngram *ngram; struct lt_tokenizer *tokenizer; };
struct session {
    struct lt_held held;
    const struct lt_ngram *m;
    struct lt_ngram_state state;
    float *row;                     /* [words]; NULL until asked for */
};

/* ---- words as a tokenizer ---- */
static int32_t id_or_none(uint32_t id) { return id == LT_NGRAM_NONE ? -1 : (int32_t)id; }

static int words_tokenizer(const struct lt_ngram *m, struct lt_tokenizer **out)
{
    uint32_t n = lt_ngram_words(m);
    struct lt_str *piece = lt_alloc(LT_MAX(n, 1) * sizeof *piece);
    for (uint32_t i = 0; i < n; i++) piece[i] = lt_ngram_spelling(m, i);
    int rc = lt_words_tokenizer(piece, n, (int32_t)m->unk, id_or_none(m->bos), id_or_none(m->eos), out);
    free(piece);
    return rc;
}

/* ---- sessions ---- */
static int ngram_feed(void *self, const int32_t *token, int n)
{
    struct session *s = self;
    if (lt_held_check(token, n, lt_ngram_words(s->m))) return -1;
    lt_held_add(&s->held, token, n);
    for (int i = 0; i < n; i++) lt_ngram_push(s->m, &s->state, (uint32_t)token[i]);
    return 0;
}

static const float *ngram_logits(void *self, int *vocab)
{
    struct session *s = self;
    if (!s->row) s->row = lt_alloc(lt_ngram_words(s->m) * sizeof *s->row);
    lt_ngram_row(s->m, &s->state, LN10, s->row);
    if (s->m->bos != LT_NGRAM_NONE) s->row[s->m->bos] = (float)NEVER;
    *vocab = (int)lt_ngram_words(s->m);
    return s->row;
}

static int ngram_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct session *s = self;
    int vocab;
    if (lt_held_check(token, n, lt_ngram_words(s->m))) return -1;
    for (int i = 0; i < n; i++) {
        bool first = !s->held.count;
        if (hit) hit[i] = !first && lt_row_is_best(ngram_logits(s, &vocab), (int)lt_ngram_words(s->m), token[i]);
        double p = lt_ngram_prob(s->m, &s->state, (uint32_t)token[i], NULL);
        logp[i] = first ? 0 : (uint32_t)token[i] == s->m->bos ? (float)NEVER : (float)(p * LN10);
        lt_held_add(&s->held, token + i, 1);
    }
    return 0;
}

static int ngram_rewind(void *self, int n)
{
    struct session *s = self;
    if (lt_held_drop(&s->held, n)) return -1;
    s->state = (struct lt_ngram_state){ 0 };
    for (int i = LT_MAX(0, s->held.count - s->m->order + 1); i < s->held.count; i++)
        lt_ngram_push(s->m, &s->state, (uint32_t)s->held.token[i]);
    return 0;
}

static void *ngram_fork(void *self)
{
    const struct session *s = self;
    struct session *t = lt_calloc(1, sizeof *t);
    t->m = s->m;
    t->state = s->state;
    lt_held_add(&t->held, s->held.token, s->held.count);
    return t;
}

static void ngram_session_close(void *self)
{
    struct session *s = self;
    free(s->held.token);
    free(s->row);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = ngram_feed, .logits = ngram_logits, .score = ngram_score, .rewind = ngram_rewind, .fork = ngram_fork,
    .count = lt_held_count, .limit = lt_held_limit, .close = ngram_session_close,
};

/* ---- the model ---- */
static bool ngram_claims(const char *path)
{
    static const char *const end[] = { ".arpa", ".arpa.gz", ".arpa.zst", ".arpa.xz" };
    for (int i = 0; i < LT_COUNT(end); i++)
        if (lt_str_ends(lt_str(path), end[i])) return true;
    return lt_ngram_is_binary(path);
}

static void ngram_close(void *self)
{
    struct model *m = self;
    lt_tokenizer_free(m->tokenizer);
    lt_ngram_free(m->ngram);
    free(m);
}

static int ngram_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    struct model *m = lt_calloc(1, sizeof *m);
    int rc = lt_ngram_open(o->path, c, &m->ngram);
    if (!rc && words_tokenizer(m->ngram, &m->tokenizer))
        rc = lt_fail("%s: its words make no tokenizer: %s", o->path, lt_error());
    if (rc) ngram_close(m);
    else *self = m;
    return rc;
}

static int ngram_session(void *self, struct lt_session *out)
{
    struct session *s = lt_calloc(1, sizeof *s);
    s->m = ((struct model *)self)->ngram;
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

static const struct lt_tokenizer *ngram_tokenizer(void *self)
{
    return ((struct model *)self)->tokenizer;
}

static const struct lt_opt rows[] = {
    { .key = "path", .help = "ARPA file, plain or compressed, or binary file", .type = LT_STR,
      .at = offsetof(struct options, path), .flags = LT_NEED | LT_ARG | LT_IN },
    { 0 },
};
const struct lt_lm_type lt_lm_ngram = {
    .m = { .name = "ngram", .brief = "back-off n-gram models over words, from ARPA and binary files",
           .size = sizeof(struct options), .opts = rows,
           .doc = "log p(w | h) = log prob(h w) when h w is listed, else log backoff(h) + log p(w | shorter h)\n"
                  "Files: NAME.arpa, NAME.arpa.gz, .zst or .xz, and what `lathe ngram convert` writes; any other ARPA\n"
                  "file as ngram:path=NAME.\n"
                  "example: lathe perplexity news.arpa.gz held-out.txt" },
    .claims = ngram_claims, .open = ngram_open, .session = ngram_session, .tokenizer = ngram_tokenizer,
    .close = ngram_close,
};
