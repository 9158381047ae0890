/* The back end that runs a Generalized Language Model.  Its tokens are the words of the model; text is cut at white
 * space, and a word that the model does not list is <unk>.
 *     lathe ngram glm text.txt --order 5 --output text.glm
 *     lathe perplexity text.glm held-out.jsonl */
#include "ngram/glm_model.h"
#include "lm/held.h"
#include "text/words_tokenizer.h"

#include <math.h>
#include <stdlib.h>

#define NEVER (-99 * 2.302585092994045684)  /* log p of <s>, which follows nothing, as ARPA files have it */

struct options { const char *path; };
struct model { struct lt_glm *glm; struct lt_tokenizer *tokenizer; };
struct session {
    struct lt_held held;
    const struct lt_glm *m;
    bool looked;                    /* view is that of the tokens held */
    struct lt_glm_view view;
    double *p; float *row;          /* [words]; NULL until asked for */
};

static double log_of(double p) { return p > 0 ? log(p) : NEVER; }

/* ---- sessions ---- */
static void hold(struct session *s, const int32_t *token, int n)
{
    lt_held_add(&s->held, token, n);
    s->looked = false;
}

static int glm_feed(void *self, const int32_t *token, int n)
{
    struct session *s = self;
    if (lt_held_check(token, n, s->m->words)) return -1;
    hold(s, token, n);
    return 0;
}

static void look(struct session *s)
{
    if (!s->looked) lt_glm_look(s->m, s->held.token, s->held.count, &s->view);
    s->looked = true;
}

static const float *glm_logits(void *self, int *vocab)
{
    struct session *s = self;
    size_t words = s->m->words;
    if (!s->row) {
        s->row = lt_alloc(words * sizeof *s->row);
        s->p = lt_alloc(words * sizeof *s->p);
    }
    look(s);
    lt_glm_row(s->m, &s->view, s->p);
    for (size_t w = 0; w < words; w++) s->row[w] = (float)log_of(s->p[w]);
    *vocab = (int)words;
    return s->row;
}

static int glm_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct session *s = self;
    int vocab;
    if (lt_held_check(token, n, s->m->words)) return -1;
    for (int i = 0; i < n; i++) {
        bool first = !s->held.count;
        logp[i] = 0;
        if (hit) hit[i] = !first && lt_row_is_best(glm_logits(s, &vocab), (int)s->m->words, token[i]);
        if (!first) {
            look(s);
            logp[i] = (float)log_of(lt_glm_prob(s->m, &s->view, (uint32_t)token[i]));
        }
        hold(s, token + i, 1);
    }
    return 0;
}

static int glm_rewind(void *self, int n)
{
    struct session *s = self;
    if (lt_held_drop(&s->held, n)) return -1;
    s->looked = false;
    return 0;
}

static void *glm_fork(void *self)
{
    const struct session *s = self;
    struct session *t = lt_calloc(1, sizeof *t);
    t->m = s->m;
    hold(t, s->held.token, s->held.count);
    return t;
}

static void glm_session_close(void *self)
{
    struct session *s = self;
    free(s->held.token);
    free(s->p);
    free(s->row);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = glm_feed, .logits = glm_logits, .score = glm_score, .rewind = glm_rewind, .fork = glm_fork,
    .count = lt_held_count, .limit = lt_held_limit, .close = glm_session_close,
};

/* ---- the model ---- */
static void glm_close(void *self)
{
    struct model *m = self;
    lt_tokenizer_free(m->tokenizer);
    lt_glm_free(m->glm);
    free(m);
}

static int make_tokenizer(struct model *m)
{
    struct lt_str *piece = lt_alloc(m->glm->words * sizeof *piece);
    for (uint32_t i = 0; i < m->glm->words; i++) piece[i] = lt_glm_spelling(m->glm, i);
    int rc = lt_words_tokenizer(piece, m->glm->words, LT_SENTENCES_UNK, LT_SENTENCES_BOS, LT_SENTENCES_EOS,
                                &m->tokenizer);
    free(piece);
    return rc;
}

static int glm_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    struct model *m = lt_calloc(1, sizeof *m);
    (void)c;
    int rc = lt_glm_open(o->path, &m->glm);
    if (!rc && make_tokenizer(m)) rc = lt_fail("%s: its words make no tokenizer: %s", o->path, lt_error());
    if (rc) glm_close(m);
    else *self = m;
    return rc;
}

static int glm_session(void *self, struct lt_session *out)
{
    struct session *s = lt_calloc(1, sizeof *s);
    s->m = ((struct model *)self)->glm;
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

static const struct lt_tokenizer *glm_tokenizer(void *self) { return ((struct model *)self)->tokenizer; }

static const struct lt_opt rows[] = {
    { .key = "path", .help = "file that `lathe ngram glm` wrote", .type = LT_STR, .at = offsetof(struct options, path),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { 0 },
};
const struct lt_lm_type lt_lm_glm = {
    .m = { .name = "glm", .brief = "Generalized Language Models: skip n-grams under modified Kneser-Ney",
           .paper = "ACL:P14-1108", .size = sizeof(struct options), .opts = rows,
           .doc = "p_S(w | h) = max(c(h_S w) - D_S, 0) / c(h_S) + gamma_S(h) mean over j in S of p_(S less j)(w | h)\n"
                  "S: the places of the context that are kept; the mean is over leaving out one more word, place j\n"
                  "with the weight ratio^(j - 1).\n"
                  "example: lathe perplexity text.glm held-out.jsonl" },
    .claims = lt_glm_is, .open = glm_open, .session = glm_session, .tokenizer = glm_tokenizer, .close = glm_close,
};
