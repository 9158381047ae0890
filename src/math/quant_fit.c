/* Rounding to nearest has one freedom: the scale.  Each candidate scale rounds the elements; for those, least squares
 * gives the best scale (and minimum); the candidate with the smallest weighted error wins.  The candidates are those
 * of ggml's reference quantisers. */
#include "math/quant_fit.h"
#include "base/base.h"

#include <math.h>

enum { PART = 32, PARTS = 8, MOST_SCALE = 63 };
#define TINY 1e-15f                     /* smaller magnitudes are zero to a block */

static int clamp(float x, int low, int high)
{
    float r = rintf(x);
    return r < (float)low ? low : r > (float)high ? high : (int)r;
}

/* ---- x = d l, -levels <= l < levels ---- */

struct line { float xl, ll; };          /* weighted sums of x l and l l */

static struct line line_of(int n, int levels, const float *x, const float *weight, float inverse)
{
    struct line s = { 0 };
    for (int i = 0; i < n; i++) {
        const float l = (float)clamp(inverse * x[i], -levels, levels - 1), w = weight ? weight[i] : x[i] * x[i];
        s.xl += w * x[i] * l;
        s.ll += w * l * l;
    }
    return s;
}

float lt_fit_symmetric(int n, int levels, const float *x, const float *weight, uint8_t *q)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    float best_inverse = fabsf(most) < TINY ? 0 : (float)-levels / most, scale = 0;
    if (best_inverse) {
        struct line s = line_of(n, levels, x, weight, best_inverse);
        scale = s.ll > 0 ? s.xl / s.ll : 0;
        float best = scale * s.xl;
        for (int step = -9; step <= 9; step++) {
            const float inverse = -((float)levels + 0.1f * (float)step) / most;
            if (step == 0) continue;
            s = line_of(n, levels, x, weight, inverse);
            if (!(s.ll > 0) || !(s.xl * s.xl > best * s.ll)) continue;
            best_inverse = inverse;
            scale = s.xl / s.ll;
            best = scale * s.xl;
        }
    }
    for (int i = 0; i < n; i++) q[i] = (uint8_t)(clamp(best_inverse * x[i], -levels, levels - 1) + levels);
    return scale;
}

uint16_t lt_fit_q6_block(const float *x, const float *weight, int8_t scale[16], uint8_t q[256])
{
    float fit[16], most = 0;
    for (int i = 0; i < 16; i++) {
        fit[i] = lt_fit_symmetric(16, 32, x + 16 * i, weight ? weight + 16 * i : NULL, q + 16 * i);
        if (fabsf(fit[i]) > fabsf(most)) most = fit[i];
    }
    if (fabsf(most) < TINY) {
        for (int i = 0; i < 16; i++) scale[i] = 0;
        for (int i = 0; i < 256; i++) q[i] = 0;
        return 0;
    }
    const float inverse = -128.0f / most;
    for (int i = 0; i < 16; i++) scale[i] = (int8_t)clamp(inverse * fit[i], -128, 127);
    return lt_to_f16(1 / inverse);
}

/* ---- x = d l - m, 0 <= l <= most, m >= 0 or of any sign ---- */

/* Candidates: (most + first + i step) / range. */
struct search { float first, step; int steps; bool any_sign; };

static float error_of(const float *x, const float *weight, const uint8_t *l, float scale, float min)
{
    float sum = 0;
    for (int i = 0; i < PART; i++) {
        const float off = scale * (float)l[i] + min - x[i];
        sum += weight[i] * (off * off);
    }
    return sum;
}

/* Least squares for the elements rounded to l; false when they are all equal. */
static bool least_squares(const float *x, const float *weight, const uint8_t *l, bool any_sign, float *scale,
                          float *min)
{
    float w = 0, wx = 0, wl = 0, wll = 0, wxl = 0;
    for (int i = 0; i < PART; i++) {
        const float v = (float)l[i];
        w += weight[i];
        wx += weight[i] * x[i];
        wl += weight[i] * v;
        wll += weight[i] * v * v;
        wxl += weight[i] * v * x[i];
    }
    const float det = w * wll - wl * wl;
    if (!(det > 0)) return false;
    *scale = (w * wxl - wx * wl) / det;
    *min = (wll * wx - wl * wxl) / det;
    if (*min > 0 && !any_sign) {
        *min = 0;
        *scale = wxl / wll;
    }
    return true;
}

static void round_part(const float *x, int most, float inverse, float low, uint8_t *l)
{
    for (int i = 0; i < PART; i++) l[i] = (uint8_t)clamp(inverse * (x[i] - low), 0, most);
}

/* The scale; *m is the minimum that is taken away. */
static float fit_part(const float *x, const float *weight, int most, const struct search *s, uint8_t *q, float *m)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < PART; i++) {
        low = LT_MIN(low, x[i]);
        high = LT_MAX(high, x[i]);
    }
    if (!s->any_sign) low = LT_MIN(low, 0);
    *m = -low;
    if (high - low < TINY) {
        for (int i = 0; i < PART; i++) q[i] = 0;
        return 0;
    }
    float inverse = (float)most / (high - low), scale = 1 / inverse, min = low;
    round_part(x, most, inverse, low, q);
    float best = error_of(x, weight, q, scale, min);
    for (int i = 0; i <= s->steps; i++) {
        uint8_t l[PART];
        float try_scale, try_min;
        round_part(x, most, (s->first + s->step * (float)i + (float)most) / (high - low), low, l);
        if (!least_squares(x, weight, l, s->any_sign, &try_scale, &try_min)) continue;
        const float error = error_of(x, weight, l, try_scale, try_min);
        if (!(error < best)) continue;
        best = error;
        scale = try_scale;
        min = try_min;
        for (int j = 0; j < PART; j++) q[j] = l[j];
    }
    *m = -min;
    return scale;
}

float lt_fit_range(const float *x, const float *weight, int most, uint8_t *q, float *m)
{
    const struct search fine = { .first = -0.9f, .step = 0.05f, .steps = 36, .any_sign = true };
    const float d = fit_part(x, weight, most, &fine, q, m);
    *m = -*m;
    return d;
}

/* Eight positive numbers as d times 0 .. 63, weighted; the half nearest to d.  Without weights the largest is exact,
 * as the reference has it; with them a few candidates around it compete. */
static uint16_t fit_scales(const float x[PARTS], const float *weight, uint8_t l[PARTS])
{
    float most = 0;
    for (int i = 0; i < PARTS; i++) most = LT_MAX(most, x[i]);
    float best_inverse = most > 0 ? MOST_SCALE / most : 0, d = most / MOST_SCALE, best = INFINITY;
    for (int step = 0; weight && most > 0 && step <= 8; step++) {
        const float inverse = ((float)MOST_SCALE + 0.5f * (float)(step - 4)) / most;
        float xl = 0, ll = 0, error = 0;
        for (int i = 0; i < PARTS; i++) {
            const float v = (float)clamp(inverse * x[i], 0, MOST_SCALE);
            xl += weight[i] * x[i] * v;
            ll += weight[i] * v * v;
        }
        if (!(ll > 0)) continue;
        for (int i = 0; i < PARTS; i++) {
            const float off = xl / ll * (float)clamp(inverse * x[i], 0, MOST_SCALE) - x[i];
            error += weight[i] * off * off;
        }
        if (!(error < best)) continue;
        best = error;
        best_inverse = inverse;
        d = xl / ll;
    }
    for (int i = 0; i < PARTS; i++) l[i] = (uint8_t)clamp(best_inverse * x[i], 0, MOST_SCALE);
    return lt_to_f16(d);
}

void lt_fit_k_block(const float *x, const float *weight, int most, struct lt_fit_k *out)
{
    const struct search plain = { .first = most == 15 ? -1.0f : -0.5f, .step = 0.1f, .steps = most == 15 ? 20 : 15 };
    const struct search fine = { .first = -0.9f, .step = 0.05f, .steps = 36 };
    float scale[PARTS], min[PARTS], total[PARTS];
    for (int i = 0; i < PARTS; i++) {
        const float *part = x + PART * i, *w = weight ? weight + PART * i : NULL;
        float own[PART], squares = 0;
        for (int j = 0; j < PART; j++) squares += part[j] * part[j];
        for (int j = 0; !w && j < PART; j++) own[j] = sqrtf(squares / PART) + fabsf(part[j]);
        if (!w) w = own;
        total[i] = 0;
        for (int j = 0; j < PART; j++) total[i] += w[j];
        scale[i] = fit_part(part, w, most, weight ? &fine : &plain, out->q + PART * i, &min[i]);
    }
    out->d = fit_scales(scale, weight ? total : NULL, out->scale);
    out->dmin = fit_scales(min, weight ? total : NULL, out->min);
}
