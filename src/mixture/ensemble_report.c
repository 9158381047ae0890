/* What an ensemble is worth, as TSV, JSON and HTML. */
#include "mixture/ensemble.h"
#include "base/json.h"
#include "report/chart.h"
#include <math.h>

/* ---- TSV ---- */
static void put_cell(struct lt_buf *b, double v)
{
    if (isnan(v)) lt_buf_str(b, "\t-");
    else lt_buf_fmt(b, "\t%.6g", v);
}

static void put_mixture(struct lt_buf *b, const char *name, double dev, double test)
{
    lt_buf_fmt(b, "(%s)\t-", name);
    put_cell(b, dev);
    put_cell(b, test);
    lt_buf_str(b, "\t-\t-\t-\n");
}

void lt_ensemble_table(const struct lt_ensemble *e, struct lt_buf *out)
{
    lt_buf_str(out, "member\tweight\tdev\ttest\twithout\tplace\ttogether\n");
    for (int m = 0; m < e->members; m++) {
        const struct lt_ensemble_member *x = &e->member[m];
        lt_buf_str(out, x->name);
        put_cell(out, x->weight);
        put_cell(out, x->dev);
        put_cell(out, x->test);
        put_cell(out, x->without);
        lt_buf_fmt(out, "\t%d", x->place);
        put_cell(out, x->together);
        lt_buf_char(out, '\n');
    }
    put_mixture(out, "uniform", e->uniform_dev, e->uniform_test);
    put_mixture(out, "linear", e->dev, e->test);
    if (e->method) put_mixture(out, e->method, e->method_dev, e->method_test);
}

/* ---- JSON ---- */
static void put_key(struct lt_buf *b, const char *key, const char *first)
{
    lt_buf_fmt(b, "%s\"%s\": ", first, key);
}

static void put_number(struct lt_buf *b, const char *key, double v)
{
    put_key(b, key, ", ");
    if (isnan(v)) lt_buf_str(b, "null");
    else lt_json_put_real(b, v);
}

static void put_name(struct lt_buf *b, const char *key, const char *name, const char *first)
{
    put_key(b, key, first);
    lt_json_put_text(b, lt_str(name));
}

static double headline(const struct lt_ensemble *e, double dev, double test) { return e->tested ? test : dev; }

void lt_ensemble_json(const struct lt_ensemble *e, struct lt_buf *b)
{
    const struct lt_ensemble_member *best = &e->member[lt_ensemble_best(e, false)];
    const struct lt_ensemble_member *weakest = &e->member[lt_ensemble_best(e, true)];
    put_name(b, "unit", e->words ? "word" : "token", "{");
    put_number(b, "dev_tokens", (double)e->tokens);
    put_number(b, "test_tokens", (double)e->test_tokens);
    put_number(b, "left_out", (double)e->left_out);
    put_name(b, "best_member", best->name, ", ");
    put_number(b, "best_member_perplexity", headline(e, best->dev, best->test));
    put_name(b, "weakest_member", weakest->name, ", ");
    put_number(b, "weakest_member_perplexity", headline(e, weakest->dev, weakest->test));
    put_number(b, "without_weakest_perplexity", weakest->without);
    put_number(b, "uniform_perplexity", headline(e, e->uniform_dev, e->uniform_test));
    put_number(b, "linear_perplexity", headline(e, e->dev, e->test));
    put_name(b, "method", e->method ? e->method : "linear", ", ");
    put_number(b, "method_perplexity",
               e->method ? headline(e, e->method_dev, e->method_test) : headline(e, e->dev, e->test));
    lt_buf_str(b, ", \"members\": [");
    for (int m = 0; m < e->members; m++) {
        const struct lt_ensemble_member *x = &e->member[m];
        put_name(b, "name", x->name, m ? ", {" : "{");
        put_number(b, "weight", x->weight);
        put_number(b, "dev_perplexity", x->dev);
        put_number(b, "test_perplexity", x->test);
        put_number(b, "without_perplexity", x->without);
        put_number(b, "place", x->place);
        put_number(b, "together_perplexity", x->together);
        lt_buf_char(b, '}');
    }
    lt_buf_str(b, "]}\n");
}

/* ---- HTML ---- */
static void put_row(struct lt_buf *b, const char *name, double weight, double dev, double test, double without)
{
    struct lt_buf text = { 0 };
    if (!isnan(weight)) lt_buf_fmt(&text, "weight %.4f, ", weight);
    lt_buf_fmt(&text, "perplexity %.4g on the development text", dev);
    if (!isnan(test)) lt_buf_fmt(&text, ", %.4g on the test text", test);
    if (!isnan(without)) lt_buf_fmt(&text, "; the others together without it %.4g", without);
    lt_page_row(b, name, lt_buf_view(&text));
    lt_buf_free(&text);
}

static void put_charts(struct lt_buf *b, const struct lt_ensemble *e)
{
    double x[LT_MIXING_MEMBERS], together[LT_MIXING_MEMBERS], alone[LT_MIXING_MEMBERS];
    for (int m = 0; m < e->members; m++) {
        const struct lt_ensemble_member *k = &e->member[m];
        x[k->place - 1] = k->place;
        together[k->place - 1] = k->together;
        alone[k->place - 1] = headline(e, k->dev, k->test);
    }
    struct lt_series s[] = { { .name = "together with those before", .x = x, .y = together, .count = e->members,
                               .dots = true },
                             { .name = "alone", .x = x, .y = alone, .count = e->members, .dots = true } };
    struct lt_chart c = { .title = "Perplexity as members are added", .x_label = "members, in the order of the table",
                          .series = s, .series_count = 2 };
    lt_buf_str(b, "<div class=\"charts\">\n");
    lt_chart_svg(b, &c);
    lt_buf_str(b, "</div>\n");
}

void lt_ensemble_page(const struct lt_ensemble *e, struct lt_buf *b)
{
    lt_page_begin(b, "Ensemble");
    put_charts(b, e);
    lt_buf_str(b, "<h2>Members, in the order of greedy addition</h2>\n<table>\n");
    for (int place = 1; place <= e->members; place++)
        for (int m = 0; m < e->members; m++) {
            const struct lt_ensemble_member *x = &e->member[m];
            if (x->place == place) put_row(b, x->name, x->weight, x->dev, x->test, x->without);
        }
    lt_buf_str(b, "</table>\n<h2>Together</h2>\n<table>\n");
    put_row(b, "equal weights", NAN, e->uniform_dev, e->uniform_test, NAN);
    put_row(b, "weights by EM", NAN, e->dev, e->test, NAN);
    if (e->method) put_row(b, e->method, NAN, e->method_dev, e->method_test, NAN);
    lt_buf_str(b, "</table>\n");
    lt_page_end(b);
}
