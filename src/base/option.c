/* Option sets: rows in, a filled struct out.
 *
 * Keys are resolved when they are set (so a misspelling is answered at once) and values are parsed when the set is
 * done, because which rows a dotted key may reach depends on the method chosen by another key. */
#include "base/option.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct given {
    const char *key, *spelling;         /* canonical ("optim.beta1"), and as it was said */
    const struct lt_opt *row;           /* of the set's own method; for a dotted key the METHOD or METHODS row */
    const struct lt_method *member;     /* METHODS: the member meant */
    const char *sub;                    /* key inside the chosen method, as said; NULL: the row itself */
    struct lt_list value;
    bool split, used;                   /* split: one text that may hold commas */
};

struct lt_options {
    const struct lt_method *m;
    struct lt_arena arena;
    struct given *given;
    int count, cap;
    void *o;
};

/* ---- finding rows ---- */
static const char *canonical(struct lt_arena *a, const char *key)
{
    char *k = lt_arena_str(a, lt_str(key));
    for (char *c = k; *c; c++)
        if (*c == '-') *c = '_';
    return k;
}

bool lt_option_name(const struct lt_opt *r, int i, struct lt_str *name)
{
    struct lt_str rest = r->alias ? lt_str(r->alias) : (struct lt_str){ 0 };
    *name = lt_str(r->key);
    while (i > 0 && lt_str_split(&rest, ',', name)) i--;
    return i == 0;
}

static bool has_alias(const struct lt_opt *r, struct lt_str key)
{
    struct lt_str name;
    for (int i = 1; lt_option_name(r, i, &name); i++)
        if (lt_str_eq(name, key)) return true;
    return false;
}

const struct lt_opt *lt_option_row(const struct lt_method *m, struct lt_str key)
{
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (lt_str_is(key, r->key)) return r;
    for (const struct lt_opt *r = m->opts; r && r->key; r++)
        if (has_alias(r, key)) return r;
    return NULL;
}

const struct lt_kind *lt_option_kind(const struct lt_opt *r)
{
    struct lt_str rest = lt_str(r->text), name;
    lt_str_split(&rest, ':', &name);
    for (const struct lt_kind *k = lt_kinds(); k->name; k++)
        if (lt_str_is(name, k->name)) return k;
    return NULL;
}

static const struct lt_method *member_of(const struct lt_kind *k, struct lt_str name)
{
    for (const struct lt_method *const *m = k ? k->member : NULL; m && *m; m++)
        if (lt_str_is(name, (*m)->name)) return *m;
    return NULL;
}

static const struct lt_opt *first_option(const struct lt_method *m)
{
    return m->opts && m->opts->key ? m->opts : NULL;
}

/* The member of a chain that a flag means: by its name, or by another spelling of its first option (--temp). */
static const struct lt_method *link_of(const struct lt_kind *k, struct lt_str flag, bool dotted)
{
    const struct lt_method *named = member_of(k, flag);
    if (named || dotted) return named;
    for (const struct lt_method *const *m = k ? k->member : NULL; m && *m; m++)
        if (first_option(*m) && has_alias(first_option(*m), flag)) return *m;
    return NULL;
}

static bool any_member_has(const struct lt_kind *k, struct lt_str sub)
{
    for (const struct lt_method *const *m = k ? k->member : NULL; m && *m; m++)
        if (lt_option_row(*m, sub)) return true;
    return false;
}

/* A key without a dot that is no row of its own belongs to the one chosen method that could have it: --warmup_steps
 * means schedule.warmup_steps.  false when none could, or more than one. */
static bool reach(const struct lt_method *m, struct lt_str key, struct given *g)
{
    int found = 0;
    for (const struct lt_opt *r = m->opts; r && r->key; r++) {
        if (r->type != LT_METHOD || !any_member_has(lt_option_kind(r), key)) continue;
        g->row = r;
        g->sub = key.p;
        found++;
    }
    return found == 1;
}

/* Fills g's row, member and sub for a key with '_'; false when nothing answers to it. */
static bool resolve(const struct lt_method *m, const char *key, struct given *g)
{
    struct lt_str rest = lt_str(key), head;
    g->row = NULL;
    g->member = NULL;
    g->sub = NULL;
    lt_str_split(&rest, '.', &head);
    bool dotted = rest.p != NULL;
    const struct lt_opt *r = lt_option_row(m, head), *chain = NULL;
    if (r) {
        g->row = r;
        if (!dotted) return true;
        if (r->type == LT_METHOD && any_member_has(lt_option_kind(r), rest)) {
            g->sub = rest.p;
            return true;
        }
        if (r->type != LT_METHODS) return false;
        struct lt_str inner = rest;
        lt_str_split(&inner, '.', &head);
        rest = inner;
        dotted = rest.p != NULL;
        chain = r;
    }
    for (r = m->opts; r && r->key; r++) {
        if (chain && r != chain) continue;
        const struct lt_method *member = r->type == LT_METHODS ? link_of(lt_option_kind(r), head, dotted) : NULL;
        if (!member) continue;
        const char *sub = dotted ? rest.p : first_option(member) ? first_option(member)->key : "";
        if (*sub && !lt_option_row(member, lt_str(sub))) return false;
        g->row = r;
        g->member = member;
        g->sub = sub;
        return true;
    }
    return !chain && !dotted && reach(m, head, g);
}

/* ---- near names ---- */
struct near { const char *key; char text[128]; int best; };

static void consider(struct near *n, const char *key, const char *prefix, struct lt_str name)
{
    char full[128];
    snprintf(full, sizeof(full), "%s%s%.*s", prefix, *prefix ? "." : "", (int)name.n, name.p);
    int d = lt_edit_distance(key, full);
    if (d >= n->best) return;
    n->best = d;
    memcpy(n->text, full, sizeof(full));
}

/* The spellings of a row from the i-th. */
static void consider_row(struct near *n, const char *key, const char *prefix, const struct lt_opt *r, int i)
{
    struct lt_str name;
    for (; lt_option_name(r, i, &name); i++) consider(n, key, prefix, name);
}

static void consider_members(struct near *n, const char *key, const struct lt_opt *r)
{
    const struct lt_kind *k = lt_option_kind(r);
    for (const struct lt_method *const *m = k ? k->member : NULL; m && *m; m++) {
        const char *prefix = r->type == LT_METHOD ? r->key : (*m)->name;
        if (r->type == LT_METHODS) {
            consider(n, key, "", lt_str((*m)->name));
            if (first_option(*m)) consider_row(n, key, "", first_option(*m), 1);
        }
        for (const struct lt_opt *s = (*m)->opts; s && s->key; s++) consider_row(n, key, prefix, s, 0);
    }
}

static int unknown(const struct lt_options *s, const char *key)
{
    struct near n = { .best = (int)strlen(key) / 3 + 2 };
    for (const struct lt_opt *r = s->m->opts; r && r->key; r++) {
        consider_row(&n, key, "", r, 0);
        if (r->type == LT_METHOD || r->type == LT_METHODS) consider_members(&n, key, r);
    }
    if (n.text[0]) return lt_misuse("%s has no option \"%s\"; did you mean \"%s\"?", s->m->name, key, n.text);
    return lt_misuse("%s has no option \"%s\"; `lathe help %s` lists them", s->m->name, key, s->m->name);
}

/* ---- setting ---- */
struct lt_options *lt_options_new(const struct lt_method *m)
{
    struct lt_options *s = lt_calloc(1, sizeof(*s));
    s->m = m;
    return s;
}

void lt_options_free(struct lt_options *s)
{
    if (!s) return;
    free(s->given);
    lt_arena_free(&s->arena);
    free(s);
}

static struct given *find_given(const struct lt_options *s, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (!strcmp(s->given[i].key, key)) return &s->given[i];
    return NULL;
}

/* Inside a method that is not chosen yet a spelling stays when it is some member's own; else it is an alias, spelt as
 * the first member that knows it spells it. */
static const char *canonical_sub(const struct given *g)
{
    const struct lt_method *const only[] = { g->member, NULL };
    const struct lt_method *const *all = g->member ? only : lt_option_kind(g->row)->member;
    for (const struct lt_method *const *m = all; *m; m++) {
        const struct lt_opt *r = lt_option_row(*m, lt_str(g->sub));
        if (r && !strcmp(r->key, g->sub)) return r->key;
    }
    for (const struct lt_method *const *m = all; *m; m++) {
        const struct lt_opt *r = lt_option_row(*m, lt_str(g->sub));
        if (r) return r->key;
    }
    return g->sub;
}

static const char *canonical_key(struct lt_options *s, const struct given *g)
{
    if (!g->sub) return g->row->key;
    if (g->member && !*g->sub) return g->member->name;
    return lt_arena_fmt(&s->arena, "%s.%s", g->member ? g->member->name : g->row->key, canonical_sub(g));
}

/* The row that a key reaches: of a method that is not chosen yet, of the first member that has it.  NULL: a member. */
static const struct lt_opt *row_of(const struct given *g)
{
    if (!g->sub) return g->row;
    if (g->member) return *g->sub ? lt_option_row(g->member, lt_str(g->sub)) : NULL;
    const struct lt_kind *k = lt_option_kind(g->row);
    for (const struct lt_method *const *m = k ? k->member : NULL; m && *m; m++) {
        const struct lt_opt *r = lt_option_row(*m, lt_str(g->sub));
        if (r) return r;
    }
    return NULL;
}

static void append(struct lt_options *s, struct lt_list *l, const char *value)
{
    const char **item = lt_arena_take(&s->arena, ((size_t)l->count + 1) * sizeof(*item));
    if (l->count) memcpy(item, l->item, (size_t)l->count * sizeof(*item));
    item[l->count] = lt_arena_str(&s->arena, lt_str(value));
    *l = (struct lt_list){ item, l->count + 1 };
}

static int put(struct lt_options *s, const char *spelling, const char *const *value, int count, bool split)
{
    struct given g = { .spelling = lt_arena_str(&s->arena, lt_str(spelling)), .split = split };
    if (!resolve(s->m, canonical(&s->arena, spelling), &g)) return unknown(s, spelling);
    g.key = canonical_key(s, &g);
    struct given *old = find_given(s, g.key);
    const struct lt_opt *row = row_of(&g);
    bool list = row && row->type == LT_LIST;
    if (old && (!list || !split || !old->split))
        return lt_misuse("option \"%s\" is given twice (as \"%s\" and \"%s\")", g.key, old->spelling, spelling);
    if (!old) {
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 16;
            s->given = lt_realloc(s->given, (size_t)s->cap * sizeof(*s->given));
        }
        old = &s->given[s->count++];
        *old = g;
    }
    for (int i = 0; i < count; i++) append(s, &old->value, value[i]);
    return 0;
}

int lt_options_set(struct lt_options *s, const char *key, const char *value)
{
    return put(s, key, &value, 1, true);
}

const char *lt_options_canonical(struct lt_options *s, const char *spelling)
{
    struct given g = { 0 };
    return resolve(s->m, canonical(&s->arena, spelling), &g) ? canonical_key(s, &g) : NULL;
}

bool lt_options_given(const struct lt_options *s, const char *key) { return find_given(s, key) != NULL; }

bool lt_options_renamed(const struct lt_options *s, int i, const char **spelling, const char **canon)
{
    for (int k = 0; k < s->count; k++) {
        struct lt_str said = lt_str(s->given[k].spelling);
        struct lt_str key = lt_str(s->given[k].key);
        bool same = said.n <= key.n;
        for (size_t j = 0; same && j < said.n; j++)
            same = said.p[j] == key.p[j] || (said.p[j] == '-' && key.p[j] == '_');
        if ((same && (said.n == key.n || (s->given[k].member && key.p[said.n] == '.'))) || i-- > 0) continue;
        *spelling = s->given[k].spelling;
        *canon = s->given[k].key;
        return true;
    }
    return false;
}

/* ---- the command line ---- */
/* A flag that may stand without a value: a BOOL row, or a chain member without options. */
static bool is_switch(const struct given *g)
{
    const struct lt_opt *r = row_of(g);
    return r ? r->type == LT_BOOL : g->member != NULL;
}

static bool is_truth(const char *v) { return v && (!strcmp(v, "true") || !strcmp(v, "false")); }

/* --a.b VALUE that no row answers to, for a row that takes such keys as the text "a.b=VALUE"; returns like flag(). */
static int dotted_flag(struct lt_options *s, const char *key, const char *value, const char *next)
{
    const struct lt_opt *r = s->m->opts;
    while (r && r->key && !(r->flags & LT_DOTTED)) r++;
    if (!strchr(key, '.') || !r || !r->key) return unknown(s, key);
    bool alone = !value && (!next || !strncmp(next, "--", 2));
    const char *text = lt_arena_fmt(&s->arena, "%s=%s", key, value ? value : alone ? "true" : next);
    return lt_options_set(s, r->key, text) ? -1 : value || alone ? 1 : 2;
}

/* argv[i] begins with "--"; returns how many words were taken, or -1. */
static int flag(struct lt_options *s, int argc, char **argv, int i)
{
    const char *word = argv[i] + 2, *eq = strchr(word, '=');
    char *key = lt_arena_str(&s->arena, eq ? (struct lt_str){ word, (size_t)(eq - word) } : lt_str(word));
    struct given g = { 0 };
    bool known = resolve(s->m, canonical(&s->arena, key), &g);
    if (eq && known) return lt_options_set(s, key, eq + 1) ? -1 : 1;
    if (known) {
        if (is_switch(&g) && !(i + 1 < argc && is_truth(argv[i + 1]))) return lt_options_set(s, key, "true") ? -1 : 1;
        if (i + 1 >= argc) return lt_misuse("option --%s needs a value", key);
        return lt_options_set(s, key, argv[i + 1]) ? -1 : 2;
    }
    if (!eq && (!strncmp(key, "no-", 3) || !strncmp(key, "no_", 3)) && resolve(s->m, canonical(&s->arena, key + 3), &g)
        && is_switch(&g))
        return lt_options_set(s, key + 3, "false") ? -1 : 1;
    return dotted_flag(s, key, eq ? eq + 1 : NULL, i + 1 < argc ? argv[i + 1] : NULL);
}

static const struct lt_opt *next_arg(const struct lt_options *s)
{
    for (const struct lt_opt *r = s->m->opts; r && r->key; r++)
        if ((r->flags & LT_ARG) && (r->type == LT_LIST || !find_given(s, r->key))) return r;
    return NULL;
}

/* Other programs take the place of a result as their last word. */
static int unexpected(const struct lt_options *s, const char *word)
{
    struct given g = { 0 };
    if (resolve(s->m, "output", &g) && !find_given(s, "output"))
        return lt_misuse("unexpected argument \"%s\"; where the result goes is said with --output %s", word, word);
    return lt_misuse("unexpected argument \"%s\"; `lathe help %s` shows what is taken", word, s->m->name);
}

int lt_options_args(struct lt_options *s, int argc, char **argv)
{
    bool words_only = false;
    for (int i = 0; i < argc;) {
        if (!words_only && !strcmp(argv[i], "--")) {
            words_only = true;
            i++;
        } else if (!words_only && !strncmp(argv[i], "--", 2)) {
            int taken = flag(s, argc, argv, i);
            if (taken < 0) return -1;
            i += taken;
        } else {
            const struct lt_opt *r = next_arg(s);
            if (!r) return unexpected(s, argv[i]);
            if (lt_options_set(s, r->key, argv[i++])) return -1;
        }
    }
    return 0;
}

/* ---- JSON ---- */
static char *scalar_text(struct lt_options *s, const json_t *v)
{
    if (json_is_string(v)) return lt_arena_str(&s->arena, lt_str(json_string_value(v)));
    if (json_is_boolean(v)) return lt_arena_fmt(&s->arena, "%s", json_is_true(v) ? "true" : "false");
    if (json_is_integer(v)) return lt_arena_fmt(&s->arena, "%lld", (long long)json_integer_value(v));
    if (!json_is_real(v)) return NULL;
    struct lt_buf b = { 0 };
    lt_json_put_real(&b, json_real_value(v));
    char *text = lt_arena_str(&s->arena, lt_buf_view(&b));
    lt_buf_free(&b);
    return text;
}

static int take_json(struct lt_options *s, const char *prefix, const json_t *object, int depth);

/* {"name": member, key: value ...}, {key: value ...}, or {} for a member of a chain that stands as it is. */
static int take_object(struct lt_options *s, const char *full, const json_t *v, int depth)
{
    const json_t *name = json_object_get(v, "name");
    if (name && !json_is_string(name)) return lt_misuse("option \"%s\": expected \"name\" to be a text", full);
    const char *word = name ? json_string_value(name) : "true";
    struct given g = { 0 };
    bool bare = json_object_size(v) == 0 && resolve(s->m, canonical(&s->arena, full), &g) && g.member;
    if ((name || bare) && put(s, bare ? lt_arena_fmt(&s->arena, "%s.", full) : full, &word, 1, true)) return -1;
    return take_json(s, full, v, depth + 1);
}

/* A list of values; of a chain also a list of members, each a name or an object with one. */
static int take_array(struct lt_options *s, const char *full, const json_t *v, int depth)
{
    const char **text = lt_arena_take(&s->arena, (json_array_size(v) + 1) * sizeof(*text));
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)v, i, item) {
        const json_t *named = json_is_object(item) ? json_object_get(item, "name") : item;
        text[i] = named ? scalar_text(s, named) : NULL;
        if (!text[i]) return lt_misuse("option \"%s\": expected a list of texts, numbers or truth values", full);
    }
    if (put(s, full, text, (int)json_array_size(v), false)) return -1;
    json_array_foreach((json_t *)v, i, item)
        if (json_is_object(item) && take_json(s, lt_arena_fmt(&s->arena, "%s.%s", full, text[i]), item, depth + 1))
            return -1;
    return 0;
}

static int take_json(struct lt_options *s, const char *prefix, const json_t *object, int depth)
{
    const char *key;
    json_t *v;
    if (depth > 4) return lt_misuse("option \"%s\" is nested too deep", prefix);
    json_object_foreach((json_t *)object, key, v) {
        if (json_is_null(v) || (*prefix && !strcmp(key, "name"))) continue;
        const char *full = *prefix ? lt_arena_fmt(&s->arena, "%s.%s", prefix, key) : key;
        int rc;
        if (json_is_object(v)) rc = take_object(s, full, v, depth);
        else if (json_is_array(v)) rc = take_array(s, full, v, depth);
        else rc = lt_options_set(s, full, scalar_text(s, v));
        if (rc) return -1;
    }
    return 0;
}

int lt_options_json(struct lt_options *s, const char *text)
{
    json_t *j;
    if (lt_json_parse("options", lt_str(text), &j)) return lt_misuse("%s", lt_error());
    int rc = json_is_object(j) ? take_json(s, "", j, 0) : lt_misuse("options: expected a JSON object of keys");
    json_decref(j);
    return rc;
}

/* What option_fill.c needs to see of a set. */
const struct lt_method *lt_options_method(const struct lt_options *s) { return s->m; }
struct lt_arena *lt_options_arena(struct lt_options *s) { return &s->arena; }
void **lt_options_slot(struct lt_options *s) { return &s->o; }

bool lt_options_entry(struct lt_options *s, int i, struct lt_option_entry *e)
{
    if (i >= s->count) return false;
    const struct given *g = &s->given[i];
    *e = (struct lt_option_entry){ g->key, g->row, g->member, g->sub, g->value, g->split };
    return true;
}
