/* Finds the place in a grammar that an error speaks of, so that an editor can mark it. */
#include "serve/grammar_next.h"
#include "text/tok_char.h"
#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 64, FOUND_MOST = 20 };       /* what a sentence quotes of the text is at most so long */

static struct lt_grammar_place place_at(struct lt_str text, size_t at)
{
    struct lt_grammar_place p = { 1, 1 };
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') p = (struct lt_grammar_place){ p.line + 1, 1 };
        else p.column += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    }
    return p;
}

static struct lt_str line_of(struct lt_str text, int line)
{
    struct lt_str one = { text.p, 0 };
    while (line-- > 0 && lt_str_split(&text, '\n', &one)) { }
    return one;
}

static const char *find(struct lt_str in, struct lt_str what)
{
    return what.n ? memmem(in.p, in.n, what.p, what.n) : NULL;
}

/* `found "REST"` ends the sentence: the rest of the line, cut when it is long. */
static size_t offset_of_rest(const char *sentence, struct lt_str line)
{
    const char *said = strstr(sentence, "found \"");
    size_t n = said ? strlen(said += 7) : 0;
    if (!n || said[n - 1] != '"' || --n > line.n) return 0;
    const char *at = n < FOUND_MOST ? line.p + line.n - n : find(line, (struct lt_str){ said, n });
    return at && !memcmp(at, said, n) ? (size_t)(at - line.p) : 0;
}

/* The first thing in quotes that stands in the text: a name of a rule, say. */
static struct lt_grammar_place quoted_place(const char *sentence, struct lt_str text)
{
    const char *open = strchr(sentence, '"'), *end = open ? strchr(open + 1, '"') : NULL;
    const char *at = end ? find(text, (struct lt_str){ open + 1, (size_t)(end - open - 1) }) : NULL;
    return at ? place_at(text, (size_t)(at - text.p)) : (struct lt_grammar_place){ 0, 0 };
}

/* ---- the place of a JSON pointer ---- */

struct scan { struct lt_str s; size_t at; };

static void blanks(struct scan *c) { while (c->at < c->s.n && isspace((unsigned char)c->s.p[c->at])) c->at++; }

static void quoted(struct scan *c)
{
    for (c->at++; c->at < c->s.n && c->s.p[c->at] != '"'; c->at++)
        if (c->s.p[c->at] == '\\') c->at++;
    c->at++;
}

/* Over one value; lists and objects are counted by their brackets. */
static void value(struct scan *c)
{
    int open = 0;
    do {
        blanks(c);
        char now = c->at < c->s.n ? c->s.p[c->at] : 0;
        if (now == '"') quoted(c);
        else if (!now) return;
        else {
            open += (now == '{' || now == '[') - (now == '}' || now == ']');
            c->at++;
            if (strchr("{}[],:", now)) continue;
            while (c->at < c->s.n && !strchr("{}[],:\" \t\r\n", c->s.p[c->at])) c->at++;
        }
    } while (open > 0);
}

/* From a value to its member of this name or number, standing at the key or the value; false: it is not there. */
static bool enter(struct scan *c, struct lt_str part, bool last)
{
    blanks(c);
    if (c->at >= c->s.n || (c->s.p[c->at] != '{' && c->s.p[c->at] != '[')) return false;
    bool list = c->s.p[c->at++] == '[';
    for (int64_t i = 0, wanted = -1; ; i++) {
        blanks(c);
        if (c->at >= c->s.n || c->s.p[c->at] == '}' || c->s.p[c->at] == ']') return false;
        size_t key = c->at, end = key;
        if (!list) {
            quoted(c);
            end = c->at;
            blanks(c);
            c->at++;
        }
        if (list ? !lt_str_int(part, &wanted) && i == wanted
                 : end - key == part.n + 2 && c->at < c->s.n && !memcmp(c->s.p + key + 1, part.p, part.n)) {
            if (last && !list) c->at = key;
            return true;
        }
        value(c);
        if (c->at == key) return false;             /* nothing a value begins with */
        blanks(c);
        if (c->at < c->s.n && c->s.p[c->at] == ',') c->at++;
    }
}

/* "#/a/b: ...": keys with escapes are looked for as they are spelt. */
static struct lt_grammar_place pointer_place(const char *pointer, struct lt_str schema)
{
    struct scan c = { schema, 0 };
    const char *end = strstr(pointer, ": ");
    struct lt_str rest = { pointer + 1, end ? (size_t)(end - pointer - 1) : strlen(pointer + 1) }, part;
    lt_str_split(&rest, '/', &part);
    for (int depth = 0; depth < DEPTH_MAX && lt_str_split(&rest, '/', &part); depth++) {
        size_t before = c.at;
        if (enter(&c, part, !rest.p)) continue;
        c.at = before;
        break;
    }
    blanks(&c);
    return place_at(schema, c.at);
}

/* Takes a word and the number behind it off the front; false: the sentence goes on otherwise. */
static bool take_number(const char **sentence, const char *word, int *out)
{
    size_t n = strlen(word), digits;
    int64_t number;
    if (strncmp(*sentence, word, n)) return false;
    digits = strspn(*sentence + n, "0123456789");
    if (lt_str_int((struct lt_str){ *sentence + n, digits }, &number) || number > INT32_MAX) return false;
    *sentence += n + digits;
    *out = (int)number;
    return true;
}

/* The readers say "LABEL: line 2: ...", "LABEL: byte 7 ...", "LABEL: #/a/b: ..." or "LABEL: not JSON: line ...". */
struct lt_grammar_place lt_grammar_place(const char *sentence, struct lt_str text)
{
    const char *said = strstr(sentence, ": "), *json = "not JSON: ";
    struct lt_grammar_place p = { 0, 0 };
    int byte;
    if (!said) return p;
    said += 2;
    if (!strncmp(said, json, strlen(json))) said += strlen(json);
    if (*said == '#') return pointer_place(said, text);
    if (take_number(&said, "byte ", &byte)) return place_at(text, (size_t)byte);
    if (!take_number(&said, "line ", &p.line) || !p.line) return quoted_place(said, text);
    if (take_number(&said, ", column ", &p.column)) return p;
    struct lt_str line = line_of(text, p.line);
    p.column = place_at(line, offset_of_rest(said, line)).column;
    return p;
}
