/* Grammars: what a machine lets through is what the language holds, by brute force, and every control that is a grammar
 * keeps its promises on a model that writes at random. */
#include "test.h"
#include "base/json.h"
#include "decode/chain.h"
#include "decode/grammar/grammar.h"
#include "text/tokenizer.h"
#include <math.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* ---- against another engine, over every text up to a length ---- */
static void compare_regex(const char *pattern, const char *alphabet, int length)
{
    struct lt_grammar *g;
    int code, letters = (int)strlen(alphabet), total = 1;
    PCRE2_SIZE at;
    struct lt_buf whole = { 0 };
    assert_ok(lt_grammar_regex("regex", lt_str(pattern), &g));
    lt_buf_fmt(&whole, "\\A(?:%s)\\z", pattern);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)whole.p, whole.n, PCRE2_UTF, &code, &at, NULL);
    assert_non_null(re);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    for (int n = 0; n <= length; n++, total *= letters) {
        for (int i = 0; i < total; i++) {
            char text[16];
            for (int k = 0, x = i; k < n; k++, x /= letters) text[k] = alphabet[x % letters];
            int place = lt_gmachine_steps(m, lt_gmachine_start(m), (struct lt_str){ text, (size_t)n });
            bool want = pcre2_match(re, (PCRE2_SPTR)text, (PCRE2_SIZE)n, 0, 0, data, NULL) > 0;
            if (lt_gmachine_ends(m, place) != want) fail_msg("%s: \"%.*s\": expected %d", pattern, n, text, want);
        }
    }
    lt_gmachine_free(m);
    lt_grammar_free(g);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    lt_buf_free(&whole);
}

static void test_grammar_laws__regex_twin(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "a*b", "(a|b)*ab", "a{2,3}b?", "(ab?c)+|b{2}", "[^a]*", "(a*)*b", "(a|)(b|)c*", "a{0}b",
        "(?:a|ab)(?:c|bc)", "[a-b]{1,}c", "((a{1,2}){2})?", "a+?b", "\\w\\d?", "", "a||b", "(a?){3}",
        "(a+b?)+c", "((a*)+|b)+", "(a?){2,}b", "(a+)+b",
    };
    for (int i = 0; i < LT_COUNT(patterns); i++) compare_regex(patterns[i], "abc", 6);
}

/* From six on repetitions are counted and not written out. */
static void test_grammar_laws__counted_twin(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "a{6}", "a{6,}b", "(a|ab){2,7}", "(a?b?){6}", "(ab?){1,6}b", "((a|b){6,8})?a", "(a{0,6}b){2}", "(a{6}|b){0,9}",
        "((a{1,6}b?){1,6})", "[ab]{0,7}a", "(a*b){6,7}", "(|a){6,9}b", "(a{2,3}){0,6}",
    };
    for (int i = 0; i < LT_COUNT(patterns); i++) compare_regex(patterns[i], "ab", 11);
}

/* UTF-8 of a character that is no surrogate; its length. */
static int utf8(uint32_t c, char *s)
{
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int k = n - 1; k > 0; k--) s[k] = (char)(0x80 | (c >> 6 * (n - 1 - k) & 0x3F));
    s[0] = (char)(n == 1 ? c : (uint32_t)(0xF00 >> n & 0xFF) | c >> 6 * (n - 1));
    return n;
}

static void compare_class(const char *pattern, const char *twin)
{
    struct lt_grammar *g;
    int code;
    PCRE2_SIZE at;
    assert_ok(lt_grammar_regex("regex", lt_str(pattern), &g));
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)twin, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &code, &at, NULL);
    assert_non_null(re);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x3100 || (c > 0xD700 && c < 0x10500) ? 1 : 97) {
        char s[4];
        if (c >= 0xD800 && c < 0xE000) continue;
        int n = utf8(c, s), place = lt_gmachine_steps(m, lt_gmachine_start(m), (struct lt_str){ s, (size_t)n });
        bool want = pcre2_match(re, (PCRE2_SPTR)s, (PCRE2_SIZE)n, 0, 0, data, NULL) > 0;
        if (lt_gmachine_ends(m, place) != want) fail_msg("%s: U+%04X: expected %d", pattern, c, want);
    }
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    lt_gmachine_free(m);
    lt_grammar_free(g);
}

/* Every character once: UTF-8 of every length, at the edges of its ranges. */
#define SPACES "\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
static void test_grammar_laws__classes(void **state)
{
    (void)state;
    compare_class("[\\u007f-\\u0081]", "[\\x{7f}-\\x{81}]");
    compare_class("[\\u0400-\\u{10400}]", "[\\x{400}-\\x{10400}]");
    compare_class("[^\\u07ff-\\uffff]", "[^\\x{7ff}-\\x{ffff}]");
    compare_class("[\\u{ffff}\\u{10000}-\\u{10ffff}]", "[\\x{ffff}-\\x{10ffff}]");
    compare_class(".", "[^\\n\\r]");
    compare_class("\\W", "\\W");
    compare_class("\\s", "[" SPACES "]");
    compare_class("[^\\d\\s]", "[^0-9" SPACES "]");
}

/* ---- what a grammar takes and does not ---- */
typedef int read_fn(const char *label, struct lt_str text, struct lt_grammar **out);
static int read_schema(const char *label, struct lt_str text, struct lt_grammar **out)
{
    return lt_grammar_schema(label, text, 20, out);
}

static void takes(read_fn *read, const char *source, const char *const *good, const char *const *bad)
{
    struct lt_grammar *g;
    if (read("test", lt_str(source), &g)) fail_msg("%s: %s", source, lt_error());
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    for (; *good; good++)
        if (!lt_gmachine_ends(m, lt_gmachine_steps(m, lt_gmachine_start(m), lt_str(*good))))
            fail_msg("%s: does not take %s", source, *good);
    for (; *bad; bad++)
        if (lt_gmachine_ends(m, lt_gmachine_steps(m, lt_gmachine_start(m), lt_str(*bad))))
            fail_msg("%s: takes %s", source, *bad);
    lt_gmachine_free(m);
    lt_grammar_free(g);
}
#define LIST(...) (const char *const[]){ __VA_ARGS__, NULL }

static void test_grammar_laws__gbnf(void **state)
{
    (void)state;
    takes(lt_grammar_gbnf, "root ::= \"a\" [b-d]{2,3} # c\n", LIST("abb", "abcd"), LIST("ab", "abbbb", "a", ""));
    takes(lt_grammar_gbnf, "root ::= list\nlist ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= list | [0-9]+\n",
          LIST("[]", "[1,[2,[]],33]"), LIST("[1,]", "[", "[[]", "]"));
    takes(lt_grammar_gbnf, "root ::= \"x\"\n  | \"y\" tail\ntail ::= \"\\n\" | [^\\x41-\\x43]+", LIST("x", "y\n",
            "yDE\xC3\xA9"),
          LIST("y", "yA", "xx"));
    takes(lt_grammar_gbnf, "root ::= e\ne ::= t (\"+\" t)*\nt ::= \"(\" e \")\" | [0-9]", LIST("1", "(1+2)+3", "((1))"),
          LIST("(1", "1+", "()"));
}

static void test_grammar_laws__schema(void **state)
{
    (void)state;
    takes(read_schema,
          "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":-5,\"maximum\":120},"
                       "\"b\":{\"enum\":[\"x\",null,2]}},\"required\":[\"a\"],\"additionalProperties\":false}",
          LIST("{\"a\":1}", "{\"a\": -5, \"b\": null}", "{\"a\":120,\"b\":\"x\"}", "{\n  \"a\":99}"),
          LIST("{}", "{\"b\":2}", "{\"a\":121}", "{\"a\":-6}", "{\"a\":1,\"b\":3}", "{\"a\":1,\"c\":1}", "{\"a\":01}",
               "{\"b\":2,\"a\":1}"));
    takes(read_schema, "{\"type\":\"object\",\"properties\":{\"ab\":{\"type\":\"boolean\"}}}",
          LIST("{}", "{\"ab\":true}", "{\"a\":1,\"abc\":[]}", "{\"ab\":false,\"x\":{}}"), LIST("{\"ab\":1}",
                  "{\"x\":1,\"ab\":2}"));
    takes(read_schema,
          "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":2},\"minItems\":1,\"maxItems\":2}",
          LIST("[\"\"]", "[\"ab\", \"\\u00e9x\"]",
          "[\"\xE4\xB8\xAD\xF0\x9F\x98\x80\"]"), LIST("[]", "[\"abc\"]",
                  "[\"a\",\"b\",\"c\"]", "[1]"));
    takes(read_schema, "{\"type\":\"array\",\"prefixItems\":[{\"const\":1},{\"const\":2}],\"items\":false}",
          LIST("[]", "[1]", "[1,2]"), LIST("[2]", "[1,2,3]"));
    takes(read_schema,
          "{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/n\"}],\"$defs\":{\"n\":{\"type\":\"object\","
                       "\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"next\"],"
                       "\"additionalProperties\":false}}}",
          LIST("null", "{\"next\":null}", "{\"next\":{\"next\":null}}"), LIST("{}", "{\"next\":1}"));
    takes(read_schema, "{\"type\":\"number\",\"exclusiveMinimum\":0,\"maximum\":10}",
          LIST("0.5", "10", "10.0", "9.99", "1"), LIST("0", "0.0", "10.1", "-1", "11"));
    takes(read_schema, "{\"type\":\"number\",\"minimum\":-2,\"exclusiveMaximum\":1}", LIST("-2", "-1.5", "0", "0.99",
            "-0.5"),
          LIST("1", "1.0", "-2.1", "-3"));
    takes(read_schema, "{\"type\":\"string\",\"pattern\":\"^[a-c]+\\\"$\"}", LIST("\"ab\\\"\""), LIST("\"ab\"",
            "\"\\\"\""));
    takes(read_schema, "{\"type\":\"string\",\"format\":\"date\"}", LIST("\"2024-02-28\""), LIST("\"2024-02-30\"",
            "\"2024-13-01\""));
    takes(read_schema, "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", LIST("\"a\"", "3"), LIST("3.5",
            "null"));
    takes(read_schema,
          "{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"null\"}}},{\"required\":[\"a\"]}],\"type\":\"object\"}",
          LIST("{\"a\":null}"), LIST("{}", "{\"a\":1}"));
    takes(read_schema, "{}", LIST("null", "[1.5e3, {\"a\": \"b\\n\"}]", "-0"), LIST("", "nul", "[1,]", "\"\\ud800\"",
            "01"));
}

static void test_grammar_laws__refusals(void **state)
{
    (void)state;
    struct lt_grammar *g;
    static const struct { read_fn *read; const char *source, *part; } cases[] = {
        { read_schema, "{\"type\":\"object\",\"properties\":{\"a/b\":{\"divisibleBy\":3}}}",
          "test: #/properties/a~1b/divisibleBy: this keyword is not supported" },
        { read_schema, "{\"type\":\"array\",\"uniqueItems\":true}", "#/uniqueItems" },
        { read_schema, "{\"oneOf\":[{\"uniqueItems\":true},{\"minItems\":5}]}",
          "#/oneOf/0/uniqueItems: this keyword is not supported where its opposite is needed" },
        { read_schema, "{\"not\":{\"format\":\"date\"}}", "#/not/format: this keyword is not supported where" },
        { read_schema, "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "test: #: no value is allowed" },
        { read_schema, "{\"pattern\":\"(?=a)\"}", "test: #/pattern: pattern: byte 1" },
        { read_schema, "{\"format\":\"colour\"}", "#/format: expected date, time" },
        { read_schema, "{\"minLength\":-1}", "#/minLength: expected a whole number from 0" },
        { read_schema, "{\"type\":\"object\",\"minProperties\":2}", "#/minProperties: more than the named members" },
        { read_schema, "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/$defs/b\"}}}",
          "#/properties/a/$ref: there is no such place" },
        { read_schema, "{\"allOf\":[{\"$ref\":\"#\"}]}", "nested too deep, or one begins with itself" },
        { read_schema, "{\"unevaluatedProperties\":false,\"anyOf\":[{}]}", "#/unevaluatedProperties: this keyword" },
        { read_schema, "{\"$ref\":\"http://x/y\"}", "#/$ref: only references into this schema" },
        { read_schema, "{\"$ref\":\"#\"}", "begins with itself" },
        { read_schema, "{\"type\":\"strin\"}", "#/type: expected object, array" },
        { read_schema, "{\"enum\":[]}", "#/enum: no value is allowed" },
        { read_schema, "{\"type\":\"integer\",\"minimum\":5,\"maximum\":1}", "#/minimum: the least is above the most" },
        { read_schema, "{\"required\":\"x\"}", "#/required: expected a list" },
        { read_schema, "[", "not JSON" },
        { lt_grammar_gbnf, "root ::= root \"a\"", "test: the rule \"root\" begins with itself" },
        { lt_grammar_gbnf, "root ::= x", "the rule \"x\" is called and not defined" },
        { lt_grammar_gbnf, "a ::= \"x\"", "there is no rule \"root\"" },
        { lt_grammar_gbnf, "root ::= \"a\"\nroot ::= \"b\"", "defined twice" },
        { lt_grammar_gbnf, "root ::= (\"a\"", "expected \")\"" },
        { lt_grammar_gbnf, "root ::= [a", "expected a character" },
        { lt_grammar_gbnf, "root ::= \"a\"{5,2}", "from low to high" },
        { lt_grammar_regex, "a(?=b)", "look-around is not supported" },
        { lt_grammar_regex, "(a)\\1", "a reference back is not supported" },
        { lt_grammar_regex, "a{2", "nothing to repeat" },
        { lt_grammar_regex, "[a", "a class without its ]" },
        { lt_grammar_regex, "(a", "a ( without its )" },
        { lt_grammar_regex, "a[]", "allows no text at all" },
        { lt_grammar_gbnf, "root ::= \"a\" root", "allows no text at all" },
        { lt_grammar_regex, "a)", "a ) without its (" },
        { lt_grammar_regex, "((((((((a{5}){5}){5}){5}){5}){5}){5}){5})|((((((((a{5}){5}){5}){5}){5}){5}){5}){5}){5}",
          "too large" },
    };
    for (int i = 0; i < LT_COUNT(cases); i++) {
        if (!cases[i].read("test", lt_str(cases[i].source), &g)) fail_msg("%s: accepted", cases[i].source);
        if (!strstr(lt_error(), cases[i].part)) fail_msg("%s: \"%s\"", cases[i].source, lt_error());
    }
}

/* ---- masks, against taking every token by itself ---- */
static struct lt_tokenizer *tokenizer(void)
{
    static const char *const piece[] = { "</s>", "a", "b", "ab", "abc", "c", "{", "}", "\"", "\":", "1", "12", ",", " ",
                                         "\n", "x\"", "{\"", "null", "true", "[", "]", ":", "\xC3", "\xA9", "\xC3\xA9",
                                         "-", ".",
                                         "\"a\":", "\"b\":", "yes", "no", "y", "es", "aabab",
                                         "abcabcabc", "aaaaaaaaaaaa", "abababababababababab", "aa\",\"" };
    struct lt_str spelt[LT_COUNT(piece)];
    struct lt_buf all[LT_COUNT(piece)] = { 0 };
    for (int i = 0; i < LT_COUNT(piece); i++) {
        if (i) lt_tok_spell(&all[i], lt_str(piece[i]));
        else lt_buf_str(&all[i], piece[i]);
        spelt[i] = lt_buf_view(&all[i]);
    }
    struct lt_tok_added end = { .id = 0, .content = spelt[0], .special = true };
    struct lt_tok_spec spec = { .kind = LT_TOK_BPE, .count = LT_COUNT(piece), .piece = spelt, .added = &end,
                               .added_count = 1,
                                .pre_tokenizer = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}",
                                .decoder = "{\"type\":\"ByteLevel\"}", .bos = -1, .eos = 0 };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    for (int i = 0; i < LT_COUNT(piece); i++) lt_buf_free(&all[i]);
    return t;
}

static void compare_masks(const struct lt_tokenizer *t, const struct lt_grammar *g)
{
    struct lt_rng r = lt_rng_make(5, "masks");
    struct lt_gmachine *m = lt_gmachine_new(g, lt_tokenizer_trie(t));
    for (int run = 0; run < 50; run++) {
        int place = lt_gmachine_start(m);
        for (int step = 0; step < 40 && place >= 0; step++) {
            const uint64_t *mask = lt_gmachine_mask(m, place);
            int allowed[64], n = 0;
            for (int32_t id = 0; id < lt_tokenizer_vocab(t); id++) {
                struct lt_str bytes;
                bool may = lt_tokenizer_bytes(t, id, &bytes) && bytes.n && lt_gmachine_steps(m, place, bytes) >= 0;
                assert_int_equal(mask[id / 64] >> id % 64 & 1, may);
                if (may) allowed[n++] = id;
            }
            if (!n) {
                assert_true(lt_gmachine_ends(m, place));
                break;
            }
            struct lt_str bytes;
            lt_tokenizer_bytes(t, allowed[lt_rng_below(&r, (uint64_t)n)], &bytes);
            place = lt_gmachine_steps(m, place, bytes);
        }
    }
    lt_gmachine_free(m);
}

/* The last ones count, so that masks of places that are alike stand in for each other. */
static void test_grammar_laws__mask_twin(void **state)
{
    (void)state;
    static const struct { read_fn *read; const char *source; } cases[] = {
        { read_schema, "{\"properties\":{\"a\":{\"type\":\"integer\"}}}" },
        { read_schema, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":7,\"maxLength\":12}}" },
        { lt_grammar_regex, "(ab|[abc]){0,30}" },
        { lt_grammar_regex, "(a{6,9}|b){9,}c" },
        { lt_grammar_regex, "((ab?){0,20}c){6,12}[ab]{12}" },
    };
    struct lt_tokenizer *t = tokenizer();
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_grammar *g;
        assert_ok(cases[i].read("test", lt_str(cases[i].source), &g));
        compare_masks(t, g);
        lt_grammar_free(g);
    }
    lt_tokenizer_free(t);
}

/* The mask by a step for every node of the trie, of a machine that makes no masks. */
static void slow_mask(struct lt_gmachine *slow, const struct lt_token_trie *t, int place, int *at, uint64_t *mask)
{
    memset(mask, 0, ((size_t)t->vocab + 63) / 64 * sizeof *mask);
    at[0] = place;
    for (uint32_t i = 0; i < t->nodes; i++) {
        const struct lt_token_node *n = &t->node[i];
        at[n->depth] = lt_gmachine_step(slow, at[n->depth - 1], n->byte);
        for (uint32_t k = n->first; k < n->first + n->count && at[n->depth] >= 0; k++)
            mask[t->id[k] / 64] |= UINT64_C(1) << t->id[k] % 64;
    }
}

/* A token that the mask lets through; those that end a text are few, and soon taken. */
static int32_t any_of(const uint64_t *mask, int vocab, struct lt_rng *r)
{
    for (int tries = 0; tries < 1000; tries++) {
        int32_t id = (int32_t)lt_rng_below(r, (uint64_t)vocab);
        if (mask[id / 64] >> id % 64 & 1) return id;
    }
    for (int32_t id = 0; id < vocab; id++)
        if (mask[id / 64] >> id % 64 & 1) return id;
    return -1;
}

static void compare_real_masks(const struct lt_tokenizer *t, const struct lt_grammar *g, const char *label, int texts)
{
    const struct lt_token_trie *trie = lt_tokenizer_trie(t);
    struct lt_rng r = lt_rng_make(7, "masks");
    struct lt_gmachine *m = lt_gmachine_new(g, trie), *slow = lt_gmachine_new(g, NULL);
    size_t size = ((size_t)trie->vocab + 63) / 64 * sizeof(uint64_t);
    uint64_t *want = lt_alloc(size);
    int *at = lt_alloc(((size_t)trie->depth_max + 1) * sizeof *at);
    for (int text = 0; text < texts; text++) {
        int place = lt_gmachine_start(m), twin = lt_gmachine_start(slow);
        for (int n = 0; n < 24 && lt_gmachine_goes_on(m, place); n++) {
            struct lt_str bytes;
            const uint64_t *mask = lt_gmachine_mask(m, place);
            slow_mask(slow, trie, twin, at, want);
            if (memcmp(mask, want, size)) fail_msg("%s: text %d: the mask of token %d is another", label, text, n);
            int32_t id = any_of(want, trie->vocab, &r);
            if (id < 0) break;
            lt_tokenizer_bytes(t, id, &bytes);
            place = lt_gmachine_steps(m, place, bytes);
            twin = lt_gmachine_steps(slow, twin, bytes);
        }
    }
    lt_gmachine_free(m);
    lt_gmachine_free(slow);
    free(want);
    free(at);
}

/* Places where most bytes loop, or go round between a few places, or nearly do: counts that end, characters of which
 * only some may come, bytes that lead out. */
static void test_grammar_laws__mask_twin_of_a_real_tokenizer(void **state)
{
    (void)state;
    static const struct { read_fn *read; const char *source; } cases[] = {
        { read_schema, "{}" },
        { read_schema, "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":3,\"maxLength\":18}}" },
        { read_schema, "{\"type\":\"string\",\"maxLength\":150}" },
        { read_schema, "{\"patternProperties\":{\"b$\":{\"type\":\"string\",\"pattern\":\"^a|b$\"}}}" },
        { read_schema, "{\"type\":\"string\",\"format\":\"email\"}" },
        { lt_grammar_regex, "[^e]*" },
        { lt_grammar_regex, "[a-zA-Z0-9 .,]*(\n[^a-c]*x)*" },
        { lt_grammar_regex, "[\\x00-\\u07FF\\u4E00-\\uFFFF]*" },          /* of three bytes some, of four none */
        { lt_grammar_regex, "([^z]{9}z){3,}" },
        { lt_grammar_regex, "(..)*!" },
    };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_open(lt_test_data("tokenizers/hf/gpt2/tokenizer.json.zst"), &t));
    for (int i = 0; i < LT_COUNT(cases); i++) {
        struct lt_grammar *g;
        assert_ok(cases[i].read("test", lt_str(cases[i].source), &g));
        compare_real_masks(t, g, cases[i].source, 3);
        lt_grammar_free(g);
    }
    lt_tokenizer_free(t);
}

static void test_grammar_laws__forced(void **state)
{
    (void)state;
    struct lt_grammar *g;
    struct lt_buf b = { 0 };
    assert_ok(lt_grammar_gbnf("test", lt_str("root ::= \"answer: \" (\"yes\" | \"no\")"), &g));
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    lt_gmachine_forced(m, lt_gmachine_start(m), 100, &b);
    assert_string_equal(b.p, "answer: ");
    lt_buf_clear(&b);
    lt_gmachine_forced(m, lt_gmachine_steps(m, lt_gmachine_start(m), lt_str("answer: y")), 100, &b);
    assert_string_equal(b.p, "es");
    lt_buf_free(&b);
    lt_gmachine_free(m);
    lt_grammar_free(g);
}

/* ---- controls ---- */
static const struct lt_tokenizer *fake_tokenizer(void *self) { return self; }

/* Random logits through the chain, until the end token; the text is then of the language. */
static void write_at_random(const struct lt_control *c, const char *value, read_fn *read, uint64_t seed)
{
    struct lt_tokenizer *t = tokenizer();
    struct lt_lm_type type = { .tokenizer = fake_tokenizer };
    struct lt_lm lm = { &type, t };
    struct lt_options *s = lt_options_new(&c->m);
    assert_ok(lt_options_set(s, "value", value));
    struct lt_choice choice = { &c->m, (void *)lt_options_done(s) };
    struct lt_choices controls = { &choice, 1, true };
    struct lt_chain *chain, *fork;
    struct lt_rng r = lt_rng_make(seed, "logits");
    struct lt_grammar *g;
    struct lt_buf text = { 0 };
    int32_t token[200];
    int n = 0, vocab = lt_tokenizer_vocab(t) + 3;       /* a model may have more ids than its tokenizer */
    assert_ok(lt_chain_open(&controls, &lm, &chain));
    for (; n < 200; n++) {
        float x[64], y[64];
        for (int i = 0; i < vocab; i++) x[i] = y[i] = (float)lt_rng_normal(&r) + (i == 0 ? 1.5f : 0);
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
        assert_true(x[token[n]] > -INFINITY);
        if (!token[n]) break;
        struct lt_str bytes;
        assert_true(lt_tokenizer_bytes(t, token[n], &bytes));
        lt_buf_put(&text, bytes.p, bytes.n);
        lt_chain_accept(chain, token[n]);
    }
    assert_ok(read("test", lt_str(value), &g));
    struct lt_gmachine *m = lt_gmachine_new(g, NULL);
    int place = lt_gmachine_steps(m, lt_gmachine_start(m), (struct lt_str){ text.p ? text.p : "", text.n });
    if (place < 0 || (n < 200 && !lt_gmachine_ends(m, place))) fail_msg("%s wrote \"%s\"", c->m.name, text.p);
    lt_gmachine_free(m);
    lt_grammar_free(g);
    lt_buf_free(&text);
    lt_chain_free(chain);
    lt_options_free(s);
    lt_tokenizer_free(t);
}

static void test_grammar_laws__controls(void **state)
{
    (void)state;
    static const struct { const char *name, *value; read_fn *read; } settings[] = {
        { "regex", "(a|bc?){2,5}(\xC3\xA9)*", lt_grammar_regex },
        { "grammar", "root ::= \"yes\" | \"[\" root (\",\" root)* \"]\"", lt_grammar_gbnf },
        { "json_schema", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}},"
                         "\"required\":[\"a\"],\"additionalProperties\":false}", read_schema },
    };
    for (int i = 0; i < LT_COUNT(settings); i++) {
        const struct lt_method *m = lt_method_find("control", settings[i].name);
        assert_non_null(m);
        for (uint64_t seed = 0; seed < 30; seed++)
            write_at_random((const struct lt_control *)m, settings[i].value, settings[i].read, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar_laws__regex_twin), cmocka_unit_test(test_grammar_laws__counted_twin),
        cmocka_unit_test(test_grammar_laws__classes),
        cmocka_unit_test(test_grammar_laws__gbnf), cmocka_unit_test(test_grammar_laws__schema),
        cmocka_unit_test(test_grammar_laws__refusals), cmocka_unit_test(test_grammar_laws__mask_twin),
        cmocka_unit_test(test_grammar_laws__mask_twin_of_a_real_tokenizer),
        cmocka_unit_test(test_grammar_laws__forced), cmocka_unit_test(test_grammar_laws__controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
