#include "lm/generation.h"
#include "base/gguf.h"
#include "base/io.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>

void lt_generation_init(struct lt_generation *g)
{
    *g = (struct lt_generation){ .bos = -1, .pad = -1, .temperature = NAN, .top_p = NAN, .repetition_penalty = NAN,
                                 .top_k = -1, .max_new_tokens = -1 };
}

static int read_id(const char *label, const char *key, const json_t *v, int32_t *id)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
        return lt_fail("%s: \"%s\" is not a token id", label, key);
    *id = (int32_t)json_integer_value(v);
    return 0;
}

/* An id, null, or -1, which older writers put for "none". */
static int read_one(const char *label, const char *key, const json_t *root, int32_t *id)
{
    const json_t *v = json_object_get(root, key);
    if (!v) return 0;
    *id = -1;
    if (json_is_null(v) || (json_is_integer(v) && json_integer_value(v) == -1)) return 0;
    return read_id(label, key, v, id);
}

static int read_ends(const char *label, const json_t *root, struct lt_generation *g)
{
    const json_t *v = json_object_get(root, "eos_token_id");
    if (!v) return 0;
    g->eos_count = 0;
    if (json_is_null(v) || (json_is_integer(v) && json_integer_value(v) == -1)) return 0;
    if (!json_is_array(v)) {
        g->eos_count = 1;
        return read_id(label, "eos_token_id", v, &g->eos[0]);
    }
    if (json_array_size(v) > LT_EOS_MAX)
        return lt_fail("%s: \"eos_token_id\" lists %zu ids; at most %d are read", label, json_array_size(v),
                       LT_EOS_MAX);
    for (size_t i = 0; i < json_array_size(v); i++)
        if (read_id(label, "eos_token_id", json_array_get(v, i), &g->eos[g->eos_count++])) return -1;
    return 0;
}

static int read_number(const char *label, const char *key, const json_t *root, double low, double high, double *out)
{
    const json_t *v = json_object_get(root, key);
    if (!v || json_is_null(v)) return 0;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= low && x <= high))
        return lt_fail("%s: expected \"%s\" to be a number from %g to %g", label, key, low, high);
    *out = x;
    return 0;
}

static int read_count(const char *label, const char *key, const json_t *root, int64_t *out)
{
    double x = -1;
    if (read_number(label, key, root, 0, INT32_MAX, &x)) return -1;
    if (x >= 0) *out = (int64_t)x;
    return 0;
}

static int read_object(const char *label, const json_t *root, struct lt_generation *g)
{
    if (!json_is_object(root)) return lt_fail("%s: expected a JSON object", label);
    const json_t *sample = json_object_get(root, "do_sample");
    if (sample && !json_is_null(sample)) g->sample = json_is_true(sample);
    if (read_ends(label, root, g) || read_one(label, "bos_token_id", root, &g->bos)
        || read_one(label, "pad_token_id", root, &g->pad)
        || read_number(label, "temperature", root, 0, 1000, &g->temperature)
        || read_number(label, "top_p", root, 0, 1, &g->top_p)
        || read_number(label, "repetition_penalty", root, 0, 1000, &g->repetition_penalty)
        || read_count(label, "top_k", root, &g->top_k))
        return -1;
    return read_count(label, "max_new_tokens", root, &g->max_new_tokens);
}

int lt_generation_parse(const char *label, struct lt_str text, struct lt_generation *g)
{
    json_t *root;
    if (lt_json_parse(label, text, &root)) return -1;
    int rc = read_object(label, root, g);
    json_decref(root);
    return rc;
}

static int read_gguf_sampling(const struct lt_gguf *f, struct lt_generation *g)
{
    double value = 0;
    const struct { const char *key; double *at; double low, high; } row[] = {
        { "general.sampling.temp", &g->temperature, 0, 1000 },
        { "general.sampling.top_p", &g->top_p, 0, 1 },
        { "general.sampling.penalty_repeat", &g->repetition_penalty, 0, 1000 },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        int there = lt_gguf_real(f, row[i].key, &value);
        if (there < 0) return -1;
        if (!there) continue;
        if (!(value >= row[i].low && value <= row[i].high))
            return lt_fail("%s: expected %s to be from %g to %g, found %g", f->label, row[i].key, row[i].low,
                           row[i].high, value);
        *row[i].at = value;
    }
    int top_k = lt_gguf_int(f, "general.sampling.top_k", 0, INT32_MAX, &g->top_k);
    g->sample = top_k > 0 || !isnan(g->temperature) || !isnan(g->top_p);
    return top_k < 0 ? -1 : 0;
}

int lt_generation_of_gguf(const struct lt_gguf *f, struct lt_generation *g)
{
    static const char *const end[] = { "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id" };
    const struct { const char *key; int32_t *at; } one[] = { { "tokenizer.ggml.bos_token_id", &g->bos },
                                                             { "tokenizer.ggml.padding_token_id", &g->pad } };
    int64_t id = 0;
    int rc = 0;
    for (int i = 0; i < LT_COUNT(one) && rc >= 0; i++) {
        rc = lt_gguf_int(f, one[i].key, 0, UINT32_MAX, &id);
        if (rc > 0 && id <= INT32_MAX) *one[i].at = (int32_t)id;    /* 0xffffffff: none */
    }
    for (int i = 0; i < LT_COUNT(end) && rc >= 0; i++) {
        rc = lt_gguf_int(f, end[i], 0, UINT32_MAX, &id);
        if (rc > 0 && id <= INT32_MAX && !lt_generation_ends(g, (int32_t)id)) g->eos[g->eos_count++] = (int32_t)id;
    }
    return rc < 0 ? -1 : read_gguf_sampling(f, g);
}

static int read_gguf(const char *path, struct lt_generation *g)
{
    struct lt_gguf *f;
    if (lt_gguf_open(path, &f)) return -1;
    int rc = lt_generation_of_gguf(f, g);
    lt_gguf_free(f);
    return rc;
}

int lt_generation_read(const char *folder, struct lt_generation *g)
{
    static const char *const name[] = { "config.json", "generation_config.json" };
    lt_generation_init(g);
    if (lt_gguf_is_file(folder)) return read_gguf(folder, g);
    for (int i = 0; i < LT_COUNT(name); i++) {
        struct lt_buf path = { 0 }, text = { 0 };
        lt_buf_fmt(&path, "%s/%s", folder, name[i]);
        int rc = 0;
        if (lt_path_exists(path.p))
            rc = lt_file_read(path.p, &text) || lt_generation_parse(path.p, lt_buf_view(&text), g);
        lt_buf_free(&text);
        lt_buf_free(&path);
        if (rc) return -1;
    }
    return 0;
}

bool lt_generation_ends(const struct lt_generation *g, int32_t token)
{
    for (int i = 0; i < g->eos_count; i++)
        if (g->eos[i] == token) return true;
    return false;
}

static void put_key(struct lt_buf *b, const char *key)
{
    lt_buf_fmt(b, "%s\n  \"%s\": ", b->n > 1 ? "," : "", key);
}

static void put_number(struct lt_buf *b, const char *key, double v)
{
    if (isnan(v)) return;
    put_key(b, key);
    lt_json_put_real(b, v);
}

static void put_count(struct lt_buf *b, const char *key, int64_t v)
{
    if (v < 0) return;
    put_key(b, key);
    lt_buf_fmt(b, "%" PRId64, v);
}

int lt_generation_save(const struct lt_generation *g, const char *folder)
{
    struct lt_buf b = { 0 }, path = { 0 };
    lt_buf_char(&b, '{');
    put_count(&b, "bos_token_id", g->bos);
    if (g->sample) {
        put_key(&b, "do_sample");
        lt_buf_str(&b, "true");
    }
    if (g->eos_count == 1) put_count(&b, "eos_token_id", g->eos[0]);
    if (g->eos_count > 1) {
        put_key(&b, "eos_token_id");
        for (int i = 0; i < g->eos_count; i++) lt_buf_fmt(&b, "%s%" PRId32, i ? ", " : "[", g->eos[i]);
        lt_buf_char(&b, ']');
    }
    put_count(&b, "max_new_tokens", g->max_new_tokens);
    put_count(&b, "pad_token_id", g->pad);
    put_number(&b, "repetition_penalty", g->repetition_penalty);
    put_number(&b, "temperature", g->temperature);
    put_count(&b, "top_k", g->top_k);
    put_number(&b, "top_p", g->top_p);
    lt_buf_str(&b, "\n}\n");
    lt_buf_fmt(&path, "%s/generation_config.json", folder);
    int rc = lt_file_save(path.p, b.p, b.n);
    lt_buf_free(&path);
    lt_buf_free(&b);
    return rc;
}
