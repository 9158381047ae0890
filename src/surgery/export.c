#include "surgery/export.h"
#include "base/ctx.h"
#include "math/quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct lt_weight *weight_of(const struct lt_export *e, int part)
{
    int i = e->plan.part[part].weight;
    return i < 0 ? NULL : &e->from->m->weight[i];
}

void lt_export_shape(const struct lt_export *e, int part, int64_t *rows, int64_t *width)
{
    const struct lt_weight *w = weight_of(e, part);
    int rank;
    int64_t dim[2];
    *rows = 1;
    if (!w) {
        struct lt_arena a = { 0 };
        lt_gguf_rope_factors(e->from->m, &a, width);
        lt_arena_free(&a);
        return;
    }
    lt_gguf_shape(w, &rank, dim);
    *rows = rank > 1 ? dim[0] : 1;
    *width = rank > 1 ? dim[1] : dim[0];
}

bool lt_export_is_plain(const struct lt_export *e, int part)
{
    const struct lt_weight *w = weight_of(e, part);
    return !w || w->rank == 1 || !strcmp(e->plan.part[part].name, "position_embd.weight");
}

int lt_export_begin(const struct lt_source *from, struct lt_export *e)
{
    *e = (struct lt_export){ .from = from };
    if (lt_gguf_plan_of(from->m, &e->arena, &e->plan, &e->note)) return -1;
    e->type = lt_calloc((size_t)e->plan.count, sizeof *e->type);
    for (int i = 0; i < e->plan.count; i++) {
        const struct lt_weight *w = weight_of(e, i);
        e->type[i] = w ? w->type : LT_F32;
        if (e->type[i] == LT_F64) e->type[i] = LT_F32;
    }
    return 0;
}

void lt_export_release(struct lt_export *e)
{
    free(e->type);
    lt_arena_free(&e->arena);
    lt_buf_free(&e->note);
}

int lt_export_check(const struct lt_export *e)
{
    int64_t rows, width;
    for (int i = 0; i < e->plan.count; i++) {
        lt_export_shape(e, i, &rows, &width);
        if (lt_quant_check(e->type[i], width, e->plan.part[i].name)) return -1;
    }
    return 0;
}

enum lt_export_tokenizer lt_export_form(const char *name)
{
    return !strcmp(name, "json") ? LT_EXPORT_JSON : !strcmp(name, "none") ? LT_EXPORT_NO_TOKENIZER
                                                                         : LT_EXPORT_KEYS_AND_JSON;
}

/* ---- data ---- */

struct data { struct lt_export *e; struct lt_ctx *c; struct lt_progress progress; double done; };

enum { CHUNK = 1 << 18 };       /* numbers converted at a time */

/* As stored, rows in the file's order. */
static void put_raw(const struct lt_gguf_part *p, const struct lt_weight *w, int64_t rows, int64_t width,
                    struct lt_writer *to)
{
    size_t size = lt_dtype_bytes(w->type, width);
    if (!p->laced) {
        lt_writer_put(to, w->data, (size_t)rows * size);
        return;
    }
    for (int64_t r = 0; r < rows; r++)
        lt_writer_put(to, (const char *)w->data + (size_t)lt_gguf_row(p, r) * size, size);
}

static void gather(const struct lt_gguf_part *p, const struct lt_weight *w, int64_t first, int64_t count, int64_t width,
                   float *out)
{
    if (!p->laced) lt_gguf_rows(w, first, count, out);
    for (int64_t r = 0; p->laced && r < count; r++) lt_gguf_rows(w, lt_gguf_row(p, first + r), 1, out + r * width);
}

/* A number that half precision cannot hold would become infinite in silence. */
int lt_export_check_finite(const char *name, const float *x, int64_t n, enum lt_dtype type)
{
    for (int64_t i = 0; type == LT_F16 && i < n; i++)
        if (isfinite(x[i]) && !isfinite(lt_from_f16(lt_to_f16(x[i]))))
            return lt_fail("tensor %s holds %g, and f16 ends at 65504: use bf16 or f32", name, (double)x[i]);
    return 0;
}

static int put_converted(struct data *d, int part, const struct lt_weight *w, int64_t rows, int64_t width,
                         struct lt_writer *to)
{
    const struct lt_gguf_part *p = &d->e->plan.part[part];
    enum lt_dtype type = d->e->type[part];
    int64_t step = LT_MAX(1, CHUNK / width);
    float *wide = lt_alloc((size_t)(LT_MIN(step, rows) * width) * sizeof *wide);
    void *out = lt_alloc(lt_dtype_bytes(type, width) * (size_t)LT_MIN(step, rows));
    int rc = 0;
    for (int64_t r = 0; r < rows && !rc; r += step) {
        int64_t n = LT_MIN(step, rows - r);
        if (w->rank == 1) {
            lt_gguf_rows(w, 0, width, wide);
            for (int64_t i = 0; i < width && p->laced; i++) lt_gguf_rows(w, lt_gguf_row(p, i), 1, &wide[i]);
        } else {
            gather(p, w, r, n, width, wide);
        }
        const struct lt_quant q = { .type = type, .rows = n, .width = width };
        rc = lt_export_check_finite(p->name, wide, n * width, type);
        if (rc) break;
        if (!lt_dtype_quantised(type)) lt_convert(type, out, LT_F32, wide, n * width);
        else if (lt_quant_rows(lt_ctx_pool(d->c), &q, wide, out)) rc = lt_fail("tensor %s: %s", p->name, lt_error());
        if (!rc) lt_writer_put(to, out, lt_dtype_bytes(type, width) * (size_t)n);
    }
    free(wide);
    free(out);
    return rc;
}

static int put_quantised(struct data *d, int part, int64_t rows, int64_t width, struct lt_writer *to)
{
    struct lt_export *e = d->e;
    const struct lt_gguf_part *p = &e->plan.part[part];
    size_t size = lt_dtype_bytes(e->type[part], width);
    char *out = lt_alloc(size * (size_t)rows);
    int rc = e->quantise(e->self, p, e->type[part], out);
    for (int64_t r = 0; r < rows && !rc; r++) lt_writer_put(to, out + size * (size_t)lt_gguf_row(p, r), size);
    free(out);
    return rc;
}

static int put_data(void *self, int part, struct lt_writer *to)
{
    struct data *d = self;
    struct lt_export *e = d->e;
    const struct lt_weight *w = weight_of(e, part);
    int64_t rows, width;
    int rc = 0;
    lt_export_shape(e, part, &rows, &width);
    if (lt_ctx_interrupted(d->c)) return lt_fail("interrupted");
    if (!w) {
        int64_t count;
        const float *factor = lt_gguf_rope_factors(e->from->m, &e->arena, &count);
        lt_writer_put(to, factor, (size_t)count * sizeof *factor);
    } else if (e->quantise && lt_dtype_quantised(e->type[part])) {
        rc = put_quantised(d, part, rows, width, to);
    } else if (w->type == e->type[part] && !w->transposed && (w->rank > 1 || !e->plan.part[part].laced)) {
        put_raw(&e->plan.part[part], w, rows, width, to);
    } else {
        rc = put_converted(d, part, w, rows, width, to);
    }
    d->done += (double)(rows * width);
    lt_progress_at(&d->progress, d->done, e->plan.part[part].name);
    return rc;
}

/* ---- keys ---- */

static int put_tokenizer(struct lt_export *e, struct lt_gguf_out *w)
{
    const struct lt_source *s = e->from;
    const struct lt_generation *g = &s->m->generation;
    const struct lt_gguf *old = s->m->gguf;
    if (e->tokenizer != LT_EXPORT_NO_TOKENIZER && s->chat.n)
        lt_gguf_put_str(w, "tokenizer.chat_template", lt_buf_view(&s->chat));
    const struct lt_tokenizer *t = e->tokenizer == LT_EXPORT_NO_TOKENIZER ? NULL : s->tokenizer;
    const struct lt_tok_gguf_ids ids = {
        .bos = g->bos >= 0 || !t ? g->bos : lt_tokenizer_bos(t),
        .eos = g->eos_count ? g->eos[0] : t ? lt_tokenizer_eos(t) : -1,
        .eot = g->eos_count > 1 ? g->eos[1] : -1,
        .pad = g->pad,
    };
    if (g->eos_count > 2)
        lt_buf_fmt(&e->note, "%d tokens end a text; the file says the first two\n", g->eos_count);
    if (!t) {
        lt_gguf_put_str(w, "tokenizer.ggml.model", lt_str("no_vocab"));
        lt_tok_put_gguf_ids(&ids, w);
        return 0;
    }
    enum lt_tok_gguf_how how = e->tokenizer == LT_EXPORT_JSON ? LT_TOK_GGUF_JSON : LT_TOK_GGUF_BOTH;
    if (old && s->own_tokenizer && how == LT_TOK_GGUF_BOTH && lt_gguf_find(old, "tokenizer.ggml.tokens")) {
        for (int i = 0; i < old->key_count; i++)
            if (!strncmp(old->key[i].name, "tokenizer.", 10) && !lt_gguf_has_key(w, old->key[i].name))
                lt_gguf_copy_key(w, &old->key[i]);
        return 0;
    }
    return lt_tok_put_gguf(t, s->m->vocab, &ids, how, w, &e->note);
}

/* What a file says of itself besides: licence, authors, where it comes from. */
static void put_said(const struct lt_export *e, struct lt_gguf_out *w)
{
    const struct lt_gguf *old = e->from->m->gguf;
    for (int i = 0; old && i < old->key_count; i++) {
        const char *name = old->key[i].name;
        bool own = !strcmp(name, "general.alignment") || !strcmp(name, "general.file_type")
                   || !strncmp(name, "general.sampling.", 17);
        if (!strncmp(name, "general.", 8) && !own && !lt_gguf_has_key(w, name)) lt_gguf_copy_key(w, &old->key[i]);
    }
}

int lt_export_save(struct lt_export *e, struct lt_ctx *c, const char *path)
{
    struct lt_gguf_out *w = lt_gguf_out_new();
    lt_gguf_put_model(e->from->m, e->from->name.p, e->mostly, w);
    put_said(e, w);
    int rc = lt_export_check(e) || put_tokenizer(e, w) ? -1 : 0;
    for (int i = 0; i < e->plan.count && !rc; i++) {
        int64_t dim[2];
        lt_export_shape(e, i, &dim[0], &dim[1]);
        const struct lt_weight *v = weight_of(e, i);
        bool matrix = v && v->rank > 1;
        lt_gguf_add(w, e->plan.part[i].name, (uint32_t)lt_gguf_type_id(e->type[i]), matrix ? 2 : 1,
                    matrix ? dim : &dim[1]);
    }
    struct data d = { .e = e, .c = c };
    if (!rc) {
        lt_progress_begin(c, &d.progress, e->quantise ? "quantize" : "convert", "numbers", lt_export_numbers(e));
        rc = lt_gguf_save(w, path, put_data, &d);
        lt_progress_end(&d.progress);
    }
    lt_gguf_out_free(w);
    return rc;
}

/* ---- what came of it ---- */

void lt_export_tell_notes(const struct lt_export *e, struct lt_ctx *c)
{
    struct lt_str rest = lt_buf_view(&e->note), line;
    while (rest.n && lt_str_split(&rest, '\n', &line))
        if (line.n) lt_note(c, "%.*s", (int)line.n, line.p);
}

uint64_t lt_export_bytes(const struct lt_export *e)
{
    uint64_t sum = 0;
    int64_t rows, width;
    for (int i = 0; i < e->plan.count; i++) {
        lt_export_shape(e, i, &rows, &width);
        sum += lt_dtype_bytes(e->type[i], width) * (uint64_t)rows;
    }
    return sum;
}

double lt_export_numbers(const struct lt_export *e)
{
    double sum = 0;
    int64_t rows, width;
    for (int i = 0; i < e->plan.count; i++) {
        lt_export_shape(e, i, &rows, &width);
        sum += (double)(rows * width);
    }
    return sum;
}

/* One line for the tensors of all layers that agree. */
static void put_line(const struct lt_export *e, int i, struct lt_buf *line)
{
    const char *name = e->plan.part[i].name;
    const struct lt_weight *w = weight_of(e, i);
    int64_t rows, width;
    lt_export_shape(e, i, &rows, &width);
    const char *dot = !strncmp(name, "blk.", 4) ? strchr(name + 4, '.') : NULL;
    if (dot) lt_buf_fmt(line, "blk.*%s", dot);
    else lt_buf_str(line, name);
    if (w && w->rank > 1) lt_buf_fmt(line, "\t(%" PRId64 ", %" PRId64 ")", rows, width);
    else lt_buf_fmt(line, "\t(%" PRId64 ")", width);
    lt_buf_fmt(line, "\t%s\t%s", lt_dtype_name(w ? w->type : LT_F32), lt_dtype_name(e->type[i]));
}

void lt_export_put_table(const struct lt_export *e, struct lt_buf *out)
{
    struct lt_map seen = { 0 };
    struct lt_buf line = { 0 };
    bool fresh;
    for (int i = 0; i < e->plan.count; i++) {
        lt_buf_clear(&line);
        put_line(e, i, &line);
        ++*lt_map_put(&seen, lt_buf_view(&line), &fresh);
    }
    lt_buf_str(out, "tensor\tshape\tfrom\tto\tcount\n");
    for (uint32_t i = 0; i < seen.count; i++)
        lt_buf_fmt(out, "%.*s\t%" PRIu64 "\n", (int)seen.entry[i].key.n, seen.entry[i].key.p, seen.entry[i].value);
    lt_map_free(&seen);
    lt_buf_free(&line);
}
