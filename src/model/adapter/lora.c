/* LoRA (Hu et al. 2021): a weight's change has a low rank.
 *
 *     y = W x + s B A x,    A (r, in), B (out, r),
 *     s = lora_alpha / r, or lora_alpha / sqrt(r) (rsLoRA, Kalajdzievski 2023)
 *
 * A file holds A and B as PEFT writes them: for a weight stored (in, out), as GPT-2's, they are the same.  In training
 * lora_dropout zeroes elements of the x that A meets; W's x is whole.
 *     lathe generate MODEL --adapter FOLDER --prompt "Once" */
#include "model/adapter.h"
#include "text/tok.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct lora {
    int64_t r;
    double alpha, dropout;
    bool use_rslora;
    struct lt_list rank_pattern, alpha_pattern, target_modules;
};
enum { A, B, RANK_MAX = 4096 };

/* ---- patterns: "PATTERN=VALUE", a regular expression for the end of a module's name ---- */

static int matches(struct lt_str pattern, const char *module, bool *is)
{
    struct lt_buf whole = { 0 };
    struct lt_tok_matches at = { 0 };
    struct lt_tok_span span;
    lt_buf_str(&whole, "\\A(?:.*\\.)?(?:");
    lt_buf_put(&whole, pattern.p, pattern.n);
    lt_buf_str(&whole, ")\\z");
    struct lt_tok_regex *regex = lt_tok_regex_new(lt_buf_view(&whole));
    struct lt_tok_matcher *matcher = lt_tok_matcher_new();
    int rc = regex ? lt_tok_regex_next(regex, matcher, lt_str(module), &at, &span) : -1;
    *is = rc > 0;
    lt_tok_matcher_free(matcher);
    lt_tok_regex_free(regex);
    lt_buf_free(&whole);
    return rc < 0 ? -1 : 0;
}

/* The value of the first pattern that the module's name fits; else *value stays. */
static int look_up(const struct lt_list *patterns, const char *key, const char *module, double *value)
{
    for (int i = 0; i < patterns->count; i++) {
        const char *text = patterns->item[i], *eq = strrchr(text, '=');
        bool is;
        double v;
        if (!eq || lt_str_real(lt_str(eq + 1), &v) || !isfinite(v))
            return lt_misuse("%s: expected PATTERN=NUMBER, found \"%s\"", key, text);
        if (matches((struct lt_str){ text, (size_t)(eq - text) }, module, &is))
            return lt_fail("%s: %s", key, lt_error());
        if (!is) continue;
        *value = v;
        return 0;
    }
    return 0;
}

/* ---- which weights ---- */

/* "NAME.weight" for a target that is NAME or its end from a dot on. */
static bool is_target(const struct lt_weight *w, const char *target)
{
    size_t n = strlen(w->name), t = strlen(target), end = sizeof ".weight" - 1;
    if (w->rank != 2 || w->layer < 0 || n < end || strcmp(w->name + n - end, ".weight")) return false;
    if (!strcmp(target, "all-linear")) return true;
    n -= end;
    return n >= t && !strncmp(w->name + n - t, target, t) && (n == t || w->name[n - t - 1] == '.');
}

static int mark(const struct lt_model *m, const char *target, bool *wanted)
{
    int count = 0;
    for (int i = 0; i < m->weight_count; i++) {
        bool is = is_target(&m->weight[i], target);
        wanted[i] |= is;
        count += is;
    }
    return count;
}

static int choose(const void *v, const struct lt_model *m, bool *wanted)
{
    static const char *const usual[] = { "q_proj", "v_proj", "c_attn", "query_key_value" };     /* PEFT's, by family */
    const struct lora *o = v;
    int count = 0;
    for (int i = 0; i < o->target_modules.count; i++)
        if (!mark(m, o->target_modules.item[i], wanted))
            return lt_misuse("target_modules: no linear layer of %s is called \"%s\"; all-linear means each of them",
                             m->arch->m.name, o->target_modules.item[i]);
    for (int i = 0; !o->target_modules.count && i < LT_COUNT(usual); i++) count += mark(m, usual[i], wanted);
    if (o->target_modules.count || count) return 0;
    return lt_misuse("target_modules: say which linear layers of %s are to be adapted; all-linear means each of them",
                     m->arch->m.name);
}

/* ---- the operation ---- */

static int attach(const void *v, struct lt_adapter_part *p)
{
    const struct lora *o = v;
    double rank = (double)o->r, alpha = o->alpha;
    if (look_up(&o->rank_pattern, "rank_pattern", p->module, &rank)
        || look_up(&o->alpha_pattern, "alpha_pattern", p->module, &alpha))
        return -1;
    if (!(rank >= 1 && rank <= RANK_MAX && rank == floor(rank)))
        return lt_fail("rank_pattern: expected a whole number from 1 to %d for %s, found %g", RANK_MAX, p->module,
                       rank);
    p->dropout = o->dropout;
    p->scale = alpha / (o->use_rslora ? sqrt(rank) : rank);
    p->w[A] = (struct lt_weight){ .rank = 2, .dim = { (int64_t)rank, p->in } };
    p->w[B] = (struct lt_weight){ .rank = 2, .dim = { p->out, (int64_t)rank }, .init = LT_INIT_ZERO };
    return 0;
}

static struct lt_tensor *apply(const struct lt_adapter_part *p, struct lt_graph *g, struct lt_tensor *x,
                               struct lt_tensor *y)
{
    struct lt_adapter_part *part = (struct lt_adapter_part *)p;     /* leaves take weights that may be trained */
    (void)y;
    x = lt_op_dropout(g, x, (float)p->dropout);
    struct lt_tensor *u = lt_op_linear(g, x, lt_weight_leaf(g, &part->w[A]), NULL, false);
    return lt_op_linear(g, lt_op_scale(g, u, (float)p->scale), lt_weight_leaf(g, &part->w[B]), NULL, false);
}

static float *floats_of(const struct lt_weight *w)
{
    int64_t n = lt_weight_count(w);
    float *x = lt_alloc((size_t)n * sizeof *x);
    lt_convert(LT_F32, x, w->type, w->data, n);
    return x;
}

static void merge(const struct lt_adapter_part *p, int64_t first, int64_t rows, float *delta)
{
    const struct lt_weight *a = &p->w[A], *b = &p->w[B];
    int64_t r = a->dim[0], in = a->dim[1];
    float *wide_a = floats_of(a), *wide_b = floats_of(b);
    memset(delta, 0, (size_t)(rows * in) * sizeof *delta);
    for (int64_t o = 0; o < rows; o++)
        for (int64_t k = 0; k < r; k++) {
            float s = (float)p->scale * wide_b[(first + o) * r + k];
            for (int64_t i = 0; i < in; i++) delta[o * in + i] += s * wide_a[k * in + i];
        }
    free(wide_a);
    free(wide_b);
}

/* X^T X of x (n, r), or with `across` of x (r, n) turned: (r, r). */
static double *products(const float *x, int64_t n, int64_t r, bool across)
{
    double *p = lt_calloc((size_t)(r * r), sizeof *p), *row = lt_alloc((size_t)r * sizeof *row);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < r; k++) row[k] = (double)x[across ? k * n + i : i * r + k];
        for (int64_t j = 0; j < r; j++)
            for (int64_t k = 0; k < r; k++) p[j * r + k] += row[j] * row[k];
    }
    free(row);
    return p;
}

/* |B A|^2 = trace (B^T B)(A A^T), which no matrix of W's size is needed for. */
static double norm(const struct lt_adapter_part *p)
{
    int64_t r = p->w[A].dim[0];
    float *a = floats_of(&p->w[A]), *b = floats_of(&p->w[B]);
    double *aa = products(a, p->w[A].dim[1], r, true), *bb = products(b, p->w[B].dim[0], r, false), sum = 0;
    for (int64_t i = 0; i < r * r; i++) sum += aa[i] * bb[i];
    free(aa);
    free(bb);
    free(a);
    free(b);
    return fabs(p->scale) * sqrt(fmax(sum, 0));
}

static const char *const tensors[] = { "lora_A", "lora_B", NULL };
static const struct lt_opt rows[] = {
    { .key = "r", .help = "rank", .type = LT_INT, .at = offsetof(struct lora, r), .dflt = 8, .min = 1,
      .max = RANK_MAX },
    { .key = "lora_alpha", .help = "the change is scaled by lora_alpha / r", .type = LT_REAL,
      .at = offsetof(struct lora, alpha), .dflt = 8, .min = -1e9, .max = 1e9 },
    { .key = "lora_dropout", .help = "of what goes into A, in training", .type = LT_REAL,
      .at = offsetof(struct lora, dropout), .max = 0.99 },
    { .key = "use_rslora", .help = "by lora_alpha / sqrt(r) instead", .type = LT_BOOL,
      .at = offsetof(struct lora, use_rslora) },
    { .key = "rank_pattern", .help = "PATTERN=RANK for modules whose name ends so", .type = LT_LIST,
      .at = offsetof(struct lora, rank_pattern), .flags = LT_TEXTS },
    { .key = "alpha_pattern", .help = "PATTERN=ALPHA for modules whose name ends so", .type = LT_LIST,
      .at = offsetof(struct lora, alpha_pattern), .flags = LT_TEXTS },
    { .key = "target_modules", .help = "of a new adapter: linear layers by the ends of their names, or all-linear; "
      "without it queries and values", .type = LT_LIST, .at = offsetof(struct lora, target_modules),
      .alias = "lora_target_modules" },
    { 0 },
};
const struct lt_adapter_type lt_adapter_lora = {
    .m = { .name = "lora", .brief = "a low-rank change beside each weight", .paper = "arXiv:2106.09685",
           .size = sizeof(struct lora), .opts = rows,
           .doc = "y = W x + (lora_alpha / r) B A x, A (r, in), B (out, r).  The options are the keys of PEFT's\n"
                  "adapter_config.json; a folder of PEFT's is used as it is (doc/formats/adapter.md).\n"
                  "example: lathe generate MODEL --adapter FOLDER --prompt \"Once\"\n"
                  "example: lathe serve MODEL --adapter NAME=FOLDER --adapter OTHER=FOLDER\n"
                  "example: lathe train shards --model MODEL --adapter lora --adapter.r 16 --output run\n"
                  "example: lathe convert MODEL --adapter FOLDER --output merged" },
    .tensor = tensors, .choose = choose, .attach = attach, .apply = apply, .merge = merge, .norm = norm,
};
