/* Writes GGUF: keys and descriptions are gathered, then the data is streamed behind them. */
#include "base/gguf.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32 };

struct lt_gguf_out {
    struct lt_buf keys, tensors;        /* as they lie in the file */
    uint64_t key_count;
    uint64_t *size; int count;          /* bytes of each tensor's data */
    const char **name;
    uint64_t at;                        /* where the next tensor's data begins */
    struct lt_map seen;
    struct lt_arena arena;
};

struct lt_gguf_out *lt_gguf_out_new(void) { return lt_calloc(1, sizeof(struct lt_gguf_out)); }

void lt_gguf_out_free(struct lt_gguf_out *w)
{
    if (!w) return;
    lt_buf_free(&w->keys);
    lt_buf_free(&w->tensors);
    lt_map_free(&w->seen);
    lt_arena_free(&w->arena);
    free(w->size);
    free(w->name);
    free(w);
}

static void put_number(struct lt_buf *b, uint64_t v, int size)
{
    for (int i = 0; i < size; i++) lt_buf_char(b, (char)(v >> (8 * i)));
}

static void put_text(struct lt_buf *b, struct lt_str s)
{
    put_number(b, s.n, 8);
    lt_buf_put(b, s.p, s.n);
}

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static struct lt_buf *begin(struct lt_gguf_out *w, const char *key, enum lt_gguf_type type)
{
    bool fresh;
    lt_map_put(&w->seen, lt_str(key), &fresh);
    assert(fresh);
    put_text(&w->keys, lt_str(key));
    put_number(&w->keys, type, 4);
    w->key_count++;
    return &w->keys;
}

static struct lt_buf *begin_array(struct lt_gguf_out *w, const char *key, enum lt_gguf_type type, size_t count)
{
    struct lt_buf *b = begin(w, key, LT_GGUF_ARRAY);
    put_number(b, type, 4);
    put_number(b, count, 8);
    return b;
}

void lt_gguf_put_u32(struct lt_gguf_out *w, const char *key, uint32_t v)
{
    put_number(begin(w, key, LT_GGUF_U32), v, 4);
}

void lt_gguf_put_u64(struct lt_gguf_out *w, const char *key, uint64_t v)
{
    put_number(begin(w, key, LT_GGUF_U64), v, 8);
}

void lt_gguf_put_f32(struct lt_gguf_out *w, const char *key, double v)
{
    put_number(begin(w, key, LT_GGUF_F32), bits((float)v), 4);
}

void lt_gguf_put_bool(struct lt_gguf_out *w, const char *key, bool v)
{
    put_number(begin(w, key, LT_GGUF_BOOL), v, 1);
}

void lt_gguf_put_str(struct lt_gguf_out *w, const char *key, struct lt_str v)
{
    put_text(begin(w, key, LT_GGUF_STRING), v);
}

void lt_gguf_put_strings(struct lt_gguf_out *w, const char *key, const struct lt_str *v, size_t count)
{
    struct lt_buf *b = begin_array(w, key, LT_GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) put_text(b, v[i]);
}

void lt_gguf_put_u8s(struct lt_gguf_out *w, const char *key, struct lt_str v)
{
    lt_buf_put(begin_array(w, key, LT_GGUF_U8, v.n), v.p, v.n);
}

void lt_gguf_put_i32s(struct lt_gguf_out *w, const char *key, const int32_t *v, size_t count)
{
    struct lt_buf *b = begin_array(w, key, LT_GGUF_I32, count);
    for (size_t i = 0; i < count; i++) put_number(b, (uint32_t)v[i], 4);
}

void lt_gguf_put_f32s(struct lt_gguf_out *w, const char *key, const float *v, size_t count)
{
    struct lt_buf *b = begin_array(w, key, LT_GGUF_F32, count);
    for (size_t i = 0; i < count; i++) put_number(b, bits(v[i]), 4);
}

void lt_gguf_copy_key(struct lt_gguf_out *w, const struct lt_gguf_key *k)
{
    struct lt_buf *b = k->array ? begin_array(w, k->name, k->type, (size_t)k->count) : begin(w, k->name, k->type);
    lt_buf_put(b, k->bytes.p, k->bytes.n);
}

bool lt_gguf_has_key(const struct lt_gguf_out *w, const char *key)
{
    return lt_map_get(&w->seen, lt_str(key)) != NULL;
}

int lt_gguf_add(struct lt_gguf_out *w, const char *name, uint32_t type, int rank, const int64_t *dim)
{
    const struct lt_gguf_layout *l = lt_gguf_layout(type);
    uint64_t count = 1;
    assert(l && rank >= 1 && rank <= LT_GGUF_RANK && strlen(name) <= LT_GGUF_NAME_MAX
           && dim[rank - 1] % l->block == 0);
    put_text(&w->tensors, lt_str(name));
    put_number(&w->tensors, (uint64_t)rank, 4);
    for (int i = rank - 1; i >= 0; i--) {
        put_number(&w->tensors, (uint64_t)dim[i], 8);
        count *= (uint64_t)dim[i];
    }
    put_number(&w->tensors, type, 4);
    put_number(&w->tensors, w->at, 8);
    w->size = lt_realloc(w->size, ((size_t)w->count + 1) * sizeof *w->size);
    w->name = lt_realloc(w->name, ((size_t)w->count + 1) * sizeof *w->name);
    w->size[w->count] = count / (uint64_t)l->block * (uint64_t)l->bytes;
    w->name[w->count] = lt_arena_str(&w->arena, lt_str(name));
    w->at = (w->at + w->size[w->count] + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return w->count++;
}

static void pad(struct lt_writer *to, uint64_t written)
{
    static const char zero[ALIGNMENT];
    lt_writer_put(to, zero, (size_t)((ALIGNMENT - written % ALIGNMENT) % ALIGNMENT));
}

static int put_all(struct lt_gguf_out *w, struct lt_writer *to, lt_gguf_data_fn *data, void *self)
{
    struct lt_buf head = { 0 };
    lt_buf_str(&head, "GGUF");
    put_number(&head, VERSION, 4);
    put_number(&head, (uint64_t)w->count, 8);
    put_number(&head, w->key_count, 8);
    lt_writer_put(to, head.p, head.n);
    lt_writer_put(to, w->keys.p, w->keys.n);
    lt_writer_put(to, w->tensors.p, w->tensors.n);
    if (w->count) pad(to, head.n + w->keys.n + w->tensors.n);
    lt_buf_free(&head);
    for (int i = 0; i < w->count; i++) {
        uint64_t before = to->written;
        if (data(self, i, to)) return -1;
        if (!to->failed && to->written - before != w->size[i])
            return lt_fail("%s: %" PRIu64 " bytes were made of tensor %s, which has %" PRIu64, to->path,
                           to->written - before, w->name[i], w->size[i]);
        pad(to, w->size[i]);
    }
    return 0;
}

int lt_gguf_save(struct lt_gguf_out *w, const char *path, lt_gguf_data_fn *data, void *self)
{
    struct lt_writer to;
    if (lt_writer_open(&to, path)) return -1;
    if (put_all(w, &to, data, self)) {
        lt_writer_abort(&to);
        return -1;
    }
    return lt_writer_commit(&to);
}
