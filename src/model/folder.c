/* Opening and saving: which files make a model (doc/formats/model-folder.md). */
#include "model/model.h"
#include "model/gguf_model.h"
#include "model/llama2c.h"
#include "model/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 16 << 20 };     /* bytes of a config.json; real ones have a few thousand */

/* Tensors that writers leave in a folder and that no forward pass reads: buffers made from the configuration. */
static bool is_buffer(const struct lt_model *m, const char *name)
{
    static const char *const pattern[] = { "*rotary_emb.inv_freq", "*rotary_emb.cos_cached", "*rotary_emb.sin_cached",
                                           "*.attn.bias", "*.attn.masked_bias", "*.attention.bias",
                                           "*.attention.masked_bias" };
    for (int i = 0; i < LT_COUNT(pattern); i++)
        if (lt_glob(pattern[i], name)) return true;
    return m->tied && (!strcmp(name, "lm_head.weight") || !strcmp(name, "embed_out.weight"));
}

/* A name of the file, or that name below the usual first component, must be a weight of the model. */
static bool is_weight(const struct lt_model *m, const char *name)
{
    if (lt_map_get(&m->by_name, lt_str(name))) return true;
    for (int i = 0; i < m->weight_count; i++) {
        const char *dot = strchr(m->weight[i].name, '.');
        if (dot && !strcmp(dot + 1, name)) return true;
    }
    return false;
}

static int check_extra(const struct lt_model *m)
{
    for (int i = 0; i < m->files->count; i++) {
        const char *name = m->files->tensor[i].name;
        if (!is_weight(m, name) && !is_buffer(m, name))
            return lt_fail("the tensor \"%.200s\" belongs to no weight of %s: is config.json the right one?", name,
                           m->arch->m.name);
    }
    return 0;
}

static int read_config(struct lt_model *m, const char *folder)
{
    struct lt_buf path = { 0 };
    struct lt_file f = { 0 };
    lt_buf_fmt(&path, "%s/config.json", folder);
    int rc = lt_file_open(path.p, &f);
    if (rc == 0 && f.n > CONFIG_MAX) rc = lt_fail("%s: %zu bytes are too many for a config.json", path.p, f.n);
    if (rc == 0)
        rc = lt_config_parse(path.p, (struct lt_str){ (const char *)f.p, f.n }, &m->arch, &m->options, &m->generation);
    if (f.p) lt_file_close(&f);
    if (rc == 0) {
        m->o = (void *)lt_options_done(m->options);
        if (!m->o) rc = lt_fail("%s: %s", path.p, lt_error());
    }
    lt_buf_free(&path);
    return rc;
}

static int read_generation(struct lt_model *m, const char *folder)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_buf_fmt(&path, "%s/generation_config.json", folder);
    int rc = 0;
    if (lt_path_exists(path.p))
        rc = lt_file_read(path.p, &text) || lt_generation_parse(path.p, lt_buf_view(&text), &m->generation) ? -1 : 0;
    lt_buf_free(&text);
    lt_buf_free(&path);
    return rc;
}

static int read_folder(struct lt_model *m, const char *path, const char *folder)
{
    if (read_config(m, folder) || read_generation(m, folder) || lt_safetensors_open(path, &m->files)) return -1;
    if (m->arch->params(m->o, m) || check_extra(m)) return lt_fail("%s: %s", path, lt_error());
    return 0;
}

static int set_size(struct lt_options *s, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return lt_options_set(s, key, text);
}

/* What a checkpoint does not say is what llama2.c has in its source: a base of 10000, and 1e-5 in the norms. */
static int llama2c_options(struct lt_options *s, const struct lt_llama2c *h)
{
    return set_size(s, "hidden_size", h->dim) || set_size(s, "intermediate_size", h->hidden)
           || set_size(s, "num_hidden_layers", h->layers) || set_size(s, "num_attention_heads", h->heads)
           || set_size(s, "num_key_value_heads", h->kv_heads) || set_size(s, "vocab_size", h->vocab)
           || set_size(s, "max_position_embeddings", h->context) || lt_options_set(s, "rms_norm_eps", "1e-5")
           || lt_options_set(s, "rope_theta", "10000")
           || lt_options_set(s, "tie_word_embeddings", h->tied ? "true" : "false");
}

static int read_llama2c(struct lt_model *m, const char *label, const uint8_t *p, size_t n)
{
    struct lt_llama2c h;
    if (lt_llama2c_header(label, p, n, &h)) return -1;
    m->arch = (const struct lt_arch *)lt_method_find("arch", "llama");
    if (!m->arch) return -1;
    m->options = lt_options_new(&m->arch->m);
    if (llama2c_options(m->options, &h)) return lt_fail("%s: %s", label, lt_error());
    m->o = (void *)lt_options_done(m->options);
    if (!m->o) return lt_fail("%s: %s", label, lt_error());
    m->files = lt_llama2c_tensors(&h, p);
    m->generation.bos = 1;
    m->generation.eos[m->generation.eos_count++] = 2;
    return m->arch->params(m->o, m) ? lt_fail("%s: %s", label, lt_error()) : 0;
}

int lt_model_parse_llama2c(const char *label, const uint8_t *p, size_t n, struct lt_model **out)
{
    struct lt_model *m = lt_calloc(1, sizeof *m);
    lt_generation_init(&m->generation);
    if (read_llama2c(m, label, p, n)) {
        lt_model_free(m);
        return -1;
    }
    *out = m;
    return 0;
}

static bool is_safetensors(const char *path)
{
    return lt_str_ends(lt_str(path), ".safetensors") || lt_str_ends(lt_str(path), ".safetensors.index.json");
}

bool lt_model_is_file(const char *path)
{
    struct lt_file f;
    if (lt_path_is_dir(path)) return false;
    if (is_safetensors(path) || lt_gguf_is_file(path)) return true;
    if (!lt_path_exists(path) || lt_file_open(path, &f)) return false;
    bool is = lt_llama2c_is(f.p, f.n);
    lt_file_close(&f);
    return is;
}

int lt_model_open(const char *path, struct lt_model **out)
{
    struct lt_model *m = lt_calloc(1, sizeof *m);
    lt_generation_init(&m->generation);
    int rc;
    if (lt_path_is_dir(path)) {
        rc = read_folder(m, path, path);
    } else if (is_safetensors(path)) {
        const char *slash = strrchr(path, '/');
        const char *folder = slash ? lt_arena_str(&m->arena, (struct lt_str){ path, (size_t)(slash - path) + 1 }) : ".";
        rc = read_folder(m, path, folder);
    } else if (lt_gguf_is_file(path)) {
        rc = lt_gguf_open(path, &m->gguf) || lt_model_read_gguf(m) ? -1 : 0;
    } else {
        rc = lt_file_open(path, &m->mapped);
        if (rc == 0 && read_llama2c(m, path, m->mapped.p, m->mapped.n))
            rc = lt_fail(
                "%s; expected a model folder, a .safetensors file beside its config.json, a GGUF file, or a llama2.c "
                "checkpoint",
                lt_error());
    }
    if (rc) {
        lt_model_free(m);
        return -1;
    }
    *out = m;
    return 0;
}

/* ---- saving ---- */

/* A weight that lies the other way round than in a folder, turned. */
static void turn(const struct lt_weight *w, struct lt_safetensor *t)
{
    float *copy = lt_alloc((size_t)t->count * sizeof *copy);
    lt_weight_turn(w, copy);
    t->data = copy;
    t->type = LT_F32;
    t->dim[0] = w->dim[1];
    t->dim[1] = w->dim[0];
}

static int save_weights(const struct lt_model *m, const char *folder, enum lt_dtype type, int64_t shard_bytes)
{
    struct lt_safetensor *t = lt_calloc((size_t)m->weight_count + 1, sizeof *t);
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        t[i] = (struct lt_safetensor){ .name = w->name, .type = w->type, .rank = w->rank, .count = lt_weight_count(w),
                                       .data = w->data };
        for (int d = 0; d < w->rank; d++) t[i].dim[d] = w->dim[d];
        if (w->flipped) turn(w, &t[i]);
    }
    int rc = lt_safetensors_save_folder(folder, t, m->weight_count, type, shard_bytes);
    for (int i = 0; i < m->weight_count; i++)
        if (m->weight[i].flipped) free((void *)t[i].data);
    free(t);
    return rc;
}

static int save_config(const struct lt_model *m, const char *folder, enum lt_dtype type)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_config_write(m, type, &text);
    lt_buf_fmt(&path, "%s/config.json", folder);
    int rc = lt_file_save(path.p, text.p, text.n);
    lt_buf_free(&text);
    lt_buf_free(&path);
    return rc;
}

int lt_model_save_shards(const struct lt_model *m, const char *folder, enum lt_dtype type, int64_t shard_bytes)
{
    if (lt_mkdirs(folder) || save_config(m, folder, type) || lt_generation_save(&m->generation, folder)) return -1;
    return save_weights(m, folder, type, shard_bytes);
}

int lt_model_save(const struct lt_model *m, const char *folder, enum lt_dtype type)
{
    return lt_model_save_shards(m, folder, type, 0);
}
