/* Adapters that are trained: made anew, given f32 copies, written as PEFT reads them. */
#include "model/adapter.h"
#include "base/io.h"
#include "base/json.h"
#include "base/option.h"
#include "model/safetensors.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char suffix[] = ".weight";

/* ---- making ---- */

/* Uniform in +-1 / sqrt(columns), as a linear layer begins in PyTorch and A in PEFT. */
static void draw(struct lt_weight *w, uint64_t seed)
{
    struct lt_rng r = lt_rng_make(seed, w->name);
    double bound = 1 / sqrt((double)w->dim[1]);
    for (int64_t i = 0, n = lt_weight_count(w); i < n; i++)
        w->master[i] = w->init == LT_INIT_ZERO ? 0 : (float)((2 * lt_rng_unit(&r) - 1) * bound);
}

static void give_memory(struct lt_weight *w)
{
    size_t size = (size_t)lt_weight_count(w) * sizeof(float);
    if (!w->master) w->master = lt_aligned(size);
    w->grad = w->grad_memory = lt_aligned(size);
    memset(w->grad, 0, size);
}

static int make_part(struct lt_adapter *a, const struct lt_model *m, int32_t at, uint64_t seed)
{
    const struct lt_weight *w = &m->weight[at];
    struct lt_adapter_part *p = &a->part[a->parts];
    *p = (struct lt_adapter_part){ .weight = at, .in = w->dim[w->transposed ? 0 : 1],
                                   .out = w->dim[w->transposed ? 1 : 0] };
    p->module = lt_arena_str(&a->arena, (struct lt_str){ w->name, strlen(w->name) - (sizeof suffix - 1) });
    if (a->type->attach(a->o, p)) return -1;
    a->of[at] = a->parts++;
    for (int k = 0; a->type->tensor[k]; k++) {
        struct lt_weight *t = &p->w[k];
        t->name = lt_arena_fmt(&a->arena, "base_model.model.%s.%s.weight", p->module, a->type->tensor[k]);
        t->type = LT_F32;
        t->layer = w->layer;
        give_memory(t);
        t->data = t->master;
        draw(t, seed);
    }
    return 0;
}

static int make_parts(struct lt_adapter *a, const struct lt_model *m, uint64_t seed)
{
    bool *wanted = lt_calloc((size_t)m->weight_count, sizeof *wanted);
    int rc = a->type->choose(a->o, m, wanted);
    a->m = m;
    a->part = lt_calloc((size_t)m->weight_count, sizeof *a->part);
    a->of = lt_alloc((size_t)m->weight_count * sizeof *a->of);
    for (int32_t i = 0; i < m->weight_count; i++) a->of[i] = -1;
    for (int32_t i = 0; i < m->weight_count && !rc; i++)
        if (wanted[i]) rc = make_part(a, m, i, seed);
    free(wanted);
    return rc;
}

int lt_adapter_new(const struct lt_adapter_type *type, const void *o, const char *base, const struct lt_model *m,
                   uint64_t seed, struct lt_adapter **out)
{
    struct lt_adapter *a = lt_calloc(1, sizeof *a);
    char *json = lt_option_json(type->m.opts, o, true);
    a->type = type;
    a->path = lt_strdup("the new adapter");
    a->base = lt_arena_str(&a->arena, lt_str(base));
    a->options = lt_options_new(&type->m);
    int rc = lt_options_json(a->options, json);
    free(json);
    a->o = rc ? NULL : lt_options_done(a->options);
    if (!a->o || make_parts(a, m, seed)) {
        lt_adapter_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void lt_adapter_train(struct lt_adapter *a)
{
    for (int i = 0; i < a->parts; i++)
        for (int k = 0; a->type->tensor[k]; k++) {
            struct lt_weight *w = &a->part[i].w[k];
            lt_weight_unpack(w);
            if (w->grad) continue;
            give_memory(w);
            lt_convert(LT_F32, w->master, w->type, w->data, lt_weight_count(w));
            w->data = w->master;
            w->type = LT_F32;
            w->layer = a->m->weight[a->part[i].weight].layer;
        }
}

/* ---- writing ---- */

static struct lt_str last_of(const char *module)
{
    const char *dot = strrchr(module, '.');
    return lt_str(dot ? dot + 1 : module);
}

/* Whether the last components of the parts' names are the names of no other linear layer. */
static bool are_enough(const struct lt_adapter *a)
{
    for (int i = 0; i < a->m->weight_count; i++) {
        const struct lt_weight *w = &a->m->weight[i];
        if (w->rank != 2 || a->of[i] >= 0 || !lt_str_ends(lt_str(w->name), suffix)) continue;
        char *module = lt_strdup(w->name);
        module[strlen(module) - (sizeof suffix - 1)] = 0;
        struct lt_str last = last_of(module);
        bool taken = false;
        for (int k = 0; k < a->parts && !taken; k++) taken = lt_str_eq(last_of(a->part[k].module), last);
        free(module);
        if (taken) return false;
    }
    return true;
}

/* Modules by their last component where that says which, else by their whole names. */
static json_t *targets_of(const struct lt_adapter *a)
{
    bool enough = are_enough(a);
    struct lt_map seen = { 0 };
    json_t *list = json_array();
    for (int i = 0; i < a->parts; i++) {
        struct lt_str name = enough ? last_of(a->part[i].module) : lt_str(a->part[i].module);
        bool fresh;
        lt_map_put(&seen, name, &fresh);
        if (fresh) json_array_append_new(list, json_stringn(name.p, name.n));
    }
    lt_map_free(&seen);
    return list;
}

/* A list of PATTERN=NUMBER is an object in the file. */
static json_t *pattern_object(const json_t *list)
{
    json_t *object = json_object();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i)), *eq = item ? strrchr(item, '=') : NULL;
        double v;
        if (!eq || lt_str_real(lt_str(eq + 1), &v)) continue;
        char *key = lt_strdup(item);
        key[eq - item] = 0;
        json_object_set_new(object, key, v == floor(v) ? json_integer((json_int_t)v) : json_real(v));
        free(key);
    }
    return object;
}

static int save_config(const struct lt_adapter *a, const char *folder)
{
    char *text = lt_options_resolved(a->options, true), peft_type[32] = "";
    struct lt_buf path = { 0 }, b = { 0 };
    json_t *options, *v;
    const char *key;
    bool transposed = a->parts && (a->m->weight[a->part[0].weight].transposed
                                   || a->m->weight[a->part[0].weight].flipped);
    int rc = lt_json_parse("options", lt_str(text), &options);
    free(text);
    if (rc) return -1;
    for (size_t i = 0; a->type->m.name[i] && i + 1 < sizeof peft_type; i++)
        peft_type[i] = (char)toupper((unsigned char)a->type->m.name[i]);
    json_t *root = json_pack("{s:s, s:s, s:s?, s:n, s:b, s:s, s:b, s:b, s:n}", "peft_type", peft_type, "task_type",
                             "CAUSAL_LM", "base_model_name_or_path", a->base, "revision", "inference_mode", 1, "bias",
                             "none", "fan_in_fan_out", transposed, "init_lora_weights", 1,
                             "modules_to_save");
    json_object_foreach(options, key, v)
        if (strstr(key, "_pattern")) json_object_set_new(root, key, pattern_object(v));
        else json_object_set(root, key, v);
    json_object_set_new(root, "target_modules", targets_of(a));
    lt_json_put(&b, root);
    lt_buf_char(&b, '\n');
    lt_buf_fmt(&path, "%s/adapter_config.json", folder);
    rc = lt_file_save(path.p, b.p, b.n);
    json_decref(options);
    json_decref(root);
    lt_buf_free(&path);
    lt_buf_free(&b);
    return rc;
}

int lt_adapter_save(const struct lt_adapter *a, const char *folder, enum lt_dtype type)
{
    struct lt_safetensor *list = lt_calloc((size_t)a->parts * LT_ADAPTER_TENSORS + 1, sizeof *list);
    struct lt_buf path = { 0 };
    int count = 0;
    for (int i = 0; i < a->parts; i++)
        for (int k = 0; a->type->tensor[k]; k++) {
            const struct lt_weight *w = &a->part[i].w[k];
            list[count++] = (struct lt_safetensor){ .name = w->name, .type = w->type, .rank = 2,
                                                    .dim = { w->dim[0], w->dim[1] }, .count = lt_weight_count(w),
                                                    .data = w->data };
        }
    lt_buf_fmt(&path, "%s/adapter_model.safetensors", folder);
    int rc = lt_mkdirs(folder) || lt_safetensors_save(path.p, list, count, type) || save_config(a, folder) ? -1 : 0;
    lt_buf_free(&path);
    free(list);
    return rc;
}
