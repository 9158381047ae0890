#include "text/sentence_split.h"
#include "text/tok_char.h"
#include <string.h>

struct splitter {
    const struct lt_sentence_rules *r;
    lt_sentence_fn *fn;
    void *to;
    struct lt_buf block, words;     /* a paragraph, its white space single spaces; a sentence as it is given */
    uint64_t count;                 /* words so far */
};

void lt_sentence_abbreviations(struct lt_map *to)
{
    static const char *const known[] = {
        "Adm", "Art", "Brig", "Bros", "Capt", "Co", "Col", "Cpl", "Dr", "Esq", "Fig", "Figs", "Fr", "Gen", "Gov", "Hon",
        "Lieut", "Lt", "Maj", "Messrs", "Mlle", "Mme", "Mmes", "Mr", "Mrs", "Ms", "Mt", "Prof", "Rev",
        "Sen", "Sgt", "St", "Ste", "Vol", "Vols", "cf", "ch", "ed", "eds", "eg", "fig", "figs", "ie", "p", "pp", "resp",
        "vol", "vols", "vs",
    };
    for (int i = 0; i < LT_COUNT(known); i++) lt_map_put(to, lt_str(known[i]), NULL);
}

/* ---- characters ---- */
static bool in(uint32_t c, const char *set)
{
    uint32_t x;
    while (*set) {
        set += lt_utf8_get(set, &x);
        if (x == c) return true;
    }
    return false;
}

static bool is_end(uint32_t c) { return c == '.' || in(c, "!?…؟‽"); }
static bool is_whole_end(uint32_t c) { return c >= 0x80 && in(c, "。！？।॥"); }
static bool is_closing(uint32_t c) { return in(c, "\"')]}”’»›」』）"); }
static bool is_opening(uint32_t c) { return in(c, "\"'([{“‘„‚«‹¿¡—–*"); }

/* The character before `at` > 0, and where it begins. */
static size_t before(const char *p, size_t at, uint32_t *c)
{
    do at--; while (at && ((uint8_t)p[at] & 0xC0) == 0x80);
    lt_utf8_get(p + at, c);
    return at;
}

static uint32_t at_or_none(struct lt_str s, size_t at)
{
    uint32_t c = 0;
    if (at < s.n) lt_utf8_get(s.p + at, &c);
    return c;
}

/* ---- sentences ---- */
/* Letters one by one, with full stops between: e.g, U.S, p.m. */
static bool has_stops(struct lt_str w)
{
    bool letter = false, stop = false;
    uint32_t c;
    for (size_t i = 0; i < w.n; i += (size_t)lt_utf8_size(w.p[i])) {
        lt_utf8_get(w.p + i, &c);
        if (c == '.' ? !letter : letter || lt_char_class(c) != LT_CHAR_LETTER) return false;
        letter = c != '.';
        stop |= c == '.';
    }
    return letter && stop;
}

/* Is a full stop behind w part of it? */
static bool is_abbreviation(const struct lt_sentence_rules *r, struct lt_str w)
{
    uint32_t c;
    if (!w.n) return false;
    if (lt_utf8_get(w.p, &c) == (int)w.n) {
        if (lt_char_class(c) == LT_CHAR_LETTER && lt_char_is_upper(c) && c != 'I') return true;
    } else if (has_stops(w)) {
        return true;
    }
    return r->abbreviations && lt_map_get(r->abbreviations, w);
}

static struct lt_str word_before(const char *p, size_t end)
{
    size_t at = end;
    uint32_t c;
    while (at) {
        size_t to = before(p, at, &c);
        if (c == ' ' || is_opening(c)) break;
        at = to;
    }
    return (struct lt_str){ p + at, end - at };
}

/* s[0 .. at) before a space: is it a sentence's end, as far as it goes? */
static bool ends(const struct lt_sentence_rules *r, struct lt_str s, size_t at)
{
    uint32_t c = 0;
    while (at) {
        at = before(s.p, at, &c);
        if (!is_closing(c)) break;
    }
    if (!is_end(c)) return false;
    if (c != '.') return true;
    if (at && s.p[at - 1] == '.') return true;          /* ... */
    return !is_abbreviation(r, word_before(s.p, at));
}

static bool begins(struct lt_str s, size_t at)
{
    uint32_t c = 0;
    while ((c = at_or_none(s, at)) && (c == ' ' || is_opening(c))) at += (size_t)lt_utf8_size(s.p[at]);
    return lt_char_class(c) == LT_CHAR_LETTER && !lt_char_is_lower(c);
}

/* ---- words ---- */
static void put_word(struct splitter *k, const char *p, size_t n)
{
    if (k->words.n) lt_buf_char(&k->words, ' ');
    lt_buf_put(&k->words, p, n);
    k->count++;
}

/* Does c, between a and b, hold them together? */
static bool joins(uint32_t c, uint32_t a, uint32_t b)
{
    if (!lt_char_is_word(a) || !lt_char_is_word(b)) return false;
    if (c == ',' || c == ':') return lt_char_is_number(a) && lt_char_is_number(b);
    return in(c, "'’-‐‑.@");
}

/* The end of the word that begins at `at` in a stretch without spaces; last: nothing follows the stretch. */
static size_t word_end(const struct splitter *k, struct lt_str s, size_t at, bool last)
{
    uint32_t c = at_or_none(s, at), past = 0;
    size_t i = at;
    if (!lt_char_is_word(c)) {
        while (at_or_none(s, i) == c) i += (size_t)lt_utf8_size(s.p[i]);
        return i;
    }
    for (; i < s.n; past = c, i += (size_t)lt_utf8_size(s.p[i])) {
        c = at_or_none(s, i);
        if (!lt_char_is_word(c) && !joins(c, past, at_or_none(s, i + (size_t)lt_utf8_size(s.p[i])))) break;
    }
    bool stays = i < s.n && s.p[i] == '.' && !last && is_abbreviation(k->r, (struct lt_str){ s.p + at, i - at });
    return i + stays;
}

static void put_stretch(struct splitter *k, struct lt_str s, bool last)
{
    for (size_t at = 0, end; at < s.n; at = end) {
        end = word_end(k, s, at, last);
        put_word(k, s.p + at, end - at);
    }
}

static int give(struct splitter *k, struct lt_str s)
{
    struct lt_str part;
    lt_buf_clear(&k->words);
    k->count = 0;
    while (s.n && lt_str_split(&s, ' ', &part)) {
        if (!part.n) continue;
        if (k->r->tokenize) put_stretch(k, part, !s.n);
        else put_word(k, part.p, part.n);
    }
    return k->count ? k->fn(k->to, lt_buf_view(&k->words), k->count) : 0;
}

/* ---- paragraphs ---- */
static int split_block(struct splitter *k)
{
    struct lt_str s = lt_buf_view(&k->block);
    size_t from = 0;
    uint32_t c;
    int rc = 0;
    for (size_t i = 0; i < s.n && !rc;) {
        size_t next = i + (size_t)lt_utf8_get(s.p + i, &c);
        if (is_whole_end(c)) {
            while (is_closing(c = at_or_none(s, next)) || is_whole_end(c)) next += (size_t)lt_utf8_size(s.p[next]);
        } else if (c != ' ' || !begins(s, next) || !ends(k->r, (struct lt_str){ s.p + from, i - from }, i - from)) {
            i = next;
            continue;
        }
        rc = give(k, (struct lt_str){ s.p + from, next - from });
        from = i = next;
    }
    if (!rc && from < s.n) rc = give(k, (struct lt_str){ s.p + from, s.n - from });
    lt_buf_clear(&k->block);
    return rc;
}

/* Appends a line with its white space made single spaces; false when there is nothing else in it. */
static bool put_line(struct lt_buf *b, struct lt_str line)
{
    bool space = b->n > 0, any = false;
    uint32_t c;
    for (size_t i = 0, n; i < line.n; i += n) {
        n = (size_t)lt_utf8_get(line.p + i, &c);
        if (lt_char_class(c) == LT_CHAR_SPACE) {
            space = b->n > 0;
            continue;
        }
        if (space) lt_buf_char(b, ' ');
        lt_buf_put(b, line.p + i, n);
        space = false;
        any = true;
    }
    return any;
}

int lt_sentence_split(const struct lt_sentence_rules *r, struct lt_str text, lt_sentence_fn *fn, void *to)
{
    struct splitter k = { .r = r, .fn = fn, .to = to };
    struct lt_str line;
    int rc = 0;
    while (!rc && text.n && lt_str_split(&text, '\n', &line))
        if (!put_line(&k.block, line) || r->lines) rc = split_block(&k);
    if (!rc) rc = split_block(&k);
    lt_buf_free(&k.block);
    lt_buf_free(&k.words);
    return rc;
}
