/* trainer_state.json of a checkpoint: where a run stands, and what must be the same for it to go on. */
#include "base/io.h"
#include "base/json.h"
#include "base/option.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

static char *state_path(const char *folder)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/trainer_state.json", folder);
    return b.p;
}

/* Options that do not change what the weights become, or whose effect is compared otherwise: the data and the model
 * that training started from by their hashes. */
static bool may_change(const char *key)
{
    static const char *const keys[] = {
        "data", "output", "model", "init_from", "tokenizer", "time_plan", "stop_at", "save_dtype",
        "max_shard_size", "gradient_checkpointing", "save_steps", "save_total_limit", "eval_steps", "eval_batches",
        "prompts", "sample_tokens",
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

int lt_state_save(struct lt_trainer *t, const char *folder)
{
    struct lt_buf plan = { 0 }, b = { 0 };
    if (lt_metrics_sync(&t->metrics)) return -1;
    lt_plan_text(&t->plan, t->step, &plan);
    json_t *j = json_pack("{si sI sb sI sI ss ss sI sI ss so}", "format", FORMAT, "step", (json_int_t)t->step,
                          "validated", t->validated_step == t->step,
                          "tokens", (json_int_t)t->tokens,
                          "micro_batches", (json_int_t)(t->step * t->o->accumulation), "data", lt_loader_hash(t->data),
                          "start", t->start_hash, "metrics_bytes", (json_int_t)t->metrics.metrics_size,
                          "samples_bytes", (json_int_t)t->metrics.samples_size, "time_plan", plan.p,
                          "options", lasting_options(t->o));
    lt_json_put(&b, j);
    lt_buf_char(&b, '\n');
    char *path = state_path(folder);
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
    return rc ? 1 : 0;
}

/* What trainer_state.json says; its texts are borrowed from the document. */
struct state {
    int64_t step, tokens, metrics_bytes, samples_bytes;
    bool validated;
    const char *data, *start, *plan;
    json_t *options;
};

static int read_state(const char *path, const json_t *j, struct state *s)
{
    static const char *const need[] = {
        "step", "validated", "tokens", "metrics_bytes", "samples_bytes", "data", "start", "time_plan", "options",
    };
    int64_t format = 0, most = INT64_C(1) << 53;
    if (lt_json_int(j, path, "format", 0, most, &format) < 0) return -1;
    if (format != FORMAT)
        return lt_fail("%s: format %" PRId64 " is not %d, the one that can be read", path, format, FORMAT);
    for (int i = 0; i < LT_COUNT(need); i++)
        if (lt_json_need(j, path, need[i])) return -1;
    return lt_json_int(j, path, "step", 0, most, &s->step) < 0
        || lt_json_bool(j, path, "validated", &s->validated) < 0
        || lt_json_int(j, path, "tokens", 0, most, &s->tokens) < 0
        || lt_json_int(j, path, "metrics_bytes", 0, most, &s->metrics_bytes) < 0
        || lt_json_int(j, path, "samples_bytes", 0, most, &s->samples_bytes) < 0
        || lt_json_str(j, path, "data", &s->data) < 0 || lt_json_str(j, path, "start", &s->start) < 0
        || lt_json_str(j, path, "time_plan", &s->plan) < 0
        || lt_json_object(j, path, "options", &s->options) < 0 ? -1 : 0;
}

/* json_decref(*j): the texts of *s lie there. */
static int open_state(const char *folder, json_t **j, struct state *s)
{
    char *path = state_path(folder);
    *s = (struct state){ 0 };
    *j = NULL;
    int rc = lt_json_read(path, j);
    if (!rc) rc = read_state(path, *j, s);
    if (rc)
        rc = lt_fail("%s; remove that checkpoint to go on from the one before, or start over with --restart",
                     lt_error());
    free(path);
    return rc;
}

static int changed(const char *what, const char *folder)
{
    lt_misuse("%s not what %s was trained with; give the same to go on, or --restart to start over", what, folder);
    return 1;
}

int lt_state_compare(const struct lt_trainer *t, const char *folder)
{
    struct state s;
    json_t *j;
    int rc = open_state(folder, &j, &s);
    if (!rc) rc = compare_options(t, folder, s.options);
    if (!rc && strcmp(s.data, lt_loader_hash(t->data))) rc = changed("the data is", folder);
    if (!rc && strcmp(s.start, t->start_hash)) rc = changed("the model to start from is", folder);
    json_decref(j);
    return rc;
}

int lt_state_take(struct lt_trainer *t, const char *folder, int64_t *metrics_size, int64_t *samples_size)
{
    struct state s;
    json_t *j;
    int rc = open_state(folder, &j, &s);
    if (!rc) {
        t->step = s.step;
        if (s.validated) t->validated_step = s.step;
        t->tokens = s.tokens;
        *metrics_size = s.metrics_bytes;
        *samples_size = s.samples_bytes;
    }
    if (!rc && t->plan.limit > 0) {
        t->plan.count = 0;
        rc = lt_plan_parse(s.plan, &t->plan);
    }
    json_decref(j);
    return rc;
}
