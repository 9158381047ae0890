/* Reads llama2.c's tokenizer.bin: i32 length of the longest piece; then for every piece f32 score, i32 length, bytes,
 * until the file ends.  Pieces hold spaces as they are; 0 is the unknown piece, 1 and 2 begin and end a text, 3 .. 258
 * are the bytes. */
#include "text/tok_derive.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct reading { struct lt_str *piece; double *score; int32_t count; };

static int32_t int_at(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;
    return (int32_t)((uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24);
}

static int read_pieces(struct reading *r, struct lt_str b)
{
    int32_t longest = b.n >= 4 ? int_at(b.p) : 0, cap = 0;
    if (longest < 1 || longest > LT_TOK_PIECE_MAX)
        return lt_fail("the longest piece is said to have %d bytes; 1 to %d are possible", longest, LT_TOK_PIECE_MAX);
    for (size_t at = 4; at < b.n; r->count++) {
        int32_t size = b.n - at >= 8 ? int_at(b.p + at + 4) : -1;
        if (size < 0 || size > longest || b.n - at - 8 < (size_t)size || r->count == LT_TOK_IDS_MAX)
            return lt_fail("byte %zu: piece %d is cut short or longer than %d bytes", at, r->count, longest);
        if (r->count == cap) {
            cap = cap ? 2 * cap : 1024;
            r->piece = lt_realloc(r->piece, (size_t)cap * sizeof *r->piece);
            r->score = lt_realloc(r->score, (size_t)cap * sizeof *r->score);
        }
        float score;
        int32_t bits = int_at(b.p + at);
        memcpy(&score, &bits, sizeof score);
        if (!isfinite(score))
            return lt_fail("byte %zu: the score of piece %d is not a finite number", at, r->count);
        r->score[r->count] = score;
        r->piece[r->count] = (struct lt_str){ b.p + at + 8, (size_t)size };
        at += 8 + (size_t)size;
    }
    return r->count >= 259 ? 0 : lt_fail("%d pieces are too few: llama2.c has 3 special ones and 256 bytes", r->count);
}

/* The first three spell "<unk>", "\n<s>\n", "\n</s>\n" in the files; they are known by their place.  The bytes are
 * known by theirs too, and get the spelling that byte fallback looks for. */
static int build(struct reading *r, struct lt_tokenizer **out)
{
    static const char *const ends[] = { "<unk>", "<s>", "</s>" };
    char bytes[256][8];
    for (int i = 0; i < 259; i++) {
        if (i >= 3)
            snprintf(bytes[i - 3], sizeof bytes[0], "<0x%02X>", i - 3);
        r->piece[i] = lt_str(i < 3 ? ends[i] : bytes[i - 3]);
    }
    struct lt_tok_added added[3];
    for (int i = 0; i < 3; i++)
        added[i] = (struct lt_tok_added){ .id = i, .content = r->piece[i], .special = true, .unseen = true };
    uint32_t *rank = lt_calloc((size_t)r->count, sizeof *rank);
    for (int32_t i = 0; i < 259; i++)
        rank[i] = UINT32_MAX;
    lt_tok_rank_scores(r->score, r->count, rank);
    struct lt_tok_merges m;
    lt_tok_derive_merges(r->piece, r->count, rank, &m);
    struct lt_tok_spec s = {
        .kind = LT_TOK_BPE, .count = r->count, .piece = r->piece, .merge = m.merge, .merge_count = m.count,
        .added = added, .added_count = 3, .normalizer = "{\"type\":\"Prepend\",\"prepend\":\" \"}",
        .post_processor =
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
            "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
            "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
            "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}}",
        .decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"
                   "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}",
        .unk = "<unk>", .unk_id = -1, .byte_fallback = true, .fuse_unk = true, .bos = 1, .eos = 2,
    };
    int rc = lt_tokenizer_build(&s, out);
    free(m.merge);
    free(rank);
    return rc;
}

int lt_tok_read_llama2c(const char *name, struct lt_str bytes, struct lt_tokenizer **out)
{
    struct reading r = { 0 };
    int rc = read_pieces(&r, bytes) || build(&r, out) ? -1 : 0;
    if (rc)
        lt_fail("%s: %s", name, lt_error());
    free(r.piece);
    free(r.score);
    return rc;
}
