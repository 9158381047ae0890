/* ARPA files out. */
#include "ngram/arpa.h"
#include "base/compress.h"
#include "base/io.h"
#include "ngram/stream.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WRITE_AT_ONCE = 1 << 20 };     /* bytes */

/* ---- figures ---- */
/* The fewest digits that every reader takes for the same float: the decimal is clearly nearer than half the gap to the
 * next one.  False where plain arithmetic does not settle it. */
static bool put_short(struct lt_buf *b, float v)
{
    int exponent;
    static const double power[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13 };
    double x = fabs((double)v), gap = (double)(nextafterf((float)x, INFINITY)) - x;
    if (!(x >= 1e-3 && x < 1e3)) return false;
    double near = frexp(x, &exponent) > 0.5 ? 0.49 * gap : 0.24 * gap;      /* below a power of two gaps are half */
    int whole = x >= 100 ? 3 : x >= 10 ? 2 : x >= 1 ? 1 : x >= 0.1 ? 0 : x >= 0.01 ? -1 : -2;
    for (int digits = 6; digits <= 9; digits++) {
        int places = digits - whole;                    /* after the point */
        double scaled = rint(x * power[places]);
        if (fabs(scaled / power[places] - x) > near) continue;
        uint64_t n = (uint64_t)scaled;
        char text[24], *end = text + sizeof text, *p = end;
        for (; places > 0 && n % 10 == 0; places--) n /= 10;
        for (; places > 0; places--, n /= 10) {
            *--p = (char)('0' + n % 10);
            if (places == 1) *--p = '.';
        }
        do *--p = (char)('0' + n % 10);
        while (n /= 10);
        if (v < 0) *--p = '-';
        lt_buf_put(b, p, (size_t)(end - p));
        return true;
    }
    return false;
}

void lt_ngram_put_float(struct lt_buf *b, float v)
{
    char text[32];
    if (put_short(b, v)) return;
    for (int digits = 6; digits <= 9; digits++) {       /* nine always suffice */
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    lt_buf_str(b, text);
}

/* ---- the sink ---- */
struct arpa {
    struct lt_buf own, *b;              /* b: where text gathers */
    struct lt_compressor *to;           /* NULL: all of it stays in b */
    const struct lt_map *vocabulary;
    int level, order;
    char *path;
};

static int arpa_begin(void *self, const struct lt_ngram_shape *shape)
{
    struct arpa *a = self;
    a->vocabulary = shape->vocabulary;
    a->order = shape->order;
    a->level = -1;
    lt_buf_str(a->b, "\\data\\\n");
    for (int k = 0; k < shape->order; k++)
        lt_buf_fmt(a->b, "ngram %d=%llu\n", k + 1, (unsigned long long)shape->count[k]);
    return 0;
}

static void reach_level(struct arpa *a, int level)
{
    while (a->level < level) lt_buf_fmt(a->b, "\n\\%d-grams:\n", ++a->level + 1);
}

static int arpa_put(void *self, int level, const uint32_t *word, float prob, float backoff)
{
    struct arpa *a = self;
    reach_level(a, level);
    lt_ngram_put_float(a->b, prob);
    for (int k = 0; k <= level; k++) {
        struct lt_str w = a->vocabulary->entry[word[k]].key;
        lt_buf_char(a->b, k ? ' ' : '\t');
        lt_buf_put(a->b, w.p, w.n);
    }
    if (backoff != 0) {
        lt_buf_char(a->b, '\t');
        lt_ngram_put_float(a->b, backoff);
    }
    lt_buf_char(a->b, '\n');
    if (!a->to || a->b->n < WRITE_AT_ONCE) return 0;
    int rc = lt_compressor_put(a->to, a->b->p, a->b->n);
    lt_buf_clear(a->b);
    return rc;
}

static void arpa_abort(void *self)
{
    struct arpa *a = self;
    if (a->to) lt_compressor_abort(a->to);
    lt_buf_free(&a->own);
    free(a);
}

static int arpa_end(void *self)
{
    struct arpa *a = self;
    int rc = 0;
    reach_level(a, a->order - 1);
    lt_buf_str(a->b, "\n\\end\\\n");
    if (a->to) {
        rc = lt_compressor_put(a->to, a->b->p, a->b->n);
        if (!rc) rc = lt_compressor_commit(a->to);
        else lt_compressor_abort(a->to);
        a->to = NULL;
    }
    arpa_abort(a);
    return rc;
}

static struct arpa *arpa_new(struct lt_ngram_sink *sink)
{
    struct arpa *a = lt_calloc(1, sizeof *a);
    a->b = &a->own;
    *sink = (struct lt_ngram_sink){ .begin = arpa_begin, .put = arpa_put, .end = arpa_end, .abort = arpa_abort,
                                    .self = a };
    return a;
}

int lt_ngram_arpa_open(const char *path, struct lt_ngram_sink *sink)
{
    struct arpa *a = arpa_new(sink);
    a->to = lt_compressor_open(path);
    if (a->to) return 0;
    arpa_abort(a);
    return -1;
}

void lt_ngram_write(const struct lt_ngram *m, struct lt_buf *out)
{
    struct lt_ngram_sink sink;
    arpa_new(&sink)->b = out;
    lt_ngram_stream(m, "model", NULL, NULL, &sink);           /* of memory: nothing can fail */
}

int lt_ngram_save(const struct lt_ngram *m, const char *path)
{
    struct lt_ngram_sink sink;
    return lt_ngram_arpa_open(path, &sink) ? -1 : lt_ngram_stream(m, path, NULL, NULL, &sink);
}
