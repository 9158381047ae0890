#include "surgery/compile_ngram.h"
#include "base/ctx.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LN10 2.302585092994045684
#define NEVER (-99 * LN10)          /* log p of <s>, which follows nothing */
#define SUM_SLACK 1e-3

/* ---- contexts ---- */
/* A unit's words, the latest first; `length` of them. */
struct unit { int length; uint32_t word[LT_NGRAM_ORDER_MAX]; };
struct units { struct lt_map by_words; struct unit *unit; uint32_t count, cap; };

static struct lt_str key_of(const uint32_t *word, int length)
{
    return (struct lt_str){ (const char *)word, (size_t)length * sizeof *word };
}

/* With all its ends, so that every unit but the empty one goes on from another. */
static void add_unit(struct units *u, const uint32_t *word, int length)
{
    for (int n = 0; n <= length; n++) {
        bool fresh;
        uint64_t *at = lt_map_put(&u->by_words, key_of(word, n), &fresh);
        if (!fresh) continue;
        if (u->count == u->cap) {
            u->cap = LT_MAX(256, 2 * u->cap);
            u->unit = lt_realloc(u->unit, u->cap * sizeof *u->unit);
        }
        *at = u->count;
        u->unit[u->count].length = n;
        memcpy(u->unit[u->count++].word, word, (size_t)n * sizeof *word);
    }
}

/* N-grams of `level` from `begin` to `end`, which go on from the words in path; first word first. */
static void find_units(const struct lt_ngram *m, int level, uint32_t begin, uint32_t end, uint32_t *path,
                       struct units *u)
{
    const struct lt_ngram_level *l = &m->level[level];
    for (uint32_t i = begin; i < end; i++) {
        path[level] = l->word[i];
        uint32_t word[LT_NGRAM_ORDER_MAX];
        for (int k = 0; k <= level; k++) word[k] = path[level - k];
        if (l->child[i] < l->child[i + 1] || l->backoff[i] != 0) add_unit(u, word, level + 1);
        if (level + 2 < m->order) find_units(m, level + 1, l->child[i], l->child[i + 1], path, u);
    }
}

static void units_release(struct units *u)
{
    lt_map_free(&u->by_words);
    free(u->unit);
}

/* ---- sizes ---- */
/* Columns of the residual stream. */
struct layout { int64_t words, order, heads, dim, one, at, square, later, gathered, width, context; };

static struct layout lay_out(const struct lt_ngram *m, int64_t context)
{
    struct layout l = { .words = m->vocabulary.count, .order = m->order, .heads = m->order - 1, .context = context };
    l.dim = LT_MAX(l.words, 2);
    l.one = l.words;
    l.at = l.one + 1;
    l.square = l.at + 1;
    l.later = l.square + 1;             /* [i >= k] at later + k - 1 */
    l.gathered = l.later + l.order - 2; /* word j back at gathered + j * words */
    l.width = l.gathered + l.heads * l.words;
    return l;
}

static double parameters_of(const struct layout *l, double units)
{
    double width = (double)l->width, heads = (double)(l->heads * l->dim);
    return (2 * (double)l->words + (double)l->context + 2 * heads + 2 * (double)l->dim + 2 * units) * width;
}

/* ---- weights ---- */
struct cells { float *p; int64_t cols; };

static struct cells cells_of(const struct lt_model *m, const char *name)
{
    struct lt_weight *w = lt_model_weight(m, name);
    memset(w->master, 0, (size_t)lt_weight_count(w) * sizeof *w->master);
    return (struct cells){ w->master, w->dim[1] };
}

static float *cell(struct cells c, int64_t row, int64_t col) { return &c.p[row * c.cols + col]; }

static void write_inputs(const struct lt_model *m, const struct layout *l)
{
    struct cells embed = cells_of(m, "model.embed_tokens.weight"), head = cells_of(m, "lm_head.weight");
    struct cells place = cells_of(m, "model.embed_positions.weight");
    for (int64_t w = 0; w < l->words; w++) *cell(embed, w, w) = *cell(head, w, w) = 1;
    for (int64_t i = 0; i < l->context; i++) {
        *cell(place, i, l->one) = 1;
        *cell(place, i, l->at) = (float)i;
        *cell(place, i, l->square) = (float)(i * i);
        for (int64_t k = 1; k < l->order - 1; k++) *cell(place, i, l->later + k - 1) = i >= k;
    }
}

static void write_attention(const struct lt_model *m, const struct layout *l)
{
    struct cells q = cells_of(m, "model.layers.0.self_attn.q_proj.weight");
    struct cells k = cells_of(m, "model.layers.0.self_attn.k_proj.weight");
    struct cells v = cells_of(m, "model.layers.0.self_attn.v_proj.weight");
    struct cells o = cells_of(m, "model.layers.0.self_attn.o_proj.weight");
    for (int64_t j = 0; j < l->heads; j++) {
        *cell(q, j * l->dim, l->at) = 2;
        *cell(q, j * l->dim, l->one) = (float)(-2 * j);
        *cell(q, j * l->dim + 1, l->one) = -1;
        for (int64_t w = 0; w < l->words; w++) *cell(o, l->gathered + j * l->words + w, j * l->dim + w) = 1;
    }
    *cell(k, 0, l->at) = *cell(k, 1, l->square) = 1;
    for (int64_t w = 0; w < l->words; w++) {
        *cell(v, w, w) = 1;
        *cell(o, w, w) = -1;            /* head 0 copies the word at i itself: it makes room */
    }
}

/* What makes unit i 1 when its words stand before and no longer unit of the list matches.  A place before the text
 * copies the first word: [i >= length - 1] keeps units from matching that, and where the unit that goes on from this
 * one would match it by mistake, its veto is taken back. */
static void write_unit(const struct units *u, uint32_t i, const struct layout *l, struct cells up)
{
    const struct unit *t = &u->unit[i];
    int n = t->length;
    for (int k = 0; k < n; k++) *cell(up, i, l->gathered + k * l->words + t->word[k]) += 2;
    *cell(up, i, l->one) -= (float)(2 * n);
    *cell(up, i, n > 1 ? l->later + n - 2 : l->one) += 1;
    if (!n) return;
    int64_t above = (int64_t)*lt_map_get(&u->by_words, key_of(t->word, n - 1));
    *cell(up, above, l->gathered + (n - 1) * l->words + t->word[n - 1]) -= 1;
    if (n > 1 && t->word[n - 1] == t->word[n - 2]) {
        *cell(up, above, l->one) += 1;
        *cell(up, above, l->later + n - 2) -= 1;
    }
}

static int write_row(const struct lt_ngram *m, const struct unit *t, uint32_t i, struct cells down, float *row,
                     struct lt_compiled *out)
{
    struct lt_ngram_state s = { 0 };
    double sum = 0;
    for (int k = t->length - 1; k >= 0; k--) lt_ngram_push(m, &s, t->word[k]);
    lt_ngram_row(m, &s, LN10, row);
    if (m->bos != LT_NGRAM_NONE) row[m->bos] = (float)NEVER;
    for (uint32_t w = 0; w < m->vocabulary.count; w++) {
        *cell(down, w, i) = row[w];
        sum += exp((double)row[w]);
    }
    out->sum_error = LT_MAX(out->sum_error, fabs(sum - 1));
    if (fabs(sum - 1) <= SUM_SLACK) return 0;
    struct lt_buf b = { 0 };
    for (int k = t->length - 1; k >= 0; k--) {
        struct lt_str word = lt_ngram_spelling(m, t->word[k]);
        lt_buf_put(&b, word.p, word.n);
        lt_buf_str(&b, k ? " " : "");
    }
    lt_fail("the probabilities of the words after \"%s\" sum to %.6g; a softmax would make that 1, and the compiled "
            "model another one", b.n ? b.p : "", sum);
    lt_buf_free(&b);
    return -1;
}

static int write_contexts(const struct lt_ngram *m, const struct units *u, const struct layout *l,
                          const struct lt_model *model, struct lt_ctx *c, struct lt_compiled *out)
{
    struct cells up = cells_of(model, "model.layers.0.mlp.up_proj.weight");
    struct cells down = cells_of(model, "model.layers.0.mlp.down_proj.weight");
    float *row = lt_alloc((size_t)l->words * sizeof *row);
    struct lt_progress p;
    int rc = 0;
    lt_progress_begin(c, &p, "compiling", "contexts", u->count);
    for (uint32_t i = 0; i < u->count && !rc; i++) {
        write_unit(u, i, l, up);
        rc = write_row(m, &u->unit[i], i, down, row, out);
        if (i % 64 == 0) lt_progress_at(&p, i, NULL);
        if (i % 64 == 0 && lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
    }
    lt_progress_end(&p);
    free(row);
    return rc;
}

/* ---- the model ---- */
static int set(struct lt_options *s, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return lt_options_set(s, key, text);
}

static int make_model(const struct layout *l, int64_t units, const char *attention, struct lt_ctx *c,
                      struct lt_model **out)
{
    const struct lt_method *arch = lt_method_find("arch", "ngram_transformer");
    if (!arch) return -1;
    struct lt_options *s = lt_options_new(arch);
    if (set(s, "vocab_size", l->words) || set(s, "hidden_size", l->width) || set(s, "intermediate_size", units) ||
        set(s, "num_hidden_layers", 1) || set(s, "num_attention_heads", l->heads) ||
        set(s, "num_key_value_heads", 1) || set(s, "head_dim", l->dim) ||
        set(s, "max_position_embeddings", l->context) || lt_options_set(s, "attention", attention) ||
        lt_options_set(s, "compiled", "true")) {
        lt_options_free(s);
        return -1;
    }
    return lt_model_new((const struct lt_arch *)arch, s, 0, c, out);
}

static int check_size(const struct layout *l, const struct units *u, const struct lt_compile_how *how, struct lt_ctx *c)
{
    double parameters = parameters_of(l, u->count);
    lt_note(c, "%" PRId64 " words, order %" PRId64 ", %u contexts: %.0f parameters, %.1f MiB", l->words, l->order,
            (unsigned)u->count, parameters, parameters * 4 / (1 << 20));
    if (parameters * 4 <= (double)how->memory) return 0;
    return lt_fail("%" PRId64 " words, order %" PRId64 " and %u contexts make %.0f parameters, %.0f MiB, more than the "
                   "%" PRId64 " MiB they may (--memory): fewer words, a lower order or a pruned model take less",
                   l->words, l->order, (unsigned)u->count, parameters, parameters * 4 / (1 << 20), how->memory >> 20);
}

int lt_compile_ngram(const struct lt_ngram *m, const struct lt_compile_how *how, struct lt_ctx *c,
                     struct lt_model **model, struct lt_compiled *out)
{
    struct units u = { 0 };
    uint32_t path[LT_NGRAM_ORDER_MAX] = { 0 };
    if (m->order < 2) return lt_fail("a model of order 1 has no contexts to attend to: expected order 2 or higher");
    struct layout l = lay_out(m, how->context);
    add_unit(&u, path, 0);
    find_units(m, 0, 0, m->level[0].count, path, &u);
    *out = (struct lt_compiled){ .words = l.words, .order = l.order, .units = u.count, .width = l.width,
                                 .parameters = (int64_t)parameters_of(&l, u.count),
                                 .units_dense = pow((double)l.words, (double)(l.order - 1)) };
    struct lt_model *made = NULL;
    int rc = check_size(&l, &u, how, c) || make_model(&l, u.count, how->attention, c, &made) ? -1 : 0;
    if (!rc) {
        write_inputs(made, &l);
        write_attention(made, &l);
        rc = write_contexts(m, &u, &l, made, c, out);
    }
    units_release(&u);
    if (rc) lt_model_free(made);
    else *model = made;
    return rc;
}
