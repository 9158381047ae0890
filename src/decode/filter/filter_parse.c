/* The notation of filters:
 *
 *     expression  =  conjunction { "or" conjunction }
 *     conjunction =  factor { "and" factor }
 *     factor      =  "not" factor  |  "(" expression ")"  |  term
 *     term        =  NAME  |  NAME "(" text ")"  |  NAME [= < <= > >=] NUMBER [".." NUMBER] */
#include "decode/filter/word_filter.h"
#include "text/letters.h"
#include <string.h>

enum { DEPTH_MAX = 64, NUMBER_MAX = 1000000 };
enum shape { PLAIN, TEXT, NUMBERS, LINES, SCHEME };

struct reader { struct lt_str all; size_t at; bool marks; struct lt_filter_rule *out; int depth; };

static const struct name { const char *name; enum shape shape; enum lt_filter_kind kind; } names[] = {
    { "length", NUMBERS, LT_FILTER_LENGTH }, { "syllables", NUMBERS, LT_FILTER_SYLLABLES },
    { "without", TEXT, LT_FILTER_WITHOUT }, { "with", TEXT, LT_FILTER_WITH }, { "only", TEXT, LT_FILTER_ONLY },
    { "starts", TEXT, LT_FILTER_STARTS }, { "ends", TEXT, LT_FILTER_ENDS }, { "contains", TEXT, LT_FILTER_CONTAINS },
    { "anagram", TEXT, LT_FILTER_ANAGRAM }, { "part_of", TEXT, LT_FILTER_PART_OF },
    { "palindrome", PLAIN, LT_FILTER_PALINDROME }, { "isogram", PLAIN, LT_FILTER_ISOGRAM },
    { "rhymes", TEXT, LT_FILTER_RHYMES }, { "in", TEXT, LT_FILTER_IN },
    { "lines", LINES, 0 }, { "haiku", LINES, 0 }, { "scheme", SCHEME, 0 }, { "alliteration", SCHEME, 0 },
};

static int expected(const struct reader *r, const char *what)
{
    struct lt_str rest = { r->all.p + r->at, r->all.n - r->at };
    if (!rest.n)
        return lt_misuse("filter: expected %s at the end of \"%.*s\"", what, (int)LT_MIN(r->all.n, 200), r->all.p);
    return lt_misuse("filter: expected %s, found \"%.*s\" (character %zu)", what, (int)LT_MIN(rest.n, 20), rest.p,
                     r->at + 1);
}

/* ---- signs and words ---- */
static void blanks(struct reader *r)
{
    while (r->at < r->all.n && strchr(" \t\r\n", r->all.p[r->at]) && r->all.p[r->at]) r->at++;
}

static bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static struct lt_str peek_word(struct reader *r)
{
    blanks(r);
    struct lt_str w = { r->all.p + r->at, 0 };
    while (r->at + w.n < r->all.n && is_name(w.p[w.n])) w.n++;
    return w;
}

static bool take_word(struct reader *r, const char *word)
{
    if (!lt_str_is(peek_word(r), word)) return false;
    r->at += strlen(word);
    return true;
}

static bool take(struct reader *r, const char *sign)
{
    size_t n = strlen(sign);
    blanks(r);
    if (r->all.n - r->at < n || memcmp(r->all.p + r->at, sign, n)) return false;
    r->at += n;
    return true;
}

static int number(struct reader *r, int64_t *out)
{
    blanks(r);
    size_t from = r->at;
    *out = 0;
    while (r->at < r->all.n && r->all.p[r->at] >= '0' && r->all.p[r->at] <= '9' && *out <= NUMBER_MAX)
        *out = 10 * *out + (r->all.p[r->at++] - '0');
    if (r->at > from && *out <= NUMBER_MAX) return 0;
    r->at = from;
    return expected(r, "a number up to 1000000");
}

/* (text) or ("text"); blanks at its ends are not part of it. */
static int bracketed(struct reader *r, struct lt_str *out)
{
    if (!take(r, "(")) return expected(r, "(");
    blanks(r);
    bool quoted = r->at < r->all.n && r->all.p[r->at] == '"';
    const char *from = r->all.p + r->at + quoted, *end = memchr(from, quoted ? '"' : ')',
                                                                r->all.n - r->at - (size_t)quoted);
    if (!end) return expected(r, quoted ? "a text up to \"" : "a text up to )");
    *out = (struct lt_str){ from, (size_t)(end - from) };
    r->at = (size_t)(end - r->all.p) + quoted;
    while (!quoted && out->n && strchr(" \t\r\n", out->p[out->n - 1])) out->n--;
    if (!out->n) return expected(r, "a text in the brackets");
    return take(r, ")") ? 0 : expected(r, ")");
}

static int emit(struct reader *r, int code)
{
    if (r->out->codes == LT_FILTER_CODE_MAX) return lt_misuse("filter: the expression is too long");
    r->out->code[r->out->codes++] = (int8_t)code;
    return 0;
}

/* ---- terms ---- */
static int range(struct reader *r, struct lt_filter_term *t)
{
    bool le = take(r, "<="), ge = !le && take(r, ">="), lt = !le && !ge && take(r, "<");
    bool gt = !le && !ge && !lt && take(r, ">");
    if (!le && !ge && !lt && !gt) take(r, "=");
    if (number(r, &t->low)) return -1;
    t->high = t->low;
    if (le || lt) t->low = 0;
    if (lt) t->high--;
    if (gt) t->low++;
    if (ge || gt) t->high = INT32_MAX;
    if (le || ge || lt || gt || !take(r, "..")) return 0;
    if (number(r, &t->high)) return -1;
    return t->high >= t->low ? 0 : lt_misuse("filter: the range %lld..%lld is empty", (long long)t->low,
                                             (long long)t->high);
}

/* Letters of an anagram are counted in one number. */
static int check_counts(const struct lt_filter_term *t)
{
    uint64_t ways = 1;
    for (int i = 0; i < t->letters; i++) {
        int same = 0;
        for (int k = 0; k < t->letters; k++) same += t->letter[k] == t->letter[i] && k <= i;
        ways = ways / (uint64_t)same * (uint64_t)(same + 1);
        if (ways > INT32_MAX) return lt_misuse("filter: \"%.*s\" has too many different letters", (int)t->text.n,
                                               t->text.p);
    }
    return 0;
}

static int letters(struct reader *r, struct lt_filter_term *t)
{
    if (bracketed(r, &t->text)) return -1;
    if (t->kind == LT_FILTER_IN) return 0;
    t->letters = lt_letters_of(t->text, r->marks, t->letter, LT_WORD_LETTERS_MAX);
    if (t->letters <= 0)
        return lt_misuse("filter: \"%.*s\": expected letters of a word, at most %d", (int)LT_MIN(t->text.n, 80),
                         t->text.p, LT_WORD_LETTERS_MAX);
    if (t->kind == LT_FILTER_WITH && t->letters > 31) return lt_misuse("filter: with(...): at most 31 letters");
    return t->kind == LT_FILTER_ANAGRAM || t->kind == LT_FILTER_PART_OF ? check_counts(t) : 0;
}

static int line_count(struct lt_filter_rule *out, int lines)
{
    if (out->lines && out->lines != lines)
        return lt_misuse("filter: the lines are %d in one term and %d in another", out->lines, lines);
    out->lines = lines;
    return 0;
}

/* lines(5 7 5) */
static int read_lines(struct reader *r)
{
    int n = 0;
    if (r->out->syllables[0]) return lt_misuse("filter: syllables of lines are given twice");
    if (!take(r, "(")) return expected(r, "(");
    while (!take(r, ")")) {
        int64_t k;
        if (n == LT_FILTER_LINES_MAX) return lt_misuse("filter: at most %d lines", LT_FILTER_LINES_MAX);
        if (number(r, &k)) return -1;
        if (k < 1 || k > LT_SYLLABLES_MAX)
            return lt_misuse("filter: a line has 1 to %d syllables, found %lld", LT_SYLLABLES_MAX, (long long)k);
        r->out->syllables[n++] = (int)k;
    }
    return n ? line_count(r->out, n) : expected(r, "syllables of lines, as in lines(5 7 5)");
}

/* scheme(ABAB) */
static int read_scheme(struct reader *r)
{
    struct lt_str text;
    if (*r->out->scheme) return lt_misuse("filter: the scheme is given twice");
    if (bracketed(r, &text)) return -1;
    for (size_t i = 0; i < text.n; i++)
        if (i == LT_FILTER_LINES_MAX || !is_name(text.p[i]))
            return lt_misuse("filter: expected a scheme of at most %d letters, as in scheme(ABAB)",
                             LT_FILTER_LINES_MAX);
    memcpy(r->out->scheme, text.p, text.n);
    return line_count(r->out, (int)text.n);
}

static int of_lines(struct reader *r, const char *name)
{
    static const int haiku[] = { 5, 7, 5 };
    if (!strcmp(name, "scheme")) return read_scheme(r);
    if (!strcmp(name, "lines")) return read_lines(r);
    if (!strcmp(name, "alliteration")) {
        r->out->alliteration = true;
        return 0;
    }
    if (r->out->syllables[0]) return lt_misuse("filter: syllables of lines are given twice");
    memcpy(r->out->syllables, haiku, sizeof haiku);
    return line_count(r->out, 3);
}

static int unknown(struct reader *r, struct lt_str word)
{
    char text[64];
    int best = (int)word.n / 3 + 2;
    const char *near = NULL;
    if (!word.n || word.n >= sizeof text) return expected(r, "a term, `not` or (");
    memcpy(text, word.p, word.n);
    text[word.n] = 0;
    for (int i = 0; i < LT_COUNT(names); i++) {
        int d = lt_edit_distance(text, names[i].name);
        if (d >= best) continue;
        best = d;
        near = names[i].name;
    }
    if (near) return lt_misuse("filter: there is no term \"%s\"; did you mean \"%s\"?", text, near);
    return lt_misuse("filter: there is no term \"%s\"; `lathe help filter` lists them", text);
}

static int term(struct reader *r)
{
    struct lt_str word = peek_word(r);
    const struct name *n = names;
    while (n < names + LT_COUNT(names) && !lt_str_is(word, n->name)) n++;
    if (n == names + LT_COUNT(names)) return unknown(r, word);
    r->at += word.n;
    if (n->shape == LINES || n->shape == SCHEME) return of_lines(r, n->name) ? -1 : emit(r, LT_FILTER_TRUE);
    if (r->out->terms == LT_FILTER_TERMS_MAX) return lt_misuse("filter: more than %d terms", LT_FILTER_TERMS_MAX);
    struct lt_filter_term *t = &r->out->term[r->out->terms];
    *t = (struct lt_filter_term){ .kind = n->kind, .text = word };
    if (n->shape == NUMBERS && range(r, t)) return -1;
    if (n->shape == TEXT && letters(r, t)) return -1;
    return emit(r, r->out->terms++);
}

/* ---- the expression: recursion is bounded by DEPTH_MAX ---- */
static int expression(struct reader *r);

static int factor(struct reader *r)
{
    int nots = 0;
    while (take_word(r, "not")) nots++;
    if (take(r, "(")) {
        if (++r->depth > DEPTH_MAX) return lt_misuse("filter: more than %d brackets in each other", DEPTH_MAX);
        if (expression(r)) return -1;
        if (!take(r, ")")) return expected(r, ")");
        r->depth--;
    } else if (term(r)) return -1;
    while (nots-- > 0)
        if (emit(r, LT_FILTER_NOT)) return -1;
    return 0;
}

static int conjunction(struct reader *r)
{
    if (factor(r)) return -1;
    while (take_word(r, "and"))
        if (factor(r) || emit(r, LT_FILTER_AND)) return -1;
    return 0;
}

static int expression(struct reader *r)
{
    if (conjunction(r)) return -1;
    while (take_word(r, "or"))
        if (conjunction(r) || emit(r, LT_FILTER_OR)) return -1;
    return 0;
}

/* Terms about lines are true in the code, and so must stand only under `and`. */
static int check_places(const struct lt_filter_rule *f)
{
    bool lines[LT_FILTER_CODE_MAX], mixed = false;
    int n = 0;
    for (int i = 0; i < f->codes; i++) {
        int c = f->code[i];
        if (c >= 0 || c == LT_FILTER_TRUE) lines[n++] = c == LT_FILTER_TRUE;
        else if (c == LT_FILTER_NOT) mixed |= lines[n - 1];
        else {
            n--;
            if (c == LT_FILTER_OR) mixed |= lines[n] || lines[n - 1];
            lines[n - 1] |= lines[n];
        }
    }
    if (!mixed) return 0;
    return lt_misuse("filter: lines, haiku, scheme and alliteration are about the whole text: they stand beside other "
                     "terms with `and`, not under `or` or `not`");
}

int lt_filter_parse(struct lt_str text, bool marks, struct lt_filter_rule *out)
{
    struct reader r = { .all = text, .marks = marks, .out = out };
    memset(out, 0, sizeof *out);
    if (expression(&r)) return -1;
    blanks(&r);
    if (r.at < text.n) return expected(&r, "`and`, `or` or the end");
    return check_places(out);
}
