#include "recipe/claim.h"

#include "base/ctx.h"
#include "base/io.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 16 };
struct source { const char *file, *key, *over_file, *over_key; };       /* over_file NULL: not divided by another */
struct claim {
    const char *paper, *claim, *figure, *better, *margin;
    int pairs;
    const char *name[PAIRS_MAX];            /* NULL: there is one pair and it has none */
    struct source source[2][PAIRS_MAX];     /* of the baseline and of ours */
};
static const char *const side[2] = { "baseline", "ours" };
static const char header[] = "name\tpaper\tbaseline\tours\tverdict\tseconds\tfigure\tclaim\n";

static int take(const json_t *o, const char *where, const char *key, const char **out)
{
    return lt_json_need(o, where, key) || lt_json_str(o, where, key, out) < 0 ? -1 : 0;
}

static int read_source(const json_t *o, const char *where, struct source *out)
{
    json_t *over = NULL;
    if (take(o, where, "file", &out->file) || take(o, where, "key", &out->key)) return -1;
    int rc = lt_json_object(o, where, "over", &over);
    if (rc <= 0) return rc;
    return take(over, where, "file", &out->over_file) || take(over, where, "key", &out->over_key) ? -1 : 0;
}

/* The figures of baseline or ours: one {file, key}, or several, each under the name of what it is about. */
static int read_side(const json_t *lab, const char *where, int i, struct claim *c)
{
    json_t *all = NULL, *o;
    const char *name;
    if (lt_json_need(lab, where, side[i]) || lt_json_object(lab, where, side[i], &all) < 0) return -1;
    if (json_object_get(all, "file")) {
        if (i && (c->pairs > 1 || c->name[0]))
            return lt_misuse("%s: baseline has a name for each of its figures, and ours is one of them", where);
        c->pairs = 1;
        return read_source(all, where, &c->source[i][0]);
    }
    json_object_foreach(all, name, o) {
        int k = 0;
        if (!json_is_object(o)) return lt_misuse("%s: %s: %s: expected {file, key}", where, side[i], name);
        while (i && k < c->pairs && (!c->name[k] || strcmp(name, c->name[k]))) k++;
        if (i && k == c->pairs) return lt_misuse("%s: ours has \"%s\", and baseline has not", where, name);
        if (!i && (k = c->pairs++) == PAIRS_MAX)
            return lt_misuse("%s: %s: expected at most %d figures", where, side[i], (int)PAIRS_MAX);
        c->name[k] = name;
        if (read_source(o, where, &c->source[i][k])) return -1;
    }
    for (int k = 0; k < c->pairs; k++)
        if (!c->source[i][k].file) return lt_misuse("%s: baseline has \"%s\", and ours has not", where, c->name[k]);
    return c->pairs ? 0 : lt_misuse("%s: %s: expected {file, key}", where, side[i]);
}

static int read_claim(const struct lt_recipe *r, struct claim *c)
{
    static const char *const known[] = { "paper", "claim", "figure", "better", "margin", "baseline", "ours" };
    const char *key, *where = lt_arena_fmt((struct lt_arena *)&r->arena, "%s: lab", r->path);
    json_t *value;
    if (!r->lab) return lt_misuse("%s: not a lab recipe: it has no `lab:`; `lathe run` runs it", r->path);
    json_object_foreach(r->lab, key, value) {
        bool is = false;
        for (int i = 0; i < LT_COUNT(known); i++) is |= !strcmp(key, known[i]);
        if (!is)
            return lt_misuse("%s: no key \"%s\"; expected paper, claim, figure, better, margin, baseline, ours", where,
                             key);
    }
    *c = (struct claim){ .better = "lower", .margin = "0" };
    if (take(r->lab, where, "paper", &c->paper) || take(r->lab, where, "claim", &c->claim) ||
        take(r->lab, where, "figure", &c->figure) || lt_json_str(r->lab, where, "better", &c->better) < 0 ||
        lt_json_str(r->lab, where, "margin", &c->margin) < 0)
        return -1;
    if (strcmp(c->better, "lower") && strcmp(c->better, "higher") && strcmp(c->better, "equal"))
        return lt_misuse("%s: better: expected lower or higher or equal, found \"%s\"", where, c->better);
    return read_side(r->lab, where, 0, c) || read_side(r->lab, where, 1, c) ? -1 : 0;
}

/* The number a key has in a JSON file, or in the last line of a .jsonl that has the key. */
static int read_figure(const char *path, const char *key, double *out)
{
    struct lt_buf text = { 0 };
    if (lt_file_read(path, &text)) return -1;
    struct lt_str rest = lt_buf_view(&text), line;
    bool lines = lt_str_ends(lt_str(path), ".jsonl"), found = false;
    int rc = 0;
    while (!rc && rest.n) {
        json_t *o;
        if (lines) lt_str_split(&rest, '\n', &line);
        else {
            line = rest;
            rest.n = 0;
        }
        if (!line.n) continue;
        if ((rc = lt_json_parse(path, line, &o))) break;
        int got = lt_json_real(o, path, key, out);
        found |= got > 0;
        rc = got < 0 ? -1 : 0;
        json_decref(o);
    }
    if (!rc && !found) rc = lt_fail("%s: expected a number \"%s\", found none", path, key);
    lt_buf_free(&text);
    return rc;
}

/* By how much ours is better, as a share of the baseline; of a claim that nothing is lost, by how much it is not. */
static double gain_of(const struct claim *c, double baseline, double ours)
{
    double more = (ours - baseline) / fmax(fabs(baseline), 1e-300);
    return !strcmp(c->better, "equal") ? -fabs(more) : !strcmp(c->better, "lower") ? -more : more;
}

static int read_quotient(const struct source *s, double *out)
{
    double over = 1;
    if (read_figure(s->file, s->key, out) || (s->over_file && read_figure(s->over_file, s->over_key, &over))) return -1;
    *out /= over;
    return 0;
}

/* The pair that speaks least for the claim: with it the claim stands or falls. */
static int read_worst(const struct claim *c, struct lt_lab_result *out)
{
    for (int k = 0; k < c->pairs; k++) {
        double baseline, ours;
        if (read_quotient(&c->source[0][k], &baseline) || read_quotient(&c->source[1][k], &ours)) return -1;
        if (k && gain_of(c, baseline, ours) >= gain_of(c, out->baseline, out->ours)) continue;
        out->baseline = baseline;
        out->ours = ours;
    }
    return 0;
}

/* Confirmed when ours is better by the share `margin` of the baseline; reversed when it is worse by as much.  A claim
 * that nothing is lost is confirmed when they differ by no more. */
static const char *judge(const struct claim *c, double gain, double margin)
{
    if (!strcmp(c->better, "equal")) return -gain <= margin ? "confirmed" : "not confirmed";
    if (gain > 0 && gain >= margin) return "confirmed";
    return gain < 0 && -gain >= margin ? "reversed" : "not confirmed";
}

/* A forced step that goes on from its own checkpoint would take no time: folders that a verb made, as their run records
 * say, are removed first. */
static int forget_folders(const struct lt_recipe *r)
{
    int rc = 0;
    for (int i = 0; i < r->count; i++)
        for (int k = 0; k < r->step[i].out_count && !rc; k++) {
            const char *folder = r->step[i].out[k].path;
            struct lt_buf record = { 0 };
            lt_buf_fmt(&record, "%s/" LT_RECORD_IN_FOLDER, folder);
            if (lt_path_is_dir(folder) && lt_path_exists(record.p)) rc = lt_remove_tree(folder);
            lt_buf_free(&record);
        }
    return rc;
}

int lt_lab_run(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_ctx *c, struct lt_lab_result *out)
{
    struct claim k;
    double margin, began = lt_clock();
    if (read_claim(r, &k)) return -1;
    if (lt_str_real(lt_str(k.margin), &margin) || !(margin >= 0))
        return lt_misuse("%s: lab: margin: expected a share such as 0.02, found \"%s\"", r->path, k.margin);
    *out = (struct lt_lab_result){ .paper = k.paper, .claim = k.claim, .figure = k.figure };
    out->steps = r->count;
    if (m->force && forget_folders(r)) return -1;
    if (lt_recipe_run(r, m, c, &out->skipped) || lt_ctx_interrupted(c)) return -1;
    if (read_worst(&k, out)) return -1;
    out->seconds = lt_clock() - began;
    out->verdict = judge(&k, gain_of(&k, out->baseline, out->ours), margin);
    return 0;
}

/* NAME <tab> paper <tab> baseline <tab> ours <tab> verdict <tab>: what a row says but for its seconds. */
static void put_figures(struct lt_buf *b, const char *name, const struct lt_lab_result *x)
{
    lt_buf_fmt(b, "%s\t%s\t%.6g\t%.6g\t%s\t", name, x->paper, x->baseline, x->ours, x->verdict);
}

static int check_measured(const char *table, struct lt_str rows, const char *name, const struct lt_lab_result *x)
{
    struct lt_buf figures = { 0 };
    struct lt_str line;
    bool there = false;
    put_figures(&figures, name, x);
    while (!there && lt_str_split(&rows, '\n', &line)) there = lt_str_starts(line, figures.p);
    lt_buf_free(&figures);
    if (there) return 0;
    return lt_fail("%s: %s is not put there: %d of its %d steps were not run this time, so its seconds are not known; "
                   "--force runs them all", table, name, x->skipped, x->steps);
}

static void put_row(struct lt_buf *made, const char *name, const struct lt_lab_result *x)
{
    put_figures(made, name, x);
    lt_buf_fmt(made, "%.0f\t%s\t%s\n", x->seconds, x->figure, x->claim);
}

int lt_lab_note(const char *table, const char *name, const struct lt_lab_result *x)
{
    struct lt_buf old = { 0 }, made = { 0 };
    if (lt_path_exists(table) && lt_file_read(table, &old)) return -1;
    struct lt_str rest = lt_buf_view(&old), line;
    bool put = false;
    if (x->skipped) {
        int rc = check_measured(table, rest, name, x);
        lt_buf_free(&old);
        return rc;
    }
    lt_buf_str(&made, header);
    if (rest.n) lt_str_split(&rest, '\n', &line);
    while (rest.n || !put) {
        struct lt_str left, first = { 0 };
        line = (struct lt_str){ 0 };
        if (rest.n) {
            lt_str_split(&rest, '\n', &line);
            left = line;
            lt_str_split(&left, '\t', &first);
        }
        if (!put && (!first.n || lt_str_cmp(first, lt_str(name)) >= 0)) {
            put_row(&made, name, x);
            put = true;
        }
        if (first.n && !lt_str_is(first, name)) lt_buf_fmt(&made, "%.*s\n", (int)line.n, line.p);
    }
    int rc = lt_file_save(table, made.p, made.n);
    lt_buf_free(&old);
    lt_buf_free(&made);
    return rc;
}
