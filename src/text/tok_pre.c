/* Pre-tokenisers: where words end.  Each stage is a row of `types`: it reads its members once and then splits one
 * stretch of text at a time; a stage that changes the text as well writes a new one.
 *
 * Most find matches (by pattern or by character) and differ only in what becomes of them: struct splitter below. */
#include "text/tok.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>

enum behavior { REMOVED, ISOLATED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS };

struct lt_tok_pre_stage {
    const struct pre_type *type;
    enum behavior behavior;
    bool invert, prefix_space, use_regex, split;
    enum { NEVER, FIRST, ALWAYS } scheme;       /* Metaspace: when a replacement is put in front */
    struct lt_str literal;
    uint32_t delimiter;
    int64_t length;
    struct lt_tok_regex *regex;
    lt_tok_scan_fn *scan;                       /* gives what regex gives, where its matches cover the text */
};
struct run {                                    /* one stage over one text */
    const struct lt_tok_pre_stage *s;
    struct lt_tok_work *w;
    struct lt_tok_matcher *m;
    const struct lt_tok_view *v;
    struct lt_tok_text *out;                    /* of rewriting stages */
};
struct pre_type {
    const char *name;
    int (*read)(struct lt_tok_pre_stage *s, json_t *j);
    int (*split)(const struct run *r, struct lt_tok_span span);
    bool rewrites;
};

/* ---- matches and gaps to words ---- */
struct splitter {
    struct lt_tok_spans *out;
    enum behavior behavior;
    bool invert, last_match, any;               /* any: `open` is a word that may still grow */
    struct lt_tok_span open;
};

static void flush(struct splitter *x)
{
    if (x->any)
        lt_tok_spans_put(x->out, x->open.begin, x->open.end);
    x->any = false;
}

/* Takes the next stretch, a match or the gap before one; stretches arrive in order and cover the text. */
static void take(struct splitter *x, size_t begin, size_t end, bool match)
{
    if (begin == end)
        return;
    match ^= x->invert;
    if (x->behavior == REMOVED) {
        if (!match)
            lt_tok_spans_put(x->out, begin, end);
        return;
    }
    bool join = x->behavior == MERGED_WITH_PREVIOUS ? match && !x->last_match
              : x->behavior == MERGED_WITH_NEXT     ? !match && x->last_match
              : x->behavior == CONTIGUOUS           ? match == x->last_match
                                                    : false;
    if (x->any && join) {
        x->open.end = end;
    } else {
        flush(x);
        x->open = (struct lt_tok_span){ begin, end };
        x->any = true;
    }
    x->last_match = match;
}

static struct splitter splitter(const struct run *r)
{
    return (struct splitter){ .out = &r->w->next, .behavior = r->s->behavior, .invert = r->s->invert };
}

static int split_by_char(const struct run *r, struct lt_tok_span span,
                         bool (*is)(const struct lt_tok_pre_stage *, uint32_t))
{
    struct splitter x = splitter(r);
    size_t gap = span.begin;
    for (size_t i = span.begin; i < span.end;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(r->v->p + i, &c);
        if (is(r->s, c)) {
            take(&x, gap, i, false);
            take(&x, i, next, true);
            gap = next;
        }
        i = next;
    }
    take(&x, gap, span.end, false);
    flush(&x);
    return 0;
}

static int split_by_regex(const struct run *r, struct lt_tok_span span)
{
    struct splitter x = splitter(r);
    struct lt_str text = { r->v->p + span.begin, span.end - span.begin };
    struct lt_tok_matches all = { 0 };
    struct lt_tok_span match;
    size_t gap = 0;
    int rc;
    while ((rc = lt_tok_regex_next(r->s->regex, r->m, text, &all, &match)) == 1) {
        take(&x, span.begin + gap, span.begin + match.begin, false);
        take(&x, span.begin + match.begin, span.begin + match.end, true);
        gap = match.end;
    }
    take(&x, span.begin + gap, span.end, false);
    flush(&x);
    return rc < 0 ? -1 : 0;
}

static int split_by_literal(const struct run *r, struct lt_tok_span span)
{
    struct splitter x = splitter(r);
    size_t at = span.begin;
    while (r->s->literal.n) {
        const char *hit = memmem(r->v->p + at, span.end - at, r->s->literal.p, r->s->literal.n);
        if (!hit)
            break;
        size_t begin = (size_t)(hit - r->v->p);
        take(&x, at, begin, false);
        take(&x, begin, begin + r->s->literal.n, true);
        at = begin + r->s->literal.n;
    }
    take(&x, at, span.end, false);
    flush(&x);
    return 0;
}

/* ---- the stages ---- */
static int read_behavior(struct lt_tok_pre_stage *s, json_t *j, const char *absent)
{
    static const struct { const char *name; enum behavior is; } names[] = {
        { "Removed", REMOVED }, { "Isolated", ISOLATED }, { "MergedWithPrevious", MERGED_WITH_PREVIOUS },
        { "MergedWithNext", MERGED_WITH_NEXT }, { "Contiguous", CONTIGUOUS },
    };
    struct lt_str name;
    if (lt_tok_get_str(j, "behavior", absent, &name))
        return -1;
    for (int i = 0; i < LT_COUNT(names); i++) {
        if (lt_str_is(name, names[i].name)) {
            s->behavior = names[i].is;
            return 0;
        }
    }
    return lt_fail("pre_tokenizer: the behavior \"%.60s\" is not known", name.p);
}

static int read_split(struct lt_tok_pre_stage *s, json_t *j)
{
    if (read_behavior(s, j, NULL) || lt_tok_get_bool(j, "invert", false, &s->invert) ||
        lt_tok_get_pattern(j, "pattern", &s->literal, &s->regex))
        return -1;
    json_t *r = json_object_get(json_object_get(j, "pattern"), "Regex");
    bool all = s->invert ? s->behavior == REMOVED : s->behavior == ISOLATED;
    if (r && all)
        s->scan = lt_tok_scan_find((struct lt_str){ json_string_value(r), json_string_length(r) });
    return 0;
}

static int do_split(const struct run *r, struct lt_tok_span span)
{
    if (r->s->scan) {
        const char *p = r->v->p + span.begin;
        for (size_t i = 0, n = span.end - span.begin, end; i < n; i = end) {
            end = r->s->scan(p, n, i);
            lt_tok_spans_put(&r->w->next, span.begin + i, span.begin + end);
        }
        return 0;
    }
    return r->s->regex ? split_by_regex(r, span) : split_by_literal(r, span);
}

static bool is_delimiter(const struct lt_tok_pre_stage *s, uint32_t c) { return c == s->delimiter; }
static bool is_space(const struct lt_tok_pre_stage *s, uint32_t c) { (void)s; return lt_char_is_space(c); }
static bool is_punct(const struct lt_tok_pre_stage *s, uint32_t c) { (void)s; return lt_char_is_punct(c); }
static bool is_number(const struct lt_tok_pre_stage *s, uint32_t c) { (void)s; return lt_char_is_number(c); }

static int read_char_delimiter(struct lt_tok_pre_stage *s, json_t *j)
{
    struct lt_str d;
    if (lt_tok_get_str(j, "delimiter", NULL, &d))
        return -1;
    if (!d.n || (size_t)lt_utf8_get(d.p, &s->delimiter) != d.n)
        return lt_fail("CharDelimiterSplit: \"delimiter\" must be one character");
    s->behavior = REMOVED;
    return 0;
}

static int do_char_delimiter(const struct run *r, struct lt_tok_span span)
{
    return split_by_char(r, span, is_delimiter);
}

static int read_space(struct lt_tok_pre_stage *s, json_t *j)
{
    (void)j;
    s->behavior = REMOVED;
    return 0;
}

static int do_space(const struct run *r, struct lt_tok_span span)
{
    return split_by_char(r, span, is_space);
}

static int read_punctuation(struct lt_tok_pre_stage *s, json_t *j)
{
    return read_behavior(s, j, "Isolated");
}

static int do_punctuation(const struct run *r, struct lt_tok_span span)
{
    return split_by_char(r, span, is_punct);
}

static int read_digits(struct lt_tok_pre_stage *s, json_t *j)
{
    bool individual;
    if (lt_tok_get_bool(j, "individual_digits", false, &individual))
        return -1;
    s->behavior = individual ? ISOLATED : CONTIGUOUS;
    return 0;
}

static int do_digits(const struct run *r, struct lt_tok_span span)
{
    return split_by_char(r, span, is_number);
}

/* Whitespace is \w+|[^\w\s]+ : runs of one of two kinds. */
static int read_nothing(struct lt_tok_pre_stage *s, json_t *j)
{
    (void)s, (void)j;
    return 0;
}

static int do_whitespace(const struct run *r, struct lt_tok_span span)
{
    size_t begin = span.begin;
    int kind = -1;
    for (size_t i = span.begin; i < span.end;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(r->v->p + i, &c);
        int k = lt_char_is_space(c) ? -1 : lt_char_is_word(c);
        if (k != kind) {
            if (kind >= 0)
                lt_tok_spans_put(&r->w->next, begin, i);
            begin = i;
            kind = k;
        }
        i = next;
    }
    if (kind >= 0)
        lt_tok_spans_put(&r->w->next, begin, span.end);
    return 0;
}

/* White space goes, punctuation stands alone. */
static int do_bert(const struct run *r, struct lt_tok_span span)
{
    size_t begin = span.begin;
    for (size_t i = span.begin; i < span.end;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(r->v->p + i, &c);
        bool punct = lt_char_is_punct(c);
        if (punct || lt_char_is_space(c)) {
            lt_tok_spans_put(&r->w->next, begin, i);
            if (punct)
                lt_tok_spans_put(&r->w->next, i, next);
            begin = next;
        }
        i = next;
    }
    lt_tok_spans_put(&r->w->next, begin, span.end);
    return 0;
}

static int read_fixed_length(struct lt_tok_pre_stage *s, json_t *j)
{
    return lt_tok_get_int(j, "length", 5, 1, INT32_MAX, &s->length);
}

static int do_fixed_length(const struct run *r, struct lt_tok_span span)
{
    for (size_t i = span.begin; i < span.end;) {
        size_t begin = i;
        for (int64_t k = 0; k < r->s->length && i < span.end; k++)
            i += (size_t)lt_utf8_size(r->v->p[i]);
        lt_tok_spans_put(&r->w->next, begin, i);
    }
    return 0;
}

static int read_scripts(struct lt_tok_pre_stage *s, json_t *j)
{
    (void)j;
    s->invert = true;                           /* the runs stay, what lies between them goes */
    s->regex = lt_tok_script_regex();
    return s->regex ? 0 : -1;
}

/* ---- stages that change the text ---- */
static int read_byte_level(struct lt_tok_pre_stage *s, json_t *j)
{
    if (lt_tok_get_bool(j, "add_prefix_space", true, &s->prefix_space) ||
        lt_tok_get_bool(j, "use_regex", true, &s->use_regex))
        return -1;
    s->scan = lt_tok_scan_find(lt_str(lt_tok_pattern_gpt2));
    return 0;
}

/* Words of p[0 .. n-1], which is out's text from `base` on. */
static void put_words(const struct run *r, const char *p, size_t n, size_t base)
{
    for (size_t i = 0, end; i < n; i = end) {
        end = r->s->use_regex ? r->s->scan(p, n, i) : n;
        lt_tok_spans_put(&r->w->next, base + i, base + end);
    }
}

/* A space in front stands for nothing in the given text: an empty stretch before the first character. */
static void put_in_front(const struct run *r, const char *p, size_t n, size_t at)
{
    uint32_t from = lt_tok_begin(r->v, at);
    lt_tok_text_put(r->out, p, n, from, from);
}

static int do_byte_level(const struct run *r, struct lt_tok_span span)
{
    const char *p = r->v->p + span.begin;
    size_t n = span.end - span.begin;
    if (!r->out) {
        put_words(r, p, n, span.begin);
        return 0;
    }
    size_t base = r->out->b.n;
    if (r->s->prefix_space && p[0] != ' ')
        put_in_front(r, " ", 1, span.begin);
    lt_tok_text_copy(r->out, r->v, span.begin, span.end);
    put_words(r, r->out->b.p + base, r->out->b.n - base, base);
    return 0;
}

static int read_metaspace(struct lt_tok_pre_stage *s, json_t *j)
{
    struct lt_str scheme;
    bool add;
    if (lt_tok_get_str(j, "replacement", "\xE2\x96\x81", &s->literal) ||
        lt_tok_get_bool(j, "add_prefix_space", true, &add) || lt_tok_get_bool(j, "split", true, &s->split) ||
        lt_tok_get_str(j, "prepend_scheme", add ? "always" : "never", &scheme))
        return -1;
    uint32_t c;
    if (!s->literal.n || (size_t)lt_utf8_get(s->literal.p, &c) != s->literal.n)
        return lt_fail("Metaspace: \"replacement\" must be one character");
    if (lt_str_is(scheme, "always"))
        s->scheme = ALWAYS;
    else if (lt_str_is(scheme, "first"))
        s->scheme = FIRST;
    else if (lt_str_is(scheme, "never"))
        s->scheme = NEVER;
    else
        return lt_fail("Metaspace: the prepend_scheme \"%.60s\" is not known", scheme.p);
    return 0;
}

static inline bool is_mark(struct lt_str mark, const char *p, size_t n)
{
    return *p == *mark.p && n >= mark.n && memcmp(p, mark.p, mark.n) == 0;
}

static int do_metaspace(const struct run *r, struct lt_tok_span span)
{
    const struct lt_tok_view *v = r->v;
    struct lt_str mark = r->s->literal;
    size_t base = r->out->b.n, begin = base;
    const char *p = v->p + span.begin;
    bool marked = p[0] == ' ' || is_mark(mark, p, span.end - span.begin);
    bool first = lt_tok_begin(v, span.begin) == 0;
    if (!marked && (r->s->scheme == ALWAYS || (r->s->scheme == FIRST && first)))
        put_in_front(r, mark.p, mark.n, span.begin);
    for (size_t i = span.begin; i < span.end;) {
        size_t same = i;
        while (i < span.end && v->p[i] != ' ' && !is_mark(mark, v->p + i, span.end - i))
            i++;
        lt_tok_text_copy(r->out, v, same, i);
        if (i == span.end)
            break;
        if (r->s->split) {
            lt_tok_spans_put(&r->w->next, begin, r->out->b.n);
            begin = r->out->b.n;
        }
        size_t next = i + (v->p[i] == ' ' ? 1 : mark.n);
        lt_tok_text_put(r->out, mark.p, mark.n, lt_tok_from(v, i), lt_tok_to(v, next - 1));
        i = next;
    }
    lt_tok_spans_put(&r->w->next, begin, r->out->b.n);
    return 0;
}

static const struct pre_type types[] = {
    { .name = "BertPreTokenizer", .read = read_nothing, .split = do_bert },
    { .name = "ByteLevel", .read = read_byte_level, .split = do_byte_level },
    { .name = "CharDelimiterSplit", .read = read_char_delimiter, .split = do_char_delimiter },
    { .name = "Digits", .read = read_digits, .split = do_digits },
    { .name = "FixedLength", .read = read_fixed_length, .split = do_fixed_length },
    { .name = "Metaspace", .read = read_metaspace, .split = do_metaspace, .rewrites = true },
    { .name = "Punctuation", .read = read_punctuation, .split = do_punctuation },
    { .name = "Split", .read = read_split, .split = do_split },
    { .name = "UnicodeScripts", .read = read_scripts, .split = split_by_regex },
    { .name = "Whitespace", .read = read_nothing, .split = do_whitespace },
    { .name = "WhitespaceSplit", .read = read_space, .split = do_space },
};

/* ---- the chain ---- */
static bool is_byte_level(const struct lt_tok_pre_stage *s)
{
    return s->type->split == do_byte_level;
}

static int add_stage(void *self, const void *row, json_t *j)
{
    struct lt_tok_pre *out = self;
    const struct pre_type *type = row;
    out->stage = lt_realloc(out->stage, (size_t)(out->count + 1) * sizeof *out->stage);
    struct lt_tok_pre_stage *s = &out->stage[out->count++];
    *s = (struct lt_tok_pre_stage){ .type = type };
    int rc = type->read(s, j);
    s->literal = rc ? (struct lt_str){ NULL, 0 } : lt_tok_own(s->literal);
    if (rc)
        return -1;
    if (is_byte_level(s) && out->byte_level)
        return lt_fail("pre_tokenizer: two ByteLevel stages in one chain are not supported");
    out->spelt = out->byte_level && !is_byte_level(s);
    out->byte_level |= is_byte_level(s);
    return 0;
}

static const struct lt_tok_stages stages = {
    .what = "pre_tokenizer", .list = "pretokenizers", .row = types, .size = sizeof *types,
    .rows = LT_COUNT(types), .add = add_stage,
};

/* The scanner that does what the whole chain does; NULL: there is none. */
static lt_tok_scan_fn *whole_scan(const struct lt_tok_pre_stage *s, int count)
{
    const struct lt_tok_pre_stage *last = s + count - 1;
    if (count > 2 || !is_byte_level(last) || last->prefix_space)
        return NULL;
    if (count == 1)
        return last->use_regex ? last->scan : NULL;
    if (s->type->split == do_digits && s->behavior == ISOLATED)
        return last->use_regex ? lt_tok_scan_gpt2_digits : NULL;
    return last->use_regex ? NULL : s->scan;
}

int lt_tok_pre_build(json_t *j, struct lt_tok_pre *out)
{
    *out = (struct lt_tok_pre){ 0 };
    if (json_is_null(j) || !j)
        return 0;
    if (lt_tok_stages_read(&stages, j, out))
        return -1;
    out->scan = out->count ? whole_scan(out->stage, out->count) : NULL;
    return 0;
}

void lt_tok_pre_free(struct lt_tok_pre *p)
{
    for (int i = 0; i < p->count; i++) {
        lt_tok_regex_free(p->stage[i].regex);
        free((void *)(uintptr_t)p->stage[i].literal.p);
    }
    free(p->stage);
    *p = (struct lt_tok_pre){ 0 };
}

/* Words in the alphabet of ByteLevel, for the stages after it. */
static void spell_words(struct lt_tok_work *w, struct lt_tok_view *v, struct lt_tok_text *out)
{
    lt_tok_text_clear(out);
    for (size_t i = 0; i < w->spans.n; i++) {
        struct lt_tok_span *s = &w->spans.at[i];
        size_t begin = out->b.n;
        for (size_t k = s->begin; k < s->end; k++) {
            lt_buf_clear(&w->tmp);
            lt_tok_spell(&w->tmp, (struct lt_str){ v->p + k, 1 });
            lt_tok_text_put(out, w->tmp.p, w->tmp.n, lt_tok_from(v, k), lt_tok_to(v, k));
        }
        *s = (struct lt_tok_span){ begin, out->b.n };
    }
    *v = lt_tok_text_view(out, v->base);
}

int lt_tok_pre_apply(const struct lt_tok_pre *p, struct lt_tok_work *w, struct lt_tok_matcher *m, struct lt_tok_view *v)
{
    w->spans.n = 0;
    lt_tok_spans_put(&w->spans, 0, v->n);
    for (int i = 0; i < p->count; i++) {
        const struct lt_tok_pre_stage *s = &p->stage[i];
        struct run r = { .s = s, .w = w, .m = m, .v = v };
        if (s->type->rewrites || s->prefix_space) {
            r.out = &w->text[w->turn ^= 1];
            lt_tok_text_clear(r.out);
        }
        w->next.n = 0;
        for (size_t k = 0; k < w->spans.n; k++)
            if (s->type->split(&r, w->spans.at[k]))
                return -1;
        struct lt_tok_spans done = w->spans;
        w->spans = w->next;
        w->next = done;
        if (r.out)
            *v = lt_tok_text_view(r.out, v->base);
        if (is_byte_level(s) && i + 1 < p->count)
            spell_words(w, v, &w->text[w->turn ^= 1]);
    }
    return 0;
}
