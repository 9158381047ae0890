#include "base/gguf.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 3, ALIGNMENT = 32, KEY_MAX = 65535 };
enum { SPLIT_MAX = 1 << 12, COUNT_MAX = 1 << 24 };           /* of keys and of tensors */
enum { ELEMENTS_MAX_LOG2 = 48 };        /* of one tensor; keeps products of sizes far from overflow */

/* A name from a file, shortened for a message. */
#define NAMED "\"%.96s\""

static const struct lt_gguf_layout layouts[] = {
    { "F32", 0, 1, 4, 4 },       { "F16", 1, 1, 2, 2 },       { "Q4_0", 2, 32, 18, 2 },    { "Q4_1", 3, 32, 20, 2 },
    { "Q5_0", 6, 32, 22, 2 },    { "Q5_1", 7, 32, 24, 2 },    { "Q8_0", 8, 32, 34, 2 },    { "Q8_1", 9, 32, 40, 4 },
    { "Q2_K", 10, 256, 84, 2 },  { "Q3_K", 11, 256, 110, 2 }, { "Q4_K", 12, 256, 144, 2 }, { "Q5_K", 13, 256, 176, 2 },
    { "Q6_K", 14, 256, 210, 2 }, { "Q8_K", 15, 256, 292, 4 }, { "IQ2_XXS", 16, 256, 66, 2 },
    { "IQ2_XS", 17, 256, 74, 2 },  { "IQ3_XXS", 18, 256, 98, 2 }, { "IQ1_S", 19, 256, 50, 2 },
    { "IQ4_NL", 20, 32, 18, 2 },   { "IQ3_S", 21, 256, 110, 2 },  { "IQ2_S", 22, 256, 82, 2 },
    { "IQ4_XS", 23, 256, 136, 2 }, { "I8", 24, 1, 1, 1 },         { "I16", 25, 1, 2, 2 },  { "I32", 26, 1, 4, 4 },
    { "I64", 27, 1, 8, 8 },        { "F64", 28, 1, 8, 8 },        { "IQ1_M", 29, 256, 56, 2 },
    { "BF16", 30, 1, 2, 2 },       { "TQ1_0", 34, 256, 54, 2 },   { "TQ2_0", 35, 256, 66, 2 },
    { "MXFP4", 39, 32, 17, 1 },
};

const struct lt_gguf_layout *lt_gguf_layout(uint32_t id)
{
    for (int i = 0; i < LT_COUNT(layouts); i++)
        if (layouts[i].id == id) return &layouts[i];
    return NULL;
}

/* ---- numbers out of unaligned bytes ---- */

static const uint8_t sizes[LT_GGUF_TYPE_COUNT] = { [LT_GGUF_U8] = 1,  [LT_GGUF_I8] = 1,  [LT_GGUF_U16] = 2,
                                                   [LT_GGUF_I16] = 2, [LT_GGUF_U32] = 4, [LT_GGUF_I32] = 4,
                                                   [LT_GGUF_F32] = 4, [LT_GGUF_BOOL] = 1, [LT_GGUF_U64] = 8,
                                                   [LT_GGUF_I64] = 8, [LT_GGUF_F64] = 8 };

static uint64_t little(const char *p, int n)
{
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--) v = v << 8 | (uint8_t)p[i];
    return v;
}

static bool is_whole(enum lt_gguf_type t)
{
    return t != LT_GGUF_F32 && t != LT_GGUF_F64 && t != LT_GGUF_STRING && t != LT_GGUF_BOOL && t != LT_GGUF_ARRAY;
}

/* false: more than an int64 holds */
static bool whole_at(const char *p, enum lt_gguf_type t, int64_t *out)
{
    uint64_t v = little(p, sizes[t]);
    bool is_signed = t == LT_GGUF_I8 || t == LT_GGUF_I16 || t == LT_GGUF_I32 || t == LT_GGUF_I64;
    int unused = 64 - 8 * sizes[t];
    *out = is_signed ? (int64_t)(v << unused) >> unused : (int64_t)v;
    return is_signed || v <= INT64_MAX;
}

static double real_at(const char *p, enum lt_gguf_type t)
{
    if (t == LT_GGUF_F32) {
        uint32_t u = (uint32_t)little(p, 4);
        float f;
        memcpy(&f, &u, sizeof f);
        return (double)f;
    }
    uint64_t u = little(p, 8);
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}

/* ---- reading ---- */

struct reader { struct lt_gguf *g; struct lt_str rest; const char *start; };

static int cut_short(const struct reader *r, const char *what)
{
    return lt_fail("%s: cut short at byte %td, in %s", r->g->label, r->rest.p - r->start, what);
}

static const char *take(struct reader *r, uint64_t n)
{
    if (n > r->rest.n) return NULL;
    const char *p = r->rest.p;
    r->rest = (struct lt_str){ p + n, r->rest.n - (size_t)n };
    return p;
}

static bool take_number(struct reader *r, int size, uint64_t *v)
{
    const char *p = take(r, (uint64_t)size);
    if (p) *v = little(p, size);
    return p != NULL;
}

static bool take_str(struct reader *r, struct lt_str *s)
{
    uint64_t n;
    if (!take_number(r, 8, &n)) return false;
    s->p = take(r, n);
    s->n = (size_t)n;
    return s->p != NULL;
}

/* Names are shown to people and compared with ours: printable and not empty. */
static bool is_name(struct lt_str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || (uint8_t)s.p[i] >= 127) return false;
    return s.n && s.n <= most;
}

static int read_value(struct reader *r, struct lt_gguf_key *k)
{
    uint64_t type = 0, count = 1;
    if (!take_number(r, 4, &type)) return cut_short(r, k->name);
    if (type == LT_GGUF_ARRAY) {
        k->array = true;
        if (!take_number(r, 4, &type) || !take_number(r, 8, &count)) return cut_short(r, k->name);
    }
    if (type >= LT_GGUF_TYPE_COUNT || type == LT_GGUF_ARRAY)
        return lt_fail("%s: the key " NAMED " has values of type %" PRIu64 "; 0 to 12 are known and arrays of arrays "
                       "are not read", r->g->label, k->name, type);
    k->type = (enum lt_gguf_type)type;
    k->count = count;
    k->bytes.p = r->rest.p;
    if (k->type == LT_GGUF_STRING) {
        struct lt_str s;
        if (count > r->rest.n / 8) return cut_short(r, k->name);
        for (uint64_t i = 0; i < count; i++)
            if (!take_str(r, &s)) return cut_short(r, k->name);
    } else if (count > r->rest.n / sizes[type] || !take(r, count * sizes[type])) {
        return cut_short(r, k->name);
    }
    k->bytes.n = (size_t)(r->rest.p - k->bytes.p);
    return 0;
}

static int read_keys(struct reader *r, uint64_t count)
{
    struct lt_gguf *g = r->g;
    if (count > COUNT_MAX || count > r->rest.n / 13) return cut_short(r, "the keys");
    g->key = lt_calloc((size_t)count + 1, sizeof *g->key);
    for (uint64_t i = 0; i < count; i++) {
        struct lt_str name;
        bool fresh;
        if (!take_str(r, &name)) return cut_short(r, "the name of a key");
        if (!is_name(name, KEY_MAX))
            return lt_fail("%s: the name of key %" PRIu64 " is empty or not printable: a damaged file", g->label, i);
        struct lt_gguf_key *k = &g->key[g->key_count];
        k->name = lt_arena_str(&g->arena, name);
        if (read_value(r, k)) return -1;
        *lt_map_put(&g->by_key, name, &fresh) = (uint64_t)g->key_count++;
        if (!fresh) return lt_fail("%s: the key " NAMED " is there twice", g->label, k->name);
    }
    return 0;
}

/* Shape and type; t->data is left as the offset that the file gives. */
static int read_tensor(struct reader *r, struct lt_gguf_tensor *t, uint64_t *offset)
{
    const char *label = r->g->label;
    uint64_t rank = 0, size = 0, type = 0, count = 1;
    if (!take_number(r, 4, &rank)) return cut_short(r, t->name);
    if (rank < 1 || rank > LT_GGUF_RANK)
        return lt_fail("%s: tensor " NAMED " has %" PRIu64 " dimensions; 1 to %d are possible", label, t->name, rank,
                       LT_GGUF_RANK);
    t->rank = (int32_t)rank;
    for (int i = 0; i < t->rank; i++) {
        if (!take_number(r, 8, &size)) return cut_short(r, t->name);
        if (size < 1 || size > (UINT64_C(1) << ELEMENTS_MAX_LOG2) / count)
            return lt_fail("%s: tensor " NAMED ": size %" PRIu64 " of dimension %d is not possible", label, t->name,
                           size, i);
        t->dim[t->rank - 1 - i] = (int64_t)size;
        count *= size;
    }
    if (!take_number(r, 4, &type) || !take_number(r, 8, offset)) return cut_short(r, t->name);
    t->layout = lt_gguf_layout((uint32_t)type);
    if (!t->layout) return lt_fail("%s: tensor " NAMED " has the unknown type %" PRIu64, label, t->name, type);
    if (t->dim[t->rank - 1] % t->layout->block)
        return lt_fail("%s: tensor " NAMED " has rows of %" PRId64 ", which blocks of %d (%s) do not divide", label,
                       t->name, t->dim[t->rank - 1], t->layout->block, t->layout->name);
    t->size = (size_t)count / (size_t)t->layout->block * (size_t)t->layout->bytes;
    return 0;
}

static int place(struct reader *r, struct lt_gguf_tensor *t, uint64_t offset, uint64_t alignment, struct lt_str data)
{
    if (offset % alignment)
        return lt_fail("%s: tensor " NAMED " starts at byte %" PRIu64 " of the data, expected a multiple of %" PRIu64,
                       r->g->label, t->name, offset, alignment);
    if (offset > data.n || t->size > data.n - offset)
        return lt_fail("%s: tensor " NAMED " needs bytes %" PRIu64 " to %" PRIu64 " of the data, which has %zu: the "
                       "file is cut short", r->g->label, t->name, offset, offset + (uint64_t)t->size, data.n);
    t->data = data.p + offset;
    if ((uintptr_t)t->data % (unsigned)t->layout->align) {
        void *copy = lt_arena_take(&r->g->arena, t->size);
        memcpy(copy, t->data, t->size);
        t->data = copy;
    }
    return 0;
}

static int read_tensors(struct reader *r, uint64_t count)
{
    struct lt_gguf *g = r->g;
    int64_t alignment = ALIGNMENT;
    if (count > COUNT_MAX || count > r->rest.n / 24) return cut_short(r, "the descriptions of tensors");
    if (lt_gguf_int(g, "general.alignment", 1, 1 << 20, &alignment) < 0) return -1;
    if (alignment & (alignment - 1))
        return lt_fail("%s: general.alignment is %" PRId64 ", expected a power of two", g->label, alignment);
    g->tensor = lt_calloc((size_t)count + 1, sizeof *g->tensor);
    uint64_t *offset = lt_calloc((size_t)count + 1, sizeof *offset);
    int rc = 0;
    for (uint64_t i = 0; i < count && !rc; i++) {
        struct lt_gguf_tensor *t = &g->tensor[g->tensor_count];
        struct lt_str name;
        bool fresh;
        if (!take_str(r, &name)) rc = cut_short(r, "the name of a tensor");
        else if (!is_name(name, LT_GGUF_NAME_MAX))
            rc = lt_fail("%s: the name of tensor %" PRIu64 " is empty, longer than %d bytes or not printable", g->label,
                         i, LT_GGUF_NAME_MAX);
        if (rc) break;
        t->name = lt_arena_str(&g->arena, name);
        rc = read_tensor(r, t, &offset[i]);
        *lt_map_put(&g->by_tensor, name, &fresh) = (uint64_t)g->tensor_count++;
        if (!rc && !fresh) rc = lt_fail("%s: tensor " NAMED " is there twice", g->label, t->name);
    }
    uint64_t at = (uint64_t)(r->rest.p - r->start), pad = (uint64_t)(-(int64_t)at & (alignment - 1));
    if (!rc && count && !take(r, pad)) rc = cut_short(r, "the padding before the data");
    for (uint64_t i = 0; i < count && !rc; i++) rc = place(r, &g->tensor[i], offset[i], (uint64_t)alignment, r->rest);
    free(offset);
    return rc;
}

static int read_all(struct reader *r)
{
    uint64_t version, tensors, keys;
    const char *label = r->g->label;
    if (!lt_gguf_is(r->rest.p, r->rest.n)) return lt_fail("%s: not a GGUF file", label);
    take(r, 4);
    if (!take_number(r, 4, &version)) return cut_short(r, "the version");
    if (version != VERSION && version != 2)
        return lt_fail(version & 0xffff ? "%s: GGUF version %" PRIu64 "; versions 2 and 3 are read"
                                        : "%s: a GGUF file with its bytes in big-endian order (version %#" PRIx64
                                          "), which is not read",
                       label, version);
    if (!take_number(r, 8, &tensors) || !take_number(r, 8, &keys)) return cut_short(r, "the counts");
    if (read_keys(r, keys) || lt_gguf_int(r->g, "split.count", 0, SPLIT_MAX, &r->g->split_count) < 0
        || lt_gguf_int(r->g, "split.no", 0, SPLIT_MAX - 1, &r->g->split_no) < 0)
        return -1;
    return read_tensors(r, tensors);
}

bool lt_gguf_is(const void *p, size_t n) { return n >= 4 && !memcmp(p, "GGUF", 4); }

static int parse(const void *p, size_t n, const char *label, struct lt_gguf **out)
{
    struct lt_gguf *g = lt_calloc(1, sizeof *g);
    g->split_count = 1;
    g->label = lt_arena_str(&g->arena, lt_str(label));
    struct reader r = { .g = g, .rest = { p, n }, .start = p };
    if (read_all(&r)) {
        lt_gguf_free(g);
        return -1;
    }
    *out = g;
    return 0;
}

int lt_gguf_parse(const void *p, size_t n, const char *label, struct lt_gguf **out)
{
    if (parse(p, n, label, out)) return -1;
    if ((*out)->split_count <= 1) return 0;
    lt_fail("%s: file %" PRId64 " of %" PRId64 " of a model, which only opens by the path of the first", label,
            (*out)->split_no + 1, (*out)->split_count);
    lt_gguf_free(*out);
    return -1;
}

static int open_one(const char *path, struct lt_gguf **out)
{
    struct lt_file f;
    if (lt_file_open(path, &f)) return -1;
    if (parse(f.p, f.n, path, out)) {
        lt_file_close(&f);
        return -1;
    }
    (*out)->file = f;
    return 0;
}

/* ---- models in several files ---- */

char *lt_gguf_split_path(struct lt_arena *a, const char *first, int64_t no, int64_t count)
{
    char end[40];
    snprintf(end, sizeof end, "-00001-of-%05" PRId64 ".gguf", count);
    struct lt_str path = lt_str(first);
    if (!lt_str_ends(path, end)) return NULL;
    return lt_arena_fmt(a, "%.*s-%05" PRId64 "-of-%05" PRId64 ".gguf", (int)(path.n - strlen(end)), first, no + 1,
                        count);
}

/* The tensors of a further file, which g keeps. */
static int join(struct lt_gguf *g, const char *path)
{
    struct lt_gguf *part;
    bool fresh = true;
    if (open_one(path, &part)) return -1;
    g->part[g->parts++] = part;
    if (part->split_no != g->parts || part->split_count != g->split_count)
        return lt_fail("%s: expected file %d of %" PRId64 ", found file %" PRId64 " of %" PRId64, path, g->parts + 1,
                       g->split_count, part->split_no + 1, part->split_count);
    size_t total = (size_t)g->tensor_count + (size_t)part->tensor_count;
    if (total > COUNT_MAX) return lt_fail("%s: more than %d tensors", path, COUNT_MAX);
    g->tensor = lt_realloc(g->tensor, (total + 1) * sizeof *g->tensor);
    for (int i = 0; i < part->tensor_count; i++) {
        *lt_map_put(&g->by_tensor, lt_str(part->tensor[i].name), &fresh) = (uint64_t)g->tensor_count;
        if (!fresh) return lt_fail("%s: tensor " NAMED " is in another file too", path, part->tensor[i].name);
        g->tensor[g->tensor_count++] = part->tensor[i];
    }
    return 0;
}

static int join_all(struct lt_gguf *g)
{
    int64_t tensors = -1;
    char *path = lt_gguf_split_path(&g->arena, g->label, 0, g->split_count);
    if (g->split_no || !path)
        return lt_fail("%s: file %" PRId64 " of %" PRId64 " of a model; open the first, whose name ends in "
                       "-00001-of-%05" PRId64 ".gguf", g->label, g->split_no + 1, g->split_count, g->split_count);
    g->part = lt_calloc((size_t)g->split_count, sizeof *g->part);
    for (int64_t i = 1; i < g->split_count; i++)
        if (join(g, lt_gguf_split_path(&g->arena, g->label, i, g->split_count))) return -1;
    if (lt_gguf_int(g, "split.tensors.count", 0, COUNT_MAX, &tensors) < 0) return -1;
    if (tensors >= 0 && tensors != g->tensor_count)
        return lt_fail("%s: its %" PRId64 " files hold %d tensors and should hold %" PRId64, g->label, g->split_count,
                       g->tensor_count, tensors);
    return 0;
}

int lt_gguf_open(const char *path, struct lt_gguf **out)
{
    if (open_one(path, out)) return -1;
    if ((*out)->split_count <= 1 || !join_all(*out)) return 0;
    lt_gguf_free(*out);
    return -1;
}

bool lt_gguf_is_file(const char *path)
{
    char magic[4];
    if (lt_path_is_dir(path)) return false;
    FILE *f = fopen(path, "rb");
    bool is = f && fread(magic, 1, sizeof magic, f) == sizeof magic && lt_gguf_is(magic, sizeof magic);
    if (f) fclose(f);
    return is;
}

void lt_gguf_free(struct lt_gguf *g)
{
    if (!g) return;
    for (int i = 0; i < g->parts; i++) lt_gguf_free(g->part[i]);
    free(g->part);
    free(g->key);
    free(g->tensor);
    lt_map_free(&g->by_key);
    lt_map_free(&g->by_tensor);
    lt_arena_free(&g->arena);
    if (g->file.p) lt_file_close(&g->file);
    free(g);
}

/* ---- values ---- */

const struct lt_gguf_key *lt_gguf_find(const struct lt_gguf *g, const char *key)
{
    const uint64_t *at = lt_map_get(&g->by_key, lt_str(key));
    return at ? &g->key[*at] : NULL;
}

const struct lt_gguf_tensor *lt_gguf_find_tensor(const struct lt_gguf *g, const char *name)
{
    const uint64_t *at = lt_map_get(&g->by_tensor, lt_str(name));
    return at ? &g->tensor[*at] : NULL;
}

static int wrong(const struct lt_gguf *g, const char *key, const char *expected)
{
    return lt_fail("%s: expected %s to be %s", g->label, key, expected);
}

int lt_gguf_int(const struct lt_gguf *g, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    int64_t v = 0, first = 0;
    if (!k) return 0;
    if (!is_whole(k->type) || !k->count) return wrong(g, key, "a whole number");
    for (uint64_t i = 0; i < k->count; i++) {
        bool fits = whole_at(k->bytes.p + i * sizes[k->type], k->type, &v);
        if (!fits || v < min || v > max)
            return lt_fail("%s: expected %s to be a whole number from %" PRId64 " to %" PRId64 ", found %s%" PRId64,
                           g->label, key, min, max, fits ? "" : "more than ", fits ? v : INT64_MAX);
        if (i && v != first)
            return lt_fail("%s: %s differs from layer to layer, which is not supported", g->label, key);
        first = v;
    }
    *out = v;
    return 1;
}

/* Writers have a double and files hold a float: 0.6 is meant, not 0.60000002. */
static double shortest(float f)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f) break;
    }
    return strtod(text, NULL);
}

int lt_gguf_real(const struct lt_gguf *g, const char *key, double *out)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    int64_t whole = 0;
    if (!k) return 0;
    if (k->array || k->type == LT_GGUF_STRING || k->type == LT_GGUF_BOOL) return wrong(g, key, "a number");
    if (is_whole(k->type) && !whole_at(k->bytes.p, k->type, &whole)) return wrong(g, key, "a number");
    double v = is_whole(k->type) ? (double)whole : real_at(k->bytes.p, k->type);
    if (!isfinite(v)) return wrong(g, key, "a finite number");
    *out = k->type == LT_GGUF_F32 ? shortest((float)v) : v;
    return 1;
}

int lt_gguf_bool(const struct lt_gguf *g, const char *key, bool *out)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    if (!k) return 0;
    if (k->array || k->type != LT_GGUF_BOOL || (uint8_t)k->bytes.p[0] > 1) return wrong(g, key, "true or false");
    *out = k->bytes.p[0];
    return 1;
}

int lt_gguf_str(const struct lt_gguf *g, const char *key, struct lt_str *out)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    if (!k) return 0;
    if (k->array || k->type != LT_GGUF_STRING) return wrong(g, key, "a text");
    struct lt_str s = { k->bytes.p + 8, k->bytes.n - 8 };
    if (memchr(s.p, 0, s.n)) return wrong(g, key, "a text without NUL");
    *out = s;
    return 1;
}

int lt_gguf_strings(const struct lt_gguf *g, const char *key, struct lt_str **out, uint64_t *count)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    if (!k) return 0;
    if (!k->array || k->type != LT_GGUF_STRING) return wrong(g, key, "a list of texts");
    struct lt_str *s = lt_alloc(((size_t)k->count + 1) * sizeof *s);
    const char *p = k->bytes.p;
    for (uint64_t i = 0; i < k->count; i++) {
        s[i] = (struct lt_str){ p + 8, (size_t)little(p, 8) };
        p = s[i].p + s[i].n;
    }
    *out = s;
    *count = k->count;
    return 1;
}

int lt_gguf_ints(const struct lt_gguf *g, const char *key, int64_t **out, uint64_t *count)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    if (!k) return 0;
    if (!k->array || !is_whole(k->type)) return wrong(g, key, "a list of whole numbers");
    int64_t *v = lt_alloc(((size_t)k->count + 1) * sizeof *v);
    for (uint64_t i = 0; i < k->count; i++) whole_at(k->bytes.p + i * sizes[k->type], k->type, &v[i]);
    *out = v;
    *count = k->count;
    return 1;
}

int lt_gguf_reals(const struct lt_gguf *g, const char *key, double **out, uint64_t *count)
{
    const struct lt_gguf_key *k = lt_gguf_find(g, key);
    if (!k) return 0;
    if (!k->array || (k->type != LT_GGUF_F32 && k->type != LT_GGUF_F64)) return wrong(g, key, "a list of numbers");
    double *v = lt_alloc(((size_t)k->count + 1) * sizeof *v);
    for (uint64_t i = 0; i < k->count; i++) v[i] = real_at(k->bytes.p + i * sizes[k->type], k->type);
    *out = v;
    *count = k->count;
    return 1;
}
