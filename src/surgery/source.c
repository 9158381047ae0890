/* Opening what a model folder or a GGUF file holds: weights, tokenizer, chat template. */
#include "surgery/export.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static char *path_in(const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", folder, name);
    return b.p;
}

/* "chat_template" of tokenizer_config.json: a text, or a list of {name, template} of which "default" is taken. */
static int read_template(const char *path, struct lt_buf *out)
{
    json_t *root;
    if (lt_json_read(path, &root)) return -1;
    const json_t *v = json_object_get(root, "chat_template");
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && !strcmp(name, "default")) v = json_object_get(one, "template");
    }
    if (json_is_string(v)) lt_buf_put(out, json_string_value(v), json_string_length(v));
    json_decref(root);
    return 0;
}

static int folder_template(const char *folder, struct lt_buf *out)
{
    char *jinja = path_in(folder, "chat_template.jinja"), *config = path_in(folder, "tokenizer_config.json");
    int rc = lt_path_exists(jinja) ? lt_file_read(jinja, out) : lt_path_exists(config) ? read_template(config, out) : 0;
    free(jinja);
    free(config);
    return rc;
}

static bool folder_has_tokenizer(const char *folder)
{
    static const char *const name[] = { "tokenizer.json", "tokenizer.json.zst", "tokenizer.model" };
    bool there = false;
    for (int i = 0; i < LT_COUNT(name) && !there; i++) {
        char *path = path_in(folder, name[i]);
        there = lt_path_exists(path);
        free(path);
    }
    return there;
}

/* The last component of a path, without .gguf and the like. */
static void put_stem(const char *path, struct lt_buf *out)
{
    size_t n = strlen(path);
    while (n && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin && path[begin - 1] != '/') begin--;
    lt_buf_put(out, path + begin, n - begin);
    static const char *const ending[] = { ".gguf", ".safetensors", ".bin" };
    for (int i = 0; i < LT_COUNT(ending); i++)
        if (out->n > strlen(ending[i]) && lt_str_ends(lt_buf_view(out), ending[i])) out->n -= strlen(ending[i]);
    lt_buf_put(out, "", 0);
}

static int open_beside(struct lt_source *s, const char *tokenizer)
{
    const struct lt_gguf *g = s->m->gguf;
    struct lt_str text = { 0 };
    if (g) {
        if (lt_gguf_str(g, "general.name", &text) < 0) return -1;
        if (text.n) {
            lt_buf_clear(&s->name);
            lt_buf_put(&s->name, text.p, text.n);
        }
        text = (struct lt_str){ 0 };
        if (lt_gguf_str(g, "tokenizer.chat_template", &text) < 0) return -1;
        lt_buf_put(&s->chat, text.p, text.n);
    } else if (lt_path_is_dir(s->path) && folder_template(s->path, &s->chat)) {
        return -1;
    }
    if (tokenizer) return lt_tokenizer_open(tokenizer, &s->tokenizer);
    if (g) return lt_tok_in_gguf(g) ? lt_tok_of_gguf(g, &s->tokenizer) : 0;
    return lt_path_is_dir(s->path) && folder_has_tokenizer(s->path) ? lt_tokenizer_open(s->path, &s->tokenizer) : 0;
}

int lt_source_open(const char *path, const char *tokenizer, struct lt_source *out)
{
    *out = (struct lt_source){ .path = path, .own_tokenizer = tokenizer == NULL };
    put_stem(path, &out->name);
    if (lt_model_open(path, &out->m) || open_beside(out, tokenizer)) return -1;
    if (out->tokenizer && lt_tokenizer_vocab(out->tokenizer) > out->m->vocab)
        return lt_fail("%s: the tokenizer has ids up to %d and the model's vocabulary %lld tokens: this is another "
                       "model's tokenizer", tokenizer ? tokenizer : path, lt_tokenizer_vocab(out->tokenizer) - 1,
                       (long long)out->m->vocab);
    return 0;
}

void lt_source_release(struct lt_source *s)
{
    lt_tokenizer_free(s->tokenizer);
    lt_model_free(s->m);
    lt_buf_free(&s->chat);
    lt_buf_free(&s->name);
}
