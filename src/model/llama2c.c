#include "model/llama2c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x616b3432, FIELDS = 7, HEADER_0 = 28, HEADER_1 = 256 };

static int32_t word(const uint8_t *p, int i)
{
    p += 4 * i;
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

/* ---- what lies where: one walk over the file serves its size and its tensors ---- */

enum part { EMBED, NORM1, Q, K, V, O, NORM2, GATE, DOWN, UP, LAST, ANGLES, HEAD, PARTS };
struct place { const char *name; int64_t count, rows, cols; };  /* count: one a layer, or 1; 0: not there */

static void places(const struct lt_llama2c *h, struct place at[PARTS])
{
    int64_t kv = h->dim / h->heads * h->kv_heads, n = h->layers;
    at[EMBED] = (struct place){ "model.embed_tokens.weight", 1, h->vocab, h->dim };
    at[NORM1] = (struct place){ "input_layernorm", n, h->dim, 0 };
    at[Q] = (struct place){ "self_attn.q_proj", n, h->dim, h->dim };
    at[K] = (struct place){ "self_attn.k_proj", n, kv, h->dim };
    at[V] = (struct place){ "self_attn.v_proj", n, kv, h->dim };
    at[O] = (struct place){ "self_attn.o_proj", n, h->dim, h->dim };
    at[NORM2] = (struct place){ "post_attention_layernorm", n, h->dim, 0 };
    at[GATE] = (struct place){ "mlp.gate_proj", n, h->hidden, h->dim };
    at[DOWN] = (struct place){ "mlp.down_proj", n, h->dim, h->hidden };
    at[UP] = (struct place){ "mlp.up_proj", n, h->hidden, h->dim };
    at[LAST] = (struct place){ "model.norm.weight", 1, h->dim, 0 };
    at[ANGLES] = (struct place){ NULL, h->version ? 0 : 1, h->context, h->dim / h->heads };
    at[HEAD] = (struct place){ "lm_head.weight", h->tied ? 0 : 1, h->vocab, h->dim };
}

static const enum part order[2][PARTS] = {
    { EMBED, NORM1, Q, K, V, O, NORM2, GATE, DOWN, UP, LAST, ANGLES, HEAD },
    { NORM1, NORM2, LAST, EMBED, Q, K, V, O, GATE, DOWN, UP, ANGLES, HEAD },
};

static int64_t elements(const struct place *p) { return p->rows * LT_MAX(1, p->cols); }

static uint64_t size_of(const struct lt_llama2c *h)
{
    struct place at[PARTS];
    uint64_t size = h->header;
    places(h, at);
    for (int i = 0; i < PARTS; i++) size += (uint64_t)(at[i].count * elements(&at[i])) * sizeof(float);
    return size;
}

/* ---- header ---- */

int lt_llama2c_header(const char *label, const uint8_t *p, size_t n, struct lt_llama2c *h)
{
    if (n < HEADER_0) return lt_fail("%s: %zu bytes are too few for a llama2.c checkpoint", label, n);
    bool marked = word(p, 0) == MAGIC;
    if (marked && n < HEADER_1) return lt_fail("%s: a llama2.c checkpoint cut short in its header", label);
    if (marked && word(p, 1) != 1)
        return lt_fail("%s: a llama2.c checkpoint of version %" PRId32 "; versions 0 and 1 (float32) are read", label,
                       word(p, 1));
    const uint8_t *field = marked ? p + 8 : p;
    int32_t v[FIELDS];
    for (int i = 0; i < FIELDS; i++) v[i] = word(field, i);
    static const struct { const char *name; int32_t max; } range[FIELDS] = {
        { "width", 1 << 20 }, { "MLP width", 1 << 20 }, { "layer count", 4096 }, { "head count", 4096 },
        { "key-value head count", 4096 }, { "vocabulary", 1 << 24 }, { "context", 1 << 24 },
    };
    bool tied = marked ? p[8 + 4 * FIELDS] != 0 : v[5] > 0;
    if (v[5] < 0 && !marked && v[5] != INT32_MIN) v[5] = -v[5];
    for (int i = 0; i < FIELDS; i++)
        if (v[i] < 1 || v[i] > range[i].max)
            return lt_fail("%s: not a llama2.c checkpoint: a %s of %" PRId32, label, range[i].name, v[i]);
    if (v[0] % v[3] || v[3] % v[4] || v[0] / v[3] % 2)
        return lt_fail("%s: not a llama2.c checkpoint: width %" PRId32 ", %" PRId32 " heads, %" PRId32
                       " key-value heads",
                       label, v[0], v[3], v[4]);
    *h = (struct lt_llama2c){ .dim = v[0],
                              .hidden = v[1],
                              .layers = v[2],
                              .heads = v[3],
                              .kv_heads = v[4],
                              .vocab = v[5],
                              .context = v[6],
                              .tied = tied,
                              .version = marked,
                              .header = marked ? HEADER_1 : HEADER_0 };
    if (size_of(h) != n)
        return lt_fail("%s: the header of this llama2.c checkpoint implies %" PRIu64
                       " bytes and the file has %zu: damaged, or "
                       "not one",
                       label, size_of(h), n);
    return 0;
}

bool lt_llama2c_is(const uint8_t *p, size_t n)
{
    struct lt_llama2c h;
    return (n >= HEADER_1 && word(p, 0) == MAGIC) || lt_llama2c_header("", p, n, &h) == 0;
}

/* ---- tensors ---- */

static void put(struct lt_safetensors *s, const char *name, const struct place *p, const void *data)
{
    struct lt_safetensor *t = &s->tensor[s->count];
    bool fresh;
    *t = (struct lt_safetensor){ .name = lt_arena_str(&s->arena, lt_str(name)), .type = LT_F32, .rank = p->cols ? 2 : 1,
                                 .dim = { p->rows, p->cols }, .count = elements(p), .data = data };
    *lt_map_put(&s->by_name, lt_str(t->name), &fresh) = (uint64_t)s->count++;
}

/* Row 2i of a head goes to i, row 2i + 1 to i + dim/2. */
static const void *unlaced(struct lt_safetensors *s, const struct lt_llama2c *h, const struct place *p,
                           const uint8_t *data)
{
    int64_t dim = h->dim / h->heads;
    size_t row = (size_t)p->cols * sizeof(float);
    uint8_t *copy = lt_arena_take(&s->arena, (size_t)p->rows * row);
    for (int64_t r = 0; r < p->rows; r++) {
        int64_t head = r / dim * dim, i = r % dim;
        memcpy(copy + (size_t)(head + i / 2 + i % 2 * (dim / 2)) * row, data + (size_t)r * row, row);
    }
    return copy;
}

struct lt_safetensors *lt_llama2c_tensors(const struct lt_llama2c *h, const uint8_t *p)
{
    struct lt_safetensors *s = lt_calloc(1, sizeof *s);
    struct place at[PARTS];
    s->tensor = lt_calloc((size_t)(h->layers * PARTS), sizeof *s->tensor);
    places(h, at);
    p += h->header;
    for (int i = 0; i < PARTS; i++) {
        enum part which = order[h->version][i];
        const struct place *w = &at[which];
        for (int64_t layer = 0; layer < w->count; layer++) {
            const void *data = which == Q || which == K ? unlaced(s, h, w, p) : p;
            bool outside = which == EMBED || which == LAST || which == HEAD;
            if (outside) put(s, w->name, w, data);
            else if (w->name)
                put(s, lt_arena_fmt(&s->arena, "model.layers.%d.%s.weight", (int)layer, w->name), w, data);
            p += (size_t)elements(w) * sizeof(float);
        }
    }
    return s;
}
