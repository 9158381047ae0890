/* Telling how an artefact came to be. */
#include "recipe/history.h"
#include "base/io.h"
#include "base/option.h"
#include "math/cpu.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };                  /* stories in stories */

/* ---- the record of an artefact ---- */
static char *owner_of(const char *place)
{
    struct lt_buf b = { 0 };
    size_t n = strlen(place);
    bool inside = lt_str_ends(lt_str(place), "/" LT_RECORD_IN_FOLDER);
    bool alone = !strcmp(place, LT_RECORD_IN_FOLDER);
    if (alone) lt_buf_str(&b, ".");
    else lt_buf_put(&b, place, n - (inside ? strlen("/" LT_RECORD_IN_FOLDER) : strlen(LT_RECORD_BESIDE)));
    return b.p;
}

/* The owner's path is the base and then an output's path, unless it was moved; then paths are taken from here. */
static char *base_of(const char *owner, const struct lt_record *r)
{
    struct lt_buf b = { 0 };
    lt_buf_put(&b, "", 0);
    for (int i = 0; i < lt_record_entries(r->outputs); i++) {
        struct lt_str out = lt_str(lt_record_entry(r->outputs, i).path);
        size_t n = strlen(owner);
        while (out.n > 1 && out.p[out.n - 1] == '/') out.n--;
        while (lt_str_starts(out, "./")) out = (struct lt_str){ out.p + 2, out.n - 2 };
        if (out.n == 0 || out.n >= n || memcmp(owner + n - out.n, out.p, out.n)
            || owner[n - out.n - 1] != '/') continue;
        lt_buf_put(&b, owner, n - out.n);
        if (!strcmp(b.p, "./")) lt_buf_clear(&b);
        break;
    }
    return b.p;
}

/* A verb whose result depends on more than its options (a run against the clock) leaves in its folder the options that
 * a repetition needs besides. */
static int add_repeat(struct lt_origin *o)
{
    for (int i = 0; i < lt_record_entries(o->record.outputs); i++) {
        struct lt_buf path = { 0 };
        json_t *more = NULL;
        lt_buf_fmt(&path, "%s%s/%s", *lt_record_entry(o->record.outputs, i).path == '/' ? "" : o->base,
                   lt_record_entry(o->record.outputs, i).path, LT_RECORD_REPEAT);
        int rc = lt_path_exists(path.p) ? lt_json_read(path.p, &more) : 0;
        if (rc == 0 && more && json_object_update(o->record.options, more))
            rc = lt_fail("%s: expected an object of options", path.p);
        json_decref(more);
        lt_buf_free(&path);
        if (rc) return -1;
    }
    return 0;
}

int lt_origin_open(const char *artefact, struct lt_origin *out)
{
    struct lt_buf text = { 0 };
    *out = (struct lt_origin){ .place = lt_record_place(artefact) };
    if (!out->place || lt_file_read(out->place, &text) || lt_record_parse(out->place, lt_buf_view(&text),
                                                                          &out->record)) {
        lt_buf_free(&text);
        lt_origin_close(out);
        return -1;
    }
    lt_buf_free(&text);
    out->owner = owner_of(out->place);
    out->base = base_of(out->owner, &out->record);
    if (!out->base) out->base = lt_strdup("");
    if (add_repeat(out) == 0) return 0;
    lt_origin_close(out);
    return -1;
}

void lt_origin_close(struct lt_origin *o)
{
    free(o->place);
    free(o->owner);
    free(o->base);
    lt_record_release(&o->record);
    *o = (struct lt_origin){ 0 };
}

static char *from_base(const struct lt_origin *o, const char *path)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s%s", *path == '/' ? "" : o->base, path);
    return b.p;
}

const char *lt_origin_now(const struct lt_origin *o, const struct lt_record_entry *e)
{
    if (!e->hash) return "unknown";
    char *path = from_base(o, e->path), hex[33];
    const char *now = !lt_path_is_content(path) ? "missing"
                      : lt_hash_path(path, hex, NULL) || strcmp(hex, e->hash) ? "changed" : "same";
    free(path);
    return now;
}

/* ---- options that tell something ---- */
static json_t *resolve(const struct lt_verb *v, const json_t *options)
{
    struct lt_options *s = lt_options_new(&v->m);
    char *text = json_dumps(options, 0), *resolved = NULL;
    json_t *j = NULL;
    if (text && lt_options_json(s, text) == 0 && lt_options_done(s)) resolved = lt_options_resolved(s, false);
    if (resolved && lt_json_parse("resolved options", lt_str(resolved), &j)) j = NULL;
    lt_options_free(s);
    free(text);
    free(resolved);
    return j;
}

static bool same_without(const struct lt_verb *v, const json_t *all, const json_t *target)
{
    json_t *now = resolve(v, all);
    bool same = now && json_equal(now, target);
    json_decref(now);
    return same;
}

/* Takes out of node, a part of all, every key without which all means the same. */
static void reduce(const struct lt_verb *v, const json_t *all, json_t *node, const json_t *target)
{
    json_t *copy = json_copy(node), *value;
    const char *key;
    json_object_foreach(copy, key, value) {
        json_object_del(node, key);
        if (same_without(v, all, target)) continue;
        json_object_set(node, key, value);          /* at the end: what stays keeps its order */
        if (json_object_get(value, "name")) reduce(v, all, value, target);
    }
    json_decref(copy);
}

json_t *lt_options_telling(const struct lt_record *r, lt_verb_find_fn *find, void *self)
{
    const struct lt_verb *v = find(self, r->verb);
    json_t *telling = json_deep_copy(r->options), *target = v ? resolve(v, telling) : NULL;
    if (target) reduce(v, telling, telling, target);
    json_decref(target);
    return telling;
}

/* ---- the command line ---- */
static void put_word(struct lt_buf *b, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%^";
    if (*word && !word[strspn(word, plain)]) {
        lt_buf_str(b, word);
        return;
    }
    lt_buf_char(b, '\'');
    for (; *word; word++) lt_buf_fmt(b, *word == '\'' ? "'\\''" : "%c", *word);
    lt_buf_char(b, '\'');
}

static void put_flag(struct lt_buf *b, const char *key, const json_t *value)
{
    struct lt_buf text = { 0 };
    if (json_is_boolean(value)) {
        lt_buf_fmt(b, " --%s%s", json_is_true(value) ? "" : "no-", key);
        return;
    }
    if (json_is_string(value)) lt_buf_str(&text, json_string_value(value));
    else lt_json_put(&text, value);
    lt_buf_fmt(b, " --%s%c", key, text.n && text.p[0] == '-' ? '=' : ' ');
    put_word(b, text.p ? text.p : "");
    lt_buf_free(&text);
}

static void put_flags(struct lt_buf *b, const char *key, const json_t *value);

static void put_members(struct lt_buf *b, const char *prefix, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        struct lt_buf full = { 0 };
        if (!strcmp(key, "name")) continue;
        lt_buf_fmt(&full, *prefix ? "%s.%s" : "%s%s", prefix, key);
        put_flags(b, full.p, value);
        lt_buf_free(&full);
    }
}

/* A chain in an order: its names, then what they are set to. */
static void put_chain(struct lt_buf *b, const char *key, const json_t *list)
{
    json_t *item;
    size_t i;
    json_array_foreach((json_t *)list, i, item)
        lt_buf_fmt(b, i ? ",%s" : " --%s %s", i ? json_string_value(json_object_get(item, "name")) : key,
                   json_string_value(json_object_get(item, "name")));
    json_array_foreach((json_t *)list, i, item) put_members(b, json_string_value(json_object_get(item, "name")), item);
}

static bool is_chain(const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
        if (!json_is_string(json_object_get(item, "name"))) return false;
    return json_array_size(list) > 0;
}

static void put_flags(struct lt_buf *b, const char *key, const json_t *value)
{
    size_t i;
    json_t *item;
    if (json_is_null(value)) return;
    if (json_is_array(value) && is_chain(value)) put_chain(b, key, value);
    else if (json_is_array(value)) {
        json_array_foreach((json_t *)value, i, item) put_flag(b, key, item);
    } else if (json_is_object(value) && json_object_size(value)) {
        const json_t *name = json_object_get(value, "name");
        if (name) put_flag(b, key, name);
        put_members(b, key, value);
    } else if (json_is_object(value)) lt_buf_fmt(b, " --%s", key);       /* a member without options */
    else put_flag(b, key, value);
}

void lt_command_line(struct lt_buf *b, const struct lt_record *r, lt_verb_find_fn *find, void *self)
{
    json_t *telling = lt_options_telling(r, find, self);
    lt_buf_str(b, "lathe ");
    put_word(b, r->verb);
    put_members(b, "", telling);
    json_decref(telling);
}

/* ---- the story ---- */
struct teller { lt_verb_find_fn *find; void *self; struct lt_map told; bool unread; };

/* hash NULL: whatever the artefact's content is. */
static json_t *tell(struct teller *t, const char *artefact, const char *hash, int depth);

/* The story of an input that is what it was, unless it has none or it was told already. */
static json_t *tell_input(struct teller *t, const struct lt_origin *o, const struct lt_record_entry *e, int depth)
{
    char *path = from_base(o, e->path), *place = lt_record_place(path);
    json_t *made = NULL;
    if (place && depth < DEEPEST && !lt_map_get(&t->told, lt_str(place)))
        made = tell(t, path, t->unread ? e->hash : NULL, depth + 1);
    free(path);
    free(place);
    return made;
}

static json_t *tell_entries(struct teller *t, const struct lt_origin *o, const json_t *list, bool inputs, int depth)
{
    json_t *told = json_array();
    for (int i = 0; i < lt_record_entries(list); i++) {
        struct lt_record_entry e = lt_record_entry(list, i);
        json_t *j = json_copy(json_array_get(list, (size_t)i));
        const char *now = t->unread ? "not read" : lt_origin_now(o, &e);
        json_object_set_new(j, "now", json_string(now));
        bool known = t->unread ? e.hash != NULL : !strcmp(now, "same");
        json_t *made = inputs && known ? tell_input(t, o, &e, depth) : NULL;
        if (made) json_object_set_new(j, "made", made);
        json_array_append_new(told, j);
    }
    return told;
}

static bool lists_output(const struct lt_origin *o, const char *hash)
{
    for (int i = 0; i < lt_record_entries(o->record.outputs); i++) {
        struct lt_record_entry e = lt_record_entry(o->record.outputs, i);
        if (e.hash && !strcmp(e.hash, hash)) return true;
    }
    return false;
}

static json_t *tell(struct teller *t, const char *artefact, const char *hash, int depth)
{
    struct lt_origin o;
    bool fresh;
    if (lt_origin_open(artefact, &o)) return NULL;
    if (hash && !lists_output(&o, hash)) {
        lt_origin_close(&o);
        return NULL;
    }
    lt_map_put(&t->told, lt_str(o.place), &fresh);
    struct lt_buf command = { 0 };
    lt_command_line(&command, &o.record, t->find, t->self);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:O?, s:o, s:o}", "artefact", artefact, "record",
                          o.place,
                          "verb", o.record.verb, "command", command.p, "version", o.record.version, "build",
                          o.record.build, "isa", o.record.isa, "options", lt_options_telling(&o.record, t->find,
                                                                                             t->self),
                          "seed", json_object_get(o.record.json, "seed"), "inputs",
                          tell_entries(t, &o, o.record.inputs, true, depth), "outputs",
                          tell_entries(t, &o, o.record.outputs, false, depth));
    if (!j) lt_fail("%s: its run record cannot be told as JSON", artefact);
    lt_buf_free(&command);
    lt_origin_close(&o);
    return j;
}

json_t *lt_history(const char *artefact, lt_verb_find_fn *find, void *self)
{
    struct teller t = { .find = find, .self = self };
    json_t *j = tell(&t, artefact, NULL, 0);
    lt_map_free(&t.told);
    return j;
}

json_t *lt_history_recorded(const char *artefact, lt_verb_find_fn *find, void *self)
{
    struct teller t = { .find = find, .self = self, .unread = true };
    json_t *j = tell(&t, artefact, NULL, 0);
    lt_map_free(&t.told);
    return j;
}

/* ---- for people ---- */
static const char *text_of(const json_t *j, const char *key) { return json_string_value(json_object_get(j, key)); }

static void put_line(struct lt_buf *b, int depth, const char *left, const char *right)
{
    lt_buf_fmt(b, "%*s%-9s %s\n", 4 * depth + 2, "", left, right);
}

static void put_story(struct lt_buf *b, const json_t *j, int depth)
{
    bool same_build = !strcmp(text_of(j, "build"), lt_build_id());
    bool same_isa = !strcmp(text_of(j, "isa"), lt_isa_name(lt_cpu_level()));
    struct lt_buf line = { 0 };
    json_t *item, *value;
    const char *key;
    size_t i;
    lt_buf_fmt(b, "%*s%s\n", 4 * depth, "", text_of(j, "artefact"));
    put_line(b, depth, "command", text_of(j, "command"));
    lt_buf_fmt(&line, "%s, version %s%s, on %s%s", text_of(j, "build"), text_of(j, "version"),
               same_build ? " (this one)" : " (not this one)", text_of(j,
                                                                       "isa"), same_isa ? "" : " (not what runs here)");
    put_line(b, depth, "build", line.p);
    json_object_foreach(json_object_get(j, "options"), key, value) {
        lt_buf_clear(&line);
        lt_buf_fmt(&line, "%s = ", key);
        lt_json_put(&line, value);
        for (char *c = line.p; *c; c++)
            if (*c == '\n') *c = ' ';
        put_line(b, depth, "option", line.p);
    }
    static const char *const lists[] = { "outputs", "inputs" };
    for (int k = 0; k < LT_COUNT(lists); k++)
        json_array_foreach(json_object_get(j, lists[k]), i, item) {
            const json_t *bytes = json_object_get(item, "bytes"), *made = json_object_get(item, "made");
            lt_buf_clear(&line);
            lt_buf_fmt(&line, "%s (", text_of(item, "path"));
            if (json_is_integer(bytes)) lt_buf_fmt(&line, "%" JSON_INTEGER_FORMAT " bytes, ",
                                                   json_integer_value(bytes));
            lt_buf_fmt(&line, "%s)%s", text_of(item, "now"), made ? ":" : "");
            put_line(b, depth, k ? "input" : "output", line.p);
            if (made) put_story(b, made, depth + 1);
        }
    lt_buf_free(&line);
}

void lt_history_put(struct lt_buf *b, const json_t *history) { put_story(b, history, 0); }
