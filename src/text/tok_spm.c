/* Reads sentencepiece's .model, a protobuf message (src/sentencepiece_model.proto), parsed by hand.
 *
 * Its normaliser becomes a chain: the compiled map, extra spaces, the dummy prefix, U+2581 for spaces.  User-defined
 * symbols of a Unigram model keep the score sentencepiece gives them on the way (their length times the best score,
 * less 0.1); those of a BPE model are added tokens.  Control pieces are never found in a text. */
#include "text/tok_derive.h"
#include "text/tok_char.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81"
enum { UNIGRAM = 1, BPE, WORD, CHAR };
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct reading {
    struct lt_str *piece;
    double *score;
    uint8_t *type;
    int32_t count, cap;
    int64_t model, bos, eos;
    bool suffix_space, byte_fallback, dummy_prefix, extra_spaces, escape;
    struct lt_str charsmap;
    struct lt_buf normalizer;
    struct lt_tok_added *added;
    int added_count;
};

/* ---- protobuf ---- */
struct field { uint32_t number; int wire; uint64_t value; struct lt_str bytes; };

static bool varint(struct lt_str *s, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && s->n; shift += 7) {
        uint8_t c = (uint8_t)*s->p;
        *s = (struct lt_str){ s->p + 1, s->n - 1 };
        *out |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80)
            return true;
    }
    return false;
}

/* The next field of a message: 1, 0 at the end, -1: lt_error. */
static int next_field(struct lt_str *s, struct field *f)
{
    uint64_t key, size = 0;
    if (!s->n)
        return 0;
    if (!varint(s, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
        return lt_fail("a field's key is damaged");
    *f = (struct field){ .number = (uint32_t)(key >> 3), .wire = (int)(key & 7) };
    if (f->wire == 0)
        return varint(s, &f->value) ? 1 : lt_fail("field %u is cut short", f->number);
    if (f->wire == 2 && !varint(s, &size))
        return lt_fail("field %u is cut short", f->number);
    if (f->wire != 1 && f->wire != 2 && f->wire != 5)
        return lt_fail("field %u is of a kind (%d) that is not used there", f->number, f->wire);
    size = f->wire == 1 ? 8 : f->wire == 5 ? 4 : size;
    if (size > s->n)
        return lt_fail("field %u needs %llu bytes, %zu are left", f->number, (unsigned long long)size, s->n);
    f->bytes = (struct lt_str){ s->p, (size_t)size };
    *s = (struct lt_str){ s->p + size, s->n - (size_t)size };
    return 1;
}

static double float_of(const struct field *f)
{
    float v = 0;
    if (f->wire == 5)
        memcpy(&v, f->bytes.p, sizeof v);
    return v;
}

/* ---- the messages ---- */
static int read_piece(struct reading *r, struct lt_str m)
{
    struct lt_str text = { NULL, 0 };
    double score = 0;
    uint64_t type = NORMAL;
    struct field f;
    int rc;
    while ((rc = next_field(&m, &f)) == 1) {
        if (f.number == 1)
            text = f.bytes;
        else if (f.number == 2)
            score = float_of(&f);
        else if (f.number == 3)
            type = f.value;
    }
    if (rc)
        return -1;
    if (!text.n || !isfinite(score) || type < NORMAL || type > BYTE || r->count == LT_TOK_IDS_MAX)
        return lt_fail("piece %d needs a text, a finite score and a type from 1 to 6", r->count);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 1024;
        r->piece = lt_realloc(r->piece, (size_t)r->cap * sizeof *r->piece);
        r->score = lt_realloc(r->score, (size_t)r->cap * sizeof *r->score);
        r->type = lt_realloc(r->type, (size_t)r->cap);
    }
    r->piece[r->count] = text;
    r->score[r->count] = score;
    r->type[r->count++] = (uint8_t)type;
    return 0;
}

static int read_trainer(struct reading *r, struct lt_str m)
{
    struct field f;
    int rc;
    while ((rc = next_field(&m, &f)) == 1) {
        int64_t v = (int32_t)f.value;
        switch (f.number) {
            case 3: r->model = v; break;
            case 24: r->suffix_space = v; break;
            case 35: r->byte_fallback = v; break;
            case 41: r->bos = v; break;
            case 42: r->eos = v; break;
            default: break;
        }
    }
    return rc;
}

static int read_normalizer(struct reading *r, struct lt_str m)
{
    struct field f;
    int rc;
    while ((rc = next_field(&m, &f)) == 1) {
        switch (f.number) {
            case 2: r->charsmap = f.bytes; break;
            case 3: r->dummy_prefix = f.value; break;
            case 4: r->extra_spaces = f.value; break;
            case 5: r->escape = f.value; break;
            default: break;
        }
    }
    return rc;
}

static int read_model(struct reading *r, struct lt_str m)
{
    struct field f;
    int rc;
    while ((rc = next_field(&m, &f)) == 1) {
        if (f.wire != 2 || f.number > 3)
            continue;
        if (f.number == 1 ? read_piece(r, f.bytes) : f.number == 2 ? read_trainer(r, f.bytes)
                                                                     : read_normalizer(r, f.bytes))
            return -1;
    }
    if (rc)
        return -1;
    if (!r->count)
        return lt_fail("no pieces: not a sentencepiece model");
    if (r->model != UNIGRAM && r->model != BPE && r->model != CHAR)
        return lt_fail("models of kind %lld are not supported; unigram (1), bpe (2) and char (4) are",
                       (long long)r->model);
    if (r->suffix_space)
        return lt_fail("treat_whitespace_as_suffix is not supported");
    if (!r->escape)
        return lt_fail("escape_whitespaces = false is not supported");
    return 0;
}

/* ---- the spec ---- */
static void list_added(struct reading *r)
{
    r->added = lt_calloc((size_t)r->count, sizeof *r->added);
    for (int32_t i = 0; i < r->count; i++) {
        bool user = r->type[i] == USER_DEFINED && r->model != UNIGRAM;
        if (r->type[i] == CONTROL || r->type[i] == UNKNOWN || user)
            r->added[r->added_count++] = (struct lt_tok_added){ .id = i, .content = r->piece[i], .special = !user,
                                                                .unseen = !user };
    }
}

/* Scores of a Unigram model as they count on the way; an unused piece gets one that nothing reaches. */
static void adjust_scores(struct reading *r)
{
    double best = -INFINITY;
    for (int32_t i = 0; i < r->count; i++)
        if (r->type[i] == NORMAL)
            best = LT_MAX(best, r->score[i]);
    for (int32_t i = 0; i < r->count; i++) {
        if (r->type[i] == USER_DEFINED)
            r->score[i] = (float)((double)r->piece[i].n * best - 0.1);
        else if (r->type[i] == UNUSED)
            r->score[i] = -1e300;
    }
}

static int build(struct reading *r, struct lt_tokenizer **out)
{
    struct lt_tok_merges m = { 0 };
    uint32_t *rank = lt_calloc((size_t)r->count, sizeof *rank);
    for (int32_t i = 0; i < r->count; i++)
        rank[i] = r->type[i] == NORMAL ? 0 : UINT32_MAX;
    if (r->model == BPE) {
        lt_tok_rank_scores(r->score, r->count, rank);
        lt_tok_derive_merges(r->piece, r->count, rank, &m);
    } else if (r->model == UNIGRAM) {
        adjust_scores(r);
    }
    const char *unk = NULL;
    int32_t unk_id = -1;
    for (int32_t i = 0; i < r->count && unk_id < 0; i++)
        unk_id = r->type[i] == UNKNOWN ? i : -1;
    struct lt_buf name = { 0 };
    if (unk_id >= 0) {
        lt_buf_put(&name, r->piece[unk_id].p, r->piece[unk_id].n);
        unk = name.p;
    }
    list_added(r);
    lt_tok_spm_normalizer(r->charsmap, r->extra_spaces, r->dummy_prefix, &r->normalizer);
    struct lt_tok_spec s = {
        .kind = r->model == UNIGRAM ? LT_TOK_UNIGRAM : LT_TOK_BPE, .count = r->count, .piece = r->piece,
        .score = r->score, .merge = m.merge, .merge_count = m.count, .added = r->added, .added_count = r->added_count,
        .normalizer = r->normalizer.p, .unk = unk, .unk_id = unk_id, .byte_fallback = r->byte_fallback,
        .fuse_unk = true, .single_precision = true,
        .decoder = lt_tok_spm_decoder(r->dummy_prefix),
        .bos = r->bos >= 0 && r->bos < r->count ? (int32_t)r->bos : -1,
        .eos = r->eos >= 0 && r->eos < r->count ? (int32_t)r->eos : -1,
    };
    int rc = lt_tokenizer_build(&s, out);
    lt_buf_free(&name);
    free(m.merge);
    free(rank);
    return rc;
}

int lt_tok_read_spm(const char *name, struct lt_str bytes, struct lt_tokenizer **out)
{
    struct reading r = { .model = UNIGRAM, .bos = 1, .eos = 2, .dummy_prefix = true, .extra_spaces = true,
                         .escape = true };
    int rc = read_model(&r, bytes) || build(&r, out) ? -1 : 0;
    if (rc)
        lt_fail("%s: %s", name, lt_error());
    free(r.piece);
    free(r.score);
    free(r.type);
    free(r.added);
    lt_buf_free(&r.normalizer);
    return rc;
}
