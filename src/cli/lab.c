/* lathe lab: the claim of a paper, checked again with small models. */
#include <lathe.h>
#include "recipe/claim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab { const char *name, *results; struct lt_list set; bool force; };
#define AT(f) offsetof(struct lab, f)
static const struct lt_opt rows[] = {
    { .key = "name", .help = "lab recipe: NAME stands for lab/NAME.yaml", .type = LT_STR, .at = AT(name),
      .flags = LT_NEED | LT_ARG },
    { .key = "set", .help = "VARIABLE=VALUE or STEP.KEY=VALUE in place of what the recipe says", .type = LT_LIST,
      .at = AT(set), .flags = LT_ARG | LT_DOTTED },
    { .key = "results", .help = "table that the result is put into; every step must run, as with --force",
      .type = LT_STR, .at = AT(results) },
    { .key = "force", .help = "run every step, from its beginning: folders that its steps made are removed",
      .type = LT_BOOL, .at = AT(force) },
    { 0 },
};

static bool is_path(const char *name)
{
    size_t n = strlen(name);
    return strchr(name, '/') || (n > 5 && !strcmp(name + n - 5, ".yaml"));
}

/* "lab/muon.yaml" -> "muon" */
static struct lt_str short_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return (struct lt_str){ name, dot ? (size_t)(dot - name) : strlen(name) };
}

static void print(const char *path, const struct lt_lab_result *x)
{
    struct lt_str name = short_name(path);
    printf("%.*s (%s)\nclaim\t%s\nfigure\t%s\n", (int)name.n, name.p, x->paper, x->claim, x->figure);
    printf("baseline\t%.6g\nours\t%.6g\nverdict\t%s\n", x->baseline, x->ours, x->verdict);
    if (x->skipped) printf("seconds\t- (%d of %d steps were there already)\n", x->skipped, x->steps);
    else printf("seconds\t%.0f\n", x->seconds);
}

static int note(const struct lab *o, const char *path, const struct lt_lab_result *x)
{
    struct lt_str name = short_name(path);
    char *z = strndup(name.p, name.n);
    int rc = o->results ? lt_lab_note(o->results, z, x) : 0;
    free(z);
    return rc;
}

static int run(const void *options, struct lt_ctx *c)
{
    const struct lab *o = options;
    const struct lt_recipe_mode mode = { .force = o->force };
    struct lt_recipe r;
    struct lt_lab_result x;
    char *path = NULL;
    if (asprintf(&path, is_path(o->name) ? "%s" : "lab/%s.yaml", o->name) < 0) return lt_fail("out of memory");
    int rc = lt_recipe_open(path, &o->set, lt_verb_registered, NULL, &r);
    if (rc == 0) {
        rc = lt_lab_run(&r, &mode, c, &x);
        if (rc == 0) print(path, &x);
        if (rc == 0) rc = note(o, path, &x);
        lt_recipe_close(&r);
    }
    free(path);
    return rc;
}

const struct lt_verb lt_verb_lab = {
    .m = { .name = "lab", .brief = "checks the claim of a paper again with small models", .size = sizeof(struct lab),
           .opts = rows,
           .doc = "A lab recipe is a recipe with a `lab:` that names the paper, its claim, and the two figures to\n"
                  "compare (doc/formats/lab.md).  Prints claim, baseline, ours and verdict: confirmed, not confirmed\n"
                  "or reversed.\n"
                  "    lathe lab muon\n"
                  "    lathe lab muon steps=600 --results lab/results.tsv" },
    .run = run,
};
