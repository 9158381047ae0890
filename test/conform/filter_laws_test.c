/* Filters of words: what the machine lets through is what the filter says, by brute force over every short text, and a
 * text may go on exactly where some end of it satisfies the filter.  Then the masks, the notation and the control. */
#include "pieces_tokenizer.h"
#include "decode/chain.h"
#include "decode/filter/word_filter.h"
#include <ctype.h>
#include <math.h>

/* ---- by definition ---- */
typedef bool word_fn(const char *w);            /* of the letters of one word */

static bool has(const char *w, const char *part) { return strstr(w, part) != NULL; }
static bool starts(const char *w, const char *part) { return !strncmp(w, part, strlen(part)); }
static bool ends(const char *w, const char *part)
{
    return strlen(w) >= strlen(part) && !strcmp(w + strlen(w) - strlen(part), part);
}
static bool palindrome(const char *w)
{
    for (size_t i = 0, n = strlen(w); i < n; i++)
        if (w[i] != w[n - 1 - i]) return false;
    return true;
}
static bool isogram(const char *w)
{
    for (; *w; w++)
        if (strchr(w + 1, *w)) return false;
    return true;
}
static int times(const char *w, char c)
{
    int n = 0;
    for (; *w; w++) n += *w == c;
    return n;
}
static bool part_of(const char *w, const char *all)
{
    for (const char *c = w; *c; c++)
        if (times(w, *c) > times(all, *c)) return false;
    return true;
}

static bool w_without(const char *w) { return !has(w, "b"); }
static bool w_with(const char *w) { return has(w, "a") && has(w, "b"); }
static bool w_only(const char *w) { return strspn(w, "ab") == strlen(w); }
static bool w_length(const char *w) { return strlen(w) == 3; }
static bool w_range(const char *w) { return strlen(w) >= 2 && strlen(w) <= 3; }
static bool w_short(const char *w) { return strlen(w) < 3; }
static bool w_long(const char *w) { return strlen(w) > 2; }
static bool w_starts(const char *w) { return starts(w, "ab"); }
static bool w_ends(const char *w) { return ends(w, "aba"); }
static bool w_contains(const char *w) { return has(w, "aab"); }
static bool w_palindrome(const char *w) { return palindrome(w); }
static bool w_pal4(const char *w) { return palindrome(w) && strlen(w) == 4 && has(w, "b"); }
static bool w_isogram(const char *w) { return isogram(w) && strlen(w) >= 2; }
static bool w_anagram(const char *w) { return part_of(w, "abac") && strlen(w) == 4; }
static bool w_part(const char *w) { return part_of(w, "aab"); }
static bool w_mixed(const char *w) { return (starts(w, "a") && !has(w, "b")) || strlen(w) == 1; }
static bool w_not(const char *w) { return !(palindrome(w) || ends(w, "b")); }
static bool w_odd(const char *w) { return starts(w, "b") && !isogram(w) && !ends(w, "c"); }
static bool w_clash(const char *w) { return starts(w, "ab") && ends(w, "ba") && strlen(w) <= 3; }
static bool w_deep(const char *w)
{
    return !(has(w, "a") && !(strlen(w) == 2 || (has(w, "cc") && !starts(w, "c"))));
}

/* Words of the text, as the filter has them: letters, apostrophes only between letters. */
static bool text_holds(const char *text, word_fn *f)
{
    char w[64];
    for (const char *p = text; *p;) {
        if (!isalnum((unsigned char)*p)) {
            p++;
            continue;
        }
        int n = 0;
        while (isalnum((unsigned char)*p) || (*p == '\'' && isalnum((unsigned char)p[1]))) {
            if (*p != '\'') w[n++] = *p;
            p++;
        }
        w[n] = 0;
        if (!f(w)) return false;
    }
    return true;
}

/* All texts over an alphabet up to a length, in order of length: text i of length n is i in base `letters`. */
typedef bool holds_fn(const char *text, void *arg);

static void spell(char *text, const char *alphabet, int n, long i)
{
    int letters = (int)strlen(alphabet);
    for (int k = n - 1; k >= 0; k--, i /= letters) text[k] = alphabet[i % letters];
    text[n] = 0;
}

/* Texts of up to `most` letters; those of up to `checked` are compared, and may go on when an end of the rest fits. */
static void compare(struct lt_filter *f, const char *label, const char *alphabet, int checked, int most,
                    holds_fn *holds, void *arg)
{
    int letters = (int)strlen(alphabet);
    bool *below = NULL;
    long count = 1;
    for (int n = 0; n < most; n++) count *= letters;
    for (int n = most; n >= 0; n--, count /= letters) {
        bool *viable = lt_calloc((size_t)count, sizeof *viable);
        for (long i = 0; i < count; i++) {
            char text[32];
            spell(text, alphabet, n, i);
            bool want = holds(text, arg);
            viable[i] = want;
            for (int k = 0; below && k < letters; k++) viable[i] |= below[i * letters + k];
            if (n > checked) continue;
            int place = lt_filter_steps(f, lt_filter_start(f), lt_str(text));
            if (lt_filter_ends(f, place) != want) fail_msg("%s: \"%s\": expected %d", label, text, want);
            if ((place >= 0) != viable[i]) fail_msg("%s: \"%s\": expected to go on: %d", label, text, viable[i]);
        }
        free(below);
        below = viable;
    }
    free(below);
}

static struct lt_filter *filter_of(const char *text, const char *dictionary, const struct lt_token_trie *trie)
{
    struct lt_filter_how how = { .dictionary = dictionary, .trie = trie };
    struct lt_filter *f;
    if (lt_filter_open(lt_str(text), &how, &f)) fail_msg("%s: %s", text, lt_error());
    return f;
}

static bool word_holds(const char *text, void *arg) { return text_holds(text, *(word_fn **)arg); }

static const struct { const char *text; word_fn *f; } words[] = {
    { "without(b)", w_without }, { "with(ab)", w_with }, { "only(ab)", w_only }, { "length 3", w_length },
    { "length = 2..3", w_range }, { "length < 3", w_short }, { "length >= 3", w_long }, { "starts(Ab)", w_starts },
    { "ends(aba)", w_ends }, { "contains(aab)", w_contains }, { "palindrome", w_palindrome },
    { "palindrome and length 4 and with(b)", w_pal4 }, { "isogram and length > 1", w_isogram },
    { "anagram(\"abac\")", w_anagram }, { "part_of(aab)", w_part },
    { "starts(a) and without(b) or length 1", w_mixed }, { "not (palindrome or ends(b))", w_not },
    { "starts(b) and not isogram and not ends(c)", w_odd }, { "starts(ab) and ends(ba) and length <= 3", w_clash },
    { "not (with(a) and not (length = 2 or contains(cc) and not starts(c)))", w_deep },
};

static void test_filter_laws__words_twin(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(words); i++) {
        struct lt_filter *f = filter_of(words[i].text, NULL, NULL);
        word_fn *fn = words[i].f;
        compare(f, words[i].text, "abc ", 5, 9, word_holds, &fn);
        compare(f, words[i].text, "abc'", 4, 8, word_holds, &fn);
        lt_filter_close(f);
    }
}

/* ---- with sounds ---- */
/* Words, syllables they may have (digits), and how they end. */
static const struct sound { const char *word, *syllables, *rhymes; } sounds[] = {
    { "a", "1", "x" }, { "ab", "1", "y" }, { "ba", "2", "x" }, { "bb", "12", "yz" }, { "aba", "3", "x" },
    { "bab", "2", "y" }, { "b", "1", "u" },
};
static const char dictionary_text[] = ";;; a remark\nA  AY1\nAB  IH1 T\nBA  B AH0 AY1\n"
    "BB  IH1 T\nBB(2)  AH0 UH1 Z # 2\nABA  AA0 B AH0 AY1\nBAB  UH2 IH1 T\nB  UW1 K\nB.B.  B IY1\n";

static const struct sound *sound_of(const char *w)
{
    for (int i = 0; i < LT_COUNT(sounds); i++)
        if (!strcmp(sounds[i].word, w)) return &sounds[i];
    return NULL;
}

static bool rhyme(const char *a, const char *b)
{
    const struct sound *x = sound_of(a), *y = sound_of(b);
    return x && y && x != y && strpbrk(x->rhymes, y->rhymes);
}

static bool s_rhymes(const char *w) { return rhyme(w, "ab"); }
static bool s_two(const char *w) { return sound_of(w) && strchr(sound_of(w)->syllables, '2'); }
static bool s_none(const char *w) { return !rhyme(w, "a") && strlen(w) <= 2; }
static bool s_either(const char *w) { return s_two(w) || strlen(w) == 1; }
static bool s_list(const char *w) { return !strcmp(w, "a") || !strcmp(w, "aab") || !strcmp(w, "abb"); }
static bool s_list_two(const char *w) { return s_list(w) && has(w, "aa"); }

struct poem { const char *syllables, *scheme; bool alliteration; word_fn *f; };

/* By trying every number of syllables of every word. */
static bool line_holds(const char *word[], int count, int at, int left)
{
    if (at == count) return left == 0;
    const struct sound *s = sound_of(word[at]);
    for (const char *c = s ? s->syllables : ""; *c; c++)
        if (*c - '0' <= left && line_holds(word, count, at + 1, left - (*c - '0'))) return true;
    return false;
}

static bool poem_holds(const char *text, void *arg)
{
    const struct poem *p = arg;
    char copy[64], *last[8] = { 0 }, *rest = copy, *line;
    int n = 0, lines = (int)strlen(*p->syllables ? p->syllables : p->scheme);
    strcpy(copy, text);
    for (; (line = strsep(&rest, "\n")); n++) {
        const char *word[64];
        int count = 0;
        for (char *w; (w = strsep(&line, " "));)
            if (*w) word[count++] = w;
        for (int i = 0; i < count; i++) {
            if ((lines && !sound_of(word[i])) || (p->f && !p->f(word[i]))) return false;
            if (p->alliteration && *word[i] != *word[0]) return false;
        }
        if (!lines) continue;
        if (n == lines || (*p->syllables && !line_holds(word, count, 0, p->syllables[n] - '0'))) return false;
        if (*p->scheme && !count) return false;
        last[n] = (char *)(count ? word[count - 1] : "");
        const char *first = *p->scheme ? strchr(p->scheme, p->scheme[n]) : NULL;
        if (first && first != p->scheme + n && !rhyme(last[first - p->scheme], last[n])) return false;
    }
    return !lines || n == lines;
}

static void test_filter_laws__sounds_twin(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *dictionary = lt_test_path(folder, "sounds"), *list = lt_test_path(folder, "list");
    assert_ok(lt_file_save(dictionary, dictionary_text, sizeof dictionary_text - 1));
    assert_ok(lt_file_save(list, "abb\na\n\nAAB\n", 11));
    struct { const char *text; word_fn *f; } sets[] = {
        { "rhymes(ab)", s_rhymes }, { "syllables 2", s_two }, { "not rhymes(a) and length < 3", s_none },
        { "syllables 2 or length 1", s_either }, { "in(%s)", s_list }, { "in(%s) and contains(aa)", s_list_two },
    };
    for (int i = 0; i < LT_COUNT(sets); i++) {
        struct lt_buf b = { 0 };
        const char *hole = strstr(sets[i].text, "%s");
        if (hole) lt_buf_fmt(&b, "in(%s)%s", list, hole + 3);
        else lt_buf_str(&b, sets[i].text);
        struct lt_filter *f = filter_of(b.p, dictionary, NULL);
        compare(f, b.p, "abc ", 5, 8, word_holds, &sets[i].f);
        lt_filter_close(f);
        lt_buf_free(&b);
    }
    static const struct { const char *text; struct poem poem; } poems[] = {
        { "lines(2)", { "2", "", false, NULL } }, { "lines(3 1)", { "31", "", false, NULL } },
        { "lines(2 2) and scheme(AA)", { "22", "AA", false, NULL } },
        { "scheme(AA)", { "", "AA", false, NULL } }, { "scheme(AB)", { "", "AB", false, NULL } },
        { "lines(1 1) and scheme(AA) and length < 3", { "11", "AA", false, w_short } },
        { "alliteration", { "", "", true, NULL } },
        { "alliteration and length < 3", { "", "", true, w_short } },
        { "lines(1 2) and alliteration and length < 3", { "12", "", true, w_short } },
    };
    for (int i = 0; i < LT_COUNT(poems); i++) {
        struct poem p = poems[i].poem;
        struct lt_filter *f = filter_of(poems[i].text, dictionary, NULL);
        compare(f, poems[i].text, "ab \n", 4, 10, poem_holds, &p);
        lt_filter_close(f);
    }
    lt_test_temp_end(folder);
}

/* ---- characters ---- */
static void test_filter_laws__characters(void **state)
{
    (void)state;
    static const struct { const char *filter, *text; bool marks, ends, goes; } cases[] = {
        { "without(e)", "caf\xC3\xA9", false, false, false }, { "without(e)", "caf\xC3\xA9", true, true, true },
        { "without(e)", "CAFE\xCC\x81", true, false, false }, { "without(\xC3\x89)", "the", false, false, false },
        { "without(\xC3\x89)", "the", true, true, true }, { "length 6", "stra\xC3\x9F" "e", false, false, false },
        { "length 7", "stra\xC3\x9F" "e", false, true, true }, { "length 2", "e\xCC\x81" "e", false, true, true },
        { "only(\xD0\xB4\xD0\xB0)", "\xD0\x94\xD0\xB0, \xD0\xB4\xD0\xB0!", false, true, true },
        { "length 2", "\xE4\xB8\xAD\xE6\x96\x87\xE3\x80\x82", false, true, true },
        { "length 4", "don\xE2\x80\x99t", false, true, true }, { "length 5", "it \xE2\x80\x98is", false, false, false },
        { "length 2", "it\xE2\x80", false, false, true }, { "length 2", "it\xC3", false, false, true },
        { "only(ab)", "\xC3", false, false, true }, { "only(ab) and length 2", "a\xC3", false, false, true },
        { "only(ab) and length 2", "a\xD0", false, false, false }, { "only(ab) and length 2", "a\xE5", false, false,
                                                                                                   false },
        { "length 2", "\xFF", false, false, false }, { "length 2", "\x80", false, false, false },
        { "length 2", "\xC3" "a", false, false, false }, { "length 2", "\xF0\x9F\x98\x80 ab", false, true, true },
        { "only(\xE4\xB8\xAD)", "\xE4\xB8\xAD", false, true, true },
        { "only(\xE4\xB8\xAD)", "\xE4\xB8", false, false, true },
        { "only(\xE4\xB8\xAD)", "\xE5", false, false, false },
        { "palindrome and length 3", "a\xE4\xB8\xAD", false, false, true },
        { "length 2", "ab\xF0\x9F", false, false, true }, { "length < 70 and isogram", "abcdefgh", false, true, true },
    };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_filter_how how = { .marks = cases[i].marks };
        struct lt_filter *f;
        assert_ok(lt_filter_open(lt_str(cases[i].filter), &how, &f));
        int place = lt_filter_steps(f, lt_filter_start(f), lt_str(cases[i].text));
        if ((place >= 0) != cases[i].goes || lt_filter_ends(f, place) != cases[i].ends)
            fail_msg("%s: \"%s\" (case %d): goes on %d, ends %d", cases[i].filter, cases[i].text, i, place >= 0,
                     lt_filter_ends(f, place));
        lt_filter_close(f);
    }
}

/* ---- what cannot be ---- */
static void test_filter_laws__refusals(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *dictionary = lt_test_path(folder, "sounds");
    static const char *const cases[][2] = {
        { "", "expected a term, `not` or ( at the end" }, { "without", "expected (" },
        { "without()", "a text in the brackets" }, { "without(a", "expected a text up to )" },
        { "without(\"a)", "a text up to \"" }, { "without(a b)", "expected letters of a word" },
        { "wihtout(a)", "did you mean \"without\"" }, { "frobnicate", "`lathe help filter`" },
        { "length", "expected a number" }, { "length 5..3", "the range 5..3 is empty" },
        { "length 99999999", "a number up to 1000000" }, { "length 3 length 4", "expected `and`, `or` or the end" },
        { "(length 3", "expected )" }, { "length 3)", "`and`, `or` or the end, found \")\" (character 9)" },
        { "not", "expected a term" }, { "haiku or length 3", "they stand beside other terms with `and`" },
        { "length 3 and not haiku", "they stand beside" }, { "haiku and scheme(AABB)", "are 3 in one term and 4" },
        { "lines()", "syllables of lines" }, { "lines(40)", "1 to 31 syllables" },
        { "lines(1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1)", "at most 16 lines" }, { "scheme(A1)", "as in scheme(ABAB)" },
        { "haiku and haiku", "given twice" }, { "anagram(abcdefghijklmnopqrstuvwxyz012345)", "too many different" },
        { "rhymes(zebra)", "the dictionary does not have the word" }, { "length 0", "no word can satisfy it" },
        { "with(ab) and only(a)", "no word can satisfy it" }, { "isogram and length > 64", "no word can satisfy it" },
        { "syllables 9", "satisfies it" },
        { "lines(1 1) and scheme(AA) and only(b)", "make up line 1" }, { "in(/no/such/file)", "/no/such/file" },
        { "starts(ab) and ends(ba) and length 2", "no word can satisfy it" },
        { "lines(2 1) and only(b) and length 3", "satisfies it" },
    };
    assert_ok(lt_file_save(dictionary, dictionary_text, sizeof dictionary_text - 1));
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_filter_how how = { .dictionary = dictionary };
        struct lt_filter *f;
        if (!lt_filter_open(lt_str(cases[i][0]), &how, &f)) fail_msg("%s: accepted", cases[i][0]);
        if (!strstr(lt_error(), cases[i][1])) fail_msg("%s: \"%s\"", cases[i][0], lt_error());
    }
    struct lt_buf deep = { 0 };
    for (int i = 0; i < 70; i++) lt_buf_char(&deep, '(');
    struct lt_filter_rule rule;
    assert_fails(lt_filter_parse(lt_buf_view(&deep), false, &rule), "more than 64 brackets");
    lt_buf_clear(&deep);
    for (int i = 0; i < 300; i++) lt_buf_str(&deep, "not ");
    lt_buf_str(&deep, "palindrome");
    assert_fails(lt_filter_parse(lt_buf_view(&deep), false, &rule), "too long");
    lt_buf_free(&deep);
    lt_test_temp_end(folder);
}

static void test_filter_laws__sounds_files(void **state)
{
    (void)state;
    struct lt_lexicon *l;
    static const char *const bad[][2] = {
        { "TIME\n", "line 1: expected a word and its sounds" },
        { "(\"time\" nil (((t ay m) 1))\n", "line 1: expected the end" },
        { "MNCL\n(\"time\" (((t ay m) 1)))\n", "line 2: expected a part of speech" },
        { "(time nil (((t ay m) 1)))", "expected (\"word\"" }, { "(\"time\" nil ((t ay m 1)))", "((sounds) stress)" },
        { "(\"time\" nil (((t ay m) x)))", "((sounds) stress)" }, { "", "no words" }, { ";;; no\n", "no words" },
    };
    for (int i = 0; i < LT_COUNT(bad); i++)
        assert_fails(lt_lexicon_read_sounds("f", lt_str(bad[i][0]), false, &l), bad[i][1]);
    assert_fails(lt_lexicon_read_list("f", lt_str("one\ntwo words\n"), false, &l), "line 2: expected one word");
    assert_ok(lt_lexicon_read_sounds("f", lt_str("(\"time\" nil (((t ay m) 1)))\n(\"sublime\" nil (((s ax b) 0) "
                                                 "((l ay m) 1)))\nTHYME  T AY1 M\n(\"timely\" nil (((t ay m) 1) "
                                                 "((l iy) 0)))"), false, &l));
    assert_int_equal(l->words, 4);                      /* sublime thyme time timely */
    assert_true(lt_lexicon_rhymes(l, 0, 1) && lt_lexicon_rhymes(l, 1, 2) && !lt_lexicon_rhymes(l, 2, 2));
    assert_false(lt_lexicon_rhymes(l, 2, 3));
    assert_int_equal(l->word[0].syllables, 4);
    lt_lexicon_free(l);
}

/* ---- masks and the control ---- */
static const char *const pieces[] = { "</s>", "a", "b", "ab", "abc", "c", " a", " ab", " ", "\n", "ba", " ba", "bb",
                                      " bb", "'", "a b", ".", "\xC3", "\xA9", "\xC3\xA9", "b\n", " b", "aba", "ca" };
enum { PIECES = LT_COUNT(pieces) };

static int after(struct lt_filter *f, const struct lt_tokenizer *t, int place, int32_t id)
{
    struct lt_str bytes;
    if (lt_tokenizer_special(t, id) || !lt_tokenizer_bytes(t, id, &bytes) || !bytes.n) return -1;
    return lt_filter_steps(f, place, bytes);
}

/* Do tokens lead from a place to one with no unfinished word or character?  -1: too many places to say, and the mask
 * lets the token through then; in a palindrome alone are there so many. */
enum { FINISH_PLACES = 256 };
static int finishes(struct lt_filter *f, const struct lt_tokenizer *t, int place)
{
    static int seen[FINISH_PLACES];
    int n = place >= 0;
    seen[0] = place;
    for (int i = 0; i < n; i++) {
        if (lt_filter_step(f, seen[i], '.') >= 0 && lt_filter_step(f, seen[i], 0x80) < 0) return 1;
        for (int32_t id = 0; id < lt_tokenizer_vocab(t) && n < LT_COUNT(seen); id++) {
            int to = after(f, t, seen[i], id), k = 0;
            while (k < n && seen[k] != to) k++;
            if (to >= 0 && k == n) seen[n++] = to;
        }
    }
    return n == LT_COUNT(seen) ? -1 : 0;
}

/* Every token taken by itself. */
static void compare_masks(struct lt_filter *f, const struct lt_tokenizer *t, const char *label, int runs)
{
    int unknown = 0;
    struct lt_rng r = lt_rng_make(3, "masks");
    int vocab = lt_tokenizer_vocab(t), *allowed = lt_alloc((size_t)vocab * sizeof *allowed);
    for (int run = 0; run < runs; run++) {
        int place = lt_filter_start(f);
        for (int step = 0; step < 20; step++) {
            const uint64_t *mask = lt_filter_mask(f, place);
            int n = 0;
            for (int32_t id = 0; id < vocab; id++) {
                int to = after(f, t, place, id);
                int ends = vocab > 1000 ? 1 : finishes(f, t, to);       /* large ones have every byte */
                bool may = to >= 0 && ends;
                unknown += ends < 0;
                if ((mask[id / 64] >> id % 64 & 1) != may)
                    fail_msg("%s: token %d: expected %d", label, id, may);
                if (may) allowed[n++] = id;
            }
            if (!n) break;
            struct lt_str bytes;
            lt_tokenizer_bytes(t, allowed[lt_rng_below(&r, (uint64_t)n)], &bytes);
            place = lt_filter_steps(f, place, bytes);
        }
    }
    if (unknown && !has(label, "palindrome")) fail_msg("%s: %d tokens could not be judged", label, unknown);
    free(allowed);
}

static void test_filter_laws__mask_twin(void **state)
{
    (void)state;
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    for (int i = 0; i < LT_COUNT(words); i++) {
        struct lt_filter *f = filter_of(words[i].text, NULL, lt_tokenizer_trie(t));
        compare_masks(f, t, words[i].text, 8);
        lt_filter_close(f);
    }
    lt_tokenizer_free(t);
}

static void test_filter_laws__mask_twin_of_a_real_tokenizer(void **state)
{
    (void)state;
    static const char *const filters[] = { "without(e)", "length 3..5 and not ends(s)", "isogram", "palindrome",
                                           "part_of(independently)", "alliteration", "isogram and length >= 5",
                                           "palindrome and length 3..7", "only(a\xC3\xA9\xE4\xB8\xAD) or with(z)" };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_open(lt_test_data("tokenizers/hf/gpt2/tokenizer.json.zst"), &t));
    for (int i = 0; i < LT_COUNT(filters); i++) {
        struct lt_filter *f = filter_of(filters[i], NULL, lt_tokenizer_trie(t));
        compare_masks(f, t, filters[i], 1);
        lt_filter_close(f);
    }
    lt_tokenizer_free(t);
}

/* ---- masks by definition: palindromes and isograms, over a vocabulary of every byte and many texts ---- */
static const struct word_rule { const char *text; bool mirrored; int low, high; } word_rules[] = {
    { "isogram", false, 0, 64 }, { "palindrome", true, 0, 64 }, { "isogram and length >= 4", false, 4, 64 },
    { "isogram and length 2..5", false, 2, 5 }, { "palindrome and length 3..6", true, 3, 6 },
    { "length < 40 and palindrome", true, 0, 39 }, { "palindrome and length >= 50", true, 50, 64 },
};

/* Can a word of n letters be the beginning of one of `all` letters that is right? */
static bool begins(const struct word_rule *r, const char *w, int n, int all)
{
    if (all < n || all < r->low || all > r->high) return false;
    for (int i = 0; i < n; i++) {
        int mirror = all - 1 - i;
        if (r->mirrored && mirror < n && w[i] != w[mirror]) return false;
        for (int k = 0; k < i && !r->mirrored; k++)
            if (w[k] == w[i]) return false;
    }
    return true;
}

/* Is the text the beginning of one whose words are right? */
static bool may_stand(const struct word_rule *r, const char *text, size_t size)
{
    char w[512];
    for (size_t i = 0; i < size;) {
        int n = 0;
        if (!isalnum((unsigned char)text[i])) {
            i++;
            continue;
        }
        for (; i < size; i++) {
            if (text[i] == '\'' && (i + 1 == size || isalnum((unsigned char)text[i + 1]))) continue;
            if (!isalnum((unsigned char)text[i])) break;
            w[n++] = (char)tolower((unsigned char)text[i]);
        }
        bool right = begins(r, w, n, n);
        for (int all = n; i == size && all <= 64; all++) right |= begins(r, w, n, all);
        if (!right) return false;
    }
    return true;
}

static struct lt_tokenizer *every_byte_and_texts(void)
{
    static const char *const more[] = { " ab", " ba", "a b", "a. ", "'b", "'s a", "don't", " a'", ".\n", "aa ", "xyz",
                                        " level", "noon ", "abcdefgh", "The", "ABBA", "12", "a1b", "- a" };
    static char bytes[256], spelt[3 + 9 + 27 + 81][5];
    struct lt_str piece[1 + 256 + LT_COUNT(spelt) + LT_COUNT(more)] = { lt_str("</s>") };
    int n = 1, s = 0;
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        piece[n++] = (struct lt_str){ &bytes[i], 1 };
    }
    for (int size = 2, count = 9; size <= 4; size++, count *= 3)
        for (long i = 0; i < count; i++, s++) {
            spell(spelt[s], "abc", size, i);
            piece[n++] = lt_str(spelt[s]);
        }
    for (int i = 0; i < LT_COUNT(more); i++) piece[n++] = lt_str(more[i]);
    return texts_tokenizer(piece, n);
}

static bool is_plain(struct lt_str s, bool letters)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80 || (letters && !isalnum((unsigned char)s.p[i]))) return false;
    return s.n > 0;
}

/* Texts at random; every other one of letters alone, so that words become as long as they can. */
static void one_text(struct lt_filter *f, const struct lt_tokenizer *t, const struct word_rule *rule, struct lt_rng *r,
                     bool letters)
{
    char text[512];
    size_t size = 0;
    int place = lt_filter_start(f), vocab = lt_tokenizer_vocab(t), allowed[1024];
    for (int step = 0; step < 40; step++) {
        const uint64_t *mask = lt_filter_mask(f, place);
        int n = 0;
        for (int32_t id = 1; id < vocab; id++) {
            struct lt_str bytes;
            lt_tokenizer_bytes(t, id, &bytes);
            if (!is_plain(bytes, false)) continue;
            memcpy(text + size, bytes.p, bytes.n);
            bool may = may_stand(rule, text, size + bytes.n);
            if ((mask[id / 64] >> id % 64 & 1) != may)
                fail_msg("%s: \"%.*s\" then \"%.*s\": expected %d", rule->text, (int)size, text, (int)bytes.n, bytes.p,
                         may);
            if (may && is_plain(bytes, letters)) allowed[n++] = id;
        }
        if (!n) return;
        struct lt_str bytes;
        lt_tokenizer_bytes(t, allowed[lt_rng_below(r, (uint64_t)n)], &bytes);
        memcpy(text + size, bytes.p, bytes.n);
        size += bytes.n;
        place = lt_filter_steps(f, place, bytes);
        assert_true(place >= 0);
    }
}

static void test_filter_laws__masks_by_definition(void **state)
{
    (void)state;
    struct lt_tokenizer *t = every_byte_and_texts();
    struct lt_rng r = lt_rng_make(5, "texts");
    for (int i = 0; i < LT_COUNT(word_rules); i++) {
        struct lt_filter *f = filter_of(word_rules[i].text, NULL, lt_tokenizer_trie(t));
        for (int run = 0; run < 8; run++) one_text(f, t, &word_rules[i], &r, run % 2 == 1);
        lt_filter_close(f);
    }
    lt_tokenizer_free(t);
}

/* ---- no dictionary ---- */
static void test_filter_laws__no_dictionary(void **state)
{
    (void)state;
    static const char *const filters[] = { "syllables 2", "rhymes(time)", "haiku", "scheme(AA)" };
    char *folder = lt_test_temp();
    const char *nowhere = lt_test_path(folder, "nowhere");
    struct lt_filter_how named = { .dictionary = nowhere }, not_installed = { .installed = nowhere };
    struct lt_filter *f;
    for (int i = 0; i < LT_COUNT(filters); i++) {
        assert_fails(lt_filter_open(lt_str(filters[i]), &named, &f), nowhere);
        assert_fails(lt_filter_open(lt_str(filters[i]), &not_installed, &f), "install the Debian package festlex-cmu");
    }
    assert_ok(lt_filter_open(lt_str("palindrome"), &not_installed, &f));        /* that needs none */
    lt_filter_close(f);
    assert_ok(lt_file_save(nowhere, dictionary_text, sizeof dictionary_text - 1));
    assert_ok(lt_filter_open(lt_str("syllables 2"), &not_installed, &f));
    lt_filter_close(f);
    lt_test_temp_end(folder);
}

/* Random logits through the chain until the end token or a dead end: what was written is right. */
static void write_at_random(const char *filter, const char *scope, word_fn *fn, uint64_t seed)
{
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    const struct lt_method *m = lt_method_find("control", "filter");
    struct lt_options *s = lt_options_new(m);
    assert_ok(lt_options_set(s, "value", filter));
    assert_ok(lt_options_set(s, "scope", scope));
    struct lt_choice choice = { m, (void *)lt_options_done(s) };
    struct lt_choices controls = { &choice, 1, true };
    struct lt_chain *chain, *fork;
    struct lt_rng r = lt_rng_make(seed, "logits");
    struct lt_buf text = { 0 };
    int32_t token[100];
    int n = 0, vocab = PIECES + 3;                      /* a model may have more ids than its tokenizer */
    bool words_alone = !strcmp(scope, "token");
    assert_ok(lt_chain_open(&controls, &lm, &chain));
    for (; n < 100; n++) {
        float x[PIECES + 3], y[PIECES + 3];
        for (int i = 0; i < vocab; i++) x[i] = y[i] = (float)lt_rng_normal(&r) + (i == 0 ? 1 : 0);
        assert_ok(lt_chain_apply(chain, (struct lt_seq){ token, n, 0 }, x, vocab));
        assert_ok(lt_chain_fork(chain, &fork));
        lt_chain_accept(fork, 5);                       /* a fork, and going back, change nothing here */
        lt_chain_free(fork);
        lt_chain_accept(chain, 1);
        lt_chain_rewind(chain, 1);
        assert_ok(lt_chain_apply(chain, (struct lt_seq){ token, n, 0 }, y, vocab));
        assert_memory_equal(x, y, (size_t)vocab * sizeof *x);
        token[n] = 0;
        for (int i = 1; i < vocab; i++) token[n] = x[i] > x[token[n]] ? i : token[n];
        assert_true(x[token[n]] > -INFINITY && token[n] < PIECES);
        if (!token[n]) break;
        if (words_alone && strcmp(pieces[token[n]], "\xC3\xA9") && !text_holds(pieces[token[n]], fn))
            fail_msg("%s wrote the token \"%s\"", filter, pieces[token[n]]);
        lt_buf_str(&text, pieces[token[n]]);
        lt_chain_accept(chain, token[n]);
    }
    lt_buf_str(&text, "");
    if (!words_alone && n < 100 && !strstr(text.p, "\xC3") && !text_holds(text.p, fn))
        fail_msg("%s wrote \"%s\"", filter, text.p);
    lt_buf_free(&text);
    lt_chain_free(chain);
    lt_options_free(s);
    lt_tokenizer_free(t);
}

static void test_filter_laws__control(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(words); i++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            write_at_random(words[i].text, "word", words[i].f, seed);
            write_at_random(words[i].text, "token", words[i].f, seed);
        }
}

static void test_filter_laws__token_scope_has_no_lines(void **state)
{
    (void)state;
    struct lt_tokenizer *t = pieces_tokenizer(pieces, PIECES);
    struct lt_lm lm = { &pieces_tokenizer_lm, t };
    struct lt_options *o;
    struct lt_choice choice;
    struct lt_choices controls;
    struct lt_chain *chain;
    assert_ok(one_control("filter", "value", "alliteration", &o, &choice, &controls));
    lt_options_free(o);
    o = lt_options_new(choice.method);
    assert_ok(lt_options_set(o, "value", "alliteration"));
    assert_ok(lt_options_set(o, "scope", "token"));
    choice.o = (void *)lt_options_done(o);
    assert_fails(lt_chain_open(&controls, &lm, &chain), "they need filter.scope word");
    lt_options_free(o);
    lt_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter_laws__words_twin),
        cmocka_unit_test(test_filter_laws__sounds_twin),
        cmocka_unit_test(test_filter_laws__characters),
        cmocka_unit_test(test_filter_laws__refusals),
        cmocka_unit_test(test_filter_laws__sounds_files),
        cmocka_unit_test(test_filter_laws__mask_twin),
        cmocka_unit_test(test_filter_laws__mask_twin_of_a_real_tokenizer),
        cmocka_unit_test(test_filter_laws__masks_by_definition),
        cmocka_unit_test(test_filter_laws__no_dictionary),
        cmocka_unit_test(test_filter_laws__control),
        cmocka_unit_test(test_filter_laws__token_scope_has_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
