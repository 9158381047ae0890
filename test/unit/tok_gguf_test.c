/* Tokenizers in GGUF files: those of the gguf package, ours there and back, and what cannot be said. */
#include "test.h"
#include "text/tok_gguf.h"

static void check_ids(const struct lt_tokenizer *t, const char *text, unsigned flags, const int32_t *want, size_t count)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    assert_ok(lt_tokenizer_encode(t, lt_str(text), flags, &token, &n, &cap));
    if (n != count) fail_msg("\"%s\": %zu tokens, expected %zu", text, n, count);
    for (size_t i = 0; i < n; i++)
        if (token[i].id != want[i]) fail_msg("\"%s\": token %zu is %d, expected %d", text, i, token[i].id, want[i]);
    free(token);
}
#define IDS(...) (const int32_t[]){ __VA_ARGS__ }, sizeof (const int32_t[]){ __VA_ARGS__ } / sizeof(int32_t)

static void test_tok_gguf__files_of_the_gguf_package(void **state)
{
    (void)state;
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_open("test/fuzz/corpus/gguf/llama", &t));
    check_ids(t, "abc \xC3\xA4<|x|>", LT_SPECIAL, IDS(1, 3, 15, 3, 12, 13, 14));
    check_ids(t, "ab bc", 0, IDS(8, 3, 9));
    assert_int_equal(lt_tokenizer_bos(t), 1);
    assert_int_equal(lt_tokenizer_eos(t), 2);
    lt_tokenizer_free(t);
    assert_ok(lt_tokenizer_open("test/fuzz/corpus/gguf/gpt2", &t));
    check_ids(t, "ab abc !", LT_SPECIAL, IDS(5, 6, 3, 12));
    check_ids(t, "<|end|>a<|x|>", 0, IDS(0, 1, 13));
    assert_int_equal(lt_tokenizer_bos(t), 0);
    lt_tokenizer_free(t);
    assert_ok(lt_tokenizer_open("test/fuzz/corpus/gguf/bert-vocab", &t));
    check_ids(t, "Aab ! ab", LT_SPECIAL, IDS(2, 4, 6, 8, 1, 3));
    lt_tokenizer_free(t);
    assert_ok(lt_tokenizer_open("test/fuzz/corpus/gguf/t5-vocab", &t));
    check_ids(t, "  ab  abc z<x>a ", LT_SPECIAL, IDS(8, 8, 9, 3, 2, 10, 7, 1));
    assert_int_equal(lt_tokenizer_bos(t), -1);
    assert_int_equal(lt_tokenizer_eos(t), 1);
    lt_tokenizer_free(t);
}

/* ---- there and back ---- */

static const char *const texts[] = {
    "Hello, world! It's 2024; you'll see 12345 things.", "  two  spaces\n\n\tand a tab \r\n",
    "na\xC3\xAFve caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80",
    "<|endoftext|>after", "", " ", "I'LL DON'T x\xCC\x81",
};

static struct lt_tokenizer *train(const char *const (*option)[2], int count)
{
    const struct lt_tokenizer_trainer *b = (const struct lt_tokenizer_trainer *)lt_method_find("tokenizer", "bpe");
    struct lt_options *s = lt_options_new(&b->m);
    assert_ok(lt_options_set(s, "vocab_size", "400"));
    for (int i = 0; i < count; i++) assert_ok(lt_options_set(s, option[i][0], option[i][1]));
    struct lt_list files = { (const char *[]){ "README.md" }, 1 };
    struct lt_tokenizer *t;
    const void *o = lt_options_done(s);
    assert_non_null(o);
    assert_ok(b->train(o, NULL, &files, &t));
    lt_options_free(s);
    return t;
}

static int no_data(void *self, int i, struct lt_writer *to)
{
    (void)self;
    (void)i;
    (void)to;
    return 0;
}

static struct lt_tok_gguf_ids ids_of(const struct lt_tokenizer *t)
{
    return (struct lt_tok_gguf_ids){ lt_tokenizer_bos(t), lt_tokenizer_eos(t), -1, -1 };
}

/* Writes the keys of a tokenizer and opens them again; rows is a little more than it needs. */
static int put(const struct lt_tokenizer *t, enum lt_tok_gguf_how how, const char *path, struct lt_gguf **out)
{
    struct lt_gguf_out *w = lt_gguf_out_new();
    struct lt_tok_gguf_ids ids = ids_of(t);
    struct lt_buf note = { 0 };
    int rc = lt_tok_put_gguf(t, lt_tokenizer_vocab(t) + 3, &ids, how, w, &note);
    if (!rc) {
        assert_ok(lt_gguf_save(w, path, no_data, NULL));
        assert_ok(lt_gguf_open(path, out));
    }
    lt_buf_free(&note);
    lt_gguf_out_free(w);
    return rc;
}

static void same_ids(const struct lt_tokenizer *a, const struct lt_tokenizer *b)
{
    for (int i = 0; i < LT_COUNT(texts); i++) {
        struct lt_token *token = NULL;
        size_t n = 0, cap = 0;
        assert_ok(lt_tokenizer_encode(a, lt_str(texts[i]), LT_SPECIAL, &token, &n, &cap));
        int32_t *id = lt_alloc((n + 1) * sizeof *id);
        for (size_t k = 0; k < n; k++) id[k] = token[k].id;
        check_ids(b, texts[i], LT_SPECIAL, id, n);
        char *x = NULL, *y = NULL;
        size_t xn, yn;
        assert_ok(lt_tokenizer_decode(a, id, n, true, &x, &xn));
        assert_ok(lt_tokenizer_decode(b, id, n, true, &y, &yn));
        assert_int_equal(xn, yn);
        assert_memory_equal(x, y, xn);
        free(x);
        free(y);
        free(id);
        free(token);
    }
}

static void there_and_back(const struct lt_tokenizer *t)
{
    char *folder = lt_test_temp();
    struct lt_tokenizer *keys, *whole;
    struct lt_gguf *g;
    assert_ok(put(t, LT_TOK_GGUF_BOTH, lt_test_path(folder, "t.gguf"), &g));
    assert_ok(lt_tok_of_ggml_keys(g, &keys));
    assert_ok(lt_tok_of_gguf(g, &whole));
    same_ids(t, keys);
    same_ids(t, whole);
    assert_string_equal(lt_tokenizer_hash(t), lt_tokenizer_hash(whole));
    assert_int_equal(lt_tokenizer_vocab(t), lt_tokenizer_vocab(keys));
    assert_int_equal(lt_tokenizer_eos(t), lt_tokenizer_eos(keys));
    lt_tokenizer_free(keys);
    lt_tokenizer_free(whole);
    lt_gguf_free(g);
    lt_test_temp_end(folder);
}

static void test_tok_gguf__every_pre_tokenizer_there_and_back(void **state)
{
    (void)state;
    for (const char *const *name = lt_tok_presets(); *name; name++) {
        struct lt_tokenizer *t = train((const char *const[][2]){ { "pre_tokenizer", *name } }, 1);
        there_and_back(t);
        lt_tokenizer_free(t);
    }
}

/* Unigram of the two ways to say how text is prepared; texts on which llama.cpp's way and Hugging Face's are one. */
static void test_tok_gguf__unigram_there_and_back(void **state)
{
    (void)state;
    static const char *const name[] = { "hf/t5-base/tokenizer.json.zst", "sentencepiece/test_model.model" };
    for (int i = 0; i < LT_COUNT(name); i++) {
        char path[128];
        struct lt_tokenizer *t;
        snprintf(path, sizeof path, "tokenizers/%s", name[i]);
        assert_ok(lt_tokenizer_open(lt_test_data(path), &t));
        there_and_back(t);
        lt_tokenizer_free(t);
    }
}

/* Published ones, from the data folder. */
static void test_tok_gguf__published_there_and_back(void **state)
{
    (void)state;
    static const char *const name[] = { "gpt2", "falcon-7b", "dolma2", "llama-2" };
    for (int i = 0; i < LT_COUNT(name); i++) {
        char path[128];
        struct lt_tokenizer *t;
        snprintf(path, sizeof path, "tokenizers/hf/%s/tokenizer.json.zst", name[i]);
        assert_ok(lt_tokenizer_open(lt_test_data(path), &t));
        there_and_back(t);
        lt_tokenizer_free(t);
    }
}

static void test_tok_gguf__json_alone_keeps_what_keys_cannot_say(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    struct lt_tokenizer *t = train((const char *const[][2]){ { "level", "char" } }, 1), *back;
    struct lt_gguf *g;
    assert_ok(put(t, LT_TOK_GGUF_JSON, lt_test_path(folder, "t.gguf"), &g));
    assert_true(lt_tok_in_gguf(g));
    assert_ok(lt_tok_of_gguf(g, &back));
    same_ids(t, back);
    assert_string_equal(lt_tokenizer_hash(t), lt_tokenizer_hash(back));
    assert_fails(lt_tok_of_ggml_keys(g, &back), "\"no_vocab\" are not read");
    lt_tokenizer_free(t);
    lt_tokenizer_free(back);
    lt_gguf_free(g);
    lt_test_temp_end(folder);
}

/* ---- what cannot be said ---- */

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<s>\":3},\"merges\":[\"a b\"]}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define TWICE "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"a\",\"type_id\":0}}," \
              "{\"SpecialToken\":{\"id\":\"b\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]," \
              "\"pair\":[],\"special_tokens\":{\"a\":{\"id\":\"a\",\"ids\":[0],\"tokens\":[\"a\"]}," \
              "\"b\":{\"id\":\"b\",\"ids\":[1]," \
              "\"tokens\":[\"b\"]}}}"
static const struct { const char *json, *said; } refused[] = {
    { "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
      "\"model\":{\"type\":\"BPE\"," VOCAB "}", "none of those that llama.cpp knows by name" },
    { "{\"pre_tokenizer\":" GPT2 ",\"model\":{\"type\":\"BPE\",\"ignore_merges\":true," VOCAB "}",
      "none of those that llama.cpp knows by name (with ignore_merges)" },
    { "{\"pre_tokenizer\":" GPT2 ",\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{\"type\":\"BPE\"," VOCAB "}",
      "normalises text ({\"type\":\"Lowercase\"})" },
    { "{\"pre_tokenizer\":" GPT2 ",\"post_processor\":" TWICE ",\"model\":{\"type\":\"BPE\"," VOCAB "}",
      "puts 2 tokens before a text" },
    { "{\"model\":{\"type\":\"BPE\"," VOCAB "}", "BPE without bytes tokenizers are not written" },
    { "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true," VOCAB "}", "putting U+2581 for spaces" },
    { "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":0}}}", "WordPiece tokenizers are not" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",-1]]}}", "in another way than sentencepiece" },
    { "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
      "\"content\":\"\xE2\x96\x81\"}]},\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]]}}",
      "no unknown piece" },
};

static void test_tok_gguf__what_keys_cannot_say_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < LT_COUNT(refused); i++) {
        struct lt_tokenizer *t;
        struct lt_gguf *g;
        assert_ok(lt_tok_read_json("t", lt_str(refused[i].json), &t));
        assert_fails(put(t, LT_TOK_GGUF_BOTH, "never", &g), refused[i].said);
        assert_non_null(strstr(lt_error(), "--tokenizer_form json"));
        lt_tokenizer_free(t);
    }
    struct lt_tokenizer *t = train((const char *const[][2]){ { "level", "char" } }, 1);
    struct lt_gguf *g;
    assert_fails(put(t, LT_TOK_GGUF_BOTH, "never", &g), "putting U+2581 for spaces");
    lt_tokenizer_free(t);
}

/* ---- damage ---- */

static void test_tok_gguf__damage_is_named(void **state)
{
    (void)state;
    static const struct { const char *file, *text, *put, *said; } row[] = {
        { "gpt2", "tokenizer.ggml.pre", "tokenizer.ggml.prx", "tokenizer.ggml.pre is missing" },
        { "gpt2", "gpt-2", "gpt-3", "there is no pre-tokenizer \"gpt-3\"; known are" },
        { "gpt2", "tokenizer.ggml.merges", "tokenizer.ggml.mergex", "tokenizer.ggml.merges is missing" },
        { "gpt2", "a b", "a x", "merge 0, \"a x\", is not of two tokens into a third" },
        { "gpt2", "a b", "abc", "merge 0, \"abc\", is not of two tokens into a third" },
        { "gpt2", "tokenizer.ggml.tokens", "tokenizer.ggml.tokenx", "tokenizer.ggml.tokens is missing" },
        { "llama", "tokenizer.ggml.scores", "tokenizer.ggml.scorex", "tokenizer.ggml.scores is missing" },
        { "llama", "tokenizer.ggml.model", "tokenizer.ggml.modex", "tokenizer.ggml.model is missing" },
        { "bert-vocab", "\x04\x00\x00\x00\x00\x00\x00\x00" "bert", "\x04\x00\x00\x00\x00\x00\x00\x00" "t5++",
          "are not read" },
    };
    for (int i = 0; i < LT_COUNT(row); i++) {
        char path[64];
        struct lt_buf b = { 0 };
        struct lt_tokenizer *t;
        snprintf(path, sizeof path, "test/fuzz/corpus/gguf/%s", row[i].file);
        assert_ok(lt_file_read(path, &b));
        size_t n = row[i].text[0] == 4 ? 12 : strlen(row[i].text);
        char *last = NULL;
        for (char *at = b.p; (at = memmem(at, b.n - (size_t)(at - b.p), row[i].text, n)); at++) last = at;
        assert_non_null(last);
        memcpy(last, row[i].put, n);
        assert_fails(lt_tok_read_gguf("file", lt_buf_view(&b), &t), row[i].said);
        assert_non_null(strstr(lt_error(), "file"));
        lt_buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tok_gguf__files_of_the_gguf_package),
        cmocka_unit_test(test_tok_gguf__every_pre_tokenizer_there_and_back),
        cmocka_unit_test(test_tok_gguf__unigram_there_and_back),
        cmocka_unit_test(test_tok_gguf__published_there_and_back),
        cmocka_unit_test(test_tok_gguf__json_alone_keeps_what_keys_cannot_say),
        cmocka_unit_test(test_tok_gguf__what_keys_cannot_say_is_refused),
        cmocka_unit_test(test_tok_gguf__damage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
