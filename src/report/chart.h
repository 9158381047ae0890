/* Charts as SVG and pages as HTML, in one self-contained file: no script, no font, nothing fetched.  Colours come from
 * the page's style sheet, which follows the reader's dark or light setting. */
#ifndef LT_CHART_H
#define LT_CHART_H

#include "base/base.h"

enum { LT_CHART_SERIES = 6 };       /* colours of the style sheet */
struct lt_series {
    const char *name;               /* for the legend; NULL: none */
    const double *x, *y;            /* x ascending; a y that is not finite leaves a gap */
    int64_t count;
    bool dots;                      /* mark every point: for few points */
};
struct lt_chart {
    const char *title, *x_label, *y_label;
    const struct lt_series *series; int series_count;   /* at most LT_CHART_SERIES */
    bool log_y;                     /* for positive values only */
};
/* Appends one <figure>.  A series of more points than can be seen is drawn as means of neighbours. */
void lt_chart_svg(struct lt_buf *out, const struct lt_chart *c);

void lt_page_begin(struct lt_buf *out, const char *title);              /* up to and with <h1> */
void lt_page_end(struct lt_buf *out);
void lt_page_text(struct lt_buf *out, struct lt_str s);                 /* escaped; bytes of UTF-8 pass */
void lt_page_row(struct lt_buf *out, const char *key, struct lt_str value);     /* of a <table> with two columns */

#endif
