/* Best fit: piece p of the epoch's list goes to window permute(p) / WINDOW, so a window is a random sample of the
 * corpus; each window is packed alone (65,536 pieces pack as tightly as all would), and again whenever it is needed,
 * which takes milliseconds and saves keeping every row.  The windows are the same in every epoch; their order and
 * the order of the rows inside change. */
#include "data/row_plan.h"

#include "base/ctx.h"
#include "data/best_fit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE = 64, WINDOW = 1 << 16 };

static uint64_t key_of(uint64_t seed, const char *purpose, uint64_t number)
{
    return lt_rng_at(seed, lt_hash(purpose, strlen(purpose), 0), number);
}

static bool fits(const struct lt_corpus *c, uint64_t i, uint32_t length)
{
    uint64_t begin, end;
    lt_corpus_document(c, i, &begin, &end);
    return end - begin - 1 <= length;
}

bool lt_row_fits(const struct lt_corpus *c, uint64_t i, uint32_t length)
{
    return fits(c, i, length) && (!c->pairs || fits(c, i ^ 1, length));
}

uint64_t lt_pieces_of(const struct lt_corpus *c, uint64_t i, uint32_t length)
{
    uint64_t begin, end;
    if (c->pairs) return i % 2 == 0 && lt_row_fits(c, i, length);
    if (lt_corpus_masked(c, i)) return lt_row_fits(c, i, length);
    lt_corpus_document(c, i, &begin, &end);
    return (end - begin - 1 + length - 1) / length;
}

/* ---- which piece is where ---- */
static void mark_pieces(struct lt_rows *r)
{
    const struct lt_corpus *c = r->corpus;
    r->mark = lt_alloc((c->documents / STRIDE + 1) * sizeof *r->mark);
    for (uint64_t i = 0; i < c->documents; i++) {
        if (i % STRIDE == 0)
            r->mark[i / STRIDE] = r->pieces;
        r->pieces += lt_pieces_of(c, i, r->length);
    }
}

struct lt_piece lt_document_piece(const struct lt_corpus *c, uint64_t i)
{
    uint64_t begin, end;
    lt_corpus_document(c, i, &begin, &end);
    return (struct lt_piece){ .at = begin, .count = (uint32_t)(end - 1 - begin) };
}

static struct lt_piece piece_at(const struct lt_rows *r, uint64_t p)
{
    const struct lt_corpus *c = r->corpus;
    uint64_t low = 0, high = (c->documents - 1) / STRIDE;
    while (low < high) {                        /* the last mark that is not beyond p */
        uint64_t middle = (low + high + 1) / 2;
        if (r->mark[middle] <= p)
            low = middle;
        else
            high = middle - 1;
    }
    uint64_t document = low * STRIDE, left = p - r->mark[low], here;
    while (left >= (here = lt_pieces_of(c, document, r->length))) {
        left -= here;
        document++;
    }
    uint64_t begin, end;
    lt_corpus_document(c, document, &begin, &end);
    uint64_t at = begin + left * r->length;
    return (struct lt_piece){ .at = at, .count = (uint32_t)LT_MIN(r->length, end - 1 - at) };
}

/* ---- windows ---- */
static uint32_t window_size(const struct lt_rows *r, uint64_t window)
{
    return (uint32_t)LT_MIN(WINDOW, r->pieces - window * WINDOW);
}

static struct lt_piece *window_pieces(const struct lt_rows *r, uint64_t window, struct lt_bins *bins)
{
    uint32_t n = window_size(r, window), *size = lt_alloc((size_t)n * sizeof *size);
    struct lt_piece *piece = lt_alloc((size_t)n * sizeof *piece);
    uint64_t key = key_of(r->seed, "windows", 0);
    for (uint32_t i = 0; i < n; i++) {
        piece[i] = piece_at(r, lt_permute(key, r->pieces, window * WINDOW + i));
        size[i] = piece[i].count;
    }
    lt_best_fit(size, n, r->length, bins);
    free(size);
    return piece;
}

static void count_window(void *arg, int64_t window)
{
    struct lt_rows *r = arg;
    struct lt_bins bins;
    free(window_pieces(r, (uint64_t)window, &bins));
    r->window_rows[window] = bins.count;
    lt_bins_release(&bins);
}

static void drop_window(struct lt_window *w)
{
    free(w->piece);
    free(w->first);
    *w = (struct lt_window){ .number = UINT64_MAX };
}

static struct lt_window *hold_window(struct lt_rows *r, uint64_t number)
{
    for (int i = 0; i < 2; i++)
        if (r->held[i].number == number)
            return &r->held[i];
    struct lt_window *w = &r->held[r->older];
    r->older = !r->older;
    drop_window(w);
    struct lt_bins bins;
    struct lt_piece *loose = window_pieces(r, number, &bins);
    uint32_t n = window_size(r, number);
    w->piece = lt_alloc((size_t)n * sizeof *w->piece);
    for (uint32_t i = 0; i < n; i++)
        w->piece[i] = loose[bins.item[i]];
    w->first = bins.first;
    bins.first = NULL;
    r->window_rows[number] = bins.count;
    w->number = number;
    free(loose);
    lt_bins_release(&bins);
    return w;
}

/* ---- the order of an epoch ---- */
static uint64_t window_in_place(const struct lt_rows *r, uint64_t epoch, uint64_t place)
{
    return lt_permute(key_of(r->seed, "window order", epoch), r->windows, place);
}

static void order_windows(struct lt_rows *r, uint64_t epoch)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < r->windows; i++)
        r->order_end[i] = sum += r->window_rows[window_in_place(r, epoch, i)];
    r->epoch = epoch;
}

static uint32_t best_fit_row(struct lt_rows *r, uint64_t epoch, uint64_t position, const struct lt_piece **piece)
{
    if (r->epoch != epoch)
        order_windows(r, epoch);
    uint64_t low = 0, high = r->windows - 1;
    while (low < high) {                        /* the first place that ends beyond the position */
        uint64_t middle = (low + high) / 2;
        if (r->order_end[middle] > position)
            high = middle;
        else
            low = middle + 1;
    }
    uint64_t number = window_in_place(r, epoch, low), local = position - (low ? r->order_end[low - 1] : 0);
    struct lt_window *w = hold_window(r, number);
    uint64_t key = key_of(key_of(r->seed, "row order", epoch), "window", number);
    uint64_t row = lt_permute(key, r->window_rows[number], local);
    *piece = w->piece + w->first[row];
    return w->first[row + 1] - w->first[row];
}

static uint32_t pair_row(struct lt_rows *r, uint64_t epoch, uint64_t position, const struct lt_piece **piece)
{
    const struct lt_corpus *c = r->corpus;
    uint64_t number = lt_permute(key_of(r->seed, "row order", epoch), r->count, position);
    r->few[0] = piece_at(r, number);
    r->few[1] = lt_document_piece(c, lt_corpus_find(c, r->few[0].at) + 1);
    *piece = r->few;
    return 2;
}

uint32_t lt_rows_at(struct lt_rows *r, uint64_t epoch, uint64_t position, const struct lt_piece **piece)
{
    if (r->corpus->pairs)
        return pair_row(r, epoch, position, piece);
    if (r->packing == LT_PACK_BEST_FIT)
        return best_fit_row(r, epoch, position, piece);
    uint64_t row = lt_permute(key_of(r->seed, "row order", epoch), r->count, position), at = row * r->length;
    r->few[0] = (struct lt_piece){ .at = at, .count = (uint32_t)LT_MIN(r->length, r->corpus->tokens - 1 - at) };
    *piece = r->few;
    return 1;
}

int lt_rows_open(struct lt_rows *r, const struct lt_corpus *corpus, uint32_t length, enum lt_packing packing,
                 uint64_t seed, struct lt_ctx *c)
{
    *r = (struct lt_rows){ .corpus = corpus, .length = length, .packing = packing, .seed = seed, .epoch = UINT64_MAX };
    r->held[0].number = r->held[1].number = UINT64_MAX;
    if (corpus->pairs) {
        mark_pieces(r);
        r->count = r->pieces;
    } else if (packing == LT_PACK_CONCAT) {
        r->count = corpus->tokens > 1 ? (corpus->tokens - 2) / length + 1 : 0;
    } else {
        mark_pieces(r);
        r->windows = (r->pieces + WINDOW - 1) / WINDOW;
        r->window_rows = lt_calloc(r->windows, sizeof *r->window_rows);
        r->order_end = lt_calloc(r->windows, sizeof *r->order_end);
        if (r->windows == 1)                    /* it will be needed whole, and at once */
            hold_window(r, 0);
        else
            lt_pool_run(lt_ctx_pool(c), (int64_t)r->windows, count_window, r);
        for (uint64_t i = 0; i < r->windows; i++)
            r->count += r->window_rows[i];
    }
    if (r->count)
        return 0;
    lt_rows_release(r);
    if (corpus->masked)
        return lt_fail("%s: no row fits into %" PRIu32 " tokens; ask for a larger --max_length", corpus->shard[0].path,
                       length);
    return lt_fail("%s: every document has a single token, so there is nothing to predict", corpus->shard[0].path);
}

void lt_rows_release(struct lt_rows *r)
{
    drop_window(&r->held[0]);
    drop_window(&r->held[1]);
    free(r->mark);
    free(r->window_rows);
    free(r->order_end);
    *r = (struct lt_rows){ 0 };
}
