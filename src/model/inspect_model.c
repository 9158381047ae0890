#include "model/inspect_model.h"
#include "model/adapter.h"
#include "model/decoder.h"
#include "model/safetensors.h"
#include "text/tok_gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- costs ---- */

double lt_model_flops(const struct lt_model *m, double length)
{
    double n = 0;
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        if (w->rank == 2 && (w->layer >= 0 || !strcmp(w->name, m->head_name))) n += (double)lt_weight_count(w);
    }
    return 2 * n + 2.0 * (double)(m->layers * m->heads * m->head_dim) * length;
}

double lt_model_cache_bytes(const struct lt_model *m, enum lt_dtype type)
{
    return 2.0 * (double)(m->layers * m->kv_heads * m->head_dim) * (double)lt_dtype_size(type);
}

/* Numbers a layer keeps of one token: what its operations give, norms and their statistics, and attention's sums. */
static double kept_by_layer(const struct lt_decoder *d)
{
    double w = (double)d->width, q = (double)(d->heads * d->head_dim), kv = (double)(d->kv_heads * d->head_dim);
    double inner = (double)d->inner * (d->gate ? 3 : 2), turned = d->rot ? q + kv : 0;
    double norms = d->order == LT_ORDER_PARALLEL_SHARED ? 1 : 2, normed = d->q_norm ? q + kv : 0;
    double apart = d->qkv_by_head ? kv : 0, clipped = d->clip > 0 ? q + 2 * kv : 0;
    double dropped = d->dropout > 0 ? 2 * w : 0;
    return norms * w + q + 2 * kv + normed + turned + apart + clipped + q + (double)d->heads + inner + 4 * w + dropped;
}

double lt_model_activation_bytes(const struct lt_model *m, double tokens, bool checkpointed)
{
    const struct lt_decoder *d = m->plan;
    double w = (double)d->width, layer = kept_by_layer(d), head = 2 * w;
    double gradients = LT_MAX(3 * (double)d->inner, 4 * w);
    double held = checkpointed ? (double)d->layers * w + layer : (double)d->layers * layer;
    double logits = LT_MIN(tokens, 512) * (double)d->vocab;         /* the fused head takes rows by blocks */
    return ((held + (d->positions ? 3 : 1) * w + head + gradients) * tokens + logits) * sizeof(float);
}

/* ---- the document: what is printed, whole, as JSON ---- */

static void put_count(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

static json_t *shape_of(int rank, const int64_t *dim)
{
    json_t *a = json_array();
    for (int i = 0; i < rank; i++) json_array_append_new(a, json_integer(dim[i]));
    return a;
}

static json_t *tensor_row(const char *name, int rank, const int64_t *dim, enum lt_dtype type, int count)
{
    return json_pack("{s:s, s:s, s:o, s:i}", "name", name, "type", lt_dtype_name(type), "shape", shape_of(rank, dim),
                     "count", count);
}

/* Appends "PREFIX*REST" for a name whose layer number, spelt " N." between dots, is `layer`; false when it has none. */
static bool starred(const char *name, int layer, struct lt_buf *out)
{
    char number[16];
    snprintf(number, sizeof number, ".%d.", layer);
    const char *at = layer >= 0 ? strstr(name, number) : NULL;
    if (!at) return false;
    lt_buf_fmt(out, "%.*s.*.%s", (int)(at - name), name, at + strlen(number));
    return true;
}

/* The weights that every layer has are one row, or one for each type, which changes by layer in quantised mixtures. */
static json_t *weight_rows(const struct lt_model *m, bool all)
{
    json_t *rows = json_array();
    struct lt_map seen = { 0 };
    struct lt_buf name = { 0 };
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        bool fresh;
        lt_buf_clear(&name);
        lt_buf_fmt(&name, "%s ", lt_dtype_name(w->type));
        const size_t before = name.n;
        if (all || !starred(w->name, w->layer, &name)) {
            json_array_append_new(rows, tensor_row(w->name, w->rank, w->dim, w->type, 1));
            continue;
        }
        uint64_t *at = lt_map_put(&seen, lt_buf_view(&name), &fresh);
        if (fresh) {
            *at = json_array_size(rows);
            json_array_append_new(rows, tensor_row(name.p + before, w->rank, w->dim, w->type, 1));
            continue;
        }
        json_t *count = json_object_get(json_array_get(rows, (size_t)*at), "count");
        json_integer_set(count, json_integer_value(count) + 1);
    }
    lt_buf_free(&name);
    lt_map_free(&seen);
    return rows;
}

static json_t *architecture(const struct lt_model *m)
{
    json_t *o = json_pack("{s:s, s:s}", "model_type", m->arch->m.name, "class", m->class_name);
    put_count(o, "layers", (double)m->layers);
    put_count(o, "width", (double)m->width);
    put_count(o, "inner", (double)m->inner);
    put_count(o, "heads", (double)m->heads);
    put_count(o, "kv_heads", (double)m->kv_heads);
    put_count(o, "head_dim", (double)m->head_dim);
    put_count(o, "vocabulary", (double)m->vocab);
    put_count(o, "context", (double)m->context);
    json_object_set_new(o, "tied", json_boolean(m->tied));
    return o;
}

struct counts { double total, embedding, positions, head, stored; };

static struct counts count_weights(const struct lt_model *m)
{
    const struct lt_decoder *d = m->plan;
    struct counts c = { 0 };
    for (int i = 0; i < m->weight_count; i++) {
        double n = (double)lt_weight_count(&m->weight[i]);
        c.total += n;
        c.stored += (double)lt_dtype_bytes(m->weight[i].type, (int64_t)n);
        if (i == d->table.w) c.embedding = n;
        if (i == d->place.w) c.positions = n;
        if (!m->tied && (i == d->out.w || i == d->out.b)) c.head += n;
    }
    return c;
}

static json_t *parameters(const struct counts *c)
{
    json_t *o = json_object();
    put_count(o, "total", c->total);
    put_count(o, "embedding", c->embedding + c->positions);
    put_count(o, "head", c->head);
    put_count(o, "non_embedding", c->total - c->embedding - c->positions - c->head);
    return o;
}

static json_t *memory(const struct lt_model *m, const struct counts *c, double tokens)
{
    double context = (double)m->context, cache = lt_model_cache_bytes(m, LT_F32), weights = c->total * sizeof(float);
    double kept = lt_model_activation_bytes(m, tokens, false), less = lt_model_activation_bytes(m, tokens, true);
    json_t *generation = json_object(), *training = json_object();
    put_count(generation, "weights_bytes", c->stored);
    put_count(generation, "cache_bytes_per_token", cache);
    put_count(generation, "cache_bytes_per_token_bfloat16", lt_model_cache_bytes(m, LT_BF16));
    put_count(generation, "total_bytes", c->stored + cache * context);
    put_count(training, "tokens", tokens);
    put_count(training, "weights_bytes", weights);
    put_count(training, "gradients_bytes", weights);
    put_count(training, "adamw_bytes", 2 * weights);
    put_count(training, "activations_bytes", kept);
    put_count(training, "activations_bytes_checkpointed", less);
    put_count(training, "total_bytes", 4 * weights + kept);
    return json_pack("{s:o, s:o}", "generation", generation, "training", training);
}

/* tokenizer.json beside the weights, or the one in a GGUF file; 0 and NULL: none. */
static int open_tokenizer(const struct lt_model *m, const char *path, struct lt_tokenizer **out)
{
    *out = NULL;
    if (m->gguf) return lt_tok_in_gguf(m->gguf) ? lt_tok_of_gguf(m->gguf, out) : 0;
    struct lt_buf file = { 0 };
    lt_buf_fmt(&file, "%s/tokenizer.json", path);
    int rc = lt_path_is_dir(path) && lt_path_exists(file.p) ? lt_tokenizer_open(file.p, out) : 0;
    lt_buf_free(&file);
    return rc;
}

/* Who the tokenizer is, and whether every id it gives has a row in the embedding. */
static int put_tokenizer(json_t *root, const struct lt_model *m, const char *path)
{
    static const char *const kind[] = { [LT_TOK_BPE] = "BPE", [LT_TOK_WORDPIECE] = "WordPiece",
                                        [LT_TOK_UNIGRAM] = "Unigram", [LT_TOK_WORDLEVEL] = "WordLevel" };
    struct lt_tokenizer *t;
    int64_t vocab = m->vocab;
    if (open_tokenizer(m, path, &t)) return -1;
    if (!t) return 0;
    int ids = lt_tokenizer_vocab(t);
    json_t *o = json_pack("{s:s, s:s, s:i, s:i, s:i}", "kind", kind[lt_tokenizer_kind(t)], "hash", lt_tokenizer_hash(t),
                          "vocabulary", ids, "bos", (int)lt_tokenizer_bos(t), "eos", (int)lt_tokenizer_eos(t));
    json_object_set_new(o, "fits", json_boolean(ids <= vocab));
    put_count(o, "unused_embedding_rows", ids <= vocab ? (double)(vocab - ids) : 0);
    json_object_set_new(root, "tokenizer", o);
    lt_tokenizer_free(t);
    return 0;
}

static int put_record(json_t *root, const char *folder)
{
    struct lt_buf path = { 0 };
    json_t *record = NULL;
    lt_buf_fmt(&path, "%s/lathe-run.json", folder);
    int rc = lt_path_exists(path.p) ? lt_json_read(path.p, &record) : 0;
    lt_buf_free(&path);
    if (rc || !record) return rc;
    static const char *const key[] = { "verb", "version", "build", "seed" };
    json_t *o = json_object();
    for (int i = 0; i < LT_COUNT(key); i++) {
        json_t *v = json_object_get(record, key[i]);
        if (v && !json_is_null(v)) json_object_set(o, key[i], v);
    }
    json_object_set_new(root, "made_by", o);
    json_decref(record);
    return 0;
}

static int describe_model(const struct lt_inspect_options *o, json_t *root)
{
    struct lt_model *m;
    if (lt_model_open(o->path, &m)) return -1;
    struct counts c = count_weights(m);
    double tokens = o->tokens ? (double)o->tokens : (double)m->context, flops = lt_model_flops(m, (double)m->context);
    json_t *work = json_object();
    put_count(work, "forward", flops);
    put_count(work, "training", 3 * flops);
    put_count(work, "context", (double)m->context);
    json_object_set_new(root, "architecture", architecture(m));
    json_object_set_new(root, "parameters", parameters(&c));
    json_object_set_new(root, "flops_per_token", work);
    json_object_set_new(root, "memory", memory(m, &c, tokens));
    int rc = put_tokenizer(root, m, o->path) || (lt_path_is_dir(o->path) && put_record(root, o->path)) ? -1 : 0;
    json_object_set_new(root, "weights", weight_rows(m, o->all));
    lt_model_free(m);
    return rc;
}

static int describe_tensors(const struct lt_inspect_options *o, json_t *root)
{
    struct lt_safetensors *s;
    if (lt_safetensors_open(o->path, &s)) return -1;
    json_t *rows = json_array();
    double total = 0, bytes = 0;
    for (int i = 0; i < s->count; i++) {
        const struct lt_safetensor *t = &s->tensor[i];
        total += (double)t->count;
        bytes += (double)t->count * (double)lt_dtype_size(t->type);
        json_array_append_new(rows, tensor_row(t->name, t->rank, t->dim, t->type, 1));
    }
    json_t *sum = json_object();
    put_count(sum, "tensors", s->count);
    put_count(sum, "numbers", total);
    put_count(sum, "bytes", bytes);
    json_object_set_new(root, "file", sum);
    json_object_set_new(root, "weights", rows);
    lt_safetensors_free(s);
    return 0;
}

/* ---- the same as lines ---- */

/* A large amount once more, as people say it: "134.5 M", "1.25 GiB". */
static void put_said(struct lt_buf *b, const char *key, double v)
{
    static const char *const bytes[] = { "KiB", "MiB", "GiB", "TiB" }, *const plain[] = { "k", "M", "G", "T" };
    bool is_bytes = strstr(key, "bytes") != NULL;
    double step = is_bytes ? 1024 : 1000;
    int i = -1;
    while (v >= step && i < 3) {
        v /= step;
        i++;
    }
    if (i >= 0) lt_buf_fmt(b, "\t%.4g %s", v, is_bytes ? bytes[i] : plain[i]);
}

static void put_scalars(struct lt_buf *b, const char *prefix, const json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v) {
        struct lt_buf full = { 0 };
        lt_buf_fmt(&full, "%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(v)) put_scalars(b, full.p, v);
        else if (!json_is_array(v)) {
            lt_buf_fmt(b, "%s\t", full.p);
            if (json_is_string(v)) lt_buf_str(b, json_string_value(v));
            else lt_json_put(b, v);
            if (json_is_integer(v) && strcmp(prefix, "architecture"))
                put_said(b, full.p, (double)json_integer_value(v));
            lt_buf_char(b, '\n');
        }
        lt_buf_free(&full);
    }
}

static void put_rows(struct lt_buf *b, const json_t *rows)
{
    lt_buf_str(b, "\nweight\ttype\tshape\tcount\n");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *r = json_array_get(rows, i), *shape = json_object_get(r, "shape");
        lt_buf_fmt(b, "%s\t%s\t(", json_string_value(json_object_get(r, "name")),
                   json_string_value(json_object_get(r, "type")));
        for (size_t d = 0; d < json_array_size(shape); d++)
            lt_buf_fmt(b, "%s%" JSON_INTEGER_FORMAT, d ? ", " : "", json_integer_value(json_array_get(shape, d)));
        lt_buf_fmt(b, ")\t%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(r, "count")));
    }
}

json_t *lt_inspect_document(const struct lt_inspect_options *o)
{
    json_t *root = json_pack("{s:s}", "path", o->path);
    if (!root) return lt_misuse("%s: a path must be UTF-8", o->path), NULL;
    bool tensors = lt_str_ends(lt_str(o->path), ".safetensors") || lt_str_ends(lt_str(o->path), ".index.json");
    struct lt_buf config = { 0 };
    lt_buf_fmt(&config, "%s/config.json", o->path);
    bool adapter = lt_adapter_is(o->path) && !lt_path_exists(config.p);
    lt_buf_free(&config);
    int rc = adapter ? lt_inspect_adapter(o->path, root) : tensors ? describe_tensors(o, root)
                                                                   : describe_model(o, root);
    if (!rc) return root;
    json_decref(root);
    return NULL;
}

int lt_inspect_run(const struct lt_inspect_options *o, struct lt_ctx *c)
{
    (void)c;
    json_t *root = lt_inspect_document(o);
    struct lt_buf b = { 0 };
    struct lt_writer w;
    int rc = root ? 0 : -1;
    if (rc == 0 && o->json) {
        lt_json_put(&b, root);
        lt_buf_char(&b, '\n');
    } else if (rc == 0) {
        put_scalars(&b, "", root);
        const json_t *modules = json_object_get(root, "modules");
        if (modules) lt_inspect_put_modules(&b, modules);
        else put_rows(&b, json_object_get(root, "weights"));
    }
    json_decref(root);
    if (rc == 0) rc = lt_writer_open(&w, "-");
    if (rc == 0) {
        lt_writer_put(&w, b.p, b.n);
        rc = lt_writer_commit(&w);
    }
    lt_buf_free(&b);
    return rc;
}
