/* Keys and values of one sequence.  Each layer has a growing array for keys and one for values, (room, kv_heads * dim);
 * rewinding forgets the tail and nothing is moved.  With a sliding window the keys that left it are kept: rewinding may
 * bring them back. */
#include "model/decoder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct half { void *k, *v; int64_t room; };
struct lt_cache {
    enum lt_dtype type;
    int64_t width, context, count;
    int layers;
    struct half layer[];
};

static struct lt_cache *make(enum lt_dtype type, int64_t width, int64_t context, int layers)
{
    struct lt_cache *c = lt_calloc(1, sizeof *c + (size_t)layers * sizeof c->layer[0]);
    c->type = type;
    c->width = width;
    c->context = context;
    c->layers = layers;
    return c;
}

struct lt_cache *lt_cache_new(const struct lt_model *m, enum lt_dtype type)
{
    assert(type == LT_F32 || type == LT_BF16);
    return make(type, m->kv_heads * m->head_dim, m->context, (int)m->layers);
}

static size_t bytes_of(const struct lt_cache *c, int64_t rows)
{
    return (size_t)(rows * c->width) * lt_dtype_size(c->type);
}

static void *grown(const struct lt_cache *c, void *old, int64_t room)
{
    void *p = lt_aligned(bytes_of(c, room));
    if (c->count) memcpy(p, old, bytes_of(c, c->count));
    free(old);
    return p;
}

static void reserve(const struct lt_cache *c, struct half *h, int64_t need)
{
    if (need <= h->room) return;
    int64_t room = LT_MAX(h->room, 32);
    while (room < need) room *= 2;
    room = LT_MAX(need, LT_MIN(room, c->context));
    h->k = grown(c, h->k, room);
    h->v = grown(c, h->v, room);
    h->room = room;
}

static void store(const struct lt_cache *c, void *to, const struct lt_tensor *t, int64_t row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        lt_convert(c->type, (char *)to + bytes_of(c, c->count + i), LT_F32, lt_f32(t) + (row + i) * t->ld, c->width);
}

void lt_cache_put(struct lt_cache *c, int layer, const struct lt_tensor *k, const struct lt_tensor *v, int64_t row,
                  int64_t n)
{
    struct half *h = &c->layer[layer];
    assert(lt_cols(k) == c->width && c->count + n <= c->context);
    reserve(c, h, c->count + n);
    store(c, h->k, k, row, n);
    store(c, h->v, v, row, n);
}

void lt_cache_seq(const struct lt_cache *c, int layer, int64_t n, struct lt_attn_seq *seq)
{
    seq->k = c->layer[layer].k;
    seq->v = c->layer[layer].v;
    seq->k_len = (int32_t)(c->count + n);
}

enum lt_dtype lt_cache_type(const struct lt_cache *c) { return c->type; }
int64_t lt_cache_count(const struct lt_cache *c) { return c->count; }
void lt_cache_advance(struct lt_cache *c, int64_t n) { c->count += n; }

void lt_cache_rewind(struct lt_cache *c, int64_t count)
{
    assert(count >= 0 && count <= c->count);
    c->count = count;
}

struct lt_cache *lt_cache_fork(const struct lt_cache *c)
{
    struct lt_cache *f = make(c->type, c->width, c->context, c->layers);
    f->count = c->count;
    for (int i = 0; c->count && i < c->layers; i++) {
        struct half *h = &f->layer[i];
        h->room = c->count;
        h->k = lt_aligned(bytes_of(c, c->count));
        h->v = lt_aligned(bytes_of(c, c->count));
        memcpy(h->k, c->layer[i].k, bytes_of(c, c->count));
        memcpy(h->v, c->layer[i].v, bytes_of(c, c->count));
    }
    return f;
}

void lt_cache_free(struct lt_cache *c)
{
    if (!c) return;
    for (int i = 0; i < c->layers; i++) {
        free(c->layer[i].k);
        free(c->layer[i].v);
    }
    free(c);
}
