/* Sentences and words by rules; the folder of `lathe sentences` against a slow twin. */
#include "test.h"
#include "base/ctx.h"
#include "data/sentence_corpus.h"
#include "text/sentence_split.h"

static int put(void *to, struct lt_str sentence, uint64_t words)
{
    uint64_t spaces = 0;
    for (size_t i = 0; i < sentence.n; i++) spaces += sentence.p[i] == ' ';
    assert_int_equal(words, spaces + 1);
    lt_buf_put(to, sentence.p, sentence.n);
    lt_buf_char(to, '|');
    return 0;
}

static void expect(const char *text, bool lines, bool tokenize, const char *wanted)
{
    struct lt_map known = { 0 };
    struct lt_buf got = { 0 };
    lt_sentence_abbreviations(&known);
    struct lt_sentence_rules r = { .abbreviations = &known, .lines = lines, .tokenize = tokenize };
    lt_buf_str(&got, "");
    assert_ok(lt_sentence_split(&r, lt_str(text), put, &got));
    assert_string_equal(got.p, wanted);
    lt_buf_free(&got);
    lt_map_free(&known);
}

static void test_sentences__end_at_marks_before_capitals(void **state)
{
    (void)state;
    expect("One came. Two went! did they? Yes.", false, false, "One came.|Two went! did they?|Yes.|");
    expect("He asked \"Why?\" She said (softly.) \"No.\" Then", false, false,
           "He asked \"Why?\"|She said (softly.)|\"No.\"|Then|");
    expect("wait... then. Wait... Then", false, false, "wait... then.|Wait...|Then|");
    expect("\xC3\x89t\xC3\xA9. \xC3\x89t\xC3\xA9. \xC3\xA9t\xC3\xA9.", false, false,
           "\xC3\x89t\xC3\xA9.|\xC3\x89t\xC3\xA9. \xC3\xA9t\xC3\xA9.|");
    expect("in 1999. 20 more", false, false, "in 1999. 20 more|");
    expect("\xE4\xB8\x80\xE3\x80\x82\xE4\xBA\x8C\xE3\x80\x82\xE3\x80\x8D\xE4\xB8\x89", false, false,
           "\xE4\xB8\x80\xE3\x80\x82|\xE4\xBA\x8C\xE3\x80\x82\xE3\x80\x8D|\xE4\xB8\x89|");
}

static void test_sentences__abbreviations_end_nothing(void **state)
{
    (void)state;
    expect("Dr. Who met J. R. Smith. He ran.", false, false, "Dr. Who met J. R. Smith.|He ran.|");
    expect("The U.S. Army, e.g. Them. So said I. Then", false, false, "The U.S. Army, e.g. Them.|So said I.|Then|");
    expect("\"Mr. A\" is in the A.B.C.D. Now", false, false, "\"Mr. A\" is in the A.B.C.D. Now|");
}

static void test_sentences__paragraphs_and_lines(void **state)
{
    (void)state;
    expect("a title\n\none line\nmore of\tit \r\n \nlast", false, false, "a title|one line more of it|last|");
    expect("one line\nanother. And\n", true, false, "one line|another.|And|");
    expect("", false, true, "");
    expect(" \n\n\t", false, true, "");
    expect("\xC2\xA0 x\xC2\xA0y", false, true, "x y|");
}

static void test_sentences__words(void **state)
{
    (void)state;
    expect("Don't (ever) pay 1,000.50, Mr. X-ray!!", false, true, "Don't ( ever ) pay 1,000.50 , Mr. X-ray !!|");
    expect("mail a@b.org at 10:30; see /etc/apt_x", false, true, "mail a@b.org at 10:30 ; see / etc / apt_x|");
    expect("a:b c,d -x- ...", false, true, "a : b c , d - x - ...|");
    expect("He met Dr.", false, true, "He met Dr .|");
}

/* ---- the folder ---- */
static struct lt_sentence_corpus_options options_of(const char *const *input, const char *output)
{
    return (struct lt_sentence_corpus_options){ .input = { (const char **)input, 1 }, .output = output,
        .docs = { .format = "auto", .field = "text" }, .seed = 42, .partitions = 10, .held_out = 2, .min_words = 1,
        .min_count = 2, .memory = 1, .test = 0.5, .lines = true, .dedup = true };
}

static int run(const struct lt_sentence_corpus_options *o)
{
    struct lt_ctx *c = lt_ctx_new(1, NULL, NULL);
    int rc = lt_sentence_corpus_run(o, c);
    lt_ctx_free(c);
    return rc;
}

static void read_file(const char *folder, const char *name, struct lt_buf *b)
{
    lt_buf_clear(b);
    assert_ok(lt_file_read(lt_test_path(folder, name), b));
}

/* Which file a sentence is in, and that the hashes of a file's sentences ascend within each partition. */
static void check_file(const char *folder, const char *name, int which, struct lt_map *seen)
{
    struct lt_buf b = { 0 };
    struct lt_str rest, line;
    uint64_t last = 0;
    read_file(folder, name, &b);
    rest = lt_buf_view(&b);
    while (rest.n && lt_str_split(&rest, '\n', &line)) {
        bool fresh;
        uint64_t key = lt_hash(line.p, line.n, 42), *value = lt_map_put(seen, line, &fresh);
        double place = (double)key * 0x1p-64 * 10, part = (double)(uint64_t)place;
        assert_true(fresh);                                         /* no sentence is in two places */
        *value = (uint64_t)which;
        assert_int_equal(which, part >= 2 ? 0 : place - part < 0.5 ? 2 : 1);
        assert_true(key > last);
        last = key;
    }
    lt_buf_free(&b);
}

/* 30000 lines, many of them equal; reversed: the last first. */
static const char *write_lines(const char *folder, const char *name, bool reversed)
{
    struct lt_buf b = { 0 };
    for (uint64_t i = 0; i < 30000; i++) {
        struct lt_rng r = { .seed = reversed ? 29999 - i : i, .stream = 3 };
        lt_buf_fmt(&b, "%d is %d\n", (int)lt_rng_below(&r, 40), (int)lt_rng_below(&r, 40));
    }
    const char *path = lt_test_path(folder, name);
    assert_ok(lt_file_save(path, b.p, b.n));
    lt_buf_free(&b);
    return path;
}

static void test_sentences__every_sentence_once_where_its_hash_says(void **state)
{
    (void)state;
    char *dir = lt_test_temp();
    const char *input = write_lines(dir, "in.txt", false);
    struct lt_sentence_corpus_options o = options_of(&input, lt_test_path(dir, "out"));
    struct lt_map given = { 0 }, seen = { 0 };
    struct lt_buf b = { 0 };
    struct lt_str rest, line;
    assert_ok(run(&o));
    check_file(o.output, "train.txt", 0, &seen);
    check_file(o.output, "dev.txt", 1, &seen);
    check_file(o.output, "test.txt", 2, &seen);
    assert_ok(lt_file_read(input, &b));
    rest = lt_buf_view(&b);
    while (rest.n && lt_str_split(&rest, '\n', &line)) lt_map_put(&given, line, NULL);
    assert_int_equal(given.count, seen.count);
    for (uint32_t i = 0; i < given.count; i++) assert_non_null(lt_map_get(&seen, given.entry[i].key));
    lt_map_free(&given);
    lt_map_free(&seen);
    lt_buf_free(&b);
    lt_test_temp_end(dir);
}

static void test_sentences__order_and_memory_change_nothing(void **state)
{
    (void)state;
    static const char *const name[] = { "train.txt", "dev.txt", "test.txt", "vocab.txt", "sentences.json" };
    char *dir = lt_test_temp();
    const char *input = write_lines(dir, "in.txt", false), *other = write_lines(dir, "other.txt", true);
    struct lt_sentence_corpus_options o = options_of(&input, lt_test_path(dir, "a"));
    struct lt_sentence_corpus_options p = options_of(&other, lt_test_path(dir, "b"));
    struct lt_buf x = { 0 }, y = { 0 };
    p.memory = 0;                               /* everything goes through the file */
    p.temp_dir = dir;
    assert_ok(run(&o));
    assert_ok(run(&p));
    for (int i = 0; i < LT_COUNT(name); i++) {
        read_file(o.output, name[i], &x);
        read_file(p.output, name[i], &y);
        assert_int_equal(x.n, y.n);
        assert_memory_equal(x.p, y.p, x.n);
    }
    p.seed = 43;
    assert_ok(run(&p));
    read_file(o.output, "test.txt", &x);
    read_file(p.output, "test.txt", &y);
    assert_true(!lt_str_eq(lt_buf_view(&x), lt_buf_view(&y)));
    lt_buf_free(&x);
    lt_buf_free(&y);
    lt_test_temp_end(dir);
}

static void test_sentences__refusals(void **state)
{
    (void)state;
    char *dir = lt_test_temp();
    const char *input = lt_test_path(dir, "one.txt");
    struct lt_sentence_corpus_options o = options_of(&input, lt_test_path(dir, "out"));
    assert_ok(lt_file_save(input, "only one sentence\n", 18));
    assert_fails(run(&o), "is left for");
    assert_false(lt_path_exists(o.output));
    o.held_out = 10;
    assert_fails(run(&o), "leaves nothing to train on");
    o.held_out = 2;
    o.end_mark = "</s>";
    assert_fails(run(&o), "--documents");
    o.documents = true;
    o.end_mark = "two words";
    assert_fails(run(&o), "one word");
    o.end_mark = NULL;
    o.temp_dir = lt_test_path(dir, "nowhere");
    o.memory = 0;
    input = write_lines(dir, "in.txt", false);
    assert_fails(run(&o), "nowhere");
    assert_false(lt_path_exists(o.output));
    lt_test_temp_end(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences__end_at_marks_before_capitals),
        cmocka_unit_test(test_sentences__abbreviations_end_nothing),
        cmocka_unit_test(test_sentences__paragraphs_and_lines),
        cmocka_unit_test(test_sentences__words),
        cmocka_unit_test(test_sentences__every_sentence_once_where_its_hash_says),
        cmocka_unit_test(test_sentences__order_and_memory_change_nothing),
        cmocka_unit_test(test_sentences__refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
