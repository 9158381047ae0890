/* Opening a run: data, model and tokenizer, and whether they belong together. */
#include "base/ctx.h"
#include "base/io.h"
#include "base/option.h"
#include "math/ceiling.h"
#include "model/inspect_model.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

static enum lt_compute compute_of(const struct lt_train_options *o)
{
    enum lt_dtype type;
    if (!strcmp(o->dtype, "int16")) return LT_COMPUTE_INT16;
    if (!strcmp(o->dtype, "int8")) return LT_COMPUTE_INT8;
    return lt_dtype_find(o->dtype, &type) == 0 && type == LT_BF16 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
}

static struct lt_loader_spec spec_of(const struct lt_train_options *o, const char *split)
{
    return (struct lt_loader_spec){ .split = split, .length = o->max_length, .rows = o->batch_size,
                                    .seed = (uint64_t)o->seed,
                                    .packing = strcmp(o->packing, "concat") ? LT_PACK_BEST_FIT : LT_PACK_CONCAT };
}

/* Pairs and texts are different data: neither is taken for the other. */
static int check_objective(const struct lt_trainer *t, const struct lt_loader_info *i)
{
    const struct lt_objective *objective = (const struct lt_objective *)t->o->objective.method;
    bool pairs = objective->needs & LT_NEEDS_PAIRS;
    if (pairs && !i->pairs)
        return lt_misuse("--objective %s is trained on pairs and %s holds none; `lathe pack --rows pairs` makes them",
                         objective->m.name, t->o->data.item[0]);
    if (!pairs && i->pairs)
        return lt_misuse("%s holds pairs, which --objective %s cannot be trained on; arm or simpo can",
                         t->o->data.item[0], objective->m.name);
    return 0;
}

static void note_left_out(const struct lt_trainer *t, const struct lt_loader_info *i, const char *split)
{
    if (!i->left_out) return;
    lt_note(t->ctx, "%s: %" PRId64 " of %" PRId64 " %s are longer than --max_length %" PRId64 " and left out (the "
            "longest text has %" PRId64 " tokens)", split, i->left_out, i->pairs ? i->documents / 2 : i->documents,
            i->pairs ? "pairs" : "rows", t->o->max_length, i->longest);
}

static int open_training_data(struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    int n = o->data.count, rc = 0;
    if (o->data_weights.count && o->data_weights.count != n)
        return lt_misuse("%d folders of data and %d data_weights; give one weight to each", n, o->data_weights.count);
    struct lt_loader_source *source = lt_calloc((size_t)n + 1, sizeof *source);
    for (int i = 0; i < n && !rc; i++) {
        source[i].path = o->data.item[i];
        if (o->data_weights.count && (lt_str_real(lt_str(o->data_weights.item[i]), &source[i].weight)
                                      || !(source[i].weight > 0)))
            rc = lt_misuse("data_weights: expected numbers above 0, found \"%s\"", o->data_weights.item[i]);
    }
    struct lt_loader_spec spec = spec_of(o, "train");
    spec.source = source;
    spec.source_count = n;
    if (!rc) rc = lt_loader_open(&spec, t->ctx, &t->data);
    free(source);
    if (rc) return -1;
    lt_loader_describe(t->data, &t->info);
    if (check_objective(t, &t->info)) return -1;
    note_left_out(t, &t->info, "train");
    return t->info.batches ? 0 : lt_fail("%s: the training split holds no token to predict", o->data.item[0]);
}

static bool has_validation(const char *path)
{
    char **names;
    int count;
    bool found = false;
    if (!lt_path_is_dir(path) || lt_list_dir(path, &names, &count)) return false;
    for (int i = 0; i < count; i++) {
        found = found || lt_glob("validation-*", names[i]);
        free(names[i]);
    }
    free(names);
    return found;
}

static int open_validation_data(struct lt_trainer *t)
{
    const struct lt_list *data = &t->o->data;
    struct lt_loader_source *source = lt_calloc((size_t)data->count + 1, sizeof *source);
    struct lt_loader_spec spec = spec_of(t->o, "validation");
    spec.source = source;
    spec.sequential = true;
    for (int i = 0; i < data->count; i++)
        if (has_validation(data->item[i])) source[spec.source_count++].path = data->item[i];
    int rc = spec.source_count ? lt_loader_open(&spec, t->ctx, &t->validation) : 0;
    free(source);
    if (t->validation) lt_loader_describe(t->validation, &t->validation_info);
    if (t->validation && check_objective(t, &t->validation_info)) return -1;
    note_left_out(t, &t->validation_info, "validation");
    if (!rc && !t->validation && t->o->eval_steps)
        rc = lt_misuse("eval_steps is given, but no folder of --data has a validation split; `lathe pack` makes one");
    if (!rc && !t->validation) lt_note(t->ctx, "the data has no validation split; nothing will be validated");
    return rc;
}

/* ---- the model ---- */

/* A size that was left at its default follows the data; one that was given must be large enough. */
static int fit_size(const struct lt_choice *c, struct lt_options *set, const struct lt_opt *r, int64_t least,
                    const char *why)
{
    int64_t value = *(const int64_t *)((const char *)c->o + r->at);
    char text[32];
    if (value == (int64_t)r->dflt) value = least;
    if (value < least) return lt_misuse("--arch.%s is %" PRId64 ", but %s %" PRId64, r->key, value, why, least);
    snprintf(text, sizeof text, "%" PRId64, value);
    return lt_options_set(set, r->key, text);
}

static int copy_option(const struct lt_choice *c, struct lt_options *set, const struct lt_opt *r)
{
    const struct lt_opt one[2] = { *r };
    char *json = lt_option_json(one, c->o, true);
    int rc = lt_options_json(set, json);
    free(json);
    return rc;
}

/* The model owns its options, so what was chosen is copied into a set of its own. */
static int fill_options(const struct lt_trainer *t, struct lt_options *set)
{
    const struct lt_choice *c = &t->o->arch;
    const struct lt_opt *vocab = lt_option_row(c->method, lt_str("vocab_size"));
    const struct lt_opt *context = lt_option_row(c->method, lt_str("max_position_embeddings"));
    int rc = 0;
    for (const struct lt_opt *r = c->method->opts; r && r->key && !rc; r++) {
        if (r == vocab) rc = fit_size(c, set, r, t->info.vocab, "the data's vocabulary has");
        else if (r == context) rc = fit_size(c, set, r, t->o->max_length, "--max_length is");
        else rc = copy_option(c, set, r);
    }
    return rc;
}

static int new_model(struct lt_trainer *t)
{
    const struct lt_method *arch = t->o->arch.method;
    struct lt_options *set = lt_options_new(arch);
    if (!fill_options(t, set))
        return lt_model_new((const struct lt_arch *)arch, set, (uint64_t)t->o->seed, t->ctx, &t->model);
    lt_options_free(set);
    return -1;
}

static bool same_shape(const struct lt_weight *a, const struct lt_weight *b)
{
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dim[i] == b->dim[i];
    return same;
}

static int take_weights(struct lt_trainer *t, const char *path)
{
    struct lt_model *from;
    int taken = 0;
    if (lt_model_open(path, &from)) return -1;
    for (int i = 0; i < t->model->weight_count; i++) {
        struct lt_weight *w = &t->model->weight[i];
        const uint64_t *at = lt_map_get(&from->by_name, lt_str(w->name));
        const struct lt_weight *f = at ? &from->weight[*at] : NULL;
        if (!f || !same_shape(w, f)) continue;
        lt_convert(LT_F32, w->master, f->type, f->data, lt_weight_count(w));
        taken++;
    }
    lt_model_free(from);
    if (!taken) return lt_misuse("--init_from %s: no weight has the name and shape of one of the new model", path);
    lt_note(t->ctx, "%d of %d weights taken from %s", taken, t->model->weight_count, path);
    return 0;
}

static int open_model(struct lt_trainer *t, const char *checkpoint)
{
    const struct lt_train_options *o = t->o;
    if (!o->model == !o->arch.method)
        return lt_misuse("expected either --model FOLDER to go on training, or --arch NAME for a new model; found %s",
                         o->model ? "both" : "neither");
    if (o->init_from && o->model) return lt_misuse("--init_from fills a new model; with --model there is none");
    if (o->adapter.method && !o->model)
        return lt_misuse("--adapter trains an adapter over --model FOLDER; there is none");
    const char *path = checkpoint && !o->adapter.method ? checkpoint : o->model;
    if (path ? lt_model_open(path, &t->model) : new_model(t)) return -1;
    if (o->adapter.method ? lt_trainer_open_adapter(t, checkpoint) : lt_model_train(t->model)) return -1;
    lt_trainer_list_weights(t);
    t->model->checkpoint = o->gradient_checkpointing;
    if (t->model->vocab < t->info.vocab)
        return lt_fail("the model knows %" PRId64 " tokens and the data %" PRId64 "; "
                       "was it packed with another tokenizer?",
                       t->model->vocab, t->info.vocab);
    if (t->model->context && o->max_length > t->model->context)
        return lt_misuse("--max_length %" PRId64 " is beyond the model's context of %" PRId64, o->max_length,
                         t->model->context);
    return !checkpoint && o->init_from ? take_weights(t, o->init_from) : 0;
}

/* ---- the tokenizer ---- */

static char *tokenizer_in(const char *folder)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/tokenizer.json", folder);
    if (lt_path_exists(b.p)) return b.p;
    lt_buf_free(&b);
    return NULL;
}

static int check_tokenizer(struct lt_trainer *t, const char *path)
{
    struct lt_generation *says = &t->model->generation;
    if (lt_tokenizer_open(path, &t->tokenizer)) return -1;
    if (strcmp(lt_tokenizer_hash(t->tokenizer), t->info.tokenizer_hash))
        return lt_fail("the data was packed with another tokenizer (%s) than %s (%s)", t->info.tokenizer_hash, path,
                       lt_tokenizer_hash(t->tokenizer));
    int32_t eos = lt_tokenizer_eos(t->tokenizer);
    if (eos >= 0 && !says->eos_count) says->eos[says->eos_count++] = eos;
    if (says->bos < 0) says->bos = lt_tokenizer_bos(t->tokenizer);
    return 0;
}

static int open_tokenizer(struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    const char *folder = o->tokenizer && lt_path_is_dir(o->tokenizer) ? o->tokenizer : NULL;
    char *file = o->tokenizer ? folder ? tokenizer_in(folder) : lt_strdup(o->tokenizer) : NULL;
    if (o->tokenizer && !file) return lt_fail("%s: there is no tokenizer.json in the folder", o->tokenizer);
    if (!file && o->model) file = tokenizer_in(folder = o->model);
    for (int i = 0; !file && i < o->data.count; i++) file = tokenizer_in(folder = o->data.item[i]);
    if (!file) {
        if (o->prompts.count) return lt_misuse("prompts need a tokenizer; name it with --tokenizer");
        lt_note(t->ctx, "no tokenizer.json beside the data: the model is saved without one (--tokenizer names it)");
        return 0;
    }
    t->tokenizer_file = file;
    t->tokenizer_folder = folder ? lt_strdup(folder) : NULL;
    return check_tokenizer(t, file);
}

/* ---- the whole ---- */

int lt_trainer_open_data(struct lt_trainer *t)
{
    const char *start = t->o->model ? t->o->model : t->o->init_from;
    if (open_training_data(t) || open_validation_data(t)) return -1;
    return start ? lt_hash_path(start, t->start_hash, NULL) : 0;
}

int lt_trainer_open(struct lt_trainer *t, const char *checkpoint)
{
    if (open_model(t, checkpoint) || open_tokenizer(t) || lt_trainer_assign(t)) return -1;
    t->graph = lt_graph_new(t->ctx, compute_of(t->o));
    t->flops_per_token = (t->adapter ? 2 : 3) * lt_model_flops(t->model, (double)t->o->max_length);
    return 0;
}

double lt_trainer_peak(struct lt_trainer *t)
{
    if (!t->peak_flops) t->peak_flops = lt_peak_flops(lt_ctx_pool(t->ctx), compute_of(t->o));
    return t->peak_flops;
}

void lt_trainer_release(struct lt_trainer *t)
{
    for (int i = 0; t->trained && i < t->weights; i++) {
        free(t->trained[i].state);
        free(t->trained[i].ema);
    }
    free(t->trained);
    free(t->weight);
    free(t->rows);
    lt_adapter_free(t->adapter);
    lt_options_free(t->adamw);
    lt_graph_free(t->graph);
    lt_model_free(t->model);
    if (t->data) lt_loader_free(t->data);
    if (t->validation) lt_loader_free(t->validation);
    lt_tokenizer_free(t->tokenizer);
    free(t->tokenizer_file);
    free(t->tokenizer_folder);
    lt_plan_release(&t->plan);
    lt_metrics_close(&t->metrics);
}
