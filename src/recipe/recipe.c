/* Reading a recipe: YAML nodes into steps whose options are done, with everything checked before anything runs. */
#include "recipe/recipe.h"
#include "base/io.h"
#include "base/option.h"
#include "base/yaml.h"
#include <stdlib.h>
#include <string.h>

struct variable { const char *name, *text; const struct lt_yaml *node; int line; bool used; };
struct override { const char *key, *value, *whole; bool used; };     /* whole: as it was given */
struct reader {
    struct lt_recipe *r;
    struct lt_arena *a;
    lt_verb_find_fn *find;
    void *self;
    struct variable *var;
    struct override *over;
    int var_count, over_count;
    const char **overridden;            /* canonical keys that overrides set in the current step */
    int overridden_count;
};

static int fail_at(const struct reader *b, int line) { return lt_misuse("%s: line %d: %s", b->r->path, line,
                                                                        lt_error()); }

static int fail_in(const struct reader *b, int line, const struct lt_step *t)
{
    return lt_misuse("%s: line %d: step \"%s\": %s", b->r->path, line, t->name, lt_error());
}

const struct lt_verb *lt_verb_registered(void *self, const char *name)
{
    (void)self;
    return (const struct lt_verb *)lt_method_find("verb", name);    /* the head is the first member */
}

/* ---- near names ---- */
struct near { const char *name, *best; int distance; };

static void consider(struct near *n, const char *candidate)
{
    int d = lt_edit_distance(n->name, candidate);
    if (d >= n->distance) return;
    n->distance = d;
    n->best = candidate;
}

static struct near near_to(const char *name) { return (struct near){ .name = name,
                                                                     .distance = (int)strlen(name) / 3 + 2 }; }

/* "what "name""; did you mean "best"? */
static int unknown(const struct near *n, const char *what, const char *otherwise)
{
    if (n->best) return lt_misuse("%s \"%s\"; did you mean \"%s\"?", what, n->name, n->best);
    return lt_misuse("%s \"%s\"; %s", what, n->name, otherwise);
}

/* ---- variables ---- */
static struct variable *find_variable(struct reader *b, struct lt_str name)
{
    if (lt_str_starts(name, "vars.")) name = (struct lt_str){ name.p + 5, name.n - 5 };
    for (int i = 0; i < b->var_count; i++)
        if (lt_str_is(name, b->var[i].name)) return &b->var[i];
    return NULL;
}

static int no_variable(struct reader *b, const char *name)
{
    struct near n = near_to(name);
    for (int i = 0; i < b->var_count; i++) consider(&n, b->var[i].name);
    return unknown(&n, "there is no variable", "the recipe's `vars:` would name it");
}

/* The text with every ${name} replaced; "$${" stands for "${". */
static int expand(struct reader *b, const char *text, const char **out)
{
    struct lt_buf made = { 0 };
    int rc = 0;
    for (const char *p = text, *end; *p && rc == 0; p = end) {
        const char *at = strstr(p, "${");
        end = at ? at : p + strlen(p);
        bool literal = at > p && at && at[-1] == '$';
        lt_buf_put(&made, p, (size_t)(end - p) - literal);
        if (literal) lt_buf_str(&made, "${");
        if (at) end = at + 2;
        if (!at || literal) continue;
        const char *close = strchr(end, '}');
        struct lt_str name = { end, close ? (size_t)(close - end) : 0 };
        struct variable *v = close ? find_variable(b, name) : NULL;
        if (!close) rc = lt_misuse("\"%s\": \"${\" is not closed by \"}\"", text);
        else if (!v) rc = no_variable(b, lt_arena_str(b->a, name));
        else if (!v->text && v->node) rc = lt_misuse("\"%s\": the variable \"%s\" is a list and stands alone", text,
                                                     v->name);
        else if (!v->text) rc = lt_misuse("the variable \"%s\" has no value; give it as %s=VALUE", v->name, v->name);
        else lt_buf_str(&made, v->text);
        if (rc) break;
        v->used = true;
        end = close + 1;
    }
    *out = lt_arena_str(b->a, lt_buf_view(&made));
    lt_buf_free(&made);
    return rc;
}

/* A scalar that is "${name}" and nothing more stands for a variable that is a list. */
static const struct lt_yaml *splice(struct reader *b, const struct lt_yaml *y)
{
    size_t n = y->kind == LT_YAML_SCALAR ? strlen(y->text) : 0;
    if (n < 4 || strncmp(y->text, "${", 2) || strchr(y->text, '}') != y->text + n - 1) return y;
    struct variable *v = find_variable(b, (struct lt_str){ y->text + 2, n - 3 });
    if (!v || !v->node || v->text) return y;
    v->used = true;
    return v->node;
}

static int add_variable(struct reader *b, const struct lt_yaml *key, const struct lt_yaml *value)
{
    struct variable v = { .name = key->text, .line = key->line };
    if (!*v.name || v.name[strspn(v.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
        return lt_misuse("expected a name of letters, digits, \"_\" and \"-\" for a variable, found \"%s\"", v.name);
    if (value->kind == LT_YAML_MAP) return lt_misuse("the variable \"%s\": expected a text, a number or a list",
                                                     v.name);
    for (int i = 0; i < b->over_count; i++) {
        const char *k = b->over[i].key;
        if (strcmp(!strncmp(k, "vars.", 5) ? k + 5 : k, v.name)) continue;
        v.text = b->over[i].value;
        b->over[i].used = true;
    }
    if (!v.text && value->kind == LT_YAML_LIST) v.node = value;
    else if (!v.text && !lt_yaml_is_null(value) && expand(b, lt_yaml_value(value, b->a), &v.text)) return -1;
    b->var[b->var_count++] = v;
    return 0;
}

static int read_variables(struct reader *b, const struct lt_yaml *vars)
{
    if (!vars || lt_yaml_is_null(vars)) return 0;
    lt_misuse("\"vars\": expected variables as \"name: value\"");
    if (vars->kind != LT_YAML_MAP) return fail_at(b, vars->line);
    b->var = lt_arena_zero(b->a, (size_t)vars->count + 1, sizeof(*b->var));
    for (int i = 0; i < vars->count; i++)
        if (add_variable(b, vars->key[i], vars->item[i])) return fail_at(b, vars->key[i]->line);
    return 0;
}

/* ---- overrides ---- */
static int split_overrides(struct reader *b, const struct lt_list *l)
{
    b->over = lt_arena_zero(b->a, (size_t)(l ? l->count : 0) + 1, sizeof(*b->over));
    for (int i = 0; l && i < l->count; i++) {
        const char *eq = strchr(l->item[i], '=');
        if (!eq || eq == l->item[i])
            return lt_misuse("expected VARIABLE=VALUE or STEP.KEY=VALUE after the recipe, found \"%s\"", l->item[i]);
        const char *key = lt_arena_str(b->a, (struct lt_str){ l->item[i], (size_t)(eq - l->item[i]) });
        for (int k = 0; k < b->over_count; k++)
            if (!strcmp(key, b->over[k].key) && !strchr(key, '.')) return lt_misuse("\"%s\" is given twice", key);
        b->over[b->over_count++] = (struct override){ .key = key, .value = eq + 1, .whole = l->item[i] };
    }
    return 0;
}

static bool same_name(struct lt_str a, const char *name)
{
    bool same = a.n == strlen(name);
    for (size_t i = 0; same && i < a.n; i++) same = (a.p[i] == '-' ? '_' : a.p[i]) == (name[i] == '-' ? '_' : name[i]);
    return same;
}

/* The key inside a step that an override means: what follows the step's name.  NULL: not of this step. */
static const char *key_in_step(const struct override *o, const struct lt_step *t)
{
    struct lt_str rest = lt_str(o->key), head;
    lt_str_split(&rest, '.', &head);
    return rest.p && rest.n && same_name(head, t->name) ? rest.p : NULL;
}

static int override_step(struct reader *b, struct lt_step *t)
{
    b->overridden = lt_arena_take(b->a, ((size_t)b->over_count + 1) * sizeof(*b->overridden));
    b->overridden_count = 0;
    for (int i = 0; i < b->over_count; i++) {
        const char *key = key_in_step(&b->over[i], t);
        if (!key) continue;
        b->over[i].used = true;
        if (lt_options_set(t->options, key, b->over[i].value))
            return lt_misuse("%s: \"%s\": %s", b->r->path, b->over[i].whole, lt_error());
        b->overridden[b->overridden_count++] = lt_options_canonical(t->options, key);
    }
    return 0;
}

static int check_overrides(struct reader *b)
{
    for (int i = 0; i < b->over_count; i++) {
        if (b->over[i].used) continue;
        struct lt_str rest = lt_str(b->over[i].key), head;
        lt_str_split(&rest, '.', &head);
        struct near n = near_to(lt_arena_str(b->a, head));
        for (int k = 0; k < b->var_count && !rest.p; k++) consider(&n, b->var[k].name);
        for (int k = 0; k < b->r->count; k++) consider(&n, b->r->step[k].name);
        unknown(&n, rest.p ? "there is no step" : "there is no variable",
                "the recipe's `vars:` and `steps:` name them");
        return lt_misuse("%s: \"%s\": %s", b->r->path, b->over[i].whole, lt_error());
    }
    return 0;
}

/* ---- the keys of a step ---- */
static bool is_overridden(struct reader *b, struct lt_step *t, const char *key)
{
    const char *canonical = lt_options_canonical(t->options, key);
    for (int i = 0; canonical && i < b->overridden_count; i++)
        if (!strcmp(canonical, b->overridden[i])) return true;
    return false;
}

/* Lists and what is in them, as JSON whose scalars are texts: rows read numbers and truth values themselves. */
static json_t *texts(struct reader *b, const struct lt_yaml *y)
{
    y = splice(b, y);
    const char *text;
    if (y->kind == LT_YAML_SCALAR && lt_yaml_is_null(y)) return json_null();
    if (y->kind == LT_YAML_SCALAR) return expand(b, lt_yaml_value(y, b->a), &text) ? NULL : json_string(text);
    json_t *j = y->kind == LT_YAML_MAP ? json_object() : json_array();
    for (int i = 0; i < y->count; i++) {
        json_t *item = texts(b, y->item[i]);
        if (!item) {
            json_decref(j);
            return NULL;
        }
        if (y->kind == LT_YAML_MAP) json_object_set_new(j, y->key[i]->text, item);
        else json_array_append_new(j, item);
    }
    return j;
}

static int set_json(struct reader *b, struct lt_step *t, const char *key, const struct lt_yaml *y)
{
    json_t *value = texts(b, y);
    if (!value) return -1;
    json_t *object = json_object();
    json_object_set_new(object, key, value);
    char *text = json_dumps(object, 0);
    int rc = lt_options_json(t->options, text);
    free(text);
    json_decref(object);
    return rc;
}

static int set_key(struct reader *b, struct lt_step *t, const char *key, const struct lt_yaml *value, int line)
{
    value = splice(b, value);
    int rc = 0;
    const char *text;
    if (value->kind == LT_YAML_MAP && value->count) {
        for (int i = 0; i < value->count && rc == 0; i++) {
            const char *sub = value->key[i]->text;
            const char *full = strcmp(sub, "name") ? lt_arena_fmt(b->a, "%s.%s", key, sub) : key;
            rc = set_key(b, t, full, value->item[i], value->key[i]->line);
        }
        return rc;
    }
    if (is_overridden(b, t, key)) {
        json_decref(texts(b, value));       /* the variables in it count as used */
        return 0;
    }
    if (lt_yaml_is_null(value)) return 0;
    if (value->kind != LT_YAML_SCALAR) rc = set_json(b, t, key, value);
    else rc = expand(b, lt_yaml_value(value, b->a), &text) || lt_options_set(t->options, key, text) ? -1 : 0;
    return rc ? fail_in(b, line, t) : 0;
}

static int fill_step(struct reader *b, struct lt_step *t, const struct lt_yaml *y)
{
    t->options = lt_options_new(&t->verb->m);
    if (override_step(b, t)) return -1;
    for (int i = 0; i < y->count; i++) {
        const char *key = y->key[i]->text;
        if (!strcmp(key, "verb") || !strcmp(key, "name")) continue;
        if (set_key(b, t, key, y->item[i], y->key[i]->line)) return -1;
    }
    t->o = lt_options_done(t->options);
    if (!t->o) return fail_in(b, t->line, t);
    t->in_count = lt_option_paths(t->options, LT_IN, b->a, &t->in);
    t->out_count = lt_option_paths(t->options, LT_OUT, b->a, &t->out);
    return 0;
}

/* ---- the list of steps ---- */
static const struct lt_step *step_named(const struct lt_recipe *r, const char *name)
{
    for (int i = 0; i < r->count; i++)
        if (same_name(lt_str(name), r->step[i].name)) return &r->step[i];
    return NULL;
}

static int name_step(struct reader *b, struct lt_step *t, const struct lt_yaml *given)
{
    const char *name = given ? given->text : t->verb->m.name;
    if (given && (given->kind != LT_YAML_SCALAR || !*name
                  || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")]))
        return lt_misuse("expected a name of letters, digits, \"_\" and \"-\" for a step, found \"%s\"", name
                         ? name : "");
    const struct lt_step *other = step_named(b->r, name);
    if (other && given) return lt_misuse("the step \"%s\" has the name of the one in line %d", name, other->line);
    for (int i = 2; step_named(b->r, name); i++) name = lt_arena_fmt(b->a, "%s-%d", t->verb->m.name, i);
    t->name = name;
    return 0;
}

/* What a step is, before its keys: so overrides find every step, whatever order they come in. */
static int begin_step(struct reader *b, const struct lt_yaml *y)
{
    if (y->kind != LT_YAML_MAP) return lt_misuse("expected a step as \"verb: NAME\" and the verb's keys");
    const struct lt_yaml *verb = lt_yaml_get(y, "verb"), *name = lt_yaml_get(y, "name");
    if (!verb || verb->kind != LT_YAML_SCALAR || !*verb->text) return lt_misuse("the step has no \"verb: NAME\"");
    char *word = lt_arena_str(b->a, lt_str(verb->text));
    for (char *c = word; *c; c++)
        if (*c == ' ' || *c == '_') *c = '-';
    struct lt_step *t = &b->r->step[b->r->count];
    t->line = y->line;
    t->verb = b->find(b->self, word);
    if (!t->verb) return -1;
    if (!strcmp(word, "run")) return lt_misuse("a recipe cannot run a recipe; list its steps here");
    if (name_step(b, t, name)) return -1;
    b->r->count++;
    return 0;
}

static int read_steps(struct reader *b, const struct lt_yaml *steps, int line)
{
    if (!steps || steps->kind != LT_YAML_LIST || !steps->count) {
        lt_misuse("expected \"steps:\" with a list of steps, each a \"- verb: NAME\" and the verb's keys");
        return fail_at(b, steps ? steps->line : line);
    }
    b->r->step = lt_arena_zero(b->a, (size_t)steps->count, sizeof(*b->r->step));
    for (int i = 0; i < steps->count; i++)
        if (begin_step(b, steps->item[i])) return fail_at(b, steps->item[i]->line);
    for (int i = 0; i < steps->count; i++)
        if (fill_step(b, &b->r->step[i], steps->item[i])) return -1;
    return 0;
}

static int check_top(struct reader *b, const struct lt_yaml *y)
{
    static const char *const known[] = { "name", "about", "vars", "steps", "lab" };
    if (y->kind != LT_YAML_MAP) {
        lt_misuse("expected a recipe: \"name\", \"vars\" and \"steps\"");
        return fail_at(b, y->line);
    }
    for (int i = 0; i < y->count; i++) {
        struct near n = near_to(y->key[i]->text);
        for (int k = 0; k < LT_COUNT(known); k++) consider(&n, known[k]);
        if (n.distance == 0) continue;
        unknown(&n, "a recipe has no", "it has name, about, vars, steps and lab");
        return fail_at(b, y->key[i]->line);
    }
    return 0;
}

/* What a lab recipe claims is kept as JSON: objects of texts, each expanded.  NULL: lt_error. */
static json_t *read_lab(struct reader *b, const struct lt_yaml *y)
{
    const char *text;
    if (y->kind == LT_YAML_SCALAR && y->text) {
        if (expand(b, y->text, &text) == 0) return json_string(text);
        fail_at(b, y->line);
        return NULL;
    }
    if (y->kind != LT_YAML_MAP) {
        lt_misuse("lab: expected an object or a text");
        fail_at(b, y->line);
        return NULL;
    }
    json_t *all = json_object();
    for (int i = 0; i < y->count; i++) {
        json_t *one = read_lab(b, y->item[i]);
        if (one && json_object_set_new(all, y->key[i]->text, one) == 0) continue;
        json_decref(all);
        return NULL;
    }
    return all;
}

static int check_unused(struct reader *b)
{
    for (int i = 0; i < b->var_count; i++) {
        if (b->var[i].used) continue;
        lt_misuse("the variable \"%s\" is not used; a step would say ${%s}", b->var[i].name, b->var[i].name);
        return fail_at(b, b->var[i].line);
    }
    return 0;
}

/* ---- what steps read and write ---- */
/* Takes the next name off a path; false at its end. */
static bool next_name(struct lt_str *rest, struct lt_str *name)
{
    while (lt_str_split(rest, '/', name))
        if (name->n && !lt_str_is(*name, ".")) return true;
    return false;
}

bool lt_path_within(const char *path, const char *folder)
{
    struct lt_str a = lt_str(path), b = lt_str(folder), x, y;
    if ((*path == '/') != (*folder == '/')) return false;
    while (next_name(&b, &y))
        if (!next_name(&a, &x) || !lt_str_eq(x, y)) return false;
    return true;
}

static bool overlap(const char *a, const char *b) { return lt_path_within(a, b) || lt_path_within(b, a); }

static int check_outputs(struct reader *b, int later)
{
    const struct lt_step *t = &b->r->step[later];
    for (int i = 0; i < later; i++)
        for (int k = 0; k < b->r->step[i].out_count; k++)
            for (int n = 0; n < t->out_count; n++) {
                const struct lt_step *s = &b->r->step[i];
                if (!strcmp(t->out[n].path, "-") || !overlap(s->out[k].path, t->out[n].path)) continue;
                lt_misuse("it writes %s and step \"%s\" writes %s: each would undo the other; write to another place",
                          t->out[n].path, s->name, s->out[k].path);
                return fail_in(b, t->line, t);
            }
    return 0;
}

static const struct lt_step *maker(const struct lt_recipe *r, const char *path, int begin, int end)
{
    for (int i = begin; i < end; i++)
        for (int k = 0; k < r->step[i].out_count; k++)
            if (overlap(path, r->step[i].out[k].path)) return &r->step[i];
    return NULL;
}

/* "NAME:key=value" or an address names something that is no file. */
static bool is_no_path(const char *path)
{
    const char *colon = strchr(path, ':'), *slash = strchr(path, '/');
    return !strcmp(path, "-") || (colon && (!slash || colon < slash));
}

static int check_inputs(struct reader *b, int at)
{
    const struct lt_step *t = &b->r->step[at];
    for (int i = 0; i < t->in_count; i++) {
        const char *path = t->in[i].path;
        if (is_no_path(path) || maker(b->r, path, 0, at)) continue;
        const struct lt_step *later = maker(b->r, path, at + 1, b->r->count);
        if (!later && lt_path_exists(path)) continue;
        if (later) lt_misuse("it reads %s, which step \"%s\" makes later; put that step before it", path, later->name);
        else lt_misuse("it reads %s, which is not there and which no step before it makes", path);
        return fail_in(b, t->line, t);
    }
    return 0;
}

/* ---- the whole ---- */
static int read_recipe(struct reader *b, struct lt_str text, const struct lt_list *overrides)
{
    struct lt_yaml *y;
    if (lt_yaml_parse(b->r->path, text, b->a, &y)) return lt_misuse("%s", lt_error());
    if (check_top(b, y) || split_overrides(b, overrides) || read_variables(b, lt_yaml_get(y, "vars"))
        || read_steps(b, lt_yaml_get(y, "steps"), y->line) || check_overrides(b))
        return -1;
    const struct lt_yaml *lab = lt_yaml_get(y, "lab");
    if (lab && !(b->r->lab = read_lab(b, lab))) return -1;
    if (check_unused(b)) return -1;
    for (int i = 0; i < b->r->count; i++)
        if (check_outputs(b, i) || check_inputs(b, i)) return -1;
    return 0;
}

int lt_recipe_parse(const char *path, struct lt_str text, const struct lt_list *overrides, lt_verb_find_fn *find,
                    void *self, struct lt_recipe *out)
{
    *out = (struct lt_recipe){ 0 };
    out->path = lt_arena_str(&out->arena, lt_str(path));
    struct reader b = { .r = out, .a = &out->arena, .find = find, .self = self };
    if (read_recipe(&b, text, overrides) == 0) return 0;
    lt_recipe_close(out);
    return -1;
}

int lt_recipe_open(const char *path, const struct lt_list *overrides, lt_verb_find_fn *find, void *self,
                   struct lt_recipe *out)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return lt_misuse("%s", lt_error());
    int rc = lt_recipe_parse(path, (struct lt_str){ (const char *)f.p, f.n }, overrides, find, self, out);
    lt_file_close(&f);
    return rc;
}

void lt_recipe_close(struct lt_recipe *r)
{
    for (int i = 0; i < r->count; i++) lt_options_free(r->step[i].options);
    json_decref(r->lab);
    lt_arena_free(&r->arena);
    *r = (struct lt_recipe){ 0 };
}
