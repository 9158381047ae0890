/* Laws of every tokenizer trainer, because it is in the list. */
#include "test.h"

enum { VOCAB = 700 };

static const struct lt_method *const *trainers(void)
{
    const struct lt_kind *k = lt_kinds();
    while (strcmp(k->name, "tokenizer")) k++;
    return k->member;
}

/* Text of made-up words: some frequent, most rare, a few letters beyond ASCII, numbers, punctuation. */
static void put_sentence(struct lt_buf *b, struct lt_rng *r)
{
    static const char *const syllable[] = { "ba", "ken", "to", "ri", "sha", "mu", "el", "on", "ta", "\xC3\xA9", "in",
                                            "gr", "o", "st", "le", "w\xC3\xBC", "\xCE\xB1\xCE\xBB" };
    int words = 3 + (int)lt_rng_below(r, 12);
    for (int w = 0; w < words; w++) {
        uint64_t rank = lt_rng_below(r, 1 + lt_rng_below(r, 1 + lt_rng_below(r, 100000)));
        struct lt_rng own = { .seed = rank, .stream = 5 };
        int n = 1 + (int)lt_rng_below(&own, 4);
        if (w) lt_buf_char(b, ' ');
        for (int i = 0; i < n; i++) lt_buf_str(b, syllable[lt_rng_below(&own, LT_COUNT(syllable))]);
        if (rank % 97 == 0) lt_buf_fmt(b, " %d", (int)(rank % 10007));
    }
    lt_buf_str(b, lt_rng_below(r, 5) ? ".\n" : "?\n\n");
}

static const char *write_corpus(const char *folder, int sentences)
{
    const char *path = lt_test_path(folder, "corpus.txt");
    struct lt_rng r = lt_rng_make(1, "corpus");
    struct lt_buf b = { 0 };
    for (int i = 0; i < sentences; i++) put_sentence(&b, &r);
    assert_ok(lt_file_save(path, b.p, b.n));
    lt_buf_free(&b);
    return path;
}

static int train(const struct lt_method *m, const char *path, int threads, const char *const *option,
                 struct lt_tokenizer **out)
{
    struct lt_options *s = lt_options_new(m);
    int rc = 0;
    for (; *option && !rc; option += 2) rc = lt_options_set(s, option[0], option[1]);
    const void *o = rc ? NULL : lt_options_done(s);
    struct lt_ctx *c = lt_ctx_new(threads, NULL, NULL);
    struct lt_list files = { .item = &path, .count = 1 };
    rc = o ? ((const struct lt_tokenizer_trainer *)m)->train(o, c, &files, out) : -1;
    lt_ctx_free(c);
    lt_options_free(s);
    return rc;
}

static void ids_of(const struct lt_tokenizer *t, struct lt_str text, struct lt_buf *ids)
{
    struct lt_token *token = NULL;
    size_t n = 0, cap = 0;
    assert_ok(lt_tokenizer_encode(t, text, 0, &token, &n, &cap));
    lt_buf_clear(ids);
    for (size_t i = 0; i < n; i++) {
        assert_true(token[i].id >= 0 && token[i].id < lt_tokenizer_vocab(t));
        lt_buf_put(ids, &token[i].id, sizeof token[i].id);
    }
    free(token);
}

/* What was decoded encodes to the same ids. */
static void check_round_trip(const char *name, const struct lt_tokenizer *t)
{
    struct lt_rng r = lt_rng_make(2, "held out");
    struct lt_buf text = { 0 }, ids = { 0 }, again = { 0 };
    for (int i = 0; i < 300; i++) {
        lt_buf_clear(&text);
        put_sentence(&text, &r);
        ids_of(t, lt_buf_view(&text), &ids);
        char *back = NULL;
        size_t n = 0;
        assert_ok(lt_tokenizer_decode(t, (const int32_t *)ids.p, ids.n / 4, true, &back, &n));
        ids_of(t, (struct lt_str){ back, n }, &again);
        if (!lt_str_eq(lt_buf_view(&ids), lt_buf_view(&again)))
            fail_msg("%s: \"%s\" decodes to \"%.*s\", which has other ids", name, text.p, (int)n, back);
        bool lossy = !strcmp(name, "wordpiece") || !strcmp(name, "wordlevel");
        if (!lossy && !lt_str_eq(lt_buf_view(&text), (struct lt_str){ back, n }))
            fail_msg("%s: \"%s\" decodes to \"%.*s\"", name, text.p, (int)n, back);
        free(back);
    }
    lt_buf_free(&text);
    lt_buf_free(&ids);
    lt_buf_free(&again);
}

static void check_special(const char *name, const struct lt_tokenizer *t)
{
    int32_t id = lt_tokenizer_id(t, "<|sep|>");
    struct lt_buf ids = { 0 };
    if (id < 0) fail_msg("%s: <|sep|> is not in the vocabulary", name);
    ids_of(t, lt_str("taken<|sep|>ken"), &ids);
    int seen = 0;
    for (size_t i = 0; i < ids.n / 4; i++) seen += ((const int32_t *)ids.p)[i] == id;
    if (seen != 1) fail_msg("%s: <|sep|> is one token %d times", name, seen);
    lt_buf_free(&ids);
    if (lt_tokenizer_bos(t) < 0 || lt_tokenizer_eos(t) < 0) fail_msg("%s: no begin or end token", name);
}

static void check_saved(const char *name, const struct lt_tokenizer *t, const char *folder)
{
    const char *path = lt_test_path(folder, "tokenizer.json");
    struct lt_tokenizer *again;
    assert_ok(lt_tokenizer_save(t, path));
    assert_ok(lt_tokenizer_open(path, &again));
    if (strcmp(lt_tokenizer_hash(t), lt_tokenizer_hash(again))) fail_msg("%s: other than what was saved", name);
    assert_int_equal(lt_tokenizer_bos(t), lt_tokenizer_bos(again));
    assert_int_equal(lt_tokenizer_eos(t), lt_tokenizer_eos(again));
    lt_tokenizer_free(again);
}

static void test_trainers__results(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = write_corpus(folder, 6000);
    static const char *const option[] = { "vocab_size", "700", "special_tokens", "<|sep|>", NULL };
    for (const struct lt_method *const *m = trainers(); *m; m++) {
        struct lt_tokenizer *t;
        if (train(*m, path, 1, option, &t)) fail_msg("%s: %s", (*m)->name, lt_error());
        if (lt_tokenizer_vocab(t) != VOCAB) fail_msg("%s: %d tokens", (*m)->name, lt_tokenizer_vocab(t));
        check_round_trip((*m)->name, t);
        check_special((*m)->name, t);
        check_saved((*m)->name, t, folder);
        lt_tokenizer_free(t);
    }
    lt_test_temp_end(folder);
}

/* The same tokenizer with any number of threads, and with so little memory that counts go to disk. */
static void test_trainers__threads_and_memory(void **state)
{
    (void)state;
    char *folder = lt_test_temp();
    const char *path = write_corpus(folder, 30000);
    static const char *const plenty[] = { "vocab_size", "500", NULL };
    static const char *const little[] = { "vocab_size", "500", "memory", "32", NULL };
    for (const struct lt_method *const *m = trainers(); *m; m++) {
        struct lt_tokenizer *first, *t;
        if (train(*m, path, 1, plenty, &first)) fail_msg("%s: %s", (*m)->name, lt_error());
        for (int threads = 2; threads <= 4; threads += 2) {
            if (train(*m, path, threads, threads == 2 ? plenty : little, &t))
                fail_msg("%s: %s", (*m)->name, lt_error());
            if (strcmp(lt_tokenizer_hash(first), lt_tokenizer_hash(t)))
                fail_msg("%s: another tokenizer with %d threads", (*m)->name, threads);
            lt_tokenizer_free(t);
        }
        lt_tokenizer_free(first);
    }
    lt_test_temp_end(folder);
}

static void test_trainers__bad_input(void **state)
{
    (void)state;
    static const struct { const char *text; size_t n; } bad[] = {
        { "", 0 }, { "  \n\n \t \n", 8 }, { "fine\xFF\xFEnot", 9 }, { "a\0b", 3 }, { "cut \xE2\x82", 6 },
    };
    static const char *const option[] = { "vocab_size", "400", NULL };
    static const char *const tiny[] = { "vocab_size", "3", NULL };
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "bad.txt");
    struct lt_tokenizer *t;
    for (const struct lt_method *const *m = trainers(); *m; m++) {
        for (int i = 0; i < LT_COUNT(bad); i++) {
            assert_ok(lt_file_save(path, bad[i].text, bad[i].n));
            if (train(*m, path, 2, option, &t) == 0) fail_msg("%s takes bad input %d", (*m)->name, i);
            if (!strstr(lt_error(), "bad.txt")) fail_msg("%s: \"%s\" does not name the file", (*m)->name, lt_error());
        }
        assert_fails(train(*m, "/nonexistent.txt", 2, option, &t), "/nonexistent.txt");
        assert_ok(lt_file_save(path, "some words, more words", 22));
        assert_fails(train(*m, path, 2, tiny, &t), "vocab_size 3");
    }
    lt_test_temp_end(folder);
}

/* Text without a place to cut it, in letters of three bytes: taken in parts, and every token is below the size. */
static void test_trainers__endless_word(void **state)
{
    (void)state;
    static const char *const option[] = { "vocab_size", "400", NULL };
    char *folder = lt_test_temp();
    const char *path = lt_test_path(folder, "endless.txt");
    struct lt_rng r = lt_rng_make(3, "endless");
    struct lt_buf b = { 0 }, ids = { 0 };
    for (int i = 0; i < 20000; i++)
        lt_buf_fmt(&b, "%s", (const char *[]){ "\xE3\x81\x82", "\xE3\x81\x84", "\xE6\x97\xA5" }[lt_rng_below(&r, 3)]);
    assert_ok(lt_file_save(path, b.p, b.n));
    for (const struct lt_method *const *m = trainers(); *m; m++) {
        struct lt_tokenizer *t;
        if (train(*m, path, 2, option, &t)) fail_msg("%s: %s", (*m)->name, lt_error());
        ids_of(t, lt_buf_view(&b), &ids);
        assert_true(ids.n > 0);
        lt_tokenizer_free(t);
    }
    lt_buf_free(&b);
    lt_buf_free(&ids);
    lt_test_temp_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trainers__results),
        cmocka_unit_test(test_trainers__threads_and_memory),
        cmocka_unit_test(test_trainers__bad_input),
        cmocka_unit_test(test_trainers__endless_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
