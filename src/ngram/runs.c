/* Sorted windows in a file: what a window shares with the one before, its other words and its count, and merging. */
#include "ngram/count.h"
#include <assert.h>
#include <stdlib.h>

struct source { struct lt_spool_reader r; struct lt_window w; };
struct lt_merge {
    struct source *source;
    size_t *heap, live;             /* sources that have a window, the least on top */
    struct lt_window last;
    size_t count;
};

static void put_number(struct lt_spool *s, uint64_t v)
{
    for (; v >= 128; v >>= 7) lt_spool_put_byte(s, (uint8_t)(v | 128));
    lt_spool_put_byte(s, (uint8_t)v);
}

static uint64_t get_number(struct lt_spool_reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t b = lt_spool_get_byte(r);
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) break;
    }
    return v;
}

void lt_run_put(struct lt_spool *s, const struct lt_window *w)
{
    lt_spool_put_byte(s, (uint8_t)(w->n << 4 | w->shared));
    for (int i = w->shared; i < w->n; i++) put_number(s, w->word[i]);
    put_number(s, w->count);
}

/* Windows have a word or more, so that the zero a spool ends with is none. */
static bool read_window(struct source *s)
{
    uint8_t head = lt_spool_get_byte(&s->r);
    s->w.n = head >> 4;
    for (int i = head & 15; i < s->w.n; i++) s->w.word[i] = (uint32_t)get_number(&s->r);
    if (s->w.n) s->w.count = get_number(&s->r);
    return s->w.n;
}

/* No window is the beginning of another: one that is short ends with </s>, which nothing follows. */
static int compare(const struct lt_window *a, const struct lt_window *b)
{
    for (int i = 0; i < LT_MIN(a->n, b->n); i++)
        if (a->word[i] != b->word[i]) return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

static void sink(struct lt_merge *m, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < m->live; i = child) {
        const struct source *s = m->source;
        if (child + 1 < m->live && compare(&s[m->heap[child + 1]].w, &s[m->heap[child]].w) < 0) child++;
        if (compare(&s[m->heap[i]].w, &s[m->heap[child]].w) <= 0) return;
        size_t swap = m->heap[i];
        m->heap[i] = m->heap[child];
        m->heap[child] = swap;
    }
}

struct lt_merge *lt_merge_new(const struct lt_spool *run, size_t count)
{
    struct lt_merge *m = lt_calloc(1, sizeof *m);
    m->source = lt_calloc(count, sizeof *m->source);
    m->heap = lt_calloc(count, sizeof *m->heap);
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        lt_spool_read(&m->source[i].r, &run[i]);
        if (read_window(&m->source[i])) m->heap[m->live++] = i;
    }
    for (size_t i = m->live / 2; i-- > 0;) sink(m, i);
    return m;
}

bool lt_merge_next(struct lt_merge *m, struct lt_window *w)
{
    if (!m->live) return false;
    *w = m->source[*m->heap].w;
    w->count = 0;
    while (m->live && !compare(&m->source[*m->heap].w, w)) {
        struct source *s = &m->source[*m->heap];
        w->count += s->w.count;
        if (!read_window(s)) *m->heap = m->heap[--m->live];
        sink(m, 0);
    }
    for (w->shared = 0; w->shared < LT_MIN(w->n, m->last.n); w->shared++)
        if (w->word[w->shared] != m->last.word[w->shared]) break;
    m->last = *w;
    return true;
}

void lt_merge_free(struct lt_merge *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) lt_spool_read_end(&m->source[i].r);
    free(m->source);
    free(m->heap);
    free(m);
}
