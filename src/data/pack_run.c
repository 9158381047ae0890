/* Documents are read in batches, encoded by all threads, and written in the order they were read, so that the shards
 * do not depend on the number of threads.  Which split a document goes to is decided by its text alone: equal
 * documents never stand on both sides, and adding others moves none. */
#include "data/pack.h"

#include "base/ctx.h"
#include "base/json.h"
#include "data/op_chain.h"
#include "data/shard.h"
#include "text/document.h"
#include "text/encoders.h"
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 4 << 20, BATCH_DOCUMENTS = 8192, SPLITS = 2 };
static const char *const split_name[SPLITS] = { "train", "validation" };

struct item { size_t at, n; uint64_t number; int32_t *id; size_t count; char *error; };

struct job {
    const struct lt_pack_options *o;
    struct lt_tokenizer *tokenizer;
    int32_t bos, eos;                       /* -1: none */
    struct lt_encoders encoders;
    struct lt_buf text;
    struct item *item;
    size_t items, cap;
    struct lt_shard_writer *writer[SPLITS];
    struct lt_shard_totals total[SPLITS];
    struct lt_writer held_out;              /* the texts of the validation split, for tools that measure on text */
    struct lt_buf line;
    uint64_t documents, filtered, dropped, longest_tokens, longest_number;
    struct lt_ctx *ctx;
};

/* ---- one batch ---- */
static int split_of(const struct job *j, const struct item *it)
{
    uint64_t h = lt_hash(j->text.p + it->at, it->n, (uint64_t)j->o->seed);
    return (double)(h >> 11) * 0x1p-53 < j->o->validation;
}

static int encode(struct job *j, struct lt_encoder *e, struct item *it)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    struct lt_str text = { j->text.p + it->at, it->n };
    struct lt_rng rng = lt_rng_make((uint64_t)j->o->seed, "dropout");
    rng.stream += it->number;
    bool drop = j->o->dropout && split_of(j, it) == 0;
    if (lt_encoder_encode(e, text, j->o->parse_special ? 0 : LT_NO_ADDED, drop ? &rng : NULL, &token, &n, &cap)) {
        free(token);
        return -1;
    }
    it->id = lt_alloc((n + 2) * sizeof *it->id);
    it->count = 0;
    if (n && j->bos >= 0)
        it->id[it->count++] = j->bos;
    for (size_t i = 0; i < n; i++)
        it->id[it->count++] = token[i].id;
    if (n && j->eos >= 0)
        it->id[it->count++] = j->eos;
    free(token);
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
    lt_buf_clear(&j->line);
    lt_buf_str(&j->line, "{\"text\":");
    lt_json_put_text(&j->line, (struct lt_str){ j->text.p + it->at, it->n });
    lt_buf_str(&j->line, "}\n");
    lt_writer_put(&j->held_out, j->line.p, j->line.n);
}

static int write_item(struct job *j, const struct item *it)
{
    if (it->error)
        return lt_fail("document %" PRIu64 ": %s", it->number, it->error);
    if (it->count == 0) {
        j->dropped++;
        return 0;
    }
    if (it->count > j->longest_tokens) {
        j->longest_tokens = it->count;
        j->longest_number = it->number;
    }
    int split = split_of(j, it);
    if (split)
        write_held_out(j, it);
    return lt_shard_write(j->writer[split], it->id, it->count, it->n);
}

static int flush_batch(struct job *j, struct lt_ctx *c)
{
    lt_pool_run(lt_ctx_pool(c), (int64_t)j->items, encode_item, j);
    int rc = 0;
    for (size_t i = 0; i < j->items; i++) {
        if (rc == 0)
            rc = write_item(j, &j->item[i]);
        free(j->item[i].id);
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
        json_object_set_new(splits, split_name[i],
                            json_pack("{s:I, s:I, s:I, s:f, s:i}", "documents", (json_int_t)t->documents, "tokens",
                                      (json_int_t)t->tokens, "bytes", (json_int_t)t->bytes, "bytes_per_token",
                                      (double)t->bytes / (double)t->tokens, "files", t->files));
    }
    json_t *around = json_object();
    if (j->bos >= 0)
        json_object_set_new(around, "before", json_integer(j->bos));
    if (j->eos >= 0)
        json_object_set_new(around, "after", json_integer(j->eos));
    return json_pack("{s:i, s:s, s:i, s:o, s:o, s:{s:I, s:I, s:f}, s:I, s:{s:I, s:I}}", "version", 1, "tokenizer_hash",
                     lt_tokenizer_hash(j->tokenizer), "vocab_size", lt_tokenizer_vocab(j->tokenizer),
                     "around_documents", around, "splits", splits, "total", "tokens", (json_int_t)tokens, "bytes",
                     (json_int_t)bytes, "bytes_per_token", (double)bytes / (double)tokens, "dropped_empty",
                     (json_int_t)j->dropped, "longest_document", "number", (json_int_t)j->longest_number, "tokens",
                     (json_int_t)j->longest_tokens);
}

static int report(const struct job *j, const json_t *s)
{
    struct lt_buf text = { 0 };
    if (j->o->json) {
        lt_json_put(&text, s);
        lt_buf_char(&text, '\n');
    } else {
        lt_buf_str(&text, "split\tdocuments\ttokens\tbytes\tbytes_per_token\tfiles\n");
        for (int i = 0; i < SPLITS; i++)
            if (j->total[i].documents)
                lt_buf_fmt(&text, "%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%.3f\t%d\n", split_name[i],
                           j->total[i].documents, j->total[i].tokens, j->total[i].bytes,
                           (double)j->total[i].bytes / (double)j->total[i].tokens, j->total[i].files);
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
    j->bos = strcmp(o->bos, "no") ? bos : -1;
    if (!strcmp(o->bos, "auto") && bos < 0)
        j->bos = eos;
    j->eos = strcmp(o->eos, "no") ? eos : -1;
    if (o->dropout && !(lt_tokenizer_dropout(j->tokenizer) > 0))
        return lt_misuse("--dropout: the tokenizer has no BPE-dropout; train it with --method.dropout 0.1");
    if (!strcmp(o->bos, "yes") && bos < 0)
        return lt_misuse("--bos yes: the tokenizer has no token that begins a text");
    if (!strcmp(o->eos, "yes") && eos < 0)
        return lt_misuse("--eos yes: the tokenizer has no token that ends a text");
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
    struct lt_docs *docs;
    if (lt_docs_open(&o->input, &o->docs, &docs)) return -1;
    int rc = open_held_out(j, folder);
    for (int i = 0; rc == 0 && i < SPLITS; i++)
        rc = lt_shard_writer_open(folder, split_name[i], (uint64_t)lt_tokenizer_vocab(j->tokenizer),
                                  lt_tokenizer_hash(j->tokenizer), (uint64_t)o->shard_tokens, &j->writer[i]);
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
    if (choose_around(j) || lt_folder_guard(j->o->output, "pack.json") || lt_folder_open(&folder, j->o->output))
        return -1;
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
