#include "model/safetensors.h"
#include "base/io.h"
#include "base/json.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 100 << 20 };    /* the format's own bound */
enum { DIM_MAX_LOG2 = 48 };         /* elements of one tensor; keeps products of sizes far from overflow */
enum { SHARDS_MAX = 99999 };        /* what five digits count */

static const char single_name[] = "model.safetensors",
    index_name[] = "model.safetensors.index.json";

/* A name from a file, shortened for a message. */
#define NAMED "\"%.96s\""

static int read_shape(const char *label, const char *name, const json_t *shape, struct lt_safetensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > LT_SAFETENSORS_RANK)
        return lt_fail("%s: tensor " NAMED ": shape must be a list of at most %d sizes", label, name,
                       LT_SAFETENSORS_RANK);
    t->rank = (int32_t)json_array_size(shape);
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        json_int_t n = json_integer_value(d);
        if (!json_is_integer(d) || n < 0 || n > (json_int_t)1 << DIM_MAX_LOG2)
            return lt_fail("%s: tensor " NAMED ": size %d of the shape is not a count", label, name, i);
        if (n > 0 && t->count > ((int64_t)1 << DIM_MAX_LOG2) / n)
            return lt_fail("%s: tensor " NAMED ": the shape has too many elements", label, name);
        t->dim[i] = n;
        t->count *= n;
    }
    return 0;
}

/* One entry of the header.  t->data is left pointing at its first byte, wherever that is. */
static int read_entry(const char *label, const char *name, const json_t *entry, const uint8_t *data, size_t data_size,
                      struct lt_safetensor *t)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!type) return lt_fail("%s: tensor " NAMED " has no dtype", label, name);
    if (lt_dtype_find(type, &t->type)) return lt_fail("%s: tensor " NAMED ": %s", label, name, lt_error());
    if (read_shape(label, name, json_object_get(entry, "shape"), t)) return -1;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return lt_fail("%s: tensor " NAMED ": data_offsets must be two integers", label, name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (uint64_t)end > data_size)
        return lt_fail("%s: tensor " NAMED " lies at bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
                       " of %zu: the file is cut short or its header is wrong", label, name, begin, end, data_size);
    if (end - begin != t->count * (int64_t)lt_dtype_size(t->type))
        return lt_fail("%s: tensor " NAMED " has %" JSON_INTEGER_FORMAT
                       " bytes where its shape and type %s need %" PRId64,
                       label, name, end - begin, type, t->count * (int64_t)lt_dtype_size(t->type));
    t->data = data + begin;
    return 0;
}

static int by_place(const void *a, const void *b, void *ctx)
{
    const struct lt_safetensor *x = a, *y = b;
    const char *p = x->data, *q = y->data;
    (void)ctx;
    if (p != q) return p < q ? -1 : 1;
    return (x->count > 0) - (y->count > 0);     /* empty tensors before the one that starts there */
}

/* Holes would hide bytes from every reader, overlaps would make two names one. */
static int check_cover(const char *label, const struct lt_safetensor *t, int count, const uint8_t *data,
                       size_t data_size)
{
    const uint8_t *at = data;
    for (int i = 0; i < count; i++) {
        if ((const uint8_t *)t[i].data != at)
            return lt_fail("%s: tensor " NAMED
                           " starts at byte %td of the data, expected %td: holes and overlaps are not "
                           "allowed",
                           label, t[i].name, (const uint8_t *)t[i].data - data, at - data);
        at += (size_t)t[i].count * lt_dtype_size(t[i].type);
    }
    if (at != data + data_size)
        return lt_fail("%s: %td bytes after the last tensor belong to none", label, data + data_size - at);
    return 0;
}

/* Appends the tensors of one file.  The data is read in place, so what the writer left unaligned is copied. */
static int add_tensors(struct lt_safetensors *s, const char *label, const json_t *header, const uint8_t *data,
                       size_t data_size)
{
    int before = s->count;
    if (json_object_size(header) > (size_t)(INT_MAX / 2 - before)) return lt_fail("%s: too many tensors", label);
    int room = before + (int)json_object_size(header);
    s->tensor = lt_realloc(s->tensor, (size_t)(room + 1) * sizeof *s->tensor);
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        struct lt_safetensor t = { 0 };
        if (read_entry(label, name, entry, data, data_size, &t)) return -1;
        t.name = lt_arena_str(&s->arena, lt_str(name));
        s->tensor[s->count++] = t;
    }
    struct lt_safetensor *mine = s->tensor + before;
    int count = s->count - before;
    lt_sort(mine, (size_t)count, sizeof *mine, by_place, NULL);
    if (check_cover(label, mine, count, data, data_size)) return -1;
    for (int i = 0; i < count; i++) {
        bool fresh;
        *lt_map_put(&s->by_name, lt_str(mine[i].name), &fresh) = (uint64_t)(before + i);
        if (!fresh) return lt_fail("%s: tensor " NAMED " is also in another shard", label, mine[i].name);
        size_t size = lt_dtype_size(mine[i].type);
        if ((uintptr_t)mine[i].data % size == 0) continue;
        void *copy = lt_arena_take(&s->arena, (size_t)mine[i].count * size);
        memcpy(copy, mine[i].data, (size_t)mine[i].count * size);
        mine[i].data = copy;
    }
    return 0;
}

static int add_file(struct lt_safetensors *s, const char *label, const uint8_t *p, size_t n)
{
    if (n < 8) return lt_fail("%s: %zu bytes are too few for a safetensors file", label, n);
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--) size = size << 8 | p[i];
    if (size > HEADER_MAX || size > n - 8)
        return lt_fail("%s: the header claims %" PRIu64
                       " bytes and the file has %zu: not a safetensors file, or cut short",
                       label, size, n);
    json_t *header;
    if (lt_json_parse("the header", (struct lt_str){ (const char *)p + 8, (size_t)size }, &header))
        return lt_fail("%s: %s", label, lt_error());
    int rc = json_is_object(header) ? add_tensors(s, label, header, p + 8 + size, n - 8 - (size_t)size)
                                    : lt_fail("%s: the header is not a JSON object", label);
    json_decref(header);
    return rc;
}

int lt_safetensors_parse(const void *p, size_t n, const char *label, struct lt_safetensors **out)
{
    struct lt_safetensors *s = lt_calloc(1, sizeof *s);
    if (add_file(s, label, p, n)) {
        lt_safetensors_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

static int map_file(struct lt_safetensors *s, const char *path)
{
    s->file = lt_realloc(s->file, (size_t)(s->file_count + 1) * sizeof *s->file);
    struct lt_file *f = &s->file[s->file_count];
    if (lt_file_open(path, f)) return -1;
    s->file_count++;
    return add_file(s, path, f->p, f->n);
}

/* Maps every shard the index names once, then checks that each tensor is there. */
static int add_shards(struct lt_safetensors *s, const char *path, const json_t *weight_map)
{
    const char *slash = strrchr(path, '/'), *name;
    int folder = slash ? (int)(slash - path) + 1 : 0;
    json_t *value;
    struct lt_map seen = { 0 };
    int rc = 0;
    json_object_foreach((json_t *)weight_map, name, value) {
        const char *shard = json_string_value(value);
        bool fresh;
        if (!shard || !*shard || strchr(shard, '/') || *shard == '.') {
            rc = lt_fail("%s: the shard of " NAMED " is not a file name in the same folder", path, name);
            break;
        }
        lt_map_put(&seen, lt_str(shard), &fresh);
        if (!fresh) continue;
        char *full = lt_arena_fmt(&s->arena, "%.*s%s", folder, path, shard);
        rc = map_file(s, full);
        if (rc) break;
    }
    lt_map_free(&seen);
    if (rc) return rc;
    json_object_foreach((json_t *)weight_map, name, value)
        if (!lt_map_get(&s->by_name, lt_str(name)))
            return lt_fail("%s: tensor " NAMED " is not in %s", path, name, json_string_value(value));
    return 0;
}

static int open_index(struct lt_safetensors *s, const char *path)
{
    json_t *index, *map;
    if (lt_json_read(path, &index)) return -1;
    int rc = lt_json_need(index, path, "weight_map") || lt_json_object(index, path, "weight_map", &map) < 0 ? -1 : 0;
    if (rc == 0) rc = add_shards(s, path, map);
    json_decref(index);
    return rc;
}

static int open_any(struct lt_safetensors *s, const char *path)
{
    if (!lt_path_is_dir(path))
        return lt_str_ends(lt_str(path), ".json") ? open_index(s, path) : map_file(s, path);
    const char *file = lt_arena_fmt(&s->arena, "%s/%s", path, single_name);
    const char *index = lt_arena_fmt(&s->arena, "%s/%s", path, index_name);
    if (lt_path_exists(file)) return map_file(s, file);
    if (lt_path_exists(index)) return open_index(s, index);
    return lt_fail("%s: expected model.safetensors or model.safetensors.index.json in this folder, found neither",
                   path);
}

int lt_safetensors_open(const char *path, struct lt_safetensors **out)
{
    struct lt_safetensors *s = lt_calloc(1, sizeof *s);
    if (open_any(s, path)) {
        lt_safetensors_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

const struct lt_safetensor *lt_safetensors_find(const struct lt_safetensors *s, const char *name)
{
    const uint64_t *at = lt_map_get(&s->by_name, lt_str(name));
    return at ? &s->tensor[*at] : NULL;
}

void lt_safetensors_free(struct lt_safetensors *s)
{
    if (!s) return;
    for (int i = 0; i < s->file_count; i++) lt_file_close(&s->file[i]);
    free(s->file);
    free(s->tensor);
    lt_map_free(&s->by_name);
    lt_arena_free(&s->arena);
    free(s);
}

/* ---- writing ---- */

static bool is_float(enum lt_dtype t)
{
    return t == LT_F32 || t == LT_BF16 || t == LT_F16 || t == LT_F64 || lt_dtype_quantised(t);
}

static enum lt_dtype stored_type(const struct lt_safetensor *t, enum lt_dtype as)
{
    return is_float(t->type) && is_float(as) ? as : t->type;
}

/* Wide elements first, so that every tensor lies at a multiple of its element size. */
static int by_width(const void *a, const void *b, void *ctx)
{
    const struct lt_safetensor *const *x = a, *const *y = b;
    enum lt_dtype as = *(enum lt_dtype *)ctx;
    size_t m = lt_dtype_size(stored_type(*x, as)), n = lt_dtype_size(stored_type(*y, as));
    return m == n ? 0 : m > n ? -1 : 1;
}

static char *make_header(const struct lt_safetensor *const *t, int count, enum lt_dtype as)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        enum lt_dtype type = stored_type(t[i], as);
        json_t *shape = json_array();
        for (int d = 0; d < t[i]->rank; d++) json_array_append_new(shape, json_integer(t[i]->dim[d]));
        int64_t end = at + t[i]->count * (int64_t)lt_dtype_size(type);
        json_object_set_new(header, t[i]->name,
                            json_pack("{s:s, s:o, s:[I,I]}", "dtype", lt_dtype_name(type), "shape", shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    return text;
}

/* Converted in blocks: a model is never in memory twice. */
static void put_tensor(struct lt_writer *w, const struct lt_safetensor *t, enum lt_dtype as)
{
    enum { BLOCK = 8192 };          /* a multiple of every quantised block */
    double block[BLOCK];            /* as wide as the widest type */
    enum lt_dtype type = stored_type(t, as);
    size_t to = lt_dtype_size(type);
    if (type == t->type) {
        lt_writer_put(w, t->data, (size_t)t->count * to);
        return;
    }
    for (int64_t i = 0; i < t->count; i += BLOCK) {
        int64_t n = LT_MIN(t->count - i, BLOCK);
        lt_convert(type, block, t->type, (const char *)t->data + lt_dtype_bytes(t->type, i), n);
        lt_writer_put(w, block, (size_t)n * to);
    }
}

int lt_safetensors_save(const char *path, const struct lt_safetensor *t, int count, enum lt_dtype as)
{
    const struct lt_safetensor **order = lt_calloc((size_t)count + 1, sizeof *order);
    for (int i = 0; i < count; i++) order[i] = &t[i];
    lt_sort(order, (size_t)count, sizeof *order, by_width, &as);
    char *header = make_header(order, count, as);
    struct lt_writer w;
    int rc = header ? lt_writer_open(&w, path) : lt_fail("%s: a tensor name is not UTF-8", path);
    if (rc == 0) {
        size_t n = strlen(header), padded = (n + 7) / 8 * 8;
        uint8_t size[8];
        for (int i = 0; i < 8; i++) size[i] = (uint8_t)((uint64_t)padded >> (8 * i));
        lt_writer_put(&w, size, 8);
        lt_writer_put(&w, header, n);
        lt_writer_put(&w, "       ", padded - n);
        for (int i = 0; i < count; i++) put_tensor(&w, order[i], as);
        rc = lt_writer_commit(&w);
    }
    free(header);
    free(order);
    return rc;
}

/* ---- writing a folder's weights, whole or in shards ---- */

struct shards {
    const struct lt_safetensor *t;
    enum lt_dtype as;
    int *first, count;              /* shard k holds the tensors from first[k] to first[k + 1] */
};

static char *path_in(const char *folder, const char *name)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/%s", folder, name);
    return b.p;
}

static char *shard_path(const struct shards *s, const char *folder, int k)
{
    struct lt_buf b = { 0 };
    lt_buf_fmt(&b, "%s/model-%05d-of-%05d.safetensors", folder, k + 1, s->count);
    return b.p;
}

/* A tensor larger than `most` leaves no room behind it, not even for an empty one. */
static struct shards divide(const struct lt_safetensor *t, int count, enum lt_dtype as, int64_t most)
{
    struct shards s = { .t = t, .as = as, .first = lt_calloc((size_t)count + 2, sizeof *s.first) };
    int64_t held = 0;
    for (int i = 0; i < count; i++) {
        int64_t size = t[i].count * (int64_t)lt_dtype_size(stored_type(&t[i], as));
        if (i == 0 || size > most - held) {
            s.first[s.count++] = i;
            held = 0;
        }
        held += size;
    }
    s.count = LT_MAX(s.count, 1);
    s.first[s.count] = count;
    return s;
}

static int save_index(const struct shards *s, const char *folder)
{
    json_t *map = json_object();
    int64_t total = 0;
    int rc = 0;
    for (int k = 0; k < s->count; k++) {
        char *path = shard_path(s, folder, k);
        for (int i = s->first[k]; i < s->first[k + 1]; i++) {
            total += s->t[i].count * (int64_t)lt_dtype_size(stored_type(&s->t[i], s->as));
            rc |= json_object_set_new(map, s->t[i].name, json_string(strrchr(path, '/') + 1));
        }
        free(path);
    }
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)total, "weight_map", map);
    char *text = json_dumps(index, JSON_INDENT(2) | JSON_SORT_KEYS), *path = path_in(folder, index_name);
    struct lt_buf b = { 0 };
    if (text) lt_buf_fmt(&b, "%s\n", text);
    rc = rc || !text ? lt_fail("%s: a tensor name is not UTF-8", path) : lt_file_save(path, b.p, b.n);
    lt_buf_free(&b);
    json_decref(index);
    free(text);
    free(path);
    return rc;
}

/* Shards of the same number have the same names: their index goes first, since it would soon name a mixture. */
static int move_in(const struct shards *s, const char *temp, const char *folder)
{
    char *index = path_in(folder, index_name), *written = path_in(temp, index_name);
    char *same = shard_path(s, folder, 0);
    int rc = lt_path_exists(same) ? lt_file_remove(index) : 0;
    for (int k = 0; !rc && k < s->count; k++) {
        char *from = shard_path(s, temp, k), *to = shard_path(s, folder, k);
        rc = lt_file_move(from, to);
        free(from);
        free(to);
    }
    if (!rc) rc = lt_file_move(written, index);
    free(same);
    free(written);
    free(index);
    return rc;
}

/* All are written in a folder of a temporary name below this one: a full disk is met before anything old is touched. */
static int save_shards(const struct shards *s, const char *folder)
{
    struct lt_folder d;
    char *aside = path_in(folder, "model.safetensors.shards");
    int rc = lt_folder_open(&d, aside);
    free(aside);
    if (rc) return -1;
    for (int k = 0; !rc && k < s->count; k++) {
        char *path = shard_path(s, d.temp, k);
        rc = lt_safetensors_save(path, s->t + s->first[k], s->first[k + 1] - s->first[k], s->as);
        free(path);
    }
    if (!rc) rc = save_index(s, d.temp);
    if (!rc) rc = move_in(s, d.temp, folder);
    lt_folder_abort(&d);
    return rc;
}

/* The number of shards that "model-00001-of-00003.safetensors" names; 0: not such a name. */
static int64_t shards_named(const char *name)
{
    enum { AT = sizeof "model-00001-of-" - 1, DIGITS = 5 };
    int64_t n;
    bool is = lt_glob("model-*-of-*.safetensors", name) && strspn(name + 6, "0123456789") == DIGITS
              && !strncmp(name + 11, "-of-", 4) && strspn(name + AT, "0123456789") == DIGITS
              && !strcmp(name + AT + DIGITS, ".safetensors");
    return is && !lt_str_int((struct lt_str){ name + AT, DIGITS }, &n) ? n : 0;
}

/* Readers take model.safetensors before an index, so the way in that is not the new one goes first. */
static int remove_replaced(const struct shards *s, const char *folder)
{
    char **names, *other = path_in(folder, s->count > 1 ? single_name : index_name);
    int count = 0, rc = lt_file_remove(other);
    free(other);
    if (rc || lt_list_dir(folder, &names, &count)) return -1;
    for (int i = 0; i < count; i++) {
        int64_t of = shards_named(names[i]);
        char *path = path_in(folder, names[i]);
        if (!rc && of && (s->count == 1 || of != s->count)) rc = lt_file_remove(path);
        free(path);
        free(names[i]);
    }
    free(names);
    return rc;
}

static int save_single(const struct shards *s, const char *folder)
{
    char *path = path_in(folder, single_name);
    int rc = lt_safetensors_save(path, s->t, s->first[1], s->as);
    free(path);
    return rc;
}

int lt_safetensors_save_folder(const char *folder, const struct lt_safetensor *t, int count, enum lt_dtype as,
                               int64_t shard_bytes)
{
    struct shards s = divide(t, count, as, shard_bytes > 0 ? shard_bytes : INT64_MAX);
    int rc;
    if (s.count > SHARDS_MAX)
        rc = lt_fail("%s: shards of %" PRId64 " bytes would be %d files, more than %d; allow larger ones", folder,
                     shard_bytes, s.count, SHARDS_MAX);
    else
        rc = s.count > 1 ? save_shards(&s, folder) : save_single(&s, folder);
    if (!rc) rc = remove_replaced(&s, folder);
    free(s.first);
    return rc;
}

int lt_safetensors_size(const char *text, int64_t *bytes)
{
    static const struct { const char *name; double bytes; } unit[] = { { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 },
                                                                       { "TB", 1e12 } };
    struct lt_str number = lt_str(text);
    double value, factor = 1;
    for (int i = 0; i < LT_COUNT(unit); i++) {
        if (!lt_str_ends(number, unit[i].name)) continue;
        factor = unit[i].bytes;
        number.n -= strlen(unit[i].name);
        break;
    }
    bool is = number.n && !lt_str_real(number, &value) && value * factor >= 1 && value * factor <= 1e18;
    if (!is || (factor == 1 && value != floor(value)))
        return lt_misuse("expected a size such as 5GB, 500MB or a count of bytes, found \"%s\"", text);
    *bytes = (int64_t)(value * factor);
    return 0;
}
