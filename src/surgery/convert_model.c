/* The operation behind `lathe convert`. */
#include "surgery/surgery.h"
#include "base/io.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "surgery/compare.h"
#include "surgery/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHECK_TOKENS = 64 };
static const double check_most = 2e8;           /* numbers of a model that is checked unless told otherwise */

struct run {
    const struct lt_convert_options *o;
    struct lt_ctx *c;
    struct lt_source in;
    bool to_file, auto_type;
    enum lt_dtype type;                         /* unless auto_type */
    struct lt_buf table;
    uint64_t bytes;
    double numbers;
    bool checked;
    double largest;
    struct lt_adapter *adapter;                 /* folded into in.m; NULL: none */
    struct lt_model *plain;                     /* with an adapter: the model as it was */
    double change;                              /* with an adapter: the largest of a logit */
};

/* The model whose weights have the types of the input. */
static struct lt_model *as_it_was(const struct run *r) { return r->plain ? r->plain : r->in.m; }

static bool is_gguf_name(const char *path) { return lt_str_ends(lt_str(path), ".gguf"); }

static int read_type(struct run *r)
{
    r->auto_type = !strcmp(r->o->outtype, "auto");
    if (!strcmp(r->o->outtype, "q8_0")) r->type = LT_Q8_0;
    else if (!strcmp(r->o->outtype, "f16")) r->type = LT_F16;
    else if (!strcmp(r->o->outtype, "bf16")) r->type = LT_BF16;
    else r->type = LT_F32;
    if (!r->to_file && r->type == LT_Q8_0)
        return lt_misuse("a model folder holds no quantised weights: --outtype f32, f16, bf16 or auto, or an --output "
                         "that ends in .gguf");
    return 0;
}

/* ---- to a GGUF file ---- */

static void choose_types(const struct run *r, struct lt_export *e)
{
    enum lt_dtype most = LT_F32;
    for (int i = 0; i < e->plan.count; i++) {
        if (lt_export_is_plain(e, i)) e->type[i] = LT_F32;
        else if (!r->auto_type) e->type[i] = r->type;
        if (!strcmp(e->plan.part[i].name, "blk.0.ffn_up.weight")) most = e->type[i];
    }
    e->mostly = most;
}

static int save_file(struct run *r)
{
    struct lt_export e;
    int rc = lt_export_begin(&r->in, &e);
    if (!rc) {
        choose_types(r, &e);
        e.tokenizer = lt_export_form(r->o->tokenizer_form);
        rc = lt_export_save(&e, r->c, r->o->output);
    }
    if (!rc) {
        lt_export_tell_notes(&e, r->c);
        const struct lt_source was = { .path = r->in.path, .m = as_it_was(r) };
        e.from = &was;
        lt_export_put_table(&e, &r->table);
        r->bytes = lt_export_bytes(&e);
        r->numbers = lt_export_numbers(&e);
    }
    lt_export_release(&e);
    return rc;
}

/* ---- to a folder ---- */

/* The type all matrices of the layers share, so that nothing is lost; else F32, which holds each of the others. */
static enum lt_dtype shared_type(const struct lt_model *m)
{
    int type = -1;
    for (int i = 0; i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        if (w->rank < 2 || w->layer < 0) continue;
        if (type >= 0 && (int)w->type != type) return LT_F32;
        type = (int)w->type;
    }
    return type == LT_BF16 || type == LT_F16 ? (enum lt_dtype)type : LT_F32;
}

static void name_token(json_t *config, const char *key, const struct lt_tokenizer *t, int32_t id)
{
    struct lt_str p = lt_tokenizer_piece(t, id);
    if (p.p) json_object_set_new(config, key, json_stringn(p.p, p.n));
}

static int save_json(const char *folder, const char *name, const json_t *v)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_buf_fmt(&path, "%s/%s", folder, name);
    lt_json_put(&text, v);
    lt_buf_char(&text, '\n');
    int rc = lt_file_save(path.p, text.p, text.n);
    lt_buf_free(&path);
    lt_buf_free(&text);
    return rc;
}

/* tokenizer.json and the tokenizer_config.json that transformers wants beside it. */
static int save_tokenizer(const struct run *r, const char *folder)
{
    const struct lt_tokenizer *t = r->in.tokenizer;
    struct lt_buf path = { 0 };
    if (!t) return 0;
    if (lt_path_is_dir(r->in.path) && !r->o->tokenizer) return lt_tokenizer_copy(r->in.path, folder);
    lt_buf_fmt(&path, "%s/tokenizer.json", folder);
    int rc = lt_tokenizer_save(t, path.p);
    lt_buf_free(&path);
    if (rc) return rc;
    const struct lt_generation *g = &r->in.m->generation;
    json_t *config = json_pack("{s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast",
                               "clean_up_tokenization_spaces", 0);
    name_token(config, "bos_token", t, g->bos >= 0 ? g->bos : lt_tokenizer_bos(t));
    name_token(config, "eos_token", t, g->eos_count ? g->eos[0] : lt_tokenizer_eos(t));
    name_token(config, "pad_token", t, g->pad);
    if (r->in.chat.n) json_object_set_new(config, "chat_template", json_stringn(r->in.chat.p, r->in.chat.n));
    rc = save_json(folder, "tokenizer_config.json", config);
    json_decref(config);
    return rc;
}

static void put_folder_table(struct run *r, enum lt_dtype type)
{
    struct lt_map seen = { 0 };
    struct lt_buf line = { 0 };
    bool fresh;
    for (int i = 0; i < r->in.m->weight_count; i++) {
        const struct lt_weight *w = &as_it_was(r)->weight[i];
        char layer[16];
        lt_buf_clear(&line);
        snprintf(layer, sizeof layer, ".%d.", w->layer);
        const char *at = w->layer >= 0 ? strstr(w->name, layer) : NULL;
        if (at) lt_buf_fmt(&line, "%.*s.*.%s", (int)(at - w->name), w->name, at + strlen(layer));
        else lt_buf_str(&line, w->name);
        const int64_t *dim = w->dim;
        if (w->rank > 1) lt_buf_fmt(&line, "\t(%" PRId64 ", %" PRId64 ")", dim[w->flipped], dim[!w->flipped]);
        else lt_buf_fmt(&line, "\t(%" PRId64 ")", dim[0]);
        lt_buf_fmt(&line, "\t%s\t%s", lt_dtype_name(w->type), lt_dtype_name(type));
        ++*lt_map_put(&seen, lt_buf_view(&line), &fresh);
        r->numbers += (double)lt_weight_count(w);
        r->bytes += (uint64_t)lt_weight_count(w) * lt_dtype_size(type);
    }
    lt_buf_str(&r->table, "tensor\tshape\tfrom\tto\tcount\n");
    for (uint32_t i = 0; i < seen.count; i++)
        lt_buf_fmt(&r->table, "%.*s\t%" PRIu64 "\n", (int)seen.entry[i].key.n, seen.entry[i].key.p,
                   seen.entry[i].value);
    lt_map_free(&seen);
    lt_buf_free(&line);
}

static int check_half(const struct lt_model *m, enum lt_dtype type)
{
    enum { BLOCK = 8192 };
    float wide[BLOCK];
    for (int i = 0; type == LT_F16 && i < m->weight_count; i++) {
        const struct lt_weight *w = &m->weight[i];
        for (int64_t k = 0, n = lt_weight_count(w); k < n; k += BLOCK) {
            lt_convert(LT_F32, wide, w->type, (const char *)w->data + lt_dtype_bytes(w->type, k), LT_MIN(BLOCK, n - k));
            if (lt_export_check_finite(w->name, wide, LT_MIN(BLOCK, n - k), type)) return -1;
        }
    }
    return 0;
}

static int save_folder(struct run *r)
{
    enum lt_dtype type = r->auto_type ? shared_type(as_it_was(r)) : r->type;
    struct lt_folder d;
    int64_t shard;
    if (lt_safetensors_size(r->o->max_shard_size, &shard) || check_half(r->in.m, type)) return -1;
    if (lt_folder_guard(r->o->output, "config.json") || lt_folder_open(&d, r->o->output)) return -1;
    int rc = lt_model_save_shards(r->in.m, d.temp, type, shard);
    if (!rc && strcmp(r->o->tokenizer_form, "none")) rc = save_tokenizer(r, d.temp);
    if (rc) lt_folder_abort(&d);
    else rc = lt_folder_commit(&d);
    if (!rc) put_folder_table(r, type);
    return rc;
}

/* ---- with an adapter ---- */

/* Into weights of the type they will be written as, so that each number is rounded once. */
static int fold(struct run *r)
{
    bool keep = r->auto_type && r->to_file;
    if (!r->o->adapter) return 0;
    if (lt_model_open(r->o->input, &r->plain) || lt_adapter_open(r->o->adapter, r->plain, &r->adapter)) return -1;
    enum lt_dtype as = r->auto_type ? shared_type(r->plain) : r->type == LT_Q8_0 ? LT_F32 : r->type;
    if (!lt_adapter_fold(r->adapter, r->in.m, as, keep, r->c)) return 0;
    return keep ? lt_fail("%s; choose --outtype f32, f16, bf16 or q8_0", lt_error()) : -1;
}

/* ---- checking ---- */

/* Some text where there is a tokenizer, else ids drawn from a seed. */
static int64_t check_ids(const struct run *r, int32_t *id)
{
    static const char text[] = "A model was opened, written in another form and opened again: 1, 2, 3. What it says of "
                               "this sentence must not have changed.";
    int64_t most = LT_MIN(CHECK_TOKENS, r->in.m->context), n = 0;
    struct lt_token *token = NULL;
    size_t count = 0, cap = 0;
    if (r->in.tokenizer && !lt_tokenizer_encode(r->in.tokenizer, lt_str(text), LT_SPECIAL, &token, &count, &cap))
        for (; n < most && n < (int64_t)count; n++) id[n] = token[n].id;
    free(token);
    struct lt_rng rng = lt_rng_make(0, "check");
    while (n < most) id[n++] = (int32_t)lt_rng_below(&rng, (uint64_t)r->in.m->vocab);
    return n;
}

static int check(struct run *r)
{
    bool wanted = !strcmp(r->o->check, "always") || (!strcmp(r->o->check, "auto") && r->numbers <= check_most);
    if (!wanted) return 0;
    struct lt_model *other;
    int32_t id[CHECK_TOKENS];
    if (lt_model_open(r->o->output, &other)) return lt_fail("what was written cannot be opened: %s", lt_error());
    int64_t n = check_ids(r, id);
    int rc = lt_compare_logits(as_it_was(r), r->adapter, other, r->c, id, n, &r->largest);
    if (!rc && r->adapter) rc = lt_compare_logits(r->plain, NULL, other, r->c, id, n, &r->change);
    lt_model_free(other);
    if (!rc && r->adapter && r->change == 0)
        rc = lt_fail("%s: what was written says what the model says without the adapter: its change is smaller than "
                     "numbers of this type are apart; choose --outtype f32", r->o->output);
    r->checked = rc == 0;
    return rc;
}

static int report(const struct run *r)
{
    struct lt_buf b = { 0 };
    const char *kind = r->to_file ? "GGUF" : "Hugging Face folder";
    if (r->o->json) {
        json_t *root = json_pack("{s:s, s:s, s:s, s:I, s:I}", "path", r->o->output, "format", kind, "model_type",
                                 r->in.m->arch->m.name, "parameters", (json_int_t)r->numbers, "bytes",
                                 (json_int_t)r->bytes);
        if (r->checked) json_object_set_new(root, "largest_logit_difference", json_real(r->largest));
        if (r->checked && r->adapter) json_object_set_new(root, "largest_logit_change", json_real(r->change));
        lt_json_put(&b, root);
        lt_buf_char(&b, '\n');
        json_decref(root);
    } else {
        lt_buf_put(&b, r->table.p, r->table.n);
        lt_buf_fmt(&b, "\nformat\t%s\nmodel_type\t%s\nparameters\t%.0f\nbytes\t%" PRIu64 "\n", kind,
                   r->in.m->arch->m.name, r->numbers, r->bytes);
        if (r->checked) lt_buf_fmt(&b, "largest_logit_difference\t%.6g\n", r->largest);
        if (r->checked && r->adapter) lt_buf_fmt(&b, "largest_logit_change\t%.6g\n", r->change);
    }
    int rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

int lt_convert_run(const struct lt_convert_options *o, struct lt_ctx *c)
{
    struct run r = { .o = o, .c = c, .to_file = is_gguf_name(o->output) };
    int rc = read_type(&r) || lt_source_open(o->input, o->tokenizer, &r.in) || fold(&r) ? -1 : 0;
    if (!rc) rc = r.to_file ? save_file(&r) : save_folder(&r);
    if (!rc) rc = check(&r) || report(&r) ? -1 : 0;
    lt_adapter_free(r.adapter);
    lt_model_free(r.plain);
    lt_source_release(&r.in);
    lt_buf_free(&r.table);
    return rc;
}
