/* Training of byte-pair encoding against results of other trainers. */
#include "test.h"
#include "base/ctx.h"
#include "base/json.h"
#include "text/train/word_count.h"

static struct lt_tokenizer *train(const char *name, const char *input, int count, const char *const *option)
{
    const struct lt_method *m = lt_method_find("tokenizer", name);
    struct lt_options *s = lt_options_new(m);
    for (int i = 0; i < count; i += 2)
        assert_ok(lt_options_set(s, option[i], option[i + 1]));
    const void *o = lt_options_done(s);
    if (!o)
        fail_msg("%s", lt_error());
    struct lt_list files = { .item = &input, .count = 1 };
    struct lt_tokenizer *t;
    assert_ok(((const struct lt_tokenizer_trainer *)m)->train(o, NULL, &files, &t));
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
    struct lt_tokenizer *t = train("bpe", input, LT_COUNT(option), option);
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

/* Hugging Face's trainer on the same text (test/oracle/make_trainers.py). */
static void test_bpe_trainer__peer_merges(void **state)
{
    (void)state;
    static const char *const option[] = { "vocab_size", "3000", "format", "txt" };
    struct lt_tokenizer *t = train("bpe", lt_test_data("tokenizers/bpe-training/corpus.en"), LT_COUNT(option), option);
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
        int64_t i = 0;
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

/* The peer numbers its "##" characters in the order of a hash table, which decides ties: two runs of its own differ in
 * 5 of these 1000 pieces. */
static void test_bpe_trainer__peer_wordpiece(void **state)
{
    (void)state;
    static const char *const option[] = { "vocab_size", "1000", "format", "txt" };
    const char *corpus = lt_test_data("tokenizers/bpe-training/corpus.en");
    struct lt_tokenizer *t = train("wordpiece", corpus, LT_COUNT(option), option);
    struct lt_buf text = { 0 };
    assert_ok(lt_file_read("test/oracle/wordpiece_vocab.txt", &text));
    struct lt_str rest = lt_buf_view(&text), line;
    int n = 0, same = 0;
    while (lt_str_split(&rest, '\n', &line)) {
        char piece[128];
        if (!line.n)
            continue;
        snprintf(piece, sizeof piece, "%.*s", (int)line.n, line.p);
        same += lt_tokenizer_id(t, piece) >= 0;
        n++;
    }
    assert_int_equal(n, 1000);
    assert_true(same >= 990);
    assert_int_equal(lt_tokenizer_vocab(t), 1000);
    lt_buf_free(&text);
    lt_tokenizer_free(t);
}

/* Every pre-tokeniser by name, and characters instead of bytes: what was learnt encodes and decodes the text. */
static void test_bpe_trainer__pipelines(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "corpus.txt");
    struct lt_buf b = { 0 };
    for (int i = 0; i < 3000; i++)
        lt_buf_fmt(&b, "It's %d o'clock in Gen\xC3\xA8ve (%x);%s", i * 7919 % 10007, (unsigned)i * 2654435761u,
                   i % 7 ? " " : "\n\n  then ");
    assert_ok(lt_file_save(path, b.p, b.n));
    for (const char *const *name = lt_tok_presets();; name++) {
        const char *const by_name[] = { "vocab_size", "400", "pre_tokenizer", *name };
        static const char *const chars[] = { "vocab_size", "400", "level", "char", "unk_token", "<unk>",
                                             "limit_alphabet", "30", "max_token_length", "5" };
        struct lt_tokenizer *t = *name ? train("bpe", path, LT_COUNT(by_name), by_name)
                                       : train("bpe", path, LT_COUNT(chars), chars);
        struct lt_token *token = NULL;
        size_t n = 0, cap = 0, size = 0;
        char *back = NULL;
        assert_int_equal(lt_tokenizer_vocab(t), 400);
        assert_ok(lt_tokenizer_encode(t, lt_buf_view(&b), 0, &token, &n, &cap));
        int32_t *id = lt_alloc(n * sizeof *id);
        for (size_t i = 0; i < n; i++)
            id[i] = token[i].id;
        assert_true(n < b.n * 3 / 4);
        assert_ok(lt_tokenizer_decode(t, id, n, true, &back, &size));
        if (!lt_str_eq((struct lt_str){ back, size }, lt_buf_view(&b)))
            fail_msg("%s: the text does not come back", *name ? *name : "characters");
        free(back);
        free(id);
        free(token);
        lt_tokenizer_free(t);
        if (!*name)
            break;
    }
    lt_buf_free(&b);
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
        cmocka_unit_test(test_bpe_trainer__peer_wordpiece),
        cmocka_unit_test(test_bpe_trainer__pipelines),
        cmocka_unit_test(test_bpe_trainer__words_in_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
