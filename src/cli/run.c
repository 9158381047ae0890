/* lathe run: the steps of a recipe, those that have something to do. */
#include <lathe.h>
#include "recipe/recipe.h"
#include <stdio.h>

struct run { const char *recipe, *from; struct lt_list set; bool dry_run, force, same_build; };
#define AT(f) offsetof(struct run, f)
static const struct lt_opt rows[] = {
    { .key = "recipe", .help = "recipe file (YAML; doc/formats/recipe.md)", .type = LT_STR, .at = AT(recipe),
      .flags = LT_NEED | LT_ARG | LT_IN },
    { .key = "set",
      .help = "VARIABLE=VALUE or STEP.KEY=VALUE in place of what the recipe says; --STEP.KEY VALUE does it too",
      .type = LT_LIST, .at = AT(set), .flags = LT_ARG | LT_DOTTED },
    { .key = "dry_run", .help = "print which steps would run and why, and change nothing", .type = LT_BOOL,
      .at = AT(dry_run),
      .alias = "dryrun" },
    { .key = "from",
      .help = "run this step (its name or number) and all after it, and leave those before it as they are",
      .type = LT_STR, .at = AT(from) },
    { .key = "force", .help = "run every step", .type = LT_BOOL, .at = AT(force) },
    { .key = "same_build", .help = "run also the steps whose files another build or instruction set made",
      .type = LT_BOOL, .at = AT(same_build) },
    { 0 },
};

static int print_plan(const struct lt_recipe *r, const struct lt_recipe_mode *m)
{
    struct lt_buf plan = { 0 };
    int rc = lt_recipe_plan(r, m, &plan);
    if (rc == 0) fwrite(plan.p, 1, plan.n, stdout);
    lt_buf_free(&plan);
    return rc;
}

static int run(const void *options, struct lt_ctx *c)
{
    const struct run *o = options;
    const struct lt_recipe_mode mode = { .force = o->force, .same_build = o->same_build, .from = o->from };
    struct lt_recipe r;
    if (lt_recipe_open(o->recipe, &o->set, lt_verb_registered, NULL, &r)) return -1;
    int rc = o->dry_run ? print_plan(&r, &mode) : lt_recipe_run(&r, &mode, c, NULL);
    lt_recipe_close(&r);
    return rc;
}

const struct lt_verb lt_verb_run = {
    .m = { .name = "run", .brief = "runs the steps of a recipe that have something to do", .size = sizeof(struct run),
           .opts = rows,
           .doc = "A step is skipped when the run records say that the same verb made its outputs from the same\n"
                  "inputs with the same options, and the outputs are as it left them.  Killed at any moment, the same\n"
                  "command goes on.  --dry-run prints number, name, verb, run or skip or maybe, and the reason, with\n"
                  "tabs between.\n"
                  "    lathe run recipes/quickstart.yaml --dry-run\n"
                  "    lathe run recipes/quickstart.yaml out=try2 --train.max_steps 2000 --from train" },
    .run = run,
};
