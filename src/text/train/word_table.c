/* A table from words to counts, and sorted runs of it on disk. */
#include "text/train/word_count.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNS_MAX = 48, FIRST_SLOTS = 1 << 12 };

/* ---- the table: open addressing over an array of words in order of arrival ---- */
static void grow(struct lt_word_table *t)
{
    t->slots = t->slots ? 2 * t->slots : FIRST_SLOTS;
    t->cap = t->slots / 2;
    t->word = lt_realloc(t->word, t->cap * sizeof *t->word);
    free(t->slot);
    t->slot = lt_calloc(t->slots, sizeof *t->slot);
    for (size_t i = 0; i < t->count; i++) {
        size_t at = t->word[i].hash & (t->slots - 1);
        while (t->slot[at])
            at = (at + 1) & (t->slots - 1);
        t->slot[at] = (uint32_t)i + 1;
    }
}

void lt_word_add(struct lt_word_table *t, struct lt_str word, uint64_t count)
{
    if (t->count == t->cap)
        grow(t);
    uint32_t hash = (uint32_t)lt_hash(word.p, word.n, 0);
    size_t at = hash & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1)) {
        struct lt_word *w = &t->word[t->slot[at] - 1];
        if (w->hash == hash && w->n == word.n && memcmp(w->p, word.p, word.n) == 0) {
            w->count += count;
            return;
        }
    }
    t->word[t->count++] = (struct lt_word){ .p = lt_arena_str(&t->text, word), .n = (uint32_t)word.n, .hash = hash,
                                            .count = count };
    t->slot[at] = (uint32_t)t->count;
}

size_t lt_word_table_bytes(const struct lt_word_table *t)
{
    return t->cap * sizeof *t->word + t->slots * sizeof *t->slot + t->text.used_total;
}

void lt_word_table_release(struct lt_word_table *t)
{
    free(t->word);
    free(t->slot);
    lt_arena_free(&t->text);
    *t = (struct lt_word_table){ 0 };
}

/* ---- runs ---- */
static FILE *unnamed_file(void)
{
    const char *folder = getenv("TMPDIR");
    struct lt_buf path = { 0 };
    lt_buf_fmt(&path, "%s/lathe-words-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkstemp(path.p);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (f)
        unlink(path.p);
    else
        lt_fail("%s: cannot make a temporary file: %s; set TMPDIR to a folder with room", path.p, strerror(errno));
    lt_buf_free(&path);
    return f;
}

static int by_bytes(const void *a, const void *b, void *ctx)
{
    const struct lt_word *const *x = a, *const *y = b;
    (void)ctx;
    return lt_str_cmp((struct lt_str){ (*x)->p, (*x)->n }, (struct lt_str){ (*y)->p, (*y)->n });
}

static bool same(const struct lt_word *a, const struct lt_word *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

int lt_word_tables_each(const struct lt_word_table *table, int tables, lt_word_count_fn *fn, void *to)
{
    size_t n = 0, at = 0;
    for (int i = 0; i < tables; i++)
        n += table[i].count;
    const struct lt_word **word = lt_alloc(n * sizeof *word);
    for (int i = 0; i < tables; i++)
        for (size_t k = 0; k < table[i].count; k++)
            word[at++] = &table[i].word[k];
    lt_sort(word, n, sizeof *word, by_bytes, NULL);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n;) {
        size_t end = i;
        uint64_t count = 0;
        for (; end < n && same(word[i], word[end]); end++)
            count += word[end]->count;
        rc = fn(to, (struct lt_str){ word[i]->p, word[i]->n }, count);
        i = end;
    }
    free(word);
    return rc;
}

static int put_word(void *to, struct lt_str word, uint64_t count)
{
    uint32_t n = (uint32_t)word.n;
    fwrite(&n, sizeof n, 1, to);
    fwrite(&count, sizeof count, 1, to);
    fwrite(word.p, 1, word.n, to);
    return 0;
}

static int finish_run(struct lt_word_runs *r, FILE *f)
{
    if (fflush(f) || ferror(f)) {
        int why = errno;
        fclose(f);
        return lt_fail("cannot write a temporary file: %s; set TMPDIR to a folder with room", strerror(why));
    }
    r->file = lt_realloc(r->file, (size_t)(r->count + 1) * sizeof *r->file);
    r->file[r->count++] = f;
    return 0;
}

/* Many runs would need as many open files: they become one. */
static int join_runs(struct lt_word_runs *r)
{
    FILE *f = unnamed_file();
    if (!f)
        return -1;
    if (lt_word_runs_merge(r, put_word, f)) {
        fclose(f);
        return -1;
    }
    lt_word_runs_release(r);
    return finish_run(r, f);
}

int lt_word_runs_put(struct lt_word_runs *r, struct lt_word_table *table, int tables)
{
    if (r->count == RUNS_MAX && join_runs(r))
        return -1;
    FILE *f = unnamed_file();
    if (!f)
        return -1;
    lt_word_tables_each(table, tables, put_word, f);
    for (int i = 0; i < tables; i++)
        lt_word_table_release(&table[i]);
    return finish_run(r, f);
}

/* ---- merging: the word each run stands at, and the smallest of them by looking at all (there are few) ---- */
struct front { struct lt_buf word; uint64_t count; bool ended; };

static int advance(FILE *f, struct front *at)
{
    uint32_t n;
    lt_buf_clear(&at->word);
    if (fread(&n, sizeof n, 1, f) != 1 && feof(f)) {
        at->ended = true;
        return 0;
    }
    if (ferror(f) || fread(&at->count, sizeof at->count, 1, f) != 1 || fread(lt_buf_room(&at->word, n), 1, n, f) != n)
        return lt_fail("cannot read a temporary file back: %s", errno ? strerror(errno) : "it is cut short");
    at->word.n = n;
    return 0;
}

static int smallest(const struct front *at, int n)
{
    int best = -1;
    for (int i = 0; i < n; i++)
        if (!at[i].ended && (best < 0 || lt_str_cmp(lt_buf_view(&at[i].word), lt_buf_view(&at[best].word)) < 0))
            best = i;
    return best;
}

int lt_word_runs_merge(struct lt_word_runs *r, lt_word_count_fn *fn, void *to)
{
    struct front *at = lt_calloc((size_t)r->count, sizeof *at);
    struct lt_buf word = { 0 };
    int rc = 0;
    for (int i = 0; i < r->count && rc == 0; i++) {
        rewind(r->file[i]);
        rc = advance(r->file[i], &at[i]);
    }
    for (int best; rc == 0 && (best = smallest(at, r->count)) >= 0;) {
        uint64_t count = 0;
        lt_buf_clear(&word);
        lt_buf_put(&word, at[best].word.p, at[best].word.n);
        for (int i = best; rc == 0 && i < r->count; i++) {
            if (at[i].ended || !lt_str_eq(lt_buf_view(&at[i].word), lt_buf_view(&word)))
                continue;
            count += at[i].count;
            rc = advance(r->file[i], &at[i]);
        }
        if (rc == 0)
            rc = fn(to, lt_buf_view(&word), count);
    }
    for (int i = 0; i < r->count; i++)
        lt_buf_free(&at[i].word);
    free(at);
    lt_buf_free(&word);
    return rc;
}

void lt_word_runs_release(struct lt_word_runs *r)
{
    for (int i = 0; i < r->count; i++)
        fclose(r->file[i]);
    free(r->file);
    *r = (struct lt_word_runs){ 0 };
}
