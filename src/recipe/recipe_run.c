/* Which steps of a recipe run, and running them. */
#include "recipe/recipe.h"
#include "base/ctx.h"
#include "base/io.h"
#include <stdlib.h>
#include <string.h>

enum decision { RUN, SKIP, MAYBE };

/* ---- comparing a step with the record of what is there ---- */
/* Each check returns true, having said why, when the step must run. */

static void put_change(const char *key, const json_t *before, const json_t *now, struct lt_buf *why)
{
    struct lt_buf was = { 0 }, is = { 0 };
    if (before) lt_json_put(&was, before);
    if (now) lt_json_put(&is, now);
    bool brief = before && now && was.n + is.n <= 60 && !strchr(was.p, '\n') && !strchr(is.p, '\n');
    if (brief) lt_buf_fmt(why, "%s was %s and is %s", key, was.p, is.p);
    else lt_buf_fmt(why, before && now ? "%s has changed" : now ? "%s is new" : "%s is gone", key);
    lt_buf_free(&was);
    lt_buf_free(&is);
}

/* The first member in which two objects that are not equal differ, with the way to it. */
static void first_change(const char *prefix, const json_t *before, const json_t *now, struct lt_buf *why)
{
    const char *key;
    json_t *value;
    for (int turn = 0; turn < 2; turn++)            /* what is there now, then what was there */
        json_object_foreach((json_t *)(turn ? before : now), key, value) {
            const json_t *was = json_object_get(before, key), *is = json_object_get(now, key);
            if (was && is && json_equal(was, is)) continue;
            struct lt_buf full = { 0 };
            lt_buf_fmt(&full, "%s%s", prefix, key);
            if (json_is_object(was) && json_is_object(is)) {
                lt_buf_char(&full, '.');
                first_change(full.p, was, is, why);
            } else put_change(full.p, was, is, why);
            lt_buf_free(&full);
            return;
        }
}

static bool other_options(const struct lt_record *now, const struct lt_record *old, struct lt_buf *why)
{
    if (json_equal(now->options, old->options)) return false;
    first_change("", old->options, now->options, why);
    return true;
}

static bool other_inputs(const struct lt_record *now, const struct lt_record *old, struct lt_buf *why)
{
    int count = lt_record_entries(now->inputs);
    for (int i = 0; i < count; i++) {
        struct lt_record_entry a = lt_record_entry(now->inputs, i), b = { 0 };
        if (i < lt_record_entries(old->inputs)) b = lt_record_entry(old->inputs, i);
        bool same_path = b.path && !strcmp(a.path, b.path);
        if (same_path && a.hash && b.hash && !strcmp(a.hash, b.hash)) continue;
        lt_buf_fmt(why, !a.hash ? "%s is nothing whose content could be compared"
                        : same_path ? "%s has changed" : "%s is another input", a.path);
        return true;
    }
    if (count != lt_record_entries(old->inputs)) lt_buf_str(why, "an input is gone");
    return count != lt_record_entries(old->inputs);
}

static bool other_outputs(const struct lt_record *old, struct lt_buf *why)
{
    for (int i = 0; i < lt_record_entries(old->outputs); i++) {
        struct lt_record_entry e = lt_record_entry(old->outputs, i);
        char hex[33];
        bool there = lt_path_is_content(e.path);
        if (there && e.hash && lt_hash_path(e.path, hex, NULL) == 0 && !strcmp(hex, e.hash)) continue;
        lt_buf_fmt(why, there ? "%s is not as the step left it" : "%s is not there", e.path);
        return true;
    }
    return false;
}

static bool other_record(const struct lt_record *now, const struct lt_record *old, const char *path, bool same_build,
                         struct lt_buf *why)
{
    if (strcmp(now->verb, old->verb)) {
        lt_buf_fmt(why, "%s was made by %s", path, old->verb);
        return true;
    }
    if (same_build && (strcmp(now->build, old->build) || strcmp(now->isa, old->isa))) {
        lt_buf_fmt(why, "%s was made by build %s on %s", path, old->build, old->isa);
        return true;
    }
    return other_options(now, old, why) || other_inputs(now, old, why) || other_outputs(old, why);
}

static bool stale_output(const struct lt_record *now, const char *path, bool same_build, struct lt_buf *why)
{
    if (!lt_path_is_content(path)) {
        lt_buf_fmt(why, lt_path_exists(path) || !strcmp(path, "-") ? "%s keeps nothing" : "%s is not there", path);
        return true;
    }
    char *place = lt_record_own_place(path);
    struct lt_buf text = { 0 };
    struct lt_record old;
    bool stale = true;
    if (!lt_path_exists(place)) lt_buf_fmt(why, "%s has no run record", path);
    else if (lt_file_read(place, &text) || lt_record_parse(place, lt_buf_view(&text), &old)) lt_buf_str(why,
                                                                                                        lt_error());
    else {
        stale = other_record(now, &old, path, same_build, why);
        lt_record_release(&old);
    }
    lt_buf_free(&text);
    free(place);
    return stale;
}

static enum decision compare(const struct lt_step *t, bool same_build, struct lt_buf *why)
{
    char *text = lt_record_make(t->verb->m.name, t->options);
    struct lt_record now;
    if (!text || lt_record_parse("run record", lt_str(text), &now)) {
        lt_buf_str(why, lt_error());
        free(text);
        return RUN;
    }
    bool stale = false;
    for (int i = 0; i < t->out_count && !stale; i++) stale = stale_output(&now, t->out[i].path, same_build, why);
    if (!stale) lt_buf_str(why, "nothing has changed");
    lt_record_release(&now);
    free(text);
    return stale ? RUN : SKIP;
}

/* ---- deciding ---- */
struct plan { const struct lt_recipe *r; const struct lt_recipe_mode *mode; int from; bool *runs; };

/* An earlier step that will run or may run (in a plan nothing has run yet) and writes what this one reads. */
static const struct lt_step *unsettled(const struct plan *p, int at)
{
    const struct lt_step *t = &p->r->step[at];
    for (int i = 0; i < at; i++)
        for (int k = 0; p->runs && p->runs[i] && k < p->r->step[i].out_count; k++)
            for (int n = 0; n < t->in_count; n++) {
                const char *out = p->r->step[i].out[k].path, *in = t->in[n].path;
                if (lt_path_within(in, out) || lt_path_within(out, in)) return &p->r->step[i];
            }
    return NULL;
}

static bool all_outputs_there(const struct lt_step *t)
{
    for (int i = 0; i < t->out_count; i++)
        if (!lt_path_exists(t->out[i].path)) return false;
    return true;
}

static enum decision decide(const struct plan *p, int at, struct lt_buf *why)
{
    const struct lt_step *t = &p->r->step[at], *before;
    lt_buf_clear(why);
    if (at < p->from) {
        lt_buf_str(why, "before the step to begin with");
        return SKIP;
    }
    const char *always = p->mode->force ? "forced" : p->from ? "at or after the step to begin with"
                         : t->verb->reusable && !t->verb->reusable(t->o) ? "what it does is never the same twice"
                         : !t->out_count ? "it writes no file that could be kept" : NULL;
    if (always) {
        lt_buf_str(why, always);
        return RUN;
    }
    before = unsettled(p, at);
    if (before && all_outputs_there(t)) {
        lt_buf_fmt(why, "if step \"%s\" makes another input than before", before->name);
        return MAYBE;
    }
    if (before) {
        lt_buf_str(why, "its output is not there");
        return RUN;
    }
    return compare(t, p->mode->same_build, why);
}

/* --from by name or number; 0 with *from 0 when it is not given. */
static int find_from(const struct lt_recipe *r, const char *name, int *from)
{
    int64_t number;
    const char *best = r->step[0].name;
    *from = 0;
    if (!name) return 0;
    if (lt_str_int(lt_str(name), &number) == 0 && number >= 1 && number <= r->count) {
        *from = (int)number - 1;
        return 0;
    }
    for (int i = 0; i < r->count; i++) {
        int d = lt_edit_distance(name, r->step[i].name);
        if (d < lt_edit_distance(name, best)) best = r->step[i].name;
        *from = i;
        if (d == 0) return 0;
    }
    return lt_misuse("%s has no step \"%s\"; did you mean \"%s\"?", r->path, name, best);
}

int lt_recipe_plan(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_buf *out)
{
    struct plan p = { .r = r, .mode = m };
    struct lt_buf why = { 0 };
    if (find_from(r, m->from, &p.from)) return -1;
    p.runs = lt_calloc((size_t)r->count, sizeof(*p.runs));
    for (int i = 0; i < r->count; i++) {
        enum decision d = decide(&p, i, &why);
        p.runs[i] = d != SKIP;
        lt_buf_fmt(out, "%d\t%s\t%s\t%s\t%s\n", i + 1, r->step[i].name, r->step[i].verb->m.name,
                   d == RUN ? "run" : d == SKIP ? "skip" : "maybe", why.p);
    }
    lt_buf_free(&why);
    free(p.runs);
    return 0;
}

/* ---- running ---- */
/* The folder that an output is to lie in: a recipe's first step need not be one that makes folders. */
static int make_room(const struct lt_step *t)
{
    int rc = 0;
    for (int i = 0; i < t->out_count && !rc; i++) {
        const char *path = t->out[i].path, *slash = strrchr(path, '/');
        struct lt_buf folder = { 0 };
        if (!slash || slash == path) continue;
        lt_buf_put(&folder, path, (size_t)(slash - path));
        rc = lt_mkdirs(folder.p);
        lt_buf_free(&folder);
    }
    return rc;
}

static int run_step(const struct lt_recipe *r, const struct lt_step *t, struct lt_ctx *c)
{
    if (make_room(t)) return lt_fail("step \"%s\" (%s, line %d): %s", t->name, r->path, t->line, lt_error());
    if (lt_record_run(t->verb, t->options, c))
        return lt_fail("step \"%s\" (%s, line %d): %s", t->name, r->path, t->line, lt_error());
    if (lt_ctx_interrupted(c)) return lt_fail("interrupted in step \"%s\"; run the recipe again to go on", t->name);
    for (int i = 0; i < t->out_count; i++)
        if (strcmp(t->out[i].path, "-") && !lt_path_exists(t->out[i].path))
            return lt_fail("step \"%s\" (%s, line %d): the verb ended without writing %s", t->name, r->path, t->line,
                           t->out[i].path);
    return 0;
}

int lt_recipe_run(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_ctx *c, int *skipped)
{
    struct plan p = { .r = r, .mode = m };
    struct lt_buf why = { 0 };
    int rc = find_from(r, m->from, &p.from), left = 0;
    for (int i = 0; i < r->count && rc == 0; i++) {
        const struct lt_step *t = &r->step[i];
        if (lt_ctx_interrupted(c)) {
            rc = lt_fail("interrupted before step \"%s\"; run the recipe again to go on", t->name);
            break;
        }
        enum decision d = decide(&p, i, &why);
        lt_note(c, "[%d/%d] %s: %s%s", i + 1, r->count, t->name, d == SKIP ? "skipped: " : "", why.p);
        left += d == SKIP;
        if (d == SKIP) continue;
        double began = lt_clock();
        rc = run_step(r, t, c);
        if (rc == 0) lt_note(c, "[%d/%d] %s: done in %.1f s", i + 1, r->count, t->name, lt_clock() - began);
    }
    if (skipped) *skipped = left;
    lt_buf_free(&why);
    return rc;
}
