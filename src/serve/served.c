#include "serve/served.h"
#include "base/gguf.h"
#include <stdlib.h>
#include <string.h>

/* The last part of a path, without what its format is called; all of what is no path. */
static char *name_of_path(const char *path)
{
    static const char *const format[] = { ".gguf", ".bin", ".safetensors" };
    if (!lt_path_exists(path)) return lt_strdup(path);
    char *whole = lt_strdup(path);
    size_t n = strlen(whole);
    while (n > 1 && whole[n - 1] == '/') whole[--n] = 0;
    char *slash = strrchr(whole, '/'), *name = lt_strdup(slash && slash[1] ? slash + 1 : whole);
    free(whole);
    n = strlen(name);
    for (int i = 0; i < LT_COUNT(format); i++) {
        size_t m = strlen(format[i]);
        if (n > m && !strcmp(name + n - m, format[i])) name[n - m] = 0;
    }
    return name;
}

static char *name_of(struct lt_str s)
{
    struct lt_buf name = { 0 };
    lt_buf_put(&name, s.p, s.n);
    char *text = lt_strdup(name.p);
    lt_buf_free(&name);
    return text;
}

/* NAME=PATH, unless there is such a path, or it is the options of a back end: "fake:vocab=9". */
static int split_item(struct lt_served *m, const char *item, const char **path)
{
    const char *colon = strchr(item, ':');
    struct lt_str name;
    if (!lt_path_named(item, &name, path) || (colon && colon < item + name.n)) {
        *path = item;
        m->name = name_of_path(item);
        return 0;
    }
    if (!name.n || !**path) return lt_misuse("model: expected a path or NAME=PATH, found \"%s\"", item);
    m->name = name_of(name);
    return 0;
}

static int open_chat(struct lt_served *m, const char *path, const char *from)
{
    bool may = lt_path_is_dir(path) || lt_gguf_is_file(path);     /* any other file would be taken for a template */
    if (!from && !may) {
        m->no_chat = lt_strdup("the model has no chat template; start the server with --chat_template");
        return 0;
    }
    if (!lt_chat_open(from ? from : path, &m->chat)) return 0;
    m->chat = NULL;
    m->no_chat = lt_strdup(lt_error());
    return from ? -1 : 0;
}

int lt_served_begin(struct lt_served *m, const char *item, const struct lt_serve_options *o)
{
    *m = (struct lt_served){ 0 };
    lt_generation_init(&m->says);
    if (split_item(m, item, &m->path)) return -1;
    if (!o->served_model_name) return 0;
    free(m->name);
    m->name = lt_strdup(o->served_model_name);
    return 0;
}

/* ---- adapters ---- */

/* "MODEL/" at the beginning of a name; the longest, since names may hold slashes.  NULL: none. */
static struct lt_served *owner_of(struct lt_served *m, int models, struct lt_str *name)
{
    struct lt_served *owner = NULL;
    size_t taken = 0;
    for (int i = 0; i < models; i++) {
        size_t n = strlen(m[i].name);
        if (n < taken || name->n <= n || strncmp(name->p, m[i].name, n) || name->p[n] != '/') continue;
        owner = &m[i];
        taken = n + 1;
    }
    name->p += taken;
    name->n -= taken;
    return owner;
}

static int share_adapter(struct lt_served *m, int models, const char *item)
{
    struct lt_served_adapter a = { 0 };
    struct lt_str name;
    bool named = lt_path_named(item, &name, &a.path);
    struct lt_served *to = named ? owner_of(m, models, &name) : NULL;
    if (!to && models > 1)
        return lt_misuse("adapter: %s: there are %d models; write MODEL/NAME=PATH, where MODEL is the name of one",
                         item, models);
    if (!to) to = m;
    if (named && (!name.n || !*a.path)) return lt_misuse("adapter: expected a path or NAME=PATH, found \"%s\"", item);
    a.name = named ? name_of(name) : name_of_path(item);
    to->adapter = lt_realloc(to->adapter, ((size_t)to->adapters + 1) * sizeof *to->adapter);
    to->adapter[to->adapters++] = a;
    return 0;
}

int lt_served_share_adapters(struct lt_served *m, int models, const struct lt_serve_options *o)
{
    for (int i = 0; i < o->how.adapter.count; i++)
        if (share_adapter(m, models, o->how.adapter.item[i])) return -1;
    return 0;
}

/* Each adapter is one that requests ask for by name. */
static int open_model(struct lt_served *m, const struct lt_serve_options *o, struct lt_ctx *c)
{
    struct lt_arena a = { 0 };
    struct lt_how how = o->how;
    how.adapter = (struct lt_list){ .item = lt_arena_zero(&a, (size_t)m->adapters + 1, sizeof(char *)) };
    for (int i = 0; i < m->adapters; i++)
        how.adapter.item[how.adapter.count++] = lt_arena_fmt(&a, "%s=%s", m->adapter[i].name, m->adapter[i].path);
    int rc = lt_how_open_some(&how, m->path, c, &m->lm, NULL);
    lt_arena_free(&a);
    return rc;
}

/* ---- life ---- */

int lt_served_open(struct lt_served *m, const struct lt_serve_options *o, struct lt_ctx *c, struct lt_turns *turns)
{
    struct lt_engine_how how = { .batch = (int)o->batch_size, .queue = (int)o->queue,
                                 .request_time = o->request_timeout, .prompt_tokens = o->max_prompt_tokens,
                                 .pooling = strcmp(o->pooling, "last") ? LT_POOL_MEAN : LT_POOL_LAST,
                                 .says = &m->says, .name = m->name, .turns = turns };
    if (lt_path_exists(m->path) && lt_generation_read(m->path, &m->says)) return -1;
    if (open_model(m, o, c) || open_chat(m, m->path, o->chat_template)) return -1;
    return lt_engine_open(&m->lm, &how, &m->engine);
}

void lt_served_close(struct lt_served *m)
{
    lt_engine_close(m->engine);
    lt_chat_free(m->chat);
    lt_lm_close(&m->lm);
    for (int i = 0; i < m->adapters; i++) free(m->adapter[i].name);
    free(m->adapter);
    free(m->no_chat);
    free(m->name);
    *m = (struct lt_served){ 0 };
}
