/* Training of byte-pair encoding against results of other trainers. */
#include "test.h"
#include "base/json.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe_trainer__reference_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
