#include "recipe/record.h"
#include "base/io.h"
#include "base/option.h"
#include "math/cpu.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- paths that rows name ---- */
struct walk { unsigned flag; struct lt_arena *arena; struct lt_option_path *path; int count; };

static void add_path(struct walk *w, const char *option, const char *path)
{
    struct lt_option_path *more = lt_arena_take(w->arena, ((size_t)w->count + 1) * sizeof(*more));
    if (w->count) memcpy(more, w->path, (size_t)w->count * sizeof(*more));
    more[w->count++] = (struct lt_option_path){ option, path };
    w->path = more;
}

static void walk_rows(struct walk *w, const struct lt_opt *rows, const void *o, const char *prefix)
{
    for (const struct lt_opt *r = rows; r && r->key; r++) {
        const void *at = (const char *)o + r->at;
        const char *option = lt_arena_fmt(w->arena, "%s%s", prefix, r->key);
        const struct lt_choices one = { .item = (struct lt_choice *)at, .count = 1 };
        const struct lt_choices *c = r->type == LT_METHODS ? at : r->type == LT_METHOD ? &one : NULL;
        for (int i = 0; c && i < c->count; i++)
            if (c->item[i].method)
                walk_rows(w, c->item[i].method->opts, c->item[i].o,
                          lt_arena_fmt(w->arena, "%s.", r->type == LT_METHODS ? c->item[i].method->name : option));
        if (!(r->flags & w->flag)) continue;
        if (r->type == LT_STR && *(const char *const *)at) add_path(w, option, *(const char *const *)at);
        const struct lt_list *l = r->type == LT_LIST ? at : NULL;
        for (int i = 0; l && i < l->count; i++) add_path(w, option, l->item[i]);
    }
}

int lt_option_paths(struct lt_options *s, unsigned flag, struct lt_arena *a, struct lt_option_path **out)
{
    struct walk w = { .flag = flag, .arena = a };
    walk_rows(&w, lt_options_method(s)->opts, *lt_options_slot(s), "");
    *out = w.path;
    return w.count;
}

/* What cannot even be looked at is no reason to record that nothing is known of it. */
static int look(const char *path, bool *content)
{
    struct stat st;
    *content = false;
    if (!strcmp(path, "-")) return 0;
    if (stat(path, &st) == 0) *content = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
    else if (errno != ENOENT && errno != ENOTDIR) return lt_fail("%s: cannot look at it: %s", path, strerror(errno));
    return 0;
}

bool lt_path_is_content(const char *path)
{
    bool content;
    return look(path, &content) == 0 && content;
}

/* ---- making ---- */
/* Members hash and bytes of an entry: null where there is no content to hash. */
static int hash_entry(json_t *entry)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    char hex[33];
    uint64_t bytes;
    bool content;
    if (look(path, &content) || (content && lt_hash_path(path, hex, &bytes))) return -1;
    json_object_set_new(entry, "hash", content ? json_string(hex) : json_null());
    json_object_set_new(entry, "bytes", content ? json_integer((json_int_t)bytes) : json_null());
    return 0;
}

static int add_entries(json_t *record, const char *name, struct lt_options *s, unsigned flag)
{
    struct lt_arena a = { 0 };
    struct lt_option_path *p;
    json_t *list = json_array();
    int count = lt_option_paths(s, flag, &a, &p), rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        json_t *entry = json_pack("{s:s, s:s}", "option", p[i].option, "path", p[i].path);
        if (!entry) rc = lt_fail("option \"%s\": the path is not UTF-8, so no run record can name it", p[i].option);
        else if (flag == LT_IN) rc = hash_entry(entry);
        json_array_append_new(list, entry);
    }
    json_object_set_new(record, name, list);
    lt_arena_free(&a);
    return rc;
}

static char *print(const json_t *j)
{
    struct lt_buf b = { 0 };
    lt_json_put(&b, j);
    lt_buf_char(&b, '\n');
    return b.p;
}

char *lt_record_make(const char *verb, const struct lt_options *options)
{
    struct lt_options *s = (struct lt_options *)options;    /* done once, a set does not change */
    if (!lt_options_done(s)) return NULL;
    char *resolved = lt_options_resolved(s, false), *text = NULL;
    json_t *o;
    if (lt_json_parse("resolved options", lt_str(resolved), &o) == 0) {
        const json_t *seed = json_object_get(o, "seed");
        json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:s, s:O, s:o}", "format", LT_RECORD_FORMAT, "verb", verb,
                                   "version", LATHE_VERSION, "build", lt_build_id(), "isa", lt_isa_name(lt_cpu_level()),
                                   "seed", seed ? seed : json_null(), "options", o);
        int rc = add_entries(record, "inputs", s, LT_IN);
        if (rc == 0) rc = add_entries(record, "outputs", s, LT_OUT);
        if (rc == 0) text = print(record);
        json_decref(record);
    }
    free(resolved);
    return text;
}

/* ---- reading ---- */
static int check_entries(const char *where, const char *name, const json_t *list)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)list, i, entry) {
        const char *text;
        int64_t bytes;
        if (!json_is_object(entry)) return lt_fail("%s: \"%s\": expected a list of objects", where, name);
        if (lt_json_need(entry, where, "option") || lt_json_str(entry, where, "option", &text) < 0
            || lt_json_need(entry, where, "path") || lt_json_str(entry, where, "path", &text) < 0
            || lt_json_str(entry, where, "hash", &text) < 0
            || lt_json_int(entry, where, "bytes", 0, INT64_MAX, &bytes) < 0)
            return -1;
    }
    return 0;
}

static int check(const char *where, struct lt_record *r)
{
    const json_t *j = r->json;
    const char *format = json_string_value(json_object_get(j, "format"));
    if (!format || strcmp(format, LT_RECORD_FORMAT))
        return lt_fail("%s: not a run record that this version reads (\"format\" is not \"%s\")", where,
                       LT_RECORD_FORMAT);
    const struct { const char *key; const char **out; } texts[] = {
        { "verb", &r->verb }, { "version", &r->version }, { "build", &r->build }, { "isa", &r->isa },
    };
    for (int i = 0; i < LT_COUNT(texts); i++)
        if (lt_json_need(j, where, texts[i].key) || lt_json_str(j, where, texts[i].key, texts[i].out) < 0) return -1;
    const struct { const char *key; json_t **out; } lists[] = { { "inputs", &r->inputs }, { "outputs", &r->outputs } };
    for (int i = 0; i < LT_COUNT(lists); i++)
        if (lt_json_need(j, where, lists[i].key) || lt_json_array(j, where, lists[i].key, lists[i].out) < 0
            || check_entries(where, lists[i].key, *lists[i].out))
            return -1;
    return lt_json_need(j, where, "options") || lt_json_object(j, where, "options", &r->options) < 0 ? -1 : 0;
}

int lt_record_parse(const char *label, struct lt_str text, struct lt_record *out)
{
    *out = (struct lt_record){ 0 };
    if (lt_json_parse(label, text, &out->json)) return -1;
    if (check(label, out) == 0) return 0;
    lt_record_release(out);
    return -1;
}

void lt_record_release(struct lt_record *r)
{
    json_decref(r->json);
    *r = (struct lt_record){ 0 };
}

int lt_record_entries(const json_t *list) { return (int)json_array_size(list); }

struct lt_record_entry lt_record_entry(const json_t *list, int i)
{
    const json_t *e = json_array_get(list, (size_t)i);
    return (struct lt_record_entry){
        .option = json_string_value(json_object_get(e, "option")),
        .path = json_string_value(json_object_get(e, "path")),
        .hash = json_string_value(json_object_get(e, "hash")),
        .bytes = json_integer_value(json_object_get(e, "bytes")),
    };
}

/* ---- where records lie ---- */
static size_t trimmed(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return n;
}

char *lt_record_own_place(const char *artefact)
{
    struct lt_buf b = { 0 };
    lt_buf_put(&b, artefact, trimmed(artefact));
    lt_buf_str(&b, lt_path_is_dir(artefact) ? "/" LT_RECORD_IN_FOLDER : LT_RECORD_BESIDE);
    return b.p;
}

static bool names_record(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, LT_RECORD_IN_FOLDER) || lt_str_ends(lt_str(path), LT_RECORD_BESIDE);
}

char *lt_record_place(const char *artefact)
{
    if (!lt_path_exists(artefact)) {
        lt_fail("%s: there is no such file or folder", artefact);
        return NULL;
    }
    if (names_record(artefact)) return lt_strdup(artefact);
    char *place = lt_record_own_place(artefact);
    size_t n = trimmed(artefact);
    while (!lt_path_exists(place)) {        /* the folders above */
        while (n && artefact[n - 1] != '/') n--;
        while (n > 1 && artefact[n - 1] == '/') n--;
        free(place);
        place = NULL;
        if (n == 0 || (n == 1 && artefact[0] == '/')) break;
        struct lt_buf b = { 0 };
        lt_buf_put(&b, artefact, n);
        lt_buf_str(&b, "/" LT_RECORD_IN_FOLDER);
        place = b.p;
    }
    if (!place) lt_fail("%s: has no run record, so how it was made is not known", artefact);
    return place;
}

int lt_record_read(const char *artefact, char **json)
{
    char *place = lt_record_place(artefact);
    struct lt_buf b = { 0 };
    int rc = place ? lt_file_read(place, &b) : -1;
    free(place);
    if (rc) lt_buf_free(&b);
    *json = rc ? NULL : b.p;
    return rc;
}

/* ---- writing ---- */
int lt_record_write(const char *record, const char *artefact)
{
    struct lt_record r;
    bool content;
    if (look(artefact, &content)) return -1;
    if (!content) return 0;                             /* a pipe or device keeps nothing that a record could tell of */
    if (lt_record_parse("run record", lt_str(record), &r)) return -1;
    json_t *kept = json_array(), *entry;
    size_t i;
    int rc = 0;
    json_array_foreach(r.outputs, i, entry) {
        if (rc == 0) rc = hash_entry(entry);
        if (json_is_string(json_object_get(entry, "hash"))) json_array_append(kept, entry);
    }
    json_object_set_new(r.json, "outputs", kept);
    char *text = print(r.json), *place = lt_record_own_place(artefact);
    if (rc == 0) rc = lt_file_save(place, text, strlen(text));
    free(place);
    free(text);
    lt_record_release(&r);
    return rc;
}

/* ---- a verb with its record ---- */
int lt_record_run(const struct lt_verb *v, struct lt_options *s, struct lt_ctx *c)
{
    const void *o = lt_options_done(s);
    if (!o) return -1;
    struct lt_arena a = { 0 };
    struct lt_option_path *out;
    int count = lt_option_paths(s, LT_OUT, &a, &out), rc = 0;
    char *record = count ? lt_record_make(v->m.name, s) : NULL;
    if (count && !record) rc = -1;
    if (rc == 0) rc = v->run(o, c);
    for (int i = 0; i < count && rc == 0 && !lt_ctx_interrupted(c); i++) rc = lt_record_write(record, out[i].path);
    free(record);
    lt_arena_free(&a);
    return rc;
}
