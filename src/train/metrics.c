#include "train/metrics.h"

#include "base/io.h"
#include "base/json.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 24 };

/* ---- tables in memory ---- */

static void put(struct lt_columns *c, int width, const double *row)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 256;
        for (int i = 0; i < width; i++) c->value[i] = lt_realloc(c->value[i], (size_t)c->cap * sizeof(double));
    }
    c->width = width;
    for (int i = 0; i < width; i++) c->value[i][c->count] = row[i];
    c->count++;
}

static void release(struct lt_columns *c)
{
    for (int i = 0; i < c->width; i++) free(c->value[i]);
    *c = (struct lt_columns){ 0 };
}

/* ---- what a line means: memory and TensorBoard ---- */

static void scalar(struct lt_metrics *m, double when, int64_t step, const char *name, double value)
{
    if (!isnan(value)) lt_tfevents_scalar(&m->events, when, step, name, value);
}

static void take_step(struct lt_metrics *m, double when, const double row[LT_STEP_WIDTH])
{
    static const char *const name[] = { [LT_STEP_LOSS] = "train/loss", [LT_STEP_RATE] = "train/learning_rate",
                                        [LT_STEP_NORM] = "train/grad_norm",
                                        [LT_STEP_ACCURACY] = "train/rewards/accuracies",
                                        [LT_STEP_MARGIN] = "train/rewards/margins" };
    put(&m->steps, LT_STEP_WIDTH, row);
    for (int i = LT_STEP_LOSS; i < LT_STEP_WIDTH; i++) scalar(m, when, (int64_t)row[LT_STEP_STEP], name[i], row[i]);
}

static void take_eval(struct lt_metrics *m, double when, const double row[LT_EVAL_WIDTH])
{
    bool pairs = !isnan(row[LT_EVAL_MARGIN]);
    const char *name[] = { [LT_EVAL_LOSS] = "eval/loss", [LT_EVAL_BPB] = "eval/bits_per_byte",
                           [LT_EVAL_ACCURACY] = pairs ? "eval/rewards/accuracies" : "eval/accuracy",
                           [LT_EVAL_MARGIN] = "eval/rewards/margins" };
    put(&m->evals, LT_EVAL_WIDTH, row);
    for (int i = LT_EVAL_LOSS; i < LT_EVAL_WIDTH; i++) scalar(m, when, (int64_t)row[LT_EVAL_STEP], name[i], row[i]);
}

static double number(const json_t *line, const char *key)
{
    const json_t *v = json_object_get(line, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void replay(struct lt_metrics *m, const json_t *line, double when)
{
    double step = number(line, "step");
    bool pairs = json_object_get(line, "eval_rewards/margins");
    if (json_object_get(line, "eval_loss"))
        take_eval(m, when, (double[]){ step, number(line, "eval_loss"), number(line, "eval_bits_per_byte"),
                                       number(line, pairs ? "eval_rewards/accuracies" : "eval_accuracy"),
                                       number(line, "eval_rewards/margins") });
    else
        take_step(m, when, (double[]){ step, number(line, "loss"), number(line, "learning_rate"),
                                       number(line, "grad_norm"), number(line, "rewards/accuracies"),
                                       number(line, "rewards/margins") });
}

/* ---- files ---- */

static char *path_of(const struct lt_metrics *m, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", m->folder, name);
    return b.p;
}

/* Opens a file for appending, cut to `size` bytes. */
static int open_cut(const struct lt_metrics *m, const char *name, int64_t size, FILE **out)
{
    char *path = path_of(m, name);
    int rc = 0;
    *out = fopen(path, "abe");
    if (!*out) rc = lt_fail("%s: cannot write: %s", path, strerror(errno));
    if (!rc && fseek(*out, 0, SEEK_END)) rc = lt_fail("%s: cannot seek: %s", path, strerror(errno));
    if (!rc && ftell(*out) < size)
        rc = lt_fail("%s: has %ld bytes where the checkpoint knows of %" PRId64 "; "
                     "put the file back, or start over with --restart",
                     path, ftell(*out), size);
    if (!rc && ftruncate(fileno(*out), size)) rc = lt_fail("%s: cannot cut: %s", path, strerror(errno));
    free(path);
    return rc;
}

static int replay_metrics(struct lt_metrics *m)
{
    char *path = path_of(m, "metrics.jsonl");
    struct lt_stream *s = lt_stream_open(path);
    struct lt_buf line = { 0 };
    double now = (double)time(NULL);
    int rc = s ? 1 : -1;
    while (rc == 1 && (rc = lt_stream_line(s, &line, LINE_MAX_BYTES, true)) == 1) {
        json_t *j = json_loadb(line.p, line.n, 0, NULL);
        if (json_is_object(j)) replay(m, j, now);
        else rc = lt_fail("%s: a line is not JSON; put the file back, or start over with --restart", path);
        json_decref(j);
    }
    lt_stream_close(s);
    lt_buf_free(&line);
    free(path);
    return rc;
}

/* Keeps the lines of steps up to last_step; a line cut short by a kill goes too. */
static int keep_timings(struct lt_metrics *m, int64_t last_step)
{
    char *path = path_of(m, "timings.jsonl");
    struct lt_buf all = { 0 }, kept = { 0 };
    int rc = lt_path_exists(path) && last_step > 0 ? lt_file_read(path, &all) : 0;
    struct lt_str rest = lt_buf_view(&all), line;
    while (!rc && lt_str_split(&rest, '\n', &line)) {
        json_t *j = line.n ? json_loadb(line.p, line.n, 0, NULL) : NULL;
        int64_t step = (int64_t)json_integer_value(json_object_get(j, "step"));
        if (j && step <= last_step) {
            put(&m->times, LT_TIME_WIDTH, (double[]){ (double)step, number(j, "tokens_per_second") });
            m->elapsed = number(j, "elapsed");
            lt_buf_put(&kept, line.p, line.n);
            lt_buf_char(&kept, '\n');
        }
        json_decref(j);
    }
    if (!rc) rc = lt_file_save(path, kept.p, kept.n);
    if (!rc && !(m->timings = fopen(path, "abe"))) rc = lt_fail("%s: cannot write: %s", path, strerror(errno));
    lt_buf_free(&all);
    lt_buf_free(&kept);
    free(path);
    return rc;
}

int lt_metrics_open(struct lt_metrics *m, const char *folder, int64_t metrics_size, int64_t samples_size,
                    int64_t last_step)
{
    *m = (struct lt_metrics){ .folder = lt_strdup(folder), .metrics_size = metrics_size, .samples_size = samples_size };
    if (lt_tfevents_open(&m->events, folder) || open_cut(m, "metrics.jsonl", metrics_size, &m->metrics)
        || open_cut(m, "samples.jsonl", samples_size, &m->samples) || keep_timings(m, last_step))
        return -1;
    return replay_metrics(m);
}

static void end_line(struct lt_metrics *m, FILE *f, struct lt_buf *b)
{
    lt_buf_str(b, "}\n");
    if ((fwrite(b->p, 1, b->n, f) != b->n || fflush(f)) && !m->failed) m->failed = errno;
    lt_buf_free(b);
}

static void real(struct lt_buf *b, const char *key, double v)
{
    lt_buf_fmt(b, ", \"%s\": ", key);
    lt_json_put_real(b, v);
}

/* Nine digits tell any two floats apart, and a sum in double from one that differs by rounding. */
static double short_real(double v)
{
    char text[40];
    snprintf(text, sizeof text, "%.9g", v);
    return strtod(text, NULL);
}

void lt_metrics_step(struct lt_metrics *m, int64_t step, double epoch, int64_t tokens, double loss, double lr,
                     double norm, const struct lt_pair_figures *pairs)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"step\": %" PRId64, step);
    real(&b, "epoch", short_real(epoch));
    lt_buf_fmt(&b, ", \"tokens\": %" PRId64, tokens);
    real(&b, "loss", short_real(loss));
    real(&b, "learning_rate", short_real(lr));
    real(&b, "grad_norm", short_real(norm));
    if (pairs) {
        real(&b, "rewards/accuracies", short_real(pairs->accuracy));
        real(&b, "rewards/margins", short_real(pairs->margin));
    }
    end_line(m, m->metrics, &b);
    take_step(m, (double)time(NULL), (double[]){ (double)step, loss, lr, norm, pairs ? pairs->accuracy : NAN,
                                                 pairs ? pairs->margin : NAN });
}

void lt_metrics_eval(struct lt_metrics *m, int64_t step, double loss, double bits_per_byte, double accuracy,
                     int64_t tokens)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"step\": %" PRId64, step);
    real(&b, "eval_loss", short_real(loss));
    real(&b, "eval_bits_per_byte", short_real(bits_per_byte));
    real(&b, "eval_accuracy", short_real(accuracy));
    lt_buf_fmt(&b, ", \"eval_tokens\": %" PRId64, tokens);
    end_line(m, m->metrics, &b);
    take_eval(m, (double)time(NULL), (double[]){ (double)step, loss, bits_per_byte, accuracy, NAN });
    lt_tfevents_flush(&m->events);
}

void lt_metrics_eval_pairs(struct lt_metrics *m, int64_t step, double loss, const struct lt_pair_figures *pairs)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"step\": %" PRId64, step);
    real(&b, "eval_loss", short_real(loss));
    real(&b, "eval_rewards/accuracies", short_real(pairs->accuracy));
    real(&b, "eval_rewards/margins", short_real(pairs->margin));
    lt_buf_fmt(&b, ", \"eval_pairs\": %" PRId64, pairs->pairs);
    end_line(m, m->metrics, &b);
    take_eval(m, (double)time(NULL), (double[]){ (double)step, loss, NAN, pairs->accuracy, pairs->margin });
    lt_tfevents_flush(&m->events);
}

void lt_metrics_time(struct lt_metrics *m, int64_t step, const struct lt_timing *s)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"step\": %" PRId64 ", \"seconds\": %.6f, \"elapsed\": %.3f, \"tokens_per_second\": %.1f", step,
               s->seconds, s->elapsed, s->tokens_per_second);
    if (s->share > 0) lt_buf_fmt(&b, ", \"share_of_peak\": %.4f", s->share);
    lt_buf_fmt(&b, ", \"memory_bytes\": %.0f", s->memory);
    end_line(m, m->timings, &b);
    put(&m->times, LT_TIME_WIDTH, (double[]){ (double)step, s->tokens_per_second });
    lt_tfevents_scalar(&m->events, (double)time(NULL), step, "train/tokens_per_second", s->tokens_per_second);
    if (m->times.count % 20 == 0) lt_tfevents_flush(&m->events);
}

void lt_metrics_sample(struct lt_metrics *m, int64_t step, struct lt_str prompt, struct lt_str text)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "{\"step\": %" PRId64 ", \"prompt\": ", step);
    lt_json_put_text(&b, prompt);
    lt_buf_str(&b, ", \"text\": ");
    lt_json_put_text(&b, text);
    end_line(m, m->samples, &b);
}

void lt_metrics_mark(struct lt_metrics *m)
{
    m->metrics_size = ftell(m->metrics);
    m->samples_size = ftell(m->samples);
}

static int sync_file(const struct lt_metrics *m, FILE *f, const char *name, int64_t marked)
{
    if (!ferror(f) && marked >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0) return 0;
    return lt_fail("%s/%s: cannot write: %s", m->folder, name, strerror(ferror(f) && m->failed ? m->failed : errno));
}

int lt_metrics_sync(struct lt_metrics *m)
{
    lt_tfevents_flush(&m->events);
    return sync_file(m, m->metrics, "metrics.jsonl", m->metrics_size)
           || sync_file(m, m->samples, "samples.jsonl", m->samples_size) ? -1 : 0;
}

void lt_metrics_close(struct lt_metrics *m)
{
    FILE *file[] = { m->metrics, m->samples, m->timings };
    for (int i = 0; i < LT_COUNT(file); i++)
        if (file[i]) fclose(file[i]);
    lt_tfevents_close(&m->events);
    release(&m->steps);
    release(&m->evals);
    release(&m->times);
    free(m->folder);
    *m = (struct lt_metrics){ 0 };
}
