/* Documents are read in batches, encoded by all threads, and written in the order they were read, so that the shards
 * do not depend on the number of threads.  Which split a document goes to is decided by its text alone: equal
 * documents never stand on both sides, and adding others moves none.  Rows of prompts go by their prompt. */
#include "data/pack.h"

#include "base/ctx.h"
#include "base/json.h"
#include "data/op_chain.h"
#include "data/pack_rows.h"
#include "data/shard.h"
#include "text/document.h"
#include "text/encoders.h"
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 4 << 20, BATCH_DOCUMENTS = 8192, SPLITS = 2 };
static const char *const split_name[SPLITS] = { "train", "validation" };

/* doc: one, or of a pair two. */
struct item {
    size_t at, n;
    uint64_t number, line;
    const char *source;
    struct lt_packed doc[2];
    int split;
    char *error;
};

struct job {
    const struct lt_pack_options *o;
    struct lt_tokenizer *tokenizer;
    struct lt_row_coder coder;              /* bos, eos, and what a document is */
    struct lt_encoders encoders;
    struct lt_buf text;
    struct item *item;
    size_t items, cap;
    struct lt_shard_writer *writer[SPLITS];
    struct lt_shard_totals total[SPLITS];
    struct lt_writer held_out;              /* the texts of the validation split, for tools that measure on text */
    struct lt_buf line;
    uint64_t documents, filtered, dropped, equal, longest_tokens, longest_number;
    const struct lt_docs *docs;
    struct lt_ctx *ctx;
};

/* ---- one batch ---- */
static int split_of(const struct job *j, uint64_t h)
{
    return (double)(h >> 11) * 0x1p-53 < j->o->validation;
}

static int encode_text(struct job *j, struct lt_encoder *e, struct item *it)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    struct lt_str text = { j->text.p + it->at, it->n };
    struct lt_rng rng = lt_rng_make((uint64_t)j->o->seed, "dropout");
    rng.stream += it->number;
    it->split = split_of(j, lt_hash(text.p, text.n, (uint64_t)j->o->seed));
    bool drop = j->o->dropout && it->split == 0;
    if (lt_encoder_encode(e, text, j->coder.flags, drop ? &rng : NULL, &token, &n, &cap)) {
        free(token);
        return -1;
    }
    struct lt_packed *d = &it->doc[0];
    *d = (struct lt_packed){ .id = lt_alloc((n + 2) * sizeof *d->id), .bytes = it->n };
    if (n && j->coder.bos >= 0)
        d->id[d->count++] = j->coder.bos;
    for (size_t i = 0; i < n; i++)
        d->id[d->count++] = token[i].id;
    if (n && j->coder.eos >= 0)
        d->id[d->count++] = j->coder.eos;
    free(token);
    return 0;
}

static int encode(struct job *j, struct lt_encoder *e, struct item *it)
{
    if (j->coder.kind == LT_ROW_TEXT) return encode_text(j, e, it);
    uint64_t key;
    struct lt_str row = { j->text.p + it->at, it->n };
    if (lt_row_encode(&j->coder, e, row, (uint64_t)j->o->seed, it->doc, &key))
        return lt_fail("%s: line %" PRIu64 ": %s", it->source, it->line, lt_error());
    it->split = split_of(j, key);
    return 0;
}

static void encode_item(void *arg, int64_t chunk)
{
    struct job *j = arg;
    int i = lt_encoders_take(&j->encoders);
    struct item *it = &j->item[chunk];
    if (encode(j, j->encoders.encoder[i], it))
        it->error = lt_strdup(lt_error());
    lt_encoders_give(&j->encoders, i);
}

static void write_held_out(struct job *j, const struct item *it)
{
    struct lt_str text = { j->text.p + it->at, it->n };
    lt_buf_clear(&j->line);
    if (j->coder.kind != LT_ROW_TEXT) {             /* a row is an object already */
        lt_buf_put(&j->line, text.p, text.n);
    } else {
        lt_buf_str(&j->line, "{\"text\":");
        lt_json_put_text(&j->line, text);
        lt_buf_char(&j->line, '}');
    }
    lt_buf_char(&j->line, '\n');
    lt_writer_put(&j->held_out, j->line.p, j->line.n);
}

static bool same_tokens(const struct lt_packed *a, const struct lt_packed *b)
{
    return a->count == b->count && !memcmp(a->id, b->id, a->count * sizeof *a->id);
}

static int write_document(struct job *j, const struct item *it, const struct lt_packed *d)
{
    if (d->count > j->longest_tokens) {
        j->longest_tokens = d->count;
        j->longest_number = it->number;
    }
    if (!d->mask) return lt_shard_write(j->writer[it->split], d->id, d->count, d->bytes);
    return lt_shard_write_masked(j->writer[it->split], d->id, d->mask, d->count, d->bytes);
}

static int write_item(struct job *j, const struct item *it)
{
    bool pair = j->coder.kind == LT_ROW_PAIR;
    if (it->error && it->source)
        return lt_fail("%s", it->error);
    if (it->error)
        return lt_fail("document %" PRIu64 ": %s", it->number, it->error);
    if (it->doc[0].count == 0) {
        j->dropped++;
        return 0;
    }
    if (pair && same_tokens(&it->doc[0], &it->doc[1])) {
        j->equal++;
        return 0;
    }
    if (it->split)
        write_held_out(j, it);
    return write_document(j, it, &it->doc[0]) || (pair && write_document(j, it, &it->doc[1])) ? -1 : 0;
}

static int flush_batch(struct job *j, struct lt_ctx *c)
{
    lt_pool_run(lt_ctx_pool(c), (int64_t)j->items, encode_item, j);
    int rc = 0;
    for (size_t i = 0; i < j->items; i++) {
        if (rc == 0)
            rc = write_item(j, &j->item[i]);
        lt_packed_release(&j->item[i].doc[0]);
        lt_packed_release(&j->item[i].doc[1]);
        free(j->item[i].error);
    }
    j->items = 0;
    lt_buf_clear(&j->text);
    return rc == 0 && lt_ctx_interrupted(c) ? lt_fail("interrupted; nothing was written") : rc;
}

/* What the filters let through. */
static int add_document(void *self, const struct lt_doc *d)
{
    struct job *j = self;
    if (j->items == j->cap) {
        j->cap = j->cap ? 2 * j->cap : 256;
        j->item = lt_realloc(j->item, j->cap * sizeof *j->item);
    }
    j->item[j->items++] = (struct item){ .at = j->text.n, .n = d->text.n, .number = d->number };
    if (j->coder.kind != LT_ROW_TEXT) {             /* no filter stands between: the reader is still at this line */
        j->item[j->items - 1].source = d->source;
        j->item[j->items - 1].line = lt_docs_line(j->docs);
    }
    lt_buf_put(&j->text, d->text.p, d->text.n);
    j->documents++;
    return j->text.n < BATCH_BYTES && j->items < BATCH_DOCUMENTS ? 0 : flush_batch(j, j->ctx);
}

static void note_filtered(struct job *j, const struct lt_op_chain *chain)
{
    const char *name, *why;
    uint64_t given, dropped, n;
    for (int i = 0; lt_op_chain_count(chain, i, &name, &given, &dropped); i++) {
        j->filtered += dropped;
        for (uint32_t k = 0; lt_op_chain_why(chain, i, k, &why, &n); k++)
            lt_note(j->ctx, "%s: %" PRIu64 " of %" PRIu64 " documents dropped: %s", name, n, given, why);
    }
}

static int pack_documents(struct job *j, struct lt_docs *docs, struct lt_ctx *c)
{
    struct lt_op_chain *chain;
    struct lt_progress progress;
    double done, total;
    j->docs = docs;
    if (lt_op_chain_open(&j->o->filters, c, add_document, j, &chain))
        return -1;
    lt_docs_progress(docs, &done, &total);
    lt_progress_begin(c, &progress, "packing", "bytes", total);
    struct lt_doc d;
    int rc;
    while ((rc = lt_docs_next(docs, &d)) > 0) {
        if ((rc = lt_op_chain_push(chain, &d)))
            break;
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&progress, done, NULL);
    }
    if (rc == 0)
        rc = lt_op_chain_finish(chain) || flush_batch(j, c) ? -1 : 0;
    if (rc == 0)
        note_filtered(j, chain);
    if (rc == 0 && j->equal)
        lt_note(c, "%" PRIu64 " of %" PRIu64 " pairs left out: chosen and rejected are the same tokens", j->equal,
                j->documents);
    lt_op_chain_close(chain);
    if (rc == 0) {
        j->dropped += lt_docs_empty(docs);
        lt_docs_progress(docs, &done, &total);
        lt_progress_at(&progress, done, NULL);
    }
    lt_progress_end(&progress);
    return rc;
}

/* ---- the summary ---- */
static int check_splits(const struct job *j)
{
    const struct lt_pack_options *o = j->o;
    if (j->total[0].documents + j->total[1].documents == 0 && j->equal)
        return lt_fail("in all of %" PRIu64 " pairs chosen and rejected are the same tokens", j->documents);
    if (j->total[0].documents + j->total[1].documents == 0)
        return lt_fail("none of %" PRIu64 " documents gave a token", j->documents + j->filtered);
    if (o->validation > 0 && j->total[1].documents == 0)
        return lt_fail("none of %" PRIu64 " documents fell into the validation split of %g; ask for a larger "
                       "--validation, another --seed, smaller documents (--paragraphs), or --validation 0",
                       j->documents, o->validation);
    if (o->validation < 1 && j->total[0].documents == 0)
        return lt_fail("all %" PRIu64 " documents fell into the validation split of %g; ask for a smaller "
                       "--validation, another --seed or smaller documents (--paragraphs)", j->documents,
                       o->validation);
    return 0;
}

/* Of rows of prompts no bytes per token: the bytes are of what is predicted, the tokens of everything. */
static json_t *split_summary(const struct job *j, const struct lt_shard_totals *t)
{
    if (j->coder.kind == LT_ROW_TEXT)
        return json_pack("{s:I, s:I, s:I, s:f, s:i}", "documents", (json_int_t)t->documents, "tokens",
                         (json_int_t)t->tokens, "bytes", (json_int_t)t->bytes, "bytes_per_token",
                         (double)t->bytes / (double)t->tokens, "files", t->files);
    return json_pack("{s:I, s:I, s:I, s:I, s:i}", "documents", (json_int_t)t->documents, "tokens",
                     (json_int_t)t->tokens, "predicted_tokens", (json_int_t)t->predicted, "predicted_bytes",
                     (json_int_t)t->bytes, "files", t->files);
}

/* What rows of prompts have to say besides. */
static void add_rows(const struct job *j, json_t *s)
{
    if (j->coder.kind == LT_ROW_TEXT) return;
    json_object_set_new(s, "rows", json_string(j->o->rows));
    json_object_del(json_object_get(s, "total"), "bytes_per_token");
    json_object_set(json_object_get(s, "total"), "predicted_bytes",
                    json_object_get(json_object_get(s, "total"), "bytes"));
    json_object_del(json_object_get(s, "total"), "bytes");
    if (j->coder.kind == LT_ROW_PAIR) json_object_set_new(s, "dropped_equal", json_integer((json_int_t)j->equal));
}

static json_t *summary(const struct job *j)
{
    json_t *splits = json_object();
    uint64_t tokens = 0, bytes = 0;
    for (int i = 0; i < SPLITS; i++) {
        const struct lt_shard_totals *t = &j->total[i];
        tokens += t->tokens;
        bytes += t->bytes;
        if (t->documents == 0)
            continue;
        json_object_set_new(splits, split_name[i], split_summary(j, t));
    }
    json_t *around = json_object();
    if (j->coder.bos >= 0)
        json_object_set_new(around, "before", json_integer(j->coder.bos));
    if (j->coder.eos >= 0)
        json_object_set_new(around, "after", json_integer(j->coder.eos));
    json_t *s = json_pack("{s:i, s:s, s:i, s:o, s:o, s:{s:I, s:I, s:f}, s:I, s:{s:I, s:I}}", "version", 1,
                          "tokenizer_hash", lt_tokenizer_hash(j->tokenizer), "vocab_size",
                          lt_tokenizer_vocab(j->tokenizer), "around_documents", around, "splits", splits, "total",
                          "tokens", (json_int_t)tokens, "bytes", (json_int_t)bytes, "bytes_per_token",
                          (double)bytes / (double)tokens, "dropped_empty", (json_int_t)j->dropped, "longest_document",
                          "number", (json_int_t)j->longest_number, "tokens", (json_int_t)j->longest_tokens);
    add_rows(j, s);
    return s;
}

static void put_table(const struct job *j, struct lt_buf *b)
{
    bool text = j->coder.kind == LT_ROW_TEXT;
    lt_buf_str(b, text ? "split\tdocuments\ttokens\tbytes\tbytes_per_token\tfiles\n"
                       : "split\tdocuments\ttokens\tpredicted_tokens\tpredicted_bytes\tfiles\n");
    for (int i = 0; i < SPLITS; i++) {
        const struct lt_shard_totals *t = &j->total[i];
        if (!t->documents) continue;
        lt_buf_fmt(b, "%s\t%" PRIu64 "\t%" PRIu64 "\t", split_name[i], t->documents, t->tokens);
        if (text) lt_buf_fmt(b, "%" PRIu64 "\t%.3f", t->bytes, (double)t->bytes / (double)t->tokens);
        else lt_buf_fmt(b, "%" PRIu64 "\t%" PRIu64, t->predicted, t->bytes);
        lt_buf_fmt(b, "\t%d\n", t->files);
    }
}

static int report(const struct job *j, const json_t *s)
{
    struct lt_buf text = { 0 };
    if (j->o->json) {
        lt_json_put(&text, s);
        lt_buf_char(&text, '\n');
    } else {
        put_table(j, &text);
    }
    int rc = lt_file_save("-", text.p, text.n);
    lt_buf_free(&text);
    return rc;
}

/* ---- the whole ---- */
static int choose_around(struct job *j)
{
    const struct lt_pack_options *o = j->o;
    int32_t bos = lt_tokenizer_bos(j->tokenizer), eos = lt_tokenizer_eos(j->tokenizer);
    j->coder = (struct lt_row_coder){ .kind = lt_row_kind_of(o->rows), .flags = o->parse_special ? 0 : LT_NO_ADDED,
                                      .bos = strcmp(o->bos, "no") ? bos : -1, .eos = strcmp(o->eos, "no") ? eos : -1 };
    if (!strcmp(o->bos, "auto") && bos < 0)
        j->coder.bos = eos;
    if (o->dropout && !(lt_tokenizer_dropout(j->tokenizer) > 0))
        return lt_misuse("--dropout: the tokenizer has no BPE-dropout; train it with --method.dropout 0.1");
    if (!strcmp(o->bos, "yes") && bos < 0)
        return lt_misuse("--bos yes: the tokenizer has no token that begins a text");
    if (!strcmp(o->eos, "yes") && eos < 0)
        return lt_misuse("--eos yes: the tokenizer has no token that ends a text");
    return 0;
}

/* Options that are about texts would go unused with rows of prompts. */
static int check_rows(const struct job *j)
{
    const struct lt_pack_options *o = j->o;
    if (j->coder.kind == LT_ROW_TEXT) return 0;
    const char *unused = o->filters.count ? "filters" : o->dropout ? "dropout" : o->docs.paragraphs ? "paragraphs"
                         : strcmp(o->docs.field, "text") ? "field" : NULL;
    if (unused) return lt_misuse("--%s is about texts; it does not go with --rows %s", unused, o->rows);
    if (strcmp(o->docs.format, "auto") && strcmp(o->docs.format, "jsonl"))
        return lt_misuse("--rows %s are JSON lines; they cannot be of the format %s", o->rows, o->docs.format);
    return 0;
}

/* The file is not made when nothing is held out. */
static int open_held_out(struct job *j, const char *folder)
{
    if (!(j->o->validation > 0))
        return 0;
    struct lt_buf path = { 0 };
    lt_buf_fmt(&path, "%s/validation.jsonl", folder);
    int rc = lt_writer_open(&j->held_out, path.p);
    lt_buf_free(&path);
    return rc;
}

static int close_held_out(struct job *j, int rc)
{
    if (!j->held_out.f)
        return rc;
    if (rc == 0)
        return lt_writer_commit(&j->held_out);
    lt_writer_abort(&j->held_out);
    return rc;
}

static int pack_into(struct job *j, const char *folder, struct lt_ctx *c)
{
    const struct lt_pack_options *o = j->o;
    struct lt_docs_how how = o->docs;
    struct lt_docs *docs;
    how.rows = j->coder.kind != LT_ROW_TEXT;
    if (how.rows) how.format = "jsonl";
    if (lt_docs_open(&o->input, &how, &docs)) return -1;
    int rc = open_held_out(j, folder);
    for (int i = 0; rc == 0 && i < SPLITS; i++)
        rc = lt_shard_writer_open(folder, split_name[i], (uint64_t)lt_tokenizer_vocab(j->tokenizer),
                                  lt_tokenizer_hash(j->tokenizer), (uint64_t)o->shard_tokens, &j->writer[i]);
    for (int i = 0; rc == 0 && how.rows && i < SPLITS; i++)
        lt_shard_writer_mask(j->writer[i], j->coder.kind == LT_ROW_PAIR);
    if (rc == 0)
        rc = pack_documents(j, docs, c);
    for (int i = 0; i < SPLITS; i++) {
        if (rc == 0)
            rc = lt_shard_writer_commit(j->writer[i], &j->total[i]);
        else
            lt_shard_writer_abort(j->writer[i]);
        j->writer[i] = NULL;
    }
    rc = close_held_out(j, rc);
    lt_docs_close(docs);
    return rc == 0 ? check_splits(j) : rc;
}

static int save_summary(const json_t *s, const char *folder)
{
    struct lt_buf path = { 0 }, text = { 0 };
    lt_buf_fmt(&path, "%s/pack.json", folder);
    lt_json_put(&text, s);
    lt_buf_char(&text, '\n');
    int rc = lt_file_save(path.p, text.p, text.n);
    lt_buf_free(&path);
    lt_buf_free(&text);
    return rc;
}

static int run(struct job *j, struct lt_ctx *c)
{
    struct lt_folder folder;
    if (choose_around(j) || check_rows(j) || lt_folder_guard(j->o->output, "pack.json")) return -1;
    if (lt_folder_open(&folder, j->o->output)) return -1;
    int rc = pack_into(j, folder.temp, c);
    json_t *s = rc == 0 ? summary(j) : NULL;
    if (rc == 0)
        rc = save_summary(s, folder.temp) || lt_tokenizer_copy(j->o->tokenizer, folder.temp) ? -1 : 0;
    if (rc == 0)
        rc = lt_folder_commit(&folder);
    else
        lt_folder_abort(&folder);
    if (rc == 0)
        rc = report(j, s);
    json_decref(s);
    return rc;
}

int lt_pack_run(const struct lt_pack_options *o, struct lt_ctx *c)
{
    struct job j = { .o = o, .ctx = c };
    if (lt_tokenizer_open(o->tokenizer, &j.tokenizer))
        return -1;
    lt_encoders_open(&j.encoders, j.tokenizer, lt_ctx_pool(c));
    int rc = run(&j, c);
    lt_encoders_close(&j.encoders);
    lt_tokenizer_free(j.tokenizer);
    lt_buf_free(&j.text);
    lt_buf_free(&j.line);
    free(j.item);
    return rc;
}
