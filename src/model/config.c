/* config.json.  A key is an option row of the architecture, or it is one of those below that change no number, or it
 * must have the one value under which it changes none, or the file is refused by the key's name. */
#include "base/json.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const harmless[] = {
    "_*", "*_version", "architectures", "auto_map", "model_type", "name_or_path", "torch_dtype", "dtype", "use_cache",
    "*_token_id", "*_token_ids", "tokenizer_class", "vocab_file", "initializer_*", "gradient_checkpointing",
    "*dropout*", "*_pdrop", "summary_*", "task_specific_params", "problem_type", "id2label", "label2id", "num_labels",
    "finetuning_task", "output_*", "return_*", "torchscript", "use_bfloat16", "tf_legacy_loss", "tie_encoder_decoder",
    "cross_attention_hidden_size", "is_decoder", "pruned_heads", "chunk_size_feed_forward", "pretraining_tp", "n_ctx",
    "reorder_and_upcast_attn", "unsloth_*", "max_length", "min_length", "do_sample", "early_stopping", "num_beams",
    "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty",
    "length_penalty", "*no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "prefix", "is_llama_config",
    "transformers.js_config", "neftune_noise_alpha", "max_sequence_length",
};
/* Keys that no row answers to and that change the numbers unless they have this value. */
struct fixed { const char *key, *value; };
static const struct fixed fixed[] = {
    { "is_encoder_decoder", "false" },  { "add_cross_attention", "false" },
    { "scale_attn_weights", "true" },   { "qk_layernorm", "false" },
    { "tie_word_embeddings", "false" }, { "use_sliding_window", "false" },
    { "attention_bias", "false" },      { "mlp_bias", "false" },
    { "partial_rotary_factor", "1" },   { "rope_scaling_type", "default" },
    { "rope_interleaved", "false" },
};

struct reader { const char *label; struct lt_options *options; const struct lt_arch *arch; struct lt_buf value, key; };

static const struct lt_opt *row_of(const struct lt_arch *a, const char *key)
{
    for (const struct lt_opt *r = a->m.opts; r && r->key; r++)
        if (!strcmp(r->key, key)) return r;
    return NULL;
}

static int set(struct reader *r, const char *key, const char *value)
{
    if (lt_options_given(r->options, key)) return 0;
    return lt_options_set(r->options, key, value) ? lt_fail("%s: %s", r->label, lt_error()) : 0;
}

/* The value as an option would be spelt; NULL when it is none. */
static const char *text_of(struct reader *r, const json_t *v)
{
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_boolean(v)) return json_is_true(v) ? "true" : "false";
    lt_buf_clear(&r->value);
    if (json_is_integer(v)) lt_buf_fmt(&r->value, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v)) lt_json_put_real(&r->value, json_real_value(v));
    else return NULL;
    return r->value.p;
}

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v))
           || (json_is_object(v) && !json_object_size(v));
}

/* null in a size means that there is none, or that it follows from others: 0 in our rows. */
static int take_row(struct reader *r, const struct lt_opt *row, const json_t *v)
{
    if (json_is_null(v)) return row->type == LT_INT && row->min <= 0 ? set(r, row->key, "0") : 0;
    const char *text = text_of(r, v);
    if (!text) return lt_fail("%s: expected \"%s\" to be a number, text or truth value", r->label, row->key);
    return set(r, row->key, text);
}

static int take(struct reader *r, const char *key, const json_t *v)
{
    const struct lt_opt *row = row_of(r->arch, key);
    if (row) return take_row(r, row, v);
    for (int i = 0; i < LT_COUNT(fixed); i++) {
        if (strcmp(key, fixed[i].key)) continue;
        const char *text = text_of(r, v);
        if (json_is_null(v) || (text && !strcmp(text, fixed[i].value))) return 0;
        return lt_fail("%s: \"%s\" is %s; %s is supported with %s alone", r->label, key,
                       text ? text : "not a plain value", r->arch->m.name, fixed[i].value);
    }
    for (int i = 0; i < LT_COUNT(harmless); i++)
        if (lt_glob(harmless[i], key)) return 0;
    if (is_empty(v)) return 0;
    return lt_fail(
        "%s: the key \"%.96s\" is not known for %s and might change what the model computes; remove it if it does "
        "not",
        r->label, key, r->arch->m.name);
}

/* rope_scaling, and rope_parameters which newer writers use for it and for rope_theta. */
static int take_rope(struct reader *r, const json_t *object)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)object, key, v) {
        const char *name = key;
        if (!strcmp(key, "type") || !strcmp(key, "rope_type")) name = "rope_scaling_type";
        else if (strcmp(key, "rope_theta") && strcmp(key, "partial_rotary_factor")) {
            lt_buf_clear(&r->key);
            lt_buf_fmt(&r->key, "rope_scaling_%s", key);
            name = r->key.p;
        }
        if (!row_of(r->arch, name) && !strcmp(name, "rope_theta") && row_of(r->arch, "rotary_emb_base"))
            name = "rotary_emb_base";
        if (!row_of(r->arch, name) && !strcmp(key, "partial_rotary_factor") && row_of(r->arch, "rotary_pct"))
            name = "rotary_pct";
        if (take(r, name, v)) return -1;
    }
    return 0;
}

/* layer_types says layer by layer what the window options say at once; it wins. */
static int take_layer_types(struct reader *r, const json_t *list)
{
    int64_t n = (int64_t)json_array_size(list), first = n;
    for (int64_t i = 0; i < n; i++) {
        const char *kind = json_string_value(json_array_get(list, (size_t)i));
        bool sliding = kind && !strcmp(kind, "sliding_attention");
        if (!kind || (!sliding && strcmp(kind, "full_attention")) || (!sliding && i >= first))
            return lt_fail(
                "%s: \"layer_types\" is supported when full_attention comes first and sliding_attention after it; "
                "found \"%.40s\" at layer %d",
                r->label, kind ? kind : "", (int)i);
        if (sliding && first == n) first = i;
    }
    if (first == n) return row_of(r->arch, "use_sliding_window") ? set(r, "use_sliding_window", "false") : 0;
    if (!row_of(r->arch, "sliding_window"))
        return lt_fail("%s: %s has no sliding_attention, which \"layer_types\" asks for", r->label, r->arch->m.name);
    if (!row_of(r->arch, "max_window_layers"))
        return first ? lt_fail("%s: \"layer_types\" must be sliding_attention in every layer of %s", r->label,
                               r->arch->m.name)
                     : 0;
    lt_buf_clear(&r->value);
    lt_buf_fmt(&r->value, "%d", (int)first);
    return set(r, "use_sliding_window", "true") || set(r, "max_window_layers", r->value.p) ? -1 : 0;
}

static int take_all(struct reader *r, const json_t *root)
{
    const json_t *types = json_object_get(root, "layer_types");
    if (types && !json_is_null(types) && take_layer_types(r, types)) return -1;
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)root, key, v) {
        if (!strcmp(key, "layer_types")) continue;
        bool rope = !strcmp(key, "rope_scaling") || !strcmp(key, "rope_parameters");
        if (rope && json_is_object(v) ? take_rope(r, v) : rope && json_is_null(v) ? 0 : take(r, key, v)) return -1;
    }
    /* Sizes with a default of their own are for new models; a folder must say them. */
    for (const struct lt_opt *row = r->arch->m.opts; row && row->key; row++)
        if (row->type == LT_INT && row->dflt != 0 && row->min > 0 && strncmp(row->key, "rope_", 5)
            && !lt_options_given(r->options, row->key))
            return lt_fail("%s: \"%s\" is missing", r->label, row->key);
    return 0;
}

static int find_arch(const char *label, const json_t *root, const struct lt_arch **arch)
{
    const char *type = json_string_value(json_object_get(root, "model_type"));
    if (!type) return lt_fail("%s: \"model_type\" is missing: not the configuration of a model", label);
    *arch = (const struct lt_arch *)lt_method_find("arch", type);
    if (!*arch) return lt_fail("%s: model_type \"%.96s\" is not supported: %s", label, type, lt_error());
    const char *class = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    if (class && strstr(class, "For") && !strstr(class, "ForCausalLM"))
        return lt_fail("%s: %.96s has another head than a language model's; expected ...ForCausalLM", label, class);
    if (!is_empty(json_object_get(root, "quantization_config")) && json_object_get(root, "quantization_config"))
        return lt_fail(
            "%s: quantized weights (\"quantization_config\") are not read; use the model's f32, bf16 or f16 folder",
            label);
    return 0;
}

int lt_config_parse(const char *label, struct lt_str text, const struct lt_arch **arch, struct lt_options **options,
                    struct lt_generation *gen)
{
    json_t *root;
    if (lt_json_parse(label, text, &root)) return -1;
    int rc = json_is_object(root) ? find_arch(label, root, arch) : lt_fail("%s: expected a JSON object", label);
    if (rc == 0) {
        struct reader r = { .label = label, .arch = *arch, .options = lt_options_new(&(*arch)->m) };
        rc = take_all(&r, root) || lt_generation_parse(label, text, gen) ? -1 : 0;
        if (rc) lt_options_free(r.options);
        else *options = r.options;
        lt_buf_free(&r.value);
        lt_buf_free(&r.key);
    }
    json_decref(root);
    return rc;
}

/* ---- writing ---- */

static void put_key(struct lt_buf *b, const char *key) { lt_buf_fmt(b, ",\n  \"%s\": ", key); }

static void put_int(struct lt_buf *b, const char *key, int64_t v)
{
    put_key(b, key);
    lt_buf_fmt(b, "%lld", (long long)v);
}

/* A size that was derived is written as it came out, since other readers derive differently. */
static int64_t int_of(const struct lt_model *m, const struct lt_opt *r)
{
    const struct { const char *key; int64_t value; } derived[] = {
        { "intermediate_size", m->inner }, { "n_inner", m->inner }, { "num_key_value_heads", m->kv_heads },
        { "head_dim", m->head_dim },
    };
    for (int i = 0; i < LT_COUNT(derived); i++)
        if (!strcmp(r->key, derived[i].key)) return derived[i].value;
    return *(const int64_t *)((const char *)m->o + r->at);
}

/* Whole values as "10000.0", which every reader takes for a real number and every person can read. */
static void put_real(struct lt_buf *b, double v)
{
    if (v == floor(v) && fabs(v) < 1e15) lt_buf_fmt(b, "%.1f", v);
    else lt_json_put_real(b, v);
}

static void put_row(struct lt_buf *b, const struct lt_model *m, const struct lt_opt *r)
{
    const char *at = (const char *)m->o + r->at;
    bool none = !strcmp(r->key, "sliding_window") ? int_of(m, r) == 0
                                                  : !strcmp(r->key, "clip_qkv") && *(const double *)at == 0;
    if (none) {
        put_key(b, r->key);
        lt_buf_str(b, "null");
        return;
    }
    if (r->type == LT_INT) {
        put_int(b, r->key, int_of(m, r));
        return;
    }
    put_key(b, r->key);
    if (r->type == LT_REAL) put_real(b, *(const double *)at);
    else if (r->type == LT_BOOL) lt_buf_str(b, *(const bool *)at ? "true" : "false");
    else lt_json_put_text(b, lt_str(*(const char *const *)at));
}

static const char *const scaling = "rope_scaling_";

static void put_rope(struct lt_buf *b, const struct lt_model *m)
{
    const struct lt_opt *type = row_of(m->arch, "rope_scaling_type");
    if (!type) return;
    const char *name = *(const char *const *)((const char *)m->o + type->at);
    put_key(b, "rope_scaling");
    if (!strcmp(name, "default")) {
        lt_buf_str(b, "null");
        return;
    }
    lt_buf_fmt(b, "{\"rope_type\": \"%s\"", name);
    for (const struct lt_opt *r = m->arch->m.opts; r->key; r++) {
        bool general = !strcmp(r->key, "rope_scaling_factor");
        if (r == type || strncmp(r->key, scaling, strlen(scaling)) || (!general && strcmp(name, "llama3"))) continue;
        lt_buf_fmt(b, ", \"%s\": ", r->key + strlen(scaling));
        const char *at = (const char *)m->o + r->at;
        if (r->type == LT_INT) lt_buf_fmt(b, "%lld", (long long)*(const int64_t *)at);
        else put_real(b, *(const double *)at);
    }
    lt_buf_char(b, '}');
}

static const char *type_name(enum lt_dtype t)
{
    return t == LT_BF16 ? "bfloat16" : t == LT_F16 ? "float16" : "float32";
}

/* Said even when there is none: a reader has defaults of its own for what is not said. */
static void put_id(struct lt_buf *b, const char *key, int32_t id)
{
    put_key(b, key);
    if (id < 0) lt_buf_str(b, "null");
    else lt_buf_fmt(b, "%d", (int)id);
}

void lt_config_write(const struct lt_model *m, enum lt_dtype type, struct lt_buf *b)
{
    const struct lt_generation *g = &m->generation;
    lt_buf_fmt(b, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"%s\"", m->class_name, m->arch->m.name);
    for (const struct lt_opt *r = m->arch->m.opts; r->key; r++)
        if (strncmp(r->key, scaling, strlen(scaling))) put_row(b, m, r);
    put_rope(b, m);
    put_id(b, "bos_token_id", g->bos);
    if (g->eos_count < 2) put_id(b, "eos_token_id", g->eos_count ? g->eos[0] : -1);
    else {
        put_key(b, "eos_token_id");
        for (int i = 0; i < g->eos_count; i++) lt_buf_fmt(b, "%s%d", i ? ", " : "[", g->eos[i]);
        lt_buf_char(b, ']');
    }
    put_id(b, "pad_token_id", g->pad);
    put_key(b, "torch_dtype");
    lt_buf_fmt(b, "\"%s\"\n}\n", type_name(type));
}
