/* Which optimiser, rate and decay each weight has. */
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

static bool matches(const struct lt_list *patterns, const char *name)
{
    for (int i = 0; i < patterns->count; i++)
        if (lt_glob(patterns->item[i], name)) return true;
    return false;
}

/* A pattern that matches nothing is a misspelling, not a wish. */
static int check_pattern(const struct lt_trainer *t, const char *option, const char *pattern)
{
    const char *near = NULL;
    int best = 1 << 20;
    for (int i = 0; i < t->weights; i++) {
        if (lt_glob(pattern, t->weight[i]->name)) return 0;
        int d = lt_edit_distance(pattern, t->weight[i]->name);
        if (d >= best) continue;
        best = d;
        near = t->weight[i]->name;
    }
    return lt_misuse("--%s \"%s\" matches no weight; a near one is \"%s\" (`*` stands for any run of characters)",
                     option, pattern, near ? near : "");
}

static int check_patterns(const struct lt_trainer *t, const char *option, const struct lt_list *l)
{
    for (int i = 0; i < l->count; i++)
        if (check_pattern(t, option, l->item[i])) return -1;
    return 0;
}

/* "PATTERN=FACTOR" -> the pattern, and its factor in *factor. */
static char *split_scale(const char *entry, double *factor)
{
    const char *eq = strrchr(entry, '=');
    if (!eq || lt_str_real(lt_str(eq + 1), factor) || !(*factor >= 0 && *factor <= 1e6)) {
        lt_misuse("lr_scale: expected PATTERN=FACTOR, found \"%s\"", entry);
        return NULL;
    }
    char *pattern = lt_strdup(entry);
    pattern[eq - entry] = 0;
    return pattern;
}

static int scale_rates(struct lt_trainer *t)
{
    for (int k = 0; k < t->o->lr_scale.count; k++) {
        double factor;
        char *pattern = split_scale(t->o->lr_scale.item[k], &factor);
        int rc = pattern ? check_pattern(t, "lr_scale", pattern) : -1;
        for (int i = 0; !rc && i < t->weights; i++)
            if (lt_glob(pattern, t->weight[i]->name)) t->trained[i].lr_scale = factor;
        free(pattern);
        if (rc) return -1;
    }
    return 0;
}

/* Vectors (norms, biases) have one column; Muon keeps to the matrices of the layers. */
static void assign(struct lt_trainer *t, struct lt_weight *w, struct lt_trained *d)
{
    const struct lt_train_options *o = t->o;
    const struct lt_optim *chosen = (const struct lt_optim *)o->optim.method;
    bool matrix = w->rank == 2;
    d->rows = w->dim[0];
    d->cols = lt_weight_count(w) / w->dim[0];
    d->lr_scale = 1;
    d->decay = matrix && !matches(&o->no_decay, w->name) ? o->weight_decay : 0;
    if (matches(&o->freeze, w->name)) {
        lt_weight_freeze(w);
        return;
    }
    d->optim = chosen;
    d->o = o->optim.o;
    if (chosen->matrices_only && !(matrix && w->layer >= 0)) {
        d->optim = (const struct lt_optim *)lt_method_find("optim", "adamw");
        if (!t->adamw) t->adamw = lt_options_new(&d->optim->m);
        d->o = lt_options_done(t->adamw);
    }
    d->state_size = d->optim->state(d->o, d->rows, d->cols);
    d->state = lt_calloc(d->state_size ? d->state_size : 1, 1);
    if (o->ema <= 0) return;
    d->ema = lt_aligned((size_t)lt_weight_count(w) * sizeof(float));
    memcpy(d->ema, w->master, (size_t)lt_weight_count(w) * sizeof(float));
}

int lt_trainer_assign(struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    int trained = 0;
    if (check_patterns(t, "freeze", &o->freeze) || check_patterns(t, "no_decay", &o->no_decay)) return -1;
    t->trained = lt_calloc((size_t)t->weights, sizeof *t->trained);
    for (int i = 0; i < t->weights; i++) {
        assign(t, t->weight[i], &t->trained[i]);
        trained += t->trained[i].optim != NULL;
    }
    if (!trained) return lt_misuse("--freeze leaves no weight to train");
    return scale_rates(t);
}
