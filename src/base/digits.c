#include "base/digits.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double power[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12 };

static size_t by_printf(float v, char text[LT_FLOAT_TEXT])
{
    int n = 0;
    for (int digits = 6; digits <= 9; digits++) {       /* nine always suffice */
        n = snprintf(text, LT_FLOAT_TEXT, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    return (size_t)n;
}

/* Half the distance from a to the next float, times scale, which is a power of ten: exact. */
static double half_step(float a, double scale)
{
    uint32_t bits;
    double step;
    memcpy(&bits, &a, 4);
    uint64_t wide = ((uint64_t)(bits >> 23) + 1023 - 127 - 24) << 52;
    memcpy(&step, &wide, 8);
    return step * scale;
}

static bool is_power_of_two(float a)
{
    uint32_t bits;
    memcpy(&bits, &a, 4);
    return !(bits & 0x7fffff);
}

/* Does decimal m / 10^k read back as a = x / 10^k?  It does within half a step (a is no power of two, below which steps
 * are smaller).  A float has 24 bits and 5^12 has 28, so that nothing here is rounded. */
static bool reads_back(double m, double x, float a, double scale)
{
    double half = half_step(a, scale), off = fabs(m - x);
    uint32_t bits;
    memcpy(&bits, &a, 4);
    return off < half || (off == half && !(bits & 1));
}

/* Puts the digits of m, a point after the first e + 1 of them; without zeros at the end. */
static size_t spell(char *to, uint32_t m, int digits, int e)
{
    char *start = to;
    while (m % 10 == 0) {
        m /= 10;
        digits--;
    }
    if (e < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = -1; i > e; i--) *to++ = '0';
    }
    int point = e < 0 || digits <= e + 1 ? digits : e + 1;      /* digits before it, or all of them */
    char *end = to + digits + (point < digits);
    for (char *p = end; p > to; m /= 10) {
        if (point < digits && p == to + point + 1) *--p = '.';
        *--p = (char)('0' + m % 10);
    }
    for (int i = digits; i <= e; i++) *end++ = '0';
    return (size_t)(end - start);
}

struct decimal { double m, scale; };        /* m / scale, m an integer */

static bool try_digits(float a, double x, int digits, int e, struct decimal *d)
{
    double scale = power[digits - 1 - e], m = rint(x * scale);
    if (!reads_back(m, x * scale, a, scale)) return false;
    *d = (struct decimal){ m, scale };
    return true;
}

/* Most floats need eight digits.  If so many do, more do as well, but at powers of two, whose steps differ. */
size_t lt_float_text(float v, char text[LT_FLOAT_TEXT])
{
    static const double edge[] = { 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3, 1e4, 1e5 };
    float a = fabsf(v);
    int e = -4, digits = 8;
    struct decimal d;
    if (!(a >= 1e-4f && a < 99999) || is_power_of_two(a)) return by_printf(v, text);
    double x = (double)a;
    while (x >= edge[e + 4]) e++;
    if (!try_digits(a, x, digits, e, &d)) {
        if (!try_digits(a, x, ++digits, e, &d)) return by_printf(v, text);
    } else {
        while (digits > 6 && try_digits(a, x, digits - 1, e, &d)) digits--;
    }
    if (d.m == power[digits]) return by_printf(v, text);        /* rounded up to one digit more */
    bool minus = v < 0;
    if (minus) *text = '-';
    return minus + spell(text + minus, (uint32_t)d.m, digits, e);
}
