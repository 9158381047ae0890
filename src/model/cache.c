#include "model/cache.h"
#include "math/row_kernel.h"
#include "model/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { N = LT_PAGE_KEYS };

/* The head of a page; its keys and values follow. */
struct page {
    _Alignas(64) uint64_t id;       /* never given twice */
    uint64_t parent, hash;          /* of a listed page: the id of what is before it, and where it is found */
    int64_t holders;
    bool listed;
    struct page *next;              /* listed under the same hash; or the next spare page */
    struct page *older, *newer;     /* listed pages nobody holds, by the time they were left */
    int32_t token[N];
};
struct lt_pages {
    enum lt_dtype type;
    int64_t heads, dim, context;
    int layers;
    int64_t holders;                /* caches, and the maker */
    size_t half, size;              /* bytes of a layer's keys or values, and of a page */
    size_t limit, idle_limit, held, idle;
    uint64_t last_id;
    struct page *spare, *oldest, *newest;
    struct page **slot; size_t slot_count, listed;
};
struct lt_cache {
    struct lt_pages *pages;
    int64_t count, room;            /* tokens; pages that fit the lists */
    int64_t page_count;
    struct page **page;
    const void **data;              /* of each page, as attention wants them */
    bool list;
    uint64_t root;                  /* stands before the first page: 0, or of a kind, and never the id of a page */
};

/* ---- memory ---- */

struct lt_pages *lt_pages_new(const struct lt_model *m, enum lt_dtype type, size_t limit)
{
    assert(type == LT_F32 || type == LT_BF16 || type == LT_I8);
    struct lt_pages *p = lt_calloc(1, sizeof *p);
    size_t rows = (size_t)m->kv_heads * N, scales = type == LT_I8 ? rows * sizeof(float) : 0;
    *p = (struct lt_pages){ .type = type, .heads = m->kv_heads, .dim = m->head_dim, .context = m->context,
                            .layers = (int)m->layers, .holders = 1, .limit = limit };
    p->half = rows * (size_t)m->head_dim * lt_dtype_size(type) + scales;
    p->size = sizeof(struct page) + 2 * p->half * (size_t)p->layers;
    p->idle_limit = limit && limit / 8 < LT_PAGES_IDLE ? limit / 8 : LT_PAGES_IDLE;
    return p;
}

static char *data_of(struct page *g) { return (char *)(g + 1); }
static size_t slot_of(const struct lt_pages *p, uint64_t hash) { return (size_t)hash & (p->slot_count - 1); }

static void idle_remove(struct lt_pages *p, struct page *g)
{
    *(g->older ? &g->older->newer : &p->oldest) = g->newer;
    *(g->newer ? &g->newer->older : &p->newest) = g->older;
    g->older = g->newer = NULL;
    p->idle -= p->size;
}

static void idle_add(struct lt_pages *p, struct page *g)
{
    g->older = p->newest;
    *(p->newest ? &p->newest->newer : &p->oldest) = g;
    p->newest = g;
    p->idle += p->size;
}

static void unlist(struct lt_pages *p, struct page *g)
{
    struct page **at = &p->slot[slot_of(p, g->hash)];
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    g->next = NULL;
    g->listed = false;
    p->listed--;
}

static struct page *forget_oldest(struct lt_pages *p)
{
    struct page *g = p->oldest;
    idle_remove(p, g);
    unlist(p, g);
    return g;
}

static void drop(struct lt_pages *p, struct page *g)
{
    p->held -= p->size;
    free(g);
}

static struct page *take(struct lt_pages *p)
{
    struct page *g = p->spare;
    if (g) {
        p->spare = g->next;
        p->idle -= p->size;
    } else if (p->limit && p->held + p->size > p->limit) {
        if (!p->oldest) {
            lt_fail("the memory for keys and values is full: texts hold %zu of %zu MiB (cache_memory)", p->held >> 20,
                    p->limit >> 20);
            return NULL;
        }
        g = forget_oldest(p);
    } else {
        g = lt_aligned(p->size);
        p->held += p->size;
    }
    memset(g, 0, sizeof *g);
    g->id = ++p->last_id;
    g->holders = 1;
    return g;
}

static void leave(struct lt_pages *p, struct page *g)
{
    if (--g->holders) return;
    if (g->listed) idle_add(p, g);
    else {
        g->next = p->spare;
        p->spare = g;
        p->idle += p->size;
    }
    while (p->idle > p->idle_limit) {
        if (p->spare) {
            g = p->spare;
            p->spare = g->next;
            p->idle -= p->size;
        } else g = forget_oldest(p);
        drop(p, g);
    }
}

static void pages_leave(struct lt_pages *p)
{
    if (--p->holders) return;
    while (p->oldest) drop(p, forget_oldest(p));
    while (p->spare) {
        struct page *g = p->spare;
        p->spare = g->next;
        drop(p, g);
    }
    free(p->slot);
    free(p);
}

void lt_pages_free(struct lt_pages *p)
{
    if (p) pages_leave(p);
}

struct lt_pages_use lt_pages_use(const struct lt_pages *p)
{
    return (struct lt_pages_use){ .page = p->size, .held = p->held, .idle = p->idle, .limit = p->limit };
}

/* ---- the list of full pages, by what stands before them and their tokens ---- */

static struct page *find(const struct lt_pages *p, uint64_t parent, uint64_t hash, const int32_t *token)
{
    struct page *g = p->slot_count ? p->slot[slot_of(p, hash)] : NULL;
    while (g && (g->hash != hash || g->parent != parent || memcmp(g->token, token, sizeof g->token))) g = g->next;
    return g;
}

static void grow_slots(struct lt_pages *p)
{
    size_t before = p->slot_count;
    struct page **old = p->slot;
    p->slot_count = before ? 2 * before : 64;
    p->slot = lt_calloc(p->slot_count, sizeof(struct page *));
    for (size_t i = 0; i < before; i++)
        for (struct page *g = old[i], *next; g; g = next) {
            struct page **to = &p->slot[slot_of(p, g->hash)];
            next = g->next;
            g->next = *to;
            *to = g;
        }
    free(old);
}

static void enter(struct lt_pages *p, struct page *g)
{
    if (p->listed >= p->slot_count) grow_slots(p);
    struct page **to = &p->slot[slot_of(p, g->hash)];
    g->next = *to;
    *to = g;
    g->listed = true;
    p->listed++;
}

/* A page of this text that is full now: listed, or given up for one that says the same. */
static void list_page(struct lt_cache *c, int64_t i)
{
    struct lt_pages *p = c->pages;
    struct page *g = c->page[i], *before = i ? c->page[i - 1] : NULL;
    if (g->listed || (before && !before->listed)) return;
    g->parent = before ? before->id : c->root;
    g->hash = lt_hash(g->token, sizeof g->token, g->parent);
    struct page *same = find(p, g->parent, g->hash, g->token);
    if (!same) {
        enter(p, g);
        return;
    }
    if (!same->holders++) idle_remove(p, same);
    c->page[i] = same;
    c->data[i] = data_of(same);
    leave(p, g);
}

/* ---- caches ---- */

struct lt_cache *lt_cache_new(struct lt_pages *p)
{
    struct lt_cache *c = lt_calloc(1, sizeof *c);
    c->pages = p;
    p->holders++;
    return c;
}

static void room_for(struct lt_cache *c, int64_t pages)
{
    if (pages <= c->room) return;
    c->room = LT_MAX(2 * c->room, pages);
    c->page = lt_realloc(c->page, (size_t)c->room * sizeof *c->page);
    c->data = lt_realloc(c->data, (size_t)c->room * sizeof *c->data);
}

static void put_page(struct lt_cache *c, int64_t i, struct page *g)
{
    c->page[i] = g;
    c->data[i] = data_of(g);
}

static void keep_pages(struct lt_cache *c, int64_t pages)
{
    while (c->page_count > pages) leave(c->pages, c->page[--c->page_count]);
}

static int64_t pages_of(int64_t tokens) { return (tokens + N - 1) / N; }

struct lt_cache *lt_cache_fork(const struct lt_cache *c)
{
    struct lt_cache *f = lt_cache_new(c->pages);
    f->count = c->count;
    f->list = c->list;
    f->root = c->root;
    f->page_count = pages_of(c->count);
    room_for(f, f->page_count);
    for (int64_t i = 0; i < f->page_count; i++) {
        put_page(f, i, c->page[i]);
        c->page[i]->holders++;
    }
    return f;
}

void lt_cache_free(struct lt_cache *c)
{
    if (!c) return;
    keep_pages(c, 0);
    pages_leave(c->pages);
    free(c->page);
    free(c->data);
    free(c);
}

void lt_cache_rewind(struct lt_cache *c, int64_t count)
{
    assert(count >= 0 && count <= c->count);
    c->count = count;
    keep_pages(c, pages_of(count));
}

void lt_cache_list(struct lt_cache *c, bool on) { c->list = on; }

void lt_cache_set_kind(struct lt_cache *c, uint32_t kind)
{
    assert(!c->count);
    c->root = kind ? (uint64_t)1 << 63 | kind : 0;
}

int64_t lt_cache_count(const struct lt_cache *c) { return c->count; }
enum lt_dtype lt_cache_type(const struct lt_cache *c) { return c->pages->type; }

int64_t lt_cache_adopt(struct lt_cache *c, const int32_t *token, int64_t n)
{
    struct lt_pages *p = c->pages;
    int64_t taken = 0;
    while (c->list && c->count % N == 0 && n - taken >= N) {
        int64_t i = c->count / N;
        if (i && !c->page[i - 1]->listed) break;
        uint64_t parent = i ? c->page[i - 1]->id : c->root;
        uint64_t hash = lt_hash(token + taken, N * sizeof *token, parent);
        struct page *g = find(p, parent, hash, token + taken);
        if (!g) break;
        if (!g->holders++) idle_remove(p, g);
        keep_pages(c, i);
        room_for(c, i + 1);
        put_page(c, i, g);
        c->page_count = i + 1;
        c->count += N;
        taken += N;
    }
    return taken;
}

int lt_cache_reserve(struct lt_cache *c, int64_t n)
{
    struct lt_pages *p = c->pages;
    int64_t need = pages_of(c->count + n), last = c->count / N, before = c->page_count;
    if (!n) return 0;
    room_for(c, need);
    for (; c->page_count < need; c->page_count++) {
        struct page *g = take(p);
        if (!g) {
            keep_pages(c, before);
            return 1;
        }
        put_page(c, c->page_count, g);
    }
    struct page *shared = c->page[last];
    if (c->count % N == 0 || (shared->holders == 1 && !shared->listed)) return 0;
    struct page *own = take(p);
    if (!own) {
        keep_pages(c, before);
        return 1;
    }
    memcpy(data_of(own), data_of(shared), p->size - sizeof *own);
    memcpy(own->token, shared->token, sizeof own->token);
    put_page(c, last, own);
    leave(p, shared);
    return 0;
}

static void store(const struct lt_pages *p, char *half, const float *x, int64_t at)
{
    const struct lt_row_kernel *rows = lt_row_kernel();
    float *scale = (float *)(void *)(half + p->heads * N * p->dim);
    for (int64_t h = 0; h < p->heads; h++) {
        int64_t row = h * N + at;
        char *to = half + (size_t)(row * p->dim) * lt_dtype_size(p->type);
        if (p->type == LT_I8) scale[row] = rows->narrow_i8(p->dim, x + h * p->dim, (int8_t *)to);
        else lt_convert(p->type, to, LT_F32, x + h * p->dim, p->dim);
    }
}

void lt_cache_put(struct lt_cache *c, int layer, const struct lt_tensor *k, const struct lt_tensor *v, int64_t row,
                  int64_t n)
{
    const struct lt_pages *p = c->pages;
    assert(lt_cols(k) == p->heads * p->dim && pages_of(c->count + n) <= c->page_count);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = c->count + i;
        char *keys = data_of(c->page[at / N]) + 2 * p->half * (size_t)layer;
        store(p, keys, lt_f32(k) + (row + i) * k->ld, at % N);
        store(p, keys + p->half, lt_f32(v) + (row + i) * v->ld, at % N);
    }
}

void lt_cache_seq(const struct lt_cache *c, int layer, int64_t n, struct lt_attn_seq *seq)
{
    seq->page = c->data;
    seq->k_at = 2 * c->pages->half * (size_t)layer;
    seq->v_at = seq->k_at + c->pages->half;
    seq->k_len = (int32_t)(c->count + n);
}

void lt_cache_advance(struct lt_cache *c, const int32_t *token, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        c->page[c->count / N]->token[c->count % N] = token[i];
        c->count++;
        if (c->list && c->count % N == 0) list_page(c, c->count / N - 1);
    }
}

/* ---- as bytes: layer by layer the keys, then the values; of each head its rows, then with I8 their scales ---- */

static size_t row_bytes(const struct lt_pages *p) { return (size_t)p->dim * lt_dtype_size(p->type); }

size_t lt_cache_size(const struct lt_cache *c, int64_t count)
{
    const struct lt_pages *p = c->pages;
    size_t row = row_bytes(p) + (p->type == LT_I8 ? sizeof(float) : 0);
    return 2 * (size_t)p->layers * (size_t)p->heads * (size_t)count * row;
}

/* Copies rows of one head between pages and bytes; returns the bytes. */
static size_t copy_head(const struct lt_cache *c, int64_t count, size_t half, int64_t head, uint8_t *bytes, bool out)
{
    const struct lt_pages *p = c->pages;
    size_t row = row_bytes(p), scales = p->type == LT_I8 ? sizeof(float) : 0, done = 0;
    for (int part = 0; part < (scales ? 2 : 1); part++)
        for (int64_t i = 0; i < count; i += N) {
            size_t unit = part ? scales : row, n = (size_t)LT_MIN(N, count - i) * unit;
            char *at = data_of(c->page[i / N]) + half + (part ? (size_t)(p->heads * N) * row : 0)
                + (size_t)(head * N) * unit;
            if (out) memcpy(bytes + done, at, n);
            else memcpy(at, bytes + done, n);
            done += n;
        }
    return done;
}

static void copy_all(const struct lt_cache *c, int64_t count, uint8_t *bytes, bool out)
{
    const struct lt_pages *p = c->pages;
    for (size_t half = 0; half < 2 * (size_t)p->layers; half++)
        for (int64_t h = 0; h < p->heads; h++) bytes += copy_head(c, count, half * p->half, h, bytes, out);
}

void lt_cache_write(const struct lt_cache *c, struct lt_buf *out)
{
    size_t n = lt_cache_size(c, c->count);
    copy_all(c, c->count, (uint8_t *)lt_buf_room(out, n), true);
    out->n += n;
}

int lt_cache_parse(struct lt_cache *c, const int32_t *token, int64_t count, const uint8_t *p)
{
    assert(!c->count);
    if (lt_cache_reserve(c, count)) return 1;
    copy_all(c, count, (uint8_t *)p, false);
    lt_cache_advance(c, token, count);
    return 0;
}
