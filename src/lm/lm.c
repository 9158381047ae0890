#include "lm/how.h"

#include "base/io.h"
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static const struct lt_kind *backends(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "lm")) k++;
    return k;
}

static int open_with(const struct lt_lm_type *type, struct lt_options *s, struct lt_ctx *c, struct lt_lm *out)
{
    const void *o = lt_options_done(s);
    if (!o || type->open(o, c, &out->self)) return -1;
    out->type = type;
    return 0;
}

/* key=value; where is what to call it in messages. */
static int set_pair(struct lt_options *s, const char *where, struct lt_str part)
{
    struct lt_str value = part, key;
    lt_str_split(&value, '=', &key);
    if (!value.p) return lt_misuse("%s: expected key=value, found \"%.*s\"", where, (int)part.n, part.p);
    struct lt_buf k = { 0 }, v = { 0 };
    lt_buf_put(&k, key.p, key.n);
    lt_buf_put(&v, value.p, value.n);
    int rc = lt_options_set(s, k.p, v.p);
    lt_buf_free(&k);
    lt_buf_free(&v);
    return rc;
}

static int open_more(const struct lt_lm_type *type, struct lt_options *s, const struct lt_list *more, struct lt_ctx *c,
                     struct lt_lm *out)
{
    for (int i = 0; more && i < more->count; i++)
        if (set_pair(s, type->m.name, lt_str(more->item[i]))) return -1;
    return open_with(type, s, c, out);
}

/* The row that takes all that stands behind NAME: as it is; NULL: options stand there. */
static const struct lt_opt *whole_row(const struct lt_method *m)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (r->type == LT_STR && (r->flags & LT_ARG) && (r->flags & LT_TEXTS)) return r;
    return NULL;
}

/* NAME:key=value,key=value, or NAME:text */
static int open_named(const struct lt_lm_type *type, const char *spec, const char *whole, const struct lt_list *more,
                      struct lt_ctx *c, struct lt_lm *out)
{
    struct lt_options *s = lt_options_new(&type->m);
    struct lt_str rest = lt_str(spec), part;
    const struct lt_opt *whole_text = whole_row(&type->m);
    int rc = whole_text ? lt_options_set(s, whole_text->key, spec) : 0;
    while (!rc && !whole_text && rest.n && lt_str_split(&rest, ',', &part)) rc = set_pair(s, whole, part);
    if (!rc) rc = open_more(type, s, more, c, out);
    lt_options_free(s);
    return rc;
}

int lt_lm_open(const char *path, struct lt_ctx *c, struct lt_lm *out)
{
    return lt_lm_open_with(path, NULL, c, out);
}

/* NAME of NAME:...; NULL: it has none that is known. */
static const struct lt_lm_type *named_type(const char *path)
{
    const char *colon = strchr(path, ':');
    for (const struct lt_method *const *m = backends()->member; colon && *m; m++) {
        size_t n = strlen((*m)->name);
        if ((size_t)(colon - path) == n && !strncmp(path, (*m)->name, n)) return (const struct lt_lm_type *)*m;
    }
    return NULL;
}

const struct lt_lm_type *lt_lm_type_of(const char *path)
{
    const struct lt_lm_type *type = named_type(path);
    for (const struct lt_method *const *m = backends()->member; !type && *m; m++) {
        const struct lt_lm_type *t = (const struct lt_lm_type *)*m;
        if (t->claims && t->claims(path)) type = t;
    }
    if (!type && !strchr(path, ':') && !lt_path_exists(path)) lt_fail("%s: there is no such file or folder", path);
    else if (!type)
        lt_fail("%s: not a language model: expected a folder with config.json and safetensors or another file that "
                "`lathe help lm` lists", path);
    return type;
}

static int open_path(const char *path, const struct lt_list *more, struct lt_ctx *c, struct lt_lm *out)
{
    const struct lt_lm_type *type = lt_lm_type_of(path);
    if (!type) return -1;
    if (type == named_type(path)) return open_named(type, strchr(path, ':') + 1, path, more, c, out);
    struct lt_options *s = lt_options_new(&type->m);
    int rc = lt_options_set(s, "path", path);
    if (!rc) rc = open_more(type, s, more, c, out);
    lt_options_free(s);
    return rc;
}

int lt_lm_open_with(const char *path, const struct lt_list *more, struct lt_ctx *c, struct lt_lm *out)
{
    static _Thread_local int depth;         /* of models that open others while they are opened */
    if (depth == DEPTH_MAX)
        return lt_fail("%s: models within models go %d deep at most; does one hold itself?", path, DEPTH_MAX);
    depth++;
    int rc = open_path(path, more, c, out);
    depth--;
    return rc;
}

void lt_lm_close(struct lt_lm *lm)
{
    if (lm->type) lm->type->close(lm->self);
    *lm = (struct lt_lm){ 0 };
}

void lt_reply_release(struct lt_reply *r)
{
    free(r->text);
    free(r->token);
    free(r->logp);
    free(r->top_token);
    free(r->top_logp);
    *r = (struct lt_reply){ 0 };
}
