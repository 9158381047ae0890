#include "recipe/claim.h"

#include "base/ctx.h"
#include "base/io.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct claim {
    const char *paper, *claim, *figure, *better, *margin;
    const char *file[2], *key[2];           /* of the baseline and of ours */
};
static const char *const side[2] = { "baseline", "ours" };
static const char header[] = "name\tpaper\tbaseline\tours\tverdict\tseconds\tfigure\tclaim\n";

static int take(const json_t *o, const char *where, const char *key, const char **out)
{
    return lt_json_need(o, where, key) || lt_json_str(o, where, key, out) < 0 ? -1 : 0;
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
    for (int i = 0; i < 2; i++) {
        json_t *o = NULL;
        if (lt_json_need(r->lab, where, side[i]) || lt_json_object(r->lab, where, side[i], &o) < 0 ||
            take(o, where, "file", &c->file[i]) || take(o, where, "key", &c->key[i]))
            return -1;
    }
    return 0;
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

/* Confirmed when ours is better by the share `margin` of the baseline; reversed when it is worse by as much.  A claim
 * that nothing is lost is confirmed when they differ by no more. */
static const char *judge(const struct claim *c, double margin, double baseline, double ours)
{
    double gain = (strcmp(c->better, "lower") ? ours - baseline : baseline - ours) / fmax(fabs(baseline), 1e-300);
    if (!strcmp(c->better, "equal")) return fabs(gain) <= margin ? "confirmed" : "not confirmed";
    if (gain > 0 && gain >= margin) return "confirmed";
    return gain < 0 && -gain >= margin ? "reversed" : "not confirmed";
}

int lt_lab_run(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_ctx *c, struct lt_lab_result *out)
{
    struct claim k;
    double margin, began = lt_clock();
    if (read_claim(r, &k)) return -1;
    if (lt_str_real(lt_str(k.margin), &margin) || !(margin >= 0))
        return lt_misuse("%s: lab: margin: expected a share such as 0.02, found \"%s\"", r->path, k.margin);
    *out = (struct lt_lab_result){ .paper = k.paper, .claim = k.claim, .figure = k.figure };
    if (lt_recipe_run(r, m, c) || lt_ctx_interrupted(c)) return -1;
    if (read_figure(k.file[0], k.key[0], &out->baseline) || read_figure(k.file[1], k.key[1], &out->ours)) return -1;
    out->seconds = lt_clock() - began;
    out->verdict = judge(&k, margin, out->baseline, out->ours);
    return 0;
}

int lt_lab_note(const char *table, const char *name, const struct lt_lab_result *x)
{
    struct lt_buf old = { 0 }, made = { 0 };
    if (lt_path_exists(table) && lt_file_read(table, &old)) return -1;
    struct lt_str rest = lt_buf_view(&old), line;
    bool put = false;
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
            lt_buf_fmt(&made, "%s\t%s\t%.6g\t%.6g\t%s\t%.0f\t%s\t%s\n", name, x->paper, x->baseline, x->ours,
                       x->verdict, x->seconds, x->figure, x->claim);
            put = true;
        }
        if (first.n && !lt_str_is(first, name)) lt_buf_fmt(&made, "%.*s\n", (int)line.n, line.p);
    }
    int rc = lt_file_save(table, made.p, made.n);
    lt_buf_free(&old);
    lt_buf_free(&made);
    return rc;
}
