/* The Generalized Language Model (Pickhardt, Gottron, Koerner, Wagner, Speicher and Staab 2014): where modified
 * Kneser-Ney backs off by leaving out the first word, any word may be left out.
 *
 * A context is a pattern, the set S of places before the word that are kept (1: the word just before).  With all of
 * them kept, c counts occurrences; otherwise c counts the different ways in which the places that are not kept are
 * filled, those between kept ones and the one before the first:
 *
 *     p_S(w | h) = max(c(h_S w) - D_S(c), 0) / c(h_S)  +  gamma_S(h) * mean over j in S of p_(S without j)(w | h)
 *     p_{}(w)    = the same over words alone, with the uniform distribution below it
 *
 * The paper's mean is plain.  Here place j has the weight ratio^(j - 1): words further away are left out rather than
 * nearer ones, which is what makes the model better than modified Kneser-Ney (doc/decisions/skip-ngrams.md); a ratio
 * of 1 is the paper's.  A pattern that h does not match gives the mean alone.  Discounts D1, D2, D3+ are those of Chen
 * and Goodman, of each pattern.  <s> has nothing before it: kept words that begin with it count their occurrences when
 * none is left out between them (as modified Kneser-Ney has it), else the ways to fill the gaps.  With only the first
 * word ever left out ("first") the model is interpolated modified Kneser-Ney.
 *
 * The file is mapped (doc/formats/glm.md); every index read from it is checked where it is used. */
#ifndef LT_GLM_MODEL_H
#define LT_GLM_MODEL_H

#include "base/io.h"
#include "ngram/sentences.h"

enum { LT_GLM_ORDER_MAX = 8, LT_GLM_PATTERNS = 1 << (LT_GLM_ORDER_MAX - 1) };
#define LT_GLM_NONE UINT32_MAX
#define LT_GLM_RATIO_MAX 1000.0
#define LT_GLM_MAGIC "LTGLM\r\n"        /* with its NUL eight bytes */
enum { LT_GLM_VERSION = 1 };

/* The contexts of one pattern are a level of tries: context i of the pattern without its furthest word goes on with
 * the contexts child[i] .. child[i + 1] - 1, whose furthest words are word[].  Context i is followed by the words
 * next[first[i]] .. next[first[i + 1] - 1], sorted; share is max(c - D, 0) / c(h). */
struct lt_glm_pattern {
    uint32_t parents, contexts, nexts;      /* parents 0: the pattern of no words, which has one context */
    double discount[4];                     /* of counts 1, 2, 3 and more; [0] is 0 */
    const uint32_t *child, *word, *first, *next;
    const float *gamma, *share;
};
struct lt_glm {
    struct lt_file file;
    int order;
    bool first_only;
    double ratio, lean[LT_GLM_ORDER_MAX - 1];   /* lean[k - 1]: weight of leaving out place k */
    uint32_t words;
    const uint32_t *spelling_at;            /* [words + 1] into spelling */
    const char *spelling;
    uint64_t contexts, nexts;               /* over all patterns */
    struct lt_glm_pattern pattern[LT_GLM_PATTERNS];     /* by mask: bit k - 1 is place k */
};
int lt_glm_open(const char *path, struct lt_glm **out);
/* Over bytes in memory, 8-byte aligned, which are borrowed for as long as the model lives. */
int lt_glm_parse(const char *label, const uint8_t *p, size_t n, struct lt_glm **out);
bool lt_glm_is(const char *path);           /* does the file begin as one? */
void lt_glm_free(struct lt_glm *m);
struct lt_str lt_glm_spelling(const struct lt_glm *m, uint32_t id);

/* What the words before say: the context that each pattern matches, and the weight that its shares get in the sum.
 * word[n - 1] is the word just before; only the last order - 1 count. */
struct lt_glm_view {
    int patterns;                           /* masks below this may have weight */
    uint32_t node[LT_GLM_PATTERNS];         /* LT_GLM_NONE: no match */
    double weight[LT_GLM_PATTERNS];
    double floor;                           /* p of a word that no pattern has seen */
};
void lt_glm_look(const struct lt_glm *m, const int32_t *word, int n, struct lt_glm_view *v);
double lt_glm_prob(const struct lt_glm *m, const struct lt_glm_view *v, uint32_t word);     /* 0 for <s> */
void lt_glm_row(const struct lt_glm *m, const struct lt_glm_view *v, double *out);  /* [words]; the same numbers */

/* ---- estimation ---- */
struct lt_glm_how { int order; bool first_only; double ratio; size_t memory; };
/* Counts, discounts and writes the file.  Discounts that do not follow from the counts are 0.5, 1, 1.5, and a note says
 * for which patterns. */
int lt_glm_estimate(const struct lt_sentences *s, const struct lt_glm_how *how, struct lt_ctx *c, const char *path);

struct lt_glm_build_options {
    struct lt_sentences_how text;
    const char *output, *skips;
    double ratio;
    int64_t order, memory;
};
int lt_glm_build_run(const struct lt_glm_build_options *o, struct lt_ctx *c);       /* `lathe ngram glm` */

/* ---- what reader and writer share ---- */
struct lt_glm_header {
    char magic[8];
    uint32_t version, order, first_only, words;
    uint64_t spelling_size, file_size;
    double ratio;
};
struct lt_glm_block {                       /* before the arrays of a pattern, in the order of the masks */
    uint32_t mask, parents, contexts, nexts;
    double discount[3];
};
_Static_assert(sizeof(struct lt_glm_header) == 48 && sizeof(struct lt_glm_block) == 40, "no holes");
static inline bool lt_glm_has(bool first_only, uint32_t mask) { return !first_only || !(mask & (mask + 1)); }
static inline uint32_t lt_glm_top(uint32_t mask) { return mask ? 1u << (31 - __builtin_clz(mask)) : 0; }

#endif
