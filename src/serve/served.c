#include "serve/served.h"
#include "base/io.h"
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

/* NAME=PATH, unless there is such a path, or it is the options of a back end: "fake:vocab=9". */
static int split_item(struct lt_served *m, const char *item, const char **path)
{
    const char *eq = strchr(item, '='), *colon = strchr(item, ':');
    *path = item;
    if (!eq || lt_path_exists(item) || (colon && colon < eq)) {
        m->name = name_of_path(item);
        return 0;
    }
    if (eq == item || !eq[1]) return lt_misuse("model: expected a path or NAME=PATH, found \"%s\"", item);
    struct lt_buf name = { 0 };
    lt_buf_put(&name, item, (size_t)(eq - item));
    m->name = lt_strdup(name.p);
    lt_buf_free(&name);
    *path = eq + 1;
    return 0;
}

static int open_chat(struct lt_served *m, const char *path, const char *from)
{
    if (!from && !lt_path_exists(path)) {
        m->no_chat = lt_strdup("the model has no chat template; start the server with --chat_template");
        return 0;
    }
    if (!lt_chat_open(from ? from : path, &m->chat)) return 0;
    m->chat = NULL;
    m->no_chat = lt_strdup(lt_error());
    return from ? -1 : 0;
}

int lt_served_open(struct lt_served *m, const char *item, const struct lt_serve_options *o, struct lt_ctx *c,
                   struct lt_turns *turns)
{
    const char *path;
    *m = (struct lt_served){ 0 };
    lt_generation_init(&m->says);
    if (split_item(m, item, &path)) return -1;
    m->path = path;
    if (o->served_model_name) {
        free(m->name);
        m->name = lt_strdup(o->served_model_name);
    }
    struct lt_engine_how how = { .batch = (int)o->batch_size, .queue = (int)o->queue,
                                 .request_time = o->request_timeout, .prompt_tokens = o->max_prompt_tokens,
                                 .pooling = strcmp(o->pooling, "last") ? LT_POOL_MEAN : LT_POOL_LAST,
                                 .says = &m->says, .name = m->name, .turns = turns };
    if (lt_path_exists(path) && lt_generation_read(path, &m->says)) return -1;
    if (lt_how_open(&o->how, path, c, &m->lm) || open_chat(m, path, o->chat_template)) return -1;
    return lt_engine_open(&m->lm, &how, &m->engine);
}

void lt_served_close(struct lt_served *m)
{
    lt_engine_close(m->engine);
    lt_chat_free(m->chat);
    lt_lm_close(&m->lm);
    free(m->no_chat);
    free(m->name);
    *m = (struct lt_served){ 0 };
}
