/* Making an artefact again from its run record, and comparing. */
#include "recipe/history.h"
#include "base/io.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct repeat {
    struct lt_arena arena;
    struct lt_origin origin;
    const struct lt_verb *verb;
    char *room;                         /* folder for the new outputs */
    const char **made;                  /* path of each output there */
};

/* Nothing is begun unless the same result can come of it. */
static int check_inputs(const struct repeat *r)
{
    const struct lt_origin *o = &r->origin;
    if (*o->base)
        return lt_fail("%s: was made from the folder %.*s; run `lathe reproduce` there", o->owner,
                       (int)strlen(o->base) - 1, o->base);
    for (int i = 0; i < lt_record_entries(o->record.inputs); i++) {
        struct lt_record_entry e = lt_record_entry(o->record.inputs, i);
        const char *now = lt_origin_now(o, &e);
        if (!strcmp(now, "unknown"))
            return lt_fail("%s: was made from %s, whose content the record does not hold", o->owner, e.path);
        if (strcmp(now, "same"))
            return lt_fail("%s: its input %s is %s, so the same cannot be made from it", o->owner, e.path, now);
    }
    return 0;
}

static const char *last_name(struct lt_arena *a, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t at = n;
    while (at > 0 && path[at - 1] != '/') at--;
    return lt_arena_str(a, (struct lt_str){ path + at, n - at });
}

/* ".NAME.PID.again.tmp" beside the owner: a name that no hash takes into account. */
static int make_room(struct repeat *r)
{
    const char *owner = r->origin.owner, *slash = strrchr(owner, '/');
    r->room = lt_arena_fmt(&r->arena, "%.*s.%s.%ld.again.tmp", slash ? (int)(slash - owner) + 1 : 0, owner,
                           last_name(&r->arena, owner), (long)getpid());
    return lt_remove_tree(r->room) || lt_mkdirs(r->room) ? -1 : 0;
}

/* Puts `now` in the place of `was` in an option of the verb's own: a text, or one of a list. */
static int move_output(json_t *options, const struct lt_record_entry *e, const char *now)
{
    json_t *value = json_object_get(options, e->option), *item;
    size_t i;
    if (json_is_string(value)) return json_object_set_new(options, e->option, json_string(now));
    json_array_foreach(value, i, item)
        if (json_is_string(item) && !strcmp(json_string_value(item), e->path))
            return json_array_set_new(value, i, json_string(now));
    return lt_fail("the output %s is named by \"%s\" in a way that cannot be given another place", e->path, e->option);
}

static struct lt_options *fill(struct repeat *r)
{
    const struct lt_record *record = &r->origin.record;
    json_t *options = json_deep_copy(record->options);
    int count = lt_record_entries(record->outputs), rc = 0;
    r->made = lt_arena_zero(&r->arena, (size_t)count + 1, sizeof(*r->made));
    for (int i = 0; i < count && rc == 0; i++) {
        struct lt_record_entry e = lt_record_entry(record->outputs, i);
        const char *folder = lt_arena_fmt(&r->arena, "%s/%d", r->room, i);
        r->made[i] = lt_arena_fmt(&r->arena, "%s/%s", folder, last_name(&r->arena, e.path));
        rc = lt_mkdirs(folder) || move_output(options, &e, r->made[i]) ? -1 : 0;
    }
    struct lt_options *s = lt_options_new(&r->verb->m);
    char *text = json_dumps(options, 0);
    if (rc == 0 && (lt_options_json(s, text) || !lt_options_done(s)))
        rc = lt_fail("%s: this version refuses the recorded options: %s", r->origin.place, lt_error());
    free(text);
    json_decref(options);
    if (rc == 0) return s;
    lt_options_free(s);
    return NULL;
}

/* ---- comparing ---- */
static void put_difference(struct lt_buf *report, const char *name, const char *was, const char *now, int depth);

static bool has_name(char **names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static void put_folder(struct lt_buf *report, const char *name, const char *was, const char *now, int depth)
{
    char **a = NULL, **b = NULL;
    int a_count = 0, b_count = 0;
    lt_list_dir(was, &a, &a_count);
    lt_list_dir(now, &b, &b_count);
    for (int i = 0; i < a_count + b_count; i++) {
        const char *below = i < a_count ? a[i] : b[i - a_count];
        if (lt_path_is_volatile(below) || (i >= a_count && has_name(a, a_count, below))) continue;
        struct lt_buf x = { 0 }, y = { 0 }, z = { 0 };
        lt_buf_fmt(&x, "%s/%s", name, below);
        lt_buf_fmt(&y, "%s/%s", was, below);
        lt_buf_fmt(&z, "%s/%s", now, below);
        put_difference(report, x.p, y.p, z.p, depth + 1);
        lt_buf_free(&x);
        lt_buf_free(&y);
        lt_buf_free(&z);
    }
    for (int i = 0; i < a_count; i++) free(a[i]);
    for (int i = 0; i < b_count; i++) free(b[i]);
    free(a);
    free(b);
}

/* A line for every file that differs below two folders. */
static void put_difference(struct lt_buf *report, const char *name, const char *was, const char *now, int depth)
{
    char x[33], y[33];
    if (!lt_path_exists(was) || !lt_path_exists(now)) {
        lt_buf_fmt(report, "%s\t%s\n", lt_path_exists(was) ? "missing" : "new", name);
    } else if (lt_path_is_dir(was) && lt_path_is_dir(now) && depth < 32) {
        put_folder(report, name, was, now, depth);
    } else if (lt_hash_path(was, x, NULL) || lt_hash_path(now, y, NULL) || strcmp(x, y)) {
        lt_buf_fmt(report, "differs\t%s\n", name);
    }
}

/* How many outputs differ from what the record says, -1: lt_error. */
static int compare(const struct repeat *r, struct lt_buf *report)
{
    const json_t *outputs = r->origin.record.outputs;
    int differ = 0;
    for (int i = 0; i < lt_record_entries(outputs); i++) {
        struct lt_record_entry e = lt_record_entry(outputs, i);
        char hex[33];
        if (lt_hash_path(r->made[i], hex, NULL)) return -1;
        bool same = e.hash && !strcmp(hex, e.hash);
        lt_buf_fmt(report, "%s\t%s\n", same ? "same" : "differs", e.path);
        differ += !same;
        if (!same && lt_path_is_dir(e.path)) put_folder(report, e.path, e.path, r->made[i], 0);
    }
    return differ;
}

/* ---- the whole ---- */
static const char *kept_name(struct repeat *r, int i)
{
    const char *path = lt_record_entry(r->origin.record.outputs, i).path;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    return lt_arena_fmt(&r->arena, "%.*s.again", (int)n, path);
}

static int check_names(struct repeat *r)
{
    for (int i = 0; i < lt_record_entries(r->origin.record.outputs); i++)
        if (lt_path_exists(kept_name(r, i)))
            return lt_fail("%s: is there already; remove it, or leave out --keep", kept_name(r, i));
    return 0;
}

static int keep_outputs(struct repeat *r)
{
    for (int i = 0; i < lt_record_entries(r->origin.record.outputs); i++)
        if (rename(r->made[i], kept_name(r, i)))
            return lt_fail("%s: cannot be put in place: %s", kept_name(r, i), strerror(errno));
    return 0;
}

static int repeat(struct repeat *r, bool keep, struct lt_ctx *c, struct lt_buf *report, bool *same)
{
    if (check_inputs(r) || (keep && check_names(r))) return -1;
    if (!lt_record_entries(r->origin.record.outputs)) return lt_fail("%s: names no output to compare", r->origin.place);
    if (make_room(r)) return -1;
    struct lt_options *s = fill(r);
    int rc = s ? r->verb->run(lt_options_done(s), c) : -1, differ = 0;
    if (rc == 0 && lt_ctx_interrupted(c)) rc = lt_fail("interrupted");
    if (rc == 0) differ = compare(r, report);
    if (differ < 0) rc = -1;
    *same = rc == 0 && differ == 0;
    if (rc == 0 && keep) rc = keep_outputs(r);
    lt_options_free(s);
    struct lt_buf sentence = { 0 };
    lt_buf_str(&sentence, lt_error());
    if (lt_remove_tree(r->room) && rc == 0) rc = -1;
    else if (rc) lt_fail("%s", sentence.p);             /* what went wrong first is what is told */
    lt_buf_free(&sentence);
    return rc;
}

int lt_reproduce(const char *artefact, bool keep, lt_verb_find_fn *find, void *self, struct lt_ctx *c,
                 struct lt_buf *report, bool *same)
{
    struct repeat r = { 0 };
    *same = false;
    if (lt_origin_open(artefact, &r.origin)) return -1;
    r.verb = find(self, r.origin.record.verb);
    int rc = r.verb ? repeat(&r, keep, c, report, same) : -1;
    lt_origin_close(&r.origin);
    lt_arena_free(&r.arena);
    return rc;
}
