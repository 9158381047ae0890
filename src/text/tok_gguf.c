/* Reads the tokenizer of a GGUF file: byte-level BPE ("gpt2"), sentencepiece's BPE by scores ("llama") and Unigram
 * ("t5"), WordPiece ("bert").  Defaults of what a file leaves out are llama.cpp's. */
#include "text/tok_gguf.h"
#include "base/json.h"
#include "text/tok.h"
#include "text/tok_derive.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81"
#define KEY(name) "tokenizer.ggml." name
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct reading {
    const struct lt_gguf *g;
    struct lt_str *piece, *merge;
    int64_t *type;                      /* NULL: all are NORMAL */
    double *score;
    uint64_t count, merge_count;
    int64_t bos, eos, unk;
    bool add_bos, add_eos, space_prefix, extra_spaces, ignore_merges;
    struct lt_tok_added *added;
    int added_count;
    struct lt_arena arena;              /* of pieces that are spelt anew */
    struct lt_buf post;
};

static int type_of(const struct reading *r, uint64_t i) { return r->type ? (int)r->type[i] : NORMAL; }

/* ---- the keys ---- */

static int read_lists(struct reading *r)
{
    uint64_t types = 0, scores = 0;
    const struct lt_gguf *g = r->g;
    int rc = lt_gguf_strings(g, KEY("tokens"), &r->piece, &r->count);
    if (rc <= 0) return rc ? -1 : lt_fail("%s: no tokenizer: " KEY("tokens") " is missing", g->label);
    if (!r->count || r->count > LT_TOK_IDS_MAX)
        return lt_fail("%s: %" PRIu64 " tokens; 1 to %d are possible", g->label, r->count, LT_TOK_IDS_MAX);
    if (lt_gguf_ints(g, KEY("token_type"), &r->type, &types) < 0
        || lt_gguf_reals(g, KEY("scores"), &r->score, &scores) < 0
        || lt_gguf_strings(g, KEY("merges"), &r->merge, &r->merge_count) < 0)
        return -1;
    if ((r->type && types != r->count) || (r->score && scores != r->count))
        return lt_fail("%s: %" PRIu64 " tokens, but %" PRIu64 " types and %" PRIu64 " scores", g->label, r->count,
                       types, scores);
    for (uint64_t i = 0; i < r->count; i++)
        if (type_of(r, i) < NORMAL || type_of(r, i) > BYTE || (r->score && !isfinite(r->score[i])))
            return lt_fail("%s: token %" PRIu64 " needs a type from 1 to 6 and a finite score", g->label, i);
    return 0;
}

static int read_ids(struct reading *r)
{
    const struct { const char *key; int64_t *at; } row[] = {
        { KEY("bos_token_id"), &r->bos },
        { KEY("eos_token_id"), &r->eos },
        { KEY("unknown_token_id"), &r->unk },
    };
    for (int i = 0; i < LT_COUNT(row); i++)
        if (lt_gguf_int(r->g, row[i].key, 0, UINT32_MAX, row[i].at) < 0) return -1;
    if (lt_gguf_bool(r->g, KEY("add_bos_token"), &r->add_bos) < 0
        || lt_gguf_bool(r->g, KEY("add_eos_token"), &r->add_eos) < 0
        || lt_gguf_bool(r->g, KEY("add_space_prefix"), &r->space_prefix) < 0
        || lt_gguf_bool(r->g, KEY("remove_extra_whitespaces"), &r->extra_spaces) < 0)
        return -1;
    return 0;
}

/* An id that is no piece is how some writers say "none". */
static void settle_ids(struct reading *r)
{
    int64_t *const id[] = { &r->bos, &r->eos, &r->unk };
    for (int i = 0; i < LT_COUNT(id); i++)
        if (*id[i] >= (int64_t)r->count || (*id[i] >= 0 && !r->piece[*id[i]].p)) *id[i] = -1;
}

/* ---- what all kinds share ---- */

/* Ids that only fill up the embedding, "[PAD50258]" and the like, are no pieces. */
static void drop_padding(struct reading *r)
{
    while (r->count > 1 && type_of(r, r->count - 1) == UNUSED
           && lt_str_starts(r->piece[r->count - 1], "[PAD"))
        r->count--;
    for (uint64_t i = 0; i < r->count; i++)
        if (type_of(r, i) == UNUSED && lt_str_starts(r->piece[i], "[PAD")) r->piece[i] = (struct lt_str){ 0 };
}

static void list_added(struct reading *r)
{
    r->added = lt_calloc((size_t)r->count, sizeof *r->added);
    for (uint64_t i = 0; i < r->count; i++) {
        int type = type_of(r, i);
        if (type != CONTROL && type != UNKNOWN && type != USER_DEFINED) continue;
        r->added[r->added_count++] = (struct lt_tok_added){ .id = (int32_t)i, .content = r->piece[i],
                                                            .special = type != USER_DEFINED };
    }
}

static void put_special(struct reading *r, bool there, int64_t id, bool last)
{
    if (!there || id < 0) return;
    lt_buf_fmt(&r->post, "%s{\"SpecialToken\":{\"id\":\"%" PRId64 "\",\"type_id\":0}}%s", last ? "," : "", id,
               last ? "" : ",");
}

/* Special tokens of the template go by their ids, since a spelling might need escaping. */
static void spell_post(struct reading *r)
{
    bool bos = r->add_bos && r->bos >= 0, eos = r->add_eos && r->eos >= 0;
    if (!bos && !eos) return;
    lt_buf_str(&r->post, "{\"type\":\"TemplateProcessing\",\"single\":[");
    put_special(r, bos, r->bos, false);
    lt_buf_str(&r->post, "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
    put_special(r, eos, r->eos, true);
    lt_buf_str(&r->post, "],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\","
                         "\"type_id\":1}}],\"special_tokens\":{");
    const int64_t id[] = { bos ? r->bos : -1, eos && (!bos || r->eos != r->bos) ? r->eos : -1 };
    for (int i = 0, any = 0; i < 2; i++) {
        if (id[i] < 0) continue;
        lt_buf_fmt(&r->post, "%s\"%" PRId64 "\":{\"id\":\"%" PRId64 "\",\"ids\":[%" PRId64 "],\"tokens\":[",
                   any ? "," : "", id[i], id[i], id[i]);
        lt_json_put_exact(&r->post, r->piece[id[i]]);
        lt_buf_str(&r->post, "]}");
        any = 1;
    }
    lt_buf_str(&r->post, "}}");
}

static int finish(struct reading *r, struct lt_tok_spec *s, struct lt_tokenizer **out)
{
    spell_post(r);
    s->count = (int32_t)r->count;
    s->piece = r->piece;
    s->added = r->added;
    s->added_count = r->added_count;
    s->post_processor = r->post.p;
    s->bos = (int32_t)r->bos;
    s->eos = (int32_t)r->eos;
    return lt_tokenizer_build(s, out);
}

/* ---- "gpt2": byte-level BPE ---- */

/* Further names that llama.cpp has for a way to split that is known under another. */
static const char *preset_of(const char *name)
{
    static const struct { const char *name, *same; } row[] = {
        { "deepseek-r1-qwen", "qwen2" }, { "exaone4", "gpt-2" },    { "falcon3", "llama-bpe" },
        { "llama-v3", "llama-bpe" },     { "llama3", "llama-bpe" }, { "pixtral", "llama-bpe" },
    };
    for (int i = 0; i < LT_COUNT(row); i++)
        if (!strcmp(name, row[i].name)) return row[i].same;
    return name;
}

/* "left right", each a piece; a space may stand only between the two, byte-level pieces hold none. */
static int read_merges(struct reading *r, struct lt_tok_merge **out)
{
    struct lt_tok_index x;
    struct lt_buf both = { 0 };
    int rc = 0;
    *out = lt_calloc((size_t)r->merge_count + 1, sizeof **out);
    lt_tok_index_build(&x, r->piece, (int32_t)r->count);
    for (uint64_t i = 0; i < r->merge_count && !rc; i++) {
        struct lt_str right = r->merge[i], left;
        lt_str_split(&right, ' ', &left);
        lt_buf_clear(&both);
        lt_buf_put(&both, left.p, left.n);
        lt_buf_put(&both, right.p, right.p ? right.n : 0);
        struct lt_tok_merge m = { .rank = (uint32_t)i };
        m.left = lt_tok_index_find(&x, left.p, left.n);
        m.right = right.p ? lt_tok_index_find(&x, right.p, right.n) : -1;
        m.into = lt_tok_index_find(&x, both.p, both.n);
        if (m.left < 0 || m.right < 0 || m.into < 0)
            rc = lt_fail("%s: merge %" PRIu64 ", \"%.*s\", is not of two tokens into a third", r->g->label, i,
                         (int)LT_MIN(r->merge[i].n, 96), r->merge[i].p);
        (*out)[i] = m;
    }
    lt_tok_index_free(&x);
    lt_buf_free(&both);
    return rc;
}

static int build_bytes(struct reading *r, struct lt_tokenizer **out)
{
    struct lt_str pre = { 0 };
    char name[64];
    int there = lt_gguf_str(r->g, KEY("pre"), &pre);
    if (there < 0) return -1;
    if (!there)
        return lt_fail("%s: " KEY("pre") " is missing, so how its text falls into words is not known: the file was "
                       "made by an old converter", r->g->label);
    snprintf(name, sizeof name, "%.*s", (int)LT_MIN(pre.n, sizeof name - 1), pre.p);
    const char *known = preset_of(name), *stage = lt_tok_preset(known);
    if (!stage) return lt_fail("%s: " KEY("pre") ": %s", r->g->label, lt_error());
    if (!r->merge) return lt_fail("%s: " KEY("merges") " is missing", r->g->label);
    struct lt_tok_merge *merge;
    struct lt_tok_spec s = {
        .kind = LT_TOK_BPE, .pre_tokenizer = stage, .unk_id = -1,
        .decoder = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}",
        .ignore_merges = lt_tok_preset_whole(known),
    };
    int rc = read_merges(r, &merge);
    s.merge = merge;
    s.merge_count = (size_t)r->merge_count;
    if (!rc) rc = finish(r, &s, out);
    free(merge);
    return rc;
}

/* ---- "llama": the best-scored piece first, bytes for what has none ---- */

static int build_scores(struct reading *r, struct lt_tokenizer **out)
{
    if (!r->score) return lt_fail("%s: " KEY("scores") " is missing", r->g->label);
    struct lt_tok_merges m = { 0 };
    struct lt_buf unk = { 0 };
    uint32_t *rank = lt_calloc((size_t)r->count, sizeof *rank);
    for (uint64_t i = 0; i < r->count; i++) rank[i] = type_of(r, i) == NORMAL ? 0 : UINT32_MAX;
    lt_tok_rank_scores(r->score, (int32_t)r->count, rank);
    lt_tok_derive_merges(r->piece, (int32_t)r->count, rank, &m);
    if (r->unk >= 0) lt_buf_put(&unk, r->piece[r->unk].p, r->piece[r->unk].n);
#define PREPEND "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"},"
#define SPACES "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define TEXT "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK "\"},\"content\":\" \"}," \
             "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
    struct lt_tok_spec s = {
        .kind = LT_TOK_BPE, .merge = m.merge, .merge_count = m.count, .byte_fallback = true, .fuse_unk = true,
        .unk = unk.p, .unk_id = -1,
        .normalizer = r->space_prefix ? "{\"type\":\"Sequence\",\"normalizers\":[" PREPEND SPACES "]}"
                                      : "{\"type\":\"Sequence\",\"normalizers\":[" SPACES "]}",
        .decoder = r->space_prefix ? "{\"type\":\"Sequence\",\"decoders\":[" TEXT ",{\"type\":\"Strip\",\"content\":\" "
                                     "\",\"start\":1,\"stop\":0}]}"
                                   : "{\"type\":\"Sequence\",\"decoders\":[" TEXT "]}",
    };
    int rc = finish(r, &s, out);
    free(m.merge);
    free(rank);
    lt_buf_free(&unk);
    return rc;
}

/* ---- "t5": sentencepiece's Unigram ---- */

/* Bytes of a list of numbers of one byte each; n 0: there is none. */
static int read_charsmap(const struct reading *r, struct lt_str *out)
{
    const struct lt_gguf_key *k = lt_gguf_find(r->g, KEY("precompiled_charsmap"));
    *out = (struct lt_str){ 0 };
    if (!k) return 0;
    if (!k->array || (k->type != LT_GGUF_U8 && k->type != LT_GGUF_I8))
        return lt_fail("%s: " KEY("precompiled_charsmap") " must be a list of bytes", r->g->label);
    *out = k->bytes;
    return 0;
}

/* llama.cpp drops spaces that are too many and puts one before every word, so before the first too. */
static int build_unigram(struct reading *r, struct lt_tokenizer **out)
{
    struct lt_str charsmap;
    struct lt_buf normalizer = { 0 };
    if (!r->score) return lt_fail("%s: " KEY("scores") " is missing", r->g->label);
    if (r->unk < 0) return lt_fail("%s: " KEY("unknown_token_id") " is missing or no token", r->g->label);
    if (read_charsmap(r, &charsmap)) return -1;
    bool prefix = r->space_prefix || r->extra_spaces;
    for (uint64_t i = 0; i < r->count; i++)     /* bytes and special tokens are found in no text */
        if (type_of(r, i) != NORMAL && type_of(r, i) != UNUSED) r->score[i] = -1e300;
    lt_tok_spm_normalizer(charsmap, r->extra_spaces, prefix, &normalizer);
    struct lt_tok_spec s = {
        .kind = LT_TOK_UNIGRAM, .score = r->score, .unk_id = (int32_t)r->unk, .normalizer = normalizer.p,
        .decoder = lt_tok_spm_decoder(prefix),
    };
    int rc = finish(r, &s, out);
    lt_buf_free(&normalizer);
    return rc;
}

/* ---- "bert": WordPiece, whose pieces mark the beginning of a word and not its continuation ---- */

static struct lt_str spell_wordpiece(struct reading *r, struct lt_str p)
{
    struct lt_str mark = lt_str(MARK);
    if (p.n >= 2 && p.p[0] == '[' && p.p[p.n - 1] == ']') return p;
    if (lt_str_starts(p, MARK)) return (struct lt_str){ p.p + mark.n, p.n - mark.n };
    char *text = lt_arena_take(&r->arena, p.n + 2);
    memcpy(text, "##", 2);
    memcpy(text + 2, p.p, p.n);
    return (struct lt_str){ text, p.n + 2 };
}

static int build_wordpiece(struct reading *r, struct lt_tokenizer **out)
{
    struct lt_buf unk = { 0 };
    if (r->unk < 0) return lt_fail("%s: " KEY("unknown_token_id") " is missing or no token", r->g->label);
    for (uint64_t i = 0; i < r->count; i++)
        if (r->piece[i].p) r->piece[i] = spell_wordpiece(r, r->piece[i]);
    for (int i = 0; i < r->added_count; i++) r->added[i].content = r->piece[r->added[i].id];
    lt_buf_put(&unk, r->piece[r->unk].p, r->piece[r->unk].n);
    struct lt_tok_spec s = {
        .kind = LT_TOK_WORDPIECE, .prefix = "##", .unk = unk.p, .unk_id = -1, .max_word = 100,
        .normalizer = "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,"
                      "\"strip_accents\":null,\"lowercase\":true}",
        .pre_tokenizer = "{\"type\":\"BertPreTokenizer\"}",
        .decoder = "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
    };
    int rc = finish(r, &s, out);
    lt_buf_free(&unk);
    return rc;
}

static int bert_ids(struct reading *r)
{
    r->bos = 101;
    r->eos = 102;
    r->unk = 100;
    r->add_bos = r->add_eos = true;
    if (lt_gguf_int(r->g, KEY("cls_token_id"), 0, UINT32_MAX, &r->bos) < 0
        || lt_gguf_int(r->g, KEY("seperator_token_id"), 0, UINT32_MAX, &r->eos) < 0
        || read_ids(r))
        return -1;
    return 0;
}

/* ---- the whole ---- */

static int read_kind(struct reading *r, struct lt_tokenizer **out)
{
    static const struct {
        const char *name;
        int64_t bos, eos, unk;
        bool add_bos, add_eos, space_prefix;
        int (*build)(struct reading *r, struct lt_tokenizer **out);
    } kind[] = {
        { "gpt2", 11, 11, -1, false, false, true, build_bytes }, { "llama", 1, 2, 0, true, false, true, build_scores },
        { "t5", -1, 1, 2, false, true, false, build_unigram },
        { "bert", 101, 102, 100, true, true, true, build_wordpiece },
    };
    struct lt_str model = { 0 };
    int there = lt_gguf_str(r->g, KEY("model"), &model);
    if (there <= 0) return there ? -1 : lt_fail("%s: no tokenizer: " KEY("model") " is missing", r->g->label);
    for (int i = 0; i < LT_COUNT(kind); i++) {
        if (!lt_str_is(model, kind[i].name)) continue;
        r->bos = kind[i].bos;
        r->eos = kind[i].eos;
        r->unk = kind[i].unk;
        r->add_bos = kind[i].add_bos;
        r->add_eos = kind[i].add_eos;
        r->space_prefix = kind[i].space_prefix;
        if (read_lists(r)) return -1;
        if (kind[i].build == build_wordpiece ? bert_ids(r) : read_ids(r)) return -1;
        drop_padding(r);
        settle_ids(r);
        list_added(r);
        return kind[i].build(r, out);
    }
    return lt_fail("%s: tokenizers of the kind \"%.*s\" are not read; gpt2, llama, t5 and bert are", r->g->label,
                   (int)LT_MIN(model.n, 40), model.p);
}

int lt_tok_of_ggml_keys(const struct lt_gguf *g, struct lt_tokenizer **out)
{
    struct reading r = { .g = g };
    int rc = read_kind(&r, out);
    if (rc && !strstr(lt_error(), g->label)) lt_fail("%s: %s", g->label, lt_error());
    free(r.piece);
    free(r.merge);
    free(r.type);
    free(r.score);
    free(r.added);
    lt_arena_free(&r.arena);
    lt_buf_free(&r.post);
    return rc ? -1 : 0;
}

/* ---- a tokenizer.json inside ---- */

/* Whoever changed one of the two and not the other must hear of it. */
static int check_same(const struct lt_gguf *g, const struct lt_tokenizer *t)
{
    struct lt_str *piece = NULL, model = { 0 };
    uint64_t count = 0;
    if (lt_gguf_strings(g, KEY("tokens"), &piece, &count) < 0 || lt_gguf_str(g, KEY("model"), &model) < 0) return -1;
    int rc = 0;
    bool spelt_alike = piece && !lt_str_is(model, "bert");
    if (piece && (uint64_t)t->size > count)
        rc = lt_fail("%s: tokenizer.huggingface.json has ids up to %d and " KEY("tokens") " has %" PRIu64, g->label,
                     t->size - 1, count);
    for (int32_t i = 0; spelt_alike && !rc && i < t->size; i++)
        if (t->piece[i].p && !lt_str_eq(t->piece[i], piece[i]))
            rc = lt_fail("%s: token %d is \"%.*s\" in tokenizer.huggingface.json and \"%.*s\" in " KEY("tokens"),
                         g->label, i, (int)LT_MIN(t->piece[i].n, 40), t->piece[i].p, (int)LT_MIN(piece[i].n, 40),
                         piece[i].p);
    free(piece);
    return rc;
}

/* tokenizer.json says no begin and end but by its rules and usual names; where those say nothing, the keys do. */
static int ends_of_json(const struct lt_gguf *g, struct lt_tokenizer *t)
{
    const struct { const char *key; int32_t *at; } row[] = { { KEY("bos_token_id"), &t->bos },
                                                             { KEY("eos_token_id"), &t->eos } };
    for (int i = 0; i < LT_COUNT(row); i++) {
        int64_t id = 0;
        int rc = lt_gguf_int(g, row[i].key, 0, UINT32_MAX, &id);
        if (rc < 0) return -1;
        if (rc && *row[i].at < 0 && id < t->size && t->piece[id].p) *row[i].at = (int32_t)id;
    }
    return 0;
}

int lt_tok_of_gguf(const struct lt_gguf *g, struct lt_tokenizer **out)
{
    struct lt_str json = { 0 };
    int there = lt_gguf_str(g, "tokenizer.huggingface.json", &json);
    if (there <= 0) return there ? -1 : lt_tok_of_ggml_keys(g, out);
    char label[256];
    snprintf(label, sizeof label, "%.200s: tokenizer.huggingface.json", g->label);
    if (lt_tok_read_json(label, json, out)) return -1;
    if (!check_same(g, *out) && !ends_of_json(g, *out)) return 0;
    lt_tokenizer_free(*out);
    *out = NULL;
    return -1;
}

bool lt_tok_in_gguf(const struct lt_gguf *g)
{
    struct lt_str model = { 0 };
    if (lt_gguf_find(g, "tokenizer.huggingface.json")) return true;
    return lt_gguf_find(g, KEY("tokens")) && lt_gguf_str(g, KEY("model"), &model) > 0 && !lt_str_is(model, "no_vocab");
}

int lt_tok_read_gguf(const char *name, struct lt_str bytes, struct lt_tokenizer **out)
{
    struct lt_gguf *g;
    if (lt_gguf_parse(bytes.p, bytes.n, name, &g)) return -1;
    int rc = lt_tok_of_gguf(g, out);
    lt_gguf_free(g);
    return rc;
}
