/* adapter_config.json.  A key is an option row of the member that peft_type names, or it is one of those below that
 * change nothing of what a finished adapter computes, or it must have the one value under which it changes nothing, or
 * the file is refused by the key's name and value. */
#include "model/adapter.h"
#include "base/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Of training, of saving, of where the file came from; and which modules there are, which the tensors say. */
static const char *const harmless[] = {
    "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "exclude_modules", "fan_in_fan_out", "layers_to_transform", "layers_pattern",
    "megatron_core", "megatron_config", "loftq_config", "eva_config", "corda_config", "lora_ga_config",
    "qalora_group_size", "runtime_config", "ensure_weight_tying",
};
struct fixed { const char *key, *value, *what; };
static const struct fixed fixed[] = {
    { "use_dora", "false", "a magnitude for each row (DoRA)" },
    { "bias", "none", "trained biases" },
    { "lora_bias", "false", "a bias beside B" },
    { "modules_to_save", "null", "whole modules kept in the adapter" },
    { "layer_replication", "null", "layers that are run again" },
    { "trainable_token_indices", "null", "rows of the embedding" },
    { "target_parameters", "null", "parameters outside of linear layers" },
    { "alora_invocation_tokens", "null", "an adapter that begins within a text" },
    { "use_qalora", "false", "inputs pooled in groups (QALoRA)" },
};
/* Beginnings that leave the base as it is; others, as pissa, take a part out of its weights first. */
static const char *const plain_starts[] = { "true", "false", "gaussian", "eva", "orthogonal" };

struct reader { const char *label; struct lt_options *options; const struct lt_adapter_type *type; };

static bool is_empty(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_array(v) && !json_array_size(v))
           || (json_is_object(v) && !json_object_size(v));
}

/* As JSON, texts without their quotes; free() it. */
static char *spelt(const json_t *v)
{
    if (json_is_string(v)) return lt_strdup(json_string_value(v));
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? text : lt_strdup("?");
}

static int set(struct reader *r, const char *key, const char *value)
{
    return lt_options_set(r->options, key, value) ? lt_fail("%s: %s", r->label, lt_error()) : 0;
}

/* {"PATTERN": NUMBER, ...} as a list of PATTERN=NUMBER. */
static int take_patterns(struct reader *r, const char *key, const json_t *object)
{
    const char *pattern;
    json_t *v;
    int rc = 0;
    json_object_foreach((json_t *)object, pattern, v) {
        struct lt_buf item = { 0 };
        char *value = spelt(v);
        if (!json_is_number(v)) rc = lt_fail("%s: %s: expected a number for \"%s\"", r->label, key, pattern);
        lt_buf_fmt(&item, "%s=%s", pattern, value);
        if (!rc) rc = set(r, key, item.p);
        free(value);
        lt_buf_free(&item);
        if (rc) return -1;
    }
    return 0;
}

/* A text, or a list of them. */
static int take_list(struct reader *r, const char *key, const json_t *v)
{
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item)) return lt_fail("%s: expected \"%s\" to be texts", r->label, key);
        if (set(r, key, json_string_value(item))) return -1;
    }
    return 0;
}

static int take_row(struct reader *r, const struct lt_opt *row, const json_t *v)
{
    if (json_is_null(v)) return 0;
    if (row->type == LT_LIST) {
        bool patterns = strstr(row->key, "_pattern") != NULL;
        if (patterns && json_is_object(v)) return take_patterns(r, row->key, v);
        if (!patterns) return take_list(r, row->key, v);
        return lt_fail("%s: expected \"%s\" to be an object", r->label, row->key);
    }
    if (json_is_object(v) || json_is_array(v))
        return lt_fail("%s: expected \"%s\" to be a number or truth value", r->label, row->key);
    char *text = spelt(v);
    int rc = set(r, row->key, text);
    free(text);
    return rc;
}

static int take_start(const struct reader *r, const json_t *v)
{
    char *text = spelt(v);
    bool plain = json_is_null(v);
    for (int i = 0; i < LT_COUNT(plain_starts); i++) plain |= !strcmp(text, plain_starts[i]);
    int rc = plain ? 0
        : lt_fail("%s: init_lora_weights is \"%.60s\", which begins by taking a part out of the base's weights; save "
                  "the adapter with path_initial_model_for_weight_conversion, and it holds all of the change", r->label,
                  text);
    free(text);
    return rc;
}

static int take(struct reader *r, const char *key, const json_t *v)
{
    for (const struct lt_opt *row = r->type->m.opts; row && row->key; row++)
        if (!strcmp(row->key, key)) return take_row(r, row, v);
    if (!strcmp(key, "init_lora_weights")) return take_start(r, v);
    for (int i = 0; i < LT_COUNT(harmless); i++)
        if (!strcmp(key, harmless[i])) return 0;
    const struct fixed *f = NULL;
    for (int i = 0; i < LT_COUNT(fixed) && !f; i++)
        if (!strcmp(key, fixed[i].key)) f = &fixed[i];
    char *text = spelt(v);
    int rc = is_empty(v) || (f && !strcmp(text, f->value)) ? 0
        : f ? lt_fail("%s: \"%s\" is %.80s: %s is not supported", r->label, key, text, f->what)
            : lt_fail("%s: the key \"%.96s\" is not known for %s and might change what the adapter computes; remove it "
                      "if it does not", r->label, key, r->type->m.name);
    free(text);
    return rc;
}

static int find_type(struct reader *r, const json_t *root)
{
    const char *said;
    char name[32] = "";
    if (lt_json_need(root, r->label, "peft_type") || lt_json_str(root, r->label, "peft_type", &said) < 0) return -1;
    for (size_t i = 0; said[i] && i + 1 < sizeof name; i++) name[i] = (char)tolower((unsigned char)said[i]);
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "adapter")) k++;
    for (const struct lt_method *const *m = k->member; *m && !r->type; m++)
        if (!strcmp((*m)->name, name)) r->type = (const struct lt_adapter_type *)*m;
    if (r->type) return 0;
    return lt_fail("%s: peft_type is \"%.40s\", which is not supported; `lathe help adapter` lists what is", r->label,
                   said);
}

static int take_all(struct reader *r, const json_t *root)
{
    const char *key;
    json_t *v;
    if (!json_is_object(root)) return lt_fail("%s: expected a JSON object", r->label);
    if (find_type(r, root)) return -1;
    r->options = lt_options_new(&r->type->m);
    json_object_foreach((json_t *)root, key, v)
        if (take(r, key, v)) return -1;
    return lt_options_done(r->options) ? 0 : lt_fail("%s: %s", r->label, lt_error());
}

int lt_adapter_config_parse(const char *label, struct lt_str text, struct lt_arena *a,
                            const struct lt_adapter_type **type, struct lt_options **options, const char **base)
{
    struct reader r = { .label = label };
    json_t *root;
    if (lt_json_parse(label, text, &root)) return -1;
    int rc = take_all(&r, root);
    const char *name = json_string_value(json_object_get(root, "base_model_name_or_path"));
    if (!rc) *base = name && *name ? lt_arena_str(a, lt_str(name)) : NULL;
    json_decref(root);
    if (rc) lt_options_free(r.options);
    if (rc) return -1;
    *type = r.type;
    *options = r.options;
    return 0;
}
