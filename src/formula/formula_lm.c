/* The back end of formulas: it owns the models that a formula names, each opened once. */
#include "formula/formula.h"
#include "lm/feed.h"
#include "lm/how.h"
#include "lm/vocabulary.h"
#include <stdlib.h>
#include <string.h>

struct options { const char *formula; struct lt_how how; };

/* ---- models ---- */
static int measure(struct lt_formula_models *m, const struct lt_formula *f, int i)
{
    struct lt_session s;
    if (!m->lm[i].type->session) return lt_fail("%s models give no log-probabilities", m->lm[i].type->m.name);
    if (m->lm[i].type->session(m->lm[i].self, &s)) return -1;
    m->vocab[i] = lt_session_vocab(&s);
    lt_session_close(&s);
    if (m->vocab[i] < 0) return -1;
    if (i && !m->tokenizer && m->vocab[i] != m->vocab[0])
        return lt_fail("the vocabularies differ: %s has %d tokens", f->model[0], m->vocab[0]);
    return 0;
}

/* How models are run concerns those that can be told; one must be there to hear it. */
static int heard(const struct lt_how *how, unsigned taken)
{
    unsigned unheard = lt_how_given(how) & ~taken;
    if (!unheard) return 0;
    int key = 0;
    while (!(unheard & 1u << key)) key++;
    return lt_misuse("%s: no model of the formula has such an option", lt_how_key[key]);
}

static int open_models(struct lt_formula_models *m, const struct lt_formula *f, const struct lt_how *how,
                       struct lt_ctx *c)
{
    unsigned taken = 0;
    m->start = -1;
    for (int i = 0; i < f->model_count; i++) {
        const char *path = f->model[i];
        unsigned mine = 0;
        int rc = lt_how_open_some(how, path, c, &m->lm[i], &mine);
        if (!rc && (mine & taken & LT_HOW_ADAPTER))
            rc = lt_misuse("adapter: several models of the formula could take it; write "
                           "\"transformer:path=MODEL,adapter=FOLDER\" for the one that is meant");
        taken |= mine;
        if (!rc && i) rc = lt_lm_same_vocabulary(&m->lm[0], f->model[0], &m->lm[i], path);
        if (!rc && !i) m->tokenizer = lt_lm_tokenizer(&m->lm[0]);
        if (!rc && measure(m, f, i)) rc = lt_fail("%s: %s", path, lt_error());
        if (rc) return -1;
    }
    if (m->tokenizer) {
        int32_t bos = lt_tokenizer_bos(m->tokenizer);
        m->start = bos >= 0 ? bos : lt_tokenizer_eos(m->tokenizer);
    }
    return heard(how, taken);
}

static void close_models(struct lt_formula_models *m)
{
    for (int i = 0; i < LT_FORMULA_MODELS; i++) lt_lm_close(&m->lm[i]);
    free(m);
}

/* Prefixes as ids, without anything that the tokenizer would put around them. */
static int encode_prefix(struct lt_formula *f, const struct lt_formula_models *m, struct lt_formula_view *v)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    int vocab = m->vocab[v->model];
    for (int i = 0; i < v->id_count; i++)
        if (v->id[i] >= vocab)
            return lt_fail("%s: token %d of a prefix is not below the vocabulary of %d", f->model[v->model], v->id[i],
                           vocab);
    if (!v->prefix) return 0;
    if (!m->tokenizer)
        return lt_misuse("%s has no tokenizer: put ids before the text, as in M|[1,2,3]", f->model[v->model]);
    int rc = lt_tokenizer_encode(m->tokenizer, lt_str(v->prefix), 0, &token, &n, &cap);
    if (!rc) {
        int32_t *id = lt_arena_take(&f->arena, LT_MAX(n, 1) * sizeof *id);
        for (size_t i = 0; i < n; i++) id[i] = token[i].id;
        v->id = id;
        v->id_count = (int)n;
    }
    free(token);
    return rc;
}

/* ---- the back end ---- */
static void be_of(struct lt_formula_lm *m, int sum)
{
    m->sum = sum;
    m->vocab = 0;
    lt_formula_uses(m->f, sum, m->used, m->past);
    for (int i = 0; i < m->f->model_count; i++) m->vocab = LT_MAX(m->vocab, m->models->vocab[i]);
}

static void formula_close(void *self)
{
    struct lt_formula_lm *m = self;
    if (!m->guest) {
        close_models(m->models);
        lt_formula_free(m->f);
    }
    free(m);
}

static int formula_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    struct lt_formula_lm *m = lt_calloc(1, sizeof *m);
    m->models = lt_calloc(1, sizeof *m->models);
    int rc = lt_formula_parse(lt_str(o->formula), &m->f);
    if (!rc) rc = open_models(m->models, m->f, &o->how, c);
    for (int i = 0; !rc && i < m->f->view_count; i++) rc = encode_prefix(m->f, m->models, &m->f->view[i]);
    if (rc) {
        formula_close(m);
        return -1;
    }
    be_of(m, m->f->top);
    *self = m;
    return 0;
}

/* A formula that is but one model is that model, to the bit. */
static int formula_session(void *self, struct lt_session *out)
{
    const struct lt_formula_lm *m = self;
    const struct lt_formula_sum *s = &m->f->sum[m->sum];
    const struct lt_formula_atom *a = &m->f->atom[s->part[0].atom];
    if (s->count > 1 || a->term || m->f->view[a->view].id_count) return lt_formula_session(m, out);
    const struct lt_lm *lm = &m->models->lm[m->f->view[a->view].model];
    return lm->type->session(lm->self, out);
}

static const struct lt_tokenizer *formula_tokenizer(void *self)
{
    return ((struct lt_formula_lm *)self)->models->tokenizer;
}

static const struct lt_lm_type guess_type;

static int formula_guesser(void *self, struct lt_lm *out, int *tokens)
{
    const struct lt_formula_lm *m = self;
    if (m->f->guess < 0) return 0;
    struct lt_formula_lm *g = lt_calloc(1, sizeof *g);
    *g = (struct lt_formula_lm){ .f = m->f, .models = m->models, .guest = true };
    be_of(g, m->f->guess);
    *out = (struct lt_lm){ &guess_type, g };
    *tokens = m->f->guess_tokens;
    return 1;
}

static const struct lt_lm_type guess_type = {
    .m = { .name = "formula" }, .session = formula_session, .tokenizer = formula_tokenizer, .close = formula_close,
};

static const struct lt_opt rows[] = {
    { .key = "formula", .help = "the formula, all that stands behind the colon", .type = LT_STR,
      .at = offsetof(struct options, formula), .flags = LT_NEED | LT_ARG | LT_TEXTS },
    LT_HOW_ROWS(offsetof(struct options, how)),
    { 0 },
};
const struct lt_lm_type lt_lm_formula = {
    .m = { .name = "formula", .brief = "a formula over other models, as M + 0.6*(A - B)", .paper = "arXiv:2311.14479",
           .size = sizeof(struct options), .opts = rows,
           .doc = "log p(v) = sum of factors times terms, divided by the sum of factors times weights, normalised.\n"
                  "Terms are models (weight 1): \"PATH\", a NAME given before as NAME = \"PATH\";, a model after a\n"
                  "text, M|\"text\", weights shared; and functions of them (`lathe help term`).  Terms under\n"
                  "speculate(terms, n) are computed for n tokens at once: the others guess, and the texts are\n"
                  "distributed as without.  doc/formats/formula.md says more.\n"
                  "DExperts (arXiv:2105.03023):       B + 2*(E - A)\n"
                  "contrastive (arXiv:2210.15097):    E - A + uniform + plausible(E, 0.1)\n"
                  "PREADD (arXiv:2307.03214):         M - 0.6*(M|\"Rude: \" - M)\n"
                  "classifier-free guidance (arXiv:2306.17806):  1.5*M|\"A sad story. \" - 0.5*M\n"
                  "GenARM (arXiv:2410.08193):         B + 1/2*reward(R)\n"
                  "self-debiasing (arXiv:2103.00453): debias(M, M|\"This is rude: \", 50)\n"
                  "example: lathe generate 'formula:M = \"out/m\"; M + 0.6*(M|\"Sad. \" - M)' --prompt \"It was\"" },
    .open = formula_open, .session = formula_session, .tokenizer = formula_tokenizer, .close = formula_close,
    .guesser = formula_guesser,
};
