/* Normalisers.  Each stage is a row of `types`: it reads its members once, may say that it leaves a text as it is
 * (the common case, which then costs no copy), and writes a new text with the origin of every byte. */
#include "text/tok_derive.h"
#include "text/tok_char.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

struct norm_type;
struct lt_tok_norm_stage {
    const struct norm_type *type;
    struct lt_str text, with;                   /* owned */
    struct lt_tok_regex *regex;
    struct lt_tok_charsmap *map;
    int form;                                   /* utf8proc options of NFC ... */
    bool left, right, clean, chinese, accents, lower, longest;
};
struct norm_type {
    const char *name;
    int (*read)(struct lt_tok_norm_stage *s, json_t *j);
    bool (*same)(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v);      /* NULL: never known */
    int (*apply)(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                 struct lt_tok_text *out);
    int form;
};

/* ---- helpers ---- */
static bool all_ascii(const struct lt_tok_view *v)
{
    size_t i = 0;
    uint64_t eight;
    for (; i + 8 <= v->n; i += 8) {
        memcpy(&eight, v->p + i, 8);
        if (eight & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; i < v->n; i++)
        if ((uint8_t)v->p[i] >= 0x80)
            return false;
    return true;
}

static void put_char(struct lt_tok_text *out, uint32_t c, uint32_t from, uint32_t to)
{
    char p[4];
    lt_tok_text_put(out, p, (size_t)lt_utf8_put(p, c), from, to);
}

static int read_none(struct lt_tok_norm_stage *s, json_t *j)
{
    (void)s, (void)j;
    return 0;
}

/* ---- Unicode normal forms ----
 * A text falls into stretches that no form changes across: each begins with a character of combining class 0 that
 * takes no part in composition with what comes before.  A changed stretch stands for its whole origin. */
static bool is_boundary(uint32_t c)
{
    if (c < 0x300)
        return true;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    return p->combining_class == 0 && p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC &&
           !(c >= 0x1160 && c <= 0x11FF);       /* vowels and finals of Hangul join what is before */
}

/* Is a character that stands alone in its stretch its own form?  false: to be looked up. */
static bool is_own_form(const struct lt_tok_norm_stage *s, uint32_t c)
{
    bool composed = s->form & UTF8PROC_COMPOSE, compat = s->form & UTF8PROC_COMPAT;
    if (c < 0x300)
        return composed && !compat ? true : c < 0xA0;
    if (c >= 0xAC00 && c <= 0xD7A3)
        return composed;
    return utf8proc_get_property((utf8proc_int32_t)c)->decomp_seqindex == UINT16_MAX;
}

static bool same_form(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v)
{
    if (all_ascii(v))
        return true;
    for (size_t i = 0; i < v->n;) {
        uint32_t c;
        i += (size_t)lt_utf8_get(v->p + i, &c);
        if (c >= 0x80 && !(is_boundary(c) && is_own_form(s, c)))
            return false;
    }
    return true;
}

static int put_form(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v, size_t begin, size_t end,
                    struct lt_tok_text *out)
{
    utf8proc_uint8_t *to;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)v->p + begin, (utf8proc_ssize_t)(end - begin), &to,
                                      (utf8proc_option_t)s->form);
    if (n < 0)
        return lt_fail("%s: %s", s->type->name, utf8proc_errmsg(n));
    if ((size_t)n == end - begin && memcmp(to, v->p + begin, (size_t)n) == 0)
        lt_tok_text_copy(out, v, begin, end);
    else
        lt_tok_text_put(out, (const char *)to, (size_t)n, lt_tok_from(v, begin), lt_tok_to(v, end - 1));
    free(to);
    return 0;
}

static int do_form(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                   struct lt_tok_text *out)
{
    (void)x;
    size_t same = 0;                                    /* from here to i nothing changes */
    for (size_t i = 0; i < v->n;) {
        uint32_t first, c;
        size_t begin = i;
        i += (size_t)lt_utf8_get(v->p + i, &first);
        bool alone = true;
        for (size_t size; i < v->n; i += size, alone = false) {
            size = (size_t)lt_utf8_get(v->p + i, &c);
            if (is_boundary(c))
                break;
        }
        if (alone && is_own_form(s, first))
            continue;
        lt_tok_text_copy(out, v, same, begin);
        if (put_form(s, v, begin, i, out))
            return -1;
        same = i;
    }
    lt_tok_text_copy(out, v, same, v->n);
    return 0;
}

/* ---- characters one by one ---- */
static bool same_lower(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v)
{
    (void)s;
    for (size_t i = 0; i < v->n; i++)
        if ((uint8_t)v->p[i] >= 0x80 || (v->p[i] >= 'A' && v->p[i] <= 'Z'))
            return false;
    return true;
}

static int do_lower(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                    struct lt_tok_text *out)
{
    (void)s, (void)x;
    for (size_t i = 0; i < v->n;) {
        uint32_t c, low[2];
        size_t next = i + (size_t)lt_utf8_get(v->p + i, &c);
        int n = lt_char_lower(c, low);
        for (int k = 0; k < n; k++)
            put_char(out, low[k], lt_tok_from(v, i), lt_tok_to(v, next - 1));
        i = next;
    }
    return 0;
}

static bool same_ascii(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v)
{
    (void)s;
    return all_ascii(v);
}

static int do_strip_accents(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                            struct lt_tok_text *out)
{
    (void)s, (void)x;
    for (size_t i = 0; i < v->n;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(v->p + i, &c);
        if (!lt_char_is_mark(c))
            lt_tok_text_copy(out, v, i, next);
        i = next;
    }
    return 0;
}

/* What sentencepiece's nmt rules do before NFKC: some controls go, some become spaces. */
static int do_nmt(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                  struct lt_tok_text *out)
{
    (void)s, (void)x;
    for (size_t i = 0; i < v->n;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(v->p + i, &c);
        bool gone = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
        bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
        if (space)
            lt_tok_text_put(out, " ", 1, lt_tok_from(v, i), lt_tok_to(v, next - 1));
        else if (!gone)
            lt_tok_text_copy(out, v, i, next);
        i = next;
    }
    return 0;
}

/* ---- BERT ---- */
static int read_bert(struct lt_tok_norm_stage *s, json_t *j)
{
    return lt_tok_get_bool(j, "clean_text", true, &s->clean) || lt_tok_get_bool(j, "lowercase", true, &s->lower) ||
           lt_tok_get_bool(j, "handle_chinese_chars", true, &s->chinese) ||
           lt_tok_get_bool(j, "strip_accents", s->lower, &s->accents) ? -1 : 0;
}

/* One character after cleaning: without its accents, in lower case. */
static void put_bert(const struct lt_tok_norm_stage *s, uint32_t c, uint32_t from, uint32_t to, struct lt_tok_text *out)
{
    utf8proc_int32_t part[32] = { (utf8proc_int32_t)c };
    utf8proc_ssize_t n = 1;
    if (s->accents && c >= 0x80)
        n = utf8proc_decompose_char((utf8proc_int32_t)c, part, 32, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, NULL);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        uint32_t low[2] = { (uint32_t)part[i] };
        if (s->accents && lt_char_is_mark(low[0]))
            continue;
        int count = s->lower ? lt_char_lower(low[0], low) : 1;
        for (int k = 0; k < count; k++)
            put_char(out, low[k], from, to);
    }
}

/* ASCII as one byte, or -1: it goes. */
static int bert_ascii(const struct lt_tok_norm_stage *s, char c)
{
    if (s->clean && (c == ' ' || (c >= '\t' && c <= '\r')))
        return c == '\v' || c == '\f' ? -1 : ' ';
    if (s->clean && (c < ' ' || c == 127))
        return -1;
    return s->lower && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static int do_bert(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                   struct lt_tok_text *out)
{
    (void)x;
    for (size_t i = 0; i < v->n;) {
        uint32_t c;
        if ((uint8_t)v->p[i] < 0x80) {
            int byte = bert_ascii(s, v->p[i]);
            char one = (char)byte;
            if (byte >= 0)
                lt_tok_text_put(out, &one, 1, lt_tok_from(v, i), lt_tok_to(v, i));
            i++;
            continue;
        }
        size_t next = i + (size_t)lt_utf8_get(v->p + i, &c);
        uint32_t from = lt_tok_from(v, i), to = lt_tok_to(v, next - 1);
        bool chinese = s->chinese && c >= 0x3400 && lt_char_is_chinese(c);
        if (s->clean && (c == 0 || c == 0xFFFD || lt_char_is_control(c)))
            c = UINT32_MAX;
        else if (s->clean && lt_char_is_space(c))
            c = ' ';
        if (chinese)
            lt_tok_text_put(out, " ", 1, from, to);
        if (c != UINT32_MAX)
            put_bert(s, c, from, to, out);
        if (chinese)
            lt_tok_text_put(out, " ", 1, from, to);
        i = next;
    }
    return 0;
}

/* ---- white space and text in front ---- */
static int read_strip(struct lt_tok_norm_stage *s, json_t *j)
{
    return lt_tok_get_bool(j, "strip_left", true, &s->left) || lt_tok_get_bool(j, "strip_right", true, &s->right)
           ? -1 : 0;
}

static int do_strip(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                    struct lt_tok_text *out)
{
    (void)x;
    size_t begin = v->n, end = 0;                       /* of what is not white space */
    for (size_t i = 0; i < v->n;) {
        uint32_t c;
        size_t next = i + (size_t)lt_utf8_get(v->p + i, &c);
        if (!lt_char_is_space(c)) {
            begin = LT_MIN(begin, i);
            end = next;
        }
        i = next;
    }
    begin = s->left ? begin : 0;
    end = s->right ? end : v->n;
    if (begin < end)
        lt_tok_text_copy(out, v, begin, end);
    return 0;
}

static int read_prepend(struct lt_tok_norm_stage *s, json_t *j)
{
    return lt_tok_get_str(j, "prepend", NULL, &s->text);
}

static int do_prepend(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                      struct lt_tok_text *out)
{
    (void)x;
    if (v->n)
        lt_tok_text_put(out, s->text.p, s->text.n, lt_tok_begin(v, 0), lt_tok_begin(v, 0));
    lt_tok_text_copy(out, v, 0, v->n);
    return 0;
}

/* ---- replacing ---- */
static int read_replace(struct lt_tok_norm_stage *s, json_t *j)
{
    return lt_tok_get_pattern(j, "pattern", &s->text, &s->regex) || lt_tok_get_str(j, "content", NULL, &s->with)
           ? -1 : 0;
}

static bool same_replace(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v)
{
    return !s->regex && (!s->text.n || !memmem(v->p, v->n, s->text.p, s->text.n));
}

/* The new text stands for all of the old; where nothing was replaced (an empty match), for nothing. */
static void put_replaced(const struct lt_tok_norm_stage *s, const struct lt_tok_view *v, size_t begin, size_t end,
                         struct lt_tok_text *out)
{
    uint32_t from = lt_tok_begin(v, begin), to = end > begin ? lt_tok_to(v, end - 1) : from;
    lt_tok_text_put(out, s->with.p, s->with.n, from, to);
}

static int do_replace(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                      struct lt_tok_text *out)
{
    size_t done = 0;
    if (!s->regex) {
        for (const char *hit; (hit = memmem(v->p + done, v->n - done, s->text.p, s->text.n));) {
            size_t begin = (size_t)(hit - v->p);
            lt_tok_text_copy(out, v, done, begin);
            put_replaced(s, v, begin, begin + s->text.n, out);
            done = begin + s->text.n;
        }
        lt_tok_text_copy(out, v, done, v->n);
        return 0;
    }
    struct lt_tok_matches all = { 0 };
    struct lt_tok_span m;
    int rc;
    while ((rc = lt_tok_regex_next(s->regex, x->matcher, (struct lt_str){ v->p, v->n }, &all, &m)) == 1) {
        lt_tok_text_copy(out, v, done, m.begin);
        put_replaced(s, v, m.begin, m.end, out);
        done = m.end;
    }
    lt_tok_text_copy(out, v, done, v->n);
    return rc < 0 ? -1 : 0;
}

/* ---- sentencepiece's compiled map ----
 * "match": "longest" is ours: what sentencepiece itself does, where Hugging Face looks at graphemes. */
static int read_precompiled(struct lt_tok_norm_stage *s, json_t *j)
{
    struct lt_str text, match;
    struct lt_buf bytes = { 0 };
    if (lt_tok_get_str(j, "precompiled_charsmap", NULL, &text) || lt_tok_get_str(j, "match", "grapheme", &match))
        return -1;
    s->longest = lt_str_is(match, "longest");
    if (!lt_tok_base64(text, &bytes))
        lt_fail("\"precompiled_charsmap\" is not base64");
    else
        s->map = lt_tok_charsmap_new(lt_buf_view(&bytes));
    lt_buf_free(&bytes);
    return s->map ? 0 : lt_fail("Precompiled: %s", lt_error());
}

static int do_precompiled(const struct lt_tok_norm_stage *s, struct lt_tok_scratch *x, const struct lt_tok_view *v,
                          struct lt_tok_text *out)
{
    (void)x;
    lt_tok_charsmap_apply(s->map, s->longest, v, out);
    return 0;
}

#define COMPOSED (UTF8PROC_STABLE | UTF8PROC_COMPOSE)
#define DECOMPOSED (UTF8PROC_STABLE | UTF8PROC_DECOMPOSE)
static const struct norm_type types[] = {
    { .name = "BertNormalizer", .read = read_bert, .apply = do_bert },
    { .name = "Lowercase", .read = read_none, .same = same_lower, .apply = do_lower },
    { .name = "NFC", .read = read_none, .same = same_form, .apply = do_form, .form = COMPOSED },
    { .name = "NFD", .read = read_none, .same = same_form, .apply = do_form, .form = DECOMPOSED },
    { .name = "NFKC", .read = read_none, .same = same_form, .apply = do_form, .form = COMPOSED | UTF8PROC_COMPAT },
    { .name = "NFKD", .read = read_none, .same = same_form, .apply = do_form, .form = DECOMPOSED | UTF8PROC_COMPAT },
    { .name = "Nmt", .read = read_none, .apply = do_nmt },
    { .name = "Precompiled", .read = read_precompiled, .apply = do_precompiled },
    { .name = "Prepend", .read = read_prepend, .apply = do_prepend },
    { .name = "Replace", .read = read_replace, .same = same_replace, .apply = do_replace },
    { .name = "Strip", .read = read_strip, .apply = do_strip },
    { .name = "StripAccents", .read = read_none, .same = same_ascii, .apply = do_strip_accents },
};

/* ---- the chain ---- */
static int add_stage(void *self, const void *row, json_t *j)
{
    struct lt_tok_norm *out = self;
    const struct norm_type *type = row;
    struct lt_tok_norm_stage s = { .type = type, .form = type->form };
    if (type->read(&s, j)) {
        lt_tok_regex_free(s.regex);
        lt_tok_charsmap_free(s.map);
        return -1;
    }
    s.text = lt_tok_own(s.text);
    s.with = lt_tok_own(s.with);
    out->stage = lt_realloc(out->stage, (size_t)(out->count + 1) * sizeof *out->stage);
    out->stage[out->count++] = s;
    return 0;
}

static const struct lt_tok_stages stages = {
    .what = "normalizer", .list = "normalizers", .row = types, .size = sizeof *types,
    .rows = LT_COUNT(types), .add = add_stage,
};

int lt_tok_norm_build(json_t *j, struct lt_tok_norm *out)
{
    *out = (struct lt_tok_norm){ 0 };
    return j && !json_is_null(j) ? lt_tok_stages_read(&stages, j, out) : 0;
}

void lt_tok_norm_free(struct lt_tok_norm *n)
{
    for (int i = 0; i < n->count; i++) {
        lt_tok_regex_free(n->stage[i].regex);
        lt_tok_charsmap_free(n->stage[i].map);
        free((void *)(uintptr_t)n->stage[i].text.p);
        free((void *)(uintptr_t)n->stage[i].with.p);
    }
    free(n->stage);
    *n = (struct lt_tok_norm){ 0 };
}

int lt_tok_norm_apply(const struct lt_tok_norm *n, struct lt_tok_scratch *x, struct lt_tok_view *v)
{
    for (int i = 0, turn = 0; i < n->count; i++) {
        const struct lt_tok_norm_stage *s = &n->stage[i];
        if (s->type->same && s->type->same(s, v))
            continue;
        struct lt_tok_text *out = &x->text[turn ^= 1];
        lt_tok_text_clear(out);
        if (s->type->apply(s, x, v, out))
            return -1;
        uint32_t base = v->base;
        *v = lt_tok_text_view(out, base);
    }
    return 0;
}
