/* Decoders: pieces to text.  A chain works on single pieces up to the first stage that joins them (Fuse, ByteLevel),
 * and on the joined text after it.  Text comes out as it is pushed, unless a stage after the joining one has to see
 * the end: then it comes out at the end.  Bytes are passed on as they are: where pieces do not add up to UTF-8, neither
 * does the text. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

struct decoder_type;
struct lt_tok_decoder_stage {
    const struct decoder_type *type;
    struct lt_str text, with;                   /* prefix, suffix, pattern ...; owned */
    struct lt_tok_regex *regex;
    int64_t start, stop;
    bool cleanup, not_first;
};
/* One piece on its way: its place among the pieces of this stage, and whether it is the last. */
struct place { uint64_t index; bool last; struct lt_tok_matcher **matcher; struct lt_buf *before; };
struct decoder_type {
    const char *name;
    int (*read)(struct lt_tok_decoder_stage *s, json_t *j);
    /* Changes *piece; 1: the piece is dropped, -1: lt_error. */
    int (*piece)(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *piece);
    bool joins, places;                         /* joins pieces; depends on the place */
};

/* ---- helpers ---- */
static void replace_all(struct lt_buf *b, struct lt_str what, struct lt_str with)
{
    if (!what.n || !b->n)
        return;
    struct lt_buf out = { 0 };
    const char *p = b->p, *end = b->p + b->n, *hit;
    while ((hit = memmem(p, (size_t)(end - p), what.p, what.n))) {
        lt_buf_put(&out, p, (size_t)(hit - p));
        lt_buf_put(&out, with.p, with.n);
        p = hit + what.n;
    }
    lt_buf_put(&out, p, (size_t)(end - p));
    lt_buf_free(b);
    *b = out;
}

static void clean_up(struct lt_buf *b)
{
    static const char *const rule[][2] = {
        { " .", "." }, { " ?", "?" }, { " !", "!" }, { " ,", "," }, { " ' ", "'" }, { " n't", "n't" },
        { " 'm", "'m" }, { " do not", " don't" }, { " 's", "'s" }, { " 've", "'ve" }, { " 're", "'re" },
    };
    for (int i = 0; i < LT_COUNT(rule); i++)
        replace_all(b, lt_str(rule[i][0]), lt_str(rule[i][1]));
}

static void put_before(struct lt_buf *b, const char *z)
{
    size_t n = strlen(z);
    lt_buf_room(b, n);
    memmove(b->p + n, b->p, b->n);
    memcpy(b->p, z, n);
    b->n += n;
    b->p[b->n] = 0;
}

static void cut_front(struct lt_buf *b, size_t n)
{
    if (!n)
        return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
    b->p[b->n] = 0;
}

/* ---- stages ---- */
static int read_none(struct lt_tok_decoder_stage *s, json_t *j)
{
    (void)s, (void)j;
    return 0;
}

static int do_byte_level(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    (void)s, (void)at;
    struct lt_buf raw = { 0 };
    if (lt_tok_unspell(&raw, lt_buf_view(b))) {
        lt_buf_clear(b);
        lt_buf_put(b, raw.p, raw.n);
    }
    lt_buf_free(&raw);
    return 0;
}

static int read_wordpiece(struct lt_tok_decoder_stage *s, json_t *j)
{
    return lt_tok_get_str(j, "prefix", "##", &s->text) || lt_tok_get_bool(j, "cleanup", true, &s->cleanup) ? -1 : 0;
}

static int do_wordpiece(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    if (at->index && b->n >= s->text.n && memcmp(b->p, s->text.p, s->text.n) == 0)
        cut_front(b, s->text.n);
    else if (at->index)
        put_before(b, " ");
    if (s->cleanup)
        clean_up(b);
    return 0;
}

static int read_metaspace(struct lt_tok_decoder_stage *s, json_t *j)
{
    struct lt_str scheme;
    bool add;
    if (lt_tok_get_str(j, "replacement", "\xE2\x96\x81", &s->text) ||
        lt_tok_get_bool(j, "add_prefix_space", true, &add) ||
        lt_tok_get_str(j, "prepend_scheme", add ? "always" : "never", &scheme))
        return -1;
    s->not_first = !lt_str_is(scheme, "never");
    return 0;
}

static int do_metaspace(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    replace_all(b, s->text, lt_str(at->index == 0 && s->not_first ? "" : " "));
    return 0;
}

static int read_bpe(struct lt_tok_decoder_stage *s, json_t *j)
{
    return lt_tok_get_str(j, "suffix", "</w>", &s->text);
}

static int do_bpe(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    replace_all(b, s->text, lt_str(at->last ? "" : " "));
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0'
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                : -1;
}

static int do_byte_fallback(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    (void)s, (void)at;
    if (b->n != 6 || memcmp(b->p, "<0x", 3) || b->p[5] != '>')
        return 0;
    int high = hex_digit(b->p[3]), low = hex_digit(b->p[4]);
    if (high < 0 || low < 0)
        return 0;
    lt_buf_clear(b);
    lt_buf_char(b, (char)(high << 4 | low));
    return 0;
}

static int do_fuse(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    (void)s, (void)at, (void)b;
    return 0;
}

static int read_strip(struct lt_tok_decoder_stage *s, json_t *j)
{
    return lt_tok_get_str(j, "content", " ", &s->text) || lt_tok_get_int(j, "start", 0, 0, 1 << 20, &s->start) ||
           lt_tok_get_int(j, "stop", 0, 0, 1 << 20, &s->stop) ? -1 : 0;
}

static int do_strip(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    (void)at;
    size_t n = s->text.n, front = 0;
    for (int64_t k = 0; n && k < s->start && b->n - front >= n && memcmp(b->p + front, s->text.p, n) == 0; k++)
        front += n;
    cut_front(b, front);
    for (int64_t k = 0; n && k < s->stop && b->n >= n && memcmp(b->p + b->n - n, s->text.p, n) == 0; k++)
        b->n -= n;
    if (b->p)
        b->p[b->n] = 0;
    return 0;
}

static int read_replace(struct lt_tok_decoder_stage *s, json_t *j)
{
    return lt_tok_get_pattern(j, "pattern", &s->text, &s->regex) || lt_tok_get_str(j, "content", NULL, &s->with)
           ? -1 : 0;
}

static int do_replace(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    if (!s->regex) {
        replace_all(b, s->text, s->with);
        return 0;
    }
    if (!b->n || lt_utf8_bad(b->p, b->n) < b->n)    /* patterns are for whole characters */
        return 0;
    if (!*at->matcher)
        *at->matcher = lt_tok_matcher_new();
    struct lt_buf out = { 0 };
    struct lt_tok_matches all = { 0 };
    struct lt_tok_span m;
    size_t done = 0;
    int rc;
    while ((rc = lt_tok_regex_next(s->regex, *at->matcher, lt_buf_view(b), &all, &m)) == 1) {
        lt_buf_put(&out, b->p + done, m.begin - done);
        lt_buf_put(&out, s->with.p, s->with.n);
        done = m.end;
    }
    lt_buf_put(&out, b->p + done, b->n - done);
    lt_buf_free(b);
    *b = out;
    return rc < 0 ? -1 : 0;
}

static int read_ctc(struct lt_tok_decoder_stage *s, json_t *j)
{
    return lt_tok_get_str(j, "pad_token", "<pad>", &s->text) || lt_tok_get_bool(j, "cleanup", true, &s->cleanup) ||
           lt_tok_get_str(j, "word_delimiter_token", "|", &s->with) ? -1 : 0;
}

/* Repeats of the piece before go, then the padding; what is left empty is no piece. */
static int do_ctc(const struct lt_tok_decoder_stage *s, const struct place *at, struct lt_buf *b)
{
    if (at->before) {
        if (at->before->p && lt_str_eq(lt_buf_view(at->before), lt_buf_view(b)))
            return 1;
        lt_buf_clear(at->before);
        lt_buf_put(at->before, b->p, b->n);
    }
    replace_all(b, s->text, lt_str(""));
    if (s->cleanup) {
        clean_up(b);
        replace_all(b, s->with, lt_str(" "));
    }
    return b->n == 0;
}

static const struct decoder_type types[] = {
    { .name = "BPEDecoder", .read = read_bpe, .piece = do_bpe, .places = true },
    { .name = "ByteFallback", .read = read_none, .piece = do_byte_fallback },
    { .name = "ByteLevel", .read = read_none, .piece = do_byte_level, .joins = true },
    { .name = "CTC", .read = read_ctc, .piece = do_ctc, .places = true },
    { .name = "Fuse", .read = read_none, .piece = do_fuse, .joins = true },
    { .name = "Metaspace", .read = read_metaspace, .piece = do_metaspace, .places = true },
    { .name = "Replace", .read = read_replace, .piece = do_replace },
    { .name = "Strip", .read = read_strip, .piece = do_strip },
    { .name = "WordPiece", .read = read_wordpiece, .piece = do_wordpiece, .places = true },
};

/* ---- the chain ---- */
static int add_stage(void *self, const void *row, json_t *j)
{
    struct lt_tok_decoder *out = self;
    const struct decoder_type *type = row;
    struct lt_tok_decoder_stage s = { .type = type };
    if (type->read(&s, j)) {
        lt_tok_regex_free(s.regex);
        return -1;
    }
    s.text = lt_tok_own(s.text);
    s.with = lt_tok_own(s.with);
    out->stage = lt_realloc(out->stage, (size_t)(out->count + 1) * sizeof *out->stage);
    out->stage[out->count++] = s;
    return 0;
}

static const struct lt_tok_stages stages = {
    .what = "decoder", .list = "decoders", .row = types, .size = sizeof *types,
    .rows = LT_COUNT(types), .add = add_stage,
};

/* Where the joined text begins, and what the stages after that need. */
static void classify(struct lt_tok_decoder *d)
{
    d->joined = d->count;
    for (int i = d->count - 1; i >= 0; i--)
        if (d->stage[i].type->joins)
            d->joined = i + 1;
    for (int i = 0; i < d->count; i++) {
        const struct lt_tok_decoder_stage *s = &d->stage[i];
        d->places |= i < d->joined && s->type->places;
        d->delay |= i < d->joined && s->type->piece == do_bpe;
        if (i < d->joined || s->type->piece == do_fuse)
            continue;
        bool front = s->type->piece == do_strip && s->stop == 0 && s->text.n == 1 && !d->strip;
        if (front)
            d->strip = s;
        else
            d->whole = true;
    }
}

int lt_tok_decoder_build(json_t *j, struct lt_tok_decoder *out)
{
    *out = (struct lt_tok_decoder){ .none = !j || json_is_null(j) };
    if (!out->none && lt_tok_stages_read(&stages, j, out))
        return -1;
    classify(out);
    return 0;
}

void lt_tok_decoder_free(struct lt_tok_decoder *d)
{
    for (int i = 0; i < d->count; i++) {
        lt_tok_regex_free(d->stage[i].regex);
        free((void *)(uintptr_t)d->stage[i].text.p);
        free((void *)(uintptr_t)d->stage[i].with.p);
    }
    free(d->stage);
    *d = (struct lt_tok_decoder){ 0 };
}

int lt_tok_decoder_piece(const struct lt_tok_decoder *d, struct lt_str piece, struct lt_buf *out)
{
    struct lt_tok_matcher *m = NULL;
    struct place at = { .index = 1, .matcher = &m };
    lt_buf_clear(out);
    if (d->none)
        lt_buf_char(out, ' ');
    lt_buf_put(out, piece.p, piece.n);
    int rc = 0;
    for (int i = 0; i < (d->whole ? d->count : d->joined) && rc == 0; i++)
        if (&d->stage[i] != d->strip)
            rc = d->stage[i].type->piece(&d->stage[i], &at, out);
    if (rc > 0)
        lt_buf_clear(out);
    lt_tok_matcher_free(m);
    return rc < 0 ? -1 : 0;
}

/* ---- token by token ---- */
struct lt_detok {
    const struct lt_tokenizer *t;
    bool keep_special;
    struct lt_tok_matcher *matcher;
    struct lt_buf piece, text;                  /* text: joined, not yet given away */
    struct lt_buf before;                       /* of CTC */
    uint64_t index[64];                         /* pieces each stage has seen */
    uint64_t count;                             /* pieces taken */
    int64_t stripped;
    bool strip_done;
    size_t skip;                                /* bytes that are not given: of what the text goes on behind */
    int32_t held;                               /* a piece that waits to know whether it is the last; -1: none */
};

struct lt_detok *lt_detok_new(const struct lt_tokenizer *t, bool keep_special)
{
    struct lt_detok *d = lt_calloc(1, sizeof *d);
    d->t = t;
    d->keep_special = keep_special;
    d->held = -1;
    return d;
}

void lt_detok_free(struct lt_detok *d)
{
    if (!d)
        return;
    lt_tok_matcher_free(d->matcher);
    lt_buf_free(&d->piece);
    lt_buf_free(&d->text);
    lt_buf_free(&d->before);
    free(d);
}

/* Bytes at the end of p that begin a character which is not all there yet. */
static size_t unfinished(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t u = (uint8_t)p[n - back];
        if (u < 0x80)
            return 0;
        if (u >= 0xC0)
            return u <= 0xF4 && (size_t)lt_utf8_size((char)u) > back ? back : 0;
    }
    return 0;
}

/* Takes the front strip of a joined text off what has come so far. */
static void strip_front(struct lt_detok *d)
{
    const struct lt_tok_decoder_stage *s = d->t->decoder.strip;
    size_t front = 0;
    while (!d->strip_done && front < d->text.n) {
        if (d->stripped < s->start && d->text.p[front] == s->text.p[0]) {
            d->stripped++;
            front++;
        } else {
            d->strip_done = true;
        }
    }
    cut_front(&d->text, front);
}

static void pass_on(struct lt_detok *d, struct lt_buf *out, size_t n)
{
    size_t drop = LT_MIN(n, d->skip);
    d->skip -= drop;
    if (n > drop)
        lt_buf_put(out, d->text.p + drop, n - drop);
}

static void give(struct lt_detok *d, struct lt_buf *out, bool all)
{
    const struct lt_tok_decoder *k = &d->t->decoder;
    if (k->whole)
        return;
    if (k->strip && !d->strip_done)
        strip_front(d);
    size_t keep = all ? 0 : unfinished(d->text.p, d->text.n);
    pass_on(d, out, d->text.n - keep);
    cut_front(&d->text, d->text.n - keep);
}

/* Runs stages [from, to) over *b. */
static int run_stages(struct lt_detok *d, int from, int to, bool last, struct lt_buf *b)
{
    const struct lt_tok_decoder *k = &d->t->decoder;
    for (int i = from; i < to; i++) {
        struct place at = { .index = d->index[i], .last = last, .matcher = &d->matcher, .before = &d->before };
        int rc = k->stage[i].type->piece(&k->stage[i], &at, b);
        if (rc)
            return rc;
        d->index[i]++;
    }
    return 0;
}

static int take(struct lt_detok *d, int32_t id, bool last)
{
    const struct lt_tokenizer *t = d->t;
    const struct lt_tok_decoder *k = &t->decoder;
    d->count++;
    if (!k->none && !k->places && !k->whole) {
        lt_buf_put(&d->text, t->text[id].p, t->text[id].n);
        return 0;
    }
    lt_buf_clear(&d->piece);
    if (k->none && d->count > 1)
        lt_buf_char(&d->piece, ' ');
    lt_buf_put(&d->piece, t->piece[id].p, t->piece[id].n);
    int rc = run_stages(d, 0, k->joined, last, &d->piece);
    if (rc == 0)
        lt_buf_put(&d->text, d->piece.p, d->piece.n);
    return rc < 0 ? -1 : 0;
}

int lt_detok_push(struct lt_detok *d, int32_t id, struct lt_buf *out)
{
    const struct lt_tokenizer *t = d->t;
    if (id < 0 || id >= t->size || !t->piece[id].p)
        return lt_fail("token %d cannot be decoded: ids of this tokenizer are 0 .. %d", id, t->size - 1);
    if (t->special[id] && !d->keep_special)
        return 0;
    int32_t now = id;
    if (t->decoder.delay) {
        now = d->held;
        d->held = id;
    }
    if (now >= 0 && take(d, now, false))
        return -1;
    give(d, out, false);
    return 0;
}

int lt_detok_finish(struct lt_detok *d, struct lt_buf *out)
{
    const struct lt_tok_decoder *k = &d->t->decoder;
    int rc = d->held >= 0 ? take(d, d->held, true) : 0;
    if (rc == 0 && k->whole) {
        rc = run_stages(d, k->joined, k->count, true, &d->text);
        pass_on(d, out, rc ? 0 : d->text.n);
    } else if (rc == 0) {
        give(d, out, true);
    }
    lt_buf_clear(&d->text);
    lt_buf_free(&d->before);
    memset(d->index, 0, sizeof d->index);
    d->count = 0;
    d->stripped = 0;
    d->strip_done = false;
    d->skip = 0;
    d->held = -1;
    return rc < 0 ? -1 : 0;
}

static bool gives_text(const struct lt_detok *d, int32_t id)
{
    const struct lt_tokenizer *t = d->t;
    return id >= 0 && id < t->size && t->piece[id].p && (d->keep_special || !t->special[id]);
}

/* One token before is enough: decoders ask whether there is one, and at most which. */
int lt_detok_behind(struct lt_detok *d, const int32_t *ids, size_t n)
{
    const struct lt_tokenizer *t = d->t;
    const struct lt_tok_decoder *k = &t->decoder;
    struct lt_buf none = { 0 };
    char *text;
    size_t size;
    if (!k->none && !k->places && !k->whole && !k->strip)
        return 0;
    while (n && !gives_text(d, ids[n - 1]))
        n--;
    if (!n)
        return 0;
    if (lt_tokenizer_decode(t, &ids[n - 1], 1, d->keep_special, &text, &size))
        return -1;
    free(text);
    d->skip = size;
    int rc = lt_detok_push(d, ids[n - 1], &none);
    lt_buf_free(&none);
    return rc;
}

int lt_tokenizer_decode(const struct lt_tokenizer *t, const int32_t *ids, size_t n, bool keep_special, char **out,
                        size_t *out_n)
{
    return lt_tokenizer_decode_from(t, ids, 0, n, keep_special, out, out_n);
}

int lt_tokenizer_decode_from(const struct lt_tokenizer *t, const int32_t *ids, size_t from, size_t n,
                             bool keep_special, char **out, size_t *out_n)
{
    struct lt_detok *d = lt_detok_new(t, keep_special);
    struct lt_buf b = { 0 };
    int rc = lt_detok_behind(d, ids, from);
    for (size_t i = from; i < n && rc == 0; i++)
        rc = lt_detok_push(d, ids[i], &b);
    if (rc == 0)
        rc = lt_detok_finish(d, &b);
    lt_detok_free(d);
    if (rc) {
        lt_buf_free(&b);
        return -1;
    }
    lt_buf_put(&b, "", 0);
    *out = b.p;
    *out_n = b.n;
    return 0;
}
