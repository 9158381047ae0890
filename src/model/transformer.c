/* The back end that runs a model of this library: a Hugging Face folder or a llama2.c checkpoint, with the tokenizer
 * that lies in it.  A folder without one still takes token ids.
 *     lathe generate out/model --prompt "Once upon a time" */
#include "base/ctx.h"
#include "base/io.h"
#include "model/session.h"
#include "text/tok_gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_NUMBERS = 8 << 20 };   /* weights of a model that lives in the caches */

struct options { const char *path, *dtype, *cache, *tokenizer; int64_t cache_memory; struct lt_list adapter; };
struct transformer {
    struct lt_ctx *ctx;
    struct lt_model *model;
    struct lt_tokenizer *tokenizer;
    struct lt_adapters adapters;
    struct lt_session_spec spec;
    struct lt_runner *runner;       /* NULL until a session is asked for */
};

static bool transformer_claims(const char *path)
{
    if (!lt_path_is_dir(path)) return lt_model_is_file(path);
    struct lt_buf config = { 0 };
    lt_buf_fmt(&config, "%s/config.json", path);
    bool is = lt_path_exists(config.p);
    lt_buf_free(&config);
    return is;
}

/* tokenizer.json of the model's folder, or tokenizer.bin, which llama2.c puts there; empty: neither. */
static void find_tokenizer(struct lt_buf *path, const char *model)
{
    static const char *const name[] = { "tokenizer.json", "tokenizer.bin" };
    const char *slash = strrchr(model, '/');
    int n = lt_path_is_dir(model) ? (int)strlen(model) : slash ? (int)(slash - model) : 0;
    for (int i = 0; i < LT_COUNT(name); i++) {
        lt_buf_clear(path);
        lt_buf_fmt(path, "%.*s%s%s", n, model, n ? "/" : "", name[i]);
        if (lt_path_exists(path->p)) return;
    }
    lt_buf_clear(path);
}

static int open_tokenizer(struct transformer *t, const struct options *o)
{
    struct lt_buf path = { 0 };
    if (o->tokenizer) lt_buf_str(&path, o->tokenizer);
    else if (t->model->gguf && lt_tok_in_gguf(t->model->gguf)) lt_buf_str(&path, o->path);
    else if (!t->model->gguf) find_tokenizer(&path, o->path);
    int rc = path.n ? lt_tokenizer_open(path.p, &t->tokenizer) : 0;
    if (rc == 0 && t->tokenizer && lt_tokenizer_vocab(t->tokenizer) > t->model->vocab)
        rc = lt_fail("%s: ids go up to %d and the model's vocabulary has %" PRId64
                     " tokens: this is another model's tokenizer",
                     path.p, lt_tokenizer_vocab(t->tokenizer) - 1, t->model->vocab);
    lt_buf_free(&path);
    return rc;
}

/* PATH, every session's unless it is told otherwise, or NAME=PATH for those that ask for NAME. */
static int open_adapter(struct transformer *t, const char *item)
{
    struct lt_adapters *all = &t->adapters;
    struct lt_str name, path = lt_str(item);
    struct lt_adapter_named *to = &all->item[all->count];
    bool named = lt_path_named(item, &name, &path.p);
    if (!named && all->usual >= 0)
        return lt_misuse("adapter: a text is written with one; there are %s and %s",
                         all->item[all->usual].adapter->path, item);
    if (named && (!name.n || !*path.p)) return lt_misuse("adapter: expected PATH or NAME=PATH, found \"%s\"", item);
    if (!named) name = lt_str(item);
    for (int i = 0; i < all->count; i++)
        if (lt_str_is(name, all->item[i].name))
            return lt_misuse("adapter: there are two of the name \"%s\"", all->item[i].name);
    if (lt_adapter_open(path.p, t->model, &to->adapter)) return -1;
    to->name = lt_arena_str(&to->adapter->arena, name);
    if (!named) all->usual = all->count;
    all->count++;
    return 0;
}

static int open_adapters(struct transformer *t, const struct options *o)
{
    t->adapters.usual = -1;
    t->adapters.item = lt_calloc((size_t)o->adapter.count + 1, sizeof *t->adapters.item);
    for (int i = 0; i < o->adapter.count; i++)
        if (open_adapter(t, o->adapter.item[i])) return -1;
    t->spec.adapters = &t->adapters;
    return 0;
}

static void transformer_close(void *self)
{
    struct transformer *t = self;
    lt_runner_free(t->runner);
    for (int i = 0; i < t->adapters.count; i++) lt_adapter_free(t->adapters.item[i].adapter);
    free(t->adapters.item);
    lt_tokenizer_free(t->tokenizer);
    lt_model_free(t->model);
    free(t);
}

static int transformer_open(const void *v, struct lt_ctx *c, void **self)
{
    const struct options *o = v;
    struct transformer *t = lt_calloc(1, sizeof *t);
    t->ctx = c;
    t->spec = (struct lt_session_spec){ .compute = strcmp(o->dtype, "float32") ? LT_COMPUTE_BF16 : LT_COMPUTE_F32,
                                        .cache = !strcmp(o->cache, "float32") ? LT_F32
                                            : !strcmp(o->cache, "bfloat16") ? LT_BF16 : LT_I8,
                                        .cache_limit = (size_t)o->cache_memory << 20 };
    if (lt_model_open(o->path, &t->model) || open_tokenizer(t, o) || open_adapters(t, o)) {
        transformer_close(t);
        return -1;
    }
    *self = t;
    return 0;
}

static int64_t weights_of(const struct lt_model *m)
{
    int64_t n = 0;
    for (int i = 0; i < m->weight_count; i++) n += lt_weight_count(&m->weight[i]);
    return n;
}

static int transformer_session(void *self, struct lt_session *out)
{
    struct transformer *t = self;
    if (t->runner) {
        lt_runner_session(t->runner, out);
        return 0;
    }
    /* bf16: rounded once instead of for every token, and half of what is read.  f32 gains in the caches alone. */
    if (t->spec.compute == LT_COMPUTE_BF16 || weights_of(t->model) <= PACK_NUMBERS)
        lt_model_pack(t->model, t->spec.compute, t->ctx);
    for (int i = 0; i < t->adapters.count; i++)
        lt_adapter_pack(t->adapters.item[i].adapter, t->spec.compute, t->ctx);
    if (lt_runner_new(t->model, t->ctx, t->spec, &t->runner)) return -1;
    lt_runner_session(t->runner, out);
    return 0;
}

static const struct lt_tokenizer *transformer_tokenizer(void *self)
{
    return ((struct transformer *)self)->tokenizer;
}

#define AT(field) offsetof(struct options, field)
static const struct lt_opt rows[] = {
    { .key = "path",
      .help = "model folder, .safetensors or .gguf file, or llama2.c checkpoint",
      .type = LT_STR,
      .at = AT(path),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "dtype",
      .help = "type of matrix products",
      .type = LT_STR,
      .at = AT(dtype),
      .text = "float32|bfloat16",
      .flags = LT_ENUM },
    { .key = "cache_type",
      .help = "type of keys and values kept; q8: bytes with a scale for each row of a head",
      .type = LT_STR,
      .at = AT(cache),
      .text = "float32|bfloat16|q8",
      .alias = "cache",
      .flags = LT_ENUM },
    { .key = "cache_memory",
      .help = "MiB for keys and values of all texts together; 0: any",
      .type = LT_INT,
      .at = AT(cache_memory),
      .dflt = 4096,
      .min = 0,
      .max = 1 << 24 },
    { .key = "tokenizer",
      .help = "tokenizer file; default: the one in the folder or the GGUF file",
      .type = LT_STR,
      .at = AT(tokenizer),
      .flags = LT_IN },
    { .key = "adapter",
      .help = "PEFT folder whose change every text has; NAME=PATH: the texts that ask for NAME",
      .type = LT_LIST,
      .at = AT(adapter),
      .alias = "lora,lora_path,lora_modules",
      .flags = LT_TEXTS },
    { 0 },
};
const struct lt_lm_type lt_lm_transformer = {
    .m = { .name = "transformer", .brief = "a Transformer in a model folder or a llama2.c checkpoint",
           .size = sizeof(struct options), .opts = rows,
           .doc = "adapter=FOLDER runs it with a LoRA adapter (doc/formats/adapter.md).\n"
                  "Keys and values of the texts so far are kept, so a token costs one pass over the weights; what\n"
                  "texts have in common at their beginning is computed and kept once.\n"
                  "    lathe generate transformer:path=out/model,dtype=bfloat16 --prompt \"Once upon a time\"" },
    .claims = transformer_claims, .open = transformer_open, .session = transformer_session,
    .tokenizer = transformer_tokenizer, .close = transformer_close,
};
