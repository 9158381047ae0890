/* Charts and pages: what is drawn lies inside the picture, whatever the values; text is escaped. */
#include "report/chart.h"
#include "test.h"

#include <math.h>

/* Every "M x y" and "L x y" of the paths lies inside the view box; returns how many there are. */
static int points_inside(const char *svg)
{
    int count = 0;
    for (const char *p = strstr(svg, "class=\"curve c0\" d=\""); p && *p; p++) {
        double x, y;
        if (*p == '<') break;
        if ((*p != 'M' && *p != 'L') || sscanf(p + 1, "%lf %lf", &x, &y) != 2) continue;
        if (!(x >= 0 && x <= 520 && y >= 0 && y <= 260)) fail_msg("a point at %g, %g", x, y);
        count++;
    }
    return count;
}

static int tick_labels(const char *svg)
{
    int count = 0;
    for (const char *p = svg; (p = strstr(p, "class=\"grid\"")); p++) count++;
    return count;
}

static struct lt_buf draw(const double *x, const double *y, int64_t n, bool log_y)
{
    struct lt_series s = { .name = "a<b", .x = x, .y = y, .count = n };
    struct lt_chart c = { .title = "Loss & more", .x_label = "step", .series = &s, .series_count = 1, .log_y = log_y };
    struct lt_buf b = { 0 };
    lt_chart_svg(&b, &c);
    assert_null(strstr(b.p, "nan"));
    assert_null(strstr(b.p, "inf"));
    assert_non_null(strstr(b.p, "Loss &amp; more"));
    assert_non_null(strstr(b.p, "a&lt;b"));
    return b;
}

static void test_chart__points_lie_inside(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static double x[MANY], y[MANY];
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = 3 + sin(i * 0.01) * exp(-i * 1e-3);
    }
    const struct { int64_t n; int least; } cases[] = { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 400, 400 }, { MANY, 400 } };
    for (int log = 0; log < 2; log++)
        for (int i = 0; i < LT_COUNT(cases); i++) {
            struct lt_buf b = draw(x, y, cases[i].n, log);
            assert_true(points_inside(b.p) >= cases[i].least);
            assert_true(tick_labels(b.p) <= 2 * 12);
            lt_buf_free(&b);
        }
    for (int64_t n = 1; n < 60; n++) {                  /* every scale from 1e-9 to 1e9 */
        double v[3] = { -pow(10, (double)n / 3 - 10), 0, pow(10, (double)n / 3 - 10) * (double)n };
        struct lt_buf b = draw(v, v, 3, false);
        assert_int_equal(points_inside(b.p), 3);
        assert_true(tick_labels(b.p) >= 2 && tick_labels(b.p) <= 2 * 7);
        lt_buf_free(&b);
    }
}

static void test_chart__gaps_and_constants(void **state)
{
    (void)state;
    double x[] = { 1, 2, 3, 4, 5 }, same[] = { 2, 2, 2, 2, 2 }, gap[] = { 1, 2, NAN, INFINITY, 3 };
    double low[] = { 0, -1, 1, 10, 5 };
    struct lt_buf b = draw(x, same, 5, false);
    assert_int_equal(points_inside(b.p), 5);
    lt_buf_free(&b);
    b = draw(x, gap, 5, false);
    assert_int_equal(points_inside(b.p), 3);
    lt_buf_free(&b);
    b = draw(x, low, 5, true);                          /* a logarithm has no place for 0 and -1 */
    assert_int_equal(points_inside(b.p), 3);
    lt_buf_free(&b);
}

static void test_chart__pages_fetch_nothing(void **state)
{
    (void)state;
    struct lt_buf b = { 0 };
    lt_page_begin(&b, "a <script> & \"b\"");
    lt_page_row(&b, "key", (struct lt_str){ "<v>\x01", 4 });
    lt_page_end(&b);
    assert_null(strstr(b.p, "<script"));
    assert_null(strstr(b.p, "http"));
    assert_null(strstr(b.p, "\x01"));
    assert_non_null(strstr(b.p, "&lt;v&gt;"));
    lt_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chart__points_lie_inside),
        cmocka_unit_test(test_chart__gaps_and_constants),
        cmocka_unit_test(test_chart__pages_fetch_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
