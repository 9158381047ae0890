/* How many steps a run has: durations, plans as text, corrections by the clock. */
#include "base/ctx.h"
#include "test.h"
#include "train/time_plan.h"

static void test_time_plan__durations(void **state)
{
    (void)state;
    static const struct { const char *text; double seconds; } good[] = {
        { "90", 90 }, { "90s", 90 }, { "4m", 240 }, { "1h30m", 5400 }, { "1.5h", 5400 }, { "2d1s", 172801 },
        { "0.5", 0.5 },
    };
    static const char *const bad[] = { "", "m", "4x", "1h-3m", "-4m", "0", "1e3", "4 m", "1..2s", "9999999999d" };
    double s;
    for (int i = 0; i < LT_COUNT(good); i++) {
        assert_ok(lt_duration(good[i].text, &s));
        if (s != good[i].seconds) fail_msg("%s is %g seconds", good[i].text, s);
    }
    for (int i = 0; i < LT_COUNT(bad); i++)
        if (!lt_duration(bad[i], &s)) fail_msg("\"%s\" passes for %g seconds", bad[i], s);
}

static void test_time_plan__text_and_totals(void **state)
{
    (void)state;
    struct lt_plan p = { 0 };
    struct lt_buf b = { 0 };
    assert_ok(lt_plan_parse("0:100,10:80,70:75", &p));
    static const struct { int64_t step, total; } want[] = {
        { 0, 100 }, { 9, 100 }, { 10, 80 }, { 69, 80 }, { 70, 75 }, { 99, 75 },
    };
    for (int i = 0; i < LT_COUNT(want); i++) assert_int_equal(lt_plan_total(&p, want[i].step), want[i].total);
    lt_plan_text(&p, 69, &b);
    assert_string_equal(b.p, "0:100,10:80");            /* what the future holds is not known yet */
    lt_buf_clear(&b);
    lt_plan_text(&p, 70, &b);
    assert_string_equal(b.p, "0:100,10:80,70:75");
    lt_buf_free(&b);
    lt_plan_release(&p);
    static const char *const bad[] = { "", "5:10", "0:0", "0:10,0:11", "0:10,5:8,4:9", "0:10,", "0:1x", "0", "-1:4" };
    for (int i = 0; i < LT_COUNT(bad); i++) {
        struct lt_plan q = { 0 };
        if (!lt_plan_parse(bad[i], &q)) fail_msg("\"%s\" passes for a plan", bad[i]);
        lt_plan_release(&q);
    }
}

static void test_time_plan__the_clock_corrects(void **state)
{
    (void)state;
    struct lt_plan p = { .limit = 100, .began = lt_clock() - 10, .reserve = 10, .most = 1000 };
    lt_plan_put(&p, 0, 500);
    lt_plan_correct(&p, 0, 0, 1);                       /* nothing is known before the first step */
    assert_int_equal(lt_plan_total(&p, 0), 500);
    lt_plan_correct(&p, 1, 1, 1);                       /* 10 seconds gone, 10 kept, one a step */
    assert_in_range(lt_plan_total(&p, 1), 79, 81);
    lt_plan_correct(&p, 2, 2, 0.5);                     /* too soon after the last */
    assert_in_range(lt_plan_total(&p, 2), 79, 81);
    lt_plan_correct(&p, 4, 4, 0.01);
    assert_int_equal(lt_plan_total(&p, 4), 1000);       /* never beyond */
    p.began -= 200;
    lt_plan_correct(&p, 5, 5, 1);
    assert_int_equal(lt_plan_total(&p, 5), 5);          /* the time is over: this was the last step */
    lt_plan_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_plan__durations),
        cmocka_unit_test(test_time_plan__text_and_totals),
        cmocka_unit_test(test_time_plan__the_clock_corrects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
