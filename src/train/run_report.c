/* report.html: how a run is going, in one file that opens anywhere. */
#include "base/io.h"
#include "base/json.h"
#include "base/option.h"
#include "report/chart.h"
#include "train/trainer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_SHOWN = 24 };

static struct lt_series column(const struct lt_columns *c, int y, const char *name, bool dots)
{
    return (struct lt_series){ .name = name, .x = c->value[0], .y = c->value[y], .count = c->count, .dots = dots };
}

static void chart(struct lt_buf *b, const char *title, const struct lt_series *s, int count, bool log_y)
{
    struct lt_chart c = { .title = title, .x_label = "step", .series = s, .series_count = count, .log_y = log_y };
    lt_chart_svg(b, &c);
}

static void charts(struct lt_buf *b, const struct lt_metrics *m, bool pairs)
{
    const struct lt_columns *s = &m->steps, *e = &m->evals, *t = &m->times;
    struct lt_series loss[] = { column(s, LT_STEP_LOSS, "training", false),
                                column(e, LT_EVAL_LOSS, "validation", true) };
    struct lt_series bpb = column(e, LT_EVAL_BPB, NULL, true), rate = column(s, LT_STEP_RATE, NULL, false);
    struct lt_series norm = column(s, LT_STEP_NORM, NULL, false), speed = column(t, LT_TIME_SPEED, NULL, false);
    struct lt_series right[] = { column(s, LT_STEP_ACCURACY, "training", false),
                                 column(e, LT_EVAL_ACCURACY, "validation", true) };
    struct lt_series margin[] = { column(s, LT_STEP_MARGIN, "training", false),
                                  column(e, LT_EVAL_MARGIN, "validation", true) };
    lt_buf_str(b, "<div class=\"charts\">\n");
    chart(b, pairs ? "Loss (of a pair)" : "Loss (nats a token)", loss, e->count ? 2 : 1, false);
    if (pairs) chart(b, "Share of pairs that are right", right, e->count ? 2 : 1, false);
    if (pairs) chart(b, "Reward of the chosen less that of the rejected", margin, e->count ? 2 : 1, false);
    if (e->count && !pairs) chart(b, "Validation (bits per byte)", &bpb, 1, false);
    chart(b, "Learning rate", &rate, 1, false);
    chart(b, "Gradient norm", &norm, 1, true);
    chart(b, "Tokens a second", &speed, 1, false);
    lt_buf_str(b, "</div>\n");
}

static void row(struct lt_buf *b, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void row(struct lt_buf *b, const char *key, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lt_page_row(b, key, lt_str(text));
}

static double last(const struct lt_columns *c, int i) { return c->value[i][c->count - 1]; }

static double least(const struct lt_columns *c, int i)
{
    double best = last(c, i);
    for (int64_t k = 0; k < c->count; k++) best = LT_MIN(best, c->value[i][k]);
    return best;
}

static void summary(struct lt_buf *b, const struct lt_trainer *t)
{
    const struct lt_metrics *m = &t->metrics;
    double parameters = 0;
    for (int i = 0; i < t->model->weight_count; i++) parameters += (double)lt_weight_count(&t->model->weight[i]);
    lt_buf_str(b, "<h2>So far</h2>\n<table>\n");
    row(b, "model", "%s, %.0f parameters", t->model->arch->m.name, parameters);
    row(b, "steps", "%" PRId64 " of %" PRId64, t->step, lt_plan_total(&t->plan, t->step));
    row(b, "tokens", "%" PRId64 " (%.2f times through the data)", t->tokens,
        (double)(t->step * t->o->accumulation) / (double)t->info.batches);
    if (m->steps.count) row(b, "training loss", "%.4f", last(&m->steps, LT_STEP_LOSS));
    if (m->evals.count && t->info.pairs)
        row(b, "validation", "loss %.4f (best %.4f), %.1f %% of pairs right", last(&m->evals, LT_EVAL_LOSS),
            least(&m->evals, LT_EVAL_LOSS), 100 * last(&m->evals, LT_EVAL_ACCURACY));
    else if (m->evals.count)
        row(b, "validation", "%.4f bits per byte (best %.4f), loss %.4f, %.1f %% of tokens right",
            last(&m->evals, LT_EVAL_BPB),
            least(&m->evals, LT_EVAL_BPB), last(&m->evals, LT_EVAL_LOSS), 100 * last(&m->evals, LT_EVAL_ACCURACY));
    if (m->times.count && t->peak_flops > 0)
        row(b, "speed", "%.0f tokens a second, %.0f %% of the machine's measured peak", last(&m->times, LT_TIME_SPEED),
            100 * last(&m->times, LT_TIME_SPEED) * t->flops_per_token / t->peak_flops);
    lt_buf_str(b, "</table>\n");
}

static void options(struct lt_buf *b, const struct lt_trainer *t)
{
    char *text = lt_option_json(lt_train_rows, t->o, false);
    json_t *all = json_loads(text, 0, NULL), *v;
    const char *key;
    lt_buf_str(b, "<h2>Options</h2>\n<table>\n");
    json_object_foreach(all, key, v) {
        char *value = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        if (!json_is_null(v)) lt_page_row(b, key, lt_str(value));
        free(value);
    }
    lt_buf_str(b, "</table>\n");
    json_decref(all);
    free(text);
}

static void sample(struct lt_buf *b, struct lt_str line)
{
    json_t *j = json_loadb(line.p, line.n, 0, NULL);
    const char *prompt = json_string_value(json_object_get(j, "prompt")),
        *text = json_string_value(json_object_get(j, "text"));
    if (prompt && text) {
        lt_buf_fmt(b, "<h3>Step %" JSON_INTEGER_FORMAT "</h3>\n<pre><b>",
                   json_integer_value(json_object_get(j, "step")));
        lt_page_text(b, lt_str(prompt));
        lt_buf_str(b, "</b>");
        lt_page_text(b, lt_str(text));
        lt_buf_str(b, "</pre>\n");
    }
    json_decref(j);
}

/* The newest first, and not so many that nobody reads them. */
static int samples(struct lt_buf *b, const struct lt_trainer *t)
{
    struct lt_buf path = { 0 }, all = { 0 };
    lt_buf_fmt(&path, "%s/samples.jsonl", t->o->output);
    int rc = lt_path_exists(path.p) ? lt_file_read(path.p, &all) : 0, shown = 0;
    size_t end = all.n;
    if (!rc && all.n) lt_buf_str(b, "<h2>Samples</h2>\n");
    while (!rc && end > 1 && shown < SAMPLES_SHOWN) {
        size_t start = end - 1;
        while (start > 0 && all.p[start - 1] != '\n') start--;
        sample(b, (struct lt_str){ all.p + start, end - start });
        end = start;
        shown++;
    }
    lt_buf_free(&all);
    lt_buf_free(&path);
    return rc;
}

int lt_run_report(const struct lt_trainer *t)
{
    struct lt_buf b = { 0 }, path = { 0 };
    lt_page_begin(&b, t->o->output);
    charts(&b, &t->metrics, t->info.pairs);
    summary(&b, t);
    int rc = samples(&b, t);
    options(&b, t);
    lt_page_end(&b);
    lt_buf_fmt(&path, "%s/report.html", t->o->output);
    if (!rc) rc = lt_file_save(path.p, b.p, b.n);
    lt_buf_free(&path);
    lt_buf_free(&b);
    return rc;
}
