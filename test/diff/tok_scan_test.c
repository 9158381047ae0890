/* Hand-written scanners against the same patterns in PCRE2: equal words on random text of awkward characters.  Fast
 * merging against the definition, and the cache against none. */
#include "test.h"
#include "text/tokenizer.h"
#include <jansson.h>

static const char *const alphabet[] = {
    "a", "Z", "s", "S", "t", "T", "m", "d", "D", "l", "L", "r", "v", "e", "E", "'", "'", " ", " ", " ", "\n", "\r",
    "\t", "\v", "0", "7", "9", ".", ",", "!", "-", "_", "$", "<", "/", "\xC3\xA9", "\xC5\xBF", "\xE2\x84\xAA",
    "\xC4\xB0", "\xCE\xA9", "\xD0\x96", "\xD9\xA3", "\xE0\xA5\xA7", "\xC2\xB2", "\xE2\x85\xA7", "\xE2\x91\xA0",
    "\xC2\xA0", "\xC2\x85", "\xE2\x80\xA8", "\xE3\x80\x80", "\xE1\x9A\x80", "\xE1\xA0\x8E", "\xE2\x80\x8B",
    "\xCC\x81", "\xE0\xA4\xBF", "\xE4\xB8\xAD", "\xEA\xB0\x80", "\xF0\x9F\x98\x80", "\xF0\x90\x90\x80",
    "\xF0\x9D\x9F\x98", "\xE2\x80\x8D", "\xEF\xBF\xBD", "\0",
};

static void random_text(struct lt_rng *r, struct lt_buf *out)
{
    lt_buf_clear(out);
    int n = (int)lt_rng_below(r, 40);
    for (int i = 0; i < n; i++) {
        const char *c = alphabet[lt_rng_below(r, LT_COUNT(alphabet))];
        for (int k = lt_rng_below(r, 6) ? 1 : (int)lt_rng_below(r, 5); k > 0; k--)
            lt_buf_put(out, c, *c ? strlen(c) : 1);
    }
    lt_buf_put(out, "", 0);
}

static int take_word(void *to, struct lt_str word)
{
    lt_buf_put(to, word.p, word.n);
    lt_buf_put(to, "\xFF", 1);
    return 0;
}

static struct lt_tokenizer *with_pre_tokenizer(const char *pre)
{
    struct lt_tokenizer *t;
    struct lt_tok_spec s = { .kind = LT_TOK_BPE, .pre_tokenizer = pre, .unk_id = -1, .bos = -1, .eos = -1 };
    assert_ok(lt_tokenizer_build(&s, &t));
    return t;
}

static void same_words(const char *scanned, const char *matched)
{
    struct lt_tokenizer *t[2] = { with_pre_tokenizer(scanned), with_pre_tokenizer(matched) };
    struct lt_encoder *e[2] = { lt_encoder_new(t[0]), lt_encoder_new(t[1]) };
    struct lt_buf text = { 0 }, words[2] = { { 0 } };
    struct lt_rng r = lt_rng_make(7, scanned);
    for (int i = 0; i < 30000; i++) {
        random_text(&r, &text);
        for (int k = 0; k < 2; k++) {
            lt_buf_clear(&words[k]);
            assert_ok(lt_tokenizer_words(t[k], e[k], lt_buf_view(&text), take_word, &words[k]));
        }
        if (!lt_str_eq(lt_buf_view(&words[0]), lt_buf_view(&words[1])))
            fail_msg("text \"%s\"\nscanned %s\nmatched %s", text.p, words[0].p, words[1].p);
    }
    for (int k = 0; k < 2; k++) {
        lt_encoder_free(e[k]);
        lt_tokenizer_free(t[k]);
        lt_buf_free(&words[k]);
    }
    lt_buf_free(&text);
}

/* The same pattern in brackets is the same pattern, but not one of the known spellings. */
static void same_as_pattern(const char *preset, const char *pattern)
{
    json_t *j = json_pack("{s:s,s:[{s:s,s:{s:o},s:s,s:b},{s:s,s:b,s:b}]}", "type", "Sequence", "pretokenizers", "type",
                          "Split", "pattern", "Regex", json_sprintf("(?:%s)",
                                                                    pattern), "behavior", "Isolated", "invert", 0,
                          "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0);
    char *matched = json_dumps(j, 0);
    same_words(lt_tok_preset(preset), matched);
    free(matched);
    json_decref(j);
}

static const char *pattern_of(const char *preset, json_t **hold)
{
    *hold = json_loads(lt_tok_preset(preset), 0, NULL);
    json_t *split = json_array_get(json_object_get(*hold, "pretokenizers"), 0);
    return json_string_value(json_object_get(json_object_get(split, "pattern"), "Regex"));
}

static void test_tok_scan__gpt2(void **state)
{
    (void)state;
    same_as_pattern("gpt-2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
}

static void test_tok_scan__llama3(void **state)
{
    (void)state;
    json_t *hold;
    same_as_pattern("llama-bpe", pattern_of("llama-bpe", &hold));
    json_decref(hold);
}

static void test_tok_scan__qwen2(void **state)
{
    (void)state;
    json_t *hold;
    same_as_pattern("qwen2", pattern_of("qwen2", &hold));
    json_decref(hold);
}

static void test_tok_scan__starcoder(void **state)
{
    (void)state;
    json_t *j = json_loads(lt_tok_preset("starcoder"), 0, NULL);            /* three stages are taken one by one */
    json_array_insert_new(json_object_get(j, "pretokenizers"), 0, json_pack("{s:s,s:s}", "type", "CharDelimiterSplit",
                                                                            "delimiter", "\1"));
    char *staged = json_dumps(j, 0);
    same_words(lt_tok_preset("starcoder"), staged);
    free(staged);
    json_decref(j);
}

/* ---- merging ---- */
/* By the book: look at all pairs, join the one of lowest rank, the leftmost; begin again. */
static size_t merge_slowly(const struct lt_tok_merge *merge, size_t count, int32_t *id, size_t n)
{
    for (;;) {
        const struct lt_tok_merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t m = 0; m < count; m++)
                if (merge[m].left == id[i] && merge[m].right == id[i + 1] && (!best || merge[m].rank < best->rank)) {
                    best = &merge[m];
                    at = i;
                }
        if (!best)
            return n;
        id[at] = best->into;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

/* A vocabulary over three letters grown by random merges; equal ranks among them. */
struct grown {
    char text[64][80];
    struct lt_str piece[64];
    struct lt_tok_merge merge[200];
    int32_t pieces;
    size_t merges;
};

static void grow(struct grown *g, struct lt_rng *r)
{
    for (g->pieces = 0; g->pieces < 3; g->pieces++)
        snprintf(g->text[g->pieces], 80, "%c", 'a' + g->pieces);
    for (g->merges = 0; g->pieces < 40;) {
        uint64_t n = (uint64_t)g->pieces;
        int32_t left = (int32_t)lt_rng_below(r, n), right = (int32_t)lt_rng_below(r, n);
        char joined[160];
        snprintf(joined, sizeof joined, "%s%s", g->text[left], g->text[right]);
        bool known = strlen(joined) > 12;
        for (int32_t i = 0; i < g->pieces; i++)
            known |= strcmp(joined, g->text[i]) == 0;
        if (known)
            continue;
        snprintf(g->text[g->pieces], 80, "%.79s", joined);
        g->merge[g->merges] = (struct lt_tok_merge){ left, right, g->pieces++, (uint32_t)(g->merges / 3) };
        g->merges++;
    }
    for (int32_t i = 0; i < g->pieces; i++)
        g->piece[i] = lt_str(g->text[i]);
}

static void test_tok_scan__merging(void **state)
{
    (void)state;
    struct lt_rng r = lt_rng_make(11, "merging");
    for (int round = 0; round < 30; round++) {
        struct grown g;
        grow(&g, &r);
        struct lt_tok_spec s = { .kind = LT_TOK_BPE, .piece = g.piece, .count = g.pieces, .merge = g.merge,
                                 .merge_count = g.merges, .unk_id = -1, .bos = -1, .eos = -1 };
        struct lt_tokenizer *t;
        assert_ok(lt_tokenizer_build(&s, &t));
        struct lt_encoder *e = lt_encoder_new(t);
        struct lt_token *tok = NULL;
        size_t n, cap = 0;
        for (int i = 0; i < 60; i++) {
            char word[300];
            int32_t id[300];
            size_t size = 1 + (size_t)lt_rng_below(&r, i % 2 ? 299 : 30);      /* both ways of merging */
            for (size_t k = 0; k < size; k++)
                word[k] = (char)('a' + (id[k] = (int32_t)lt_rng_below(&r, 3)));
            size_t want = merge_slowly(g.merge, g.merges, id, size);
            for (int again = 0; again < 2; again++) {                           /* the second from the cache */
                n = 0;
                assert_ok(lt_encoder_encode(e, (struct lt_str){ word, size }, 0, NULL, &tok, &n, &cap));
                assert_int_equal(n, want);
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(tok[k].id, id[k]);
            }
        }
        free(tok);
        lt_encoder_free(e);
        lt_tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_scan__gpt2),
        cmocka_unit_test(test_tok_scan__llama3),
        cmocka_unit_test(test_tok_scan__qwen2),
        cmocka_unit_test(test_tok_scan__starcoder),
        cmocka_unit_test(test_tok_scan__merging),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
