/* A session in a file: doc/formats/session-cache.md. */
#include "model/session_state.h"
#include "base/io.h"
#include "math/cpu.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* All little-endian and as the struct lies: no padding. */
struct head {
    char magic[8];
    uint32_t version, type;         /* type: 0 F32, 1 BF16, 2 I8 */
    uint64_t identity;
    uint32_t layers, heads, dim, reserved;
    uint64_t count;
};
static const char magic[8] = "LTCACHE";
enum { VERSION = 1, TAIL = sizeof(uint64_t) };

/* Whatever decides the bits of keys and values: the weights, the hyper-parameters, the arithmetic. */
static uint64_t identity_of_model(struct lt_runner *r)
{
    if (r->identity) return r->identity;
    const struct lt_model *m = r->m;
    struct lt_buf b = { 0 };
    lt_config_write(m, LT_F32, &b);
    lt_buf_fmt(&b, "%d %s", r->spec.compute, lt_isa_name(lt_cpu_level()));
    uint64_t h = lt_hash(b.p, b.n, VERSION);
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        h = lt_hash(w->name, strlen(w->name), h);
        h = lt_hash(w->data, (size_t)lt_weight_count(w) * lt_dtype_size(w->type), h + (uint64_t)w->type);
    }
    lt_buf_free(&b);
    return r->identity = h ? h : 1;
}

/* And the adapter. */
static uint64_t identity(const struct lt_session_state *s)
{
    uint64_t h = identity_of_model(s->run);
    return s->adapter ? lt_hash(&s->adapter->identity, sizeof s->adapter->identity, h) : h;
}

static struct head head_of(const struct lt_session_state *s)
{
    const struct lt_model *m = s->run->m;
    enum lt_dtype type = lt_cache_type(s->cache);
    struct head h = { .version = VERSION, .type = type == LT_F32 ? 0 : type == LT_BF16 ? 1 : 2,
                      .identity = identity(s), .layers = (uint32_t)m->layers, .heads = (uint32_t)m->kv_heads,
                      .dim = (uint32_t)m->head_dim, .count = (uint64_t)s->count };
    memcpy(h.magic, magic, sizeof magic);
    return h;
}

static void write_all(const struct lt_session_state *s, struct lt_buf *b)
{
    struct head h = head_of(s);
    lt_buf_put(b, &h, sizeof h);
    if (s->count) lt_buf_put(b, s->token, (size_t)s->count * sizeof *s->token);
    lt_cache_write(s->cache, b);
    uint64_t sum = lt_hash(b->p, b->n, 0);
    lt_buf_put(b, &sum, sizeof sum);
}

void lt_session_write(const struct lt_session *s, struct lt_buf *out) { write_all(s->self, out); }

int lt_session_save(void *self, const char *path)
{
    struct lt_buf b = { 0 };
    write_all(self, &b);
    int rc = lt_file_save(path, b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

static int check_head(const struct lt_session_state *s, const char *label, const struct head *h)
{
    static const char *const type[] = { "float32", "bfloat16", "q8" };
    struct head want = head_of(s);
    if (memcmp(h->magic, magic, sizeof magic)) return lt_fail("%s: not a saved session", label);
    if (h->version != VERSION)
        return lt_fail("%s: a saved session of version %" PRIu32 "; this program reads version %d", label, h->version,
                       VERSION);
    if (h->type >= (uint32_t)LT_COUNT(type)) return lt_fail("%s: keys and values of no known type", label);
    if (h->type != want.type)
        return lt_fail("%s: holds keys and values as %s; this session keeps them as %s (cache_type)", label,
                       type[h->type], type[want.type]);
    if (h->identity != want.identity || h->layers != want.layers || h->heads != want.heads || h->dim != want.dim)
        return lt_fail("%s: was saved from another model or adapter, or with another dtype or instruction set", label);
    return 0;
}

static int parse(struct lt_session_state *s, const char *label, const uint8_t *p, size_t n)
{
    struct head h;
    uint64_t sum;
    if (s->count) return lt_fail("%s: a session is loaded into an empty one; this one holds %" PRId64 " tokens", label,
                                 s->count);
    if (n < sizeof h + TAIL) return lt_fail("%s: not a saved session: %zu bytes are too few", label, n);
    memcpy(&h, p, sizeof h);
    if (check_head(s, label, &h)) return -1;
    if (h.count > (uint64_t)s->run->m->context)
        return lt_fail("%s: claims %" PRIu64 " tokens; the model's context is %" PRId64, label, h.count,
                       s->run->m->context);
    size_t tokens = (size_t)h.count * sizeof(int32_t), data = lt_cache_size(s->cache, (int64_t)h.count);
    if (n != sizeof h + tokens + data + TAIL)
        return lt_fail("%s: expected %zu bytes for %" PRIu64 " tokens, found %zu", label,
                       sizeof h + tokens + data + TAIL, h.count, n);
    memcpy(&sum, p + n - TAIL, sizeof sum);
    if (sum != lt_hash(p, n - TAIL, 0)) return lt_fail("%s: damaged: its checksum does not agree", label);
    int32_t *token = lt_alloc(tokens + 1);
    memcpy(token, p + sizeof h, tokens);
    int rc = lt_session_check(s, token, (int64_t)h.count);
    lt_cache_list(s->cache, !s->run->m->tap);
    if (!rc && h.count && lt_cache_parse(s->cache, token, (int64_t)h.count, p + sizeof h + tokens)) rc = -1;
    if (!rc && h.count) lt_session_remember(s, token, (int64_t)h.count);
    free(token);
    return rc ? lt_fail("%s: %s", label, lt_error()) : 0;
}

int lt_session_load(void *self, const char *path)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return -1;
    int rc = parse(self, path, f.p, f.n);
    lt_file_close(&f);
    return rc;
}

int lt_session_parse(struct lt_session *s, const char *label, const uint8_t *p, size_t n)
{
    return parse(s->self, label, p, n);
}
