/* Checkpoints: OUTPUT/checkpoint-N, each a Hugging Face folder with what training needs besides.
 *
 *   config.json, model.safetensors (F32) or its shards, generation_config.json, tokenizer files
 *   or, where an adapter is trained, adapter_config.json, adapter_model.safetensors (F32), tokenizer files
 *   optimizer.safetensors    the optimiser's state, one flat tensor a weight, by the weight's name
 *   ema.safetensors          the running mean of the weights, when there is one
 *   trainer_state.json       step, data position, options, lengths of the metrics files
 *
 * A folder appears under its name complete and flushed, or not at all. */
#include "base/io.h"
#include "model/safetensors.h"
#include "text/tokenizer.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char optimizer_file[] = "optimizer.safetensors",
    ema_file[] = "ema.safetensors";

static char *path_in(const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", folder, name);
    return b.p;
}

static char *checkpoint_path(const struct lt_train_options *o, int64_t step)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/checkpoint-%" PRId64, o->output, step);
    return b.p;
}

/* ---- which there are ---- */

static bool step_of(const char *name, int64_t *step)
{
    static const char prefix[] = "checkpoint-";
    return lt_str_starts(lt_str(name), prefix) && !lt_str_int(lt_str(name + sizeof prefix - 1), step) && *step >= 0;
}

static int compare_steps(const void *a, const void *b, void *unused)
{
    const int64_t *x = a, *y = b;
    (void)unused;
    return (*x > *y) - (*x < *y);
}

/* Steps of the checkpoints in the output folder, ascending; free() them. */
static int list_steps(const struct lt_train_options *o, int64_t **steps, int *count)
{
    char **names = NULL;
    int n = 0;
    *steps = NULL;
    *count = 0;
    if (!lt_path_exists(o->output)) return 0;
    if (lt_list_dir(o->output, &names, &n)) return -1;
    *steps = lt_calloc((size_t)n + 1, sizeof **steps);
    for (int i = 0; i < n; i++) {
        if (step_of(names[i], &(*steps)[*count])) (*count)++;
        free(names[i]);
    }
    free(names);
    lt_sort(*steps, (size_t)*count, sizeof **steps, compare_steps, NULL);
    return 0;
}

int lt_checkpoint_find(const struct lt_train_options *o, char **path)
{
    int64_t *steps;
    int count;
    *path = NULL;
    if (list_steps(o, &steps, &count)) return -1;
    if (count) *path = checkpoint_path(o, steps[count - 1]);
    free(steps);
    return 0;
}

/* Goes by another name first: a folder half removed by a kill must not look like a checkpoint. */
static int remove_checkpoint(const struct lt_train_options *o, int64_t step)
{
    struct lt_buf gone = { 0 };
    char *path = checkpoint_path(o, step);
    lt_buf_fmt(&gone, "%s/.checkpoint-%" PRId64 ".removed.tmp", o->output, step);
    int rc = rename(path, gone.p) ? lt_fail("%s: cannot remove", path) : lt_remove_tree(gone.p);
    lt_buf_free(&gone);
    free(path);
    return rc;
}

int lt_checkpoint_keep(const struct lt_train_options *o, int64_t limit)
{
    int64_t *steps;
    int count, rc = list_steps(o, &steps, &count);
    for (int i = 0; !rc && i < count - limit; i++) rc = remove_checkpoint(o, steps[i]);
    free(steps);
    return rc;
}

static int copy_tokenizer(const struct lt_trainer *t, const char *folder)
{
    if (!t->tokenizer_file) return 0;
    return lt_tokenizer_copy(t->tokenizer_folder ? t->tokenizer_folder : t->tokenizer_file, folder);
}

/* ---- tensors beside the weights ---- */

/* The optimiser's state, or the running means, of every weight that has some. */
static int each_tensor(const struct lt_trainer *t, bool ema, struct lt_safetensor *out)
{
    int n = 0;
    for (int i = 0; i < t->weights; i++) {
        const struct lt_trained *d = &t->trained[i];
        void *data = ema ? (void *)d->ema : d->state;
        int64_t count = ema ? d->rows * d->cols : (int64_t)(d->state_size / sizeof(float));
        if (!data || !count) continue;
        out[n++] = (struct lt_safetensor){ .name = t->weight[i]->name, .type = LT_F32, .rank = 1,
                                           .dim = { count }, .count = count, .data = data };
    }
    return n;
}

static int save_tensors(const struct lt_trainer *t, const char *folder, const char *name, bool ema)
{
    struct lt_safetensor *list = lt_calloc((size_t)t->weights + 1, sizeof *list);
    char *path = path_in(folder, name);
    int rc = lt_safetensors_save(path, list, each_tensor(t, ema, list), LT_F32);
    free(path);
    free(list);
    return rc;
}

static int load_tensors(struct lt_trainer *t, const char *folder, const char *name, bool ema)
{
    struct lt_safetensor *list = lt_calloc((size_t)t->weights + 1, sizeof *list);
    char *path = path_in(folder, name);
    struct lt_safetensors *file = NULL;
    int n = each_tensor(t, ema, list), rc = lt_safetensors_open(path, &file);
    for (int i = 0; !rc && i < n; i++) {
        const struct lt_safetensor *s = lt_safetensors_find(file, list[i].name);
        if (!s || s->type != LT_F32 || s->count != list[i].count)
            rc = lt_fail("%s: no %" PRId64 " numbers for \"%s\"; was it made with another optimiser?", path,
                         list[i].count, list[i].name);
        else memcpy((void *)list[i].data, s->data, (size_t)s->count * sizeof(float));
    }
    if (file) lt_safetensors_free(file);
    free(path);
    free(list);
    return rc;
}

int lt_checkpoint_resume(struct lt_trainer *t, const char *folder)
{
    int64_t metrics_size, samples_size;
    if (lt_state_take(t, folder, &metrics_size, &samples_size)) return -1;
    if (load_tensors(t, folder, optimizer_file, false)) return -1;
    if (t->o->ema > 0 && load_tensors(t, folder, ema_file, true)) return -1;
    if (lt_metrics_open(&t->metrics, t->o->output, metrics_size, samples_size, t->step)) return -1;
    t->saved_step = t->step;
    t->plan.spent = t->metrics.elapsed;
    return 0;
}

/* ---- saving ---- */

int lt_checkpoint_save(struct lt_trainer *t)
{
    struct lt_folder d;
    if (lt_train_bad_weight(t)) return lt_train_diverged(t, t->step, "the update left the numbers");
    char *path = checkpoint_path(t->o, t->step);
    int rc = lt_folder_open(&d, path);
    free(path);
    if (rc) return -1;
    rc = lt_trainer_save_weights(t, d.temp, LT_F32)
         || save_tensors(t, d.temp, optimizer_file, false)
         || (t->o->ema > 0 && save_tensors(t, d.temp, ema_file, true)) || copy_tokenizer(t, d.temp)
         || lt_state_save(t, d.temp);
    if (rc) {
        lt_folder_abort(&d);
        return -1;
    }
    if (lt_folder_commit(&d)) return -1;
    t->saved_step = t->step;
    return t->o->save_total_limit ? lt_checkpoint_keep(t->o, t->o->save_total_limit) : 0;
}

static int save_ema(struct lt_trainer *t, enum lt_dtype type)
{
    struct lt_folder d;
    char *path = path_in(t->o->output, "ema");
    int rc = lt_folder_open(&d, path);
    free(path);
    if (rc) return -1;
    for (int i = 0; i < t->weights; i++)
        if (t->trained[i].ema) t->weight[i]->data = t->trained[i].ema;
    rc = lt_trainer_save_weights(t, d.temp, type) || copy_tokenizer(t, d.temp) ? -1 : 0;
    for (int i = 0; i < t->weights; i++) t->weight[i]->data = t->weight[i]->master;
    if (!rc) return lt_folder_commit(&d);
    lt_folder_abort(&d);
    return -1;
}

int lt_final_save(struct lt_trainer *t)
{
    enum lt_dtype type;
    if (lt_dtype_find(t->o->save_dtype, &type)) return -1;
    if (lt_train_bad_weight(t)) return lt_train_diverged(t, t->step, "the update left the numbers");
    if (lt_trainer_save_weights(t, t->o->output, type)) return -1;
    if (copy_tokenizer(t, t->o->output)) return -1;
    return t->o->ema > 0 ? save_ema(t, type) : 0;
}
