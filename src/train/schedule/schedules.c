/* Learning-rate schedules: the factor of the peak rate at each step.
 *
 * All share one shape: a linear warm-up, a body, and a linear cool-down at the end; what differs is the body.  So any
 * body combines with any warm-up and cool-down, and warmup_stable_decay is the constant body with a cool-down.
 *     lathe train ... --lr_scheduler_type cosine --lr_scheduler_type.warmup_steps 100 */
#include "base/base.h"
#include <math.h>

struct schedule { int64_t warmup_steps, cooldown_steps; double warmup_ratio, cooldown_ratio, min_lr_rate, timescale; };

#define AT(field) offsetof(struct schedule, field)
#define WARMUP \
    { .key = "warmup_steps", .help = "steps of linear warm-up from 0; 0: see warmup_ratio", .type = LT_INT, \
      .at = AT(warmup_steps), .min = 0, .max = 1e12, .alias = "warmup_iters" }, \
    { .key = "warmup_ratio", .help = "warm-up as a share of all steps, when warmup_steps is 0", .type = LT_REAL, \
      .at = AT(warmup_ratio), .min = 0, .max = 1 }
#define FLOOR(what) \
    { .key = "min_lr_rate", .help = what, .type = LT_REAL, .at = AT(min_lr_rate), .min = 0, .max = 1 }
#define COOLDOWN(share) \
    { .key = "cooldown_steps", .help = "steps of linear decay at the end; 0: see cooldown_ratio", .type = LT_INT, \
      .at = AT(cooldown_steps), .min = 0, .max = 1e12, .alias = "num_decay_steps,decay_steps" }, \
    { .key = "cooldown_ratio", .help = "cool-down as a share of all steps, when cooldown_steps is 0", .type = LT_REAL, \
      .at = AT(cooldown_ratio), .dflt = share, .min = 0, .max = 1 }

static int64_t share_of(int64_t steps, double ratio, int64_t total)
{
    return steps ? LT_MIN(steps, total) : (int64_t)(ratio * (double)total);
}

/* Warm-up and cool-down (to `floor` of the body) around `body`; the first step already learns. */
static double shaped(const struct schedule *o, int64_t step, int64_t total, double body, double floor)
{
    int64_t warm = share_of(o->warmup_steps, o->warmup_ratio, total);
    int64_t cool = share_of(o->cooldown_steps, o->cooldown_ratio, total);
    if (step < warm) return body * (double)(step + 1) / (double)(warm + 1);
    if (cool && step >= total - cool) {
        double left = (double)LT_MAX(total - step, 0) / (double)(cool + 1);
        return body * (floor + (1 - floor) * left);
    }
    return body;
}

/* Share of the way from the end of warm-up to where the cool-down begins, in [0, 1]. */
static double progress(const struct schedule *o, int64_t step, int64_t total)
{
    int64_t warm = share_of(o->warmup_steps, o->warmup_ratio, total);
    int64_t end = total - share_of(o->cooldown_steps, o->cooldown_ratio, total);
    if (step <= warm) return 0;
    return end > warm ? fmin(1, (double)(step - warm) / (double)(end - warm)) : 1;
}

static double constant(const void *v, int64_t step, int64_t total)
{
    const struct schedule *o = v;
    return shaped(o, step, total, 1, o->min_lr_rate);
}

static double linear(const void *v, int64_t step, int64_t total)
{
    const struct schedule *o = v;
    return shaped(o, step, total, 1 - (1 - o->min_lr_rate) * progress(o, step, total), 0);
}

static double cosine(const void *v, int64_t step, int64_t total)
{
    const struct schedule *o = v;
    double half = 0.5 * (1 + cos(3.14159265358979323846 * progress(o, step, total)));
    return shaped(o, step, total, o->min_lr_rate + (1 - o->min_lr_rate) * half, 0);
}

static double inverse_sqrt(const void *v, int64_t step, int64_t total)
{
    const struct schedule *o = v;
    int64_t warm = share_of(o->warmup_steps, o->warmup_ratio, total);
    double scale = o->timescale > 0 ? o->timescale : (double)LT_MAX(warm, 1);
    return shaped(o, step, total, step < warm ? 1 : 1 / sqrt(1 + (double)(step - warm) / scale), o->min_lr_rate);
}

static const char cooled[] = "the factor at the end of the cool-down";
static const struct lt_opt constant_rows[] = { WARMUP, { 0 } };
static const struct lt_opt decay_rows[] = {
    WARMUP, FLOOR("the factor at the end, from where a cool-down goes on to 0"), COOLDOWN(0), { 0 },
};
static const struct lt_opt wsd_rows[] = { WARMUP, COOLDOWN(0.2), FLOOR(cooled), { 0 } };
static const struct lt_opt isr_rows[] = {
    WARMUP, COOLDOWN(0), FLOOR(cooled),
    { .key = "timescale", .help = "steps over which the rate falls to 1/sqrt(2); 0: the warm-up", .type = LT_REAL,
      .at = AT(timescale), .min = 0, .max = 1e12 },
    { 0 },
};

const struct lt_schedule lt_schedule_constant = {
    .m = { .name = "constant", .brief = "the peak rate, after an optional warm-up", .size = sizeof(struct schedule),
           .opts = constant_rows, .doc = "factor(t) = 1" },
    .factor = constant,
};
const struct lt_schedule lt_schedule_linear = {
    .m = { .name = "linear", .brief = "straight down to min_lr_rate", .size = sizeof(struct schedule),
           .opts = decay_rows, .doc = "factor(t) = 1 - (1 - min) * t/T, t counted from the end of warm-up" },
    .factor = linear,
};
const struct lt_schedule lt_schedule_cosine = {
    .m = { .name = "cosine", .brief = "half a cosine down to min_lr_rate", .paper = "arXiv:1608.03983",
           .size = sizeof(struct schedule), .opts = decay_rows,
           .doc = "factor(t) = min + (1 - min) * (1 + cos(pi t/T)) / 2, t counted from the end of warm-up" },
    .factor = cosine,
};
const struct lt_schedule lt_schedule_inverse_sqrt = {
    .m = { .name = "inverse_sqrt", .brief = "falls with the square root of the step", .paper = "arXiv:1706.03762",
           .size = sizeof(struct schedule), .opts = isr_rows, .doc = "factor(t) = 1 / sqrt(1 + t/timescale)" },
    .factor = inverse_sqrt,
};
const struct lt_schedule lt_schedule_warmup_stable_decay = {
    .m = { .name = "warmup_stable_decay", .brief = "constant, then a straight cool-down", .paper = "arXiv:2404.06395",
           .size = sizeof(struct schedule), .opts = wsd_rows,
           .doc = "factor(t) = 1 until the last cooldown_ratio of the steps, then linear down to min_lr_rate" },
    .factor = constant,
};
