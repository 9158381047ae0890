/* Puts a tokenizer into a GGUF file.  What llama.cpp computes is fixed by the tokenizer's kind and the name of its
 * pre-tokenizer; all else that the tokenizer does is checked against it, and refused by name where it differs. */
#include "text/tok_derive.h"
#include "text/tok_gguf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81"
#define KEY(name) "tokenizer.ggml." name
#define OTHER " (--tokenizer_form json keeps it for lathe alone)"
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct writing {
    const struct lt_tokenizer *t;
    struct lt_gguf_out *w;
    struct lt_buf *note;
    struct lt_tok_gguf_ids ids;
    int64_t rows;
};

/* ---- stages, compared ---- */

/* Two spellings of the same: offsets are not ids, and keeping what is not matched is splitting at what is. */
static void simplify(json_t *j, int depth)
{
    const char *type = json_string_value(json_object_get(j, "type"));
    const char *behavior = json_string_value(json_object_get(j, "behavior"));
    json_object_del(j, "trim_offsets");
    if (type && !strcmp(type, "Split") && behavior && !strcmp(behavior, "Removed")
        && json_is_true(json_object_get(j, "invert"))) {
        json_object_set_new(j, "behavior", json_string("Isolated"));
        json_object_set_new(j, "invert", json_false());
    }
    json_t *list = json_object_get(j, "pretokenizers"), *item;
    size_t i;
    if (depth < 8) json_array_foreach(list, i, item) simplify(item, depth + 1);
}

static bool same_stage(const char *a, const char *b)
{
    if (!a || !b) return a == b;
    json_t *x = json_loads(a, JSON_ALLOW_NUL, NULL), *y = json_loads(b, JSON_ALLOW_NUL, NULL);
    simplify(x, 0);
    simplify(y, 0);
    bool same = x && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

/* ---- what all kinds share ---- */

static int check_post(const struct writing *k, bool *add_bos, bool *add_eos)
{
    const struct lt_tok_post *p = &k->t->post;
    *add_bos = p->before_count == 1;
    *add_eos = p->after_count == 1;
    if (p->before_count > 1 || p->after_count > 1)
        return lt_fail("the tokenizer puts %d tokens before a text and %d behind it; a GGUF file can say one of each"
                       OTHER, p->before_count, p->after_count);
    if (*add_eos && p->after[0] != k->ids.eos)
        return lt_fail("the tokenizer puts token %d behind a text, and the end token is %" PRId64 OTHER, p->after[0],
                       k->ids.eos);
    return 0;
}

static void note_added(const struct writing *k)
{
    int odd = 0;
    for (int i = 0; i < k->t->s.added_count; i++) {
        const struct lt_tok_added *a = &k->t->s.added[i];
        odd += a->lstrip || a->rstrip || a->single_word;
    }
    if (odd)
        lt_buf_fmt(k->note, "%d added tokens take the white space beside them, or stand alone: only "
                            "tokenizer.huggingface.json says so\n", odd);
}

void lt_tok_put_gguf_ids(const struct lt_tok_gguf_ids *ids, struct lt_gguf_out *w)
{
    const struct { const char *key; int64_t id; } row[] = {
        { KEY("bos_token_id"), ids->bos }, { KEY("eos_token_id"), ids->eos }, { KEY("eot_token_id"), ids->eot },
        { KEY("padding_token_id"), ids->pad },
    };
    for (int i = 0; i < LT_COUNT(row); i++)
        if (row[i].id >= 0) lt_gguf_put_u32(w, row[i].key, (uint32_t)row[i].id);
}

static void put_ids(const struct writing *k, bool add_bos, bool add_eos)
{
    lt_tok_put_gguf_ids(&k->ids, k->w);
    if (k->t->unk >= 0) lt_gguf_put_u32(k->w, KEY("unknown_token_id"), (uint32_t)k->t->unk);
    lt_gguf_put_bool(k->w, KEY("add_bos_token"), add_bos);
    lt_gguf_put_bool(k->w, KEY("add_eos_token"), add_eos);
    if (k->ids.eos < 0)
        lt_buf_fmt(k->note, "no token ends a text: llama.cpp assumes one (2, or 11 for byte-level BPE)\n");
}

static bool is_byte(struct lt_str p) { return p.n == 6 && !memcmp(p.p, "<0x", 3) && p.p[5] == '>'; }

/* tokens and token_type for every row of the model's embedding. */
static void put_tokens(const struct writing *k)
{
    const struct lt_tokenizer *t = k->t;
    struct lt_arena names = { 0 };
    struct lt_str *piece = lt_calloc((size_t)k->rows, sizeof *piece);
    int32_t *type = lt_calloc((size_t)k->rows, sizeof *type);
    for (int64_t i = 0; i < k->rows; i++) {
        bool there = i < t->size && t->piece[i].p;
        piece[i] = there ? t->piece[i] : lt_str(lt_arena_fmt(&names, "[PAD%" PRId64 "]", i));
        type[i] = !there ? UNUSED : t->s.byte_fallback && is_byte(piece[i]) ? BYTE : NORMAL;
    }
    for (int i = 0; i < t->s.added_count; i++)
        type[t->s.added[i].id] = t->s.added[i].special ? CONTROL : USER_DEFINED;
    for (int32_t i = 0; t->s.kind == LT_TOK_UNIGRAM && i < t->s.count; i++)
        if (t->s.score[i] < -1e30 && type[i] == NORMAL) type[i] = CONTROL;     /* a piece that is never used */
    if (t->unk >= 0 && (t->s.byte_fallback || t->s.kind == LT_TOK_UNIGRAM)) type[t->unk] = UNKNOWN;
    lt_gguf_put_strings(k->w, KEY("tokens"), piece, (size_t)k->rows);
    lt_gguf_put_i32s(k->w, KEY("token_type"), type, (size_t)k->rows);
    free(piece);
    free(type);
    lt_arena_free(&names);
}

/* ---- byte-level BPE ---- */

static const char *preset_of(const struct lt_tok_spec *s)
{
    const char *const *name = lt_tok_presets();
    static const char *const first[] = { "gpt-2", "llama-bpe", "qwen2", "smollm", NULL };
    for (int pass = 0; pass < 2; pass++)
        for (const char *const *n = pass ? name : first; *n; n++)
            if (lt_tok_preset_whole(*n) == s->ignore_merges && same_stage(s->pre_tokenizer, lt_tok_preset(*n)))
                return *n;
    return NULL;
}

static int check_bytes(const struct writing *k, const char **pre)
{
    const struct lt_tok_spec *s = &k->t->s;
    *pre = preset_of(s);
    if (!*pre)
        return lt_fail("the tokenizer's pre-tokenizer is none of those that llama.cpp knows by name%s" OTHER,
                       s->ignore_merges ? " (with ignore_merges)" : "");
    if (s->normalizer && !strcmp(s->normalizer, "{\"type\":\"NFC\"}"))
        lt_buf_str(k->note, "llama.cpp does not normalise to NFC: text that is not NFC gives other ids there\n");
    else if (s->normalizer)
        return lt_fail("the tokenizer normalises text (%.80s), which GGUF's byte-level BPE does not" OTHER,
                       s->normalizer);
    if (s->prefix || s->suffix) return lt_fail("GGUF's byte-level BPE has no marks for parts of words" OTHER);
    for (size_t i = 1; i < s->merge_count; i++)
        if (s->merge[i].rank == s->merge[i - 1].rank)
            return lt_fail("the tokenizer's merges are those of a bare vocabulary, several of one rank, which a GGUF "
                           "file cannot say" OTHER);
    return 0;
}

static int put_bytes(const struct writing *k)
{
    const struct lt_tok_spec *s = &k->t->s;
    const char *pre;
    bool add_bos, add_eos;
    if (check_bytes(k, &pre) || check_post(k, &add_bos, &add_eos)) return -1;
    struct lt_buf text = { 0 };
    size_t *at = lt_calloc(s->merge_count + 1, sizeof *at);
    for (size_t i = 0; i < s->merge_count; i++) {
        struct lt_str left = s->piece[s->merge[i].left], right = s->piece[s->merge[i].right];
        lt_buf_put(&text, left.p, left.n);
        lt_buf_char(&text, ' ');
        lt_buf_put(&text, right.p, right.n);
        at[i + 1] = text.n;
    }
    struct lt_str *merge = lt_calloc(s->merge_count + 1, sizeof *merge);
    for (size_t i = 0; i < s->merge_count; i++) merge[i] = (struct lt_str){ text.p + at[i], at[i + 1] - at[i] };
    lt_gguf_put_str(k->w, KEY("model"), lt_str("gpt2"));
    lt_gguf_put_str(k->w, KEY("pre"), lt_str(pre));
    put_tokens(k);
    lt_gguf_put_strings(k->w, KEY("merges"), merge, s->merge_count);
    put_ids(k, add_bos, add_eos);
    free(merge);
    free(at);
    lt_buf_free(&text);
    return 0;
}

/* ---- sentencepiece's BPE: the order of merges as scores of pieces ---- */

/* rank: the first merge that makes a piece, UINT32_MAX for those that none makes. */
static void rank_pieces(const struct lt_tok_spec *s, uint32_t *rank)
{
    uint32_t next = 0;
    for (int32_t i = 0; i < s->count; i++) rank[i] = UINT32_MAX;
    for (size_t i = 0; i < s->merge_count; i++)
        if (rank[s->merge[i].into] == UINT32_MAX) rank[s->merge[i].into] = next++;
}

/* By scores, two neighbours join whenever they spell a piece.  So every cut of a piece must be a merge here. */
static int check_merges(const struct lt_tok_spec *s, const uint32_t *rank)
{
    uint32_t *part = lt_calloc((size_t)s->count + 1, sizeof *part);
    struct lt_tok_merges all;
    for (int32_t i = 0; i < s->count; i++)
        part[i] = !s->piece[i].p || is_byte(s->piece[i]) ? UINT32_MAX : LT_MIN(rank[i], UINT32_MAX - 1);
    lt_tok_derive_merges(s->piece, s->count, part, &all);
    int64_t extra = 0;
    struct lt_map known = { 0 };
    for (size_t i = 0; i < s->merge_count; i++) {
        const int32_t pair[2] = { s->merge[i].left, s->merge[i].right };
        bool fresh;
        lt_map_put(&known, (struct lt_str){ (const char *)pair, sizeof pair }, &fresh);
    }
    for (size_t i = 0; i < all.count; i++) {
        const int32_t pair[2] = { all.merge[i].left, all.merge[i].right };
        extra += !lt_map_get(&known, (struct lt_str){ (const char *)pair, sizeof pair });
    }
    size_t derived = all.count;
    lt_map_free(&known);
    free(all.merge);
    free(part);
    if (!extra && derived == s->merge_count) return 0;
    return lt_fail("the tokenizer merges pairs, and GGUF's tokenizers with byte fallback whatever spells a piece: "
                   "%" PRId64 " ways to cut a piece are no merges here" OTHER, extra);
}

/* Whether a space is put before a text; -1: the normaliser is another. */
static int space_prefix(const struct lt_tok_spec *s)
{
#define SPACES "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define WRAP(inside) "{\"type\":\"Sequence\",\"normalizers\":[" inside "]}"
    if (s->pre_tokenizer) return -1;
    if (same_stage(s->normalizer, WRAP("{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"}," SPACES))) return 1;
    return same_stage(s->normalizer, WRAP(SPACES)) || same_stage(s->normalizer, SPACES) ? 0 : -1;
}

static int put_scores(const struct writing *k)
{
    const struct lt_tok_spec *s = &k->t->s;
    bool add_bos, add_eos;
    int prefix = space_prefix(s);
    if (prefix < 0)
        return lt_fail("the tokenizer prepares text in another way than putting U+2581 for spaces, which is all that "
                       "GGUF's tokenizers with byte fallback do" OTHER);
    for (int c = 0; c < 256; c++)
        if (k->t->byte[c] < 0)
            return lt_fail("the tokenizer has no piece <0x%02X>, which GGUF needs" OTHER, (unsigned)c);
    if (check_post(k, &add_bos, &add_eos)) return -1;
    uint32_t *rank = lt_calloc((size_t)s->count + 1, sizeof *rank);
    rank_pieces(s, rank);
    int rc = check_merges(s, rank);
    float *score = lt_calloc((size_t)k->rows, sizeof *score);
    for (int64_t i = 0; i < k->rows; i++)
        score[i] = i < s->count && rank[i] != UINT32_MAX ? -(float)rank[i] : -(float)LT_TOK_IDS_MAX;
    if (!rc) {
        lt_gguf_put_str(k->w, KEY("model"), lt_str("llama"));
        lt_gguf_put_str(k->w, KEY("pre"), lt_str("default"));
        put_tokens(k);
        lt_gguf_put_f32s(k->w, KEY("scores"), score, (size_t)k->rows);
        put_ids(k, add_bos, add_eos);
        lt_gguf_put_bool(k->w, KEY("add_space_prefix"), prefix);
    }
    free(score);
    free(rank);
    return rc;
}

/* ---- Unigram ---- */

/* What of the text is prepared how: by the stages that sentencepiece's models have, or by those of Hugging Face. */
struct preparing { struct lt_buf charsmap; bool extra_spaces, prefix, graphemes; };

/* The compiled map out of a normaliser's JSON; nothing is said when there is none. */
static void find_charsmap(const char *normalizer, struct preparing *p)
{
    json_t *j = normalizer ? json_loads(normalizer, JSON_ALLOW_NUL, NULL) : NULL;
    json_t *first = json_array_get(json_object_get(j, "normalizers"), 0), *stage = first ? first : j;
    const char *map = json_string_value(json_object_get(stage, "precompiled_charsmap"));
    const char *match = json_string_value(json_object_get(stage, "match"));
    if (map) lt_tok_base64(lt_str(map), &p->charsmap);
    p->graphemes = map && (!match || strcmp(match, "longest") != 0);
    json_decref(j);
}

#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\",\"prepend_scheme\":\"always\",\"split\":true}"
#define SPLIT "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"}," METASPACE "]}"

static bool is_prepared(const struct lt_tok_spec *s, struct preparing *p)
{
    bool found = false;
    find_charsmap(s->normalizer, p);
    if (s->pre_tokenizer) {
        bool map_alone = !s->normalizer || (p->charsmap.n && !strstr(s->normalizer, "\"normalizers\""));
        p->prefix = true;
        p->extra_spaces = same_stage(s->pre_tokenizer, SPLIT);
        return map_alone && (p->extra_spaces || same_stage(s->pre_tokenizer, METASPACE));
    }
    for (int i = 0; i < 4 && !found; i++) {
        struct lt_buf want = { 0 };
        lt_tok_spm_normalizer(lt_buf_view(&p->charsmap), i & 1, i >> 1, &want);
        found = same_stage(s->normalizer, want.p);
        p->extra_spaces = i & 1;
        p->prefix = i >> 1;
        lt_buf_free(&want);
    }
    return found && !(p->extra_spaces && !p->prefix);
}

static int check_unigram(const struct writing *k, struct preparing *p)
{
    const struct lt_tok_spec *s = &k->t->s;
    bool bytes = s->byte_fallback;
    for (int c = 0; c < 256; c++) bytes &= k->t->byte[c] >= 0;
    if (!is_prepared(s, p))
        return lt_fail("the tokenizer prepares text in another way than sentencepiece: its compiled map, spaces that "
                       "are too many, U+2581 for spaces; GGUF's Unigram can say no other" OTHER);
    if (bytes)
        return lt_fail("the tokenizer spells what it does not know in bytes, and GGUF's Unigram takes it for unknown"
                       OTHER);
    if (k->t->unk < 0) return lt_fail("the tokenizer has no unknown piece, which GGUF's Unigram needs" OTHER);
    if (p->graphemes)
        lt_buf_str(k->note, "llama.cpp applies the compiled map to the longest match, not to graphemes: marks on "
                            "letters may give other ids there\n");
    if (s->pre_tokenizer && p->extra_spaces)
        lt_buf_str(k->note, "llama.cpp splits words at spaces alone: other white space that the compiled map keeps "
                            "gives other ids there\n");
    return 0;
}

static int put_unigram(const struct writing *k)
{
    const struct lt_tok_spec *s = &k->t->s;
    struct preparing p = { 0 };
    bool add_bos, add_eos;
    int rc = check_unigram(k, &p) || check_post(k, &add_bos, &add_eos) ? -1 : 0;
    float *score = lt_calloc((size_t)k->rows, sizeof *score);
    for (int32_t i = 0; i < s->count; i++) score[i] = s->score[i] < -1e30 ? -1e30f : (float)s->score[i];
    if (!rc) {
        lt_gguf_put_str(k->w, KEY("model"), lt_str("t5"));
        lt_gguf_put_str(k->w, KEY("pre"), lt_str("default"));
        put_tokens(k);
        lt_gguf_put_f32s(k->w, KEY("scores"), score, (size_t)k->rows);
        put_ids(k, add_bos, add_eos);
        lt_gguf_put_bool(k->w, KEY("add_space_prefix"), p.prefix);
        lt_gguf_put_bool(k->w, KEY("remove_extra_whitespaces"), p.extra_spaces);
        if (p.charsmap.n) lt_gguf_put_u8s(k->w, KEY("precompiled_charsmap"), lt_buf_view(&p.charsmap));
    }
    free(score);
    lt_buf_free(&p.charsmap);
    return rc;
}

/* ---- the whole ---- */

static int put_keys(const struct writing *k)
{
    const struct lt_tok_spec *s = &k->t->s;
    if (s->kind == LT_TOK_BPE && k->t->byte_level) return put_bytes(k);
    if (s->kind == LT_TOK_BPE && s->byte_fallback) return put_scores(k);
    if (s->kind == LT_TOK_UNIGRAM) return put_unigram(k);
    static const char *const kind[] = { [LT_TOK_BPE] = "BPE without bytes", [LT_TOK_WORDPIECE] = "WordPiece",
                                        [LT_TOK_UNIGRAM] = "Unigram", [LT_TOK_WORDLEVEL] = "WordLevel" };
    return lt_fail("%s tokenizers are not written into GGUF; byte-level BPE, BPE with byte fallback and Unigram are"
                   OTHER, kind[s->kind]);
}

int lt_tok_put_gguf(const struct lt_tokenizer *t, int64_t rows, const struct lt_tok_gguf_ids *ids,
                    enum lt_tok_gguf_how how, struct lt_gguf_out *w, struct lt_buf *note)
{
    struct writing k = { .t = t, .w = w, .note = note, .ids = *ids, .rows = rows };
    if (t->post.before_count == 1) k.ids.bos = t->post.before[0];   /* add_bos_token means this one */
    if (t->size > rows)
        return lt_fail("the tokenizer has ids up to %d and the model %" PRId64 " of them", t->size - 1, rows);
    if (how == LT_TOK_GGUF_BOTH && put_keys(&k)) return -1;
    if (how == LT_TOK_GGUF_BOTH) note_added(&k);
    if (how == LT_TOK_GGUF_JSON) {
        lt_gguf_put_str(w, KEY("model"), lt_str("no_vocab"));
        lt_tok_put_gguf_ids(&k.ids, w);
    }
    struct lt_buf json = { 0 };
    lt_tok_write_json(t, &json);
    lt_gguf_put_str(w, "tokenizer.huggingface.json", lt_buf_view(&json));
    lt_buf_free(&json);
    return 0;
}
