/* Training of byte-pair encoding against results of other trainers. */
#include "test.h"
#include "base/ctx.h"
#include "base/json.h"
#include "text/train/word_count.h"

static struct lt_tokenizer *train(const char *input, int count, const char *const *option)
{
    struct lt_options *s = lt_options_new(lt_method_find("tokenizer", "bpe"));
    for (int i = 0; i < count; i += 2)
        assert_ok(lt_options_set(s, option[i], option[i + 1]));
    const void *o = lt_options_done(s);
    if (!o)
        fail_msg("%s", lt_error());
    struct lt_list files = { .item = &input, .count = 1 };
    struct lt_tokenizer *t;
    assert_ok(((const struct lt_tokenizer_trainer *)lt_method_find("tokenizer", "bpe"))->train(o, NULL, &files, &t));
    lt_options_free(s);
    return t;
}

/* 500 tokens and 243 merges of an independent implementation; ties go to the greater pair of byte strings. */
static void test_bpe_trainer__reference_merges(void **state)
{
    (void)state;
    static const char *const option[] = { "vocab_size", "500", "ties", "bytes", "min_frequency", "1" };
    char *corpus = lt_strdup(lt_test_data("tokenizers/bpe-training/corpus.en"));
    char *folder = lt_test_temp();
    const char *input = lt_test_path(folder, "corpus.txt");
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read(corpus, &text));
    assert_ok(lt_file_save(input, text.p, text.n));
    struct lt_tokenizer *t = train(input, LT_COUNT(option), option);
    assert_int_equal(lt_tokenizer_vocab(t), 500);
    json_t *vocab;
    const char *piece;
    json_t *id;
    assert_ok(lt_json_read(lt_test_data("tokenizers/bpe-training/train-bpe-reference-vocab.json"), &vocab));
    assert_int_equal(json_object_size(vocab), 500);
    json_object_foreach(vocab, piece, id)
        if (lt_tokenizer_id(t, piece) != (int32_t)json_integer_value(id))
            fail_msg("%s has id %d, not %d", piece, (int)lt_tokenizer_id(t, piece), (int)json_integer_value(id));
    json_decref(vocab);
    const char *saved = lt_test_path(folder, "tokenizer.json");
    assert_ok(lt_tokenizer_save(t, saved));
    json_t *file;
    assert_ok(lt_json_read(saved, &file));
    const json_t *merges = json_object_get(json_object_get(file, "model"), "merges");
    lt_buf_clear(&text);
    assert_ok(lt_file_read(lt_test_data("tokenizers/bpe-training/train-bpe-reference-merges.txt"), &text));
    struct lt_str rest = lt_buf_view(&text), line;
    size_t n = 0;
    while (lt_str_split(&rest, '\n', &line)) {
        if (!line.n)
            continue;
        const char *got = json_string_value(json_array_get(merges, n++));
        if (!got || !lt_str_is(line, got))
            fail_msg("merge %zu is \"%s\", not \"%.*s\"", n, got ? got : "(none)", (int)line.n, line.p);
    }
    assert_int_equal(n, 243);
    assert_int_equal(json_array_size(merges), 243);
    json_decref(file);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
    free(corpus);
}

/* Hugging Face's trainer on the same text (test/oracle/make_bpe_merges.py). */
static void test_bpe_trainer__peer_merges(void **state)
{
    (void)state;
    static const char *const option[] = { "vocab_size", "3000", "format", "txt" };
    struct lt_tokenizer *t = train(lt_test_data("tokenizers/bpe-training/corpus.en"), LT_COUNT(option), option);
    char *folder = lt_test_temp();
    const char *saved = lt_test_path(folder, "tokenizer.json");
    assert_ok(lt_tokenizer_save(t, saved));
    json_t *file;
    assert_ok(lt_json_read(saved, &file));
    const json_t *merges = json_object_get(json_object_get(file, "model"), "merges");
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read("test/oracle/bpe_merges.tsv", &text));
    struct lt_str rest = lt_buf_view(&text), line;
    int n = 0;
    while (lt_str_split(&rest, '\n', &line)) {
        struct lt_str rank, left;
        int64_t i;
        char want[64];
        if (!line.n)
            continue;
        assert_true(lt_str_split(&line, '\t', &rank) && lt_str_split(&line, '\t', &left) && !lt_str_int(rank, &i));
        snprintf(want, sizeof want, "%.*s %.*s", (int)left.n, left.p, (int)line.n, line.p);
        const char *got = json_string_value(json_array_get(merges, (size_t)i));
        if (!got || strcmp(got, want))
            fail_msg("merge %d is \"%s\", the peer has \"%s\"", (int)i, got ? got : "(none)", want);
        n++;
    }
    assert_int_equal(n, 70);
    assert_int_equal(json_array_size(merges), 2743);
    json_decref(file);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
    lt_test_temp_end(folder);
}

/* Words counted with memory for hardly any, so that every batch goes to disk, are those counted with plenty. */
static void test_bpe_trainer__words_in_little_memory(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "corpus.txt");
    struct lt_buf b = { 0 };
    struct lt_rng r = lt_rng_make(9, "words");
    for (int i = 0; i < 300000; i++)
        lt_buf_fmt(&b, "w%d ", (int)lt_rng_below(&r, 1 + lt_rng_below(&r, 20000)));
    assert_ok(lt_file_save(path, b.p, b.n));
    struct lt_tok_spec spec = { .kind = LT_TOK_BPE, .pre_tokenizer = lt_tok_preset("gpt-2"), .unk_id = -1, .bos = -1,
                                .eos = -1 };
    struct lt_tokenizer *t;
    assert_ok(lt_tokenizer_build(&spec, &t));
    struct lt_list files = { .item = &path, .count = 1 };
    struct lt_words plenty, little;
    struct lt_word_how how = { .memory = 1 << 30 };
    assert_ok(lt_count_words(&how, &files, t, NULL, &plenty));
    how.memory = 1;
    struct lt_ctx *c = lt_ctx_new(3, NULL, NULL);
    assert_ok(lt_count_words(&how, &files, t, c, &little));
    assert_int_equal(plenty.count, little.count);
    assert_int_equal(plenty.total, little.total);
    assert_true(plenty.total > 600000);                 /* letters and digits are words apart */
    for (size_t i = 0; i < plenty.count; i++) {
        const struct lt_word *x = &plenty.word[i], *y = &little.word[i];
        assert_int_equal(x->count, y->count);
        assert_true(lt_str_eq((struct lt_str){ x->p, x->n }, (struct lt_str){ y->p, y->n }));
    }
    lt_words_release(&plenty);
    lt_words_release(&little);
    lt_tokenizer_free(t);
    lt_ctx_free(c);
    lt_buf_free(&b);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe_trainer__reference_merges),
        cmocka_unit_test(test_bpe_trainer__peer_merges),
        cmocka_unit_test(test_bpe_trainer__words_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
