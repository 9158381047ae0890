/* A tokenizer from its spec: copies, tables, stages; and what can be asked of it. */
#include "text/tokenizer.h"
#include "text/tokenizer.h"
#include "text/tok.h"
#include "base/io.h"
#include "text/tok_char.h"
#include "text/token_trie.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- checks ---- */
static int check_piece(const char *what, int32_t id, struct lt_str p)
{
    if (p.n > LT_TOK_PIECE_MAX)
        return lt_fail("%s %d is %zu bytes long; the limit is %d", what, id, p.n, LT_TOK_PIECE_MAX);
    if (lt_utf8_bad(p.p, p.n) < p.n)
        return lt_fail("%s %d is not UTF-8", what, id);
    return 0;
}

static int check_spec(const struct lt_tok_spec *s)
{
    if (s->count < 0 || s->count > LT_TOK_IDS_MAX)
        return lt_fail("the vocabulary holds %d pieces; 0 to %d are possible", s->count, LT_TOK_IDS_MAX);
    for (int32_t i = 0; i < s->count; i++)
        if (s->piece[i].p && check_piece("piece", i, s->piece[i]))
            return -1;
    int64_t ids_max = 16 * ((int64_t)s->count + s->added_count) + 65536;
    for (int i = 0; i < s->added_count; i++) {
        const struct lt_tok_added *a = &s->added[i];
        if (a->id < 0 || a->id >= LT_TOK_IDS_MAX || a->id > ids_max)
            return lt_fail("added token \"%.60s\": the id %d is out of range", a->content.p, a->id);
        if (check_piece("added token", a->id, a->content))
            return -1;
    }
    for (size_t i = 0; i < s->merge_count; i++) {
        const struct lt_tok_merge *m = &s->merge[i];
        const int32_t ids[3] = { m->left, m->right, m->into };
        for (int k = 0; k < 3; k++)
            if (ids[k] < 0 || ids[k] >= s->count || !s->piece[ids[k]].p)
                return lt_fail("merge %zu names the piece %d, which is not in the vocabulary", i, ids[k]);
        if (m->rank == UINT32_MAX)
            return lt_fail("merge %zu has a rank out of range", i);
    }
    if (s->kind == LT_TOK_UNIGRAM && (s->unk_id < -1 || s->unk_id >= s->count))
        return lt_fail("the unknown piece %d is not in the vocabulary", s->unk_id);
    for (int32_t i = 0; s->kind == LT_TOK_UNIGRAM && i < s->count; i++)
        if (!isfinite(s->score[i]))
            return lt_fail("the score of piece %d is not a finite number", i);
    return 0;
}

/* ---- the copy ---- */
static struct lt_str copy_str(struct lt_tokenizer *t, struct lt_str s)
{
    return s.p ? (struct lt_str){ lt_arena_str(&t->arena, s), s.n } : s;
}

static const char *copy_text(struct lt_tokenizer *t, const char *z)
{
    return z ? lt_arena_str(&t->arena, lt_str(z)) : NULL;
}

static int by_rank(const void *a, const void *b, void *ctx)
{
    const struct lt_tok_merge *x = a, *y = b;
    (void)ctx;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static void copy_pieces(struct lt_tokenizer *t, const struct lt_tok_spec *s)
{
    size_t bytes = 0, n = (size_t)s->count;
    for (int32_t i = 0; i < s->count; i++)
        bytes += s->piece[i].n + 1;
    char *text = lt_arena_take(&t->arena, bytes + 1);
    struct lt_str *piece = lt_arena_zero(&t->arena, n, sizeof *piece);
    for (int32_t i = 0; i < s->count; i++) {
        if (!s->piece[i].p)
            continue;
        memcpy(text, s->piece[i].p, s->piece[i].n);
        text[s->piece[i].n] = 0;
        piece[i] = (struct lt_str){ text, s->piece[i].n };
        text += s->piece[i].n + 1;
    }
    t->s.piece = piece;
    if (s->kind == LT_TOK_UNIGRAM) {
        double *score = lt_arena_take(&t->arena, n * sizeof *score);
        memcpy(score, s->score, n * sizeof *score);
        t->s.score = score;
    }
    struct lt_tok_merge *merge = lt_arena_take(&t->arena, s->merge_count * sizeof *merge);
    if (s->merge_count)
        memcpy(merge, s->merge, s->merge_count * sizeof *merge);
    bool sorted = true;
    for (size_t i = 1; i < s->merge_count; i++)
        sorted &= merge[i - 1].rank <= merge[i].rank;
    if (!sorted)
        lt_sort(merge, s->merge_count, sizeof *merge, by_rank, NULL);
    t->s.merge = merge;
}

static void copy_added(struct lt_tokenizer *t, const struct lt_tok_spec *s)
{
    struct lt_tok_added *added = lt_arena_take(&t->arena, (size_t)s->added_count * sizeof *added);
    for (int i = 0; i < s->added_count; i++) {
        added[i] = s->added[i];
        added[i].content = copy_str(t, s->added[i].content);
    }
    t->s.added = added;
    t->size = s->count;
    for (int i = 0; i < s->added_count; i++)
        t->size = LT_MAX(t->size, added[i].id + 1);
    t->piece = lt_arena_zero(&t->arena, (size_t)t->size, sizeof *t->piece);
    t->special = lt_arena_zero(&t->arena, (size_t)t->size, sizeof *t->special);
    if (s->count)
        memcpy(t->piece, t->s.piece, (size_t)s->count * sizeof *t->piece);
    for (int i = 0; i < s->added_count; i++) {
        t->piece[added[i].id] = added[i].content;
        t->special[added[i].id] |= added[i].special;
    }
}

/* ---- stages ---- */
/* Parses a stage's JSON, hands it to `build` and keeps it in one spelling. */
#define STAGE(t, member, build, out) stage(t, &(t)->s.member, #member, build, out)
typedef int stage_build_fn(json_t *j, void *out);

static int stage(struct lt_tokenizer *t, const char **text, const char *what, stage_build_fn *build, void *out)
{
    json_t *j = NULL;
    if (*text) {
        json_error_t e;
        j = json_loads(*text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
        if (!j)
            return lt_fail("%s is not JSON: %s", what, e.text);
    }
    int rc = build ? build(j, out) : 0;
    char *spelt = j && !json_is_null(j) ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    *text = copy_text(t, spelt);
    free(spelt);
    json_decref(j);
    return rc;
}

static int build_norm(json_t *j, void *out) { return lt_tok_norm_build(j, out); }
static int build_pre(json_t *j, void *out) { return lt_tok_pre_build(j, out); }
static int build_post(json_t *j, void *out) { return lt_tok_post_build(j, out); }
static int build_decoder(json_t *j, void *out) { return lt_tok_decoder_build(j, out); }

static int build_stages(struct lt_tokenizer *t)
{
    if (STAGE(t, normalizer, build_norm, &t->norm) || STAGE(t, pre_tokenizer, build_pre, &t->pre) ||
        STAGE(t, post_processor, build_post, &t->post) || STAGE(t, decoder, build_decoder, &t->decoder) ||
        STAGE(t, truncation, NULL, NULL) || STAGE(t, padding, NULL, NULL))
        return -1;
    t->byte_level = t->pre.byte_level;
    for (int i = 0; i < t->post.before_count + t->post.after_count; i++) {
        int32_t id = i < t->post.before_count ? t->post.before[i] : t->post.after[i - t->post.before_count];
        if (id >= t->size || !t->piece[id].p)
            return lt_fail("post_processor: there is no token %d", id);
    }
    return 0;
}

/* ---- tables ---- */
static void index_pieces(struct lt_tokenizer *t)
{
    lt_tok_index_build(&t->by_piece, t->piece, t->size);
    t->raw = (struct lt_str *)(uintptr_t)t->s.piece;
    if (t->byte_level) {
        t->raw = lt_arena_zero(&t->arena, (size_t)t->s.count, sizeof *t->raw);
        size_t bytes = 0;
        for (int32_t i = 0; i < t->s.count; i++)
            bytes += t->s.piece[i].n;
        char *text = lt_arena_take(&t->arena, bytes + 1);       /* unspelt is never longer */
        struct lt_buf b = { 0 };
        for (int32_t i = 0; i < t->s.count; i++) {
            lt_buf_clear(&b);
            if (!t->s.piece[i].p || !lt_tok_unspell(&b, t->s.piece[i]))
                continue;
            if (b.n)
                memcpy(text, b.p, b.n);
            t->raw[i] = (struct lt_str){ text, b.n };
            text += b.n;
        }
        lt_buf_free(&b);
    }
    lt_tok_index_build(&t->by_raw, t->raw, t->s.count);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, name[8];
        snprintf(name, sizeof name, "<0x%02X>", c);
        t->byte[c] = t->byte_level ? lt_tok_index_find(&t->by_raw, &byte, 1)
                   : t->s.byte_fallback ? lt_tok_index_find(&t->by_raw, name, 6) : -1;
    }
    t->unk = t->s.kind == LT_TOK_UNIGRAM ? t->s.unk_id
           : t->s.unk ? lt_tok_index_find(&t->by_piece, t->s.unk, strlen(t->s.unk)) : -1;
}

static int decode_pieces(struct lt_tokenizer *t)
{
    t->text = lt_arena_zero(&t->arena, (size_t)t->size, sizeof *t->text);
    struct lt_buf all = { 0 }, one = { 0 };
    size_t *at = lt_alloc(((size_t)t->size + 1) * sizeof *at);
    int rc = 0;
    for (int32_t i = 0; i < t->size && rc == 0; i++) {
        at[i] = all.n;
        if (!t->piece[i].p)
            continue;
        rc = lt_tok_decoder_piece(&t->decoder, t->piece[i], &one);
        lt_buf_put(&all, one.p, one.n);
    }
    at[t->size] = all.n;
    const char *text = lt_arena_str(&t->arena, (struct lt_str){ all.p ? all.p : "", all.n });
    for (int32_t i = 0; i < t->size && rc == 0; i++)
        if (t->piece[i].p)
            t->text[i] = (struct lt_str){ text + at[i], at[i + 1] - at[i] };
    free(at);
    lt_buf_free(&all);
    lt_buf_free(&one);
    return rc;
}

static int find_in_normalised(struct lt_tokenizer *t, struct lt_tok_scratch *s, struct lt_str content,
                              struct lt_str *out)
{
    struct lt_tok_view v = { .p = content.p, .n = content.n };
    if (lt_tok_norm_apply(&t->norm, s, &v))
        return -1;
    *out = copy_str(t, (struct lt_str){ v.p, v.n });
    return 0;
}

/* Added tokens are looked for in two sets: in the given text, and in the normalised one (then normalised too). */
static int build_added(struct lt_tokenizer *t)
{
    struct lt_str *key = lt_alloc(((size_t)t->s.added_count + 1) * sizeof *key);
    struct lt_tok_scratch s = { .matcher = lt_tok_matcher_new() };
    int rc = 0;
    for (int normal = 0; normal < 2 && rc == 0; normal++) {
        struct lt_tok_added_set *set = normal ? &t->added_normal : &t->added_raw;
        set->which = lt_arena_take(&t->arena, ((size_t)t->s.added_count + 1) * sizeof *set->which);
        for (int i = 0; i < t->s.added_count && rc == 0; i++) {
            const struct lt_tok_added *a = &t->s.added[i];
            if (a->unseen || !a->content.n || a->normalized != normal)
                continue;
            key[set->count] = a->content;
            if (normal)
                rc = find_in_normalised(t, &s, a->content, &key[set->count]);
            if (key[set->count].n)
                set->first[(uint8_t)key[set->count].p[0]] = true;
            set->which[set->count++] = i;
        }
        lt_tok_trie_build(&set->trie, key, set->count);
    }
    for (int i = 0; i < 2; i++)
        lt_tok_text_free(&s.text[i]);
    lt_tok_matcher_free(s.matcher);
    free(key);
    return rc;
}

/* Where the words of a BPE model may be cut without changing anything: before a mark for a space, when the mark is a
 * piece and stands in no merged piece after another character.  Texts that no stage splits stay fast that way. */
static void find_cut(struct lt_tokenizer *t)
{
    static const char *const marks[] = { "\xE2\x96\x81", " " };
    if (t->s.kind != LT_TOK_BPE || t->byte_level || t->s.prefix || t->s.suffix || t->s.ignore_merges)
        return;
    for (int k = 0; k < LT_COUNT(marks) && !t->cut.n; k++) {
        struct lt_str mark = lt_str(marks[k]);
        bool safe = lt_tok_index_find(&t->by_raw, mark.p, mark.n) >= 0;
        for (size_t i = 0; i < t->s.merge_count && safe; i++) {
            struct lt_str p = t->raw[t->s.merge[i].into];
            while (p.n >= mark.n && memcmp(p.p, mark.p, mark.n) == 0)
                p = (struct lt_str){ p.p + mark.n, p.n - mark.n };
            safe = !p.n || !memmem(p.p, p.n, mark.p, mark.n);
        }
        if (safe)
            t->cut = mark;
    }
}

/* ---- begin and end of text ---- */
static int32_t first_of(const struct lt_tokenizer *t, const char *const *names)
{
    for (; *names; names++) {
        int32_t id = lt_tokenizer_id(t, *names);
        if (id >= 0 && t->special[id])
            return id;
    }
    return -1;
}

static void find_ends(struct lt_tokenizer *t)
{
    static const char *const bos[] = { "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "[CLS]",
                                       "<|startoftranscript|>", "<|endoftext|>", NULL };
    static const char *const eos[] = { "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "[SEP]", NULL };
    t->bos = t->s.bos;
    t->eos = t->s.eos;
    if (t->bos == -2)
        t->bos = t->post.before_count ? t->post.before[0] : first_of(t, bos);
    if (t->eos == -2)
        t->eos = t->post.after_count ? t->post.after[t->post.after_count - 1] : first_of(t, eos);
    t->bos = t->bos >= t->size ? -1 : t->bos;
    t->eos = t->eos >= t->size ? -1 : t->eos;
}

/* ---- identity ---- */
static void put_sized(struct lt_buf *b, const void *p, size_t n)
{
    uint64_t size = p ? n : UINT64_MAX;
    lt_buf_put(b, &size, sizeof size);
    lt_buf_put(b, p, p ? n : 0);
}

static void put_text(struct lt_buf *b, const char *z)
{
    put_sized(b, z, z ? strlen(z) : 0);
}

static void find_hash(struct lt_tokenizer *t)
{
    const struct lt_tok_spec *s = &t->s;
    struct lt_buf b = { 0 };
    const double numbers[] = { s->kind, s->count, s->dropout, s->byte_fallback, s->fuse_unk, s->ignore_merges,
                               s->single_precision, (double)s->max_word, t->unk, (double)s->merge_count,
                               s->added_count };
    lt_buf_put(&b, numbers, sizeof numbers);
    for (int32_t i = 0; i < s->count; i++)
        put_sized(&b, s->piece[i].p, s->piece[i].n);
    if (s->kind == LT_TOK_UNIGRAM)
        lt_buf_put(&b, s->score, (size_t)s->count * sizeof *s->score);
    for (size_t i = 0; i < s->merge_count; i++)
        lt_buf_put(&b, &s->merge[i], 2 * sizeof(int32_t));
    for (int i = 0; i < s->added_count; i++) {
        const struct lt_tok_added *a = &s->added[i];
        const int32_t flags[] = { a->id, a->single_word, a->lstrip, a->rstrip, a->normalized, a->special };
        lt_buf_put(&b, flags, sizeof flags);
        put_sized(&b, a->content.p, a->content.n);
    }
    const char *const texts[] = { s->normalizer, s->pre_tokenizer, s->post_processor, s->decoder, s->prefix,
                                  s->suffix };
    for (int i = 0; i < LT_COUNT(texts); i++)
        put_text(&b, texts[i]);
    snprintf(t->hash, sizeof t->hash, "%016llx%016llx", (unsigned long long)lt_hash(b.p, b.n, 0),
             (unsigned long long)lt_hash(b.p, b.n, 1));
    lt_buf_free(&b);
}

/* ---- building ---- */
static const struct lt_tok_model *const models[] = {
    [LT_TOK_BPE] = &lt_tok_model_bpe, [LT_TOK_WORDPIECE] = &lt_tok_model_wordpiece,
    [LT_TOK_UNIGRAM] = &lt_tok_model_unigram, [LT_TOK_WORDLEVEL] = &lt_tok_model_wordlevel,
};

static const char *not_empty(const char *z)
{
    return z && *z ? z : NULL;
}

/* What means nothing to a kind of model is as if it had not been said: equal tokenizers have equal specs. */
static void forget_the_idle(struct lt_tok_spec *s)
{
    bool bpe = s->kind == LT_TOK_BPE, wordpiece = s->kind == LT_TOK_WORDPIECE, unigram = s->kind == LT_TOK_UNIGRAM;
    s->dropout = bpe ? s->dropout : 0;
    s->fuse_unk = bpe && s->fuse_unk;
    s->ignore_merges = bpe && s->ignore_merges;
    s->byte_fallback = (bpe || unigram) && s->byte_fallback;
    s->single_precision = unigram && s->single_precision;
    s->prefix = bpe || wordpiece ? s->prefix : NULL;
    s->suffix = bpe ? s->suffix : NULL;
    s->max_word = wordpiece ? (s->max_word ? s->max_word : 100) : 0;
    s->unk_id = unigram ? s->unk_id : -1;
    s->unk = unigram ? NULL : s->unk;
    s->merge_count = bpe ? s->merge_count : 0;
}

static int build(struct lt_tokenizer *t, const struct lt_tok_spec *given)
{
    struct lt_tok_spec idle = *given, *s = &idle;
    forget_the_idle(s);
    t->s = *s;
    t->s.unk = copy_text(t, s->unk);
    t->s.prefix = copy_text(t, not_empty(s->prefix));
    t->s.suffix = copy_text(t, not_empty(s->suffix));
    copy_pieces(t, s);
    copy_added(t, s);
    if (build_stages(t))
        return -1;
    index_pieces(t);
    if (build_added(t) || decode_pieces(t))
        return -1;
    find_cut(t);
    find_ends(t);
    find_hash(t);
    t->model = models[s->kind];
    return t->model->build(t);
}

int lt_tokenizer_build(const struct lt_tok_spec *s, struct lt_tokenizer **out)
{
    if (check_spec(s))
        return -1;
    struct lt_tokenizer *t = lt_calloc(1, sizeof *t);
    if (build(t, s)) {
        lt_tokenizer_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void lt_tokenizer_free(struct lt_tokenizer *t)
{
    if (!t)
        return;
    if (t->model && t->state)
        t->model->free(t->state);
    lt_tok_norm_free(&t->norm);
    lt_tok_pre_free(&t->pre);
    lt_tok_post_free(&t->post);
    lt_tok_decoder_free(&t->decoder);
    lt_tok_trie_free(&t->added_raw.trie);
    lt_tok_trie_free(&t->added_normal.trie);
    lt_tok_index_free(&t->by_piece);
    lt_tok_index_free(&t->by_raw);
    lt_token_trie_free(t->trie);
    lt_arena_free(&t->arena);
    free(t);
}

/* ---- questions ---- */
enum lt_tok_kind lt_tokenizer_kind(const struct lt_tokenizer *t) { return t->s.kind; }
int lt_tokenizer_vocab(const struct lt_tokenizer *t)
{
    return t->size;
}

struct lt_str lt_tokenizer_piece(const struct lt_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size ? t->piece[id] : (struct lt_str){ NULL, 0 };
}

int32_t lt_tokenizer_id(const struct lt_tokenizer *t, const char *piece)
{
    return lt_tok_index_find(&t->by_piece, piece, strlen(piece));
}

int32_t lt_tokenizer_bos(const struct lt_tokenizer *t)
{
    return t->bos;
}

int32_t lt_tokenizer_eos(const struct lt_tokenizer *t)
{
    return t->eos;
}

const char *lt_tokenizer_hash(const struct lt_tokenizer *t)
{
    return t->hash;
}

double lt_tokenizer_dropout(const struct lt_tokenizer *t)
{
    return t->s.dropout;
}

bool lt_tokenizer_byte_level(const struct lt_tokenizer *t)
{
    return t->byte_level;
}

bool lt_tokenizer_special(const struct lt_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size && t->special[id];
}

bool lt_tokenizer_bytes(const struct lt_tokenizer *t, int32_t id, struct lt_str *bytes)
{
    if (id < 0 || id >= t->size || !t->piece[id].p)
        return false;
    *bytes = t->special[id] ? (struct lt_str){ "", 0 } : t->text[id];
    return true;
}
