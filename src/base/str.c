/* Slices: comparison, splitting, numbers, near names, globs. */
#include "base/base.h"
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool lt_str_eq(struct lt_str a, struct lt_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool lt_str_is(struct lt_str a, const char *z)
{
    return lt_str_eq(a, lt_str(z));
}

bool lt_str_starts(struct lt_str a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && (n == 0 || memcmp(a.p, prefix, n) == 0);
}

bool lt_str_ends(struct lt_str a, const char *suffix)
{
    size_t n = strlen(suffix);
    return a.n >= n && (n == 0 || memcmp(a.p + a.n - n, suffix, n) == 0);
}

int lt_str_cmp(struct lt_str a, struct lt_str b)
{
    size_t n = LT_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

bool lt_str_split(struct lt_str *rest, char sep, struct lt_str *part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *part = *rest;
        *rest = (struct lt_str){ NULL, 0 };
        return true;
    }
    *part = (struct lt_str){ rest->p, (size_t)(at - rest->p) };
    *rest = (struct lt_str){ at + 1, rest->n - part->n - 1 };
    return true;
}

int lt_str_int(struct lt_str s, int64_t *out)
{
    bool negative = s.n && s.p[0] == '-';
    size_t i = negative || (s.n && s.p[0] == '+');
    if (i == s.n)
        return -1;
    uint64_t limit = (uint64_t)INT64_MAX + negative, v = 0;
    for (; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
        if (digit > 9 || v > (limit - digit) / 10)
            return -1;
        v = v * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

static size_t digits(const char *z, size_t i)
{
    while (z[i] >= '0' && z[i] <= '9')
        i++;
    return i;
}

/* Is z a decimal number, with nothing before or after?  strtod alone would take spaces, hexadecimal and nan. */
static bool is_decimal(const char *z)
{
    size_t i = z[0] == '-' || z[0] == '+', whole = digits(z, i) - i, part = 0;
    i += whole;
    if (z[i] == '.') {
        part = digits(z, i + 1) - (i + 1);
        i += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (z[i] == 'e' || z[i] == 'E') {
        i += 1 + (z[i + 1] == '-' || z[i + 1] == '+');
        size_t end = digits(z, i);
        if (end == i)
            return false;
        i = end;
    }
    return z[i] == 0;
}

int lt_str_real(struct lt_str s, double *out)
{
    char z[1024];
    if (s.n == 0 || s.n >= sizeof z || memchr(s.p, 0, s.n))
        return -1;
    memcpy(z, s.p, s.n);
    z[s.n] = 0;
    const char *body = z + (z[0] == '-' || z[0] == '+');
    if (strcasecmp(body, "inf") == 0 || strcasecmp(body, "infinity") == 0) {
        *out = z[0] == '-' ? -INFINITY : INFINITY;
        return 0;
    }
    if (!is_decimal(z))
        return -1;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(c);
    double v = strtod(z, NULL);
    uselocale(before);
    freelocale(c);
    if (isinf(v))
        return -1;
    *out = v;
    return 0;
}

int lt_edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 128 };
    int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST), row[LONGEST + 1];
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int swap = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = LT_MIN(swap, LT_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

/* On a mismatch only the last star needs to take one more character: earlier ones gain nothing by it. */
bool lt_glob(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}
