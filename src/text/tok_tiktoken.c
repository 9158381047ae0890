/* Reads .tiktoken files: a line "BASE64 RANK" a token.  The file holds neither its pattern nor its special tokens;
 * both are known for the vocabularies in use, which differ in size. */
#include "text/tok_derive.h"
#include <stdlib.h>
#include <string.h>

struct special { const char *content; int32_t id; };
static const struct special gpt2_special[] = { { "<|endoftext|>", 50256 }, { NULL, 0 } };
static const struct special cl100k_special[] = {
    { "<|endoftext|>", 100257 }, { "<|fim_prefix|>", 100258 }, { "<|fim_middle|>", 100259 },
    { "<|fim_suffix|>", 100260 }, { "<|endofprompt|>", 100276 }, { NULL, 0 },
};
static const struct special o200k_special[] = { { "<|endoftext|>", 199999 }, { "<|endofprompt|>", 200018 },
                                                { NULL, 0 } };
static const struct special llama3_special[] = {
    { "<|begin_of_text|>", 128000 }, { "<|end_of_text|>", 128001 }, { "<|start_header_id|>", 128006 },
    { "<|end_header_id|>", 128007 }, { "<|eot_id|>", 128009 }, { NULL, 0 },
};
static const struct special qwen_special[] = {
    { "<|endoftext|>", 151643 }, { "<|im_start|>", 151644 }, { "<|im_end|>", 151645 }, { NULL, 0 },
};
static const struct known { int32_t ranks; const char *name, *preset; const struct special *special; } known[] = {
    { 50256, "r50k_base", "gpt-2", gpt2_special },      { 50280, "p50k_base", "gpt-2", gpt2_special },
    { 100256, "cl100k_base", "llama-bpe", cl100k_special }, { 128000, "llama3", "llama-bpe", llama3_special },
    { 151643, "qwen", "qwen2", qwen_special },          { 199998, "o200k_base", "gpt-4o", o200k_special },
};

struct reading { struct lt_buf text; size_t *at; uint32_t *rank; int32_t count, cap; };

static int read_line(struct reading *r, int64_t number, struct lt_str line, struct lt_buf *bytes)
{
    struct lt_str rest = line, token;
    int64_t rank;
    if (!lt_str_split(&rest, ' ', &token) || !rest.p || lt_str_int(rest, &rank) || rank < 0 || rank >= LT_TOK_IDS_MAX)
        return lt_fail("line %lld: \"BASE64 RANK\" was expected", (long long)number);
    lt_buf_clear(bytes);
    if (!lt_tok_base64(token, bytes) || !bytes->n || bytes->n > LT_TOK_PIECE_MAX / 2)
        return lt_fail("line %lld: \"%.*s\" is not a token in base64", (long long)number, (int)LT_MIN(token.n, 40),
                       token.p);
    if (r->count == LT_TOK_IDS_MAX)
        return lt_fail("more than %d tokens", LT_TOK_IDS_MAX);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 1024;
        r->at = lt_realloc(r->at, ((size_t)r->cap + 1) * sizeof *r->at);
        r->rank = lt_realloc(r->rank, (size_t)r->cap * sizeof *r->rank);
    }
    r->at[r->count] = r->text.n;
    r->rank[r->count++] = (uint32_t)rank;
    lt_tok_spell(&r->text, lt_buf_view(bytes));
    r->at[r->count] = r->text.n;
    return 0;
}

static int read_lines(struct reading *r, struct lt_str text)
{
    struct lt_buf bytes = { 0 };
    struct lt_str line;
    int rc = 0;
    for (int64_t number = 1; rc == 0 && lt_str_split(&text, '\n', &line); number++) {
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n)
            rc = read_line(r, number, line, &bytes);
    }
    lt_buf_free(&bytes);
    return rc || r->count ? rc : lt_fail("no tokens");
}

/* Ids are ranks; gaps are left (p50k has one where its special token lies). */
static int place(const struct reading *r, struct lt_str **piece, int32_t *count)
{
    uint32_t top = 0;
    for (int32_t i = 0; i < r->count; i++)
        top = LT_MAX(top, r->rank[i] + 1);
    if (top > 2 * (uint32_t)r->count + 1024)
        return lt_fail("rank %u is out of range for %d tokens", top - 1, r->count);
    *piece = lt_calloc(top, sizeof **piece);
    *count = (int32_t)top;
    for (int32_t i = 0; i < r->count; i++) {
        if ((*piece)[r->rank[i]].p)
            return lt_fail("rank %u comes twice", r->rank[i]);
        (*piece)[r->rank[i]] = (struct lt_str){ r->text.p + r->at[i], r->at[i + 1] - r->at[i] };
    }
    return 0;
}

static int find_known(int32_t ranks, const struct known **out)
{
    struct lt_buf all = { 0 };
    for (int i = 0; i < LT_COUNT(known); i++) {
        if (known[i].ranks == ranks) {
            *out = &known[i];
            lt_buf_free(&all);
            return 0;
        }
        lt_buf_fmt(&all, "%s%s %d", i ? ", " : "", known[i].name, known[i].ranks);
    }
    lt_fail("a .tiktoken file does not hold its pattern, and none is known for %d tokens (known: %s); convert it to "
            "tokenizer.json", ranks, all.p);
    lt_buf_free(&all);
    return -1;
}

static int build(const struct reading *r, struct lt_str *piece, int32_t count, struct lt_tokenizer **out)
{
    const struct known *k;
    if (find_known(r->count, &k))
        return -1;
    struct lt_tok_added added[16];
    int added_count = 0;
    for (const struct special *s = k->special; s->content; s++)
        added[added_count++] = (struct lt_tok_added){ .id = s->id, .content = lt_str(s->content), .special = true };
    uint32_t *rank = lt_alloc((size_t)count * sizeof *rank);
    for (int32_t i = 0; i < count; i++)
        rank[i] = piece[i].p ? (uint32_t)i : UINT32_MAX;
    struct lt_tok_merges m;
    lt_tok_derive_merges(piece, count, rank, &m);
    struct lt_tok_spec s = {
        .kind = LT_TOK_BPE, .count = count, .piece = piece, .merge = m.merge, .merge_count = m.count,
        .added = added, .added_count = added_count, .pre_tokenizer = lt_tok_preset(k->preset),
        .decoder = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}",
        .unk_id = -1, .ignore_merges = true, .bos = -2, .eos = -2,
    };
    int rc = lt_tokenizer_build(&s, out);
    free(m.merge);
    free(rank);
    return rc;
}

int lt_tok_read_tiktoken(const char *name, struct lt_str text, struct lt_tokenizer **out)
{
    struct reading r = { 0 };
    struct lt_str *piece = NULL;
    int32_t count = 0;
    int rc = read_lines(&r, text) || place(&r, &piece, &count) || build(&r, piece, count, out) ? -1 : 0;
    if (rc)
        lt_fail("%s: %s", name, lt_error());
    free(piece);
    free(r.at);
    free(r.rank);
    lt_buf_free(&r.text);
    return rc;
}
