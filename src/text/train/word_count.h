/* Counting the words of documents, in bounded memory.
 *
 * Tables of words are filled by all threads; when they outgrow the budget they are sorted and put aside in a
 * temporary file, and all such runs are merged at the end.  The result is the same for any budget and any number of
 * threads. */
#ifndef LT_WORD_COUNT_H
#define LT_WORD_COUNT_H

#include "text/document.h"
#include "text/tokenizer.h"
#include <stdio.h>

struct lt_word { const char *p; uint32_t n, hash; uint64_t count; };
/* Distinct words in byte order.  total: all words, the distinct ones as often as they were seen. */
struct lt_words { struct lt_word *word; size_t count; struct lt_arena text; uint64_t total, documents, bytes; };
#define LT_WORD_MAX 4096        /* bytes; what is longer (encoded data, no spaces) is cut */

struct lt_word_how {
    struct lt_docs_how docs;
    size_t memory;              /* bytes for tables before they are put aside */
    uint64_t least;             /* words seen less often are left out */
    bool whole_documents;       /* never cut a long text; else between a letter and a space that a letter follows */
};
/* pipeline splits documents into words as it would when encoding (lt_tokenizer_words). */
int lt_count_words(const struct lt_word_how *how, const struct lt_list *files, const struct lt_tokenizer *pipeline,
                   struct lt_ctx *c, struct lt_words *out);
void lt_words_release(struct lt_words *w);

/* ---- the parts, for tests ---- */
struct lt_word_table { struct lt_word *word; uint32_t *slot; size_t count, cap, slots; struct lt_arena text; };
void lt_word_add(struct lt_word_table *t, struct lt_str word, uint64_t count);
size_t lt_word_table_bytes(const struct lt_word_table *t);
void lt_word_table_release(struct lt_word_table *t);

/* Every word of several tables once, with its whole count, in byte order.  A nonzero return of fn stops. */
typedef int lt_word_count_fn(void *to, struct lt_str word, uint64_t count);
int lt_word_tables_each(const struct lt_word_table *table, int tables, lt_word_count_fn *fn, void *to);

/* Sorted runs in temporary files, without names. */
struct lt_word_runs { FILE **file; int count; };
/* Empties the tables into one more run; merge goes over all of them as lt_word_tables_each does. */
int lt_word_runs_put(struct lt_word_runs *r, struct lt_word_table *table, int tables);
int lt_word_runs_merge(struct lt_word_runs *r, lt_word_count_fn *fn, void *to);
void lt_word_runs_release(struct lt_word_runs *r);

#endif
