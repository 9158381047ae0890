/* A model's side of writing a GGUF file: which tensors there are, how they lie, and the keys of the family. */
#include "model/gguf_family.h"
#include "model/arch/hyper.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LLAMA_FTYPE_...: what a file is mostly made of. */
static const struct { enum lt_dtype type; int id; uint32_t file_type; } types[] = {
    { LT_F32, 0, 0 },   { LT_F16, 1, 1 },   { LT_BF16, 30, 32 }, { LT_Q4_0, 2, 2 },
    { LT_Q5_0, 6, 8 },  { LT_Q5_1, 7, 9 },
    { LT_Q8_0, 8, 7 },  { LT_Q4_K, 12, 15 }, { LT_Q5_K, 13, 17 }, { LT_Q6_K, 14, 18 },
};

int lt_gguf_type_id(enum lt_dtype t)
{
    for (int i = 0; i < LT_COUNT(types); i++)
        if (types[i].type == t) return types[i].id;
    return -1;
}

static const struct lt_gguf_family *family_of(const struct lt_model *m)
{
    const struct lt_gguf_family *f = lt_gguf_families;
    while (f->name && strcmp(f->arch, m->arch->m.name)) f++;
    return f->name ? f : NULL;
}

/* ---- hyper-parameters by name ---- */

static const void *row_at(const struct lt_model *m, const char *key)
{
    for (const struct lt_opt *r = m->arch->m.opts; r && r->key; r++)
        if (!strcmp(r->key, key)) return (const char *)m->o + r->at;
    return NULL;
}

static double real_of(const struct lt_model *m, const char *key, double absent)
{
    const double *v = row_at(m, key);
    return v ? *v : absent;
}

static int64_t int_of(const struct lt_model *m, const char *key)
{
    const int64_t *v = row_at(m, key);
    return v ? *v : 0;
}

static bool bool_of(const struct lt_model *m, const char *key)
{
    const bool *v = row_at(m, key);
    return v && *v;
}

static const char *scaling_of(const struct lt_model *m)
{
    const char *const *v = row_at(m, "rope_scaling_type");
    return v ? *v : "default";
}

static struct lt_rope_scaling llama3_of(const struct lt_model *m)
{
    return (struct lt_rope_scaling){ .type = "llama3",
                                     .factor = real_of(m, "rope_scaling_factor", 1),
                                     .low = real_of(m, "rope_scaling_low_freq_factor", 1),
                                     .high = real_of(m, "rope_scaling_high_freq_factor", 4),
                                     .original = int_of(m, "rope_scaling_original_max_position_embeddings") };
}

const float *lt_gguf_rope_factors(const struct lt_model *m, struct lt_arena *a, int64_t *count)
{
    const struct lt_decoder *d = m->plan;
    const struct lt_rope_scaling s = llama3_of(m);
    double theta = real_of(m, "rope_theta", 10000);
    const double *plain = lt_rope_turns(a, d->rot, theta, NULL), *scaled = lt_rope_turns(a, d->rot, theta, &s);
    *count = d->rot / 2;
    float *factor = lt_arena_take(a, (size_t)(*count + 1) * sizeof *factor);
    for (int64_t i = 0; i < *count; i++) factor[i] = (float)(plain[i] / scaled[i]);
    return factor;
}

/* ---- what cannot be said ---- */

static int check(const struct lt_model *m, const struct lt_gguf_family *f, struct lt_buf *note)
{
    const struct lt_decoder *d = m->plan;
    const char *name = m->arch->m.name, *scaling = scaling_of(m);
    if (d->act != f->act)
        return lt_fail("GGUF's %s has one activation, %s, and this model has another", f->name,
                       f->act == LT_ACT_SILU ? "silu" : "gelu_new");
    if (d->scale_by_layer) return lt_fail("GGUF's %s does not know scale_attn_by_inverse_layer_idx", f->name);
    if (!strcmp(scaling, "llama3") && !f->freqs)
        return lt_fail("GGUF has llama3's scaling of rotary positions for llama alone, not for %s", f->name);
    if (d->window && strcmp(name, "mistral"))
        return lt_fail("GGUF's %s has no attention in a sliding window, which this model uses", f->name);
    if (d->window && d->window < d->context)
        lt_buf_fmt(note, "the sliding window of %" PRId64 " tokens is kept for lathe; llama.cpp sees all tokens, so "
                         "longer texts come out differently there\n", d->window);
    return 0;
}

struct plan { struct lt_arena *arena; struct lt_gguf_plan *out; };

static int add_part(void *self, const char *name, int weight, int64_t laced)
{
    struct plan *p = self;
    p->out->part[p->out->count++] =
        (struct lt_gguf_part){ .name = lt_arena_str(p->arena, lt_str(name)), .weight = weight, .laced = laced };
    return 0;
}

int lt_gguf_plan_of(const struct lt_model *m, struct lt_arena *a, struct lt_gguf_plan *out, struct lt_buf *note)
{
    const struct lt_gguf_family *f = family_of(m);
    struct plan p = { a, out };
    if (!f)
        return lt_fail("GGUF files of %s are not written; of llama, mistral, qwen2, olmo2, gpt2, stablelm and phi "
                       "they are", m->arch->m.name);
    if (check(m, f, note)) return -1;
    *out = (struct lt_gguf_plan){ .part = lt_arena_zero(a, (size_t)m->weight_count + 1, sizeof *out->part) };
    if (!strcmp(scaling_of(m), "llama3")) add_part(&p, "rope_freqs.weight", -1, 0);
    return lt_gguf_walk(m, f, add_part, &p);
}

/* ---- keys ---- */

struct keys { struct lt_gguf_out *w; const char *family; char name[128]; };

static const char *key(struct keys *k, const char *name)
{
    snprintf(k->name, sizeof k->name, "%s.%s", k->family, name);
    return k->name;
}

static void put_rope(const struct lt_model *m, const struct lt_gguf_family *f, struct keys *k)
{
    const struct lt_decoder *d = m->plan;
    const char *scaling = scaling_of(m);
    if (!d->rot) return;
    lt_gguf_put_u32(k->w, key(k, "rope.dimension_count"), (uint32_t)d->rot);
    lt_gguf_put_f32(k->w, key(k, "rope.freq_base"), real_of(m, "rope_theta", 10000));
    if (!strcmp(scaling, "linear")) {
        lt_gguf_put_str(k->w, key(k, "rope.scaling.type"), lt_str("linear"));
        lt_gguf_put_f32(k->w, key(k, "rope.scaling.factor"), real_of(m, "rope_scaling_factor", 1));
    }
    if (!strcmp(scaling, "llama3") && f->freqs) {
        const struct lt_rope_scaling s = llama3_of(m);
        lt_gguf_put_u32(k->w, key(k, "rope.scaling.original_context_length"), (uint32_t)s.original);
        lt_gguf_put_f32(k->w, "lathe.rope.low_freq_factor", s.low);
        lt_gguf_put_f32(k->w, "lathe.rope.high_freq_factor", s.high);
    }
}

static void put_sampling(const struct lt_generation *g, struct lt_gguf_out *w)
{
    if (!g->sample) return;
    if (g->top_k >= 0) lt_gguf_put_u32(w, "general.sampling.top_k", (uint32_t)g->top_k);
    if (!isnan(g->top_p)) lt_gguf_put_f32(w, "general.sampling.top_p", g->top_p);
    lt_gguf_put_f32(w, "general.sampling.temp", isnan(g->temperature) ? 1 : g->temperature);
    if (!isnan(g->repetition_penalty)) lt_gguf_put_f32(w, "general.sampling.penalty_repeat", g->repetition_penalty);
}

static void put_general(const struct lt_gguf_family *f, const char *name, enum lt_dtype type, struct lt_gguf_out *w)
{
    lt_gguf_put_str(w, "general.architecture", lt_str(f->name));
    lt_gguf_put_str(w, "general.type", lt_str("model"));
    if (*name) lt_gguf_put_str(w, "general.name", lt_str(name));
    for (int i = 0; i < LT_COUNT(types); i++)
        if (types[i].type == type) lt_gguf_put_u32(w, "general.file_type", types[i].file_type);
    lt_gguf_put_u32(w, "general.quantization_version", 2);
}

void lt_gguf_put_model(const struct lt_model *m, const char *name, enum lt_dtype type, struct lt_gguf_out *w)
{
    const struct lt_gguf_family *f = family_of(m);
    const struct lt_decoder *d = m->plan;
    struct keys k = { .w = w, .family = f->name };
    bool rms = !d->layernorm;
    put_general(f, name, type, w);
    const struct { const char *key; int64_t value; } row[] = {
        { "vocab_size", m->vocab }, { "context_length", m->context }, { "embedding_length", m->width },
        { "block_count", m->layers }, { "feed_forward_length", m->inner }, { "attention.head_count", m->heads },
        { "attention.head_count_kv", m->kv_heads },
    };
    for (int i = 0; i < LT_COUNT(row); i++) lt_gguf_put_u32(w, key(&k, row[i].key), (uint32_t)row[i].value);
    if (m->head_dim * m->heads != m->width) {
        lt_gguf_put_u32(w, key(&k, "attention.key_length"), (uint32_t)m->head_dim);
        lt_gguf_put_u32(w, key(&k, "attention.value_length"), (uint32_t)m->head_dim);
    }
    lt_gguf_put_f32(w, key(&k, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"), d->eps);
    put_rope(m, f, &k);
    if (!strcmp(f->name, "stablelm"))
        lt_gguf_put_bool(w, key(&k, "use_parallel_residual"), bool_of(m, "use_parallel_residual"));
    if (d->window) lt_gguf_put_u32(w, key(&k, "attention.sliding_window"), (uint32_t)d->window);
    put_sampling(&m->generation, w);
}

/* ---- weights ---- */

void lt_gguf_shape(const struct lt_weight *w, int *rank, int64_t dim[2])
{
    *rank = w->rank;
    dim[0] = w->dim[w->transposed ? 1 : 0];
    dim[1] = w->rank > 1 ? w->dim[w->transposed ? 0 : 1] : 0;
}

void lt_gguf_rows(const struct lt_weight *w, int64_t first, int64_t count, float *out)
{
    int64_t cols = w->rank > 1 ? w->dim[1] : 1;
    if (!w->transposed) {
        lt_convert(LT_F32, out, w->type, (const char *)w->data + lt_dtype_bytes(w->type, first * cols), count * cols);
        return;
    }
    float *part = lt_alloc((size_t)count * sizeof *part);
    for (int64_t c = 0; c < w->dim[0]; c++) {
        lt_convert(LT_F32, part, w->type, (const char *)w->data + lt_dtype_bytes(w->type, c * cols + first), count);
        for (int64_t r = 0; r < count; r++) out[r * w->dim[0] + c] = part[r];
    }
    free(part);
}
