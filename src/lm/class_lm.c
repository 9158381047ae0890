/* The back end of class models (Brown, Della Pietra, deSouza, Lai and Mercer 1992): any model whose words are classes,
 * and a file that says which words are in a class and how likely.
 *     log p(w | h) = log p(class of w | classes of h) + log p(w | class of w)
 * A word of the model of classes that names no class stands for itself, <s>, </s> and <unk> among them.
 *     lathe perplexity class:path=classes.arpa,classes=text.classes held-out.txt */
#include "lm/class_map.h"
#include "lm/held.h"
#include "lm/vocabulary.h"
#include "text/words_tokenizer.h"

#include <math.h>
#include <stdlib.h>

struct options { const char *path, *classes; };
struct model {
    struct lt_lm base;
    struct lt_tokenizer *tokenizer;
    uint32_t words, unk;
    int32_t *class;                 /* [words]: the token of the model of classes */
    float *logp;                    /* [words]: of the word in its class */
};
struct session { struct lt_session base; const struct model *m; float *row; int32_t *class; int cap; };

/* ---- sessions ---- */
/* The classes of n tokens, until the next call; NULL: a token that is none. */
static const int32_t *classes_of(struct session *s, const int32_t *token, int n)
{
    if (n > s->cap) {
        s->cap = 2 * n;
        s->class = lt_realloc(s->class, (size_t)s->cap * sizeof *s->class);
    }
    if (lt_held_check(token, n, s->m->words)) return NULL;
    for (int i = 0; i < n; i++) s->class[i] = s->m->class[token[i]];
    return n ? s->class : s->m->class;
}

static int class_feed(void *self, const int32_t *token, int n)
{
    struct session *s = self;
    const int32_t *class = classes_of(s, token, n);
    return class ? s->base.type->feed(s->base.self, class, n) : -1;
}

/* log of the sum of exp over what the model of classes gives. */
static double log_sum(const float *x, int n)
{
    double top = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++) top = fmax(top, (double)x[i]);
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - top);
    return top + log(sum);
}

static const float *class_logits(void *self, int *vocab)
{
    struct session *s = self;
    const struct model *m = s->m;
    int classes;
    const float *x = s->base.type->logits(s->base.self, &classes);
    if (!x) return NULL;
    double all = log_sum(x, classes);
    if (!s->row) s->row = lt_alloc(m->words * sizeof *s->row);
    for (uint32_t w = 0; w < m->words; w++) s->row[w] = (float)((double)x[m->class[w]] - all + (double)m->logp[w]);
    *vocab = (int)m->words;
    return s->row;
}

static int class_score(void *self, const int32_t *token, int n, float *logp, uint8_t *hit)
{
    struct session *s = self;
    const int32_t *class = classes_of(s, token, n);
    if (!class) return -1;
    bool first = s->base.type->count(s->base.self) == 0;
    if (!hit && s->base.type->score(s->base.self, class, n, logp, NULL)) return -1;
    for (int i = 0; i < n; i++) {
        if (hit) hit[i] = 0;
        if (hit && !(first && !i) && lt_logits_hit(class_logits, s, token[i], &hit[i])) return -1;
        if (hit && s->base.type->score(s->base.self, class + i, 1, logp + i, NULL)) return -1;
        if (!(first && !i)) logp[i] = (float)((double)logp[i] + (double)s->m->logp[token[i]]);
    }
    return 0;
}

static void *class_fork(void *self)
{
    const struct session *s = self;
    void *base = s->base.type->fork(s->base.self);
    if (!base) return NULL;
    struct session *t = lt_alloc(sizeof *t);
    *t = (struct session){ .base = { s->base.type, base }, .m = s->m };
    return t;
}

static void class_session_close(void *self)
{
    struct session *s = self;
    s->base.type->close(s->base.self);
    free(s->row);
    free(s->class);
    free(s);
}

static const struct lt_session_type session_type = {
    .feed = class_feed, .logits = class_logits, .score = class_score, .rewind = lt_over_rewind, .fork = class_fork,
    .count = lt_over_count, .limit = lt_over_limit, .close = class_session_close,
};

/* ---- the model ---- */
static void class_close(void *self)
{
    struct model *m = self;
    lt_tokenizer_free(m->tokenizer);
    lt_lm_close(&m->base);
    free(m->class);
    free(m->logp);
    free(m);
}

static int check_classes(const struct lt_tokenizer *t, const struct lt_class_map *k)
{
    for (uint32_t g = 0; g < k->name.count; g++) {
        struct lt_str name = k->name.entry[g].key;
        struct lt_buf z = { 0 };
        lt_buf_put(&z, name.p, name.n);
        bool known = lt_tokenizer_id(t, z.p) >= 0;
        lt_buf_free(&z);
        if (!known) return lt_fail("the class \"%.*s\" is no word of the model of classes", (int)name.n, name.p);
    }
    return 0;
}

/* Words of the model of classes that stand for themselves come first, then those of the definitions. */
static int join(struct model *m, const struct lt_tokenizer *t, const struct lt_class_map *k, struct lt_str *piece)
{
    int32_t bos = lt_tokenizer_bos(t), eos = lt_tokenizer_eos(t), unk = -1;
    int32_t new_bos = -1, new_eos = -1, classes = lt_tokenizer_vocab(t);
    for (int32_t i = 0; i < classes; i++) {
        struct lt_str p = lt_tokenizer_piece(t, i);
        if (!p.p || lt_map_get(&k->name, p)) continue;
        if (lt_map_get(&k->word, p))
            return lt_fail("\"%.*s\" is a word of the model of classes and of the class definitions", (int)p.n, p.p);
        if (lt_str_is(p, "<unk>")) unk = (int32_t)m->words;
        if (i == bos) new_bos = (int32_t)m->words;
        if (i == eos) new_eos = (int32_t)m->words;
        m->class[m->words] = i;
        m->logp[m->words] = 0;
        piece[m->words++] = p;
    }
    if (unk < 0) return lt_fail("the model of classes has no <unk>, which words without a class would be");
    for (uint32_t w = 0; w < k->word.count; w++) {
        struct lt_buf z = { 0 };
        struct lt_str name = k->name.entry[k->of[w]].key;
        lt_buf_put(&z, name.p, name.n);
        m->class[m->words] = lt_tokenizer_id(t, z.p);
        lt_buf_free(&z);
        m->logp[m->words] = k->logp[w];
        piece[m->words++] = k->word.entry[w].key;
    }
    m->unk = (uint32_t)unk;
    return lt_words_tokenizer(piece, m->words, unk, new_bos, new_eos, &m->tokenizer);
}

static int make(struct model *m, const struct options *o, const struct lt_class_map *k)
{
    const struct lt_lm_type *type = m->base.type;
    const struct lt_tokenizer *t = lt_lm_tokenizer(&m->base);
    if (!t) return lt_fail("%s: a model of classes needs words, and this one has no tokenizer", o->path);
    if (!type->session) return lt_fail("%s: %s models give no log-probabilities", o->path, type->m.name);
    if (check_classes(t, k)) return lt_fail("%s: %s", o->classes, lt_error());
    size_t most = (size_t)lt_tokenizer_vocab(t) + k->word.count;
    struct lt_str *piece = lt_alloc(most * sizeof *piece);
    m->class = lt_alloc(most * sizeof *m->class);
    m->logp = lt_alloc(most * sizeof *m->logp);
    int rc = join(m, t, k, piece);
    free(piece);
    return rc ? lt_fail("%s and %s: %s", o->path, o->classes, lt_error()) : 0;
}

static int class_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    struct model *m = lt_calloc(1, sizeof *m);
    struct lt_class_map k = { 0 };
    int rc = lt_class_map_read(o->classes, &k) || lt_lm_open(o->path, c, &m->base) || make(m, o, &k) ? -1 : 0;
    lt_class_map_release(&k);
    if (rc) class_close(m);
    else *self = m;
    return rc;
}

static int class_session(void *self, struct lt_session *out)
{
    struct model *m = self;
    struct lt_session base;
    if (m->base.type->session(m->base.self, &base)) return -1;
    struct session *s = lt_alloc(sizeof *s);
    *s = (struct session){ .base = base, .m = m };
    *out = (struct lt_session){ &session_type, s };
    return 0;
}

static const struct lt_tokenizer *class_tokenizer(void *self) { return ((struct model *)self)->tokenizer; }

#define AT(f) offsetof(struct options, f)
static const struct lt_opt rows[] = {
    { .key = "path", .help = "model of classes: any model whose words are classes", .type = LT_STR, .at = AT(path),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "classes", .help = "class definitions: CLASS PROBABILITY WORD a line", .type = LT_STR, .at = AT(classes),
      .flags = LT_NEED | LT_IN },
    { 0 },
};
const struct lt_lm_type lt_lm_class = {
    .m = { .name = "class", .brief = "words through a model of their classes", .paper = "ACL:J92-4003",
           .size = sizeof(struct options), .opts = rows,
           .doc = "log p(w | h) = log p(class of w | classes of h) + log p(w | class of w)\n"
                  "`lathe ngram classes` makes definitions and the text that a model of classes is built from.\n"
                  "example: lathe perplexity class:path=classes.arpa,classes=text.classes held-out.txt" },
    .open = class_open, .session = class_session, .tokenizer = class_tokenizer, .close = class_close,
};
