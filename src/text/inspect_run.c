/* lathe tokenizer inspect: what tokenizers are, and what they make of a text, side by side. */
#include "text/tools.h"

#include "base/io.h"
#include "base/json.h"
#include "text/document.h"
#include "text/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One tokenizer and what was counted with it. */
struct column {
    const char *path;
    struct lt_tokenizer *t;
    struct lt_encoder *encoder;
    struct lt_token *token;
    size_t n, cap;
    uint64_t *used;                     /* by id */
    int vocab, special;
    int32_t unk;
    uint64_t tokens, word_tokens, whole_words, unknown, bytes_spelt, exact;
};
struct text { uint64_t documents, bytes, characters, words; };

static int open_column(struct column *k, const char *path)
{
    *k = (struct column){ .path = path, .unk = -1 };
    if (lt_tokenizer_open(path, &k->t))
        return -1;
    k->encoder = lt_encoder_new(k->t);
    k->vocab = lt_tokenizer_vocab(k->t);
    k->used = lt_calloc((size_t)k->vocab, sizeof *k->used);
    for (int32_t i = 0; i < k->vocab; i++)
        k->special += lt_tokenizer_special(k->t, i);
    static const char *const unknown[] = { "<unk>", "[UNK]", "<|unk|>" };
    for (int i = 0; i < LT_COUNT(unknown) && k->unk < 0; i++)
        k->unk = lt_tokenizer_id(k->t, unknown[i]);
    return 0;
}

static void close_column(struct column *k)
{
    lt_encoder_free(k->encoder);
    lt_tokenizer_free(k->t);
    free(k->token);
    free(k->used);
}

static bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next run of what is not white space; false at the end. */
static bool next_word(struct lt_str text, size_t *begin, size_t *end)
{
    size_t at = *end;
    while (at < text.n && space(text.p[at]))
        at++;
    *begin = at;
    while (at < text.n && !space(text.p[at]))
        at++;
    *end = at;
    return *begin < at;
}

static void count_text(struct text *x, struct lt_str text)
{
    size_t begin, end = 0;
    x->documents++;
    x->bytes += text.n;
    for (size_t i = 0; i < text.n; i++)
        x->characters += (text.p[i] & 0xC0) != 0x80;
    while (next_word(text, &begin, &end))
        x->words++;
}

/* Tokens that touch each word; one that reaches over a border touches both. */
static void count_words(struct column *k, struct lt_str text)
{
    size_t begin, end = 0, first = 0;
    while (next_word(text, &begin, &end)) {
        while (first < k->n && k->token[first].end <= begin)
            first++;
        size_t last = first;
        while (last < k->n && k->token[last].begin < end)
            last++;
        k->word_tokens += last - first;
        k->whole_words += last - first == 1;
    }
}

static bool byte_piece(struct lt_str piece)
{
    return piece.n == 6 && lt_str_starts(piece, "<0x") && piece.p[5] == '>';
}

static int count_tokens(struct column *k, struct lt_str text)
{
    k->n = 0;
    if (lt_encoder_encode(k->encoder, text, LT_NO_ADDED, NULL, &k->token, &k->n, &k->cap))
        return lt_fail("%s: %s", k->path, lt_error());
    int32_t *id = lt_alloc(k->n * sizeof *id);
    for (size_t i = 0; i < k->n; i++) {
        id[i] = k->token[i].id;
        k->used[id[i]]++;
        k->unknown += id[i] == k->unk;
        k->bytes_spelt += byte_piece(lt_tokenizer_piece(k->t, id[i]));
    }
    k->tokens += k->n;
    count_words(k, text);
    char *back = NULL;
    size_t n = 0;
    int rc = lt_tokenizer_decode(k->t, id, k->n, true, &back, &n);
    k->exact += rc == 0 && lt_str_eq((struct lt_str){ back, n }, text);
    free(back);
    free(id);
    return rc;
}

struct reading { struct column *k; int count; struct text *x; };

static int read_document(void *self, const struct lt_doc *d)
{
    struct reading *r = self;
    int rc = 0;
    count_text(r->x, d->text);
    for (int i = 0; rc == 0 && i < r->count; i++) rc = count_tokens(&r->k[i], d->text);
    return rc;
}

/* ---- the report ---- */
static int by_length(const void *a, const void *b, void *ctx)
{
    const struct column *k = ctx;
    size_t x = lt_tokenizer_piece(k->t, *(const int32_t *)a).n, y = lt_tokenizer_piece(k->t, *(const int32_t *)b).n;
    return x == y ? 0 : x > y ? -1 : 1;
}

/* The longest pieces, or the first that the text does not need; special ones left out. */
static json_t *some_pieces(const struct column *k, int64_t show, bool unused)
{
    int32_t *id = lt_alloc((size_t)k->vocab * sizeof *id), n = 0;
    for (int32_t i = 0; i < k->vocab; i++)
        if (lt_tokenizer_piece(k->t, i).p && !lt_tokenizer_special(k->t, i) && (!unused || !k->used[i]))
            id[n++] = i;
    if (!unused)
        lt_sort(id, (size_t)n, sizeof *id, by_length, (void *)k);
    json_t *list = json_array();
    for (int32_t i = 0; i < n && i < show; i++) {
        struct lt_str piece = lt_tokenizer_piece(k->t, id[i]);
        json_t *text = json_stringn(piece.p, piece.n);
        if (text)
            json_array_append_new(list, text);
    }
    free(id);
    return list;
}

static int unused_pieces(const struct column *k)
{
    int n = 0;
    for (int32_t i = 0; i < k->vocab; i++)
        n += lt_tokenizer_piece(k->t, i).p && !lt_tokenizer_special(k->t, i) && !k->used[i];
    return n;
}

static json_t *describe(const struct column *k, const struct text *x, int64_t show)
{
    json_t *j = json_pack("{s:s, s:s, s:i, s:i}", "tokenizer", k->path, "hash", lt_tokenizer_hash(k->t), "vocab_size",
                          k->vocab, "special_tokens", k->special);
    if (x->documents) {
        double tokens = (double)LT_MAX(k->tokens, 1), words = (double)LT_MAX(x->words, 1);
        json_t *measured = json_pack(
            "{s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:f, s:i, s:f}", "tokens", (json_int_t)k->tokens, "bytes_per_token",
            (double)x->bytes / tokens, "characters_per_token", (double)x->characters / tokens, "tokens_per_word",
            (double)k->word_tokens / words, "whole_words", (double)k->whole_words / words, "unknown_tokens",
            (json_int_t)k->unknown, "byte_tokens", (json_int_t)k->bytes_spelt, "exact_documents",
            (double)k->exact / (double)x->documents, "unused_pieces", unused_pieces(k), "unused_share",
            unused_pieces(k) / (double)k->vocab);
        json_object_update(j, measured);
        json_decref(measured);
        json_object_set_new(j, "first_unused", some_pieces(k, show, true));
    }
    json_object_set_new(j, "longest_pieces", some_pieces(k, show, false));
    return j;
}

static void put_cell(struct lt_buf *b, const json_t *v)
{
    if (json_is_real(v))
        lt_buf_fmt(b, "%.4g", json_real_value(v));
    else if (json_is_integer(v))
        lt_buf_fmt(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_string(v))
        lt_buf_str(b, json_string_value(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *piece = json_array_get(v, i);
        lt_buf_str(b, i ? " " : "");
        for (const char *p = json_string_value(piece); *p; p++)
            lt_buf_char(b, *p == '\t' || *p == '\n' ? ' ' : *p);
    }
}

/* A line for each measure, a column for each tokenizer. */
static void put_table(struct lt_buf *b, json_t *columns, const struct text *x)
{
    const char *key;
    json_t *first;
    json_object_foreach(json_array_get(columns, 0), key, first) {
        lt_buf_str(b, key);
        for (size_t i = 0; i < json_array_size(columns); i++) {
            lt_buf_char(b, '\t');
            put_cell(b, json_object_get(json_array_get(columns, i), key));
        }
        lt_buf_char(b, '\n');
    }
    if (x->documents)
        lt_buf_fmt(b, "text\t%" PRIu64 " documents, %" PRIu64 " bytes, %" PRIu64 " characters, %" PRIu64 " words\n",
                   x->documents, x->bytes, x->characters, x->words);
}

static int report(const struct lt_tokenizer_inspect_options *o, const struct column *k, int count, const struct text *x)
{
    json_t *columns = json_array();
    struct lt_buf b = { 0 };
    for (int i = 0; i < count; i++)
        json_array_append_new(columns, describe(&k[i], x, o->show));
    if (o->json) {
        json_t *all = json_pack("{s:{s:I, s:I, s:I, s:I}, s:O}", "text", "documents", (json_int_t)x->documents, "bytes",
                                (json_int_t)x->bytes, "characters", (json_int_t)x->characters, "words",
                                (json_int_t)x->words, "tokenizers", columns);
        lt_json_put(&b, all);
        lt_buf_char(&b, '\n');
        json_decref(all);
    } else {
        put_table(&b, columns, x);
    }
    json_decref(columns);
    int rc = lt_file_save("-", b.p, b.n);
    lt_buf_free(&b);
    return rc;
}

int lt_tokenizer_inspect_run(const struct lt_tokenizer_inspect_options *o, struct lt_ctx *c)
{
    struct column *k = lt_calloc((size_t)o->tokenizer.count, sizeof *k);
    struct text x = { 0 };
    int rc = 0;
    for (int i = 0; rc == 0 && i < o->tokenizer.count; i++)
        rc = open_column(&k[i], o->tokenizer.item[i]);
    if (rc == 0 && o->input.count)
        rc = lt_docs_each(&o->input, &o->docs, c, "reading", read_document,
                          &(struct reading){ k, o->tokenizer.count, &x });
    if (rc == 0)
        rc = report(o, k, o->tokenizer.count, &x);
    for (int i = 0; i < o->tokenizer.count; i++)
        close_column(&k[i]);
    free(k);
    return rc;
}
