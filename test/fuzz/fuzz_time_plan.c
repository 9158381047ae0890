/* Durations and time plans over arbitrary text: refuse or accept; an accepted plan is written as it was read. */
#include "train/time_plan.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void write(const char *text, struct lt_buf *out, bool *good)
{
    struct lt_plan plan = { 0 };
    *good = lt_plan_parse(text, &plan) == 0;
    if (*good) lt_plan_text(&plan, INT64_MAX, out);
    lt_plan_release(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct lt_buf text = { 0 }, once = { 0 }, twice = { 0 };
    double seconds;
    bool good;
    lt_buf_put(&text, p, n);
    lt_buf_char(&text, 0);
    if (lt_duration(text.p, &seconds) == 0) assert(seconds > 0 && seconds < 1e9);
    write(text.p, &once, &good);
    if (good) {
        write(once.p, &twice, &good);
        assert(good && !strcmp(once.p, twice.p));
    }
    lt_buf_free(&text);
    lt_buf_free(&once);
    lt_buf_free(&twice);
    return 0;
}
