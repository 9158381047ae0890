#include "model/adapter.h"
#include "base/ctx.h"
#include "base/io.h"
#include "model/safetensors.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "base_model.model.";

bool lt_adapter_is(const char *path)
{
    struct lt_buf config = { 0 };
    lt_buf_fmt(&config, "%s/adapter_config.json", path);
    bool is = lt_path_exists(config.p);
    lt_buf_free(&config);
    return is;
}

void lt_adapter_free(struct lt_adapter *a)
{
    if (!a) return;
    for (int i = 0; i < a->parts; i++)
        for (int k = 0; k < LT_ADAPTER_TENSORS; k++) {
            lt_weight_unpack(&a->part[i].w[k]);
            free(a->part[i].w[k].master);
            free(a->part[i].w[k].grad_memory);
        }
    lt_options_free(a->options);
    lt_safetensors_free(a->files);
    lt_arena_free(&a->arena);
    free(a->of);
    free(a->part);
    free(a->path);
    free(a);
}

int64_t lt_adapter_numbers(const struct lt_adapter *a)
{
    int64_t n = 0;
    for (int i = 0; i < a->parts; i++)
        for (int k = 0; a->type->tensor[k]; k++) n += lt_weight_count(&a->part[i].w[k]);
    return n;
}

void lt_adapter_pack(struct lt_adapter *a, enum lt_compute compute, struct lt_ctx *c)
{
    for (int i = 0; i < a->parts; i++)
        for (int k = 0; a->type->tensor[k]; k++) lt_weight_pack(&a->part[i].w[k], compute, c);
}

const struct lt_adapter_part *lt_adapter_part_of(const struct lt_adapter *a, const struct lt_model *m,
                                                 const struct lt_weight *w)
{
    assert(a->m == m);
    int32_t i = a->of[w - m->weight];
    return i < 0 ? NULL : &a->part[i];
}

/* ---- reading ---- */

struct reader {
    struct lt_adapter *a;
    struct lt_map modules;              /* name -> part */
    const struct lt_safetensor *(*found)[LT_ADAPTER_TENSORS];
};

/* "base_model.model.MODULE.lora_A.weight": the module, and which tensor of the type; false: another name. */
static bool split_name(const struct lt_adapter_type *type, const char *name, struct lt_str *module, int *which)
{
    struct lt_str s = lt_str(name);
    if (!lt_str_starts(s, prefix)) return false;
    s.p += sizeof prefix - 1;
    s.n -= sizeof prefix - 1;
    for (int k = 0; type->tensor[k]; k++) {
        char end[64];
        int n = snprintf(end, sizeof end, ".%s.weight", type->tensor[k]);
        if (!lt_str_ends(s, end) || s.n == (size_t)n) continue;
        *module = (struct lt_str){ s.p, s.n - (size_t)n };
        *which = k;
        return true;
    }
    return false;
}

static int refuse_name(const struct lt_adapter *a, const char *name)
{
    if (strstr(name, "lora_embedding_"))
        return lt_fail("%s: the tensor \"%.200s\" changes an embedding; only linear layers can be adapted", a->path,
                       name);
    return lt_fail("%s: the tensor \"%.200s\" is not understood: expected %sMODULE.%s.weight or %sMODULE.%s.weight",
                   a->path, name, prefix, a->type->tensor[0], prefix,
                   a->type->tensor[1] ? a->type->tensor[1] : a->type->tensor[0]);
}

/* Which tensors there are, by module. */
static int sort_tensors(struct reader *r)
{
    struct lt_adapter *a = r->a;
    for (int i = 0; i < a->files->count; i++) {
        const struct lt_safetensor *t = &a->files->tensor[i];
        struct lt_str module;
        int which;
        bool fresh;
        if (!split_name(a->type, t->name, &module, &which)) return refuse_name(a, t->name);
        uint64_t *at = lt_map_put(&r->modules, module, &fresh);
        if (fresh) {
            *at = (uint64_t)a->parts;
            a->part[a->parts++] = (struct lt_adapter_part){ .module = lt_arena_str(&a->arena, module), .weight = -1,
                                                            .in = -1, .out = -1 };
        }
        r->found[*at][which] = t;
    }
    return a->parts ? 0 : lt_fail("%s: there are no tensors in it, so it changes nothing", a->path);
}

static void put_shape(struct lt_buf *b, int rank, const int64_t *dim)
{
    lt_buf_char(b, '(');
    for (int i = 0; i < rank; i++) {
        if (i) lt_buf_str(b, ", ");
        if (dim[i] < 0) lt_buf_str(b, "any");
        else lt_buf_fmt(b, "%" PRId64, dim[i]);
    }
    lt_buf_char(b, ')');
}

static int check_shape(const struct lt_adapter *a, const char *name, int rank, const int64_t *dim,
                       const struct lt_weight *want)
{
    bool same = rank == want->rank;
    for (int i = 0; same && i < rank; i++) same = want->dim[i] < 0 ? dim[i] > 0 : dim[i] == want->dim[i];
    if (same) return 0;
    struct lt_buf have = { 0 }, wanted = { 0 };
    put_shape(&have, rank, dim);
    put_shape(&wanted, want->rank, want->dim);
    lt_fail("%s: the tensor \"%.200s\" has the shape %s; expected %s", a->path, name, have.p, wanted.p);
    lt_buf_free(&have);
    lt_buf_free(&wanted);
    return -1;
}

static int check_finite(const struct lt_adapter *a, const struct lt_safetensor *t)
{
    enum { BLOCK = 4096 };
    float wide[BLOCK];
    for (int64_t k = 0; k < t->count; k += BLOCK) {
        int64_t n = LT_MIN(BLOCK, t->count - k);
        lt_convert(LT_F32, wide, t->type, (const char *)t->data + lt_dtype_bytes(t->type, k), n);
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(wide[i]))
                return lt_fail("%s: number %" PRId64 " of the tensor \"%.200s\" is %g: the adapter is damaged, or its "
                               "training was", a->path, k + i, t->name, (double)wide[i]);
    }
    return 0;
}

static int read_tensor(struct lt_adapter *a, const struct lt_safetensor *t, struct lt_weight *w)
{
    if (t->type != LT_F32 && t->type != LT_BF16 && t->type != LT_F16)
        return lt_fail("%s: the tensor \"%.200s\" is stored as %s; expected F32, BF16 or F16", a->path, t->name,
                       lt_dtype_name(t->type));
    if (check_shape(a, t->name, t->rank, t->dim, w) || check_finite(a, t)) return -1;
    for (int i = 0; i < t->rank; i++) w->dim[i] = t->dim[i];
    w->name = t->name;
    w->type = t->type;
    w->data = t->data;
    w->layer = -1;
    return 0;
}

static int read_part(struct reader *r, int i)
{
    struct lt_adapter *a = r->a;
    struct lt_adapter_part *p = &a->part[i];
    for (int k = 0; a->type->tensor[k]; k++)
        if (!r->found[i][k])
            return lt_fail("%s: the tensor \"%s%s.%s.weight\" is missing, and the others of that module are there",
                           a->path, prefix, p->module, a->type->tensor[k]);
    if (a->type->attach(a->o, p)) return lt_fail("%s: %s", a->path, lt_error());
    for (int k = 0; a->type->tensor[k]; k++)
        if (read_tensor(a, r->found[i][k], &p->w[k])) return -1;
    return 0;
}

static uint64_t identity(const struct lt_adapter *a)
{
    uint64_t h = lt_hash(a->type->m.name, strlen(a->type->m.name), 0);
    for (int i = 0; i < a->parts; i++) {
        const struct lt_adapter_part *p = &a->part[i];
        h = lt_hash(p->module, strlen(p->module), h);
        h = lt_hash(&p->scale, sizeof p->scale, h);
        for (int k = 0; a->type->tensor[k]; k++) {
            const struct lt_weight *w = &p->w[k];
            h = lt_hash(w->dim, (size_t)w->rank * sizeof *w->dim, h + (uint64_t)w->type);
            h = lt_hash(w->data, (size_t)lt_weight_count(w) * lt_dtype_size(w->type), h);
        }
    }
    return h ? h : 1;
}

static bool is_zero(const struct lt_weight *w)
{
    const char *p = w->data;
    size_t size = lt_dtype_size(w->type);
    for (int64_t i = 0, n = lt_weight_count(w); i < n; i++) {
        float v;
        lt_convert(LT_F32, &v, w->type, p + (size_t)i * size, 1);
        if (v != 0) return false;
    }
    return true;
}

/* A part adds nothing when one of its factors is 0. */
static int check_inert(const struct lt_adapter *a)
{
    for (int i = 0; i < a->parts; i++) {
        bool live = a->part[i].scale != 0;
        for (int k = 0; a->type->tensor[k] && live; k++) live = !is_zero(&a->part[i].w[k]);
        if (live) return 0;
    }
    return lt_fail("%s: the adapter changes nothing: what it adds is 0 in all of its %d modules, first in %s", a->path,
                   a->parts, a->part[0].module);
}

static int read_all(struct lt_adapter *a)
{
    size_t most = (size_t)a->files->count + 1;
    struct reader r = { .a = a };
    a->part = lt_calloc(most, sizeof *a->part);
    r.found = lt_calloc(most, sizeof *r.found);
    int rc = sort_tensors(&r);
    for (int i = 0; i < a->parts && !rc; i++) rc = read_part(&r, i);
    if (!rc) a->identity = identity(a);
    free(r.found);
    lt_map_free(&r.modules);
    return rc;
}

static struct lt_adapter *begin(const char *path)
{
    struct lt_adapter *a = lt_calloc(1, sizeof *a);
    a->path = lt_strdup(path);
    return a;
}

static int take_config(struct lt_adapter *a, const char *label, struct lt_str text)
{
    const char *base = NULL;
    if (lt_adapter_config_parse(label, text, &a->arena, &a->type, &a->options, &base)) return -1;
    a->base = base;
    a->o = lt_options_done(a->options);
    return 0;
}

static int read_finished(struct lt_adapter *a) { return read_all(a) || check_inert(a) ? -1 : 0; }

int lt_adapter_parse(const char *label, struct lt_str config, const void *tensors, size_t n, struct lt_adapter **out)
{
    struct lt_adapter *a = begin(label);
    if (take_config(a, label, config) || lt_safetensors_parse(tensors, n, label, &a->files)
        || read_finished(a)) {
        lt_adapter_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

static int read_config(struct lt_adapter *a)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_buf_fmt(&path, "%s/adapter_config.json", a->path);
    int rc = !lt_path_exists(a->path) ? lt_fail("%s: there is no such adapter", a->path)
        : !lt_path_exists(path.p) ? lt_fail("%s: not an adapter: expected a folder with adapter_config.json", a->path)
        : lt_file_read(path.p, &text);
    if (!rc) rc = take_config(a, path.p, lt_buf_view(&text));
    lt_buf_free(&path);
    lt_buf_free(&text);
    return rc;
}

static int open_tensors(struct lt_adapter *a)
{
    struct lt_buf path = { 0 }, pickle = { 0 };
    lt_buf_fmt(&path, "%s/adapter_model.safetensors", a->path);
    lt_buf_fmt(&pickle, "%s/adapter_model.bin", a->path);
    int rc = !lt_path_exists(path.p) && lt_path_exists(pickle.p)
        ? lt_fail("%s: tensors in Python's pickle are not read; save them as adapter_model.safetensors", pickle.p)
        : lt_safetensors_open(path.p, &a->files);
    lt_buf_free(&path);
    lt_buf_free(&pickle);
    return rc;
}

static int read_folder(const char *folder, bool finished, struct lt_adapter **out)
{
    struct lt_adapter *a = begin(folder);
    if (read_config(a) || open_tensors(a) || (finished ? read_finished(a) : read_all(a))) {
        lt_adapter_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

int lt_adapter_read(const char *folder, struct lt_adapter **out) { return read_folder(folder, true, out); }

/* ---- for a model ---- */

/* By its whole name, or below the first component, as a model without a head is saved. */
static int32_t find_weight(const struct lt_model *m, const char *module)
{
    struct lt_buf name = { 0 };
    lt_buf_fmt(&name, "%s.weight", module);
    const uint64_t *at = lt_map_get(&m->by_name, lt_buf_view(&name));
    int32_t found = at ? (int32_t)*at : -1;
    for (int i = 0; i < m->weight_count && found < 0; i++) {
        const char *dot = strchr(m->weight[i].name, '.');
        if (dot && !strcmp(dot + 1, name.p)) found = i;
    }
    if (found < 0) lt_model_weight(m, name.p);      /* for its sentence */
    lt_buf_free(&name);
    return found;
}

static int bind_part(struct lt_adapter *a, const struct lt_model *m, int i)
{
    struct lt_adapter_part *p = &a->part[i], want = *p;
    int32_t at = find_weight(m, p->module);
    if (at < 0) return lt_fail("%s: the adapter changes %s, which is no part of this model: %s", a->path, p->module,
                               lt_error());
    const struct lt_weight *w = &m->weight[at];
    if (w->rank != 2 || w->layer < 0)
        return lt_fail("%s: the adapter changes %s, which is no linear layer within the model's blocks; others cannot "
                       "be adapted", a->path, p->module);
    if (a->of[at] >= 0)
        return lt_fail("%s: the modules %s and %s are the same weight of the model", a->path, a->part[a->of[at]].module,
                       p->module);
    want.in = w->dim[w->transposed ? 0 : 1];
    want.out = w->dim[w->transposed ? 1 : 0];
    if (a->type->attach(a->o, &want)) return lt_fail("%s: %s", a->path, lt_error());
    for (int k = 0; a->type->tensor[k]; k++)
        if (check_shape(a, p->w[k].name, p->w[k].rank, p->w[k].dim, &want.w[k]))
            return lt_fail("%s, as %s has in this model; was the adapter made for another one%s%s?", lt_error(),
                           w->name, a->base ? ", " : "", a->base ? a->base : "");
    p->in = want.in;
    p->out = want.out;
    p->weight = at;
    a->of[at] = i;
    return 0;
}

int lt_adapter_bind(struct lt_adapter *a, const struct lt_model *m)
{
    free(a->of);
    a->of = lt_alloc((size_t)m->weight_count * sizeof *a->of);
    a->m = m;
    for (int i = 0; i < m->weight_count; i++) a->of[i] = -1;
    for (int i = 0; i < a->parts; i++)
        if (bind_part(a, m, i)) return -1;
    return 0;
}

static int open_for(const char *folder, const struct lt_model *m, bool finished, struct lt_adapter **out)
{
    if (read_folder(folder, finished, out)) return -1;
    if (!lt_adapter_bind(*out, m)) return 0;
    lt_adapter_free(*out);
    *out = NULL;
    return -1;
}

int lt_adapter_open(const char *folder, const struct lt_model *m, struct lt_adapter **out)
{
    return open_for(folder, m, true, out);
}

int lt_adapter_open_unfinished(const char *folder, const struct lt_model *m, struct lt_adapter **out)
{
    return open_for(folder, m, false, out);
}

/* ---- folding ---- */

enum { FOLD_ROWS = 64 };            /* of a weight (out, in) at a time */
struct fold { const struct lt_adapter *a; const struct lt_adapter_part *p; const struct lt_weight *w; float *wide; };

static void fold_rows(void *arg, int64_t chunk)
{
    const struct fold *f = arg;
    int64_t in = f->p->in, out = f->p->out, first = chunk * FOLD_ROWS, rows = LT_MIN(FOLD_ROWS, out - first);
    float *delta = lt_alloc((size_t)(rows * in) * sizeof *delta);
    f->a->type->merge(f->p, first, rows, delta);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < in; i++)
            f->wide[f->w->transposed ? i * out + first + r : (first + r) * in + i] += delta[r * in + i];
    free(delta);
}

static int check_half(const char *name, const float *wide, const uint16_t *half, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isfinite(wide[i]) && !isfinite(lt_from_f16(half[i])))
            return lt_fail("%s with the adapter folded in holds %g, and f16 ends at 65504", name, (double)wide[i]);
    return 0;
}

static int fold_part(const struct lt_adapter *a, const struct lt_adapter_part *p, struct lt_model *m,
                      enum lt_dtype as, struct lt_ctx *c)
{
    struct lt_weight *w = &m->weight[p->weight];
    int64_t n = lt_weight_count(w);
    float *wide = w->master ? w->master : lt_alloc((size_t)n * sizeof *wide);
    if (!w->master) lt_convert(LT_F32, wide, w->type, w->data, n);
    struct fold f = { a, p, w, wide };
    lt_pool_run(lt_ctx_pool(c), (p->out + FOLD_ROWS - 1) / FOLD_ROWS, fold_rows, &f);
    lt_weight_unpack(w);
    if (w->master) return 0;
    void *data = lt_arena_take(&m->arena, (size_t)n * lt_dtype_size(as));
    lt_convert(as, data, LT_F32, wide, n);
    int rc = as == LT_F16 ? check_half(w->name, wide, data, n) : 0;
    w->data = data;
    w->type = as;
    free(wide);
    return rc;
}

int lt_adapter_fold(const struct lt_adapter *a, struct lt_model *m, enum lt_dtype as, bool keep, struct lt_ctx *c)
{
    assert(!lt_dtype_quantised(as) && a->m && a->m->weight_count == m->weight_count);
    if (!a->type->merge) return lt_fail("%s: %s adapters cannot be folded into weights", a->path, a->type->m.name);
    for (int i = 0; i < a->parts && keep; i++) {
        const struct lt_weight *w = &m->weight[a->part[i].weight];
        if (lt_dtype_quantised(w->type))
            return lt_fail("%s is quantised (%s), and nothing can be added to it as it is", w->name,
                           lt_dtype_name(w->type));
    }
    for (int i = 0; i < a->parts; i++)
        if (fold_part(a, &a->part[i], m, keep ? m->weight[a->part[i].weight].type : as, c)) return -1;
    return 0;
}
