/* Writes tokenizer.json, as Hugging Face tokenizers do: merges as "a b" (the form old versions read) unless a piece
 * holds a space, then as ["a", "b"]. */
#include "text/tok.h"
#include "base/io.h"
#include "base/json.h"
#include <string.h>

static void put_member(struct lt_buf *b, const char *key, const char *json)
{
    lt_buf_fmt(b, "  \"%s\": ", key);
    lt_buf_str(b, json ? json : "null");
    lt_buf_str(b, ",\n");
}

static void put_text(struct lt_buf *b, const char *key, const char *z)
{
    lt_buf_fmt(b, "    \"%s\": ", key);
    if (z)
        lt_json_put_text(b, lt_str(z));
    else
        lt_buf_str(b, "null");
    lt_buf_str(b, ",\n");
}

static void put_bool(struct lt_buf *b, const char *key, bool v)
{
    lt_buf_fmt(b, "    \"%s\": %s,\n", key, v ? "true" : "false");
}

static void put_added(struct lt_buf *b, const struct lt_tok_spec *s)
{
    lt_buf_str(b, "  \"added_tokens\": [");
    for (int i = 0; i < s->added_count; i++) {
        const struct lt_tok_added *a = &s->added[i];
        lt_buf_fmt(b, "%s\n    {\"id\": %d, \"content\": ", i ? "," : "", a->id);
        lt_json_put_exact(b, a->content);
        lt_buf_fmt(b, ", \"single_word\": %s, \"lstrip\": %s, \"rstrip\": %s, \"normalized\": %s, \"special\": %s}",
                   a->single_word ? "true" : "false", a->lstrip ? "true" : "false", a->rstrip ? "true" : "false",
                   a->normalized ? "true" : "false", a->special ? "true" : "false");
    }
    lt_buf_str(b, s->added_count ? "\n  ],\n" : "],\n");
}

static void put_vocab(struct lt_buf *b, const struct lt_tok_spec *s)
{
    bool list = s->kind == LT_TOK_UNIGRAM, any = false;
    lt_buf_str(b, list ? "    \"vocab\": [" : "    \"vocab\": {");
    for (int32_t i = 0; i < s->count; i++) {
        if (!s->piece[i].p && !list)
            continue;
        lt_buf_str(b, any ? ",\n      " : "\n      ");
        any = true;
        lt_buf_str(b, list ? "[" : "");
        lt_json_put_exact(b, s->piece[i].p ? s->piece[i] : lt_str(""));
        if (list) {
            lt_buf_str(b, ", ");
            lt_json_put_real(b, s->score[i]);
            lt_buf_char(b, ']');
        } else {
            lt_buf_fmt(b, ": %d", i);
        }
    }
    lt_buf_str(b, any ? "\n    " : "");
    lt_buf_char(b, list ? ']' : '}');
}

static void put_merges(struct lt_buf *b, const struct lt_tok_spec *s)
{
    bool spaced = false;
    for (size_t i = 0; i < s->merge_count && !spaced; i++) {
        struct lt_str p = s->piece[s->merge[i].into];
        spaced = memchr(p.p, ' ', p.n) != NULL;
    }
    lt_buf_str(b, ",\n    \"merges\": [");
    struct lt_buf both = { 0 };
    for (size_t i = 0; i < s->merge_count; i++) {
        struct lt_str left = s->piece[s->merge[i].left], right = s->piece[s->merge[i].right];
        lt_buf_str(b, i ? ",\n      " : "\n      ");
        if (spaced) {
            lt_buf_char(b, '[');
            lt_json_put_exact(b, left);
            lt_buf_str(b, ", ");
            lt_json_put_exact(b, right);
            lt_buf_char(b, ']');
            continue;
        }
        lt_buf_clear(&both);
        lt_buf_put(&both, left.p, left.n);
        lt_buf_char(&both, ' ');
        lt_buf_put(&both, right.p, right.n);
        lt_json_put_exact(b, lt_buf_view(&both));
    }
    lt_buf_free(&both);
    lt_buf_str(b, s->merge_count ? "\n    ]" : "]");
}

static void put_model(struct lt_buf *b, const struct lt_tok_spec *s)
{
    static const char *const names[] = { [LT_TOK_BPE] = "BPE", [LT_TOK_WORDPIECE] = "WordPiece",
                                         [LT_TOK_UNIGRAM] = "Unigram", [LT_TOK_WORDLEVEL] = "WordLevel" };
    lt_buf_fmt(b, "  \"model\": {\n    \"type\": \"%s\",\n", names[s->kind]);
    if (s->kind == LT_TOK_BPE) {
        lt_buf_str(b, "    \"dropout\": ");
        if (s->dropout > 0)
            lt_json_put_real(b, s->dropout);
        else
            lt_buf_str(b, "null");
        lt_buf_str(b, ",\n");
        put_text(b, "unk_token", s->unk);
        put_text(b, "continuing_subword_prefix", s->prefix);
        put_text(b, "end_of_word_suffix", s->suffix);
        put_bool(b, "fuse_unk", s->fuse_unk);
        put_bool(b, "byte_fallback", s->byte_fallback);
        put_bool(b, "ignore_merges", s->ignore_merges);
    } else if (s->kind == LT_TOK_UNIGRAM) {
        lt_buf_fmt(b, s->unk_id >= 0 ? "    \"unk_id\": %d,\n" : "    \"unk_id\": null,\n", s->unk_id);
        put_bool(b, "byte_fallback", s->byte_fallback);
        if (s->single_precision)
            put_bool(b, "single_precision", true);
    } else {
        put_text(b, "unk_token", s->unk ? s->unk : "");
    }
    if (s->kind == LT_TOK_WORDPIECE) {
        put_text(b, "continuing_subword_prefix", s->prefix ? s->prefix : "");
        lt_buf_fmt(b, "    \"max_input_chars_per_word\": %lld,\n", (long long)(s->max_word ? s->max_word : 100));
    }
    put_vocab(b, s);
    if (s->kind == LT_TOK_BPE)
        put_merges(b, s);
    lt_buf_str(b, "\n  }\n");
}

void lt_tok_write_json(const struct lt_tokenizer *t, struct lt_buf *out)
{
    const struct lt_tok_spec *s = &t->s;
    lt_buf_str(out, "{\n  \"version\": \"1.0\",\n");
    put_member(out, "truncation", s->truncation);
    put_member(out, "padding", s->padding);
    put_added(out, s);
    put_member(out, "normalizer", s->normalizer);
    put_member(out, "pre_tokenizer", s->pre_tokenizer);
    put_member(out, "post_processor", s->post_processor);
    put_member(out, "decoder", s->decoder);
    put_model(out, s);
    lt_buf_str(out, "}\n");
}

int lt_tokenizer_save(const struct lt_tokenizer *t, const char *path)
{
    struct lt_buf b = { 0 };
    lt_tok_write_json(t, &b);
    int rc = lt_file_save(path, b.p, b.n);
    lt_buf_free(&b);
    return rc;
}
