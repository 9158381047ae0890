/* The training loop. */
#include "base/ctx.h"
#include "base/io.h"
#include "model/safetensors.h"
#include "train/trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- the output folder ---- */

static bool same_place(const char *a, const char *b)
{
    char x[PATH_MAX], y[PATH_MAX];
    return a && b && realpath(a, x) && realpath(b, y) && !strcmp(x, y);
}

/* One run at a time: the lock on the folder goes with the process. */
static int lock_output(const char *path, int *fd)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return lt_fail("%s: cannot open: %s", path, strerror(errno));
    if (!flock(*fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return 0;
    return lt_fail("%s: another run is writing there", path);
}

/* What a killed run left under temporary names. */
static int sweep(const char *folder)
{
    char **names;
    int count, rc = lt_list_dir(folder, &names, &count);
    for (int i = 0; i < count; i++) {
        struct lt_buf path = { 0 };
        lt_buf_fmt(&path, "%s/%s", folder, names[i]);
        if (!rc && lt_glob(".*.tmp", names[i])) rc = lt_path_is_dir(path.p) ? lt_remove_tree(path.p) : unlink(path.p);
        lt_buf_free(&path);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int prepare_output(const struct lt_train_options *o, int *lock, char **checkpoint)
{
    if (same_place(o->output, o->model) || same_place(o->output, o->init_from))
        return lt_misuse("%s: the output folder is the model that training starts from; name another", o->output);
    if (lt_mkdirs(o->output) || lock_output(o->output, lock) || sweep(o->output)) return -1;
    if (o->restart && lt_checkpoint_keep(o, 0)) return -1;
    if (lt_checkpoint_find(o, checkpoint)) return -1;
    static const char *const made[] = { "model.safetensors", "model.safetensors.index.json",
                                        "adapter_model.safetensors" };
    bool taken = false;
    for (int i = 0; i < LT_COUNT(made) && !o->restart && !*checkpoint; i++) {
        struct lt_buf path = { 0 };
        lt_buf_fmt(&path, "%s/%s", o->output, made[i]);
        taken |= lt_path_exists(path.p);
        lt_buf_free(&path);
    }
    return taken ? lt_misuse("%s: holds a model but no checkpoint to go on from; "
                             "name another folder, or --restart to replace it",
                             o->output) : 0;
}

/* ---- how long ---- */

/* Of pairs as many as two texts of the mean length have. */
static double tokens_per_step(const struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    double pairs = (double)o->batch_size * (double)o->accumulation;
    if (t->info.pairs) return 2 * pairs * (double)t->info.tokens / (double)t->info.documents;
    return (double)o->batch_size * (double)o->max_length * (double)o->accumulation;
}

/* The first guess of a run with a time limit knows nothing but the machine's peak. */
static int64_t guess_steps(struct lt_trainer *t)
{
    double step = t->flops_per_token * tokens_per_step(t) / (0.4 * fmax(lt_trainer_peak(t), 1e9));
    return (int64_t)fmin(fmax(t->plan.limit / step, 1), 1e12);
}

static int make_plan(struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    t->plan.began = lt_clock();
    if (o->time_plan) return lt_plan_parse(o->time_plan, &t->plan);
    if (o->time_limit && lt_duration(o->time_limit, &t->plan.limit)) return -1;
    double epochs = o->epochs > 0 ? o->epochs : o->max_steps || o->time_limit ? 0 : 1;
    int64_t steps = o->max_steps;
    if (epochs > 0) {
        double all = fmax(1, floor(epochs * (double)t->info.batches / (double)o->accumulation));
        steps = (int64_t)fmin(all, steps ? (double)steps : 1e12);
    }
    t->plan.most = steps;
    if (t->plan.limit > 0) steps = steps ? LT_MIN(steps, guess_steps(t)) : guess_steps(t);
    lt_plan_put(&t->plan, 0, steps);
    return 0;
}

static int64_t total(const struct lt_trainer *t) { return lt_plan_total(&t->plan, t->step); }

/* ---- what is due ---- */

static bool save_due(const struct lt_trainer *t) { return t->step % t->o->save_steps == 0 || t->step == total(t); }

static int64_t eval_every(const struct lt_trainer *t) { return t->o->eval_steps ? t->o->eval_steps : t->o->save_steps; }

static bool eval_due(const struct lt_trainer *t)
{
    return t->validation && t->step && (t->step % eval_every(t) == 0 || t->step == total(t));
}

static struct lt_pair_figures figures(const struct lt_pair_sums *s)
{
    double n = (double)LT_MAX(s->pairs, 1);
    return (struct lt_pair_figures){ .accuracy = s->right / n, .margin = s->margin / n, .pairs = s->pairs };
}

static int validate(struct lt_trainer *t)
{
    struct lt_validation v;
    int rc = lt_validate(t, &v);
    if (rc) return rc;
    if (v.pairs.pairs) {
        struct lt_pair_figures f = figures(&v.pairs);
        lt_metrics_eval_pairs(&t->metrics, t->step, v.loss, &f);
        lt_note(t->ctx, "step %" PRId64 ": validation loss %.4f, %.1f %% of pairs right", t->step, v.loss,
                100 * v.accuracy);
    } else {
        lt_metrics_eval(&t->metrics, t->step, v.loss, v.bits_per_byte, v.accuracy, v.tokens);
        lt_note(t->ctx, "step %" PRId64 ": validation %.4f bits per byte, loss %.4f", t->step, v.bits_per_byte,
                v.loss);
    }
    if (lt_train_samples(t)) return -1;
    if (lt_ctx_interrupted(t->ctx)) return 1;
    lt_metrics_mark(&t->metrics);
    t->validated_step = t->step;
    return lt_run_report(t);
}

/* Save before evaluating: a run that dies in its evaluation has lost nothing. */
static int save_and_validate(struct lt_trainer *t)
{
    double began = lt_clock();
    if (save_due(t) && t->saved_step != t->step && lt_checkpoint_save(t)) return -1;
    int rc = eval_due(t) ? validate(t) : 0;
    if (save_due(t) || eval_due(t)) t->plan.reserve = lt_clock() - began;
    return rc;
}

/* ---- telling ---- */

static double memory_peak(void)
{
    struct rusage r;
    return getrusage(RUSAGE_SELF, &r) ? 0 : (double)r.ru_maxrss * 1024;
}

static void tell(struct lt_trainer *t, struct lt_progress *p, const struct lt_step *s, double seconds)
{
    double speed = (double)s->tokens / fmax(seconds, 1e-9);
    /* Measuring takes a moment that a run of a second does not have. */
    if (lt_plan_seconds(&t->plan) > 1) lt_trainer_peak(t);
    double share = t->peak_flops > 0 ? speed * t->flops_per_token / t->peak_flops : 0;
    double epoch = (double)(t->step * t->o->accumulation) / (double)t->info.batches, memory = memory_peak();
    char extra[160], right[32] = "";
    struct lt_pair_figures f = figures(&s->pairs);
    lt_metrics_step(&t->metrics, t->step, epoch, t->tokens, s->loss, s->lr, s->norm, f.pairs ? &f : NULL);
    if (f.pairs) snprintf(right, sizeof right, "  %.0f %% right", 100 * f.accuracy);
    lt_metrics_mark(&t->metrics);
    lt_metrics_time(&t->metrics, t->step,
                    &(struct lt_timing){ seconds, lt_plan_seconds(&t->plan), speed, share, memory });
    snprintf(extra, sizeof extra, "loss %.4f%s  rate %.3g  %.0f tokens/s  %.0f %% of peak  %.0f MiB", s->loss, right,
             s->lr, speed, 100 * share, memory / (1 << 20));
    p->total = (double)total(t);
    lt_progress_at(p, (double)t->step, extra);
}

static void introduce(const struct lt_trainer *t)
{
    const struct lt_train_options *o = t->o;
    double count = 0, trained = 0, pairs = (double)(o->batch_size * o->accumulation);
    double per_step = t->info.pairs ? pairs : tokens_per_step(t);
    const char *unit = t->info.pairs ? "pairs" : "tokens";
    for (int i = 0; i < t->model->weight_count; i++) count += (double)lt_weight_count(&t->model->weight[i]);
    for (int i = 0; i < t->weights; i++)
        trained += t->trained[i].optim ? (double)lt_weight_count(t->weight[i]) : 0;
    count += t->adapter ? (double)lt_adapter_numbers(t->adapter) : 0;
    lt_note(t->ctx, "%s with %.4g M parameters, %.4g M of them trained with %s; %" PRId64 " tokens of text",
            t->model->arch->m.name, count / 1e6, trained / 1e6, o->optim.method->name, t->info.tokens);
    if (t->step) lt_note(t->ctx, "going on from %s/checkpoint-%" PRId64, o->output, t->step);
    if (t->plan.limit > 0)
        lt_note(t->ctx, "steps of %.0f %s for %s", per_step, unit, o->time_limit);
    else
        lt_note(t->ctx, "%" PRId64 " steps of %.0f %s", total(t), per_step, unit);
}

/* ---- the loop ---- */

static bool asked_to_stop(const struct lt_trainer *t) { return t->o->stop_at && t->step >= t->o->stop_at; }

/* 0: the end of the plan, or as far as asked; 1: interrupted; -1. */
static int run(struct lt_trainer *t, struct lt_progress *p)
{
    int64_t done = 0, pause = LT_MIN(t->o->save_steps, eval_every(t));
    double busy = 0;
    /* What the checkpoint we come from was due to be followed by, unless it was saved after that. */
    int rc = eval_due(t) && t->validated_step != t->step ? validate(t) : 0;
    while (!rc && t->step < total(t) && !asked_to_stop(t)) {
        struct lt_step s;
        double began = lt_clock();
        rc = lt_train_step(t, &s);
        if (rc) break;
        double seconds = lt_clock() - began;
        busy += seconds;
        tell(t, p, &s, seconds);
        done++;
        lt_plan_correct(&t->plan, t->step, done, busy / (double)done + t->plan.reserve / (double)pause);
        rc = save_and_validate(t);
    }
    return rc;
}

/* repeat.json: the options that a repetition needs besides those given, to end with the same bits. */
static int save_repeat(const struct lt_trainer *t)
{
    if (!t->o->time_limit && !t->o->time_plan) return 0;
    struct lt_buf b = { 0 }, path = { 0 };
    lt_buf_str(&b, "{\"time_plan\": \"");
    lt_plan_text(&t->plan, t->step, &b);
    lt_buf_str(&b, "\"}\n");
    lt_buf_fmt(&path, "%s/repeat.json", t->o->output);
    int rc = lt_file_save(path.p, b.p, b.n);
    lt_buf_free(&path);
    lt_buf_free(&b);
    return rc;
}

static int finish(struct lt_trainer *t, int rc)
{
    const char *out = t->o->output;
    if (rc < 0) return -1;
    if (t->saved_step != t->step && t->step && lt_checkpoint_save(t)) return -1;
    if (lt_metrics_sync(&t->metrics) || lt_run_report(t)) return -1;
    if (rc == 1) {
        lt_note(t->ctx, "interrupted after step %" PRId64 "%s; the same command goes on from there", t->step,
                t->step ? ", saved" : "");
        return 0;
    }
    if (t->step < total(t)) {
        lt_note(t->ctx, "stopped at step %" PRId64 " of %" PRId64 ", saved in %s/checkpoint-%" PRId64, t->step,
                total(t), out, t->step);
        return 0;
    }
    if (lt_final_save(t) || save_repeat(t)) return -1;
    lt_note(t->ctx, "finished after %" PRId64 " steps and %" PRId64 " tokens; "
                    "the %s is in %s, the report in %s/report.html",
            t->step, t->tokens, t->adapter ? "adapter" : "model", out, out);
    return 0;
}

/* Checkpoints of another run stand in the way, or give way. */
static int admit(struct lt_trainer *t, char **checkpoint)
{
    int rc = *checkpoint ? lt_state_compare(t, *checkpoint) : 0;
    if (rc <= 0) return rc;
    if (strcmp(t->o->on_change, "restart")) return -1;
    lt_note(t->ctx, "starting over: %s", lt_error());
    free(*checkpoint);
    *checkpoint = NULL;
    return lt_checkpoint_keep(t->o, 0);
}

static int begin(struct lt_trainer *t, char **checkpoint)
{
    if (lt_trainer_open_data(t) || admit(t, checkpoint) || lt_trainer_open(t, *checkpoint) || make_plan(t)) return -1;
    int rc = *checkpoint ? lt_checkpoint_resume(t, *checkpoint) : lt_metrics_open(&t->metrics, t->o->output, 0, 0, 0);
    if (!rc) introduce(t);
    return rc;
}

int lt_train(const struct lt_train_options *o, struct lt_ctx *c)
{
    struct lt_trainer t = { .o = o, .ctx = c, .saved_step = -1, .validated_step = -1 };
    struct lt_progress p;
    char *checkpoint = NULL;
    int lock = -1;
    if (lt_safetensors_size(o->max_shard_size, &t.shard_bytes)) return lt_misuse("max_shard_size: %s", lt_error());
    int rc = prepare_output(o, &lock, &checkpoint);
    if (!rc) rc = begin(&t, &checkpoint);
    if (!rc) {
        lt_progress_begin(c, &p, "training", "steps", (double)total(&t));
        rc = run(&t, &p);
        lt_progress_end(&p);
        rc = finish(&t, rc);
    }
    free(checkpoint);
    lt_trainer_release(&t);
    if (lock >= 0) close(lock);
    return rc;
}
