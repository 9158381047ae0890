#include "report/chart.h"

#include <assert.h>
#include <math.h>

enum { WIDTH = 520, HEIGHT = 260, LEFT = 56, RIGHT = 12, TOP = 30, BOTTOM = 38, POINTS = 500, TICKS = 6 };

/* One axis: values from low to high onto pixels from `from` to `to`. */
struct axis { double low, high, from, to; bool log; };

static double seen(const struct axis *a, double v) { return a->log ? log10(v) : v; }

static double place(const struct axis *a, double v)
{
    double low = seen(a, a->low), high = seen(a, a->high);
    return a->from + (a->to - a->from) * (seen(a, v) - low) / (high - low);
}

static bool drawable(const struct axis *a, double v) { return isfinite(v) && (!a->log || v > 0); }

static void widen(struct axis *a, double v)
{
    if (!drawable(a, v)) return;
    a->low = fmin(a->low, v);
    a->high = fmax(a->high, v);
}

/* An axis without values, or with one value only, still has a length. */
static void settle(struct axis *a)
{
    if (!(a->low <= a->high)) {
        a->low = a->log ? 0.1 : 0;
        a->high = 1;
    }
    if (a->high > a->low) return;
    double room = a->low ? fabs(a->low) * 0.1 : 1;
    a->low = a->log ? a->low / 1.1 : a->low - room;
    a->high += room;
}

/* The least of 1, 2, 5 times a power of ten that makes at most `ticks` steps. */
static double tick_step(double span, int ticks)
{
    double raw = span / ticks, unit = pow(10, floor(log10(raw)));
    return raw <= unit ? unit : raw <= 2 * unit ? 2 * unit : raw <= 5 * unit ? 5 * unit : 10 * unit;
}

static void number(struct lt_buf *out, double v)
{
    double size = fabs(v);
    if (size >= 1e9) lt_buf_fmt(out, "%.4gG", v / 1e9);
    else if (size >= 1e6) lt_buf_fmt(out, "%.4gM", v / 1e6);
    else if (size >= 1e4) lt_buf_fmt(out, "%.4gk", v / 1e3);
    else lt_buf_fmt(out, "%.4g", size < 1e-12 ? 0 : v);
}

static void tick(struct lt_buf *out, const struct axis *a, double v, bool across)
{
    double at = place(a, v);
    if (across)
        lt_buf_fmt(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT, WIDTH - RIGHT, at, at, LEFT - 6,
                   at + 4);
    else
        lt_buf_fmt(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                        "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", at, at, TOP, HEIGHT - BOTTOM, at,
                   HEIGHT - BOTTOM + 15);
    number(out, v);
    lt_buf_str(out, "</text>\n");
}

static void ticks(struct lt_buf *out, const struct axis *a, bool across)
{
    if (a->log && a->high / a->low >= 4) {
        static const double part[] = { 1, 2, 5 };
        bool few = a->high / a->low < 1e3;
        for (double unit = pow(10, floor(log10(a->low))); unit <= a->high; unit *= 10)
            for (int i = 0; i < (few ? 3 : 1); i++)
                if (unit * part[i] >= a->low && unit * part[i] <= a->high) tick(out, a, unit * part[i], across);
        return;
    }
    double step = tick_step(a->high - a->low, TICKS);
    for (double n = ceil(a->low / step); n * step <= a->high; n++) tick(out, a, n * step, across);
}

static void label(struct lt_buf *out, double x, double y, const char *how, const char *text)
{
    lt_buf_fmt(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, how);
    lt_page_text(out, lt_str(text));
    lt_buf_str(out, "</text>\n");
}

/* The mean of points [i, end); false when a gap is among them. */
static bool mean_point(const struct lt_series *s, const struct axis *y, int64_t i, int64_t end, double *mx, double *my)
{
    *mx = *my = 0;
    for (int64_t k = i; k < end; k++) {
        if (!drawable(y, s->y[k])) return false;
        *mx += s->x[k] / (double)(end - i);
        *my += s->y[k] / (double)(end - i);
    }
    return true;
}

static void curve(struct lt_buf *out, const struct lt_series *s, int colour, const struct axis *x, const struct axis *y)
{
    int64_t run = s->count / POINTS + 1;
    bool pen = false;
    double px, py;
    lt_buf_fmt(out, "<path class=\"curve c%d\" d=\"", colour);
    for (int64_t i = 0; i < s->count; i += run) {
        bool there = mean_point(s, y, i, LT_MIN(i + run, s->count), &px, &py);
        if (there) lt_buf_fmt(out, "%c%.1f %.1f", pen ? 'L' : 'M', place(x, px), place(y, py));
        pen = there;
    }
    lt_buf_str(out, "\"/>\n");
    for (int64_t i = 0; (s->dots || s->count == 1) && i < s->count; i++)
        if (drawable(y, s->y[i]))
            lt_buf_fmt(out, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\"/>\n", colour, place(x, s->x[i]),
                       place(y, s->y[i]));
}

static void legend(struct lt_buf *out, const struct lt_chart *c)
{
    double x = WIDTH - RIGHT;
    for (int i = c->series_count - 1; i >= 0; i--) {
        if (!c->series[i].name) continue;
        label(out, x, 18, "text-anchor=\"end\"", c->series[i].name);
        x -= 6.2 * (double)lt_str(c->series[i].name).n + 8;
        lt_buf_fmt(out, "<path class=\"curve c%d\" d=\"M%.1f 14H%.1f\"/>\n", i, x - 14, x);
        x -= 26;
    }
}

void lt_chart_svg(struct lt_buf *out, const struct lt_chart *c)
{
    assert(c->series_count <= LT_CHART_SERIES);
    struct axis x = { INFINITY, -INFINITY, LEFT, WIDTH - RIGHT, false };
    struct axis y = { INFINITY, -INFINITY, HEIGHT - BOTTOM, TOP, c->log_y };
    for (int i = 0; i < c->series_count; i++)
        for (int64_t k = 0; k < c->series[i].count; k++) {
            widen(&x, c->series[i].x[k]);
            widen(&y, c->series[i].y[k]);
        }
    settle(&x);
    settle(&y);
    lt_buf_fmt(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, HEIGHT);
    label(out, LEFT, 18, "class=\"title\"", c->title);
    ticks(out, &x, false);
    ticks(out, &y, true);
    label(out, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, "text-anchor=\"middle\"", c->x_label);
    if (c->y_label) {
        lt_buf_fmt(out, "<g transform=\"translate(12 %d) rotate(-90)\">", (TOP + HEIGHT - BOTTOM) / 2);
        label(out, 0, 0, "text-anchor=\"middle\"", c->y_label);
        lt_buf_str(out, "</g>\n");
    }
    for (int i = 0; i < c->series_count; i++) curve(out, &c->series[i], i, &x, &y);
    legend(out, c);
    lt_buf_str(out, "</svg></figure>\n");
}
