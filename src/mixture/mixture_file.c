#include "mixture/mixture_file.h"
#include "base/io.h"
#include "base/json.h"
#include "base/option.h"
#include "model/safetensors.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_AT = 4096 };            /* bytes in which the format must be named */

/* ---- paths ---- */
/* NAME:key=value of a back end, which is no path. */
static bool is_named(const char *path)
{
    const char *colon = strchr(path, ':');
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "lm")) k++;
    for (const struct lt_method *const *m = k->member; colon && *m; m++)
        if (strlen((*m)->name) == (size_t)(colon - path) && !strncmp((*m)->name, path, (size_t)(colon - path)))
            return true;
    return false;
}

static const char *from_here(struct lt_arena *a, const char *folder, const char *path)
{
    if (*path == '/' || !strcmp(folder, ".") || is_named(path)) return lt_arena_str(a, lt_str(path));
    return lt_arena_fmt(a, "%s/%s", folder, path);
}

static const char *folder_of(struct lt_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : lt_arena_str(a, (struct lt_str){ path, (size_t)(slash - path) });
}

/* The way from `folder` to `path`; an absolute path stays one. */
static int from_there(struct lt_arena *a, const char *folder, const char *path, const char **out)
{
    *out = path;
    if (*path == '/' || !strcmp(folder, ".") || is_named(path)) return 0;
    char *from = realpath(folder, NULL), *to = realpath(path, NULL);
    struct lt_buf b = { 0 };
    int rc = from && to ? 0 : lt_fail("%s: no such file or folder", from ? path : folder);
    if (!rc) {
        size_t same = 0;
        for (size_t i = 0; from[i] && from[i] == to[i]; i++)
            if (to[i] == '/') same = i;
        size_t n = strlen(from);
        if (!strncmp(from, to, n) && (to[n] == '/' || n == 1)) same = n == 1 ? 0 : n;
        for (const char *p = from + same; n > 1 && *p; p++)
            if (*p == '/') lt_buf_str(&b, "../");
        lt_buf_str(&b, to + same + 1);
        *out = lt_arena_str(a, lt_buf_view(&b));
    }
    lt_buf_free(&b);
    free(from);
    free(to);
    return rc;
}

/* ---- reading ---- */
static int take_keys(const json_t *root, const char *label)
{
    static const char *const known[] = { "format", "method", "options", "align", "members", "weights", "tensors" };
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)root, key, value) {
        bool is = false;
        for (int i = 0; i < LT_COUNT(known); i++) is |= !strcmp(key, known[i]);
        if (!is)
            return lt_fail("%s: no key \"%s\" is known; expected format, method, options, align, members, weights, "
                           "tensors", label, key);
    }
    return 0;
}

static int take_method(const json_t *root, const char *label, struct lt_mixture_file *f)
{
    const char *name = "linear";
    json_t *options = NULL;
    if (lt_json_str(root, label, "method", &name) < 0 || lt_json_object(root, label, "options", &options) < 0)
        return -1;
    const struct lt_method *m = lt_method_find("mixture", name);
    if (!m) return lt_fail("%s: method: %s", label, lt_error());
    f->how = (const struct lt_mixture *)m;
    f->options = lt_options_new(m);
    char *text = json_dumps(options ? options : json_null(), JSON_ENCODE_ANY);
    int rc = options ? lt_options_json(f->options, text) : 0;
    free(text);
    if (!rc && m->opts && !(f->o = lt_options_done(f->options))) rc = -1;
    return rc ? lt_fail("%s: options: %s", label, lt_error()) : 0;
}

static int take_members(const json_t *root, const char *label, const char *folder, struct lt_mixture_file *f)
{
    json_t *list = NULL;
    if (lt_json_need(root, label, "members") || lt_json_array(root, label, "members", &list) < 0) return -1;
    if (json_array_size(list) < 1 || json_array_size(list) > LT_MIXING_MEMBERS)
        return lt_fail("%s: expected 1 to %d members, found %zu", label, LT_MIXING_MEMBERS, json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        const char *where = lt_arena_fmt(&f->arena, "%s: members, number %zu", label, i + 1), *path = NULL;
        if (!json_is_object(o) || json_object_size(o) != 1)
            return lt_fail("%s: expected {\"path\": ...}", where);
        if (lt_json_need(o, where, "path") || lt_json_str(o, where, "path", &path) < 0) return -1;
        if (!*path) return lt_fail("%s: the path is empty", where);
        f->path[f->members++] = from_here(&f->arena, folder, path);
    }
    return 0;
}

static int take_weights(const json_t *root, const char *label, struct lt_mixture_file *f)
{
    json_t *list = NULL;
    double sum = 0;
    int got = lt_json_array(root, label, "weights", &list);
    if (got <= 0) return got;
    if (!(f->how->flags & LT_MIXTURE_WEIGHTS))
        return lt_fail("%s: the method %s has no weights", label, f->how->m.name);
    if (json_array_size(list) != (size_t)f->members)
        return lt_fail("%s: expected a weight for each of the %d members, found %zu", label, f->members,
                       json_array_size(list));
    for (int i = 0; i < f->members; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        double w = json_number_value(v);
        bool product = f->how->flags & LT_MIXTURE_PRODUCT;
        if (!json_is_number(v) || !isfinite(w) || (!product && w < 0))
            return lt_fail("%s: weights, number %d: expected a number%s", label, i + 1, product ? "" : " from 0 to 1");
        sum += f->weight[i] = w;
    }
    f->weighted = true;
    if (f->how->flags & LT_MIXTURE_PRODUCT) return 0;
    if (fabs(sum - 1) > 1e-3) return lt_fail("%s: expected weights that sum to 1, found a sum of %g", label, sum);
    for (int i = 0; i < f->members; i++) f->weight[i] /= sum;
    return 0;
}

static int take_all(const json_t *root, const char *label, const char *folder, struct lt_mixture_file *f)
{
    const char *format = NULL, *align = "token", *tensors = NULL;
    if (!json_is_object(root)) return lt_fail("%s: expected a JSON object", label);
    if (take_keys(root, label) || lt_json_need(root, label, "format") ||
        lt_json_str(root, label, "format", &format) < 0 || lt_json_str(root, label, "align", &align) < 0 ||
        lt_json_str(root, label, "tensors", &tensors) < 0)
        return -1;
    if (strcmp(format, LT_MIXTURE_FORMAT))
        return lt_fail("%s: format: expected \"" LT_MIXTURE_FORMAT "\", found \"%s\"", label, format);
    if (strcmp(align, "token") && strcmp(align, "word"))
        return lt_fail("%s: align: expected \"token\" or \"word\", found \"%s\"", label, align);
    f->words = !strcmp(align, "word");
    if (take_method(root, label, f) || take_members(root, label, folder, f) || take_weights(root, label, f)) return -1;
    if (!f->how->shape != !tensors)
        return lt_fail("%s: the method %s has %s", label, f->how->m.name,
                       tensors ? "no tensors" : "learnt tensors, and \"tensors\" names no file of them");
    if (f->words && lt_mixture_needs_rows(f->how))
        return lt_fail("%s: the method %s needs one vocabulary; word by word linear, mean, bayes and constant_scalar "
                       "mix", label, f->how->m.name);
    if (tensors) f->tensors = from_here(&f->arena, folder, tensors);
    return 0;
}

int lt_mixture_file_parse(const char *label, const char *folder, struct lt_str text, struct lt_mixture_file *out)
{
    json_t *root;
    *out = (struct lt_mixture_file){ 0 };
    if (lt_json_parse(label, text, &root)) return -1;
    int rc = take_all(root, label, folder, out);
    json_decref(root);
    if (rc) lt_mixture_file_release(out);
    return rc;
}

int lt_mixture_file_read(const char *path, struct lt_mixture_file *out)
{
    struct lt_buf text = { 0 };
    struct lt_arena a = { 0 };
    int rc = lt_file_read(path, &text);
    if (!rc) rc = lt_mixture_file_parse(path, folder_of(&a, path), lt_buf_view(&text), out);
    lt_buf_free(&text);
    lt_arena_free(&a);
    return rc;
}

void lt_mixture_file_release(struct lt_mixture_file *f)
{
    lt_options_free(f->options);
    lt_arena_free(&f->arena);
    *f = (struct lt_mixture_file){ 0 };
}

bool lt_mixture_file_claims(const char *path)
{
    char head[LOOK_AT + 1] = "";
    if (!lt_str_ends(lt_str(path), ".json") || lt_path_is_dir(path)) return false;
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    head[fread(head, 1, LOOK_AT, f)] = 0;
    fclose(f);
    return strstr(head, "\"" LT_MIXTURE_FORMAT "\"") != NULL;
}

int lt_mixture_file_tensors(const struct lt_mixture_file *m, struct lt_mixture_fit *f)
{
    struct lt_safetensors *s;
    int rc = 0;
    if (!f->tensor_count) return 0;
    if (lt_safetensors_open(m->tensors, &s)) return -1;
    if (s->count != f->tensor_count)
        rc = lt_fail("%s: expected the %d tensors of a %s mixture, found %d", m->tensors, f->tensor_count,
                     f->how->m.name, s->count);
    for (int i = 0; !rc && i < f->tensor_count; i++) {
        struct lt_mixture_tensor *t = &f->tensor[i];
        const struct lt_safetensor *x = lt_safetensors_find(s, t->name);
        if (!x || x->rank != 2 || x->dim[0] != t->rows || x->dim[1] != t->cols || x->type != LT_F32) {
            rc = lt_fail("%s: expected \"%s\" as F32 of %lld by %lld for %d members and %d tokens; was the mixture "
                         "learnt with these members?", m->tensors, t->name, (long long)t->rows, (long long)t->cols,
                         f->members, f->vocab);
            break;
        }
        memcpy(t->value, x->data, (size_t)x->count * sizeof *t->value);
        for (int64_t k = 0; k < x->count && !rc; k++)
            if (!isfinite(t->value[k])) rc = lt_fail("%s: \"%s\" holds what is no finite number", m->tensors, t->name);
    }
    lt_safetensors_free(s);
    return rc;
}

/* ---- writing ---- */
static int save_tensors(const char *path, const struct lt_mixture_fit *f)
{
    struct lt_safetensor t[LT_MIXTURE_TENSORS] = { 0 };
    for (int i = 0; i < f->tensor_count; i++) {
        const struct lt_mixture_tensor *x = &f->tensor[i];
        t[i] = (struct lt_safetensor){ .name = x->name, .type = LT_F32, .rank = 2, .dim = { x->rows, x->cols },
                                       .count = x->rows * x->cols, .data = x->value };
    }
    return lt_safetensors_save(path, t, f->tensor_count, LT_F32);
}

int lt_mixture_file_save(const char *path, const struct lt_mixture_fit *f, const char *const *member, bool words)
{
    struct lt_buf b = { 0 };
    struct lt_arena a = { 0 };
    const char *folder = folder_of(&a, path), *tensors = lt_arena_fmt(&a, "%s.safetensors", path);
    const char *slash = strrchr(tensors, '/');
    int rc = 0;
    lt_buf_str(&b, "{\n  \"format\": \"" LT_MIXTURE_FORMAT "\",\n  \"method\": ");
    lt_json_put_text(&b, lt_str(f->how->m.name));
    if (f->how->m.opts) {
        char *o = lt_option_json(f->how->m.opts, f->o, false);
        lt_buf_fmt(&b, ",\n  \"options\": %s", o);
        free(o);
    }
    if (words) lt_buf_str(&b, ",\n  \"align\": \"word\"");
    lt_buf_str(&b, ",\n  \"members\": [");
    for (int i = 0; i < f->members && !rc; i++) {
        const char *way = NULL;
        rc = from_there(&a, folder, member[i], &way);
        lt_buf_str(&b, i ? ",\n    {\"path\": " : "\n    {\"path\": ");
        if (!rc) lt_json_put_text(&b, lt_str(way));
        lt_buf_char(&b, '}');
    }
    lt_buf_str(&b, "\n  ]");
    for (int i = 0; i < f->members && (f->how->flags & LT_MIXTURE_WEIGHTS); i++) {
        lt_buf_str(&b, i ? ", " : ",\n  \"weights\": [");
        lt_json_put_real(&b, f->weight[i]);
        if (i == f->members - 1) lt_buf_char(&b, ']');
    }
    if (f->tensor_count) {
        lt_buf_str(&b, ",\n  \"tensors\": ");
        lt_json_put_text(&b, lt_str(slash ? slash + 1 : tensors));
        if (!rc) rc = save_tensors(tensors, f);
    }
    lt_buf_str(&b, "\n}\n");
    if (!rc) rc = lt_file_save(path, b.p, b.n);
    lt_buf_free(&b);
    lt_arena_free(&a);
    return rc;
}
