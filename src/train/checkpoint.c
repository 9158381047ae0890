/* Checkpoints: OUTPUT/checkpoint-N, each a Hugging Face folder with what training needs besides.
 *
 *   config.json, model.safetensors (F32), generation_config.json, tokenizer files
 *   optimizer.safetensors    the optimiser's state, one flat tensor a weight, by the weight's name
 *   ema.safetensors          the running mean of the weights, when there is one
 *   trainer_state.json       step, data position, options, lengths of the metrics files
 *
 * A folder appears under its name complete and flushed, or not at all. */
#include "base/io.h"
#include "base/json.h"
#include "base/option.h"
#include "model/safetensors.h"
#include "text/tokenizer.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT = 1 };
static const char state_file[] = "trainer_state.json", optimizer_file[] = "optimizer.safetensors",
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
    for (int i = 0; i < t->model->weight_count; i++) {
        const struct lt_trained *d = &t->trained[i];
        void *data = ema ? (void *)d->ema : d->state;
        int64_t count = ema ? d->rows * d->cols : (int64_t)(d->state_size / sizeof(float));
        if (!data || !count) continue;
        out[n++] = (struct lt_safetensor){ .name = t->model->weight[i].name, .type = LT_F32, .rank = 1,
                                           .dim = { count }, .count = count, .data = data };
    }
    return n;
}

static int save_tensors(const struct lt_trainer *t, const char *folder, const char *name, bool ema)
{
    struct lt_safetensor *list = lt_calloc((size_t)t->model->weight_count + 1, sizeof *list);
    char *path = path_in(folder, name);
    int rc = lt_safetensors_save(path, list, each_tensor(t, ema, list), LT_F32);
    free(path);
    free(list);
    return rc;
}

static int load_tensors(struct lt_trainer *t, const char *folder, const char *name, bool ema)
{
    struct lt_safetensor *list = lt_calloc((size_t)t->model->weight_count + 1, sizeof *list);
    char *path = path_in(folder, name);
    struct lt_safetensors *file;
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

/* ---- trainer_state.json ---- */

/* Options that do not change what the weights become, or whose effect is compared otherwise (the data by its hash; a
 * model that training started from no longer matters). */
static bool may_change(const char *key)
{
    static const char *const keys[] = {
        "data", "output", "model", "init_from", "tokenizer", "time_limit", "time_plan", "stop_at", "save_dtype",
        "gradient_checkpointing", "save_steps", "save_total_limit", "eval_steps", "eval_batches", "prompts",
        "sample_tokens",
    };
    for (int i = 0; i < LT_COUNT(keys); i++)
        if (!strcmp(keys[i], key)) return true;
    return false;
}

/* The options that must stay as they are when the run goes on. */
static json_t *lasting_options(const struct lt_train_options *o)
{
    char *text = lt_option_json(lt_train_rows, o, false);
    json_t *all = json_loads(text, 0, NULL);
    for (const struct lt_opt *r = lt_train_rows; r->key; r++)
        if (may_change(r->key)) json_object_del(all, r->key);
    free(text);
    return all;
}

static int save_state(struct lt_trainer *t, const char *folder)
{
    struct lt_buf plan = { 0 }, b = { 0 };
    int64_t metrics_size, samples_size;
    if (lt_metrics_sync(&t->metrics, &metrics_size, &samples_size)) return -1;
    lt_plan_text(&t->plan, t->step, &plan);
    json_t *j = json_pack("{sisIsIsIsssIsIssso}", "format", FORMAT, "step", (json_int_t)t->step, "tokens",
                          (json_int_t)t->tokens,
                          "micro_batches", (json_int_t)(t->step * t->o->accumulation), "data", lt_loader_hash(t->data),
                          "metrics_bytes", (json_int_t)metrics_size, "samples_bytes", (json_int_t)samples_size,
                          "time_plan", plan.p, "options", lasting_options(t->o));
    lt_json_put(&b, j);
    lt_buf_char(&b, '\n');
    char *path = path_in(folder, state_file);
    int rc = lt_file_save(path, b.p, b.n);
    free(path);
    lt_buf_free(&b);
    lt_buf_free(&plan);
    json_decref(j);
    return rc;
}

static char *spelling(const json_t *v)
{
    return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
}

static int compare_options(const struct lt_trainer *t, const char *folder, const json_t *old)
{
    json_t *now = lasting_options(t->o), *v;
    const char *key;
    int rc = 0;
    json_object_foreach(now, key, v) {
        const json_t *was = json_object_get(old, key);
        if (rc || !was || json_equal(v, (json_t *)was)) continue;
        char *before = spelling(was), *after = spelling(v);
        rc = lt_misuse("--%s was %s in %s and is %s now; give the old value to go on, or --restart to start over", key,
                       before, folder, after);
        free(before);
        free(after);
    }
    json_decref(now);
    return rc;
}

/* What trainer_state.json says; its texts are borrowed from the document. */
struct state { int64_t step, tokens, metrics_bytes, samples_bytes; const char *data, *plan; json_t *options; };

static int read_state(const char *path, const json_t *j, struct state *s)
{
    static const char *const need[] = { "step", "tokens", "metrics_bytes", "samples_bytes", "data", "time_plan",
                                        "options" };
    int64_t format = 0, most = INT64_C(1) << 53;
    if (lt_json_int(j, path, "format", 0, most, &format) < 0) return -1;
    if (format != FORMAT)
        return lt_fail("%s: format %" PRId64 " is not %d, the one that can be read", path, format, FORMAT);
    for (int i = 0; i < LT_COUNT(need); i++)
        if (lt_json_need(j, path, need[i])) return -1;
    return lt_json_int(j, path, "step", 0, most, &s->step) < 0
        || lt_json_int(j, path, "tokens", 0, most, &s->tokens) < 0
           || lt_json_int(j, path, "metrics_bytes", 0, most, &s->metrics_bytes) < 0
           || lt_json_int(j, path, "samples_bytes", 0, most, &s->samples_bytes) < 0
           || lt_json_str(j, path, "data", &s->data) < 0
        || lt_json_str(j, path, "time_plan", &s->plan) < 0
        || lt_json_object(j, path, "options", &s->options) < 0 ? -1 : 0;
}

static int take_state(struct lt_trainer *t, const char *folder, const struct state *s)
{
    if (compare_options(t, folder, s->options)) return -1;
    if (strcmp(s->data, lt_loader_hash(t->data)))
        return lt_misuse("the data is not what %s was trained on; give the same data, or --restart to start over",
                         folder);
    t->step = s->step;
    t->tokens = s->tokens;
    if (t->plan.limit <= 0) return 0;
    t->plan.count = 0;
    return lt_plan_parse(s->plan, &t->plan);
}

int lt_checkpoint_resume(struct lt_trainer *t, const char *folder)
{
    char *path = path_in(folder, state_file);
    struct state s = { 0 };
    json_t *j = NULL;
    int rc = lt_json_read(path, &j);
    if (!rc) rc = read_state(path, j, &s);
    if (rc)
        rc = lt_fail("%s; remove that checkpoint to go on from the one before, or start over with --restart",
                     lt_error());
    if (!rc) rc = take_state(t, folder, &s);
    if (!rc) rc = load_tensors(t, folder, optimizer_file, false);
    if (!rc && t->o->ema > 0) rc = load_tensors(t, folder, ema_file, true);
    if (!rc) rc = lt_metrics_open(&t->metrics, t->o->output, s.metrics_bytes, s.samples_bytes, t->step);
    if (!rc) t->saved_step = t->step;
    if (!rc) t->plan.spent = t->metrics.elapsed;
    json_decref(j);
    free(path);
    return rc;
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
    rc = lt_model_save(t->model, d.temp, LT_F32) || save_tensors(t, d.temp, optimizer_file, false)
         || (t->o->ema > 0 && save_tensors(t, d.temp, ema_file, true)) || copy_tokenizer(t, d.temp)
         || save_state(t, d.temp);
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
    for (int i = 0; i < t->model->weight_count; i++)
        if (t->trained[i].ema) t->model->weight[i].data = t->trained[i].ema;
    rc = lt_model_save(t->model, d.temp, type) || copy_tokenizer(t, d.temp) ? -1 : 0;
    for (int i = 0; i < t->model->weight_count; i++) t->model->weight[i].data = t->model->weight[i].master;
    if (!rc) return lt_folder_commit(&d);
    lt_folder_abort(&d);
    return -1;
}

int lt_final_save(struct lt_trainer *t)
{
    enum lt_dtype type;
    if (lt_dtype_find(t->o->save_dtype, &type)) return -1;
    if (lt_train_bad_weight(t)) return lt_train_diverged(t, t->step, "the update left the numbers");
    if (lt_model_save(t->model, t->o->output, type) || copy_tokenizer(t, t->o->output)) return -1;
    return t->o->ema > 0 ? save_ema(t, type) : 0;
}
