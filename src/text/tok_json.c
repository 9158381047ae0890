/* Reads tokenizer.json.  Every error names the member it is about. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX = 512 << 20, TEXTS = 8 };

/* What the spec points into besides the JSON: freed at the end. */
struct reading {
    const char *name;
    json_t *root, *model;
    const struct lt_tok_lists *lists;   /* NULL: the document has them */
    struct lt_tok_spec spec;
    struct lt_str *piece;
    double *score;
    struct lt_tok_merge *merge;
    struct lt_tok_added *added;
    struct lt_tok_index index;
    char *text[TEXTS];
    int text_count;
};

static struct lt_str str_of(json_t *j)
{
    return (struct lt_str){ json_string_value(j), json_string_length(j) };
}

/* ---- model.vocab ---- */
/* {"piece": id}: ids may leave gaps, but not be spread so thin that the table would be mostly air. */
static int read_vocab_object(struct reading *r, json_t *vocab)
{
    int64_t n = (int64_t)json_object_size(vocab), limit = LT_MIN(16 * n + 65536, LT_TOK_IDS_MAX), top = 0;
    const char *key;
    json_t *v;
    json_object_foreach(vocab, key, v) {
        int64_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= limit)
            return lt_fail("model.vocab: \"%.60s\" needs an id from 0 to %lld", key, (long long)limit - 1);
        top = LT_MAX(top, id + 1);
    }
    r->piece = lt_calloc((size_t)top, sizeof *r->piece);
    json_object_foreach(vocab, key, v) {
        struct lt_str *p = &r->piece[json_integer_value(v)];
        if (p->p)
            return lt_fail("model.vocab: \"%.60s\" and \"%.60s\" have the same id", p->p, key);
        *p = lt_str(key);
    }
    r->spec.count = (int32_t)top;
    return 0;
}

/* [["piece", score], ...] */
static int read_vocab_list(struct reading *r, json_t *vocab)
{
    size_t n = json_array_size(vocab);
    if (n > LT_TOK_IDS_MAX)
        return lt_fail("model.vocab: more than %d pieces", LT_TOK_IDS_MAX);
    r->piece = lt_calloc(n, sizeof *r->piece);
    r->score = lt_calloc(n, sizeof *r->score);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array_get(vocab, i), *piece = json_array_get(row, 0), *score = json_array_get(row, 1);
        if (!json_is_string(piece) || !json_is_number(score))
            return lt_fail("model.vocab[%zu]: [\"piece\", score] was expected", i);
        r->piece[i] = str_of(piece);
        r->score[i] = json_number_value(score);
    }
    r->spec.count = (int32_t)n;
    r->spec.score = r->score;
    return 0;
}

/* The same of what was scanned.  What is wrong is said by whoever reads the document. */
static int read_scanned_vocab(struct reading *r)
{
    const struct lt_tok_lists *l = r->lists;
    const int64_t limit = LT_MIN(16 * (int64_t)l->count + 65536, LT_TOK_IDS_MAX);
    int32_t top = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->piece[i].id >= limit)
            return lt_fail("model.vocab: an id is out of range");
        top = LT_MAX(top, l->piece[i].id + 1);
    }
    r->piece = lt_calloc((size_t)top, sizeof *r->piece);
    for (size_t i = 0; i < l->count; i++) {
        struct lt_str *p = &r->piece[l->piece[i].id];
        if (p->p)
            return lt_fail("model.vocab: two pieces have the same id");
        *p = l->piece[i].text;
    }
    r->spec.count = top;
    return 0;
}

static int read_vocab(struct reading *r)
{
    json_t *vocab = json_object_get(r->model, "vocab");
    bool list = r->spec.kind == LT_TOK_UNIGRAM;
    if (list ? !json_is_array(vocab) : !json_is_object(vocab))
        return lt_fail("model.vocab: %s was expected",
                       list ? "a list of [\"piece\", score]" : "an object of pieces and ids");
    if (list ? read_vocab_list(r, vocab) : r->lists ? read_scanned_vocab(r) : read_vocab_object(r, vocab))
        return -1;
    r->spec.piece = r->piece;
    if (!lt_tok_index_build(&r->index, r->piece, r->spec.count) && r->lists)
        return lt_fail("model.vocab: a piece stands there twice");
    return 0;
}

/* ---- model.merges ---- */
/* "a b" or ["a", "b"]: the two sides. */
static int merge_sides(json_t *row, struct lt_str side[2])
{
    if (json_is_array(row) && json_array_size(row) == 2) {
        side[0] = str_of(json_array_get(row, 0));
        side[1] = str_of(json_array_get(row, 1));
        return side[0].p && side[1].p ? 0 : -1;
    }
    struct lt_str all = str_of(row);
    const char *space = all.p ? memchr(all.p, ' ', all.n) : NULL;
    if (!space || memchr(space + 1, ' ', all.n - (size_t)(space + 1 - all.p)))
        return -1;
    side[0] = (struct lt_str){ all.p, (size_t)(space - all.p) };
    side[1] = (struct lt_str){ space + 1, all.n - side[0].n - 1 };
    return 0;
}

static int read_merge(struct reading *r, size_t i, const struct lt_str side[2], struct lt_buf *joined)
{
    int32_t id[2];
    for (int k = 0; k < 2; k++) {
        id[k] = lt_tok_index_find(&r->index, side[k].p, side[k].n);
        if (id[k] < 0)
            return lt_fail("model.merges[%zu]: \"%.*s\" is not in the vocabulary", i, (int)LT_MIN(side[k].n, 60),
                           side[k].p);
    }
    struct lt_str prefix = lt_str(r->spec.prefix ? r->spec.prefix : ""), right = side[1];
    if (prefix.n && right.n >= prefix.n && memcmp(right.p, prefix.p, prefix.n) == 0)
        right = (struct lt_str){ right.p + prefix.n, right.n - prefix.n };
    lt_buf_clear(joined);
    lt_buf_put(joined, side[0].p, side[0].n);
    lt_buf_put(joined, right.p, right.n);
    int32_t into = lt_tok_index_find(&r->index, joined->p, joined->n);
    if (into < 0)
        return lt_fail("model.merges[%zu]: \"%.60s\" is not in the vocabulary", i, joined->p);
    r->merge[i] = (struct lt_tok_merge){ id[0], id[1], into, (uint32_t)i };
    return 0;
}

static int read_merges(struct reading *r)
{
    json_t *merges = json_object_get(r->model, "merges");
    if (!json_is_array(merges))
        return lt_fail("model.merges: a list was expected");
    size_t n = r->lists && r->lists->has_merges ? r->lists->merge_count : json_array_size(merges);
    if (n > (size_t)16 * LT_TOK_IDS_MAX)
        return lt_fail("model.merges: %zu are too many", n);
    r->merge = lt_alloc(n * sizeof *r->merge);
    struct lt_buf joined = { 0 };
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct lt_str side[2];
        if (r->lists && r->lists->has_merges)
            memcpy(side, r->lists->merge[i].side, sizeof side);
        else if (merge_sides(json_array_get(merges, i), side))
            rc = lt_fail("model.merges[%zu]: \"left right\" or [\"left\", \"right\"] was expected", i);
        if (rc == 0)
            rc = read_merge(r, i, side, &joined);
    }
    lt_buf_free(&joined);
    r->spec.merge = r->merge;
    r->spec.merge_count = n;
    return rc;
}

/* ---- model ---- */
/* Files written before models had a "type" are told apart by what they hold. */
static int read_kind(struct reading *r)
{
    static const struct { const char *name; enum lt_tok_kind kind; } kinds[] = {
        { "BPE", LT_TOK_BPE }, { "WordPiece", LT_TOK_WORDPIECE }, { "Unigram", LT_TOK_UNIGRAM },
        { "WordLevel", LT_TOK_WORDLEVEL },
    };
    json_t *type = json_object_get(r->model, "type");
    if (!json_is_string(type)) {
        r->spec.kind = json_object_get(r->model, "merges")                      ? LT_TOK_BPE
                     : json_is_array(json_object_get(r->model, "vocab"))        ? LT_TOK_UNIGRAM
                     : json_object_get(r->model, "max_input_chars_per_word")    ? LT_TOK_WORDPIECE
                                                                                : LT_TOK_WORDLEVEL;
        return 0;
    }
    for (int i = 0; i < LT_COUNT(kinds); i++) {
        if (strcmp(json_string_value(type), kinds[i].name) == 0) {
            r->spec.kind = kinds[i].kind;
            return 0;
        }
    }
    return lt_tok_stage_unknown("model", json_string_value(type));
}

static int read_optional_str(json_t *j, const char *key, const char **out)
{
    struct lt_str s;
    if (lt_tok_get_str(j, key, "", &s))
        return -1;
    *out = s.n ? s.p : NULL;
    return 0;
}

static int read_model(struct reading *r)
{
    struct lt_tok_spec *s = &r->spec;
    json_t *m = r->model = json_object_get(r->root, "model");
    if (!json_is_object(m))
        return lt_fail("model: an object was expected");
    if (read_kind(r) || read_optional_str(m, "unk_token", &s->unk) ||
        lt_tok_get_bool(m, "byte_fallback", false, &s->byte_fallback) ||
        lt_tok_get_bool(m, "fuse_unk", false, &s->fuse_unk) ||
        lt_tok_get_bool(m, "ignore_merges", false, &s->ignore_merges) ||
        lt_tok_get_bool(m, "single_precision", false, &s->single_precision) ||
        lt_tok_get_int(m, "max_input_chars_per_word", 100, 1, INT32_MAX, &s->max_word) ||
        read_optional_str(m, "continuing_subword_prefix", &s->prefix) ||
        read_optional_str(m, "end_of_word_suffix", &s->suffix))
        return -1;
    json_t *dropout = json_object_get(m, "dropout");
    if (dropout && !json_is_null(dropout)) {
        s->dropout = json_number_value(dropout);
        if (!json_is_number(dropout) || !(s->dropout >= 0 && s->dropout <= 1))
            return lt_fail("model.dropout: a number from 0 to 1 was expected");
    }
    int64_t unk_id;
    if (lt_tok_get_int(m, "unk_id", -1, 0, LT_TOK_IDS_MAX, &unk_id))
        return -1;
    s->unk_id = (int32_t)unk_id;
    if (s->kind != LT_TOK_WORDPIECE)
        s->max_word = 0;
    else if (!s->prefix && !json_object_get(m, "continuing_subword_prefix"))
        s->prefix = "##";
    return read_vocab(r) || (s->kind == LT_TOK_BPE && read_merges(r)) ? -1 : 0;
}

/* ---- the rest ---- */
static int read_added(struct reading *r)
{
    json_t *list = json_object_get(r->root, "added_tokens");
    size_t n = json_array_size(list);
    if (list && !json_is_null(list) && !json_is_array(list))
        return lt_fail("added_tokens: a list was expected");
    if (n > LT_TOK_IDS_MAX)
        return lt_fail("added_tokens: %zu are too many", n);
    r->added = lt_calloc(n, sizeof *r->added);
    for (size_t i = 0; i < n; i++) {
        json_t *j = json_array_get(list, i);
        struct lt_tok_added *a = &r->added[i];
        int64_t id;
        if (lt_tok_get_int(j, "id", -1, 0, LT_TOK_IDS_MAX - 1, &id) ||
            lt_tok_get_str(j, "content", NULL, &a->content) ||
            lt_tok_get_bool(j, "single_word", false, &a->single_word) ||
            lt_tok_get_bool(j, "lstrip", false, &a->lstrip) ||
            lt_tok_get_bool(j, "rstrip", false, &a->rstrip) ||
            lt_tok_get_bool(j, "special", false, &a->special) ||
            lt_tok_get_bool(j, "normalized", !a->special, &a->normalized))
            return lt_fail("added_tokens[%zu]: %s", i, lt_error());
        if (id < 0)
            return lt_fail("added_tokens[%zu]: an \"id\" was expected", i);
        a->id = (int32_t)id;
    }
    r->spec.added = r->added;
    r->spec.added_count = (int)n;
    return 0;
}

static const char *stage_text(struct reading *r, const char *key)
{
    json_t *j = json_object_get(r->root, key);
    if (!j || json_is_null(j))
        return NULL;
    return r->text[r->text_count++] = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int read_all(struct reading *r, struct lt_tokenizer **out)
{
    if (!json_is_object(r->root))
        return lt_fail("an object was expected");
    if (read_model(r) || read_added(r))
        return -1;
    struct lt_tok_spec *s = &r->spec;
    s->normalizer = stage_text(r, "normalizer");
    s->pre_tokenizer = stage_text(r, "pre_tokenizer");
    s->post_processor = stage_text(r, "post_processor");
    s->decoder = stage_text(r, "decoder");
    s->truncation = stage_text(r, "truncation");
    s->padding = stage_text(r, "padding");
    s->bos = s->eos = -2;
    return lt_tokenizer_build(s, out);
}

static int read_text(const char *name, struct lt_str text, const struct lt_tok_lists *lists, struct lt_tokenizer **out)
{
    struct reading r = { .name = name, .lists = lists };
    json_error_t e;
    r.root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!r.root)
        return lt_fail("%s: not JSON: %s (line %d, column %d)", name, e.text, e.line, e.column);
    int rc = read_all(&r, out);
    if (rc)
        lt_fail("%s: %s", name, lt_error());
    for (int i = 0; i < r.text_count; i++)
        free(r.text[i]);
    free(r.piece);
    free(r.score);
    free(r.merge);
    free(r.added);
    lt_tok_index_free(&r.index);
    json_decref(r.root);
    return rc;
}

/* A file that cannot be read with its long lists aside is read whole, and what fails then is what is said of it. */
int lt_tok_read_json(const char *name, struct lt_str text, struct lt_tokenizer **out)
{
    if (text.n > JSON_MAX)
        return lt_fail("%s: %zu bytes are too many for a tokenizer.json", name, text.n);
    struct lt_tok_lists lists;
    int rc = lt_tok_lists_scan(text, &lists) ? read_text(name, lt_buf_view(&lists.rest), &lists, out) : -1;
    lt_tok_lists_free(&lists);
    return rc ? read_text(name, text, NULL, out) : 0;
}
