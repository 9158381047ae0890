/* A model out of a GGUF file: keys to hyper-parameters, then every weight where it lies. */
#include "model/gguf_family.h"
#include "base/json.h"
#include "math/quant.h"
#include "model/arch/hyper.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct lt_model *m;
    const struct lt_gguf *g;
    const struct lt_gguf_family *family;
    bool *used;                 /* of the file's tensors */
    char key[128];              /* "llama.block_count" */
};

/* "FAMILY.NAME", until the next call. */
static const char *key_of(struct reader *r, const char *name)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->family->name, name);
    return r->key;
}

static bool has(const struct reader *r, const char *tensor) { return lt_gguf_find_tensor(r->g, tensor) != NULL; }

/* ---- options ---- */

static int set(struct reader *r, const char *option, const char *value)
{
    return lt_options_set(r->m->options, option, value) ? lt_fail("%s: %s", r->g->label, lt_error()) : 0;
}

static int set_int(struct reader *r, const char *option, int64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    return set(r, option, text);
}

static int set_bool(struct reader *r, const char *option, bool v) { return set(r, option, v ? "true" : "false"); }

static int set_real(struct reader *r, const char *option, double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", v);
    return set(r, option, text);
}

static bool has_option(const struct reader *r, const char *key)
{
    for (const struct lt_opt *o = r->m->arch->m.opts; o && o->key; o++)
        if (!strcmp(o->key, key)) return true;
    return false;
}

static int need_int(struct reader *r, const char *name, int64_t *v)
{
    int rc = lt_gguf_int(r->g, key_of(r, name), 0, INT32_MAX, v);
    return rc < 0 ? -1 : rc ? 0 : lt_fail("%s: the key %s is missing", r->g->label, r->key);
}

/* ---- sizes ---- */

struct sizes { int64_t width, heads, kv_heads, head_dim; };

static int read_sizes(struct reader *r, struct sizes *z)
{
    int64_t context, layers, inner, key, value;
    const struct lt_gguf_tensor *table = lt_gguf_find_tensor(r->g, "token_embd.weight");
    if (!table || table->rank != 2)
        return lt_fail("%s: no matrix token_embd.weight: %s", r->g->label,
                       r->g->tensor_count ? "not a language model" : "a file without weights");
    if (need_int(r, "context_length", &context) || need_int(r, "embedding_length", &z->width)
        || need_int(r, "block_count", &layers) || need_int(r, "feed_forward_length", &inner)
        || need_int(r, "attention.head_count", &z->heads))
        return -1;
    if (z->heads < 1 || z->heads > z->width)
        return lt_fail("%s: %" PRId64 " heads cannot share a width of %" PRId64, r->g->label, z->heads, z->width);
    z->kv_heads = z->heads;
    key = value = z->width / z->heads;
    if (lt_gguf_int(r->g, key_of(r, "attention.head_count_kv"), 1, z->heads, &z->kv_heads) < 0
        || lt_gguf_int(r->g, key_of(r, "attention.key_length"), 1, 4096, &key) < 0
        || lt_gguf_int(r->g, key_of(r, "attention.value_length"), 1, 4096, &value) < 0)
        return -1;
    z->head_dim = key;
    bool usual = key == z->width / z->heads;
    if (key != value || (!usual && !has_option(r, "head_dim")))
        return lt_fail("%s: heads of %" PRId64 " for keys and %" PRId64 " for values are not supported in %s",
                       r->g->label, key, value, r->family->name);
    if (!has_option(r, "num_key_value_heads") && z->kv_heads != z->heads)
        return lt_fail("%s: %s shares no key-value heads", r->g->label, r->family->name);
    if (set_int(r, "vocab_size", table->dim[0]) || set_int(r, "max_position_embeddings", context)
        || set_int(r, "hidden_size", z->width) || set_int(r, "num_hidden_layers", layers)
        || set_int(r, "intermediate_size", inner) || set_int(r, "num_attention_heads", z->heads))
        return -1;
    if (has_option(r, "num_key_value_heads") && set_int(r, "num_key_value_heads", z->kv_heads)) return -1;
    return has_option(r, "head_dim") ? set_int(r, "head_dim", z->head_dim) : 0;
}

static int read_eps(struct reader *r)
{
    bool rms = !strcmp(r->family->eps, "rms_norm_eps");
    double eps = 0;
    int rc = lt_gguf_real(r->g, key_of(r, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"),
                          &eps);
    if (rc <= 0) return rc ? -1 : lt_fail("%s: the key %s is missing", r->g->label, r->key);
    return set_real(r, r->family->eps, eps);
}

/* ---- rotary positions ---- */

/* The context before stretching, from a frequency that is stretched in part; as Llama 3 has it where there is none. */
static int64_t original_of(const float *factor, int64_t half, double theta, const struct lt_rope_scaling *s)
{
    for (int64_t i = 0; i < half; i++) {
        double f = (double)factor[i];
        if (f <= 1 || f >= s->factor) continue;
        double keep = (1 / f - 1 / s->factor) / (1 - 1 / s->factor);
        double wave = 2 * 3.14159265358979323846 * pow(theta, (double)i / (double)half);
        return (int64_t)(wave * (keep * (s->high - s->low) + s->low) + 0.5);
    }
    return 8192;
}

/* rope_freqs.weight holds what llama3's rule comes to; its factor is the largest, and the rest follows or is as Llama 3
 * has it, unless the file says otherwise.  What comes out must be what is there. */
static int read_freqs(struct reader *r, const struct sizes *z, double theta)
{
    const struct lt_gguf_tensor *t = lt_gguf_find_tensor(r->g, "rope_freqs.weight");
    int64_t half = z->head_dim / 2, original;
    struct lt_rope_scaling s = { .type = "llama3", .factor = 1, .low = 1, .high = 4 };
    if (!t) return 0;
    r->used[t - r->g->tensor] = true;
    if (strcmp(t->layout->name, "F32") || t->rank != 1 || t->dim[0] != half)
        return lt_fail("%s: expected rope_freqs.weight to be %" PRId64 " floats", r->g->label, half);
    const float *factor = t->data;
    for (int64_t i = 0; i < half; i++) {
        if (!(factor[i] >= 1 && factor[i] < 1e6f))
            return lt_fail("%s: factor %" PRId64 " of rope_freqs.weight is %g", r->g->label, i, (double)factor[i]);
        s.factor = LT_MAX(s.factor, (double)factor[i]);
    }
    if (lt_gguf_real(r->g, "lathe.rope.low_freq_factor", &s.low) < 0
        || lt_gguf_real(r->g, "lathe.rope.high_freq_factor", &s.high) < 0)
        return -1;
    if (!(s.low >= 1e-3 && s.low <= 1e6 && s.high >= 1e-3 && s.high <= 1e6))
        return lt_fail("%s: lathe.rope.low_freq_factor is %g and the high one %g", r->g->label, s.low, s.high);
    original = original_of(factor, half, theta, &s);
    if (lt_gguf_int(r->g, key_of(r, "rope.scaling.original_context_length"), 1, LT_CONTEXT_MAX, &original) < 0)
        return -1;
    s.original = original;
    struct lt_arena *a = &r->m->arena;
    const double *plain = lt_rope_turns(a, z->head_dim, theta, NULL);
    const double *scaled = lt_rope_turns(a, z->head_dim, theta, &s);
    for (int64_t i = 0; i < half; i++)
        if (fabs(plain[i] / scaled[i] / (double)factor[i] - 1) > 1e-5)
            return lt_fail("%s: rope_freqs.weight holds %g at place %" PRId64 " where llama3's rule gives %g; other "
                           "rules are not supported", r->g->label, (double)factor[i], i, plain[i] / scaled[i]);
    if (s.factor == 1) return 0;
    return set(r, "rope_scaling_type", "llama3") || set_real(r, "rope_scaling_factor", s.factor)
           || set_real(r, "rope_scaling_low_freq_factor", s.low)
           || set_real(r, "rope_scaling_high_freq_factor", s.high)
           || set_int(r, "rope_scaling_original_max_position_embeddings", s.original);
}

static int read_scaling(struct reader *r)
{
    struct lt_str type = lt_str("none");
    double factor = 1;
    if (lt_gguf_str(r->g, key_of(r, "rope.scaling.type"), &type) < 0) return -1;
    int said = lt_gguf_real(r->g, key_of(r, "rope.scaling.factor"), &factor);
    if (said == 0) said = lt_gguf_real(r->g, key_of(r, "rope.scale_linear"), &factor);
    if (said < 0) return -1;
    if (said > 0 && !lt_gguf_find(r->g, key_of(r, "rope.scaling.type"))) type = lt_str("linear");
    if (lt_str_is(type, "none") || (lt_str_is(type, "linear") && factor == 1)) return 0;
    if (!lt_str_is(type, "linear"))
        return lt_fail("%s: rotary positions scaled by the rule \"%.*s\" are not supported; none, linear and llama3's "
                       "rope_freqs.weight are", r->g->label, (int)LT_MIN(type.n, 40), type.p);
    return set(r, "rope_scaling_type", "linear") || set_real(r, "rope_scaling_factor", factor);
}

static int read_rope(struct reader *r, const struct sizes *z)
{
    double theta = 10000;
    int64_t rot = z->head_dim;
    if (!has_option(r, "rope_theta")) return 0;
    if (lt_gguf_real(r->g, key_of(r, "rope.freq_base"), &theta) < 0
        || lt_gguf_int(r->g, key_of(r, "rope.dimension_count"), 0, z->head_dim, &rot) < 0
        || set_real(r, "rope_theta", theta))
        return -1;
    if (!(theta >= 1 && theta <= 1e12)) return lt_fail("%s: a base of rotary positions of %g", r->g->label, theta);
    if (rot != z->head_dim && !r->family->partial)
        return lt_fail("%s: %s rotates whole heads of %" PRId64 ", found %" PRId64, r->g->label, r->family->name,
                       z->head_dim, rot);
    if (r->family->partial) {
        char text[40];
        double share = (double)rot / (double)z->head_dim;
        if ((int64_t)((double)z->head_dim * share) != rot) share = nextafter(share, 2);
        snprintf(text, sizeof text, "%.17g", share);
        if (set(r, "partial_rotary_factor", text)) return -1;
    }
    if (read_scaling(r)) return -1;
    return r->family->freqs ? read_freqs(r, z, theta) : 0;
}

/* ---- what the tensors that are there say ---- */

static int read_shape(struct reader *r)
{
    if (has_option(r, "tie_word_embeddings") && set_bool(r, "tie_word_embeddings", !has(r, "output.weight"))) return -1;
    if (has_option(r, "attention_bias") && set_bool(r, "attention_bias", has(r, "blk.0.attn_q.bias"))) return -1;
    if (has_option(r, "mlp_bias") && set_bool(r, "mlp_bias", has(r, "blk.0.ffn_up.bias"))) return -1;
    if (has_option(r, "use_qkv_bias") && set_bool(r, "use_qkv_bias", has(r, "blk.0.attn_q.bias"))) return -1;
    if (has_option(r, "use_parallel_residual")
        && set_bool(r, "use_parallel_residual", !has(r, "blk.0.ffn_norm.weight")))
        return -1;
    if (strcmp(r->m->arch->m.name, "mistral")) return 0;
    int64_t window = 0;
    return lt_gguf_int(r->g, key_of(r, "attention.sliding_window"), 0, LT_CONTEXT_MAX, &window) < 0 ? -1
           : set_int(r, "sliding_window", window);
}

/* A key of the family that nobody looked at might change what the model computes. */
static int check_keys(struct reader *r)
{
    static const char *const known[] = {
        "context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count",
        "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
        "attention.layer_norm_epsilon", "rope.freq_base", "rope.dimension_count", "rope.scaling.*", "rope.scale_linear",
        "vocab_size", "tensor_data_layout", "use_parallel_residual",
    };
    char key[128];
    size_t prefix = strlen(r->family->name) + 1;
    snprintf(key, sizeof key, "%s.", r->family->name);
    for (int i = 0; i < r->g->key_count; i++) {
        const char *name = r->g->key[i].name;
        bool fine = strncmp(name, key, prefix) != 0;
        for (int k = 0; !fine && k < LT_COUNT(known); k++) fine = lt_glob(known[k], name + prefix);
        if (!fine && !strcmp(name + prefix, "attention.sliding_window")) fine = !strcmp(r->m->arch->m.name, "mistral");
        if (!fine && !strcmp(name + prefix, "expert_count")) {
            int64_t count = 0;
            if (lt_gguf_int(r->g, name, 0, INT32_MAX, &count) < 0) return -1;
            fine = count == 0;
        }
        if (!fine)
            return lt_fail("%s: the key %.96s is not known for %s and might change what the model computes",
                           r->g->label, name, r->family->name);
    }
    return 0;
}

/* ---- weights ---- */

/* An array of rows with those of each head moved from pairs to halves. */
static const void *unlaced(struct reader *r, const void *data, int64_t rows, size_t row_bytes, int64_t dim)
{
    char *copy = lt_arena_take(&r->m->arena, (size_t)rows * row_bytes);
    const struct lt_gguf_part part = { .laced = dim };
    for (int64_t i = 0; i < rows; i++)
        memcpy(copy + (size_t)lt_gguf_row(&part, i) * row_bytes, (const char *)data + (size_t)i * row_bytes, row_bytes);
    return copy;
}

static bool fits(struct lt_weight *w, const struct lt_gguf_tensor *t)
{
    int rank;
    int64_t dim[2];
    lt_gguf_shape(w, &rank, dim);
    bool same = t->rank == rank;
    for (int i = 0; same && i < rank; i++) same = t->dim[i] == dim[i];
    return same;
}

static int find_type(const struct lt_gguf_tensor *t, enum lt_dtype *type)
{
    if (lt_quant_find(t->layout->name, type) && lt_dtype_find(t->layout->name, type)) return -1;
    return lt_gguf_type_id(*type) < 0 || (lt_dtype_quantised(*type) && t->rank < 2) ? -1 : 0;
}

static int bind(void *self, const char *name, int index, int64_t laced)
{
    struct reader *r = self;
    struct lt_weight *w = &r->m->weight[index];
    const struct lt_gguf_tensor *t = lt_gguf_find_tensor(r->g, name);
    if (!t) return lt_fail("%s: tensor %s is missing", r->g->label, name);
    r->used[t - r->g->tensor] = true;
    if (!fits(w, t))
        return lt_fail("%s: tensor %s has %" PRId64 " rows of %" PRId64 ", which the keys contradict", r->g->label,
                       name, t->rank > 1 ? t->dim[0] : 1, t->dim[t->rank - 1]);
    if (find_type(t, &w->type))
        return lt_fail("%s: tensor %s is of the type %s, which is not read; F32, F16, BF16, Q8_0, Q4_0, Q5_0, "
                       "Q5_1, Q4_K, Q5_K and Q6_K are", r->g->label, name, t->layout->name);
    w->data = t->data;
    if (w->rank == 1 && w->type != LT_F32) {
        float *wide = lt_arena_take(&r->m->arena, (size_t)w->dim[0] * sizeof *wide);
        lt_convert(LT_F32, wide, w->type, t->data, w->dim[0]);
        w->data = wide;
        w->type = LT_F32;
    }
    if (laced)
        w->data = unlaced(r, w->data, w->dim[0], w->rank == 1 ? sizeof(float) : t->size / (size_t)t->dim[0], laced);
    if (w->transposed) {
        int64_t in = w->dim[0];
        w->transposed = false;
        w->flipped = true;
        w->dim[0] = w->dim[1];
        w->dim[1] = in;
    }
    return 0;
}

static int read_weights(struct reader *r)
{
    if (lt_gguf_walk(r->m, r->family, bind, r)) return -1;
    for (int i = 0; i < r->g->tensor_count; i++)
        if (!r->used[i])
            return lt_fail("%s: the tensor %s belongs to no weight of %s", r->g->label, r->g->tensor[i].name,
                           r->family->name);
    return 0;
}

/* ---- the whole ---- */

static int find_family(struct reader *r)
{
    struct lt_str name = { 0 };
    int there = lt_gguf_str(r->g, "general.architecture", &name);
    if (there <= 0) return there ? -1 : lt_fail("%s: general.architecture is missing: not a model", r->g->label);
    bool window = lt_gguf_find(r->g, "llama.attention.sliding_window") != NULL;
    for (const struct lt_gguf_family *f = lt_gguf_families; f->name; f++) {
        if (!lt_str_is(name, f->name) || (!strcmp(f->name, "llama") && window != !strcmp(f->arch, "mistral"))) continue;
        r->family = f;
        r->m->arch = (const struct lt_arch *)lt_method_find("arch", f->arch);
        return r->m->arch ? 0 : -1;
    }
    return lt_fail("%s: models of the architecture \"%.*s\" are not read; llama, qwen2, olmo2, gpt2, stablelm and phi2 "
                   "are", r->g->label, (int)LT_MIN(name.n, 40), name.p);
}

static int read_model(struct reader *r)
{
    struct sizes z = { 0 };
    struct lt_model *m = r->m;
    if (find_family(r)) return -1;
    m->options = lt_options_new(&m->arch->m);
    if (read_sizes(r, &z) || read_eps(r) || read_rope(r, &z) || read_shape(r) || check_keys(r)
        || lt_generation_of_gguf(r->g, &m->generation))
        return -1;
    m->o = (void *)lt_options_done(m->options);
    if (!m->o || m->arch->params(m->o, m)) return lt_fail("%s: %s", r->g->label, lt_error());
    return read_weights(r);
}

int lt_model_read_gguf(struct lt_model *m)
{
    struct reader r = { .m = m, .g = m->gguf, .used = lt_calloc((size_t)m->gguf->tensor_count + 1, sizeof *r.used) };
    int rc = read_model(&r);
    free(r.used);
    return rc;
}

int lt_model_parse_gguf(const char *label, const uint8_t *p, size_t n, struct lt_model **out)
{
    struct lt_model *m = lt_calloc(1, sizeof *m);
    lt_generation_init(&m->generation);
    if (lt_gguf_parse(p, n, label, &m->gguf) || lt_model_read_gguf(m)) {
        lt_model_free(m);
        return -1;
    }
    *out = m;
    return 0;
}
