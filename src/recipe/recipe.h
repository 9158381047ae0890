/* Recipes: verbs chained by a YAML file (doc/formats/recipe.md).  A step is skipped when its run records say that it
 * would only make again what is there. */
#ifndef LT_RECIPE_H
#define LT_RECIPE_H

#include "recipe/record.h"

/* Verbs are looked up by the caller, so that tests can bring their own.  NULL: lt_error suggests near names. */
typedef const struct lt_verb *lt_verb_find_fn(void *self, const char *name);
const struct lt_verb *lt_verb_registered(void *self, const char *name);     /* the registry's; self is not used */

struct lt_step {
    const char *name;                   /* given, or the verb's; unique in the recipe */
    int line;
    const struct lt_verb *verb;
    struct lt_options *options;         /* done */
    const void *o;
    struct lt_option_path *in, *out;
    int in_count, out_count;
};
struct lt_recipe {
    const char *path;
    struct lt_step *step;
    int count;
    json_t *lab;                        /* its `lab:`, with variables expanded (recipe/claim.h); NULL: none */
    struct lt_arena arena;
};

/* Reads and checks the whole recipe: every verb, key, value and variable, what the steps read and write, and that no
 * step reads what only a later one makes.  overrides: "variable=value" and "step.key=value".  Every fault is the
 * caller's (lt_misuse) and its sentence names file and line. */
int lt_recipe_open(const char *path, const struct lt_list *overrides, lt_verb_find_fn *find, void *self,
                   struct lt_recipe *out);
/* The same over text; path stands for the file in sentences. */
int lt_recipe_parse(const char *path, struct lt_str text, const struct lt_list *overrides, lt_verb_find_fn *find,
                    void *self, struct lt_recipe *out);
void lt_recipe_close(struct lt_recipe *r);

struct lt_recipe_mode {
    bool force;                         /* run every step */
    bool same_build;                    /* run also what another build or instruction set made */
    const char *from;                   /* a step's name or number: leave those before it alone, run it and the rest */
};
/* Appends a line a step: number, name, verb, "run", "skip" or "maybe" (depends on an earlier step), and why, with
 * tabs between.  Writes nothing. */
int lt_recipe_plan(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_buf *out);
/* Runs what must run, in order; stops at the first failure or interruption.  skipped: how many steps were left as they
 * were; NULL: not told. */
int lt_recipe_run(const struct lt_recipe *r, const struct lt_recipe_mode *m, struct lt_ctx *c, int *skipped);

/* Is path the same as folder, or below it?  By their spelling, "./" and doubled or last slashes aside. */
bool lt_path_within(const char *path, const char *folder);

#endif
