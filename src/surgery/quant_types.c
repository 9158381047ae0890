#include "surgery/quant_types.h"
#include "math/quant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* As llama-quantize names them.  A mixture gives more bits to the matrices that suffer most (its S and M rules). */
struct mixture { const char *name; enum lt_dtype most, better; bool small; };
static const struct mixture mixtures[] = {
    { "q8_0", LT_Q8_0, LT_Q8_0, false },
    { "q4_0", LT_Q4_0, LT_Q4_0, false },
    { "q5_0", LT_Q5_0, LT_Q5_0, false },
    { "q5_1", LT_Q5_1, LT_Q5_1, false },
    { "q4_k_s", LT_Q4_K, LT_Q5_K, true },
    { "q4_k_m", LT_Q4_K, LT_Q6_K, false },
    { "q4_k", LT_Q4_K, LT_Q6_K, false },
    { "q5_k_s", LT_Q5_K, LT_Q5_K, true },
    { "q5_k_m", LT_Q5_K, LT_Q6_K, false },
    { "q5_k", LT_Q5_K, LT_Q6_K, false },
    { "q6_k", LT_Q6_K, LT_Q6_K, false },
};

static const struct mixture *find_mixture(const char *name)
{
    for (int i = 0; i < LT_COUNT(mixtures); i++)
        if (!strcasecmp(name, mixtures[i].name)) return &mixtures[i];
    lt_misuse("the type \"%.40s\" is unknown; known are q8_0, q4_0, q5_0, q5_1, q4_k_s, q4_k_m (also q4_k), q5_k_s, "
              "q5_k_m (also q5_k) and q6_k", name);
    return NULL;
}

static int find_type(const char *name, enum lt_dtype *t)
{
    if (!strcasecmp(name, "f32")) *t = LT_F32;
    else if (!strcasecmp(name, "f16")) *t = LT_F16;
    else if (!strcasecmp(name, "bf16")) *t = LT_BF16;
    else if (lt_quant_find(name, t))
        return lt_misuse("the type \"%.40s\" of a tensor is unknown; known are f32, f16, bf16, q8_0, q4_0, q5_0, q5_1, "
                         "q4_k, q5_k and q6_k", name);
    return 0;
}

/* ---- the mixtures ---- */

/* The first and the last eighth of the layers, and every third between. */
static bool deserves_more(int64_t layer, int64_t layers)
{
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static enum lt_dtype mixed(const struct mixture *x, const struct lt_model *m, const struct lt_gguf_part *p)
{
    const char *role = strchr(p->name + 4, '.');
    int64_t layer = p->weight < 0 ? -1 : m->weight[p->weight].layer;
    bool head = !strcmp(p->name, "output.weight") || (m->tied && !strcmp(p->name, "token_embd.weight"));
    if (head) return x->most == LT_Q8_0 ? LT_Q8_0 : LT_Q6_K;
    if (layer < 0 || x->better == x->most) return x->most;
    bool value = !strcmp(role, ".attn_v.weight"), down = !strcmp(role, ".ffn_down.weight");
    if (x->small) return (value && layer < 4) || (down && layer < m->layers / 8) ? x->better : x->most;
    if (!strcmp(role, ".attn_qkv.weight")) return x->most == LT_Q4_K ? LT_Q5_K : LT_Q6_K;
    return (value || down) && deserves_more(layer, m->layers) ? x->better : x->most;
}

/* ---- rules of the caller ---- */

/* "attn_v" means any name that holds it; a pattern with * is the whole name. */
static bool matches(struct lt_str pattern, const char *name)
{
    struct lt_buf b = { 0 };
    bool whole = memchr(pattern.p, '*', pattern.n) || memchr(pattern.p, '?', pattern.n);
    if (!whole) lt_buf_char(&b, '*');
    lt_buf_put(&b, pattern.p, pattern.n);
    if (!whole) lt_buf_char(&b, '*');
    bool yes = lt_glob(b.p, name);
    lt_buf_free(&b);
    return yes;
}

static int apply_rule(const char *rule, struct lt_export *e, bool *chosen)
{
    const char *equals = strrchr(rule, '=');
    enum lt_dtype type;
    int hits = 0;
    if (!equals || equals == rule)
        return lt_misuse("tensor_type: expected PATTERN=TYPE, such as attn_v=q6_k, found \"%.80s\"", rule);
    if (find_type(equals + 1, &type)) return -1;
    for (int i = 0; i < e->plan.count; i++) {
        if (!matches((struct lt_str){ rule, (size_t)(equals - rule) }, e->plan.part[i].name)) continue;
        if (lt_export_is_plain(e, i)) continue;
        e->type[i] = type;
        chosen[i] = true;
        hits++;
    }
    if (hits) return 0;
    return lt_misuse("tensor_type: no matrix of the model has a name like \"%.*s\"", (int)(equals - rule), rule);
}

/* What llama-quantize takes where the block does not divide the width. */
static enum lt_dtype instead_of(enum lt_dtype t, int64_t width)
{
    const enum lt_dtype other = t == LT_Q4_K ? LT_Q5_0 : t == LT_Q5_K ? LT_Q5_1 : LT_Q8_0;
    return width % lt_dtype_block(other) == 0 ? other : LT_F16;
}

static int fall_back(const struct lt_type_rules *r, struct lt_export *e, struct lt_type_counts *out)
{
    int64_t rows, width;
    enum lt_dtype type = LT_F32;
    const bool refuse = !strcmp(r->fallback, "refuse"), by_type = !strcmp(r->fallback, "llama.cpp");
    if (!refuse && !by_type && find_type(r->fallback, &type)) return -1;
    for (int i = 0; i < e->plan.count; i++) {
        lt_export_shape(e, i, &rows, &width);
        if (width % lt_dtype_block(e->type[i]) == 0) continue;
        if (refuse) {
            const char *name = e->plan.part[i].name;
            return lt_fail("%s has rows of %" PRId64 ", which blocks of %" PRId64 " (%s) do not divide; --fallback "
                           "TYPE names a type for all such tensors, --tensor_type %s=TYPE one for this", name, width,
                           lt_dtype_block(e->type[i]), lt_dtype_name(e->type[i]), name);
        }
        e->type[i] = by_type ? instead_of(e->type[i], width) : type;
        out->fallen++;
    }
    return lt_export_check(e);
}

int lt_choose_types(const struct lt_type_rules *r, struct lt_export *e, struct lt_type_counts *out)
{
    const struct mixture *x = find_mixture(r->type);
    *out = (struct lt_type_counts){ 0 };
    if (!x) return -1;
    bool *chosen = lt_calloc((size_t)e->plan.count + 1, sizeof *chosen);
    for (int i = 0; i < e->plan.count; i++)
        e->type[i] = lt_export_is_plain(e, i) ? LT_F32 : r->pure ? x->most : mixed(x, e->from->m, &e->plan.part[i]);
    e->mostly = x->most;
    int rc = 0;
    for (int i = 0; i < r->rules->count && !rc; i++) rc = apply_rule(r->rules->item[i], e, chosen);
    for (int i = 0; i < e->plan.count; i++) out->rules += chosen[i];
    free(chosen);
    return rc ? -1 : fall_back(r, e, out);
}
