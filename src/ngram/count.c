#include "ngram/count.h"
#include <stdlib.h>

/* A token takes 4 bytes as a word and 4 as a place; sorting the places of the most frequent word needs 16 for each of
 * them, which are all in the worst text. */
enum { BYTES_A_TOKEN = 24, TOKENS_MIN = 4096, RUNS_MIN = 4, AHEAD = 12 };
#define TOKENS_MAX ((size_t)1 << 31)

void lt_counter_init(struct lt_counter *t, int order, struct lt_ctx *c, struct lt_spill *spill, size_t budget)
{
    *t = (struct lt_counter){ .order = order, .ctx = c, .spill = spill, .budget = budget };
}

void lt_counter_release(struct lt_counter *t)
{
    free(t->token);
    free(t->place);
    lt_merge_free(t->merge);
    for (size_t i = 0; i < t->runs; i++) lt_spool_free(&t->run[i]);
    free(t->run);
    *t = (struct lt_counter){ 0 };
}

size_t lt_counter_bytes(const struct lt_counter *t)
{
    return 4 * (t->cap + t->places);
}

static struct lt_spool *new_run(struct lt_counter *t)
{
    if (t->runs == t->runs_cap) {
        t->runs_cap = t->runs_cap ? 2 * t->runs_cap : 16;
        t->run = lt_realloc(t->run, t->runs_cap * sizeof *t->run);
    }
    lt_spool_init(&t->run[t->runs], t->spill);
    return &t->run[t->runs++];
}

static void sort_places(struct lt_counter *t, size_t places, uint32_t words)
{
    memset(t->token + t->n, 0, (size_t)t->order * sizeof *t->token);
    t->place = lt_alloc(LT_MAX(places, 1) * sizeof *t->place);
    t->places = places;
    t->at = 0;
    t->last.n = 0;
    lt_sort_places(t->token, places, t->order, words, t->place, t->ctx);
}

static bool equal(const uint32_t *a, const uint32_t *b, int n)
{
    while (n > 0 && a[n - 1] == b[n - 1]) n--;      /* neighbours differ at the end, if anywhere */
    return n == 0;
}

/* Windows of places that are sorted. */
static bool next_sorted(struct lt_counter *t, struct lt_window *w)
{
    if (t->at == t->places) return false;
    __builtin_prefetch(t->token + t->place[LT_MIN(t->at + AHEAD, t->places - 1)]);
    const uint32_t *x = t->token + t->place[t->at];
    int n = 0, shared = 0;
    do w->word[n] = x[n];
    while (x[n++] != LT_TEXT_EOS && n < t->order);
    while (shared < LT_MIN(n, t->last.n) && w->word[shared] == t->last.word[shared]) shared++;
    size_t first = t->at++;
    while (t->at < t->places && equal(t->token + t->place[t->at], w->word, n)) t->at++;
    w->n = n;
    w->shared = shared;
    w->count = t->at - first;
    t->last = *w;
    return true;
}

/* Writes down what can be counted, and keeps the last words, whose windows are not complete. */
static int write_run(struct lt_counter *t, uint32_t words, bool all)
{
    size_t keep = all ? 0 : LT_MIN(t->n, (size_t)t->order - 1), places = t->n - keep;
    struct lt_window w;
    sort_places(t, places, words);
    struct lt_spool *run = new_run(t);
    while (next_sorted(t, &w)) lt_run_put(run, &w);
    free(t->place);
    t->place = NULL;
    t->places = 0;
    memmove(t->token, t->token + places, keep * sizeof *t->token);
    t->n = keep;
    return lt_ctx_interrupted(t->ctx) ? lt_fail("interrupted") : lt_spill_check(t->spill);
}

int lt_counter_more(struct lt_counter *t, uint32_t words)
{
    size_t most = LT_MAX(LT_MIN(t->budget / BYTES_A_TOKEN, TOKENS_MAX), (size_t)TOKENS_MIN);
    size_t want = LT_MIN(LT_MAX(t->cap + t->cap / 2, (size_t)TOKENS_MIN), most);
    if (t->cap && t->cap >= want) {
        t->tokens += t->n;
        if (write_run(t, words, false)) return -1;
        t->tokens -= t->n;
        return 0;
    }
    t->cap = want;
    t->token = lt_realloc(t->token, (t->cap + (size_t)t->order) * sizeof *t->token);
    return 0;
}

/* Runs are merged, the oldest first, until the rest can be read side by side. */
static int merge_runs(struct lt_counter *t)
{
    size_t most = LT_MAX(t->budget / 2 / lt_spill_block(t->spill), (size_t)RUNS_MIN);
    while (t->runs - t->merged > most) {
        struct lt_merge *m = lt_merge_new(t->run + t->merged, most);
        struct lt_window w;
        struct lt_spool into;
        lt_spool_init(&into, t->spill);
        while (lt_merge_next(m, &w)) lt_run_put(&into, &w);
        lt_merge_free(m);
        for (size_t i = 0; i < most; i++) lt_spool_free(&t->run[t->merged + i]);
        t->merged += most;
        *new_run(t) = into;
        if (lt_ctx_interrupted(t->ctx)) return lt_fail("interrupted");
        if (lt_spill_check(t->spill)) return -1;
    }
    t->merge = lt_merge_new(t->run + t->merged, t->runs - t->merged);
    return 0;
}

int lt_counter_finish(struct lt_counter *t, uint32_t words)
{
    t->tokens += t->n;
    if (!t->n && !t->runs) return lt_fail("the text has no words");
    if (!t->runs) {
        sort_places(t, t->n, words);
        return 0;
    }
    if (write_run(t, words, true)) return -1;
    free(t->token);
    t->token = NULL;
    t->n = t->cap = 0;
    return merge_runs(t);
}

bool lt_counter_next(struct lt_counter *t, struct lt_window *w)
{
    return t->merge ? lt_merge_next(t->merge, w) : next_sorted(t, w);
}
