#include "text/train/word_count.h"

#include "base/ctx.h"
#include "text/encoders.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 256 << 10, PIECES_A_THREAD = 8 };

/* What goes with each encoder; sums do not care who adds. */
struct worker { struct lt_word_table table; char *error; };

struct counter {
    const struct lt_word_how *how;
    const struct lt_tokenizer *pipeline;
    struct lt_encoders encoders;
    struct worker *worker;
    int workers;
    struct lt_word_runs runs;
    struct lt_buf text;                     /* documents read and not yet counted */
    struct piece { size_t at, n; } *piece;  /* parts of it that can be split into words apart */
    size_t pieces, cap;
};

static int add_word(void *to, struct lt_str word)
{
    while (word.n > LT_WORD_MAX) {
        size_t n = LT_WORD_MAX;
        while (n > LT_WORD_MAX - 4 && (word.p[n] & 0xC0) == 0x80)      /* not inside a character */
            n--;
        lt_word_add(to, (struct lt_str){ word.p, n }, 1);
        word.p += n;
        word.n -= n;
    }
    if (word.n)
        lt_word_add(to, word, 1);
    return 0;
}

static void count_piece(void *arg, int64_t chunk)
{
    struct counter *k = arg;
    int i = lt_encoders_take(&k->encoders);
    struct worker *w = &k->worker[i];
    struct lt_str text = { k->text.p + k->piece[chunk].at, k->piece[chunk].n };
    if (!w->error && lt_tokenizer_words(k->pipeline, k->encoders.encoder[i], text, add_word, &w->table))
        w->error = lt_strdup(lt_error());
    lt_encoders_give(&k->encoders, i);
}

static size_t table_bytes(const struct counter *k)
{
    size_t sum = 0;
    for (int i = 0; i < k->workers; i++)
        sum += lt_word_table_bytes(&k->worker[i].table);
    return sum;
}

/* The workers' tables, side by side, to be put aside or handed on. */
static struct lt_word_table *take_tables(struct counter *k)
{
    struct lt_word_table *table = lt_calloc((size_t)k->workers, sizeof *table);
    for (int i = 0; i < k->workers; i++) {
        table[i] = k->worker[i].table;
        k->worker[i].table = (struct lt_word_table){ 0 };
    }
    return table;
}

static int put_aside(struct counter *k)
{
    struct lt_word_table *table = take_tables(k);
    int rc = lt_word_runs_put(&k->runs, table, k->workers);
    for (int i = 0; i < k->workers; i++)
        lt_word_table_release(&table[i]);
    free(table);
    return rc;
}

static int count_batch(struct counter *k, struct lt_ctx *c)
{
    lt_pool_run(lt_ctx_pool(c), (int64_t)k->pieces, count_piece, k);
    k->pieces = 0;
    lt_buf_clear(&k->text);
    for (int i = 0; i < k->workers; i++)
        if (k->worker[i].error)
            return lt_fail("%s", k->worker[i].error);
    if (lt_ctx_interrupted(c))
        return lt_fail("interrupted while counting words");
    return table_bytes(k) > k->how->memory ? put_aside(k) : 0;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Where a text may be cut near `from`: no pre-tokeniser of the byte-level family lets a word go from a letter over
 * one space, nor looks further. */
static size_t cut(struct lt_str text, size_t from)
{
    for (size_t i = from; i + 1 < text.n; i++)
        if (text.p[i] == ' ' && letter(text.p[i - 1]) && letter(text.p[i + 1]))
            return i;
    return text.n;
}

static void add_text(struct counter *k, struct lt_str text)
{
    size_t base = k->text.n;
    lt_buf_put(&k->text, text.p, text.n);
    for (size_t at = 0; at < text.n;) {
        size_t end = k->how->whole_documents || text.n - at <= PIECE ? text.n : cut(text, at + PIECE);
        if (k->pieces == k->cap) {
            k->cap = k->cap ? 2 * k->cap : 64;
            k->piece = lt_realloc(k->piece, k->cap * sizeof *k->piece);
        }
        k->piece[k->pieces++] = (struct piece){ .at = base + at, .n = end - at };
        at = end;
    }
}

static int count_documents(struct counter *k, struct lt_docs *docs, struct lt_ctx *c, struct lt_words *out)
{
    struct lt_progress progress;
    double done, total;
    lt_docs_progress(docs, &done, &total);
    lt_progress_begin(c, &progress, "counting words", "bytes", total);
    size_t batch = LT_MIN((size_t)k->workers * PIECES_A_THREAD * PIECE, LT_MAX(k->how->memory, PIECE));
    struct lt_doc d;
    int rc;
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        out->documents++;
        out->bytes += d.text.n;
        add_text(k, d.text);
        if (k->text.n < batch)
            continue;
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&progress, done, NULL);
        if ((rc = count_batch(k, c)))
            break;
    }
    if (rc == 0)
        rc = count_batch(k, c);
    if (rc == 0) {
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&progress, done, NULL);
    }
    lt_progress_end(&progress);
    return rc;
}

/* ---- the words together ---- */
struct gather { struct lt_words *out; uint64_t least; size_t cap; };

static int gather_word(void *to, struct lt_str word, uint64_t count)
{
    struct gather *g = to;
    struct lt_words *out = g->out;
    out->total += count;
    if (count < g->least)
        return 0;
    if (out->count == g->cap) {
        g->cap = g->cap ? g->cap + g->cap / 2 : 1024;
        out->word = lt_realloc(out->word, g->cap * sizeof *out->word);
    }
    out->word[out->count++] = (struct lt_word){ .p = lt_arena_str(&out->text, word), .n = (uint32_t)word.n,
                                                .count = count };
    return 0;
}

static int gather_words(struct counter *k, struct lt_words *out)
{
    struct gather g = { .out = out, .least = k->how->least };
    if (k->runs.count == 0) {
        struct lt_word_table *table = take_tables(k);
        lt_word_tables_each(table, k->workers, gather_word, &g);
        for (int i = 0; i < k->workers; i++)
            lt_word_table_release(&table[i]);
        free(table);
        return 0;
    }
    return put_aside(k) || lt_word_runs_merge(&k->runs, gather_word, &g) ? -1 : 0;
}

int lt_count_words(const struct lt_word_how *how, const struct lt_list *files, const struct lt_tokenizer *pipeline,
                   struct lt_ctx *c, struct lt_words *out)
{
    *out = (struct lt_words){ 0 };
    struct lt_docs *docs;
    if (lt_docs_open(files, &how->docs, &docs))
        return -1;
    struct counter k = { .how = how, .pipeline = pipeline };
    lt_encoders_open(&k.encoders, pipeline, lt_ctx_pool(c));
    k.workers = k.encoders.count;
    k.worker = lt_calloc((size_t)k.workers, sizeof *k.worker);
    int rc = count_documents(&k, docs, c, out);
    if (rc == 0)
        rc = gather_words(&k, out);
    for (int i = 0; i < k.workers; i++) {
        lt_word_table_release(&k.worker[i].table);
        free(k.worker[i].error);
    }
    lt_encoders_close(&k.encoders);
    free(k.worker);
    free(k.piece);
    lt_buf_free(&k.text);
    lt_word_runs_release(&k.runs);
    lt_docs_close(docs);
    if (rc)
        lt_words_release(out);
    return rc;
}

void lt_words_release(struct lt_words *w)
{
    free(w->word);
    lt_arena_free(&w->text);
    *w = (struct lt_words){ 0 };
}
