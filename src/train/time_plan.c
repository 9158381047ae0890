#include "train/time_plan.h"

#include "base/ctx.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CORRECTIONS = 40 };          /* over a whole run, about */

int lt_duration(const char *text, double *seconds)
{
    struct lt_str rest = lt_str(text);
    *seconds = 0;
    while (rest.n) {
        size_t n = 0;
        while (n < rest.n && (rest.p[n] == '.' || (rest.p[n] >= '0' && rest.p[n] <= '9'))) n++;
        double value, unit = 1;
        char letter = n < rest.n ? rest.p[n] : 's';
        if (letter == 'm') unit = 60;
        if (letter == 'h') unit = 3600;
        if (letter == 'd') unit = 86400;
        if (lt_str_real((struct lt_str){ rest.p, n }, &value) || !strchr("smhd", letter))
            return lt_misuse("expected a duration such as 90s, 4m or 1h30m, found \"%s\"", text);
        *seconds += value * unit;
        n += n < rest.n;
        rest.p += n;
        rest.n -= n;
    }
    if (*seconds > 0 && *seconds < 1e9) return 0;
    return lt_misuse("expected a duration such as 90s, 4m or 1h30m, found \"%s\"", text);
}

void lt_plan_put(struct lt_plan *p, int64_t step, int64_t total)
{
    if (p->count && p->point[p->count - 1].total == total) return;
    if ((p->count & (p->count - 1)) == 0)
        p->point = lt_realloc(p->point, (size_t)LT_MAX(2 * p->count, 1) * sizeof *p->point);
    p->point[p->count++] = (struct lt_plan_point){ step, total };
}

int lt_plan_parse(const char *text, struct lt_plan *p)
{
    struct lt_str rest = lt_str(text), entry, step;
    while (lt_str_split(&rest, ',', &entry)) {
        int64_t at, total, before = p->count ? p->point[p->count - 1].step : -1;
        bool pair = lt_str_split(&entry, ':', &step) && entry.p && !lt_str_int(step, &at) && !lt_str_int(entry, &total);
        if (!pair || at <= before || (before < 0 && at != 0) || total < 1)
            return lt_misuse("time_plan: expected 0:TOTAL,STEP:TOTAL,... with rising steps, found \"%s\"", text);
        lt_plan_put(p, at, total);
    }
    return 0;
}

void lt_plan_text(const struct lt_plan *p, int64_t step, struct lt_buf *out)
{
    for (int i = 0; i < p->count && p->point[i].step <= step; i++)
        lt_buf_fmt(out, "%s%" PRId64 ":%" PRId64, i ? "," : "", p->point[i].step, p->point[i].total);
}

int64_t lt_plan_total(const struct lt_plan *p, int64_t step)
{
    int i = p->count - 1;
    while (i > 0 && p->point[i].step > step) i--;
    return p->point[i].total;
}

double lt_plan_seconds(const struct lt_plan *p) { return p->spent + lt_clock() - p->began; }

/* Early steps are corrected often, since the first estimate knew nothing of this run. */
void lt_plan_correct(struct lt_plan *p, int64_t step, int64_t done, double each)
{
    if (!p->limit || !done) return;
    double now = lt_plan_seconds(p);
    bool early = done == 1 || done == 4 || done == 16;
    if (!early && now - p->checked < p->limit / CORRECTIONS && step < lt_plan_total(p, step)) return;
    p->checked = now;
    double left = p->limit - p->reserve - now;
    int64_t total = step + (int64_t)fmax(0, fmin(left / fmax(each, 1e-9), 1e12));
    if (p->most) total = LT_MIN(total, p->most);
    lt_plan_put(p, step, LT_MAX(total, 1));
}

void lt_plan_release(struct lt_plan *p)
{
    free(p->point);
    *p = (struct lt_plan){ 0 };
}
