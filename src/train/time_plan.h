/* How many steps a run has.
 *
 * A run by steps or epochs has one total from the start.  A run with a time limit estimates its total from the steps
 * done so far and corrects it as it goes; the rate of step s then follows the schedule for the total that held at
 * s.  The corrections are kept as a list STEP:TOTAL, which is all that a repetition needs to give the same bits without
 * a clock. */
#ifndef LT_TIME_PLAN_H
#define LT_TIME_PLAN_H

#include "base/base.h"

struct lt_plan_point { int64_t step, total; };      /* from this step on, that many in all */
struct lt_plan {
    struct lt_plan_point *point; int count;
    double limit;                   /* seconds; 0: the total stands */
    double spent;                   /* seconds of earlier runs of the same training */
    double began, checked;          /* lt_clock() at the start; seconds at the last correction */
    double reserve;                 /* seconds that the end takes: last save and validation */
    int64_t most;                   /* total never goes beyond; 0: no bound */
};
int lt_duration(const char *text, double *seconds);         /* "90", "90s", "4m", "1h30m" */
int lt_plan_parse(const char *text, struct lt_plan *p);
void lt_plan_text(const struct lt_plan *p, int64_t step, struct lt_buf *out);      /* what was known at this step */
void lt_plan_put(struct lt_plan *p, int64_t step, int64_t total);
int64_t lt_plan_total(const struct lt_plan *p, int64_t step);      /* the total that holds at this step */
double lt_plan_seconds(const struct lt_plan *p);            /* spent so far, over all runs */
/* Corrects the total when the time for it has come: after `step`, with `done` steps behind in this process and `each`
 * seconds expected of one more. */
void lt_plan_correct(struct lt_plan *p, int64_t step, int64_t done, double each);
void lt_plan_release(struct lt_plan *p);

#endif
