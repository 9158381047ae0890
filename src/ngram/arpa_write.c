/* ARPA files out. */
#include "base/io.h"
#include "ngram/ngram.h"
#include <stdlib.h>

enum { WRITE_AT_ONCE = 1 << 20 };     /* bytes */

static void put_float(struct lt_buf *b, float v)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {       /* nine always suffice */
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v) break;
    }
    lt_buf_str(b, text);
}

static bool listed(const struct lt_ngram *m, int level, uint32_t i)
{
    return level || i != m->unk || m->unk_given;
}

static void put_ngram(const struct lt_ngram *m, int level, const uint32_t *node, struct lt_buf *b)
{
    const struct lt_ngram_level *l = &m->level[level];
    uint32_t i = node[level];
    put_float(b, l->prob[i]);
    for (int k = 0; k <= level; k++) {
        struct lt_str word = lt_ngram_spelling(m, m->level[k].word[node[k]]);
        lt_buf_char(b, k ? ' ' : '\t');
        lt_buf_put(b, word.p, word.n);
    }
    if (l->backoff && (l->backoff[i] != 0 || l->child[i] < l->child[i + 1])) {
        lt_buf_char(b, '\t');
        put_float(b, l->backoff[i]);
    }
    lt_buf_char(b, '\n');
}

/* The n-grams of one level, in order: node[k] is the n-gram that the first k + 1 words of the current one make.  With a
 * writer, b is emptied into it whenever it has grown. */
static void put_level(const struct lt_ngram *m, int level, struct lt_buf *b, struct lt_writer *w)
{
    uint32_t node[LT_NGRAM_ORDER_MAX] = { 0 };
    for (uint32_t i = 0; i < m->level[level].count; i++) {
        node[level] = i;
        for (int k = level; k >= 1; k--)
            while (m->level[k - 1].child[node[k - 1] + 1] <= node[k]) node[k - 1]++;
        if (listed(m, level, i)) put_ngram(m, level, node, b);
        if (!w || b->n < WRITE_AT_ONCE) continue;
        lt_writer_put(w, b->p, b->n);
        lt_buf_clear(b);
    }
}

static void put_model(const struct lt_ngram *m, struct lt_buf *b, struct lt_writer *w)
{
    lt_buf_str(b, "\\data\\\n");
    for (int k = 0; k < m->order; k++)
        lt_buf_fmt(b, "ngram %d=%lu\n", k + 1, (unsigned long)m->level[k].count - (k == 0 && !m->unk_given));
    for (int k = 0; k < m->order; k++) {
        lt_buf_fmt(b, "\n\\%d-grams:\n", k + 1);
        put_level(m, k, b, w);
    }
    lt_buf_str(b, "\n\\end\\\n");
}

void lt_ngram_write(const struct lt_ngram *m, struct lt_buf *out)
{
    put_model(m, out, NULL);
}

int lt_ngram_save(const struct lt_ngram *m, const char *path)
{
    struct lt_writer w;
    struct lt_buf b = { 0 };
    if (lt_writer_open(&w, path)) return -1;
    put_model(m, &b, &w);
    lt_writer_put(&w, b.p, b.n);
    lt_buf_free(&b);
    return lt_writer_commit(&w);
}
